//! Traces of real processes: what the nodes' journals hold, explained by the specification.
//!
//! A node's journal is its trace: promises, votes, copies and chosen prefixes, in the order in
//! which they became durable. The order within a node is known, that between nodes is not, and
//! messages are written down nowhere. [`explain`] asks whether SOME interleaving of the journals,
//! with messages filled in, is a behaviour of `paxos/spec/MultiPaxos.tla`; each step is held
//! against it by a [`Conformance`]. How the journals of a run are found is in `read`, what needs
//! no order in `facts`. Nodes that were asked to also write down each message: such traces are
//! followed event by event ([`follow()`]), and nothing has to be filled in.
//!
//! # The search is greedy, and does not have to go back
//!
//! Again and again, each node's next record is taken if it can be. The messages that a record
//! needs are filled in by rules of their own:
//!
//! - `Phase1a`: with the record of the promise that a node gives its own ballot.
//! - the Promise: with the record that brings its sender to the ballot, a promise or a vote.
//! - `Phase2a`: before the first vote for the proposal, whosever vote it is.
//! - `Choose`, by the ballot's owner: with the vote that completes a quorum. From then on `Copy` is
//!   open to everybody, so no announcement has to be made up.
//!
//! Why no other order could do better: let some interleaving explain the journals, let the search
//! be stuck, and let r be the first record of that interleaving that was not taken. All that comes
//! before r in it was taken, so r is the next record of its node. What its guards ask is of two
//! kinds. The first is about the node's own records before r (`promised[a] < b` of `Phase1b`,
//! `promised[a] <= w[2]` of `Phase2b`, that the disk holds what a hint speaks of): these are the
//! same in every interleaving. The second asks that something is there: the ballot among
//! `prepares`, the proposal among `accepts`, a quorum of votes in each slot below a hint. All of
//! these only grow. What is chosen is one decree a slot in all of them: should two be chosen,
//! nothing explains the journals. So r can be taken, and the search was not stuck.
//!
//! It is left to show that `Phase2a` can be taken as soon as the promises that justify it are
//! there. The votes that a promise tells are of its sender's prefix alone: those below the ballot,
//! final once it is promised. The guard asks for SOME quorum of promises, and more of them never
//! disable it. A promise must not call more chosen than is: the search lets it call chosen what
//! its sender's last hint says, and any node knows at least that.
//!
//! One thing in a promise may grow, though, after its record: the copies above the prefix that it
//! reports as chosen, since a promise that was lost is given again from the later state. These
//! are kept back until nothing else moves and all other proposals of the ballot that are allowed
//! are made; then they are told one slot at a time, the lowest first, and only where that lets a
//! proposal pass. A candidate proposes in the order of the slots, and gives values of its own only
//! to those above all that its promises report, so what it did needs no promise that tells less.
//!
//! # What it does not see
//!
//! - Messages themselves: whether a Promise told the truth shows only in what was proposed.
//! - The order between nodes: a vote that was cast before its proposal was made is explained.
//! - That a node leads no ballot of an earlier life is checked in its own journal (`facts`); a
//!   promise that was durable and is gone without a trace in any vote is not noticed.
//! - The loosenings of [`Conformance`] apply here, too.

mod follow;
mod judge;
mod read;
mod recorded;
mod static_checks;
mod validate;

pub use follow::{Clocks, Followed, NodeTrace, Standing, TraceLife, Unfollowed, follow};
pub use judge::{JudgedRun, judge_run};
pub use read::{ReadError, find_clocks, find_traces, read_ended, read_journals, read_run};
pub use recorded::RecordedTraces;
pub use static_checks::{Contradiction, check_facts};
pub use validate::{Blocked, Counts, Explained, Unexplained, explain};

use synod_paxos::NodeId;
use synod_smr::wire::JournalRecord;

#[cfg(doc)]
use crate::spec::conformance::Conformance;

/// What the journal of one node holds, from its birth on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeJournal {
    /// The node.
    pub node: NodeId,
    /// Its records, in the order in which they became durable.
    pub records: Vec<JournalRecord>,
}
