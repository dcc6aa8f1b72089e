//! Links between two nodes: raising, lanes, loss, cuts, restarts.
//!
//! What it leaves to others: refusals (`refusals.rs`) and hostile bytes (`hostile.rs`).
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use support::relay::Relay;
use support::{Authority, Node, any, config, free_port, pair, until};
use synod_transport_quic::{
    CloseCode, Count, DownReason, DropReason, Epoch, Inbox, Incarnation, Lane, LaneWaiting,
    PeerEndpoint, PeerEvent, PeerHandle, PeerId, Sent, limits,
};

const SUSPICION: Duration = Duration::from_millis(200);
/// What a busy machine may add to a time that is asserted.
const SLACK: Duration = Duration::from_millis(250);

fn numbered(index: u32, length: usize) -> Bytes {
    let mut bytes = index.to_le_bytes().to_vec();
    bytes.resize(length.max(4), index as u8);
    Bytes::from(bytes)
}

fn number(bytes: &Bytes) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().unwrap())
}

/// Two nodes that reach each other through relays only. The relays stand before the nodes.
async fn relayed(authority: &Authority) -> (Node, Node, Relay, Relay) {
    let (at_1, at_2) = (free_port(), free_port());
    let (to_1, to_2) = (Relay::to(at_1).await, Relay::to(at_2).await);
    let one = Node::bind(authority.node(1), 1, at_1, &[(2, to_2.address)]);
    let two = Node::bind(authority.node(2), 2, at_2, &[(1, to_1.address)]);
    (one, two, to_1, to_2)
}

async fn both_up(one: &mut Node, two: &mut Node) {
    tokio::join!(one.up(2), two.up(1));
}

/// Sends a frame either way over the standing link and sees it arrive.
async fn exchange(one: &mut Node, two: &mut Node, tag: u32) {
    let frame = || numbered(tag, 9);
    assert_eq!(one.handle.send_control(two.id, frame()), Sent::Queued);
    assert_eq!(two.handle.send_control(one.id, frame()), Sent::Queued);
    for node in [one, two] {
        loop {
            match node.next().await {
                PeerEvent::Frame { bytes, .. } if bytes == frame() => break,
                PeerEvent::Frame { .. } | PeerEvent::Datagram { .. } => {}
                event @ (PeerEvent::Up { .. } | PeerEvent::Down { .. }) => panic!("{event:?}"),
            }
        }
    }
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
    assert_eq!(two.handle.counters().count(Count::FramesIn), 1500);
    assert_eq!(one.handle.counters().count(Count::FramesOut), 1500);
}

#[tokio::test]
async fn the_largest_frame_of_each_lane_passes_and_one_byte_more_does_not() {
    use synod_transport_quic::limits::{
        BULK_FRAME_BYTES_MAX, CONTROL_FRAME_BYTES_MAX, LOG_FRAME_BYTES_MAX,
    };
    let authority = Authority::new("a");
    let (one, mut two) = pair(&authority).await;
    let frame = |length| Bytes::from(vec![7; length]);
    let (handle, peer) = (&one.handle, PeerId(2));
    let too_long = Sent::Dropped(DropReason::TooLong);
    assert_eq!(handle.send_control(peer, frame(CONTROL_FRAME_BYTES_MAX + 1)), too_long);
    assert_eq!(handle.send_log(peer, Epoch(0), frame(LOG_FRAME_BYTES_MAX + 1)), too_long);
    assert_eq!(handle.send_bulk(peer, frame(BULK_FRAME_BYTES_MAX + 1)), too_long);
    assert_eq!(handle.send_datagram(peer, frame(64 * 1024)), too_long);
    assert_eq!(handle.counters().count(Count::DroppedTooLong), 4);
    assert_eq!(handle.send_control(peer, frame(CONTROL_FRAME_BYTES_MAX)), Sent::Queued);
    assert_eq!(handle.send_log(peer, Epoch(0), frame(LOG_FRAME_BYTES_MAX)), Sent::Queued);
    assert_eq!(handle.send_bulk(peer, frame(BULK_FRAME_BYTES_MAX)), Sent::Queued);
    let mut lengths = [0; 3];
    while lengths.contains(&0) {
        if let PeerEvent::Frame { lane, bytes, .. } = two.next().await {
            lengths[lane as usize] = bytes.len();
        }
    }
    assert_eq!(lengths, [CONTROL_FRAME_BYTES_MAX, LOG_FRAME_BYTES_MAX, BULK_FRAME_BYTES_MAX]);
}

#[tokio::test]
async fn datagrams_pass_and_are_dropped_rather_than_waited_for() {
    let authority = Authority::new("a");
    let (one, mut two) = pair(&authority).await;
    assert_eq!(one.handle.send_datagram(PeerId(2), numbered(5, 1100)), Sent::Queued);
    let expected = PeerEvent::Datagram { peer: PeerId(1), bytes: numbered(5, 1100) };
    assert_eq!(two.next().await, expected);
    assert_eq!(one.handle.counters().count(Count::FramesOut), 1);
    assert_eq!(two.handle.counters().count(Count::FramesIn), 1);
    // Within one turn of the owner nothing leaves, so the buffer fills and the next is dropped.
    let taken = (0..10_000)
        .take_while(|index| {
            one.handle.send_datagram(PeerId(2), numbered(*index, 1000)) == Sent::Queued
        })
        .count();
    assert!((50..=66).contains(&taken), "{taken} datagrams of 1000 bytes in 64 KiB");
    assert_eq!(one.handle.counters().count(Count::DroppedFull), 1);
    // With an owner that takes nothing, the inbox fills; what does not fit is dropped and counted.
    let inbox_max = limits::INBOX_EVENTS_MAX;
    until("datagrams are dropped", || {
        for index in 0..50 {
            one.handle.send_datagram(PeerId(2), numbered(index, 8));
        }
        two.handle.counters().count(Count::DroppedDatagramsIn) > 0
    })
    .await;
    assert_eq!(two.inbox.len(), inbox_max);
    assert!(two.handle.is_up(PeerId(1)));
}

#[tokio::test]
async fn what_is_sent_without_a_link_is_dropped_and_counted() {
    let authority = Authority::new("a");
    let one = Node::bind(authority.node(1), 1, any(), &[(2, free_port())]);
    let no_link = Sent::Dropped(DropReason::NoLink);
    assert_eq!(one.handle.send_control(PeerId(2), Bytes::new()), no_link);
    assert_eq!(one.handle.send_log(PeerId(2), Epoch(1), Bytes::new()), no_link);
    assert_eq!(one.handle.send_bulk(PeerId(9), Bytes::new()), no_link);
    assert_eq!(one.handle.send_datagram(PeerId(2), Bytes::new()), no_link);
    assert_eq!(one.handle.counters().count(Count::DroppedNoLink), 4);
}

/// Node 2's owner takes nothing. Node 1 never waits for it, drops at the bound, and serves node 3.
#[tokio::test]
async fn a_slow_reader_blocks_nobody_and_full_queues_drop_the_newest() {
    const FRAME: usize = 1 << 20;
    let authority = Authority::new("a");
    let at = [free_port(), free_port(), free_port()];
    let mut one = Node::bind(authority.node(1), 1, at[0], &[(2, at[1]), (3, at[2])]);
    let mut two = Node::bind(authority.node(2), 2, at[1], &[(1, at[0])]);
    let mut three = Node::bind(authority.node(3), 3, at[2], &[(1, at[0])]);
    let (mut met, both) = ([false; 2], [true; 2]);
    while met != both {
        if let PeerEvent::Up { peer, .. } = one.next().await {
            met[usize::from(peer.0) - 2] = true;
        }
    }
    tokio::join!(two.up(1), three.up(1));
    let (mut sent, mut dropped) = (Vec::new(), 0);
    let mut index = 0;
    // Until the slow one's inbox, windows and queue are full and stay so for a while.
    while dropped < 200 {
        match one.handle.send_bulk(PeerId(2), numbered(index, FRAME)) {
            Sent::Queued => sent.push(index),
            Sent::Dropped(reason) => {
                assert_eq!(reason, DropReason::Full);
                dropped += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        index += 1;
    }
    assert_eq!(one.handle.counters().count(Count::DroppedFull), dropped);
    for tag in 0..20 {
        assert_eq!(one.handle.send_bulk(PeerId(3), numbered(tag, 50_000)), Sent::Queued);
        let PeerEvent::Frame { bytes, .. } = three.next().await else { panic!("link lost") };
        assert_eq!(number(&bytes), tag);
    }
    assert!(one.handle.is_up(PeerId(2)), "a slow reader is no dead one");
    let mut arrived = Vec::new();
    while arrived.len() < sent.len() {
        if let PeerEvent::Frame { bytes, .. } = two.next().await {
            assert_eq!(bytes.len(), FRAME);
            arrived.push(number(&bytes));
        }
    }
    assert_eq!(arrived, sent, "what was taken arrives, in order");
}

/// What waits for its turn is known, so that an owner need not say it again; without a link, with
/// an epoch that is over, and once all was taken, nothing waits.
#[tokio::test]
async fn what_waits_on_the_log_lane_is_known() {
    const FRAME: usize = 1 << 20;
    let authority = Authority::new("a");
    let (one, mut two) = pair(&authority).await;
    let told = || one.handle.log_waiting(PeerId(2)).expect("the link stands");
    let waiting = || told().bytes;
    assert_eq!((waiting(), one.handle.log_waiting(PeerId(9))), (0, None));
    assert_eq!(one.handle.with_log_waiting().count(), 0);
    let frames = limits::LOG_QUEUE_BYTES_MAX / FRAME - 1;
    for index in 0..frames {
        let frame = numbered(index as u32, FRAME);
        assert_eq!(one.handle.send_log(PeerId(2), Epoch(1), frame), Sent::Queued, "frame {index}");
    }
    assert!(waiting() >= frames * FRAME, "{} bytes wait", waiting());
    let [(peer, LaneWaiting { passed: before, .. })] =
        one.handle.with_log_waiting().collect::<Vec<_>>()[..]
    else {
        panic!("one lane holds something")
    };
    assert_eq!(peer, PeerId(2));
    while told().passed == before {
        two.next().await;
    }
    assert_eq!(one.handle.send_log(PeerId(2), Epoch(2), numbered(99, 10)), Sent::Queued);
    assert!(waiting() < FRAME, "{} bytes of an epoch that is over", waiting());
    loop {
        if let PeerEvent::Frame { bytes, .. } = two.next().await
            && number(&bytes) == 99
        {
            break;
        }
    }
    assert_eq!(waiting(), 0);
}

/// A thousand frames of epoch 1 are on their way, most of them stuck, when epoch 2 begins.
#[tokio::test]
async fn a_larger_epoch_lets_no_stale_frame_through() {
    const FRAME: usize = 256 * 1024;
    let authority = Authority::new("a");
    let (one, mut two) = pair(&authority).await;
    let mut queued = 0u64;
    until("the log lane is stuck", || {
        while one.handle.send_log(PeerId(2), Epoch(1), numbered(1, FRAME)) == Sent::Queued {
            queued += 1;
        }
        // The inbox of the other end holds 32 MiB; what comes after it is on the way.
        two.inbox.len() >= 127
    })
    .await;
    for tag in [20, 21] {
        assert_eq!(one.handle.send_log(PeerId(2), Epoch(2), numbered(tag, 100)), Sent::Queued);
    }
    let stale = one.handle.send_log(PeerId(2), Epoch(1), numbered(1, 100));
    assert_eq!(stale, Sent::Dropped(DropReason::Stale));
    let (mut old, mut fresh) = (0, Vec::new());
    // A control frame sent later shows that nothing stale comes after it either.
    while fresh.len() < 2 {
        if let PeerEvent::Frame { bytes, lane, .. } = two.next().await {
            assert_eq!(lane, Lane::Log);
            match number(&bytes) {
                1 => {
                    assert!(fresh.is_empty(), "a stale frame after a fresh one");
                    old += 1;
                }
                tag => fresh.push(tag),
            }
        }
    }
    assert_eq!(fresh, [20, 21]);
    assert!(old < queued, "of {queued} stale frames all {old} arrived");
    assert!(one.handle.counters().count(Count::DroppedStale) > 1);
    for tag in 100..200 {
        let epoch = Epoch(u64::from(tag));
        assert_eq!(one.handle.send_log(PeerId(2), epoch, numbered(tag, 10)), Sent::Queued);
    }
    let mut last = 21;
    while last < 199 {
        if let PeerEvent::Frame { bytes, .. } = two.next().await {
            assert!(number(&bytes) > last, "{} after {last}", number(&bytes));
            last = number(&bytes);
        }
    }
}

/// The same with many small frames: the reader of the old stream has some of them in its hands
/// while it waits for a place in the inbox.
#[tokio::test]
async fn a_larger_epoch_lets_no_small_stale_frame_through() {
    const OLD: u32 = 50_000;
    const FRESH: u32 = 500;
    let inbox_max = limits::INBOX_EVENTS_MAX;
    let authority = Authority::new("a");
    let (one, mut two) = pair(&authority).await;
    for _ in 0..OLD {
        assert_eq!(one.handle.send_log(PeerId(2), Epoch(1), numbered(0, 60)), Sent::Queued);
    }
    until("the inbox is full", || two.inbox.len() == inbox_max).await;
    for tag in 1..=FRESH {
        assert_eq!(one.handle.send_log(PeerId(2), Epoch(2), numbered(tag, 60)), Sent::Queued);
    }
    // The fresh stream has to arrive while the old reader still waits; a datagram sent after it
    // would be dropped, so the other direction tells.
    until("the fresh frames are at the other end's door", || {
        two.handle.send_datagram(PeerId(1), numbered(0, 8));
        one.inbox.len() > 50
    })
    .await;
    let (mut old, mut last) = (0, 0);
    while last < FRESH {
        // One place at a time, so that the readers of both streams take turns.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        if let PeerEvent::Frame { bytes, .. } = two.next().await {
            match number(&bytes) {
                0 => {
                    assert_eq!(last, 0, "a stale frame after a fresh one");
                    old += 1;
                }
                tag => {
                    assert_eq!(tag, last + 1);
                    last = tag;
                }
            }
        }
    }
    assert!((inbox_max as u32..OLD).contains(&old), "{old} stale frames");
}

#[tokio::test]
async fn a_cut_is_reported_in_time_and_a_healed_link_comes_back_soon() {
    let authority = Authority::new("a");
    let (mut one, mut two, to_1, to_2) = relayed(&authority).await;
    both_up(&mut one, &mut two).await;
    for round in 0..3 {
        exchange(&mut one, &mut two, round).await;
        let begun = Instant::now();
        to_1.cut();
        to_2.cut();
        let reason = DownReason::Silent;
        let (at_1, at_2) = tokio::join!(one.next_change(), two.next_change());
        assert_eq!(at_1, PeerEvent::Down { peer: PeerId(2), reason: reason.clone() });
        assert_eq!(at_2, PeerEvent::Down { peer: PeerId(1), reason });
        let took = begun.elapsed();
        assert!(took < SUSPICION * 2 + SLACK, "down after {took:?}");
        // Long enough that QUIC's own timers have backed off, and both ends dial.
        let dials = one.handle.counters().count(Count::Dials);
        until("it is dialled", || one.handle.counters().count(Count::Dials) > dials + 8).await;
        to_1.heal();
        to_2.heal();
        let healed = Instant::now();
        both_up(&mut one, &mut two).await;
        let took = healed.elapsed();
        assert!(took < Duration::from_millis(500) + SLACK, "up after {took:?}");
        settle(&mut one, &mut two).await;
    }
    assert_eq!(one.handle.counters().count(Count::LinksSilent), 3);
}

/// Waits until neither end has changed its mind about the link for a suspicion time.
async fn settle(one: &mut Node, two: &mut Node) {
    loop {
        let quiet = tokio::time::timeout(SUSPICION, async {
            tokio::select! {
                _ = one.next_change() => {}
                _ = two.next_change() => {}
            }
        });
        if quiet.await.is_err() && one.handle.is_up(two.id) && two.handle.is_up(one.id) {
            return;
        }
    }
}

/// After a cut both ends dial; when it heals their calls cross. Exactly one connection stays.
#[tokio::test]
async fn when_both_dial_at_once_one_connection_stays() {
    let authority = Authority::new("a");
    for round in 0..4 {
        let (mut one, mut two, to_1, to_2) = relayed(&authority).await;
        to_1.cut();
        to_2.cut();
        until("both dial", || {
            let dials = |node: &Node| node.handle.counters().count(Count::Dials);
            dials(&one) > 4 && dials(&two) > 2
        })
        .await;
        to_1.heal();
        to_2.heal();
        both_up(&mut one, &mut two).await;
        settle(&mut one, &mut two).await;
        for node in [&one, &two] {
            let counters = node.handle.counters();
            let standing = counters.count(Count::LinksUp) - counters.count(Count::LinksDown);
            assert_eq!(standing, 1);
        }
        exchange(&mut one, &mut two, round).await;
        // Were the ends on different connections, the idle one would be silent and fall.
        let changes = |node: &Node| node.handle.counters().count(Count::LinksUp);
        let before = (changes(&one), changes(&two));
        settle(&mut one, &mut two).await;
        settle(&mut one, &mut two).await;
        assert_eq!((changes(&one), changes(&two)), before);
    }
}

/// The lower id does not know where the higher lives, so the higher calls after its wait.
#[tokio::test]
async fn the_higher_id_calls_when_the_lower_does_not() {
    let authority = Authority::new("a");
    let (_hole, nowhere) = support::black_hole();
    let begun = Instant::now();
    let mut one = Node::bind(authority.node(1), 1, any(), &[(2, nowhere)]);
    let at_1 = one.handle.local_addr();
    let mut two = Node::bind(authority.node(2), 2, any(), &[(1, at_1)]);
    both_up(&mut one, &mut two).await;
    assert!(begun.elapsed() >= SUSPICION * 2);
    settle(&mut one, &mut two).await;
    exchange(&mut one, &mut two, 1).await;
}

async fn rebind(
    authority: &Authority,
    at: SocketAddr,
    peer: (u16, SocketAddr),
    incarnation: u64,
) -> (PeerHandle, Inbox<PeerEvent>) {
    let mut bound = None;
    until("the port is free again", || {
        let mut config = config(authority.node(2), at, &[peer]);
        config.incarnation = Incarnation(incarnation);
        bound = PeerEndpoint::bind(config).ok();
        bound.is_some()
    })
    .await;
    bound.unwrap()
}

#[tokio::test]
async fn a_peer_that_closes_and_starts_again_is_met_again() {
    let authority = Authority::new("a");
    let (mut one, two) = pair(&authority).await;
    let (at_1, at_2) = (one.handle.local_addr(), two.handle.local_addr());
    let Node { handle, inbox, .. } = two;
    drop(inbox);
    handle.close().await;
    drop(handle);
    let PeerEvent::Down { reason, .. } = one.next_change().await else { panic!("no Down") };
    let told = matches!(&reason, DownReason::ClosedByPeer { code, .. }
        if *code == CloseCode::ShuttingDown as u64);
    assert!(told, "{reason:?}");
    let (handle, inbox) = rebind(&authority, at_2, (1, at_1), 2).await;
    let mut two = Node { id: PeerId(2), handle, inbox };
    assert_eq!(one.up(2).await, Incarnation(2));
    assert_eq!(two.up(1).await, Incarnation(1));
    exchange(&mut one, &mut two, 1).await;
}

/// A process that dies says no goodbye: its runtime is dropped with all it holds.
#[tokio::test]
async fn a_peer_that_dies_and_starts_again_is_met_again() {
    let authority = Authority::new("a");
    let (at_1, at_2) = (free_port(), free_port());
    let mut one = Node::bind(authority.node(1), 1, at_1, &[(2, at_2)]);
    let (die, told) = tokio::sync::oneshot::channel::<()>();
    let first = config(authority.node(2), at_2, &[(1, at_1)]);
    let doomed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let port = runtime.block_on(async {
            let port = PeerEndpoint::bind(first).unwrap();
            let _ = told.await;
            port
        });
        // The tasks and the socket go with the runtime, before the handle could say goodbye.
        drop(runtime);
        drop(port);
    });
    assert_eq!(one.up(2).await, Incarnation(1));
    die.send(()).unwrap();
    doomed.join().unwrap();
    let died = Instant::now();
    let (handle, inbox) = rebind(&authority, at_2, (1, at_1), 2).await;
    let mut two = Node { id: PeerId(2), handle, inbox };
    let PeerEvent::Down { .. } = one.next_change().await else { panic!("no Down") };
    assert_eq!(one.up(2).await, Incarnation(2));
    let took = died.elapsed();
    assert!(took < SUSPICION * 2 + Duration::from_millis(500) + SLACK, "met after {took:?}");
    two.up(1).await;
    settle(&mut one, &mut two).await;
    exchange(&mut one, &mut two, 1).await;
}
