//! Frames over one QUIC stream: the reader, and the writer that is a task of its own.
//!
//! What it leaves to others: what the frames mean. The claim it keeps true: a writer runs to the
//! end of each write or not at all. It is never one arm of a `select!`; who ends it early aborts
//! its task, and then the stream is reset, so that no half frame and no stale one is delivered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::time::{Instant, timeout, timeout_at};

use crate::accept::note;
use crate::counters::{Count, Counters};
use crate::frame::{FrameDecoder, FrameEncoder, FrameTooLong, encode_one};
use crate::lanes::{Lane, LaneQueue};
use crate::limits::{PREFACE_FRAME_BYTES_MAX, READ_STEP_BYTES};
use crate::preface::{Hello, PrefaceError, StreamKind};
use crate::refusal::{CloseCode, Refusal, Refused};
use crate::window::write_past;

/// Reads frames from one stream.
#[derive(Debug)]
pub(crate) struct FrameReader {
    stream: RecvStream,
    decoder: FrameDecoder,
}

/// Writes frames to one stream, and resets it when dropped.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    stream: SendStream,
    encoder: FrameEncoder,
    chunks: Vec<Bytes>,
    /// The connection, where what is written passes by all that other streams have filled.
    past: Option<Connection>,
}

/// Says why reading ended before the stream did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFailure {
    /// The other end reset the stream: what was under way is stale.
    #[error("the stream was reset")]
    Reset,
    #[error(transparent)]
    Lost(#[from] ConnectionError),
    /// The other end broke a rule; the connection has to go.
    #[error(transparent)]
    Breach(#[from] Breach),
}

/// Says why frames were not written to their end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteFailure {
    /// The other end took nothing for too long.
    #[error("the other end takes nothing")]
    Stalled,
    #[error(transparent)]
    Ended(#[from] WriteError),
}

/// Tells which rule the other end broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Breach {
    pub(crate) code: CloseCode,
    pub(crate) text: String,
}

impl FrameReader {
    /// Makes a reader for the first frames of a stream, which are short.
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, decoder: FrameDecoder::new(PREFACE_FRAME_BYTES_MAX) }
    }

    /// Sets the limit for the frames after the preface.
    pub(crate) fn set_limit(&mut self, frame_bytes_max: usize) {
        self.decoder.set_limit(frame_bytes_max);
    }

    /// Waits for the next frame; `None` at the end of the stream. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ReadFailure> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(Breach::from)? {
                return Ok(Some(frame));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// Waits for the next frame as long as it takes to begin, and then `limit` for its end.
    pub(crate) async fn next_timely(
        &mut self,
        limit: Duration,
    ) -> Result<Option<Bytes>, ReadFailure> {
        let mut end: Option<Instant> = None;
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(Breach::from)? {
                return Ok(Some(frame));
            }
            let more = if self.decoder.has_part() {
                // The time runs from the first part of a frame and not from the latest: a byte
                // once in a while would hold the reader for ever.
                let end = *end.get_or_insert_with(|| Instant::now() + limit);
                timeout_at(end, self.read_more()).await.map_err(|_| Breach::stalled())??
            } else {
                self.read_more().await?
            };
            if !more {
                return Ok(None);
            }
        }
    }

    /// Takes in what has arrived; `false` at the end of the stream. Cancel-safe.
    async fn read_more(&mut self) -> Result<bool, ReadFailure> {
        match self.stream.read_chunk(READ_STEP_BYTES, true).await {
            Ok(Some(chunk)) => {
                self.decoder.push(&chunk.bytes);
                Ok(true)
            }
            Ok(None) if self.decoder.has_part() => {
                Err(Breach::violation("a stream ended within a frame").into())
            }
            Ok(None) => Ok(false),
            Err(ReadError::ConnectionLost(error)) => Err(error.into()),
            // Neither early data nor unordered reads are in use.
            Err(
                ReadError::Reset(_)
                | ReadError::ClosedStream
                | ReadError::IllegalOrderedRead
                | ReadError::ZeroRttRejected,
            ) => Err(ReadFailure::Reset),
        }
    }

    /// Reads what the stream is for.
    pub(crate) async fn kind(&mut self) -> Result<StreamKind, ReadFailure> {
        let frame = self.preface().await?;
        Ok(StreamKind::decode(&frame).map_err(Breach::from)?)
    }

    /// Reads the hello of the other end.
    pub(crate) async fn hello(&mut self) -> Result<Hello, ReadFailure> {
        let frame = self.preface().await?;
        Ok(Hello::decode(&frame).map_err(Breach::from)?)
    }

    async fn preface(&mut self) -> Result<Bytes, ReadFailure> {
        let ended = || Breach::violation("a stream ended before it began");
        Ok(self.next().await?.ok_or_else(ended)?)
    }
}

impl FrameWriter {
    /// Opens a stream of one direction and says what it is for.
    pub(crate) async fn open(
        connection: &Connection,
        kind: StreamKind,
        priority: i32,
    ) -> Result<Self, WriteError> {
        let mut writer = Self::on(connection.open_uni().await?);
        // The stream was opened a line above, so it cannot be closed yet.
        let _ = writer.stream.set_priority(priority);
        writer.chunks.push(encode_one(&kind.encode()));
        writer.flush().await?;
        Ok(writer)
    }

    /// Makes a writer on an open stream.
    pub(crate) fn on(stream: SendStream) -> Self {
        Self { stream, encoder: FrameEncoder::default(), chunks: Vec::new(), past: None }
    }

    /// Opens the control stream of this end, which begins with a hello.
    pub(crate) async fn open_control(
        connection: &Connection,
        hello: Hello,
    ) -> Result<Self, WriteError> {
        let priority = Lane::Control.priority();
        let mut writer = Self::open(connection, StreamKind::Control, priority).await?;
        writer.past = Some(connection.clone());
        writer.hello(hello).await?;
        Ok(writer)
    }

    /// Opens a client's one stream, which begins with a hello in either direction.
    pub(crate) async fn open_client(
        connection: &Connection,
        hello: Hello,
    ) -> Result<(Self, FrameReader), WriteError> {
        let (send, receive) = connection.open_bi().await?;
        let mut writer = Self::on(send);
        writer.chunks.push(encode_one(&StreamKind::Client.encode()));
        writer.hello(hello).await?;
        Ok((writer, FrameReader::new(receive)))
    }

    /// Says hello.
    pub(crate) async fn hello(&mut self, hello: Hello) -> Result<(), WriteError> {
        self.chunks.push(encode_one(&hello.encode()));
        self.flush().await
    }

    /// Writes what is put into `queue` until the stream or the connection ends. A task of its own.
    pub(crate) async fn run(mut self, queue: Arc<LaneQueue>) {
        let mut frames = Vec::new();
        loop {
            queue.next_batch(&mut frames).await;
            self.encoder.encode(frames.drain(..), &mut self.chunks);
            if let Err(error) = self.flush_telling(|bytes| queue.on_passed(bytes)).await {
                // Either the connection is lost, which the watch over it reports, or the reader
                // stopped this stream, which it does to a stale one.
                return tracing::debug!(%error, "a stream's writer ended");
            }
        }
    }

    /// Writes the frames to their end; fails when the other end takes not one byte for `stall`.
    /// Not cancel-safe.
    pub(crate) async fn write(
        &mut self,
        frames: impl Iterator<Item = Bytes>,
        stall: Duration,
    ) -> Result<(), WriteFailure> {
        self.encoder.encode(frames, &mut self.chunks);
        let mut rest = &mut self.chunks[..];
        while !rest.is_empty() {
            // The time begins again with everything that is taken: a slow reader is let be, and one
            // that takes nothing is not.
            let some = timeout(stall, self.stream.write_chunks(rest)).await;
            let written = some.map_err(|_| WriteFailure::Stalled)??;
            rest = &mut rest[written.chunks..];
        }
        self.chunks.clear();
        Ok(())
    }

    /// Ends the stream, and waits until the other end has all of it or is gone.
    pub(crate) async fn finish(mut self) {
        if self.stream.finish().is_ok() {
            // Who wants no more of it is gone as far as the stream goes.
            let _ = self.stream.stopped().await;
        }
    }

    async fn flush(&mut self) -> Result<(), WriteError> {
        self.flush_telling(|_| {}).await
    }

    /// Writes all chunks, and tells of each part as QUIC takes it.
    async fn flush_telling(&mut self, on_passed: impl Fn(usize)) -> Result<(), WriteError> {
        let mut rest = &mut self.chunks[..];
        while !rest.is_empty() {
            let written = match &self.past {
                Some(connection) => write_past(connection, &mut self.stream, rest).await?,
                None => self.stream.write_chunks(rest).await?,
            };
            on_passed(written.bytes);
            rest = &mut rest[written.chunks..];
        }
        self.chunks.clear();
        Ok(())
    }
}

impl Drop for FrameWriter {
    fn drop(&mut self) {
        // Dropping a quinn stream would finish it and deliver what is buffered. A stream that is
        // closed already needs no reset.
        let _ = self.stream.reset(VarInt::from_u32(STREAM_ABANDONED));
    }
}

impl Breach {
    pub(crate) fn violation(text: impl Into<String>) -> Self {
        Self { code: CloseCode::Violation, text: text.into() }
    }

    fn stalled() -> Self {
        let code = CloseCode::Stalled;
        Self { code, text: code.text().to_owned() }
    }

    /// Logs and counts the breach: another version as a refusal, a slow reader as such, all else as
    /// a violation.
    pub(crate) fn note(&self, at: SocketAddr, counters: &Counters) {
        if self.code == CloseCode::WrongVersion {
            return note(&Refused::here(Refusal::WrongVersion, self.text.clone()), at, counters);
        }
        let slow = self.code == CloseCode::SlowReader;
        counters.add(if slow { Count::SlowReaders } else { Count::Violations });
        tracing::warn!(%at, code = ?self.code, text = self.text, "connection closed");
    }

    /// Closes the connection for this reason.
    pub(crate) fn close(&self, connection: &Connection) {
        connection.close(self.code.varint(), self.text.as_bytes());
    }
}

impl From<FrameTooLong> for Breach {
    fn from(error: FrameTooLong) -> Self {
        Self { code: CloseCode::FrameTooLong, text: error.to_string() }
    }
}

impl From<PrefaceError> for Breach {
    fn from(error: PrefaceError) -> Self {
        let code = match error {
            PrefaceError::Version(_) => CloseCode::WrongVersion,
            PrefaceError::Malformed => CloseCode::Violation,
        };
        Self { code, text: error.to_string() }
    }
}

/// The code of a stream reset because its frames are stale.
const STREAM_ABANDONED: u32 = 1;
