//! The authority of a cluster: made once, kept in a folder, and signing for nodes and clients.
//!
//! Where its certificates go is left to `init`. The claims kept true: one authority is of one
//! cluster; a certificate names one role there and what it may be used for; and a private key
//! leaves this process only into a file that is its owner's alone.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use super::InitError;
use super::files::{make_folder, sync_folder, write_new};

/// Who signs the certificates of a cluster.
pub(super) struct Authority {
    /// The UUID of the cluster.
    pub(super) cluster: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority for a new cluster, in the folder `ca` of `dir`, and notes beside it what
    /// the cluster begins with, if that is a backup.
    pub(super) fn make(dir: &Path, began: Option<&str>) -> Result<Self, InitError> {
        let cluster = random_uuid().map_err(InitError::Random)?;
        let made = certify_itself(&format!("Synod development CA {cluster}"));
        let made = made.map_err(|source| failed("the authority", source))?;
        let folder = dir.join(FOLDER);
        make_folder(&folder)?;
        write_new(&folder.join(CERTIFICATE), 0o644, &made.pem())?;
        write_new(&folder.join(KEY), 0o600, &made.key().serialize_pem())?;
        write_new(&folder.join(CLUSTER), 0o644, &format!("{cluster}\n"))?;
        if let Some(began) = began {
            write_new(&folder.join(BEGAN), 0o644, &format!("{began}\n"))?;
        }
        sync_folder(&folder)?;
        // Read back, so that what certifies here is what every later call finds.
        Self::read(dir)
    }

    /// Takes up the authority that lies in the folder `ca` of `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, InitError> {
        let folder = dir.join(FOLDER);
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|source| InitError::NoAuthority { path, source })
        };
        let cluster = text(CLUSTER)?.trim().to_owned();
        let signer = KeyPair::from_pem(&text(KEY)?)
            .and_then(|key| Issuer::from_ca_cert_pem(&text(CERTIFICATE).unwrap_or_default(), key));
        let issuer = signer.map_err(|source| failed("the authority", source))?;
        Ok(Self { cluster, issuer })
    }

    /// Certifies that the holder of a key has a role, such as `node/2`, for a year.
    pub(super) fn certify(&self, role: &str, key: &KeyPair) -> Result<Certificate, InitError> {
        self.sign(role, key).map_err(|source| failed(role, source))
    }

    fn sign(&self, role: &str, key: &KeyPair) -> Result<Certificate, rcgen::Error> {
        let mut params = CertificateParams::default();
        let uri = format!("synod://{}/{role}", self.cluster);
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        params.distinguished_name.push(DnType::CommonName, role);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // A node dials and is dialled; a client only dials.
        params.extended_key_usages = if role.starts_with("node/") {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        } else {
            vec![ExtendedKeyUsagePurpose::ClientAuth]
        };
        set_validity(&mut params, LEAF_DAYS);
        params.signed_by(key, &self.issuer)
    }
}

pub(super) fn failed(name: &str, source: rcgen::Error) -> InitError {
    InitError::Certificate { name: name.to_owned(), source }
}

fn certify_itself(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, AUTHORITY_DAYS);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn set_validity(params: &mut CertificateParams, days: u64) {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // Clocks of one cluster may differ: a certificate made here must be valid there at once.
    params.not_before = epoch + since_epoch.saturating_sub(DAY);
    params.not_after = epoch + since_epoch + DAY * u32::try_from(days).unwrap_or(u32::MAX);
}

/// Makes a UUID of version 4 (RFC 9562) from the system's random bytes.
fn random_uuid() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

const FOLDER: &str = "ca";
const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
const CLUSTER: &str = "cluster";

/// What the cluster began with stands here, if that was a backup.
pub(super) const BEGAN: &str = "began";

/// Returns the text of a file of the authority, if it is there.
pub(super) fn text_of(dir: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(dir.join(FOLDER).join(name)).ok()?;
    Some(text.trim().to_owned())
}

/// Tells whether the authority itself is here, and not its certificate alone.
pub(super) fn has_cluster(dir: &Path) -> bool {
    dir.join(FOLDER).join(CLUSTER).exists()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_DAYS: u64 = 3650;

/// For how long the certificates of nodes and clients are good.
pub(super) const LEAF_DAYS: u64 = 365;
