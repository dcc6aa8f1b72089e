//! The messages as a log that ShiViz reads: each event with its place and its vector clock.
//!
//! The format is ShiViz' own: a pattern for the events, an empty line, then two lines an event. Its
//! reader wants the clock of a place to begin at 1 and to grow by 1 with each event of the place,
//! and what an event knows of others to be events that are there. The claim kept true: the clocks
//! say exactly what the messages shown let each place know.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use synod_checker::ViolationCore;
use synod_history::visible;

use super::order::{CLIENTS, Event, What, events};
use super::{Fate, Message, SpaceTime};

/// Returns the log.
pub(crate) fn log(shown: &SpaceTime, core: Option<&ViolationCore>) -> String {
    let mut clocks: BTreeMap<u16, Clock> = BTreeMap::new();
    let mut sent: BTreeMap<usize, Clock> = BTreeMap::new();
    let mut log = format!("{PATTERN}\n\n");
    for event in events(shown, core) {
        let clock = clocks.entry(event.place).or_default();
        if let What::Came(index) = event.what
            && let Some(known) = sent.get(&index)
        {
            for (place, count) in known {
                let mine = clock.entry(*place).or_default();
                *mine = (*mine).max(*count);
            }
        }
        *clock.entry(event.place).or_default() += 1;
        if let What::Sent(index) = event.what {
            sent.insert(index, clock.clone());
        }
        let (place, known) = (name(event.place), spelled(clock));
        writeln!(log, "{place} {known}\n{}", told(&event, shown, core))
            .expect("writing to a String cannot fail");
    }
    log
}

/// How many events of each place are known.
type Clock = BTreeMap<u16, u64>;

fn spelled(clock: &Clock) -> String {
    let known: Vec<String> =
        clock.iter().map(|(place, count)| format!("\"{}\":{count}", name(*place))).collect();
    format!("{{{}}}", known.join(","))
}

fn name(place: u16) -> String {
    if place == CLIENTS { "clients".to_owned() } else { format!("node{place}") }
}

/// Says what happens, in one line.
fn told(event: &Event, shown: &SpaceTime, core: Option<&ViolationCore>) -> String {
    let at_us = event.at_ns / 1_000;
    let words = match event.what {
        What::Sent(index) => {
            let Message { to, bytes, fate, .. } = shown.messages[index];
            format!("sends {bytes} bytes to {}{}", name(to), ending(fate))
        }
        What::Came(index) => {
            let Message { from, bytes, .. } = shown.messages[index];
            format!("gets {bytes} bytes from {}", name(from))
        }
        What::Call(index) => operation(core, index, |op| format!("calls {}", op.argument)),
        What::Return(index) => operation(core, index, |op| format!("has {}", op.result)),
    };
    format!("{at_us} us: {words}")
}

/// Says of an operation whose it is, and what else there is to say.
fn operation(
    core: Option<&ViolationCore>,
    index: usize,
    more: impl Fn(&synod_checker::CoreOperation) -> String,
) -> String {
    let operation = core.and_then(|core| core.operations.get(index));
    let said = operation.map_or_else(String::new, |op| {
        format!("client {}: {} of {}: {}", op.process, op.f, op.key, more(op))
    });
    visible(&said).into_owned()
}

const fn ending(fate: Fate) -> &'static str {
    match fate {
        Fate::Came(_) => "",
        Fate::Cut => ", dropped by a cut",
        Fate::Lost => ", lost",
        Fate::Overflowed => ", dropped without room",
        Fate::Held => ", kept back by a cut",
    }
}

/// How ShiViz finds the parts of an event.
const PATTERN: &str = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken log should fail the test")]

    use super::super::tests::{core, message, operation};
    use super::*;

    type Known = BTreeMap<String, u64>;

    /// Reads a log as ShiViz does, and holds it against what its reader wants.
    fn read(log: &str) -> Vec<(String, Known, String)> {
        let mut lines = log.lines();
        assert_eq!(lines.next(), Some(PATTERN));
        assert_eq!(lines.next(), Some(""));
        let mut events = Vec::new();
        while let (Some(head), Some(event)) = (lines.next(), lines.next()) {
            let (host, clock) = head.split_once(' ').unwrap();
            let clock: Known = serde_json::from_str(clock).unwrap();
            events.push((host.to_owned(), clock, event.to_owned()));
        }
        let mut counts = Known::new();
        for (host, clock, _) in &events {
            let count = counts.entry(host.clone()).or_default();
            *count += 1;
            assert_eq!(clock.get(host), Some(&*count), "{host}: {log}");
        }
        for (_, clock, _) in &events {
            for (host, count) in clock {
                assert!(*count >= 1 && counts.get(host).is_some_and(|last| count <= last));
                // What an event knows of another includes what that one knows.
                let at = events
                    .iter()
                    .find(|(other, known, _)| other == host && known.get(host) == Some(count));
                let (_, known, _) = at.unwrap();
                assert!(known.iter().all(|(place, least)| clock.get(place) >= Some(least)));
            }
        }
        events
    }

    #[test]
    fn clocks_know_what_came_and_nothing_else() {
        let messages = vec![
            message((1, 2), 10, Fate::Came(20)),
            message((3, 2), 12, Fate::Cut),
            message((2, 3), 30, Fate::Came(40)),
        ];
        let shown = SpaceTime { from_ns: 10, to_ns: 40, left_out: 0, forgot: false, messages };
        let core = core(vec![operation("read", 5_000, Some(9_000))]);
        let events = read(&log(&shown, Some(&core)));
        let last = |host: &str| &events.iter().rfind(|(one, ..)| one == host).unwrap().1;
        let known = |pairs: &[(&str, u64)]| -> Known {
            pairs.iter().map(|(host, count)| ((*host).to_owned(), *count)).collect()
        };
        assert_eq!(*last("node3"), known(&[("node1", 1), ("node2", 2), ("node3", 2)]));
        assert_eq!(*last("node1"), known(&[("node1", 1)]));
        assert_eq!(*last("clients"), known(&[("clients", 2)]));
        let said: Vec<&str> = events.iter().map(|(.., said)| said.as_str()).collect();
        assert!(said.contains(&"0 us: sends 100 bytes to node2, dropped by a cut"), "{said:?}");
        assert!(said.contains(&"5 us: client 3: read of x: calls 1"), "{said:?}");
    }

    #[test]
    fn any_messages_make_a_log_that_shiviz_reads() {
        let mut state = 7_u64;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % bound
        };
        for _ in 0..50 {
            let mut messages: Vec<Message> = (0..40)
                .map(|_| {
                    let (from, to) = (below(4) as u16, below(4) as u16);
                    let sent = below(50);
                    let came = Fate::Came(sent + below(20));
                    message((from, to), sent, if below(4) == 0 { Fate::Lost } else { came })
                })
                .collect();
            messages.sort_by_key(|one| one.sent_ns);
            let shown = SpaceTime { from_ns: 0, to_ns: 70, left_out: 0, forgot: false, messages };
            let hostile = CORE_WITH_LINES.map(|f| operation(f, 3, None)).to_vec();
            read(&log(&shown, Some(&core(hostile))));
        }
    }

    const CORE_WITH_LINES: [&str; 2] = ["re\nad", "a\u{2028}b\r\n"];
}
