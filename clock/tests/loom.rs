//! Every interleaving of the atomic clocks that loom can tell apart, within a bound on
//! preemptions.
//!
//! Built by `cargo xtask loom` alone. Two limits: loom takes a sequentially consistent access
//! for acquire-release, and does not explore load buffering; so passing is strong evidence, not
//! a proof. The clocks use no sequentially consistent access.

#![cfg(synod_loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use loom::sync::Arc;
use loom::thread;
use synod_clock::{AtomicLamport, LamportTime, ManualTime, Moment, TimeSource};

/// More preemptions multiply the runs and find little: most bugs need two.
const PREEMPTIONS_MAX: usize = 3;

fn check(body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS_MAX);
    model.check(body);
}

#[test]
fn no_time_is_issued_twice() {
    check(|| {
        let clock = Arc::new(AtomicLamport::new());
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let clock = Arc::clone(&clock);
                thread::spawn(move || clock.tick().unwrap())
            })
            .collect();
        let mut issued = vec![clock.tick().unwrap()];
        issued.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        issued.sort_unstable();
        assert_eq!(issued, [1, 2, 3].map(LamportTime::new));
        assert_eq!(clock.time(), LamportTime::new(3));
    });
}

#[test]
fn each_thread_sees_its_times_grow() {
    check(|| {
        let clock = Arc::new(AtomicLamport::new());
        let run = |clock: &AtomicLamport| {
            let first = clock.tick().unwrap();
            let seen = clock.time();
            let second = clock.tick().unwrap();
            assert!(first <= seen && seen < second);
        };
        let other = Arc::clone(&clock);
        let thread = thread::spawn(move || run(&other));
        run(&clock);
        thread.join().unwrap();
    });
}

#[test]
fn an_observed_time_is_exceeded() {
    check(|| {
        let clock = Arc::new(AtomicLamport::new());
        let threads: Vec<_> = [5, 9]
            .map(LamportTime::new)
            .into_iter()
            .map(|remote| {
                let clock = Arc::clone(&clock);
                thread::spawn(move || {
                    let issued = clock.observe(remote).unwrap();
                    assert!(issued > remote);
                    issued
                })
            })
            .collect();
        let ticked = clock.tick().unwrap();
        let mut issued = vec![ticked];
        issued.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        issued.sort_unstable();
        assert!(issued.is_sorted_by(|a, b| a < b), "{issued:?}");
        assert_eq!(clock.time(), issued[2]);
    });
}

#[test]
fn a_time_handed_over_by_other_means_is_exceeded_too() {
    use loom::sync::atomic::{AtomicU64, Ordering};

    check(|| {
        let clock = Arc::new(AtomicLamport::new());
        let slot = Arc::new(AtomicU64::new(0));
        let thread = {
            let (clock, slot) = (Arc::clone(&clock), Arc::clone(&slot));
            thread::spawn(move || slot.store(clock.tick().unwrap().get(), Ordering::Release))
        };
        // The clock's own accesses are relaxed: the order comes from the hand-over.
        let handed = slot.load(Ordering::Acquire);
        assert!(clock.tick().unwrap().get() > handed);
        thread.join().unwrap();
    });
}

#[test]
fn the_end_is_issued_to_one_thread() {
    check(|| {
        let clock = Arc::new(AtomicLamport::resume(LamportTime::new(u64::MAX - 1)));
        let other = Arc::clone(&clock);
        let thread = thread::spawn(move || other.tick().is_ok());
        let first = clock.tick().is_ok();
        let second = thread.join().unwrap();
        assert!(first ^ second);
        assert_eq!(clock.time(), LamportTime::MAX);
    });
}

#[test]
fn the_hand_moves_forward_whoever_moves_it() {
    check(|| {
        let time = ManualTime::new();
        let other = time.clone();
        let thread = thread::spawn(move || other.advance_to(Moment::from_nanos(7)));
        let before = time.now();
        let after = time.advance(std::time::Duration::from_nanos(2));
        assert!(before < after);
        assert!(thread.join().unwrap() >= Moment::from_nanos(7));
        assert!([7, 9].contains(&time.now().as_nanos()));
    });
}
