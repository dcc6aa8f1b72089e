//! One directed link that carries streams: asked about each chunk of bytes and each connection.
//!
//! A chunk is what the carrier read at once, as a rule one write of the sender. The dice of chunk
//! number n are the link's own, as those of packet n are in `link`. Bytes are never lost, doubled,
//! changed or put into another order: what happens to a stream is waiting, other pieces, and its
//! end. Whoever carries the bytes keeps their order, and passes none while the link is cut.

use std::num::NonZeroUsize;
use std::time::Duration;

use synod_rng::{Random, Seed, Stream};

use super::dice::Dice;
use super::link::transit;
use super::{LinkId, LinkRules, Transport};

/// What becomes of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkVerdict {
    /// It is handed on, after all that came before it.
    Pass(Passage),
    /// The connection is reset in its place.
    Reset,
}

/// How a chunk is handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// How long it is held back, a stall included.
    pub delay: Duration,
    /// Whether the connection stands still before it.
    pub stalled: bool,
    /// Into pieces of how many bytes it is cut, where it is.
    pub piece: Option<NonZeroUsize>,
    /// Whether the direction ends after it.
    pub last: bool,
}

/// One directed link of streams: its rules, its place in the stream of chance, and its queue.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use synod_fault::{ChunkVerdict, LinkId, LinkRules, Millis, NodeId, StreamLink};
/// use synod_rng::Seed;
///
/// let mut link = StreamLink::new(Seed(1), LinkId::new(NodeId(1), NodeId(2)));
/// link.set_rules(LinkRules { delay_ms: Millis(50), ..LinkRules::default() });
/// let ChunkVerdict::Pass(passage) = link.chunk(100, Duration::ZERO) else { panic!("no reset") };
/// assert_eq!(passage.delay, Duration::from_millis(50));
/// ```
#[derive(Clone, Debug)]
pub struct StreamLink {
    of_chunks: Random,
    of_connections: Random,
    chunks: u64,
    connections: u64,
    rules: LinkRules,
    /// When the last byte of the queue will have passed.
    free_at: Duration,
}

impl StreamLink {
    /// Makes a link that passes everything at once.
    #[must_use]
    pub fn new(seed: Seed, id: LinkId) -> Self {
        let of = |name| {
            let ends = Stream::named(name).part(u64::from(id.from.0)).part(u64::from(id.to.0));
            Random::new(seed, ends)
        };
        Self {
            of_chunks: of("chunk"),
            of_connections: of("connection"),
            chunks: 0,
            connections: 0,
            rules: LinkRules::default(),
            free_at: Duration::ZERO,
        }
    }

    /// Replaces the rules. Chunks that were decided about keep their delays.
    ///
    /// # Panics
    ///
    /// If the rules are of packets; see [`LinkRules::fits`].
    pub fn set_rules(&mut self, rules: LinkRules) {
        assert_eq!(rules.fits(Transport::Tcp), Ok(()), "streams obey the rules of streams");
        if rules.rate != self.rules.rate {
            self.free_at = Duration::ZERO;
        }
        self.rules = rules;
    }

    /// Decides about the next chunk of `size` bytes at `now`, a time that never goes back.
    pub fn chunk(&mut self, size: usize, now: Duration) -> ChunkVerdict {
        let dice = Dice::of(&self.of_chunks, self.chunks);
        self.chunks = self.chunks.wrapping_add(1);
        let LinkRules { reset, half_close, stall, stall_ms, slice_bytes, .. } = self.rules;
        // A reset takes the place of its chunk, which then takes no room in the queue.
        if dice.says(Question::Reset as u64, reset) {
            return ChunkVerdict::Reset;
        }
        let queued = self
            .rules
            .rate
            .map_or(Duration::ZERO, |rate| transit(&mut self.free_at, rate, size as u64, now));
        let stalled = dice.says(Question::Stall as u64, stall);
        let standing = if stalled { stall_ms.duration() } else { Duration::ZERO };
        let jitter = dice.up_to(Question::Jitter as u64, self.rules.jitter_ms);
        let drawn = 1 + dice.below(Question::Piece as u64, u64::from(slice_bytes));
        // A piece as large as the chunk would cut nothing, and be counted as if it had.
        let piece = usize::try_from(drawn).ok().filter(|piece| slice_bytes > 0 && *piece < size);
        ChunkVerdict::Pass(Passage {
            delay: queued + self.rules.delay_ms.duration() + jitter + standing,
            stalled,
            piece: piece.and_then(NonZeroUsize::new),
            last: dice.says(Question::HalfClose as u64, half_close),
        })
    }

    /// Decides about the next connection that is asked for over the link: is it refused?
    pub fn refuses(&mut self) -> bool {
        let dice = Dice::of(&self.of_connections, self.connections);
        self.connections = self.connections.wrapping_add(1);
        dice.says(Question::Refuse as u64, self.rules.refuse)
    }

    /// Returns whether nothing passes.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.rules.cut
    }

    /// Returns how many bytes a carrier may read at once: on a narrow link few, so that they
    /// trickle through it.
    #[must_use]
    pub fn chunk_bytes_max(&self) -> usize {
        let share =
            |per_s: u64| usize::try_from((per_s / CHUNKS_PER_S).max(1)).unwrap_or(usize::MAX);
        self.rules.rate.map_or(usize::MAX, |rate| share(rate.bytes_per_s))
    }

    /// Returns how many bytes of one connection may wait, before its sender has to.
    #[must_use]
    pub fn window_bytes(&self) -> usize {
        let queue = |bytes: u64| usize::try_from(bytes.max(1)).unwrap_or(usize::MAX);
        self.rules.rate.map_or(usize::MAX, |rate| queue(rate.queue_bytes))
    }

    /// Returns the rules in force.
    #[must_use]
    pub fn rules(&self) -> &LinkRules {
        &self.rules
    }
}

/// The questions that chance answers about each chunk; their numbers are part of every seed.
#[derive(Clone, Copy)]
enum Question {
    Reset = 0,
    Stall = 1,
    Jitter = 2,
    Piece = 3,
    HalfClose = 4,
    Refuse = 5,
}

/// Chunks in which a second's worth of a narrow link passes.
const CHUNKS_PER_S: u64 = 50;

#[cfg(test)]
mod tests {
    use super::super::{Millis, NodeId, PartsPerMillion, RateLimit};
    use super::*;

    const CHUNKS: usize = 100_000;

    fn link(seed: u64, rules: LinkRules) -> StreamLink {
        let mut link = StreamLink::new(Seed(seed), LinkId::new(NodeId(1), NodeId(2)));
        link.set_rules(rules);
        link
    }

    fn verdicts(rules: LinkRules) -> Vec<ChunkVerdict> {
        let mut link = link(7, rules);
        (0..CHUNKS).map(|n| link.chunk(1_000, Duration::from_micros(n as u64))).collect()
    }

    fn passages(rules: LinkRules) -> Vec<Passage> {
        let passage = |verdict: &ChunkVerdict| match verdict {
            ChunkVerdict::Pass(passage) => Some(*passage),
            ChunkVerdict::Reset => None,
        };
        verdicts(rules).iter().filter_map(passage).collect()
    }

    fn check_share(part: usize, percent: f64) {
        let share = part as f64 * 100.0 / CHUNKS as f64;
        assert!((share - percent).abs() <= 1.0, "{share} % instead of {percent} %");
    }

    #[test]
    fn no_rules_let_everything_through_at_once() {
        assert!(passages(LinkRules::default()).iter().all(|p| *p == Passage::default()));
        assert!(!link(1, LinkRules::default()).refuses());
    }

    #[test]
    fn resets_stalls_ends_and_refusals_come_as_often_as_asked() {
        let percent = PartsPerMillion::percent;
        let rules = LinkRules {
            reset: percent(10),
            stall: percent(20),
            stall_ms: Millis(200),
            half_close: percent(5),
            refuse: percent(30),
            ..LinkRules::default()
        };
        let seen = passages(rules);
        check_share(CHUNKS - seen.len(), 10.0);
        check_share(seen.iter().filter(|passage| passage.stalled).count(), 18.0);
        check_share(seen.iter().filter(|passage| passage.last).count(), 4.5);
        let wait = |passage: &Passage| {
            passage.delay == if passage.stalled { Millis(200).duration() } else { Duration::ZERO }
        };
        assert!(seen.iter().all(wait));
        let mut link = link(7, rules);
        check_share((0..CHUNKS).filter(|_| link.refuses()).count(), 30.0);
    }

    #[test]
    fn delay_and_jitter_spread_evenly_over_their_range() {
        let rules =
            LinkRules { delay_ms: Millis(50), jitter_ms: Millis(20), ..LinkRules::default() };
        let mut delays: Vec<Duration> = passages(rules).iter().map(|p| p.delay).collect();
        delays.sort();
        for (percent, expected_ms) in [(0, 50.0), (50, 60.0), (99, 69.8)] {
            let seen = delays[delays.len() * percent / 100].as_secs_f64() * 1_000.0;
            assert!((seen - expected_ms).abs() < 0.2, "p{percent} is {seen} ms");
        }
    }

    #[test]
    fn pieces_are_smaller_than_their_chunk_and_within_their_bound() {
        let rules = LinkRules { slice_bytes: 9, ..LinkRules::default() };
        let seen = passages(rules);
        assert!(seen.iter().all(|p| p.piece.is_some_and(|piece| piece.get() <= 9)));
        let mut link = link(7, rules);
        let ChunkVerdict::Pass(whole) = link.chunk(1, Duration::ZERO) else { panic!("no reset") };
        assert_eq!(whole.piece, None, "one byte has no pieces");
    }

    #[test]
    fn a_narrow_link_takes_its_time_and_drops_nothing() {
        let rate = RateLimit { bytes_per_s: 100_000, queue_bytes: 5_000 };
        let mut link = link(7, LinkRules { rate: Some(rate), ..LinkRules::default() });
        assert_eq!((link.chunk_bytes_max(), link.window_bytes()), (2_000, 5_000));
        for n in 1..=100_u32 {
            let ChunkVerdict::Pass(passage) = link.chunk(1_000, Duration::ZERO) else {
                panic!("a narrow link resets nothing");
            };
            assert_eq!(passage.delay, Duration::from_millis(10) * n);
        }
    }

    #[test]
    fn the_same_seed_link_and_number_have_the_same_verdict_and_rules_do_not_disturb_one_another() {
        let stall = LinkRules {
            stall: PartsPerMillion::percent(30),
            stall_ms: Millis(5),
            ..LinkRules::default()
        };
        let more = LinkRules { half_close: PartsPerMillion::percent(50), slice_bytes: 3, ..stall };
        let stalls = |rules| passages(rules).iter().map(|p| p.stalled).collect::<Vec<_>>();
        assert_eq!(stalls(stall), stalls(more));
        let (mut early, mut late, mut other) = (link(3, stall), link(3, stall), link(4, stall));
        let mut differ = 0;
        for n in 0..1_000_u64 {
            let verdict = early.chunk(500, Duration::from_micros(n));
            assert_eq!(verdict, late.chunk(500, Duration::from_secs(n * 60)));
            differ += u32::from(verdict != other.chunk(500, Duration::ZERO));
        }
        assert!(differ > 200, "another seed decides otherwise");
    }
}
