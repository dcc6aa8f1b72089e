//! Reading a history line by line, tolerantly.
//!
//! A page must come out of a run that was ended in the middle of a line, and of a history that
//! another tool wrote. Claim kept true: a line is either understood or counted as unreadable, and
//! memory is bounded by [`LINE_LIMIT`], whatever the file holds.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Read as _};

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One event of a history, borrowed from its line where possible.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    /// When, in nanoseconds since the start of the run.
    pub(super) time_ns: u64,
    /// Who.
    #[serde(borrow)]
    pub(super) process: Printed<'a>,
    /// What kind of event.
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// Which operation.
    #[serde(borrow, default)]
    pub(super) f: Printed<'a>,
    /// On which key.
    #[serde(borrow, default)]
    pub(super) key: Printed<'a>,
    /// The argument or the result.
    #[serde(borrow, default)]
    pub(super) value: Printed<'a>,
    /// What went wrong.
    #[serde(borrow, default)]
    pub(super) error: Option<Printed<'a>>,
}

/// What an event says about its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// It was called.
    Invoke,
    /// It certainly happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Nobody knows.
    Info,
}

/// What was read from a history, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Lines that are not blank.
    pub(super) lines: u64,
    /// Lines that are no event.
    pub(super) unreadable: u64,
    /// The number of the first such line.
    pub(super) first_unreadable: Option<u64>,
}

/// Calls `take` for every event of `history`.
///
/// # Errors
///
/// Returns the first error of the reader; lines that are no event are no error.
pub(super) fn read_events(
    mut history: impl BufRead,
    mut take: impl FnMut(&Event<'_>),
) -> io::Result<Reading> {
    let mut reading = Reading::default();
    let mut line = Vec::new();
    let mut number = 0;
    while read_line(&mut history, &mut line)? {
        number += 1;
        // A blank line is no event that somebody lost.
        if line.trim_ascii().is_empty() {
            continue;
        }
        reading.lines += 1;
        match serde_json::from_slice::<Event<'_>>(&line) {
            Ok(event) if event.time_ns <= TIME_LIMIT_NS => take(&event),
            Ok(_) | Err(_) => {
                reading.unreadable += 1;
                reading.first_unreadable.get_or_insert(number);
            }
        }
    }
    Ok(reading)
}

/// Reads one line of at most [`LINE_LIMIT`] bytes; skips what is beyond, which makes it unreadable.
fn read_line(history: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = history.by_ref().take(LINE_LIMIT).read_until(b'\n', line)?;
    if read as u64 == LINE_LIMIT && line.last() != Some(&b'\n') {
        line.clear();
        // No JSON, so that the line is counted among those that cannot be read.
        line.extend_from_slice(b"too long");
        history.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

/// A JSON value as the page prints it; only short text is kept of long values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Printed<'a>(pub(super) Cow<'a, str>);

impl Printed<'_> {
    /// Returns the text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text cut to [`VALUE_LETTERS`].
    pub(super) fn short(&self) -> String {
        match self.0.char_indices().nth(VALUE_LETTERS) {
            Some((cut, _)) => format!("{}..", &self.0[..cut]),
            None => self.0.clone().into_owned(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Printed<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Printer)
    }
}

/// Turns whatever stands in a value's place into text.
struct Printer;

impl<'de> Visitor<'de> for Printer {
    type Value = Printed<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Printed(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Printed(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Printed(Cow::Borrowed(if truth { "true" } else { "false" })))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Printed(Cow::Owned(number.to_string())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Printed(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Printed(Cow::Owned(number.to_string())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Printed(Cow::Borrowed("null")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut text = String::from("[");
        while let Some(item) = items.next_element::<Printed<'de>>()? {
            if text.len() > 1 {
                text.push_str(", ");
            }
            text.push_str(&item.0);
        }
        text.push(']');
        Ok(Printed(Cow::Owned(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Printed(Cow::Borrowed("{..}")))
    }
}

/// The longest line that is read, in bytes. Values of the reference server end at 1 MiB.
const LINE_LIMIT: u64 = 4 << 20;
/// The latest time that is believed: thirty days.
const TIME_LIMIT_NS: u64 = 30 * 86_400 * 1_000_000_000;
/// Letters kept of a value.
const VALUE_LETTERS: usize = 24;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use super::*;

    fn check(text: &str, expected: &[&str]) -> Reading {
        let mut seen = Vec::new();
        let reading = read_events(text.as_bytes(), |event| {
            seen.push(format!(
                "{} {:?} {} {} {}",
                event.process.0, event.kind, event.f.0, event.key.0, event.value.0
            ));
        })
        .unwrap();
        assert_eq!(seen, expected);
        reading
    }

    #[test]
    fn values_print_whatever_they_are() {
        check(
            concat!(
                r#"{"index":0,"time_ns":1,"process":3,"type":"invoke","f":"cas","key":"k","#,
                r#""value":["4",null]}"#,
                "\n",
                r#"{"index":1,"time_ns":2,"process":3,"type":"ok","f":"cas","key":"k","#,
                r#""value":true,"node":2}"#,
                "\n",
                r#"{"time_ns":3,"process":"nemesis","type":"info","f":"cut","value":-7}"#,
            ),
            &["3 Invoke cas k [4, null]", "3 Ok cas k true", "nemesis Info cut  -7"],
        );
    }

    #[test]
    fn broken_lines_are_counted_not_fatal() {
        let good = r#"{"time_ns":1,"process":0,"type":"ok","f":"read","key":"k","value":"a"}"#;
        let late = r#"{"time_ns":18446744073709551615,"process":0,"type":"ok","f":"read"}"#;
        let text = format!("{good}\n\nnot json\n{late}\n{}", &good[..30]);
        let reading = check(&text, &["0 Ok read k a"]);
        assert_eq!(reading, Reading { lines: 4, unreadable: 3, first_unreadable: Some(3) });
    }

    #[test]
    fn a_line_without_end_is_skipped() {
        let good = r#"{"time_ns":1,"process":0,"type":"ok","f":"read","key":"k","value":"a"}"#;
        let text = format!("{}\n{good}", "x".repeat(LINE_LIMIT as usize + 5));
        let reading = check(&text, &["0 Ok read k a"]);
        assert_eq!(reading.unreadable, 1);
    }
}
