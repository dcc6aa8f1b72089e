//! What an operator wants to read in the log: who leads, and how the disk is doing.
//!
//! It looks at the replica from outside and changes nothing; every line carries the ballot, and the
//! node by the span of whoever runs the host.

use synod_paxos::Ballot;
use synod_smr::{Disk, Replica, StateMachine};

/// What was logged last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeadershipLog {
    leads: Option<Ballot>,
    follows: Option<Ballot>,
}

impl LeadershipLog {
    /// Logs what has changed since the last look.
    pub(crate) fn look<M: StateMachine>(&mut self, replica: &Replica<M>) {
        // It is asked after each turn, and who is followed takes a look at all links.
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let leads = replica.paxos().leader().leads();
        let follows = replica.follows();
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

    /// Logs what the room on the disk has come to.
    pub(crate) fn disk(disk: Disk) {
        match disk {
            Disk::Full => tracing::error!("the disk is full: work is refused until it has room"),
            Disk::Fine => tracing::info!("the disk has room again"),
        }
    }
}
