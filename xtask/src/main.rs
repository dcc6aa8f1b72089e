//! The project's own tasks: `cargo xtask <verb>`.
//!
//! Everything that CI, a contributor or a first-time visitor runs is a verb here, written in
//! Rust and run the same way by all of them. The work itself is left to the crates: this one
//! builds and runs them, and depends on none of them, so that it compiles in seconds. The claim
//! kept here: a failure is never swallowed, and is told with the exact command that failed.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its standard streams"
)]

mod api;
mod bench;
mod book;
mod canary;
mod chaos;
mod ci;
mod demo;
mod doctor;
mod fuzz;
mod habits;
mod lint;
mod measure;
mod measurements;
mod mutants;
mod mutation;
mod outcome;
mod power;
mod prove;
mod release;
mod root;
mod shell;
mod sim;
mod spec;
mod test;
mod tidy;
mod tools;
mod verbs;
mod workspace;

use std::process::ExitCode;

use lexopt::Arg;
use outcome::{Failure, Outcome};

fn main() -> ExitCode {
    match run(&mut lexopt::Parser::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: &mut lexopt::Parser) -> Outcome {
    match arguments.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => {
            print!("{}", verbs::list());
            Ok(())
        }
        Some(Arg::Value(name)) => match verbs::find(&name.to_string_lossy()) {
            Some(verb) => (verb.run)(arguments),
            None => Err(unknown_verb(&name.to_string_lossy())),
        },
        Some(flag @ (Arg::Short(_) | Arg::Long(_))) => Err(flag.unexpected().into()),
    }
}

fn unknown_verb(name: &str) -> Failure {
    let known: Vec<&str> = verbs::VERBS.iter().map(|verb| verb.name).collect();
    Failure::Usage(format!("unknown verb `{name}`; the verbs are: {}", known.join(", ")))
}
