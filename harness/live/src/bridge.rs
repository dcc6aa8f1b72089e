//! The clients' side of the bridge: line-JSON requests out, answers in any order back.
//!
//! One or more bridge processes are shared by all logical clients; a client always speaks through
//! the same one. The harness keeps its own clock: a request that the bridge does not answer some
//! time after its time limit has an unknown outcome. A bridge that ends or speaks nonsense is an
//! error of the bridge, never of the system under test, and ends the run: nonsense is also an
//! answer to what was never asked, a second one, and one of another form than the question has.

pub(crate) mod answer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use synod_fault::NodeId;
use synod_history::json;
use synod_history::{Request, Value, visible};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};

use super::process::{Pipes, Process, describe_end};
use super::status::StatusFields;
use answer::{Answer, AnswerKind, Misspoken};
pub use answer::{NodeStatus, Outcome};

/// All bridge processes of a run.
#[derive(Debug)]
pub struct Bridge {
    lines: Vec<Line>,
    /// What nodes tell of themselves.
    told: StatusFields,
    /// What every key begins with, as the system has it.
    prefix: String,
}

/// Why there is no answer, and will be none. The bridge is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BridgeError {
    /// The process ended.
    #[error("a bridge ended ({0}); see its stderr.log in the run folder")]
    Ended(String),
    /// The process is there and says nothing.
    #[error(
        "no bridge answered anything for {0} s; it has to answer every request, `info` where \
         nobody knows the outcome"
    )]
    Silent(u64),
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
        let lines = processes.into_iter().map(Line::open).collect();
        Self { lines, told: StatusFields::default(), prefix: String::new() }
    }

    /// Sets which fields the status of a node has.
    #[must_use]
    pub fn telling(self, told: StatusFields) -> Self {
        Self { told, ..self }
    }

    /// Sets what every key begins with in the system: one that has served others before has values
    /// under the keys that a workload takes for new.
    #[must_use]
    pub fn prefixed(self, prefix: String) -> Self {
        Self { prefix, ..self }
    }

    /// Returns which fields the status of a node has.
    #[must_use]
    pub const fn told(&self) -> StatusFields {
        self.told
    }

    /// Asks for an operation, perhaps of one node alone, and waits for its outcome.
    ///
    /// # Errors
    ///
    /// [`BridgeError`] if the bridge is gone; the outcome is then unknown.
    pub async fn call(
        &self,
        client: u32,
        node: Option<NodeId>,
        request: &Request,
        limit: Duration,
    ) -> Result<Outcome, BridgeError> {
        let key = format!("{}{}", self.prefix, request.key());
        let question = Question {
            // `ask` puts the number in, once the promise of its answer is in place.
            id: 0,
            client,
            f: request.f(),
            key: Some(&key),
            value: request.argument(),
            node: node.map(|node| node.0),
            timeout_ms: limit.as_millis() as u64,
        };
        let line = self.line(client);
        match line.ask(question, limit).await? {
            Ok(answer) => {
                answer.outcome(request).map_err(|said| line.give_up(BridgeError::of(said)))
            }
            Err(silence) => Ok(Outcome::Info(silence)),
        }
    }

    /// Returns why the bridge is of no use any more, if it is not.
    pub async fn failure(&self) -> Option<BridgeError> {
        for line in &self.lines {
            if let Some(error) = line.broken().await {
                return Some(error);
            }
        }
        None
    }

    /// Returns how many answers came so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.lines.iter().map(|line| lock(&line.waiting).answered).sum()
    }

    /// Asks a node for its status, or returns why there is none.
    ///
    /// # Errors
    ///
    /// [`BridgeError`] if the bridge is gone, or the answer is no status.
    pub async fn status(
        &self,
        client: u32,
        node: NodeId,
        limit: Duration,
    ) -> Result<Result<NodeStatus, String>, BridgeError> {
        let question = Question {
            id: 0,
            client,
            f: "status",
            key: None,
            value: Value::Null,
            node: Some(node.0),
            timeout_ms: limit.as_millis() as u64,
        };
        let line = self.line(client);
        match line.ask(question, limit).await? {
            Ok(answer) => match answer.kind {
                AnswerKind::Ok => {
                    let status = answer.status(node, self.told).map(Ok);
                    status.map_err(|said| line.give_up(BridgeError::of(said)))
                }
                AnswerKind::Fail | AnswerKind::Info => Ok(Err(answer.why())),
            },
            Err(silence) => Ok(Err(silence)),
        }
    }

    fn line(&self, client: u32) -> &Line {
        &self.lines[client as usize % self.lines.len()]
    }
}

/// How much longer than its time limit a request may take before the harness gives it up.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// How many requests that were given up are remembered one by one.
const LATE_MAX: usize = 65_536;

/// How long a process whose output ended may take to end.
const END_PATIENCE: Duration = Duration::from_millis(500);

/// Requests that wait to be written.
const REQUESTS_MAX: usize = 1_024;

/// The longest answer: values are up to 1 MiB, and JSON may write six characters for a byte.
pub(crate) const LINE_BYTES_MAX: u64 = 8 << 20;

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
    /// Requests that were given up, whose answers may still come.
    late: BTreeSet<u64>,
    /// The last request whose answer may come late although it is not in the list any more.
    late_until: u64,
    /// How many answers came.
    answered: u64,
    broken: Option<BridgeError>,
}

/// What a bridge is asked, as a line of its input.
#[derive(Serialize)]
pub(crate) struct Question<'a> {
    pub(crate) id: u64,
    pub(crate) client: u32,
    pub(crate) f: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<&'a str>,
    #[serde(skip_serializing_if = "is_null")]
    pub(crate) value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<u16>,
    pub(crate) timeout_ms: u64,
}

impl Question<'_> {
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("plain data has a written form");
        bytes.push(b'\n');
        bytes
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

    async fn ask(
        &self,
        question: Question<'_>,
        limit: Duration,
    ) -> Result<Result<Answer, String>, BridgeError> {
        let (promise, answer) = oneshot::channel();
        // The promise is in place before the question leaves, so no answer can be quicker than it.
        let id = lock(&self.waiting).next(promise);
        let Some(id) = id else { return Err(self.gone().await) };
        let line = Question { id, ..question }.line();
        let answered = exchange(&self.requests, line, answer);
        // The bridge keeps the limit itself; this is for one that does not.
        match tokio::time::timeout(limit + GRACE, answered).await {
            Ok(Some(answer)) => Ok(Ok(answer)),
            Ok(None) => Err(self.gone().await),
            Err(_) => {
                lock(&self.waiting).give_up(id);
                Ok(Err("the bridge gave no answer in time".to_owned()))
            }
        }
    }

    /// Ends the use of a process that answered something of another form.
    fn give_up(&self, error: BridgeError) -> BridgeError {
        lock(&self.waiting).end(error.clone());
        error
    }

    async fn broken(&self) -> Option<BridgeError> {
        let broken = lock(&self.waiting).broken.clone();
        match broken? {
            BridgeError::Ended(_) => Some(self.gone().await),
            other @ (BridgeError::Nonsense { .. } | BridgeError::Silent(_)) => Some(other),
        }
    }

    /// Says why there are no more answers. A process that ends closes its output first.
    async fn gone(&self) -> BridgeError {
        let broken = lock(&self.waiting).broken.clone();
        if let Some(other @ (BridgeError::Nonsense { .. } | BridgeError::Silent(_))) = broken {
            return other;
        }
        // What came of it is told, whether it came in time or not.
        let ended = tokio::time::timeout(END_PATIENCE, self.process.ended()).await;
        let how = ended.ok().map(describe_end);
        BridgeError::Ended(how.unwrap_or_else(|| "it closed its output".to_owned()))
    }
}

/// Hands a request over and waits for its answer; none if there will be none. Both may take for
/// ever: a bridge that reads no more fills the pipe, and then the queue in front of it.
async fn exchange(
    requests: &mpsc::Sender<Vec<u8>>,
    line: Vec<u8>,
    answer: oneshot::Receiver<Answer>,
) -> Option<Answer> {
    requests.send(line).await.ok()?;
    answer.await.ok()
}

impl Waiting {
    /// Gives a request its number; none if nothing will be answered any more.
    fn next(&mut self, promise: oneshot::Sender<Answer>) -> Option<u64> {
        if self.broken.is_some() {
            return None;
        }
        self.next_id += 1;
        self.answers.insert(self.next_id, promise);
        Some(self.next_id)
    }

    /// Stops waiting for an answer.
    fn give_up(&mut self, id: u64) {
        self.answers.remove(&id);
        self.late.insert(id);
        // Below the lowest that is remembered any answer is let pass: a late one must not be taken
        // for nonsense, and a second one that goes unnoticed there changes no outcome.
        if self.late.len() > LATE_MAX {
            self.late_until = self.late.pop_first().unwrap_or_default().max(self.late_until);
        }
    }

    /// Takes an answer to whoever waits for it, or says why nobody can.
    fn take(&mut self, answer: Answer) -> Result<(), String> {
        self.answered += 1;
        let id = answer.id;
        if let Some(promise) = self.answers.remove(&id) {
            // Whoever asked may be gone.
            drop(promise.send(answer));
            return Ok(());
        }
        if self.late.remove(&id) || (1..=self.late_until).contains(&id) {
            return Ok(());
        }
        Err(if (1..=self.next_id).contains(&id) {
            format!("request {id} has its answer already")
        } else {
            format!("there was no request {id}")
        })
    }

    fn end(&mut self, error: BridgeError) {
        // The first cause stays, as the others follow from it.
        self.broken.get_or_insert(error);
        // Whoever waits sees the promise broken.
        self.answers.clear();
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
    lock(&waiting).end(error);
}

async fn read_answers(
    stdout: impl AsyncRead + Unpin,
    waiting: &Mutex<Waiting>,
) -> Result<(), BridgeError> {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut stdout).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await;
        // A pipe that fails tells no more than one that was closed.
        if !matches!(read, Ok(1..)) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        if line.last() != Some(&b'\n') {
            if line.len() as u64 == LINE_BYTES_MAX {
                let problem = format!("it is longer than {} MiB", LINE_BYTES_MAX >> 20);
                return Err(BridgeError::nonsense(&text, problem));
            }
            // It ended within a line: why it ended is to be told, not that half a line is no JSON.
            return Ok(());
        }
        let answer: Answer = serde_json::from_slice(&line)
            .map_err(|error| BridgeError::nonsense(&text, json::problem(&error)))?;
        let taken = lock(waiting).take(answer);
        taken.map_err(|problem| BridgeError::nonsense(&text, problem))?;
    }
}

impl BridgeError {
    fn of(Misspoken { said, problem }: Misspoken) -> Self {
        Self::nonsense(&said, problem)
    }

    fn nonsense(line: &str, problem: String) -> Self {
        let line: String = line.trim_end().chars().take(200).collect();
        Self::Nonsense { line: visible(&line).into_owned(), problem }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_null(value: &Value) -> bool {
    *value == Value::Null
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests that nobody reads fill the pipe, and then the queue in front of it.
    #[tokio::test(start_paused = true)]
    async fn a_bridge_that_reads_nothing_holds_no_client_for_longer_than_its_time_limit() {
        let logs = std::env::temp_dir().join(format!("synod-unread-{}", std::process::id()));
        std::fs::create_dir_all(&logs).expect("a temporary folder");
        let mut reads_nothing = std::process::Command::new("sleep");
        reads_nothing.arg("600");
        let bridge = Process::start_piped(reads_nothing, &logs).expect("a program that sleeps");
        let bridge = Arc::new(Bridge::new(vec![bridge]));
        let mut calls = tokio::task::JoinSet::new();
        for client in 0..2 * REQUESTS_MAX as u32 {
            let bridge = Arc::clone(&bridge);
            calls.spawn(async move {
                let request = Request::Read { key: "k".repeat(1_000) };
                bridge.call(client, None, &request, Duration::from_secs(1)).await
            });
        }
        let ended = tokio::time::timeout(2 * GRACE, calls.join_all()).await;
        let unknown = Ok(Outcome::Info("the bridge gave no answer in time".to_owned()));
        assert!(ended.expect("all of them have given up").iter().all(|end| *end == unknown));
        std::fs::remove_dir_all(&logs).expect("it was made above");
    }

    #[tokio::test]
    async fn a_bridge_that_ends_within_a_line_has_ended() {
        let waiting = Mutex::new(Waiting::default());
        for half in ["{", "{\"id\": 1, \"type\"", "{\"id\": 1, \"type\": \"ok\"}"] {
            assert_eq!(read_answers(half.as_bytes(), &waiting).await, Ok(()), "{half}");
        }
        let whole = read_answers("{\n".as_bytes(), &waiting).await;
        assert!(matches!(whole, Err(BridgeError::Nonsense { .. })), "{whole:?}");
    }

    #[tokio::test]
    async fn an_answer_past_the_longest_is_called_too_long() {
        let waiting = Mutex::new(Waiting::default());
        let endless = tokio::io::repeat(b'[').take(2 * LINE_BYTES_MAX);
        let Err(BridgeError::Nonsense { line, problem }) = read_answers(endless, &waiting).await
        else {
            panic!("it is no answer");
        };
        assert!(line.len() <= 200 && problem.contains("8 MiB"), "{problem}");
    }
}
