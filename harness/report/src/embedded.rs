//! The data that the page's script reads: lanes, single operations, errors, keys.
//!
//! Times are microseconds since the start of the run. Claim kept true: the data is bounded by the
//! room of the page, and says whether the single operations are all there are.

use serde::Serialize;

use super::clock::Clock;
use super::context::Context;
use super::html::json_for_script;
use super::names::REST;
use super::ops::{End, Op};
use super::spans::extent;

/// Returns the data as JSON that may stand in a `<script>` element.
pub(super) fn json(context: &Context<'_>) -> String {
    let kept = &context.digest.kept;
    let (ops, complete) = single(context);
    let (start, events) = match context.axis.clock {
        Clock::Run => (0, false),
        Clock::Since(start_ns) => (start_ns / 1000, false),
        Clock::Events => (0, true),
    };
    let data = Data {
        start,
        events,
        end: context.axis.end_ns / 1000,
        // There is a row at least, also for a run without clients.
        bin: context.digest.lanes.rows()[0].width() as f64 / 1000.0,
        group: context.digest.lanes.group(),
        total: kept.total(),
        complete,
        fs: names(context.digest.functions.as_slice()),
        keys: names(context.digest.keys.as_slice()),
        order: busiest_keys(context),
        lanes: lane_cells(context),
        by_key: if complete { Vec::new() } else { key_cells(context) },
        errors: errors(context),
        core: context
            .summary
            .violation
            .as_ref()
            .and_then(extent)
            .map(|(from, to)| [from / 1000, to / 1000]),
        ops,
    };
    let json = serde_json::to_string(&data).expect("plain data serializes");
    json_for_script(&json)
}

/// Returns as many single operations as there is room for, and whether they are all.
///
/// Without room for all their values, those of unremarkable operations are left out first.
fn single(context: &Context<'_>) -> (Columns, bool) {
    let kept = &context.digest.kept;
    let room = context.room.op_bytes;
    if let Some(all) = kept.all() {
        let telling = |op: &Op| op.end != End::Ok || kept.is_near(op);
        let whole = Columns::of(&all, |_| true);
        if whole.estimate() <= room {
            return (whole, true);
        }
        let bare = Columns::of(&all, telling);
        if bare.estimate() <= room {
            return (bare, true);
        }
    }
    let some = kept.some();
    let count = (room / BYTES_PER_OP).min(some.len());
    (Columns::of(&some[..count], |_| true), false)
}

/// What the script reads.
#[derive(Debug, Serialize)]
struct Data {
    /// What the places on the axis are counted from.
    start: u64,
    /// Whether they are events, each a thousand wide, and no times.
    events: bool,
    end: u64,
    bin: f64,
    group: u32,
    total: u64,
    complete: bool,
    fs: Vec<String>,
    keys: Vec<String>,
    order: Vec<u32>,
    /// For each lane its bins in use: number, ok, fail, info, waiting.
    lanes: Vec<Vec<[u64; 5]>>,
    by_key: Vec<KeyCells>,
    errors: Vec<u64>,
    core: Option<[u64; 2]>,
    ops: Columns,
}

/// One key over time.
#[derive(Debug, Serialize)]
struct KeyCells {
    key: u32,
    bin: f64,
    /// Bins in use: number, ok, fail, info.
    cells: Vec<[u64; 4]>,
}

/// Single operations, column by column.
#[derive(Debug, Default, Serialize)]
struct Columns {
    /// Calls, each as the distance from the one before.
    t: Vec<u64>,
    /// Durations.
    d: Vec<u64>,
    /// Clients.
    c: Vec<u32>,
    /// Numbers of operations' names.
    f: Vec<u32>,
    /// Numbers of keys; -1 for a key without a number.
    k: Vec<i64>,
    /// Ends: o for ok, f for fail, i for info, p for open.
    e: String,
    /// Which operations have their values here; all if none is named.
    v: Vec<usize>,
    /// Arguments of those.
    a: Vec<String>,
    /// Results of those.
    r: Vec<String>,
}

impl Columns {
    fn of(ops: &[&Op], with_values: impl Fn(&Op) -> bool) -> Self {
        let mut columns = Self::default();
        let mut before = 0;
        for (index, op) in ops.iter().enumerate() {
            let call = op.call_ns / 1000;
            // They are in the order of their calls.
            columns.t.push(call - before);
            before = call;
            columns.d.push((op.return_ns - op.call_ns) / 1000);
            columns.c.push(op.client);
            columns.f.push(op.f);
            columns.k.push(if op.key == REST { -1 } else { i64::from(op.key) });
            columns.e.push(match op.end {
                End::Ok => 'o',
                End::Fail => 'f',
                End::Info => 'i',
                End::Open => 'p',
            });
            if with_values(op) {
                columns.v.push(index);
                columns.a.push(op.argument.clone());
                columns.r.push(op.result.clone());
            }
        }
        if columns.v.len() == ops.len() {
            columns.v.clear();
        }
        columns
    }

    /// Returns about how many bytes the columns take, rather too many than too few.
    fn estimate(&self) -> usize {
        let texts = self.a.iter().chain(&self.r).map(|text| text.len() + 3);
        self.t.len() * 18 + self.v.len() * 6 + texts.sum::<usize>()
    }
}

fn names<T>(records: &[(String, T)]) -> Vec<String> {
    let named = records.iter().take(NAMED);
    named.map(|(name, _)| name.chars().take(NAME_LETTERS).collect()).collect()
}

/// Returns the numbers of the keys with most operations, the key of a violation first.
fn busiest_keys(context: &Context<'_>) -> Vec<u32> {
    let keys = context.digest.keys.as_slice();
    let mut order: Vec<u32> = (0..keys.len().min(NAMED) as u32).collect();
    let watched = context.summary.violation.is_some();
    order.sort_by_key(|number| {
        let ended = keys[*number as usize].1.tally.ended();
        (!(watched && *number == 0), std::cmp::Reverse(ended), *number)
    });
    order.truncate(OFFERED);
    order
}

fn lane_cells(context: &Context<'_>) -> Vec<Vec<[u64; 5]>> {
    let rows = context.digest.lanes.rows().iter();
    rows.map(|row| {
        let cells = row.as_slice().iter().enumerate();
        let used = cells.filter(|(_, bin)| bin.ended() + bin.waiting > 0);
        used.map(|(at, bin)| [at as u64, bin.ok, bin.fail, bin.info, bin.waiting]).collect()
    })
    .collect()
}

fn key_cells(context: &Context<'_>) -> Vec<KeyCells> {
    let keys = context.digest.keys.as_slice().iter().enumerate();
    let over_time = keys
        .filter_map(|(key, (_, record))| record.over_time.as_ref().map(|bins| (key as u32, bins)));
    over_time
        .map(|(key, bins)| {
            let cells = bins.as_slice().iter().enumerate();
            let used = cells.filter(|(_, bin)| bin.ended() > 0);
            KeyCells {
                key,
                bin: bins.width() as f64 / 1000.0,
                cells: used.map(|(at, bin)| [at as u64, bin.ok, bin.fail, bin.info]).collect(),
            }
        })
        .collect()
}

/// Returns when things went wrong: the counterexample first in time order with all that was not
/// ok, moments close together joined.
fn errors(context: &Context<'_>) -> Vec<u64> {
    let kept = &context.digest.kept;
    let ops = kept.all().unwrap_or_else(|| kept.some());
    let bad = ops.iter().filter(|op| op.end != End::Ok);
    let mut moments: Vec<u64> = bad.map(|op| op.return_ns / 1000).collect();
    moments.sort_unstable();
    // So far apart that no more than `ERRORS` of them find room on the axis.
    let apart = context.axis.end_ns / 1000 / 400;
    moments.dedup_by(|later, earlier| *later - *earlier <= apart);
    moments.truncate(ERRORS);
    moments
}

/// About the most bytes that one operation takes.
const BYTES_PER_OP: usize = 90;
/// Names of keys and operations sent at most.
const NAMED: usize = 2000;
const NAME_LETTERS: usize = 40;
/// Keys offered in the filter at most.
const OFFERED: usize = 200;
/// Moments sent at most.
const ERRORS: usize = 400;
