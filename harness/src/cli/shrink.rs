//! `synod-harness shrink`: the smallest plan with which a failure of real processes comes back.
//!
//! The search is `synod-fault`'s, the same as the simulator's; here each candidate is run. Real
//! processes do not repeat themselves, so that a candidate has several tries, and one that does not
//! fail in them is kept out though it may fail in the next. Of the runs of a search only the last
//! that failed is kept. The claim kept true: what is left came to the verdict of the run that it
//! came from. A violation of another kind is one, too: the report of the last run tells which.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use synod_fault::Scenario;
use synod_live::console::{Console, Format};
use synod_live::folder;
use synod_live::run::RunConfig;
use synod_live::runs;
use synod_report::Verdict;

use super::chaos::{check_plan, quoted, recorded_order};
use super::output::{FormatArgument, OutputArguments};
use super::refusal::{Refusal, recorded};
use super::repeat::Runs;
use super::{INTERNAL, INTERRUPTED, USAGE, fail, printed, say};

#[derive(Debug, Args)]
pub(super) struct ShrinkArguments {
    /// The folder of a run that found a violation, or was not served.
    run: PathBuf,
    /// Another binary than the run had.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// How often a plan is run before it counts as one that does not fail.
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(TRIES_MAX)))]
    tries: u32,
    /// How long the search may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    budget: u64,
}

pub(super) fn shrink(arguments: &ShrinkArguments) -> ExitCode {
    match shrunk(arguments) {
        Ok(Outcome { text, code }) => printed(say(&text), code),
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

/// What the command prints last, and how it exits.
struct Outcome {
    text: String,
    code: u8,
}

/// What is read of a report.
#[derive(Deserialize)]
struct Before {
    verdict: Verdict,
}

fn shrunk(arguments: &ShrinkArguments) -> Result<Outcome, Refusal> {
    let Before { verdict } = recorded(&arguments.run.join(folder::REPORT))?;
    if !matches!(verdict, Verdict::Violation | Verdict::NotServed) {
        let words = format!(
            "{}: the verdict is {}, so there is no failure to make smaller; name a run that found \
             one",
            arguments.run.display(),
            verdict.word()
        );
        return Err(Refusal(USAGE, words));
    }
    let runs_dir = arguments.run.join(SEARCH);
    let output = OutputArguments { runs_dir, keep: 1, format: FormatArgument::Text };
    let order = recorded_order(&arguments.run, arguments.binary.as_deref(), &output)?;
    let mut search = Search {
        runs: Runs::begin()?,
        order,
        verdict,
        tries: arguments.tries,
        until: Instant::now() + Duration::from_secs(arguments.budget),
        made: 0,
        failed: None,
        trouble: None,
    };
    let plan = search.order.plan.clone();
    let comes_back = search.fails(&plan);
    let found = comes_back.then(|| synod_fault::shrink(&plan, PLANS_MAX, |it| search.fails(it)));
    let file = arguments.run.join(SHRUNK);
    let smallest = found.map(|found| found.plan);
    if let Some(smallest) = &smallest {
        write(&file, smallest)?;
    }
    // What was found until then is kept.
    if let Some(trouble) = search.trouble {
        return Err(trouble);
    }
    let interrupted = search.runs.is_interrupted();
    let Some(smallest) = smallest else {
        let text = format!(
            "{} did not come back in {} runs of the same plan; it may with more --tries\n",
            verdict.word(),
            search.made
        );
        return Ok(Outcome { text, code: if interrupted { INTERRUPTED } else { NOT_AGAIN } });
    };
    let code = if interrupted { INTERRUPTED } else { verdict.exit_code() };
    Ok(Outcome { text: told(&plan, &smallest, search.made, &file), code })
}

/// A search by runs of real processes.
struct Search {
    runs: Runs,
    order: RunConfig,
    verdict: Verdict,
    tries: u32,
    until: Instant,
    made: u32,
    /// The folder of the last run that failed.
    failed: Option<PathBuf>,
    /// What kept a run from being made: the search ends with it.
    trouble: Option<Refusal>,
}

impl Search {
    /// Returns whether a plan comes to the verdict of the first run, in one of its tries.
    fn fails(&mut self, plan: &Scenario) -> bool {
        let world = self.order.under_test.system.abilities();
        if plan.time_ms.0 < TIME_MS_MIN || check_plan(plan, world).is_err() {
            return false;
        }
        for _ in 0..self.tries {
            // One run is made however little time there is: without it nothing is known.
            let is_over = self.made > 0 && Instant::now() >= self.until;
            if is_over || self.trouble.is_some() || self.runs.is_interrupted() {
                return false;
            }
            self.order.plan = plan.clone();
            self.made += 1;
            match self.runs.one(&self.order, &mut Console::new(Format::Silent)) {
                Ok(finished) => {
                    let found = finished.summary.verdict;
                    self.say(plan, found.word());
                    let fails = found == self.verdict;
                    self.keep(finished.folder, fails);
                    if fails {
                        return true;
                    }
                }
                Err(trouble) => self.trouble = Some(trouble),
            }
        }
        false
    }

    /// Keeps the folder of a run that failed in place of that of the one before.
    fn keep(&mut self, folder: PathBuf, fails: bool) {
        let gone = if fails { self.failed.replace(folder) } else { Some(folder) };
        if let Some(gone) = gone {
            // What cannot be removed takes room, and no more; the page and the link follow.
            drop(std::fs::remove_dir_all(gone));
            drop(runs::write_index(&self.order.runs));
        }
    }

    fn say(&self, plan: &Scenario, found: &str) {
        let Scenario { faults, clients, time_ms, .. } = plan;
        let left = self.until.saturating_duration_since(Instant::now()).as_secs();
        let faults = faults.len();
        let line = format!(
            "run {}: {faults} faults, {clients} clients, {time_ms}: {found}; {left} s are left\n",
            self.made
        );
        // A line of progress that cannot be printed changes nothing.
        drop(say(&line));
    }
}

fn write(file: &Path, plan: &Scenario) -> Result<(), Refusal> {
    let refused = |error: &dyn Display| Refusal(INTERNAL, format!("{}: {error}", file.display()));
    let text = plan.to_toml().map_err(|error| refused(&error))?;
    std::fs::write(file, text).map_err(|error| refused(&error))
}

fn told(before: &Scenario, after: &Scenario, runs: u32, file: &Path) -> String {
    let faults: String = after.faults.iter().map(|fault| format!("  {fault}\n")).collect();
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    format!(
        "made smaller in {runs} runs: {} of {} faults, {} of {} clients, {} of {}\n{faults}\
         plan: {}\n",
        after.faults.len(),
        before.faults.len(),
        after.clients,
        before.clients,
        after.time_ms,
        before.time_ms,
        quoted(&file.display().to_string())
    )
}

/// The smallest plan of a run's failure, in its folder.
const SHRUNK: &str = "shrunk.toml";

/// The folder, within that of the run, in which the runs of the search are made.
const SEARCH: &str = "shrink";

/// The shortest time of faults that is tried: a run has to start before anything can fail.
const TIME_MS_MIN: u64 = 1_000;

/// The most plans that are tried, whatever time is left.
const PLANS_MAX: u32 = 500;

/// The most runs of one plan.
const TRIES_MAX: u32 = 20;

/// The exit code where the failure did not come back.
const NOT_AGAIN: u8 = 2;
