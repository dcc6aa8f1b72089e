//! What is said where certificates do not fit: each with the file or the node, and why.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Instant;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType, date_time_ymd};

use crate::processes::{Cluster, PATIENCE, program, text};

/// Checks the exit code and the last line, which must be in plain words.
#[track_caller]
fn check(output: &Output, code: i32, parts: &[&str]) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    for part in parts {
        assert!(last.contains(part), "{part:?} is not in {last:?}");
    }
    for inside in ["OtherError", "UnknownIssuer", "invalid peer certificate"] {
        assert!(!stderr.contains(inside), "{inside:?} is in {stderr}");
    }
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// When a certificate is good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Good {
    /// Today.
    Now,
    /// Until some years ago.
    Before,
    /// From a distant day on.
    Later,
}

/// Certifies the client of a cluster anew, signed by the authority in `ca`.
fn certify_client(cluster: &Cluster, ca: &Path, good: Good) {
    let usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    certify(cluster, ca, ("client", "client/client"), usages, good);
}

/// Certifies the key in a file of a cluster anew, for a role.
fn certify(
    cluster: &Cluster,
    ca: &Path,
    (file, role): (&str, &str),
    usages: Vec<ExtendedKeyUsagePurpose>,
    good: Good,
) {
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let key = KeyPair::from_pem(&read(&ca.join("ca.key"))).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read(&ca.join("ca.pem")), key).unwrap();
    let mut params = CertificateParams::default();
    let uri = format!("synod://{}/{role}", read(&cluster.path("ca/cluster")).trim());
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    params.extended_key_usages = usages;
    match good {
        Good::Now => {}
        Good::Before => {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        Good::Later => params.not_before = date_time_ymd(4000, 1, 1),
    }
    let own = KeyPair::from_pem(&read(&cluster.path(&format!("{file}.key")))).unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap();
    fs::write(cluster.path(&format!("{file}.pem")), certificate.pem()).unwrap();
}

/// Every other node refuses one of these, and a look at the configuration called it sound.
#[test]
fn a_nodes_certificate_that_is_of_no_use_is_told_by_a_look() {
    let cluster = Cluster::new(1);
    let ca = cluster.path("ca");
    let both = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let look = |usages: &[ExtendedKeyUsagePurpose], good| {
        certify(&cluster, &ca, ("node-1", "node/1"), usages.to_vec(), good);
        program().args(cluster.serve_arguments(1)).arg("--check-config").output().unwrap()
    };
    // A start refuses the dates as a look does, before it counts: it would wait for nobody.
    for good in [Good::Later, Good::Before] {
        let looked = look(&both, good);
        let started = program().args(cluster.serve_arguments(1)).output().unwrap();
        assert_eq!((started.status, started.stderr), (looked.status, looked.stderr));
        assert_eq!(text_of(&started.stdout), "", "it is not ready");
    }
    assert_eq!(look(&both, Good::Now).status.code(), Some(0));
    let early = look(&both, Good::Later);
    check(&early, 78, &["node-1.pem is not good yet, for ", "set the clock", "--renew"]);
    check(&look(&both, Good::Before), 78, &["node-1.pem ended ", "--renew"]);
    check(&look(&both[1..], Good::Now), 78, &["node-1.pem", "lacks", "serverAuth"]);
    // What is advised is enough.
    certify(&cluster, &ca, ("node-1", "node/1"), both, Good::Later);
    let dir = text(ca.parent().unwrap());
    let renewed = program().args(["init", "--renew", "--dir", &dir]).output().unwrap();
    assert!(renewed.status.success(), "{renewed:?}");
    let looked = program().args(cluster.serve_arguments(1)).arg("--check-config").output().unwrap();
    assert_eq!(looked.status.code(), Some(0), "{looked:?}");
}

/// With the certificate of another cluster "name node-1.pem" is no advice, as that is named.
#[test]
fn a_node_of_another_cluster_is_told_that_the_cluster_is_the_wrong_one() {
    let (cluster, other) = (Cluster::new(1), Cluster::new(1));
    let uuid = fs::read_to_string(other.path("ca/cluster")).unwrap();
    let set = format!("cluster={}", uuid.trim());
    for more in [&["--check-config"][..], &[]] {
        let mut serve = program();
        let output = serve.args(cluster.serve_arguments(1)).args(["--set", &set]).args(more);
        let parts =
            ["node-1.pem: ", "name the cluster and the certificate that were made together"];
        check(&output.output().unwrap(), 78, &parts);
    }
}

#[test]
fn another_clusters_authority_is_refused_with_both_files() {
    let (cluster, other) = (Cluster::new(1), Cluster::new(1));
    fs::copy(other.path("ca/ca.pem"), cluster.path("ca/ca.pem")).unwrap();
    let parts = ["ca/ca.pem did not sign ", "node-1.pem"];
    for more in [&["--check-config"][..], &[]] {
        let output = program().args(cluster.serve_arguments(1)).args(more).output().unwrap();
        check(&output, 78, &parts);
    }
    let parts = ["ca/ca.pem did not sign ", "client.pem"];
    for (verb, arguments) in [("put", &["x", "7"][..]), ("status", &[]), ("bench", &[])] {
        check(&cluster.command(verb, arguments), 78, &parts);
    }
}

#[test]
fn a_client_that_names_a_nodes_certificate_is_told_the_file() {
    let cluster = Cluster::new(1);
    let file = |name: &str, end: &str| format!("tls.{name}={}", text(&cluster.path(end)));
    let (certificate, key) = (file("certificate", "node-1.pem"), file("key", "node-1.key"));
    let flags = ["--set", &certificate, "--set", &key];
    let parts = ["node-1.pem is that of ", "and a client is wanted here", "such as client.pem"];
    for (verb, arguments) in [("put", &["x", "7"][..]), ("status", &[]), ("bench", &[])] {
        let arguments: Vec<&str> = arguments.iter().chain(&flags).copied().collect();
        check(&cluster.command(verb, &arguments), 78, &parts);
    }
}

/// Nobody listens at any of the nodes' ports: a certificate of no use is told at once.
#[test]
fn a_clients_certificate_that_has_ended_or_not_begun_is_told_at_once() {
    let cluster = Cluster::new(1);
    for (good, said) in
        [(Good::Before, "client.pem ended "), (Good::Later, "client.pem is not good yet, for ")]
    {
        certify_client(&cluster, &cluster.path("ca"), good);
        told_at_once(&cluster, said);
    }
}

fn told_at_once(cluster: &Cluster, said: &str) {
    for verb in ["put", "cas"] {
        let flags: &[&str] = if verb == "cas" { &["--absent"] } else { &[] };
        let arguments = [&["--timeout-ms", "60000", "x", "7"], flags].concat();
        let begin = Instant::now();
        let output = cluster.command(verb, &arguments);
        assert!(begin.elapsed() < PATIENCE, "it waited for the nodes");
        check(&output, 78, &[said, "by the clock of this host", "--renew"]);
    }
}

#[test]
fn a_client_that_the_nodes_refuse_is_told_which_and_why() {
    let (cluster, other) = (Cluster::new(1), Cluster::new(1));
    let _server = cluster.start(1);
    certify_client(&cluster, &other.path("ca"), Good::Now);
    // This end takes the word of both authorities, the node of its own alone.
    let authorities = [&cluster, &other].map(|one| one.path("ca/ca.pem"));
    let both: String = authorities.map(|path| fs::read_to_string(path).unwrap()).concat();
    let bundle = cluster.path("both.pem");
    fs::write(&bundle, both).unwrap();
    let set = format!("tls.authority={}", text(&bundle));
    let arguments = ["--set", &set, "--timeout-ms", "1500"];
    let parts = ["node 1: refused by the other end (untrusted-issuer)", "of this end was not"];
    // Waiting would change nothing, so it does not.
    let (patient, begin) = (["--set", &set, "--timeout-ms", "600000", "x", "7"], Instant::now());
    let put = cluster.command("put", &patient);
    assert!(begin.elapsed() < PATIENCE, "it waited for nodes that refuse it");
    check(&put, 69, &[&["certainly not done: every node refuses"][..], &parts].concat());
    check(&cluster.command("status", &arguments), 1, &parts);
    let bench = cluster.command("bench", &[&arguments[..], &["--clients", "1"]].concat());
    check(&bench, 69, &parts);
}
