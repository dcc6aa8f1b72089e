//! What crossed the links, message by message, as far back as there is room.
//!
//! A message is a datagram, or the bytes of a stream that were given at once. Tracers are none.
//! Which of them are shown is chosen when the run is judged. The claims kept true: what is noted as
//! having come was given to its receiver's socket at that time; and of more than [`MESSAGES_MAX`]
//! the oldest are forgotten, so that memory has a bound.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use synod_fault::{DropReason, LinkId};
use synod_report::{Fate, Message, SeenMessages};

/// The messages of a run, by the clock of its network.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    last: VecDeque<Message>,
    /// Whether older ones are forgotten.
    forgot: bool,
}

impl Messages {
    /// Notes that a message was given to its receiver.
    pub(crate) fn came(&mut self, link: LinkId, bytes: usize, sent: Duration, now: Duration) {
        self.note(link, bytes, sent, Fate::Came(nanos(now)));
    }

    /// Notes that a message was dropped as it was sent.
    pub(crate) fn dropped(&mut self, link: LinkId, bytes: usize, now: Duration, why: DropReason) {
        let fate = match why {
            DropReason::Cut => Fate::Cut,
            DropReason::Lost => Fate::Lost,
            DropReason::Overflow => Fate::Overflowed,
        };
        self.note(link, bytes, now, fate);
    }

    /// Notes that a cut keeps bytes of a stream back.
    pub(crate) fn held(&mut self, link: LinkId, bytes: usize, now: Duration) {
        self.note(link, bytes, now, Fate::Held);
    }

    /// Returns all of them, by the clock of a run that began `offset` after the network; what came
    /// before it is left out.
    pub(crate) fn since(&self, offset: Duration) -> SeenMessages {
        let offset = nanos(offset);
        let of_run = |message: &Message| {
            let sent_ns = message.sent_ns.checked_sub(offset)?;
            let fate = match message.fate {
                Fate::Came(at_ns) => Fate::Came(at_ns.saturating_sub(offset)),
                Fate::Cut | Fate::Lost | Fate::Overflowed | Fate::Held => message.fate,
            };
            Some(Message { sent_ns, fate, ..*message })
        };
        let messages = self.last.iter().filter_map(of_run).collect();
        SeenMessages { messages, forgot: self.forgot }
    }

    fn note(&mut self, link: LinkId, bytes: usize, sent: Duration, fate: Fate) {
        if self.last.len() >= MESSAGES_MAX {
            self.last.pop_front();
            self.forgot = true;
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (from, to) = (link.from.0, link.to.0);
        self.last.push_back(Message { from, to, sent_ns: nanos(sent), fate, bytes });
    }
}

/// Returns how long after the start of a network a run began.
pub(crate) fn offset(network: Instant, run: Instant) -> Duration {
    run.saturating_duration_since(network)
}

/// A run of 500 years is none.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Messages that are remembered: minutes of a busy cluster, in some 40 MB.
const MESSAGES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use synod_fault::NodeId;

    use super::*;

    const LINK: LinkId = LinkId { from: NodeId(1), to: NodeId(2) };

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn times_are_those_of_the_run() {
        let mut messages = Messages::default();
        messages.came(LINK, 10, us(4), us(6));
        messages.came(LINK, 10, us(5), us(7));
        messages.dropped(LINK, 11, us(8), DropReason::Cut);
        messages.held(LINK, 12, us(9));
        let message = |sent_ns, bytes, fate| Message { from: 1, to: 2, sent_ns, fate, bytes };
        let expected = [
            message(0, 10, Fate::Came(2_000)),
            message(3_000, 11, Fate::Cut),
            message(4_000, 12, Fate::Held),
        ];
        assert_eq!(messages.since(us(5)).messages, expected);
        assert!(!messages.since(us(5)).forgot);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut messages = Messages::default();
        for at in 0..MESSAGES_MAX as u64 + 3 {
            messages.held(LINK, 1, us(at));
        }
        let SeenMessages { messages: kept, forgot } = messages.since(Duration::ZERO);
        assert_eq!((kept.len(), kept[0].sent_ns, forgot), (MESSAGES_MAX, 3_000, true));
    }
}
