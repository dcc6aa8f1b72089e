//! The traces of a simulated run, as its nodes would write them.
//!
//! The recorder is the one that ships, shown what it is shown in production, in the same order. The
//! claim kept true: what `follow` is given of a simulated run differs from what it is given of real
//! processes in the bytes' way to it alone.

use std::collections::BTreeMap;

use synod_host::{Brought, Event, Host, TraceRecorder};
use synod_paxos::NodeId;
use synod_smr::wire::JournalRecord;

use super::{NodeTrace, TraceLife};
use crate::journal_thread::Found;
use crate::kv_model::KvModel;

/// The traces of all nodes so far.
#[derive(Debug)]
pub struct RecordedTraces {
    nodes: BTreeMap<NodeId, Vec<TraceRecorder>>,
    /// Counts the turns of all nodes: the clock that they share.
    turns: u64,
}

impl RecordedTraces {
    /// Begins with nodes that have no life behind them.
    #[must_use]
    pub fn new(nodes: &[NodeId]) -> Self {
        Self { nodes: nodes.iter().map(|node| (*node, Vec::new())).collect(), turns: 0 }
    }

    /// Takes note that a node begins a life, from what its journal gave back.
    pub fn on_began(&mut self, node: NodeId, incarnation: u64, found: &Found) {
        let at_ns = self.tick();
        let mut recorder = TraceRecorder::new(u64::MAX);
        for record in &found.records {
            recorder.on_recovered(&JournalRecord::Replica(record.clone()));
        }
        recorder.on_began(at_ns, incarnation, found.state_at);
        self.nodes.entry(node).or_default().push(recorder);
    }

    /// Takes note of an event that a host is about to take.
    pub fn on_event(&mut self, node: NodeId, host: &Host<KvModel>, event: &Event) {
        if let Some(recorder) = self.recorder(node) {
            recorder.on_event(host, event);
        }
    }

    /// Takes note of what a turn of a host brought about.
    pub fn on_turn(&mut self, node: NodeId, host: &Host<KvModel>, brought: &Brought<'_>) {
        let at_ns = self.tick();
        if let Some(recorder) = self.recorder(node) {
            recorder.on_turn(at_ns, host, brought);
        }
    }

    /// Gives the traces for those who follow them.
    #[must_use]
    pub fn finish(self) -> Vec<NodeTrace> {
        let life = |recorder: TraceRecorder| TraceLife::Bytes(recorder.bytes().to_vec());
        let trace = |(node, lives): (NodeId, Vec<TraceRecorder>)| {
            let lives = lives.into_iter().map(life).collect();
            NodeTrace { node, lives }
        };
        self.nodes.into_iter().map(trace).collect()
    }

    fn recorder(&mut self, node: NodeId) -> Option<&mut TraceRecorder> {
        self.nodes.get_mut(&node)?.last_mut()
    }

    /// Reads the clock: each turn has an instant of its own.
    const fn tick(&mut self) -> u64 {
        self.turns += 1;
        self.turns * NS_PER_TURN
    }
}

/// How far two turns are apart: those who judge them count microseconds.
const NS_PER_TURN: u64 = 1_000;
