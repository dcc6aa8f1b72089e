//! `synod-harness faults`: what can be done to a system on this machine, and why not the rest.
//!
//! Each fault is put into a plan of its own, and the plan is asked about as `chaos` asks before a
//! run: by the same functions, so that list and run cannot disagree.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use synod_fault::nemesis::Nemesis;
use synod_fault::{Abilities, AskedBy, ListedFault, Millis, Scenario};
use synod_live::setup::{NODES_MAX, SystemUnderTest};
use synod_rng::Seed;

use super::chaos::{SystemFile, check_live, check_nemesis};
use super::refusal::Refusal;
use super::{fail, printed, say};

#[derive(Debug, Args)]
pub(super) struct FaultsArguments {
    #[command(flatten)]
    system: SystemFile,
    /// How many nodes.
    #[arg(long, default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    nodes: u16,
}

pub(super) fn faults(arguments: &FaultsArguments) -> ExitCode {
    let list = arguments.system.under_test().and_then(|it| listed(&it, arguments.nodes));
    match list {
        Ok(text) => printed(say(&text), 0),
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

fn listed(under_test: &SystemUnderTest, nodes: u16) -> Result<String, Refusal> {
    // A system that cannot be run at all is refused as a run of it would be.
    let world = under_test.system.abilities();
    check_live(&Scenario::calm(Seed(1), nodes, TIME_MS), world, under_test)?;
    let all = ListedFault::all();
    let (named, written): (Vec<_>, Vec<_>) =
        all.iter().partition(|fault| matches!(fault.asked, AskedBy::Nemesis(_)));
    let mut text = String::new();
    let mut can = 0;
    for (header, faults) in [(NAMED, named), (WRITTEN, written)] {
        let _ = writeln!(text, "{header}");
        for fault in faults {
            let refused = refusal_of(fault, under_test, nodes, world);
            can += usize::from(refused.is_none());
            let word = if refused.is_none() { "can   " } else { "cannot" };
            let _ = writeln!(text, "  {word}  {:<24} {}", fault.name, fault.does);
            if let AskedBy::Scenario(_) = fault.asked {
                for line in fault.written().lines() {
                    let _ = writeln!(text, "            {line}");
                }
            }
            if let Some(why) = refused {
                let _ = writeln!(text, "          why not: {}", brief(&why));
            }
        }
    }
    let (count, name) = (all.len(), &under_test.system.name);
    let _ = writeln!(text, "{can} of {count} faults can be done to {name} with {nodes} nodes here");
    Ok(text)
}

/// Says why a run with this fault would be refused, if it would.
fn refusal_of(
    fault: &ListedFault,
    under_test: &SystemUnderTest,
    nodes: u16,
    world: Abilities,
) -> Option<String> {
    if let AskedBy::Nemesis(kind) = fault.asked
        && let Err(Refusal(_, why)) = check_nemesis(Nemesis::Only(kind), nodes, world)
    {
        return Some(why);
    }
    let plan = fault.plan(nodes, world.transports);
    check_live(&plan, world, under_test).err().map(|Refusal(_, why)| why)
}

/// Cuts off what a list says already: which fault it is about, and which others there are.
fn brief(why: &str) -> &str {
    let why = why.split_once(" of fault 1: ").map_or(why, |(_, why)| why);
    why.split_once("; it can suffer from ").map_or(why, |(why, _)| why)
}

const NAMED: &str = "synod-harness chaos --nemesis NAME";

const WRITTEN: &str = "synod-harness chaos --scenario FILE, with a fault that has these lines";

/// How long a run is that breaks nothing.
const TIME_MS: Millis = Millis(1_000);
