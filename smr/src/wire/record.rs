//! Journal records, as bytes.
//!
//! A node's journal holds the records of its acceptor, and one record a start that says which
//! incarnation it is.

use super::{
    WireBallot, WireDecree, WireError, WireStart, decode, decree_bytes, decree_out, encode,
    slot_in, start_in, start_out,
};
use crate::effects::Record;
use crate::message::PeerStart;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_paxos::{NodeId, Slot};

/// What a node's journal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalRecord {
    /// The node started for the given time.
    Incarnation(u64),
    /// Something that its replica must still know.
    Replica(Record),
    /// What the node remembers of a peer.
    Peer(NodeId, PeerStart),
    /// A durable snapshot stands for the decrees below this slot: records of them may be gone.
    Snapshot(Slot),
}

impl JournalRecord {
    /// Returns the slot whose decree the record holds, if it holds one.
    #[must_use]
    pub const fn slot(&self) -> Option<Slot> {
        match self {
            Self::Replica(Record::Accepted { slot, .. } | Record::Learned { slot, .. }) => {
                Some(*slot)
            }
            Self::Replica(Record::Promised(_) | Record::Chosen(_))
            | Self::Incarnation(_)
            | Self::Peer(..)
            | Self::Snapshot(_) => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
enum Header {
    Incarnation(u64),
    Promised(WireBallot),
    Accepted { ballot: WireBallot, slot: u64, decree: WireDecree },
    Learned { slot: u64, decree: WireDecree },
    Chosen(u64),
    Peer { node: u16, life: WireStart },
    Snapshot(u64),
}

/// Encodes a record.
#[must_use]
pub fn encode_record(record: &JournalRecord) -> Bytes {
    match record {
        JournalRecord::Incarnation(number) => encode(&Header::Incarnation(*number), [].iter()),
        JournalRecord::Replica(record) => encode_replica_record(record),
        JournalRecord::Peer(node, life) => {
            let (node, life) = (node.number(), start_out(life));
            encode(&Header::Peer { node, life }, [].iter())
        }
        JournalRecord::Snapshot(slot) => encode(&Header::Snapshot(slot.number()), [].iter()),
    }
}

/// Encodes a record of the replica.
#[must_use]
pub fn encode_replica_record(record: &Record) -> Bytes {
    match record {
        Record::Promised(ballot) => encode(&Header::Promised((*ballot).into()), [].iter()),
        Record::Accepted { ballot, slot, decree } => {
            let (ballot, slot) = ((*ballot).into(), slot.number());
            let header = Header::Accepted { ballot, slot, decree: decree_out(decree) };
            encode(&header, decree_bytes(decree).into_iter())
        }
        Record::Learned { slot, decree } => {
            let header = Header::Learned { slot: slot.number(), decree: decree_out(decree) };
            encode(&header, decree_bytes(decree).into_iter())
        }
        Record::Chosen(slot) => encode(&Header::Chosen(slot.number()), [].iter()),
    }
}

/// Decodes a record.
///
/// # Errors
///
/// Fails on bytes that no version of this node has written.
pub fn decode_record(bytes: &Bytes) -> Result<JournalRecord, WireError> {
    let (header, mut values) = decode(bytes)?;
    let record = match header {
        Header::Incarnation(number) => JournalRecord::Incarnation(number),
        Header::Promised(ballot) => JournalRecord::Replica(Record::Promised(ballot.into())),
        Header::Accepted { ballot, slot, decree } => JournalRecord::Replica(Record::Accepted {
            ballot: ballot.into(),
            slot: slot_in(slot)?,
            decree: values.decree(decree)?,
        }),
        Header::Learned { slot, decree } => JournalRecord::Replica(Record::Learned {
            slot: slot_in(slot)?,
            decree: values.decree(decree)?,
        }),
        Header::Chosen(slot) => JournalRecord::Replica(Record::Chosen(slot_in(slot)?)),
        Header::Peer { node, life } => JournalRecord::Peer(NodeId::new(node), start_in(&life)?),
        Header::Snapshot(slot) => JournalRecord::Snapshot(slot_in(slot)?),
    };
    values.finish(record)
}
