//! The transcript of a simulated run, told to nodes of the core alone, ends as the run did.
//!
//! What a transcript says at its end is how the SIMULATED replicas stood; the reader of transcripts
//! of `paxos` is asked the same after the last command. Promises, chosen decrees and leadership of
//! every node must be the same.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test says what it told")]

#[path = "../../../paxos/tests/story/mod.rs"]
mod story;

use synod_fault::swarm::{SwarmConfig, draw};
use synod_fault::{Millis, Scenario};
use synod_rng::Seed;
use synod_simulated::trial;
use synod_simulated::tuning::Tuning;

use std::collections::BTreeMap;
use story::Story;

fn plan(seed: u64) -> Scenario {
    let config = SwarmConfig { time_ms: Millis(5_000), clients: 2, ..SwarmConfig::default() };
    let mut plan = draw(Seed(seed), &config);
    // A transcript ends where a node is given a folder that is not the one that it had.
    plan.faults.retain(|fault| !fault.action.is_for_good());
    plan
}

fn written(seed: u64) -> String {
    let plan = plan(seed);
    let ended = trial::run_tuned(&plan, Tuning::usual(&plan), true);
    assert_eq!(ended.violation, None, "seed {seed}");
    ended.transcript.unwrap()
}

/// Tells a transcript; returns how the nodes stand after it, and how it says that they should.
fn tell(text: &str) -> (String, String) {
    let mut transcript = Story::new(3);
    let (mut stand, mut wanted) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(command) = line.strip_prefix('>') {
            stand = transcript.tell(command);
        } else if !line.starts_with('#') {
            wanted.push_str(line);
            wanted.push('\n');
        }
    }
    (stand, wanted)
}

#[test]
fn a_transcript_ends_as_the_run_did() {
    let mut uses: BTreeMap<&str, usize> = WORDS.iter().map(|word| (*word, 0)).collect();
    let mut commands = 0;
    for seed in 0..SEEDS {
        let text = written(seed);
        assert!(!text.contains("the transcript ends"), "seed {seed}: {}", last_remark(&text));
        let (stand, wanted) = tell(&text);
        assert_eq!(stand, wanted, "seed {seed}");
        commands += text.lines().filter(|line| line.starts_with('>')).count();
        for (word, count) in &mut uses {
            *count += text.matches(*word).count();
        }
    }
    println!("{commands} commands of {SEEDS} seeds, with {uses:?}");
    for (word, count) in uses {
        assert!(count > 0, "no transcript says \"{word}\"");
    }
}

#[test]
fn a_transcript_of_something_else_ends_otherwise() {
    let text = written(0);
    let line = text.lines().find(|line| line.contains("propose 1")).unwrap();
    let at = line.find("propose 1").unwrap() + "propose 1 ".len();
    let mut other = line.to_owned();
    other.replace_range(at..=at, "?");
    let (stand, wanted) = tell(&text.replacen(line, &other, 1));
    assert_ne!(stand, wanted);
}

fn last_remark(text: &str) -> &str {
    text.lines().rfind(|line| line.starts_with('#')).unwrap_or_default()
}

/// How many seeds are told.
const SEEDS: u64 = 40;

/// What the transcripts must say between them.
const WORDS: [&str; 12] = [
    "campaign", "above", "propose", "resend", "resign", "sync", "deliver", "repeat", "drop",
    "learn", "crash", "keeping",
];
