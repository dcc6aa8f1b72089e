//! Frames on a stream: four bytes of length, little endian, then the payload.
//!
//! What it leaves to others: streams and their limits. The claim it keeps true: a length is
//! compared with the limit before a byte is set aside for it, and memory grows only with what has
//! really arrived.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::limits::{READ_BUFFER_BYTES, READ_STEP_BYTES, WRITE_BATCH_BYTES, WRITE_COPY_BYTES_MAX};

/// Bytes of a length prefix.
pub(crate) const PREFIX_BYTES: usize = 4;

/// Tells that the other end announced more than it may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes exceeds the limit of {limit}")]
pub(crate) struct FrameTooLong {
    pub(crate) length: usize,
    pub(crate) limit: usize,
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub(crate) struct FrameDecoder {
    limit: usize,
    buffer: BytesMut,
    /// The length of the frame under assembly, once its prefix was read and found lawful.
    expected: Option<usize>,
}

impl FrameDecoder {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, buffer: BytesMut::new(), expected: None }
    }

    /// Sets the limit for the frames that follow.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes in what arrived.
    ///
    /// The bytes are copied: a frame that is kept then pins a small buffer of its neighbours and
    /// not the large one that the socket filled.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let step = bytes.len().min(READ_STEP_BYTES);
            let (head, rest) = bytes.split_at(step);
            if self.buffer.capacity() - self.buffer.len() < step {
                self.buffer.reserve(step.max(READ_BUFFER_BYTES));
            }
            self.buffer.extend_from_slice(head);
            bytes = rest;
        }
    }

    /// Gives the next whole frame, if it is there.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Bytes>, FrameTooLong> {
        let length = match self.expected {
            Some(length) => length,
            None if self.buffer.len() < PREFIX_BYTES => return Ok(None),
            None => {
                let length = self.buffer.get_u32_le() as usize;
                if length > self.limit {
                    return Err(FrameTooLong { length, limit: self.limit });
                }
                self.expected = Some(length);
                length
            }
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.expected = None;
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Whether a frame was begun and not ended.
    pub(crate) fn has_part(&self) -> bool {
        self.expected.is_some() || !self.buffer.is_empty()
    }
}

/// Joins frames into the chunks of one write: short payloads are copied, long ones passed along.
#[derive(Debug, Default)]
pub(crate) struct FrameEncoder {
    buffer: BytesMut,
}

impl FrameEncoder {
    /// Appends the frames to `chunks`, which one write then sends.
    pub(crate) fn encode(&mut self, frames: impl Iterator<Item = Bytes>, chunks: &mut Vec<Bytes>) {
        for frame in frames {
            if self.buffer.capacity() == self.buffer.len() {
                self.buffer.reserve(WRITE_BATCH_BYTES / 8);
            }
            self.buffer.put_u32_le(length_prefix(&frame));
            if frame.len() <= WRITE_COPY_BYTES_MAX {
                self.buffer.extend_from_slice(&frame);
            } else {
                // What was gathered before goes first on the stream, the prefix of this frame at
                // its end.
                chunks.push(self.buffer.split().freeze());
                chunks.push(frame);
            }
        }
        if !self.buffer.is_empty() {
            chunks.push(self.buffer.split().freeze());
        }
    }
}

/// Encodes one short frame by itself.
pub(crate) fn encode_one(payload: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(PREFIX_BYTES + payload.len());
    buffer.put_u32_le(length_prefix(payload));
    buffer.extend_from_slice(payload);
    buffer.freeze()
}

fn length_prefix(payload: &[u8]) -> u32 {
    // Queues refuse frames beyond their lane's limit, which is far below this.
    u32::try_from(payload.len()).expect("a frame is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn encode(frames: &[Bytes]) -> Vec<u8> {
        let mut chunks = Vec::new();
        FrameEncoder::default().encode(frames.iter().cloned(), &mut chunks);
        chunks.concat()
    }

    fn sample() -> Vec<Bytes> {
        [0, 1, 3, 4, 5, WRITE_COPY_BYTES_MAX, WRITE_COPY_BYTES_MAX + 1, 0, 200_000, 7]
            .iter()
            .enumerate()
            .map(|(tag, length)| Bytes::from(vec![tag as u8; *length]))
            .collect()
    }

    fn decode(bytes: &[u8], step: usize) -> Vec<Bytes> {
        let mut decoder = FrameDecoder::new(LIMIT);
        let mut frames = Vec::new();
        for piece in bytes.chunks(step) {
            decoder.push(piece);
            while let Some(frame) = decoder.next_frame().unwrap() {
                frames.push(frame);
            }
        }
        assert!(!decoder.has_part());
        frames
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let bytes = encode(&sample());
        for step in [1, 2, 3, 5, 1200, READ_STEP_BYTES, bytes.len()] {
            assert_eq!(decode(&bytes, step), sample(), "pieces of {step}");
        }
    }

    #[test]
    fn one_frame_encodes_as_a_batch_of_one() {
        assert_eq!(encode_one(b"abc").to_vec(), encode(&[Bytes::from_static(b"abc")]));
        assert_eq!(encode_one(b"abc").to_vec(), b"\x03\x00\x00\x00abc");
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_memory_is_set_aside() {
        for length in [LIMIT as u32 + 1, u32::MAX] {
            let mut decoder = FrameDecoder::new(LIMIT);
            decoder.push(&length.to_le_bytes());
            let before = decoder.buffer.capacity();
            let refused = FrameTooLong { length: length as usize, limit: LIMIT };
            assert_eq!(decoder.next_frame(), Err(refused));
            assert!(decoder.buffer.capacity() <= before && before <= READ_BUFFER_BYTES);
        }
    }

    #[test]
    fn a_lawful_length_sets_nothing_aside_until_its_bytes_arrive() {
        let mut decoder = FrameDecoder::new(LIMIT);
        decoder.push(&(LIMIT as u32).to_le_bytes());
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.buffer.capacity() <= READ_BUFFER_BYTES);
        assert!(decoder.has_part());
    }
}
