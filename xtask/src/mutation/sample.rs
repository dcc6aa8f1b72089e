//! A mutant, and the draw of a sample that anybody can repeat from its seed.

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
pub(super) fn draw(mut mutants: Vec<Mutant>, count: usize, seed: u64) -> Vec<Mutant> {
    mutants.sort();
    let mut dice = Dice(seed);
    for at in (1..mutants.len()).rev() {
        mutants.swap(at, dice.below(at + 1));
    }
    mutants.truncate(count);
    mutants.sort();
    mutants
}

/// The generator of Steele, Lea and Flood (2014), known as SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The lean towards small numbers is below one in a billion for any list of mutants.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

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
    fn the_dice_are_those_of_the_paper() {
        let mut dice = Dice(1_234_567);
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
    }
}
