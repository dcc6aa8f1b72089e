//! The shapes of partitions: which directed links each cuts.
//!
//! A shape is drawn once, from the plan's stream of chance or around a leader that was seen, and
//! is plain data from then on. Names follow Jepsen's partitions where it has them. Every shape but
//! `Split` leaves some node able to hear from, or speak to, both sides: those are the partitions
//! that elections find hard.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use synod_rng::Random;

use super::{CLIENTS, LinkId, NodeId};

/// A partition: nodes and how they are torn apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// The two sides hear nothing of each other.
    Split {
        /// One side.
        one: BTreeSet<NodeId>,
        /// The other.
        other: BTreeSet<NodeId>,
    },
    /// The two sides hear nothing of each other, but both talk with the middle.
    Bridge {
        /// The node that both sides reach.
        middle: NodeId,
        /// One side.
        one: BTreeSet<NodeId>,
        /// The other.
        other: BTreeSet<NodeId>,
    },
    /// Each node hears a majority, and no two hear the same one.
    Ring {
        /// The nodes in their order around the ring.
        order: Vec<NodeId>,
    },
    /// One node hears all others, and none hears it.
    Mute {
        /// The node that is not heard.
        node: NodeId,
        /// All others.
        others: BTreeSet<NodeId>,
    },
    /// All others hear one node, and it hears none.
    Deaf {
        /// The node that does not hear.
        node: NodeId,
        /// All others.
        others: BTreeSet<NodeId>,
    },
}

impl Shape {
    /// Splits the nodes into two halves at random; of an odd number, one side has one more.
    #[must_use]
    pub fn halves(nodes: &[NodeId], random: &mut Random) -> Self {
        let shuffled = shuffled(nodes, random);
        split_at(&shuffled, nodes.len() / 2)
    }

    /// Splits a random minority of at least one node from the others.
    #[must_use]
    pub fn minority(nodes: &[NodeId], random: &mut Random) -> Self {
        let most = nodes.len().saturating_sub(1) / 2;
        let size = random.between(1, most.max(1) as u64);
        let shuffled = shuffled(nodes, random);
        split_at(&shuffled, usize::try_from(size).expect("no more than there are nodes"))
    }

    /// Splits one node from all others.
    #[must_use]
    pub fn isolate(node: NodeId, nodes: &[NodeId]) -> Self {
        Self::Split { one: BTreeSet::from([node]), other: all_but(node, nodes) }
    }

    /// Splits all clients from one node.
    #[must_use]
    pub fn without_clients(node: NodeId) -> Self {
        Self::Split { one: BTreeSet::from([CLIENTS]), other: BTreeSet::from([node]) }
    }

    /// Leaves two random sides that only one random node connects.
    ///
    /// # Panics
    ///
    /// If there is no node.
    #[must_use]
    pub fn bridge(nodes: &[NodeId], random: &mut Random) -> Self {
        let shuffled = shuffled(nodes, random);
        let (middle, rest) = shuffled.split_first().expect("a cluster has a node");
        Self::bridge_at(*middle, rest)
    }

    /// Leaves two sides of the rest that only `middle` connects.
    #[must_use]
    pub fn bridge_at(middle: NodeId, rest: &[NodeId]) -> Self {
        let (one, other) = rest.split_at(rest.len() / 2);
        Self::Bridge {
            middle,
            one: one.iter().copied().collect(),
            other: other.iter().copied().collect(),
        }
    }

    /// Lays the nodes around a ring in random order.
    #[must_use]
    pub fn ring(nodes: &[NodeId], random: &mut Random) -> Self {
        Self::Ring { order: shuffled(nodes, random) }
    }

    /// Takes one node's voice.
    #[must_use]
    pub fn mute(node: NodeId, nodes: &[NodeId]) -> Self {
        Self::Mute { node, others: all_but(node, nodes) }
    }

    /// Takes one node's hearing.
    #[must_use]
    pub fn deaf(node: NodeId, nodes: &[NodeId]) -> Self {
        Self::Deaf { node, others: all_but(node, nodes) }
    }

    /// Returns the nodes that it names.
    #[must_use]
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        match self {
            Self::Split { one, other } => one.union(other).copied().collect(),
            Self::Bridge { middle, one, other } => {
                one.union(other).copied().chain([*middle]).collect()
            }
            Self::Ring { order } => order.iter().copied().collect(),
            Self::Mute { node, others } | Self::Deaf { node, others } => {
                others.iter().copied().chain([*node]).collect()
            }
        }
    }

    /// Returns the directed links that the shape cuts.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_fault::{NodeId, Shape};
    ///
    /// let nodes = [NodeId(1), NodeId(2), NodeId(3)];
    /// assert_eq!(Shape::isolate(NodeId(2), &nodes).cuts().len(), 4);
    /// assert_eq!(Shape::mute(NodeId(2), &nodes).cuts().len(), 2);
    /// ```
    #[must_use]
    pub fn cuts(&self) -> BTreeSet<LinkId> {
        match self {
            Self::Split { one, other } | Self::Bridge { one, other, .. } => {
                between(one, other).chain(between(other, one)).collect()
            }
            Self::Ring { order } => ring_cuts(order),
            Self::Mute { node, others } => between(&BTreeSet::from([*node]), others).collect(),
            Self::Deaf { node, others } => between(others, &BTreeSet::from([*node])).collect(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split { one, other } => {
                write!(formatter, "{} | {}", spaced(one), spaced(other))
            }
            Self::Bridge { middle, one, other } => {
                write!(formatter, "{} - {middle} - {}", spaced(one), spaced(other))
            }
            Self::Ring { order } => write!(formatter, "ring {}", spaced(order)),
            Self::Mute { node, .. } => write!(formatter, "nobody hears {node}"),
            Self::Deaf { node, .. } => write!(formatter, "{node} hears nobody"),
        }
    }
}

/// Returns every directed link between the nodes.
#[must_use]
pub fn all_links(nodes: &[NodeId]) -> BTreeSet<LinkId> {
    let set: BTreeSet<NodeId> = nodes.iter().copied().collect();
    between(&set, &set).filter(|link| link.from != link.to).collect()
}

/// Cuts what each node hears from outside its window of the ring: a majority around itself.
fn ring_cuts(order: &[NodeId]) -> BTreeSet<LinkId> {
    let count = order.len();
    let majority = count / 2 + 1;
    let mut cuts = BTreeSet::new();
    for (position, listener) in order.iter().enumerate() {
        // A whole turn is added, so that nothing falls below zero for the first of them.
        let first = position + count - majority / 2;
        let heard: BTreeSet<NodeId> =
            (first..first + majority).map(|at| order[at % count]).collect();
        let unheard = order.iter().filter(|speaker| !heard.contains(speaker));
        cuts.extend(unheard.map(|speaker| LinkId::new(*speaker, *listener)));
    }
    cuts
}

fn between<'a>(
    from: &'a BTreeSet<NodeId>,
    to: &'a BTreeSet<NodeId>,
) -> impl Iterator<Item = LinkId> + 'a {
    from.iter().flat_map(|from| to.iter().map(|to| LinkId::new(*from, *to)))
}

fn split_at(nodes: &[NodeId], at: usize) -> Shape {
    let (one, other) = nodes.split_at(at.min(nodes.len()));
    Shape::Split { one: one.iter().copied().collect(), other: other.iter().copied().collect() }
}

fn shuffled(nodes: &[NodeId], random: &mut Random) -> Vec<NodeId> {
    let mut nodes = nodes.to_vec();
    random.shuffle(&mut nodes);
    nodes
}

fn all_but(node: NodeId, nodes: &[NodeId]) -> BTreeSet<NodeId> {
    nodes.iter().copied().filter(|other| *other != node).collect()
}

fn spaced<'a>(nodes: impl IntoIterator<Item = &'a NodeId>) -> String {
    let word = |node: &NodeId| {
        if *node == CLIENTS { "clients".to_owned() } else { node.to_string() }
    };
    let words: Vec<String> = nodes.into_iter().map(word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_rng::{Seed, Stream};

    fn nodes(count: u16) -> Vec<NodeId> {
        (1..=count).map(NodeId).collect()
    }

    fn random(seed: u64) -> Random {
        Random::new(Seed(seed), Stream::named("shape"))
    }

    fn hears(cuts: &BTreeSet<LinkId>, listener: NodeId, nodes: &[NodeId]) -> BTreeSet<NodeId> {
        let open = |speaker: &&NodeId| !cuts.contains(&LinkId::new(**speaker, listener));
        nodes.iter().filter(open).copied().collect()
    }

    #[test]
    fn halves_have_half_the_nodes_each_and_no_link_between() {
        for count in 2..8 {
            let nodes = nodes(count);
            let shape = Shape::halves(&nodes, &mut random(u64::from(count)));
            let Shape::Split { one, other } = &shape else { panic!("{shape:?}") };
            assert_eq!(one.len(), nodes.len() / 2);
            assert_eq!(one.len() + other.len(), nodes.len());
            assert_eq!(shape.cuts().len(), 2 * one.len() * other.len());
        }
    }

    #[test]
    fn a_minority_is_less_than_half_and_every_node_is_in_one_some_day() {
        let nodes = nodes(5);
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            let shape = Shape::minority(&nodes, &mut random(seed));
            let Shape::Split { one, .. } = &shape else { panic!("{shape:?}") };
            assert!(one.len() == 1 || one.len() == 2);
            seen.extend(one.iter().copied());
        }
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn an_isolated_node_hears_itself_only() {
        let nodes = nodes(5);
        let cuts = Shape::isolate(NodeId(3), &nodes).cuts();
        assert_eq!(hears(&cuts, NodeId(3), &nodes), BTreeSet::from([NodeId(3)]));
        for other in [1, 2, 4, 5] {
            assert_eq!(hears(&cuts, NodeId(other), &nodes).len(), 4);
        }
    }

    #[test]
    fn only_the_middle_of_a_bridge_hears_all() {
        for count in [3, 5, 7] {
            let nodes = nodes(count);
            let shape = Shape::bridge(&nodes, &mut random(9));
            let Shape::Bridge { middle, .. } = &shape else { panic!("{shape:?}") };
            let cuts = shape.cuts();
            for node in &nodes {
                let all = hears(&cuts, *node, &nodes).len() == nodes.len();
                assert_eq!(all, node == middle);
            }
        }
    }

    #[test]
    fn around_a_ring_each_hears_another_majority() {
        for count in 3..8 {
            let nodes = nodes(count);
            let cuts = Shape::ring(&nodes, &mut random(1)).cuts();
            let views: BTreeSet<BTreeSet<NodeId>> =
                nodes.iter().map(|node| hears(&cuts, *node, &nodes)).collect();
            assert_eq!(views.len(), nodes.len(), "no two hear the same");
            for (node, view) in nodes.iter().map(|node| (node, hears(&cuts, *node, &nodes))) {
                assert_eq!(view.len(), nodes.len() / 2 + 1);
                assert!(view.contains(node), "a node hears itself");
            }
        }
    }

    #[test]
    fn one_way_cuts_leave_the_other_way_open() {
        let nodes = nodes(3);
        let mute = Shape::mute(NodeId(1), &nodes).cuts();
        let deaf = Shape::deaf(NodeId(1), &nodes).cuts();
        assert_eq!(mute, deaf.iter().map(|link| link.reversed()).collect());
        assert!(mute.iter().all(|link| link.from == NodeId(1)));
        assert_eq!(all_links(&nodes).len(), 6);
    }

    #[test]
    fn shapes_print_as_a_reader_draws_them() {
        let nodes = nodes(3);
        assert_eq!(Shape::isolate(NodeId(1), &nodes).to_string(), "1 | 2 3");
        let bridge = Shape::bridge_at(NodeId(2), &[NodeId(1), NodeId(3)]);
        assert_eq!(bridge.to_string(), "1 - 2 - 3");
        assert_eq!(Shape::deaf(NodeId(1), &nodes).to_string(), "1 hears nobody");
        assert_eq!(Shape::without_clients(NodeId(3)).to_string(), "clients | 3");
    }
}
