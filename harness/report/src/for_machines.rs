//! A run told to other programs: JUnit's XML for a build server, and Markdown for the summary of a
//! step of GitHub Actions.
//!
//! What is told is in `report.json` already; nothing is judged here. The claims kept true: only a
//! PASS has no failure in it, and what a run produced cannot become markup.

use std::fmt::Write as _;

use crate::{Check, CheckOutcome, RunSummary, Verdict};

/// Returns the run as JUnit's XML: one suite, with a case for each check and one for the verdict.
#[must_use]
pub fn junit(summary: &RunSummary) -> String {
    let RunSummary { verdict, checks, system, seed, duration_ms, .. } = summary;
    let failed = |check: &&Check| matches!(check.outcome, CheckOutcome::Failed(_));
    let skipped = |check: &&Check| matches!(check.outcome, CheckOutcome::NotAsked(_));
    let failures = checks.iter().filter(failed).count() + usize::from(*verdict != Verdict::Pass);
    let suite = xml(&format!("{system} seed {seed}"));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{suite}\" \
         tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{}\" time=\"{}.{:03}\">\n",
        checks.len() + 1,
        checks.iter().filter(skipped).count(),
        duration_ms / 1_000,
        duration_ms % 1_000
    );
    let reasons = summary.reasons.join("\n");
    let told = if *verdict == Verdict::Pass {
        String::new()
    } else {
        failure(verdict.word(), &format!("{reasons}\n{}", summary.reproduce))
    };
    case(&mut text, &suite, "the verdict", &told);
    for Check { name, outcome, .. } in checks {
        let told = match outcome {
            CheckOutcome::Ok => String::new(),
            CheckOutcome::Failed(reasons) => failure(&outcome.reason(), &reasons.join("\n")),
            CheckOutcome::NotAsked(why) => format!("<skipped message=\"{}\"/>", xml(why)),
        };
        case(&mut text, &suite, name, &told);
    }
    text += "  </testsuite>\n</testsuites>\n";
    text
}

fn case(text: &mut String, suite: &str, name: &str, told: &str) {
    let _ = writeln!(
        text,
        "    <testcase classname=\"{suite}\" name=\"{}\">{told}</testcase>",
        xml(name)
    );
}

fn failure(message: &str, body: &str) -> String {
    format!("<failure message=\"{}\">{}</failure>", xml(message), xml(body))
}

/// Spells text so that it is nothing but text, in an attribute as well as between tags.
fn xml(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => spelled.push_str("&amp;"),
            '<' => spelled.push_str("&lt;"),
            '>' => spelled.push_str("&gt;"),
            '"' => spelled.push_str("&quot;"),
            '\n' => spelled.push_str("&#10;"),
            '\t' => spelled.push('\t'),
            // XML has no way to write these at all.
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                spelled.push(char::REPLACEMENT_CHARACTER);
            }
            letter => spelled.push(letter),
        }
    }
    spelled
}

/// Returns the run as Markdown: the verdict, its reasons, the checks, and how to run it again.
#[must_use]
pub fn markdown(summary: &RunSummary) -> String {
    let RunSummary { verdict, system, seed, counts, checks, .. } = summary;
    let mut text = format!(
        "## {}: {}, seed {seed}\n\n{} ok, {} fail, {} unknown\n\n",
        verdict.word(),
        plain(system),
        counts.ok,
        counts.fail,
        counts.info
    );
    for reason in summary.reasons.iter().take(REASONS_MAX) {
        let _ = writeln!(text, "- {}", plain(reason));
    }
    if !checks.is_empty() {
        text += "\n| what has to hold | answer | why |\n|---|---|---|\n";
    }
    for Check { name, outcome, .. } in checks {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            plain(name),
            outcome.word(),
            plain(&outcome.reason())
        );
    }
    // In a block of code every letter stands for itself.
    let again = summary.reproduce.replace(['\n', '\r'], " ").replace("```", "'''");
    let _ = write!(text, "\n```sh\n{again}\n```\n\n");
    text
}

/// Spells text so that Markdown takes it for one line of nothing but text.
pub(super) fn plain(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for letter in text.chars().take(LETTERS_MAX) {
        match letter {
            '\n' | '\r' | '\t' => spelled.push(' '),
            '<' => spelled.push_str("&lt;"),
            '&' => spelled.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '!' | '#' | '@' => {
                spelled.push('\\');
                spelled.push(letter);
            }
            letter if letter.is_control() => spelled.push(char::REPLACEMENT_CHARACTER),
            letter => spelled.push(letter),
        }
    }
    spelled
}

/// How many reasons a summary tells.
const REASONS_MAX: usize = 10;

/// How many letters of one sentence a summary tells.
const LETTERS_MAX: usize = 500;
