//! The configurations that `init` writes, as text.
//!
//! What the keys mean is said by `config`. The claim kept true: all nodes and all clients of one
//! cluster are told the same addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::InitError;
use crate::cli::InitArgs;

/// Where the nodes of a cluster listen.
pub(super) struct Addresses {
    peers: BTreeMap<u16, SocketAddr>,
    clients: BTreeMap<u16, SocketAddr>,
}

impl Addresses {
    /// Works out the addresses that the arguments ask for.
    pub(super) fn of(args: &InitArgs) -> Result<Self, InitError> {
        let base = args.base_port;
        let highest = base.checked_add(CLIENT_PORT_STEP + args.nodes);
        highest.ok_or(InitError::Ports(base))?;
        let mut hosts = BTreeMap::new();
        for text in &args.host {
            let (id, host) = host(text).ok_or_else(|| InitError::Host(text.clone()))?;
            if !(1..=args.nodes).contains(&id) || hosts.insert(id, host).is_some() {
                return Err(InitError::Host(text.clone()));
            }
        }
        let local = IpAddr::from([127, 0, 0, 1]);
        let at = |step: u16| {
            let address = |id: u16| {
                let host = hosts.get(&id).copied().unwrap_or(local);
                (id, SocketAddr::new(host, base + step + id))
            };
            (1..=args.nodes).map(address).collect()
        };
        Ok(Self { peers: at(0), clients: at(CLIENT_PORT_STEP) })
    }

    /// Writes the configuration of one of the nodes.
    pub(super) fn server_toml(&self, cluster: &str, node: u16) -> Option<String> {
        let (peer, client) = (self.peers.get(&node)?, self.clients.get(&node)?);
        let peers = lines(&self.peers);
        Some(format!(
            "# One node of the cluster. SYNOD_* variables and flags override these values;\n\
             # `synod-kv serve --config <this file> --print-config` shows what holds.\n\
             cluster = \"{cluster}\"\n\
             node = {node}\n\
             data = \"data/node-{node}\"\n\
             peer_listen = \"{peer}\"\n\
             client_listen = \"{client}\"\n\n\
             [peers]\n{peers}\n\
             [tls]\n\
             authority = \"ca/ca.pem\"\n\
             certificate = \"node-{node}.pem\"\n\
             key = \"node-{node}.key\"\n"
        ))
    }

    /// Writes the configuration of the clients.
    pub(super) fn client_toml(&self, cluster: &str) -> String {
        let nodes = lines(&self.clients);
        format!(
            "# How to reach the cluster. SYNOD_* variables and flags override these values.\n\
             cluster = \"{cluster}\"\n\
             timeout_ms = 5000\n\n\
             [nodes]\n{nodes}\n\
             [tls]\n\
             authority = \"ca/ca.pem\"\n\
             certificate = \"client.pem\"\n\
             key = \"client.key\"\n"
        )
    }
}

/// Reads where a node runs; an address that stands for all or for several hosts is none.
fn host(text: &str) -> Option<(u16, IpAddr)> {
    let (id, host) = text.split_once('=')?;
    let (id, host): (u16, IpAddr) = (id.parse().ok()?, host.parse().ok()?);
    (!host.is_unspecified() && !host.is_multicast()).then_some((id, host))
}

fn lines(addresses: &BTreeMap<u16, SocketAddr>) -> String {
    addresses.iter().map(|(node, at)| format!("{node} = \"{at}\"\n")).collect()
}

/// How far above its port for peers a node listens to clients.
const CLIENT_PORT_STEP: u16 = 100;
