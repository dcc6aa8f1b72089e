//! From a plan to a cluster that serves: folder, ports, proxies, nodes, bridge.
//!
//! Everything that can be wrong with the environment shows here, before any fault, and is told
//! with what to do about it. What was started is owned by [`TestCluster`] and ends with it.

mod around;
mod attached;
mod nodes;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_fault::{LIVE_NODES_MAX, NodeId, Scenario};
use synod_history::{Request, visible};
use synod_shim::reach::{self, ReachError};
use tokio::time::Instant;

use super::bridge::{Bridge, BridgeError, Outcome};
use super::cluster::{Cluster, ClusterError};
use super::folder::RunFolder;
use super::guard::{Guard, Limits};
use super::machines::Machines;
use super::network::Network;
use super::ports::PortBlock;
use super::program;
use super::signs::Signs;
use super::system::{
    CommandLine, HARNESS, OF_NODE, Placeholders, ScopedCommand, System, SystemError,
};
use super::traffic;
use super::who_leads::LeaderProbe;
use super::witness::Witness;
pub(crate) use nodes::RunningNodes;
use nodes::all_run;

/// What is put on the stage.
#[derive(Clone, Debug)]
pub struct SystemUnderTest {
    /// The system under test.
    pub system: System,
    /// Its binary, where its commands name one.
    pub binary: PathBuf,
    /// The folder of its description.
    pub here: PathBuf,
    /// The guard.
    pub guard: Guard,
    /// Limits of every node.
    pub limits: Limits,
    /// How many bridge processes share the clients.
    pub bridges: u32,
    /// Whether its cluster is running already, at the addresses of the description.
    pub attached: bool,
}

/// What is written of a system under test, so that a run can be repeated: the content of
/// `system.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemManifest {
    /// The system under test.
    pub system: System,
    /// Its binary.
    pub binary: PathBuf,
    /// The folder of its description; runs of before have none.
    #[serde(default)]
    pub here: PathBuf,
    /// How many bridge processes share the clients.
    pub bridges: u32,
    /// Limits of every node; runs of before have none.
    #[serde(default)]
    pub limits: Limits,
    /// Whether its cluster was running already.
    #[serde(default)]
    pub attached: bool,
}

/// A running system with everything around it.
#[derive(Debug)]
pub struct TestCluster {
    /// The nodes.
    pub cluster: Cluster,
    /// The links between them, and to the clients.
    pub network: Network,
    /// Who sees what becomes of the nodes' processes.
    pub witness: Witness,
    /// The machines that the nodes take for theirs, where the plan does something to them.
    pub machines: Machines,
    /// The clients' way in.
    pub bridge: Arc<Bridge>,
    /// What says who leads, if the description has that.
    pub(crate) who_leads: Option<Arc<LeaderProbe>>,
    /// Where each node serves clients.
    pub(crate) clients: Vec<(NodeId, String)>,
    /// The claim on the nodes' ports.
    _ports: Option<PortBlock>,
}

/// Prints the last lines of a log, where there are any.
fn said(tail: &str) -> String {
    match tail {
        "" => ", and said nothing".to_owned(),
        tail => format!(":\n{tail}"),
    }
}

/// Why there is no cluster. The environment is to blame, or the description of the system.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A program does not exist, or what is there is none.
    #[error("{}, which the description of {name} names as a program, {why}", program.display())]
    NoProgram {
        /// The program.
        program: PathBuf,
        /// The name of the system.
        name: String,
        /// What there is in its place.
        why: program::NoProgram,
    },
    /// A program cannot be given a disk and a clock of its own.
    #[error(
        "nothing can be done to the power, the disk or the clock of {program}: {why}",
        program = program.display()
    )]
    Unreached {
        /// The program.
        program: PathBuf,
        /// Why not.
        why: ReachError,
    },
    /// The system's description makes no command.
    #[error("the description of the system is wrong: {0}")]
    System(#[from] SystemError),
    /// A node does not start.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The bridge is gone.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// The system refused something.
    #[error("cannot {what}: {source}")]
    Io {
        /// What.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// More nodes than a block of ports holds.
    #[error("{nodes} nodes are too many; {most} is the most")]
    TooManyNodes {
        /// How many were asked for.
        nodes: u16,
        /// How many there can be.
        most: u16,
    },
    /// Preparing the system failed.
    #[error("{what} failed ({how}){}", said(tail))]
    Failed {
        /// What ended.
        what: String,
        /// How.
        how: String,
        /// The last lines of its log.
        tail: String,
    },
    /// A plan asks for what is not in the harness's hands at a cluster that it has not started.
    #[error("{what}; {remedy}")]
    NotInHand {
        /// What it asks for.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A cluster that should be running is not there.
    #[error(
        "the cluster at {addresses} does not serve: {why}; the harness has started none of its \
         nodes, so see that they run where `addresses` in the description says"
    )]
    NotThere {
        /// What is missing.
        why: String,
        /// Where it should be.
        addresses: String,
    },
    /// The cluster does not come up.
    #[error("the cluster did not serve within {} s: {why}; see the logs under {}",
        START_LIMIT.as_secs(), folder.display())]
    NotReady {
        /// What is missing.
        why: String,
        /// Where the logs are.
        folder: PathBuf,
        /// Proxies that nobody ever used, which may be why; one sentence each.
        unused: Vec<String>,
    },
}

impl SystemUnderTest {
    /// Returns what is written of it.
    #[must_use]
    pub fn written(&self) -> SystemManifest {
        SystemManifest {
            system: self.system.clone(),
            binary: self.binary.clone(),
            here: self.here.clone(),
            bridges: self.bridges,
            limits: self.limits,
            attached: self.attached,
        }
    }

    /// Looks for the programs, so that a missing one is told before anything is made.
    ///
    /// # Errors
    ///
    /// [`SetupError::NoProgram`].
    pub fn check(&self, plan: &Scenario) -> Result<(), SetupError> {
        if plan.nodes == 0 || plan.nodes > NODES_MAX {
            return Err(SetupError::TooManyNodes { nodes: plan.nodes, most: NODES_MAX });
        }
        self.system.check()?;
        if self.attached {
            return self.check_attached(plan);
        }
        if self.system.serve.is_empty() {
            return Err(SystemError::NoServe.into());
        }
        let gaps = self.every_gap();
        let System { init, create, serve, .. } = &self.system;
        let commands = [init.as_ref(), create.as_ref(), Some(serve)];
        let who_leads = self.system.who_leads.as_deref();
        let commands = commands.into_iter().flatten().map(Vec::as_slice).chain(who_leads);
        for words in commands.chain([&*self.system.bridge_words()]) {
            self.look_for(gaps.fill(words)?.program)?;
        }
        let gaps = gaps.with("run", "/").with("pid", "1");
        let around = [&self.system.setup, &self.system.stop, &self.system.teardown];
        for words in around.into_iter().flat_map(ScopedCommand::commands) {
            self.look_for(gaps.fill(words)?.program)?;
        }
        if plan.hits_machines() {
            let program = gaps.fill(serve)?.program;
            reach::look(&program).map_err(|why| SetupError::Unreached { program, why })?;
            if self.system.env.serve.contains_key("LD_PRELOAD") {
                return Err(SystemError::PreloadTaken.into());
            }
        }
        if let Some(words) = &self.system.audit {
            self.look_for(self.audit_gaps(Path::new("/")).fill(words)?.program)?;
        }
        Ok(())
    }

    /// Tells whether something can be done to the power, the disks and the clocks of its nodes.
    #[must_use]
    pub fn reaches_machines(&self) -> bool {
        let program = self.every_gap().fill(&self.system.serve).map(|command| command.program);
        let is_reached = program.is_ok_and(|program| reach::look(&program).is_ok());
        is_reached && !self.attached && !self.system.env.serve.contains_key("LD_PRELOAD")
    }

    /// Starts everything and waits until the cluster serves.
    ///
    /// # Errors
    ///
    /// [`SetupError`]; whatever was started has been ended.
    pub async fn start(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
    ) -> Result<TestCluster, SetupError> {
        let nodes = if self.attached {
            self.attach(plan, folder).await?
        } else {
            self.start_nodes(plan, folder).await?
        };
        let mut bridges = Vec::new();
        // Without any, nobody could be asked for anything.
        for number in 1..=self.bridges.max(1) {
            bridges.push(self.start_bridge(&nodes, folder, number)?);
        }
        let RunningNodes { cluster, network, machines, witness, who_leads, clients, ports, .. } =
            nodes;
        let bridge = Bridge::new(bridges).telling(self.system.told());
        let bridge = if self.attached { bridge.prefixed(prefix_of(folder)) } else { bridge };
        let stage = TestCluster {
            cluster,
            network,
            machines,
            witness,
            bridge: Arc::new(bridge),
            who_leads: who_leads.map(Arc::new),
            clients,
            _ports: ports,
        };
        match stage.wait_until_ready(plan, folder, &self.system).await {
            Err(SetupError::NotReady { why, .. }) if self.attached => Err(self.not_there(why)),
            ready => ready.map(|()| stage),
        }
    }

    fn look_for(&self, program: PathBuf) -> Result<(), SetupError> {
        let name = &self.system.name;
        let none =
            |why| SetupError::NoProgram { program: program.clone(), name: name.clone(), why };
        program::look(&program).map_err(none)
    }

    fn command(&self, launch: &CommandLine) -> std::process::Command {
        self.guard.command(&launch.program, &launch.arguments, Limits::default())
    }

    /// Makes the command that looks at what a run has left, if there is one.
    pub(crate) fn audit_command(
        &self,
        run: &Path,
    ) -> Result<Option<std::process::Command>, SystemError> {
        let Some(words) = &self.system.audit else { return Ok(None) };
        let gaps = self.audit_gaps(run);
        let mut command = self.command(&gaps.fill(words)?);
        command.envs(gaps.fill_variables(&self.system.env.audit)?);
        Ok(Some(command))
    }

    fn audit_gaps(&self, run: &Path) -> Placeholders {
        Placeholders::default()
            .with("binary", &self.binary)
            .with("here", &self.here)
            .with("run", run)
    }

    fn gaps(&self, config: &Path) -> Placeholders {
        Placeholders::default()
            .with("binary", &self.binary)
            .with("here", &self.here)
            .with("dir", config)
            .with(HARNESS, self.guard.harness())
    }

    /// Fills every gap with something, to see what the commands would be.
    fn every_gap(&self) -> Placeholders {
        let gaps = self.gaps(Path::new("/")).with("nodes", "1");
        OF_NODE.into_iter().fold(gaps, |gaps, gap| gaps.with(gap, "1"))
    }
}

impl TestCluster {
    /// Waits until every node answers and one leads, as far as either is told.
    async fn wait_until_ready(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
        system: &System,
    ) -> Result<(), SetupError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            // How a process ended says more than the status that does not come from it.
            all_run(&self.cluster, folder)?;
            let Some(why) = self.missing(plan, system).await? else { return Ok(()) };
            if Instant::now() >= deadline {
                let folder = folder.path().to_owned();
                let links = self.network.counts();
                let unused = traffic::unused(system, &plan.node_ids(), &links);
                return Err(SetupError::NotReady { why, folder, unused });
            }
            tokio::time::sleep(READY_STEP).await;
        }
    }
}

impl TestCluster {
    /// Returns by what the nodes show that they serve.
    pub(crate) fn signs<'a>(&'a self, system: &'a System) -> Signs<'a> {
        Signs { told: system.told(), ready: &system.ready, ports: &self.clients }
    }

    /// Says what is missing for a run to begin, if anything is.
    async fn missing(
        &self,
        plan: &Scenario,
        system: &System,
    ) -> Result<Option<String>, BridgeError> {
        let told = system.told();
        let (mut silent, mut leads) = (Vec::new(), !told.leads);
        if told.are_any() {
            for (client, node) in (plan.clients..).zip(plan.node_ids()) {
                match self.bridge.status(client, node, STATUS_LIMIT).await? {
                    Ok(status) => leads |= status.leads.is_some(),
                    Err(why) => silent.push((node.to_string(), why)),
                }
            }
        }
        if !silent.is_empty() {
            return Ok(Some(silence(&silent)));
        }
        if !leads {
            return Ok(Some("no node leads".to_owned()));
        }
        if let Some(probe) = &self.who_leads {
            match probe.ask().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Some("`who_leads` names no node".to_owned())),
                Err(why) => return Ok(Some(format!("`who_leads` does not tell: {why}"))),
            }
        }
        if told.are_any() || !system.ready.is_default() {
            return Ok(None);
        }
        // Nothing else says that anybody serves. No workload has this key.
        let read = Request::Read { key: READY_KEY.to_owned() };
        let why = match self.bridge.call(plan.clients, None, &read, STATUS_LIMIT).await? {
            Outcome::Ok(_) => return Ok(None),
            Outcome::Fail(why) => format!("`fail`, {why}"),
            Outcome::Info(why) => format!("`info`, {why}"),
        };
        let said = format!("a first `read` of {READY_KEY} is answered {why}");
        Ok(Some(format!("{said}; a system without `read` needs `ready` in its description")))
    }
}

/// Returns what the keys of a run begin with at a cluster that others use, too: its folder has its
/// time and seed, and no two processes of a machine have one number.
fn prefix_of(folder: &RunFolder) -> String {
    let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("{name}-{}.", std::process::id())
}

/// Tells of nodes without a status, and of the first why.
fn silence(silent: &[(String, String)]) -> String {
    let nodes: Vec<&str> = silent.iter().map(|(node, _)| node.as_str()).collect();
    let why = silent.first().map(|(_, why)| why.as_str()).unwrap_or_default();
    let why: String = why.chars().take(WHY_CHARS_MAX).collect();
    format!("no status comes from node {} ({})", nodes.join(" "), visible(&why))
}

/// What is told of why a node has no status.
const WHY_CHARS_MAX: usize = 200;

/// Nodes that a run can have.
pub const NODES_MAX: u16 = LIVE_NODES_MAX;

const _: () = assert!(NODES_MAX * 3 <= PortBlock::LEN, "each node has its three ports");

/// How long the cluster may take to serve.
const START_LIMIT: Duration = Duration::from_secs(20);

const STATUS_LIMIT: Duration = Duration::from_millis(500);

/// The key that is read to see whether a system serves that tells nothing else.
const READY_KEY: &str = "ready";

const READY_STEP: Duration = Duration::from_millis(50);
