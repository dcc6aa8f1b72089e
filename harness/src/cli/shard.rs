//! The part of a campaign that one machine of several has: its flags, and what it keeps of its
//! runs.
//!
//! Which runs are whose, and what the parts are together, is `synod-report`'s. The claims kept
//! true: what a run came to is on the disk before the next one begins, and a part that is run again
//! never passes for an earlier one.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use synod_live::run::Finished;
use synod_report::{BrokenOff, Campaign, MadeRun, Shard, ShardAsked, ShardSummary, Work};

use super::refusal::Refusal;
use super::{INTERNAL, USAGE};

#[derive(Clone, Debug, Args)]
pub(super) struct ShardArguments {
    /// How many machines share the runs of --test-count; this one makes each N-th of them, and
    /// `report --merge` puts together what all have found.
    #[arg(long, value_name = "N")]
    shards: Option<u64>,
    /// Which of them this one is, counted from 0.
    #[arg(long, value_name = "NUMBER")]
    shard: Option<u64>,
    /// The variable of the environment that says which one this is, such as JOB_COMPLETION_INDEX.
    #[arg(long, value_name = "VARIABLE")]
    shard_from: Option<String>,
}

impl ShardArguments {
    /// Works out which part is asked for, if it is one.
    pub(super) fn shard(&self) -> Result<Option<Shard>, Refusal> {
        let Self { shards, shard, shard_from } = self.clone();
        let asked = ShardAsked { shards, shard, shard_from };
        asked
            .shard(|name| std::env::var(name).ok())
            .map_err(|error| Refusal(USAGE, error.to_string()))
    }
}

/// The runs that a command is to make: their numbers in the campaign, and where they are kept if
/// they are only a part of it.
pub(super) struct Turns {
    /// The numbers, in order.
    pub(super) numbers: Vec<u32>,
    /// How many there are in the whole campaign.
    pub(super) of: u32,
    /// Who keeps what a part has found.
    pub(super) record: Option<ShardRecord>,
}

impl Turns {
    /// All runs of a campaign.
    pub(super) fn all(count: u32) -> Self {
        Self { numbers: (0..count).collect(), of: count, record: None }
    }

    /// Those of one machine, which keeps its summary in `folder`.
    pub(super) fn of_shard(shard: Shard, campaign: Campaign, of: u32, folder: PathBuf) -> Self {
        let fits = "a turn is below the number of runs";
        let numbers = shard.turns(of.into()).map(|turn| u32::try_from(turn).expect(fits));
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let work = Work::Runs { made: Vec::new(), broken_off: None };
        let summary = ShardSummary { version, shard, campaign, work };
        Self { numbers: numbers.collect(), of, record: Some(ShardRecord { folder, summary }) }
    }
}

/// What is kept of a part of a campaign.
pub(super) struct ShardRecord {
    folder: PathBuf,
    summary: ShardSummary,
}

impl ShardRecord {
    /// Puts an empty summary into the place of one that an earlier attempt may have left.
    pub(super) fn begin(&self) -> Result<(), Refusal> {
        let path = self.path();
        // If the new one cannot be written, the older one must not be merged in its place.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let words = format!("cannot take away the older {}: {error}", path.display());
                return Err(Refusal(INTERNAL, words));
            }
            Ok(()) | Err(_) => {}
        }
        self.write()
    }

    /// Keeps what a run came to.
    pub(super) fn add(&mut self, finished: &Finished) -> Result<(), Refusal> {
        let name = finished.folder.file_name().unwrap_or_default().to_string_lossy();
        if let Work::Runs { made, .. } = &mut self.summary.work {
            made.push(MadeRun::of(&finished.summary, &name));
        }
        self.write()
    }

    /// Keeps why there are no more runs.
    pub(super) fn break_off(&mut self, code: u8, why: &str) -> Result<(), Refusal> {
        if let Work::Runs { broken_off, .. } = &mut self.summary.work {
            *broken_off = Some(BrokenOff { code, why: why.to_owned() });
        }
        self.write()
    }

    /// Says where the summary is, and what is known of a part that has no run.
    pub(super) fn text(&self) -> String {
        let (shard, runs) = (self.summary.shard, self.summary.campaign.runs);
        let path = self.path();
        let path = path.display();
        if self.summary.share() == 0 {
            return format!(
                "{shard} has none of the {runs} runs: nothing was run, and nothing is claimed\n\
                 summary: {path}\n"
            );
        }
        format!(
            "{shard} of a campaign of {runs} runs: `synod-harness report --merge` puts the shards \
             together\nsummary: {path}\n"
        )
    }

    fn path(&self) -> PathBuf {
        self.folder.join(self.summary.shard.file_name())
    }

    fn write(&self) -> Result<(), Refusal> {
        self.summary.write(&self.folder).map_err(|error| {
            Refusal(INTERNAL, format!("cannot write {}: {error}", self.path().display()))
        })
    }
}
