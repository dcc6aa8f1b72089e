//! The example counts, and goes on counting after all of its nodes have crashed.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};

#[path = "../examples/counter.rs"]
mod counter;

/// A folder with certificates, as `synod-kv init` makes it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("synod-node-{}-{name}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(folder.0.join("ca")).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.0.join("ca/ca.pem"), authority.pem()).unwrap();
        for id in 1..=3 {
            folder.issue(&authority, &format!("node-{id}"), &format!("node/{id}"));
        }
        folder.issue(&authority, "client", "client/client");
        folder
    }

    fn issue(&self, authority: &CertifiedIssuer<'static, KeyPair>, file: &str, role: &str) {
        let mut params = CertificateParams::default();
        let uri = format!("synod://0b0e3a52-6f0c-4d53-8a43-5a8e7f1c2d3e/{role}");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, authority).unwrap();
        fs::write(self.0.join(format!("{file}.pem")), certificate.pem()).unwrap();
        let path = self.0.join(format!("{file}.key"));
        fs::write(&path, key.serialize_pem()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_counter_survives_the_crash_of_all_its_nodes() {
    let folder = Folder::new("counter");
    assert_eq!(counter::count(&folder.0, &[1, 2, 3]).unwrap(), 6);
    // The nodes of the first run were dropped without handing over; their journals remember.
    assert_eq!(counter::count(&folder.0, &[10]).unwrap(), 16);
}

#[test]
fn a_certificate_that_is_missing_is_named() {
    let error = counter::count(Path::new("/nowhere"), &[1]).unwrap_err().to_string();
    assert!(error.contains("/nowhere/ca/ca.pem"), "{error}");
}

#[test]
fn the_example_fits_on_a_page() {
    let text = include_str!("../examples/counter.rs");
    assert!(text.lines().count() <= 60, "the example is for reading at a glance");
}
