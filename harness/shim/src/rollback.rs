//! What a power loss takes: from the records of a file to what has to stand in it.
//!
//! A change that a sync covers is durable. One that no sync covers, or that stood before a sync
//! that failed, is lost, kept or torn as the dice say; a disk writes in an order of its own, so a
//! later one may stay where an earlier one goes. Nothing here touches a file. The claim kept true:
//! bytes of a durable change are never restored to what stood there before.

use std::collections::BTreeMap;
use std::ops::Range;

use synod_rng::Random;

use crate::log::{Event, FileKey, Kept, Record};

/// What has to be done to one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRollback {
    /// Bytes that get back what stood there, in this order.
    pub restores: Vec<Restore>,
    /// How large the file is afterwards.
    pub size: u64,
    /// How many changes are taken back, wholly or in part.
    pub taken: u64,
    /// How many were not synced, and stay.
    pub kept: u64,
}

/// Bytes that get back what stood there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// Which bytes of the file.
    pub bytes: Range<u64>,
    /// What stood there, as far as it goes; zeros behind it.
    pub kept: Kept,
}

/// What becomes of changes that no sync covers.
#[derive(Debug)]
pub enum Dice {
    /// All are lost.
    AllLost,
    /// Each is lost, kept or torn.
    Drawn(Random),
}

/// Decides for every file what is taken back; files of which nothing is taken are left out.
#[must_use]
pub fn decide(records: &[Record], dice: &mut Dice) -> BTreeMap<FileKey, FileRollback> {
    let mut files: BTreeMap<FileKey, Vec<&Record>> = BTreeMap::new();
    for record in records {
        if let Event::SyncAll(_) = record.event {
            let of_device = files
                .iter_mut()
                .filter(|(file, _)| record.file.device == 0 || record.file.device == file.device);
            of_device.for_each(|(_, of_file)| of_file.push(record));
            continue;
        }
        let of_file = files.entry(record.file).or_default();
        // Whatever stood under this number belonged to another file, of which nothing is left to
        // restore.
        if record.event == Event::New {
            of_file.clear();
        }
        of_file.push(record);
    }
    let decided = files.into_iter().map(|(file, records)| (file, decide_file(&records, dice)));
    decided.filter(|(_, rollback)| rollback.taken > 0).collect()
}

/// Decides for one file.
fn decide_file(records: &[&Record], dice: &mut Dice) -> FileRollback {
    let changes = changes(records, dice);
    let mut rollback = FileRollback {
        size: records.first().map_or(0, |record| record.size),
        ..FileRollback::default()
    };
    for change in &changes {
        match (change.what, change.fate) {
            (What::Bytes { offset, .. }, Fate::Kept { bytes }) if bytes > 0 => {
                rollback.size = rollback.size.max(offset + bytes);
            }
            (What::Size(size), Fate::Kept { .. }) => rollback.size = size,
            (What::Bytes { .. } | What::Cut { .. } | What::Size(_), _) => {}
        }
    }
    let mut standing = Standing::default();
    // What stands before the first loss is nobody's to restore, and most of a log.
    let first = changes.iter().position(Change::is_hurt).unwrap_or(changes.len());
    rollback.kept = changes[..first].iter().filter(|change| !change.is_synced).count() as u64;
    // From the latest back to the first: what a later change left standing must not be overwritten
    // by what an earlier one had found there.
    for change in changes[first..].iter().rev() {
        let lost = match (change.what, change.fate) {
            (What::Bytes { offset, length, kept }, Fate::Kept { bytes }) => {
                standing.add(offset..offset + bytes);
                (bytes < length).then_some((offset, offset + bytes..offset + length, kept))
            }
            (
                What::Bytes { offset, length, kept } | What::Cut { offset, length, kept },
                Fate::Lost,
            ) => Some((offset, offset..offset + length, kept)),
            (What::Size(size), Fate::Kept { .. }) => {
                standing.add(size..u64::MAX);
                None
            }
            (What::Cut { .. }, Fate::Kept { .. }) | (What::Size(_), Fate::Lost) => None,
        };
        rollback.taken += u64::from(change.is_hurt());
        rollback.kept += u64::from(!change.is_hurt() && !change.is_synced);
        if let Some((offset, bytes, kept)) = lost {
            let free = standing.without(bytes.start..bytes.end.min(rollback.size));
            rollback.restores.extend(free.into_iter().map(|bytes| restore(offset, bytes, kept)));
        }
    }
    rollback
}

/// Makes the restoring of a part of what a record keeps from `offset` on.
fn restore(offset: u64, bytes: Range<u64>, kept: Kept) -> Restore {
    let skipped = (bytes.start - offset).min(kept.length);
    let length = (kept.length - skipped).min(bytes.end - bytes.start);
    Restore { bytes, kept: Kept { at: kept.at + skipped, length } }
}

/// A change of a file.
#[derive(Clone, Copy, Debug)]
struct Change {
    number: u64,
    call: u64,
    what: What,
    fate: Fate,
    is_synced: bool,
}

impl Change {
    /// Tells whether something of it is lost.
    fn is_hurt(&self) -> bool {
        self.fate != Fate::Kept { bytes: length_of(self.what) }
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Bytes were written.
    Bytes { offset: u64, length: u64, kept: Kept },
    /// Bytes were cut off.
    Cut { offset: u64, length: u64, kept: Kept },
    /// The file got this size.
    Size(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its first bytes are there.
    Kept { bytes: u64 },
    /// Nothing of it is there.
    Lost,
}

/// Returns the changes in their order, with what becomes of each.
fn changes(records: &[&Record], dice: &mut Dice) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    // Those from here on are not covered by a sync, nor lost by one that failed.
    let mut open: Vec<usize> = Vec::new();
    for Record { number, call, event, .. } in records {
        let what = match *event {
            Event::Write { offset, length, kept } => What::Bytes { offset, length, kept },
            Event::Cut { offset, length, kept } => What::Cut { offset, length, kept },
            Event::Size(size) => What::Size(size),
            Event::Short(bytes) => {
                shorten(&mut changes, *call, bytes);
                continue;
            }
            Event::Sync(before) | Event::SyncAll(before) => {
                settle(&mut changes, &mut open, before, true);
                continue;
            }
            Event::Lost(before) => {
                settle(&mut changes, &mut open, before, false);
                continue;
            }
            Event::New | Event::Touch => continue,
        };
        open.push(changes.len());
        let fate = Fate::Kept { bytes: length_of(what) };
        changes.push(Change { number: *number, call: *call, what, fate, is_synced: true });
    }
    draw(&mut changes, &open, dice);
    changes
}

/// Lets only the first bytes of a call have happened: a size that was refused did not change. A
/// file is changed by one call at a time, so that its changes are the last ones.
fn shorten(changes: &mut [Change], call: u64, bytes: u64) {
    let others = changes.iter().rev().take_while(|change| change.call == call).count();
    let first = changes.len() - others;
    let mut left = bytes;
    for change in &mut changes[first..] {
        if let What::Bytes { length, .. } = &mut change.what {
            *length = left.min(*length);
            left -= *length;
            change.fate = Fate::Kept { bytes: *length };
        } else {
            change.what = What::Bytes { offset: 0, length: 0, kept: Kept::default() };
            change.fate = Fate::Kept { bytes: 0 };
        }
    }
}

/// Takes those before a record off the open ones: they are durable, or lost for good.
fn settle(changes: &mut [Change], open: &mut Vec<usize>, before: u64, durable: bool) {
    open.retain(|place| {
        let change = &mut changes[*place];
        if change.number >= before {
            return true;
        }
        if !durable {
            lose(change);
        }
        false
    });
}

/// Draws what becomes of those that no sync covers; the parts of a cut share it.
fn draw(changes: &mut [Change], open: &[usize], dice: &mut Dice) {
    let mut of_cuts: BTreeMap<u64, bool> = BTreeMap::new();
    for place in open {
        let change = &mut changes[*place];
        change.is_synced = false;
        let random = match dice {
            Dice::AllLost => {
                lose(change);
                continue;
            }
            Dice::Drawn(random) => random,
        };
        match change.what {
            What::Bytes { length, .. } => match random.below(4) {
                0 => {}
                1 => {
                    let sectors = random.below(length / SECTOR_BYTES + 1);
                    change.fate = Fate::Kept { bytes: (sectors * SECTOR_BYTES).min(length) };
                }
                _ => lose(change),
            },
            What::Cut { .. } | What::Size(_) => {
                // A call that cuts a file left several records, which the disk takes or leaves
                // together.
                let is_lost = *of_cuts.entry(change.call).or_insert_with(|| random.below(2) == 0);
                if is_lost {
                    lose(change);
                }
            }
        }
    }
}

fn lose(change: &mut Change) {
    if length_of(change.what) > 0 {
        change.fate = Fate::Lost;
    }
}

/// Returns how much of a change can be kept: a change of the size is one piece.
const fn length_of(what: What) -> u64 {
    match what {
        What::Bytes { length, .. } | What::Cut { length, .. } => length,
        What::Size(_) => 1,
    }
}

/// Bytes in which later changes stand that stay: the end of each range, by its begin. No two of
/// them touch.
#[derive(Debug, Default)]
struct Standing(BTreeMap<u64, u64>);

impl Standing {
    fn add(&mut self, bytes: Range<u64>) {
        if bytes.is_empty() {
            return;
        }
        let mut joined = bytes;
        while let Some((start, end)) = self.0.range(..=joined.end).next_back()
            && *end >= joined.start
        {
            let (start, end) = (*start, *end);
            joined = joined.start.min(start)..joined.end.max(end);
            self.0.remove(&start);
        }
        self.0.insert(joined.start, joined.end);
    }

    /// Returns the parts of a range in which nothing stands.
    fn without(&self, bytes: Range<u64>) -> Vec<Range<u64>> {
        let (mut free, mut from) = (Vec::new(), bytes.start);
        // The ranges are joined, so one at most reaches in from before.
        let before = self.0.range(..bytes.start).next_back();
        for (start, end) in before.into_iter().chain(self.0.range(bytes.start..)) {
            if *start >= bytes.end {
                break;
            }
            if from < *start {
                free.push(from..*start);
            }
            from = from.max(*end);
        }
        if from < bytes.end {
            free.push(from..bytes.end);
        }
        free
    }
}

/// What a disk writes as one.
const SECTOR_BYTES: u64 = 512;

#[cfg(test)]
mod tests {
    use synod_rng::{Seed, Stream};

    use super::*;

    const FILE: FileKey = FileKey { device: 1, inode: 7 };

    /// A file with its log, as a shim writes it.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        log: Vec<u8>,
        records: Vec<Record>,
        calls: u64,
        /// What each write wrote, by the number of its record.
        written: BTreeMap<u64, u8>,
    }

    impl Disk {
        fn of(bytes: &[u8]) -> Self {
            Self { bytes: bytes.to_vec(), ..Self::default() }
        }

        fn record(&mut self, event: Event) {
            let number = self.records.len() as u64;
            let size = self.bytes.len() as u64;
            let (call, time) = (self.calls, 0);
            self.records.push(Record { number, call, file: FILE, size, time, event });
        }

        fn keep(&mut self, offset: usize, length: usize) -> Kept {
            let end = (offset + length).min(self.bytes.len()).max(offset.min(self.bytes.len()));
            let stood = &self.bytes[offset.min(end)..end];
            let zeros = stood.iter().rev().take_while(|byte| **byte == 0).count();
            let kept = Kept { at: self.log.len() as u64, length: (stood.len() - zeros) as u64 };
            self.log.extend_from_slice(&stood[..stood.len() - zeros]);
            kept
        }

        fn write(&mut self, offset: usize, bytes: &[u8]) {
            self.calls += 1;
            let kept = self.keep(offset, bytes.len());
            let length = bytes.len() as u64;
            self.written.insert(self.records.len() as u64, bytes[0]);
            self.record(Event::Write { offset: offset as u64, length, kept });
            put(&mut self.bytes, offset, bytes);
        }

        fn cut(&mut self, size: usize) {
            self.calls += 1;
            if let Some(length) = self.bytes.len().checked_sub(size).filter(|length| *length > 0) {
                let kept = self.keep(size, length);
                let (offset, length) = (size as u64, length as u64);
                self.record(Event::Cut { offset, length, kept });
            }
            self.record(Event::Size(size as u64));
            self.bytes.resize(size, 0);
        }

        fn sync(&mut self) {
            self.calls += 1;
            self.record(Event::Sync(self.records.len() as u64));
        }

        /// Does what is decided, and returns what then stands in the file.
        fn after(&self, dice: &mut Dice) -> Vec<u8> {
            let mut bytes = self.bytes.clone();
            let Some(rollback) = decide(&self.records, dice).remove(&FILE) else { return bytes };
            for Restore { bytes: range, kept } in rollback.restores {
                let mut stood = vec![0; (range.end - range.start) as usize];
                let from = &self.log[kept.at as usize..(kept.at + kept.length) as usize];
                stood[..from.len()].copy_from_slice(from);
                put(&mut bytes, range.start as usize, &stood);
            }
            bytes.resize(rollback.size as usize, 0);
            bytes
        }
    }

    fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
        if !new.is_empty() {
            let end = offset + new.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[offset..end].copy_from_slice(new);
        }
    }

    fn all_lost(disk: &Disk) -> Vec<u8> {
        disk.after(&mut Dice::AllLost)
    }

    #[test]
    fn what_is_synced_stays_and_what_is_not_goes() {
        let mut disk = Disk::of(b"");
        disk.write(0, b"first");
        disk.sync();
        disk.write(5, b"second");
        assert_eq!(all_lost(&disk), b"first");
        disk.write(0, b"FI");
        assert_eq!(all_lost(&disk), b"first");
        disk.sync();
        assert_eq!(all_lost(&disk), b"FIrstsecond");
        disk.cut(2);
        assert_eq!(all_lost(&disk), b"FIrstsecond");
        disk.cut(4);
        disk.sync();
        disk.write(9, b"x");
        assert_eq!(all_lost(&disk), b"FI\0\0");
    }

    #[test]
    fn a_sync_that_failed_loses_what_it_covers_for_good() {
        let mut disk = Disk::of(b"aaaa");
        disk.write(0, b"bbbb");
        disk.record(Event::Lost(1));
        disk.write(2, b"c");
        disk.sync();
        assert_eq!(all_lost(&disk), b"aaca", "a later sync does not cover it, and keeps its own");
    }

    #[test]
    fn what_was_not_written_is_not_taken_back() {
        let mut disk = Disk::of(b"aa");
        disk.calls += 1;
        let kept = disk.keep(2, 8);
        disk.record(Event::Write { offset: 2, length: 8, kept });
        disk.record(Event::Short(1));
        put(&mut disk.bytes, 2, b"b");
        disk.sync();
        disk.calls += 1;
        disk.record(Event::Size(99));
        disk.record(Event::Short(0));
        disk.write(0, b"x");
        assert_eq!(all_lost(&disk), b"aab");
    }

    #[test]
    fn records_of_another_file_of_its_number_are_none_of_it() {
        let mut disk = Disk::of(b"old");
        disk.write(0, b"OLD");
        disk.bytes.clear();
        disk.record(Event::New);
        disk.write(0, b"new");
        disk.sync();
        assert_eq!(all_lost(&disk), b"new");
    }

    #[test]
    fn a_sync_of_all_covers_the_files_that_there_are_on_its_device() {
        let mut disk = Disk::of(b"aaaa");
        disk.write(0, b"b");
        disk.record(Event::SyncAll(1));
        disk.write(1, b"c");
        assert_eq!(all_lost(&disk), b"baaa");
        let last = disk.records.len() as u64;
        disk.record(Event::SyncAll(last));
        if let Some(record) = disk.records.last_mut() {
            record.file = FileKey { device: 2, inode: 0 };
        }
        assert_eq!(all_lost(&disk), b"baaa", "that was another disk");
        disk.record(Event::SyncAll(last));
        if let Some(record) = disk.records.last_mut() {
            record.file = FileKey { device: 0, inode: 0 };
        }
        assert_eq!(all_lost(&disk), b"bcaa");
    }

    /// Half of so many changes lie apart from one another and stay, and each call was cut short: a
    /// look at all that came before it for each of them would take hours.
    #[test]
    fn many_changes_are_decided_as_few_are() {
        let mut records = Vec::new();
        let mut push = |call, event| {
            let (number, size, time) = (records.len() as u64, 0, 0);
            records.push(Record { number, call, file: FILE, size, time, event });
        };
        push(0, Event::Write { offset: 0, length: 1, kept: Kept::default() });
        push(0, Event::Lost(1));
        for call in 1..=300_000 {
            let offset = call % 2 * (1 << 40) + call * 10;
            push(call, Event::Write { offset, length: 9, kept: Kept::default() });
            push(call, Event::Short(8));
        }
        push(300_001, Event::Sync(600_002));
        let decided = decide(&records, &mut Dice::AllLost);
        let rollback = &decided[&FILE];
        assert_eq!((rollback.taken, rollback.kept, rollback.restores.len()), (1, 0, 1));
        assert_eq!(rollback.size, (1 << 40) + 299_999 * 10 + 8);
    }

    /// Whatever the dice say, the file is what those changes make of it that stay, in their order.
    #[test]
    fn a_file_is_what_its_changes_make_of_it_that_stay() {
        for seed in 0..3_000 {
            let mut random = Random::new(Seed(seed), Stream::named("disk"));
            let before = vec![b'.'; random.below(12) as usize];
            let mut disk = Disk::of(&before);
            for letter in b'a'..b'a' + random.between(1, 14) as u8 {
                let offset = random.below(16) as usize;
                match random.below(8) {
                    0 => disk.cut(offset),
                    1 | 2 => disk.sync(),
                    3 => disk.record(Event::Lost(disk.records.len() as u64)),
                    _ => disk.write(offset, &vec![letter; random.between(1, 9) as usize]),
                }
            }
            let dice = || match seed % 3 {
                0 => Dice::AllLost,
                _ => Dice::Drawn(Random::new(Seed(seed), Stream::named("dice"))),
            };
            let mut expected = before;
            let records: Vec<&Record> = disk.records.iter().collect();
            for change in changes(&records, &mut dice()) {
                let Fate::Kept { bytes } = change.fate else { continue };
                match change.what {
                    What::Bytes { offset, length, .. } => {
                        let letter = disk.written[&change.number];
                        let written = vec![letter; bytes.min(length) as usize];
                        put(&mut expected, offset as usize, &written);
                    }
                    What::Size(size) => expected.resize(size as usize, 0),
                    What::Cut { .. } => {}
                }
            }
            assert_eq!(disk.after(&mut dice()), expected, "seed {seed}");
        }
    }
}
