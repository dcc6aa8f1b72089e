//! A bare QUIC end that keeps none of the transport's rules, to break them on purpose.
//!
//! What it leaves to others: which rule to break. It keeps true that nothing of the crate under
//! test runs at this end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, SendStream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::any;

/// Calls a port; trusts whoever answers.
pub struct Caller {
    endpoint: Endpoint,
    config: quinn::ClientConfig,
}

impl Caller {
    /// With a certificate and key in PEM, or with none.
    pub fn new(proof: Option<(String, String)>, alpn: &[u8]) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous));
        // The session cache is on, as it is by default: a port that gave tickets would see them.
        let mut tls = match proof {
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![alpn.to_vec()];
        tls.enable_early_data = true;
        let crypto = QuicClientConfig::try_from(tls).unwrap();
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        let mut transport = quinn::TransportConfig::default();
        transport.keep_alive_interval(Some(Duration::from_secs(1)));
        config.transport_config(Arc::new(transport));
        Self { endpoint: Endpoint::client(any()).unwrap(), config }
    }

    pub async fn call(&self, port: SocketAddr) -> Result<Connection, ConnectionError> {
        self.connecting(port).await
    }

    pub fn connecting(&self, port: SocketAddr) -> quinn::Connecting {
        self.endpoint.connect_with(self.config.clone(), port, "any.invalid").unwrap()
    }

    /// Calls, tries to say something, and tells how the other end put an end to it.
    pub async fn call_until_refused(&self, port: SocketAddr) -> ConnectionError {
        match self.call(port).await {
            Ok(connection) => {
                if let Ok(mut stream) = connection.open_uni().await {
                    let _ = stream.write_all(&preface(1, 0)).await;
                    let _ = stream.write_all(&hello(1, 7)).await;
                }
                connection.closed().await
            }
            Err(error) => error,
        }
    }
}

/// A frame: length and payload.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes()[..], payload].concat()
}

/// The frame that begins a stream.
pub fn preface(tag: u8, epoch: u64) -> Vec<u8> {
    frame(&[&[tag][..], &epoch.to_le_bytes()].concat())
}

/// The hello of a wire version.
pub fn hello(version: u16, incarnation: u64) -> Vec<u8> {
    frame(&[b"SYND", &version.to_le_bytes()[..], &incarnation.to_le_bytes()].concat())
}

/// Opens a stream that begins as `begin` says.
pub async fn open(connection: &Connection, begin: &[u8]) -> SendStream {
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(begin).await.unwrap();
    stream
}

/// The close code and text that the other end's application gave.
pub fn application_close(error: &ConnectionError) -> (u64, String) {
    let ConnectionError::ApplicationClosed(close) = error else {
        panic!("not closed by the other application: {error}");
    };
    (close.error_code.into_inner(), String::from_utf8_lossy(&close.reason).into_owned())
}

#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
