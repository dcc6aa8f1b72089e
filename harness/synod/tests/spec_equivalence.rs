//! The guards of `Conformance` are those of the relation: both say the same of every event.
//!
//! Behaviours of the relation are walked at random. In each state that is reached, every event of
//! a small universe, possible or not, is put to both, and they must agree on it. So the follower,
//! which decides its guards by counting, is neither stricter than the relation, which tries every
//! quorum, nor looser. Where the two are meant to differ is said at the place.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test says what it compared")]

use std::collections::{BTreeMap, BTreeSet};
use synod_paxos::{
    AfterSync, Configuration, Decree, Immediate, Message as Paxos, NodeId, Report, To, Vote,
};
use synod_simulated::spec::conformance::{Conformance, Deviation};
use synod_simulated::spec::multi_paxos::{Action, Broken, MultiPaxos, Promise, Slot, State};
use synod_simulated::spec::{Acceptor, Ballot, quorums};
use synod_smr::{ClientId, Command, CommandBatch, Message, Opening, Principal, Record};

/// How many acceptors there are, and how many are quorums of the two phases.
#[derive(Clone, Copy)]
struct Sizes(u8, usize, usize);

/// One behaviour, as the relation and as the follower have it.
struct Walk {
    relation: MultiPaxos,
    state: State,
    follower: Conformance,
    /// What each acceptor may truly report in each ballot: its votes at any moment of it.
    moments: BTreeSet<Promise>,
    random: u64,
    /// How often both agreed that an event is possible, and that it is not.
    agreed: [u64; 2],
}

const LAST: Slot = 3;

#[test]
fn voting_is_judged_as_the_relation_judges_it() {
    let mut agreed = [0, 0];
    for sizes in [Sizes(3, 2, 2), Sizes(4, 3, 2), Sizes(4, 2, 3), Sizes(5, 3, 3)] {
        for seed in 0..16 {
            let mut walk = Walk::new(sizes, seed, false);
            for _ in 0..45 {
                walk.compare_voting();
                walk.compare_promises();
                walk.go_on();
            }
            assert!(walk.relation.agreement(&walk.state) && walk.relation.safe_at(&walk.state));
            agreed = [agreed[0] + walk.agreed[0], agreed[1] + walk.agreed[1]];
        }
    }
    println!("voting: {} events are possible to both, {} to neither", agreed[0], agreed[1]);
    assert!(agreed[0] > 20_000 && agreed[1] > 100_000, "{agreed:?}");
}

#[test]
fn learning_is_judged_as_the_relation_judges_it() {
    let mut agreed = [0, 0];
    for seed in 0..60 {
        let mut walk = Walk::new(Sizes(3, 2, 2), seed, true);
        for _ in 0..70 {
            walk.compare_learning();
            walk.compare_announced();
            walk.go_on();
        }
        assert!(walk.relation.learned_is_chosen(&walk.state));
        agreed = [agreed[0] + walk.agreed[0], agreed[1] + walk.agreed[1]];
    }
    println!("learning: {} events are possible to both, {} to neither", agreed[0], agreed[1]);
    assert!(agreed[0] > 5_000 && agreed[1] > 50_000, "{agreed:?}");
}

impl Walk {
    fn new(Sizes(count, phase1, phase2): Sizes, seed: u64, learns: bool) -> Self {
        let acceptors: BTreeSet<Acceptor> = (1..=count).collect();
        let all = usize::from(count);
        let relation = MultiPaxos {
            values: [1, 2].into(),
            quorum1: (phase1..=all).flat_map(|size| quorums(count, size)).collect(),
            quorum2: quorums(count, phase2),
            owner: [(1, 1), (2, 2), (3, 3), (4, 1)].into(),
            last: LAST,
            learners: if learns { acceptors.clone() } else { BTreeSet::new() },
            acceptors,
            noop: 0,
            late: false,
            torn: false,
            broken: Broken::No,
        };
        let nodes = (1..=u16::from(count)).map(NodeId::new);
        let voters = Configuration::flexible(nodes, phase1, phase2).unwrap();
        Self {
            state: relation.init(),
            relation,
            follower: Conformance::new(&voters),
            moments: BTreeSet::new(),
            random: seed.wrapping_mul(0xD6E8_FEB8_6659_FD93),
            agreed: [0, 0],
        }
    }

    /// Draws a number below `bound` (SplitMix64).
    fn draw(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    /// Takes an enabled action in both. An owner promises its ballot as it asks for it, and by no
    /// message; that is how the follower is told of `Phase1a`.
    fn go_on(&mut self) {
        let mut enabled = self.relation.enabled(&self.state);
        let changes = |action: &Action| match *action {
            Action::Phase1a(b) => {
                let owner = self.relation.owner[&b];
                let promised = self.state.promised.get(&owner);
                !self.state.prepares.contains(&b) && promised.is_none_or(|promised| *promised < b)
            }
            Action::Phase1b(a, b, _) => self.relation.owner[&b] != a,
            // The specification lets a node announce in a ballot that it never began.
            Action::Announce(_, b, _) if !self.state.prepares.contains(&b) => false,
            Action::Phase2a(..)
            | Action::Phase2b(..)
            | Action::Choose(..)
            | Action::Announce(..)
            | Action::Learn(..)
            | Action::Copy(..) => {
                self.relation.next(&self.state, action).as_ref() != Some(&self.state)
            }
        };
        enabled.retain(changes);
        if enabled.is_empty() {
            return;
        }
        let action = enabled[self.draw(enabled.len())];
        let next = self.relation.next(&self.state, &action).unwrap();
        if let Action::Phase2b(a, (_, b, _)) = action {
            // A vote in a higher ballot is that ballot's promise and, a moment later, the vote.
            let promised = self.state.promised.insert(a, b);
            self.note_moments();
            promised.map(|promised| self.state.promised.insert(a, promised));
        }
        self.state = match action {
            Action::Phase1a(b) => {
                let owner = self.relation.owner[&b];
                let end = self.relation.chosen_up_to(&next, owner);
                self.relation.next(&next, &Action::Phase1b(owner, b, end)).unwrap()
            }
            Action::Phase1b(..)
            | Action::Phase2a(..)
            | Action::Phase2b(..)
            | Action::Choose(..)
            | Action::Announce(..)
            | Action::Learn(..)
            | Action::Copy(..) => next,
        };
        self.tell(action).unwrap_or_else(|breach| panic!("{action:?} is enabled: {breach}"));
        self.note_moments();
    }

    /// Tells the follower of an action that was taken.
    fn tell(&mut self, action: Action) -> Result<(), Deviation> {
        let before = self.state.clone();
        match action {
            Action::Phase1a(b) => {
                self.follower.on_durable(node(self.relation.owner[&b]), &[self.promised(b)])
            }
            Action::Phase1b(a, b, _) => {
                self.follower.on_durable(node(a), &[self.promised(b)])?;
                let told = before.promises.iter().find(|m| m.acc == a && m.bal == b).unwrap();
                self.follower.on_sent(node(a), &To::Peers, &self.promise(told))
            }
            Action::Phase2a(b, s, d) => self.accept(b, s, d),
            Action::Phase2b(a, w) => self.follower.on_durable(node(a), &[self.vote(w)]),
            Action::Choose(a, (s, _, d)) => self.learn(a, s, d),
            Action::Announce(a, b, c) => self.announce(a, b, c),
            Action::Learn(a, m) => {
                let news = (1..m.1).filter(|s| before.learned.contains_key(&(a, *s)));
                news.into_iter().try_for_each(|s| self.learn(a, s, before.learned[&(a, s)]))
            }
            Action::Copy(a, _, s, d) => self.learn(a, s, d),
        }
    }

    /// Notes what may be reported: the votes of each acceptor at this moment of its ballot.
    fn note_moments(&mut self) {
        for (a, b) in &self.state.promised {
            let vote = |s: Slot| self.state.accepted.get(&(*a, s)).map(|vote| (s, *vote));
            let votes = (1..=LAST).filter_map(vote).collect();
            self.moments.insert(Promise { acc: *a, bal: *b, chosen: 1, votes });
        }
    }

    /// Puts an event to the follower, without taking it, and holds its answer against the other.
    fn compare(
        &mut self,
        what: &dyn std::fmt::Debug,
        expected: bool,
        put: impl Fn(&mut Self) -> Result<(), Deviation>,
    ) {
        let kept = self.follower.clone();
        let answer = put(self);
        self.follower = kept;
        match answer {
            Ok(()) if !expected => panic!("{what:?} is followed in {:?}", self.state),
            Err(breach) if expected => panic!("{what:?} is refused in {:?}: {breach}", self.state),
            Ok(()) | Err(_) => self.agreed[usize::from(!expected)] += 1,
        }
    }

    /// Compares all records and proposals of the universe that are not mere repetitions.
    fn compare_voting(&mut self) {
        let owners: Vec<(Ballot, Acceptor)> =
            self.relation.owner.iter().map(|(b, a)| (*b, *a)).collect();
        let acceptors: Vec<Acceptor> = self.relation.acceptors.iter().copied().collect();
        for (b, owner) in owners {
            for a in acceptors.iter().copied() {
                if self.was_promised(a, b) {
                    continue;
                }
                let end = self.relation.chosen_up_to(&self.state, a);
                let action = Action::Phase1b(a, b, end);
                let asks = (a == owner).then(|| self.after(&self.state, Action::Phase1a(b)));
                let begun = asks.flatten().unwrap_or_else(|| self.state.clone());
                let expected = self.after(&begun, action).is_some();
                self.compare(&action, expected, |walk| {
                    walk.follower.on_durable(node(a), &[walk.promised(b)])
                });
            }
            for (s, d) in (1..=LAST).flat_map(|s| (0..=2).map(move |d| (s, d))) {
                let proposal = Action::Phase2a(b, s, d);
                let proposed = self.after(&self.state, proposal);
                if !self.state.accepts.contains(&(s, b, d)) {
                    self.compare(&proposal, proposed.is_some(), |walk| walk.accept(b, s, d));
                }
                for a in acceptors.iter().copied() {
                    self.compare_vote(a, (s, b, d), proposed.as_ref().filter(|_| a == owner));
                }
            }
        }
    }

    /// Compares a vote. The leader's own vote says that it proposed, too.
    fn compare_vote(&mut self, a: Acceptor, w: (Slot, Ballot, u8), proposed: Option<&State>) {
        if self.state.cast.contains(&(a, w)) {
            return;
        }
        let action = Action::Phase2b(a, w);
        let expected = self.after(proposed.unwrap_or(&self.state), action).is_some();
        self.compare(&action, expected, |walk| walk.follower.on_durable(node(a), &[walk.vote(w)]));
    }

    /// Compares promises that tell the votes of some acceptor, all but one of them, or one more.
    fn compare_promises(&mut self) {
        let mut told = self.moments.clone();
        for promise in &self.moments {
            for s in 1..=LAST {
                for vote in [None, Some((1, 0)), Some((1, 1)), Some((2, 1)), Some((2, 2))] {
                    let mut other = promise.clone();
                    match vote {
                        Some(vote) => other.votes.insert(s, vote),
                        None => other.votes.remove(&s),
                    };
                    told.insert(other);
                }
            }
        }
        for promise in told {
            let expected = self.moments.contains(&promise);
            self.compare(&promise, expected, |walk| {
                walk.follower.on_sent(node(promise.acc), &To::Peers, &walk.promise(&promise))
            });
        }
    }

    /// Compares all that nodes may take for chosen, and all announcements.
    fn compare_learning(&mut self) {
        let acceptors: Vec<Acceptor> = self.relation.acceptors.iter().copied().collect();
        let taught: BTreeMap<(Acceptor, Slot), BTreeSet<u8>> = self.teachable();
        for a in acceptors {
            for (s, d) in (1..=LAST).flat_map(|s| (0..=2).map(move |d| (s, d))) {
                let known = self.state.learned.get(&(a, s)).copied();
                let teachable = taught.get(&(a, s)).is_some_and(|decrees| decrees.contains(&d));
                let expected = known.map_or(teachable, |known| known == d);
                self.compare(&(a, s, d), expected, |walk| walk.learn(a, s, d));
            }
        }
        for (b, owner) in self.relation.owner.clone() {
            // Of what a node has yet to learn it is said to have learned it first.
            let known = (1..=LAST).take_while(|s| self.state.learned.contains_key(&(owner, *s)));
            for c in 2..=u8::try_from(known.count()).unwrap() + 1 {
                if self.state.prepares.contains(&b) {
                    let action = Action::Announce(owner, b, c);
                    let expected = self.after(&self.state, action).is_some();
                    self.compare(&action, expected, |walk| walk.announce(owner, b, c));
                }
            }
        }
    }

    /// Compares proposals with what their ballot announced: none is made below, and what the
    /// relation takes above is followed. Of its own prefix the follower knows what is on a disk, so
    /// it may allow a candidate more than the relation does.
    fn compare_announced(&mut self) {
        let last_of = |state: &State, b: Ballot| {
            let announced = state.announced.iter().filter(|m| m.0 == b);
            announced.map(|m| m.1).max().unwrap_or(1)
        };
        for b in self.relation.owner.clone().into_keys() {
            let announced = last_of(&self.state, b);
            for (s, d) in (1..=LAST).flat_map(|s| (0..=2).map(move |d| (s, d))) {
                let action = Action::Phase2a(b, s, d);
                let is_fresh = self.state.accepts.iter().all(|w| (w.0, w.1) != (s, b));
                let expected = self.after(&self.state, action).is_some();
                if is_fresh && (expected || s < announced) {
                    self.compare(&action, expected, |walk| walk.accept(b, s, d));
                }
            }
        }
    }

    /// Lists what each node can learn by one action.
    fn teachable(&self) -> BTreeMap<(Acceptor, Slot), BTreeSet<u8>> {
        let mut taught: BTreeMap<(Acceptor, Slot), BTreeSet<u8>> = BTreeMap::new();
        for action in self.relation.enabled(&self.state) {
            let next = self.after(&self.state, action).unwrap();
            for (at, decree) in next.learned {
                taught.entry(at).or_default().insert(decree);
            }
        }
        taught
    }

    fn after(&self, state: &State, action: Action) -> Option<State> {
        self.relation.next(state, &action)
    }

    fn was_promised(&self, a: Acceptor, b: Ballot) -> bool {
        self.moments.iter().any(|moment| moment.acc == a && moment.bal == b)
    }

    fn ballot(&self, b: Ballot) -> synod_paxos::Ballot {
        synod_paxos::Ballot::new(b.into(), node(self.relation.owner[&b]))
    }

    fn promised(&self, b: Ballot) -> Record {
        Record::Promised(self.ballot(b))
    }

    fn vote(&self, (s, b, d): (Slot, Ballot, u8)) -> Record {
        Record::Accepted { ballot: self.ballot(b), slot: slot(s), decree: decree(d) }
    }

    fn promise(&self, promise: &Promise) -> Message {
        let line = |(s, (b, d)): (&Slot, &(Ballot, u8))| {
            (slot(*s), Report::Voted(Vote { ballot: self.ballot(*b), decree: decree(*d) }))
        };
        Message::Paxos(Paxos::AfterSync(AfterSync::Promise {
            ballot: self.ballot(promise.bal),
            first: synod_paxos::Slot::FIRST,
            end: None,
            chosen: slot(promise.chosen),
            reports: promise.votes.iter().map(line).collect(),
        }))
    }

    fn accept(&mut self, b: Ballot, s: Slot, d: u8) -> Result<(), Deviation> {
        let accept = Message::Paxos(Paxos::Immediate(Immediate::Accept {
            ballot: self.ballot(b),
            first: slot(s),
            decrees: vec![decree(d)],
            chosen: synod_paxos::Slot::FIRST,
        }));
        self.follower.on_sent(node(self.relation.owner[&b]), &To::Peers, &accept)
    }

    fn announce(&mut self, a: Acceptor, b: Ballot, c: Slot) -> Result<(), Deviation> {
        let announcement = Immediate::Chosen { ballot: self.ballot(b), chosen: slot(c) };
        let announcement = Message::Paxos(Paxos::Immediate(announcement));
        self.follower.on_sent(node(a), &To::Peers, &announcement)
    }

    fn learn(&mut self, a: Acceptor, s: Slot, d: u8) -> Result<(), Deviation> {
        self.follower.on_learned(node(a), slot(s), &decree(d))
    }
}

fn node(a: Acceptor) -> NodeId {
    NodeId::new(a.into())
}

/// The relation counts slots from one.
fn slot(s: Slot) -> synod_paxos::Slot {
    synod_paxos::Slot::new(u64::from(s) - 1)
}

fn decree(d: u8) -> Decree<CommandBatch> {
    let principal = Principal::of_name("me");
    match d {
        0 => Decree::Noop,
        count => {
            let opening = Opening { client: ClientId::new(0), count: count.into() };
            let open = Command::Open { principal, opening };
            Decree::Value(CommandBatch::encode(&[open]))
        }
    }
}
