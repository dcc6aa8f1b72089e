//! A stand-in for a system under test, by which the harness itself is tested.
//!
//! Its nodes are real processes that exchange heartbeats over UDP and agree, more or less, on who
//! leads; its values live in the bridge, which serves them only while some node is seen to lead.
//! So kills, pauses and cuts have the effects that the harness measures, and the histories are
//! linearizable because there is one copy of everything. `--bug` breaks a promise on purpose, and
//! some of the bugs are sabotages: servers that signals do not reach, or that come back unseen. It
//! shows how small a system can be that the harness can drive; it replicates nothing. `store` is a
//! server that keeps its values itself, and so outlives those who ask it.
#![allow(clippy::print_stdout, reason = "the bridge protocol is spoken on standard output")]

mod sabotage;
mod store;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::BufRead;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use synod_rng::mix;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let command = words.next().ok_or("say `serve` or `bridge`")?;
    let options = Options::read(words)?;
    match command.as_str() {
        "serve" => match options.bug.as_str() {
            "detached" | "hidden" | "supervised" | "revived" | "daemon" => {
                sabotage::supervise(&options)
            }
            _ => serve(&options),
        },
        "detached" => sabotage::detach(&options),
        "orphans" => sabotage::orphan(&options),
        "reviver" => sabotage::revive(&options),
        "server" => serve(&options),
        "bridge" => bridge(&options),
        "who-leads" => who_leads(&options),
        "store" => store::serve(options.client_listen, &options.bug),
        "ask-store" => store::bridge(&options.others),
        other => Err(format!("there is no command `{other}`").into()),
    }
}

/// The flags of both commands.
#[derive(Default)]
struct Options {
    node: u16,
    peer_listen: Option<SocketAddr>,
    client_listen: Option<SocketAddr>,
    others: BTreeMap<u16, SocketAddr>,
    bug: String,
    /// The words that came, to be handed on.
    words: Vec<String>,
    /// Of a server that another process started: whose end it does not outlive, what group it is
    /// to be in, and how many there were before it, and this one.
    harness: u32,
    group: i32,
    life: u32,
}

impl Options {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let words: Vec<String> = words.collect();
        let mut options = Self { words: words.clone(), ..Self::default() };
        let mut words = words.into_iter();
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--id" => options.node = value.parse()?,
                "--peer-listen" => options.peer_listen = Some(value.parse()?),
                "--client-listen" => options.client_listen = Some(value.parse()?),
                "--other" => {
                    let (node, address) = value.split_once('=').ok_or("--other needs N=ADDRESS")?;
                    options.others.insert(node.parse()?, address.parse()?);
                }
                "--bug" => options.bug = value,
                "--harness" => options.harness = value.parse()?,
                "--group" => options.group = value.parse()?,
                "--life" => options.life = value.parse()?,
                other => return Err(format!("there is no flag `{other}`").into()),
            }
        }
        Ok(options)
    }
}

/// What a node knows of the election: the highest ballot, and when its leader was heard.
struct Election {
    node: u16,
    nodes: usize,
    ballot: (u64, u16),
    leader_heard: Instant,
    heard: BTreeMap<u16, Instant>,
}

impl Election {
    /// Takes a heartbeat: who sent it, and the highest ballot that it knows.
    fn on_heartbeat(&mut self, from: u16, ballot: (u64, u16)) {
        self.heard.insert(from, Instant::now());
        if ballot >= self.ballot {
            self.ballot = ballot;
            if from == ballot.1 {
                self.leader_heard = Instant::now();
            }
        }
    }

    fn has_majority(&self) -> bool {
        let fresh = self.heard.values().filter(|at| at.elapsed() < SUSPECT).count();
        (fresh + 1) * 2 > self.nodes
    }

    fn leads(&self) -> bool {
        self.ballot.1 == self.node && self.has_majority()
    }

    /// Takes over if the leader is gone; later nodes wait longer, so that they rarely collide.
    fn on_tick(&mut self) {
        let patience = SUSPECT + Duration::from_millis(60) * u32::from(self.node);
        let gone = self.ballot.1 != self.node && self.leader_heard.elapsed() > patience;
        if gone && self.has_majority() {
            // The time keeps ballots rising when all nodes start again and have forgotten them.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.ballot = ((self.ballot.0 + 1).max(now.as_millis() as u64), self.node);
        }
    }
}

fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let election = Arc::new(Mutex::new(Election {
        node: options.node,
        nodes: options.others.len() + 1,
        ballot: (0, 0),
        leader_heard: Instant::now(),
        heard: BTreeMap::new(),
    }));
    let peers = UdpSocket::bind(options.peer_listen.ok_or("--peer-listen is missing")?)?;
    let clients = UdpSocket::bind(options.client_listen.ok_or("--client-listen is missing")?)?;
    let shared = Arc::clone(&election);
    let mut detours = sabotage::Detours::default();
    std::thread::spawn(move || {
        each_datagram(&peers, |text, _| {
            let mut numbers = text.split(' ').filter_map(|word| word.parse::<u64>().ok());
            let heartbeat = (numbers.next(), numbers.next(), numbers.next());
            if let (Some(from), Some(round), Some(leader)) = heartbeat {
                lock(&shared).on_heartbeat(from as u16, (round, leader as u16));
                detours.take(from, numbers.next());
            }
        });
    });
    let shared = Arc::clone(&election);
    std::thread::spawn(move || {
        each_datagram(&clients, |_, from| {
            let status = status(&lock(&shared));
            drop(clients.send_to(&sealed(&status.to_string()), from));
        });
    });
    println!("ready");
    beat(options, &election)
}

/// Says which node leads, as the nodes tell it themselves; an empty line where none does.
fn who_leads(options: &Options) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(SUSPECT))?;
    for address in options.others.values() {
        socket.send_to(&sealed("status"), *address)?;
    }
    let mut claims = BTreeMap::new();
    let mut buffer = [0; 2_048];
    for _ in &options.others {
        let Ok((size, _)) = socket.recv_from(&mut buffer) else { break };
        let text = String::from_utf8_lossy(&buffer[..size]);
        let status = text.split_once(' ').map(|(_, status)| serde_json::from_str::<Value>(status));
        let Some(Ok(status)) = status else { continue };
        let round = status["leads"].as_str().and_then(|ballot| ballot.split_once('.'));
        if let Some(round) = round.and_then(|(round, _)| round.parse::<u64>().ok()) {
            claims.insert(round, status["node"].clone());
        }
    }
    let leader = claims.into_values().next_back();
    println!("{}", leader.map_or_else(String::new, |node| node.to_string()));
    Ok(())
}

/// Sends heartbeats for ever.
fn beat(options: &Options, election: &Mutex<Election>) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let start = Instant::now();
    let detour = if options.bug == "detour" { sabotage::detour()? } else { String::new() };
    for beat in 0_u64.. {
        if beat.is_multiple_of(BEATS_PER_LINE) {
            println!("node {} beats for the {beat}th time", options.node);
        }
        let (round, leader) = {
            let mut election = lock(election);
            election.on_tick();
            election.ballot
        };
        let heartbeat = format!("{} {round} {leader}{detour}", options.node);
        for address in options.others.values() {
            drop(socket.send_to(&sealed(&heartbeat), address));
        }
        // An end that nobody hears of: no word, no code, and somebody starts it again.
        if options.life == 1 && options.node == 1 && start.elapsed() > Duration::from_secs(2) {
            std::process::exit(0);
        }
        if options.bug == "panic" && options.node == 1 && start.elapsed() > Duration::from_secs(2) {
            return Err(Box::from(seeded_panic()));
        }
        std::thread::sleep(BEAT);
    }
    Ok(())
}

fn seeded_panic() -> String {
    panic!("this bug was asked for");
}

fn status(election: &Election) -> Value {
    let (round, leader) = election.ballot;
    let ballot = format!("{round}.{leader}");
    json!({
        "node": election.node,
        "incarnation": 1,
        "leads": election.leads().then(|| ballot.clone()),
        "follows": ballot,
        "chosen": 0,
        "applied": 0,
        "digest": "0000000000000000",
        "promised": ballot,
    })
}

/// What the bridge knows of the nodes, and the values.
#[derive(Default)]
struct Store {
    statuses: BTreeMap<u16, (Instant, Value)>,
    values: BTreeMap<String, String>,
    before: BTreeMap<String, Option<String>>,
    reads: u64,
    queues: BTreeMap<String, VecDeque<String>>,
    takes: u64,
}

impl Store {
    /// Tells whether a node has not answered for a moment.
    fn misses_one(&self) -> bool {
        self.statuses.values().any(|(at, _)| at.elapsed() > 4 * BEAT)
    }

    fn has_leader(&self) -> bool {
        let mut fresh = self.statuses.values().filter(|(at, _)| at.elapsed() < SUSPECT);
        fresh.any(|(_, status)| !status["leads"].is_null())
    }

    fn apply(&mut self, request: &Value, bug: &str) -> Result<Value, &'static str> {
        let key = request["key"].as_str().ok_or("no key")?.to_owned();
        let held = self.values.get(&key).cloned();
        let argument = request["value"].as_str();
        let (next, answer) = match (request["f"].as_str(), argument) {
            (Some("read"), _) => {
                self.reads += 1;
                let stale = bug == "stale-read" && self.reads.is_multiple_of(50);
                let seen = if stale { self.before.get(&key).cloned().flatten() } else { held };
                return Ok(json!(seen));
            }
            (Some("write"), Some(value)) => (Some(value.to_owned()), Value::Null),
            (Some("delete"), _) => (None, Value::Null),
            (Some("append"), Some(value)) => {
                (Some(held.clone().unwrap_or_default() + value), Value::Null)
            }
            (Some("add"), Some(delta)) => {
                let held: i64 = held.as_deref().unwrap_or("0").parse().map_err(|_| "no number")?;
                let sum = (held + delta.parse::<i64>().map_err(|_| "no number")?).to_string();
                (Some(sum.clone()), json!(sum))
            }
            (Some("cas"), _) if json!(held) == request["value"][0] => {
                (request["value"][1].as_str().map(str::to_owned), json!(true))
            }
            (Some("cas"), _) => return Ok(json!(false)),
            (Some("put"), Some(item)) => {
                self.queues.entry(key).or_default().push_back(item.to_owned());
                return Ok(Value::Null);
            }
            (Some("take"), _) => return Ok(json!(self.take(key, bug))),
            _ => return Err("no such operation"),
        };
        self.before.insert(key.clone(), held);
        match next {
            Some(next) => self.values.insert(key, next),
            None => self.values.remove(&key),
        };
        Ok(answer)
    }

    /// Takes the first item of a queue.
    fn take(&mut self, key: String, bug: &str) -> Option<String> {
        self.takes += 1;
        let queue = self.queues.entry(key).or_default();
        if bug == "taken-twice" && self.takes.is_multiple_of(50) {
            return queue.front().cloned();
        }
        queue.pop_front()
    }
}

/// Answers requests from standard input until it ends; each logical client has its own thread.
fn bridge(options: &Options) -> Result<(), Box<dyn Error>> {
    let store = Arc::new(Mutex::new(Store::default()));
    for (node, address) in &options.others {
        watch(*node, *address, &store)?;
    }
    let mut clients: BTreeMap<u64, Sender<Value>> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let client = request["client"].as_u64().ok_or("a request without client")?;
        let client = clients.entry(client).or_insert_with(|| {
            let (sender, requests) = channel();
            let (store, bug) = (Arc::clone(&store), options.bug.clone());
            std::thread::spawn(move || {
                for request in requests {
                    let answer = answer(&request, &store, &bug);
                    spoiled(&request, answer, &bug).iter().for_each(|line| println!("{line}"));
                }
            });
            sender
        });
        client.send(request)?;
    }
    Ok(())
}

/// Returns what is really answered: where it was asked for, not what is right.
fn spoiled(request: &Value, answer: Value, bug: &str) -> Vec<Value> {
    let (f, is_ok) = (request["f"].as_str().unwrap_or_default(), answer["type"] == "ok");
    let with = |name: &str, value: Value| {
        let mut answer = answer.clone();
        answer[name] = value;
        answer
    };
    match (bug, f) {
        ("unasked", "write") => vec![with("id", json!(1_000_000_000))],
        ("twice", "write") if is_ok => vec![answer.clone(), with("type", json!("fail"))],
        ("object", "read") if is_ok => vec![with("value", json!({"a": 1}))],
        ("null-swap", "cas") if is_ok => vec![with("value", Value::Null)],
        ("false-write", "write") if is_ok => vec![with("value", json!(false))],
        ("other-node", "status") if is_ok => {
            let mut status = answer["value"].clone();
            status["node"] = json!(77);
            vec![with("value", status)]
        }
        ("mute", _) if answer["id"].as_u64() > Some(500) => Vec::new(),
        ("ends", "read") => std::process::exit(3),
        _ => vec![answer],
    }
}

/// Asks a node for its status all the time.
fn watch(node: u16, address: SocketAddr, store: &Arc<Mutex<Store>>) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let (asking, store) = (socket.try_clone()?, Arc::clone(store));
    std::thread::spawn(move || {
        loop {
            drop(asking.send_to(&sealed("status"), address));
            std::thread::sleep(BEAT);
        }
    });
    std::thread::spawn(move || {
        each_datagram(&socket, |text, _| {
            if let Ok(status) = serde_json::from_str(text) {
                lock(&store).statuses.insert(node, (Instant::now(), status));
            }
        });
    });
    Ok(())
}

fn answer(request: &Value, store: &Mutex<Store>, bug: &str) -> Value {
    let id = &request["id"];
    if request["f"] == "status" && bug == "tells-nothing" {
        return json!({"id": id, "type": "fail", "error": "there is no status"});
    }
    if request["f"] == "status" {
        let node = request["node"].as_u64().unwrap_or_default() as u16;
        return match lock(store).statuses.get(&node) {
            Some((at, status)) if at.elapsed() < SUSPECT => {
                json!({"id": id, "type": "ok", "value": status})
            }
            _ => json!({"id": id, "type": "fail", "error": "the node does not answer"}),
        };
    }
    if bug == "refuses-in-faults" && lock(store).misses_one() {
        return json!({"id": id, "type": "fail", "error": "not while a node is missing"});
    }
    if bug == "rarely-reads" && request["f"] == "read" && !rarely(store) {
        return json!({"id": id, "type": "fail", "error": "no read at the moment"});
    }
    if !lock(store).has_leader() {
        return json!({"id": id, "type": "fail", "error": "no node leads"});
    }
    let result = lock(store).apply(request, bug);
    std::thread::sleep(LATENCY);
    match result {
        Err(error) => json!({"id": id, "type": "fail", "error": error}),
        Ok(_) if !lock(store).has_leader() => {
            json!({"id": id, "type": "info", "error": "the leader is gone"})
        }
        Ok(value) => json!({"id": id, "type": "ok", "value": value}),
    }
}

/// Says yes to one read of a hundred.
fn rarely(store: &Mutex<Store>) -> bool {
    let mut store = lock(store);
    store.reads += 1;
    store.reads.is_multiple_of(100)
}

/// Takes what comes as it was sent; what was damaged on its way is dropped, as in any system that
/// means what it says.
fn each_datagram(socket: &UdpSocket, mut handle: impl FnMut(&str, SocketAddr)) {
    let mut buffer = [0; 2_048];
    while let Ok((size, from)) = socket.recv_from(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..size]);
        if let Some((sum, text)) = text.split_once(' ')
            && sum == checksum(text)
        {
            handle(text, from);
        }
    }
}

fn sealed(text: &str) -> Vec<u8> {
    format!("{} {text}", checksum(text)).into_bytes()
}

fn checksum(text: &str) -> String {
    let sum = text.bytes().fold(0, |sum, byte| mix(sum ^ u64::from(byte)).wrapping_add(1));
    format!("{sum:016x}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a heartbeat goes to each other node.
const BEAT: Duration = Duration::from_millis(20);

/// After how many heartbeats a node logs a line.
const BEATS_PER_LINE: u64 = 10;

/// How long a node may be silent before it counts as gone.
const SUSPECT: Duration = Duration::from_millis(250);

/// How long an operation takes.
const LATENCY: Duration = Duration::from_micros(500);
