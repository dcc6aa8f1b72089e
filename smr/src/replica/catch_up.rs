//! Catch-up: a node that lacks chosen decrees fetches them.
//!
//! A restarted or lagging node sees in heartbeats that others know a longer prefix, and asks one of
//! them, its leader first. One question is out at a time. Where the decrees are gone, the answer is
//! the first part of a snapshot: it is kept part by part, and asked for on by who has the same.
//! What this node voted for in the ballot of its leader is here, and to be announced: a copy would
//! only come on top of it. A node that lost its state to a damaged snapshot has it again the same
//! way, and asks from the slot of the state that it has. The claim kept true is one of liveness:
//! while some reachable peer knows more, a question to one of them is out or will be, at a tick
//! within a bound.

use super::Replica;
use crate::command::CommandBatch;
use crate::effects::{Disk, Effects, LogRead};
use crate::executor::Executor;
use crate::message::{Message, StatePart};
use crate::pace::RTT_TICKS_MAX;
use crate::resend::RESEND_TICKS_MAX;
use crate::state_machine::StateMachine;
use crate::wire::StateDescription;
use std::cmp::Reverse;
use synod_paxos::{Ballot, Decree, NodeId, Slot, To};

/// The most slots that one answer carries.
pub const FETCH_SLOTS_MAX: u64 = 1024;

/// The most bytes of decrees that one answer gathers; one larger decree goes alone.
pub const FETCH_BYTES_MAX: usize = 1 << 20;

/// The longest that an announcement is waited for.
const ANNOUNCED_MAX: u32 = ANNOUNCED_TICKS + RTT_TICKS_MAX + 1;

/// How many ticks a question may stay without an answer before another is asked, beside those of
/// the way there and back.
const ANSWER_TICKS: u32 = 6;

/// How often in a row the sender of a part is asked again, for twice as long each time, before
/// another peer is: that one has another snapshot, and what there is of this one goes.
const SILENCES_MAX: u32 = 3;

/// The longest that a part is waited for in ticks, however slow its way is.
const PART_TICKS_MAX: u32 = 100;

/// For how many ticks nobody is asked after a snapshot came to nothing: the same would come again,
/// and be written again.
const REST_TICKS: u32 = 25;

/// For how many ticks the announcement of what this node voted for is waited for, beside those of
/// the way there and back. It may have to be said again, and within a second it is.
pub const ANNOUNCED_TICKS: u32 = 2 + RESEND_TICKS_MAX;

/// The one question that may be out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CatchUp {
    asked: Option<Asked>,
    /// Who was asked last and did not answer in time: a slow way may bring the answer yet.
    late: Option<NodeId>,
    /// The chosen prefix at the last tick.
    before: Slot,
    /// For how many ticks the announcement of what is here has been waited for.
    announced: u32,
    receiving: Option<Receiving>,
    /// For how many ticks nobody is asked, as a snapshot came to nothing.
    rest: u32,
}

/// A snapshot that comes in parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Receiving {
    description: StateDescription,
    total: u64,
    /// How many bytes of it are kept.
    kept: u64,
    /// Who sent the part that was kept last, and for how many ticks the next one is waited for.
    from: NodeId,
    patience: u32,
    /// How often in a row that peer did not answer in time.
    silences: u32,
    /// Whether a part is on its way to the disk, or all of it waits to be installed.
    busy: bool,
}

/// What is to be done with a part of a snapshot. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartVerdict {
    /// It is to be kept.
    Keep,
    /// It is known; its sender has what comes after it, and is asked from here.
    AskOn {
        /// How many bytes are kept.
        offset: u64,
    },
    /// It is of no use.
    Drop,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    peer: NodeId,
    ticks: u32,
    /// After how many the answer is late.
    patience: u32,
    /// Whether it was asked on behind what is kept, and not for decrees.
    asks_on: bool,
}

impl CatchUp {
    /// Counts a tick, and says whom to ask: where nothing was learned since the last tick although
    /// somebody knows more. `chosen` ends what this node knows the decrees of; `is_voted` tells
    /// whether the next decree is here, voted for in the leader's ballot. Each peer comes with its
    /// chosen prefix and the ticks there and back.
    pub fn on_tick(
        &mut self,
        chosen: Slot,
        is_voted: bool,
        leader: Option<NodeId>,
        peers: impl Iterator<Item = (NodeId, Slot, u32)>,
    ) -> Option<NodeId> {
        assert!(self.before <= chosen, "what is chosen stays chosen");
        self.receiving.take_if(|held| !held.busy && held.description.slot <= chosen);
        let stuck = std::mem::replace(&mut self.before, chosen) == chosen;
        let silent = self.asked.as_mut().and_then(|asked| {
            asked.ticks += 1;
            (asked.ticks > asked.patience).then_some(asked.peer)
        });
        if silent.is_some() {
            (self.asked, self.late) = (None, silent);
        }
        let waits = stuck && is_voted;
        self.announced = if waits { (self.announced + 1).min(ANNOUNCED_MAX) } else { 0 };
        self.rest = self.rest.saturating_sub(1);
        // Whoever learns by the usual way needs no copies: each would be sent twice.
        if !stuck || self.asked.is_some() || self.is_busy() || self.rest > 0 {
            return None;
        }
        let late =
            |rtt: u32| !is_voted || self.announced > ANNOUNCED_TICKS + rtt.min(RTT_TICKS_MAX);
        let ahead = peers.filter(|(_, slot, rtt)| *slot > chosen && late(*rtt));
        // Somebody who did not answer is asked again only if nobody else can.
        let sender = self.receiving.as_ref().filter(|held| held.silences < SILENCES_MAX);
        let sender = sender.map(|held| held.from);
        let best = ahead.max_by_key(|(node, slot, _)| {
            let goes_on = Some(*node) == sender;
            (goes_on, Some(*node) != silent, Some(*node) == leader, *slot, Reverse(*node))
        });
        best.map(|(node, _, rtt)| match &mut self.receiving {
            Some(held) if held.from == node => {
                held.silences += 1;
                held.patience = held.patience.saturating_mul(2).min(PART_TICKS_MAX);
                let patience = held.patience;
                self.ask(node, patience)
            }
            Some(_) | None => self.ask(node, ANSWER_TICKS + rtt),
        })
    }

    /// Takes note of an answer, and says whether to ask the same peer on.
    pub fn on_decrees(&mut self, from: NodeId, grew: bool, more: bool) -> Option<NodeId> {
        let answered = self.asked.take_if(|asked| asked.peer == from);
        let patience = answered.map_or(ANSWER_TICKS, |asked| asked.patience);
        (grew && more && self.asked.is_none()).then(|| self.ask(from, patience))
    }

    /// Judges a part of a snapshot past the chosen prefix.
    pub fn on_part(&mut self, from: NodeId, part: &StatePart) -> PartVerdict {
        let Some(patience) = self.answered_by(from, part) else { return PartVerdict::Drop };
        let StatePart { description, total, .. } = *part;
        match &mut self.receiving {
            Some(held) if held.busy => PartVerdict::Drop,
            Some(held) if held.is_of(part) => {
                (held.from, held.patience, held.silences) = (from, patience, 0);
                if part.offset == held.kept {
                    held.busy = true;
                    return PartVerdict::Keep;
                }
                // Whoever was asked for decrees begins with the first part, and has the others.
                let offset = held.kept;
                self.ask_on(from, patience);
                PartVerdict::AskOn { offset }
            }
            // Another snapshot begins where the senders of the last one fell silent, or have a
            // newer one: what there is of it goes.
            Some(_) | None if part.offset == 0 => {
                let (kept, silences, busy) = (0, 0, true);
                let begun = Receiving { description, total, kept, from, patience, silences, busy };
                self.receiving = Some(begun);
                PartVerdict::Keep
            }
            Some(_) | None => PartVerdict::Drop,
        }
    }

    /// Takes the question away that a part answers, and says how long the next one may take; none
    /// if the part answers no question.
    ///
    /// On a slow way each answer may come after the next question: it counts all the same where
    /// nothing is here, or it follows what is. And the answers to both questions may come: what
    /// is here already answers none that was asked on.
    fn answered_by(&mut self, from: NodeId, part: &StatePart) -> Option<u32> {
        let is_of_it = self.receiving.as_ref().is_some_and(|held| held.is_of(part));
        let kept = self.receiving.as_ref().map_or(0, |held| held.kept);
        let follows = part.offset == kept && (is_of_it || self.receiving.is_none());
        let asked = self.asked.as_ref().filter(|asked| asked.peer == from);
        let patience = match asked {
            Some(asked) if asked.asks_on && is_of_it && !follows => return None,
            Some(asked) => asked.patience,
            None if self.late == Some(from) && follows && self.rest == 0 => 2 * ANSWER_TICKS,
            None => return None,
        };
        (self.asked, self.late) = (None, None);
        Some(patience)
    }

    /// Takes note that a part is kept, and says whom to ask on.
    pub fn on_kept(&mut self, slot: Slot, end: u64) -> Option<NodeId> {
        let held = self.receiving.as_mut().filter(|held| held.description.slot == slot)?;
        held.kept = end;
        // All of it waits to be read back and installed.
        held.busy = end >= held.total;
        let (from, patience, goes_on) = (held.from, held.patience, !held.busy);
        (goes_on && self.asked.is_none()).then(|| self.ask_on(from, patience))
    }

    /// Takes note that a snapshot is installed, or is not needed.
    pub fn on_installed(&mut self) {
        self.receiving = None;
    }

    /// Takes note that a snapshot cannot be kept, or is not what it was said to be.
    pub const fn on_not_kept(&mut self) {
        self.receiving = None;
        (self.asked, self.late) = (None, None);
        self.rest = REST_TICKS;
    }

    fn is_busy(&self) -> bool {
        self.receiving.as_ref().is_some_and(|held| held.busy)
    }

    const fn ask(&mut self, peer: NodeId, patience: u32) -> NodeId {
        assert!(self.asked.is_none(), "one peer is asked at a time");
        self.asked = Some(Asked { peer, ticks: 0, patience, asks_on: false });
        peer
    }

    const fn ask_on(&mut self, peer: NodeId, patience: u32) -> NodeId {
        assert!(self.asked.is_none(), "one peer is asked at a time");
        self.asked = Some(Asked { peer, ticks: 0, patience, asks_on: true });
        peer
    }
}

impl Receiving {
    /// Tells whether a part is of this snapshot.
    fn is_of(&self, part: &StatePart) -> bool {
        self.description == part.description && self.total == part.total
    }
}

impl<M: StateMachine> Replica<M> {
    /// Answers a peer that lags with what memory holds, or asks the driver to.
    pub(super) fn on_fetch(&self, from: NodeId, first: Slot, effects: &mut Effects) {
        let (log, chosen) = (self.paxos.log(), self.paxos.chosen());
        // Whoever asks knows as much as this node, and asks again when it hears of more.
        if first >= chosen {
            return;
        }
        let end = chosen.min(first.plus(FETCH_SLOTS_MAX));
        // Memory has let go of these; the journal has them, and reading it takes a thread that may
        // wait.
        if first < log.base() {
            let end = end.min(log.base());
            return effects.read_log(LogRead { to: from, first, end, chosen });
        }
        let mut decrees = Vec::new();
        let mut bytes = 0;
        let mut slot = first;
        while slot < end
            && let Some(decree) = log.decree(slot)
        {
            bytes += decree.weight();
            // A decree of any size goes alone, or a peer that lacks a large one would ask for ever.
            if bytes > self.config.limits.fetch_bytes && !decrees.is_empty() {
                break;
            }
            decrees.push(decree.clone());
            slot = slot.next();
        }
        assert!(!decrees.is_empty(), "what is chosen and not let go of is here: slot {first}");
        effects.send(To::Node(from), Message::Decrees { first, decrees, chosen });
    }

    /// Asks for decrees that somebody knows and this node does not.
    pub(super) fn fetch_missing(&mut self, effects: &mut Effects) {
        if self.disk == Disk::Full {
            return;
        }
        let first = self.first_missing();
        let follows = self.election.follows(self.paxos.leader().leads());
        let leader = follows.map(Ballot::node).filter(|node| *node != self.paxos.me());
        let is_voted = follows.is_some() && self.paxos.log().voted_in(first) == follows;
        let rtt = |node| self.election.rtt_ticks(node);
        let peers = self.election.beats().map(|(node, beat)| (node, beat.chosen, rtt(node)));
        if let Some(peer) = self.catch_up.on_tick(first, is_voted, leader, peers) {
            effects.send(To::Node(peer), Message::Fetch { first });
        }
    }

    /// Tells whether this replica has the state at its log's beginning, and so all that is chosen
    /// applied. One that does not votes, and neither campaigns nor leads.
    pub fn has_state(&self) -> bool {
        self.executor.applied() >= self.paxos.log().base()
    }

    /// Returns the first slot whose decree is to be had from others.
    fn first_missing(&self) -> Slot {
        if self.has_state() { self.paxos.chosen() } else { self.executor.applied() }
    }

    /// Takes in what a peer answered, and asks it on while it knows more.
    pub(super) fn on_decrees(
        &mut self,
        from: NodeId,
        first: Slot,
        decrees: Vec<Decree<CommandBatch>>,
        chosen: Slot,
        effects: &mut Effects,
    ) {
        // A copy would be written; the peer is asked again once there is room.
        if self.disk == Disk::Full {
            return;
        }
        let before = self.first_missing();
        self.apply_below_base(first, &decrees);
        if self.has_state() {
            self.drive(synod_paxos::Input::Decrees { first, decrees }, effects);
        }
        let now = self.first_missing();
        if let Some(peer) = self.catch_up.on_decrees(from, now > before, chosen > now) {
            effects.send(To::Node(peer), Message::Fetch { first: now });
        }
    }

    /// Applies decrees below the log's beginning, where the state there is not here. They are not
    /// recorded: what was voted below is settled, and the next snapshot stands for it.
    ///
    /// spec: SnapshotDamage!Fetch
    fn apply_below_base(&mut self, first: Slot, decrees: &[Decree<CommandBatch>]) {
        let mut slot = first;
        for decree in decrees {
            if slot == self.executor.applied() && !self.has_state() {
                self.executor.apply(decree, |_, _| {});
                self.checkpoints.on_applied(self.executor.applied(), || self.executor.digest());
            }
            slot = slot.next();
        }
    }

    /// Takes in a part of a snapshot: it goes to the disk, and the next one is asked for when it is
    /// there.
    pub(super) fn on_part(&mut self, from: NodeId, part: StatePart, effects: &mut Effects) {
        let slot = part.description.slot;
        if self.disk == Disk::Full || slot <= self.first_missing() {
            return;
        }
        match self.catch_up.on_part(from, &part) {
            PartVerdict::Keep => effects.keep_part(part),
            PartVerdict::AskOn { offset } => {
                effects.send(To::Node(from), Message::FetchSnapshot { slot, offset });
            }
            PartVerdict::Drop => {}
        }
    }

    pub(super) fn on_kept(&mut self, slot: Slot, end: u64, effects: &mut Effects) {
        if let Some(peer) = self.catch_up.on_kept(slot, end) {
            effects.send(To::Node(peer), Message::FetchSnapshot { slot, offset: end });
        }
    }

    /// Goes on from a state that is durable here, in place of the decrees that led to it; one that
    /// is older than this replica's is no news.
    ///
    /// Like [`Replica::step`], it takes the change to completion.
    pub fn install(&mut self, state: Executor<M>, effects: &mut Effects) {
        self.catch_up.on_installed();
        let slot = state.applied();
        if slot <= self.first_missing() {
            return;
        }
        self.executor = state;
        // Without its state a replica may know more to be chosen than it is given one for.
        if slot > self.paxos.chosen() {
            self.drive(synod_paxos::Input::Install(slot), effects);
        }
        self.checkpoints.on_applied(slot, || self.executor.digest());
        self.conclude(effects);
    }
}
