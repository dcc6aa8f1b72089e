//! The table of verbs: the one place that knows them all.

use std::fmt::Write as _;

use crate::outcome::Outcome;
use crate::{
    api, bench, book, canary, chaos, ci, demo, doctor, fuzz, habits, lint, measure, mutants,
    mutation, power, prove, release, sim, spec, test, tidy,
};

/// A task that can be asked for.
pub(crate) struct Verb {
    /// What one types.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// Runs it on the arguments behind its name.
    pub(crate) run: fn(&mut lexopt::Parser) -> Outcome,
}

impl Verb {
    /// Tells whether the words behind its name ask what it takes. Behind `--` they are meant for
    /// another program, and so are all of a verb whose program has a help of its own.
    pub(crate) fn is_asked_for_help(&self, arguments: &mut lexopt::Parser) -> bool {
        let Some(words) = arguments.try_raw_args() else { return false };
        let ours = words.as_slice().iter().take_while(|word| *word != "--");
        !WITH_A_HELP_OF_THEIR_OWN.contains(&self.name)
            && ours.into_iter().any(|word| word == "--help" || word == "-h")
    }

    /// Gives what is printed when it is asked what it takes.
    pub(crate) fn help(&self) -> String {
        let Self { name, takes, about, .. } = self;
        let usage = [name, *takes].join(" ");
        format!("usage: cargo xtask {}\n\n{about}\n{EXIT_CODES}", usage.trim_end())
    }
}

/// The verbs that hand their flags to a program which says itself what it takes.
const WITH_A_HELP_OF_THEIR_OWN: &[&str] = &["sim", "prove", "bench", "fuzz"];

/// All verbs, the ones that a visitor wants first.
pub(crate) const VERBS: &[Verb] = &[
    Verb {
        name: "chaos",
        takes: "[--seed N] [--time S] [--nodes N] [--clients N] [--nemesis NAME] [...]",
        about: "break a real cluster for a while, and judge what its clients saw",
        run: chaos::chaos,
    },
    Verb {
        name: "replay",
        takes: "[RUN]",
        about: "run the plan of an earlier chaos run again (default: the latest)",
        run: chaos::replay,
    },
    Verb {
        name: "demo",
        takes: "",
        about: "build Synod with a seeded bug, and watch the harness catch it",
        run: demo::run,
    },
    Verb {
        name: "test",
        takes: "[-p CRATE] [--lib] [--test NAME] [--portable] [FILTER] [-- ...]",
        about: "all tests of the workspace, doc tests included, and a summary",
        run: test::test,
    },
    Verb {
        name: "lint",
        takes: "",
        about: "formatting, clippy and rustdoc, warnings denied",
        run: lint::run,
    },
    Verb {
        name: "tidy",
        takes: "",
        about: "the house rules that no compiler knows: arrows, sizes, names, spec marks, links",
        run: tidy::run,
    },
    Verb {
        name: "loom",
        takes: "[-p CRATE] [FILTER]",
        about: "every interleaving of the concurrent parts, within a bound",
        run: test::loom,
    },
    Verb {
        name: "model",
        takes: "[-p CRATE] [FILTER]",
        about: "every run of the real protocol code in small worlds",
        run: test::model,
    },
    Verb {
        name: "sim",
        takes: "[--seeds N] [--seed S [--shrink] [--log]] [--agree | --profiled] [...]",
        about: "run the real replicas by seed in a simulated world, and judge every step",
        run: sim::run,
    },
    Verb {
        name: "spec",
        takes: "[--full] [--jobs N] [--traces DIR] [--drift] [NAME]",
        about: "check the TLA+ specifications, their refinements, and that wrong variants fail",
        run: spec::run,
    },
    Verb {
        name: "prove",
        takes: "[MODEL] [--broken NAME] [--cross] [--why QUERY] [--emit FOLDER] [--seed N] [...]",
        about: "prove the protocol for any number of nodes, ballots and slots, by a solver",
        run: prove::run,
    },
    Verb {
        name: "mutants",
        takes: "[--list] [--quick] [--only ID,ID]",
        about: "seed each known bug in a scratch copy, and see which level catches it",
        run: mutants::run,
    },
    Verb {
        name: "canary",
        takes: "",
        about: "look for a bug that is planted in a store, without which a PASS is worth nothing",
        run: canary::run,
    },
    Verb {
        name: "power",
        takes: "[--only ID,ID] [--runs K] [--from SEED] [--binaries FOLDER] [--show] [--page]",
        about: "which seeded bugs live runs catch: measure what is not measured yet, or show it",
        run: power::run,
    },
    Verb {
        name: "mutation",
        takes: "[--sample N] [--seed S] [--jobs J] [--only TEXT] [--package NAME]",
        about: "change the safety code in small ways, and see whether its tests notice",
        run: mutation::run,
    },
    Verb {
        name: "bench",
        takes: "[--json FILE] [--compare FILE] [...]",
        about: "throughput and latency of three processes, durable and encrypted",
        run: bench::run,
    },
    Verb {
        name: "measure",
        takes: "[--before COMMIT]",
        about: "how large the crates are, and how their rooms hang together",
        run: measure::run,
    },
    Verb {
        name: "book",
        takes: "",
        about: "build the book below target/book, and check its links",
        run: book::run,
    },
    Verb {
        name: "fuzz",
        takes: "[--seconds N] [--seed S] [--target NAME]",
        about: "broken bytes for every decoder, for some seconds each",
        run: fuzz::run,
    },
    Verb {
        name: "habits",
        takes: "[NAME...]",
        about: "what is asked by the calendar: spelling, oldest compiler, licences, and others",
        run: habits::run,
    },
    Verb {
        name: "api",
        takes: "",
        about: "write the public interface of each crate into its api.txt, to be reviewed",
        run: api::run,
    },
    Verb {
        name: "release",
        takes: "--dry-run",
        about: "what a release would publish, crate by crate, in order",
        run: release::run,
    },
    Verb {
        name: "ci",
        takes: "",
        about: "all that CI runs, in the same order, with the time of each step",
        run: ci::run,
    },
    Verb {
        name: "doctor",
        takes: "",
        about: "what this machine has and lacks for the above",
        run: doctor::run,
    },
];

/// Finds a verb by its name.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// Gives the list that is printed when no verb is named.
pub(crate) fn list() -> String {
    let mut text = String::from("usage: cargo xtask <verb> [flags]\n\n");
    for Verb { name, takes, about, .. } in VERBS {
        let _ = writeln!(text, "  {name:<8} {about}");
        if !takes.is_empty() {
            let _ = writeln!(text, "           {takes}");
        }
    }
    text.push_str(EXIT_CODES);
    text
}

const EXIT_CODES: &str = "
exit codes: 0 good, 1 violation or failed check, 2 unknown or void, 3 not served in time after
            healing, 64 usage, 70 internal, 130 interrupted
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_every_verb_and_each_is_found() {
        let list = list();
        for verb in VERBS {
            assert!(list.contains(&format!("\n  {:<8} ", verb.name)), "{}", verb.name);
            assert!(find(verb.name).is_some_and(|found| found.about == verb.about));
        }
        assert!(find("no-such-verb").is_none());
    }
}
