//! Whatever is sent to the port of metrics, it is answered or let go within its bounds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;
use crate::metrics::board::{About, BoardWriter, Shown};
use synod_host::Measured;
use synod_host::api::NodeId;

fn served() -> (MetricsServer, Arc<Board>) {
    served_for(CONNECTION_MAX)
}

/// Serves, and holds a connection for that long.
fn served_for(held_max: Duration) -> (MetricsServer, Arc<Board>) {
    let about = About { node: 2, heartbeat: Duration::from_millis(40), certificate_end_s: 0 };
    let board = Arc::new(Board::new(about));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server =
        MetricsServer::start_with(listener, Arc::clone(&board), held_max).expect("a server");
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
    stream.set_read_timeout(Some(ANSWERED_WITHIN)).expect("a bound");
    // The server may have answered and closed before it has taken all.
    let _ = stream.write_all(request);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

/// As long as no answer takes on the slowest machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

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

/// Those who say nothing lose their places to those who come after them, the oldest first. Here a
/// place is held for longer than any test takes, so that none becomes free by itself.
#[test]
fn many_that_say_nothing_keep_no_probe_waiting() {
    let (server, _board) = served_for(Duration::from_secs(3_600));
    let mut silent: Vec<_> = (0..2 * CONNECTIONS_MAX)
        .map(|number| {
            let mut stream = TcpStream::connect(server.address()).expect("a connection");
            if number % 2 == 0 {
                // It may have lost its place already.
                let _ = stream.write_all(b"GET /livez HT");
            }
            stream
        })
        .collect();
    let said = ask(&server, b"GET /livez HTTP/1.1\r\n\r\n");
    assert_eq!(status(&said), "HTTP/1.1 200 OK");
    let youngest = silent.pop().expect("there are many");
    assert!(is_held(youngest), "the last to come before the probe");
    for (place, oldest) in silent.into_iter().take(CONNECTIONS_MAX).enumerate() {
        assert!(!is_held(oldest), "{place}");
    }
}

/// Who says nothing is let go, though nobody wants the place.
#[test]
fn a_connection_is_held_for_a_bounded_time() {
    let (server, _board) = served_for(Duration::from_millis(20));
    assert_eq!(ask(&server, b"GET /livez HT"), "");
}

/// Tells whether the server keeps a connection, of which nothing is wanted.
fn is_held(mut stream: TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket that does not wait");
    stream.read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
