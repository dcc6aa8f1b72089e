//! The rule that each bound of a node stands on the page of bounds, with its place and its value.
//!
//! What a bound is for is told by people; this checks that none is left out, that none is named
//! which is gone, and that no value is an old one.

use std::collections::BTreeSet;

use super::{File, Finding, Tree};

/// Checks the page against the source, both ways.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.files.iter().filter(|file| is_of_a_node(&file.path));
    let defined: BTreeSet<Bound> = sources.flat_map(bounds_of).collect();
    let told = tree.get(PAGE).map_or_else(BTreeSet::new, |page| rows(&page.text));
    let missing = defined.difference(&told).map(|bound| format!("it has no row `{bound}`"));
    let stale = told.difference(&defined).map(|bound| format!("no source has `{bound}`"));
    missing.chain(stale).map(|what| Finding::new(PAGE, 0, what)).collect()
}

/// A bound as it is defined, and as the page tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    path: String,
    name: String,
    value: String,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "| [`{}`](../../../{}) | `{}` |", self.name, self.path, self.value)
    }
}

fn is_of_a_node(path: &str) -> bool {
    let Some((folder, rest)) = path.split_once('/') else { return false };
    CRATES.contains(&folder) && rest.starts_with("src/") && path.ends_with(".rs")
}

/// The constants of a file whose names end as those of bounds do, but for its tests.
fn bounds_of(file: &File) -> Vec<Bound> {
    let shipped = file.text.split(TESTS).next().unwrap_or_default();
    shipped.split("const ").skip(1).filter_map(|rest| bound(&file.path, rest)).collect()
}

/// The bound that a text begins with, behind `const`.
fn bound(path: &str, text: &str) -> Option<Bound> {
    let (name, rest) = text.split_once(':')?;
    let is_name =
        name.chars().all(|letter| letter.is_ascii_uppercase() || "_0123".contains(letter));
    if !is_name || !ENDS.iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let (_, value) = rest.split_once('=')?;
    let (value, _) = value.split_once(';')?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Bound { path: path.to_owned(), name: name.to_owned(), value })
}

/// The bounds of the page: rows of a name with its place, and a value.
fn rows(page: &str) -> BTreeSet<Bound> {
    let row = |line: &str| {
        let (name, rest) = line.strip_prefix("| [`")?.split_once("`](../../../")?;
        let (path, rest) = rest.split_once(") | `")?;
        let (value, _) = rest.split_once("` |")?;
        Some(Bound { path: path.to_owned(), name: name.to_owned(), value: value.to_owned() })
    };
    page.lines().filter_map(row).collect()
}

const PAGE: &str = "docs/book/pages/bounds.md";

/// What a node is made of.
const CRATES: [&str; 8] =
    ["paxos", "journal", "sink", "smr", "transport-quic", "host", "node", "kv"];

/// How the name of a bound ends.
const ENDS: [&str; 2] = ["_MAX", "_TOTAL"];

/// Where the tests of a file begin.
const TESTS: &str = "#[cfg(test)]\nmod tests";

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "/// Commits.\npub(crate) const COMMITS_MAX: u64 =\n    1 << 2;\n\
        const OTHER: u8 = 1;\n#[cfg(test)]\nmod tests {\n    const TRIES_MAX: u8 = 9;\n}\n";

    fn told(row: &str) -> Vec<String> {
        let tree = Tree::of(&[("journal/src/a.rs", SOURCE), (PAGE, row)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_bound_is_told_with_its_place_and_value() {
        assert!(told("| [`COMMITS_MAX`](../../../journal/src/a.rs) | `1 << 2` | x |\n").is_empty());
    }

    #[test]
    fn a_bound_that_is_left_out_and_one_that_is_old_are_found() {
        let missing = told("| bound | value |\n");
        assert!(missing.len() == 1 && missing[0].contains("COMMITS_MAX"), "{missing:?}");
        let old = told("| [`COMMITS_MAX`](../../../journal/src/a.rs) | `8` | x |\n");
        assert!(old.len() == 2 && old.concat().contains("no source has"), "{old:?}");
    }

    #[test]
    fn the_bounds_of_each_crate_of_a_node_are_asked_for_and_no_others() {
        let source = "/// A.\nconst WAITING_MAX: u8 = 1;\nconst BYTES_TOTAL: u8 = 2;\n";
        for (path, count) in [
            ("paxos/src/a.rs", 2),
            ("journal/src/a/b.rs", 2),
            ("sink/src/a.rs", 2),
            ("smr/src/a.rs", 2),
            ("transport-quic/src/a.rs", 2),
            ("host/src/a.rs", 2),
            ("node/src/a.rs", 2),
            ("kv/src/a.rs", 2),
            ("harness/fault/src/a.rs", 0),
            ("kv/tests/a.rs", 0),
        ] {
            assert_eq!(check(&Tree::of(&[(path, source)])).len(), count, "{path}");
        }
    }
}
