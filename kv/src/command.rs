//! What a client may ask the key-value machine, and its answers, as bytes.
//!
//! Each message opens with one byte that names its kind and version, so a query sent as a command
//! is refused and never misread. The types here are the wire types: the order of variants and
//! fields is the format, pinned by golden bytes in the tests. They hold no recursion and no
//! element of size zero, trailing bytes are refused, and limits are checked while decoding: what
//! `decode` returns is valid. What a command does to the state is the machine's business.

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use crate::blob::Blob;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 4 * 1024;

/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// The most entries that one range query returns.
pub const RANGE_ENTRIES_MAX: u32 = 4096;

/// The most bytes of keys and values that one range query returns, unless its first entry alone
/// is larger.
pub const RANGE_BYTES_MAX: u32 = 1024 * 1024;

/// A change of the state; it goes through the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command<'a> {
    /// Binds the key to the value.
    Put {
        /// The key, 1 to [`KEY_BYTES_MAX`] bytes.
        #[serde(borrow)]
        key: Blob<'a>,
        /// The value, at most [`VALUE_BYTES_MAX`] bytes.
        value: Blob<'a>,
    },
    /// Removes the key.
    Delete {
        /// The key.
        key: Blob<'a>,
    },
    /// Binds the key to `value` if it is bound to `expected` at that moment. Both values together
    /// have at most [`VALUE_BYTES_MAX`] bytes, as they travel in one command.
    CompareAndSet {
        /// The key.
        key: Blob<'a>,
        /// What the key must hold; `None` means that it must be absent.
        expected: Option<Blob<'a>>,
        /// The value to write.
        value: Blob<'a>,
    },
    /// Adds to the decimal number that the key holds; an absent key counts as 0.
    Increment {
        /// The key.
        key: Blob<'a>,
        /// What to add.
        delta: i64,
    },
    /// Appends to the value that the key holds; an absent key counts as empty.
    Append {
        /// The key.
        key: Blob<'a>,
        /// What to append.
        suffix: Blob<'a>,
    },
}

/// A question about the state; it changes nothing and never enters the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query<'a> {
    /// Asks for the value of one key.
    Get {
        /// The key.
        #[serde(borrow)]
        key: Blob<'a>,
    },
    /// Asks for the entries from `first` up to but without `end`, in the order of their keys.
    Range {
        /// Where the range begins; the key itself is part of it.
        first: Blob<'a>,
        /// Where it ends; `None` means after the last key.
        end: Option<Blob<'a>>,
        /// How many entries to return at most: 1 to [`RANGE_ENTRIES_MAX`].
        entries_max: u32,
        /// How many bytes of keys and values to return at most: up to [`RANGE_BYTES_MAX`].
        bytes_max: u32,
    },
}

/// The answer to a command or a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// The value was written.
    Written,
    /// The key is gone.
    Deleted {
        /// Whether it was there.
        existed: bool,
    },
    /// The comparison was made.
    Compared {
        /// Whether it held, and the value was therefore written.
        swapped: bool,
    },
    /// The number that the key holds after the addition.
    Number(i64),
    /// The length of the value after the append, in bytes.
    Length(u64),
    /// The value of the key that was asked for; `None` means absent.
    Value(#[serde(borrow)] Option<Blob<'a>>),
    /// The entries of a range.
    Entries {
        /// Key and value, in the order of the keys.
        #[serde(borrow)]
        entries: Vec<(Blob<'a>, Blob<'a>)>,
        /// Whether the bounds of the query cut the range short.
        more: bool,
    },
    /// The state did not allow the command, and nothing was changed.
    Rejected(Rejection),
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Rejection {
    /// The key holds something that is no decimal number of 64 bits.
    #[error("the key holds no decimal number of 64 bits")]
    NotANumber,
    /// The sum does not fit into 64 bits.
    #[error("the sum does not fit into 64 bits")]
    Overflow,
    /// The value would grow past its limit.
    #[error("the value would exceed {VALUE_BYTES_MAX} bytes")]
    ValueTooLarge,
    /// The bytes are no command or query of this version; validation keeps such out of the log.
    #[error("the request is not understood by this version of the machine")]
    Malformed,
}

/// Why bytes are no message of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The first byte names another kind or version, or is missing.
    #[error("unknown kind or version of message")]
    Version,
    /// The bytes do not have the form of the message.
    #[error("malformed message")]
    Form,
    /// Bytes follow the end of the message.
    #[error("bytes after the end of the message")]
    Trailing,
    /// A key is empty or too long.
    #[error("a key must have 1 to {KEY_BYTES_MAX} bytes")]
    Key,
    /// A value is too long.
    #[error("a value, or the two of a comparison, must have at most {VALUE_BYTES_MAX} bytes")]
    Value,
    /// The bounds of a range query are zero or too large.
    #[error("a range must ask for 1 to {RANGE_ENTRIES_MAX} entries, {RANGE_BYTES_MAX} bytes")]
    Bounds,
}

impl<'a> Command<'a> {
    /// Encodes the command.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_kv::command::{Blob, Command};
    ///
    /// let put = Command::Put { key: Blob(b"x"), value: Blob(b"7") };
    /// assert_eq!(Command::decode(&put.encode()), Ok(put));
    /// ```
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(COMMAND_V1, self)
    }

    /// Decodes a command and checks its limits.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let command: Self = decode(COMMAND_V1, bytes)?;
        check_key(command.key())?;
        match command {
            Self::Delete { .. } | Self::Increment { .. } => Ok(()),
            Self::Put { value, .. } | Self::Append { suffix: value, .. } => check_value(value),
            Self::CompareAndSet { expected, value, .. } => {
                let both = expected.map_or(0, |expected| expected.0.len()) + value.0.len();
                if both <= VALUE_BYTES_MAX { Ok(()) } else { Err(Malformed::Value) }
            }
        }?;
        Ok(command)
    }

    /// Returns the key that the command concerns.
    #[must_use]
    pub fn key(&self) -> Blob<'a> {
        match *self {
            Self::Put { key, .. }
            | Self::Delete { key }
            | Self::CompareAndSet { key, .. }
            | Self::Increment { key, .. }
            | Self::Append { key, .. } => key,
        }
    }
}

impl<'a> Query<'a> {
    /// Encodes the query.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(QUERY_V1, self)
    }

    /// Decodes a query and checks its limits.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let query = decode(QUERY_V1, bytes)?;
        match query {
            Self::Get { key } => check_key(key)?,
            Self::Range { first, end, entries_max, bytes_max } => {
                // An empty bound is meaningful here: it is the least of all byte strings.
                if first.0.len() > KEY_BYTES_MAX || end.is_some_and(|e| e.0.len() > KEY_BYTES_MAX) {
                    return Err(Malformed::Key);
                }
                if !(1..=RANGE_ENTRIES_MAX).contains(&entries_max) || bytes_max > RANGE_BYTES_MAX {
                    return Err(Malformed::Bounds);
                }
            }
        }
        Ok(query)
    }
}

impl<'a> Reply<'a> {
    /// Encodes the reply.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(REPLY_V1, self)
    }

    /// Decodes a reply.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        decode(REPLY_V1, bytes)
    }
}

fn check_key(key: Blob<'_>) -> Result<(), Malformed> {
    let fits = (1..=KEY_BYTES_MAX).contains(&key.0.len());
    if fits { Ok(()) } else { Err(Malformed::Key) }
}

fn check_value(value: Blob<'_>) -> Result<(), Malformed> {
    let fits = value.0.len() <= VALUE_BYTES_MAX;
    if fits { Ok(()) } else { Err(Malformed::Value) }
}

fn encode(version: u8, message: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(message, vec![version]).expect("memory takes any of these messages")
}

fn decode<'a, T: Deserialize<'a>>(version: u8, bytes: &'a [u8]) -> Result<T, Malformed> {
    let (&first, body) = bytes.split_first().ok_or(Malformed::Version)?;
    if first != version {
        return Err(Malformed::Version);
    }
    let (message, rest) = postcard::take_from_bytes(body).map_err(|_| Malformed::Form)?;
    if rest.is_empty() { Ok(message) } else { Err(Malformed::Trailing) }
}

const COMMAND_V1: u8 = 0x11;
const QUERY_V1: u8 = 0x21;
const REPLY_V1: u8 = 0x31;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn commands_keep_their_bytes() {
        let (x, four, five) = (Blob(b"x"), Blob(b"4"), Blob(b"5"));
        let golden = [
            (Command::Put { key: x, value: five }, "110001780135"),
            (Command::Delete { key: x }, "11010178"),
            (Command::CompareAndSet { key: x, expected: None, value: five }, "11020178000135"),
            (
                Command::CompareAndSet { key: x, expected: Some(four), value: five },
                "110201780101340135",
            ),
            (Command::Increment { key: x, delta: -2 }, "1103017803"),
            (Command::Append { key: x, suffix: Blob(b"yz") }, "1104017802797a"),
        ];
        for (command, bytes) in golden {
            assert_eq!(hex(&command.encode()), bytes, "{command:?}");
            assert_eq!(Command::decode(&command.encode()), Ok(command));
        }
    }

    #[test]
    fn queries_keep_their_bytes() {
        let (a, b) = (Blob(b"a"), Some(Blob(b"b")));
        let golden = [
            (Query::Get { key: a }, "21000161"),
            (
                Query::Range { first: a, end: b, entries_max: 300, bytes_max: 0 },
                "2101016101 0162ac0200",
            ),
            (
                Query::Range { first: Blob(b""), end: None, entries_max: 1, bytes_max: 1 << 20 },
                "2101000001808040",
            ),
        ];
        for (query, bytes) in golden {
            assert_eq!(hex(&query.encode()), bytes.replace(' ', ""), "{query:?}");
            assert_eq!(Query::decode(&query.encode()), Ok(query));
        }
    }

    #[test]
    fn replies_keep_their_bytes() {
        let entries = vec![(Blob(b"a"), Blob(b"1")), (Blob(b"b"), Blob(b""))];
        let golden = [
            (Reply::Written, "3100"),
            (Reply::Deleted { existed: true }, "310101"),
            (Reply::Compared { swapped: false }, "310200"),
            (Reply::Number(-3), "310305"),
            (Reply::Length(300), "3104ac02"),
            (Reply::Value(None), "310500"),
            (Reply::Value(Some(Blob(b"7"))), "3105010137"),
            (Reply::Entries { entries, more: true }, "31060201610131016200 01"),
            (Reply::Rejected(Rejection::NotANumber), "310700"),
            (Reply::Rejected(Rejection::Overflow), "310701"),
            (Reply::Rejected(Rejection::ValueTooLarge), "310702"),
            (Reply::Rejected(Rejection::Malformed), "310703"),
        ];
        for (reply, bytes) in golden {
            assert_eq!(hex(&reply.encode()), bytes.replace(' ', ""), "{reply:?}");
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn limits_are_exact() {
        let (long_key, long_value) = (vec![b'k'; KEY_BYTES_MAX + 1], vec![0; VALUE_BYTES_MAX + 1]);
        let put = |key, value| {
            let command = Command::Put { key: Blob(key), value: Blob(value) };
            Command::decode(&command.encode()).map(drop)
        };
        assert_eq!(put(&long_key[1..], &long_value[1..]), Ok(()));
        assert_eq!(put(&long_key, b""), Err(Malformed::Key));
        assert_eq!(put(b"", b""), Err(Malformed::Key));
        assert_eq!(put(b"k", &long_value), Err(Malformed::Value));
        let (half, key) = (Blob(&long_value[..VALUE_BYTES_MAX / 2]), Blob(b"k"));
        let both = Command::CompareAndSet { key, expected: Some(half), value: half };
        assert_eq!(Command::decode(&both.encode()), Ok(both));
        let more = Blob(&long_value[..=VALUE_BYTES_MAX / 2]);
        let both = Command::CompareAndSet { key, expected: Some(half), value: more };
        assert_eq!(Command::decode(&both.encode()), Err(Malformed::Value));
    }

    #[test]
    fn a_query_is_no_command_and_trailing_bytes_are_refused() {
        let mut bytes = Query::Get { key: Blob(b"x") }.encode();
        assert_eq!(Command::decode(&bytes), Err(Malformed::Version));
        assert_eq!(Command::decode(b""), Err(Malformed::Version));
        bytes.push(0);
        assert_eq!(Query::decode(&bytes), Err(Malformed::Trailing));
    }

    #[test]
    fn a_range_has_bounds() {
        let range = |entries_max, bytes_max| {
            let query = Query::Range { first: Blob(b""), end: None, entries_max, bytes_max };
            Query::decode(&query.encode()).map(drop)
        };
        assert_eq!(range(RANGE_ENTRIES_MAX, RANGE_BYTES_MAX), Ok(()));
        assert_eq!(range(0, 1), Err(Malformed::Bounds));
        assert_eq!(range(RANGE_ENTRIES_MAX + 1, 1), Err(Malformed::Bounds));
        assert_eq!(range(1, RANGE_BYTES_MAX + 1), Err(Malformed::Bounds));
    }

    #[test]
    fn a_length_that_lies_is_refused_at_once() {
        let mut bytes = vec![REPLY_V1, 6];
        bytes.extend([0xff; 9]);
        bytes.push(1);
        assert_eq!(Reply::decode(&bytes), Err(Malformed::Form));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = bytes;
            for version in [COMMAND_V1, QUERY_V1, REPLY_V1] {
                if let Some(first) = bytes.first_mut() {
                    *first = version;
                }
                // What decodes must encode to something that decodes to the same.
                if let Ok(command) = Command::decode(&bytes) {
                    let again = command.encode();
                    prop_assert_eq!(Command::decode(&again), Ok(command));
                }
                if let Ok(query) = Query::decode(&bytes) {
                    let again = query.encode();
                    prop_assert_eq!(Query::decode(&again), Ok(query));
                }
                if let Ok(reply) = Reply::decode(&bytes) {
                    let again = reply.encode();
                    prop_assert_eq!(Reply::decode(&again), Ok(reply));
                }
            }
        }
    }
}
