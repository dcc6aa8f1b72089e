//! The functions of the C library that the shim stands before, under their own names.
//!
//! Each does what the kernel's call of that name does; what else happens is up to `disk` and
//! `clock`. A function that takes more arguments in some cases is defined with all of them: both
//! machines pass them in the same registers.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};

use crate::clock;
use crate::disk::{self, Allowed, Change, Place};
use crate::kernel::{self, Piece, Time, call};
use crate::state::Control;
use crate::waits;

/// Defines a function of C under all of its names.
macro_rules! define {
    ($($name:ident),+ : $arguments:tt -> $result:ty $body:block) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name $arguments -> $result $body
    )+};
}

define! { open, open64, __open_2, __open64_2:
    (path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open_at(kernel::AT_FDCWD, path, flags, mode)
}}

define! { openat, openat64, __openat_2, __openat64_2:
    (folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open_at(folder, path, flags, mode)
}}

define! { creat, creat64: (path: *const c_char, mode: c_uint) -> c_int {
    open_at(kernel::AT_FDCWD, path, kernel::O_CREAT | kernel::O_TRUNC | WRITE_ONLY, mode)
}}

define! { write: (fd: c_int, bytes: *const u8, length: usize) -> c_long {
    write_to(fd, &[Piece { base: bytes, length }], Place::Current, |length| {
        call!(kernel::SYS_WRITE, fd, bytes, length)
    }, || call!(kernel::SYS_WRITE, fd, bytes, length))
}}

define! { pwrite, pwrite64: (fd: c_int, bytes: *const u8, length: usize, offset: i64) -> c_long {
    write_to(fd, &[Piece { base: bytes, length }], at(offset), |length| {
        call!(kernel::SYS_PWRITE, fd, bytes, length, offset)
    }, || call!(kernel::SYS_PWRITE, fd, bytes, length, offset))
}}

define! { writev: (fd: c_int, pieces: *const Piece, count: c_int) -> c_long {
    let all = slice(pieces, count);
    write_to(fd, all, Place::Current, |length| {
        let first = first_piece(all);
        call!(kernel::SYS_WRITE, fd, first.base, length.min(first.length))
    }, || call!(kernel::SYS_WRITEV, fd, pieces, count))
}}

define! { pwritev, pwritev64:
    (fd: c_int, pieces: *const Piece, count: c_int, offset: i64) -> c_long {
    let all = slice(pieces, count);
    write_to(fd, all, at(offset), |length| {
        let first = first_piece(all);
        call!(kernel::SYS_PWRITE, fd, first.base, length.min(first.length), offset)
    }, || call!(kernel::SYS_PWRITEV, fd, pieces, count, offset, 0))
}}

define! { fsync: (fd: c_int) -> c_int {
    disk::sync(fd, || call!(kernel::SYS_FSYNC, fd)) as c_int
}}

define! { fdatasync: (fd: c_int) -> c_int {
    disk::sync(fd, || call!(kernel::SYS_FDATASYNC, fd)) as c_int
}}

define! { ftruncate, ftruncate64: (fd: c_int, size: i64) -> c_int {
    let cut = || call!(kernel::SYS_FTRUNCATE, fd, size);
    let Some(change) = Change::begin(fd) else { return cut() as c_int };
    match u64::try_from(size) {
        Ok(size) => change.resize(size, cut) as c_int,
        Err(_) => cut() as c_int,
    }
}}

define! { fallocate, fallocate64: (fd: c_int, mode: c_int, offset: i64, length: i64) -> c_int {
    reserve(fd, mode, offset, length)
}}

define! { posix_fallocate, posix_fallocate64: (fd: c_int, offset: i64, length: i64) -> c_int {
    let before = kernel::error();
    let refused = reserve(fd, 0, offset, length) != 0;
    let why = kernel::error();
    kernel::set_error(before);
    if refused { why } else { 0 }
}}

define! { mmap, mmap64: (
    address: *mut c_void, length: usize, rights: c_int, flags: c_int, fd: c_int, offset: i64
) -> *mut c_void {
    let shared = flags & kernel::MAP_SHARED != 0 && rights & kernel::PROT_WRITE != 0;
    if shared && fd >= 0 {
        disk::on_map(fd);
    }
    let mapped = call!(kernel::SYS_MMAP, address, length, rights, flags, fd, offset);
    core::ptr::with_exposed_provenance_mut(mapped as usize)
}}

define! { clock_gettime: (clock: c_int, time: *mut Time) -> c_int {
    clock::read(clock, time)
}}

define! { gettimeofday: (time: *mut Time, zone: *mut c_void) -> c_int {
    let _ = zone;
    let now = clock::wall_nanos();
    if !time.is_null() {
        // Microseconds stand where another call has nanoseconds.
        let told = Time { seconds: now / NANOS, nanos: now % NANOS / 1_000 };
        // SAFETY: the caller gives a place for it.
        unsafe { time.write(told) };
    }
    0
}}

define! { time: (place: *mut i64) -> i64 {
    let seconds = clock::wall_nanos() / NANOS;
    if !place.is_null() {
        // SAFETY: the caller gives a place for it.
        unsafe { place.write(seconds) };
    }
    seconds
}}

// The calls of the kernel that a program makes by their numbers. Those that have a function here
// are taken for that function. It is defined with all six arguments, of which the last one is
// passed on the stack of one of the machines: what stands there is passed on and not looked at.
define! { syscall: (
    number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long
) -> c_long {
    let (fd, at, place) = (a as c_int, b as usize, c as usize);
    let bytes = core::ptr::with_exposed_provenance::<u8>(at);
    match number {
        kernel::SYS_FUTEX => waits::futex([a, b, c, d, e, f]),
        kernel::SYS_WRITE => write(fd, bytes, place),
        kernel::SYS_PWRITE => pwrite(fd, bytes, place, d),
        kernel::SYS_FSYNC => c_long::from(fsync(fd)),
        kernel::SYS_FDATASYNC => c_long::from(fdatasync(fd)),
        kernel::SYS_FTRUNCATE => c_long::from(ftruncate(fd, b)),
        kernel::SYS_CLOCK_GETTIME => {
            c_long::from(clock_gettime(fd, core::ptr::with_exposed_provenance_mut(at)))
        }
        _ => call!(number, a, b, c, d, e, f),
    }
}}

fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let open = || call!(kernel::SYS_OPENAT, folder, path, flags, mode) as c_int;
    if Control::of_process().is_none() || flags & kernel::O_ACCMODE == 0 {
        return open();
    }
    let creates = flags & kernel::O_CREAT != 0;
    let is_new = creates && kernel::stat_at(folder, path, 0).is_none();
    // Who wants a new file and finds another is refused, and that one left as it is.
    let is_refused = creates && !is_new && flags & kernel::O_EXCL != 0;
    if flags & kernel::O_TRUNC != 0 && !is_new && !is_refused {
        empty(folder, path);
    }
    let fd = open();
    if fd >= 0 {
        disk::on_open(fd, is_new);
    }
    fd
}

/// Empties a file that is about to be opened and emptied at once, so that what it held is kept.
fn empty(folder: c_int, path: *const c_char) {
    let before = kernel::error();
    let flags = kernel::O_CLOEXEC | READ_WRITE;
    let fd = call!(kernel::SYS_OPENAT, folder, path, flags, 0) as c_int;
    if fd >= 0 {
        if let Some(change) = Change::begin(fd) {
            change.resize(0, || call!(kernel::SYS_FTRUNCATE, fd, 0));
        }
        call!(kernel::SYS_CLOSE, fd);
    }
    kernel::set_error(before);
}

/// Writes `part` of what was asked where a fault takes a part only, or else the `whole`.
fn write_to(
    fd: c_int,
    pieces: &[Piece],
    place: Place,
    part: impl FnOnce(usize) -> c_long,
    whole: impl FnOnce() -> c_long,
) -> c_long {
    let Some(change) = Change::begin(fd) else { return whole() };
    let length = pieces.iter().fold(0, |sum: usize, piece| sum.saturating_add(piece.length));
    match change.allow(place, length) {
        Allowed::Nothing(why) => kernel::fail(why),
        Allowed::Bytes(allowed) if allowed < length => {
            let allowed = allowed.min(first_piece(pieces).length);
            change.write(place, allowed, || part(allowed))
        }
        Allowed::Bytes(_) => change.write(place, length, whole),
    }
}

fn reserve(fd: c_int, mode: c_int, offset: i64, length: i64) -> c_int {
    let reserve = || call!(kernel::SYS_FALLOCATE, fd, mode, offset, length);
    let Some(change) = Change::begin(fd) else { return reserve() as c_int };
    let end = u64::try_from(offset.saturating_add(length)).unwrap_or(0);
    if !change.allows_size(end) {
        return kernel::fail(kernel::ENOSPC) as c_int;
    }
    let told = match mode {
        0 if end > change.size() => change.resize(end, reserve),
        0 | KEEP_SIZE => reserve(),
        _ => change.pass_by(reserve),
    };
    told as c_int
}

fn slice<'a>(pieces: *const Piece, count: c_int) -> &'a [Piece] {
    match usize::try_from(count) {
        // SAFETY: the caller gives so many of them.
        Ok(count) if count > 0 => unsafe { core::slice::from_raw_parts(pieces, count) },
        Ok(_) | Err(_) => &[],
    }
}

/// Returns the first piece that is not empty.
fn first_piece(pieces: &[Piece]) -> Piece {
    let full = pieces.iter().find(|piece| piece.length > 0);
    full.copied().unwrap_or(Piece { base: core::ptr::null(), length: 0 })
}

fn at(offset: i64) -> Place {
    u64::try_from(offset).map_or(Place::Current, Place::At)
}

const READ_WRITE: c_int = 2;
const WRITE_ONLY: c_int = 1;
const KEEP_SIZE: c_int = 1;
const NANOS: i64 = 1_000_000_000;
