//! What one machine tells of its part of a campaign: the content of `shard-I-of-N.json`.
//!
//! It is written anew after each run, so that a machine that dies leaves what it had found. What
//! parts are together is `merge`'s. The claim kept true: a summary is read whole or refused.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use synod_history::json;

use super::{Shard, SimulatedSeeds};
use crate::format::utc;
use crate::replace::replace;
use crate::{
    ListedRun, ReportError, RunOutcome, RunSummary, SUMMARY_BYTES_MAX, Verdict, read_whole,
};

/// What one machine tells of its part of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSummary {
    /// The version of the program that wrote it.
    pub version: String,
    /// Which part it is.
    pub shard: Shard,
    /// What all parts have in common.
    pub campaign: Campaign,
    /// What came of it.
    pub work: Work,
}

/// What all parts of a campaign have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// What was asked for, by name: the system, the time, all that a run follows from but its seed.
    pub asked: BTreeMap<String, String>,
    /// The seed of the first run.
    pub first: u64,
    /// How many runs there are on all machines; each has the seed after that of the one before.
    pub runs: u64,
}

/// What came of a part. Complete: a campaign is of real processes, or of simulated ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Runs of real processes.
    Runs {
        /// Those that came to an end.
        made: Vec<MadeRun>,
        /// Why there are no more of them, if the machine could not make one.
        broken_off: Option<BrokenOff>,
    },
    /// Simulated seeds.
    Seeds(SimulatedSeeds),
}

/// A run that came to an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeRun {
    /// Its seed.
    pub seed: u64,
    /// Its verdict.
    pub verdict: Verdict,
    /// The first of the reasons.
    pub reason: String,
    /// What it rests on, in brief.
    pub rests_on: String,
    /// The name of its folder, beside the summary.
    pub folder: String,
    /// When it began, in milliseconds since 1970.
    pub began_unix_ms: u64,
    /// The name of the system under test.
    pub system: String,
    /// The name of its nemesis.
    pub nemesis: String,
}

/// Why a machine made no more runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenOff {
    /// The exit code that stands for it.
    pub code: u8,
    /// What went wrong.
    pub why: String,
}

/// A summary, with the place where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The path, as it was found.
    pub place: String,
    /// The summary.
    pub summary: ShardSummary,
}

impl MadeRun {
    /// Returns what is told of a run that came to its end in a folder of this name.
    #[must_use]
    pub fn of(summary: &RunSummary, folder: &str) -> Self {
        // Whether there is a page is asked where one is led to, which may be on another machine.
        let (reason, rests_on) = match RunOutcome::of(summary, true) {
            RunOutcome::Ended { reason, rests_on, .. } => (reason, rests_on),
            RunOutcome::GoesOn | RunOutcome::CutOff => unreachable!("it has a summary"),
        };
        Self {
            seed: summary.seed,
            verdict: summary.verdict,
            reason,
            rests_on,
            folder: folder.to_owned(),
            began_unix_ms: summary.started_unix_ms,
            system: summary.system.clone(),
            nemesis: summary.plan.nemesis.clone(),
        }
    }

    /// Returns its row; `folder` leads from the page to its folder, `has_page` says whether there
    /// is a page in it.
    pub(super) fn listed(&self, folder: String, has_page: bool) -> ListedRun {
        ListedRun {
            folder,
            began: utc(self.began_unix_ms),
            seed: self.seed.to_string(),
            system: self.system.clone(),
            nemesis: self.nemesis.clone(),
            outcome: RunOutcome::Ended {
                verdict: self.verdict,
                reason: self.reason.clone(),
                rests_on: self.rests_on.clone(),
                has_page,
            },
        }
    }
}

impl ShardSummary {
    /// Returns how many runs the part has of the campaign.
    #[must_use]
    pub fn share(&self) -> u64 {
        self.shard.share(self.campaign.runs)
    }

    /// Returns the seeds that are its own, in order.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.campaign.first;
        self.shard.turns(self.campaign.runs).map(move |turn| first.wrapping_add(turn))
    }

    /// Puts the summary into a folder, in the place of an older one, at once or not at all.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::create_dir_all(folder)?;
        replace(&folder.join(self.shard.file_name()), &text)
    }

    /// Reads a summary.
    ///
    /// # Errors
    ///
    /// [`ReportError`] names the file, and what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let bytes = read_whole(path, SUMMARY_BYTES_MAX)
            .map_err(|source| ReportError::ReadSummary { path: path.to_owned(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| ReportError::ParseShard {
            path: path.to_owned(),
            what: json::problem(&source),
        })
    }
}
