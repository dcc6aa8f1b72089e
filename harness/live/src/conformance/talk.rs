//! What is said to a bridge and what it says, line by line, with what is wrong about the lines.
//!
//! A run ends at the first line that is no answer; here it is noted beside the check during which
//! it came, and the talk goes on. Which questions are asked, and which answers are right, is left
//! to the checks. The claim kept true: a line is an answer here exactly if a run takes it for one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use synod_fault::NodeId;
use synod_history::{Request, Value, json, visible};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Misstep;
use crate::bridge::answer::Answer;
use crate::bridge::{GRACE, LINE_BYTES_MAX, Outcome, Question};
use crate::process::{Pipes, Process};

/// A bridge process that is spoken with.
#[derive(Debug)]
pub(super) struct Talk {
    process: Process,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<Vec<u8>>,
    /// The lines that were sent, by the number of their question.
    sent: BTreeMap<u64, String>,
    /// The answers that came, with their lines.
    came: BTreeMap<u64, (Answer, String)>,
    missteps: Vec<Misstep>,
    /// Whether the bridge has closed its output.
    is_over: bool,
}

/// A question whose answer may still come.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) request: Request,
    pub(super) client: u32,
    until: Instant,
}

impl Talk {
    pub(super) fn open((process, pipes): (Process, Pipes)) -> Self {
        let (out, lines) = mpsc::channel(LINES_MAX);
        if let Some(stdout) = pipes.stdout {
            tokio::spawn(read(stdout, out));
        }
        Self {
            process,
            stdin: pipes.stdin,
            lines,
            sent: BTreeMap::new(),
            came: BTreeMap::new(),
            missteps: Vec::new(),
            is_over: false,
        }
    }

    /// Returns whether it has closed its output, and so answers nothing any more.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) const fn process(&self) -> &Process {
        &self.process
    }

    /// Returns whether it was ever asked anything.
    pub(super) fn is_asked(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Returns whether it has ever answered anything.
    pub(super) fn has_answered(&self) -> bool {
        !self.came.is_empty()
    }

    /// Returns whether something was wrong since the last time.
    pub(super) fn has_missteps(&self) -> bool {
        !self.missteps.is_empty()
    }

    /// Takes out what was wrong since the last time.
    pub(super) fn take_missteps(&mut self) -> Vec<Misstep> {
        std::mem::take(&mut self.missteps)
    }

    /// Notes what is wrong with the answer to a question, or that there is none.
    pub(super) fn note(&mut self, id: u64, what: impl Into<String>, remedy: &'static str) {
        let came = self.came.get(&id).map(|(_, line)| line.clone());
        let sent = self.sent.get(&id).cloned();
        self.missteps.push(Misstep { sent, came, what: what.into(), remedy });
    }

    /// Asks for an operation and does not wait.
    pub(super) async fn ask(&mut self, client: u32, request: Request, limit: Duration) -> Asked {
        let (f, key) = (request.f().to_owned(), request.key().to_owned());
        let value = request.argument();
        let id = self.say(client, &f, Some(&key), value, None, limit).await;
        Asked { id, request, client, until: Instant::now() + limit + LATE_MAX }
    }

    /// Asks a node for its status, and returns the number of the question once there is an answer,
    /// or the time for it is over.
    pub(super) async fn ask_status(&mut self, node: NodeId, limit: Duration) -> u64 {
        let id = self.say(STATUS_CLIENT, "status", None, Value::Null, Some(node.0), limit).await;
        self.hear(&[id], Instant::now() + limit + GRACE).await;
        id
    }

    async fn say(
        &mut self,
        client: u32,
        f: &str,
        key: Option<&str>,
        value: Value,
        node: Option<u16>,
        limit: Duration,
    ) -> u64 {
        let id = self.sent.len() as u64 + 1;
        let timeout_ms = limit.as_millis() as u64;
        let line = Question { id, client, f, key, value, node, timeout_ms }.line();
        self.sent.insert(id, short(&line));
        self.write(&line).await;
        id
    }

    /// Writes bytes as they are. A bridge that does not read them shows it by not answering.
    pub(super) async fn write(&mut self, line: &[u8]) {
        if let Some(stdin) = &mut self.stdin {
            // A bridge that does not read, or has ended, is told of by the answers that do not
            // come.
            drop(tokio::time::timeout(GRACE, stdin.write_all(line)).await);
        }
    }

    /// Ends its input.
    pub(super) fn close(&mut self) {
        self.stdin = None;
    }

    /// Reads until all of these have an answer, for as long as each may take, and notes those that
    /// have none.
    pub(super) async fn gather(&mut self, asked: &[Asked]) {
        let ids: Vec<u64> = asked.iter().map(|asked| asked.id).collect();
        let until = asked.iter().map(|asked| asked.until).max().unwrap_or_else(Instant::now);
        self.hear(&ids, until).await;
        for id in ids {
            // One that has ended is told of once, and not for each question.
            if !self.came.contains_key(&id) && !self.is_over {
                self.note(id, format!("no answer came, long after {LATE}"), NO_ANSWER);
            }
        }
    }

    /// Reads until all of these have an answer, or until a time.
    pub(super) async fn hear(&mut self, ids: &[u64], until: Instant) {
        while !self.is_over && !ids.iter().all(|id| self.came.contains_key(id)) {
            match tokio::time::timeout_at(until, self.lines.recv()).await {
                Ok(Some(line)) => self.take(&line),
                Ok(None) => self.is_over = true,
                Err(_) => return,
            }
        }
    }

    /// Reads whatever has come already.
    pub(super) fn drain(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            self.take(&line);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let line = short(bytes);
        let wrong =
            |what: String, remedy| Misstep { sent: None, came: Some(line.clone()), what, remedy };
        let answer: Answer = match serde_json::from_slice(bytes) {
            Ok(answer) => answer,
            Err(error) => {
                let what = format!("it is no answer: {}", json::problem(&error));
                self.missteps.push(wrong(what, NO_JSON));
                return;
            }
        };
        let id = answer.id;
        if !self.sent.contains_key(&id) {
            self.missteps.push(wrong(format!("there was no question {id}"), OWN_ID));
            return;
        }
        match self.came.entry(id) {
            Entry::Vacant(place) => {
                place.insert((answer, line));
            }
            Entry::Occupied(_) => {
                let sent = self.sent.get(&id).cloned();
                let what = format!("question {id} has its answer already");
                self.missteps.push(Misstep { sent, ..wrong(what, ONE_ANSWER) });
            }
        }
    }

    /// Returns what came of a question; none if nothing did, or what is wrong was noted.
    pub(super) fn outcome(&mut self, asked: &Asked) -> Option<Outcome> {
        let (answer, _) = self.came.get(&asked.id)?;
        match answer.clone().outcome(&asked.request) {
            Ok(outcome) => Some(outcome),
            Err(said) => {
                self.note(asked.id, said.problem, FORM);
                None
            }
        }
    }

    /// Returns the answer to a question, if one came.
    pub(super) fn answer(&self, id: u64) -> Option<Answer> {
        self.came.get(&id).map(|(answer, _)| answer.clone())
    }
}

async fn read(stdout: ChildStdout, out: mpsc::Sender<Vec<u8>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = (&mut stdout).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(1..)) || out.send(line).await.is_err() {
            return;
        }
    }
}

/// Spells a line as it is shown: cut short, and without what a terminal would obey.
fn short(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let shown: String = line.trim_end().chars().take(SHOWN_CHARS_MAX).collect();
    visible(&shown).into_owned()
}

/// The client that asks for a status.
const STATUS_CLIENT: u32 = 1_000;

/// How long after its time an answer is waited for. A run takes the outcome for unknown by then;
/// but one that comes late is none that does not come.
const LATE_MAX: Duration = Duration::from_secs(20);

const LATE: &str = "the `timeout_ms` of the question";

/// Lines that wait to be looked at.
const LINES_MAX: usize = 1_024;

const SHOWN_CHARS_MAX: usize = 300;

const NO_ANSWER: &str = "answer every question, `info` where nobody knows the outcome in time, and \
    flush standard output after each line";

const NO_JSON: &str = "print one object of JSON a line on standard output, such as {\"id\": 1, \
    \"type\": \"ok\", \"value\": null}, and all else on standard error";

const OWN_ID: &str = "repeat the `id` of the question, and answer nothing that was not asked";

const ONE_ANSWER: &str = "answer each question once; what comes after `info` was said is dropped";

const FORM: &str = "the table of answers is in the book, on the page `reference` under `Bridge \
    protocol`";
