//! The functions of the C library that the shim stands before, under their own names.
//!
//! Each does what the kernel's call of that name does; what else happens is up to `disk` and
//! `clock`. A function that takes more arguments in some cases is defined with all of them: both
//! machines pass them in the same registers.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};

use crate::clock;
use crate::disk::{self, Allowed, Change, Place};
use crate::kernel::{self, Piece, Time, call};
use crate::layout::GAP_RINGS;
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
    open_at(kernel::AT_FDCWD, path, kernel::O_CREAT | kernel::O_TRUNC | kernel::O_WRONLY, mode)
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

define! { pwritev2, pwritev64v2:
    (fd: c_int, pieces: *const Piece, count: c_int, offset: i64, flags: c_int) -> c_long {
    let all = slice(pieces, count);
    let write = || call!(kernel::SYS_PWRITEV2, fd, pieces, count, offset, 0, flags);
    if flags & !HARMLESS != 0 {
        return match Change::begin(fd) {
            Some(change) => change.pass_by(write),
            None => write(),
        };
    }
    write_to(fd, all, at(offset), |length| {
        let first = first_piece(all);
        let part = Piece { length: length.min(first.length), ..first };
        call!(kernel::SYS_PWRITEV2, fd, &raw const part, 1, offset, 0, flags)
    }, write)
}}

define! { copy_file_range: (
    from: c_int, at: *mut i64, fd: c_int, offset: *mut i64, length: usize, flags: c_uint
) -> c_long {
    copy_to(fd, offset, length, |length| {
        call!(kernel::SYS_COPY_FILE_RANGE, from, at, fd, offset, length, flags)
    })
}}

define! { sendfile, sendfile64:
    (fd: c_int, from: c_int, at: *mut i64, length: usize) -> c_long {
    copy_to(fd, core::ptr::null(), length, |length| {
        call!(kernel::SYS_SENDFILE, fd, from, at, length)
    })
}}

define! { splice: (
    from: c_int, at: *mut i64, fd: c_int, offset: *mut i64, length: usize, flags: c_uint
) -> c_long {
    // It may wait for a pipe, and nobody could change a file meanwhile.
    disk::on_unknown(fd);
    call!(kernel::SYS_SPLICE, from, at, fd, offset, length, flags)
}}

define! { sync: () -> () {
    disk::sync_all(0, || call!(kernel::SYS_SYNC));
}}

define! { syncfs: (fd: c_int) -> c_int {
    let sync = || call!(kernel::SYS_SYNCFS, fd);
    let Some(stat) = kernel::stat(fd) else { return sync() as c_int };
    disk::sync_all(stat.device, sync) as c_int
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
        kernel::SYS_IO_URING_SETUP => {
            if let Some(control) = Control::of_process() {
                control.note(GAP_RINGS);
            }
            call!(number, a, b, c, d, e, f)
        }
        _ => call!(number, a, b, c, d, e, f),
    }
}}

fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let open = |flags: c_int| call!(kernel::SYS_OPENAT, folder, path, flags, mode) as c_int;
    let writes = flags & kernel::O_ACCMODE != 0 && flags & kernel::O_PATH == 0;
    let Some(control) = Control::of_process().filter(|_| writes) else { return open(flags) };
    let before = kernel::error();
    let stat = kernel::stat_at(folder, path, 0);
    let is_new = flags & kernel::O_CREAT != 0 && stat.is_none();
    let is_watched = stat.is_some_and(|stat| stat.is_file) && disk::watches(control, folder, path);
    kernel::set_error(before);
    if !is_new && !is_watched {
        let fd = open(flags);
        if fd >= 0 {
            disk::on_open(fd, false);
        }
        return fd;
    }
    // What stands in the file is read through the program's own descriptor before it changes, so
    // it is opened for reading, too, and emptied once it is open.
    let readable = match flags & kernel::O_ACCMODE {
        kernel::O_WRONLY => flags & !kernel::O_ACCMODE | kernel::O_RDWR,
        _ => flags,
    };
    let mut fd = open(readable & !kernel::O_TRUNC);
    if fd < 0 && readable != flags && kernel::error() == kernel::EACCES {
        kernel::set_error(before);
        fd = open(flags & !kernel::O_TRUNC);
    }
    if fd >= 0 {
        disk::on_open(fd, is_new);
        if flags & kernel::O_TRUNC != 0 && !is_new && ftruncate(fd, 0) != 0 {
            let why = kernel::error();
            call!(kernel::SYS_CLOSE, fd);
            return kernel::fail(why) as c_int;
        }
    }
    fd
}

/// Copies to a file from where no memory of the program is: a part at a time, which these calls
/// may do.
fn copy_to(
    fd: c_int,
    offset: *const i64,
    length: usize,
    copy: impl FnOnce(usize) -> c_long,
) -> c_long {
    let Some(change) = Change::begin(fd) else { return copy(length) };
    // SAFETY: the caller gives a place that holds an offset, or none.
    let place = if offset.is_null() { Place::Current } else { at(unsafe { offset.read() }) };
    match change.allow(place, length.min(COPIED_BYTES_MAX)) {
        Allowed::Nothing(why) => kernel::fail(why),
        Allowed::Bytes(allowed) => change.write(place, allowed, || copy(allowed)),
    }
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
        0 | KEEP_SIZE => change.touch(reserve),
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

const KEEP_SIZE: c_int = 1;

/// Ways of writing that change nothing of what is written.
const HARMLESS: c_int = 1 | 8;

/// The most bytes that one call copies.
const COPIED_BYTES_MAX: usize = 1 << 20;

const NANOS: i64 = 1_000_000_000;
