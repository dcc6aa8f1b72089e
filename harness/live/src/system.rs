//! What the harness knows of a system under test: a few command lines with gaps in them.
//!
//! A description is data, so that another system needs a file and no code. `init` prepares a
//! directory, `create` the data of a node that never ran, `serve` runs one node, `bridge` runs the
//! process that speaks line-JSON for all clients. Each command is a list of words; `{...}` in a
//! word is replaced, and a list inside the list is repeated for every peer or node. A description
//! that names an unknown gap is refused. `transport` says what the ports speak, `ready` when a node
//! is up. How a description is written down is left to [`description`](crate::description).

mod engine_fault;
mod error;
mod placeholders;
mod scoped_command;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use synod_fault::{Abilities, NodeId, Transport, Transports};

use crate::crashes::CrashPatterns;
use crate::readiness::Ready;
use crate::ready_client::ReadyClient;
use crate::status::StatusFields;
use crate::thresholds::Thresholds;
pub use engine_fault::EngineFault;
pub use error::SystemError;
pub(crate) use placeholders::{ANNOUNCED, OF_NODE};
pub use placeholders::{Announced, Placeholders};
pub use scoped_command::ScopedCommand;

/// A system under test.
///
/// # Examples
///
/// ```
/// use synod_fault::Transports;
/// use synod_live::system::System;
///
/// let mine = System::parse("mine.toml", r#"
///     name = "mine"
///     serve = ["{binary}", "run", "{node}", { per_peer = ["--peer", "{peer}={address}"] }]
///     bridge = ["{binary}", "clients", { per_node = ["{address}"] }]
///     transport = { peer = "tcp", client = "tcp" }
/// "#)?;
/// assert_eq!(mine.transport, Transports::TCP);
/// # Ok::<(), synod_live::description::DescriptionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a description of a system")]
pub struct System {
    /// The name that reports show.
    pub name: String,
    /// Prepares `{dir}`: configuration, certificates. Runs once, before all nodes.
    #[serde(default)]
    pub init: Option<Vec<Arg>>,
    /// Prepares one node's `{data}`. Runs once for each node, before its first start and never
    /// again: a node that lost its data is not given new ones.
    #[serde(default)]
    pub create: Option<Vec<Arg>>,
    /// Makes what a run needs around it, such as a mount or a network: once before all else, and
    /// once for each node after that. Gaps: binary, here, dir, nodes, run; of a node node and data.
    #[serde(default, skip_serializing_if = "ScopedCommand::is_none")]
    pub setup: ScopedCommand,
    /// Runs one node until it is told to end. Of a cluster that is running it may be absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serve: Vec<Arg>,
    /// Runs one node as a newer build, with the gaps and variables of `serve`: once a fault has
    /// upgraded the node, until another one downgrades it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgraded: Option<Vec<Arg>>,
    /// Where the nodes of a cluster that is running already serve clients, each by host and port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Faults that commands of the description begin and end: of another engine, for such a
    /// cluster; or beside the harness' own, in each run but a calm one, such as a change of the
    /// members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engine: Vec<EngineFault>,
    /// Ends what runs, in place of SIGTERM: the cluster as a whole, then each node that runs on, by
    /// its process `{pid}`.
    #[serde(default, skip_serializing_if = "ScopedCommand::is_none")]
    pub stop: ScopedCommand,
    /// Takes away what `setup` has made, for each node and then once, however the run ends and
    /// however far it came.
    #[serde(default, skip_serializing_if = "ScopedCommand::is_none")]
    pub teardown: ScopedCommand,
    /// Runs the clients' bridge until its input ends; none where there is a ready client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bridge: Vec<Arg>,
    /// What speaks for the clients in place of a bridge: RESP or HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ReadyClient>,
    /// What the ports of a node speak, and so the proxies before them; UDP, if absent.
    #[serde(default, skip_serializing_if = "Transports::is_default")]
    pub transport: Transports,
    /// Whether the bridge asks the one node that an operation names, whoever leads.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pins: bool,
    /// Looks at what a run that is over has left, in the folder `{run}`: ends with 0 where all is
    /// right, with 1 and a line on standard output where a promise is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Vec<Arg>>,
    /// How much a run must have exercised to mean anything.
    #[serde(default, skip_serializing_if = "Thresholds::are_usual")]
    pub evidence: Thresholds,
    /// The variables of each command.
    #[serde(default, skip_serializing_if = "CommandVariables::are_none")]
    pub env: CommandVariables,
    /// How it shows that a node is up, before the bridge is started.
    #[serde(default, skip_serializing_if = "Ready::is_default")]
    pub ready: Ready,
    /// What the bridge tells of a node that is asked for its status; all of it, if absent. What a
    /// ready client tells follows from its own description.
    #[serde(default, skip_serializing_if = "StatusFields::are_all")]
    pub status: StatusFields,
    /// Says on its first line which node leads, for a system whose status does not. It reaches the
    /// nodes as the bridge does, and has its variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who_leads: Option<Vec<Arg>>,
    /// Texts that mean a crash where they stand in a line of a node's log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crash_patterns: Vec<String>,
    /// Whether what the usual runtimes write at a crash means one, too.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub known_crash_patterns: bool,
}

/// The variables that are set for each command, beside those of the harness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a table of commands, such as [env.serve], with a text for each variable"
)]
pub struct CommandVariables {
    /// Those of `init`.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub init: Variables,
    /// Those of `create`.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub create: Variables,
    /// Those of `setup`.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub setup: Variables,
    /// Those of `stop`.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub stop: Variables,
    /// Those of `teardown`.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub teardown: Variables,
    /// Those of `serve`.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub serve: Variables,
    /// Those of `bridge`.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub bridge: Variables,
    /// Those of `audit`.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub audit: Variables,
}

/// Variables by name. Words that are repeated become one text, with commas between.
pub type Variables = BTreeMap<String, Arg>;

/// A word of a command, or words that are repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a word of a command is a text in quotes, or { per_peer = [texts] }, or \
                 { per_node = [texts] }"
)]
pub enum Arg {
    /// One word. Gaps: binary, here, dir, nodes, node, data, peer-listen, client-listen,
    /// second-listen, announced, second-announced. `{{` and `}}` stand for a brace.
    One(String),
    /// Words for each other node. Further gaps: peer, address.
    PerPeer {
        /// The words.
        per_peer: Vec<String>,
    },
    /// Words for each node. Further gaps: peer, address. A node has no `address` of its own; with
    /// what is announced, and without addresses, words of `serve` are repeated for it as well.
    PerNode {
        /// The words.
        per_node: Vec<String>,
    },
}

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl System {
    /// Describes the key-value server of this project.
    #[must_use]
    pub fn synod_kv() -> Self {
        let words = |text: &str| -> Vec<Arg> {
            text.split_whitespace().map(|word| Arg::One(word.to_owned())).collect()
        };
        let repeated =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let mut serve = words(
            "{binary} serve --config {dir}/node-{node}.toml --data {data} \
             --peer-listen {peer-listen} --client-listen {client-listen} --set metrics=off",
        );
        serve.push(Arg::PerPeer { per_peer: repeated("--peer {peer}={address}") });
        let mut bridge = words("{binary} bridge --config {dir}/client.toml");
        bridge.push(Arg::PerNode { per_node: repeated("--node {peer}={address}") });
        Self {
            name: SYNOD_KV.to_owned(),
            init: Some(words("{binary} init --dir {dir} --nodes {nodes} --without-journals")),
            create: Some(words("{binary} init --dir {dir} --node {node} --data {data}")),
            setup: ScopedCommand::default(),
            serve,
            upgraded: None,
            addresses: Vec::new(),
            engine: Vec::new(),
            stop: ScopedCommand::default(),
            teardown: ScopedCommand::default(),
            bridge,
            client: None,
            transport: Transports::default(),
            pins: true,
            audit: None,
            evidence: Thresholds::default(),
            env: CommandVariables::default(),
            ready: Ready::default(),
            status: StatusFields::default(),
            who_leads: None,
            crash_patterns: Vec::new(),
            known_crash_patterns: true,
        }
    }

    /// Lets the nodes of the key-value server of this project write down all that they do, each
    /// life in a file of its own below [`TRACES`](crate::folder::TRACES).
    pub fn write_traces(&mut self) {
        let folder = "{dir}/traces/{node}";
        self.serve.extend(["--trace", folder].map(|word| Arg::One(word.to_owned())));
    }

    /// Says whether every command can be made, with all of its variables.
    ///
    /// # Errors
    ///
    /// [`SystemError`] names what cannot.
    pub fn check(&self) -> Result<(), SystemError> {
        self.check_attached()?;
        if self.told().leads && self.who_leads.is_some() {
            let other = if self.client.is_some() { LEADS_OF_CLIENT } else { LEADS_OF_STATUS };
            return Err(SystemError::LeaderTwice { other });
        }
        if self.ready.needs_tcp() && self.transport.client != Transport::Tcp {
            return Err(SystemError::NoPortToAsk);
        }
        if self.announces() && self.transport != Transports::TCP {
            return Err(SystemError::AnnouncedPacket);
        }
        let env = &self.env;
        let of_node = [&OF_ALL[..], &OF_NODE].concat();
        for (command, words, variables, remedy) in [
            ("init", &self.init, &env.init, NODES_IN_INIT),
            ("audit", &self.audit, &env.audit, NODES_IN_AUDIT),
        ] {
            // Such words would be left out, as there is nothing to repeat them for.
            if names_others(words.iter().flatten().chain(variables.values())) {
                return Err(SystemError::NoAddresses { command, remedy });
            }
        }
        self.check_command(self.init.as_ref(), &env.init, &OF_ALL)?;
        self.check_command(self.create.as_ref(), &env.create, &of_node)?;
        let serve = Some(&self.serve).filter(|words| !words.is_empty());
        self.check_command(serve, &env.serve, &of_node)?;
        self.check_command(self.upgraded.as_ref(), &env.serve, &of_node)?;
        self.check_clients()?;
        self.check_command(self.who_leads.as_ref(), &env.bridge, &OF_ALL)?;
        self.check_command(self.audit.as_ref(), &env.audit, &OF_AUDIT)?;
        self.check_around()
    }

    fn check_clients(&self) -> Result<(), SystemError> {
        let both = self.client.is_some();
        // Exactly one of the two has to be there.
        if both != self.bridge.is_empty() {
            return Err(SystemError::OneBridge { both });
        }
        if let Some(client) = &self.client {
            if self.transport.client != Transport::Tcp {
                return Err(SystemError::ClientByTcp);
            }
            if !self.status.are_all() {
                return Err(SystemError::ClientTells);
            }
            client.check()?;
        }
        let gaps = [&OF_ALL[..], &[HARNESS]].concat();
        self.check_command(Some(&self.bridge_words().into_owned()), &self.env.bridge, &gaps)
    }

    /// Returns the command that speaks for the clients: the bridge, or the harness as one.
    pub(crate) fn bridge_words(&self) -> Cow<'_, [Arg]> {
        let Some(client) = &self.client else { return Cow::Borrowed(&self.bridge) };
        let client = serde_json::to_string(client).expect("plain data has a written form");
        // It stands in a word of a command, where a brace begins a gap.
        let client = client.replace('{', "{{").replace('}', "}}");
        let mut words = ["{harness}", "bridge", "--client", &client].map(str::to_owned).to_vec();
        let mut words: Vec<Arg> = words.drain(..).map(Arg::One).collect();
        let per_node = ["--node", "{peer}={address}"].map(str::to_owned).to_vec();
        words.push(Arg::PerNode { per_node });
        Cow::Owned(words)
    }

    fn check_command(
        &self,
        words: Option<&Vec<Arg>>,
        variables: &Variables,
        gaps: &[&'static str],
    ) -> Result<(), SystemError> {
        // Filling the gaps once with something is the check: whatever a run would refuse is refused
        // here.
        let gaps = gaps.iter().fold(Placeholders::default(), |all, gap| all.with(gap, "1"));
        // Words that are repeated have their gaps filled once at least.
        let at = SocketAddr::from(([127, 0, 0, 1], 1));
        let announced = || ANNOUNCED.map(|gap| (gap, at)).to_vec();
        let mut gaps = gaps.node(NodeId(1), at).announced(NodeId(1), announced());
        if gaps.knows("node") {
            // A node has no address of its own.
            gaps = gaps.announced(NodeId(2), announced());
        }
        gaps.fill_variables(variables)?;
        words.map_or(Ok(()), |words| gaps.fill(words).map(drop))
    }

    /// Returns what is told of a node that is asked for its status, be it by a bridge or by a ready
    /// client.
    #[must_use]
    pub const fn told(&self) -> StatusFields {
        match &self.client {
            None => self.status,
            Some(client) => client.told(),
        }
    }

    /// Returns what can be done to its nodes, without a shim.
    #[must_use]
    pub const fn abilities(&self) -> Abilities {
        let live = Abilities::live(self.transport).with_pins(self.pins);
        let live = live.with_builds(self.upgraded.is_some());
        if self.tells_leader() { live } else { live.without_leaders() }
    }

    /// Returns whether it can be known who leads.
    #[must_use]
    pub const fn tells_leader(&self) -> bool {
        self.told().leads || self.who_leads.is_some()
    }

    /// Returns which lines of a node's log mean a crash.
    #[must_use]
    pub fn crash_patterns(&self) -> CrashPatterns<'_> {
        CrashPatterns { known: self.known_crash_patterns, own: &self.crash_patterns }
    }

    /// Returns whether nodes are told where their peers are.
    #[must_use]
    pub fn names_peers(&self) -> bool {
        names_others(self.serve.iter().chain(self.env.serve.values()))
    }

    /// Returns whether one address of a port is announced to all.
    #[must_use]
    pub(crate) fn announces(&self) -> bool {
        let words = self.bridge_words();
        let bridge = || words.iter().chain(self.env.bridge.values());
        ANNOUNCED.iter().any(|gap| self.names_gap(gap) || bridge().any(|word| word.names(gap)))
    }

    /// Returns whether clients reach a node where its peers do, as it has one port for all,
    /// by whichever of both gaps it is told.
    #[must_use]
    pub(crate) fn has_one_port(&self) -> bool {
        // One that is told neither has its ports from elsewhere, and nothing is known of them.
        self.names_gap("peer-listen") != self.names_gap("client-listen")
    }

    /// Returns whether nodes are told where to listen, by the gap of this name.
    #[must_use]
    pub(crate) fn names_gap(&self, gap: &str) -> bool {
        let names = |word: &Arg| word.names(gap);
        let commands = [self.init.as_ref(), self.create.as_ref(), Some(&self.serve)];
        let variables = self.env.init.values().chain(self.env.create.values());
        let mut variables = variables.chain(self.env.serve.values());
        commands.into_iter().flatten().flatten().any(names) || variables.any(names)
    }

    /// Returns whether the clients' bridge is told where the nodes are.
    #[must_use]
    pub fn names_nodes(&self) -> bool {
        names_others(self.bridge_words().iter().chain(self.env.bridge.values()))
    }
}

impl Arg {
    /// Returns whether it has the gap of this name.
    fn names(&self, gap: &str) -> bool {
        let gap = format!("{{{gap}}}");
        match self {
            Self::One(word) => word.contains(&gap),
            Self::PerPeer { per_peer: words } | Self::PerNode { per_node: words } => {
                words.iter().any(|word| word.contains(&gap))
            }
        }
    }
}

impl CommandVariables {
    /// Returns whether no command has any.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_true(flag: &bool) -> bool {
    *flag
}

const fn yes() -> bool {
    true
}

fn names_others<'a>(mut words: impl Iterator<Item = &'a Arg>) -> bool {
    words.any(|word| match word {
        Arg::One(_) => false,
        Arg::PerPeer { .. } | Arg::PerNode { .. } => true,
    })
}

/// The gaps of a command that is no node's.
const OF_ALL: [&str; 4] = ["binary", "here", "dir", "nodes"];

/// The gap of a ready client's command: the harness' own binary.
pub(crate) const HARNESS: &str = "harness";

const LEADS_OF_STATUS: &str = "`leads` of the status; take \"leads\" out of `status`, such as \
                               status = [\"applied\", \"digest\"] or status = []";

const LEADS_OF_CLIENT: &str = "`leads` of `client`; leave one of them out";

const NODES_IN_INIT: &str =
    "tell a node of the others in `create` or `serve`, or count them by {nodes}";

const NODES_IN_AUDIT: &str = "the folders of the nodes are {run}/nodes/1 and so on";

/// The gaps of a command that looks at what a run has left.
const OF_AUDIT: [&str; 3] = ["binary", "here", "run"];

/// The name of the system that is built in.
pub const SYNOD_KV: &str = "synod-kv";

#[cfg(test)]
mod tests;
