//! A UDP relay between a dialler and a port, which can be cut and healed.
//!
//! What it leaves to others: when to cut. It keeps true that while it is cut nothing passes in
//! either direction, and that it changes no byte.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::any;

/// Relays datagrams to one port. Its tasks end with it.
pub struct Relay {
    pub address: SocketAddr,
    cut: Arc<AtomicBool>,
    passed: Arc<AtomicU64>,
    swallowed: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub async fn to(target: SocketAddr) -> Self {
        let front = Arc::new(UdpSocket::bind(any()).await.unwrap());
        let address = front.local_addr().unwrap();
        let (cut, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let swallowed = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let counts = (Arc::clone(&passed), Arc::clone(&swallowed));
        tasks.spawn(forward(front, target, Arc::clone(&cut), counts));
        Self { address, cut, passed, swallowed, _tasks: tasks }
    }

    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }

    /// Datagrams towards the port that came while it was cut.
    pub fn swallowed(&self) -> u64 {
        self.swallowed.load(Ordering::SeqCst)
    }

    /// Datagrams passed on so far.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }
}

async fn forward(
    front: Arc<UdpSocket>,
    target: SocketAddr,
    cut: Arc<AtomicBool>,
    (passed, swallowed): (Arc<AtomicU64>, Arc<AtomicU64>),
) {
    let mut backs: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut returns = JoinSet::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = front.recv_from(&mut buffer).await else { continue };
        if cut.load(Ordering::SeqCst) {
            swallowed.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        let back = match backs.entry(from) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(place) => {
                let back = Arc::new(UdpSocket::bind(any()).await.unwrap());
                let (cut, passed) = (Arc::clone(&cut), Arc::clone(&passed));
                let returning = give_back(Arc::clone(&back), Arc::clone(&front), from, cut, passed);
                returns.spawn(returning);
                Arc::clone(place.insert(back))
            }
        };
        passed.fetch_add(1, Ordering::SeqCst);
        // A datagram that the target does not take is a lost one, as on any network.
        let _ = back.send_to(&buffer[..length], target).await;
    }
}

async fn give_back(
    back: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    to: SocketAddr,
    cut: Arc<AtomicBool>,
    passed: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, _)) = back.recv_from(&mut buffer).await else { continue };
        if !cut.load(Ordering::SeqCst) {
            passed.fetch_add(1, Ordering::SeqCst);
            let _ = front.send_to(&buffer[..length], to).await;
        }
    }
}
