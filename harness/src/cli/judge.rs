//! `synod-harness check` and `report`: what can be done with the files of a run.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rustix::io::Errno;
use synod_checker::{Budget, ModelName, Report};
use synod_history::HistoryError;
use synod_history::import::Format;
use synod_live::interrupt::Interrupt;
use synod_live::runs::{self, RunsError};
use synod_report::{JudgedHistory, ReportError};

use super::chaos::quoted;
use super::check::{Output, Question, command};
use super::input::is_same;
use super::merge::merge_folders;
use super::{INTERNAL, INTERRUPTED, USAGE, fail, printed, say};

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The history, packed by gzip or not; `-` is standard input.
    file: PathBuf,
    /// What it is judged by: register, append, counter, mixed or kv [default: the format's own].
    #[arg(long, value_name = "NAME")]
    model: Option<ModelName>,
    /// What each key holds before the first operation [default: what the model says].
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    initial: Option<String>,
    /// How it is written: jsonl, edn, jepsen-json, jepsen-log, porcupine-kv, porcupine-json or
    /// etcd-json.
    #[arg(long, value_name = "NAME", default_value = "jsonl")]
    format: Format,
    /// Play an order of the operations that an earlier PASS kept, in place of searching one.
    #[arg(long, value_name = "WITNESS", conflicts_with = "keep_witness")]
    witness: Option<PathBuf>,
    /// Write the order that a PASS rests on into a file.
    #[arg(long, value_name = "WITNESS")]
    keep_witness: Option<PathBuf>,
    /// Write a page that shows the verdict and the history, one file that needs no other.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How long reading and judging may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = BUDGET)]
    budget: u64,
    /// How much memory the history and the search may take, in mebibytes.
    #[arg(long, value_name = "MIB", default_value_t = MIB,
        value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    memory_mib: u64,
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// The folder of a run, or one of runs, such as target/chaos; with --merge, any number of
    /// them, or of what shards have written.
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Make one verdict and one page of all folders. The exit code is the gravest of any part: 1
    /// over 70, 130, 3, 2 and 0.
    #[arg(long)]
    merge: bool,
    /// Where the page of --merge is written.
    #[arg(long, value_name = "FILE", default_value = "merged.html", requires = "merge")]
    page: PathBuf,
}

pub(super) fn check(arguments: &CheckArguments) -> ExitCode {
    let budget = Budget {
        time: Duration::from_secs(arguments.budget),
        bytes: usize::try_from(arguments.memory_mib << 20).unwrap_or(usize::MAX),
    };
    let question = Question {
        format: arguments.format,
        model: arguments.model,
        initial: arguments.initial.clone(),
        witness: arguments.witness.clone(),
        keep_witness: arguments.keep_witness.clone(),
        budget,
    };
    if let Some((flag, file)) = replaced(arguments) {
        let file = file.display();
        return fail(USAGE, &format_args!("{flag} would replace {file}; name another file"));
    }
    end_when_interrupted();
    match command(&arguments.file, &question) {
        Ok(output) => {
            let said = say(&output.text);
            let page = arguments.report.as_deref();
            let written = page.map_or(Ok(()), |page| write_page(page, arguments, &output));
            let code = match &written {
                // What could not be written is no success, as what could not be printed is none.
                Err(error) if output.exit_code == 0 => {
                    let _: ExitCode = fail(INTERNAL, error);
                    INTERNAL
                }
                Err(error) => {
                    let _: ExitCode = fail(output.exit_code, error);
                    output.exit_code
                }
                Ok(()) => output.exit_code,
            };
            printed(said, code)
        }
        Err(error) => fail(code_of(&error), &error),
    }
}

/// Finds an option that would write over a file which the command line names for something else:
/// a history may be the only record of what a system did.
fn replaced(arguments: &CheckArguments) -> Option<(&'static str, &Path)> {
    let CheckArguments { file, witness, keep_witness, report, .. } = arguments;
    let history = Some(if file == Path::new("-") { Path::new(STANDARD_INPUT) } else { file });
    let [witness, kept, page] = [witness, keep_witness, report].map(Option::as_deref);
    let writes = [
        ("--keep-witness", kept, [history, None, None]),
        ("--report", page, [history, witness, kept]),
    ];
    writes.into_iter().find_map(|(flag, written, others)| {
        let written = written?;
        let other = others.into_iter().flatten().find(|other| is_same(other, written))?;
        Some((flag, other))
    })
}

fn write_page(page: &Path, arguments: &CheckArguments, found: &Output) -> Result<(), ReportError> {
    let file = arguments.file.display().to_string();
    let name = if file == "-" { "standard input" } else { &file };
    synod_report::write_judged(
        page,
        &JudgedHistory {
            file: name,
            format: arguments.format.name(),
            model: found.model.as_deref(),
            verdict: found.verdict,
            reasons: &found.reasons,
            history: found.history.as_ref(),
            violation: found.report.as_ref().and_then(Report::violation),
            checker: found.report.as_ref().map(|report| &report.checker),
            reproduce: &again(arguments),
            version: env!("CARGO_PKG_VERSION"),
        },
    )
}

/// Spells the command that judges the history again.
fn again(arguments: &CheckArguments) -> String {
    let CheckArguments { file, model, initial, format, witness, budget, memory_mib, .. } =
        arguments;
    let mut command = format!("synod-harness check --format {format}");
    let path = |path: &PathBuf| quoted(&path.display().to_string());
    for (flag, value) in [
        ("--model", model.map(|model| model.to_string())),
        ("--initial", initial.as_deref().map(quoted)),
        ("--witness", witness.as_ref().map(path)),
        ("--budget", Some(budget).filter(|time| **time != BUDGET).map(u64::to_string)),
        ("--memory-mib", Some(memory_mib).filter(|mib| **mib != MIB).map(u64::to_string)),
    ] {
        if let Some(value) = value {
            // As one word, so that a value with a dash in front is no flag.
            command.push_str(&format!(" {flag}={value}"));
        }
    }
    command + " " + &path(file)
}

/// Where the system shows what standard input is.
const STANDARD_INPUT: &str = "/dev/stdin";

/// How long a check may take, in seconds, and how much memory, in mebibytes, if nothing is said.
const BUDGET: u64 = 60;
const MIB: u64 = 1_024;

/// A file that cannot be opened is the caller's to name; one that breaks off is the environment.
fn code_of(error: &HistoryError) -> u8 {
    let HistoryError::Io { source, .. } = error else { return USAGE };
    let misnamed = [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::IsADirectory,
        ErrorKind::NotADirectory,
    ];
    // The kind of a path that leads in a circle, or is too long, has no name that is stable yet.
    let numbers = [Errno::LOOP, Errno::NAMETOOLONG].map(|error| Some(error.raw_os_error()));
    if misnamed.contains(&source.kind()) || numbers.contains(&source.raw_os_error()) {
        USAGE
    } else {
        INTERNAL
    }
}

/// Ends the process with its own code when it is told to end, by any signal.
fn end_when_interrupted() {
    let (listens, is_listening) = std::sync::mpsc::channel::<()>();
    let wait = move || -> std::io::Result<()> {
        let runtime = super::repeat::single_thread()?;
        runtime.block_on(async {
            let interrupt = Interrupt::listen()?;
            drop(listens);
            interrupt.raised().await;
            Ok::<_, std::io::Error>(())
        })?;
        let _: ExitCode = fail(INTERRUPTED, &"interrupted");
        std::process::exit(i32::from(INTERRUPTED))
    };
    // Without the thread a signal ends the process all the same, with the system's code.
    let thread = std::thread::Builder::new().name("interrupt".to_owned());
    drop(thread.spawn(wait));
    // Nothing is sent: the other end is gone once the thread listens, or cannot.
    let _ = is_listening.recv();
}

pub(super) fn report(arguments: &ReportArguments) -> ExitCode {
    if arguments.merge {
        return merge_folders(&arguments.folders, &arguments.page);
    }
    let [folder] = &arguments.folders[..] else {
        return fail(USAGE, &"several folders are put together by --merge; name one, or add that");
    };
    // A run may hold runs itself, and those may hold runs.
    let written = if !runs::is_run(folder) && runs::is_folder_of_runs(folder) {
        runs::write_index(folder)
    } else {
        synod_report::write(folder).map_err(RunsError::from)
    };
    match written {
        Ok(page) => {
            let said = say(&format!("{}\n", page.display()));
            printed(said, 0)
        }
        Err(error) => {
            let unwritten = matches!(error, RunsError::Write(ReportError::WritePage { .. }));
            fail(if unwritten { INTERNAL } else { USAGE }, &error)
        }
    }
}
