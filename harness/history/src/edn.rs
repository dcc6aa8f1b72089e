//! A reader of EDN, the notation of Jepsen's histories, and of JSON, which is nearly the same.
//!
//! It reads the whole notation, keeps what histories use, and reads tagged forms as the form that
//! is tagged. A history is read form by form, so that it takes no more memory than its longest
//! event. Nesting and length of a form are bounded, so that no input can exhaust stack or memory.

use std::io::{self, BufRead};

use super::number::{self, Number};
use super::source::Cursor;

/// One form.
#[derive(Clone, Debug, PartialEq)]
pub enum Edn {
    /// `nil`, or `null` in JSON.
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
    /// A list or a vector.
    Sequence(Vec<Self>),
    /// A set.
    Set(Vec<Self>),
    /// A map, in the order of its entries.
    Map(Vec<(Self, Self)>),
}

/// Which of the two notations a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Extensible data notation.
    Edn,
    /// JSON: commas and colons are blanks, so what is read is a little more than JSON.
    Json,
}

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct EdnError {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in letters.
    pub column: u64,
    /// What is wrong.
    pub problem: String,
    /// Whether the text ended where more was to come.
    pub is_cut: bool,
}

impl Edn {
    /// Returns what a map has under a keyword, or under a text in JSON.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| key.word() == Some(name)).map(|(_, value)| value)
    }

    /// Returns a keyword or a text.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Keyword(word) | Self::Text(word) => Some(word),
            Self::Nil
            | Self::Flag(_)
            | Self::Whole(_)
            | Self::Symbol(_)
            | Self::Sequence(_)
            | Self::Set(_)
            | Self::Map(_) => None,
        }
    }

    /// Prints the form as it would be written, for people.
    #[must_use]
    pub fn written(&self) -> String {
        let all = |items: &[Self]| items.iter().map(Self::written).collect::<Vec<_>>().join(" ");
        match self {
            Self::Nil => "nil".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Text(text) => format!("\"{text}\""),
            Self::Keyword(word) => format!(":{word}"),
            Self::Symbol(word) => word.clone(),
            Self::Sequence(items) => format!("[{}]", all(items)),
            Self::Set(items) => format!("#{{{}}}", all(items)),
            Self::Map(entries) => {
                let entry =
                    |(key, value): &(Self, Self)| format!("{} {}", key.written(), value.written());
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
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
/// use synod_history::edn::{Edn, forms};
///
/// let read = forms("{:f :read, :value nil} ; the end")?;
/// assert_eq!(read[0].1.field("f"), Some(&Edn::Keyword("read".into())));
/// # Ok::<(), synod_history::edn::EdnError>(())
/// ```
pub fn forms(text: &str) -> Result<Vec<(u64, Edn)>, EdnError> {
    let mut reader = Reader::new(text.as_bytes(), Notation::Edn);
    let mut forms = Vec::new();
    while let Some(line) = reader.next_line()? {
        forms.push((line, reader.form()?));
    }
    Ok(forms)
}

/// Reads forms one by one.
pub(super) struct Reader<R> {
    cursor: Cursor<R>,
    notation: Notation,
    /// How many bytes the form that is read has taken.
    form_bytes: usize,
    /// Whether a `#` was taken that begins a form.
    has_hash: bool,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(source: R, notation: Notation) -> Self {
        Self { cursor: Cursor::new(source), notation, form_bytes: 0, has_hash: false }
    }

    /// Skips to the next form and returns its line; none at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<u64>, EdnError> {
        self.skip_blank(0)?;
        Ok(self.peek().map(|_| self.cursor.line))
    }

    /// Returns the byte with which the next form begins.
    pub(super) fn peek(&mut self) -> Option<u8> {
        if self.has_hash { Some(b'#') } else { self.cursor.peek() }
    }

    /// Takes a bracket, or what else is a single byte.
    pub(super) fn take(&mut self) -> Option<u8> {
        if std::mem::take(&mut self.has_hash) { Some(b'#') } else { self.cursor.take() }
    }

    /// Reads the next form.
    pub(super) fn form(&mut self) -> Result<Edn, EdnError> {
        self.form_bytes = 0;
        self.form_within(0)
    }

    /// Reads the next part of a form that its caller puts together, whose length counts as one.
    pub(super) fn part(&mut self, is_first: bool) -> Result<Edn, EdnError> {
        if is_first {
            self.form_bytes = 0;
        }
        self.grow(size_of::<Edn>())?;
        self.form_within(0)
    }

    /// Takes a tag with its sign, and what is blank after it.
    pub(super) fn skip_tag(&mut self) -> Result<(), EdnError> {
        self.take();
        self.word()?;
        self.skip_blank(0)
    }

    /// Returns the line that is read.
    pub(super) fn line(&self) -> u64 {
        self.cursor.line
    }

    /// Takes what the system said while bytes were read.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.cursor.failure.take()
    }

    pub(super) fn error(&self, problem: &str) -> EdnError {
        let (line, column) = (self.cursor.line, self.cursor.column);
        EdnError { line, column, problem: problem.to_owned(), is_cut: false }
    }

    pub(super) fn cut(&self, problem: &str) -> EdnError {
        EdnError { is_cut: true, ..self.error(problem) }
    }

    fn form_within(&mut self, depth: usize) -> Result<Edn, EdnError> {
        self.bound(depth)?;
        match self.peek() {
            None => Err(self.cut("the text ends where a value was to come")),
            Some(b'(') => self.sequence(b')', depth).map(Edn::Sequence),
            Some(b'[') => self.sequence(b']', depth).map(Edn::Sequence),
            Some(b'{') => self.map(depth),
            Some(b'"') => self.string().map(Edn::Text),
            Some(b'#') => self.dispatch(depth),
            Some(b')' | b']' | b'}') => Err(self.error("a bracket closes what is not open")),
            Some(_) => self.atom(),
        }
    }

    fn sequence(&mut self, end: u8, depth: usize) -> Result<Vec<Edn>, EdnError> {
        self.take();
        let mut items = Vec::new();
        loop {
            self.skip_blank(depth)?;
            if self.peek() == Some(end) {
                self.take();
                return Ok(items);
            }
            items.push(self.form_within(depth + 1)?);
            self.grow(size_of::<Edn>())?;
        }
    }

    fn map(&mut self, depth: usize) -> Result<Edn, EdnError> {
        let items = self.sequence(b'}', depth)?;
        if items.len() % 2 == 1 {
            return Err(self.error("a map has a key without a value"));
        }
        let mut items = items.into_iter();
        let entry = || Some((items.next()?, items.next()?));
        Ok(Edn::Map(std::iter::from_fn(entry).collect()))
    }

    /// Reads what begins with `#`: a set, or a tag and what it tags.
    fn dispatch(&mut self, depth: usize) -> Result<Edn, EdnError> {
        self.take();
        if self.peek() == Some(b'{') {
            return self.sequence(b'}', depth).map(Edn::Set);
        }
        self.word()?;
        self.skip_blank(depth)?;
        self.form_within(depth + 1)
    }

    fn string(&mut self) -> Result<String, EdnError> {
        self.take();
        let mut text = Vec::new();
        loop {
            let before = text.len();
            // Taking ends once too much is held, so that a string without an end takes no more than
            // a form may.
            let is_plain = |byte| byte != b'"' && byte != b'\\';
            self.cursor.take_while(is_plain, &mut text, FORM_BYTES_MAX);
            self.grow(text.len() - before)?;
            match self.take() {
                None => return Err(self.cut("a string does not end")),
                Some(b'"') => return self.letters(text),
                Some(_) => {
                    let letter = self.escaped()?;
                    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    self.grow(letter.len_utf8())?;
                }
            }
        }
    }

    fn escaped(&mut self) -> Result<char, EdnError> {
        match self.take() {
            Some(b'n') => Ok('\n'),
            Some(b't') => Ok('\t'),
            Some(b'r') => Ok('\r'),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'u') => self.unicode(),
            Some(same @ (b'"' | b'\\' | b'/')) => Ok(char::from(same)),
            Some(other) => {
                let other = char::from(other);
                Err(self.error(&format!("`{other}` cannot follow a backslash")))
            }
            None => Err(self.cut("a string does not end")),
        }
    }

    /// Reads the digits of a letter, which may be written as a pair of halves.
    fn unicode(&mut self) -> Result<char, EdnError> {
        let first = self.half()?;
        // A half that no other follows is no letter, which is found out below.
        let pair = (0xd800..0xdc00).contains(&first);
        if !pair || self.peek() != Some(b'\\') {
            let letter = char::from_u32(first);
            return letter.ok_or_else(|| self.error(&format!("\\u{first:04x} is no letter")));
        }
        self.take();
        if self.take() != Some(b'u') {
            return Err(self.error(&format!("\\u{first:04x} is half a letter")));
        }
        let second = self.half()?;
        let units = [first as u16, second as u16];
        let letter = char::decode_utf16(units).next().and_then(Result::ok);
        letter.ok_or_else(|| self.error(&format!("\\u{first:04x} is half a letter")))
    }

    fn half(&mut self) -> Result<u32, EdnError> {
        let digits: Vec<u8> = (0..4).filter_map(|_| self.take()).collect();
        let digits = String::from_utf8_lossy(&digits).into_owned();
        let number = u32::from_str_radix(&digits, 16).ok();
        number.ok_or_else(|| self.error(&format!("\\u{digits} is no letter")))
    }

    fn atom(&mut self) -> Result<Edn, EdnError> {
        let word = self.word()?;
        if self.notation == Notation::Edn
            && let Some(keyword) = word.strip_prefix(':')
        {
            // JSON read as EDN would make a keyword without a name of each colon.
            return match keyword {
                "" => Err(self.error("a colon stands alone")),
                name => Ok(Edn::Keyword(name.to_owned())),
            };
        }
        if self.notation == Notation::Edn && number::has_leading_zero(&word) {
            let problem = format!(
                "`{word}` begins with a zero: some readers count in eights then, others in tens; \
                 write it without"
            );
            return Err(self.error(&problem));
        }
        Ok(match word.as_str() {
            "" => return Err(self.error("no value can begin here")),
            "nil" | "null" => Edn::Nil,
            "true" => Edn::Flag(true),
            "false" => Edn::Flag(false),
            _ => match self.number(&word) {
                Some(Number::Whole(number)) => Edn::Whole(number),
                Some(Number::Text(text)) => Edn::Symbol(text),
                None => Edn::Symbol(word),
            },
        })
    }

    fn number(&self, word: &str) -> Option<Number> {
        match self.notation {
            Notation::Edn => number::of_edn(word),
            Notation::Json => number::of_json(word),
        }
    }

    fn word(&mut self) -> Result<String, EdnError> {
        let mut word = Vec::new();
        // A character literal may be a bracket.
        if self.peek() == Some(b'\\') {
            word.extend(self.take());
            word.extend(self.take());
        }
        let json = self.notation == Notation::Json;
        let goes_on = |byte| !ends_word(byte) && (!json || byte != b':');
        self.cursor.take_while(goes_on, &mut word, FORM_BYTES_MAX);
        self.grow(word.len())?;
        self.letters(word)
    }

    fn letters(&self, bytes: Vec<u8>) -> Result<String, EdnError> {
        String::from_utf8(bytes).map_err(|_| self.error("these bytes are no UTF-8"))
    }

    /// Skips white space, commas, comments and discarded forms.
    fn skip_blank(&mut self, depth: usize) -> Result<(), EdnError> {
        let mut blanks = 0;
        loop {
            // Blanks take no memory, so that nothing else would end a text of blanks alone.
            if blanks > FORM_BYTES_MAX {
                let problem = format!("more blanks than {} MiB", FORM_BYTES_MAX >> 20);
                return Err(self.error(&problem));
            }
            match self.peek() {
                Some(blank) if is_blank(blank) => {
                    blanks += 1;
                    self.take();
                }
                // In JSON it parts a key from its value, and says no more.
                Some(b':') if self.notation == Notation::Json => {
                    self.take();
                }
                Some(b';') => {
                    // A comment that does not end counts as blanks do.
                    while blanks <= FORM_BYTES_MAX && self.take().is_some_and(|byte| byte != b'\n')
                    {
                        blanks += 1;
                    }
                }
                Some(b'#') if !self.has_hash => {
                    self.take();
                    // It begins a form, and the byte that was taken cannot be put back.
                    if self.cursor.peek() != Some(b'_') {
                        self.has_hash = true;
                        return Ok(());
                    }
                    self.take();
                    self.bound(depth)?;
                    self.skip_blank(depth + 1)?;
                    self.form_within(depth + 1)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn bound(&self, depth: usize) -> Result<(), EdnError> {
        if depth > DEPTH_MAX {
            return Err(self.error(&format!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), EdnError> {
        self.form_bytes += bytes;
        if self.form_bytes > FORM_BYTES_MAX {
            return Err(self.error(&format!("longer than {} MiB", FORM_BYTES_MAX >> 20)));
        }
        Ok(())
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b',')
}

fn ends_word(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b';' | b'"' | b'(' | b')' | b'[' | b']' | b'{' | b'}')
}

/// How deep forms may be nested.
const DEPTH_MAX: usize = 64;

/// How many bytes a form may take in memory, such as one event with all that a read saw.
const FORM_BYTES_MAX: usize = 64 << 20;

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
            ("\n[1 2", 2, "ends where"),
            ("{:a}", 1, "without a value"),
            ("\n\n)", 3, "closes"),
            ("\"abc", 1, "does not end"),
            ("\"\\q\"", 1, "backslash"),
            ("\"\\ud800\"", 1, "no letter"),
            ("\n[0 -0 0.5 010]", 2, "`010` begins with a zero"),
            ("-007N", 1, "write it without"),
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
            assert!(error.problem.contains("deeper") || error.is_cut, "{error}");
        }
        assert!(forms(&format!("{}{}", "[".repeat(60), "]".repeat(60))).is_ok());
    }
}
