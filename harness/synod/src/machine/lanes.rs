//! The lanes of the log to peers, as far as they differ from the network under them.
//!
//! Once in a while a peer takes nothing more for some time: what it is sent of the log waits in
//! order, within a bound, and then leaves as it came. Everything else passes it by. The host is
//! told in each turn which lanes stand, as by a transport.

use std::collections::{BTreeMap, VecDeque};

use synod_clock::Moment;
use synod_fault::NodeId as Place;
use synod_host::Event;
use synod_paxos::NodeId;
use synod_simulator::{Address, Micros};
use synod_smr::Lane;

use super::{Machine, Packet, SimWorld, Wakeup};
use crate::coverage::Point;
use crate::monitor::Monitor;

/// What waits on the lanes that stand, each with at least one message.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    standing: BTreeMap<NodeId, VecDeque<Packet>>,
}

impl Lanes {
    /// Returns the peers whose lanes stand.
    pub(super) fn standing(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.standing.keys().copied()
    }
}

impl Machine {
    /// Tells the host on which lanes something waits.
    pub(super) fn tell_lanes(&mut self, now: Moment) {
        let Some(process) = &mut self.process else { return };
        for peer in process.lanes.standing() {
            process.host.take(now, Event::LogWaiting(peer));
        }
    }

    /// Sends a message, or has it wait on its lane.
    pub(super) fn send_by_lane(
        &mut self,
        to: NodeId,
        lane: Lane,
        packet: Packet,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        let (address, is_calm) = (self.address(), self.is_calm);
        let stalls_ppm = if is_calm { 0 } else { self.tuning.lane_stall_ppm };
        let Some(process) = &mut self.process else { return };
        match lane {
            Lane::Log { .. } => {}
            Lane::Control | Lane::Bulk | Lane::Datagram => return send(address, to, packet, world),
        }
        if let Some(waiting) = process.lanes.standing.get_mut(&to) {
            // What finds the lane full is lost, as on a real one.
            if waiting.len() < WAITING_MAX {
                waiting.push_back(packet);
            }
        } else if stalls_ppm > 0 && world.chance().chance(stalls_ppm) {
            process.lanes.standing.insert(to, VecDeque::from([packet]));
            let length = Micros::from_ms(world.chance().between(1, STALL_MS_MAX));
            world.after(address, Wakeup::Lane(to, process.process), length);
            monitor.tracker.see(Point::LaneStalls);
        } else {
            send(address, to, packet, world);
        }
    }

    /// A peer takes what waits for it.
    pub(super) fn on_lane(&mut self, peer: NodeId, number: u64, world: &mut SimWorld) {
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        if process.process != number {
            return;
        }
        for packet in process.lanes.standing.remove(&peer).into_iter().flatten() {
            send(address, peer, packet, world);
        }
    }
}

fn send(from: Address, to: NodeId, packet: Packet, world: &mut SimWorld) {
    let length = packet.bytes.len();
    world.send(from, Address::Node(Place(to.number())), packet, length);
}

/// How many messages wait on a lane at most.
const WAITING_MAX: usize = 256;

/// How long a lane stands at most: several times as long as until something is said again.
const STALL_MS_MAX: u64 = 2_000;
