//! The swarm: which kinds of faults a run has at all, and then each of them.
//!
//! Every kind is in or out by a coin of its own (swarm testing, Groce and others, 2012), so that a
//! run may be all partitions, all disks, or anything between: faults of one kind hide the bugs that
//! another kind needs. Faults overlap. Each kind draws from its own stream of chance: a change of
//! one kind leaves those of the others as they were, and so does a world that cannot do it.

mod aimed;
mod conditions;
mod draw;
mod folder;
mod kind;
mod pace;
mod standing;

use synod_rng::{Random, Seed, Stream};

use crate::{Abilities, Conditions, LinkRules, Millis, NodeId, PartsPerMillion, Scenario};
use aimed::aimed_faults;
use conditions::{Usual, base_links, custom, once, possible};
use draw::{faults_of, ppm};
use folder::folder_faults;
use kind::kinds;
use standing::stand;

/// What scenarios are drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmConfig {
    /// How many nodes there may be; a number that stands twice comes twice as often.
    pub nodes: Vec<u16>,
    /// How long faults come and go.
    pub time_ms: Millis,
    /// For how long before the end of that none begins: real processes need a moment to feel one.
    pub quiet_ms: Millis,
    /// How many clients there are.
    pub clients: u32,
    /// How long a client rests at most between two operations.
    pub rest_ms: Millis,
    /// What the world can do; what it cannot is drawn and left out.
    pub world: Abilities,
}

impl Default for SwarmConfig {
    fn default() -> Self {
        Self {
            nodes: vec![3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 4, 2, 1, 7],
            time_ms: Millis(60_000),
            quiet_ms: Millis(0),
            clients: 4,
            rest_ms: Millis(500),
            world: Abilities::SIMULATED,
        }
    }
}

/// Draws the scenario of a seed.
///
/// # Examples
///
/// ```
/// use synod_fault::swarm::{SwarmConfig, draw};
/// use synod_fault::{Abilities, Transports};
/// use synod_rng::Seed;
///
/// let everything = draw(Seed(7), &SwarmConfig::default());
/// let world = Abilities::live(Transports::default());
/// let real = draw(Seed(7), &SwarmConfig { world, ..SwarmConfig::default() });
/// assert!(real.faults.iter().all(|fault| everything.faults.contains(fault)));
/// assert_eq!(world.check_all(&real), Ok(()));
/// ```
#[must_use]
pub fn draw(seed: Seed, config: &SwarmConfig) -> Scenario {
    let mut random = Random::new(seed, Stream::named("swarm"));
    let nodes = random.pick(&config.nodes).copied().unwrap_or(3);
    if nodes == 0 {
        // Nobody is there to suffer: whoever runs it is told that a run has a node.
        return Scenario::calm(seed, 0, config.time_ms);
    }
    let mut links = base_links(&mut random);
    // Taken before the links are made long and bad: clients of such a run are near the nodes.
    let client_links = LinkRules { jitter_ms: Millis(random.between(0, 3)), ..once(links) };
    let sync_us = random.between(100, 4_000);
    let custom = custom(seed, Usual { clients: config.clients, rest_ms: config.rest_ms, sync_us });
    links.delay_ms = custom.delay_ms;
    links.loss = links.loss.max(custom.loss);
    let drifts = random.chance(500_000);
    let drift = |_| if drifts { ppm(&mut random, 50_000) } else { 0 };
    let clock_ppm = (0..nodes).map(drift).collect();
    let ids: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
    let last_ms = Millis(config.time_ms.0.saturating_sub(config.quiet_ms.0));
    let mut faults = Vec::new();
    for kind in kinds(&mut random) {
        let stream = Stream::named("swarm").part(kind as u64 + 1);
        let mut random = Random::new(seed, stream);
        faults.extend(faults_of(kind, &ids, last_ms, &mut random));
    }
    faults.extend(folder_faults(seed, &ids, last_ms, &faults));
    faults.extend(aimed_faults(seed, &ids, last_ms));
    stand(seed, &ids, last_ms, &mut faults);
    // No trigger that is drawn here names another fault by its number, so that places may change.
    faults.sort_by_key(|fault| fault.at_ms);
    let conditions = Conditions { links, client_links, sync_us: custom.sync_us, clock_ppm };
    faults.retain(|fault| {
        let comes = fault.at_ms <= last_ms;
        comes && config.world.check(fault).is_ok() && !fault.hits_nothing(&ids)
    });
    Scenario {
        nemesis: NAME.to_owned(),
        clients: custom.clients,
        rest_ms: custom.rest_ms,
        timeout_ms: Millis(4_000),
        // Somebody has to ask whoever leads.
        pinned: if config.world.pins && custom.clients > 1 {
            custom.pinned
        } else {
            PartsPerMillion(0)
        },
        conditions: possible(conditions, &config.world),
        faults,
        ..Scenario::calm(seed, nodes, config.time_ms)
    }
}

/// The name that a scenario gives as its nemesis.
pub const NAME: &str = "swarm";

#[cfg(test)]
mod tests;
