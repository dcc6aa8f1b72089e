//! All three clocks against the definition of happened-before, on random histories.
//!
//! The oracle keeps, for each event, the set of all events in its past. It is slow and cannot
//! be wrong: the claims are those of Lamport (1978), Mattern (1989) and Kulkarni et al. (2014).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use synod_clock::{Causality, Hlc, HlcTime, Lamport, LamportTime, Stamp, VectorClock};

const NODES: usize = 4;
const MAX_AHEAD_MS: u64 = 60;
const WALL_START_MS: u64 = 1_000;

/// One thing that a history does. Choices are reduced to what exists when they come up.
#[derive(Clone, Debug)]
enum Act {
    Local {
        node: usize,
    },
    Send {
        node: usize,
    },
    /// Any message sent so far, any number of times, in any order.
    Receive {
        node: usize,
        message: usize,
    },
    /// The node's wall clock moves, possibly back.
    Wall {
        node: usize,
        step_ms: i64,
    },
}

/// An event with its past and its three times.
#[derive(Clone, Debug)]
struct Event {
    node: usize,
    past: BTreeSet<usize>,
    lamport: Stamp<usize>,
    vector: VectorClock<usize>,
    hybrid: HlcTime,
}

/// A node and what it has seen.
struct Node {
    past: BTreeSet<usize>,
    lamport: Lamport<usize>,
    vector: VectorClock<usize>,
    wall_ms: Rc<Cell<u64>>,
    hybrid: Hlc<Box<dyn Fn() -> u64>>,
}

impl Node {
    fn new(name: usize) -> Self {
        let wall_ms = Rc::new(Cell::new(WALL_START_MS));
        let shown = Rc::clone(&wall_ms);
        let physical: Box<dyn Fn() -> u64> = Box::new(move || shown.get());
        Self {
            past: BTreeSet::new(),
            lamport: Lamport::new(name),
            vector: VectorClock::new(),
            wall_ms,
            hybrid: Hlc::new(physical, Duration::from_millis(MAX_AHEAD_MS)),
        }
    }

    /// Runs one event; `None` when the hybrid clock refused the message, which is then no event.
    fn run(&mut self, id: usize, cause: Option<&Event>) -> Option<Event> {
        let node = *self.lamport.node();
        let remote = cause.map_or(HlcTime::ZERO, |event| event.hybrid);
        let refused = remote.unix_ms() > self.wall_ms.get() + MAX_AHEAD_MS;
        let hybrid = self.hybrid.observe(remote).ok();
        assert_eq!(hybrid.is_none(), refused, "refusal is by the physical part alone");
        let hybrid = hybrid?;
        let sent = cause.map_or(LamportTime::ZERO, |event| event.lamport.time);
        let lamport = self.lamport.observe(sent).unwrap();
        let nothing = VectorClock::new();
        let vector = cause.map_or(&nothing, |event| &event.vector);
        self.vector.observe(&node, vector).unwrap();
        self.past.extend(cause.into_iter().flat_map(|event| event.past.iter().copied()));
        self.past.insert(id);
        Some(Event { node, past: self.past.clone(), lamport, vector: self.vector.clone(), hybrid })
    }
}

fn run(acts: &[Act]) -> Vec<Event> {
    let mut nodes: Vec<Node> = (0..NODES).map(Node::new).collect();
    let mut events: Vec<Event> = Vec::new();
    let mut messages: Vec<usize> = Vec::new();
    for act in acts {
        let id = events.len();
        let event = match *act {
            Act::Local { node } => nodes[node].run(id, None),
            Act::Send { node } => {
                messages.push(id);
                nodes[node].run(id, None)
            }
            Act::Receive { message, .. } if messages.is_empty() => {
                let _ = message;
                None
            }
            Act::Receive { node, message } => {
                let cause = messages[message % messages.len()];
                nodes[node].run(id, Some(&events[cause]))
            }
            Act::Wall { node, step_ms } => {
                let wall = &nodes[node].wall_ms;
                wall.set(wall.get().saturating_add_signed(step_ms));
                None
            }
        };
        events.extend(event);
    }
    events
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let node = 0..NODES;
    let act = prop_oneof![
        2 => node.clone().prop_map(|node| Act::Local { node }),
        3 => node.clone().prop_map(|node| Act::Send { node }),
        4 => (node.clone(), 0_usize..64).prop_map(|(node, message)| Act::Receive { node, message }),
        2 => (node, -30_i64..50).prop_map(|(node, step_ms)| Act::Wall { node, step_ms }),
    ];
    prop::collection::vec(act, 1..60)
}

/// Happened-before by definition: the first is in the past of the second.
fn relation(first: (usize, &Event), second: (usize, &Event)) -> Causality {
    match (second.1.past.contains(&first.0), first.1.past.contains(&second.0)) {
        (true, true) => Causality::Equal,
        (true, false) => Causality::Before,
        (false, true) => Causality::After,
        (false, false) => Causality::Concurrent,
    }
}

proptest! {
    #[test]
    fn the_clocks_agree_with_the_history(acts in acts()) {
        let events = run(&acts);
        for first in events.iter().enumerate() {
            for second in events.iter().enumerate() {
                let truth = relation(first, second);
                prop_assert_eq!(first.1.vector.compare(&second.1.vector), truth);
                if truth == Causality::Before {
                    prop_assert!(first.1.lamport.time < second.1.lamport.time);
                    prop_assert!(first.1.hybrid < second.1.hybrid);
                }
                let same = first.0 == second.0;
                prop_assert_eq!(first.1.lamport == second.1.lamport, same);
            }
        }
    }

    #[test]
    fn a_vector_counts_the_events_of_the_past(acts in acts()) {
        let events = run(&acts);
        for event in &events {
            for node in 0..NODES {
                let known = event.past.iter().filter(|id| events[**id].node == node).count();
                prop_assert_eq!(event.vector.get(&node), known as u64);
            }
        }
    }
}

/// The converse of the clock condition does not hold: a smaller time is no proof of a cause.
#[test]
fn a_smaller_lamport_time_does_not_mean_happened_before() {
    let acts = [Act::Local { node: 0 }, Act::Local { node: 1 }, Act::Local { node: 1 }];
    let events = run(&acts);
    assert!(events[0].lamport < events[2].lamport);
    assert_eq!(events[0].vector.compare(&events[2].vector), Causality::Concurrent);
}
