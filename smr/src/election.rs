//! Elections: who should lead, and when. Liveness only; no safety rests on anything here.
//!
//! A node is content while it has a leader that can lead. It campaigns only if it is discontent AND
//! sees a phase-1 quorum of discontent nodes on links that work both ways. That is pre-vote and
//! check-quorum in one rule, without a round of its own: a leader with a quorum keeps a majority
//! content, so nobody's ballot rises; a leader without one says so, and every node that is
//! connected to a quorum becomes electable, however stale its log (after Omni-Paxos, 2023).
//!
//! The claim kept true: where some node has two-way links with a quorum, a leader comes about.

use crate::config::Config;
use crate::message::Heartbeat;
use std::collections::BTreeMap;
use synod_paxos::{Ballot, NodeId, Slot, Tally};

/// How many ticks a leader may wait for something without progress before it is discontent.
pub const STALL_TICKS: u32 = 15;

/// How a node sees its peers and its leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Election {
    config: Config,
    links: BTreeMap<NodeId, Link>,
    content: bool,
    /// Ticks until this node may campaign (again).
    cooldown: u32,
    /// Whether the campaign timer runs.
    armed: bool,
    /// The ballot whose leadership this node still claims while it raises it.
    raising: Option<Ballot>,
    /// Ticks since this leader last raised its ballot.
    since_raise: u32,
    stalled: u32,
    progress: Progress,
}

/// What this node hears of one peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Link {
    /// Ticks since the last heartbeat.
    silent: u32,
    beat: Option<Heartbeat>,
}

/// What counts as progress: any change of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The chosen prefix.
    pub chosen: Slot,
    /// How many rounds of reads were confirmed.
    pub reads: u64,
}

/// What the election needs to know of the rest of the replica.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The ballot in which this node leads.
    pub leads: Option<Ballot>,
    /// Whether it is in phase 1.
    pub preparing: bool,
    /// The highest ballot that it heard of.
    pub seen: Ballot,
    /// Whether something waits for other nodes.
    pub pending: bool,
    /// What has been achieved.
    pub progress: Progress,
    /// Whether this node is fit to lead: it has disk room, and is not about to stop.
    pub fit: bool,
}

/// What the election wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// The campaign timer shall fire between these bounds, in milliseconds.
    Arm(u32, u32),
    /// This leader shall raise its ballot, as a voter promised a higher one and is lost to it.
    Raise,
    /// This leader shall resign, as somebody leads in a higher ballot.
    Resign,
}

impl Election {
    /// Makes the view of a node that has heard nobody yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let me = config.brand.node;
        let peers = config.voters.voters().iter().filter(|node| **node != me);
        let silent = config.suspicion_ticks + 1;
        let links = peers.map(|node| (*node, Link { silent, beat: None })).collect();
        Self {
            config,
            links,
            content: false,
            cooldown: 0,
            armed: false,
            raising: None,
            since_raise: 0,
            stalled: 0,
            progress: Progress::default(),
        }
    }

    /// Takes a heartbeat in.
    pub fn on_heartbeat(&mut self, from: NodeId, beat: Heartbeat) {
        if let Some(link) = self.links.get_mut(&from) {
            *link = Link { silent: 0, beat: Some(beat) };
        }
    }

    /// Takes note that a link broke.
    pub fn on_link_down(&mut self, peer: NodeId) {
        let silent = self.config.suspicion_ticks + 1;
        if let Some(link) = self.links.get_mut(&peer) {
            link.silent = silent;
        }
    }

    /// Takes note that this node promised another one's ballot: that one gets its chance first.
    pub const fn on_promised(&mut self) {
        self.cooldown = self.config.suspicion_ticks;
        self.armed = false;
    }

    /// Counts a tick.
    pub fn on_tick(&mut self, situation: &Situation) {
        for link in self.links.values_mut() {
            link.silent = link.silent.saturating_add(1);
        }
        self.cooldown = self.cooldown.saturating_sub(1);
        self.since_raise = self.since_raise.saturating_add(1);
        let waits = situation.pending && situation.progress == self.progress;
        self.stalled = if waits { self.stalled.saturating_add(1) } else { 0 };
        self.progress = situation.progress;
    }

    /// Looks at the situation again, and says what it asks for.
    pub fn assess(&mut self, situation: &Situation) -> Wish {
        if situation.leads.is_some() || !situation.preparing {
            self.raising = None;
        }
        self.content = self.is_satisfied(situation);
        if !self.content {
            self.raising = None;
        }
        if let Some(mine) = situation.leads
            && self.follows(situation).is_some_and(|ballot| ballot > mine)
        {
            return Wish::Resign;
        }
        if self.is_stranded(situation) {
            return Wish::Raise;
        }
        if self.armed || !self.may_campaign(situation) {
            return Wish::Nothing;
        }
        self.armed = true;
        let delay = self.rank(situation) * self.config.stagger_ms;
        Wish::Arm(delay, delay + self.config.stagger_ms / 2)
    }

    /// Takes the campaign timer, and tells whether to campaign.
    pub fn on_campaign_timer(&mut self, situation: &Situation) -> bool {
        let armed = std::mem::take(&mut self.armed);
        armed && self.may_campaign(situation)
    }

    /// Takes note that this node begins a ballot.
    pub const fn on_campaign(&mut self, situation: &Situation) {
        self.raising = situation.leads;
        self.since_raise = 0;
        self.cooldown = self.config.suspicion_ticks;
        self.stalled = 0;
    }

    /// Tells whether a Prepare of `from` is heard: by the discontent, and from their own leader.
    #[must_use]
    pub fn admits_prepare(&self, from: NodeId, situation: &Situation) -> bool {
        !self.content || self.follows(situation).is_some_and(|ballot| ballot.node() == from)
    }

    /// Returns the ballot in which this node leads, or still claims to while it raises it.
    #[must_use]
    pub fn claims(&self, situation: &Situation) -> Option<Ballot> {
        situation.leads.or(self.raising)
    }

    /// Returns the highest ballot that somebody on a working link leads, this node included.
    #[must_use]
    pub fn follows(&self, situation: &Situation) -> Option<Ballot> {
        let heard = self.links.iter().filter(|(node, _)| self.is_up(**node));
        let led = heard.filter_map(|(_, link)| link.beat.as_ref().and_then(|beat| beat.leads));
        led.chain(self.claims(situation)).max()
    }

    /// Returns the highest ballot that a peer on a working link promised.
    #[must_use]
    pub fn highest_promise(&self) -> Ballot {
        self.beats().map(|(_, beat)| beat.promised).max().unwrap_or(Ballot::ZERO)
    }

    /// Tells whether this node sees no need for another leader.
    #[must_use]
    pub const fn is_content(&self) -> bool {
        self.content
    }

    /// Lists the peers that this node hears.
    #[must_use]
    pub fn hears(&self) -> Vec<NodeId> {
        self.links.iter().filter(|(_, link)| self.is_heard(link)).map(|(node, _)| *node).collect()
    }

    /// Tells whether this node and `peer` hear each other.
    #[must_use]
    pub fn is_up(&self, peer: NodeId) -> bool {
        self.links.get(&peer).is_some_and(|link| {
            self.is_heard(link)
                && link.beat.as_ref().is_some_and(|beat| beat.hears.contains(&self.me()))
        })
    }

    /// Tells whether this node, with the peers on working links, makes up a quorum.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let connected: Tally = self.beats().map(|(node, _)| node).chain([self.me()]).collect();
        self.config.voters.is_phase2_quorum(&connected)
    }

    /// Lists the last heartbeats of the peers on working links.
    pub fn beats(&self) -> impl Iterator<Item = (NodeId, &Heartbeat)> {
        let up = self.links.iter().filter(|(node, _)| self.is_up(**node));
        up.filter_map(|(node, link)| link.beat.as_ref().map(|beat| (*node, beat)))
    }

    const fn me(&self) -> NodeId {
        self.config.brand.node
    }

    const fn is_heard(&self, link: &Link) -> bool {
        link.silent <= self.config.suspicion_ticks
    }

    fn is_satisfied(&self, situation: &Situation) -> bool {
        let Some(ballot) = self.follows(situation) else { return false };
        if ballot.node() == self.me() {
            return situation.fit && self.stalled < STALL_TICKS && self.is_connected();
        }
        self.beats()
            .any(|(node, beat)| node == ballot.node() && beat.leads == Some(ballot) && beat.content)
    }

    /// Tells whether a voter promised a ballot above this content leader's, and is lost to it.
    fn is_stranded(&self, situation: &Situation) -> bool {
        let Some(mine) = situation.leads else { return false };
        let stranded = situation.seen > mine || self.beats().any(|(_, beat)| beat.promised > mine);
        self.content && stranded && self.since_raise >= self.config.suspicion_ticks
    }

    fn may_campaign(&self, situation: &Situation) -> bool {
        let discontent = self.beats().filter(|(_, beat)| !beat.content).map(|(node, _)| node);
        let discontent: Tally = discontent.chain([self.me()]).collect();
        !self.content
            && situation.fit
            && self.cooldown == 0
            && self.config.voters.contains(self.me())
            && self.config.voters.is_phase1_quorum(&discontent)
    }

    /// Counts the discontent peers that should campaign before this node.
    fn rank(&self, situation: &Situation) -> u32 {
        let key =
            |priority: u8, chosen: Slot, node: NodeId| (priority, chosen, std::cmp::Reverse(node));
        let mine = key(self.config.priority, situation.progress.chosen, self.me());
        let better = self
            .beats()
            .filter(|(node, beat)| !beat.content && key(beat.priority, beat.chosen, *node) > mine);
        u32::try_from(better.count()).unwrap_or(u32::MAX)
    }
}
