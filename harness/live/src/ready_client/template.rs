//! A text with gaps for what an operation is about, in the form that the place needs.
//!
//! Where which form is right is left to the protocols. The claim kept true: a gap that its
//! operation has nothing for, and a form that there is not, are refused before the run.

use super::base64;
use super::operation::{Filling, Operation};

/// A text, taken apart at its gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Gap(Gap, Form),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Key,
    Value,
    Expected,
}

/// How what stands for a gap is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// With percent signs, as a part of an address.
    Address,
    /// As a text of JSON, with its quotes.
    Json,
    /// By RFC 4648, section 4.
    Base64,
}

impl Template {
    /// Reads a text all of whose gaps are filled as they are.
    pub(super) fn plain(text: &str, operation: Operation) -> Result<Self, (String, String)> {
        Self::read(text, operation, Form::Plain, &[])
    }

    /// Reads a text whose gaps have this form, or one of those if they name it: `{key:json}`.
    pub(super) fn read(
        text: &str,
        operation: Operation,
        usual: Form,
        others: &[(&str, Form)],
    ) -> Result<Self, (String, String)> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            literal += before;
            if let Some(after) = after.strip_prefix("{{").or_else(|| after.strip_prefix("}}")) {
                literal += &rest[at..=at];
                rest = after;
                continue;
            }
            let gap = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let Some((name, after)) = gap else {
                let problem = format!("has a lone brace in `{text}`");
                return Err((problem, "a brace that means itself is written twice".to_owned()));
            };
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(gap_of(name, operation, usual, others)?);
            rest = after;
        }
        literal += rest;
        parts.push(Part::Text(literal));
        Ok(Self { parts })
    }

    /// Returns whether it has the gap of this name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Text(_) => false,
            Part::Gap(gap, _) => gap.name() == name,
        })
    }

    /// Puts what there is into the gaps.
    pub(super) fn fill(&self, filling: &Filling) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text += literal,
                Part::Gap(gap, form) => {
                    let value = match gap {
                        Gap::Key => &filling.key,
                        Gap::Value => &filling.value,
                        Gap::Expected => &filling.expected,
                    };
                    form.spell(value, &mut text);
                }
            }
        }
        text
    }
}

fn gap_of(
    name: &str,
    operation: Operation,
    usual: Form,
    others: &[(&str, Form)],
) -> Result<Part, (String, String)> {
    let (gap, form) = name.split_once(':').map_or((name, None), |(gap, form)| (gap, Some(form)));
    let known = [Gap::Key, Gap::Value, Gap::Expected];
    let has = operation.needs();
    let found = known.into_iter().find(|known| known.name() == gap && has.contains(&gap));
    let Some(found) = found else {
        let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
        let remedy = format!("it has {has}; a brace that means itself is written twice");
        return Err((format!("names `{gap}`, which it does not have"), remedy));
    };
    let Some(form) = form else { return Ok(Part::Gap(found, usual)) };
    match others.iter().find(|(name, _)| *name == form) {
        Some((_, form)) => Ok(Part::Gap(found, *form)),
        None => {
            let known: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
            let remedy = if known.is_empty() {
                format!("write `{{{gap}}}`")
            } else {
                format!("there are {}", known.join(", "))
            };
            Err((format!("has no form `{form}` here for `{gap}`"), remedy))
        }
    }
}

impl Gap {
    const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
            Self::Expected => "expected",
        }
    }
}

impl Form {
    fn spell(self, value: &str, text: &mut String) {
        match self {
            Self::Plain => *text += value,
            Self::Address => {
                for byte in value.bytes() {
                    // RFC 3986, section 2.3: those that mean nothing but themselves.
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        text.push(char::from(byte));
                    } else {
                        *text += &format!("%{byte:02X}");
                    }
                }
            }
            Self::Json => *text += &serde_json::Value::from(value).to_string(),
            Self::Base64 => *text += &base64::encoded(value.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling() -> Filling {
        let (key, value) = ("a/b c".to_owned(), "1\"\u{e9}\n".to_owned());
        Filling { key, value, expected: "0".to_owned() }
    }

    const ALL: &[(&str, Form)] = &[("json", Form::Json), ("base64", Form::Base64)];

    #[test]
    fn gaps_are_filled_in_the_form_of_their_place() {
        let filled = |text: &str, usual| {
            Template::read(text, Operation::Cas, usual, ALL).expect(text).fill(&filling())
        };
        assert_eq!(filled("{key}={expected}", Form::Plain), "a/b c=0");
        assert_eq!(filled("/kv/{key}?v={value}", Form::Address), "/kv/a%2Fb%20c?v=1%22%C3%A9%0A");
        assert_eq!(filled("{{\"v\": {value:json}}}", Form::Plain), "{\"v\": \"1\\\"\u{e9}\\n\"}");
        assert_eq!(filled("{key:base64}", Form::Plain), "YS9iIGM=");
    }

    #[test]
    fn what_cannot_be_filled_is_refused_and_told() {
        let refused = |text: &str, operation| {
            let (problem, remedy) =
                Template::read(text, operation, Form::Plain, ALL).expect_err(text);
            format!("{problem}; {remedy}")
        };
        let told = refused("{value}", Operation::Read);
        assert!(told.starts_with("names `value`, which it does not have; it has key;"), "{told}");
        let told = refused("{key}", Operation::Status);
        assert!(told.starts_with("names `key`, which it does not have; it has none;"), "{told}");
        for lone in ["{key", "a } b", "{"] {
            assert!(refused(lone, Operation::Read).starts_with("has a lone brace"), "{lone}");
        }
        let told = refused("{key:xml}", Operation::Read);
        assert_eq!(told, "has no form `xml` here for `key`; there are json, base64");
        let told = Template::plain("{key:json}", Operation::Read).expect_err("no form");
        assert_eq!(told.1, "write `{key}`");
    }
}
