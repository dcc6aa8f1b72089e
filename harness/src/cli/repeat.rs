//! Several runs, one after the other: how often what was found comes back, and in which runs.
//!
//! What a run is, and what it prints, is the live crate's. The claim kept true: the exit code is
//! that of the gravest verdict, so that no run that passes hides one that does not, and a campaign
//! that was ended early says how many of its runs there were.

use std::process::ExitCode;

use serde_json::json;
use synod_live::console::Console;
use synod_live::interrupt::Interrupt;
use synod_live::run::{Finished, RunConfig, run};
use synod_report::{Verdict, markdown};
use tokio::runtime::Runtime;

use super::output::FormatArgument;
use super::refusal::{Refusal, refusal};
use super::shard::{ShardRecord, Turns};
use super::{INTERNAL, fail, printed, say, step_summary};

/// Where runs are made: one thread, and the user's wish to end.
pub(super) struct Runs {
    runtime: Runtime,
    interrupt: Interrupt,
}

impl Runs {
    pub(super) fn begin() -> Result<Self, Refusal> {
        let internal = |error: std::io::Error| Refusal(INTERNAL, error.to_string());
        let runtime = single_thread().map_err(internal)?;
        let interrupt = runtime.block_on(async { Interrupt::listen() }).map_err(internal)?;
        Ok(Self { runtime, interrupt })
    }

    /// Makes one run to its end.
    pub(super) fn one(
        &self,
        order: &RunConfig,
        console: &mut Console,
    ) -> Result<Finished, Refusal> {
        let run = run(order, &self.interrupt, console);
        self.runtime.block_on(run).map_err(|error| refusal(&error))
    }

    /// Tells whether the user has asked to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.is_raised()
    }
}

/// Makes the runtime: of one thread, see the crate's `main`.
pub(super) fn single_thread() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Makes runs, each by the order that `order` gives for its turn.
pub(super) fn perform(
    format: FormatArgument,
    turns: Turns,
    order: impl Fn(u32) -> Result<RunConfig, Refusal>,
) -> ExitCode {
    match performed(format, turns, order) {
        Ok((said, code)) => printed(said, code),
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

fn performed(
    format: FormatArgument,
    turns: Turns,
    order: impl Fn(u32) -> Result<RunConfig, Refusal>,
) -> Result<(std::io::Result<()>, u8), Refusal> {
    let Turns { numbers, of, mut record } = turns;
    // Whatever is wrong with what was asked for is said before anything starts.
    let mut next = Some(order(numbers.first().copied().unwrap_or(0))?);
    if let Some(record) = &record {
        record.begin()?;
    }
    let runs = Runs::begin()?;
    let mut console = format.console();
    let mut tally = Tally::default();
    for turn in 1..=numbers.len() {
        // Nothing follows once somebody interrupts, or a plan or a record of the shard is refused.
        let Some(config) = next.take() else { break };
        let made = runs.one(&config, &mut console).and_then(|finished| {
            step_summary::add(&markdown(&finished.summary));
            tally.add(config.plan.seed.0, finished.summary.verdict);
            record.as_mut().map_or(Ok(()), |record| record.add(&finished))
        });
        // A later seed may make a plan that is refused; what the runs before it found is told.
        let following = made.and_then(|()| match numbers.get(turn) {
            Some(number) if !runs.is_interrupted() => order(*number).map(Some),
            Some(_) | None => Ok(None),
        });
        match following {
            Ok(following) => next = following,
            Err(Refusal(code, error)) => {
                if let Some(record) = &mut record {
                    // What could not be written before is told already.
                    drop(record.break_off(code, &error));
                }
                // Without an earlier run there is nothing else to say.
                if tally.runs.is_empty() {
                    return Err(Refusal(code, error));
                }
                tally.broke_off = Some((code, error));
            }
        }
    }
    Ok(tell(format, (numbers.len(), of), &tally, console.unprinted(), record.as_ref()))
}

/// Says what the runs came to, `count` of the `of` of a campaign.
fn tell(
    format: FormatArgument,
    (count, of): (usize, u32),
    tally: &Tally,
    mut said: std::io::Result<()>,
    record: Option<&ShardRecord>,
) -> (std::io::Result<()>, u8) {
    if of > 1 {
        if let Some((_, error)) = &tally.broke_off {
            let _: ExitCode = fail(INTERNAL, error);
        }
        let text = match format {
            FormatArgument::Text if count == 0 => String::new(),
            FormatArgument::Text => tally.text(count),
            FormatArgument::Json => tally.json(count),
        };
        said = said.and_then(|()| say(&text));
    }
    if let (Some(record), FormatArgument::Text) = (record, format) {
        said = said.and_then(|()| say(&record.text()));
    }
    // A part without a run has nothing to fail; what the campaign came to is the merge's to say.
    let code = if count == 0 { 0 } else { tally.exit_code() };
    (said, code)
}

/// What came of the runs of a campaign.
#[derive(Default)]
struct Tally {
    /// The seed and the verdict of each run.
    runs: Vec<(u64, Verdict)>,
    /// The exit code and the reason where a run could not be made.
    broke_off: Option<(u8, String)>,
}

impl Tally {
    fn add(&mut self, seed: u64, verdict: Verdict) {
        self.runs.push((seed, verdict));
    }

    /// Returns the seeds of the runs with each verdict that there was, the gravest first.
    fn by_verdict(&self) -> impl Iterator<Item = (Verdict, Vec<u64>)> + '_ {
        GRAVEST_FIRST.into_iter().filter_map(|verdict| {
            let of_it = self.runs.iter().filter(|(_, found)| *found == verdict);
            let seeds: Vec<u64> = of_it.map(|(seed, _)| *seed).collect();
            (!seeds.is_empty()).then_some((verdict, seeds))
        })
    }

    /// Says how many runs came to which verdict, and which they were where they are no PASS. Runs
    /// of one plan have one seed, and are told by their number alone.
    fn text(&self, count: usize) -> String {
        let made = self.runs.len();
        // Runs of one plan have one seed, which tells none of them from the others.
        let is_one_plan = self.runs.windows(2).all(|pair| pair[0].0 == pair[1].0);
        let told = self.by_verdict().map(|(verdict, seeds)| {
            let which = seeds.iter().take(SEEDS_SHOWN_MAX).map(u64::to_string);
            let which = which.collect::<Vec<_>>().join(", ");
            let more = if seeds.len() > SEEDS_SHOWN_MAX { ", ..." } else { "" };
            let named = format!("{} {}", seeds.len(), verdict.word());
            if is_one_plan || verdict == Verdict::Pass {
                named
            } else {
                format!("{named} (seeds {which}{more})")
            }
        });
        let told = told.collect::<Vec<_>>().join(", ");
        let early = if made < count { ", ended early" } else { "" };
        format!("{made} of {count} runs{early}: {told}\n")
    }

    fn json(&self, count: usize) -> String {
        let seeds: serde_json::Map<String, serde_json::Value> = self
            .by_verdict()
            .map(|(verdict, seeds)| (verdict.word().into(), json!(seeds)))
            .collect();
        let broke_off = self.broke_off.as_ref().map(|(_, error)| error);
        let told = json!({
            "asked": count, "runs": self.runs.len(), "seeds": seeds, "broke_off": broke_off
        });
        format!("{told}\n")
    }

    fn exit_code(&self) -> u8 {
        let gravest = self.by_verdict().next().map_or(INTERNAL, |(verdict, _)| verdict.exit_code());
        match &self.broke_off {
            // What was found stays found; what was not is not passed by runs that were not made.
            Some((code, _)) if gravest != Verdict::Violation.exit_code() => *code,
            Some(_) | None => gravest,
        }
    }
}

/// Verdicts by what they weigh in a campaign. What the user ended is no verdict on the system, but
/// a violation that was found before is.
const GRAVEST_FIRST: [Verdict; 6] = [
    Verdict::Violation,
    Verdict::Interrupted,
    Verdict::NotServed,
    Verdict::Unknown,
    Verdict::Void,
    Verdict::Pass,
];

/// How many seeds of one verdict are told.
const SEEDS_SHOWN_MAX: usize = 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_gravest_verdict_is_the_campaigns() {
        let code = |verdicts: &[Verdict], broke_off: Option<(u8, String)>| {
            let runs = (1..).zip(verdicts.iter().copied()).collect();
            Tally { runs, broke_off }.exit_code()
        };
        let (pass, void, violation) = (Verdict::Pass, Verdict::Void, Verdict::Violation);
        assert_eq!(code(&[pass, pass], None), 0);
        assert_eq!(code(&[pass, void, pass], None), 2);
        assert_eq!(code(&[void, Verdict::NotServed], None), 3);
        assert_eq!(code(&[violation, pass, Verdict::NotServed], None), 1);
        assert_eq!(code(&[violation, Verdict::Interrupted], None), 1);
        assert_eq!(code(&[pass, Verdict::Interrupted], None), 130);
        assert_eq!(code(&[pass, pass], Some((70, "no port".into()))), 70);
        assert_eq!(code(&[violation], Some((70, "no port".into()))), 1);
    }

    #[test]
    fn a_campaign_names_the_seeds_of_what_did_not_pass() {
        let (pass, violation) = (Verdict::Pass, Verdict::Violation);
        let tally = Tally { runs: vec![(7, pass), (8, violation), (9, pass)], broke_off: None };
        assert_eq!(tally.text(3), "3 of 3 runs: 1 VIOLATION (seeds 8), 2 PASS\n");
        assert_eq!(tally.text(5), "3 of 5 runs, ended early: 1 VIOLATION (seeds 8), 2 PASS\n");
        let again = Tally { runs: vec![(7, violation), (7, pass)], broke_off: None };
        assert_eq!(again.text(2), "2 of 2 runs: 1 VIOLATION, 1 PASS\n");
        let told: serde_json::Value = serde_json::from_str(&tally.json(3)).unwrap();
        let seeds = json!({"PASS": [7, 9], "VIOLATION": [8]});
        assert_eq!(told, json!({"asked": 3, "broke_off": null, "runs": 3, "seeds": seeds}));
    }
}
