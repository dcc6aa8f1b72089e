//! A node's client port that echoes, and a client that asks it, with certificates made on the spot.
//!
//! What it leaves to others: more than one node. It keeps true that the profile in the README is
//! all that a certificate needs.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use synod_transport_quic::{
    ClientConnection, ClientEvent, ClientNames, ClientPort, ClientPortConfig, Credentials,
    Incarnation, PeerId, limits,
};

const CLUSTER: &str = "3f0f6f7e-3a4e-4f0c-9d4f-1f6c2b7a9e10";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let authority = authority()?;
    let (port, mut inbox) = ClientPort::bind(ClientPortConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        credentials: issue(&authority, "node/1", true)?,
        incarnation: Incarnation(1),
        admitted: ClientNames::AnyCertified,
        connections_max: limits::CLIENT_CONNECTIONS_MAX,
    })?;
    let echo = port.clone();
    let node = tokio::spawn(async move {
        while let Some(event) = inbox.recv().await {
            match event {
                ClientEvent::Connected { identity, .. } => say(&format!("{identity} connected")),
                ClientEvent::Request { connection, bytes } => {
                    echo.reply(connection, bytes);
                }
                ClientEvent::Written { .. } => {}
                ClientEvent::Closed { reason, .. } => return say(&format!("closed: {reason}")),
            }
        }
    });

    let credentials = issue(&authority, "client/example", false)?;
    let mut client = ClientConnection::connect(port.local_addr(), PeerId(1), credentials).await?;
    client.send(Bytes::from_static(b"is anybody there?"));
    say(&format!("the node says: {:?}", client.recv().await?));
    drop(client);
    node.await?;
    port.close(limits::LAST_REPLIES_TIMEOUT).await;
    Ok(())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn issue(
    authority: &CertifiedIssuer<'static, KeyPair>,
    role: &str,
    serves: bool,
) -> Result<Credentials, Box<dyn Error>> {
    let mut params = CertificateParams::default();
    let uri = format!("synod://{CLUSTER}/{role}");
    params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into()?)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if serves {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok(Credentials::from_pem(
        authority.pem().as_bytes(),
        certificate.pem().as_bytes(),
        key.serialize_pem().as_bytes(),
    )?)
}

#[allow(clippy::print_stdout, reason = "an example shows what it does")]
fn say(text: &str) {
    println!("{text}");
}
