//! The `synod-kv` command: parses the command line and leaves all else to the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use synod_kv::cli::Cli;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => synod_kv::run::run(cli).report(),
        Err(error) => {
            let wrong = error.use_stderr();
            let text = error.render().to_string();
            // Help goes to stdout and is no failure; a closed pipe is not worth a complaint.
            let _ = if wrong {
                std::io::stderr().write_all(text.as_bytes())
            } else {
                std::io::stdout().write_all(text.as_bytes())
            };
            ExitCode::from(if wrong { USAGE } else { 0 })
        }
    }
}

const USAGE: u8 = 64;
