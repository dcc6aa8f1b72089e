//! Operations as Porcupine keeps them, in JSON: each with its call, its return, and what was asked
//! and answered.
//!
//! Porcupine leaves the form of questions and answers to its user. Read are those of its own
//! key-value model and, as another format, those that etcd's robustness tests record. Times make
//! the order: a return and a call at the same time overlap. Of etcd's requests those on one key are
//! read, and one that needs revisions, leases or several keys is refused by name.

use super::edn::Edn;
use super::translate::{printed, short};
use super::{Action, Answer, History, HistoryError, Operation};

/// Whose questions and answers these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Porcupine,
    Etcd,
}

/// Collects operations; their order follows when all are there.
pub(super) struct Collector {
    place: String,
    dialect: Dialect,
    history: History,
    /// Call and return in the time of the file.
    times: Vec<(i64, Option<i64>)>,
}

/// What was asked and answered.
struct Deed {
    key: String,
    action: Action,
    answer: Answer,
}

impl Collector {
    pub(super) fn new(place: &str, dialect: Dialect) -> Self {
        let history = History::default();
        Self { place: place.to_owned(), dialect, history, times: Vec::new() }
    }

    pub(super) fn bytes(&self) -> usize {
        // Positions are made of a list of all events.
        self.history.bytes() + self.times.capacity() * size_of::<(i64, Option<i64>)>() * 3
    }

    pub(super) fn push(&mut self, line: u64, form: &Edn) -> Result<(), HistoryError> {
        let Edn::Map(_) = form else {
            let found = short(form);
            return Err(self.malformed(line, format!("`{found}` is no operation")));
        };
        let process = any(form, &["clientid", "client_id", "client"]);
        let process = whole(process).and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        let Some(call) = whole(any(form, &["call"])) else {
            return Err(self.malformed(line, "the operation has no `Call`, a time".to_owned()));
        };
        let returned = self.returned(line, form, call)?;
        let Some(input) = any(form, &["input"]) else {
            return Err(self.malformed(line, "the operation has no `Input`".to_owned()));
        };
        let output = any(form, &["output"]).unwrap_or(&Edn::Nil);
        let deed = match self.dialect {
            Dialect::Porcupine => self.porcupine(line, input, output)?,
            Dialect::Etcd => self.etcd(line, input, output)?,
        };
        let Deed { key, action, answer } = deed;
        let answer = if returned.is_some() { answer } else { Answer::Unknown };
        let returned = returned.filter(|_| answer != Answer::Unknown);
        let key = self.history.texts.intern(&key);
        if returned.is_some() {
            self.history.counts.ok += 1;
        } else {
            self.history.counts.info += 1;
        }
        self.times.push((call, returned));
        let (call_ns, return_ns) = (positive(call), returned.map_or(0, positive));
        self.history.operations.push(Operation {
            process,
            key,
            action,
            answer,
            called: 0,
            returned: None,
            call_ns,
            return_ns,
        });
        Ok(())
    }

    /// Returns when an operation ended; none where it never did. A time that cannot be read is not
    /// taken for none: what has no end is hardly judged.
    fn returned(&self, line: u64, form: &Edn, call: i64) -> Result<Option<i64>, HistoryError> {
        match any(form, &["return"]) {
            Some(Edn::Nil | Edn::Whole(i64::MAX)) => Ok(None),
            Some(Edn::Whole(time)) if *time >= call => Ok(Some(*time)),
            Some(Edn::Whole(_)) => {
                Err(self.malformed(line, "the operation returns before its call".to_owned()))
            }
            Some(time) => {
                let problem = format!("its `Return` is `{}` and no whole number", short(time));
                Err(self.malformed(line, problem))
            }
            None if any(form, &["output"]).is_none_or(|output| *output == Edn::Nil) => Ok(None),
            None => {
                let problem = "the operation has an `Output` and no `Return`, a time";
                Err(self.malformed(line, problem.to_owned()))
            }
        }
    }

    /// Gives every call and return its position.
    pub(super) fn finish(mut self) -> History {
        let mut events = Vec::with_capacity(self.times.len() * 2);
        for (index, (call, returned)) in self.times.iter().enumerate() {
            // At one time calls come first, so that the operations overlap.
            events.push((*call, false, index));
            events.extend(returned.map(|returned| (returned, true, index)));
        }
        events.sort_unstable();
        for (position, (_, is_return, index)) in (0_u32..).zip(events) {
            let operation = &mut self.history.operations[index];
            if is_return {
                operation.returned = Some(position);
            } else {
                operation.called = position;
            }
        }
        self.history.operations.sort_unstable_by_key(|operation| operation.called);
        self.history
    }

    /// Reads an operation of Porcupine's key-value model, or one that says what it does by name.
    fn porcupine(&mut self, line: u64, input: &Edn, output: &Edn) -> Result<Deed, HistoryError> {
        let f = match any(input, &["op", "f", "type", "operation"]) {
            Some(Edn::Whole(0)) => "get".to_owned(),
            Some(Edn::Whole(1)) => "put".to_owned(),
            Some(Edn::Whole(2)) => "append".to_owned(),
            Some(word) => printed(word).to_lowercase(),
            None => return Err(self.malformed(line, "the `Input` has no `Op`".to_owned())),
        };
        let key = any(input, &["key"]).map(printed).unwrap_or_default();
        let value = any(input, &["value"]).map(printed).unwrap_or_default();
        let texts = &mut self.history.texts;
        let is_unknown = any(output, &["unknown"]) == Some(&Edn::Flag(true));
        let is_map = matches!(output, Edn::Map(_));
        let seen = if is_map { any(output, &["value"]) } else { Some(output) };
        let (action, answer) = match f.as_str() {
            "get" | "read" => {
                let exists = any(output, &["exists"]) != Some(&Edn::Flag(false));
                let seen = seen.filter(|value| **value != Edn::Nil && exists);
                (Action::Read, Answer::Seen(seen.map(|value| texts.intern(&printed(value)))))
            }
            "put" | "write" | "set" => (Action::Write(texts.intern(&value)), Answer::Done),
            "append" => (Action::Append(texts.intern(&value)), Answer::Done),
            "delete" => (Action::Delete, Answer::Done),
            "cas" => {
                let from = any(input, &["from", "arg1"]).filter(|from| **from != Edn::Nil);
                let to = any(input, &["to", "arg2"]).map(printed).unwrap_or_default();
                let from = from.map(|from| texts.intern(&printed(from)));
                let swapped = if is_map { any(output, &["ok"]) } else { Some(output) };
                let answer = match swapped {
                    Some(Edn::Flag(swapped)) => Answer::Swapped(*swapped),
                    _ => Answer::Unknown,
                };
                (Action::Cas { from, to: texts.intern(&to) }, answer)
            }
            f => {
                let kind = super::refused::kind(f, &Edn::Nil);
                let kind = kind.map_or_else(|| super::refused::unknown(f), str::to_owned);
                return Err(self.no_model(line, &kind));
            }
        };
        Ok(Deed { key, action, answer: if is_unknown { Answer::Unknown } else { answer } })
    }

    /// Reads a request to etcd, and what came of it.
    fn etcd(&mut self, line: u64, input: &Edn, output: &Edn) -> Result<Deed, HistoryError> {
        let is_set = |name: &[&str]| match any(output, name) {
            Some(Edn::Text(text)) => !text.is_empty(),
            Some(Edn::Flag(flag)) => *flag,
            _ => false,
        };
        // What was persisted took effect, but not by when.
        let is_unknown =
            is_set(&["error"]) || is_set(&["persisted"]) || is_set(&["partialresponse"]);
        let mut deed = match any(input, &["type"]).map(printed).unwrap_or_default().as_str() {
            "range" => {
                let range = any(input, &["range"]).unwrap_or(&Edn::Nil);
                let options = any(range, &["rangeoptions"]).unwrap_or(range);
                if whole(any(range, &["revision"])).unwrap_or(0) != 0 {
                    return Err(self.no_model(line, "etcd's reads at a revision"));
                }
                self.range(line, options, any(output, &["range"]).unwrap_or(&Edn::Nil))?
            }
            "txn" => self.transaction(line, any(input, &["txn"]).unwrap_or(&Edn::Nil), output)?,
            "" => return Err(self.malformed(line, "the `Input` has no `Type`".to_owned())),
            other => return Err(self.no_model(line, &format!("etcd's request `{other}`"))),
        };
        if is_unknown {
            deed.answer = Answer::Unknown;
        }
        Ok(deed)
    }

    fn range(&mut self, line: u64, options: &Edn, answer: &Edn) -> Result<Deed, HistoryError> {
        let end = any(options, &["end"]).map(printed).unwrap_or_default();
        if !end.is_empty() {
            return Err(self.no_model(line, "etcd's reads of several keys"));
        }
        let key = any(options, &["start"]).map(printed).unwrap_or_default();
        let seen = match any(answer, &["kvs"]) {
            Some(Edn::Sequence(found)) => found.first().map(value_of),
            _ => None,
        };
        let seen = seen.map(|seen| self.history.texts.intern(&seen));
        Ok(Deed { key, action: Action::Read, answer: Answer::Seen(seen) })
    }

    /// Reads a transaction of one unconditional step.
    fn transaction(&mut self, line: u64, txn: &Edn, output: &Edn) -> Result<Deed, HistoryError> {
        let list = |name: &str| match any(txn, &[name]) {
            Some(Edn::Sequence(items)) => items.as_slice(),
            _ => &[],
        };
        let (conditions, steps) = (list("conditions"), list("operationsonsuccess"));
        let ([], [step]) = (conditions, steps) else {
            return Err(self.no_model(line, "etcd's transactions with conditions or several steps"));
        };
        match any(step, &["type"]).map(printed).unwrap_or_default().as_str() {
            "put-operation" => {
                let put = any(step, &["put"]).unwrap_or(&Edn::Nil);
                if whole(any(put, &["leaseid"])).unwrap_or(0) != 0 {
                    return Err(self.no_model(line, "etcd's leases"));
                }
                let key = any(put, &["key"]).map(printed).unwrap_or_default();
                let value = self.history.texts.intern(&value_of(put));
                Ok(Deed { key, action: Action::Write(value), answer: Answer::Done })
            }
            "delete-operation" => {
                let delete = any(step, &["delete"]).unwrap_or(&Edn::Nil);
                let key = any(delete, &["key"]).map(printed).unwrap_or_default();
                Ok(Deed { key, action: Action::Delete, answer: Answer::Done })
            }
            "range-operation" => {
                let results = any(output, &["txn"]).and_then(|txn| any(txn, &["results"]));
                let first = match results {
                    Some(Edn::Sequence(results)) => results.first(),
                    _ => None,
                };
                let range = any(step, &["range"]).unwrap_or(&Edn::Nil);
                self.range(line, range, first.unwrap_or(&Edn::Nil))
            }
            other => Err(self.no_model(line, &format!("etcd's step `{other}`"))),
        }
    }

    fn no_model(&self, line: u64, kind: &str) -> HistoryError {
        HistoryError::NoModel { place: self.place.clone(), line, kind: kind.to_owned() }
    }

    fn malformed(&self, line: u64, problem: String) -> HistoryError {
        let place = self.place.clone();
        HistoryError::Malformed { place, line, column: None, problem, remedy: REMEDY }
    }
}

/// Returns the value of an etcd pair; of a long one only its hash was kept.
fn value_of(pair: &Edn) -> String {
    let Some(value) = any(pair, &["value"]) else { return String::new() };
    // A pair with its revision holds the value once more within.
    let inner = any(value, &["value"]).filter(|inner| matches!(inner, Edn::Map(_)));
    let value = inner.unwrap_or(value);
    match whole(any(value, &["hash"])) {
        Some(hash) if hash != 0 => format!("hash {hash}"),
        _ => any(value, &["value"]).map_or_else(|| printed(value), printed),
    }
}

/// Returns what a map has under one of some names, whatever their case.
fn any<'a>(form: &'a Edn, names: &[&str]) -> Option<&'a Edn> {
    let Edn::Map(entries) = form else { return None };
    let is_named = |key: &Edn| {
        key.word().is_some_and(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name)))
    };
    entries.iter().find(|(key, _)| is_named(key)).map(|(_, value)| value)
}

fn whole(form: Option<&Edn>) -> Option<i64> {
    match form {
        Some(Edn::Whole(number)) => Some(*number),
        _ => None,
    }
}

fn positive(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

const REMEDY: &str = "expected operations such as {\"ClientId\":0,\"Input\":{\"Op\":\"put\",\
    \"Key\":\"x\",\"Value\":\"1\"},\"Call\":10,\"Output\":null,\"Return\":20}; \
    --help lists the formats";
