//! One directed link: asked about each packet, it says what becomes of it.
//!
//! The dice of packet number n are those of n in the link's own stream of chance, so two runs with
//! one seed treat packet n alike whenever it comes. Only the rate limit looks at the time, because
//! a queue is made of time.

use std::time::Duration;

use synod_rng::{Random, Seed, Stream};

use super::dice::Dice;
use super::{LinkId, LinkRules, RateLimit, Transport};

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is handed on.
    Deliver(Copies),
    /// It is not.
    Drop(DropReason),
}

/// How a packet is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// How long the packet is held back.
    pub first: Duration,
    /// How long its double is held back, where it has one.
    pub second: Option<Duration>,
    /// The bit to flip in every copy, counted from the first byte's lowest.
    pub corrupt_bit: Option<u64>,
    /// Whether the packet was picked to be overtaken.
    pub reordered: bool,
}

/// Why a packet is not handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The link is cut.
    Cut,
    /// Chance took it.
    Lost,
    /// The queue of the rate limit was full.
    Overflow,
}

/// One directed link: its rules, its place in the stream of chance, and its queue.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use synod_fault::{DropReason, Link, LinkId, LinkRules, NodeId, Verdict};
/// use synod_rng::Seed;
///
/// let mut link = Link::new(Seed(1), LinkId::new(NodeId(1), NodeId(2)));
/// link.set_rules(LinkRules::CUT);
/// let verdict = link.verdict(1_200, Duration::ZERO);
/// assert_eq!(verdict, Verdict::Drop(DropReason::Cut));
/// ```
#[derive(Clone, Debug)]
pub struct Link {
    random: Random,
    packets: u64,
    rules: LinkRules,
    /// When the last byte of the queue will have passed.
    free_at: Duration,
}

impl Link {
    /// Makes a link that passes everything at once.
    #[must_use]
    pub fn new(seed: Seed, id: LinkId) -> Self {
        let stream = Stream::named("link").part(u64::from(id.from.0)).part(u64::from(id.to.0));
        Self {
            random: Random::new(seed, stream),
            packets: 0,
            rules: LinkRules::default(),
            free_at: Duration::ZERO,
        }
    }

    /// Replaces the rules. Packets that were handed on already keep their delays.
    ///
    /// # Panics
    ///
    /// If the rules are of streams; see [`LinkRules::fits`].
    pub fn set_rules(&mut self, rules: LinkRules) {
        assert_eq!(rules.fits(Transport::Udp), Ok(()), "packets obey the rules of packets");
        // What waits is counted in time, and time at one rate says nothing of bytes at another; so
        // the queue of another rate begins empty.
        if rules.rate != self.rules.rate {
            self.free_at = Duration::ZERO;
        }
        self.rules = rules;
    }

    /// Decides about the next packet of `size` bytes at `now`, a time that never goes back.
    pub fn verdict(&mut self, size: usize, now: Duration) -> Verdict {
        let dice = Dice::of(&self.random, self.packets);
        // Counted whether or not anything is drawn, so that each packet has the same dice under
        // other rules.
        self.packets = self.packets.wrapping_add(1);
        if self.rules.cut {
            return Verdict::Drop(DropReason::Cut);
        }
        // What is lost takes no room in the queue.
        if dice.says(Question::Lose as u64, self.rules.loss) {
            return Verdict::Drop(DropReason::Lost);
        }
        let size = size as u64;
        let Some(queued) = self
            .rules
            .rate
            .map_or(Some(Duration::ZERO), |rate| enqueue(&mut self.free_at, rate, size, now))
        else {
            return Verdict::Drop(DropReason::Overflow);
        };
        Verdict::Deliver(copies(&dice, &self.rules, queued, size))
    }

    /// Returns how many packets the link was asked about.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Returns the rules in force.
    #[must_use]
    pub fn rules(&self) -> &LinkRules {
        &self.rules
    }
}

/// Says how a packet is handed on.
fn copies(dice: &Dice<'_>, rules: &LinkRules, queued: Duration, size: u64) -> Copies {
    let reordered = dice.says(Question::Reorder as u64, rules.reorder);
    let late = if reordered { rules.reorder_late_ms.duration() } else { Duration::ZERO };
    let jitter = dice.up_to(Question::Jitter as u64, rules.jitter_ms);
    let first = queued + rules.delay_ms.duration() + jitter + late;
    let second = dice
        .says(Question::Duplicate as u64, rules.duplicate)
        .then(|| first + dice.up_to(Question::DuplicateLate as u64, rules.duplicate_late_ms));
    // An empty packet has no bit to flip.
    let damaged = size > 0 && dice.says(Question::Corrupt as u64, rules.corrupt);
    let corrupt_bit = damaged.then(|| dice.below(Question::Bit as u64, size * 8));
    Copies { first, second, corrupt_bit, reordered }
}

/// The questions that chance answers about each packet; their numbers are part of every seed.
#[derive(Clone, Copy)]
enum Question {
    Lose = 0,
    Jitter = 1,
    Duplicate = 2,
    DuplicateLate = 3,
    Reorder = 4,
    Corrupt = 5,
    Bit = 6,
}

/// Puts a packet into the queue and returns how long it waits, or none if the queue is full.
fn enqueue(free_at: &mut Duration, rate: RateLimit, size: u64, now: Duration) -> Option<Duration> {
    let per_s = rate.bytes_per_s.max(1);
    let waiting = free_at.saturating_sub(now);
    // Wide enough for any rate and any wait, which a plan may choose freely.
    let waiting_bytes = waiting.as_nanos() * u128::from(per_s) / 1_000_000_000;
    if waiting_bytes + u128::from(size) > u128::from(rate.queue_bytes) {
        return None;
    }
    Some(transit(free_at, rate, size, now))
}

/// Puts bytes at the end of the queue and returns how long they take to its other end.
pub(super) fn transit(
    free_at: &mut Duration,
    rate: RateLimit,
    size: u64,
    now: Duration,
) -> Duration {
    let nanos = u128::from(size) * 1_000_000_000 / u128::from(rate.bytes_per_s.max(1));
    let passing = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    let waiting = free_at.saturating_sub(now);
    *free_at = now + waiting + passing;
    waiting + passing
}

#[cfg(test)]
mod tests {
    use super::super::{Millis, NodeId, PartsPerMillion};
    use super::*;

    const PACKETS: u64 = 100_000;

    fn link(seed: u64, rules: LinkRules) -> Link {
        let mut link = Link::new(Seed(seed), LinkId::new(NodeId(1), NodeId(2)));
        link.set_rules(rules);
        link
    }

    fn verdicts(rules: LinkRules) -> Vec<Verdict> {
        let mut link = link(7, rules);
        (0..PACKETS).map(|n| link.verdict(1_200, Duration::from_micros(n))).collect()
    }

    fn delivered(verdicts: &[Verdict]) -> Vec<Copies> {
        let copies = |verdict: &Verdict| match verdict {
            Verdict::Deliver(copies) => Some(*copies),
            Verdict::Drop(_) => None,
        };
        verdicts.iter().filter_map(copies).collect()
    }

    /// Asserts that `part` is `percent` of the packets, to a percent point.
    fn check_share(part: usize, percent: f64) {
        let share = part as f64 * 100.0 / PACKETS as f64;
        assert!((share - percent).abs() <= 1.0, "{share} % instead of {percent} %");
    }

    #[test]
    fn no_rules_let_everything_through_untouched() {
        let plain =
            Copies { first: Duration::ZERO, second: None, corrupt_bit: None, reordered: false };
        assert!(verdicts(LinkRules::default()).iter().all(|v| *v == Verdict::Deliver(plain)));
    }

    #[test]
    fn a_cut_leaks_nothing() {
        let seen = verdicts(LinkRules::CUT);
        assert!(seen.iter().all(|verdict| *verdict == Verdict::Drop(DropReason::Cut)));
    }

    #[test]
    fn loss_of_20_percent_is_20_percent() {
        let rules = LinkRules { loss: PartsPerMillion::percent(20), ..LinkRules::default() };
        let lost = verdicts(rules);
        let lost = lost.iter().filter(|v| **v == Verdict::Drop(DropReason::Lost)).count();
        check_share(lost, 20.0);
    }

    #[test]
    fn delay_and_jitter_spread_evenly_over_their_range() {
        let rules =
            LinkRules { delay_ms: Millis(50), jitter_ms: Millis(20), ..LinkRules::default() };
        let mut delays: Vec<Duration> =
            delivered(&verdicts(rules)).iter().map(|copies| copies.first).collect();
        delays.sort();
        assert!(delays[0] >= Duration::from_millis(50));
        assert!(delays[delays.len() - 1] <= Duration::from_millis(70));
        for (percent, expected_ms) in [(10, 52.0), (50, 60.0), (90, 68.0)] {
            let seen = delays[delays.len() * percent / 100].as_secs_f64() * 1_000.0;
            assert!((seen - expected_ms).abs() < 0.2, "p{percent} is {seen} ms");
        }
    }

    #[test]
    fn duplicates_and_damage_come_as_often_as_asked_and_independently() {
        let rules = LinkRules {
            duplicate: PartsPerMillion::percent(10),
            duplicate_late_ms: Millis(5),
            corrupt: PartsPerMillion::percent(10),
            ..LinkRules::default()
        };
        let seen = delivered(&verdicts(rules));
        check_share(seen.iter().filter(|copies| copies.second.is_some()).count(), 10.0);
        check_share(seen.iter().filter(|copies| copies.corrupt_bit.is_some()).count(), 10.0);
        let both = |copies: &&Copies| copies.second.is_some() && copies.corrupt_bit.is_some();
        check_share(seen.iter().filter(both).count(), 1.0);
        let late = |copies: &Copies| copies.second.is_none_or(|at| at <= Duration::from_millis(5));
        assert!(seen.iter().all(late));
    }

    #[test]
    fn a_double_leaves_behind_the_first_copy() {
        let rules = LinkRules {
            delay_ms: Millis(50),
            duplicate: PartsPerMillion::percent(100),
            duplicate_late_ms: Millis(5),
            ..LinkRules::default()
        };
        for copies in delivered(&verdicts(rules)) {
            let second = copies.second.expect("each is doubled");
            assert!((Duration::ZERO..=Millis(5).duration()).contains(&(second - copies.first)));
        }
    }

    /// What waits at one rate says nothing at another, and what is the same goes on waiting.
    #[test]
    fn a_queue_begins_empty_at_another_rate_and_stays_at_the_same() {
        let at = |bytes_per_s| {
            let rate = Some(RateLimit { bytes_per_s, queue_bytes: 9_000 });
            LinkRules { rate, ..LinkRules::default() }
        };
        let waits = |rules: LinkRules| {
            let mut link = link(7, at(1_000));
            assert!(matches!(link.verdict(1_000, Duration::ZERO), Verdict::Deliver(_)));
            link.set_rules(rules);
            let Verdict::Deliver(copies) = link.verdict(1_000, Duration::ZERO) else {
                panic!("there is room");
            };
            copies.first
        };
        assert_eq!(waits(at(2_000)), Duration::from_millis(500));
        assert_eq!(waits(LinkRules::default()), Duration::ZERO);
        assert_eq!(waits(at(1_000)), Duration::from_secs(2));
        let jitter = LinkRules { jitter_ms: Millis(1), ..at(1_000) };
        assert!(waits(jitter) >= Duration::from_secs(2), "the rate is the same");
    }

    #[test]
    fn damage_hits_every_byte_and_no_bit_outside() {
        let rules = LinkRules { corrupt: PartsPerMillion::percent(100), ..LinkRules::default() };
        let bits: Vec<u64> =
            delivered(&verdicts(rules)).iter().filter_map(|copies| copies.corrupt_bit).collect();
        assert_eq!(bits.len() as u64, PACKETS);
        assert!(bits.iter().all(|bit| *bit < 1_200 * 8));
        let bytes: std::collections::BTreeSet<u64> = bits.iter().map(|bit| bit / 8).collect();
        assert_eq!(bytes.len(), 1_200);
        let mut empty = link(7, rules);
        let Verdict::Deliver(copies) = empty.verdict(0, Duration::ZERO) else {
            panic!("an empty packet passes");
        };
        assert_eq!(copies.corrupt_bit, None);
    }

    #[test]
    fn reordered_packets_are_overtaken() {
        let rules = LinkRules {
            reorder: PartsPerMillion::percent(25),
            reorder_late_ms: Millis(3),
            ..LinkRules::default()
        };
        let seen = delivered(&verdicts(rules));
        let held: Vec<_> = seen.iter().filter(|copies| copies.reordered).collect();
        check_share(held.len(), 25.0);
        assert!(held.iter().all(|copies| copies.first == Duration::from_millis(3)));
        assert!(seen.iter().filter(|c| !c.reordered).all(|c| c.first == Duration::ZERO));
    }

    #[test]
    fn a_rate_limit_passes_its_rate_and_drops_what_the_queue_cannot_hold() {
        let rate = RateLimit { bytes_per_s: 120_000, queue_bytes: 12_000 };
        let mut link = link(7, LinkRules { rate: Some(rate), ..LinkRules::default() });
        let mut passed_bytes = 0_u64;
        let mut last_ms = 0.0_f64;
        // 1,000 packets a second are offered for 10 s; 100 a second fit.
        for n in 0..10_000_u64 {
            let now = Duration::from_millis(n);
            match link.verdict(1_200, now) {
                Verdict::Deliver(copies) => {
                    passed_bytes += 1_200;
                    assert!(copies.first <= Duration::from_millis(100), "the queue is bounded");
                    let at = (now + copies.first).as_secs_f64() * 1_000.0;
                    assert!(at - last_ms >= 9.99, "two packets within one packet's time");
                    last_ms = at;
                }
                Verdict::Drop(reason) => assert_eq!(reason, DropReason::Overflow),
            }
        }
        let rate = passed_bytes as f64 / 10.0;
        assert!((rate - 120_000.0).abs() / 120_000.0 < 0.02, "{rate} bytes/s");
    }

    #[test]
    fn the_same_seed_link_and_number_have_the_same_verdict_at_any_time() {
        let rules = LinkRules {
            loss: PartsPerMillion::percent(30),
            jitter_ms: Millis(9),
            duplicate: PartsPerMillion::percent(30),
            ..LinkRules::default()
        };
        let (mut early, mut late) = (link(3, rules), link(3, rules));
        let mut other = link(4, rules);
        let mut differ = 0;
        for n in 0..1_000_u64 {
            let verdict = early.verdict(500, Duration::from_micros(n));
            assert_eq!(verdict, late.verdict(500, Duration::from_secs(n * 60)));
            differ += u32::from(verdict != other.verdict(500, Duration::ZERO));
        }
        assert!(differ > 500, "another seed decides otherwise");
    }

    #[test]
    fn one_rule_does_not_disturb_the_dice_of_another() {
        let loss = LinkRules { loss: PartsPerMillion::percent(20), ..LinkRules::default() };
        let more = LinkRules { duplicate: PartsPerMillion::percent(50), ..loss };
        let lost = |verdicts: Vec<Verdict>| -> Vec<bool> {
            verdicts.iter().map(|v| *v == Verdict::Drop(DropReason::Lost)).collect()
        };
        assert_eq!(lost(verdicts(loss)), lost(verdicts(more)));
    }
}
