//! The command line: what is asked for, and how it ends.

use std::fs;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, USAGE, say};
use crate::model::Model;
use crate::models::{MODELS, Source};
use crate::proof::{Plan, Proof};
use crate::query::queries;
use crate::smt::script;
use crate::solver::{Bounds, Solver};
use crate::why;

/// Runs the tool on the arguments behind the program's name, prints what it finds, and gives the
/// exit code: 0 all is proved, 1 something is not, 64 a wrong command line, 70 no solver or so.
pub fn prove(arguments: impl IntoIterator<Item = String>) -> u8 {
    match Asked::parse(arguments.into_iter()).and_then(|asked| asked.run()) {
        Ok(()) => 0,
        Err(failure) => {
            drop(writeln!(io::stderr(), "{failure}"));
            failure.exit_code()
        }
    }
}

/// What the command line asks for.
#[derive(Debug)]
struct Asked {
    model: Option<String>,
    broken: Option<String>,
    why: Option<String>,
    emit: Option<PathBuf>,
    cross: bool,
    help: bool,
    jobs: usize,
    bounds: Bounds,
}

impl Asked {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut asked = Self::default();
        while let Some(argument) = arguments.next() {
            let (flag, value) = match argument.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let is_switch = ["--cross", "--help", "-h"].contains(&flag.as_str());
            if let Some(value) = value.as_ref().filter(|_| is_switch) {
                return Err(Failure::Usage(format!("{flag} takes no value, such as `{value}`")));
            }
            // Taken only where a flag wants one: a switch leaves the next argument to be read as
            // such.
            let mut value = || {
                let given = value.clone().or_else(|| arguments.next());
                given.ok_or_else(|| Failure::Usage(format!("{flag} wants a value")))
            };
            match flag.as_str() {
                "--broken" => asked.broken = Some(value()?),
                "--why" => asked.why = Some(value()?),
                "--emit" => asked.emit = Some(value()?.into()),
                "--cross" => asked.cross = true,
                "--help" | "-h" => asked.help = true,
                "--jobs" => asked.jobs = number::<NonZeroUsize>(&flag, &value()?)?.get(),
                "--seed" => asked.bounds.seed = number(&flag, &value()?)?,
                "--limit" => {
                    let seconds = number::<NonZeroUsize>(&flag, &value()?)?.get();
                    asked.bounds.limit = Duration::from_secs(seconds as u64);
                }
                name if !name.starts_with('-') && asked.model.is_none() => {
                    asked.model = Some(name.to_owned());
                }
                other => return Err(Failure::Usage(format!("unknown argument {other}"))),
            }
        }
        Ok(asked)
    }

    fn run(&self) -> Result<(), Failure> {
        if self.help {
            say(format_args!("{USAGE}\n"));
            return Ok(());
        }
        let models = self.models()?;
        // Nobody is asked here, so that it also works where no solver is installed.
        if let Some(folder) = &self.emit {
            return emit(&models, self.broken.as_deref(), folder);
        }
        // A solver that is missing is told of before the first query and not after the last.
        let z3 = Solver::Z3.version()?;
        if let Some(query) = &self.why {
            let (model, query) = why::find(&models, query, self.broken.as_deref())?;
            say(why::explain(model, &query, self.bounds)?);
            return Ok(());
        }
        match self.cross {
            true => say(format_args!("{z3}, {}\n", Solver::Cvc5Models.version()?)),
            false => say(format_args!("{z3}\n")),
        }
        let began = Instant::now();
        let plan = Plan { bounds: self.bounds, jobs: self.jobs, cross: self.cross };
        let mut failures = Vec::new();
        let mut spent = Duration::ZERO;
        for model in &models {
            let mut proof = Proof::new(model, plan);
            let ended = match &self.broken {
                Some(switch) => proof.of_broken(switch),
                None => proof.of_all(),
            };
            spent += proof.spent();
            failures.extend(ended?);
        }
        let (solver, wall) = (spent.as_secs_f64(), began.elapsed().as_secs_f64());
        let models = models.len();
        say(format_args!("prove: {models} models; {solver:.1} s of solvers in {wall:.1} s\n"));
        match failures.is_empty() {
            true => Ok(()),
            false => Err(Failure::Found(failures.join("\n"))),
        }
    }

    /// Reads the models that are asked for.
    fn models(&self) -> Result<Vec<Model>, Failure> {
        let mut models = Vec::new();
        for Source { path, text, .. } in MODELS {
            let model = Model::read(path, text);
            models.push(model.map_err(|error| Failure::Found(error.to_string()))?);
        }
        let known: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
        if let Some(name) = &self.model {
            models.retain(|model| model.name == *name);
        }
        if models.is_empty() {
            let name = self.model.clone().unwrap_or_default();
            let known = known.join(", ");
            return Err(Failure::Usage(format!("no model `{name}`; the models are: {known}")));
        }
        if let Some(switch) = &self.broken {
            let all: Vec<String> = models.iter().map(switches).collect();
            models.retain(|model| model.switches.iter().any(|known| known == switch.as_str()));
            if models.is_empty() {
                let known = all.join("\n  ");
                let reason = format!("no rule `{switch}`; the rules are:\n  {known}");
                return Err(Failure::Usage(reason));
            }
        }
        Ok(models)
    }
}

impl Default for Asked {
    fn default() -> Self {
        let jobs = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(JOBS_MAX);
        let bounds = Bounds { limit: LIMIT, seed: 0 };
        let (model, broken, why, emit) = (None, None, None, None);
        Self { model, broken, why, emit, cross: false, help: false, jobs, bounds }
    }
}

fn number<N: FromStr>(flag: &str, value: &str) -> Result<N, Failure> {
    let wrong = || Failure::Usage(format!("{flag} wants a whole number, not `{value}`"));
    value.parse().map_err(|_| wrong())
}

fn switches(model: &Model) -> String {
    let names: Vec<&str> = model.switches.iter().map(|name| name.as_str()).collect();
    format!("{}: {}", model.name, names.join(" "))
}

/// Writes each query into a file of its own, for another solver or a reader.
fn emit(models: &[Model], broken: Option<&str>, folder: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::Internal(format!("cannot write {}: {error}", folder.display()));
    for model in models {
        let below = folder.join(&model.name);
        fs::create_dir_all(&below).map_err(failed)?;
        for query in queries(model, broken) {
            let text =
                format!("; {}\n{}(check-sat)\n", query.expected, script(model, &query, false));
            fs::write(below.join(format!("{}.smt2", query.name())), text).map_err(failed)?;
        }
    }
    Ok(())
}

/// How long a solver may take for one query.
const LIMIT: Duration = Duration::from_secs(60);

/// How many queries are asked at once by default.
const JOBS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Asked, Failure> {
        Asked::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn flags_take_their_values_in_both_ways() {
        let asked = parse(&["Synod", "--seed=7", "--limit", "9", "--cross"]).unwrap();
        assert_eq!((asked.model.as_deref(), asked.cross), (Some("Synod"), true));
        assert_eq!((asked.bounds.seed, asked.bounds.limit), (7, Duration::from_secs(9)));
        assert_eq!(asked.models().unwrap().len(), 1);
    }

    #[test]
    fn a_wrong_command_line_is_told_with_what_would_be_right() {
        for (arguments, said) in [
            (&["--seed", "x"][..], "--seed wants a whole number, not `x`"),
            (&["--jobs", "0"], "--jobs wants a whole number, not `0`"),
            (&["--why"], "--why wants a value"),
            (&["--cross=no"], "--cross takes no value, such as `no`"),
            (&["a", "b"], "unknown argument b"),
            (&["--frob"], "unknown argument --frob"),
            (&["Synot"], "no model `Synot`; the models are: Synod, MultiPaxos"),
            (&["--broken", "x"], "no rule `x`; the rules are:\n  Synod: minority"),
        ] {
            let failure = parse(arguments).and_then(|asked| asked.models().map(|_| ()));
            let failure = failure.unwrap_err();
            assert_eq!(failure.exit_code(), 64, "{arguments:?}");
            assert!(failure.to_string().contains(said), "{failure}");
        }
    }
}
