//! A node that lags further than decrees reach: it is given a snapshot in parts, and goes on from
//! it.
//!
//! The claims: one part is on its way at a time, and the next one is asked for when it is kept; who
//! falls silent is made up for by whoever has the same snapshot; what cannot be kept is not asked
//! for again at once; and who is passed over as a leader owes its clients no wrong answer.
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
    AfterSync, Ballot, Configuration, CoreId, Decree, Message as Paxos, NodeId, Slot, To,
};
use synod_smr::wire::StateDescription;
use synod_smr::{
    ClientId, Config, Connection, Disk, Effects, Executor, Input, Limits, Message, Opening,
    Principal, Record, Recovering, Replica, Request, RequestBody, RequestId, Response, StatePart,
    Timer,
};

const PEER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);

/// How many ticks a question waits for its answer.
const PATIENCE_TICKS: u32 = 6;

/// How many ticks the sender of a part has in all: it is asked four times, each time for twice as
/// long.
const SENDER_TICKS: u32 = 15 * PATIENCE_TICKS + 4;

/// For how many ticks nobody is asked after a snapshot came to nothing.
const REST_TICKS: u32 = 25;

/// The state after so many decrees, none of which does anything.
fn state(slot: u64) -> Executor<Nothing> {
    let mut executor = Executor::new(Nothing);
    for _ in 0..slot {
        executor.apply(&Decree::Noop, |_, _| {});
    }
    executor
}

fn part(slot: u64, offset: u64, bytes: &'static [u8]) -> StatePart {
    let (slot, digest) = (Slot::new(slot), state(slot).digest());
    let description = StateDescription { slot, chain: 0, sessions: 0, digest };
    StatePart { description, total: 6, offset, bytes: Bytes::from_static(bytes) }
}

struct World {
    replica: Replica<Nothing>,
    effects: Effects,
}

impl World {
    fn new() -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let mut effects = Effects::new(core_id);
        let voters = Configuration::majority([ME, PEER, OTHER]).unwrap();
        let config = Config::lan(core_id, voters);
        let replica = Recovering::new(Nothing).finish(config, &mut effects);
        Self { replica, effects }
    }

    /// A node whose peers know all decrees below slot 900, and which has asked the second for them.
    fn lagging() -> Self {
        let mut world = Self::new();
        assert_eq!(world.ticks(2), [(PEER, Asked::Decrees(0))]);
        world
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
    }

    fn hear(&mut self, from: NodeId, message: Message) {
        self.step(Input::Message { from, message });
    }

    /// Takes in a part, and returns what is to be kept.
    fn take(&mut self, from: NodeId, part: StatePart) -> Vec<StatePart> {
        self.hear(from, Message::Snapshot(part));
        self.effects.parts().collect()
    }

    fn keep(&mut self, slot: u64, end: u64) {
        self.step(Input::Kept { slot: Slot::new(slot), end });
    }

    /// Returns whom this node has asked for what since the last call.
    fn asked(&mut self) -> Vec<(NodeId, Asked)> {
        let asked = self.effects.outbox().filter_map(|(to, message)| {
            let asked = match message {
                Message::Fetch { first } => Asked::Decrees(first.number()),
                Message::FetchSnapshot { slot, offset } => Asked::Snapshot(slot.number(), offset),
                _ => return None,
            };
            match to {
                To::Node(node) => Some((node, asked)),
                To::Peers => panic!("one peer is asked at a time"),
            }
        });
        asked.collect()
    }

    /// Lets time pass while both peers are heard, and returns what was asked.
    fn ticks(&mut self, count: u32) -> Vec<(NodeId, Asked)> {
        let mut asked = self.asked();
        for _ in 0..count {
            self.hear(PEER, Message::Heartbeat(beat(901)));
            self.hear(OTHER, Message::Heartbeat(beat(900)));
            self.step(Input::Timer(Timer::Heartbeat));
            asked.extend(self.asked());
        }
        asked
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Decrees(u64),
    Snapshot(u64, u64),
}

#[test]
fn parts_are_kept_one_by_one_and_the_state_is_gone_on_from() {
    let mut world = World::lagging();
    assert_eq!(world.take(PEER, part(800, 0, b"ab")), [part(800, 0, b"ab")]);
    assert_eq!(world.ticks(100), [], "nothing is asked for while the disk works");
    world.keep(800, 2);
    assert_eq!(world.asked(), [(PEER, Asked::Snapshot(800, 2))]);
    assert_eq!(world.take(PEER, part(800, 2, b"cdef")), [part(800, 2, b"cdef")]);
    world.keep(800, 6);
    assert_eq!(world.ticks(100), [], "all of it is here, and is being read back");
    world.replica.install(state(800), &mut world.effects);
    assert_eq!(world.replica.paxos().chosen(), Slot::new(800));
    assert_eq!(world.replica.executor(), &state(800));
    assert_eq!(world.ticks(2), [(PEER, Asked::Decrees(800))], "the rest comes as decrees");
}

#[test]
fn what_nobody_asked_for_and_what_is_no_news_is_dropped() {
    let mut world = World::lagging();
    assert_eq!(world.take(OTHER, part(800, 0, b"ab")), []);
    assert_eq!(world.take(PEER, part(800, 2, b"cd")), [], "it has not what comes before");
    let mut ahead = World::lagging();
    ahead.replica.install(state(850), &mut ahead.effects);
    assert_eq!(ahead.take(PEER, part(800, 0, b"ab")), []);
    ahead.replica.install(state(800), &mut ahead.effects);
    assert_eq!(ahead.replica.executor().applied(), Slot::new(850), "an older state is no news");
}

#[test]
fn who_falls_silent_is_made_up_for_by_whoever_has_the_same() {
    let mut world = World::lagging();
    world.take(PEER, part(800, 0, b"ab"));
    world.keep(800, 2);
    assert_eq!(world.asked(), [(PEER, Asked::Snapshot(800, 2))]);
    let asked = world.ticks(SENDER_TICKS);
    assert_eq!(asked.last(), Some(&(OTHER, Asked::Decrees(0))));
    assert_eq!(asked[..asked.len() - 1], [(PEER, Asked::Decrees(0)); 3]);
    assert_eq!(world.take(OTHER, part(800, 0, b"abc")), [], "of that the beginning is here");
    assert_eq!(world.asked(), [(OTHER, Asked::Snapshot(800, 2))]);
    assert_eq!(world.take(OTHER, part(800, 2, b"cdef")), [part(800, 2, b"cdef")]);
}

#[test]
fn another_snapshot_takes_the_place_of_one_that_nobody_goes_on_with() {
    let mut world = World::lagging();
    world.take(PEER, part(800, 0, b"ab"));
    world.keep(800, 2);
    assert_eq!(world.ticks(SENDER_TICKS).last(), Some(&(OTHER, Asked::Decrees(0))));
    assert_eq!(world.take(OTHER, part(850, 0, b"xy")), [part(850, 0, b"xy")]);
    world.keep(800, 2);
    assert_eq!(world.asked(), [], "what is kept of the other one counts for nothing");
    world.keep(850, 2);
    assert_eq!(world.asked(), [(OTHER, Asked::Snapshot(850, 2))]);
}

/// Each peer has a snapshot of its own. Were what is here given up for a part that was lost, a
/// long state would never come whole.
#[test]
fn a_part_that_is_lost_costs_nothing_of_what_is_here() {
    let mut world = World::lagging();
    world.take(PEER, part(800, 0, b"ab"));
    world.keep(800, 2);
    world.asked();
    assert_eq!(world.ticks(PATIENCE_TICKS + 1), [(PEER, Asked::Decrees(0))]);
    assert_eq!(world.take(PEER, part(800, 0, b"ab")), []);
    assert_eq!(world.asked(), [(PEER, Asked::Snapshot(800, 2))]);
    assert_eq!(world.take(PEER, part(800, 2, b"cdef")), [part(800, 2, b"cdef")]);
}

/// Lets a part be on its way for so many ticks after each question, and both peers answer with
/// snapshots of their own; returns after how many ticks one is whole.
fn ticks_until_whole(way: u32) -> Option<u32> {
    let mut world = World::new();
    let mut under_way = std::collections::VecDeque::new();
    for now in 0..40 * way {
        for (to, asked) in world.ticks(1) {
            let slot = if to == PEER { 800 } else { 850 };
            let offset = match asked {
                Asked::Decrees(_) => 0,
                Asked::Snapshot(of, offset) => {
                    if of == slot {
                        offset
                    } else {
                        0
                    }
                }
            };
            under_way.push_back((now + way, to, slot, offset));
        }
        while under_way.front().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, from, slot, offset)) = under_way.pop_front() else { break };
            let all = b"abcdef";
            let bytes = &all[usize::try_from(offset).unwrap()..][..1];
            for kept in world.take(from, part(slot, offset, bytes)) {
                if kept.offset == 5 {
                    return Some(now);
                }
                world.keep(slot, kept.offset + 1);
            }
        }
        assert!(under_way.len() < 20, "what is asked for piles up");
    }
    None
}

/// The heartbeats of a peer come at once, and a part takes its time.
#[test]
fn a_snapshot_comes_whole_however_slow_its_way_is() {
    for way in [1, 5, 6, 7, 8, 13, 20, 40, 80] {
        let ticks = ticks_until_whole(way);
        assert!(ticks.is_some_and(|ticks| ticks <= 12 * way + 20), "{way} ticks: {ticks:?}");
    }
}

#[test]
fn a_snapshot_that_cannot_be_kept_is_not_asked_for_at_once() {
    let mut world = World::lagging();
    world.take(PEER, part(800, 0, b"ab"));
    world.step(Input::NotKept);
    assert_eq!(world.ticks(REST_TICKS - 1), []);
    assert_eq!(world.ticks(1), [(PEER, Asked::Decrees(0))]);
}

#[test]
fn a_full_disk_takes_no_part() {
    let mut world = World::lagging();
    world.step(Input::Disk(Disk::Full));
    assert_eq!(world.take(PEER, part(800, 0, b"ab")), []);
}

#[test]
fn decrees_that_come_meanwhile_end_the_transfer() {
    let mut world = World::lagging();
    world.take(PEER, part(3, 0, b"ab"));
    world.keep(3, 2);
    world.asked();
    let (first, decrees) = (Slot::FIRST, vec![Decree::Noop; 4]);
    world.hear(PEER, Message::Decrees { first, decrees, chosen: Slot::new(4) });
    world.ticks(PATIENCE_TICKS + 2);
    assert_eq!(world.take(PEER, part(3, 2, b"cd")), [], "all below it is known");
}

/// A leader whose proposal waits for votes is passed over where it waits: it cannot tell what was
/// chosen there.
#[test]
fn a_leader_that_is_passed_over_tells_its_clients_that_it_does_not_know() {
    let mut world = World::new();
    let peers = [PEER, OTHER];
    for peer in peers {
        world.hear(peer, Message::Heartbeat(beat(0)));
    }
    world.step(Input::Timer(Timer::Heartbeat));
    while world.replica.paxos().leader().ballot().is_none() {
        peers.iter().for_each(|peer| world.hear(*peer, Message::Heartbeat(beat(0))));
        world.step(Input::Timer(Timer::Heartbeat));
        world.step(Input::Timer(Timer::Campaign));
    }
    let ballot = world.replica.paxos().leader().ballot().unwrap();
    let (first, chosen) = (Slot::FIRST, Slot::FIRST);
    let promise = AfterSync::Promise { ballot, first, end: None, chosen, reports: Vec::new() };
    world.hear(PEER, Message::Paxos(Paxos::AfterSync(promise)));
    assert_eq!(world.replica.paxos().leader().leads(), Some(ballot));
    let opening = Opening::first(ClientId::new(7));
    let request = Request { id: RequestId(1), body: RequestBody::Open { opening } };
    let (connection, principal) = (Connection(1), Principal::of_name("alice"));
    world.step(Input::Request { connection, principal, request });
    assert_eq!(world.effects.replies().count(), 0, "it waits for votes");
    world.replica.install(state(5), &mut world.effects);
    assert_eq!(world.replica.paxos().leader().leads(), None);
    let told: Vec<_> = world.effects.replies().map(|(_, id, response)| (id, response)).collect();
    assert_eq!(told, [(RequestId(1), Response::Uncertain { leader: None })]);
}

#[test]
fn a_replica_begins_again_with_its_state_and_the_records_above() {
    let ballot = Ballot::new(3, PEER);
    let voted = |slot| Record::Accepted { ballot, slot: Slot::new(slot), decree: Decree::Noop };
    let mut recovering = Recovering::above(state(800), Limits::DEFAULT);
    for record in [voted(799), voted(800), voted(801), Record::Chosen(Slot::new(801))] {
        recovering.on_record(record);
    }
    assert_eq!((recovering.applied(), recovering.missing()), (Slot::new(801), None));
    recovering.on_record(Record::Chosen(Slot::new(804)));
    assert_eq!(
        (recovering.applied(), recovering.missing()),
        (Slot::new(802), Some(Slot::new(802)))
    );
    for slot in [802, 803] {
        recovering.on_record(voted(slot));
    }
    assert_eq!((recovering.applied(), recovering.missing()), (Slot::new(804), None));
    let core_id = CoreId { node: ME, incarnation: 2 };
    let voters = Configuration::majority([ME, PEER, OTHER]).unwrap();
    let mut effects = Effects::new(core_id);
    let replica = recovering.finish(Config::lan(core_id, voters), &mut effects);
    assert_eq!(replica.executor(), &state(804));
    assert_eq!(replica.paxos().log().promised(), ballot);
}
