//! Reads harness/mutants/catalogue.toml, and refuses an entry that could not be run.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use toml::{Table, Value};

use crate::outcome::Failure;
use crate::workspace::root;

/// A seeded bug.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    /// Its name in the catalogue, such as `P05`.
    pub(crate) id: String,
    /// The patch that seeds it.
    pub(crate) patch: PathBuf,
    /// The level that must catch it at the latest.
    pub(crate) level: Level,
    /// What it breaks, in a line.
    pub(crate) breaks: String,
    /// The verbs that try to catch it, cheapest level first.
    pub(crate) catch: Vec<Vec<String>>,
    /// Whether CI tries it on every change.
    pub(crate) quick: bool,
    /// The flags of the chaos run that shows it, when it is the demo.
    pub(crate) demo: Option<Vec<String>>,
}

/// How near to production a check runs. The order is that of cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Unit and property tests.
    Unit,
    /// The exhaustive model of the real code.
    Model,
    /// The interleavings of threads.
    Loom,
    /// The simulator.
    Simulator,
    /// Real processes.
    Real,
    /// The monitor of traces.
    Trace,
}

impl Level {
    const LETTERS: &[(&str, Self)] = &[
        ("U", Self::Unit),
        ("M", Self::Model),
        ("L", Self::Loom),
        ("S", Self::Simulator),
        ("R", Self::Real),
        ("T", Self::Trace),
    ];

    fn parse(letter: &str) -> Option<Self> {
        Self::LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, level)| *level)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = Self::LETTERS.iter().find(|(_, level)| level == self);
        out.pad(letter.map_or("?", |(letter, _)| letter))
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quick = if self.quick { "quick" } else { "" };
        write!(out, "{:<5} {:<2} {quick:<6} {}", self.id, self.level, self.breaks)
    }
}

/// Tells at which level a command of the catalogue tries.
pub(crate) fn level_of(command: &[String]) -> Option<Level> {
    let of_test = |named: &[&str]| {
        command.windows(2).any(|pair| pair[0] == "--test" && named.contains(&pair[1].as_str()))
    };
    match command.first()?.as_str() {
        "test" if of_test(&["model"]) => Some(Level::Model),
        "test" if of_test(SIMULATIONS) => Some(Level::Simulator),
        "test" => Some(Level::Unit),
        "model" => Some(Level::Model),
        "loom" => Some(Level::Loom),
        "sim" => Some(Level::Simulator),
        "chaos" => Some(Level::Real),
        _ => None,
    }
}

/// The tests that run the simulator.
const SIMULATIONS: &[&str] = &["swarm", "graphs", "seeds"];

/// Reads the catalogue of this workspace.
pub(crate) fn read() -> Result<Vec<Mutant>, Failure> {
    let path = folder().join("catalogue.toml");
    let text = fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
    parse(&text).map_err(|why| Failure::Found(format!("{}: {why}", path.display())))
}

fn folder() -> PathBuf {
    root().join("harness").join("mutants")
}

fn parse(text: &str) -> Result<Vec<Mutant>, String> {
    let table: Table = text.parse().map_err(|error| format!("not TOML: {error}"))?;
    let entries = table.get("mutant").and_then(Value::as_array).ok_or("it has no [[mutant]]")?;
    let mutants: Vec<Mutant> = entries.iter().map(parse_entry).collect::<Result<_, _>>()?;
    for (at, mutant) in mutants.iter().enumerate() {
        if mutants[..at].iter().any(|other| other.id == mutant.id) {
            return Err(format!("{}: the id is used twice", mutant.id));
        }
    }
    Ok(mutants)
}

fn parse_entry(entry: &Value) -> Result<Mutant, String> {
    let id = entry.get("id").and_then(Value::as_str).ok_or("an entry has no id")?;
    let of = |what: String| format!("{id}: {what}");
    if let Some(key) = entry.as_table().into_iter().flatten().find(|(key, _)| !is_known(key)) {
        return Err(of(format!("unknown key `{}`", key.0)));
    }
    let text = |key: &str| {
        let value = entry.get(key).and_then(Value::as_str);
        value.ok_or_else(|| of(format!("`{key}` is missing, or no text")))
    };
    let level = Level::parse(text("level")?);
    let catch = entry.get("catch").and_then(Value::as_array);
    let catch = catch.ok_or_else(|| of("`catch` is missing, or no list".into()))?;
    let mut catch: Vec<Vec<String>> = catch
        .iter()
        .map(|command| words(command).ok_or_else(|| of("a command of `catch` is no list".into())))
        .collect::<Result<_, _>>()?;
    if let Some(command) = catch.iter().find(|command| level_of(command).is_none()) {
        return Err(of(format!("`{}` is no way to catch", command.join(" "))));
    }
    if catch.is_empty() {
        return Err(of("`catch` is empty".into()));
    }
    catch.sort_by_key(|command| level_of(command));
    let demo = entry
        .get("demo")
        .map(|flags| words(flags).ok_or_else(|| of("`demo` is no list of flags".into())));
    Ok(Mutant {
        id: id.into(),
        patch: folder().join(text("patch")?),
        level: level.ok_or_else(|| of("`level` is none of U M L S R T".into()))?,
        breaks: text("breaks")?.into(),
        catch,
        quick: entry.get("quick").and_then(Value::as_bool).unwrap_or(false),
        demo: demo.transpose()?,
    })
}

fn is_known(key: &str) -> bool {
    ["id", "patch", "level", "breaks", "catch", "quick", "demo"].contains(&key)
}

fn words(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|word| word.as_str().map(String::from)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const ENTRY: &str = r#"
        [[mutant]]
        id = "P05"
        patch = "p05.patch"
        level = "M"
        breaks = "a stale Promise is counted"
        catch = [["model", "-p", "synod-paxos"], ["test", "-p", "synod-paxos", "--lib"]]
        quick = true
    "#;

    #[test]
    fn an_entry_is_read_and_its_commands_are_sorted_by_cost() {
        let mutants = parse(ENTRY).unwrap();
        let [mutant] = mutants.as_slice() else { panic!("one entry") };
        assert_eq!((mutant.id.as_str(), mutant.level, mutant.quick), ("P05", Level::Model, true));
        assert_eq!(mutant.catch[0][0], "test");
        assert!(mutant.patch.ends_with("harness/mutants/p05.patch"));
        assert_eq!(mutant.to_string(), "P05   M  quick  a stale Promise is counted");
        assert!(mutant.demo.is_none());
    }

    #[test]
    fn levels_follow_from_the_verbs() {
        let level = |line: &str| level_of(&line.split(' ').map(String::from).collect::<Vec<_>>());
        assert_eq!(level("test -p a --test paper"), Some(Level::Unit));
        assert_eq!(level("test -p a --test model"), Some(Level::Model));
        assert_eq!(level("test -p a --test graphs of_three"), Some(Level::Simulator));
        assert_eq!(level("sim --seeds 9"), Some(Level::Simulator));
        assert_eq!(level("chaos --seed 1"), Some(Level::Real));
        assert_eq!(level("lint"), None);
        assert!(Level::Unit < Level::Model && Level::Simulator < Level::Real);
    }

    #[test]
    fn an_entry_that_could_not_run_is_refused_by_name() {
        for (from, to, why) in [
            ("\"M\"", "\"Q\"", "P05: `level` is none of"),
            ("[[\"model\"", "[[\"pray\"", "P05: `pray -p synod-paxos` is no way to catch"),
            ("patch = \"p05.patch\"", "", "P05: `patch` is missing"),
            ("quick =", "quik =", "P05: unknown key `quik`"),
            ("id = \"P05\"", "", "an entry has no id"),
        ] {
            let error = parse(&ENTRY.replace(from, to)).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
        let twice = parse(&ENTRY.repeat(2)).unwrap_err();
        assert_eq!(twice, "P05: the id is used twice");
        assert!(parse("").is_err());
    }
}
