//! The replicated state, as the bytes of a snapshot.
//!
//! Sessions go one by one; the machine's part is the machine's own. A description says what the
//! state must come to, so that one that was made wrong, or damaged where no checksum reaches, is
//! not served from.

use super::{WireError, decode, encode, slot_in};
use crate::command::{Fingerprint, Principal, Sequence, SessionId};
use crate::session::{KeptReply, PIPELINE_MAX, SavedReply, SavedSession};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_paxos::Slot;

/// What a snapshot holds, in a few bytes: enough to tell whether it was read back as it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateDescription {
    /// The first slot that is not applied in it.
    pub slot: Slot,
    /// The hash chain over the decrees below.
    pub chain: u64,
    /// How many sessions stand before the machine.
    pub sessions: u64,
    /// The digest of all of it.
    pub digest: u64,
}

#[derive(Serialize, Deserialize)]
enum Header {
    State { slot: u64, chain: u64, sessions: u64, digest: u64 },
    Session(WireSession),
}

#[derive(Serialize, Deserialize)]
struct WireSession {
    slot: u64,
    position: u32,
    principal: u64,
    used: u64,
    unanswered: u64,
    replies: Vec<WireReply>,
}

#[derive(Serialize, Deserialize)]
struct WireReply {
    sequence: u64,
    payload: u64,
    kept: WireKept,
}

/// What is kept of a reply; of a whole one its length.
#[derive(Serialize, Deserialize)]
enum WireKept {
    Whole(u32),
    Lost,
    TooLong,
}

/// Encodes what describes a snapshot.
#[must_use]
pub fn encode_description(description: &StateDescription) -> Bytes {
    let StateDescription { slot, chain, sessions, digest } = *description;
    encode(&Header::State { slot: slot.number(), chain, sessions, digest }, [].iter())
}

/// Decodes what describes a snapshot.
///
/// # Errors
///
/// Fails on bytes that no version of this node has written.
pub fn decode_description(bytes: &Bytes) -> Result<StateDescription, WireError> {
    let (header, values) = decode(bytes)?;
    match header {
        Header::State { slot, chain, sessions, digest } => {
            values.finish(StateDescription { slot: slot_in(slot)?, chain, sessions, digest })
        }
        Header::Session(_) => Err(WireError::Header),
    }
}

/// Encodes a session of a snapshot.
#[must_use]
pub fn encode_session(session: &SavedSession) -> Bytes {
    let replies = session.replies.iter().map(reply_out).collect();
    let header = WireSession {
        slot: session.id.slot.number(),
        position: session.id.position,
        principal: session.principal.number(),
        used: session.used.number(),
        unanswered: session.unanswered.0,
        replies,
    };
    let wholes = session.replies.iter().filter_map(|saved| match &saved.reply {
        KeptReply::Whole(whole) => Some(whole),
        KeptReply::Lost | KeptReply::TooLong => None,
    });
    encode(&Header::Session(header), wholes)
}

/// Decodes a session of a snapshot. Whether it belongs where it stands, the table says that takes
/// it back.
///
/// # Errors
///
/// Fails on bytes that no version of this node has written.
pub fn decode_session(bytes: &Bytes) -> Result<SavedSession, WireError> {
    let (header, mut values) = decode(bytes)?;
    let wire = match header {
        Header::Session(wire) => wire,
        Header::State { .. } => return Err(WireError::Header),
    };
    if wire.replies.len() as u64 > PIPELINE_MAX {
        return Err(WireError::Bounds("replies"));
    }
    let mut replies = Vec::with_capacity(wire.replies.len());
    for WireReply { sequence, payload, kept } in wire.replies {
        let reply = match kept {
            WireKept::Whole(len) => KeptReply::Whole(values.take(len)?),
            WireKept::Lost => KeptReply::Lost,
            WireKept::TooLong => KeptReply::TooLong,
        };
        let (sequence, payload) = (Sequence(sequence), Fingerprint::of_number(payload));
        replies.push(SavedReply { sequence, payload, reply });
    }
    values.finish(SavedSession {
        id: SessionId { slot: slot_in(wire.slot)?, position: wire.position },
        principal: Principal::of_number(wire.principal),
        used: slot_in(wire.used)?,
        unanswered: Sequence(wire.unanswered),
        replies,
    })
}

fn reply_out(saved: &SavedReply) -> WireReply {
    let kept = match &saved.reply {
        KeptReply::Whole(whole) => WireKept::Whole(super::length(whole)),
        KeptReply::Lost => WireKept::Lost,
        KeptReply::TooLong => WireKept::TooLong,
    };
    WireReply { sequence: saved.sequence.0, payload: saved.payload.number(), kept }
}
