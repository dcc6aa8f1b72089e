//! The bounds of a simulated cluster, drawn from its seed: in half of the runs some are tiny.
//!
//! A bound that is never reached is checked by nobody. So caches, windows, promises, sessions,
//! replies and commits are so small in some runs that they bind all the time, quorums of the two
//! phases differ in some, and in a few the values are as large as the service takes. Which bounds
//! exist is the business of those who have them.

use std::time::Duration;

use synod_fault::Scenario;
use synod_host::Settings;
use synod_paxos::{Configuration, NodeId};
use synod_rng::{Random, Stream};
use synod_simulator::Micros;
use synod_smr::ReadLimits;

/// The bounds of one run.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Those of every host.
    pub settings: Settings,
    /// How many questions may wait at a replica.
    pub reads: ReadLimits,
    /// The voters, and their quorums.
    pub voters: Configuration,
    /// The size of the journals' segments.
    pub segment_bytes: u64,
    /// How long the values of clients are made at most.
    pub padding_max: u32,
    /// How long a transport takes to write a reply at most, in microseconds.
    pub written_us: u64,
    /// How many events a turn takes at most.
    pub events_per_turn: usize,
    /// How long a loop is busy at most before its next turn, in microseconds.
    pub turn_us: u64,
    /// How often a message brings with it that its link is told of again.
    pub rumour_ppm: u32,
    /// How often a message of the log brings its lane to a stand.
    pub lane_stall_ppm: u32,
    /// How often such a lane is narrow, and does not stand.
    pub lane_narrow_ppm: u32,
    /// The node whose lanes of the log stand, if one's do.
    pub standing_log: Option<StandingLog>,
    /// How often a client that is answered reads nothing for a while.
    pub stall_ppm: u32,
    /// How the state machines hold up their nodes.
    pub hold_ups: HoldUps,
    /// Whether clients make backups.
    pub backups: bool,
}

/// That nothing of the log leaves a node for a time, while all else does.
#[derive(Clone, Copy, Debug)]
pub struct StandingLog {
    /// Which node.
    pub node: NodeId,
    /// When it begins.
    pub from: Micros,
    /// When it ends.
    pub until: Micros,
}

impl StandingLog {
    /// Draws it from dice of its own, so that it moves nothing else: for as long before the end as
    /// faults stand in the swarm.
    fn draw(plan: &Scenario) -> Option<Self> {
        let dice = &mut Random::new(plan.seed, Stream::named("standing-log"));
        let from_ms = plan.time_ms.0.checked_sub(STANDING_LOG_MS)?;
        let node = NodeId::new(dice.pick(&plan.node_ids())?.0);
        let (from, until) = (Micros::from_ms(from_ms), Micros::from_ms(plan.time_ms.0));
        dice.chance(STANDING_LOG_PPM).then_some(Self { node, from, until })
    }

    /// Returns for how much longer the lanes of a node stand; none if they do not.
    #[must_use]
    pub fn left(self, node: NodeId, now: Micros) -> Option<Micros> {
        let stand = self.node == node && self.from <= now && now < self.until;
        stand.then(|| self.until.since(now))
    }
}

/// How a state machine that takes long over some commands and questions holds up its node.
#[derive(Clone, Copy, Debug)]
pub struct HoldUps {
    /// How many of the turns are long that may apply something, in a million.
    pub ppm: u32,
    /// The shortest of these turns.
    pub shortest_ms: u64,
    /// The longest of these turns.
    pub longest_ms: u64,
    /// When they begin to happen.
    pub from: Micros,
    /// When they cease to.
    pub until: Micros,
    /// On which node alone, if not on all.
    pub only: Option<NodeId>,
}

impl HoldUps {
    /// No turn is long.
    pub const NONE: Self = Self {
        ppm: 0,
        shortest_ms: 0,
        longest_ms: 0,
        from: Micros(0),
        until: Micros(0),
        only: None,
    };

    /// Draws them from dice of their own, so that they move nothing else.
    fn draw(plan: &Scenario) -> Self {
        let dice = &mut Random::new(plan.seed, Stream::named("hold-ups"));
        if !dice.chance(HELD_UP_PPM) {
            return Self::NONE;
        }
        let longest_ms = dice.between(100, LONGEST_MS);
        let until = Micros::from_ms(plan.time_ms.0);
        let ppm = u32::try_from(dice.between(100, 2_000)).unwrap_or(0);
        Self { ppm, shortest_ms: 10, longest_ms, until, ..Self::NONE }
    }
}

impl Tuning {
    /// Returns bounds that seldom bind, and quorums that are majorities.
    ///
    /// # Panics
    ///
    /// Panics if the plan has no node.
    #[must_use]
    pub fn usual(plan: &Scenario) -> Self {
        let nodes = (1..=plan.nodes).map(NodeId::new);
        Self {
            settings: small_segments(),
            reads: ReadLimits::default(),
            voters: Configuration::majority(nodes).expect("a plan has a node"),
            segment_bytes: SEGMENT_BYTES,
            padding_max: 0,
            written_us: 100,
            events_per_turn: 1,
            turn_us: 1,
            rumour_ppm: 0,
            lane_stall_ppm: 0,
            lane_narrow_ppm: 500_000,
            standing_log: None,
            stall_ppm: 0,
            hold_ups: HoldUps::NONE,
            backups: false,
        }
    }

    /// Draws the bounds of a plan's run.
    ///
    /// # Panics
    ///
    /// Panics if the plan has no node.
    #[must_use]
    pub fn draw(plan: &Scenario) -> Self {
        let dice = &mut Random::new(plan.seed, Stream::named("tuning"));
        let mut tuning =
            Self { voters: voters(plan, dice), hold_ups: HoldUps::draw(plan), ..Self::usual(plan) };
        tuning.standing_log = StandingLog::draw(plan);
        tuning.draw_snapshots(&mut Random::new(plan.seed, Stream::named("snapshots")));
        tuning.draw_backups(&mut Random::new(plan.seed, Stream::named("backups")));
        tuning.draw_shell(&mut Random::new(plan.seed, Stream::named("shell")));
        if Random::new(plan.seed, Stream::named("lanes")).chance(LANE_STALL_RUNS_PPM) {
            tuning.lane_stall_ppm = LANE_STALL_PPM;
        }
        if dice.chance(LARGE_PPM) {
            tuning.enlarge();
            return tuning;
        }
        // What a peer that lags is sent at once must fit into the room of a small segment.
        tuning.settings.replica.fetch_bytes = size(dice, 512, 8 << 10);
        if dice.chance(PADDED_PPM) {
            tuning.padding_max = 2 << 10;
            tuning.segment_bytes = 4 * SEGMENT_BYTES;
        }
        if dice.chance(TINY_PPM) {
            tuning.shrink_log(dice);
        }
        if tuning.padding_max == 0 && dice.chance(SHORT_PPM) {
            tuning.shorten();
        }
        if dice.chance(TINY_PPM) {
            tuning.shrink_clients(plan, dice);
        }
        tuning.draw_crowd(&mut Random::new(plan.seed, Stream::named("crowd")));
        tuning
    }

    /// Draws what differs between the shells around a host: how busy their loops are, and what
    /// they tell of links and clients.
    fn draw_shell(&mut self, dice: &mut Random) {
        if dice.chance(TOGETHER_PPM) {
            self.events_per_turn = 1 << dice.between(1, 7);
            self.turn_us = 1 << dice.between(4, 12);
        }
        self.settings.peer_end_step = 1 << dice.below(9);
        if dice.chance(IN_FLIGHT_PPM) {
            self.settings.batches_in_flight = size(dice, 1, 4);
        }
        if dice.chance(RUMOUR_PPM) {
            self.rumour_ppm = 1_000;
        }
        if dice.chance(STALL_PPM) {
            self.stall_ppm = 5_000;
            self.written_us = 20_000;
            self.settings.reply_budget_bytes = size(dice, 64, 1_024);
            self.settings.reply_budget_bytes_total = size(dice, 64, 2_048);
            self.settings.reply_share_bytes = size(dice, 1, 2) * SHORT_REPLY_BYTES;
        }
    }

    /// A log that is cut every few seconds, and snapshots in many parts.
    fn draw_snapshots(&mut self, dice: &mut Random) {
        if dice.chance(SNAPSHOTS_PPM) {
            self.settings.log_bytes = dice.between(8 << 10, 128 << 10);
            self.settings.part_bytes = size(dice, 100, 8 << 10);
        }
        // A round in a second or ten, of states of some kibibytes.
        self.settings.scrub.bytes_per_second = dice.between(16 << 10, 1 << 20);
        self.settings.scrub.rest = Duration::from_millis(dice.between(500, 10_000));
    }

    /// Clients that make backups, with bounds that bind.
    fn draw_backups(&mut self, dice: &mut Random) {
        if !dice.chance(BACKUPS_PPM) {
            return;
        }
        self.backups = true;
        // Many parts, and newer snapshots meanwhile.
        self.settings.part_bytes = size(dice, 64, 512);
        self.settings.log_bytes = self.settings.log_bytes.min(dice.between(8 << 10, 64 << 10));
        let mut ms = |least, most| Duration::from_millis(dice.between(least, most));
        let limits = &mut self.settings.client_snapshots;
        limits.apart = ms(10, 2_000);
        limits.patience = ms(200, 3_000);
        limits.held = ms(500, 6_000);
        // One part in so many milliseconds.
        let part_ms = dice.between(1, 40);
        limits.bytes_per_second = self.settings.part_bytes as u64 * 1_000 / part_ms;
    }

    /// Room for so few commands under way that a leader is crowded by a handful.
    fn draw_crowd(&mut self, dice: &mut Random) {
        if dice.chance(CROWDED_PPM) {
            self.settings.replica.waiting_bytes = size(dice, 256, 4 << 10);
        }
    }

    /// Values of up to a mebibyte, and segments that hold them.
    fn enlarge(&mut self) {
        self.segment_bytes = 8 << 20;
        self.padding_max = 1 << 20;
        self.settings.commit_bytes = 1 << 20;
        self.settings.full_below_bytes = 2 << 20;
    }

    /// Segments that are used up within moments, so that a disk that fills does so at any point of
    /// what a node is about.
    fn shorten(&mut self) {
        self.segment_bytes = SEGMENT_BYTES / 2;
        self.settings.commit_bytes = self.settings.commit_bytes.min(4 << 10);
        self.settings.full_below_bytes = 2 << 10;
    }

    fn shrink_log(&mut self, dice: &mut Random) {
        let limits = &mut self.settings.replica;
        limits.cache_slots = dice.between(4, 64);
        limits.cache_bytes = size(dice, 256, 16 << 10);
        limits.log.promise_bytes = size(dice, 16, 512);
        limits.log.promise_parts = u32::try_from(dice.between(1, 4)).unwrap_or(1);
        limits.log.unchosen_bytes = size(dice, 256, 16 << 10);
        limits.log.unsynced_bytes = size(dice, 1 << 10, 16 << 10);
        self.settings.commit_bytes = dice.between(512, 8 << 10);
    }

    fn shrink_clients(&mut self, plan: &Scenario, dice: &mut Random) {
        let clients = usize::try_from(plan.clients).unwrap_or(1);
        let sessions = &mut self.settings.sessions;
        sessions.sessions = clients + size(dice, 0, 2);
        // A third of the clients have the same name, so that this bound binds, or nearly does.
        sessions.sessions_per_principal = (clients / 3).max(1) + size(dice, 0, 2);
        sessions.kept_reply_bytes = size(dice, 0, 8);
        self.reads.count = size(dice, 1, 8);
        self.settings.reply_budget_bytes = size(dice, 64, 1_024);
        self.settings.replies_waiting_bytes = size(dice, 64, 2 << 10);
        self.written_us = 20_000;
    }
}

/// Quorums of the two phases differ in some runs: not where a journal may be damaged for good, as
/// a phase may then need every node.
fn voters(plan: &Scenario, dice: &mut Random) -> Configuration {
    let nodes = || (1..=plan.nodes).map(NodeId::new);
    let (flexible, phase2) = (dice.chance(FLEXIBLE_PPM), dice.between(1, u64::from(plan.nodes)));
    let whole = !plan.faults.iter().any(|fault| fault.action.is_for_good());
    // Where one of the quorums is all nodes, a single node that is gone for good would end all
    // progress.
    let configuration = if flexible && whole {
        let (count, phase2) = (usize::from(plan.nodes), size_of_u64(phase2));
        // The smallest quorums that meet: one of each phase are together one more than all nodes.
        Configuration::flexible(nodes(), count + 1 - phase2, phase2)
    } else {
        Configuration::majority(nodes())
    };
    configuration.expect("a plan has a node")
}

/// The bounds of a host whose segments are small.
fn small_segments() -> Settings {
    Settings { commit_bytes: 8 << 10, full_below_bytes: 12 << 10, ..Settings::default() }
}

fn size(dice: &mut Random, least: u64, most: u64) -> usize {
    size_of_u64(dice.between(least, most))
}

fn size_of_u64(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The segments are small, so that a minute sees several.
pub const SEGMENT_BYTES: u64 = 64 << 10;

/// How many runs have values as large as the service takes.
const LARGE_PPM: u32 = 10_000;

/// How many runs have values of a few kibibytes.
const PADDED_PPM: u32 = 200_000;

/// How many runs have segments that are used up within moments.
const SHORT_PPM: u32 = 300_000;

/// How many runs have tiny bounds, of the log or of clients.
const TINY_PPM: u32 = 350_000;

/// In how many runs a turn takes several events.
const TOGETHER_PPM: u32 = 500_000;

/// In how many runs another number of batches is in flight.
const IN_FLIGHT_PPM: u32 = 200_000;

/// In how many runs links are told of again and again.
const RUMOUR_PPM: u32 = 300_000;

/// In how many runs the lanes of the log come to a stand at times.
const LANE_STALL_RUNS_PPM: u32 = 250_000;

/// How often a message brings its lane to a stand in such a run.
const LANE_STALL_PPM: u32 = 10_000;

/// In how many runs the lanes of the log of one node stand in the end.
const STANDING_LOG_PPM: u32 = 250_000;

/// For how long they do.
const STANDING_LOG_MS: u64 = 25_000;

/// In how many runs clients read nothing for a while.
const STALL_PPM: u32 = 300_000;

/// In how many runs nodes take snapshots and cut their logs.
const SNAPSHOTS_PPM: u32 = 500_000;

/// In how many runs clients make backups.
const BACKUPS_PPM: u32 = 250_000;

/// In how many runs a handful of commands crowds a leader.
const CROWDED_PPM: u32 = 150_000;

/// What a short reply of the simulated service takes.
const SHORT_REPLY_BYTES: usize = 128;

/// How many runs have quorums that differ.
const FLEXIBLE_PPM: u32 = 200_000;

/// How many runs have state machines that take long.
const HELD_UP_PPM: u32 = 150_000;

/// How long one turn takes at most in such a run.
const LONGEST_MS: u64 = 2_000;
