//! What a client does at a node that has its payload and does not answer.
//!
//! A payload is long: it goes elsewhere when its node does not lead any more, and not before. And a
//! leader that is gone is left as fast as ever.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "lone/naming.rs"]
mod naming;

use bytes::Bytes;
use naming::naming;
use std::collections::VecDeque;
use synod_paxos::{NodeId, Slot};
use synod_smr::client::{
    ATTEMPT_MS, ATTEMPT_MS_MAX, Client, ClientEffects, ClientInput, HELD_MS, HELD_MS_MAX, Millis,
    NotSent, Operation, Outcome, Ticket, Unsent,
};
use synod_smr::{ClientId, RequestBody, RequestId, Response, SessionId};

const SILENT: NodeId = NodeId::new(1);
const SECOND: NodeId = NodeId::new(2);
const THIRD: NodeId = NodeId::new(3);

/// One client with a session, whose command is out at the silent node since the instant 0.
struct World {
    client: Client,
    effects: ClientEffects,
    now: u64,
    /// Whom the others name, if they answer at all.
    named: Option<[Option<NodeId>; 2]>,
    /// When the payload was sent, and where to.
    sent: Vec<(u64, NodeId)>,
    /// When others were asked.
    asked: Vec<u64>,
    last: RequestId,
}

impl World {
    fn new(number: u128, named: Option<[Option<NodeId>; 2]>) -> Self {
        Self::of(vec![SILENT, SECOND, THIRD], number, named)
    }

    fn of(nodes: Vec<NodeId>, number: u128, named: Option<[Option<NodeId>; 2]>) -> Self {
        let mut world = Self {
            client: Client::new(nodes, ClientId::new(3 * number), 0),
            effects: ClientEffects::default(),
            now: 0,
            named,
            sent: Vec::new(),
            asked: Vec::new(),
            last: RequestId(0),
        };
        world.submit(1);
        let session = SessionId { slot: Slot::FIRST, position: 0 };
        world.answer(SILENT, Response::Opened(session));
        assert_eq!(world.sent, [(0, SILENT)]);
        world
    }

    fn step(&mut self, input: ClientInput) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.client.step(Millis(self.now), input, &mut self.effects);
            for (to, request) in std::mem::take(&mut self.effects.requests) {
                match request.body {
                    RequestBody::Status => {
                        self.asked.push(self.now);
                        let Some(named) = self.named else { continue };
                        let named = if to == SECOND { named[0] } else { named[1] };
                        let (id, response) = (request.id, naming(to, named));
                        inputs.push_back(ClientInput::Response { from: to, id, response });
                    }
                    RequestBody::Command { .. } => self.sent.push((self.now, to)),
                    RequestBody::Open { .. }
                    | RequestBody::Query(_)
                    | RequestBody::FetchSnapshot { .. } => {}
                }
                if !matches!(request.body, RequestBody::Status) {
                    self.last = request.id;
                }
            }
        }
    }

    /// Has one more command wait.
    fn submit(&mut self, ticket: u64) {
        let operation = Operation::Command(Bytes::from_static(b"payload"));
        let deadline = Millis(self.now + 60_000);
        self.step(ClientInput::Submit { ticket: Ticket(ticket), operation, deadline });
    }

    fn answer(&mut self, from: NodeId, response: Response) {
        self.answer_to(self.last, from, response);
    }

    fn answer_to(&mut self, id: RequestId, from: NodeId, response: Response) {
        self.step(ClientInput::Response { from, id, response });
    }

    /// Lets time pass to an instant, with every timer on its way.
    fn pass(&mut self, end: u64) {
        while let Some(Millis(at)) = self.effects.wake_at.filter(|at| at.0 <= end) {
            assert!(at >= self.now, "no wish for the past");
            self.now = at;
            self.step(ClientInput::Timer);
        }
        self.now = end;
    }
}

#[test]
fn a_silent_node_that_nobody_names_is_left_at_once() {
    let mut world = World::new(0, Some([None, None]));
    world.pass(ATTEMPT_MS);
    assert_eq!(world.sent, [(0, SILENT), (ATTEMPT_MS, SECOND)]);
}

#[test]
fn the_payload_goes_to_the_node_that_another_one_names() {
    for named in [[Some(THIRD), Some(THIRD)], [None, Some(THIRD)], [Some(THIRD), Some(SILENT)]] {
        let mut world = World::new(0, Some(named));
        world.pass(ATTEMPT_MS);
        assert_eq!(world.sent, [(0, SILENT), (ATTEMPT_MS, THIRD)]);
    }
}

/// A reply that took long shows that the leader is loaded: the next payload is not sent twice
/// within twice that time, and one that is lost is made up for within the bound.
#[test]
fn the_payload_stays_longer_at_a_leader_whose_replies_take_long() {
    for (took, held) in [(1_000, HELD_MS), (2_000, 4_000), (2_900, 5_800)] {
        let mut world = World::new(0, Some([Some(SILENT); 2]));
        world.pass(took);
        world.answer(SILENT, Response::Reply(Bytes::new()));
        world.submit(2);
        world.pass(took + held - 1);
        assert_eq!(world.sent, [(0, SILENT), (took, SILENT)]);
        world.pass(took + held);
        assert_eq!(world.sent[2..], [(took + held, SILENT)], "it may have been lost");
    }
    // The reply to an earlier attempt took longer than the one that is out has been.
    let mut world = World::new(0, Some([Some(SILENT); 2]));
    let first = world.last;
    world.pass(HELD_MS + 500);
    world.answer_to(first, SILENT, Response::Reply(Bytes::new()));
    world.submit(2);
    world.pass(HELD_MS + 500 + HELD_MS_MAX - 1);
    assert_eq!(world.sent, [(0, SILENT), (HELD_MS, SILENT), (HELD_MS + 500, SILENT)]);
}

#[test]
fn the_payload_stays_where_others_say_that_the_leader_is() {
    for named in [[Some(SILENT), Some(SILENT)], [None, Some(SILENT)]] {
        let mut world = World::new(0, Some(named));
        world.pass(HELD_MS - 1);
        assert_eq!(world.sent, [(0, SILENT)]);
        let asked: Vec<_> = world.asked.iter().step_by(2).collect();
        assert_eq!(asked[..4], [&250, &500, &750, &1250], "more and more seldom");
        world.pass(HELD_MS);
        assert_eq!(world.sent, [(0, SILENT), (HELD_MS, SILENT)], "it may have been lost");
        world.named = Some([Some(THIRD); 2]);
        world.pass(HELD_MS + ATTEMPT_MS_MAX);
        assert_eq!(world.sent.len(), 3);
        assert_eq!(world.sent[2].1, THIRD);
        world.answer(THIRD, Response::Reply(Bytes::new()));
        assert_eq!(world.effects.outcomes, [(Ticket(1), Outcome::Ok(Bytes::new()))]);
    }
}

#[test]
fn others_that_say_nothing_hold_nobody_up_for_long() {
    let mut world = World::new(0, None);
    world.pass(2 * ATTEMPT_MS);
    assert_eq!(world.sent, [(0, SILENT), (2 * ATTEMPT_MS, SECOND)]);
    let mut world = World::new(0, None);
    world.pass(ATTEMPT_MS);
    world.step(ClientInput::Lost(SECOND));
    world.step(ClientInput::Lost(THIRD));
    assert_eq!(world.sent.last(), Some(&(ATTEMPT_MS, SECOND)), "nobody is left to be asked");
}

#[test]
fn the_only_node_keeps_what_it_has() {
    let mut world = World::of(vec![SILENT], 0, None);
    world.pass(HELD_MS - 1);
    assert_eq!((&world.sent[..], world.asked.len()), (&[(0, SILENT)][..], 0));
    world.pass(HELD_MS);
    assert_eq!(world.sent, [(0, SILENT), (HELD_MS, SILENT)], "it may have been lost");
}

#[test]
fn patience_lasts_from_the_last_word_up_to_a_bound() {
    let mut world = World::new(0, Some([None, None]));
    for at in (0..=900).step_by(100) {
        world.pass(at);
        world.step(ClientInput::Heard(SILENT, Millis(at)));
    }
    world.pass(900 + ATTEMPT_MS - 1);
    assert_eq!((world.sent.len(), world.asked.len()), (1, 0));
    world.pass(900 + ATTEMPT_MS);
    assert_eq!(world.sent, [(0, SILENT), (900 + ATTEMPT_MS, SECOND)]);

    let mut world = World::new(0, Some([None, None]));
    for at in (0..=ATTEMPT_MS_MAX).step_by(100) {
        world.step(ClientInput::Heard(SILENT, Millis(at)));
        world.pass(at);
    }
    assert_eq!(world.sent, [(0, SILENT), (ATTEMPT_MS_MAX, SECOND)], "words alone do not suffice");
}

#[test]
fn neither_another_node_nor_what_did_not_leave_is_a_sign_of_life() {
    let mut world = World::new(0, Some([None, None]));
    world.pass(200);
    world.step(ClientInput::Heard(THIRD, Millis(200)));
    let unsent = Unsent { to: SILENT, id: RequestId(99), cause: NotSent::QueueFull };
    world.step(ClientInput::NotSent(vec![unsent]));
    world.pass(ATTEMPT_MS);
    assert_eq!(world.sent, [(0, SILENT), (ATTEMPT_MS, SECOND)]);
}

/// Sixty-four clients write at once, and their leader needs 30 ms for each.
#[test]
fn a_slow_leader_is_sent_each_payload_once() {
    let mut worlds: Vec<_> =
        (0..64).map(|number| World::new(number, Some([Some(SILENT); 2]))).collect();
    for turn in 0..worlds.len() {
        let now = 30 * (turn as u64 + 1);
        worlds.iter_mut().for_each(|world| world.pass(now));
        worlds[turn].answer(SILENT, Response::Reply(Bytes::new()));
    }
    let sent: usize = worlds.iter().map(|world| world.sent.len()).sum();
    assert_eq!(sent, worlds.len());
    assert!(worlds.iter().all(|world| world.effects.outcomes.len() == 1));
}
