//! Takes a Rust file apart into items: what stands before each brace or semicolon, and in between.
//!
//! It reads code without comments and literals, knows brackets, attributes and nothing else of the
//! grammar. That is enough because the code is formatted, and because the lint `unreachable_pub`
//! makes the word `pub` mean what it says. What an item is worth is left to `listing`.

/// An item, as far as it was taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// The attributes that a reader of an interface wants to see, each without its brackets.
    pub(crate) attributes: Vec<String>,
    /// What stands before the body or the semicolon, on one line.
    pub(crate) head: String,
    /// What stands between the braces, if there are any.
    pub(crate) body: Option<String>,
    /// Whether it is there for tests alone.
    pub(crate) for_tests: bool,
}

/// Takes code apart: into items, or the fields, variants and functions of one.
///
/// What ends in a comma is an item, too, where `lists` says that it may: fields and variants do.
pub(crate) fn items(code: &str, lists: bool) -> Vec<Item> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while !rest.is_empty() {
        let (attributes, after) = leading_attributes(rest);
        let (mut item, after) = one_item(after, lists);
        for attribute in attributes {
            item.for_tests |= attribute.starts_with("cfg(") && attribute.contains("test");
            if SHOWN.iter().any(|word| attribute.starts_with(word)) {
                item.attributes.push(attribute);
            }
        }
        if !item.head.is_empty() {
            found.push(item);
        }
        rest = after.trim_start();
    }
    found
}

/// The attributes that say something to whoever uses an item.
const SHOWN: [&str; 3] = ["derive(", "non_exhaustive", "must_use"];

fn leading_attributes(code: &str) -> (Vec<String>, &str) {
    let (mut found, mut rest) = (Vec::new(), code.trim_start());
    while let Some(inner) = rest.strip_prefix("#[").or_else(|| rest.strip_prefix("#![")) {
        let end = closing(inner, '[', ']').unwrap_or(inner.len());
        found.push(one_line(&inner[..end]));
        rest = inner.get(end + 1..).unwrap_or_default().trim_start();
    }
    (found, rest)
}

fn one_item(code: &str, lists: bool) -> (Item, &str) {
    let whole = |head: &str, body: Option<&str>| {
        let body = body.map(ToOwned::to_owned);
        Item { head: one_line(head), body, ..Item::default() }
    };
    // The braces of an import are none of a body.
    let imports = code.starts_with("use ") || code.starts_with("pub use ");
    let (mut depth, mut angles) = (0_usize, 0_usize);
    let mut before = ' ';
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '<' => angles += 1,
            // The end of an arrow closes nothing.
            '>' if before != '-' && before != '=' => angles = angles.saturating_sub(1),
            ';' if depth == 0 => return (whole(&code[..at], None), &code[at + 1..]),
            ',' if lists && depth == 0 && angles == 0 => {
                return (whole(&code[..at], None), &code[at + 1..]);
            }
            '{' if depth == 0 && !imports => {
                let inner = &code[at + 1..];
                let end = closing(inner, '{', '}').unwrap_or(inner.len());
                let after = inner.get(end + 1..).unwrap_or_default();
                let after = after.strip_prefix([',', ';']).unwrap_or(after);
                return (whole(&code[..at], Some(&inner[..end])), after);
            }
            _ => {}
        }
        before = c;
    }
    (whole(code, None), "")
}

/// Finds the bracket that closes what was opened before the text.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Puts a text on one line, as if it had never been broken.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let tight = [("( ", "("), ("[ ", "["), ("< ", "<"), (", )", ")"), (", ]", "]"), (", >", ">")];
    let tighter = [(" )", ")"), (" ]", "]"), (", }", " }"), (" .", ".")];
    tight.iter().chain(&tighter).fold(line, |line, (from, to)| line.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(code: &str, lists: bool) -> Vec<String> {
        items(code, lists).into_iter().map(|item| item.head).collect()
    }

    #[test]
    fn items_end_with_a_brace_or_a_semicolon() {
        let code = "use a::{B, C};\npub const X: [u8; 2] = [1, 2];\npub fn f(\n    a: u8,\n    \
                    b: [u8; 4],\n) -> Vec<u8> {\n    g();\n}\nmod m;\n";
        assert_eq!(
            heads(code, false),
            [
                "use a::{B, C}",
                "pub const X: [u8; 2] = [1, 2]",
                "pub fn f(a: u8, b: [u8; 4]) -> Vec<u8>",
                "mod m"
            ]
        );
    }

    #[test]
    fn fields_and_variants_end_with_a_comma() {
        let code =
            "pub a: BTreeMap<A, B>,\n#[serde(x)]\nb: fn(A, B) -> C,\nV { c: u8, d: u8 },\nW(X)";
        let found = heads(code, true);
        assert_eq!(found, ["pub a: BTreeMap<A, B>", "b: fn(A, B) -> C", "V", "W(X)"]);
        assert_eq!(items(code, true)[2].body.as_deref(), Some(" c: u8, d: u8 "));
    }

    #[test]
    fn attributes_are_kept_where_they_say_something() {
        let code = "#[derive(Clone,\n Debug)]\n#[allow(x, reason = \"  \")]\npub struct A;\n\
                    #[cfg(all(test, x))]\nfn f() {}";
        let found = items(code, false);
        assert_eq!(found[0].attributes, ["derive(Clone, Debug)"]);
        assert_eq!((found[0].for_tests, found[1].for_tests), (false, true));
    }
}
