//! Clients and the node that serves them: order, bounds, slow readers, goodbyes.
//!
//! What it leaves to others: refusals (`refusals.rs`) and broken rules (`hostile.rs`).
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod support;

use bytes::Bytes;
use support::{Authority, CLUSTER, Profile, any, black_hole, client_port, soon, until};
use synod_transport_quic::limits::CLIENT_FRAME_BYTES_MAX;
use synod_transport_quic::{
    ClientConnection, ClientDialer, ClientEvent, ClientNames, ClientPortHandle, CloseCode,
    ConnectError, ConnectionId, Count, Credentials, DownReason, DropReason, Inbox, PeerId, Refusal,
    Role, Sent,
};

fn app(authority: &Authority) -> Credentials {
    authority.credentials(&Profile::client(CLUSTER, "app"))
}

async fn connect(dialer: &ClientDialer, port: &ClientPortHandle) -> ClientConnection {
    soon(dialer.connect(port.local_addr(), PeerId(1))).await.unwrap()
}

async fn connected(inbox: &mut Inbox<ClientEvent>) -> ConnectionId {
    match soon(inbox.recv()).await.unwrap() {
        ClientEvent::Connected { connection, identity } => {
            assert_eq!(identity.role, Role::Client("app".parse().unwrap()));
            connection
        }
        event @ (ClientEvent::Request { .. } | ClientEvent::Closed { .. }) => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn requests_and_replies_keep_their_order_and_their_bytes() {
    let authority = Authority::new("a");
    let (port, mut inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let mut client = connect(&dialer, &port).await;
    let id = connected(&mut inbox).await;
    let payload = |index: usize| {
        let length = if index.is_multiple_of(100) { 30_000 } else { index };
        Bytes::from(vec![index as u8; length])
    };
    for index in 0..300 {
        assert_eq!(client.send(payload(index)), Sent::Queued);
    }
    for index in 0..300 {
        let expected = ClientEvent::Request { connection: id, bytes: payload(index) };
        assert_eq!(soon(inbox.recv()).await, Some(expected));
        assert_eq!(port.reply(id, payload(index)), Sent::Queued);
    }
    for index in 0..300 {
        assert_eq!(soon(client.recv()).await.unwrap(), payload(index));
    }
    let longest = Bytes::from(vec![1; CLIENT_FRAME_BYTES_MAX]);
    let longer = Bytes::from(vec![1; CLIENT_FRAME_BYTES_MAX + 1]);
    assert_eq!(client.send(longer.clone()), Sent::Dropped(DropReason::TooLong));
    assert_eq!(port.reply(id, longer), Sent::Dropped(DropReason::TooLong));
    assert_eq!(client.send(longest.clone()), Sent::Queued);
    let expected = ClientEvent::Request { connection: id, bytes: longest.clone() };
    assert_eq!(soon(inbox.recv()).await, Some(expected));
    assert_eq!(port.reply(id, longest.clone()), Sent::Queued);
    assert_eq!(soon(client.recv()).await.unwrap(), longest);
}

#[tokio::test]
async fn goodbyes_are_seen_at_the_other_end() {
    let authority = Authority::new("a");
    let (port, mut inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let (sender, mut receiver) = connect(&dialer, &port).await.split();
    let first = connected(&mut inbox).await;
    port.close_connection(first, "not today");
    let Err(DownReason::ClosedByPeer { code, text }) = soon(receiver.recv()).await else {
        panic!("no goodbye");
    };
    assert_eq!((code, text.as_str()), (CloseCode::ClosedByOwner as u64, "not today"));
    assert_eq!(sender.send(Bytes::new()), Sent::Dropped(DropReason::NoLink));
    let Some(ClientEvent::Closed { connection, .. }) = soon(inbox.recv()).await else { panic!() };
    assert_eq!(connection, first);
    assert_eq!(port.reply(first, Bytes::new()), Sent::Dropped(DropReason::NoLink));

    let (sender, _receiver) = connect(&dialer, &port).await.split();
    let second = connected(&mut inbox).await;
    assert_ne!(first, second, "a connection's name is not used again");
    sender.close();
    let Some(ClientEvent::Closed { connection, reason }) = soon(inbox.recv()).await else {
        panic!("no goodbye");
    };
    assert_eq!(connection, second);
    assert!(matches!(reason, DownReason::ClosedByPeer { .. }), "{reason:?}");
    assert_eq!(port.connections(), 0);

    let mut third = connect(&dialer, &port).await;
    port.close().await;
    assert!(matches!(soon(third.recv()).await, Err(DownReason::ClosedByPeer { .. })));
}

/// One client reads nothing. It is closed at the bound; another is served all the while.
#[tokio::test]
async fn a_client_that_reads_nothing_harms_itself_alone() {
    let authority = Authority::new("a");
    let (port, mut inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let slow = connect(&dialer, &port).await;
    let slow_id = connected(&mut inbox).await;
    let mut quick = connect(&dialer, &port).await;
    let quick_id = connected(&mut inbox).await;
    let reply = Bytes::from(vec![0; 1 << 20]);
    let mut replies = 0;
    while port.reply(slow_id, reply.clone()) == Sent::Queued {
        replies += 1;
        assert!(replies < 100, "nothing bounds the replies");
        assert_eq!(port.reply(quick_id, Bytes::from(vec![replies])), Sent::Queued);
        assert_eq!(soon(quick.recv()).await.unwrap(), vec![replies]);
    }
    assert_eq!(port.counters().count(Count::SlowReaders), 1);
    let Some(ClientEvent::Closed { connection, .. }) = soon(inbox.recv()).await else { panic!() };
    assert_eq!(connection, slow_id);
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
    const REPLY: usize = 1 << 20;
    let authority = Authority::new("a");
    let (port, mut inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let mut client = connect(&dialer, &port).await;
    let id = connected(&mut inbox).await;
    let mut asked = 0;
    // Each request is answered at once with a megabyte; were requests read all the same, the
    // client would be closed as a slow reader.
    until("requests wait", || {
        if client.send(Bytes::from(vec![0; 64 * 1024])) == Sent::Queued {
            asked += 1;
        }
        while let Some(event) = inbox.try_recv() {
            assert!(matches!(event, ClientEvent::Request { .. }), "{event:?}");
            assert_eq!(port.reply(id, Bytes::from(vec![0; REPLY])), Sent::Queued);
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
                    event = inbox.recv() => {
                        assert!(matches!(event, Some(ClientEvent::Request { .. })), "{event:?}");
                        assert_eq!(port.reply(id, Bytes::from(vec![0; REPLY])), Sent::Queued);
                    }
                }
            }
        };
        assert_eq!(soon(reply).await.unwrap().len(), REPLY);
    }
    assert_eq!(port.counters().count(Count::SlowReaders), 0);
}

#[tokio::test]
async fn connections_are_bounded_and_a_place_is_free_again_after_a_goodbye() {
    let authority = Authority::new("a");
    let (port, mut inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.push(connect(&dialer, &port).await);
        connected(&mut inbox).await;
    }
    match soon(dialer.connect(port.local_addr(), PeerId(1))).await {
        Err(ConnectError::Refused(refused)) => assert_eq!(refused.reason, Refusal::Overloaded),
        other => panic!("a fifth connection: {other:?}"),
    }
    drop(kept.pop());
    let Some(ClientEvent::Closed { reason, .. }) = soon(inbox.recv()).await else { panic!() };
    let told = matches!(&reason, DownReason::ClosedByPeer { code, .. }
        if *code == CloseCode::ClosedByOwner as u64);
    assert!(told, "{reason:?}");
    until("a place is free", || port.connections() == 3).await;
    let _again = connect(&dialer, &port).await;
    connected(&mut inbox).await;
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_given_up() {
    let authority = Authority::new("a");
    let (_hole, nowhere) = black_hole();
    let outcome = soon(ClientConnection::connect(nowhere, PeerId(1), app(&authority))).await;
    assert!(matches!(outcome, Err(ConnectError::TimedOut(PeerId(1), _))), "{outcome:?}");
}
