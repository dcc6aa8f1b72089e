//! `synod-harness failover`: the figure of how long writes wait when the leader is killed.

use std::process::ExitCode;

use clap::Args;
use synod_fault::{Millis, Scenario};
use synod_live::failover::{Failovers, measure};
use synod_live::interrupt::Interrupt;
use synod_live::run::RunConfig;
use synod_live::setup::NODES_MAX;
use synod_rng::Seed;
use synod_workload::WorkloadName;

use super::chaos::{SystemArguments, drawn_seed, order, system_under_test};
use super::output::{FormatArgument, OutputArguments};
use super::refusal::{Refusal, refusal, system_of};
use super::repeat::single_thread;
use super::{INTERNAL, INTERRUPTED, VIOLATION, fail, printed, say};

#[derive(Debug, Args)]
pub(super) struct FailoverArguments {
    #[command(flatten)]
    system: SystemArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// How often the leader is killed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    kills: u32,
    /// How many nodes.
    #[arg(long, default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(2..=i64::from(NODES_MAX)))]
    nodes: u16,
    /// How many clients write.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    clients: u32,
    /// The median, in milliseconds, above which the exit code is 1.
    #[arg(long, value_name = "MS")]
    median_max_ms: Option<u64>,
}

pub(super) fn failover(arguments: &FailoverArguments) -> ExitCode {
    let text = matches!(arguments.output.format, FormatArgument::Text);
    let outcome = order_of(arguments).and_then(|order| {
        let runtime = single_thread().map_err(|error| Refusal(INTERNAL, error.to_string()))?;
        runtime.block_on(watched(&order, arguments.kills, text))
    });
    match outcome {
        Ok(failovers) => show(&failovers, text, arguments.median_max_ms),
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

/// Measures until it is done or the user has enough.
async fn watched(order: &RunConfig, kills: u32, text: bool) -> Result<Failovers, Refusal> {
    let interrupt = Interrupt::listen().map_err(|error| Refusal(INTERNAL, error.to_string()))?;
    let progress = |line: &str| {
        if text {
            // What was found is printed in the end, or told as unprinted.
            drop(say(&format!("{line}\n")));
        }
    };
    let measured = measure(order, kills, &interrupt, progress).await;
    let measured = measured.map_err(|error| refusal(&error))?;
    measured.ok_or_else(|| Refusal(INTERRUPTED, "interrupted".to_owned()))
}

fn order_of(arguments: &FailoverArguments) -> Result<RunConfig, Refusal> {
    let system = system_of(&arguments.system.system)?;
    let plan = Scenario {
        system: system.name.clone(),
        clients: arguments.clients,
        workload: WorkloadName::Registers.name().to_owned(),
        nemesis: "failover".to_owned(),
        timeout_ms: Millis(5_000),
        rest_ms: Millis(0),
        ..Scenario::calm(Seed(drawn_seed()), arguments.nodes, Millis(0))
    };
    let under_test = system_under_test(system, &arguments.system, &arguments.system.system);
    Ok(order(plan, WorkloadName::Registers, under_test, &arguments.output, String::new()))
}

fn show(failovers: &Failovers, text: bool, median_max_ms: Option<u64>) -> ExitCode {
    let said = if text {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        say(&format!(
            "leader killed {} times: first ok write after median {:.1} ms, p90 {:.1} ms, max {:.1} \
             ms; {} without an answer\n",
            failovers.micros.len() + failovers.unanswered as usize,
            ms(failovers.median_micros),
            ms(failovers.p90_micros),
            ms(failovers.max_micros),
            failovers.unanswered
        ))
    } else {
        let line = serde_json::to_string(failovers).expect("plain data has a written form");
        say(&format!("{line}\n"))
    };
    let slow =
        median_max_ms.is_some_and(|most| failovers.median_micros > most.saturating_mul(1_000));
    printed(said, if slow || failovers.unanswered > 0 { VIOLATION } else { 0 })
}
