//! The front of a node: one address for all who dial it, on the links of each.
//!
//! Nodes that tell each other where they are know one address of each, so the way by which it is
//! reached does not say who dials. The kernel does: a front looks who holds the other end of a
//! connection, and from its first byte on the connection obeys the links between that node, or the
//! clients, and this one. The claim kept true: no byte passes before it is known whose it is. What
//! a node sends to itself crosses no network, and so obeys no rules.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;

use synod_fault::NodeId;
use tokio::net::{TcpListener, TcpStream};

use super::{ACCEPT_REST, Carrier, connect, reset};
use crate::network::{Ends, complain};
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
            Ok(Dialer::Gone) => {
                let mut word = [0; 1];
                let said = tokio::time::timeout(ACCEPT_REST, dialer.peek(&mut word)).await;
                if matches!(said, Ok(Ok(1))) {
                    self.dialers.note_lost();
                }
                reset(&dialer);
            }
            Ok(Dialer::Stranger) | Err(_) => reset(&dialer),
        }
    }
}

/// Carries what a node sends to itself.
async fn carry_alone(mut dialer: TcpStream, own: SocketAddr) {
    let Ok(mut upstream) = TcpStream::connect(own).await else { return reset(&dialer) };
    // Either end is told by the end of the other.
    drop(tokio::io::copy_bidirectional(&mut dialer, &mut upstream).await);
}
