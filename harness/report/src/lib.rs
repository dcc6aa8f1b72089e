//! The report page: one self-contained HTML file made from a run summary and its history.
//!
//! [`write()`] makes it, and [`RunSummary`] is what a runner writes for it. Measuring is left to
//! the runner and judging to the checker: what the page says was in `report.json` or is counted
//! from `history.jsonl`. Claims kept true: the page needs no network, no script and no other file
//! to be read; it stays below two megabytes however long the history is; and nothing that a run
//! produced can become markup or script.

mod absent;
mod appendix;
mod around;
mod availability;
mod axis;
mod banner;
mod bins;
mod campaign;
mod cells;
mod check;
mod clock;
mod context;
mod core;
mod digest;
mod embedded;
mod exercise;
mod faults;
mod for_machines;
mod format;
mod frame;
mod gaps;
mod html;
mod index;
mod judged;
mod lanes;
mod latency;
mod latency_chart;
mod names;
mod node_lanes;
mod ops;
mod page;
mod reader;
mod replace;
mod rests_on;
mod space_time;
mod space_time_chart;
mod spans;
mod strip;
mod summary;
mod timeline;
mod verdict;
mod whole;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use synod_history::json;

use clock::Clock;
use digest::Digest;
use judged::{Events, Subject};
use reader::{Reading, read_events};
use replace::replace;

pub use campaign::{
    BrokenOff, Campaign, LooseOutcome, LooseRun, MadeRun, Merged, MergedRun, Mismatch, Part,
    PointHits, SHARDS_MAX, Shard, ShardAsked, ShardError, ShardSummary, SimulatedSeeds, Work,
    merge, merge_loose, merged_markdown, write_merged,
};
pub use check::{Check, CheckOutcome};
pub use exercise::{Exercise, Exercised, Parts};
pub use for_machines::{junit, markdown};
pub use index::{ListedRun, RunOutcome, write_index};
pub use judged::JudgedHistory;
pub use space_time::{Fate, Message, SPACE_TIME_MESSAGES, SeenMessages, SpaceTime};
pub use summary::{
    AfterHeal, FaultSpan, LOG_AROUND, LeaderSpan, LinkCounts, LoggedLine, NodeLife, NodeSummary,
    PlanSummary, RunSummary, StreamCounts,
};
pub use verdict::Verdict;
pub use whole::read_whole;

/// Why no page could be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The run folder has no summary that can be read: the environment's fault, or the folder is
    /// none.
    #[error("cannot read {}: {source}", path.display())]
    ReadSummary {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The summary is not one: whoever wrote it is at fault.
    #[error("{} is not the summary of a run: {}", path.display(), json::problem(source))]
    ParseSummary {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The file is no summary of a shard: whoever wrote it is at fault.
    #[error(
        "{} is not the summary of a shard: {what}; name one that `--shards` has written",
        path.display()
    )]
    ParseShard {
        /// The file.
        path: PathBuf,
        /// Where and what.
        what: String,
    },
    /// The page could not be put into the run folder: the environment's fault.
    #[error("cannot write {}: {source}", path.display())]
    WritePage {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes `report.html` into a run folder, and beside it `junit.xml` and, where messages were kept,
/// `space-time.log`; returns the path of the page.
///
/// Reads `report.json` and `history.jsonl` in that folder, the history once and line by line, so
/// that memory does not grow with it. A history that is missing, cut off or damaged does not
/// prevent a page; the page says so. An older page is replaced at once or not at all.
///
/// # Errors
///
/// Returns an error if the summary cannot be read or the page cannot be written.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), synod_report::ReportError> {
/// let page = synod_report::write("target/chaos/latest".as_ref())?;
/// assert!(page.ends_with("report.html"));
/// # Ok(())
/// # }
/// ```
pub fn write(run_dir: &Path) -> Result<PathBuf, ReportError> {
    let summary = read_summary(&run_dir.join("report.json"))?;
    let mut digest = Digest::new(&summary);
    // A history that cannot be read is told of on the page, which is written all the same.
    let reading = digest_history(&run_dir.join("history.jsonl"), &mut digest);
    digest.finish();
    let page = page::compose((Subject::Run, Clock::Run), &summary, &mut digest, &reading);
    let path = run_dir.join("report.html");
    replace(&path, &page)
        .map_err(|source| ReportError::WritePage { path: path.clone(), source })?;
    let cases = run_dir.join("junit.xml");
    replace(&cases, &junit(&summary))
        .map_err(|source| ReportError::WritePage { path: cases, source })?;
    if let Some(shown) = &summary.space_time {
        let log = run_dir.join("space-time.log");
        replace(&log, &space_time::log(shown, summary.violation.as_ref()))
            .map_err(|source| ReportError::WritePage { path: log, source })?;
    }
    Ok(path)
}

/// Writes the page of a history that was judged by itself: the same as a run has, but for what no
/// history tells, of which it says so.
///
/// An older page is replaced at once or not at all.
///
/// # Errors
///
/// Returns an error if the page cannot be written.
pub fn write_judged(page: &Path, judged: &JudgedHistory<'_>) -> Result<(), ReportError> {
    let clock = judged.history.map_or(Clock::Run, Clock::of);
    let events = judged.history.map(Events::of);
    let summary = judged.summary(clock, events.as_ref());
    let mut digest = Digest::new(&summary);
    let reading = match &events {
        Some(events) => {
            events.feed(clock, &mut digest);
            Ok(Reading { lines: events.count(), ..Reading::default() })
        }
        None => Err("was not read to its end".to_owned()),
    };
    digest.finish();
    let text = page::compose((Subject::History(judged), clock), &summary, &mut digest, &reading);
    replace(page, &text).map_err(|source| ReportError::WritePage { path: page.to_owned(), source })
}

/// Reads the `report.json` of a run.
///
/// # Errors
///
/// [`ReportError`] names the file, and what is wrong with it.
pub fn read_summary(path: &Path) -> Result<RunSummary, ReportError> {
    let bytes = read_whole(path, SUMMARY_BYTES_MAX)
        .map_err(|source| ReportError::ReadSummary { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|source| ReportError::ParseSummary { path: path.to_owned(), source })
}

/// Counts a history, or says why that was not possible.
fn digest_history(path: &Path, digest: &mut Digest) -> Result<Reading, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let history = BufReader::with_capacity(HISTORY_BUFFER, file);
    read_events(history, |event| digest.take(event)).map_err(|error| error.to_string())
}

/// The longest summary that is read, of a run or of a shard with all its failures.
const SUMMARY_BYTES_MAX: u64 = 1 << 30;

/// Bytes read of a history at once.
const HISTORY_BUFFER: usize = 256 * 1024;
