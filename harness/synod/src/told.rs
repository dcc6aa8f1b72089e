//! What a batch or a single run came to, in words: how much was simulated, how it ended, why it
//! shows nothing, and how to run a seed that failed again.
//!
//! Counting is the batch's. The claim kept true: the line that is shown with a failure asks for the
//! very run that failed.

use std::fmt::Write as _;

use synod_fault::Scenario;
use synod_fault::nemesis::Nemesis;
use synod_fault::swarm::SwarmConfig;

use crate::batch::{EFFECTIVE_MIN, OPERATIONS_MIN, Report};
use crate::trial::RunResult;

/// Says what a batch came to that took so many seconds.
#[must_use]
pub fn told(report: &Report, seconds: f64, config: &SwarmConfig) -> String {
    let mut text = String::new();
    let virtual_s = report.virtual_us as f64 / 1e6;
    let busy = report.busy.as_secs_f64();
    // A string takes whatever is written to it, so that none of these can fail.
    let _ = writeln!(
        text,
        "{} seeds in {seconds:.1} s: {:.0} simulated hours, {:.0} times real time on each thread, \
         {:.0} steps/s, {:.0} seeds/minute",
        report.seeds,
        virtual_s / 3_600.0,
        virtual_s / busy,
        report.steps as f64 / seconds,
        report.seeds as f64 / seconds * 60.0
    );
    let _ = writeln!(
        text,
        "operations: {} ok, {} failed, {} unknown; {} faults effective, {} crashes; trace {:016x}",
        report.outcomes.ok,
        report.outcomes.failed,
        report.outcomes.unknown,
        report.effective,
        report.crashes,
        report.trace
    );
    let _ = writeln!(
        text,
        "{} seeds passed, {} were thin (under {OPERATIONS_MIN} operations or {EFFECTIVE_MIN} \
         effective faults), {} failed",
        report.seeds - report.thin - report.failed,
        report.thin,
        report.failed
    );
    for (seed, violation) in &report.failures {
        let detail = violation.to_string();
        let line = detail.lines().next().unwrap_or_default();
        let again = asked(config);
        text += &format!("seed {seed}: {line}\n  cargo xtask sim --seed {seed}{again} --shrink\n");
    }
    text
}

/// Says with which arguments a seed draws the plans of this config.
fn asked(config: &SwarmConfig) -> String {
    let usual = SwarmConfig::default();
    let mut words = String::new();
    if config.time_ms != usual.time_ms {
        words += &format!(" --time {}", config.time_ms.0 / 1_000);
    }
    if let ([nodes], true) = (&config.nodes[..], config.nodes != usual.nodes) {
        words += &format!(" --nodes {nodes}");
    }
    words
}

/// Says in one line what a single run came to.
#[must_use]
pub fn summed_up(plan: &Scenario, ended: &RunResult) -> String {
    let (tally, outcomes) = (ended.tally, ended.outcomes);
    format!(
        "seed {}, {} nodes, {} clients: {} steps, {} ok, {} failed, {} unknown, {} of {} \
         faults effective, trace {:016x}\n",
        plan.seed,
        plan.nodes,
        plan.clients,
        tally.steps,
        outcomes.ok,
        outcomes.failed,
        outcomes.unknown,
        tally.effective,
        plan.faults.len(),
        ended.trace
    )
}

/// Says why a run without a violation shows nothing, if it does not.
#[must_use]
pub fn nothing_tried(plan: &Scenario, ended: &RunResult) -> Option<String> {
    if ended.outcomes.ok == 0 {
        return Some("no operation was answered".to_owned());
    }
    // A generator may draw none, or one that comes too late.
    let is_drawn = plan.is_drawn();
    if plan.plans_nothing() && (!is_drawn || plan.nemesis.parse::<Nemesis>().is_ok()) {
        let nemesis = &plan.nemesis;
        let why = format!(
            "the plan has no fault of {nemesis}; if it shall have none, its nemesis \
             is calm"
        );
        return Some(why);
    }
    if !plan.faults.is_empty() && ended.tally.effective == 0 {
        return Some("no fault had an effect".to_owned());
    }
    let unbegun = ended.unbegun.filter(|_| !is_drawn)?;
    let fault = &plan.faults[unbegun as usize - 1];
    Some(format!("fault {unbegun} never began: {}", fault.to_string().trim_start()))
}

#[cfg(test)]
mod tests {
    use synod_fault::Millis;

    use super::*;

    #[test]
    fn the_line_that_is_shown_asks_for_the_run_that_failed() {
        let usual = SwarmConfig::default();
        assert_eq!(asked(&usual), "");
        let longer = SwarmConfig { time_ms: Millis(600_000), ..usual };
        assert_eq!(asked(&longer), " --time 600");
        assert_eq!(asked(&SwarmConfig { nodes: vec![5], ..longer }), " --time 600 --nodes 5");
    }
}
