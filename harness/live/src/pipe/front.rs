//! The front of a node: one address for all who dial it, on the links of each.
//!
//! Nodes that tell each other where they are know one address of each, so the way by which it is
//! reached does not say who dials. The kernel does: a front looks who holds the other end of a
//! connection, and from its first byte on the connection obeys the links between that node, or the
//! clients, and this one. Whoever has closed its end by then can be told no more; what it said
//! passes where the links of all who may dial obey the same rules, and else is lost and counted.
//! The claim kept true: no byte passes before it is known which rules it obeys. What a node sends
//! to itself crosses no network, and so obeys none.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;

use synod_fault::NodeId;
use tokio::net::{TcpListener, TcpStream};

use super::{ACCEPT_REST, Carrier, connect, reset};
use crate::network::{Ends, complain, lock};
use crate::witness::{Dialer, Dialers};

/// A front, before it runs.
pub(crate) struct Front {
    /// Where all dial.
    pub(crate) public: StdListener,
    /// Whom they reach.
    pub(crate) node: NodeId,
    /// Where the node listens to itself.
    pub(crate) own: SocketAddr,
    /// Where it listens to each dialer, and by which links.
    pub(crate) ways: BTreeMap<NodeId, (SocketAddr, Ends)>,
    /// Tells who dials.
    pub(crate) dialers: Dialers,
}

/// Accepts for a node until the pipes end.
pub(super) async fn accept(carrier: Rc<Carrier>, public: TcpListener, front: Rc<Front>) {
    loop {
        let Ok(place) = Arc::clone(&carrier.places).acquire_owned().await else { return };
        match public.accept().await {
            Ok((dialer, from)) => {
                let (carrier, front) = (Rc::clone(&carrier), Rc::clone(&front));
                tokio::task::spawn_local(async move {
                    front.carry(carrier, dialer, from).await;
                    drop(place);
                });
            }
            Err(error) => {
                complain("a front cannot accept", &error);
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

impl Front {
    async fn carry(&self, carrier: Rc<Carrier>, dialer: TcpStream, from: SocketAddr) {
        let Ok(to) = dialer.local_addr() else { return reset(&dialer) };
        let dialers = self.dialers.clone();
        // The files of the kernel are read on another thread: the pipes go on meanwhile.
        let who = tokio::task::spawn_blocking(move || dialers.who_dialed(from, to)).await;
        match who {
            Ok(Dialer::Known(node)) if node == self.node => carry_alone(dialer, self.own).await,
            Ok(Dialer::Known(node)) => match self.ways.get(&node) {
                Some((upstream, ends)) => connect(carrier, dialer, *upstream, *ends).await,
                None => reset(&dialer),
            },
            Ok(Dialer::Gone) => match self.way_of_all(&carrier) {
                Some((upstream, ends)) => connect(carrier, dialer, upstream, ends).await,
                None => self.lose(&dialer).await,
            },
            Ok(Dialer::Stranger) | Err(_) => reset(&dialer),
        }
    }

    /// Returns the way that leads where all others lead, if the links of all obey the same rules:
    /// then it makes no difference who dialed.
    fn way_of_all(&self, carrier: &Carrier) -> Option<(SocketAddr, Ends)> {
        let mut fabric = lock(&carrier.fabric);
        let mut rules = |(upstream, ends): &(SocketAddr, Ends)| {
            let [there, back] = [ends.there, ends.back].map(|link| *fabric.streams(link).0.rules());
            (*upstream, there, back)
        };
        let mut ways = self.ways.values();
        let first = ways.next()?;
        let of_first = rules(first);
        ways.all(|way| rules(way) == of_first).then_some(*first)
    }

    /// Drops what somebody said who closed its end before it was known who it is.
    async fn lose(&self, dialer: &TcpStream) {
        let mut word = [0; 1];
        let said = tokio::time::timeout(ACCEPT_REST, dialer.peek(&mut word)).await;
        if matches!(said, Ok(Ok(1))) {
            self.dialers.note_lost();
        }
        reset(dialer);
    }
}

/// Carries what a node sends to itself.
async fn carry_alone(mut dialer: TcpStream, own: SocketAddr) {
    let Ok(mut upstream) = TcpStream::connect(own).await else { return reset(&dialer) };
    // Either end is told by the end of the other.
    drop(tokio::io::copy_bidirectional(&mut dialer, &mut upstream).await);
}
