//! Who leads, as far as the nodes say: leader spans, and digests that must agree.
//!
//! Fed with the answers of a poll, it decides who leads: of those that say so and were heard
//! lately, the one with the highest ballot. A leader that is cut off goes on saying that it leads;
//! its ballot tells it apart. It also compares the digests that nodes report for the same slot,
//! at any time of the run. Time is an input: nothing here asks a node or reads a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_fault::NodeId;
use synod_report::LeaderSpan;

use super::bridge::NodeStatus;

/// What was heard of the nodes.
#[derive(Debug, Default)]
pub struct Leaders {
    last: BTreeMap<NodeId, StatusReport>,
    /// Whom a command named that says who leads, and when.
    named: Option<(Duration, NodeId)>,
    spans: Vec<LeaderSpan>,
    digests: BTreeMap<u64, (NodeId, String)>,
    divergences: Vec<String>,
}

/// The last answer of a node.
#[derive(Clone, Debug)]
pub struct StatusReport {
    /// When it came.
    pub at: Duration,
    /// What it said.
    pub status: NodeStatus,
}

/// A node that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The node.
    pub node: NodeId,
    /// Its ballot; empty where none is told.
    pub ballot: String,
}

impl Leaders {
    /// Takes an answer of a node, asked by its number, that came at `now`.
    pub fn on_status(&mut self, node: NodeId, now: Duration, status: NodeStatus) {
        self.compare_digest(node, &status);
        self.last.insert(node, StatusReport { at: now, status });
        self.note_leader(now);
    }

    /// Takes note that a node did not answer.
    pub fn on_silence(&mut self, node: NodeId) {
        self.last.remove(&node);
    }

    /// Takes what a command says that knows who leads, be it that nobody does. Its answers have no
    /// ballots: another node is another leader.
    pub fn on_named(&mut self, now: Duration, node: Option<NodeId>) {
        self.named = node.map(|node| (now, node));
        self.note_leader(now);
    }

    /// Returns who leads at `now`.
    #[must_use]
    pub fn leader(&self, now: Duration) -> Option<Leader> {
        if let Some((at, node)) = self.named {
            let is_fresh = at + NAMED_FRESH >= now;
            return is_fresh.then(|| Leader { node, ballot: String::new() });
        }
        let fresh = self.last.iter().filter(|(_, heard)| heard.at + FRESH >= now);
        let claims = fresh.filter_map(|(node, heard)| {
            let ballot = heard.status.leads.clone()?;
            Some((ballot_key(&ballot), Leader { node: *node, ballot }))
        });
        claims.max_by_key(|(key, _)| *key).map(|(_, leader)| leader)
    }

    /// Returns the last answer of each node that answers.
    #[must_use]
    pub fn heard(&self) -> &BTreeMap<NodeId, StatusReport> {
        &self.last
    }

    /// Returns who led when.
    #[must_use]
    pub fn spans(&self) -> &[LeaderSpan] {
        &self.spans
    }

    /// Returns how often another leader, or another ballot, came after the first.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.spans.len().saturating_sub(1)
    }

    /// Returns the slots at which two nodes had different states, one sentence each.
    #[must_use]
    pub fn divergences(&self) -> &[String] {
        &self.divergences
    }

    fn note_leader(&mut self, now: Duration) {
        let Some(leader) = self.leader(now) else { return };
        let now_ns = now.as_nanos() as u64;
        if let Some(span) = self.spans.last_mut() {
            let same = span.node == leader.node.0 && span.ballot == leader.ballot;
            // A claim with a lower ballot than one seen before is of a leader of the past.
            if same || ballot_key(&leader.ballot) < ballot_key(&span.ballot) {
                if same {
                    span.end_ns = now_ns;
                }
                return;
            }
        }
        self.spans.push(LeaderSpan {
            node: leader.node.0,
            ballot: leader.ballot,
            start_ns: now_ns,
            end_ns: now_ns,
        });
    }

    fn compare_digest(&mut self, node: NodeId, status: &NodeStatus) {
        let (Some(applied), Some(told)) = (status.applied, &status.digest) else { return };
        let Some((other, digest)) = self.digests.get(&applied) else {
            self.digests.insert(applied, (node, told.clone()));
            // The lowest goes, as nodes are mostly near the end of the log; one that lags by more
            // is compared once it has caught up.
            if self.digests.len() > DIGESTS_MAX {
                self.digests.pop_first();
            }
            return;
        };
        if digest != told && self.divergences.len() < SPLITS_MAX {
            self.divergences.push(format!(
                "at slot {applied} node {node} has a state with digest {told}, but node {other} \
                 {digest}"
            ));
        }
    }
}

/// Reads `round.node`; anything else counts as the lowest.
fn ballot_key(ballot: &str) -> (u64, u64) {
    let parts = ballot.split_once('.');
    let key = parts.and_then(|(round, node)| Some((round.parse().ok()?, node.parse().ok()?)));
    key.unwrap_or_default()
}

/// How long an answer counts.
const FRESH: Duration = Duration::from_millis(500);

/// How long counts what a command said, which may take its time to say it again.
const NAMED_FRESH: Duration = Duration::from_secs(3);

/// Slots whose digests are kept.
const DIGESTS_MAX: usize = 65_536;

/// Differences that are told; one is enough to condemn.
const SPLITS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(node: u16, leads: Option<&str>, applied: u64, digest: &str) -> NodeStatus {
        NodeStatus {
            node,
            leads: leads.map(str::to_owned),
            follows: None,
            chosen: applied,
            applied: Some(applied),
            digest: Some(digest.to_owned()),
        }
    }

    fn hear(leaders: &mut Leaders, node: u16, at_ms: u64, leads: Option<&str>) {
        let at = Duration::from_millis(at_ms);
        leaders.on_status(NodeId(node), at, status(node, leads, 0, "0"));
    }

    fn leader(leaders: &Leaders, at_ms: u64) -> Option<u16> {
        leaders.leader(Duration::from_millis(at_ms)).map(|leader| leader.node.0)
    }

    #[test]
    fn the_highest_ballot_leads_and_a_cut_off_leader_does_not_count() {
        let mut leaders = Leaders::default();
        hear(&mut leaders, 1, 0, Some("9.1"));
        assert_eq!(leader(&leaders, 0), Some(1));
        hear(&mut leaders, 2, 100, Some("10.2"));
        hear(&mut leaders, 1, 110, Some("9.1"));
        assert_eq!(leader(&leaders, 110), Some(2), "10 is more than 9, though not as text");
        let spans: Vec<_> = leaders.spans().iter().map(|span| span.node).collect();
        assert_eq!(spans, [1, 2]);
        assert_eq!(leaders.changes(), 1);
    }

    #[test]
    fn an_old_claim_after_the_new_leaders_silence_is_no_change() {
        let mut leaders = Leaders::default();
        hear(&mut leaders, 1, 0, Some("1.1"));
        hear(&mut leaders, 2, 100, Some("2.2"));
        leaders.on_silence(NodeId(2));
        hear(&mut leaders, 1, 200, Some("1.1"));
        assert_eq!(leaders.changes(), 1);
    }

    #[test]
    fn answers_grow_old() {
        let mut leaders = Leaders::default();
        hear(&mut leaders, 1, 0, Some("1.1"));
        assert_eq!(leader(&leaders, 500), Some(1));
        assert_eq!(leader(&leaders, 501), None);
        hear(&mut leaders, 1, 600, None);
        assert_eq!(leader(&leaders, 600), None);
        assert_eq!(leaders.spans()[0].end_ns, 0);
    }

    #[test]
    fn whom_a_command_names_leads_until_it_names_another_or_says_nothing_for_long() {
        let mut leaders = Leaders::default();
        let mut named = |at_s: u64, node: Option<u16>| {
            leaders.on_named(Duration::from_secs(at_s), node.map(NodeId));
        };
        named(0, Some(2));
        named(1, Some(2));
        named(2, None);
        named(3, Some(1));
        named(4, Some(2));
        let spans: Vec<_> = leaders.spans().iter().map(|span| span.node).collect();
        assert_eq!((spans, leaders.changes()), (vec![2, 1, 2], 2));
        assert_eq!((leader(&leaders, 7_000), leader(&leaders, 7_001)), (Some(2), None));
    }

    #[test]
    fn a_status_without_a_state_is_compared_with_nothing() {
        let mut leaders = Leaders::default();
        for node in [1, 2] {
            let told = NodeStatus { applied: None, digest: None, ..status(node, None, 7, "x") };
            leaders.on_status(NodeId(node), Duration::ZERO, told);
        }
        assert!(leaders.divergences().is_empty());
    }

    #[test]
    fn different_states_at_one_slot_are_told_whenever_they_are_seen() {
        let mut leaders = Leaders::default();
        let at = Duration::ZERO;
        leaders.on_status(NodeId(1), at, status(1, None, 7, "aa"));
        leaders.on_status(NodeId(1), at, status(1, None, 8, "bb"));
        leaders.on_status(NodeId(2), at, status(2, None, 7, "aa"));
        assert!(leaders.divergences().is_empty());
        leaders.on_status(NodeId(3), at, status(3, None, 7, "cc"));
        let split = &leaders.divergences()[0];
        assert!(split.contains("slot 7") && split.contains("node 3"), "{split}");
    }
}
