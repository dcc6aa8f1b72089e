//! `synod-kv bridge`: line-JSON on stdin and stdout for many logical clients of the cluster.
//!
//! Each logical client has a session of its own; all share one connection to each node. A request
//! may name a node, which alone is then asked, whoever leads: in another session, over a connection
//! that those requests share. Lines are read as they come and answered as their operations end, in
//! any order. What the lines mean is said by `protocol`. The claims kept true: every line that
//! carries an id is answered exactly once; nothing but answers is written to stdout; and what may
//! have happened is never `fail`.

mod protocol;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use synod_node::{Ballot, Client, NodeId, Status};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::client::{Answer as KvAnswer, KvError, KvSession, client_config};
use crate::config::ClientConfig;
use protocol::{Answer, Encoded, LINE_BYTES_MAX, Operation, Request, Verdict};

/// Why a bridge ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum BridgeFailure {
    /// The input cannot be read, or has a line of more than 8 MiB. What was asked before was
    /// answered.
    #[error("standard input: {0}")]
    Input(std::io::Error),
    /// The output takes nothing more. What was asked was done all the same.
    #[error(
        "standard output: {source}; answers that follow \"not printed\", {lost} of them, tell \
             of what was done"
    )]
    Output {
        /// What the system said.
        source: std::io::Error,
        /// How many answers were not printed, or perhaps not.
        lost: usize,
    },
}

/// Serves the lines of `input` until its end, and answers on `output`. Once that takes no answer
/// no further line is read, and each answer that was not printed, the last of them perhaps,
/// goes to `lost`.
///
/// # Errors
///
/// When reading or writing fails; a line of more than 8 MiB counts as such.
pub async fn bridge(
    client: Client,
    config: ClientConfig,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Send + Unpin + 'static,
    lost: impl FnMut(&str) + Send + 'static,
) -> Result<(), BridgeFailure> {
    let (answers, lines) = mpsc::channel(ANSWERS_MAX);
    let (writes, written_until) = oneshot::channel();
    let writer = tokio::spawn(write_answers(lines, output, writes, lost));
    let ways = Ways { client, config, alone: BTreeMap::new() };
    let read = read_requests(ways, input, answers, written_until).await;
    // All senders of answers are gone here, so the writer ends.
    let written = writer.await.unwrap_or_else(|error| {
        let (source, lost) = (std::io::Error::other(error), 0);
        Err(BridgeFailure::Output { source, lost })
    });
    written?;
    read.map_err(BridgeFailure::Input)
}

/// The ways to the cluster.
struct Ways {
    /// To whoever leads.
    client: Client,
    /// How to make another one.
    config: ClientConfig,
    /// To one node alone, where somebody asked for that.
    alone: BTreeMap<u16, Client>,
}

impl Ways {
    /// Returns the way to whoever leads, or to one node alone.
    fn to(&mut self, node: Option<u16>) -> Result<Client, String> {
        let Some(node) = node else { return Ok(self.client.clone()) };
        if let Some(client) = self.alone.get(&node) {
            return Ok(client.clone());
        }
        let mut config = client_config(&self.config);
        config.nodes.retain(|known, _| known.number() == node);
        let client = Client::connect(&config).map_err(|error| format!("node {node}: {error}"))?;
        self.alone.insert(node, client.clone());
        Ok(client)
    }
}

async fn read_requests(
    mut ways: Ways,
    mut input: impl AsyncBufRead + Unpin,
    answers: mpsc::Sender<Answer>,
    mut written_until: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    type Asker = (u64, Option<u16>);
    let mut sessions: BTreeMap<Asker, Arc<Mutex<KvSession>>> = BTreeMap::new();
    let timeout = ways.config.timeout;
    let mut running = JoinSet::new();
    let mut line = Vec::new();
    let read = loop {
        // Nobody is to be answered any more: what is not begun by then is not done.
        let more = tokio::select! {
            biased;
            _ = &mut written_until => Ok(false),
            more = read_line(&mut input, &mut line) => more,
        };
        match more {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
        let request = match Request::parse(&line) {
            Ok(request) => request,
            Err(answer) => {
                // A writer that is gone ends the loop with its own error.
                let _ = answers.send(answer).await;
                continue;
            }
        };
        // Operations that have ended stay in the set, and count, until they are taken out.
        while running.try_join_next().is_some() {}
        if running.len() >= OPERATIONS_MAX {
            running.join_next().await;
        }
        let timeout = request.timeout_ms.map_or(timeout, Duration::from_millis);
        let asker = (request.client, request.node);
        let is_full = sessions.len() >= SESSIONS_MAX && !sessions.contains_key(&asker);
        let client = match ways.to(request.node) {
            Ok(_) if is_full => Err(format!("more than {SESSIONS_MAX} logical clients")),
            other => other,
        };
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                let answer = Answer { id: Some(request.id), verdict: Verdict::fail(error) };
                let _ = answers.send(answer).await;
                continue;
            }
        };
        let session = sessions
            .entry(asker)
            .or_insert_with(|| Arc::new(Mutex::new(KvSession::new(&client, timeout))));
        let (session, answers) = (Arc::clone(session), answers.clone());
        running.spawn(async move {
            let id = Some(request.id);
            let verdict = run(request.operation, timeout, &session, &client).await;
            let _ = answers.send(Answer { id, verdict }).await;
        });
    };
    // What was begun is done, and answered, however the input ended.
    while running.join_next().await.is_some() {}
    read
}

async fn run(
    operation: Operation,
    timeout: Duration,
    session: &Mutex<KvSession>,
    client: &Client,
) -> Verdict {
    if let Operation::Status { node } = operation {
        return match client.status(NodeId::new(node), timeout).await {
            Some(status) => Verdict::Ok { value: status_value(&status) },
            None => Verdict::fail(format!("node {node} does not answer")),
        };
    }
    // One logical client has one operation open: a second one waits for the first.
    let mut session = session.lock().await;
    session.set_timeout(timeout);
    let outcome = match operation.encode() {
        Some(Encoded::Command(command)) => session.encoded_command(command).await,
        Some(Encoded::Query(query)) => session.encoded_query(query).await,
        None => return Verdict::fail("not an operation of the machine"),
    };
    match outcome {
        Ok(KvAnswer(reply)) => Verdict::of_reply(&reply),
        Err(KvError::NotApplied(error)) => Verdict::Fail { error },
        Err(KvError::Unknown(error)) => Verdict::Info { error },
    }
}

/// What a node says about itself, as the harness reads it.
pub(crate) fn status_value(status: &Status) -> serde_json::Value {
    let ballot = |ballot: Ballot| format!("{}.{}", ballot.round(), ballot.node().number());
    json!({
        "node": status.node.number(),
        "incarnation": status.incarnation,
        "leads": status.leads.map(ballot),
        "follows": status.follows.map(ballot),
        "chosen": status.chosen.number(),
        "applied": status.applied.number(),
        "digest": format!("{:016x}", status.digest),
        "promised": ballot(status.promised),
    })
}

/// Reads one line without its end; false at the end of the input.
async fn read_line(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<bool> {
    line.clear();
    loop {
        let (taken, ended) = {
            let ready = input.fill_buf().await?;
            if ready.is_empty() {
                return Ok(!line.is_empty());
            }
            let end = ready.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(ready.len());
            line.extend_from_slice(&ready[..taken]);
            (taken + usize::from(end.is_some()), end.is_some())
        };
        input.consume(taken);
        // It is asked with each piece and not at the end of the line, which may never come.
        if line.len() > LINE_BYTES_MAX {
            let reason = format!("a line of more than {LINE_BYTES_MAX} bytes");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
        }
        if ended {
            return Ok(true);
        }
    }
}

/// Writes answers, as long as they are taken; `writes` is dropped once they are not.
async fn write_answers(
    mut answers: mpsc::Receiver<Answer>,
    mut output: impl AsyncWrite + Unpin,
    writes: oneshot::Sender<()>,
    mut lost: impl FnMut(&str),
) -> Result<(), BridgeFailure> {
    while let Some(answer) = answers.recv().await {
        let mut lines = answer.line();
        while let Ok(answer) = answers.try_recv() {
            lines.extend(answer.line());
        }
        let Err(source) = write(&mut output, &lines).await else { continue };
        drop(writes);
        let mut count = 0;
        let mut lose = |lines: &[u8]| {
            for line in String::from_utf8_lossy(lines).lines() {
                lost(line);
                count += 1;
            }
        };
        // Nobody knows how much of it was taken.
        lose(&lines);
        while let Some(answer) = answers.recv().await {
            lose(&answer.line());
        }
        return Err(BridgeFailure::Output { source, lost: count });
    }
    Ok(())
}

async fn write(output: &mut (impl AsyncWrite + Unpin), lines: &[u8]) -> std::io::Result<()> {
    output.write_all(lines).await?;
    output.flush().await
}

/// How many operations may be open at once over all logical clients.
const OPERATIONS_MAX: usize = 4096;

/// How many logical clients a bridge serves: as many as the cluster keeps sessions of one
/// certificate.
const SESSIONS_MAX: usize = 50_000;

/// How many answers may wait for stdout.
const ANSWERS_MAX: usize = 256;
