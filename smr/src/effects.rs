//! The inputs of a replica and what its steps bring about.
//!
//! The three verbs of every driver are the same: `step` the replica with an input, `take_batch` and
//! vouch for it once it is synced, and send all of the `outbox`. The types keep claims back until
//! then (`synod_paxos::effects`). Beside these a replica answers clients, sets timers, asks for
//! decrees that only the journal still holds, and may say that the process must stop.

use crate::checkpoint::{Difference, Finding};
use crate::command::{CommandBatch, Principal};
use crate::message::{Message, StatePart};
use crate::request::{Connection, Request, RequestId, Response};
use synod_paxos::{CoreId, NodeId, RecordRoom, Slot, Synced, To};

/// Records of a replica, to be synced.
pub type Batch = synod_paxos::Batch<CommandBatch>;

/// A record of a replica.
pub type Record = synod_paxos::Record<CommandBatch>;

/// What can happen to a replica.
#[derive(Debug)]
pub enum Input {
    /// A message of a peer came; the transport proved who sent it.
    Message {
        /// The sender.
        from: NodeId,
        /// The message.
        message: Message,
    },
    /// A request of a client came.
    Request {
        /// Where the response goes.
        connection: Connection,
        /// Who asks, as the certificate says.
        principal: Principal,
        /// What is asked.
        request: Request,
    },
    /// A timer fired. A driver that was held up takes in all messages that wait before that.
    Timer(Timer),
    /// The link to a peer broke, or the peer began another life.
    LinkDown(NodeId),
    /// A peer takes in what waits for it on the lane of the log, and has not taken all of it.
    LaneMoved {
        /// The peer.
        peer: NodeId,
        /// How many bytes still wait.
        waiting: usize,
    },
    /// A batch is durable.
    Synced(Synced),
    /// How the disk is doing.
    Disk(Disk),
    /// A part of a snapshot that was asked to be kept is kept, up to this end.
    Kept {
        /// The slot of the snapshot.
        slot: Slot,
        /// How many bytes of it are kept.
        end: u64,
    },
    /// A snapshot that came in parts cannot be kept, or is not what it was said to be.
    NotKept,
    /// This node shall hand over and take no more commands: it will be stopped.
    Drain,
}

/// How the disk of a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disk {
    /// It has room.
    Fine,
    /// It is full but for the reserve: promises are kept, votes and commands refused.
    Full,
}

/// The timers of a replica; setting one replaces its earlier setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The pulse: heartbeats, suspicion, resending. It counts as time in the core.
    Heartbeat,
    /// The delay before a campaign.
    Campaign,
}

/// Asks for a timer; the driver draws the instant between the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SetTimer {
    /// The timer.
    pub timer: Timer,
    /// The soonest that it fires, in milliseconds from the step.
    pub earliest_ms: u32,
    /// The latest.
    pub latest_ms: u32,
}

/// Asks the driver for decrees that left the core's memory.
///
/// The driver reads the last record of each slot of `[first, end)` from its journal and sends them
/// to the peer as [`Message::Decrees`], with the chosen prefix given here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogRead {
    /// The peer.
    pub to: NodeId,
    /// The first slot.
    pub first: Slot,
    /// The slot after the last.
    pub end: Slot,
    /// The chosen prefix to be told.
    pub chosen: Slot,
}

/// The buffer that a replica fills and its driver empties. One serves one replica for its life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Effects {
    pub(crate) paxos: synod_paxos::Effects<CommandBatch>,
    messages: Vec<(To, Message)>,
    replies: Vec<(Connection, RequestId, Response)>,
    timers: Vec<SetTimer>,
    log_reads: Vec<LogRead>,
    parts: Vec<StatePart>,
    differences: Vec<Difference>,
    halt: Option<String>,
}

impl Effects {
    /// Makes the empty buffer of the replica of that core id.
    #[must_use]
    pub const fn new(core_id: CoreId) -> Self {
        Self {
            paxos: synod_paxos::Effects::new(core_id),
            messages: Vec::new(),
            replies: Vec::new(),
            timers: Vec::new(),
            log_reads: Vec::new(),
            parts: Vec::new(),
            differences: Vec::new(),
            halt: None,
        }
    }

    /// Takes the records gathered since the last batch.
    pub fn take_batch(&mut self) -> Option<Batch> {
        self.paxos.take_batch()
    }

    /// Sets the room for the records that wait to be taken and those to come.
    pub const fn set_room(&mut self, room: RecordRoom) {
        self.paxos.set_room(room);
    }

    /// Returns what the records cost on the disk at most that wait to be taken.
    #[must_use]
    pub const fn cost(&self) -> u64 {
        self.paxos.cost()
    }

    /// Empties the outbox. All of it may leave at once.
    pub fn outbox(&mut self) -> impl Iterator<Item = (To, Message)> + '_ {
        let paxos = self.paxos.outbox().map(|(to, message)| (to, Message::Paxos(message)));
        paxos.chain(self.messages.drain(..))
    }

    /// Empties the responses to clients.
    pub fn replies(&mut self) -> std::vec::Drain<'_, (Connection, RequestId, Response)> {
        self.replies.drain(..)
    }

    /// Empties the timers to be set.
    pub fn timers(&mut self) -> std::vec::Drain<'_, SetTimer> {
        self.timers.drain(..)
    }

    /// Empties the wishes for decrees from the journal.
    pub fn log_reads(&mut self) -> std::vec::Drain<'_, LogRead> {
        self.log_reads.drain(..)
    }

    /// Empties the parts of a snapshot that are to be kept: one at a time, each from where the last
    /// one ended, or from the beginning of another snapshot. The driver tells of each how it went,
    /// and of the last one of a snapshot by installing the state ([`Replica::install`]).
    ///
    /// [`Replica::install`]: crate::Replica::install
    pub fn parts(&mut self) -> std::vec::Drain<'_, StatePart> {
        self.parts.drain(..)
    }

    /// Empties the differences from peers, which the operator must be told of at once: one of the
    /// two nodes has a wrong state.
    pub fn differences(&mut self) -> std::vec::Drain<'_, Difference> {
        self.differences.drain(..)
    }

    /// Returns why the process must stop, if it must. It must stop before it sends anything more.
    #[must_use]
    pub fn halt(&self) -> Option<&str> {
        self.halt.as_deref()
    }

    pub(crate) fn send(&mut self, to: To, message: Message) {
        self.messages.push((to, message));
    }

    pub(crate) fn reply(&mut self, connection: Connection, id: RequestId, response: Response) {
        self.replies.push((connection, id, response));
    }

    pub(crate) fn set_timer(&mut self, timer: Timer, earliest_ms: u32, latest_ms: u32) {
        assert!(earliest_ms <= latest_ms, "{timer:?} fires at no time");
        self.timers.push(SetTimer { timer, earliest_ms, latest_ms });
    }

    pub(crate) fn read_log(&mut self, wish: LogRead) {
        // What is not chosen may be replaced in the journal, and is nobody's to copy.
        assert!(wish.first < wish.end && wish.end <= wish.chosen, "{wish:?} is not of the chosen");
        self.log_reads.push(wish);
    }

    pub(crate) fn keep_part(&mut self, part: StatePart) {
        self.parts.push(part);
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        match finding {
            Finding::Differs(difference) => self.differences.push(difference),
            Finding::Halt(reason) => {
                // The first reason is the one to tell: later ones may follow from it.
                self.halt.get_or_insert(reason);
            }
        }
    }
}
