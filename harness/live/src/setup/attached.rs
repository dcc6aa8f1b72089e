//! A cluster that is running already: its nodes are where the description says, and stay.
//!
//! There is no proxy, no process and no folder of a node, so no fault of the harness: what breaks
//! such a cluster is another engine's, see [`engine`](crate::engine). The claim kept true: nothing
//! here starts, stops or signals a node.

use std::collections::BTreeMap;

use synod_fault::nemesis::Nemesis;
use synod_fault::{CLIENTS, Scenario};
use tokio::time::{Duration, Instant};

use super::nodes::RunningNodes;
use super::{READY_STEP, SetupError, SystemUnderTest};
use crate::cluster::Cluster;
use crate::engine::{ENGINE_MS_MIN, Engine};
use crate::folder::{CONFIG, RunFolder};
use crate::machines::Machines;
use crate::network::Network;
use crate::readiness::Ready;
use crate::system::Placeholders;
use crate::witness::Witness;
use synod_fault::Transport;

impl SystemUnderTest {
    /// Refuses what nobody can do to a cluster that the harness has not started.
    pub(super) fn check_attached(&self, plan: &Scenario) -> Result<(), SetupError> {
        let refused = |what: String, remedy| Err(SetupError::NotInHand { what, remedy });
        let named = self.system.addresses.len();
        if named == 0 {
            let what = format!("the description of {} has no `addresses`", self.system.name);
            return refused(
                what,
                "say where each node serves clients, such as [\"10.0.0.1:7001\"]",
            );
        }
        if named != usize::from(plan.nodes) {
            let what = format!("{} nodes are planned, and `addresses` names {named}", plan.nodes);
            return refused(what, "give each node an address");
        }
        if let Some(fault) = plan.faults.first() {
            let what = format!("fault 1 of the plan, {}, would be the harness's", fault.name());
            return refused(what, ENGINES);
        }
        if !plan.conditions.are_usual() {
            let what = "the `conditions` of the plan would be the harness's".to_owned();
            return refused(what, ENGINES);
        }
        if matches!(self.system.ready, Ready::Log(_)) {
            let what = "`ready` waits for a line of a log, which is not here".to_owned();
            return refused(what, "take { tcp = true } or { http = \"/path\" }, or leave it out");
        }
        if !self.system.engine.is_empty() && plan.time_ms.0 < ENGINE_MS_MIN {
            let what = format!("{} ms are too short for a fault of the engine", plan.time_ms.0);
            return refused(what, "take 6 s or more");
        }
        let gaps = self.attached_gaps(plan);
        let system = &self.system;
        for words in
            [Some(&*system.bridge_words()), system.who_leads.as_deref()].into_iter().flatten()
        {
            self.look_for(gaps.fill(words)?.program)?;
        }
        // Filled with something, as only the program is looked for.
        let gaps = gaps.with("run", "/").with("node", "1");
        for fault in &system.engine {
            let witness = fault.witness.as_ref();
            for words in [Some(&fault.inject), Some(&fault.lift), witness].into_iter().flatten() {
                self.look_for(gaps.fill(words)?.program)?;
            }
        }
        Ok(())
    }

    /// Waits until each node accepts clients, and makes what the bridges are started with.
    pub(super) async fn attach(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
    ) -> Result<RunningNodes, SetupError> {
        let io = |what| move |source| SetupError::Io { what, source };
        std::fs::create_dir(folder.file(CONFIG)).map_err(io("make a folder"))?;
        let system = &self.system;
        let speaks_tcp = system.transport.client == Transport::Tcp;
        // Nobody starts these nodes, so a port that accepts is the least that can be asked before
        // the bridges are started.
        let is_plain = system.ready.is_default() && speaks_tcp;
        let ready = if is_plain { &Ready::Tcp } else { &system.ready };
        let deadline = Instant::now() + ATTACH_LIMIT;
        for (node, address) in system.nodes_attached() {
            while let Err(why) = ready.of_port(node, address).await {
                if Instant::now() >= deadline {
                    return Err(self.not_there(why));
                }
                tokio::time::sleep(READY_STEP).await;
            }
        }
        // No proxy stands between the clients and these nodes, so there is no link. The rest of a
        // run asks for a network and a cluster, and gets them empty.
        let network = Network::start(plan.seed, &[]).map_err(io("start the network"))?;
        let cluster = Cluster::new(self.guard.clone(), self.limits, Vec::new());
        let cluster = cluster.known_to(network.dialers());
        let gaps = self.attached_gaps(plan).with("dir", folder.file(CONFIG));
        let bridge = gaps.fill(&system.bridge_words())?;
        let variables = gaps.fill_variables(&system.env.bridge)?;
        let who_leads = self.leader_probe(plan, folder, &gaps, network.dialers())?;
        let clients = system.nodes_attached().map(|(node, at)| (node, at.clone())).collect();
        let witness = Witness::new(BTreeMap::new());
        Ok(RunningNodes {
            cluster,
            network,
            witness,
            machines: Machines::make(plan, &mut [])?,
            bridge,
            variables,
            who_leads,
            clients,
            ports: None,
        })
    }

    /// Takes the faults that commands of the description begin and end. Nodes that were started
    /// here are reached by them as by clients, and in a calm run nothing is done to them.
    pub(crate) fn engine(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
        network: &Network,
    ) -> Option<Engine> {
        let is_calm = plan.nemesis == Nemesis::Calm.name() && plan.faults.is_empty();
        if is_calm && !self.attached {
            return None;
        }
        let gaps = self.gaps(&folder.file(CONFIG)).with("nodes", plan.nodes.to_string());
        let gaps = if self.attached { gaps } else { proxied_gaps(gaps, plan, network) };
        Engine::of(&self.system, gaps, &self.guard, folder.path().to_owned(), plan)
    }

    /// Says that the cluster is not there.
    pub(super) fn not_there(&self, why: String) -> SetupError {
        SetupError::NotThere { why, addresses: self.system.addresses.join(", ") }
    }

    fn attached_gaps(&self, plan: &Scenario) -> Placeholders {
        let gaps = self.gaps(std::path::Path::new("/")).with("nodes", plan.nodes.to_string());
        self.system.attached_gaps(gaps)
    }
}

/// Fills the gaps for the addresses at which clients reach nodes that were started here.
fn proxied_gaps(gaps: Placeholders, plan: &Scenario, network: &Network) -> Placeholders {
    plan.node_ids().into_iter().fold(gaps, |gaps, node| {
        let proxy = network.address(CLIENTS, node).expect("the clients reach every node");
        gaps.node(node, proxy)
    })
}

/// How long a cluster that is running may take to answer.
pub(super) const ATTACH_LIMIT: Duration = Duration::from_secs(10);

const ENGINES: &str = "the faults of a cluster that runs already are left to its engine: take a \
    plan without any, and describe those of the engine by [[engine]]";
