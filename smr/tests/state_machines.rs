//! What the test of state machines refuses, and in which words; and that ours pass it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::unwrap_in_result, reason = "a failed unwrap is a failed test")]
#![allow(clippy::disallowed_types, reason = "machines that are wrong use what ours must not")]
#![allow(clippy::wildcard_enum_match_arm, reason = "each place asks for what is wrong there")]

mod driver;
#[path = "model/machine.rs"]
#[allow(dead_code, reason = "the model alone asks for the list")]
mod machine;

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use synod_smr::testing::{CommandRun, Flaw, FlawKind, Unequal, check, check_restore};
use synod_smr::{
    Invalid, NoSnapshot, RestoreError, SnapshotPieces, SnapshotView, StateMachine, mix,
};

/// What is wrong with an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wrong {
    #[default]
    Nothing,
    ReplyOfChance,
    AnswerOfChance,
    ValidatesByChance,
    QuestionCounts,
    DigestIgnoresCommands,
    SnapshotForgetsFees,
    SnapshotForgetsFeesAndSoDoesTheRest,
    RestoreForgetsFees,
    RestoreLeavesFees,
    RestoreRefuses,
    RestoreStopsEarly,
    ViewMoves,
    NoSnapshots,
}

/// A balance, and the fees paid; a command adds its byte, and each third one costs a fee of one.
#[derive(Debug, Default)]
struct Account {
    wrong: Wrong,
    balance: u64,
    commands: u64,
    fees: u64,
    asked: Cell<u64>,
    shared: Arc<Mutex<Vec<u8>>>,
}

fn chance() -> u64 {
    RandomState::new().hash_one(0)
}

impl Account {
    fn written(&self) -> Vec<u8> {
        let fees = match self.wrong {
            Wrong::SnapshotForgetsFees | Wrong::SnapshotForgetsFeesAndSoDoesTheRest => 0,
            _ => self.fees,
        };
        [self.balance, self.commands, fees].map(u64::to_le_bytes).concat()
    }
}

impl StateMachine for Account {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        let by_chance = self.wrong == Wrong::ValidatesByChance && chance().is_multiple_of(2);
        if command.len() == 1 && !by_chance { Ok(()) } else { Err(Invalid::new("one byte")) }
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.balance += u64::from(command[0]);
        self.commands += 1;
        self.fees += u64::from(self.commands.is_multiple_of(3));
        *self.shared.lock().unwrap() = self.written();
        let reply = if self.wrong == Wrong::ReplyOfChance { chance() } else { self.fees };
        Bytes::copy_from_slice(&reply.to_le_bytes())
    }

    fn query(&self, query: &[u8]) -> Bytes {
        self.asked.set(self.asked.get() + 1);
        let answer = match query {
            _ if self.wrong == Wrong::AnswerOfChance => chance(),
            b"fees" => self.fees,
            b"commands" => self.commands,
            _ => self.balance,
        };
        Bytes::copy_from_slice(&answer.to_le_bytes())
    }

    fn digest(&self) -> u64 {
        let is_hidden = self.wrong == Wrong::SnapshotForgetsFeesAndSoDoesTheRest;
        let fees = if is_hidden { 0 } else { self.fees };
        let is_ignored = self.wrong == Wrong::DigestIgnoresCommands;
        let commands = if is_ignored { 0 } else { self.commands };
        let asked = if self.wrong == Wrong::QuestionCounts { self.asked.get() } else { 0 };
        [self.balance, commands, fees, asked].into_iter().fold(0, |sum, field| mix(sum ^ field))
    }

    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        match self.wrong {
            Wrong::NoSnapshots => Err(NoSnapshot),
            Wrong::ViewMoves => {
                let shared = Arc::clone(&self.shared);
                *shared.lock().unwrap() = self.written();
                let read = move || shared.lock().unwrap().clone().into();
                Ok(SnapshotView::pieces(std::iter::once_with(read)))
            }
            _ => Ok(SnapshotView::whole(self.written())),
        }
    }

    fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        if self.wrong == Wrong::RestoreRefuses {
            return Err(RestoreError::Malformed("a letter in it".to_owned()));
        }
        self.balance = u64::from_le_bytes(snapshot.take_array()?);
        self.commands = u64::from_le_bytes(snapshot.take_array()?);
        if self.wrong == Wrong::RestoreStopsEarly {
            return Ok(());
        }
        let fees = u64::from_le_bytes(snapshot.take_array()?);
        match self.wrong {
            Wrong::RestoreForgetsFees => self.fees = 0,
            Wrong::RestoreLeavesFees => self.fees = self.fees.max(fees),
            _ => self.fees = fees,
        }
        snapshot.end()
    }
}

/// Commands of one byte, and some that are not let in.
fn commands() -> CommandRun {
    CommandRun::drawn(1, 40, |draw| match draw.below(8) {
        0 => b"two".to_vec(),
        _ => vec![draw.byte() % 3],
    })
}

fn flaw(wrong: Wrong, run: CommandRun) -> Flaw {
    let new = || Account { wrong, ..Account::default() };
    check(new, &[run]).expect_err("it is wrong")
}

/// Demands that the words have these in them.
fn assert_says(flaw: &Flaw, words: &[&str]) {
    let text = flaw.to_string();
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    assert_eq!(format!("{flaw:?}"), text, "a failed test prints what is meant for people");
}

#[test]
fn a_machine_that_keeps_its_promises_passes() {
    let runs = [commands().asking(["", "fees"]), commands(), CommandRun::of_bytes(3, 60, 2)];
    let checked = check(Account::default, &runs).unwrap();
    assert!(checked.applied > 60 && checked.refused > 10 && checked.states > 30, "{checked:?}");
    let drawn = |seed| CommandRun::of_bytes(seed, 9, 5);
    assert_eq!(drawn(4), drawn(4));
    assert_ne!(drawn(4), drawn(5));
}

#[test]
fn a_machine_that_is_not_deterministic_is_refused() {
    let of_reply = flaw(Wrong::ReplyOfChance, commands());
    let FlawKind::Replicas(Unequal::Reply { .. }) = of_reply.kind() else { panic!("{of_reply}") };
    let words = ["run 0, after 1 commands", "two replicas", "differ: the reply is", "hash map"];
    assert_says(&of_reply, &words);
    assert_eq!(of_reply.commands(), &commands().commands()[..1]);
    let of_answer = flaw(Wrong::AnswerOfChance, commands().asking(["fees"]));
    let FlawKind::Replicas(Unequal::Answer { .. }) = of_answer.kind() else {
        panic!("{of_answer}")
    };
    assert_says(&of_answer, &["the answer to \"fees\" is"]);
    let let_in = flaw(Wrong::ValidatesByChance, commands());
    assert_eq!(let_in.kind(), &FlawKind::LetInByOne);
    assert_says(&let_in, &["one of two replicas of the same state", "a clock"]);
}

#[test]
fn a_machine_that_a_question_changes_is_refused() {
    let flaw = flaw(Wrong::QuestionCounts, commands());
    let FlawKind::ChangedByLooking { .. } = flaw.kind() else { panic!("{flaw}") };
    assert_says(&flaw, &["`query` or `snapshot` has changed the state: the digest was 0x"]);
}

#[test]
fn a_digest_that_ignores_a_field_is_refused() {
    // Without bytes that change the balance, the count of commands is all that states differ in.
    let run = CommandRun::new([[0], [0]]);
    let of_answer = flaw(Wrong::DigestIgnoresCommands, run.clone().asking(["commands"]));
    let FlawKind::DigestIgnores { unequal: Unequal::Answer { .. }, .. } = of_answer.kind() else {
        panic!("{of_answer}")
    };
    assert_says(
        &of_answer,
        &["after 1 commands", "the answer to \"commands\"", "`digest` ignores"],
    );
    // A field that no question shows is in the snapshot.
    let of_bytes = flaw(Wrong::DigestIgnoresCommands, run);
    let FlawKind::DigestIgnores { unequal: Unequal::Snapshot { .. }, .. } = of_bytes.kind() else {
        panic!("{of_bytes}")
    };
    assert_says(&of_bytes, &["after 1 commands", "of 24 and 24 bytes differ from byte 8 on"]);
    // Two runs that come to different states by the same digest are compared as well.
    let new = || Account { wrong: Wrong::DigestIgnoresCommands, ..Account::default() };
    let runs = [CommandRun::new([[2]]), CommandRun::new([[1], [1]])];
    let across = check(new, &runs).unwrap_err();
    assert_says(
        &across,
        &["run 1, after 2 commands", "this state has the digest of an earlier one"],
    );
}

#[test]
fn a_snapshot_that_forgets_a_field_is_refused() {
    let shown = flaw(Wrong::SnapshotForgetsFees, commands());
    let FlawKind::Restored(Unequal::Digest { .. }) = shown.kind() else { panic!("{shown}") };
    assert_says(&shown, &["what `restore` made of `snapshot` differs: the digest is"]);
    let hidden = flaw(Wrong::SnapshotForgetsFeesAndSoDoesTheRest, commands());
    let FlawKind::GoesOnDifferently { unequal: Unequal::Reply { .. }, .. } = hidden.kind() else {
        panic!("{hidden}")
    };
    assert_says(&hidden, &["looks the same, and differs", "neither `snapshot` nor `query` shows"]);
}

#[test]
fn a_restoring_that_forgets_or_leaves_a_field_is_refused() {
    let forgets = flaw(Wrong::RestoreForgetsFees, commands().asking(["", "fees"]));
    let FlawKind::Restored(Unequal::Answer { .. }) = forgets.kind() else { panic!("{forgets}") };
    assert_says(&forgets, &["the answer to \"fees\"", "Look for a field that one of them forgets"]);
    let leaves = flaw(Wrong::RestoreLeavesFees, commands());
    let FlawKind::RestoredOverAnother(_) = leaves.kind() else { panic!("{leaves}") };
    assert_says(&leaves, &["a field that `restore` leaves as it was"]);
}

#[test]
fn a_restoring_that_refuses_or_does_not_read_to_the_end_is_refused() {
    let refuses = flaw(Wrong::RestoreRefuses, commands());
    assert_says(&refuses, &["`restore` refuses its own snapshot", "a letter in it"]);
    let early = flaw(Wrong::RestoreStopsEarly, commands());
    assert_eq!(early.kind(), &FlawKind::NotReadToItsEnd);
    assert_says(&early, &["leaves bytes of its own snapshot unread"]);
}

#[test]
fn a_view_that_moves_with_the_state_is_refused() {
    let flaw = flaw(Wrong::ViewMoves, commands());
    let FlawKind::ViewMoves(_) = flaw.kind() else { panic!("{flaw}") };
    assert_says(&flaw, &["taken before the last command shows it", "must own what it reads from"]);
}

#[test]
fn a_machine_without_snapshots_and_a_run_of_nothing_are_refused() {
    let none = flaw(Wrong::NoSnapshots, commands());
    assert_eq!(none.kind(), &FlawKind::NoSnapshot);
    assert_says(&none, &["write StateMachine::snapshot and StateMachine::restore"]);
    let nothing = flaw(Wrong::Nothing, CommandRun::new(["two", "many"]));
    assert_eq!(nothing.kind(), &FlawKind::NothingApplied);
    assert_says(&nothing, &["no command was let in"]);
    let mut pieces = std::iter::empty();
    let error = Small.restore(&mut SnapshotPieces::new(&mut pieces)).unwrap_err();
    assert_eq!(error, RestoreError::Unsupported(NoSnapshot));
    assert_eq!(Small.snapshot().unwrap_err(), NoSnapshot);
}

/// A machine of the four functions that each has, and no more.
struct Small;

impl StateMachine for Small {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }

    fn apply(&mut self, _: &[u8]) -> Bytes {
        Bytes::new()
    }

    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }

    fn digest(&self) -> u64 {
        0
    }
}

#[test]
fn a_snapshot_that_was_kept_is_tried_by_itself() {
    let kept = [7_u64, 3, 1].map(u64::to_le_bytes).concat();
    let account = check_restore(Account::default, kept.clone()).unwrap();
    assert_eq!((account.balance, account.commands, account.fees), (7, 3, 1));
    let short = check_restore(Account::default, kept[..23].to_vec()).unwrap_err();
    assert_says(&short, &["the snapshot ends 7 bytes on, where 8 were to be read"]);
    let long = check_restore(Account::default, [&kept[..], b"x"].concat()).unwrap_err();
    assert_says(&long, &["goes on where it should end"]);
    let forgets = || Account { wrong: Wrong::RestoreForgetsFees, ..Account::default() };
    let changed = check_restore(forgets, kept).unwrap_err();
    assert_says(&changed, &["the snapshots of 24 and 24 bytes differ from byte 16 on"]);
}

#[test]
fn the_machines_of_these_tests_pass() {
    let numbers = CommandRun::drawn(1, 40, |draw| draw.number().to_le_bytes().to_vec());
    check(driver::Appender::default, &[numbers, CommandRun::of_bytes(2, 40, 8)]).unwrap();
    let letters = CommandRun::drawn(1, 40, |draw| vec![draw.byte()]);
    let checked = check(machine::Written::default, &[letters]).unwrap();
    assert_eq!((checked.applied, checked.states), (40, 41));
}
