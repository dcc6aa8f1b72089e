//! `synod-harness try-bridge`: what is right and what is wrong about a bridge, in plain words.
//!
//! What is tried is `synod-live`'s to say; here the system is read, and what was found is printed
//! as it is known.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use synod_fault::{Millis, Scenario};
use synod_live::conformance::{BridgeCheck, Found, Misstep, torn_down, try_bridge as tried};
use synod_live::folder::{self, RunFolder};
use synod_live::interrupt::Interrupt;
use synod_live::run::RunError;
use synod_live::setup::{NODES_MAX, SystemUnderTest};
use synod_live::system::System;
use synod_rng::Seed;

use super::chaos::{SystemFile, drawn_seed};
use super::refusal::{Refusal, refusal};
use super::repeat::single_thread;
use super::{INTERNAL, INTERRUPTED, VIOLATION, fail, printed, say};

#[derive(Debug, Args)]
pub(super) struct TryBridgeArguments {
    #[command(flatten)]
    system: SystemFile,
    /// How many nodes.
    #[arg(long, default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    nodes: u16,
    /// Where a folder with the logs is made.
    #[arg(long, value_name = "DIR", default_value = "target/try-bridge")]
    runs_dir: PathBuf,
}

pub(super) fn try_bridge(arguments: &TryBridgeArguments) -> ExitCode {
    let found = arguments.system.under_test().and_then(|under_test| {
        let runtime = single_thread().map_err(|error| Refusal(INTERNAL, error.to_string()))?;
        runtime.block_on(watched(arguments, &under_test))
    });
    match found {
        Ok((checks, folder)) => {
            let is_right =
                |check: &BridgeCheck| matches!(check.found, Found::Right(_) | Found::NotAsked(_));
            let wrong = !checks.iter().all(is_right);
            let said = say(&format!("{}\nlogs: {}\n", sum(&checks), folder.display()));
            printed(said, if wrong { VIOLATION } else { 0 })
        }
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

/// Tries the bridge until it is done or the user has enough.
async fn watched(
    arguments: &TryBridgeArguments,
    under_test: &SystemUnderTest,
) -> Result<(Vec<BridgeCheck>, PathBuf), Refusal> {
    let internal = |error: std::io::Error| Refusal(INTERNAL, error.to_string());
    let interrupt = Interrupt::listen().map_err(internal)?;
    let seed = Seed(drawn_seed());
    let plan = Scenario {
        system: under_test.system.name.clone(),
        ..Scenario::calm(seed, arguments.nodes, Millis(1_000))
    };
    // What is wrong with the description is told before anything is made.
    let refused = |error| refusal(&RunError::Setup(error));
    under_test.check(&plan).map_err(refused)?;
    let runs = &arguments.runs_dir;
    let unmade = |error| Refusal(INTERNAL, format!("cannot make {}: {error}", runs.display()));
    let folder = RunFolder::create(runs, seed, SystemTime::now()).map_err(unmade)?;
    // What was found is printed in the end again, or told as unprinted.
    let tell = |check: &BridgeCheck| drop(say(&lines(check)));
    let checks = tokio::select! {
        checks = tried(under_test, &plan, &folder, tell) => checks.map_err(refused),
        () = interrupt.raised() => Err(Refusal(INTERRUPTED, "interrupted".to_owned())),
    };
    let left = under_test.tear_down(&plan, &folder).await;
    let mut checks = checks.map_err(|Refusal(code, words)| {
        Refusal(code, [vec![words], left.clone()].concat().join("; "))
    })?;
    let System { setup, teardown, .. } = &under_test.system;
    if !setup.is_none() || !teardown.is_none() || !left.is_empty() {
        let check = torn_down(left);
        tell(&check);
        checks.push(check);
    }
    // An older folder that cannot be removed takes room, and no more.
    drop(folder::prune(runs, KEPT));
    Ok((checks, folder.path().to_owned()))
}

/// Tells of a rule that the bridge was tried by.
fn lines(check: &BridgeCheck) -> String {
    let BridgeCheck { rule, found } = check;
    match found {
        Found::Right(None) => format!("right      {rule}\n"),
        Found::Right(Some(remark)) => format!("right      {rule}: {remark}\n"),
        Found::NotTried(why) => format!("not tried  {rule}: {why}\n"),
        Found::NotAsked(why) => format!("not asked  {rule}: {why}\n"),
        Found::Wrong(missteps) => {
            let mut text = format!("WRONG      {rule}\n");
            for misstep in missteps.iter().take(SHOWN_MAX) {
                text += &story(misstep);
            }
            if let Some(more @ 1..) = missteps.len().checked_sub(SHOWN_MAX) {
                let _ = writeln!(text, "           and {more} more of this rule");
            }
            text
        }
    }
}

fn story(misstep: &Misstep) -> String {
    let Misstep { sent, came, what, remedy } = misstep;
    let mut text = String::new();
    for (word, line) in [("sent", sent.as_deref()), ("came", came.as_deref())] {
        if let Some(line) = line {
            let _ = writeln!(text, "    {word}   {line}");
        }
    }
    let what = what.replace('\n', "\n           ");
    let _ = writeln!(text, "    wrong  {what}\n    do     {remedy}");
    text
}

/// Sums up in one line.
fn sum(checks: &[BridgeCheck]) -> String {
    let count = |is: fn(&Found) -> bool| checks.iter().filter(|check| is(&check.found)).count();
    let wrong = count(|found| matches!(found, Found::Wrong(_)));
    let untried = count(|found| matches!(found, Found::NotTried(_)));
    let unasked = count(|found| matches!(found, Found::NotAsked(_)));
    let rules = checks.len() - unasked;
    let told = match (wrong, untried) {
        (0, 0) => format!("the bridge is right by all {rules} rules"),
        (_, 0) => format!("the bridge is wrong by {wrong} of {rules} rules"),
        (_, _) => {
            format!("the bridge is wrong by {wrong} of {rules} rules; {untried} were not tried")
        }
    };
    if unasked == 0 { told } else { format!("{told}; {unasked} not asked") }
}

/// What is shown of one rule: the first lines say what is wrong, more say it again.
const SHOWN_MAX: usize = 3;

/// How many folders are kept.
const KEPT: usize = 5;
