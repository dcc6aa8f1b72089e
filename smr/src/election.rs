//! Elections: who should lead, and when. Liveness only; no safety rests on anything here.
//!
//! A node is content while it has a leader that can lead. It campaigns only if it is discontent AND
//! sees a phase-1 quorum of discontent nodes on links that work both ways, and has such links with
//! a phase-2 quorum: else it would win ballots and get nothing chosen. That is pre-vote and
//! check-quorum in one rule, without a round of its own: a leader with a quorum keeps a majority
//! content, so nobody's ballot rises; a leader without one says so, and every node that is
//! connected to a quorum becomes electable, however stale its log (after Omni-Paxos, 2023).
//!
//! A candidate keeps its ballot as long as its phase 1 gets on: while its own promise is on its way
//! to its disk, and as long after each part of a promise as links and disks take for the next, as
//! they were last seen (`pace.rs`). Heartbeats tell how it gets on, and others wait as long with a
//! ballot of their own, which would end it. More patience and more jitter follow a failed ballot.
//!
//! A node whose state machine takes long over a command counts no tick meanwhile, and its last
//! heartbeat is said again for it: it is alive, held up, and no reason for another leader.
//!
//! The claim kept true: where some node has two-way links with a quorum, a leader comes about,
//! however slow links and disks are.

pub(crate) mod cause;
mod link;
mod paths;
mod patience;
mod progress;
mod rivals;

use crate::config::Config;
use crate::message::Heartbeat;
use link::{Link, Links, Phase1};
use synod_paxos::{Ballot, NodeId, Slot};

/// How many ticks a leader may wait for something without progress before it is discontent, beside
/// those that links and disks take.
pub const STALL_TICKS: u32 = 15;

/// How many ticks a leader waits without progress for nodes that take in what they were sent: half
/// a minute at 40 ms, in which the longest message passes a way of 140 kB a second.
pub const TAKE_IN_TICKS_MAX: u32 = 750;

/// How many bytes may wait for a node that is waited for, beside those of open slots.
pub const TAKE_IN_BYTES_MAX: usize = 1 << 20;

/// How often failed ballots double the patience with the next, and its jitter.
pub const BACKOFF_MAX: u32 = 5;

/// The longest patience with a phase 1 that does not get on, in ticks: forty seconds at 40 ms.
pub const PATIENCE_TICKS_MAX: u32 = 1_000;

/// A sync that takes longer than this, in milliseconds, is a reason to let another node lead.
pub const SLOW_SYNC_MS: u32 = 1_000;

/// How a node sees its peers and its leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Election {
    config: Config,
    links: Links,
    leader_ok: bool,
    /// Ticks until this node may campaign (again).
    cooldown: u32,
    /// Whether the campaign timer runs.
    armed: bool,
    /// The ballot whose leadership this node still claims while it raises it.
    raising: Option<Ballot>,
    /// Ticks since this leader last raised its ballot.
    since_raise: u32,
    /// Ticks that something has waited for without progress.
    waited: u32,
    /// Those of them, of late, in which no busy node was waited for.
    stalled: u32,
    progress: Progress,
    /// The ballot led at the last tick, and how phase 1 stood: a change of it is progress, too.
    stood: (Option<Ballot>, Option<(Ballot, u32)>),
    /// This node's count of ticks.
    ticks: u32,
    /// How this node's phase 1 gets on.
    own: Phase1,
    /// How many ballots failed since this node was last content.
    failures: u32,
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
pub struct ElectionView {
    /// The ballot in which this node leads.
    pub leads: Option<Ballot>,
    /// The ballot that it prepares, and how many parts of promises it has.
    pub preparing: Option<(Ballot, u32)>,
    /// The highest ballot that it promised.
    pub promised: Ballot,
    /// The highest ballot that it promised durably.
    pub durable: Ballot,
    /// How many ticks a sync of its disk takes.
    pub sync_ticks: Option<u32>,
    /// The highest ballot that it heard of.
    pub seen: Ballot,
    /// Whether something waits for other nodes.
    pub pending: bool,
    /// Whether something of the log does, and not questions alone.
    pub log_pending: bool,
    /// What has been achieved.
    pub progress: Progress,
    /// Whether this node is fit to lead: it has room, its state, and is not about to stop.
    pub fit: bool,
}

/// What the election wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionAction {
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
        let me = config.core_id.node;
        let peers = config.voters.voters().iter().filter(|node| **node != me);
        // More silence than any link is heard with: nobody counts as heard before it has spoken.
        let silent = DEAF_TIMES * config.suspicion_ticks + 1;
        let link = Link::silent_for(silent);
        let links = Links::new(peers.map(|node| (*node, link.clone())));
        Self {
            config,
            links,
            leader_ok: false,
            cooldown: 0,
            armed: false,
            raising: None,
            since_raise: 0,
            waited: 0,
            stalled: 0,
            progress: Progress::default(),
            stood: (None, None),
            ticks: 0,
            own: Phase1::default(),
            failures: 0,
        }
    }

    /// Takes a heartbeat in. One that a later one of its life overtook is a sign of life alone.
    pub fn on_heartbeat(&mut self, from: NodeId, beat: Heartbeat) {
        let (me, now) = (self.me(), self.ticks);
        let Some(link) = self.links.get_mut(&from) else { return };
        link.silent = 0;
        if link.beat.as_ref().is_some_and(|held| is_later(held, &beat)) {
            return;
        }
        if link.beat.as_ref().is_none_or(|held| held.tick != beat.tick) {
            link.still = 0;
        }
        let place = beat.hears.iter().position(|node| *node == me);
        // One that is said again has not been on its way since what it echoes.
        let again = link.beat.as_ref() == Some(&beat);
        if !again && let Some(echo) = place.and_then(|place| beat.echoes.get(place)) {
            // The counts of two nodes tick at different moments, which is no way of its own.
            let sample = now.wrapping_sub(*echo).saturating_sub(1);
            if sample <= u32::MAX / 2 {
                link.rtt = sample.max(link.rtt - link.rtt.div_ceil(RTT_DECAY));
            }
        }
        link.phase1.look(beat.prepares);
        link.echo = beat.tick;
        link.hears_me = place.is_some();
        link.beat = Some(beat);
    }

    /// Takes note that a link broke.
    pub fn on_link_down(&mut self, peer: NodeId) {
        let silent = DEAF_TIMES * self.config.suspicion_ticks + 1;
        if let Some(link) = self.links.get_mut(&peer) {
            link.silent = silent;
            link.phase1 = Phase1::default();
        }
    }

    /// Takes note that a peer took some of what waits for it, and has more to take in.
    pub fn on_lane_moved(&mut self, peer: NodeId) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.lane_still = 0;
        }
    }

    /// Takes note that this node promised another one's ballot: that one gets its chance first.
    ///
    /// From then on its heartbeats tell for how long.
    pub const fn on_promised(&mut self) {
        self.cooldown = self.config.suspicion_ticks;
        self.armed = false;
    }

    /// Takes note that this node's own ballot ended with another one's promise.
    pub const fn on_overtaken(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Counts a tick.
    pub fn on_tick(&mut self, view: &ElectionView) {
        self.ticks = self.ticks.wrapping_add(1);
        for link in self.links.values_mut() {
            link.on_tick();
        }
        self.own.on_tick();
        self.cooldown = self.cooldown.saturating_sub(1);
        self.since_raise = self.since_raise.saturating_add(1);
        let stands = (view.leads, view.preparing);
        let same = !self.gets_on(view) && stands == self.stood;
        self.waited = if view.pending && same { self.waited.saturating_add(1) } else { 0 };
        let is_stuck = self.waited > 0 && !self.waits_for_busy();
        self.stalled = if is_stuck { self.stalled.saturating_add(1) } else { 0 };
        assert!(self.stalled <= self.waited, "it stalls while nothing waits");
        (self.progress, self.stood) = (view.progress, stands);
    }

    /// Looks at the situation again, and says what it asks for.
    pub fn assess(&mut self, view: &ElectionView) -> ElectionAction {
        if view.leads.is_some() || view.preparing.is_none() {
            self.raising = None;
        }
        self.own.look(view.preparing);
        let was_ok = self.leader_ok;
        let follows = self.follows(view.leads);
        assert!(follows >= self.claims(view.leads), "nobody follows less than it leads");
        self.leader_ok = self.is_satisfied(view, follows);
        if was_ok && view.leads.is_some() && self.is_stalled(view) {
            self.cooldown = self.cooldown.max(self.way_ticks());
        }
        if self.leader_ok {
            self.failures = 0;
        } else {
            self.raising = None;
        }
        assert!(self.raising.is_none() || view.leads.is_none(), "it leads what it only claims");
        if let Some(mine) = view.leads
            && follows.is_some_and(|ballot| ballot > mine)
        {
            // A quorum promised that ballot, so nothing more is chosen in this one.
            return ElectionAction::Resign;
        }
        if self.is_stranded(view) {
            return ElectionAction::Raise;
        }
        if self.armed || !self.may_campaign(view) {
            return ElectionAction::Nothing;
        }
        // One campaign should be heard of before the next begins: who has promised or follows by
        // the time that its timer fires does not campaign.
        self.armed = true;
        // Nodes of higher priority, and then those that know more of the log, campaign first;
        // jitter parts those that think themselves equal.
        let delay = self.rank(view) * self.config.stagger_ms;
        let jitter = (self.config.stagger_ms / 2) << self.failures.min(BACKOFF_MAX);
        ElectionAction::Arm(delay, delay + jitter)
    }

    /// Takes the campaign timer, and tells whether to campaign.
    pub fn on_campaign_timer(&mut self, view: &ElectionView) -> bool {
        let armed = std::mem::take(&mut self.armed);
        armed && self.may_campaign(view)
    }

    /// Takes note that this node begins a ballot.
    pub const fn on_campaign(&mut self, view: &ElectionView) {
        // A campaign on top of one that did not end well: the times grow, or rivals would go on
        // ending each other's ballots.
        let is_due = self.cooldown == 0 || view.leads.is_some();
        assert!(is_due, "whoever was promised to gets its chance first");
        if view.preparing.is_some() {
            self.failures = self.failures.saturating_add(1);
        }
        self.raising = view.leads;
        self.since_raise = 0;
        self.cooldown = self.config.suspicion_ticks;
        (self.waited, self.stalled) = (0, 0);
    }

    /// Tells whether a Prepare of `from` is heard: by the discontent, and from their own leader.
    #[must_use]
    pub fn admits_prepare(&self, from: NodeId, view: &ElectionView) -> bool {
        !self.leader_ok || self.follows(view.leads).is_some_and(|ballot| ballot.node() == from)
    }

    /// Returns the ballot in which this node leads, or still claims to while it raises it.
    #[must_use]
    pub fn claims(&self, leads: Option<Ballot>) -> Option<Ballot> {
        leads.or(self.raising)
    }

    /// Returns the highest ballot that somebody on a working link leads, this node included.
    #[must_use]
    pub fn follows(&self, leads: Option<Ballot>) -> Option<Ballot> {
        let led = self.beats().filter_map(|(_, beat)| beat.leads);
        led.chain(self.claims(leads)).max()
    }

    /// Returns the highest ballot that a peer on a working link promised.
    #[must_use]
    pub fn highest_promise(&self) -> Ballot {
        self.beats().map(|(_, beat)| beat.promised).max().unwrap_or(Ballot::ZERO)
    }

    /// Tells whether this node sees no need for another leader.
    #[must_use]
    pub const fn is_leader_ok(&self) -> bool {
        self.leader_ok
    }

    /// Lists the peers that this node hears.
    #[must_use]
    pub fn hears(&self) -> Vec<NodeId> {
        let heard = self.links.iter().filter(|(_, link)| self.is_heard(link));
        let mut hears = Vec::with_capacity(self.links.len());
        hears.extend(heard.map(|(node, _)| *node));
        hears
    }

    /// Tells whether this node and `peer` hear each other.
    #[must_use]
    pub fn is_up(&self, peer: NodeId) -> bool {
        self.links.get(&peer).is_some_and(|link| self.works(link))
    }

    /// Tells whether this node, with the peers on working links, makes up a quorum.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let connected = self.beats().map(|(node, _)| node).chain([self.me()]);
        self.config.voters.is_phase2_quorum_of(connected)
    }

    /// Tells whether this node, with the peers on working links, makes up quorums of both phases:
    /// what it takes to begin a ballot, and to get anything chosen in it.
    #[must_use]
    pub fn is_connected_to_both(&self) -> bool {
        let connected = self.beats().map(|(node, _)| node).chain([self.me()]);
        self.is_connected() && self.config.voters.is_phase1_quorum_of(connected)
    }

    /// Lists the last heartbeats of the peers on working links.
    pub fn beats(&self) -> impl Iterator<Item = (NodeId, &Heartbeat)> {
        let up = self.links.iter().filter(|(_, link)| self.works(link));
        up.filter_map(|(node, link)| link.beat.as_ref().map(|beat| (*node, beat)))
    }

    /// Returns this node's count of ticks.
    #[must_use]
    pub const fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Lists, for each of [`Self::hears`], what tells it how long the way there and back takes.
    #[must_use]
    pub fn echoes(&self) -> Vec<u32> {
        let heard = self.links.values().filter(|link| self.is_heard(link));
        let mut echoes = Vec::with_capacity(self.links.len());
        echoes.extend(heard.map(|link| link.echo));
        echoes
    }

    const fn me(&self) -> NodeId {
        self.config.core_id.node
    }

    /// Tells whether no quorum comes about without nodes that are alive and busy: held up by their
    /// state machine, or taking in what is long for the way to them.
    fn waits_for_busy(&self) -> bool {
        let may_take_in = self.waited < TAKE_IN_TICKS_MAX;
        let is_busy = |link: &Link| link.is_held_up() || (may_take_in && link.is_taking_in());
        let is_free = |node: &NodeId| !self.links.get(node).is_some_and(is_busy);
        let others = self.beats().map(|(node, _)| node).filter(is_free);
        let ready = others.chain([self.me()]);
        !self.config.voters.is_phase2_quorum_of(ready) && self.is_connected()
    }

    /// Tells whether a link works both ways.
    fn works(&self, link: &Link) -> bool {
        self.is_heard(link) && link.hears_me
    }

    /// Tells whether a link speaks: what takes longer on its way is late by more, too.
    fn is_heard(&self, link: &Link) -> bool {
        let suspicion = self.config.suspicion_ticks;
        link.silent <= suspicion + link.rtt.min((DEAF_TIMES - 1) * suspicion)
    }

    fn is_satisfied(&self, view: &ElectionView, follows: Option<Ballot>) -> bool {
        let Some(ballot) = follows else { return false };
        if ballot.node() == self.me() {
            // A leader judges itself by what it gets done: links that stand say nothing of a disk
            // that hangs.
            return view.fit && !self.is_stalled(view) && self.is_connected();
        }
        self.beats().any(|(node, beat)| {
            node == ballot.node() && beat.leads == Some(ballot) && beat.leader_ok
        })
    }

    /// Tells whether a voter promised a ballot above this content leader's, and is lost to it.
    ///
    /// Where the quorums of the two phases differ, a leader may have links for the second and not
    /// for the first: it leads on without that voter, as raising its ballot would end its lead.
    fn is_stranded(&self, view: &ElectionView) -> bool {
        let Some(mine) = view.leads else { return false };
        // A voter that promised more than this ballot refuses it for ever; only a higher ballot has
        // it back.
        let is_lost = || view.seen > mine || self.beats().any(|(_, beat)| beat.promised > mine);
        let connected = self.beats().map(|(node, _)| node).chain([self.me()]);
        self.leader_ok
            && self.since_raise >= self.config.suspicion_ticks
            && is_lost()
            && self.config.voters.is_phase1_quorum_of(connected)
    }

    /// Tells whether a ballot of this node could come to anything, and is wanted.
    ///
    /// Where the quorums of the two phases differ, a node may win ballots in which it gets nothing
    /// chosen, and would end those of whoever could.
    fn may_campaign(&self, view: &ElectionView) -> bool {
        let discontent = self.beats().filter(|(_, beat)| !beat.leader_ok).map(|(node, _)| node);
        !self.leader_ok
            && view.fit
            && self.cooldown == 0
            && self.is_connected()
            && !self.is_alive(view)
            && !self.yields(view)
            && self.config.voters.contains(self.me())
            && self.config.voters.is_phase1_quorum_of(discontent.chain([self.me()]))
    }

    fn is_stalled(&self, view: &ElectionView) -> bool {
        self.stalled >= STALL_TICKS && self.stalled >= STALL_TICKS + self.commit_ticks(view)
    }

    /// Counts the discontent peers that should campaign before this node.
    fn rank(&self, view: &ElectionView) -> u32 {
        let key =
            |priority: u8, chosen: Slot, node: NodeId| (priority, chosen, std::cmp::Reverse(node));
        let mine = key(self.config.priority, view.progress.chosen, self.me());
        let better = self.beats().filter(|(node, beat)| {
            !beat.leader_ok && key(beat.priority, beat.chosen, *node) > mine
        });
        u32::try_from(better.count()).unwrap_or(u32::MAX)
    }
}

/// Tells whether `held` was sent after `beat`, in the same life.
const fn is_later(held: &Heartbeat, beat: &Heartbeat) -> bool {
    let ahead = held.tick.wrapping_sub(beat.tick);
    held.incarnation == beat.incarnation && ahead > 0 && ahead <= u32::MAX / 2
}

/// After so many suspicion times of silence a link is not heard, however long its way is.
pub const DEAF_TIMES: u32 = 2;

/// Each heartbeat lets go of this part of a way that was longer once.
const RTT_DECAY: u32 = 8;
