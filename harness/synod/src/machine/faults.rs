//! What goes wrong with a machine's disk, and what of it survives the process.
//!
//! The simulated disk does the damage; here is which damage, and when.

use synod_fault::DiskFault;
use synod_host::journal::{CallFault, DiskCall, Failure, Times};
use synod_rng::Random;
use synod_simulator::{Crash, Micros};

use super::{Machine, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::monitor::Monitor;

impl Machine {
    /// Lets the disk begin or cease to misbehave.
    pub fn disk(
        &mut self,
        fault: DiskFault,
        begins: bool,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        match fault {
            DiskFault::Slow { ms } => self.slow_ms = if begins { ms.0 } else { 0 },
            DiskFault::Hung => {
                self.hung = begins;
                // A sync whose end came while the disk hung has not been told yet.
                if !begins && std::mem::take(&mut self.stuck) {
                    monitor.tracker.see(Point::HungSyncEnded);
                    world.after(self.address(), Wakeup::Synced, Micros(1));
                }
            }
            DiskFault::Full => {
                self.full = begins;
                self.disk.set_capacity(begins.then_some(0));
            }
            DiskFault::SyncFails => self.inject(DiskCall::Sync, begins),
            DiskFault::WriteFails => self.inject(DiskCall::Write, begins),
            DiskFault::ReadFails => self.inject(DiskCall::Read, begins),
            // Refused before a run: the simulated disk takes each write whole.
            DiskFault::ShortWrites => {}
            DiskFault::PowerFailsAt { operations } => {
                // Of a machine that is down, it fails in the middle of the recovery.
                if begins {
                    self.failing = true;
                    self.disk.halt_after(operations);
                } else if !begins && self.failing {
                    // The operations never came: the power stays on.
                    self.disk.halt_after(u64::MAX / 2);
                    self.failing = false;
                }
            }
            DiskFault::Rot => {
                // Once is enough: a second flip might hit the same bit and mend it.
                if begins && !self.rotten && !self.rot_snapshot(world, monitor) {
                    self.rot(world);
                }
            }
            // The cluster sees to these: others must remember.
            DiskFault::RolledBack | DiskFault::MadeAnew | DiskFault::Foreign => {}
        }
    }

    pub(super) fn leave_disk(&mut self, crash: Crash, world: &mut SimWorld) {
        self.disk = match crash {
            Crash::Kill => self.disk.kill(),
            Crash::Power => {
                // All is lost, all is kept, or every sector for itself.
                let mood = world.chance().below(4);
                self.disk.crash(|choice| choose(mood, choice.options, world.chance()))
            }
        };
        self.disk.set_capacity(self.full.then_some(0));
        self.failing = false;
        self.injected = false;
    }

    fn inject(&mut self, operation: DiskCall, begins: bool) {
        if begins {
            self.injected = true;
            let times = Times::Once;
            self.disk.inject(CallFault { operation, after: 0, times, failure: Failure::Io });
        } else if !begins && std::mem::take(&mut self.injected) {
            self.disk.clear_faults();
        }
    }

    /// Flips a bit of the newest snapshot, wherever in its file; tells whether it did. Where there
    /// is one, half of what rots is it.
    fn rot_snapshot(&mut self, world: &mut SimWorld, monitor: &mut Monitor) -> bool {
        let folder = super::folders::snapshots();
        let names = synod_host::journal::Disk::list(&self.disk, folder).unwrap_or_default();
        let newest = names.into_iter().filter(|name| name.ends_with(".snap")).max();
        // A node without peers has nobody to have its state from.
        let Some(name) = newest.filter(|_| self.nodes.len() > 1) else { return false };
        let draw = world.chance().next_u64();
        if draw & 1 == 0 {
            return false;
        }
        self.disk.tamper(&folder.join(name), |bytes| {
            let place = usize::try_from((draw >> 8) % bytes.len().max(1) as u64).unwrap_or(0);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << ((draw >> 1) & 7);
            }
        });
        self.rotten = true;
        world.say(|| format!("a bit of the newest snapshot of node {} flips", self.node));
        world.felt_disk(self.place(), |fault| fault == DiskFault::Rot);
        monitor.tracker.see(Point::SnapshotRotten);
        true
    }

    /// Flips a bit of a segment that was completed before the present one.
    fn rot(&mut self, world: &mut SimWorld) {
        let journal = std::path::Path::new("journal");
        let names = synod_host::journal::Disk::list(&self.disk, journal).unwrap_or_default();
        let mut segments: Vec<String> = names.into_iter().filter(|name| is_segment(name)).collect();
        segments.sort_unstable();
        // The last two are the active segment and the one that is made ahead of it.
        let old = segments.len().saturating_sub(2);
        let Some(name) = world.chance().pick(&segments[..old]).cloned() else { return };
        let draw = world.chance().next_u64();
        self.rotten = true;
        self.disk.tamper(&journal.join(name), |bytes| {
            // The last pages of a segment may be unused: what is flipped lies in the first half.
            let place = usize::try_from(draw % (bytes.len() as u64 / 2).max(1)).unwrap_or(0);
            if let Some(byte) = bytes.get_mut(place) {
                // The place took the low bits of the draw; the bit is chosen by the highest ones.
                *byte ^= 1 << (draw >> 61);
            }
        });
        world.felt_disk(self.place(), |fault| fault == DiskFault::Rot);
    }
}

fn is_segment(name: &str) -> bool {
    name.starts_with("segment-") && name.ends_with(".log")
}

pub(super) fn is_failure(fault: DiskFault) -> bool {
    match fault {
        DiskFault::SyncFails
        | DiskFault::WriteFails
        | DiskFault::ReadFails
        | DiskFault::PowerFailsAt { .. } => true,
        DiskFault::Slow { .. }
        | DiskFault::Hung
        | DiskFault::Full
        | DiskFault::ShortWrites
        | DiskFault::Rot
        | DiskFault::RolledBack
        | DiskFault::MadeAnew
        | DiskFault::Foreign => false,
    }
}

/// Picks what became of one un-synced thing when the power failed.
fn choose(mood: u64, options: usize, chance: &mut Random) -> usize {
    match mood {
        0 => 0,
        1 => options - 1,
        _ => usize::try_from(chance.below(options as u64)).unwrap_or(0),
    }
}
