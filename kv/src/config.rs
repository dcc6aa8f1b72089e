//! The configuration of a server and of a client, checked before anything else happens.
//!
//! Values come from the TOML file, then the environment, then the flags (`layers`). The tables in
//! `keys` say which keys exist, `values` what they mean; what is parsed here needs no further
//! checking, except for the contents of the certificates, which the transport reads. A wrong value
//! is one line that names the key and the remedy (`problem`).

mod keys;
mod layers;
mod problem;
mod values;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum as _;

use synod_node::config::exclude_each_other;

use crate::cli::{LogFormat, ServeArgs, TargetArgs};
use keys::{CLIENT, SERVER};
use layers::Layers;
pub use problem::{ConfigError, Origin};
use values::{
    address, addresses, backup_clients, cluster, log_bytes, metrics, milliseconds, node_id,
    readable, scrub_bytes_per_second, segment_bytes, timing,
};
pub use variables::unknown_variables;

/// What `synod-kv serve` needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The UUID of the cluster.
    pub cluster: String,
    /// Who this node is.
    pub node: u16,
    /// The folder of the journal.
    pub data: PathBuf,
    /// How large the files of the journal are.
    pub segment_bytes: u64,
    /// What the journal keeps past what a snapshot stands for.
    pub log_bytes: u64,
    /// How much of the newest snapshot is read again in a second.
    pub scrub_bytes_per_second: u64,
    /// The clients that may read the whole state.
    pub backup_clients: BTreeSet<String>,
    /// Where this node listens to its peers.
    pub peer_listen: SocketAddr,
    /// Where this node listens to clients.
    pub client_listen: SocketAddr,
    /// Where this node answers `/livez`, `/readyz` and `/metrics`, if it does.
    pub metrics: Option<SocketAddr>,
    /// Every node of the cluster, this one included, and where the others reach it.
    pub peers: BTreeMap<u16, SocketAddr>,
    /// The certificates.
    pub tls: TlsFiles,
    /// How often a node says that it is alive.
    pub heartbeat: Duration,
    /// How long a silent node is trusted.
    pub suspicion: Duration,
    /// The step between the candidacies of two nodes.
    pub stagger: Duration,
    /// How to log.
    pub log: LogConfig,
}

/// What the commands that talk to a cluster need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The UUID of the cluster.
    pub cluster: String,
    /// Where the nodes listen to clients.
    pub nodes: BTreeMap<u16, SocketAddr>,
    /// The certificates.
    pub tls: TlsFiles,
    /// How long an operation may take before its outcome is unknown.
    pub timeout: Duration,
    /// How to log.
    pub log: LogConfig,
}

/// The files of a TLS identity, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the cluster's authority.
    pub authority: PathBuf,
    /// The own certificate.
    pub certificate: PathBuf,
    /// Its private key, readable by its owner alone.
    pub key: PathBuf,
}

/// What to log and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A filter in the syntax of `tracing`, such as `info,synod_node=debug`.
    pub filter: String,
    /// Lines for people or for programs.
    pub format: LogFormat,
}

/// A configuration and the page that says where each of its values comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed<C> {
    /// The configuration.
    pub config: C,
    /// Every key, its value and its origin, one a line.
    pub page: String,
}

/// Returns every key that a server's configuration may have, with its default.
pub fn server_keys() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    SERVER.iter().map(|setting| (setting.key, setting.default))
}

/// Returns every key that a client's configuration may have, with its default.
pub fn client_keys() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    CLIENT.iter().map(|setting| (setting.key, setting.default))
}

impl ServerConfig {
    /// Reads the configuration of a server from file, environment and flags.
    ///
    /// # Errors
    ///
    /// The first value that cannot be used.
    pub fn read(
        args: &ServeArgs,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Printed<Self>, ConfigError> {
        // Each of the next lines lays one layer over those before it: what comes later wins.
        let mut layers = Layers::defaults(SERVER);
        layers.read_file(&args.config)?;
        layers.read_environment(variable)?;
        args.override_in(&mut layers)?;
        let config = Self::from_layers(&layers)?;
        Ok(Printed { config, page: layers.print() })
    }

    fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let node = node_id(layers, "node", layers.text("node")?)?;
        let peers = addresses(layers, "peers")?;
        let own = peers.get(&node).copied().ok_or_else(|| {
            let listed = peers.keys().map(u16::to_string).collect::<Vec<_>>().join(", ");
            let wanted = format!(
                "[peers] lists only {listed}; name one of them, or list {node} there too, in the \
                 configuration of each node and before any journal is made"
            );
            layers.wrong("node", wanted)
        })?;
        // Most nodes listen where their peers dial them; behind a forwarded port they do not.
        let peer_listen = match layers.text("peer_listen") {
            Ok(_) => address(layers, "peer_listen")?,
            Err(_) => own,
        };
        let client_listen = address(layers, "client_listen")?;
        if exclude_each_other(client_listen, peer_listen) {
            let wanted = format!("{peer_listen} is for peers already; choose another port");
            return Err(layers.wrong("client_listen", wanted));
        }
        let (heartbeat, suspicion) = timing(layers)?;
        Ok(Self {
            cluster: cluster(layers)?,
            node,
            data: data(layers)?,
            segment_bytes: segment_bytes(layers)?,
            log_bytes: log_bytes(layers)?,
            scrub_bytes_per_second: scrub_bytes_per_second(layers)?,
            backup_clients: backup_clients(layers)?,
            peer_listen,
            client_listen,
            metrics: metrics(layers)?,
            peers,
            tls: TlsFiles::from_layers(layers)?,
            heartbeat,
            suspicion,
            stagger: milliseconds(layers, "timing.stagger_ms")?,
            log: LogConfig::from_layers(layers)?,
        })
    }
}

impl ServerConfig {
    /// Says what is to be known of an address for metrics that others may reach.
    #[must_use]
    pub fn open_metrics(&self) -> Option<String> {
        let at = self.metrics.filter(|at| !at.ip().is_loopback())?;
        Some(format!(
            "metrics = \"{at}\" is plain text without a password, for whoever reaches it: name a \
             loopback address, or let only those reach it who may know"
        ))
    }
}

impl ClientConfig {
    /// Reads the configuration of a client from file, environment and flags.
    ///
    /// # Errors
    ///
    /// The first value that cannot be used.
    pub fn read(
        args: &TargetArgs,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Printed<Self>, ConfigError> {
        let mut layers = Layers::defaults(CLIENT);
        layers.read_file(&args.config)?;
        layers.read_environment(variable)?;
        args.override_in(&mut layers)?;
        let config = Self {
            cluster: cluster(&layers)?,
            nodes: addresses(&layers, "nodes")?,
            tls: TlsFiles::from_layers(&layers)?,
            timeout: milliseconds(&layers, "timeout_ms")?,
            log: LogConfig::from_layers(&layers)?,
        };
        Ok(Printed { config, page: layers.print() })
    }
}

fn data(layers: &Layers) -> Result<PathBuf, ConfigError> {
    match layers.text("data")? {
        "" => Err(layers.wrong("data", "wanted the folder of the node's journal")),
        text => Ok(text.into()),
    }
}

impl ServeArgs {
    fn override_in(&self, layers: &mut Layers) -> Result<(), ConfigError> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let flags = [
            ("--data", "data", self.data.as_ref().map(path)),
            ("--peer-listen", "peer_listen", self.peer_listen.clone()),
            ("--client-listen", "client_listen", self.client_listen.clone()),
        ];
        for (flag, key, text) in flags {
            if let Some(text) = text {
                layers.flag(flag, key, text)?;
            }
        }
        layers.pair_flag("--peer", "peers", &self.peer)?;
        set_flags(layers, &self.set)
    }
}

impl TargetArgs {
    fn override_in(&self, layers: &mut Layers) -> Result<(), ConfigError> {
        layers.pair_flag("--node", "nodes", &self.node)?;
        if let Some(timeout_ms) = self.timeout_ms {
            layers.flag("--timeout-ms", "timeout_ms", timeout_ms.to_string())?;
        }
        set_flags(layers, &self.set)
    }
}

impl TlsFiles {
    fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        Ok(Self {
            authority: readable(layers, "tls.authority")?,
            certificate: readable(layers, "tls.certificate")?,
            key: readable(layers, "tls.key")?,
        })
    }
}

impl LogConfig {
    fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let format = layers.text("log.format")?;
        let format = LogFormat::from_str(format, false)
            .map_err(|_| layers.wrong("log.format", "wanted text or json"))?;
        let filter = layers.text("log.filter")?;
        tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| {
            layers.wrong("log.filter", format!("{error}; write info, debug or target=level"))
        })?;
        if let Some(word) = lone_word(filter) {
            let wanted = format!(
                "`{word}` is no level, and alone it would hide all that is not of a target of this \
                 name; write off, error, warn, info, debug or trace, or {word}=info"
            );
            return Err(layers.wrong("log.filter", wanted));
        }
        Ok(Self { filter: filter.to_owned(), format })
    }
}

/// Returns what stands in a filter where a level belongs: a level that is misspelt is the name of a
/// target, and hides the log of everything else.
fn lone_word(filter: &str) -> Option<&str> {
    let directives = filter.split(',').map(str::trim);
    let mut lone = directives.filter(|directive| !directive.contains(['=', '[']));
    lone.find(|word| {
        !word.is_empty() && word.parse::<tracing_subscriber::filter::LevelFilter>().is_err()
    })
}

fn set_flags(layers: &mut Layers, pairs: &[String]) -> Result<(), ConfigError> {
    for pair in pairs {
        let Some((key, text)) = pair.split_once('=') else {
            return Err(ConfigError::Wrong {
                origin: Origin::Flag("--set".to_owned()),
                key: "--set".to_owned(),
                value: pair.clone(),
                wanted: "wanted <key>=<value>, such as timing.heartbeat_ms=40".to_owned(),
            });
        };
        layers.flag("--set", key, text)?;
    }
    Ok(())
}
