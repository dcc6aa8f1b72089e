//! One replica, fed by hand: what it does between the lines of the protocol.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

#[path = "lone/beat.rs"]
mod beat;
#[path = "lone/nothing.rs"]
mod nothing;

use beat::ME;
use bytes::Bytes;
use nothing::Nothing;
use synod_paxos::{
    AfterSync, Ballot, Configuration, CoreId, Decree, Immediate, Message as Paxos, NodeId, Report,
    Slot, To, Vote,
};
use synod_smr::{
    ClientId, Config, Connection, Disk, Effects, Heartbeat, Input, Message, Opening, Principal,
    Recovering, Refusal, Replica, Request, RequestBody, RequestId, Response, STALL_TICKS, Sequence,
    SessionId, Timer,
};

const PEER: NodeId = NodeId::new(2);
const OLD: Ballot = Ballot::new(1, PEER);

struct World {
    replica: Replica<Nothing>,
    effects: Effects,
    sent: Vec<(To, Message)>,
    replies: Vec<Response>,
}

impl World {
    fn new() -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap();
        let mut effects = Effects::new(core_id);
        let config = Config::lan(core_id, voters);
        let replica = Recovering::new(Nothing).finish(config, &mut effects);
        Self { replica, effects, sent: Vec::new(), replies: Vec::new() }
    }

    /// Steps and syncs until nothing is left to sync.
    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        self.sent.extend(self.effects.outbox());
        self.replies.extend(self.effects.replies().map(|(_, _, response)| response));
    }

    fn hear(&mut self, message: Message) {
        self.step(Input::Message { from: PEER, message });
    }

    fn hear_beat(&mut self, beat: Heartbeat) {
        self.hear(Message::Heartbeat(beat));
    }

    fn ask(&mut self, body: RequestBody) {
        let request = Request { id: RequestId(1), body };
        let (connection, principal) = (Connection(1), Principal::of_name("alice"));
        self.step(Input::Request { connection, principal, request });
    }

    /// Brings this node into phase 1, and returns its ballot.
    fn campaign(&mut self) -> Ballot {
        self.hear_beat(beat());
        self.step(Input::Timer(Timer::Campaign));
        let prepare = self.sent.iter().find_map(|(_, message)| match message {
            Message::Paxos(Paxos::AfterSync(AfterSync::Prepare { ballot, .. })) => Some(*ballot),
            _ => None,
        });
        prepare.expect("a discontent quorum campaigns")
    }

    /// Lets a peer have promised a ballot above that of this leader, and returns the one that this
    /// node raises it to.
    fn raise(&mut self, ballot: Ballot) -> Ballot {
        let stranded = ballot.next(NodeId::new(3));
        for _ in 0..6 {
            self.step(Input::Timer(Timer::Heartbeat));
            self.hear_beat(Heartbeat { promised: stranded, leader_ok: true, ..beat() });
        }
        stranded.next(ME)
    }

    fn promise(&mut self, ballot: Ballot, chosen: u64, reports: Vec<(Slot, u64)>) {
        let reports = reports
            .into_iter()
            .map(|(slot, _)| (slot, Report::Voted(Vote { ballot: OLD, decree: Decree::Noop })));
        self.hear(Message::Paxos(Paxos::AfterSync(AfterSync::Promise {
            ballot,
            first: Slot::FIRST,
            end: None,
            chosen: Slot::new(chosen),
            reports: reports.collect(),
        })));
    }

    /// Echoes the running round of reads, if one runs.
    fn echo(&mut self, ballot: Ballot) {
        let round = self.sent.iter().rev().find_map(|(_, message)| match message {
            Message::Confirm { round, .. } => Some(*round),
            _ => None,
        });
        if let Some(round) = round {
            self.hear(Message::Confirmed { ballot, round, promised: ballot });
        }
    }

    /// Returns what the last heartbeat since the last call said of this node's leadership.
    fn told_leads(&mut self) -> Option<Option<Ballot>> {
        let leads = self.sent.iter().rev().find_map(|(_, message)| match message {
            Message::Heartbeat(beat) => Some(beat.leads),
            _ => None,
        });
        self.sent.clear();
        leads
    }

    fn accept_all(&mut self, ballot: Ballot, end: u64) {
        let (first, end) = (Slot::FIRST, Slot::new(end));
        self.hear(Message::Paxos(Paxos::AfterSync(AfterSync::Accepted { ballot, first, end })));
    }
}

/// How many heartbeats a draining leader waits for what is open.
const DRAIN_TICKS: u32 = 25;

/// The heartbeat of a peer that hears this node and follows nobody.
fn beat() -> Heartbeat {
    beat::beat(0)
}

#[test]
fn a_leader_that_is_not_settled_answers_no_read() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, vec![(Slot::FIRST, 1)]);
    world.ask(RequestBody::Query(Bytes::new()));
    world.echo(ballot);
    assert_eq!(world.replies, [], "slot 0 may hold a write that was acknowledged");
    world.accept_all(ballot, 1);
    world.echo(ballot);
    assert_eq!(world.replies, [Response::Reply(Bytes::from_static(b"answer"))]);
}

#[test]
fn a_leader_whose_peer_knows_more_answers_no_read() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 1, Vec::new());
    world.ask(RequestBody::Query(Bytes::new()));
    world.echo(ballot);
    assert_eq!(world.replies, [], "slot 0 is chosen and not known here");
    let (first, decrees, chosen) = (Slot::FIRST, vec![Decree::Noop], Slot::new(1));
    world.hear(Message::Decrees { first, decrees, chosen });
    world.echo(ballot);
    assert_eq!(world.replies, [Response::Reply(Bytes::from_static(b"answer"))]);
}

#[test]
fn a_leader_that_copies_over_its_own_proposal_resigns() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    world.ask(RequestBody::Open { opening: Opening::first(ClientId::new(1)) });
    assert_eq!(world.replica.status().leads, Some(ballot));
    let (first, decrees, chosen) = (Slot::FIRST, vec![Decree::Noop], Slot::new(1));
    world.hear(Message::Decrees { first, decrees, chosen });
    assert_eq!(world.replica.status().leads, None, "its proposal in slot 0 was not chosen");
    assert!(matches!(world.replies[..], [Response::Uncertain { .. }]), "{:?}", world.replies);
}

#[test]
fn a_leader_resigns_to_a_higher_one() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    let higher = ballot.next(PEER);
    let leads = Some(higher);
    world.hear_beat(Heartbeat { leads, follows: leads, leader_ok: true, ..beat() });
    assert_eq!(world.replica.status().leads, None);
    world.ask(RequestBody::Query(Bytes::new()));
    let refusal = Refusal::NotLeader { leader: Some(PEER) };
    assert_eq!(world.replies, [Response::Refused(refusal)]);
}

#[test]
fn the_content_hear_no_strangers_prepare() {
    let mut world = World::new();
    let (mine, other) = (Ballot::new(7, PEER), NodeId::new(3));
    let leads = Some(mine);
    world.hear_beat(Heartbeat { leads, follows: leads, leader_ok: true, ..beat() });
    assert!(world.replica.status().leader_ok);
    let prepare = |ballot| {
        Message::Paxos(Paxos::AfterSync(AfterSync::Prepare { ballot, first: Slot::FIRST }))
    };
    let message = prepare(Ballot::new(9, other));
    world.step(Input::Message { from: other, message });
    assert_eq!(world.replica.status().promised, Ballot::ZERO, "it follows node 2");
    world.hear(prepare(Ballot::new(8, PEER)));
    assert_eq!(world.replica.status().promised, Ballot::new(8, PEER), "its own leader may");
}

#[test]
fn silence_of_the_leader_ends_content_and_one_late_tick_does_not() {
    let mut world = World::new();
    let leads = Some(OLD);
    world.hear_beat(Heartbeat { leads, follows: leads, leader_ok: true, ..beat() });
    // However long the process was held up, it counts one tick.
    world.step(Input::Timer(Timer::Heartbeat));
    assert!(world.replica.status().leader_ok);
    for _ in 0..5 {
        world.step(Input::Timer(Timer::Heartbeat));
    }
    assert!(!world.replica.status().leader_ok);
}

#[test]
fn a_content_leader_raises_its_ballot_for_a_stranded_voter() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    let next = world.raise(ballot);
    let raised = world.sent.iter().any(|(_, message)| {
        matches!(message, Message::Paxos(Paxos::AfterSync(AfterSync::Prepare { ballot: of, .. }))
            if *of == next)
    });
    assert!(raised, "the voter would refuse this leader for ever");
    let last = world.sent.iter().rev().find_map(|(_, message)| match message {
        Message::Heartbeat(beat) => Some(beat.leads),
        _ => None,
    });
    assert_eq!(last, Some(Some(ballot)), "followers stay content while the ballot rises");
}

#[test]
fn a_round_of_reads_ends_with_its_leaders_ballot() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    // A rival was elected meanwhile, had a write chosen in slot 0, answered it, and died.
    world.ask(RequestBody::Query(Bytes::new()));
    let raised = world.raise(ballot);
    world.promise(raised, 1, Vec::new());
    assert_eq!(world.replica.status().leads, Some(raised));
    world.step(Input::Timer(Timer::Heartbeat));
    world.step(Input::Timer(Timer::Heartbeat));
    world.echo(raised);
    assert_eq!(world.replies, [], "slot 0 is chosen and not known here");
    let (first, decrees, chosen) = (Slot::FIRST, vec![Decree::Noop], Slot::new(1));
    world.hear(Message::Decrees { first, decrees, chosen });
    world.echo(raised);
    assert_eq!(world.replies, [Response::Reply(Bytes::from_static(b"answer"))]);
}

#[test]
fn a_command_that_its_raised_ballot_lost_can_be_tried_again() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    world.ask(RequestBody::Open { opening: Opening::first(ClientId::new(1)) });
    let raised = world.raise(ballot);
    // The vote of node 2's ballot is the higher one, so slot 0 is not this node's any more.
    world.promise(raised, 0, vec![(Slot::FIRST, 1)]);
    assert!(matches!(world.replies[..], [Response::Uncertain { .. }]), "{:?}", world.replies);
    world.accept_all(raised, 1);
    world.ask(RequestBody::Open { opening: Opening::first(ClientId::new(1)) });
    world.accept_all(raised, 2);
    assert!(matches!(world.replies[1..], [Response::Opened(_)]), "{:?}", world.replies);
}

#[test]
fn a_session_may_be_opened_by_what_an_unsettled_leader_proposes_anew() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, vec![(Slot::FIRST, 1)]);
    let session = SessionId { slot: Slot::FIRST, position: 0 };
    world.ask(RequestBody::Command {
        session,
        sequence: Sequence::FIRST,
        unanswered: Sequence::FIRST,
        payload: Bytes::new(),
    });
    assert_eq!(world.replies, [], "slot 0 may open it");
    world.accept_all(ballot, 1);
    world.accept_all(ballot, 2);
    assert_eq!(world.replies, [Response::Refused(Refusal::SessionExpired)], "it did not");
}

#[test]
fn a_change_of_leadership_is_told_at_once() {
    let mut world = World::new();
    let ballot = world.campaign();
    assert_eq!(world.told_leads(), Some(None), "it prepares a ballot, and leads nothing");
    world.promise(ballot, 0, Vec::new());
    assert_eq!(world.told_leads(), Some(Some(ballot)));
    world.hear(Message::Paxos(Paxos::Immediate(Immediate::Nack { ballot, promised: ballot })));
    assert_eq!(world.told_leads(), None, "nothing changed");
}

#[test]
fn a_leader_that_loses_its_ballot_while_it_raises_it_claims_nothing() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    let stranded = ballot.next(NodeId::new(3));
    for _ in 0..6 {
        world.step(Input::Timer(Timer::Heartbeat));
        world.hear_beat(Heartbeat { promised: stranded, leader_ok: true, ..beat() });
    }
    assert_eq!(world.told_leads(), Some(Some(ballot)), "it raises its ballot");
    let (ballot, first, chosen) = (Ballot::new(9, PEER), Slot::FIRST, Slot::FIRST);
    let decrees = vec![Decree::Noop];
    world.hear(Message::Paxos(Paxos::Immediate(Immediate::Accept {
        ballot,
        first,
        decrees,
        chosen,
    })));
    world.step(Input::Timer(Timer::Heartbeat));
    assert_eq!(world.told_leads(), Some(None), "another one leads");
}

#[test]
fn a_link_that_works_one_way_is_no_link() {
    let mut world = World::new();
    for _ in 0..3 {
        world.step(Input::Timer(Timer::Heartbeat));
        world.hear_beat(Heartbeat { hears: Vec::new(), ..beat() });
        world.step(Input::Timer(Timer::Campaign));
    }
    assert_eq!(world.replica.status().promised, Ballot::ZERO, "nobody would hear its Prepare");
    let leads = Some(OLD);
    let deaf = Heartbeat { leads, follows: leads, leader_ok: true, hears: Vec::new(), ..beat() };
    world.hear_beat(deaf);
    assert!(!world.replica.status().leader_ok, "its leader does not hear it");
}

#[test]
fn a_leader_that_gets_nothing_done_is_discontent() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    world.hear_beat(Heartbeat { leader_ok: true, ..beat() });
    assert!(world.replica.status().leader_ok);
    world.ask(RequestBody::Open { opening: Opening::first(ClientId::new(1)) });
    for tick in 1..=STALL_TICKS + 1 {
        world.step(Input::Timer(Timer::Heartbeat));
        world.hear_beat(Heartbeat { leader_ok: true, tick, ..beat() });
    }
    assert!(!world.replica.status().leader_ok, "slot 0 is open and nobody votes");
}

#[test]
fn a_leader_whose_reads_wait_in_vain_is_discontent_and_an_idle_one_is_not() {
    for asks in [true, false] {
        let mut world = World::new();
        let ballot = world.campaign();
        world.promise(ballot, 0, Vec::new());
        if asks {
            world.ask(RequestBody::Query(Bytes::new()));
        }
        for tick in 1..=STALL_TICKS + 1 {
            world.hear_beat(Heartbeat { leader_ok: true, tick, ..beat() });
            world.step(Input::Timer(Timer::Heartbeat));
        }
        assert_eq!(world.replica.status().leader_ok, !asks);
    }
}

#[test]
fn who_promised_a_ballot_gives_it_time() {
    let mut world = World::new();
    world.hear_beat(beat());
    let (ballot, first) = (Ballot::new(8, PEER), Slot::FIRST);
    world.hear(Message::Paxos(Paxos::AfterSync(AfterSync::Prepare { ballot, first })));
    assert_eq!(world.replica.status().promised, ballot);
    world.step(Input::Timer(Timer::Campaign));
    assert_eq!(world.replica.status().promised, ballot, "it would have campaigned above it");
}

#[test]
fn a_leader_that_is_cut_off_refuses_and_nobody_is_sent_to_it() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    world.replies.clear();
    for _ in 0..7 {
        world.step(Input::Timer(Timer::Heartbeat));
    }
    assert_eq!(world.replica.status().leads, Some(ballot), "it does lead, for all it knows");
    let refused = Response::Refused(Refusal::NotLeader { leader: None });
    world.ask(RequestBody::Query(Bytes::new()));
    assert_eq!(world.replies, std::slice::from_ref(&refused));

    // A follower hears that its leader is discontent, and sends no client there.
    let mut follower = World::new();
    let satisfied = Heartbeat { leads: Some(OLD), leader_ok: true, ..beat() };
    follower.hear_beat(satisfied.clone());
    follower.ask(RequestBody::Query(Bytes::new()));
    let sent = Response::Refused(Refusal::NotLeader { leader: Some(PEER) });
    assert_eq!(follower.replies, std::slice::from_ref(&sent));
    follower.hear_beat(Heartbeat { leader_ok: false, ..satisfied });
    follower.ask(RequestBody::Query(Bytes::new()));
    assert_eq!(follower.replies, [sent, refused]);
}

#[test]
fn a_leader_with_a_full_disk_is_discontent_and_refuses_commands() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    world.step(Input::Disk(Disk::Full));
    assert!(!world.replica.status().leader_ok);
    world.ask(RequestBody::Open { opening: Opening::first(ClientId::new(1)) });
    assert_eq!(world.replies, [Response::Refused(Refusal::DiskFull)]);
}

#[test]
fn a_drained_leader_hands_over_and_takes_nothing_in() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    world.step(Input::Drain);
    world.step(Input::Timer(Timer::Heartbeat));
    assert!(world.replica.is_drained());
    world.ask(RequestBody::Query(Bytes::new()));
    assert!(matches!(world.replies[..], [Response::Refused(Refusal::NotLeader { .. })]));
    let accepts = world.sent.iter().filter(|(_, message)| {
        matches!(message, Message::Paxos(Paxos::Immediate(Immediate::Accept { .. })))
    });
    assert_eq!(accepts.count(), 0);
}

#[test]
fn a_draining_leader_waits_for_what_is_open_but_not_for_ever() {
    for voted in [true, false] {
        let mut world = World::new();
        let ballot = world.campaign();
        world.promise(ballot, 0, Vec::new());
        world.ask(RequestBody::Open { opening: Opening::first(ClientId::new(1)) });
        world.step(Input::Drain);
        for _ in 0..DRAIN_TICKS {
            world.step(Input::Timer(Timer::Heartbeat));
        }
        assert!(!world.replica.is_drained(), "slot 0 is open");
        if voted {
            world.accept_all(ballot, 1);
        }
        world.step(Input::Timer(Timer::Heartbeat));
        assert!(world.replica.is_drained());
        let told = match voted {
            true => matches!(world.replies[..], [Response::Opened(_)]),
            false => matches!(world.replies[..], [Response::Uncertain { .. }]),
        };
        assert!(told, "{:?}", world.replies);
    }
}

#[test]
fn a_draining_leader_hands_over_as_soon_as_nothing_is_open() {
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    world.ask(RequestBody::Query(Bytes::new()));
    world.step(Input::Drain);
    world.step(Input::Timer(Timer::Heartbeat));
    assert!(!world.replica.is_drained(), "a read waits");
    world.echo(ballot);
    assert_eq!(world.replies, [Response::Reply(Bytes::from_static(b"answer"))]);
    world.step(Input::Timer(Timer::Heartbeat));
    assert!(world.replica.is_drained());
}

#[test]
fn a_payload_has_a_bound() {
    // A value of one mebibyte, a key of four kibibytes, and their framing.
    let max = (1 << 20) + (8 << 10);
    let mut world = World::new();
    let ballot = world.campaign();
    world.promise(ballot, 0, Vec::new());
    world.ask(RequestBody::Open { opening: Opening::first(ClientId::new(1)) });
    world.accept_all(ballot, 1);
    let Some(Response::Opened(session)) = world.replies.pop() else { panic!("no session") };
    let command = |bytes| RequestBody::Command {
        session,
        sequence: Sequence::FIRST,
        unanswered: Sequence::FIRST,
        payload: Bytes::from(vec![0; bytes]),
    };
    world.ask(command(max + 1));
    assert!(matches!(world.replies[..], [Response::Refused(Refusal::Invalid(_))]));
    world.replies.clear();
    world.ask(command(max));
    world.accept_all(ballot, 2);
    assert_eq!(world.replies, [Response::Reply(Bytes::new())]);
}
