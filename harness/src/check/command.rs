//! `synod-harness check`: judges a recorded history and says what it found.
//!
//! This is the whole command but for reading its arguments and printing its text, so that it can be
//! tested without a process.

use std::fmt::Write;
use std::path::Path;

use super::{Budget, Judgement, ModelName, Report, check_history};
use crate::history::foreign::Format;
use crate::history::{History, HistoryError};
use crate::summary::{CoreOperation, ViolationCore};

/// What the command prints, and how it exits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The text for standard output, lines with their ends.
    pub text: String,
    /// The exit code: 0 linearizable, 1 violation, 2 unknown.
    pub exit_code: u8,
}

/// Reads a history, judges it, and says what was found.
///
/// # Errors
///
/// [`HistoryError`] if the file cannot be read, or is no such history: the caller's exit code for
/// that is 64.
pub fn command(
    file: &Path,
    format: Format,
    model: ModelName,
    budget: Budget,
) -> Result<Output, HistoryError> {
    let history = format.read_file(file)?;
    let report = check_history(&history, model, budget);
    Ok(output(&history, &report))
}

fn output(history: &History, report: &Report) -> Output {
    let (mut text, exit_code) = match &report.judgement {
        Judgement::Legal { .. } => ("PASS: the history is linearizable\n".to_owned(), 0),
        Judgement::Illegal { core } => (violation(core), 1),
        Judgement::Unknown { cause } => {
            (format!("UNKNOWN: {cause}; a larger --budget may decide it\n"), 2)
        }
    };
    let counts = history.counts;
    let checker = &report.checker;
    text += &format!(
        "operations {}, ok {}, fail {}, unknown {}; keys {}, configurations {}, {} ms\n",
        checker.operations,
        counts.ok,
        counts.fail,
        counts.info,
        checker.keys,
        checker.configurations,
        checker.millis
    );
    Output { text, exit_code }
}

fn violation(core: &ViolationCore) -> String {
    let mut text = format!("VIOLATION: {}\n\n", core.sentence);
    let shown = core.operations.iter().take(SHOWN_MAX);
    for operation in shown {
        text += &row(operation);
    }
    let rest = core.operations.len().saturating_sub(SHOWN_MAX);
    if rest > 0 {
        let _ = writeln!(text, "  ... and {rest} more");
    }
    text.push('\n');
    text
}

fn row(operation: &CoreOperation) -> String {
    let CoreOperation { process, f, key, argument, result, call_ns, return_ns } = operation;
    let call = seconds(*call_ns);
    let back = return_ns.map_or_else(|| "never".to_owned(), seconds);
    let client = format!("client {process}");
    let asked = [f.as_str(), key, argument].join(" ");
    format!("  {call:>12} .. {back:<12} {client:<10} {} = {result}\n", asked.trim_end())
}

fn seconds(time_ns: u64) -> String {
    format!("{}.{:06} s", time_ns / 1_000_000_000, time_ns % 1_000_000_000 / 1000)
}

/// How many operations of a core are printed.
const SHOWN_MAX: usize = 40;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

    use super::*;

    #[test]
    fn a_violation_is_told_with_its_core() {
        let text = "{:process 1 :type :invoke :f :write :key \"x\" :value 2 :time 4000000}\n\
            {:process 1 :type :ok :f :write :key \"x\" :value 2 :time 4190000}\n\
            {:process 2 :type :invoke :f :read :key \"y\" :value nil :time 4195000}\n\
            {:process 3 :type :invoke :f :read :key \"x\" :value nil :time 4213000}\n\
            {:process 3 :type :ok :f :read :key \"x\" :value nil :time 4220000}\n";
        let output = judged(text);
        let wanted = "VIOLATION: client 3's read of x began at 0.004213 s and found nothing, \
            although client 1's write of x = 2 had been acknowledged at 0.004190 s\n\n\
            \x20   0.004000 s .. 0.004190 s   client 1   write x 2 = ok\n\
            \x20   0.004213 s .. 0.004220 s   client 3   read x = nothing\n\n\
            operations 3, ok 2, fail 0, unknown 1; keys 2, ";
        assert!(output.text.starts_with(wanted), "{}", output.text);
        assert_eq!(output.exit_code, 1);
    }

    #[test]
    fn a_good_history_passes() {
        let text = "{:process 1 :type :invoke :f :write :key \"x\" :value 2}";
        assert!(judged(text).text.starts_with("PASS"));
        assert_eq!(judged(text).exit_code, 0);
    }

    #[test]
    fn a_budget_that_runs_out_is_named() {
        let history = Format::Edn.read("", "h").unwrap();
        let cause = super::super::Cause::Memory(3 << 20);
        let mut report = check_history(&history, ModelName::Register, Budget::default());
        report.judgement = Judgement::Unknown { cause };
        let output = output(&history, &report);
        assert!(output.text.contains("memory budget of 3 MiB ran out"), "{}", output.text);
        assert_eq!(output.exit_code, 2);
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let file = Path::new("no/such/file");
        let read = command(file, Format::Jsonl, ModelName::Register, Budget::default());
        assert!(matches!(read, Err(HistoryError::Io { .. })));
    }

    fn judged(text: &str) -> Output {
        let history = Format::Edn.read(text, "h").unwrap();
        output(&history, &check_history(&history, ModelName::Register, Budget::default()))
    }
}
