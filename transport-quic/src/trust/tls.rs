//! What an endpoint proves itself with: authority, certificate chain and private key, out of PEM.
//!
//! What it leaves to others: judging the other end (`verify`), and making certificates. The claim
//! it keeps true: a key that others could read is never used, no key is ever printed, and what is
//! wrong with a file is said with its name.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::identity::{Identity, IdentityError, check_usages, validity};
use crate::wall::{Wall, WallClock};

/// Holds what an endpoint proves itself with. Cloning shares nothing mutable.
pub struct Credentials {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    identity: Identity,
    valid: (SystemTime, SystemTime),
    wall: WallClock,
}

/// Says why credentials cannot be used. The fault is the operator's, or the file system's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The private key is readable or writable by others than its owner.
    #[error(
        "{path} has mode {mode:04o}; a private key must be its owner's alone: chmod 600 {path}"
    )]
    KeyMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The private key belongs to another user.
    #[error(
        "{path} belongs to user {owner}, not to user {user} that runs this process: chown {user} \
         {path}"
    )]
    KeyOwner {
        /// The file.
        path: PathBuf,
        /// The user who owns it.
        owner: u32,
        /// The user who would use it.
        user: u32,
    },
    /// What a file holds cannot be used.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<Self>,
    },
    /// A PEM text lacks what it should hold.
    #[error("no {what} in the PEM text: {detail}")]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// Why it was not found.
        detail: &'static str,
    },
    /// A PEM text holds bytes that are not what the text says.
    #[error("the {what} is damaged, or of an unknown kind")]
    Damaged {
        /// What they should be.
        what: &'static str,
    },
    /// The endpoint's own certificate names nobody.
    #[error("own certificate: {0}")]
    Identity(#[from] IdentityError),
    /// The private key is not that of the certificate.
    #[error("the private key does not fit the certificate; name the two that were made together")]
    KeyMismatch,
    /// The authority whose word is taken did not sign the own certificate, so nobody who takes its
    /// word will talk to this endpoint.
    #[error(
        "{authority} did not sign {certificate}: they are of two clusters, or one of them was \
         replaced; name the authority and the certificate that were made together"
    )]
    OtherAuthority {
        /// The certificate of the authority.
        authority: PathBuf,
        /// The own certificate.
        certificate: PathBuf,
    },
    /// The certificate, the key and the authority do not make a TLS configuration.
    #[error("TLS configuration: {0}")]
    Config(String),
}

impl Credentials {
    /// Reads the authority, the own chain and the own key from PEM files.
    ///
    /// # Errors
    /// When a file cannot be read or parsed, when the key file is not its owner's alone, or when
    /// the authority did not sign the own certificate, or that lacks a usage: everybody would
    /// refuse it. Dates are not looked at.
    pub fn load(authority: &Path, chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let credentials = Self::load_of_any_authority(authority, chain, key)?;
        if let Some(own) = credentials.chain.first() {
            check_usages(own, &credentials.identity.role).map_err(|error| TlsError::File {
                path: chain.to_owned(),
                problem: Box::new(error.into()),
            })?;
        }
        if credentials.is_of_another_authority()? {
            let (authority, certificate) = (authority.to_owned(), chain.to_owned());
            return Err(TlsError::OtherAuthority { authority, certificate });
        }
        Ok(credentials)
    }

    /// Reads as [`Credentials::load`] does, a certificate that another authority may have signed:
    /// one that is about to be replaced.
    ///
    /// # Errors
    /// When a file cannot be read or parsed, or when the key file is not its owner's alone.
    pub fn load_of_any_authority(
        authority: &Path,
        chain: &Path,
        key: &Path,
    ) -> Result<Self, TlsError> {
        let in_file = |path: &Path| {
            let path = path.to_owned();
            move |problem| TlsError::File { path, problem: Box::new(problem) }
        };
        let roots = roots(&read(authority)?).map_err(in_file(authority))?;
        let (certificates, identity, valid) = own(&read(chain)?).map_err(in_file(chain))?;
        let private = private_key(&read_key(key)?).map_err(in_file(key))?;
        check_key(&certificates, &private).map_err(in_file(key))?;
        Ok(Self::of(roots, certificates, private, identity, valid))
    }

    /// Reads the authority, the own chain and the own key from PEM texts.
    ///
    /// # Errors
    /// When a text lacks its part, when the own certificate names no identity, or when the key is
    /// not that of the certificate.
    pub fn from_pem(authority: &[u8], chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let roots = roots(authority)?;
        let (chain, identity, valid) = own(chain)?;
        let key = private_key(key)?;
        check_key(&chain, &key)?;
        Ok(Self::of(roots, chain, key, identity, valid))
    }

    fn of(
        roots: RootCertStore,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        identity: Identity,
        valid: (SystemTime, SystemTime),
    ) -> Self {
        let (roots, wall) = (Arc::new(roots), WallClock::default());
        Self { roots, chain, key, identity, valid, wall }
    }

    /// Says whether the own chain certainly leads to none of the authorities.
    fn is_of_another_authority(&self) -> Result<bool, TlsError> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider())
                .build()
                .map_err(|error| TlsError::Config(error.to_string()))?;
        let Some((own, others)) = self.chain.split_first() else { return Ok(false) };
        // A date on which the certificate is good: its end is told of elsewhere.
        let date = self.not_after().duration_since(UNIX_EPOCH).unwrap_or_default();
        let found = verifier.verify_client_cert(own, others, UnixTime::since_unix_epoch(date));
        Ok(matches!(
            found,
            Err(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature
            ))
        ))
    }

    /// Makes the dates of certificates be read against `wall`, instead of the machine's clock.
    #[must_use]
    pub fn dated_by(self, wall: Wall) -> Self {
        Self { wall: WallClock(wall), ..self }
    }

    /// The clock against which dates are read.
    pub(crate) fn time(&self) -> Arc<WallClock> {
        Arc::new(self.wall.clone())
    }

    /// The beginning of the own certificate: before it no connection is made with it.
    #[must_use]
    pub const fn not_before(&self) -> SystemTime {
        self.valid.0
    }

    /// The end of the own certificate: from then on no connection is made with it.
    #[must_use]
    pub const fn not_after(&self) -> SystemTime {
        self.valid.1
    }

    /// Who the own certificate says this endpoint is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self {
            roots: Arc::clone(&self.roots),
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            identity: self.identity.clone(),
            valid: self.valid,
            wall: self.wall.clone(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// The one cryptography provider, always passed along and never installed for the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The own chain, whom it names, and from when to when.
type Own = (Vec<CertificateDer<'static>>, Identity, (SystemTime, SystemTime));

fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    const WHAT: &str = "authority certificate";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(WHAT, pem)? {
        roots.add(certificate).map_err(|_| TlsError::Damaged { what: WHAT })?;
    }
    Ok(roots)
}

fn own(pem: &[u8]) -> Result<Own, TlsError> {
    let chain = certificates("own certificate", pem)?;
    let own = chain.first().ok_or(IdentityError::Malformed)?;
    let (identity, valid) = (Identity::from_certificate(own)?, validity(own)?);
    Ok((chain, identity, valid))
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| TlsError::Pem { what: "private key", detail: pem_problem(&error) })
}

fn check_key(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<(), TlsError> {
    match CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &provider()) {
        Ok(_) => Ok(()),
        Err(Error::InconsistentKeys(_)) => Err(TlsError::KeyMismatch),
        Err(_) => Err(TlsError::Damaged { what: "private key" }),
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsError::Pem { what, detail: pem_problem(&pem::Error::NoItemsFound) })
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::Pem { what, detail: pem_problem(&error) }),
    }
}

/// Says what the parser found, for the one who can look at the file.
const fn pem_problem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::NoItemsFound => "the text has none",
        pem::Error::MissingSectionEnd { .. } => "the text ends before the END line of a part",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is damaged",
        pem::Error::Base64Decode(_) => "a part is no base64",
        pem::Error::SectionTooLarge => "a part is longer than any certificate or key",
        // Foreign, and may grow; the text is at hand, so nothing is read here.
        pem::Error::Io(_) | _ => "the text cannot be read",
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    read_open(open_regular(path).map_err(failed)?).map_err(failed)
}

/// Opens a regular file: a pipe would wait for whoever writes into it, and a device has no end.
fn open_regular(path: &Path) -> std::io::Result<File> {
    // It is asked before the file is opened: opening a pipe that nobody writes to would wait for
    // ever.
    let kind = path.metadata()?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "it is a directory" } else { "it is no regular file" };
        return Err(std::io::Error::other(what));
    }
    File::open(path)
}

/// Reads no more than a file of certificates may have.
fn read_open(file: File) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = file.take(PEM_BYTES_MAX + 1).read_to_end(&mut text)?;
    if read as u64 > PEM_BYTES_MAX {
        let reason = format!("it has more than {PEM_BYTES_MAX} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
    }
    Ok(text)
}

/// Reads a key through one open file, so that what was checked is what is read.
fn read_key(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let file = open_regular(path).map_err(failed)?;
    // What is looked at is the file that is open: under its name another could be put between the
    // look and the reading.
    let metadata = file.metadata().map_err(failed)?;
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    // Its owner first: with another mode alone a key of somebody else could not even be read.
    let user = rustix::process::geteuid().as_raw();
    if owner != user {
        return Err(TlsError::KeyOwner { path: path.to_owned(), owner, user });
    }
    if mode & 0o077 != 0 {
        return Err(TlsError::KeyMode { path: path.to_owned(), mode });
    }
    read_open(file).map_err(failed)
}

/// A file has a few certificates of some thousand bytes, or a key.
const PEM_BYTES_MAX: u64 = 1024 * 1024;
