//! The chosen prefix: which slots this node knows to be chosen, without a gap.
//!
//! It leaves the counting of votes to the leader. The claim kept true is the rule of learning from
//! an announcement: "ballot b, chosen up to c" makes this node's vote in a slot below c the chosen
//! decree only if it was cast in exactly b. A vote in another ballot, lower or higher, says
//! nothing, and the decree has to be copied.

use crate::ballot::Ballot;
use crate::multi::acceptor::LogAcceptor;
use crate::multi::decree::Value;
use crate::multi::slot::Slot;

/// The slots known to be chosen, and the announcement that may still make it longer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChosenPrefix {
    end: Slot,
    announced: Option<(Ballot, Slot)>,
}

impl ChosenPrefix {
    pub(crate) const fn new(end: Slot) -> Self {
        Self { end, announced: None }
    }

    /// Returns the first slot not known to be chosen.
    #[must_use]
    pub const fn end(&self) -> Slot {
        self.end
    }

    /// Takes in what the leader of `ballot` announced; the highest ballot's word is kept.
    ///
    /// spec: MultiPaxos!Learn
    pub(crate) fn on_chosen(&mut self, ballot: Ballot, chosen: Slot) {
        let announcement = (ballot, chosen);
        // Older ballots' announcements are true, too, but votes of this node follow the ballots up.
        if self.announced.is_none_or(|held| held < announcement) {
            self.announced = Some(announcement);
        }
    }

    /// Extends the prefix over all that is known.
    ///
    /// `counted` says in which slots this node, as leader, counted a quorum.
    pub(crate) fn advance<V: Value>(
        &mut self,
        log: &LogAcceptor<V>,
        counted: impl Fn(Slot) -> bool,
    ) {
        while self.is_known(log) || counted(self.end) {
            // Whoever applies it finds it there: it is let go of only when it was applied.
            assert!(log.decree(self.end).is_some(), "slot {} is chosen, but not here", self.end);
            self.end = self.end.next();
        }
    }

    fn is_known<V: Value>(&self, log: &LogAcceptor<V>) -> bool {
        log.is_copied(self.end)
            || self.announced.is_some_and(|(ballot, chosen)| {
                // A vote of another ballot may be for another decree; what is announced is that of
                // the ballot that announces it.
                self.end < chosen && log.voted_in(self.end) == Some(ballot)
            })
    }

    /// Passes over slots whose decrees were copied and equal this node's votes.
    pub(crate) fn extend_to(&mut self, end: Slot) {
        self.end = self.end.max(end);
    }
}
