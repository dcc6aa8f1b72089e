//! What a replica's memory lets go of, and when: its disk must have it, as it was chosen.
//!
//! A replica is fed by hand, and its disk hangs when it is told to. What memory let go of is
//! read back from the journal and sent on as chosen, so a slot let go of too early could be read
//! back as an earlier vote, which was never chosen.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

#[path = "lone/beat.rs"]
mod beat;
#[path = "lone/nothing.rs"]
mod nothing;

use beat::{ME, beat};
use bytes::Bytes;
use nothing::Nothing;
use synod_paxos::{
    AfterSync, Ballot, Configuration, CoreId, Decree, Immediate, Message as Paxos, NodeId, Slot,
};
use synod_smr::{
    Batch, ClientId, Command, CommandBatch, Config, Connection, Effects, Input, Limits, Message,
    Opening, Principal, Recovering, Refusal, Replica, Request, RequestBody, RequestId, Response,
    Sequence, SessionId, SessionLimits, Timer,
};

const OLD: Ballot = Ballot::new(1, NodeId::new(2));
const NEW: Ballot = Ballot::new(2, NodeId::new(3));

struct World {
    replica: Replica<Nothing>,
    effects: Effects,
    in_flight: Vec<Batch>,
}

impl World {
    /// A follower with room for some kilobytes.
    fn new() -> Self {
        Self::within(Limits { cache_bytes: 4 << 10, ..Limits::DEFAULT })
    }

    fn within(limits: Limits) -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap();
        let mut effects = Effects::new(core_id);
        let config = Config { limits, ..Config::lan(core_id, voters) };
        let replica = Recovering::bounded(Nothing, limits, SessionLimits::default())
            .finish(config, &mut effects);
        Self { replica, effects, in_flight: Vec::new() }
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        self.in_flight.extend(self.effects.take_batch());
    }

    fn sync(&mut self) {
        while !self.in_flight.is_empty() {
            let batch = self.in_flight.remove(0);
            self.step(Input::Synced(batch.confirm_synced()));
        }
    }

    /// Brings this node to lead.
    fn lead(&mut self) {
        for peer in [OLD.node(), NEW.node()] {
            let message = Message::Heartbeat(beat(0));
            self.step(Input::Message { from: peer, message });
        }
        self.step(Input::Timer(Timer::Campaign));
        self.sync();
        let ballot = self.replica.paxos().leader().ballot().unwrap();
        let (first, chosen) = (Slot::FIRST, Slot::FIRST);
        let promise = AfterSync::Promise { ballot, first, end: None, chosen, reports: Vec::new() };
        let message = Message::Paxos(Paxos::AfterSync(promise));
        self.step(Input::Message { from: OLD.node(), message });
        assert_eq!(self.replica.status().leads, Some(ballot));
    }

    /// Lets both peers vote for all that is open.
    fn vote(&mut self) {
        let paxos = self.replica.paxos();
        let (ballot, end) = (paxos.leader().leads().unwrap(), paxos.next_slot().unwrap());
        for from in [OLD.node(), NEW.node()] {
            let accepted = AfterSync::Accepted { ballot, first: Slot::FIRST, end };
            self.step(Input::Message { from, message: Message::Paxos(Paxos::AfterSync(accepted)) });
        }
    }

    fn open(&mut self, client: u64) {
        let (connection, principal) = (Connection(client), Principal::of_name("alice"));
        let opening = Opening::first(ClientId::new(client.into()));
        let request = Request { id: RequestId(client), body: RequestBody::Open { opening } };
        self.step(Input::Request { connection, principal, request });
    }

    /// Counts who was sent away for too much load since the last call.
    fn refusals(&mut self) -> usize {
        let overloaded =
            |response: &Response| matches!(response, Response::Refused(Refusal::Overloaded { .. }));
        self.effects.replies().filter(|(_, _, response)| overloaded(response)).count()
    }

    fn accept(&mut self, ballot: Ballot, first: u64, decree: &Decree<CommandBatch>, chosen: u64) {
        let (first, chosen) = (Slot::new(first), Slot::new(chosen));
        let decrees = vec![decree.clone()];
        let accept = Immediate::Accept { ballot, first, decrees, chosen };
        let message = Message::Paxos(Paxos::Immediate(accept));
        self.step(Input::Message { from: ballot.node(), message });
    }

    /// Lets a peer that lags ask for slot 0, and returns what memory answers.
    fn fetch(&mut self) -> Option<Decree<CommandBatch>> {
        self.effects.outbox().for_each(drop);
        let message = Message::Fetch { first: Slot::FIRST };
        self.step(Input::Message { from: OLD.node(), message });
        self.effects.outbox().find_map(|(_, message)| match message {
            Message::Decrees { decrees, .. } => decrees.into_iter().next(),
            _ => None,
        })
    }

    fn base(&self) -> u64 {
        self.replica.paxos().log().base().number()
    }
}

fn kilobyte() -> Decree<CommandBatch> {
    let apply = Command::Apply {
        principal: Principal::of_name("alice"),
        session: SessionId { slot: Slot::FIRST, position: 0 },
        sequence: Sequence::FIRST,
        unanswered: Sequence::FIRST,
        payload: Bytes::from(vec![0; 1 << 10]),
    };
    Decree::Value(CommandBatch::encode(&[apply]))
}

#[test]
fn a_peer_that_lags_is_sent_what_was_chosen_while_the_disk_hangs() {
    let mut world = World::new();
    world.accept(OLD, 0, &kilobyte(), 0);
    world.sync();
    // The disk has a vote that lost; of what follows it has nothing yet.
    world.accept(NEW, 0, &Decree::Noop, 0);
    for slot in 1..=9 {
        world.accept(NEW, slot, &kilobyte(), slot);
    }
    assert_eq!(world.replica.paxos().chosen(), Slot::new(9));
    assert_eq!(world.base(), 0, "the disk would give back the vote that lost");
    assert_eq!(world.fetch(), Some(Decree::Noop));
    assert_eq!(world.effects.log_reads().count(), 0);
    world.sync();
    assert!(world.base() > 0, "now it may");
    assert_eq!(world.fetch(), None);
    assert_eq!(world.effects.log_reads().count(), 1);
}

#[test]
fn what_is_not_chosen_drives_nothing_out_of_memory() {
    let mut world = World::new();
    world.accept(NEW, 0, &kilobyte(), 0);
    for slot in 1..=9 {
        world.accept(NEW, slot, &kilobyte(), 1);
    }
    world.sync();
    assert_eq!(world.replica.paxos().chosen(), Slot::new(1));
    assert_eq!(world.base(), 0, "one kilobyte is chosen, and four have room");
    assert_eq!(world.fetch(), Some(kilobyte()));
}

#[test]
fn a_leader_whose_disk_hangs_admits_no_more_than_its_memory_holds() {
    let mut log = Limits::DEFAULT.log;
    log.unsynced_bytes = 256;
    let mut world = World::within(Limits { log, ..Limits::DEFAULT });
    world.lead();
    world.open(1);
    assert_eq!(world.refusals(), 0);
    // The disk hangs: a batch of some openings waits for it, and a quorum of others is no help.
    for nonce in 2..40 {
        world.open(nonce);
        world.vote();
    }
    assert!(world.replica.paxos().is_backlogged());
    world.refusals();
    world.open(40);
    assert_eq!(world.refusals(), 1);
    world.sync();
    world.open(41);
    assert_eq!(world.refusals(), 0, "there is room again");
}
