//! Snapshots: when the state is written down, and when the log below may go.
//!
//! Reading and writing is left to `work`, on whichever thread may wait for the disk. A snapshot is
//! begun when the journal has grown by half of what it may hold past one; once it is durable, that
//! is recorded, and the log below the one before it goes when the record is durable. So peers that
//! lag little are given decrees, and there is always a snapshot under what is gone. In place of one
//! that is damaged another is taken at once, as the state is in memory. The claims kept
//! true: nothing goes that no durable snapshot stands for; what a record below promised is recorded
//! again before; and below an installed snapshot nothing is read back.

mod done;
pub(crate) mod for_clients;
pub(crate) mod order;
pub(crate) mod parts;
pub(crate) mod scrub;
pub(crate) mod unread;
pub(crate) mod work;

use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::Slot;

use for_clients::{ClientSnapshotLimits, ForClients};
use scrub::Scrub;

/// What a host knows of its snapshots.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    /// The slot of the newest one that is durable, and that of the one before it; the first slot
    /// where there is none.
    newest: Slot,
    before: Slot,
    /// How many bytes the newest one has, and the one that is received.
    newest_bytes: u64,
    keeping_bytes: u64,
    /// The slot of the newest one that was taken as the log had grown, or of one that others took.
    /// Those that clients ask for come as often as they are asked for: were the log to go below
    /// them, peers that lag little would find no decrees.
    grown: Slot,
    /// What is given to clients.
    pub(crate) for_clients: ForClients,
    /// What is read again.
    pub(crate) scrub: Scrub,
    /// Below this slot the log is to go, once that is recorded.
    to_cut: Option<Slot>,
    /// What was given to the journal since the newest one was begun, by earlier lives too.
    bytes: u64,
    under_way: UnderWay,
    /// The slot of one that is damaged and has nothing whole in its place, and how long the next
    /// attempt to replace it waits.
    damaged: Option<Slot>,
    repair_at: Option<Moment>,
    /// Whether the machine gives none.
    is_refused: bool,
    /// Until when a peer that asked for a part is waited for, and how many bytes it is given in
    /// all.
    pulled_until: Option<Moment>,
    pulled_bytes: u64,
}

/// Which orders are out: one of each kind at most, and one that writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct UnderWay {
    taking: Option<Cause>,
    keeping: bool,
    reading: bool,
}

/// Why a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The log has grown, and is to go.
    Log,
    /// A client asks for one, and the log stays.
    Client,
    /// The newest one is damaged.
    Repair,
}

/// After how long it is tried again to replace a damaged snapshot, where that came to nothing.
const REPAIR_REST: Duration = Duration::from_secs(5);

/// For how long the next snapshot waits for a peer that was given a part of this one: with it the
/// part that it asks for next would go, and all that it has kept.
///
/// A peer takes as long for a part as its way and its disk do, each several seconds, and says a
/// word that was lost again after four seconds at most. To wait for one that is gone costs little:
/// the log has its bound all the same.
const PULL_PATIENCE: Duration = Duration::from_secs(20);

impl Snapshots {
    /// Begins with the newest snapshot, and what the records past it take in the journal: were they
    /// not counted, a node that is started again and again would take none, and keep its whole log.
    pub(crate) fn new(newest: Slot, bytes: u64) -> Self {
        Self {
            newest,
            before: newest,
            newest_bytes: 0,
            keeping_bytes: 0,
            grown: newest,
            for_clients: ForClients::default(),
            scrub: Scrub::default(),
            to_cut: None,
            bytes,
            under_way: UnderWay::default(),
            damaged: None,
            repair_at: None,
            is_refused: false,
            pulled_until: None,
            pulled_bytes: 0,
        }
    }

    /// Returns the slot of the newest snapshot, if there is one.
    pub(crate) fn newest(&self) -> Option<Slot> {
        (self.newest > Slot::FIRST).then_some(self.newest)
    }

    /// Returns how many bytes the newest one has, where that is known.
    pub(crate) const fn newest_bytes(&self) -> u64 {
        self.newest_bytes
    }

    /// Takes note of how long the one is that this life began with.
    pub(crate) const fn on_found(&mut self, bytes: u64) {
        self.newest_bytes = bytes;
    }

    /// Takes note that the one of this slot is damaged: it counts as none from here on.
    pub(crate) fn on_damage(&mut self, slot: Slot) {
        self.damaged = self.damaged.max(Some(slot));
        if self.newest == slot {
            (self.newest, self.newest_bytes) = (Slot::FIRST, 0);
            // No peer can be waited for that pulls it.
            self.pulled_until = None;
        }
    }

    /// Returns the slot of a damaged one that has nothing whole in its place.
    pub(crate) const fn damaged(&self) -> Option<Slot> {
        self.damaged
    }

    /// Takes note of a whole one, and tells whether it stands in the place of a damaged one.
    fn mend(&mut self, slot: Slot) -> bool {
        self.damaged.take_if(|damaged| *damaged <= slot).is_some()
    }

    /// Takes note of what is given to the journal.
    pub(crate) const fn on_commit(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Says why a snapshot of a state at `applied` is to be begun, if it is.
    pub(crate) fn due(&self, now: Moment, applied: Slot, log_bytes: u64) -> Option<Cause> {
        let UnderWay { taking, keeping, .. } = self.under_way;
        let is_pulled = self.pulled_until.is_some_and(|until| now < until);
        // A peer that pulls without end must not let the log grow without end. As far as the
        // snapshot itself is long it may, or a state that takes longer to pull than the log takes
        // to fill would be replaced before any peer has it whole.
        let waits = is_pulled && self.bytes < log_bytes.max(self.pulled_bytes);
        if applied <= self.newest || taking.is_some() || keeping || self.is_refused || waits {
            return None;
        }
        if self.bytes >= log_bytes / 2 {
            return Some(Cause::Log);
        }
        if self.damaged.is_some_and(|damaged| damaged <= applied)
            && self.repair_at.is_none_or(|at| at <= now)
        {
            return Some(Cause::Repair);
        }
        self.for_clients.wants_one(now, self.newest, applied).then_some(Cause::Client)
    }

    /// Tells whether a snapshot of this node's own state is being taken.
    pub(crate) const fn is_taking(&self) -> bool {
        self.under_way.taking.is_some()
    }

    /// Tells whether the machine gives no snapshots.
    pub(crate) const fn gives_none(&self) -> bool {
        self.is_refused
    }

    /// Takes note that a snapshot is begun.
    pub(crate) fn on_begun(&mut self, now: Moment, cause: Cause, limits: &ClientSnapshotLimits) {
        self.under_way.taking = Some(cause);
        match cause {
            Cause::Log => self.bytes = 0,
            Cause::Client => self.for_clients.on_begun(now, limits),
            Cause::Repair => self.repair_at = Some(now + REPAIR_REST),
        }
    }

    /// Takes note that the machine gives no snapshots: its log is kept whole.
    pub(crate) const fn on_refused(&mut self) {
        self.is_refused = true;
    }

    /// Takes note that a snapshot of this node's own state is durable; tells whether it stands in
    /// the place of a damaged one.
    pub(crate) fn on_taken(&mut self, slot: Slot, bytes: u64) -> bool {
        let cause = self.under_way.taking.take();
        self.newest_bytes = bytes;
        self.newest = slot;
        if cause == Some(Cause::Log) {
            self.before = std::mem::replace(&mut self.grown, slot);
            // Below the first one of all nothing goes: peers that lag little are still given
            // decrees.
            self.to_cut = (self.before > Slot::FIRST).then_some(self.before).or(self.to_cut);
        }
        self.mend(slot)
    }

    /// Takes note that a snapshot was not made; the next one is begun when the log has grown again.
    pub(crate) const fn on_not_taken(&mut self) {
        self.under_way.taking = None;
        self.for_clients.on_not_taken();
    }

    /// Tells whether a part of another node's snapshot may be written.
    pub(crate) fn may_keep(&self) -> bool {
        self.under_way.taking.is_none() && !self.under_way.keeping
    }

    pub(crate) const fn on_keeping(&mut self, keeping: bool) {
        self.under_way.keeping = keeping;
    }

    /// Takes note that a part of a snapshot of so many bytes is to be written.
    pub(crate) const fn on_part(&mut self, total: u64) {
        self.under_way.keeping = true;
        self.keeping_bytes = total;
    }

    /// Takes note that a snapshot of another node is durable here, and is gone on from; tells
    /// whether it stands in the place of a damaged one.
    pub(crate) fn on_installed(&mut self, slot: Slot) -> bool {
        self.under_way.keeping = false;
        if slot > self.newest {
            (self.newest, self.before, self.grown) = (slot, slot, slot);
            self.newest_bytes = self.keeping_bytes;
            self.to_cut = Some(slot);
            self.bytes = 0;
        }
        self.mend(slot)
    }

    /// Tells whether a part may be read for a peer, and takes note of it.
    pub(crate) fn begin_read(&mut self, now: Moment) -> bool {
        self.pulled_until = Some(now + PULL_PATIENCE);
        !std::mem::replace(&mut self.under_way.reading, true)
    }

    /// Takes note of how an order to read ended: with a part of so many bytes in all, or with none.
    pub(crate) fn on_read(&mut self, now: Moment, total: Option<u64>) {
        self.under_way.reading = false;
        if let Some(total) = total {
            // The disk may have taken long for it, and the peer has it after that.
            self.pulled_until = Some(now + PULL_PATIENCE);
            self.pulled_bytes = total;
        }
    }

    /// Returns the slot below which the log may go, which is to be recorded.
    pub(crate) const fn to_cut(&self) -> Option<Slot> {
        self.to_cut
    }

    /// Takes note that it is on its way to the journal.
    pub(crate) const fn on_recorded(&mut self) {
        self.to_cut = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use for_clients::{ClientWish, NodeStance};
    use synod_smr::{Connection, NoPart};

    const LOG_BYTES: u64 = 100;

    /// The next snapshot would take the one away that the peer has the half of.
    #[test]
    fn a_snapshot_that_is_pulled_stays_until_the_log_is_as_long() {
        let (newest, now) = (Slot::new(7), Moment::from_nanos(0));
        let mut snapshots = Snapshots::new(newest, 0);
        let due =
            |snapshots: &Snapshots, now| snapshots.due(now, newest.next(), LOG_BYTES).is_some();
        assert!(snapshots.begin_read(now) && !snapshots.begin_read(now), "one at a time");
        snapshots.on_read(now, Some(3 * LOG_BYTES));
        snapshots.on_commit(3 * LOG_BYTES - 1);
        assert!(!due(&snapshots, now));
        assert!(due(&snapshots, now + PULL_PATIENCE), "the peer asks for nothing any more");
        snapshots.on_commit(1);
        assert!(due(&snapshots, now), "the log has a bound");
    }

    /// Clients that make backups must not take the log away that peers catch up from.
    #[test]
    fn what_a_client_asks_for_lets_nothing_of_the_log_go_and_keeps_nothing_of_it() {
        let (now, limits) = (Moment::from_nanos(0), ClientSnapshotLimits::default());
        let mut snapshots = Snapshots::new(Slot::new(7), 10);
        let due =
            |snapshots: &Snapshots, applied| snapshots.due(now, Slot::new(applied), LOG_BYTES);
        assert_eq!(due(&snapshots, 9), None);
        let wish =
            ClientWish { connection: Connection(1), covers: Slot::new(9), of: None, offset: 0 };
        let node = NodeStance { newest: Slot::new(7), applied: Slot::new(9), taking: false };
        let asked = snapshots.for_clients.begin_read(now, wish, node, (&limits, 10));
        assert_eq!(asked, Err(NoPart::Taking));
        assert_eq!(due(&snapshots, 8), None, "it is not applied so far");
        assert_eq!(due(&snapshots, 9), Some(Cause::Client));
        snapshots.on_begun(now, Cause::Client, &limits);
        assert_eq!(due(&snapshots, 9), None, "one at a time");
        snapshots.on_taken(Slot::new(9), 0);
        assert_eq!((snapshots.newest(), snapshots.to_cut()), (Some(Slot::new(9)), None));
        assert_eq!(due(&snapshots, 20), None, "it was asked for once");
        // The client reads it, and what the log has grown by since the last one of its own counts
        // on all the same.
        let node = NodeStance { newest: Slot::new(9), ..node };
        let asked = snapshots.for_clients.begin_read(now, wish, node, (&limits, 10));
        assert!(asked.is_ok());
        snapshots.for_clients.on_read(Some(10), &limits);
        snapshots.on_commit(40);
        assert_eq!(due(&snapshots, 20), Some(Cause::Log));
        snapshots.on_begun(now, Cause::Log, &limits);
        snapshots.on_taken(Slot::new(20), 0);
        assert_eq!(snapshots.to_cut(), Some(Slot::new(7)));
    }
}
