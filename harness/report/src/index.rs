//! The page of all runs in a folder: which there were, what came of each, and the way to its
//! report.
//!
//! Finding the runs is the caller's. Claims kept true: the page needs no other file and no script,
//! it stays below two megabytes however many runs there are, and none that did not pass is left
//! out for one that did.

use std::path::Path;

use super::format::{counted, grouped};
use super::html::{Html, clip, esc, put};
use super::replace::replace;
use super::{banner, page};
use crate::{ReportError, RunSummary, Verdict};

/// A run as the page of all runs lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRun {
    /// The name of its folder, in that of the page.
    pub folder: String,
    /// When it began, in words.
    pub began: String,
    /// The seed, in words.
    pub seed: String,
    /// The name of the system under test.
    pub system: String,
    /// The name of its nemesis.
    pub nemesis: String,
    /// What came of it.
    pub outcome: RunOutcome,
}

/// What came of a run. Complete: it has a report, or none yet, or never will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It came to its end.
    Ended {
        /// The verdict.
        verdict: Verdict,
        /// The first of its reasons.
        reason: String,
        /// What it rests on, in brief.
        rests_on: String,
        /// Whether it has a page.
        has_page: bool,
    },
    /// It goes on.
    GoesOn,
    /// It has no report that can be read, and nobody is at work on one.
    CutOff,
}

impl RunOutcome {
    /// Returns what is listed of a run that came to its end.
    #[must_use]
    pub fn of(summary: &RunSummary, has_page: bool) -> Self {
        let counts = summary.counts;
        let effective = summary.faults.iter().filter(|fault| fault.effective).count();
        let rests_on = format!(
            "{} ok, {} failed, {} unknown; {effective} of {} with an effect; {}",
            grouped(counts.ok),
            grouped(counts.fail),
            grouped(counts.info),
            counted(summary.faults.len() as u64, "fault"),
            counted(banner::leader_changes(summary) as u64, "leader change")
        );
        let reason = summary.reasons.first().cloned().unwrap_or_default();
        Self::Ended { verdict: summary.verdict, reason, rests_on, has_page }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Ended { verdict, .. } => verdict.word(),
            Self::GoesOn => "RUNNING",
            Self::CutOff => Verdict::Interrupted.word(),
        }
    }

    fn class(&self) -> &'static str {
        match self {
            Self::Ended { verdict, .. } => banner::class(*verdict),
            Self::GoesOn => "void",
            Self::CutOff => banner::class(Verdict::Interrupted),
        }
    }

    fn is_pass(&self) -> bool {
        match self {
            Self::Ended { verdict, .. } => *verdict == Verdict::Pass,
            Self::GoesOn | Self::CutOff => false,
        }
    }
}

/// Writes the page of all runs; `runs` has them from the latest to the oldest, and `others` says
/// how many folders beside them hold no run.
///
/// An older page is replaced at once or not at all.
///
/// # Errors
///
/// Returns an error if the page cannot be written.
pub fn write_index(
    path: &Path,
    name: &str,
    runs: &[ListedRun],
    others: usize,
) -> Result<(), ReportError> {
    let mut text = String::new();
    for room in ROOMS {
        text = compose(name, runs, others, room);
        if text.len() <= page::SIZE_LIMIT {
            break;
        }
    }
    replace(path, &text).map_err(|source| ReportError::WritePage { path: path.to_owned(), source })
}

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    rows: usize,
    letters: usize,
}

fn compose(name: &str, runs: &[ListedRun], others: usize, room: Room) -> String {
    let mut html = Html::default();
    let mut pieces = TEMPLATE.split("{{");
    html.raw(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (part, rest) = piece.split_once("}}").expect("every place in the template is closed");
        match part {
            "name" => put!(html, "{}", esc(&clip(name, NAME_LETTERS))),
            "style" => {
                html.raw(page::STYLE);
                html.raw(STYLE);
            }
            "tiles" => tiles(&mut html, runs),
            "runs" => table(&mut html, runs, others, room),
            _ => unreachable!("the template names no part called {part}"),
        }
        html.raw(rest);
    }
    html.into_string()
}

/// Writes how many runs came to what, the gravest first.
pub(super) fn tiles(html: &mut Html, runs: &[ListedRun]) {
    let mut words: Vec<&str> = runs.iter().map(|run| run.outcome.word()).collect();
    let rank = |word: &str| GRAVEST_FIRST.iter().position(|known| *known == word);
    words.sort_by_key(|word| rank(word));
    html.raw("<dl class=\"tiles\">");
    for same in words.chunk_by(|one, other| one == other) {
        put!(html, "<div><dt>{}</dt><dd><b>{}</b></dd></div>", same[0], grouped(same.len() as u64));
    }
    html.raw("</dl>");
}

pub(super) fn table(html: &mut Html, runs: &[ListedRun], others: usize, room: Room) {
    if runs.is_empty() {
        html.raw("<p>There is no run in this folder.</p>");
        return;
    }
    html.raw(
        "<table class=\"runs\"><thead><tr><th scope=\"col\">Verdict</th>\
         <th scope=\"col\">Began</th><th scope=\"col\">System</th><th scope=\"col\">Nemesis</th>\
         <th scope=\"col\">Seed</th><th scope=\"col\">What it rests on</th>\
         <th scope=\"col\">Report</th></tr></thead><tbody>",
    );
    let listed = listed(runs, room.rows);
    for run in &listed {
        row(html, run, room.letters);
    }
    html.raw("</tbody></table>");
    let left_out = runs.len() - listed.len();
    if left_out > 0 {
        put!(
            html,
            "<p class=\"note\">{} not listed: of those that passed, the oldest come last.</p>",
            are(left_out, "run")
        );
    }
    if others > 0 {
        let are = are(others, "folder");
        put!(html, "<p class=\"note\">{are} not listed: a run has a plan.</p>");
    }
}

/// Says how many things there are, such as `1 run is` or `2 runs are`.
fn are(count: usize, noun: &str) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(count as u64, noun))
}

/// Chooses runs if there is no room for all: who did not pass first, and then the latest.
fn listed(runs: &[ListedRun], rows: usize) -> Vec<&ListedRun> {
    let mut order: Vec<(usize, &ListedRun)> = runs.iter().enumerate().collect();
    order.sort_by_key(|(age, run)| (run.outcome.is_pass(), *age));
    // Chosen in one order and shown in another: the latest first.
    order.truncate(rows);
    order.sort_by_key(|(age, _)| *age);
    order.into_iter().map(|(_, run)| run).collect()
}

fn row(html: &mut Html, run: &ListedRun, letters: usize) {
    let ListedRun { folder, began, seed, system, nemesis, outcome } = run;
    put!(html, "<tr class=\"v-{}\"><th scope=\"row\">{}</th>", outcome.class(), outcome.word());
    for words in [began, system, nemesis, seed] {
        put!(html, "<td>{}</td>", esc(&clip(words, NAME_LETTERS)));
    }
    match outcome {
        RunOutcome::Ended { verdict, reason, rests_on, has_page } => {
            html.raw("<td>");
            if *verdict != Verdict::Pass && !reason.is_empty() {
                put!(html, "<b>{}</b><br>", esc(&clip(reason, letters)));
            }
            put!(html, "{}</td>", esc(&clip(rests_on, letters)));
            let target = if *has_page { "report.html" } else { "" };
            link(html, folder, target, if *has_page { "report" } else { "folder" });
        }
        RunOutcome::GoesOn => {
            html.raw("<td>It went on when this page was written.</td>");
            link(html, folder, "", "folder");
        }
        RunOutcome::CutOff => {
            html.raw("<td>It was cut off, or the harness failed: there is no report.</td>");
            link(html, folder, "", "folder");
        }
    }
    html.raw("</tr>\n");
}

fn link(html: &mut Html, folder: &str, target: &str, words: &str) {
    let folder = esc(folder);
    put!(
        html,
        "<td><a href=\"{folder}/{target}\">{words}\
         <span class=\"unseen\"> of {folder}</span></a></td>"
    );
}

/// The words of outcomes, the gravest first.
const GRAVEST_FIRST: [&str; 7] =
    ["VIOLATION", "NOT SERVED", "UNKNOWN", "VOID", "INTERRUPTED", "RUNNING", "PASS"];

/// The rooms that are tried in turn until the page is small enough.
pub(super) const ROOMS: [Room; 3] = [
    Room { rows: 3_000, letters: 200 },
    Room { rows: 2_000, letters: 80 },
    Room { rows: 500, letters: 80 },
];

/// Letters of a name.
const NAME_LETTERS: usize = 60;

const TEMPLATE: &str = include_str!("assets/index.html");
pub(super) const STYLE: &str = include_str!("assets/index.css");
