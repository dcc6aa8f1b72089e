//! The network: tracers, links without room, and fronts.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use synod_fault::Millis;
use synod_report::Fate;

use super::*;

const THERE: LinkId = LinkId { from: NodeId(1), to: NodeId(2) };
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::yield_now();
    }
}

/// Makes a network of one route to nobody, over which tracers fly.
fn network(transport: Transport) -> Network {
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let upstream = nobody.expect("a free port");
    let (dialer, listener) = (THERE.from, THERE.to);
    let route = Route { dialer, listener, upstream, transport };
    let mut network = Network::start(Seed(1), &[route]).expect("a proxy");
    network.send_tracers().expect("a thread");
    network
}

#[test]
fn tracers_cross_a_link_of_either_transport_but_not_while_it_is_cut() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let network = network(transport);
        let since = |link, from| {
            let seen = network.tracers().crossings(link, (from, Instant::now()));
            seen.expect("tracers cross it")
        };
        let begun = Instant::now();
        for link in [THERE, THERE.reversed()] {
            wait_for("a crossing", || since(link, begun).received > 2);
        }
        network.begin(FaultId(1), BTreeMap::from([(THERE, LinkRules::CUT)])).expect("a cut");
        let cut = Instant::now();
        wait_for("a try", || {
            since(THERE, cut).sent > 5 && since(THERE.reversed(), cut).received > 2
        });
        assert_eq!(since(THERE, cut).received, 0, "{transport}");
        network.heal();
        let healed = Instant::now();
        wait_for("a crossing after it", || since(THERE, healed).received > 2);
        let counts = network.counts();
        assert!(counts.iter().all(|counts| !counts.was_used()), "{counts:?}");
    }
}

/// A packet for which there is no room is counted, and the others are carried on.
#[test]
fn a_link_that_holds_all_it_can_goes_on() {
    let begun = Instant::now();
    let listener = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let dialer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let upstream = listener.local_addr().expect("an address");
    let (from, to) = (THERE.from, THERE.to);
    let route = Route { dialer: from, listener: to, upstream, transport: Transport::Udp };
    let network = Network::start(Seed(1), &[route]).expect("a proxy");
    let proxy = network.address(from, to).expect("a proxy");
    let late = LinkRules { delay_ms: Millis(3_600_000), ..LinkRules::default() };
    network.begin(FaultId(1), BTreeMap::from([(THERE, late)])).expect("a fault");
    let counts = || network.counts().into_iter().find(|one| one.from == from.0);
    let large = vec![7; 60_000];
    wait_for("an overflow", || {
        dialer.send_to(&large, proxy).expect("a proxy");
        counts().is_some_and(|counts| counts.overflowed > 0)
    });
    network.heal();
    wait_for("the next packet", || {
        dialer.send_to(b"after", proxy).expect("a proxy");
        let came = listener.recv(&mut [0; 9]);
        came.is_ok_and(|size| size == 5)
    });
    let seen = network.messages_since(begun).messages;
    assert!(seen.iter().any(|message| message.fate == Fate::Overflowed));
    assert!(seen.iter().any(|message| matches!(message.fate, Fate::Came(_))));
}

/// The same address leads a peer and the clients to where a node listens to each, and what a
/// connection obeys are the links of whoever dialed.
#[test]
fn an_announced_address_is_on_the_links_of_whoever_dials_it() {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (peers, clients) = (listen(), listen());
    for listener in [&peers, &clients] {
        listener.set_nonblocking(true).expect("a socket");
    }
    let at = |listener: &TcpListener| listener.local_addr().expect("bound");
    let transport = Transport::Tcp;
    let (node, other) = (NodeId(1), NodeId(2));
    let route = |dialer, upstream| Route { dialer, listener: node, upstream, transport };
    let routes = [route(other, at(&peers)), route(CLIENTS, at(&clients))];
    let port = AnnouncedPort { node, for_peers: at(&peers), for_clients: at(&clients) };
    let network = Network::start_announced(Seed(1), &routes, &[port]).expect("a front");
    let announced = network.announced(at(&peers)).expect("it is announced");
    let group = rustix::process::getpgrp().as_raw_pid().unsigned_abs();
    for (dialer, listener) in [(CLIENTS, &clients), (other, &peers)] {
        if dialer == other {
            network.dialers().note(group, other);
        }
        let mut dialed = TcpStream::connect(announced).expect("the front listens");
        let mut accepted = None;
        wait_for("a connection where it should come", || {
            accepted = listener.accept().ok();
            accepted.is_some()
        });
        let (mut accepted, _) = accepted.expect("it was waited for");
        accepted.set_nonblocking(false).expect("a socket");
        let link = LinkId::new(dialer, node);
        let held = || {
            let of_link = |it: &LinkCounts| (it.from, it.to) == (link.from.0, link.to.0);
            let all = network.counts();
            let counts = all.iter().find(|it| of_link(it)).and_then(|it| it.stream);
            counts.expect("it is a stream").held_bytes
        };
        assert_eq!(held(), 0);
        network.begin(FaultId(1), BTreeMap::from([(link, LinkRules::CUT)])).expect("a cut");
        dialed.write_all(b"word").expect("it is taken");
        wait_for("what is held back", || held() == 4);
        network.heal();
        let mut heard = [0; 4];
        accepted.read_exact(&mut heard).expect("what was held back comes");
        assert_eq!(&heard, b"word", "{dialer:?}");
    }
    // Whoever is in no known group reaches nobody, and the run hears of it.
    network.dialers().note(group + 1, other);
    let mut stranger = TcpStream::connect(announced).expect("the front listens");
    let ended = stranger.read(&mut [0; 1]);
    assert!(ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    let doubts = network.blind();
    assert!(doubts.iter().any(|doubt| doubt.starts_with("1 connections to announced")));
}

/// Whoever has closed its end is not to be told, and need not be where all obey the same rules.
#[test]
fn what_is_said_and_closed_at_once_comes_where_all_obey_the_same_rules() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let upstream = listener.local_addr().expect("bound");
    let (node, other, transport) = (NodeId(1), NodeId(2), Transport::Tcp);
    let route = |dialer| Route { dialer, listener: node, upstream, transport };
    let port = AnnouncedPort { node, for_peers: upstream, for_clients: upstream };
    let network = Network::start_announced(Seed(1), &[route(other), route(CLIENTS)], &[port])
        .expect("a front");
    let announced = network.announced(upstream).expect("it is announced");
    let speak = || {
        let mut dialed = TcpStream::connect(announced).expect("the front listens");
        dialed.write_all(b"word").expect("it is taken");
    };
    for _ in 0..20 {
        speak();
        let mut accepted = None;
        wait_for("a connection", || {
            accepted = listener.accept().ok();
            accepted.is_some()
        });
        let (mut accepted, _) = accepted.expect("it was waited for");
        accepted.set_nonblocking(false).expect("a socket");
        let mut heard = Vec::new();
        accepted.read_to_end(&mut heard).expect("what was said comes, and its end");
        assert_eq!(heard, b"word");
    }
    assert_eq!(network.blind(), Vec::<String>::new());
    // One link differs: it is not known whether what comes is to be late, and it is lost.
    let late = LinkRules { delay_ms: Millis(1), ..LinkRules::default() };
    let link = LinkId::new(other, node);
    network.begin(FaultId(1), BTreeMap::from([(link, late)])).expect("a fault");
    wait_for("a doubt", || {
        speak();
        !network.blind().is_empty()
    });
}
