//! Numbers as people read them: grouped digits, durations, sizes, dates.
//!
//! Nothing here rounds a figure to zero that was not zero. Times of the run are nanoseconds since
//! its start and print in seconds with three decimals, so that they can be searched in the logs.

/// Prints a count with its digits in groups of three.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Prints a count with the noun that fits it, such as `1 fault` or `2 faults`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// Prints a point in time of the run, in seconds.
pub(super) fn moment(nanos: u64) -> String {
    seconds(nanos, 3)
}

/// Prints a point in time in seconds with so many decimals, from none to nine; nothing is rounded
/// up.
pub(super) fn seconds(nanos: u64, decimals: usize) -> String {
    let fraction = format!("{:09}", nanos % 1_000_000_000);
    match decimals {
        0 => format!("{} s", nanos / 1_000_000_000),
        _ => format!("{}.{} s", nanos / 1_000_000_000, &fraction[..decimals.min(9)]),
    }
}

/// Prints how long something took, in the unit that leaves about three digits.
pub(super) fn span(nanos: u64) -> String {
    let value = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..100_000 => format!("{:.1} \u{b5}s", value / 1e3),
        100_000..10_000_000 => format!("{:.2} ms", value / 1e6),
        10_000_000..1_000_000_000 => format!("{:.0} ms", value / 1e6),
        1_000_000_000..100_000_000_000 => format!("{:.2} s", value / 1e9),
        _ => format!("{:.0} s", value / 1e9),
    }
}

/// Prints a size in binary units.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Prints a share as a percentage; a share that is not zero never prints as zero.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    if share < 0.1 {
        return "< 0.1 %".to_owned();
    }
    if part < whole && share > 99.9 {
        return "> 99.9 %".to_owned();
    }
    format!("{share:.1} %")
}

/// Prints a moment of the calendar, in UTC, from milliseconds since 1970.
pub(super) fn utc(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Turns days since 1970-01-01 into year, month and day of the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last day of a year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_FROM_YEAR_ZERO;
    let era = days / DAYS_PER_ERA;
    let of_era = days % DAYS_PER_ERA;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_FROM_YEAR_ZERO: u64 = 719_468;
/// Days in 400 years.
const DAYS_PER_ERA: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        let shown: Vec<String> = [0, 12, 999, 1000, 1_234_567].map(grouped).into();
        assert_eq!(shown, ["0", "12", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_share_is_not_rounded_away() {
        assert_eq!(percent(0, 10), "0 %");
        assert_eq!(percent(1, 1_000_000), "< 0.1 %");
        assert_eq!(percent(999_999, 1_000_000), "> 99.9 %");
        assert_eq!(percent(1, 8), "12.5 %");
        assert_eq!(percent(8, 8), "100.0 %");
        assert_eq!(percent(3, 0), "0 %");
    }

    #[test]
    fn dates_match_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_795_341_723_000), "2026-11-22 10:02:03 UTC");
    }

    #[test]
    fn spans_choose_their_unit() {
        let shown: Vec<String> = [7, 2_500, 1_234_567, 45_600_000, 2_345_000_000].map(span).into();
        assert_eq!(shown, ["7 ns", "2.5 \u{b5}s", "1.23 ms", "46 ms", "2.35 s"]);
    }

    #[test]
    fn sizes_use_binary_units() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(48 * 1024 * 1024), "48.0 MiB");
    }
}
