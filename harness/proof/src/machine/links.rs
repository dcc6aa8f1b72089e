//! The links of a node to its peers, as a transport tells of them.
//!
//! A link comes with the first message of another process of the peer. Once in a while one comes
//! again for the same process, or for one that is over, and the host is told that a link is gone
//! that is not, or was said to be gone before: no order of these words may be relied on. The claim
//! kept true: whatever the transport says of links, what a life has said is what counts.

use synod_harness::sim::Micros;
use synod_host::Event;
use synod_paxos::NodeId;
use synod_smr::wire::peer::decode_message;

use super::turns::Arrival;
use super::{Machine, Parcel, Sky, Token};
use crate::court::Court;
use crate::sometimes::Point;
use crate::step::{Cause, Kind};

/// The process at the other end of a link, and its life.
#[derive(Clone, Copy, Debug)]
pub(super) struct FarEnd {
    process: u64,
    life: u64,
}

impl Machine {
    /// Takes a frame of a peer.
    pub fn on_frame(&mut self, from: NodeId, parcel: &Parcel, sky: &mut Sky, court: &mut Court) {
        self.meet(from, parcel, sky, court);
        if self.process.is_none() {
            return;
        }
        match decode_message(&parcel.bytes) {
            Ok(message) => {
                court.on_arrival(parcel.number);
                let cause = Cause::Message(from, Kind::of(&message));
                let event = Event::PeerFrame { peer: from, bytes: parcel.bytes.clone() };
                let by_stranger = parcel.by_stranger;
                self.arrive(Arrival { event, cause, by_stranger }, sky, court);
            }
            Err(error) => court.object("wire", format!("a frame of node {from}: {error}")),
        }
    }

    /// Tells the host of the link that a frame comes by, where it is another one.
    fn meet(&mut self, from: NodeId, parcel: &Parcel, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        let known = process.far_ends.get(&from).copied();
        let is_past = known.is_some_and(|known| parcel.process < known.process);
        if is_past {
            court.lookout.see(Point::FrameOfPastLife);
        }
        let is_new = known.is_none_or(|known| parcel.process > known.process);
        let rumours = self.tuning.rumour_ppm;
        let comes_back = is_past && rumours > 0 && sky.chance().chance(COMES_BACK_PPM);
        let again = !is_past && !is_new && rumours > 0 && sky.chance().chance(rumours);
        if !(is_new || comes_back || again) {
            return;
        }
        let far_end = FarEnd { process: parcel.process, life: parcel.life };
        process.far_ends.insert(from, far_end);
        if known.is_some_and(|known| parcel.life < known.life) {
            court.lookout.see(Point::LinkOfEarlierLife);
        }
        if again {
            court.lookout.see(Point::LinkToldAgain);
        }
        let event = Event::PeerUp { peer: from, life: parcel.life };
        self.turn(event, Cause::LinkDown(from), sky, court);
        if !is_new && sky.chance().chance(GONE_PPM) {
            // It is said to be gone late, and sometimes twice.
            for _ in 0..sky.chance().between(1, 2) {
                let length = Micros(sky.chance().between(1, GONE_US_MAX));
                sky.after(self.address(), Token::LinkDown(from), length);
            }
        }
    }
}

/// How often a link of a process that is over is told of once more when a frame of it comes late.
const COMES_BACK_PPM: u32 = 300_000;

/// How often a link that is told of again is said to be gone as well.
const GONE_PPM: u32 = 300_000;

/// How much later that is said at most.
const GONE_US_MAX: u64 = 300_000;
