//! The nodes of a system, with the proxies between them, before there are clients; and the bridges.
//!
//! When a node is ready is told by `readiness`, what a run makes of all this by the parent. The
//! claim kept true: a node whose process ends as it is to start is told of with its last lines.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use synod_fault::{CLIENTS, NodeId, Scenario, Transports};
use tokio::time::Instant;

use super::{READY_STEP, START_LIMIT, SetupError, SystemUnderTest};
use crate::cluster::{Cluster, NodeSpec, Stops};
use crate::errand::Errand;
use crate::folder::{CONFIG, DATA, NODES, RunFolder};
use crate::kin::Mark;
use crate::logs;
use crate::machines::Machines;
use crate::network::{AnnouncedPort, Network, Route};
use crate::ports::PortBlock;
use crate::process::{Pipes, Process, STDERR_LOG};
use crate::readiness::NodeProbe;
use crate::system::{ANNOUNCED, Announced, Arg, CommandLine, Placeholders, System, Variables};
use crate::who_leads::LeaderProbe;
use crate::witness::kernel::ListenPort;
use crate::witness::{Dialers, Witness};

/// The nodes of a system with everything around them but their clients.
#[derive(Debug)]
pub(crate) struct RunningNodes {
    pub(crate) cluster: Cluster,
    pub(crate) network: Network,
    pub(super) witness: Witness,
    pub(super) machines: Machines,
    /// The command of a bridge.
    pub(super) bridge: CommandLine,
    /// The variables of a bridge.
    pub(super) variables: Vec<(OsString, OsString)>,
    /// What says who leads, if the description has that.
    pub(crate) who_leads: Option<LeaderProbe>,
    /// Where each node serves clients.
    pub(super) clients: Vec<(NodeId, String)>,
    /// The claim on the ports of nodes that were started here.
    pub(super) ports: Option<PortBlock>,
}

impl SystemUnderTest {
    /// Starts the nodes with the proxies between them, and waits until they are ready.
    pub(crate) async fn start_nodes(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
    ) -> Result<RunningNodes, SetupError> {
        let io = |what| move |source| SetupError::Io { what, source };
        let ports = PortBlock::claim().map_err(io("find free ports"))?;
        let ids = plan.node_ids();
        let ports_of = |node| NodePorts::of(node, &self.system, &ports);
        let all: Vec<NodePorts> = ids.iter().copied().map(ports_of).collect();
        let routes = routes(&all, self.system.transport);
        // The proxies come first, as the nodes are started with their addresses.
        let mut network = Network::start_announced(plan.seed, &routes, &self.announced(&all))
            .map_err(io("start the proxies"))?;
        network.send_tracers().map_err(io("start the tracers"))?;
        let config = folder.file(CONFIG);
        // After the ports are claimed and the proxies stand, before any command of the system: what
        // a set-up makes, such as a mount, may be where the others write.
        self.set_up(plan, folder).await?;
        self.init(plan, folder, &config).await?;
        let mut specs = self.specs(&all, folder, &config, &network).await?;
        let machines = Machines::make(plan, &mut specs)?;
        let logs = specs.iter().map(|spec| (spec.id, spec.folder.clone())).collect::<Vec<_>>();
        let cluster = Cluster::new(self.guard.clone(), self.limits, specs)
            .marked(Mark::of_run(folder.path()));
        let listening = listen_ports(&self.system, &all);
        let cluster = cluster.known_to(network.dialers()).listening_at(listening.clone());
        let cluster = cluster.stopped_by(self.stops(&all, folder, &config, &network)?);
        for node in &ids {
            cluster.start(*node)?;
        }
        // All are started before one is waited for: it may serve once it has a majority, and not
        // before.
        for (node, logs) in logs {
            let probe = NodeProbe { node, client: ports_of(node).client, logs };
            self.wait_for_node(&cluster, folder, &probe).await?;
        }
        // The nodes listen by this point, and whoever listens at their ports is found by those.
        let witness = Witness::new(listening);
        let gaps = self.bridge_gaps(&all, &config, &network);
        let bridge = gaps.fill(&self.system.bridge_words())?;
        let variables = gaps.fill_variables(&self.system.env.bridge)?;
        let probe = self.leader_probe(plan, folder, &gaps, network.dialers())?;
        let who_leads = probe.map(|probe| LeaderProbe {
            variables: [&probe.variables[..], &[cluster.variable_of_clients()]].concat(),
            ..probe
        });
        let clients = all.iter().map(|node| (node.id, node.client.to_string())).collect();
        Ok(RunningNodes {
            cluster,
            network,
            witness,
            machines,
            bridge,
            variables,
            who_leads,
            clients,
            ports: Some(ports),
        })
    }

    /// Makes what says who leads, if the description has that.
    pub(super) fn leader_probe(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
        gaps: &Placeholders,
        dialers: Dialers,
    ) -> Result<Option<LeaderProbe>, SetupError> {
        let Some(words) = &self.system.who_leads else { return Ok(None) };
        let io = |source| SetupError::Io { what: "make the folder of who-leads", source };
        Ok(Some(LeaderProbe {
            launch: gaps.fill(words)?,
            variables: gaps.fill_variables(&self.system.env.bridge)?,
            guard: self.guard.clone(),
            home: folder.inner("who-leads").map_err(io)?,
            run: folder.path().to_owned(),
            dialers,
            nodes: plan.node_ids(),
        }))
    }

    /// Waits until a node is ready, as the description tells it.
    async fn wait_for_node(
        &self,
        cluster: &Cluster,
        folder: &RunFolder,
        probe: &NodeProbe,
    ) -> Result<(), SetupError> {
        let deadline = Instant::now() + START_LIMIT;
        while let Err(why) = self.system.ready.of(probe).await {
            all_run(cluster, folder)?;
            if Instant::now() >= deadline {
                let folder = folder.path().to_owned();
                // Clients have not been there yet, so that proxies without use mean nothing.
                return Err(SetupError::NotReady { why, folder, unused: Vec::new() });
            }
            tokio::time::sleep(READY_STEP).await;
        }
        Ok(())
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
        self.run(folder, &gaps, words, &self.system.env.init, &home).await
    }

    /// Runs a command that prepares something to its end; its logs go to `home`.
    async fn run(
        &self,
        folder: &RunFolder,
        gaps: &Placeholders,
        words: &[Arg],
        variables: &Variables,
        home: &Path,
    ) -> Result<(), SetupError> {
        let launch = gaps.fill(words)?;
        let errand = Errand {
            what: launch.program.display().to_string(),
            launch,
            variables: gaps.fill_variables(variables)?,
            home: home.to_owned(),
            run: folder.path().to_owned(),
            limit: INIT_LIMIT,
        };
        Ok(errand.run(&self.guard).await?)
    }

    /// Works out the commands of the nodes, and lets the system make what a node starts from.
    async fn specs(
        &self,
        nodes: &[NodePorts],
        folder: &RunFolder,
        config: &Path,
        network: &Network,
    ) -> Result<Vec<NodeSpec>, SetupError> {
        let mut specs = Vec::new();
        for ports @ NodePorts { id, .. } in nodes {
            let what = "make a node's folder";
            let io = |source| SetupError::Io { what, source };
            let home = folder.inner(&format!("{NODES}/{id}")).map_err(io)?;
            let gaps = self.node_gaps(ports, nodes, &home, config, network);
            // With the gaps of `serve`: what is made for a node may name its ports and its peers.
            if let Some(words) = &self.system.create {
                let logs = folder.inner(&format!("init/{id}")).map_err(io)?;
                self.run(folder, &gaps, words, &self.system.env.create, &logs).await?;
            }
            let launch = gaps.fill(&self.system.serve)?;
            let upgraded = self.system.upgraded.as_ref().map(|words| gaps.fill(words));
            let upgraded = upgraded.transpose()?;
            let variables = gaps.fill_variables(&self.system.env.serve)?;
            specs.push(NodeSpec { id: *id, launch, upgraded, variables, folder: home, shim: None });
        }
        Ok(specs)
    }

    /// Gives what stands for the gaps of a node's commands.
    fn node_gaps(
        &self,
        NodePorts { id, peer, client, second }: &NodePorts,
        nodes: &[NodePorts],
        home: &Path,
        config: &Path,
        network: &Network,
    ) -> Placeholders {
        let mut gaps = self
            .gaps(config)
            .with("node", id.to_string())
            .with("nodes", nodes.len().to_string())
            .with("data", home.join(DATA))
            .with("peer-listen", peer.to_string())
            .with("client-listen", client.to_string())
            .with("second-listen", second.to_string());
        for other in nodes {
            let announced = other.announced(network);
            if other.id == *id {
                let own = announced.iter();
                gaps = own.fold(gaps, |gaps, (gap, at)| gaps.with(gap, at.to_string()));
            } else {
                // The address of a peer is that of the proxy between the two, so each node has
                // another one for it.
                let proxy = network.address(*id, other.id).expect("each pair has a proxy");
                gaps = gaps.node(other.id, proxy);
            }
            gaps = gaps.announced(other.id, announced);
        }
        gaps
    }

    /// Makes the commands that end the nodes, where there are any.
    fn stops(
        &self,
        nodes: &[NodePorts],
        folder: &RunFolder,
        config: &Path,
        network: &Network,
    ) -> Result<Stops, SetupError> {
        let cluster = self.stop_of_cluster(&self.bridge_gaps(nodes, config, network), folder)?;
        let of_node = |ports: &NodePorts| {
            let home = folder.file(&format!("{NODES}/{}", ports.id));
            let gaps = self.node_gaps(ports, nodes, &home, config, network);
            Some((ports.id, self.stop_of_node(ports.id, gaps, folder)?))
        };
        Ok(Stops { cluster, nodes: nodes.iter().filter_map(of_node).collect() })
    }

    /// Starts a bridge process, with its logs in a folder of this number.
    pub(crate) fn start_bridge(
        &self,
        nodes: &RunningNodes,
        folder: &RunFolder,
        number: u32,
    ) -> Result<(Process, Pipes), SetupError> {
        let io = |source| SetupError::Io { what: "start the bridge", source };
        let home = folder.inner(&format!("bridge/{number}")).map_err(io)?;
        let mut command = self.command(&nodes.bridge);
        command.envs([nodes.cluster.variable_of_clients()]);
        command.envs(nodes.variables.iter().map(|(name, value)| (name, value)));
        let started = Process::start_piped(command, &home).map_err(io)?;
        nodes.network.dialers().note(started.0.pid(), CLIENTS);
        Ok(started)
    }

    /// Names the ports of which one address is announced to all, if the description wants any.
    fn announced(&self, nodes: &[NodePorts]) -> Vec<AnnouncedPort> {
        if !self.system.announces() {
            return Vec::new();
        }
        let both = |ports: &NodePorts| {
            let NodePorts { id: node, peer, client, second } = *ports;
            [
                AnnouncedPort { node, for_peers: peer, for_clients: client },
                AnnouncedPort { node, for_peers: second, for_clients: second },
            ]
        };
        nodes.iter().flat_map(both).collect()
    }

    fn bridge_gaps(&self, nodes: &[NodePorts], config: &Path, network: &Network) -> Placeholders {
        let gaps = self.gaps(config).with("nodes", nodes.len().to_string());
        nodes.iter().fold(gaps, |gaps, node| {
            let proxy = network.address(CLIENTS, node.id).expect("the clients reach every node");
            gaps.node(node.id, proxy).announced(node.id, node.announced(network))
        })
    }
}

/// Tells of a node whose process ended as it was to start.
pub(super) fn all_run(cluster: &Cluster, folder: &RunFolder) -> Result<(), SetupError> {
    let exits = cluster.failed_starts();
    let Some(exit) = exits.first() else { return Ok(()) };
    let log = folder.file(&format!("{NODES}/{}/{STDERR_LOG}", exit.node));
    Err(SetupError::Failed {
        what: format!("node {}", exit.node),
        how: exit.how.clone(),
        tail: logs::tail(&log, 20).join("\n"),
    })
}

/// Where a node really listens.
#[derive(Clone, Copy, Debug)]
struct NodePorts {
    id: NodeId,
    peer: SocketAddr,
    /// The same, if the node has one port for all.
    client: SocketAddr,
    /// A further one, for a system that needs two among its nodes.
    second: SocketAddr,
}

impl NodePorts {
    fn of(id: NodeId, system: &System, ports: &PortBlock) -> Self {
        // Each node has its three ports in the block whether it uses them or not, so that a port
        // tells whose it is.
        let first = (id.0 - 1) * 3;
        let peer = ports.address(first);
        let client = if system.has_one_port() { peer } else { ports.address(first + 1) };
        Self { id, peer, client, second: ports.address(first + 2) }
    }

    /// The addresses at which everybody reaches the node, by gap.
    fn announced(&self, network: &Network) -> Announced {
        let of = |(gap, port)| network.announced(port).map(|address| (gap, address));
        ANNOUNCED.into_iter().zip([self.peer, self.second]).filter_map(of).collect()
    }
}

/// The ports at which each node was told to listen.
fn listen_ports(system: &System, nodes: &[NodePorts]) -> BTreeMap<NodeId, Vec<ListenPort>> {
    let Transports { peer, client } = system.transport;
    let of_node = |ports: &NodePorts| {
        let all = [
            ("peer-listen", peer, ports.peer),
            ("client-listen", client, ports.client),
            ("second-listen", peer, ports.second),
        ];
        // A port that no command names is listened at by nobody, and would be called silent.
        let named = all.into_iter().filter(|(gap, ..)| system.names_gap(gap));
        let named = named.map(|(_, transport, at)| ListenPort { transport, number: at.port() });
        (ports.id, named.collect())
    };
    nodes.iter().map(of_node).collect()
}

/// A proxy for every ordered pair of nodes, and one from the clients to each node.
fn routes(nodes: &[NodePorts], transport: Transports) -> Vec<Route> {
    let mut routes = Vec::new();
    for NodePorts { id: listener, peer, client, .. } in nodes.iter().copied() {
        let dialers = nodes.iter().map(|dialer| dialer.id).filter(|dialer| *dialer != listener);
        routes.extend(dialers.map(|dialer| Route {
            dialer,
            listener,
            upstream: peer,
            transport: transport.peer,
        }));
        routes.push(Route {
            dialer: CLIENTS,
            listener,
            upstream: client,
            transport: transport.client,
        });
    }
    routes
}

/// How long preparing the system may take.
const INIT_LIMIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    /// The ports of a node that is told this, for its peers and for clients, and those that it is
    /// known to listen at.
    fn ports(listens: &str) -> (SocketAddr, SocketAddr, Vec<u16>) {
        let text = format!(
            "name = \"mine\"\nserve = [\"mine\", {listens}]\nbridge = [\"b\"]\n\
             transport = {{ peer = \"tcp\", client = \"tcp\" }}"
        );
        let system = System::parse("mine.toml", &text).expect(&text);
        let block = PortBlock::claim().expect("free ports");
        let ports = NodePorts::of(NodeId(2), &system, &block);
        let listen = listen_ports(&system, &[ports]);
        let listen = listen[&NodeId(2)].iter().map(|port| port.number).collect();
        (ports.peer, ports.client, listen)
    }

    #[test]
    fn a_node_that_is_told_one_place_to_listen_has_one_port_for_all() {
        for one in ["\"{peer-listen}\"", "\"{client-listen}\""] {
            let (peer, client, listen) = ports(one);
            assert_eq!(peer, client, "{one}");
            assert_eq!(listen, [peer.port()], "{one}");
        }
        let (peer, client, listen) = ports("\"{peer-listen}\", \"{client-listen}\"");
        assert_ne!(peer, client);
        assert_eq!(listen, [peer.port(), client.port()]);
    }
}
