//! Which mutants a client can be shown by: harness/mutants/clients.toml.
//!
//! Claim kept true: each mutant of the catalogue stands in it once, so that none is left out of the
//! share that is caught without a reason that can be read.

use std::collections::BTreeMap;
use std::fs;

use toml::{Table, Value};

use crate::mutants::Mutant;
use crate::outcome::Failure;
use crate::workspace::root;

/// The lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    /// What a client is shown, by the mutant.
    seen: BTreeMap<String, String>,
    /// Why no client is shown anything.
    unseen: BTreeMap<String, String>,
    /// Why runs of the default kind miss a mutant that could be seen.
    missed: BTreeMap<String, String>,
}

impl Clients {
    /// Reads the lists, and holds them against the catalogue.
    pub(crate) fn read(catalogue: &[Mutant]) -> Result<Self, Failure> {
        let path = root().join("harness/mutants/clients.toml");
        let text = fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
        let ids: Vec<&str> = catalogue.iter().map(|mutant| mutant.id.as_str()).collect();
        Self::parse(&text, &ids).map_err(|why| Failure::Found(format!("{}: {why}", path.display())))
    }

    fn parse(text: &str, catalogue: &[&str]) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error| format!("not TOML: {error}"))?;
        if let Some(key) =
            table.keys().find(|key| !["seen", "unseen", "missed"].contains(&key.as_str()))
        {
            return Err(format!("unknown list `{key}`"));
        }
        let seen = entries(&table, "seen", "shows")?;
        let unseen = entries(&table, "unseen", "why")?;
        let missed = entries(&table, "missed", "why")?;
        for id in catalogue {
            match (seen.contains_key(*id), unseen.contains_key(*id)) {
                (true, true) => return Err(format!("{id} is seen and unseen")),
                (false, false) => return Err(format!("{id} is in no list")),
                (true, false) | (false, true) => {}
            }
        }
        let known = |id: &&String| catalogue.contains(&id.as_str());
        if let Some(id) = seen.keys().chain(unseen.keys()).find(|id| !known(id)) {
            return Err(format!("{id} is no mutant of the catalogue"));
        }
        if let Some(id) = missed.keys().find(|id| !seen.contains_key(*id)) {
            return Err(format!("{id} is missed, and not among those that can be seen"));
        }
        Ok(Self { seen, unseen, missed })
    }

    /// Tells whether a client can be shown by a mutant.
    pub(crate) fn is_seen(&self, id: &str) -> bool {
        self.seen.contains_key(id)
    }

    /// Gives what a client can be shown.
    pub(crate) fn shows(&self, id: &str) -> &str {
        self.seen.get(id).map_or("", String::as_str)
    }

    /// Gives the reason why no client can be shown by a mutant.
    pub(crate) fn why_unseen(&self, id: &str) -> Option<&str> {
        self.unseen.get(id).map(String::as_str)
    }

    /// Gives the reason why runs miss a mutant.
    pub(crate) fn why_missed(&self, id: &str) -> Option<&str> {
        self.missed.get(id).map(String::as_str)
    }

    /// Counts the mutants that a client cannot be shown by, reason by reason.
    pub(crate) fn unseen_by_reason(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        self.unseen.values().for_each(|why| *counts.entry(why.as_str()).or_default() += 1);
        counts
    }
}

/// Reads one list: each entry names mutants and says one thing of them.
fn entries(table: &Table, list: &str, says: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    let Some(entries) = table.get(list) else { return Ok(found) };
    let entries = entries.as_array().ok_or_else(|| format!("`{list}` is no list of tables"))?;
    for entry in entries {
        let ids = entry.get("ids").and_then(Value::as_array);
        let words = entry.get(says).and_then(Value::as_str);
        let (Some(ids), Some(words)) = (ids, words) else {
            return Err(format!("an entry of `{list}` lacks `ids` or `{says}`"));
        };
        for id in ids {
            let id = id.as_str().ok_or_else(|| format!("{id} of `{list}` is no text"))?;
            if found.insert(id.to_owned(), words.to_owned()).is_some() {
                return Err(format!("{id} stands twice in `{list}`"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
impl Clients {
    /// Makes the lists of a text.
    pub(super) fn of(text: &str, catalogue: &[&str]) -> Result<Self, String> {
        Self::parse(text, catalogue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &str = "[[seen]]\nids = [\"A1\", \"A2\"]\nshows = \"a lost write\"\n\
        [[unseen]]\nids = [\"B1\"]\nwhy = \"no disk\"\n\
        [[missed]]\nids = [\"A2\"]\nwhy = \"rare\"\n";

    #[test]
    fn each_mutant_is_seen_or_has_a_reason() -> Result<(), String> {
        let clients = Clients::of(LISTS, &["A1", "A2", "B1"])?;
        assert!(clients.is_seen("A1") && !clients.is_seen("B1"));
        assert_eq!(clients.shows("A2"), "a lost write");
        assert_eq!(clients.why_unseen("B1"), Some("no disk"));
        assert_eq!((clients.why_missed("A2"), clients.why_missed("A1")), (Some("rare"), None));
        Ok(())
    }

    #[test]
    fn a_mutant_that_stands_nowhere_or_twice_is_refused() {
        let all = ["A1", "A2", "B1"];
        for (from, to, why) in [
            ("\"B1\"", "\"A1\"", "A1 is seen and unseen"),
            ("[\"B1\"]", "[]", "B1 is in no list"),
            ("\"A2\"]\nwhy", "\"B1\"]\nwhy", "B1 is missed, and not among"),
            ("[\"B1\"]", "[\"B1\", \"C9\"]", "C9 is no mutant"),
            ("[\"A1\", \"A2\"]", "[\"A1\", \"A2\", \"A1\"]", "A1 stands twice"),
            ("shows", "says", "lacks `ids` or `shows`"),
            ("unseen", "hidden", "unknown list `hidden`"),
        ] {
            let refused = Clients::of(&LISTS.replacen(from, to, 1), &all);
            let error = refused.err().unwrap_or_default();
            assert!(error.starts_with(why) || error.contains(why), "{from}: {error}");
        }
    }
}
