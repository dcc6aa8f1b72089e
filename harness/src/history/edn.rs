//! A reader of EDN, the notation of Jepsen's histories.
//!
//! It reads the whole notation, keeps what histories use, and reads tagged forms as the form that
//! is tagged. Nesting is bounded, so that no input can exhaust the stack.

use std::iter::Peekable;
use std::str::Chars;

/// One form.
#[derive(Clone, Debug, PartialEq)]
pub enum Edn {
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A string, without its quotes.
    Text(String),
    /// A keyword, without its colon.
    Keyword(String),
    /// Any other atom, as written: a symbol, a fraction, a character.
    Symbol(String),
    /// A list, a vector or a set.
    Sequence(Vec<Self>),
    /// A map, in the order of its entries.
    Map(Vec<(Self, Self)>),
}

/// Why a text is no EDN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct EdnError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
}

impl Edn {
    /// Returns what a map has under a keyword.
    #[must_use]
    pub fn field(&self, keyword: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        let found = entries.iter().find(|(key, _)| matches!(key, Self::Keyword(k) if k == keyword));
        found.map(|(_, value)| value)
    }
}

/// Reads all forms of a text, each with the line on which it begins.
///
/// # Errors
///
/// [`EdnError`] if the text is no EDN, or nested deeper than 64 levels.
///
/// # Examples
///
/// ```
/// use synod_harness::history::edn::{Edn, forms};
///
/// let read = forms("{:f :read, :value nil} ; the end")?;
/// assert_eq!(read[0].1.field("f"), Some(&Edn::Keyword("read".into())));
/// # Ok::<(), synod_harness::history::edn::EdnError>(())
/// ```
pub fn forms(text: &str) -> Result<Vec<(u64, Edn)>, EdnError> {
    let mut reader = Reader { rest: text.chars().peekable(), line: 1 };
    let mut forms = Vec::new();
    loop {
        reader.skip_blank(0)?;
        if reader.rest.peek().is_none() {
            return Ok(forms);
        }
        let line = reader.line;
        forms.push((line, reader.form(0)?));
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: u64,
}

impl Reader<'_> {
    fn form(&mut self, depth: usize) -> Result<Edn, EdnError> {
        self.bound(depth)?;
        match self.rest.peek() {
            None => Err(self.error("the text ends within a form".to_owned())),
            Some('(') => self.sequence(')', depth).map(Edn::Sequence),
            Some('[') => self.sequence(']', depth).map(Edn::Sequence),
            Some('{') => self.map(depth),
            Some('"') => self.string(),
            Some('#') => self.dispatch(depth),
            Some(')' | ']' | '}') => {
                Err(self.error("a bracket closes what is not open".to_owned()))
            }
            Some(_) => self.atom(),
        }
    }

    fn sequence(&mut self, end: char, depth: usize) -> Result<Vec<Edn>, EdnError> {
        self.take();
        let mut items = Vec::new();
        loop {
            self.skip_blank(depth)?;
            if self.rest.peek() == Some(&end) {
                self.take();
                return Ok(items);
            }
            items.push(self.form(depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Edn, EdnError> {
        let items = self.sequence('}', depth)?;
        if items.len() % 2 == 1 {
            return Err(self.error("a map has a key without a value".to_owned()));
        }
        let mut items = items.into_iter();
        let entry = || Some((items.next()?, items.next()?));
        Ok(Edn::Map(std::iter::from_fn(entry).collect()))
    }

    /// Reads what begins with `#`: a set, or a tag and what it tags.
    fn dispatch(&mut self, depth: usize) -> Result<Edn, EdnError> {
        self.take();
        if self.rest.peek() == Some(&'{') {
            return self.sequence('}', depth).map(Edn::Sequence);
        }
        self.word();
        self.skip_blank(depth)?;
        self.form(depth + 1)
    }

    fn string(&mut self) -> Result<Edn, EdnError> {
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(self.error("a string does not end".to_owned())),
                Some('"') => return Ok(Edn::Text(text)),
                Some('\\') => text.push(self.escaped()?),
                Some(letter) => text.push(letter),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, EdnError> {
        match self.take() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('u') => {
                let digits: String = (0..4).filter_map(|_| self.take()).collect();
                let letter = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                letter.ok_or_else(|| self.error(format!("\\u{digits} is no character")))
            }
            Some(same @ ('"' | '\\' | '/')) => Ok(same),
            other => Err(self.error(format!("{other:?} cannot follow a backslash"))),
        }
    }

    fn atom(&mut self) -> Result<Edn, EdnError> {
        let word = self.word();
        if let Some(keyword) = word.strip_prefix(':') {
            return Ok(Edn::Keyword(keyword.to_owned()));
        }
        Ok(match word.as_str() {
            "" => return Err(self.error("a form cannot begin here".to_owned())),
            "nil" => Edn::Nil,
            "true" => Edn::Flag(true),
            "false" => Edn::Flag(false),
            _ => match word.strip_suffix('N').unwrap_or(&word).parse() {
                Ok(number) => Edn::Whole(number),
                Err(_) => Edn::Symbol(word),
            },
        })
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        // A character literal may be a bracket.
        if self.rest.peek() == Some(&'\\') {
            word.extend(self.take());
            word.extend(self.take());
        }
        while let Some(letter) = self.rest.next_if(|letter| !ends_word(*letter)) {
            word.push(letter);
        }
        word
    }

    /// Skips white space, commas, comments and discarded forms.
    fn skip_blank(&mut self, depth: usize) -> Result<(), EdnError> {
        loop {
            match self.rest.peek().copied() {
                Some(blank) if blank.is_whitespace() || blank == ',' => {
                    self.take();
                }
                Some(';') => while self.take().is_some_and(|letter| letter != '\n') {},
                Some('#') if self.discards() => {
                    self.take();
                    self.take();
                    self.bound(depth)?;
                    self.skip_blank(depth + 1)?;
                    self.form(depth + 1)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn bound(&self, depth: usize) -> Result<(), EdnError> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(())
    }

    fn discards(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next();
        ahead.next() == Some('_')
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.rest.next();
        self.line += u64::from(letter == Some('\n'));
        letter
    }

    fn error(&self, problem: String) -> EdnError {
        EdnError { line: self.line, problem }
    }
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, ',' | ';' | '"' | '(' | ')' | '[' | ']' | '{' | '}')
}

/// How deep forms may be nested.
const DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

    use super::*;

    #[test]
    fn reads_what_histories_are_written_in() {
        let text = "; a comment\n#jepsen.history.Op{:process 0, :type :invoke :f :cas\n\
            :value [nil 3N], :time #inst \"x\\n\\u0041\" #_ [ignored {}] :nemesis? false}\n\
            (1 -2 a/b \\[ 1.5)";
        let read = forms(text).unwrap();
        assert_eq!(read[0].0, 2);
        let map = &read[0].1;
        assert_eq!(map.field("process"), Some(&Edn::Whole(0)));
        assert_eq!(map.field("value"), Some(&Edn::Sequence(vec![Edn::Nil, Edn::Whole(3)])));
        assert_eq!(map.field("time"), Some(&Edn::Text("x\nA".to_owned())));
        assert_eq!(map.field("nemesis?"), Some(&Edn::Flag(false)));
        assert_eq!(map.field("absent"), None);
        let symbol = |text: &str| Edn::Symbol(text.to_owned());
        let list = vec![Edn::Whole(1), Edn::Whole(-2), symbol("a/b"), symbol("\\["), symbol("1.5")];
        assert_eq!(read[1], (4, Edn::Sequence(list)));
    }

    #[test]
    fn refuses_what_is_no_edn_with_its_line() {
        for (text, line, wanted) in [
            ("\n[1 2", 2, "ends within"),
            ("{:a}", 1, "without a value"),
            ("\n\n)", 3, "closes"),
            ("\"abc", 1, "does not end"),
            ("\"\\q\"", 1, "backslash"),
            ("\"\\ud800\"", 1, "no character"),
        ] {
            let error = forms(text).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.problem.contains(wanted), "{error}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        for open in ["[", "#_", "#a ", "{"] {
            let error = forms(&open.repeat(1_000_000)).unwrap_err();
            assert!(error.problem.contains("deeper") || error.problem.contains("ends"), "{error}");
        }
        assert!(forms(&format!("{}{}", "[".repeat(60), "]".repeat(60))).is_ok());
    }
}
