//! The client's three outcomes, attempt by attempt.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "lone/naming.rs"]
mod naming;

use bytes::Bytes;
use naming::naming;
use std::collections::VecDeque;
use synod_paxos::{NodeId, Slot};
use synod_smr::client::{
    ATTEMPT_MS, Client, ClientEffects, ClientInput, EARLIER_MAX, Millis, NO_LEADER_MS, NotSent,
    Operation, Outcome, Reason, Ticket, Unsent,
};
use synod_smr::{ClientId, Refusal, Request, RequestBody, Response, Sequence, SessionId};

const SESSION: SessionId = SessionId { slot: Slot::FIRST, position: 0 };
const DEADLINE: u64 = 3000;

struct World {
    client: Client,
    now: u64,
    requests: Vec<(NodeId, Request)>,
    outcomes: Vec<Outcome>,
    wake: Option<Millis>,
}

impl World {
    fn new() -> Self {
        let client = Client::new([1, 2, 3].map(NodeId::new).to_vec(), ClientId::new(0), 0);
        Self { client, now: 0, requests: Vec::new(), outcomes: Vec::new(), wake: None }
    }

    /// A world whose client has a session with node 1 and one command out.
    fn with_command() -> Self {
        let mut world = Self::new();
        world.submit(Operation::Command(Bytes::from_static(b"c")));
        assert!(matches!(world.last().1.body, RequestBody::Open { .. }));
        world.answer(Response::Opened(SESSION));
        world
    }

    /// Steps the client. Whoever is asked about the others names nobody.
    fn step(&mut self, input: ClientInput) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut effects = ClientEffects::default();
            self.client.step(Millis(self.now), input, &mut effects);
            for (from, request) in effects.requests {
                if request.body == RequestBody::Status {
                    let (id, response) = (request.id, naming(from, None));
                    inputs.push_back(ClientInput::Response { from, id, response });
                } else {
                    self.requests.push((from, request));
                }
            }
            self.outcomes.extend(effects.outcomes.into_iter().map(|(_, outcome)| outcome));
            self.wake = effects.wake_at;
        }
    }

    fn submit(&mut self, operation: Operation) {
        let deadline = Millis(self.now + DEADLINE);
        self.step(ClientInput::Submit { ticket: Ticket(self.now), operation, deadline });
    }

    fn last(&self) -> &(NodeId, Request) {
        self.requests.last().unwrap()
    }

    /// Answers the last request.
    fn answer(&mut self, response: Response) {
        let (from, id) = (self.last().0, self.last().1.id);
        self.step(ClientInput::Response { from, id, response });
    }

    /// Answers a request that was made before others.
    fn answer_to(&mut self, place: usize, response: Response) {
        let (from, id) = (self.requests[place].0, self.requests[place].1.id);
        self.step(ClientInput::Response { from, id, response });
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.answer(Response::Refused(refusal));
    }

    /// The last request did not leave this end.
    fn do_not_send(&mut self, cause: NotSent) {
        let (to, id) = (self.last().0, self.last().1.id);
        self.step(ClientInput::NotSent(vec![Unsent { to, id, cause }]));
    }

    /// Lets time pass to the instant that the client asked to be woken at.
    fn wait(&mut self) {
        self.now = self.wake.unwrap().0;
        self.step(ClientInput::Timer);
    }

    fn wait_for_the_end(&mut self) -> Outcome {
        while self.outcomes.is_empty() {
            self.wait();
        }
        self.outcomes.remove(0)
    }
}

#[test]
fn a_reply_is_ok() {
    let mut world = World::with_command();
    world.answer(Response::Reply(Bytes::from_static(b"r")));
    assert_eq!(world.outcomes, [Outcome::Ok(Bytes::from_static(b"r"))]);
    assert_eq!(world.wake, None, "nothing is left to wait for");
}

#[test]
fn refused_by_all_until_the_deadline_is_not_applied() {
    let mut world = World::with_command();
    while world.outcomes.is_empty() {
        world.refuse(Refusal::NotLeader { leader: None });
        world.wait();
    }
    let refusal = Refusal::NotLeader { leader: None };
    assert_eq!(world.outcomes, [Outcome::NotApplied(Reason::Deadline(Some(refusal)))]);
}

#[test]
fn never_answered_is_unknown() {
    let mut world = World::with_command();
    assert_eq!(world.wait_for_the_end(), Outcome::Unknown(Reason::Deadline(None)));
}

#[test]
fn a_refusal_after_an_attempt_without_answer_leaves_it_unknown() {
    let mut world = World::with_command();
    world.wait();
    assert_eq!(world.last().0, NodeId::new(2), "the silent node is left");
    while world.outcomes.is_empty() {
        world.refuse(Refusal::Overloaded { retry_after_ms: 50 });
        world.wait();
    }
    assert!(matches!(world.outcomes[..], [Outcome::Unknown(_)]), "{:?}", world.outcomes);
}

#[test]
fn an_uncertain_answer_is_tried_again_under_the_same_number() {
    let mut world = World::with_command();
    let before = world.last().1.body.clone();
    world.answer(Response::Uncertain { leader: Some(NodeId::new(3)) });
    assert_eq!(world.last().0, NodeId::new(3));
    assert_eq!(world.last().1.body, before, "the same session, number and payload");
    world.answer(Response::Reply(Bytes::new()));
    assert_eq!(world.outcomes, [Outcome::Ok(Bytes::new())]);
}

#[test]
fn no_refusal_after_an_uncertain_answer_is_definite() {
    let mut world = World::with_command();
    world.answer(Response::Uncertain { leader: None });
    world.wait();
    world.refuse(Refusal::Invalid("no".to_owned()));
    assert!(matches!(world.outcomes[..], [Outcome::Unknown(_)]), "{:?}", world.outcomes);
}

#[test]
fn without_a_hint_the_next_node_is_asked_after_a_moment() {
    let mut world = World::with_command();
    world.refuse(Refusal::NotLeader { leader: None });
    assert_eq!(world.last().0, NodeId::new(1), "nobody is asked at once");
    let moment = world.wake.unwrap().0;
    assert!((NO_LEADER_MS / 2..=NO_LEADER_MS).contains(&moment), "{moment} ms");
    world.wait();
    assert_eq!((world.last().0, world.now), (NodeId::new(2), moment));
}

#[test]
fn a_lost_connection_leaves_the_attempt_open() {
    let mut world = World::with_command();
    world.step(ClientInput::Lost(NodeId::new(1)));
    world.wait();
    assert_ne!(world.last().0, NodeId::new(1));
    world.refuse(Refusal::Invalid("no".to_owned()));
    assert!(matches!(world.outcomes[..], [Outcome::Unknown(_)]), "{:?}", world.outcomes);
}

#[test]
fn an_invalid_command_is_not_applied_and_not_tried_again() {
    let mut world = World::with_command();
    let refusal = Refusal::Invalid("no".to_owned());
    world.refuse(refusal.clone());
    assert_eq!(world.outcomes, [Outcome::NotApplied(Reason::Refused(refusal))]);
}

#[test]
fn an_expired_session_moves_a_command_that_was_never_sent_twice() {
    let mut world = World::with_command();
    world.refuse(Refusal::SessionExpired);
    assert!(matches!(world.last().1.body, RequestBody::Open { .. }), "another session");
    world.answer(Response::Opened(SessionId { position: 7, ..SESSION }));
    assert!(matches!(
        world.last().1.body,
        RequestBody::Command { session: SessionId { position: 7, .. }, .. }
    ));
}

#[test]
fn an_expired_session_with_an_attempt_out_is_unknown() {
    let mut world = World::with_command();
    world.wait();
    world.refuse(Refusal::SessionExpired);
    let refused = Reason::Refused(Refusal::SessionExpired);
    assert_eq!(world.outcomes, [Outcome::Unknown(refused)]);
}

#[test]
fn a_reply_that_was_not_kept_is_unknown() {
    let mut world = World::with_command();
    world.refuse(Refusal::ReplyLost);
    assert_eq!(world.outcomes, [Outcome::Unknown(Reason::Refused(Refusal::ReplyLost))]);
}

#[test]
fn a_reply_that_is_too_long_is_no_proof_that_nothing_happened() {
    let mut world = World::with_command();
    world.refuse(Refusal::ReplyTooLong);
    let refused = Reason::Refused(Refusal::ReplyTooLong);
    assert_eq!(world.outcomes, [Outcome::Unknown(refused.clone())]);
    assert!(Refusal::ReplyTooLong.is_of_the_applied());
    let mut world = World::new();
    world.submit(Operation::Query(Bytes::new()));
    world.refuse(Refusal::ReplyTooLong);
    assert_eq!(world.outcomes, [Outcome::NotApplied(refused)], "a question changes nothing");
}

#[test]
fn a_question_is_never_unknown() {
    let mut world = World::new();
    world.submit(Operation::Query(Bytes::new()));
    assert_eq!(world.wait_for_the_end(), Outcome::NotApplied(Reason::Deadline(None)));
}

#[test]
fn a_hint_is_followed_at_once() {
    let mut world = World::with_command();
    world.refuse(Refusal::NotLeader { leader: Some(NodeId::new(3)) });
    assert_eq!((world.last().0, world.now), (NodeId::new(3), 0));
}

#[test]
fn the_first_unanswered_number_travels_with_each_command() {
    let mut world = World::with_command();
    world.answer(Response::Reply(Bytes::new()));
    world.submit(Operation::Command(Bytes::from_static(b"d")));
    let RequestBody::Command { sequence, unanswered, .. } = world.last().1.body.clone() else {
        panic!("{:?}", world.last());
    };
    assert_eq!((sequence, unanswered), (Sequence(2), Sequence(2)));
}

#[test]
fn attempts_wait_longer_once_all_nodes_were_silent() {
    let mut world = World::with_command();
    let mut instants = Vec::new();
    while world.outcomes.is_empty() {
        instants.push(world.now);
        world.wait();
    }
    let waits: Vec<_> = instants.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits[..4], [ATTEMPT_MS, ATTEMPT_MS, ATTEMPT_MS, 2 * ATTEMPT_MS]);
}

#[test]
fn a_command_that_ends_unsent_takes_no_other_with_it() {
    let mut world = World::new();
    let submit = |world: &mut World, payload, deadline| {
        let operation = Operation::Command(Bytes::from_static(payload));
        let (ticket, deadline) = (Ticket(deadline), Millis(deadline));
        world.step(ClientInput::Submit { ticket, operation, deadline });
    };
    submit(&mut world, b"brief", 100);
    submit(&mut world, b"long", DEADLINE);
    world.wait();
    assert_eq!(world.outcomes, [Outcome::NotApplied(Reason::Deadline(None))]);
    world.answer(Response::Opened(SESSION));
    let sent = world.requests.iter().filter_map(|(_, request)| match &request.body {
        RequestBody::Command { payload, .. } => Some(payload.clone()),
        RequestBody::Open { .. }
        | RequestBody::Query(_)
        | RequestBody::Status
        | RequestBody::FetchSnapshot { .. } => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), [Bytes::from_static(b"long")]);
}

fn reply() -> Response {
    Response::Reply(Bytes::from_static(b"r"))
}

/// A world in which so many attempts of an operation were given up and another one is out; and the
/// place of the first among all requests.
fn given_up(operation: Operation, attempts: usize) -> (World, usize) {
    let mut world = World::new();
    let (ticket, deadline) = (Ticket(0), Millis(60_000));
    let is_command = matches!(operation, Operation::Command(_));
    world.step(ClientInput::Submit { ticket, operation, deadline });
    if is_command {
        world.answer(Response::Opened(SESSION));
    }
    let first = world.requests.len() - 1;
    while world.requests.len() <= first + attempts {
        world.wait();
    }
    (world, first)
}

fn operations() -> [Operation; 2] {
    [Operation::Command(Bytes::from_static(b"c")), Operation::Query(Bytes::from_static(b"q"))]
}

#[test]
fn a_reply_to_an_attempt_that_was_given_up_is_ok() {
    for operation in operations() {
        let (mut world, first) = given_up(operation, 3);
        world.answer_to(first + 1, reply());
        assert_eq!(world.outcomes, [Outcome::Ok(Bytes::from_static(b"r"))]);
        assert_eq!(world.wake, None, "the attempt that is out is not waited for");
    }
}

#[test]
fn so_many_attempts_that_were_given_up_are_known_and_no_more() {
    for operation in operations() {
        let (mut world, first) = given_up(operation, EARLIER_MAX + 1);
        world.answer_to(first, reply());
        assert!(world.outcomes.is_empty(), "it is not known any more whose reply this is");
        world.answer_to(first + 1, reply());
        assert_eq!(world.outcomes, [Outcome::Ok(Bytes::from_static(b"r"))]);
    }
}

#[test]
fn an_attempt_that_was_given_up_is_told_that_it_was_applied() {
    for refusal in [Refusal::ReplyLost, Refusal::ReplyTooLong] {
        let [command, _] = operations();
        let (mut world, first) = given_up(command, 1);
        world.answer_to(first, Response::Refused(refusal.clone()));
        assert_eq!(world.outcomes, [Outcome::Unknown(Reason::Refused(refusal))]);
    }
}

#[test]
fn a_refusal_of_an_attempt_that_was_given_up_says_nothing_of_the_others() {
    let others = [
        Response::Refused(Refusal::Invalid("no".to_owned())),
        Response::Refused(Refusal::SequenceStale),
        Response::Refused(Refusal::SequenceReused),
        Response::Refused(Refusal::SessionExpired),
        Response::Refused(Refusal::NotLeader { leader: Some(NodeId::new(3)) }),
        Response::Uncertain { leader: Some(NodeId::new(3)) },
    ];
    for response in others {
        let [command, _] = operations();
        let (mut world, first) = given_up(command, 1);
        let (requests, wake) = (world.requests.clone(), world.wake);
        world.answer_to(first, response);
        assert_eq!((&world.outcomes[..], &world.requests, world.wake), (&[][..], &requests, wake));
        world.refuse(Refusal::Invalid("no".to_owned()));
        let refused = Reason::Refused(Refusal::Invalid("no".to_owned()));
        assert_eq!(world.outcomes, [Outcome::Unknown(refused)]);
    }
}

#[test]
fn an_opening_that_was_given_up_opens_its_session_and_no_later_one() {
    let mut world = World::new();
    world.submit(Operation::Command(Bytes::from_static(b"c")));
    world.wait();
    assert_eq!(world.requests.len(), 2, "it is opened elsewhere");
    world.answer_to(0, Response::Opened(SESSION));
    assert!(matches!(world.last().1.body, RequestBody::Command { session: SESSION, .. }));
    world.refuse(Refusal::SessionExpired);
    assert!(matches!(world.last().1.body, RequestBody::Open { .. }));
    world.answer_to(1, Response::Opened(SESSION));
    assert_eq!(world.requests.len(), 4, "that session is over");
}

/// A request that never left leaves no doubt, and nobody is said to have refused it.
#[test]
fn what_never_left_was_not_applied_and_was_refused_by_nobody() {
    let mut world = World::with_command();
    while world.outcomes.is_empty() {
        world.do_not_send(NotSent::NotConnected);
        world.wait();
    }
    assert_eq!(world.outcomes, [Outcome::NotApplied(Reason::Deadline(None))]);
    let asked: std::collections::BTreeSet<_> = world.requests.iter().map(|(to, _)| *to).collect();
    assert_eq!(asked.len(), 3, "each node was tried");
    assert!(world.requests.len() < 200, "in haste: {} attempts", world.requests.len());
}

/// One attempt that left and was not answered keeps the fate open, whatever did not leave later.
#[test]
fn what_left_once_stays_in_doubt_though_later_attempts_did_not_leave() {
    let mut world = World::with_command();
    world.step(ClientInput::Lost(world.last().0));
    while world.outcomes.is_empty() {
        world.wait();
        world.do_not_send(NotSent::NotConnected);
    }
    assert_eq!(world.outcomes, [Outcome::Unknown(Reason::Deadline(None))]);
}

#[test]
fn what_is_longer_than_a_frame_is_refused_at_once_and_was_not_applied() {
    let mut world = World::with_command();
    world.do_not_send(NotSent::TooLong);
    assert_eq!(world.outcomes, [Outcome::NotApplied(Reason::TooLong)]);
}

/// A full queue of this end says nothing against the node: it is asked again.
#[test]
fn a_full_queue_is_waited_for_at_the_same_node() {
    let mut world = World::with_command();
    let (to, before) = (world.last().0, world.now);
    world.do_not_send(NotSent::QueueFull);
    world.wait();
    assert_eq!(world.last().0, to);
    assert!(world.now >= before + synod_smr::client::QUEUE_FULL_MS);
}

/// What cannot be answered in time must not be carried in the place of what can.
#[test]
fn who_never_left_until_its_answer_would_be_late_gives_way_where_the_queue_is_full() {
    for (took, least) in [(0, DEADLINE * 9 / 10), (DEADLINE / 4, DEADLINE / 4)] {
        let mut world = World::with_command();
        world.now += took;
        world.answer(Response::Reply(Bytes::new()));
        (world.outcomes, world.now) = (Vec::new(), 0);
        world.submit(Operation::Command(Bytes::from_static(b"c")));
        let mut attempts = Vec::new();
        while world.outcomes.is_empty() {
            attempts.push(world.now);
            world.do_not_send(NotSent::QueueFull);
            world.wait();
        }
        let last = attempts[attempts.len() - 1];
        assert!((least..DEADLINE - 2 * took + 200).contains(&last), "{took}: {attempts:?}");
        assert_eq!(world.outcomes, [Outcome::NotApplied(Reason::Deadline(None))]);
    }
}

/// A queue that is always full when it is asked would keep a session from finding out for ever that
/// answers come soon again.
#[test]
fn a_slow_answer_of_long_ago_lets_nobody_give_way() {
    let mut world = World::with_command();
    world.now += DEADLINE * 2 / 3;
    world.answer(Response::Reply(Bytes::new()));
    world.outcomes.clear();
    for later in [DEADLINE, 60_000] {
        world.now += later;
        let (begin, before) = (world.now, world.requests.len());
        world.submit(Operation::Command(Bytes::from_static(b"c")));
        while world.outcomes.is_empty() {
            world.do_not_send(NotSent::QueueFull);
            world.wait();
        }
        assert_eq!(world.outcomes, [Outcome::NotApplied(Reason::Deadline(None))]);
        world.outcomes.clear();
        let attempts = world.requests.len() - before;
        assert_eq!(attempts > 3, later > 2 * DEADLINE, "{attempts} from {begin} on");
    }
}

/// How long an attempt took that was given up, the one that is out does not tell.
#[test]
fn an_answer_to_an_earlier_attempt_does_not_tell_how_long_answers_take() {
    let mut world = World::with_command();
    world.now += DEADLINE / 3;
    world.answer(Response::Reply(Bytes::new()));
    world.submit(Operation::Command(Bytes::from_static(b"c")));
    let (asked, first) = (world.requests.len(), world.requests.len() - 1);
    while world.requests.len() == asked {
        world.wait();
    }
    world.answer_to(first, reply());
    world.outcomes.clear();
    world.now += 1;
    world.submit(Operation::Command(Bytes::from_static(b"c")));
    let begin = world.now;
    let mut last = begin;
    while world.outcomes.is_empty() {
        last = world.now;
        world.do_not_send(NotSent::QueueFull);
        world.wait();
    }
    assert!(
        last < begin + DEADLINE / 2,
        "an attempt {} ms before the end",
        begin + DEADLINE - last
    );
}

/// Its outcome is not certain: only an answer can make it so.
#[test]
fn what_may_have_left_is_tried_to_the_end_although_the_queue_is_full() {
    let mut world = World::with_command();
    world.step(ClientInput::Lost(world.last().0));
    let mut late = 0;
    while world.outcomes.is_empty() {
        late += u64::from(world.now >= DEADLINE * 3 / 4);
        world.do_not_send(NotSent::QueueFull);
        world.wait();
    }
    assert!(late > 2, "{late}");
}

/// A command waits for the session: what refuses that refuses the command, and is told.
#[test]
fn what_refused_the_opening_is_told_at_the_deadline_of_the_command() {
    let mut world = World::new();
    world.submit(Operation::Command(Bytes::from_static(b"c")));
    while world.outcomes.is_empty() {
        world.refuse(Refusal::DiskFull);
        world.wait();
    }
    let reason = Reason::Deadline(Some(Refusal::DiskFull));
    assert_eq!(world.outcomes, [Outcome::NotApplied(reason)]);
}

/// The session is not asked for again before the command's time is up.
#[test]
fn a_command_that_comes_between_two_refused_openings_is_told_of_the_refusal() {
    let mut world = World::new();
    world.submit(Operation::Command(Bytes::from_static(b"first")));
    world.refuse(Refusal::DiskFull);
    let operation = Operation::Command(Bytes::from_static(b"second"));
    let (ticket, deadline) = (Ticket(u64::MAX), Millis(world.now + 1));
    world.step(ClientInput::Submit { ticket, operation, deadline });
    world.now += 1;
    world.step(ClientInput::Timer);
    let reason = Reason::Deadline(Some(Refusal::DiskFull));
    assert_eq!(world.outcomes, [Outcome::NotApplied(reason)]);
}

/// Says of the nodes with these numbers that they deny access for good.
fn deny(world: &mut World, nodes: &[u16]) {
    for node in nodes {
        world.step(ClientInput::Access { node: NodeId::new(*node), is_denied: true });
    }
}

#[test]
fn who_is_denied_by_every_node_is_told_so_at_once_and_does_not_wait() {
    let mut world = World::new();
    world.submit(Operation::Command(Bytes::from_static(b"c")));
    world.do_not_send(NotSent::NotConnected);
    deny(&mut world, &[1, 3, 3, 9]);
    assert_eq!(world.outcomes, [], "node 2 may grant it");
    deny(&mut world, &[2]);
    let denied = [Outcome::NotApplied(Reason::AccessDenied)];
    assert_eq!(world.outcomes, denied);
    // Nor does who comes later, and nothing is sent for it.
    let (sent, now) = (world.requests.len(), world.now);
    world.outcomes.clear();
    world.submit(Operation::Query(Bytes::from_static(b"q")));
    assert_eq!((world.outcomes.as_slice(), world.requests.len()), (&denied[..], sent));
    assert_eq!((world.now, world.wake), (now, None), "nothing is left to wait for");
}

#[test]
fn what_was_sent_before_every_node_denied_access_is_unknown() {
    let mut world = World::with_command();
    deny(&mut world, &[1, 2, 3]);
    assert_eq!(world.outcomes, [Outcome::Unknown(Reason::AccessDenied)]);
    let mut world = World::with_command();
    world.wait();
    world.refuse(Refusal::NotLeader { leader: None });
    deny(&mut world, &[1, 2, 3]);
    assert_eq!(world.outcomes, [Outcome::Unknown(Reason::AccessDenied)], "an attempt is open");
}

#[test]
fn as_soon_as_a_node_may_grant_access_operations_wait_again() {
    let mut world = World::new();
    deny(&mut world, &[1, 2, 3]);
    world.step(ClientInput::Access { node: NodeId::new(2), is_denied: false });
    world.submit(Operation::Query(Bytes::from_static(b"q")));
    assert_eq!(world.outcomes, []);
    world.answer(Response::Reply(Bytes::from_static(b"r")));
    assert_eq!(world.outcomes, [Outcome::Ok(Bytes::from_static(b"r"))]);
}
