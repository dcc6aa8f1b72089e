//! The start of a node: check, hold the ports, recover, make the incarnation durable, run.
//!
//! The order is the claim: nothing leaves this node before the journal says, durably, that it has
//! begun another life. What can fail fails here, with a reason for the operator, before the loop
//! begins.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use synod_host::api::{NodeId, StateMachine};
use synod_host::journal::{Create, GroupCommit, IN_FLIGHT_MAX, Options, RealDisk};
use synod_host::paxos::{Brand, Configuration};
use synod_host::{Opened, RecoveryError, Settings};
use synod_transport_quic::{
    BindError, ClientNames, ClientPort, ClientPortConfig, ClusterId, Credentials, Incarnation,
    PeerConfig, PeerEndpoint, PeerId, TlsError, limits,
};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use crate::beacon::SharedBeacon;
use crate::clock::LoopTime;
use crate::config::{Config, ConfigError};
use crate::create::{WrongCertificate, check_identity, journal_identity};
use crate::driver::{Driver, Reads};
use crate::metrics::Reporter;
use crate::node::{Node, NodeError, Order};
use crate::ports::Ports;
use crate::progress::Progress;

/// A host on its way back from a journal on files.
type Recovered<M> = Opened<M, RealDisk>;

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
    /// The journal cannot be used.
    #[error(transparent)]
    Recovery(RecoveryError),
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
    let recovered = recover(&config, cluster, machine)?;
    let incarnation = recovered.incarnation;
    let (orders, order_events) = mpsc::channel(ORDERS_MAX);
    let (ended, end) = oneshot::channel();
    let (started, start) = sync_channel(1);
    let beacon = Arc::new(SharedBeacon::new(config.timing.heartbeat));
    let told = Arc::clone(&beacon);
    let parts = Parts { credentials, ports, recovered, orders: order_events, beacon };
    let run = move || run_thread(&config, parts, &started, ended);
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
            beacon: told,
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

/// What a node's thread begins with.
struct Parts<M> {
    credentials: Credentials,
    ports: Ports,
    recovered: Recovered<M>,
    orders: mpsc::Receiver<Order>,
    beacon: Arc<SharedBeacon>,
}

/// The life of the node's thread: says through `started` where it listens or why it does not, and
/// through `ended` how it ended.
fn run_thread<M: StateMachine>(
    config: &Config,
    parts: Parts<M>,
    started: &SyncSender<Result<(SocketAddr, SocketAddr), StartError>>,
    ended: oneshot::Sender<Result<(), NodeError>>,
) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell(started, Err(error)),
    };
    // The ports begin their tasks on the runtime.
    let driver = runtime.block_on(async { assemble(config, parts) });
    let outcome = driver.and_then(|driver| {
        let addresses = (driver.peers.local_addr(), driver.clients.local_addr());
        run_loop(config, driver, &runtime, || tell(started, Ok(addresses)))
    });
    match outcome {
        // Nobody may be waiting for the end.
        Ok(outcome) => drop(ended.send(outcome)),
        Err(error) => tell(started, Err(error)),
    }
}

/// Runs the loop, with a thread beside it that drives the network while a turn is long.
fn run_loop<M: StateMachine>(
    config: &Config,
    driver: Driver<M>,
    runtime: &Runtime,
    begun: impl FnOnce(),
) -> Result<Result<(), NodeError>, StartError> {
    let (beacon, peers, time) = (Arc::clone(&driver.beacon), driver.peers.clone(), driver.time);
    let others = config.members.keys().filter(|node| **node != config.node);
    let others: Vec<PeerId> = others.map(|node| PeerId(node.number())).collect();
    let stand_by = || beacon.stand_by(runtime, time, &peers, &others);
    thread::scope(|scope| {
        let beside = thread::Builder::new().name("synod-beside".to_owned());
        let beside = beside.spawn_scoped(scope, stand_by);
        let beside = beside.map_err(|source| StartError::System { what: "a thread", source })?;
        let _standby = beacon.until_dropped(beside.thread().clone());
        begun();
        let span = tracing::info_span!("node", id = config.node.number());
        Ok(driver.run(runtime, &span))
    })
}

fn tell<T>(started: &SyncSender<T>, news: T) {
    // The starter waits for exactly one piece of news, and there is room for it.
    let _ = started.try_send(news);
}

/// Serves on the ports and puts everything together.
fn assemble<M: StateMachine>(config: &Config, parts: Parts<M>) -> Result<Driver<M>, StartError> {
    let Parts { credentials, ports, recovered, orders, beacon } = parts;
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
    let (clients, client_events) = ClientPort::bind_held_on_own_thread(
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
    let (host, journal) = recovered.start(settings(config)?, seed()?);
    let reads = Reads::new(journal.reader());
    let (outcomes, journal_events) = mpsc::channel(IN_FLIGHT_MAX + 1);
    let journal = GroupCommit::start(journal, move |outcome| {
        // There is a place for each commit and for an error; a loop that is gone needs none.
        let _ = outcomes.try_send(outcome);
    });
    let journal =
        journal.map_err(|source| StartError::System { what: "the journal's thread", source })?;
    let time = LoopTime::start();
    let reporter = Reporter::new(synod_clock::TimeSource::now(&time));
    Ok(Driver {
        host,
        peers,
        peer_events,
        clients,
        client_events,
        journal,
        journal_events,
        reads,
        orders,
        time,
        beacon,
        reporter,
    })
}

/// Reads the journal and makes this start durable.
fn recover<M: StateMachine>(
    config: &Config,
    cluster: ClusterId,
    machine: M,
) -> Result<Recovered<M>, StartError> {
    let mut options = Options::new(journal_identity(config, cluster).as_bytes());
    options.create = Create::Never;
    options.segment_bytes = config.segment_bytes;
    let mut progress = Progress::begin(config.node.number());
    let settings = Settings::default();
    let watch = |_: &[u8], _: &_| progress.note();
    Ok(synod_host::open(RealDisk, &config.data, &options, machine, &settings, watch)?)
}

/// Draws what spreads the timers of this node.
fn seed() -> Result<u64, StartError> {
    system_seed().map_err(|source| StartError::System { what: "random bytes", source })
}

fn settings(config: &Config) -> Result<synod_host::smr::Config, ConfigError> {
    let (voters, brand) = (voters(config), Brand { node: config.node, incarnation: 0 });
    let ms = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let ticks = config.timing.suspicion.as_nanos().div_ceil(config.timing.heartbeat.as_nanos());
    let settings = synod_host::smr::Config {
        heartbeat_ms: ms(config.timing.heartbeat),
        suspicion_ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
        stagger_ms: ms(config.timing.stagger),
        ..synod_host::smr::Config::lan(brand, voters)
    };
    settings.check().map_err(ConfigError::Core)?;
    Ok(settings)
}

fn voters(config: &Config) -> Configuration {
    let members: Vec<NodeId> = config.members.keys().copied().collect();
    Configuration::majority(members).expect("the members were counted, and a map names each once")
}

/// Draws a number that nobody else draws. It is no source of secrets.
pub(crate) fn system_seed() -> io::Result<u64> {
    let mut seed = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(u64::from_le_bytes(seed))
}

/// Draws 128 bits that no other process draws again.
pub(crate) fn system_name() -> io::Result<u128> {
    let mut name = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut name)?;
    Ok(u128::from_le_bytes(name))
}

fn runtime() -> Result<Runtime, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| StartError::System { what: "a runtime", source })
}

/// How many orders may wait for the loop: the second one is as good as the first.
const ORDERS_MAX: usize = 4;
