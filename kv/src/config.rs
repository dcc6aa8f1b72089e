//! The configuration of a server and of a client, checked before anything else happens.
//!
//! Values come from the TOML file, then the environment, then the flags (`layers`). This file says
//! which keys exist and what they mean; what is parsed here needs no further checking, except for
//! the contents of the certificates, which the transport reads. A wrong value is one line that
//! names the key and the remedy (`problem`).

mod layers;
mod problem;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum as _;
use layers::{Kind, Layers, Setting};
pub use problem::{ConfigError, Origin};
use synod_node::config::{HEARTBEATS_PER_SUSPICION_MIN, MEMBERS_MAX, SEGMENT_BYTES_MIN};

use crate::cli::{LogFormat, ServeArgs, TargetArgs};

/// What `synod-kv serve` needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The UUID of the cluster.
    pub cluster: String,
    /// Who this node is.
    pub node: u16,
    /// The folder of the journal.
    pub data: PathBuf,
    /// Whether a missing journal is made.
    pub create_data: bool,
    /// How large the files of the journal are.
    pub segment_bytes: u64,
    /// Where this node listens to its peers.
    pub peer_listen: SocketAddr,
    /// Where this node listens to clients.
    pub client_listen: SocketAddr,
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
            layers.wrong("node", format!("[peers] lists only {listed}; add peers.{node}"))
        })?;
        let peer_listen = match layers.text("peer_listen") {
            Ok(_) => address(layers, "peer_listen")?,
            Err(_) => own,
        };
        let client_listen = address(layers, "client_listen")?;
        if client_listen == peer_listen && client_listen.port() != 0 {
            let wanted = "peers listen there already; choose another port";
            return Err(layers.wrong("client_listen", wanted));
        }
        let (heartbeat, suspicion) = timing(layers)?;
        Ok(Self {
            cluster: cluster(layers)?,
            node,
            data: layers.text("data")?.into(),
            create_data: create_data(layers)?,
            segment_bytes: segment_bytes(layers)?,
            peer_listen,
            client_listen,
            peers,
            tls: TlsFiles::from_layers(layers)?,
            heartbeat,
            suspicion,
            stagger: milliseconds(layers, "timing.stagger_ms")?,
            log: LogConfig::from_layers(layers)?,
        })
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
        Ok(Self { filter: filter.to_owned(), format })
    }
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

fn create_data(layers: &Layers) -> Result<bool, ConfigError> {
    match layers.text("create_data")? {
        "if-missing" => Ok(true),
        "never" => Ok(false),
        _ => Err(layers.wrong("create_data", "wanted if-missing or never")),
    }
}

fn segment_bytes(layers: &Layers) -> Result<u64, ConfigError> {
    let wanted =
        format!("wanted a multiple of 4096 from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}");
    let bytes: u64 = layers.parse("segment_bytes", &wanted)?;
    let fits =
        (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(4096);
    if fits { Ok(bytes) } else { Err(layers.wrong("segment_bytes", wanted)) }
}

fn cluster(layers: &Layers) -> Result<String, ConfigError> {
    let text = layers.text("cluster")?;
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let plain = |byte: u8| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if groups == [8, 4, 4, 4, 12] && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(layers.wrong("cluster", "wanted the UUID that `synod-kv init` wrote, in lower case"))
}

fn node_id(layers: &Layers, key: &str, text: &str) -> Result<u16, ConfigError> {
    let id = text.parse::<u16>().ok().filter(|id| *id > 0 && id.to_string() == text);
    id.ok_or_else(|| layers.wrong(key, "a node id is a number from 1 to 65535"))
}

fn address(layers: &Layers, key: &str) -> Result<SocketAddr, ConfigError> {
    layers.parse(key, "wanted <ip>:<port>, such as 127.0.0.1:7001")
}

fn addresses(layers: &Layers, table: &str) -> Result<BTreeMap<u16, SocketAddr>, ConfigError> {
    let mut nodes = BTreeMap::new();
    for entry in layers.entries(table) {
        let key = format!("{table}.{entry}");
        let (id, at) = (node_id(layers, &key, entry)?, address(layers, &key)?);
        if at.port() == 0 {
            return Err(layers.wrong(&key, "port 0 cannot be reached; name the port"));
        }
        if let Some((other, _)) = nodes.iter().find(|(_, taken)| **taken == at) {
            let wanted = format!("{table}.{other} has this address too; each node has its own");
            return Err(layers.wrong(&key, wanted));
        }
        nodes.insert(id, at);
    }
    if nodes.is_empty() {
        return Err(layers.wrong(&format!("{table}.1"), "at least one node must be listed"));
    }
    if nodes.len() > MEMBERS_MAX {
        let last = format!("{table}.{}", nodes.keys().next_back().copied().unwrap_or_default());
        return Err(layers.wrong(&last, format!("a cluster has at most {MEMBERS_MAX} nodes")));
    }
    Ok(nodes)
}

fn timing(layers: &Layers) -> Result<(Duration, Duration), ConfigError> {
    let heartbeat = milliseconds(layers, "timing.heartbeat_ms")?;
    let suspicion = milliseconds(layers, "timing.suspicion_ms")?;
    let least = heartbeat * HEARTBEATS_PER_SUSPICION_MIN;
    if suspicion < least {
        let wanted = format!(
            "less than {HEARTBEATS_PER_SUSPICION_MIN} heartbeats of {} ms suspects the living; \
             write {} or more",
            heartbeat.as_millis(),
            least.as_millis(),
        );
        return Err(layers.wrong("timing.suspicion_ms", wanted));
    }
    Ok((heartbeat, suspicion))
}

fn milliseconds(layers: &Layers, key: &str) -> Result<Duration, ConfigError> {
    let wanted = format!("wanted milliseconds from 1 to {MILLISECONDS_MAX}");
    let number: u64 = layers.parse(key, &wanted)?;
    if !(1..=MILLISECONDS_MAX).contains(&number) {
        return Err(layers.wrong(key, wanted));
    }
    Ok(Duration::from_millis(number))
}

fn readable(layers: &Layers, key: &str) -> Result<PathBuf, ConfigError> {
    let path = Path::new(layers.text(key)?);
    File::open(path)
        .map_err(|error| layers.wrong(key, format!("{error}; `synod-kv init` makes this file")))?;
    Ok(path.to_owned())
}

/// Offsets in a file of the journal have 32 bits, and half of them are left unused.
const SEGMENT_BYTES_MAX: u64 = 2 << 30;

/// One hour: more is a mistake of unit.
const MILLISECONDS_MAX: u64 = 3_600_000;

const fn setting(
    key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    example: &'static str,
) -> Setting {
    Setting { key, kind, default, example }
}

const CLUSTER: Setting =
    setting("cluster", Kind::Text, None, "cluster = \"0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e\"");
const AUTHORITY: Setting =
    setting("tls.authority", Kind::Path, None, "[tls] authority = \"ca/ca.pem\"");
const CERTIFICATE: Setting =
    setting("tls.certificate", Kind::Path, None, "[tls] certificate = \"node-1.pem\"");
const KEY: Setting = setting("tls.key", Kind::Path, None, "[tls] key = \"node-1.key\"");
const LOG_FORMAT: Setting =
    setting("log.format", Kind::Text, Some("text"), "[log] format = \"text\"");

const SERVER: &[Setting] = &[
    CLUSTER,
    setting("node", Kind::Number, None, "node = 1"),
    setting("data", Kind::Path, None, "data = \"node-1\""),
    setting("create_data", Kind::Text, Some("if-missing"), "create_data = \"never\""),
    setting("segment_bytes", Kind::Number, Some("67108864"), "segment_bytes = 67108864"),
    setting("peer_listen", Kind::Text, None, "peer_listen = \"127.0.0.1:7001\""),
    setting("client_listen", Kind::Text, None, "client_listen = \"127.0.0.1:7101\""),
    setting("peers.*", Kind::Text, None, "[peers] 1 = \"127.0.0.1:7001\""),
    AUTHORITY,
    CERTIFICATE,
    KEY,
    setting("timing.heartbeat_ms", Kind::Number, Some("40"), "[timing] heartbeat_ms = 40"),
    setting("timing.suspicion_ms", Kind::Number, Some("200"), "[timing] suspicion_ms = 200"),
    setting("timing.stagger_ms", Kind::Number, Some("20"), "[timing] stagger_ms = 20"),
    setting("log.filter", Kind::Text, Some("info"), "[log] filter = \"info\""),
    LOG_FORMAT,
];

const CLIENT: &[Setting] = &[
    CLUSTER,
    setting("nodes.*", Kind::Text, None, "[nodes] 1 = \"127.0.0.1:7101\""),
    AUTHORITY,
    CERTIFICATE,
    KEY,
    setting("timeout_ms", Kind::Number, Some("5000"), "timeout_ms = 5000"),
    setting("log.filter", Kind::Text, Some("warn"), "[log] filter = \"warn\""),
    LOG_FORMAT,
];
