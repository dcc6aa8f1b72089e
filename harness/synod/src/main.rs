//! The simulator's command line: batches of seeds, single seeds, replays, smaller failures.
//!
//! What a seed does is in the library; here are words in and words out. Exit codes: 0 pass, 1 a
//! violation, 2 a run that proves too little, 64 usage, 70 what was found cannot be printed. The
//! claims kept true: nothing that was asked for is left out in silence, a run in which nothing
//! happened is no pass, and a closed pipe hides no violation.

use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use synod_fault::nemesis::Nemesis;
use synod_fault::swarm::{SwarmConfig, draw};
use synod_fault::{Millis, Scenario, TIME_MS_MAX, Transports};
use synod_report::{Shard, ShardAsked, ShardSummary};
use synod_rng::Seed;
use synod_simulated::batch::Batch;
use synod_simulated::shard;
use synod_simulated::told::{nothing_tried, summed_up, told};
use synod_simulated::trace::{JudgedRun, NodeJournal, ReadError, judge_run, read_ended, read_run};
use synod_simulated::trial::{self, NODES_MAX, RunResult};
use synod_simulator::Violation;

const USAGE: &str = "\
synod-sim [--seeds N] [--from S] [--jobs J] [--time SECONDS] [--nodes N] [--twice] [--all-points]
          [--points] [--shards N (--shard I | --shard-from VARIABLE) [--summary-dir DIR]]
synod-sim --seed S [--nemesis NAME] [--outside] [--shrink] [--log] [--transcript]
synod-sim --plan FILE [--outside] [--shrink] [--log] [--transcript]
  --seeds N      runs N seeds (200)
  --from S       from seed S on (0)
  --jobs J       on J threads (as many as there are cores)
  --time SECONDS lets faults come and go for so long in each (60)
  --nodes N      with N nodes (a mix of 1 to 7, mostly 3)
  --twice        runs each seed twice and compares the traces
  --all-points   fails unless every point of interest was seen
  --points       prints how often each was seen, the rarest first
  --shards N     shares the seeds among N machines: this one runs each N-th of them
  --shard I      which of them this one is, counted from 0
  --shard-from VARIABLE  the variable of the environment that says which one this is
  --summary-dir DIR  where the summary goes that `synod-harness report --merge` puts together
                 with those of the other shards (target/sim)
  --seed S       runs one seed and tells how it went
  --nemesis NAME draws the faults of that seed as a live run does: mix, or one kind of fault
  --plan FILE    runs a scenario: what a failure left behind, a kept seed, or the plan.json
                 of a run of real processes
  --journals FOLDER  explains what the nodes of a chaos run wrote by the specification
  --audit FOLDER     does the same for the harness that holds the folder of its run
  --outside      judges as a run of real processes is judged: by what clients saw, and by the
                 states in the end; what it shrinks to fails there, too
  --shrink       makes a failing plan as small as it can, and keeps it in target/sim
  --log          prints everything that happened
  --transcript   writes what Paxos did as a transcript, as every violation does

Exit codes: 0 no violation, 1 a violation, 2 nothing that was planned had an effect, a fault that
somebody wrote never began or no operation was answered, and with --all-points a point that no seed
reached, which of shards the merge says alone, 64 the command line makes no sense, 70 what was found
cannot be printed, or the summary of a shard not be written";

fn main() -> ExitCode {
    let found = match Options::parse() {
        Ok(Some(options)) => options.run(),
        Ok(None) => Ok(Found { text: format!("{USAGE}\n"), code: PASS }),
        Err(reason) => Err(format!("{reason}\n{USAGE}")),
    };
    let Found { text, code } = match found {
        Ok(found) => found,
        Err(reason) => {
            complain(&reason);
            return ExitCode::from(MISUSED);
        }
    };
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        complain(&format_args!("cannot print what was found: {error}"));
        // A violation that cannot be printed is still told by the exit code.
        return ExitCode::from(if code == PASS { UNPRINTED } else { code });
    }
    ExitCode::from(code)
}

/// What came of it: the text for standard output, and the exit code.
struct Found {
    text: String,
    code: u8,
}

/// Says on standard error what went wrong; nothing can be done about one that is closed.
fn complain(reason: &dyn Display) {
    drop(writeln!(std::io::stderr(), "synod-sim: {reason}"));
}

/// What was asked for.
struct Options {
    batch: Batch,
    asked: ShardAsked,
    shard: Option<Shard>,
    summary_dir: PathBuf,
    one: Option<One>,
    nemesis: Option<Nemesis>,
    journals: Option<PathBuf>,
    audit: Option<PathBuf>,
    outside: bool,
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

/// Returns the number of a flag, which is at least 1 and at most this.
fn within(flag: &str, number: u64, most: u64) -> Result<u64, String> {
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(format!("{flag} takes 1 to {most}, not {number}"))
}

impl Options {
    /// Reads the arguments; none is a call for help.
    fn parse() -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let config = SwarmConfig::default();
        let mut options = Self {
            batch: Batch { first: 0, count: 200, step: 1, jobs, twice: false, config },
            asked: ShardAsked::default(),
            shard: None,
            summary_dir: PathBuf::from(KEPT),
            one: None,
            nemesis: None,
            journals: None,
            audit: None,
            outside: false,
            shrink: false,
            log: false,
            transcript: false,
            all_points: false,
            points: false,
        };
        let mut arguments = lexopt::Parser::from_env();
        let mut given = Vec::new();
        while let Some(argument) = arguments.next()? {
            if let Long(name) = argument {
                given.push(name.to_owned());
            }
            match argument {
                Long("seeds") => options.batch.count = arguments.value()?.parse()?,
                Long("from") => options.batch.first = arguments.value()?.parse()?,
                Long("jobs") => options.batch.jobs = arguments.value()?.parse()?,
                Long("time") => {
                    let most = TIME_MS_MAX.0 / 1_000;
                    let seconds = within("--time", arguments.value()?.parse()?, most)?;
                    options.batch.config.time_ms = Millis(seconds * 1_000);
                }
                Long("nodes") => {
                    let nodes: u16 = arguments.value()?.parse()?;
                    within("--nodes", nodes.into(), NODES_MAX.into())?;
                    options.batch.config.nodes = vec![nodes];
                }
                Long("shards") => options.asked.shards = Some(arguments.value()?.parse()?),
                Long("shard") => options.asked.shard = Some(arguments.value()?.parse()?),
                Long("shard-from") => options.asked.shard_from = Some(arguments.value()?.string()?),
                Long("summary-dir") => options.summary_dir = arguments.value()?.into(),
                Long("twice") => options.batch.twice = true,
                Long("all-points") => options.all_points = true,
                Long("points") => options.points = true,
                Long("seed") => options.one = Some(One::Seed(arguments.value()?.parse()?)),
                Long("nemesis") => options.nemesis = Some(arguments.value()?.parse()?),
                Long("plan" | "scenario") => {
                    options.one = Some(One::Plan(arguments.value()?.into()))
                }
                Long("journals") => options.journals = Some(arguments.value()?.into()),
                Long("audit") => options.audit = Some(arguments.value()?.into()),
                Long("outside") => options.outside = true,
                Long("shrink") => options.shrink = true,
                Long("log") => options.log = true,
                Long("transcript") => options.transcript = true,
                Long("help") | Short('h') => return Ok(None),
                other @ (Short(_) | Long(_) | Value(_)) => return Err(other.unexpected()),
            }
        }
        options.check(&given)?;
        let variable = |name: &str| std::env::var(name).ok();
        options.shard = options.asked.shard(variable).map_err(|error| error.to_string())?;
        if options.shard.is_none() && given.iter().any(|name| name == "summary-dir") {
            return Err("--summary-dir is for --shards, which are not given".into());
        }
        Ok(Some(options))
    }

    /// Refuses what goes with nothing else that was given: it would be left out in silence.
    fn check(&self, given: &[String]) -> Result<(), String> {
        let is_given = |name: &&str| given.iter().any(|given| given == name);
        let ways = [&["seed"][..], &["plan", "scenario"], &["journals"], &["audit"]];
        let ways: Vec<&str> =
            ways.iter().flat_map(|names| names.iter().copied().find(is_given)).collect();
        if let [one, other, ..] = ways[..] {
            return Err(format!("--{one} and --{other} are two different things to do"));
        }
        let (way, without): (&str, &[&str]) = match (&self.one, &self.journals, &self.audit) {
            (_, Some(_), _) => ("--journals", &[OF_BATCH, OF_DRAWS, OF_ONE].concat()),
            (_, None, Some(_)) => ("--audit", &[OF_BATCH, OF_DRAWS, OF_ONE].concat()),
            (Some(One::Plan(_)), None, None) => ("--plan", &[OF_BATCH, OF_DRAWS].concat()),
            (Some(One::Seed(_)), None, None) => ("--seed", OF_BATCH),
            (None, None, None) => ("a batch of seeds", OF_ONE),
        };
        if let Some(name) = without.iter().find(|name| is_given(name)) {
            return Err(format!("--{name} means nothing to {way}"));
        }
        if self.batch.count == 0 || self.batch.first.checked_add(self.batch.count).is_none() {
            let reason = "--seeds takes 1 or more, and the last seed is 18446744073709551614";
            return Err(reason.to_owned());
        }
        Ok(())
    }

    fn run(&self) -> Result<Found, String> {
        if let Some(run) = &self.journals {
            return judged(run, read_run);
        }
        if let Some(run) = &self.audit {
            return judged(run, read_ended);
        }
        let plan = match &self.one {
            None => return Ok(self.run_batch()),
            Some(One::Seed(seed)) => self.drawn(Seed(*seed)),
            Some(One::Plan(path)) => read_plan(path),
        };
        plan.map(|plan| self.run_one(plan))
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

    fn run_batch(&self) -> Found {
        let began = Instant::now();
        let stop = AtomicBool::new(false);
        let batch = self.shard.map_or_else(|| self.batch.clone(), |it| self.batch.of_shard(it));
        // Of an earlier attempt at a shard nothing is left to be taken for this one.
        let forgotten = self.shard.map_or(Ok(()), |it| shard::forget(&self.summary_dir, it));
        if let Err(reason) = forgotten {
            complain(&reason);
            return Found { text: String::new(), code: UNPRINTED };
        }
        let report = batch.run(&stop, |seeds| {
            if seeds % PROGRESS_EVERY == 0 {
                let took = began.elapsed().as_secs_f64();
                drop(writeln!(std::io::stderr(), "{seeds} seeds after {took:.0} s"));
            }
        });
        if let Some(shard) = self.shard {
            let summary = shard::summary(&self.batch, shard, &report, self.all_points);
            return self.told_shard(&summary, told(&report, elapsed(began), &batch.config));
        }
        let mut text = told(&report, elapsed(began), &batch.config);
        if self.points {
            text += &report.hit_counts.table();
        }
        let unseen = report.hit_counts.unseen();
        // A run that fails ends there, so what it has not seen says nothing.
        if report.failed == 0 && !unseen.is_empty() {
            text += &format!("never seen: {}\n", unseen.join(", "));
        }
        let too_little = report.outcomes.ok == 0 || (self.all_points && !unseen.is_empty());
        let code = if report.failed > 0 { VIOLATION } else { PASS };
        Found { text, code: if code == PASS && too_little { TOO_LITTLE } else { code } }
    }

    /// Keeps the summary of a shard, and tells of it. What was never seen is not a shard's to say.
    fn told_shard(&self, summary: &ShardSummary, told: String) -> Found {
        let (text, mut code) = shard::told(summary, told);
        if let Err(error) = summary.write(&self.summary_dir) {
            let path = self.summary_dir.join(summary.shard.file_name());
            complain(&format_args!("cannot write {}: {error}", path.display()));
            // A violation must not be hidden by a summary that cannot be written.
            code = if code == VIOLATION { code } else { UNPRINTED };
        }
        let path = self.summary_dir.join(summary.shard.file_name());
        Found { text: format!("{text}summary: {}\n", path.display()), code }
    }

    fn run_one(&self, mut plan: Scenario) -> Found {
        let mut text = String::new();
        let run = if self.outside { trial::run_judged_outside } else { trial::run };
        let mut ended = run(&plan, true);
        if self.shrink
            && let Some(violation) = &ended.violation
        {
            plan = smaller(&plan, violation, |plan| run(plan, false), &mut text);
            // Once more for its log and transcript: the search keeps none.
            ended = run(&plan, true);
        }
        for fault in &plan.faults {
            text += &format!("{fault}\n");
        }
        self.told_one(&plan, &ended, text)
    }

    fn told_one(&self, plan: &Scenario, ended: &RunResult, mut text: String) -> Found {
        let shown = if self.log { ended.log.len() } else { LAST_LINES.min(ended.log.len()) };
        let shown = if ended.violation.is_some() || self.log { shown } else { 0 };
        for line in &ended.log[ended.log.len() - shown..] {
            text += &format!("{line}\n");
        }
        text += &summed_up(plan, ended);
        if self.transcript || ended.violation.is_some() {
            match keep_transcript(plan, ended) {
                Ok(path) => text += &told_where(&path),
                Err(error) => complain(&format_args!("the transcript cannot be kept: {error}")),
            }
        }
        let Some(violation) = &ended.violation else {
            let nothing = nothing_tried(plan, ended);
            let code = if nothing.is_some() { TOO_LITTLE } else { PASS };
            text += &nothing.map_or_else(String::new, |why| format!("TOO LITTLE: {why}\n"));
            return Found { text, code };
        };
        text += &format!("VIOLATION at {}: {violation}\n", ended.time);
        match keep(plan, violation) {
            Ok(path) => text += &format!("the plan is in {}\n", path.display()),
            Err(error) => complain(&format_args!("the plan cannot be kept: {error}")),
        }
        Found { text, code: VIOLATION }
    }
}

/// Holds what real nodes wrote against the specification.
fn judged(
    run: &Path,
    read: impl FnOnce(&Path) -> Result<Vec<NodeJournal>, ReadError>,
) -> Result<Found, String> {
    let JudgedRun { text, is_explained } = judge_run(run, read).map_err(|why| why.to_string())?;
    Ok(Found { text, code: if is_explained { PASS } else { VIOLATION } })
}

fn read_plan(path: &Path) -> Result<Scenario, String> {
    let told = |error: &dyn Display| format!("{}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| told(&error))?;
    let plan = Scenario::parse(&path.to_string_lossy(), &text).map_err(|error| told(&error))?;
    trial::check(&plan).map_err(|error| told(&error))?;
    Ok(plan.drawn())
}

fn smaller(
    plan: &Scenario,
    violation: &Violation,
    run: impl Fn(&Scenario) -> RunResult,
    text: &mut String,
) -> Scenario {
    let fails = |plan: &Scenario| {
        let found = run(plan).violation;
        // One that fails for another reason is another bug, and no smaller form of this one.
        found.is_some_and(|found| found.invariant == violation.invariant)
    };
    let shrunk = synod_fault::shrink(plan, SHRINK_RUNS_MAX, fails);
    *text += &format!(
        "made smaller in {} runs: {} of {} faults, {} of {} clients, {} of {}\n",
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
         && SYNOD_REWRITE=1 cargo test -p synod-paxos --test transcripts\n"
    )
}

fn write_down(plan: &Scenario, extension: &str, text: &str) -> std::io::Result<PathBuf> {
    let folder = Path::new(KEPT);
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("seed-{}.{extension}", plan.seed));
    std::fs::write(&path, text)?;
    Ok(path)
}

fn elapsed(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// Where failures, and summaries of shards, are kept.
const KEPT: &str = "target/sim";

/// The flags that a batch of seeds has alone.
const OF_BATCH: &[&str] = &[
    "seeds",
    "from",
    "jobs",
    "twice",
    "all-points",
    "points",
    "shards",
    "shard",
    "shard-from",
    "summary-dir",
];

/// Those that say how the plan of a seed is drawn.
const OF_DRAWS: &[&str] = &["time", "nodes", "nemesis"];

/// Those that a single run has alone.
const OF_ONE: &[&str] = &["nemesis", "outside", "shrink", "log", "transcript"];

/// The most runs that the search for a smaller plan makes.
const SHRINK_RUNS_MAX: u32 = 2_000;

const PASS: u8 = 0;
const VIOLATION: u8 = 1;
const TOO_LITTLE: u8 = 2;
const MISUSED: u8 = 64;
const UNPRINTED: u8 = 70;

/// How often progress is told.
const PROGRESS_EVERY: u64 = 1_000;

/// How much of the log is shown with a violation.
const LAST_LINES: usize = 60;
