//! Messages between replicas, as bytes.

use super::part::{WirePart, part_in, part_out};
use super::{
    Values, WireBallot, WireDecree, WireError, WireStart, decode, decree_bytes, decree_out, encode,
    run_in, slot_in, start_in, start_out,
};
use crate::command::CommandBatch;
use crate::message::{Checkpoint, Folder, Heartbeat, Message};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_paxos::{
    AfterSync, Ballot, Decree, Immediate, Message as Paxos, NodeId, Report, Slot, Vote,
};

#[derive(Serialize, Deserialize)]
enum Header {
    Prepare { ballot: WireBallot, first: u64 },
    Promise { ballot: WireBallot, first: u64, end: Option<u64>, chosen: u64, reports: Vec<Row> },
    Accepted { ballot: WireBallot, first: u64, end: u64 },
    Accept { ballot: WireBallot, first: u64, decrees: Vec<WireDecree>, chosen: u64 },
    Chosen { ballot: WireBallot, chosen: u64 },
    Nack { ballot: WireBallot, promised: WireBallot },
    Heartbeat(Beat),
    Confirm { ballot: WireBallot, round: u64 },
    Confirmed { ballot: WireBallot, round: u64, promised: WireBallot },
    Fetch { first: u64 },
    Decrees { first: u64, decrees: Vec<WireDecree>, chosen: u64 },
    Known(WireStart),
    FetchSnapshot { slot: u64, offset: u64 },
    Snapshot(WirePart),
}

/// A report: without a ballot, the decree was copied as chosen.
#[derive(Serialize, Deserialize)]
struct Row {
    slot: u64,
    ballot: Option<WireBallot>,
    decree: WireDecree,
}

#[derive(Serialize, Deserialize)]
struct Beat {
    folder: u128,
    incarnation: u64,
    mark: u64,
    promised: WireBallot,
    journal_end: u64,
    leads: Option<WireBallot>,
    follows: Option<WireBallot>,
    leader_ok: bool,
    chosen: u64,
    hears: Vec<u16>,
    is_connected: bool,
    priority: u8,
    checkpoint: Option<(u64, u64)>,
    applied: (u64, u64),
    tick: u32,
    echoes: Vec<u32>,
    sync_ticks: Option<u32>,
    prepares: Option<(WireBallot, u32)>,
    began: Option<(u64, u64)>,
}

/// Encodes a message.
#[must_use]
pub fn encode_message(message: &Message) -> Bytes {
    match message {
        Message::Paxos(Paxos::AfterSync(bound)) => encode_bound(bound),
        Message::Paxos(Paxos::Immediate(free)) => encode_free(free),
        Message::Heartbeat(beat) => encode(&Header::Heartbeat(beat_out(beat)), [].iter()),
        Message::Confirm { ballot, round } => {
            let header = Header::Confirm { ballot: (*ballot).into(), round: *round };
            encode(&header, [].iter())
        }
        Message::Confirmed { ballot, round, promised } => {
            let (ballot, promised) = ((*ballot).into(), (*promised).into());
            encode(&Header::Confirmed { ballot, round: *round, promised }, [].iter())
        }
        Message::Fetch { first } => encode(&Header::Fetch { first: first.number() }, [].iter()),
        Message::Decrees { first, decrees, chosen } => {
            let header = Header::Decrees {
                first: first.number(),
                decrees: decrees.iter().map(decree_out).collect(),
                chosen: chosen.number(),
            };
            encode(&header, decrees.iter().filter_map(decree_bytes))
        }
        Message::Known(known) => encode(&Header::Known(start_out(known)), [].iter()),
        Message::FetchSnapshot { slot, offset } => {
            encode(&Header::FetchSnapshot { slot: slot.number(), offset: *offset }, [].iter())
        }
        Message::Snapshot(part) => {
            encode(&Header::Snapshot(part_out(part)), std::iter::once(&part.bytes))
        }
    }
}

fn encode_bound(bound: &AfterSync<CommandBatch>) -> Bytes {
    match bound {
        AfterSync::Prepare { ballot, first } => {
            let header = Header::Prepare { ballot: (*ballot).into(), first: first.number() };
            encode(&header, [].iter())
        }
        AfterSync::Promise { ballot, first, end, chosen, reports } => {
            let header = Header::Promise {
                ballot: (*ballot).into(),
                first: first.number(),
                end: end.map(Slot::number),
                chosen: chosen.number(),
                reports: reports.iter().map(row_out).collect(),
            };
            encode(&header, reports.iter().filter_map(|(_, report)| decree_bytes(said(report))))
        }
        AfterSync::Accepted { ballot, first, end } => {
            let (first, end) = (first.number(), end.number());
            encode(&Header::Accepted { ballot: (*ballot).into(), first, end }, [].iter())
        }
    }
}

fn encode_free(free: &Immediate<CommandBatch>) -> Bytes {
    match free {
        Immediate::Accept { ballot, first, decrees, chosen } => {
            let header = Header::Accept {
                ballot: (*ballot).into(),
                first: first.number(),
                decrees: decrees.iter().map(decree_out).collect(),
                chosen: chosen.number(),
            };
            encode(&header, decrees.iter().filter_map(decree_bytes))
        }
        Immediate::Chosen { ballot, chosen } => {
            let header = Header::Chosen { ballot: (*ballot).into(), chosen: chosen.number() };
            encode(&header, [].iter())
        }
        Immediate::Nack { ballot, promised } => {
            let (ballot, promised) = ((*ballot).into(), (*promised).into());
            encode(&Header::Nack { ballot, promised }, [].iter())
        }
    }
}

/// Decodes a message.
///
/// # Errors
///
/// Fails on bytes that no version of this node has sent.
pub fn decode_message(frame: &Bytes) -> Result<Message, WireError> {
    let (header, mut values) = decode(frame)?;
    let message = match header {
        Header::Prepare { ballot, first } => {
            bound(AfterSync::Prepare { ballot: ballot.into(), first: slot_in(first)? })
        }
        Header::Promise { ballot, first, end, chosen, reports } => bound(AfterSync::Promise {
            ballot: ballot.into(),
            first: slot_in(first)?,
            end: end.map(slot_in).transpose()?,
            chosen: slot_in(chosen)?,
            reports: rows_in(reports, &mut values)?,
        }),
        Header::Accepted { ballot, first, end } => {
            if first >= end {
                return Err(WireError::Bounds("range of votes"));
            }
            let (first, end) = (slot_in(first)?, slot_in(end)?);
            bound(AfterSync::Accepted { ballot: ballot.into(), first, end })
        }
        Header::Accept { ballot, first, decrees, chosen } => free(Immediate::Accept {
            ballot: ballot.into(),
            first: run_in(first, decrees.len())?,
            decrees: decrees_in(decrees, &mut values)?,
            chosen: slot_in(chosen)?,
        }),
        Header::Chosen { ballot, chosen } => {
            free(Immediate::Chosen { ballot: ballot.into(), chosen: slot_in(chosen)? })
        }
        Header::Nack { ballot, promised } => {
            free(Immediate::Nack { ballot: ballot.into(), promised: promised.into() })
        }
        Header::Heartbeat(beat) => Message::Heartbeat(beat_in(beat)?),
        Header::Confirm { ballot, round } => Message::Confirm { ballot: ballot.into(), round },
        Header::Confirmed { ballot, round, promised } => {
            let (ballot, promised) = (Ballot::from(ballot), Ballot::from(promised));
            Message::Confirmed { ballot, round, promised }
        }
        Header::Fetch { first } => Message::Fetch { first: slot_in(first)? },
        Header::Decrees { first, decrees, chosen } => Message::Decrees {
            first: run_in(first, decrees.len())?,
            decrees: decrees_in(decrees, &mut values)?,
            chosen: slot_in(chosen)?,
        },
        Header::Known(life) => Message::Known(start_in(&life)?),
        Header::FetchSnapshot { slot, offset } => {
            Message::FetchSnapshot { slot: slot_in(slot)?, offset }
        }
        Header::Snapshot(part) => Message::Snapshot(part_in(&part, &mut values)?),
    };
    values.finish(message)
}

const fn bound(bound: AfterSync<CommandBatch>) -> Message {
    Message::Paxos(Paxos::AfterSync(bound))
}

const fn free(free: Immediate<CommandBatch>) -> Message {
    Message::Paxos(Paxos::Immediate(free))
}

fn decrees_in(
    decrees: Vec<WireDecree>,
    values: &mut Values,
) -> Result<Vec<Decree<CommandBatch>>, WireError> {
    decrees.into_iter().map(|decree| values.decree(decree)).collect()
}

fn row_out((slot, report): &(Slot, Report<CommandBatch>)) -> Row {
    let ballot = match report {
        Report::Voted(vote) => Some(vote.ballot.into()),
        Report::Chosen(_) => None,
    };
    Row { slot: slot.number(), ballot, decree: decree_out(said(report)) }
}

const fn said(report: &Report<CommandBatch>) -> &Decree<CommandBatch> {
    match report {
        Report::Voted(vote) => &vote.decree,
        Report::Chosen(decree) => decree,
    }
}

fn rows_in(
    rows: Vec<Row>,
    values: &mut Values,
) -> Result<Vec<(Slot, Report<CommandBatch>)>, WireError> {
    let mut after = None;
    let mut reports = Vec::new();
    for row in rows {
        let slot = slot_in(row.slot)?;
        // One slot has one highest vote: of two reports of it nobody could say which is meant.
        if after.replace(slot) >= Some(slot) {
            return Err(WireError::Bounds("order of reports"));
        }
        let decree = values.decree(row.decree)?;
        let report = match row.ballot {
            Some(ballot) => Report::Voted(Vote { ballot: ballot.into(), decree }),
            None => Report::Chosen(decree),
        };
        reports.push((slot, report));
    }
    Ok(reports)
}

fn beat_out(beat: &Heartbeat) -> Beat {
    Beat {
        folder: beat.folder.0,
        incarnation: beat.incarnation,
        mark: beat.mark,
        promised: beat.promised.into(),
        journal_end: beat.journal_end.number(),
        leads: beat.leads.map(WireBallot::from),
        follows: beat.follows.map(WireBallot::from),
        leader_ok: beat.leader_ok,
        chosen: beat.chosen.number(),
        hears: beat.hears.iter().map(|node| node.number()).collect(),
        is_connected: beat.is_connected,
        priority: beat.priority,
        checkpoint: beat.checkpoint.map(checkpoint_out),
        applied: checkpoint_out(beat.applied),
        tick: beat.tick,
        echoes: beat.echoes.clone(),
        sync_ticks: beat.sync_ticks,
        prepares: beat.prepares.map(|(ballot, steps)| (ballot.into(), steps)),
        began: beat.began.map(checkpoint_out),
    }
}

fn beat_in(beat: Beat) -> Result<Heartbeat, WireError> {
    // The two lists are one table: who is heard, and what is echoed to each.
    if beat.echoes.len() != beat.hears.len() {
        return Err(WireError::Bounds("number of echoes"));
    }
    let checkpoint = beat.checkpoint.map(checkpoint_in).transpose()?;
    Ok(Heartbeat {
        folder: Folder(beat.folder),
        incarnation: beat.incarnation,
        mark: beat.mark,
        promised: beat.promised.into(),
        journal_end: slot_in(beat.journal_end)?,
        leads: beat.leads.map(Ballot::from),
        follows: beat.follows.map(Ballot::from),
        leader_ok: beat.leader_ok,
        chosen: slot_in(beat.chosen)?,
        hears: beat.hears.into_iter().map(NodeId::new).collect(),
        is_connected: beat.is_connected,
        priority: beat.priority,
        checkpoint,
        applied: checkpoint_in(beat.applied)?,
        tick: beat.tick,
        echoes: beat.echoes,
        sync_ticks: beat.sync_ticks,
        prepares: beat.prepares.map(|(ballot, steps)| (ballot.into(), steps)),
        began: beat.began.map(checkpoint_in).transpose()?,
    })
}

const fn checkpoint_out(held: Checkpoint) -> (u64, u64) {
    (held.slot.number(), held.digest)
}

fn checkpoint_in((slot, digest): (u64, u64)) -> Result<Checkpoint, WireError> {
    Ok(Checkpoint { slot: slot_in(slot)?, digest })
}
