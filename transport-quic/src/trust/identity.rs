//! Who is at the other end, read from its certificate and from nowhere else.
//!
//! What it leaves to others: trust in the certificate itself (`verify`). The claim it keeps true:
//! an identity is exactly one URI name of the form `synod://<cluster-uuid>/node/<id>` or
//! `synod://<cluster-uuid>/client/<name>`, in canonical spelling; anything else is no identity.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::limits::CLIENT_NAME_CHARS_MAX;

/// Names a node of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u16);

/// Names a cluster: a UUID, written in lower case with hyphens.
///
/// ```
/// use synod_transport_quic::ClusterId;
/// let id: ClusterId = "0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e".parse()?;
/// assert_eq!(id.to_string(), "0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e");
/// # Ok::<(), synod_transport_quic::IdentityError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId([u8; 16]);

/// Names a client: 1 to 64 of `a-z 0-9 . _ -`, a letter or digit first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientName(String);

/// Says what a certificate's holder is in its cluster. Complete by definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A member that takes part in the protocol.
    Node(PeerId),
    /// A user of the cluster.
    Client(ClientName),
}

/// Names a certificate's holder: its cluster and its role there.
///
/// ```
/// use synod_transport_quic::{Identity, PeerId, Role};
/// let text = "synod://0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e/node/2";
/// let identity: Identity = text.parse()?;
/// assert_eq!(identity.role, Role::Node(PeerId(2)));
/// assert_eq!(identity.to_string(), text);
/// # Ok::<(), synod_transport_quic::IdentityError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The role in it.
    pub role: Role,
}

/// Says why a certificate or a text names nobody. The fault is the certificate's issuer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The certificate cannot be read.
    #[error("the certificate is malformed")]
    Malformed,
    /// There is not exactly one URI among the alternative names.
    #[error("the certificate has {0} URI names where exactly one is wanted")]
    UriCount(usize),
    /// The URI is not spelled as an identity is.
    #[error("`{0}` is not an identity")]
    Spelling(String),
    /// The extended key usage lacks a purpose; its absence allows nothing here.
    #[error("the certificate lacks the extended key usage {0}")]
    KeyUsage(&'static str),
}

/// What the holder of a certificate is about to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It called.
    Dial,
    /// It was called.
    Serve,
}

impl Identity {
    /// Reads the identity of a certificate whose chain is trusted already.
    ///
    /// # Errors
    /// When the certificate does not name exactly one identity.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        parse_certificate(certificate).and_then(|parsed| identity_of(&parsed))
    }

    /// Reads the identity and insists on the extended key usage that `purpose` needs.
    pub(crate) fn for_purpose(
        certificate: &CertificateDer<'_>,
        purpose: Purpose,
    ) -> Result<Self, IdentityError> {
        let parsed = parse_certificate(certificate)?;
        let usage = parsed.extended_key_usage().map_err(|_| IdentityError::Malformed)?;
        let (dial, serve) = usage
            .map_or((false, false), |usage| (usage.value.client_auth, usage.value.server_auth));
        match purpose {
            Purpose::Dial if !dial => Err(IdentityError::KeyUsage("clientAuth")),
            Purpose::Serve if !serve => Err(IdentityError::KeyUsage("serverAuth")),
            Purpose::Dial | Purpose::Serve => identity_of(&parsed),
        }
    }
}

impl ClientName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClusterId {
    /// Makes the id from the sixteen bytes of a UUID.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let wrong = || IdentityError::Spelling(text.to_owned());
        let rest = text.strip_prefix("synod://").ok_or_else(wrong)?;
        let mut parts = rest.split('/');
        let (Some(cluster), Some(kind), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let cluster = cluster.parse().map_err(|_| wrong())?;
        let role = match kind {
            "node" => Role::Node(name.parse().map_err(|_| wrong())?),
            "client" => Role::Client(name.parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        };
        Ok(Self { cluster, role })
    }
}

impl FromStr for PeerId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let id = text.parse().map(Self).map_err(|_| IdentityError::Spelling(text.to_owned()))?;
        // A second spelling of the same id, such as 02, would be a second name of one node.
        if id.to_string() == text { Ok(id) } else { Err(IdentityError::Spelling(text.to_owned())) }
    }
}

impl FromStr for ClientName {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let fits = bytes.first().is_some_and(plain)
            && bytes.len() <= CLIENT_NAME_CHARS_MAX
            && bytes.iter().all(|byte| plain(byte) || b"._-".contains(byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(IdentityError::Spelling(text.to_owned())) }
    }
}

impl FromStr for ClusterId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let digits = text.bytes().filter(|byte| *byte != b'-');
        let nibbles: Option<Vec<u8>> =
            digits.map(|byte| char::from(byte).to_digit(16).map(|digit| digit as u8)).collect();
        let bytes = nibbles.and_then(|nibbles| {
            let pairs: Vec<u8> =
                nibbles.chunks(2).map(|pair| pair.iter().fold(0, |sum, n| sum << 4 | n)).collect();
            <[u8; 16]>::try_from(pairs).ok()
        });
        // Printing it again must give the same text: one spelling, lower case, hyphens in place.
        bytes
            .map(Self)
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| IdentityError::Spelling(text.to_owned()))
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "node/{id}"),
            Self::Client(name) => write!(f, "client/{name}"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "synod://{}/{}", self.cluster, self.role)
    }
}

/// Reads from when to when a certificate is valid. What ends before 1970 has ended all the same.
pub(crate) fn validity(
    certificate: &CertificateDer<'_>,
) -> Result<(SystemTime, SystemTime), IdentityError> {
    let parsed = parse_certificate(certificate)?;
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let validity = parsed.validity();
    Ok((at(validity.not_before.timestamp()), at(validity.not_after.timestamp())))
}

/// Checks that a certificate may be used for all that its holder does: a node dials and is dialled,
/// a client only dials.
pub(crate) fn check_usages(
    certificate: &CertificateDer<'_>,
    role: &Role,
) -> Result<(), IdentityError> {
    Identity::for_purpose(certificate, Purpose::Dial)?;
    match role {
        Role::Node(_) => Identity::for_purpose(certificate, Purpose::Serve).map(drop),
        Role::Client(_) => Ok(()),
    }
}

fn parse_certificate<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, IdentityError> {
    match X509Certificate::from_der(certificate) {
        // No signature covers bytes behind a certificate.
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) | Err(_) => Err(IdentityError::Malformed),
    }
}

fn identity_of(parsed: &X509Certificate<'_>) -> Result<Identity, IdentityError> {
    let names = parsed.subject_alternative_name().map_err(|_| IdentityError::Malformed)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
        .collect();
    match uris.as_slice() {
        [uri] => uri.parse(),
        other => Err(IdentityError::UriCount(other.len())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use super::*;

    const CLUSTER: &str = "0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e";

    fn parse(tail: &str) -> Result<Identity, IdentityError> {
        format!("synod://{CLUSTER}{tail}").parse()
    }

    #[test]
    fn an_identity_prints_as_it_is_read() {
        for tail in ["/node/0", "/node/65535", "/client/a", "/client/bench-7.x_y"] {
            assert_eq!(parse(tail).unwrap().to_string(), format!("synod://{CLUSTER}{tail}"));
        }
    }

    #[test]
    fn other_spellings_are_no_identity() {
        let long = format!("/client/{}", "a".repeat(CLIENT_NAME_CHARS_MAX + 1));
        for tail in [
            "",
            "/",
            "/node",
            "/node/",
            "/node/02",
            "/node/+2",
            "/node/65536",
            "/node/2/",
            "/Node/2",
            "/client/",
            "/client/A",
            "/client/-a",
            "/client/a b",
            "/client/a/b",
            "/admin/2",
            &long,
        ] {
            assert!(parse(tail).is_err(), "{tail}");
        }
    }

    #[test]
    fn a_cluster_id_has_one_spelling() {
        assert_eq!(CLUSTER.parse::<ClusterId>().unwrap().to_string(), CLUSTER);
        for text in [
            CLUSTER.to_uppercase(),
            CLUSTER.replace('-', ""),
            CLUSTER.replacen('b', "g", 1),
            format!("{CLUSTER}0"),
            format!("{CLUSTER}-"),
            String::new(),
        ] {
            assert!(text.parse::<ClusterId>().is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_name_nobody() {
        let garbage = CertificateDer::from(vec![0x30, 0x82, 0xff, 0xff, 0x00]);
        assert_eq!(Identity::from_certificate(&garbage), Err(IdentityError::Malformed));
    }
}
