//! The answerer of `/livez`, `/readyz` and `/metrics`, on a thread of its own.
//!
//! It reads one short request from each connection, answers it and closes. There are three paths,
//! no body and no second request, so a library for HTTP would be larger than what it is needed for.
//! The claims kept true: the loop is never waited for; whatever is sent here, no more than
//! [`CONNECTIONS_MAX`] connections are held, each for [`CONNECTION_MAX`] at most, with at most
//! [`REQUEST_BYTES_MAX`] bytes of each; and no others keep a probe waiting.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::board::Board;
use super::{health, page};

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct MetricsServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl MetricsServer {
    /// Serves on a port that is held.
    pub(crate) fn start(listener: TcpListener, board: Arc<Board>) -> io::Result<Self> {
        Self::start_with(listener, board, CONNECTION_MAX)
    }

    /// Serves, and holds a connection for that long at most.
    fn start_with(
        listener: TcpListener,
        board: Arc<Board>,
        held_max: Duration,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, board, held_max) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = thread::Builder::new().name("synod-metrics".to_owned()).spawn(run)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It waits for nobody, and so has ended in a moment.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, board: Arc<Board>, held_max: Duration) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "metrics are not served"),
    };
    let mut held: VecDeque<JoinHandle<()>> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                held.retain(|connection| !connection.is_finished());
                // A request takes a moment, so whoever has had a place for longest says nothing.
                if held.len() == CONNECTIONS_MAX
                    && let Some(oldest) = held.pop_front()
                {
                    oldest.abort();
                    let _ = oldest.await;
                }
                let board = Arc::clone(&board);
                held.push_back(tokio::spawn(async move {
                    let _ = timeout(held_max, converse(stream, &board)).await;
                }));
            }
            // The process has no descriptor left, or the caller is gone already.
            Err(_) => sleep(ACCEPT_AGAIN).await,
        }
    }
}

/// Reads one request and answers it. Whoever is gone, or sends no end, is not answered.
async fn converse(mut stream: TcpStream, board: &Board) -> io::Result<()> {
    let mut head = [0; REQUEST_BYTES_MAX];
    let mut length = 0;
    let answer = loop {
        let read = stream.read(&mut head[length..]).await?;
        length += read;
        let read_so_far = &head[..length];
        if read_so_far.windows(END.len()).any(|window| window == END) {
            break answer(read_so_far, board);
        }
        if read == 0 {
            return Ok(());
        }
        if length == REQUEST_BYTES_MAX {
            break Answer::of("431 Request Header Fields Too Large", "the request is too long");
        }
    };
    stream.write_all(&answer.bytes()).await?;
    stream.shutdown().await?;
    // What is not read would make the system cut the answer off; who sends on has his time.
    let _ = tokio::io::copy(&mut stream.take(LEFT_BYTES_MAX), &mut tokio::io::sink()).await;
    Ok(())
}

/// What is said to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: &'static str,
    body: String,
}

impl Answer {
    fn of(status: &'static str, line: &str) -> Self {
        Self { status, body: format!("{line}\n") }
    }

    fn of_health(health: Result<(), String>) -> Self {
        match health {
            Ok(()) => Self::of("200 OK", "ok"),
            Err(reason) => Self::of("503 Service Unavailable", &reason),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, body } = self;
        let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {TEXT}\r\nContent-Length: {length}\r\n{allow}\
             Connection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

fn answer(head: &[u8], board: &Board) -> Answer {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        return Answer::of("400 Bad Request", "wanted GET, a path and HTTP/1.1");
    };
    if !version.starts_with(b"HTTP/1.") {
        return Answer::of("400 Bad Request", "wanted HTTP/1.1");
    }
    if method != b"GET" {
        return Answer::of("405 Method Not Allowed", "wanted GET");
    }
    match target.split(|byte| *byte == b'?').next().unwrap_or_default() {
        b"/livez" => Answer::of_health(health::liveness(board)),
        b"/readyz" => Answer::of_health(health::readiness(board)),
        b"/metrics" => Answer { status: "200 OK", body: page::page(board) },
        _ => Answer::of("404 Not Found", "there are /livez, /readyz and /metrics"),
    }
}

/// The end of a request that has no body.
const END: &[u8] = b"\r\n\r\n";

/// The format of Prometheus, in which a plain line is a plain line, too.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many connections are held at once.
const CONNECTIONS_MAX: usize = 32;

/// How long one of them is held.
const CONNECTION_MAX: Duration = Duration::from_secs(2);

/// How many bytes a request may have.
const REQUEST_BYTES_MAX: usize = 4 << 10;

/// How many bytes behind a request are read and thrown away.
const LEFT_BYTES_MAX: u64 = 64 << 10;

/// How long nobody is accepted after the system refused to.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
