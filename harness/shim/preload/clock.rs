//! The clocks of the process: those of the machine, or as the faults in force have them.
//!
//! All clocks that show time are ahead by as much; those that count what a processor did are left
//! alone. A wait until a time lasts as long as one for the span would that was left to it: faults
//! change what clocks show, and not how long the kernel waits. The claim kept true: no clock goes
//! back, whatever the harness orders while it is read.

use core::ffi::{CStr, c_int, c_long, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering, fence};

use crate::kernel::{self, Time, call};
use crate::layout::*;
use crate::state::Control;

/// The C library's own `clock_gettime`, which asks without entering the kernel.
static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Finds the C library's own function.
pub(crate) fn find() {
    NEXT.store(kernel::next_function(c"clock_gettime"), Ordering::Release);
}

/// Reads a clock.
pub(crate) fn read(clock: c_int, time: *mut Time) -> c_int {
    let told = real(clock, time);
    if let Some(control) = Control::of_process()
        && told == 0
        && !time.is_null()
        && shows_time(clock)
    {
        control.count(COUNT_CLOCK_READS);
        // SAFETY: the C library has just filled it.
        let time = unsafe { &mut *time };
        change(control, clock, time);
    }
    told
}

/// Returns what a clock of the wall shows, in nanoseconds.
pub(crate) fn wall_nanos() -> i64 {
    let mut time = Time::default();
    read(REALTIME, &raw mut time);
    nanos(&time)
}

/// Returns the deadline of the machine's clock for one that was worked out from a clock as it is
/// shown; nothing, if it is right as it is, or none at all.
pub(crate) fn real_deadline(deadline: *const Time) -> Option<Time> {
    if deadline.is_null() {
        return None;
    }
    let control = Control::of_process()?;
    let mut now = Time::default();
    real(MONOTONIC, &raw mut now);
    let (ahead, _) = ahead(control, nanos(&now));
    // SAFETY: the caller gave a place that holds a time.
    let shown = unsafe { deadline.read() };
    // What is no time is refused by whoever gets it.
    let is_time = (0..NANOS).contains(&shown.nanos) && shown.seconds >= 0;
    // One of zero means something else to some.
    let left = i64::try_from(i128::from(nanos(&shown)) - i128::from(ahead)).unwrap_or(i64::MAX);
    let left = left.max(1);
    let real = Time { seconds: left / NANOS, nanos: left % NANOS };
    (is_time && ahead != 0).then_some(real)
}

/// Does something with the deadline of the machine's clock for a shown one.
pub(crate) fn until<T>(deadline: *const Time, wait: impl FnOnce(*const Time) -> T) -> T {
    match real_deadline(deadline) {
        Some(real) => wait(&raw const real),
        None => wait(deadline),
    }
}

/// Returns the C library's function of a name and a version, which is looked for once.
pub(crate) fn next(place: &AtomicPtr<c_void>, name: &CStr, version: &CStr) -> *mut c_void {
    let known = place.load(Ordering::Acquire);
    if !known.is_null() {
        return known;
    }
    let found = kernel::next_version(name, version);
    place.store(found, Ordering::Release);
    found
}

/// Returns what the machine's wall clock shows, in nanoseconds.
pub(crate) fn machine_nanos() -> u64 {
    let mut time = Time::default();
    real(REALTIME, &raw mut time);
    nanos(&time).unsigned_abs()
}

fn change(control: Control, clock: c_int, time: &mut Time) {
    let mut now = Time::default();
    let now = if clock == MONOTONIC {
        *time
    } else {
        real(MONOTONIC, &raw mut now);
        now
    };
    let (ahead, turn) = ahead(control, nanos(&now));
    let shown = nanos(time).saturating_add(ahead).max(0);
    // A thread may show what another law had it show, or be late with what it read. Time goes on
    // from the latest that anybody was shown.
    let latest = control.word(WORD_CLOCK_SHOWN + clock as usize);
    let before = latest.fetch_max(shown.cast_unsigned(), Ordering::Relaxed).cast_signed();
    if turn == 0 {
        return;
    }
    let shown = shown.max(before);
    if shown != nanos(time) {
        control.count(COUNT_CLOCK_READS_CHANGED);
    }
    (time.seconds, time.nanos) = (shown / NANOS, shown % NANOS);
}

/// Returns by how many nanoseconds the clocks are ahead at a real monotonic time, and how often
/// their law was changed.
fn ahead(control: Control, now: i64) -> (i64, u64) {
    let turn = control.word(WORD_CLOCK_TURN);
    loop {
        let before = turn.load(Ordering::Acquire);
        let law = WORD_CLOCK_LAWS + (before % 2) as usize * LAW_WORDS;
        let word = |place| control.word(law + place).load(Ordering::Relaxed).cast_signed();
        let (since, ahead, ppm) = (word(LAW_SINCE), word(LAW_AHEAD), word(LAW_PPM));
        fence(Ordering::Acquire);
        // The harness writes a law only while the other one is in force, so that nobody waits for
        // a harness that stands still in the middle.
        if turn.load(Ordering::Relaxed) == before {
            let passed = i128::from(now.saturating_sub(since).max(0));
            let ahead = i128::from(ahead) + passed * i128::from(ppm) / 1_000_000;
            return (i64::try_from(ahead).unwrap_or(i64::MAX), before);
        }
    }
}

fn real(clock: c_int, time: *mut Time) -> c_int {
    let next = NEXT.load(Ordering::Acquire);
    if next.is_null() {
        return call!(kernel::SYS_CLOCK_GETTIME, clock, time) as c_int;
    }
    // SAFETY: it is the C library's function of this name and form.
    let next: extern "C" fn(c_int, *mut Time) -> c_int = unsafe { core::mem::transmute(next) };
    next(clock, time)
}

fn nanos(time: &Time) -> i64 {
    time.seconds.saturating_mul(NANOS).saturating_add(time.nanos)
}

/// Tells whether a clock shows time, and not what a process or a thread has used.
pub(crate) const fn shows_time(clock: c_int) -> bool {
    matches!(clock, REALTIME | MONOTONIC | 4..=9 | 11)
}

const REALTIME: c_int = 0;
const MONOTONIC: c_int = 1;
const NANOS: i64 = 1_000_000_000;

const _: () = assert!(size_of::<c_long>() == size_of::<i64>(), "seconds are of 64 bits");
