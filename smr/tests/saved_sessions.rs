//! Sessions that were saved in a snapshot and taken back.
//!
//! The claims: the table that took them back is equal to the one that saved them, byte for byte in
//! what they are written as; and what no table saves is refused, by its name, and changes nothing.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use bytes::Bytes;
use proptest::prelude::*;
use synod_paxos::{Decree, Slot};
use synod_smr::wire::{
    StateDescription, WireError, decode_description, decode_session, encode_description,
    encode_session,
};
use synod_smr::{
    ClientId, Command, CommandBatch, Executor, Fingerprint, Invalid, KEPT_REPLY_BYTES_MAX,
    KeptReply, NamedCommand, NoSnapshot, Opening, PIPELINE_MAX, Principal, RestoreError,
    SavedReply, SavedSession, Sequence, SessionId, SessionLimits, Sessions, SnapshotPieces,
    SnapshotView, StateMachine, UnsavedSession,
};

const LIMITS: SessionLimits = SessionLimits {
    sessions: 6,
    sessions_per_principal: 4,
    bytes: 4_000,
    bytes_per_principal: 2_500,
    kept_reply_bytes: 300,
};

/// A change of a table, as commands bring it about.
#[derive(Clone, Copy, Debug)]
enum Change {
    Open { who: u8 },
    Keep { whose: usize, ahead: u64, length: usize, answered: u64 },
    TooLong { whose: usize },
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        1 => (0u8..3).prop_map(|who| Change::Open { who }),
        3 => (0usize..6, 0u64..3, 0usize..400, 0u64..3).prop_map(
            |(whose, ahead, length, answered)| Change::Keep { whose, ahead, length, answered },
        ),
        1 => (0usize..6).prop_map(|whose| Change::TooLong { whose }),
    ];
    prop::collection::vec(change, 0..60)
}

/// Applies changes, each in a slot of its own.
fn table(changes: &[Change]) -> Sessions {
    let mut sessions = Sessions::new(LIMITS);
    let mut opened: Vec<(SessionId, Principal, u64, u64)> = Vec::new();
    for (slot, change) in (1..).map(Slot::new).zip(changes) {
        match *change {
            Change::Open { who } => {
                let principal = Principal::of_name(&format!("client {who}"));
                opened.push((sessions.open(slot, 0, principal), principal, 1, 1));
            }
            Change::Keep { whose, ahead, length, answered } => {
                let count = opened.len();
                let Some(session) = opened.get_mut(whose % count.max(1)) else { continue };
                let reply = KeptReply::Whole(Bytes::from(vec![7; length]));
                keep(&mut sessions, session, (ahead, answered), slot, reply);
            }
            Change::TooLong { whose } => {
                let count = opened.len();
                let Some(session) = opened.get_mut(whose % count.max(1)) else { continue };
                keep(&mut sessions, session, (0, 0), slot, KeptReply::TooLong);
            }
        }
    }
    sessions
}

/// Keeps the reply to the next command of a session whose client may have more answers than before.
fn keep(
    sessions: &mut Sessions,
    (id, principal, next, unanswered): &mut (SessionId, Principal, u64, u64),
    (ahead, answered): (u64, u64),
    slot: Slot,
    reply: KeptReply,
) {
    let sequence = *next + ahead;
    if sequence >= *unanswered + PIPELINE_MAX || sessions.owner(*id).is_none() {
        return;
    }
    *unanswered = (*unanswered + answered).min(sequence);
    let command = NamedCommand {
        session: *id,
        principal: *principal,
        sequence: Sequence(sequence),
        unanswered: Sequence(*unanswered),
        payload: Fingerprint::of(&[1, 2]),
    };
    sessions.apply_once(command, slot, || reply);
    *next = sequence + 1;
}

fn taken_back(saved: impl IntoIterator<Item = SavedSession>) -> Result<Sessions, UnsavedSession> {
    let mut sessions = Sessions::new(LIMITS);
    saved.into_iter().try_for_each(|session| sessions.take_back(session))?;
    Ok(sessions)
}

proptest! {
    #[test]
    fn a_table_that_was_saved_comes_back_as_it_was(changes in changes()) {
        let sessions = table(&changes);
        let written: Vec<Bytes> = sessions.saved().map(|saved| encode_session(&saved)).collect();
        let read = written.iter().map(|bytes| decode_session(bytes).unwrap());
        let back = taken_back(read).unwrap();
        prop_assert_eq!(&back, &sessions);
        let again: Vec<Bytes> = back.saved().map(|saved| encode_session(&saved)).collect();
        prop_assert_eq!(again, written);
    }

    /// A byte that is lost, added or changed is refused or makes another session, and no panic.
    #[test]
    fn damaged_sessions_are_never_taken_for_the_one_that_was_saved(
        changes in changes(),
        place in any::<prop::sample::Index>(),
        flip in 1u8..=255,
    ) {
        for saved in table(&changes).saved() {
            let bytes = encode_session(&saved);
            for end in 0..bytes.len() {
                prop_assert!(decode_session(&bytes.slice(..end)).is_err(), "cut at {}", end);
            }
            let mut longer = bytes.to_vec();
            longer.push(flip);
            prop_assert!(decode_session(&longer.into()).is_err());
            let mut flipped = bytes.to_vec();
            flipped[place.index(bytes.len())] ^= flip;
            prop_assert_ne!(decode_session(&flipped.into()), Ok(saved));
        }
    }
}

fn saved(slot: u64) -> SavedSession {
    SavedSession {
        id: SessionId { slot: Slot::new(slot), position: 0 },
        principal: Principal::of_name("alice"),
        used: Slot::new(slot + 3),
        unanswered: Sequence(5),
        replies: vec![reply(5), reply(7)],
    }
}

fn reply(sequence: u64) -> SavedReply {
    let reply = KeptReply::Whole(Bytes::from_static(b"done"));
    SavedReply { sequence: Sequence(sequence), payload: Fingerprint::of(b"put"), reply }
}

#[test]
fn what_no_table_saves_is_refused_by_its_name() {
    let refused = |change: &dyn Fn(&mut SavedSession)| {
        let mut second = saved(20);
        change(&mut second);
        taken_back([saved(10), second]).unwrap_err()
    };
    assert_eq!(refused(&|session| session.id = saved(10).id), UnsavedSession::Order);
    assert_eq!(refused(&|session| session.id.slot = Slot::new(9)), UnsavedSession::Order);
    assert_eq!(refused(&|session| session.used = Slot::new(19)), UnsavedSession::Used);
    assert_eq!(refused(&|session| session.unanswered = Sequence(6)), UnsavedSession::Sequence);
    assert_eq!(refused(&|session| session.replies.reverse()), UnsavedSession::Sequence);
    assert_eq!(refused(&|session| session.replies[1] = reply(5)), UnsavedSession::Sequence);
    let many = |session: &mut SavedSession| {
        session.replies = (5..=5 + PIPELINE_MAX).map(reply).collect();
    };
    assert_eq!(refused(&many), UnsavedSession::Replies);
    let long = |session: &mut SavedSession| {
        session.replies[0].reply = KeptReply::Whole(Bytes::from(vec![7; 301]));
    };
    assert_eq!(refused(&long), UnsavedSession::Length);
}

#[test]
fn no_more_sessions_are_taken_back_than_the_table_holds() {
    let one_has_too_many = (1..=5).map(|number| saved(10 * number));
    assert_eq!(taken_back(one_has_too_many).unwrap_err(), UnsavedSession::Room);
    let all = |count: u64| {
        (1..=count).map(|number| SavedSession {
            principal: Principal::of_name(&format!("client {}", number % 3)),
            ..saved(10 * number)
        })
    };
    assert_eq!(taken_back(all(6)).unwrap().len(), 6);
    assert_eq!(taken_back(all(7)).unwrap_err(), UnsavedSession::Room);
}

#[test]
fn a_description_is_read_back_and_a_session_is_none() {
    let description =
        StateDescription { slot: Slot::new(1 << 40), chain: u64::MAX, sessions: 3, digest: 7 };
    let bytes = encode_description(&description);
    assert_eq!(decode_description(&bytes), Ok(description));
    assert_eq!(decode_session(&bytes), Err(WireError::Header));
    assert_eq!(decode_description(&encode_session(&saved(1))), Err(WireError::Header));
    let far = StateDescription { slot: Slot::new(Slot::NUMBER_MAX + 1), ..description };
    assert_eq!(decode_description(&encode_description(&far)), Err(WireError::Bounds("slot")));
}

/// A machine that answers a command with half a kept reply for each that its first byte says.
#[derive(Clone, Debug, Default)]
struct Talker;

impl StateMachine for Talker {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }
    fn apply(&mut self, command: &[u8]) -> Bytes {
        Bytes::from(vec![7; usize::from(command[0]) * KEPT_REPLY_BYTES_MAX / 2])
    }
    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn digest(&self) -> u64 {
        0
    }
    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        Ok(SnapshotView::whole(Bytes::new()))
    }
    fn restore(&mut self, _: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        Ok(())
    }
}

/// Returns the state with one session that keeps as many replies as may be.
fn talked(limits: SessionLimits, length: u8) -> Executor<Talker> {
    let mut executor = Executor::with_limits(Talker, limits);
    let (principal, opening) = (Principal::of_name("alice"), Opening::first(ClientId::new(1)));
    let session = SessionId { slot: Slot::FIRST, position: 0 };
    let open = Command::Open { principal, opening };
    let talk = |number| Command::Apply {
        principal,
        session,
        sequence: Sequence(number),
        unanswered: Sequence::FIRST,
        payload: Bytes::from(vec![length]),
    };
    for command in std::iter::once(open).chain((1..=PIPELINE_MAX).map(talk)) {
        executor.apply(&Decree::Value(CommandBatch::encode(&[command])), |_, _| ());
    }
    executor
}

/// A host has limits of its own, and a state that is written down is what it goes on from.
#[test]
fn a_session_is_taken_back_however_long_the_replies_are_that_its_table_keeps() {
    let large = SessionLimits { kept_reply_bytes: 1 << 20, ..SessionLimits::default() };
    for (limits, length) in [(SessionLimits::default(), 2), (large, 4), (large, 32)] {
        let state = talked(limits, length);
        let kept = PIPELINE_MAX as usize * usize::from(length) * KEPT_REPLY_BYTES_MAX / 2;
        assert!(state.sessions().bytes() > kept, "all of it is kept");
        let (description, mut view) = state.snapshot().unwrap();
        let mut pieces = SnapshotPieces::new(&mut view);
        let back = Executor::restore(Talker, limits, &description, &mut pieces).unwrap();
        assert_eq!(back.digest(), state.digest());
    }
}
