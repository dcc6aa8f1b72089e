//! The plan of a run that nobody wrote down: drawn from the seed as the flags say.
//!
//! What is drawn is the generators'. The claim kept true: what is left to the seed is left to it in
//! every run of the same flags, and nothing is drawn that another system never promised to bear.

use synod_fault::nemesis::Nemesis;
use synod_fault::swarm::{self, SwarmConfig};
use synod_fault::varied::{self, VariedConfig};
use synod_fault::{Abilities, Millis, NodeId, Scenario};
use synod_live::system::{SYNOD_KV, System};
use synod_rng::Seed;

use super::{ChaosArguments, check_nemesis, system_under_test};
use crate::cli::USAGE;
use crate::cli::refusal::Refusal;

/// Draws the plan that the flags ask for.
pub(super) fn drawn_plan(
    arguments: &ChaosArguments,
    seed: Seed,
    system: &System,
) -> Result<Scenario, Refusal> {
    let (time_ms, world) = (Millis(arguments.time * 1_000), system.abilities());
    let nodes = arguments.nodes.unwrap_or(NODES_USUAL);
    let drawn = match arguments.nemesis.as_str() {
        varied::NAME => varied::draw(seed, &varied_config(arguments, system)),
        swarm::NAME => {
            let usual = Scenario::calm(seed, nodes, time_ms);
            let nodes = vec![nodes];
            let Scenario { clients, rest_ms, timeout_ms, .. } = usual;
            let quiet_ms = QUIET_MS;
            let config = SwarmConfig { nodes, time_ms, quiet_ms, world, ..SwarmConfig::default() };
            Scenario { clients, rest_ms, timeout_ms, ..swarm::draw(seed, &config) }
        }
        _ => nemesis_plan(arguments, seed, time_ms, world)?,
    };
    // What was drawn may hit anybody; who names a fault of leaders means that, and is refused.
    let is_of_leaders = drawn.nemesis.parse::<Nemesis>().is_ok_and(Nemesis::is_of_leaders);
    let drawn = if world.leaders || is_of_leaders { drawn } else { drawn.without_leaders() };
    Ok(Scenario {
        clients: arguments.clients.unwrap_or(drawn.clients),
        workload: arguments.workload.clone(),
        timeout_ms: arguments.timeout_ms.map_or(drawn.timeout_ms, Millis),
        rest_ms: arguments.rest_ms.map_or(drawn.rest_ms, Millis),
        ..drawn
    })
}

/// Says what a varied run is drawn from.
///
/// How many nodes there are, and whether they lose their power, is left to the seed for synod-kv
/// alone: another system may be described for three nodes, or promise nothing of power losses.
fn varied_config(arguments: &ChaosArguments, system: &System) -> VariedConfig {
    let (time_ms, world) = (Millis(arguments.time * 1_000), system.abilities());
    if arguments.system.system != SYNOD_KV {
        let nodes = Some(arguments.nodes.unwrap_or(NODES_USUAL));
        return VariedConfig { nodes, time_ms, world };
    }
    let under_test = system_under_test(system.clone(), &arguments.system, SYNOD_KV);
    let world = if under_test.reaches_machines() { world.with_shim() } else { world };
    VariedConfig { nodes: arguments.nodes, time_ms, world }
}

fn nemesis_plan(
    arguments: &ChaosArguments,
    seed: Seed,
    time_ms: Millis,
    world: Abilities,
) -> Result<Scenario, Refusal> {
    let refused = |words: String| Refusal(USAGE, words);
    let nemesis: Nemesis = arguments
        .nemesis
        .parse()
        .map_err(|error| refused(format!("{error}, {}, {}", swarm::NAME, varied::NAME)))?;
    let count = arguments.nodes.unwrap_or(NODES_USUAL);
    check_nemesis(nemesis, count, world)?;
    let nodes: Vec<NodeId> = (1..=count).map(NodeId).collect();
    let short = nemesis.check_time(seed, &nodes, time_ms, world.transports);
    short.map_err(|error| refused(error.to_string()))?;
    Ok(Scenario {
        nemesis: nemesis.name().to_owned(),
        faults: nemesis.plan(seed, &nodes, time_ms, world.transports),
        ..Scenario::calm(seed, count, time_ms)
    })
}

/// How many nodes there are where nothing else is said.
const NODES_USUAL: u16 = 3;

/// For how long before the end of a run the swarm begins no fault.
const QUIET_MS: Millis = Millis(500);
