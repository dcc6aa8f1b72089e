//! Whom a fault hits: as it is written, and once that is known.
//!
//! A scenario may say "the leader"; which node that is shows when the fault begins. A minority is
//! drawn before the run. What comes of a target, nodes and links, is the same in either world.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use synod_rng::Random;

use crate::{Action, CLIENTS, LinkId, LinkRules, NodeId, Shape, all_links};

/// Whom a fault hits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Whoever leads when the fault begins.
    Leader,
    /// This node.
    Node(NodeId),
    /// These nodes.
    Nodes(BTreeSet<NodeId>),
    /// Fewer than half of the nodes, which are drawn before the run.
    Minority,
    /// Every node; of links, those between nodes.
    #[default]
    All,
    /// The clients; of links, those between them and the nodes.
    Clients,
}

impl Target {
    /// Returns whom a fault hits that hits these.
    #[must_use]
    pub fn of(nodes: BTreeSet<NodeId>) -> Self {
        match nodes.first() {
            Some(node) if nodes.len() == 1 => Self::Node(*node),
            Some(_) | None => Self::Nodes(nodes),
        }
    }

    /// Tells whether it is what a fault hits that says nothing of it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::All
    }

    /// Returns the same target with its nodes drawn, where they are left to chance.
    #[must_use]
    pub fn drawn(&self, all: &[NodeId], random: &mut Random) -> Self {
        match self {
            Self::Minority => {
                let most = all.len().saturating_sub(1) / 2;
                let size = random.between(1, most.max(1) as u64);
                let mut shuffled = all.to_vec();
                random.shuffle(&mut shuffled);
                let size = usize::try_from(size).unwrap_or(1);
                Self::of(shuffled.into_iter().take(size).collect())
            }
            Self::Leader | Self::Node(_) | Self::Nodes(_) | Self::All | Self::Clients => {
                self.clone()
            }
        }
    }

    /// Returns the nodes that it names, when `leader` leads. A minority must have been drawn.
    fn nodes(&self, leader: Option<NodeId>, all: &[NodeId]) -> BTreeSet<NodeId> {
        match self {
            Self::Leader => leader.into_iter().collect(),
            Self::Node(node) => BTreeSet::from([*node]),
            Self::Nodes(nodes) => nodes.clone(),
            Self::All => all.iter().copied().collect(),
            Self::Clients => BTreeSet::from([CLIENTS]),
            // It hits nobody, rather than a set that no seed would repeat.
            Self::Minority => BTreeSet::new(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader => formatter.write_str("the leader"),
            Self::Node(node) => write!(formatter, "node {node}"),
            Self::Nodes(nodes) => write!(formatter, "nodes {}", listed(nodes)),
            Self::Minority => formatter.write_str("a minority"),
            Self::All => formatter.write_str("all nodes"),
            Self::Clients => formatter.write_str("the clients"),
        }
    }
}

/// What a fault hits, once that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedTarget {
    /// What it does to whom, in words.
    pub detail: String,
    /// The nodes whose process, clock or disk it hits.
    pub nodes: BTreeSet<NodeId>,
    /// What it makes of links.
    pub rules: BTreeMap<LinkId, LinkRules>,
}

impl ResolvedTarget {
    /// Finds out whom and what a fault hits, when `leader` leads.
    #[must_use]
    pub fn resolve(
        action: &Action,
        target: &Target,
        leader: Option<NodeId>,
        all: &[NodeId],
    ) -> Self {
        // A fault without a victim is no error: who leads is not the plan's to know. It counts as
        // one without an effect.
        if *target == Target::Leader && leader.is_none() {
            return Self { detail: "no leader was seen".to_owned(), ..Self::default() };
        }
        let hit = target.nodes(leader, all);
        match action {
            Action::Partition(shape) => Self::cut(shape.to_string(), shape.cuts()),
            Action::Cut(links) => {
                let words: Vec<String> = links.iter().map(ToString::to_string).collect();
                Self::cut(words.join(" "), links.clone())
            }
            Action::Isolate => {
                let shape = Shape::Split { other: others(&hit, all), one: hit };
                Self::cut(shape.to_string(), shape.cuts())
            }
            Action::Mute => {
                let cuts = links_to(&others(&hit, all), &hit);
                let cuts = cuts.into_iter().map(LinkId::reversed).collect();
                Self::cut(format!("nobody hears {}", named(&hit)), cuts)
            }
            Action::Deafen => {
                let cuts = links_to(&others(&hit, all), &hit);
                Self::cut(format!("{} hears nobody", named(&hit)), cuts)
            }
            Action::Disturb(rules) => disturbed(*rules, target, &hit, all),
            Action::DisturbInbound(rules) => {
                let links = links_to(&others(&hit, all), &hit).into_iter();
                Self {
                    detail: format!("{rules} towards {}", named(&hit)),
                    nodes: BTreeSet::new(),
                    rules: links.map(|link| (link, *rules)).collect(),
                }
            }
            Action::Kill
            | Action::PowerLoss
            | Action::Pause
            | Action::Retire
            | Action::Upgrade
            | Action::Downgrade
            | Action::ClockRate { .. }
            | Action::ClockJump { .. }
            | Action::Disk(_) => Self { detail: named(&hit), nodes: hit, rules: BTreeMap::new() },
        }
    }

    /// Tells whether there is nothing that it hits: no node, and no link that it changes.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let changes =
            |(link, rules): (&LinkId, &LinkRules)| link.from != link.to && !rules.do_nothing();
        self.nodes.is_empty() && !self.rules.iter().any(changes)
    }

    /// Returns the nodes that it hits: those whose process, clock or disk it hits, and those that
    /// have it on more than half of their links with others, or on one with the clients.
    #[must_use]
    pub fn hit(&self, all: &[NodeId]) -> BTreeSet<NodeId> {
        let changes = |one: NodeId, other: NodeId| {
            let rules = |from, to| self.rules.get(&LinkId::new(from, to));
            let both = [rules(one, other), rules(other, one)];
            both.into_iter().flatten().any(|rules| !rules.do_nothing())
        };
        let mut hit: BTreeSet<NodeId> =
            self.nodes.iter().copied().filter(|node| *node != CLIENTS).collect();
        for node in all {
            let others = all.iter().filter(|other| *other != node);
            // Each link has two ends, and a cut around one node touches all. Whoever keeps a
            // majority of its links is not the one that was hit.
            let changed = others.filter(|other| changes(*node, **other)).count();
            if changed * 2 > all.len().saturating_sub(1) || changes(*node, CLIENTS) {
                hit.insert(*node);
            }
        }
        hit
    }

    fn cut(detail: String, links: BTreeSet<LinkId>) -> Self {
        let rules = links.into_iter().map(|link| (link, LinkRules::CUT)).collect();
        Self { detail, nodes: BTreeSet::new(), rules }
    }
}

/// All links between nodes, those of the clients, or those that some nodes have with others.
fn disturbed(
    rules: LinkRules,
    target: &Target,
    hit: &BTreeSet<NodeId>,
    all: &[NodeId],
) -> ResolvedTarget {
    let (links, place) = match target {
        Target::All => (all_links(all), "between nodes".to_owned()),
        Target::Clients => {
            let mut ends = all.to_vec();
            ends.push(CLIENTS);
            let mut links = all_links(&ends);
            links.retain(|link| link.from == CLIENTS || link.to == CLIENTS);
            (links, "between clients and nodes".to_owned())
        }
        Target::Leader | Target::Node(_) | Target::Nodes(_) | Target::Minority => {
            let mut links = all_links(all);
            links.retain(|link| hit.contains(&link.from) || hit.contains(&link.to));
            (links, format!("at {}", named(hit)))
        }
    };
    ResolvedTarget {
        detail: format!("{rules} {place}"),
        nodes: BTreeSet::new(),
        rules: links.into_iter().map(|link| (link, rules)).collect(),
    }
}

fn others(hit: &BTreeSet<NodeId>, all: &[NodeId]) -> BTreeSet<NodeId> {
    all.iter().copied().filter(|node| !hit.contains(node)).collect()
}

fn links_to(from: &BTreeSet<NodeId>, to: &BTreeSet<NodeId>) -> BTreeSet<LinkId> {
    from.iter().flat_map(|from| to.iter().map(|to| LinkId::new(*from, *to))).collect()
}

fn named(nodes: &BTreeSet<NodeId>) -> String {
    match nodes.first() {
        None => "no node".to_owned(),
        // Clients are number 0, and so come first; no target has nodes beside them.
        Some(&CLIENTS) => "clients".to_owned(),
        Some(node) if nodes.len() == 1 => format!("node {node}"),
        Some(_) => format!("nodes {}", listed(nodes)),
    }
}

fn listed(nodes: &BTreeSet<NodeId>) -> String {
    let words: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartsPerMillion;
    use synod_rng::{Seed, Stream};

    fn nodes() -> Vec<NodeId> {
        (1..=3).map(NodeId).collect()
    }

    fn check(action: &Action, target: &Target, leader: Option<u16>) -> ResolvedTarget {
        ResolvedTarget::resolve(action, target, leader.map(NodeId), &nodes())
    }

    #[test]
    fn the_leader_is_whoever_leads_when_the_fault_comes() {
        let cut = check(&Action::Isolate, &Target::Leader, Some(2));
        assert_eq!((cut.detail.as_str(), cut.rules.len()), ("2 | 1 3", 4));
        let killed = check(&Action::Kill, &Target::Leader, Some(3));
        assert_eq!(killed.nodes, BTreeSet::from([NodeId(3)]));
        for action in [Action::Isolate, Action::Kill, Action::Disturb(LinkRules::CUT)] {
            let nobody = check(&action, &Target::Leader, None);
            assert_eq!(nobody.detail, "no leader was seen");
            assert!(nobody.nodes.is_empty() && nobody.rules.is_empty());
        }
    }

    #[test]
    fn who_is_hit_is_who_has_it_on_most_links() {
        let five: Vec<NodeId> = (1..=5).map(NodeId).collect();
        let hit = |action: &Action, target: &Target| -> Vec<u16> {
            let resolved = ResolvedTarget::resolve(action, target, Some(NodeId(2)), &five);
            resolved.hit(&five).into_iter().map(|node| node.0).collect()
        };
        let pair = Target::of([1, 4].map(NodeId).into());
        assert_eq!(hit(&Action::Isolate, &Target::Leader), [2]);
        assert_eq!(hit(&Action::Isolate, &pair), [1, 4], "and not the majority");
        assert_eq!(hit(&Action::Kill, &pair), [1, 4]);
        assert_eq!(hit(&Action::Mute, &pair), [1, 4]);
        let slow = LinkRules { delay_ms: crate::Millis(5), ..LinkRules::default() };
        assert_eq!(hit(&Action::Disturb(slow), &Target::All), [1, 2, 3, 4, 5]);
        assert_eq!(hit(&Action::Disturb(slow), &Target::Clients), [1, 2, 3, 4, 5]);
        assert!(hit(&Action::Disturb(LinkRules::default()), &Target::All).is_empty());
        let one_way = Action::Cut([LinkId::new(NodeId(1), NodeId(3))].into());
        assert!(hit(&one_way, &Target::All).is_empty());
    }

    #[test]
    fn the_clients_links_are_those_that_end_at_the_clients() {
        let rules = LinkRules { loss: PartsPerMillion::percent(10), ..LinkRules::default() };
        let hit = check(&Action::Disturb(rules), &Target::Clients, None);
        assert_eq!(hit.rules.len(), 6);
        assert!(hit.rules.keys().all(|link| link.from == CLIENTS || link.to == CLIENTS));
        assert_eq!(hit.detail, "10 % lost between clients and nodes");
        assert_eq!(check(&Action::Isolate, &Target::Clients, None).rules.len(), 6);
    }

    #[test]
    fn a_node_has_no_link_with_itself_to_be_cut() {
        let own = Action::Cut([LinkId::new(NodeId(1), NodeId(1))].into());
        assert!(check(&own, &Target::All, None).is_nothing());
        let other = Action::Cut([LinkId::new(NodeId(1), NodeId(2))].into());
        assert!(!check(&other, &Target::All, None).is_nothing());
    }

    #[test]
    fn the_links_of_a_node_are_those_that_it_has_with_others() {
        let hit = check(&Action::Disturb(LinkRules::CUT), &Target::Node(NodeId(2)), None);
        assert_eq!(hit.rules.len(), 4);
        assert!(!hit.rules.contains_key(&LinkId::new(NodeId(1), NodeId(3))));
        assert_eq!(check(&Action::Disturb(LinkRules::CUT), &Target::All, None).rules.len(), 6);
    }

    #[test]
    fn one_way_cuts_are_the_shapes_of_the_same_names() {
        let cuts = |hit: ResolvedTarget| hit.rules.into_keys().collect::<BTreeSet<LinkId>>();
        let node = Target::Node(NodeId(1));
        let mute = cuts(check(&Action::Mute, &node, None));
        assert_eq!(mute, Shape::mute(NodeId(1), &nodes()).cuts());
        let deaf = cuts(check(&Action::Deafen, &node, None));
        assert_eq!(deaf, Shape::deaf(NodeId(1), &nodes()).cuts());
    }

    #[test]
    fn what_is_disturbed_inbound_is_what_a_node_hears_and_no_link_of_clients() {
        let rules = LinkRules { delay_ms: crate::Millis(500), ..LinkRules::default() };
        let late = Action::DisturbInbound(rules);
        let hit = check(&late, &Target::Leader, Some(1));
        let heard: BTreeSet<LinkId> = hit.rules.keys().copied().collect();
        assert_eq!(heard, Shape::deaf(NodeId(1), &nodes()).cuts());
        assert!(hit.rules.values().all(|rule| *rule == rules));
        assert!(hit.detail.ends_with("towards node 1"), "{}", hit.detail);
        assert!(check(&late, &Target::Leader, None).rules.is_empty());
    }

    #[test]
    fn a_minority_is_drawn_once_and_is_less_than_half() {
        let five: Vec<NodeId> = (1..=5).map(NodeId).collect();
        let mut sizes = BTreeSet::new();
        for seed in 0..40 {
            let random = || Random::new(Seed(seed), Stream::named("target"));
            let drawn = Target::Minority.drawn(&five, &mut random());
            assert_eq!(drawn, Target::Minority.drawn(&five, &mut random()));
            sizes.insert(drawn.nodes(None, &five).len());
        }
        assert_eq!(sizes, BTreeSet::from([1, 2]));
    }
}
