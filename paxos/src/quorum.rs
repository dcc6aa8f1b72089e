//! Voters and quorums: whom a leader must hear before it may act.
//!
//! Pure arithmetic on sets of nodes; it knows no message. The claim kept true here is that each
//! phase-1 quorum meets each phase-2 quorum, which is all that the proof of Paxos asks of quorums
//! (Howard, Malkhi and Spiegelman, "Flexible Paxos", 2016). A majority serves as both by default.

use crate::ballot::NodeId;
use std::fmt;

/// The largest number of voters of a configuration.
pub const VOTERS_MAX: usize = 31;

/// The voters of a decree, and how many of them make a quorum of each phase.
///
/// ```
/// use synod_paxos::{Configuration, NodeId, Tally};
///
/// let voters = [1, 2, 3].map(NodeId::new);
/// let configuration = Configuration::majority(voters)?;
/// let mut tally = Tally::default();
/// tally.add(voters[0]);
/// tally.add(voters[0]);
/// tally.add(NodeId::new(9));
/// assert!(!configuration.is_phase2_quorum(&tally), "one voter twice and a stranger are one vote");
/// tally.add(voters[2]);
/// assert!(configuration.is_phase2_quorum(&tally));
/// # Ok::<(), synod_paxos::ConfigurationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Configuration {
    voters: Vec<NodeId>,
    phase1: usize,
    phase2: usize,
}

/// Says why voters and quorum sizes do not make a configuration; the caller's fault each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigurationError {
    /// There is no voter.
    NoVoters,
    /// There are more than [`VOTERS_MAX`] voters.
    TooManyVoters(usize),
    /// A voter is named twice.
    Duplicate(NodeId),
    /// Some phase-1 quorum would miss some phase-2 quorum, or a quorum would exceed the voters.
    QuorumsDoNotMeet {
        /// The size asked for in phase 1.
        phase1: usize,
        /// The size asked for in phase 2.
        phase2: usize,
        /// The number of voters.
        voters: usize,
    },
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVoters => write!(formatter, "a configuration needs at least one voter"),
            Self::TooManyVoters(count) => {
                write!(formatter, "{count} voters are more than {VOTERS_MAX}")
            }
            Self::Duplicate(node) => write!(formatter, "node {node} is named twice as a voter"),
            Self::QuorumsDoNotMeet { phase1, phase2, voters } => write!(
                formatter,
                "quorums of {phase1} and {phase2} of {voters} voters need not meet: \
                 each must be at most {voters} and together they must exceed it"
            ),
        }
    }
}

impl std::error::Error for ConfigurationError {}

impl Configuration {
    /// Makes the configuration in which any majority of `voters` is a quorum of both phases.
    ///
    /// # Errors
    ///
    /// Fails without voters, with too many, and with one that is named twice.
    pub fn majority(voters: impl IntoIterator<Item = NodeId>) -> Result<Self, ConfigurationError> {
        let voters: Vec<_> = voters.into_iter().collect();
        let size = voters.len() / 2 + 1;
        Self::flexible(voters, size, size)
    }

    /// Makes the configuration with quorums of `phase1` and `phase2` voters.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::majority`] does, and when the two kinds of quorum need not meet.
    pub fn flexible(
        voters: impl IntoIterator<Item = NodeId>,
        phase1: usize,
        phase2: usize,
    ) -> Result<Self, ConfigurationError> {
        let mut voters: Vec<_> = voters.into_iter().collect();
        // Sorted, so that a voter is found by halves, and one that is named twice stands beside
        // itself.
        voters.sort_unstable();
        let count = voters.len();
        if count == 0 {
            return Err(ConfigurationError::NoVoters);
        }
        if count > VOTERS_MAX {
            return Err(ConfigurationError::TooManyVoters(count));
        }
        if let Some(pair) = voters.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigurationError::Duplicate(pair[0]));
        }
        // Two sets that have more members together than there are voters have one in common.
        if phase1 > count || phase2 > count || phase1 + phase2 <= count {
            return Err(ConfigurationError::QuorumsDoNotMeet { phase1, phase2, voters: count });
        }
        Ok(Self { voters, phase1, phase2 })
    }

    /// Returns the voters in ascending order.
    #[must_use]
    pub fn voters(&self) -> &[NodeId] {
        &self.voters
    }

    /// Tells whether `node` votes.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.voters.binary_search(&node).is_ok()
    }

    /// Tells whether the voters among `tally` are a quorum of phase 1.
    #[must_use]
    pub fn is_phase1_quorum(&self, tally: &Tally) -> bool {
        self.votes(tally) >= self.phase1
    }

    /// Tells whether the voters among `tally` are a quorum of phase 2.
    #[must_use]
    pub fn is_phase2_quorum(&self, tally: &Tally) -> bool {
        self.votes(tally) >= self.phase2
    }

    /// Tells whether the voters among `nodes` are a quorum of phase 1. Who is there twice counts
    /// once.
    #[must_use]
    pub fn is_phase1_quorum_of(&self, nodes: impl Iterator<Item = NodeId>) -> bool {
        self.distinct(nodes) >= self.phase1
    }

    /// Tells whether the voters among `nodes` are a quorum of phase 2. Who is there twice counts
    /// once.
    #[must_use]
    pub fn is_phase2_quorum_of(&self, nodes: impl Iterator<Item = NodeId>) -> bool {
        self.distinct(nodes) >= self.phase2
    }

    fn votes(&self, tally: &Tally) -> usize {
        self.distinct(tally.nodes())
    }

    fn distinct(&self, nodes: impl Iterator<Item = NodeId>) -> usize {
        // A bit for each voter, of whom there are at most 31.
        let places = nodes.filter_map(|node| self.voters.binary_search(&node).ok());
        places.fold(0_u32, |seen, place| seen | 1 << place).count_ones() as usize
    }
}

/// A set of nodes that said the same thing; who says it twice counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tally {
    pub(crate) nodes: Vec<NodeId>,
}

impl Tally {
    /// Adds `node`, and tells whether it was not there yet.
    pub fn add(&mut self, node: NodeId) -> bool {
        match self.nodes.binary_search(&node) {
            Ok(_) => false,
            Err(place) => {
                self.nodes.insert(place, node);
                true
            }
        }
    }

    /// Tells whether `node` is there.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.nodes.binary_search(&node).is_ok()
    }

    /// Returns the nodes in ascending order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.iter().copied()
    }
}

impl FromIterator<NodeId> for Tally {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut tally = Self::default();
        for node in nodes {
            tally.add(node);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn subsets(count: u16) -> impl Iterator<Item = Tally> {
        (0_u32..1 << count).map(move |mask| {
            (0..count).filter(|bit| mask >> bit & 1 == 1).map(NodeId::new).collect()
        })
    }

    /// What is counted without a set agrees with the set, strangers and repetitions included.
    #[test]
    fn nodes_that_are_counted_as_they_come_are_the_quorums_of_their_tally() {
        for (phase1, phase2) in [(3, 3), (4, 2), (5, 1)] {
            let voters = (0..5).map(NodeId::new);
            let configuration = Configuration::flexible(voters, phase1, phase2).unwrap();
            for tally in subsets(7) {
                let twice = || tally.nodes().chain(tally.nodes());
                let (first, second) = (
                    configuration.is_phase1_quorum_of(twice()),
                    configuration.is_phase2_quorum_of(twice()),
                );
                assert_eq!(first, configuration.is_phase1_quorum(&tally));
                assert_eq!(second, configuration.is_phase2_quorum(&tally));
            }
        }
    }

    #[test]
    fn each_phase1_quorum_meets_each_phase2_quorum() {
        for count in 1_u16..=5 {
            for phase1 in 0..=usize::from(count) + 1 {
                for phase2 in 0..=usize::from(count) + 1 {
                    let voters = (0..count).map(NodeId::new);
                    let Ok(made) = Configuration::flexible(voters, phase1, phase2) else {
                        continue;
                    };
                    assert_quorums_meet(&made, count);
                }
            }
        }
    }

    fn assert_quorums_meet(made: &Configuration, count: u16) {
        for first in subsets(count).filter(|tally| made.is_phase1_quorum(tally)) {
            for second in subsets(count).filter(|tally| made.is_phase2_quorum(tally)) {
                assert!(
                    first.nodes().any(|node| second.contains(node)),
                    "{made:?}: {first:?} misses {second:?}"
                );
            }
        }
    }

    #[test]
    fn a_majority_of_each_size_is_the_smallest_that_meets_itself() {
        for count in 1_u16..=9 {
            let made = Configuration::majority((0..count).map(NodeId::new)).unwrap();
            let half: Tally = (0..count / 2).map(NodeId::new).collect();
            let most: Tally = (0..=count / 2).map(NodeId::new).collect();
            assert!(!made.is_phase1_quorum(&half) && !made.is_phase2_quorum(&half));
            assert!(made.is_phase1_quorum(&most) && made.is_phase2_quorum(&most));
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused_by_name() {
        let ids = |list: &[u16]| list.iter().copied().map(NodeId::new).collect::<Vec<_>>();
        let made = |list: &[u16]| Configuration::majority(ids(list));
        assert_eq!(made(&[]), Err(ConfigurationError::NoVoters));
        assert_eq!(made(&[1, 2, 1]), Err(ConfigurationError::Duplicate(NodeId::new(1))));
        let many: Vec<u16> = (0..32).collect();
        assert_eq!(made(&many), Err(ConfigurationError::TooManyVoters(32)));
        assert!(Configuration::flexible(ids(&[1, 2, 3, 4]), 2, 2).is_err());
        assert!(Configuration::flexible(ids(&[1, 2, 3, 4]), 3, 2).is_ok());
    }
}
