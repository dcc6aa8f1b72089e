//! Asks a solver, which is a program of its own, and reads what it says.
//!
//! A solver is trusted with its answers and nothing else: it gets a text, has a limit of time, and
//! is asked anew for each query.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::query::{Answer, Query};

/// A solver, and how it is told to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Solver {
    Z3,
    /// Refutes by instances that a candidate of a model suggests.
    Cvc5Candidates,
    /// Refutes by all instances, one after another.
    Cvc5Instances,
    /// Searches finite models, and refutes when there are none.
    Cvc5Models,
}

/// How long a solver may take, and where its chance begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) limit: Duration,
    pub(crate) seed: u32,
}

/// What a solver said to a script.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Its answer, if it came to one.
    pub(crate) answer: Option<Answer>,
    /// What it said behind the answer.
    pub(crate) rest: String,
    pub(crate) took: Duration,
}

impl Solver {
    fn program(self) -> &'static str {
        match self {
            Self::Z3 => "z3",
            Self::Cvc5Candidates | Self::Cvc5Instances | Self::Cvc5Models => "cvc5",
        }
    }

    fn command(self, bounds: Bounds) -> Command {
        let mut command = Command::new(self.program());
        let limit = bounds.limit;
        match self {
            Self::Z3 => {
                command.arg(format!("-T:{}", limit.as_secs().max(1)));
                command.arg(format!("smt.random_seed={}", bounds.seed)).arg("-in");
            }
            Self::Cvc5Candidates | Self::Cvc5Instances | Self::Cvc5Models => {
                command.arg("--lang=smt2").arg(format!("--tlimit={}", limit.as_millis()));
                command.arg(format!("--seed={}", bounds.seed));
            }
        }
        match self {
            Self::Z3 => {}
            Self::Cvc5Candidates => {
                command.arg("--mbqi");
            }
            Self::Cvc5Instances => {
                command.arg("--full-saturate-quant");
            }
            Self::Cvc5Models => {
                command.arg("--finite-model-find");
            }
        }
        command
    }

    /// Hands a script over, and waits for the answer to its first `check-sat`.
    pub(crate) fn ask(self, script: &str, bounds: Bounds) -> Result<Reply, Failure> {
        let began = Instant::now();
        let mut command = self.command(bounds);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        if let Some(mut input) = child.stdin.take() {
            // A solver that gave up does not read on; what it printed says why.
            let _ = input.write_all(script.as_bytes());
        }
        let output = child.wait_with_output();
        let output = output.map_err(|error| Failure::Internal(format!("lost {self}: {error}")))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        let took = began.elapsed();
        if took < bounds.limit {
            // One that ran into its limit may end without a word, and has not died of anything.
            self.died(&said, &complained, &output.status)?;
        }
        self.reply(&said, &complained, took)
    }

    /// Refuses an end without a word before the limit: such a solver did not give up, it died.
    fn died(self, said: &str, complained: &str, end: &dyn fmt::Display) -> Result<(), Failure> {
        if !said.trim().is_empty() || complained.contains("timeout") {
            return Ok(());
        }
        let complained = complained.trim();
        Err(Failure::Internal(format!("{self} ended without an answer: {end} {complained}")))
    }

    fn reply(self, said: &str, complained: &str, took: Duration) -> Result<Reply, Failure> {
        let (first, rest) = said.split_once('\n').unwrap_or((said, ""));
        let answer = match first.trim() {
            "sat" => Some(Answer::Sat),
            "unsat" => Some(Answer::Unsat),
            _ => None,
        };
        let mistaken = said.trim_start().starts_with("(error");
        if mistaken {
            let line = said.lines().next().unwrap_or_default();
            return Err(Failure::Internal(format!("{self} does not understand: {line}")));
        }
        let gave_up = ["unknown", "timeout", ""].contains(&first.trim());
        let in_time = complained.contains("timeout") || gave_up;
        if answer.is_none() && !in_time {
            return Err(Failure::Internal(format!("{self} said: {first} {complained}")));
        }
        Ok(Reply { answer, rest: rest.to_owned(), took })
    }

    fn not_started(self, error: &std::io::Error) -> Failure {
        if error.kind() != ErrorKind::NotFound {
            return Failure::Internal(format!("cannot start {self}: {error}"));
        }
        Failure::Internal(format!(
            "{self} is not installed; it is a package of most systems: `apt-get install {self}`, \
             `dnf install {self}` or `brew install {self}`"
        ))
    }

    /// Says whether the solver is there, and which it is.
    pub(crate) fn version(self) -> Result<String, Failure> {
        let asked = Command::new(self.program()).arg("--version").output();
        let output = asked.map_err(|error| self.not_started(&error))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = said
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
        Ok(format!("{self} {}", number.unwrap_or("of unknown version")))
    }
}

impl fmt::Display for Solver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.program())
    }
}

/// Asks z3 for the answer to a query.
pub(crate) fn ask_z3(script: &str, bounds: Bounds) -> Result<Reply, Failure> {
    Solver::Z3.ask(&format!("{script}(check-sat)\n"), bounds)
}

/// Asks cvc5, which refutes in one of three ways and finds models in the last.
pub(crate) fn ask_cvc5(query: &Query, script: &str, bounds: Bounds) -> Result<Reply, Failure> {
    let script = format!("{script}(check-sat)\n");
    let mut spent = Duration::ZERO;
    if query.expected == Answer::Unsat {
        for way in [Solver::Cvc5Candidates, Solver::Cvc5Instances] {
            let mut reply = way.ask(&script, bounds)?;
            spent += reply.took;
            reply.took = spent;
            if reply.answer.is_some() {
                return Ok(reply);
            }
        }
    }
    let limit = bounds.limit * SECOND_TRY;
    let mut reply = Solver::Cvc5Models.ask(&script, Bounds { limit, ..bounds })?;
    reply.took += spent;
    Ok(reply)
}

/// How much longer cvc5 may search for a model: it is asked by night.
const SECOND_TRY: u32 = 4;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn reply(said: &str, complained: &str) -> Result<Option<Answer>, String> {
        let reply = Solver::Z3.reply(said, complained, Duration::ZERO);
        reply.map(|reply| reply.answer).map_err(|failure| failure.to_string())
    }

    #[test]
    fn an_answer_is_one_of_two_and_giving_up_is_none() {
        assert_eq!(reply("unsat\n", ""), Ok(Some(Answer::Unsat)));
        assert_eq!(reply("sat\n((x true))\n", ""), Ok(Some(Answer::Sat)));
        for gave_up in ["unknown\n", "timeout\n", ""] {
            assert_eq!(reply(gave_up, ""), Ok(None), "{gave_up}");
        }
        assert_eq!(reply("cvc5 interrupted\n", "cvc5 interrupted by timeout."), Ok(None));
    }

    #[test]
    fn a_text_that_no_solver_understands_is_not_taken_for_an_answer() {
        let error = reply("(error \"line 3: unknown sort\")\nunsat\n", "").unwrap_err();
        assert!(error.contains("z3 does not understand: (error \"line 3: unknown"), "{error}");
        assert!(reply("segmentation\n", "fault").unwrap_err().contains("z3 said: segmentation"));
    }

    #[test]
    fn a_solver_that_dies_has_not_given_up() {
        let died = |said, complained| Solver::Z3.died(said, complained, &"signal: 9");
        let failure = died("\n", "out of memory\n").unwrap_err();
        let wanted = "error: z3 ended without an answer: signal: 9 out of memory";
        assert_eq!((failure.to_string().as_str(), failure.exit_code()), (wanted, 70));
        assert_eq!(died("unsat\n", ""), Ok(()));
        assert_eq!(died("", "cvc5 interrupted by timeout."), Ok(()));
    }

    #[test]
    fn a_solver_that_is_not_there_is_told_with_the_remedy() {
        let error = Solver::Z3.not_started(&ErrorKind::NotFound.into()).to_string();
        assert!(error.contains("z3 is not installed") && error.contains("apt-get install z3"));
    }
}
