//! Nodes that lag: whom they ask, what they are answered, and what stays in memory for them.
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
    Ballot, Configuration, CoreId, Decree, Immediate, Message as Paxos, NodeId, Slot, To,
};
use synod_smr::{
    ANNOUNCED_TICKS, CACHE_BYTES, CACHE_SLOTS, CatchUp, Command, CommandBatch, Config, Effects,
    Executor, FETCH_BYTES_MAX, FETCH_SLOTS_MAX, Heartbeat, Input, LogRead, Message, Principal,
    Record, Recovering, Replica, Sequence, SessionId, Timer, mix,
};

const PEER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);

/// How many ticks a question waits for its answer.
const PATIENCE_TICKS: u32 = 6;

/// A follower that is told decrees, and keeps its journal.
struct World {
    replica: Replica<Nothing>,
    effects: Effects,
    sent: Vec<(To, Message)>,
    journal: Vec<Record>,
}

impl World {
    fn new() -> Self {
        Self::recovered(&[])
    }

    fn recovered(journal: &[Record]) -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let mut effects = Effects::new(core_id);
        let mut recovering = Recovering::new(Nothing);
        journal.iter().for_each(|record| recovering.on_record(record.clone()));
        let replica = recovering.finish(Config::lan(core_id, voters()), &mut effects);
        Self { replica, effects, sent: Vec::new(), journal: journal.to_vec() }
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.journal.extend_from_slice(batch.records());
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        self.sent.extend(self.effects.outbox());
    }

    fn hear(&mut self, from: NodeId, message: Message) {
        self.step(Input::Message { from, message });
    }

    /// Learns decrees, one message each, at the end of what it knows.
    fn learn(&mut self, decrees: impl IntoIterator<Item = Decree<CommandBatch>>) {
        for decree in decrees {
            let first = self.replica.paxos().chosen();
            let (decrees, chosen) = (vec![decree], first.next());
            self.hear(PEER, Message::Decrees { first, decrees, chosen });
        }
    }

    fn learn_noops(&mut self, count: u64) {
        self.learn((0..count).map(|_| Decree::Noop));
    }

    /// Asks as a peer would, and returns what came back.
    fn fetch(&mut self, first: u64) -> Fetched {
        self.sent.clear();
        self.hear(PEER, Message::Fetch { first: Slot::new(first) });
        let answer = self.sent.iter().find_map(|(to, message)| match message {
            Message::Decrees { first, decrees, chosen } if *to == To::Node(PEER) => {
                Some((first.number(), decrees.len(), chosen.number()))
            }
            _ => None,
        });
        match (answer, self.effects.log_reads().next()) {
            (Some((first, count, chosen)), None) => Fetched::Decrees { first, count, chosen },
            (None, Some(wish)) => Fetched::Read(wish),
            (None, None) => Fetched::Nothing,
            both @ (Some(_), Some(_)) => panic!("two answers: {both:?}"),
        }
    }

    fn base(&self) -> u64 {
        self.replica.paxos().log().base().number()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fetched {
    Nothing,
    Decrees { first: u64, count: usize, chosen: u64 },
    Read(LogRead),
}

fn voters() -> Configuration {
    Configuration::majority([ME, PEER, OTHER]).unwrap()
}

/// A decree of exactly this weight.
fn decree_of(bytes: usize) -> Decree<CommandBatch> {
    let apply = |payload| Command::Apply {
        principal: Principal::of_name("alice"),
        session: SessionId { slot: Slot::FIRST, position: 0 },
        sequence: Sequence::FIRST,
        unanswered: Sequence::FIRST,
        payload,
    };
    let framing = apply(Bytes::new()).encoded_len();
    let batch = CommandBatch::encode(&[apply(Bytes::from(vec![0; bytes - framing]))]);
    assert_eq!(batch.bytes().len(), bytes, "a command is as long as it says");
    Decree::Value(batch)
}

#[test]
fn the_leader_is_asked_before_who_knows_most_and_nobody_who_knows_less() {
    let ask = |leader, peers: [(NodeId, u64); 2]| {
        let peers = peers.map(|(node, chosen)| (node, Slot::new(chosen), 0));
        CatchUp::default().on_tick(Slot::FIRST, false, leader, peers.into_iter())
    };
    assert_eq!(ask(Some(OTHER), [(PEER, 9), (OTHER, 5)]), Some(OTHER));
    assert_eq!(ask(None, [(PEER, 9), (OTHER, 5)]), Some(PEER));
    assert_eq!(ask(Some(OTHER), [(PEER, 9), (OTHER, 0)]), Some(PEER));
    assert_eq!(ask(Some(OTHER), [(PEER, 0), (OTHER, 0)]), None);
}

#[test]
fn a_node_that_learns_by_itself_asks_nobody() {
    let mut catch_up = CatchUp::default();
    let mut tick = |chosen| {
        let peers = [(PEER, Slot::new(9), 0)].into_iter();
        catch_up.on_tick(Slot::new(chosen), false, None, peers)
    };
    assert_eq!(tick(3), None, "three slots since the last tick");
    assert_eq!(tick(3), Some(PEER));
}

#[test]
fn what_was_voted_for_is_fetched_only_if_nobody_says_that_it_is_chosen() {
    for rtt in [0, 7] {
        let mut catch_up = CatchUp::default();
        let mut tick = |is_voted| {
            let peers = [(PEER, Slot::new(9), rtt)].into_iter();
            catch_up.on_tick(Slot::FIRST, is_voted, Some(PEER), peers)
        };
        for _ in 0..ANNOUNCED_TICKS + rtt {
            assert_eq!(tick(true), None, "the word of it is on its way");
        }
        assert_eq!(tick(true), Some(PEER), "it got lost");
        let mut catch_up = CatchUp::default();
        let peers = || [(PEER, Slot::new(9), rtt)].into_iter();
        assert_eq!(catch_up.on_tick(Slot::FIRST, true, Some(PEER), peers()), None);
        let asked = catch_up.on_tick(Slot::FIRST, false, Some(PEER), peers());
        assert_eq!(asked, Some(PEER), "another ballot is led: the vote says nothing");
    }
}

#[test]
fn one_question_is_out_until_its_answer_or_the_end_of_patience() {
    let mut catch_up = CatchUp::default();
    let tick = |catch_up: &mut CatchUp, peers: &[NodeId]| {
        let peers = peers.iter().map(|node| (*node, Slot::new(9), 0));
        catch_up.on_tick(Slot::FIRST, false, Some(PEER), peers)
    };
    let both = [PEER, OTHER];
    assert_eq!(tick(&mut catch_up, &both), Some(PEER));
    for _ in 0..PATIENCE_TICKS {
        assert_eq!(tick(&mut catch_up, &both), None, "a question is out");
    }
    assert_eq!(tick(&mut catch_up, &both), Some(OTHER), "not the silent one, although it leads");
    for _ in 0..PATIENCE_TICKS {
        assert_eq!(tick(&mut catch_up, &[OTHER]), None);
    }
    assert_eq!(tick(&mut catch_up, &[OTHER]), Some(OTHER), "there is nobody else");
    assert_eq!(catch_up.on_decrees(PEER, false, false), None);
    assert_eq!(tick(&mut catch_up, &both), None, "an answer of somebody else is none");
    assert_eq!(catch_up.on_decrees(OTHER, false, false), None);
    assert_eq!(tick(&mut catch_up, &both), Some(PEER), "the question was answered");
}

#[test]
fn an_answer_is_followed_by_the_next_question_while_it_helps() {
    let follow = |grew, more| CatchUp::default().on_decrees(PEER, grew, more);
    assert_eq!(follow(true, true), Some(PEER));
    assert_eq!(follow(true, false), None, "there is no more");
    assert_eq!(follow(false, true), None, "it did not help");
}

#[test]
fn a_replica_that_lags_fetches_until_it_has_all() {
    let mut world = World::new();
    let questions = |world: &mut World| -> Vec<u64> {
        let fetches = world.sent.drain(..).filter_map(|(to, message)| match message {
            Message::Fetch { first } => (to == To::Node(PEER)).then_some(first.number()),
            _ => None,
        });
        fetches.collect()
    };
    world.hear(PEER, Message::Heartbeat(beat(3)));
    world.step(Input::Timer(Timer::Heartbeat));
    assert_eq!(questions(&mut world), [0]);
    let part = |first, decrees| Message::Decrees {
        first: Slot::new(first),
        decrees,
        chosen: Slot::new(3),
    };
    world.hear(PEER, part(0, vec![Decree::Noop]));
    assert_eq!(questions(&mut world), [1], "the peer has more");
    world.hear(PEER, part(1, vec![Decree::Noop]));
    assert_eq!(questions(&mut world), [2]);
    world.hear(PEER, part(1, vec![Decree::Noop]));
    assert_eq!(questions(&mut world), [0; 0], "a repetition brought nothing");
    world.hear(PEER, part(2, vec![Decree::Noop]));
    assert_eq!(questions(&mut world), [0; 0], "there is no more");
}

/// What is voted for in the ballot of the leader is here, and is only to be announced; a vote in
/// another ballot says nothing of what is chosen.
#[test]
fn a_replica_fetches_no_copy_of_what_it_voted_for_in_the_ballot_of_its_leader() {
    let (older, ballot) = (Ballot::new(1, PEER), Ballot::new(2, PEER));
    for (voted_in, is_fetched) in [(None, true), (Some(older), true), (Some(ballot), false)] {
        let mut world = World::new();
        if let Some(ballot) = voted_in {
            let (first, chosen) = (Slot::FIRST, Slot::FIRST);
            let accept = Immediate::Accept { ballot, first, decrees: vec![Decree::Noop], chosen };
            world.hear(PEER, Message::Paxos(Paxos::Immediate(accept)));
        }
        let leads = Some(ballot);
        world.hear(PEER, Message::Heartbeat(Heartbeat { leads, leader_ok: true, ..beat(1) }));
        world.step(Input::Timer(Timer::Heartbeat));
        let fetches = |(_, message): &(To, Message)| matches!(message, Message::Fetch { .. });
        assert_eq!(world.sent.iter().any(fetches), is_fetched, "{voted_in:?}");
    }
}

#[test]
fn a_peer_that_lags_is_answered_from_memory() {
    let mut world = World::new();
    world.learn_noops(3);
    assert_eq!(world.fetch(0), Fetched::Decrees { first: 0, count: 3, chosen: 3 });
    assert_eq!(world.fetch(2), Fetched::Decrees { first: 2, count: 1, chosen: 3 });
    assert_eq!(world.fetch(3), Fetched::Nothing, "nobody knows more");
    world.learn_noops(FETCH_SLOTS_MAX);
    let count = usize::try_from(FETCH_SLOTS_MAX).unwrap();
    assert_eq!(world.fetch(1), Fetched::Decrees { first: 1, count, chosen: 3 + FETCH_SLOTS_MAX });
}

#[test]
fn an_answer_has_a_bound_in_bytes_that_one_large_decree_may_break() {
    let mut world = World::new();
    let half = FETCH_BYTES_MAX / 2;
    world.learn([half, half, FETCH_BYTES_MAX + 1, 100].map(decree_of));
    assert_eq!(world.fetch(0), Fetched::Decrees { first: 0, count: 2, chosen: 4 });
    assert_eq!(world.fetch(1), Fetched::Decrees { first: 1, count: 1, chosen: 4 });
    assert_eq!(world.fetch(2), Fetched::Decrees { first: 2, count: 1, chosen: 4 });
    assert_eq!(world.fetch(3), Fetched::Decrees { first: 3, count: 1, chosen: 4 });
}

#[test]
fn memory_holds_a_window_of_slots_and_the_journal_is_asked_for_older_ones() {
    let (kept, slack) = (CACHE_SLOTS, CACHE_SLOTS / 4);
    let mut world = World::new();
    world.learn_noops(kept + slack);
    assert_eq!(world.base(), 0);
    world.learn_noops(1);
    assert_eq!(world.base(), slack + 1, "the slack is let go of at once");
    let chosen = kept + slack + 1;
    let first = slack + 1;
    let read = |first: u64, end: u64| {
        let (first, end, chosen) = (Slot::new(first), Slot::new(end), Slot::new(chosen));
        Fetched::Read(LogRead { to: PEER, first, end, chosen })
    };
    let count = usize::try_from(FETCH_SLOTS_MAX).unwrap();
    assert_eq!(world.fetch(first), Fetched::Decrees { first, count, chosen });
    assert_eq!(world.fetch(first - 1), read(first - 1, first), "only what memory lacks");
    assert_eq!(world.fetch(0), read(0, FETCH_SLOTS_MAX));
}

#[test]
fn memory_holds_a_window_of_bytes() {
    let mut world = World::new();
    let count = 32;
    world.learn((0..count).map(|_| decree_of(CACHE_BYTES / count)));
    assert_eq!(world.base(), 0, "just as much as fits");
    world.learn_noops(1);
    assert_eq!(world.base(), 1 + 33 / 8, "an eighth goes");
    assert!(world.replica.paxos().log().weight() < CACHE_BYTES);
}

#[test]
fn a_recovered_replica_holds_the_window_that_it_held_before() {
    let mut world = World::new();
    world.learn_noops(CACHE_SLOTS + CACHE_SLOTS / 4 + 600);
    let again = World::recovered(&world.journal);
    assert_eq!(again.base(), world.base());
    assert_eq!(again.replica.status().digest, world.replica.status().digest);
}

#[test]
fn a_recovered_replica_holds_a_window_of_bytes() {
    let mut world = World::new();
    world.learn((0..32).map(|_| decree_of(CACHE_BYTES / 32)));
    let again = World::recovered(&world.journal);
    assert_eq!(again.base(), 0, "just as much as fits");
    world.learn([decree_of(CACHE_BYTES / 32)]);
    let again = World::recovered(&world.journal);
    assert!(again.replica.paxos().log().weight() <= CACHE_BYTES);
    assert_eq!(again.replica.status().applied, Slot::new(33));
}

#[test]
fn the_chain_over_all_decrees_is_the_same_in_every_version() {
    let mut executor = Executor::new(Nothing);
    let mut chain = 0;
    for _ in 0..4 {
        executor.apply(&Decree::Noop, |_, _| {});
        chain = mix(chain ^ 1);
        assert_eq!(executor.chain(), chain);
    }
    let Decree::Value(batch) = decree_of(100) else { panic!("a decree of a batch") };
    let fingerprint = synod_smr::fingerprint(batch.bytes());
    executor.apply(&Decree::Value(batch), |_, _| {});
    assert_eq!(executor.chain(), mix(chain ^ fingerprint));
}
