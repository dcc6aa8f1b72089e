//! Numbers, whatever their spelling: what was written as 1000 and read as 1e3 is one value.
//!
//! Numbers beyond 64 bits and fractions stay texts, so none is rounded. The claim kept true: two
//! spellings are one value just where the notation says so. In JSON 1.0 is 1; in EDN it is not.

use super::edn::{Edn, Notation};

/// Reads a number; none if the word is no number, or one of too many digits to be spelled out.
pub(super) fn number(word: &str, notation: Notation) -> Option<Edn> {
    let whole = match notation {
        Notation::Edn => word.strip_suffix('N').unwrap_or(word),
        Notation::Json => word,
    };
    if let Ok(number) = whole.parse() {
        return Some(Edn::Whole(number));
    }
    let is_fraction = word.contains(['.', 'e', 'E']);
    let text = spelled(if is_fraction { word } else { whole })?;
    if is_fraction && notation == Notation::Edn {
        let end = if text.contains('.') { "" } else { ".0" };
        return Some(Edn::Symbol(text + end));
    }
    Some(text.parse().map_or(Edn::Symbol(text), Edn::Whole))
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

    fn check(words: &[&str], notation: Notation, wanted: &Edn) {
        for word in words {
            assert_eq!(number(word, notation).as_ref(), Some(wanted), "{word} in {notation:?}");
        }
    }

    #[test]
    fn spellings_of_one_number_are_one_value() {
        let symbol = |text: &str| Edn::Symbol(text.to_owned());
        let json = Notation::Json;
        check(&["1000", "1e3", "1E+3", "1000.0", "10000e-1", "0.001e6"], json, &Edn::Whole(1000));
        check(&["0", "-0.0", "0e9", "0.00"], json, &Edn::Whole(0));
        check(&["-0.5", "-5e-1", "-0.50"], json, &symbol("-0.5"));
        check(&["1e19", "10000000000000000000.0"], json, &symbol("10000000000000000000"));
        check(&["1.0", "1.00", "1e0", "+1.0"], Notation::Edn, &symbol("1.0"));
        check(&["1", "1N", "+1"], Notation::Edn, &Edn::Whole(1));
        let large = "99999999999999999999";
        check(&[large, &format!("{large}N"), &format!("+0{large}")], Notation::Edn, &symbol(large));
        check(&["12.5e1"], Notation::Edn, &symbol("125.0"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for word in ["abc", "1/2", "1.0M", "0x1", "-", "e5", ".5", "1e", "1e9999", "1.2.3", "N"] {
            assert_eq!(number(word, Notation::Edn), None, "{word}");
        }
        assert_eq!(number("1N", Notation::Json), None);
    }
}
