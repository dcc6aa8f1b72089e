//! The first frames of a stream: what the stream is for, and the hello of both ends.
//!
//! What it leaves to others: identity, which is the certificate's. The claim it keeps true: bytes
//! of another version or of another length are refused and never guessed at.

use bytes::{Buf, BufMut};

use crate::lanes::Epoch;
use crate::limits::WIRE_VERSION;

/// Names one life of a process; the transport carries it and does not interpret it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// Says what a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Control,
    Log(Epoch),
    Bulk,
    Client,
}

/// Opens a conversation; both ends say it, the caller first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) incarnation: Incarnation,
}

/// Tells what is wrong with the first frames of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrefaceError {
    #[error("the other end speaks wire version {0}, this one {WIRE_VERSION}")]
    Version(u16),
    #[error("the stream does not begin as agreed")]
    Malformed,
}

impl StreamKind {
    pub(crate) fn encode(self) -> Vec<u8> {
        let (tag, epoch) = match self {
            Self::Control => (1, 0),
            Self::Log(Epoch(epoch)) => (2, epoch),
            Self::Bulk => (3, 0),
            Self::Client => (4, 0),
        };
        let mut bytes = vec![tag];
        bytes.put_u64_le(epoch);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, PrefaceError> {
        let (&tag, mut rest) = bytes.split_first().ok_or(PrefaceError::Malformed)?;
        let epoch = rest.try_get_u64_le().map_err(|_| PrefaceError::Malformed)?;
        match (tag, epoch, rest) {
            (1, 0, []) => Ok(Self::Control),
            (2, epoch, []) => Ok(Self::Log(Epoch(epoch))),
            (3, 0, []) => Ok(Self::Bulk),
            (4, 0, []) => Ok(Self::Client),
            _ => Err(PrefaceError::Malformed),
        }
    }
}

impl Hello {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = HELLO_MAGIC.to_vec();
        bytes.put_u16_le(WIRE_VERSION);
        bytes.put_u64_le(self.incarnation.0);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, PrefaceError> {
        let mut rest = bytes.strip_prefix(&HELLO_MAGIC).ok_or(PrefaceError::Malformed)?;
        let version = rest.try_get_u16_le().map_err(|_| PrefaceError::Malformed)?;
        // The version comes first, so that a longer hello of a later one is named, not malformed.
        if version != WIRE_VERSION {
            return Err(PrefaceError::Version(version));
        }
        let incarnation = rest.try_get_u64_le().map_err(|_| PrefaceError::Malformed)?;
        if !rest.is_empty() {
            return Err(PrefaceError::Malformed);
        }
        Ok(Self { incarnation: Incarnation(incarnation) })
    }
}

const HELLO_MAGIC: [u8; 4] = *b"SYND";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use super::*;

    /// The bytes of wire version 1; they may never change under this number.
    #[test]
    fn golden_bytes() {
        let hello = Hello { incarnation: Incarnation(0x0102_0304_0506_0708) };
        assert_eq!(hello.encode(), b"SYND\x01\x00\x08\x07\x06\x05\x04\x03\x02\x01");
        assert_eq!(StreamKind::Control.encode(), [1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(StreamKind::Log(Epoch(258)).encode(), [2, 2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(StreamKind::Bulk.encode(), [3, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(StreamKind::Client.encode(), [4, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let hello = Hello { incarnation: Incarnation(u64::MAX) };
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        for kind in
            [StreamKind::Control, StreamKind::Log(Epoch(9)), StreamKind::Bulk, StreamKind::Client]
        {
            assert_eq!(StreamKind::decode(&kind.encode()), Ok(kind));
        }
    }

    #[test]
    fn every_other_length_and_every_changed_byte_is_refused_or_differs() {
        let hello = Hello { incarnation: Incarnation(7) };
        let bytes = hello.encode();
        for length in 0..bytes.len() {
            assert_eq!(Hello::decode(&bytes[..length]), Err(PrefaceError::Malformed));
            let mut changed = bytes.clone();
            changed[length] ^= 1;
            assert_ne!(Hello::decode(&changed), Ok(hello));
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Hello::decode(&longer), Err(PrefaceError::Malformed));
        for kind in [StreamKind::Control, StreamKind::Log(Epoch(9)), StreamKind::Bulk] {
            let longer = [kind.encode().as_slice(), &[0]].concat();
            assert_eq!(StreamKind::decode(&longer), Err(PrefaceError::Malformed));
        }
        assert_eq!(StreamKind::decode(&[5, 0, 0, 0, 0, 0, 0, 0, 0]), Err(PrefaceError::Malformed));
        assert_eq!(StreamKind::decode(&[1, 1, 0, 0, 0, 0, 0, 0, 0]), Err(PrefaceError::Malformed));
        assert_eq!(StreamKind::decode(&[]), Err(PrefaceError::Malformed));
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = Hello { incarnation: Incarnation(7) }.encode();
        bytes[4] = 2;
        bytes.push(99);
        assert_eq!(Hello::decode(&bytes), Err(PrefaceError::Version(2)));
    }
}
