//! Measures the loopback: echo times, and small messages each second when they are coalesced.
//!
//! What it leaves to others: real networks, and the protocol above. It keeps true that the two ends
//! are two threads with a runtime each, as two processes would be.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use synod_transport_quic::{
    Credentials, Epoch, Inbox, Incarnation, Lane, PeerConfig, PeerEndpoint, PeerEvent, PeerHandle,
    PeerId, Sent,
};

const CLUSTER: &str = "3f0f6f7e-3a4e-4f0c-9d4f-1f6c2b7a9e10";
const MESSAGE_BYTES: usize = 128;
const ECHOES: usize = 20_000;
const STREAMED: usize = 4_000_000;
/// Messages put into the lane in one turn of the owner's loop.
const TURN: usize = 512;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let authority = authority()?;
    let (first, second) = (free_port()?, free_port()?);
    let far = config(&authority, 2, second, 1, first)?;
    std::thread::spawn(move || run(answer(far)));
    run(measure(config(&authority, 1, first, 2, second)?))
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The far end: echoes control frames and datagrams, and counts log frames.
async fn answer(config: PeerConfig) -> Result<(), Failure> {
    let (handle, mut inbox) = PeerEndpoint::bind(config)?;
    let mut counted = 0usize;
    while let Some(event) = inbox.recv().await {
        match event {
            PeerEvent::Frame { peer, lane: Lane::Control, bytes } => {
                handle.send_control(peer, bytes);
            }
            PeerEvent::Datagram { peer, bytes } => {
                handle.send_datagram(peer, bytes);
            }
            PeerEvent::Frame { peer, lane: Lane::Log | Lane::Bulk, .. } => {
                counted += 1;
                if counted == STREAMED {
                    handle.send_control(peer, Bytes::from_static(b"all there"));
                }
            }
            PeerEvent::Up { .. } | PeerEvent::Down { .. } => counted = 0,
        }
    }
    Ok(())
}

async fn measure(config: PeerConfig) -> Result<(), Failure> {
    let (handle, mut inbox) = PeerEndpoint::bind(config)?;
    while !matches!(inbox.recv().await, Some(PeerEvent::Up { .. })) {}
    let message = Bytes::from(vec![7; MESSAGE_BYTES]);
    let frame = |handle: &PeerHandle| handle.send_control(PeerId(2), message.clone());
    report("echo, control lane", echoes(&handle, &mut inbox, frame).await?);
    let datagram = |handle: &PeerHandle| handle.send_datagram(PeerId(2), message.clone());
    report("echo, datagram", echoes(&handle, &mut inbox, datagram).await?);
    let took = stream(&handle, &mut inbox, &message).await?;
    let rate = STREAMED as f64 / took.as_secs_f64() / 1e6;
    say(&format!("{MESSAGE_BYTES}-byte messages, coalesced: {rate:.2} M/s over {took:.2?}"));
    Ok(())
}

/// One message at a time; times in microseconds, sorted.
async fn echoes(
    handle: &PeerHandle,
    inbox: &mut Inbox<PeerEvent>,
    send: impl Fn(&PeerHandle) -> Sent,
) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::with_capacity(ECHOES);
    while times.len() < ECHOES {
        let begun = Instant::now();
        send(handle);
        let answer = tokio::time::timeout(Duration::from_millis(100), inbox.recv()).await;
        match answer {
            Ok(Some(PeerEvent::Frame { .. } | PeerEvent::Datagram { .. })) => {
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            Ok(Some(PeerEvent::Up { .. } | PeerEvent::Down { .. }) | None) => {
                return Err("the link was lost".into());
            }
            // A datagram may be lost; the next one is measured.
            Err(_) => {}
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// As many messages as the lane takes, until the far end has counted them all.
async fn stream(
    handle: &PeerHandle,
    inbox: &mut Inbox<PeerEvent>,
    message: &Bytes,
) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let mut sent = 0;
    while sent < STREAMED {
        let turn = TURN.min(STREAMED - sent);
        let queued = (0..turn)
            .take_while(|_| handle.send_log(PeerId(2), Epoch(1), message.clone()) == Sent::Queued)
            .count();
        sent += queued;
        tokio::task::yield_now().await;
    }
    match inbox.recv().await {
        Some(PeerEvent::Frame { .. }) => Ok(begun.elapsed()),
        other => Err(format!("the count did not come: {other:?}").into()),
    }
}

fn report(what: &str, times: Vec<f64>) {
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (p50, p99) = (at(0.5), at(0.99));
    say(&format!("{what}, {MESSAGE_BYTES} bytes: p50 {p50:.0} us, p99 {p99:.0} us"));
}

fn config(
    authority: &CertifiedIssuer<'static, KeyPair>,
    own: u16,
    listen: SocketAddr,
    peer: u16,
    peer_at: SocketAddr,
) -> Result<PeerConfig, Failure> {
    Ok(PeerConfig {
        listen,
        credentials: issue(authority, own)?,
        peers: BTreeMap::from([(PeerId(peer), peer_at)]),
        incarnation: Incarnation(1),
        suspicion: Duration::from_millis(500),
    })
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>, node: u16) -> Result<Credentials, Failure> {
    let mut params = CertificateParams::default();
    let uri = format!("synod://{CLUSTER}/node/{node}");
    params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into()?)];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok(Credentials::from_pem(
        authority.pem().as_bytes(),
        certificate.pem().as_bytes(),
        key.serialize_pem().as_bytes(),
    )?)
}

fn free_port() -> std::io::Result<SocketAddr> {
    std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[allow(clippy::print_stdout, reason = "a measurement prints its figures")]
fn say(text: &str) {
    println!("{text}");
}
