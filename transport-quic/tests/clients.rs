//! Clients and the node that serves them: order, bounds, goodbyes.
//!
//! What it leaves to others: refusals (`refusals.rs`), broken rules (`hostile.rs`), and replies
//! that pile up (`replies.rs`).
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod support;

use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use support::raw::Caller;
use support::relay::Relay;
use support::{Authority, CLUSTER, Profile, any, black_hole, client_port, soon, until};
use synod_transport_quic::limits::{
    ALPN_CLIENT, CLIENT_CONNECTIONS_MAX, CLIENT_DIALS_MAX, CLIENT_FRAME_BYTES_MAX,
    LAST_REPLIES_TIMEOUT,
};
use synod_transport_quic::{
    ClientConnection, ClientDialer, ClientEvent, ClientNames, ClientPort, ClientPortConfig,
    ClientPortHandle, CloseCode, ConnectError, ConnectionId, Count, Credentials, DownReason,
    DropReason, Inbox, Incarnation, PeerId, Refusal, RefusedBy, Role, Sent,
};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

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
        event @ (ClientEvent::Request { .. }
        | ClientEvent::Written { .. }
        | ClientEvent::Closed { .. }) => panic!("{event:?}"),
    }
}

/// The next event that tells of anything but written replies.
async fn next_but_written(inbox: &mut Inbox<ClientEvent>) -> ClientEvent {
    loop {
        match soon(inbox.recv()).await.unwrap() {
            ClientEvent::Written { .. } => {}
            event @ (ClientEvent::Connected { .. }
            | ClientEvent::Request { .. }
            | ClientEvent::Closed { .. }) => return event,
        }
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
        assert_eq!(next_but_written(&mut inbox).await, expected);
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
    assert_eq!(next_but_written(&mut inbox).await, expected);
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
    port.close(LAST_REPLIES_TIMEOUT).await;
    assert!(matches!(soon(third.recv()).await, Err(DownReason::ClosedByPeer { .. })));
}

/// More than a write takes at once, and more than lies in windows that begin small.
#[tokio::test]
async fn replies_that_were_handed_over_leave_before_the_goodbye() {
    let authority = Authority::new("a");
    let (port, mut inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let mut client = connect(&dialer, &port).await;
    let id = connected(&mut inbox).await;
    let reply = |number: usize| Bytes::from(vec![number as u8; 4 << 10]);
    for number in 0..200 {
        assert_eq!(port.reply(id, reply(number)), Sent::Queued);
    }
    drop(inbox);
    let reading = async {
        for number in 0..200 {
            assert_eq!(client.recv().await, Ok(reply(number)), "reply {number}");
        }
        client.recv().await
    };
    let (_, end) = soon(async { tokio::join!(port.close(LAST_REPLIES_TIMEOUT), reading) }).await;
    let Err(DownReason::ClosedByPeer { code, .. }) = end else { panic!("{end:?}") };
    assert_eq!(code, CloseCode::ShuttingDown as u64);
}

/// The goodbye waits for nobody who does not read.
#[tokio::test]
async fn a_client_that_reads_nothing_keeps_no_port_open() {
    let authority = Authority::new("a");
    let (port, mut inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let client = connect(&dialer, &port).await;
    let id = connected(&mut inbox).await;
    for _ in 0..7 {
        assert_eq!(port.reply(id, Bytes::from(vec![0; 1 << 20])), Sent::Queued);
    }
    let begun = Instant::now();
    port.close(LAST_REPLIES_TIMEOUT).await;
    let took = begun.elapsed();
    assert!(took >= LAST_REPLIES_TIMEOUT, "nothing was waited for: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(client);
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

/// A port whose tasks and socket end all at once, as with the process of a node.
struct Life {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Life {
    fn begin(config: ClientPortConfig) -> (Self, (ClientPortHandle, Inbox<ClientEvent>)) {
        let (stop, stopped) = oneshot::channel();
        let (begun, beginning) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                begun.send(ClientPort::bind(config).unwrap()).unwrap();
                stopped.await.unwrap();
            });
        });
        (Self { stop, thread }, beginning.recv().unwrap())
    }

    fn end(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

/// A node dies without a word and is born again at the same address. Its clients know nothing of
/// that until they ask, and then at once: not when silence has lasted long enough.
#[tokio::test]
async fn a_later_life_of_a_node_ends_the_connections_of_the_earlier_one() {
    let authority = Authority::new("a");
    let credentials = authority.node(1);
    let config = |listen| ClientPortConfig {
        listen,
        credentials: credentials.clone(),
        incarnation: Incarnation(7),
        admitted: ClientNames::AnyCertified,
        connections_max: 4,
    };
    let (first_life, (port, mut inbox)) = Life::begin(config(any()));
    let address = port.local_addr();
    let relay = Relay::to(address).await;
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let mut client = soon(dialer.connect(relay.address, PeerId(1))).await.unwrap();
    connected(&mut inbox).await;
    relay.cut();
    drop((port, inbox));
    first_life.end();
    let (_port, mut inbox) = ClientPort::bind(config(address)).unwrap();
    assert_eq!(client.send(Bytes::from_static(b"who?")), Sent::Queued);
    // A goodbye, if the earlier life has said one, is lost by the time that this one is.
    until("the question is lost", || relay.swallowed() > 0).await;
    relay.heal();
    let end = soon(client.recv()).await.unwrap_err();
    let DownReason::Lost(text) = end else { panic!("{end:?}") };
    assert!(text.contains("reset"), "{text}");
    let _again = soon(dialer.connect(relay.address, PeerId(1))).await.unwrap();
    connected(&mut inbox).await;
}

/// As many callers as may be greeted at once say nothing. Another one is not turned away: it waits
/// until their time is up.
#[tokio::test]
async fn callers_beyond_the_handshakes_wait_for_their_turn() {
    const SILENT: usize = 128;
    let authority = Authority::new("a");
    let (port, mut inbox) = ClientPort::bind(ClientPortConfig {
        listen: any(),
        credentials: authority.node(1),
        incarnation: Incarnation(7),
        admitted: ClientNames::AnyCertified,
        connections_max: CLIENT_CONNECTIONS_MAX,
    })
    .unwrap();
    let proof = authority.issue(&Profile::client(CLUSTER, "app"));
    let caller = Caller::new(Some(proof), ALPN_CLIENT);
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(soon(caller.call(port.local_addr())).await.unwrap());
    }
    let verified = || port.counters().count(Count::Verifications);
    until("all are let in", || verified() == SILENT as u64).await;
    let dialer = ClientDialer::bind(any(), app(&authority)).unwrap();
    let _client = connect(&dialer, &port).await;
    connected(&mut inbox).await;
    assert_eq!(port.counters().refused_total(RefusedBy::Here), 0);
    until("it took somebody's place", || {
        silent.iter().any(|connection| connection.close_reason().is_some())
    })
    .await;
}

/// The clock stands still while anybody has something to do, so that what it shows is what was
/// waited for on purpose: four handshakes begin in 10 ms.
#[tokio::test(start_paused = true)]
async fn a_storm_of_callers_is_greeted_at_a_pace() {
    const CALLERS: u32 = 40;
    let authority = Authority::new("a");
    let (port, _inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let at = port.local_addr();
    let mut calls = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..CALLERS {
        let proof = authority.issue(&Profile::client(CLUSTER, "app"));
        let caller = Caller::new(Some(proof), ALPN_CLIENT);
        calls.spawn(async move { caller.call(at).await.map(|connection| (connection, caller)) });
    }
    let greeted = soon(calls.join_all()).await;
    assert!(greeted.iter().all(Result::is_ok));
    assert!(begin.elapsed() >= Duration::from_millis(10) * (CALLERS / 4 - 1));
}

/// A thousand dials of one process are a few at a time.
#[tokio::test]
async fn dials_of_one_address_take_turns() {
    let authority = Authority::new("a");
    let (port, _inbox) = client_port(&authority, 1, ClientNames::AnyCertified);
    let (_hole, nowhere) = black_hole();
    let dialers: Vec<ClientDialer> = (0..3 * CLIENT_DIALS_MAX)
        .map(|_| ClientDialer::bind(any(), app(&authority)).unwrap())
        .collect();
    let mut dials: JoinSet<_> = dialers
        .iter()
        .map(|dialer| {
            let dialer = dialer.clone();
            async move { dialer.connect(nowhere, PeerId(1)).await.map(|_| ()) }
        })
        .collect();
    let begun = || dialers.iter().map(|dialer| dialer.counters().count(Count::Dials)).sum::<u64>();
    until("some dials begin", || begun() > 0).await;
    assert_eq!(begun(), CLIENT_DIALS_MAX as u64);
    // A node that answers is not waited for because of one that does not.
    let _client = connect(&dialers[0], &port).await;
    assert_eq!(begun(), CLIENT_DIALS_MAX as u64 + 1);
    assert!(soon(dials.join_next()).await.unwrap().unwrap().is_err());
    until("the next one begins", || begun() > CLIENT_DIALS_MAX as u64 + 1).await;
}
