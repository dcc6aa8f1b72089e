//! Work on snapshots, in virtual time.
//!
//! It is carried out whole where it ends: what a crash leaves of a snapshot in the making is the
//! disk's to say, and the journal's own tests enumerate it. The claims kept true: an order of a
//! process that ended is carried out by nobody; orders are carried out one after the other; and
//! what is made durable waits for a disk that is slow, or hangs.

use std::collections::VecDeque;

use synod_clock::Moment;
use synod_fault::DiskFault;
use synod_simulator::Micros;

use super::{Machine, READ_US_MAX, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::journal_thread::Found;
use crate::monitor::Monitor;
use crate::step::{Cause, Given, Stance};
use synod_host::{PartReader, SnapshotDone, SnapshotOrder};

/// How much later a loop is looked at again that is held up.
const HELD_UP_LOOK: Micros = Micros(1_000);

/// How much later a disk is looked at again that keeps work waiting.
pub(super) const DISK_LOOK: Micros = Micros(10_000);

/// The longest work on a whole snapshot where nothing is slow, in microseconds.
const SNAPSHOT_US_MAX: u64 = 50_000;

/// How many syncs make a snapshot durable: of its file and of its folder.
const SNAPSHOT_SYNCS: u64 = 2;

/// Work on snapshots that waits for its end.
#[derive(Debug, Default)]
pub(super) struct Orders {
    given: VecDeque<SnapshotOrder>,
    /// Until when the disk keeps the first of them waiting, if it was met while it was slow.
    until: Option<Micros>,
}

impl Machine {
    /// Holds an order against the time for which a snapshot may be held for clients.
    pub(super) fn judge_hold(&mut self, order: &SnapshotOrder, now: Moment, monitor: &mut Monitor) {
        let longest = self.tuning.settings.client_snapshots.held;
        let node = self.node;
        let Some(process) = &mut self.process else { return };
        match order {
            SnapshotOrder::Read { to: PartReader::Client(..), of: Some(slot), .. } => {
                process.asked_for = Some((*slot, now));
                if let Some((held, since)) = process.held
                    && held == *slot
                    && now.since(since) > longest
                {
                    let detail = format!("node {node} gives clients {slot} for {longest:?}");
                    monitor.report("hold-ends", detail);
                }
            }
            SnapshotOrder::LetGo(_) => process.held = None,
            SnapshotOrder::Read { .. }
            | SnapshotOrder::Take { .. }
            | SnapshotOrder::Keep(_)
            | SnapshotOrder::Scrub { .. } => {}
        }
    }

    /// Takes an order, which begins once those before it are carried out.
    pub(super) fn on_order(&mut self, order: SnapshotOrder, world: &mut SimWorld) {
        let Some(process) = &mut self.process else { return };
        process.orders.given.push_back(order);
        if process.orders.given.len() == 1 {
            self.begin_order(world);
        }
    }

    fn begin_order(&self, world: &mut SimWorld) {
        let Some(process) = &self.process else { return };
        let is_long = process.orders.given.front().is_some_and(is_made_durable);
        // A snapshot may go in hundreds of parts, each of which is no more than a read or a write.
        let longest = if is_long { SNAPSHOT_US_MAX } else { READ_US_MAX };
        let length = Micros(world.chance().between(50, longest));
        world.after(self.address(), Wakeup::Snapshot(process.process), length);
    }

    /// Tells whether the order that was given first waits for a disk that is slow or hangs. One
    /// that is itself again keeps nothing waiting.
    fn awaits_disk(&mut self, world: &mut SimWorld) -> bool {
        let (place, hung, slow_ms) = (self.place(), self.hung, self.slow_ms);
        let Some(process) = &mut self.process else { return false };
        if !process.orders.given.front().is_some_and(is_made_durable) || (!hung && slow_ms == 0) {
            return false;
        }
        let now = world.now();
        let until = *process.orders.until.get_or_insert_with(|| {
            let slow = world.chance().below(SNAPSHOT_SYNCS * slow_ms * 1_000 + 1);
            Micros(now.0 + slow)
        });
        let waits = hung || now < until;
        if waits {
            let is_met = |fault| match fault {
                DiskFault::Slow { .. } => slow_ms > 0,
                DiskFault::Hung => hung,
                DiskFault::Full
                | DiskFault::SyncFails
                | DiskFault::WriteFails
                | DiskFault::ReadFails
                | DiskFault::ShortWrites
                | DiskFault::PowerFailsAt { .. }
                | DiskFault::Rot
                | DiskFault::RolledBack
                | DiskFault::MadeAnew
                | DiskFault::Foreign => false,
            };
            world.felt_disk(place, is_met);
        }
        waits
    }

    /// Carries the order out that was given first, and tells the host.
    pub(super) fn on_snapshot(&mut self, number: u64, world: &mut SimWorld, monitor: &mut Monitor) {
        if self.process.as_ref().is_none_or(|process| process.process != number) {
            return;
        }
        if self.is_held_up() {
            return world.after(self.address(), Wakeup::Snapshot(number), HELD_UP_LOOK);
        }
        if self.awaits_disk(world) {
            monitor.tracker.see(Point::SnapshotAwaitsDisk);
            return world.after(self.address(), Wakeup::Snapshot(number), DISK_LOOK);
        }
        self.tell_room(self.now(world));
        let Some(process) = &mut self.process else { return };
        let Some(order) = process.orders.given.pop_front() else { return };
        process.orders.until = None;
        let resumed = matches!(
            &order,
            SnapshotOrder::Read { to: PartReader::Peer(_), offset, .. } if *offset > 0
        );
        let newest = process.newest;
        if let SnapshotOrder::Read { to: PartReader::Client(..), of: Some(slot), .. } = &order
            && *slot < newest
        {
            monitor.tracker.see(Point::PartOfOlder);
        }
        let before = Stance::of(&process.host);
        let done = process.snapshots.carry_out(order);
        // What could not be read is held for nobody.
        if let SnapshotDone::Read { to: PartReader::Client(..), part: Some(_), .. } = &done
            && process.held.map(|(held, _)| held) != process.asked_for.map(|(slot, _)| slot)
        {
            process.held = process.asked_for;
        }
        let point = match &done {
            SnapshotDone::Taken { .. } => Some(Point::SnapshotTaken),
            SnapshotDone::NotTaken => Some(Point::SnapshotNotTaken),
            SnapshotDone::Installed(_) => Some(Point::SnapshotInstalled),
            SnapshotDone::Kept { .. } => Some(Point::SnapshotInParts),
            SnapshotDone::Read { .. } if resumed => Some(Point::SnapshotAskedOn),
            SnapshotDone::LetGo => Some(Point::HoldLetGo),
            SnapshotDone::Scrubbed(read) if read.is_damaged => Some(Point::ScrubFound),
            SnapshotDone::Scrubbed(read) if read.is_last => Some(Point::ScrubRound),
            SnapshotDone::Read { .. } | SnapshotDone::NotKept | SnapshotDone::Scrubbed(_) => None,
        };
        if let SnapshotDone::Taken { slot, .. } = &done {
            process.newest = *slot;
        }
        if let Some(point) = point {
            monitor.tracker.see(point);
        }
        let had_state = process.host.replica().has_state();
        process.host.on_snapshot(done);
        if !had_state && process.host.replica().has_state() {
            monitor.tracker.see(Point::StateFromPeer);
        }
        process.taken.given.push(Given { cause: Cause::Snapshot, before });
        // What the host gives next is behind those that wait already.
        if !process.orders.given.is_empty() {
            self.begin_order(world);
        }
        self.flush_taken(world, monitor);
    }
}

/// Tells whether an order ends with something that is durable.
fn is_made_durable(order: &SnapshotOrder) -> bool {
    match order {
        SnapshotOrder::Take { .. } => true,
        SnapshotOrder::Keep(part) => part.end() >= part.total,
        SnapshotOrder::Read { .. } | SnapshotOrder::LetGo(_) | SnapshotOrder::Scrub { .. } => false,
    }
}

/// Sees how a life begins.
pub(super) fn see_beginning(found: &Found, monitor: &mut Monitor) {
    if found.is_cut {
        monitor.tracker.see(Point::LogCut);
    }
    if !found.has_state {
        monitor.tracker.see(Point::BegunWithoutState);
    }
}
