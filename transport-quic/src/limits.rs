//! Every bound of the transport, each with a name and the reason for its size.
//!
//! What it leaves to others: applying them. The claim it keeps true: no queue, window, frame,
//! retry or wait in this crate is without a constant in this file.

use std::time::Duration;

/// Version of the stream headers, the hello and the framing; both ends must agree exactly.
pub const WIRE_VERSION: u16 = 1;

/// ALPN of the port on which nodes meet.
pub const ALPN_PEER: &[u8] = b"synod-peer/1";
/// ALPN of the port on which clients are served.
pub const ALPN_CLIENT: &[u8] = b"synod-client/1";

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Largest frame on the control lane: its messages are short, and it must stay quick. What is
/// longer belongs on the bulk lane.
pub const CONTROL_FRAME_BYTES_MAX: usize = 256 * KIB;
/// Largest frame on the log lane.
pub const LOG_FRAME_BYTES_MAX: usize = 4 * MIB;
/// Largest frame on the bulk lane.
pub const BULK_FRAME_BYTES_MAX: usize = 4 * MIB;
/// Largest request or reply of a client: a value of 1 MiB and room for its key and envelope.
pub const CLIENT_FRAME_BYTES_MAX: usize = MIB + 64 * KIB;
/// Largest stream header or hello.
pub(crate) const PREFACE_FRAME_BYTES_MAX: usize = 64;

/// Bytes that may wait for one peer on the control lane.
pub const CONTROL_QUEUE_BYTES_MAX: usize = MIB;
/// Bytes that may wait for one peer on the log lane: all that an owner sends before the peer has
/// answered, or it loses what it cannot say again at once. The frames of several peers share their
/// bytes.
pub const LOG_QUEUE_BYTES_MAX: usize = 80 * MIB;
/// Bytes that may wait for one peer on the bulk lane.
pub const BULK_QUEUE_BYTES_MAX: usize = 8 * MIB;
/// What a waiting frame costs beyond its payload, so that empty frames are bounded as well.
pub const FRAME_OVERHEAD_BYTES: usize = 64;

/// Bytes of one coalesced write; a writer holds at most this much and one frame beyond its queue.
pub(crate) const WRITE_BATCH_BYTES: usize = 128 * KIB;
/// Payloads up to this length are copied into the coalesced write, longer ones are passed along.
pub(crate) const WRITE_COPY_BYTES_MAX: usize = 4 * KIB;
/// Bytes read from a stream, and added to a frame under assembly, in one step.
pub(crate) const READ_STEP_BYTES: usize = 64 * KIB;
/// Size of the buffer that small frames share; it bounds what one kept frame can pin.
pub(crate) const READ_BUFFER_BYTES: usize = 8 * KIB;

/// Events that may wait in an inbox.
pub const INBOX_EVENTS_MAX: usize = 4096;
/// Payload bytes that may wait in an inbox; above it the stream readers wait.
pub const INBOX_BYTES_MAX: usize = 32 * MIB;
/// Payload bytes of clients that may wait in their inbox: requests that wait there use up memory,
/// and their users' patience, for nothing.
pub const CLIENT_INBOX_BYTES_MAX: usize = 8 * MIB;

/// Streams a peer may have open towards us: three lanes, and log streams under reset.
pub(crate) const PEER_UNI_STREAMS_MAX: u32 = 8;
/// Receive window of one peer stream.
pub(crate) const PEER_STREAM_WINDOW: u32 = MIB as u32;
/// Receive window of one peer connection: more than three lanes can fill, so no lane starves one.
pub(crate) const PEER_RECEIVE_WINDOW: u32 = 4 * MIB as u32;
/// Bytes that QUIC holds for one peer connection at most, unacknowledged or not sent yet.
pub(crate) const PEER_SEND_WINDOW: u64 = 8 * MIB as u64;
/// Bytes that QUIC may hold for one peer connection however narrow its path is.
pub(crate) const PEER_SEND_WINDOW_MIN: u64 = INITIAL_CONGESTION_WINDOW;
/// Congestion windows that QUIC may hold for one peer connection.
pub(crate) const SEND_WINDOW_CWNDS: u64 = 2;
/// Datagram bytes that may wait in either direction of a peer connection.
pub(crate) const PEER_DATAGRAM_BUFFER: usize = 64 * KIB;
/// Congestion window a connection starts with.
pub(crate) const INITIAL_CONGESTION_WINDOW: u64 = 128 * KIB as u64;
/// Round trip assumed before the first sample; the default of 333 ms costs a second per loss.
pub(crate) const INITIAL_RTT: Duration = Duration::from_millis(10);
/// Round trip assumed before the first sample of a client's connection. A node that greets many
/// callers answers later, and each packet that is sent again meanwhile makes it later still.
pub(crate) const CLIENT_INITIAL_RTT: Duration = Duration::from_millis(100);
/// Longest delay of an acknowledgement asked of the other end.
pub(crate) const ACK_DELAY_MAX: Duration = Duration::from_millis(2);

/// Suspicion time when the configuration names none.
pub const SUSPICION_DEFAULT: Duration = Duration::from_millis(200);
/// Shortest suspicion time accepted: below it the keep-alives would be the load.
pub const SUSPICION_MIN: Duration = Duration::from_millis(20);
/// Suspicion times without a word after which a link is dropped, and after which the higher id
/// dials a peer that has not called.
pub(crate) const SILENCE_SUSPICIONS: u32 = 2;
/// Looks at a link per suspicion time; each wakes the processor.
pub(crate) const WATCH_PER_SUSPICION: u32 = 8;
/// QUIC gives a peer connection up after this long, whatever the watch says.
pub(crate) const PEER_IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// Shortest wait between two dials of one peer.
pub(crate) const REDIAL_MIN: Duration = Duration::from_millis(100);
/// Longest wait between two dials of one peer.
pub(crate) const REDIAL_MAX: Duration = Duration::from_millis(250);
/// Longest life of one dial; several overlap, so that a slow handshake is not cut by the next.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Dials of one peer under way at once.
pub(crate) const DIALS_MAX: usize = 6;
/// Connections a peer's keeper has not looked at yet.
pub(crate) const CANDIDATES_MAX: usize = 4;

/// Longest time from the first packet of an incoming connection to its hello.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// Incoming connections on the peer port that QUIC holds for the door, which takes each at once.
pub(crate) const PEER_INCOMING_MAX: usize = 64;
/// Handshakes on the peer port under way at once, beside [`DIALS_MAX`] of each member from where it
/// listens. One machine alone holds half of what is not kept.
pub(crate) const PEER_HANDSHAKES_MAX: usize = 160;
/// Handshakes on the peer port that only machines begin that have none under way.
pub(crate) const PEER_HANDSHAKES_KEPT: usize = 32;
/// Handshakes on the peer port from which on callers must first prove their address.
pub(crate) const PEER_HANDSHAKES_FREE: usize = 16;
/// Calls on the client port that wait for their handshake to begin: as many as are served. Beyond
/// it calls are not answered, those first from where most wait, and their callers knock again.
pub(crate) const CLIENT_CALLS_WAITING_MAX: usize = CLIENT_CONNECTIONS_MAX;
/// Incoming connections on the client port that QUIC holds: those that wait, and those that the
/// door has not taken yet. Beyond it QUIC passes over whoever calls.
pub(crate) const CLIENT_INCOMING_MAX: usize = CLIENT_CALLS_WAITING_MAX + 256;
/// Handshakes on the client port under way at once; further calls wait for their turn. One machine
/// alone holds half of what is not kept. More at once would not end sooner, as one thread does them
/// all, and each would take longer.
pub(crate) const CLIENT_HANDSHAKES_MAX: usize = 320;
/// Handshakes on the client port that only machines begin that have none under way.
pub(crate) const CLIENT_HANDSHAKES_KEPT: usize = 64;
/// Handshakes on the client port that begin at most in any time as long as
/// [`CLIENT_HANDSHAKE_PERIOD`]. Each costs up to a millisecond of the thread that the owner of the
/// port may need.
pub(crate) const CLIENT_HANDSHAKES_PER_PERIOD: usize = 4;
/// The time in which handshakes on the client port are counted, wherever it begins.
pub(crate) const CLIENT_HANDSHAKE_PERIOD: Duration = Duration::from_millis(10);
/// Calls on the client port, under way or waiting, from which on callers must first prove their
/// address.
pub(crate) const CLIENT_HANDSHAKES_FREE: usize = 64;
/// Bytes buffered for one connection that is not accepted yet.
pub(crate) const INCOMING_BUFFER_BYTES: u64 = 16 * KIB as u64;
/// Bytes buffered for all connections that are not accepted yet.
pub(crate) const INCOMING_BUFFER_BYTES_TOTAL: u64 = 4 * MIB as u64;

/// Shortest time between two resets of connections that nobody knows; those who asked meanwhile
/// ask again.
pub(crate) const RESET_INTERVAL_MIN: Duration = Duration::from_millis(2);

/// Client connections served at once.
pub const CLIENT_CONNECTIONS_MAX: usize = 1024;
/// Receive window of the one stream a client has.
pub(crate) const CLIENT_STREAM_WINDOW: u32 = 256 * KIB as u32;
/// Receive window of a client connection.
pub(crate) const CLIENT_RECEIVE_WINDOW: u32 = MIB as u32;
/// Unacknowledged reply bytes kept for one client connection.
pub(crate) const CLIENT_SEND_WINDOW: u64 = 2 * MIB as u64;
/// Receive windows at a client's own end, where replies arrive from a node it trusts.
pub(crate) const CLIENT_REPLY_WINDOW: u32 = 4 * MIB as u32;
/// Reply bytes waiting for one client above which its requests are not read.
pub(crate) const CLIENT_REPLIES_PAUSE_BYTES: usize = MIB;
/// Reply bytes that may wait for one client, overhead included; a reply beyond it is dropped.
pub const CLIENT_REPLIES_BYTES_MAX: usize = 8 * MIB;
/// Reply bytes that may wait for all clients of a node together, overhead included.
pub const CLIENT_REPLIES_BYTES_TOTAL: usize = 64 * MIB;
/// Payload bytes of replies that always fit for one client: an owner that has handed over at most
/// so many beyond those told of as written meets no full queue. It holds the longest reply and
/// what may be untold.
pub const CLIENT_REPLIES_BUDGET_BYTES: usize = 2 * MIB;
/// Payload bytes of replies that always fit for all clients of a node together.
pub const CLIENT_REPLIES_BUDGET_BYTES_TOTAL: usize = 56 * MIB;
/// Replies that may be within these budgets at once, however short; far more than a node has
/// requests under way.
pub const CLIENT_REPLIES_BUDGET_FRAMES: usize = 64 * 1024;
/// Bytes of replies handed to QUIC that the owner may not have been told of yet, each reply with
/// [`FRAME_OVERHEAD_BYTES`]. Telling of each write would wake the owner once more for each short
/// reply; and an owner that keeps a share of room for each client must be told before that is used
/// up.
pub const CLIENT_WRITTEN_STEP_BYTES: usize = 8 * KIB;
/// A client that takes none of the replies that wait for it for this long is closed.
pub const CLIENT_STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Request bytes that may wait at a client's own end: what waits longer than its user does is
/// carried for nothing.
pub const CLIENT_REQUESTS_BYTES_MAX: usize = 4 * MIB;
/// QUIC gives a client connection up after this long in silence.
pub(crate) const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// A client shows that it lives this often.
pub(crate) const CLIENT_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Longest time a client may take over one frame once it has begun it.
pub(crate) const CLIENT_FRAME_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time a client waits for its first reply, the node's hello, once it has its turn.
pub const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Dials of one address that one process has under way at once, whatever the number of its dialers.
pub const CLIENT_DIALS_MAX: usize = 4;

/// UDP socket buffer asked for in either direction; the kernel may give less.
pub(crate) const SOCKET_BUFFER_BYTES: usize = 4 * MIB;
/// Longest wait for the replies that were handed over before a port closed, where clients take in
/// nothing: then the goodbye leaves all the same. Where they do, the owner says how long it waits.
pub const LAST_REPLIES_TIMEOUT: Duration = Duration::from_millis(300);
/// Longest wait for goodbyes to leave when an endpoint closes.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Refusals by one end for one reason are logged once in this time, and counted always.
pub(crate) const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Longest reason text taken over from the other end into a log line or an event.
pub(crate) const REASON_CHARS_MAX: usize = 200;
/// Longest client name.
pub const CLIENT_NAME_CHARS_MAX: usize = 64;
