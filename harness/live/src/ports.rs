//! Ports for the nodes: a block of them, claimed for the length of a run.
//!
//! A node that was killed comes back to the port that it had, so its ports must stay free while it
//! is away. They are therefore taken from below the range out of which systems give ports to
//! whoever asks for any, and a block is claimed by holding its first port: another harness on the
//! same machine finds that port taken and moves on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// A claimed block of loopback ports. The claim ends when this is dropped.
#[derive(Debug)]
pub struct PortBlock {
    claim: UdpSocket,
    first: u16,
}

impl PortBlock {
    /// Claims a block in which every port is free.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`] if no block is free.
    pub fn claim() -> io::Result<Self> {
        let blocks = (PORTS_END - PORTS_START) / BLOCK_PORTS;
        // Runs that start together look at different blocks first.
        let offset = (std::process::id() % u32::from(blocks)) as u16;
        (0..blocks)
            .map(|turn| PORTS_START + (turn + offset) % blocks * BLOCK_PORTS)
            .find_map(Self::try_claim)
            .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no block of ports is free"))
    }

    /// Returns an address of the block.
    ///
    /// # Panics
    ///
    /// If `number` is not below [`PortBlock::LEN`].
    #[must_use]
    pub fn address(&self, number: u16) -> SocketAddr {
        assert!(number < Self::LEN, "a block has {} ports", Self::LEN);
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.first + 1 + number))
    }

    /// Returns the address that stands for the claim; nobody listens to it.
    ///
    /// # Errors
    ///
    /// If the system has lost the socket.
    pub fn claimed(&self) -> io::Result<SocketAddr> {
        self.claim.local_addr()
    }

    /// Ports in a block.
    pub const LEN: u16 = BLOCK_PORTS - 1;

    fn try_claim(first: u16) -> Option<Self> {
        let claim = bind(first).ok()?;
        let free = (first + 1..first + BLOCK_PORTS).all(is_free);
        free.then_some(Self { claim, first })
    }
}

fn bind(port: u16) -> io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
}

/// Returns whether a node can listen there, whatever it speaks.
fn is_free(port: u16) -> bool {
    bind(port).is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

const BLOCK_PORTS: u16 = 128;

/// Below this are the ports of services.
const PORTS_START: u16 = 16_000;

/// From here on, systems give ports to whoever asks for any.
const PORTS_END: u16 = 32_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_share_no_port() {
        let one = PortBlock::claim().expect("a free block");
        let two = PortBlock::claim().expect("another one");
        let ports = |block: &PortBlock| -> Vec<u16> {
            (0..PortBlock::LEN).map(|n| block.address(n).port()).collect()
        };
        assert!(ports(&one).iter().all(|port| !ports(&two).contains(port)));
        assert_ne!(one.claimed().expect("bound"), two.claimed().expect("bound"));
        let free = UdpSocket::bind(one.address(0));
        assert!(free.is_ok(), "a claimed port is free for its node");
    }

    #[test]
    fn a_port_that_something_on_tcp_holds_is_not_free() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = held.local_addr().expect("bound").port();
        assert!(bind(port).is_ok(), "UDP has ports of its own");
        assert!(!is_free(port));
    }
}
