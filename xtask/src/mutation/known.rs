//! The survivors that are known, each with its reason: harness/mutants/survivors.toml.
//!
//! An entry excuses one mutant of that name. A function may have several of one name, and then
//! each wants an entry of its own, so that an entry never hides a survivor it was not written for.

use std::fs;

use toml::{Table, Value};

use super::sample::Mutant;
use crate::outcome::Failure;
use crate::workspace::root;

/// The list.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    name: String,
    reason: String,
}

/// Reads the list of this workspace.
pub(super) fn read() -> Result<Known, Failure> {
    let path = root().join("harness").join("mutants").join("survivors.toml");
    let text = fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
    parse(&text).map_err(|why| Failure::Found(format!("{}: {why}", path.display())))
}

impl Known {
    /// Gives the reason of each mutant that has one, and takes an entry only once.
    pub(super) fn reasons(&self, survivors: &[Mutant]) -> Vec<Option<&str>> {
        let mut left: Vec<&Entry> = self.0.iter().collect();
        let mut take = |name: String| {
            let at = left.iter().position(|entry| entry.name == name)?;
            Some(left.remove(at).reason.as_str())
        };
        survivors.iter().map(|mutant| take(mutant.lasting_name())).collect()
    }

    /// Names the entries that no mutant of the code bears any longer.
    pub(super) fn stale(&self, all: &[Mutant]) -> Vec<&str> {
        let mut names: Vec<String> = all.iter().map(Mutant::lasting_name).collect();
        let mut taken = |entry: &Entry| match names.iter().position(|name| *name == entry.name) {
            Some(at) => {
                names.swap_remove(at);
                true
            }
            None => false,
        };
        let mut stale = Vec::new();
        for entry in &self.0 {
            if !taken(entry) {
                stale.push(entry.name.as_str());
            }
        }
        stale
    }
}

fn parse(text: &str) -> Result<Known, String> {
    let table: Table = text.parse().map_err(|error| format!("not TOML: {error}"))?;
    if let Some(key) = table.keys().find(|key| *key != "survivor") {
        return Err(format!("unknown key `{key}`"));
    }
    let entries = table.get("survivor").and_then(Value::as_array);
    let entries = entries.map(Vec::as_slice).unwrap_or_default();
    entries.iter().map(parse_entry).collect::<Result<_, _>>().map(Known)
}

fn parse_entry(entry: &Value) -> Result<Entry, String> {
    let text = |key: &str| {
        let value = entry.get(key).and_then(Value::as_str).map(str::trim);
        let value = value.filter(|value| !value.is_empty());
        value.map(String::from).ok_or_else(|| format!("an entry has no {key}: {entry}"))
    };
    if entry.as_table().is_none_or(|entry| entry.len() != 2) {
        return Err(format!("an entry has a name and a reason, and nothing else: {entry}"));
    }
    Ok(Entry { name: text("name")?, reason: text("reason")? })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::sample::tests::mutant;
    use super::*;

    /// Makes a list with one entry for each name.
    pub(crate) fn known(names: &[&str]) -> Known {
        let entry = |name: &&str| Entry { name: (*name).into(), reason: "it is equal".into() };
        Known(names.iter().map(entry).collect())
    }

    #[test]
    fn the_list_of_this_repository_gives_a_reason_for_code_that_is_there() {
        for entry in read().unwrap().0 {
            let (file, _) = entry.name.split_once(": ").unwrap();
            assert!(root().join(file).is_file(), "{}", entry.name);
            assert!(entry.reason.split_whitespace().count() >= 5, "{}", entry.reason);
        }
    }

    #[test]
    fn an_entry_excuses_one_mutant_and_not_its_namesakes() {
        let list = known(&["paxos/src/quorum.rs: a"]);
        let survivors = [mutant(3, "a"), mutant(4, "a"), mutant(5, "b")];
        assert_eq!(list.reasons(&survivors), [Some("it is equal"), None, None]);
    }

    #[test]
    fn an_entry_that_nothing_bears_is_stale() {
        let list = known(&["paxos/src/quorum.rs: a", "paxos/src/quorum.rs: a", "x.rs: gone"]);
        assert_eq!(list.stale(&[mutant(3, "a")]), ["paxos/src/quorum.rs: a", "x.rs: gone"]);
    }

    #[test]
    fn a_bad_list_is_refused() {
        assert!(parse("").is_ok());
        for bad in [
            "[[survivors]]\nname = \"a\"\nreason = \"b\"",
            "[[survivor]]\nname = \"a\"",
            "[[survivor]]\nname = \"a\"\nreason = \" \"",
            "[[survivor]]\nname = \"a\"\nreason = \"b\"\nline = 3",
            "survivor",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
