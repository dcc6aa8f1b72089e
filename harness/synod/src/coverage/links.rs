//! Points of links, clocks and pauses, as far as the replicas themselves show them.
//!
//! Who hears whom is read from the heartbeats that the nodes send; that a node was paused or its
//! clock jumped, from when it made its steps.

use synod_paxos::NodeId;
use synod_simulator::Micros;
use synod_smr::{Heartbeat, Message};

use super::tracker::{View, place};
use super::{HitCounts, Point};
use crate::step::{Cause, Step};

/// Who looks at links and clocks.
#[derive(Debug)]
pub(super) struct Links {
    nodes: Vec<Ear>,
}

/// What one node hears.
#[derive(Clone, Debug, Default)]
struct Ear {
    hears: Vec<Heard>,
}

/// What one node hears of another.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    hears: bool,
    since: Micros,
    /// When it lost the other one last, the latest first.
    lost: [Option<Micros>; 3],
}

impl Links {
    pub(super) fn new(count: usize) -> Self {
        let ear = Ear { hears: vec![Heard::default(); count] };
        Self { nodes: vec![ear; count] }
    }

    pub(super) fn on_step(&mut self, step: &Step<'_>, view: &View, seen: &mut HitCounts) {
        let ear = &mut self.nodes[place(step.node)];
        match step.cause {
            Cause::Start => ear.restart(step.now),
            Cause::Timer(_)
            | Cause::Message(..)
            | Cause::Request(..)
            | Cause::LinkDown(_)
            | Cause::Synced
            | Cause::OldDecrees
            | Cause::Snapshot
            | Cause::Wrote
            | Cause::Unheard(_)
            | Cause::Client
            | Cause::Several
            | Cause::Drain => {}
        }
        // Before a start the node was down, not paused.
        if step.cause != Cause::Start && step.now.since(view.seen(step.node).stepped) > PAUSE {
            on_return(step, view, seen);
        }
        for (_, message) in step.sent {
            if let Message::Heartbeat(beat) = message {
                self.on_beat(step, beat, view, seen);
            }
        }
    }

    fn on_beat(&mut self, step: &Step<'_>, beat: &Heartbeat, view: &View, seen: &mut HitCounts) {
        let me = place(step.node);
        for number in 0..self.nodes.len() {
            let hears = beat.hears.iter().any(|node| place(*node) == number);
            if self.nodes[me].hears[number].on_beat(hears, step.now) {
                seen.see(Point::LinkFlaps);
            }
        }
        let alone = step.after.leads.is_some() && beat.hears.is_empty() && view.count() > 1;
        seen.see_if(alone, Point::LeaderAlone);
        for other in (0..self.nodes.len()).filter(|other| *other != me) {
            // A node that is down is not heard either, and no link is to blame for it.
            if self.is_lost(me, other, step.now) && is_up(other, view) {
                let heard_there = self.hears(other, me);
                seen.see_if(heard_there, Point::OneWayLink);
                let both = self.is_lost(other, me, step.now);
                seen.see_if(both && self.has_bridge(me, other, view), Point::Bridge);
            }
        }
    }

    /// Tells whether a third node and both of these hear each other.
    fn has_bridge(&self, one: usize, two: usize, view: &View) -> bool {
        let linked = |third: usize, end: usize| self.hears(third, end) && self.hears(end, third);
        (0..self.nodes.len())
            .any(|third| is_up(third, view) && linked(third, one) && linked(third, two))
    }

    fn hears(&self, one: usize, other: usize) -> bool {
        self.nodes[one].hears[other].hears
    }

    /// Tells whether a node has not heard another one for a while.
    fn is_lost(&self, one: usize, other: usize, now: Micros) -> bool {
        let heard = &self.nodes[one].hears[other];
        !heard.hears && now.since(heard.since) >= LOST
    }
}

impl Ear {
    fn restart(&mut self, now: Micros) {
        for heard in &mut self.hears {
            // What was lost before was lost with the process, and makes no link flap.
            *heard = Heard { hears: false, since: now, ..Heard::default() };
        }
    }
}

impl Heard {
    /// Takes in whether the other one is heard; says whether it was lost again and again.
    fn on_beat(&mut self, hears: bool, now: Micros) -> bool {
        if std::mem::replace(&mut self.hears, hears) == hears {
            return false;
        }
        self.since = now;
        if hears {
            return false;
        }
        self.lost = [Some(now), self.lost[0], self.lost[1]];
        self.lost[2].is_some_and(|third| now.since(third) <= FLAPS)
    }
}

/// A node goes on that did nothing for a while: it was stopped, as a tick of it is shorter.
fn on_return(step: &Step<'_>, view: &View, seen: &mut HitCounts) {
    seen.see(Point::NodeReturns);
    if let Some(ballot) = step.before.leads {
        seen.see(Point::LeaderReturns);
        seen.see_if(ballot < view.highest, Point::DeposedLeaderReturns);
    }
}

fn is_up(number: usize, view: &View) -> bool {
    let number = u16::try_from(number + 1).expect("nodes are numbered by u16");
    view.seen(NodeId::new(number)).stance.is_some()
}

/// A node that made no step for longer was paused: the slowest clock ticks more often.
const PAUSE: Micros = Micros(1_000_000);

/// Somebody who was not heard for so long is not just late.
const LOST: Micros = Micros(500_000);

/// A link that is lost three times within this time flaps.
const FLAPS: Micros = Micros(5_000_000);
