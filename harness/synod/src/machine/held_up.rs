//! A loop that its state machine holds up: what comes waits, and the beacon speaks.
//!
//! What a turn brought about leaves at its end, so a long turn is one that begins when the machine
//! is done with it. Until then all that comes waits, in its order, as in the inbox of a node; the
//! journal's thread and the beacon (`synod-host`) go on. Which turns may be long is what applies or
//! answers: votes, announcements, decrees, confirmations of reads, and syncs.

use synod_simulator::{Address, Micros};

use super::turns::Arrival;
use super::{Event, Machine, Packet, Place, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::monitor::Monitor;
use crate::step::{Cause, Kind};

impl Machine {
    /// Tells whether the loop is in a long turn.
    pub(super) fn is_held_up(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.long_turn.is_some())
    }

    /// Tells whether what came begins a long turn.
    pub(super) fn draws_long_turn(&self, arrival: &Arrival, world: &mut SimWorld) -> bool {
        let hold_ups = &self.tuning.hold_ups;
        let at = world.now();
        hold_ups.ppm > 0
            && (hold_ups.from..hold_ups.until).contains(&at)
            && hold_ups.only.is_none_or(|node| node == self.node)
            && world.chance().chance(hold_ups.ppm)
            && may_apply(arrival)
    }

    /// Begins a long turn. What it will take is in the inbox.
    pub(super) fn begin_long_turn(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        let (now, address) = (self.now(world), self.address());
        let hold_ups = &self.tuning.hold_ups;
        let length =
            Micros::from_ms(world.chance().between(hold_ups.shortest_ms, hold_ups.longest_ms));
        // The machine counts them, so that no life has a number of an earlier one.
        self.long_turns += 1;
        let number = self.long_turns;
        let Some(process) = &mut self.process else { return };
        process.long_turn = Some(number);
        process.beacon.on_turn(now);
        world.say(|| format!("node {} is held up for {length}", self.node));
        monitor.tracker.see(Point::LoopHeldUp);
        world.after(address, Wakeup::Immediate(number), length);
        world.after(address, Wakeup::Beacon(number), LOOK);
    }

    /// Ends a long turn: first all that came, then the timers.
    pub(super) fn on_free(&mut self, number: u64, world: &mut SimWorld, monitor: &mut Monitor) {
        let Some(process) = &mut self.process else { return };
        if process.long_turn.take_if(|turn| *turn == number).is_none() {
            return;
        }
        process.beacon.on_turn_end();
        self.take_waiting(world, monitor);
        self.have_clients_heard(world);
        if !self.is_held_up() {
            self.set_wake(self.now(world), world);
        }
    }

    /// Asks the beacon what is to be said for a loop that is held up.
    pub(super) fn on_beacon(&mut self, number: u64, world: &mut SimWorld) {
        let (now, address) = (self.now(world), self.address());
        let Some(process) = &mut self.process else { return };
        if process.long_turn.is_none_or(|turn| turn != number) {
            return;
        }
        if let Some(bytes) = process.beacon.on_time(now) {
            let (life, process) = (process.life, process.process);
            let by_stranger = self.stranger.is_some();
            for peer in self.nodes.iter().filter(|peer| **peer != self.node) {
                let (bytes, length) = (bytes.clone(), bytes.len());
                let kind = Some(Kind::Heartbeat);
                let packet = Packet { life, process, by_stranger, number: 0, kind, bytes };
                world.send(address, Address::Node(Place(peer.number())), packet, length);
            }
        }
        world.after(address, Wakeup::Beacon(number), LOOK);
    }
}

/// Tells whether what came may have the state machine do something.
fn may_apply(arrival: &Arrival) -> bool {
    match (&arrival.event, arrival.cause) {
        (Event::Committed(_), _) => true,
        (_, Cause::Message(_, kind)) => match kind {
            Kind::Accept(..)
            | Kind::Accepted(..)
            | Kind::Chosen(..)
            | Kind::Confirmed
            | Kind::Decrees(_) => true,
            Kind::Prepare(_)
            | Kind::Promise { .. }
            | Kind::Nack
            | Kind::Heartbeat
            | Kind::Confirm
            | Kind::Fetch
            | Kind::FetchSnapshot
            | Kind::Snapshot
            | Kind::Known => false,
        },
        (_, _) => false,
    }
}

/// How often the thread beside a loop looks at it: twice in a heartbeat period.
const LOOK: Micros = Micros(20_000);
