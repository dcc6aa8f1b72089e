//! Makes what a cluster needs before it runs: an authority, certificates, configurations, journals.
//!
//! Each cluster has an authority and a UUID of its own, so that no two clusters can meet by
//! mistake. Whoever can read the authority's key can join the cluster. The claims kept true: a
//! folder is made whole or not at all, and one that holds anything is not touched; no file is
//! overwritten but a certificate that is renewed; and each node's journal is made here once,
//! because a start makes none.

mod authority;
mod files;
mod texts;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use synod_node::backup::{BackupState, ReadError, Summary, read_backup};
use synod_node::{CreateError, Node};
use synod_transport_quic::{Credentials, TlsError};
use thiserror::Error;

use crate::cli::{InitArgs, ServeArgs};
use crate::config::{ConfigError, ServerConfig};
use crate::machine::Machine;
use crate::serve::node_config;
use authority::{Authority, BEGAN, LEAF_DAYS, failed, has_cluster, text_of};
use files::{make_folder, replace, sync_folder, write_new};
use texts::Addresses;

/// Why something was not made.
#[derive(Debug, Error)]
pub enum InitError {
    /// The caller named a folder that holds something.
    #[error("{} exists already and is not empty; name another folder, as it is not overwritten",
            .0.display())]
    Exists(PathBuf),
    /// The caller's ports do not fit.
    #[error("--base-port {0} leaves no room for the ports of all nodes; 65000 is the highest")]
    Ports(u16),
    /// The caller's address of a node is none.
    #[error("--host {0}: wanted <node id>=<ip>, such as 2=10.0.0.2, once for each of the --nodes")]
    Host(String),
    /// The caller asked for a node that is none of the cluster's.
    #[error("--node {0} is more than --nodes; say how many nodes the cluster has")]
    NoSuchNode(u16),
    /// There is no authority that could sign.
    #[error("cannot read {}: {source}; make the authority once, with `synod-kv init --dir DIR`, \
             and copy its folder ca to here, or all of a node's files but its journal: its \
             certificate, its key, its configuration and ca/ca.pem", path.display())]
    NoAuthority {
        /// The file that is missing.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller's fault: there is no such certificate to renew.
    #[error("there is no {} to renew; name a node whose certificate is there",
            dir.join(format!("node-{node}.pem")).display())]
    NoCertificate {
        /// The folder of the cluster.
        dir: PathBuf,
        /// The node.
        node: u16,
    },
    /// The caller's fault: there is no certificate to renew at all.
    #[error("{} holds no certificate of a node or a client to renew; name the folder that has them",
            .0.display())]
    NoCertificates(PathBuf),
    /// A certificate is there, and its key is not.
    #[error("{} is there, and its key {} is not: copy the key, or remove the certificate, and both \
             are made", certificate.display(), key.display())]
    NoKey {
        /// The certificate.
        certificate: PathBuf,
        /// The key that it lacks.
        key: PathBuf,
    },
    /// Some certificates were renewed, and then one was not.
    #[error("renewed {done}, and none of the rest: {source}")]
    RenewedInPart {
        /// The names of those that were.
        done: String,
        /// Why not the next one.
        source: Box<Self>,
    },
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
    /// A certificate or key that is there cannot be used.
    #[error("{}: {source}", path.display())]
    Credentials {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        source: TlsError,
    },
    /// A certificate that is there is of another cluster.
    #[error("{} is of {found}, and the authority in ca is of cluster {wanted}; move what is of \
             another cluster away", path.display())]
    OtherCluster {
        /// The certificate.
        path: PathBuf,
        /// Whom it names.
        found: String,
        /// The cluster of the authority.
        wanted: String,
    },
    /// A configuration that is there cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no backup to begin with.
    #[error(transparent)]
    Backup(#[from] ReadError),
    /// The caller's fault: the cluster began with a backup, and a node of it is to begin with
    /// nothing.
    #[error("the cluster of {} began with the backup of {began}: name that one with --from, as a \
             node that begins with nothing is refused by all others", dir.display())]
    NeedsBackup {
        /// The folder of the cluster.
        dir: PathBuf,
        /// What it began with.
        began: String,
    },
    /// The caller's fault: the cluster began with another backup.
    #[error("the cluster of {} began with the backup of {began}, and this is the one of {found}: \
             name the one that it began with", dir.display())]
    OtherBackup {
        /// The folder of the cluster.
        dir: PathBuf,
        /// What it began with.
        began: String,
        /// What its node was to begin with.
        found: String,
    },
    /// The caller's fault: the cluster began with nothing.
    #[error("the cluster of {} began with nothing, and no node of it can begin with a backup: make \
             a new cluster, with `synod-kv init --dir NEW --from BACKUP`", .0.display())]
    BeganWithNothing(PathBuf),
    /// A node's journal was not made.
    #[error(transparent)]
    Journal(#[from] CreateError),
}

/// Makes the folder of a cluster, with the journals of all nodes unless they are to be made
/// elsewhere; returns the UUID of the cluster.
///
/// # Errors
///
/// Why it was not made; nothing is left behind then.
pub fn init(args: &InitArgs) -> Result<String, InitError> {
    let addresses = Addresses::of(args)?;
    // All of it is read and judged before anything is made.
    let backup = backup_of(args)?;
    enter_folder(&args.dir)?;
    let made = fill(args, &addresses, backup.as_ref());
    if made.is_err() {
        // The folder was made above or was empty, so everything in it is ours to take away.
        fs::remove_dir_all(&args.dir).ok();
    }
    made
}

/// Makes what one node still lacks in a folder that has an authority: key, certificate and
/// configuration where they are missing, and the journal, which must be; returns where that is.
///
/// # Errors
///
/// Why it was not made. What was made before stays, and the next attempt goes on from there.
pub fn init_node(
    args: &InitArgs,
    node: u16,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<PathBuf, InitError> {
    let (dir, file) = (&args.dir, format!("node-{node}"));
    let backup = backup_of(args)?;
    check_beginning(dir, backup.as_ref().map(BackupState::summary))?;
    let config = dir.join(format!("{file}.toml"));
    let lacks = |name: &str| !dir.join(name).exists();
    let (certificate, key) = (dir.join(format!("{file}.pem")), dir.join(format!("{file}.key")));
    // A key that was made anew would not fit the certificate that is there.
    if certificate.exists() && !key.exists() {
        return Err(InitError::NoKey { certificate, key });
    }
    if lacks(&format!("{file}.pem")) || lacks(&format!("{file}.toml")) {
        let authority = Authority::read(dir)?;
        let addresses = Addresses::of(args)?;
        let text = addresses.server_toml(&authority.cluster, node);
        let text = text.ok_or(InitError::NoSuchNode(node))?;
        if lacks(&format!("{file}.pem")) {
            issue(&authority, dir, &file, &format!("node/{node}"))?;
        }
        if lacks(&format!("{file}.toml")) {
            write_new(&config, 0o644, &text)?;
        }
        sync_folder(dir)?;
    }
    make_journal(config, args.data.clone(), variable, backup.as_ref())
}

/// Renews the certificates of nodes and clients in the folder, or that of one node; the keys stay.
/// Returns the names of the certificates.
///
/// # Errors
///
/// Why none was renewed, or which were and why no other: all are judged before one is replaced.
pub fn renew(args: &InitArgs) -> Result<Vec<String>, InitError> {
    let authority = Authority::read(&args.dir)?;
    let io = |source| InitError::File { path: args.dir.clone(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(&args.dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
        let of_node = args.node.is_none_or(|node| name == format!("node-{node}.pem"));
        names.extend(name.strip_suffix(".pem").filter(|_| of_node).map(str::to_owned));
    }
    if let Some(node) = args.node.filter(|_| names.is_empty()) {
        return Err(InitError::NoCertificate { dir: args.dir.clone(), node });
    }
    if names.is_empty() {
        return Err(InitError::NoCertificates(args.dir.clone()));
    }
    names.sort_unstable();
    // All are made first: one that cannot be made leaves each file as it was.
    let renewed: Result<Vec<_>, _> =
        names.iter().map(|name| renewed(&authority, &args.dir, name)).collect();
    for (index, (path, pem)) in renewed?.iter().enumerate() {
        replace(path, 0o644, pem).map_err(|error| match names[..index].join(", ") {
            done if done.is_empty() => error,
            done => InitError::RenewedInPart { done, source: Box::new(error) },
        })?;
    }
    sync_folder(&args.dir)?;
    Ok(names)
}

/// Returns for how many days a certificate is good from the day on which it is made.
#[must_use]
pub fn certificate_days() -> u64 {
    LEAF_DAYS
}

/// Makes the folder, or takes one that is empty.
fn enter_folder(path: &Path) -> Result<(), InitError> {
    let Err(error) = make_folder(path) else { return Ok(()) };
    if path.exists() && !path.is_dir() {
        let source = io::ErrorKind::NotADirectory.into();
        return Err(InitError::File { path: path.to_owned(), source });
    }
    let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty { Ok(()) } else { Err(error) }
}

/// The state that a cluster begins with.
type Backup = BackupState<Machine>;

fn backup_of(args: &InitArgs) -> Result<Option<Backup>, InitError> {
    let read = |folder: &PathBuf| read_backup(folder, Machine::default());
    Ok(args.from.as_ref().map(read).transpose()?)
}

/// Spells what a cluster began with, as it stands beside its authority.
fn spell(summary: &Summary) -> String {
    format!("slot {} with digest {:016x}", summary.slot.number(), summary.digest)
}

/// Sees that one more node begins with what the cluster began with, where its authority is here and
/// says so; elsewhere the other nodes find out.
fn check_beginning(dir: &Path, backup: Option<&Summary>) -> Result<(), InitError> {
    let (began, found) = (text_of(dir, BEGAN), backup.map(spell));
    match (began, found) {
        (Some(began), Some(found)) if began != found => {
            Err(InitError::OtherBackup { dir: dir.to_owned(), began, found })
        }
        (Some(began), None) => Err(InitError::NeedsBackup { dir: dir.to_owned(), began }),
        (None, Some(_)) if has_cluster(dir) => Err(InitError::BeganWithNothing(dir.to_owned())),
        (Some(_) | None, Some(_)) | (None, None) => Ok(()),
    }
}

fn fill(
    args: &InitArgs,
    addresses: &Addresses,
    backup: Option<&Backup>,
) -> Result<String, InitError> {
    let dir = &args.dir;
    let authority = Authority::make(dir, backup.map(|backup| spell(backup.summary())).as_deref())?;
    let cluster = authority.cluster.clone();
    for node in 1..=args.nodes {
        issue(&authority, dir, &format!("node-{node}"), &format!("node/{node}"))?;
        let text = addresses.server_toml(&cluster, node).ok_or(InitError::NoSuchNode(node))?;
        write_new(&dir.join(format!("node-{node}.toml")), 0o644, &text)?;
    }
    // One for the clients of the first hour; others are made by the authority with a name of their
    // own.
    issue(&authority, dir, "client", "client/client")?;
    write_new(&dir.join("client.toml"), 0o644, &addresses.client_toml(&cluster))?;
    // Before the journals are made: a journal whose configuration a crash took away would be of no
    // use.
    sync_folder(dir)?;
    if !args.without_journals {
        for node in 1..=args.nodes {
            // The environment is one node's; here all are made as their files say.
            make_journal(dir.join(format!("node-{node}.toml")), None, |_| None, backup)?;
        }
    }
    Ok(cluster)
}

fn make_journal(
    config: PathBuf,
    data: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<String>,
    backup: Option<&Backup>,
) -> Result<PathBuf, InitError> {
    let args = ServeArgs { data, ..ServeArgs::of(config) };
    let config = node_config(&ServerConfig::read(&args, variable)?.config);
    match backup {
        Some(backup) => Node::create_from(&config, backup)?,
        None => Node::create(&config)?,
    }
    Ok(config.data)
}

/// Makes a key, unless it is there, and the certificate for it.
fn issue(authority: &Authority, dir: &Path, file: &str, role: &str) -> Result<(), InitError> {
    let path = dir.join(format!("{file}.key"));
    let key = if path.exists() {
        read_key(&path, role)?
    } else {
        let key = KeyPair::generate().map_err(|source| failed(role, source))?;
        // The key comes first: with a key and no certificate the next attempt goes on, and the
        // other way round it cannot.
        write_new(&path, 0o600, &key.serialize_pem())?;
        key
    };
    let certificate = authority.certify(role, &key)?;
    write_new(&dir.join(format!("{file}.pem")), 0o644, &certificate.pem())
}

/// Makes a certificate that is to take the place of another one, for the same key.
fn renewed(authority: &Authority, dir: &Path, file: &str) -> Result<(PathBuf, String), InitError> {
    let (path, key) = (dir.join(format!("{file}.pem")), dir.join(format!("{file}.key")));
    // The old certificate says whose it is, and its key must be the right one and private.
    let old = Credentials::load_of_any_authority(&dir.join("ca/ca.pem"), &path, &key)
        .map_err(|source| InitError::Credentials { path: path.clone(), source })?;
    let identity = old.identity();
    let (wanted, found) = (authority.cluster.clone(), identity.to_string());
    if identity.cluster.to_string() != wanted {
        return Err(InitError::OtherCluster { path, found, wanted });
    }
    let role = identity.role.to_string();
    let certificate = authority.certify(&role, &read_key(&key, &role)?)?;
    Ok((path, certificate.pem()))
}

fn read_key(path: &Path, role: &str) -> Result<KeyPair, InitError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| InitError::File { path: path.to_owned(), source })?;
    KeyPair::from_pem(&text).map_err(|source| failed(role, source))
}
