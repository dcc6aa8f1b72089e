//! The `synod-kv` command: parses the command line and leaves all else to the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use synod_kv::cli::Cli;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => synod_kv::run::run(cli).report(),
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                // Nothing can be done about a closed standard error.
                drop(std::io::stderr().write_all(text.as_bytes()));
                return ExitCode::from(USAGE);
            }
            // Help is no failure; what could not be printed is no success.
            let mut out = std::io::stdout().lock();
            let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            ExitCode::from(if said.is_ok() { 0 } else { INTERNAL })
        }
    }
}

const USAGE: u8 = 64;

const INTERNAL: u8 = 70;
