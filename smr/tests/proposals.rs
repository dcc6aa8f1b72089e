//! Commands on their way to a slot: how they are batched, and what is too much.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use bytes::Bytes;
use synod_paxos::{NodeId, Slot, Value};
use synod_smr::{
    BATCH_COMMANDS_MAX, ClientId, Command, CommandBatch, Connection, Fingerprint, Opening,
    Principal, Proposals, Refusal, RequestId, Response, Sequence, SessionId, WAITERS_MAX,
    WAITERS_PER_COMMAND_MAX, WAITING_BYTES_MAX, WaitKey, Waiter, fingerprint,
};

const MIB: usize = 1 << 20;
const SESSION: SessionId = SessionId { slot: Slot::FIRST, position: 0 };
const LEADER: Option<NodeId> = Some(NodeId::new(2));

/// Proposals, filled by hand; each command is named by its sequence number.
#[derive(Default)]
struct World(Proposals);

impl World {
    /// Asks for a command that is `bytes` long in its batch; false if it is refused.
    fn ask(&mut self, number: u64, request: u64, bytes: usize) -> bool {
        let framing = command(number, 0).encoded_len();
        let command = command(number, bytes - framing);
        self.0.admit(awaited(number), command, waiter(request), WAITING_BYTES_MAX)
    }

    /// Asks for a small command, once.
    fn ask_small(&mut self, number: u64) -> bool {
        self.ask(number, number, 100)
    }

    /// Takes a batch for `slot`, and returns the numbers of its commands.
    fn take(&mut self, slot: u64) -> Vec<u64> {
        let batch = self.0.take(Slot::new(slot), u64::MAX);
        batch.map_or_else(Vec::new, |batch| numbers(&batch))
    }
}

fn command(number: u64, payload_bytes: usize) -> Command {
    Command::Apply {
        principal: Principal::of_name("alice"),
        session: SESSION,
        sequence: Sequence(number),
        unanswered: Sequence::FIRST,
        payload: Bytes::from(vec![0; payload_bytes]),
    }
}

fn awaited(number: u64) -> WaitKey {
    WaitKey::Apply {
        principal: Principal::of_name("alice"),
        session: SESSION,
        sequence: Sequence(number),
        payload: Fingerprint::of(&[]),
    }
}

const fn waiter(request: u64) -> Waiter {
    Waiter { connection: Connection(1), id: RequestId(request) }
}

fn numbers(batch: &CommandBatch) -> Vec<u64> {
    let numbers = batch.commands().map(|command| match command {
        Command::Apply { sequence, .. } => sequence.0,
        Command::Open { opening, .. } => opening.count,
    });
    numbers.collect()
}

#[test]
fn a_command_is_as_long_as_it_says() {
    let opening = Opening::first(ClientId::new(1));
    let open = Command::Open { principal: Principal::of_name("alice"), opening };
    for command in [open, command(1, 0), command(2, 77)] {
        let batch = CommandBatch::encode(std::slice::from_ref(&command));
        assert_eq!(command.encoded_len(), batch.bytes().len(), "{command:?}");
        assert_eq!(batch.weight(), batch.bytes().len());
    }
}

#[test]
fn bytes_with_too_many_commands_are_no_batch() {
    let open = |count| {
        let opening = Opening { client: ClientId::new(1), count };
        Command::Open { principal: Principal::of_name("alice"), opening }
    };
    let parsed = |count: usize| {
        let commands: Vec<_> = (0..count as u64).map(open).collect();
        CommandBatch::parse(CommandBatch::encode(&commands).bytes().clone())
    };
    assert_eq!(parsed(4096).unwrap().commands().count(), 4096);
    assert_eq!(parsed(4097).unwrap_err().bytes_left, 33, "the last one is too many");
}

#[test]
fn fingerprints_are_the_same_in_every_version() {
    // Computed from their definition by other means.
    assert_eq!(fingerprint(b"more than eight bytes"), 0xE0E5_0F3A_B9E0_3CC6);
    assert_eq!(Principal::of_name("alice").number(), 0x749E_5EEE_7BEB_A602);
}

#[test]
fn a_batch_takes_all_that_waits() {
    let mut world = World::default();
    assert!(!world.0.has_queued());
    (1..=3).for_each(|number| assert!(world.ask_small(number)));
    assert!(world.0.has_queued());
    assert_eq!(world.take(0), [1, 2, 3]);
    assert!(!world.0.has_queued());
    assert_eq!(world.0.take(Slot::new(1), u64::MAX), None);
}

#[test]
fn a_batch_takes_no_more_than_there_is_room_for() {
    let mut world = World::default();
    (1..=3).for_each(|number| assert!(world.ask_small(number)));
    assert_eq!(world.0.take(Slot::new(0), 99), None, "it waits as it is");
    let batch = world.0.take(Slot::new(0), 299);
    assert_eq!(batch.map(|batch| numbers(&batch)), Some(vec![1, 2]));
    assert_eq!(world.take(1), [3]);
}

#[test]
fn a_batch_has_a_mebibyte_and_one_larger_command_goes_alone() {
    let mut world = World::default();
    for (number, bytes) in [(1, MIB / 2), (2, MIB / 2), (3, 100), (4, MIB + 1), (5, 100)] {
        assert!(world.ask(number, number, bytes));
    }
    assert_eq!(world.take(0), [1, 2]);
    assert_eq!(world.take(1), [3]);
    assert_eq!(world.take(2), [4]);
    assert_eq!(world.take(3), [5]);
}

#[test]
fn a_batch_has_so_many_commands() {
    let mut world = World::default();
    let max = BATCH_COMMANDS_MAX as u64;
    (0..=max).for_each(|number| assert!(world.ask_small(number)));
    assert_eq!(world.take(0).len(), BATCH_COMMANDS_MAX);
    assert_eq!(world.take(1), [max]);
}

#[test]
fn requests_for_one_command_wait_together_up_to_a_bound() {
    let mut world = World::default();
    let max = WAITERS_PER_COMMAND_MAX as u64;
    (0..max).for_each(|request| assert!(world.ask(1, request, 100)));
    assert!(!world.ask(1, max, 100));
    assert!(world.ask(2, max, 100), "another command is another matter");
    assert_eq!(world.take(0), [1, 2], "it is proposed once");
    let waiters = world.0.settle(awaited(1));
    assert_eq!(waiters, (0..max).map(waiter).collect::<Vec<_>>());
    assert_eq!(world.0.settle(awaited(1)), []);
}

#[test]
fn waiting_requests_have_a_bound_and_an_answer_makes_room() {
    let mut world = World::default();
    let max = WAITERS_MAX as u64;
    (0..max).for_each(|number| assert!(world.ask_small(number)));
    assert!(!world.ask_small(max));
    assert_eq!(world.0.settle(awaited(0)), [waiter(0)]);
    assert!(world.ask_small(max));
    assert!(!world.ask_small(max + 1));
}

#[test]
fn bytes_have_a_bound_from_the_queue_until_they_are_chosen() {
    let mut world = World::default();
    let count = (WAITING_BYTES_MAX / MIB) as u64;
    (1..=count).for_each(|number| assert!(world.ask(number, number, MIB)));
    assert!(!world.ask_small(count + 1), "not a byte more");
    assert_eq!(world.take(7), [1]);
    assert!(!world.ask_small(count + 1), "what is open counts");
    world.0.on_chosen(Slot::new(7));
    assert!(!world.ask_small(count + 1), "slot 7 is the first that is not chosen");
    world.0.on_chosen(Slot::new(8));
    assert!(world.ask(count + 1, 0, MIB));
    assert!(!world.ask_small(count + 2));
}

#[test]
fn who_gives_up_knows_what_was_never_proposed() {
    let mut world = World::default();
    (1..=2).for_each(|number| assert!(world.ask_small(number)));
    assert_eq!(world.take(0), [1, 2]);
    (3..=4).for_each(|number| assert!(world.ask_small(number)));
    assert!(world.ask(2, 5, 100));
    let mut answers = world.0.give_up(LEADER);
    answers.sort_by_key(|(waiter, _)| waiter.id);
    let refused = || Response::Refused(Refusal::NotLeader { leader: LEADER });
    let uncertain = || Response::Uncertain { leader: LEADER };
    let expected = [uncertain(), uncertain(), refused(), refused(), uncertain()];
    assert_eq!(answers, (1..).map(waiter).zip(expected).collect::<Vec<_>>());
    assert_eq!(world.0, Proposals::default(), "nothing is left");
}
