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
        serde_json::error::Category::Eof if column == 0 => "there is no JSON in it".to_owned(),
        serde_json::error::Category::Eof => format!("the JSON ends too early, in line {line}"),
        serde_json::error::Category::Syntax => {
            format!("it is no JSON from line {line}, column {column} on")
        }
        // A value that was read before has no place.
        serde_json::error::Category::Data if line == 0 => plain(text),
        serde_json::error::Category::Data => format!("line {line}: {}", plain(text)),
    }
}

/// Puts the parser's complaint about a value into words of this program.
fn plain(text: &str) -> String {
    let parts = text.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    if let Some((found, wanted)) = parts {
        let wanted = match wanted {
            "a sequence" => "a list",
            "a map" => "an object in braces",
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
    use super::*;
    use crate::live::system::System;

    #[test]
    fn a_wrong_description_is_told_in_plain_words() {
        let told = |text: &str| {
            let read = serde_json::from_str::<System>(text);
            problem(&read.expect_err("the description is wrong"))
        };
        for (text, wanted) in [
            ("", "there is no JSON in it"),
            ("\nhello", "it is no JSON from line 2, column 1 on"),
            ("{\"name\": \"x\"", "the JSON ends too early, in line 1"),
            ("7", "line 1: found integer `7`, wanted an object that describes a system"),
            ("{\"name\": 7}", "line 1: found integer `7`, wanted a string"),
            ("{\"name\": \"x\"}", "line 1: `serve` is missing"),
            ("{\"name\": \"x\", \"serve\": \"s\"}", "line 1: found string \"s\", wanted a list"),
        ] {
            assert_eq!(told(text), wanted);
        }
        let with = |more: &str| {
            told(&format!("{{\"name\": \"x\",\n\"serve\": [\"s\"], \"bridge\": [\"b\"], {more}}}"))
        };
        for (more, wanted) in [
            ("\"transport\": \"tcp\"", "line 2: found string \"tcp\", wanted an object such as {"),
            ("\"transport\": {\"peer\": \"sctp\"}", "line 2: there is no transport `sctp`"),
            ("\"colour\": 1", "line 2: there is no `colour`, expected one of `name`, "),
            ("\"init\": [7]", "line 2: a word of a command is a text in quotes, or "),
        ] {
            let told = with(more);
            assert!(told.starts_with(wanted), "{told}");
        }
    }
}
