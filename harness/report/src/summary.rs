//! What a run amounts to: the verdict, its reasons, what was exercised and what was seen.
//!
//! This is the content of `report.json`. The live runner fills it, the report page renders it, and
//! nothing here decides anything. Every number in it was measured during the run that it describes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_checker::{CheckerSummary, ViolationCore};
use synod_history::OperationCounts;

use crate::{Check, Exercise, SpaceTime, Verdict};

/// One run, whole: the content of `report.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunSummary {
    /// The outcome.
    pub verdict: Verdict,
    /// Why the verdict is what it is, one sentence each.
    pub reasons: Vec<String>,
    /// What was asked, and the answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The seed from which plan, operations and packet decisions follow.
    pub seed: u64,
    /// The version of the harness.
    pub version: String,
    /// The name of the system under test.
    pub system: String,
    /// When the run began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How long the run took, heal and judgement included, in milliseconds.
    pub duration_ms: u64,
    /// The command that runs the same plan again.
    pub reproduce: String,
    /// What was planned.
    pub plan: PlanSummary,
    /// How the clients' operations ended.
    pub counts: OperationCounts,
    /// What the verdict rests on, where the history was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<Exercise>,
    /// What the system's own audit of the run said, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<String>,
    /// The minimal core of the violation, where there is one.
    pub violation: Option<ViolationCore>,
    /// The messages around it, where they were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space_time: Option<SpaceTime>,
    /// The faults, in order of their start.
    pub faults: Vec<FaultSpan>,
    /// Who led when, as far as it was observed.
    pub leaders: Vec<LeaderSpan>,
    /// What each directed link did to its packets.
    pub links: Vec<LinkCounts>,
    /// What was found after the faults were healed.
    pub after_heal: Option<AfterHeal>,
    /// The nodes: how they ended, what they logged last.
    pub nodes: Vec<NodeSummary>,
    /// What the checker did.
    pub checker: Option<CheckerSummary>,
}

/// What was planned for a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanSummary {
    /// How many nodes.
    pub nodes: u16,
    /// How many logical clients.
    pub clients: u32,
    /// How long the faults last, in seconds.
    pub time_s: u64,
    /// The workload's name.
    pub workload: String,
    /// The nemesis' name.
    pub nemesis: String,
}

/// One fault, from its start to its end, with the effect that was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultSpan {
    /// The kind, such as `isolate-leader` or `kill-one`.
    pub kind: String,
    /// What exactly, such as `node 2` or `1 | 2 3`.
    pub detail: String,
    /// The nodes that it hits, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<u16>,
    /// When it began, in nanoseconds since the start of the run.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What was measured, such as `412 packets dropped`.
    pub effect: String,
    /// Whether the fault had any effect at all.
    pub effective: bool,
}

/// One leader, as long as it was seen to lead.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaderSpan {
    /// The node.
    pub node: u16,
    /// Its ballot, printed as `round.node`.
    pub ballot: String,
    /// When it was first seen to lead, in nanoseconds since the start of the run.
    pub start_ns: u64,
    /// When it was last seen to lead.
    pub end_ns: u64,
}

/// What one directed link did to its packets, or to the bytes of its streams.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct LinkCounts {
    /// The sending node.
    pub from: u16,
    /// The receiving node.
    pub to: u16,
    /// Packets handed on, duplicates included.
    pub delivered: u64,
    /// Packets dropped at random.
    pub lost: u64,
    /// Packets dropped because the link was cut.
    pub cut: u64,
    /// Packets held back for a while.
    pub delayed: u64,
    /// Packets sent twice.
    pub duplicated: u64,
    /// Packets let through after a later one.
    pub reordered: u64,
    /// Packets with a flipped bit.
    pub corrupted: u64,
    /// Packets dropped because the rate limit's queue was full.
    pub overflowed: u64,
    /// What it did to streams, where it speaks TCP; the counts of packets are then 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamCounts>,
}

/// What one directed link did to the bytes of its streams, counted where they are received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCounts {
    /// Connections opened over the link.
    pub connections: u64,
    /// Connections that found nobody at the other end.
    pub unanswered: u64,
    /// Bytes that the receiver was given.
    pub bytes: u64,
    /// Of these, bytes that waited for their delay or the rate.
    pub delayed_bytes: u64,
    /// Of these, bytes before which their connection stood still.
    pub stalled_bytes: u64,
    /// Of these, bytes that were given in smaller pieces than they came in.
    pub sliced_bytes: u64,
    /// Bytes that were due while the link was cut, and so were kept back.
    pub held_bytes: u64,
    /// Connections that were asked for while the link was cut, and so were kept waiting.
    pub held_connections: u64,
    /// Connections that a fault reset.
    pub resets: u64,
    /// Connections that a fault refused.
    pub refused: u64,
    /// Streams that a fault ended, while the opposite one went on.
    pub half_closed: u64,
}

impl LinkCounts {
    /// Returns whether anything was sent over the link, delivered or not.
    #[must_use]
    pub fn was_used(&self) -> bool {
        let packets = self.delivered + self.lost + self.cut + self.overflowed;
        let tried = |counts: &StreamCounts| {
            let waited = counts.held_connections + counts.refused;
            counts.connections + counts.unanswered + waited + counts.bytes
        };
        packets + self.stream.as_ref().map_or(0, tried) > 0
    }

    /// Returns the sum of both, which names no link.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let streams = [self.stream, other.stream];
        Self {
            from: 0,
            to: 0,
            delivered: self.delivered + other.delivered,
            lost: self.lost + other.lost,
            cut: self.cut + other.cut,
            delayed: self.delayed + other.delayed,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
            corrupted: self.corrupted + other.corrupted,
            overflowed: self.overflowed + other.overflowed,
            stream: streams.into_iter().flatten().reduce(|one, other| one.plus(&other)),
        }
    }
}

impl StreamCounts {
    /// Returns the sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.merged(other, u64::saturating_add)
    }

    /// Returns what was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.merged(before, u64::saturating_sub)
    }

    fn merged(&self, other: &Self, merge: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            connections: merge(self.connections, other.connections),
            unanswered: merge(self.unanswered, other.unanswered),
            bytes: merge(self.bytes, other.bytes),
            delayed_bytes: merge(self.delayed_bytes, other.delayed_bytes),
            stalled_bytes: merge(self.stalled_bytes, other.stalled_bytes),
            sliced_bytes: merge(self.sliced_bytes, other.sliced_bytes),
            held_bytes: merge(self.held_bytes, other.held_bytes),
            held_connections: merge(self.held_connections, other.held_connections),
            resets: merge(self.resets, other.resets),
            refused: merge(self.refused, other.refused),
            half_closed: merge(self.half_closed, other.half_closed),
        }
    }
}

/// What was found after the faults were healed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AfterHeal {
    /// Milliseconds until every node served again; none if one did not in time.
    pub served_within_ms: Option<u64>,
    /// Whether all nodes had equal digests at an equal slot; none if they tell no digests.
    #[serde(default)]
    pub digests_equal: Option<bool>,
    /// Whether every acknowledged write was there.
    pub acknowledged_present: bool,
    /// What was wrong, one sentence each.
    pub findings: Vec<String>,
    /// What was not served in time, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unserved: Vec<String>,
}

/// One node at the end of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeSummary {
    /// The node.
    pub id: u16,
    /// How often it was started.
    pub starts: u32,
    /// How its processes ended, in order, such as `killed by the nemesis`.
    pub exits: Vec<String>,
    /// From when to when its processes were there, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lives: Vec<NodeLife>,
    /// What it logged around the moments that tell of something wrong, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub around: Vec<LoggedLine>,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
    /// Resident memory at the end of the run, in bytes, where it was seen.
    pub resident_bytes: Option<u64>,
}

/// One process of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLife {
    /// When it was started, in nanoseconds since the start of the run.
    pub start_ns: u64,
    /// When it was gone; none if nobody saw that.
    pub end_ns: Option<u64>,
    /// Whether it ended though nobody had asked it to, and no fault excuses that.
    pub by_itself: bool,
}

/// A line of a node's log, with about when it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedLine {
    /// About when, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// The file that has it, in the node's folder.
    pub log: String,
    /// Which line of the file it is, counted from 1.
    pub number: u64,
    /// What it says.
    pub text: String,
    /// Whether it tells of a crash.
    pub crash: bool,
}

/// How far around a moment that tells of something wrong the logs of the nodes are shown.
pub const LOG_AROUND: Duration = Duration::from_secs(2);
