//! What a run of the swarm has besides faults: its links, its disks, its clients.

use synod_rng::{Random, Seed, Stream};

use crate::{Abilities, Conditions, DiskReach, LinkRules, Millis, PartsPerMillion};

/// Leaves out the conditions that a world cannot have.
pub(super) fn possible(mut conditions: Conditions, world: &Abilities) -> Conditions {
    if !world.clocks {
        conditions.clock_ppm.clear();
    }
    if world.disks != DiskReach::Medium {
        conditions.sync_us = 0;
    }
    if conditions.links.fits(world.transports.peer).is_err() {
        conditions.links =
            LinkRules { jitter_ms: conditions.links.jitter_ms, ..LinkRules::default() };
    }
    if conditions.client_links.fits(world.transports.client).is_err() {
        let jitter_ms = conditions.client_links.jitter_ms;
        conditions.client_links = LinkRules { jitter_ms, ..LinkRules::default() };
    }
    conditions
}

/// What most runs have.
pub(super) struct Usual {
    pub(super) clients: u32,
    pub(super) rest_ms: Millis,
    pub(super) sync_us: u64,
}

/// What differs between ordinary runs and some others.
pub(super) struct Custom {
    pub(super) clients: u32,
    pub(super) rest_ms: Millis,
    pub(super) sync_us: u64,
    pub(super) delay_ms: Millis,
    pub(super) loss: PartsPerMillion,
    pub(super) pinned: PartsPerMillion,
}

/// Some runs have many clients that hardly rest, mostly over long and bad links, so that many
/// slots are open at once and some of them get lost; and some have disks that turn slowly, so that
/// much is under way when something ends.
pub(super) fn custom(seed: Seed, usual: Usual) -> Custom {
    let mut random = Random::new(seed, Stream::named("custom"));
    let (busy, turning) = (random.chance(BUSY_PPM), random.chance(TURNING_PPM));
    let times = if busy { BUSY_TIMES } else { 1 };
    let slow_us = random.between(4_000, SYNC_US_MAX);
    // Drawn whether or not it is busy, so that what is drawn below is the same either way.
    let far = random.chance(FAR_PPM) && busy;
    let (delay_ms, percent) = (random.between(5, 30), random.between(10, 45));
    let pins = &mut Random::new(seed, Stream::named("pins of a swarm"));
    let share = pins.pick(&PINNED_PPM).copied().filter(|_| pins.chance(PINNED_RUNS_PPM));
    Custom {
        clients: usual.clients.saturating_mul(times),
        rest_ms: Millis(usual.rest_ms.0 / u64::from(times * times)),
        sync_us: if turning { slow_us } else { usual.sync_us },
        delay_ms: Millis(if far { delay_ms } else { 0 }),
        pinned: PartsPerMillion(share.unwrap_or(0)),
        loss: PartsPerMillion(if far { u32::try_from(percent).unwrap_or(0) * 10_000 } else { 0 }),
    }
}

/// Draws what the links between nodes do all the time.
pub(super) fn base_links(random: &mut Random) -> LinkRules {
    let some = |random: &mut Random, percent: u64| {
        let often = random.chance(500_000);
        let share = random.below(percent * 10_000 + 1);
        PartsPerMillion(if often { u32::try_from(share).unwrap_or(0) } else { 0 })
    };
    LinkRules {
        loss: some(random, 3),
        jitter_ms: Millis(random.between(0, 4)),
        duplicate: some(random, 5),
        duplicate_late_ms: Millis(random.between(0, 200)),
        reorder: some(random, 10),
        reorder_late_ms: Millis(random.between(1, 20)),
        ..LinkRules::default()
    }
}

/// What a client's connection does: it loses what it carries when it breaks, but it is a stream,
/// and no stream hands the same request over twice.
pub(super) fn once(rules: LinkRules) -> LinkRules {
    LinkRules { duplicate: PartsPerMillion(0), ..rules }
}

/// How often a run is a busy one.
const BUSY_PPM: u32 = 150_000;

/// How many times as many clients a busy run has; they rest shorter by the square of it.
const BUSY_TIMES: u32 = 3;

/// How often the links of a busy run are long and bad ones.
const FAR_PPM: u32 = 800_000;

/// How often the disks of a run are slow ones.
const TURNING_PPM: u32 = 200_000;

/// How long a sync of a slow disk may take.
const SYNC_US_MAX: u64 = 40_000;

/// In how many runs clients ask one node alone.
const PINNED_RUNS_PPM: u32 = 200_000;

/// Which share of its clients does in such a run.
const PINNED_PPM: [u32; 3] = [250_000, 500_000, 750_000];
