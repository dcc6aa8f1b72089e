//! One run: plan, folder, cluster, faults, healing, judgement, report.
//!
//! The order is the claim: the plan is on disk before anything starts, every event is on disk
//! before it is judged, and a run that is interrupted at any point still ends with a report of
//! what it had seen. Everything that waits does so together with the interrupt.

mod finish;
mod show;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use serde::Serialize;
use synod_fault::{
    CLIENTS, Conditions, FaultId, LinkId, LinkRules, Scenario, Transports, UnfitRule, Unsupported,
    all_links,
};
use synod_history::HistoryError;
use synod_report::ReportError;
use synod_report::{AfterHeal, RunSummary, SeenMessages};
use synod_workload::Workload;
use tokio::time::Instant;

use super::bridge::BridgeError;
use super::clients::{Clients, quietest};
use super::cluster::ClusterError;
use super::console::Console;
use super::engine::Engine;
use super::folder::{self, RunFolder};
use super::heal;
use super::injector::{Happened, Injector};
use super::interrupt::Interrupt;
use super::leaders::Leaders;
use super::log_watch::{LogWatch, WatchedLogs};
use super::poll::StatusPoller;
use super::record::Recorder;
use super::runs;
use super::setup::{SetupError, SystemUnderTest, TestCluster};
use super::traffic;
use super::witness::Watch;
use finish::{RunData, finish, look};
use show::Show;

/// What to run, and where.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The plan.
    pub plan: Scenario,
    /// What the clients do: that of the plan, by its name.
    pub workload: Arc<dyn Workload>,
    /// The system under test.
    pub under_test: SystemUnderTest,
    /// The folder of all runs.
    pub runs: PathBuf,
    /// How many runs are kept.
    pub keep: usize,
    /// The command that runs the plan again.
    pub reproduce: String,
}

/// A run that came to its end.
#[derive(Debug)]
pub struct Finished {
    /// What it amounts to.
    pub summary: RunSummary,
    /// Where its files are.
    pub folder: PathBuf,
}

/// Why a run did not come to its end. Not the system under test is to blame.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The cluster could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A node could not be started again.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The bridge failed.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// The plan asks for what no live run can do.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The plan names another workload than was brought.
    #[error("the plan asks for the workload `{planned}`, and `{brought}` was brought")]
    OtherWorkload {
        /// That of the plan.
        planned: String,
        /// That which was brought.
        brought: String,
    },
    /// The links cannot obey the conditions of the plan.
    #[error(transparent)]
    Unfit(UnfitRule),
    /// No node has led for long enough to be worth killing.
    #[error("no node leads, or none for long; see the logs in the run folder")]
    NoLeader,
    /// The history could not be written, or read back.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The page could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file of the run could not be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs a plan to its end.
///
/// Call it on the main thread, in a runtime of one thread: the kernel ties each process to the
/// thread that started it, and what signals a process must not run beside what reaps it. The
/// [crate's documentation](crate#examples) has a whole order.
///
/// # Errors
///
/// [`RunError`]; no process is left running.
pub async fn run(
    order: &RunConfig,
    interrupt: &Interrupt,
    console: &mut Console,
) -> Result<Finished, RunError> {
    // A target that is left to chance would hit nobody.
    let order = &RunConfig { plan: order.plan.drawn(), ..order.clone() };
    let system = &order.under_test.system;
    let world = system.abilities().with_shim();
    world.check_all(&order.plan)?;
    world.check_system(&order.plan, &system.name)?;
    order.under_test.check(&order.plan)?;
    let (planned, brought) = (&order.plan.workload, order.workload.name());
    if planned != brought {
        let (planned, brought) = (planned.clone(), brought.to_owned());
        return Err(RunError::OtherWorkload { planned, brought });
    }
    let began = SystemTime::now();
    let folder = prepare(order, began)?;
    let ended = run_in(order, &folder, began, interrupt, console).await;
    let path = folder.path().to_owned();
    // A run that came to no end is cut off from here on, and listed as such.
    drop(folder);
    let runs = order.runs.clone();
    // A page that cannot be written is no reason to lose a verdict.
    drop(spawn_blocking(move || Ok(runs::write_index(&runs))).await);
    let summary = ended?;
    console.last(&summary, &path);
    Ok(Finished { summary, folder: path })
}

/// Runs a plan to its end in a folder.
async fn run_in(
    order: &RunConfig,
    folder: &RunFolder,
    began: SystemTime,
    interrupt: &Interrupt,
    console: &mut Console,
) -> Result<RunSummary, RunError> {
    console.first(&order.plan, folder.path());
    let mut act = ActiveRun::open(order, folder, began)?;
    let played = tokio::select! {
        played = act.play(console, interrupt) => played,
        () = interrupt.raised() => Ok(()),
    };
    let mut remains = act.end(interrupt).await;
    let played = match played {
        // A cluster that reaches nobody through the proxies says something of its description.
        Err(RunError::Setup(SetupError::NotReady { why, unused, .. })) if !unused.is_empty() => {
            (remains.unused, remains.never_served) = (unused, Some(why));
            Ok(())
        }
        played => played,
    };
    let found = match played {
        Ok(()) => {
            if !remains.interrupted {
                console.line("judging the history");
            }
            look(order, folder, &mut remains, interrupt).await
        }
        Err(error) => Err(error),
    };
    // An audit looks at what a tear-down takes away; whatever went wrong before, this is done.
    remains.around.extend(order.under_test.tear_down(&order.plan, folder).await);
    if found.is_err() {
        // There will be no report that tells of it.
        remains.around.iter().for_each(|told| console.line(told));
    }
    let summary = finish(order, folder, remains, found?, interrupt).await?;
    // A folder that cannot be pruned is no reason to lose a verdict.
    drop(folder::prune(&order.runs, order.keep));
    Ok(summary)
}

fn prepare(order: &RunConfig, began: SystemTime) -> Result<RunFolder, RunError> {
    let folder = RunFolder::create(&order.runs, order.plan.seed, began)
        .map_err(|source| RunError::Write { path: order.runs.clone(), source })?;
    write(&folder.file(folder::PLAN), &order.plan.to_json())?;
    write(&folder.file(folder::SYSTEM), &json(&order.under_test.written()))?;
    let path = order.runs.join(folder::LATEST);
    folder.become_latest().map_err(|source| RunError::Write { path, source })?;
    Ok(folder)
}

/// A run while it goes on.
struct ActiveRun<'a> {
    order: &'a RunConfig,
    folder: &'a RunFolder,
    began: SystemTime,
    record: Arc<Recorder>,
    leaders: Arc<Mutex<Leaders>>,
    happened: Happened,
    /// The faults that commands of the description begin and end, if it has any.
    engine: Option<Engine>,
    watch: Watch,
    /// When all was about to be healed, on the recorder's clock.
    healed: Option<Duration>,
    /// The client that was silent for longest when all was healed, and for how many milliseconds.
    quiet: Option<(u32, u64)>,
    stage: Option<TestCluster>,
    logs: Option<LogWatch>,
    after: Option<AfterHeal>,
}

impl<'a> ActiveRun<'a> {
    fn open(
        order: &'a RunConfig,
        folder: &'a RunFolder,
        began: SystemTime,
    ) -> Result<Self, RunError> {
        let record = Recorder::create(&folder.file(folder::HISTORY), StdInstant::now())?;
        Ok(Self {
            order,
            folder,
            began,
            record: Arc::new(record),
            leaders: Arc::default(),
            happened: Happened::default(),
            engine: None,
            watch: Watch::default(),
            healed: None,
            quiet: None,
            stage: None,
            logs: None,
            after: None,
        })
    }

    /// Starts the cluster, breaks it, heals it.
    async fn play(&mut self, console: &mut Console, interrupt: &Interrupt) -> Result<(), RunError> {
        let Self {
            order,
            folder,
            record,
            leaders,
            happened,
            engine,
            watch,
            healed,
            quiet,
            stage,
            logs,
            after,
            ..
        } = self;
        let stage = &*stage.insert(order.under_test.start(&order.plan, folder).await?);
        *engine = order.under_test.engine(&order.plan, folder, &stage.network);
        let engine = &*engine;
        *logs = Some(LogWatch::start(&stage.cluster.folders(), record));
        let (plan, bridge) = (&order.plan, &stage.bridge);
        let transports = order.under_test.system.transport;
        let poll = StatusPoller::start(&plan.node_ids(), plan.clients, stage, record, leaders);
        let mut clients = Clients::start(plan, &*order.workload, bridge, record);
        let mut show = Show { record, leaders, happened, console };
        tokio::select! {
            broken = break_things(plan, transports, stage, leaders, record, happened, engine) => {
                broken?;
            }
            error = clients.failed() => return Err(error.into()),
            never = show.keep_showing() => match never {},
            never = watch.keep_looking(&stage.witness, &stage.cluster) => match never {},
            () = interrupt.raised() => return Ok(()),
        }
        show.show(Some("healing"));
        let now = *healed.insert(record.now());
        *quiet = quietest(plan, record, now);
        *after = Some(heal_and_read(order, folder, stage, leaders, record, clients).await?);
        // Held until here, as its answers are what shows that the nodes serve again.
        drop(poll);
        Ok(())
    }

    /// Ends every process, softly if there is time for that, and sums up what was seen.
    async fn end(self, interrupt: &Interrupt) -> RunData {
        let interrupted = interrupt.is_raised();
        if let Some(engine) = &self.engine {
            // A run that was cut short leaves no fault behind either.
            engine.end(&self.record, &self.happened).await;
        }
        let (leaders, divergences) = {
            let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
            (leaders.spans().to_vec(), leaders.divergences().to_vec())
        };
        let mut remains = RunData {
            interrupted,
            began: self.began,
            counts: self.record.counts(),
            faults: self.happened.faults(),
            engine: self.engine.as_ref().map(Engine::told),
            leaders,
            divergences,
            healed_ns: self.healed.map(|healed| healed.as_nanos() as u64),
            quiet: self.quiet,
            after: self.after,
            links: Vec::new(),
            messages: SeenMessages::default(),
            nodes: Vec::new(),
            logs: WatchedLogs::default(),
            lone_exits: Vec::new(),
            doubts: Vec::new(),
            around: Vec::new(),
            crashes: Vec::new(),
            unused: Vec::new(),
            never_served: None,
            flushed: self.record.flush(),
        };
        if let Some(stage) = self.stage {
            // A server may have been replaced since the watch looked last, which was before the
            // healing.
            self.watch.look(&stage.witness, &stage.cluster);
            remains.doubts = self.watch.replaced();
            let Conditions { links, client_links, .. } = self.order.plan.conditions;
            if !links.cut && !client_links.cut {
                remains.doubts.extend(stage.network.blind());
            }
            // They are taken before everybody is asked to end: a node that ends by itself is known
            // as such only until then.
            remains.lone_exits = stage.cluster.lone_exits();
            remains.doubts.extend(stage.cluster.daemons());
            remains.links = stage.network.counts();
            remains.messages = stage.network.messages_since(self.record.start());
            let nodes = self.order.plan.node_ids();
            if !self.order.under_test.attached {
                let system = &self.order.under_test.system;
                remains.unused = traffic::unused(system, &nodes, &remains.links);
            }
            stage.cluster.measure_memory();
            let patience = if interrupted { SHORT_PATIENCE } else { PATIENCE };
            remains.around = stage.cluster.stop_all(patience).await;
            // Logs are read when nobody writes to them any more: what a node says as it ends counts
            // as well.
            remains.crashes = stage.cluster.crashes(self.order.under_test.system.crash_patterns());
            remains.nodes = stage.cluster.summaries(self.record.start());
        }
        remains.logs = self.logs.map(|logs| logs.end(self.record.now())).unwrap_or_default();
        remains
    }
}

/// Lets the faults of the plan come and go, for as long as the plan says.
async fn break_things(
    plan: &Scenario,
    transports: Transports,
    stage: &TestCluster,
    leaders: &Mutex<Leaders>,
    record: &Recorder,
    happened: &Happened,
    engine: &Option<Engine>,
) -> Result<(), RunError> {
    stage.network.begin(CONDITIONS, conditions(plan)).map_err(RunError::Unfit)?;
    let start = Instant::now();
    let injector = Injector { plan, stage, transports, leaders, record, happened };
    let end = start + plan.time_ms.duration();
    let of_engine = async {
        if let Some(engine) = engine {
            engine.run(end, record, happened).await;
        }
    };
    tokio::join!(injector.run(start), of_engine).0?;
    tokio::time::sleep_until(end).await;
    Ok(())
}

/// Returns what the links do all the time, faults or not.
fn conditions(plan: &Scenario) -> BTreeMap<LinkId, LinkRules> {
    let mut ends = plan.node_ids();
    ends.push(CLIENTS);
    let rules = |link: LinkId| {
        let of_clients = link.from == CLIENTS || link.to == CLIENTS;
        let conditions = &plan.conditions;
        (link, if of_clients { conditions.client_links } else { conditions.links })
    };
    all_links(&ends).into_iter().map(rules).collect()
}

/// Mends everything, lets the clients finish, and asks whether all is well again.
async fn heal_and_read(
    order: &RunConfig,
    folder: &RunFolder,
    stage: &TestCluster,
    leaders: &Mutex<Leaders>,
    record: &Arc<Recorder>,
    clients: Clients,
) -> Result<AfterHeal, RunError> {
    let (healed, since, answered) = (Instant::now(), record.now(), stage.bridge.answered());
    heal::recover(&stage.cluster, &stage.network)?;
    // The last call of each is waited for, and can be answered only once all is mended.
    clients.stop().await?;
    let nodes = order.plan.node_ids();
    let signs = stage.signs(&order.under_test.system);
    let mut after = tokio::select! {
        after = heal::wait_until_served(&nodes, leaders, healed, since, signs) => after,
        failed = heal::keep_starting(&stage.cluster) => match failed? {},
    };
    let is_served = after.served_within_ms.is_some();
    if is_served {
        let path = folder.file(folder::HISTORY);
        record.flush().map_err(|source| RunError::Write { path: path.clone(), source })?;
        let workload = Arc::clone(&order.workload);
        let last = spawn_blocking(move || Ok(workload.final_requests(&path)?)).await?;
        heal::ask_all(last, &order.plan, &stage.bridge, record, &mut after).await?;
    }
    // What the bridge did not bring is not the system's to answer for.
    if let Some(error) = stage.bridge.failure().await {
        return Err(error.into());
    }
    let waited_for_bridge =
        if is_served { !after.unserved.is_empty() } else { signs.told.are_any() };
    if waited_for_bridge && stage.bridge.answered() == answered {
        return Err(BridgeError::Silent(heal::SERVE_LIMIT.as_secs()).into());
    }
    Ok(after)
}

/// Does long work on a thread of its own, so that everything else goes on.
///
/// The thread is not waited for when nobody wants its result any more.
pub(crate) async fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RunError> + Send + 'static,
) -> Result<T, RunError> {
    let (done, result) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("spawn_blocking".to_owned());
    thread
        .spawn(move || drop(done.send(work())))
        .map_err(|source| RunError::Write { path: PathBuf::from("a thread"), source })?;
    result.await.unwrap_or_else(|_| panic!("the work panicked; its thread has said why"))
}

/// Returns the written form of plain data.
///
/// # Panics
///
/// If the data is not plain: if it has keys that are no text, or refuses to be written.
pub(crate) fn json(data: &impl Serialize) -> String {
    serde_json::to_string_pretty(data).expect("plain data has a written form")
}

/// Writes a file of the run.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), RunError> {
    std::fs::write(path, text).map_err(|source| RunError::Write { path: path.to_owned(), source })
}

/// The name of what the links do all the time: no plan has a fault of this number.
const CONDITIONS: FaultId = FaultId(u32::MAX);

/// How long a node may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same when the user wants to go.
const SHORT_PATIENCE: Duration = Duration::from_millis(300);
