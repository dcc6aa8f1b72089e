//! Texts of others as they may be printed: what a history or a bridge says is no command to a
//! terminal.

use std::borrow::Cow;

/// Spells letters that a terminal obeys, such as escape, so that they are seen.
///
/// # Examples
///
/// ```
/// assert_eq!(synod_history::visible("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
/// ```
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if letter.is_control() {
            spelled.extend(letter.escape_default());
        } else {
            spelled.push(letter);
        }
    }
    Cow::Owned(spelled)
}
