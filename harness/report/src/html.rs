//! HTML text: a buffer to write into, and the escaping that makes foreign text inert.
//!
//! Everything on the page that was not written by hand here goes through [`esc`] or, inside the
//! embedded data, through [`json_for_script`]. Claim kept true: no byte of a history, a log or a
//! summary can become markup or script, reorder the text around it, or grow the page without bound.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

/// A page in the making.
#[derive(Debug, Default)]
pub(super) struct Html {
    out: String,
    /// How many tables were begun.
    tables: u32,
    /// The style by which cells of tables name their columns where there is no room for a head.
    labels: String,
    /// Where in the page that style belongs.
    labels_at: usize,
}

impl Html {
    /// Appends formatted markup; foreign text in the arguments must be wrapped in [`esc`].
    pub(super) fn put(&mut self, markup: fmt::Arguments<'_>) {
        self.out.write_fmt(markup).expect("writing to a String cannot fail");
    }

    /// Appends markup that is part of this program.
    pub(super) fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// Begins a table, and returns its number.
    pub(super) fn begin_table(&mut self) -> u32 {
        self.tables += 1;
        self.tables
    }

    /// Names the columns of the table that was begun last. The names are part of this program.
    pub(super) fn name_columns(&mut self, names: &[&str]) {
        for (column, name) in (1..).zip(names) {
            if !name.is_empty() {
                let table = self.tables;
                writeln!(
                    self.labels,
                    ".t{table} td:nth-child({column})::before{{content:\"{name} \"}}"
                )
                .expect("writing to a String cannot fail");
            }
        }
    }

    /// Leaves a place for the style by which cells name their columns.
    pub(super) fn place_labels(&mut self) {
        self.labels_at = self.out.len();
    }

    /// Returns the page.
    pub(super) fn into_string(mut self) -> String {
        self.out.insert_str(self.labels_at, &self.labels);
        self.out
    }
}

/// Appends formatted markup to an [`Html`] buffer.
macro_rules! put {
    ($html:expr, $($arg:tt)*) => { $html.put(format_args!($($arg)*)) };
}
pub(super) use put;

/// Wraps foreign text so that it prints as text in element content and in quoted attributes.
pub(super) fn esc(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// Foreign text that prints escaped.
#[derive(Debug)]
pub(super) struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                // These two are controls as well, and are harmless.
                '\n' | '\t' => out.write_char(letter)?,
                _ if is_hostile(letter) => out.write_char(char::REPLACEMENT_CHARACTER)?,
                _ => out.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// Tells letters that change how other letters show: controls and bidirectional overrides.
fn is_hostile(letter: char) -> bool {
    let marks = matches!(letter, '\u{200e}' | '\u{200f}');
    let overrides = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || marks || overrides
}

/// Cuts text to at most `limit` letters and says how many it left out.
pub(super) fn clip(text: &str, limit: usize) -> Cow<'_, str> {
    let Some((cut, _)) = text.char_indices().nth(limit) else {
        return Cow::Borrowed(text);
    };
    // In letters and not in bytes, as what is shown is counted.
    let left_out = text[cut..].chars().count();
    Cow::Owned(format!("{} [{left_out} more letters]", &text[..cut]))
}

/// Removes terminal colour sequences (`ESC [ ... letter`), which logs carry and a page cannot show.
pub(super) fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(letter);
        }
    }
    Cow::Owned(plain)
}

/// Makes JSON safe to stand inside a `<script>` element.
///
/// Only `<` can end the element or open a comment in it, and JSON needs `<` nowhere but in strings.
pub(super) fn json_for_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_prints_as_text() {
        let shown = esc("<b a=\"1\" c='2'>&").to_string();
        assert_eq!(shown, "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
    }

    #[test]
    fn controls_and_overrides_are_replaced() {
        let shown = esc("a\u{202e}b\u{0}c\nd").to_string();
        assert_eq!(shown, "a\u{fffd}b\u{fffd}c\nd");
    }

    #[test]
    fn a_script_element_cannot_be_closed_by_data() {
        let shown = json_for_script("[\"</script><!--\u{2028}\"]");
        assert_eq!(shown, "[\"\\u003c/script>\\u003c!--\\u2028\"]");
    }

    #[test]
    fn clipping_counts_letters_not_bytes() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("\u{e4}\u{f6}\u{fc}x", 2), "\u{e4}\u{f6} [2 more letters]");
    }

    #[test]
    fn colours_are_removed_and_text_is_kept() {
        assert_eq!(without_colours("\u{1b}[31mred\u{1b}[0m end"), "red end");
    }
}
