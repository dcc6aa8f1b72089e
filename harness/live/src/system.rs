//! What the harness knows of a system under test: a few command lines with gaps in them.
//!
//! A description is data, so that another system needs a file and no code. `init` prepares a
//! directory, `create` the data of a node that never ran, `serve` runs one node, `bridge` runs the
//! process that speaks line-JSON for all clients. Each command is a list of words; `{...}` in a
//! word is replaced, and a list inside the list is repeated for every peer or node. A description
//! that names an unknown gap is refused. `transport` says what the ports speak, `ready` when a node
//! is up. How a description is written down is left to [`description`](crate::description).

mod error;
mod placeholders;
mod scoped_command;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use synod_fault::{NodeId, Transport, Transports};

use crate::crashes::CrashPatterns;
use crate::readiness::Ready;
use crate::ready_client::ReadyClient;
use crate::thresholds::Thresholds;
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
    /// Runs one node until it is told to end.
    pub serve: Vec<Arg>,
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
             --peer-listen {peer-listen} --client-listen {client-listen}",
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
            crash_patterns: Vec::new(),
            known_crash_patterns: true,
        }
    }

    /// Says whether every command can be made, with all of its variables.
    ///
    /// # Errors
    ///
    /// [`SystemError`] names what cannot.
    pub fn check(&self) -> Result<(), SystemError> {
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
        self.check_command(Some(&self.serve), &env.serve, &of_node)?;
        self.check_clients()?;
        self.check_command(self.audit.as_ref(), &env.audit, &OF_AUDIT)?;
        self.check_around()
    }

    fn check_clients(&self) -> Result<(), SystemError> {
        let both = self.client.is_some();
        if both != self.bridge.is_empty() {
            return Err(SystemError::OneBridge { both });
        }
        if let Some(client) = &self.client {
            if self.transport.client != Transport::Tcp {
                return Err(SystemError::ClientByTcp);
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

const NODES_IN_INIT: &str =
    "tell a node of the others in `create` or `serve`, or count them by {nodes}";

const NODES_IN_AUDIT: &str = "the folders of the nodes are {run}/nodes/1 and so on";

/// The gaps of a command that looks at what a run has left.
const OF_AUDIT: [&str; 3] = ["binary", "here", "run"];

/// The name of the system that is built in.
pub const SYNOD_KV: &str = "synod-kv";

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps() -> Placeholders {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Placeholders::default()
            .with("binary", "/bin/synod-kv")
            .with("dir", "/run/config")
            .with("node", "1")
            .with("data", "/run/data")
            .with("peer-listen", "127.0.0.1:17001")
            .with("client-listen", "127.0.0.1:17002")
            .node(NodeId(2), address(4002))
            .node(NodeId(3), address(4003))
    }

    fn line(launch: &CommandLine) -> String {
        let words: Vec<_> = launch.arguments.iter().map(|word| word.to_string_lossy()).collect();
        format!("{} {}", launch.program.display(), words.join(" "))
    }

    #[test]
    fn the_key_value_server_is_served_as_it_wants() {
        let system = System::synod_kv();
        let serve = gaps().fill(&system.serve).expect("all gaps are filled");
        assert_eq!(
            line(&serve),
            "/bin/synod-kv serve --config /run/config/node-1.toml --data /run/data \
             --peer-listen 127.0.0.1:17001 --client-listen 127.0.0.1:17002 \
             --peer 2=127.0.0.1:4002 --peer 3=127.0.0.1:4003"
        );
        let create = gaps().fill(&system.create.expect("it needs one"));
        assert_eq!(
            line(&create.expect("all gaps are filled")),
            "/bin/synod-kv init --dir /run/config --node 1 --data /run/data"
        );
        let bridge = gaps().fill(&system.bridge).expect("all gaps are filled");
        assert_eq!(
            line(&bridge),
            "/bin/synod-kv bridge --config /run/config/client.toml \
             --node 2=127.0.0.1:4002 --node 3=127.0.0.1:4003"
        );
    }

    #[test]
    fn a_description_survives_being_written() {
        let text = serde_json::to_string(&System::synod_kv()).expect("plain data");
        let back: System = serde_json::from_str(&text).expect("what was written");
        assert_eq!(back, System::synod_kv());
        assert!(!text.contains("transport"), "older harnesses read what needs no newer one");
    }

    #[test]
    fn a_description_says_what_its_ports_speak_or_means_udp() {
        let read = |transport: &str| {
            let text = format!(r#"{{"name": "x", "serve": ["s"], "bridge": ["b"]{transport}}}"#);
            serde_json::from_str::<System>(&text)
        };
        assert_eq!(read("").expect("a description").transport, Transports::default());
        let tcp = read(r#", "transport": {"peer": "tcp", "client": "tcp"}"#);
        assert_eq!(tcp.expect("a description").transport, Transports::TCP);
        let half = read(r#", "transport": {"client": "tcp"}"#).expect_err("half of it");
        assert!(half.to_string().contains("says nothing of `peer`"), "{half}");
        let wrong = read(r#", "transport": {"peer": "sctp", "client": "tcp"}"#);
        let wrong = wrong.expect_err("no such word").to_string();
        assert!(wrong.contains("no transport `sctp`"), "{wrong}");
    }

    #[test]
    fn braces_that_mean_themselves_are_written_twice() {
        let filled = |word: &str| gaps().fill_word(word).map(|word| word.into_string());
        assert_eq!(filled("{{ print $1 }}"), Ok(Ok("{ print $1 }".to_owned())));
        assert_eq!(filled("{{\"id\":{node}}}"), Ok(Ok("{\"id\":1}".to_owned())));
        assert_eq!(filled("{{{node}}}"), Ok(Ok("{1}".to_owned())));
        assert_eq!(filled("a } b"), Ok(Ok("a } b".to_owned())));
        assert!(filled("{ print $1 }").is_err());
    }

    #[test]
    fn addresses_are_handed_out_where_words_are_repeated() {
        let system = System::synod_kv();
        assert!(system.names_peers() && system.names_nodes());
        let alone = System { serve: vec![Arg::One("s".to_owned())], ..system };
        assert!(!alone.names_peers());
    }

    #[test]
    fn bad_words_are_refused_by_name() {
        let fill = |word: &str| gaps().fill(&[Arg::One(word.to_owned())]);
        let error = fill("{colour}").expect_err("there is no such gap");
        assert!(error.to_string().contains("`colour`"), "{error}");
        assert!(error.to_string().contains("peer-listen"), "{error}");
        let error = fill("{dir").expect_err("it is open");
        assert_eq!(error, SystemError::UnfilledPlaceholder { word: "{dir".to_owned() });
        assert_eq!(gaps().fill(&[]), Err(SystemError::Empty));
    }
}
