//! One line of a trace, and its bytes: a tag, the length of what follows, and that.
//!
//! Records and messages stand in it as they do in the journal and on the wire. When each is told
//! is the recorder's. The claim kept true: what is written down is given back as it was, and bytes
//! that nobody wrote are refused.

use std::io;

use bytes::Bytes;
use synod_paxos::{NodeId, Slot, To};
use synod_smr::wire::{
    JournalRecord, decode_message, decode_record, encode_message, encode_replica_record,
};
use synod_smr::{Connection, Message, Record, RequestId};

/// Something that a host did, as a trace tells of it.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceEvent {
    /// The journal gave this record back, before the life began.
    Recovered(Record),
    /// All that the journal holds was given back, and the life begins.
    Began {
        /// When, in nanoseconds of a clock that all nodes share.
        at_ns: u64,
        /// Which start of the node it is.
        incarnation: u64,
        /// The slot of the snapshot that it begins with.
        state_at: Slot,
    },
    /// A turn was about to end; what follows took place in it.
    Turn {
        /// When, as for a beginning: after all that came in it had come, and before any of what it
        /// brought about left.
        at_ns: u64,
        /// The end of the chosen prefix then.
        chosen: Slot,
    },
    /// A record became durable, and the replica knows.
    Durable(Record),
    /// A candidate that did not lead yet took a promise in, or a node took votes in.
    Heard {
        /// Who gave it.
        from: NodeId,
        /// The promise, or the votes.
        message: Message,
    },
    /// A client asked a question.
    Asked(Connection, RequestId),
    /// A durable state took the place of all slots below this one.
    State(Slot),
    /// The replica treats a decree as the one that is chosen in its slot.
    Learned {
        /// The slot.
        slot: Slot,
        /// The [`print_of`] its decree.
        print: u32,
    },
    /// A message was about to leave.
    Sent(To, Message),
    /// A client was about to be told something.
    Answered {
        /// The client.
        connection: Connection,
        /// What it is told of.
        id: RequestId,
        /// Whether it is the reply of the state machine.
        is_reply: bool,
    },
    /// The trace is as long as it may be, and says nothing of what follows.
    Full,
}

impl TraceEvent {
    /// Adds the bytes of the event to those before it.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        let (tag, payload) = match self {
            Self::Recovered(record) => (Tag::Recovered, encode_replica_record(record).to_vec()),
            Self::Began { at_ns, incarnation, state_at } => {
                (Tag::Began, words([*at_ns, *incarnation, state_at.number()]))
            }
            Self::Turn { at_ns, chosen } => (Tag::Turn, words([*at_ns, chosen.number()])),
            Self::Durable(record) => (Tag::Durable, encode_replica_record(record).to_vec()),
            Self::Heard { from, message } => {
                let from = u32::from(from.number()).to_le_bytes();
                (Tag::Heard, [&from[..], &encode_message(message)].concat())
            }
            Self::Asked(connection, id) => (Tag::Asked, words([connection.0, id.0])),
            Self::State(slot) => (Tag::State, words([slot.number()])),
            Self::Learned { slot, print } => {
                (Tag::Learned, words([slot.number(), (*print).into()]))
            }
            Self::Sent(to, message) => {
                let to = match to {
                    To::Peers => ALL_PEERS,
                    To::Node(node) => u32::from(node.number()),
                };
                (Tag::Sent, [&to.to_le_bytes()[..], &encode_message(message)].concat())
            }
            Self::Answered { connection, id, is_reply } => {
                (Tag::Answered, words([connection.0, id.0, (*is_reply).into()]))
            }
            Self::Full => (Tag::Full, Vec::new()),
        };
        // A message and a record have bounds far below this.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        bytes.push(tag as u8);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&payload);
    }

    /// Decodes what stands behind a tag.
    pub(super) fn decode(tag: u8, payload: &Bytes) -> io::Result<Self> {
        let tag = Tag::ALL.into_iter().find(|known| *known as u8 == tag);
        let tag = tag.ok_or_else(|| foreign("an event of no known kind".to_owned()))?;
        let replica = |payload: &Bytes| match decode_record(payload) {
            Ok(JournalRecord::Replica(record)) => Ok(record),
            Ok(other) => Err(foreign(format!("a record of the host alone: {other:?}"))),
            Err(error) => Err(foreign(error.to_string())),
        };
        Ok(match tag {
            Tag::Recovered => Self::Recovered(replica(payload)?),
            Tag::Began => {
                let [at_ns, incarnation, state_at] = numbers(payload)?;
                Self::Began { at_ns, incarnation, state_at: slot(state_at)? }
            }
            Tag::Turn => {
                let [at_ns, chosen] = numbers(payload)?;
                Self::Turn { at_ns, chosen: slot(chosen)? }
            }
            Tag::Heard => {
                let (from, message) = addressed(payload)?;
                Self::Heard { from: node(from)?, message }
            }
            Tag::Asked => {
                let [connection, id] = numbers(payload)?;
                Self::Asked(Connection(connection), RequestId(id))
            }
            Tag::Answered => {
                let [connection, id, is_reply] = numbers(payload)?;
                let (connection, id) = (Connection(connection), RequestId(id));
                Self::Answered { connection, id, is_reply: is_reply != 0 }
            }
            Tag::Durable => Self::Durable(replica(payload)?),
            Tag::State => {
                let [number] = numbers(payload)?;
                Self::State(slot(number)?)
            }
            Tag::Learned => {
                let [number, print] = numbers(payload)?;
                let print = u32::try_from(print).map_err(|_| foreign(format!("print {print}")))?;
                Self::Learned { slot: slot(number)?, print }
            }
            Tag::Sent => {
                let (to, message) = addressed(payload)?;
                let to = if to == ALL_PEERS { To::Peers } else { To::Node(node(to)?) };
                Self::Sent(to, message)
            }
            Tag::Full => Self::Full,
        })
    }
}

/// Returns by what a trace tells one decree of a slot from another: a checksum of the record that a
/// copy of it would be.
#[must_use]
pub fn print_of(learned: &Record) -> u32 {
    crc32c::crc32c(&encode_replica_record(learned))
}

/// Takes a message apart from the name in front of it.
fn addressed(payload: &Bytes) -> io::Result<(u32, Message)> {
    let name = payload.first_chunk().ok_or_else(|| foreign("no name".to_owned()))?;
    let message = decode_message(&payload.slice(size_of::<u32>()..));
    Ok((u32::from_le_bytes(*name), message.map_err(|error| foreign(error.to_string()))?))
}

fn node(number: u32) -> io::Result<NodeId> {
    let number = u16::try_from(number).map_err(|_| foreign(format!("node {number}")))?;
    Ok(NodeId::new(number))
}

fn words<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn numbers<const N: usize>(payload: &[u8]) -> io::Result<[u64; N]> {
    let (chunks, rest) = payload.as_chunks::<8>();
    let numbers: Option<[[u8; 8]; N]> = chunks.try_into().ok().filter(|_| rest.is_empty());
    let numbers = numbers.ok_or_else(|| foreign(format!("numbers in {} bytes", payload.len())))?;
    Ok(numbers.map(u64::from_le_bytes))
}

fn slot(number: u64) -> io::Result<Slot> {
    // A slot has another one behind it.
    if number == u64::MAX { Err(foreign(format!("slot {number}"))) } else { Ok(Slot::new(number)) }
}

pub(super) fn foreign(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no recorder wrote this: {what}"))
}

/// What kind of event follows.
#[derive(Clone, Copy)]
enum Tag {
    Recovered = 1,
    Began,
    Turn,
    Durable,
    Heard,
    Asked,
    State,
    Learned,
    Sent,
    Answered,
    Full,
}

impl Tag {
    const ALL: [Self; 11] = [
        Self::Recovered,
        Self::Began,
        Self::Turn,
        Self::Durable,
        Self::Heard,
        Self::Asked,
        Self::State,
        Self::Learned,
        Self::Sent,
        Self::Answered,
        Self::Full,
    ];
}

/// The name of all peers at once.
const ALL_PEERS: u32 = u32::MAX;

/// A tag, and the length of what follows.
pub(super) const HEADER_BYTES: usize = 5;

/// The longest event: more than any message or record takes.
pub(super) const EVENT_BYTES_MAX: u32 = 256 << 20;
