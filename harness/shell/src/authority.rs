//! Certificates for a scenario, in a folder that is gone when it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use synod_node::TlsFiles;
use synod_transport_quic::Credentials;

use crate::place::DAWN;

/// The authority of one cluster, and the folder of what it issued.
pub struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// From when to when a certificate is good, in time since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Duration,
    /// The last one.
    pub until: Duration,
}

impl Authority {
    /// Makes an authority.
    ///
    /// # Panics
    ///
    /// When the folder for temporary files cannot be used.
    #[must_use]
    pub fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // Scenarios of one process run side by side, and each removes its folder.
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("synod-shell-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("ca")).expect("temporary files");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority of a scenario");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        set_validity(&mut params, Validity::default());
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("plain parameters");
        fs::write(folder.join("ca/ca.pem"), issuer.pem()).expect("temporary files");
        Self { folder, issuer }
    }

    /// Issues a certificate for `node/1`, `client/name` and so on, in place of an earlier one.
    ///
    /// # Panics
    ///
    /// When the folder for temporary files cannot be used.
    pub fn issue(&self, role: &str, validity: Validity) -> TlsFiles {
        let mut params = CertificateParams::default();
        let uri = format!("synod://{CLUSTER}/{role}");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("ASCII"))];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params, validity);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("plain parameters");
        let files = TlsFiles::in_folder(&self.folder, &role.replace('/', "-"));
        fs::write(&files.certificate, certificate.pem()).expect("temporary files");
        fs::write(&files.key, key.serialize_pem()).expect("temporary files");
        // A key that others may read is refused.
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&files.key, private).expect("the file was just made");
        files
    }

    /// Issues a certificate and reads it back.
    ///
    /// # Panics
    ///
    /// As [`Authority::issue`] does.
    #[must_use]
    pub fn credentials(&self, role: &str, validity: Validity) -> Credentials {
        let files = self.issue(role, validity);
        Credentials::load(&files.authority, &files.certificate, &files.key).expect("issued above")
    }

    /// Where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // What is left behind is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Default for Validity {
    /// A year on either side of the beginning.
    fn default() -> Self {
        Self { from: DAWN - YEAR, until: DAWN + YEAR }
    }
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + validity.from;
    params.not_after = epoch + validity.until;
}

const CLUSTER: &str = "0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e";

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
