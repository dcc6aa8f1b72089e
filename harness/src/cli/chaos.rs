//! `synod-harness chaos` and `replay`: from flags, a scenario or a run folder, to a run.

mod attach;
mod campaign;
mod drawn;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use synod_fault::nemesis::Nemesis;
use synod_fault::varied;
use synod_fault::{
    Abilities, CLIENTS_MAX, REST_MS_MAX, Scenario, TIME_MS_MAX, TIMEOUT_MS_MAX, Unsupported,
};
use synod_live::folder;
use synod_live::guard::{Guard, Limits};
use synod_live::run::{RunConfig, RunError};
use synod_live::setup::{NODES_MAX, SystemManifest, SystemUnderTest};
use synod_live::system::{Arg, SYNOD_KV, System};
use synod_rng::{Seed, mix};
use synod_workload::WorkloadName;

use campaign::turns_of;
use drawn::drawn_plan;

use super::output::OutputArguments;
use super::refusal::{Refusal, recorded, refusal, system_of};
use super::repeat::perform;
use super::shard::{ShardArguments, Turns};
use super::{USAGE, fail, scenario};

#[derive(Clone, Debug, Args)]
pub(super) struct ChaosArguments {
    #[command(flatten)]
    pub(super) system: SystemArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
    /// A file that describes a cluster that is running already, at its `addresses`: the harness
    /// starts and breaks nothing, and judges what its clients see.
    #[arg(long, value_name = "FILE", conflicts_with_all =
        ["system", "nodes", "nemesis", "audit", "node_files", "node_file_bytes",
        "node_memory_bytes"])]
    pub(super) attach: Option<String>,
    /// The seed from which faults, operations and decisions about packets follow; drawn if absent.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// How long faults come and go, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=TIME_MS_MAX.0 / 1_000))]
    pub(super) time: u64,
    /// How many nodes; 3, or what a varied run of synod-kv draws: 5 in one of five.
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    pub(super) nodes: Option<u16>,
    /// How many logical clients; 8, or what a varied run draws.
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(CLIENTS_MAX)))]
    pub(super) clients: Option<u32>,
    /// What the cluster suffers from: varied, mix, swarm, calm, or one kind of fault.
    #[arg(long, value_name = "NAME", default_value = varied::NAME)]
    pub(super) nemesis: String,
    /// A scenario that says what is run, by whom and how long; see `synod-harness scenario`.
    #[arg(long, value_name = "FILE", conflicts_with_all =
        ["time", "nodes", "clients", "nemesis", "workload", "timeout_ms", "rest_ms"])]
    pub(super) scenario: Option<PathBuf>,
    /// What the clients do: mix, registers, append or counter.
    #[arg(long, value_name = "NAME", default_value = "mix")]
    pub(super) workload: String,
    /// How long an operation may take before its outcome counts as unknown, in milliseconds; 2000,
    /// or what a varied run draws.
    #[arg(long, value_name = "MS",
        value_parser = clap::value_parser!(u64).range(1..=TIMEOUT_MS_MAX.0))]
    pub(super) timeout_ms: Option<u64>,
    /// How long a client rests at most between two operations, in milliseconds; 4, or what a varied
    /// run draws.
    #[arg(long, value_name = "MS",
        value_parser = clap::value_parser!(u64).range(0..=REST_MS_MAX.0))]
    pub(super) rest_ms: Option<u64>,
    /// How many runs are made, one after the other: each has the seed after that of the one before.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(RUNS_MAX)))]
    pub(super) test_count: u32,
    #[command(flatten)]
    pub(super) shard: ShardArguments,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// The folder of the run.
    run: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
    /// Another binary than the run had.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// How often the plan is run: the last line says how often each verdict came.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(RUNS_MAX)))]
    times: u32,
}

#[derive(Clone, Debug, Args)]
pub(super) struct SystemArguments {
    /// The system under test: synod-kv, or a TOML file that describes another one.
    #[arg(long, value_name = "NAME|FILE", default_value = SYNOD_KV)]
    pub(super) system: String,
    /// The system's binary.
    #[arg(long, value_name = "PATH", default_value = "target/debug/synod-kv")]
    binary: PathBuf,
    /// A program that looks at what the nodes of synod-kv left: `synod-sim`, which holds their
    /// journals against the specification. It is part of the verdict.
    #[arg(long, value_name = "PATH")]
    pub(super) audit: Option<PathBuf>,
    /// How many bridge processes share the clients.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(super) bridges: u32,
    /// How many files a node may have open.
    #[arg(long, value_name = "N")]
    node_files: Option<u64>,
    /// To how many bytes a node may grow a file.
    #[arg(long, value_name = "BYTES")]
    node_file_bytes: Option<u64>,
    /// How many bytes of address space a node may take.
    #[arg(long, value_name = "BYTES")]
    node_memory_bytes: Option<u64>,
}

pub(super) fn chaos(arguments: &ChaosArguments) -> ExitCode {
    // A scenario has a seed of its own.
    let drawn = || arguments.scenario.is_none().then(drawn_seed);
    let first = arguments.seed.or_else(drawn);
    match turns_of(arguments) {
        Ok(turns) => {
            perform(arguments.output.format, turns, |turn| order_of(arguments, first, turn))
        }
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

pub(super) fn replay(arguments: &ReplayArguments) -> ExitCode {
    let ReplayArguments { run, output, binary, times } = arguments;
    perform(output.format, Turns::all(*times), |_| recorded_order(run, binary.as_deref(), output))
}

/// Makes the order of one run of a campaign: the seed is that of the first run and its turn.
fn order_of(
    arguments: &ChaosArguments,
    first: Option<u64>,
    turn: u32,
) -> Result<RunConfig, Refusal> {
    if let Some(file) = &arguments.attach {
        return attach::order_of(arguments, file, first, turn);
    }
    let system = system_of(&arguments.system.system)?;
    let world = system.abilities();
    let mut plan = match &arguments.scenario {
        Some(path) => {
            let plan = scenario::read(path)?;
            let named = world.check_system(&plan, &system.name);
            named.map_err(|error| unfit(&error).of(path))?;
            plan
        }
        None => {
            let first = first.unwrap_or_else(drawn_seed);
            drawn_plan(arguments, Seed(first.wrapping_add(turn.into())), &system)?
        }
    };
    // A scenario may name another system; what is recorded is the one that runs.
    plan.system.clone_from(&system.name);
    if arguments.scenario.is_some() {
        plan.seed = Seed(first.unwrap_or(plan.seed.0).wrapping_add(turn.into()));
    }
    // What is left to chance is drawn first, so that what is checked is what runs.
    let plan = plan.drawn();
    let under_test = system_under_test(system, &arguments.system, &arguments.system.system);
    let checked = check_live(&plan, world, &under_test);
    let workload = match &arguments.scenario {
        Some(path) => checked.map_err(|refused| refused.of(path))?,
        None => checked?,
    };
    let is_here = is_built_here(&arguments.system.binary);
    let reproduce = reproduction(arguments, &plan, is_here);
    Ok(order(plan, workload, under_test, &arguments.output, reproduce))
}

/// Refuses a nemesis that so few nodes would not notice, or that their links do not have.
pub(super) fn check_nemesis(nemesis: Nemesis, nodes: u16, world: Abilities) -> Result<(), Refusal> {
    let refused = |error: &dyn Display| Refusal(USAGE, error.to_string());
    nemesis.check(nodes).map_err(|error| refused(&error))?;
    nemesis.check_transports(world.transports).map_err(|error| refused(&error))
}

/// Refuses what a run of the plan would refuse before it starts anything.
pub(super) fn check_live(
    plan: &Scenario,
    world: Abilities,
    under_test: &SystemUnderTest,
) -> Result<WorkloadName, Refusal> {
    let workload = check_plan(plan, world)?;
    under_test.check(plan).map_err(|error| refusal(&RunError::Setup(error)))?;
    Ok(workload)
}

/// Refuses a plan that no live run of the system can obey, or that breaks nothing.
pub(super) fn check_plan(plan: &Scenario, world: Abilities) -> Result<WorkloadName, Refusal> {
    world.with_shim().check_all(plan).map_err(|error| unfit(&error))?;
    scenario::check_faults(plan).map_err(|words| Refusal(USAGE, words))?;
    parsed(&plan.workload)
}

fn unfit(error: &Unsupported) -> Refusal {
    Refusal(USAGE, format!("the plan cannot be run: {error}"))
}

/// Makes the order of an earlier run again, from its folder.
pub(super) fn recorded_order(
    run: &Path,
    binary: Option<&Path>,
    output: &OutputArguments,
) -> Result<RunConfig, Refusal> {
    let path = run.join(folder::PLAN);
    let plan = scenario::read(&path)?;
    let written: SystemManifest = recorded(&run.join(folder::SYSTEM))?;
    let checked = check_plan(&plan, written.system.abilities());
    let workload = checked.map_err(|refused| refused.of(&path))?;
    let under_test = SystemUnderTest {
        system: written.system,
        binary: binary.map_or(written.binary, absolute),
        here: written.here,
        guard: Guard::of_this_process(),
        limits: written.limits,
        bridges: written.bridges,
        attached: written.attached,
    };
    // The command is to work from any folder.
    let run = run.canonicalize().unwrap_or_else(|_| run.to_owned());
    let is_here = plan.system == SYNOD_KV && is_built_here(&under_test.binary);
    let program = if is_here { "cargo xtask" } else { "synod-harness" };
    let binary = binary.map(|path| quoted(&path.display().to_string()));
    let binary = binary.map_or_else(String::new, |path| format!(" --binary {path}"));
    let reproduce = format!("{program} replay {}{binary}", quoted(&run.display().to_string()));
    Ok(order(plan, workload, under_test, output, reproduce))
}

pub(super) fn order(
    plan: Scenario,
    workload: WorkloadName,
    under_test: SystemUnderTest,
    output: &OutputArguments,
    reproduce: String,
) -> RunConfig {
    let workload = Arc::new(workload);
    RunConfig {
        plan,
        workload,
        under_test,
        runs: output.runs_dir.clone(),
        keep: output.keep,
        reproduce,
    }
}

/// The system of a command that makes no run: a description, and what it names.
#[derive(Debug, Args)]
pub(super) struct SystemFile {
    /// The system under test: synod-kv, or a TOML file that describes another one.
    #[arg(value_name = "NAME|FILE", default_value = SYNOD_KV)]
    pub(super) system: String,
    /// The system's binary.
    #[arg(long, value_name = "PATH", default_value = "target/debug/synod-kv")]
    binary: PathBuf,
}

impl SystemFile {
    /// Reads the description.
    pub(super) fn under_test(&self) -> Result<SystemUnderTest, Refusal> {
        Ok(SystemUnderTest {
            system: system_of(&self.system)?,
            binary: absolute(&self.binary),
            here: absolute(&folder_of(&self.system)),
            guard: Guard::of_this_process(),
            limits: Limits::default(),
            bridges: 1,
            attached: false,
        })
    }
}

pub(super) fn system_under_test(
    mut system: System,
    arguments: &SystemArguments,
    file: &str,
) -> SystemUnderTest {
    if let Some(program) = &arguments.audit {
        let program = absolute(program).display().to_string();
        // Braces name a variable in a description, and those of a path name none.
        let program = program.replace('{', "{{").replace('}', "}}");
        let words = [program.as_str(), "--audit", "{run}"];
        system.audit = Some(words.map(|word| Arg::One(word.to_owned())).to_vec());
        // What audits it reads what its nodes write down of themselves, as well; a bound on what
        // they write would end them for that alone.
        if arguments.system == SYNOD_KV && arguments.node_file_bytes.is_none() {
            system.write_traces();
        }
    }
    SystemUnderTest {
        system,
        binary: absolute(&arguments.binary),
        here: absolute(&folder_of(file)),
        guard: Guard::of_this_process(),
        limits: Limits {
            files: arguments.node_files,
            file_bytes: arguments.node_file_bytes,
            memory_bytes: arguments.node_memory_bytes,
        },
        bridges: arguments.bridges,
        attached: false,
    }
}

/// Returns the folder of a description.
fn folder_of(system: &str) -> PathBuf {
    let folder = Path::new(system).parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Spells the command that makes the same plan again.
fn reproduction(arguments: &ChaosArguments, plan: &Scenario, is_here: bool) -> String {
    let (ChaosArguments { time, nemesis, .. }, nodes) = (arguments, plan.nodes);
    let SystemArguments { system, binary, audit, bridges, .. } = &arguments.system;
    let mut limits = limit_flags(&arguments.system);
    // `cargo xtask chaos` has no flag for limits, and its own auditor.
    let is_plain = audit.as_deref().is_none_or(is_auditor_here) && limits.is_empty();
    let (program, system) = if is_here && system == SYNOD_KV && is_plain {
        ("cargo xtask chaos", String::new())
    } else {
        let path = |path: &Path| quoted(&path.display().to_string());
        let audit = audit.as_deref();
        let audit = audit.map_or_else(String::new, |audit| format!(" --audit {}", path(audit)));
        let system = quoted(system);
        ("synod-harness chaos", format!(" --system {system} --binary {}{audit}", path(binary)))
    };
    if *bridges != 1 {
        limits.push_str(&format!(" --bridges {bridges}"));
    }
    if let Some(path) = &arguments.scenario {
        let path = quoted(&absolute(path).display().to_string());
        return format!("{program}{system}{limits} --scenario {path} --seed {}", plan.seed);
    }
    let flags = given_flags(arguments);
    format!(
        "{program}{system}{limits} --seed {} --time {time} --nodes {nodes} --nemesis {nemesis}\
         {flags}",
        plan.seed
    )
}

/// Spells what was given of clients and workload.
fn given_flags(arguments: &ChaosArguments) -> String {
    let workload = &arguments.workload;
    let mut command = String::new();
    let given = |number: Option<u64>| number.map(|number| number.to_string());
    for (flag, value) in [
        ("--clients", given(arguments.clients.map(u64::from))),
        ("--workload", Some(workload.clone()).filter(|name| name != "mix")),
        ("--timeout-ms", given(arguments.timeout_ms)),
        ("--rest-ms", given(arguments.rest_ms)),
    ] {
        if let Some(value) = value {
            command.push_str(&format!(" {flag} {value}"));
        }
    }
    command
}

/// Spells the limits of nodes that were given.
pub(super) fn limit_flags(arguments: &SystemArguments) -> String {
    let limits = [
        ("--node-files", arguments.node_files),
        ("--node-file-bytes", arguments.node_file_bytes),
        ("--node-memory-bytes", arguments.node_memory_bytes),
    ];
    let given = limits.iter().filter_map(|(flag, value)| value.map(|value| (flag, value)));
    given.map(|(flag, value)| format!(" {flag} {value}")).collect()
}

/// Returns whether `cargo xtask chaos` would run this binary: the one beside this program.
fn is_built_here(binary: &Path) -> bool {
    is_beside(binary, SYNOD_KV)
}

/// Returns whether `cargo xtask chaos` would have this program audit what is left.
fn is_auditor_here(program: &Path) -> bool {
    is_beside(program, "synod-sim")
}

fn is_beside(binary: &Path, name: &str) -> bool {
    let beside = std::env::current_exe().map(|program| program.with_file_name(name));
    beside.is_ok_and(|beside| beside == absolute(binary) && beside.parent().is_some_and(is_debug))
}

fn is_debug(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == "debug")
}

/// Spells a word so that a shell takes it for one.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-+=:,./@%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn parsed<T: FromStr<Err: Display>>(name: &str) -> Result<T, Refusal> {
    name.parse().map_err(|error: T::Err| Refusal(USAGE, error.to_string()))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Draws a seed that is easy to type.
pub(super) fn drawn_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    mix(now.as_nanos() as u64 ^ u64::from(std::process::id())) % 1_000_000_000
}

/// The most runs of one command.
const RUNS_MAX: u32 = 100_000;

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use synod_fault::Millis;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ChaosArguments,
    }

    /// Tells how a run of the seed 7 is repeated that was asked for so.
    fn repeated(words: &str, is_here: bool) -> String {
        let line = Line::try_parse_from(["chaos"].into_iter().chain(words.split(' ')));
        let line = line.expect("flags that there are");
        let plan = Scenario::calm(Seed(7), 3, Millis(1_000));
        reproduction(&line.arguments, &plan, is_here)
    }

    #[test]
    fn what_a_run_was_asked_with_is_asked_again() {
        let plain = "--seed 7 --time 30 --nodes 3 --nemesis varied";
        let kv = "synod-harness chaos --system synod-kv --binary target/debug/synod-kv";
        for (asked, is_here, again) in [
            ("--keep 5", true, format!("cargo xtask chaos {plain}")),
            ("--keep 5", false, format!("{kv} {plain}")),
            ("--bridges 4", true, format!("cargo xtask chaos --bridges 4 {plain}")),
            ("--audit audits", true, format!("{kv} --audit audits {plain}")),
            (
                "--scenario /a.toml --bridges 4",
                true,
                "cargo xtask chaos --bridges 4 --scenario /a.toml --seed 7".to_owned(),
            ),
        ] {
            assert_eq!(repeated(asked, is_here), again, "{asked}");
        }
    }

    #[test]
    fn a_word_is_one_word_of_a_shell() {
        assert_eq!(quoted("target/debug/synod-kv"), "target/debug/synod-kv");
        assert_eq!(quoted("sp ace/fake sys.json"), "'sp ace/fake sys.json'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("$HOME"), "'$HOME'");
        assert_eq!(quoted(""), "''");
    }
}
