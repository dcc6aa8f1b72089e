//! The verb `mutation`: small changes that a machine makes to the safety code, and the tests that
//! must notice them.
//!
//! The verb `mutants` seeds the bugs that people thought of; this one draws a sample of those that
//! nobody did, so that the tests are measured and not only trusted. The claim kept here: the share
//! that is printed is of mutants that were really run, and a survivor is either explained in
//! harness/mutants/survivors.toml or a failure.

mod known;
mod report;
mod sample;
mod tool;

use std::num::NonZeroUsize;
use std::time::Instant;

use lexopt::{Arg, ValueExt as _};

use crate::mutants::Scratch;
use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::workspace::target_dir;
use report::Report;
use tool::Tool;

/// Runs the verb: `[--sample N] [--seed S] [--jobs J] [--only TEXT] [--package NAME]`, where TEXT
/// keeps the mutants whose name contains it before the sample is drawn, and NAME runs only those of
/// the sample that are of this package: a long sample is run in parts.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let asked = Asked::parse(arguments)?;
    let known = known::read()?;
    let tool = Tool::install(&target_dir())?;
    let scratch = Scratch::open()?;
    let all = tool.list(&scratch)?;
    let stale = known.stale(&all);
    let mut wanted = all.clone();
    wanted.retain(|mutant| asked.only.as_ref().is_none_or(|text| mutant.name.contains(text)));
    if wanted.is_empty() {
        return Err(Failure::Usage("no mutant has such a name".into()));
    }
    let mut drawn = sample::draw(wanted, asked.sample, asked.seed);
    say!("mutation: {} of {} mutants, seed {}", drawn.len(), all.len(), asked.seed);
    if let Some(package) = &asked.package {
        // Left out after the draw, so that calls for several packages share one sample.
        drawn.retain(|mutant| mutant.package == *package);
        say!("mutation: {} of them are of {package}", drawn.len());
    }
    if drawn.is_empty() {
        return Err(Failure::Usage("no mutant of the sample is of this package".into()));
    }
    let start = Instant::now();
    let results = tool.run(&scratch, &drawn, asked.jobs)?;
    scratch.restore()?;
    let report = Report::new(results, &known);
    say!("{report}");
    stale.iter().for_each(|name| say!("  stale in the list of survivors: {name}"));
    say!("mutation: seed {}, {}", asked.seed, crate::test::seconds(start.elapsed()));
    report.verdict()
}

/// What the command line asks for.
#[derive(Debug)]
struct Asked {
    sample: usize,
    seed: u64,
    jobs: usize,
    only: Option<String>,
    package: Option<String>,
}

impl Asked {
    fn parse(arguments: &mut lexopt::Parser) -> Result<Self, Failure> {
        let mut asked = Self { sample: SAMPLE, seed: 1, jobs: 1, only: None, package: None };
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("sample") => {
                    asked.sample = arguments.value()?.parse::<NonZeroUsize>()?.get();
                }
                Arg::Long("seed") => asked.seed = arguments.value()?.parse()?,
                Arg::Long("jobs") => asked.jobs = arguments.value()?.parse::<NonZeroUsize>()?.get(),
                Arg::Long("only") => asked.only = Some(arguments.value()?.string()?),
                Arg::Long("package") => asked.package = Some(arguments.value()?.string()?),
                Arg::Value(_) | Arg::Short(_) | Arg::Long(_) => {
                    return Err(argument.unexpected().into());
                }
            }
        }
        Ok(asked)
    }
}

/// How many mutants are drawn when nobody says otherwise. With as many, the share that is
/// measured lies within four points of the true one, nineteen times in twenty.
const SAMPLE: usize = 300;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn asked(arguments: &[&str]) -> Result<Asked, Failure> {
        Asked::parse(&mut lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn the_flags_are_read_and_a_wrong_one_is_the_callers_fault() {
        let plain = asked(&[]).unwrap();
        assert_eq!((plain.sample, plain.seed, plain.jobs), (SAMPLE, 1, 1));
        let all = asked(&["--sample", "9", "--seed", "7", "--jobs", "2", "--only", "x"]).unwrap();
        assert_eq!((all.sample, all.seed, all.jobs, all.only.as_deref()), (9, 7, 2, Some("x")));
        let part = asked(&["--package", "synod-smr"]).unwrap();
        assert_eq!((part.sample, part.package.as_deref()), (SAMPLE, Some("synod-smr")));
        for arguments in [&["--sample", "0"][..], &["--jobs", "0"], &["--fast"], &["name"]] {
            assert!(matches!(asked(arguments), Err(Failure::Usage(_))), "{arguments:?}");
        }
    }
}
