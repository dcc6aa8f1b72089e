//! Replicas with disks, and a network that forgets nothing.
//!
//! Heartbeats are not on that network. No safety rests on what they say, so the environment says
//! it: a node that shall campaign hears peers that want a leader, and one that shall raise its
//! ballot hears from a stranded voter; then its links are cut, so that it hears any Prepare. Ticks
//! pass in those acts alone, as time they count would never return to where it was.

use crate::machine::Written;
use crate::shared::Shared;
use std::collections::BTreeMap;
use synod_paxos::multi::leader::Leader;
use synod_paxos::{
    Ballot, Bound, Brand, Configuration, Free, Message as Paxos, NodeId, Record, Slot, To,
};
use synod_smr::message::Heartbeat;
use synod_smr::{
    Batch, Config, Connection, Effects, Input, Message, Recovering, Replica, RequestId, Response,
    Timer,
};

/// The window of the modelled log.
const ALPHA: u64 = 2;

/// Ticks until a node may campaign or raise its ballot again; even, so that resends keep their
/// rhythm.
const PATIENCE: u32 = 6;

/// Ticks until what has no answer was certainly sent again.
const RESEND: u32 = 2;

/// What a disk holds, folded as recovery folds it: the order of records that a later one replaces
/// makes no other state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Disk {
    promised: Option<Ballot>,
    slots: BTreeMap<Slot, synod_smr::Record>,
    chosen: Option<Slot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) replica: Replica<Written>,
    effects: Effects,
    disk: Disk,
    in_flight: Vec<Batch>,
    /// How often it crashed.
    life: u8,
}

/// A message on the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Packet {
    from: usize,
    to: usize,
    message: Message,
}

/// An answer to a client.
pub(crate) type Reply = (Connection, RequestId, Response);

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

fn id(place: usize) -> NodeId {
    NodeId::new(u16::try_from(place).unwrap() + 1)
}

/// Makes a node of its disk. Every voter is a node, and so may others be.
fn recover(place: usize, life: u8, voters: &Configuration, disk: &Disk) -> Node {
    let brand = Brand { node: id(place), incarnation: u64::from(life) };
    let mut effects = Effects::new(brand);
    let mut recovering = Recovering::new(Written::default());
    disk.records().into_iter().for_each(|record| recovering.on_record(record));
    let config = Config { alpha: ALPHA, ..Config::lan(brand, voters.clone()) };
    let replica = recovering.finish(config, &mut effects);
    Node { replica, effects, disk: disk.clone(), in_flight: Vec::new(), life }
}

impl World {
    /// Makes as many nodes that never ran.
    pub(crate) fn new(nodes: usize, voters: &Configuration, crashes: u8) -> Self {
        let node = |place| Shared::new(recover(place, 0, voters, &Disk::default()));
        Self { nodes: (0..nodes).map(node).collect(), network: Vec::new(), crashes }
    }

    /// Lists what the environment may do next.
    pub(crate) fn acts(&self) -> Vec<Act> {
        let mut acts: Vec<_> = self.network.iter().cloned().map(Act::Deliver).collect();
        for (place, node) in self.nodes.iter().enumerate() {
            if !node.in_flight.is_empty() {
                acts.push(Act::Sync(place));
            }
            if self.crashes > 0 {
                let pending: usize = node.in_flight.iter().map(|b| b.records().len()).sum();
                acts.extend((0..=pending).map(|kept| Act::Crash { place, kept }));
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
            Act::Sync(place) => self.sync(*place),
            Act::Crash { place, kept } => self.crash(*place, *kept, voters),
        }
    }

    /// Steps a replica and flushes at once, so that a crash may come between any two steps.
    pub(crate) fn step(&mut self, place: usize, input: Input) -> Vec<Reply> {
        let mut node = Node::clone(&self.nodes[place]);
        node.replica.step(input, &mut node.effects);
        if let Some(batch) = node.effects.take_batch() {
            node.in_flight.push(batch);
        }
        assert_eq!(node.effects.halt(), None, "replicas that agree are never told to halt");
        assert_eq!(node.effects.log_reads().count(), 0, "so few slots stay in memory");
        node.effects.timers().for_each(drop);
        let replies: Vec<_> = node.effects.replies().collect();
        let sent: Vec<_> = node.effects.outbox().collect();
        self.nodes[place] = Shared::new(node);
        for (to, message) in sent {
            self.send(place, to, &message);
        }
        // Where no crash can come any more, a sync delays messages and answers and nothing else,
        // and both are delayed in all ways already: nodes sync at once.
        if self.crashes > 0 { replies } else { self.sync_all(place, replies) }
    }

    fn sync_all(&mut self, place: usize, mut replies: Vec<Reply>) -> Vec<Reply> {
        while !self.nodes[place].in_flight.is_empty() {
            replies.extend(self.sync(place));
        }
        replies
    }

    fn sync(&mut self, place: usize) -> Vec<Reply> {
        let mut node = Node::clone(&self.nodes[place]);
        let batch = node.in_flight.remove(0);
        if self.crashes > 0 {
            batch.records().iter().for_each(|record| node.disk.write(record));
        }
        self.nodes[place] = Shared::new(node);
        self.step(place, Input::Synced(batch.vouch_synced()))
    }

    fn crash(&mut self, place: usize, kept: usize, voters: &Configuration) -> Vec<Reply> {
        self.crashes -= 1;
        let Node { mut disk, in_flight, life, .. } = Node::clone(&self.nodes[place]);
        let pending = in_flight.iter().flat_map(|batch| batch.records());
        pending.take(kept).for_each(|record| disk.write(record));
        self.nodes[place] = Shared::new(recover(place, life + 1, voters, &disk));
        if self.crashes > 0 { Vec::new() } else { self.end_crashes() }
    }

    /// From here on nobody reads a disk again.
    fn end_crashes(&mut self) -> Vec<Reply> {
        for node in &mut self.nodes {
            *node = Shared::new(Node { disk: Disk::default(), ..Node::clone(node) });
        }
        (0..self.nodes.len()).flat_map(|place| self.sync_all(place, Vec::new())).collect()
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
        self.step(place, Input::Message { from: id(from), message })
    }

    fn peers(&self, place: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.nodes.len()).filter(move |other| *other != place)
    }

    fn tick(&mut self, place: usize, ticks: u32) -> Vec<Reply> {
        (0..ticks).flat_map(|_| self.step(place, Input::Timer(Timer::Heartbeat))).collect()
    }

    /// Makes a node that does not lead begin a ballot: it hears that its peers have no leader.
    pub(crate) fn campaign(&mut self, place: usize) -> Vec<Reply> {
        let mut replies = self.tick(place, PATIENCE);
        for peer in self.peers(place) {
            replies.extend(self.hear(place, peer, beat(place, Ballot::ZERO)));
        }
        replies.extend(self.step(place, Input::Timer(Timer::Campaign)));
        replies.extend(self.cut(place));
        replies
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
        let mut replies = self.tick(place, PATIENCE);
        for peer in self.peers(place) {
            replies.extend(self.hear(place, peer, beat(place, self.promised(peer))));
        }
        replies
    }

    /// Breaks the links of a node, so that it is discontent and hears any Prepare.
    fn cut(&mut self, place: usize) -> Vec<Reply> {
        let peers = self.peers(place);
        peers.flat_map(|peer| self.step(place, Input::LinkDown(id(peer)))).collect()
    }

    /// Ends the raise of a node that was elected again: it sends what has no answer again, and its
    /// links are cut.
    pub(crate) fn end_raise(&mut self, place: usize) -> Vec<Reply> {
        let status = self.nodes[place].replica.status();
        if !status.content || status.leads.is_none() {
            return Vec::new();
        }
        let mut replies = self.tick(place, RESEND);
        replies.extend(self.cut(place));
        replies
    }

    /// Tells whether a node lacks decrees that another has.
    pub(crate) fn lacks(&self, place: usize, of: usize) -> bool {
        self.chosen(place) < self.chosen(of)
    }

    /// Makes a node ask another for what it lacks.
    pub(crate) fn fetch(&mut self, place: usize, of: usize) -> Vec<Reply> {
        let first = self.chosen(place);
        self.hear(of, place, Message::Fetch { first })
    }

    fn chosen(&self, place: usize) -> Slot {
        self.nodes[place].replica.paxos().chosen()
    }

    /// Syncs and delivers everything until nothing is new, and then empties the network.
    pub(crate) fn calm(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        loop {
            let before = self.clone();
            for place in 0..self.nodes.len() {
                replies = self.sync_all(place, replies);
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
                Message::Confirm { .. } => may_read(packet.from) && leads(sender),
                Message::Confirmed { .. } => may_read(packet.to) && leads(receiver),
                Message::Decrees { first, decrees, .. } => {
                    first.plus(decrees.len() as u64) > receiver.kept(may_crash).1
                }
                Message::Heartbeat(_) | Message::Fetch { .. } => false,
            }
        });
    }
}

impl Node {
    /// Returns the promise and the chosen prefix that it will not fall behind, crashes or not.
    fn kept(&self, may_crash: bool) -> (Ballot, Slot) {
        if may_crash {
            let promised = self.disk.promised.unwrap_or(Ballot::ZERO);
            return (promised, self.disk.chosen.unwrap_or(Slot::FIRST));
        }
        let paxos = self.replica.paxos();
        (paxos.log().promised(), paxos.chosen())
    }

    /// Tells whether it voted in `ballot`, and will not forget it.
    fn has_voted(&self, slot: Slot, ballot: Ballot, may_crash: bool) -> bool {
        if may_crash {
            let record = self.disk.slots.get(&slot);
            return matches!(record, Some(Record::Accepted { ballot: of, .. }) if *of == ballot);
        }
        self.replica.paxos().log().voted_in(slot) == Some(ballot)
    }
}

/// Tells whether a node leads, or is about to.
fn leads(node: &Node) -> bool {
    node.replica.paxos().leader().ballot().is_some()
}

fn is_live(
    sender: &Node,
    receiver: &Node,
    message: &Paxos<synod_smr::CommandBatch>,
    may_crash: bool,
) -> bool {
    let leader = receiver.replica.paxos().leader();
    let (promised, known) = receiver.kept(may_crash);
    match message {
        Paxos::Bound(Bound::Promise { ballot, .. }) => {
            matches!(leader, Leader::Preparing(_)) && leader.ballot() == Some(*ballot)
        }
        Paxos::Bound(Bound::Accepted { ballot, end, .. }) => {
            leader.leads() == Some(*ballot) && *end > receiver.replica.paxos().chosen()
        }
        // It tells of a ballot that Prepare and Accept tell of, too.
        Paxos::Free(Free::Nack { .. }) => false,
        Paxos::Bound(Bound::Prepare { ballot, .. }) => {
            let elect = sender.replica.paxos().leader();
            let counts = matches!(elect, Leader::Preparing(_)) && elect.ballot() == Some(*ballot);
            *ballot > promised || *ballot == promised && counts
        }
        Paxos::Free(Free::Accept { ballot, first, decrees, chosen }) => {
            let end = first.number() + decrees.len() as u64;
            let mut slots = (first.number()..end).map(Slot::new);
            *ballot >= promised
                && (*chosen > known || slots.any(|at| !receiver.has_voted(at, *ballot, may_crash)))
        }
        // Only a vote in its ballot makes the announcement say something.
        Paxos::Free(Free::Chosen { ballot, chosen }) => {
            let mut slots = (known.number()..chosen.number()).map(Slot::new);
            slots.any(|at| *ballot >= promised || receiver.has_voted(at, *ballot, may_crash))
        }
    }
}

/// The heartbeat of a peer that hears `place` and follows nobody.
fn beat(place: usize, promised: Ballot) -> Message {
    Message::Heartbeat(Heartbeat {
        incarnation: 0,
        promised,
        leads: None,
        follows: None,
        content: false,
        chosen: Slot::FIRST,
        hears: vec![id(place)],
        priority: 0,
        checkpoint: None,
    })
}

impl Disk {
    fn write(&mut self, record: &synod_smr::Record) {
        match record {
            Record::Promised(ballot) => self.promised = self.promised.max(Some(*ballot)),
            Record::Accepted { slot, ballot, .. } => {
                self.promised = self.promised.max(Some(*ballot));
                self.slots.insert(*slot, record.clone());
            }
            Record::Learned { slot, .. } => {
                self.slots.insert(*slot, record.clone());
            }
            Record::Chosen(chosen) => self.chosen = self.chosen.max(Some(*chosen)),
        }
    }

    fn records(&self) -> Vec<synod_smr::Record> {
        let promised = self.promised.map(Record::Promised);
        let chosen = self.chosen.map(Record::Chosen);
        promised.into_iter().chain(self.slots.values().cloned()).chain(chosen).collect()
    }
}
