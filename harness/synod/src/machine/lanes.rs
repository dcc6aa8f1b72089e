//! The lanes of the log and of what is long to peers, as far as they differ from the network under
//! them.
//!
//! Once in a while a peer takes nothing more for some time: what it is sent on a lane waits in
//! order, within a bound, and then leaves as it came. Or the way to it is narrow for a while: each
//! message takes its time, and the next one waits for it. Everything else passes them by. A larger
//! ballot takes the place of what waits of a smaller one, and the lanes of another link begin anew.
//! The host is told in each turn on which lanes something waits and how much has passed, as by a
//! transport. That the lanes of a link share its room is left out.

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

/// What waits on the lanes that hold something.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    held: BTreeMap<(NodeId, Kind), Held>,
    /// How many bytes have passed on the lane of the log of each link.
    passed: BTreeMap<NodeId, u64>,
    /// The counts of which the host was told in the last turn.
    told: BTreeMap<NodeId, u64>,
}

/// Which lane to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Log,
    Bulk,
}

impl Kind {
    /// Returns what is waited for, where the lane to a node goes on.
    const fn wakeup(self, to: NodeId, process: u64) -> Wakeup {
        match self {
            Self::Log => Wakeup::Lane(to, process),
            Self::Bulk => Wakeup::Bulk(to, process),
        }
    }
}

/// What waits on one lane: at least one message.
#[derive(Debug)]
struct Held {
    waiting: VecDeque<Packet>,
    /// Of which ballot it is, on the lane of the log.
    epoch: u64,
    /// How the peer takes it.
    way: Way,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Not at all, and then all of it at once.
    Stands,
    /// One message after the other, each of which takes so long, and after so many further ones
    /// all that wait.
    Narrow(Micros, u64),
}

impl Lanes {
    /// Returns the peers on whose lanes of this kind something waits.
    pub(super) fn holding(&self, wanted: Kind) -> impl Iterator<Item = NodeId> + '_ {
        let held = self.held.keys().filter(move |(_, kind)| *kind == wanted);
        held.map(|(peer, _)| *peer)
    }

    /// Lists what a transport would tell, with the counts of the log. Bytes pass a narrow way all
    /// the time.
    fn to_tell(&self, now: Micros) -> Vec<(Event, Option<(NodeId, u64)>)> {
        let to_tell = self.held.iter().map(|((peer, kind), held)| {
            let passing = match held.way {
                Way::Stands => 0,
                Way::Narrow(..) => now.0 / PASSES_US,
            };
            let passed = self.passed.get(peer).unwrap_or(&0) + passing;
            let waiting = held.waiting.iter().map(|packet| packet.bytes.len()).sum();
            match kind {
                Kind::Log => {
                    (Event::LogWaiting { peer: *peer, passed, waiting }, Some((*peer, passed)))
                }
                Kind::Bulk => (Event::BulkWaiting(*peer), None),
            }
        });
        to_tell.collect()
    }

    /// Takes note of a message that the peer has taken.
    fn on_passed(&mut self, peer: NodeId, kind: Kind, packet: &Packet) {
        if kind == Kind::Log {
            *self.passed.entry(peer).or_default() += packet.bytes.len() as u64;
        }
    }

    /// The link to a peer is another one, and its lanes begin anew. What waited is lost, but for
    /// what was given last: that found the new link. Tells whether anything of the log was lost.
    fn begin_anew(&mut self, peer: NodeId) -> bool {
        self.passed.remove(&peer);
        self.told.remove(&peer);
        let mut lost = false;
        for ((_, kind), held) in self.held.iter_mut().filter(|((of, _), _)| *of == peer) {
            let before = held.waiting.len();
            // A lane that is kept holds at least one message, so that there is one to leave.
            held.waiting.drain(..before - 1);
            lost |= *kind == Kind::Log;
        }
        lost
    }

    /// The link to a peer is gone, with all that waits for it.
    fn end(&mut self, peer: NodeId) {
        self.passed.remove(&peer);
        self.told.remove(&peer);
        self.held.retain(|(of, _), _| *of != peer);
    }
}

impl Machine {
    /// Tells the host on which lanes something waits, and holds what it makes of that against what
    /// has passed: the lane of a link moves only if some of what waited there has passed on it.
    pub(super) fn tell_lanes(&mut self, now: Moment, world: &SimWorld, monitor: &mut Monitor) {
        let Some(process) = &mut self.process else { return };
        if process.lanes.held.is_empty() && process.lanes.told.is_empty() {
            return;
        }
        let mut told = BTreeMap::new();
        for (event, count) in process.lanes.to_tell(world.now()) {
            let before = process.host.counts().lanes_moved;
            process.host.take(now, event);
            let Some((peer, passed)) = count else { continue };
            // Where a lane was not told of before, nothing says yet that it moves.
            let moves = process.lanes.told.get(&peer).is_some_and(|last| *last != passed);
            if process.host.counts().lanes_moved > before && !moves {
                let detail = format!("node {} takes the lane to {peer} for moving", self.node);
                monitor.report("lane-moved", detail);
            }
            told.insert(peer, passed);
        }
        // What is not told of in this turn has nothing to be compared with in the next.
        process.lanes.told = told;
    }

    /// Does to the lanes what becomes of them with a link, as its host hears of it.
    pub(super) fn change_lanes(&mut self, event: &Event, monitor: &mut Monitor) {
        let Some(process) = &mut self.process else { return };
        if let Event::PeerUp { peer, .. } = event
            && process.lanes.begin_anew(*peer)
        {
            monitor.tracker.see(Point::LaneBegunAnew);
        }
        if let Event::PeerDown(peer) = event {
            process.lanes.end(*peer);
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
        let (kind, epoch) = match lane {
            Lane::Log { epoch } => (Kind::Log, epoch),
            Lane::Bulk => (Kind::Bulk, 0),
            Lane::Control | Lane::Datagram => return send(address, to, packet, world),
        };
        if let Some(held) = process.lanes.held.get_mut(&(to, kind)) {
            // A larger ballot takes the place of a smaller one, and none comes after a larger one.
            if held.epoch > epoch {
                return;
            }
            if held.epoch < epoch {
                monitor.tracker.see(Point::LaneOfLargerBallot);
                (held.epoch, held.waiting) = (epoch, VecDeque::new());
            }
            // What finds the lane full is lost, as on a real one.
            if held.waiting.len() < WAITING_MAX {
                held.waiting.push_back(packet);
            }
            return;
        }
        let standing = self.tuning.standing_log.filter(|_| kind == Kind::Log);
        if let Some(length) = standing.and_then(|standing| standing.left(self.node, world.now())) {
            let (waiting, way) = (VecDeque::from([packet]), Way::Stands);
            process.lanes.held.insert((to, kind), Held { waiting, epoch, way });
            return world.after(address, kind.wakeup(to, process.process), length);
        }
        if stalls_ppm == 0 || !world.chance().chance(stalls_ppm) {
            process.lanes.on_passed(to, kind, &packet);
            return send(address, to, packet, world);
        }
        let (way, length) = if world.chance().chance(self.tuning.lane_narrow_ppm) {
            let length = Micros::from_ms(world.chance().between(1, NARROW_MS_MAX));
            monitor.tracker.see(Point::LaneNarrow);
            (Way::Narrow(length, world.chance().below(NARROW_MESSAGES_MAX)), length)
        } else {
            monitor.tracker.see(match kind {
                Kind::Log => Point::LaneStalls,
                Kind::Bulk => Point::BulkStalls,
            });
            (Way::Stands, Micros::from_ms(world.chance().between(1, STALL_MS_MAX)))
        };
        let waiting = VecDeque::from([packet]);
        process.lanes.held.insert((to, kind), Held { waiting, epoch, way });
        world.after(address, kind.wakeup(to, process.process), length);
    }

    /// A peer takes what waits for it, or the first of it.
    pub(super) fn on_lane(&mut self, peer: NodeId, kind: Kind, number: u64, world: &mut SimWorld) {
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        // It was set by an earlier process of the machine, whose lanes are gone.
        if process.process != number {
            return;
        }
        let Some(mut held) = process.lanes.held.remove(&(peer, kind)) else { return };
        let passes = match held.way {
            Way::Narrow(_, 1..) if !self.is_calm => 1,
            Way::Stands | Way::Narrow(..) => held.waiting.len(),
        };
        for packet in held.waiting.drain(..passes) {
            process.lanes.on_passed(peer, kind, &packet);
            send(address, peer, packet, world);
        }
        if let Way::Narrow(length, further) = &mut held.way
            && !held.waiting.is_empty()
        {
            *further -= 1;
            let length = *length;
            world.after(address, kind.wakeup(peer, number), length);
            process.lanes.held.insert((peer, kind), held);
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

/// How long a message takes at most on a narrow way: several times as long as a leader waits for
/// what does not get on.
const NARROW_MS_MAX: u64 = 3_000;

/// After how many further messages a narrow way is wide again, at most.
const NARROW_MESSAGES_MAX: u64 = 8;

/// Within this time some of a message passes a narrow way, in microseconds.
const PASSES_US: u64 = 20_000;
