//! Measures a storm: processes with many clients each call one node at the same moment.
//!
//! What it leaves to others: consensus, and more than one node. It says how long the clients waited
//! for their first answer, and by how much the node's owner was held up meanwhile: a timer of his
//! that should have fired every ten milliseconds fired so much later at worst. `storm 16 64` is the
//! most that a node serves.

use std::env::args;
use std::error::Error;
use std::io::Read as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use synod_transport_quic::{
    ClientDialer, ClientEvent, ClientNames, ClientPort, ClientPortConfig, Count, Credentials,
    Incarnation, PeerId, limits,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

const CLUSTER: &str = "3f0f6f7e-3a4e-4f0c-9d4f-1f6c2b7a9e10";
const TICK: Duration = Duration::from_millis(10);
/// Three PEM texts travel to a child, with this between them.
const BETWEEN: &str = "\n----\n";

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["call", port, clients] => run(call(port.parse()?, clients.parse()?)),
        [processes, clients] => run(serve(processes.parse()?, clients.parse()?)),
        _ => Err("storm PROCESSES CLIENTS".into()),
    }
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The node: answers every request, and watches its own timer.
async fn serve(processes: usize, clients: usize) -> Result<(), Failure> {
    let authority = authority()?;
    let config = ClientPortConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        credentials: credentials(&pems(&authority, "node/1")?)?,
        incarnation: Incarnation(1),
        admitted: ClientNames::AnyCertified,
        connections_max: limits::CLIENT_CONNECTIONS_MAX,
    };
    let (port, mut inbox) = ClientPort::bind(config)?;
    let proof = pems(&authority, "client/storm")?;
    let begin = Instant::now();
    let mut callers = Vec::new();
    for _ in 0..processes {
        callers.push(spawn_caller(port.local_addr().port(), clients, &proof)?);
    }
    let (mut answered, mut late, mut looks) = (0, Duration::ZERO, interval(TICK));
    while answered < processes * clients {
        tokio::select! {
            event = inbox.recv() => match event.ok_or("the port is gone")? {
                ClientEvent::Request { connection, bytes } => {
                    port.reply(connection, bytes);
                    answered += 1;
                }
                ClientEvent::Connected { .. }
                | ClientEvent::Written { .. }
                | ClientEvent::Closed { .. } => {}
            },
            due = looks.tick() => late = late.max(due.elapsed()),
        }
    }
    let (took, counters) = (begin.elapsed(), port.counters());
    // The last replies are on their way, and the port shares this thread.
    for mut caller in callers {
        while caller.try_wait()?.is_none() {
            looks.tick().await;
        }
    }
    let verified = counters.count(Count::Verifications);
    writeln!(
        std::io::stdout(),
        "{answered} clients answered in {took:.1?}, {verified} certificates verified, \
         owner held up for {late:.1?} at most"
    )?;
    Ok(())
}

fn spawn_caller(port: u16, clients: usize, proof: &[String; 3]) -> Result<Child, Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["call", &port.to_string(), &clients.to_string()])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("no pipe")?;
    stdin.write_all(proof.join(BETWEEN).as_bytes())?;
    Ok(child)
}

/// A process of clients: each has a socket of its own, and calls until it is answered.
async fn call(port: u16, clients: usize) -> Result<(), Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let parts: Vec<String> = text.split(BETWEEN).map(str::to_owned).collect();
    let proof: [String; 3] = parts.try_into().map_err(|_| "not three texts")?;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut calls = JoinSet::new();
    for _ in 0..clients {
        let dialer = ClientDialer::bind((Ipv4Addr::LOCALHOST, 0).into(), credentials(&proof)?)?;
        calls.spawn(async move {
            loop {
                let Ok(mut connection) = dialer.connect(at, PeerId(1)).await else { continue };
                connection.send(Bytes::from_static(b"are you there?"));
                if connection.recv().await.is_ok() {
                    return connection;
                }
            }
        });
    }
    calls.join_all().await;
    Ok(())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, Failure> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// Authority, certificate and key in PEM.
fn pems(authority: &CertifiedIssuer<'static, KeyPair>, role: &str) -> Result<[String; 3], Failure> {
    let mut params = CertificateParams::default();
    let uri = format!("synod://{CLUSTER}/{role}");
    params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok([authority.pem(), certificate.pem(), key.serialize_pem()])
}

fn credentials([authority, certificate, key]: &[String; 3]) -> Result<Credentials, Failure> {
    Ok(Credentials::from_pem(authority.as_bytes(), certificate.as_bytes(), key.as_bytes())?)
}
