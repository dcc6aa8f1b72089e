//! Bytes as they travel: a borrowed slice that postcard writes as one length and one copy.
//!
//! A plain `&[u8]` would be written element by element. The encoding is the same, so this is a
//! matter of speed alone; the limits on keys and values are checked by the codec above it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A key, a value or a part of one, borrowed from the message it came in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob<'a>(pub &'a [u8]);

impl fmt::Debug for Blob<'_> {
    /// Writes at most the first 32 bytes: a value of 1 MiB has no place in a log line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(DEBUG_BYTES)];
        write!(formatter, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(formatter, "... ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

impl<'a> From<&'a [u8]> for Blob<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Serialize for Blob<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Blob<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a [u8]>::deserialize(deserializer).map(Self)
    }
}

const DEBUG_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_blob_is_cut_in_debug_output_and_says_so() {
        assert_eq!(format!("{:?}", Blob(b"a\n\"")), r#""a\n\"""#);
        let shown = format!("{:?}", Blob(&[b'x'; 100]));
        assert_eq!(shown, format!("\"{}\"... (100 bytes)", "x".repeat(32)));
    }
}
