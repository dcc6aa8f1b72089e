//! The turns of a node's loop: one event or several, then what is due, then a flush.
//!
//! In half of the runs each event is a turn of its own, which is the finest grain that a real node
//! can have. In the others what comes waits for a turn, as it does for a loop that is busy, and a
//! turn takes what is there in the order of the loop: the owner's orders, the journal, peers,
//! clients, reads; then the timers. The claim kept true: the judges see each thing that a turn
//! took, and how the replica stood before it.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use synod_clock::Moment;
use synod_host::{Counts, Event, Host};
use synod_simulator::Micros;
use synod_smr::{Record, Timer};

use super::{Machine, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::kv_model::KvModel;
use crate::monitor::Monitor;
use crate::step::{Cause, Given, Stance};

/// Something that came and waits for a turn.
pub(super) struct Arrival {
    pub(super) event: Event,
    pub(super) cause: Cause,
    /// Whether it is said by a node whose folder is not the one that it had.
    pub(super) by_stranger: bool,
}

/// What the turn under way has taken.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) given: Vec<Given>,
    pub(super) durable: Vec<Record>,
}

impl Taken {
    /// Says by what a turn was set off, and how its replica stood before.
    pub(super) fn opening(&self, host: &Host<KvModel>) -> (Cause, Stance) {
        match &self.given[..] {
            [] => (Cause::Start, Stance::of(host)),
            [given] => (given.cause, given.before),
            [first, ..] => (Cause::Several, first.before),
        }
    }
}

impl Machine {
    /// Takes an event in: at once, or with the next turn.
    pub(super) fn turn(
        &mut self,
        event: Event,
        cause: Cause,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        self.arrive(Arrival { event, cause, by_stranger: false }, world, monitor);
    }

    pub(super) fn arrive(&mut self, arrival: Arrival, world: &mut SimWorld, monitor: &mut Monitor) {
        let begins_long_turn = !self.is_held_up() && self.draws_long_turn(&arrival, world);
        if !begins_long_turn && !self.is_held_up() && self.tuning.events_per_turn == 1 {
            return self.take_alone(arrival, world, monitor);
        }
        let Some(process) = &mut self.process else { return };
        process.inbox.push_back(arrival);
        if begins_long_turn {
            self.begin_long_turn(world, monitor);
        } else if !self.is_held_up() {
            let busy = Micros(world.chance().between(1, self.tuning.turn_us));
            self.have_turn(busy, world);
        }
    }

    /// Takes what waited for a long turn to end: in turns of its own, or with the next ones.
    pub(super) fn take_waiting(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        if self.tuning.events_per_turn > 1 {
            return self.have_turn(Micros(1), world);
        }
        let Some(process) = &mut self.process else { return };
        let mut waiting = std::mem::take(&mut process.inbox).into_iter();
        // The first is what began the long turn, and must not draw another one.
        if let Some(first) = waiting.next() {
            self.take_alone(first, world, monitor);
        }
        // One of these may begin a long turn of its own, and the rest then waits for that.
        for arrival in waiting {
            self.arrive(arrival, world, monitor);
        }
    }

    /// Takes one event in a turn of its own.
    fn take_alone(&mut self, arrival: Arrival, world: &mut SimWorld, monitor: &mut Monitor) {
        self.tell_room(self.now(world));
        if self.take(arrival, world, monitor) {
            self.flush_taken(world, monitor);
        }
    }

    /// Has the next turn come after so long, if something waits for it and none is due.
    fn have_turn(&mut self, after: Micros, world: &mut SimWorld) {
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        if !process.inbox.is_empty() && !std::mem::replace(&mut process.is_turn_due, true) {
            world.after(address, Wakeup::Turn, after);
        }
    }

    /// A turn of several events begins, unless the one before it is not over.
    pub(super) fn on_turn(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        // The end of the long turn asks for another one.
        if let Some(process) = self.process.as_mut().filter(|process| process.long_turn.is_some()) {
            process.is_turn_due = false;
            return;
        }
        self.tell_room(self.now(world));
        if self.take_some(world, monitor) {
            self.flush_taken(world, monitor);
        }
    }

    /// Takes some of what waits; tells whether there is something to flush.
    fn take_some(&mut self, world: &mut SimWorld, monitor: &mut Monitor) -> bool {
        let address = self.address();
        let Some(process) = &mut self.process else { return false };
        let most = world.chance().between(1, self.tuning.events_per_turn as u64);
        if process.inbox.len() > 1 {
            // The sort is stable: within one rank, what came first stays first.
            process.inbox.make_contiguous().sort_by_key(|arrival| rank(&arrival.event));
        }
        let count = process.inbox.len().min(usize::try_from(most).unwrap_or(1));
        process.is_turn_due = process.inbox.len() > count;
        if process.is_turn_due {
            world.after(address, Wakeup::Turn, Micros(1));
        }
        if count > 1 {
            monitor.tracker.see(Point::SeveralInATurn);
        }
        // Where the host does not go on, the rest of the turn is lost with it.
        count > 0 && (0..count).all(|_| self.take_next(world, monitor))
    }

    /// Takes what is first in the inbox; tells whether the host goes on.
    fn take_next(&mut self, world: &SimWorld, monitor: &mut Monitor) -> bool {
        let inbox = self.process.as_mut().map(|process| &mut process.inbox);
        let Some(arrival) = inbox.and_then(VecDeque::pop_front) else { return false };
        self.take(arrival, world, monitor)
    }

    /// Hands one event to the host, or leaves it for later; tells whether the host goes on.
    fn take(&mut self, arrival: Arrival, world: &SimWorld, monitor: &mut Monitor) -> bool {
        if self.holds_back(&arrival, monitor) {
            if let Some(process) = &mut self.process {
                process.held_back.push_back(arrival);
            }
            return true;
        }
        self.hand_over(arrival, world, monitor)
    }

    /// Hands one event to the host; tells whether the host goes on.
    pub(super) fn hand_over(
        &mut self,
        arrival: Arrival,
        world: &SimWorld,
        monitor: &mut Monitor,
    ) -> bool {
        let Arrival { event, mut cause, by_stranger } = arrival;
        let (now, is_stranger) = (self.now(world), self.is_stranger());
        self.change_lanes(&event, monitor);
        let Some(process) = &mut self.process else { return false };
        let before = Stance::of(&process.host);
        // Copied before the host takes the ticket, and the records with it.
        if let Event::Committed(committed) = &event {
            process.taken.durable.extend_from_slice(committed.ticket.records());
        }
        if let Some(traces) = &mut monitor.traces {
            traces.on_event(self.node, &process.host, &event);
        }
        let Counts { unheard, malformed_peer, .. } = *process.host.counts();
        let takes = || process.host.take(now, event);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(takes)) {
            self.on_panic(cause, &*panic, monitor);
            return false;
        }
        if let Cause::Message(from, kind) = cause {
            if process.host.counts().malformed_peer > malformed_peer {
                monitor.report("wire", format!("a frame of node {from} is no message: {kind:?}"));
            }
            if process.host.counts().unheard > unheard {
                cause = Cause::Unheard(from);
            } else if by_stranger && !is_stranger {
                let node = self.node;
                let detail = format!("node {node} hears {kind:?} of node {from}, a stranger");
                monitor.report("stranger-heard", detail);
            }
        }
        process.taken.given.push(Given { cause, before });
        true
    }

    pub(super) fn on_wake(&mut self, number: u64, world: &mut SimWorld, monitor: &mut Monitor) {
        let now = self.now(world);
        let Some(process) = &mut self.process else { return };
        if process.wake.is_none_or(|(_, latest)| latest != number) {
            return;
        }
        process.wake = None;
        // The end of the long turn sets the wakeup again.
        if process.long_turn.is_some() {
            return;
        }
        let (then, before) = std::mem::replace(&mut process.told, (world.now(), now));
        if now.since(before) > 2 * Duration::from_micros(world.now().since(then).0) + JUMP {
            monitor.tracker.see(Point::ClockJumped);
        }
        if let Err(error) = process.journal.idle(world.now()) {
            return self.crash_on(&error, world, monitor);
        }
        self.tell_room(now);
        let together = self.tuning.events_per_turn > 1;
        let mut goes_on = true;
        if together && self.process.as_ref().is_some_and(|process| !process.inbox.is_empty()) {
            goes_on = self.take_some(world, monitor);
        }
        while goes_on && self.fire(now, monitor) {
            if !together {
                self.flush(world, monitor);
            }
        }
        self.flush_taken(world, monitor);
        self.set_wake(now, world);
        self.have_clients_heard(world);
        self.end_if_done(now, world, monitor);
    }

    /// Ends a turn that took anything.
    pub(super) fn flush_taken(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        if self.process.as_ref().is_some_and(|process| !process.taken.given.is_empty()) {
            self.flush(world, monitor);
        }
    }

    /// Fires the timer that is due first; tells whether there was one.
    fn fire(&mut self, now: Moment, monitor: &mut Monitor) -> bool {
        let Some(process) = &mut self.process else { return false };
        let before = Stance::of(&process.host);
        let fires = || process.host.fire(now);
        match catch_unwind(AssertUnwindSafe(fires)) {
            Ok(Some(timer)) => {
                process.taken.given.push(Given { cause: Cause::Timer(timer), before });
                true
            }
            Ok(None) => false,
            Err(panic) => {
                // Which timer it was nobody can say: the host did not come back with it.
                self.on_panic(Cause::Timer(Timer::Heartbeat), &*panic, monitor);
                false
            }
        }
    }

    /// Tells the host how much room the journal has.
    pub(super) fn tell_room(&mut self, now: Moment) {
        if let Some(process) = &mut self.process {
            let room = process.journal.room();
            process.host.take(now, Event::Room(room));
        }
    }

    /// An assertion of the replica is a verdict, and the run is over.
    pub(super) fn on_panic(
        &mut self,
        cause: Cause,
        panic: &(dyn Any + Send),
        monitor: &mut Monitor,
    ) {
        monitor.on_panic(self.node, cause, &words_of(panic));
        self.process = None;
    }
}

/// Returns which events the loop takes first: the lowest.
const fn rank(event: &Event) -> u8 {
    match event {
        Event::Drain => 0,
        Event::Committed(_) | Event::Room(_) => 1,
        Event::PeerUp { .. }
        | Event::PeerDown(_)
        | Event::PeerReplaced(_)
        | Event::LogWaiting { .. }
        | Event::BulkWaiting(_)
        | Event::PeerFrame { .. } => 2,
        Event::ClientUp { .. }
        | Event::ClientFrame { .. }
        | Event::ClientWrote { .. }
        | Event::ClientDown(_) => CLIENTS,
        Event::OldDecrees(_) => 4,
    }
}

/// Tells whether a client has it happen.
pub(super) const fn is_of_a_client(event: &Event) -> bool {
    rank(event) == CLIENTS
}

/// The rank of what clients have happen.
const CLIENTS: u8 = 3;

fn words_of(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// A clock that gains this much beyond twice the true time has jumped.
const JUMP: Duration = Duration::from_millis(50);
