//! `synod-harness check`: judges a recorded history and says what it found.
//!
//! This is the whole command but for reading its arguments and printing its text, so that it can be
//! tested without a process. A history that cannot carry a verdict is VOID: a PASS always rests on
//! something, and what it rests on is printed. Time and memory are counted from the first byte.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use synod_checker::budget::Meter;
use synod_checker::{
    Budget, Cause, CoreOperation, EMPTY, Judgement, ModelName, Report, Rules, Stuck, ViolationCore,
    check_by_rules, shows_nothing, void_because,
};
use synod_history::import::Format;
use synod_history::{Answer, History, HistoryError, visible};
use synod_report::Verdict;

use super::witness;

/// What is asked of the command.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// How the history is written.
    pub(super) format: Format,
    /// What it is judged by; none for the format's own model.
    pub(super) model: Option<ModelName>,
    /// What each key holds before the first operation; none for what the model says.
    pub(super) initial: Option<String>,
    /// The file with an order to be played in place of a search, if there is one.
    pub(super) witness: Option<PathBuf>,
    /// The file that shall have the order of a PASS, if one is wanted.
    pub(super) keep_witness: Option<PathBuf>,
    /// What the verdict may take, the reading of the history included.
    pub(super) budget: Budget,
}

/// What the command prints, how it exits, and what a page shows of it.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// The text for standard output, lines with their ends.
    pub(super) text: String,
    /// The exit code: 0 linearizable, 1 violation, 2 unknown or void.
    pub(super) exit_code: u8,
    /// The verdict, for which the code stands.
    pub(super) verdict: Verdict,
    /// Why, one sentence each.
    pub(super) reasons: Vec<String>,
    /// What was read, unless the reading broke off.
    pub(super) history: Option<History>,
    /// What it was judged by, with what keys hold in the beginning.
    pub(super) model: Option<String>,
    /// What the checker found, if it was asked.
    pub(super) report: Option<Report>,
}

impl Output {
    fn new(verdict: Verdict, text: String, reasons: Vec<String>) -> Self {
        let exit_code = verdict.exit_code();
        Self { text, exit_code, verdict, reasons, history: None, model: None, report: None }
    }
}

/// Reads a history, judges it, and says what was found.
///
/// # Errors
///
/// [`HistoryError`] if a file cannot be read, or that of the witness not be written, or there is no
/// model for such a history: the caller's exit code for the last is 64.
pub(super) fn command(file: &Path, question: &Question) -> Result<Output, HistoryError> {
    let mut meter = Meter::start_at(question.budget, Instant::now());
    let mut cause = None;
    let read = question.format.read_watched(file, &mut |bytes| {
        cause = meter.look(bytes).err();
        cause.is_none()
    });
    match (read, cause) {
        (Ok(history), _) => {
            let rules = rules(&history, question);
            let mut output = match &question.witness {
                Some(witness) => played(witness, &history, &rules, question)?,
                None => judged(&history, &rules, question, &mut meter)?,
            };
            output.model = Some(told_model(&rules));
            output.history = Some(history);
            Ok(output)
        }
        (Err(HistoryError::Stopped { events, .. }), Some(cause)) => Ok(stopped(events, cause)),
        (Err(error @ (HistoryError::Malformed { .. } | HistoryError::Cut { .. })), _) => {
            let format = question.format;
            Ok(void(&format!("the file is not what --format {format} says: {error}"), ""))
        }
        (Err(error), _) => Err(error),
    }
}

/// Holds a history against an order that somebody found before. Its grounds are looked at first:
/// the order of a history that shows nothing shows nothing, either.
fn played(
    file: &Path,
    history: &History,
    rules: &Rules,
    question: &Question,
) -> Result<Output, HistoryError> {
    let nothing = || shows_nothing(history, rules);
    if let Some(reason) = void_because(history, question.format).or_else(nothing) {
        return Ok(void(&reason, ""));
    }
    let name = file.display();
    Ok(match witness::play(file, history, rules, question.budget.bytes)? {
        Ok(count) => {
            let reason = format!(
                "the history is linearizable, as the {count} operations of {name} show in their \
                 order"
            );
            let model = rules.model;
            let text =
                format!("PASS: {reason}\nmodel {model}; nothing was searched\nverified: true\n");
            Output::new(Verdict::Pass, text, vec![reason])
        }
        Err(why) => {
            let reason = format!(
                "{name} does not explain the history: {why}; without --witness an order is searched"
            );
            Output::new(Verdict::Unknown, format!("UNKNOWN: {reason}\n"), vec![reason])
        }
    })
}

fn judged(
    history: &History,
    rules: &Rules,
    question: &Question,
    meter: &mut Meter,
) -> Result<Output, HistoryError> {
    let report = check_by_rules(history, rules, meter);
    let figures = figures(history, &report, rules);
    let is_violation = report.violation().is_some();
    let void_because = || {
        let nothing = || shows_nothing(history, rules);
        void_because(history, question.format).or_else(nothing)
    };
    // What no order explains is a violation, whatever else the history lacks.
    let mut output = if let Some(reason) = (!is_violation).then(void_because).flatten() {
        void(&reason, &figures)
    } else {
        if let Some(file) = &question.keep_witness {
            witness::keep(file, history, &report)?;
        }
        output(history, &report, &figures)
    };
    output.report = Some(report);
    Ok(output)
}

/// Returns what is asked for, and besides what the format says. What was asked for says alone what
/// a key holds in the beginning: the model `kv` does, and so does a value.
fn rules(history: &History, question: &Question) -> Rules {
    let of_format = Rules::of(question.format, history);
    let model = question.model.unwrap_or(of_format.model);
    let initial = question.initial.clone();
    // An absent key of kv holds an empty text, and who names a first value means that one.
    let is_told = initial.is_some() || model == ModelName::Kv;
    Rules { model, initial, absent_is_zero: of_format.absent_is_zero && !is_told }
}

fn void(reason: &str, figures: &str) -> Output {
    let reason = visible(reason).into_owned();
    Output::new(Verdict::Void, format!("VOID: {reason}\n{figures}"), vec![reason])
}

fn stopped(events: u64, cause: Cause) -> Output {
    let remedy = remedy(cause);
    let reason = format!("{cause} while the history was read, after {events} events{remedy}");
    Output::new(Verdict::Unknown, format!("UNKNOWN: {reason}\n"), vec![reason])
}

fn output(history: &History, report: &Report, figures: &str) -> Output {
    let has_times = history.has_times();
    let (verdict, told, reasons) = match &report.judgement {
        Judgement::Legal { .. } => {
            let reason = "the history is linearizable".to_owned();
            (Verdict::Pass, format!("PASS: {reason}\n"), vec![reason])
        }
        Judgement::Illegal { core } => {
            (Verdict::Violation, violation(core, has_times), vec![core.sentence.clone()])
        }
        Judgement::Unknown { cause } => {
            let reason = format!("{cause}{}", remedy(*cause));
            let mut text = format!("UNKNOWN: {reason}\n");
            let mut reasons = vec![reason];
            if let Some(stuck) = &report.stuck {
                let stuck = told(stuck, has_times);
                reasons.extend(stuck.lines().map(|line| line.trim().to_owned()));
                text += &stuck;
            }
            (Verdict::Unknown, text, reasons)
        }
    };
    Output::new(verdict, told + figures + &verified(report), reasons)
}

fn remedy(cause: Cause) -> &'static str {
    match cause {
        Cause::Time(_) => "; a larger --budget may decide it",
        Cause::Memory(_) => "; a larger --memory-mib may decide it",
        Cause::Collision => "; please report it",
    }
}

/// Says what a verdict rests on. Nothing of it is judged.
fn figures(history: &History, report: &Report, rules: &Rules) -> String {
    let counts = history.counts;
    let checker = &report.checker;
    let saw = |answer: Answer| matches!(answer, Answer::Seen(Some(_)));
    let saw = history.operations.iter().filter(|operation| saw(operation.answer)).count();
    let mut clients: Vec<u32> = history.operations.iter().map(|one| one.process).collect();
    clients.sort_unstable();
    clients.dedup();
    format!(
        "operations {}, ok {}, fail {}, unknown {}; keys {}, configurations {}, {} ms\n\
         model {}; clients {}, reads that saw a value {saw}\n",
        checker.operations,
        counts.ok,
        counts.fail,
        counts.info,
        checker.keys,
        checker.configurations,
        checker.millis,
        told_model(rules),
        clients.len(),
    )
}

/// Names a model, with what its keys hold in the beginning where that was said.
fn told_model(rules: &Rules) -> String {
    let initial = rules.initial.as_deref().or_else(|| rules.absent_is_zero.then_some("0"));
    let told = |initial| format!(", initial {}", visible(initial));
    format!("{}{}", rules.model, initial.map_or_else(String::new, told))
}

/// Says whether a verdict is exact.
fn verified(report: &Report) -> String {
    match (&report.judgement, &report.checker.unverified) {
        (Judgement::Unknown { .. }, _) => String::new(),
        (_, None) => "verified: true\n".to_owned(),
        (_, Some(reason)) => format!("verified: false, because {reason}\n"),
    }
}

fn violation(core: &ViolationCore, has_times: bool) -> String {
    let mut text = format!("VIOLATION: {}\n\n", core.sentence);
    let shown = core.operations.iter().take(SHOWN_MAX);
    for operation in shown {
        text += &row(operation, has_times);
    }
    let rest = core.operations.len().saturating_sub(SHOWN_MAX);
    if rest > 0 {
        let _ = writeln!(text, "  ... and {rest} more");
    }
    text.push('\n');
    text
}

/// Says where a search was when a budget ran out.
fn told(stuck: &Stuck, has_times: bool) -> String {
    let (from, until) = if has_times {
        (seconds(stuck.times_ns.0), seconds(stuck.times_ns.1))
    } else {
        (format!("event {}", stuck.positions.0), format!("event {}", stuck.positions.1))
    };
    let key = if stuck.key.is_empty() { "the register".into() } else { visible(&stuck.key) };
    let mut text = format!(
        "no order of {key} was found past {from} .. {until}, where {} operations were open and \
         {} with an unknown outcome may have taken effect",
        stuck.open, stuck.unknown_count
    );
    text += if stuck.unknown.is_empty() { "\n" } else { "; the last of these:\n" };
    for operation in &stuck.unknown {
        text += &row(operation, has_times);
    }
    text
}

fn row(operation: &CoreOperation, has_times: bool) -> String {
    let CoreOperation { process, f, key, argument, result, .. } = operation;
    let client = format!("client {process}");
    let asked = [f.as_str(), key, argument].map(str::trim).join(" ");
    let asked = asked.split_whitespace().collect::<Vec<_>>().join(" ");
    let when = if has_times {
        let back = operation.return_ns.map_or_else(|| "never".to_owned(), seconds);
        format!("{:>12} .. {back:<12}", seconds(operation.call_ns))
    } else {
        let back =
            operation.returned.map_or_else(|| "never".to_owned(), |at| format!("event {at}"));
        format!("{:>12} .. {back:<12}", format!("event {}", operation.called))
    };
    let result = if result.is_empty() { EMPTY } else { result };
    format!("  {when} {client:<10} {} = {}\n", visible(&asked), visible(result))
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
        let output = judged_as(Format::Edn, text);
        let wanted = "VIOLATION: client 3's read of x began at 0.004213 s and found nothing, \
            although client 1's write of x = 2 had been acknowledged at 0.004190 s\n\n\
            \x20   0.004000 s .. 0.004190 s   client 1   write x 2 = ok\n\
            \x20   0.004213 s .. 0.004220 s   client 3   read x = nothing\n\n\
            operations 3, ok 2, fail 0, unknown 1; keys 2, ";
        assert!(output.text.starts_with(wanted), "{}", output.text);
        assert!(output.text.ends_with("verified: true\n"), "{}", output.text);
        assert_eq!(output.exit_code, 1);
    }

    #[test]
    fn without_times_rows_name_events() {
        let text = "{:process 1 :type :invoke :f :write :value 2}\n\
            {:process 1 :type :ok :f :write :value 2}\n\
            {:process 3 :type :invoke :f :read}\n{:process 3 :type :ok :f :read :value nil}\n";
        let output = judged_as(Format::Edn, text);
        assert!(!output.text.contains("0.000000"), "{}", output.text);
        let wanted = "\x20      event 2 .. event 3      client 3   read = nothing\n";
        assert!(output.text.contains(wanted), "{}", output.text);
    }

    #[test]
    fn a_good_history_passes() {
        let output = judged_as(Format::Edn, GOOD);
        assert!(output.text.starts_with("PASS"), "{}", output.text);
        assert_eq!(output.exit_code, 0);
    }

    #[test]
    fn what_cannot_carry_a_verdict_is_void() {
        let unknown = (0..1001).fold(String::new(), |text, client| {
            text + &format!("{{:process {client} :type :invoke :f :write :value {client}}}\n")
                + &format!("{{:process {client} :type :info :f :write :value {client}}}\n")
        });
        let one = GOOD.lines().take(2).collect::<Vec<_>>().join("\n");
        let cut = format!("{GOOD}\n{{:process 1 :type :invoke :f :write :value 3}}");
        let write = |value: u32| {
            format!("{{:process 1 :type :invoke :f :write :value {value}}}")
                + "{:process 1 :type :ok :f :write}"
        };
        let unseen = (0..1000).map(write).collect::<String>();
        let nothing = "{:process 2 :type :invoke :f :read}\
            {:process 2 :type :ok :f :read :value nil}";
        let before = nothing.to_owned() + &unseen;
        let torn = &GOOD[..GOOD.len() - 5];
        for (text, wanted) in [
            ("", "the history is empty"),
            ("[]", "the history is empty"),
            (unknown.as_str(), "0 of 1001 operations were acknowledged"),
            (one.as_str(), "1 of 1 operations was acknowledged"),
            (cut.as_str(), "it does not tell how 1 of its calls ended, those of clients 1;"),
            (torn, "the file ends within an event"),
            (unseen.as_str(), "no read and no other operation tells what it found"),
            (before.as_str(), "the 1 operations that tell what they found saw only"),
            ("hello", "the file is not what --format edn says"),
        ] {
            let output = judged_as(Format::Edn, text);
            assert!(output.text.starts_with("VOID: "), "{}", output.text);
            assert!(output.text.contains(wanted), "{}", output.text);
            assert_eq!(output.exit_code, 2);
        }
        let event = |n: u32, kind: &str, f: &str| {
            format!(
                "{{\"index\":{n},\"time_ns\":{n},\"process\":{},\"type\":\"{kind}\",\"f\":\"{f}\",\
                 \"key\":\"k\",\"value\":\"1\"}}\n",
                n / 2
            )
        };
        let ours = event(0, "invoke", "write")
            + &event(1, "ok", "write")
            + &event(2, "invoke", "read")
            + &event(3, "ok", "read");
        assert_eq!(judged_as(Format::Jsonl, &ours).exit_code, 0);
        let cut = ours + &event(4, "invoke", "read");
        assert!(judged_as(Format::Jsonl, &cut).text.starts_with("VOID: the history was cut"));
        for format in Format::ALL {
            for text in ["", "nothing of the kind\n"] {
                let output = judged_as(format, text);
                assert!(output.text.starts_with("VOID: "), "{format}: {}", output.text);
                assert_eq!(output.exit_code, 2, "{format}");
            }
        }
    }

    #[test]
    fn a_violation_of_a_history_that_was_cut_is_one() {
        let text = "{:process 1 :type :invoke :f :write :value 2}\n\
            {:process 2 :type :invoke :f :read}\n\
            {:process 2 :type :ok :f :read :value 7}";
        assert_eq!(judged_as(Format::Edn, text).exit_code, 1);
    }

    #[test]
    fn a_budget_that_runs_out_is_named() {
        let history = History::default();
        let rules = Rules::from(ModelName::Register);
        let mut report = check_by_rules(&history, &rules, &mut Meter::start(Budget::default()));
        report.judgement = Judgement::Unknown { cause: Cause::Memory(3 << 20) };
        let output = output(&history, &report, "");
        assert!(output.text.contains("memory budget of 3 MiB ran out"), "{}", output.text);
        assert_eq!(output.exit_code, 2);
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let read = command(Path::new("no/such/file"), &question(Format::Jsonl));
        assert!(matches!(read, Err(HistoryError::Io { .. })));
    }

    fn judged_as(format: Format, text: &str) -> Output {
        let folder = std::env::temp_dir();
        let id = format!("{:?}", std::thread::current().id());
        let file = folder.join(format!("synod-check-{}-{id}", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let output = command(&file, &question(format));
        std::fs::remove_file(&file).unwrap();
        output.unwrap()
    }

    fn question(format: Format) -> Question {
        let budget = Budget::default();
        Question { format, model: None, initial: None, witness: None, keep_witness: None, budget }
    }

    const GOOD: &str = "{:process 1 :type :invoke :f :write :value 2}\n\
        {:process 1 :type :ok :f :write :value 2}\n{:process 2 :type :invoke :f :read}\n\
        {:process 2 :type :ok :f :read :value 2}";
}
