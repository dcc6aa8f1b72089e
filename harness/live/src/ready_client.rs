//! Ready clients: what speaks RESP or HTTP for the clients of a system by its description alone.
//!
//! A description names for each operation what is asked and how the answer is read; a process of
//! the harness itself then speaks the bridge's protocol in its place, so that a run, `try-bridge`
//! and every check know no difference. How a run starts that process is left to `setup`. Claims
//! kept true: an operation is called failed only where no byte of it was sent, or where the answer
//! begins with words that the description calls a refusal; and whatever else is not understood is
//! unknown.

mod answer;
mod base64;
#[cfg(test)]
mod changed_bytes;
mod connection;
mod http;
mod operation;
mod resp;
mod serve;
mod template;

use serde::{Deserialize, Serialize};

pub use http::HttpRequest;
pub use serve::{ServeError, serve};

use crate::status::StatusFields;
use operation::Operation;
use template::Template;

/// What a ready client speaks, and what it asks for each operation.
///
/// # Examples
///
/// ```
/// use synod_live::system::System;
///
/// let mine = System::parse("mine.toml", r#"
///     name = "mine"
///     serve = ["mine", "{client-listen}"]
///     transport = { peer = "tcp", client = "tcp" }
///
///     [client.resp]
///     read = ["GET", "{key}"]
///     write = ["SET", "{key}", "{value}"]
///     status = ["PING"]
/// "#)?;
/// assert!(mine.client.is_some());
/// # Ok::<(), synod_live::description::DescriptionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", expecting = "a table [client.resp] or [client.http]")]
pub enum ReadyClient {
    /// The protocol of Redis; each operation is a list of words.
    Resp(Box<Operations<Vec<String>>>),
    /// HTTP 1.1; each operation is a request.
    Http(Box<Operations<HttpRequest>>),
}

/// What is asked for each operation. Those that are absent are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of operations")]
pub struct Operations<T> {
    /// Asks whether a node is up, and perhaps whether it leads.
    pub status: T,
    /// Asks for what is equal at all nodes once they have come to the same state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<T>,
    /// Reads a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<T>,
    /// Writes a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<T>,
    /// Takes a key away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<T>,
    /// Sets a value where the expected one is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cas: Option<T>,
    /// Sets a value where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<T>,
    /// Adds a text at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<T>,
    /// Adds a number, and answers with the sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<T>,
    /// A text that the answer to `status` has at a node that leads; if absent, it does not tell who
    /// leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads: Option<String>,
    /// How an answer begins that says that nothing was done and never will be: an error of RESP, or
    /// a status of HTTP with the body after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// What is wrong with the description of a ready client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{operation}` of `client` {problem}; {remedy}")]
pub struct ReadyClientError {
    /// The operation, or the field.
    pub operation: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl ReadyClient {
    /// Returns what it tells of a node that is asked for its status. A state is told by a number,
    /// which nodes come to as they come to `applied`; it has no slot at which to compare a digest.
    pub(crate) const fn told(&self) -> StatusFields {
        let (leads, applied) = match self {
            Self::Resp(operations) => (operations.leads.is_some(), operations.state.is_some()),
            Self::Http(operations) => (operations.leads.is_some(), operations.state.is_some()),
        };
        StatusFields { leads, applied, digest: false, up: true }
    }

    /// Says whether every operation can be asked.
    pub(crate) fn check(&self) -> Result<(), ReadyClientError> {
        match self {
            Self::Resp(operations) => operations.check(|operation, words| {
                if words.is_empty() || words.len() > WORDS_MAX {
                    let problem = format!("has {} words", words.len());
                    return Err((problem, format!("give it 1 to {WORDS_MAX}")));
                }
                let templates = words.iter().map(|word| Template::plain(word, operation));
                templates.collect()
            }),
            Self::Http(operations) => {
                operations.check(|operation, request| request.templates(operation))
            }
        }
    }
}

impl<T> Operations<T> {
    fn of(&self, operation: Operation) -> Option<&T> {
        match operation {
            Operation::Status => Some(&self.status),
            Operation::State => self.state.as_ref(),
            Operation::Read => self.read.as_ref(),
            Operation::Write => self.write.as_ref(),
            Operation::Delete => self.delete.as_ref(),
            Operation::Cas => self.cas.as_ref(),
            Operation::Create => self.create.as_ref(),
            Operation::Append => self.append.as_ref(),
            Operation::Add => self.add.as_ref(),
        }
    }

    fn check(
        &self,
        templates: impl Fn(Operation, &T) -> Result<Vec<Template>, (String, String)>,
    ) -> Result<(), ReadyClientError> {
        for operation in Operation::ALL {
            let Some(asked) = self.of(operation) else { continue };
            let all = templates(operation, asked).and_then(|all| {
                let has = |gap: &str| all.iter().any(|template| template.names(gap));
                match operation.needs().iter().find(|gap| !has(gap)) {
                    None => Ok(()),
                    Some(gap) => Err((
                        format!("says nowhere `{{{gap}}}`"),
                        "without it every such question would be the same; put it in".to_owned(),
                    )),
                }
            });
            let operation = operation.name();
            all.map_err(|(problem, remedy)| ReadyClientError { operation, problem, remedy })?;
        }
        for (operation, texts) in
            [("leads", self.leads.as_slice()), ("refused", self.refused.as_slice())]
        {
            if texts.iter().any(String::is_empty) {
                let problem = "has an empty text, which every answer has".to_owned();
                let remedy = "name some of the answer's words, or leave it out".to_owned();
                return Err(ReadyClientError { operation, problem, remedy });
            }
        }
        Ok(())
    }

    /// Returns whether an answer says that nothing was done.
    fn refuses(&self, said: &str) -> bool {
        self.refused.iter().any(|begins| said.starts_with(begins))
    }
}

/// Words of a command of RESP.
const WORDS_MAX: usize = 64;
