//! How a story is read and told: ids, letters, records and messages in words.

use std::fmt::Write as _;
use synod_paxos::{AfterSync, Ballot, Decree, Immediate, Message, NodeId, Record, Report};

use super::Value;

pub(super) fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(super) fn ballot(text: &str) -> Ballot {
    let (round, node) = text.split_once('.').unwrap();
    Ballot::new(number(round), id(node))
}

pub(super) fn decree(letter: char) -> Decree<Value> {
    if letter == '-' { Decree::Noop } else { Decree::Value(letter) }
}

pub(super) fn id(text: &str) -> NodeId {
    NodeId::new(text.parse().unwrap())
}

pub(super) fn letter(decree: &Decree<Value>) -> char {
    match decree {
        Decree::Noop => '-',
        Decree::Value(value) => *value,
    }
}

pub(super) fn told(record: &Record<Value>) -> String {
    match record {
        Record::Promised(ballot) => format!("promised {ballot}"),
        Record::Accepted { ballot, slot, decree } => {
            format!("accepted {} in slot {slot} of {ballot}", letter(decree))
        }
        Record::Learned { slot, decree } => format!("learned {} in slot {slot}", letter(decree)),
        Record::Chosen(slot) => format!("chosen up to {slot}"),
    }
}

pub(super) fn spoken(message: &Message<Value>) -> String {
    match message {
        Message::AfterSync(AfterSync::Prepare { ballot, first }) => {
            format!("Prepare {ballot} from {first}")
        }
        Message::AfterSync(AfterSync::Promise { ballot, chosen, reports, .. }) => {
            let mut text = format!("Promise {ballot}, chosen up to {chosen}");
            for (slot, report) in reports {
                match report {
                    Report::Voted(vote) => {
                        let decree = letter(&vote.decree);
                        write!(text, ", {decree} in slot {slot} of {}", vote.ballot).unwrap();
                    }
                    Report::Chosen(decree) => {
                        write!(text, ", {} chosen in slot {slot}", letter(decree)).unwrap();
                    }
                }
            }
            text
        }
        Message::AfterSync(AfterSync::Accepted { ballot, first, end }) => {
            format!("Accepted {ballot} from {first} to {end}")
        }
        Message::Immediate(Immediate::Accept { ballot, first, decrees, chosen }) => {
            let decrees: String = decrees.iter().map(letter).collect();
            format!("Accept {ballot} {decrees} from {first}, chosen up to {chosen}")
        }
        Message::Immediate(Immediate::Chosen { ballot, chosen }) => {
            format!("Chosen {ballot} up to {chosen}")
        }
        Message::Immediate(Immediate::Nack { ballot, promised }) => {
            format!("Nack {ballot}, promised {promised}")
        }
    }
}
