//! Waits until a time: the functions of the C library, and the kernel's call, that take a time of
//! a clock and not a span.
//!
//! A program works that time out from a clock as the shim shows it, and the kernel waits by its
//! own. So each is passed on with the time that is as far away by the machine's clock. All clocks
//! are ahead by as much, so nobody need know which one is meant. What waits for a span is left
//! alone. The claim kept true: no wait is longer or shorter than the span that was left to it.

use core::ffi::{c_int, c_long, c_void};
use core::ptr::null_mut;
use core::sync::atomic::AtomicPtr;

use crate::clock;
use crate::kernel::{self, Time, call};

/// Defines functions of C that take a deadline as their last argument, with the version of each on
/// either machine. All others are words, which are passed on as they came.
macro_rules! deadline {
    ($($name:ident $version:literal ($($argument:ident $word:ty),*);)+) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name($($argument: $word,)* deadline: *const Time) -> c_long {
            static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
            let name = concat!(stringify!($name), "\0");
            let next = clock::next(&NEXT, text(name), text(concat!($version, "\0")));
            if next.is_null() {
                return c_long::from(kernel::EINVAL);
            }
            // SAFETY: it is the C library's function of this name, which takes so many words and a
            // deadline, and returns a word.
            let next: extern "C" fn($($word,)* *const Time) -> c_long =
                unsafe { core::mem::transmute(next) };
            clock::until(deadline, |deadline| next($($argument,)* deadline))
        }
    )+};
}

// The first version of a condition is another one, with another layout. A function that this
// version does not have is found by its name.
deadline! {
    pthread_cond_timedwait "GLIBC_2.3.2" (condition usize, mutex usize);
    pthread_cond_clockwait "GLIBC_2.34" (condition usize, mutex usize, clock usize);
    pthread_mutex_timedlock "GLIBC_2.34" (mutex usize);
    pthread_mutex_clocklock "GLIBC_2.34" (mutex usize, clock usize);
    pthread_rwlock_timedrdlock "GLIBC_2.34" (lock usize);
    pthread_rwlock_timedwrlock "GLIBC_2.34" (lock usize);
    pthread_rwlock_clockrdlock "GLIBC_2.34" (lock usize, clock usize);
    pthread_rwlock_clockwrlock "GLIBC_2.34" (lock usize, clock usize);
    sem_timedwait "GLIBC_2.34" (semaphore usize);
    sem_clockwait "GLIBC_2.34" (semaphore usize, clock usize);
    pthread_timedjoin_np "GLIBC_2.34" (thread usize, place usize);
    pthread_clockjoin_np "GLIBC_2.34" (thread usize, place usize, clock usize);
    mq_timedsend "GLIBC_2.34" (queue usize, bytes usize, length usize, priority usize);
    mq_timedreceive "GLIBC_2.34" (queue usize, bytes usize, length usize, priority usize);
}

/// Sleeps for a span, or until a time.
#[unsafe(no_mangle)]
extern "C" fn clock_nanosleep(
    clock: c_int,
    flags: c_int,
    time: *const Time,
    left: *mut Time,
) -> c_int {
    let until = flags & ABSOLUTE != 0 && clock::shows_time(clock);
    let before = kernel::error();
    let sleep = |time| call!(kernel::SYS_CLOCK_NANOSLEEP, clock, flags, time, left);
    let slept = if until { clock::until(time, sleep) } else { sleep(time) };
    // It says why it failed, and leaves `errno` alone.
    let why = if slept == 0 { 0 } else { kernel::error() };
    kernel::set_error(before);
    why
}

/// Sets a timer that is a descriptor: each how often, and first when.
#[unsafe(no_mangle)]
extern "C" fn timerfd_settime(
    fd: c_int,
    flags: c_int,
    new: *const [Time; 2],
    old: *mut [Time; 2],
) -> c_int {
    let set = |new| call!(kernel::SYS_TIMERFD_SETTIME, fd, flags, new, old) as c_int;
    if flags & ABSOLUTE == 0 || new.is_null() {
        return set(new);
    }
    // SAFETY: the caller gives two times.
    let [every, first] = unsafe { new.read() };
    // Zero ends the timer.
    match clock::real_deadline(&raw const first) {
        Some(first_real) if nonzero(&first) => {
            let real = [every, first_real];
            set(&raw const real)
        }
        Some(_) | None => set(new),
    }
}

/// Makes the kernel's call on a word that threads wait for, as the standard library of Rust does.
pub(crate) fn futex(arguments: [c_long; 6]) -> c_long {
    let [word, what, value, deadline, other, bits] = arguments;
    let wait =
        |deadline: *const Time| call!(kernel::SYS_FUTEX, word, what, value, deadline, other, bits);
    let given = core::ptr::with_exposed_provenance::<Time>(deadline as usize);
    // Only these take a time in place of a span; to some of the others it is no pointer at all.
    match what & !FUTEX_FLAGS {
        FUTEX_WAIT_BITSET => clock::until(given, wait),
        _ => wait(given),
    }
}

const fn nonzero(time: &Time) -> bool {
    time.seconds != 0 || time.nanos != 0
}

/// Returns a text that ends with a zero as C has it.
fn text(bytes: &'static str) -> &'static core::ffi::CStr {
    core::ffi::CStr::from_bytes_with_nul(bytes.as_bytes()).unwrap_or(c"")
}

/// The flag of a wait until a time.
const ABSOLUTE: c_int = 1;

const FUTEX_WAIT_BITSET: c_long = 9;

/// Whether a word is of one process, and which clock a deadline is of.
const FUTEX_FLAGS: c_long = 128 | 256;
