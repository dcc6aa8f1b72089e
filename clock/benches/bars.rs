//! What the clocks cost, beside the floor that the machine sets in the same run.
//!
//! Ratios to a floor survive a busy or a slow machine; nanoseconds do not. Run it with
//! `cargo bench -p synod-clock`; with `--gate` a ratio above its bar ends with exit code 1.

#![allow(clippy::print_stdout, reason = "a bench speaks on standard output")]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use synod_clock::{
    AtomicLamport, Hlc, HlcTime, LamportTime, MonotonicTime, TimeSource, VectorClock, WallTime,
};

fn main() -> ExitCode {
    let gate = std::env::args().any(|argument| argument == "--gate");
    let mut above = 0;
    for Bar { what, cost_ns, floor_ns, ratio_max } in
        lamport().into_iter().chain(vectors()).chain(hybrid())
    {
        let ratio = cost_ns / floor_ns;
        let word = if ratio <= ratio_max { "ok" } else { "ABOVE" };
        above += u32::from(ratio > ratio_max);
        println!("{word:<5} {what:<28} {cost_ns:>8.1} ns, {ratio:>5.2} of {ratio_max:.1} floors");
    }
    if gate && above > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A cost, and how many times its floor it may be.
struct Bar {
    what: String,
    cost_ns: f64,
    floor_ns: f64,
    ratio_max: f64,
}

fn lamport() -> Vec<Bar> {
    let cell = AtomicU64::new(0);
    let add = best_ns(|| cell.fetch_add(black_box(1), Ordering::Relaxed));
    let swap = best_ns(|| {
        let seen = cell.load(Ordering::Relaxed);
        let next = seen.max(black_box(7)).wrapping_add(1);
        cell.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed)
    });
    let clock = AtomicLamport::new();
    let tick = best_ns(|| clock.tick());
    let observe = best_ns(|| clock.observe(LamportTime::new(black_box(7))));
    vec![
        Bar { what: "atomic tick".into(), cost_ns: tick, floor_ns: add, ratio_max: 2.0 },
        Bar { what: "atomic observe".into(), cost_ns: observe, floor_ns: swap, ratio_max: 2.0 },
    ]
}

/// The floor is a merge-join over two plain sorted slices of numbers.
fn vectors() -> Vec<Bar> {
    let mut bars = Vec::new();
    for nodes in [3_u32, 8, 64, 1_000] {
        let entries = |ahead: u32| (0..nodes).map(move |n| (n, u64::from(n % 7 + ahead % 2) + 1));
        let (left, right): (Vec<_>, Vec<_>) = (entries(0).collect(), entries(1).collect());
        let first: VectorClock<u32> = left.iter().copied().collect();
        let second: VectorClock<u32> = right.iter().copied().collect();
        let compare_floor = best_ns(|| join(black_box(&left), black_box(&right)));
        let compare = best_ns(|| black_box(&first).compare(black_box(&second)));
        let what = format!("vector compare, {nodes} nodes");
        bars.push(Bar { what, cost_ns: compare, floor_ns: compare_floor, ratio_max: 2.0 });
        let mut raised = left.clone();
        let merge_floor = best_ns(|| raise(black_box(&mut raised), black_box(&right)));
        let mut merged = first.clone();
        let merge = best_ns(|| black_box(&mut merged).merge(black_box(&second)));
        let what = format!("vector merge, {nodes} nodes");
        bars.push(Bar { what, cost_ns: merge, floor_ns: merge_floor, ratio_max: 2.0 });
    }
    bars
}

fn hybrid() -> Vec<Bar> {
    let shown = AtomicU64::new(1_767_225_600_000);
    let add = best_ns(|| shown.load(Ordering::Relaxed).wrapping_add(black_box(1)));
    let mut cached = Hlc::new(|| shown.load(Ordering::Relaxed), std::time::Duration::MAX);
    let now = best_ns(|| cached.now());
    let remote = HlcTime::new(1_767_225_600_001, 0).unwrap_or_default();
    let observe = best_ns(|| cached.observe(black_box(remote)));
    let mut wall = Hlc::new(WallTime, std::time::Duration::MAX);
    let system = best_ns(|| synod_clock::PhysicalClock::unix_ms(&WallTime));
    let stamped = best_ns(|| wall.now());
    // Ten nanoseconds is the bar for a cached clock; no floor of one load says more than that.
    let floor_ns = add.max(1.0);
    let ratio_max = 10.0 / floor_ns;
    vec![
        Bar { what: "hybrid now, cached clock".into(), cost_ns: now, floor_ns, ratio_max },
        Bar { what: "hybrid observe, cached clock".into(), cost_ns: observe, floor_ns, ratio_max },
        Bar {
            what: "hybrid now, machine's clock".into(),
            cost_ns: stamped,
            floor_ns: system,
            ratio_max: 1.3,
        },
    ]
}

fn join(left: &[(u32, u64)], right: &[(u32, u64)]) -> (bool, bool) {
    let (mut i, mut j, mut first, mut second) = (0, 0, false, false);
    while i < left.len() && j < right.len() {
        if left[i].0 == right[j].0 {
            first |= left[i].1 > right[j].1;
            second |= left[i].1 < right[j].1;
            (i, j) = (i + 1, j + 1);
        } else if left[i].0 < right[j].0 {
            (first, i) = (true, i + 1);
        } else {
            (second, j) = (true, j + 1);
        }
    }
    (first || i < left.len(), second || j < right.len())
}

fn raise(left: &mut [(u32, u64)], right: &[(u32, u64)]) -> usize {
    let (mut i, mut missing) = (0, 0);
    for (node, count) in right {
        while i < left.len() && left[i].0 < *node {
            i += 1;
        }
        match left.get_mut(i) {
            Some((known, own)) if known == node => *own = (*own).max(*count),
            Some(_) | None => missing += 1,
        }
    }
    missing
}

/// The best of several rounds: noise only ever adds.
fn best_ns<T>(mut body: impl FnMut() -> T) -> f64 {
    const ROUNDS: u32 = 7;
    const CALLS: u32 = 200_000;
    let time = MonotonicTime::new();
    let round = |_| {
        let start = time.now();
        for _ in 0..CALLS {
            black_box(body());
        }
        time.now().since(start).as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}
