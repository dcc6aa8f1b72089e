//! What an operator wants to read in the log: who leads, and which peer began another life.
//!
//! It looks at the core from outside and changes nothing; every line carries the node, by the span
//! of the loop, and the ballot.

use std::collections::BTreeMap;

use synod_paxos::Ballot;
use synod_smr::{Replica, StateMachine};
use synod_transport_quic::{Incarnation, PeerId};

/// What was logged last.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    leads: Option<Ballot>,
    follows: Option<Ballot>,
    lives: BTreeMap<PeerId, Incarnation>,
}

impl Watch {
    /// Logs what has changed since the last look.
    pub(crate) fn look<M: StateMachine>(&mut self, replica: &Replica<M>) {
        let leads = replica.paxos().leader().leads();
        let follows = replica.status().follows;
        let slot = replica.paxos().chosen().number();
        if leads != self.leads {
            match (leads, self.leads) {
                (Some(ballot), _) => tracing::info!(%ballot, slot, "this node leads"),
                (None, Some(ballot)) => tracing::info!(%ballot, slot, "this node leads no more"),
                (None, None) => {}
            }
            self.leads = leads;
        }
        if follows != self.follows {
            match follows {
                Some(ballot) if leads.is_none() => {
                    tracing::info!(%ballot, leader = %ballot.node(), slot, "following a leader");
                }
                Some(_) => {}
                None => tracing::info!(slot, "no leader is known"),
            }
            self.follows = follows;
        }
    }

    /// Takes note of a peer's life; tells whether an earlier one was known.
    pub(crate) fn is_another_life(&mut self, peer: PeerId, incarnation: Incarnation) -> bool {
        let earlier = self.lives.insert(peer, incarnation);
        earlier.is_some_and(|earlier| earlier != incarnation)
    }
}
