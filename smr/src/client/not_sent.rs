//! Requests that never left this end: who is asked next, and when.
//!
//! The rest of an attempt's life is in `mod.rs`. The claims kept true: what never left leaves no
//! doubt behind, and nobody is said to have refused it; and a client whose nodes are all out of
//! reach tries each of them again and again, but not in haste. Where this end's own queue is full,
//! operations that can still be answered in time go first; and that answers take too long for all
//! of them is believed for a while only.

use super::operation::{ClientEffects, Millis, NotSent, Reason, Ticket, Unsent};
use super::pending::{Attempt, Pending};
use super::retry::{NO_LEADER_MS, Retries};
use super::{Client, Session};
use crate::request::RequestId;
use std::collections::BTreeMap;
use synod_paxos::NodeId;

/// How long to wait at first where this end's own queue is full, in milliseconds.
pub const QUEUE_FULL_MS: u64 = 10;

/// How many times as long as an answer took it is believed that others take as long.
const BELIEVED_TIMES: u64 = 2;

/// How long an answer took, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Took {
    ms: u64,
    until: Millis,
}

impl Took {
    /// Takes in the reply to an attempt.
    ///
    /// When an earlier attempt was made is not kept: it took at most since the operation was
    /// submitted, and that counts where it is more than the last reply took.
    pub(super) fn by_reply_to(
        answered: RequestId,
        pending: &Pending,
        now: Millis,
        last: Option<Self>,
    ) -> Self {
        match pending.attempt {
            Attempt::Out { id, since, .. } if id == answered => Self::between(since, now),
            Attempt::Out { .. } | Attempt::Due(_) => {
                let submitted = Millis(pending.deadline.0 - pending.time_ms);
                let most = Self::between(submitted, now);
                last.filter(|last| last.ms >= most.ms).unwrap_or(most)
            }
        }
    }

    const fn between(since: Millis, until: Millis) -> Self {
        Self { ms: until.0.saturating_sub(since.0), until }
    }

    /// How long it was, in milliseconds.
    pub(super) const fn ms(&self) -> u64 {
        self.ms
    }

    /// Returns how long an operation that has not left needs before its deadline, of so many
    /// milliseconds that it had at first: twice as long as the last answer took, or a quarter of
    /// its time where there was none. What took long may be over, and whoever gives way because of
    /// it asks nothing that would show it: so it is believed for a while only.
    fn needed_ms(last: Option<Self>, now: Millis, time_ms: u64) -> u64 {
        let usual = time_ms / 4;
        last.map_or(usual, |Self { ms, until }| {
            let is_believed = now <= until.plus(BELIEVED_TIMES * ms);
            if is_believed { 2 * ms } else { usual.min(2 * ms) }
        })
    }
}

impl Client {
    /// Takes note that requests did not leave: their attempts never were.
    pub(super) fn on_not_sent(
        &mut self,
        now: Millis,
        unsent: &[Unsent],
        effects: &mut ClientEffects,
    ) {
        // With all nodes out of reach every operation is among them, round after round.
        let out = self.operations.iter().filter_map(|(ticket, held)| match held.attempt {
            Attempt::Out { id, .. } => Some((id, *ticket)),
            Attempt::Due(_) => None,
        });
        let out: BTreeMap<RequestId, Ticket> = out.collect();
        for unsent in unsent {
            self.on_unsent(now, *unsent, out.get(&unsent.id).copied(), effects);
        }
    }

    fn on_unsent(
        &mut self,
        now: Millis,
        Unsent { to, id, cause }: Unsent,
        ticket: Option<Ticket>,
        effects: &mut ClientEffects,
    ) {
        if self.inquiry.as_ref().is_some_and(|inquiry| inquiry.asked(id)) {
            return self.end_questions(now, |asked, _| asked == id);
        }
        if let Session::Closed { attempt, mut retries, .. } = self.session
            && matches!(attempt, Attempt::Out { id: asked, .. } if asked == id)
        {
            let due = self.delay_after_not_sent(now, to, cause, &mut retries);
            return self.try_opening_again(due, retries);
        }
        let Some(ticket) = ticket else { return };
        let Some(pending) = self.operations.get(&ticket) else { return };
        if cause == NotSent::TooLong {
            let outcome = pending.without_reply(Reason::TooLong, false);
            return self.end(ticket, outcome, effects);
        }
        let (mut retries, deadline) = (pending.retries, pending.deadline);
        let needed_ms = Took::needed_ms(self.took, now, pending.time_ms);
        let gives_way = cause == NotSent::QueueFull && pending.is_too_late_to_leave(now, needed_ms);
        let due = self.delay_after_not_sent(now, to, cause, &mut retries);
        let due = if gives_way { deadline } else { due };
        if let Some(pending) = self.operations.get_mut(&ticket) {
            (pending.attempt, pending.retries) = (Attempt::Due(due), retries);
        }
    }

    /// Returns when to try again, and turns from a node that cannot be reached.
    fn delay_after_not_sent(
        &mut self,
        now: Millis,
        to: NodeId,
        cause: NotSent,
        retries: &mut Retries,
    ) -> Millis {
        let delay = match cause {
            NotSent::NotConnected => {
                self.turn_from(to);
                retries.after_refusal(self.draw(), NO_LEADER_MS)
            }
            NotSent::QueueFull => retries.after_overload(self.draw(), QUEUE_FULL_MS),
            // No node would take it; an opening is never so long.
            NotSent::TooLong => retries.after_refusal(self.draw(), NO_LEADER_MS),
        };
        now.plus(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_took_is_believed_for_a_while_and_a_quarter_of_the_time_is_usual() {
        assert_eq!(Took::needed_ms(None, Millis(0), 2_000), 500, "nothing was answered yet");
        let last = Some(Took { ms: 300, until: Millis(1_000) });
        for (now, time_ms, needed_ms) in [
            (1_000, 2_000, 600),
            (1_600, 2_000, 600),
            // It is believed until then, and makes nobody give way after that who else would not.
            (1_601, 2_000, 500),
            (1_601, 8_000, 600),
        ] {
            assert_eq!(Took::needed_ms(last, Millis(now), time_ms), needed_ms, "at {now}");
        }
    }
}
