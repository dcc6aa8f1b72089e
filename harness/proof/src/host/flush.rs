//! The end of a step: what it brought about is shown to the court and carried out.
//!
//! In the order of the production node: timers, responses, messages, records. The claim kept true:
//! the court sees everything that leaves, before it leaves.

use synod_harness::fault::NodeId as Place;
use synod_harness::sim::{Address, Crash, DiskFault, Micros};
use synod_paxos::To;
use synod_smr::wire::client::encode_response;
use synod_smr::wire::peer::encode_message;
use synod_smr::{Connection, Message};

use super::{Host, Parcel, Sky, Token};
use crate::court::Court;
use crate::sometimes::{End, Point};
use crate::step::{Cause, Stance, Step};

impl Host {
    /// Carries out what a step brought about, and shows it to the court.
    pub(super) fn flush(
        &mut self,
        cause: Cause,
        before: Stance,
        durable: &[synod_smr::Record],
        sky: &mut Sky,
        court: &mut Court,
    ) {
        let Some(process) = &mut self.process else { return };
        sky.count_step();
        let batch = if process.storage.has_place() { process.effects.take_batch() } else { None };
        let sent: Vec<(To, Message)> = process.effects.outbox().collect();
        let replies: Vec<_> = process.effects.replies().collect();
        let step = Step {
            now: sky.now(),
            node: self.node,
            life: process.storage.incarnation(),
            cause,
            before,
            after: Stance::of(&process.replica),
            replica: &process.replica,
            durable,
            records: batch.as_ref().map_or(&[], |batch| batch.records()),
            sent: &sent,
            replies: &replies,
        };
        court.on_step(&step, sky);
        for difference in process.effects.differences() {
            court.object("halt", format!("node {}: {difference}", self.node));
        }
        if let Some(reason) = process.effects.halt() {
            court.object("halt", format!("node {} halts: {reason}", self.node));
        }
        self.set_timers(sky);
        self.answer(&replies, sky);
        self.send_all(&sent, sky, court);
        self.read_log(sky, court);
        if let Some(batch) = batch {
            self.write(batch, sky, court);
        }
        self.end_if_retired(sky, court);
    }

    fn write(&mut self, batch: synod_smr::Batch, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        match process.storage.write(batch, &mut self.vouched) {
            Ok(true) => self.begin_sync(sky),
            Ok(false) => court.lookout.see(Point::BatchWaiting),
            Err(error) => self.die(&error, sky, court),
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

    fn set_timers(&mut self, sky: &mut Sky) {
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        for set in process.effects.timers() {
            let (soonest, latest) = (u64::from(set.earliest_ms), u64::from(set.latest_ms));
            let length = sky.chance().between(soonest * 1_000, latest * 1_000);
            process.timers_set += 1;
            process.timers.insert(set.timer, process.timers_set);
            sky.set_timer(address, Token::Timer(set.timer, process.timers_set), Micros(length));
        }
    }

    fn answer(
        &self,
        replies: &[(Connection, synod_smr::RequestId, synod_smr::Response)],
        sky: &mut Sky,
    ) {
        for (connection, id, response) in replies {
            let bytes = encode_response(*id, response);
            let client = u32::try_from(connection.0).expect("connections are clients' numbers");
            let length = bytes.len();
            let parcel = Parcel { life: 0, number: 0, bytes };
            sky.send(self.address(), Address::Client(client), parcel, length);
        }
    }

    fn send_all(&self, sent: &[(To, Message)], sky: &mut Sky, court: &mut Court) {
        let Some(process) = &self.process else { return };
        let life = process.storage.incarnation();
        for (to, message) in sent {
            let bytes = encode_message(message);
            let receivers = match to {
                To::Node(node) => std::slice::from_ref(node),
                To::Peers => &self.nodes[..],
            };
            for receiver in receivers.iter().filter(|receiver| **receiver != self.node) {
                let number = court.on_parcel(self.node, *receiver, message);
                let parcel = Parcel { life, number, bytes: bytes.clone() };
                let to = Address::Node(Place(receiver.number()));
                sky.send(self.address(), to, parcel, bytes.len());
            }
        }
    }

    fn read_log(&mut self, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        let wishes: Vec<_> = process.effects.log_reads().collect();
        let mut found = Vec::new();
        for wish in wishes {
            found.extend(process.storage.read(wish).map(|message| (To::Node(wish.to), message)));
        }
        self.send_all(&found, sky, court);
    }

    /// A node that was asked to end does so once it has handed over.
    fn end_if_retired(&mut self, sky: &mut Sky, court: &mut Court) {
        let done = self.process.as_ref().is_some_and(|process| {
            process.retiring && process.replica.is_drained() && process.storage.is_idle()
        });
        if done && let Some(process) = self.end(End::Retired, sky, court) {
            sky.say(|| format!("node {} ends as it was asked to", self.node));
            sky.felt_retirement(self.place());
            // A disk that fails here fails a process that is about to end anyway.
            let _ = process.storage.close();
            self.leave_disk(Crash::Kill, sky);
            let comeback = Micros::from_ms(sky.chance().between(50, 1_000));
            sky.ended(self.place(), Some(comeback));
        }
    }
}

/// The shortest sync.
const SYNC_US_MIN: u64 = 50;
