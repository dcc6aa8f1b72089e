//! From a plan to a cluster that serves: folder, ports, proxies, nodes, bridge.
//!
//! Everything that can be wrong with the environment shows here, before any fault, and is told
//! with what to do about it. What was started is owned by [`TestCluster`] and ends with it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_fault::{CLIENTS, LIVE_NODES_MAX, NodeId, Scenario, Transports};
use synod_shim::reach::{self, ReachError};
use tokio::time::Instant;

use super::bridge::{Bridge, BridgeError};
use super::cluster::{Cluster, ClusterError, NodeSpec};
use super::folder::{DATA, NODES, RunFolder};
use super::guard::{Guard, Limits};
use super::logs;
use super::machines::Machines;
use super::network::{Network, Route};
use super::ports::PortBlock;
use super::process::{Process, STDERR_LOG, describe_end};
use super::system::{CommandLine, Placeholders, System, SystemError, is_executable};
use super::traffic;
use super::witness::{ListenPort, Witness};

/// What is put on the stage.
#[derive(Clone, Debug)]
pub struct SystemUnderTest {
    /// The system under test.
    pub system: System,
    /// Its binary, where its commands name one.
    pub binary: PathBuf,
    /// The guard.
    pub guard: Guard,
    /// Limits of every node.
    pub limits: Limits,
    /// How many bridge processes share the clients.
    pub bridges: u32,
}

/// What is written of a cast, so that a run can be repeated: the content of `system.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemManifest {
    /// The system under test.
    pub system: System,
    /// Its binary.
    pub binary: PathBuf,
    /// How many bridge processes share the clients.
    pub bridges: u32,
    /// Limits of every node; runs of before have none.
    #[serde(default)]
    pub limits: Limits,
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
    /// The claim on the nodes' ports.
    _ports: PortBlock,
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
    /// A program does not exist.
    #[error("there is no program {}, which the description of {name} names; build it first, or \
        name it with --binary", program.display())]
    NoProgram {
        /// The program.
        program: PathBuf,
        /// The name of the system.
        name: String,
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
            bridges: self.bridges,
            limits: self.limits,
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
        let gaps = self.every_gap();
        let System { init, create, serve, .. } = &self.system;
        let commands = [init.as_ref(), create.as_ref(), Some(serve)];
        for words in commands.into_iter().flatten().chain([&self.system.bridge]) {
            let program = gaps.fill(words)?.program;
            if !is_executable(&program) {
                return Err(SetupError::NoProgram { program, name: self.system.name.clone() });
            }
        }
        if plan.hits_machines() {
            let program = gaps.fill(serve)?.program;
            reach::look(&program).map_err(|why| SetupError::Unreached { program, why })?;
        }
        if let Some(words) = &self.system.audit {
            let gaps = Placeholders::default().with("binary", &self.binary).with("run", "/");
            let program = gaps.fill(words)?.program;
            if !is_executable(&program) {
                return Err(SetupError::NoProgram { program, name: self.system.name.clone() });
            }
        }
        Ok(())
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
        let io = |what| move |source| SetupError::Io { what, source };
        let ports = PortBlock::claim().map_err(io("find free ports"))?;
        let nodes = plan.node_ids();
        let mut network = Network::start(plan.seed, &routes(&nodes, &ports, self.system.transport))
            .map_err(io("start the proxies"))?;
        network.send_canaries().map_err(io("start the canaries"))?;
        let config = folder.file("config");
        self.init(plan, folder, &config).await?;
        let mut specs = self.specs(&nodes, folder, &config, &ports, &network).await?;
        let machines = Machines::make(plan, &mut specs)?;
        let cluster = Cluster::new(self.guard.clone(), self.limits, specs);
        for node in &nodes {
            cluster.start(*node)?;
        }
        let bridge = Arc::new(self.start_bridges(&nodes, folder, &config, &network)?);
        let witness = Witness::new(listen_ports(&self.system, &nodes, &ports));
        let stage = TestCluster { cluster, network, machines, witness, bridge, _ports: ports };
        stage.wait_until_ready(plan, folder, &self.system).await?;
        Ok(stage)
    }

    /// Lets the system make its configuration; its folder is left for it to make.
    async fn init(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
        config: &Path,
    ) -> Result<(), SetupError> {
        let what = "prepare the system";
        let io = |source| SetupError::Io { what, source };
        let Some(words) = &self.system.init else {
            return std::fs::create_dir(config).map_err(io);
        };
        let home = folder.inner("init").map_err(io)?;
        let gaps = self.gaps(config).with("nodes", plan.nodes.to_string());
        self.run(&gaps.fill(words)?, &home).await
    }

    /// Runs a command that prepares something to its end; its logs go to `home`.
    async fn run(&self, launch: &CommandLine, home: &Path) -> Result<(), SetupError> {
        let io = |source| SetupError::Io { what: "prepare the system", source };
        let command = self.command(launch, Limits::default());
        let process = Process::start(command, home).map_err(io)?;
        let ended = tokio::time::timeout(INIT_LIMIT, process.ended()).await;
        if ended.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        let how = process.end().map_or_else(|| "it takes too long".to_owned(), describe_end);
        let tail = logs::tail(&home.join(STDERR_LOG), 20).join("\n");
        Err(SetupError::Failed { what: launch.program.display().to_string(), how, tail })
    }

    /// Works out the commands of the nodes, and lets the system make what a node starts from.
    async fn specs(
        &self,
        nodes: &[NodeId],
        folder: &RunFolder,
        config: &Path,
        ports: &PortBlock,
        network: &Network,
    ) -> Result<Vec<NodeSpec>, SetupError> {
        let mut specs = Vec::new();
        for id in nodes {
            let what = "make a node's folder";
            let io = |source| SetupError::Io { what, source };
            let home = folder.inner(&format!("{NODES}/{id}")).map_err(io)?;
            let (peer, client) = listeners(*id, ports);
            let mut gaps = self
                .gaps(config)
                .with("node", id.to_string())
                .with("nodes", nodes.len().to_string())
                .with("data", home.join(DATA))
                .with("peer-listen", peer.to_string())
                .with("client-listen", client.to_string());
            for other in nodes.iter().filter(|other| *other != id) {
                let proxy = network.address(*id, *other).expect("each pair has a proxy");
                gaps = gaps.node(*other, proxy);
            }
            if let Some(words) = &self.system.create {
                let logs = folder.inner(&format!("init/{id}")).map_err(io)?;
                self.run(&gaps.fill(words)?, &logs).await?;
            }
            let launch = gaps.fill(&self.system.serve)?;
            specs.push(NodeSpec {
                id: *id,
                launch,
                variables: Vec::new(),
                folder: home,
                shim: None,
            });
        }
        Ok(specs)
    }

    fn start_bridges(
        &self,
        nodes: &[NodeId],
        folder: &RunFolder,
        config: &Path,
        network: &Network,
    ) -> Result<Bridge, SetupError> {
        let mut gaps = self.gaps(config).with("nodes", nodes.len().to_string());
        for node in nodes {
            let proxy = network.address(CLIENTS, *node).expect("the clients reach every node");
            gaps = gaps.node(*node, proxy);
        }
        let launch = gaps.fill(&self.system.bridge)?;
        let mut processes = Vec::new();
        for number in 1..=self.bridges.max(1) {
            let io = |source| SetupError::Io { what: "start the bridge", source };
            let home = folder.inner(&format!("bridge/{number}")).map_err(io)?;
            let command = self.command(&launch, Limits::default());
            processes.push(Process::start_piped(command, &home).map_err(io)?);
        }
        Ok(Bridge::new(processes))
    }

    fn command(&self, launch: &CommandLine, limits: Limits) -> std::process::Command {
        self.guard.command(&launch.program, &launch.arguments, limits)
    }

    /// Makes the command that looks at what a run has left, if there is one.
    pub(crate) fn audit_command(
        &self,
        run: &Path,
    ) -> Result<Option<std::process::Command>, SystemError> {
        let Some(words) = &self.system.audit else { return Ok(None) };
        let gaps = Placeholders::default().with("binary", &self.binary).with("run", run);
        Ok(Some(self.command(&gaps.fill(words)?, Limits::default())))
    }

    fn gaps(&self, config: &Path) -> Placeholders {
        Placeholders::default().with("binary", &self.binary).with("dir", config)
    }

    /// Fills every gap with something, to see what the commands would be.
    fn every_gap(&self) -> Placeholders {
        ["node", "nodes", "data", "peer-listen", "client-listen"]
            .into_iter()
            .fold(self.gaps(Path::new("/")), |gaps, gap| gaps.with(gap, "1"))
    }
}

impl TestCluster {
    /// Waits until every node answers and one leads.
    async fn wait_until_ready(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
        system: &System,
    ) -> Result<(), SetupError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(exit) = self.cluster.lone_exits().first() {
                let log = folder.file(&format!("{NODES}/{}/{STDERR_LOG}", exit.node));
                return Err(SetupError::Failed {
                    what: format!("node {}", exit.node),
                    how: exit.how.clone(),
                    tail: logs::tail(&log, 20).join("\n"),
                });
            }
            let (mut silent, mut leads) = (Vec::new(), false);
            for (client, node) in (plan.clients..).zip(plan.node_ids()) {
                match self.bridge.status(client, node, STATUS_LIMIT).await? {
                    Some(status) => leads |= status.leads.is_some(),
                    None => silent.push(node.to_string()),
                }
            }
            if silent.is_empty() && leads {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let why = match silent.as_slice() {
                    [] => "no node leads".to_owned(),
                    silent => format!("no status comes from node {}", silent.join(" ")),
                };
                let folder = folder.path().to_owned();
                let links = self.network.counts();
                let unused = traffic::unused(system, &plan.node_ids(), &links);
                return Err(SetupError::NotReady { why, folder, unused });
            }
            tokio::time::sleep(READY_STEP).await;
        }
    }
}

/// The ports of a node: for its peers and for its clients.
fn listeners(node: NodeId, ports: &PortBlock) -> (std::net::SocketAddr, std::net::SocketAddr) {
    let first = (node.0 - 1) * 2;
    (ports.address(first), ports.address(first + 1))
}

/// The ports at which each node was told to listen.
fn listen_ports(
    system: &System,
    nodes: &[NodeId],
    ports: &PortBlock,
) -> BTreeMap<NodeId, Vec<ListenPort>> {
    let Transports { peer, client } = system.transport;
    let of_node = |node: &NodeId| {
        let (at_peers, at_clients) = listeners(*node, ports);
        let all = [("peer-listen", peer, at_peers), ("client-listen", client, at_clients)];
        let named = all.into_iter().filter(|(gap, ..)| system.names_gap(gap));
        let named = named.map(|(_, transport, at)| ListenPort { transport, number: at.port() });
        (*node, named.collect())
    };
    nodes.iter().map(of_node).collect()
}

/// A proxy for every ordered pair of nodes, and one from the clients to each node.
fn routes(nodes: &[NodeId], ports: &PortBlock, transport: Transports) -> Vec<Route> {
    let mut routes = Vec::new();
    for listener in nodes {
        let (peer, client) = listeners(*listener, ports);
        let dialers = nodes.iter().filter(|dialer| *dialer != listener);
        routes.extend(dialers.map(|dialer| Route {
            dialer: *dialer,
            listener: *listener,
            upstream: peer,
            transport: transport.peer,
        }));
        routes.push(Route {
            dialer: CLIENTS,
            listener: *listener,
            upstream: client,
            transport: transport.client,
        });
    }
    routes
}

/// Nodes that a run can have.
pub const NODES_MAX: u16 = LIVE_NODES_MAX;

const _: () = assert!(NODES_MAX * 2 <= PortBlock::LEN, "each node has its two ports");

/// How long preparing the system may take.
const INIT_LIMIT: Duration = Duration::from_secs(30);

/// How long the cluster may take to serve.
const START_LIMIT: Duration = Duration::from_secs(20);

const STATUS_LIMIT: Duration = Duration::from_millis(500);

const READY_STEP: Duration = Duration::from_millis(50);
