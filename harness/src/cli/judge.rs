//! `synod-harness check` and `report`: what can be done with the files of a run.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use synod_harness::report;

use super::{USAGE, fail};

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// The folder of the run.
    run: PathBuf,
}

pub(super) fn report(arguments: &ReportArguments) -> ExitCode {
    match report::write(&arguments.run) {
        Ok(page) => {
            // Nothing can be done about a closed standard output.
            drop(writeln!(std::io::stdout(), "{}", page.display()));
            ExitCode::SUCCESS
        }
        Err(error) => fail(USAGE, &error),
    }
}
