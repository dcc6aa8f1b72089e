//! `synod-harness chaos --attach`: a run at a cluster that is running already.
//!
//! The harness brings clients and a verdict; whatever breaks the cluster is another engine's, by
//! the commands of the description. What cannot be done to such a cluster is refused by
//! `synod-live`. The claim kept true: the plan of such a run has no fault of the harness.

use std::path::Path;

use synod_fault::{Millis, Scenario};
use synod_live::run::RunConfig;
use synod_rng::Seed;

use super::{
    ChaosArguments, absolute, check_live, drawn_seed, given_flags, order, quoted, system_under_test,
};
use crate::cli::refusal::{Refusal, system_of};
use crate::cli::scenario;

/// Makes the order of one run at the cluster that this file describes.
pub(super) fn order_of(
    arguments: &ChaosArguments,
    file: &str,
    first: Option<u64>,
    turn: u32,
) -> Result<RunConfig, Refusal> {
    let system = system_of(file)?;
    let mut plan = match &arguments.scenario {
        Some(path) => scenario::read(path)?,
        None => calm_plan(arguments, system.addresses.len() as u16),
    };
    plan.system.clone_from(&system.name);
    let given = if arguments.scenario.is_some() { plan.seed.0 } else { drawn_seed() };
    plan.seed = Seed(first.unwrap_or(given).wrapping_add(turn.into()));
    let plan = plan.drawn();
    let world = system.abilities();
    let mut under_test = system_under_test(system, &arguments.system, file);
    under_test.attached = true;
    let checked = check_live(&plan, world, &under_test);
    let workload = match &arguments.scenario {
        Some(path) => checked.map_err(|refused| refused.of(path))?,
        None => checked?,
    };
    let reproduce = reproduction(arguments, file, &plan);
    Ok(order(plan, workload, under_test, &arguments.output, reproduce))
}

/// What clients do, with no fault of the harness.
fn calm_plan(arguments: &ChaosArguments, nodes: u16) -> Scenario {
    let calm = Scenario::calm(Seed(0), nodes, Millis(arguments.time * 1_000));
    Scenario {
        clients: arguments.clients.unwrap_or(calm.clients),
        workload: arguments.workload.clone(),
        timeout_ms: arguments.timeout_ms.map_or(calm.timeout_ms, Millis),
        rest_ms: arguments.rest_ms.map_or(calm.rest_ms, Millis),
        ..calm
    }
}

/// Spells the command that makes the same plan again.
fn reproduction(arguments: &ChaosArguments, file: &str, plan: &Scenario) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    let binary = path(&arguments.system.binary);
    let mut command = format!("synod-harness chaos --attach {} --binary {binary}", quoted(file));
    let bridges = arguments.system.bridges;
    if bridges != 1 {
        command.push_str(&format!(" --bridges {bridges}"));
    }
    match &arguments.scenario {
        Some(scenario) => {
            format!("{command} --scenario {} --seed {}", path(&absolute(scenario)), plan.seed)
        }
        None => {
            let flags = given_flags(arguments);
            format!("{command} --seed {} --time {}{flags}", plan.seed, arguments.time)
        }
    }
}
