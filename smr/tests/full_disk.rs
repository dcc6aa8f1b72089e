//! A full disk has room for promises and for nothing else, however it comes about.
//!
//! A replica is fed by hand and told that its disk is full. The claims: none of its inputs leads to
//! a record from then on but a promise; whoever waited is told so; and reads are served on.
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
    AfterSync, Ballot, Configuration, CoreId, Decree, Immediate, Message as Paxos, NodeId,
    RECORD_COST_BYTES, RecordRoom, Report, Slot, Vote,
};
use synod_smr::{
    Batch, ClientId, CommandBatch, Config, Connection, Disk, Effects, Input, Message, Opening,
    Principal, Record, Recovering, Refusal, Replica, Request, RequestBody, RequestId, Response,
    Timer,
};

const PEER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);

struct World {
    replica: Replica<Nothing>,
    effects: Effects,
    records: Vec<Record>,
    replies: Vec<(Connection, Response)>,
    /// Batches whose sync has not come back; none is kept where the disk is fast.
    unsynced: Vec<Batch>,
    is_slow: bool,
}

impl World {
    fn new() -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority([ME, PEER, OTHER]).unwrap();
        let mut effects = Effects::new(core_id);
        let config = Config::lan(core_id, voters);
        let replica = Recovering::new(Nothing).finish(config, &mut effects);
        let (records, replies, unsynced) = (Vec::new(), Vec::new(), Vec::new());
        Self { replica, effects, records, replies, unsynced, is_slow: false }
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.records.extend_from_slice(batch.records());
            if self.is_slow {
                self.unsynced.push(batch);
                continue;
            }
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        self.effects.outbox().for_each(drop);
        self.replies.extend(self.effects.replies().map(|(at, _, response)| (at, response)));
    }

    fn hear(&mut self, from: NodeId, message: Message) {
        self.step(Input::Message { from, message });
    }

    fn campaign(&mut self) -> Ballot {
        for peer in [PEER, OTHER] {
            self.hear(peer, Message::Heartbeat(beat(0)));
        }
        self.step(Input::Timer(Timer::Campaign));
        self.replica.paxos().leader().ballot().unwrap()
    }

    fn promise(&mut self, ballot: Ballot, reports: Vec<(Slot, Report<CommandBatch>)>) {
        let (first, chosen) = (Slot::FIRST, Slot::FIRST);
        let promise = AfterSync::Promise { ballot, first, end: None, chosen, reports };
        self.hear(PEER, Message::Paxos(Paxos::AfterSync(promise)));
    }

    fn lead(&mut self) -> Ballot {
        let ballot = self.campaign();
        self.promise(ballot, Vec::new());
        assert_eq!(self.replica.status().leads, Some(ballot));
        ballot
    }

    fn ask(&mut self, number: u64, body: RequestBody) {
        let request = Request { id: RequestId(number), body };
        let (connection, principal) = (Connection(number), Principal::of_name("alice"));
        self.step(Input::Request { connection, principal, request });
    }

    fn open(&mut self, number: u64) {
        let opening = Opening::first(ClientId::new(number.into()));
        self.ask(number, RequestBody::Open { opening });
    }

    fn fill(&mut self) {
        self.records.clear();
        self.step(Input::Disk(Disk::Full));
    }

    fn told(&self, number: u64) -> Option<&Response> {
        let found = self.replies.iter().find(|(at, _)| *at == Connection(number));
        found.map(|(_, response)| response)
    }
}

#[test]
fn what_waits_for_a_slot_is_refused_and_never_written() {
    let mut world = World::new();
    let ballot = world.lead();
    // The first opening is proposed; as it is not durable, the next ones gather.
    world.is_slow = true;
    for number in 1..=3 {
        world.open(number);
    }
    let proposed = world.replica.paxos().next_slot().unwrap();
    world.fill();
    let refused = Some(&Response::Refused(Refusal::DiskFull));
    assert_eq!([1, 2, 3].map(|number| world.told(number)), [None, refused, refused]);
    let batch = world.unsynced.remove(0);
    world.step(Input::Synced(batch.confirm_synced()));
    let accepted = AfterSync::Accepted { ballot, first: Slot::FIRST, end: proposed };
    world.hear(PEER, Message::Paxos(Paxos::AfterSync(accepted)));
    assert_eq!(world.replica.paxos().chosen(), proposed, "what was proposed is chosen");
    world.open(9);
    assert_eq!(world.told(9), refused);
    assert_eq!(world.records, [], "nothing is written");
    assert_eq!(world.replica.status().leads, Some(ballot), "it leads on, for reads");
}

#[test]
fn copies_and_votes_are_not_written() {
    let mut world = World::new();
    world.fill();
    let decrees = vec![Decree::Noop; 3];
    let (first, chosen) = (Slot::FIRST, Slot::new(3));
    world.hear(PEER, Message::Decrees { first, decrees, chosen });
    let ballot = Ballot::new(1, PEER);
    let accept = Immediate::Accept { ballot, first, decrees: vec![Decree::Noop], chosen: first };
    world.hear(PEER, Message::Paxos(Paxos::Immediate(accept)));
    assert_eq!(world.records, []);
    assert_eq!(world.replica.paxos().chosen(), Slot::FIRST);
    let prepare = AfterSync::Prepare { ballot, first };
    world.hear(PEER, Message::Paxos(Paxos::AfterSync(prepare)));
    assert_eq!(world.records, [Record::Promised(ballot)], "there is room for that");
    world.step(Input::Disk(Disk::Fine));
    let decrees = vec![Decree::Noop; 3];
    world.hear(PEER, Message::Decrees { first, decrees, chosen });
    assert_eq!(world.replica.paxos().chosen(), chosen, "room has returned");
}

#[test]
fn a_candidate_that_would_have_to_propose_what_it_finds_lets_others_lead() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.fill();
    let vote = Vote { ballot: Ballot::new(0, PEER), decree: Decree::Noop };
    world.promise(ballot, vec![(Slot::FIRST, Report::Voted(vote))]);
    assert_eq!(world.replica.paxos().leader().ballot(), None);
    assert_eq!(world.records, []);
}

#[test]
fn nothing_is_recorded_for_which_there_is_no_room() {
    let mut world = World::new();
    let ballot = world.campaign();
    let room = RecordRoom { work: 2 * RECORD_COST_BYTES, promises: 3 * RECORD_COST_BYTES };
    world.effects.set_room(room);
    world.records.clear();
    // A decree of one byte fits once, the second one does not: neither what was found, nor what is
    // asked for, nor a copy.
    let vote = Vote { ballot: Ballot::new(0, PEER), decree: Decree::Noop };
    let votes = (0..2).map(|slot| (Slot::new(slot), Report::Voted(vote.clone())));
    world.is_slow = true;
    world.effects.set_room(RecordRoom { work: 0, ..room });
    world.promise(ballot, votes.collect());
    assert_eq!(world.records, [], "what was found waits for room");
    world.open(1);
    let (first, chosen) = (Slot::FIRST, Slot::new(1));
    world.hear(PEER, Message::Decrees { first, decrees: vec![Decree::Noop], chosen });
    assert_eq!(world.records, [], "and so do the rest");
    world.effects.set_room(room);
    world.step(Input::Timer(Timer::Heartbeat));
    assert_eq!(world.records.len(), 1, "as much as there is room for at a time");
}

/// What it cannot promise itself it must not begin: nobody would ask it for that promise again, and
/// it would wait for it for ever, as for a sync that is on its way.
#[test]
fn a_candidate_without_room_for_its_own_promise_tries_again_once_there_is_room() {
    let mut world = World::new();
    world.effects.set_room(RecordRoom { work: 0, promises: RECORD_COST_BYTES - 1 });
    let tries = |world: &mut World| {
        world.hear(PEER, Message::Heartbeat(beat(0)));
        world.step(Input::Timer(Timer::Campaign));
        world.step(Input::Timer(Timer::Heartbeat));
    };
    tries(&mut world);
    assert_eq!(world.records, []);
    world.effects.set_room(RecordRoom::UNBOUNDED);
    for _ in 0..1_000 {
        tries(&mut world);
        if let Some(ballot) = world.replica.paxos().leader().ballot() {
            world.promise(ballot, Vec::new());
        }
    }
    assert!(world.replica.status().leads.is_some(), "with the one peer that is up");
}

#[test]
fn questions_are_answered_on() {
    let mut world = World::new();
    let ballot = world.lead();
    world.fill();
    world.ask(4, RequestBody::Query(Bytes::new()));
    let round = 1;
    let promised = ballot;
    world.hear(PEER, Message::Confirmed { ballot, round, promised });
    assert!(matches!(world.told(4), Some(Response::Reply(_))), "{:?}", world.replies);
}
