//! Clients are served and peers meet while a stranger opens calls without end.
//!
//! The stranger has no certificate. It proves its address as often as it is asked to, and goes on
//! with no call, so that each keeps its place for as long as a place is kept.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, TokioRuntime, UdpPoller};
use synod_fault::LinkRules;
use synod_node::NodeId;
use synod_shell::{Cluster, LINK, PATIENCE, Place, count_once};
use synod_transport_quic::limits::{ALPN_CLIENT, ALPN_PEER};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

/// Calls of the stranger in a second: several times as many as a port has places for them.
const CALLS_PER_SECOND: u32 = 200;

/// How long it has called before anybody else does.
const BEFORE: Duration = Duration::from_secs(6);

/// Within this time whoever calls is served.
const SERVED_WITHIN: Duration = Duration::from_millis(500);

/// How many calls the stranger keeps open: more than a port has places for in their time.
const KEPT_MAX: usize = 800;

/// Calls until the task is dropped.
async fn call_without_end(place: Place, at: SocketAddr, alpn: &[u8]) {
    let socket = Arc::new(Deaf(place.socket().unwrap()));
    let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
    let endpoint = Endpoint::new_with_abstract_socket(config, None, socket, runtime).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        // It never hears who answers.
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut tick = interval(Duration::from_secs(1) / CALLS_PER_SECOND);
    let mut kept = VecDeque::new();
    loop {
        tick.tick().await;
        // One that is dropped says that it is gone, and its place is free.
        kept.push_back(endpoint.connect_with(config.clone(), at, "any.invalid").unwrap());
        if kept.len() > KEPT_MAX {
            kept.pop_front();
        }
    }
}

/// Hears nothing but that it must prove its address.
#[derive(Debug)]
struct Deaf(Arc<dyn AsyncUdpSocket>);

impl AsyncUdpSocket for Deaf {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.0).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.0.poll_recv(context, buffers, meta))?;
        for (buffer, meta) in buffers.iter().zip(&mut meta[..count]) {
            // RFC 9000, 17.2.5: the long header of a Retry packet.
            let is_retry = meta.len > 0 && buffer[0] & 0xf0 == 0xf0;
            meta.len = if is_retry { meta.len } else { 0 };
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn clients_are_served_beside_a_stranger_who_calls_without_end() {
    let mut cluster = Cluster::started(1, 2_026);
    let first = cluster.client();
    count_once(&first.session(), PATIENCE).await;
    let mut stranger = JoinSet::new();
    stranger.spawn(call_without_end(cluster.client_place(), cluster.address(1).1, ALPN_CLIENT));
    sleep(BEFORE).await;
    for number in 0..8 {
        let begin = Instant::now();
        let client = cluster.client();
        count_once(&client.session(), PATIENCE).await;
        let took = begin.elapsed();
        println!("client {number} was served after {took:?}");
        assert!(took < SERVED_WITHIN, "client {number} waited for {took:?}");
    }
    assert_eq!(stranger.len(), 1);
    assert!(stranger.try_join_next().is_none(), "the stranger has given up");
}

#[tokio::test(start_paused = true)]
async fn peers_meet_beside_a_stranger_who_calls_without_end() {
    let mut cluster = Cluster::started(3, 2_027);
    let client = cluster.client();
    count_once(&client.session(), PATIENCE).await;
    let mut stranger = JoinSet::new();
    let place = cluster.client_place();
    for id in 1..=3 {
        stranger.spawn(call_without_end(place.clone(), cluster.peer_address(id), ALPN_PEER));
    }
    sleep(BEFORE).await;
    for round in 0..5 {
        [1, 2].iter().for_each(|id| cluster.net().set_both(*id, 3, LinkRules::CUT));
        sleep(Duration::from_secs(5)).await;
        [1, 2].iter().for_each(|id| cluster.net().set_both(*id, 3, LINK));
        let begin = Instant::now();
        let joined = async {
            while client.status(NodeId::new(3), PATIENCE).await.unwrap().follows.is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, joined).await.expect("the nodes meet again");
        let took = begin.elapsed();
        println!("round {round}: node 3 follows after {took:?}");
        assert!(took < SERVED_WITHIN, "round {round}: node 3 follows after {took:?}");
    }
    assert!(stranger.try_join_next().is_none(), "the stranger has given up");
}
