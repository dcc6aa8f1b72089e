//! The order that explains a history, written down, and played again without a search.
//!
//! A PASS need not be believed: its witness is a file of one line for each operation, in the order
//! in which they take effect. Whoever doubts the search plays it, which takes a step for each
//! operation, and shares no code with the search or with its models. Finding an order is left to
//! the checker. The claim kept true: what [`Linearization::replay`] accepts is linearizable by the
//! rules.

use std::collections::BTreeMap;
use std::fmt::Write;

use synod_history::{Action, Answer, History, Operation, Text, Texts, visible};

use super::explain;
use super::{CoreOperation, ModelName, Rules};

/// Operations of a history, in an order in which they may have taken effect.
///
/// Only the order within each key counts: keys are independent.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use synod_checker::{Budget, Judgement, ModelName, Rules, Linearization, check_history};
/// use synod_history::jsonl;
///
/// let lines =
/// r#"{"index":0,"time_ns":1,"process":1,"type":"invoke","f":"write","key":"x","value":"5"}
/// {"index":1,"time_ns":2,"process":2,"type":"invoke","f":"read","key":"x"}
/// {"index":2,"time_ns":3,"process":2,"type":"ok","f":"read","key":"x","value":null}
/// {"index":3,"time_ns":4,"process":1,"type":"ok","f":"write","key":"x","value":"5"}
/// "#;
/// let history = jsonl::read(lines.as_bytes(), Path::new("example"))?;
/// let report = check_history(&history, ModelName::Register, Budget::default());
/// let Judgement::Legal { witness } = report.judgement else { panic!("the write came last") };
/// let text = Linearization::new(witness).written(&history);
/// assert!(text.ends_with("1 client 2 read x = nothing\n0 client 1 write x 5 = ok\n"));
///
/// let read = Linearization::parse(&text, &history)?;
/// assert_eq!(read.replay(&history, &Rules::from(ModelName::Register))?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linearization(Vec<u32>);

/// Why a witness explains nothing. Places are those of the order, from 1; operations are told by
/// the event of the call, as in the witness' file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinearizationError {
    /// The file is no witness of this history.
    #[error("line {line} begins with no event at which this history has a call: {text}")]
    NoCall {
        /// The line, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// An operation is there twice.
    #[error("operation {place} of the order, {operation}, is there twice")]
    Twice {
        /// Where it is the second time.
        place: usize,
        /// The operation.
        operation: String,
    },
    /// Real time does not allow the order.
    #[error(
        "operation {place} of the order, {operation}, had ended before one that stands above it \
         began"
    )]
    Late {
        /// Where it is.
        place: usize,
        /// The operation.
        operation: String,
    },
    /// The object does not answer so.
    #[error("operation {place} of the order, {operation}, cannot be answered so: {holds} is there")]
    Refused {
        /// Where it is.
        place: usize,
        /// The operation.
        operation: String,
        /// What its key holds at that place.
        holds: String,
    },
    /// An operation that took effect has no place.
    #[error("{operation} took effect, and is not in the order")]
    Missing {
        /// The operation.
        operation: String,
    },
}

impl Linearization {
    /// Takes an order of operations, each by its index in the history.
    #[must_use]
    pub fn new(order: Vec<u32>) -> Self {
        Self(order)
    }

    /// Writes the order as text: a line for each operation, which begins with the event of its
    /// call; what follows on the line is for people. Lines that begin with `#` are too.
    ///
    /// # Panics
    ///
    /// If an index is none of the history.
    #[must_use]
    pub fn written(&self, history: &History) -> String {
        let mut text = String::from(HEAD);
        for index in &self.0 {
            let called = history.operations[*index as usize].called;
            let _ = writeln!(text, "{called} {}", told(history, *index));
        }
        text
    }

    /// Reads an order that was written for this history.
    ///
    /// # Errors
    ///
    /// [`LinearizationError::NoCall`] names the first line that is of another history, or of none.
    pub fn parse(text: &str, history: &History) -> Result<Self, LinearizationError> {
        let numbered = text.lines().zip(1..).map(|(text, line)| (text.trim(), line));
        let told = numbered.filter(|(text, _)| !text.is_empty() && !text.starts_with('#'));
        let order = told.map(|(text, line)| {
            let event = text.split_whitespace().next().and_then(|word| word.parse::<u32>().ok());
            let operations = &history.operations;
            let found = event
                .and_then(|event| operations.binary_search_by_key(&event, |it| it.called).ok());
            let index = found.and_then(|index| u32::try_from(index).ok());
            index.ok_or_else(|| LinearizationError::NoCall {
                line,
                text: visible(text).chars().take(SHOWN_MAX).collect(),
            })
        });
        order.collect::<Result<_, _>>().map(Self)
    }

    /// Plays the order: each operation on what its key holds by then. Returns how many there were.
    ///
    /// # Errors
    ///
    /// [`LinearizationError`] names the first operation that cannot stand where it stands, or one
    /// that has no place though it took effect.
    ///
    /// # Panics
    ///
    /// If an index is none of the history.
    pub fn replay(&self, history: &History, rules: &Rules) -> Result<usize, LinearizationError> {
        let mut missing = vec![true; history.operations.len()];
        let mut keys: BTreeMap<Text, Key<'_>> = BTreeMap::new();
        for (index, place) in self.0.iter().zip(1..) {
            let operation = &history.operations[*index as usize];
            let named = || told(history, *index);
            if !std::mem::replace(&mut missing[*index as usize], false) {
                return Err(LinearizationError::Twice { place, operation: named() });
            }
            let key = keys.entry(operation.key).or_insert_with(|| Key::new(history, rules));
            if operation.returned.is_some_and(|returned| returned < key.called_last) {
                return Err(LinearizationError::Late { place, operation: named() });
            }
            key.called_last = key.called_last.max(operation.called);
            if !key.takes(operation) {
                let holds = key.shown();
                return Err(LinearizationError::Refused { place, operation: named(), holds });
            }
        }
        let certain = |index: &u32| !history.operations[*index as usize].is_unknown();
        let left = (0_u32..).zip(missing).filter(|(_, missing)| *missing);
        match left.map(|(index, _)| index).find(certain) {
            Some(index) => Err(LinearizationError::Missing { operation: told(history, index) }),
            None => Ok(self.0.len()),
        }
    }
}

/// What one key holds while an order is played.
#[derive(Debug)]
struct Key<'a> {
    texts: &'a Texts,
    absent: Option<String>,
    absent_is_zero: bool,
    held: Option<String>,
    called_last: u32,
}

impl<'a> Key<'a> {
    fn new(history: &'a History, rules: &Rules) -> Self {
        let absent = (rules.model == ModelName::Kv).then(String::new);
        let held = rules.initial.clone().or_else(|| absent.clone());
        let absent_is_zero = rules.absent_is_zero;
        Self { texts: &history.texts, absent, absent_is_zero, held, called_last: 0 }
    }

    /// Does what an operation does, and returns whether it can be answered as it was.
    fn takes(&mut self, operation: &Operation) -> bool {
        match (operation.action, operation.answer) {
            (Action::Read, Answer::Seen(seen)) => return self.reads(seen),
            (Action::Read, _) => {}
            (Action::Write(text), _) => self.held = Some(self.texts.text(text).to_owned()),
            (Action::Delete, _) => self.held.clone_from(&self.absent),
            (Action::Append(text), _) => {
                self.held.get_or_insert_default().push_str(self.texts.text(text));
            }
            (Action::Cas { from, to }, answer) => {
                let finds = self.holds(from);
                if let Answer::Swapped(swapped) = answer
                    && swapped != finds
                {
                    return false;
                }
                if finds {
                    self.held = Some(self.texts.text(to).to_owned());
                }
            }
            (Action::Add(delta), answer) => {
                let sum = self.number().and_then(|before| before.checked_add(delta));
                if let Answer::Sum(told) = answer
                    && sum != Some(told)
                {
                    return false;
                }
                if let Some(sum) = sum {
                    self.held = Some(sum.to_string());
                }
            }
        }
        true
    }

    fn reads(&self, seen: Option<Text>) -> bool {
        let is_zero = seen.is_some_and(|seen| self.texts.text(seen) == "0");
        self.holds(seen) || (self.absent_is_zero && self.held.is_none() && is_zero)
    }

    fn holds(&self, text: Option<Text>) -> bool {
        let wanted = text.map(|text| self.texts.text(text)).or(self.absent.as_deref());
        self.held.as_deref() == wanted
    }

    /// Reads a number; a key that holds nothing counts as 0.
    fn number(&self) -> Option<i64> {
        match self.held.as_deref() {
            None | Some("") => Some(0),
            Some(text) => text.parse().ok(),
        }
    }

    fn shown(&self) -> String {
        match self.held.as_deref() {
            None => "nothing".to_owned(),
            Some("") => explain::EMPTY.to_owned(),
            Some(text) => visible(text).chars().take(SHOWN_MAX).collect(),
        }
    }
}

/// Tells an operation to people, on one line.
fn told(history: &History, index: u32) -> String {
    let CoreOperation { process, f, key, argument, result, .. } = explain::printed(history, index);
    let asked = [f.as_str(), &key, &argument].map(str::trim).join(" ");
    let asked = asked.split_whitespace().collect::<Vec<_>>().join(" ");
    let result = if result.is_empty() { explain::EMPTY } else { &result };
    format!("client {process} {} = {}", visible(&asked), visible(result))
}

/// How many letters of a foreign line, or of what a key holds, an error shows.
const SHOWN_MAX: usize = 60;

const HEAD: &str = "\
# An order in which the operations of a history may have taken effect, key by key. Each line begins
# with the event of the operation's call, counted from 0. Play it: synod-harness check --witness.
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::Path;

    use synod_history::jsonl;

    use super::*;
    use crate::{Budget, Judgement, check_history};

    #[test]
    fn an_order_that_time_or_the_object_forbids_is_refused_by_its_place() {
        let history = history();
        let replay = |order: &[u32]| {
            Linearization::new(order.to_vec()).replay(&history, &Rules::from(ModelName::Register))
        };
        assert_eq!(replay(&[0, 1, 2]), Ok(3));
        // The last write is unknown: it may never have taken effect, or late.
        assert_eq!(replay(&[0, 1, 2, 3]), Ok(4));
        let refused = [
            (
                &[0, 1, 3, 2][..],
                "operation 4 of the order, client 1 cas x 1 -> 2 = swapped, cannot",
            ),
            (&[1, 0, 2], "operation 1 of the order, client 2 read x = 1, cannot be answered so: "),
            (&[0, 2, 1], "operation 3 of the order, client 2 read x = 1, had ended before one"),
            (&[0, 1, 1, 2], "operation 3 of the order, client 2 read x = 1, is there twice"),
            (&[0, 1], "client 1 cas x 1 -> 2 = swapped took effect, and is not in the order"),
        ];
        for (order, wanted) in refused {
            let told = replay(order).unwrap_err().to_string();
            assert!(told.starts_with(wanted), "{order:?}: {told}");
        }
    }

    #[test]
    fn a_file_of_another_history_is_refused_by_its_line() {
        let history = history();
        let report = check_history(&history, ModelName::Register, Budget::default());
        let Judgement::Legal { witness } = report.judgement else { panic!("it is legal") };
        let text = Linearization::new(witness.clone()).written(&history);
        assert_eq!(Linearization::parse(&text, &history), Ok(Linearization::new(witness)));
        assert_eq!(Linearization::parse(&text.replace('\n', "\r\n"), &history).unwrap().0.len(), 3);
        for (line, foreign) in [(4, "1 client"), (4, "-1"), (4, "\u{e9}".repeat(99).as_str())] {
            let told = Linearization::parse(&format!("{HEAD}\n{foreign}\n"), &history).unwrap_err();
            assert!(matches!(told, LinearizationError::NoCall { line: 4, .. }), "{line}: {told}");
        }
    }

    /// A write of 1, a read of it, a swap to 2, and a write of 3 with an unknown outcome.
    fn history() -> History {
        let event = |index: u32, client: u32, kind: &str, f: &str, value: &str| {
            format!(
                "{{\"index\":{index},\"time_ns\":{index},\"process\":{client},\"type\":\"{kind}\",\
                 \"f\":\"{f}\",\"key\":\"x\",\"value\":{value}}}\n"
            )
        };
        let lines = [
            event(0, 1, "invoke", "write", "\"1\""),
            event(1, 1, "ok", "write", "\"1\""),
            event(2, 2, "invoke", "read", "null"),
            event(3, 2, "ok", "read", "\"1\""),
            event(4, 1, "invoke", "cas", "[\"1\",\"2\"]"),
            event(5, 3, "invoke", "write", "\"3\""),
            event(6, 1, "ok", "cas", "true"),
            event(7, 3, "info", "write", "\"3\""),
        ];
        jsonl::read(lines.concat().as_bytes(), Path::new("test")).unwrap()
    }
}
