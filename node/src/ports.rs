//! The two ports of a node, held before anything is done that cannot be undone.
//!
//! Serving on them is left to the transport. The claim kept true: a start that fails on a port that
//! another process has leaves the data folder as it was, and uses no incarnation.

use synod_transport_quic::HeldPort;

use crate::config::Config;
use crate::start::StartError;
use crate::world::Surroundings;

/// Ports on which nothing is read yet.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) peers: HeldPort,
    pub(crate) clients: HeldPort,
}

impl Ports {
    /// Takes both ports, or none.
    pub(crate) fn hold(world: &impl Surroundings, config: &Config) -> Result<Self, StartError> {
        let peers = world.hold(config.peer_listen).map_err(StartError::PeerPort)?;
        let clients = world.hold(config.client_listen).map_err(StartError::ClientPort)?;
        Ok(Self { peers, clients })
    }
}
