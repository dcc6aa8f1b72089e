//! Commands and batches: what a slot of the replicated log holds.
//!
//! A batch is one shared piece of bytes, encoded once in the leader's queue; commands and payloads
//! that are taken out of it share it. The claim kept true: a [`CommandBatch`] that
//! exists is well formed, so applying it cannot fail; bytes from outside pass
//! [`CommandBatch::parse`] first.

use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use synod_paxos::{Slot, Value};

/// The most bytes of commands that one batch gathers; one larger command goes alone.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// The most commands that one batch gathers.
pub const BATCH_COMMANDS_MAX: usize = 4096;

/// The largest payload of one command: a value of 1 MiB, a key of 4 KiB, and their framing.
pub const PAYLOAD_BYTES_MAX: usize = (1 << 20) + (8 << 10);

/// Names a session for ever: where in the log it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The slot of the batch that opened it.
    pub slot: Slot,
    /// The position in the batch.
    pub position: u32,
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.slot, self.position)
    }
}

/// Numbers the commands of a session, from one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The number of the first command.
    pub const FIRST: Self = Self(1);

    /// Returns the number `count` commands later.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

/// Stands for who a client is, as its certificate says; a session serves its opener alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(u64);

impl Principal {
    /// Makes the principal of the certificate with this name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self(fingerprint(name.as_bytes()))
    }

    /// Takes a number that [`Self::number`] returned.
    #[must_use]
    pub const fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number that stands for the name.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Names one client among all those of all certificates, for its life.
///
/// Whoever makes a client draws all 128 bits at random, once. Two clients of one name would share
/// their sessions: each would be answered with what the other one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u128);

impl ClientId {
    /// Takes a number that nobody else has drawn.
    #[must_use]
    pub const fn new(drawn: u128) -> Self {
        Self(drawn)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u128 {
        self.0
    }
}

/// Names the opening of a session. The attempts of one opening have one name, and wait together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opening {
    /// The client that asks for it.
    pub client: ClientId,
    /// How many sessions it asked for before.
    pub count: u64,
}

impl Opening {
    /// Returns the first opening of a client.
    #[must_use]
    pub const fn first(client: ClientId) -> Self {
        Self { client, count: 0 }
    }

    /// Returns the opening that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { client: self.client, count: self.count.wrapping_add(1) }
    }
}

/// One entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Opens a session.
    Open {
        /// Who opens it.
        principal: Principal,
        /// Which opening it is.
        opening: Opening,
    },
    /// Changes the state machine, once.
    Apply {
        /// Who asks.
        principal: Principal,
        /// The session.
        session: SessionId,
        /// The number in the session.
        sequence: Sequence,
        /// The first number that the client still has no answer for.
        unanswered: Sequence,
        /// What the state machine is told.
        payload: Bytes,
    },
}

impl Command {
    /// Returns the size of the command in a batch.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        match self {
            Self::Open { .. } => OPEN_LEN,
            Self::Apply { payload, .. } => APPLY_HEADER + payload.len(),
        }
    }

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Open { principal, opening } => {
                out.put_u8(TAG_OPEN);
                out.put_u64_le(principal.0);
                out.put_u128_le(opening.client.0);
                out.put_u64_le(opening.count);
            }
            Self::Apply { principal, session, sequence, unanswered, payload } => {
                out.put_u8(TAG_APPLY);
                out.put_u64_le(principal.0);
                out.put_u64_le(session.slot.number());
                out.put_u32_le(session.position);
                out.put_u64_le(sequence.0);
                out.put_u64_le(unanswered.0);
                let len = u32::try_from(payload.len());
                out.put_u32_le(len.expect("admission bounds payloads"));
                out.extend_from_slice(payload);
            }
        }
    }
}

const TAG_OPEN: u8 = 1;
const TAG_APPLY: u8 = 2;
const OPEN_LEN: usize = 1 + 8 + 16 + 8;
const APPLY_HEADER: usize = 1 + 8 + 8 + 4 + 8 + 8 + 4;

/// Commands that are chosen together, encoded.
///
/// ```
/// use synod_smr::{ClientId, Command, CommandBatch, Opening, Principal};
///
/// let opening = Opening::first(ClientId::new(7));
/// let open = Command::Open { principal: Principal::of_name("alice"), opening };
/// let batch = CommandBatch::encode(&[open.clone()]);
/// let parsed = CommandBatch::parse(batch.bytes().clone())?;
/// assert_eq!(parsed.commands().collect::<Vec<_>>(), [open]);
/// # Ok::<(), synod_smr::MalformedBatch>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandBatch(Bytes);

/// Says that bytes are no batch; the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedBatch {
    /// How many bytes from the end the first command that is none begins.
    pub bytes_left: usize,
}

impl fmt::Display for MalformedBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no command {} bytes before the end of a batch", self.bytes_left)
    }
}

impl std::error::Error for MalformedBatch {}

impl CommandBatch {
    /// Encodes `commands`, whose payloads are at most [`PAYLOAD_BYTES_MAX`] long.
    #[must_use]
    pub fn encode(commands: &[Command]) -> Self {
        let len = commands.iter().map(Command::encoded_len).sum();
        let mut out = BytesMut::with_capacity(len);
        for command in commands {
            command.encode(&mut out);
        }
        assert_eq!(out.len(), len, "a command is as long as was said when it was admitted");
        Self(out.freeze())
    }

    /// Takes bytes from outside for a batch.
    ///
    /// # Errors
    ///
    /// Fails if they are not a sequence of commands to the last byte, or hold too many.
    pub fn parse(bytes: Bytes) -> Result<Self, MalformedBatch> {
        let mut rest = bytes.clone();
        let mut count = 0;
        while !rest.is_empty() {
            let bytes_left = rest.len();
            let command = split_command(&mut rest);
            count += 1;
            // All of it is looked through here, once: whoever applies it later can refuse nothing,
            // as it is chosen by then.
            if command.is_none() || count > BATCH_COMMANDS_MAX {
                return Err(MalformedBatch { bytes_left });
            }
        }
        Ok(Self(bytes))
    }

    /// Returns the commands. Payloads share the batch's bytes.
    pub fn commands(&self) -> impl Iterator<Item = Command> + use<> {
        let mut rest = self.0.clone();
        std::iter::from_fn(move || split_command(&mut rest))
    }

    /// Returns the encoded form.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Value for CommandBatch {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

/// Splits the first command off; none if there is no whole one.
fn split_command(rest: &mut Bytes) -> Option<Command> {
    use bytes::Buf;
    match *rest.first()? {
        TAG_OPEN if rest.len() >= OPEN_LEN => {
            rest.advance(1);
            let principal = Principal(rest.get_u64_le());
            let client = ClientId(rest.get_u128_le());
            let opening = Opening { client, count: rest.get_u64_le() };
            Some(Command::Open { principal, opening })
        }
        TAG_APPLY if rest.len() >= APPLY_HEADER => {
            rest.advance(1);
            let principal = Principal(rest.get_u64_le());
            let slot = rest.get_u64_le();
            let session = SessionId { slot: Slot::new(slot), position: rest.get_u32_le() };
            let sequence = Sequence(rest.get_u64_le());
            let unanswered = Sequence(rest.get_u64_le());
            let len = rest.get_u32_le() as usize;
            // The bound is asked for here as at admission: a batch may come from a peer that admits
            // more.
            let fits = len <= rest.len() && len <= PAYLOAD_BYTES_MAX;
            fits.then(|| rest.split_to(len)).map(|payload| Command::Apply {
                principal,
                session,
                sequence,
                unanswered,
                payload,
            })
        }
        _ => None,
    }
}

/// Stands for the payload of a command: another payload has another one, but for chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Takes the fingerprint of a payload.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        Self(fingerprint(payload))
    }

    /// Takes a number that [`Self::number`] returned.
    #[must_use]
    pub const fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns it as a number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Returns a number that stands for `bytes` on every machine and in every version.
///
/// It mixes eight bytes at a time with the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
/// It is no defence against somebody who looks for collisions.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    // The length comes in first, as the last chunk is filled up with zeros.
    let state = mix(bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words.iter().fold(state, |state, word| mix(state ^ u64::from_le_bytes(*word)));
    if rest.is_empty() {
        return state;
    }
    let mut word = [0; 8];
    word[..rest.len()].copy_from_slice(rest);
    mix(state ^ u64::from_le_bytes(word))
}

/// Scrambles a number; a bijection.
#[must_use]
pub const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use proptest::prelude::*;

    fn commands() -> impl Strategy<Value = Vec<Command>> {
        let payload = prop::collection::vec(any::<u8>(), 0..40);
        let one = (any::<u64>(), any::<u64>(), any::<u32>(), payload, any::<bool>()).prop_map(
            |(a, b, position, payload, open)| {
                if open {
                    let opening = Opening { client: ClientId(u128::from(a) << 64), count: b };
                    return Command::Open { principal: Principal(a), opening };
                }
                Command::Apply {
                    principal: Principal(b),
                    session: SessionId { slot: Slot::new(a), position },
                    sequence: Sequence(b),
                    unanswered: Sequence(a),
                    payload: Bytes::from(payload),
                }
            },
        );
        prop::collection::vec(one, 0..8)
    }

    proptest! {
        #[test]
        fn a_batch_reads_back_as_it_was_written(commands in commands()) {
            let batch = CommandBatch::encode(&commands);
            let parsed = CommandBatch::parse(batch.bytes().clone()).unwrap();
            prop_assert_eq!(parsed.commands().collect::<Vec<_>>(), commands);
        }

        #[test]
        fn a_batch_cut_short_is_none(commands in commands(), cut in any::<prop::sample::Index>()) {
            let batch = CommandBatch::encode(&commands);
            prop_assume!(!batch.bytes().is_empty());
            let kept = batch.bytes().slice(..cut.index(batch.bytes().len()));
            // A cut between two commands leaves a shorter batch; any other leaves none.
            if let Ok(parsed) = CommandBatch::parse(kept) {
                let parsed: Vec<_> = parsed.commands().collect();
                prop_assert_eq!(&parsed[..], &commands[..parsed.len()]);
            }
        }

        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes: Vec<u8>) {
            let _ = CommandBatch::parse(Bytes::from(bytes));
        }
    }

    #[test]
    fn fingerprints_are_the_same_everywhere() {
        assert_eq!(fingerprint(b""), 0xE220_A839_7B1D_CDAF);
        assert_ne!(fingerprint(b"a"), fingerprint(b"a\0"), "the length counts");
        // A word, and one with a byte past it, whose word is filled up with zeros.
        let of = |len: usize, words: &[[u8; 8]]| {
            let mixed = |state, word: &[u8; 8]| mix(state ^ u64::from_le_bytes(*word));
            words.iter().fold(mix(len as u64), mixed)
        };
        assert_eq!(fingerprint(b"abcdefgh"), of(8, &[*b"abcdefgh"]));
        assert_eq!(fingerprint(b"abcdefghi"), of(9, &[*b"abcdefgh", *b"i\0\0\0\0\0\0\0"]));
    }
}
