//! Which of the runs of a campaign are one machine's.
//!
//! The runs of a campaign are counted from 0; of `count` machines the one with the number `index`
//! makes those whose number leaves `index` when divided by `count`. So every machine finds its part
//! from three numbers, and a campaign that grows leaves each run where it was. The claim kept true:
//! every run is of exactly one machine.

use serde::{Deserialize, Serialize};

/// One of several machines that share a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Numbers", into = "Numbers")]
pub struct Shard {
    index: u32,
    count: u32,
}

/// A shard as it is written.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    index: u64,
    count: u64,
}

/// What a command line says of shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardAsked {
    /// How many there are: `--shards`.
    pub shards: Option<u64>,
    /// Which one this is: `--shard`.
    pub shard: Option<u64>,
    /// The variable of the environment that has its number: `--shard-from`.
    pub shard_from: Option<String>,
}

/// Why what was asked for is no shard. The caller is to blame; each names the flag, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// There are none, or too many.
    #[error("--shards takes 1 to {SHARDS_MAX}, not {count}")]
    Count {
        /// How many were asked for.
        count: u64,
    },
    /// The number is not among those of the shards.
    #[error("there is no shard {index} of {count}: {flag} takes 0 to {last}", last = count - 1)]
    Index {
        /// Where the number comes from.
        flag: String,
        /// The number.
        index: u64,
        /// How many shards there are.
        count: u64,
    },
    /// It is said how many there are, and not which one this is.
    #[error(
        "--shards says how many there are; say which one this is, by --shard NUMBER or by \
         --shard-from VARIABLE"
    )]
    NoIndex,
    /// It is said which one this is, and not how many there are.
    #[error("{flag} says which one this is; say how many there are, by --shards NUMBER")]
    NoCount {
        /// The flag that was given.
        flag: &'static str,
    },
    /// The number comes from two places.
    #[error("--shard and --shard-from both say which one this is; leave one of them out")]
    TwoPlaces,
    /// The variable is not there, or is no number.
    #[error(
        "--shard-from: the variable {name} {what}; it is to have the number of this shard, \
         counted from 0"
    )]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
}

impl ShardAsked {
    /// Works out the shard, if there is to be one; `variable` looks into the environment.
    ///
    /// # Errors
    ///
    /// [`ShardError`] names the flag and what to do.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_report::{Shard, ShardAsked};
    ///
    /// let from = Some("JOB_COMPLETION_INDEX".to_owned());
    /// let asked = ShardAsked { shards: Some(8), shard: None, shard_from: from };
    /// let shard = asked.shard(|_| Some("2".to_owned()))?;
    /// assert_eq!(shard, Some(Shard::new(2, 8)?));
    /// # Ok::<(), synod_report::ShardError>(())
    /// ```
    pub fn shard(
        &self,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Option<Shard>, ShardError> {
        let (index, flag) = match (self.shard, &self.shard_from) {
            (Some(_), Some(_)) => return Err(ShardError::TwoPlaces),
            (Some(index), None) => (index, "--shard".to_owned()),
            (None, Some(name)) => {
                if self.shards.is_none() {
                    return Err(ShardError::NoCount { flag: "--shard-from" });
                }
                (read_index(name, variable(name))?, format!("--shard-from {name}"))
            }
            (None, None) if self.shards.is_some() => return Err(ShardError::NoIndex),
            (None, None) => return Ok(None),
        };
        let count = self.shards.ok_or(ShardError::NoCount { flag: "--shard" })?;
        let shard = Shard::new(index, count).map_err(|error| match error {
            ShardError::Index { index, count, .. } => ShardError::Index { flag, index, count },
            other @ (ShardError::Count { .. }
            | ShardError::NoIndex
            | ShardError::NoCount { .. }
            | ShardError::TwoPlaces
            | ShardError::Variable { .. }) => other,
        })?;
        Ok(Some(shard))
    }
}

fn read_index(name: &str, value: Option<String>) -> Result<u64, ShardError> {
    let wrong = |what: String| ShardError::Variable { name: name.to_owned(), what };
    let value = value.ok_or_else(|| wrong("is not set".to_owned()))?;
    value.parse().map_err(|_| wrong(format!("is `{value}`, which is no whole number")))
}

impl Shard {
    /// Makes the shard of this number, counted from 0.
    ///
    /// # Errors
    ///
    /// [`ShardError`] if there is no such shard, or there are too many.
    pub fn new(index: u64, count: u64) -> Result<Self, ShardError> {
        if !(1..=u64::from(SHARDS_MAX)).contains(&count) {
            return Err(ShardError::Count { count });
        }
        if index >= count {
            return Err(ShardError::Index { flag: "--shard".to_owned(), index, count });
        }
        let fits = "both are at most SHARDS_MAX";
        let narrow = |number: u64| u32::try_from(number).expect(fits);
        Ok(Self { index: narrow(index), count: narrow(count) })
    }

    /// Returns its number, counted from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// Returns how many shards there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Returns how many of so many runs are its own.
    #[must_use]
    pub fn share(self, runs: u64) -> u64 {
        // A machine whose number is past the last run has none.
        runs.saturating_sub(self.index.into()).div_ceil(self.count.into())
    }

    /// Returns the numbers of its runs, of so many, in order.
    pub fn turns(self, runs: u64) -> impl Iterator<Item = u64> {
        let (first, step) = (u64::from(self.index), u64::from(self.count));
        (0..self.share(runs)).map(move |turn| first + turn * step)
    }

    /// Returns the name of the file in which its summary is kept.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{FILE_START}{}-of-{}.json", self.index, self.count)
    }

    /// Says whether a file of this name is the summary of some shard.
    #[must_use]
    pub fn is_file_name(name: &str) -> bool {
        let numbers = name.strip_prefix(FILE_START).and_then(|rest| rest.strip_suffix(".json"));
        let numbers = numbers.and_then(|numbers| numbers.split_once("-of-"));
        numbers.is_some_and(|(index, count)| {
            matches!((index.parse(), count.parse()), (Ok(index), Ok(count))
                if Self::new(index, count).is_ok())
        })
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "shard {} of {}", self.index, self.count)
    }
}

impl TryFrom<Numbers> for Shard {
    type Error = ShardError;

    fn try_from(Numbers { index, count }: Numbers) -> Result<Self, ShardError> {
        Self::new(index, count)
    }
}

impl From<Shard> for Numbers {
    fn from(shard: Shard) -> Self {
        Self { index: shard.index.into(), count: shard.count.into() }
    }
}

/// How many machines may share a campaign.
pub const SHARDS_MAX: u32 = 10_000;

/// How the name of a summary begins.
const FILE_START: &str = "shard-";

#[cfg(test)]
mod tests {
    use super::*;

    /// For every small campaign and number of shards, and some large ones at their edges.
    #[test]
    fn every_run_is_of_exactly_one_shard() {
        let large = [(10_000, 9_999), (10_000, 10_000), (9_999, 10_000), (100_003, 7)];
        let small = (1..=40).flat_map(|runs| (1..=45).map(move |count| (runs, count)));
        for (runs, count) in small.chain(large) {
            let mut seen = vec![0; runs as usize];
            for index in 0..count {
                let shard = Shard::new(index, count).expect("it is among them");
                let turns: Vec<u64> = shard.turns(runs).collect();
                assert_eq!(turns.len() as u64, shard.share(runs), "{shard} of {runs} runs");
                assert!(turns.windows(2).all(|pair| pair[0] < pair[1]), "they come in order");
                turns.iter().for_each(|turn| seen[*turn as usize] += 1);
            }
            assert!(seen.iter().all(|times| *times == 1), "{runs} runs, {count} shards: {seen:?}");
        }
    }

    #[test]
    fn a_campaign_that_grows_leaves_each_run_where_it_was() {
        let shard = Shard::new(3, 8).expect("it is among them");
        let (few, more) = (shard.turns(20), shard.turns(90));
        let few: Vec<u64> = few.collect();
        assert_eq!(few, more.take(few.len()).collect::<Vec<_>>());
    }

    fn asked(shards: Option<u64>, shard: Option<u64>, from: Option<&str>) -> ShardAsked {
        ShardAsked { shards, shard, shard_from: from.map(str::to_owned) }
    }

    #[test]
    fn what_is_no_shard_is_refused_with_the_flag_and_what_to_do() {
        let set = |name: &str| (name == "SET").then(|| "4".to_owned());
        let words = |name: &str| (name == "SET").then(|| "four".to_owned());
        let none = |_: &str| None;
        for (asked, wanted) in [
            (asked(Some(0), Some(0), None), "--shards takes 1 to 10000, not 0"),
            (asked(Some(10_001), Some(0), None), "--shards takes 1 to 10000, not 10001"),
            (asked(Some(4), Some(4), None), "there is no shard 4 of 4: --shard takes 0 to 3"),
            (asked(Some(4), None, None), "say which one this is, by --shard NUMBER"),
            (asked(None, Some(1), None), "--shard says which one this is; say how many"),
            (asked(None, None, Some("SET")), "--shard-from says which one this is; say how many"),
            (asked(Some(4), Some(1), Some("SET")), "leave one of them out"),
            (asked(Some(4), None, Some("NOT")), "the variable NOT is not set; it is to have"),
        ] {
            let error = asked.shard(none).expect_err(wanted).to_string();
            assert!(error.contains(wanted), "{error}");
        }
        let of_four = asked(Some(4), None, Some("SET"));
        let error = of_four.shard(set).expect_err("it is the fifth").to_string();
        assert_eq!(error, "there is no shard 4 of 4: --shard-from SET takes 0 to 3");
        let error = of_four.shard(words).expect_err("it is a word").to_string();
        assert!(error.contains("the variable SET is `four`, which is no whole number"), "{error}");
        let of_five = asked(Some(5), None, Some("SET"));
        assert_eq!(of_five.shard(set).map(|it| it.map(Shard::index)), Ok(Some(4)));
        // The environment alone makes no shard: it is looked into where a flag names it.
        assert_eq!(asked(None, None, None).shard(|_| panic!("nobody named it")), Ok(None));
    }

    #[test]
    fn a_summary_is_known_by_its_name() {
        let shard = Shard::new(2, 8).expect("it is among them");
        assert!(Shard::is_file_name(&shard.file_name()));
        for other in ["shard-8-of-8.json", "shard-2-of-8.txt", "shard-2.json", "2-of-8.json"] {
            assert!(!Shard::is_file_name(other), "{other}");
        }
        let written = serde_json::to_string(&shard).expect("plain data");
        assert_eq!(written, r#"{"index":2,"count":8}"#);
        assert!(serde_json::from_str::<Shard>(r#"{"index":8,"count":8}"#).is_err());
    }
}
