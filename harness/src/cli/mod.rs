//! The command line: its words, its help, its exit codes.

mod bridge;
mod chaos;
mod check;
mod failover;
mod faults;
mod guard;
mod init;
mod input;
mod judge;
mod merge;
mod output;
mod refusal;
mod repeat;
mod scenario;
mod shard;
mod shrink;
mod step_summary;
mod try_bridge;
mod witness;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Breaks real processes without root and judges the histories of their clients.
#[derive(Debug, Parser)]
#[command(name = "synod-harness", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a cluster, breaks it by a plan, heals it, and judges what its clients saw.
    #[command(after_help = EXIT_CODES)]
    Chaos(chaos::ChaosArguments),
    /// Runs the plan of an earlier run again.
    ///
    /// The plan, the operations and the decisions about packets are the same; real processes do
    /// not repeat the timing of their threads, so the outcome may differ.
    #[command(after_help = EXIT_CODES)]
    Replay(chaos::ReplayArguments),
    /// Makes the plan of a run that failed as small as it can.
    ///
    /// Each plan that it tries is run, with the system, the limits and the options of that run.
    /// What is left is shrunk.toml in the run's folder: `chaos --scenario` runs it.
    #[command(after_help = EXIT_CODES)]
    Shrink(shrink::ShrinkArguments),
    /// Judges a recorded history.
    #[command(after_help = EXIT_CODES)]
    Check(judge::CheckArguments),
    /// Kills the leader again and again and measures how long writes wait.
    ///
    /// The time runs from SIGKILL to the first write that is done and was sent after it; writes are
    /// offered every 5 ms by clients that are free.
    #[command(after_help = EXIT_CODES)]
    Failover(failover::FailoverArguments),
    /// Renders the report page of a run again, or the page of all runs in a folder; or merges what
    /// several machines have found.
    #[command(after_help = EXIT_CODES)]
    Report(judge::ReportArguments),
    /// Lists, shows and checks scenarios: what is run, which faults come when, and whom they hit.
    ///
    /// A scenario is a TOML file, or the plan.json of a run. It runs on real processes by `chaos
    /// --scenario`, and in the simulator by `cargo xtask sim --plan`.
    #[command(after_help = EXIT_CODES)]
    Scenario(scenario::ScenarioArguments),
    /// Lists every fault, and says which can be done to a system on this machine, and why not the
    /// rest.
    ///
    /// What a run would refuse is what the list says cannot be done, in the same words.
    #[command(after_help = PLAIN_CODES)]
    Faults(faults::FaultsArguments),
    /// Writes a description of a system, with a comment on each field, and a bridge to begin with.
    ///
    /// Nothing that is there is overwritten. The bridge works as it stands: it keeps the values.
    #[command(after_help = PLAIN_CODES)]
    Init(init::InitArguments),
    /// Tries a bridge by every rule of its protocol, and says what is wrong with it.
    ///
    /// The nodes of the system are started, asked by the bridge for everything once, cut off from
    /// their clients, and one of them is killed. Exit code 0 says that the bridge is right, 1 that
    /// it is not; each rule is printed with the lines that were sent and came, and what to do.
    #[command(after_help = BRIDGE_CODES)]
    TryBridge(try_bridge::TryBridgeArguments),
    /// Speaks RESP or HTTP for the clients of a description that has no bridge.
    #[command(hide = true)]
    Bridge(bridge::BridgeArguments),
    /// Becomes a command that cannot outlive the harness.
    #[command(hide = true)]
    Guard(guard::GuardArguments),
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            return printed(refuse(&error), if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match arguments.command {
        Command::Chaos(arguments) => chaos::chaos(&arguments),
        Command::Replay(arguments) => chaos::replay(&arguments),
        Command::Shrink(arguments) => shrink::shrink(&arguments),
        Command::Check(arguments) => judge::check(&arguments),
        Command::Failover(arguments) => failover::failover(&arguments),
        Command::Report(arguments) => judge::report(&arguments),
        Command::Scenario(arguments) => scenario::scenario(&arguments),
        Command::Faults(arguments) => faults::faults(&arguments),
        Command::Init(arguments) => init::init(&arguments),
        Command::TryBridge(arguments) => try_bridge::try_bridge(&arguments),
        Command::Bridge(arguments) => bridge::bridge(&arguments),
        Command::Guard(arguments) => guard::guard(&arguments),
    }
}

/// Prints help, or what is wrong with the command line, in words of this program.
fn refuse(error: &clap::Error) -> std::io::Result<()> {
    if error.kind() != clap::error::ErrorKind::ValueValidation {
        return error.print();
    }
    let text = error
        .to_string()
        .replace("invalid digit found in string", "it is no whole number")
        .replace("cannot parse integer from empty string", "it is no whole number")
        .replace("number too large to fit in target type", "the number is too large")
        .replace("number too small to fit in target type", "the number is too small");
    std::io::stderr().write_all(text.as_bytes())
}

/// Ends with an exit code, if what it stands for was printed; what could not be printed is no
/// success, and any other verdict is still the code's to tell.
fn printed(said: std::io::Result<()>, code: u8) -> ExitCode {
    match said {
        Ok(()) => ExitCode::from(code),
        Err(error) => {
            let code = if code == 0 { INTERNAL } else { code };
            fail(code, &format_args!("cannot print what was found: {error}"))
        }
    }
}

/// Prints on standard output.
fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Says on standard error what went wrong, and returns the exit code for it.
fn fail(code: u8, error: &dyn Display) -> ExitCode {
    drop(writeln!(std::io::stderr(), "synod-harness: {error}"));
    ExitCode::from(code)
}

/// The exit code for a promise that was broken.
const VIOLATION: u8 = 1;

/// The exit code for a run that the user ended.
const INTERRUPTED: u8 = 130;

/// The exit code for a command line that makes no sense.
const USAGE: u8 = 64;

/// The exit code for a failure of the harness or of its environment.
const INTERNAL: u8 = 70;

const EXIT_CODES: &str = "Exit codes:
  0    PASS: the history is correct, and enough was exercised
  1    VIOLATION: the history, or the state after healing, breaks a promise
  2    UNKNOWN or VOID: no verdict within the budget, or too little was exercised
  3    NOT SERVED: after healing, not all nodes served in time
  64   the command line makes no sense, or no model knows such a history
  70   the harness or its environment failed, or a PASS cannot be printed or its page written
  130  interrupted; a report was still written";

const PLAIN_CODES: &str = "Exit codes:
  0    done
  64   the command line or the description makes no sense, or a file is there already
  70   the environment failed, or what was found cannot be printed";

const BRIDGE_CODES: &str = "Exit codes:
  0    the bridge is right by every rule
  1    it is wrong by some, or so wrong that others could not be tried
  64   the command line or the description makes no sense
  70   the nodes did not start, or the environment failed
  130  interrupted";
