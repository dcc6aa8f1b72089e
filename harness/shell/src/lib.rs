//! The shell in virtual time: whole nodes and clients, with their QUIC and TLS, on one thread.
//!
//! The nodes are those that ship, started in a [`World`](synod_node::world::World) of this crate:
//! their datagrams pass over a [`Net`] in memory under the verdicts of the harness, their journals
//! are on simulated disks and are carried out by a task, and certificates are read against the
//! clock of the runtime, which a test starts paused. So hours pass in seconds, and what no live run
//! can afford to wait for is waited for. TLS and QUIC draw their own randomness, so a run is not
//! repeated bit for bit; what the faults do to packet n of a link is, by the seed.
//!
//! What it leaves to others: every rule about the log, which the simulator of `harness/synod`
//! drives bit for bit. The claim kept true: nothing of a node or client is replaced here but the
//! devices under it. Work takes no virtual time, but for what a place is told to take for each
//! datagram.

mod authority;
mod cluster;
mod commits;
mod disk;
mod machine;
mod net;
mod place;

pub use authority::{Authority, Validity};
pub use cluster::{Cluster, LINK, PATIENCE, count_once};
pub use commits::CommitTask;
pub use disk::{DiskState, Drive};
pub use machine::Counter;
pub use net::{Net, NetTally};
pub use place::{DAWN, Place};
