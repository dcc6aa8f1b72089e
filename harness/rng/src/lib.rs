//! Chance, frozen: the same seed gives the same numbers on every machine and in every version.
//!
//! Every number is a function of three things: the seed of the run, a named stream, and an index
//! in it. No number depends on when or in which order others were drawn, so two tasks can draw
//! from their own streams at any pace and a recorded plan still holds. The function is SplitMix64
//! (Steele, Lea and Flood, 2014) whose state is derived from seed and stream; the tests pin it to
//! published vectors, because a changed number would break every seed that was ever recorded.
//! It is no source of secrets, and what is drawn with it is left to whoever draws.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The seed of a run: all that is left to chance follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The name of one independent sequence of draws, such as the packets of one directed link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream(u64);

impl Stream {
    /// Names a stream.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let fold = |word, byte: &u8| mix(word ^ u64::from(*byte));
        Self(name.as_bytes().iter().fold(GOLDEN, fold))
    }

    /// Returns the stream that belongs to `part` of this one, such as a client or a node.
    #[must_use]
    pub fn part(self, part: u64) -> Self {
        Self(mix(self.0.wrapping_add(GOLDEN) ^ mix(part)))
    }
}

/// The draws of one stream: by position, or one after the other.
///
/// # Examples
///
/// ```
/// use synod_rng::{Random, Seed, Stream};
///
/// let link = Stream::named("link").part(1).part(2);
/// let mut draws = Random::new(Seed(42), link);
/// let first = draws.next_u64();
/// assert_eq!(first, Random::new(Seed(42), link).at(0));
/// assert!(draws.below(6) < 6);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    key: u64,
    index: u64,
}

impl Random {
    /// Opens the stream at its first draw.
    #[must_use]
    pub fn new(seed: Seed, stream: Stream) -> Self {
        Self { key: mix(seed.0.wrapping_add(GOLDEN) ^ stream.0), index: 0 }
    }

    /// Returns the next draw.
    pub fn next_u64(&mut self) -> u64 {
        let draw = self.at(self.index);
        self.index += 1;
        draw
    }

    /// Returns a number below `bound`, or 0 if the bound is 0; it takes exactly one draw.
    ///
    /// A number is favoured over another by less than `bound` in 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        scale(self.next_u64(), bound)
    }

    /// Returns a number from `low` to `high`, both included; it takes exactly one draw.
    ///
    /// # Panics
    ///
    /// If `low` is above `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "an empty range has no number in it");
        match (high - low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.next_u64(),
        }
    }

    /// Returns true in `parts_per_million` cases of a million; it takes exactly one draw.
    pub fn chance(&mut self, parts_per_million: u32) -> bool {
        self.below(MILLION) < u64::from(parts_per_million)
    }

    /// Returns one of the items, or none if there is none; it takes exactly one draw.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(items.len() as u64);
        items.get(usize::try_from(index).expect("an index below a length fits"))
    }

    /// Brings the items into a random order; it takes one draw for every item but the first.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1));
            items.swap(last, other.expect("an index below a length fits"));
        }
    }

    /// Returns the draw at `index`, wherever the sequence stands.
    #[must_use]
    pub fn at(&self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
    }
}

/// Maps a draw to a number below `bound`, or to 0 if the bound is 0.
#[must_use]
pub fn scale(draw: u64, bound: u64) -> u64 {
    ((u128::from(draw) * u128::from(bound)) >> 64) as u64
}

/// Scatters the bits of a word: the finalizer of SplitMix64, a bijection.
#[must_use]
pub fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The odd number next to 2^64 divided by the golden ratio: the step of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const MILLION: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_vectors_of_splitmix64() {
        let from = |key| Random { key, index: 0 };
        let take = |mut random: Random| [(); 5].map(|()| random.next_u64());
        assert_eq!(
            take(from(1_234_567)),
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
        assert_eq!(from(0).next_u64(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn keeps_the_numbers_of_seed_and_stream_for_ever() {
        let stream = Stream::named("link").part(1).part(2);
        let random = Random::new(Seed(42), stream);
        let seen = [random.at(0), random.at(1), random.at(u64::MAX)];
        assert_eq!(seen, FROZEN);
    }

    #[test]
    fn draws_by_position_and_in_sequence_are_the_same() {
        let mut random = Random::new(Seed(7), Stream::named("x"));
        let fixed = random.clone();
        for index in 0..100 {
            assert_eq!(random.next_u64(), fixed.at(index));
        }
    }

    #[test]
    fn streams_and_seeds_differ() {
        let first = |seed, stream| Random::new(Seed(seed), stream).at(0);
        let (a, b) = (Stream::named("a"), Stream::named("b"));
        let all = [
            first(1, a),
            first(2, a),
            first(1, b),
            first(1, a.part(0)),
            first(1, a.part(1)),
            first(1, a.part(0).part(1)),
            first(1, a.part(1).part(0)),
        ];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn bounded_draws_cover_their_range_evenly() {
        let mut random = Random::new(Seed(3), Stream::named("dice"));
        let mut seen = [0_u32; 6];
        for _ in 0..60_000 {
            seen[usize::try_from(random.below(6)).expect("below six")] += 1;
        }
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.between(5, 5), 5);
        assert!((0..1000).all(|_| (10..=12).contains(&random.between(10, 12))));
        let _full_range = random.between(0, u64::MAX);
    }

    #[test]
    fn chance_keeps_its_rate() {
        let mut random = Random::new(Seed(3), Stream::named("loss"));
        let hits = (0..100_000).filter(|_| random.chance(200_000)).count();
        assert!((19_500..20_500).contains(&hits), "{hits}");
        assert!(!random.chance(0));
        assert!(random.chance(1_000_000));
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        Random::new(Seed(9), Stream::named("order")).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }

    const FROZEN: [u64; 3] =
        [7_822_532_015_159_804_989, 5_460_815_817_766_189_930, 1_083_912_502_476_355_058];
}
