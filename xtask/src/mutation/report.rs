//! What came of the sample: the counts, the share, and whether that is good enough.

use std::fmt;

use super::known::Known;
use super::sample::Mutant;
use crate::outcome::{Failure, Outcome};

/// How the tests met one mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It does not compile, so it says nothing about the tests.
    Unviable,
    /// A test failed.
    Killed,
    /// A test did not end in time.
    TimedOut,
    /// Every test passed.
    Survived,
}

/// The sample, judged.
#[derive(Debug)]
pub(super) struct Report {
    unviable: usize,
    killed: usize,
    timed_out: Vec<Mutant>,
    survivors: Vec<(Mutant, Option<String>)>,
}

impl Report {
    /// Sorts the results, and looks the survivors up.
    pub(super) fn new(results: Vec<(Mutant, Fate)>, known: &Known) -> Self {
        let count = |fate| results.iter().filter(|(_, found)| *found == fate).count();
        let (unviable, killed) = (count(Fate::Unviable), count(Fate::Killed));
        let (mut timed_out, mut survived) = (Vec::new(), Vec::new());
        for (mutant, fate) in results {
            match fate {
                Fate::TimedOut => timed_out.push(mutant),
                Fate::Survived => survived.push(mutant),
                Fate::Unviable | Fate::Killed => {}
            }
        }
        let reasons = known.reasons(&survived).into_iter().map(|reason| reason.map(String::from));
        let reasons: Vec<Option<String>> = reasons.collect();
        Self { unviable, killed, timed_out, survivors: survived.into_iter().zip(reasons).collect() }
    }

    /// Says whether enough were noticed, and every survivor is known.
    pub(super) fn verdict(&self) -> Outcome {
        let unknown = self.survivors.iter().filter(|(_, reason)| reason.is_none()).count();
        let mut faults = Vec::new();
        if self.noticed() * 100 < SHARE_PERCENT_MIN * self.viable() {
            faults.push(format!("fewer than {SHARE_PERCENT_MIN} % were noticed"));
        }
        if unknown > 0 {
            faults.push(format!("{unknown} survivors are not in harness/mutants/survivors.toml"));
        }
        // The share is not too small then, as nothing is not less than nothing.
        if self.viable() == 0 {
            faults.push("no mutant was viable, so nothing was measured".into());
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Failure::Found(format!("mutation: {}", faults.join("; "))))
    }

    fn viable(&self) -> usize {
        self.noticed() + self.survivors.len()
    }

    fn noticed(&self) -> usize {
        self.killed + self.timed_out.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (viable, noticed) = (self.viable(), self.noticed());
        writeln!(
            out,
            "mutation: {viable} viable, {} unviable; {} killed, {} timed out, {} survived",
            self.unviable,
            self.killed,
            self.timed_out.len(),
            self.survivors.len()
        )?;
        for mutant in &self.timed_out {
            writeln!(out, "  timed out: {}", mutant.name)?;
        }
        for (mutant, reason) in &self.survivors {
            let reason = reason.as_ref().map_or("UNKNOWN", |_| "known");
            writeln!(out, "  survived ({reason}): {}", mutant.name)?;
        }
        let tenths = noticed * 1_000 / viable.max(1);
        write!(out, "mutation: {noticed} of {viable}, {}.{} %", tenths / 10, tenths % 10)
    }
}

/// The share of the viable mutants that must be noticed.
const SHARE_PERCENT_MIN: usize = 90;

#[cfg(test)]
mod tests {
    use super::super::known::tests::known;
    use super::super::sample::tests::mutant;
    use super::*;

    fn report(killed: u64, survived: u64, known: &Known) -> Report {
        let killed = (0..killed).map(|line| (mutant(line, "k"), Fate::Killed));
        let survived = (0..survived).map(|line| (mutant(line, "s"), Fate::Survived));
        let others = [(mutant(1, "t"), Fate::TimedOut), (mutant(1, "u"), Fate::Unviable)];
        Report::new(killed.chain(survived).chain(others).collect(), known)
    }

    #[test]
    fn the_share_is_of_the_viable_and_time_outs_are_told_apart() {
        let text = report(16, 1, &known(&[])).to_string();
        assert!(text.starts_with("mutation: 18 viable, 1 unviable; 16 killed, 1 timed out, 1 sur"));
        assert!(text.contains("\n  timed out: paxos/src/quorum.rs:1:9: t\n"), "{text}");
        assert!(text.contains("\n  survived (UNKNOWN): paxos/src/quorum.rs:0:9: s\n"), "{text}");
        assert!(text.ends_with("mutation: 17 of 18, 94.4 %"), "{text}");
    }

    #[test]
    fn a_survivor_is_excused_by_its_entry_and_by_nothing_else() {
        let listed = known(&["paxos/src/quorum.rs: s"]);
        assert!(report(16, 1, &listed).verdict().is_ok());
        assert!(report(26, 2, &listed).verdict().is_err());
        assert!(report(16, 1, &known(&[])).verdict().is_err());
    }

    #[test]
    fn known_survivors_count_against_the_share() {
        let listed = known(&["paxos/src/quorum.rs: s"; 2]);
        assert!(report(17, 2, &listed).verdict().is_ok());
        assert!(report(16, 2, &listed).verdict().is_err());
        assert!(Report::new(Vec::new(), &listed).verdict().is_err());
    }
}
