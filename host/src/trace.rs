//! What a host did, written down as it does it, for whoever holds it against the specification.
//!
//! A [`TraceRecorder`] is shown what its host is given and what that brings about, and makes bytes of
//! it; where they go is left to its owner, who writes them before any of it leaves. [`TraceReader`]
//! gives back what was written. Whether a trace is a behaviour of the specification is judged
//! elsewhere. The claim kept true: of all that a peer, a client or a later life can notice of the
//! order of this host's records and messages, nothing is missing from what was written before.

use std::io::{self, Read};

use bytes::Bytes;
use synod_paxos::{AfterSync, Ballot, Message as Paxos, NodeId, Slot, To};
use synod_smr::wire::{
    JournalRecord, decode_message, decode_record, decode_request, encode_message, encode_record,
    encode_replica_record,
};
use synod_smr::{Connection, Message, Record, RequestBody, RequestId, Response, StateMachine};

use crate::event::Event;
use crate::flush::Brought;
use crate::host::Host;

/// Something that a host did, as a trace tells of it.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceEvent {
    /// The journal gave this record back, before the life began.
    Recovered(Record),
    /// All that the journal holds was given back, and the life begins.
    Began {
        /// When, in nanoseconds of a clock that all nodes share.
        at_ns: u64,
        /// Which start of the node it is.
        incarnation: u64,
        /// The slot of the snapshot that it begins with.
        state_at: Slot,
    },
    /// A turn was about to end; what follows took place in it.
    Turn {
        /// When, as for a beginning: after all that came in it had come, and before any of what it
        /// brought about left.
        at_ns: u64,
        /// The end of the chosen prefix then.
        chosen: Slot,
    },
    /// A record became durable, and the replica knows.
    Durable(Record),
    /// A candidate that did not lead yet took a promise in.
    Heard {
        /// Who gave it.
        from: NodeId,
        /// The promise.
        message: Message,
    },
    /// A client asked a question.
    Asked(Connection, RequestId),
    /// A durable state took the place of all slots below this one.
    State(Slot),
    /// The replica treats a decree as the one that is chosen in its slot.
    Learned {
        /// The slot.
        slot: Slot,
        /// The [`print_of`] its decree.
        print: u32,
    },
    /// A message was about to leave.
    Sent(To, Message),
    /// A client was about to be told something.
    Answered {
        /// The client.
        connection: Connection,
        /// What it is told of.
        id: RequestId,
        /// Whether it is the reply of the state machine.
        is_reply: bool,
    },
    /// The trace is as long as it may be, and says nothing of what follows.
    Full,
}

/// Makes a trace of what one life of a host does.
///
/// Its owner calls, in this order: [`TraceRecorder::on_recovered`] for each record that
/// [`open`](crate::open) shows; [`TraceRecorder::on_began`]; then, in each turn,
/// [`TraceRecorder::on_event`] for each event before the host takes it, and
/// [`TraceRecorder::on_turn`] from within [`Host::flush_watched`]. The time that it gives is of one
/// clock for all nodes, and never goes back.
#[derive(Debug)]
pub struct TraceRecorder {
    bytes: Vec<u8>,
    /// What was taken in this turn, which is told of once its time is known.
    taken: Vec<u8>,
    /// How many bytes may still be made.
    left: u64,
    /// The end of the chosen prefix that was told of; nothing before the first turn.
    chosen: Option<Slot>,
    /// How many snapshots of others the host had gone on from.
    installed: u64,
}

impl TraceRecorder {
    /// Begins a trace of at most so many bytes, and one event beyond them.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let (bytes, taken) = (Vec::new(), Vec::new());
        Self { bytes, taken, left: bytes_max, chosen: None, installed: 0 }
    }

    /// Takes note of a record that the journal gave back.
    pub fn on_recovered(&mut self, record: &JournalRecord) {
        if matches!(record, JournalRecord::Replica(_)) {
            self.put(Tag::Recovered, &encode_record(record));
        }
    }

    /// Takes note that the life begins.
    pub fn on_began(&mut self, at_ns: u64, incarnation: u64, state_at: Slot) {
        self.put(Tag::Began, &words([at_ns, incarnation, state_at.number()]));
    }

    /// Takes note of an event that the host is about to take.
    pub fn on_event<M: StateMachine>(&mut self, host: &Host<M>, event: &Event) {
        match event {
            Event::Committed(committed) => {
                for record in committed.ticket.records() {
                    put(&mut self.taken, Tag::Durable, &encode_replica_record(record));
                }
            }
            Event::PeerFrame { peer, bytes } => {
                let leader = host.replica().paxos().leader();
                let prepares = leader.ballot().filter(|_| leader.leads().is_none());
                if prepares.is_some() && prepares == promised_in(bytes) {
                    let payload = [&peer.number().to_le_bytes()[..], bytes].concat();
                    put(&mut self.taken, Tag::Heard, &payload);
                }
            }
            Event::ClientFrame { connection, bytes } => {
                if let Ok(request) = decode_request(bytes)
                    && matches!(request.body, RequestBody::Query(_))
                {
                    put(&mut self.taken, Tag::Asked, &words([connection.0, request.id.0]));
                }
            }
            Event::PeerUp { .. }
            | Event::PeerDown(_)
            | Event::PeerReplaced(_)
            | Event::LogWaiting { .. }
            | Event::BulkWaiting(_)
            | Event::ClientUp { .. }
            | Event::ClientWrote { .. }
            | Event::ClientDown(_)
            | Event::Room(_)
            | Event::OldDecrees(_)
            | Event::Drain => {}
        }
    }

    /// Takes note of what a turn brought about.
    pub fn on_turn<M: StateMachine>(&mut self, at_ns: u64, host: &Host<M>, brought: &Brought<'_>) {
        let (paxos, log) = (host.replica().paxos(), host.replica().paxos().log());
        // What a node knows when its life begins, it had learned before.
        let known = self.chosen.replace(paxos.chosen()).unwrap_or(paxos.chosen());
        // The base alone tells nothing: what was chosen and applied in this turn may be gone, too.
        let installed = host.counts().snapshots_installed;
        let is_passed_over =
            std::mem::replace(&mut self.installed, installed) < installed && log.base() > known;
        let is_idle = self.taken.is_empty()
            && known == paxos.chosen()
            && !is_passed_over
            && brought.sent.is_empty()
            && brought.replies.is_empty();
        if is_idle {
            return;
        }
        self.put(Tag::Turn, &words([at_ns, paxos.chosen().number()]));
        self.put_taken();
        if is_passed_over {
            self.put(Tag::State, &log.base().number().to_le_bytes());
        }
        for number in known.number()..paxos.chosen().number() {
            let slot = Slot::new(number);
            if let Some(decree) = log.decree(slot) {
                let record = Record::Learned { slot, decree: decree.clone() };
                self.put(Tag::Learned, &words([number, print_of(&record).into()]));
            }
        }
        for (to, message) in brought.sent {
            let to = match to {
                To::Peers => ALL_PEERS,
                To::Node(node) => u32::from(node.number()),
            };
            self.put(Tag::Sent, &[&to.to_le_bytes()[..], &encode_message(message)].concat());
        }
        for (connection, id, response) in brought.replies {
            let is_reply = matches!(response, Response::Reply(_));
            self.put(Tag::Answered, &words([connection.0, id.0, is_reply.into()]));
        }
    }

    /// Returns what was made since the last [`TraceRecorder::clear`].
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    fn put(&mut self, tag: Tag, payload: &[u8]) {
        if self.left == 0 {
            return;
        }
        put(&mut self.bytes, tag, payload);
        self.spend(HEADER_BYTES + payload.len());
    }

    /// Tells of what was taken in this turn.
    fn put_taken(&mut self) {
        if self.left > 0 {
            let length = self.taken.len();
            self.bytes.append(&mut self.taken);
            self.spend(length);
        }
        self.taken.clear();
    }

    fn spend(&mut self, length: usize) {
        self.left = self.left.saturating_sub(length as u64);
        if self.left == 0 {
            put(&mut self.bytes, Tag::Full, &[]);
        }
    }
}

fn put(bytes: &mut Vec<u8>, tag: Tag, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    bytes.push(tag as u8);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(payload);
}

/// Returns the ballot of a promise; nothing for any other message.
fn promised_in(frame: &Bytes) -> Option<Ballot> {
    match decode_message(frame) {
        Ok(Message::Paxos(Paxos::AfterSync(AfterSync::Promise { ballot, .. }))) => Some(ballot),
        Ok(_) | Err(_) => None,
    }
}

/// Returns by what a trace tells one decree of a slot from another: a checksum of the record that a
/// copy of it would be.
#[must_use]
pub fn print_of(learned: &Record) -> u32 {
    crc32c::crc32c(&encode_replica_record(learned))
}

/// Reads the trace of one life, one event after the other.
///
/// A life that was killed ends in the middle of an event, which never took place: it is left out.
///
/// ```
/// use synod_host::{TraceRecorder, TraceEvent, TraceReader};
/// use synod_paxos::Slot;
///
/// let mut recorder = TraceRecorder::new(1 << 20);
/// recorder.on_began(12, 3, Slot::new(7));
/// let bytes = recorder.bytes();
/// let mut whole = TraceReader::new(bytes);
/// let began = TraceEvent::Began { at_ns: 12, incarnation: 3, state_at: Slot::new(7) };
/// assert_eq!(whole.next().transpose()?, Some(began));
/// assert!(whole.next().is_none());
/// assert!(TraceReader::new(&bytes[..bytes.len() - 1]).next().is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TraceReader<R> {
    input: R,
    is_over: bool,
}

impl<R: Read> TraceReader<R> {
    /// Reads what a recorder made. Each event is two small reads, so a file wants a buffer.
    pub const fn new(input: R) -> Self {
        Self { input, is_over: false }
    }

    /// Reads the next event, unless the trace ends before its end.
    fn read(&mut self) -> io::Result<Option<TraceEvent>> {
        let mut header = [0; HEADER_BYTES];
        if !fill(&mut self.input, &mut header)? {
            return Ok(None);
        }
        let [tag, length @ ..] = header;
        let length = u32::from_le_bytes(length);
        if length > EVENT_BYTES_MAX {
            return Err(foreign(format!("an event of {length} bytes")));
        }
        let mut payload = vec![0; length as usize];
        if !fill(&mut self.input, &mut payload)? {
            return Ok(None);
        }
        event_of(tag, Bytes::from(payload)).map(Some)
    }
}

impl<R: Read> Iterator for TraceReader<R> {
    type Item = io::Result<TraceEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read().transpose();
        self.is_over = !matches!(read, Some(Ok(_)));
        read
    }
}

fn event_of(tag: u8, payload: Bytes) -> io::Result<TraceEvent> {
    let tag = Tag::ALL.into_iter().find(|known| *known as u8 == tag);
    let tag = tag.ok_or_else(|| foreign("an event of no known kind".to_owned()))?;
    let replica = |payload: &Bytes| match decode_record(payload) {
        Ok(JournalRecord::Replica(record)) => Ok(record),
        Ok(other) => Err(foreign(format!("a record of the host alone: {other:?}"))),
        Err(error) => Err(foreign(error.to_string())),
    };
    Ok(match tag {
        Tag::Recovered => TraceEvent::Recovered(replica(&payload)?),
        Tag::Began => {
            let [at_ns, incarnation, state_at] = numbers(&payload)?;
            TraceEvent::Began { at_ns, incarnation, state_at: slot(state_at)? }
        }
        Tag::Turn => {
            let [at_ns, chosen] = numbers(&payload)?;
            TraceEvent::Turn { at_ns, chosen: slot(chosen)? }
        }
        Tag::Heard => {
            let (from, message) = addressed::<2>(&payload)?;
            let from = NodeId::new(u16::from_le_bytes(from));
            TraceEvent::Heard { from, message }
        }
        Tag::Asked => {
            let [connection, id] = numbers(&payload)?;
            TraceEvent::Asked(Connection(connection), RequestId(id))
        }
        Tag::Answered => {
            let [connection, id, is_reply] = numbers(&payload)?;
            let (connection, id) = (Connection(connection), RequestId(id));
            TraceEvent::Answered { connection, id, is_reply: is_reply != 0 }
        }
        Tag::Durable => TraceEvent::Durable(replica(&payload)?),
        Tag::State => {
            let [number] = numbers(&payload)?;
            TraceEvent::State(slot(number)?)
        }
        Tag::Learned => {
            let [number, print] = numbers(&payload)?;
            let print = u32::try_from(print).map_err(|_| foreign(format!("print {print}")))?;
            TraceEvent::Learned { slot: slot(number)?, print }
        }
        Tag::Sent => {
            let (to, message) = addressed::<4>(&payload)?;
            let to = match u32::from_le_bytes(to) {
                ALL_PEERS => To::Peers,
                node => {
                    let node = u16::try_from(node).map_err(|_| foreign(format!("node {node}")))?;
                    To::Node(NodeId::new(node))
                }
            };
            TraceEvent::Sent(to, message)
        }
        Tag::Full => TraceEvent::Full,
    })
}

/// Fills a buffer; tells whether there was enough.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes a message apart from the name in front of it.
fn addressed<const N: usize>(payload: &Bytes) -> io::Result<([u8; N], Message)> {
    let name = payload.first_chunk::<N>().ok_or_else(|| foreign("no name".to_owned()))?;
    let message = decode_message(&payload.slice(N..));
    Ok((*name, message.map_err(|error| foreign(error.to_string()))?))
}

fn words<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn numbers<const N: usize>(payload: &[u8]) -> io::Result<[u64; N]> {
    let (chunks, rest) = payload.as_chunks::<8>();
    let numbers: Option<[[u8; 8]; N]> = chunks.try_into().ok().filter(|_| rest.is_empty());
    let numbers = numbers.ok_or_else(|| foreign(format!("numbers in {} bytes", payload.len())))?;
    Ok(numbers.map(u64::from_le_bytes))
}

fn slot(number: u64) -> io::Result<Slot> {
    // A slot has another one behind it.
    if number == u64::MAX { Err(foreign(format!("slot {number}"))) } else { Ok(Slot::new(number)) }
}

fn foreign(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no recorder wrote this: {what}"))
}

/// What kind of event follows.
#[derive(Clone, Copy)]
enum Tag {
    Recovered = 1,
    Began,
    Turn,
    Durable,
    Heard,
    Asked,
    State,
    Learned,
    Sent,
    Answered,
    Full,
}

impl Tag {
    const ALL: [Self; 11] = [
        Self::Recovered,
        Self::Began,
        Self::Turn,
        Self::Durable,
        Self::Heard,
        Self::Asked,
        Self::State,
        Self::Learned,
        Self::Sent,
        Self::Answered,
        Self::Full,
    ];
}

/// The name of all peers at once.
const ALL_PEERS: u32 = u32::MAX;

/// A tag, and the length of what follows.
const HEADER_BYTES: usize = 5;

/// The longest event: more than any message or record takes.
const EVENT_BYTES_MAX: u32 = 256 << 20;
