//! The rule that what the specifications break, the proofs break as well.
//!
//! Each value of `Broken` in a TLA+ module is a switch of the model of the same name, and a model
//! has a query that must fail for each of its switches, which the prover checks. A module of the
//! protocol without a model is named with its reason in the README beside the models.

use std::collections::BTreeSet;

use super::{File, Finding, Tree};

/// Checks all modules of the protocol against all models.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let module = |file: &&File| FOLDERS.contains(&file.folder()) && file.path.ends_with(".tla");
    tree.files.iter().filter(module).flat_map(|file| check_module(tree, file)).collect()
}

fn check_module(tree: &Tree, module: &File) -> Vec<Finding> {
    let name = module.name().trim_end_matches(".tla");
    let broken = broken_rules(tree, module, name);
    if broken.is_empty() {
        return Vec::new();
    }
    let Some(model) = tree.get(&format!("{MODELS}/models/{name}.epr")) else {
        return check_reason(tree, module, name).into_iter().collect();
    };
    let switches = switches(&model.text);
    let missing = broken.iter().filter(|rule| !switches.contains(*rule));
    let what = |rule: &String| {
        format!("{} breaks `{rule}`, and the model has no such switch", module.path)
    };
    missing.map(|rule| Finding::new(&model.path, 0, what(rule))).collect()
}

/// A module without a model has a reason in the README.
fn check_reason(tree: &Tree, module: &File, name: &str) -> Option<Finding> {
    let readme = format!("{MODELS}/README.md");
    let told = tree.get(&readme).map_or("", |file| &file.text);
    let named = format!("| `{name}` |");
    if told.lines().any(|line| line.starts_with(&named)) {
        return None;
    }
    let what = format!("it has no model in {MODELS}/models, and {readme} has no row `{named}`");
    Some(Finding::new(&module.path, 0, what))
}

/// Gives the values of `Broken`: those that the module compares with, and those that the
/// configurations of its models set.
fn broken_rules(tree: &Tree, module: &File, name: &str) -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    for part in module.text.split("Broken ").skip(1) {
        let compared = part.strip_prefix("= \"").or_else(|| part.strip_prefix("# \""));
        let Some((rule, rest)) = compared.and_then(|part| part.split_once('"')) else { continue };
        // A name that is put together has its ends in the configurations alone.
        if !rest.trim_start().starts_with("\\o") {
            rules.insert(rule.to_owned());
        }
    }
    let below = format!("{}/cfg", module.folder());
    for file in tree.files.iter().filter(|file| file.folder() == below) {
        let set = file.text.lines().find_map(|line| line.trim().strip_prefix("Broken = "));
        if let Some(rule) = set.filter(|_| is_of(tree, module, file, name)) {
            rules.insert(rule.trim_matches('"').to_owned());
        }
    }
    rules.remove("no");
    rules
}

/// Says whether a configuration is one of the module's: the longest name of a module that its own
/// name continues is this one.
fn is_of(tree: &Tree, module: &File, configuration: &File, name: &str) -> bool {
    let models = tree.files.iter().filter(|file| file.folder() == module.folder());
    let names = models.filter_map(|file| file.name().strip_suffix(".tla")?.strip_prefix("MC"));
    let Some(of) = configuration.name().strip_prefix("MC") else { return false };
    names.filter(|model| of.starts_with(model)).max_by_key(|model| model.len()) == Some(name)
}

/// Gives the switches that a model declares.
fn switches(model: &str) -> BTreeSet<String> {
    let declared = model.split("(switch ").skip(1).filter_map(|rest| rest.split(')').next());
    declared.flat_map(str::split_whitespace).map(String::from).collect()
}

/// Where the modules of the protocol are.
const FOLDERS: [&str; 2] = ["paxos/spec", "smr/spec"];

/// Where the models are.
const MODELS: &str = "paxos/proof";

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "IF Broken = \"reuse\" THEN 1\nBroken = \"early\" \\o kind\n\
        Broken # \"no\"\n";

    fn findings(switches: &str, readme: &str) -> Vec<String> {
        let model = format!("(switch {switches})\n");
        let mut files = vec![
            ("paxos/spec/Log.tla", MODULE),
            ("paxos/spec/MCLog.tla", ""),
            ("paxos/spec/MCLogWide.tla", ""),
            ("paxos/spec/cfg/MCLogEarly.cfg", "  Broken = \"earlyvote\"\n"),
            ("paxos/spec/cfg/MCLogWideOne.cfg", "  Broken = \"another\"\n"),
            ("paxos/proof/README.md", readme),
        ];
        if !switches.is_empty() {
            files.push(("paxos/proof/models/Log.epr", &model));
        }
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_broken_rule_is_a_switch() {
        assert_eq!(findings("reuse earlyvote more", ""), [""; 0]);
        assert_eq!(
            findings("reuse", ""),
            ["paxos/proof/models/Log.epr: paxos/spec/Log.tla breaks `earlyvote`, and the model \
              has no such switch"]
        );
        assert_eq!(findings("earlyvote", "").len(), 1);
    }

    #[test]
    fn a_module_without_a_model_has_a_reason() {
        assert!(findings("", "")[0].starts_with("paxos/spec/Log.tla: it has no model in"));
        assert_eq!(findings("", "| `Log` | it counts |\n"), [""; 0]);
    }
}
