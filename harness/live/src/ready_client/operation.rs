//! The operations that a ready client knows, and what a question of the bridge's protocol asks.
//!
//! How an operation is spelled for a system is left to its description. The claim kept true: a
//! question that has not what its operation needs is refused before anything is sent.

use serde::Deserialize;

/// What a system is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Status,
    State,
    Read,
    Write,
    Delete,
    Cas,
    Create,
    Append,
    Add,
}

/// A line of the bridge's protocol.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object with id, client, f and timeout_ms")]
pub(super) struct Question {
    pub(super) id: u64,
    pub(super) client: u32,
    f: String,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: serde_json::Value,
    #[serde(default)]
    pub(super) node: Option<u16>,
    pub(super) timeout_ms: u64,
}

/// What stands for the gaps of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filling {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) expected: String,
}

impl Operation {
    pub(super) const ALL: [Self; 9] = [
        Self::Status,
        Self::State,
        Self::Read,
        Self::Write,
        Self::Delete,
        Self::Cas,
        Self::Create,
        Self::Append,
        Self::Add,
    ];

    /// Returns the name of the field that says how it is asked.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::State => "state",
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Cas => "cas",
            Self::Create => "create",
            Self::Append => "append",
            Self::Add => "add",
        }
    }

    /// Returns the gaps that what is asked must have; it may have no others.
    pub(super) const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Status | Self::State => &[],
            Self::Read | Self::Delete => &["key"],
            Self::Write | Self::Create | Self::Append | Self::Add => &["key", "value"],
            Self::Cas => &["key", "value", "expected"],
        }
    }
}

impl Question {
    /// Says what is asked, or why that can be nothing.
    pub(super) fn asked(&self) -> Result<(Operation, Filling), String> {
        if self.f == "status" {
            return Ok((Operation::Status, Filling::default()));
        }
        let key = self.key.clone().ok_or_else(|| format!("`{}` names no key", self.f))?;
        let text = || {
            let text = self.value.as_str().map(str::to_owned);
            text.ok_or_else(|| format!("the value of `{}` is no text", self.f))
        };
        let (operation, value, expected) = match self.f.as_str() {
            "read" => (Operation::Read, String::new(), String::new()),
            "delete" => (Operation::Delete, String::new(), String::new()),
            "write" => (Operation::Write, text()?, String::new()),
            "append" => (Operation::Append, text()?, String::new()),
            "add" => (Operation::Add, text()?, String::new()),
            "cas" => match self.value.as_array().map(Vec::as_slice) {
                Some([serde_json::Value::Null, serde_json::Value::String(value)]) => {
                    (Operation::Create, value.clone(), String::new())
                }
                Some([serde_json::Value::String(expected), serde_json::Value::String(value)]) => {
                    (Operation::Cas, value.clone(), expected.clone())
                }
                Some(_) | None => return Err("the value of `cas` is no pair of texts".to_owned()),
            },
            other => return Err(format!("there is no `{other}`")),
        };
        Ok((operation, Filling { key, value, expected }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(line: &str) -> Question {
        let line = line.replacen('{', r#"{"id":1,"client":2,"timeout_ms":1000,"#, 1);
        serde_json::from_str(&line).expect("a question")
    }

    #[test]
    fn a_question_is_the_operation_that_it_names() {
        let filling = |key: &str, value: &str, expected: &str| Filling {
            key: key.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        for (line, operation, filled) in [
            (r#"{"f":"status","node":2}"#, Operation::Status, filling("", "", "")),
            (r#"{"f":"read","key":"k"}"#, Operation::Read, filling("k", "", "")),
            (r#"{"f":"delete","key":"k"}"#, Operation::Delete, filling("k", "", "")),
            (r#"{"f":"write","key":"k","value":"7"}"#, Operation::Write, filling("k", "7", "")),
            (r#"{"f":"append","key":"k","value":"7,"}"#, Operation::Append, filling("k", "7,", "")),
            (r#"{"f":"add","key":"k","value":"-7"}"#, Operation::Add, filling("k", "-7", "")),
            (
                r#"{"f":"cas","key":"k","value":[null,"8"]}"#,
                Operation::Create,
                filling("k", "8", ""),
            ),
            (r#"{"f":"cas","key":"k","value":["7","8"]}"#, Operation::Cas, filling("k", "8", "7")),
        ] {
            assert_eq!(question(line).asked(), Ok((operation, filled)), "{line}");
        }
    }

    #[test]
    fn what_a_question_lacks_is_told() {
        for (line, why) in [
            (r#"{"f":"read"}"#, "`read` names no key"),
            (r#"{"f":"write","key":"k"}"#, "the value of `write` is no text"),
            (r#"{"f":"write","key":"k","value":7}"#, "the value of `write` is no text"),
            (r#"{"f":"cas","key":"k","value":["7"]}"#, "the value of `cas` is no pair of texts"),
            (
                r#"{"f":"cas","key":"k","value":["7",null]}"#,
                "the value of `cas` is no pair of texts",
            ),
            (r#"{"f":"state","key":"k"}"#, "there is no `state`"),
            (r#"{"f":"take","key":"k"}"#, "there is no `take`"),
        ] {
            assert_eq!(question(line).asked(), Err(why.to_owned()), "{line}");
        }
    }
}
