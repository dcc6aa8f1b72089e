//! How fast the checker is: shared corpora beside Porcupine's figures, and generated histories.
//!
//! `cargo run --release -p synod-checker --example checker_bench`. The histories of the corpora are
//! read in place, beside the workspace, where they are present; reading is not timed. Porcupine's
//! figures were measured on a 2-core machine with its own models, reading excluded.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that measures and prints")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use synod_checker::{Budget, Judgement, ModelName, check_history, is_linearizable};
use synod_history::History;
use synod_history::import::Format;
use synod_history::synthetic::SyntheticHistory;
use synod_rng::Seed;

fn main() {
    match corpora() {
        Some(root) => bench_corpora(&root),
        None => println!("../shared/corpora is not beside the workspace: skipped"),
    }
    println!();
    println!("{:<44} {:>9} {:>10} {:>13}  verdict", "simulated", "ops", "ms", "configurations");
    for operations in [10_000, 100_000, 1_000_000] {
        for (name, simulation) in SIMULATIONS {
            bench_simulated(name, simulation, operations);
        }
    }
}

fn bench_corpora(root: &Path) {
    println!("times in ms, of the processor; a core is what Porcupine does not look for");
    let columns = ["files", "verdict", "with core", "Porcupine"];
    println!(
        "{:<44} {:>9} {:>10} {:>10} {:>10}",
        "corpus", columns[0], columns[1], columns[2], columns[3]
    );
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
    // The clock is coarse, so each run judges all files often.
    let rounds = if files.len() > 1 { 10 } else { 200 };
    let all = |judge: &dyn Fn(&History)| {
        let total = median(|| (0..rounds).for_each(|_| histories.iter().for_each(judge)));
        total.as_secs_f64() * 1000.0 / f64::from(rounds)
    };
    let verdict = all(&|history| {
        let _ = std::hint::black_box(is_linearizable(history, model, Budget::default()));
    });
    let core = all(&|history| drop(check(history, model)));
    println!("{title:<44} {:>9} {verdict:>10.3} {core:>10.3} {peer:>10}", files.len());
}

const SIMULATIONS: [(&str, SyntheticHistory); 10] = [
    ("1 register, 10 clients", simulation(1, 10, 0, false)),
    ("1 register, 10 clients, stale read", simulation(1, 10, 0, true)),
    ("1 register, 10 clients, 1 % unknown", simulation(1, 10, 10_000, false)),
    ("1 register, 10 clients, 1 % unknown, stale", simulation(1, 10, 10_000, true)),
    ("1 register, 50 clients", simulation(1, 50, 0, false)),
    ("1 register, 50 clients, stale read", simulation(1, 50, 0, true)),
    ("100 keys, 50 clients", simulation(100, 50, 0, false)),
    ("100 keys, 50 clients, stale read", simulation(100, 50, 0, true)),
    ("100 keys, 50 clients, 1 % unknown", simulation(100, 50, 10_000, false)),
    ("100 keys, 50 clients, 1 % unknown, stale", simulation(100, 50, 10_000, true)),
];

const fn simulation(
    keys: u32,
    clients: u32,
    unknown_ppm: u32,
    stale_read: bool,
) -> SyntheticHistory {
    SyntheticHistory { keys, clients, unknown_ppm, stale_read }
}

fn bench_simulated(name: &str, simulation: SyntheticHistory, operations: u32) {
    let history = simulation.run(Seed(1), operations);
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
    println!("{name:<44} {operations:>9} {ms:>10.2} {configurations:>13}  {verdict}");
}

fn check(history: &History, model: ModelName) -> synod_checker::Report {
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

fn files(root: &Path, folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn corpora() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    let root = workspace.parent()?.join("shared/corpora");
    root.join("manifest.tsv").exists().then_some(root)
}

const RUNS: usize = 5;
