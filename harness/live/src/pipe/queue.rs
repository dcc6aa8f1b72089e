//! What waits in one direction of one connection, in its order: bytes, and the end of the stream.
//!
//! Nothing overtakes anything: what is due earlier than what came before it waits for that. Time is
//! an input: nothing here reads a clock, or owns a socket.

use std::collections::VecDeque;
use std::time::Duration;

use synod_fault::Passage;
use synod_report::StreamCounts;

/// What waits, in its order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    last_due: Duration,
}

/// One thing that waits.
#[derive(Debug)]
pub(super) struct Item {
    due: Duration,
    /// Whether it was due while the link was cut.
    held: bool,
    /// What it is.
    pub(super) what: What,
}

/// What can wait.
#[derive(Debug)]
pub(super) enum What {
    /// Bytes, the first of which were given already.
    Bytes(Piece),
    /// The end of the stream; a fault may have forged it.
    End { forged: bool },
    /// The end of the connection; a fault may have forged it.
    Reset { forged: bool },
}

/// Bytes that are given at once, if the receiver takes them.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    /// When it was read.
    read: Duration,
    given: usize,
    marks: Marks,
}

/// What was done to the bytes of a piece.
#[derive(Clone, Copy, Debug)]
struct Marks {
    delayed: bool,
    stalled: bool,
    sliced: bool,
}

impl Queue {
    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns how many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a chunk at the end that was read at `now`, cut into pieces if it is to be.
    ///
    /// Pieces leave one after the other, the last of them being all that is left.
    pub(super) fn push_chunk(&mut self, now: Duration, passage: &Passage, chunk: &[u8]) {
        let mut due = now + passage.delay;
        let marks = Marks {
            delayed: !passage.delay.is_zero(),
            stalled: passage.stalled,
            sliced: passage.piece.is_some(),
        };
        let mut rest = chunk;
        if let Some(size) = passage.piece {
            for _ in 1..PIECES_MAX {
                let Some((piece, more)) = rest.split_at_checked(size.get()) else { break };
                self.push_piece((now, due), piece, marks);
                (rest, due) = (more, due + PIECE_GAP);
            }
        }
        if !rest.is_empty() {
            self.push_piece((now, due), rest, marks);
        }
    }

    /// Puts the end of the stream or the connection behind all that waits.
    pub(super) fn push(&mut self, due: Duration, what: What) {
        self.last_due = self.last_due.max(due);
        self.items.push_back(Item { due: self.last_due, held: false, what });
    }

    /// Returns when the first thing is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.items.front().map(|item| item.due)
    }

    /// Returns the first thing.
    pub(super) fn front(&self) -> Option<&What> {
        self.items.front().map(|item| &item.what)
    }

    /// Takes the first thing away.
    pub(super) fn pop(&mut self) {
        if let Some(Item { what: What::Bytes(piece), .. }) = self.items.pop_front() {
            self.bytes -= piece.rest().len();
        }
    }

    /// Takes note that the receiver was given `count` bytes of the piece that is first.
    pub(super) fn give(&mut self, count: usize, counts: &mut StreamCounts) {
        let Some(Item { what: What::Bytes(piece), .. }) = self.items.front_mut() else { return };
        piece.given += count;
        self.bytes -= count;
        let given = count as u64;
        counts.bytes += given;
        counts.delayed_bytes += if piece.marks.delayed { given } else { 0 };
        counts.stalled_bytes += if piece.marks.stalled { given } else { 0 };
        counts.sliced_bytes += if piece.marks.sliced { given } else { 0 };
        if piece.rest().is_empty() {
            self.items.pop_front();
        }
    }

    /// Takes note that the link is cut at `now`. Returns how many bytes are kept back by that which
    /// were not before.
    pub(super) fn hold(&mut self, now: Duration) -> u64 {
        let mut held = 0;
        for item in self.items.iter_mut().take_while(|item| item.due <= now) {
            if let (What::Bytes(piece), false) = (&item.what, item.held) {
                held += piece.rest().len() as u64;
            }
            item.held = true;
        }
        held
    }

    /// Returns when something is due that is not held already.
    pub(super) fn next_to_hold(&self) -> Option<Duration> {
        self.items.iter().find(|item| !item.held).map(|item| item.due)
    }

    /// Throws everything away.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    fn push_piece(&mut self, (read, due): (Duration, Duration), bytes: &[u8], marks: Marks) {
        self.bytes += bytes.len();
        self.push(due, What::Bytes(Piece { bytes: bytes.to_vec(), read, given: 0, marks }));
    }
}

impl Piece {
    /// Returns when its sender was heard to say it.
    pub(super) const fn read(&self) -> Duration {
        self.read
    }

    /// Returns what the receiver has not been given.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.given..]
    }
}

/// Into how many pieces a chunk is cut at most.
const PIECES_MAX: usize = 16;

/// How long after a piece the next one leaves: enough for the receiver to see the first alone.
const PIECE_GAP: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn delayed(by: u64) -> Passage {
        Passage { delay: ms(by), ..Passage::default() }
    }

    /// Takes all pieces that are due, as one list.
    fn take(queue: &mut Queue, now: Duration, counts: &mut StreamCounts) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        while queue.next_due().is_some_and(|due| due <= now) {
            let Some(What::Bytes(piece)) = queue.front() else { break };
            let rest = piece.rest().to_vec();
            queue.give(rest.len(), counts);
            taken.push(rest);
        }
        taken
    }

    #[test]
    fn nothing_overtakes_what_came_before_it() {
        let (mut queue, mut counts) = (Queue::default(), StreamCounts::default());
        queue.push_chunk(ms(0), &delayed(50), b"slow");
        queue.push_chunk(ms(1), &delayed(0), b"fast");
        queue.push(ms(1), What::End { forged: false });
        assert!(take(&mut queue, ms(49), &mut counts).is_empty());
        assert_eq!(take(&mut queue, ms(50), &mut counts), [b"slow".to_vec(), b"fast".to_vec()]);
        assert_eq!((counts.bytes, counts.delayed_bytes, queue.bytes()), (8, 4, 0));
        assert!(matches!(queue.front(), Some(What::End { forged: false })));
        queue.pop();
        assert!(queue.is_empty());
    }

    #[test]
    fn pieces_are_the_chunk_and_leave_one_after_the_other() {
        let (mut queue, mut counts) = (Queue::default(), StreamCounts::default());
        let passage = Passage { piece: NonZeroUsize::new(3), ..Passage::default() };
        queue.push_chunk(ms(0), &passage, b"abcdefgh");
        assert_eq!(take(&mut queue, ms(0), &mut counts), [b"abc".to_vec()]);
        assert_eq!(take(&mut queue, ms(2), &mut counts), [b"def".to_vec(), b"gh".to_vec()]);
        let long: Vec<u8> = (0..1_000_u32).map(|n| n as u8).collect();
        queue.push_chunk(ms(2), &passage, &long);
        let pieces = take(&mut queue, ms(1_000), &mut counts);
        assert_eq!((pieces.len(), pieces.concat()), (PIECES_MAX, long));
        assert_eq!(counts.sliced_bytes, 1_008);
    }

    #[test]
    fn a_byte_is_held_once_and_only_when_it_is_due() {
        let (mut queue, mut counts) = (Queue::default(), StreamCounts::default());
        queue.push_chunk(ms(0), &delayed(0), b"now");
        queue.push_chunk(ms(0), &delayed(9), b"later");
        queue.give(1, &mut counts);
        assert_eq!((queue.hold(ms(0)), queue.hold(ms(0))), (2, 0));
        assert_eq!(queue.next_to_hold(), Some(ms(9)));
        assert_eq!((queue.hold(ms(9)), queue.next_to_hold()), (5, None));
        assert_eq!(take(&mut queue, ms(9), &mut counts), [b"ow".to_vec(), b"later".to_vec()]);
    }
}
