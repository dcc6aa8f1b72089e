//! Sessions: exactly once, whatever is sent twice, late, or never answered.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

use bytes::Bytes;
use synod_paxos::{Decree, Slot};
use synod_smr::{
    ClientId, Command, CommandBatch, Executor, Invalid, KEPT_REPLY_BYTES_MAX, Opening,
    PIPELINE_MAX, Principal, REPLY_BYTES_MAX, Refusal, Response, Sequence, SessionId,
    SessionLimits, StateMachine,
};

/// Adds the first byte of a command to a sum; the reply is as long as the second byte says.
#[derive(Clone, Debug, Default)]
struct Sum(u64);

impl StateMachine for Sum {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.0 += u64::from(command[0]);
        let len = match command.get(1) {
            Some(b'k') => KEPT_REPLY_BYTES_MAX + 1,
            Some(b'm') => REPLY_BYTES_MAX,
            Some(_) => REPLY_BYTES_MAX + 1,
            None => 1,
        };
        Bytes::from(vec![u8::try_from(self.0).unwrap(); len])
    }

    fn query(&self, query: &[u8]) -> Bytes {
        Bytes::from(vec![0; REPLY_BYTES_MAX + query.len()])
    }

    fn digest(&self) -> u64 {
        self.0
    }
}

struct World {
    executor: Executor<Sum>,
    session: SessionId,
}

impl World {
    fn new() -> Self {
        let mut executor = Executor::new(Sum::default());
        let mut session = None;
        let opening = Opening::first(ClientId::new(1));
        let open = Command::Open { principal: alice(), opening };
        executor.apply(&decree(open), |_, response| match response {
            Response::Opened(id) => session = Some(id),
            other => panic!("{other:?}"),
        });
        Self { executor, session: session.unwrap() }
    }

    /// Applies a command as the log would, and returns what its client is told.
    fn apply(&mut self, sequence: u64, unanswered: u64, payload: &'static [u8]) -> Response {
        self.apply_as(alice(), sequence, unanswered, payload)
    }

    fn apply_as(
        &mut self,
        principal: Principal,
        sequence: u64,
        unanswered: u64,
        payload: &'static [u8],
    ) -> Response {
        let command = Command::Apply {
            principal,
            session: self.session,
            sequence: Sequence(sequence),
            unanswered: Sequence(unanswered),
            payload: Bytes::from_static(payload),
        };
        let mut told = None;
        self.executor.apply(&decree(command), |_, response| told = Some(response));
        told.unwrap()
    }

    fn sum(&self) -> u64 {
        self.executor.machine().0
    }
}

fn alice() -> Principal {
    Principal::of_name("alice")
}

fn decree(command: Command) -> Decree<CommandBatch> {
    Decree::Value(CommandBatch::encode(&[command]))
}

fn reply(number: u8) -> Response {
    Response::Reply(Bytes::from(vec![number]))
}

#[test]
fn a_repeated_command_is_applied_once_and_answered_twice() {
    let mut world = World::new();
    assert_eq!(world.apply(1, 1, b"\x05"), reply(5));
    assert_eq!(world.apply(1, 1, b"\x05"), reply(5));
    assert_eq!(world.sum(), 5);
}

#[test]
fn another_command_under_the_same_number_is_refused() {
    let mut world = World::new();
    world.apply(1, 1, b"\x05");
    assert_eq!(world.apply(1, 1, b"\x06"), Response::Refused(Refusal::SequenceReused));
    assert_eq!(world.sum(), 5);
}

#[test]
fn a_number_that_was_answered_is_refused_for_ever() {
    let mut world = World::new();
    world.apply(1, 1, b"\x05");
    world.apply(2, 2, b"\x01");
    assert_eq!(world.apply(1, 1, b"\x05"), Response::Refused(Refusal::SequenceStale));
    assert_eq!(world.sum(), 6);
}

#[test]
fn pipelined_commands_apply_in_any_order() {
    let mut world = World::new();
    assert_eq!(world.apply(3, 1, b"\x03"), reply(3));
    assert_eq!(world.apply(1, 1, b"\x01"), reply(4));
    assert_eq!(world.apply(2, 1, b"\x02"), reply(6));
    assert_eq!(world.apply(3, 1, b"\x03"), reply(3), "kept while it may be asked for");
}

#[test]
fn the_window_follows_what_the_client_has() {
    let mut world = World::new();
    let far = 1 + PIPELINE_MAX;
    assert_eq!(world.apply(far, 1, b"\x01"), Response::Refused(Refusal::PipelineFull));
    assert_eq!(world.apply(far, far, b"\x01"), reply(1), "nothing in between is waited for");
}

#[test]
fn somebody_else_has_no_part_in_a_session() {
    let mut world = World::new();
    let mallory = Principal::of_name("mallory");
    let told = world.apply_as(mallory, 1, 1, b"\x05");
    assert_eq!(told, Response::Refused(Refusal::SessionExpired));
    world.apply_as(mallory, 9, 9, b"\x05");
    assert_eq!(world.apply(1, 1, b"\x05"), reply(5), "nor can they move its window");
}

#[test]
fn a_reply_that_is_too_long_is_not_kept_and_the_command_not_repeated() {
    let mut world = World::new();
    assert!(matches!(world.apply(1, 1, b"\x05k"), Response::Reply(_)));
    assert_eq!(world.apply(1, 1, b"\x05k"), Response::Refused(Refusal::ReplyLost));
    assert_eq!(world.sum(), 5);
}

#[test]
fn a_reply_that_reaches_nobody_is_refused_by_name_and_the_command_applied_once() {
    let mut world = World::new();
    assert!(matches!(world.apply(1, 1, b"\x05m"), Response::Reply(_)), "the longest of all");
    for _ in 0..2 {
        let told = world.apply(2, 1, b"\x03-");
        assert_eq!(told, Response::Refused(Refusal::ReplyTooLong), "the repetition hears the same");
    }
    assert_eq!(world.sum(), 8);
    assert!(matches!(world.executor.query(b""), Response::Reply(_)));
    assert_eq!(world.executor.query(b"-"), Response::Refused(Refusal::ReplyTooLong));
}

#[test]
fn the_digest_covers_sessions_and_the_replies_that_they_keep() {
    let mut world = World::new();
    let digest = |world: &World| world.executor.sessions().digest();
    let opened = digest(&world);
    world.apply(1, 1, b"\x05");
    let replied = digest(&world);
    assert_ne!(opened, replied);
    let mut other = World::new();
    other.apply(1, 1, b"\x06");
    assert_ne!(digest(&other), replied, "another reply is another table");
    assert_eq!(digest(&World::new()), opened);
    assert_ne!(Executor::new(Sum::default()).sessions().digest(), opened);
}

#[test]
fn states_that_differ_in_their_sessions_alone_are_told_apart() {
    let lone = SessionLimits { sessions: 1, ..SessionLimits::default() };
    let state = |limits| {
        let mut executor = Executor::with_limits(Sum::default(), limits);
        for number in 1..=2 {
            let opening = Opening::first(ClientId::new(number));
            executor.apply(&decree(Command::Open { principal: alice(), opening }), |_, _| {});
        }
        executor
    };
    let (one, both) = (state(lone), state(SessionLimits::default()));
    assert_eq!((one.sessions().len(), both.sessions().len()), (1, 2));
    assert_eq!((one.applied(), one.chain()), (both.applied(), both.chain()));
    assert_ne!(one.digest(), both.digest());
}

/// A session is used at one slot or at another, and was opened at one or at another: each of these
/// decides what is evicted and what is answered later.
#[test]
fn the_digest_tells_where_a_session_was_opened_and_last_used() {
    #[derive(Clone, Copy)]
    enum Step {
        Nothing,
        Open,
        Use(u64),
    }
    let digest = |steps: [Step; 4]| {
        let mut executor = Executor::new(Sum::default());
        for step in steps {
            let command = match step {
                Step::Nothing => None,
                Step::Open => {
                    let opening = Opening::first(ClientId::new(1));
                    Some(Command::Open { principal: alice(), opening })
                }
                Step::Use(opened) => Some(Command::Apply {
                    principal: alice(),
                    session: SessionId { slot: Slot::new(opened), position: 0 },
                    sequence: Sequence(1),
                    unanswered: Sequence(1),
                    payload: Bytes::from_static(b"\x05"),
                }),
            };
            executor.apply(&command.map_or(Decree::Noop, decree), |_, _| {});
        }
        assert_eq!((executor.sessions().len(), executor.machine().0), (1, 5));
        executor.sessions().digest()
    };
    let usual = digest([Step::Open, Step::Nothing, Step::Use(0), Step::Nothing]);
    let opened_later = digest([Step::Nothing, Step::Open, Step::Use(1), Step::Nothing]);
    let used_later = digest([Step::Open, Step::Nothing, Step::Nothing, Step::Use(0)]);
    assert_ne!(usual, opened_later);
    assert_ne!(usual, used_later);
}
