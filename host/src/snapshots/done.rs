//! What a host does when work on snapshots is done.
//!
//! When a snapshot is begun, and when the log below may go, is left to the module above. The claim
//! kept true: what an installed state stands for is read from the journal no more, before the
//! replica goes on from it.

use synod_paxos::Slot;
use synod_smr::{Executor, Input, StateMachine};

use super::order::{Scrubbed, SnapshotDone};
use crate::host::Host;

impl<M: StateMachine> Host<M> {
    /// Takes in how work on snapshots went. What it brings about becomes outputs with the next
    /// flush.
    pub fn on_snapshot(&mut self, done: SnapshotDone<M>) {
        match done {
            SnapshotDone::Taken { slot, bytes } => {
                tracing::info!(slot = slot.number(), bytes, "a snapshot is durable");
                self.counts.snapshots_taken += 1;
                let mended = self.snapshots.on_taken(slot, bytes);
                self.tell_mended(mended, slot);
            }
            SnapshotDone::NotTaken => {
                self.counts.snapshots_failed += 1;
                self.snapshots.on_not_taken();
            }
            SnapshotDone::Kept { slot, end } => {
                self.snapshots.on_keeping(false);
                self.step(Input::Kept { slot, end });
            }
            SnapshotDone::NotKept => {
                self.counts.snapshots_not_kept += 1;
                self.snapshots.on_keeping(false);
                self.step(Input::NotKept);
            }
            SnapshotDone::Installed(state) => self.install(*state),
            SnapshotDone::Read { to, part, damaged } => {
                self.counts.damaged_snapshot_reads += u64::from(damaged.is_some());
                if let Some(slot) = damaged {
                    self.on_damaged_snapshot(slot);
                }
                self.on_part(to, part);
            }
            SnapshotDone::LetGo => {}
            SnapshotDone::Scrubbed(read) => self.on_scrubbed(&read),
        }
    }

    /// Goes on from the state of another node. The index passes over its slots before the replica
    /// does: what the journal holds of them is told to nobody from here on.
    fn install(&mut self, state: Executor<M>) {
        let slot = state.applied();
        let mended = self.snapshots.on_installed(slot);
        self.tell_mended(mended, slot);
        self.counts.snapshots_installed += 1;
        if slot > self.replica.paxos().chosen() {
            tracing::info!(slot = slot.number(), "going on from a snapshot of another node");
            self.slots.pass_over(slot);
        }
        // A leader that is bound proposes behind it, and records no more than there is room for.
        self.tell_room();
        self.counts.steps += 1;
        self.replica.install(state, &mut self.effects);
    }

    /// Takes note that a snapshot of this node is damaged: another one is taken in its place.
    pub(crate) fn on_damaged_snapshot(&mut self, slot: Slot) {
        tracing::error!(slot = slot.number(), "a snapshot is damaged, another one takes its place");
        self.counts.snapshots_damaged += 1;
        self.snapshots.on_damage(slot);
    }

    fn on_scrubbed(&mut self, read: &Scrubbed) {
        self.counts.scrubbed_bytes += read.bytes;
        self.snapshots.scrub.on_read(self.stages.now(), read, &self.settings.scrub);
        if read.is_damaged {
            self.on_damaged_snapshot(read.slot);
        } else if read.is_last && read.bytes > 0 {
            self.counts.scrub_rounds += 1;
            tracing::debug!(slot = read.slot.number(), "the newest snapshot is whole");
        }
    }

    fn tell_mended(&mut self, mended: bool, slot: Slot) {
        if mended {
            self.counts.snapshots_repaired += 1;
            tracing::info!(
                slot = slot.number(),
                "a whole snapshot stands in a damaged one's place"
            );
        }
    }
}
