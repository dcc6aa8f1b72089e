//! What clients are told of their commands, event by event.
//!
//! It holds the events of a trace that are about commands against the tables of sessions and the
//! requests that wait. The claim kept true: where no clock is believed, only what needs no order of
//! the nodes is asked, which is how commands stand.

use synod_host::{Said, TraceEvent};
use synod_paxos::{Immediate, Message as Paxos, NodeId, Slot, To};
use synod_smr::Message;

use super::refusals::Refusals;
use super::sessions::SessionTables;
use crate::spec::conformance::Conformance;

/// The judge of answers to commands.
#[derive(Debug, Default)]
pub(super) struct Answers {
    tables: SessionTables,
    refusals: Refusals,
}

/// The turn of a node in which something took place.
#[derive(Clone, Copy, Debug)]
pub(super) struct InTurn {
    pub(super) node: NodeId,
    /// Which turn of the node's life it is.
    pub(super) turn: u64,
    /// The end of the chosen prefix, all of which is applied.
    pub(super) chosen: Slot,
    /// Whether times are believed.
    pub(super) is_timed: bool,
}

impl Answers {
    /// Takes note that a node begins another life.
    pub(super) fn on_life(&mut self, node: NodeId) {
        self.refusals.on_life(node);
    }

    /// Judges an event.
    ///
    /// # Errors
    ///
    /// Fails with the rule that is broken.
    pub(super) fn judge(
        &mut self,
        at: InTurn,
        event: &TraceEvent,
        conformance: &Conformance,
    ) -> Result<(), String> {
        let needs_times = !matches!(event, TraceEvent::Stands { .. });
        if needs_times && !at.is_timed {
            return Ok(());
        }
        let (node, state) = (at.node, (at.node, at.chosen));
        let decree = |slot| conformance.chosen(slot);
        match event {
            TraceEvent::Stands { slot, position, standing } => {
                self.tables.stands(state, (*slot, *position), *standing, decree)
            }
            TraceEvent::Commanded { connection, id, command } => {
                self.refusals.on_asked(node, at.turn, (*connection, *id), *command);
                Ok(())
            }
            TraceEvent::Sent(To::Peers, Message::Paxos(Paxos::Immediate(free))) => {
                if let Immediate::Accept { ballot, first, decrees, chosen: _ } = free {
                    self.refusals.on_proposed(node, (*ballot, *first), decrees);
                }
                Ok(())
            }
            TraceEvent::Answered { connection, id, said } => {
                let asked = (*connection, *id);
                let command = self.refusals.on_answered(node, at.turn, asked, *said)?;
                let Some(command) = command else { return Ok(()) };
                match said {
                    Said::Reply(reply) => self.tables.replied(state, &command, *reply, decree),
                    Said::Stale => self.tables.called_stale(state, &command, decree),
                    Said::NotProposed
                    | Said::Refused
                    | Said::Uncertain
                    | Said::Opened
                    | Said::Status => Ok(()),
                }
            }
            TraceEvent::Recovered(_)
            | TraceEvent::Began { .. }
            | TraceEvent::Turn { .. }
            | TraceEvent::Durable(_)
            | TraceEvent::Heard { .. }
            | TraceEvent::Asked(..)
            | TraceEvent::State(_)
            | TraceEvent::Learned { .. }
            | TraceEvent::Sent(..)
            | TraceEvent::Full => Ok(()),
        }
    }
}
