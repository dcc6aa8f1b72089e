//! Judges the certificate of the other end while the handshake runs.
//!
//! What it leaves to others: chains, dates and signatures, which webpki verifies first. The claim
//! it keeps true: no handshake ends well unless cluster, role, name and key usage fit, and each
//! connection is judged afresh.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::counters::{Count, Counters};
use crate::identity::{ClientName, ClusterId, Identity, PeerId, Purpose, Role};
use crate::refusal::Refusal;
use crate::tls::{Credentials, TlsError, provider};

/// Says which clients a node serves. Complete by definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientNames {
    /// Every client that the cluster's authority has certified.
    AnyCertified,
    /// The clients in the list, and no other.
    Listed(BTreeSet<ClientName>),
}

/// Says whom an endpoint is willing to talk to.
#[derive(Clone, Debug)]
pub(crate) enum Admission {
    /// Any of these nodes.
    Members { cluster: ClusterId, members: BTreeSet<PeerId> },
    /// Clients by name.
    Clients { cluster: ClusterId, names: ClientNames },
    /// The node that was called.
    Exactly { cluster: ClusterId, node: PeerId },
}

impl Admission {
    fn admit(&self, identity: &Identity) -> Result<(), Refusal> {
        if identity.cluster != self.cluster() {
            return Err(Refusal::WrongCluster);
        }
        match (self, &identity.role) {
            (Self::Members { members, .. }, Role::Node(id)) => {
                members.contains(id).then_some(()).ok_or(Refusal::UnknownName)
            }
            (Self::Clients { names, .. }, Role::Client(name)) => match names {
                ClientNames::AnyCertified => Ok(()),
                ClientNames::Listed(list) => {
                    list.contains(name).then_some(()).ok_or(Refusal::UnknownName)
                }
            },
            (Self::Exactly { node, .. }, Role::Node(id)) => {
                (node == id).then_some(()).ok_or(Refusal::UnexpectedNode)
            }
            (Self::Members { .. } | Self::Exactly { .. }, Role::Client(_))
            | (Self::Clients { .. }, Role::Node(_)) => Err(Refusal::WrongRole),
        }
    }

    const fn cluster(&self) -> ClusterId {
        match self {
            Self::Members { cluster, .. }
            | Self::Clients { cluster, .. }
            | Self::Exactly { cluster, .. } => *cluster,
        }
    }

    fn judge(&self, certificate: &CertificateDer<'_>, purpose: Purpose) -> Result<(), Error> {
        let identity = Identity::for_purpose(certificate, purpose)
            .map_err(|error| refuse(Refusal::Profile, error.to_string()))?;
        self.admit(&identity).map_err(|reason| refuse(reason, self.complaint(&identity)))
    }

    fn complaint(&self, identity: &Identity) -> String {
        match self {
            Self::Members { cluster, .. } => {
                format!("{identity} is no other member of cluster {cluster}")
            }
            Self::Clients { cluster, .. } => {
                format!("{identity} is no admitted client of cluster {cluster}")
            }
            Self::Exactly { cluster, node } => {
                format!("{identity} answered where synod://{cluster}/node/{node} was called")
            }
        }
    }
}

/// Judges those who call.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    admission: Admission,
    counters: Arc<Counters>,
}

/// Judges the node that was called.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    admission: Admission,
    counters: Arc<Counters>,
}

impl ClientVerifier {
    pub(crate) fn new(
        credentials: &Credentials,
        admission: Admission,
        counters: Arc<Counters>,
    ) -> Result<Self, TlsError> {
        let roots = Arc::clone(&credentials.roots);
        let chain = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| TlsError::Config(error.to_string()))?;
        Ok(Self { chain, admission, counters })
    }
}

impl ServerVerifier {
    pub(crate) fn new(
        credentials: &Credentials,
        admission: Admission,
        counters: Arc<Counters>,
    ) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self { roots: Arc::clone(&credentials.roots), algorithms, admission, counters }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Callers have one certificate; the names of the authorities are nobody's business.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.counters.add(Count::Verifications);
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        // Whom it names is asked only of a certificate that the authority has signed.
        self.admission.judge(end_entity, Purpose::Dial)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        // Identity is a URI in the certificate; no host name takes part in it.
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.counters.add(Count::Verifications);
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        // As above: first that it is signed, then whom it names.
        self.admission.judge(end_entity, Purpose::Serve)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The text that rustls puts into the close frame, tagged so that the other end can name it too.
struct Complaint {
    reason: Refusal,
    detail: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.tag(), self.detail)
    }
}

impl fmt::Debug for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // rustls prints foreign certificate errors through Debug.
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Complaint {}

fn refuse(reason: Refusal, detail: String) -> Error {
    let complaint = OtherError(Arc::new(Complaint { reason, detail }));
    Error::InvalidCertificate(CertificateError::Other(complaint))
}
