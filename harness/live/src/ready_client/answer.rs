//! What an answer of a server means to the operation that was asked.
//!
//! How it is read from bytes is said by `resp` and `http`. The claim kept true: an answer whose
//! form is not the one that its operation has is unknown, and only what a description calls a
//! refusal is a failure.

use serde_json::Value as Json;

use super::Operations;
use super::base64;
use super::http::{HttpRequest, Response};
use super::operation::Operation;
use super::resp::Reply;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It took effect, with this value; of a status and a state, the text.
    Ok(Json),
    /// It certainly did not.
    Fail(String),
    /// Nobody knows.
    Info(String),
}

/// Tells what a reply of RESP means.
pub(super) fn of_reply(
    operations: &Operations<Vec<String>>,
    operation: Operation,
    reply: &Reply,
) -> Meaning {
    let unread = || Meaning::Info(format!("not understood: {}", shown(&reply.text())));
    if let Reply::Error(_) = reply {
        let said = reply.text();
        let is_refusal = operations.refuses(&said);
        return if is_refusal { Meaning::Fail(shown(&said)) } else { Meaning::Info(shown(&said)) };
    }
    match (operation, reply) {
        (Operation::Status | Operation::State, _) => Meaning::Ok(reply.text().into()),
        (Operation::Read, Reply::Nil) => Meaning::Ok(Json::Null),
        (Operation::Read, Reply::Simple(bytes) | Reply::Bulk(bytes)) => text_of(bytes),
        (Operation::Read | Operation::Add, Reply::Integer(number)) => {
            Meaning::Ok(number.to_string().into())
        }
        (Operation::Add, Reply::Simple(_) | Reply::Bulk(_)) => sum(&reply.text()),
        (
            Operation::Write | Operation::Append | Operation::Delete,
            Reply::Simple(_) | Reply::Bulk(_) | Reply::Integer(_),
        ) => Meaning::Ok(Json::Null),
        (Operation::Cas | Operation::Create, Reply::Integer(1) | Reply::Simple(_)) => {
            Meaning::Ok(true.into())
        }
        (Operation::Cas | Operation::Create, Reply::Integer(0) | Reply::Nil) => {
            Meaning::Ok(false.into())
        }
        (Operation::Read, Reply::Array(_) | Reply::Error(_))
        | (Operation::Add, Reply::Nil | Reply::Array(_) | Reply::Error(_))
        | (
            Operation::Write | Operation::Append | Operation::Delete,
            Reply::Nil | Reply::Array(_) | Reply::Error(_),
        )
        | (
            Operation::Cas | Operation::Create,
            Reply::Integer(_) | Reply::Bulk(_) | Reply::Array(_) | Reply::Error(_),
        ) => unread(),
    }
}

/// Tells what a response of HTTP means.
pub(super) fn of_response(
    operations: &Operations<HttpRequest>,
    operation: Operation,
    request: &HttpRequest,
    response: &Response,
) -> Meaning {
    let Response { status, body, .. } = response;
    let said = format!("{status} {}", String::from_utf8_lossy(body));
    if operations.refuses(&said) {
        return Meaning::Fail(shown(&said));
    }
    if request.absent.contains(status) {
        return Meaning::Ok(Json::Null);
    }
    if request.unequal.contains(status) {
        return Meaning::Ok(false.into());
    }
    if !request.ok.contains(status) {
        return Meaning::Info(shown(&said));
    }
    if let Operation::Status | Operation::State = operation {
        return Meaning::Ok(String::from_utf8_lossy(body).into());
    }
    match found(request, body) {
        Ok(found) => of_value(operation, request, found),
        Err(why) => Meaning::Info(format!("{why}: {}", shown(&said))),
    }
}

/// What an answer has where its value stands.
enum Found {
    /// The whole body.
    Body(Vec<u8>),
    /// The value in JSON; none if it has none there.
    Field(Option<Json>),
    /// What says that something is there is not.
    Nothing,
}

fn found(request: &HttpRequest, body: &[u8]) -> Result<Found, String> {
    let (value, absent) = (request.value.as_ref(), request.absent_without.as_ref());
    if value.is_none() && absent.is_none() {
        return Ok(Found::Body(body.to_vec()));
    }
    let json: Json = serde_json::from_slice(body).map_err(|_| "the answer is no JSON")?;
    if absent.is_some_and(|place| json.pointer(place).is_none_or(Json::is_null)) {
        return Ok(Found::Nothing);
    }
    Ok(match value {
        None => Found::Body(body.to_vec()),
        Some(place) => Found::Field(json.pointer(place).cloned()),
    })
}

fn of_value(operation: Operation, request: &HttpRequest, found: Found) -> Meaning {
    let place = request.value.as_deref().unwrap_or_default();
    let lacks = || Meaning::Info(format!("the answer has nothing at `{place}`"));
    let unread =
        |json: &Json| Meaning::Info(format!("not understood: {}", shown(&json.to_string())));
    match (operation, found) {
        (Operation::Status | Operation::State, _) => Meaning::Ok(Json::Null),
        (Operation::Write | Operation::Append | Operation::Delete, found) => match found {
            Found::Field(None) | Found::Nothing => lacks(),
            Found::Field(Some(_)) | Found::Body(_) => Meaning::Ok(Json::Null),
        },
        (Operation::Read, found) => match found {
            Found::Nothing => Meaning::Ok(Json::Null),
            Found::Body(body) if request.base64 => of_base64(&String::from_utf8_lossy(&body)),
            Found::Body(body) => text_of(&body),
            // An encoder of protocol buffers leaves an empty value out.
            Found::Field(None) if request.base64 && request.absent_without.is_some() => {
                Meaning::Ok("".into())
            }
            Found::Field(Some(Json::String(text))) if request.base64 => of_base64(&text),
            Found::Field(Some(Json::String(text))) => text_of(text.as_bytes()),
            Found::Field(Some(Json::Null)) => Meaning::Ok(Json::Null),
            Found::Field(Some(Json::Number(number))) => Meaning::Ok(number.to_string().into()),
            Found::Field(None) => lacks(),
            Found::Field(Some(json)) => unread(&json),
        },
        (Operation::Cas | Operation::Create, found) => match found {
            Found::Nothing => Meaning::Ok(false.into()),
            Found::Body(_) => Meaning::Ok(true.into()),
            Found::Field(Some(Json::Bool(flag))) => Meaning::Ok(flag.into()),
            Found::Field(None) => lacks(),
            Found::Field(Some(json)) => unread(&json),
        },
        (Operation::Add, found) => match found {
            Found::Body(body) => sum(&String::from_utf8_lossy(&body)),
            Found::Field(Some(Json::String(text))) => sum(&text),
            Found::Field(Some(Json::Number(number))) => sum(&number.to_string()),
            Found::Field(None) | Found::Nothing => lacks(),
            Found::Field(Some(json)) => unread(&json),
        },
    }
}

fn text_of(bytes: &[u8]) -> Meaning {
    if bytes.len() > VALUE_BYTES_MAX {
        return Meaning::Info(format!("the value has more than {VALUE_BYTES_MAX} bytes"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Meaning::Ok(text.into()),
        Err(_) => Meaning::Info("the value is no text in UTF-8".to_owned()),
    }
}

fn of_base64(text: &str) -> Meaning {
    match base64::decoded(text.trim()) {
        Some(bytes) => text_of(&bytes),
        None => Meaning::Info(format!("the value is no Base64: {}", shown(text))),
    }
}

fn sum(text: &str) -> Meaning {
    match text.trim().parse::<i64>() {
        Ok(sum) => Meaning::Ok(sum.to_string().into()),
        Err(_) => Meaning::Info(format!("the sum is no whole number: {}", shown(text))),
    }
}

/// Cuts short what is told of an answer.
fn shown(said: &str) -> String {
    said.trim().chars().take(SHOWN_CHARS_MAX).collect()
}

/// A value that is read: one line of the bridge's protocol must hold it.
const VALUE_BYTES_MAX: usize = 1 << 20;

const SHOWN_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(value: impl Into<Json>) -> Meaning {
        Meaning::Ok(value.into())
    }

    fn is_info(meaning: &Meaning) -> bool {
        matches!(meaning, Meaning::Info(_))
    }

    fn redis() -> Operations<Vec<String>> {
        toml::from_str("status = [\"PING\"]\nrefused = [\"READONLY\"]").expect("operations")
    }

    fn of_text(operation: Operation, text: &str) -> Meaning {
        let read = super::super::resp::reply(text.as_bytes()).expect(text).expect(text);
        of_reply(&redis(), operation, &read.0)
    }

    #[test]
    fn a_reply_means_what_its_operation_can_be_answered() {
        for (operation, text, meaning) in [
            (Operation::Status, "*2\r\n$6\r\nmaster\r\n:7\r\n", ok("master 7")),
            (Operation::Read, "$1\r\n7\r\n", ok("7")),
            (Operation::Read, "$0\r\n\r\n", ok("")),
            (Operation::Read, ":7\r\n", ok("7")),
            (Operation::Read, "$-1\r\n", ok(Json::Null)),
            (Operation::Write, "+OK\r\n", ok(Json::Null)),
            (Operation::Append, ":12\r\n", ok(Json::Null)),
            (Operation::Delete, ":0\r\n", ok(Json::Null)),
            (Operation::Add, ":-3\r\n", ok("-3")),
            (Operation::Add, "$1\r\n5\r\n", ok("5")),
            (Operation::Cas, ":1\r\n", ok(true)),
            (Operation::Cas, ":0\r\n", ok(false)),
            (Operation::Create, "+OK\r\n", ok(true)),
            (Operation::Create, "$-1\r\n", ok(false)),
            (
                Operation::Write,
                "-READONLY You can't write\r\n",
                Meaning::Fail("READONLY You can't write".to_owned()),
            ),
        ] {
            assert_eq!(of_text(operation, text), meaning, "{text}");
        }
    }

    #[test]
    fn what_a_reply_does_not_say_for_certain_is_unknown() {
        for (operation, text) in [
            (Operation::Write, "-ERR timeout, may have happened\r\n"),
            (Operation::Write, "$-1\r\n"),
            (Operation::Write, "*0\r\n"),
            (Operation::Read, "*1\r\n$1\r\n7\r\n"),
            (Operation::Add, "$1\r\nx\r\n"),
            (Operation::Add, "$-1\r\n"),
            (Operation::Cas, ":2\r\n"),
            (Operation::Cas, "$1\r\n1\r\n"),
        ] {
            let meaning = of_text(operation, text);
            assert!(is_info(&meaning), "{text}: {meaning:?}");
        }
        let bytes = Reply::Bulk(vec![0xff]);
        assert!(is_info(&of_reply(&redis(), Operation::Read, &bytes)));
        let long = Reply::Bulk(vec![b'x'; VALUE_BYTES_MAX + 1]);
        assert!(is_info(&of_reply(&redis(), Operation::Read, &long)));
    }

    fn asked(operation: Operation, request: &str, status: u16, body: &str) -> Meaning {
        let operations: Operations<HttpRequest> =
            toml::from_str("refused = [\"503 not leader\", \"405\"]\n[status]\npath = \"/\"")
                .expect("operations");
        let request = toml::from_str(&format!("path = \"/\"\n{request}")).expect(request);
        let response = Response { status, body: body.as_bytes().to_vec(), keeps: true };
        of_response(&operations, operation, &request, &response)
    }

    #[test]
    fn a_response_means_what_its_statuses_and_fields_say() {
        const GATEWAY: &str =
            "value = \"/kvs/0/value\"\nabsent_without = \"/kvs/0\"\nbase64 = true";
        const DONE: &str = "value = \"/succeeded\"\nabsent_without = \"/succeeded\"";
        for (operation, request, status, body, meaning) in [
            (Operation::Status, "", 200, "leader", ok("leader")),
            (Operation::Read, "", 200, "7", ok("7")),
            (Operation::Read, "", 200, "", ok("")),
            (Operation::Read, "absent = [404]", 404, "none", ok(Json::Null)),
            (Operation::Read, "value = \"/v\"", 200, r#"{"v":"7"}"#, ok("7")),
            (Operation::Read, "value = \"/v\"", 200, r#"{"v":7}"#, ok("7")),
            (Operation::Read, "value = \"/v\"", 200, r#"{"v":null}"#, ok(Json::Null)),
            (Operation::Read, GATEWAY, 200, r#"{"kvs":[{"value":"Nw=="}]}"#, ok("7")),
            (Operation::Read, GATEWAY, 200, r#"{"kvs":[{"key":"aw=="}]}"#, ok("")),
            (Operation::Read, GATEWAY, 200, r#"{"header":{}}"#, ok(Json::Null)),
            (Operation::Write, "", 204, "", ok(Json::Null)),
            (Operation::Write, "value = \"/rev\"", 200, r#"{"rev":3}"#, ok(Json::Null)),
            (Operation::Delete, "absent = [404]", 404, "", ok(Json::Null)),
            (Operation::Cas, "unequal = [409]", 200, "", ok(true)),
            (Operation::Cas, "unequal = [409]", 409, "", ok(false)),
            (Operation::Cas, DONE, 200, r#"{"succeeded":true}"#, ok(true)),
            (Operation::Create, DONE, 200, r#"{"header":{}}"#, ok(false)),
            (Operation::Cas, "value = \"/set\"", 200, r#"{"set":false}"#, ok(false)),
            (Operation::Add, "", 200, "5\n", ok("5")),
            (Operation::Add, "value = \"/sum\"", 200, r#"{"sum":-5}"#, ok("-5")),
        ] {
            let meant = asked(operation, request, status, body);
            assert_eq!(meant, meaning, "{request}: {status} {body}");
        }
        let refused = asked(Operation::Write, "", 503, "not leader: ask node 2");
        assert_eq!(refused, Meaning::Fail("503 not leader: ask node 2".to_owned()));
        assert_eq!(asked(Operation::Write, "", 405, ""), Meaning::Fail("405".to_owned()));
    }

    #[test]
    fn what_a_response_does_not_say_for_certain_is_unknown() {
        for (operation, request, status, body) in [
            (Operation::Write, "", 500, "broken"),
            (Operation::Write, "", 503, "timed out"),
            (Operation::Write, "", 404, ""),
            (Operation::Write, "", 302, ""),
            (Operation::Write, "value = \"/rev\"", 200, r#"{"error":"late"}"#),
            (Operation::Write, "value = \"/rev\"", 200, "no JSON"),
            (Operation::Read, "", 404, ""),
            (Operation::Read, "value = \"/v\"", 200, "{}"),
            (Operation::Read, "value = \"/v\"", 200, r#"{"v":[]}"#),
            (Operation::Read, "base64 = true", 200, "no Base64"),
            (Operation::Cas, "value = \"/set\"", 200, "{}"),
            (Operation::Cas, "value = \"/set\"", 200, r#"{"set":"yes"}"#),
            (Operation::Cas, "", 409, ""),
            (Operation::Add, "", 200, "many"),
        ] {
            let meant = asked(operation, request, status, body);
            assert!(is_info(&meant), "{request}: {status} {body}: {meant:?}");
        }
    }
}
