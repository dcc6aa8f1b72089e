//! From the text of a value to what it means, with a complaint that names the key and the remedy.
//!
//! Where the text comes from is the business of `layers`. The claim kept true: what is returned
//! here is within its bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use synod_node::config::{
    BACKUP_CLIENTS_MAX, HEARTBEATS_PER_SUSPICION_MIN, LOG_BYTES_MIN, MEMBERS_MAX,
    SEGMENT_BYTES_MIN, SUSPICION_MIN, is_one_host,
};

use synod_transport_quic::limits::CLIENT_NAME_CHARS_MAX;

use super::layers::{Layers, with_remedy};
use super::problem::ConfigError;

pub(super) fn segment_bytes(layers: &Layers) -> Result<u64, ConfigError> {
    let wanted =
        format!("wanted a multiple of 4096 from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}");
    let bytes: u64 = layers.parse("segment_bytes", &wanted)?;
    let fits =
        (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(4096);
    if fits { Ok(bytes) } else { Err(layers.wrong("segment_bytes", wanted)) }
}

pub(super) fn log_bytes(layers: &Layers) -> Result<u64, ConfigError> {
    let wanted = format!("wanted a number of bytes, {LOG_BYTES_MIN} at least");
    let bytes: u64 = layers.parse("log_bytes", &wanted)?;
    if bytes >= LOG_BYTES_MIN { Ok(bytes) } else { Err(layers.wrong("log_bytes", wanted)) }
}

pub(super) fn scrub_bytes_per_second(layers: &Layers) -> Result<u64, ConfigError> {
    let wanted = "wanted a number of bytes, or 0 for nothing to be read again";
    layers.parse("scrub_bytes_per_second", wanted)
}

/// The clients that may read the whole state: names with commas between them, or none.
pub(super) fn backup_clients(layers: &Layers) -> Result<BTreeSet<String>, ConfigError> {
    let text = layers.text("backup_clients")?;
    let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let is_name = |name: &&str| {
        name.len() <= CLIENT_NAME_CHARS_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !names.iter().all(is_name) || names.len() > BACKUP_CLIENTS_MAX {
        let wanted = format!(
            "wanted at most {BACKUP_CLIENTS_MAX} names of clients with commas between them, as \
             their certificates say behind /client/, such as client"
        );
        return Err(layers.wrong("backup_clients", wanted));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

pub(super) fn cluster(layers: &Layers) -> Result<String, ConfigError> {
    let text = layers.text("cluster")?;
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let plain = |byte: u8| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if groups == [8, 4, 4, 4, 12] && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(layers.wrong("cluster", "wanted the UUID that `synod-kv init` wrote, in lower case"))
}

pub(super) fn node_id(layers: &Layers, key: &str, text: &str) -> Result<u16, ConfigError> {
    // Written in one way only: `01` and `1` would be two keys for one node.
    let id = text.parse::<u16>().ok().filter(|id| *id > 0 && id.to_string() == text);
    id.ok_or_else(|| layers.wrong(key, "a node id is a number from 1 to 65535"))
}

pub(super) fn address(layers: &Layers, key: &str) -> Result<SocketAddr, ConfigError> {
    layers.parse(key, "wanted <ip>:<port>, such as 127.0.0.1:7001")
}

/// Reads where metrics are answered, if anywhere.
pub(super) fn metrics(layers: &Layers) -> Result<Option<SocketAddr>, ConfigError> {
    if layers.text("metrics")? == "off" {
        return Ok(None);
    }
    let wanted = "wanted off, or <ip>:<port> of this host, such as 127.0.0.1:7101";
    let at: SocketAddr = layers.parse("metrics", wanted)?;
    if at.ip().is_multicast() {
        return Err(layers.wrong("metrics", wanted));
    }
    Ok(Some(at))
}

pub(super) fn addresses(
    layers: &Layers,
    table: &str,
) -> Result<BTreeMap<u16, SocketAddr>, ConfigError> {
    let mut nodes = BTreeMap::new();
    for entry in layers.entries(table) {
        let key = format!("{table}.{entry}");
        let (id, at) = (node_id(layers, &key, entry)?, address(layers, &key)?);
        if !is_one_host(at.ip()) {
            let wanted = "this stands for several hosts; name the address of the one that runs it";
            return Err(layers.wrong(&key, wanted));
        }
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

pub(super) fn timing(layers: &Layers) -> Result<(Duration, Duration), ConfigError> {
    let heartbeat = milliseconds(layers, "timing.heartbeat_ms")?;
    let suspicion = milliseconds(layers, "timing.suspicion_ms")?;
    // Asked in an order in which each remedy can be followed: a heartbeat that is too long leaves
    // no suspicion time that would do.
    let least = heartbeat * HEARTBEATS_PER_SUSPICION_MIN;
    let most = Duration::from_millis(MILLISECONDS_MAX);
    if least > most {
        let most = (most / HEARTBEATS_PER_SUSPICION_MIN).as_millis();
        let wanted = format!(
            "{HEARTBEATS_PER_SUSPICION_MIN} of them are more than timing.suspicion_ms may be; \
             write {most} or less"
        );
        return Err(layers.wrong("timing.heartbeat_ms", wanted));
    }
    if suspicion < SUSPICION_MIN {
        let wanted = format!(
            "links between nodes cannot keep less than {} ms; write {} or more",
            SUSPICION_MIN.as_millis(),
            SUSPICION_MIN.max(least).as_millis()
        );
        return Err(layers.wrong("timing.suspicion_ms", wanted));
    }
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

pub(super) fn milliseconds(layers: &Layers, key: &str) -> Result<Duration, ConfigError> {
    let wanted = format!("wanted milliseconds from 1 to {MILLISECONDS_MAX}");
    let number: u64 = layers.parse(key, &wanted)?;
    if !(1..=MILLISECONDS_MAX).contains(&number) {
        return Err(layers.wrong(key, wanted));
    }
    Ok(Duration::from_millis(number))
}

pub(super) fn readable(layers: &Layers, key: &str) -> Result<PathBuf, ConfigError> {
    let path = Path::new(layers.text(key)?);
    File::open(path).map_err(|error| layers.wrong(key, with_remedy(&error)))?;
    Ok(path.to_owned())
}

/// Offsets in a file of the journal have 32 bits, and half of them are left unused.
const SEGMENT_BYTES_MAX: u64 = 2 << 30;

/// One hour: more is a mistake of unit.
const MILLISECONDS_MAX: u64 = 3_600_000;
