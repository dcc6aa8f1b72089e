//! What the user sees of a run: the first lines, the status, the last lines.
//!
//! On a terminal the status is one line that is written over; otherwise there is one line every
//! five seconds. With JSON, standard output gets exactly one object at the end, and everything for
//! people goes to standard error. A closed pipe never ends a run, but a verdict that could not be
//! printed is known as such.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use synod_fault::Scenario;
use synod_history::OperationCounts;
use synod_report::{RunSummary, Verdict};

use super::leaders::Leader;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object at the end.
    Json,
    /// Nothing: whoever makes many runs says what came of them.
    Silent,
}

/// Prints for one run.
#[derive(Debug)]
pub struct Console {
    format: Format,
    terminal: bool,
    /// Whether a status line stands on the terminal that the next line must write over.
    line_open: bool,
    /// What standard output said to the last lines, if it refused any.
    refused: Option<io::Error>,
}

/// What the status line shows.
#[derive(Clone, Debug)]
pub struct Status {
    /// The time since the start of the run.
    pub at: Duration,
    /// How the operations ended, so far.
    pub counts: OperationCounts,
    /// The fault in force.
    pub fault: Option<String>,
    /// Who leads.
    pub leader: Option<Leader>,
    /// What the run is doing, where it is not breaking things.
    pub phase: Option<&'static str>,
}

impl Console {
    /// Prints in this form.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let terminal = format == Format::Text && io::stdout().is_terminal();
        Self { format, terminal, line_open: false, refused: None }
    }

    /// Returns how often a status is wanted.
    #[must_use]
    pub fn status_period(&self) -> Duration {
        if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(5) }
    }

    /// Prints the plan, the seed and the run folder.
    pub fn first(&mut self, plan: &Scenario, folder: &Path) {
        let Scenario { nodes, clients, system, workload, nemesis, seed, .. } = plan;
        let pinned = (0..*clients).filter(|client| plan.pin_of(*client).is_some()).count();
        let keys = if plan.keys == 0 { "usual".to_owned() } else { plan.keys.to_string() };
        let faults = plan.faults.len();
        let time = plan.time_ms.0 / 1_000;
        self.line(&format!(
            "plan: {time} s of {nemesis} ({faults} faults) on {nodes} nodes of {system}, \
             {clients} clients, workload {workload}; timeout {} or {}, rest {}, keys {keys}, \
             {pinned} clients ask one node alone, links: {}; seed {seed}; run folder {}",
            plan.timeout_ms,
            plan.patience_of(1),
            plan.rest_ms,
            plan.conditions.links,
            folder.display()
        ));
    }

    /// Prints a line for people.
    pub fn line(&mut self, text: &str) {
        let text = if self.line_open { format!("\r\x1b[K{text}\n") } else { format!("{text}\n") };
        self.line_open = false;
        match self.format {
            Format::Text => self.write_out(&text),
            Format::Json => write_err(&text),
            Format::Silent => {}
        }
    }

    /// Prints the status.
    pub fn status(&mut self, status: &Status) {
        let text = status_line(status);
        if !self.terminal {
            return self.line(&text);
        }
        // A line that wraps could not be written over.
        let text: String = text.chars().take(STATUS_CHARS_MAX).collect();
        self.write_out(&format!("\r\x1b[K{text}"));
        self.line_open = true;
    }

    /// Prints the last lines: the verdict, what was exercised, the report, how to reproduce.
    pub fn last(&mut self, summary: &RunSummary, folder: &Path) {
        // What was refused before was a status; only the verdict has to be printed.
        self.refused = None;
        for line in last_lines(summary, folder) {
            self.line(&line);
        }
        if self.format == Format::Json {
            let text = serde_json::to_string(summary).expect("plain data");
            self.write_out(&format!("{text}\n"));
        }
    }

    /// Returns whether the last lines are printed.
    ///
    /// # Errors
    ///
    /// What standard output said.
    pub fn unprinted(&mut self) -> io::Result<()> {
        self.refused.take().map_or(Ok(()), Err)
    }

    fn write_out(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        // The first refusal says why, and those after it follow from it.
        self.refused = self.refused.take().or_else(|| written.err());
    }
}

fn status_line(status: &Status) -> String {
    let OperationCounts { ok, fail, info } = status.counts;
    let leader = status.leader.as_ref().map_or_else(
        || "no leader".to_owned(),
        |Leader { node, ballot }| match ballot.as_str() {
            "" => format!("leader {node}"),
            ballot => format!("leader {node} ballot {ballot}"),
        },
    );
    let doing = status.phase.map(str::to_owned).or_else(|| status.fault.clone());
    format!(
        "{:>5.1} s  {ok} ok {fail} fail {info} info  {leader}  {}",
        status.at.as_secs_f64(),
        doing.unwrap_or_else(|| "calm".to_owned())
    )
}

fn last_lines(summary: &RunSummary, folder: &Path) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", summary.verdict.word(), headline(summary))];
    // The first reason stands in the line above.
    let more = summary.reasons.iter().skip(1).take(REASONS_MAX);
    lines.extend(more.map(|reason| format!("  {reason}")));
    lines.push(exercised(summary));
    lines.extend(summary.exercise.as_ref().map(|exercise| format!("rests on: {exercise}")));
    lines.extend(summary.audit.as_ref().map(|words| format!("audit: {words}")));
    lines.extend(summary.after_heal.as_ref().map(|after| match after.served_within_ms {
        Some(ms) => format!("after healing: all nodes served within {ms} ms"),
        None => "after healing: not all nodes served again".to_owned(),
    }));
    lines.push(format!("report: file://{}/{}", folder.display(), super::folder::PAGE));
    lines.extend(
        folder
            .parent()
            .map(|runs| runs.join(super::runs::INDEX))
            .filter(|page| page.is_file())
            .map(|page| format!("all runs: file://{}", page.display())),
    );
    lines.push(format!("reproduce: {}", summary.reproduce));
    if summary.verdict == Verdict::Violation {
        let words = "real processes repeat the plan, not the timing of their threads";
        lines.push(format!("  ({words}; the recorded history shows the violation as it was)"));
    }
    lines
}

fn headline(summary: &RunSummary) -> String {
    let first = summary.reasons.first().map(String::as_str).unwrap_or_default();
    first.chars().take(HEADLINE_CHARS_MAX).collect()
}

fn exercised(summary: &RunSummary) -> String {
    let OperationCounts { ok, fail, info } = summary.counts;
    let effective: Vec<&str> =
        summary.faults.iter().filter(|f| f.effective).map(|f| f.kind.as_str()).collect();
    // The first leader has changed nothing.
    let leaders = summary.leaders.len().saturating_sub(1);
    let faults = summary.faults.len();
    format!(
        "exercised: {ok} ok, {fail} fail, {info} info; {} of {faults} faults effective ({}); \
         {leaders} leader changes",
        effective.len(),
        counted(&effective)
    )
}

/// Lists names in order of their first appearance, each with how often it came.
fn counted(names: &[&str]) -> String {
    let mut counts: Vec<(&str, u32)> = Vec::new();
    for name in names {
        match counts.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(name, count)| match count {
            1 => (*name).to_owned(),
            count => format!("{name} x{count}"),
        })
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn write_err(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Reasons beyond the first that are printed; all are in the report.
const REASONS_MAX: usize = 4;

/// Characters of the status on a terminal; narrower ones are rare.
const STATUS_CHARS_MAX: usize = 79;

const HEADLINE_CHARS_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use synod_fault::NodeId;

    #[test]
    fn the_status_names_time_operations_leader_and_fault() {
        let mut status = Status {
            at: Duration::from_millis(12_340),
            counts: OperationCounts { ok: 10, fail: 2, info: 1 },
            fault: Some("isolate-leader 1 | 2 3".to_owned()),
            leader: Some(Leader { node: NodeId(1), ballot: "5.1".to_owned() }),
            phase: None,
        };
        let line = status_line(&status);
        assert_eq!(
            line,
            " 12.3 s  10 ok 2 fail 1 info  leader 1 ballot 5.1  isolate-leader 1 | 2 3"
        );
        status.phase = Some("healing");
        let named = Leader { node: NodeId(2), ballot: String::new() };
        status.leader = Some(named);
        assert!(status_line(&status).contains("  leader 2  "), "no ballot was told");
        status.leader = None;
        assert!(status_line(&status).ends_with("no leader  healing"));
    }

    #[test]
    fn names_are_counted_in_order() {
        assert_eq!(counted(&["b", "a", "b"]), "b x2, a");
        assert_eq!(counted(&[]), "none");
    }
}
