//! Points of clients: what requests meet at a replica, and how they are answered.

use std::collections::BTreeMap;

use synod_paxos::Ballot;
use synod_smr::{Connection, Message, Refusal, RequestId, Response, SessionId};

use super::tracker::{View, place};
use super::{HitCounts, Point};
use crate::clients::is_trespass;
use crate::machine::client_of;
use crate::misuse::is_misuse;
use crate::step::{Cause, Kind, Step, Wanted};

/// Who looks at requests.
#[derive(Debug)]
pub(super) struct Requests {
    desks: Vec<Desk>,
    sessions: BTreeMap<u32, SessionId>,
}

/// The requests at one node, in one life of it.
#[derive(Clone, Debug, Default)]
struct Desk {
    open: Vec<Asked>,
    /// The last request of each client.
    latest: BTreeMap<u32, RequestId>,
}

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    wanted: Wanted,
    connection: Connection,
    id: RequestId,
    /// The ballot that the node led when it was asked.
    ballot: Option<Ballot>,
}

impl Requests {
    pub(super) fn new(count: usize) -> Self {
        Self { desks: vec![Desk::default(); count], sessions: BTreeMap::new() }
    }

    pub(super) fn on_step(&mut self, step: &Step<'_>, view: &View, seen: &mut HitCounts) {
        let desk = &mut self.desks[place(step.node)];
        match step.cause {
            // What a process was asked ends with it: nobody answers it in another life.
            Cause::Start => *desk = Desk::default(),
            // The points are of what clients meet who mind their own sessions.
            Cause::Request(_, _, id) if is_trespass(id) || is_misuse(id) => {}
            Cause::Request(wanted, connection, id) => {
                let ballot = step.before.leads;
                let asked = Asked { wanted, connection, id, ballot };
                desk.on_request(step, asked, view, seen);
            }
            Cause::Message(_, Kind::Confirmed) => {
                let waits = desk.open.iter().any(|asked| asked.wanted == Wanted::Query);
                seen.see_if(!waits, Point::EchoLate);
            }
            Cause::Message(..)
            | Cause::Timer(_)
            | Cause::LinkDown(_)
            | Cause::Synced
            | Cause::OldDecrees
            | Cause::Snapshot
            | Cause::Wrote
            | Cause::Unheard(_)
            | Cause::Client
            | Cause::Several
            | Cause::Drain => {}
        }
        for (_, message) in step.sent {
            on_sent(step, message, seen);
        }
        for (_, id, response) in step.replies {
            if let (true, Response::Refused(refusal)) = (is_misuse(*id), response) {
                on_misuse(refusal, seen);
            }
        }
        let is_own = |id| !is_trespass(id) && !is_misuse(id);
        let own = step.replies.iter().filter(|(_, id, _)| is_own(*id));
        for (count, (connection, id, response)) in own.enumerate() {
            let asked = self.desks[place(step.node)].take(*connection, *id);
            self.on_reply(step, asked, *connection, response, seen);
            let twice = step.replies[..count].iter().any(|(other, ..)| other == connection);
            seen.see_if(twice, Point::AttemptsAnsweredTogether);
        }
    }

    fn on_reply(
        &mut self,
        step: &Step<'_>,
        asked: Option<Asked>,
        connection: Connection,
        response: &Response,
        seen: &mut HitCounts,
    ) {
        let wanted = asked.map(|asked| asked.wanted);
        match response {
            Response::Opened(session) => {
                let before = self.sessions.insert(client_of(connection), *session);
                let another = before.is_some_and(|before| before != *session);
                seen.see_if(another, Point::SessionOpenedTwice);
            }
            Response::Reply(_) => {
                let ballot = asked.and_then(|asked| asked.ballot);
                // `None` is below every ballot: without the first condition each answer of a node
                // that had not led when it was asked would count.
                let raised = ballot.is_some() && step.after.leads > ballot;
                let survives = wanted == Some(Wanted::Query) && raised;
                seen.see_if(survives, Point::ReadSurvivesRaise);
            }
            Response::Refused(refusal) => on_refusal(step, wanted, refusal, seen),
            Response::Uncertain { .. } => seen.see(Point::CommandUncertain),
            Response::Status(_) | Response::Snapshot { .. } => {}
        }
    }
}

impl Desk {
    fn on_request(&mut self, step: &Step<'_>, asked: Asked, view: &View, seen: &mut HitCounts) {
        // Parts of snapshots have numbers of their own, and are answered by the host alone.
        if asked.wanted == Wanted::Snapshot {
            return;
        }
        let latest = self.latest.entry(client_of(asked.connection)).or_insert(RequestId(0));
        seen.see_if(asked.id < *latest, Point::RequestOvertaken);
        *latest = (*latest).max(asked.id);
        let answer = step
            .replies
            .iter()
            .find(|(connection, id, _)| (*connection, *id) == (asked.connection, asked.id));
        let unsettled = asked.ballot.is_some() && !step.replica.paxos().is_settled();
        let deposed = asked.ballot.is_some_and(|ballot| ballot < view.highest);
        match asked.wanted {
            Wanted::Command => {
                let replied = matches!(answer, Some((_, _, Response::Reply(_))));
                seen.see_if(replied, Point::AnsweredFromSession);
                seen.see_if(unsettled, Point::CommandAtUnsettled);
                seen.see_if(deposed, Point::CommandAtDeposed);
                let raising = asked.ballot.is_none() && answer.is_none();
                seen.see_if(raising, Point::CommandWhileRaising);
            }
            Wanted::Query => {
                seen.see_if(unsettled, Point::ReadAtUnsettled);
                seen.see_if(deposed, Point::ReadAtDeposed);
                let others = self.open.iter().any(|other| other.wanted == Wanted::Query);
                let waits = asked.ballot.is_some() && !unsettled && answer.is_none();
                seen.see_if(waits && others, Point::ReadWaitsForRound);
            }
            Wanted::Open | Wanted::Status | Wanted::Snapshot => {}
        }
        self.open.push(asked);
    }

    /// Takes out what an answer is for.
    fn take(&mut self, connection: Connection, id: RequestId) -> Option<Asked> {
        let is_it = |asked: &Asked| (asked.connection, asked.id) == (connection, id);
        let place = self.open.iter().position(is_it)?;
        Some(self.open.remove(place))
    }
}

fn on_refusal(step: &Step<'_>, wanted: Option<Wanted>, refusal: &Refusal, seen: &mut HitCounts) {
    match refusal {
        Refusal::NotLeader { leader } => {
            let point = match leader {
                Some(_) => Point::NotLeaderHinted,
                None => Point::NotLeaderUnhinted,
            };
            seen.see(point);
            let late = !matches!(step.cause, Cause::Request(..));
            seen.see_if(late && wanted == Some(Wanted::Query), Point::ReadRefusedLate);
            seen.see_if(late && wanted == Some(Wanted::Command), Point::CommandUnproposed);
        }
        Refusal::DiskFull => seen.see(Point::DiskFullRefused),
        Refusal::Overloaded { .. } => seen.see(Point::OverloadedRefused),
        Refusal::SessionExpired => seen.see(Point::SessionExpiredRefused),
        Refusal::ReplyLost => seen.see(Point::ReplyLostRefused),
        Refusal::SequenceStale
        | Refusal::SequenceReused
        | Refusal::PipelineFull
        | Refusal::ReplyTooLong
        | Refusal::NotAllowed
        | Refusal::NoPart { .. }
        | Refusal::Invalid(_) => {}
    }
}

/// What a client of this project never asks for is refused for its own reason.
fn on_misuse(refusal: &Refusal, seen: &mut HitCounts) {
    match refusal {
        Refusal::SequenceStale => seen.see(Point::SequenceStaleRefused),
        Refusal::SequenceReused => seen.see(Point::SequenceReusedRefused),
        Refusal::PipelineFull => seen.see(Point::PipelineFullRefused),
        Refusal::ReplyTooLong => seen.see(Point::ReplyTooLongRefused),
        Refusal::Invalid(_) => seen.see(Point::InvalidRefused),
        Refusal::NotLeader { .. }
        | Refusal::DiskFull
        | Refusal::Overloaded { .. }
        | Refusal::SessionExpired
        | Refusal::NotAllowed
        | Refusal::NoPart { .. }
        | Refusal::ReplyLost => {}
    }
}

fn on_sent(step: &Step<'_>, message: &Message, seen: &mut HitCounts) {
    match message {
        Message::Confirm { .. } => {
            let again = matches!(step.cause, Cause::Timer(_));
            seen.see_if(again, Point::ReadRoundResent);
        }
        Message::Confirmed { ballot, promised, .. } => {
            seen.see_if(promised > ballot, Point::EchoOfHigherPromise);
        }
        Message::Paxos(_)
        | Message::Heartbeat(_)
        | Message::Fetch { .. }
        | Message::Decrees { .. }
        | Message::FetchSnapshot { .. }
        | Message::Snapshot(_)
        | Message::Known(_) => {}
    }
}
