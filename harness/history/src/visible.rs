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
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if is_unseen(letter) {
            spelled.extend(letter.escape_default());
        } else {
            spelled.push(letter);
        }
    }
    Cow::Owned(spelled)
}

/// Tells whether a letter moves the terminal, turns the line around, or shows nothing.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::visible;

    /// A key that turns its line around would show another verdict than there is.
    #[test]
    fn letters_that_nobody_sees_are_spelled_and_others_stay() {
        for (text, shown) in [
            ("\u{202e}SSAP", "\\u{202e}SSAP"),
            ("\u{feff}{}", "\\u{feff}{}"),
            ("a\u{200b}b\u{2066}c\u{e0041}", "a\\u{200b}b\\u{2066}c\\u{e0041}"),
            ("k\u{e9} \u{4e2d}\u{1f600}", "k\u{e9} \u{4e2d}\u{1f600}"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
