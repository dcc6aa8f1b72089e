//! The room on the disk: how much the replica may record, and when its disk counts as full.
//!
//! The claim kept true is an inequality: the frames of all that is recorded <= the cost of the
//! records <= the room given before the step = what the journal takes for certain, less the commits
//! given out and those that wait. It holds whatever the step is: a vote, a copy, a part of a
//! promise that makes the replica propose, or a proof that lets it go on. So no commit is ever
//! larger than the room, and no write meets a full disk.
//!
//! Of that room the journal keeps a reserve back for promises. "Full" is said where the disk itself
//! refused the next segment, and not where that is still being made; a replica for whose records
//! there is no room then waits.

use synod_journal::FreeSpace;
use synod_paxos::RecordRoom;
use synod_smr::Disk;

use crate::settings::Settings;

/// What is known of the room.
#[derive(Clone, Debug)]
pub(crate) struct DiskRoom {
    room: FreeSpace,
    /// Bytes of commits that were given out since the room was told.
    given: u64,
    disk: Disk,
}

impl DiskRoom {
    pub(crate) const fn new(room: FreeSpace) -> Self {
        Self { room, given: 0, disk: Disk::Fine }
    }

    /// Takes note of the room, with all that was given out counted.
    pub(crate) const fn on_room(&mut self, room: FreeSpace) {
        self.room = room;
        self.given = 0;
    }

    /// Takes note of a commit that was given out.
    pub(crate) const fn on_commit(&mut self, bytes: u64) {
        self.given += bytes;
    }

    pub(crate) const fn disk(&self) -> Disk {
        self.disk
    }

    /// Says whether the disk became full, or has room again; `unwritten` is what is recorded, or
    /// waits in commits, and was not given out.
    pub(crate) fn look(&mut self, unwritten: u64, settings: &Settings) -> Option<Disk> {
        let left = self.left(unwritten);
        let scarce = left.for_work < settings.full_below_bytes;
        let disk = match self.disk {
            Disk::Fine if left.refused && scarce => Disk::Full,
            Disk::Full if !left.refused && !scarce => Disk::Fine,
            Disk::Fine | Disk::Full => return None,
        };
        self.disk = disk;
        Some(disk)
    }

    /// Returns the room for records; `waiting` is what the commits take that were not given out.
    pub(crate) const fn for_records(&self, waiting: u64) -> RecordRoom {
        let left = self.left(waiting);
        RecordRoom { work: left.for_work, promises: left.total }
    }

    /// Returns what is left once so many bytes more are written.
    pub(crate) const fn left(&self, unwritten: u64) -> FreeSpace {
        self.room.less(self.given + unwritten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(for_work: u64, refused: bool) -> FreeSpace {
        FreeSpace { total: for_work + 500, for_work, refused }
    }

    #[test]
    fn a_disk_is_full_where_it_refused_room_and_little_is_left() {
        let settings = Settings { full_below_bytes: 1_000, ..Settings::default() };
        let mut room = DiskRoom::new(at(900, false));
        assert_eq!(room.look(0, &settings), None, "the next segment is being made");
        room.on_room(at(10_000, true));
        assert_eq!(room.look(9_000, &settings), None, "there is room enough in this segment");
        assert_eq!(room.look(9_001, &settings), Some(Disk::Full));
        assert_eq!(room.look(9_001, &settings), None, "it was said");
        room.on_commit(9_300);
        room.on_room(at(700, false));
        assert_eq!(room.look(0, &settings), None, "the next segment is on its way");
        room.on_room(at(4_000, false));
        assert_eq!(room.look(3_500, &settings), None, "commits wait");
        assert_eq!(room.look(0, &settings), Some(Disk::Fine));
    }

    #[test]
    fn what_was_given_out_and_what_waits_is_no_room_any_more() {
        let mut room = DiskRoom::new(at(10_000, false));
        room.on_commit(4_000);
        let left = RecordRoom { work: 5_000, promises: 5_500 };
        assert_eq!(room.for_records(1_000), left);
        assert_eq!(room.for_records(6_200), RecordRoom { work: 0, promises: 300 });
        assert_eq!(room.for_records(9_999), RecordRoom { work: 0, promises: 0 });
    }
}
