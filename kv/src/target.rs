//! The cluster that a command talks to, what it is told, and how what came of it is printed.
//!
//! What a command does with it is left to `run` and `status`. The claim kept true: an answer that
//! cannot be printed is told as one of something that was done, or of a question, as it was.

use std::io::{self, Write};

use synod_node::Client;
use synod_transport_quic::{Credentials, Role};

use crate::cli::TargetArgs;
use crate::client::{Answer, KvError, KvSession, client_config};
use crate::command::{Blob, Command, Query, Reply};
use crate::config::{ClientConfig, TlsFiles, unknown_variables};
use crate::exit::Exit;
use crate::expiry::Expiry;
use crate::log;
use crate::serve::check_dates;

/// The cluster that a command talks to.
pub(crate) struct Target {
    pub(crate) config: ClientConfig,
    pub(crate) client: Client,
    pub(crate) session: KvSession,
}

impl Target {
    pub(crate) fn open(args: &TargetArgs) -> Result<Self, Exit> {
        let config = read_client(args)?;
        let client = Client::connect(&client_config(&config)).map_err(Exit::config)?;
        let session = KvSession::new(&client, config.timeout);
        Ok(Self { config, client, session })
    }

    pub(crate) async fn command(&self, command: &Command<'_>) -> Result<Exit, Exit> {
        // Reading it back asks for every bound that a node would refuse it for, before anything is
        // sent.
        Command::decode(&command.encode()).map_err(Exit::usage)?;
        self.print(&self.session.command(command).await.map_err(|error| self.failed(&error))?)
    }

    pub(crate) async fn query(&self, query: &Query<'_>) -> Result<Exit, Exit> {
        Query::decode(&query.encode()).map_err(Exit::usage)?;
        self.print(&self.session.query(query).await.map_err(|error| self.failed(&error))?)
    }

    pub(crate) fn print(&self, answer: &Answer) -> Result<Exit, Exit> {
        match answer.reply().map_err(|error| self.failed(&error))? {
            Reply::Written | Reply::Entries { .. } => Ok(Exit::done()),
            Reply::Deleted { existed: true } | Reply::Compared { swapped: true } => {
                Ok(Exit::done())
            }
            Reply::Deleted { existed: false } | Reply::Compared { swapped: false } => {
                Ok(Exit::no())
            }
            Reply::Number(number) => tell_done(APPLIED, &format!("{number}\n")),
            Reply::Length(length) => tell_done(APPLIED, &format!("{length}\n")),
            Reply::Value(Some(Blob(value))) => say(&[value, b"\n"].concat()),
            Reply::Value(None) => Ok(Exit::no()),
            Reply::Rejected(rejection) => {
                Err(self.failed(&KvError::NotApplied(rejection.to_string())))
            }
        }
    }

    pub(crate) fn failed(&self, error: &KvError) -> Exit {
        Exit::operation(error, &self.client.connection_errors())
    }
}

pub(crate) fn read_client(args: &TargetArgs) -> Result<ClientConfig, Exit> {
    let config = ClientConfig::read(args, variable).map_err(Exit::config)?.config;
    log::install(&config.log).map_err(no_log)?;
    unknown_variables(variables()).iter().for_each(|line| tracing::warn!("{line}"));
    check_certificate(&config)?;
    Ok(config)
}

/// Refuses a certificate that has ended, or is not good yet, as the nodes would, one after the
/// other; one of another cluster than is meant, which its own nodes would serve; and a node's.
fn check_certificate(config: &ClientConfig) -> Result<(), Exit> {
    let TlsFiles { authority, certificate, key } = &config.tls;
    let credentials = Credentials::load(authority, certificate, key).map_err(Exit::config)?;
    let (found, meant) = (credentials.identity(), &config.cluster);
    if found.cluster.to_string() != *meant {
        let name = certificate.display();
        return Err(Exit::config(format!(
            "{name} is that of {found}, and the configuration says cluster {meant}; name the \
             cluster and the certificate that were made together"
        )));
    }
    if !matches!(found.role, Role::Client(_)) {
        let name = certificate.display();
        return Err(Exit::config(format!(
            "{name} is that of {found}, and a client is wanted here; name the certificate and the \
             key of a client, such as client.pem and client.key"
        )));
    }
    check_dates(&Expiry::of(certificate, &credentials)).map(drop)
}

/// Reads a variable; one that is no text is met as a value that is wrong, and not passed over.
pub(crate) fn variable(name: &str) -> Option<String> {
    Some(std::env::var_os(name)?.to_string_lossy().into_owned())
}

pub(crate) fn variables() -> impl Iterator<Item = String> {
    std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned())
}

/// Prints the answer to a question, which can be asked again.
pub(crate) fn say(bytes: &[u8]) -> Result<Exit, Exit> {
    print(bytes).map_err(|error| Exit::internal(format!("cannot print: {error}")))
}

/// Prints one of many pages. Tells whether anybody reads them still.
pub(crate) fn say_page(bytes: &[u8]) -> Result<bool, Exit> {
    match print(bytes) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Exit::internal(format!("cannot print: {error}"))),
    }
}

/// Prints what came of something that was done. Where that fails it was done all the same, and
/// whoever takes the failure for one of the deed would do it again: so the reason says both.
pub(crate) fn tell_done(what: &str, line: &str) -> Result<Exit, Exit> {
    print(line.as_bytes()).map_err(|error| {
        Exit::untold(format!("{what} could not be printed ({error}): {}", line.trim_end()))
    })
}

fn print(bytes: &[u8]) -> io::Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map(|()| Exit::done())
}

pub(crate) fn no_log(error: io::Error) -> Exit {
    Exit::internal(format!("no thread for the log: {error}"))
}

/// What is told of a command whose answer cannot be printed.
const APPLIED: &str = "the command was applied, and its answer";
