//! What a trace tells of answers: what a client was told of a request, and how a command stands in
//! the table of sessions once it is applied.
//!
//! Replies are told by a checksum alone, as whoever judges compares them and reads none. Which of
//! them may be given is judged elsewhere. The claim kept true: what may not be taken for each other
//! has different numbers, and numbers that nobody wrote are refused.

use bytes::Bytes;
use synod_smr::{KeptReply, Refusal, Response, SessionVerdict};

/// What a client was about to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The reply of the state machine, of this checksum.
    Reply(u32),
    /// The attempt was not taken in, or never left the queue: it has changed nothing and will not.
    NotProposed,
    /// The client had said that it has the answer to this number.
    Stale,
    /// The command is refused for another reason, or applied without a reply that can be had.
    Refused,
    /// The attempt may still take effect.
    Uncertain,
    /// A session is open.
    Opened,
    /// How the node is doing, or a part of its state: no rule is about either.
    Status,
}

/// How a command of an applied decree stands in the table of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandStanding {
    /// Nothing was applied under its number, which may still be used.
    Fresh,
    /// It was applied, and its reply of this checksum is kept.
    Applied(u32),
    /// It was applied, and its reply is not kept.
    Lost,
    /// There is no such session for its sender.
    Expired,
    /// Its client has the answer, or has given it up.
    Stale,
    /// Its number is that of another command.
    Reused,
    /// Its number is too far past the first unanswered one.
    TooFar,
}

impl Said {
    pub(super) fn of(response: &Response) -> Self {
        match response {
            Response::Reply(reply) => Self::Reply(print(reply)),
            Response::Refused(refusal) => match refusal {
                Refusal::NotLeader { .. } | Refusal::Overloaded { .. } | Refusal::DiskFull => {
                    Self::NotProposed
                }
                Refusal::SequenceStale => Self::Stale,
                Refusal::SessionExpired
                | Refusal::SequenceReused
                | Refusal::PipelineFull
                | Refusal::ReplyLost
                | Refusal::Invalid(_)
                | Refusal::ReplyTooLong
                | Refusal::NotAllowed
                | Refusal::NoPart { .. } => Self::Refused,
            },
            Response::Uncertain { .. } => Self::Uncertain,
            Response::Opened(_) => Self::Opened,
            Response::Status(_) | Response::Snapshot { .. } => Self::Status,
        }
    }

    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Reply(print) => numbered(1, print),
            Self::NotProposed => numbered(2, 0),
            Self::Stale => numbered(3, 0),
            Self::Refused => numbered(4, 0),
            Self::Uncertain => numbered(5, 0),
            Self::Opened => numbered(6, 0),
            Self::Status => numbered(7, 0),
        }
    }

    pub(super) fn of_number(number: u64) -> Option<Self> {
        Some(match parts(number) {
            (1, print) => Self::Reply(print),
            (2, 0) => Self::NotProposed,
            (3, 0) => Self::Stale,
            (4, 0) => Self::Refused,
            (5, 0) => Self::Uncertain,
            (6, 0) => Self::Opened,
            (7, 0) => Self::Status,
            _ => return None,
        })
    }
}

impl CommandStanding {
    pub(super) fn of(verdict: &SessionVerdict) -> Self {
        match verdict {
            SessionVerdict::Fresh => Self::Fresh,
            SessionVerdict::Applied(KeptReply::Whole(reply)) => Self::Applied(print(reply)),
            SessionVerdict::Applied(KeptReply::Lost | KeptReply::TooLong) => Self::Lost,
            SessionVerdict::Expired => Self::Expired,
            SessionVerdict::Stale => Self::Stale,
            SessionVerdict::Reused => Self::Reused,
            SessionVerdict::TooFar => Self::TooFar,
        }
    }

    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Fresh => numbered(1, 0),
            Self::Applied(print) => numbered(2, print),
            Self::Lost => numbered(3, 0),
            Self::Expired => numbered(4, 0),
            Self::Stale => numbered(5, 0),
            Self::Reused => numbered(6, 0),
            Self::TooFar => numbered(7, 0),
        }
    }

    pub(super) fn of_number(number: u64) -> Option<Self> {
        Some(match parts(number) {
            (1, 0) => Self::Fresh,
            (2, print) => Self::Applied(print),
            (3, 0) => Self::Lost,
            (4, 0) => Self::Expired,
            (5, 0) => Self::Stale,
            (6, 0) => Self::Reused,
            (7, 0) => Self::TooFar,
            _ => return None,
        })
    }
}

fn print(reply: &Bytes) -> u32 {
    crc32c::crc32c(reply)
}

const fn numbered(kind: u32, print: u32) -> u64 {
    (kind as u64) << 32 | print as u64
}

#[allow(clippy::cast_possible_truncation, reason = "the halves of a number are taken apart")]
const fn parts(number: u64) -> (u32, u32) {
    ((number >> 32) as u32, number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_nothing_else_is() {
        let said = [
            Said::Reply(7),
            Said::Reply(0),
            Said::NotProposed,
            Said::Stale,
            Said::Refused,
            Said::Uncertain,
            Said::Opened,
            Said::Status,
        ];
        for said in said {
            assert_eq!(Said::of_number(said.number()), Some(said));
        }
        let standing = [
            CommandStanding::Fresh,
            CommandStanding::Applied(u32::MAX),
            CommandStanding::Lost,
            CommandStanding::Expired,
            CommandStanding::Stale,
            CommandStanding::Reused,
            CommandStanding::TooFar,
        ];
        for standing in standing {
            assert_eq!(CommandStanding::of_number(standing.number()), Some(standing));
        }
        for foreign in [0, numbered(2, 1), numbered(8, 0)] {
            assert_eq!(Said::of_number(foreign), None, "{foreign:x}");
        }
        assert_eq!(CommandStanding::of_number(numbered(1, 1)), None);
    }

    /// A refusal that lets its client believe that nothing was done is told from all others.
    #[test]
    fn refusals_of_what_was_not_proposed_are_told_from_all_others() {
        let of = |refusal| Said::of(&Response::Refused(refusal));
        assert_eq!(of(Refusal::NotLeader { leader: None }), Said::NotProposed);
        assert_eq!(of(Refusal::Overloaded { retry_after_ms: 1 }), Said::NotProposed);
        assert_eq!(of(Refusal::SequenceStale), Said::Stale);
        assert_eq!(of(Refusal::ReplyLost), Said::Refused);
        assert_eq!(Said::of(&Response::Uncertain { leader: None }), Said::Uncertain);
    }
}
