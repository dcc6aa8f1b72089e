//! What comes to a host, and what it gives back: the whole of its contact with the world.

use bytes::Bytes;
use synod_journal::{Commit, FreeSpace};
use synod_paxos::NodeId;
use synod_smr::{Connection, Lane};

use crate::commits::{Committed, Ticket};
use crate::old_decrees::{OldDecrees, ReadOrder};
use crate::snapshots::order::SnapshotOrder;

/// Something that came. Complete by definition.
#[derive(Debug)]
pub enum Event {
    /// A link to a peer stands.
    PeerUp {
        /// The peer.
        peer: NodeId,
        /// Which start of it this is.
        life: u64,
    },
    /// The link to a peer is gone, and no other one took its place.
    PeerDown(NodeId),
    /// Another connection of the same pair took the place of the link to a peer.
    PeerReplaced(NodeId),
    /// Of what was given for the lane of the log to a peer, something still waits there. It counts
    /// for the turn under way, and is told before its flush.
    LogWaiting {
        /// The peer.
        peer: NodeId,
        /// A count that changes whenever the peer's side takes some of it; each link may begin its
        /// own. What is under way between the two counts as taken, and must be little.
        passed: u64,
        /// How many bytes still wait.
        waiting: usize,
    },
    /// Of what was given for the bulk lane to a peer, something still waits there. It counts and is
    /// told like [`Event::LogWaiting`].
    BulkWaiting(NodeId),
    /// A message of a peer, from whichever lane.
    PeerFrame {
        /// Who sent it, as the transport proved.
        peer: NodeId,
        /// The message.
        bytes: Bytes,
    },
    /// A client is connected.
    ClientUp {
        /// Its connection.
        connection: Connection,
        /// Who it is, as its certificate says.
        name: String,
    },
    /// A request of a client.
    ClientFrame {
        /// Its connection.
        connection: Connection,
        /// The request.
        bytes: Bytes,
    },
    /// The transport has taken replies off its queue.
    ClientWrote {
        /// The client's connection.
        connection: Connection,
        /// How many bytes of replies.
        bytes: usize,
    },
    /// A connection of a client is gone.
    ClientDown(Connection),
    /// A commit is durable.
    Committed(Committed),
    /// The room that the journal has when everything that it was given is written.
    Room(FreeSpace),
    /// What was asked for with [`Output::Read`] was read.
    OldDecrees(OldDecrees),
    /// The operator asks the node to hand over and end.
    Drain,
}

/// Something to be done. Outputs are carried out in their order. Complete by definition.
#[derive(Debug)]
pub enum Output {
    /// A commit for the journal. There are never more under way than the journal takes.
    Commit(Commit<Ticket>),
    /// A message for a peer. It may be lost.
    Send {
        /// The peer.
        to: NodeId,
        /// How it travels.
        lane: Lane,
        /// The message.
        bytes: Bytes,
    },
    /// What the [`Beacon`](crate::Beacon) says from here on while the loop is held up: the
    /// heartbeat that is sent with it.
    Beacon(Bytes),
    /// A reply for a client.
    Reply {
        /// Its connection.
        connection: Connection,
        /// The reply.
        bytes: Bytes,
    },
    /// A connection to be closed, as its client broke the protocol.
    Close {
        /// The connection.
        connection: Connection,
        /// What the client is told.
        reason: &'static str,
    },
    /// Work on snapshots, for whichever thread may wait for the disk. How it went is told by
    /// [`Host::on_snapshot`](crate::Host::on_snapshot).
    Snapshot(SnapshotOrder),
    /// Old decrees to be read from the journal, on whichever thread may wait for the disk.
    Read(ReadOrder),
}
