//! The part of YAML that the files of `deploy` are written in, read into JSON.
//!
//! Mappings and sequences in block style, lists of words in brackets, quoted and plain words, and
//! literal blocks (`|`). The claim kept true: what it does not know is refused with its line, so
//! that a file that is read means the same to every reader of YAML.

use serde_json::{Map, Value};

/// Reads a document.
pub(crate) fn read(text: &str) -> Value {
    let lines: Vec<Line<'_>> = (1..).zip(text.lines()).map(Line::of).collect();
    let mut reader = Reader { lines, at: 0 };
    let value = reader.block(0);
    reader.skip();
    assert!(reader.at == reader.lines.len(), "line {}: it is indented oddly", reader.number());
    value
}

#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    indent: usize,
    words: &'a str,
}

impl<'a> Line<'a> {
    fn of((number, text): (usize, &'a str)) -> Self {
        let words = text.trim_start_matches(' ');
        assert!(!words.starts_with('\t'), "line {number}: a tab");
        Self { number, indent: text.len() - words.len(), words: words.trim_end() }
    }

    fn is_empty(self) -> bool {
        self.words.is_empty() || self.words.starts_with('#')
    }
}

struct Reader<'a> {
    lines: Vec<Line<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        while self.lines.get(self.at).is_some_and(|line| line.is_empty()) {
            self.at += 1;
        }
    }

    fn number(&self) -> usize {
        self.lines.get(self.at).map_or(0, |line| line.number)
    }

    /// Returns the next line with words, if it is indented by so much at least.
    fn peek(&mut self, indent: usize) -> Option<Line<'a>> {
        self.skip();
        self.lines.get(self.at).copied().filter(|line| line.indent >= indent)
    }

    /// Reads what begins at the next line, which is indented by so much at least.
    fn block(&mut self, indent: usize) -> Value {
        let Some(first) = self.peek(indent) else { return Value::Null };
        if is_item(first.words) {
            return self.sequence(first.indent);
        }
        self.mapping(first.indent)
    }

    fn sequence(&mut self, indent: usize) -> Value {
        let mut items = Vec::new();
        while let Some(line) = self.peek(indent).filter(|line| line.indent == indent) {
            if !is_item(line.words) {
                break;
            }
            let rest = line.words[1..].trim_start();
            if rest.is_empty() || split(rest).is_none() {
                self.at += 1;
                let item = if rest.is_empty() { self.block(indent + 1) } else { word(rest, line) };
                items.push(item);
                continue;
            }
            // What follows the dash is the first line of a mapping.
            let inner = indent + line.words.len() - rest.len();
            self.lines[self.at] = Line { indent: inner, words: rest, ..line };
            items.push(self.mapping(inner));
        }
        Value::Array(items)
    }

    fn mapping(&mut self, indent: usize) -> Value {
        let mut fields = Map::new();
        while let Some(line) = self.peek(indent).filter(|line| line.indent == indent) {
            if is_item(line.words) {
                break;
            }
            let Some((name, rest)) = split(line.words) else {
                panic!("line {}: `{}` is no field", line.number, line.words)
            };
            self.at += 1;
            let value = match rest {
                "" => self.value_below(indent),
                "|" => self.literal(indent),
                rest => word(rest, line),
            };
            let other = fields.insert(name.to_owned(), value);
            assert!(other.is_none(), "line {}: `{name}` is there twice", line.number);
        }
        Value::Object(fields)
    }

    /// Reads the value of a field from the lines below it; the items of a list may stand under it.
    fn value_below(&mut self, indent: usize) -> Value {
        match self.peek(indent) {
            Some(line) if line.indent > indent => self.block(indent + 1),
            Some(line) if is_item(line.words) => self.sequence(indent),
            Some(_) | None => Value::Null,
        }
    }

    fn literal(&mut self, indent: usize) -> Value {
        let mut text = String::new();
        let first = self.lines[self.at].indent;
        while let Some(line) = self.lines.get(self.at) {
            if !line.words.is_empty() && line.indent <= indent {
                break;
            }
            text += &" ".repeat(line.indent.saturating_sub(first));
            text += line.words;
            text.push('\n');
            self.at += 1;
        }
        Value::String(format!("{}\n", text.trim_end()))
    }
}

fn is_item(words: &str) -> bool {
    words == "-" || words.starts_with("- ")
}

/// Splits a field from its value.
fn split(words: &str) -> Option<(&str, &str)> {
    let (name, rest) = words.split_once(':')?;
    let is_name =
        name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    let is_field = is_name && !name.is_empty() && (rest.is_empty() || rest.starts_with(' '));
    is_field.then(|| (name, rest.split(" #").next().unwrap_or_default().trim()))
}

fn word(text: &str, line: Line<'_>) -> Value {
    let text = text.split(" #").next().unwrap_or_default().trim();
    if let Some(list) = text.strip_prefix('[') {
        let list = list.strip_suffix(']').unwrap_or_else(|| panic!("line {}: open", line.number));
        return list.split(',').map(|item| word(item.trim(), line)).collect();
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let inner = quoted.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\']));
        return inner.unwrap_or_else(|| panic!("line {}: {text}", line.number)).into();
    }
    let odd = ['{', '&', '*', '!', '|', '>', '\'', '%', '@', '`', '?'];
    assert!(!text.starts_with(odd) && !text.contains(": "), "line {}: {text}", line.number);
    match text {
        "true" => true.into(),
        "false" => false.into(),
        _ => text.parse::<u64>().map_or_else(|_| text.into(), Value::from),
    }
}
