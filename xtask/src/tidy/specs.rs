//! The rule that specification and code carry the same names: each action of a `Next` is named
//! by exactly one handler, and each mark in the code names an action.
//!
//! A mark is a comment `spec: Module!Action`, or several with commas. Actions that no handler
//! can carry, those of the environment and of abstract modules, stand in a table row of the
//! README beside the modules. Also here: every module has a model-checking configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use super::{File, Finding, Tree};

/// Checks all modules of all `spec` folders against all Rust files.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let modules: Vec<Module<'_>> = tree.files.iter().filter_map(Module::read).collect();
    let marks = marks(tree);
    let mut findings = pairs(tree, &modules, &marks);
    findings.extend(orphans(&modules, &marks));
    findings.extend(modules.iter().flat_map(|module| configured(tree, module)));
    findings
}

/// A TLA+ module of a `spec` folder.
struct Module<'a> {
    file: &'a File,
    name: &'a str,
    text: String,
}

impl<'a> Module<'a> {
    fn read(file: &'a File) -> Option<Self> {
        let name = file.name().strip_suffix(".tla")?;
        let in_spec = file.folder() == "spec" || file.folder().ends_with("/spec");
        in_spec.then(|| Self { file, name, text: without_comments(&file.text) })
    }

    /// Says whether it states a protocol, and not how to check one.
    fn is_protocol(&self) -> bool {
        !self.is_model() && !self.name.starts_with("Trace")
    }

    fn is_model(&self) -> bool {
        self.name.starts_with("MC")
    }

    /// Gives the names of the actions: as declared, or as `Next` names them.
    fn actions(&self) -> BTreeSet<String> {
        let declared = self.file.text.lines().find_map(|line| line.split_once(DECLARATION));
        if let Some((_, names)) = declared {
            return names.split_whitespace().map(String::from).collect();
        }
        let definitions = definitions(&self.text);
        let next = definitions.get("Next").map_or("", String::as_str);
        let named = identifiers(next).filter(|name| leads_to_change(&definitions, name));
        named.map(String::from).collect()
    }
}

/// A `spec:` mark in a comment.
struct Mark {
    path: String,
    line: usize,
    module: String,
    action: String,
}

fn marks(tree: &Tree) -> Vec<Mark> {
    let mut marks = Vec::new();
    // The tests of this rule have marks of modules that there are not.
    for file in tree.files.iter().filter(|file| file.is_rust() && !file.path.starts_with("xtask/"))
    {
        for (at, line) in Source::parse(&file.text).lines.iter().enumerate() {
            let Some((_, named)) = line.comment.split_once("spec: ") else { continue };
            let pairs = named.split([',', ' ']).filter_map(|part| part.split_once('!'));
            marks.extend(pairs.map(|(module, action)| Mark {
                path: file.path.clone(),
                line: at + 1,
                module: module.trim_matches('`').into(),
                action: action.trim_matches(|c: char| !c.is_alphanumeric() && c != '_').into(),
            }));
        }
    }
    marks
}

/// Finds actions that no handler carries, or more than one.
fn pairs(tree: &Tree, modules: &[Module<'_>], marks: &[Mark]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for module in modules.iter().filter(|module| module.is_protocol()) {
        let excused = excused(tree, module);
        for action in module.actions() {
            let same = |mark: &&Mark| mark.module == module.name && mark.action == action;
            let mut carriers = marks.iter().filter(same);
            let first = carriers.next();
            if first.is_none() && !excused.contains(&action) && !excused.contains("*") {
                let what = format!("no handler is marked `spec: {}!{action}`", module.name);
                findings.push(Finding::new(&module.file.path, 0, what));
            }
            findings.extend(carriers.map(|mark| {
                let what = format!("a second handler is marked `spec: {}!{action}`", module.name);
                Finding::new(&mark.path, mark.line, what)
            }));
        }
    }
    findings
}

/// Finds marks that name no action.
fn orphans(modules: &[Module<'_>], marks: &[Mark]) -> Vec<Finding> {
    let known: BTreeMap<&str, BTreeSet<String>> =
        modules.iter().map(|module| (module.name, module.actions())).collect();
    let orphan = |mark: &&Mark| {
        known.get(mark.module.as_str()).is_none_or(|actions| !actions.contains(&mark.action))
    };
    let finding = |mark: &Mark| {
        let Mark { module, action, .. } = mark;
        Finding::new(&mark.path, mark.line, format!("`{module}!{action}` is no action of a spec"))
    };
    marks.iter().filter(orphan).map(finding).collect()
}

/// Gives the actions that the README beside a module excuses: `*` for all of them.
fn excused(tree: &Tree, module: &Module<'_>) -> BTreeSet<String> {
    let readme = format!("{}/README.md", module.file.folder());
    let text = tree.get(&readme).map_or("", |file| file.text.as_str());
    let is_row = |line: &&str| {
        let lower = line.to_ascii_lowercase();
        line.starts_with('|') && (lower.contains("environment") || lower.contains("abstract"))
    };
    let mut names = BTreeSet::new();
    for row in text.lines().filter(is_row) {
        for name in row.split('`').skip(1).step_by(2) {
            match name.split_once('!') {
                Some((of, action)) if of == module.name => names.insert(action.to_owned()),
                Some(_) => false,
                None => names.insert(name.to_owned()),
            };
        }
    }
    names
}

/// Finds a module that no model uses, and a model without a configuration.
fn configured(tree: &Tree, module: &Module<'_>) -> Vec<Finding> {
    let beside = || tree.files.iter().filter(|file| file.folder() == module.file.folder());
    let missing = if module.is_model() {
        let own =
            |file: &&File| file.name().ends_with(".cfg") && file.name().starts_with(module.name);
        let below = format!("{}/cfg", module.file.folder());
        let mut below = tree.files.iter().filter(|file| file.folder() == below);
        let found = beside().find(own).or_else(|| below.find(own));
        found.is_none().then_some("it has no .cfg beside it")
    } else {
        let uses = |file: &&File| {
            let other = Module::read(file).filter(|other| other.name != module.name);
            let checks = other.is_some_and(|other| !other.is_protocol());
            checks && identifiers(&file.text).any(|name| name == module.name)
        };
        beside().find(uses).is_none().then_some("no MC module extends it")
    };
    missing.into_iter().map(|what| Finding::new(&module.file.path, 0, what)).collect()
}

/// Blanks comments: `\*` to the end of the line, and `(* ... *)`, which nest.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0_u32;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = if rest.starts_with("(*") {
            depth += 1;
            2
        } else if depth > 0 && rest.starts_with("*)") {
            depth -= 1;
            2
        } else if depth == 0 && rest.starts_with("\\*") {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            if depth == 0 || c == '\n' {
                kept.push(c);
            }
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    kept
}

/// Cuts a module into its definitions, which start in the first column.
fn definitions(text: &str) -> BTreeMap<&str, String> {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    let mut open: Option<&str> = None;
    for line in text.lines() {
        let starts = line.starts_with(|c: char| c.is_alphabetic());
        let name = identifiers(line).next().filter(|_| starts);
        let body = match line.split_once("==") {
            Some((_, body)) if starts && !line.starts_with("====") => {
                open = name;
                body
            }
            Some(_) | None => line,
        };
        if line.starts_with("----") || line.starts_with("====") {
            open = None;
        }
        if let Some(name) = open {
            let text = found.entry(name).or_default();
            text.push_str(body);
            text.push('\n');
        }
    }
    found
}

/// Says whether a definition changes the state, itself or through what it names.
fn leads_to_change(definitions: &BTreeMap<&str, String>, name: &str) -> bool {
    let mut open = vec![name];
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(body) = definitions.get(name).filter(|_| seen.insert(name)) else { continue };
        if changes_state(body) {
            return true;
        }
        open.extend(identifiers(body));
    }
    false
}

/// Says whether a text speaks of the next state.
fn changes_state(body: &str) -> bool {
    let primed = body.match_indices('\'').any(|(at, _)| {
        let before = body[..at].chars().next_back();
        before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    });
    primed || identifiers(body).any(|name| name == "UNCHANGED")
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(|c: char| c.is_alphabetic()))
}

const DECLARATION: &str = "\\* spec-actions:";

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "---- MODULE Toy ----\n\
        Send(a) == votes' = votes \\cup {a} \\* Lose\n\
        Vote(a) == a > 1 /\\ Send(a)\n\
        Lose == UNCHANGED votes\n\
        Quorum == 2\n\
        Other == x' = 1\n\
        Next == \\/ \\E a \\in Quorum : Vote(a)\n     \\/ Lose\n\
        ====\n";

    const MODEL: &str = "---- MODULE MCToy ----\nEXTENDS Toy\n====\n";

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let always =
            [("p/spec/Toy.tla", SPEC), ("p/spec/MCToy.tla", MODEL), ("p/spec/cfg/MCToy.cfg", "")];
        let files: Vec<_> = always.iter().chain(files).copied().collect();
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    const README: &str = "| action | where |\n|---|---|\n| `Toy!Lose` | the environment |\n";
    const MARKED: &str = "//! A.\n/// Votes.\n///\n/// spec: Toy!Vote\nfn on_vote() {}\n";

    #[test]
    fn actions_are_what_next_names_and_what_changes_the_state() {
        let file = File::of("p/spec/Toy.tla", SPEC);
        let actions = Module::read(&file).map(|module| module.actions());
        let wanted = ["Lose", "Vote"].map(String::from);
        assert_eq!(actions, Some(BTreeSet::from(wanted)));
    }

    #[test]
    fn a_declaration_comes_before_what_next_says() {
        let text = format!("\\* spec-actions: A B\n{SPEC}");
        let file = File::of("p/spec/Toy.tla", &text);
        let actions = Module::read(&file).map(|module| module.actions());
        assert_eq!(actions, Some(BTreeSet::from(["A", "B"].map(String::from))));
    }

    #[test]
    fn a_pair_and_an_excuse_are_in_order() {
        assert_eq!(findings(&[("p/spec/README.md", README), ("p/src/a.rs", MARKED)]), [""; 0]);
        let all = "| `Toy!*` | abstract |\n";
        assert_eq!(findings(&[("p/spec/README.md", all)]), [""; 0]);
    }

    #[test]
    fn what_lacks_its_other_half_is_found() {
        let lonely = findings(&[("p/spec/README.md", README)]);
        assert_eq!(lonely, ["p/spec/Toy.tla: no handler is marked `spec: Toy!Vote`"]);
        let other = "| `Elsewhere!Lose` | environment |\n";
        let found = findings(&[("p/spec/README.md", other), ("p/src/a.rs", MARKED)]);
        assert_eq!(found, ["p/spec/Toy.tla: no handler is marked `spec: Toy!Lose`"]);
    }

    #[test]
    fn a_second_carrier_and_an_orphan_are_found() {
        let more = "//! B.\n// spec: Toy!Vote, Toy!Send, Nowhere!At\n";
        let found =
            findings(&[("p/spec/README.md", README), ("p/src/a.rs", MARKED), ("p/src/b.rs", more)]);
        assert_eq!(
            found,
            [
                "p/src/b.rs:2: a second handler is marked `spec: Toy!Vote`",
                "p/src/b.rs:2: `Toy!Send` is no action of a spec",
                "p/src/b.rs:2: `Nowhere!At` is no action of a spec",
            ]
        );
    }

    #[test]
    fn a_module_needs_a_model_and_a_model_a_configuration() {
        let files = [("q/spec/Lone.tla", "Next == x"), ("q/spec/MCBare.tla", "EXTENDS Bare")];
        let found: Vec<_> = check(&Tree::of(&files)).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "q/spec/Lone.tla: no MC module extends it",
                "q/spec/MCBare.tla: it has no .cfg beside it",
            ]
        );
    }

    #[test]
    fn comments_of_both_kinds_are_blanked() {
        assert_eq!(without_comments("a (* b (* c *) d *) e \\* f\ng"), "a  e \ng");
    }
}
