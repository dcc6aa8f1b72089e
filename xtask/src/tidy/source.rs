//! Splits Rust text into code and comments, line by line.
//!
//! It knows strings, raw strings, characters, lifetimes and nested comments, and nothing else of
//! the grammar: enough to count lines and braces without being fooled by their contents.

/// One line, in its three readings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// The line as written.
    pub(crate) text: String,
    /// The code, with comments and the contents of literals blanked.
    pub(crate) code: String,
    /// The comments, with their slashes.
    pub(crate) comment: String,
}

/// A Rust file, split.
pub(crate) struct Source {
    /// All lines, the trailing tests included.
    pub(crate) lines: Vec<Line>,
    /// Where the trailing `mod tests` begins, with its attribute; the number of lines if none.
    pub(crate) tests_start: usize,
}

impl Source {
    /// Splits a text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = Splitter::new(text).split();
        for (line, text) in lines.iter_mut().zip(text.lines()) {
            line.text = text.to_owned();
        }
        let module = lines.iter().rposition(|line| line.code.trim() == "mod tests {");
        let attribute = |at: usize| lines[at - 1].code.trim_start().starts_with("#[cfg(");
        let tests_start = match module {
            Some(at) if at > 0 && attribute(at) => at - 1,
            Some(_) | None => lines.len(),
        };
        Self { lines, tests_start }
    }

    /// Gives the lines before the trailing tests.
    pub(crate) fn shipped(&self) -> &[Line] {
        &self.lines[..self.tests_start]
    }

    /// Gives the functions that ship: name, line counted from 1, and length in lines.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let code: Vec<&str> = self.shipped().iter().map(|line| line.code.as_str()).collect();
        let mut found = Vec::new();
        for (at, line) in code.iter().enumerate() {
            for (column, name) in declarations(line) {
                if let Some(last) = body_end(&code, at, column) {
                    found.push(Function { name, line: at + 1, length: last - at + 1 });
                }
            }
        }
        found
    }
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, counted from 1.
    pub(crate) line: usize,
    /// From the line of `fn` to that of the closing brace.
    pub(crate) length: usize,
}

/// Finds `fn name` in a line of code, with the column behind the name.
fn declarations(line: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("fn ") {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &line[at + 3..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            found.push((at + 3 + name.len(), name));
        }
    }
    found
}

/// Finds the line of the brace that closes the body; `None` for a declaration without one.
fn body_end(code: &[&str], start: usize, column: usize) -> Option<usize> {
    let (mut round, mut curly) = (0_i32, 0_i32);
    for (at, line) in code.iter().enumerate().skip(start) {
        let from = if at == start { column } else { 0 };
        for c in line[from..].chars() {
            match c {
                '(' | '[' => round += 1,
                ')' | ']' => round -= 1,
                ';' if round == 0 && curly == 0 => return None,
                '{' => curly += 1,
                '}' => {
                    curly -= 1;
                    if curly <= 0 && round == 0 {
                        // One that was not opened here closes what the declaration stands in.
                        return (curly == 0).then_some(at);
                    }
                }
                _ => {}
            }
        }
    }
    None
}

/// Where the splitter is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    LineComment,
    BlockComment { depth: u32 },
    Text,
    RawText { hashes: usize },
}

struct Splitter<'a> {
    rest: &'a str,
    place: Place,
    last_code: char,
    lines: Vec<Line>,
    line: Line,
}

impl<'a> Splitter<'a> {
    fn new(text: &'a str) -> Self {
        let line = Line::default();
        Self { rest: text, place: Place::Code, last_code: ' ', lines: Vec::new(), line }
    }

    fn split(mut self) -> Vec<Line> {
        while let Some(c) = self.rest.chars().next() {
            if c == '\n' {
                self.end_line();
                continue;
            }
            match self.place {
                Place::Code => self.in_code(c),
                Place::LineComment => self.comment(c.len_utf8()),
                Place::BlockComment { depth } => self.in_block(depth),
                Place::Text => self.in_text(c),
                Place::RawText { hashes } => self.in_raw(c, hashes),
            }
        }
        if !self.line.code.is_empty() || !self.line.comment.is_empty() {
            self.end_line();
        }
        self.lines
    }

    fn end_line(&mut self) {
        if self.rest.starts_with('\n') {
            self.rest = &self.rest[1..];
        }
        if self.place == Place::LineComment {
            self.place = Place::Code;
        }
        self.last_code = ' ';
        self.lines.push(std::mem::take(&mut self.line));
    }

    fn in_code(&mut self, c: char) {
        if self.rest.starts_with("//") {
            self.place = Place::LineComment;
            return self.comment(2);
        }
        if self.rest.starts_with("/*") {
            self.place = Place::BlockComment { depth: 1 };
            return self.comment(2);
        }
        if let Some(hashes) = self.raw_text_start() {
            self.place = Place::RawText { hashes };
            let quote = self.rest.find('"').map_or(1, |at| at + 1);
            return self.code(quote);
        }
        match c {
            '"' => self.place = Place::Text,
            '\'' => return self.quote(),
            _ => {}
        }
        self.code(c.len_utf8());
    }

    /// Recognises `r"`, `r#"`, `br"` and their like, where no name is going on.
    fn raw_text_start(&self) -> Option<usize> {
        if self.last_code.is_alphanumeric() || self.last_code == '_' {
            return None;
        }
        let rest = self.rest.strip_prefix(['b', 'c']).unwrap_or(self.rest);
        let rest = rest.strip_prefix('r')?;
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        rest[hashes..].starts_with('"').then_some(hashes)
    }

    /// Tells a character literal, which is blanked, from a lifetime, which is code.
    fn quote(&mut self) {
        let mut after = self.rest[1..].char_indices();
        let first = after.next().map(|(_, c)| c);
        let end = match first {
            Some('\\') => self.rest[2..].char_indices().skip(1).find(|(_, c)| *c == '\''),
            Some(_) => after.next().filter(|(_, c)| *c == '\''),
            None => None,
        };
        let escaped = usize::from(first == Some('\\'));
        match end {
            Some((at, _)) => {
                self.code(1);
                self.blank(at + escaped);
                self.code(1);
            }
            None => self.code(1),
        }
    }

    fn in_block(&mut self, depth: u32) {
        if self.rest.starts_with("/*") {
            self.place = Place::BlockComment { depth: depth + 1 };
            return self.comment(2);
        }
        if self.rest.starts_with("*/") {
            self.place = match depth {
                1 => Place::Code,
                deeper => Place::BlockComment { depth: deeper - 1 },
            };
            return self.comment(2);
        }
        self.comment(self.rest.chars().next().map_or(1, char::len_utf8));
    }

    fn in_text(&mut self, c: char) {
        match c {
            '"' => {
                self.place = Place::Code;
                self.code(1);
            }
            // The end of a line is left to whoever counts lines.
            '\\' if !self.rest[1..].starts_with('\n') => {
                let escaped = self.rest[1..].chars().next().map_or(0, char::len_utf8);
                self.blank(1 + escaped);
            }
            other => self.blank(other.len_utf8()),
        }
    }

    fn in_raw(&mut self, c: char, hashes: usize) {
        let ends =
            c == '"' && self.rest[1..].chars().take(hashes).filter(|c| *c == '#').count() == hashes;
        if ends {
            self.place = Place::Code;
            self.code(1 + hashes);
        } else {
            self.blank(c.len_utf8());
        }
    }

    fn code(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line.code.push_str(taken);
        self.last_code = taken.chars().next_back().unwrap_or(' ');
        self.rest = rest;
    }

    fn blank(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line.code.extend(taken.chars().map(|_| ' '));
        self.rest = rest;
    }

    fn comment(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line.comment.push_str(taken);
        self.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<String> {
        Source::parse(text).lines.into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn comments_and_literals_are_told_from_code() {
        assert_eq!(code("let a = \"{ // }\"; // {"), ["let a = \"      \"; "]);
        assert_eq!(code("a /* { /* } */ x */ b"), ["a  b"]);
        assert_eq!(code("r#\"a \" { \"# }"), ["r#\"      \"# }"]);
        assert_eq!(code("'{' '\\'' '\\u{1f}' 'a: {"), ["' ' '  ' '      ' 'a: {"]);
        assert_eq!(code("\"a\\\"{\" }"), ["\"    \" }"]);
        assert_eq!(code("for\"a\""), ["for\" \""]);
    }

    #[test]
    fn a_text_may_span_lines_and_so_may_a_comment() {
        assert_eq!(code("\"{\n}\\\n\" {\n/* }\n*/ }"), ["\" ", "  ", "\" {", "", " }"]);
        let lines = Source::parse("a /* b\nc */ d // e").lines;
        assert_eq!(lines[0].comment, "/* b");
        assert_eq!(lines[1].comment, "c *///  e".replace("  ", " "));
        assert_eq!(lines[1].text, "c */ d // e");
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "fn a() {}\nimpl X {\n    fn b(\n        x: [u8; 2],\n    ) -> u8 {\n        \
                    if x { y } else { z }\n    }\n    fn c(&self);\n}\n";
        let found = Source::parse(text).functions();
        let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.length)).collect();
        assert_eq!(found, [("a", 1, 1), ("b", 3, 5)]);
    }

    #[test]
    fn trailing_tests_do_not_ship() {
        let text = "fn a() {\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\n";
        let source = Source::parse(text);
        assert_eq!(source.shipped().len(), 3);
        assert_eq!(source.functions().len(), 1);
        assert_eq!(Source::parse("fn a() {}").shipped().len(), 1);
    }
}
