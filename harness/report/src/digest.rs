//! One pass over a history: everything that the charts and tables of the page show.
//!
//! Claims kept true: memory does not grow with the history, every operation is counted exactly
//! once, and an operation that never returned counts as open, not as gone. Drawing is left to the
//! chart modules.

use std::collections::BTreeMap;

use super::bins::{Bins, Join, Tally};
use super::gaps::Gaps;
use super::lanes::Lanes;
use super::latency::Latencies;
use super::names::Names;
use super::ops::{End, Kept, Op};
use super::reader::{Event, Kind};
use crate::RunSummary;

/// What a history amounts to.
#[derive(Debug)]
pub(super) struct Digest {
    /// All operations.
    pub(super) total: Tally,
    /// Operations that the history ends before.
    pub(super) open_at_end: u64,
    /// Completions without a call, and calls of clients that had one open.
    pub(super) out_of_turn: u64,
    /// Events of the nemesis.
    pub(super) nemesis_events: u64,
    /// When the last event happened.
    pub(super) last_ns: u64,
    /// The rows of the time line.
    pub(super) lanes: Lanes,
    /// Operations ended per second, coarser in long runs.
    pub(super) rate: Bins<Tally>,
    /// Latencies over time.
    pub(super) latency: Bins<Latencies>,
    /// Operations in order of their end.
    pub(super) strip: Bins<StripCell>,
    /// The longest times without an ok.
    pub(super) gaps: Gaps,
    /// The keys.
    pub(super) keys: Names<KeyRecord>,
    /// The kinds of operations.
    pub(super) functions: Names<FunctionRecord>,
    /// The error texts.
    pub(super) errors: Names<Tally>,
    /// The clients.
    pub(super) clients: BTreeMap<u32, ClientRecord>,
    /// Single operations.
    pub(super) kept: Kept,
    last_end_ns: u64,
    open: BTreeMap<u32, Call>,
}

/// What one key saw.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyRecord {
    /// How its operations ended.
    pub(super) tally: Tally,
    /// The same over time, for the first keys only.
    pub(super) over_time: Option<Bins<Tally>>,
}

impl Join for KeyRecord {
    fn join(&mut self, later: Self) {
        self.tally.join(later.tally);
    }
}

/// What one kind of operation saw.
#[derive(Clone, Debug, Default)]
pub(super) struct FunctionRecord {
    /// How they ended.
    pub(super) tally: Tally,
    /// How long they took.
    pub(super) latency: Latencies,
}

impl Join for FunctionRecord {
    fn join(&mut self, later: Self) {
        self.tally.join(later.tally);
        self.latency.join(later.latency);
    }
}

/// What one client saw.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientRecord {
    /// How its operations ended.
    pub(super) tally: Tally,
    /// Its longest operation, in nanoseconds.
    pub(super) longest_ns: u64,
}

/// Some neighbouring operations in order of their end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StripCell {
    /// How they ended.
    pub(super) tally: Tally,
    /// When the first of them ended.
    pub(super) first_ns: Option<u64>,
}

impl Join for StripCell {
    fn join(&mut self, later: Self) {
        self.tally.join(later.tally);
        self.first_ns = self.first_ns.or(later.first_ns);
    }
}

/// A call that has not returned.
#[derive(Debug)]
struct Call {
    time_ns: u64,
    f: u32,
    key: u32,
    argument: String,
}

impl Digest {
    /// Makes an empty digest for the run that `summary` describes.
    pub(super) fn new(summary: &RunSummary) -> Self {
        let mut digest = Self {
            total: Tally::default(),
            open_at_end: 0,
            out_of_turn: 0,
            nemesis_events: 0,
            last_ns: 0,
            lanes: Lanes::new(summary.plan.clients),
            rate: Bins::new(RATE_BIN_NS, RATE_BIN_LIMIT),
            latency: Bins::new(LATENCY_BIN_NS, LATENCY_BIN_LIMIT),
            strip: Bins::new(1, STRIP_LIMIT),
            gaps: Gaps::default(),
            keys: Names::new(KEY_LIMIT),
            functions: Names::new(FUNCTION_LIMIT),
            errors: Names::new(ERROR_LIMIT),
            clients: BTreeMap::new(),
            kept: Kept::default(),
            last_end_ns: 0,
            open: BTreeMap::new(),
        };
        if let Some(core) = &summary.violation {
            // Before all others, so that this key has a number of its own however many there are:
            // it is 0, on which `embedded` relies.
            let key = digest.keys.number(&core.key);
            digest.kept.watch(key, core);
        }
        digest
    }

    /// Takes in one event.
    pub(super) fn take(&mut self, event: &Event<'_>) {
        self.last_ns = self.last_ns.max(event.time_ns);
        let Ok(client) = event.process.as_str().parse::<u32>() else {
            self.nemesis_events += 1;
            return;
        };
        let end = match event.kind {
            Kind::Invoke => return self.call(client, event),
            Kind::Ok => End::Ok,
            Kind::Fail => End::Fail,
            Kind::Info => End::Info,
        };
        let Some(call) = self.open.remove(&client) else {
            self.out_of_turn += 1;
            return;
        };
        if end != End::Ok {
            self.count_error(event, end);
        }
        let result = match (&event.error, end) {
            (Some(error), End::Fail | End::Info) => error.short(),
            (Some(_) | None, _) => event.value.short(),
        };
        self.end(client, call, event.time_ns, end, result);
    }

    /// Closes what is open once the whole history was read.
    pub(super) fn finish(&mut self) {
        // Whoever waits at the end of the history has waited for as long as it goes on.
        self.gaps.close(if self.open.is_empty() { self.last_end_ns } else { self.last_ns });
        for (client, call) in std::mem::take(&mut self.open) {
            self.abandon(client, call);
        }
    }

    fn call(&mut self, client: u32, event: &Event<'_>) {
        if let Some(lost) = self.open.remove(&client) {
            self.out_of_turn += 1;
            self.abandon(client, lost);
        }
        // One is given up, so that memory is bounded whatever the history says.
        if self.open.len() >= OPEN_LIMIT
            && let Some((oldest, lost)) = self.open.pop_first()
        {
            self.abandon(oldest, lost);
        }
        if self.open.is_empty() {
            self.gaps.called_at(event.time_ns);
        }
        let call = Call {
            time_ns: event.time_ns,
            f: self.functions.number(event.f.as_str()),
            key: self.keys.number(event.key.as_str()),
            argument: event.value.short(),
        };
        self.open.insert(client, call);
    }

    /// Counts an operation whose end is not in the history.
    fn abandon(&mut self, client: u32, call: Call) {
        self.open_at_end += 1;
        let end_ns = self.last_ns;
        let row = self.lanes.of(client);
        wait(row, call.time_ns, end_ns);
        self.keep(client, call, end_ns, End::Open, "unknown".to_owned());
    }

    fn end(&mut self, client: u32, call: Call, time_ns: u64, end: End, result: String) {
        let took_ns = time_ns.saturating_sub(call.time_ns);
        self.last_end_ns = self.last_end_ns.max(time_ns);
        let row = self.lanes.of(client);
        wait(row, call.time_ns, time_ns);
        count(row.at(time_ns), end);
        // So many ended before this one, which is its place in the order of ends.
        let cell = self.strip.at(self.total.ended());
        count(&mut cell.tally, end);
        cell.first_ns.get_or_insert(time_ns);
        count(&mut self.total, end);
        count(self.rate.at(time_ns), end);
        record(self.latency.at(time_ns), end, took_ns);
        match end {
            End::Ok => self.gaps.ok_at(time_ns),
            End::Fail | End::Info | End::Open => self.gaps.refused(),
        }
        let function = self.functions.record(call.f);
        count(&mut function.tally, end);
        record(&mut function.latency, end, took_ns);
        self.count_key(call.key, time_ns, end);
        self.count_client(client, end, took_ns);
        self.keep(client, call, time_ns, end, result);
    }

    fn count_key(&mut self, key: u32, time_ns: u64, end: End) {
        let record = self.keys.record(key);
        count(&mut record.tally, end);
        if key < KEYS_OVER_TIME {
            let bins =
                record.over_time.get_or_insert_with(|| Bins::new(RATE_BIN_NS / 8, KEY_BIN_LIMIT));
            count(bins.at(time_ns), end);
        }
    }

    /// Counts for the client; clients beyond the limit share the last entry.
    fn count_client(&mut self, client: u32, end: End, took_ns: u64) {
        let known = self.clients.len() < CLIENT_LIMIT || self.clients.contains_key(&client);
        let entry = if known { client } else { u32::MAX };
        let record = self.clients.entry(entry).or_default();
        count(&mut record.tally, end);
        record.longest_ns = record.longest_ns.max(took_ns);
    }

    fn count_error(&mut self, event: &Event<'_>, end: End) {
        let text = event.error.as_ref().map_or("no reason given", |text| text.as_str());
        let number = self.errors.number(text);
        count(self.errors.record(number), end);
    }

    fn keep(&mut self, client: u32, call: Call, return_ns: u64, end: End, result: String) {
        self.kept.take(Op {
            call_ns: call.time_ns,
            return_ns: return_ns.max(call.time_ns),
            client,
            f: call.f,
            key: call.key,
            end,
            argument: call.argument,
            result,
        });
    }
}

/// Marks the bins that lie wholly between a call and its end.
fn wait(row: &mut Bins<Tally>, call_ns: u64, end_ns: u64) {
    row.reach(end_ns);
    let width = row.width();
    // The first and the last bin were not waited through from end to end.
    for bin in call_ns / width + 1..end_ns / width {
        row.at(bin * width).waiting += 1;
    }
}

fn count(tally: &mut Tally, end: End) {
    match end {
        End::Ok => tally.ok += 1,
        End::Fail => tally.fail += 1,
        End::Info | End::Open => tally.info += 1,
    }
}

fn record(latencies: &mut Latencies, end: End, took_ns: u64) {
    match end {
        End::Ok => latencies.ok.record(took_ns),
        End::Fail => latencies.fail.record(took_ns),
        End::Info | End::Open => latencies.info.record(took_ns),
    }
}

/// The width of a throughput bin before folding: one second.
pub(super) const RATE_BIN_NS: u64 = 1_000_000_000;
const RATE_BIN_LIMIT: usize = 400;
/// The width of a latency bin before folding: a quarter of a second.
const LATENCY_BIN_NS: u64 = 250_000_000;
const LATENCY_BIN_LIMIT: usize = 200;
/// Cells of the strip.
const STRIP_LIMIT: usize = 16_384;
const KEY_LIMIT: usize = 4096;
/// The first so many keys are counted over time.
const KEYS_OVER_TIME: u32 = 48;
const KEY_BIN_LIMIT: usize = 256;
const FUNCTION_LIMIT: usize = 24;
const ERROR_LIMIT: usize = 200;
const CLIENT_LIMIT: usize = 4096;
/// Calls that may be open at once.
const OPEN_LIMIT: usize = 65_536;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use super::*;
    use crate::gaps::Gap;
    use crate::reader::read_events;

    /// Digests events written as `time client type`, all writes on one key.
    fn check(events: &[(u64, &str, &str)]) -> Digest {
        let lines = events.iter().map(|(time_ns, process, kind)| {
            let who = format!(r#""process":{process},"type":"{kind}""#);
            format!(r#"{{"time_ns":{time_ns},{who},"f":"write","key":"k"}}"#)
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let json = r#"{"verdict":"pass","reasons":[],"seed":1,"version":"","system":"",
            "started_unix_ms":0,"duration_ms":0,"reproduce":"","plan":{"nodes":3,"clients":2,
            "time_s":1,"workload":"","nemesis":""},"counts":{"ok":0,"fail":0,"info":0},
            "violation":null,"faults":[],"leaders":[],"links":[],"after_heal":null,"nodes":[],
            "checker":null}"#;
        let mut digest = Digest::new(&serde_json::from_str(json).unwrap());
        read_events(text.as_bytes(), |event| digest.take(event)).unwrap();
        digest.finish();
        digest
    }

    #[test]
    fn every_operation_is_counted_once() {
        let digest = check(&[
            (10, "0", "invoke"),
            (12, "1", "invoke"),
            (20, "0", "ok"),
            (25, "1", "info"),
            (30, "1", "invoke"),
            (31, "0", "invoke"),
            (35, "1", "fail"),
            (36, "\"nemesis\"", "info"),
        ]);
        assert_eq!(digest.total, Tally { ok: 1, fail: 1, info: 1, waiting: 0 });
        assert_eq!((digest.open_at_end, digest.nemesis_events, digest.out_of_turn), (1, 1, 0));
        assert_eq!(digest.kept.total(), 4);
    }

    #[test]
    fn events_out_of_turn_are_counted_not_believed() {
        let digest =
            check(&[(1, "0", "ok"), (2, "0", "invoke"), (3, "0", "invoke"), (4, "0", "ok")]);
        assert_eq!((digest.total.ok, digest.open_at_end, digest.out_of_turn), (1, 1, 2));
    }

    #[test]
    fn a_run_that_ends_in_failures_ends_in_a_gap() {
        let digest = check(&[
            (100, "0", "invoke"),
            (110, "0", "ok"),
            (900, "0", "invoke"),
            (990, "0", "fail"),
        ]);
        assert_eq!(digest.gaps.longest()[0], Gap { start_ns: 900, end_ns: 990 });
    }

    #[test]
    fn a_gap_outlives_the_timeouts_within_it() {
        let digest = check(&[
            (100, "0", "invoke"),
            (110, "0", "ok"),
            (120, "0", "invoke"),
            (2_000, "0", "info"),
            (2_001, "0", "invoke"),
            (2_500, "0", "ok"),
        ]);
        assert_eq!(digest.gaps.longest()[0], Gap { start_ns: 120, end_ns: 2_500 });
    }

    #[test]
    fn an_operation_that_never_returns_keeps_the_gap_open() {
        let digest = check(&[(100, "0", "invoke"), (700, "\"nemesis\"", "info")]);
        assert_eq!(digest.gaps.longest()[0], Gap { start_ns: 100, end_ns: 700 });
    }
}
