//! What a node needs to know before it starts.
//!
//! A plain value that the program fills in, from a file or by hand. Whoever reads it from a file
//! says in his own words what is wrong there; the checks here are those that hold for any source.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use synod_host::journal::SEGMENT_BYTES_MAX;
use synod_host::paxos::{Configuration, CoreId, NodeId};
use synod_transport_quic::limits;

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
    /// Where to answer `/livez`, `/readyz` and `/metrics`, over TCP and in plain text: on an
    /// address that only this host reaches, unless the network is trusted. Port 0 takes a free one;
    /// without an address nothing is answered.
    pub metrics_listen: Option<SocketAddr>,
    /// The folder of the journal, which [`Node::create`](crate::Node::create) makes.
    pub data: PathBuf,
    /// How large the files of the journal are: a multiple of 4096 from [`SEGMENT_BYTES_MIN`] to
    /// 2 GiB. Two of them are set aside at the start.
    pub segment_bytes: u64,
    /// How many bytes the journal keeps past what a snapshot stands for, from [`LOG_BYTES_MIN`] on;
    /// half of it is written between two snapshots.
    pub log_bytes: u64,
    /// How many bytes of the newest snapshot are read again in a second at most, to find damage
    /// while the state that repairs it is in memory; with zero none are.
    pub scrub_bytes_per_second: u64,
    /// The names of the clients that may read the whole state, as a backup does; nobody may, unless
    /// it is named here.
    pub backup_clients: BTreeSet<String>,
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

/// A shorter suspicion time than this cannot be kept by the links between nodes.
pub const SUSPICION_MIN: Duration = limits::SUSPICION_MIN;

/// The size of the journal's files where nothing else is asked for.
pub const SEGMENT_BYTES: u64 = synod_host::journal::SEGMENT_BYTES;

/// What the journal keeps past a snapshot where nothing else is asked for.
pub const LOG_BYTES: u64 = synod_host::LOG_BYTES;

pub use synod_host::SCRUB_BYTES_PER_SECOND_MAX;

/// With less than this a node would write snapshots more than anything else.
pub const LOG_BYTES_MIN: u64 = 1 << 20;

/// The most clients that may be named to read the whole state.
pub const BACKUP_CLIENTS_MAX: usize = 64;

/// The folder of the snapshots, inside that of the journal.
pub(crate) const SNAPSHOTS: &str = "snapshots";

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
    /// The suspicion time is shorter than links can keep.
    #[error("a suspicion time of {0:?} is less than {SUSPICION_MIN:?}")]
    ShortSuspicion(Duration),
    /// The journal cannot have files of this size.
    #[error(
        "segment_bytes is {0}: use a multiple of 4096 from {SEGMENT_BYTES_MIN} to \
         {SEGMENT_BYTES_MAX}"
    )]
    SegmentBytes(u64),
    /// Too many clients are named that may read the whole state.
    #[error("backup_clients names {0} clients: {BACKUP_CLIENTS_MAX} at most")]
    BackupClients(usize),
    /// The journal cannot be cut so short.
    #[error("log_bytes is {0}: use {LOG_BYTES_MIN} at least")]
    LogBytes(u64),
    /// Nobody can reach another member there.
    #[error(
        "{at} is no address of node {node}: name the IP address of one host, and a port other than \
         0"
    )]
    Unreachable {
        /// The member.
        node: NodeId,
        /// Where the others are to reach it.
        at: SocketAddr,
    },
    /// Peers and clients are to be listened to on one port of one host.
    #[error("peers and clients cannot both be listened to on {peers} and {clients}")]
    OnePort {
        /// Where to listen to peers.
        peers: SocketAddr,
        /// Where to listen to clients.
        clients: SocketAddr,
    },
    /// A time is zero.
    #[error("heartbeat and stagger must be longer than nothing")]
    Zero,
    /// The core refuses the settings that follow from these.
    #[error("{0}")]
    Core(synod_host::smr::ConfigError),
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
            metrics_listen: None,
            data: folder.join("data").join(&name),
            segment_bytes: SEGMENT_BYTES,
            log_bytes: LOG_BYTES,
            scrub_bytes_per_second: SCRUB_BYTES_PER_SECOND_MAX,
            backup_clients: BTreeSet::new(),
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
        // Its own address a node dials never.
        let mut others = self.members.iter().filter(|(node, _)| **node != self.node);
        if let Some((&node, &at)) = others.find(|(_, at)| !is_one_host(at.ip()) || at.port() == 0) {
            return Err(ConfigError::Unreachable { node, at });
        }
        let bytes = self.segment_bytes;
        let fits = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes);
        if !fits || !bytes.is_multiple_of(SEGMENT_STEP_BYTES) {
            return Err(ConfigError::SegmentBytes(bytes));
        }
        if self.log_bytes < LOG_BYTES_MIN {
            return Err(ConfigError::LogBytes(self.log_bytes));
        }
        if self.backup_clients.len() > BACKUP_CLIENTS_MAX {
            return Err(ConfigError::BackupClients(self.backup_clients.len()));
        }
        let (peers, clients) = (self.peer_listen, self.client_listen);
        if exclude_each_other(peers, clients) {
            return Err(ConfigError::OnePort { peers, clients });
        }
        if heartbeat.is_zero() || stagger.is_zero() {
            return Err(ConfigError::Zero);
        }
        if suspicion < heartbeat * HEARTBEATS_PER_SUSPICION_MIN {
            return Err(ConfigError::Hasty { suspicion, heartbeat });
        }
        if suspicion < SUSPICION_MIN {
            return Err(ConfigError::ShortSuspicion(suspicion));
        }
        core_settings(self).map(drop)
    }
}

/// Returns the settings of the replica that follow from a configuration whose members were checked.
pub(crate) fn core_settings(config: &Config) -> Result<synod_host::smr::Config, ConfigError> {
    let (voters, core_id) = (voters(config), CoreId { node: config.node, incarnation: 0 });
    let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    // Rounded up, so that a node is trusted for no less than was asked for.
    let ticks = config.timing.suspicion.as_nanos().div_ceil(config.timing.heartbeat.as_nanos());
    let settings = synod_host::smr::Config {
        heartbeat_ms: ms(config.timing.heartbeat),
        suspicion_ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
        stagger_ms: ms(config.timing.stagger),
        ..synod_host::smr::Config::lan(core_id, voters)
    };
    settings.check().map_err(ConfigError::Core)?;
    Ok(settings)
}

pub(crate) fn voters(config: &Config) -> Configuration {
    let members: Vec<NodeId> = config.members.keys().copied().collect();
    Configuration::majority(members).expect("the members were counted, and a map names each once")
}

/// Tells whether an address is that of one host, and stands for no others, so that it can be
/// dialled.
#[must_use]
pub const fn is_one_host(address: IpAddr) -> bool {
    let is_broadcast = match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    !is_broadcast && !address.is_unspecified() && !address.is_multicast()
}

/// Tells whether no process can listen on both addresses: they have one port, and one of them
/// is the other, or stands for all addresses of its kind.
#[must_use]
pub fn exclude_each_other(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    let same = one.ip() == other.ip() || (any && one.is_ipv4() == other.is_ipv4());
    one.port() == other.port() && one.port() != 0 && same
}

/// The files of the journal have whole pages.
const SEGMENT_STEP_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: impl FnOnce(&mut Config)) -> Result<(), String> {
        let members = [(NodeId::new(1), ([127, 0, 0, 1], 7001).into())].into();
        let mut config = Config::in_folder(Path::new("cluster"), NodeId::new(1), members);
        change(&mut config);
        config.check().map_err(|error| error.to_string())
    }

    /// What a start would find out after it has read the journal and used up a number of a start.
    #[test]
    fn what_only_a_start_would_refuse_is_refused_by_a_look() {
        let timing = |heartbeat_us: u64, suspicion_us: u64| {
            changed(|config| {
                config.timing.heartbeat = Duration::from_micros(heartbeat_us);
                config.timing.suspicion = Duration::from_micros(suspicion_us);
            })
        };
        let told = |told: Result<(), String>, part: &str| {
            assert!(told.as_ref().is_err_and(|told| told.contains(part)), "{told:?}");
        };
        assert_eq!(timing(4_000, 20_000), Ok(()));
        told(timing(1_000, 19_999), "less than 20ms");
        told(timing(999, 20_000), "the heartbeat period must not be zero");
        let segments = |bytes| changed(|config| config.segment_bytes = bytes);
        assert_eq!(segments(SEGMENT_BYTES_MIN), Ok(()));
        assert_eq!(segments(SEGMENT_BYTES_MAX), Ok(()));
        let wrong = [SEGMENT_BYTES_MIN - 4096, SEGMENT_BYTES_MIN + 1, SEGMENT_BYTES_MAX + 4096];
        wrong.into_iter().for_each(|bytes| told(segments(bytes), "use a multiple of 4096"));
        let kept = |bytes| changed(|config| config.log_bytes = bytes);
        assert_eq!(kept(LOG_BYTES_MIN), Ok(()));
        told(kept(LOG_BYTES_MIN - 1), "use 1048576 at least");
    }

    #[test]
    fn a_member_that_nobody_can_reach_is_refused_and_ones_own_address_is_not_dialled() {
        let member = |node, at: &str| {
            let at = at.parse().expect("an address");
            changed(|config| {
                config.members.insert(NodeId::new(node), at);
            })
        };
        for at in [
            "0.0.0.0:7002",
            "[::]:7002",
            "224.0.0.1:7002",
            "255.255.255.255:7002",
            "[ff02::1]:7002",
            "127.0.0.1:0",
        ] {
            let told = member(2, at);
            let said = format!("{at} is no address of node 2: name the IP address of one host");
            assert!(told.as_ref().is_err_and(|told| told.starts_with(&said)), "{told:?}");
            assert_eq!(member(1, at), Ok(()));
        }
        assert_eq!(member(2, "10.0.0.2:7002"), Ok(()));
    }

    #[test]
    fn one_port_is_not_for_peers_and_clients() {
        let clients = |clients: &str| {
            let clients = clients.parse().expect("an address");
            changed(|config| config.client_listen = clients)
        };
        for same in ["127.0.0.1:7001", "0.0.0.0:7001"] {
            let told = clients(same);
            assert!(told.is_err_and(|told| told.contains("cannot both be listened to")), "{same}");
        }
        for other in ["127.0.0.1:7002", "127.0.0.2:7001", "[::1]:7001", "127.0.0.1:0"] {
            assert_eq!(clients(other), Ok(()), "{other}");
        }
        let free = |config: &mut Config| config.peer_listen = ([127, 0, 0, 1], 0).into();
        assert_eq!(changed(free), Ok(()), "two free ports are not one");
    }
}
