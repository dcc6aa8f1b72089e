//! The workloads against a map in memory: correct runs pass, and a lost write is found and named.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use synod_checker::{Budget, Judgement, Report, check_history};
use synod_history::{Event, EventKind, History, HistoryBuilder, Process, Request, Value};
use synod_rng::{Random, Seed, Stream};
use synod_workload::{Generation, Generator};
use synod_workload::{WorkloadName, missing_writes};

#[test]
fn a_correct_map_passes_every_workload() {
    for workload in WorkloadName::ALL {
        for seed in 0..4 {
            let history = Run::new(workload, seed).play(4000, None);
            let report = check(workload, &history);
            assert!(matches!(report.judgement, Judgement::Legal { .. }), "{workload} {seed}");
            assert_eq!(missing_writes(&history), Vec::<String>::new(), "{workload} {seed}");
            assert!(history.counts.ok > 3000 && history.counts.info > 10, "{:?}", history.counts);
        }
    }
}

#[test]
fn a_map_that_loses_writes_fails_every_workload() {
    for workload in WorkloadName::ALL {
        let mut found = 0;
        for seed in 0..10 {
            let history = Run::new(workload, seed).play(1500, Some(700));
            let report = check(workload, &history);
            let Some(core) = report.violation() else { continue };
            found += 1;
            assert!(core.operations.len() <= CORE_MAX, "{workload} {seed}: {core:#?}");
            assert!(!core.sentence.is_empty());
        }
        // A write that is replaced before anyone reads it is not seen to be lost.
        assert!(found >= 9, "{workload}: {found} of 10");
    }
}

#[test]
fn a_lost_append_is_named_after_the_run() {
    let history = Run::new(WorkloadName::Append, 1).play(1500, Some(700));
    let findings = missing_writes(&history);
    assert!(findings.iter().any(|finding| finding.contains("lost")), "{findings:?}");
}

fn check(workload: WorkloadName, history: &History) -> Report {
    check_history(history, workload.model(), Budget::default())
}

/// Eight clients on a map in memory, in an order that the seed decides.
struct Run {
    random: Random,
    clients: Vec<Client>,
    map: BTreeMap<String, String>,
    builder: HistoryBuilder,
    events: u64,
    calls: u64,
}

struct Client {
    generator: Generator,
    /// The open request, and its result once it took effect.
    open: Option<(Request, Option<Value>)>,
}

impl Run {
    fn new(workload: WorkloadName, seed: u64) -> Self {
        let client =
            |number| Client { generator: Generator::new(workload, Seed(seed), number), open: None };
        Self {
            random: Random::new(Seed(seed), Stream::named("run")),
            clients: (0..8).map(client).collect(),
            map: BTreeMap::new(),
            builder: HistoryBuilder::new("run"),
            events: 0,
            calls: 0,
        }
    }

    /// Plays so many calls; after call `lose` one write in twenty is acknowledged and lost.
    fn play(mut self, calls: u64, lose: Option<u64>) -> History {
        while self.calls < calls || self.clients.iter().any(|client| client.open.is_some()) {
            let number = self.random.below(8);
            let client = usize::try_from(number).unwrap();
            match self.clients[client].open.take() {
                None if self.calls < calls => self.call(client),
                None => {}
                Some((request, None)) => {
                    let due = lose.is_some_and(|lose| self.calls > lose);
                    let lost = due && self.random.chance(50_000);
                    let before = self.map.get(request.key()).cloned();
                    let result = self.apply(&request);
                    if lost {
                        self.restore(request.key(), before);
                    }
                    self.clients[client].open = Some((request, Some(result)));
                }
                Some((request, Some(result))) => self.finish(client, &request, result),
            }
        }
        self.read_all()
    }

    fn call(&mut self, client: usize) {
        let request =
            self.clients[client].generator.next_request(Generation::after(self.calls * 5));
        self.calls += 1;
        let argument = request.argument();
        self.push(client, EventKind::Invoke, &request, argument);
        self.clients[client].open = Some((request, None));
    }

    fn finish(&mut self, client: usize, request: &Request, result: Value) {
        if self.random.chance(10_000) {
            self.push(client, EventKind::Info, request, Value::Null);
        } else {
            self.clients[client].generator.observe(request, &result);
            self.push(client, EventKind::Ok, request, result);
        }
    }

    /// Reads every key once, as a run does after healing.
    fn read_all(mut self) -> History {
        let builder = std::mem::replace(&mut self.builder, HistoryBuilder::new("run"));
        let history = builder.finish();
        let reads = WorkloadName::Mix.final_reads(&history);
        let mut history = history;
        for read in reads {
            let seen = self.map.get(read.key()).cloned();
            append_read(&mut history, &read, seen.as_deref(), self.events);
            self.events += 2;
        }
        history
    }

    fn apply(&mut self, request: &Request) -> Value {
        let key = request.key().to_owned();
        let held = self.map.get(&key).cloned();
        match request {
            Request::Read { .. } => return held.map_or(Value::Null, Value::Text),
            Request::Write { value, .. } => drop(self.map.insert(key, value.clone())),
            Request::Delete { .. } => drop(self.map.remove(&key)),
            Request::Append { value, .. } => {
                self.map.insert(key, held.unwrap_or_default() + value);
            }
            Request::Cas { from, to, .. } => {
                let swapped = *from == held;
                if swapped {
                    self.map.insert(key, to.clone());
                }
                return Value::Flag(swapped);
            }
            Request::Add { delta, .. } => {
                let sum = held.map_or(0, |held| held.parse::<i64>().unwrap()) + delta;
                self.map.insert(key, sum.to_string());
                return Value::Text(sum.to_string());
            }
            Request::Own { f, .. } => panic!("no workload here asks for `{f}`"),
        }
        Value::Null
    }

    fn restore(&mut self, key: &str, value: Option<String>) {
        match value {
            Some(value) => self.map.insert(key.to_owned(), value),
            None => self.map.remove(key),
        };
    }

    fn push(&mut self, client: usize, kind: EventKind, request: &Request, value: Value) {
        let event = Event {
            index: self.events,
            time_ns: self.events * 1000,
            process: Process::Client(u32::try_from(client).unwrap()),
            kind,
            f: request.f().to_owned(),
            key: Some(request.key().to_owned()),
            value,
            error: None,
            node: None,
        };
        self.events += 1;
        self.builder.push(&event).unwrap();
    }
}

/// Adds a completed read at the end of a history.
fn append_read(history: &mut History, read: &Request, seen: Option<&str>, position: u64) {
    let position = u32::try_from(position).unwrap();
    let key = history.texts.intern(read.key());
    let seen = seen.map(|seen| history.texts.intern(seen));
    history.operations.push(synod_history::Operation {
        process: 0,
        key,
        action: synod_history::Action::Read,
        answer: synod_history::Answer::Seen(seen),
        called: position,
        returned: Some(position + 1),
        call_ns: u64::from(position) * 1000,
        return_ns: u64::from(position) * 1000 + 500,
    });
}

/// How many operations a core may have.
const CORE_MAX: usize = 12;
