//! The wire: bytes of messages, requests, responses and journal records, and back.
//!
//! A frame is a version byte, a postcard header of explicit wire types, and the raw bytes of the
//! values that the header names by their lengths: encoding copies a value once into its frame, and
//! what is decoded shares the frame's bytes. The claims
//! kept true: what decodes is valid (ballots, slots, ranges, batches); a decoder refuses unknown
//! versions, bytes left over and values cut short; nothing recursive and no element of no size is
//! in a header, so that a short frame cannot ask for much memory or stack. Variants are only ever
//! appended: their order is the format (`tests/golden.rs` holds each byte).

mod client;
mod part;
mod peer;
mod record;
mod state;

use crate::command::CommandBatch;
use crate::message::{Folder, PeerStart};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;
use synod_paxos::{Ballot, Decree, NodeId, Slot};

pub use client::{decode_request, decode_response, encode_request, encode_response};
pub use peer::{decode_message, encode_message};
pub use record::{JournalRecord, decode_record, encode_record, encode_replica_record};
pub use state::{
    StateDescription, decode_description, decode_session, encode_description, encode_session,
};

/// The version of all formats here.
pub const VERSION: u8 = 1;

/// Says why bytes are no frame; the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The version is another one.
    Version(u8),
    /// The header does not decode.
    Header,
    /// A value is cut short, or bytes are left over.
    Length,
    /// A number is out of its bounds.
    Bounds(&'static str),
    /// A value is no batch of commands.
    Batch,
}

impl fmt::Display for WireError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(formatter, "format version {version} in place of {VERSION}")
            }
            Self::Header => formatter.write_str("the header does not decode"),
            Self::Length => formatter.write_str("values and frame differ in length"),
            Self::Bounds(what) => write!(formatter, "{what} out of bounds"),
            Self::Batch => formatter.write_str("a value is no batch of commands"),
        }
    }
}

impl std::error::Error for WireError {}

/// Encodes a header and the values that it names.
fn encode<'a, H: Serialize>(header: &H, values: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let bytes = values.clone().map(Bytes::len).sum::<usize>();
    let mut frame = Vec::with_capacity(HEADER_BYTES + bytes);
    frame.push(VERSION);
    let frame = postcard::to_extend(header, frame);
    let mut frame = frame.expect("headers hold only what postcard encodes");
    for value in values {
        frame.extend_from_slice(value);
    }
    frame.into()
}

/// What is set aside at first for the version and a header: most headers take no more.
const HEADER_BYTES: usize = 128;

/// Decodes a header; the values follow in the reader.
fn decode<H: DeserializeOwned>(frame: &Bytes) -> Result<(H, Values), WireError> {
    let (version, body) = frame.split_first().ok_or(WireError::Length)?;
    if *version != VERSION {
        return Err(WireError::Version(*version));
    }
    // The version stands outside of the header, so that a header of another form is not even
    // tried: it might decode, and mean something else.
    let (header, rest) = postcard::take_from_bytes(body).map_err(|_| WireError::Header)?;
    Ok((header, Values { rest: frame.slice_ref(rest) }))
}

/// The values behind a header.
struct Values {
    rest: Bytes,
}

impl Values {
    fn take(&mut self, len: u32) -> Result<Bytes, WireError> {
        let len = len as usize;
        // A length is a claim of the sender, and a buffer panics that is split past its end.
        if len > self.rest.len() {
            return Err(WireError::Length);
        }
        Ok(self.rest.split_to(len))
    }

    fn decree(&mut self, decree: WireDecree) -> Result<Decree<CommandBatch>, WireError> {
        let Some(len) = decree else { return Ok(Decree::Noop) };
        let batch = CommandBatch::parse(self.take(len)?);
        batch.map(Decree::Value).map_err(|_| WireError::Batch)
    }

    /// Ends the frame.
    fn finish<T>(self, value: T) -> Result<T, WireError> {
        if self.rest.is_empty() { Ok(value) } else { Err(WireError::Length) }
    }
}

/// The length of a batch; none for Noop.
type WireDecree = Option<u32>;

fn decree_out(decree: &Decree<CommandBatch>) -> WireDecree {
    match decree {
        Decree::Noop => None,
        Decree::Value(batch) => Some(length(batch.bytes())),
    }
}

fn decree_bytes(decree: &Decree<CommandBatch>) -> Option<&Bytes> {
    match decree {
        Decree::Noop => None,
        Decree::Value(batch) => Some(batch.bytes()),
    }
}

fn length(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len()).expect("values are bounded far below 4 GiB")
}

/// A ballot on the wire.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct WireBallot {
    round: u64,
    node: u16,
}

impl From<Ballot> for WireBallot {
    fn from(ballot: Ballot) -> Self {
        Self { round: ballot.round(), node: ballot.node().number() }
    }
}

impl From<WireBallot> for Ballot {
    fn from(ballot: WireBallot) -> Self {
        Self::new(ballot.round, NodeId::new(ballot.node))
    }
}

/// What is known of a node, on the wire and in records.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct WireStart {
    folder: u128,
    incarnation: u64,
    mark: u64,
    promised: WireBallot,
    journal_end: u64,
}

fn start_out(life: &PeerStart) -> WireStart {
    WireStart {
        folder: life.folder.0,
        incarnation: life.incarnation,
        mark: life.mark,
        promised: life.promised.into(),
        journal_end: life.journal_end.number(),
    }
}

fn start_in(life: &WireStart) -> Result<PeerStart, WireError> {
    Ok(PeerStart {
        folder: Folder(life.folder),
        incarnation: life.incarnation,
        mark: life.mark,
        promised: life.promised.into(),
        journal_end: slot_in(life.journal_end)?,
    })
}

fn slot_in(number: u64) -> Result<Slot, WireError> {
    if number > Slot::NUMBER_MAX {
        return Err(WireError::Bounds("slot"));
    }
    Ok(Slot::new(number))
}

/// Checks that `count` slots from `first` on have numbers.
fn run_in(first: u64, count: usize) -> Result<Slot, WireError> {
    slot_in(first.saturating_add(count as u64))?;
    slot_in(first)
}
