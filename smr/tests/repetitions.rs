//! When a proposal that was lost is said again, by a leader whose peers speak and follow, and what
//! is chosen.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "lone/beat.rs"]
mod beat;
#[path = "lone/nothing.rs"]
mod nothing;

use beat::{ME, beat};
use nothing::Nothing;
use synod_paxos::{
    AfterSync, Configuration, CoreId, Immediate, Message as Paxos, NodeId, Slot, To,
};
use synod_smr::{
    ClientId, Config, Connection, Effects, Heartbeat, Input, Message, Opening, Principal,
    RESEND_PATH_TICKS_MAX, RESEND_TICKS, Recovering, Replica, Request, RequestBody, RequestId,
    Timer,
};

const PEER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);

struct Leader {
    replica: Replica<Nothing>,
    effects: Effects,
    /// What the peer says its syncs took, in ticks.
    sync_ticks: Option<u32>,
    tick: u32,
    /// Accepts that were sent to the peer alone: repetitions.
    repeated: usize,
    /// What all peers were told to be chosen, by a word of its own.
    announced: Vec<Slot>,
}

impl Leader {
    fn new() -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority([ME, PEER, OTHER]).unwrap();
        let mut effects = Effects::new(core_id);
        let config = Config::lan(core_id, voters);
        let replica = Recovering::new(Nothing).finish(config, &mut effects);
        let mut leader = Self {
            replica,
            effects,
            sync_ticks: None,
            tick: 0,
            repeated: 0,
            announced: Vec::new(),
        };
        for peer in [PEER, OTHER] {
            leader.step(Input::Message { from: peer, message: Message::Heartbeat(beat(0)) });
        }
        leader.step(Input::Timer(Timer::Campaign));
        let ballot = leader.replica.paxos().leader().ballot().unwrap();
        let (first, chosen) = (Slot::FIRST, Slot::FIRST);
        let promise = AfterSync::Promise { ballot, first, end: None, chosen, reports: Vec::new() };
        let message = Message::Paxos(Paxos::AfterSync(promise));
        leader.step(Input::Message { from: PEER, message });
        assert_eq!(leader.replica.status().leads, Some(ballot));
        leader
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        for (to, message) in self.effects.outbox() {
            let accept =
                matches!(message, Message::Paxos(Paxos::Immediate(Immediate::Accept { .. })));
            self.repeated += usize::from(accept && to == To::Node(PEER));
            if let Message::Paxos(Paxos::Immediate(Immediate::Chosen { chosen, .. })) = message
                && to == To::Peers
            {
                self.announced.push(chosen);
            }
        }
        self.effects.replies().for_each(drop);
        self.effects.timers().for_each(drop);
    }

    /// A tick passes, in which both peers speak and follow.
    fn tick(&mut self) {
        self.tick += 1;
        let leads = self.replica.status().leads;
        for peer in [PEER, OTHER] {
            let beat = Heartbeat {
                follows: leads,
                leader_ok: true,
                promised: leads.unwrap_or(synod_paxos::Ballot::ZERO),
                tick: self.tick,
                sync_ticks: self.sync_ticks,
                ..beat(0)
            };
            self.step(Input::Message { from: peer, message: Message::Heartbeat(beat) });
        }
        self.step(Input::Timer(Timer::Heartbeat));
    }

    fn propose(&mut self) {
        let opening = Opening::first(ClientId::new(7));
        let request = Request { id: RequestId(1), body: RequestBody::Open { opening } };
        let (connection, principal) = (Connection(1), Principal::of_name("alice"));
        self.step(Input::Request { connection, principal, request });
    }

    /// Proposes after so many quiet ticks, loses that, and counts the ticks up to its repetition.
    fn ticks_to_repetition(quiet: u32, sync_ticks: Option<u32>) -> u32 {
        let mut leader = Self::new();
        leader.sync_ticks = sync_ticks;
        (0..quiet).for_each(|_| leader.tick());
        let ballot = leader.replica.status().leads;
        leader.propose();
        let mut ticks = 0;
        while leader.repeated == 0 && ticks < 1_000 {
            leader.tick();
            ticks += 1;
        }
        assert_eq!(leader.replica.status().leads, ballot, "it led on for all that time");
        ticks
    }
}

/// The bound of the first repetition, and the tick at which what is open is marked.
#[test]
fn what_was_lost_is_said_again_within_the_bound_beside_a_disk_that_hung() {
    let bound = RESEND_TICKS + RESEND_PATH_TICKS_MAX;
    let waits: Vec<u32> =
        (0..60).step_by(10).map(|quiet| Leader::ticks_to_repetition(quiet, Some(75))).collect();
    assert!(waits.iter().all(|ticks| *ticks <= bound + 1), "{waits:?}, not {bound}");
}

/// The same with a fast disk, where the pace is two ticks.
#[test]
fn what_was_lost_is_said_again_within_a_pace_beside_a_fast_disk() {
    let waits: Vec<u32> = (10..14).map(|quiet| Leader::ticks_to_repetition(quiet, None)).collect();
    assert!(waits.iter().all(|ticks| *ticks <= RESEND_TICKS + 1), "{waits:?}");
}

/// Proposals say what is chosen, too, but may wait for their way: a word of its own passes them.
#[test]
fn what_was_chosen_is_said_once_more_at_the_next_tick() {
    let mut leader = Leader::new();
    leader.tick();
    let ballot = leader.replica.status().leads.unwrap();
    leader.propose();
    let (first, end) = (Slot::FIRST, Slot::FIRST.next());
    let vote = AfterSync::Accepted { ballot, first, end };
    leader.step(Input::Message { from: PEER, message: Message::Paxos(Paxos::AfterSync(vote)) });
    assert_eq!(leader.replica.paxos().chosen(), end);
    leader.announced.clear();
    leader.tick();
    assert_eq!(leader.announced, [end]);
    for _ in 0..10 {
        leader.tick();
    }
    assert_eq!(leader.announced, [end], "nothing was chosen since");
}
