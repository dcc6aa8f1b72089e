//! The clients' side of the bridge: line-JSON requests out, answers in any order back.
//!
//! One or more bridge processes are shared by all logical clients; a client always speaks through
//! the same one. The harness keeps its own clock: a request that the bridge does not answer some
//! time after its time limit has an unknown outcome. A bridge that ends or speaks nonsense is an
//! error of the bridge, never of the system under test, and ends the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_fault::NodeId;
use synod_history::json;
use synod_history::{Request, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};

use super::process::{Pipes, Process, describe_end};

/// All bridge processes of a run.
#[derive(Debug)]
pub struct Bridge {
    lines: Vec<Line>,
}

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
#[serde(expecting = "an object with node, applied and digest")]
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
    /// The first slot that it has not applied.
    pub applied: u64,
    /// The digest of its state at `applied`.
    pub digest: String,
}

/// Why there is no answer, and will be none. The bridge is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BridgeError {
    /// The process ended.
    #[error("a bridge ended ({0}); see its stderr.log in the run folder")]
    Ended(String),
    /// The process said something that is no answer.
    #[error(
        "a bridge answered `{line}`: {problem}; an answer is a line such as \
         {{\"id\": 1, \"type\": \"ok\", \"value\": null}}, and all else goes to standard error"
    )]
    Nonsense {
        /// What it said, cut short.
        line: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Bridge {
    /// Takes the bridge processes that were started.
    #[must_use]
    pub fn new(processes: Vec<(Process, Pipes)>) -> Self {
        Self { lines: processes.into_iter().map(Line::open).collect() }
    }

    /// Asks for an operation and waits for its outcome.
    ///
    /// # Errors
    ///
    /// [`BridgeError`] if the bridge is gone; the outcome is then unknown.
    pub async fn call(
        &self,
        client: u32,
        request: &Request,
        limit: Duration,
    ) -> Result<Outcome, BridgeError> {
        let question = Question {
            id: 0,
            client,
            f: request.f(),
            key: Some(request.key()),
            value: request.argument(),
            node: None,
            timeout_ms: limit.as_millis() as u64,
        };
        let answer = self.ask(client, question, limit).await?;
        Ok(answer.map_or_else(Outcome::Info, Answer::outcome))
    }

    /// Asks a node for its status; none if it does not answer in time.
    ///
    /// # Errors
    ///
    /// [`BridgeError`] if the bridge is gone, or the answer is no status.
    pub async fn status(
        &self,
        client: u32,
        node: NodeId,
        limit: Duration,
    ) -> Result<Option<NodeStatus>, BridgeError> {
        let question = Question {
            id: 0,
            client,
            f: "status",
            key: None,
            value: Value::Null,
            node: Some(node.0),
            timeout_ms: limit.as_millis() as u64,
        };
        match self.ask(client, question, limit).await? {
            Ok(answer) if answer.kind == AnswerKind::Ok => {
                let text = answer.value.to_string();
                let status = serde_json::from_value(answer.value);
                status.map(Some).map_err(|error| nonsense(&text, &error))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    async fn ask(
        &self,
        client: u32,
        question: Question<'_>,
        limit: Duration,
    ) -> Result<Result<Answer, String>, BridgeError> {
        let line = &self.lines[client as usize % self.lines.len()];
        let (id, answer) = line.send(question).await?;
        match tokio::time::timeout(limit + GRACE, answer).await {
            Ok(Ok(answer)) => Ok(Ok(answer)),
            Ok(Err(_)) => Err(line.broken().unwrap_or_else(|| line.ended())),
            Err(_) => {
                lock(&line.waiting).answers.remove(&id);
                Ok(Err("the bridge gave no answer in time".to_owned()))
            }
        }
    }
}

/// How much longer than its time limit a request may take before the harness gives it up.
const GRACE: Duration = Duration::from_secs(2);

/// Requests that wait to be written.
const REQUESTS_MAX: usize = 1_024;

/// The longest answer: values are up to 1 MiB, and JSON may write six characters for a byte.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// One bridge process with its pipes.
#[derive(Debug)]
struct Line {
    process: Process,
    requests: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
}

/// Who waits for which answer, and why nobody does any more.
#[derive(Debug, Default)]
struct Waiting {
    next_id: u64,
    answers: BTreeMap<u64, oneshot::Sender<Answer>>,
    broken: Option<BridgeError>,
}

#[derive(Serialize)]
struct Question<'a> {
    id: u64,
    client: u32,
    f: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "is_null")]
    value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<u16>,
    timeout_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Answer {
    id: u64,
    #[serde(rename = "type")]
    kind: AnswerKind,
    #[serde(default)]
    value: serde_json::Value,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnswerKind {
    Ok,
    Fail,
    Info,
}

impl Answer {
    fn outcome(self) -> Outcome {
        let error = self.error.unwrap_or_else(|| "no reason given".to_owned());
        match self.kind {
            // A value of another form than the history knows is left for the judge to refuse.
            AnswerKind::Ok => Outcome::Ok(
                serde_json::from_value(self.value.clone())
                    .unwrap_or_else(|_| Value::Text(self.value.to_string())),
            ),
            AnswerKind::Fail => Outcome::Fail(error),
            AnswerKind::Info => Outcome::Info(error),
        }
    }
}

impl Line {
    fn open((process, pipes): (Process, Pipes)) -> Self {
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let (requests, outbox) = mpsc::channel(REQUESTS_MAX);
        if let Some(stdin) = pipes.stdin {
            tokio::spawn(write(stdin, outbox));
        }
        if let Some(stdout) = pipes.stdout {
            tokio::spawn(read(stdout, Arc::clone(&waiting)));
        }
        Self { process, requests, waiting }
    }

    async fn send(
        &self,
        mut question: Question<'_>,
    ) -> Result<(u64, oneshot::Receiver<Answer>), BridgeError> {
        let (promise, answer) = oneshot::channel();
        question.id = {
            let mut waiting = lock(&self.waiting);
            if let Some(error) = &waiting.broken {
                return Err(error.clone());
            }
            waiting.next_id += 1;
            let id = waiting.next_id;
            waiting.answers.insert(id, promise);
            id
        };
        let mut bytes = serde_json::to_vec(&question).expect("plain data has a written form");
        bytes.push(b'\n');
        match self.requests.send(bytes).await {
            Ok(()) => Ok((question.id, answer)),
            Err(_) => Err(self.broken().unwrap_or_else(|| self.ended())),
        }
    }

    fn broken(&self) -> Option<BridgeError> {
        match lock(&self.waiting).broken.clone()? {
            BridgeError::Ended(_) => Some(self.ended()),
            nonsense @ BridgeError::Nonsense { .. } => Some(nonsense),
        }
    }

    fn ended(&self) -> BridgeError {
        let how = self.process.end().map(describe_end);
        BridgeError::Ended(how.unwrap_or_else(|| "it closed its output".to_owned()))
    }
}

async fn write(mut stdin: ChildStdin, mut outbox: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = outbox.recv().await {
        // The reader finds out why the process is gone.
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(stdout: ChildStdout, waiting: Arc<Mutex<Waiting>>) {
    let error = match read_answers(stdout, &waiting).await {
        Ok(()) => BridgeError::Ended("it closed its output".to_owned()),
        Err(error) => error,
    };
    let mut waiting = lock(&waiting);
    waiting.broken = Some(error);
    // Whoever waits sees the promise broken.
    waiting.answers.clear();
}

async fn read_answers(stdout: ChildStdout, waiting: &Mutex<Waiting>) -> Result<(), BridgeError> {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut stdout).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(1..)) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let answer: Answer =
            serde_json::from_slice(&line).map_err(|error| nonsense(&text, &error))?;
        // An answer that nobody waits for any more came too late.
        if let Some(promise) = lock(waiting).answers.remove(&answer.id) {
            drop(promise.send(answer));
        }
    }
}

fn nonsense(line: &str, error: &serde_json::Error) -> BridgeError {
    BridgeError::Nonsense {
        line: line.trim_end().chars().take(200).collect(),
        problem: json::problem(error),
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_null(value: &Value) -> bool {
    *value == Value::Null
}
