//! What must still be there after the faults are healed: every acknowledged write.
//!
//! Each key is read once after healing, and the checker judges that read with all others. This
//! module says the same in plainer words where it can: which acknowledged element a list lost or
//! holds twice, and which counter is out of the bounds that its additions allow. It proves no more
//! than the checker does; it names what is missing.

use std::collections::BTreeMap;

use synod_history::{Action, Answer, ELEMENT_END, History, Operation, Text};

/// Names what the last reads of lists and counters lack, one sentence each, and the keys that were
/// not read with success after the last acknowledged write.
#[must_use]
pub fn missing_writes(history: &History) -> Vec<String> {
    let mut keys: BTreeMap<Text, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        keys.entry(operation.key).or_default().push(operation);
    }
    let mut findings = Vec::new();
    for (key, operations) in keys {
        let key = Key { history, name: history.texts.text(key), operations };
        key.check(&mut findings);
    }
    findings
}

struct Key<'a> {
    history: &'a History,
    name: &'a str,
    operations: Vec<&'a Operation>,
}

impl Key<'_> {
    fn check(&self, findings: &mut Vec<String>) {
        let Some((read, seen)) = self.final_read() else {
            findings.push(format!("{} was not read after its last acknowledged write", self.name));
            return;
        };
        let seen = seen.map_or("", |text| self.history.texts.text(text));
        let only = |allowed: fn(Action) -> bool| {
            self.operations.iter().all(|operation| allowed(operation.action))
        };
        // Where something else was done to the key, what is not there may have gone rightly.
        if only(|action| matches!(action, Action::Read | Action::Append(_))) {
            self.check_list(seen, findings);
        } else if only(|action| matches!(action, Action::Read | Action::Add(_))) {
            self.check_sum(read, seen, findings);
        }
    }

    /// Finds the last read, if it began after the last acknowledged write had ended.
    fn final_read(&self) -> Option<(&Operation, Option<Text>)> {
        let reads = self.operations.iter().filter_map(|operation| match operation.answer {
            Answer::Seen(seen) => Some((*operation, seen)),
            Answer::Unknown | Answer::Done | Answer::Swapped(_) | Answer::Sum(_) => None,
        });
        let (read, seen) = reads.max_by_key(|(read, _)| read.called)?;
        let writes = self.operations.iter().filter(|o| !matches!(o.action, Action::Read));
        // What was called before the last acknowledgement may rightly have missed that write.
        let last = writes.filter_map(|write| write.returned).max();
        last.is_none_or(|last| last < read.called).then_some((read, seen))
    }

    fn check_list(&self, seen: &str, findings: &mut Vec<String>) {
        for operation in &self.operations {
            let Action::Append(element) = operation.action else { continue };
            let element = self.history.texts.text(element);
            let name = self.name;
            let times = seen.split_inclusive(ELEMENT_END).filter(|held| *held == element).count();
            if times > 1 {
                findings.push(format!("{name} holds {element:?} {times} times"));
            } else if times == 0 && !operation.is_unknown() {
                let client = operation.process;
                findings.push(format!("{name} lost {element:?}, acknowledged to client {client}"));
            }
        }
    }

    fn check_sum(&self, read: &Operation, seen: &str, findings: &mut Vec<String>) {
        let name = self.name;
        let Ok(sum) = (if seen.is_empty() { "0" } else { seen }).parse::<i128>() else {
            findings.push(format!("{name} is a counter and holds {seen:?}"));
            return;
        };
        let (mut low, mut high) = (0_i128, 0_i128);
        for operation in &self.operations {
            let Action::Add(delta) = operation.action else { continue };
            let delta = i128::from(delta);
            let certain = operation.precedes(read);
            // An addition that may have come after the read, or not at all, counts on whichever
            // side it widens.
            low += if certain { delta } else { delta.min(0) };
            high += if certain { delta } else { delta.max(0) };
        }
        if !(low..=high).contains(&sum) {
            findings.push(format!("{name} is {sum}, but its additions allow only {low} to {high}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

    use super::*;
    use synod_history::{Event, EventKind, HistoryBuilder, Process, Value};

    #[test]
    fn a_list_that_holds_every_acknowledged_element_is_whole() {
        let appends = [("append", "1,", Some("")), ("append", "11,", None)];
        for seen in ["1,", "1,11,", "11,1,"] {
            assert_eq!(missing_writes(&history(&appends, seen)), Vec::<String>::new());
        }
    }

    #[test]
    fn a_lost_and_a_doubled_element_are_named() {
        let appends = [("append", "1,", Some("")), ("append", "11,", Some(""))];
        assert_eq!(
            missing_writes(&history(&appends, "11,11,")),
            ["k lost \"1,\", acknowledged to client 0", "k holds \"11,\" 2 times"]
        );
    }

    #[test]
    fn a_counter_stays_within_what_its_additions_allow() {
        let adds = [("add", "2", Some("2")), ("add", "3", None)];
        for (seen, wrong) in [("2", false), ("5", false), ("1", true), ("6", true), ("x", true)] {
            assert_eq!(!missing_writes(&history(&adds, seen)).is_empty(), wrong, "{seen}");
        }
        assert_eq!(
            missing_writes(&history(&adds, "6")),
            ["k is 6, but its additions allow only 2 to 5"]
        );
    }

    #[test]
    fn a_key_that_was_not_read_last_is_named() {
        let mut operations = history(&[("write", "1", Some(""))], "1");
        assert_eq!(missing_writes(&operations), Vec::<String>::new());
        operations.operations.pop();
        assert_eq!(
            missing_writes(&operations),
            ["k was not read after its last acknowledged write"]
        );
    }

    /// Runs operations one after the other, each on a client of its own, and reads at the end.
    fn history(operations: &[(&str, &str, Option<&str>)], seen: &str) -> History {
        let mut builder = HistoryBuilder::new("test");
        let mut index = 0;
        let mut push = |client, kind, f: &str, value| {
            let process = Process::Client(client);
            let (f, key) = (f.to_owned(), Some("k".to_owned()));
            let event = Event {
                index,
                time_ns: index,
                process,
                kind,
                f,
                key,
                value,
                error: None,
                node: None,
            };
            index += 1;
            builder.push(&event).unwrap();
        };
        for (client, (f, argument, result)) in (0..).zip(operations) {
            push(client, EventKind::Invoke, f, Value::Text((*argument).to_owned()));
            if let Some(result) = result {
                push(client, EventKind::Ok, f, Value::Text((*result).to_owned()));
            }
        }
        push(99, EventKind::Invoke, "read", Value::Null);
        push(99, EventKind::Ok, "read", Value::Text(seen.to_owned()));
        builder.finish()
    }
}
