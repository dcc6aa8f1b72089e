//! Frames over one QUIC stream: the reader, and the writer that is a task of its own.
//!
//! What it leaves to others: what the frames mean. The claim it keeps true: a writer runs to the
//! end of each write or not at all. It is never one arm of a `select!`; who ends it early aborts
//! its task, and then the stream is reset, so that no half frame and no stale one is delivered.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};

use crate::frame::{FrameDecoder, FrameEncoder, FrameTooLong, encode_one};
use crate::lanes::LaneQueue;
use crate::limits::{PREFACE_FRAME_BYTES_MAX, READ_STEP_BYTES};
use crate::preface::{Hello, PrefaceError, StreamKind};
use crate::refusal::CloseCode;

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
            match self.stream.read_chunk(READ_STEP_BYTES, true).await {
                Ok(Some(chunk)) => self.decoder.push(&chunk.bytes),
                Ok(None) if self.decoder.has_part() => {
                    return Err(Breach::violation("a stream ended within a frame").into());
                }
                Ok(None) => return Ok(None),
                Err(ReadError::ConnectionLost(error)) => return Err(error.into()),
                Err(ReadError::Reset(_) | ReadError::ClosedStream) => {
                    return Err(ReadFailure::Reset);
                }
                // Neither early data nor unordered reads are in use.
                Err(ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected) => {
                    return Err(ReadFailure::Reset);
                }
            }
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

    /// Whether a frame was begun and not ended.
    pub(crate) fn has_part(&self) -> bool {
        self.decoder.has_part()
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
        hello: Option<Hello>,
    ) -> Result<Self, WriteError> {
        let mut writer = Self::on(connection.open_uni().await?);
        // The stream was opened a line above, so it cannot be closed yet.
        let _ = writer.stream.set_priority(priority);
        writer.preface(Some(kind), hello).await?;
        Ok(writer)
    }

    /// Makes a writer on an open stream.
    pub(crate) fn on(stream: SendStream) -> Self {
        Self { stream, encoder: FrameEncoder::default(), chunks: Vec::new() }
    }

    /// Writes the first frames of the stream.
    pub(crate) async fn preface(
        &mut self,
        kind: Option<StreamKind>,
        hello: Option<Hello>,
    ) -> Result<(), WriteError> {
        self.chunks.extend(kind.map(|kind| encode_one(&kind.encode())));
        self.chunks.extend(hello.map(|hello| encode_one(&hello.encode())));
        self.flush().await
    }

    /// Writes what is put into `queue` until the stream or the connection ends. A task of its own.
    pub(crate) async fn run(mut self, queue: Arc<LaneQueue>) {
        let mut frames = Vec::new();
        loop {
            queue.next_batch(&mut frames).await;
            self.encoder.encode(frames.drain(..), &mut self.chunks);
            if let Err(error) = self.flush().await {
                // Either the connection is lost, which the watch over it reports, or the reader
                // stopped this stream, which it does to a stale one.
                return tracing::debug!(%error, "a stream's writer ended");
            }
        }
    }

    async fn flush(&mut self) -> Result<(), WriteError> {
        self.stream.write_all_chunks(&mut self.chunks).await?;
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
