//! The bytes of each message, request, response and record, held fast.
//!
//! A wire format changes silently when a variant is inserted in the middle or a field moves. These
//! files hold the bytes of version 1 in hexadecimal, a line a value; a released line is never
//! changed, only added to. `SYNOD_REWRITE=1` writes them anew.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test reads files and clocks; the core that it drives does not"
)]

use bytes::Bytes;
use std::fmt::Write as _;
use synod_paxos::{
    AfterSync, Ballot, Decree, Immediate, Message as Paxos, NodeId, Record, Report, Slot, Vote,
};
use synod_smr::wire::{
    JournalRecord, StateDescription, WireError, decode_description, decode_message, decode_record,
    decode_request, decode_response, decode_session, encode_description, encode_message,
    encode_record, encode_request, encode_response, encode_session,
};
use synod_smr::{
    Checkpoint, ClientId, Command, CommandBatch, DiskHealth, Fingerprint, Folder, Heartbeat,
    HostStatus, KeptReply, Message, NoPart, Opening, PeerStart, Principal, Refusal, Request,
    RequestBody, RequestId, Response, SavedReply, SavedSession, Sequence, SessionId, StatePart,
    Status, Version,
};

const BALLOT: Ballot = Ballot::new(300, NodeId::new(2));
const LOWER: Ballot = Ballot::new(299, NodeId::new(1));
const OPENING: Opening = Opening { client: ClientId::new(3 << 64 | 5), count: 1 };
const START: PeerStart = PeerStart {
    folder: Folder(1 << 100),
    incarnation: 4,
    mark: 5,
    promised: BALLOT,
    journal_end: Slot::new(8),
};
const DESCRIPTION: StateDescription = StateDescription {
    slot: Slot::new(70_000),
    chain: 0xFEDC_BA98_7654_3210,
    sessions: 2,
    digest: 0x0123_4567_89AB_CDEF,
};
const SESSION: SessionId = SessionId { slot: Slot::new(70_000), position: 3 };

fn decree() -> Decree<CommandBatch> {
    let principal = Principal::of_name("alice");
    let open = Command::Open { principal, opening: OPENING };
    let apply = Command::Apply {
        principal,
        session: SESSION,
        sequence: Sequence(9),
        unanswered: Sequence(8),
        payload: Bytes::from_static(b"put x 7"),
    };
    Decree::Value(CommandBatch::encode(&[open, apply]))
}

fn messages() -> Vec<Message> {
    let (first, end, chosen) = (Slot::new(7), Slot::new(9), Slot::new(6));
    let reports = vec![
        (Slot::new(7), Report::Voted(Vote { ballot: LOWER, decree: decree() })),
        (Slot::new(8), Report::Chosen(Decree::Noop)),
    ];
    let decrees = vec![decree(), Decree::Noop];
    let beat = Heartbeat {
        folder: Folder(0),
        incarnation: 4,
        mark: 5,
        promised: BALLOT,
        journal_end: Slot::new(8),
        leads: Some(BALLOT),
        follows: Some(LOWER),
        leader_ok: true,
        chosen,
        hears: vec![NodeId::new(1), NodeId::new(3)],
        is_connected: true,
        priority: 1,
        checkpoint: Some(Checkpoint { slot: Slot::new(1024), digest: u64::MAX }),
        applied: Checkpoint { slot: Slot::new(1030), digest: 9 },
        tick: 500,
        echoes: vec![498, 499],
        sync_ticks: Some(3),
        prepares: Some((BALLOT, 2)),
        began: Some(Checkpoint { slot: Slot::new(300), digest: 7 }),
    };
    vec![
        Message::Paxos(Paxos::AfterSync(AfterSync::Prepare { ballot: BALLOT, first })),
        Message::Paxos(Paxos::AfterSync(AfterSync::Promise {
            ballot: BALLOT,
            first,
            end: Some(end),
            chosen,
            reports,
        })),
        Message::Paxos(Paxos::AfterSync(AfterSync::Accepted { ballot: BALLOT, first, end })),
        Message::Paxos(Paxos::Immediate(Immediate::Accept {
            ballot: BALLOT,
            first,
            decrees: decrees.clone(),
            chosen,
        })),
        Message::Paxos(Paxos::Immediate(Immediate::Chosen { ballot: BALLOT, chosen })),
        Message::Paxos(Paxos::Immediate(Immediate::Nack { ballot: LOWER, promised: BALLOT })),
        Message::Heartbeat(beat),
        Message::Confirm { ballot: BALLOT, round: 77 },
        Message::Confirmed { ballot: BALLOT, round: 77, promised: BALLOT },
        Message::Fetch { first },
        Message::Decrees { first, decrees, chosen: Slot::new(12) },
        Message::Known(START),
        Message::FetchSnapshot { slot: Slot::new(70_000), offset: 1 << 33 },
        Message::Snapshot(part()),
    ]
}

fn part() -> StatePart {
    StatePart {
        description: DESCRIPTION,
        total: 1 << 34,
        offset: 1 << 33,
        bytes: Bytes::from_static(b"some of the state"),
    }
}

fn records() -> Vec<JournalRecord> {
    let slot = Slot::new(7);
    vec![
        JournalRecord::Incarnation(4),
        JournalRecord::Replica(Record::Promised(BALLOT)),
        JournalRecord::Replica(Record::Accepted { ballot: BALLOT, slot, decree: decree() }),
        JournalRecord::Replica(Record::Learned { slot, decree: Decree::Noop }),
        JournalRecord::Replica(Record::Chosen(slot)),
        JournalRecord::Peer(NodeId::new(3), START),
        JournalRecord::Snapshot(Slot::new(70_000)),
    ]
}

fn requests() -> Vec<Request> {
    let command = RequestBody::Command {
        session: SESSION,
        sequence: Sequence(9),
        unanswered: Sequence(8),
        payload: Bytes::from_static(b"put x 7"),
    };
    let query = RequestBody::Query(Bytes::from_static(b"get x"));
    let slot = Slot::new(300);
    let first = RequestBody::FetchSnapshot { covers: slot, of: None, offset: 0 };
    let next = RequestBody::FetchSnapshot { covers: slot, of: Some(Slot::new(301)), offset: 5 };
    let opening = RequestBody::Open { opening: OPENING };
    let bodies = [opening, command, query, RequestBody::Status, first, next];
    bodies.into_iter().map(|body| Request { id: RequestId(1000), body }).collect()
}

fn responses() -> Vec<Response> {
    let status = Status {
        node: NodeId::new(2),
        incarnation: 4,
        promised: BALLOT,
        leads: Some(BALLOT),
        follows: None,
        leader_ok: true,
        chosen: Slot::new(8),
        applied: Slot::new(8),
        digest: 0x0123_4567_89AB_CDEF,
        sessions: 3,
        host: HostStatus {
            disk: DiskHealth::Hung,
            snapshot: Some(Slot::new(7)),
            version: Version([1, 300, 2]),
            certificate_end_s: Some(1_800_000_000),
        },
    };
    let leader = Some(NodeId::new(3));
    let mut responses = vec![
        Response::Opened(SESSION),
        Response::Reply(Bytes::from_static(b"7")),
        Response::Uncertain { leader },
        Response::Status(status),
        Response::Snapshot { part: part(), crc: 0x1234_5678 },
    ];
    let refusals = [
        Refusal::NotLeader { leader },
        Refusal::Overloaded { retry_after_ms: 50 },
        Refusal::DiskFull,
        Refusal::SessionExpired,
        Refusal::SequenceStale,
        Refusal::SequenceReused,
        Refusal::PipelineFull,
        Refusal::ReplyLost,
        Refusal::Invalid("no such command".to_owned()),
        Refusal::ReplyTooLong,
        Refusal::NotAllowed,
        no_part(NoPart::Behind),
        no_part(NoPart::Taking),
        no_part(NoPart::Held),
        no_part(NoPart::Paced),
        no_part(NoPart::NoSnapshots),
    ];
    responses.extend(refusals.map(Response::Refused));
    responses
}

fn no_part(why: NoPart) -> Refusal {
    Refusal::NoPart { why, retry_after_ms: 50 }
}

/// Compares frames with the file of that name, and each frame with its decoding.
fn check<T: std::fmt::Debug>(
    name: &str,
    values: &[T],
    encode: impl Fn(&T) -> Bytes,
    decode: impl Fn(&Bytes) -> Result<T, WireError>,
) {
    let mut text = String::new();
    for value in values {
        let frame = encode(value);
        let again = decode(&frame).unwrap();
        assert_eq!(format!("{again:?}"), format!("{value:?}"));
        for byte in &frame {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
        assert_damage_is_harmless(&frame, &decode);
    }
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SYNOD_REWRITE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "the bytes of {name} changed");
}

/// Cuts, extends and flips a frame everywhere: an error or another value, never a panic.
fn assert_damage_is_harmless<T>(frame: &Bytes, decode: impl Fn(&Bytes) -> Result<T, WireError>) {
    for len in 0..frame.len() {
        assert!(decode(&frame.slice(..len)).is_err(), "a frame cut to {len} bytes decodes");
    }
    let mut longer = frame.to_vec();
    longer.push(0);
    assert!(decode(&Bytes::from(longer)).is_err(), "a byte too many is taken");
    for place in 0..frame.len() * 8 {
        let mut flipped = frame.to_vec();
        flipped[place / 8] ^= 1 << (place % 8);
        let _ = decode(&Bytes::from(flipped));
    }
}

#[test]
fn messages_keep_their_bytes() {
    check("messages", &messages(), encode_message, decode_message);
}

#[test]
fn records_keep_their_bytes() {
    check("records", &records(), encode_record, decode_record);
}

#[test]
fn states_keep_their_bytes() {
    check("descriptions", &[DESCRIPTION], encode_description, decode_description);
    let reply = |sequence, reply| SavedReply {
        sequence: Sequence(sequence),
        payload: Fingerprint::of(b"put x 7"),
        reply,
    };
    let session = SavedSession {
        id: SESSION,
        principal: Principal::of_name("alice"),
        used: Slot::new(70_002),
        unanswered: Sequence(8),
        replies: vec![
            reply(8, KeptReply::Whole(Bytes::from_static(b"7"))),
            reply(9, KeptReply::Lost),
            reply(12, KeptReply::TooLong),
        ],
    };
    check("sessions", &[session], encode_session, decode_session);
}

#[test]
fn a_part_of_a_snapshot_is_within_it_and_not_empty() {
    let part = |total, offset, bytes: &'static [u8]| {
        let bytes = Bytes::from_static(bytes);
        let part = StatePart { description: DESCRIPTION, total, offset, bytes };
        decode_message(&encode_message(&Message::Snapshot(part))).map(drop)
    };
    let refused = Err(WireError::Bounds("part of a snapshot"));
    assert_eq!(part(4, 1, b"abc"), Ok(()));
    assert_eq!(part(4, 2, b"abc"), refused);
    assert_eq!(part(4, 4, b""), refused);
    assert_eq!(part(4, 1, b""), refused);
    assert_eq!(part(u64::MAX, u64::MAX - 1, b"abc"), refused);
}

#[test]
fn requests_keep_their_bytes() {
    check("requests", &requests(), encode_request, decode_request);
}

#[test]
fn responses_keep_their_bytes() {
    let id = RequestId(1000);
    let encode = |response: &Response| encode_response(id, response);
    check("responses", &responses(), encode, |frame| decode_response(frame).map(|(_, held)| held));
}

#[test]
fn other_versions_are_refused_by_name() {
    let mut frame = encode_record(&JournalRecord::Incarnation(1)).to_vec();
    frame[0] = 2;
    assert_eq!(decode_record(&Bytes::from(frame)), Err(WireError::Version(2)));
}
