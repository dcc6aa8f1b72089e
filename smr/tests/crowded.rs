//! When a leader is crowded: once so much is under way that more would only be older when it is
//! done, which is more where its quorum takes longer.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "lone/beat.rs"]
mod beat;
#[path = "lone/nothing.rs"]
mod nothing;

use beat::{ME, beat};
use bytes::Bytes;
use nothing::Nothing;
use synod_paxos::{AfterSync, Ballot, Configuration, CoreId, Message as Paxos, NodeId, Slot};
use synod_smr::{
    ClientId, CommandBatch, Config, Connection, Effects, Heartbeat, Input, Message, Opening,
    Principal, Recovering, Replica, Request, RequestBody, RequestId, Response, Sequence, SessionId,
    Timer, WAITING_BYTES_MAX,
};

const PEER: NodeId = NodeId::new(2);
const MIB: usize = 1 << 20;

/// The leader of two, with a session; its commands get no votes.
struct Leader {
    replica: Replica<Nothing>,
    effects: Effects,
    ballot: Ballot,
    session: SessionId,
    asked: u64,
}

impl Leader {
    fn new() -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority([ME, PEER]).unwrap();
        let mut effects = Effects::new(core_id);
        let replica = Recovering::new(Nothing).finish(Config::lan(core_id, voters), &mut effects);
        let session = SessionId { slot: Slot::FIRST, position: 0 };
        let mut leader = Self { replica, effects, ballot: Ballot::ZERO, session, asked: 0 };
        leader.hear(Message::Heartbeat(beat(0)));
        leader.step(Input::Timer(Timer::Campaign));
        leader.ballot = leader.replica.paxos().leader().ballot().unwrap();
        let (ballot, first, chosen) = (leader.ballot, Slot::FIRST, Slot::FIRST);
        let reports = Vec::new();
        leader.tell(AfterSync::Promise { ballot, first, end: None, chosen, reports });
        leader.ask(RequestBody::Open { opening: Opening::first(ClientId::new(1)) });
        let end = leader.replica.paxos().next_slot().unwrap();
        leader.tell(AfterSync::Accepted { ballot, first, end });
        let opened = leader.effects.replies().next().map(|(_, _, response)| response);
        assert_eq!(opened, Some(Response::Opened(session)));
        leader
    }

    /// Asks for commands of a MiB each.
    fn ask_large(&mut self, count: u64) {
        for _ in 0..count {
            let body = RequestBody::Command {
                session: self.session,
                sequence: Sequence(self.asked),
                unanswered: Sequence::FIRST,
                payload: Bytes::from(vec![0; MIB]),
            };
            assert_eq!(self.ask(body), None, "it is taken in");
        }
    }

    /// Returns what is answered at once.
    fn ask(&mut self, body: RequestBody) -> Option<Response> {
        let request = Request { id: RequestId(self.asked), body };
        self.asked += 1;
        let (connection, principal) = (Connection(1), Principal::of_name("alice"));
        self.step(Input::Request { connection, principal, request });
        self.effects.replies().next().map(|(_, _, response)| response)
    }

    fn tell(&mut self, claim: AfterSync<CommandBatch>) {
        self.hear(Message::Paxos(Paxos::AfterSync(claim)));
    }

    fn hear(&mut self, message: Message) {
        self.step(Input::Message { from: PEER, message });
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        self.effects.outbox().for_each(drop);
    }
}

#[test]
fn a_leader_is_crowded_by_an_eighth_of_what_it_takes_in() {
    let mut leader = Leader::new();
    assert!(!leader.replica.is_crowded());
    let part = (WAITING_BYTES_MAX / MIB / 8) as u64;
    leader.ask_large(part - 1);
    assert!(!leader.replica.is_crowded());
    leader.ask_large(1);
    assert!(leader.replica.is_crowded());
}

#[test]
fn a_leader_whose_quorum_takes_longer_has_more_under_way() {
    let mut leader = Leader::new();
    let sync_ticks = Some(5);
    leader.hear(Message::Heartbeat(Heartbeat { sync_ticks, tick: 1, ..beat(0) }));
    // A round of five ticks and one more are three times the two that one part is enough for.
    let part = (WAITING_BYTES_MAX / MIB / 8) as u64;
    leader.ask_large(3 * part - 1);
    assert!(!leader.replica.is_crowded());
    leader.ask_large(1);
    assert!(leader.replica.is_crowded());
}
