//! When a node is ready: a port that accepts, a page that is served, or a line of its log.
//!
//! The bridge is started once all nodes are, and then asked for their status as in any run; a
//! system that says nothing of readiness has its bridge started at once, and where no status is
//! told either, a read that the bridge answers is waited for. Nodes are asked at their
//! own ports and not through a proxy, which accepts for a node that does not. The claim kept true:
//! a node that is not ready in time is named, with what was waited for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_fault::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::logs;
use crate::process::{STDERR_LOG, STDOUT_LOG};

/// How it shows that a node is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenReady", into = "WrittenReady")]
pub enum Ready {
    /// By the status that the bridge tells, and by nothing before.
    #[default]
    ByBridge,
    /// Its port for clients accepts connections.
    Tcp,
    /// Its port for clients serves this path by HTTP with a status of 200 to 299.
    Http(String),
    /// A line of its log has this text.
    Log(String),
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table such as { tcp = true }")]
struct WrittenReady {
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

/// A readiness that is none, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`ready` is one of {{ tcp = true }}, {{ http = \"/path\" }} and {{ log = \"text\" }}; a path \
     begins with /"
)]
struct NoReadiness;

impl TryFrom<WrittenReady> for Ready {
    type Error = NoReadiness;

    fn try_from(written: WrittenReady) -> Result<Self, NoReadiness> {
        match written {
            WrittenReady { tcp: Some(true), http: None, log: None } => Ok(Self::Tcp),
            WrittenReady { tcp: None, http: Some(path), log: None }
                if path.starts_with('/') && !path.contains([' ', '\r', '\n']) =>
            {
                Ok(Self::Http(path))
            }
            WrittenReady { tcp: None, http: None, log: Some(text) } if !text.is_empty() => {
                Ok(Self::Log(text))
            }
            WrittenReady { .. } => Err(NoReadiness),
        }
    }
}

impl From<Ready> for WrittenReady {
    fn from(ready: Ready) -> Self {
        let nothing = Self::default();
        match ready {
            Ready::ByBridge => nothing,
            Ready::Tcp => Self { tcp: Some(true), ..nothing },
            Ready::Http(path) => Self { http: Some(path), ..nothing },
            Ready::Log(text) => Self { log: Some(text), ..nothing },
        }
    }
}

/// Where the readiness of a node is looked for.
#[derive(Clone, Debug)]
pub(crate) struct NodeProbe {
    pub(crate) node: NodeId,
    /// Its port for clients.
    pub(crate) client: SocketAddr,
    /// The folder of its logs.
    pub(crate) logs: PathBuf,
}

impl Ready {
    /// Returns whether it is by the bridge alone.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether it is asked for at a port that speaks TCP.
    #[must_use]
    pub const fn needs_tcp(&self) -> bool {
        matches!(self, Self::Tcp | Self::Http(_))
    }

    /// Looks whether a node is ready, or says what was waited for.
    pub(crate) async fn of(&self, probe: &NodeProbe) -> Result<(), String> {
        let NodeProbe { node, client, logs } = probe;
        match self {
            Self::ByBridge | Self::Tcp | Self::Http(_) => {
                self.of_port(*node, &client.to_string()).await
            }
            Self::Log(text) => {
                let has = |log: &&str| logs::has(&logs.join(log), text);
                let found = [STDOUT_LOG, STDERR_LOG].iter().any(has);
                let why = || format!("no line of the log of node {node} has `{text}`");
                found.then_some(()).ok_or_else(why)
            }
        }
    }

    /// Looks whether a node serves at its port for clients, as far as that is asked there: a line
    /// of a log tells of one moment alone.
    pub(crate) async fn of_port(&self, node: NodeId, client: &str) -> Result<(), String> {
        match self {
            Self::ByBridge | Self::Log(_) => Ok(()),
            Self::Tcp => {
                let connected = tokio::time::timeout(PROBE_LIMIT, TcpStream::connect(client)).await;
                let open = connected.is_ok_and(|connected| connected.is_ok());
                let why = || format!("node {node} accepts no connection at {client}");
                open.then_some(()).ok_or_else(why)
            }
            Self::Http(path) => {
                let said = tokio::time::timeout(PROBE_LIMIT, status_line(client, path)).await;
                let said = match said {
                    Ok(Ok(line)) if is_success(&line) => return Ok(()),
                    Ok(Ok(line)) => format!("answers `{line}`"),
                    Ok(Err(error)) => format!("does not answer ({error})"),
                    Err(_) => "does not answer".to_owned(),
                };
                Err(format!("node {node} {said} to GET {path} at {client}"))
            }
        }
    }
}

/// Asks for a page and returns the first line of the answer.
async fn status_line(at: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    while !bytes.contains(&b'\n') && bytes.len() < STATUS_LINE_BYTES_MAX {
        // An answer that ends early is judged by what there is of it.
        if stream.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim_end().chars().take(100).collect())
}

fn is_success(line: &str) -> bool {
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    code.is_some_and(|code| code.len() == 3 && code.starts_with('2'))
}

/// How long one look may take.
const PROBE_LIMIT: Duration = Duration::from_millis(500);

/// How much of an answer is read to find its first line.
const STATUS_LINE_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(client: SocketAddr, name: &str) -> NodeProbe {
        let logs = std::env::temp_dir().join(format!("synod-ready-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&logs).expect("a temporary folder");
        NodeProbe { node: NodeId(2), client, logs }
    }

    /// Answers one connection after the other with these words.
    async fn served(answer: &'static str) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 256];
                if stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                    assert!(asked.starts_with(b"GET /health HTTP/1.1\r\n"));
                    drop(stream.write_all(answer.as_bytes()).await);
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn a_port_that_accepts_is_ready_and_a_closed_one_is_told_of() {
        let open = probe(served("").await, "open");
        assert_eq!(Ready::Tcp.of(&open).await, Ok(()));
        let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let closed = unused.local_addr().expect("it is bound");
        drop(unused);
        let why = Ready::Tcp.of(&probe(closed, "closed")).await.expect_err("nobody listens");
        assert_eq!(why, format!("node 2 accepts no connection at {closed}"));
    }

    #[tokio::test]
    async fn a_page_is_ready_by_its_status_and_told_of_by_its_words() {
        let health = Ready::Http("/health".to_owned());
        let ok = probe(served("HTTP/1.1 204 No Content\r\n\r\n").await, "ok");
        assert_eq!(health.of(&ok).await, Ok(()));
        for bad in ["HTTP/1.1 503 Not Yet\r\n\r\n", "HTTP/1.1 20\r\n", "+PONG 200 \r\n"] {
            let bad_probe = probe(served(bad).await, "bad");
            let why = health.of(&bad_probe).await.expect_err(bad);
            let line = bad.lines().next().expect("there is one").trim_end();
            assert!(why.starts_with(&format!("node 2 answers `{line}` to GET /health")), "{why}");
        }
    }

    #[tokio::test]
    async fn a_line_of_either_log_is_ready() {
        let node = probe(SocketAddr::from(([127, 0, 0, 1], 1)), "log");
        let serving = Ready::Log("serving".to_owned());
        std::fs::write(node.logs.join(STDERR_LOG), "starting\n").expect("a log");
        let why = serving.of(&node).await.expect_err("it only starts");
        assert_eq!(why, "no line of the log of node 2 has `serving`");
        std::fs::write(node.logs.join(STDOUT_LOG), "10:00 serving clients\n").expect("a log");
        assert_eq!(serving.of(&node).await, Ok(()));
        std::fs::remove_dir_all(&node.logs).expect("it was made above");
    }

    #[test]
    fn readiness_is_one_thing_and_survives_being_written() {
        let read =
            |text: &str| serde_json::from_str::<Ready>(text).map_err(|error| error.to_string());
        for (text, ready) in [
            (r#"{"tcp":true}"#, Ready::Tcp),
            (r#"{"http":"/health"}"#, Ready::Http("/health".to_owned())),
            (r#"{"log":"serving"}"#, Ready::Log("serving".to_owned())),
        ] {
            assert_eq!(read(text), Ok(ready.clone()));
            assert_eq!(serde_json::to_string(&ready).expect("plain data"), text);
        }
        for wrong in ["{}", r#"{"tcp":false}"#, r#"{"tcp":true,"log":"x"}"#, r#"{"http":"x"}"#] {
            let why = read(wrong).expect_err(wrong);
            assert!(why.starts_with("`ready` is one of { tcp = true }"), "{why}");
        }
    }
}
