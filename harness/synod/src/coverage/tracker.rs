//! The tracker: it keeps a view of all nodes, and shows each step to those who look for points.
//!
//! The view is what every watcher may ask of nodes other than the one that steps: how each stood
//! after its last step, whether it runs, and who led last.

use synod_paxos::{Ballot, NodeId, Slot};
use synod_simulator::Micros;

use super::elections::Elections;
use super::links::Links;
use super::machines::{End, Machines};
use super::requests::Requests;
use super::slots::Slots;
use super::{HitCounts, Point};
use crate::clients::Outcomes;
use crate::journal_thread::{Found, Unsynced};
use crate::step::{Cause, Kind, Stance, Step};

/// Who looks for points in one run.
#[derive(Debug)]
pub struct Tracker {
    hit_counts: HitCounts,
    view: View,
    elections: Elections,
    slots: Slots,
    requests: Requests,
    machines: Machines,
    links: Links,
}

/// What is known of all nodes.
#[derive(Debug)]
pub(super) struct View {
    nodes: Vec<NodeView>,
    /// The highest ballot that anybody has led.
    pub(super) highest: Ballot,
    /// Who was elected last, and in which of its lives.
    pub(super) leader: Option<(NodeId, u64)>,
}

/// What is known of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeView {
    pub(super) node: NodeId,
    /// How it stood after its last step; none while it is down.
    pub(super) stance: Option<Stance>,
    /// How many slots it has open as a leader.
    pub(super) open: u64,
    pub(super) draining: bool,
    /// When it made its last step.
    pub(super) stepped: Micros,
}

impl Tracker {
    /// Looks at a cluster of these nodes, counted from 1, none of which runs.
    #[must_use]
    pub fn new(nodes: &[NodeId]) -> Self {
        let count = nodes.len();
        Self {
            hit_counts: HitCounts::default(),
            view: View::new(nodes),
            elections: Elections::new(count),
            slots: Slots::new(count),
            requests: Requests::new(count),
            machines: Machines::new(count),
            links: Links::new(count),
        }
    }

    /// Counts what somebody else saw.
    pub fn see(&mut self, point: Point) {
        self.hit_counts.see(point);
    }

    /// Looks at a recovery that was completed.
    pub fn on_recovery(&mut self, node: NodeId, found: &Found) {
        self.slots.on_recovery(node, found);
        self.machines.on_recovery(node, found, &self.view, &mut self.hit_counts);
    }

    /// Looks at a step.
    pub fn on_step(&mut self, step: &Step<'_>) {
        let hit_counts = &mut self.hit_counts;
        if !is_without_news(step) {
            self.elections.on_step(step, &self.view, hit_counts);
            self.slots.on_step(step, &self.view, hit_counts);
            self.requests.on_step(step, &self.view, hit_counts);
            Machines::on_step(step, &self.view, hit_counts);
        }
        // It counts here that the node made a step, whatever that was.
        self.links.on_step(step, &self.view, hit_counts);
        // The view comes last: those who look compare the step with how all stood before it.
        self.view.on_step(step);
    }

    /// Looks at a node whose sync hangs.
    pub fn on_hang(&mut self, node: NodeId) {
        let leads = self.view.seen(node).stance.is_some_and(|stance| stance.leads.is_some());
        self.hit_counts.see_if(leads, Point::LeaderHangs);
    }

    /// Looks at the end of a process, and at what it had not synced.
    pub fn on_end(&mut self, node: NodeId, end: End, unsynced: &Unsynced, now: Micros) {
        let seen = *self.view.seen(node);
        // Before anybody looks, as this end may leave no node that runs.
        self.view.nodes[place(node)].stance = None;
        self.machines.on_end(seen, end, unsynced, now, &self.view, &mut self.hit_counts);
    }

    /// Ends the run, in which the clients came to `outcomes`; returns what was seen.
    pub fn finish(&mut self, outcomes: Outcomes) -> HitCounts {
        self.hit_counts.hit_times(Point::OutcomeFailed, outcomes.failed);
        self.hit_counts.hit_times(Point::OutcomeUnknown, outcomes.unknown);
        self.hit_counts.hit_times(Point::OutcomeSlow, outcomes.slow);
        self.hit_counts.hit_times(Point::RequestNotConnected, outcomes.not_connected);
        self.hit_counts.hit_times(Point::RequestQueueFull, outcomes.queue_full);
        std::mem::take(&mut self.hit_counts)
    }
}

impl View {
    pub(super) fn new(nodes: &[NodeId]) -> Self {
        let seen = |node: &NodeId| NodeView {
            node: *node,
            stance: None,
            open: 0,
            draining: false,
            stepped: Micros(0),
        };
        Self { nodes: nodes.iter().map(seen).collect(), highest: Ballot::ZERO, leader: None }
    }

    /// Counts all nodes.
    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns what is known of a node.
    pub(super) fn seen(&self, node: NodeId) -> &NodeView {
        &self.nodes[place(node)]
    }

    /// Returns how the nodes stand that run, but for one.
    pub(super) fn others(&self, node: NodeId) -> impl Iterator<Item = Stance> + '_ {
        let others = self.nodes.iter().filter(move |seen| seen.node != node);
        others.filter_map(|seen| seen.stance)
    }

    /// Counts the nodes that run.
    pub(super) fn up(&self) -> usize {
        self.nodes.iter().filter(|seen| seen.stance.is_some()).count()
    }

    pub(super) fn on_step(&mut self, step: &Step<'_>) {
        let seen = &mut self.nodes[place(step.node)];
        seen.stance = Some(step.after);
        seen.stepped = step.now;
        seen.open = open_slots(step).unwrap_or(0);
        match step.cause {
            Cause::Start => seen.draining = false,
            Cause::Drain => seen.draining = true,
            Cause::Message(..)
            | Cause::Request(..)
            | Cause::Timer(_)
            | Cause::LinkDown(_)
            | Cause::Synced
            | Cause::OldDecrees
            | Cause::Snapshot
            | Cause::Wrote
            | Cause::Client
            | Cause::Several
            | Cause::Unheard(_) => {}
        }
        if let Some(ballot) = step.after.leads
            && step.before.leads != Some(ballot)
        {
            // The maximum, as a candidate may count its quorum after a higher ballot has led:
            // promises travel.
            self.highest = self.highest.max(ballot);
            self.leader = Some((step.node, step.life));
        }
    }
}

/// Tells whether a step shows nothing but that its node runs: what it took is no point by itself,
/// and it brought nothing about. Most steps are so, as most of what comes are heartbeats.
fn is_without_news(step: &Step<'_>) -> bool {
    let is_no_point =
        matches!(step.cause, Cause::Message(_, Kind::Heartbeat) | Cause::Wrote | Cause::Several);
    is_no_point
        && step.before == step.after
        && step.sent.is_empty()
        && step.replies.is_empty()
        && step.records.is_empty()
        && step.durable.is_empty()
}

/// Counts the slots that a leader has open; none if it does not lead.
pub(super) fn open_slots(step: &Step<'_>) -> Option<u64> {
    step.after.leads?;
    let next: Slot = step.replica.paxos().next_slot()?;
    Some(next.number().saturating_sub(step.after.chosen.number()))
}

/// Returns where a node stands in a list of all.
pub(super) fn place(node: NodeId) -> usize {
    usize::from(node.number()) - 1
}

#[cfg(test)]
mod tests {
    use synod_paxos::{Configuration, CoreId, Immediate, Message as Paxos, To};
    use synod_smr::{
        Config, Connection, Effects, Message, Record, Recovering, Refusal, Replica, RequestId,
        Response,
    };

    use super::*;
    use crate::kv_model::KvModel;

    const NODES: [NodeId; 3] = [NodeId::new(1), NodeId::new(2), NodeId::new(3)];

    fn replica(node: NodeId) -> Replica<KvModel> {
        let core_id = CoreId { node, incarnation: 1 };
        let voters = Configuration::majority(NODES).expect("three nodes");
        let mut effects = Effects::new(core_id);
        Recovering::new(KvModel::default()).finish(Config::lan(core_id, voters), &mut effects)
    }

    fn step(replica: &Replica<KvModel>, cause: Cause) -> Step<'_> {
        let stance = Stance::of_replica(replica, synod_smr::Disk::Fine);
        Step {
            now: Micros(1),
            node: replica.paxos().me(),
            life: 1,
            cause,
            given: &[],
            is_stranger: false,
            before: stance,
            after: stance,
            replica,
            durable: &[],
            records: &[],
            sent: &[],
            replies: &[],
        }
    }

    fn times(tracker: &Tracker, point: Point) -> u64 {
        tracker.hit_counts.of(point).times
    }

    #[test]
    fn a_step_is_seen_for_what_it_does_and_no_more() {
        let replica = replica(NODES[0]);
        let mut tracker = Tracker::new(&NODES);
        tracker.on_step(&step(&replica, Cause::Start));
        assert_eq!(tracker.hit_counts, HitCounts::default(), "nothing happened");

        let (low, high) = (Ballot::new(1, NODES[1]), Ballot::new(2, NODES[2]));
        let nack = Immediate::Nack { ballot: low, promised: high };
        let sent = [(To::Node(NODES[1]), Message::Paxos(Paxos::Immediate(nack)))];
        let mut refusing = step(&replica, Cause::Message(NODES[1], Kind::Prepare(low)));
        refusing.sent = &sent;
        refusing.before.promised = high;
        refusing.after.promised = high;
        tracker.on_step(&refusing);
        assert_eq!(times(&tracker, Point::PrepareRefused), 1);
        assert_eq!(times(&tracker, Point::AcceptRefused), 0);
        assert_eq!(times(&tracker, Point::PrepareIgnored), 0);

        let records = vec![Record::Chosen(Slot::new(1)); 9];
        let full = Response::Refused(Refusal::DiskFull);
        let replies = [(Connection(1), RequestId(1), full)];
        let mut writing = step(&replica, Cause::Synced);
        (writing.records, writing.replies) = (&records, &replies);
        tracker.on_step(&writing);
        assert_eq!(times(&tracker, Point::LongBatch), 1);
        assert_eq!(times(&tracker, Point::DiskFullRefused), 1);
    }

    #[test]
    fn what_other_nodes_do_is_remembered() {
        let replicas = NODES.map(replica);
        let mut tracker = Tracker::new(&NODES);
        for (round, replica) in (1..).zip(&replicas) {
            tracker.on_step(&step(replica, Cause::Start));
            let ballot = Some(Ballot::new(round, replica.paxos().me()));
            let mut elected = step(replica, Cause::Synced);
            (elected.after.ballot, elected.after.leads) = (ballot, ballot);
            tracker.on_step(&elected);
        }
        assert_eq!(times(&tracker, Point::TwoLeaders), 2, "the second and the third");
        assert_eq!(times(&tracker, Point::LedByEveryNode), 1);
        assert_eq!(times(&tracker, Point::ElectedWithoutLastLeader), 2);
        for node in NODES {
            assert_eq!(times(&tracker, Point::AllDown), 0);
            tracker.on_end(node, End::Crash, &Unsynced::default(), Micros(2));
        }
        assert_eq!(times(&tracker, Point::AllDown), 1);
        assert_eq!(times(&tracker, Point::CrashOfLeader), 3);
        let outcomes = Outcomes { slow: 2, ..Outcomes::default() };
        assert_eq!(tracker.finish(outcomes).of(Point::OutcomeSlow).times, 2);
    }
}
