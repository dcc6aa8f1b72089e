//! The start of a node: check, hold the ports, recover, make the incarnation durable, run.
//!
//! The order is the claim: nothing leaves this node before the journal says, durably, that it has
//! begun another life, and nobody is served with a journal that the others have refused. What can
//! fail fails here, with a reason for the operator, before the loop begins.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use synod_host::api::{NodeId, StateMachine};
use synod_host::journal::{Create, IN_FLIGHT_MAX, Journal, Options};
use synod_host::{DataFolders, Inspected, OpenedAbove, ScrubPace, Settings};
use synod_transport_quic::{
    ClientNames, ClientPort, ClientPortConfig, ClusterId, Credentials, Incarnation, PeerConfig,
    PeerEndpoint, PeerId, limits,
};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

use crate::beacon::SharedBeacon;
use crate::clock::LoopTime;
use crate::config::{Config, SNAPSHOTS, TlsFiles, core_settings};
use crate::create::{check_identity, journal_identity};
use crate::driver::{Driver, Ended};
use crate::metrics::Reporter;
use crate::metrics::board::{About, Board, BoardWriter};
use crate::metrics::server::MetricsServer;
use crate::node::{Control, LoopHandle, Node, NodeError};
use crate::ports::Ports;
use crate::progress::Progress;
use crate::reads::Reads;
use crate::snapshots::Snapshots;
use crate::start_error::StartError;
use crate::trace::{self, TraceFile};
use crate::world::{self, Placement, World};

/// A host on its way back from a journal of this world, and the work on its snapshots.
type Recovered<M, W> = OpenedAbove<M, <W as World>::Disk>;

/// All that is at hand when a life begins.
struct Beginning<M: StateMachine, W: World> {
    world: W,
    config: Config,
    credentials: Credentials,
    ports: Ports,
    recovered: Recovered<M, W>,
    trace: Option<TraceFile>,
    board: Option<Arc<Board>>,
    orders: mpsc::Receiver<Control>,
    beacon: Arc<SharedBeacon>,
}

/// Starts a node; see [`Node::start_in`] and, for the folder of traces, [`Node::start_traced`].
pub(crate) fn start<W, M>(
    world: W,
    config: Config,
    machine: M,
    traces: Option<&Path>,
) -> Result<Node, StartError>
where
    W: World,
    M: StateMachine + Clone + Send + 'static,
{
    config.check()?;
    let credentials =
        Credentials::load(&config.tls.authority, &config.tls.certificate, &config.tls.key)?
            .dated_by(world.wall());
    check_identity(&config, &credentials)?;
    check_dates(&world, &config, &credentials)?;
    // The ports are held before the journal is touched: a start that finds them taken must use up
    // no incarnation. Nothing is read on them before the life begins.
    let mut ports = Ports::hold(&world, &config)?;
    // It answers from here on: a long journal is read by a node that is alive, and not ready.
    let (metrics, board) = serve_metrics(&mut ports, &config, &credentials)?;
    let (recovered, trace) = recover_traced(&world, &config, &credentials, machine, traces)?;
    let incarnation = recovered.0.incarnation;
    let (orders, order_events) = mpsc::channel(ORDERS_MAX);
    let (ended, end) = oneshot::channel();
    // The world goes into the life, which asks it for all else.
    let placement = world.placement();
    let beacon = Arc::new(SharedBeacon::new(config.timing.heartbeat));
    let told = Arc::clone(&beacon);
    let beginning = Beginning {
        world,
        config,
        credentials,
        ports,
        recovered,
        trace,
        board,
        orders: order_events,
        beacon,
    };
    let ((peer_address, client_address), life) = match placement {
        Placement::Threads => begin_thread(beginning, ended)?,
        Placement::Tasks => begin_task(beginning, ended)?,
    };
    let (ended, life) = (Some(end), Some(life));
    let is_draining = AtomicBool::new(false);
    Ok(Node {
        peer_address,
        client_address,
        metrics,
        incarnation,
        orders,
        beacon: told,
        is_draining,
        ended,
        life,
    })
}

/// Begins to answer on the port for metrics, if there is one.
fn serve_metrics(
    ports: &mut Ports,
    config: &Config,
    credentials: &Credentials,
) -> Result<(Option<MetricsServer>, Option<Arc<Board>>), StartError> {
    let Some(listener) = ports.metrics.take() else { return Ok((None, None)) };
    let board = Arc::new(Board::new(About {
        node: config.node.number(),
        heartbeat: config.timing.heartbeat,
        certificate_end_s: end_of(credentials),
    }));
    let server = MetricsServer::start(listener, Arc::clone(&board))
        .map_err(|source| StartError::System { what: "the server of metrics", source })?;
    Ok((Some(server), Some(board)))
}

/// Returns when a certificate ends, in seconds since 1970.
fn end_of(credentials: &Credentials) -> u64 {
    credentials.not_after().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Where a node listens to peers and to clients, and where it runs.
type Begun = ((SocketAddr, SocketAddr), LoopHandle);

/// Begins the life as a task of the runtime that this is called in.
fn begin_task<W, M>(
    beginning: Beginning<M, W>,
    ended: oneshot::Sender<Result<(), NodeError>>,
) -> Result<Begun, StartError>
where
    W: World,
    M: StateMachine + Clone + Send + 'static,
{
    let node = beginning.config.node;
    let driver = assemble(beginning)?;
    let addresses = driver.addresses();
    let span = tracing::info_span!("node", id = node.number());
    // Nobody may be waiting for the end.
    let run = async move { drop(ended.send(driver.run_as_task().await.outcome)) };
    let task = tokio::spawn(run.instrument(span));
    Ok((addresses, LoopHandle::Task(task.abort_handle())))
}

/// Begins the life on a thread with a runtime of its own.
fn begin_thread<W, M>(
    beginning: Beginning<M, W>,
    ended: oneshot::Sender<Result<(), NodeError>>,
) -> Result<Begun, StartError>
where
    W: World,
    M: StateMachine + Clone + Send + 'static,
{
    let (started, start) = sync_channel(1);
    let run = move || run_thread(beginning, &started, ended);
    let thread = thread::Builder::new().name("synod-node".to_owned()).spawn(run);
    let thread = thread.map_err(|source| StartError::System { what: "a thread", source })?;
    let began: Result<(SocketAddr, SocketAddr), StartError> = start.recv().unwrap_or_else(|_| {
        let source = io::Error::other("the thread of the node panicked");
        Err(StartError::System { what: "the start", source })
    });
    match began {
        Ok(addresses) => Ok((addresses, LoopHandle::Thread(thread))),
        Err(error) => {
            // The data folder is given back before the error is told.
            let _ = thread.join();
            Err(error)
        }
    }
}

/// The life of the node's thread: says through `started` where it listens or why it does not, and
/// through `ended` how it ended.
fn run_thread<W: World, M: StateMachine + Clone + Send + 'static>(
    beginning: Beginning<M, W>,
    started: &SyncSender<Result<(SocketAddr, SocketAddr), StartError>>,
    ended: oneshot::Sender<Result<(), NodeError>>,
) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell(started, Err(error)),
    };
    let node = beginning.config.node;
    let others = others(&beginning.config);
    // The ports begin their tasks on the runtime.
    let driver = runtime.block_on(async { assemble(beginning) });
    let run = || {
        let driver = driver?;
        let addresses = driver.addresses();
        run_loop(node, &others, driver, &runtime, || tell(started, Ok(addresses)))
    };
    // Nothing that the loop leaves behind is looked at after a panic, which goes on below.
    let outcome = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome,
        Err(panic) => {
            runtime.shutdown_background();
            resume_unwind(panic)
        }
    };
    // A thread of the runtime may wait for the disk, and nobody is to wait long for that thread.
    let disk_hangs = matches!(outcome, Ok(Ended { disk_hangs: true, .. }));
    runtime.shutdown_timeout(if disk_hangs { Duration::ZERO } else { READ_END_MAX });
    match outcome {
        // Nobody may be waiting for the end.
        Ok(end) => drop(ended.send(end.outcome)),
        Err(error) => tell(started, Err(error)),
    }
}

/// Runs the loop, with a thread beside it that drives the network while a turn is long.
fn run_loop<W: World, M: StateMachine + Clone + Send + 'static>(
    node: NodeId,
    others: &[PeerId],
    driver: Driver<M, W>,
    runtime: &Runtime,
    begun: impl FnOnce(),
) -> Result<Ended, StartError> {
    let (beacon, peers, time) = (Arc::clone(&driver.beacon), driver.peers.clone(), driver.time);
    let stand_by = || beacon.stand_by(runtime, time, &peers, others);
    thread::scope(|scope| {
        let beside = thread::Builder::new().name("synod-beside".to_owned());
        let beside = beside.spawn_scoped(scope, stand_by);
        let beside = beside.map_err(|source| StartError::System { what: "a thread", source })?;
        let _standby = beacon.until_dropped(beside.thread().clone());
        begun();
        let span = tracing::info_span!("node", id = node.number());
        Ok(driver.run(runtime, &span))
    })
}

/// The members but the node itself.
fn others(config: &Config) -> Vec<PeerId> {
    let others = config.members.keys().filter(|node| **node != config.node);
    others.map(|node| PeerId(node.number())).collect()
}

fn tell<T>(started: &SyncSender<T>, news: T) {
    // The starter waits for exactly one piece of news, and there is room for it.
    let _ = started.try_send(news);
}

/// Serves on the ports and puts everything together.
fn assemble<W: World, M: StateMachine + Clone + Send + 'static>(
    beginning: Beginning<M, W>,
) -> Result<Driver<M, W>, StartError> {
    let Beginning { world, config, credentials, ports, recovered, trace, board, orders, beacon } =
        beginning;
    let (recovered, work) = recovered;
    let (cluster, incarnation) =
        (credentials.identity().cluster, Incarnation(recovered.incarnation));
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
    let client_port = ClientPortConfig {
        listen: config.client_listen,
        credentials,
        incarnation,
        admitted: ClientNames::AnyCertified,
        connections_max: limits::CLIENT_CONNECTIONS_MAX,
    };
    let (clients, client_events) =
        ClientPort::bind_on(ports.clients, client_port).map_err(StartError::ClientPort)?;
    let (mut host, journal) = recovered.start(core_settings(&config)?, seed(&world)?);
    let named = |name: &String| format!("synod://{cluster}/client/{name}");
    let readers: Vec<String> = config.backup_clients.iter().map(named).collect();
    host.let_read_all(readers.iter().map(String::as_str));
    let reads = Reads::new(journal.reader(), world.placement());
    let snapshots = Snapshots::new(work, world.placement());
    let (outcomes, journal_events) = mpsc::channel(IN_FLIGHT_MAX + 1);
    let journal = world.commits(
        journal,
        Box::new(move |outcome| {
            // There is a place for each commit and for an error; a loop that is gone needs none.
            let _ = outcomes.try_send(outcome);
        }),
    );
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
        snapshots,
        orders,
        time,
        beacon,
        reporter,
        board: board.map(BoardWriter::new),
        trace,
    })
}

/// Opens the journal, and begins the trace of this life where there is a folder for it.
fn recover_traced<W: World, M: StateMachine + Clone>(
    world: &W,
    config: &Config,
    credentials: &Credentials,
    machine: M,
    traces: Option<&Path>,
) -> Result<(Recovered<M, W>, Option<TraceFile>), StartError> {
    let Some(folder) = traces else {
        return Ok((recover(world, config, credentials, machine, None)?, None));
    };
    let failed = |source| StartError::Trace { path: folder.to_owned(), source };
    // Before the journal is opened, as its records are the beginning of the trace; and what begins
    // the life is in the file before the life begins.
    let mut trace = TraceFile::create(folder).map_err(failed)?;
    let recovered = recover(world, config, credentials, machine, Some(&mut trace))?;
    let (incarnation, state_at) = (recovered.0.incarnation, recovered.0.state_at());
    trace.recorder.on_began(trace::now_ns(), incarnation, state_at);
    trace.write().map_err(failed)?;
    Ok((recovered, Some(trace)))
}

/// Reads the journal and makes this start durable. One that was refused stops here: its host would
/// say nothing to anybody, and end with its first turn, when whoever waits for the start had been
/// told already that it serves.
fn recover<W: World, M: StateMachine + Clone>(
    world: &W,
    config: &Config,
    credentials: &Credentials,
    machine: M,
    mut trace: Option<&mut TraceFile>,
) -> Result<Recovered<M, W>, StartError> {
    let options = existing(world, config, credentials.identity().cluster);
    let mut progress = Progress::begin(config.node.number());
    let settings = Settings {
        log_bytes: config.log_bytes,
        scrub: ScrubPace {
            bytes_per_second: config.scrub_bytes_per_second,
            ..ScrubPace::default()
        },
        certificate_end_s: Some(end_of(credentials)),
        ..Settings::default()
    };
    let watch = |_: &[u8], record: &_| {
        progress.note();
        if let Some(trace) = &mut trace {
            trace.recorder.on_recovered(record);
            trace.write_some();
        }
    };
    let snapshots = config.data.join(SNAPSHOTS);
    let folders = DataFolders { journal: &config.data, snapshots: &snapshots };
    let begun = synod_host::open_above(world.disk(), folders, &options, machine, &settings, watch)?;
    match begun.0.refused(config.node) {
        Some(reason) => Err(StartError::Refused { path: config.data.clone(), reason }),
        None => Ok(begun),
    }
}

/// Looks at the journal; see [`Node::inspect`].
pub(crate) fn inspect(world: &impl World, config: &Config) -> Result<Inspected, StartError> {
    config.check()?;
    let TlsFiles { authority, certificate, key } = &config.tls;
    let credentials = Credentials::load(authority, certificate, key)?;
    let cluster = check_identity(config, &credentials)?;
    check_dates(world, config, &credentials)?;
    let (options, settings) = (existing(world, config, cluster), Settings::default());
    let snapshots = config.data.join(SNAPSHOTS);
    let folders = DataFolders { journal: &config.data, snapshots: &snapshots };
    Ok(synod_host::inspect(world.disk(), folders, &options, config.node, &settings)?)
}

/// Refuses a certificate that is of no use at this time. A node with it would be ready, and neither
/// vote nor serve.
fn check_dates(
    world: &impl World,
    config: &Config,
    credentials: &Credentials,
) -> Result<(), StartError> {
    let present = UNIX_EPOCH + Duration::from_millis(world.wall().unix_ms());
    let what = if present < credentials.not_before() {
        "is not good yet"
    } else if present > credentials.not_after() {
        "has ended"
    } else {
        return Ok(());
    };
    Err(StartError::Outdated { path: config.tls.certificate.clone(), what })
}

/// Asks for the journal that the node has.
fn existing(world: &impl World, config: &Config, cluster: ClusterId) -> Options {
    // What it cannot tell, the opening says.
    let found = Journal::identity(&world.disk(), &config.data).unwrap_or_default();
    let began = synod_host::beginning_of(&String::from_utf8_lossy(&found));
    let mut options = Options::new(journal_identity(config, cluster, began).as_bytes());
    options.create = Create::Never;
    options.segment_bytes = config.segment_bytes;
    options
}

/// Draws what spreads the timers of this node.
fn seed(world: &impl World) -> Result<u64, StartError> {
    world::seed(world).map_err(|source| StartError::System { what: "random bytes", source })
}

fn runtime() -> Result<Runtime, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| StartError::System { what: "a runtime", source })
}

/// How long the end of a node waits for a read of old decrees: a disk that hangs in one does not
/// keep the node from ending.
const READ_END_MAX: Duration = Duration::from_secs(1);

/// How many orders may wait for the loop: the second one is as good as the first.
const ORDERS_MAX: usize = 4;
