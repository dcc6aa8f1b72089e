//! Logs of Jepsen: of its early days, of today, and as it prints a history.
//!
//! A line of a history has, wherever it stands, a process, a type, an operation and a value:
//! `0  :invoke  :read  nil`, with tabs or blanks between them. What stands before is the logger's,
//! and what stands after is an error. Other lines are passed over.
//!
//! The early logs, which are known by `jepsen.util - `, are of a client for etcd: there a failed
//! compare-and-set ran and found another value, and a failed read only timed out. In all others
//! what failed certainly did not happen.

use std::borrow::Cow;
use std::io::{BufRead, Read};

use super::edn::{self, Edn};
use super::printed::short;
use super::translate::{Entry, NEMESIS, Translator};
use super::{EventKind, HistoryError};

/// Gives every line of a history to the translator, and returns how many there were.
pub(super) fn read(
    mut source: impl BufRead,
    translator: &mut Translator,
    mut watch: impl FnMut(&Translator) -> Result<(), HistoryError>,
    io: impl Fn(u64, std::io::Error) -> HistoryError,
) -> Result<u64, HistoryError> {
    let mut text = Vec::new();
    let (mut line, mut found) = (0, 0);
    loop {
        text.clear();
        let length = source.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text);
        if length.map_err(|error| io(line + 1, error))? == 0 {
            return Ok(found);
        }
        line += 1;
        let letters = String::from_utf8_lossy(&text);
        if let Some(words) = Words::of(letters.trim_end()) {
            let is_told = push(line, &words, translator)?;
            // Bytes that are no letters would all be one value.
            if is_told && matches!(letters, Cow::Owned(_)) {
                return Err(translator.malformed(line, "its bytes are no UTF-8".to_owned()));
            }
            found += u64::from(is_told);
        }
        watch(translator)?;
    }
}

/// The parts of a line of a history.
struct Words<'a> {
    process: &'a str,
    kind: &'a str,
    f: &'a str,
    rest: &'a str,
    is_early: bool,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Option<Self> {
        // The first of them counts: others may stand in the value, or in an error behind it.
        let (at, kind) = KINDS
            .iter()
            .filter_map(|kind| find_word(text, kind).map(|at| (at, *kind)))
            .min_by_key(|(at, _)| *at)?;
        let before = text[..at].trim_end();
        let process = before.rsplit(char::is_whitespace).next()?;
        let after = text[at + kind.len()..].trim_start();
        let (f, rest) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
        let is_early = before.contains(EARLY);
        Some(Self { process, kind: &kind[1..], f: f.strip_prefix(':')?, rest, is_early })
    }
}

fn push(line: u64, words: &Words<'_>, translator: &mut Translator) -> Result<bool, HistoryError> {
    let Ok(process) = words.process.parse() else {
        if words.process.parse::<f64>().is_ok() {
            let problem = format!("process `{}` is no number from 0 to 2^32 - 1", words.process);
            return Err(translator.malformed(line, problem));
        }
        // The nemesis is a word; anything else is prose, if it does not tell of a client's deed.
        let told = words.process.strip_prefix(':');
        if told != Some(NEMESIS) && CLIENTS_DO.contains(&words.f) {
            let kind = Edn::Keyword(words.kind.to_owned());
            translator.by_no_client(line, Some(&kind), words.process)?;
        }
        return Ok(told.is_some());
    };
    let kind = translator.kind(line, words.kind)?;
    let value = match edn::forms(words.rest) {
        // Of several the first is the value, and what stands behind it is an error.
        Ok(mut forms) if !forms.is_empty() => forms.swap_remove(0).1,
        Ok(_) => {
            translator.needs_no_value(line, kind, words.f)?;
            Edn::Nil
        }
        // What failed may be followed by any error.
        Err(_) if matches!(kind, EventKind::Fail | EventKind::Info) => Edn::Nil,
        Err(error) => {
            let rest = short(&Edn::Symbol(words.rest.to_owned()));
            let problem = format!("`{rest}` is no value: {}", error.problem);
            return Err(translator.malformed(line, problem));
        }
    };
    let timed_out = value == Edn::Keyword(TIMED_OUT.to_owned());
    let (kind, value) = match (kind, words.f) {
        (EventKind::Fail, "cas") if words.is_early && !timed_out => {
            (EventKind::Ok, Edn::Flag(false))
        }
        // What timed out may have taken effect, whatever the log calls it.
        (EventKind::Fail, _) if timed_out => (EventKind::Info, value),
        (kind, _) => (kind, value),
    };
    if let Some(kind) = super::refused::kind(words.f, &value) {
        return Err(translator.no_model(line, kind));
    }
    let value = &value;
    translator.push(&Entry { line, process, kind, f: words.f, key: None, value, time_ns: 0 })?;
    Ok(true)
}

/// Finds a word that stands between blanks.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let stands = |at: usize| {
        let before = text[..at].ends_with(char::is_whitespace);
        let after = &text[at + word.len()..];
        before && (after.is_empty() || after.starts_with(char::is_whitespace))
    };
    text.match_indices(word).map(|(at, _)| at).find(|at| stands(*at))
}

const KINDS: [&str; 4] = [":invoke", ":ok", ":fail", ":info"];
const EARLY: &str = "jepsen.util - ";

/// What no one but a client does.
const CLIENTS_DO: [&str; 9] =
    ["read", "get", "write", "put", "set", "cas", "append", "delete", "add"];
const TIMED_OUT: &str = "timed-out";

/// The longest line that is read as one.
const LINE_BYTES_MAX: u64 = 64 << 20;
