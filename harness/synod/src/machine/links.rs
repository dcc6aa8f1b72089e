//! The links of a node to its peers, as a transport tells of them.
//!
//! A link comes with the first message of another process of the peer. Once in a while one comes
//! again for the same process, or for one that is over, and the host is told that a link is gone
//! that is not, or was said to be gone before: no order of these words may be relied on. The claim
//! kept true: whatever the transport says of links, what a life has said is what counts.

use synod_host::Event;
use synod_paxos::NodeId;
use synod_simulator::Micros;
use synod_smr::wire::decode_message;

use super::turns::Arrival;
use super::{Machine, Packet, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::monitor::Monitor;
use crate::step::{Cause, Kind};

/// The process at the other end of a link, and its life.
#[derive(Clone, Copy, Debug)]
pub(super) struct FarEnd {
    process: u64,
    life: u64,
}

impl Machine {
    /// Takes a frame of a peer.
    pub fn on_frame(
        &mut self,
        from: NodeId,
        packet: Packet,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        self.meet(from, &packet, world, monitor);
        // The turn in which the link was told of may have ended the process.
        if self.process.is_none() {
            return;
        }
        let Packet { by_stranger, number, kind: Some(kind), bytes, .. } = packet else {
            return monitor.report("wire", format!("a frame of node {from} that none has sent"));
        };
        // The host decodes each frame, and what is malformed is reported there. That a frame says
        // what was sent is asked in the builds that have assertions of this kind.
        debug_assert_eq!(decode_message(&bytes).map(|message| Kind::of(&message)), Ok(kind));
        monitor.on_arrival(number);
        let cause = Cause::Message(from, kind);
        let event = Event::PeerFrame { peer: from, bytes };
        self.arrive(Arrival { event, cause, by_stranger }, world, monitor);
    }

    /// Tells the host of the link that a frame comes by, where it is another one.
    fn meet(&mut self, from: NodeId, packet: &Packet, world: &mut SimWorld, monitor: &mut Monitor) {
        let now = self.now(world);
        let Some(process) = &mut self.process else { return };
        let known = process.far_ends.get(&from).copied();
        let is_past = known.is_some_and(|known| packet.process < known.process);
        if is_past {
            monitor.tracker.see(Point::FrameOfPastLife);
        }
        let is_new = known.is_none_or(|known| packet.process > known.process);
        let rumours = self.tuning.rumour_ppm;
        let comes_back = is_past && rumours > 0 && world.chance().chance(COMES_BACK_PPM);
        let again = !is_past && !is_new && rumours > 0 && world.chance().chance(rumours);
        if !(is_new || comes_back || again) {
            return;
        }
        let far_end = FarEnd { process: packet.process, life: packet.life };
        process.far_ends.insert(from, far_end);
        if known.is_some_and(|known| packet.life < known.life) {
            monitor.tracker.see(Point::LinkOfEarlierLife);
        }
        if again {
            monitor.tracker.see(Point::LinkToldAgain);
            // It comes with the link that takes the place.
            process.host.take(now, Event::PeerReplaced(from));
        }
        let event = Event::PeerUp { peer: from, life: packet.life };
        self.turn(event, Cause::LinkDown(from), world, monitor);
        if !is_new && world.chance().chance(GONE_PPM) {
            // It is said to be gone late, and sometimes twice.
            for _ in 0..world.chance().between(1, 2) {
                let length = Micros(world.chance().between(1, GONE_US_MAX));
                world.after(self.address(), Wakeup::LinkDown(from), length);
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
