//! The two files that the shim shares with the harness, mapped into the process.
//!
//! They are memory of the kernel: what was stored there stays when the process is killed in the
//! middle. The order of changes is kept by one lock of the process, which no thread holds for
//! longer than a call takes.

use core::ffi::{CStr, c_char, c_int, c_long};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use crate::kernel::{self, call};
use crate::layout::*;

/// The words of the control file; null where there is none.
static CONTROL: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());

/// The undo log.
static LOG: AtomicPtr<u8> = AtomicPtr::new(null_mut());

/// The thread that has the order of changes; zero, if none has.
static OWNER: AtomicUsize = AtomicUsize::new(0);

/// Whether that thread took it for a fork.
static FORKING: AtomicBool = AtomicBool::new(false);

/// The control file of this process.
#[derive(Clone, Copy)]
pub(crate) struct Control(*mut AtomicU64);

/// Maps the two files that the environment names, if it does.
pub(crate) fn open() {
    let Some(folder) = kernel::variable(c"SYNOD_SHIM") else { return };
    let (Some(control), Some(log)) =
        (map(folder, b"/control", CONTROL_BYTES as u64), map(folder, b"/undo", LOG_BYTES_MAX))
    else {
        return;
    };
    // SAFETY: the first word of a mapped file that is larger than a word.
    let magic = unsafe { &*control.cast::<AtomicU64>() };
    if magic.load(Ordering::Acquire) != MAGIC {
        return;
    }
    kernel::around_forks(hold, release, release_in_child);
    // First, so that whoever finds the control file finds the log.
    LOG.store(log, Ordering::Release);
    CONTROL.store(control.cast(), Ordering::Release);
}

fn map(folder: &CStr, name: &[u8], bytes: u64) -> Option<*mut u8> {
    let mut path = [0_u8; FOLDER_BYTES_MAX];
    let folder = folder.to_bytes();
    let whole = folder.len().checked_add(name.len())?;
    path.get_mut(..folder.len())?.copy_from_slice(folder);
    // One byte stays zero: the end of the text.
    path[..FOLDER_BYTES_MAX - 1].get_mut(folder.len()..whole)?.copy_from_slice(name);
    let flags = kernel::O_CLOEXEC | kernel::O_RDWR;
    let fd = call!(kernel::SYS_OPENAT, kernel::AT_FDCWD, path.as_ptr(), flags, 0);
    let fd = c_int::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    let is_whole = kernel::stat(fd).is_some_and(|stat| stat.size >= bytes);
    let rights = kernel::PROT_READ | kernel::PROT_WRITE;
    let mapped = if is_whole {
        call!(kernel::SYS_MMAP, 0, bytes, rights, kernel::MAP_SHARED, fd, 0)
    } else {
        -1
    };
    call!(kernel::SYS_CLOSE, fd);
    (mapped != -1).then(|| core::ptr::with_exposed_provenance_mut(mapped as usize))
}

impl Control {
    /// Returns the control file, if the process has one.
    pub(crate) fn of_process() -> Option<Self> {
        let words = CONTROL.load(Ordering::Acquire);
        (!words.is_null()).then_some(Self(words))
    }

    /// Returns a word.
    pub(crate) fn word(self, place: usize) -> &'static AtomicU64 {
        debug_assert!(place < FOLDER_AT / 8);
        // SAFETY: the file is mapped for as long as the process lives, and has that many words.
        unsafe { &*self.0.add(place) }
    }

    /// Counts something.
    pub(crate) fn count(self, what: usize) {
        self.word(WORD_COUNTS + what).fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that something went past the shim.
    pub(crate) fn note(self, gap: u64) {
        self.word(WORD_GAPS).fetch_or(gap, Ordering::Relaxed);
    }

    /// Counts one more call that fails, unless as many failed as may; returns whether it does. The
    /// harness writes the one word and the shim the other, so no order is lost and none kept twice.
    pub(crate) fn takes(self, limit: usize, count: usize) -> bool {
        let limit = self.word(limit).load(Ordering::Relaxed);
        let more = |count: u64| (count < limit).then_some(count + 1);
        let count = self.word(WORD_COUNTS + count);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Returns a number below `bound`, another one each time.
    pub(crate) fn drawn(self, bound: u64) -> u64 {
        // Sebastiano Vigna's SplitMix64 (2015): what follows from a counter looks like chance.
        let mut mixed = self.word(WORD_SEED).fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    /// Tells whether a path is the watched folder, or below it.
    pub(crate) fn watches(self, path: &[u8]) -> bool {
        // SAFETY: the path stands in the mapped file, and a zero ends it.
        let folder = unsafe { CStr::from_ptr(self.0.cast::<c_char>().add(FOLDER_AT)) }.to_bytes();
        let Some(rest) = path.strip_prefix(folder) else { return false };
        !folder.is_empty() && (rest.is_empty() || rest[0] == b'/')
    }

    /// Takes room in the undo log, of whole words; notes it if there is none.
    pub(crate) fn room(self, bytes: usize) -> Option<*mut u64> {
        let taken = self.word(WORD_LOG_BYTES).fetch_add(bytes as u64, Ordering::Relaxed);
        let end = taken.saturating_add(bytes as u64);
        let has_room = || self.word(WORD_LOG_ROOM).load(Ordering::Acquire) >= end;
        if end > LOG_BYTES_MAX || !(has_room() || self.make_room(end)) {
            self.note(GAP_LOG);
            return None;
        }
        // SAFETY: the log is mapped for as long as the process lives, and the file system has the
        // room for this part.
        unsafe {
            let record = LOG.load(Ordering::Acquire).add(taken as usize).cast::<u64>();
            // Whoever reads the log passes over a record that is begun and not finished.
            record.add(HEAD_KIND).write((bytes as u64) << KIND_BITS);
            Some(record)
        }
    }
}

impl Control {
    /// Makes the log's next part one that can be stored in: where the file system has no room, a
    /// store into a hole of the file would end the process.
    fn make_room(self, end: u64) -> bool {
        let before = kernel::error();
        // SAFETY: within the mapped file, where a path stands that a zero ends.
        let path = unsafe { self.0.cast::<u8>().add(UNDO_AT) };
        let flags = kernel::O_CLOEXEC | kernel::O_RDWR;
        let fd = call!(kernel::SYS_OPENAT, kernel::AT_FDCWD, path, flags, 0);
        let from = self.word(WORD_LOG_ROOM).load(Ordering::Acquire);
        let to = end.next_multiple_of(ROOM_BYTES).min(LOG_BYTES_MAX);
        let mut made = fd >= 0;
        while made && call!(kernel::SYS_FALLOCATE, fd, 0, from, to.saturating_sub(from)) != 0 {
            made = kernel::error() == kernel::EINTR;
        }
        if made {
            self.word(WORD_LOG_ROOM).fetch_max(to, Ordering::AcqRel);
        }
        if fd >= 0 {
            call!(kernel::SYS_CLOSE, fd);
        }
        kernel::set_error(before);
        made
    }
}

/// The order of changes, for as long as it lives. One thread has it at a time, and once.
pub(crate) struct Ordered(());

impl Ordered {
    /// Waits for the other threads, but not for ever: the one that has it may be gone, in a child
    /// that was made past the C library. A handler of signals that interrupts its own thread does
    /// not get it at all. Whoever does not get it goes on without a record, which is noted.
    pub(crate) fn wait(control: Control) -> Option<Self> {
        let own = kernel::thread();
        for _ in 0..TURNS_MAX {
            match OWNER.compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Self(())),
                Err(owner) if owner == own => break,
                Err(_) => call!(kernel::SYS_SCHED_YIELD),
            };
        }
        control.note(GAP_ORDER);
        None
    }
}

impl Drop for Ordered {
    fn drop(&mut self) {
        OWNER.store(0, Ordering::Release);
    }
}

/// Takes the order before a fork, so that no child begins in the middle of a change.
extern "C" fn hold() {
    if let Some(control) = Control::of_process()
        && let Some(order) = Ordered::wait(control)
    {
        core::mem::forget(order);
        FORKING.store(true, Ordering::Relaxed);
    }
}

/// Gives it back, if this thread took it for the fork.
extern "C" fn release() {
    if OWNER.load(Ordering::Relaxed) == kernel::thread() && FORKING.swap(false, Ordering::Relaxed) {
        OWNER.store(0, Ordering::Release);
    }
}

/// Gives it back in a child, where no other thread is.
extern "C" fn release_in_child() {
    release();
    if OWNER.load(Ordering::Relaxed) != kernel::thread() {
        OWNER.store(0, Ordering::Release);
    }
}

/// How much room is made at a time.
const ROOM_BYTES: u64 = 1 << 20;

/// How often a thread lets others go first.
const TURNS_MAX: u32 = 5_000_000;

const _: () = assert!(size_of::<c_long>() == 8, "addresses and sizes are words");
