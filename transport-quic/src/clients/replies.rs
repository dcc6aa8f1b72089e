//! The writer of one client's replies: it tells the owner what has left, and meets a client that
//! reads nothing.
//!
//! What it leaves to others: which replies there are, and who may be served (`clients`). The claim
//! it keeps true: of what was handed to QUIC all but [`limits::CLIENT_WRITTEN_STEP_BYTES`] is told,
//! each byte once; a client that takes nothing for [`limits::CLIENT_STALL_TIMEOUT`] while replies
//! wait is found out, and one that reads slowly is not. When the port closes, what was handed over
//! is written to its end.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::client_event::{ClientEvent, ConnectionId};
use crate::inbox::{Closed, EventSender};
use crate::lanes::LaneQueue;
use crate::limits;
use crate::refusal::CloseCode;
use crate::stream::{Breach, FrameWriter, WriteFailure};

/// Writes the replies of one connection.
pub(crate) struct ReplyWriter {
    pub(crate) connection: ConnectionId,
    pub(crate) replies: Arc<LaneQueue>,
    pub(crate) outlet: EventSender<ClientEvent>,
    /// Whether the port closes: what waits then is the last.
    pub(crate) stop: watch::Receiver<bool>,
    /// Counts it among those that have not ended.
    pub(crate) counted: Counted,
}

/// One writer among those of a port, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(watch::Sender<usize>);

impl Counted {
    pub(crate) fn among(writers: &watch::Sender<usize>) -> Self {
        writers.send_modify(|count| *count += 1);
        Self(writers.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl ReplyWriter {
    /// Writes until the stream or the connection ends; gives the breach of a client that reads
    /// nothing. A task of its own.
    pub(crate) async fn run(self, mut writer: FrameWriter) -> Option<Breach> {
        let Self { connection, replies, outlet, mut stop, counted: _counted } = self;
        let (mut frames, mut untold, mut heard) = (Vec::new(), Untold::default(), true);
        loop {
            tokio::select! {
                biased;
                // A full inbox holds up no reply: what is untold grows and is told together.
                place = outlet.reserve(0), if heard && untold.charged >= STEP => match place {
                    Ok(place) => {
                        let bytes = std::mem::take(&mut untold).bytes;
                        place.put(ClientEvent::Written { connection, bytes });
                    }
                    // An owner that listens no more may have replies on their way all the same.
                    Err(Closed) => heard = false,
                },
                () = replies.next_batch(&mut frames) => {
                    untold.add(&frames);
                    match writer.write(frames.drain(..), limits::CLIENT_STALL_TIMEOUT).await {
                        Ok(()) => {}
                        Err(WriteFailure::Stalled) => return Some(slow_reader()),
                        Err(WriteFailure::Ended(error)) => {
                            // The connection is lost, which the watch over it reports.
                            tracing::debug!(%error, "the writer of replies ended");
                            return None;
                        }
                    }
                }
                // The owner hands nothing over any more, and what it did has been written. Where
                // the port is gone without a word, so is the connection.
                true = closes(&mut stop) => {
                    writer.finish().await;
                    return None;
                }
            }
        }
    }
}

/// Waits until the port closes; tells whether it does so with a word. Cancel-safe.
async fn closes(stop: &mut watch::Receiver<bool>) -> bool {
    stop.wait_for(|stop| *stop).await.is_ok()
}

/// What was handed to QUIC and the owner was not told of.
#[derive(Debug, Default)]
struct Untold {
    /// The bytes of the replies.
    bytes: usize,
    /// The same with what each reply costs beyond them, which an owner may charge as well.
    charged: usize,
}

impl Untold {
    fn add(&mut self, frames: &[Bytes]) {
        let bytes: usize = frames.iter().map(Bytes::len).sum();
        self.bytes += bytes;
        self.charged += bytes + frames.len() * limits::FRAME_OVERHEAD_BYTES;
    }
}

fn slow_reader() -> Breach {
    let code = CloseCode::SlowReader;
    Breach { code, text: code.text().to_owned() }
}

const STEP: usize = limits::CLIENT_WRITTEN_STEP_BYTES;

// An owner that is told of all but a step has room for one more reply, so it is never stuck.
const _: () = assert!(
    limits::CLIENT_REPLIES_BUDGET_BYTES
        >= limits::CLIENT_WRITTEN_STEP_BYTES + limits::CLIENT_FRAME_BYTES_MAX
);
const _: () = assert!(
    limits::CLIENT_REPLIES_BUDGET_BYTES_TOTAL
        >= limits::CLIENT_CONNECTIONS_MAX * limits::CLIENT_WRITTEN_STEP_BYTES
            + limits::CLIENT_FRAME_BYTES_MAX
);
// What the budgets leave of the queues is for what each frame costs beyond its payload.
const _: () = assert!(
    limits::CLIENT_REPLIES_BYTES_MAX
        >= limits::CLIENT_REPLIES_BUDGET_BYTES
            + limits::CLIENT_REPLIES_BUDGET_FRAMES * limits::FRAME_OVERHEAD_BYTES
);
const _: () = assert!(
    limits::CLIENT_REPLIES_BYTES_TOTAL
        >= limits::CLIENT_REPLIES_BUDGET_BYTES_TOTAL
            + limits::CLIENT_REPLIES_BUDGET_FRAMES * limits::FRAME_OVERHEAD_BYTES
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{Budget, DropReason};

    /// The budgets hold for the shortest and for the longest replies alike.
    #[test]
    fn a_budget_of_replies_always_fits() {
        for length in [0, 1, 1000, limits::CLIENT_FRAME_BYTES_MAX] {
            let total = Arc::new(Budget::new(limits::CLIENT_REPLIES_BYTES_TOTAL));
            let queue = LaneQueue::with_bounds(
                limits::CLIENT_REPLIES_BYTES_MAX,
                limits::CLIENT_FRAME_BYTES_MAX,
                Some(total),
            );
            let many = limits::CLIENT_REPLIES_BUDGET_BYTES / length.max(1);
            for _ in 0..many.min(limits::CLIENT_REPLIES_BUDGET_FRAMES) {
                assert_eq!(queue.push(Bytes::from(vec![0; length])), Ok(()), "{length} bytes each");
            }
        }
    }

    #[test]
    fn beyond_the_queue_a_reply_is_refused_and_nothing_is_lost() {
        let (max, frame) = (limits::CLIENT_REPLIES_BYTES_MAX, limits::CLIENT_FRAME_BYTES_MAX);
        let queue = LaneQueue::with_bounds(max, frame, None);
        let reply = Bytes::from(vec![0; frame]);
        let taken = std::iter::repeat_with(|| queue.push(reply.clone()));
        let taken = taken.take_while(|outcome| *outcome == Ok(())).count();
        assert!(taken * frame <= max && (taken + 2) * frame > max, "{taken} replies");
        assert_eq!(queue.push(reply), Err(DropReason::Full));
        assert_eq!(queue.clear(), taken);
    }
}
