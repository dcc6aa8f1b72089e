//! A UDP port that is held before anybody serves on it.
//!
//! What it leaves to others: everything that is said on the port. The claim it keeps true: a port
//! that another process has is noticed before a caller has done anything that it cannot undo.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::AsyncUdpSocket;

use crate::bind_error::BindError;

/// Holds a UDP port on which nothing is read yet. What arrives meanwhile waits in the socket.
///
/// ```
/// use synod_transport_quic::HeldPort;
/// let held = HeldPort::bind("127.0.0.1:0".parse()?)?;
/// assert!(HeldPort::bind(held.local_addr()).is_err(), "nobody else can have it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HeldPort {
    pub(crate) socket: Socket,
    local: SocketAddr,
}

/// Where the datagrams of a port come from and go.
#[derive(Debug)]
pub(crate) enum Socket {
    /// The system, through a socket that no runtime knows yet.
    System(UdpSocket),
    /// Whatever the caller has.
    Given(Arc<dyn AsyncUdpSocket>),
}

impl HeldPort {
    /// Takes the port, or a free one for port 0. Needs no runtime.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError::Socket { address, source };
        let socket = UdpSocket::bind(address).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        Ok(Self { socket: Socket::System(socket), local })
    }

    /// Takes a socket of the caller's: another kind than the system's, such as one of a network in
    /// memory. All else is as on any other port.
    ///
    /// # Errors
    /// When the socket does not know its address.
    pub fn given(socket: Arc<dyn AsyncUdpSocket>) -> io::Result<Self> {
        let local = socket.local_addr()?;
        Ok(Self { socket: Socket::Given(socket), local })
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }
}
