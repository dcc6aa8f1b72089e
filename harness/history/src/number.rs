//! Numbers, whatever their spelling: what was written as 1000 and read as 1e3 is one value.
//!
//! Numbers beyond 64 bits and fractions stay texts, so none is rounded. The claim kept true: two
//! spellings are one value just where the notation says so. In JSON 1.0 is 1; in EDN it is not.

/// A number in the one spelling that it has here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// A whole number of 64 bits.
    Whole(i64),
    /// One that is larger, or has a fraction.
    Text(String),
}

/// Reads a number of JSON, where 1.0 is 1; none if the word is no number, or one of too many digits
/// to be spelled out.
pub(super) fn of_json(word: &str) -> Option<Number> {
    let text = spelled(word)?;
    Some(text.parse().map_or(Number::Text(text), Number::Whole))
}

/// Reads a number of EDN, where 1.0 is not 1; none if the word is no number, or one of too many
/// digits to be spelled out.
pub(super) fn of_edn(word: &str) -> Option<Number> {
    if !word.contains(['.', 'e', 'E']) {
        return of_json(word.strip_suffix('N').unwrap_or(word));
    }
    let text = spelled(word)?;
    let end = if text.contains('.') { "" } else { ".0" };
    Some(Number::Text(text + end))
}

/// Tells whether a word is a whole number with a zero before its digits: the notation knows none,
/// and Clojure reads it as one to the base of eight.
pub(super) fn has_leading_zero(word: &str) -> bool {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    let digits = unsigned.strip_suffix('N').unwrap_or(unsigned);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Spells a number without an exponent, and without zeros that say nothing.
fn spelled(word: &str) -> Option<String> {
    let (sign, unsigned) = match word.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let exponent: i64 = exponent.parse().ok().filter(|it| (-ZEROS_MAX..=ZEROS_MAX).contains(it))?;
    let digits = format!("{whole}{fraction}");
    // Where the point stands, counted from the first digit.
    let point = whole.len() as i64 + exponent;
    let before = usize::try_from(-point).unwrap_or(0);
    let digits = format!("{}{digits}", "0".repeat(before));
    let point = usize::try_from(point).unwrap_or(0);
    let after = point.saturating_sub(digits.len());
    let digits = digits + &"0".repeat(after);
    let (whole, fraction) = digits.split_at(point);
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    // Minus zero is zero.
    let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
    let whole = if whole.is_empty() { "0" } else { whole };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{dot}{fraction}"))
}

/// How many zeros an exponent may stand for: a double has no more.
const ZEROS_MAX: i64 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: fn(&str) -> Option<Number>, words: &[&str], wanted: &Number) {
        for word in words {
            assert_eq!(read(word).as_ref(), Some(wanted), "{word}");
        }
    }

    #[test]
    fn spellings_of_one_number_are_one_value() {
        let text = |text: &str| Number::Text(text.to_owned());
        let thousand = ["1000", "1e3", "1E+3", "1000.0", "10000e-1", "0.001e6", "01000"];
        check(of_json, &thousand, &Number::Whole(1000));
        check(of_json, &["0", "-0", "-0.0", "0e9", "0.00"], &Number::Whole(0));
        check(of_json, &["-0.5", "-5e-1", "-0.50"], &text("-0.5"));
        check(of_json, &["1e19", "10000000000000000000.0"], &text("10000000000000000000"));
        check(of_edn, &["1.0", "1.00", "1e0", "+1.0"], &text("1.0"));
        check(of_edn, &["1", "1N", "+1"], &Number::Whole(1));
        check(of_edn, &["-9223372036854775808"], &Number::Whole(i64::MIN));
        let large = "99999999999999999999";
        check(of_edn, &[large, &format!("{large}N"), &format!("+{large}")], &text(large));
        check(of_edn, &["12.5e1"], &text("125.0"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for word in ["abc", "1/2", "1.0M", "0x1", "-", "e5", ".5", "1e", "1e9999", "1.2.3", "N"] {
            assert_eq!(of_edn(word), None, "{word}");
        }
        assert_eq!(of_json("1N"), None);
    }
}
