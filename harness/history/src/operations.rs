//! Operations as Porcupine keeps them, in JSON: each with its call, its return, and what was asked
//! and answered.
//!
//! Porcupine leaves the form of questions and answers to its user. Read are those of its own
//! key-value model and, as another format, those that etcd's robustness tests record; `porcupine`
//! and `etcd` know them. Times make the order: a return and a call at the same time overlap. The
//! claim kept true: every field of an operation is one that is known, so none is guessed.

use super::deed::{Deed, Unread};
use super::edn::Edn;
use super::fields::Fields;
use super::printed::short;
use super::{Answer, History, HistoryError, Operation, etcd, porcupine};

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
        let read = self.read(form);
        read.map_err(|refusal| match refusal {
            Unread::Malformed(problem) => self.malformed(line, problem),
            Unread::NoModel(kind) => {
                HistoryError::NoModel { place: self.place.clone(), line, kind }
            }
        })
    }

    fn read(&mut self, form: &Edn) -> Result<(), Unread> {
        let Edn::Map(_) = form else {
            return Err(format!("`{}` is no operation", short(form)).into());
        };
        let fields = Fields::some_of("the operation", form, OPERATION)?;
        // Who did it plays no part in a verdict, and a program that has one client may not say.
        let process = fields.whole("ClientId")?.unwrap_or(0);
        let Ok(process) = u32::try_from(process) else {
            return Err(format!("its `ClientId` {process} is none from 0 to 2^32 - 1").into());
        };
        let Some(call) = fields.whole("Call")? else {
            return Err("the operation has no `Call`, a time".to_owned().into());
        };
        let returned = returned(&fields, call)?;
        fields.all_known()?;
        let input = fields.needed("Input")?;
        // What never returned has no output, whatever stands there.
        let output = returned.map(|_| output(&fields)).transpose()?;
        let texts = &mut self.history.texts;
        let deed = match self.dialect {
            Dialect::Porcupine => porcupine::read(texts, input, output)?,
            Dialect::Etcd => etcd::read(texts, input, output)?,
        };
        self.add(process, deed, call, returned);
        Ok(())
    }

    fn add(&mut self, process: u32, deed: Deed, call: i64, returned: Option<i64>) {
        let Deed { key, action, answer } = deed;
        let answer = if returned.is_some() { answer } else { Answer::Unknown };
        // A return that tells nothing certain ends nothing for a judge.
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

    fn malformed(&self, line: u64, problem: String) -> HistoryError {
        let place = self.place.clone();
        HistoryError::Malformed { place, line, column: None, problem, remedy: REMEDY }
    }
}

/// Returns when an operation ended; none where it never did. A time that cannot be read is not
/// taken for none: what has no end is hardly judged.
fn returned(fields: &Fields<'_>, call: i64) -> Result<Option<i64>, String> {
    match fields.get("Return") {
        Some(Edn::Nil | Edn::Whole(i64::MAX)) => Ok(None),
        Some(Edn::Whole(time)) if *time >= call => Ok(Some(*time)),
        Some(Edn::Whole(_)) => Err("the operation returns before its call".to_owned()),
        Some(time) => Err(fields.wrong("Return", time, "whole number")),
        None if fields.some("Output").is_none() => Ok(None),
        None => Err("the operation has an `Output` and no `Return`, a time".to_owned()),
    }
}

fn output<'a>(fields: &Fields<'a>) -> Result<&'a Edn, String> {
    let missing = "the operation has a `Return` and no `Output`, null where there is none";
    fields.get("Output").ok_or_else(|| missing.to_owned())
}

fn positive(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

const OPERATION: &[&str] =
    &["ClientId|Client_Id|Client", "Input", "Call", "Output", "Return", "Metadata", "Id"];

const REMEDY: &str = "expected operations such as {\"ClientId\":0,\"Input\":{\"Op\":\"put\",\
    \"Key\":\"x\",\"Value\":\"1\"},\"Call\":10,\"Output\":null,\"Return\":20}; \
    --help lists the formats";
