//! What an operator reads when a node cannot start: one line, with the cause and the remedy.

use std::fs;
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

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
    check_sound(&serve(&cluster, 1, &["--check-config"]));
    let output = serve(&cluster, 1, &["--print-config"]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("# flag --peer-listen"), "{page}");
    assert!(page.contains("# default"), "{page}");
    // Who asks for both is not told that all is well by the page alone.
    let both = ["--print-config", "--check-config", "--data", "/nonexistent"];
    let output = serve(&cluster, 1, &both);
    check(&output, 74, &["no journal in /nonexistent"]);
    assert!(output.stdout.starts_with(b"backup_clients = "), "{output:?}");
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

/// A stdout that takes nothing: a full disk, or a pipe that nobody reads.
fn no_stdout(is_full: bool) -> Stdio {
    if is_full {
        return fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// What was asked for was not told, so the exit code says that it was not. What was changed is
/// changed all the same: whoever is not told would do it again.
#[test]
fn what_cannot_be_printed_is_a_failure_that_says_what_was_done() {
    let cluster = Cluster::new(1);
    let _server = cluster.start(1);
    assert!(cluster.command("put", &["x", "7"]).status.success());
    for (round, is_full) in [true, false].into_iter().enumerate() {
        let why = if is_full { "No space left" } else { "Broken pipe" };
        let untold = |verb: &str, arguments: &[&str]| {
            let mut program = program();
            program.arg(verb).args(cluster.target_flags()).args(arguments);
            program.stdout(no_stdout(is_full)).output().unwrap()
        };
        for (verb, arguments) in [("get", &["x"][..]), ("range", &[]), ("status", &[])] {
            check(&untold(verb, arguments), 70, &["cannot print", why]);
        }
        let applied = "the command was applied, and its answer could not be printed";
        let sum = format!("): {}", 5 * (round + 1));
        check(&untold("add", &["n", "5"]), 3, &[applied, why, &sum]);
        let length = format!("): {}", round + 1);
        check(&untold("append", &["y", "z"]), 3, &[applied, why, &length]);
        let bench = untold("bench", &["--clients", "1", "--seconds", "1"]);
        check(&bench, 3, &["this was measured", why, "put    1 clients"]);
        // Their answers are exit codes, which need no stdout.
        let key = format!("k{round}");
        assert_eq!(untold("put", &[&key, "7"]).status.code(), Some(0));
        assert_eq!(untold("cas", &[&key, "--expected", "8", "9"]).status.code(), Some(1));
        assert_eq!(untold("cas", &[&key, "--expected", "7", "9"]).status.code(), Some(0));
        assert_eq!(untold("delete", &[&key]).status.code(), Some(0));
        assert_eq!(untold("delete", &[&key]).status.code(), Some(1));
    }
    assert_eq!(cluster.command("get", &["n"]).stdout, b"10\n", "each was applied once");
    assert_eq!(cluster.command("get", &["y"]).stdout, b"zz\n");
}

#[test]
fn what_init_makes_is_told_though_it_cannot_be_printed() {
    let scratch = Cluster::new(1);
    let dir = scratch.file("another");
    let untold = |more: &[&str]| {
        let mut program = program();
        program.args(["init", "--dir", &dir]).args(more).stdout(no_stdout(true));
        program.output().unwrap()
    };
    let said = "this was done, and what is said of it could not be printed (No space left";
    check(&untold(&["--nodes", "1", "--without-journals"]), 3, &[said, "cluster ", "node-1.toml"]);
    check(&untold(&["--node", "1"]), 3, &[said, "node 1: ", "journal in "]);
    check(&untold(&["--renew"]), 3, &[said, "renewed for 365 days: client, node-1"]);
    assert!(scratch.path("another/data/node-1/IDENTITY").exists());
}

/// Nobody hears of what the bridge does from then on, so it begins nothing more; what it had begun
/// it tells where somebody may read it.
#[test]
fn a_bridge_whose_answers_are_not_taken_tells_them_elsewhere_and_ends() {
    let cluster = Cluster::new(1);
    let _server = cluster.start(1);
    for is_full in [true, false] {
        let mut bridge = program();
        bridge.arg("bridge").args(cluster.target_flags()).stdin(Stdio::piped());
        bridge.stdout(no_stdout(is_full)).stderr(Stdio::piped());
        let mut bridge = bridge.spawn().unwrap();
        // The input does not end: it is not what ends the bridge.
        let mut stdin = bridge.stdin.take().unwrap();
        writeln!(stdin, r#"{{"id":7,"f":"add","key":"sum{is_full}","value":"5"}}"#).unwrap();
        let begin = Instant::now();
        while bridge.try_wait().unwrap().is_none() && begin.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        drop(stdin);
        assert!(begin.elapsed() < PATIENCE, "it goes on: {:?}", bridge.wait_with_output());
        let output = bridge.wait_with_output().unwrap();
        check(&output, 3, &["standard output", "1 of them, tell of what was done"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let answer = r#"synod-kv: not printed: {"id":7,"type":"ok","value":"5"}"#;
        assert!(stderr.contains(answer), "{stderr}");
        let sum = cluster.command("get", &[&format!("sum{is_full}")]);
        assert_eq!(sum.stdout, b"5\n");
    }
}

/// What was begun is answered, whatever comes behind it.
#[test]
fn a_bridge_answers_what_it_has_begun_though_its_input_fails() {
    // No node runs, so that an answer takes its time: the input has failed long before.
    let cluster = Cluster::new(1);
    let mut bridge = program();
    bridge.arg("bridge").args(cluster.target_flags()).stdin(Stdio::piped());
    let mut bridge = bridge.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = bridge.stdin.take().unwrap();
    let mut lines = Vec::new();
    for id in 1..=20 {
        writeln!(lines, r#"{{"id":{id},"client":{id},"f":"add","key":"sum","value":"1"}}"#)
            .unwrap();
    }
    lines.extend(vec![b'x'; 9 << 20]);
    let writer = std::thread::spawn(move || drop(stdin.write_all(&lines)));
    let output = bridge.wait_with_output().unwrap();
    writer.join().unwrap();
    check(&output, 70, &["standard input: a line of more than 8388608 bytes"]);
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().filter(|line| line.contains("\"fail\"")).count(), 20, "{answers}");
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
    let remedy = format!("`synod-kv init --dir DIR --node N --data {}`", data.display());
    let refused = ["has no journal", "must not go on without it", &remedy];
    fs::remove_dir_all(&data).unwrap();
    for more in [&[][..], &["--check-config"]] {
        check(&serve(&cluster, 1, more), 74, &refused);
        assert!(!data.exists(), "a start makes no folder");
    }
    fs::create_dir(&data).unwrap();
    for more in [&[][..], &["--check-config"]] {
        check(&serve(&cluster, 1, more), 74, &refused);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    }
}

/// Whoever does what the refusal of a node without a journal says has one where it was looked for.
#[test]
fn a_journal_is_made_where_the_refusal_says() {
    let cluster = Cluster::new(3);
    let elsewhere = cluster.file("elsewhere");
    let flags = ["--data", &elsewhere];
    let refused = serve(&cluster, 1, &flags);
    let stderr = String::from_utf8(refused.stderr.clone()).unwrap();
    check(&refused, 74, &["if it never ran"]);
    let (_, advised) = stderr.split_once("`synod-kv ").unwrap();
    let (advised, _) = advised.split_once('`').unwrap();
    let dir = text(cluster.path("client.toml").parent().unwrap());
    let words = advised.split(' ').map(|word| match word {
        "DIR" => &*dir,
        "N" => "1",
        word => word,
    });
    let made = program().args(words).output().unwrap();
    assert!(made.status.success(), "{advised}: {made:?}");
    check_sound(&serve(&cluster, 1, &["--data", &elsewhere, "--check-config"]));
    cluster.spawn(1, &flags).wait_until_ready();
}

/// What a start would refuse is refused by a look, with the same code and words; the look takes no
/// port, and leaves everything as it is.
#[test]
fn a_look_at_the_configuration_finds_what_a_start_would_refuse() {
    let (cluster, other) = (Cluster::new(3), Cluster::new(3));
    let taken = UdpSocket::bind(cluster.peers[&1]).unwrap();
    check_sound(&serve(&cluster, 1, &["--check-config"]));
    let look = |more: &[&str], parts: &[&str], code: i32| {
        let looked = serve(&cluster, 1, &[more, &["--check-config"]].concat());
        check(&looked, code, parts);
        assert!(looked.stdout.is_empty(), "{looked:?}");
        let flags = ["--peer-listen", "127.0.0.1:0", "--client-listen", "127.0.0.1:0"];
        let config = cluster.file("node-1.toml");
        let started =
            program().args(["serve", "--config", &config]).args(flags).args(more).output();
        let started = started.unwrap();
        assert_eq!(started.status.code(), Some(code));
        let last = |output: &Output| {
            let stderr = String::from_utf8(output.stderr.clone()).unwrap();
            stderr.lines().last().unwrap().to_owned()
        };
        assert_eq!(last(&started), last(&looked), "a start says the same");
    };
    let anothers = cluster.file("data/node-2");
    look(&["--data", &anothers], &["belongs to", "/node/2", "not to", "/node/1"], 74);
    let strangers = other.file("data/node-1");
    look(&["--data", &strangers], &["belongs to", "check the path"], 74);
    let foreign = cluster.file("ca");
    look(&["--data", &foreign], &["no journal", "name the directory of the journal"], 74);
    let file = cluster.file("client.pem");
    look(&["--data", &file], &["client.pem", "cannot lock the directory"], 74);
    look(&["--data", "/nonexistent"], &["no journal in /nonexistent"], 74);
    look(&["--peer", "4=127.0.0.1:9"], &["was made for the members 1, 2, 3", "1, 2, 3, 4"], 78);
    let segment = cluster.path("data/node-1/segment-00000001.log");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..4096]).unwrap();
    look(&[], &["is damaged at byte 4096"], 74);
    fs::write(&segment, &whole).unwrap();
    check_sound(&serve(&cluster, 1, &["--check-config"]));
    drop(taken);
    let mut server = cluster.spawn(1, &[]);
    assert!(server.wait_until_ready().contains(" incarnation=1 "), "a look is no start");
    let looked = serve(&cluster, 1, &["--check-config"]);
    let said = String::from_utf8(looked.stdout).unwrap();
    assert_eq!(looked.status.code(), Some(0), "it may run: {said}");
    assert!(said.contains("is sound; another process has the journal in"), "{said}");
}

/// Demands that a configuration was called sound, and that nothing else was said.
#[track_caller]
fn check_sound(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = (output.stdout.as_slice(), output.stderr.as_slice());
    assert_eq!(said, (&b"the configuration is sound\n"[..], &b""[..]), "{output:?}");
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

/// Copies a folder with all that is in it.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn an_older_copy_of_a_folder_ends_with_the_code_of_folders_every_time() {
    let cluster = Cluster::new(3);
    let (data, copy) = (cluster.path("data/node-1"), cluster.path("copy"));
    let mut first = cluster.start(1);
    first.terminate();
    assert_eq!(first.wait(PATIENCE).code(), Some(0), "{}", first.stderr());
    copy_folder(&data, &copy);
    // Node 3 has voted with this life of node 1, and so has heard of it.
    let (mut second, _other) = (cluster.start(1), cluster.start(3));
    assert_eq!(cluster.command("put", &["x", "7"]).status.code(), Some(0));
    second.terminate();
    assert_eq!(second.wait(PATIENCE).code(), Some(0), "{}", second.stderr());
    let last = cluster.path("last");
    fs::rename(&data, &last).unwrap();
    fs::rename(&copy, &data).unwrap();
    let first = serve(&cluster, 1, &[]);
    check(&first, 74, &["this node was refused by the others"]);
    assert!(first.stdout.starts_with(b"ready "), "it had to ask them");
    let folder = data.to_str().unwrap();
    for more in [&[][..], &["--check-config"], &[]] {
        let again = serve(&cluster, 1, more);
        let remedy = "Give it the folder that it had last, or leave it off";
        check(&again, 74, &[folder, "this journal was refused in an earlier start", remedy]);
        assert!(again.stdout.is_empty(), "it is not ready: {again:?}");
    }
    // The remedy is one.
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&last, &data).unwrap();
    check_sound(&serve(&cluster, 1, &["--check-config"]));
    let mut third = cluster.start(1);
    assert_eq!(cluster.command("put", &["x", "8"]).status.code(), Some(0));
    third.terminate();
    assert_eq!(third.wait(PATIENCE).code(), Some(0), "{}", third.stderr());
}
