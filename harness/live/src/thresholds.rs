//! How much a run must have exercised to mean anything.
//!
//! A pass that tried little is worse than a failure. What is enough stands in the description of
//! the system: a store on slow disks may ask for less. The claim kept true: what is refused counts
//! for nothing, so a system that serves between faults alone shows nothing.

use serde::{Deserialize, Serialize};
use synod_fault::Scenario;
use synod_report::{Exercise, Parts};

/// How much a run needs to have exercised; less of any is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Operations that were ok.
    pub ok: u64,
    /// Reads that saw a value, in each thousand operations that were ok.
    pub reads_per_mille: u64,
    /// Of the reads that saw a value, how many in each thousand overlapped a change of their key,
    /// where there is more than one client.
    pub overlapped_per_mille: u64,
    /// Of the faults, how many in each hundred must have had an operation, while they went on, that
    /// was ok or of which nobody knows.
    pub faults_felt_percent: u64,
    /// Operations that were ok while some fault went on, for each fault.
    pub ok_per_fault: u64,
    /// Reads that saw a value while some fault went on, for each ten faults.
    pub reads_per_ten_faults: u64,
    /// Of the time of faults that leave most nodes alone, how many parts in a hundred must have had
    /// an operation that was ok.
    pub served_percent: u64,
    /// For how many milliseconds beyond its patience and its rests a client may have been silent
    /// when all was healed; one that is longer is gone.
    pub quiet_client_ms: u64,
    /// How many in each hundred faults that were drawn may have no effect, because nobody led or
    /// another fault had come first. Of those that somebody wrote, each must have one.
    pub idle_percent: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            ok: 300,
            reads_per_mille: 20,
            overlapped_per_mille: 1,
            faults_felt_percent: 60,
            ok_per_fault: 3,
            reads_per_ten_faults: 3,
            served_percent: 10,
            quiet_client_ms: 2_000,
            idle_percent: 25,
        }
    }
}

impl Thresholds {
    /// Says what was exercised too little, with the rule and the figure.
    #[must_use]
    pub fn gaps(&self, exercise: &Exercise, plan: &Scenario) -> Vec<String> {
        let Exercise { all, in_faults, faults, .. } = exercise;
        let mut gaps = Vec::new();
        let mut need = |rule: &str, seen: u64, wanted: u64, what: &str| {
            if seen < wanted {
                gaps.push(format!("only {seen} {what}; a run needs {wanted} (rule `{rule}`)"));
            }
        };
        need("ok", all.ok, self.ok, "operations were ok");
        need(
            "reads_per_mille",
            all.reads,
            (all.ok * self.reads_per_mille).div_ceil(1_000),
            "reads saw a value",
        );
        // A single client has one operation at a time, and nothing that it could overlap.
        if plan.clients > 1 {
            let wanted = (all.reads * self.overlapped_per_mille).div_ceil(1_000);
            need("overlapped_per_mille", all.overlapped, wanted, "reads overlapped a change");
        }
        let count = faults.len() as u64;
        let felt = exercise.faults_felt() as u64;
        let wanted = (count * self.faults_felt_percent).div_ceil(100);
        let what = "faults had an operation meanwhile that was ok or of which nobody knows";
        need("faults_felt_percent", felt, wanted, what);
        let what = "operations were ok while a fault went on";
        need("ok_per_fault", in_faults.ok, count * self.ok_per_fault, what);
        let wanted = (count * self.reads_per_ten_faults).div_ceil(10);
        need("reads_per_ten_faults", in_faults.reads, wanted, "reads saw a value during faults");
        let Parts { all: parts, served } = exercise.parts;
        let what = format!("of {parts} parts of faults that leave most nodes alone had an ok");
        need("served_percent", served, (parts * self.served_percent).div_ceil(100), &what);
        if let Some((client, silent)) = exercise.quiet
            && silent > self.quiet_client_ms
        {
            let most = self.quiet_client_ms;
            gaps.push(format!(
                "client {client} was silent for {silent} ms when all was healed; {most} is the \
                 most (rule `quiet_client_ms`)"
            ));
        }
        gaps
    }

    /// Tells whether they are those of a system that says nothing of them.
    #[must_use]
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_fault::Millis;
    use synod_report::{Exercised, Parts};
    use synod_rng::Seed;

    fn plan() -> Scenario {
        Scenario { clients: 2, ..Scenario::calm(Seed(1), 3, Millis(1_000)) }
    }

    #[test]
    fn too_little_of_anything_is_told_with_rule_and_figure() {
        let plenty = Exercised { ok: 2_000, unknown: 9, reads: 500, overlapped: 100 };
        let good = Exercise {
            all: plenty,
            in_faults: plenty,
            faults: vec![plenty; 10],
            ..Exercise::default()
        };
        let usual = Thresholds::default();
        assert_eq!(usual.gaps(&good, &plan()), Vec::<String>::new());
        let gap = |spoil: &dyn Fn(&mut Exercise), words: &str| {
            let mut seen = good.clone();
            spoil(&mut seen);
            let gaps = usual.gaps(&seen, &plan());
            assert!(gaps.iter().any(|gap| gap.contains(words)), "{gaps:?}");
        };
        gap(&|seen| seen.all.ok = 299, "only 299 operations were ok; a run needs 300 (rule `ok`)");
        gap(&|seen| seen.all.reads = 39, "only 39 reads saw a value; a run needs 40");
        gap(&|seen| seen.all.overlapped = 0, "rule `overlapped_per_mille`");
        gap(&|seen| seen.faults = vec![Exercised::default(); 10], "rule `faults_felt_percent`");
        gap(&|seen| seen.in_faults.ok = 29, "only 29 operations were ok while a fault went on");
        gap(&|seen| seen.in_faults.reads = 2, "rule `reads_per_ten_faults`");
        gap(&|seen| seen.parts = Parts { all: 40, served: 3 }, "only 3 of 40 parts of faults");
        let words = "client 5 was silent for 2001 ms when all was healed; 2000 is the most";
        gap(&|seen| seen.quiet = Some((5, 2_001)), words);
        let just = Exercise {
            parts: Parts { all: 40, served: 4 },
            quiet: Some((5, 2_000)),
            ..good.clone()
        };
        assert_eq!(usual.gaps(&just, &plan()), Vec::<String>::new());
        let calm = Exercise { all: plenty, ..Exercise::default() };
        assert_eq!(usual.gaps(&calm, &plan()), Vec::<String>::new());
    }
}
