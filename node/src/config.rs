//! What a node needs to know before it starts.
//!
//! A plain value that the program fills in, from a file or by hand. Whoever reads it from a file
//! says in his own words what is wrong there; the checks here are those that hold for any source.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use synod_paxos::NodeId;

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who this node is; its certificate says the same.
    pub node: NodeId,
    /// The UUID of the cluster; if it is given, the certificate must say the same.
    pub cluster: Option<String>,
    /// Every node of the cluster, this one included, and where the others reach it.
    pub members: BTreeMap<NodeId, SocketAddr>,
    /// Where to listen to the other nodes; port 0 takes a free one.
    pub peer_listen: SocketAddr,
    /// Where to listen to clients; port 0 takes a free one.
    pub client_listen: SocketAddr,
    /// The folder of the journal, which [`Node::create`](crate::Node::create) makes.
    pub data: PathBuf,
    /// How large the files of the journal are: a multiple of 4096 from [`SEGMENT_BYTES_MIN`] to
    /// 2 GiB. Two of them are set aside at the start.
    pub segment_bytes: u64,
    /// The certificates.
    pub tls: TlsFiles,
    /// How fast failures are noticed.
    pub timing: Timing,
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

impl TlsFiles {
    /// Names the files that `synod-kv init` made in `folder` for `node-1`, `client` and so on.
    #[must_use]
    pub fn in_folder(folder: &Path, name: &str) -> Self {
        Self {
            authority: folder.join("ca/ca.pem"),
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        }
    }
}

/// How fast failures are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often a node says that it is alive.
    pub heartbeat: Duration,
    /// How long a silent node is trusted: at least [`HEARTBEATS_PER_SUSPICION_MIN`] heartbeats.
    pub suspicion: Duration,
    /// The step between the candidacies of two nodes.
    pub stagger: Duration,
}

impl Default for Timing {
    /// Returns what suits a local network.
    fn default() -> Self {
        let [heartbeat, suspicion, stagger] = [40, 200, 20].map(Duration::from_millis);
        Self { heartbeat, suspicion, stagger }
    }
}

/// Fewer heartbeats than this within a suspicion time, and one late packet makes an election.
pub const HEARTBEATS_PER_SUSPICION_MIN: u32 = 5;

/// Past this many voters every write waits for a majority that is hardly more reliable.
pub const MEMBERS_MAX: usize = 9;

/// The smallest files that hold what the node writes at once, with room to notice a full disk.
pub const SEGMENT_BYTES_MIN: u64 = 16 << 20;

/// The size of the journal's files where nothing else is asked for.
pub const SEGMENT_BYTES: u64 = synod_journal::SEGMENT_BYTES;

/// Why a configuration is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The node is not in its own list.
    #[error("node {0} is not among the members")]
    NoMember(NodeId),
    /// There are too many members.
    #[error("a cluster has at most {MEMBERS_MAX} members, and here are {0}")]
    TooMany(usize),
    /// The suspicion time is too short.
    #[error(
        "a suspicion time of {suspicion:?} is less than {HEARTBEATS_PER_SUSPICION_MIN} \
         heartbeats of {heartbeat:?}"
    )]
    Hasty {
        /// The suspicion time.
        suspicion: Duration,
        /// The heartbeat.
        heartbeat: Duration,
    },
    /// The files of the journal would be too small.
    #[error("segment_bytes is {0}, and the journal needs at least {SEGMENT_BYTES_MIN}")]
    SmallSegments(u64),
    /// A time is zero.
    #[error("heartbeat and stagger must be longer than nothing")]
    Zero,
    /// The core refuses the settings that follow from these.
    #[error("{0}")]
    Core(synod_smr::ConfigError),
}

impl Config {
    /// Makes the configuration of a node whose certificates `synod-kv init` put into `folder`, and
    /// whose journal is to be there, too. Its clients are served on a free port of the same host.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::path::Path;
    /// use synod_node::{Config, NodeId};
    ///
    /// let members = [(NodeId::new(1), ([127, 0, 0, 1], 7001).into())].into();
    /// let config = Config::in_folder(Path::new("cluster"), NodeId::new(1), members);
    /// assert_eq!(config.data, Path::new("cluster/data/node-1"));
    /// assert_eq!(config.check(), Ok(()));
    /// ```
    #[must_use]
    pub fn in_folder(folder: &Path, node: NodeId, members: BTreeMap<NodeId, SocketAddr>) -> Self {
        let name = format!("node-{node}");
        let localhost = SocketAddr::from(([127, 0, 0, 1], 0));
        let peer_listen = members.get(&node).copied().unwrap_or(localhost);
        Self {
            node,
            cluster: None,
            members,
            peer_listen,
            client_listen: SocketAddr::new(peer_listen.ip(), 0),
            data: folder.join("data").join(&name),
            segment_bytes: SEGMENT_BYTES,
            tls: TlsFiles::in_folder(folder, &name),
            timing: Timing::default(),
        }
    }

    /// Checks what holds for any source of the configuration.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Timing { heartbeat, suspicion, stagger } = self.timing;
        if !self.members.contains_key(&self.node) {
            return Err(ConfigError::NoMember(self.node));
        }
        if self.members.len() > MEMBERS_MAX {
            return Err(ConfigError::TooMany(self.members.len()));
        }
        if self.segment_bytes < SEGMENT_BYTES_MIN {
            return Err(ConfigError::SmallSegments(self.segment_bytes));
        }
        if heartbeat.is_zero() || stagger.is_zero() {
            return Err(ConfigError::Zero);
        }
        if suspicion < heartbeat * HEARTBEATS_PER_SUSPICION_MIN {
            return Err(ConfigError::Hasty { suspicion, heartbeat });
        }
        Ok(())
    }
}
