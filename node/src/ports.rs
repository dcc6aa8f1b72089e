//! The ports of a node, held before anything is done that cannot be undone.
//!
//! Serving on them is left to the transport. The claim kept true: a start that fails on a port that
//! another process has leaves the data folder as it was, and uses no incarnation.

use std::net::{SocketAddr, TcpListener};

use synod_transport_quic::{BindError, HeldPort};

use crate::config::Config;
use crate::start_error::StartError;
use crate::world::Surroundings;

/// Ports on which nothing is read yet.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) peers: HeldPort,
    pub(crate) clients: HeldPort,
    /// That of the metrics, if they are wanted; the system keeps what is said there meanwhile.
    pub(crate) metrics: Option<TcpListener>,
}

impl Ports {
    /// Takes all ports, or none.
    pub(crate) fn hold(world: &impl Surroundings, config: &Config) -> Result<Self, StartError> {
        let peers = world.hold(config.peer_listen).map_err(StartError::PeerPort)?;
        let clients = world.hold(config.client_listen).map_err(StartError::ClientPort)?;
        let metrics = config.metrics_listen.map(hold_metrics).transpose()?;
        Ok(Self { peers, clients, metrics })
    }
}

fn hold_metrics(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .map_err(|source| StartError::MetricsPort(BindError::Socket { address, source }))
}
