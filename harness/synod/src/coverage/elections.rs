//! Points of phase 1 and of leadership: promises, campaigns, elections, and how leaders end.

use synod_paxos::{AfterSync, Ballot, Decree, Immediate, Message as Paxos, NodeId, Report, To};
use synod_smr::{CommandBatch, Message, Timer};

use super::tracker::{View, place};
use super::{HitCounts, Point};
use crate::step::{Cause, Kind, Step};

/// Who looks at elections.
#[derive(Debug)]
pub(super) struct Elections {
    candidates: Vec<Candidate>,
    /// Who has led, by place.
    led: Vec<bool>,
}

/// What is known of the last ballot of a node.
#[derive(Clone, Debug)]
struct Candidate {
    ballot: Ballot,
    promised: Vec<NodeId>,
    /// Whether a promise reported a vote for what another node had proposed.
    reports_others: bool,
    /// Whether the node led when it began the ballot.
    raises: bool,
}

impl Elections {
    pub(super) fn new(count: usize) -> Self {
        let candidate = Candidate {
            ballot: Ballot::ZERO,
            promised: Vec::new(),
            reports_others: false,
            raises: false,
        };
        Self { candidates: vec![candidate; count], led: vec![false; count] }
    }

    pub(super) fn on_step(&mut self, step: &Step<'_>, view: &View, seen: &mut HitCounts) {
        match step.cause {
            Cause::Message(_, Kind::Prepare(ballot)) => on_prepare(step, ballot, seen),
            Cause::Message(from, Kind::Promise { ballot, .. }) => {
                self.on_promise(step, from, ballot, seen);
            }
            Cause::Message(..)
            | Cause::Start
            | Cause::Request(..)
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
        for (to, message) in step.sent {
            if let (To::Node(to), Message::Paxos(Paxos::AfterSync(bound))) = (to, message) {
                self.on_sent(*to, bound, seen);
            }
        }
        if step.before.ballot != step.after.ballot {
            self.on_ballot(step, view, seen);
        }
        if step.before.leads != step.after.leads && step.after.leads.is_some() {
            self.on_elected(step, view, seen);
        }
    }

    fn on_promise(&mut self, step: &Step<'_>, from: NodeId, ballot: Ballot, seen: &mut HitCounts) {
        let candidate = &mut self.candidates[place(step.node)];
        if step.before.ballot != Some(ballot) {
            seen.see(Point::PromiseOfAnotherBallot);
        } else if step.before.leads == Some(ballot) {
            seen.see(Point::PromiseAfterElection);
        } else if candidate.promised.contains(&from) {
            seen.see(Point::PromiseRepeated);
        }
        if candidate.ballot == ballot && !candidate.promised.contains(&from) {
            candidate.promised.push(from);
        }
    }

    fn on_sent(&mut self, to: NodeId, bound: &AfterSync<CommandBatch>, seen: &mut HitCounts) {
        let AfterSync::Promise { ballot, reports, .. } = bound else { return };
        let ballots = || {
            reports.iter().filter_map(|(_, report)| match report {
                Report::Voted(vote) => Some(vote.ballot),
                Report::Chosen(_) => None,
            })
        };
        let votes = ballots().count();
        seen.see_if(votes == 1, Point::PromiseWithVote);
        seen.see_if(votes > 1, Point::PromiseWithVotes);
        seen.see_if(ballots().min() < ballots().max(), Point::PromiseOfMixedBallots);
        let candidate = &mut self.candidates[place(to)];
        // A promise may be sent to a candidate that has left this ballot for a higher one.
        if candidate.ballot == *ballot {
            candidate.reports_others |= ballots().any(|voted| voted.node() != to);
        }
    }

    /// A node begins or ends a ballot.
    fn on_ballot(&mut self, step: &Step<'_>, view: &View, seen: &mut HitCounts) {
        let Some(ballot) = step.after.ballot else { return on_end(step, view, seen) };
        let candidate = &mut self.candidates[place(step.node)];
        let raises = step.before.leads.is_some();
        let promised = Vec::new();
        *candidate = Candidate { ballot, promised, reports_others: false, raises };
        let is_candidate = |stance: crate::step::Stance| {
            stance.leads.is_none() && stance.ballot.is_some_and(|other| other != ballot)
        };
        seen.see_if(view.others(step.node).any(is_candidate), Point::DuellingCampaigns);
        if raises {
            seen.see(Point::BallotRaised);
            let open = view.seen(step.node).open > 0;
            seen.see_if(open, Point::BallotRaisedWithOpenSlots);
        } else {
            let leads = view.others(step.node).any(|stance| stance.leads.is_some());
            seen.see_if(leads, Point::CampaignAgainstLeader);
        }
    }

    fn on_elected(&mut self, step: &Step<'_>, view: &View, seen: &mut HitCounts) {
        let candidate = &self.candidates[place(step.node)];
        let unsettled = !step.replica.paxos().is_settled();
        seen.see_if(unsettled, Point::ElectedUnsettled);
        let rivals = view.others(step.node).any(|stance| stance.leads.is_some());
        seen.see_if(rivals, Point::TwoLeaders);
        let stalest = |chosen| chosen > step.after.chosen;
        let is_stalest = view.others(step.node).all(|stance| stalest(stance.chosen));
        seen.see_if(is_stalest && view.up() > 1, Point::ElectedMostStale);
        if let Some((last, life)) = view.leader {
            let without = last != step.node && !candidate.promised.contains(&last);
            seen.see_if(without, Point::ElectedWithoutLastLeader);
            let is_me = last == step.node;
            seen.see_if(is_me && life != step.life, Point::LeaderAgainAfterRestart);
            seen.see_if(is_me && candidate.raises, Point::RaiseCompleted);
        }
        self.on_bound_decrees(step, seen);
        // The point is seen as the last of the nodes comes to lead, not with every election after.
        let all = self.led.len() >= 3 && !self.led.contains(&false);
        self.led[place(step.node)] = true;
        let complete = self.led.len() >= 3 && !self.led.contains(&false);
        seen.see_if(complete && !all, Point::LedByEveryNode);
    }

    /// What a leader proposes in the very step of its election is what its promises bind it to.
    fn on_bound_decrees(&self, step: &Step<'_>, seen: &mut HitCounts) {
        let candidate = &self.candidates[place(step.node)];
        for (_, message) in step.sent {
            let Message::Paxos(Paxos::Immediate(Immediate::Accept { decrees, .. })) = message
            else {
                continue;
            };
            for decree in decrees {
                seen.see(match decree {
                    Decree::Noop => Point::GapFilled,
                    Decree::Value(_) if candidate.reports_others => Point::ReproposesAnothers,
                    Decree::Value(_) => Point::ReproposesOwn,
                });
            }
        }
    }
}

fn on_prepare(step: &Step<'_>, ballot: Ballot, seen: &mut HitCounts) {
    let (before, after) = (step.before.promised, step.after.promised);
    seen.see_if(ballot > before && after == before, Point::PrepareIgnored);
    seen.see_if(ballot == before, Point::PrepareRepeated);
    seen.see_if(refuses(step), Point::PrepareRefused);
}

/// A ballot ends, and the node begins none.
fn on_end(step: &Step<'_>, view: &View, seen: &mut HitCounts) {
    if step.before.leads.is_none() {
        return seen.see(Point::CandidateGivesUp);
    }
    let me = view.seen(step.node);
    match step.cause {
        Cause::Message(_, Kind::Prepare(_)) => seen.see(Point::DeposedByPrepare),
        Cause::Message(_, Kind::Accept(..)) => seen.see(Point::DeposedByAccept),
        Cause::Message(_, Kind::Heartbeat) => seen.see(Point::DeposedByHeartbeat),
        // Whoever hands over of its own accord was not deposed.
        Cause::Timer(Timer::Heartbeat) if me.draining => return seen.see(Point::ResignedByDrain),
        Cause::Message(..)
        | Cause::Start
        | Cause::Request(..)
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
    seen.see_if(me.open > 0, Point::DeposedWithOpenSlots);
}

/// Tells whether a step refuses a ballot.
pub(super) fn refuses(step: &Step<'_>) -> bool {
    let is_nack = |message: &Message| {
        matches!(message, Message::Paxos(Paxos::Immediate(Immediate::Nack { .. })))
    };
    step.sent.iter().any(|(_, message)| is_nack(message))
}
