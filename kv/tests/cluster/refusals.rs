//! What an operator reads when a node cannot start: one line, with the cause and the remedy.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::processes::{Cluster, PATIENCE, is_root, program, run, text};

/// Checks the exit code and the last line of a program that must not have panicked.
#[track_caller]
fn check(output: &Output, code: i32, parts: &[&str]) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    for part in parts {
        assert!(last.contains(part), "{part:?} is not in {last:?}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

fn serve(cluster: &Cluster, id: u16, more: &[&str]) -> Output {
    program().args(cluster.serve_arguments(id)).args(more).output().unwrap()
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    check(&run(&["serve", "--nonsense"]), 64, &[]);
    let output = run(&["frobnicate"]);
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(stderr.contains("unrecognized subcommand 'frobnicate'"), "{stderr}");
    check(&output, 64, &[]);
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("78 wrong configuration"));
}

#[test]
fn a_wrong_configuration_is_one_line_and_its_own_code() {
    let cluster = Cluster::new(3);
    check(
        &serve(&cluster, 1, &["--set", "timing.suspicion_ms=50"]),
        78,
        &["flag --set", "timing.suspicion_ms = 50", "write 200 or more"],
    );
    let output = serve(&cluster, 1, &["--check-config"]);
    assert_eq!(output.status.code(), Some(0));
    let output = serve(&cluster, 1, &["--print-config"]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("# flag --peer-listen"), "{page}");
    assert!(page.contains("# default"), "{page}");
}

#[test]
fn a_variable_that_sets_nothing_is_told_of() {
    let cluster = Cluster::new(3);
    let told = |arguments: &[&str]| {
        let mut serve = program();
        serve.args(cluster.serve_arguments(1)).args(arguments).env("SYNOD_CLUSTR", "x");
        let output = serve.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let line = "SYNOD_CLUSTR sets nothing; the nearest that does is SYNOD_CLUSTER";
    for flag in ["--check-config", "--print-config"] {
        let (code, stderr) = told(&[flag]);
        assert!(code == Some(0) && stderr.contains(line), "{stderr}");
    }
    let (code, stderr) = told(&["--data", "/nonexistent"]);
    assert!(code == Some(74) && stderr.contains(line), "{stderr}");
    let mut get = program();
    get.arg("get").args(cluster.target_flags()).args(["--timeout-ms", "1", "x"]);
    let output = get.env("SYNOD_CLUSTR", "x").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains(line));
}

/// A device without an end, as a file that is larger than it says.
#[test]
fn a_configuration_without_an_end_is_refused() {
    let output = run(&["get", "--config", "/dev/zero", "x"]);
    check(&output, 78, &["/dev/zero", "no regular file"]);
    // Nobody writes into it, so whoever opened it would wait for ever.
    let scratch = Cluster::new(1);
    let pipe = scratch.file("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let output = run(&["get", "--config", &pipe, "x"]);
    check(&output, 78, &[&pipe, "no regular file"]);
    let folder = run(&["get", "--config", "/", "x"]);
    check(&folder, 78, &["cannot read the configuration /", "directory"]);
}

/// What was asked for was not told, so the exit code says that it was not.
#[test]
fn what_cannot_be_printed_is_a_failure() {
    let cluster = Cluster::new(1);
    let _server = cluster.start(1);
    assert!(cluster.command("put", &["x", "7"]).status.success());
    let full = |verb: &str, arguments: &[&str]| {
        let device = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut program = program();
        program.arg(verb).args(cluster.target_flags()).args(arguments).stdout(device);
        program.output().unwrap()
    };
    let bench = ["--clients", "1", "--seconds", "1"];
    for (verb, arguments) in [
        ("get", &["x"][..]),
        ("range", &[]),
        ("status", &[]),
        ("add", &["n"]),
        ("append", &["y", "z"]),
        ("bench", &bench),
    ] {
        check(&full(verb, arguments), 70, &["cannot print", "No space left"]);
    }
}

#[test]
fn a_second_init_changes_nothing() {
    let cluster = Cluster::new(1);
    let before = fs::read(cluster.path("node-1.pem")).unwrap();
    let folder = text(cluster.path("node-1.pem").parent().unwrap());
    check(&run(&["init", "--dir", &folder]), 73, &["exists already", "not overwritten"]);
    assert_eq!(fs::read(cluster.path("node-1.pem")).unwrap(), before);
}

#[test]
fn another_nodes_certificate_is_refused() {
    let cluster = Cluster::new(3);
    let (certificate, key) = (cluster.file("node-2.pem"), cluster.file("node-2.key"));
    let set = [
        "--set".to_owned(),
        format!("tls.certificate={certificate}"),
        "--set".to_owned(),
        format!("tls.key={key}"),
    ];
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    check(&serve(&cluster, 1, &set), 78, &["/node/2", "the configuration says", "/node/1"]);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let cluster = Cluster::new(3);
    let key = cluster.path("node-1.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    check(&serve(&cluster, 1, &[]), 78, &["chmod 600"]);
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let cluster = Cluster::new(3);
    let taken = UdpSocket::bind(cluster.clients[&1]).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(&serve(&cluster, 1, &[]), 74, &["client_listen", &address, "name another"]);
    drop(taken);
    let taken = UdpSocket::bind(cluster.peers[&1]).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(&serve(&cluster, 1, &[]), 74, &["peer_listen", &address, "in use"]);
}

#[test]
fn two_processes_cannot_share_a_data_folder() {
    let cluster = Cluster::new(3);
    let _first = cluster.start(1);
    // The second process has ports of its own: all that they share is the folder.
    let config = cluster.file("node-1.toml");
    let flags = ["--peer-listen", "127.0.0.1:0", "--client-listen", "127.0.0.1:0"];
    let second = program().args(["serve", "--config", &config]).args(flags).output().unwrap();
    check(&second, 74, &["locked by another process"]);
}

#[test]
fn a_folder_that_is_no_journal_or_anothers_is_refused() {
    let cluster = Cluster::new(3);
    let foreign = cluster.path("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("holiday.jpg"), b"sun").unwrap();
    check(&serve(&cluster, 1, &["--data", &text(&foreign)]), 74, &["holiday.jpg", "no journal"]);
    assert_eq!(fs::read(foreign.join("holiday.jpg")).unwrap(), b"sun");
    let data = cluster.file("data/node-1");
    check(&serve(&cluster, 2, &["--data", &data]), 74, &["belongs to", "/node/1", "/node/2"]);
    let file = cluster.file("client.pem");
    check(&serve(&cluster, 2, &["--data", &file]), 74, &["client.pem"]);
}

#[test]
fn a_folder_that_cannot_be_read_is_refused() {
    if is_root() {
        // Permissions do not bind root; the rest of this file runs for root, too.
        eprintln!("skipped: a root user may read everything");
        return;
    }
    let cluster = Cluster::new(3);
    let shut = cluster.path("shut");
    fs::create_dir(&shut).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    check(&serve(&cluster, 1, &["--data", &text(&shut)]), 74, &["shut", "Permission denied"]);
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_lost_folder_is_not_replaced_by_an_empty_one() {
    let cluster = Cluster::new(3);
    let mut server = cluster.start(1);
    server.terminate();
    assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.stderr());
    let data = cluster.path("data/node-1");
    let refused = ["has no journal", "must not go on without it", "synod-kv init --node"];
    fs::remove_dir_all(&data).unwrap();
    check(&serve(&cluster, 1, &[]), 74, &refused);
    assert!(!data.exists(), "a start makes no folder");
    fs::create_dir(&data).unwrap();
    check(&serve(&cluster, 1, &[]), 74, &refused);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn a_port_in_use_costs_no_incarnation() {
    let cluster = Cluster::new(3);
    let taken = UdpSocket::bind(cluster.clients[&1]).unwrap();
    check(&serve(&cluster, 1, &[]), 74, &["client_listen", "in use"]);
    let taken_too = UdpSocket::bind(cluster.peers[&1]).unwrap();
    check(&serve(&cluster, 1, &[]), 74, &["peer_listen", "in use"]);
    drop((taken, taken_too));
    let mut server = cluster.spawn(1, &[]);
    assert!(server.wait_until_ready().contains(" incarnation=1 "));
}

#[test]
fn a_key_of_another_certificate_is_found_without_a_start() {
    let cluster = Cluster::new(3);
    let key = format!("tls.key={}", cluster.file("node-2.key"));
    let wrong = ["--check-config", "--set", &key];
    check(&serve(&cluster, 1, &wrong), 78, &["the private key does not fit the certificate"]);
    let config = cluster.file("node-2.toml");
    let set = ["--set", "node=1", "--check-config"];
    let other = program().args(["serve", "--config", &config]).args(set).output().unwrap();
    check(&other, 78, &["/node/2", "the configuration says", "/node/1"]);
}

#[test]
fn an_older_copy_of_a_folder_ends_with_the_code_of_folders_every_time() {
    let cluster = Cluster::new(3);
    let (data, copy) = (cluster.path("data/node-1"), cluster.path("copy"));
    let mut first = cluster.start(1);
    first.terminate();
    assert_eq!(first.wait(PATIENCE).code(), Some(0), "{}", first.stderr());
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    // Node 3 has voted with this life of node 1, and so has heard of it.
    let (mut second, _other) = (cluster.start(1), cluster.start(3));
    assert_eq!(cluster.command("put", &["x", "7"]).status.code(), Some(0));
    second.terminate();
    assert_eq!(second.wait(PATIENCE).code(), Some(0), "{}", second.stderr());
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&copy, &data).unwrap();
    for _ in 0..2 {
        check(&serve(&cluster, 1, &[]), 74, &["this node was refused by the others"]);
    }
}
