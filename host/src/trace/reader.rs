//! A trace, read again: one event after the other.
//!
//! The claim kept true: an event whose end is missing, as its writer was killed, never took place
//! and is left out; everything before it is given back.

use std::io::{self, Read};

use bytes::Bytes;

use super::event::{EVENT_BYTES_MAX, HEADER_BYTES, TraceEvent, foreign};

/// Reads the trace of one life, one event after the other.
///
/// A life that was killed ends in the middle of an event, which never took place: it is left out.
///
/// ```
/// use synod_host::{TraceRecorder, TraceEvent, TraceReader};
/// use synod_paxos::Slot;
///
/// let mut recorder = TraceRecorder::new(1 << 20);
/// recorder.on_began(12, 3, Slot::new(7));
/// let bytes = recorder.bytes();
/// let mut whole = TraceReader::new(bytes);
/// let began = TraceEvent::Began { at_ns: 12, incarnation: 3, state_at: Slot::new(7) };
/// assert_eq!(whole.next().transpose()?, Some(began));
/// assert!(whole.next().is_none());
/// assert!(TraceReader::new(&bytes[..bytes.len() - 1]).next().is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TraceReader<R> {
    input: R,
    is_over: bool,
}

impl<R: Read> TraceReader<R> {
    /// Reads what a recorder made. Each event is two small reads, so a file wants a buffer.
    pub const fn new(input: R) -> Self {
        Self { input, is_over: false }
    }

    /// Reads the next event, unless the trace ends before its end.
    fn read(&mut self) -> io::Result<Option<TraceEvent>> {
        let mut header = [0; HEADER_BYTES];
        if !fill(&mut self.input, &mut header)? {
            return Ok(None);
        }
        let [tag, length @ ..] = header;
        let length = u32::from_le_bytes(length);
        if length > EVENT_BYTES_MAX {
            return Err(foreign(format!("an event of {length} bytes")));
        }
        let mut payload = vec![0; length as usize];
        if !fill(&mut self.input, &mut payload)? {
            return Ok(None);
        }
        TraceEvent::decode(tag, &Bytes::from(payload)).map(Some)
    }
}

impl<R: Read> Iterator for TraceReader<R> {
    type Item = io::Result<TraceEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read().transpose();
        self.is_over = !matches!(read, Some(Ok(_)));
        read
    }
}

/// Fills a buffer; tells whether there was enough.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
