//! The end of a turn: what it brought about is shown to the monitor and carried out.
//!
//! The claim kept true: the monitor sees everything that leaves, before it leaves.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use synod_clock::Moment;
use synod_fault::{DiskFault, NodeId as Place};
use synod_host::{Brought, Output};
use synod_paxos::{NodeId, To};
use synod_simulator::{Crash, Micros};
use synod_smr::{Disk, Message};

use super::lanes::Kind;
use super::turns::Taken;
use super::{Machine, Packet, SimWorld, Wakeup};
use crate::coverage::{End, Point};
use crate::invariants::{nothing_twice_on_its_way, room_given};
use crate::monitor::Monitor;
use crate::step::{self, Stance, Step};

impl Machine {
    /// Ends a turn, shows what it brought about to the monitor, and carries it out.
    pub(super) fn flush(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        let (now, is_stranger) = (self.now(world), self.is_stranger());
        self.tell_lanes(now, world, monitor);
        let (node, nodes) = (self.node, &self.nodes);
        let Some(process) = &mut self.process else { return };
        world.count_step();
        let (life, mut seen) = (process.life, std::mem::take(&mut process.seen));
        let (host, lanes) = (&mut process.host, &process.lanes);
        let left_out = host.counts().repetitions_left_out;
        let (cause, before) = process.taken.opening(host);
        let Taken { given, durable } = &process.taken;
        let flushes = || {
            host.flush_watched(now, |host, brought: &Brought<'_>| {
                let step = Step {
                    now: world.now(),
                    node,
                    life,
                    cause,
                    given,
                    is_stranger,
                    before,
                    after: Stance::of(host),
                    replica: host.replica(),
                    durable,
                    records: brought.records,
                    sent: brought.sent,
                    replies: brought.replies,
                };
                monitor.on_step(&step, world);
                if let Some(traces) = &mut monitor.traces {
                    traces.on_turn(node, host, brought);
                }
                for difference in brought.differences {
                    monitor.report("halt", format!("node {node}: {difference}"));
                }
                let holding = [Kind::Log, Kind::Bulk].map(|kind| lanes.holding(kind).collect());
                see_sent(node, brought.sent, nodes, &holding, &mut seen, monitor);
            });
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(flushes)) {
            return self.on_panic(cause, &*panic, monitor);
        }
        process.taken.given.clear();
        process.taken.durable.clear();
        if process.host.counts().repetitions_left_out > left_out {
            monitor.tracker.see(Point::RepetitionLeftOut);
        }
        if before.disk == Disk::Fine && process.host.disk() == Disk::Full {
            world.felt_disk(Place(node.number()), |fault| fault == DiskFault::Full);
        }
        // Kept before anything is carried out, which may end the process and the host with it.
        let halted = process.host.halted().map(str::to_owned);
        self.carry_out(&mut seen, now, world, monitor);
        if let Some(process) = &mut self.process {
            seen.clear();
            process.seen = seen;
        }
        if let Some(reason) = halted {
            world.say(|| format!("node {node} halts: {reason}"));
            if is_stranger {
                return self.on_refused(world, monitor);
            }
            monitor.report("halt", format!("node {node} halts: {reason}"));
        }
        self.weigh_replies(monitor);
        self.set_wake(now, world);
        self.have_clients_heard(world);
        self.end_if_done(now, world, monitor);
    }

    /// Carries the outputs out; `seen` is what the judges saw of the messages, in their order.
    fn carry_out(
        &mut self,
        seen: &mut VecDeque<Seen>,
        now: Moment,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        // An output may end the process; those that are left then are lost with it.
        while let Some(process) = &mut self.process
            && let Some(output) = process.host.output()
        {
            match output {
                Output::Commit(commit) => {
                    let (bytes, room) = (commit.records.frame_bytes(), process.journal.room());
                    if let Err(detail) = room_given(bytes, room) {
                        monitor.report("room-given", format!("node {}: {detail}", self.node));
                    }
                    if commit.ticket.records().is_empty() {
                        monitor.tracker.see(Point::CommitSplit);
                    }
                    if process.journal.submit(commit, &mut self.vouched) {
                        self.begin_sync(world);
                    } else {
                        monitor.tracker.see(Point::BatchWaiting);
                    }
                    self.lose_power(world, monitor);
                }
                Output::Send { to, lane, bytes } => {
                    let Some((number, kind)) = seen.pop_front() else {
                        let detail = format!("node {} says what no judge saw", self.node);
                        monitor.report("unseen", detail);
                        continue;
                    };
                    let by_stranger = self.stranger.is_some();
                    let (life, process) = (process.life, process.process);
                    let kind = Some(kind);
                    let packet = Packet { life, process, by_stranger, number, kind, bytes };
                    self.judge_silence(monitor);
                    self.send_by_lane(to, lane, packet, world, monitor);
                }
                Output::Beacon(bytes) => process.beacon.on_heartbeat(bytes),
                Output::Reply { connection, bytes } => {
                    self.reply(connection, bytes, world, monitor)
                }
                Output::Close { connection, reason } => {
                    // Clients of the simulation send only what decodes, so that none is to be
                    // closed.
                    monitor.report("wire", format!("client {} is closed: {reason}", connection.0));
                }
                Output::Snapshot(order) => {
                    self.judge_hold(&order, now, monitor);
                    self.on_order(order, world);
                }
                Output::Read(order) => self.on_read_order(order, world),
            }
        }
    }

    pub(super) fn begin_sync(&self, world: &mut SimWorld) {
        let slow = world.chance().below(self.slow_ms * 1_000 + 1);
        if slow > 0 {
            world.felt_disk(self.place(), |fault| matches!(fault, DiskFault::Slow { .. }));
        }
        let length = Micros(world.chance().between(SYNC_US_MIN, SYNC_US_MIN + self.sync_us) + slow);
        world.after(self.address(), Wakeup::Synced, length);
    }

    /// Where the power failed in the middle of a write, nothing happens after it.
    fn lose_power(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        let refused = self.process.as_ref().is_some_and(|process| process.journal.is_refused());
        if self.failing && refused {
            self.on_synced(world, monitor);
        }
    }

    /// Has the host told the time when it wants to be.
    pub(super) fn set_wake(&mut self, now: Moment, world: &mut SimWorld) {
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        let Some(due) = process.host.next_wake() else { return };
        if process.wake.is_some_and(|(set, _)| set == due) {
            return;
        }
        process.wakes += 1;
        process.wake = Some((due, process.wakes));
        let nanos = due.as_nanos().saturating_sub(now.as_nanos());
        // Rounded up, as a clock that was told too early would be told again at once.
        let length = Micros(nanos.div_ceil(1_000) + 1);
        world.set_timer(address, Wakeup::Wake(process.wakes), length);
    }

    /// A node that was asked to end does so once it has handed over.
    pub(super) fn end_if_done(&mut self, now: Moment, world: &mut SimWorld, monitor: &mut Monitor) {
        let done = self.process.as_ref().is_some_and(|process| process.host.is_done(now));
        self.judge_last_replies(done, now, monitor);
        if done && let Some(process) = self.end(End::Retired, world, monitor) {
            world.say(|| format!("node {} ends as it was asked to", self.node));
            world.felt_retirement(self.place());
            // A disk that fails here fails a process that is about to end anyway.
            let _ = process.journal.close();
            self.leave_disk(Crash::Kill, world);
            let comeback = Micros::from_ms(world.chance().between(50, 1_000));
            world.ended(self.place(), Some(comeback));
        }
    }
}

/// A message for one receiver: its number in the transcript, and what it is.
pub(super) type Seen = (u64, step::Kind);

/// Shows the messages that leave to the monitor, and keeps what it saw.
fn see_sent(
    node: NodeId,
    sent: &[(To, Message)],
    nodes: &[NodeId],
    holding: &[Vec<NodeId>; 2],
    seen: &mut VecDeque<Seen>,
    monitor: &mut Monitor,
) {
    for (to, message) in sent {
        if let Err(detail) = nothing_twice_on_its_way(to, message, holding) {
            monitor.report("repetitions", format!("node {node}: {detail}"));
        }
        let receivers = match to {
            To::Node(node) => std::slice::from_ref(node),
            To::Peers => nodes,
        };
        for receiver in receivers.iter().filter(|receiver| **receiver != node) {
            seen.push_back((monitor.on_packet(node, *receiver, message), step::Kind::of(message)));
        }
    }
}

/// The shortest sync.
const SYNC_US_MIN: u64 = 50;

/// The longest read of old decrees, in microseconds.
pub const READ_US_MAX: u64 = 5_000;
