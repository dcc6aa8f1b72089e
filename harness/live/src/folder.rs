//! The run folder: where a run leaves its files, and which old runs go.
//!
//! Folders are named by the time in UTC and the seed, so that their names sort by age. Only folders
//! with such names are ever removed, and never one whose run found a violation: that is the one
//! somebody will want to look at.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;
use synod_report::Verdict;
use synod_rng::Seed;

use super::latest;
pub use super::latest::LATEST;

/// The folder of one run.
///
/// While this lives, the folder is locked, so that another harness does not take it for an old one.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes a folder for a run that starts at `now`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub fn create(runs: &Path, seed: Seed, now: SystemTime) -> io::Result<Self> {
        std::fs::create_dir_all(runs)?;
        // Absolute, as the path is handed on to other processes.
        let runs = runs.canonicalize()?;
        let name = format!("{}-{seed}", utc(now.duration_since(UNIX_EPOCH).unwrap_or_default()));
        let name = make_first_free(&runs, &name)?;
        let path = runs.join(&name);
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Points `latest` at it: whoever looks there finds a plan that can be run again.
    ///
    /// # Errors
    ///
    /// If the link cannot be made.
    pub fn become_latest(&self) -> io::Result<()> {
        let (Some(runs), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Ok(());
        };
        latest::point(runs, Path::new(name))
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a file of the run.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder inside, with all above it.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn inner(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

/// Tells whether a run goes on: its harness holds the folder.
#[must_use]
pub fn is_running(run: &Path) -> bool {
    matches!(lock(run), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Removes the oldest runs beyond the `keep` latest, and the nodes' data of all but the latest.
///
/// Runs that found a violation stay whole. Data is what takes the room: journals are laid out in
/// advance, so a run of seconds may hold hundreds of megabytes, while its logs, its history and its
/// report say all that a run without a violation has to say.
///
/// # Errors
///
/// If the folder of the runs cannot be read. A run that cannot be removed is left.
pub fn prune(runs: &Path, keep: usize) -> io::Result<()> {
    let mut names: Vec<RunName> = std::fs::read_dir(runs)?
        .filter_map(|entry| RunName::parse(&entry.ok()?.file_name().into_string().ok()?))
        .collect();
    names.sort_unstable();
    let old = names.len().saturating_sub(keep.max(1));
    // The latest run is left as it is, data and all, however few are kept: the one that the link
    // leads to, and not the last by name. Of two that begin in one second either may be that.
    let led = std::fs::read_link(runs.join(LATEST)).ok();
    let is_led = |name: &RunName| led.as_deref() == Some(Path::new(name.as_str()));
    let latest = names.iter().find(|name| is_led(name)).or_else(|| names.last()).cloned();
    for (age, name) in names.iter().enumerate().filter(|(_, name)| Some(*name) != latest.as_ref()) {
        let run = runs.join(name.as_str());
        // A run that goes on holds its lock; it is neither old nor without a violation yet.
        let Ok(_lock) = lock(&run) else { continue };
        if found_violation(&run) {
            continue;
        }
        if age < old {
            drop(std::fs::remove_dir_all(run));
        } else {
            remove_data(&run);
        }
    }
    Ok(())
}

/// The plan: what was to be done.
pub const PLAN: &str = "plan.json";
/// The system under test and its binary.
pub const SYSTEM: &str = "system.json";
/// The history: what the clients did and saw.
pub const HISTORY: &str = "history.jsonl";
/// The order that explains what the clients saw, where there is one.
pub const WITNESS: &str = "witness.txt";
/// The schedule: what was really done.
pub const SCHEDULE: &str = "schedule.json";
/// The summary of the run.
pub const REPORT: &str = "report.json";
/// The page that shows it.
pub const PAGE: &str = "report.html";
/// The folder that holds a folder for each node.
pub const NODES: &str = "nodes";
/// The folder that holds what the system was prepared with.
pub(crate) const CONFIG: &str = "config";
/// The folder, within a node's, that holds what the node stores.
pub const DATA: &str = "data";
/// The folder that holds, in a folder for each node, what the nodes of the built-in system wrote
/// down of themselves.
pub const TRACES: &str = "config/traces";
/// Makes a folder of the first name that is free. Two runs may begin in one second: whoever makes
/// a folder has its name.
fn make_first_free(runs: &Path, name: &str) -> io::Result<String> {
    let numbered = (2..1_000).map(|turn| format!("{name}.{turn}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        match std::fs::create_dir(runs.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| name),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A name of the form that [`RunFolder::create`] gives, such as `20261122T100312Z-42.2`. Their
/// order is that of the seconds in which the runs began.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunName(String);

impl RunName {
    /// Takes a name, if it has the form.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (time, seed) = name.split_once('-')?;
        let pattern = time.chars().enumerate().all(|(at, letter)| match at {
            8 => letter == 'T',
            15 => letter == 'Z',
            _ => letter.is_ascii_digit(),
        });
        // The first run of a second has no number, and passes as one that has.
        let (seed, turn) = seed.split_once('.').unwrap_or((seed, "2"));
        let is_number = |text: &str| text.bytes().all(|letter| letter.is_ascii_digit());
        let numbers = is_number(seed) && is_number(turn) && !turn.is_empty();
        let is_run = time.len() == 16 && pattern && numbers && seed.parse::<u64>().is_ok();
        is_run.then(|| Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the seed.
    pub(crate) fn seed(&self) -> &str {
        let seed = self.0.split_once('-').map_or("", |(_, seed)| seed);
        seed.split_once('.').map_or(seed, |(seed, _)| seed)
    }

    /// Returns when the run began, as `2026-11-22 10:03:12`.
    pub(crate) fn began(&self) -> String {
        let part = |from: usize, to: usize| &self.0[from..to];
        format!(
            "{}-{}-{} {}:{}:{}",
            part(0, 4),
            part(4, 6),
            part(6, 8),
            part(9, 11),
            part(11, 13),
            part(13, 15)
        )
    }
}

fn found_violation(run: &Path) -> bool {
    #[derive(Deserialize)]
    struct Outcome {
        verdict: Verdict,
    }
    // A run that left no report, or half of one, has told of no violation.
    let report = std::fs::read(run.join(REPORT)).unwrap_or_default();
    let outcome: Option<Outcome> = serde_json::from_slice(&report).ok();
    outcome.is_some_and(|outcome| outcome.verdict == Verdict::Violation)
}

/// Locks a folder, unless somebody else holds it. The lock ends with the file, or the process.
fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder)
}

/// Removes what the nodes of a run stored and traced; what cannot be removed is left.
fn remove_data(run: &Path) {
    let nodes = std::fs::read_dir(run.join(NODES)).into_iter().flatten();
    for node in nodes.filter_map(Result::ok) {
        drop(std::fs::remove_dir_all(node.path().join(DATA)));
    }
    drop(std::fs::remove_dir_all(run.join(TRACES)));
}

/// Writes a time since 1970 as `20261122T100312Z`.
fn utc(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Turns days since 1970 into a date of the Gregorian calendar.
///
/// Years are counted from March, so that the day that leap years add is the last of a year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates_of_the_calendar() {
        let written = |seconds| utc(Duration::from_secs(seconds));
        assert_eq!(written(0), "19700101T000000Z");
        assert_eq!(written(951_782_400), "20000229T000000Z");
        assert_eq!(written(1_709_251_199), "20240229T235959Z");
        assert_eq!(written(1_795_341_792), "20261122T100312Z");
    }

    #[test]
    fn only_names_of_runs_count_as_runs() {
        let told = |name: &str| {
            let name = RunName::parse(name)?;
            Some((name.began(), name.seed().to_owned()))
        };
        let run = Some(("2026-11-22 10:03:12".to_owned(), "42".to_owned()));
        assert_eq!(told("20261122T100312Z-42"), run);
        assert_eq!(told("20261122T100312Z-42.2"), run);
        for name in ["latest", "notes", "20261122T100312Z", "20261122T100312Z-x", "2026-42"] {
            assert_eq!(told(name), None, "{name}");
        }
        for name in ["20261122T100312Z-4.x/y", "20261122T100312Z-+4", "20261122T100312Z-4."] {
            assert_eq!(told(name), None, "{name}");
        }
    }

    #[test]
    fn runs_that_begin_at_once_have_a_folder_each() {
        let runs = std::env::temp_dir().join(format!("synod-at-once-{}", std::process::id()));
        let start = std::sync::Barrier::new(8);
        let folders: Vec<PathBuf> = std::thread::scope(|scope| {
            let begin = || {
                start.wait();
                let create = |_| {
                    let folder = RunFolder::create(&runs, Seed(1), UNIX_EPOCH)?;
                    folder.become_latest().map(|()| folder)
                };
                (0..20).map(create).collect()
            };
            #[expect(clippy::needless_collect, reason = "all begin before one is waited for")]
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
            let made: Vec<io::Result<Vec<RunFolder>>> =
                threads.into_iter().map(|it| it.join().expect("no panic")).collect();
            let made = made.into_iter().flat_map(|made| made.expect("a folder each"));
            made.map(|folder| folder.path).collect()
        });
        let distinct: std::collections::BTreeSet<&PathBuf> = folders.iter().collect();
        assert_eq!(distinct.len(), 160);
        assert!(runs.join(LATEST).exists());
        std::fs::remove_dir_all(&runs).expect("it was made above");
    }

    /// The link leads to the one that began last, whose name may be the first of its second.
    #[test]
    fn the_run_that_latest_leads_to_is_never_removed() {
        let runs = std::env::temp_dir().join(format!("synod-led-{}", std::process::id()));
        for seed in [9, 10] {
            let folder = RunFolder::create(&runs, Seed(seed), UNIX_EPOCH).expect("a folder");
            folder.become_latest().expect("a link");
        }
        prune(&runs, 1).expect("it can be read");
        let latest = std::fs::read_link(runs.join(LATEST)).expect("a link");
        assert_eq!(latest, Path::new("19700101T000000Z-10"));
        assert!(runs.join(latest).is_dir(), "it leads to a run");
        std::fs::remove_dir_all(&runs).expect("it was made above");
    }

    #[test]
    fn old_runs_go_but_not_those_with_a_violation_nor_anything_else() {
        let runs = std::env::temp_dir().join(format!("synod-runs-{}", std::process::id()));
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        let folders: Vec<RunFolder> = (0..5)
            .map(|n| RunFolder::create(&runs, Seed(n), at(n)).expect("a temporary folder"))
            .collect();
        for folder in &folders {
            folder.inner("nodes/1/data").expect("a folder");
        }
        let violation = r#"{"verdict":"violation"}"#;
        std::fs::write(folders[1].file(REPORT), violation).expect("a file");
        std::fs::write(folders[2].file(REPORT), r#"{"verdict":"pass"}"#).expect("a file");
        std::fs::create_dir(runs.join("notes")).expect("a folder");
        let again = RunFolder::create(&runs, Seed(4), at(4)).expect("another name");
        assert!(!runs.join(LATEST).exists(), "none has a plan yet");
        again.become_latest().expect("a link");
        assert!(again.path().ends_with("19700101T000004Z-4.2"));
        prune(&runs, 2).expect("it can be read");
        assert!(folders.iter().all(|folder| folder.path().exists()), "all of them go on");
        assert!(folders.iter().all(|folder| is_running(folder.path())));
        let folders: Vec<PathBuf> = folders.into_iter().map(|folder| folder.path).collect();
        assert!(!folders.iter().any(|folder| is_running(folder)));
        prune(&runs, 2).expect("it can be read");
        let left: Vec<bool> = folders.iter().map(|folder| folder.exists()).collect();
        assert_eq!(left, [false, true, false, false, true]);
        let data = |folder: &Path| folder.join("nodes/1/data").exists();
        assert!(data(&folders[1]), "a violation stays whole");
        assert!(folders[4].join("nodes/1").exists() && !data(&folders[4]), "logs stay");
        assert!(again.path().exists() && runs.join("notes").exists());
        let latest = std::fs::read_link(runs.join(LATEST)).expect("a link");
        assert_eq!(latest, Path::new("19700101T000004Z-4.2"));
        std::fs::remove_dir_all(&runs).expect("it was made above");
    }
}
