//! Requests and responses of clients, as bytes.

use super::part::{WirePart, part_in, part_out};
use super::{WireBallot, WireError, decode, encode, length, slot_in};
use crate::command::{ClientId, Opening, Sequence, SessionId};
use crate::request::{NoPart, Refusal, Request, RequestBody, RequestId, Response};
use crate::status::{DiskHealth, HostStatus, Status, Version};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_paxos::{Ballot, NodeId, Slot};

#[derive(Serialize, Deserialize)]
struct RequestHeader {
    id: u64,
    body: WireBody,
}

#[derive(Serialize, Deserialize)]
enum WireBody {
    Open { client: u128, count: u64 },
    Command { session: WireSession, sequence: u64, unanswered: u64, len: u32 },
    Query { len: u32 },
    Status,
    FetchSnapshot { covers: u64, of: Option<u64>, offset: u64 },
}

#[derive(Serialize, Deserialize)]
struct WireSession {
    slot: u64,
    position: u32,
}

#[derive(Serialize, Deserialize)]
struct ResponseHeader {
    id: u64,
    body: WireResponse,
}

#[derive(Serialize, Deserialize)]
enum WireResponse {
    Opened(WireSession),
    Reply { len: u32 },
    Refused(WireRefusal),
    Uncertain { leader: Option<u16> },
    Status(WireStatus),
    Snapshot { part: WirePart, crc: u32 },
}

#[derive(Serialize, Deserialize)]
enum WireRefusal {
    NotLeader { leader: Option<u16> },
    Overloaded { retry_after_ms: u32 },
    DiskFull,
    SessionExpired,
    SequenceStale,
    SequenceReused,
    PipelineFull,
    ReplyLost,
    Invalid { len: u32 },
    ReplyTooLong,
    NotAllowed,
    NoPart { why: WireNoPart, retry_after_ms: u32 },
}

#[derive(Serialize, Deserialize)]
enum WireNoPart {
    Behind,
    Taking,
    Held,
    Paced,
    NoSnapshots,
}

#[derive(Serialize, Deserialize)]
struct WireStatus {
    node: u16,
    incarnation: u64,
    promised: WireBallot,
    leads: Option<WireBallot>,
    follows: Option<WireBallot>,
    leader_ok: bool,
    chosen: u64,
    applied: u64,
    digest: u64,
    sessions: u64,
    host: WireHostStatus,
}

#[derive(Serialize, Deserialize)]
struct WireHostStatus {
    disk: WireDiskHealth,
    snapshot: Option<u64>,
    version: [u16; 3],
    certificate_end_s: Option<u64>,
}

#[derive(Serialize, Deserialize)]
enum WireDiskHealth {
    Fine,
    Slow,
    Full,
    Hung,
    Failed,
}

/// Encodes a request.
#[must_use]
pub fn encode_request(request: &Request) -> Bytes {
    let (body, value) = match &request.body {
        RequestBody::Open { opening } => {
            let client = opening.client.number();
            (WireBody::Open { client, count: opening.count }, None)
        }
        RequestBody::Command { session, sequence, unanswered, payload } => {
            let body = WireBody::Command {
                session: session_out(*session),
                sequence: sequence.0,
                unanswered: unanswered.0,
                len: length(payload),
            };
            (body, Some(payload))
        }
        RequestBody::Query(query) => (WireBody::Query { len: length(query) }, Some(query)),
        RequestBody::Status => (WireBody::Status, None),
        RequestBody::FetchSnapshot { covers, of, offset } => {
            let (covers, of) = (covers.number(), of.map(Slot::number));
            (WireBody::FetchSnapshot { covers, of, offset: *offset }, None)
        }
    };
    encode(&RequestHeader { id: request.id.0, body }, value.into_iter())
}

/// Decodes a request.
///
/// # Errors
///
/// Fails on bytes that no version of the client has sent.
pub fn decode_request(frame: &Bytes) -> Result<Request, WireError> {
    let (header, mut values) = decode::<RequestHeader>(frame)?;
    let body = match header.body {
        WireBody::Open { client, count } => {
            RequestBody::Open { opening: Opening { client: ClientId::new(client), count } }
        }
        WireBody::Command { session, sequence, unanswered, len } => RequestBody::Command {
            session: session_in(&session)?,
            sequence: Sequence(sequence),
            unanswered: Sequence(unanswered),
            payload: values.take(len)?,
        },
        WireBody::Query { len } => RequestBody::Query(values.take(len)?),
        WireBody::Status => RequestBody::Status,
        WireBody::FetchSnapshot { covers, of, offset } => {
            let of = of.map(slot_in).transpose()?;
            RequestBody::FetchSnapshot { covers: slot_in(covers)?, of, offset }
        }
    };
    values.finish(Request { id: RequestId(header.id), body })
}

/// Encodes the response to the request of number `id`.
#[must_use]
pub fn encode_response(id: RequestId, response: &Response) -> Bytes {
    let mut reason = Bytes::new();
    let (body, value) = match response {
        Response::Opened(session) => (WireResponse::Opened(session_out(*session)), None),
        Response::Reply(reply) => (WireResponse::Reply { len: length(reply) }, Some(reply)),
        Response::Refused(refusal) => {
            if let Refusal::Invalid(text) = refusal {
                reason = Bytes::copy_from_slice(text.as_bytes());
            }
            (WireResponse::Refused(refusal_out(refusal)), Some(&reason))
        }
        Response::Uncertain { leader } => {
            (WireResponse::Uncertain { leader: leader.map(NodeId::number) }, None)
        }
        Response::Status(status) => (WireResponse::Status(status_out(status)), None),
        Response::Snapshot { part, crc } => {
            let wire = WireResponse::Snapshot { part: part_out(part), crc: *crc };
            (wire, Some(&part.bytes))
        }
    };
    encode(&ResponseHeader { id: id.0, body }, value.into_iter())
}

/// Decodes a response, with the number of the request that it answers.
///
/// # Errors
///
/// Fails on bytes that no version of the server has sent.
pub fn decode_response(frame: &Bytes) -> Result<(RequestId, Response), WireError> {
    let (header, mut values) = decode::<ResponseHeader>(frame)?;
    let response = match header.body {
        WireResponse::Opened(session) => Response::Opened(session_in(&session)?),
        WireResponse::Reply { len } => Response::Reply(values.take(len)?),
        // Of all refusals this one alone has bytes behind the header.
        WireResponse::Refused(WireRefusal::Invalid { len }) => {
            let reason = values.take(len)?;
            // It is for people, and a broken letter in it makes the refusal no less certain.
            let reason = String::from_utf8_lossy(&reason).into_owned();
            Response::Refused(Refusal::Invalid(reason))
        }
        WireResponse::Refused(refusal) => Response::Refused(refusal_in(&refusal)),
        WireResponse::Uncertain { leader } => {
            Response::Uncertain { leader: leader.map(NodeId::new) }
        }
        WireResponse::Status(status) => Response::Status(status_in(&status)?),
        WireResponse::Snapshot { part, crc } => {
            Response::Snapshot { part: part_in(&part, &mut values)?, crc }
        }
    };
    values.finish((RequestId(header.id), response))
}

const fn session_out(session: SessionId) -> WireSession {
    WireSession { slot: session.slot.number(), position: session.position }
}

fn session_in(session: &WireSession) -> Result<SessionId, WireError> {
    Ok(SessionId { slot: slot_in(session.slot)?, position: session.position })
}

fn refusal_out(refusal: &Refusal) -> WireRefusal {
    match refusal {
        Refusal::NotLeader { leader } => {
            WireRefusal::NotLeader { leader: leader.map(NodeId::number) }
        }
        Refusal::Overloaded { retry_after_ms } => {
            WireRefusal::Overloaded { retry_after_ms: *retry_after_ms }
        }
        Refusal::DiskFull => WireRefusal::DiskFull,
        Refusal::SessionExpired => WireRefusal::SessionExpired,
        Refusal::SequenceStale => WireRefusal::SequenceStale,
        Refusal::SequenceReused => WireRefusal::SequenceReused,
        Refusal::PipelineFull => WireRefusal::PipelineFull,
        Refusal::ReplyLost => WireRefusal::ReplyLost,
        Refusal::Invalid(reason) => {
            let len = u32::try_from(reason.len());
            WireRefusal::Invalid { len: len.expect("reasons are bounded") }
        }
        Refusal::ReplyTooLong => WireRefusal::ReplyTooLong,
        Refusal::NotAllowed => WireRefusal::NotAllowed,
        Refusal::NoPart { why, retry_after_ms } => {
            let why = match why {
                NoPart::Behind => WireNoPart::Behind,
                NoPart::Taking => WireNoPart::Taking,
                NoPart::Held => WireNoPart::Held,
                NoPart::Paced => WireNoPart::Paced,
                NoPart::NoSnapshots => WireNoPart::NoSnapshots,
            };
            WireRefusal::NoPart { why, retry_after_ms: *retry_after_ms }
        }
    }
}

fn refusal_in(refusal: &WireRefusal) -> Refusal {
    match refusal {
        WireRefusal::NotLeader { leader } => Refusal::NotLeader { leader: leader.map(NodeId::new) },
        WireRefusal::Overloaded { retry_after_ms } => {
            Refusal::Overloaded { retry_after_ms: *retry_after_ms }
        }
        WireRefusal::DiskFull => Refusal::DiskFull,
        WireRefusal::SessionExpired => Refusal::SessionExpired,
        WireRefusal::SequenceStale => Refusal::SequenceStale,
        WireRefusal::SequenceReused => Refusal::SequenceReused,
        WireRefusal::PipelineFull => Refusal::PipelineFull,
        WireRefusal::ReplyLost => Refusal::ReplyLost,
        WireRefusal::Invalid { .. } => Refusal::Invalid(String::new()),
        WireRefusal::ReplyTooLong => Refusal::ReplyTooLong,
        WireRefusal::NotAllowed => Refusal::NotAllowed,
        WireRefusal::NoPart { why, retry_after_ms } => {
            let why = match why {
                WireNoPart::Behind => NoPart::Behind,
                WireNoPart::Taking => NoPart::Taking,
                WireNoPart::Held => NoPart::Held,
                WireNoPart::Paced => NoPart::Paced,
                WireNoPart::NoSnapshots => NoPart::NoSnapshots,
            };
            Refusal::NoPart { why, retry_after_ms: *retry_after_ms }
        }
    }
}

fn status_out(status: &Status) -> WireStatus {
    WireStatus {
        node: status.node.number(),
        incarnation: status.incarnation,
        promised: status.promised.into(),
        leads: status.leads.map(WireBallot::from),
        follows: status.follows.map(WireBallot::from),
        leader_ok: status.leader_ok,
        chosen: status.chosen.number(),
        applied: status.applied.number(),
        digest: status.digest,
        sessions: status.sessions,
        host: host_out(&status.host),
    }
}

fn host_out(host: &HostStatus) -> WireHostStatus {
    let disk = match host.disk {
        DiskHealth::Fine => WireDiskHealth::Fine,
        DiskHealth::Slow => WireDiskHealth::Slow,
        DiskHealth::Full => WireDiskHealth::Full,
        DiskHealth::Hung => WireDiskHealth::Hung,
        DiskHealth::Failed => WireDiskHealth::Failed,
    };
    WireHostStatus {
        disk,
        snapshot: host.snapshot.map(Slot::number),
        version: host.version.0,
        certificate_end_s: host.certificate_end_s,
    }
}

fn host_in(host: &WireHostStatus) -> Result<HostStatus, WireError> {
    let disk = match host.disk {
        WireDiskHealth::Fine => DiskHealth::Fine,
        WireDiskHealth::Slow => DiskHealth::Slow,
        WireDiskHealth::Full => DiskHealth::Full,
        WireDiskHealth::Hung => DiskHealth::Hung,
        WireDiskHealth::Failed => DiskHealth::Failed,
    };
    Ok(HostStatus {
        disk,
        snapshot: host.snapshot.map(slot_in).transpose()?,
        version: Version(host.version),
        certificate_end_s: host.certificate_end_s,
    })
}

fn status_in(status: &WireStatus) -> Result<Status, WireError> {
    Ok(Status {
        node: NodeId::new(status.node),
        incarnation: status.incarnation,
        promised: status.promised.into(),
        leads: status.leads.map(Ballot::from),
        follows: status.follows.map(Ballot::from),
        leader_ok: status.leader_ok,
        chosen: slot_in(status.chosen)?,
        applied: slot_in(status.applied)?,
        digest: status.digest,
        sessions: status.sessions,
        host: host_in(&status.host)?,
    })
}
