//! The lines that a workload and the bridge exchange: one JSON object a line, in any order.
//!
//! A request names an operation on a string key; an answer says what certainly happened (`ok`),
//! what certainly did not (`fail`), or that nobody can say (`info`). A line that cannot be
//! understood did certainly nothing. Running the operations is the bridge's business.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::command::{Blob, Command, Query, Reply};

/// The longest line that is read, in bytes: a value of 1 MiB may be escaped throughout.
pub(crate) const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One request: who asks for what, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) client: u64,
    pub(crate) timeout_ms: Option<u64>,
    /// The node that is asked alone, whoever leads.
    pub(crate) node: Option<u16>,
    pub(crate) operation: Operation,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Read { key: String },
    Write { key: String, value: String },
    Cas { key: String, expected: Option<String>, value: String },
    Delete { key: String },
    Append { key: String, suffix: String },
    Add { key: String, delta: i64 },
    Status { node: u16 },
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    /// The id of the request, or null if the line held none.
    pub(crate) id: Option<u64>,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
}

/// What is known about an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// It happened, once, and this was its result.
    Ok { value: Value },
    /// It certainly did not happen.
    Fail { error: String },
    /// It may have happened, or may still happen.
    Info { error: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Line {
    id: u64,
    #[serde(default)]
    client: u64,
    f: String,
    key: Option<String>,
    #[serde(default)]
    value: Value,
    timeout_ms: Option<u64>,
    node: Option<u16>,
}

impl Request {
    /// Reads one line.
    ///
    /// # Errors
    ///
    /// The answer to a line that cannot be understood.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Answer> {
        let fail = |id, error| Answer { id, verdict: Verdict::Fail { error } };
        let line: Line = match serde_json::from_slice(line) {
            Ok(line) => line,
            Err(error) => {
                // The id alone may still be readable, and the asker waits for it.
                let whole: Value = serde_json::from_slice(line).unwrap_or_default();
                return Err(fail(whole["id"].as_u64(), problem(&error)));
            }
        };
        let (id, client, timeout_ms, node) = (line.id, line.client, line.timeout_ms, line.node);
        let operation = Operation::from_line(line).map_err(|error| fail(Some(id), error))?;
        let node = node.filter(|_| !matches!(operation, Operation::Status { .. }));
        Ok(Self { id, client, timeout_ms, node, operation })
    }
}

/// Says what is wrong with a line, without the parser's names and places, and what is wanted.
fn problem(error: &serde_json::Error) -> String {
    let found = if error.is_data() {
        let (text, place) = (error.to_string(), error.column());
        let place = format!(" at line {} column {place}", error.line());
        text.strip_suffix(&place).unwrap_or(&text).to_owned()
    } else {
        "this is no JSON".to_owned()
    };
    format!("{found}; a request is a line such as {EXAMPLE}")
}

const EXAMPLE: &str = "{\"id\": 1, \"client\": 1, \"f\": \"read\", \"key\": \"x\"}";

impl Operation {
    fn from_line(line: Line) -> Result<Self, String> {
        let Line { f, key, value, node, .. } = line;
        if f == "status" {
            let node = node.ok_or("status needs the number of a node")?;
            return Ok(Self::Status { node });
        }
        let key = key.ok_or("a key is missing")?;
        let wrong = |wanted: &str| format!("{f} needs {wanted} as its value");
        match (f.as_str(), value) {
            ("read", _) => Ok(Self::Read { key }),
            ("delete", _) => Ok(Self::Delete { key }),
            ("write", Value::String(value)) => Ok(Self::Write { key, value }),
            ("append", Value::String(suffix)) => Ok(Self::Append { key, suffix }),
            ("add", Value::String(text)) => {
                let delta = text.parse().map_err(|_| wrong("a decimal number in quotes"))?;
                Ok(Self::Add { key, delta })
            }
            ("cas", Value::Array(pair)) => match <[Value; 2]>::try_from(pair) {
                Ok([Value::String(expected), Value::String(value)]) => {
                    Ok(Self::Cas { key, expected: Some(expected), value })
                }
                Ok([Value::Null, Value::String(value)]) => {
                    Ok(Self::Cas { key, expected: None, value })
                }
                _ => Err(wrong("an array of two strings, the first perhaps null,")),
            },
            ("write" | "append", _) => Err(wrong("a string")),
            ("add", _) => Err(wrong("a decimal number in quotes")),
            ("cas", _) => Err(wrong("an array of two strings, the first perhaps null,")),
            _ => Err(format!("unknown operation {f:?}")),
        }
    }

    /// Returns the command or query that the operation is, or none for a status.
    pub(crate) fn encode(&self) -> Option<Encoded> {
        let blob = |text: &'_ String| -> Vec<u8> { text.clone().into_bytes() };
        let command = |command: Command<'_>| Some(Encoded::Command(command.encode()));
        let key = match self {
            Self::Read { key }
            | Self::Write { key, .. }
            | Self::Cas { key, .. }
            | Self::Delete { key }
            | Self::Append { key, .. }
            | Self::Add { key, .. } => blob(key),
            Self::Status { .. } => return None,
        };
        let key = Blob(&key);
        match self {
            Self::Read { .. } => Some(Encoded::Query(Query::Get { key }.encode())),
            Self::Write { value, .. } => {
                command(Command::Put { key, value: Blob(value.as_bytes()) })
            }
            Self::Cas { expected, value, .. } => {
                let expected = expected.as_ref().map(|text| Blob(text.as_bytes()));
                command(Command::CompareAndSet { key, expected, value: Blob(value.as_bytes()) })
            }
            Self::Delete { .. } => command(Command::Delete { key }),
            Self::Append { suffix, .. } => {
                command(Command::Append { key, suffix: Blob(suffix.as_bytes()) })
            }
            Self::Add { delta, .. } => command(Command::Increment { key, delta: *delta }),
            Self::Status { .. } => None,
        }
    }
}

/// An operation as the bytes of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Encoded {
    Command(Vec<u8>),
    Query(Vec<u8>),
}

impl Verdict {
    /// Says what the machine's reply to an operation means.
    pub(crate) fn of_reply(reply: &[u8]) -> Self {
        let value = match Reply::decode(reply) {
            Ok(Reply::Written) => Value::Null,
            Ok(Reply::Deleted { existed }) => json!(existed),
            Ok(Reply::Length(length)) => json!(length.to_string()),
            Ok(Reply::Compared { swapped }) => json!(swapped),
            Ok(Reply::Number(sum)) => json!(sum.to_string()),
            Ok(Reply::Value(None)) => Value::Null,
            Ok(Reply::Value(Some(Blob(bytes)))) => match std::str::from_utf8(bytes) {
                Ok(text) => json!(text),
                Err(_) => return Self::fail("the value is no text"),
            },
            Ok(Reply::Entries { .. }) => return Self::fail("a range was not asked for"),
            Ok(Reply::Rejected(rejection)) => return Self::fail(rejection),
            // The operation ran, whatever its reply was.
            Err(error) => return Self::Info { error: error.to_string() },
        };
        Self::Ok { value }
    }

    /// Says that the operation certainly did not happen.
    pub(crate) fn fail(error: impl ToString) -> Self {
        Self::Fail { error: error.to_string() }
    }
}

impl Answer {
    /// Writes the answer as one line.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("an answer has string keys only");
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use synod_node::StateMachine as _;

    use super::*;
    use crate::machine::Machine;

    /// Runs a line against a machine and returns the answer line.
    fn run(machine: &mut Machine, line: &str) -> String {
        let answer = match Request::parse(line.as_bytes()) {
            Err(answer) => answer,
            Ok(Request { id, operation, .. }) => {
                let reply = match operation.encode() {
                    Some(Encoded::Command(bytes)) => machine.apply(&bytes),
                    Some(Encoded::Query(bytes)) => machine.query(&bytes),
                    None => panic!("a status is not for the machine"),
                };
                Answer { id: Some(id), verdict: Verdict::of_reply(&reply) }
            }
        };
        let line = String::from_utf8(answer.line()).expect("JSON is text");
        line.trim_end().to_owned()
    }

    #[test]
    fn a_line_that_is_no_request_is_told_what_one_is() {
        for (line, begins) in [
            ("hello", "this is no JSON; a request is a line such as {"),
            ("", "this is no JSON; a request is"),
            ("{\"id\":1}", "missing field `f`; a request is"),
            ("7", "invalid type: integer `7`, expected an object; a request is"),
            ("[]", "invalid length 0, expected an object; a request is"),
        ] {
            let Err(answer) = Request::parse(line.as_bytes()) else { panic!("{line}") };
            let Verdict::Fail { error } = answer.verdict else { panic!("{line}") };
            assert!(error.starts_with(begins) && error.ends_with(EXAMPLE), "{error}");
        }
        assert!(Request::parse(EXAMPLE.as_bytes()).is_ok(), "the example is one");
    }

    #[test]
    fn a_conversation_goes_as_the_interface_says() {
        let mut machine = Machine::default();
        let conversation = [
            (r#"{"id":1,"client":3,"f":"read","key":"k"}"#, r#"{"id":1,"type":"ok","value":null}"#),
            (
                r#"{"id":2,"client":3,"f":"write","key":"k","value":"5","timeout_ms":9}"#,
                r#"{"id":2,"type":"ok","value":null}"#,
            ),
            (
                r#"{"id":3,"client":3,"f":"cas","key":"k","value":["4","6"]}"#,
                r#"{"id":3,"type":"ok","value":false}"#,
            ),
            (
                r#"{"id":4,"client":3,"f":"cas","key":"k","value":["5","6"]}"#,
                r#"{"id":4,"type":"ok","value":true}"#,
            ),
            (
                r#"{"id":5,"client":3,"f":"cas","key":"n","value":[null,"1"]}"#,
                r#"{"id":5,"type":"ok","value":true}"#,
            ),
            (
                r#"{"id":6,"client":3,"f":"add","key":"n","value":"-3"}"#,
                r#"{"id":6,"type":"ok","value":"-2"}"#,
            ),
            (
                r#"{"id":7,"client":3,"f":"append","key":"k","value":"x"}"#,
                r#"{"id":7,"type":"ok","value":"2"}"#,
            ),
            (r#"{"id":8,"client":3,"f":"read","key":"k"}"#, r#"{"id":8,"type":"ok","value":"6x"}"#),
            (
                r#"{"id":9,"client":3,"f":"add","key":"k","value":"1"}"#,
                r#"{"id":9,"type":"fail","error":"the key holds no decimal number of 64 bits"}"#,
            ),
            (
                r#"{"id":10,"client":3,"f":"delete","key":"k"}"#,
                r#"{"id":10,"type":"ok","value":true}"#,
            ),
            (
                r#"{"id":12,"client":3,"f":"delete","key":"k"}"#,
                r#"{"id":12,"type":"ok","value":false}"#,
            ),
            (
                r#"{"id":11,"client":3,"f":"read","key":"k"}"#,
                r#"{"id":11,"type":"ok","value":null}"#,
            ),
        ];
        for (request, answer) in conversation {
            assert_eq!(run(&mut machine, request), answer, "{request}");
        }
    }

    #[test]
    fn a_status_names_its_node() {
        let request = Request::parse(br#"{"id":7,"f":"status","node":2}"#);
        let operation = Operation::Status { node: 2 };
        assert_eq!(
            request,
            Ok(Request { id: 7, client: 0, timeout_ms: None, node: None, operation })
        );
    }

    #[test]
    fn an_operation_may_name_the_node_that_is_asked_alone() {
        let request = Request::parse(br#"{"id":7,"f":"read","key":"k","node":3}"#);
        assert_eq!(request.map(|request| request.node), Ok(Some(3)));
        let request = Request::parse(br#"{"id":7,"f":"read","key":"k"}"#);
        assert_eq!(request.map(|request| request.node), Ok(None));
    }

    #[test]
    fn a_line_that_is_not_understood_fails_with_its_id() {
        let mut machine = Machine::default();
        let table = [
            ("", r#"{"id":null,"type":"fail""#),
            (r#"{"id":5"#, r#"{"id":null,"type":"fail""#),
            (r#"{"id":5,"f":"read","key":"k","extra":1}"#, r#"{"id":5,"type":"fail""#),
            (r#"{"id":5,"f":"read"}"#, r#"{"id":5,"type":"fail","error":"a key is missing"}"#),
            (
                r#"{"id":5,"f":"drop","key":"k"}"#,
                r#"{"id":5,"type":"fail","error":"unknown operation \"drop\""}"#,
            ),
            (
                r#"{"id":5,"f":"write","key":"k","value":5}"#,
                r#"{"id":5,"type":"fail","error":"write needs a string as its value"}"#,
            ),
            (r#"{"id":5,"f":"cas","key":"k","value":["1"]}"#, r#"{"id":5,"type":"fail""#),
            (r#"{"id":5,"f":"add","key":"k","value":"x"}"#, r#"{"id":5,"type":"fail""#),
            (r#"{"id":5,"f":"status"}"#, r#"{"id":5,"type":"fail""#),
        ];
        for (request, answer) in table {
            let found = run(&mut machine, request);
            assert!(found.starts_with(answer), "{request}: {found}");
        }
    }
}
