//! The end of a turn: what it brought about is shown to the court and carried out.
//!
//! The claim kept true: the court sees everything that leaves, before it leaves.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use synod_harness::fault::NodeId as Place;
use synod_harness::sim::{Address, Crash, DiskFault, Micros};
use synod_host::{Brought, Output};
use synod_paxos::To;
use synod_smr::{Disk, Record};

use super::{Machine, Parcel, Sky, Token};
use crate::court::Court;
use crate::sometimes::{End, Point};
use crate::step::{Cause, Stance, Step};

impl Machine {
    /// Ends a turn, shows what it brought about to the court, and carries it out.
    pub(super) fn flush(
        &mut self,
        cause: Cause,
        before: Stance,
        durable: &[Record],
        sky: &mut Sky,
        court: &mut Court,
    ) {
        let now = self.now(sky);
        let (node, nodes) = (self.node, &self.nodes);
        let Some(process) = &mut self.process else { return };
        sky.count_step();
        let (life, mut numbers) = (process.life, VecDeque::new());
        let host = &mut process.host;
        let flushes = || {
            host.flush_watched(now, |host, brought: &Brought<'_>| {
                let step = Step {
                    now: sky.now(),
                    node,
                    life,
                    cause,
                    before,
                    after: Stance::of(host),
                    replica: host.replica(),
                    durable,
                    records: brought.records,
                    sent: brought.sent,
                    replies: brought.replies,
                };
                court.on_step(&step, sky);
                for difference in brought.differences {
                    court.object("halt", format!("node {node}: {difference}"));
                }
                for (to, message) in brought.sent {
                    let receivers = match to {
                        To::Node(node) => std::slice::from_ref(node),
                        To::Peers => &nodes[..],
                    };
                    for receiver in receivers.iter().filter(|receiver| **receiver != node) {
                        numbers.push_back(court.on_parcel(node, *receiver, message));
                    }
                }
            });
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(flushes)) {
            return self.on_panic(cause, &*panic, court);
        }
        if before.disk == Disk::Fine && process.host.disk() == Disk::Full {
            sky.felt_disk(Place(node.number()), |fault| fault == DiskFault::Full);
        }
        if let Some(reason) = process.host.halted() {
            court.object("halt", format!("node {node} halts: {reason}"));
        }
        self.carry_out(numbers, sky, court);
        self.set_wake(sky);
        self.end_if_done(sky, court);
    }

    /// Carries the outputs out; `numbers` are those under which the story knows the messages.
    fn carry_out(&mut self, mut numbers: VecDeque<u64>, sky: &mut Sky, court: &mut Court) {
        let address = self.address();
        while let Some(process) = &mut self.process
            && let Some(output) = process.host.output()
        {
            match output {
                Output::Commit(commit) => {
                    if commit.ticket.records().is_empty() {
                        court.lookout.see(Point::CommitSplit);
                    }
                    if process.journal.submit(commit, &mut self.vouched) {
                        self.begin_sync(sky);
                    } else {
                        court.lookout.see(Point::BatchWaiting);
                    }
                    self.lose_power(sky, court);
                }
                Output::Send { to, bytes, .. } => {
                    let number = numbers.pop_front().unwrap_or_default();
                    let length = bytes.len();
                    let parcel = Parcel { life: process.life, number, bytes };
                    sky.send(address, Address::Node(Place(to.number())), parcel, length);
                }
                Output::Beacon(bytes) => process.beacon.on_heartbeat(bytes),
                Output::Reply { connection, bytes } => {
                    let client = u32::try_from(connection.0);
                    let client = client.expect("connections are clients' numbers");
                    let length = bytes.len();
                    let parcel = Parcel { life: 0, number: 0, bytes };
                    sky.send(address, Address::Client(client), parcel, length);
                    let after = Micros(sky.chance().between(1, self.tuning.written_us));
                    sky.after(address, Token::Wrote(connection, length), after);
                }
                Output::Close { connection, reason } => {
                    court.object("wire", format!("client {} is closed: {reason}", connection.0));
                }
                Output::Read(order) => {
                    process.reads.push_back(order.carry_out(process.journal.reader()));
                    let length = Micros(sky.chance().between(50, READ_US_MAX));
                    sky.after(address, Token::Read, length);
                }
            }
        }
    }

    pub(super) fn begin_sync(&self, sky: &mut Sky) {
        let slow = sky.chance().below(self.slow_ms * 1_000 + 1);
        if slow > 0 {
            sky.felt_disk(self.place(), |fault| matches!(fault, DiskFault::Slow { .. }));
        }
        let length = Micros(sky.chance().between(SYNC_US_MIN, SYNC_US_MIN + self.sync_us) + slow);
        sky.after(self.address(), Token::Synced, length);
    }

    /// Where the power failed in the middle of a write, nothing happens after it.
    fn lose_power(&mut self, sky: &mut Sky, court: &mut Court) {
        let refused = self.process.as_ref().is_some_and(|process| process.journal.is_refused());
        if self.failing && refused {
            self.on_synced(sky, court);
        }
    }

    /// Has the host told the time when it wants to be.
    pub(super) fn set_wake(&mut self, sky: &mut Sky) {
        let (address, now) = (self.address(), self.now(sky));
        let Some(process) = &mut self.process else { return };
        let Some(due) = process.host.next_wake() else { return };
        if process.wake.is_some_and(|(set, _)| set == due) {
            return;
        }
        process.wakes += 1;
        process.wake = Some((due, process.wakes));
        let nanos = u64::try_from(due.since(now).as_nanos()).unwrap_or(u64::MAX);
        // Rounded up, as a clock that was told too early would be told again at once.
        let length = Micros(nanos.div_ceil(1_000) + 1);
        sky.set_timer(address, Token::Wake(process.wakes), length);
    }

    /// A node that was asked to end does so once it has handed over.
    pub(super) fn end_if_done(&mut self, sky: &mut Sky, court: &mut Court) {
        let now = self.now(sky);
        let done = self.process.as_ref().is_some_and(|process| process.host.is_done(now));
        if done && let Some(process) = self.end(End::Retired, sky, court) {
            sky.say(|| format!("node {} ends as it was asked to", self.node));
            sky.felt_retirement(self.place());
            // A disk that fails here fails a process that is about to end anyway.
            let _ = process.journal.close();
            self.leave_disk(Crash::Kill, sky);
            let comeback = Micros::from_ms(sky.chance().between(50, 1_000));
            sky.ended(self.place(), Some(comeback));
        }
    }
}

/// The shortest sync.
const SYNC_US_MIN: u64 = 50;

/// The longest read of old decrees.
const READ_US_MAX: u64 = 5_000;
