//! A part of a snapshot, as peers and clients are sent it.
//!
//! Which message or response it is in is left to `peer` and `client`. The claim kept true: a part
//! that is read is within its snapshot, and not empty, as an empty one would be asked for again
//! without end.

use super::state::StateDescription;
use super::{Values, WireError, length, slot_in};
use crate::message::{STATE_PART_BYTES_MAX, StatePart};
use serde::{Deserialize, Serialize};

/// A part of a snapshot, with the length of its bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct WirePart {
    slot: u64,
    chain: u64,
    sessions: u64,
    digest: u64,
    total: u64,
    offset: u64,
    len: u32,
}

pub(super) fn part_out(part: &StatePart) -> WirePart {
    let StateDescription { slot, chain, sessions, digest } = part.description;
    let (slot, len) = (slot.number(), length(&part.bytes));
    let StatePart { total, offset, .. } = *part;
    WirePart { slot, chain, sessions, digest, total, offset, len }
}

pub(super) fn part_in(wire: &WirePart, values: &mut Values) -> Result<StatePart, WireError> {
    let WirePart { slot, chain, sessions, digest, total, offset, len } = *wire;
    let description = StateDescription { slot: slot_in(slot)?, chain, sessions, digest };
    let part = StatePart { description, total, offset, bytes: values.take(len)? };
    let is_short = (1..=STATE_PART_BYTES_MAX).contains(&part.bytes.len());
    let left = part.total.saturating_sub(part.offset);
    if !is_short || part.bytes.len() as u64 > left {
        return Err(WireError::Bounds("part of a snapshot"));
    }
    Ok(part)
}
