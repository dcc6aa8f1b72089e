//! How much QUIC may hold for one peer connection, and the way past it for what is urgent.
//!
//! QUIC sends what is urgent first of what it holds, but it wakes who waits for room in no order of
//! theirs: of three lanes that wait, the one in the middle would wait for as long as both others
//! have something. The claim it keeps true: however much of the other lanes waits, QUIC takes the
//! control lane at once, as far as the other end has room for it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use quinn::{Connection, SendStream, WriteError, Written};

use crate::limits::{PEER_SEND_WINDOW, PEER_SEND_WINDOW_MIN, SEND_WINDOW_CWNDS};

/// Returns how much QUIC may hold for a path with such a congestion window: what is under way, and
/// as much again to go on with. More would be out of the owner's sight for as long as a narrow
/// path takes over it.
pub(crate) fn send_window(cwnd: u64) -> u64 {
    cwnd.saturating_mul(SEND_WINDOW_CWNDS).clamp(PEER_SEND_WINDOW_MIN, PEER_SEND_WINDOW)
}

/// Has QUIC take some of the chunks, past all that others have filled its window with. Cancel-safe.
pub(crate) async fn write_past(
    connection: &Connection,
    stream: &mut SendStream,
    chunks: &mut [Bytes],
) -> Result<Written, WriteError> {
    let written = poll_fn(|context| {
        if let done @ Poll::Ready(_) = pin!(stream.write_chunks(chunks)).poll(context) {
            return done;
        }
        // The window is open for this write alone. Nobody else has a turn in between on a runtime
        // of one thread, such as a node's; on others a lane may take up to its stream's window.
        connection.set_send_window(PEER_SEND_WINDOW);
        let done = pin!(stream.write_chunks(chunks)).poll(context);
        connection.set_send_window(send_window(connection.stats().path.cwnd));
        done
    });
    written.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quic_holds_little_for_a_narrow_path_and_what_a_wide_one_carries() {
        assert_eq!(send_window(0), PEER_SEND_WINDOW_MIN);
        assert_eq!(send_window(PEER_SEND_WINDOW_MIN), 2 * PEER_SEND_WINDOW_MIN);
        assert_eq!(send_window(u64::MAX), PEER_SEND_WINDOW);
    }
}
