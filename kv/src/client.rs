//! The key-value client: the commands of the machine over the sessions of the node's client.
//!
//! Finding the leader, repeating and the three outcomes are the business of `synod-node`; here
//! replies get their meaning. An answer of the wrong kind is a fault of the server's version, and
//! is told as an unknown outcome: the command has run.

use std::time::Duration;

use bytes::Bytes;
use synod_node::{Client, NodeId, Outcome, Reason, Refusal, Session, TlsFiles};
use thiserror::Error;

use crate::command::{Command, Query, Reply};
use crate::config::ClientConfig;

/// Why an operation has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KvError {
    /// It certainly did not happen, and will not.
    #[error("certainly not done: {0}")]
    NotApplied(String),
    /// It may have happened, or may still.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// A logical client of the key-value service.
#[derive(Debug)]
pub struct KvSession {
    session: Session,
    timeout: Duration,
}

/// The encoded reply to an operation; [`Answer::reply`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(pub(crate) Bytes);

impl KvSession {
    /// Makes a session whose operations take `timeout` at most.
    #[must_use]
    pub fn new(client: &Client, timeout: Duration) -> Self {
        Self { session: client.session(), timeout }
    }

    /// Has a command applied once.
    ///
    /// # Errors
    ///
    /// Whether it certainly did not happen, or nobody can say.
    pub async fn command(&self, command: &Command<'_>) -> Result<Answer, KvError> {
        answer_of(self.session.command(command.encode(), self.timeout).await)
    }

    /// Has a query answered, linearizably.
    ///
    /// # Errors
    ///
    /// Why there is no answer; a query changes nothing, so it certainly did not.
    pub async fn query(&self, query: &Query<'_>) -> Result<Answer, KvError> {
        answer_of(self.session.query(query.encode(), self.timeout).await)
    }

    /// Sets how long each further operation may take.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(crate) async fn encoded_command(&self, command: Vec<u8>) -> Result<Answer, KvError> {
        answer_of(self.session.command(command, self.timeout).await)
    }

    pub(crate) async fn encoded_query(&self, query: Vec<u8>) -> Result<Answer, KvError> {
        answer_of(self.session.query(query, self.timeout).await)
    }
}

impl Answer {
    /// Reads the reply.
    ///
    /// # Errors
    ///
    /// An unknown outcome, if another version of the server wrote it.
    pub fn reply(&self) -> Result<Reply<'_>, KvError> {
        Reply::decode(&self.0).map_err(|error| KvError::Unknown(error.to_string()))
    }
}

/// Returns the settings of the node's client.
#[must_use]
pub fn client_config(config: &ClientConfig) -> synod_node::ClientConfig {
    let nodes = config.nodes.iter().map(|(id, at)| (NodeId::new(*id), *at)).collect();
    synod_node::ClientConfig { nodes, tls: tls_files(&config.tls) }
}

pub(crate) fn tls_files(files: &crate::config::TlsFiles) -> TlsFiles {
    let (authority, certificate, key) = (&files.authority, &files.certificate, &files.key);
    TlsFiles { authority: authority.clone(), certificate: certificate.clone(), key: key.clone() }
}

fn answer_of(outcome: Outcome) -> Result<Answer, KvError> {
    match outcome {
        Outcome::Ok(reply) => Ok(Answer(reply)),
        Outcome::NotApplied(reason) => Err(KvError::NotApplied(explain(reason))),
        Outcome::Unknown(reason) => Err(KvError::Unknown(explain(reason))),
    }
}

fn explain(reason: Reason) -> String {
    let last = |refusal: Refusal| format!("no answer in time; the last refusal: {refusal}");
    match reason {
        Reason::Deadline(refusal) => refusal.map_or_else(|| "no answer in time".to_owned(), last),
        Reason::Refused(refusal) => refusal.to_string(),
        Reason::TooMany => "too many operations at once".to_owned(),
        Reason::TooLong => "the request is longer than a frame may be".to_owned(),
        Reason::AccessDenied => "every node refuses a connection to this client".to_owned(),
    }
}
