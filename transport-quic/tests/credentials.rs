//! Credentials out of files: what is accepted, what is refused and how that is said.
//!
//! What it leaves to others: what the certificates say (`refusals.rs`).
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use rcgen::ExtendedKeyUsagePurpose;
use support::{Authority, CLUSTER, Profile, any, config};
use synod_transport_quic::{BindError, ClientDialer, Credentials, PeerEndpoint, TlsError};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("synod-credentials-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load(folder: &Folder, key_mode: u32) -> (Result<Credentials, TlsError>, PathBuf) {
    let authority = Authority::new("a");
    let (certificate, key) = authority.issue(&Profile::node(CLUSTER, 1));
    let ca = folder.file("ca.pem", &authority.pem(), 0o644);
    let chain = folder.file("node.pem", &certificate, 0o644);
    let key = folder.file("node.key", &key, key_mode);
    (Credentials::load(&ca, &chain, &key), key)
}

#[test]
fn a_key_of_its_owner_alone_is_read() {
    let folder = Folder::new();
    for mode in [0o600, 0o400] {
        let credentials = load(&folder, mode).0.unwrap();
        assert_eq!(credentials.identity().to_string(), format!("synod://{CLUSTER}/node/1"));
        std::fs::remove_file(folder.0.join("node.key")).unwrap();
    }
}

#[test]
fn a_key_that_others_may_touch_is_refused_with_the_way_out() {
    for mode in [0o640, 0o604, 0o660, 0o644, 0o601, 0o777] {
        let folder = Folder::new();
        let (loaded, path) = load(&folder, mode);
        let error = loaded.unwrap_err();
        assert!(matches!(error, TlsError::KeyMode { mode: found, .. } if found == mode));
        let text = error.to_string();
        assert!(text.contains(&format!("{mode:04o}")) && text.contains("chmod 600"), "{text}");
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}

/// To take the rights of others away would leave its user without any.
#[test]
fn a_key_of_another_user_is_told_as_that_first() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else may give a file away.
        return;
    }
    for mode in [0o640, 0o600] {
        let folder = Folder::new();
        let (_, path) = load(&folder, mode);
        std::os::unix::fs::chown(&path, Some(1), None).unwrap();
        let at = |name: &str| folder.0.join(name);
        let loaded = Credentials::load(&at("ca.pem"), &at("node.pem"), &path);
        let text = loaded.unwrap_err().to_string();
        assert!(text.contains("belongs to user 1, not to user 0"), "{text}");
        assert!(text.ends_with(&format!("chown 0 {}", path.display())), "{text}");
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
}

#[test]
fn a_missing_or_empty_file_is_named() {
    let authority = Authority::new("a");
    let (certificate, key) = authority.issue(&Profile::node(CLUSTER, 1));
    let pem = authority.pem();
    let missing = Path::new("/nonexistent/ca.pem");
    let error = Credentials::load(missing, missing, missing).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    let endless = Path::new("/dev/zero");
    let error = Credentials::load(endless, endless, endless).unwrap_err();
    assert!(error.to_string().contains("/dev/zero: it is no regular file"), "{error}");
    let parts = [pem.as_bytes(), certificate.as_bytes(), key.as_bytes()];
    for (lacking, name) in
        ["authority certificate", "own certificate", "private key"].into_iter().enumerate()
    {
        let mut some = parts;
        some[lacking] = b"";
        let error = Credentials::from_pem(some[0], some[1], some[2]).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn what_is_wrong_inside_a_file_is_said_with_its_name() {
    let authority = Authority::new("a");
    let (certificate, key) = authority.issue(&Profile::node(CLUSTER, 1));
    let (_, other_key) = authority.issue(&Profile::node(CLUSTER, 1));
    let sound = [authority.pem(), certificate, key];
    let no_base64 = "-----BEGIN X-----\n*\n-----END X-----\n";
    for (wrong, text, said) in [
        (0, String::new(), "the text has none"),
        (1, "hello".to_owned(), "the text has none"),
        (2, sound[2].replace("-----END", ""), "the text ends before the END line"),
        (0, no_base64.replace('X', "CERTIFICATE"), "a part is no base64"),
        (0, no_base64.replace('X', "CERTIFICATE").replace('*', "aGVsbG8="), "is damaged"),
        (1, no_base64.replace('X', "CERTIFICATE").replace('*', "aGVsbG8="), "is malformed"),
        (2, no_base64.replace('X', "PRIVATE KEY").replace('*', "aGVsbG8="), "is damaged"),
        (2, other_key, "does not fit the certificate"),
    ] {
        let folder = Folder::new();
        let mut texts = sound.clone();
        texts[wrong] = text;
        let files = ["ca.pem", "node.pem", "node.key"].map(|name| folder.0.join(name));
        for (file, text) in files.iter().zip(&texts) {
            folder.file(file.file_name().unwrap().to_str().unwrap(), text, 0o600);
        }
        let error = Credentials::load(&files[0], &files[1], &files[2]).unwrap_err().to_string();
        assert!(error.starts_with(files[wrong].to_str().unwrap()), "{error}");
        assert!(error.contains(said) && !error.contains('['), "{error}");
    }
}

/// The second authority bears the name of the first, as one does that was made anew.
#[test]
fn an_authority_that_did_not_sign_the_certificate_is_refused_with_both_files() {
    let (mine, folder) = (Authority::new("a"), Folder::new());
    let ended = Profile { expired: true, ..Profile::node(CLUSTER, 1) };
    let client = Profile::client(CLUSTER, "app");
    for (count, profile) in [Profile::node(CLUSTER, 1), ended, client].iter().enumerate() {
        let (certificate, key) = mine.issue(profile);
        let chain = folder.file(&format!("{count}.pem"), &certificate, 0o644);
        let key = folder.file(&format!("{count}.key"), &key, 0o600);
        let ca = folder.file("ca.pem", &mine.pem(), 0o644);
        assert!(Credentials::load(&ca, &chain, &key).is_ok(), "dates are told of elsewhere");
        for other in [Authority::new("a"), Authority::new("b")] {
            let ca = folder.file("other.pem", &other.pem(), 0o644);
            let error = Credentials::load(&ca, &chain, &key).unwrap_err().to_string();
            let (ca, chain) = (ca.display(), chain.display());
            assert!(error.starts_with(&format!("{ca} did not sign {chain}")), "{error}");
        }
        let both = folder.file("both.pem", &(Authority::new("b").pem() + &mine.pem()), 0o644);
        assert!(Credentials::load(&both, &chain, &key).is_ok(), "one of several is enough");
        let other = folder.file("other.pem", &Authority::new("b").pem(), 0o644);
        assert!(Credentials::load_of_any_authority(&other, &chain, &key).is_ok());
    }
}

#[test]
fn credentials_print_no_key() {
    let authority = Authority::new("a");
    let (certificate, key) = authority.issue(&Profile::node(CLUSTER, 1));
    let credentials =
        Credentials::from_pem(authority.pem().as_bytes(), certificate.as_bytes(), key.as_bytes())
            .unwrap();
    let printed = format!("{:?}", config(credentials, any(), &[]));
    assert!(
        printed.contains("node: PeerId(1)") || printed.contains("Node(PeerId(1))"),
        "{printed}"
    );
    let secret: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(!printed.contains(&secret[..16]) && !printed.to_lowercase().contains("key"));
}

#[test]
fn a_key_of_another_certificate_is_refused_when_loading() {
    let authority = Authority::new("a");
    let (certificate, _) = authority.issue(&Profile::node(CLUSTER, 1));
    let (_, key) = authority.issue(&Profile::node(CLUSTER, 1));
    let mixed =
        Credentials::from_pem(authority.pem().as_bytes(), certificate.as_bytes(), key.as_bytes());
    assert!(matches!(mixed, Err(TlsError::KeyMismatch)), "{mixed:?}");
}

#[test]
fn credentials_say_from_when_to_when_they_are_good() {
    let authority = Authority::new("a");
    let profile = Profile { expired: true, ..Profile::node(CLUSTER, 1) };
    let end_of_2019 = UNIX_EPOCH + Duration::from_secs(1_577_836_800);
    assert_eq!(authority.credentials(&profile).not_after(), end_of_2019);
    assert!(authority.node(1).not_after() > end_of_2019);
    let profile = Profile { early: true, ..Profile::node(CLUSTER, 1) };
    assert!(authority.credentials(&profile).not_before() > std::time::SystemTime::now());
    assert!(authority.node(1).not_before() < end_of_2019);
}

/// A node with one usage of two would be ready, and refused by whoever it dials, or dials it.
#[test]
fn a_certificate_without_a_usage_that_its_holder_needs_is_refused_with_its_file() {
    let (authority, folder) = (Authority::new("a"), Folder::new());
    let ca = folder.file("ca.pem", &authority.pem(), 0o644);
    let (node, client) = (Profile::node(CLUSTER, 1), Profile::client(CLUSTER, "app"));
    let (serve, dial) = (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
    for (count, (profile, usages, lacks)) in [
        (&node, vec![serve.clone(), dial.clone()], None),
        (&node, vec![dial.clone()], Some("serverAuth")),
        (&node, vec![serve.clone()], Some("clientAuth")),
        (&node, vec![], Some("clientAuth")),
        (&client, vec![dial], None),
        (&client, vec![serve], Some("clientAuth")),
    ]
    .into_iter()
    .enumerate()
    {
        let uris = profile.uris.clone();
        let profile = Profile { uris, usages, expired: false, early: false };
        let (certificate, key) = authority.issue(&profile);
        let chain = folder.file(&format!("{count}.pem"), &certificate, 0o644);
        let key = folder.file(&format!("{count}.key"), &key, 0o600);
        let loaded = Credentials::load(&ca, &chain, &key).map_err(|error| error.to_string());
        let Some(lacks) = lacks else {
            assert!(loaded.is_ok(), "{loaded:?}");
            continue;
        };
        let error = loaded.unwrap_err();
        assert!(error.starts_with(chain.to_str().unwrap()), "{error}");
        assert!(error.contains(&format!("lacks the extended key usage {lacks}")), "{error}");
        assert!(Credentials::load_of_any_authority(&ca, &chain, &key).is_ok(), "to be renewed");
    }
}

#[tokio::test]
async fn a_wrong_role_is_refused_when_binding() {
    let authority = Authority::new("a");
    let client = authority.credentials(&Profile::client(CLUSTER, "app"));
    let bound = PeerEndpoint::bind(config(client, any(), &[]));
    assert!(matches!(bound, Err(BindError::Role { wanted: "node", .. })), "{bound:?}");
    let bound = ClientDialer::bind(any(), authority.node(1));
    assert!(matches!(bound, Err(BindError::Role { wanted: "client", .. })), "{bound:?}");
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let authority = Authority::new("a");
    let listed = config(authority.node(1), any(), &[(1, any())]);
    assert!(matches!(PeerEndpoint::bind(listed), Err(BindError::Setting(_))));
    let mut hasty = config(authority.node(1), any(), &[]);
    hasty.suspicion = Duration::from_millis(1);
    assert!(matches!(PeerEndpoint::bind(hasty), Err(BindError::Setting(_))));
    let taken = PeerEndpoint::bind(config(authority.node(1), any(), &[])).unwrap();
    let again = config(authority.node(1), taken.0.local_addr(), &[]);
    assert!(matches!(PeerEndpoint::bind(again), Err(BindError::Socket { .. })));
}
