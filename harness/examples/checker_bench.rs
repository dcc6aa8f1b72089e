//! How fast the checker is: shared corpora beside Porcupine's figures, and generated histories.
//!
//! `cargo run --release -p synod-harness --example checker_bench`. The histories of the corpora are
//! read in place, beside the workspace, where they are present; reading is not timed. Porcupine's
//! figures were measured on a 2-core machine with its own models, reading excluded.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that measures and prints")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use synod_harness::check::{Budget, Judgement, ModelName, check_history};
use synod_harness::history::foreign::Format;
use synod_harness::history::{Action, Answer, History, Operation, Text};
use synod_harness::random::{Random, Seed, Stream};

fn main() {
    match corpora() {
        Some(root) => bench_corpora(&root),
        None => println!("../shared/corpora is not beside the workspace: skipped"),
    }
    println!();
    println!("{:<44} {:>9} {:>10} {:>13}  verdict", "generated", "ops", "ms", "configurations");
    for operations in [10_000, 100_000, 1_000_000] {
        for plan in PLANS {
            bench_generated(&plan, operations);
        }
    }
}

fn bench_corpora(root: &Path) {
    println!("{:<44} {:>9} {:>10} {:>13}", "corpus", "files", "ms", "Porcupine ms");
    let etcd = files(root, "etcd");
    bench_files("etcd (Jepsen logs)", &etcd, Format::JepsenLog, ModelName::Register, "400");
    for file in files(root, "kv") {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let porcupine = match name.as_str() {
            "c01-ok.txt" => "0.14",
            "c01-bad.txt" => "0.06",
            "c10-ok.txt" => "0.62",
            "c10-bad.txt" => "0.31",
            _ => "-",
        };
        let title = format!("kv/{name}");
        bench_files(&title, &[file], Format::PorcupineKv, ModelName::Kv, porcupine);
    }
}

fn bench_files(title: &str, files: &[PathBuf], format: Format, model: ModelName, peer: &str) {
    let histories: Vec<History> =
        files.iter().map(|file| format.read_file(file).unwrap()).collect();
    let total = median(|| histories.iter().for_each(|history| drop(check(history, model))));
    let ms = total.as_secs_f64() * 1000.0;
    println!("{title:<44} {:>9} {ms:>10.2} {peer:>13}", files.len());
}

/// What a generated history is like.
struct Plan {
    name: &'static str,
    keys: u64,
    clients: u32,
    /// How many parts of a thousand have an unknown outcome.
    unknown: u64,
    /// Whether a read at nine tenths of the history is stale.
    stale: bool,
}

const PLANS: [Plan; 8] = [
    Plan { name: "1 register, 10 clients", keys: 1, clients: 10, unknown: 0, stale: false },
    Plan {
        name: "1 register, 10 clients, stale read",
        keys: 1,
        clients: 10,
        unknown: 0,
        stale: true,
    },
    Plan {
        name: "1 register, 10 clients, 1 % unknown",
        keys: 1,
        clients: 10,
        unknown: 10,
        stale: false,
    },
    Plan {
        name: "1 register, 10 clients, 1 % unknown, stale",
        keys: 1,
        clients: 10,
        unknown: 10,
        stale: true,
    },
    Plan { name: "100 keys, 50 clients", keys: 100, clients: 50, unknown: 0, stale: false },
    Plan {
        name: "100 keys, 50 clients, stale read",
        keys: 100,
        clients: 50,
        unknown: 0,
        stale: true,
    },
    Plan {
        name: "100 keys, 50 clients, 1 % unknown",
        keys: 100,
        clients: 50,
        unknown: 10,
        stale: false,
    },
    Plan {
        name: "100 keys, 50 clients, 1 % unknown, stale",
        keys: 100,
        clients: 50,
        unknown: 10,
        stale: true,
    },
];

fn bench_generated(plan: &Plan, operations: usize) {
    let history = generate(plan, operations);
    let mut configurations = 0;
    let mut verdict = String::new();
    let runs = || {
        let report = check(&history, ModelName::Register);
        configurations = report.checker.configurations;
        verdict = match report.judgement {
            Judgement::Legal { .. } => "legal".to_owned(),
            Judgement::Illegal { core } => {
                format!("illegal, core of {}: {}", core.operations.len(), core.sentence)
            }
            Judgement::Unknown { cause } => format!("unknown: {cause}"),
        };
    };
    let ms = median(runs).as_secs_f64() * 1000.0;
    println!("{:<44} {operations:>9} {ms:>10.2} {configurations:>13}  {verdict}", plan.name);
}

fn check(history: &History, model: ModelName) -> synod_harness::check::Report {
    let budget = Budget { time: Duration::from_secs(20), ..Budget::default() };
    check_history(history, model, budget)
}

/// Returns the median of some runs; of one if it takes long. The time is that of the processor,
/// where the system tells it, so that other programs do not count.
fn median(mut run: impl FnMut()) -> Duration {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let (start, busy) = (Instant::now(), busy());
        run();
        times.push(busy_since(busy).unwrap_or_else(|| start.elapsed()));
        if start.elapsed() > Duration::from_secs(4) {
            break;
        }
    }
    times.sort();
    times[times.len() / 2]
}

/// Returns for how long this thread had a processor, where Linux tells it.
fn busy() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn busy_since(start: Option<Duration>) -> Option<Duration> {
    busy()?.checked_sub(start?)
}

/// Generates a history of a linearizable map of registers: every operation is open for a random
/// time and takes effect at a random moment of it, half of them read, written values are unique,
/// and clients are busy half of the time.
fn generate(plan: &Plan, operations: usize) -> History {
    let mut random = Random::new(Seed(1), Stream::named(plan.name));
    let mut history = History::default();
    let mut moments: Vec<(u64, u32, Moment)> = Vec::with_capacity(operations * 3);
    let mut free = vec![0_u64; plan.clients as usize];
    for index in 0..u32::try_from(operations).unwrap() {
        let (process, start) = free.iter().enumerate().min_by_key(|(_, free)| **free).unwrap();
        let (process, start) = (u32::try_from(process).unwrap(), *start);
        let called = start + random.between(1, 2 * LENGTH) * 2;
        let returned = called + random.between(2, 2 * LENGTH) * 2;
        let effect = random.between(called + 1, returned - 1);
        free[process as usize] = returned;
        let key = history.texts.intern(&format!("key {}", random.below(plan.keys)));
        let action = if random.below(2) == 0 {
            Action::Read
        } else {
            Action::Write(history.texts.intern(&index.to_string()))
        };
        let answer = Answer::Unknown;
        let (called_at, returned_at) = (called, returned);
        history.operations.push(Operation {
            process,
            key,
            action,
            answer,
            called: 0,
            returned: None,
            call_ns: called_at,
            return_ns: returned_at,
        });
        moments.push((called, index, Moment::Call));
        let unknown = random.below(1000) < plan.unknown;
        if !unknown || random.below(2) == 0 {
            moments.push((effect, index, Moment::Effect));
        }
        if !unknown {
            moments.push((returned, index, Moment::Return));
        }
    }
    moments.sort_unstable();
    play(plan, &mut history, &moments);
    history
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Call,
    Effect,
    Return,
}

/// What a key holds, and what it certainly held no more from a position on.
#[derive(Clone, Copy, Default)]
struct Held {
    value: Option<Text>,
    writer: Option<u32>,
    stale: Option<(Option<Text>, u32)>,
}

/// Gives every operation its place in the order of events, and its answer.
fn play(plan: &Plan, history: &mut History, moments: &[(u64, u32, Moment)]) {
    let mut held: Vec<Held> = vec![Held::default(); history.texts.len()];
    let mut replaced = vec![(None, None); history.operations.len()];
    let mut stale_from = if plan.stale { moments.len() / 10 * 9 } else { usize::MAX };
    for (position, (_, index, moment)) in moments.iter().enumerate() {
        let operation = &mut history.operations[*index as usize];
        let held = &mut held[operation.key.0 as usize];
        let now = u32::try_from(position).unwrap();
        match (moment, operation.action) {
            (Moment::Call, _) => operation.called = now,
            (Moment::Return, action) => {
                operation.returned = Some(now);
                let (value, writer): (Option<Text>, Option<u32>) = replaced[*index as usize];
                let this = history.operations[*index as usize];
                let over = |writer: u32| history.operations[writer as usize].precedes(&this);
                if action != Action::Read && writer.is_some_and(over) {
                    held.stale = Some((value, now));
                }
            }
            (Moment::Effect, Action::Write(text)) => {
                replaced[*index as usize] = (held.value, held.writer);
                (held.value, held.writer) = (Some(text), Some(*index));
                operation.answer = Answer::Done;
            }
            (Moment::Effect, _) => {
                let stale = held.stale.filter(|(_, from)| *from < operation.called);
                operation.answer = match stale.filter(|_| position >= stale_from) {
                    Some((stale, _)) => {
                        stale_from = usize::MAX;
                        Answer::Seen(stale)
                    }
                    None => Answer::Seen(held.value),
                };
            }
        }
    }
    for operation in &mut history.operations {
        if operation.returned.is_none() {
            operation.answer = Answer::Unknown;
        }
    }
    history.operations.sort_by_key(|operation| operation.called);
}

fn files(root: &Path, folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn corpora() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let root = workspace.parent()?.join("shared/corpora");
    root.join("manifest.tsv").exists().then_some(root)
}

/// Half the longest length of an operation and of a pause, in ticks.
const LENGTH: u64 = 1000;
const RUNS: usize = 5;
