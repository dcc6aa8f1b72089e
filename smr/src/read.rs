//! Linearizable reads: a question is answered from a state that is not older than the question.
//!
//! The rule (ARCHITECTURE.md, "Reads"): let c be the leader's chosen prefix, noted after the
//! question came. The leader of b may answer from the state at c if it is settled, and if a phase-2
//! quorum says, in a round begun after the question came, that it promised nothing above b. Then no
//! later leader can have chosen anything before the round began that c lacks. Questions that come
//! while a round runs wait for the next one: an answer to an earlier round proves nothing for them.
//! A round belongs to one ballot, and ends with it.

use crate::request::{Connection, RequestId};
use bytes::Bytes;
use synod_paxos::{Ballot, Configuration, NodeId, Slot, Tally};

/// The most questions that wait.
pub const READS_MAX: usize = 16_384;

/// The most bytes of questions that wait.
pub const READ_BYTES_MAX: usize = 16 << 20;

/// How much may wait for rounds; a node's own business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadLimits {
    /// The most questions.
    pub count: usize,
    /// The most bytes of questions.
    pub bytes: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { count: READS_MAX, bytes: READ_BYTES_MAX }
    }
}

/// A question of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Read {
    /// Where the answer goes.
    pub connection: Connection,
    /// The number of the request.
    pub id: RequestId,
    /// The question.
    pub query: Bytes,
}

/// The questions that wait for a round, and the round that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reads {
    limits: ReadLimits,
    waiting: Vec<Read>,
    round: Option<Round>,
    /// The bytes of all questions, those of the round too.
    bytes: usize,
    /// The number of the last round.
    number: u64,
    /// How many rounds were confirmed.
    confirmed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Round {
    number: u64,
    /// The chosen prefix when the round began.
    at: Slot,
    echoes: Tally,
    reads: Vec<Read>,
}

/// Questions that may be answered once the state has reached a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The slot.
    pub at: Slot,
    /// The questions.
    pub reads: Vec<Read>,
}

impl Reads {
    /// Begins without questions.
    #[must_use]
    pub fn new(limits: ReadLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes a question in; false if too many wait, or too long ones.
    pub fn ask(&mut self, read: Read) -> bool {
        let bytes = self.bytes + read.query.len();
        let room = self.len() < self.limits.count && bytes <= self.limits.bytes;
        if room {
            self.bytes = bytes;
            self.waiting.push(read);
            assert!(self.len() <= self.limits.count, "more questions wait than may");
        }
        room
    }

    /// Counts the questions that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.round.as_ref().map_or(0, |round| round.reads.len())
    }

    /// Tells whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts the rounds that were confirmed.
    #[must_use]
    pub const fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Begins a round for all that wait, unless one runs; returns its number.
    ///
    /// The caller is settled, and `at` is its chosen prefix at this moment.
    ///
    /// spec: Reads!Ask
    pub fn begin(&mut self, me: NodeId, at: Slot) -> Option<u64> {
        if self.round.is_some() || self.waiting.is_empty() {
            return None;
        }
        self.number += 1;
        let reads = std::mem::take(&mut self.waiting);
        // Its own echo is given: had it promised a higher ballot it would not lead.
        let echoes = [me].into_iter().collect();
        self.round = Some(Round { number: self.number, at, echoes, reads });
        Some(self.number)
    }

    /// Returns the number of the round that runs, so that it can be asked for again.
    #[must_use]
    pub fn running(&self) -> Option<u64> {
        self.round.as_ref().map(|round| round.number)
    }

    /// Counts an echo for the leader of `ballot`.
    ///
    /// spec: Reads!Echo
    pub fn on_confirmed(&mut self, from: NodeId, number: u64, promised: Ballot, ballot: Ballot) {
        if let Some(round) = &mut self.round
            && round.number == number
            // An echo under a higher promise says that another may lead: what it has chosen is not
            // known here.
            && promised <= ballot
        {
            round.echoes.add(from);
        }
    }

    /// Ends the round once a quorum has echoed.
    ///
    /// spec: Reads!Serve
    pub fn finish(&mut self, configuration: &Configuration) -> Option<Confirmed> {
        let round = self.round.take_if(|round| configuration.is_phase2_quorum(&round.echoes))?;
        assert_eq!(round.number, self.number, "the round that runs is the last that began");
        self.confirmed += 1;
        self.bytes -= round.reads.iter().map(|read| read.query.len()).sum::<usize>();
        assert!(!self.is_empty() || self.bytes == 0, "bytes are counted of questions that left");
        Some(Confirmed { at: round.at, reads: round.reads })
    }

    /// Lets the questions of the running round wait for the next one: the ballot that it asks about
    /// is over. What was counted says nothing of a later ballot, in which this node, although it
    /// leads again, may lack what a rival has chosen in between.
    pub fn break_off(&mut self) {
        if let Some(round) = self.round.take() {
            // They were asked first, so they go to the front.
            self.waiting.splice(..0, round.reads);
        }
        assert!(self.len() <= self.limits.count, "more questions wait than may");
    }

    /// Takes all questions out: this node does not lead any more.
    pub fn give_up(&mut self) -> Vec<Read> {
        self.break_off();
        let bytes = self.waiting.iter().map(|read| read.query.len()).sum::<usize>();
        assert_eq!(self.bytes, bytes, "each question that waits is counted once");
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
}
