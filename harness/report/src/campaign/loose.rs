//! Runs that no shard tells of, put together: those of folders that somebody collected.
//!
//! Nobody said which runs there were to be, so that none can be missing. The claims kept true: runs
//! of different plans are refused, a run that came twice is told of as such, and one that left no
//! report is never passed over.

use std::collections::BTreeMap;

use super::merge::{asked_otherwise, rank, tally, told};
use super::{MadeRun, Merged, MergedRun, Mismatch};
use crate::{RunSummary, Verdict};

/// A run that no shard tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LooseRun {
    /// Its folder, as it was found.
    pub place: String,
    /// What came of it.
    pub outcome: LooseOutcome,
}

/// What came of a run. Complete: it has a report or has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LooseOutcome {
    /// It came to its end.
    Ended {
        /// What the run follows from but its seed, by name.
        asked: BTreeMap<String, String>,
        /// The run.
        run: MadeRun,
    },
    /// It has no report: it goes on, was cut off, or the harness failed.
    Unreported,
}

impl LooseOutcome {
    /// Returns what is told of a run that came to its end in a folder of this name.
    #[must_use]
    pub fn of(summary: &RunSummary, folder: &str) -> Self {
        let plan = &summary.plan;
        let asked = [
            ("the system", summary.system.clone()),
            ("the version of the harness", summary.version.clone()),
            ("the number of nodes", plan.nodes.to_string()),
            ("the time in seconds", plan.time_s.to_string()),
            ("the workload", plan.workload.clone()),
            ("the nemesis", plan.nemesis.clone()),
        ];
        let asked = asked.map(|(name, value)| (name.to_owned(), value)).into();
        Self::Ended { asked, run: MadeRun::of(summary, folder) }
    }
}

/// Puts runs together that no shard tells of.
///
/// # Errors
///
/// [`Mismatch`], if they are of different plans.
pub fn merge_loose(loose: &[LooseRun]) -> Result<Merged, Mismatch> {
    let (mut runs, mut found): (Vec<MergedRun>, Vec<(u8, String)>) = (Vec::new(), Vec::new());
    let mut first: Option<(&str, &BTreeMap<String, String>)> = None;
    for LooseRun { place, outcome } in loose {
        let (asked, run) = match outcome {
            LooseOutcome::Ended { asked, run } => (asked, run),
            LooseOutcome::Unreported => {
                let words = format!("{place} has no report: it goes on, or was cut off");
                found.push((Verdict::Void.exit_code(), words));
                continue;
            }
        };
        let (first, known) = *first.get_or_insert((place, asked));
        if let Some(difference) = asked_otherwise(known, asked) {
            let (first, place) = (first.to_owned(), place.clone());
            return Err(Mismatch { first, place, difference });
        }
        let is_same = |other: &&MergedRun| {
            // No two runs of a seed begin in the same millisecond.
            let other = &other.run;
            (other.seed, other.began_unix_ms) == (run.seed, run.began_unix_ms)
        };
        if let Some(other) = runs.iter().find(is_same) {
            let words = format!("{place} and {} are the same run", other.place);
            found.push((Verdict::Void.exit_code(), words));
            continue;
        }
        if run.verdict != Verdict::Pass {
            found.push((run.verdict.exit_code(), told(run)));
        }
        runs.push(MergedRun { place: place.clone(), run: run.clone() });
    }
    found.sort_by_key(|(code, _)| rank(*code));
    runs.sort_by_key(|merged| merged.run.seed);
    let all: Vec<MadeRun> = runs.iter().map(|merged| merged.run.clone()).collect();
    Ok(Merged {
        code: found.first().map_or(0, |(code, _)| *code),
        rests_on: format!("{} of {} runs: {}", runs.len(), loose.len(), tally(&all)),
        is_whole: runs.len() == loose.len(),
        reasons: found.into_iter().map(|(_, words)| words).collect(),
        parts: Vec::new(),
        runs,
        seeds: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(place: &str, seed: u64, verdict: Verdict, time: &str) -> LooseRun {
        let asked = BTreeMap::from([("the time in seconds".to_owned(), time.to_owned())]);
        let run = MadeRun {
            seed,
            verdict,
            reason: "why".to_owned(),
            rests_on: String::new(),
            folder: place.to_owned(),
            began_unix_ms: 7,
            system: "fake".to_owned(),
            nemesis: "calm".to_owned(),
        };
        LooseRun { place: place.to_owned(), outcome: LooseOutcome::Ended { asked, run } }
    }

    fn check(runs: &[LooseRun], code: u8, reasons: &[&str]) {
        let merged = merge_loose(runs).expect("they are of one plan");
        assert_eq!(merged.code, code, "{}", merged.rests_on);
        assert_eq!(merged.reasons, reasons);
    }

    #[test]
    fn runs_are_one_verdict_and_none_is_passed_over() {
        let (pass, bad) = (Verdict::Pass, Verdict::Violation);
        let (one, two) = (ended("a", 1, pass, "30"), ended("b", 2, pass, "30"));
        check(&[one.clone(), two.clone()], 0, &[]);
        check(&[one.clone(), one.clone()], 2, &["a and a are the same run"]);
        let torn = LooseRun { place: "t".to_owned(), outcome: LooseOutcome::Unreported };
        let no_report = "t has no report: it goes on, or was cut off";
        check(&[torn.clone(), two], 2, &[no_report]);
        let broken = ended("c", 3, bad, "30");
        check(&[torn, broken, one.clone()], 1, &["seed 3: VIOLATION: why", no_report]);
        let error = merge_loose(&[one, ended("d", 4, pass, "60")]).expect_err("they differ");
        assert_eq!(
            error.to_string(),
            "d is no part of the campaign of a: the time in seconds is 60 here and 30 there; merge \
             those of one campaign"
        );
    }
}
