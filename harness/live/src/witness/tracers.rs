//! Tracers: numbered probes that cross every link beside what the system sends.
//!
//! They go through the same sockets, rules and delays, from a socket beside the sender to one
//! beside the receiver, and are compared there: so what a cut leaks, and a delay lets through
//! early, is seen by who received it and not by who counted what he dropped. They are in no count
//! of the links. Claim kept true: a tracer is held against a rule only if it was sent after the
//! rule was in force and received before it ended, so a slow machine makes no false alarm.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use synod_fault::{LinkId, LinkRules};
use synod_rng::mix;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

/// From where the tracers of a link start, and where those of the opposite one arrive.
#[derive(Debug)]
pub(crate) enum TracerPort {
    /// A socket of packets, at either end.
    Packets {
        /// The link that they cross.
        link: LinkId,
        socket: StdSocket,
        /// Where the proxy takes what is to cross the link.
        to: SocketAddr,
    },
    /// Both ends of a connection, which is opened again whenever it ends.
    Streams {
        /// The link from the dialer to the listener.
        link: LinkId,
        /// From where it was dialed last, which tells the proxy that it is the tracers'.
        near: DialedFrom,
        /// Where it arrives.
        far: StdListener,
        /// Where the proxy takes connections.
        to: SocketAddr,
    },
}

/// The address from which the tracers of a pipe dialed last.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialedFrom(Arc<Mutex<Option<SocketAddr>>>);

impl DialedFrom {
    /// Tells whether it is this one.
    pub(crate) fn is(&self, address: SocketAddr) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) == Some(address)
    }

    fn set(&self, address: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }
}

/// The tracers of a run. They stop when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tracers {
    flights: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    started: Option<Instant>,
}

/// The tracers of all links, as their thread and whoever asks see them.
type Shared = Arc<Mutex<BTreeMap<LinkId, Flights>>>;

/// The latest tracers of one link, by their numbers.
#[derive(Debug, Default)]
struct Flights {
    latest: VecDeque<Flight>,
    /// The number of the first in the list.
    first: u64,
    /// How many ever arrived.
    arrived: u64,
    /// Whether they travel in a connection, without which none is sent.
    in_streams: bool,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    sent: Instant,
    received: Option<Instant>,
}

/// What was seen of the tracers of a link during some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crossings {
    /// Whether it is amiss that none was sent for long.
    pub(crate) always_sent: bool,
    /// How many were sent.
    pub(crate) sent: u64,
    /// How many of these were received within that time.
    pub(crate) received: u64,
    /// The number and the time on the way of the one that crossed most quickly.
    pub(crate) quickest: Option<(Duration, u64)>,
}

/// A time during which rules were in force.
pub(crate) type Window = (Instant, Instant);

impl Tracers {
    /// Lets tracers fly from these ports, on a thread of their own.
    pub(crate) fn start(ports: Vec<TracerPort>) -> io::Result<Self> {
        let flights = Arc::new(Mutex::new(ports.iter().flat_map(TracerPort::links).collect()));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&flights);
        // A socket belongs to the runtime in which it is made. They are made here and not on the
        // thread, so that an error ends the start and not the thread alone.
        let entered = runtime.enter();
        let ready = ports.into_iter().map(TracerPort::ready).collect::<io::Result<Vec<_>>>()?;
        drop(entered);
        let thread = std::thread::Builder::new().name("tracers".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                ready.into_iter().for_each(|port| port.fly(&shared));
                drop(stopped.await);
            });
        })?;
        let (stop, thread, started) = (Some(stop), Some(thread), Some(Instant::now()));
        Ok(Self { flights, stop, thread, started })
    }

    /// Returns what was seen of a link; nothing, if no tracer crosses it.
    pub(crate) fn crossings(&self, link: LinkId, (from, until): Window) -> Option<Crossings> {
        self.lock().get(&link).map(|flights| flights.within(from, until))
    }

    /// Returns the links of which, for long, no tracer arrived.
    pub(crate) fn never_crossed(&self) -> Vec<LinkId> {
        let flights = self.lock();
        let long = self.started.is_some_and(|started| started.elapsed() > ARRIVAL_MAX);
        let silent = |flights: &Flights| flights.arrived == 0 && long;
        flights.iter().filter(|(_, of)| silent(of)).map(|(link, _)| *link).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LinkId, Flights>> {
        lock(&self.flights)
    }
}

impl Drop for Tracers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so on standard error.
            drop(thread.join());
        }
    }
}

impl Flights {
    fn sent(&self) -> u64 {
        self.first + self.latest.len() as u64
    }

    /// Notes a start, and returns its number.
    fn start(&mut self, now: Instant) -> u64 {
        self.latest.push_back(Flight { sent: now, received: None });
        if self.latest.len() > FLIGHTS_MAX {
            self.latest.pop_front();
            self.first += 1;
        }
        self.sent() - 1
    }

    /// Notes an arrival; of one that was doubled on its way, the first counts.
    fn arrive(&mut self, number: u64, now: Instant) {
        self.arrived += 1;
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(flight) = place.and_then(|place| self.latest.get_mut(place)) {
            flight.received.get_or_insert(now);
        }
    }

    fn within(&self, from: Instant, until: Instant) -> Crossings {
        let mut seen = Crossings { always_sent: !self.in_streams, ..Crossings::default() };
        for (number, flight) in (self.first..).zip(&self.latest) {
            // One that was sent before the rules were in force may have passed in front of them.
            if flight.sent < from || flight.sent >= until {
                continue;
            }
            seen.sent += 1;
            if let Some(received) = flight.received.filter(|received| *received < until) {
                seen.received += 1;
                let took = (received - flight.sent, number);
                seen.quickest = Some(seen.quickest.map_or(took, |quickest| quickest.min(took)));
            }
        }
        seen
    }
}

/// Says which tracers crossed a link that its rules should have kept, while they were in force.
pub(crate) fn refute_rules(link: LinkId, rules: &LinkRules, seen: Crossings) -> Option<String> {
    let Crossings { sent, received, quickest, .. } = seen;
    let (took, number) = quickest?;
    if rules.cut {
        return Some(format!(
            "{received} of {sent} tracers crossed {link} while it was cut, such as tracer {number}"
        ));
    }
    let delay = rules.delay_ms.duration();
    (took < delay).then(|| {
        let (took, delay) = (took.as_secs_f64() * 1_000.0, delay.as_millis());
        format!("tracer {number} crossed {link} in {took:.1} ms, with a delay of {delay} ms")
    })
}

/// A port whose sockets belong to the thread of the tracers.
enum Ready {
    Packets { link: LinkId, socket: Arc<UdpSocket>, to: SocketAddr },
    Streams { link: LinkId, near: DialedFrom, far: TcpListener, to: SocketAddr },
}

impl TracerPort {
    fn links(&self) -> Vec<(LinkId, Flights)> {
        match self {
            Self::Packets { link, .. } => vec![(*link, Flights::default())],
            Self::Streams { link, .. } => {
                let flights = || Flights { in_streams: true, ..Flights::default() };
                vec![(*link, flights()), (link.reversed(), flights())]
            }
        }
    }

    fn ready(self) -> io::Result<Ready> {
        Ok(match self {
            Self::Packets { link, socket, to } => {
                Ready::Packets { link, socket: Arc::new(UdpSocket::from_std(socket)?), to }
            }
            Self::Streams { link, near, far, to } => {
                Ready::Streams { link, near, far: TcpListener::from_std(far)?, to }
            }
        })
    }
}

impl Ready {
    fn fly(self, shared: &Shared) {
        let again = || Arc::clone(shared);
        match self {
            Self::Packets { link, socket, to } => {
                tokio::task::spawn_local(send(again(), link, Arc::clone(&socket), to));
                tokio::task::spawn_local(receive(again(), link.reversed(), socket));
            }
            Self::Streams { link, near, far, to } => {
                tokio::task::spawn_local(dial(again(), link, near, to));
                tokio::task::spawn_local(listen(again(), link.reversed(), far));
            }
        }
    }
}

/// Opens the connection of the tracers, and does so again when it has ended.
async fn dial(shared: Shared, link: LinkId, near: DialedFrom, to: SocketAddr) {
    loop {
        if let Ok(stream) = dialed(&near, to).await {
            converse(&shared, link, stream).await;
        }
        tokio::time::sleep(REDIAL).await;
    }
}

async fn dialed(near: &DialedFrom, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    // Before the proxy sees it come.
    near.set(socket.local_addr()?);
    socket.connect(to).await
}

/// Takes the connections of the tracers.
async fn listen(shared: Shared, link: LinkId, far: TcpListener) {
    loop {
        match far.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::task::spawn_local(async move { converse(&shared, link, stream).await });
            }
            Err(_) => tokio::time::sleep(REDIAL).await,
        }
    }
}

/// Sends the tracers of a link over a connection and takes those of the opposite one, until either
/// ends.
async fn converse(shared: &Shared, link: LinkId, stream: TcpStream) {
    drop(stream.set_nodelay(true));
    let (mut from, to) = stream.into_split();
    let sending = async {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let number = lock(shared).entry(link).or_default().start(Instant::now());
            // A tracer that finds no room, or room for half of it, ends the connection.
            if !matches!(to.try_write(&written(link, number)), Ok(TRACER_BYTES)) {
                return;
            }
        }
    };
    let receiving = async {
        let (link, mut bytes) = (link.reversed(), [0; TRACER_BYTES]);
        while from.read_exact(&mut bytes).await.is_ok() {
            let now = Instant::now();
            let Some(number) = read(link, &bytes) else { return };
            lock(shared).entry(link).or_default().arrive(number, now);
        }
    };
    tokio::select! {
        () = sending => {}
        () = receiving => {}
    }
}

/// Lets the tracers of one link start, again and again.
async fn send(shared: Shared, link: LinkId, socket: Arc<UdpSocket>, to: SocketAddr) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let number = lock(&shared).entry(link).or_default().start(Instant::now());
        // One that finds no room is one that did not arrive.
        drop(socket.try_send_to(&written(link, number), to));
    }
}

/// Takes the tracers of one link.
async fn receive(shared: Shared, link: LinkId, socket: Arc<UdpSocket>) {
    // Longer than a tracer, so that something longer is not cut short to look like one.
    let mut buffer = [0; 2 * TRACER_BYTES];
    loop {
        // What is reported here of a proxy that is gone is no tracer.
        let Ok((size, _)) = socket.recv_from(&mut buffer).await else { continue };
        let now = Instant::now();
        if let Some(number) = read(link, &buffer[..size]) {
            lock(&shared).entry(link).or_default().arrive(number, now);
        }
    }
}

/// Writes a tracer: its number, and a sum that a changed bit does not survive.
fn written(link: LinkId, number: u64) -> [u8; TRACER_BYTES] {
    let mut bytes = [0; TRACER_BYTES];
    let (first, second) = bytes.split_at_mut(TRACER_BYTES / 2);
    first.copy_from_slice(&number.to_le_bytes());
    second.copy_from_slice(&sum(link, number).to_le_bytes());
    bytes
}

fn read(link: LinkId, bytes: &[u8]) -> Option<u64> {
    let (first, second) = bytes.split_at_checked(TRACER_BYTES / 2)?;
    let number = u64::from_le_bytes(first.try_into().ok()?);
    (second == sum(link, number).to_le_bytes()).then_some(number)
}

fn sum(link: LinkId, number: u64) -> u64 {
    mix(mix(number) ^ (u64::from(link.from.0) << 16) ^ u64::from(link.to.0))
}

fn lock(flights: &Mutex<BTreeMap<LinkId, Flights>>) -> MutexGuard<'_, BTreeMap<LinkId, Flights>> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a tracer starts from each end of a proxy.
const PERIOD: Duration = Duration::from_millis(50);

/// Tracers of a link that are remembered: more than ten minutes of them.
const FLIGHTS_MAX: usize = 16_384;

/// How long the first tracer of a link may take, before the witness is called blind.
const ARRIVAL_MAX: Duration = Duration::from_secs(2);

/// How long a connection that has ended is left alone.
const REDIAL: Duration = Duration::from_millis(100);

const TRACER_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use synod_fault::{Millis, NodeId};

    const LINK: LinkId = LinkId { from: NodeId(1), to: NodeId(2) };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_tracer_counts_that_was_sent_and_received_while_a_rule_was_in_force() {
        let (mut flights, start) = (Flights::default(), Instant::now());
        let at = |time| start + ms(time);
        for time in [0, 100, 200, 300] {
            flights.start(at(time));
        }
        // Sent before, received meanwhile; sent meanwhile, received after; neither breaks a cut.
        flights.arrive(0, at(150));
        flights.arrive(2, at(310));
        let seen = flights.within(at(90), at(300));
        assert_eq!(seen, Crossings { always_sent: true, sent: 2, received: 0, quickest: None });
        assert_eq!(refute_rules(LINK, &LinkRules::CUT, seen), None);
        flights.arrive(1, at(120));
        flights.arrive(1, at(290));
        let seen = flights.within(at(90), at(300));
        assert_eq!((seen.sent, seen.received, seen.quickest), (2, 1, Some((ms(20), 1))));
        let words = refute_rules(LINK, &LinkRules::CUT, seen).expect("it leaked");
        assert_eq!(words, "1 of 2 tracers crossed 1->2 while it was cut, such as tracer 1");
    }

    #[test]
    fn a_delay_is_refuted_by_who_was_quicker() {
        let seen = |took| Crossings { quickest: Some((ms(took), 7)), ..Crossings::default() };
        let rules = LinkRules { delay_ms: Millis(50), ..LinkRules::default() };
        assert_eq!(refute_rules(LINK, &rules, seen(50)), None);
        let words = refute_rules(LINK, &rules, seen(49)).expect("it was early");
        assert_eq!(words, "tracer 7 crossed 1->2 in 49.0 ms, with a delay of 50 ms");
    }

    #[test]
    fn the_latest_are_remembered_by_their_numbers_and_damage_is_no_arrival() {
        let (mut flights, now) = (Flights::default(), Instant::now());
        for _ in 0..FLIGHTS_MAX + 5 {
            flights.start(now);
        }
        assert_eq!((flights.first, flights.sent()), (5, FLIGHTS_MAX as u64 + 5));
        flights.arrive(3, now);
        flights.arrive(5, now);
        assert!(flights.latest[0].received.is_some() && flights.latest[1].received.is_none());
        let mut bytes = written(LINK, 9);
        assert_eq!(read(LINK, &bytes), Some(9));
        assert_eq!((read(LINK.reversed(), &bytes), read(LINK, &bytes[..9])), (None, None));
        bytes[3] ^= 4;
        assert_eq!(read(LINK, &bytes), None);
    }
}
