//! Reads s-expressions: words, quoted texts and lists, each with its place.
//!
//! Models and the answers of a solver are both written so. What the words mean is left to others.

use crate::error::{Complaint, Position};

/// A piece of text in parentheses, or a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// A word without spaces.
    Word(String, Position),
    /// What stood between double quotes, each run of white space in it one space.
    Text(String, Position),
    /// What stood between parentheses.
    List(Vec<Self>, Position),
}

impl Expression {
    /// Gives the place where it begins.
    pub(crate) fn at(&self) -> Position {
        match self {
            Self::Word(_, at) | Self::Text(_, at) | Self::List(_, at) => *at,
        }
    }

    /// Gives the word, if it is one.
    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word, _) => Some(word),
            Self::Text(..) | Self::List(..) => None,
        }
    }

    /// Gives the parts, if it is a list.
    pub(crate) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(parts, _) => Some(parts),
            Self::Word(..) | Self::Text(..) => None,
        }
    }
}

/// Reads all expressions of a text. A comment runs from a semicolon to the end of its line.
pub(crate) fn read(text: &str) -> Result<Vec<Expression>, Complaint> {
    let mut open: Vec<(Vec<Expression>, Position)> = Vec::new();
    let mut done = Vec::new();
    for token in Tokens::new(text) {
        let (token, at) = token?;
        let part = match token {
            Token::Open => {
                if open.len() == DEPTH_MAX {
                    let what = format!("lists are nested deeper than {DEPTH_MAX} levels");
                    return Err(Complaint::new(at, what, "say part of it by a `define`"));
                }
                open.push((Vec::new(), at));
                continue;
            }
            Token::Close => {
                let Some((parts, began)) = open.pop() else {
                    let remedy = "remove it, or open its list before";
                    return Err(Complaint::new(at, "`)` closes nothing", remedy));
                };
                Expression::List(parts, began)
            }
            Token::Word(word) => Expression::Word(word, at),
            Token::Text(text) => Expression::Text(text, at),
        };
        open.last_mut().map_or(&mut done, |(parts, _)| parts).push(part);
    }
    match open.pop() {
        None => Ok(done),
        Some((_, at)) => Err(Complaint::new(at, "this list has no end", "close it with `)`")),
    }
}

/// How deep lists may be nested: what reads them calls itself for each level.
const DEPTH_MAX: usize = 256;

enum Token {
    Open,
    Close,
    Word(String),
    Text(String),
}

struct Tokens<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    at: Position,
}

impl<'t> Tokens<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text.chars().peekable(), at: Position { line: 1, column: 1 } }
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(next)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(next) = self.rest.peek().copied().filter(|next| wanted(*next)) {
            taken.push(next);
            self.take();
        }
        taken
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest.peek() != Some(&';') {
                return;
            }
            self.take_while(|next| next != '\n');
        }
    }

    fn quoted(&mut self, at: Position) -> Result<Token, Complaint> {
        self.take();
        let text = self.take_while(|next| next != '"');
        if self.take().is_none() {
            return Err(Complaint::new(at, "this text has no end", "close it with `\"`"));
        }
        Ok(Token::Text(text.split_whitespace().collect::<Vec<_>>().join(" ")))
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<(Token, Position), Complaint>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks();
        let at = self.at;
        let token = match *self.rest.peek()? {
            '(' => {
                self.take();
                Token::Open
            }
            ')' => {
                self.take();
                Token::Close
            }
            '"' => match self.quoted(at) {
                Ok(token) => token,
                Err(complaint) => {
                    // Behind an open quote nothing can be told apart, so reading ends with this
                    // complaint.
                    self.rest = "".chars().peekable();
                    return Some(Err(complaint));
                }
            },
            // Never empty, or it would be read for ever: what ends a word was dealt with above.
            _ => Token::Word(self.take_while(|c| !c.is_whitespace() && !"();\"".contains(c))),
        };
        Some(Ok((token, at)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn lists_words_and_texts_keep_their_places() {
        let read = read("(a \"b\n   c\") ; d\n  e").unwrap();
        let [Expression::List(parts, at), Expression::Word(word, there)] = &read[..] else {
            panic!("{read:?}")
        };
        assert_eq!((*at, parts.len()), (Position { line: 1, column: 1 }, 2));
        assert!(matches!(&parts[1], Expression::Text(text, _) if text == "b c"), "{parts:?}");
        assert_eq!((word.as_str(), *there), ("e", Position { line: 3, column: 3 }));
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let nested = |levels: usize| "(".repeat(levels) + &")".repeat(levels);
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        let complaint = read(&nested(100_000)).unwrap_err();
        assert_eq!(complaint.at, Position { line: 1, column: DEPTH_MAX + 1 });
        assert!(complaint.what.contains("nested deeper than 256"), "{}", complaint.what);
    }

    #[test]
    fn what_is_not_closed_or_not_opened_is_told_where_it_is() {
        for (text, line, column, what) in [
            ("(a\n(b", 2, 1, "this list has no end"),
            ("a)", 1, 2, "closes nothing"),
            ("( \"a", 1, 3, "this text has no end"),
        ] {
            let complaint = read(text).unwrap_err();
            assert_eq!(complaint.at, Position { line, column }, "{text}");
            assert!(complaint.what.contains(what), "{}", complaint.what);
        }
    }
}
