//! Replies that pile up: what the owner is told of, what fits, and who is closed.
//!
//! What it leaves to others: order and goodbyes (`clients.rs`).
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod support;

use std::time::Instant;

use bytes::Bytes;
use support::{Authority, CLUSTER, Profile, any, client_port, soon, until};
use synod_transport_quic::limits::{
    CLIENT_FRAME_BYTES_MAX, CLIENT_REPLIES_BUDGET_BYTES, CLIENT_STALL_TIMEOUT,
    CLIENT_WRITTEN_STEP_BYTES, FRAME_OVERHEAD_BYTES,
};
use synod_transport_quic::{
    ClientConnection, ClientDialer, ClientEvent, ClientNames, ClientPortHandle, CloseCode,
    ConnectionId, Count, DownReason, DropReason, Inbox, PeerId, Sent,
};

const MIB: usize = 1 << 20;

/// A port with its inbox and one client that is connected.
struct Served {
    port: ClientPortHandle,
    inbox: Inbox<ClientEvent>,
    dialer: ClientDialer,
    client: ClientConnection,
    id: ConnectionId,
}

impl Served {
    async fn new() -> Self {
        let authority = Authority::new("a");
        let (port, mut inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
        let app = authority.credentials(&Profile::client(CLUSTER, "app"));
        let dialer = ClientDialer::bind(any(), app).unwrap();
        let (client, id) = connect(&dialer, &port, &mut inbox).await;
        Self { port, inbox, dialer, client, id }
    }
}

async fn connect(
    dialer: &ClientDialer,
    port: &ClientPortHandle,
    inbox: &mut Inbox<ClientEvent>,
) -> (ClientConnection, ConnectionId) {
    let client = soon(dialer.connect(port.local_addr(), PeerId(1))).await.unwrap();
    match soon(inbox.recv()).await.unwrap() {
        ClientEvent::Connected { connection, .. } => (client, connection),
        event @ (ClientEvent::Request { .. }
        | ClientEvent::Written { .. }
        | ClientEvent::Closed { .. }) => panic!("{event:?}"),
    }
}

fn written(event: &ClientEvent, id: ConnectionId) -> usize {
    let ClientEvent::Written { connection, bytes } = event else { panic!("{event:?}") };
    assert_eq!(*connection, id);
    *bytes
}

/// An owner that keeps to the budget hands over 64 MiB, and not one reply finds a full queue.
#[tokio::test]
async fn an_owner_within_its_budget_meets_no_full_queue() {
    let Served { port, mut inbox, mut client, id, .. } = Served::new().await;
    let lengths = [1, 100_000, CLIENT_FRAME_BYTES_MAX, 0, 5_000, MIB, 64, 40_000];
    let replies = 512;
    let reader = tokio::spawn(async move {
        for index in 0..replies {
            let reply = soon(client.recv()).await.unwrap();
            assert_eq!(reply.len(), lengths[index % lengths.len()], "reply {index}");
        }
        client
    });
    let (mut handed, mut told) = (0, 0);
    for index in 0..replies {
        let length = lengths[index % lengths.len()];
        while handed - told + length > CLIENT_REPLIES_BUDGET_BYTES {
            told += written(&soon(inbox.recv()).await.unwrap(), id);
        }
        assert_eq!(port.reply(id, Bytes::from(vec![0; length])), Sent::Queued, "reply {index}");
        handed += length;
    }
    let client = reader.await.unwrap();
    // All has arrived, so all but the last step was told, each byte once.
    while let Some(event) = inbox.try_recv() {
        told += written(&event, id);
    }
    assert!(told <= handed && handed - told < CLIENT_WRITTEN_STEP_BYTES, "{told} of {handed}");
    assert_eq!(port.counters().count(Count::DroppedFull), 0);
    drop(client);
}

/// Short replies are told of together: an owner is not woken once more for each.
#[tokio::test]
async fn short_replies_are_told_of_in_steps() {
    let Served { port, mut inbox, mut client, id, .. } = Served::new().await;
    let reply = Bytes::from(vec![0; 1000]);
    let mut told = Vec::new();
    for _ in 0..100 {
        assert_eq!(port.reply(id, reply.clone()), Sent::Queued);
        soon(client.recv()).await.unwrap();
        told.extend(inbox.try_recv().map(|event| written(&event, id)));
    }
    // Each counts with what it costs beyond its bytes.
    let charged = |bytes: usize| bytes / 1000 * (1000 + FRAME_OVERHEAD_BYTES);
    assert!(!told.is_empty(), "all but a step is told");
    assert!(told.iter().all(|bytes| charged(*bytes) >= CLIENT_WRITTEN_STEP_BYTES), "{told:?}");
}

/// An owner beyond the budget loses replies, and the client keeps its connection.
#[tokio::test]
async fn a_full_queue_drops_a_reply_and_closes_nobody() {
    let Served { port, mut client, id, .. } = Served::new().await;
    let reply = Bytes::from(vec![0; MIB]);
    let outcomes: Vec<Sent> = (0..16).map(|_| port.reply(id, reply.clone())).collect();
    let queued = outcomes.iter().filter(|sent| **sent == Sent::Queued).count();
    let dropped = outcomes.iter().filter(|sent| **sent == Sent::Dropped(DropReason::Full)).count();
    assert!(queued >= CLIENT_REPLIES_BUDGET_BYTES / MIB && queued + dropped == 16, "{outcomes:?}");
    assert!(dropped > 0, "nothing bounds the replies");
    assert_eq!(port.counters().count(Count::DroppedFull), dropped as u64);
    for _ in 0..queued {
        assert_eq!(soon(client.recv()).await.unwrap(), reply);
    }
    until("there is room again", || port.reply(id, reply.clone()) == Sent::Queued).await;
    assert_eq!(soon(client.recv()).await.unwrap(), reply);
    assert_eq!(port.connections(), 1);
}

/// One client reads nothing. It is closed when it has taken nothing for long enough, and another is
/// served all the while.
#[tokio::test]
async fn a_client_that_reads_nothing_harms_itself_alone() {
    let Served { port, mut inbox, dialer, client: slow, id: slow_id } = Served::new().await;
    let (mut quick, quick_id) = connect(&dialer, &port, &mut inbox).await;
    let reply = Bytes::from(vec![0; MIB]);
    let begin = Instant::now();
    while port.counters().count(Count::SlowReaders) == 0 {
        // What QUIC takes without a reader is taken; then replies wait.
        let _ = port.reply(slow_id, reply.clone());
        assert_eq!(port.reply(quick_id, Bytes::from_static(b"quick")), Sent::Queued);
        assert_eq!(soon(quick.recv()).await.unwrap(), "quick");
        assert!(begin.elapsed() < support::PATIENCE, "nothing ends its connection");
    }
    assert!(begin.elapsed() >= CLIENT_STALL_TIMEOUT, "{:?}", begin.elapsed());
    let closed = loop {
        match soon(inbox.recv()).await.unwrap() {
            ClientEvent::Closed { connection, .. } => break connection,
            ClientEvent::Written { .. } => {}
            event @ (ClientEvent::Connected { .. } | ClientEvent::Request { .. }) => {
                panic!("{event:?}")
            }
        }
    };
    assert_eq!(closed, slow_id);
    let (_, mut receiver) = slow.split();
    let end = loop {
        if let Err(end) = soon(receiver.recv()).await {
            break end;
        }
    };
    let told = matches!(&end, DownReason::ClosedByPeer { code, .. }
        if *code == CloseCode::SlowReader as u64);
    assert!(told, "{end:?}");
    assert_eq!(port.reply(quick_id, reply.clone()), Sent::Queued);
    assert_eq!(soon(quick.recv()).await.unwrap(), reply);
}

/// A client whose replies pile up is not read from until it reads.
#[tokio::test]
async fn requests_wait_while_replies_are_not_read() {
    let Served { port, mut inbox, mut client, id, .. } = Served::new().await;
    let mut asked = 0;
    // Each request is answered at once with a megabyte; were requests read all the same, a reply
    // would find a full queue.
    until("requests wait", || {
        if client.send(Bytes::from(vec![0; 64 * 1024])) == Sent::Queued {
            asked += 1;
        }
        while let Some(event) = inbox.try_recv() {
            answer(&port, id, &event);
        }
        asked >= 60
    })
    .await;
    let served = port.counters().count(Count::FramesIn);
    assert!(served < 60, "all {served} requests were read");
    // Once the client reads, every request is served in the end.
    for _ in 0..asked {
        let reply = async {
            loop {
                tokio::select! {
                    reply = client.recv() => return reply,
                    event = inbox.recv() => answer(&port, id, &event.unwrap()),
                }
            }
        };
        assert_eq!(soon(reply).await.unwrap().len(), MIB);
    }
    assert_eq!(port.counters().count(Count::SlowReaders), 0);
}

/// Answers a request with a megabyte.
fn answer(port: &ClientPortHandle, id: ConnectionId, event: &ClientEvent) {
    match event {
        ClientEvent::Request { .. } => {
            assert_eq!(port.reply(id, Bytes::from(vec![0; MIB])), Sent::Queued);
        }
        ClientEvent::Written { .. } => {}
        ClientEvent::Connected { .. } | ClientEvent::Closed { .. } => panic!("{event:?}"),
    }
}
