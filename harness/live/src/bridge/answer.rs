//! One answer of a bridge, and what it means to the request that was asked.
//!
//! Which request it belongs to, and what becomes of a bridge that speaks nonsense, is left to its
//! parent. The claim kept true: an answer of another form than its question has is never taken for
//! an outcome.

use serde::Deserialize;
use synod_fault::NodeId;
use synod_history::{Request, Value, json};

use crate::status::StatusFields;

/// How an operation ended, as the bridge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Ok(Value),
    /// It certainly did not.
    Fail(String),
    /// Nobody knows.
    Info(String),
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object with node, and what the description says is told")]
pub struct NodeStatus {
    /// The node.
    pub node: u16,
    /// The ballot with which it leads, if it does.
    #[serde(default)]
    pub leads: Option<String>,
    /// The ballot of the leader that it follows.
    #[serde(default)]
    pub follows: Option<String>,
    /// The first slot that it does not know to be chosen.
    #[serde(default)]
    pub chosen: u64,
    /// The first slot that it has not applied, where that is told.
    #[serde(default)]
    pub applied: Option<u64>,
    /// The digest of its state at `applied`, where that is told.
    #[serde(default)]
    pub digest: Option<String>,
}

/// An answer that is none to its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misspoken {
    /// What was said, or that nothing was.
    pub(crate) said: String,
    /// What is wrong with it.
    pub(crate) problem: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Answer {
    pub(crate) id: u64,
    #[serde(rename = "type")]
    pub(crate) kind: AnswerKind,
    /// What it says, be it null; none if it has no such field.
    #[serde(default, deserialize_with = "said")]
    value: Option<serde_json::Value>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnswerKind {
    Ok,
    Fail,
    Info,
}

impl Answer {
    pub(crate) fn outcome(self, request: &Request) -> Result<Outcome, Misspoken> {
        let error = self.error.unwrap_or_else(|| NO_REASON.to_owned());
        match self.kind {
            AnswerKind::Ok => {
                let value = self.value.as_ref();
                value_for(request, value).map(Outcome::Ok).map_err(|wanted| {
                    let problem = format!("`{}` that is ok answers {wanted}", request.f());
                    let said = value.map_or_else(|| NO_VALUE.to_owned(), ToString::to_string);
                    Misspoken { said, problem }
                })
            }
            AnswerKind::Fail => Ok(Outcome::Fail(error)),
            AnswerKind::Info => Ok(Outcome::Info(error)),
        }
    }

    /// Returns the reason that it gives.
    pub(crate) fn why(self) -> String {
        self.error.unwrap_or_else(|| NO_REASON.to_owned())
    }

    /// Reads the status of the node that was asked, with the fields that are told and no others.
    pub(crate) fn status(self, asked: NodeId, told: StatusFields) -> Result<NodeStatus, Misspoken> {
        // A status without a value is told as null, which is none.
        let value = self.value.unwrap_or_default();
        let said = value.to_string();
        let status: NodeStatus = serde_json::from_value(value)
            .map_err(|error| Misspoken { said: said.clone(), problem: json::problem(&error) })?;
        for (is_missing, name) in [
            (told.applied && status.applied.is_none(), "applied"),
            (told.digest && status.digest.is_none(), "digest"),
        ] {
            if is_missing {
                return Err(Misspoken { said, problem: format!("`{name}` is missing") });
            }
        }
        if status.node == asked.0 {
            return Ok(NodeStatus {
                leads: status.leads.filter(|_| told.leads),
                applied: status.applied.filter(|_| told.applied),
                digest: status.digest.filter(|_| told.digest),
                ..status
            });
        }
        let problem = format!("node {asked} was asked, and this is of node {}", status.node);
        Err(Misspoken { said, problem })
    }
}

/// Reads the value of an answer that is ok, or returns what it may be. What a change says besides
/// that it was made, such as how long a text has become, is kept and never judged. A read without a
/// value is none that saw nothing: a name that was misspelt would tell of a write that was lost.
fn value_for(request: &Request, value: Option<&serde_json::Value>) -> Result<Value, &'static str> {
    use serde_json::Value as Json;
    let needs_value = matches!(request, Request::Read { .. } | Request::Own { .. });
    if value.is_none() && needs_value {
        return Err("a `value`, be it null where there is none");
    }
    let value = value.unwrap_or(&Json::Null);
    let text = match value {
        Json::Null => Some(Value::Null),
        Json::String(text) => Some(Value::Text(text.clone())),
        // The history keeps the numbers of counters as texts.
        Json::Number(number) => Some(Value::Text(number.to_string())),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    let is_number = |value: &Value| matches!(value, Value::Text(sum) if sum.parse::<i64>().is_ok());
    match (request, value) {
        (Request::Read { .. }, _) => text.ok_or("a text, or null where there is none"),
        (Request::Cas { .. } | Request::Delete { .. }, Json::Bool(flag)) => Ok(Value::Flag(*flag)),
        (Request::Cas { .. }, _) => Err("true if it was set, or false"),
        (Request::Add { .. }, _) => text.filter(is_number).ok_or("the sum, a whole number"),
        (Request::Write { .. } | Request::Delete { .. } | Request::Append { .. }, _) => {
            text.ok_or("null")
        }
        (Request::Own { .. }, Json::Bool(flag)) => Ok(Value::Flag(*flag)),
        (Request::Own { .. }, _) => text.ok_or("null, true, false, a text or a number"),
    }
}

/// Reads a field that is there.
fn said<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(value).map(Some)
}

const NO_REASON: &str = "no reason given";

/// How an answer is told that says nothing.
const NO_VALUE: &str = "no `value`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_says_what_it_saw_and_what_changes_something_need_not() {
        let key = || "k".to_owned();
        let answer = |text: &str| serde_json::from_str::<Answer>(text).expect("an answer");
        let read = Request::Read { key: key() };
        let seen = |text: &str| answer(text).outcome(&read);
        assert_eq!(seen(r#"{"id":1,"type":"ok","value":null}"#), Ok(Outcome::Ok(Value::Null)));
        for silent in [r#"{"id":1,"type":"ok"}"#, r#"{"id":1,"type":"ok","vlaue":"7"}"#] {
            let Misspoken { said, problem } = seen(silent).expect_err(silent);
            let wanted = "`read` that is ok answers a `value`, be it null";
            assert!(said == "no `value`" && problem.starts_with(wanted), "{said}: {problem}");
            let write = Request::Write { key: key(), value: "7".to_owned() };
            assert_eq!(answer(silent).outcome(&write), Ok(Outcome::Ok(Value::Null)));
        }
    }

    #[test]
    fn a_status_has_what_is_told_and_no_more() {
        let status = |value: &str, told| {
            let line = format!(r#"{{"id":1,"type":"ok","value":{value}}}"#);
            let answer = serde_json::from_str::<Answer>(&line).expect("an answer");
            answer.status(NodeId(2), told).map_err(|said| said.problem)
        };
        let all = StatusFields::default();
        let leads = StatusFields { leads: true, ..StatusFields::NONE };
        let whole = r#"{"node":2,"leads":"1.2","applied":7,"digest":"aa"}"#;
        assert_eq!(status(whole, all).expect("whole").applied, Some(7));
        let some = status(whole, leads).expect("it says more than is told");
        assert_eq!((some.applied, some.digest.as_deref()), (None, None));
        assert_eq!(some.leads.as_deref(), Some("1.2"));
        assert_eq!(status(r#"{"node":2}"#, leads).expect("it follows").leads, None);
        for (value, why) in [
            (r#"{"node":2,"digest":"aa"}"#, "`applied` is missing"),
            (r#"{"node":2,"applied":7}"#, "`digest` is missing"),
            (r#"{"node":3,"applied":7,"digest":"aa"}"#, "node 2 was asked, and this is of node 3"),
        ] {
            assert_eq!(status(value, all), Err(why.to_owned()));
        }
    }

    #[test]
    fn what_a_workload_of_ones_own_is_answered_is_kept_as_it_was_said() {
        let take =
            Request::Own { f: "take".to_owned(), key: "q".to_owned(), argument: Value::Null };
        let said = |value: &str| {
            let line = format!(r#"{{"id":1,"type":"ok"{value}}}"#);
            serde_json::from_str::<Answer>(&line).expect("an answer").outcome(&take)
        };
        let text = Value::Text("7".to_owned());
        for (value, kept) in [
            (r#","value":null"#, Value::Null),
            (r#","value":true"#, Value::Flag(true)),
            (r#","value":"7""#, text.clone()),
            (r#","value":7"#, text),
        ] {
            assert_eq!(said(value), Ok(Outcome::Ok(kept)), "{value}");
        }
        for (value, words) in [("", "a `value`, be it null"), (r#","value":[]"#, "null, true, f")] {
            let Misspoken { problem, .. } = said(value).expect_err(words);
            let wanted = format!("`take` that is ok answers {words}");
            assert!(problem.starts_with(&wanted), "{problem}");
        }
    }
}
