//! Who has no part in a session or in the cluster, though an authority that is trusted knows him.

use std::fs;
use std::net::SocketAddr;

use bytes::Bytes;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use synod_kv::command::{Blob, Command, Reply};
use synod_smr::wire::{decode_response, encode_request};
use synod_smr::{
    ClientId, Opening, Refusal, Request, RequestBody, RequestId, Response, Sequence, SessionId,
};
use synod_transport_quic::{
    ClientConnection, ClientDialer, ConnectError, Credentials, PeerId, Refusal as NotAdmitted,
    RefusedBy, Sent,
};

use crate::processes::Cluster;

/// The authority of a cluster, with the key that `init` left beside it.
struct Authority<'a> {
    cluster: &'a Cluster,
    uuid: String,
}

impl<'a> Authority<'a> {
    fn of(cluster: &'a Cluster) -> Self {
        let text = fs::read_to_string(cluster.path("client.toml")).unwrap();
        let uuid = text.lines().find_map(|line| line.strip_prefix("cluster = ")).unwrap();
        Self { cluster, uuid: uuid.trim_matches('"').to_owned() }
    }

    /// Issues the certificate of a client, who says that it belongs to the cluster `uuid`.
    fn client(&self, uuid: &str, name: &str) -> Credentials {
        let mut root = CertificateParams::default();
        let common_name = format!("Synod development CA {}", self.uuid);
        root.distinguished_name.push(DnType::CommonName, common_name);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = fs::read_to_string(self.cluster.path("ca/ca.key")).unwrap();
        let issuer = Issuer::new(root, KeyPair::from_pem(&key).unwrap());
        let mut params = CertificateParams::default();
        let uri = format!("synod://{uuid}/client/{name}");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let authority = fs::read(self.cluster.path("ca/ca.pem")).unwrap();
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        Credentials::from_pem(&authority, certificate.as_bytes(), key.as_bytes()).unwrap()
    }
}

/// A connection to node 1 on which requests are written by hand.
struct Caller {
    connection: ClientConnection,
    _dialer: ClientDialer,
}

impl Caller {
    async fn connect(cluster: &Cluster, credentials: Credentials) -> Result<Self, ConnectError> {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let dialer = ClientDialer::bind(any, credentials).unwrap();
        let connection = dialer.connect(cluster.clients[&1], PeerId(1)).await?;
        Ok(Self { connection, _dialer: dialer })
    }

    async fn ask(&mut self, body: RequestBody) -> Response {
        let request = Request { id: RequestId(7), body };
        assert_eq!(self.connection.send(encode_request(&request)), Sent::Queued);
        decode_response(&self.connection.recv().await.unwrap()).unwrap().1
    }

    async fn append(&mut self, session: SessionId, sequence: u64) -> Response {
        let command = Command::Append { key: Blob(b"list"), suffix: Blob(b".") };
        let sequence = Sequence(sequence);
        let payload = Bytes::from(command.encode());
        let unanswered = Sequence::FIRST;
        self.ask(RequestBody::Command { session, sequence, unanswered, payload }).await
    }
}

/// Reads what an append was answered with.
fn length(response: Response) -> u64 {
    let Response::Reply(reply) = response else { panic!("{response:?}") };
    match Reply::decode(&reply) {
        Ok(Reply::Length(length)) => length,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_serves_the_certificate_that_opened_it() {
    let cluster = Cluster::new(1);
    let _server = cluster.start(1);
    let authority = Authority::of(&cluster);
    cluster.leader(&cluster.client(), &[1]).await;
    let caller = async |name| {
        let credentials = authority.client(&authority.uuid, name);
        Caller::connect(&cluster, credentials).await.unwrap()
    };
    let mut alice = caller("alice").await;
    let mut mallory = caller("mallory").await;
    let opening = Opening::first(ClientId::new(1));
    let opened = alice.ask(RequestBody::Open { opening }).await;
    let Response::Opened(session) = opened else { panic!("{opened:?}") };
    assert_eq!(length(alice.append(session, 1).await), 1);
    for sequence in [1, 2] {
        let told = mallory.append(session, sequence).await;
        assert_eq!(told, Response::Refused(Refusal::SessionExpired), "number {sequence}");
    }
    assert_eq!(length(alice.append(session, 1).await), 1, "the reply is alice's still");
    assert_eq!(length(alice.append(session, 2).await), 2, "mallory has changed nothing");
    let mut again = caller("alice").await;
    assert_eq!(length(again.append(session, 2).await), 2, "the certificate counts, not the call");
    let told = mallory.ask(RequestBody::Open { opening }).await;
    assert!(matches!(told, Response::Opened(other) if other != session), "{told:?}");
}

#[tokio::test]
async fn a_client_of_another_cluster_is_refused() {
    let cluster = Cluster::new(1);
    let _server = cluster.start(1);
    let authority = Authority::of(&cluster);
    // The same authority, as an operator has it who runs two clusters under one.
    let other = "ffffffff-6f0c-4d53-8a43-5a8e7f1c2d3e";
    let refused = match Caller::connect(&cluster, authority.client(other, "client")).await {
        Err(ConnectError::Refused(refused)) => refused,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("a stranger is served"),
    };
    // The client sees it first; one that does not look is refused by the port (the transport's
    // own tests have such callers).
    assert_eq!((refused.by, refused.reason), (RefusedBy::Here, NotAdmitted::WrongCluster));
}
