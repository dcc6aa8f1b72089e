//! Corruptions of journals.
//!
//! Each changes a few records, so that the rest is what it was. Where it strikes is the first place
//! that is suited, and what must be said of it is told along.

use std::collections::{BTreeMap, BTreeSet};

use synod_paxos::{Ballot, Decree, NodeId, Slot};
use synod_simulated::trace::NodeJournal;
use synod_smr::wire::JournalRecord;
use synod_smr::{CommandBatch, Record};

use super::world::value;

/// Changes journals; none if they hold nothing that is suited.
pub(crate) type Corruption = fn(&mut [NodeJournal]) -> Option<()>;

/// What a corruption is called, what is said of it, and what it does.
pub(crate) const CORRUPTIONS: &[(&str, &str, Corruption)] = &[
    ("vote for another decree than others", "voted for two decrees in ballot", another_decree),
    ("ballot that forgets what was chosen", "d \\in Proposals(P, s)", forgets_what_was_chosen),
    ("noop where there is no gap", "d \\in Proposals(P, s)", noop_without_a_gap),
    ("promise that nobody asked for", "b \\in prepares", nobody_asked),
    ("proposals without promises", "{m.acc : m \\in Q} = p", nobody_promised),
    ("vote below the promise", "was promised", vote_below_the_promise),
    ("hint past what is chosen", "c <= ChosenUpTo(a)", hint_too_far),
    ("hint of what the disk has not", "accepted[a][s][1] = m[1]", hint_with_a_hole),
    ("copy of another decree", "two decrees are chosen", copy_of_another),
    ("ballot led in two lives", "is of an earlier life", ballot_of_two_lives),
    ("life that was there before", "does not come after the one before", life_again),
];

const OTHER: u64 = 99_999;

type Votes = BTreeMap<(Slot, Ballot), BTreeSet<NodeId>>;

fn votes(journals: &[NodeJournal]) -> Votes {
    let mut votes = Votes::new();
    for journal in journals {
        for record in &journal.records {
            if let JournalRecord::Replica(Record::Accepted { ballot, slot, .. }) = record {
                votes.entry((*slot, *ballot)).or_default().insert(journal.node);
            }
        }
    }
    votes
}

fn journal(journals: &mut [NodeJournal], node: NodeId) -> &mut Vec<JournalRecord> {
    &mut journals.iter_mut().find(|journal| journal.node == node).unwrap().records
}

/// Returns the decree of a vote.
fn vote(record: &mut JournalRecord, at: (Slot, Ballot)) -> Option<&mut Decree<CommandBatch>> {
    match record {
        JournalRecord::Replica(Record::Accepted { ballot, slot, decree })
            if (*slot, *ballot) == at =>
        {
            Some(decree)
        }
        JournalRecord::Replica(_)
        | JournalRecord::Incarnation(_)
        | JournalRecord::Peer(..)
        | JournalRecord::Snapshot(_) => None,
    }
}

/// Makes all votes of one ballot and slot votes for another decree.
fn change_all(journals: &mut [NodeJournal], at: (Slot, Ballot), to: &Decree<CommandBatch>) {
    for record in journals.iter_mut().flat_map(|journal| &mut journal.records) {
        if let Some(decree) = vote(record, at) {
            decree.clone_from(to);
        }
    }
}

fn hint(journal: &NodeJournal) -> Slot {
    let hints = journal.records.iter().filter_map(|record| match record {
        JournalRecord::Replica(Record::Chosen(end)) => Some(*end),
        JournalRecord::Replica(_)
        | JournalRecord::Incarnation(_)
        | JournalRecord::Peer(..)
        | JournalRecord::Snapshot(_) => None,
    });
    hints.max().unwrap_or(Slot::FIRST)
}

fn is_promise(record: &JournalRecord, of: Ballot) -> bool {
    matches!(record, JournalRecord::Replica(Record::Promised(ballot)) if *ballot == of)
}

fn another_decree(journals: &mut [NodeJournal]) -> Option<()> {
    let (at, nodes) = votes(journals).into_iter().find(|(_, nodes)| nodes.len() > 1)?;
    let records = journal(journals, *nodes.last()?);
    *records.iter_mut().find_map(|record| vote(record, at))? = value(OTHER);
    Some(())
}

/// Where a quorum had voted, a higher ballot has another decree, and too few votes to be chosen.
fn forgets_what_was_chosen(journals: &mut [NodeJournal]) -> Option<()> {
    let votes = votes(journals);
    let is_open = |node: &NodeId, slot: Slot| {
        journals.iter().any(|journal| journal.node == *node && hint(journal) <= slot)
    };
    let (at, _) = votes.iter().find(|((slot, ballot), nodes)| {
        let mut below = votes.range((*slot, Ballot::ZERO)..(*slot, *ballot));
        nodes.len() == 1
            && nodes.iter().all(|node| is_open(node, *slot))
            && below.any(|(_, nodes)| nodes.len() > 1)
    })?;
    change_all(journals, *at, &value(OTHER));
    Some(())
}

/// The last slot, in which one ballot alone proposed, holds a Noop.
fn noop_without_a_gap(journals: &mut [NodeJournal]) -> Option<()> {
    let votes = votes(journals);
    let (last, ballot) = *votes.last_key_value()?.0;
    let is_of_the_last = |record: &&mut JournalRecord| record.slot() == Some(last);
    let mut all = journals.iter_mut().flat_map(|journal| &mut journal.records);
    let is_voted = |record: &mut JournalRecord| {
        vote(record, (last, ballot)).is_some_and(|decree| *decree != Decree::Noop)
    };
    if !all.by_ref().filter(is_of_the_last).all(is_voted) {
        return None;
    }
    change_all(journals, (last, ballot), &Decree::Noop);
    Some(())
}

/// Finds a ballot that a node other than its owner promised, and that its owner voted in, or not.
fn promised(journals: &[NodeJournal], owner_votes: bool) -> Option<Ballot> {
    let votes = votes(journals);
    let voted = |ballot: Ballot| {
        votes.iter().any(|((_, of), nodes)| *of == ballot && nodes.contains(&ballot.node()))
    };
    journals.iter().find_map(|journal| {
        journal.records.iter().find_map(|record| match record {
            JournalRecord::Replica(Record::Promised(ballot))
                if ballot.node() != journal.node && voted(*ballot) == owner_votes =>
            {
                Some(*ballot)
            }
            JournalRecord::Replica(_)
            | JournalRecord::Incarnation(_)
            | JournalRecord::Peer(..)
            | JournalRecord::Snapshot(_) => None,
        })
    })
}

fn nobody_asked(journals: &mut [NodeJournal]) -> Option<()> {
    let ballot = promised(journals, false)?;
    journal(journals, ballot.node()).retain(|record| !is_promise(record, ballot));
    Some(())
}

fn nobody_promised(journals: &mut [NodeJournal]) -> Option<()> {
    let ballot = promised(journals, true)?;
    for journal in journals.iter_mut().filter(|journal| journal.node != ballot.node()) {
        journal.records.retain(|record| !is_promise(record, ballot));
    }
    Some(())
}

/// A vote moves behind the next promise of its node.
fn vote_below_the_promise(journals: &mut [NodeJournal]) -> Option<()> {
    journals.iter_mut().find_map(|NodeJournal { records, .. }| {
        let is_vote = |record: &JournalRecord| {
            matches!(record, JournalRecord::Replica(Record::Accepted { .. }))
        };
        let vote = records.iter().position(is_vote)?;
        let is_next =
            |record: &JournalRecord| matches!(record, JournalRecord::Replica(Record::Promised(_)));
        let next = records[vote..].iter().position(is_next)?;
        records[vote..=vote + next].rotate_left(1);
        Some(())
    })
}

/// A node that voted for nothing past its longest hint hints at much more.
fn hint_too_far(journals: &mut [NodeJournal]) -> Option<()> {
    let is_behind = |journal: &&mut NodeJournal| {
        let end = hint(journal);
        journal.records.iter().all(|record| record.slot().is_none_or(|slot| slot < end))
    };
    let NodeJournal { records, .. } = journals.iter_mut().find(is_behind)?;
    let hint = records.iter_mut().rev().find_map(|record| match record {
        JournalRecord::Replica(Record::Chosen(end)) => Some(end),
        JournalRecord::Replica(_)
        | JournalRecord::Incarnation(_)
        | JournalRecord::Peer(..)
        | JournalRecord::Snapshot(_) => None,
    })?;
    *hint = hint.plus(1_000);
    Some(())
}

/// A vote that others made a quorum without is not there, and the hint past it is. It is the last
/// such vote, so that no later ballot was bound by it.
fn hint_with_a_hole(journals: &mut [NodeJournal]) -> Option<()> {
    let everybody = journals.len();
    let votes = votes(journals);
    let highest = votes.keys().map(|(_, ballot)| *ballot).max()?;
    let is_full = |(_, ballot): &(Slot, Ballot), nodes: &BTreeSet<NodeId>| {
        *ballot == highest && nodes.len() == everybody
    };
    let full = votes.into_iter().filter(|(at, nodes)| is_full(at, nodes));
    let slots: BTreeSet<Slot> = full.map(|((slot, _), _)| slot).collect();
    let all = journals.iter().flat_map(|journal| &journal.records);
    let all: Vec<_> = all.filter_map(JournalRecord::slot).collect();
    let is_told_once = |slot: &&Slot| all.iter().filter(|told| *told == *slot).count() == everybody;
    journals.iter_mut().find_map(|journal| {
        let slot = slots.range(..hint(journal)).rfind(is_told_once)?;
        journal.records.retain(|record| record.slot() != Some(*slot));
        Some(())
    })
}

fn copy_of_another(journals: &mut [NodeJournal]) -> Option<()> {
    let mut records = journals.iter_mut().flat_map(|journal| &mut journal.records);
    *records.find_map(|record| match record {
        JournalRecord::Replica(Record::Learned { decree, .. }) => Some(decree),
        JournalRecord::Replica(_)
        | JournalRecord::Incarnation(_)
        | JournalRecord::Peer(..)
        | JournalRecord::Snapshot(_) => None,
    })? = value(OTHER);
    Some(())
}

/// A node starts again between the promise that it gave its own ballot and its first vote in it.
fn ballot_of_two_lives(journals: &mut [NodeJournal]) -> Option<()> {
    journals.iter_mut().find_map(|NodeJournal { node, records }| {
        let is_own = |record: &JournalRecord| {
            matches!(record, JournalRecord::Replica(Record::Accepted { ballot, .. })
                if ballot.node() == *node)
        };
        let at = records.iter().position(is_own)?;
        let mut life = 0;
        for record in &mut records[..at] {
            if let JournalRecord::Incarnation(number) = record {
                life = *number;
            }
        }
        for record in &mut records[at..] {
            if let JournalRecord::Incarnation(number) = record {
                *number += 1;
            }
        }
        records.insert(at, JournalRecord::Incarnation(life + 1));
        Some(())
    })
}

fn life_again(journals: &mut [NodeJournal]) -> Option<()> {
    let records = journals.iter_mut().flat_map(|journal| &mut journal.records);
    let mut lives = records.filter_map(|record| match record {
        JournalRecord::Incarnation(life) => Some(life),
        JournalRecord::Replica(_) | JournalRecord::Peer(..) | JournalRecord::Snapshot(_) => None,
    });
    *lives.find(|life| **life > 1)? = 1;
    Some(())
}
