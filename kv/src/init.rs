//! Makes the folder of a development cluster: an authority, certificates, configurations.
//!
//! Each cluster has an authority and a UUID of its own, so that no two clusters can meet by
//! mistake. Whoever can read the authority's key can join the cluster: for more than development,
//! keep it elsewhere. The folder is made whole or not at all, and one that holds anything is not
//! touched.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use thiserror::Error;

use crate::cli::InitArgs;

/// Why the folder was not made.
#[derive(Debug, Error)]
pub enum InitError {
    /// The caller named a folder that holds something.
    #[error("{} exists already and is not empty; name another folder, as it is not overwritten",
            .0.display())]
    Exists(PathBuf),
    /// The caller's ports do not fit.
    #[error("--base-port {0} leaves no room for the ports of all nodes; 65000 is the highest")]
    Ports(u16),
    /// The environment refused a file.
    #[error("cannot make {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The environment has no randomness for keys.
    #[error("cannot read random bytes: {0}")]
    Random(io::Error),
    /// A certificate could not be made.
    #[error("cannot make the certificate of {name}: {source}")]
    Certificate {
        /// Whose certificate.
        name: String,
        /// What the library said.
        source: rcgen::Error,
    },
}

/// Makes the folder and returns the UUID of the cluster.
///
/// # Errors
///
/// Why it was not made; nothing is left behind then.
pub fn init(args: &InitArgs) -> Result<String, InitError> {
    let highest = args.base_port.checked_add(CLIENT_PORT_STEP + args.nodes);
    highest.ok_or(InitError::Ports(args.base_port))?;
    enter_folder(&args.dir)?;
    let made = Cluster::random().and_then(|cluster| cluster.fill(args));
    if made.is_err() {
        // The folder was made above or was empty, so everything in it is ours to take away.
        fs::remove_dir_all(&args.dir).ok();
    }
    made
}

/// Makes the folder, or takes one that is empty.
fn enter_folder(path: &Path) -> Result<(), InitError> {
    let Err(error) = make_folder(path) else { return Ok(()) };
    let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty { Ok(()) } else { Err(error) }
}

struct Cluster {
    uuid: String,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Cluster {
    fn random() -> Result<Self, InitError> {
        let uuid = random_uuid().map_err(InitError::Random)?;
        let name = format!("Synod development CA {uuid}");
        let authority = make_authority(&name).map_err(|source| InitError::Certificate {
            name: "the authority".to_owned(),
            source,
        })?;
        Ok(Self { uuid, authority })
    }

    fn fill(self, args: &InitArgs) -> Result<String, InitError> {
        let dir = &args.dir;
        make_folder(&dir.join("ca"))?;
        write_new(&dir.join("ca/ca.pem"), 0o644, &self.authority.pem())?;
        write_new(&dir.join("ca/ca.key"), 0o600, &self.authority.key().serialize_pem())?;
        for node in 1..=args.nodes {
            self.issue(dir, &format!("node-{node}"), &format!("node/{node}"))?;
            let text = self.server_toml(args, node);
            write_new(&dir.join(format!("node-{node}.toml")), 0o644, &text)?;
        }
        self.issue(dir, "client", "client/client")?;
        write_new(&dir.join("client.toml"), 0o644, &self.client_toml(args))?;
        Ok(self.uuid)
    }

    fn issue(&self, dir: &Path, file: &str, role: &str) -> Result<(), InitError> {
        let failed = |source| InitError::Certificate { name: role.to_owned(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = self.certificate(role, &key).map_err(failed)?;
        write_new(&dir.join(format!("{file}.pem")), 0o644, &certificate.pem())?;
        write_new(&dir.join(format!("{file}.key")), 0o600, &key.serialize_pem())
    }

    fn certificate(&self, role: &str, key: &KeyPair) -> Result<Certificate, rcgen::Error> {
        let mut params = CertificateParams::default();
        let uri = format!("synod://{}/{role}", self.uuid);
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
        params.signed_by(key, &self.authority)
    }

    fn server_toml(&self, args: &InitArgs, node: u16) -> String {
        let (base, uuid) = (args.base_port, &self.uuid);
        let (peer, client) = (base + node, base + CLIENT_PORT_STEP + node);
        let peers = address_lines(args.nodes, base);
        format!(
            "# One node of the cluster. SYNOD_* variables and flags override these values;\n\
             # `synod-kv serve --config <this file> --print-config` shows what holds.\n\
             cluster = \"{uuid}\"\n\
             node = {node}\n\
             data = \"data/node-{node}\"\n\
             peer_listen = \"127.0.0.1:{peer}\"\n\
             client_listen = \"127.0.0.1:{client}\"\n\n\
             [peers]\n{peers}\n\
             [tls]\n\
             authority = \"ca/ca.pem\"\n\
             certificate = \"node-{node}.pem\"\n\
             key = \"node-{node}.key\"\n"
        )
    }

    fn client_toml(&self, args: &InitArgs) -> String {
        let nodes = address_lines(args.nodes, args.base_port + CLIENT_PORT_STEP);
        format!(
            "# How to reach the cluster. SYNOD_* variables and flags override these values.\n\
             cluster = \"{}\"\n\
             timeout_ms = 5000\n\n\
             [nodes]\n{nodes}\n\
             [tls]\n\
             authority = \"ca/ca.pem\"\n\
             certificate = \"client.pem\"\n\
             key = \"client.key\"\n",
            self.uuid
        )
    }
}

fn make_authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
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

fn address_lines(nodes: u16, base: u16) -> String {
    (1..=nodes).map(|node| format!("{node} = \"127.0.0.1:{}\"\n", base + node)).collect()
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

fn make_folder(path: &Path) -> Result<(), InitError> {
    DirBuilder::new().mode(0o700).create(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::AlreadyExists {
            return InitError::Exists(path);
        }
        InitError::File { path, source }
    })
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), InitError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| InitError::File { path: path.to_owned(), source })
}

/// How far above its port for peers a node listens to clients.
const CLIENT_PORT_STEP: u16 = 100;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_DAYS: u64 = 3650;
const LEAF_DAYS: u64 = 365;
