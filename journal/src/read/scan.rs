//! Reading a segment: frame after frame while they are good, and searching for headers past a bad
//! one.
//!
//! What a bad frame means is left to `recovery`. Claim kept: a frame is handed out only when its
//! header belongs to this place, follows the frame before it, and its body carries its checksum;
//! memory stays below one frame and one read-ahead, and below the segment.

use std::io;

use crate::disk::{self, DiskFile};
use crate::format::frame::{BODY_START, FRAME_ALIGN, FRAME_HEADER_BYTES, FRAME_MAGIC, PAGE_BYTES};
use crate::format::frame::{FrameHeader, FrameHome, FrameKind, narrow};
use crate::format::segment::{FRAMES_START, SegmentHeader};

/// Bytes that recovery reads at a time.
pub(crate) const READ_AHEAD_BYTES: usize = 256 << 10;

/// A buffered view of a file.
pub(crate) struct Window<'f, F> {
    file: &'f F,
    /// Its first `held` bytes are those of the file from `start` on.
    buffer: Vec<u8>,
    held: usize,
    start: u64,
    /// Where the file ends: no memory is set aside for what is not there.
    end: u64,
    /// How much is read at a time at present, and at most.
    ahead: usize,
    ahead_max: usize,
}

impl<'f, F: DiskFile> Window<'f, F> {
    /// Reads `ahead` bytes at first, and each time twice as many up to `ahead_max`, where no more
    /// are asked for, of a file of `end` bytes.
    pub(crate) fn new(file: &'f F, end: u64, ahead: usize, ahead_max: usize) -> Self {
        Self { file, buffer: Vec::new(), held: 0, start: 0, end, ahead, ahead_max }
    }

    /// Returns so many bytes from `offset` on, fewer where the file ends.
    pub(crate) fn get(&mut self, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        let held = self.start..=self.start + self.held as u64;
        if !held.contains(&offset) || !held.contains(&(offset + bytes as u64)) {
            let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
            let wanted = bytes.max(self.ahead).min(left);
            if self.buffer.len() < wanted {
                // What it holds is of no use past this, and need not be copied.
                self.buffer = vec![0; wanted];
            }
            self.ahead = (2 * self.ahead).min(self.ahead_max);
            // After an error the buffer holds neither what was there nor what was asked for, and
            // must not be taken for either.
            (self.start, self.held) = (offset, 0);
            self.held = disk::read_full_at(self.file, &mut self.buffer[..wanted], offset)?;
        }
        let from = narrow(offset - self.start) as usize;
        let to = self.held.min(from + bytes);
        Ok(&self.buffer[from..to])
    }
}

/// A walk over the good frames of one segment.
pub(crate) struct FrameIter<'f, F> {
    window: Window<'f, F>,
    home: FrameHome,
    capacity: u64,
    /// Where the last good frame ended.
    position: u64,
    /// The walk began in the middle: what the first frame follows is not known.
    midway: bool,
    finished: bool,
}

impl<'f, F: DiskFile> FrameIter<'f, F> {
    /// Starts at the first frame.
    pub(crate) fn new(file: &'f F, header: &SegmentHeader) -> Self {
        let mut walk = Self::midway(file, header, FRAMES_START, PAGE_BYTES as usize);
        // Most of a segment may be zeros past the last frame, which are not looked at.
        walk.window.ahead_max = READ_AHEAD_BYTES;
        walk.midway = false;
        walk
    }

    /// Starts at a frame known to stand at `offset`.
    pub(crate) fn midway(file: &'f F, header: &SegmentHeader, offset: u32, ahead: usize) -> Self {
        Self {
            window: Window::new(file, u64::from(header.capacity), ahead, ahead),
            home: header.home(),
            capacity: u64::from(header.capacity),
            position: u64::from(offset),
            midway: true,
            finished: false,
        }
    }

    /// Returns the next good frame and its body, or `None` where there is none.
    pub(crate) fn step(&mut self) -> io::Result<Option<(FrameHeader, &[u8])>> {
        if self.finished {
            return Ok(None);
        }
        let Some(header) = self.find()? else { return Ok(None) };
        let (offset, bytes) = (u64::from(header.offset), header.body_bytes as usize);
        let body = offset + BODY_START as u64;
        if !header.owns(self.window.get(body, bytes)?) {
            return Ok(None);
        }
        // Not before: where the body is bad, the walk stops at the end of the frame before this
        // one, which is where a tail is cut.
        self.position = header.end();
        self.midway = false;
        self.finished = header.kind == FrameKind::End;
        Ok(Some((header, self.window.get(body, bytes)?)))
    }

    /// Returns where the last good frame ended.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Tells whether an end frame was met.
    pub(crate) fn finished(&self) -> bool {
        self.finished
    }

    /// Looks where the next frame may stand: at once, or as a seal on the next page.
    fn find(&mut self) -> io::Result<Option<FrameHeader>> {
        if let Some(header) = self.header_at(self.position)? {
            return Ok(Some(header));
        }
        // A seal and an end frame go to the next page where the log ends within one; data never
        // does.
        let page = self.position.next_multiple_of(PAGE_BYTES);
        if page == self.position {
            return Ok(None);
        }
        let header = self.header_at(page)?;
        Ok(header.filter(|header| header.kind != FrameKind::Data))
    }

    fn header_at(&mut self, offset: u64) -> io::Result<Option<FrameHeader>> {
        if offset + FRAME_HEADER_BYTES as u64 > self.capacity {
            return Ok(None);
        }
        let bytes = self.window.get(offset, FRAME_HEADER_BYTES)?;
        let header = FrameHeader::decode(bytes, self.home, narrow(offset));
        Ok(header.filter(|header| {
            // A frame of an earlier write may stand behind a torn one, whole and under the right
            // salt: the chain tells that one is missing between.
            let chained = self.midway || u64::from(header.follows) == self.position;
            chained && header.end() <= self.capacity
        }))
    }
}

/// Searches for headers that belong to the segment, at or past `from`, until `wanted` takes one.
///
/// The bodies are not looked at: a whole header proves that the frame was being written.
pub(crate) fn search<F: DiskFile>(
    file: &F,
    segment: &SegmentHeader,
    from: u64,
    mut wanted: impl FnMut(&FrameHeader) -> bool,
) -> io::Result<Option<FrameHeader>> {
    // Mostly the first page has what is looked for, so more is read at a time by and by.
    let mut at_once = PAGE_BYTES as usize;
    let mut window = Window::new(file, u64::from(segment.capacity), at_once, at_once);
    let home = segment.home();
    // Frames stand at multiples of eight alone, so the words there are all that is looked at.
    let mut chunk_start = from.next_multiple_of(FRAME_ALIGN);
    loop {
        let chunk = window.get(chunk_start, at_once)?;
        let length = chunk.len();
        for place in places_of_magic(chunk) {
            let offset = chunk_start + place as u64;
            let Ok(at) = u32::try_from(offset) else { return Ok(None) };
            // A header may reach past the chunk, so it is read by itself.
            let mut bytes = [0; FRAME_HEADER_BYTES];
            let read = disk::read_full_at(file, &mut bytes, offset)?;
            let header = FrameHeader::decode(&bytes[..read], home, at);
            if let Some(header) = header.filter(|header| wanted(header)) {
                return Ok(Some(header));
            }
        }
        // Fewer than were asked for are the last ones of the file.
        if length < at_once {
            return Ok(None);
        }
        chunk_start += length as u64;
        at_once = (2 * at_once).min(READ_AHEAD_BYTES);
    }
}

/// Returns how many bytes from `from` on, in a file of `end` bytes, reach to the last one that is
/// not zero.
pub(crate) fn used_bytes<F: DiskFile>(file: &F, end: u64, from: u64) -> io::Result<u64> {
    let mut window = Window::new(file, end, READ_AHEAD_BYTES, READ_AHEAD_BYTES);
    let (mut offset, mut used) = (from, 0);
    loop {
        let chunk = window.get(offset, READ_AHEAD_BYTES)?;
        if let Some(last) = last_used(chunk) {
            used = offset + last as u64 + 1 - from;
        }
        if chunk.len() < READ_AHEAD_BYTES {
            return Ok(used);
        }
        offset += chunk.len() as u64;
    }
}

/// Returns the place of the last byte that is not zero.
fn last_used(chunk: &[u8]) -> Option<usize> {
    // Most of a segment is zeros, which are passed many at a time.
    let mut end = chunk.len();
    for block in chunk.rchunks(ZEROS_AT_ONCE) {
        if block.iter().fold(0, |seen, byte| seen | byte) != 0 {
            return chunk[..end].iter().rposition(|byte| *byte != 0);
        }
        end -= block.len();
    }
    None
}

fn places_of_magic(chunk: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let words = chunk.chunks(FRAME_ALIGN as usize).enumerate();
    let matching = words.filter(|(_, word)| word.first_chunk() == Some(&FRAME_MAGIC));
    matching.map(|(index, _)| index * FRAME_ALIGN as usize)
}

const ZEROS_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_in_use_is_found_wherever_it_stands() {
        for length in 0..3 * ZEROS_AT_ONCE {
            let mut chunk = vec![0; length];
            assert_eq!(last_used(&chunk), None);
            for place in 0..length {
                chunk[place] = 1;
                assert_eq!(last_used(&chunk), Some(place), "of {length}");
            }
        }
    }
}
