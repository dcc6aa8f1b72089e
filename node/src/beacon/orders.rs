//! The loop and the thread beside it, in every order of what each of them does under the lock.
//!
//! Both take the lock once for each thing they do, so an order of those is all that two threads can
//! make of them; here one thread tries every order. The claims: the end of a turn is told to
//! whoever drives the network in it, nothing is said for a loop that is between two turns, and the
//! thread beside ends with the loop. That a word of `Notify` is kept until somebody waits for it is
//! tokio's to explore, which does.

use std::collections::BTreeSet;

use tokio::sync::futures::Notified;
use tokio_test::task::{Spawn, spawn};

use super::*;

const PERIOD: Duration = Duration::from_millis(40);

/// What the loop does, in its order. Each step takes as long as makes a turn a long one.
const LOOP: [Act; 10] = [
    Act::Begin,
    Act::Stay,
    Act::End,
    Act::Begin,
    Act::End,
    Act::Begin,
    Act::Stay,
    Act::Stay,
    Act::End,
    Act::Leave,
];

#[derive(Clone, Copy, Debug)]
enum Act {
    Begin,
    Stay,
    End,
    Leave,
}

/// What the thread beside does next.
enum Beside<'a> {
    /// It looks whether the loop has ended.
    Looks,
    /// It looks whether a turn is long.
    TakesOver,
    /// It says what is due.
    Says,
    /// It waits for the end of the turn.
    Waits(Spawn<Notified<'a>>),
    /// It was told of the end of a turn, and does not run yet.
    Told,
    /// It has ended.
    Gone,
}

/// What came about in one order.
#[derive(Debug, Default)]
struct Came {
    said: u32,
    /// How often the thread beside was told of the end of a turn.
    told: u32,
}

impl<'a> Beside<'a> {
    /// Goes on by one step. It sleeps only where that is all it can do, and the time of that sleep
    /// never comes here.
    fn step(self, beacon: &'a SharedBeacon, now: Moment, in_turn: bool, came: &mut Came) -> Self {
        match self {
            Self::Looks if beacon.is_over() => Self::Gone,
            Self::Looks => Self::TakesOver,
            Self::TakesOver if beacon.takes_over(now) => Self::Says,
            Self::TakesOver => Self::Looks,
            Self::Says => {
                let before = came.said;
                let goes_on = beacon.say(now, |_| came.said += 1);
                assert!(in_turn || came.said == before, "said for a loop between two turns");
                if goes_on { Self::Waits(spawn(beacon.turn_over.notified())) } else { Self::Looks }
            }
            Self::Told => {
                came.told += 1;
                Self::Says
            }
            waits_or_gone @ (Self::Waits(_) | Self::Gone) => waits_or_gone,
        }
    }

    /// Hears what it waits for, if it was said.
    fn hear(&mut self) {
        if let Self::Waits(told) = self
            && told.poll().is_ready()
        {
            *self = Self::Told;
        }
    }
}

/// Runs one order: a set bit has the loop go on, an unset one the thread beside. Then the loop goes
/// to its end, and the thread beside after it.
fn run(order: u32) -> Came {
    let (mut now, mut came) = (Moment::ORIGIN, Came::default());
    let beacon = SharedBeacon::new(PERIOD);
    beacon.on_heartbeat(Bytes::from_static(b"beat"));
    let mut standby = Some(beacon.until_dropped(thread::current()));
    let (mut turn, mut acts, mut beside) = (None, LOOP.iter(), Beside::Looks);
    for step in 0..STEPS {
        let loops = step >= CHOICES || order & (1 << step) != 0;
        match loops.then(|| acts.next()).flatten() {
            Some(act) => {
                now = now + PERIOD;
                match act {
                    Act::Begin => turn = Some(beacon.begin_turn(now)),
                    Act::Stay => {}
                    Act::End => turn.take().into_iter().for_each(Turn::end),
                    Act::Leave => drop(standby.take()),
                }
            }
            None => beside = beside.step(&beacon, now, turn.is_some(), &mut came),
        }
        beside.hear();
        let in_vain = turn.is_none() && matches!(beside, Beside::Waits(_));
        assert!(!in_vain, "it waits for the end of a turn that is over");
    }
    assert!(matches!(beside, Beside::Gone), "the thread beside does not end");
    came
}

#[test]
fn the_thread_beside_and_the_loop_hear_of_each_other_in_every_order() {
    let came: Vec<Came> = (0..1 << CHOICES).map(run).collect();
    let said: BTreeSet<u32> = came.iter().map(|came| came.said).collect();
    assert!(said.contains(&0) && said.contains(&2), "long turns were spoken in or not: {said:?}");
    assert!(came.iter().any(|came| came.told >= 2), "several ends of turns were waited for");
}

/// So many steps are chosen freely.
const CHOICES: u32 = 16;

/// After those the rest of both: a step of the thread beside may be a look in vain.
const STEPS: u32 = CHOICES + 10 + 8;
