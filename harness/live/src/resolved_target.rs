//! The aim of a fault: whom it hits once the leader is known, and how its effect is told.
//!
//! A plan says "the leader"; an aim says "node 2". Nothing here touches a process or a link: the
//! injector acts, this counts and finds the words.

use std::collections::BTreeMap;

use synod_fault::schedule::{Action, LinkScope, PartitionKind, Target};
use synod_fault::{CLIENTS, LinkId, LinkRules, NodeId, Shape, all_links};
use synod_report::LinkCounts;

/// What a fault did, in words, and whether that is anything.
pub(crate) struct Effect {
    pub(crate) words: String,
    pub(crate) effective: bool,
}

/// What a fault hits, once that is known.
pub(crate) struct ResolvedTarget {
    pub(crate) detail: String,
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) rules: BTreeMap<LinkId, LinkRules>,
}

impl ResolvedTarget {
    /// Finds out whom and what an action hits, when `leader` leads.
    pub(crate) fn take(action: &Action, leader: Option<NodeId>, all: &[NodeId]) -> Self {
        match action {
            Action::Partition(tear) | Action::Flap { tear, .. } => torn(tear, leader, all),
            Action::Disturb { wires, rules } => disturbed(*wires, *rules, all),
            Action::Kill(victim) | Action::Pause(victim) => {
                let nodes = match victim {
                    Target::Leader => leader.into_iter().collect(),
                    Target::Node(node) => vec![*node],
                    Target::All => all.to_vec(),
                };
                Self { detail: named(&nodes), nodes, rules: BTreeMap::new() }
            }
            Action::Storm { victims } => Self {
                detail: format!("nodes {} in turn", listed(victims)),
                nodes: victims.clone(),
                rules: BTreeMap::new(),
            },
        }
    }

    /// Adds up what the links that the fault hits did so far.
    pub(crate) fn sum(&self, counts: &[LinkCounts]) -> LinkCounts {
        let hit = |counts: &&LinkCounts| {
            let link = LinkId::new(NodeId(counts.from), NodeId(counts.to));
            self.rules.contains_key(&link)
        };
        counts.iter().filter(hit).fold(LinkCounts::default(), |sum, counts| sum.plus(counts))
    }
}

fn torn(tear: &PartitionKind, leader: Option<NodeId>, all: &[NodeId]) -> ResolvedTarget {
    let shape = match (tear, leader) {
        (PartitionKind::Fixed(shape), _) => shape.clone(),
        (PartitionKind::IsolateLeader, Some(leader)) => Shape::isolate(leader, all),
        (PartitionKind::IsolateLeader, None) => return nobody(),
    };
    let rules = shape.cuts().into_iter().map(|link| (link, LinkRules::CUT)).collect();
    ResolvedTarget { detail: shape.to_string(), nodes: Vec::new(), rules }
}

fn disturbed(wires: LinkScope, rules: LinkRules, all: &[NodeId]) -> ResolvedTarget {
    let (links, place) = match wires {
        LinkScope::Nodes => (all_links(all), "between nodes"),
        LinkScope::Clients => {
            let mut ends = all.to_vec();
            ends.push(CLIENTS);
            let mut links = all_links(&ends);
            links.retain(|link| link.from == CLIENTS || link.to == CLIENTS);
            (links, "between clients and nodes")
        }
    };
    ResolvedTarget {
        detail: format!("{rules} {place}"),
        nodes: Vec::new(),
        rules: links.into_iter().map(|link| (link, rules)).collect(),
    }
}

fn nobody() -> ResolvedTarget {
    ResolvedTarget {
        detail: "no leader was seen".to_owned(),
        nodes: Vec::new(),
        rules: BTreeMap::new(),
    }
}

/// Says what cuts did, by what they kept from the receivers.
pub(crate) fn interruption(cuts: u32, before: &LinkCounts, after: &LinkCounts) -> Effect {
    let often = if cuts > 1 { format!(" in {cuts} cuts") } else { String::new() };
    let packets = after.cut - before.cut;
    let Some(stream) = after.stream else {
        let words = format!("{packets} packets cut{often}");
        return Effect { words, effective: packets > 0 };
    };
    let held = stream.since(&before.stream.unwrap_or_default());
    let (bytes, connections) = (held.held_bytes, held.held_connections);
    let others = if packets > 0 { format!("{packets} packets cut, ") } else { String::new() };
    Effect {
        words: format!("{others}{bytes} bytes and {connections} connections held back{often}"),
        effective: packets + bytes + connections > 0,
    }
}

/// Says what a disturbance did, by the counters that its rules move.
pub(crate) fn disturbance(rules: &LinkRules, before: &LinkCounts, after: &LinkCounts) -> Effect {
    let Some(stream) = after.stream else {
        return told("packets: ", &packets_hit(rules, before, after));
    };
    let hit = stream.since(&before.stream.unwrap_or_default());
    let slow = rules.delay_ms.0 > 0 || rules.jitter_ms.0 > 0 || rules.rate.is_some();
    let wanted = [
        (rules.cut, hit.held_bytes, "bytes held back"),
        (rules.cut, hit.held_connections, "connections held back"),
        (slow, hit.delayed_bytes, "bytes delayed"),
        (rules.stall.0 > 0, hit.stalled_bytes, "bytes stalled"),
        (rules.slice_bytes > 0, hit.sliced_bytes, "bytes in pieces"),
        (rules.reset.0 > 0, hit.resets, "connections reset"),
        (rules.refuse.0 > 0, hit.refused, "connections refused"),
        (rules.half_close.0 > 0, hit.half_closed, "streams half-closed"),
    ];
    told("", &wanted)
}

type Wanted = (bool, u64, &'static str);

fn packets_hit(rules: &LinkRules, before: &LinkCounts, after: &LinkCounts) -> [Wanted; 6] {
    [
        (rules.loss.0 > 0, after.lost - before.lost, "lost"),
        (rules.duplicate.0 > 0, after.duplicated - before.duplicated, "doubled"),
        (rules.reorder.0 > 0, after.reordered - before.reordered, "held back"),
        (rules.corrupt.0 > 0, after.corrupted - before.corrupted, "damaged"),
        (rules.delay_ms.0 > 0 || rules.rate.is_some(), after.delayed - before.delayed, "delayed"),
        (rules.rate.is_some(), after.overflowed - before.overflowed, "over the rate"),
    ]
}

fn told(what: &str, wanted: &[Wanted]) -> Effect {
    let asked = wanted.iter().filter(|(asked, ..)| *asked);
    let words: Vec<String> =
        asked.clone().map(|(_, count, word)| format!("{count} {word}")).collect();
    let moved: u64 = asked.map(|(_, count, _)| *count).sum();
    Effect { words: format!("{what}{}", words.join(", ")), effective: moved > 0 }
}

fn named(nodes: &[NodeId]) -> String {
    match nodes {
        [] => "no leader was seen".to_owned(),
        [node] => format!("node {node}"),
        nodes => format!("nodes {}", listed(nodes)),
    }
}

fn listed(nodes: &[NodeId]) -> String {
    let words: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_fault::PartsPerMillion;
    use synod_report::StreamCounts;

    fn nodes() -> Vec<NodeId> {
        (1..=3).map(NodeId).collect()
    }

    #[test]
    fn the_leader_is_whoever_leads_when_the_fault_comes() {
        let isolate = Action::Partition(PartitionKind::IsolateLeader);
        let aim = ResolvedTarget::take(&isolate, Some(NodeId(2)), &nodes());
        assert_eq!((aim.detail.as_str(), aim.rules.len()), ("2 | 1 3", 4));
        let kill = Action::Kill(Target::Leader);
        assert_eq!(ResolvedTarget::take(&kill, Some(NodeId(3)), &nodes()).nodes, [NodeId(3)]);
        for action in [isolate, kill] {
            let aim = ResolvedTarget::take(&action, None, &nodes());
            assert_eq!(aim.detail, "no leader was seen");
            assert!(aim.nodes.is_empty() && aim.rules.is_empty());
        }
    }

    #[test]
    fn the_clients_links_are_those_that_end_at_the_clients() {
        let rules = LinkRules { loss: PartsPerMillion::percent(10), ..LinkRules::default() };
        let action = Action::Disturb { wires: LinkScope::Clients, rules };
        let aim = ResolvedTarget::take(&action, None, &nodes());
        assert_eq!(aim.rules.len(), 6);
        assert!(aim.rules.keys().all(|link| link.from == CLIENTS || link.to == CLIENTS));
        assert_eq!(aim.detail, "10 % lost between clients and nodes");
    }

    #[test]
    fn an_effect_counts_only_what_the_rules_ask_for() {
        let rules = LinkRules { loss: PartsPerMillion::percent(10), ..LinkRules::default() };
        let before = LinkCounts { lost: 5, delayed: 5, ..LinkCounts::default() };
        let idle = LinkCounts { lost: 5, delayed: 9, ..LinkCounts::default() };
        assert!(!disturbance(&rules, &before, &idle).effective);
        let busy = LinkCounts { lost: 12, ..before };
        let effect = disturbance(&rules, &before, &busy);
        assert!(effect.effective);
        assert_eq!(effect.words, "packets: 7 lost");
    }

    #[test]
    fn only_the_links_that_a_fault_hits_count() {
        let aim = ResolvedTarget::take(
            &Action::Partition(PartitionKind::IsolateLeader),
            Some(NodeId(1)),
            &nodes(),
        );
        let counts = |from, to, cut| LinkCounts { from, to, cut, ..LinkCounts::default() };
        let sum = aim.sum(&[counts(1, 2, 10), counts(2, 3, 100), counts(3, 1, 1)]);
        assert_eq!(sum.cut, 11);
    }

    #[test]
    fn a_fault_on_streams_counts_what_it_kept_from_the_receiver() {
        let streams = |stream| LinkCounts { stream: Some(stream), ..LinkCounts::default() };
        let before = streams(StreamCounts { bytes: 9, held_bytes: 5, ..StreamCounts::default() });
        let idle = streams(StreamCounts { bytes: 90, ..before.stream.expect("streams") });
        assert!(!interruption(1, &before, &idle).effective, "bytes that passed are no effect");
        let held = StreamCounts { held_bytes: 12, held_connections: 2, ..StreamCounts::default() };
        let effect = interruption(3, &before, &streams(held));
        assert!(effect.effective);
        assert_eq!(effect.words, "7 bytes and 2 connections held back in 3 cuts");

        let rules = LinkRules { reset: PartsPerMillion::percent(5), ..LinkRules::default() };
        assert!(!disturbance(&rules, &before, &streams(held)).effective);
        let reset = streams(StreamCounts { resets: 1, ..StreamCounts::default() });
        let effect = disturbance(&rules, &before, &reset);
        assert!(effect.effective);
        assert_eq!(effect.words, "1 connections reset");
    }
}
