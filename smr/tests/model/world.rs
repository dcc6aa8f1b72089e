//! Replicas with disks, and a network that forgets nothing.
//!
//! Heartbeats are not on that network. No safety rests on what they say, so the environment says
//! it: a node that shall campaign hears peers that want a leader, and one that shall raise its
//! ballot hears from a stranded voter; then its links are cut, so that it hears any Prepare. Ticks
//! pass in those acts alone, as time they count would never return to where it was.

use crate::node::{Node, Reply, Said, id};
use crate::shared::Shared;
use synod_paxos::{AfterSync, Ballot, Configuration, Immediate, Message as Paxos, Role, Slot, To};
use synod_smr::{Checkpoint, CommandBatch, Heartbeat, Input, Message, Timer};

/// Ticks until a node may campaign or raise its ballot again; even, so that resends keep their
/// rhythm.
const PATIENCE: usize = 6;

/// Ticks until what has no answer was certainly sent again.
const RESEND: usize = 2;

/// A message on the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Packet {
    from: usize,
    to: usize,
    message: Message,
}

/// All nodes, and all messages ever sent that may still make a difference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Shared<Node>>,
    /// A set, in the order of its members' hashes.
    network: Vec<Shared<Packet>>,
    /// How many crashes may still come.
    crashes: u8,
}

/// What the environment can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Deliver(Shared<Packet>),
    Sync(usize),
    Crash {
        place: usize,
        /// How many of the records that were not synced the disk kept.
        kept: usize,
    },
}

impl World {
    /// Makes as many nodes that never ran.
    pub(crate) fn new(nodes: usize, voters: &Configuration, crashes: u8) -> Self {
        let node = |place| Shared::new(Node::new(place, voters));
        Self { nodes: (0..nodes).map(node).collect(), network: Vec::new(), crashes }
    }

    /// Lists what the environment may do next.
    pub(crate) fn acts(&self) -> Vec<Act> {
        let mut acts: Vec<_> = self.network.iter().cloned().map(Act::Deliver).collect();
        for (place, node) in self.nodes.iter().enumerate() {
            if node.is_syncing() {
                acts.push(Act::Sync(place));
            }
            if self.crashes > 0 {
                acts.extend((0..=node.pending()).map(|kept| Act::Crash { place, kept }));
            }
        }
        acts
    }

    pub(crate) fn act(&mut self, act: &Act, voters: &Configuration) -> Vec<Reply> {
        match act {
            Act::Deliver(packet) => {
                let Packet { from, to, message } = &**packet;
                self.hear(*to, *from, message.clone())
            }
            Act::Sync(place) => self.change(*place, Node::sync),
            Act::Crash { place, kept } => {
                self.crashes -= 1;
                let mut replies = self.change(*place, |node, _, _| {
                    node.crash(*place, *kept, voters);
                });
                for place in 0..self.nodes.len() {
                    replies.extend(self.change(place, |node, may_crash, said| {
                        if !may_crash {
                            node.end_crashes(said);
                        }
                    }));
                }
                replies
            }
        }
    }

    /// Changes one node, and sends what it said.
    fn change(
        &mut self,
        place: usize,
        change: impl FnOnce(&mut Node, bool, &mut Said),
    ) -> Vec<Reply> {
        let mut node = Node::clone(&self.nodes[place]);
        let mut said = Said::default();
        change(&mut node, self.crashes > 0, &mut said);
        self.nodes[place] = Shared::new(node);
        for (to, message) in said.messages {
            self.send(place, to, &message);
        }
        said.replies
    }

    /// Lets a replica take some inputs, one after another.
    pub(crate) fn step(
        &mut self,
        place: usize,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Vec<Reply> {
        self.change(place, |node, may_crash, said| {
            inputs.into_iter().for_each(|input| node.step(input, may_crash, said));
        })
    }

    fn send(&mut self, from: usize, to: To, message: &Message) {
        if matches!(message, Message::Heartbeat(_) | Message::Fetch { .. }) {
            return;
        }
        for place in (0..self.nodes.len()).filter(|place| *place != from) {
            if to == To::Peers || to == To::Node(id(place)) {
                let packet = Shared::new(Packet { from, to: place, message: message.clone() });
                let known = self.network.binary_search_by_key(&packet.number(), Shared::number);
                if let Err(gap) = known {
                    self.network.insert(gap, packet);
                }
            }
        }
    }

    fn hear(&mut self, place: usize, from: usize, message: Message) -> Vec<Reply> {
        self.step(place, [Input::Message { from: id(from), message }])
    }

    fn peers(&self, place: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.nodes.len()).filter(move |other| *other != place)
    }

    /// Makes a node that does not lead begin a ballot: it hears that its peers have no leader.
    pub(crate) fn campaign(&mut self, place: usize) -> Vec<Reply> {
        let beats = self.peers(place).map(|peer| beat(peer, place, Ballot::ZERO));
        let fires = [Input::Timer(Timer::Campaign)];
        self.step(place, ticks(PATIENCE).chain(beats).chain(fires).chain(self.cuts(place)))
    }

    /// Hands a replica a client's request. A leader is asked while its links work: a moment later
    /// they may be cut, and before that it sends clients away.
    pub(crate) fn ask(&mut self, place: usize, request: Input) -> Vec<Reply> {
        let status = self.nodes[place].replica.status();
        if status.leads.is_none() || status.leader_ok {
            return self.step(place, [request]);
        }
        let beats = self.peers(place).map(|peer| beat(peer, place, Ballot::ZERO));
        self.step(place, beats.chain([request]).chain(self.cuts(place)))
    }

    /// Tells whether some voter promised a ballot above that in which a node leads.
    pub(crate) fn is_superseded(&self, place: usize) -> bool {
        let mine = self.nodes[place].replica.status().leads;
        mine.is_some_and(|mine| self.peers(place).any(|peer| self.promised(peer) > mine))
    }

    fn promised(&self, place: usize) -> Ballot {
        self.nodes[place].replica.paxos().durable_promised()
    }

    /// Makes a leader hear of its voters' promises: it raises its ballot, claiming on to lead.
    pub(crate) fn raise(&mut self, place: usize) -> Vec<Reply> {
        let beats = self.peers(place).map(|peer| beat(peer, place, self.promised(peer)));
        let beats: Vec<_> = beats.collect();
        self.step(place, ticks(PATIENCE).chain(beats))
    }

    /// Ends the raise of a node that was elected again: it sends what has no answer again, and its
    /// links are cut.
    pub(crate) fn end_raise(&mut self, place: usize) -> Vec<Reply> {
        let status = self.nodes[place].replica.status();
        if !status.leader_ok || status.leads.is_none() {
            return Vec::new();
        }
        self.step(place, ticks(RESEND).chain(self.cuts(place)))
    }

    /// Breaks the links of a node, so that it is discontent and hears any Prepare.
    fn cuts(&self, place: usize) -> impl Iterator<Item = Input> + use<> {
        self.peers(place).map(|peer| Input::LinkDown(id(peer)))
    }

    /// Tells whether a node lacks decrees that another has.
    pub(crate) fn lacks(&self, place: usize, of: usize) -> bool {
        self.nodes[place].chosen() < self.nodes[of].chosen()
    }

    /// Makes a node ask another for what it lacks.
    pub(crate) fn fetch(&mut self, place: usize, of: usize) -> Vec<Reply> {
        let first = self.nodes[place].chosen();
        self.hear(of, place, Message::Fetch { first })
    }

    /// Syncs and delivers everything until nothing is new, and then empties the network.
    pub(crate) fn calm(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        loop {
            let before = self.clone();
            for place in 0..self.nodes.len() {
                while self.nodes[place].is_syncing() {
                    replies.extend(self.change(place, Node::sync));
                }
            }
            for packet in self.network.clone() {
                let Packet { from, to, message } = &*packet;
                replies.extend(self.hear(*to, *from, message.clone()));
            }
            if *self == before {
                self.network.clear();
                return replies;
            }
        }
    }

    /// Drops messages that cannot change anything any more; that leaves the reachable behaviour as
    /// it is. `may_read` says at which nodes an echo may still count.
    pub(crate) fn bury_the_dead(&mut self, may_read: impl Fn(usize) -> bool) {
        let (nodes, may_crash) = (&self.nodes, self.crashes > 0);
        self.network.retain(|packet| {
            let (sender, receiver) = (&nodes[packet.from], &nodes[packet.to]);
            match &packet.message {
                Message::Paxos(message) => is_live(sender, receiver, message, may_crash),
                Message::Confirm { .. } => may_read(packet.from) && sender.is_leading(),
                Message::Confirmed { .. } => may_read(packet.to) && receiver.is_leading(),
                Message::Decrees { first, decrees, .. } => {
                    first.plus(decrees.len() as u64) > receiver.kept(may_crash).1
                }
                Message::Heartbeat(_)
                | Message::Fetch { .. }
                | Message::FetchSnapshot { .. }
                | Message::Snapshot(_)
                | Message::Known(_) => false,
            }
        });
    }
}

fn ticks(count: usize) -> impl Iterator<Item = Input> {
    std::iter::repeat_with(|| Input::Timer(Timer::Heartbeat)).take(count)
}

fn is_live(sender: &Node, receiver: &Node, message: &Paxos<CommandBatch>, may_crash: bool) -> bool {
    let leader = receiver.replica.paxos().leader();
    let (promised, known) = receiver.kept(may_crash);
    match message {
        Paxos::AfterSync(AfterSync::Promise { ballot, .. }) => {
            matches!(leader, Role::Preparing(_)) && leader.ballot() == Some(*ballot)
        }
        Paxos::AfterSync(AfterSync::Accepted { ballot, end, .. }) => {
            leader.leads() == Some(*ballot) && *end > receiver.chosen()
        }
        // It tells of a ballot that Prepare and Accept tell of, too.
        Paxos::Immediate(Immediate::Nack { .. }) => false,
        Paxos::AfterSync(AfterSync::Prepare { ballot, .. }) => {
            let candidate = sender.replica.paxos().leader();
            let counts =
                matches!(candidate, Role::Preparing(_)) && candidate.ballot() == Some(*ballot);
            *ballot > promised || *ballot == promised && counts
        }
        Paxos::Immediate(Immediate::Accept { ballot, first, decrees, chosen }) => {
            let end = first.number() + decrees.len() as u64;
            let mut slots = (first.number()..end).map(Slot::new);
            *ballot >= promised
                && (*chosen > known || slots.any(|at| !receiver.has_voted(at, *ballot, may_crash)))
        }
        // Only a vote in its ballot makes the announcement say something.
        Paxos::Immediate(Immediate::Chosen { ballot, chosen }) => {
            let mut slots = (known.number()..chosen.number()).map(Slot::new);
            slots.any(|at| *ballot >= promised || receiver.has_voted(at, *ballot, may_crash))
        }
    }
}

/// The heartbeat of a peer that hears `place` and follows nobody.
fn beat(peer: usize, place: usize, promised: Ballot) -> Input {
    let beat = Heartbeat {
        folder: synod_smr::Folder(0),
        incarnation: 0,
        mark: 0,
        promised,
        journal_end: Slot::FIRST,
        leads: None,
        follows: None,
        leader_ok: false,
        chosen: Slot::FIRST,
        hears: vec![id(place)],
        is_connected: true,
        priority: 0,
        checkpoint: None,
        // A slot that nobody reaches: the states themselves are compared by a property.
        applied: Checkpoint { slot: Slot::new(1 << 40), digest: 0 },
        tick: 0,
        echoes: Vec::new(),
        sync_ticks: None,
        began: None,
        prepares: None,
    };
    Input::Message { from: id(peer), message: Message::Heartbeat(beat) }
}
