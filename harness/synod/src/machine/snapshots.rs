//! Work on snapshots, in virtual time.
//!
//! It is carried out whole where it ends: what a crash leaves of a snapshot in the making is the
//! disk's to say, and the journal's own tests enumerate it. The claim kept true: an order of a
//! process that ended is carried out by nobody.

use synod_clock::Moment;
use synod_simulator::Micros;

use super::{Machine, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::journal_thread::Found;
use crate::monitor::Monitor;
use crate::step::{Cause, Given, Stance};
use synod_host::{PartReader, SnapshotDone, SnapshotOrder};

/// How much later a loop is looked at again that is held up.
const HELD_UP_LOOK: Micros = Micros(1_000);

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

    /// Carries the order out that was given first, and tells the host.
    pub(super) fn on_snapshot(&mut self, number: u64, world: &mut SimWorld, monitor: &mut Monitor) {
        if self.process.as_ref().is_none_or(|process| process.process != number) {
            return;
        }
        if self.is_held_up() {
            return world.after(self.address(), Wakeup::Snapshot(number), HELD_UP_LOOK);
        }
        self.tell_room(self.now(world));
        let Some(process) = &mut self.process else { return };
        let Some(order) = process.orders.pop_front() else { return };
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
        self.flush_taken(world, monitor);
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
