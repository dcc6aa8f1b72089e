//! Whatever is sent to the port of metrics, it is answered or let go within its bounds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use super::*;
use crate::metrics::board::{About, BoardWriter, Shown};
use synod_host::Measured;
use synod_host::api::NodeId;

fn served() -> (MetricsServer, Arc<Board>) {
    let about = About { node: 2, heartbeat: Duration::from_millis(40), certificate_end_s: 0 };
    let board = Arc::new(Board::new(about));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = MetricsServer::start(listener, Arc::clone(&board)).expect("a server");
    (server, board)
}

fn show(writer: &BoardWriter) {
    writer.on_turn();
    writer.show(Shown {
        measured: Measured::before_any(NodeId::new(2)),
        queues: Vec::new(),
        peers: synod_transport_quic::CountersSnapshot::default(),
        clients: synod_transport_quic::CountersSnapshot::default(),
        messages_dropped: 3,
    });
}

/// Sends bytes and returns all that comes back until the other end closes.
fn ask(server: &MetricsServer, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    stream.set_read_timeout(Some(4 * CONNECTION_MAX)).expect("a bound");
    // The server may have answered and closed before it has taken all.
    let _ = stream.write_all(request);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn status(said: &str) -> &str {
    said.split("\r\n").next().unwrap_or_default()
}

#[test]
fn the_three_paths_are_answered() {
    let (server, board) = served();
    let get =
        |path: &str| ask(&server, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    assert_eq!(status(&get("/livez")), "HTTP/1.1 200 OK");
    let said = get("/readyz");
    assert_eq!(status(&said), "HTTP/1.1 503 Service Unavailable");
    assert!(said.ends_with("\r\n\r\nthe journal is being read\n"), "{said}");
    let writer = BoardWriter::new(board);
    show(&writer);
    assert!(get("/readyz").ends_with("\r\n\r\nno leader is known\n"));
    let said = get("/metrics?all=1");
    assert!(said.contains("\nsynod_messages_dropped_total 3\n"), "{said}");
    assert!(said.contains("\nsynod_ready 0"), "{said}");
    drop(writer);
    assert!(get("/livez").ends_with("the node has ended\n"));
}

#[test]
fn garbage_is_refused_or_let_go() {
    let (server, _board) = served();
    for (request, wanted) in [
        (&b"\r\n\r\n"[..], "HTTP/1.1 400 Bad Request"),
        (b"GET /livez\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (b"GET /livez GOPHER/7\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (
            b"POST /livez HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 405 Method Not Allowed",
        ),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (b"\xff\xfe\x00 \x00 \r\n\r\n", "HTTP/1.1 400 Bad Request"),
    ] {
        assert_eq!(status(&ask(&server, request)), wanted, "{}", request.escape_ascii());
    }
    let long = vec![b'x'; 10 * REQUEST_BYTES_MAX];
    assert_eq!(status(&ask(&server, &long)), "HTTP/1.1 431 Request Header Fields Too Large");
    let get = b"GET /livez HTTP/1.1\r\n\r\n";
    assert_eq!(status(&ask(&server, get)), "HTTP/1.1 200 OK", "it goes on");
}

/// Whoever says nothing holds a place for a bounded time, and the probe that comes behind as many
/// as there are places is answered after that.
#[test]
fn slow_and_many_connections_hold_nobody_up_for_longer_than_their_bound() {
    let (server, _board) = served();
    let silent: Vec<_> = (0..2 * CONNECTIONS_MAX)
        .map(|number| {
            let mut stream = TcpStream::connect(server.address()).expect("a connection");
            if number % 2 == 0 {
                stream.write_all(b"GET /livez HT").expect("room for a few bytes");
            }
            stream
        })
        .collect();
    let began = Instant::now();
    let said = ask(&server, b"GET /livez HTTP/1.1\r\n\r\n");
    assert_eq!(status(&said), "HTTP/1.1 200 OK");
    let took = began.elapsed();
    assert!(took >= CONNECTION_MAX, "they held their places: {took:?}");
    assert!(took < 4 * CONNECTION_MAX, "{took:?}");
    drop(silent);
}
