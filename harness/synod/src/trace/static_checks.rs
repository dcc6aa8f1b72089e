//! What must be true of journals in whatever order their records were written.
//!
//! Each fact is read off the records alone and knows nothing of the specification's state, so it
//! holds or fails even where the search of `explain` is wrong. The claims kept true: one decree a
//! ballot and slot, one decree chosen a slot, promises that never fall, and ballots that are led
//! in one life only.

use std::collections::BTreeMap;

use synod_paxos::{Ballot, Configuration, Decree, NodeId, Slot, Tally};
use synod_smr::wire::JournalRecord;
use synod_smr::{CommandBatch, Record};

use super::NodeJournal;

/// Two records that cannot both be true, or one that cannot be where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// One ballot proposed two decrees in a slot.
    #[error("slot {slot}: nodes {one} and {other} voted for two decrees in ballot {ballot}")]
    TwoDecrees {
        /// The ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// Who voted for one of them.
        one: NodeId,
        /// Who voted for the other.
        other: NodeId,
    },
    /// Two decrees are chosen in a slot: by quorums of votes, or as some node holds it below the
    /// prefix that it calls chosen.
    #[error("slot {slot}: two decrees are chosen, one of them as node {node} has it")]
    TwoChosen {
        /// The slot.
        slot: Slot,
        /// The node whose record is the second.
        node: NodeId,
    },
    /// A node promised, or voted in, a ballot below one that it had promised.
    #[error("node {node}, record {at}: ballot {ballot} after {promised} was promised")]
    PromiseFell {
        /// The node.
        node: NodeId,
        /// Which of its records it is, counted from 0.
        at: usize,
        /// The ballot of the record.
        ballot: Ballot,
        /// What was promised before.
        promised: Ballot,
    },
    /// A node led the same ballot before and after a restart.
    #[error("node {node}, record {at}: its ballot {ballot} is of an earlier life")]
    BallotOfAnotherLife {
        /// The node.
        node: NodeId,
        /// Which of its records it is, counted from 0.
        at: usize,
        /// The ballot.
        ballot: Ballot,
    },
    /// Two lives of a node have one number.
    #[error("node {node}, record {at}: life {life} does not come after the one before")]
    LifeAgain {
        /// The node.
        node: NodeId,
        /// Which of its records it is, counted from 0.
        at: usize,
        /// The number of the life.
        life: u64,
    },
}

/// Checks what needs no order between nodes.
///
/// # Errors
///
/// Fails with the first contradiction that is found.
pub fn check_facts(voters: &Configuration, journals: &[NodeJournal]) -> Result<(), Contradiction> {
    for journal in journals {
        promises_grow(journal)?;
        ballots_have_one_life(journal)?;
    }
    let votes = one_decree_a_ballot(journals)?;
    let chosen = one_choice_a_slot(voters, votes)?;
    prefixes_agree(journals, chosen)
}

/// What was voted for in one ballot and slot, and by whom.
struct Voted<'j> {
    decree: &'j Decree<CommandBatch>,
    voters: Tally,
}

/// What a slot is known to have chosen.
type Chosen<'j> = BTreeMap<Slot, &'j Decree<CommandBatch>>;

fn replica_records(journal: &NodeJournal) -> impl Iterator<Item = (usize, &Record)> {
    journal.records.iter().enumerate().filter_map(|(at, record)| match record {
        JournalRecord::Replica(record) => Some((at, record)),
        JournalRecord::Incarnation(_) | JournalRecord::Peer(..) | JournalRecord::Snapshot(_) => {
            None
        }
    })
}

fn promises_grow(journal: &NodeJournal) -> Result<(), Contradiction> {
    let mut promised = Ballot::ZERO;
    for (at, record) in replica_records(journal) {
        let (Record::Promised(ballot) | Record::Accepted { ballot, .. }) = record else { continue };
        if *ballot < promised {
            let (node, ballot) = (journal.node, *ballot);
            return Err(Contradiction::PromiseFell { node, at, ballot, promised });
        }
        promised = *ballot;
    }
    Ok(())
}

fn ballots_have_one_life(journal: &NodeJournal) -> Result<(), Contradiction> {
    let node = journal.node;
    let mut life = 0;
    let mut lives = BTreeMap::new();
    for (at, record) in journal.records.iter().enumerate() {
        match record {
            JournalRecord::Incarnation(next) if *next <= life => {
                return Err(Contradiction::LifeAgain { node, at, life: *next });
            }
            JournalRecord::Incarnation(next) => life = *next,
            JournalRecord::Replica(Record::Promised(ballot) | Record::Accepted { ballot, .. })
                if ballot.node() == node =>
            {
                if *lives.entry(*ballot).or_insert(life) != life {
                    return Err(Contradiction::BallotOfAnotherLife { node, at, ballot: *ballot });
                }
            }
            JournalRecord::Replica(_) | JournalRecord::Peer(..) | JournalRecord::Snapshot(_) => {}
        }
    }
    Ok(())
}

fn one_decree_a_ballot(
    journals: &[NodeJournal],
) -> Result<BTreeMap<(Slot, Ballot), Voted<'_>>, Contradiction> {
    let mut votes: BTreeMap<(Slot, Ballot), Voted<'_>> = BTreeMap::new();
    for journal in journals {
        for (_, record) in replica_records(journal) {
            let Record::Accepted { ballot, slot, decree } = record else { continue };
            let voted = votes.entry((*slot, *ballot));
            let voted = voted.or_insert_with(|| Voted { decree, voters: Tally::default() });
            if voted.decree != decree {
                let (ballot, slot, other) = (*ballot, *slot, journal.node);
                // There is one: whoever voted first was added together with the decree.
                let one = voted.voters.nodes().next().unwrap_or(other);
                return Err(Contradiction::TwoDecrees { ballot, slot, one, other });
            }
            voted.voters.add(journal.node);
        }
    }
    Ok(votes)
}

fn one_choice_a_slot<'j>(
    voters: &Configuration,
    votes: BTreeMap<(Slot, Ballot), Voted<'j>>,
) -> Result<Chosen<'j>, Contradiction> {
    let mut chosen = Chosen::new();
    for ((slot, _), voted) in votes {
        if voters.is_phase2_quorum(&voted.voters) {
            // It is named in the error alone, and a quorum has somebody in it.
            let node = voted.voters.nodes().next().unwrap_or(NodeId::new(0));
            choose(&mut chosen, slot, voted.decree, node)?;
        }
    }
    Ok(chosen)
}

/// Holds what each node has below its longest hint, and what it copied, against all others.
fn prefixes_agree<'j>(
    journals: &'j [NodeJournal],
    mut chosen: Chosen<'j>,
) -> Result<(), Contradiction> {
    for journal in journals {
        let mut held = Chosen::new();
        let mut hinted = Slot::FIRST;
        for record in &journal.records {
            match record {
                JournalRecord::Replica(Record::Accepted { slot, decree, .. }) => {
                    held.insert(*slot, decree);
                }
                JournalRecord::Replica(Record::Learned { slot, decree }) => {
                    choose(&mut chosen, *slot, decree, journal.node)?;
                    held.insert(*slot, decree);
                }
                JournalRecord::Replica(Record::Chosen(end)) => hinted = hinted.max(*end),
                // A snapshot that came from a peer stands for slots in which this node may hold a
                // vote that lost. What lay below the hint before it is chosen all the same.
                JournalRecord::Snapshot(end) => {
                    let below = held.range(..hinted.min(*end));
                    for (slot, decree) in below {
                        choose(&mut chosen, *slot, decree, journal.node)?;
                    }
                    held = held.split_off(end);
                }
                JournalRecord::Replica(Record::Promised(_))
                | JournalRecord::Incarnation(_)
                | JournalRecord::Peer(..) => {}
            }
        }
        // Below its hint a node holds last what is chosen: a vote for it, or a copy in the place of
        // one.
        for (slot, decree) in held.range(..hinted) {
            choose(&mut chosen, *slot, decree, journal.node)?;
        }
    }
    Ok(())
}

fn choose<'j>(
    chosen: &mut Chosen<'j>,
    slot: Slot,
    decree: &'j Decree<CommandBatch>,
    node: NodeId,
) -> Result<(), Contradiction> {
    if *chosen.entry(slot).or_insert(decree) == decree {
        return Ok(());
    }
    Err(Contradiction::TwoChosen { slot, node })
}
