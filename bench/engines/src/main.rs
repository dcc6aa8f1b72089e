//! What a command costs: three replicas in one thread, and no disk, network or timer.
//!
//! Each engine takes commands of 16 bytes, at most so many at a time, and is done with one when
//! the leader has applied it; all three apply all. Ours vouches for each batch of records at once.
//! What is told is the processor's time of all three replicas for a command, the median of several
//! runs in which the engines take turns, so that a busy machine is busy for all of them. The claim
//! kept true: every replica of every engine applied the same commands in the same order.

mod engine;
mod floor;
mod omni;
mod replicas;
mod synod;

use engine::{Case, Engine, measure};
use std::process::ExitCode;

/// How often each engine runs each case, unless the first argument says otherwise.
const ROUNDS: usize = 5;

/// The commands of one run.
const COMMANDS: u64 = 400_000;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let rounds = match words.next().map(|word| word.parse::<usize>()) {
        None => ROUNDS,
        Some(Ok(rounds)) if rounds > 0 => rounds,
        Some(_) => {
            eprintln!("usage: synod-bench-engines [ROUNDS [ENGINE]]");
            eprintln!(
                "  ROUNDS  how often each engine runs each case, above zero; {ROUNDS} by default"
            );
            eprintln!("  ENGINE  the beginning of the name of the engines to run; all by default");
            return ExitCode::from(64);
        }
    };
    let only = words.next().unwrap_or_default();
    println!("| case | engine | ns a command, median | least | most |");
    println!("|---|---|---|---|---|");
    for case in cases() {
        tell(&case, rounds, &only);
    }
    ExitCode::SUCCESS
}

fn cases() -> Vec<Case> {
    let one = |window| Case { window, a_slot: 1, commands: COMMANDS };
    vec![
        Case { commands: COMMANDS / 4, ..one(1) },
        one(64),
        one(1_024),
        Case { window: 4_096, a_slot: 64, commands: 4 * COMMANDS },
    ]
}

/// An engine by its name, and how to make it.
type Named = (&'static str, fn(&Case) -> Box<dyn Engine>);

const ENGINES: [Named; 4] = [
    ("Synod", |case| Box::new(synod::Synod::new(case))),
    ("replicas of Synod", |case| Box::new(replicas::Replicas::new(case))),
    ("omnipaxos 0.2.4", |case| Box::new(omni::Omni::new(case))),
    ("no protocol", |case| Box::new(floor::Floor::new(case))),
];

fn tell(case: &Case, rounds: usize, only: &str) {
    let engines = || ENGINES.iter().filter(|(name, _)| name.starts_with(only));
    let mut taken: Vec<Vec<f64>> = engines().map(|_| Vec::with_capacity(rounds)).collect();
    for _ in 0..rounds {
        for ((name, make), taken) in engines().zip(&mut taken) {
            taken.push(measure(name, make(case), case));
        }
    }
    for ((name, _), mut taken) in engines().zip(taken) {
        taken.sort_by(f64::total_cmp);
        let (least, most) = (taken[0], taken[taken.len() - 1]);
        let median = taken[taken.len() / 2];
        println!("| {case} | {name} | {median:.0} | {least:.0} | {most:.0} |");
    }
}
