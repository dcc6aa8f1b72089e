//! For whom a leader waits that takes in what it was sent: for who holds up what is chosen next.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "lone/beat.rs"]
mod beat;
#[path = "lone/nothing.rs"]
mod nothing;

use beat::{ME, beat};
use nothing::Nothing;
use synod_paxos::{AfterSync, Ballot, Configuration, CoreId, Message as Paxos, NodeId, Slot};
use synod_smr::{
    ClientId, Config, Connection, Effects, Heartbeat, Input, Message, Opening, Principal,
    Recovering, Replica, Request, RequestBody, RequestId, STALL_TICKS, TAKE_IN_BYTES_MAX,
    TAKE_IN_TICKS_MAX, Timer,
};

const VOTES: NodeId = NodeId::new(2);
/// It speaks, and its disk has no room for votes.
const SILENT: NodeId = NodeId::new(3);

/// The leader of five, of whom two are gone.
struct Leader {
    replica: Replica<Nothing>,
    effects: Effects,
    ballot: Ballot,
    tick: u32,
}

impl Leader {
    /// Makes a leader that has opened two slots, and has the vote of one peer in the first.
    fn new() -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority((1..=5).map(NodeId::new)).unwrap();
        let mut effects = Effects::new(core_id);
        let config = Config::lan(core_id, voters);
        let replica = Recovering::new(Nothing).finish(config, &mut effects);
        let mut leader = Self { replica, effects, ballot: Ballot::ZERO, tick: 0 };
        for from in [VOTES, SILENT] {
            leader.step(Input::Message { from, message: Message::Heartbeat(beat(0)) });
        }
        leader.step(Input::Timer(Timer::Campaign));
        let ballot = leader.replica.paxos().leader().ballot().unwrap();
        leader.ballot = ballot;
        let (first, chosen) = (Slot::FIRST, Slot::FIRST);
        for from in [VOTES, SILENT] {
            let promise =
                AfterSync::Promise { ballot, first, end: None, chosen, reports: Vec::new() };
            leader.hear(from, promise);
        }
        assert_eq!(leader.replica.status().leads, Some(ballot));
        leader.propose(1);
        let end = leader.replica.paxos().next_slot().unwrap();
        assert!(end > first, "a slot is open");
        leader.hear(VOTES, AfterSync::Accepted { ballot, first, end });
        leader.propose(2);
        assert_eq!(leader.replica.paxos().next_slot(), Some(end.next()), "and a later one");
        leader
    }

    fn propose(&mut self, number: u64) {
        let opening = Opening::first(ClientId::new(number.into()));
        let request = Request { id: RequestId(number), body: RequestBody::Open { opening } };
        let (connection, principal) = (Connection(number), Principal::of_name("alice"));
        self.step(Input::Request { connection, principal, request });
    }

    fn hear(&mut self, from: NodeId, message: AfterSync<synod_smr::CommandBatch>) {
        self.step(Input::Message { from, message: Message::Paxos(Paxos::AfterSync(message)) });
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        self.effects.outbox().for_each(drop);
        self.effects.replies().for_each(drop);
        self.effects.timers().for_each(drop);
    }

    /// Counts the ticks, in each of which that peer takes in some and so much still waits for it,
    /// until this leader is discontent.
    fn ticks_until_stalled(&mut self, taking_in: NodeId, waiting: usize) -> u32 {
        let mut ticks = 0;
        while self.replica.status().leader_ok {
            ticks += 1;
            assert!(ticks < 2 * TAKE_IN_TICKS_MAX, "nobody waits for ever");
            self.tick += 1;
            for from in [VOTES, SILENT] {
                let (leads, tick) = (Some(self.ballot), self.tick);
                let promised = self.ballot;
                let beat = Heartbeat { follows: leads, leader_ok: true, promised, tick, ..beat(0) };
                self.step(Input::Message { from, message: Message::Heartbeat(beat) });
            }
            self.step(Input::LaneMoved { peer: taking_in, waiting });
            self.step(Input::Timer(Timer::Heartbeat));
        }
        ticks
    }
}

#[test]
fn who_has_voted_for_what_is_chosen_next_is_not_waited_for() {
    let ticks = Leader::new().ticks_until_stalled(VOTES, 1);
    assert!(ticks.abs_diff(STALL_TICKS) < 5, "after {ticks} ticks");
}

#[test]
fn who_holds_up_what_is_chosen_next_is_waited_for() {
    let ticks = Leader::new().ticks_until_stalled(SILENT, TAKE_IN_BYTES_MAX);
    assert!(ticks >= TAKE_IN_TICKS_MAX, "after {ticks} ticks");
}

/// What waits before it was chosen long ago: a larger ballot has it passed over.
#[test]
fn who_takes_in_more_than_is_open_is_not_waited_for() {
    let ticks = Leader::new().ticks_until_stalled(SILENT, TAKE_IN_BYTES_MAX + 4_096);
    assert!(ticks.abs_diff(STALL_TICKS) < 5, "after {ticks} ticks");
}
