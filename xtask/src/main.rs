//! The project's own tasks: `cargo xtask <verb>`.
//!
//! Everything that CI, a contributor or a first-time visitor runs is a verb here, written in
//! Rust and run the same way by all of them. The work itself is left to the crates: this one
//! builds and runs them, and depends on none of them, so that it compiles in seconds. The claim
//! kept here: a failure is never swallowed, and is told with the exact command that failed.

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
mod said;
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
    let failure = match (run(&mut lexopt::Parser::from_env()), said::unsaid()) {
        (Ok(()), None) => return ExitCode::SUCCESS,
        (Ok(()), Some(error)) => Failure::Internal(format!("cannot print what was found: {error}")),
        (Err(failure), _) => failure,
    };
    said::complain!("{failure}");
    ExitCode::from(failure.exit_code())
}

fn run(arguments: &mut lexopt::Parser) -> Outcome {
    match arguments.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => {
            said::out(format_args!("{}", verbs::list()));
            Ok(())
        }
        Some(Arg::Value(name)) if name == "help" => help(arguments),
        Some(Arg::Value(name)) => match verbs::find(&name.to_string_lossy()) {
            Some(verb) if verb.is_asked_for_help(arguments) => {
                said::out(format_args!("{}", verb.help()));
                Ok(())
            }
            Some(verb) => (verb.run)(arguments),
            None => Err(unknown_verb(&name.to_string_lossy())),
        },
        Some(flag @ (Arg::Short(_) | Arg::Long(_))) => Err(flag.unexpected().into()),
    }
}

/// Says what there is, or what one verb takes.
fn help(arguments: &mut lexopt::Parser) -> Outcome {
    let text = match arguments.next()? {
        None => verbs::list(),
        Some(Arg::Value(name)) => {
            let name = name.to_string_lossy();
            verbs::find(&name).ok_or_else(|| unknown_verb(&name))?.help()
        }
        Some(flag @ (Arg::Short(_) | Arg::Long(_))) => return Err(flag.unexpected().into()),
    };
    said::out(format_args!("{text}"));
    Ok(())
}

fn unknown_verb(name: &str) -> Failure {
    let known: Vec<&str> = verbs::VERBS.iter().map(|verb| verb.name).collect();
    Failure::Usage(format!("unknown verb `{name}`; the verbs are: {}", known.join(", ")))
}
