//! Feeds every decoder with broken bytes for a while: `synod-fuzz --seconds 30`.
//!
//! An input that makes a decoder panic is printed as a line of its corpus, with the seed, and the
//! exit code is 1. The claim kept: a run of so many seconds says how many inputs it tried, and how
//! many of those were accepted, so that a run that tried nothing is seen.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks on its streams")]

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::{Arg, ValueExt as _};
use synod_fuzz::{FuzzTarget, TARGETS, Verdict, corpus, mutator};
use synod_rng::{Random, Seed, Stream};

fn main() -> ExitCode {
    match run(lexopt::Parser::from_env()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("usage: {error}\nusage: synod-fuzz [--seconds N] [--seed S] [--target NAME]");
            ExitCode::from(64)
        }
    }
}

fn run(mut arguments: lexopt::Parser) -> Result<bool, lexopt::Error> {
    let (mut seconds, mut seed, mut only) = (30_u64, 1_u64, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("seconds") => seconds = arguments.value()?.parse()?,
            Arg::Long("seed") => seed = arguments.value()?.parse()?,
            Arg::Long("target") => only = Some(arguments.value()?.string()?),
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => return Err(argument.unexpected()),
        }
    }
    let named = |target: &&FuzzTarget| only.as_ref().is_none_or(|name| name == target.name);
    let chosen: Vec<&FuzzTarget> = TARGETS.iter().filter(named).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        return Err(format!("the targets are {}", known.join(", ")).into());
    }
    let limit = Duration::from_secs(seconds);
    let good = chosen.into_iter().map(|target| fuzz(target, Seed(seed), limit));
    // All targets are run, whatever the first ones come to.
    Ok(good.collect::<Vec<bool>>().into_iter().all(|good| good))
}

/// Feeds one decoder, and tells what came of it.
fn fuzz(target: &FuzzTarget, seed: Seed, limit: Duration) -> bool {
    let committed = match corpus::inputs(target.name) {
        Ok(inputs) if !inputs.is_empty() => inputs,
        Ok(_) | Err(_) => {
            eprintln!("fuzz: {} has no corpus", target.name);
            return false;
        }
    };
    let mut pool = committed.clone();
    let mut random = Random::new(seed, Stream::named(target.name));
    let (start, mut tried, mut accepted) = (Instant::now(), 0_u64, 0_u64);
    while start.elapsed() < limit {
        for _ in 0..BETWEEN_LOOKS {
            let other = random.pick(&pool).cloned().unwrap_or_default();
            // What is cut short is often valid, so that a pool alone would end in empty texts.
            let from = if random.chance(HALF) { &committed } else { &pool };
            let mut input = random.pick(from).cloned().unwrap_or_default();
            mutator::mutate(&mut random, &mut input, &other);
            tried += 1;
            match panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
                Ok(Verdict::Refused) => {}
                Ok(Verdict::Accepted) => {
                    accepted += 1;
                    keep(&mut random, &mut pool, input);
                }
                Err(_) => {
                    let (name, line) = (target.name, corpus::to_hex(&input));
                    println!("fuzz: {name} fails, seed {}, input {tried}:\n{line}", seed.0);
                    return false;
                }
            }
        }
    }
    println!("fuzz: {:<24} {tried:>9} inputs, {accepted:>9} accepted", target.name);
    true
}

/// Keeps an accepted input to change it again; a full pool loses one at random.
fn keep(random: &mut Random, pool: &mut Vec<Vec<u8>>, input: Vec<u8>) {
    if pool.len() < POOL_MAX {
        pool.push(input);
    } else {
        let at = random.below(POOL_MAX as u64) as usize;
        pool[at] = input;
    }
}

/// One in two, in parts of a million.
const HALF: u32 = 500_000;
/// How many inputs are kept at most.
const POOL_MAX: usize = 1_024;
/// How many inputs are tried between two looks at the clock.
const BETWEEN_LOOKS: u32 = 64;
