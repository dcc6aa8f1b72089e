//! The room on the disk: when a replica is told that its disk is full, and when that it is fine.
//!
//! The journal counts what it was given; what was taken in and has not become a record yet is
//! counted here. The claim kept true: what an input leads to fits into the room that was left when
//! it was taken, so that no write ever meets a full disk.

use synod_journal::Room;
use synod_smr::Disk;

use crate::settings::Settings;

/// What is known of the room.
#[derive(Clone, Debug)]
pub(crate) struct DiskRoom {
    room: Room,
    /// Bytes of commits that were given out since the room was told.
    given: u64,
    /// Bytes of inputs that may have become records and are in no commit yet.
    taken: u64,
    disk: Disk,
}

impl DiskRoom {
    pub(crate) const fn new(room: Room) -> Self {
        Self { room, given: 0, taken: 0, disk: Disk::Fine }
    }

    /// Takes note of the room, with all that was given out counted.
    pub(crate) const fn on_room(&mut self, room: Room) {
        self.room = room;
        self.given = 0;
    }

    /// Takes note of a commit that was given out.
    pub(crate) const fn on_commit(&mut self, bytes: u64) {
        self.given += bytes;
    }

    /// Takes note that the inputs so far are in commits, or have left nothing behind.
    pub(crate) const fn on_batch(&mut self) {
        self.taken = 0;
    }

    pub(crate) const fn disk(&self) -> Disk {
        self.disk
    }

    /// Takes note of an input of so many bytes, and says if the disk became full, or has room
    /// again, as seen before it is taken; `waiting` is what the commits take that wait.
    pub(crate) fn before_input(
        &mut self,
        bytes: usize,
        waiting: u64,
        settings: &Settings,
    ) -> Option<Disk> {
        self.taken += bytes as u64 + RECORD_OVERHEAD_BYTES;
        let room = self.left(waiting);
        let disk = match self.disk {
            Disk::Fine if room < settings.full_below_bytes => Disk::Full,
            Disk::Full if room > settings.fine_above_bytes => Disk::Fine,
            Disk::Fine | Disk::Full => return None,
        };
        self.disk = disk;
        Some(disk)
    }

    /// Counts how many of these decrees, of so many bytes each, the room holds without the disk
    /// becoming full, but at least one; returns their bytes as well, with what a record costs.
    ///
    /// Room is made a segment at a time, and copies may be more than that at once on a disk that
    /// has space: the rest is asked for again.
    pub(crate) fn fit(
        &self,
        weights: impl Iterator<Item = usize>,
        waiting: u64,
        settings: &Settings,
    ) -> (usize, usize) {
        let kept_back = settings.full_below_bytes + RECORD_OVERHEAD_BYTES;
        let room = self.left(waiting).saturating_sub(kept_back);
        let (mut count, mut bytes) = (0, 0);
        for weight in weights {
            let more = bytes + weight as u64 + RECORD_OVERHEAD_BYTES;
            if count > 0 && more > room {
                break;
            }
            (count, bytes) = (count + 1, more);
        }
        (count, usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn left(&self, waiting: u64) -> u64 {
        self.room.for_work.saturating_sub(self.taken + self.given + waiting)
    }
}

/// What an input may cost in the journal beyond its own bytes.
const RECORD_OVERHEAD_BYTES: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_before_the_input_that_would_not_fit() {
        let settings =
            Settings { full_below_bytes: 1_000, fine_above_bytes: 2_000, ..Settings::default() };
        let at = |for_work| Room { total: for_work + 500, for_work };
        let mut room = DiskRoom::new(at(10_000));
        assert_eq!(room.before_input(8_000, 0, &settings), None);
        assert_eq!(
            room.before_input(1_000, 0, &settings),
            Some(Disk::Full),
            "both are not written"
        );
        assert_eq!(room.before_input(0, 0, &settings), None, "it was said");
        room.on_batch();
        room.on_commit(9_300);
        assert_eq!(room.before_input(0, 0, &settings), None, "a commit is on its way");
        room.on_room(at(1_900));
        assert_eq!(room.before_input(0, 0, &settings), None, "not enough to be fine again");
        room.on_room(at(4_000));
        assert_eq!(room.before_input(0, 1_900, &settings), None, "commits wait");
        assert_eq!(room.before_input(0, 0, &settings), Some(Disk::Fine));
    }
}
