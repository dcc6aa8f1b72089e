//! What the table of sessions holds at most, and who is evicted for whom.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use bytes::Bytes;
use proptest::prelude::*;
use synod_paxos::Slot;
use synod_smr::{
    Fingerprint, KEPT_BYTES, KeptReply, Principal, SESSION_BYTES, SESSIONS_MAX,
    SESSIONS_PER_PRINCIPAL_MAX, Sequence, SessionId, SessionLimits, SessionVerdict, Sessions,
};

/// A table whose every change has a slot of its own.
struct World {
    sessions: Sessions,
    slot: Slot,
}

impl World {
    fn new(limits: SessionLimits) -> Self {
        Self { sessions: Sessions::new(limits), slot: Slot::FIRST }
    }

    fn open(&mut self, who: &str) -> SessionId {
        self.slot = self.slot.next();
        self.sessions.open(self.slot, 0, Principal::of_name(who))
    }

    fn open_all(&mut self, who: &str, count: usize) {
        for _ in 0..count {
            self.open(who);
        }
    }

    /// Applies a command whose reply has so many bytes, with all earlier ones answered.
    fn apply(&mut self, id: SessionId, who: &str, sequence: u64, bytes: usize) {
        self.slot = self.slot.next();
        let (sequence, reply) = (Sequence(sequence), Bytes::from(vec![7; bytes]));
        self.sessions.touch(id, Principal::of_name(who), sequence, self.slot);
        self.sessions.keep(id, sequence, Fingerprint::of(b""), KeptReply::Whole(reply));
    }

    fn standing(&self, id: SessionId, who: &str, sequence: u64) -> SessionVerdict {
        let print = Fingerprint::of(b"");
        self.sessions.standing(id, Principal::of_name(who), Sequence(sequence), print)
    }

    fn has(&self, id: SessionId) -> bool {
        self.sessions.owner(id).is_some()
    }
}

/// Four sessions, three of one principal, and bytes for each to keep a reply of 100 bytes.
fn tiny() -> SessionLimits {
    let one = SESSION_BYTES + KEPT_BYTES + 100;
    SessionLimits {
        sessions: 4,
        sessions_per_principal: 3,
        bytes: 4 * one,
        bytes_per_principal: 3 * one,
        kept_reply_bytes: 1000,
    }
}

#[test]
fn the_session_of_a_principal_that_is_idle_longest_is_evicted() {
    let mut world = World::new(tiny());
    let ids: Vec<_> = (0..3).map(|_| world.open("alice")).collect();
    world.apply(ids[0], "alice", 1, 1);
    let fourth = world.open("alice");
    assert!(!world.has(ids[1]), "it was used least lately");
    assert!([ids[0], ids[2], fourth].into_iter().all(|id| world.has(id)));
    assert_eq!(world.sessions.len(), 3);
}

#[test]
fn who_opens_many_evicts_its_own() {
    let mut world = World::new(tiny());
    let bob = world.open("bob");
    for _ in 0..20 {
        world.open("mallory");
    }
    assert!(world.has(bob), "bob's was idle longest, yet it is bob's only one");
    let carol = world.open("carol");
    assert!(world.has(bob) && world.has(carol), "who has most makes room for others");
    assert_eq!(world.sessions.len(), 4);
}

#[test]
fn the_default_limits_hold_the_sessions_that_they_name() {
    let mut world = World::new(SessionLimits::default());
    let first = world.open("alice");
    world.open_all("alice", SESSIONS_PER_PRINCIPAL_MAX - 1);
    assert!(world.has(first));
    world.open("alice");
    assert!(!world.has(first));
    let bob = world.open("bob");
    world.open_all("bob", SESSIONS_PER_PRINCIPAL_MAX - 1);
    assert_eq!(world.sessions.len(), SESSIONS_MAX);
    world.open("carol");
    assert_eq!(world.sessions.len(), SESSIONS_MAX);
    assert!(world.sessions.bytes() < SessionLimits::default().bytes);
    assert_ne!(world.has(bob), world.standing(bob, "bob", 1) == SessionVerdict::Expired);
}

#[test]
fn replies_have_a_bound_and_the_idle_pay_for_them() {
    let mut world = World::new(tiny());
    let ids: Vec<_> = (0..3).map(|_| world.open("alice")).collect();
    ids.iter().for_each(|id| world.apply(*id, "alice", 1, 100));
    assert!(ids.iter().all(|id| world.has(*id)), "just as much as fits");
    world.apply(ids[2], "alice", 2, 101);
    assert!(!world.has(ids[0]), "a byte more");
    assert!(world.has(ids[1]) && world.has(ids[2]));
    assert!(matches!(
        world.standing(ids[2], "alice", 2),
        SessionVerdict::Applied(KeptReply::Whole(reply)) if reply.len() == 101
    ));
}

#[test]
fn all_together_have_a_bound_and_who_has_most_pays() {
    let one = SESSION_BYTES + KEPT_BYTES + 100;
    let mut world = World::new(SessionLimits { bytes: 3 * one, ..tiny() });
    let bob = world.open("bob");
    world.apply(bob, "bob", 1, 100);
    let alice = [world.open("alice"), world.open("alice")];
    alice.iter().for_each(|id| world.apply(*id, "alice", 1, 100));
    world.apply(bob, "bob", 2, 101);
    assert!(world.has(bob) && !world.has(alice[0]) && world.has(alice[1]));
    assert!(world.sessions.bytes() <= 3 * one);
}

#[test]
fn a_reply_that_fits_nowhere_is_not_kept_and_costs_nobody_else_a_thing() {
    let one = SESSION_BYTES + KEPT_BYTES + 100;
    let mut world = World::new(SessionLimits { bytes_per_principal: one, ..tiny() });
    let (bob, alice) = (world.open("bob"), world.open("alice"));
    world.apply(alice, "alice", 1, 101);
    assert_eq!(world.standing(alice, "alice", 1), SessionVerdict::Applied(KeptReply::Lost));
    assert!(world.has(bob));
    world.apply(alice, "alice", 2, 100);
    assert!(matches!(
        world.standing(alice, "alice", 2),
        SessionVerdict::Applied(KeptReply::Whole(_))
    ));
}

/// What is left of a reply that fits nowhere takes room, too, and who has most of the rest pays.
#[test]
fn to_know_that_a_command_was_applied_takes_room_within_the_limit() {
    let bytes = 2 * SESSION_BYTES + KEPT_BYTES + 150;
    let mut world = World::new(SessionLimits { bytes, ..tiny() });
    let (bob, alice) = (world.open("bob"), world.open("alice"));
    world.apply(bob, "bob", 1, 100);
    assert!(world.has(bob) && world.has(alice) && world.sessions.bytes() <= bytes);
    world.apply(alice, "alice", 1, 300);
    assert!(world.sessions.bytes() <= bytes, "{} of {bytes}", world.sessions.bytes());
    assert_eq!(world.standing(alice, "alice", 1), SessionVerdict::Applied(KeptReply::Lost));
    assert!(!world.has(bob));
}

#[test]
fn a_table_is_known_by_what_is_in_it_and_not_by_how_that_came() {
    let (mut long, mut short) = (World::new(tiny()), World::new(tiny()));
    let id = long.open("alice");
    assert_eq!(short.open("alice"), id);
    long.apply(id, "alice", 1, 50);
    short.slot = short.slot.next();
    assert_ne!(long.sessions.digest(), short.sessions.digest());
    [&mut long, &mut short].into_iter().for_each(|world| world.apply(id, "alice", 2, 60));
    assert_eq!(long.sessions, short.sessions);
    assert_eq!(long.sessions.digest(), short.sessions.digest());
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Open(usize),
    Apply(usize, usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        (0..3_usize).prop_map(Deed::Open),
        (any::<usize>(), 0..400_usize).prop_map(|(which, bytes)| Deed::Apply(which, bytes)),
    ];
    prop::collection::vec(deed, 1..60)
}

proptest! {
    #[test]
    fn no_deed_leads_past_a_limit(deeds in deeds()) {
        let names = ["alice", "bob", "carol"];
        let (mut world, limits) = (World::new(tiny()), tiny());
        let mut opened: Vec<(SessionId, &str, u64)> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Open(who) => opened.push((world.open(names[who]), names[who], 1)),
                Deed::Apply(which, bytes) if !opened.is_empty() => {
                    let which = which % opened.len();
                    let (id, who, sequence) = &mut opened[which];
                    world.apply(*id, who, *sequence, bytes);
                    *sequence += 1;
                }
                Deed::Apply(..) => {}
            }
            for name in names {
                let theirs = opened.iter().filter(|(id, who, _)| *who == name && world.has(*id));
                prop_assert!(theirs.count() <= limits.sessions_per_principal);
            }
            prop_assert!(world.sessions.len() <= limits.sessions);
            prop_assert!(world.sessions.bytes() <= limits.bytes);
            let last = opened.last().map(|(id, ..)| *id);
            prop_assert!(matches!(deed, Deed::Apply(..)) || last.is_some_and(|id| world.has(id)));
        }
    }
}
