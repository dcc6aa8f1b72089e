//! What the tests share: a certificate authority, endpoints with certificates, and patience.
//!
//! What it leaves to others: the claims. It keeps true that each test has an authority of its own
//! and waits for events, never for time.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part of the shared support"
)]
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

pub mod raw;
pub mod relay;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use synod_transport_quic::{
    ClientEvent, ClientNames, ClientPort, ClientPortConfig, ClientPortHandle, Credentials, Inbox,
    Incarnation, PeerConfig, PeerEndpoint, PeerEvent, PeerHandle, PeerId,
};

/// Longest wait for something that must happen; far beyond what it takes.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const CLUSTER: &str = "0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e";
pub const OTHER_CLUSTER: &str = "ffffffff-6f0c-4d53-8a43-5a8e7f1c2d3e";

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate says; changed field by field to make bad ones.
#[derive(Clone)]
pub struct Profile {
    pub uris: Vec<String>,
    pub usages: Vec<ExtendedKeyUsagePurpose>,
    pub expired: bool,
    pub early: bool,
}

impl Profile {
    pub fn node(cluster: &str, id: u16) -> Self {
        Self {
            uris: vec![format!("synod://{cluster}/node/{id}")],
            usages: vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            expired: false,
            early: false,
        }
    }

    pub fn client(cluster: &str, name: &str) -> Self {
        Self {
            uris: vec![format!("synod://{cluster}/client/{name}")],
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            expired: false,
            early: false,
        }
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Certificate and key as PEM.
    pub fn issue(&self, profile: &Profile) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "synod test");
        params.subject_alt_names =
            profile.uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().unwrap())).collect();
        params.extended_key_usages = profile.usages.clone();
        if profile.expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        if profile.early {
            params.not_before = date_time_ymd(4000, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    pub fn credentials(&self, profile: &Profile) -> Credentials {
        self.credentials_trusting(profile, self)
    }

    /// Credentials issued here whose holder trusts `root`.
    pub fn credentials_trusting(&self, profile: &Profile, root: &Self) -> Credentials {
        let (certificate, key) = self.issue(profile);
        Credentials::from_pem(root.pem().as_bytes(), certificate.as_bytes(), key.as_bytes())
            .unwrap()
    }

    pub fn node(&self, id: u16) -> Credentials {
        self.credentials(&Profile::node(CLUSTER, id))
    }
}

/// A peer endpoint with its inbox.
pub struct Node {
    pub id: PeerId,
    pub handle: PeerHandle,
    pub inbox: Inbox<PeerEvent>,
}

impl Node {
    pub fn bind(
        credentials: Credentials,
        id: u16,
        listen: SocketAddr,
        peers: &[(u16, SocketAddr)],
    ) -> Self {
        let config = config(credentials, listen, peers);
        let (handle, inbox) = PeerEndpoint::bind(config).unwrap();
        Self { id: PeerId(id), handle, inbox }
    }

    /// Waits for the next event.
    pub async fn next(&mut self) -> PeerEvent {
        soon(self.inbox.recv()).await.unwrap()
    }

    /// Waits for the next event that is neither a frame nor a datagram.
    pub async fn next_change(&mut self) -> PeerEvent {
        loop {
            match self.next().await {
                event @ (PeerEvent::Up { .. } | PeerEvent::Down { .. }) => return event,
                PeerEvent::Frame { .. } | PeerEvent::Datagram { .. } => {}
            }
        }
    }

    /// Waits until a link to `peer` is up, over whatever happens before.
    pub async fn up(&mut self, peer: u16) -> Incarnation {
        loop {
            if let PeerEvent::Up { peer: up, incarnation } = self.next().await
                && up == PeerId(peer)
            {
                return incarnation;
            }
        }
    }
}

pub fn config(
    credentials: Credentials,
    listen: SocketAddr,
    peers: &[(u16, SocketAddr)],
) -> PeerConfig {
    let peers: BTreeMap<_, _> = peers.iter().map(|(id, at)| (PeerId(*id), *at)).collect();
    let incarnation = Incarnation(1);
    let suspicion = Duration::from_millis(200);
    PeerConfig { listen, credentials, peers, incarnation, suspicion }
}

/// Any free port of the loopback.
pub fn any() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> SocketAddr {
    std::net::UdpSocket::bind(any()).unwrap().local_addr().unwrap()
}

/// Waits for what must happen.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}

/// Waits until a condition holds, looking after each short pause.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

/// Two nodes that know each other, both up.
pub async fn pair(authority: &Authority) -> (Node, Node) {
    let (at_1, at_2) = (free_port(), free_port());
    let mut one = Node::bind(authority.node(1), 1, at_1, &[(2, at_2)]);
    let mut two = Node::bind(authority.node(2), 2, at_2, &[(1, at_1)]);
    one.up(2).await;
    two.up(1).await;
    (one, two)
}

/// An address that swallows everything; the socket must be kept.
pub fn black_hole() -> (std::net::UdpSocket, SocketAddr) {
    let socket = std::net::UdpSocket::bind(any()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A client port with its inbox.
pub fn client_port(
    authority: &Authority,
    id: u16,
    admitted: ClientNames,
) -> (ClientPortHandle, Inbox<ClientEvent>) {
    ClientPort::bind(ClientPortConfig {
        listen: any(),
        credentials: authority.node(id),
        incarnation: Incarnation(7),
        admitted,
        connections_max: 4,
    })
    .unwrap()
}
