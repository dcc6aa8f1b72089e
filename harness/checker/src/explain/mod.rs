//! One sentence that says what is wrong with a core.
//!
//! The core is the proof; the sentence tells a person where to look. It is made from the core's own
//! operations: the well-known ways to go wrong are recognised by what they look like, and whatever
//! is not recognised gets a sentence that claims no more than the core does.

mod counter;
mod list;
mod register;
#[cfg(test)]
mod tests;

use synod_history::{Action, Answer, History, Operation, Text, visible};

use super::reduce::{KeyHistory, Kind, Problem};
use crate::CoreOperation;

/// Explains why the operations of a core have no order.
pub(super) fn explain(part: &KeyHistory<'_>, problem: &Problem<'_>, core: &[u32]) -> String {
    let operations: Vec<&Operation> = core.iter().map(|index| part.operation(*index)).collect();
    let keeps_result = |place: &u32| !problem.forgets_result(*place);
    let observers = (0..problem.len()).filter(keeps_result);
    let core = Core {
        part,
        history: part.history(),
        observers: observers.map(|place| part.operation(problem.index(place))).collect(),
        operations,
    };
    let special = match (part.kind(), problem) {
        (Kind::RisingCounter, _) => counter::explain_rising(&core),
        (Kind::Counter, Problem::Counter(model, _)) => {
            counter::explain(&core, model.initial.unwrap_or(0))
        }
        (Kind::List, _) => list::explain(&core),
        (Kind::Register | Kind::Counter | Kind::Machine, _) => register::explain(&core),
    };
    visible(&special.unwrap_or_else(|| core.general())).into_owned()
}

/// Prints an operation for people.
pub(super) fn printed(history: &History, index: u32) -> CoreOperation {
    let operation = &history.operations[index as usize];
    CoreOperation {
        process: operation.process,
        f: operation.action.f().to_owned(),
        key: history.texts.text(operation.key).to_owned(),
        argument: argument(history, operation.action),
        result: result(history, operation.answer),
        call_ns: operation.call_ns,
        return_ns: operation.returned.map(|_| operation.return_ns),
        called: operation.called,
        returned: operation.returned,
    }
}

/// A core, with what the sentences need to name its operations.
struct Core<'a> {
    part: &'a KeyHistory<'a>,
    history: &'a History,
    /// All operations, in order of their calls.
    operations: Vec<&'a Operation>,
    /// Those of them whose results the core holds against them.
    observers: Vec<&'a Operation>,
}

impl<'a> Core<'a> {
    /// Says only what the core is.
    fn general(&self) -> String {
        let count = self.operations.len();
        let key = self.operations.first().map_or("", |first| self.key(first));
        let tells =
            |operation: &&&Operation| !operation.is_unknown() && operation.answer != Answer::Done;
        let last = self.observers.iter().filter(tells).max_by_key(|operation| operation.returned);
        let last = last.map_or_else(String::new, |last| {
            format!("; the last to see anything was {}, {}", self.deed(last), self.ended(last))
        });
        match count {
            1 => format!("this operation on {key} cannot have ended as it did{last}"),
            _ => format!(
                "no order of these {count} operations on {key} explains what the clients saw{last}"
            ),
        }
    }

    /// Says when an operation began.
    fn began(&self, operation: &Operation) -> String {
        self.at(operation.call_ns, operation.called)
    }

    /// Says when an operation ended.
    fn ended(&self, operation: &Operation) -> String {
        self.at(operation.return_ns, operation.returned.unwrap_or(operation.called))
    }

    /// Prints a time since the start of the run, or the place in a history without times.
    fn at(&self, time_ns: u64, position: u32) -> String {
        if !self.history.has_times() {
            return format!("at event {position}");
        }
        let micros = time_ns / 1000;
        format!("at {}.{:06} s", micros / 1_000_000, micros % 1_000_000)
    }

    fn key(&self, operation: &Operation) -> &'a str {
        match self.text(operation.key) {
            "" => "the register",
            key => key,
        }
    }

    /// Names what an operation did, such as `client 3's write of x = 1`.
    fn deed(&self, operation: &Operation) -> String {
        let (client, key) = (operation.process, self.key(operation));
        match (operation.action, operation.answer) {
            (Action::Read, Answer::Seen(seen)) => {
                format!("client {client}'s read of {key} = {}", self.optional(seen))
            }
            (Action::Read, _) => format!("client {client}'s read of {key}"),
            (Action::Write(text), _) => {
                format!("client {client}'s write of {key} = {}", self.shown(text))
            }
            (Action::Delete, _) => format!("client {client}'s delete of {key}"),
            (Action::Cas { from, to }, answer) => {
                let did = match answer {
                    Answer::Swapped(true) => "swap",
                    Answer::Swapped(false) => "missed swap",
                    Answer::Unknown | Answer::Done | Answer::Seen(_) | Answer::Sum(_) => {
                        "unanswered swap"
                    }
                };
                let (from, to) = (self.optional(from), self.shown(to));
                format!("client {client}'s {did} of {key} from {from} to {to}")
            }
            (Action::Append(text), _) => {
                format!("client {client}'s append of {} to {key}", self.shown(text))
            }
            (Action::Add(delta), _) => format!("client {client}'s addition of {delta} to {key}"),
        }
    }

    fn text(&self, text: Text) -> &'a str {
        self.history.texts.text(text)
    }

    /// Prints a value, so that one without letters is seen, too.
    fn shown(&self, text: Text) -> &'a str {
        Some(self.text(text)).filter(|text| !text.is_empty()).unwrap_or(EMPTY)
    }

    fn optional(&self, text: Option<Text>) -> &'a str {
        text.map_or(NOTHING, |text| self.shown(text))
    }
}

fn argument(history: &History, action: Action) -> String {
    let text = |text| history.texts.text(text).to_owned();
    match action {
        Action::Read | Action::Delete => String::new(),
        Action::Write(value) | Action::Append(value) => text(value),
        Action::Cas { from, to } => {
            format!("{} -> {}", from.map_or_else(|| NOTHING.to_owned(), text), text(to))
        }
        Action::Add(delta) => delta.to_string(),
    }
}

fn result(history: &History, answer: Answer) -> String {
    match answer {
        Answer::Unknown => "unknown".to_owned(),
        Answer::Done => "ok".to_owned(),
        Answer::Seen(None) => NOTHING.to_owned(),
        Answer::Seen(Some(text)) => history.texts.text(text).to_owned(),
        Answer::Swapped(true) => "swapped".to_owned(),
        Answer::Swapped(false) => "not swapped".to_owned(),
        Answer::Sum(sum) => sum.to_string(),
    }
}

/// How a value without letters prints.
pub const EMPTY: &str = "\"\"";

/// How an absent key prints.
pub(super) const NOTHING: &str = "nothing";
