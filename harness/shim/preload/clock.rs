//! The clocks of the process: those of the machine, or as the faults in force have them.
//!
//! All clocks that show time are ahead by as much; those that count what a processor did are left
//! alone. What is waited for by an absolute time is the kernel's and knows nothing of it.

use core::ffi::{c_int, c_long, c_void};
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

fn change(control: Control, clock: c_int, time: &mut Time) {
    let Some((since, ahead, ppm)) = words(control) else { return };
    if ahead == 0 && ppm == 0 {
        return;
    }
    let mut now = Time::default();
    let now = if clock == MONOTONIC {
        *time
    } else {
        real(MONOTONIC, &raw mut now);
        now
    };
    let passed = i128::from(nanos(&now).saturating_sub(since).max(0));
    let drift = passed * i128::from(ppm) / 1_000_000;
    let shown = i128::from(nanos(time)) + i128::from(ahead) + drift;
    let shown = i64::try_from(shown.max(0)).unwrap_or(i64::MAX);
    (time.seconds, time.nanos) = (shown / NANOS, shown % NANOS);
    control.count(COUNT_CLOCK_READS_CHANGED);
}

/// Reads the words of the clock, all of one turn.
fn words(control: Control) -> Option<(i64, i64, i64)> {
    let turn = control.word(WORD_CLOCK_TURN);
    for _ in 0..TURNS_MAX {
        let before = turn.load(Ordering::Acquire);
        let word = |place| control.word(place).load(Ordering::Relaxed).cast_signed();
        let words = (word(WORD_CLOCK_SINCE), word(WORD_CLOCK_AHEAD), word(WORD_CLOCK_PPM));
        fence(Ordering::Acquire);
        if before.is_multiple_of(2) && turn.load(Ordering::Relaxed) == before {
            return Some(words);
        }
    }
    None
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
const fn shows_time(clock: c_int) -> bool {
    matches!(clock, REALTIME | MONOTONIC | 4..=9 | 11)
}

const REALTIME: c_int = 0;
const MONOTONIC: c_int = 1;
const NANOS: i64 = 1_000_000_000;

/// How often the words are read again while they change.
const TURNS_MAX: u32 = 100_000;

const _: () = assert!(size_of::<c_long>() == size_of::<i64>(), "seconds are of 64 bits");
