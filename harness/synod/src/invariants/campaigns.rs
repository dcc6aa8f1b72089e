//! Campaigns: nobody begins a ballot who does not hear a quorum.
//!
//! A node that is cut off and raises its ballot all the same disturbs whoever it meets next, and
//! the longer it was away the worse. Nor does a node begin another ballot while its own promise of
//! the last one is on its way to the disk: behind a slow disk that would go on for ever. No rule of
//! safety forbids either; what it costs is the leader.
//! The heartbeats are counted as they come, and time in the node's own ticks, as elections do.

use synod_paxos::{Configuration, NodeId, Tally};
use synod_smr::{DEAF_TIMES, SUSPICION_TICKS_MIN, Timer};

use super::Invariant;
use super::by_node::ByNode;
use crate::step::{Cause, Kind, Step};

/// Whom each node hears.
pub(super) struct Campaigns {
    voters: Configuration,
    nodes: ByNode<Ears>,
}

/// What one node has heard in its present life.
#[derive(Default)]
struct Ears {
    life: u64,
    /// The node's ticks since the last heartbeat of each peer.
    silent: Vec<(NodeId, u32)>,
}

impl Campaigns {
    pub(super) fn new(voters: &Configuration) -> Self {
        Self { voters: voters.clone(), nodes: ByNode::default() }
    }
}

impl Ears {
    /// Takes note of what the node was given.
    fn take(&mut self, cause: Cause) {
        match cause {
            Cause::Message(from, Kind::Heartbeat) => {
                match self.silent.iter_mut().find(|(node, _)| *node == from) {
                    Some((_, ticks)) => *ticks = 0,
                    None => self.silent.push((from, 0)),
                }
            }
            Cause::Timer(Timer::Heartbeat) => {
                for (_, ticks) in &mut self.silent {
                    *ticks += 1;
                }
            }
            Cause::Start
            | Cause::Message(..)
            | Cause::Request(..)
            | Cause::Timer(Timer::Campaign)
            | Cause::LinkDown(_)
            | Cause::Synced
            | Cause::OldDecrees
            | Cause::Snapshot
            | Cause::Wrote
            | Cause::Unheard(_)
            | Cause::Client
            | Cause::Several
            | Cause::Drain => {}
        }
    }
}

impl Invariant for Campaigns {
    fn name(&self) -> &'static str {
        "campaigns"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let ears = self.nodes.of(step.node);
        if ears.life != step.life {
            *ears = Ears { life: step.life, ..Ears::default() };
        }
        // What a turn took in was heard before the ballot that the turn began.
        for given in step.given {
            ears.take(given.cause);
        }
        let (Some(ballot), before) = (step.after.ballot, step.before.ballot) else { return Ok(()) };
        if before == Some(ballot) {
            return Ok(());
        }
        let durable = step.replica.paxos().durable_promised();
        if let Some(last) = before
            && step.before.leads.is_none()
            && last.node() == step.node
            && durable < last
        {
            return Err(format!(
                "node {} begins {ballot} while {last} is on its way to its disk",
                step.node
            ));
        }
        let deaf = DEAF_TIMES * SUSPICION_TICKS_MIN;
        let heard = ears.silent.iter().filter(|(_, ticks)| *ticks <= deaf);
        let heard: Tally = heard.map(|(node, _)| *node).chain([step.node]).collect();
        if self.voters.is_phase1_quorum(&heard) {
            return Ok(());
        }
        Err(format!("node {} begins {ballot} and hears no quorum", step.node))
    }
}
