//! The start of a node: check, hold the ports, recover, make the incarnation durable, run.
//!
//! The order is the claim: nothing leaves this node before the journal says, durably, that it has
//! begun another life. What can fail fails here, with a reason for the operator, before the loop
//! begins.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use synod_paxos::{Brand, Configuration, NodeId};
use synod_smr::{Effects, StateMachine};
use synod_transport_quic::{
    BindError, ClientNames, ClientPort, ClientPortConfig, Credentials, Incarnation, PeerConfig,
    PeerEndpoint, PeerId, TlsError, limits,
};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

use crate::chance::Chance;
use crate::clock::LoopTime;
use crate::config::{Config, ConfigError};
use crate::create::{WrongCertificate, check_identity};
use crate::driver::Driver;
use crate::journal::{self, Recovered};
use crate::log_reader::LogReader;
use crate::metrics::{Metrics, Reporter};
use crate::node::{Node, NodeError, Order};
use crate::ports::Ports;
use crate::timers::Timers;
use crate::watch::Watch;

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration makes no sense: the caller's fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate belongs to somebody else.
    #[error(transparent)]
    Identity(#[from] WrongCertificate),
    /// There is no journal. It was lost, or never made.
    #[error("this node has no journal in {}: a node that has voted must not go on without it; \
             if it never ran, make one with Node::create or `synod-kv init --node`",
            path.display())]
    NoJournal {
        /// The folder.
        path: PathBuf,
    },
    /// The journal cannot be opened.
    #[error("the data folder cannot be used: {0}")]
    Journal(#[source] synod_journal::OpenError),
    /// The journal was opened, and failed with the first write.
    #[error("the data folder cannot be written: {0}")]
    FirstWrite(String),
    /// The journal holds what no version of this program wrote.
    #[error("the journal in {} holds what this program cannot read: {reason}", path.display())]
    ForeignRecord {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The port for peers cannot be opened.
    #[error("peer_listen: {0}")]
    PeerPort(#[source] BindError),
    /// The port for clients cannot be opened.
    #[error("client_listen: {0}")]
    ClientPort(#[source] BindError),
    /// The system has no thread, no runtime or no randomness for the node.
    #[error("the system refused {what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

/// Starts a node; see [`Node::start`].
pub(crate) fn start<M>(config: Config, machine: M) -> Result<Node, StartError>
where
    M: StateMachine + Send + 'static,
{
    config.check()?;
    let credentials =
        Credentials::load(&config.tls.authority, &config.tls.certificate, &config.tls.key)?;
    let cluster = check_identity(&config, &credentials)?;
    let ports = Ports::hold(&config)?;
    let recovered = journal::recover(&config, cluster, machine)?;
    let incarnation = recovered.incarnation;
    let (orders, order_events) = mpsc::channel(ORDERS_MAX);
    let (ended, end) = oneshot::channel();
    let (started, start) = sync_channel(1);
    let run =
        move || run_thread(&config, credentials, ports, recovered, order_events, &started, ended);
    let thread = thread::Builder::new().name("synod-node".to_owned()).spawn(run);
    let thread = thread.map_err(|source| StartError::System { what: "a thread", source })?;
    let began: Result<(SocketAddr, SocketAddr), StartError> = start.recv().unwrap_or_else(|_| {
        let source = io::Error::other("the thread of the node panicked");
        Err(StartError::System { what: "the start", source })
    });
    match began {
        Ok((peer_address, client_address)) => Ok(Node {
            peer_address,
            client_address,
            incarnation,
            orders,
            ended: Some(end),
            thread: Some(thread),
        }),
        Err(error) => {
            // The data folder is given back before the error is told.
            let _ = thread.join();
            Err(error)
        }
    }
}

/// The life of the node's thread: says through `started` where it listens or why it does not, and
/// through `ended` how it ended.
fn run_thread<M: StateMachine>(
    config: &Config,
    credentials: Credentials,
    ports: Ports,
    recovered: Recovered<M>,
    orders: mpsc::Receiver<Order>,
    started: &SyncSender<Result<(SocketAddr, SocketAddr), StartError>>,
    ended: oneshot::Sender<Result<(), NodeError>>,
) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell(started, Err(error)),
    };
    let outcome = runtime.block_on(async {
        let driver = assemble(config, credentials, ports, recovered, orders)?;
        tell(started, Ok((driver.peers.local_addr(), driver.clients.local_addr())));
        let span = tracing::info_span!("node", id = config.node.number());
        Ok(driver.run().instrument(span).await)
    });
    match outcome {
        // Nobody may be waiting for the end.
        Ok(outcome) => drop(ended.send(outcome)),
        Err(error) => tell(started, Err(error)),
    }
}

fn tell<T>(started: &SyncSender<T>, news: T) {
    // The starter waits for exactly one piece of news, and there is room for it.
    let _ = started.try_send(news);
}

/// Serves on the ports and puts everything together.
fn assemble<M: StateMachine>(
    config: &Config,
    credentials: Credentials,
    ports: Ports,
    recovered: Recovered<M>,
    orders: mpsc::Receiver<Order>,
) -> Result<Driver<M>, StartError> {
    let incarnation = Incarnation(recovered.incarnation);
    let others = config.members.iter().filter(|(node, _)| **node != config.node);
    let (peers, peer_events) = PeerEndpoint::bind_on(
        ports.peers,
        PeerConfig {
            listen: config.peer_listen,
            credentials: credentials.clone(),
            peers: others.map(|(node, at)| (PeerId(node.number()), *at)).collect(),
            incarnation,
            suspicion: config.timing.suspicion,
        },
    )
    .map_err(StartError::PeerPort)?;
    let (clients, client_events) = ClientPort::bind_on(
        ports.clients,
        ClientPortConfig {
            listen: config.client_listen,
            credentials,
            incarnation,
            admitted: ClientNames::AnyCertified,
            connections_max: limits::CLIENT_CONNECTIONS_MAX,
        },
    )
    .map_err(StartError::ClientPort)?;
    let brand = Brand { node: config.node, incarnation: recovered.incarnation };
    let mut effects = Effects::new(brand);
    let settings = settings(config, brand)?;
    let running = recovered.finish(settings, &mut effects)?;
    let (log_reader, log_events) = LogReader::new(running.reader);
    let chance = Chance::from_system()
        .map_err(|source| StartError::System { what: "random bytes", source })?;
    let time = LoopTime::start();
    Ok(Driver {
        me: config.node,
        replica: running.replica,
        effects,
        members: config.members.keys().copied().collect(),
        peers,
        peer_events,
        clients,
        client_events,
        principals: BTreeMap::new(),
        journal: running.journal,
        journal_events: running.events,
        log_reader,
        log_events,
        orders,
        timers: Timers::new(),
        chance,
        reporter: Reporter::new(synod_clock::TimeSource::now(&time)),
        time,
        metrics: Metrics::default(),
        watch: Watch::default(),
        drain_by: None,
    })
}

fn settings(config: &Config, brand: Brand) -> Result<synod_smr::Config, ConfigError> {
    let voters = voters(config);
    let ms = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let ticks = config.timing.suspicion.as_nanos().div_ceil(config.timing.heartbeat.as_nanos());
    let settings = synod_smr::Config {
        heartbeat_ms: ms(config.timing.heartbeat),
        suspicion_ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
        stagger_ms: ms(config.timing.stagger),
        ..synod_smr::Config::lan(brand, voters)
    };
    settings.check().map_err(ConfigError::Core)?;
    Ok(settings)
}

fn voters(config: &Config) -> Configuration {
    let members: Vec<NodeId> = config.members.keys().copied().collect();
    Configuration::majority(members).expect("the members were counted, and a map names each once")
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| StartError::System { what: "a runtime", source })
}

/// How many orders may wait for the loop: the second one is as good as the first.
const ORDERS_MAX: usize = 4;
