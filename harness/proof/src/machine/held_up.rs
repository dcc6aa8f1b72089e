//! A loop that its state machine holds up: what comes waits, and the beacon speaks.
//!
//! What a turn brought about leaves at its end, so a long turn is one that begins when the machine
//! is done with it. Until then all that comes waits, in its order, as in the inbox of a node; the
//! journal's thread and the beacon (`synod-host`) go on. Which turns may be long is what applies or
//! answers: votes, announcements, decrees, confirmations of reads, and syncs.

use synod_harness::sim::{Address, Micros};
use synod_host::Committed;
use synod_smr::wire::peer::decode_message;

use super::{Event, Machine, Parcel, Place, Sky, Token};
use crate::court::Court;
use crate::sometimes::Point;
use crate::step::{Cause, Kind};
use synod_paxos::NodeId;

/// Something that came to a loop.
#[derive(Debug)]
pub(super) enum Came {
    /// A frame of a peer.
    Frame(NodeId, Parcel),
    /// A frame of a client.
    Request(u32, Parcel),
    /// Something that was waited for.
    Wake(Token),
    /// The end of a commit.
    Committed(Committed),
    /// The order to end.
    Drain,
}

/// A turn that takes long.
#[derive(Debug)]
pub(super) struct LongTurn {
    /// Which one it is on its machine.
    number: u64,
    /// What came since, the reason for the turn first.
    came: Vec<Came>,
}

impl Machine {
    /// Takes something in when the loop is free, and otherwise lets it wait.
    pub(super) fn receive(&mut self, came: Came, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        if let Some(turn) = &mut process.long_turn {
            turn.came.push(came);
        } else if self.draws_long_turn(&came, sky) {
            self.begin_long_turn(came, sky, court);
        } else {
            self.take(came, sky, court);
        }
    }

    /// Takes what came, one turn for each, as a loop does that is free.
    fn take(&mut self, came: Came, sky: &mut Sky, court: &mut Court) {
        match came {
            Came::Frame(from, parcel) => self.take_frame(from, &parcel, sky, court),
            Came::Request(client, parcel) => self.take_request(client, &parcel, sky, court),
            Came::Wake(token) => self.take_wake(token, sky, court),
            Came::Committed(committed) => {
                self.turn(Event::Committed(committed), Cause::Synced, sky, court);
            }
            Came::Drain => self.turn(Event::Drain, Cause::Drain, sky, court),
        }
    }

    fn draws_long_turn(&self, came: &Came, sky: &mut Sky) -> bool {
        let hold_ups = &self.tuning.hold_ups;
        let at = sky.now();
        hold_ups.ppm > 0
            && (hold_ups.from..hold_ups.until).contains(&at)
            && hold_ups.only.is_none_or(|node| node == self.node)
            && sky.chance().chance(hold_ups.ppm)
            && may_apply(came)
    }

    fn begin_long_turn(&mut self, came: Came, sky: &mut Sky, court: &mut Court) {
        let (now, address) = (self.now(sky), self.address());
        let hold_ups = &self.tuning.hold_ups;
        let length =
            Micros::from_ms(sky.chance().between(hold_ups.shortest_ms, hold_ups.longest_ms));
        self.long_turns += 1;
        let number = self.long_turns;
        let Some(process) = &mut self.process else { return };
        process.long_turn = Some(LongTurn { number, came: vec![came] });
        process.beacon.on_turn(now);
        sky.say(|| format!("node {} is held up for {length}", self.node));
        court.lookout.see(Point::LoopHeldUp);
        sky.after(address, Token::Free(number), length);
        sky.after(address, Token::Beacon(number), LOOK);
    }

    /// Ends a long turn: first all that came, then the timers.
    pub(super) fn on_free(&mut self, number: u64, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        let Some(turn) = process.long_turn.take_if(|turn| turn.number == number) else { return };
        process.beacon.on_turn_end();
        let (timers, came): (Vec<_>, Vec<_>) =
            turn.came.into_iter().partition(|came| matches!(came, Came::Wake(Token::Wake(_))));
        for (place, came) in came.into_iter().chain(timers).enumerate() {
            if place == 0 {
                self.take(came, sky, court);
            } else {
                self.receive(came, sky, court);
            }
        }
    }

    /// Asks the beacon what is to be said for a loop that is held up.
    pub(super) fn on_beacon(&mut self, number: u64, sky: &mut Sky) {
        let (now, address) = (self.now(sky), self.address());
        let Some(process) = &mut self.process else { return };
        if process.long_turn.as_ref().is_none_or(|turn| turn.number != number) {
            return;
        }
        if let Some(bytes) = process.beacon.on_time(now) {
            for peer in self.nodes.iter().filter(|peer| **peer != self.node) {
                let parcel = Parcel { life: process.life, number: 0, bytes: bytes.clone() };
                sky.send(address, Address::Node(Place(peer.number())), parcel, bytes.len());
            }
        }
        sky.after(address, Token::Beacon(number), LOOK);
    }
}

/// Tells whether what came may have the state machine do something.
fn may_apply(came: &Came) -> bool {
    match came {
        Came::Frame(_, parcel) => {
            decode_message(&parcel.bytes).is_ok_and(|message| match Kind::of(&message) {
                Kind::Accept(..)
                | Kind::Accepted(..)
                | Kind::Chosen(..)
                | Kind::Confirmed
                | Kind::Decrees(_) => true,
                Kind::Prepare(_)
                | Kind::Promise { .. }
                | Kind::Nack
                | Kind::Heartbeat
                | Kind::Confirm
                | Kind::Fetch
                | Kind::Stranger => false,
            })
        }
        Came::Committed(_) => true,
        Came::Request(..) | Came::Wake(_) | Came::Drain => false,
    }
}

/// How often the thread beside a loop looks at it: twice in a heartbeat period.
const LOOK: Micros = Micros(20_000);
