//! A folder of certificates for a test, as `synod-kv init` makes it, gone when the test ends.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use synod_node::{Config, Node, NodeId};

/// A port at which no node listens.
const DISCARD: u16 = 9;

/// A folder with certificates, as `synod-kv init` makes it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
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

    /// The configuration of a node of three, with ports that the test does not care for.
    pub(crate) fn config(&self, node: u16) -> Config {
        let at = |id| SocketAddr::from(([127, 0, 0, 1], if id == node { 0 } else { DISCARD }));
        let members = [1, 2, 3].map(|id| (NodeId::new(id), at(id))).into();
        Config::in_folder(&self.0, NodeId::new(node), members)
    }

    /// Makes the journals, as `synod-kv init` does.
    pub(crate) fn make_journals(&self) {
        for node in 1..=3 {
            Node::create(&self.config(node)).unwrap();
        }
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
