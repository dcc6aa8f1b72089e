//! A workload from outside, with a model from outside: queues, of which the harness knows nothing,
//! are asked, broken and judged like everything else.
//!
//! The system under test is `synod-fake`; what these tests show is that a run takes what a crate
//! brings, and that a bug is found that only the model which was brought can see.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use synod_checker::model::Model;
use synod_checker::{Budget, check_calls};
use synod_fault::nemesis::Nemesis;
use synod_fault::{Millis, NodeId, Scenario, Transports};
use synod_history::{Call, Calls, HistoryError, Request, Value};
use synod_live::console::{Console, Format};
use synod_live::guard::{Guard, Limits};
use synod_live::interrupt::Interrupt;
use synod_live::run::{Finished, RunConfig, RunError, run};
use synod_live::setup::SystemUnderTest;
use synod_live::system::System;
use synod_report::Verdict;
use synod_rng::{Random, Seed, Stream};
use synod_workload::{Findings, Generation, KeyUse, RequestSource, Touch, Workload};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");

/// Items are put into queues, and taken in the order in which they came.
#[derive(Debug)]
struct Queues;

/// What a queue knows: a call, with what it was answered where that is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum QueueCall {
    Put(String),
    /// Took this item, or found none.
    Took(Option<String>),
    /// Took whatever came first, if it took effect at all.
    TookUnknown,
}

impl Model for Queues {
    type State = VecDeque<String>;
    type Operation = QueueCall;

    fn initial(&self) -> VecDeque<String> {
        VecDeque::new()
    }

    fn step(&self, state: &VecDeque<String>, call: &QueueCall) -> Option<VecDeque<String>> {
        let mut after = state.clone();
        match call {
            QueueCall::Put(item) => after.push_back(item.clone()),
            QueueCall::TookUnknown => drop(after.pop_front()),
            QueueCall::Took(item) if after.pop_front() == *item => {}
            QueueCall::Took(_) => return None,
        }
        Some(after)
    }

    fn only_observes(&self, call: &QueueCall) -> bool {
        *call == QueueCall::Took(None)
    }

    fn weight(&self, state: &VecDeque<String>) -> usize {
        state.iter().map(|item| size_of::<String>() + item.capacity()).sum()
    }
}

impl QueueCall {
    fn read(call: &Call) -> Option<Self> {
        let item = |value: &Value| match value {
            Value::Text(item) => Some(item.clone()),
            Value::Null | Value::Flag(_) | Value::Pair(..) => None,
        };
        Some(match (call.f.as_str(), call.answer()) {
            ("put", _) => Self::Put(item(&call.argument)?),
            (_, Some(taken)) => Self::Took(item(taken)),
            (_, None) => Self::TookUnknown,
        })
    }
}

impl Workload for Queues {
    fn name(&self) -> &str {
        "queues"
    }

    fn requests(&self, seed: Seed, client: u32, _keys: u32) -> Box<dyn RequestSource> {
        let random = Random::new(seed, Stream::named("queues").part(u64::from(client)));
        Box::new(QueueClient { random, client, put: 0 })
    }

    /// Takes what is left in each queue: what was put and is gone shows.
    fn final_requests(&self, history: &Path) -> Result<Vec<Request>, HistoryError> {
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        for call in Calls::read_file(history)?.calls {
            *left.entry(call.key).or_default() += usize::from(call.f == "put");
        }
        let takes = |(key, puts): (String, usize)| vec![take(key); puts.min(LAST_TAKES_MAX)];
        Ok(left.into_iter().flat_map(takes).collect())
    }

    fn judge(&self, history: &Path, budget: Budget) -> Result<Findings, HistoryError> {
        let calls = Calls::read_file(history)?;
        let took = |call: &Call| call.f == "take" && matches!(call.answer(), Some(Value::Text(_)));
        let unseen = !calls.calls.iter().any(took);
        Ok(Findings {
            report: check_calls(&calls, self, QueueCall::read, budget),
            witness: None,
            missing: Vec::new(),
            unseen: unseen.then(|| "no item was taken".to_owned()),
            uses: KeyUse::of_calls(&calls, |call| Touch { sees: took(call), changes: true }),
        })
    }
}

/// The requests of one client.
#[derive(Debug)]
struct QueueClient {
    random: Random,
    client: u32,
    put: u32,
}

impl RequestSource for QueueClient {
    fn next_request(&mut self, generation: Generation) -> Request {
        let key = format!("q{}.{}", self.random.below(QUEUES), generation.0);
        // Queues stay short, so that few orders have to be tried.
        if self.random.chance(550_000) {
            return take(key);
        }
        self.put += 1;
        let argument = Value::Text(format!("{}.{}", self.client, self.put));
        Request::Own { f: "put".to_owned(), key, argument }
    }

    fn observe(&mut self, _: &Request, _: &Value) {}
}

fn take(key: String) -> Request {
    Request::Own { f: "take".to_owned(), key, argument: Value::Null }
}

/// How many queues are in use at a time.
const QUEUES: u64 = 4;

/// How many calls take what is left of a queue at most.
const LAST_TAKES_MAX: usize = 3;

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-own-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The stand-in, of which this asks what an own workload shows. A machine that stands still for
/// seconds leaves clients unanswered, which is no matter of the workload.
fn system(bug: &str) -> System {
    let text = r#"{"name": "fake",
        "evidence": {"served_percent": 0, "quiet_client_ms": 60000},
        "serve": ["{binary}", "serve", "--id", "{node}", "--bug", "none",
            "--peer-listen", "{peer-listen}", "--client-listen", "{client-listen}",
            {"per_peer": ["--other", "{peer}={address}"]}],
        "bridge": ["{binary}", "bridge", "--bug", "BUG",
            {"per_node": ["--other", "{peer}={address}"]}]}"#;
    serde_json::from_str(&text.replace("BUG", bug)).unwrap()
}

/// Runs queues against the stand-in with this bug, of which a leader is killed.
fn play(scratch: &Scratch, bug: &str, workload: &str) -> Result<Finished, RunError> {
    let (interrupt, mut console) = (Interrupt::never(), Console::new(Format::Json));
    let order = order(scratch, bug, workload);
    runtime().block_on(run(&order, &interrupt, &mut console))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn order(scratch: &Scratch, bug: &str, workload: &str) -> RunConfig {
    let (nodes, time): (Vec<NodeId>, _) = ((1..=3).map(NodeId).collect(), Millis(6_000));
    let nemesis: Nemesis = "kill-leader".parse().unwrap();
    RunConfig {
        plan: Scenario {
            system: "fake".to_owned(),
            workload: workload.to_owned(),
            nemesis: nemesis.name().to_owned(),
            faults: nemesis.plan(Seed(7), &nodes, time, Transports::default()),
            ..Scenario::calm(Seed(7), 3, time)
        },
        workload: Arc::new(Queues),
        under_test: SystemUnderTest {
            system: system(bug),
            binary: FAKE.into(),
            here: PathBuf::new(),
            guard: Guard::at(HARNESS),
            limits: Limits::default(),
            bridges: 1,
            attached: false,
        },
        runs: scratch.0.clone(),
        keep: 1,
        reproduce: "cargo test -p synod-harness --test own_workload".to_owned(),
    }
}

#[test]
fn a_sound_queue_passes_and_the_run_rests_on_what_was_taken() {
    let scratch = Scratch::new("sound");
    let Finished { summary, folder } = play(&scratch, "none", "queues").unwrap();
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reasons);
    let exercise = summary.exercise.unwrap();
    assert!(exercise.all.reads > 100 && exercise.all.overlapped > 0, "{:?}", exercise.all);
    assert!(summary.checker.unwrap().algorithm.ends_with("by a model from outside"));
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("take") && page.contains("queues"), "the page has what was asked");
}

#[test]
fn an_item_that_is_taken_twice_is_a_violation_by_the_model_that_was_brought() {
    let scratch = Scratch::new("twice");
    let Finished { summary, .. } = play(&scratch, "taken-twice", "queues").unwrap();
    assert_eq!(summary.verdict, Verdict::Violation, "{:?}", summary.reasons);
    let core = summary.violation.unwrap();
    assert!(core.sentence.contains("'s take of q"), "{}", core.sentence);
    assert!(core.key.starts_with('q') && core.operations.len() > 1, "{core:?}");
}

#[test]
fn a_plan_that_names_another_workload_is_refused_before_anything_starts() {
    let scratch = Scratch::new("other");
    let refused = play(&scratch, "none", "mix").unwrap_err().to_string();
    assert_eq!(refused, "the plan asks for the workload `mix`, and `queues` was brought");
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0, "no run was begun");
}
