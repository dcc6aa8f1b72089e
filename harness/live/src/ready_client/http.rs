//! HTTP 1.1 as a client of one request at a time needs it: a request out, a response in.
//!
//! What a response means is said by `answer`, and how bytes come is left to `connection`. Claims
//! kept true: any bytes are a response, the beginning of one, or refused, within bounds that do not
//! depend on what they say of themselves; and a response whose end could be a connection that was
//! lost is refused.

use serde::{Deserialize, Serialize};

use super::operation::{Filling, Operation};
use super::template::{Form, Template};

/// A request of HTTP, and how its answer is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with path, and perhaps method and others")]
pub struct HttpRequest {
    /// The method.
    #[serde(default = "get", skip_serializing_if = "is_get")]
    pub method: String,
    /// The path with its query. Gaps are filled with percent signs where they need them.
    pub path: String,
    /// Lines of the head, such as `Content-Type: application/json`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// The body. Gaps may have the forms `json`, a text with its quotes, and `base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The statuses that say that it was done.
    #[serde(default = "done", skip_serializing_if = "is_done")]
    pub ok: Vec<u16>,
    /// For `read` and `delete`: the statuses that say that nothing is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<u16>,
    /// For `read`, `cas` and `create`: where an answer of JSON has nothing here (RFC 6901), nothing
    /// is there, or it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_without: Option<String>,
    /// For `cas` and `create`: the statuses that say that it was not set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unequal: Vec<u16>,
    /// Where the value stands in an answer of JSON (RFC 6901); the whole body, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether the value is written by Base64.
    #[serde(default, skip_serializing_if = "is_false")]
    pub base64: bool,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Whether the connection may be asked again.
    pub(super) keeps: bool,
}

impl HttpRequest {
    /// Says whether it can be asked, and returns its texts with gaps.
    pub(super) fn templates(
        &self,
        operation: Operation,
    ) -> Result<Vec<Template>, (String, String)> {
        let refused = |problem: &str, remedy: &str| Err((problem.to_owned(), remedy.to_owned()));
        let Self { method, path, headers, body, .. } = self;
        let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_method || method.is_empty() || ["HEAD", "CONNECT"].contains(&method.as_str()) {
            return refused("has a method that it cannot", "use GET, PUT, POST or the like");
        }
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            let remedy = "begin it with / and write what is no plain letter with percent signs";
            return refused("has a path that is none", remedy);
        }
        for header in headers {
            let name = header.split_once(':').map(|(name, _)| name.to_ascii_lowercase());
            let is_plain = header.chars().all(|letter| !letter.is_control());
            let is_name = |name: &String| !name.is_empty() && name.bytes().all(is_token);
            let Some(name) = name.filter(|name| is_plain && is_name(name)) else {
                return refused("has a header that is none", "write it as \"Name: text\"");
            };
            if OWN_HEADERS.contains(&name.as_str()) {
                return refused("has a header that the harness sets", "leave it out");
            }
        }
        let has_two = |one: &[u16], other: &[u16]| one.iter().any(|status| other.contains(status));
        if has_two(&self.ok, &self.absent) || has_two(&self.ok, &self.unequal) {
            return refused("has a status that means two things", "name it once");
        }
        self.check_reading(operation)?;
        let mut templates = vec![Template::read(path, operation, Form::Address, &[])?];
        if let Some(body) = body {
            templates.push(Template::read(body, operation, Form::Plain, FORMS)?);
        }
        Ok(templates)
    }

    /// Says whether what it tells of the answer is something that its operation can be answered.
    fn check_reading(&self, operation: Operation) -> Result<(), (String, String)> {
        let refused = |field: &str| {
            let problem = format!("has `{field}`, which it cannot be answered");
            Err((problem, "leave it out".to_owned()))
        };
        let may_be_absent = matches!(operation, Operation::Read | Operation::Delete);
        let may_be_unequal = matches!(operation, Operation::Cas | Operation::Create);
        if !self.absent.is_empty() && !may_be_absent {
            return refused("absent");
        }
        if !self.unequal.is_empty() && !may_be_unequal {
            return refused("unequal");
        }
        if self.absent_without.is_some() && operation != Operation::Read && !may_be_unequal {
            return refused("absent_without");
        }
        if self.base64 && operation != Operation::Read {
            return refused("base64");
        }
        let pointers = [&self.value, &self.absent_without];
        for pointer in pointers.into_iter().flatten() {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let problem = format!("names `{pointer}`, which is no place in JSON");
                return Err((problem, "write it as /a/0/b, by RFC 6901".to_owned()));
            }
        }
        Ok(())
    }

    /// Writes the request to a node.
    pub(super) fn bytes(
        &self,
        operation: Operation,
        filling: &Filling,
        host: &str,
    ) -> Result<Vec<u8>, String> {
        let told = |(problem, _): (String, String)| problem;
        let path = Template::read(&self.path, operation, Form::Address, &[]).map_err(told)?;
        let body = match &self.body {
            None => String::new(),
            Some(body) => {
                Template::read(body, operation, Form::Plain, FORMS).map_err(told)?.fill(filling)
            }
        };
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, path.fill(filling));
        for header in &self.headers {
            head += &format!("{header}\r\n");
        }
        if self.body.is_some() || self.method != "GET" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        Ok([head.into_bytes(), body.into_bytes()].concat())
    }
}

/// Reads a response and says how many bytes it takes; none if it is not there as a whole yet.
///
/// # Errors
///
/// What is wrong with it, in words that follow on "the answer".
pub(super) fn response(bytes: &[u8]) -> Result<Option<(Response, usize)>, String> {
    let mut at = 0;
    for _ in 0..=INTERIM_MAX {
        let Some((head, length)) = head(&bytes[at..])? else { return Ok(None) };
        at += length;
        // RFC 9110, section 15.2: what comes before the answer proper is passed over.
        if (100..200).contains(&head.status) && head.status != 101 {
            continue;
        }
        let Some((body, length)) = body(&head, &bytes[at..])? else { return Ok(None) };
        let response = Response { status: head.status, body, keeps: head.keeps };
        return Ok(Some((response, at + length)));
    }
    Err(format!("is put off more than {INTERIM_MAX} times"))
}

struct Head {
    status: u16,
    keeps: bool,
    length: BodyLength,
}

enum BodyLength {
    Untold,
    Bytes(usize),
    Chunked,
}

fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
    let within = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let Some(end) = within.windows(4).position(|four| four == b"\r\n\r\n") else {
        // What is no answer is told at once, and not waited for.
        let begins = within.iter().zip(b"HTTP/1.").all(|(byte, wanted)| byte == wanted);
        if !begins || within.len() == HEAD_BYTES_MAX {
            return Err(format!("has no head of HTTP 1 within {HEAD_BYTES_MAX} bytes"));
        }
        return Ok(None);
    };
    let text = std::str::from_utf8(&within[..end]).map_err(|_| "has a head that is no text")?;
    let mut lines = text.split("\r\n");
    let (status, mut keeps) = status_of(lines.next().unwrap_or_default())?;
    let mut length = BodyLength::Untold;
    for (count, line) in lines.enumerate() {
        if count == HEADERS_MAX {
            return Err(format!("has more than {HEADERS_MAX} headers"));
        }
        let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) else {
            return Err("has a line in its head that is no header".to_owned());
        };
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "connection" => keeps &= !value.to_ascii_lowercase().contains("close"),
            "content-length" => length = length_of(value, &length)?,
            "transfer-encoding" => match length {
                BodyLength::Untold if value.eq_ignore_ascii_case("chunked") => {
                    length = BodyLength::Chunked;
                }
                BodyLength::Untold | BodyLength::Bytes(_) | BodyLength::Chunked => {
                    return Err("tells the length of its body twice, or in no way known".to_owned());
                }
            },
            _ => {}
        }
    }
    Ok(Some((Head { status, keeps, length }, end + 4)))
}

/// Reads the first line: the status, and whether the version keeps connections.
fn status_of(line: &str) -> Result<(u16, bool), String> {
    let none = || "begins with a line that is none of HTTP 1".to_owned();
    let rest = line.strip_prefix("HTTP/1.").ok_or_else(none)?;
    let (minor, rest) = rest.split_once(' ').ok_or_else(none)?;
    let code = rest.split(' ').next().unwrap_or_default();
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let status = code.parse().ok().filter(|status| is_code && (100..600).contains(status));
    match minor {
        "0" => Ok((status.ok_or_else(none)?, false)),
        "1" => Ok((status.ok_or_else(none)?, true)),
        _ => Err(none()),
    }
}

fn length_of(value: &str, before: &BodyLength) -> Result<BodyLength, String> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let length: Option<usize> = value.parse().ok().filter(|_| is_number);
    let Some(length) = length.filter(|length| *length <= BODY_BYTES_MAX) else {
        return Err(format!("has a body of `{value}` bytes; {BODY_BYTES_MAX} is the most"));
    };
    match before {
        BodyLength::Untold => Ok(BodyLength::Bytes(length)),
        BodyLength::Bytes(before) if *before == length => Ok(BodyLength::Bytes(length)),
        BodyLength::Bytes(_) | BodyLength::Chunked => {
            Err("tells the length of its body twice".to_owned())
        }
    }
}

fn body(head: &Head, bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    // RFC 9112, section 6.3: these have none, whatever their head says.
    if [204, 304].contains(&head.status) {
        return Ok(Some((Vec::new(), 0)));
    }
    match head.length {
        BodyLength::Bytes(length) => Ok(bytes.get(..length).map(|body| (body.to_vec(), length))),
        BodyLength::Chunked => chunks(bytes),
        BodyLength::Untold => Err("does not tell how long it is, by Content-Length or in chunks, \
                                   so that a lost connection could be its end"
            .to_owned()),
    }
}

fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some((line, length)) = short_line(&bytes[at..])? else { return Ok(None) };
        at += length;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let digits = digits.trim_ascii();
        let is_size = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
        let size = std::str::from_utf8(digits).ok().filter(|_| is_size);
        let size = size.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(size) = size.filter(|size| body.len() + size <= BODY_BYTES_MAX) else {
            return Err("has a chunk whose size is none, or too large".to_owned());
        };
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        let Some(chunk) = chunk.strip_suffix(b"\r\n") else {
            return Err("has a chunk that is not as long as it says".to_owned());
        };
        body.extend_from_slice(chunk);
        at += size + 2;
    }
    for _ in 0..=HEADERS_MAX {
        let Some((line, length)) = short_line(&bytes[at..])? else { return Ok(None) };
        at += length;
        if line.is_empty() {
            return Ok(Some((body, at)));
        }
    }
    Err(format!("has more than {HEADERS_MAX} lines after its chunks"))
}

fn short_line(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, String> {
    let within = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        if within.len() == LINE_BYTES_MAX {
            return Err(format!("has a line of more than {LINE_BYTES_MAX} bytes between chunks"));
        }
        return Ok(None);
    };
    let line = within[..end].strip_suffix(b"\r");
    let line = line.ok_or("has a line between chunks that does not end as lines of HTTP do")?;
    Ok(Some((line, end + 1)))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_token)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn get() -> String {
    "GET".to_owned()
}

fn is_get(method: &str) -> bool {
    method == "GET"
}

fn done() -> Vec<u16> {
    vec![200, 201, 204]
}

fn is_done(statuses: &[u16]) -> bool {
    statuses == done()
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The forms of gaps in a body, beside the plain one.
const FORMS: &[(&str, Form)] = &[("json", Form::Json), ("base64", Form::Base64)];

/// Headers that a description leaves to the harness.
const OWN_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// The head of a response.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Headers of a response, and lines after its chunks.
const HEADERS_MAX: usize = 256;

/// The body of a response.
const BODY_BYTES_MAX: usize = 4 << 20;

/// A line between chunks.
const LINE_BYTES_MAX: usize = 4 << 10;

/// Answers that say that the answer is still to come.
const INTERIM_MAX: usize = 8;

#[cfg(test)]
mod tests;
