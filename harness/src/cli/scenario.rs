//! `synod-harness scenario`: lists, shows and checks what a run can be made of.
//!
//! What a scenario is, and whether it makes sense, is decided by `synod-fault`; here it is read
//! from files, and told which world can carry it out.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use synod_fault::{Abilities, Scenario};
use synod_history::visible;
use synod_live::system::SYNOD_KV;
use synod_workload::WorkloadName;

use super::refusal::{Refusal, system_of};
use super::{USAGE, fail, input, printed, say};

#[derive(Debug, Args)]
pub(super) struct ScenarioArguments {
    #[command(subcommand)]
    command: ScenarioCommand,
}

#[derive(Debug, Subcommand)]
enum ScenarioCommand {
    /// Lists the scenarios of folders, a line each.
    List {
        /// The folders; those of the repository if none is named.
        folders: Vec<PathBuf>,
    },
    /// Writes a scenario in full, with every draw made.
    Show {
        /// A TOML file, or the plan.json of a run.
        file: PathBuf,
    },
    /// Says whether a scenario makes sense, and which world can carry it out.
    ///
    /// It fails if neither can, or if what is wrong is in the file itself.
    Check {
        /// A TOML file, or the plan.json of a run.
        file: PathBuf,
        /// The system of the live run: synod-kv, or a TOML file that describes another one.
        #[arg(long, value_name = "NAME|FILE", default_value = SYNOD_KV)]
        system: String,
    },
}

pub(super) fn scenario(arguments: &ScenarioArguments) -> ExitCode {
    let said = match &arguments.command {
        ScenarioCommand::List { folders } => list(folders),
        ScenarioCommand::Show { file } => show(file),
        ScenarioCommand::Check { file, system } => check(file, system),
    };
    match said {
        Ok(text) => printed(say(&text), 0),
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

/// Reads a scenario: JSON if the name of the file says so, and else TOML.
pub(super) fn read(path: &Path) -> Result<Scenario, Refusal> {
    let refused = |error: &dyn Display| Refusal(USAGE, format!("{}: {error}", path.display()));
    let text = input::read(path).map_err(|error| refused(&error))?;
    Scenario::parse(&path.to_string_lossy(), &text).map_err(|error| refused(&error))
}

fn list(folders: &[PathBuf]) -> Result<String, Refusal> {
    let usual = FOLDERS.map(PathBuf::from);
    let way_out = if folders.is_empty() { "; name a folder, or go to the repository" } else { "" };
    let folders = if folders.is_empty() { usual.as_slice() } else { folders };
    let (mut lines, mut refusals) = (String::new(), Vec::new());
    for folder in folders {
        let refused = |error| Refusal(USAGE, format!("{}: {error}{way_out}", folder.display()));
        let entries = std::fs::read_dir(folder).map_err(refused)?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let is_toml = |path: &PathBuf| path.extension().is_some_and(|word| word == "toml");
        let mut paths: Vec<PathBuf> = paths.filter(is_toml).collect();
        paths.sort_unstable();
        for path in paths {
            let scenario = match read(&path) {
                Ok(scenario) => scenario,
                Err(Refusal(_, words)) => {
                    refusals.push(words);
                    continue;
                }
            };
            let Scenario { nodes, time_ms, faults, reason, .. } = scenario;
            let (path, faults, reason) = (path.display(), faults.len(), visible(&reason));
            lines += &format!("{path}: {nodes} nodes, {time_ms}, {faults} faults; {reason}\n");
        }
    }
    if refusals.is_empty() {
        return Ok(lines);
    }
    // What is sound is listed all the same.
    drop(say(&lines));
    Err(Refusal(USAGE, refusals.join("\n")))
}

fn show(file: &Path) -> Result<String, Refusal> {
    let scenario = read(file)?.drawn();
    let comments: String = scenario.faults.iter().map(|fault| format!("# {fault}\n")).collect();
    let text = scenario.to_toml().map_err(|error| Refusal(USAGE, error.to_string()))?;
    Ok(comments + &text)
}

fn check(file: &Path, system: &str) -> Result<String, Refusal> {
    let plan = read(file)?.drawn();
    let refused = |error: &dyn Display| Refusal(USAGE, format!("{}: {error}", file.display()));
    plan.workload.parse::<WorkloadName>().map_err(|error| refused(&error))?;
    check_faults(&plan).map_err(|words| refused(&words))?;
    let system = system_of(system)?;
    let live = system.abilities().with_shim();
    let worlds = [(live, system.name.as_str()), (Abilities::SIMULATED, SYNOD_KV)];
    let mut lines = String::new();
    let mut able = false;
    for (world, name) in worlds {
        let checked = world.check_system(&plan, name).and_then(|()| world.check_all(&plan));
        able |= checked.is_ok();
        let said = match checked {
            Ok(()) => format!("{} can do all of it", world.name),
            Err(refused) => refused.to_string(),
        };
        lines += &format!("{said}\n");
    }
    if able { Ok(lines) } else { Err(refused(&lines.trim_end())) }
}

/// Refuses a plan that asks for faults and has none: its run would try nothing.
///
/// # Errors
///
/// What is wrong, and what to do about it.
pub(super) fn check_faults(plan: &Scenario) -> Result<(), String> {
    if !plan.plans_nothing() {
        return Ok(());
    }
    Err(format!(
        "the plan has no fault of {}: the run was too short, or its world can do none; add a \
         fault, or if it shall have none, let its nemesis be calm",
        plan.nemesis
    ))
}

/// The folders of scenarios that the repository has.
const FOLDERS: [&str; 2] = ["harness/scenarios", "harness/seeds"];
