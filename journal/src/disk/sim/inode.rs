//! One simulated file: what is on the disk, what a process reads, and what lies between.
//!
//! Names are left to `names`. Claim kept: a sector is on the disk as it was after some write since
//! its last sync, each sector by itself; and a failed sync forgets what it should have written, as
//! Linux does, so that the next sync succeeds and writes none of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::{Effect, SECTOR_BYTES};

/// The number of a file on a simulated disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct InodeId(pub(super) u64);

/// One file.
#[derive(Clone, Default)]
pub(super) struct Inode {
    /// Shared with what survived a crash, until either changes.
    cached: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    /// What the writes since the last sync left behind, in order.
    owed: Vec<Owed>,
    /// The lengths that the file had since its last sync, in order.
    lengths: Vec<usize>,
    reserved: u64,
}

/// All sectors that one write touched, as it left them.
#[derive(Clone)]
struct Owed {
    first_sector: usize,
    /// Where they end in the file: inside the last sector only where the file ended there.
    stop: usize,
    /// What they hold; none as long as the page cache still holds that, as no later write touched
    /// any of them.
    kept: Option<Vec<u8>>,
}

impl Owed {
    fn start(&self) -> usize {
        self.first_sector * SECTOR_BYTES
    }

    /// Returns what the sectors hold, of a file that is so in the page cache.
    fn contents<'c>(&'c self, cached: &'c [u8]) -> &'c [u8] {
        self.kept.as_deref().unwrap_or_else(|| &cached[self.start()..self.stop])
    }

    /// Lists the sectors by number.
    fn sectors<'c>(&'c self, cached: &'c [u8]) -> impl Iterator<Item = (usize, &'c [u8])> {
        (self.first_sector..).zip(self.contents(cached).chunks(SECTOR_BYTES))
    }
}

impl Inode {
    pub(super) fn new(reserved: u64) -> Self {
        Self { reserved, ..Self::default() }
    }

    pub(super) fn cached(&self) -> &[u8] {
        &self.cached
    }

    /// The room that the file takes.
    pub(super) fn footprint(&self) -> u64 {
        self.reserved.max(self.cached.len() as u64)
    }

    /// The room that the file would take with a write of so many bytes at `offset`.
    pub(super) fn footprint_with(&self, bytes: usize, offset: u64) -> u64 {
        self.footprint().max(offset + bytes as u64)
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.cached.len());
        let bytes = buffer.len().min(self.cached.len() - start);
        buffer[..bytes].copy_from_slice(&self.cached[start..start + bytes]);
        bytes
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        let first_sector = offset / SECTOR_BYTES;
        let touched = first_sector * SECTOR_BYTES..end.next_multiple_of(SECTOR_BYTES);
        for owed in self.owed.iter_mut().filter(|owed| owed.kept.is_none()) {
            let held = owed.start()..owed.stop;
            if held.start < touched.end && touched.start < held.end {
                owed.kept = Some(self.cached[held].to_vec());
            }
        }
        let cached = Arc::make_mut(&mut self.cached);
        if end > cached.len() {
            self.lengths.push(end);
        }
        set_aside(cached, self.reserved);
        put(cached, offset, bytes);
        let stop = cached.len().min(touched.end);
        self.owed.push(Owed { first_sector, stop, kept: None });
    }

    /// Writes back everything owed, or forgets it when the sync fails.
    pub(super) fn sync(&mut self, passed: io::Result<()>) -> io::Result<()> {
        // It is taken before the outcome is asked, as a sync that fails forgets it all the same.
        let owed = std::mem::take(&mut self.owed);
        let lengths = std::mem::take(&mut self.lengths);
        passed?;
        let durable = Arc::make_mut(&mut self.durable);
        set_aside(durable, self.reserved);
        let length = lengths.last().copied().unwrap_or(durable.len());
        // In order, so that the youngest contents of each sector stay: a file never becomes
        // shorter, and they cover all older ones.
        for owed in &owed {
            let (start, contents) = (owed.start().min(length), owed.contents(&self.cached));
            put(durable, start, &contents[..contents.len().min(length - start)]);
        }
        durable.resize(length, 0);
        Ok(())
    }

    /// Returns the file as a power loss leaves it.
    pub(super) fn crashed(&self, choose: &mut dyn FnMut(Effect, usize) -> usize) -> Self {
        let mut durable = Arc::clone(&self.durable);
        if !self.lengths.is_empty() {
            // One choice more than there are versions: the first is what the disk had before.
            let chosen = choose(Effect::Length, self.lengths.len() + 1);
            if let Some(version) = chosen.checked_sub(1) {
                Arc::make_mut(&mut durable).resize(self.lengths[version], 0);
            }
        }
        let mut sectors: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
        for (sector, contents) in self.owed.iter().flat_map(|owed| owed.sectors(&self.cached)) {
            sectors.entry(sector).or_default().push(contents);
        }
        for (sector, versions) in sectors {
            let chosen = choose(Effect::Sector, versions.len() + 1);
            if let Some(version) = chosen.checked_sub(1) {
                place(Arc::make_mut(&mut durable).as_mut_slice(), sector, versions[version]);
            }
        }
        Self { cached: Arc::clone(&durable), durable, ..Self::default() }
    }

    pub(super) fn tamper(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(Arc::make_mut(&mut self.cached));
        self.durable = Arc::clone(&self.cached);
        self.owed.clear();
        self.lengths.clear();
    }
}

/// Sets memory aside for as many bytes as a file has room for on the disk, within a bound: most
/// files become as long as that.
fn set_aside(file: &mut Vec<u8>, reserved: u64) {
    let room = usize::try_from(reserved).unwrap_or(usize::MAX).min(SET_ASIDE_BYTES);
    if file.capacity() < room {
        file.reserve_exact(room - file.len());
    }
}

/// How much memory is set aside for a file at once.
const SET_ASIDE_BYTES: usize = 1 << 20;

/// Puts bytes into a file, which becomes longer as far as they reach past its end.
fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset {
        file.resize(offset, 0);
    }
    let inside = bytes.len().min(file.len() - offset);
    file[offset..offset + inside].copy_from_slice(&bytes[..inside]);
    file.extend_from_slice(&bytes[inside..]);
}

/// Puts a sector where it belongs, as far as the file reaches.
fn place(file: &mut [u8], sector: usize, contents: &[u8]) {
    let start = (sector * SECTOR_BYTES).min(file.len());
    let stop = (start + contents.len()).min(file.len());
    file[start..stop].copy_from_slice(&contents[..stop - start]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Inode {
        let mut inode = Inode::new(0);
        inode.write(&[1; SECTOR_BYTES * 2], 0);
        inode.sync(Ok(())).expect("no fault");
        inode.write(&[2; SECTOR_BYTES * 2], 0);
        inode
    }

    #[test]
    fn a_crash_keeps_each_sector_by_itself() {
        let mut first = true;
        let torn = written().crashed(&mut |effect, _| {
            assert_eq!(effect, Effect::Sector);
            usize::from(!std::mem::take(&mut first))
        });
        assert_eq!(torn.cached()[..SECTOR_BYTES], [1; SECTOR_BYTES]);
        assert_eq!(torn.cached()[SECTOR_BYTES..], [2; SECTOR_BYTES]);
    }

    #[test]
    fn a_failed_sync_forgets_and_the_next_one_succeeds() {
        let mut inode = written();
        assert!(inode.sync(Err(io::ErrorKind::Other.into())).is_err());
        assert!(inode.sync(Ok(())).is_ok());
        assert_eq!(inode.cached()[0], 2, "the page cache shows the bytes");
        let after = inode.crashed(&mut |_, options| options - 1);
        assert_eq!(after.cached()[0], 1, "the disk never had them");
    }

    #[test]
    fn a_write_may_begin_inside_the_file_at_its_end_or_past_it() {
        let mut inode = Inode::new(0);
        for (bytes, offset) in [(&b"abcd"[..], 0), (b"EF", 3), (b"g", 5), (b"h", 8), (b"", 1)] {
            inode.write(bytes, offset);
        }
        assert_eq!(inode.cached(), b"abcEFg\0\0h");
        inode.sync(Ok(())).expect("no fault");
        assert_eq!(inode.crashed(&mut |_, _| 0).cached(), b"abcEFg\0\0h");
        inode.write(&[7; 600], 9);
        inode.sync(Err(io::ErrorKind::Other.into())).expect_err("it forgets the length, too");
        inode.write(b"x", 600);
        inode.sync(Ok(())).expect("no fault");
        assert_eq!(inode.crashed(&mut |_, _| 0).cached(), b"abcEFg\0\0h");
    }

    /// Each of several writes into one sector is a version of its own, and a later write changes
    /// none of them.
    #[test]
    fn a_crash_finds_each_version_of_a_sector_that_was_written_again() {
        let mut inode = Inode::new(0);
        inode.write(&[0; 3 * SECTOR_BYTES], 0);
        inode.sync(Ok(())).expect("no fault");
        inode.write(&[1; SECTOR_BYTES + 10], 0);
        inode.write(&[2; 10], SECTOR_BYTES + 10);
        inode.write(&[3; 10], SECTOR_BYTES + 20);
        let second = |version: usize| {
            let mut sector = 0;
            let after = inode.crashed(&mut |effect, _| {
                assert_eq!(effect, Effect::Sector);
                sector += 1;
                if sector == 2 { version } else { 0 }
            });
            assert_eq!(after.cached()[..SECTOR_BYTES], [0; SECTOR_BYTES]);
            [0, 10, 20, 30].map(|past| after.cached()[SECTOR_BYTES + past])
        };
        assert_eq!(second(0), [0, 0, 0, 0]);
        assert_eq!(second(1), [1, 0, 0, 0]);
        assert_eq!(second(2), [1, 2, 0, 0]);
        assert_eq!(second(3), [1, 2, 3, 0]);
        inode.sync(Ok(())).expect("no fault");
        assert_eq!(inode.crashed(&mut |_, _| 0).cached(), inode.cached());
    }

    #[test]
    fn a_lost_length_takes_the_bytes_with_it() {
        let mut inode = Inode::new(0);
        inode.write(b"abc", 0);
        let after = inode.crashed(&mut |effect, options| match effect {
            Effect::Length => 0,
            Effect::Sector | Effect::DirectoryEntry => options - 1,
        });
        assert_eq!(after.cached(), b"");
    }
}
