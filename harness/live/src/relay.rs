//! The loops that carry packets: two sockets a relay, all on the thread of `network`.
//!
//! Everything runs on one single-threaded runtime, so relays share their delay queue without
//! locks; only the fabric is shared with other threads. A packet without delay is sent on within
//! the same turn that received it. Tracers take the same way to an address of their own. The claim
//! kept true: no packet leaves but by a verdict.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use synod_fault::{Copies, Verdict};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::delay_queue::DelayQueue;
use super::fabric::{Fabric, LinkIndex};
use super::network::{Ends, complain, lock};

/// One relay, before it runs.
pub(crate) struct Relay {
    /// Where the dialer sends.
    pub(crate) public: StdSocket,
    /// Where the listener's answers arrive.
    pub(crate) upstream: StdSocket,
    /// Where the listener listens.
    pub(crate) listener: SocketAddr,
    /// The links of the two directions.
    pub(crate) ends: Ends,
    /// Where tracers come from, and arrive: beside the dialer, and beside the listener.
    pub(crate) ports: [SocketAddr; 2],
}

/// Starts the relays on the local set that runs this.
pub(crate) fn start(fabric: &Arc<Mutex<Fabric>>, relays: Vec<Relay>) -> io::Result<()> {
    let carrier = Rc::new(Carrier {
        fabric: Arc::clone(fabric),
        held: RefCell::new(DelayQueue::new()),
        earlier: Notify::new(),
        start: lock(fabric).start().into(),
    });
    for relay in relays {
        spawn(&carrier, relay)?;
    }
    tokio::task::spawn_local(release(carrier));
    Ok(())
}

/// What all relays share.
struct Carrier {
    fabric: Arc<Mutex<Fabric>>,
    held: RefCell<DelayQueue<Packet>>,
    /// Told when a packet is due earlier than all others.
    earlier: Notify,
    start: Instant,
}

/// A packet that waits.
struct Packet {
    link: LinkIndex,
    sent: Duration,
    out: Rc<UdpSocket>,
    to: SocketAddr,
    bytes: Box<[u8]>,
}

/// One direction of one relay.
struct Direction {
    link: LinkIndex,
    from: Rc<UdpSocket>,
    out: Rc<UdpSocket>,
    listener: SocketAddr,
    /// The dialer's address, learned from its packets.
    dialer: Rc<Cell<Option<SocketAddr>>>,
    outward: bool,
    /// Where tracers come from, and where they go.
    tracer: (SocketAddr, SocketAddr),
}

fn spawn(carrier: &Rc<Carrier>, relay: Relay) -> io::Result<()> {
    let public = Rc::new(UdpSocket::from_std(relay.public)?);
    let upstream = Rc::new(UdpSocket::from_std(relay.upstream)?);
    let dialer = Rc::new(Cell::new(None));
    let [near, far] = relay.ports;
    let direction = |link, from: &Rc<UdpSocket>, out: &Rc<UdpSocket>, outward| Direction {
        link,
        from: Rc::clone(from),
        out: Rc::clone(out),
        listener: relay.listener,
        dialer: Rc::clone(&dialer),
        outward,
        tracer: if outward { (near, far) } else { (far, near) },
    };
    let there = direction(relay.ends.there, &public, &upstream, true);
    let back = direction(relay.ends.back, &upstream, &public, false);
    tokio::task::spawn_local(carry(Rc::clone(carrier), there));
    tokio::task::spawn_local(carry(Rc::clone(carrier), back));
    Ok(())
}

async fn carry(carrier: Rc<Carrier>, direction: Direction) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        if let Err(error) = direction.from.readable().await {
            return complain("a relay ended", &error);
        }
        for _ in 0..BURST_PACKETS_MAX {
            match direction.from.try_recv_from(&mut buffer) {
                Ok((size, source)) => direction.pass(&carrier, &mut buffer[..size], source),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A peer that is gone may be reported here; the socket itself is well.
                Err(_) => {}
            }
        }
        tokio::task::yield_now().await;
    }
}

impl Direction {
    fn pass(&self, carrier: &Carrier, bytes: &mut [u8], source: SocketAddr) {
        let (link, to) = if source == self.tracer.0 {
            (self.link.of_tracers(), self.tracer.1)
        } else {
            let Some(to) = self.destination(source) else { return };
            (self.link, to)
        };
        let now = carrier.start.elapsed();
        // What is done with the packet takes the lock again.
        let verdict = lock(&carrier.fabric).decide(link, bytes.len(), now);
        match verdict {
            Verdict::Drop(_) => {}
            Verdict::Deliver(copies) => {
                self.deliver(carrier, bytes, Onward { link, to, now }, &copies);
            }
        }
    }

    /// Learns the dialer's address from what comes from it; takes answers from the listener only.
    fn destination(&self, source: SocketAddr) -> Option<SocketAddr> {
        if self.outward {
            self.dialer.set(Some(source));
            return Some(self.listener);
        }
        if source == self.listener { self.dialer.get() } else { None }
    }

    fn deliver(&self, carrier: &Carrier, bytes: &mut [u8], on: Onward, copies: &Copies) {
        let Onward { link, to, now } = on;
        if let Some(bit) = copies.corrupt_bit {
            let at = usize::try_from(bit / 8).expect("a bit of the packet");
            bytes[at] ^= 1 << (bit % 8);
        }
        for delay in [Some(copies.first), copies.second].into_iter().flatten() {
            if !delay.is_zero() {
                let (out, bytes) = (Rc::clone(&self.out), Box::from(&*bytes));
                let packet = Packet { link, sent: now, out, to, bytes };
                carrier.hold(now + delay, packet);
            } else if self.out.try_send_to(bytes, to).is_ok() {
                lock(&carrier.fabric).came(link, bytes.len(), now, now);
            } else {
                lock(&carrier.fabric).overflowed(link, bytes.len(), now);
            }
        }
    }
}

/// How a packet goes on.
#[derive(Clone, Copy)]
struct Onward {
    link: LinkIndex,
    to: SocketAddr,
    now: Duration,
}

impl Carrier {
    fn hold(&self, due: Duration, packet: Packet) {
        let (link, size, sent) = (packet.link, packet.bytes.len(), packet.sent);
        let mut held = self.held.borrow_mut();
        // It is asked before the packet is in, which would be found to be the first itself.
        let first = held.next_due().is_none_or(|next| due < next);
        let fits = held.push(due, size, packet);
        if !fits {
            lock(&self.fabric).overflowed(link, size, sent);
        } else if first {
            self.earlier.notify_one();
        }
    }
}

/// Sends the packets that waited, each at its time.
async fn release(carrier: Rc<Carrier>) {
    loop {
        let next = carrier.held.borrow().next_due();
        match next {
            None => carrier.earlier.notified().await,
            Some(due) => {
                let earlier = carrier.earlier.notified();
                // Whichever of the two comes, the queue is looked at; a packet that is not due yet
                // stays.
                drop(tokio::time::timeout_at(carrier.start + due, earlier).await);
            }
        }
        for _ in 0..BURST_PACKETS_MAX {
            let due = carrier.held.borrow_mut().pop(carrier.start.elapsed());
            let Some(Packet { link, sent, out, to, bytes }) = due else { break };
            let given = out.try_send_to(&bytes, to).is_ok();
            let mut fabric = lock(&carrier.fabric);
            if given {
                fabric.came(link, bytes.len(), sent, carrier.start.elapsed());
            } else {
                fabric.overflowed(link, bytes.len(), sent);
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Packets that one direction carries before the others have their turn.
const BURST_PACKETS_MAX: usize = 64;

/// The largest datagram that UDP carries.
const DATAGRAM_BYTES_MAX: usize = 65_535;
