//! The calls that go down: what of the C library and of the kernel the shim itself uses.
//!
//! The kernel is entered by its own instruction, so that no call of the shim comes back to it.

use core::arch::asm;
use core::ffi::{CStr, c_char, c_int, c_long, c_void};

// The C library has `dlsym` in a library of its own before version 2.34.
#[link(name = "dl")]
#[link(name = "c")]
unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    fn getenv(name: *const c_char) -> *const c_char;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlvsym(handle: *mut c_void, name: *const c_char, version: *const c_char) -> *mut c_void;
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> c_int;
}

/// What the shim asks of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    /// The file system.
    pub(crate) device: u64,
    /// The number of the file there.
    pub(crate) inode: u64,
    /// How large it is.
    pub(crate) size: u64,
    /// Whether it is an ordinary file.
    pub(crate) is_file: bool,
    /// Whether it is a folder.
    pub(crate) is_folder: bool,
}

/// A time as the C library has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Time {
    /// Whole seconds.
    pub(crate) seconds: i64,
    /// Nanoseconds of the next one.
    pub(crate) nanos: i64,
}

/// A piece of memory as `writev` takes it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Where it begins.
    pub(crate) base: *const u8,
    /// How long it is.
    pub(crate) length: usize,
}

/// Makes a system call with its arguments, which sets `errno` where it fails.
macro_rules! call {
    ($number:expr $(, $argument:expr)*) => {
        // SAFETY: the arguments are those of the call, and come from the program as they are.
        unsafe { $crate::kernel::raw($number, [$($argument as c_long),*]) }
    };
}
pub(crate) use call;

/// Makes a system call, and sets `errno` where it fails, as the C library's `syscall` does.
///
/// # Safety
///
/// The arguments must be right for the call.
pub(crate) unsafe fn raw<const N: usize>(number: c_long, arguments: [c_long; N]) -> c_long {
    let mut all = [0; 6];
    for (place, argument) in all.iter_mut().zip(arguments) {
        *place = argument;
    }
    // SAFETY: what the caller vouches for; the kernel ignores arguments that a call does not have.
    let told = unsafe { enter(number, all) };
    if (-ERRORS_MAX..0).contains(&told) { fail(-told as c_int) } else { told }
}

/// Enters the kernel.
///
/// # Safety
///
/// The arguments must be right for the call.
#[cfg(target_arch = "x86_64")]
unsafe fn enter(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
    let told;
    // SAFETY: the kernel changes `rax`, `rcx` and `r11` alone, and memory as the call says.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => told,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    told
}

/// Enters the kernel.
///
/// # Safety
///
/// The arguments must be right for the call.
#[cfg(target_arch = "aarch64")]
unsafe fn enter(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
    let told;
    // SAFETY: the kernel changes `x0` alone, and memory as the call says.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => told,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    told
}

/// Sets `errno`, and returns what a call returns that fails.
pub(crate) fn fail(error: c_int) -> c_long {
    // SAFETY: the C library has an `errno` for each thread.
    unsafe { *__errno_location() = error };
    -1
}

/// Returns a number that no other thread of the process has: where its `errno` stands.
pub(crate) fn thread() -> usize {
    // SAFETY: as in `fail`.
    unsafe { __errno_location() }.addr()
}

/// Returns `errno`.
pub(crate) fn error() -> c_int {
    // SAFETY: as in `fail`.
    unsafe { *__errno_location() }
}

/// Sets `errno` back, so that a call of the shim leaves no trace.
pub(crate) fn set_error(error: c_int) {
    fail(error);
}

/// Asks what an open file is.
pub(crate) fn stat(fd: c_int) -> Option<Stat> {
    stat_at(fd, c"".as_ptr(), AT_EMPTY_PATH)
}

/// Asks what stands at a path.
pub(crate) fn stat_at(folder: c_int, path: *const c_char, flags: c_int) -> Option<Stat> {
    let mut words = [0_u64; 32];
    let before = error();
    let told = call!(SYS_STATX, folder, path, flags, STATX_BASIC, words.as_mut_ptr());
    set_error(before);
    if told != 0 {
        return None;
    }
    // The layout is the same on every machine: the mode in the upper half of a word, then the
    // number of the file, its size, and the two halves of the number of the file system.
    let bytes = words.as_ptr().cast::<u8>();
    // SAFETY: both stand within the 256 bytes that the kernel filled.
    let (mode, major, minor) = unsafe {
        let mode = bytes.add(28).cast::<u16>().read_unaligned();
        let major = bytes.add(136).cast::<u32>().read_unaligned();
        (mode, major, bytes.add(140).cast::<u32>().read_unaligned())
    };
    Some(Stat {
        device: u64::from(major) << 32 | u64::from(minor),
        inode: words[4],
        size: words[5],
        is_file: mode & MODE_KIND == MODE_FILE,
        is_folder: mode & MODE_KIND == MODE_FOLDER,
    })
}

/// Reads the path of an open file; returns how long it is.
pub(crate) fn path_of(fd: c_int, path: &mut [u8]) -> usize {
    let mut name = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0";
    let (mut digits, mut count, mut left) = ([0_u8; 10], 0, fd.unsigned_abs());
    loop {
        digits[count] = b'0' + (left % 10) as u8;
        (count, left) = (count + 1, left / 10);
        if left == 0 {
            break;
        }
    }
    for (place, digit) in digits[..count].iter().rev().enumerate() {
        name[14 + place] = *digit;
    }
    let before = error();
    let length = call!(SYS_READLINKAT, AT_FDCWD, name.as_ptr(), path.as_mut_ptr(), path.len());
    set_error(before);
    usize::try_from(length).unwrap_or(0)
}

/// Lets the thread sleep.
pub(crate) fn rest(nanos: u64) {
    let time =
        Time { seconds: (nanos / 1_000_000_000) as i64, nanos: (nanos % 1_000_000_000) as i64 };
    let before = error();
    call!(SYS_NANOSLEEP, &raw const time, 0);
    set_error(before);
}

/// Finds the next function of that name behind the shim.
pub(crate) fn next_function(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a zero; -1 is what the C library calls the next one.
    unsafe { dlsym(core::ptr::without_provenance_mut(usize::MAX), name.as_ptr()) }
}

/// Finds the function of that name and version behind the shim, or else of that name. Without a
/// version the oldest is found, which may be another function under the same name.
pub(crate) fn next_version(name: &CStr, version: &CStr) -> *mut c_void {
    let handle = core::ptr::without_provenance_mut(usize::MAX);
    // SAFETY: both texts end with a zero; -1 is what the C library calls the next one.
    let found = unsafe { dlvsym(handle, name.as_ptr(), version.as_ptr()) };
    if found.is_null() { next_function(name) } else { found }
}

/// Reads a variable of the environment.
pub(crate) fn variable(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: the C library returns null, or a text that ends with a zero and stays.
    unsafe {
        let value = getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}

/// Has functions called around each fork.
pub(crate) fn around_forks(
    before: extern "C" fn(),
    parent: extern "C" fn(),
    child: extern "C" fn(),
) {
    // SAFETY: all are functions that stay.
    unsafe { pthread_atfork(Some(before), Some(parent), Some(child)) };
}

pub(crate) const AT_FDCWD: c_int = -100;
pub(crate) const AT_EMPTY_PATH: c_int = 0x1000;
pub(crate) const STATX_BASIC: c_int = 0x7ff;
const MODE_KIND: u16 = 0o170_000;
const MODE_FILE: u16 = 0o100_000;
const MODE_FOLDER: u16 = 0o040_000;

/// The kernel's errors are the negative numbers from here on.
const ERRORS_MAX: c_long = 4_095;

pub(crate) const EINTR: c_int = 4;
pub(crate) const EIO: c_int = 5;
pub(crate) const EACCES: c_int = 13;
pub(crate) const EINVAL: c_int = 22;
pub(crate) const ENOSPC: c_int = 28;

pub(crate) const O_ACCMODE: c_int = 3;
pub(crate) const O_WRONLY: c_int = 1;
pub(crate) const O_RDWR: c_int = 2;
pub(crate) const O_CREAT: c_int = 0o100;
pub(crate) const O_TRUNC: c_int = 0o1000;
pub(crate) const O_APPEND: c_int = 0o2000;
pub(crate) const O_DSYNC: c_int = 0o10_000;
pub(crate) const O_CLOEXEC: c_int = 0o2_000_000;
pub(crate) const O_PATH: c_int = 0o10_000_000;
pub(crate) const SYS_IO_URING_SETUP: c_long = 425;

pub(crate) const F_GETFL: c_int = 3;
pub(crate) const SEEK_CUR: c_int = 1;
pub(crate) const PROT_READ: c_int = 1;
pub(crate) const PROT_WRITE: c_int = 2;
pub(crate) const MAP_SHARED: c_int = 1;

/// The numbers of the system calls.
#[cfg(target_arch = "x86_64")]
mod numbers {
    use core::ffi::c_long;
    pub(crate) const SYS_SENDFILE: c_long = 40;
    pub(crate) const SYS_SYNC: c_long = 162;
    pub(crate) const SYS_SPLICE: c_long = 275;
    pub(crate) const SYS_SYNCFS: c_long = 306;
    pub(crate) const SYS_COPY_FILE_RANGE: c_long = 326;
    pub(crate) const SYS_PWRITEV2: c_long = 328;
    pub(crate) const SYS_WRITE: c_long = 1;
    pub(crate) const SYS_CLOSE: c_long = 3;
    pub(crate) const SYS_LSEEK: c_long = 8;
    pub(crate) const SYS_MMAP: c_long = 9;
    pub(crate) const SYS_PREAD: c_long = 17;
    pub(crate) const SYS_PWRITE: c_long = 18;
    pub(crate) const SYS_WRITEV: c_long = 20;
    pub(crate) const SYS_SCHED_YIELD: c_long = 24;
    pub(crate) const SYS_NANOSLEEP: c_long = 35;
    pub(crate) const SYS_FCNTL: c_long = 72;
    pub(crate) const SYS_FSYNC: c_long = 74;
    pub(crate) const SYS_FDATASYNC: c_long = 75;
    pub(crate) const SYS_FTRUNCATE: c_long = 77;
    pub(crate) const SYS_FUTEX: c_long = 202;
    pub(crate) const SYS_CLOCK_GETTIME: c_long = 228;
    pub(crate) const SYS_CLOCK_NANOSLEEP: c_long = 230;
    pub(crate) const SYS_OPENAT: c_long = 257;
    pub(crate) const SYS_READLINKAT: c_long = 267;
    pub(crate) const SYS_FALLOCATE: c_long = 285;
    pub(crate) const SYS_TIMERFD_SETTIME: c_long = 286;
    pub(crate) const SYS_PWRITEV: c_long = 296;
    pub(crate) const SYS_STATX: c_long = 332;
}

/// The numbers of the system calls.
#[cfg(target_arch = "aarch64")]
mod numbers {
    use core::ffi::c_long;
    pub(crate) const SYS_SENDFILE: c_long = 71;
    pub(crate) const SYS_SPLICE: c_long = 76;
    pub(crate) const SYS_SYNC: c_long = 81;
    pub(crate) const SYS_SYNCFS: c_long = 267;
    pub(crate) const SYS_COPY_FILE_RANGE: c_long = 285;
    pub(crate) const SYS_PWRITEV2: c_long = 287;
    pub(crate) const SYS_FCNTL: c_long = 25;
    pub(crate) const SYS_FTRUNCATE: c_long = 46;
    pub(crate) const SYS_FALLOCATE: c_long = 47;
    pub(crate) const SYS_OPENAT: c_long = 56;
    pub(crate) const SYS_CLOSE: c_long = 57;
    pub(crate) const SYS_LSEEK: c_long = 62;
    pub(crate) const SYS_WRITE: c_long = 64;
    pub(crate) const SYS_WRITEV: c_long = 66;
    pub(crate) const SYS_PREAD: c_long = 67;
    pub(crate) const SYS_PWRITE: c_long = 68;
    pub(crate) const SYS_PWRITEV: c_long = 70;
    pub(crate) const SYS_READLINKAT: c_long = 78;
    pub(crate) const SYS_FSYNC: c_long = 82;
    pub(crate) const SYS_FDATASYNC: c_long = 83;
    pub(crate) const SYS_TIMERFD_SETTIME: c_long = 86;
    pub(crate) const SYS_FUTEX: c_long = 98;
    pub(crate) const SYS_NANOSLEEP: c_long = 101;
    pub(crate) const SYS_CLOCK_GETTIME: c_long = 113;
    pub(crate) const SYS_CLOCK_NANOSLEEP: c_long = 115;
    pub(crate) const SYS_SCHED_YIELD: c_long = 124;
    pub(crate) const SYS_MMAP: c_long = 222;
    pub(crate) const SYS_STATX: c_long = 291;
}

pub(crate) use numbers::*;
