//! Reads of old decrees, in virtual time.
//!
//! What is read for whom is the host's business. The claims kept true: an order is carried out when
//! its time has come and no earlier, so that the log may be cut meanwhile, and a disk that hangs
//! keeps it waiting; that of a process that ended is carried out by nobody.

use synod_fault::DiskFault;
use synod_host::{Event, ReadOrder};
use synod_simulator::Micros;

use super::snapshots::DISK_LOOK;
use super::{Machine, READ_US_MAX, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::monitor::Monitor;
use crate::step::Cause;

impl Machine {
    /// Takes an order; the host gives one at a time.
    pub(super) fn on_read_order(&mut self, order: ReadOrder, world: &mut SimWorld) {
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        let length = Micros(world.chance().between(50, READ_US_MAX));
        world.after(address, Wakeup::Read(process.process), length);
        process.read = Some(order);
    }

    /// Carries the order out, and tells the host.
    pub(super) fn on_read(&mut self, number: u64, world: &mut SimWorld, monitor: &mut Monitor) {
        let (address, place, hung) = (self.address(), self.place(), self.hung);
        let Some(process) = &mut self.process else { return };
        if process.process != number {
            return;
        }
        if hung {
            world.felt_disk(place, |fault| fault == DiskFault::Hung);
            monitor.tracker.see(Point::OldSlotsAwaitDisk);
            return world.after(address, Wakeup::Read(number), DISK_LOOK);
        }
        let Some(order) = process.read.take() else { return };
        let old = order.carry_out(process.journal.reader());
        self.turn(Event::OldDecrees(old), Cause::OldDecrees, world, monitor);
    }
}
