//! Forms as texts: of a history, where equal texts are equal values, and of an error.
//!
//! What a form means is left to its readers. The claim kept true: a number, a text and a keyword
//! that look alike are one value, as JSON and EDN write the same history differently.

use super::edn::Edn;

/// Prints an atom as a text of a history.
pub(super) fn printed(form: &Edn) -> String {
    match form {
        Edn::Nil => String::new(),
        Edn::Flag(flag) => flag.to_string(),
        Edn::Whole(number) => number.to_string(),
        Edn::Text(text) | Edn::Keyword(text) | Edn::Symbol(text) => text.clone(),
        Edn::Sequence(_) | Edn::Set(_) | Edn::Map(_) => form.written(),
    }
}

/// Prints a form for an error, which needs no more than its beginning.
pub(super) fn short(form: &Edn) -> String {
    let written = form.written();
    match written.char_indices().nth(SHORT_MAX) {
        Some((end, _)) => format!("{}...", &written[..end]),
        None => written,
    }
}

const SHORT_MAX: usize = 60;
