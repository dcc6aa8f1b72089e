//! What a description says of a cluster that is running already, where its nodes are, and of faults
//! that are begun and ended by commands of the description.
//!
//! Nothing of such a cluster is started or ended here, so neither is anything broken here; beside
//! nodes that the harness starts such commands do what it cannot, such as a change of the members.
//! When they are run is left to `engine`. The
//! claim kept true: a fault of an engine that could not be lifted is refused before the run.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use synod_fault::NodeId;

use super::{Arg, Placeholders, System, SystemError};

/// A fault of another engine, which its commands begin and end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with name, inject and lift")]
pub struct EngineFault {
    /// The name that reports show.
    pub name: String,
    /// Begins it, and ends with 0 once it is in force.
    pub inject: Vec<Arg>,
    /// Ends it, and ends with 0 once it is over. It is run after an `inject` that failed, too.
    pub lift: Vec<Arg>,
    /// Looks whether it is in force: ends with 0 if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Vec<Arg>>,
}

impl EngineFault {
    /// Returns whether it hits the node that is drawn for it; else its commands know whom.
    pub(crate) fn names_node(&self) -> bool {
        self.commands().flatten().any(|word| word.names("node"))
    }

    fn commands(&self) -> impl Iterator<Item = &Vec<Arg>> {
        [Some(&self.inject), Some(&self.lift), self.witness.as_ref()].into_iter().flatten()
    }
}

impl System {
    /// Gives the addresses of the nodes of a cluster that is running.
    pub(crate) fn nodes_attached(&self) -> impl Iterator<Item = (NodeId, &String)> {
        (1..).map(NodeId).zip(&self.addresses)
    }

    /// Fills the gaps for the addresses of a cluster that is running.
    pub(crate) fn attached_gaps(&self, gaps: Placeholders) -> Placeholders {
        self.nodes_attached().fold(gaps, |gaps, (node, address)| gaps.node(node, address))
    }

    /// Says whether a cluster that is running can be spoken with, and its faults commanded.
    pub(super) fn check_attached(&self) -> Result<(), SystemError> {
        if self.serve.is_empty() && self.addresses.is_empty() {
            return Err(SystemError::NoServe);
        }
        if self.serve.is_empty() && self.upgraded.is_some() {
            return Err(SystemError::UpgradedAlone);
        }
        let mut seen = BTreeSet::new();
        for address in &self.addresses {
            let refused = || SystemError::NoAddress { address: address.clone() };
            let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
            let is_host = !host.is_empty() && !host.contains(char::is_whitespace);
            if !is_host || !port.parse::<u16>().is_ok_and(|port| port > 0) || !seen.insert(address)
            {
                return Err(refused());
            }
        }
        let gaps = ENGINE_GAPS.iter().fold(Placeholders::default(), |all, gap| all.with(gap, "1"));
        let mut gaps = self.attached_gaps(gaps);
        if !self.serve.is_empty() {
            gaps = gaps.with("dir", "1");
            if self.addresses.is_empty() {
                gaps = gaps.node(NodeId(1), SocketAddr::from(([127, 0, 0, 1], 1)));
            }
        }
        for fault in &self.engine {
            if fault.name.trim().is_empty() {
                return Err(SystemError::NamelessFault);
            }
            for command in fault.commands() {
                gaps.fill(command)?;
            }
        }
        Ok(())
    }
}

/// The gaps of a command of an engine, beside those of each node.
const ENGINE_GAPS: [&str; 5] = ["binary", "here", "nodes", "node", "run"];

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = r#"
        name = "mine"
        addresses = ["127.0.0.1:7001", "kv-1.kv:7001"]
        bridge = ["{here}/bridge", { per_node = ["{peer}={address}"] }]

        [[engine]]
        name = "cut"
        inject = ["{here}/cut", "{node}", "{run}", { per_node = ["{address}"] }]
        lift = ["{here}/mend"]
    "#;

    fn refused(from: &str, to: &str) -> String {
        assert!(RUNNING.contains(from), "{from}");
        let text = RUNNING.replacen(from, to, 1);
        System::parse("mine.toml", &text).expect_err(&text).to_string()
    }

    #[test]
    fn a_running_cluster_needs_addresses_and_no_command_that_serves() {
        let system = System::parse("mine.toml", RUNNING).expect("it is right as it stands");
        assert!(system.serve.is_empty() && system.engine[0].names_node());
        let gaps = Placeholders::default().with("here", "/h").with("node", "2").with("run", "/r");
        let filled = system.attached_gaps(gaps).fill(&system.engine[0].inject).expect("no gap");
        assert_eq!(filled.arguments, ["2", "/r", "127.0.0.1:7001", "kv-1.kv:7001"]);
        let written = serde_json::to_string(&system).expect("plain data");
        assert_eq!(serde_json::from_str::<System>(&written).expect("as it was written"), system);
    }

    #[test]
    fn nodes_that_are_started_here_have_such_faults_too_and_their_folder() {
        let text = RUNNING.replacen("addresses", "serve = [\"x\"] #", 1).replace("{run}", "{dir}");
        let system = System::parse("mine.toml", &text).expect("it is right as it stands");
        assert_eq!(system.engine.len(), 1);
        let why = refused("{run}", "{dir}");
        assert!(why.contains("`dir`, which this command does not have"), "{why}");
    }

    #[test]
    fn what_is_no_address_or_cannot_be_commanded_is_refused_with_what_to_do() {
        for (from, to, words) in [
            ("kv-1.kv:7001", "kv-1.kv", "`kv-1.kv` is no address"),
            ("kv-1.kv:7001", "kv:0", "`kv:0` is no address"),
            ("kv-1.kv:7001", ":7001", "`:7001` is no address"),
            ("kv-1.kv:7001", "127.0.0.1:7001", "`127.0.0.1:7001` is no address"),
            ("addresses", "# ", "`serve` is missing"),
            ("\"cut\"", "\" \"", "a fault of `engine` has no name"),
            ("{here}/mend", "{data}", "`{data}` names `data`"),
            ("lift =", "lifts =", "there is no `lifts`; did you mean `lift`?"),
        ] {
            let told = refused(from, to);
            assert!(told.contains(words), "{told}");
            assert!(told.contains("; "), "it says what to do: {told}");
        }
        let told = refused("lift = [\"{here}/mend\"]", "");
        assert!(told.contains("`lift` is missing"), "{told}");
    }
}
