//! What a node hears of one peer, and how a phase 1 gets on, counted in ticks.
//!
//! What follows from it is left to the election. The claim kept true: a peer is called held up only
//! while it speaks and its own count of ticks stands still.

use crate::message::Heartbeat;
use crate::pace::RTT_TICKS_MAX;
use synod_paxos::{Ballot, NodeId};

/// How somebody's phase 1 gets on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Phase1 {
    /// The ballot and the number told last; none if there is no phase 1.
    pub(super) told: Option<(Ballot, u32)>,
    /// Ticks since that changed; zero without a phase 1.
    pub(super) quiet: u32,
}

impl Phase1 {
    pub(super) fn on_tick(&mut self) {
        if self.told.is_some() {
            self.quiet = self.quiet.saturating_add(1);
        }
    }

    pub(super) fn look(&mut self, told: Option<(Ballot, u32)>) {
        if self.told != told {
            *self = Self { told, quiet: 0 };
        }
    }
}

/// What this node hears of one peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// Ticks since the last heartbeat.
    pub(super) silent: u32,
    pub(super) beat: Option<Heartbeat>,
    /// Whether `beat` says that the peer hears this node.
    pub(super) hears_me: bool,
    /// Ticks since its own count of ticks moved.
    pub(super) still: u32,
    /// The tick in `beat`, moved on by the ticks since then.
    pub(super) echo: u32,
    /// The ticks to the peer and back, as seen last; a longer way is believed at once, and a
    /// shorter one by and by.
    pub(super) rtt: u32,
    /// Ticks since the peer took some of what waits for it on the lane of the log.
    pub(super) lane_still: u32,
    pub(super) phase1: Phase1,
}

/// The links to all peers, in the order of the peers. They are looked through after each step, and
/// are few.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Links(Vec<(NodeId, Link)>);

impl Links {
    /// Takes the links, one to each peer.
    pub(super) fn new(links: impl Iterator<Item = (NodeId, Link)>) -> Self {
        let mut links: Vec<_> = links.collect();
        links.sort_unstable_by_key(|(node, _)| *node);
        Self(links)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, peer: &NodeId) -> Option<&Link> {
        self.0.iter().find(|(node, _)| node == peer).map(|(_, link)| link)
    }

    pub(super) fn get_mut(&mut self, peer: &NodeId) -> Option<&mut Link> {
        self.0.iter_mut().find(|(node, _)| node == peer).map(|(_, link)| link)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Link)> {
        self.0.iter().map(|(node, link)| (node, link))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Link> {
        self.0.iter().map(|(_, link)| link)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.0.iter_mut().map(|(_, link)| link)
    }
}

impl Link {
    /// Makes the view of a peer that was not heard for so many ticks.
    pub(super) fn silent_for(silent: u32) -> Self {
        let phase1 = Phase1::default();
        // It has taken nothing so far, and so is not taking anything in.
        let lane_still = u32::MAX;
        let (beat, hears_me) = (None, false);
        Self { silent, beat, hears_me, still: 0, echo: 0, rtt: 0, lane_still, phase1 }
    }

    pub(super) fn on_tick(&mut self) {
        self.silent = self.silent.saturating_add(1);
        self.still = self.still.saturating_add(1);
        self.lane_still = self.lane_still.saturating_add(1);
        self.echo = self.echo.wrapping_add(1);
        self.phase1.on_tick();
    }

    /// How long its last sync took, as it told.
    pub(super) fn sync_ticks(&self) -> Option<u32> {
        self.beat.as_ref().and_then(|beat| beat.sync_ticks)
    }

    /// Tells whether the peer is alive, and held up by its state machine.
    pub(super) fn is_held_up(&self) -> bool {
        self.silent < HELD_UP_TICKS && self.still >= HELD_UP_TICKS
    }

    /// Tells whether the peer has not taken in all that it was sent, and gets on.
    pub(super) fn is_taking_in(&self) -> bool {
        self.lane_still < LANE_STILL_TICKS + self.rtt.min(RTT_TICKS_MAX)
    }
}

/// A peer that speaks, and whose count of ticks has stood still for so many, is held up.
const HELD_UP_TICKS: u32 = 3;

/// A peer that has taken nothing of what waits for it for so many ticks, beside the way there and
/// back, does not get on: a fifth of a second at 40 ms, in which what was lost is sent again.
const LANE_STILL_TICKS: u32 = 5;
