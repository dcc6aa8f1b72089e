//! The rule that the files of a crate do not import one another in a circle.
//!
//! Read are the lines of `use` and paths that begin with `crate::` or `super::`; a name that
//! another file only passes on counts for the file that defines it. What a file takes from a module
//! that it is within does not count: a module and the files in its folder are one thing in several
//! files.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use super::{File, Finding, Tree};

/// Checks each crate of the tree.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    check_but(tree, KNOWN)
}

fn check_but(tree: &Tree, known: &[Known]) -> Vec<Finding> {
    let folders: BTreeSet<&str> = tree.files.iter().filter_map(source_folder).collect();
    let circles: Vec<BTreeSet<String>> =
        folders.into_iter().flat_map(|folder| Imports::read(tree, folder).circles()).collect();
    let mut findings = Vec::new();
    for circle in &circles {
        if !known.iter().any(|known| known.covers(circle)) {
            let files: Vec<&str> = circle.iter().map(String::as_str).collect();
            let what = format!("these files import one another in a circle: {}", files.join(", "));
            findings.push(Finding::new(files[0], 0, what));
        }
    }
    for known in known.iter().filter(|known| !circles.iter().any(|circle| known.covers(circle))) {
        let what = "there is no such circle any more; strike it off tidy's list";
        findings.push(Finding::new(known.files[0], 0, what));
    }
    findings
}

/// A circle that stays.
struct Known {
    /// Its files; a circle of some of them is the same one.
    files: &'static [&'static str],
    /// Why taking it apart would make the files harder to read.
    #[expect(dead_code, reason = "it is for whoever reads the list")]
    why: &'static str,
}

impl Known {
    fn covers(&self, circle: &BTreeSet<String>) -> bool {
        circle.iter().all(|file| self.files.contains(&file.as_str()))
    }
}

/// Gives the folder `src` that a file of a crate is in.
fn source_folder(file: &File) -> Option<&str> {
    let end = file.path.find("/src/")? + "/src".len();
    file.is_rust().then_some(&file.path[..end])
}

/// The path of a module, from the crate's root.
type Module = Vec<String>;

/// The modules of a crate that are files, and what each says.
struct Imports<'a> {
    modules: BTreeMap<Module, Text<'a>>,
}

struct Text<'a> {
    path: &'a str,
    /// The code that ships, without comments and the contents of literals.
    code: String,
    /// The paths of its lines of `use`, and those that it passes on.
    uses: Vec<Vec<String>>,
}

impl<'a> Imports<'a> {
    fn read(tree: &'a Tree, folder: &str) -> Self {
        let inside = tree.files.iter().filter(|file| source_folder(file) == Some(folder));
        let read = |file: &'a File| {
            let source = Source::parse(&file.text);
            let lines: Vec<&str> = source.shipped().iter().map(|line| line.code.as_str()).collect();
            let code = lines.join("\n");
            let uses = uses(&code);
            let module = module_of(&file.path[folder.len() + 1..]);
            (module, Text { path: &file.path, code, uses })
        };
        Self { modules: inside.map(read).collect() }
    }

    /// Gives each set of files of which every one leads to every other.
    fn circles(&self) -> Vec<BTreeSet<String>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.modules.keys().map(|module| (module, self.reached_from(module))).collect();
        let mut circles = BTreeSet::new();
        for (module, far) in &reached {
            // Those that this module leads to and that lead back: each circle is found from all of
            // its files, and kept once.
            let back = far.iter().filter(|other| reached[*other].contains(module));
            let circle: BTreeSet<String> =
                back.map(|other| self.modules[*other].path.to_owned()).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn reached_from<'m>(&'m self, module: &'m Module) -> BTreeSet<&'m Module> {
        let mut reached = BTreeSet::new();
        let mut open = vec![module];
        while let Some(next) = open.pop() {
            let new = self.imports_of(next).into_iter().filter(|module| reached.insert(*module));
            open.extend(new.collect::<Vec<_>>());
        }
        reached
    }

    fn imports_of(&self, module: &Module) -> BTreeSet<&Module> {
        let text = &self.modules[module];
        let inline = inline_paths(&text.code);
        let paths = text.uses.iter().chain(&inline);
        let found = paths.filter_map(|path| self.resolve(module, path, DEPTH_MAX));
        found.filter(|other| *other != module && !module.starts_with(other)).collect()
    }

    /// Finds the file that defines what a path names; `None` for other crates.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<&Module> {
        let mut at = from.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                at.push(first.to_owned());
                if !self.modules.contains_key(&at) {
                    return None;
                }
                rest = &path[1..];
            }
        }
        while let Some(segment) = rest.first() {
            at.push(segment.clone());
            if !self.modules.contains_key(&at) {
                at.pop();
                break;
            }
            rest = &rest[1..];
        }
        let (module, text) = self.modules.get_key_value(&at)?;
        // A file that only passes a name on is no home of it; the home is looked for behind its own
        // `use`.
        let named = rest.first().filter(|name| depth > 0 && !defines(&text.code, name));
        let passed_on = named.and_then(|name| {
            let same = text.uses.iter().filter(|path| path.last() == Some(name));
            same.filter_map(|path| self.resolve(module, path, depth - 1)).next()
        });
        Some(passed_on.unwrap_or(module))
    }
}

fn module_of(inside: &str) -> Module {
    let plain = inside.strip_suffix(".rs").unwrap_or(inside);
    let mut parts: Module = plain.split('/').map(String::from).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// Gives the paths of all lines of `use`, one for each name.
fn uses(code: &str) -> Vec<Vec<String>> {
    let begins =
        |(at, _): &(usize, &str)| code[..*at].chars().next_back().is_none_or(|c| c.is_whitespace());
    let trees = code.match_indices("use ").filter(begins);
    let trees = trees.filter_map(|(at, word)| code[at + word.len()..].split(';').next());
    let mut paths = Vec::new();
    trees.for_each(|tree| expand(&[], tree, &mut paths));
    paths
}

/// Takes `a::{b, c::d as e}` apart.
fn expand(before: &[String], tree: &str, paths: &mut Vec<Vec<String>>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, rest)) => (head, rest.rsplit_once('}').map(|(inside, _)| inside)),
        None => (tree.split(" as ").next().unwrap_or(tree), None),
    };
    let mut path = before.to_vec();
    let segments = head.split("::").map(str::trim).filter(|segment| !segment.is_empty());
    path.extend(
        segments
            .filter(|segment| !["self", "*"].contains(segment) || before.is_empty())
            .map(String::from),
    );
    let Some(group) = group else { return paths.push(path) };
    let (mut depth, mut start) = (0_i32, 0);
    // With a comma at the end, so that the last part needs no case of its own.
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = &group[start..at];
                if !part.trim().is_empty() {
                    expand(&path, part, paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Gives the paths in code that begin with `crate::` or `super::`.
fn inline_paths(code: &str) -> Vec<Vec<String>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c: char| !is_name(c));
    let within = words.filter(|word| word.starts_with("crate::") || word.starts_with("super::"));
    within
        .map(|word| word.split("::").filter(|s| !s.is_empty()).map(String::from).collect())
        .collect()
}

fn defines(code: &str, name: &str) -> bool {
    code.lines().any(|line| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.by_ref().any(|word| DEFINING.contains(&word)) && words.next() == Some(name)
    })
}

/// How often a name may be passed on before it is not followed any further.
const DEPTH_MAX: usize = 5;

const DEFINING: &[&str] = &["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

const KNOWN: &[Known] = &[
    Known {
        files: &[
            "harness/fault/src/nemesis/draw.rs",
            "harness/fault/src/nemesis/mod.rs",
            "harness/fault/src/scenario.rs",
        ],
        why: "a plan names the nemesis that drew it, and a nemesis draws the faults of a plan",
    },
    Known {
        files: &[
            "harness/live/src/network.rs",
            "harness/live/src/pipe/direction.rs",
            "harness/live/src/pipe/front.rs",
            "harness/live/src/pipe/mod.rs",
            "harness/live/src/relay.rs",
        ],
        why: "a network starts its relays and pipes, and they look up in it what becomes of a byte",
    },
    Known {
        files: &[
            "harness/synod/src/clients.rs",
            "harness/synod/src/clients/access.rs",
            "harness/synod/src/clients/backup.rs",
            "harness/synod/src/clients/pinned.rs",
            "harness/synod/src/clients/trespass.rs",
            "harness/synod/src/coverage/elections.rs",
            "harness/synod/src/coverage/links.rs",
            "harness/synod/src/coverage/machines.rs",
            "harness/synod/src/coverage/mod.rs",
            "harness/synod/src/coverage/requests.rs",
            "harness/synod/src/coverage/slots.rs",
            "harness/synod/src/coverage/tracker.rs",
            "harness/synod/src/machine.rs",
            "harness/synod/src/machine/connections.rs",
            "harness/synod/src/machine/faults.rs",
            "harness/synod/src/machine/flush.rs",
            "harness/synod/src/machine/folders.rs",
            "harness/synod/src/machine/lanes.rs",
            "harness/synod/src/machine/links.rs",
            "harness/synod/src/machine/turns.rs",
            "harness/synod/src/monitor.rs",
        ],
        why: "a machine tells the monitor what it does, and the monitor looks at whole machines",
    },
    Known {
        files: &[
            "node/src/create.rs",
            "node/src/driver.rs",
            "node/src/node.rs",
            "node/src/ports.rs",
            "node/src/start.rs",
        ],
        why: "starting a node gives its handle, and the handle is where an owner finds the start",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)], known: &[Known]) -> Vec<String> {
        check_but(&Tree::of(files), known).iter().map(ToString::to_string).collect()
    }

    const A: (&str, &str) = ("c/src/a.rs", "use crate::{b::B, d};\npub struct A;\n");

    #[test]
    fn a_circle_is_found_through_the_file_that_passes_a_name_on() {
        let b = ("c/src/b.rs", "fn b(a: crate::A) {}\n");
        let lib = ("c/src/lib.rs", "mod a;\nmod b;\npub use a::A;\n");
        let found = "c/src/a.rs: these files import one another in a circle: \
                     c/src/a.rs, c/src/b.rs";
        assert_eq!(findings(&[A, b, lib], &[]), [found]);
        let known = [Known { files: &["c/src/a.rs", "c/src/b.rs"], why: "" }];
        assert_eq!(findings(&[A, b, lib], &known), [""; 0]);
    }

    #[test]
    fn an_import_one_way_is_none_nor_are_comments_tests_and_other_crates() {
        let text = "// use crate::a::A;\nuse other::a::A;\n\n#[cfg(test)]\nmod tests {\n    use \
                    crate::a::A;\n}\n";
        assert_eq!(
            findings(&[A, ("c/src/b.rs", text), ("d/src/b.rs", "use crate::a;")], &[]),
            [""; 0]
        );
    }

    #[test]
    fn a_file_may_look_into_the_module_that_it_is_within() {
        let parent = ("c/src/m.rs", "mod inner;\nuse inner::Inner;\npub struct Outer;\n");
        let inner = ("c/src/m/inner.rs", "use super::Outer;\npub struct Inner;\n");
        assert_eq!(findings(&[parent, inner], &[]), [""; 0]);
        let one = ("c/src/m/one.rs", "use super::two::Two;\npub struct One;\n");
        let two = ("c/src/m/two.rs", "use super::one::One;\npub struct Two;\n");
        assert_eq!(findings(&[one, two], &[]).len(), 1);
    }

    #[test]
    fn a_reason_for_no_circle_is_struck_off() {
        let known = [Known { files: &["c/src/a.rs", "c/src/b.rs"], why: "" }];
        assert!(findings(&[A], &known)[0].starts_with("c/src/a.rs: there is no such circle"));
    }
}
