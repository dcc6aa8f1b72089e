//! The clients of a host: who they are, and the replies that wait for them.
//!
//! A reply goes to the transport at once while what is there for its client stays within a budget,
//! and waits here otherwise. A reply costs more than its bytes, and is charged for that. The claims
//! kept true: what one turn makes never overruns a connection, replies of one client leave in their
//! order, no client makes more wait than the bounds allow, those who do not read leave room for
//! those who do, and a long reply is not overtaken for ever by the shorter ones of others.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use synod_paxos::NodeId;
use synod_smr::wire::encode_response;
use synod_smr::{Connection, Principal, RequestId, Response};

use crate::event::Output;
use crate::settings::{REPLY_OVERHEAD_BYTES, Settings};

/// All connected clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    connected: BTreeMap<Connection, Client>,
    /// Who has replies that wait, in the order in which they are served.
    blocked: VecDeque<Connection>,
    /// The first of those who wait for what is common to all: nobody else takes of it meanwhile.
    first: Option<Connection>,
    held: Held,
}

/// What replies of all clients take, each with [`REPLY_OVERHEAD_BYTES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Those that the transport has and has not written.
    pub under_way: usize,
    /// What of those is beyond the shares that clients have in any case.
    pub common: usize,
    /// Those that wait here.
    pub waiting: usize,
    /// How many of those that wait are words that something was not kept.
    pub words: usize,
}

#[derive(Clone, Debug)]
struct Client {
    principal: Principal,
    under_way: UnderWay,
    waiting: VecDeque<Waiting>,
    /// What the replies take that wait.
    waiting_bytes: usize,
}

/// The replies of one client that the transport has.
#[derive(Clone, Debug, Default)]
struct UnderWay {
    /// The length of each, in their order.
    lengths: VecDeque<usize>,
    /// What is written of the first.
    written: usize,
    /// What all of them take.
    bytes: usize,
    /// What of that is beyond the client's share.
    common: usize,
}

/// What changed of the replies that the transport has.
#[derive(Clone, Copy, Debug)]
struct Change {
    bytes: usize,
    common: usize,
}

impl Held {
    const fn on_given(&mut self, more: Change) {
        self.under_way += more.bytes;
        self.common += more.common;
        assert!(self.common <= self.under_way, "more is beyond the shares than there is");
    }

    const fn on_wrote(&mut self, less: Change) {
        self.under_way -= less.bytes;
        self.common -= less.common;
    }
}

/// A reply that waits.
#[derive(Clone, Debug)]
struct Waiting {
    bytes: Bytes,
    /// Whether it only says that a reply was not kept.
    is_word: bool,
}

impl Clients {
    /// Takes a connection in. One that is there already begins anew.
    pub(crate) fn on_up(&mut self, connection: Connection, name: &str) {
        self.remove(connection);
        let principal = Principal::of_name(name);
        let (under_way, waiting) = (UnderWay::default(), VecDeque::new());
        let client = Client { principal, under_way, waiting, waiting_bytes: 0 };
        self.connected.insert(connection, client);
    }

    /// Lets a connection go, with the replies that wait for it: what it had is room for others.
    pub(crate) fn on_down(
        &mut self,
        connection: Connection,
        settings: &Settings,
        outputs: &mut VecDeque<Output>,
    ) {
        self.remove(connection);
        self.serve_all(settings, outputs);
    }

    fn remove(&mut self, connection: Connection) {
        if let Some(client) = self.connected.remove(&connection) {
            self.held.waiting -= client.waiting_bytes;
            self.held.under_way -= client.under_way.bytes;
            self.held.common -= client.under_way.common;
            self.held.words -= client.waiting.iter().filter(|waiting| waiting.is_word).count();
            self.blocked.retain(|blocked| *blocked != connection);
            self.first.take_if(|first| *first == connection);
        }
    }

    /// Returns who asks on a connection; none if it is gone.
    pub(crate) fn principal(&self, connection: Connection) -> Option<Principal> {
        self.connected.get(&connection).map(|client| client.principal)
    }

    /// Returns what the replies of all clients take.
    pub(crate) const fn held(&self) -> Held {
        self.held
    }

    /// Takes a response; says whether it leaves at once, waits, or is not kept, as too much waits
    /// for its client, or for all.
    pub(crate) fn on_response(
        &mut self,
        me: NodeId,
        (connection, id, response): (Connection, RequestId, &Response),
        settings: &Settings,
    ) -> Answered {
        let Some(client) = self.connected.get_mut(&connection) else { return Answered::Gone };
        let mut bytes = encode_response(id, response);
        // Where something waits, a reply must not leave even if it would fit: those of one client
        // keep their order.
        if client.waiting.is_empty() {
            let room = client.room_for(bytes.len(), self.held, settings);
            if room.is_open(self.first.is_none()) {
                self.held.on_given(client.under_way.add(bytes.len(), settings.reply_share_bytes));
                return Answered::Now(Output::Reply { connection, bytes });
            }
        }
        let is_word = client.waiting_bytes + cost(&bytes) > settings.replies_waiting_bytes
            || self.held.waiting + cost(&bytes) > settings.replies_waiting_bytes_total;
        let words_max = self.held.words >= WORDS_WAITING_MAX_TOTAL;
        if is_word && (client.waiting.len() >= WORDS_WAITING_MAX || words_max) {
            return Answered::LetGo;
        }
        if is_word {
            // Whether it was a command that took effect is for the session to say, when it asks.
            bytes = encode_response(id, &Response::Uncertain { leader: Some(me) });
            self.held.words += 1;
        }
        if client.waiting.is_empty() {
            self.blocked.push_back(connection);
        }
        client.waiting_bytes += cost(&bytes);
        self.held.waiting += cost(&bytes);
        client.waiting.push_back(Waiting { bytes, is_word });
        if is_word { Answered::LetGo } else { Answered::Later }
    }

    /// Takes note that the transport has written so many bytes of replies, and hands it the next
    /// ones: of all clients in turn, as what one has read is room for another.
    pub(crate) fn on_wrote(
        &mut self,
        connection: Connection,
        bytes: usize,
        settings: &Settings,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(client) = self.connected.get_mut(&connection) else { return };
        self.held.on_wrote(client.under_way.on_wrote(bytes, settings.reply_share_bytes));
        self.serve_all(settings, outputs);
    }

    fn serve_all(&mut self, settings: &Settings, outputs: &mut VecDeque<Output>) {
        self.first = None;
        let mut served = VecDeque::new();
        // Who was passed over goes back into the same queue, so the count is fixed before: each is
        // looked at once.
        for _ in 0..self.blocked.len() {
            let Some(next) = self.blocked.pop_front() else { break };
            let before = outputs.len();
            let more = self.serve(next, settings, outputs);
            if more {
                // Who had a turn is behind those who had none.
                let had = outputs.len() > before;
                if had { &mut served } else { &mut self.blocked }.push_back(next);
            }
        }
        self.blocked.append(&mut served);
    }

    /// Hands over what may leave for a client; tells whether more waits.
    fn serve(
        &mut self,
        connection: Connection,
        settings: &Settings,
        outputs: &mut VecDeque<Output>,
    ) -> bool {
        let Some(client) = self.connected.get_mut(&connection) else { return false };
        let before = outputs.len();
        while let Some(next) = client.waiting.front() {
            let room = client.room_for(next.bytes.len(), self.held, settings);
            if !room.is_open(self.first.is_none()) {
                // Only who got nothing in this pass may bar the others: else a client with many
                // long replies would take its turn and bar the rest as well.
                if room == Room::Taken && outputs.len() == before {
                    self.first.get_or_insert(connection);
                }
                return true;
            }
            let Some(Waiting { bytes, is_word }) = client.waiting.pop_front() else { break };
            self.held.on_given(client.under_way.add(bytes.len(), settings.reply_share_bytes));
            client.waiting_bytes -= cost(&bytes);
            self.held.waiting -= cost(&bytes);
            self.held.words -= usize::from(is_word);
            outputs.push_back(Output::Reply { connection, bytes });
        }
        false
    }
}

/// Whether the transport has room for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// There is, whatever others wait for.
    Own,
    /// There is, of what is common to all.
    Common,
    /// There is none of what is common to all.
    Taken,
    /// Its client has as much there as one may have.
    Spent,
}

impl Room {
    /// Tells whether a reply may leave, where what is common is free to take or is waited for.
    const fn is_open(self, is_free: bool) -> bool {
        match self {
            Self::Own => true,
            Self::Common => is_free,
            Self::Taken | Self::Spent => false,
        }
    }
}

impl Client {
    /// Tells whether the transport has room for a reply of so many bytes more.
    ///
    /// Its share a client may have in any case: however many others read nothing, they use up no
    /// more than what is common to all, and their own shares. Those do not count in what is common:
    /// many that read, each within its share, would leave no room for a long reply for ever. One
    /// reply may be there in any case as well, of one client or of all, or a long one never left.
    const fn room_for(&self, length: usize, held: Held, settings: &Settings) -> Room {
        let (mine, share) = (self.under_way.bytes, settings.reply_share_bytes);
        let with_it = mine + length + REPLY_OVERHEAD_BYTES;
        let common = held.common - self.under_way.common + with_it.saturating_sub(share);
        if with_it <= share {
            Room::Own
        } else if mine > 0 && with_it > settings.reply_budget_bytes {
            Room::Spent
        } else if held.common == 0 || common <= settings.reply_budget_bytes_total {
            Room::Common
        } else {
            Room::Taken
        }
    }
}

impl UnderWay {
    /// Takes a reply in; returns by how much what is there grew.
    fn add(&mut self, length: usize, share: usize) -> Change {
        let before = (self.bytes, self.common);
        self.lengths.push_back(length);
        self.bytes += length + REPLY_OVERHEAD_BYTES;
        self.common = self.bytes.saturating_sub(share);
        Change { bytes: self.bytes - before.0, common: self.common - before.1 }
    }

    /// Takes note of bytes that were written; returns what the replies took that are written whole.
    fn on_wrote(&mut self, bytes: usize, share: usize) -> Change {
        self.written += bytes;
        let before = (self.bytes, self.common);
        while let Some(length) = self.lengths.front()
            && *length <= self.written
        {
            self.written -= length;
            self.bytes -= length + REPLY_OVERHEAD_BYTES;
            self.lengths.pop_front();
        }
        if self.lengths.is_empty() {
            self.written = 0;
        }
        self.common = self.bytes.saturating_sub(share);
        Change { bytes: before.0 - self.bytes, common: before.1 - self.common }
    }
}

/// Returns what a reply takes.
const fn cost(bytes: &Bytes) -> usize {
    bytes.len() + REPLY_OVERHEAD_BYTES
}

/// What became of a response.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It leaves.
    Now(Output),
    /// It waits for those before it.
    Later,
    /// It was not kept; a word that the outcome is uncertain waits in its place, unless too many
    /// wait already: then the client hears nothing, as of any reply that is lost.
    LetGo,
    /// Nobody waits for it: the client asks again elsewhere, and its session knows what was
    /// applied.
    Gone,
}

/// With so many replies waiting for a client that reads too slowly, it is not told any more that
/// others were not kept: whoever asks on without reading would make even these words grow.
pub const WORDS_WAITING_MAX: usize = 1024;

/// How many such words wait for all clients together.
pub const WORDS_WAITING_MAX_TOTAL: usize = 16 * 1024;

/// What such a word takes at most.
pub const WORD_BYTES_MAX: usize = REPLY_OVERHEAD_BYTES + 32;

#[cfg(test)]
mod tests;
