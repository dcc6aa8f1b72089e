//! The folder of all runs: what is in it, its page, and the link to the latest.
//!
//! A run's own folder is `folder`'s, and the drawing of the page `synod-report`'s. Claims kept
//! true: whoever writes the page sees every run that ended before, so that the page of the last
//! of two that end at once has both; and `latest` leads to a run, or is not there.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use synod_report::{ListedRun, ReportError, RunOutcome, RunSummary};

use super::folder::{self, RunName};
use super::latest;

/// Why the page of all runs could not be written: the environment's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunsError {
    /// The folder cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The page cannot be written.
    #[error(transparent)]
    Write(#[from] ReportError),
}

/// Writes the page of all runs in a folder, and leads `latest` to one if it leads nowhere; returns
/// the path of the page.
///
/// # Errors
///
/// [`RunsError`]; what is wrong with a single run is told on the page.
pub fn write_index(runs: &Path) -> Result<PathBuf, RunsError> {
    let unread = |source| RunsError::Read { path: runs.to_owned(), source };
    // Without it the page may lack a run that ends at the same time, until the next one ends.
    let _lock = latest::lock(runs);
    let (listed, others) = list(runs).map_err(unread)?;
    // A link that cannot be mended is no reason to write no page.
    drop(mend_latest(runs, &listed));
    let whole = runs.canonicalize().map_err(unread)?;
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    let page = runs.join(INDEX);
    synod_report::write_index(&page, &name, &listed, others)?;
    Ok(page)
}

/// Returns whether a folder has a run in it, and so is one of runs.
#[must_use]
pub fn is_folder_of_runs(folder: &Path) -> bool {
    names(folder).is_ok_and(|mut names| names.next().is_some())
}

/// Returns the folders of the runs in a folder, from the oldest to the latest: of those that came
/// to an end, and of those that did not.
///
/// # Errors
///
/// [`RunsError`], if the folder cannot be read.
pub fn run_folders(runs: &Path) -> Result<Vec<PathBuf>, RunsError> {
    let unread = |source| RunsError::Read { path: runs.to_owned(), source };
    let mut names: Vec<RunName> = names(runs).map_err(unread)?.collect();
    names.sort_unstable();
    let folders = names.iter().map(|name| runs.join(name.as_str()));
    Ok(folders.filter(|run| is_run(run)).collect())
}

/// Returns whether a folder is that of a run, which has a plan, and a report once it has ended.
#[must_use]
pub fn is_run(folder: &Path) -> bool {
    [folder::REPORT, folder::PLAN].iter().any(|name| folder.join(name).is_file())
}

/// Lists the runs of a folder from the latest to the oldest, and counts the folders that have the
/// name of a run and no plan.
fn list(runs: &Path) -> io::Result<(Vec<ListedRun>, usize)> {
    let mut names: Vec<RunName> = names(runs)?.collect();
    names.sort_unstable();
    names.reverse();
    let all = names.len();
    let listed: Vec<ListedRun> = names.iter().filter_map(|name| listed(runs, name)).collect();
    let others = all - listed.len();
    Ok((listed, others))
}

/// Returns the names of the folders that have the name of a run.
fn names(runs: &Path) -> io::Result<impl Iterator<Item = RunName>> {
    let entries = std::fs::read_dir(runs)?;
    Ok(entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        is_folder.then(|| RunName::parse(&entry.file_name().into_string().ok()?)).flatten()
    }))
}

/// What is read of a plan.
#[derive(Deserialize)]
struct Planned {
    #[serde(default)]
    system: String,
    #[serde(default)]
    nemesis: String,
}

fn listed(runs: &Path, name: &RunName) -> Option<ListedRun> {
    let run = runs.join(name.as_str());
    let read = |file: &str| std::fs::read(run.join(file)).ok();
    let row = |system, nemesis, outcome| ListedRun {
        folder: name.as_str().to_owned(),
        began: name.began(),
        seed: name.seed().to_owned(),
        system,
        nemesis,
        outcome,
    };
    let report = read(folder::REPORT).and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(summary) = report {
        let summary: RunSummary = summary;
        let outcome = RunOutcome::of(&summary, run.join(folder::PAGE).is_file());
        return Some(row(summary.system, summary.plan.nemesis, outcome));
    }
    let plan = read(folder::PLAN)?;
    let unknown = Planned { system: String::new(), nemesis: String::new() };
    // The run is there, whatever its plan says, and is listed by what its name tells.
    let Planned { system, nemesis } = serde_json::from_slice(&plan).unwrap_or(unknown);
    let goes_on = folder::is_running(&run);
    let outcome = if goes_on { RunOutcome::GoesOn } else { RunOutcome::CutOff };
    Some(row(system, nemesis, outcome))
}

/// Leads `latest` to the latest run, if it leads to none, and takes it away where there is none.
fn mend_latest(runs: &Path, listed: &[ListedRun]) -> io::Result<()> {
    let link = runs.join(folder::LATEST);
    // There is none, or something else of that name, which is left alone.
    let Ok(target) = std::fs::read_link(&link) else { return Ok(()) };
    if listed.iter().any(|run| target == Path::new(&run.folder)) {
        return Ok(());
    }
    match listed.first() {
        Some(run) => latest::link(runs, Path::new(&run.folder)),
        None => std::fs::remove_file(link),
    }
}

/// The page of all runs.
pub const INDEX: &str = "index.html";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use synod_rng::Seed;

    use super::*;
    use crate::folder::RunFolder;

    /// Runs `check` on a folder of runs, which is gone afterwards.
    fn with_runs(name: &str, check: impl FnOnce(&Path)) {
        let runs = std::env::temp_dir().join(format!("synod-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&runs).unwrap();
        check(&runs);
        std::fs::remove_dir_all(&runs).unwrap();
    }

    /// Makes a folder as a run does that begins; what it holds goes on until it is dropped.
    fn begin(runs: &Path, second: u64, seed: u64) -> RunFolder {
        let now: SystemTime = UNIX_EPOCH + Duration::from_secs(second);
        let folder = RunFolder::create(runs, Seed(seed), now).unwrap();
        let plan = r#"{"system": "fake", "nemesis": "calm", "seed": 1, "what": "ever"}"#;
        std::fs::write(folder.file(folder::PLAN), plan).unwrap();
        folder.become_latest().unwrap();
        folder
    }

    fn end(folder: &RunFolder, verdict: &str, reason: &str) {
        let report = format!(
            r#"{{"verdict": "{verdict}", "reasons": ["{reason}"], "seed": 1, "version": "1",
            "system": "<fake>", "started_unix_ms": 1, "duration_ms": 1, "reproduce": "",
            "plan": {{"nodes": 1, "clients": 1, "time_s": 1, "workload": "mix",
            "nemesis": "mix"}}, "counts": {{"ok": 1234, "fail": 5, "info": 6}},
            "violation": null, "faults": [], "leaders": [], "links": [], "after_heal": null,
            "nodes": [], "checker": null}}"#
        );
        std::fs::write(folder.file(folder::REPORT), report).unwrap();
        std::fs::write(folder.file(folder::PAGE), "a page").unwrap();
    }

    /// Returns the rows of the page, without their tags.
    fn rows(runs: &Path) -> Vec<String> {
        let page = std::fs::read_to_string(write_index(runs).unwrap()).unwrap();
        let plain = |row: &str| {
            let row = row.split_once('>').map_or(row, |it| it.1);
            let pieces = row.split('<').map(|piece| piece.split_once('>').map_or(piece, |it| it.1));
            pieces.filter(|words| !words.trim().is_empty()).collect::<Vec<_>>().join("|")
        };
        page.split("<tr class=")
            .skip(1)
            .map(|row| plain(row.split("</tr>").next().unwrap()))
            .collect()
    }

    #[test]
    fn every_run_is_listed_with_what_came_of_it() {
        with_runs("listed", |runs| {
            let folders = [begin(runs, 1, 7), begin(runs, 2, 7), begin(runs, 3, 8)];
            end(&folders[0], "pass", "what the clients saw is linearizable");
            end(&folders[1], "violation", "a read of <b> found 1");
            drop(begin(runs, 4, 9));
            let torn = begin(runs, 5, 10);
            std::fs::write(torn.file(folder::REPORT), "{\"verdict\": \"pa").unwrap();
            drop(torn);
            // Others may leave what they like.
            std::fs::write(runs.join("19700101T000009Z-1"), "a file").unwrap();
            std::fs::create_dir(runs.join("notes")).unwrap();
            std::fs::create_dir(runs.join("19700101T000009Z-2")).unwrap();
            std::os::unix::fs::symlink("/", runs.join("19700101T000009Z-3")).unwrap();
            let counts = "1,234 ok, 5 failed, 6 unknown; 0 of 0 faults with an effect; 0 leader \
                 changes";
            let cut = "It was cut off, or the harness failed: there is no report.|folder";
            let on = "It went on when this page was written.|folder";
            let began = |second: u32| format!("1970-01-01 00:00:0{second}");
            let of = |second: u32, seed: u32| format!("of 19700101T00000{second}Z-{seed}");
            let found = format!("a read of &lt;b&gt; found 1|{counts}|report");
            let wanted = [
                format!("INTERRUPTED|{}|fake|calm|10|{cut}| {}", began(5), of(5, 10)),
                format!("INTERRUPTED|{}|fake|calm|9|{cut}| {}", began(4), of(4, 9)),
                format!("RUNNING|{}|fake|calm|8|{on}| {}", began(3), of(3, 8)),
                format!("VIOLATION|{}|&lt;fake&gt;|mix|7|{found}| {}", began(2), of(2, 7)),
                format!("PASS|{}|&lt;fake&gt;|mix|7|{counts}|report| {}", began(1), of(1, 7)),
            ];
            assert_eq!(rows(runs), wanted);
            let page = std::fs::read_to_string(runs.join(INDEX)).unwrap();
            assert!(page.contains("href=\"19700101T000002Z-7/report.html\""), "{page}");
            assert!(page.contains("1 folder is not listed: a run has a plan."), "{page}");
            assert!(is_folder_of_runs(runs) && !is_folder_of_runs(&runs.join("notes")));
        });
    }

    #[test]
    fn runs_that_end_at_once_are_all_on_the_last_page() {
        with_runs("ending", |runs| {
            for round in 0..20 {
                let start = std::sync::Barrier::new(8);
                std::thread::scope(|scope| {
                    for turn in 0..8 {
                        let start = &start;
                        scope.spawn(move || {
                            let folder = begin(runs, round, turn);
                            start.wait();
                            end(&folder, "pass", "");
                            write_index(runs).unwrap();
                        });
                    }
                });
                let page = std::fs::read_to_string(runs.join(INDEX)).unwrap();
                let passed = page.matches("<tr class=\"v-pass\">").count();
                assert_eq!(passed as u64, (round + 1) * 8, "no row is of a run that went on");
            }
            let left = std::fs::read_dir(runs)
                .unwrap()
                .filter_map(|it| it.unwrap().file_name().into_string().ok());
            let hidden: Vec<String> = left.filter(|name| name.starts_with('.')).collect();
            assert!(hidden.is_empty(), "{hidden:?} is left beside the page");
        });
    }

    /// Else who has looked earlier could put its page over that of who looked later.
    #[test]
    fn nobody_looks_while_another_writes() {
        with_runs("locked", |runs| {
            let (early, late) = (begin(runs, 1, 1), begin(runs, 2, 2));
            end(&early, "pass", "");
            let held = latest::lock(runs).unwrap();
            std::thread::scope(|scope| {
                let written = scope.spawn(|| write_index(runs));
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(300) {
                    assert!(!runs.join(INDEX).exists(), "it was written meanwhile");
                    std::thread::yield_now();
                }
                end(&late, "pass", "");
                drop(held);
                written.join().unwrap().unwrap();
            });
            let page = std::fs::read_to_string(runs.join(INDEX)).unwrap();
            assert_eq!(page.matches("<tr class=\"v-pass\">").count(), 2);
        });
    }

    #[test]
    fn thousands_of_runs_have_a_page_on_which_no_violation_is_missing() {
        with_runs("thousands", |runs| {
            let reason = "a \\\"reason\\\" & <more> ".repeat(30);
            for turn in 0..5_000 {
                let folder = begin(runs, turn, turn);
                end(&folder, if turn % 10 == 0 { "violation" } else { "pass" }, &reason);
            }
            let began = Instant::now();
            let rows = rows(runs);
            let took = began.elapsed();
            let violations = rows.iter().filter(|row| row.starts_with("VIOLATION")).count();
            assert_eq!((rows.len() < 5_000, violations), (true, 500));
            assert!(rows[0].contains("|4999|"), "{}", rows[0]);
            let page = std::fs::read_to_string(runs.join(INDEX)).unwrap();
            assert!(page.len() <= 2_000_000, "{} bytes", page.len());
            assert!(page.contains("<dt>PASS</dt><dd><b>4,500</b>"), "all of them are counted");
            assert!(page.contains("runs are not listed"), "and it is said who is not listed");
            assert!(took < Duration::from_secs(20), "{took:?}");
        });
    }

    #[test]
    fn latest_leads_to_a_run_again_once_its_own_is_gone() {
        with_runs("mended", |runs| {
            let (early, late) = (begin(runs, 1, 1), begin(runs, 2, 2));
            let latest = || std::fs::read_link(runs.join(folder::LATEST)).ok();
            assert_eq!(latest(), Some("19700101T000002Z-2".into()));
            std::fs::remove_dir_all(late.path()).unwrap();
            write_index(runs).unwrap();
            assert_eq!(latest(), Some("19700101T000001Z-1".into()));
            std::fs::remove_dir_all(early.path()).unwrap();
            write_index(runs).unwrap();
            assert_eq!(latest(), None, "no link is better than one that leads nowhere");
        });
    }
}
