//! The events of messages and operations in one order: that of their times, and of what precedes
//! what where times are equal.
//!
//! The claim kept true: a message comes after it was sent, also in the same instant.

use synod_checker::ViolationCore;

use super::{Fate, SpaceTime};

/// One event of the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at_ns: u64,
    /// Where: a node, or 0 for the clients.
    pub(crate) place: u16,
    pub(crate) what: What,
}

/// What happens, of which message or operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// A client calls.
    Call(usize),
    /// A message is sent.
    Sent(usize),
    /// A message comes.
    Came(usize),
    /// A client has its answer.
    Return(usize),
}

/// Returns all events, of operations as far as they are in the time that is shown.
pub(crate) fn events(shown: &SpaceTime, core: Option<&ViolationCore>) -> Vec<Event> {
    let mut events = Vec::new();
    for (index, message) in shown.messages.iter().enumerate() {
        let sent = What::Sent(index);
        events.push(Event { at_ns: message.sent_ns, place: message.from, what: sent });
        match message.fate {
            Fate::Came(at_ns) => {
                let at_ns = at_ns.max(message.sent_ns);
                events.push(Event { at_ns, place: message.to, what: What::Came(index) });
            }
            Fate::Cut | Fate::Lost | Fate::Overflowed | Fate::Held => {}
        }
    }
    let operations = core.into_iter().flat_map(|core| &core.operations).enumerate();
    for (index, operation) in operations {
        let mut put = |at_ns: u64, what| events.push(Event { at_ns, place: CLIENTS, what });
        put(operation.call_ns, What::Call(index));
        if let Some(at_ns) = operation.return_ns {
            put(at_ns.max(operation.call_ns), What::Return(index));
        }
    }
    // In one instant a call comes before what is sent, and that before what comes and returns: that
    // is the order of `What`.
    events.sort_by_key(|event| (event.at_ns, event.what));
    events
}

/// Returns the places of the events: the clients first, if anything is of theirs.
pub(crate) fn places(shown: &SpaceTime, events: &[Event]) -> Vec<u16> {
    let of_messages = shown.messages.iter().flat_map(|message| [message.from, message.to]);
    let mut places: Vec<u16> = events.iter().map(|event| event.place).chain(of_messages).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// The place of all clients.
pub(crate) const CLIENTS: u16 = 0;

#[cfg(test)]
mod tests {
    use super::super::tests::{core, message, operation};
    use super::*;

    #[test]
    fn what_precedes_comes_first_in_the_same_instant() {
        let messages = vec![
            message((1, 2), 5, Fate::Came(5)),
            message((2, 0), 5, Fate::Cut),
            message((0, 1), 5, Fate::Came(4)),
        ];
        let shown = SpaceTime { from_ns: 5, to_ns: 5, left_out: 0, forgot: false, messages };
        let core = core(vec![operation("read", 5, Some(5))]);
        let events = events(&shown, Some(&core));
        let seen: Vec<What> = events.iter().map(|event| event.what).collect();
        let expected = [
            What::Call(0),
            What::Sent(0),
            What::Sent(1),
            What::Sent(2),
            What::Came(0),
            What::Came(2),
            What::Return(0),
        ];
        assert_eq!(seen, expected);
        assert_eq!(places(&shown, &events), [0, 1, 2]);
    }
}
