//! Nodes that refuse, end, are silent or speak nonsense, and what a ready client says of it.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

/// What a node does with each question that comes over a connection.
#[derive(Clone, Copy)]
enum Does {
    /// Says this.
    Says(&'static str),
    /// Says one after the other, and then the first again.
    SaysInTurn([&'static str; 2]),
    /// Says this and ends the connection.
    SaysAndEnds(&'static str),
    /// Ends the connection.
    Ends,
    /// Nothing.
    Waits,
}

async fn node(does: Does) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut asked, mut count) = ([0; 4_096], 0);
                while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                    match does {
                        Does::Says(words) => drop(stream.write_all(words.as_bytes()).await),
                        Does::SaysInTurn(words) => {
                            drop(stream.write_all(words[count % 2].as_bytes()).await);
                            count += 1;
                        }
                        Does::SaysAndEnds(words) => {
                            drop(stream.write_all(words.as_bytes()).await);
                            return;
                        }
                        Does::Ends => return,
                        Does::Waits => {}
                    }
                }
            });
        }
    });
    address
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("it is bound")
}

const RESP: &str = "[resp]\nread = [\"GET\", \"{key}\"]\n\
                    write = [\"SET\", \"{key}\", \"{value}\"]\n\
                    status = [\"ROLE\"]\nrefused = [\"READONLY\"]\n";

const HTTP: &str = "[http]\nread = { path = \"/{key}\" }\nstatus = { path = \"/\" }\n\
                    write = { method = \"PUT\", path = \"/{key}\", body = \"{value}\" }\n";

fn clients(description: &str, nodes: &[SocketAddr]) -> Clients {
    let client: ReadyClient = toml::from_str(description).expect(description);
    client.check().expect("it can be asked");
    let nodes = (1..).zip(nodes.iter().map(ToString::to_string)).collect();
    Clients { client, nodes, state: Mutex::default() }
}

async fn asked(clients: &Clients, words: &str) -> (String, String) {
    let line = format!(r#"{{"id":7,"client":0,"timeout_ms":600,{words}}}"#);
    let question: Question = serde_json::from_str(&line).expect("a question");
    let answer = clients.answer(&question).await;
    assert_eq!(answer["id"], 7);
    let said = if answer["type"] == "ok" { &answer["value"] } else { &answer["error"] };
    (answer["type"].as_str().expect("a text").to_owned(), said.to_string())
}

const WRITE: &str = r#""f":"write","key":"k","value":"1""#;

#[tokio::test]
async fn what_was_never_sent_has_failed_and_what_was_is_unknown() {
    for (does, description, kind, words) in [
        (None, RESP, "fail", "node 1 was not reached: "),
        (None, HTTP, "fail", "node 1 was not reached: "),
        (Some(Does::Ends), RESP, "info", "node 1: the connection "),
        (Some(Does::Ends), HTTP, "info", "node 1: the connection "),
        (Some(Does::Waits), RESP, "info", "node 1 gave no answer in time"),
        (Some(Does::Waits), HTTP, "info", "node 1 gave no answer in time"),
        (Some(Does::SaysAndEnds("$5\r\nab")), RESP, "info", "node 1: the connection ended before"),
        (Some(Does::Says("+OK\r\n+OK\r\n")), RESP, "info", "node 1: more came than the answer"),
        (Some(Does::Says("HTTP/1.1 200 OK\r\n\r\n")), RESP, "info", "node 1: the answer begins"),
        (Some(Does::Says("+OK\r\n")), HTTP, "info", "node 1: the answer has no head of HTTP 1"),
        (
            Some(Does::SaysAndEnds("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")),
            HTTP,
            "info",
            "node 1: the connection ended before",
        ),
        (
            Some(Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab")),
            HTTP,
            "info",
            "node 1: more came than the answer",
        ),
        (Some(Does::Says("-ERR late\r\n")), RESP, "info", "ERR late"),
        (Some(Does::Says("-READONLY x\r\n")), RESP, "fail", "READONLY x"),
        (
            Some(Does::Says("HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\nlate")),
            HTTP,
            "info",
            "500 late",
        ),
        (Some(Does::Says("+OK\r\n")), RESP, "ok", "null"),
        (Some(Does::Says("HTTP/1.1 204 X\r\n\r\n")), HTTP, "ok", "null"),
    ] {
        let at = match does {
            Some(does) => node(does).await,
            None => nobody().await,
        };
        let (is, said) = asked(&clients(description, &[at]), WRITE).await;
        assert_eq!(is, kind, "{said}");
        assert!(said.trim_start_matches('"').starts_with(words), "{said}");
    }
}

#[tokio::test]
async fn what_is_not_offered_or_makes_no_sense_is_refused() {
    let clients = clients(RESP, &[node(Does::Says("+OK\r\n")).await]);
    for (question, why) in [
        (r#""f":"append","key":"k","value":"1""#, "the description has no `append`"),
        (r#""f":"cas","key":"k","value":[null,"1"]"#, "the description has no `create`"),
        (r#""f":"take","key":"k""#, "there is no `take`"),
        (r#""f":"status""#, "`status` names no node"),
        (r#""f":"status","node":9"#, "there is no node 9"),
    ] {
        let (kind, said) = asked(&clients, question).await;
        assert_eq!((kind.as_str(), said.trim_matches('"')), ("fail", why));
    }
}

#[tokio::test]
async fn a_client_turns_to_the_next_node_when_one_refuses_and_stays_with_one_that_answers() {
    let nodes = [
        node(Does::Says("-READONLY x\r\n")).await,
        nobody().await,
        node(Does::Says("+OK\r\n")).await,
    ];
    let clients = clients(RESP, &nodes);
    let mut kinds = Vec::new();
    for _ in 0..5 {
        kinds.push(asked(&clients, WRITE).await.0);
    }
    assert_eq!(kinds, ["fail", "fail", "ok", "ok", "ok"]);
    let pinned = format!(r#"{WRITE},"node":1"#);
    assert_eq!(asked(&clients, &pinned).await.0, "fail", "a node that is named is asked");
}

#[tokio::test]
async fn a_connection_that_ended_while_nothing_was_asked_is_made_anew() {
    let clients = clients(RESP, &[node(Does::SaysAndEnds("+OK\r\n")).await]);
    for _ in 0..3 {
        let (kind, said) = asked(&clients, WRITE).await;
        assert_eq!(kind, "ok", "{said}");
        // The end of the connection comes right behind the answer, and is heard of by then.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_node_that_says_so_leads_and_the_later_of_two_is_the_leader() {
    let leads = format!("{RESP}leads = \"master\"\n");
    let master = node(Does::Says("*2\r\n$6\r\nmaster\r\n:1\r\n")).await;
    let clients_of = clients(&leads, &[master, node(Does::Says("$5\r\nslave\r\n")).await, master]);
    let round = |said: &str| {
        let status: Json = serde_json::from_str(said).expect("a status");
        let leads = status["leads"].as_str().map(str::to_owned);
        leads.map(|leads| leads.split('.').next().and_then(|round| round.parse::<u64>().ok()))
    };
    let status = |node| format!(r#""f":"status","node":{node}"#);
    let (kind, first) = asked(&clients_of, &status(1)).await;
    assert_eq!(kind, "ok", "{first}");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(round(&asked(&clients_of, &status(2)).await.1), None);
    let third = asked(&clients_of, &status(3)).await.1;
    assert!(round(&third) > round(&first) && round(&first).is_some(), "{first} {third}");
    assert_eq!(round(&asked(&clients_of, &status(1)).await.1), round(&first));
    // One that has led, and does so again, has begun anew.
    let again = node(Does::SaysInTurn(["+master\r\n", "+slave\r\n"])).await;
    let clients_of = clients(&leads, &[again]);
    let mut rounds = Vec::new();
    for _ in 0..3 {
        rounds.push(round(&asked(&clients_of, &status(1)).await.1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(rounds[1].is_none() && rounds[2] > rounds[0], "{rounds:?}");
    // Without a text for it nobody is known to lead, and nothing else is told either.
    let without = clients(RESP, &[master, master]);
    for node in [1, 2] {
        let said = asked(&without, &status(node)).await.1;
        assert_eq!(said, format!(r#"{{"node":{node}}}"#));
    }
}

#[tokio::test]
async fn equal_states_have_equal_numbers() {
    let with_state = format!("{RESP}state = [\"DIGEST\"]\n");
    let same = node(Does::Says("$1\r\na\r\n")).await;
    let other = node(Does::Says("$1\r\nb\r\n")).await;
    let clients = clients(&with_state, &[same, same, other]);
    let mut applied = Vec::new();
    for number in 1..=3 {
        let (kind, said) = asked(&clients, &format!(r#""f":"status","node":{number}"#)).await;
        assert_eq!(kind, "ok", "{said}");
        let status: Json = serde_json::from_str(&said).expect("a status");
        applied.push(status["applied"].as_u64().expect("a number"));
    }
    assert!(applied[0] == applied[1] && applied[0] != applied[2], "{applied:?}");
}

#[tokio::test]
async fn a_line_of_the_input_has_a_bound() {
    let long = vec![b'x'; LINE_BYTES_MAX as usize + 1];
    let mut input = BufReader::new(long.as_slice());
    assert!(matches!(next_line(&mut input).await, Err(ServeError::LongLine)));
    let mut input = BufReader::new(&b"a\nb"[..]);
    let lines = [next_line(&mut input).await, next_line(&mut input).await];
    let lines = lines.map(|line| line.expect("it is short").expect("it is there"));
    assert_eq!(lines, [b"a\n".to_vec(), b"b".to_vec()]);
    assert!(next_line(&mut input).await.expect("it ended").is_none());
}

#[tokio::test]
async fn a_node_may_be_reached_by_a_name() {
    let at = node(Does::Says("+OK\r\n")).await;
    for (name, wanted) in [(format!("localhost:{}", at.port()), "ok"), ("x:y".to_owned(), "fail")] {
        let mut named = clients(RESP, &[at]);
        named.nodes.insert(1, name);
        let (kind, said) = asked(&named, WRITE).await;
        assert_eq!(kind, wanted, "{said}");
    }
}
