//! `synod-harness report --merge`: one verdict and one page for what several machines have found.
//!
//! What the parts are together is `synod-report`'s; here their files are looked for. The claims
//! kept true: a folder that holds nothing of a run is refused by its name, and what was named twice
//! is seen twice.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use synod_live::folder;
use synod_live::runs;
use synod_report::{
    LooseOutcome, LooseRun, Merged, Part, Shard, ShardSummary, merge, merge_loose, merged_markdown,
    read_summary, write_merged,
};

use super::input::is_same;
use super::refusal::Refusal;
use super::{INTERNAL, USAGE, fail, printed, say, step_summary};

/// Merges what is in the folders, and writes the page.
pub(super) fn merge_folders(folders: &[PathBuf], page: &Path) -> ExitCode {
    let merged = match merged(folders, page) {
        Ok(merged) => merged,
        Err(Refusal(code, error)) => return fail(code, &error),
    };
    step_summary::add(&merged_markdown(&merged));
    let (told, code) = match write_merged(page, &merged) {
        Ok(()) => (format!("page: {}\n", page.display()), merged.code),
        Err(error) => {
            // What could not be written is no success; a verdict that was found stays found.
            let code = if merged.code == 0 { INTERNAL } else { merged.code };
            let _: ExitCode = fail(code, &error);
            (String::new(), code)
        }
    };
    printed(say(&(text(&merged) + &told)), code)
}

/// Says what was merged, for people.
fn text(merged: &Merged) -> String {
    let mut text = format!("{}: {}\n", merged.word(), merged.rests_on);
    for reason in merged.reasons.iter().take(REASONS_SHOWN_MAX) {
        text += &format!("  {reason}\n");
    }
    let more = merged.reasons.len().saturating_sub(REASONS_SHOWN_MAX);
    if more > 0 {
        text += &format!("  and {more} more\n");
    }
    if let (Some(seeds), true) = (&merged.seeds, merged.is_whole) {
        text += &format!("trace {:016x}\n", seeds.trace);
    }
    text
}

fn merged(folders: &[PathBuf], page: &Path) -> Result<Merged, Refusal> {
    let mut found = Found::default();
    for folder in folders {
        found.look(folder)?;
        let count = found.parts.len() + found.runs.len();
        if count > SOURCES_MAX {
            let words = format!("there are {count} runs and summaries; {SOURCES_MAX} is the most");
            return Err(Refusal(USAGE, words));
        }
    }
    if let Some(source) = found.sources().find(|source| is_same(source, page)) {
        let words = format!("--page would replace {}; name another file", source.display());
        return Err(Refusal(USAGE, words));
    }
    let merged = match (&found.parts[..], &found.runs[..]) {
        ([], runs) => merge_loose(runs),
        (parts, []) => merge(parts),
        ([part, ..], [run, ..]) => {
            let words = format!(
                "{} is a run of its own, and {} the summary of a shard; merge one or the other",
                run.place, part.place
            );
            return Err(Refusal(USAGE, words));
        }
    };
    merged.map_err(|mismatch| Refusal(USAGE, mismatch.to_string()))
}

/// What was found in the folders.
#[derive(Default)]
struct Found {
    parts: Vec<Part>,
    runs: Vec<LooseRun>,
}

impl Found {
    /// Looks what a path leads to: a summary, a folder with summaries, a run, or a folder of runs.
    fn look(&mut self, path: &Path) -> Result<(), Refusal> {
        if path.is_file() {
            return self.add_part(path);
        }
        if runs::is_run(path) {
            return self.add_run(path);
        }
        let refused = |error: &dyn std::fmt::Display| Refusal(USAGE, error.to_string());
        let entries = std::fs::read_dir(path)
            .map_err(|error| refused(&format!("cannot read {}: {error}", path.display())))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut summaries: Vec<String> = names.filter(|name| Shard::is_file_name(name)).collect();
        if !summaries.is_empty() {
            summaries.sort_unstable();
            return summaries.iter().try_for_each(|name| self.add_part(&path.join(name)));
        }
        let runs = runs::run_folders(path).map_err(|error| refused(&error))?;
        if runs.is_empty() {
            let words = format!(
                "{} holds no run and no summary of a shard; name the folder of a run, one of runs, \
                 or one into which `--shards` has written",
                path.display()
            );
            return Err(Refusal(USAGE, words));
        }
        runs.iter().try_for_each(|run| self.add_run(run))
    }

    /// Returns the files that were read.
    fn sources(&self) -> impl Iterator<Item = PathBuf> {
        let parts = self.parts.iter().map(|part| PathBuf::from(&part.place));
        parts.chain(self.runs.iter().map(|run| Path::new(&run.place).join(folder::REPORT)))
    }

    fn add_part(&mut self, path: &Path) -> Result<(), Refusal> {
        let summary =
            ShardSummary::read(path).map_err(|error| Refusal(USAGE, error.to_string()))?;
        self.parts.push(Part { place: path.display().to_string(), summary });
        Ok(())
    }

    fn add_run(&mut self, run: &Path) -> Result<(), Refusal> {
        let report = run.join(folder::REPORT);
        let outcome = if report.is_file() {
            let summary =
                read_summary(&report).map_err(|error| Refusal(USAGE, error.to_string()))?;
            let name = run.file_name().unwrap_or_default().to_string_lossy();
            LooseOutcome::of(&summary, &name)
        } else {
            LooseOutcome::Unreported
        };
        self.runs.push(LooseRun { place: run.display().to_string(), outcome });
        Ok(())
    }
}

/// How many runs and summaries are merged at once.
const SOURCES_MAX: usize = 100_000;

/// How many reasons are printed.
const REASONS_SHOWN_MAX: usize = 20;
