//! Links between two nodes: raising, lanes, loss, cuts, restarts.
//!
//! What it leaves to others: refusals (`refusals.rs`) and hostile bytes (`hostile.rs`).
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod support;

use bytes::Bytes;
use support::{Authority, pair};
use synod_transport_quic::{Epoch, Lane, PeerEvent, PeerId, Sent};

fn numbered(index: u32, length: usize) -> Bytes {
    let mut bytes = index.to_le_bytes().to_vec();
    bytes.resize(length.max(4), index as u8);
    Bytes::from(bytes)
}

#[tokio::test]
async fn frames_of_each_lane_arrive_in_order_and_unchanged() {
    let authority = Authority::new("a");
    let (one, mut two) = pair(&authority).await;
    let length = |index: u32| if index.is_multiple_of(50) { 40_000 } else { index as usize % 700 };
    for index in 0..500 {
        let frame = || numbered(index, length(index));
        assert_eq!(one.handle.send_control(PeerId(2), frame()), Sent::Queued);
        assert_eq!(one.handle.send_log(PeerId(2), Epoch(3), frame()), Sent::Queued);
        assert_eq!(one.handle.send_bulk(PeerId(2), frame()), Sent::Queued);
    }
    let mut next = [0u32; 3];
    while next.iter().any(|count| *count < 500) {
        if let PeerEvent::Frame { peer, lane, bytes } = two.next().await {
            let count = &mut next[lane as usize];
            assert_eq!(peer, PeerId(1));
            assert_eq!(bytes, numbered(*count, length(*count)), "{lane:?} {count}");
            *count += 1;
        }
    }
    assert_eq!(Lane::Bulk as usize, 2);
}
