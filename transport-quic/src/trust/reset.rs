//! How a node that was born again tells those whom its earlier life served that nobody knows their
//! connections any more: stateless resets (RFC 9000, section 10.3).
//!
//! What it leaves to others: everything that is encrypted. The claim it keeps true: the token that
//! ends a connection follows from its name and the private key of the node's certificate, so that a
//! later life can make the tokens of an earlier one, and nobody else can.
//!
//! Without it a client learns only by silence that the process behind a connection is gone, and
//! silence has to be waited for.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use rustls::crypto::SecureRandom;
use rustls::crypto::tls13::HkdfExpander;
use rustls_pki_types::PrivateKeyDer;

use crate::limits::RESET_INTERVAL_MIN;
use crate::tls::{Credentials, TlsError, provider};

/// Makes the set-up of an endpoint whose resets outlive its process. `label` keeps the ports of one
/// node apart, as a token of one must be of no use at the other.
pub(crate) fn endpoint_config(
    credentials: &Credentials,
    label: &'static [u8],
) -> Result<EndpointConfig, TlsError> {
    let key = ResetKey::new(&credentials.key, label)?;
    let random = provider().secure_random;
    let mut config = EndpointConfig::new(Arc::new(key));
    config.min_reset_interval(RESET_INTERVAL_MIN).cid_generator(move || Box::new(Names { random }));
    Ok(config)
}

/// A key that only the holder of a private key can make.
struct ResetKey {
    secret: Box<dyn HkdfExpander>,
    label: &'static [u8],
}

/// Names connections at random. QUIC's own names can be checked, but only by the life that made
/// them; the resets that garbage may provoke instead are bounded in time.
#[derive(Debug)]
struct Names {
    random: &'static dyn SecureRandom,
}

impl ResetKey {
    fn new(key: &PrivateKeyDer<'_>, label: &'static [u8]) -> Result<Self, TlsError> {
        let provider = provider();
        let mut suites = provider.cipher_suites.iter();
        let suite = suites.find_map(|suite| suite.tls13());
        // The first one, so that each life comes to the same key.
        let suite = suite.ok_or_else(|| TlsError::Config("no suite of TLS 1.3".to_owned()))?;
        let secret = suite.hkdf_provider.extract_from_secret(Some(SALT), key.secret_der());
        Ok(Self { secret, label })
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let wanted = self.secret.expand_slice(&[self.label, data], signature_out);
        wanted.expect("one hash is asked for, and 255 may be");
    }

    fn signature_len(&self) -> usize {
        SIGNATURE_BYTES
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let mut expected = [0; SIGNATURE_BYTES];
        self.sign(data, &mut expected);
        if expected[..] == *signature { Ok(()) } else { Err(CryptoError) }
    }
}

impl ConnectionIdGenerator for Names {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut name = [0; NAME_BYTES];
        // Without randomness no handshake gets this far.
        let _ = self.random.fill(&mut name);
        ConnectionId::new(&name)
    }

    fn cid_len(&self) -> usize {
        NAME_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Separates this use of the private key from any other.
const SALT: &[u8] = b"synod stateless reset";
const SIGNATURE_BYTES: usize = 32;
const NAME_BYTES: usize = 8;
