//! A network in memory: datagrams between places, each under the verdict of its link.
//!
//! What becomes of a datagram is decided by the harness ([`Link`]); here it is only carried out.
//! The claims kept true: what waits is bounded, in the queue of a place as in that of a socket; and
//! what a place that is gone has not sent by then is never sent.

mod socket;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::AsyncUdpSocket;
use synod_fault::{Link, LinkId, LinkRules, NodeId as PlaceId, Verdict};
use synod_rng::Seed;
use synod_transport_quic::HeldPort;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use socket::{Mailbox, Socket};

/// A network that its clones share. Its datagrams are carried by a task of the runtime that it was
/// made in.
#[derive(Clone, Debug)]
pub struct Net(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    sent: Notify,
    origin: Instant,
}

#[derive(Debug)]
struct State {
    seed: Seed,
    usual: LinkRules,
    links: BTreeMap<LinkId, Link>,
    places: BTreeMap<PlaceId, Reading>,
    sockets: BTreeMap<SocketAddr, Arc<Mailbox>>,
    under_way: BinaryHeap<Reverse<(Instant, u64)>>,
    datagrams: BTreeMap<u64, Datagram>,
    last: u64,
    last_port: u16,
    tally: NetTally,
}

/// How fast a place takes in what arrives.
#[derive(Clone, Copy, Debug)]
struct Reading {
    each: Duration,
    wait_max: Duration,
    free_at: Instant,
}

/// One datagram.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// What the network has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetTally {
    /// Datagrams that arrived, doubles included.
    pub arrived: u64,
    /// Datagrams that a rule dropped.
    pub dropped: u64,
    /// Datagrams that a rule sent twice.
    pub doubled: u64,
    /// Datagrams that a rule let others overtake.
    pub overtaken: u64,
    /// Datagrams that found a place or a socket with no room.
    pub overflowed: u64,
    /// Datagrams to nobody.
    pub strayed: u64,
}

impl Net {
    /// Makes a network whose links all have `usual` rules, and begins to carry.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time.
    #[must_use]
    pub fn new(seed: u64, usual: LinkRules) -> Self {
        let state = State {
            seed: Seed(seed),
            usual,
            links: BTreeMap::new(),
            places: BTreeMap::new(),
            sockets: BTreeMap::new(),
            under_way: BinaryHeap::new(),
            datagrams: BTreeMap::new(),
            last: 0,
            last_port: EPHEMERAL_PORTS,
            tally: NetTally::default(),
        };
        let state = Mutex::new(state);
        let net = Self(Arc::new(Shared { state, sent: Notify::new(), origin: Instant::now() }));
        tokio::spawn(net.clone().carry());
        net
    }

    /// Takes a port of a place; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When somebody has it.
    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<HeldPort> {
        HeldPort::given(self.socket(address)?)
    }

    /// Takes a port of a place as a bare socket; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When somebody has it.
    pub(crate) fn socket(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let mut state = self.lock();
        let address = match address.port() {
            0 => {
                state.last_port += 1;
                SocketAddr::new(address.ip(), state.last_port)
            }
            _ => address,
        };
        if state.sockets.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let mailbox = Arc::new(Mailbox::default());
        state.sockets.insert(address, Arc::clone(&mailbox));
        drop(state);
        Ok(Arc::new(Socket::new(self.clone(), address, mailbox)))
    }

    /// Changes the rules of one direction between two places.
    pub fn set(&self, from: u16, to: u16, rules: LinkRules) {
        self.lock().link(LinkId::new(PlaceId(from), PlaceId(to))).set_rules(rules);
    }

    /// Changes the rules of both directions between two places.
    pub fn set_both(&self, one: u16, other: u16, rules: LinkRules) {
        self.set(one, other, rules);
        self.set(other, one, rules);
    }

    /// Lets a place take so long over each datagram that arrives, one after the other; what would
    /// wait longer than `wait_max` is lost, as it is with a socket's buffer.
    pub fn slow_down(&self, place: u16, each: Duration, wait_max: Duration) {
        let reading = Reading { each, wait_max, free_at: Instant::now() };
        self.lock().places.insert(PlaceId(place), reading);
    }

    /// Ends a place without a word: its sockets are closed, and what they still send is lost.
    pub fn unplug(&self, place: u16) {
        let mut state = self.lock();
        let (gone, stay) = std::mem::take(&mut state.sockets)
            .into_iter()
            .partition(|(address, _)| place_of(*address) == PlaceId(place));
        state.sockets = stay;
        drop(state);
        let gone: BTreeMap<SocketAddr, Arc<Mailbox>> = gone;
        // Tasks of the dead place hold its sockets until they are dropped, and would speak until
        // then.
        gone.values().for_each(|mailbox| mailbox.cut());
    }

    /// What the network has done so far.
    #[must_use]
    pub fn tally(&self) -> NetTally {
        self.lock().tally
    }

    /// Sends a datagram of a socket that is alive.
    pub(crate) fn send(&self, datagram: Datagram) {
        let mut state = self.lock();
        let now = Instant::now();
        let id = LinkId::new(place_of(datagram.from), place_of(datagram.to));
        let since = now.duration_since(self.0.origin);
        match state.link(id).verdict(datagram.bytes.len(), since) {
            Verdict::Drop(_) => state.tally.dropped += 1,
            Verdict::Deliver(copies) => {
                state.tally.overtaken += u64::from(copies.reordered);
                let mut datagram = datagram;
                if let Some(bit) = copies.corrupt_bit {
                    let byte = usize::try_from(bit / 8).expect("a bit of the datagram");
                    datagram.bytes[byte] ^= 1 << (bit % 8);
                }
                if let Some(late) = copies.second {
                    state.tally.doubled += 1;
                    state.put(now + late, datagram.clone());
                }
                state.put(now + copies.first, datagram);
            }
        }
        drop(state);
        self.0.sent.notify_one();
    }

    /// Forgets a socket, unless another one has its address.
    pub(crate) fn close(&self, address: SocketAddr, mailbox: &Arc<Mailbox>) {
        let mut state = self.lock();
        // A node that was started anew has the address by the time at which the old socket is
        // dropped.
        if state.sockets.get(&address).is_some_and(|known| Arc::ptr_eq(known, mailbox)) {
            state.sockets.remove(&address);
        }
    }

    /// Hands over what is due, for as long as the runtime lives.
    async fn carry(self) {
        loop {
            // What is sent between this and the wait leaves a permit, so that it is not slept
            // through.
            let next = self.lock().deliver(Instant::now());
            tokio::select! {
                () = self.0.sent.notified() => {}
                () = sleep_until(next.unwrap_or_else(|| Instant::now() + IDLE)) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn link(&mut self, id: LinkId) -> &mut Link {
        let (seed, usual) = (self.seed, self.usual);
        self.links.entry(id).or_insert_with(|| {
            let mut link = Link::new(seed, id);
            link.set_rules(usual);
            link
        })
    }

    fn put(&mut self, at: Instant, datagram: Datagram) {
        let at = match self.places.get_mut(&place_of(datagram.to)) {
            Some(reading) => {
                let begin = reading.free_at.max(at);
                if begin.duration_since(at) > reading.wait_max {
                    self.tally.overflowed += 1;
                    return;
                }
                reading.free_at = begin + reading.each;
                reading.free_at
            }
            None => at,
        };
        self.last += 1;
        // The number decides between those that are due at once: the first sent comes first, in
        // every run.
        self.under_way.push(Reverse((at, self.last)));
        self.datagrams.insert(self.last, datagram);
    }

    /// Hands over what is due, and says when the next one is.
    fn deliver(&mut self, now: Instant) -> Option<Instant> {
        while let Some(&Reverse((at, number))) = self.under_way.peek() {
            if at > now {
                return Some(at);
            }
            self.under_way.pop();
            // The two are put in together, so that each number has its datagram.
            let Some(datagram) = self.datagrams.remove(&number) else { continue };
            match self.sockets.get(&datagram.to) {
                Some(mailbox) if mailbox.put(datagram) => self.tally.arrived += 1,
                Some(_) => self.tally.overflowed += 1,
                None => self.tally.strayed += 1,
            }
        }
        None
    }
}

/// Returns the address of a place: each has one.
pub(crate) fn ip_of(place: u16) -> IpAddr {
    let [high, low] = place.to_be_bytes();
    Ipv4Addr::new(10, 0, high, low).into()
}

/// Returns whose address it is.
fn place_of(address: SocketAddr) -> PlaceId {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [_, _, high, low] = ip.octets();
            PlaceId(u16::from_be_bytes([high, low]))
        }
        // Nobody is given such an address.
        IpAddr::V6(_) => PlaceId(0),
    }
}

/// Free ports begin after this one.
const EPHEMERAL_PORTS: u16 = 20_000;

/// How long a network over which nothing passes sleeps.
const IDLE: Duration = Duration::from_secs(3600);
