//! What follows from a refusal: whether the operation ends, and when and where it is tried again.
//!
//! What a refusal means is said in `request.rs`. The claim kept true: an operation with an attempt
//! whose fate is open never ends as one that was not applied.

use super::operation::{ClientEffects, Millis, Outcome, Reason, Ticket};
use super::pending::Attempt;
use super::retry::{NO_LEADER_MS, Retries};
use super::{Client, Session};
use crate::request::Refusal;
use synod_paxos::NodeId;

impl Client {
    pub(super) fn on_refused(
        &mut self,
        now: Millis,
        from: NodeId,
        ticket: Ticket,
        refusal: Refusal,
        effects: &mut ClientEffects,
    ) {
        let is_final = match &refusal {
            Refusal::NotLeader { .. }
            | Refusal::Overloaded { .. }
            | Refusal::DiskFull
            | Refusal::PipelineFull
            | Refusal::NoPart { .. } => false,
            Refusal::SessionExpired => return self.on_expired(now, ticket, effects),
            Refusal::SequenceStale
            | Refusal::SequenceReused
            | Refusal::ReplyLost
            | Refusal::ReplyTooLong
            | Refusal::NotAllowed
            | Refusal::Invalid(_) => true,
        };
        let Some(pending) = self.operations.get(&ticket) else { return };
        // No other attempt at it would be answered otherwise.
        if is_final {
            let applied = refusal.is_of_the_applied();
            let outcome = pending.without_reply(Reason::Refused(refusal), applied);
            return self.end(ticket, outcome, effects);
        }
        let mut retries = pending.retries;
        let due = self.delay_after(now, from, &refusal, &mut retries);
        if let Some(pending) = self.operations.get_mut(&ticket) {
            pending.refusal = Some(refusal);
            pending.retries = retries;
            pending.attempt = Attempt::Due(due);
        }
    }

    /// Begins another session. What was surely not applied moves over; the rest is uncertain.
    pub(super) fn on_expired(&mut self, now: Millis, ticket: Ticket, effects: &mut ClientEffects) {
        if let Session::Open { opening, .. } = self.session {
            self.session = Session::closed(opening.next(), now);
        }
        // This attempt was refused for certain, so that the command may move over as well.
        if let Some(pending) = self.operations.get_mut(&ticket) {
            pending.attempt = Attempt::Due(now);
        }
        let numbered = self.operations.iter_mut().filter(|(_, held)| held.sequence.is_some());
        let mut uncertain = Vec::new();
        for (ticket, pending) in numbered {
            match pending.attempt {
                Attempt::Due(_) if !pending.uncertain => {
                    // An answer to an attempt of this session would be taken for the next one's.
                    assert!(pending.earlier.is_empty(), "a command that moves was never open");
                    pending.sequence = None;
                    self.waiting.push_back(*ticket);
                }
                Attempt::Due(_) | Attempt::Out { .. } => uncertain.push(*ticket),
            }
        }
        for ticket in uncertain {
            let reason = Reason::Refused(Refusal::SessionExpired);
            self.end(ticket, Outcome::Unknown(reason), effects);
        }
    }

    /// Returns when to try again after a refusal, and goes where it points.
    pub(super) fn delay_after(
        &mut self,
        now: Millis,
        from: NodeId,
        refusal: &Refusal,
        retries: &mut Retries,
    ) -> Millis {
        // Where a leader is named there is nothing to wait for; where none is, an election is on,
        // and asking at once would only add to its load.
        let delay = match refusal {
            Refusal::NotLeader { leader } => {
                // A node that names itself is the one that could not answer.
                let known = self.follow(from, *leader) && *leader != Some(from);
                if known && retries.follows_hint(self.nodes.len()) {
                    return now;
                }
                retries.after_refusal(self.draw(), NO_LEADER_MS)
            }
            Refusal::Overloaded { retry_after_ms } => {
                retries.after_overload(self.draw(), u64::from(*retry_after_ms))
            }
            Refusal::DiskFull
            | Refusal::SessionExpired
            | Refusal::SequenceStale
            | Refusal::SequenceReused
            | Refusal::PipelineFull
            | Refusal::ReplyLost
            | Refusal::ReplyTooLong
            | Refusal::NotAllowed
            | Refusal::NoPart { .. }
            | Refusal::Invalid(_) => retries.after_refusal(self.draw(), NO_LEADER_MS),
        };
        now.plus(delay)
    }
}
