//! Corruptions of recorded runs.
//!
//! Each changes one event of a run, or a few that belong together, so that the rest is what it was.
//! Where it strikes is the first place that is suited, and which guard must object is told along.

#![allow(clippy::ptr_arg, reason = "all corruptions have one type, and some add events")]

use synod_paxos::{
    AfterSync, Ballot, Decree, Immediate, Message as Paxos, NodeId, Report, Slot, To, Vote,
};
use synod_smr::{CommandBatch, Heartbeat, Message, Record};

use super::world::{Event, value};
use std::collections::BTreeMap;

/// Changes one event of a run; none if the run has no event that is suited.
pub(crate) type Corruption = fn(&mut Vec<Event>) -> Option<()>;

/// What a corruption is called, the guard that refuses it, and what it does.
pub(crate) const CORRUPTIONS: &[(&str, &str, Corruption)] = &[
    ("accept of another value", "d \\in Proposals(P, s)", another_value),
    ("noop where there is no gap", "d \\in Proposals(P, s)", noop_without_a_gap),
    ("double value in one ballot", "\\A w \\in accepts : w[1] # s \\/ w[2] # b", double_value),
    ("accept below what was announced", "\\A m \\in announced : m[1] = b => m[2] <= s", announced),
    ("accept without a quorum", "{m.acc : m \\in Q} = p", promises_unheard),
    ("promise that hides a vote", TRUTH, hidden_vote),
    ("promise that makes a vote up", TRUTH, made_up_vote),
    ("promise that dates a vote back", TRUTH, vote_of_another_ballot),
    ("promise before it is durable", "PersistBeforeSend", promise_before_its_record),
    ("promise of a longer prefix", "c <= ChosenUpTo(a)", promise_of_a_longer_prefix),
    ("promise that nobody asked for", "b \\in prepares", promise_unasked),
    ("prepare of another node's ballot", "a = Owner[b]", prepare_by_another),
    ("accept of another node's ballot", "a = Owner[b]", accept_by_another),
    ("prepare before it is durable", "PersistBeforeSend", prepare_before_its_record),
    ("prepare of an earlier life", "b > Promised(a)", prepare_of_an_earlier_life),
    ("accepted without a durable vote", "w \\in cast[a]", accepted_without_a_vote),
    ("vote for what was not proposed", "w \\in accepts", vote_for_another),
    ("vote below the promise", "promised[a] <= w[2]", vote_below_the_promise),
    ("promise that went down", "promised'[a] >= promised[a]", recovered_without_a_promise),
    ("vote that a crash took", "w \\in cast[a]", recovered_without_a_vote),
    ("announcement without a quorum", "c <= ChosenUpTo(a)", announced_too_much),
    ("learned without a quorum", "LearnedIsChosen", learned_too_early),
    ("learned another value", "LearnedIsChosen", learned_another),
    ("copy of another value", "ReadBackIsChosen", copied_another),
    ("heartbeat of a promise not synced", "PersistBeforeSend", heartbeat_before_the_record),
];

const TRUTH: &str = "votes |-> [s \\in Slot |-> IF s < c THEN NoVote ELSE Told(a, s)]]";

fn bound(event: &mut Event) -> Option<(NodeId, &mut AfterSync<CommandBatch>)> {
    match event {
        Event::Sent(from, _, Message::Paxos(Paxos::AfterSync(bound))) => Some((*from, bound)),
        Event::Sent(..) | Event::Durable(..) | Event::Recovered(..) | Event::Learned(..) => None,
    }
}

fn free(event: &mut Event) -> Option<(NodeId, &mut Immediate<CommandBatch>)> {
    match event {
        Event::Sent(from, _, Message::Paxos(Paxos::Immediate(free))) => Some((*from, free)),
        Event::Sent(..) | Event::Durable(..) | Event::Recovered(..) | Event::Learned(..) => None,
    }
}

/// Finds the first proposal of each ballot and slot, by the place of its event.
fn proposals(events: &mut [Event]) -> BTreeMap<(Ballot, Slot), (usize, Decree<CommandBatch>)> {
    let mut found = BTreeMap::new();
    for (at, event) in events.iter_mut().enumerate() {
        let Some((_, Immediate::Accept { ballot, first, decrees, .. })) = free(event) else {
            continue;
        };
        for (slot, decree) in (first.number()..).map(Slot::new).zip(decrees) {
            found.entry((*ballot, slot)).or_insert_with(|| (at, decree.clone()));
        }
    }
    found
}

/// Changes the decree of a proposal.
fn change(event: &mut Event, slot: Slot, to: Decree<CommandBatch>) -> Option<()> {
    let Some((_, Immediate::Accept { first, decrees, .. })) = free(event) else { return None };
    *decrees.get_mut(usize::try_from(slot.past(*first)).unwrap())? = to;
    Some(())
}

/// A slot in which something is chosen is proposed in again, by a later ballot: what is bound.
pub(crate) fn another_value(events: &mut Vec<Event>) -> Option<()> {
    let proposals = proposals(events);
    let again = |(learned_at, event): (usize, &Event)| {
        let Event::Learned(_, learned, _) = event else { return None };
        let mine = |((_, slot), (at, _)): &(&(Ballot, Slot), &(usize, Decree<CommandBatch>))| {
            slot == learned && *at > learned_at
        };
        proposals.iter().find(mine).map(|((_, slot), (at, _))| (*at, *slot))
    };
    let (at, slot) = events.iter().enumerate().find_map(again)?;
    change(&mut events[at], slot, value(1_000_000))
}

fn noop_without_a_gap(events: &mut Vec<Event>) -> Option<()> {
    let ((_, slot), (at, _)) = proposals(events).into_iter().next()?;
    change(&mut events[at], slot, Decree::Noop)
}

/// A second Accept of one ballot and slot.
pub(crate) fn double_value(events: &mut Vec<Event>) -> Option<()> {
    let ((_, slot), (at, _)) = proposals(events).into_iter().next_back()?;
    let mut again = events[at].clone();
    change(&mut again, slot, value(1_000_000))?;
    events.insert(at + 1, again);
    Some(())
}

/// A leader proposes in a slot that it announced and never proposed in.
fn announced(events: &mut Vec<Event>) -> Option<()> {
    let proposals = proposals(events);
    let (at, slot) = events.iter_mut().enumerate().find_map(|(at, event)| match free(event)? {
        (_, Immediate::Chosen { ballot, chosen }) => {
            let mut below = (0..chosen.number()).map(Slot::new);
            let slot = below.find(|slot| !proposals.contains_key(&(*ballot, *slot)))?;
            Some((at, (*ballot, slot)))
        }
        (_, Immediate::Accept { .. } | Immediate::Nack { .. }) => None,
    })?;
    let (ballot, first) = slot;
    let (decrees, chosen) = (vec![value(1_000_000)], Slot::FIRST);
    let accept =
        Message::Paxos(Paxos::Immediate(Immediate::Accept { ballot, first, decrees, chosen }));
    events.insert(at + 1, Event::Sent(ballot.node(), To::Peers, accept));
    Some(())
}

/// The promises of a ballot that proposed something are dropped.
fn promises_unheard(events: &mut Vec<Event>) -> Option<()> {
    let ((led, _), _) = proposals(events).into_iter().next()?;
    events.retain_mut(
        |event| {
            !matches!(bound(event), Some((_, AfterSync::Promise { ballot, .. })) if *ballot == led)
        },
    );
    Some(())
}

/// Changes the first promise that a function takes for suited.
fn change_promise(
    events: &mut [Event],
    mut change: impl FnMut(NodeId, &mut AfterSync<CommandBatch>) -> Option<()>,
) -> Option<()> {
    events.iter_mut().find_map(|event| {
        let (from, promise) = bound(event)?;
        change(from, promise)
    })
}

fn hidden_vote(events: &mut Vec<Event>) -> Option<()> {
    change_promise(events, |_, promise| match promise {
        AfterSync::Promise { reports, ballot, .. } => {
            let at = reports.iter().position(|(_, report)| is_below(report, *ballot))?;
            reports.remove(at);
            Some(())
        }
        AfterSync::Prepare { .. } | AfterSync::Accepted { .. } => None,
    })
}

fn is_below(report: &Report<CommandBatch>, ballot: Ballot) -> bool {
    match report {
        Report::Voted(vote) => vote.ballot < ballot,
        Report::Chosen(_) => false,
    }
}

fn made_up_vote(events: &mut Vec<Event>) -> Option<()> {
    change_promise(events, |from, promise| match promise {
        AfterSync::Promise { ballot, chosen, first, reports, end: None } => {
            let last = reports.last().map_or(*first, |(slot, _)| slot.next()).max(*chosen);
            let made_up = Ballot::new(1, from);
            let vote = Vote { ballot: made_up, decree: value(7) };
            let is_suited = made_up < *ballot;
            is_suited.then(|| reports.push((last, Report::Voted(vote))))
        }
        AfterSync::Promise { .. } | AfterSync::Prepare { .. } | AfterSync::Accepted { .. } => None,
    })
}

fn vote_of_another_ballot(events: &mut Vec<Event>) -> Option<()> {
    change_promise(events, |_, promise| match promise {
        AfterSync::Promise { reports, .. } => {
            let (_, report) = reports.first_mut()?;
            let Report::Voted(vote) = report else { return None };
            vote.ballot = Ballot::new(vote.ballot.round() - 1, vote.ballot.node());
            Some(())
        }
        AfterSync::Prepare { .. } | AfterSync::Accepted { .. } => None,
    })
}

/// Removes the record of a promise that is told of later.
fn promise_before_its_record(events: &mut Vec<Event>) -> Option<()> {
    let (at, from, ballot) =
        events.iter_mut().enumerate().find_map(|(at, event)| match bound(event)? {
            (from, AfterSync::Promise { ballot, .. }) => Some((at, from, *ballot)),
            (_, AfterSync::Prepare { .. } | AfterSync::Accepted { .. }) => None,
        })?;
    forget_promise(&mut events[..at], from, ballot);
    Some(())
}

fn forget_promise(events: &mut [Event], from: NodeId, ballot: Ballot) {
    for event in events {
        if let Event::Durable(node, records) | Event::Recovered(node, records) = event
            && *node == from
        {
            records.retain(|record| match record {
                Record::Promised(promised) | Record::Accepted { ballot: promised, .. } => {
                    *promised != ballot
                }
                Record::Learned { .. } | Record::Chosen(_) => true,
            });
        }
    }
}

fn promise_of_a_longer_prefix(events: &mut Vec<Event>) -> Option<()> {
    change_promise(events, |_, promise| match promise {
        AfterSync::Promise { chosen, .. } => {
            *chosen = Slot::new(chosen.number() + 1000);
            Some(())
        }
        AfterSync::Prepare { .. } | AfterSync::Accepted { .. } => None,
    })
}

fn promise_unasked(events: &mut Vec<Event>) -> Option<()> {
    let unasked = Record::Promised(Ballot::new(1_000, NodeId::new(1)));
    events.push(Event::Durable(NodeId::new(2), vec![unasked]));
    Some(())
}

fn prepare_by_another(events: &mut Vec<Event>) -> Option<()> {
    events.iter_mut().find_map(|event| match event {
        Event::Sent(from, _, Message::Paxos(Paxos::AfterSync(AfterSync::Prepare { .. }))) => {
            *from = NodeId::new(from.number() % 3 + 1);
            Some(())
        }
        Event::Sent(..) | Event::Durable(..) | Event::Recovered(..) | Event::Learned(..) => None,
    })
}

fn accept_by_another(events: &mut Vec<Event>) -> Option<()> {
    events.iter_mut().find_map(|event| match event {
        Event::Sent(from, _, Message::Paxos(Paxos::Immediate(Immediate::Accept { .. }))) => {
            *from = NodeId::new(from.number() % 3 + 1);
            Some(())
        }
        Event::Sent(..) | Event::Durable(..) | Event::Recovered(..) | Event::Learned(..) => None,
    })
}

fn prepare_before_its_record(events: &mut Vec<Event>) -> Option<()> {
    let (at, from, ballot) =
        events.iter_mut().enumerate().find_map(|(at, event)| match bound(event)? {
            (from, AfterSync::Prepare { ballot, .. }) => Some((at, from, *ballot)),
            (_, AfterSync::Promise { .. } | AfterSync::Accepted { .. }) => None,
        })?;
    forget_promise(&mut events[..at], from, ballot);
    Some(())
}

/// A node comes back and asks for promises in a ballot that it used before.
fn prepare_of_an_earlier_life(events: &mut Vec<Event>) -> Option<()> {
    let at = events.iter().position(|event| match event {
        Event::Recovered(node, records) => records.iter().any(|record| is_own(*node, record)),
        Event::Durable(..) | Event::Sent(..) | Event::Learned(..) => false,
    })?;
    let Event::Recovered(node, records) = &events[at] else { return None };
    let record = records.iter().rev().find(|record| is_own(*node, record))?;
    let Record::Promised(ballot) = record else { return None };
    let again = AfterSync::Prepare { ballot: *ballot, first: Slot::FIRST };
    let again = Event::Sent(*node, To::Peers, Message::Paxos(Paxos::AfterSync(again)));
    events.insert(at + 1, again);
    Some(())
}

fn is_own(node: NodeId, record: &Record) -> bool {
    matches!(record, Record::Promised(ballot) if ballot.node() == node)
}

fn accepted_without_a_vote(events: &mut Vec<Event>) -> Option<()> {
    let (at, from, voted) =
        events.iter_mut().enumerate().find_map(|(at, event)| match bound(event)? {
            (from, AfterSync::Accepted { ballot, first, .. }) => {
                Some((at, from, (*ballot, *first)))
            }
            (_, AfterSync::Promise { .. } | AfterSync::Prepare { .. }) => None,
        })?;
    for event in &mut events[..at] {
        if let Event::Durable(node, records) | Event::Recovered(node, records) = event
            && *node == from
        {
            records.retain(|record| {
                !matches!(
                    record, Record::Accepted { ballot, slot, .. } if (*ballot, *slot) == voted
                )
            });
        }
    }
    Some(())
}

/// Changes the first vote of another leader's ballot.
fn change_vote(
    events: &mut [Event],
    change: impl Fn(&mut Ballot, &mut Decree<CommandBatch>),
) -> Option<()> {
    events.iter_mut().find_map(|event| {
        let Event::Durable(node, records) = event else { return None };
        let node = *node;
        records.iter_mut().find_map(|record| match record {
            Record::Accepted { ballot, decree, .. } if ballot.node() != node => {
                change(ballot, decree);
                Some(())
            }
            Record::Accepted { .. }
            | Record::Promised(_)
            | Record::Learned { .. }
            | Record::Chosen(_) => None,
        })
    })
}

pub(crate) fn vote_for_another(events: &mut Vec<Event>) -> Option<()> {
    change_vote(events, |_, decree| *decree = value(1_000_000))
}

/// A vote in a ballot that proposed, by a node that promised more and has not voted there.
pub(crate) fn vote_below_the_promise(events: &mut Vec<Event>) -> Option<()> {
    let proposals = proposals(events);
    let mut promised: BTreeMap<NodeId, Ballot> = BTreeMap::new();
    let mut cast = Vec::new();
    let mut found = None;
    for (at, event) in events.iter().enumerate() {
        let (Event::Durable(node, records) | Event::Recovered(node, records)) = event else {
            continue;
        };
        for record in records {
            if let Record::Promised(ballot) | Record::Accepted { ballot, .. } = record {
                let held = promised.entry(*node).or_insert(*ballot);
                *held = (*held).max(*ballot);
            }
            if let Record::Accepted { ballot, slot, .. } = record {
                cast.push((*node, *ballot, *slot));
            }
        }
        let stale = |((ballot, slot), (sent, _)): &(&(Ballot, Slot), &(usize, _))| {
            *sent < at
                && promised.get(node).is_some_and(|held| ballot < held)
                && ballot.node() != *node
                && !cast.contains(&(*node, *ballot, *slot))
        };
        if let Some(((ballot, slot), (_, decree))) = proposals.iter().find(stale) {
            let (ballot, slot, decree) = (*ballot, *slot, decree.clone());
            found = Some((at, *node, Record::Accepted { ballot, slot, decree }));
            break;
        }
    }
    let (at, node, record) = found?;
    events.insert(at + 1, Event::Durable(node, vec![record]));
    Some(())
}

/// A recovery that finds a disk as it was before the last record of a kind.
fn recover_without(events: &mut [Event], lost: impl Fn(&Record) -> bool) -> Option<()> {
    let mut synced: BTreeMap<NodeId, usize> = BTreeMap::new();
    events.iter_mut().find_map(|event| match event {
        Event::Durable(node, records) => {
            *synced.entry(*node).or_default() += records.len();
            None
        }
        Event::Recovered(node, records) => {
            let durable = synced.get(node).copied().unwrap_or_default();
            let at = records[..durable].iter().rposition(&lost);
            synced.insert(*node, records.len());
            records.truncate(at?);
            Some(())
        }
        Event::Sent(..) | Event::Learned(..) => None,
    })
}

fn recovered_without_a_promise(events: &mut Vec<Event>) -> Option<()> {
    recover_without(events, |record| matches!(record, Record::Promised(_)))
}

fn recovered_without_a_vote(events: &mut Vec<Event>) -> Option<()> {
    // The promise must survive, or that is what is missed first.
    let mut synced: BTreeMap<NodeId, Vec<Record>> = BTreeMap::new();
    events.iter_mut().find_map(|event| match event {
        Event::Durable(node, records) => {
            synced.entry(*node).or_default().extend_from_slice(records);
            None
        }
        Event::Recovered(node, records) => {
            let durable = synced.insert(*node, records.clone()).unwrap_or_default();
            let at = durable.iter().position(|record| matches!(record, Record::Accepted { .. }));
            let Record::Accepted { slot: lost, .. } = &durable[at?] else { return None };
            let lost = *lost;
            let is_last =
                |record: &Record| matches!(record, Record::Accepted { slot, .. } if *slot == lost);
            records.retain(|record| !is_last(record));
            records.extend(durable.iter().filter_map(|record| match record {
                Record::Accepted { ballot, .. } => Some(Record::Promised(*ballot)),
                Record::Promised(_) | Record::Learned { .. } | Record::Chosen(_) => None,
            }));
            Some(())
        }
        Event::Sent(..) | Event::Learned(..) => None,
    })
}

fn announced_too_much(events: &mut Vec<Event>) -> Option<()> {
    events.iter_mut().find_map(|event| match free(event)? {
        (_, Immediate::Chosen { chosen, .. }) => {
            *chosen = Slot::new(chosen.number() + 1000);
            Some(())
        }
        (_, Immediate::Accept { .. } | Immediate::Nack { .. }) => None,
    })
}

/// A node treats a decree as chosen as soon as it is proposed.
fn learned_too_early(events: &mut Vec<Event>) -> Option<()> {
    let ((ballot, slot), (at, decree)) = proposals(events).into_iter().next()?;
    events.insert(at + 1, Event::Learned(ballot.node(), slot, decree));
    Some(())
}

fn learned_another(events: &mut Vec<Event>) -> Option<()> {
    events.iter_mut().find_map(|event| {
        let Event::Learned(_, _, decree) = event else { return None };
        *decree = value(1_000_000);
        Some(())
    })
}

fn copied_another(events: &mut Vec<Event>) -> Option<()> {
    events.iter_mut().find_map(|event| {
        let Event::Sent(_, _, Message::Decrees { decrees, .. }) = event else { return None };
        *decrees.last_mut()? = value(1_000_000);
        Some(())
    })
}

fn heartbeat_before_the_record(events: &mut Vec<Event>) -> Option<()> {
    events.iter_mut().find_map(|event| {
        let Event::Sent(_, _, Message::Heartbeat(beat)) = event else { return None };
        let Heartbeat { promised, .. } = beat;
        *promised = promised.next(NodeId::new(1));
        Some(())
    })
}
