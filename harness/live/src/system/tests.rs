//! What descriptions become: commands with their gaps filled, or a refusal.

use super::*;

fn gaps() -> Placeholders {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Placeholders::default()
        .with("binary", "/bin/synod-kv")
        .with("dir", "/run/config")
        .with("node", "1")
        .with("data", "/run/data")
        .with("peer-listen", "127.0.0.1:17001")
        .with("client-listen", "127.0.0.1:17002")
        .node(NodeId(2), address(4002))
        .node(NodeId(3), address(4003))
}

fn line(launch: &CommandLine) -> String {
    let words: Vec<_> = launch.arguments.iter().map(|word| word.to_string_lossy()).collect();
    format!("{} {}", launch.program.display(), words.join(" "))
}

#[test]
fn the_key_value_server_is_served_as_it_wants() {
    let system = System::synod_kv();
    let serve = gaps().fill(&system.serve).expect("all gaps are filled");
    assert_eq!(
        line(&serve),
        "/bin/synod-kv serve --config /run/config/node-1.toml --data /run/data \
         --peer-listen 127.0.0.1:17001 --client-listen 127.0.0.1:17002 --set metrics=off \
         --peer 2=127.0.0.1:4002 --peer 3=127.0.0.1:4003"
    );
    let create = gaps().fill(&system.create.expect("it needs one"));
    assert_eq!(
        line(&create.expect("all gaps are filled")),
        "/bin/synod-kv init --dir /run/config --node 1 --data /run/data"
    );
    let bridge = gaps().fill(&system.bridge).expect("all gaps are filled");
    assert_eq!(
        line(&bridge),
        "/bin/synod-kv bridge --config /run/config/client.toml \
         --node 2=127.0.0.1:4002 --node 3=127.0.0.1:4003"
    );
}

#[test]
fn a_description_survives_being_written() {
    let text = serde_json::to_string(&System::synod_kv()).expect("plain data");
    let back: System = serde_json::from_str(&text).expect("what was written");
    assert_eq!(back, System::synod_kv());
    assert!(!text.contains("transport"), "older harnesses read what needs no newer one");
}

#[test]
fn a_description_says_what_its_ports_speak_or_means_udp() {
    let read = |transport: &str| {
        let text = format!(r#"{{"name": "x", "serve": ["s"], "bridge": ["b"]{transport}}}"#);
        serde_json::from_str::<System>(&text)
    };
    assert_eq!(read("").expect("a description").transport, Transports::default());
    let tcp = read(r#", "transport": {"peer": "tcp", "client": "tcp"}"#);
    assert_eq!(tcp.expect("a description").transport, Transports::TCP);
    let half = read(r#", "transport": {"client": "tcp"}"#).expect_err("half of it");
    assert!(half.to_string().contains("says nothing of `peer`"), "{half}");
    let wrong = read(r#", "transport": {"peer": "sctp", "client": "tcp"}"#);
    let wrong = wrong.expect_err("no such word").to_string();
    assert!(wrong.contains("no transport `sctp`"), "{wrong}");
}

#[test]
fn braces_that_mean_themselves_are_written_twice() {
    let filled = |word: &str| gaps().fill_word(word).map(|word| word.into_string());
    assert_eq!(filled("{{ print $1 }}"), Ok(Ok("{ print $1 }".to_owned())));
    assert_eq!(filled("{{\"id\":{node}}}"), Ok(Ok("{\"id\":1}".to_owned())));
    assert_eq!(filled("{{{node}}}"), Ok(Ok("{1}".to_owned())));
    assert_eq!(filled("a } b"), Ok(Ok("a } b".to_owned())));
    assert!(filled("{ print $1 }").is_err());
}

#[test]
fn addresses_are_handed_out_where_words_are_repeated() {
    let system = System::synod_kv();
    assert!(system.names_peers() && system.names_nodes());
    let alone = System { serve: vec![Arg::One("s".to_owned())], ..system };
    assert!(!alone.names_peers());
}

#[test]
fn nodes_can_be_upgraded_where_a_newer_build_is_named() {
    let upgrade = |more: &str| {
        let text = format!("name = \"x\"\nserve = [\"s\"]\nbridge = [\"b\"]\n{more}");
        System::parse("x.toml", &text).map(|system| system.abilities().builds)
    };
    assert_eq!(upgrade(""), Ok(false));
    assert_eq!(upgrade("upgraded = [\"s\", \"--new\", \"{data}\"]"), Ok(true));
    let why = upgrade("upgraded = [\"{colour}\"]").expect_err("no such gap").to_string();
    assert!(why.contains("colour"), "{why}");
    let text = "name = \"x\"\naddresses = [\"a:1\"]\nbridge = [\"b\"]\nupgraded = [\"s\"]\n";
    let why = System::parse("x.toml", text).expect_err("nothing to upgrade").to_string();
    assert!(why.contains("there is no `serve`"), "{why}");
}

#[test]
fn bad_words_are_refused_by_name() {
    let fill = |word: &str| gaps().fill(&[Arg::One(word.to_owned())]);
    let error = fill("{colour}").expect_err("there is no such gap");
    assert!(error.to_string().contains("`colour`"), "{error}");
    assert!(error.to_string().contains("peer-listen"), "{error}");
    let error = fill("{dir").expect_err("it is open");
    assert_eq!(error, SystemError::UnfilledPlaceholder { word: "{dir".to_owned() });
    assert_eq!(gaps().fill(&[]), Err(SystemError::Empty));
}

#[test]
fn what_is_told_follows_from_the_ready_client() {
    let told = |lines: &str| {
        let text = format!(
            "name = \"x\"\nserve = [\"s\"]\n\
             transport = {{ peer = \"tcp\", client = \"tcp\" }}\n{lines}"
        );
        System::parse("x.toml", &text).map(|system| {
            let StatusFields { leads, applied, digest, up } = system.told();
            assert!(up && !digest, "it has to be asked, and knows no digest at a slot");
            (leads, applied, system.abilities().leaders)
        })
    };
    let client = "[client.resp]\nread = [\"GET\", \"{key}\"]\nstatus = [\"PING\"]\n";
    let probe = "who_leads = [\"l\"]\n";
    let with = |before: &str, lines: &str| told(&format!("{before}{client}{lines}"));
    assert_eq!(with("", ""), Ok((false, false, false)));
    assert_eq!(with("", "state = [\"DBSIZE\"]"), Ok((false, true, false)));
    assert_eq!(with("", "leads = \"master\""), Ok((true, false, true)));
    assert_eq!(with(probe, ""), Ok((false, false, true)));
    for (before, lines, words) in [
        (probe, "leads = \"master\"", "so does `leads` of `client`; leave one of them out"),
        ("status = [\"leads\"]\n", "", "`leads` and `state` of `client`; leave `status` out"),
    ] {
        let why = with(before, lines).expect_err(words).to_string();
        assert!(why.contains(words), "{why}");
    }
}
