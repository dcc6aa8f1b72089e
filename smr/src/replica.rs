//! The replica: it dispatches inputs to its roles, and draws the conclusions after each.
//!
//! It has a Paxos node, an executor, a view of elections, reads, proposals and catch-up, and holds
//! no rule of its own but the order in which they are asked. The claim kept true: one input is
//! taken to completion, and afterwards everything chosen is applied, everything that may be
//! proposed is proposed, and everybody whose answer is known has it.

mod admission;
pub(crate) mod catch_up;
pub(crate) mod observe;

use crate::checkpoint::Checkpoints;
use crate::command::CommandBatch;
use crate::config::Config;
use crate::effects::{Disk, Effects, Input, Timer};
use crate::election::{Election, ElectionAction, ElectionView, Progress, TAKE_IN_BYTES_MAX};
use crate::executor::Executor;
use crate::message::{Checkpoint, Heartbeat, Message};
use crate::pace::Pace;
use crate::proposals::Proposals;
use crate::read::Reads;
use crate::request::{Refusal, Response};
use crate::resend::{Awaited, RESEND_TICKS, Resends};
use crate::state_machine::StateMachine;
use catch_up::CatchUp;
use synod_paxos::{AfterSync, Ballot, Immediate, Message as Paxos, MultiPaxos, NodeId, Slot, To};

/// How many heartbeats a draining leader waits for its open slots, beside those that links and
/// disks take.
const DRAIN_TICKS: u32 = 25;

/// One replica of the state machine `M`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica<M> {
    config: Config,
    paxos: MultiPaxos<CommandBatch>,
    executor: Executor<M>,
    election: Election,
    reads: Reads,
    proposals: Proposals,
    catch_up: CatchUp,
    checkpoints: Checkpoints,
    disk: Disk,
    /// How many ticks this node has been draining.
    draining: Option<u32>,
    pace: Pace,
    resends: Resends,
    /// The ballot in which this node led after the last step.
    was_leading: Option<Ballot>,
    /// What the peers were last told at once.
    announced: Stance,
    /// The chosen prefix that this node, as leader, said at a tick.
    said_chosen: Slot,
}

/// What peers are told at once when it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Stance {
    /// The ballot led.
    leads: Option<Ballot>,
    /// The ballot prepared.
    prepares: Option<Ballot>,
    leader_ok: bool,
}

impl<M: StateMachine> Replica<M> {
    pub(crate) fn assemble(
        config: Config,
        paxos: MultiPaxos<CommandBatch>,
        (executor, checkpoints): (Executor<M>, Checkpoints),
        effects: &mut Effects,
    ) -> Self {
        let mut replica = Self {
            election: Election::new(config.clone()),
            reads: Reads::new(config.reads),
            config,
            paxos,
            executor,
            proposals: Proposals::default(),
            catch_up: CatchUp::default(),
            checkpoints,
            disk: Disk::Fine,
            draining: None,
            pace: Pace::default(),
            resends: Resends::default(),
            was_leading: None,
            announced: Stance::default(),
            said_chosen: Slot::FIRST,
        };
        let period = replica.config.heartbeat_ms;
        // Nodes that start together do not beat in step.
        effects.set_timer(Timer::Heartbeat, 0, period);
        replica.conclude(effects);
        replica
    }

    /// Takes one input to completion.
    pub fn step(&mut self, input: Input, effects: &mut Effects) {
        match input {
            Input::Message { from, message } => self.on_message(from, message, effects),
            Input::Request { connection, principal, request } => {
                self.on_request(connection, principal, request, effects);
            }
            Input::Timer(Timer::Heartbeat) => self.on_heartbeat_timer(effects),
            Input::Timer(Timer::Campaign) => self.on_campaign_timer(effects),
            Input::LinkDown(peer) => self.election.on_link_down(peer),
            // Who voted where the others are waited for takes in what is for later; and more than
            // is open is what was chosen long ago, which a ballot of its own would take away.
            Input::LaneMoved { peer, waiting } => {
                let most = self.paxos.open_bytes() + TAKE_IN_BYTES_MAX;
                if self.paxos.awaits_first(peer) && waiting <= most {
                    self.election.on_lane_moved(peer);
                }
            }
            Input::Synced(proof) => {
                self.pace.on_synced();
                self.drive(synod_paxos::Input::Synced(proof), effects);
            }
            Input::Disk(disk) => self.on_disk(disk, effects),
            Input::Kept { slot, end } => self.on_kept(slot, end, effects),
            Input::NotKept => self.catch_up.on_not_kept(),
            Input::Drain => self.draining = self.draining.or(Some(0)),
        }
        self.conclude(effects);
    }

    /// A full disk has room for promises alone. What waits for a slot is refused, and who is bound
    /// to propose what phase 1 found lets somebody else lead; a leader that is not serves reads.
    fn on_disk(&mut self, disk: Disk, effects: &mut Effects) {
        self.disk = disk;
        if disk == Disk::Fine {
            return;
        }
        for waiter in self.proposals.refuse_queued() {
            let response = Response::Refused(Refusal::DiskFull);
            effects.reply(waiter.connection, waiter.id, response);
        }
        if self.paxos.is_bound() {
            self.drive(synod_paxos::Input::Resign, effects);
        }
    }

    fn on_message(&mut self, from: NodeId, message: Message, effects: &mut Effects) {
        match message {
            Message::Paxos(message) => self.on_paxos(from, message, effects),
            Message::Heartbeat(beat) => self.on_heartbeat(from, beat),
            Message::Confirm { ballot, round } => {
                let promised = self.paxos.log().promised();
                let echo = Message::Confirmed { ballot, round, promised };
                effects.send(To::Node(from), echo);
            }
            Message::Confirmed { ballot, round, promised } => {
                if self.paxos.leader().leads() == Some(ballot) {
                    self.reads.on_confirmed(from, round, promised, ballot);
                }
            }
            Message::Fetch { first } => self.on_fetch(from, first, effects),
            Message::Decrees { first, decrees, chosen } => {
                self.on_decrees(from, first, decrees, chosen, effects);
            }
            Message::Snapshot(part) => self.on_part(from, part, effects),
            Message::FetchSnapshot { .. } | Message::Known(_) => {}
        }
    }

    fn on_paxos(&mut self, from: NodeId, message: Paxos<CommandBatch>, effects: &mut Effects) {
        let before = (self.paxos.log().promised(), self.paxos.preparing());
        match &message {
            Paxos::AfterSync(AfterSync::Prepare { .. }) => {
                if !self.election.admits_prepare(from, &self.view()) {
                    return;
                }
            }
            // A full disk has room for promises alone; the proposer sends again.
            Paxos::Immediate(Immediate::Accept { .. }) if self.disk == Disk::Full => return,
            Paxos::AfterSync(AfterSync::Promise { .. } | AfterSync::Accepted { .. }) => {
                self.resends.on_answer(from);
            }
            Paxos::Immediate(
                Immediate::Accept { .. } | Immediate::Chosen { .. } | Immediate::Nack { .. },
            ) => {}
        }
        self.drive(synod_paxos::Input::Message { from, message }, effects);
        if self.paxos.log().promised() > before.0 && from != self.paxos.me() {
            if before.1.is_some() {
                self.election.on_overtaken();
            }
            self.election.on_promised();
        }
    }

    fn on_heartbeat(&mut self, from: NodeId, beat: Heartbeat) {
        self.checkpoints.on_peer(from, beat.checkpoint, beat.applied);
        self.election.on_heartbeat(from, beat);
    }

    fn on_heartbeat_timer(&mut self, effects: &mut Effects) {
        let period = self.config.heartbeat_ms;
        effects.set_timer(Timer::Heartbeat, period, period);
        // The tick counts first, and the heartbeat goes last: it tells how things stand after all
        // that the tick brought about.
        self.pace.on_tick();
        self.election.on_tick(&self.view());
        self.resend(effects);
        self.say_chosen(effects);
        self.fetch_missing(effects);
        self.drain(effects);
        self.checkpoints.on_tick(self.state());
        self.send_heartbeat(effects);
    }

    /// Says what was chosen since the last tick. Proposals say it, too, but they may wait for their
    /// way, and who hears of it from heartbeats alone copies what it has.
    fn say_chosen(&mut self, effects: &mut Effects) {
        let chosen = self.paxos.chosen();
        if self.paxos.leader().leads().is_some() && chosen > self.said_chosen {
            self.said_chosen = chosen;
            self.drive(synod_paxos::Input::Announce, effects);
        }
    }

    /// Sends what waits for an answer again, to each peer at its own pace.
    fn resend(&mut self, effects: &mut Effects) {
        if self.paxos.leader().ballot().is_none() {
            return;
        }
        if self.paxos.is_bound() {
            // What phase 1 found may have waited for room on the disk, of which nothing else tells.
            self.drive(synod_paxos::Input::Resend(self.paxos.me()), effects);
        }
        for node in self.config.voters.voters().to_vec() {
            // A part that came shows that the peer's promise is synced: the rest takes the way
            // alone, without its disk.
            let path = if self.paxos.has_part_of(node) {
                self.election.rtt_ticks(node)
            } else {
                self.election.ticks_through(node)
            };
            let awaited = match (self.paxos.awaits(node), self.paxos.leader().leads()) {
                (false, _) => Awaited::Nothing,
                (true, None) => Awaited::Promise,
                (true, Some(_)) => Awaited::Votes,
            };
            if node != self.paxos.me() && self.resends.on_tick(node, path, awaited) {
                self.drive(synod_paxos::Input::Resend(node), effects);
            }
        }
        if self.election.ticks().is_multiple_of(RESEND_TICKS)
            && let (Some(ballot), Some(round)) = (self.paxos.leader().leads(), self.reads.running())
        {
            effects.send(To::Peers, Message::Confirm { ballot, round });
        }
    }

    fn on_campaign_timer(&mut self, effects: &mut Effects) {
        let view = self.view();
        if self.election.on_campaign_timer(&view) {
            self.campaign(&view, effects);
        }
    }

    fn campaign(&mut self, view: &ElectionView, effects: &mut Effects) {
        self.election.on_campaign(view);
        self.resends.begin();
        // Peers told in heartbeats what they promised, so that the ballot need not be refused once
        // to learn it.
        let above = self.election.highest_promise();
        self.drive(synod_paxos::Input::Campaign { above }, effects);
    }

    /// Steps the Paxos node.
    pub(crate) fn drive(&mut self, input: synod_paxos::Input<CommandBatch>, effects: &mut Effects) {
        self.paxos.step(input, &mut effects.paxos);
    }

    /// Draws the conclusions of a step, until nothing follows any more.
    fn conclude(&mut self, effects: &mut Effects) {
        // Whoever waited for what this step chose is answered before a lost leadership sends the
        // rest away as uncertain; and a deposed leader proposes nothing of its queue.
        self.apply(effects);
        self.on_leadership(effects);
        self.propose(effects);
        self.apply(effects);
        self.read(effects);
        // The election looks at what came of all that, as progress is what keeps a leader.
        match self.election.assess(&self.view()) {
            ElectionAction::Nothing => {}
            ElectionAction::Arm(earliest, latest) => {
                effects.set_timer(Timer::Campaign, earliest, latest)
            }
            ElectionAction::Raise => self.campaign(&self.view(), effects),
            ElectionAction::Resign => self.drive(synod_paxos::Input::Resign, effects),
        }
        // Raising or resigning may have ended the lead once more.
        self.on_leadership(effects);
        self.pace.on_step(self.paxos.is_syncing());
        self.forget(effects);
        self.tell_change(effects);
        for finding in self.checkpoints.judge(&self.config.voters) {
            effects.find(finding);
        }
        assert!(self.has_state() || self.paxos.leader().ballot().is_none(), "no state, no ballot");
        let leads = self.claims().is_some();
        assert!(leads || !self.proposals.has_queued(), "who does not lead proposes nothing");
        assert!(leads || self.reads.is_empty(), "who does not lead answers no question");
    }

    /// Tells the peers at once when this node's leadership or content changed, or its ballot.
    fn tell_change(&mut self, effects: &mut Effects) {
        let stance = Stance {
            leads: self.claims(),
            prepares: self.paxos.preparing().map(|(ballot, _)| ballot),
            leader_ok: self.election.is_leader_ok(),
        };
        if std::mem::replace(&mut self.announced, stance) != stance {
            self.send_heartbeat(effects);
        }
    }

    /// Applies what is chosen, and answers who waited for it.
    fn apply(&mut self, effects: &mut Effects) {
        while self.has_state() && self.executor.applied() < self.paxos.chosen() {
            let decree = self.paxos.log().decree(self.executor.applied());
            let decree = decree.expect("slots are forgotten only after they are applied").clone();
            let proposals = &mut self.proposals;
            self.executor.apply(&decree, |awaited, response| {
                for waiter in proposals.settle(awaited) {
                    effects.reply(waiter.connection, waiter.id, response.clone());
                }
            });
            self.checkpoints.on_applied(self.executor.applied(), || self.executor.digest());
        }
        assert!(!self.has_state() || self.executor.applied() == self.paxos.chosen(), "a gap");
        // Bytes of proposals are freed only here, as a proposed batch is held until it is chosen.
        self.proposals.on_chosen(self.paxos.chosen());
    }

    /// Takes note of a change of this node's leadership.
    fn on_leadership(&mut self, effects: &mut Effects) {
        let claims = self.claims();
        if std::mem::replace(&mut self.was_leading, claims) == claims {
            return;
        }
        self.resends.begin();
        if claims.is_none() {
            self.give_up(effects);
        } else {
            // It leads in another ballot: what was asked or proposed in the last one says nothing
            // about this one.
            self.reads.break_off();
            let leader = Some(self.paxos.me());
            for waiter in self.proposals.break_off() {
                effects.reply(waiter.connection, waiter.id, Response::Uncertain { leader });
            }
            self.fetch_missing(effects);
        }
    }

    /// Returns the ballot in which this node leads, or still claims to while it raises it.
    pub(crate) fn claims(&self) -> Option<Ballot> {
        self.election.claims(self.paxos.leader().leads())
    }

    fn give_up(&mut self, effects: &mut Effects) {
        let leader = self.leader_elsewhere();
        for (waiter, response) in self.proposals.give_up(leader) {
            effects.reply(waiter.connection, waiter.id, response);
        }
        for read in self.reads.give_up() {
            let refusal = Refusal::NotLeader { leader };
            effects.reply(read.connection, read.id, Response::Refused(refusal));
        }
    }

    /// Proposes what waits, in natural batches, as far as the disk has room.
    fn propose(&mut self, effects: &mut Effects) {
        while self.proposals.has_queued()
            && self.disk == Disk::Fine
            && self.paxos.can_propose()
            && (self.paxos.last_is_durable() || self.proposals.has_full_batch())
            && let Some(slot) = self.paxos.next_slot()
            && let Some(room) = effects.paxos.room_for_decree()
            && let Some(batch) = self.proposals.take(slot, room)
        {
            self.drive(synod_paxos::Input::Propose(batch), effects);
        }
    }

    /// Begins and ends rounds of reads.
    fn read(&mut self, effects: &mut Effects) {
        let Some(ballot) = self.paxos.leader().leads() else { return };
        if self.paxos.is_settled()
            && let Some(round) = self.reads.begin(self.paxos.me(), self.paxos.chosen())
        {
            effects.send(To::Peers, Message::Confirm { ballot, round });
        }
        if let Some(confirmed) = self.reads.finish(&self.config.voters) {
            assert!(self.executor.applied() >= confirmed.at, "what is chosen is applied at once");
            for read in confirmed.reads {
                let answer = self.executor.query(&read.query);
                effects.reply(read.connection, read.id, answer);
            }
            // Those who asked meanwhile wait for a round of their own, which may begin.
            self.read(effects);
        }
    }

    /// Hands over when this node is about to be stopped.
    fn drain(&mut self, effects: &mut Effects) {
        let Some(before) = self.draining else { return };
        let ticks = before + 1;
        self.draining = Some(ticks);
        let overdue = ticks > DRAIN_TICKS + self.election.commit_ticks(&self.view());
        // A leader that waits for its open slots spares their clients an uncertain answer; its
        // patience ends, so that the peers need not wait for a slot that is never chosen.
        if self.paxos.leader().ballot().is_some() && (overdue || !self.is_busy()) {
            self.drive(synod_paxos::Input::Resign, effects);
        }
    }

    fn is_busy(&self) -> bool {
        self.paxos.is_pending() || self.proposals.has_queued() || !self.reads.is_empty()
    }

    /// Lets go of decrees that are applied and beyond the cache; the journal has them. What is not
    /// durable as it was chosen stays, and so does what is not chosen, which has its own bounds.
    fn forget(&mut self, effects: &mut Effects) {
        while let Some(keep_from) = self.excess() {
            let done = keep_from <= self.executor.applied() || !self.has_state();
            assert!(done, "only what is applied is let go of");
            self.drive(synod_paxos::Input::ForgetBelow(keep_from), effects);
        }
    }

    /// Returns where the cache shall begin, if it has grown past its limits.
    fn excess(&self) -> Option<Slot> {
        let (log, limits) = (self.paxos.log(), &self.config.limits);
        let base = log.base();
        let held = self.paxos.durable_chosen().past(base);
        // A quarter more may gather, so that the cache is not cut back with each slot.
        if held > limits.cache_slots + limits.cache_slots / 4 {
            Some(base.plus(held - limits.cache_slots))
        } else if log.chosen_weight() > limits.cache_bytes && held > 0 {
            Some(base.plus((1 + held / 8).min(held)))
        } else {
            None
        }
    }

    fn send_heartbeat(&self, effects: &mut Effects) {
        let view = self.view();
        let beat = Heartbeat {
            folder: self.config.folder,
            incarnation: self.config.core_id.incarnation,
            mark: 0,
            began: None,
            promised: self.paxos.durable_promised(),
            journal_end: Slot::FIRST,
            leads: self.election.claims(view.leads),
            follows: self.election.follows(view.leads),
            leader_ok: self.election.is_leader_ok(),
            chosen: self.paxos.chosen(),
            hears: self.election.hears(),
            is_connected: self.election.is_connected_to_both(),
            priority: self.config.priority,
            checkpoint: self.checkpoints.last(),
            applied: self.state(),
            tick: self.election.ticks(),
            echoes: self.election.echoes(),
            sync_ticks: view.sync_ticks.filter(|_| self.can_lead()),
            prepares: view.preparing,
        };
        effects.send(To::Peers, Message::Heartbeat(beat));
    }

    fn state(&self) -> Checkpoint {
        Checkpoint { slot: self.executor.applied(), digest: self.executor.digest() }
    }

    pub(crate) fn view(&self) -> ElectionView {
        let (sync_ticks, log_pending) = (self.pace.sync_ticks(), self.paxos.is_pending());
        ElectionView {
            leads: self.paxos.leader().leads(),
            preparing: self.paxos.preparing(),
            promised: self.paxos.log().promised(),
            durable: self.paxos.durable_promised(),
            sync_ticks,
            seen: self.paxos.seen(),
            pending: log_pending || !self.reads.is_empty(),
            log_pending,
            progress: Progress { chosen: self.paxos.chosen(), reads: self.reads.confirmed() },
            fit: self.can_lead() && !self.election.is_outpaced(sync_ticks),
        }
    }

    /// Tells whether this node is fit to lead, however slow its disk.
    fn can_lead(&self) -> bool {
        self.draining.is_none() && self.disk == Disk::Fine && self.has_state()
    }
}
