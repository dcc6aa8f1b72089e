//! What is wrong with JSON that somebody wrote by hand or by a program of theirs, in plain words.
//!
//! What the parts mean is said where they are read. The claim kept true: no name of a type of this
//! program, and no word of its parser's own, reaches a reader.

/// Says what is wrong with a text, and where.
#[must_use]
pub fn problem(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let full = error.to_string();
    let text = full.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&full);
    match error.classify() {
        serde_json::error::Category::Io => text.to_owned(),
        serde_json::error::Category::Eof if column == 0 && line < 2 => {
            "there is no JSON in it".to_owned()
        }
        serde_json::error::Category::Eof => format!("the JSON ends too early, in line {line}"),
        serde_json::error::Category::Syntax => {
            format!("it is no JSON from line {line}, column {column} on")
        }
        // A value that was read before has no place.
        serde_json::error::Category::Data if line == 0 => plain(text),
        serde_json::error::Category::Data => format!("line {line}: {}", plain(text)),
    }
}

/// Puts a parser's complaint about a value into words of this program.
#[must_use]
pub fn plain(text: &str) -> String {
    let begin = ["invalid type: ", "invalid value: ", "invalid "];
    let rest = begin.iter().find_map(|begin| text.strip_prefix(begin));
    if let Some((found, wanted)) = rest.and_then(|rest| rest.split_once(", expected ")) {
        let wanted = match wanted {
            "a sequence" => "a list",
            "a map" => "an object in braces",
            "a string" => "a text",
            "a boolean" => "true or false",
            "u8" | "u16" | "u32" | "u64" | "usize" => {
                "a whole number from 0 on that is not too large"
            }
            "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number that is not too large",
            "f32" | "f64" => "a number",
            other => other,
        };
        return format!("found {}, wanted {wanted}", found.replace("sequence", "a list"));
    }
    if let Some(name) = text.strip_prefix("missing field ") {
        return format!("{name} is missing");
    }
    text.replace("unknown field", "there is no").replace("unknown variant", "there is no")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shelf {
        #[serde(rename = "books")]
        _books: Vec<String>,
    }

    #[test]
    fn what_is_wrong_is_told_in_plain_words() {
        for (text, wanted) in [
            ("", "there is no JSON in it"),
            ("\nhello", "it is no JSON from line 2, column 1 on"),
            ("{\"books\": [", "the JSON ends too early, in line 1"),
            ("{}", "line 1: `books` is missing"),
            ("{\n\"books\": 7}", "line 2: found integer `7`, wanted a list"),
            ("{\"books\": [7]}", "line 1: found integer `7`, wanted a text"),
            ("{\"tapes\": 7}", "line 1: there is no `tapes`, expected `books`"),
        ] {
            let read = serde_json::from_str::<Shelf>(text);
            assert_eq!(problem(&read.expect_err("it is wrong")), wanted);
        }
    }
}
