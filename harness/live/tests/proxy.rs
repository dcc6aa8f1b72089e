//! What the relays do to real datagrams, measured at the receiver.
//!
//! The verdicts have their own tests; these show that the sockets obey them: nothing leaks, damage
//! and doubles arrive, delays are kept, both directions are judged apart, and counters tell it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use synod_fault::{
    FaultId, LinkId, LinkRules, Millis, NodeId, PartsPerMillion, RateLimit, Transport,
};
use synod_live::network::{Network, Route};
use synod_report::LinkCounts;
use synod_rng::Seed;

const THERE: LinkId = LinkId { from: NodeId(1), to: NodeId(2) };

/// A dialer, a listener, and the relay between them.
struct Pair {
    dialer: UdpSocket,
    listener: UdpSocket,
    relay: SocketAddr,
    network: Network,
}

impl Pair {
    fn new() -> Self {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        let listener = socket();
        let upstream = listener.local_addr().unwrap();
        let transport = Transport::Udp;
        let route = Route { dialer: NodeId(1), listener: NodeId(2), upstream, transport };
        let network = Network::start(Seed(11), &[route]).unwrap();
        let relay = network.address(NodeId(1), NodeId(2)).unwrap();
        Self { dialer: socket(), listener, relay, network }
    }

    fn with(rules: LinkRules) -> Self {
        let pair = Self::new();
        pair.network.begin(FaultId(1), BTreeMap::from([(THERE, rules)])).unwrap();
        pair
    }

    fn send(&self, bytes: &[u8]) {
        self.dialer.send_to(bytes, self.relay).unwrap();
    }

    /// Sends numbered datagrams, never more than a few ahead of the relay's counters.
    fn send_all(&self, count: u32) {
        for n in 0..count {
            self.send(&n.to_le_bytes());
            if n % 16 == 15 {
                self.wait_for_packets(u64::from(n) + 1);
                // The receiver's buffer must not be what loses packets.
                self.drain();
            }
        }
        self.wait_for_packets(u64::from(count));
    }

    fn wait_for_packets(&self, count: u64) {
        let start = Instant::now();
        while seen(&self.there()) < count {
            assert!(start.elapsed() < PATIENCE, "the relay stands still: {:?}", self.there());
            std::thread::yield_now();
        }
    }

    fn drain(&self) {
        self.listener.set_nonblocking(true).unwrap();
        let mut buffer = [0; 64];
        while self.listener.recv(&mut buffer).is_ok() {}
        self.listener.set_nonblocking(false).unwrap();
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 2_048];
        let size = self.listener.recv(&mut buffer).unwrap();
        buffer[..size].to_vec()
    }

    fn there(&self) -> LinkCounts {
        let counts = self.network.counts();
        *counts.iter().find(|c| (c.from, c.to) == (1, 2)).unwrap()
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn seen(counts: &LinkCounts) -> u64 {
    counts.delivered - counts.duplicated + counts.lost + counts.cut + counts.overflowed
}

#[test]
fn both_directions_pass_and_the_listener_answers_the_dialer() {
    let pair = Pair::new();
    pair.send(b"ping");
    let mut buffer = [0; 64];
    let (size, from) = pair.listener.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..size], b"ping");
    assert_ne!(from, pair.dialer.local_addr().unwrap(), "the listener sees the relay");
    pair.listener.send_to(b"pong", from).unwrap();
    let (size, from) = pair.dialer.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..size], from), (&b"pong"[..], pair.relay));
}

#[test]
fn a_stranger_cannot_speak_for_the_listener() {
    let pair = Pair::new();
    pair.send(b"ping");
    let mut buffer = [0; 64];
    let (_, upstream) = pair.listener.recv_from(&mut buffer).unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(b"forged", upstream).unwrap();
    pair.listener.send_to(b"real", upstream).unwrap();
    let size = pair.dialer.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..size], b"real");
}

#[test]
fn a_cut_leaks_nothing_one_way_and_the_other_way_stays_open() {
    let pair = Pair::new();
    pair.send(b"hello");
    let mut buffer = [0; 64];
    let (_, upstream) = pair.listener.recv_from(&mut buffer).unwrap();
    pair.network.begin(FaultId(1), BTreeMap::from([(THERE, LinkRules::CUT)])).unwrap();
    for n in 0..2_000_u32 {
        pair.send(&n.to_le_bytes());
        pair.wait_for_packets(u64::from(n) + 2);
    }
    assert_eq!(pair.there().cut, 2_000);
    pair.listener.send_to(b"back", upstream).unwrap();
    assert_eq!(pair.dialer.recv(&mut buffer).unwrap(), 4);
    pair.network.heal();
    pair.send(b"after");
    assert_eq!(pair.receive(), b"after", "nothing of the cut time was kept back");
}

#[test]
fn loss_of_20_percent_is_20_percent_over_100_000_datagrams() {
    let pair = Pair::with(LinkRules { loss: PartsPerMillion::percent(20), ..LinkRules::default() });
    pair.send_all(100_000);
    let counts = pair.there();
    assert!(counts.lost.abs_diff(20_000) <= 1_000, "{counts:?}");
    assert_eq!(counts.lost + counts.delivered, 100_000);
}

#[test]
fn every_datagram_is_doubled_and_damaged_in_one_bit_when_asked_always() {
    let always = PartsPerMillion::percent(100);
    let pair = Pair::with(LinkRules { duplicate: always, corrupt: always, ..LinkRules::default() });
    for _ in 0..100 {
        pair.send(&[0; 100]);
        let (first, second) = (pair.receive(), pair.receive());
        assert_eq!(first, second);
        assert_eq!(first.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    }
    let counts = pair.there();
    assert_eq!((counts.duplicated, counts.corrupted, counts.delivered), (100, 100, 200));
}

#[test]
fn a_delay_is_kept_and_not_exceeded_by_much() {
    let delayed = LinkRules { delay_ms: Millis(50), ..LinkRules::default() };
    let pair = Pair::with(delayed);
    let mut trips: Vec<Duration> = (0..40)
        .map(|_| {
            let start = Instant::now();
            pair.send(b"x");
            pair.receive();
            start.elapsed()
        })
        .collect();
    trips.sort();
    assert!(trips[0] >= Duration::from_millis(50), "too early: {:?}", trips[0]);
    // The machine may be busy, so the bound is on the best, not on the median.
    assert!(trips[0] <= Duration::from_millis(54), "always too late: {:?}", trips[0]);
    assert_eq!(pair.there().delayed, 40);
}

#[test]
fn packets_held_back_are_overtaken() {
    let rules = LinkRules {
        reorder: PartsPerMillion::percent(30),
        reorder_late_ms: Millis(20),
        ..LinkRules::default()
    };
    let pair = Pair::with(rules);
    for n in 0..100_u8 {
        pair.send(&[n]);
    }
    let order: Vec<u8> = (0..100).map(|_| pair.receive()[0]).collect();
    let overtaken = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(overtaken > 0, "{order:?}");
    let mut sorted = order;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..100).collect::<Vec<u8>>(), "none is lost");
    assert!(pair.there().reordered >= 15);
}

#[test]
fn a_narrow_link_takes_its_time_and_drops_the_rest() {
    let rate = RateLimit { bytes_per_s: 100_000, queue_bytes: 5_000 };
    let pair = Pair::with(LinkRules { rate: Some(rate), ..LinkRules::default() });
    let start = Instant::now();
    for _ in 0..50 {
        pair.send(&[0; 1_000]);
    }
    pair.wait_for_packets(50);
    let counts = pair.there();
    assert!(counts.overflowed > 0, "{counts:?}");
    for _ in 0..counts.delivered {
        pair.receive();
    }
    let least = Duration::from_millis(10 * counts.delivered) - Duration::from_millis(10);
    assert!(start.elapsed() >= least, "{:?} for {counts:?}", start.elapsed());
}

#[test]
fn the_relays_end_with_their_handle() {
    let pair = Pair::new();
    let relay = pair.relay;
    drop(pair.network);
    assert!(UdpSocket::bind(relay).is_ok(), "the port is free again");
    pair.listener.set_nonblocking(true).unwrap();
    pair.dialer.send_to(b"x", relay).unwrap();
    let nothing = pair.listener.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
}
