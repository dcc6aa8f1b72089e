//! Proposals: the commands that wait for a slot, and the clients that wait for commands.
//!
//! Commands gather until the last batch is durable here or chosen, whichever is first, or until
//! they fill a batch; the next batch takes all that waits. There is no linger timer: an idle leader
//! proposes one command at once. The claims kept true: a command that was never proposed is refused
//! definitely when this node stops leading; one that was proposed is answered as uncertain, never
//! as refused; and each is answered by the end of the ballot in which it was proposed.

use crate::command::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, Command, CommandBatch};
use crate::executor::WaitKey;
use crate::request::{Connection, Refusal, RequestId, Response};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use synod_paxos::{NodeId, Slot};

/// The most requests that wait for an answer.
pub const WAITERS_MAX: usize = 16_384;

/// The most requests that wait for the same command.
pub const WAITERS_PER_COMMAND_MAX: usize = 8;

/// The most bytes of commands that wait for a slot, and that are open in slots.
pub const WAITING_BYTES_MAX: usize = 64 << 20;

/// The commands and requests that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proposals {
    queue: VecDeque<(WaitKey, Command)>,
    queued_bytes: usize,
    /// The bytes of each open slot that this node proposed.
    open: BTreeMap<Slot, usize>,
    open_bytes: usize,
    waiters: BTreeMap<WaitKey, Vec<Waiter>>,
    waiting: usize,
}

/// A request that waits for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiter {
    /// Where the response goes.
    pub connection: Connection,
    /// The number of the request.
    pub id: RequestId,
}

impl Proposals {
    /// Takes a command in; false if too much waits, or more than so many bytes would. One command
    /// is taken in alone, however long it is.
    ///
    /// A command that is on its way already is not queued again: its requests wait together.
    pub fn admit(
        &mut self,
        awaited: WaitKey,
        command: Command,
        waiter: Waiter,
        bytes_max: usize,
    ) -> bool {
        let known = self.waiters.get(&awaited).map_or(0, Vec::len);
        let bytes = self.bytes();
        if self.waiting >= WAITERS_MAX
            || known >= WAITERS_PER_COMMAND_MAX
            || (bytes > 0 && bytes + command.encoded_len() > bytes_max)
        {
            return false;
        }
        self.waiting += 1;
        assert!(self.waiters.len() < self.waiting, "a command is waited for by nobody");
        self.waiters.entry(awaited).or_default().push(waiter);
        if known == 0 {
            self.queued_bytes += command.encoded_len();
            self.queue.push_back((awaited, command));
        }
        true
    }

    /// Returns the bytes of the commands that wait for a slot, and of those open in slots.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // What is proposed and not chosen counts as well: its bytes are still held.
        self.queued_bytes + self.open_bytes
    }

    /// Tells whether a command waits for a slot.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Tells whether so much waits for a slot that a batch of it gains nothing by waiting on.
    #[must_use]
    pub fn has_full_batch(&self) -> bool {
        self.queued_bytes >= BATCH_BYTES_MAX || self.queue.len() >= BATCH_COMMANDS_MAX
    }

    /// Takes the next batch, to be proposed in `slot`, of no more bytes than the disk has room for:
    /// none if not even the first command fits.
    pub fn take(&mut self, slot: Slot, room: u64) -> Option<CommandBatch> {
        let mut commands = Vec::new();
        let mut bytes = 0;
        while let Some((_, command)) = self.queue.front() {
            let len = command.encoded_len();
            // A command longer than a batch goes alone; one that the disk has no room for waits.
            let full = bytes + len > BATCH_BYTES_MAX || commands.len() >= BATCH_COMMANDS_MAX;
            if (full && !commands.is_empty()) || (bytes + len) as u64 > room {
                break;
            }
            bytes += len;
            commands.extend(self.queue.pop_front().map(|(_, command)| command));
        }
        if commands.is_empty() {
            return None;
        }
        let is_alone = commands.len() == 1;
        assert!(is_alone || bytes <= BATCH_BYTES_MAX, "a batch is longer than it may be");
        self.queued_bytes -= bytes;
        assert!(self.has_queued() || self.queued_bytes == 0, "bytes are counted of what left");
        // A slot that was open in an earlier ballot counts with what it holds in this one.
        let before = self.open.insert(slot, bytes).unwrap_or(0);
        self.open_bytes = self.open_bytes + bytes - before;
        Some(CommandBatch::encode(&commands))
    }

    /// Takes note that all slots below `chosen` are chosen.
    pub fn on_chosen(&mut self, chosen: Slot) {
        while let Some(entry) = self.open.first_entry()
            && *entry.key() < chosen
        {
            self.open_bytes -= entry.remove();
        }
        let is_counted = !self.open.is_empty() || self.open_bytes == 0;
        assert!(is_counted, "bytes are counted of slots that are chosen");
    }

    /// Takes out who waits for a command that was applied.
    pub fn settle(&mut self, awaited: WaitKey) -> Vec<Waiter> {
        let waiters = self.waiters.remove(&awaited).unwrap_or_default();
        self.waiting -= waiters.len();
        waiters
    }

    /// Takes out who waits for what was proposed, and keeps what was not: the ballot is over, and
    /// the next one of this leader may have found other decrees in those slots. Whoever waited on
    /// would join nothing, and so would each repetition.
    pub fn break_off(&mut self) -> Vec<Waiter> {
        // What was not proposed is known to have had no effect, so it may be proposed in the next
        // ballot.
        let queued: BTreeSet<_> = self.queue.iter().map(|(awaited, _)| *awaited).collect();
        let all = std::mem::take(&mut self.waiters).into_iter();
        let (kept, proposed): (_, BTreeMap<_, _>) =
            all.partition(|(awaited, _)| queued.contains(awaited));
        self.waiters = kept;
        let waiters: Vec<_> = proposed.into_values().flatten().collect();
        self.waiting -= waiters.len();
        let kept: usize = self.waiters.values().map(Vec::len).sum();
        assert_eq!(kept, self.waiting, "each request that waits is counted once");
        waiters
    }

    /// Takes out what waits for a slot, and who waits for it: none of it will be proposed.
    pub fn refuse_queued(&mut self) -> Vec<Waiter> {
        self.queued_bytes = 0;
        let queue = std::mem::take(&mut self.queue);
        queue.into_iter().flat_map(|(awaited, _)| self.settle(awaited)).collect()
    }

    /// Takes everything out: this node does not lead any more. What was proposed is
    /// uncertain.
    pub fn give_up(&mut self, leader: Option<NodeId>) -> Vec<(Waiter, Response)> {
        let mut answers = Vec::new();
        // What never left the queue changed nothing: that is a refusal, which a client may act
        // upon.
        for (awaited, _) in std::mem::take(&mut self.queue) {
            for waiter in self.settle(awaited) {
                answers.push((waiter, Response::Refused(Refusal::NotLeader { leader })));
            }
        }
        let refused = answers.len();
        for waiter in std::mem::take(&mut self.waiters).into_values().flatten() {
            answers.push((waiter, Response::Uncertain { leader }));
        }
        assert_eq!(
            answers.len() - refused,
            self.waiting,
            "each request that waits is counted once"
        );
        *self = Self::default();
        answers
    }
}
