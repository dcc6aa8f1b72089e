//! The part of a batch that one machine of several has run, as it is merged with the others.
//!
//! Which seeds are whose, and what the parts are together, is `synod-report`'s. The claims kept
//! true: every sum of a batch is in the summary, so that the merge tells what one machine would
//! have told; and a part says nothing of points that it alone has not seen.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use synod_report::{Campaign, PointHits, Shard, ShardSummary, SimulatedSeeds, Work};

use crate::batch::{Batch, Report};
use crate::coverage::Point;

/// Sums up what one machine came to of the seeds of a whole batch.
#[must_use]
pub fn summary(whole: &Batch, shard: Shard, report: &Report, all_points: bool) -> ShardSummary {
    let Batch { config, twice, first, count, .. } = whole;
    // What a plan is drawn from, in words of its own, so that nothing of it is left out.
    let asked = [
        ("what plans are drawn from", format!("{config:?}")),
        ("--twice", twice.to_string()),
        ("--all-points", all_points.to_string()),
    ];
    let asked = asked.map(|(name, value)| (name.to_owned(), value)).into();
    ShardSummary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        shard,
        campaign: Campaign { asked, first: *first, runs: *count },
        work: Work::Seeds(seeds(report, all_points)),
    }
}

fn seeds(report: &Report, all_points: bool) -> SimulatedSeeds {
    let hits = |point: &Point| {
        let seen = report.hit_counts.of(*point);
        (point.name().to_owned(), PointHits { times: seen.times, runs: seen.runs })
    };
    let failures = report.failures.iter().map(|(seed, violation)| {
        let words = violation.to_string();
        (*seed, words.lines().next().unwrap_or_default().to_owned())
    });
    SimulatedSeeds {
        seeds: report.seeds,
        thin: report.thin,
        failed: report.failed,
        failures: failures.collect::<BTreeMap<_, _>>(),
        ok: report.outcomes.ok,
        fail: report.outcomes.failed,
        info: report.outcomes.unknown,
        steps: report.steps,
        effective: report.effective,
        crashes: report.crashes,
        virtual_us: report.virtual_us,
        points: Point::ALL.iter().map(hits).collect(),
        trace: report.trace,
        all_points,
    }
}

/// Takes away the summary that an earlier attempt at a shard may have left in a folder.
///
/// # Errors
///
/// Names the file, and what the system said.
pub fn forget(folder: &Path, shard: Shard) -> Result<(), String> {
    let path = folder.join(shard.file_name());
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(format!("cannot take away the older {}: {error}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says what a part came to, after `told`, and with which exit code.
#[must_use]
pub fn told(summary: &ShardSummary, told: String) -> (String, u8) {
    let ShardSummary { shard, campaign, work, .. } = summary;
    let runs = campaign.runs;
    let Work::Seeds(seeds) = work else { unreachable!("a batch is of simulated seeds") };
    // More machines than seeds leave some without any, which is no fault of theirs.
    if summary.share() == 0 {
        let none = "nothing was run, and nothing is claimed";
        return (format!("{shard} has none of the {runs} seeds: {none}\n"), PASS);
    }
    let text = format!(
        "{told}{shard} of a campaign of {runs} seeds: what was never seen is said by \
         `synod-harness report --merge`, of all shards\n"
    );
    let code = match (seeds.failed, seeds.ok) {
        (0, 0) => TOO_LITTLE,
        (0, _) => PASS,
        (_, _) => VIOLATION,
    };
    (text, code)
}

const PASS: u8 = 0;
const VIOLATION: u8 = 1;
const TOO_LITTLE: u8 = 2;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use synod_fault::Millis;
    use synod_fault::swarm::SwarmConfig;
    use synod_report::{Part, merge};

    use super::*;

    fn batch(count: u64) -> Batch {
        let config = SwarmConfig { time_ms: Millis(5_000), ..SwarmConfig::default() };
        Batch { first: 300, count, step: 1, jobs: 2, twice: false, config }
    }

    fn run(batch: &Batch) -> Report {
        batch.run(&AtomicBool::new(false), |_| ())
    }

    /// The parts are run as machines would, and tell together what one machine tells.
    #[test]
    fn shards_are_together_what_one_machine_would_have_run() {
        let whole = batch(7);
        let alone = run(&whole);
        let expected = seeds(&alone, true);
        let part = |index| {
            let shard = Shard::new(index, 9).expect("it is among them");
            let summary = summary(&whole, shard, &run(&whole.of_shard(shard)), true);
            Part { place: shard.to_string(), summary }
        };
        let parts: Vec<Part> = (0..9).map(part).collect();
        let merged = merge(&parts).expect("they are parts of one campaign");
        assert_eq!(merged.seeds, Some(expected), "sums, points, failures and the trace");
        assert!(merged.is_whole);
        let unseen = alone.hit_counts.unseen();
        assert!(!unseen.is_empty(), "seven short seeds reach not all");
        assert_eq!(merged.code, 2, "what nobody has seen is said now");
        assert!(merged.reasons.iter().any(|reason| reason.starts_with("never seen: ")));
        let (text, code) = told(&parts[8].summary, String::new());
        assert_eq!(code, 0);
        assert!(
            text.starts_with("shard 8 of 9 has none of the 7 seeds: nothing was run"),
            "{text}"
        );
        let (text, code) = told(&parts[0].summary, "so it went\n".to_owned());
        assert_eq!(code, 0, "a shard does not judge what it has not seen: {text}");
        assert!(text.starts_with("so it went\nshard 0 of 9 of a campaign of 7 seeds"), "{text}");
    }
}
