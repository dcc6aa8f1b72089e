//! The 64 bits of a hybrid time: their layout, their order and their text.
//!
//! Issuing times is left to `hybrid`. The claim kept here: numbers, bytes and times have one
//! order, and the layout is the published one, which the tests hold as vectors that other
//! languages can use.

use std::fmt;

/// A point in hybrid time: 48 bits of Unix milliseconds above 16 bits of counter.
///
/// The order of the numbers is the order of the times, and so is the order of the big-endian
/// bytes, which makes them sortable keys. The milliseconds reach the year 10889.
///
/// ```
/// use synod_clock::HlcTime;
///
/// let time = HlcTime::new(1_767_225_600_123, 7).expect("within 48 bits");
/// assert_eq!(time.to_string(), "2026-01-01T00:00:00.123Z/7");
/// assert_eq!(time.to_be_bytes(), [0x01, 0x9b, 0x76, 0xda, 0xa8, 0x7b, 0x00, 0x07]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct HlcTime(u64);

impl HlcTime {
    /// The first time of all.
    pub const ZERO: Self = Self(0);

    /// The last time of all.
    pub const MAX: Self = Self(u64::MAX);

    /// The last millisecond that fits.
    pub const MS_MAX: u64 = u64::MAX >> COUNTER_BITS;

    /// Makes a time of its parts; `None` when the milliseconds need more than 48 bits.
    #[must_use]
    pub const fn new(unix_ms: u64, counter: u16) -> Option<Self> {
        if unix_ms > Self::MS_MAX {
            return None;
        }
        Some(Self(unix_ms << COUNTER_BITS | counter as u64))
    }

    /// Wraps the number that [`HlcTime::get`] gave. Every number is a time.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Reads the bytes that [`HlcTime::to_be_bytes`] gave. All bytes are a time.
    #[must_use]
    pub const fn from_be_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Gives the number: milliseconds times 65536, plus the counter.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Gives eight bytes that sort as the times do.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Gives the physical part, in milliseconds since 1970.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// Gives the logical part, which orders times of one millisecond.
    #[must_use]
    pub const fn counter(self) -> u16 {
        (self.0 & COUNTER_MASK) as u16
    }

    /// Gives the next time: the next counter, or the next millisecond when that is full.
    pub(crate) const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// Gives the first time of a millisecond, or of the last one that fits.
    pub(crate) const fn start_of(unix_ms: u64) -> Self {
        let fitting = if unix_ms > Self::MS_MAX { Self::MS_MAX } else { unix_ms };
        Self(fitting << COUNTER_BITS)
    }

    /// Gives the last time of a millisecond.
    pub(crate) const fn end_of(unix_ms: u64) -> Self {
        Self(Self::start_of(unix_ms).0 | COUNTER_MASK)
    }
}

/// Prints as RFC 3339 in UTC, with the counter behind a slash.
impl fmt::Display for HlcTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.unix_ms() / 1_000, self.unix_ms() % 1_000);
        let (year, month, day) = civil_from_days(seconds / SECONDS_PER_DAY);
        let of_day = seconds % SECONDS_PER_DAY;
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z/{}",
            self.counter()
        )
    }
}

/// Turns days since 1970 into year, month and day of the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is a year's last; 719,468 days lie
/// between 0000-03-01 and 1970-01-01.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let from_march_0 = days + 719_468;
    let (era, of_era) = (from_march_0 / DAYS_PER_ERA, from_march_0 % DAYS_PER_ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const COUNTER_BITS: u32 = 16;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;
const SECONDS_PER_DAY: u64 = 86_400;

/// The calendar repeats after 400 years.
const DAYS_PER_ERA: u64 = 146_097;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn time(unix_ms: u64, counter: u16) -> HlcTime {
        HlcTime::new(unix_ms, counter).unwrap()
    }

    /// Test vectors for other languages: parts, bits, text.
    #[test]
    fn the_layout_is_as_published() {
        let vectors = [
            (0, 0, 0x0000_0000_0000_0000, "1970-01-01T00:00:00.000Z/0"),
            (1, 0, 0x0000_0000_0001_0000, "1970-01-01T00:00:00.001Z/0"),
            (951_782_399_999, 1, 0x00dd_9aa6_dfff_0001, "2000-02-28T23:59:59.999Z/1"),
            (951_782_400_000, 2, 0x00dd_9aa6_e000_0002, "2000-02-29T00:00:00.000Z/2"),
            (4_107_542_400_000, 3, 0x03bc_5c9b_0c00_0003, "2100-03-01T00:00:00.000Z/3"),
            (HlcTime::MS_MAX, u16::MAX, u64::MAX, "10889-08-02T05:31:50.655Z/65535"),
        ];
        for (ms, counter, bits, text) in vectors {
            let made = time(ms, counter);
            assert_eq!((made.get(), made.to_string().as_str()), (bits, text));
            assert_eq!((made.unix_ms(), made.counter()), (ms, counter));
            assert_eq!(HlcTime::from_be_bytes(made.to_be_bytes()), made);
            assert_eq!(HlcTime::from_bits(bits), made);
        }
        assert_eq!(HlcTime::new(HlcTime::MS_MAX + 1, 0), None);
    }
}
