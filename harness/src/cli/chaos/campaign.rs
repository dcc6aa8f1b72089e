//! Which runs of a campaign this machine is to make, and what all machines must agree on for that.
//!
//! The flags of shards, and what is kept of a part, are `shard`'s. The claim kept true: whatever a
//! run follows from, but for its seed and the binary, is named and compared before parts are
//! merged.

use std::collections::BTreeMap;

use synod_report::Campaign;
use synod_rng::mix;

use super::{ChaosArguments, limit_flags};
use crate::cli::refusal::{Refusal, system_of};
use crate::cli::shard::Turns;
use crate::cli::{USAGE, scenario};

/// Works out which runs this machine is to make.
pub(super) fn turns_of(arguments: &ChaosArguments) -> Result<Turns, Refusal> {
    let ChaosArguments { seed, scenario, test_count, output, .. } = arguments;
    let Some(shard) = arguments.shard.shard()? else { return Ok(Turns::all(*test_count)) };
    let first = match (seed, scenario) {
        (Some(seed), _) => *seed,
        (None, Some(path)) => scenario::read(path)?.seed.0,
        (None, None) => {
            let words = "each shard would draw a seed of its own; give all of them one, by --seed";
            return Err(Refusal(USAGE, words.to_owned()));
        }
    };
    let campaign = Campaign { asked: asked_of(arguments)?, first, runs: (*test_count).into() };
    Ok(Turns::of_shard(shard, campaign, *test_count, output.runs_dir.clone()))
}

/// Names all that a run follows from but its seed, and its binary.
fn asked_of(arguments: &ChaosArguments) -> Result<BTreeMap<String, String>, Refusal> {
    let ChaosArguments { system, time, nodes, clients, nemesis, .. } = arguments;
    let ChaosArguments { scenario, workload, timeout_ms, rest_ms, .. } = arguments;
    let file = arguments.attach.as_ref().unwrap_or(&system.system);
    let description = serde_json::to_string(&system_of(file)?).unwrap_or_default();
    let scenario = match scenario {
        Some(path) => digest(&scenario::read(path)?.to_json()),
        None => "none".to_owned(),
    };
    let given =
        |number: Option<u64>| number.map_or_else(|| "drawn".to_owned(), |it| it.to_string());
    let asked = [
        ("the description of the system", digest(&description)),
        ("the scenario", scenario),
        ("--time", time.to_string()),
        ("whether it is --attach", arguments.attach.is_some().to_string()),
        ("--nodes", given(nodes.map(u64::from))),
        ("--clients", given(clients.map(u64::from))),
        ("--nemesis", nemesis.clone()),
        ("--workload", workload.clone()),
        ("--timeout-ms", given(*timeout_ms)),
        ("--rest-ms", given(*rest_ms)),
        ("--bridges", system.bridges.to_string()),
        ("the limits of nodes", limit_flags(system).trim().to_owned()),
        // Where a program lies may differ from machine to machine.
        ("whether there is --audit", system.audit.is_some().to_string()),
    ];
    Ok(asked.map(|(name, value)| (name.to_owned(), value)).into())
}

/// Returns a number that stands for a text, the same on every machine.
fn digest(text: &str) -> String {
    let number = text.bytes().fold(0, |sum, byte| mix(sum ^ u64::from(byte)));
    format!("{number:016x}")
}
