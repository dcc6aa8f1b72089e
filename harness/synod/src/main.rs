//! The simulator's command line: batches of seeds, single seeds, replays, smaller failures.
//!
//! What a seed does is in the library; here are words in and words out. Exit codes: 0 pass, 1 a
//! violation, 2 a batch that proves too little, 64 usage, 70 internal.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use synod_fault::nemesis::Nemesis;
use synod_fault::swarm::{SwarmConfig, draw};
use synod_fault::{Millis, Scenario, Transports};
use synod_rng::Seed;
use synod_simulated::batch::{Batch, EFFECTIVE_MIN, OPERATIONS_MIN, Report};
use synod_simulated::trace::{explain, read_run};
use synod_simulated::trial::{self, NODES_MAX, RunResult};
use synod_simulator::{Violation, shrink};

const USAGE: &str = "\
synod-sim [--seeds N] [--from S] [--jobs J] [--time SECONDS] [--nodes N] [--twice] [--all-points]
          [--points]
synod-sim --seed S [--nemesis NAME] [--shrink] [--log] [--transcript]
synod-sim --plan FILE [--shrink] [--log] [--transcript]
  --seeds N      runs N seeds (200)
  --from S       from seed S on (0)
  --jobs J       on J threads (as many as there are cores)
  --time SECONDS lets faults come and go for so long in each (60)
  --nodes N      with N nodes (a mix of 1 to 7, mostly 3)
  --twice        runs each seed twice and compares the traces
  --all-points   fails unless every point of interest was seen
  --points       prints how often each was seen, the rarest first
  --seed S       runs one seed and tells how it went
  --nemesis NAME draws the faults of that seed as a live run does: mix, or one kind of fault
  --plan FILE    runs a scenario: what a failure left behind, a kept seed, or the plan.json
                 of a run of real processes
  --journals FOLDER  explains what the nodes of a chaos run wrote by the specification
  --shrink       makes a failing plan as small as it can, and keeps it in target/sim
  --log          prints everything that happened
  --transcript        writes what Paxos did as a transcript, as every violation does";

fn main() -> ExitCode {
    match Options::parse() {
        Ok(Some(options)) => options.run(),
        Ok(None) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("synod-sim: {reason}\n{USAGE}");
            ExitCode::from(64)
        }
    }
}

/// What was asked for.
struct Options {
    batch: Batch,
    one: Option<One>,
    nemesis: Option<Nemesis>,
    journals: Option<PathBuf>,
    shrink: bool,
    log: bool,
    transcript: bool,
    all_points: bool,
    points: bool,
}

/// A single run.
enum One {
    Seed(u64),
    Plan(PathBuf),
}

impl Options {
    /// Reads the arguments; none is a call for help.
    fn parse() -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let config = SwarmConfig::default();
        let mut options = Self {
            batch: Batch { first: 0, count: 200, jobs, twice: false, config },
            one: None,
            nemesis: None,
            journals: None,
            shrink: false,
            log: false,
            transcript: false,
            all_points: false,
            points: false,
        };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("seeds") => options.batch.count = arguments.value()?.parse()?,
                Long("from") => options.batch.first = arguments.value()?.parse()?,
                Long("jobs") => options.batch.jobs = arguments.value()?.parse()?,
                Long("time") => {
                    let seconds: u32 = arguments.value()?.parse()?;
                    options.batch.config.time_ms = Millis(u64::from(seconds.max(1)) * 1_000);
                }
                Long("nodes") => {
                    let nodes: u16 = arguments.value()?.parse()?;
                    if !(1..=NODES_MAX).contains(&nodes) {
                        return Err(format!("--nodes takes 1 to {NODES_MAX}, not {nodes}").into());
                    }
                    options.batch.config.nodes = vec![nodes];
                }
                Long("twice") => options.batch.twice = true,
                Long("all-points") => options.all_points = true,
                Long("points") => options.points = true,
                Long("seed") => options.one = Some(One::Seed(arguments.value()?.parse()?)),
                Long("nemesis") => options.nemesis = Some(arguments.value()?.parse()?),
                Long("plan" | "scenario") => {
                    options.one = Some(One::Plan(arguments.value()?.into()))
                }
                Long("journals") => options.journals = Some(arguments.value()?.into()),
                Long("shrink") => options.shrink = true,
                Long("log") => options.log = true,
                Long("transcript") => options.transcript = true,
                Long("help") | Short('h') => return Ok(None),
                other @ (Short(_) | Long(_) | Value(_)) => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }

    fn run(&self) -> ExitCode {
        if let Some(run) = &self.journals {
            return judge_journals(run);
        }
        let plan = match &self.one {
            None => return self.run_batch(),
            Some(One::Seed(seed)) => self.drawn(Seed(*seed)),
            Some(One::Plan(path)) => read_plan(path),
        };
        match plan {
            Ok(plan) => self.run_one(plan),
            Err(reason) => {
                eprintln!("synod-sim: {reason}");
                ExitCode::from(64)
            }
        }
    }

    /// Draws the plan of a seed: as the swarm does, or a nemesis.
    fn drawn(&self, seed: Seed) -> Result<Scenario, String> {
        let swarm = draw(seed, &self.batch.config);
        let Some(nemesis) = self.nemesis else { return Ok(swarm) };
        let (nodes, on) = (swarm.node_ids(), Transports::default());
        nemesis.check(swarm.nodes).map_err(|error| error.to_string())?;
        nemesis.check_transports(on).map_err(|error| error.to_string())?;
        nemesis.check_time(seed, &nodes, swarm.time_ms, on).map_err(|error| error.to_string())?;
        let faults = nemesis.plan(seed, &nodes, swarm.time_ms, on);
        Ok(Scenario { nemesis: nemesis.name().to_owned(), faults, ..swarm })
    }

    fn run_batch(&self) -> ExitCode {
        let began = Instant::now();
        let stop = AtomicBool::new(false);
        let report = self.batch.run(&stop, |seeds| {
            if seeds % PROGRESS_EVERY == 0 {
                eprintln!("{seeds} seeds after {:.0} s", began.elapsed().as_secs_f64());
            }
        });
        tell(&report, began.elapsed().as_secs_f64(), &self.batch.config);
        if self.points {
            print!("{}", report.hit_counts.table());
        }
        if report.failed > 0 {
            return ExitCode::from(1);
        }
        let unseen = report.hit_counts.unseen();
        if !unseen.is_empty() {
            println!("never seen: {}", unseen.join(", "));
        }
        if self.all_points && !unseen.is_empty() {
            return ExitCode::from(2);
        }
        ExitCode::SUCCESS
    }

    fn run_one(&self, mut plan: Scenario) -> ExitCode {
        let mut ended = trial::run(&plan, true);
        if self.shrink
            && let Some(violation) = &ended.violation
        {
            plan = smaller(&plan, violation);
            ended = trial::run(&plan, true);
        }
        for fault in &plan.faults {
            println!("{fault}");
        }
        self.tell_one(&plan, &ended)
    }

    fn tell_one(&self, plan: &Scenario, ended: &RunResult) -> ExitCode {
        let shown = if self.log { ended.log.len() } else { LAST_LINES.min(ended.log.len()) };
        let shown = if ended.violation.is_some() || self.log { shown } else { 0 };
        for line in &ended.log[ended.log.len() - shown..] {
            println!("{line}");
        }
        let (tally, outcomes) = (ended.tally, ended.outcomes);
        println!(
            "seed {}, {} nodes, {} clients: {} steps, {} ok, {} failed, {} unknown, {} of {} \
             faults effective, trace {:016x}",
            plan.seed,
            plan.nodes,
            plan.clients,
            tally.steps,
            outcomes.ok,
            outcomes.failed,
            outcomes.unknown,
            tally.effective,
            plan.faults.len(),
            ended.trace
        );
        if self.transcript || ended.violation.is_some() {
            match keep_transcript(plan, ended) {
                Ok(path) => println!("{}", told_where(&path)),
                Err(error) => eprintln!("synod-sim: the transcript cannot be kept: {error}"),
            }
        }
        let Some(violation) = &ended.violation else { return ExitCode::SUCCESS };
        println!("VIOLATION at {}: {violation}", ended.time);
        match keep(plan, violation) {
            Ok(path) => println!("the plan is in {}", path.display()),
            Err(error) => eprintln!("synod-sim: the plan cannot be kept: {error}"),
        }
        ExitCode::from(1)
    }
}

/// Holds what real nodes wrote against the specification.
fn judge_journals(run: &Path) -> ExitCode {
    let began = Instant::now();
    let journals = match read_run(run) {
        Ok(journals) => journals,
        Err(reason) => {
            eprintln!("synod-sim: {reason}");
            return ExitCode::from(64);
        }
    };
    let read = began.elapsed().as_secs_f64();
    match explain(&journals) {
        Ok(explained) => {
            let all = began.elapsed().as_secs_f64();
            println!("{explained}; {all:.1} s, {read:.1} s of them to read");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("UNEXPLAINED: {reason}");
            ExitCode::from(1)
        }
    }
}

fn read_plan(path: &Path) -> Result<Scenario, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    let plan = Scenario::parse(&path.to_string_lossy(), &text).map_err(|error| told(&error))?;
    trial::check(&plan).map_err(|error| told(&error))?;
    Ok(plan.drawn())
}

fn smaller(plan: &Scenario, violation: &Violation) -> Scenario {
    let fails = |plan: &Scenario| {
        let found = trial::run(plan, false).violation;
        found.is_some_and(|found| found.invariant == violation.invariant)
    };
    let shrunk = shrink(plan, fails);
    println!(
        "made smaller in {} runs: {} of {} faults, {} of {} clients, {} of {}",
        shrunk.runs,
        shrunk.plan.faults.len(),
        plan.faults.len(),
        shrunk.plan.clients,
        plan.clients,
        shrunk.plan.time_ms,
        plan.time_ms
    );
    shrunk.plan
}

fn keep(plan: &Scenario, violation: &Violation) -> std::io::Result<PathBuf> {
    let reason = violation.to_string().lines().next().unwrap_or_default().to_owned();
    let text = Scenario { reason, ..plan.clone() }.to_toml();
    write_down(plan, "toml", &text.map_err(std::io::Error::other)?)
}

/// Keeps the transcript, under remarks that say whose it is.
fn keep_transcript(plan: &Scenario, ended: &RunResult) -> std::io::Result<PathBuf> {
    let verdict = ended.violation.as_ref().map_or_else(
        || "no violation".to_owned(),
        |violation| format!("violation at {}: {violation}", ended.time),
    );
    let verdict = verdict.lines().next().unwrap_or_default();
    let transcript = ended.transcript.as_deref().unwrap_or_default();
    let text = format!(
        "# seed {}, {} nodes, {} clients, {}, {verdict}\n\
         # Told is what Paxos did; reads, sessions, heartbeats and clients are no part of it.\n\
         {transcript}",
        plan.seed, plan.nodes, plan.clients, plan.time_ms
    );
    write_down(plan, "txt", &text)
}

fn told_where(path: &Path) -> String {
    let path = path.display();
    format!(
        "the transcript is in {path}; for the core alone: cp {path} paxos/tests/transcripts/ \
         && SYNOD_REWRITE=1 cargo test -p synod-paxos --test transcripts"
    )
}

fn write_down(plan: &Scenario, extension: &str, text: &str) -> std::io::Result<PathBuf> {
    let folder = Path::new("target/sim");
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("seed-{}.{extension}", plan.seed));
    std::fs::write(&path, text)?;
    Ok(path)
}

fn tell(report: &Report, seconds: f64, config: &SwarmConfig) {
    let virtual_s = report.virtual_us as f64 / 1e6;
    let busy = report.busy.as_secs_f64();
    println!(
        "{} seeds in {seconds:.1} s: {:.0} simulated hours, {:.0} times real time on each thread, \
         {:.0} steps/s, {:.0} seeds/minute",
        report.seeds,
        virtual_s / 3_600.0,
        virtual_s / busy,
        report.steps as f64 / seconds,
        report.seeds as f64 / seconds * 60.0
    );
    println!(
        "operations: {} ok, {} failed, {} unknown; {} faults effective, {} crashes; trace {:016x}",
        report.outcomes.ok,
        report.outcomes.failed,
        report.outcomes.unknown,
        report.effective,
        report.crashes,
        report.trace
    );
    println!(
        "{} seeds passed, {} were thin (under {OPERATIONS_MIN} operations or {EFFECTIVE_MIN} \
         effective faults), {} failed",
        report.seeds - report.thin - report.failed,
        report.thin,
        report.failed
    );
    for (seed, violation) in &report.failures {
        let detail = violation.to_string();
        let line = detail.lines().next().unwrap_or_default();
        println!("seed {seed}: {line}\n  cargo xtask sim --seed {seed}{} --shrink", asked(config));
    }
}

/// Says with which arguments a seed draws the plans of this config.
fn asked(config: &SwarmConfig) -> String {
    let usual = SwarmConfig::default();
    let mut words = String::new();
    if config.time_ms != usual.time_ms {
        words += &format!(" --time {}", config.time_ms.0 / 1_000);
    }
    if let ([nodes], true) = (&config.nodes[..], config.nodes != usual.nodes) {
        words += &format!(" --nodes {nodes}");
    }
    words
}

/// How often progress is told.
const PROGRESS_EVERY: u64 = 1_000;

/// How much of the log is shown with a violation.
const LAST_LINES: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_is_shown_asks_for_the_run_that_failed() {
        let usual = SwarmConfig::default();
        assert_eq!(asked(&usual), "");
        let longer = SwarmConfig { time_ms: Millis(600_000), ..usual };
        assert_eq!(asked(&longer), " --time 600");
        assert_eq!(asked(&SwarmConfig { nodes: vec![5], ..longer }), " --time 600 --nodes 5");
    }
}
