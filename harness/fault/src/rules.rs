//! The rules of one directed link: what it does to packets, as plain data.
//!
//! Rules say how often and how much; `link` draws the dice for packets, `stream` for streams, and
//! `transport` knows which rules each of them has. Rules of several faults on one link
//! add up through [`LinkRules::joined`]: the harsher value of each wins, so that ending one fault
//! never softens another.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Millis;

/// How often, in cases of a million.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PartsPerMillion(pub u32);

impl PartsPerMillion {
    /// Reads whole percents; 100 and more mean always.
    #[must_use]
    pub fn percent(percent: u32) -> Self {
        Self(percent.min(100) * 10_000)
    }
}

impl fmt::Display for PartsPerMillion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10_000, self.0 % 10_000 / 100) {
            (whole, 0) => write!(formatter, "{whole} %"),
            (whole, hundredths) => write!(formatter, "{whole}.{hundredths:02} %"),
        }
    }
}

/// A link that passes a number of bytes a second and holds the rest back in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Bytes that pass in a second; 0 is read as 1.
    pub bytes_per_s: u64,
    /// Bytes that may wait; a packet that finds more than that waiting is dropped, and a stream is
    /// not read any further.
    pub queue_bytes: u64,
}

/// What one directed link does to its packets. The default does nothing.
///
/// # Examples
///
/// ```
/// use synod_fault::{LinkRules, PartsPerMillion};
///
/// let lossy = LinkRules { loss: PartsPerMillion::percent(20), ..LinkRules::default() };
/// let cut = LinkRules { cut: true, ..LinkRules::default() };
/// let both = lossy.joined(cut);
/// assert!(both.cut && both.loss == PartsPerMillion(200_000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkRules {
    /// Nothing passes.
    #[serde(skip_serializing_if = "is_default")]
    pub cut: bool,
    /// How often a packet is dropped.
    #[serde(skip_serializing_if = "is_default")]
    pub loss: PartsPerMillion,
    /// How long every packet is held back.
    #[serde(skip_serializing_if = "is_default")]
    pub delay_ms: Millis,
    /// How much longer at most; the length is drawn evenly from 0 to this for each packet.
    #[serde(skip_serializing_if = "is_default")]
    pub jitter_ms: Millis,
    /// How often a packet is sent twice.
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate: PartsPerMillion,
    /// How long after the first one the second copy leaves at most, drawn evenly from 0.
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate_late_ms: Millis,
    /// How often a packet is held back so that later ones overtake it.
    #[serde(skip_serializing_if = "is_default")]
    pub reorder: PartsPerMillion,
    /// How long such a packet is held back, on top of the delay.
    #[serde(skip_serializing_if = "is_default")]
    pub reorder_late_ms: Millis,
    /// How often one bit of a packet is flipped.
    #[serde(skip_serializing_if = "is_default")]
    pub corrupt: PartsPerMillion,
    /// The bandwidth, where it is limited.
    #[serde(skip_serializing_if = "is_default")]
    pub rate: Option<RateLimit>,
    /// How often a stream stands still before its next bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub stall: PartsPerMillion,
    /// How long it then stands still.
    #[serde(skip_serializing_if = "is_default")]
    pub stall_ms: Millis,
    /// How often bytes of a stream are replaced by the reset of its connection.
    #[serde(skip_serializing_if = "is_default")]
    pub reset: PartsPerMillion,
    /// How often a new connection is refused.
    #[serde(skip_serializing_if = "is_default")]
    pub refuse: PartsPerMillion,
    /// How often a stream ends after some bytes, while the opposite one goes on.
    #[serde(skip_serializing_if = "is_default")]
    pub half_close: PartsPerMillion,
    /// Into pieces of how many bytes at most a stream is cut; 0 leaves it whole.
    #[serde(skip_serializing_if = "is_default")]
    pub slice_bytes: u32,
}

impl LinkRules {
    /// The rules of a link that passes nothing.
    pub const CUT: Self = Self {
        cut: true,
        loss: PartsPerMillion(0),
        delay_ms: Millis(0),
        jitter_ms: Millis(0),
        duplicate: PartsPerMillion(0),
        duplicate_late_ms: Millis(0),
        reorder: PartsPerMillion(0),
        reorder_late_ms: Millis(0),
        corrupt: PartsPerMillion(0),
        rate: None,
        stall: PartsPerMillion(0),
        stall_ms: Millis(0),
        reset: PartsPerMillion(0),
        refuse: PartsPerMillion(0),
        half_close: PartsPerMillion(0),
        slice_bytes: 0,
    };

    /// Tells whether nothing comes of them: what is held back for no time is not held back, and how
    /// late a double is says nothing where there is none.
    #[must_use]
    pub fn do_nothing(&self) -> bool {
        let Self { cut, loss, delay_ms, jitter_ms, duplicate, duplicate_late_ms: _, .. } = *self;
        let Self { reorder, reorder_late_ms, corrupt, rate, stall, stall_ms, .. } = *self;
        let Self { reset, refuse, half_close, slice_bytes, .. } = *self;
        let shares = [loss, duplicate, corrupt, reset, refuse, half_close];
        let overtaken = reorder.0 > 0 && reorder_late_ms.0 > 0;
        let stalled = stall.0 > 0 && stall_ms.0 > 0;
        let held = delay_ms.0 > 0 || jitter_ms.0 > 0 || rate.is_some() || overtaken || stalled;
        !cut && !held && slice_bytes == 0 && shares.iter().all(|share| share.0 == 0)
    }

    /// Returns what of the rules is harsher than what a link does anyway: all that comes of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_fault::{LinkRules, Millis, PartsPerMillion};
    ///
    /// let base = LinkRules { loss: PartsPerMillion::percent(9), ..LinkRules::default() };
    /// let rules = LinkRules { delay_ms: Millis(5), loss: PartsPerMillion::percent(2), ..base };
    /// let beyond = LinkRules { delay_ms: Millis(5), ..LinkRules::default() };
    /// assert_eq!(rules.beyond(base), beyond);
    /// ```
    #[must_use]
    pub fn beyond(self, base: Self) -> Self {
        let both = base.joined(self);
        Self {
            cut: both.cut && !base.cut,
            loss: differing(both.loss, base.loss),
            delay_ms: differing(both.delay_ms, base.delay_ms),
            jitter_ms: differing(both.jitter_ms, base.jitter_ms),
            duplicate: differing(both.duplicate, base.duplicate),
            duplicate_late_ms: differing(both.duplicate_late_ms, base.duplicate_late_ms),
            reorder: differing(both.reorder, base.reorder),
            reorder_late_ms: differing(both.reorder_late_ms, base.reorder_late_ms),
            corrupt: differing(both.corrupt, base.corrupt),
            rate: differing(both.rate, base.rate),
            stall: differing(both.stall, base.stall),
            stall_ms: differing(both.stall_ms, base.stall_ms),
            reset: differing(both.reset, base.reset),
            refuse: differing(both.refuse, base.refuse),
            half_close: differing(both.half_close, base.half_close),
            slice_bytes: differing(both.slice_bytes, base.slice_bytes),
        }
    }

    /// Returns the rules that are as harsh as both in every respect.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            cut: self.cut || other.cut,
            loss: self.loss.max(other.loss),
            delay_ms: self.delay_ms.max(other.delay_ms),
            jitter_ms: self.jitter_ms.max(other.jitter_ms),
            duplicate: self.duplicate.max(other.duplicate),
            duplicate_late_ms: self.duplicate_late_ms.max(other.duplicate_late_ms),
            reorder: self.reorder.max(other.reorder),
            reorder_late_ms: self.reorder_late_ms.max(other.reorder_late_ms),
            corrupt: self.corrupt.max(other.corrupt),
            rate: slower(self.rate, other.rate),
            stall: self.stall.max(other.stall),
            stall_ms: self.stall_ms.max(other.stall_ms),
            reset: self.reset.max(other.reset),
            refuse: self.refuse.max(other.refuse),
            half_close: self.half_close.max(other.half_close),
            slice_bytes: smaller(self.slice_bytes, other.slice_bytes),
        }
    }
}

impl fmt::Display for LinkRules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.cut {
            parts.push("cut".to_owned());
        }
        if self.loss > PartsPerMillion(0) {
            parts.push(format!("{} lost", self.loss));
        }
        if self.delay_ms > Millis(0) || self.jitter_ms > Millis(0) {
            parts.push(format!("delay {} + 0..{}", self.delay_ms, self.jitter_ms));
        }
        if self.duplicate > PartsPerMillion(0) {
            parts.push(format!("{} doubled", self.duplicate));
        }
        if self.reorder > PartsPerMillion(0) {
            parts.push(format!("{} held back {}", self.reorder, self.reorder_late_ms));
        }
        if self.corrupt > PartsPerMillion(0) {
            parts.push(format!("{} damaged", self.corrupt));
        }
        if let Some(rate) = self.rate {
            parts.push(format!("{} bytes/s", rate.bytes_per_s));
        }
        if self.stall > PartsPerMillion(0) {
            parts.push(format!("{} stalled {}", self.stall, self.stall_ms));
        }
        if self.reset > PartsPerMillion(0) {
            parts.push(format!("{} reset", self.reset));
        }
        if self.refuse > PartsPerMillion(0) {
            parts.push(format!("{} of connections refused", self.refuse));
        }
        if self.half_close > PartsPerMillion(0) {
            parts.push(format!("{} half-closed", self.half_close));
        }
        if self.slice_bytes > 0 {
            parts.push(format!("pieces of up to {} bytes", self.slice_bytes));
        }
        formatter.write_str(&parts.join(", "))
    }
}

/// Returns a value that differs from what there is anyway, and else what does nothing.
fn differing<T: Default + PartialEq>(value: T, anyway: T) -> T {
    if value == anyway { T::default() } else { value }
}

fn slower(one: Option<RateLimit>, other: Option<RateLimit>) -> Option<RateLimit> {
    match (one, other) {
        (Some(one), Some(other)) => Some(RateLimit {
            bytes_per_s: one.bytes_per_s.min(other.bytes_per_s),
            queue_bytes: one.queue_bytes.min(other.queue_bytes),
        }),
        (limit, None) | (None, limit) => limit,
    }
}

/// Returns the smaller of two sizes of pieces, of which 0 stands for none.
fn smaller(one: u32, other: u32) -> u32 {
    // Zero is no cutting at all, and would win as the smaller one.
    if one == 0 || other == 0 { one.max(other) } else { one.min(other) }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_keeps_the_harsher_value_of_each() {
        let slow = LinkRules {
            delay_ms: Millis(50),
            rate: Some(RateLimit { bytes_per_s: 1_000, queue_bytes: 9_000 }),
            ..LinkRules::default()
        };
        let lossy = LinkRules {
            loss: PartsPerMillion::percent(5),
            delay_ms: Millis(10),
            rate: Some(RateLimit { bytes_per_s: 2_000, queue_bytes: 4_000 }),
            ..LinkRules::default()
        };
        let both = slow.joined(lossy);
        assert_eq!(both, lossy.joined(slow));
        assert_eq!(both.delay_ms, Millis(50));
        assert_eq!(both.loss, PartsPerMillion(50_000));
        let rate = both.rate.expect("both are limited");
        assert_eq!((rate.bytes_per_s, rate.queue_bytes), (1_000, 4_000));
        assert!(both.joined(LinkRules::CUT).cut);
    }

    /// Each field for itself, whichever of the two has it: a field that was left out would let one
    /// fault soften another.
    #[test]
    fn joining_keeps_every_field_of_either() {
        let (none, share, time) = (LinkRules::default(), PartsPerMillion(9), Millis(9));
        let harsh = [
            LinkRules { cut: true, ..none },
            LinkRules { loss: share, ..none },
            LinkRules { delay_ms: time, ..none },
            LinkRules { jitter_ms: time, ..none },
            LinkRules { duplicate: share, ..none },
            LinkRules { duplicate_late_ms: time, ..none },
            LinkRules { reorder: share, ..none },
            LinkRules { reorder_late_ms: time, ..none },
            LinkRules { corrupt: share, ..none },
            LinkRules { rate: Some(RateLimit { bytes_per_s: 1, queue_bytes: 1 }), ..none },
            LinkRules { stall: share, ..none },
            LinkRules { stall_ms: time, ..none },
            LinkRules { reset: share, ..none },
            LinkRules { refuse: share, ..none },
            LinkRules { half_close: share, ..none },
            LinkRules { slice_bytes: 9, ..none },
        ];
        let all = harsh.into_iter().fold(none, LinkRules::joined);
        let written = serde_json::to_value(all).expect("plain data");
        assert_eq!(written.as_object().map(serde_json::Map::len), Some(harsh.len()), "{written}");
        for one in harsh {
            assert_eq!((one.joined(none), none.joined(one)), (one, one));
            let both = serde_json::to_value(one).expect("plain data");
            for (name, value) in both.as_object().expect("a table") {
                assert_eq!(&written[name], value, "{name}");
            }
        }
        for one in harsh {
            assert_eq!((one.beyond(none), one.beyond(one), one.beyond(all)), (one, none, none));
            assert_eq!(all.joined(one.beyond(all)), all.joined(one));
        }
        let milder = LinkRules { jitter_ms: Millis(3), stall: PartsPerMillion(3), ..none };
        assert_eq!((all.joined(milder), milder.joined(all)), (all, all));
    }

    #[test]
    fn joining_streams_keeps_the_smaller_pieces_and_the_longer_stalls() {
        let fine = LinkRules { slice_bytes: 3, stall_ms: Millis(9), ..LinkRules::default() };
        let coarse = LinkRules { slice_bytes: 50, stall_ms: Millis(5), ..LinkRules::default() };
        let both = fine.joined(coarse);
        assert_eq!((both.slice_bytes, both.stall_ms), (3, Millis(9)));
        assert_eq!(LinkRules::default().joined(coarse).slice_bytes, 50);
        assert_eq!(coarse.joined(LinkRules::default()).slice_bytes, 50);
    }

    #[test]
    fn joining_with_no_rules_changes_nothing() {
        let rules = LinkRules { corrupt: PartsPerMillion(7), ..LinkRules::default() };
        assert_eq!(rules.joined(LinkRules::default()), rules);
    }

    #[test]
    fn rules_of_which_nothing_comes_are_known_as_such() {
        let (none, some) = (LinkRules::default(), PartsPerMillion(1));
        for nothing in [
            none,
            LinkRules { duplicate_late_ms: Millis(9), ..none },
            LinkRules { reorder: some, ..none },
            LinkRules { reorder_late_ms: Millis(9), ..none },
            LinkRules { stall: some, ..none },
            LinkRules { stall_ms: Millis(9), ..none },
        ] {
            assert!(nothing.do_nothing(), "{nothing:?}");
        }
        for something in [
            LinkRules::CUT,
            LinkRules { loss: some, ..none },
            LinkRules { delay_ms: Millis(1), ..none },
            LinkRules { jitter_ms: Millis(1), ..none },
            LinkRules { duplicate: some, ..none },
            LinkRules { reorder: some, reorder_late_ms: Millis(1), ..none },
            LinkRules { corrupt: some, ..none },
            LinkRules { rate: Some(RateLimit { bytes_per_s: 1, queue_bytes: 1 }), ..none },
            LinkRules { stall: some, stall_ms: Millis(1), ..none },
            LinkRules { reset: some, ..none },
            LinkRules { refuse: some, ..none },
            LinkRules { half_close: some, ..none },
            LinkRules { slice_bytes: 1, ..none },
        ] {
            assert!(!something.do_nothing(), "{something:?}");
        }
    }

    #[test]
    fn a_plan_shows_only_the_rules_that_are_set() {
        let rules = LinkRules { loss: PartsPerMillion::percent(20), ..LinkRules::default() };
        let text = serde_json::to_string(&rules).expect("plain data");
        assert_eq!(text, r#"{"loss":200000}"#);
        let back: LinkRules = serde_json::from_str(&text).expect("what was written");
        assert_eq!(back, rules);
        assert_eq!(rules.to_string(), "20 % lost");
    }

    #[test]
    fn rates_print_as_percents() {
        assert_eq!(PartsPerMillion::percent(250), PartsPerMillion(1_000_000));
        assert_eq!(PartsPerMillion(12_500).to_string(), "1.25 %");
        assert_eq!(PartsPerMillion(500).to_string(), "0.05 %");
    }
}
