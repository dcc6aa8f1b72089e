//! The verb `demo`: a build with a seeded bug, and the harness that finds it.
//!
//! Which bug is left to the catalogue of mutants, where one entry carries the flags of a chaos
//! run that shows it. Well means caught here: the exit code is 0 when the harness found a
//! violation, and 1 when it did not.

use std::ffi::OsString;
use std::time::Instant;

use crate::chaos;
use crate::mutants::{Mutant, Scratch, read_catalogue};
use crate::outcome::{FOUND, Failure, Outcome};
use crate::said::say;
use crate::test::seconds;
use crate::workspace::target_dir;

/// Seeds the bug, builds, runs, and tells whether it was caught.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let (mutant, flags) = chosen()?;
    say!("demo: Synod with a seeded bug, {}: {}", mutant.id, mutant.breaks);
    say!("demo: building it in a scratch copy; your sources stay as they are");
    let scratch = Scratch::open()?;
    scratch.apply(&mutant.patch)?;
    scratch.inside(chaos::build_step()).run()?;
    let start = Instant::now();
    let step = chaos::campaign_in(&scratch.target(), &target_dir().join("demo"), &flags);
    let status = step.status()?;
    let took = seconds(start.elapsed());
    // Before what came of it is looked at, which returns in each case.
    scratch.restore()?;
    match status.code() {
        Some(code) if code == i32::from(FOUND) => {
            say!("\ndemo: caught, {took} after its build. The bug: {}", mutant.breaks);
            say!("demo: its patch is harness/mutants/{}", patch_name(&mutant));
            Ok(())
        }
        Some(0 | 2) => {
            Err(Failure::Found(format!("demo: {} was not caught ({status})", mutant.id)))
        }
        Some(_) | None => Err(step.failure(status, String::new())),
    }
}

fn chosen() -> Result<(Mutant, Vec<OsString>), Failure> {
    let mutants = read_catalogue()?.into_iter();
    let mut shown = mutants.filter_map(|mutant| mutant.demo.clone().map(|flags| (mutant, flags)));
    let (mutant, flags) = shown
        .next()
        .ok_or_else(|| Failure::Found("no mutant of the catalogue is a demo".into()))?;
    let mut parser = lexopt::Parser::from_args(&flags);
    Ok((mutant, chaos::chaos_flags(&mut parser)?))
}

fn patch_name(mutant: &Mutant) -> String {
    mutant.patch.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
