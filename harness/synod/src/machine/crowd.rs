//! What clients say to a leader that is too crowded to hear it.
//!
//! A real node leaves it in its inbox and reads no more of their streams; here it waits in a queue
//! of its own, in its order. The claim kept true: the host alone says when clients are heard.

use synod_simulator::Micros;

use super::turns::{Arrival, is_of_a_client};
use super::{Machine, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::monitor::Monitor;

impl Machine {
    /// Keeps what a client has happen while the host does not hear clients; tells whether it did.
    /// All else is the caller's to hand over.
    pub(super) fn holds_back(&self, arrival: &Arrival, monitor: &mut Monitor) -> bool {
        let Some(process) = &self.process else { return false };
        if !is_of_a_client(&arrival.event) {
            return false;
        }
        // What came earlier and was held back has to be heard first.
        let is_heard = process.held_back.is_empty() && process.host.hears_clients();
        if !is_heard {
            monitor.tracker.see(Point::ClientsHeldBack);
        }
        !is_heard
    }

    /// Has clients heard soon, if some wait and the host takes them in again.
    pub(super) fn have_clients_heard(&mut self, world: &mut SimWorld) {
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        let wait = !process.held_back.is_empty() && process.host.hears_clients();
        // One wakeup is enough, as it hears as many as a turn takes.
        if wait && !std::mem::replace(&mut process.is_hearing_due, true) {
            world.after(address, Wakeup::Clients, Micros(1));
        }
    }

    /// Takes in what clients said meanwhile, for as long as the host hears them.
    pub(super) fn on_clients_heard(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        let Some(process) = &mut self.process else { return };
        process.is_hearing_due = false;
        // A loop that is held up hears nobody; the end of its long turn asks again.
        if process.long_turn.is_some() {
            return;
        }
        self.tell_room(self.now(world));
        for _ in 0..self.tuning.events_per_turn {
            let Some(process) = &mut self.process else { return };
            if !process.host.hears_clients() {
                break;
            }
            let is_crowded = process.host.replica().is_crowded();
            let Some(arrival) = process.held_back.pop_front() else { break };
            if is_crowded {
                monitor.tracker.see(Point::CrowdHeardAgain);
            }
            if !self.hand_over(arrival, world, monitor) {
                return;
            }
        }
        self.flush_taken(world, monitor);
        self.have_clients_heard(world);
    }
}
