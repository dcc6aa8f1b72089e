//! The messages around a counterexample: which went where, when they came, and which did not.
//!
//! Seeing them is the runner's, and so is choosing which are kept; [`SpaceTime::around`] says which
//! those are. `space_time_chart` shows them on the page, `shiviz` as a log that ShiViz reads. The
//! claim kept true: a message that is shown was seen, and how many of the time are not shown is
//! said.

pub(super) mod order;
mod shiviz;

use serde::{Deserialize, Serialize};
use synod_checker::ViolationCore;

pub(super) use shiviz::log;

/// The messages between the nodes, and with the clients, while a counterexample came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceTime {
    /// From when on messages are shown, in nanoseconds since the start of the run.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// How many more there were from the first call of the counterexample to its last return, of
    /// those that are remembered.
    pub left_out: u64,
    /// Whether messages of that time are not remembered.
    #[serde(default)]
    pub forgot: bool,
    /// The messages, in the order in which they were sent.
    pub messages: Vec<Message>,
}

/// One datagram, or bytes of a stream that were given at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The node that sent it; 0 stands for the clients.
    pub from: u16,
    /// The node that it was for; 0 stands for the clients.
    pub to: u16,
    /// When it was sent, in nanoseconds since the start of the run.
    pub sent_ns: u64,
    /// What became of it.
    pub fate: Fate,
    /// How many bytes it had.
    pub bytes: u32,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It was given to its receiver, so many nanoseconds after the start of the run.
    Came(u64),
    /// A cut dropped it.
    Cut,
    /// It was lost, as links lose datagrams.
    Lost,
    /// There was no room for it.
    Overflowed,
    /// A cut kept bytes of a stream back; if they came later, that is a message of its own.
    Held,
}

/// The messages of a run, as far back as whoever saw them remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenMessages {
    /// The messages, by the clock of the run.
    pub messages: Vec<Message>,
    /// Whether older ones are forgotten.
    pub forgot: bool,
}

impl Message {
    /// Returns when it was last seen.
    #[must_use]
    pub const fn end_ns(&self) -> u64 {
        match self.fate {
            Fate::Came(at_ns) => at_ns,
            Fate::Cut | Fate::Lost | Fate::Overflowed | Fate::Held => self.sent_ns,
        }
    }
}

impl SpaceTime {
    /// Chooses the messages to show of a counterexample: of those that were on their way between
    /// its first call and its last return, the [`SPACE_TIME_MESSAGES`] nearest to that return,
    /// which is what showed that something is wrong.
    ///
    /// None if there were no messages then, or the core has no operation.
    #[must_use]
    pub fn around(core: &ViolationCore, seen: &SeenMessages) -> Option<Self> {
        let first_ns = core.operations.iter().map(|op| op.call_ns).min()?;
        let last_ns = core.operations.iter().map(|op| op.return_ns.unwrap_or(op.call_ns)).max()?;
        let oldest_ns = seen.messages.iter().map(Message::end_ns).min()?;
        let of_then = |one: &&Message| one.sent_ns <= last_ns && one.end_ns() >= first_ns;
        let mut messages: Vec<Message> = seen.messages.iter().filter(of_then).copied().collect();
        let total = messages.len();
        // The latest stay: what came about last is nearest to the wrong answer.
        messages.sort_by_key(|one| std::cmp::Reverse((one.end_ns().min(last_ns), one.sent_ns)));
        messages.truncate(SPACE_TIME_MESSAGES);
        messages.sort_by_key(|one| (one.sent_ns, one.end_ns(), one.from, one.to));
        let from_ns = messages.first()?.sent_ns;
        let to_ns = messages.iter().map(Message::end_ns).max()?;
        let left_out = (total - messages.len()) as u64;
        let forgot = seen.forgot && oldest_ns > first_ns;
        Some(Self { from_ns, to_ns, left_out, forgot, messages })
    }
}

/// How many messages are kept and drawn of one counterexample.
pub const SPACE_TIME_MESSAGES: usize = 150;

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use synod_checker::CoreOperation;

    use super::*;

    /// An operation of client 3 on key `x`.
    pub(crate) fn operation(f: &str, call_ns: u64, return_ns: Option<u64>) -> CoreOperation {
        let text = str::to_owned;
        CoreOperation {
            process: 3,
            f: text(f),
            key: text("x"),
            argument: text("1"),
            result: text("ok"),
            call_ns,
            return_ns,
            called: 0,
            returned: None,
        }
    }

    pub(crate) fn core(operations: Vec<CoreOperation>) -> ViolationCore {
        ViolationCore { key: "x".to_owned(), sentence: "it is wrong".to_owned(), operations }
    }

    pub(crate) fn message((from, to): (u16, u16), sent_ns: u64, fate: Fate) -> Message {
        Message { from, to, sent_ns, fate, bytes: 100 }
    }

    #[test]
    fn what_was_under_way_is_chosen_and_nothing_else() {
        let nothing = core(Vec::new());
        let core = core(vec![operation("write", 100, Some(200)), operation("read", 300, None)]);
        let seen = [
            message((1, 2), 10, Fate::Came(99)),
            message((1, 2), 20, Fate::Came(100)),
            message((2, 1), 300, Fate::Came(900)),
            message((2, 0), 50, Fate::Cut),
            message((2, 0), 150, Fate::Held),
            message((2, 0), 301, Fate::Lost),
        ];
        let all =
            |messages: &[Message]| SeenMessages { messages: messages.to_vec(), forgot: false };
        let shown = SpaceTime::around(&core, &all(&seen)).unwrap();
        assert_eq!(shown.messages, [seen[1], seen[4], seen[2]]);
        assert_eq!((shown.from_ns, shown.to_ns, shown.left_out), (20, 900, 0));
        assert_eq!(SpaceTime::around(&core, &all(&seen[..1])), None);
        assert_eq!(SpaceTime::around(&nothing, &all(&seen)), None);
    }

    #[test]
    fn of_too_many_the_last_are_kept_and_the_others_counted() {
        let core = core(vec![operation("read", 0, Some(1_000))]);
        let messages = (0..1_000).map(|at| message((1, 2), at, Fate::Came(at + 1))).collect();
        let mut seen = SeenMessages { messages, forgot: false };
        let shown = SpaceTime::around(&core, &seen).unwrap();
        assert_eq!(shown.messages.len(), SPACE_TIME_MESSAGES);
        assert_eq!(shown.left_out, 1_000 - SPACE_TIME_MESSAGES as u64);
        assert_eq!(shown.messages.last().unwrap().sent_ns, 999);
        assert_eq!(shown.from_ns, 1_000 - SPACE_TIME_MESSAGES as u64);
        seen.forgot = true;
        assert!(SpaceTime::around(&core, &seen).unwrap().forgot, "the first came after the call");
        let later = tests::core(vec![operation("read", 500, Some(1_000))]);
        assert!(!SpaceTime::around(&later, &seen).unwrap().forgot, "of that time all are there");
    }
}
