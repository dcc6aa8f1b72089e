//! Responses as servers write them, cut short, changed, and made to lie.

use super::*;
use crate::ready_client::changed_bytes;

const RESPONSES: [&str; 6] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.0 404 Not Found\r\ncontent-length:0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
     2\r\nab\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n\
     HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0\r\nDigest: x\r\n\r\n",
];

fn whole(text: &str) -> Response {
    let (response, used) = response(text.as_bytes()).expect(text).expect(text);
    assert_eq!(used, text.len(), "{text}");
    response
}

#[test]
fn each_form_of_a_response_is_read() {
    let read = RESPONSES.map(whole);
    let told = read.map(|Response { status, body, keeps }| {
        (status, String::from_utf8(body).expect("a text"), keeps)
    });
    let expected = [
        (200, "ab", true),
        (404, "", false),
        (204, "", true),
        (200, "ab0123456789", true),
        (201, "x", false),
        (200, "", true),
    ];
    assert_eq!(told, expected.map(|(status, body, keeps)| (status, body.to_owned(), keeps)));
}

#[test]
fn the_beginning_of_a_response_is_none_and_more_than_one_is_told_by_its_end() {
    for text in RESPONSES {
        for end in 0..text.len() {
            let begun = response(&text.as_bytes()[..end]);
            assert_eq!(begun, Ok(None), "{:?}", &text[..end]);
        }
        let more = format!("{text}HTTP/1.1 200 OK\r\n");
        let (first, used) = response(more.as_bytes()).expect(text).expect(text);
        assert_eq!((first, used), (whole(text), text.len()));
    }
}

#[test]
fn what_no_server_says_is_refused() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(INTERIM_MAX + 1);
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(HEADERS_MAX + 1));
    let ok = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}");
    let chunked = |rest: &str| ok(&format!("Transfer-Encoding: chunked\r\n\r\n{rest}"));
    for (text, why) in [
        ("+PONG\r\n".to_owned(), "has no head of HTTP 1"),
        ("HTTP/2 200\r\n\r\n".to_owned(), "begins with a line that is none of HTTP 1"),
        ("HTTP/1.1 20\r\n\r\n".to_owned(), "begins with a line that is none of HTTP 1"),
        ("HTTP/1.1 999 X\r\n\r\n".to_owned(), "begins with a line that is none of HTTP 1"),
        ("HTTP/1.1 101 X\r\n\r\n".to_owned(), "does not tell how long it is"),
        (ok("\r\nall that comes"), "does not tell how long it is"),
        (ok("Content-Length: -1\r\n\r\n"), "has a body of `-1` bytes"),
        (ok("Content-Length: +1\r\n\r\nx"), "has a body of `+1` bytes"),
        (ok("Content-Length: \r\n\r\n"), "has a body of `` bytes"),
        (ok("Content-Length: 99999999999999999999\r\n\r\n"), "has a body of `99999"),
        (ok("Content-Length: 4194305\r\n\r\n"), "has a body of `4194305` bytes; 4194304 is the"),
        (ok("Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"), "tells the length of its body tw"),
        (
            ok("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx"),
            "tells the length of its body twice",
        ),
        (ok("Transfer-Encoding: gzip\r\n\r\n"), "tells the length of its body twice, or in no"),
        (ok("no header\r\n\r\n"), "has a line in its head that is no header"),
        (ok(" folded: x\r\n\r\n"), "has a line in its head that is no header"),
        (chunked("x\r\n"), "has a chunk whose size is none"),
        (chunked("-1\r\n"), "has a chunk whose size is none"),
        (chunked("\r\n"), "has a chunk whose size is none"),
        (chunked("FFFFFFFF\r\n"), "has a chunk whose size is none, or too large"),
        (chunked("FFFFFFFFFFFFFFFFFF\r\n"), "has a chunk whose size is none, or too large"),
        (chunked("2\r\nabc\r\n"), "has a chunk that is not as long as it says"),
        (chunked("2\nab\r\n"), "has a line between chunks that does not end"),
        (chunked(&format!("1;{}", "x".repeat(LINE_BYTES_MAX))), "has a line of more than"),
        (chunked(&format!("0\r\n{}", "X: y\r\n".repeat(HEADERS_MAX + 1))), "has more than 256 li"),
        (interim, "is put off more than 8 times"),
        (long, "has no head of HTTP 1 within 65536 bytes"),
        (many, "has more than 256 headers"),
    ] {
        let told = response(text.as_bytes()).expect_err(&text);
        assert!(told.starts_with(why), "{told}: {text}");
    }
}

/// Bytes of responses, changed at random: each is read, refused or waited for, and nothing is read
/// past its end.
#[test]
fn no_bytes_make_it_panic_or_read_past_their_end() {
    changed_bytes::check("http", &RESPONSES, b"0129aF: \r\n;-x\xff", |bytes| {
        response(bytes).map(|read| read.map(|(_, used)| used))
    });
}

fn request(text: &str) -> HttpRequest {
    toml::from_str(text).expect(text)
}

#[test]
fn a_request_is_written_with_its_length_and_what_is_asked() {
    let host = "127.0.0.1:80";
    let filling =
        Filling { key: "a b".to_owned(), value: "\"\u{e9}".to_owned(), ..Filling::default() };
    let put = request(
        "method = \"PUT\"\npath = \"/kv/{key}\"\nheaders = [\"Accept: */*\"]\n\
         body = '{{\"v\":{value:json}}}'",
    );
    let bytes = put.bytes(Operation::Write, &filling, host).expect("it was checked");
    assert_eq!(
        String::from_utf8(bytes).expect("a text"),
        "PUT /kv/a%20b HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAccept: */*\r\n\
         Content-Length: 12\r\n\r\n{\"v\":\"\\\"\u{e9}\"}"
    );
    let get = request("path = \"/kv/{key}\"").bytes(Operation::Read, &filling, host);
    let get = String::from_utf8(get.expect("it was checked")).expect("a text");
    assert_eq!(get, "GET /kv/a%20b HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
    let delete = request("method = \"DELETE\"\npath = \"/{key}\"");
    let delete = delete.bytes(Operation::Delete, &filling, host).expect("it was checked");
    assert!(String::from_utf8(delete).expect("a text").contains("Content-Length: 0\r\n"));
}

#[test]
fn a_request_that_cannot_be_asked_or_answered_is_refused() {
    for (text, operation, why) in [
        ("path = \"/\"\nmethod = \"HEAD\"", Operation::Status, "has a method that it cannot"),
        ("path = \"/\"\nmethod = \"get\"", Operation::Status, "has a method that it cannot"),
        ("path = \"kv\"", Operation::Status, "has a path that is none"),
        ("path = \"/a b\"", Operation::Status, "has a path that is none"),
        ("path = \"/\"\nheaders = [\"X\"]", Operation::Status, "has a header that is none"),
        (
            "path = \"/\"\nheaders = [\"X: a\\r\\nY: b\"]",
            Operation::Status,
            "has a header that is ",
        ),
        ("path = \"/\"\nheaders = [\"Host: x\"]", Operation::Status, "has a header that the harn"),
        (
            "path = \"/\"\nok = [404]\nabsent = [404]",
            Operation::Read,
            "has a status that means two",
        ),
        ("path = \"/\"\nabsent = [404]", Operation::Write, "has `absent`"),
        ("path = \"/\"\nunequal = [404]", Operation::Read, "has `unequal`"),
        ("path = \"/\"\nabsent_without = \"/x\"", Operation::Write, "has `absent_without`"),
        ("path = \"/\"\nbase64 = true", Operation::Cas, "has `base64`"),
        ("path = \"/\"\nvalue = \"x\"", Operation::Read, "names `x`, which is no place in JSON"),
        ("path = \"/{value}\"", Operation::Read, "names `value`, which it does not have"),
        ("path = \"/{key:json}\"", Operation::Read, "has no form `json` here"),
        ("path = \"/\"\nbody = \"{key:xml}\"", Operation::Read, "has no form `xml` here"),
    ] {
        let (problem, remedy) = request(text).templates(operation).expect_err(text);
        assert!(problem.starts_with(why) && !remedy.is_empty(), "{text}: {problem}");
    }
}
