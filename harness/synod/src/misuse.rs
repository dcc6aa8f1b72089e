//! Misuse: what a client sends that does not know how to use its session.
//!
//! Each request is one that a client of this project never makes, and is to be refused for its own
//! reason wherever it comes. None of them can change anything: not even the sequence numbers that
//! the client will use.

use bytes::Bytes;
use synod_history::Request;
use synod_rng::Random;
use synod_smr::{PIPELINE_MAX, Refusal, RequestBody, RequestId, Response, Sequence};

use crate::kv_model::{self, Asked, LONG_QUERY};

/// Tells whether a request is misuse.
#[must_use]
pub const fn is_misuse(id: RequestId) -> bool {
    id.0 >= MISUSE && id.0 < 2 * MISUSE
}

/// Returns the name of the so-many-th misuse of a client.
#[must_use]
pub const fn misuse(count: u64) -> RequestId {
    RequestId(MISUSE + count)
}

/// Draws a misuse of the session of the last command that was answered.
#[must_use]
pub fn draw(number: u64, last: &RequestBody, dice: &mut Random) -> Option<RequestBody> {
    let RequestBody::Command { session, sequence, unanswered, .. } = *last else { return None };
    let command =
        |sequence, payload| RequestBody::Command { session, sequence, unanswered, payload };
    Some(match dice.below(5) {
        // It was used for something else.
        0 => command(sequence, harmless(number)),
        // Its reply was received.
        1 => command(
            // The first command of a session has none before it.
            Sequence(sequence.0.checked_sub(1).filter(|number| *number > 0)?),
            harmless(number),
        ),
        // So many are never open at once, however late it comes.
        2 => command(sequence.plus(FAR * PIPELINE_MAX), harmless(number)),
        // It is no command at all. Its number is too far as well, so that no order of the checks
        // lets it in.
        3 => command(sequence.plus(FAR * PIPELINE_MAX), Bytes::from_static(&[255; 40])),
        _ => RequestBody::Query(Bytes::from_static(LONG_QUERY)),
    })
}

/// Tells whether a response is one that misuse may have.
#[must_use]
pub const fn sends_away(response: &Response) -> bool {
    match response {
        Response::Uncertain { .. } => true,
        Response::Refused(refusal) => match refusal {
            Refusal::NotLeader { .. }
            | Refusal::Overloaded { .. }
            | Refusal::DiskFull
            | Refusal::SessionExpired
            | Refusal::SequenceStale
            | Refusal::SequenceReused
            | Refusal::PipelineFull
            | Refusal::ReplyTooLong
            | Refusal::Invalid(_) => true,
            Refusal::ReplyLost | Refusal::NotAllowed | Refusal::NoPart { .. } => false,
        },
        Response::Opened(_)
        | Response::Reply(_)
        | Response::Status(_)
        | Response::Snapshot { .. } => false,
    }
}

/// A command that changes nothing, whatever the state.
fn harmless(number: u64) -> Bytes {
    let nobody = || "nobody".to_owned();
    let request = Request::Cas { key: nobody(), from: Some(nobody()), to: nobody() };
    match kv_model::encode(number, &request, 0) {
        Asked::Command(bytes) | Asked::Query(bytes) => bytes,
    }
}

/// The numbers of misuse; a client's own requests never get so far.
const MISUSE: u64 = 1 << 62;

/// How many pipelines ahead a number is that is too far.
const FAR: u64 = 1 << 20;
