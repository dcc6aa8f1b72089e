//! The process of a ready client: questions of the bridge's protocol in, answers out.
//!
//! A client stays with a node as long as that answers, and turns to the next once it was refused,
//! not reached or left without an answer; one that is to ask a certain node asks that. The claim
//! kept true: each question has one answer, within its time, whatever a node does.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::answer::{Meaning, of_reply, of_response};
use super::connection::Connection;
use super::operation::{Filling, Operation, Question};
use super::{ReadyClient, http, resp};
use crate::bridge::LINE_BYTES_MAX;

/// Why a ready client does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It was told of no node.
    #[error("there is no node to ask; name each as NUMBER=ADDRESS")]
    NoNodes,
    /// Standard input or output is gone.
    #[error("the harness is not heard, or does not hear: {0}")]
    Gone(#[from] std::io::Error),
    /// A line of the input is longer than any question.
    #[error("a question has more than {LINE_BYTES_MAX} bytes")]
    LongLine,
}

/// Answers the questions of standard input until that ends.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve(client: ReadyClient, nodes: BTreeMap<u16, String>) -> Result<(), ServeError> {
    if nodes.is_empty() {
        return Err(ServeError::NoNodes);
    }
    let clients = Arc::new(Clients { client, nodes, state: Mutex::default() });
    let places = Arc::new(Semaphore::new(QUESTIONS_MAX));
    let mut stdin = BufReader::new(tokio::io::stdin());
    while let Some(line) = next_line(&mut stdin).await? {
        let question: Question = match serde_json::from_slice(&line) {
            Ok(question) => question,
            Err(error) => {
                let problem = synod_history::json::problem(&error);
                let _ = writeln!(std::io::stderr(), "no question: {problem}");
                continue;
            }
        };
        // Whoever asks more at once waits to be read.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let clients = Arc::clone(&clients);
        tokio::spawn(async move {
            say(&clients.answer(&question).await);
            drop(place);
        });
    }
    Ok(())
}

async fn next_line(input: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<u8>>, ServeError> {
    let mut line = Vec::new();
    let read = input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        return Err(ServeError::LongLine);
    }
    Ok(Some(line))
}

/// Says a line. A harness that does not hear is gone, and ends this process with it.
fn say(answer: &Json) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{answer}").and_then(|()| out.flush());
}

/// All clients, with the connections that they keep.
#[derive(Debug)]
struct Clients {
    client: ReadyClient,
    nodes: BTreeMap<u16, String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Connections over which nothing is asked at the moment.
    kept: BTreeMap<(u32, u16), Connection>,
    /// How often each client has turned to another node.
    turns: BTreeMap<u32, usize>,
    /// When each node that leads was found to.
    leading: BTreeMap<u16, u64>,
}

impl Clients {
    async fn answer(&self, question: &Question) -> Json {
        let meaning = match question.asked() {
            Err(why) => Meaning::Fail(why),
            Ok((Operation::Status, _)) => self.status(question).await,
            Ok((operation, filling)) => {
                let deadline = deadline_of(question);
                let node = question.node.unwrap_or_else(|| self.node_of(question.client));
                let meaning = self.ask(question.client, node, operation, &filling, deadline).await;
                if !matches!(meaning, Meaning::Ok(_)) {
                    self.turn(question.client);
                }
                meaning
            }
        };
        let id = question.id;
        match meaning {
            Meaning::Ok(value) => json!({"id": id, "type": "ok", "value": value}),
            Meaning::Fail(error) => json!({"id": id, "type": "fail", "error": error}),
            Meaning::Info(error) => json!({"id": id, "type": "info", "error": error}),
        }
    }

    /// Asks a node, and tells what came of it.
    async fn ask(
        &self,
        client: u32,
        node: u16,
        operation: Operation,
        filling: &Filling,
        deadline: Instant,
    ) -> Meaning {
        let Some(at) = self.nodes.get(&node) else {
            return Meaning::Fail(format!("there is no node {node}"));
        };
        let question = match self.question(operation, filling, at) {
            Ok(question) => question,
            Err(why) => return Meaning::Fail(why),
        };
        let kept = self.state().kept.remove(&(client, node)).filter(Connection::is_quiet);
        let mut connection = match kept {
            Some(connection) => connection,
            None => match tokio::time::timeout_at(deadline, Connection::open(at)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(why)) => {
                    return Meaning::Fail(format!("node {node} was not reached: {why}"));
                }
                Err(_) => return Meaning::Fail(format!("node {node} was not reached in time")),
            },
        };
        let asked = self.exchange(&mut connection, operation, &question);
        match tokio::time::timeout_at(deadline, asked).await {
            Ok(Ok((meaning, keeps))) => {
                let mut state = self.state();
                if keeps && state.kept.len() < KEPT_MAX {
                    state.kept.insert((client, node), connection);
                }
                meaning
            }
            Ok(Err(why)) => Meaning::Info(format!("node {node}: {why}")),
            Err(_) => Meaning::Info(format!("node {node} gave no answer in time")),
        }
    }

    fn question(
        &self,
        operation: Operation,
        filling: &Filling,
        at: &str,
    ) -> Result<Vec<u8>, String> {
        let unknown = || format!("the description has no `{}`", operation.name());
        match &self.client {
            ReadyClient::Resp(operations) => {
                let words = operations.of(operation).ok_or_else(unknown)?;
                let filled = words.iter().map(|word| {
                    let template = super::Template::plain(word, operation);
                    template.map(|template| template.fill(filling)).map_err(|(problem, _)| problem)
                });
                Ok(resp::command(&filled.collect::<Result<Vec<_>, _>>()?))
            }
            ReadyClient::Http(operations) => {
                operations.of(operation).ok_or_else(unknown)?.bytes(operation, filling, at)
            }
        }
    }

    /// Asks over a connection: what the answer means, and whether the connection may be kept.
    async fn exchange(
        &self,
        connection: &mut Connection,
        operation: Operation,
        question: &[u8],
    ) -> Result<(Meaning, bool), String> {
        match &self.client {
            ReadyClient::Resp(operations) => {
                let reply = connection.ask(question, resp::reply).await?;
                Ok((of_reply(operations, operation, &reply), true))
            }
            ReadyClient::Http(operations) => {
                let response = connection.ask(question, http::response).await?;
                let request = operations.of(operation).ok_or("the description lost it")?;
                let meaning = of_response(operations, operation, request, &response);
                Ok((meaning, response.keeps))
            }
        }
    }

    /// Tells of a node what the description lets be known of it.
    async fn status(&self, question: &Question) -> Meaning {
        let Some(node) = question.node else {
            return Meaning::Fail("`status` names no node".to_owned());
        };
        let (deadline, nothing) = (deadline_of(question), Filling::default());
        let client = question.client;
        let said = match self.ask(client, node, Operation::Status, &nothing, deadline).await {
            Meaning::Ok(said) => said,
            other @ (Meaning::Fail(_) | Meaning::Info(_)) => return other,
        };
        let mut status = json!({"node": node});
        if self.client.told().applied {
            match self.ask(client, node, Operation::State, &nothing, deadline).await {
                Meaning::Ok(state) => status["applied"] = number_of(&state.to_string()).into(),
                other @ (Meaning::Fail(_) | Meaning::Info(_)) => return other,
            }
        }
        if let Some(since) = self.leads_since(node, said.as_str().unwrap_or_default()) {
            status["leads"] = format!("{since}.{node}").into();
        }
        Meaning::Ok(status)
    }

    /// Tells since when a node leads by what it said, if it does.
    fn leads_since(&self, node: u16, said: &str) -> Option<u64> {
        let leads = match &self.client {
            ReadyClient::Resp(operations) => operations.leads.as_ref(),
            ReadyClient::Http(operations) => operations.leads.as_ref(),
        };
        let leads = leads?;
        let mut state = self.state();
        if !said.contains(leads) {
            state.leading.remove(&node);
            return None;
        }
        // Of two that say so, the later one has begun while the other had not heard of it.
        Some(*state.leading.entry(node).or_insert_with(now_ms))
    }

    fn node_of(&self, client: u32) -> u16 {
        let turns = self.state().turns.get(&client).copied().unwrap_or_default();
        let place = (client as usize + turns) % self.nodes.len();
        self.nodes.keys().nth(place).copied().unwrap_or_default()
    }

    fn turn(&self, client: u32) {
        let mut state = self.state();
        // Beyond the bound a client stays where it is; a run has no such client.
        if state.turns.len() < CLIENTS_MAX || state.turns.contains_key(&client) {
            *state.turns.entry(client).or_default() += 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn deadline_of(question: &Question) -> Instant {
    let limit = Duration::from_millis(question.timeout_ms.min(TIMEOUT_MS_MAX));
    // A part is left for the answer on its way to the harness.
    Instant::now() + limit.saturating_sub(MARGIN.min(limit / 2))
}

/// Makes a number of a state, so that equal ones are equal and others are most likely not.
fn number_of(state: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Questions that are at work at once; more wait to be read.
const QUESTIONS_MAX: usize = 1_024;

/// Connections that are kept for the next question.
const KEPT_MAX: usize = 4_096;

/// Clients whose nodes are remembered.
const CLIENTS_MAX: usize = 65_536;

/// The longest that a question may take.
const TIMEOUT_MS_MAX: u64 = 3_600_000;

const MARGIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
