//! What `synod-kv init` makes: for a cluster on one host, for one node of several hosts, and anew.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use synod_transport_quic::Credentials;

/// A folder that is gone when the test ends, however it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = format!("synod-kv-init-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn init(dir: &Path, flags: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_synod-kv"));
    program.arg("init").arg("--dir").arg(dir).args(flags).output().unwrap()
}

/// Runs `init`, which must succeed, and returns what it printed.
#[track_caller]
fn made(dir: &Path, flags: &[&str]) -> String {
    let output = init(dir, flags);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `init`, which must fail with this code, and returns its complaint.
#[track_caller]
fn refused(dir: &Path, flags: &[&str], code: i32) -> String {
    let output = init(dir, flags);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        fs::create_dir_all(to.join(name).parent().unwrap()).unwrap();
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn is_journal(path: &Path) -> bool {
    path.join("IDENTITY").is_file()
}

fn not_after(dir: &Path, name: &str) -> std::time::SystemTime {
    let file = |end: &str| dir.join(format!("{name}.{end}"));
    Credentials::load(&dir.join("ca/ca.pem"), &file("pem"), &file("key")).unwrap().not_after()
}

#[test]
fn a_development_cluster_is_whole_with_its_journals() {
    let scratch = Scratch::new("whole");
    let dir = scratch.path("c");
    assert!(made(&dir, &["--nodes", "2"]).contains("node-1.toml to node-2.toml"));
    for node in ["data/node-1", "data/node-2"] {
        assert!(is_journal(&dir.join(node)), "{node}");
    }
    let again = refused(&dir, &["--node", "1"], 73);
    assert!(again.contains("data/node-1 holds a journal already"), "{again}");
}

#[test]
fn each_of_several_hosts_makes_its_own_journal() {
    let scratch = Scratch::new("hosts");
    let home = scratch.path("home");
    let hosts = ["--host", "1=10.0.0.1", "--host", "2=10.0.0.2", "--host", "3=10.0.0.3"];
    made(&home, &[&["--without-journals"], &hosts[..]].concat());
    assert!(!home.join("data").exists());
    let text = fs::read_to_string(home.join("node-2.toml")).unwrap();
    assert!(text.contains("peer_listen = \"10.0.0.2:7002\""), "{text}");
    assert!(text.contains("3 = \"10.0.0.3:7003\""), "{text}");
    // The authority's key stays at home: the node's own files are enough.
    let host = scratch.path("host-2");
    copy(&home, &host, &["ca/ca.pem", "node-2.pem", "node-2.key", "node-2.toml"]);
    let line = made(&host, &["--node", "2"]);
    assert!(line.contains("journal in ") && line.contains("data/node-2"), "{line}");
    assert!(is_journal(&host.join("data/node-2")));
    let elsewhere = scratch.path("a/b");
    copy(&home, &host, &["node-3.pem", "node-3.key", "node-3.toml"]);
    made(&host, &["--node", "3", "--data", elsewhere.to_str().unwrap()]);
    assert!(is_journal(&elsewhere) && !host.join("data/node-3").exists());
}

#[test]
fn a_host_with_a_copy_of_the_authority_certifies_its_own_node() {
    let scratch = Scratch::new("authority");
    let (home, host) = (scratch.path("home"), scratch.path("host"));
    made(&home, &["--without-journals"]);
    let lacking = refused(&host, &["--node", "2"], 73);
    assert!(lacking.contains("ca/cluster") && lacking.contains("copy its folder ca"), "{lacking}");
    copy(&home, &host, &["ca/ca.pem", "ca/ca.key", "ca/cluster"]);
    made(&host, &["--node", "2", "--host", "2=10.0.0.2"]);
    assert!(is_journal(&host.join("data/node-2")));
    let mode = fs::metadata(host.join("node-2.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let identity = |dir: &Path| {
        let file = |end: &str| dir.join(format!("node-2.{end}"));
        let found = Credentials::load(&home.join("ca/ca.pem"), &file("pem"), &file("key"));
        found.unwrap().identity().to_string()
    };
    assert_eq!(identity(&host), identity(&home));
    // A key without a certificate is what an attempt that was cut short leaves.
    fs::remove_file(host.join("node-2.pem")).unwrap();
    fs::remove_dir_all(host.join("data")).unwrap();
    let key = fs::read(host.join("node-2.key")).unwrap();
    made(&host, &["--node", "2"]);
    assert_eq!(fs::read(host.join("node-2.key")).unwrap(), key);
    let stranger = refused(&host, &["--node", "7"], 64);
    assert!(stranger.contains("--nodes"), "{stranger}");
    let no_host = refused(&scratch.path("x"), &["--host", "9=10.0.0.2"], 64);
    assert!(no_host.contains("--host 9=10.0.0.2"), "{no_host}");
}

#[test]
fn an_address_that_stands_for_all_hosts_is_no_place_of_a_node() {
    let scratch = Scratch::new("everywhere");
    for address in ["0.0.0.0", "::", "224.0.0.1"] {
        let host = format!("1={address}");
        let flags = ["--without-journals", "--host", &host];
        let complaint = refused(&scratch.path("cluster"), &flags, 64);
        assert!(complaint.contains(&format!("--host {host}: wanted")), "{complaint}");
        assert!(!scratch.path("cluster").exists(), "nothing is made");
    }
}

#[test]
fn a_certificate_of_another_node_is_named_with_the_one_that_is_wanted() {
    let scratch = Scratch::new("another");
    let dir = scratch.path("cluster");
    made(&dir, &["--nodes", "2"]);
    let text = fs::read_to_string(dir.join("node-1.toml")).unwrap();
    let swapped = text.replace("node-1.pem", "node-2.pem").replace("node-1.key", "node-2.key");
    fs::write(dir.join("node-1.toml"), swapped).unwrap();
    for more in [&["--check-config"][..], &[]] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_synod-kv"));
        let config = dir.join("node-1.toml");
        let output = program.arg("serve").arg("--config").arg(config).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        for part in ["cluster/node-2.pem: ", "/node/2", "/node/1; name", "such as node-1.pem"] {
            assert!(complaint.contains(part), "{part}: {complaint}");
        }
    }
}

#[test]
fn a_file_in_the_place_of_the_folder_is_named_as_such() {
    let scratch = Scratch::new("file");
    let file = scratch.path("f");
    fs::write(&file, "sun").unwrap();
    let told = refused(&file, &[], 73);
    assert!(told.contains("cannot make") && told.contains("not a directory"), "{told}");
    assert_eq!(fs::read(&file).unwrap(), b"sun");
}

#[test]
fn certificates_are_renewed_and_keys_stay() {
    let scratch = Scratch::new("renew");
    let dir = scratch.path("c");
    made(&dir, &["--nodes", "2", "--without-journals"]);
    let names = ["node-1", "node-2", "client"];
    let read = |end: &str| names.map(|name| fs::read(dir.join(format!("{name}.{end}"))).unwrap());
    let (certificates, keys) = (read("pem"), read("key"));
    let ends = names.map(|name| not_after(&dir, name));
    // A draft that is there is the rest of an attempt that was cut short.
    fs::write(dir.join("client.new"), "half").unwrap();
    let line = made(&dir, &["--renew"]);
    assert!(line.contains("client, node-1, node-2") && line.contains("365 days"), "{line}");
    assert_eq!(read("key"), keys);
    for ((name, old), end) in names.iter().zip(&certificates).zip(ends) {
        assert_ne!(fs::read(dir.join(format!("{name}.pem"))).unwrap(), *old, "{name}");
        assert!(not_after(&dir, name) >= end, "{name}");
    }
    assert!(!dir.join("client.new").exists());
    let before = read("pem");
    made(&dir, &["--renew", "--node", "2"]);
    let after = read("pem");
    assert_eq!((&before[0], &before[2]), (&after[0], &after[2]));
    assert_ne!(before[1], after[1]);
    let nothing = refused(&dir, &["--renew", "--node", "9"], 73);
    assert!(nothing.contains("node-9.pem"), "{nothing}");
}

/// Whoever renews several hears which are renewed, and that none was where there was none.
#[test]
fn a_renewal_tells_of_what_it_has_done() {
    let scratch = Scratch::new("renew-part");
    let dir = scratch.path("c");
    made(&dir, &["--nodes", "3", "--without-journals"]);
    let read = |name: &str| fs::read(dir.join(name)).unwrap();
    let before = ["client.pem", "node-1.pem", "node-2.pem"].map(read);
    // All are judged before one is replaced.
    let key = dir.join("node-3.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let none = refused(&dir, &["--renew"], 73);
    assert!(none.contains("chmod 600") && !none.contains("renewed"), "{none}");
    assert_eq!(["client.pem", "node-1.pem", "node-2.pem"].map(read), before);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    // A folder where the draft of the third would be.
    fs::create_dir(dir.join("node-2.new")).unwrap();
    let part = refused(&dir, &["--renew"], 73);
    let said = "renewed client, node-1, and none of the rest: cannot make ";
    assert!(part.contains(said) && part.contains("node-2.pem"), "{part}");
    assert_ne!(read("node-1.pem"), before[1]);
    assert_eq!(read("node-2.pem"), before[2]);
    let bare = scratch.path("bare");
    fs::create_dir(&bare).unwrap();
    copy(&dir, &bare, &["ca/ca.pem", "ca/ca.key", "ca/cluster"]);
    let nothing = refused(&bare, &["--renew"], 73);
    assert!(nothing.contains("holds no certificate of a node or a client to renew"), "{nothing}");
}

/// What the refusal advises is done, and then done again.
#[test]
fn a_node_that_lacks_a_file_gets_it_by_what_is_advised() {
    let scratch = Scratch::new("lacks");
    let dir = scratch.path("c");
    made(&dir, &["--nodes", "2", "--without-journals"]);
    fs::remove_file(dir.join("node-1.key")).unwrap();
    let told = refused(&dir, &["--node", "1"], 73);
    assert!(told.contains("node-1.pem is there, and its key") && told.contains("remove"), "{told}");
    fs::remove_file(dir.join("node-1.pem")).unwrap();
    made(&dir, &["--node", "1"]);
    // On another host: all files of the node but one of them, and the authority without its key.
    let host = scratch.path("host");
    let files = ["node-2.pem", "node-2.key", "ca/ca.pem"];
    copy(&dir, &host, &files);
    let told = refused(&host, &["--node", "2"], 73);
    assert!(told.contains("its certificate, its key, its configuration and ca/ca.pem"), "{told}");
    copy(&dir, &host, &["node-2.toml"]);
    made(&host, &["--node", "2"]);
}

#[test]
fn a_key_that_does_not_fit_or_that_others_can_read_is_not_renewed() {
    let scratch = Scratch::new("renew-refused");
    let dir = scratch.path("c");
    made(&dir, &["--nodes", "2", "--without-journals"]);
    let before = fs::read(dir.join("node-1.pem")).unwrap();
    let key = dir.join("node-1.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = refused(&dir, &["--renew", "--node", "1"], 73);
    assert!(open.contains("node-1.pem") && open.contains("chmod 600"), "{open}");
    copy(&dir, &scratch.path("copy"), &["node-2.key"]);
    fs::rename(scratch.path("copy/node-2.key"), &key).unwrap();
    let other = refused(&dir, &["--renew", "--node", "1"], 73);
    assert!(other.contains("does not fit the certificate"), "{other}");
    assert_eq!(fs::read(dir.join("node-1.pem")).unwrap(), before);
    // A certificate of another cluster is none of this authority's.
    let (stranger, name) = (scratch.path("s"), "node-1.pem");
    made(&stranger, &["--nodes", "1", "--without-journals"]);
    copy(&stranger, &dir, &[name, "node-1.key"]);
    let foreign = refused(&dir, &["--renew", "--node", "1"], 73);
    assert!(foreign.contains("the authority in ca is of cluster"), "{foreign}");
}
