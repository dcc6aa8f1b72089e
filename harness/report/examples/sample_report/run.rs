//! A plausible run folder, made up deterministically.
//!
//! An example and a test input: nothing here ran, and the page made from it says so in its system's
//! name. It simulates clients one operation at a time against one leader that moves, so that faults
//! show in the operations as they do in a real run.

#[path = "messages.rs"]
mod messages;
#[path = "nodes.rs"]
mod nodes;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde_json::json;
use synod_checker::{CheckerSummary, CoreOperation, ViolationCore};
use synod_history::OperationCounts;
use synod_report::{
    AfterHeal, Check, CheckOutcome, Exercise, Exercised, FaultSpan, LeaderSpan, LinkCounts,
    PlanSummary, RunSummary, Verdict,
};

/// What kind of run to make up.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The verdict of the run.
    pub verdict: Verdict,
    /// Operations.
    pub operations: u64,
    /// Logical clients.
    pub clients: u32,
    /// Keys.
    pub keys: u64,
    /// How long the run is, in milliseconds.
    pub length_ms: u64,
    /// Whether there are faults.
    pub faults: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            verdict: Verdict::Violation,
            operations: 12_000,
            clients: 8,
            keys: 5,
            length_ms: 31_200,
            faults: true,
        }
    }
}

/// Writes `report.json` and `history.jsonl` into `dir`.
///
/// # Errors
///
/// Returns the first error of the file system.
pub fn write(dir: &Path, shape: &Shape) -> io::Result<RunSummary> {
    fs::create_dir_all(dir)?;
    let faults = if shape.faults { faults(shape) } else { Vec::new() };
    let mut history = BufWriter::new(File::create(dir.join("history.jsonl"))?);
    let counts = Clients::new(shape, &faults).write(&mut history)?;
    history.flush()?;
    let summary = summary(shape, faults, counts);
    let bytes = serde_json::to_vec_pretty(&summary)?;
    fs::write(dir.join("report.json"), bytes)?;
    Ok(summary)
}

/// The clients, each with at most one operation open.
struct Clients<'a> {
    shape: &'a Shape,
    faults: &'a [FaultSpan],
    dice: Dice,
    /// When each client may call next.
    ready_ns: Vec<u64>,
    /// Events that lie ahead, in order of their time.
    ahead: std::collections::BTreeMap<(u64, u64), serde_json::Value>,
    values: Vec<u64>,
    written: u64,
    index: u64,
}

impl<'a> Clients<'a> {
    fn new(shape: &'a Shape, faults: &'a [FaultSpan]) -> Self {
        Self {
            shape,
            faults,
            dice: Dice(0x5eed),
            ready_ns: (0..u64::from(shape.clients)).map(|c| c * 700_000).collect(),
            ahead: std::collections::BTreeMap::new(),
            values: vec![0; shape.keys.max(1) as usize],
            written: 0,
            index: 0,
        }
    }

    fn write(mut self, out: &mut impl io::Write) -> io::Result<OperationCounts> {
        let mut counts = OperationCounts::default();
        let length_ns = self.shape.length_ms * 1_000_000;
        let pause = length_ns * u64::from(self.shape.clients) / self.shape.operations.max(1);
        for number in 0..self.shape.operations {
            let client =
                (0..self.ready_ns.len()).min_by_key(|client| self.ready_ns[*client]).unwrap_or(0);
            let call_ns = self.ready_ns[client];
            if call_ns >= length_ns {
                break;
            }
            self.flush(out, call_ns)?;
            let return_ns = self.operation(client as u32, call_ns, number, &mut counts);
            let idle = pause.saturating_sub(return_ns - call_ns).max(pause / 10);
            self.ready_ns[client] = return_ns + idle / 2 + self.dice.below(idle + 1);
        }
        self.flush(out, u64::MAX)?;
        Ok(counts)
    }

    /// Makes up one operation and returns when it ends.
    fn operation(
        &mut self,
        client: u32,
        call_ns: u64,
        number: u64,
        counts: &mut OperationCounts,
    ) -> u64 {
        let key = self.dice.below(self.shape.keys.max(1));
        let (f, argument, result) = self.operation_on(key as usize);
        let usual = 900_000 + self.dice.below(900_000) + self.dice.tail(2_000_000);
        let (mut took, mut end) = (usual, "ok");
        if let Some(left) = self.hit(client, call_ns) {
            took = usual + left + self.dice.below(120_000_000);
            if took > TIMEOUT_NS {
                (took, end) = (TIMEOUT_NS + self.dice.below(3_000_000), "info");
            } else if self.dice.below(9) == 0 {
                (took, end) = (usual * 3, "fail");
            }
        }
        let event = json!({"process": client, "f": f, "key": format!("k{key}")});
        self.push(call_ns, &event, "invoke", argument, None);
        let return_ns = call_ns + took;
        match end {
            "ok" => {
                counts.ok += 1;
                self.push(return_ns, &event, end, result, None);
            }
            "fail" => {
                counts.fail += 1;
                let error = "not the leader, and none is known";
                self.push(return_ns, &event, end, json!(null), Some(error));
            }
            _ => {
                counts.info += 1;
                let error = "no answer within 2 s";
                self.push(return_ns, &event, end, json!(null), Some(error));
            }
        }
        if number % 500 == 499 && !self.faults.is_empty() {
            let nemesis = json!({"process": "nemesis", "f": "next", "key": ""});
            self.push(call_ns, &nemesis, "info", json!(null), None);
        }
        return_ns
    }

    fn operation_on(&mut self, key: usize) -> (&'static str, serde_json::Value, serde_json::Value) {
        let current = self.values[key];
        match self.dice.below(20) {
            0..10 => ("read", json!(null), json!(current.to_string())),
            10..16 => {
                self.written += 1;
                self.values[key] = self.written;
                ("write", json!(self.written.to_string()), json!(null))
            }
            roll => {
                self.written += 1;
                let expected = if roll == 19 { current + 1 } else { current };
                if expected == current {
                    self.values[key] = self.written;
                }
                let pair = json!([expected.to_string(), self.written.to_string()]);
                ("cas", pair, json!(expected == current))
            }
        }
    }

    /// Returns how long a fault that hits this operation lasts on, if one does.
    fn hit(&mut self, client: u32, call_ns: u64) -> Option<u64> {
        let fault =
            self.faults.iter().find(|fault| (fault.start_ns..fault.end_ns).contains(&call_ns))?;
        let left = fault.end_ns - call_ns;
        match fault.kind.as_str() {
            "isolate-leader" | "kill-leader" | "pause-leader" => {
                let election = (fault.start_ns + 620_000_000).saturating_sub(call_ns);
                let stuck = client.is_multiple_of(4) && self.dice.below(3) == 0;
                let hit = election > 0 || stuck;
                hit.then_some(if stuck { left } else { election })
            }
            "loss" => (self.dice.below(4) == 0).then(|| self.dice.tail(140_000_000)),
            _ => (self.dice.below(40) == 0).then(|| self.dice.tail(60_000_000)),
        }
    }

    fn push(
        &mut self,
        time_ns: u64,
        event: &serde_json::Value,
        kind: &str,
        value: serde_json::Value,
        error: Option<&str>,
    ) {
        let mut event = event.clone();
        event["type"] = json!(kind);
        event["value"] = value;
        event["time_ns"] = json!(time_ns);
        if let Some(error) = error {
            event["error"] = json!(error);
        }
        let unique = self.dice.next();
        self.ahead.insert((time_ns, unique), event);
    }

    fn flush(&mut self, out: &mut impl io::Write, before_ns: u64) -> io::Result<()> {
        while let Some(entry) = self.ahead.first_entry() {
            if entry.key().0 >= before_ns {
                break;
            }
            let mut event = entry.remove();
            event["index"] = json!(self.index);
            self.index += 1;
            serde_json::to_writer(&mut *out, &event)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Numbers that look random and are always the same (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Returns mostly small numbers and seldom large ones: exponential with the given mean.
    fn tail(&mut self, mean: u64) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (-(1.0 - unit).ln() * mean as f64) as u64
    }
}

fn faults(shape: &Shape) -> Vec<FaultSpan> {
    type Planned = (&'static str, &'static str, &'static [u16], u64, u64, &'static str, bool);
    let plan: [Planned; 9] = [
        ("isolate-leader", "node 1 | 2 3", &[1], 70, 160, "1,204 packets dropped", true),
        ("loss", "all links 20 %", &[1, 2, 3], 190, 270, "2,310 of 11,540 packets lost", true),
        ("kill-leader", "node 2", &[2], 300, 345, "SIGKILL, gone after 1 ms", true),
        ("one-way", "1 -> 3", &[], 380, 470, "633 packets dropped", true),
        ("delay", "2 -> 3 by 40 ms +- 20", &[], 430, 540, "1,877 packets delayed", true),
        ("pause-leader", "node 3", &[3], 590, 660, "stopped for 2.180 s", true),
        ("halves", "1 2 | 3", &[3], 690, 770, "1,018 packets dropped", true),
        ("kill-one", "node 1", &[1], 790, 800, "SIGKILL, gone after 1 ms", true),
        ("duplicate", "all links 5 %", &[1, 2, 3], 810, 880, "no packet passed", false),
    ];
    plan.map(|(kind, detail, nodes, start, end, effect, effective)| FaultSpan {
        kind: kind.to_owned(),
        detail: detail.to_owned(),
        nodes: nodes.to_vec(),
        start_ns: start * shape.length_ms * 1000,
        end_ns: end * shape.length_ms * 1000,
        effect: effect.to_owned(),
        effective,
    })
    .into()
}

fn summary(shape: &Shape, faults: Vec<FaultSpan>, counts: OperationCounts) -> RunSummary {
    let violated = shape.verdict == Verdict::Violation;
    RunSummary {
        verdict: shape.verdict,
        reasons: reasons(shape, &faults, counts),
        checks: checks(shape.verdict),
        seed: 7_238_119_045_511,
        version: "0.1.0 (an example, nothing ran)".to_owned(),
        system: "a made-up system".to_owned(),
        started_unix_ms: 1_795_341_723_000,
        duration_ms: shape.length_ms + 6_412,
        reproduce:
            "cargo xtask chaos --seed 7238119045511 --nodes 3 --clients 8 --time 30 --nemesis mix"
                .to_owned(),
        plan: PlanSummary {
            nodes: 3,
            clients: shape.clients,
            time_s: shape.length_ms / 1000,
            workload: "registers with compare-and-set".to_owned(),
            nemesis: "mix".to_owned(),
        },
        counts,
        exercise: Some(exercise(&faults, counts)),
        audit: None,
        space_time: violated.then(|| messages::around(&core(shape))).flatten(),
        violation: violated.then(|| core(shape)),
        leaders: leaders(shape, !faults.is_empty()),
        links: links(),
        faults,
        after_heal: (shape.verdict != Verdict::Interrupted).then(|| AfterHeal {
            served_within_ms: Some(412),
            digests_equal: Some(true),
            acknowledged_present: !violated,
            unserved: Vec::new(),
            findings: if violated {
                vec!["key k3: the acknowledged write of 4711 is missing on all nodes".to_owned()]
            } else {
                Vec::new()
            },
        }),
        nodes: (1..=3).map(|id| nodes::node(id, shape)).collect(),
        checker: (shape.verdict != Verdict::Interrupted).then(|| CheckerSummary {
            algorithm: "wgl, per key".to_owned(),
            operations: counts.ok + counts.info,
            keys: shape.keys,
            configurations: 48_211,
            millis: 37,
            unverified: None,
        }),
    }
}

fn exercise(faults: &[FaultSpan], counts: OperationCounts) -> Exercise {
    let some = Exercised { ok: counts.ok / 9, unknown: counts.info, reads: 40, overlapped: 7 };
    Exercise {
        all: Exercised { ok: counts.ok, ..some },
        in_faults: some,
        faults: vec![some; faults.len()],
        nodes: vec![(1, some), (3, some)],
        followers: some,
        ok_per_key: (counts.ok / 9, counts.ok / 5, counts.ok / 2),
        keys: 5,
        ..Exercise::default()
    }
}

fn checks(verdict: Verdict) -> Vec<Check> {
    let check = |name: &str, leads_to, outcome| Check { name: name.to_owned(), leads_to, outcome };
    let answer = |leads_to, why: &str| {
        if verdict == leads_to {
            CheckOutcome::Failed(vec![why.to_owned()])
        } else if verdict == Verdict::Interrupted {
            CheckOutcome::NotAsked("the run was interrupted".to_owned())
        } else {
            CheckOutcome::Ok
        }
    };
    [
        ("what clients saw is linearizable", Verdict::Violation, "a read of k3 found 4711"),
        ("all nodes serve after healing", Verdict::NotServed, "node 3 is silent"),
        ("enough was exercised", Verdict::Void, "only 3 operations were ok"),
    ]
    .map(|(name, leads_to, why)| check(name, leads_to, answer(leads_to, why)))
    .into()
}

fn reasons(shape: &Shape, faults: &[FaultSpan], counts: OperationCounts) -> Vec<String> {
    match shape.verdict {
        Verdict::Pass => vec![
            "All operations on all keys are linearizable.".to_owned(),
            format!("{} operations succeeded under {} faults.", counts.ok, faults.len()),
        ],
        Verdict::Violation => vec![
            "Key k3 is not linearizable: no order of its operations explains all answers."
                .to_owned(),
            "After the faults an acknowledged write was missing.".to_owned(),
        ],
        Verdict::NotServed => vec!["10 s after healing, no status comes from node 3".to_owned()],
        Verdict::Unknown => vec!["Key k3: the checker's budget of 60 s ended first.".to_owned()],
        Verdict::Void => vec!["Only 1 of at least 3 faults had an effect.".to_owned()],
        Verdict::Interrupted => vec!["Ended by Ctrl-C.".to_owned()],
    }
}

fn core(shape: &Shape) -> ViolationCore {
    let base = shape.length_ms * 1000 * 312;
    let op = |process, f: &str, argument: &str, result: &str, call: u64, end: Option<u64>| {
        CoreOperation {
            process,
            f: f.to_owned(),
            key: "k3".to_owned(),
            argument: argument.to_owned(),
            result: result.to_owned(),
            call_ns: base + call * 1_000_000,
            return_ns: end.map(|end| base + end * 1_000_000),
            called: 0,
            returned: end.map(|_| 1),
        }
    };
    ViolationCore {
        key: "k3".to_owned(),
        sentence:
            "Client 6 read k3 = 4698 at 10.912 s, although client 1's write of 4711 had been \
                   acknowledged at 9.742 s and nothing wrote 4698 after that."
                .to_owned(),
        operations: vec![
            op(3, "write", "4698", "ok", 0, Some(4)),
            op(1, "write", "4711", "ok", 6, Some(8)),
            op(2, "cas", "[4711, 4719]", "unknown", 7, None),
            op(0, "read", "", "4711", 21, Some(24)),
            op(6, "read", "", "4698", 1_170, Some(1_178)),
        ],
    }
}

fn leaders(shape: &Shape, moved: bool) -> Vec<LeaderSpan> {
    let plan: &[(u16, &str, u64, u64)] = if moved {
        &[
            (1, "3.1", 4, 74),
            (2, "5.2", 91, 300),
            (3, "8.3", 322, 590),
            (1, "11.1", 611, 790),
            (2, "12.2", 806, 1000),
        ]
    } else {
        &[(1, "3.1", 4, 1000)]
    };
    let spans = plan.iter().map(|(node, ballot, start, end)| LeaderSpan {
        node: *node,
        ballot: (*ballot).to_owned(),
        start_ns: start * shape.length_ms * 1000,
        end_ns: end * shape.length_ms * 1000,
    });
    spans.collect()
}

fn links() -> Vec<LinkCounts> {
    let mut links = Vec::new();
    for (from, to) in [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)] {
        let weight = u64::from(from * 7 + to * 3);
        links.push(LinkCounts {
            from,
            to,
            delivered: 41_000 + weight * 977,
            lost: 300 + weight * 11,
            cut: if from == 2 { 0 } else { weight * 31 },
            delayed: if (from, to) == (2, 3) { 1_877 } else { 0 },
            duplicated: 0,
            reordered: weight,
            corrupted: 0,
            overflowed: 0,
            stream: None,
        });
    }
    links
}

/// After how long a client gives up.
const TIMEOUT_NS: u64 = 2_000_000_000;
