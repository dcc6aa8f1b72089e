//! The transcript of a run: commands that lead nodes of the core alone through the same steps.
//!
//! The words are those of `paxos/tests/story`, so one can be put beside
//! the others. Only what Paxos sees is told: sessions, reads, heartbeats, and who campaigns when,
//! belong to the replica around it. The claim kept true: no step is guessed. What a replica gave
//! its core is inferred, tried on a core of the transcript's own, and believed only if that one
//! then equals the replica's, wrote the same records and sent the same messages; where nothing
//! fits, the transcript says so and ends.

mod format;
mod replay;

use std::collections::BTreeMap;

use synod_paxos::{Ballot, Configuration, Decree, LogLimits, Message as Paxos, NodeId, Role, Slot};
use synod_smr::{CommandBatch, Message, Replica, Timer};

use crate::journal_thread::Found;
use crate::kv_model::KvModel;
use crate::step::{Cause, Step};
use format::Format;
use replay::ReplayCore;

/// Writes the transcript of a run while it goes on.
pub struct Transcript {
    voters: Configuration,
    /// The limits of the core, and how many batches may be in flight.
    bounds: (LogLimits, usize),
    replays: BTreeMap<NodeId, ReplayCore>,
    packets: Vec<Packet>,
    /// The packet that the next step takes.
    arrived: Option<usize>,
    events: Vec<Event>,
    /// Why no more is told.
    ended: Option<String>,
}

/// A message of one node to another.
struct Packet {
    from: NodeId,
    to: NodeId,
    content: Content,
    /// How often the receiver's core took it.
    taken: u32,
}

/// What of a message concerns the core.
enum Content {
    Paxos(Paxos<CommandBatch>),
    Decrees(Slot, Vec<Decree<CommandBatch>>),
}

/// What happened.
enum Event {
    /// The simulated second began.
    Second(u64),
    /// A node took these, in one step.
    Step(NodeId, Vec<Act>),
    /// A Paxos message is under way.
    Sent(usize),
    /// A node is back, with so many records that nobody had synced.
    Back(NodeId, usize),
}

/// What a node's core was given.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    /// A Paxos message.
    Hear(usize),
    /// Decrees that are chosen.
    Learn(usize),
    Campaign(Ballot),
    Propose(CommandBatch),
    /// What this node has not answered goes out again.
    Resend(NodeId),
    /// The leader says to all what is chosen.
    Announce,
    Resign,
    Forget(Slot),
    Sync,
}

impl Transcript {
    /// Begins with a cluster that never ran.
    #[must_use]
    pub fn new(voters: Configuration, bounds: (LogLimits, usize)) -> Self {
        Self {
            voters,
            bounds,
            replays: BTreeMap::new(),
            packets: Vec::new(),
            arrived: None,
            events: Vec::new(),
            ended: None,
        }
    }

    /// Hears what a node's journal gave back.
    pub fn on_recovery(&mut self, node: NodeId, found: &Found) {
        if self.ended.is_some() {
            return;
        }
        if let Some(replay) = self.replays.get(&node) {
            match found.records.len().checked_sub(replay.durable()) {
                Some(lucky) => self.events.push(Event::Back(node, lucky)),
                None => self.end(format!("node {node} lost records that were synced")),
            }
        }
        let life = self.replays.get(&node).map_or(1, |replay| replay.life() + 1);
        let replay =
            ReplayCore::recover((node, life), self.voters.clone(), self.bounds, &found.records);
        self.replays.insert(node, replay);
    }

    /// Numbers a message that leaves; 0 for one that the transcript need not know.
    pub fn on_packet(&mut self, from: NodeId, to: NodeId, message: &Message) -> u64 {
        let content = match message {
            Message::Paxos(message) => Content::Paxos(message.clone()),
            Message::Decrees { first, decrees, .. } => Content::Decrees(*first, decrees.clone()),
            Message::Heartbeat(_)
            | Message::Confirm { .. }
            | Message::Confirmed { .. }
            | Message::Fetch { .. }
            | Message::FetchSnapshot { .. }
            | Message::Snapshot(_)
            | Message::Known(_) => return 0,
        };
        if self.ended.is_some() {
            return 0;
        }
        if matches!(content, Content::Paxos(_)) {
            self.events.push(Event::Sent(self.packets.len()));
        }
        self.packets.push(Packet { from, to, content, taken: 0 });
        // Numbers begin at one, as zero stands for a message that is not known here.
        self.packets.len() as u64
    }

    /// Hears the number of the message that the next step takes.
    pub fn on_arrival(&mut self, number: u64) {
        self.arrived = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    }

    /// Hears of a step.
    pub fn on_step(&mut self, step: &Step<'_>) {
        let arrived = self.arrived.take();
        if self.ended.is_some() {
            return;
        }
        let Some(replay) = self.replays.get(&step.node) else {
            return self.end(format!("node {} was never started", step.node));
        };
        let candidates = self.candidates(step.node, step.cause, arrived);
        let fits = candidates.into_iter().find_map(|given| {
            // A guess that is wrong must leave the core as it was.
            let mut replay = replay.clone();
            let acts = replay.follow(given, step, &self.packets)?;
            Some((replay, acts))
        });
        match fits {
            Some((replay, acts)) => self.believe(step, replay, acts),
            None => self.end(format!("node {} takes {:?}: no words for it", step.node, step.cause)),
        }
    }

    /// Hears of a step that did not end; the transcript ends with it.
    pub fn on_panic(&mut self, node: NodeId, cause: Cause, words: &str) {
        let arrived = self.arrived.take();
        if self.ended.is_some() {
            return;
        }
        if let Some(act) = self.candidates(node, cause, arrived).into_iter().flatten().next() {
            self.push(node, vec![act]);
        }
        let words = words.lines().next().unwrap_or_default();
        self.end(format!("node {node} panics as it takes {cause:?}: {words}"));
    }

    /// Writes the transcript, and at its end how the replicas that run stand.
    #[must_use]
    pub fn write<'a>(&self, replicas: impl Iterator<Item = &'a Replica<KvModel>>) -> String {
        let window = self.replays.values().next().map_or(1, ReplayCore::window);
        let mut page = Format::new(self.voters.voters().len(), window, self.bounds.1);
        if self.bounds.0 != LogLimits::DEFAULT {
            page.remark(&format!("The limits of the nodes are others: {:?}.", self.bounds.0));
        }
        for event in &self.events {
            page.write(event, &self.packets);
        }
        if let Some(reason) = &self.ended {
            page.remark(&format!("Here the transcript ends: {reason}."));
        }
        let mut cores: BTreeMap<NodeId, _> =
            self.replays.iter().map(|(node, replay)| (*node, replay.core())).collect();
        // Where the transcript ended early, its own cores stand where its commands lead, and those
        // of the replicas have gone on.
        if self.ended.is_none() {
            cores.extend(replicas.map(|replica| (replica.paxos().me(), replica.paxos())));
        }
        page.show(cores.values().copied());
        page.finish()
    }

    /// Lists what the replica may have given its core first, the likeliest first.
    fn candidates(&self, node: NodeId, cause: Cause, arrived: Option<usize>) -> Vec<Vec<Act>> {
        match cause {
            Cause::Message(..) => match arrived.map(|packet| (packet, &self.packets[packet])) {
                None => vec![vec![]],
                // It may have been refused: a Prepare by the content, an Accept for want of room.
                Some((packet, Packet { content: Content::Paxos(_), .. })) => {
                    vec![vec![Act::Hear(packet)], vec![]]
                }
                Some((_, Packet { content: Content::Decrees(_, decrees), .. }))
                    if decrees.is_empty() =>
                {
                    vec![vec![]]
                }
                // A full disk takes no copies.
                Some((packet, _)) => vec![vec![Act::Learn(packet)], vec![]],
            },
            Cause::Timer(Timer::Heartbeat) => self.of_a_tick(node),
            // A commit may be but a part of a batch, or hold what is known of a peer.
            Cause::Synced => vec![vec![Act::Sync], vec![]],
            Cause::Start
            | Cause::Request(..)
            | Cause::Timer(Timer::Campaign)
            | Cause::LinkDown(_)
            | Cause::OldDecrees
            | Cause::Snapshot
            | Cause::Wrote
            | Cause::Unheard(_)
            | Cause::Client
            | Cause::Several
            | Cause::Drain => vec![vec![]],
        }
    }

    /// Lists what a tick may do: send again to any of the peers, in the order of the voters, and
    /// then say what is chosen.
    fn of_a_tick(&self, node: NodeId) -> Vec<Vec<Act>> {
        let peers = self.voters.voters().iter().filter(|peer| **peer != node);
        let peers: Vec<_> = peers.copied().collect();
        // A simulated cluster has few nodes, so that every set can be tried.
        let sets = 0..1_u64 << peers.len();
        sets.flat_map(|set| {
            let chosen = (0..).zip(&peers).filter(|(bit, _)| set >> bit & 1 == 1);
            let acts: Vec<Act> = chosen.map(|(_, peer)| Act::Resend(*peer)).collect();
            let announcing = acts.iter().cloned().chain([Act::Announce]).collect();
            [acts, announcing]
        })
        .collect()
    }

    fn believe(&mut self, step: &Step<'_>, replay: ReplayCore, acts: Vec<Act>) {
        self.replays.insert(step.node, replay);
        if acts.is_empty() {
            return;
        }
        let second = step.now.0 / 1_000_000;
        let begun = self.events.iter().rev().find_map(|event| match event {
            Event::Second(second) => Some(*second),
            Event::Step(..) | Event::Sent(_) | Event::Back(..) => None,
        });
        if begun != Some(second) {
            self.events.push(Event::Second(second));
        }
        self.push(step.node, acts);
    }

    fn push(&mut self, node: NodeId, acts: Vec<Act>) {
        for act in &acts {
            if let Act::Hear(packet) | Act::Learn(packet) = act {
                self.packets[*packet].taken += 1;
            }
        }
        self.events.push(Event::Step(node, acts));
    }

    /// Ends the transcript, for this reason.
    pub fn end(&mut self, reason: String) {
        self.ended.get_or_insert(reason);
    }
}

/// Says what a node is beside an acceptor, as a transcript does.
fn role<V>(leader: &Role<V>) -> &'static str {
    match leader {
        Role::Idle => "",
        Role::Preparing(_) => ", a candidate",
        Role::Leading(_) => ", a leader",
    }
}
