//! What an operator reads when a configuration is wrong: one line with the key and the remedy.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use synod_kv::cli::{Cli, Command, InitArgs, ServeArgs, TargetArgs};
use synod_kv::config::{ClientConfig, ServerConfig, client_keys, server_keys};
use synod_kv::init::{InitError, init};

/// A folder that is gone when the test ends, however it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = format!("synod-kv-config-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn cluster(name: &str) -> Self {
        let scratch = Self::new(name);
        init(&scratch.init_args(3)).unwrap();
        scratch
    }

    fn init_args(&self, nodes: u16) -> InitArgs {
        let dir = self.0.join("c");
        let nodes = nodes.to_string();
        let start = ["synod-kv", "init", "--dir", dir.to_str().unwrap(), "--nodes", &nodes];
        let Command::Init(args) = Cli::try_parse_from(start).unwrap().command else {
            panic!("not parsed as init")
        };
        args
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("c").join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn serve_args(config: &Path, flags: &[&str]) -> ServeArgs {
    let start = ["synod-kv", "serve", "--config", config.to_str().unwrap()];
    let cli = Cli::try_parse_from(start.iter().chain(flags)).unwrap();
    let Command::Serve(args) = cli.command else { panic!("not parsed as serve") };
    args
}

/// Checks the complaint of a server's configuration, with the lines of the file edited first.
#[track_caller]
fn check(name: &str, edit: (&str, &str), environment: &[(&str, &str)], flags: &[&str], want: &str) {
    let scratch = Scratch::cluster(name);
    let file = scratch.file("node-1.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(edit.0), "the edit of {name} changes nothing");
    fs::write(&file, text.replacen(edit.0, edit.1, 1)).unwrap();
    let variable = |name: &str| {
        let found = environment.iter().find(|(key, _)| *key == name)?;
        Some(found.1.to_owned())
    };
    let error = ServerConfig::read(&serve_args(&file, flags), variable).unwrap_err().to_string();
    let folder = format!("{}/", file.parent().unwrap().display());
    assert_eq!(error.replace(&folder, ""), want, "{name}");
    assert!(!error.contains('\n'), "{name}: more than one line");
}

#[test]
fn a_wrong_file_is_named_by_line_key_and_remedy() {
    check(
        "unknown",
        ("node = 1\n", "node = 1\nnodee = 1\n"),
        &[],
        &[],
        "node-1.toml:5: unknown key `nodee`; known keys are cluster, node, data, segment_bytes, \
         log_bytes, scrub_bytes_per_second, backup_clients, peer_listen, client_listen, metrics, \
         peers.*, tls.authority, tls.certificate, tls.key, timing.heartbeat_ms, \
         timing.suspicion_ms, timing.stagger_ms, log.filter, log.format",
    );
    check(
        "type",
        ("node = 1\n", "node = \"1\"\n"),
        &[],
        &[],
        "node-1.toml:4: `node = \"1\"`: found string, \
         wanted a whole decimal number without quotes",
    );
    check(
        "address",
        ("peer_listen = \"127.0.0.1:7001\"", "peer_listen = \"localhost\""),
        &[],
        &[],
        "node-1.toml:6: `peer_listen = localhost`: invalid socket address syntax; \
         wanted <ip>:<port>, such as 127.0.0.1:7001",
    );
    check(
        "certificate",
        ("\"node-1.pem\"", "\"gone.pem\""),
        &[],
        &[],
        "node-1.toml:17: `tls.certificate = gone.pem`: No such file or directory (os error 2); \
         name the file that `synod-kv init --dir DIR` made, or copy it here",
    );
    check(
        "missing",
        ("node = 1\n", ""),
        &[],
        &[],
        "`node` is not set; write node = 1 at the top of the file, or set SYNOD_NODE",
    );
    check(
        "member",
        ("node = 1\n", "node = 7\n"),
        &[],
        &[],
        "node-1.toml:4: `node = 7`: [peers] lists only 1, 2, 3; name one of them, or list 7 there \
         too, in the configuration of each node and before any journal is made",
    );
}

#[test]
fn wrong_settings_are_named_with_their_origin() {
    let none = ("node = 1\n", "node = 1\n");
    check(
        "suspicion",
        none,
        &[("SYNOD_TIMING_SUSPICION_MS", "100")],
        &[],
        "environment SYNOD_TIMING_SUSPICION_MS: `timing.suspicion_ms = 100`: less than 5 \
         heartbeats of 40 ms suspects the living; write 200 or more",
    );
    check(
        "zero",
        none,
        &[],
        &["--set", "timing.heartbeat_ms=0"],
        "flag --set: `timing.heartbeat_ms = 0`: wanted milliseconds from 1 to 3600000",
    );
    check(
        "twice",
        none,
        &[],
        &["--peer", "2=127.0.0.1:1", "--peer", "2=127.0.0.1:2"],
        "flag --peer: `peers = 2=127.0.0.1:2`: this node id is given twice; name each node once",
    );
    for filter in ["inof", "quinn=debug, wran"] {
        let word = filter.rsplit(' ').next().unwrap();
        check(
            "level",
            none,
            &[("SYNOD_LOG_FILTER", filter)],
            &[],
            &format!(
                "environment SYNOD_LOG_FILTER: `log.filter = {filter}`: `{word}` is no level, and \
                 alone it would hide all that is not of a target of this name; write off, error, \
                 warn, info, debug or trace, or {word}=info"
            ),
        );
    }
    check(
        "pair",
        none,
        &[("SYNOD_PEERS", "localhost:7002")],
        &[],
        "environment SYNOD_PEERS: `peers = localhost:7002`: wanted <node id>=<ip>:<port>, such as \
         2=127.0.0.1:7002",
    );
    let twice = "1=127.0.0.1:1,2=127.0.0.1:2,1=127.0.0.1:3";
    check(
        "twice-in-a-variable",
        none,
        &[("SYNOD_PEERS", twice)],
        &[],
        "environment SYNOD_PEERS: `peers = 1=127.0.0.1:3`: this node id is given twice; \
         name each node once",
    );
    check(
        "twice-by-two-flags",
        none,
        &[],
        &["--peer", "2=127.0.0.1:1", "--set", "peers.2=127.0.0.1:2"],
        "flag --set: `peers.2 = 127.0.0.1:2`: flag --peer sets this key, too; give it once",
    );
    check(
        "twice-by-one-flag",
        none,
        &[],
        &["--set", "data=a", "--set", "data=b"],
        "flag --set: `data = b`: flag --set sets this key, too; give it once",
    );
    check(
        "same",
        none,
        &[],
        &["--peer", "2=127.0.0.1:7001"],
        "flag --peer: `peers.2 = 127.0.0.1:7001`: peers.1 has this address too; \
         each node has its own",
    );
    for host in ["0.0.0.0", "[::]", "224.0.0.1", "255.255.255.255"] {
        check(
            "everywhere",
            none,
            &[],
            &["--peer", &format!("2={host}:7002")],
            &format!(
                "flag --peer: `peers.2 = {host}:7002`: this stands for several hosts; name the \
                 address of the one that runs it"
            ),
        );
    }
    check(
        "id",
        none,
        &[("SYNOD_PEERS", "02=127.0.0.1:9")],
        &[],
        "environment SYNOD_PEERS: `peers.02 = 127.0.0.1:9`: a node id is a number from 1 to 65535",
    );
    check(
        "one-port",
        none,
        &[],
        &["--client-listen", "127.0.0.1:7001"],
        "flag --client-listen: `client_listen = 127.0.0.1:7001`: 127.0.0.1:7001 is for peers \
         already; choose another port",
    );
    check(
        "one-port-of-all-addresses",
        none,
        &[],
        &["--client-listen", "0.0.0.0:7001"],
        "flag --client-listen: `client_listen = 0.0.0.0:7001`: 127.0.0.1:7001 is for peers \
         already; choose another port",
    );
    check(
        "short",
        none,
        &[("SYNOD_TIMING_HEARTBEAT_MS", "1"), ("SYNOD_TIMING_SUSPICION_MS", "19")],
        &[],
        "environment SYNOD_TIMING_SUSPICION_MS: `timing.suspicion_ms = 19`: links between nodes \
         cannot keep less than 20 ms; write 20 or more",
    );
    check(
        "long",
        none,
        &[("SYNOD_TIMING_HEARTBEAT_MS", "720001")],
        &[],
        "environment SYNOD_TIMING_HEARTBEAT_MS: `timing.heartbeat_ms = 720001`: 5 of them are \
         more than timing.suspicion_ms may be; write 720000 or less",
    );
    check(
        "log",
        none,
        &[("SYNOD_LOG_FORMAT", "xml")],
        &[],
        "environment SYNOD_LOG_FORMAT: `log.format = xml`: wanted text or json",
    );
    check(
        "set",
        none,
        &[],
        &["--set", "data"],
        "flag --set: `--set = data`: wanted <key>=<value>, such as timing.heartbeat_ms=40",
    );
    check(
        "no-folder",
        none,
        &[],
        &["--set", "data="],
        "flag --set: `data = `: wanted the folder of the node's journal",
    );
    check(
        "uuid",
        none,
        &[("SYNOD_CLUSTER", "0B0E3A52")],
        &[],
        "environment SYNOD_CLUSTER: `cluster = 0B0E3A52`: \
         wanted the UUID that `synod-kv init` wrote, in lower case",
    );
}

#[test]
fn a_file_that_is_no_toml_or_not_there_is_one_line_too() {
    check(
        "toml",
        ("node = 1\n", "node = 1\nnode = 2\n"),
        &[],
        &[],
        "node-1.toml:5: not TOML: duplicate key",
    );
    let gone = ServerConfig::read(&serve_args(Path::new("/nowhere/n.toml"), &[]), |_| None);
    assert_eq!(
        gone.unwrap_err().to_string(),
        "cannot read the configuration /nowhere/n.toml: No such file or directory (os error 2); \
         name the file that `synod-kv init --dir DIR` made, or copy it here"
    );
    let folder = ServerConfig::read(&serve_args(Path::new("/"), &[]), |_| None);
    assert_eq!(
        folder.unwrap_err().to_string(),
        "cannot read the configuration /: it is a directory; name a file in it, such as \
         node-1.toml or client.toml"
    );
}

/// A line of a table is none of another one, and what is advised stands where it is advised.
#[test]
fn a_line_that_is_missing_does_what_it_is_advised_for() {
    let scratch = Scratch::cluster("advised");
    let file = scratch.file("node-1.toml");
    let whole = fs::read_to_string(&file).unwrap();
    let read = || ServerConfig::read(&serve_args(&file, &[]), |_| None);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let is_setting = |line: &&String| line.contains(" = ") && !line.starts_with('#');
    for gone in lines(&whole).iter().filter(is_setting) {
        let mut left = lines(&whole);
        left.retain(|line| line != gone);
        fs::write(&file, left.join("\n")).unwrap();
        let Err(error) = read() else {
            let may_lack = ["peer_listen", "metrics", "2", "3"];
            assert!(may_lack.iter().any(|start| gone.starts_with(start)), "{gone}");
            continue;
        };
        let error = error.to_string();
        let Some((_, advice)) = error.split_once(" is not set; write ") else {
            assert!(gone.starts_with("1 = "), "{gone}: {error}");
            continue;
        };
        let (advice, _) = advice.split_once(" the file, or set SYNOD_").expect(&error);
        let at = match advice.split_once(" under [") {
            None => 0,
            Some((_, table)) => {
                let head = format!("[{}", table.trim_end_matches(" in"));
                left.iter().position(|line| *line == head).expect(&error) + 1
            }
        };
        let line = advice.trim_end_matches(" at the top of").split(" under [").next().unwrap();
        left.insert(at, line.to_owned());
        fs::write(&file, left.join("\n")).unwrap();
        let advised = read().map(drop);
        // An example is one of another cluster, which has nothing to say of the rest.
        assert!(advised.is_ok(), "{error}: {advised:?}");
    }
}

#[test]
fn later_layers_win_and_the_page_says_so() {
    let scratch = Scratch::cluster("layers");
    let file = scratch.file("node-2.toml");
    let environment = |name: &str| match name {
        "SYNOD_CLIENT_LISTEN" => Some("127.0.0.1:1".to_owned()),
        "SYNOD_DATA" => Some("/from/environment".to_owned()),
        "SYNOD_PEERS" => Some("3=127.0.0.1:3003".to_owned()),
        _ => None,
    };
    let args = serve_args(&file, &["--client-listen", "127.0.0.1:2"]);
    let printed = ServerConfig::read(&args, environment).unwrap();
    let config = printed.config;
    assert_eq!(config.node, 2);
    assert_eq!(config.peer_listen.to_string(), "127.0.0.1:7002");
    assert_eq!(config.client_listen.to_string(), "127.0.0.1:2");
    assert_eq!(config.data, Path::new("/from/environment"));
    assert_eq!(config.peers[&1].to_string(), "127.0.0.1:7001");
    assert_eq!(config.peers[&3].to_string(), "127.0.0.1:3003");
    assert_eq!(config.tls.key, scratch.file("node-2.key"));
    let line = |key: &str| {
        let found = printed.page.lines().find(|line| line.starts_with(&format!("{key} = ")));
        found.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("client_listen"), "client_listen = \"127.0.0.1:2\" # flag --client-listen");
    assert_eq!(line("data"), "data = \"/from/environment\" # environment SYNOD_DATA");
    assert_eq!(line("node"), format!("node = \"2\" # {}:4", file.display()));
    assert_eq!(line("log.format"), "log.format = \"text\" # default");
}

#[test]
fn the_client_configuration_of_init_is_complete() {
    let scratch = Scratch::cluster("client");
    let config = scratch.file("client.toml");
    let node = vec!["2=127.0.0.1:9".to_owned()];
    let args = TargetArgs { config, node, timeout_ms: Some(700), set: Vec::new() };
    let config = ClientConfig::read(&args, |_| None).unwrap().config;
    assert_eq!(config.nodes[&1].to_string(), "127.0.0.1:7101");
    assert_eq!(config.nodes[&2].to_string(), "127.0.0.1:9");
    assert_eq!(config.timeout.as_millis(), 700);
}

/// The last address would win, and the client would never ask the first.
#[test]
fn a_node_that_a_client_is_told_of_twice_is_refused() {
    let scratch = Scratch::cluster("client-twice");
    let config = scratch.file("client.toml");
    let args = TargetArgs { config, node: Vec::new(), timeout_ms: None, set: Vec::new() };
    let nodes = |name: &str| {
        (name == "SYNOD_NODES").then(|| "1=127.0.0.1:1, 2=127.0.0.1:2,2=127.0.0.1:3".to_owned())
    };
    let error = ClientConfig::read(&args, nodes).unwrap_err().to_string();
    let want = "environment SYNOD_NODES: `nodes = 2=127.0.0.1:3`: this node id is given twice";
    assert!(error.starts_with(want), "{error}");
}

#[test]
fn init_makes_private_keys_private_and_overwrites_nothing() {
    let scratch = Scratch::cluster("init");
    for key in ["ca/ca.key", "node-1.key", "node-3.key", "client.key"] {
        let mode = fs::metadata(scratch.file(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let before = fs::read(scratch.file("ca/ca.key")).unwrap();
    let again = init(&scratch.init_args(3)).unwrap_err();
    assert!(matches!(again, InitError::Exists(_)), "{again}");
    assert!(again.to_string().contains("is not overwritten"), "{again}");
    assert_eq!(fs::read(scratch.file("ca/ca.key")).unwrap(), before);
}

#[test]
fn two_clusters_have_two_identities() {
    let (one, two) = (Scratch::cluster("one"), Scratch::cluster("two"));
    let cluster = |scratch: &Scratch| {
        let args = serve_args(&scratch.file("node-1.toml"), &[]);
        ServerConfig::read(&args, |_| None).unwrap().config.cluster
    };
    assert_ne!(cluster(&one), cluster(&two));
}

#[test]
fn a_failed_init_leaves_nothing_behind() {
    let scratch = Scratch::new("failed");
    let mut args = scratch.init_args(3);
    args.base_port = 65_500;
    let error = init(&args).unwrap_err();
    assert!(matches!(error, InitError::Ports(65_500)), "{error}");
    assert!(!args.dir.exists());
    args.base_port = 7000;
    args.dir = scratch.0.join("no/such/parent");
    let error = init(&args).unwrap_err();
    assert!(error.to_string().starts_with("cannot make "), "{error}");
}

#[test]
fn init_takes_an_empty_folder_and_leaves_a_full_one_alone() {
    let scratch = Scratch::new("empty");
    let args = scratch.init_args(1);
    fs::create_dir(&args.dir).unwrap();
    init(&args).unwrap();
    assert!(scratch.file("node-1.toml").exists());
    let full = Scratch::new("full");
    let args = full.init_args(1);
    fs::create_dir(&args.dir).unwrap();
    fs::write(full.file("diary.txt"), b"dear").unwrap();
    let error = init(&args).unwrap_err();
    assert!(matches!(error, InitError::Exists(_)), "{error}");
    assert_eq!(fs::read_dir(&args.dir).unwrap().count(), 1);
}

#[test]
fn the_readme_lists_every_key_with_its_default() {
    let readme = include_str!("../README.md");
    for (key, default) in server_keys().chain(client_keys()) {
        let key = key.replace(".*", ".<id>");
        let default = default.map_or_else(|| "required".to_owned(), |text| format!("`{text}`"));
        // Without a value of its own it is the node's entry among the peers.
        let default = if key == "peer_listen" { "`peers.<node>`".to_owned() } else { default };
        let row = format!("| `{key}` | {default} |");
        assert!(readme.contains(&row), "the README lacks a row that begins with {row}");
    }
}

#[test]
fn a_comparison_with_nothing_to_compare_names_both_ways_to_say_it() {
    let cas = |more: &[&str]| {
        Cli::try_parse_from(["synod-kv", "cas", "k", "v", "--config", "c"].iter().chain(more))
    };
    let error = cas(&[]).unwrap_err().to_string();
    assert!(error.contains("--expected <EXPECTED>|--absent"), "{error}");
    assert!(cas(&["--absent", "--expected", "x"]).is_err(), "one of them");
    assert!(cas(&["--absent"]).is_ok() && cas(&["--expected", "x"]).is_ok());
}

/// The nodes of the certificate's cluster would serve it, and the wrong one would be written to.
#[test]
fn a_client_whose_certificate_is_of_another_cluster_than_it_names_is_refused() {
    let scratch = Scratch::cluster("other-cluster");
    let file = scratch.file("client.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (config, timeout_ms) = (file.clone(), None);
    let args = TargetArgs { config, node: Vec::new(), timeout_ms, set: Vec::new() };
    let meant = ClientConfig::read(&args, |_| None).unwrap().config.cluster;
    let other = "00000000-0000-4000-8000-000000000000";
    fs::write(&file, text.replace(&meant, other)).unwrap();
    for command in ["get", "status", "bridge"] {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_synod-kv"));
        program.args([command, "--config"]).arg(&file).args((command == "get").then_some("x"));
        let output = program.stdin(std::process::Stdio::null()).output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{command}: {words}");
        let found = format!("client.pem is that of synod://{meant}/client/");
        assert!(words.contains(&found), "{command}: {words}");
        assert!(words.contains(&format!("says cluster {other}; name the cluster")), "{words}");
    }
}

#[test]
fn help_that_cannot_be_printed_is_no_success() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_synod-kv"));
    assert_eq!(program.arg("--help").stdout(full).status().unwrap().code(), Some(70));
}

/// Made into a text it would be another path: of no file, or of a folder that nobody asked for.
#[test]
fn a_path_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let path = std::ffi::OsStr::from_bytes(b"f\xff");
    for line in [
        "init --dir",
        "init --dir d --node 1 --data",
        "serve --config",
        "serve --config c --data",
        "get k --config",
    ] {
        let words =
            |last| ["synod-kv"].into_iter().chain(line.split(' ')).map(Into::into).chain([last]);
        let refused = Cli::try_parse_from(words(path.to_owned())).unwrap_err();
        assert_eq!(refused.kind(), clap::error::ErrorKind::InvalidUtf8, "{line}");
        assert!(Cli::try_parse_from(words("f \u{fc}".into())).is_ok(), "{line}");
    }
}
