//! Holders of good certificates who break the rules, strangers who send garbage, and two
//! connections where one may be.
//!
//! What it leaves to others: who is let in at all (`refusals.rs`).
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod support;

use std::net::SocketAddr;

use bytes::Bytes;
use quinn::Connection;
use support::raw::{Caller, application_close, frame, hello, open, preface};
use support::{Authority, CLUSTER, Node, Profile, any, black_hole, pair, soon, until};
use synod_transport_quic::limits::{
    ALPN_CLIENT, ALPN_PEER, BULK_FRAME_BYTES_MAX, CLIENT_FRAME_BYTES_MAX, CONTROL_FRAME_BYTES_MAX,
    LOG_FRAME_BYTES_MAX,
};
use synod_transport_quic::{
    ClientDialer, ClientEvent, ClientNames, CloseCode, Count, DownReason, Incarnation, Lane,
    PeerEvent, PeerId, Refusal, RefusedBy, Sent,
};

/// A node that waits for node 1, which is not what it seems. The socket keeps the address taken.
fn lone_node(authority: &Authority) -> (Node, std::net::UdpSocket) {
    let (hole, nowhere) = black_hole();
    (Node::bind(authority.node(2), 2, any(), &[(1, nowhere)]), hole)
}

fn posing_as_node(authority: &Authority, id: u16) -> Caller {
    Caller::new(Some(authority.issue(&Profile::node(CLUSTER, id))), ALPN_PEER)
}

/// Calls a node and says hello; gives the connection and its control stream.
async fn greet(caller: &Caller, at: SocketAddr, life: u64) -> (Connection, quinn::SendStream) {
    let connection = soon(caller.call(at)).await.unwrap();
    let begin = [preface(1, 0), hello(1, life)].concat();
    let control = open(&connection, &begin).await;
    (connection, control)
}

#[tokio::test]
async fn a_bare_end_that_keeps_the_rules_is_understood() {
    let authority = Authority::new("a");
    let (mut node, _hole) = lone_node(&authority);
    let caller = posing_as_node(&authority, 1);
    let (connection, mut control) = greet(&caller, node.handle.local_addr(), 9).await;
    assert_eq!(node.up(1).await, Incarnation(9));
    control.write_all(&frame(b"abc")).await.unwrap();
    let bytes = Bytes::from_static(b"abc");
    let expected = PeerEvent::Frame { peer: PeerId(1), lane: Lane::Control, bytes };
    assert_eq!(node.next().await, expected);
    let mut answer = vec![0; preface(1, 0).len() + hello(1, 1).len()];
    let mut stream = soon(connection.accept_uni()).await.unwrap();
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, [preface(1, 0), hello(1, 1)].concat());
}

/// What is written on streams after the hello, and the close that answers it.
struct Breach {
    name: &'static str,
    streams: Vec<Vec<u8>>,
    code: CloseCode,
}

fn breaches() -> Vec<Breach> {
    let length = |bytes: usize| (bytes as u32).to_le_bytes().to_vec();
    let too_long = |tag, limit: usize| vec![[preface(tag, 0), length(limit + 1)].concat()];
    let (long, wrong) = (CloseCode::FrameTooLong, CloseCode::Violation);
    vec![
        Breach { name: "log frame", streams: too_long(2, LOG_FRAME_BYTES_MAX), code: long },
        Breach { name: "bulk frame", streams: too_long(3, BULK_FRAME_BYTES_MAX), code: long },
        Breach {
            name: "endless frame",
            streams: vec![[preface(3, 0), vec![0xff; 4]].concat()],
            code: long,
        },
        Breach { name: "long preface", streams: vec![length(65)], code: long },
        Breach { name: "second control stream", streams: vec![preface(1, 0)], code: wrong },
        Breach {
            name: "second bulk stream",
            streams: vec![preface(3, 0), preface(3, 0)],
            code: wrong,
        },
        Breach {
            name: "two streams of one epoch",
            streams: vec![preface(2, 5), preface(2, 5)],
            code: wrong,
        },
        Breach { name: "client stream", streams: vec![preface(4, 0)], code: wrong },
        Breach { name: "unknown stream", streams: vec![preface(99, 0)], code: wrong },
        Breach {
            name: "preface with more behind it",
            streams: vec![frame(&[&[3][..], &[0; 9]].concat())],
            code: wrong,
        },
        Breach { name: "short preface", streams: vec![frame(&[1, 2, 3])], code: wrong },
        Breach { name: "empty preface", streams: vec![frame(&[])], code: wrong },
    ]
}

#[tokio::test]
async fn each_breach_ends_the_link_with_a_reason_both_ends_see() {
    let authority = Authority::new("a");
    let caller = posing_as_node(&authority, 1);
    for breach in breaches() {
        let (mut node, _hole) = lone_node(&authority);
        let (connection, _control) = greet(&caller, node.handle.local_addr(), 9).await;
        node.up(1).await;
        let mut kept = Vec::new();
        for bytes in &breach.streams {
            kept.push(open(&connection, bytes).await);
        }
        let (code, text) = application_close(&soon(connection.closed()).await);
        assert_eq!(code, breach.code as u64, "{}: {text}", breach.name);
        let PeerEvent::Down { reason, .. } = node.next().await else { panic!("{}", breach.name) };
        assert_eq!(reason, DownReason::Violation(text), "{}", breach.name);
        assert_eq!(node.handle.counters().count(Count::Violations), 1, "{}", breach.name);
        assert_eq!(node.handle.counters().count(Count::FramesIn), 0, "{}", breach.name);
    }
}

/// A stream that ends is no fault, and one that ends within a frame is: the rest was promised.
#[tokio::test]
async fn a_stream_that_ends_within_a_frame_is_a_breach_and_one_that_ends_after_it_is_not() {
    let authority = Authority::new("a");
    let caller = posing_as_node(&authority, 1);
    let (mut node, _hole) = lone_node(&authority);
    let (connection, mut control) = greet(&caller, node.handle.local_addr(), 9).await;
    node.up(1).await;
    let whole = [preface(2, 5), frame(b"whole")].concat();
    open(&connection, &whole).await.finish().unwrap();
    let PeerEvent::Frame { bytes, .. } = node.next().await else { panic!("the frame is lost") };
    assert_eq!(bytes, "whole");
    // The link lives, as what it says next is heard.
    control.write_all(&frame(b"still here")).await.unwrap();
    let PeerEvent::Frame { bytes, .. } = node.next().await else { panic!("the link is lost") };
    assert_eq!(bytes, "still here");
    for (life, part) in [(10, &10u32.to_le_bytes()[..]), (11, b"\x0a\0\0\0half"), (12, b"\x0a\0")] {
        let (connection, _control) = greet(&caller, node.handle.local_addr(), life).await;
        while node.up(1).await != Incarnation(life) {}
        open(&connection, &[&preface(3, 0)[..], part].concat()).await.finish().unwrap();
        let (code, text) = application_close(&soon(connection.closed()).await);
        assert_eq!(
            (code, text.as_str()),
            (CloseCode::Violation as u64, "a stream ended within a frame")
        );
    }
}

#[tokio::test]
async fn an_oversized_control_frame_ends_the_link_after_the_lawful_ones() {
    let authority = Authority::new("a");
    let (mut node, _hole) = lone_node(&authority);
    let caller = posing_as_node(&authority, 1);
    let (connection, mut control) = greet(&caller, node.handle.local_addr(), 9).await;
    node.up(1).await;
    let prefix = (CONTROL_FRAME_BYTES_MAX as u32 + 1).to_le_bytes();
    control.write_all(&[frame(b"lawful"), prefix.to_vec()].concat()).await.unwrap();
    let (code, text) = application_close(&soon(connection.closed()).await);
    assert_eq!(code, CloseCode::FrameTooLong as u64);
    assert!(text.contains("262145") && text.contains("262144"), "{text}");
    let PeerEvent::Frame { bytes, .. } = node.next().await else { panic!("the frame is lost") };
    assert_eq!(bytes, "lawful");
    assert!(matches!(node.next().await, PeerEvent::Down { .. }));
}

/// Members that connect and say nothing: there are at most 64 such, and above 16 of them callers
/// prove their address first.
#[tokio::test]
async fn silent_callers_are_bounded_and_outlived() {
    let authority = Authority::new("a");
    let (mut node, _hole) = lone_node(&authority);
    let at = node.handle.local_addr();
    let caller = posing_as_node(&authority, 1);
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(soon(caller.call(at)).await.unwrap());
    }
    let retries = node.handle.counters().count(Count::Retries);
    assert!((16..=48).contains(&retries), "{retries} of 64 proved their address");
    let error = soon(caller.call(at)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, quinn::ConnectionError::ConnectionClosed(_)), "{error}");
    let refused =
        |node: &Node| node.handle.counters().refused(RefusedBy::Here, Refusal::Overloaded);
    assert_eq!(refused(&node), 1);
    assert_eq!(node.inbox.try_recv(), None);
    // Their time ends after three seconds, and a caller with manners is heard.
    soon(silent[0].closed()).await;
    let mut met = None;
    while met.is_none() {
        met = caller.call(at).await.ok();
    }
    let connection = met.unwrap();
    let _control = open(&connection, &[preface(1, 0), hello(1, 9)].concat()).await;
    assert_eq!(node.up(1).await, Incarnation(9));
}

/// Half a frame, and then only keep-alives: after ten seconds the connection is closed.
#[tokio::test]
async fn a_client_that_stops_within_a_frame_is_closed() {
    let authority = Authority::new("a");
    let (port, mut inbox) = support::client_port(&authority, 1, ClientNames::AnyCertified);
    let proof = authority.issue(&Profile::client(CLUSTER, "app"));
    let caller = Caller::new(Some(proof), ALPN_CLIENT);
    let connection = soon(caller.call(port.local_addr())).await.unwrap();
    let (mut send, _receive) = soon(connection.open_bi()).await.unwrap();
    let half = [&frame(b"whole")[..], &10u32.to_le_bytes(), b"half"].concat();
    send.write_all(&[preface(4, 0), hello(1, 0), half].concat()).await.unwrap();
    let (code, _) = application_close(&soon(connection.closed()).await);
    assert_eq!(code, CloseCode::Stalled as u64);
    let mut events = Vec::new();
    while !matches!(events.last(), Some(ClientEvent::Closed { .. })) {
        events.push(soon(inbox.recv()).await.unwrap());
    }
    let mut requests = events.iter().filter_map(|event| match event {
        ClientEvent::Request { bytes, .. } => Some(bytes),
        ClientEvent::Connected { .. }
        | ClientEvent::Written { .. }
        | ClientEvent::Closed { .. } => None,
    });
    assert_eq!((requests.next(), requests.next()), (Some(&Bytes::from_static(b"whole")), None));
}

#[tokio::test]
async fn another_wire_version_is_refused_by_name() {
    let authority = Authority::new("a");
    let (mut node, _hole) = lone_node(&authority);
    let caller = posing_as_node(&authority, 1);
    let connection = soon(caller.call(node.handle.local_addr())).await.unwrap();
    let begin = [preface(1, 0), hello(2, 9)].concat();
    let _control = open(&connection, &begin).await;
    let (code, text) = application_close(&soon(connection.closed()).await);
    assert_eq!(code, CloseCode::WrongVersion as u64);
    assert!(text.contains("version 2"), "{text}");
    until("the node counts", || {
        node.handle.counters().refused(RefusedBy::Here, Refusal::WrongVersion) == 1
    })
    .await;
    assert_eq!(node.inbox.try_recv(), None);
}

#[tokio::test]
async fn a_first_stream_that_is_no_control_stream_is_refused() {
    let authority = Authority::new("a");
    let (mut node, _hole) = lone_node(&authority);
    let caller = posing_as_node(&authority, 1);
    for begin in [preface(3, 0), frame(b"SYND"), [preface(1, 0), frame(b"HTTP/1.1")].concat()] {
        let connection = soon(caller.call(node.handle.local_addr())).await.unwrap();
        let _stream = open(&connection, &begin).await;
        let (code, _) = application_close(&soon(connection.closed()).await);
        assert_eq!(code, CloseCode::Violation as u64);
    }
    assert_eq!(node.handle.counters().count(Count::Violations), 3);
    assert_eq!(node.inbox.try_recv(), None);
}

/// Node 2 has called node 1. A call of node 1 goes before it: the lower id's stays.
#[tokio::test]
async fn the_lower_ids_call_takes_the_place_of_the_higher_ids() {
    let authority = Authority::new("a");
    let (_hole, nowhere) = black_hole();
    let mut one = Node::bind(authority.node(1), 1, any(), &[(2, nowhere)]);
    let at_1 = one.handle.local_addr();
    let mut two = Node::bind(authority.node(2), 2, any(), &[(1, at_1)]);
    tokio::join!(one.up(2), two.up(1));
    let caller = posing_as_node(&authority, 1);
    let (_connection, _control) = greet(&caller, two.handle.local_addr(), 1).await;
    let reason = DownReason::Superseded;
    assert_eq!(two.next_change().await, PeerEvent::Down { peer: PeerId(1), reason });
    assert_eq!(two.up(1).await, Incarnation(1));
    let PeerEvent::Down { reason, .. } = one.next_change().await else { panic!("no Down") };
    let told = matches!(&reason, DownReason::ClosedByPeer { code, .. }
        if *code == CloseCode::Superseded as u64);
    assert!(told, "{reason:?}");
}

/// Node 1 has called node 2. A call of node 2 does not go before it, unless node 2 was born again.
#[tokio::test]
async fn the_higher_ids_call_is_turned_away_while_the_lower_ids_stands() {
    let authority = Authority::new("a");
    let (mut one, mut two) = pair(&authority).await;
    let caller = posing_as_node(&authority, 2);
    let (connection, _control) = greet(&caller, one.handle.local_addr(), 1).await;
    let (code, _) = application_close(&soon(connection.closed()).await);
    assert_eq!(code, CloseCode::Duplicate as u64);
    assert_eq!(one.inbox.try_recv(), None, "the link stays");
    assert_eq!(two.inbox.try_recv(), None, "the link stays");
    let (_connection, _control) = greet(&caller, one.handle.local_addr(), 2).await;
    let reason = DownReason::Superseded;
    assert_eq!(one.next_change().await, PeerEvent::Down { peer: PeerId(2), reason });
    assert_eq!(one.up(2).await, Incarnation(2));
    assert!(matches!(two.next_change().await, PeerEvent::Down { .. }));
}

/// A frozen generator: the same garbage in each run.
struct Garbage(u64);

impl Garbage {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A datagram of random length; half of them look like the first packet of a connection.
    fn datagram(&mut self) -> Vec<u8> {
        let length = 1 + self.next() as usize % 1400;
        let mut bytes: Vec<u8> = (0..length).map(|_| self.next() as u8).collect();
        if self.next().is_multiple_of(2) && length > 30 {
            bytes[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
            bytes[14] = 8;
        }
        bytes
    }
}

#[tokio::test]
async fn garbage_at_every_port_harms_nothing() {
    let authority = Authority::new("a");
    let (one, mut two) = pair(&authority).await;
    let (port, mut requests) = support::client_port(&authority, 1, ClientNames::AnyCertified);
    let app = authority.credentials(&Profile::client(CLUSTER, "app"));
    let dialer = ClientDialer::bind(any(), app).unwrap();
    let client = soon(dialer.connect(port.local_addr(), PeerId(1))).await.unwrap();
    let Some(ClientEvent::Connected { .. }) = soon(requests.recv()).await else { panic!() };
    let socket = tokio::net::UdpSocket::bind(any()).await.unwrap();
    let mut garbage = Garbage(0x5eed);
    let ports = [one.handle.local_addr(), two.handle.local_addr(), port.local_addr()];
    for round in 0..3000 {
        let at = ports[round % ports.len()];
        socket.send_to(&garbage.datagram(), at).await.unwrap();
        if round % 100 == 0 {
            let frame = Bytes::from(vec![round as u8]);
            assert_eq!(one.handle.send_control(PeerId(2), frame.clone()), Sent::Queued);
            let PeerEvent::Frame { bytes, .. } = two.next().await else { panic!("link lost") };
            assert_eq!(bytes, frame);
            assert_eq!(client.send(frame.clone()), Sent::Queued);
            let Some(ClientEvent::Request { bytes, .. }) = soon(requests.recv()).await else {
                panic!("connection lost");
            };
            assert_eq!(bytes, frame);
        }
    }
    for node in [&one, &two] {
        let counters = node.handle.counters();
        assert_eq!((counters.count(Count::LinksUp), counters.count(Count::LinksDown)), (1, 0));
        assert_eq!(counters.count(Count::Violations), 0);
    }
}

#[tokio::test]
async fn an_oversized_request_ends_its_connection_and_no_other() {
    let authority = Authority::new("a");
    let (port, mut inbox) = support::client_port(&authority, 1, ClientNames::AnyCertified);
    let app = || Profile::client(CLUSTER, "app");
    let dialer = ClientDialer::bind(any(), authority.credentials(&app())).unwrap();
    let good = soon(dialer.connect(port.local_addr(), PeerId(1))).await.unwrap();
    let caller = Caller::new(Some(authority.issue(&app())), ALPN_CLIENT);
    let connection = soon(caller.call(port.local_addr())).await.unwrap();
    let (mut send, _receive) = soon(connection.open_bi()).await.unwrap();
    let prefix = (CLIENT_FRAME_BYTES_MAX as u32 + 1).to_le_bytes().to_vec();
    let bytes = [preface(4, 0), hello(1, 0), frame(b"lawful"), prefix].concat();
    send.write_all(&bytes).await.unwrap();
    let (code, _) = application_close(&soon(connection.closed()).await);
    assert_eq!(code, CloseCode::FrameTooLong as u64);
    let mut closed = None;
    let mut lawful = 0;
    while closed.is_none() {
        match soon(inbox.recv()).await.unwrap() {
            ClientEvent::Request { bytes, .. } => {
                assert_eq!(bytes, "lawful");
                lawful += 1;
            }
            ClientEvent::Closed { connection, .. } => closed = Some(connection),
            ClientEvent::Connected { .. } | ClientEvent::Written { .. } => {}
        }
    }
    assert_eq!(lawful, 1);
    assert_eq!(good.send(Bytes::from_static(b"still here")), Sent::Queued);
    let Some(ClientEvent::Request { connection, bytes }) = soon(inbox.recv()).await else {
        panic!("the good connection is lost");
    };
    assert_eq!(bytes, "still here");
    assert_ne!(Some(connection), closed);
}
