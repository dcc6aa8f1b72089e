//! A mutant, and the draw of a sample that anybody can repeat from its seed.

use std::collections::BTreeMap;

use serde_json::Value;

/// One small change that the tool would make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mutant {
    /// Where it stands, from the root of the workspace.
    pub(super) file: String,
    line: u64,
    column: u64,
    /// What the tool calls it: `file:line:column: change in function`.
    pub(super) name: String,
    /// The crate whose tests must notice it.
    pub(super) package: String,
}

impl Mutant {
    /// Reads the tool's description of a mutant.
    pub(super) fn parse(described: &Value) -> Option<Self> {
        let start = &described["span"]["start"];
        Some(Self {
            file: described["file"].as_str()?.into(),
            line: start["line"].as_u64()?,
            column: start["column"].as_u64()?,
            name: described["name"].as_str()?.into(),
            package: described["package"].as_str()?.into(),
        })
    }

    /// Gives the name without line and column, which an edit elsewhere in the file would change.
    pub(super) fn lasting_name(&self) -> String {
        let place = format!("{}:{}:{}:", self.file, self.line, self.column);
        match self.name.strip_prefix(&place) {
            Some(change) => format!("{}:{change}", self.file),
            None => self.name.clone(),
        }
    }
}

/// Draws `count` mutants, or all if there are fewer, and gives them in the order of their places.
///
/// Each has a lot that hangs on the seed and its own name alone: a change of the code changes what
/// is drawn only where it changes mutants, so the known survivors stay those of the sample.
pub(super) fn draw(mut mutants: Vec<Mutant>, count: usize, seed: u64) -> Vec<Mutant> {
    mutants.sort();
    let mut namesakes: BTreeMap<String, u64> = BTreeMap::new();
    let mut lots: Vec<(u64, Mutant)> = Vec::new();
    for mutant in mutants {
        let name = mutant.lasting_name();
        // Mutants of one name have lots of their own.
        let lot = lot(seed, &name, *namesakes.entry(name.clone()).or_default());
        *namesakes.entry(name).or_default() += 1;
        lots.push((lot, mutant));
    }
    lots.sort();
    lots.truncate(count);
    let mut drawn: Vec<Mutant> = lots.into_iter().map(|(_, mutant)| mutant).collect();
    drawn.sort();
    drawn
}

fn lot(seed: u64, name: &str, namesake: u64) -> u64 {
    let start = mix(mix(seed) ^ namesake);
    name.bytes().fold(start, |state, byte| mix(state ^ u64::from(byte)))
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use std::collections::BTreeSet;

    /// Makes a mutant as the tool would describe it.
    pub(crate) fn mutant(line: u64, change: &str) -> Mutant {
        let file = "paxos/src/quorum.rs";
        let described = serde_json::json!({
            "file": file,
            "span": {"start": {"line": line, "column": 9}},
            "name": format!("{file}:{line}:9: {change}"),
            "package": "synod-paxos",
        });
        Mutant::parse(&described).unwrap()
    }

    #[test]
    fn a_lasting_name_has_no_place_in_it() {
        let name = mutant(12, "replace >= with < in is_majority").lasting_name();
        assert_eq!(name, "paxos/src/quorum.rs: replace >= with < in is_majority");
    }

    #[test]
    fn a_seed_draws_the_same_sample_from_any_order_and_another_seed_another_one() {
        let all: Vec<Mutant> = (1..200).map(|line| mutant(line, "x")).collect();
        let reversed: Vec<Mutant> = all.iter().rev().cloned().collect();
        let drawn = draw(all.clone(), 20, 7);
        assert_eq!(drawn.len(), 20);
        assert!(drawn.is_sorted());
        assert_eq!(drawn, draw(reversed, 20, 7));
        assert_ne!(drawn, draw(all.clone(), 20, 8));
        assert_eq!(draw(all.clone(), 1_000, 7), all);
    }

    #[test]
    fn a_change_of_the_code_leaves_the_rest_of_the_sample_alone() {
        let change = |number: u64| format!("replace {} in f", number % 150);
        let all: Vec<Mutant> = (1..200).map(|line| mutant(line, &change(line))).collect();
        let drawn = draw(all.clone(), 20, 7);
        let moved = all.iter().filter(|it| !it.name.ends_with(" 3 in f"));
        let moved: Vec<Mutant> = moved.map(|it| mutant(it.line + 9, &change(it.line))).collect();
        let names = |drawn: &[Mutant]| -> BTreeSet<String> {
            drawn.iter().map(Mutant::lasting_name).collect()
        };
        let (before, after) = (names(&drawn), names(&draw(moved, 20, 7)));
        assert!(before.difference(&after).all(|name| name.ends_with(" 3 in f")));
    }

    #[test]
    fn the_lots_are_the_same_everywhere() {
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
        assert_ne!(lot(1, "a", 0), lot(1, "a", 1), "namesakes are drawn apart");
        assert_ne!(lot(1, "a", 0), lot(2, "a", 0));
        assert_ne!(lot(1, "a", 0), lot(1, "b", 0));
    }
}
