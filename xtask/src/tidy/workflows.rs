//! The rule that CI runs what people run: each step of a workflow is a verb of xtask.

use super::{File, Finding};
use crate::verbs;

/// Checks one file, when it is a workflow or the entry of CI.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    if file.path == ".ci/run" {
        return entry(file);
    }
    if file.folder() != ".github/workflows" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !file.text.lines().any(|line| line.starts_with("permissions:")) {
        findings.push(Finding::new(&file.path, 0, "it states no permissions"));
    }
    for (at, line) in file.text.lines().enumerate() {
        let line = line.trim_start().trim_start_matches("- ");
        if let Some(command) = line.strip_prefix("run:") {
            let refusal = refuse(command.trim());
            findings.extend(refusal.map(|what| Finding::new(&file.path, at + 1, what)));
        }
    }
    findings
}

fn entry(file: &File) -> Vec<Finding> {
    let calls = file.text.lines().any(|line| line.trim_start().starts_with("cargo xtask ci"));
    let what = "it does not call `cargo xtask ci`";
    if calls { Vec::new() } else { vec![Finding::new(&file.path, 0, what)] }
}

fn refuse(command: &str) -> Option<String> {
    let Some(rest) = command.strip_prefix("cargo xtask ") else {
        return Some(format!("`{command}` is no `cargo xtask` verb: make it one"));
    };
    let verb = rest.split_whitespace().next().unwrap_or_default();
    if verbs::find(verb).is_none() {
        return Some(format!("`{verb}` is no verb of xtask"));
    }
    // What the service fills in is no word of the shell's.
    let plain = rest.split("${{").map(|part| part.rsplit("}}").next().unwrap_or(part));
    let more = plain.collect::<String>().contains(SHELL_SIGNS);
    more.then(|| format!("`{command}` is more than a verb of xtask: make it one"))
}

/// What lets a shell do something else beside a command.
const SHELL_SIGNS: [char; 8] = [';', '&', '|', '<', '>', '`', '$', '\\'];

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&File::of(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn steps_are_verbs() {
        let good = "permissions:\n  contents: read\n  - run: cargo xtask test --portable\n";
        assert_eq!(findings(".github/workflows/ci.yml", good), [""; 0]);
        let bad = "jobs:\n  - run: cargo build\n  - run: |\n  - run: cargo xtask tset\n";
        assert_eq!(
            findings(".github/workflows/ci.yml", bad),
            [
                ".github/workflows/ci.yml: it states no permissions",
                ".github/workflows/ci.yml:2: `cargo build` is no `cargo xtask` verb: make it one",
                ".github/workflows/ci.yml:3: `|` is no `cargo xtask` verb: make it one",
                ".github/workflows/ci.yml:4: `tset` is no verb of xtask",
            ]
        );
    }

    #[test]
    fn the_entry_calls_ci() {
        assert_eq!(findings(".ci/run", "#!/usr/bin/env bash\ncargo xtask ci\n"), [""; 0]);
        assert_eq!(findings(".ci/run", "make\n").len(), 1);
    }

    #[test]
    fn a_step_is_a_verb_and_nothing_behind_it() {
        let steps = |line: &str| {
            let text = format!("permissions:\n  contents: read\n  - run: {line}\n");
            findings(".github/workflows/ci.yml", &text).len()
        };
        for more in ["&& make", "; make", "| tee log", "> log", "$(make)", "`make`"] {
            assert_eq!(steps(&format!("cargo xtask test {more}")), 1, "{more}");
        }
        assert_eq!(
            steps("cargo xtask sim --seeds 5 --from ${{ github.run_number }}0${{ x.y }}"),
            0
        );
    }

    /// A verb that every change is asked for on other machines is one that people run before.
    #[test]
    fn the_entry_runs_every_verb_of_the_workflow_for_changes() {
        let tree = crate::tidy::Tree::read().unwrap_or_else(|failure| panic!("{failure}"));
        let text = tree.text(".github/workflows/ci.yml").unwrap_or_default();
        let steps = text.lines().filter_map(|line| line.trim().strip_prefix("- run: cargo xtask "));
        let steps: Vec<&str> = steps.collect();
        assert!(steps.len() > 10, "{steps:?}");
        // What a machine has is of interest where it is not known, and other systems are elsewhere.
        let elsewhere = ["doctor", "test --portable"];
        for step in steps.iter().filter(|step| !elsewhere.contains(step)) {
            let verb = step.split_whitespace().next().unwrap_or_default();
            assert!(crate::ci::runs(verb), "`cargo xtask ci` leaves out `{step}`");
        }
    }
}
