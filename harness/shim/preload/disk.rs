//! What happens to the files of the watched folder: recorded before it happens, or kept from
//! happening by a fault.
//!
//! Files are known by their numbers, so a descriptor may be copied, inherited or renamed at will.
//! Faults are asked for here alone; what is kept of a file after a power loss is not.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_long};
use core::sync::atomic::Ordering;

use crate::clock;
use crate::kernel::{self, Stat, call};
use crate::layout::*;
use crate::state::{Control, Ordered};

/// A file of the watched folder that is about to change, and the order of changes.
pub(crate) struct Change {
    control: Control,
    order: Ordered,
    fd: c_int,
    stat: Stat,
}

/// What a write may do.
pub(crate) enum Allowed {
    /// So many bytes at most.
    Bytes(usize),
    /// Nothing, for this reason.
    Nothing(c_int),
}

/// Where a write begins.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Where the descriptor stands.
    Current,
    /// At this byte.
    At(u64),
}

impl Change {
    /// Begins a change of a file, if it is one of the watched folder.
    pub(crate) fn begin(fd: c_int) -> Option<Self> {
        let control = Control::of_process()?;
        let stat = kernel::stat(fd).filter(|stat| stat.is_file)?;
        let order = Ordered::wait(control)?;
        if !files(&order).watch(control, fd, &stat, Known::Asked) {
            return None;
        }
        // Another thread may have changed the size while this one waited.
        let stat = kernel::stat(fd)?;
        let change = Self { control, order, fd, stat };
        change.look_for_gaps();
        Some(change)
    }

    /// Counts a write, and asks the faults in force how much of it may happen.
    pub(crate) fn allow(&self, place: Place, length: usize) -> Allowed {
        let control = self.control;
        control.count(COUNT_WRITES);
        if length == 0 {
            return Allowed::Bytes(0);
        }
        if control.takes(WORD_FAIL_WRITES, COUNT_WRITES_FAILED) {
            return Allowed::Nothing(kernel::EIO);
        }
        let mut allowed = length;
        if control.word(WORD_FULL).load(Ordering::Relaxed) != 0 {
            // What the file has already, it has for good.
            let room = self.stat.size.saturating_sub(self.offset(place));
            allowed = allowed.min(usize::try_from(room).unwrap_or(usize::MAX));
            if allowed < length {
                control.count(COUNT_WRITES_REFUSED);
            }
            if allowed == 0 {
                return Allowed::Nothing(kernel::ENOSPC);
            }
        }
        if control.word(WORD_SHORT).load(Ordering::Relaxed) != 0 && allowed > 1 {
            allowed = 1 + control.drawn(allowed as u64 - 1) as usize;
            control.count(COUNT_WRITES_SHORT);
        }
        Allowed::Bytes(allowed)
    }

    /// Asks whether the file may grow to a size.
    pub(crate) fn allows_size(&self, size: u64) -> bool {
        let is_full = self.control.word(WORD_FULL).load(Ordering::Relaxed) != 0;
        let refused = is_full && size > self.stat.size;
        if refused {
            self.control.count(COUNT_WRITES_REFUSED);
        }
        !refused
    }

    /// Records a write that is about to happen, lets it happen, and says what the kernel said.
    pub(crate) fn write(
        self,
        place: Place,
        length: usize,
        write: impl FnOnce() -> c_long,
    ) -> c_long {
        let offset = self.offset(place);
        let call = self.next();
        let record = self.keep(KIND_WRITE, call, offset, length as u64);
        let written = write();
        has_happened(record);
        let taken = u64::try_from(written).unwrap_or(0);
        if taken != length as u64 {
            self.record(KIND_SHORT, call, 0, taken);
        }
        let end = if taken == 0 { 0 } else { offset.saturating_add(taken) };
        self.has_size(self.stat.size.max(end));
        let before = kernel::error();
        // Such a descriptor syncs each of its writes.
        if call!(kernel::SYS_FCNTL, self.fd, kernel::F_GETFL) as c_int & kernel::O_DSYNC != 0 {
            self.control.count(COUNT_SYNCS);
            self.record(KIND_SYNC, call, self.next(), 0);
        }
        kernel::set_error(before);
        written
    }

    /// Records that the file gets another size, and lets that happen.
    pub(crate) fn resize(self, size: u64, resize: impl FnOnce() -> c_long) -> c_long {
        let call = self.next();
        if size < self.stat.size {
            self.keep(KIND_CUT, call, size, self.stat.size - size);
        }
        let record = self.record(KIND_SIZE, call, size, 0);
        let done = resize();
        has_happened(record);
        if done == 0 {
            self.has_size(size);
        } else {
            self.record(KIND_SHORT, call, 0, 0);
        }
        done
    }

    /// How large the file is.
    pub(crate) const fn size(&self) -> u64 {
        self.stat.size
    }

    /// Notes that the file changes in a way that no record can tell of.
    pub(crate) fn pass_by(self, change: impl FnOnce() -> c_long) -> c_long {
        self.control.note(GAP_CALL);
        self.touch(change)
    }

    /// Lets something happen to a file that is no change of its bytes.
    pub(crate) fn touch(self, change: impl FnOnce() -> c_long) -> c_long {
        let record = self.record(KIND_TOUCH, self.next(), 0, 0);
        let done = change();
        if let Some(stat) = kernel::stat(self.fd) {
            self.has_size(stat.size);
        }
        has_happened(record);
        done
    }

    fn offset(&self, place: Place) -> u64 {
        match place {
            Place::At(offset) => offset,
            Place::Current => {
                let before = kernel::error();
                let flags = call!(kernel::SYS_FCNTL, self.fd, kernel::F_GETFL);
                let at = call!(kernel::SYS_LSEEK, self.fd, 0, kernel::SEEK_CUR);
                kernel::set_error(before);
                let appends = flags as c_int & kernel::O_APPEND != 0;
                if appends { self.stat.size } else { u64::try_from(at).unwrap_or(0) }
            }
        }
    }

    /// Records bytes that are about to change, with what stands there; returns the last record.
    fn keep(&self, kind: u64, call: u64, offset: u64, length: u64) -> Option<*mut u64> {
        let (mut done, mut last) = (0, None);
        while done < length {
            let part = (length - done).min(KEPT_BYTES_MAX as u64);
            last = self.keep_part(kind, call, offset.saturating_add(done), part);
            done += part;
        }
        last
    }

    fn keep_part(&self, kind: u64, call: u64, offset: u64, length: u64) -> Option<*mut u64> {
        let there = self.stat.size.saturating_sub(offset).min(length) as usize;
        let buffer = &mut files(&self.order).buffer[..there];
        let before = kernel::error();
        let read = self.read(buffer, offset);
        kernel::set_error(before);
        let kept = &buffer[..read.min(there)];
        // What is laid out beforehand holds zeros, and is most of what a log writes over.
        let zeros = kept.iter().rev().take_while(|byte| **byte == 0).count();
        let kept = &kept[..kept.len() - zeros];
        let words = kept.len().div_ceil(8) * 8;
        let record = self.control.room(HEAD_BYTES + words)?;
        let head = [0, self.next_taken(), call, self.stat.device, self.stat.inode, offset, length];
        // SAFETY: the log has room for the head, and for the bytes behind it.
        unsafe {
            let bytes = record.cast::<u8>().add(HEAD_BYTES);
            core::ptr::copy_nonoverlapping(kept.as_ptr(), bytes, kept.len());
        }
        self.put(record, &head, kind, kept.len() as u64);
        Some(record)
    }

    /// Reads what stands in the file. One that is open for writing only cannot be read, and must
    /// not be opened beside it: the end of any descriptor of a file ends the locks that its process
    /// has.
    fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let mut read = 0;
        while read < buffer.len() {
            let rest = &mut buffer[read..];
            let at = offset + read as u64;
            let more = call!(kernel::SYS_PREAD, self.fd, rest.as_mut_ptr(), rest.len(), at);
            match usize::try_from(more) {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
        if read < buffer.len() {
            self.control.note(GAP_CHANGED);
        }
        read
    }

    fn record(&self, kind: u64, call: u64, offset: u64, length: u64) -> Option<*mut u64> {
        let record = self.control.room(HEAD_BYTES)?;
        let Stat { device, inode, .. } = self.stat;
        let head = [0, self.next_taken(), call, device, inode, offset, length];
        self.put(record, &head, kind, 0);
        Some(record)
    }

    fn put(&self, record: *mut u64, head: &[u64; 7], kind: u64, kept: u64) {
        put(record, head, kind, kept, self.stat.size);
    }

    /// Returns the number that the next record has.
    fn next(&self) -> u64 {
        self.control.word(WORD_NEXT).load(Ordering::Relaxed)
    }

    fn next_taken(&self) -> u64 {
        self.control.word(WORD_NEXT).fetch_add(1, Ordering::Relaxed)
    }

    fn has_size(&self, size: u64) {
        if let Some(file) = files(&self.order).find(&self.stat) {
            file.size = size;
        }
    }

    /// A file that has another size than it was left with was changed by what passes no call here.
    fn look_for_gaps(&self) {
        if let Some(file) = files(&self.order).find(&self.stat)
            && file.size != self.stat.size
        {
            self.control.note(GAP_CHANGED);
        }
    }
}

/// Writes a record whose kind comes last, so that nobody reads half of one.
fn put(record: *mut u64, head: &[u64; 7], kind: u64, kept: u64, size: u64) {
    // SAFETY: the log has room for the head.
    unsafe {
        for (place, word) in head.iter().enumerate().skip(1) {
            record.add(place).write(*word);
        }
        record.add(HEAD_KEPT).write(kept);
        record.add(HEAD_SIZE).write(size);
        record.add(HEAD_TIME).write(0);
        let first = &*record.add(HEAD_KIND).cast::<core::sync::atomic::AtomicU64>();
        first.fetch_or(kind, Ordering::Release);
    }
}

/// Notes in the last record of a call that the change has happened, and when.
fn has_happened(record: Option<*mut u64>) {
    if let Some(record) = record {
        // SAFETY: the log has room for the head.
        let time = unsafe { &*record.add(HEAD_TIME).cast::<core::sync::atomic::AtomicU64>() };
        time.store(clock::machine_nanos(), Ordering::Release);
    }
}

/// Notes a file that was opened for writing: whether it is watched, and whether it is new.
pub(crate) fn on_open(fd: c_int, is_new: bool) {
    let Some(control) = Control::of_process() else { return };
    let Some(stat) = kernel::stat(fd).filter(|stat| stat.is_file) else { return };
    let Some(order) = Ordered::wait(control) else { return };
    if files(&order).watch(control, fd, &stat, Known::Anew) && is_new {
        let change = Change { control, order, fd, stat };
        has_happened(change.record(KIND_NEW, change.next(), 0, 0));
    }
}

/// Does a sync of a file or a folder, as the faults in force have it.
pub(crate) fn sync(fd: c_int, sync: impl FnOnce() -> c_long) -> c_long {
    let Some(control) = Control::of_process() else { return sync() };
    let stat = kernel::stat(fd).filter(|stat| stat.is_file || stat.is_folder);
    let Some(stat) = stat else { return sync() };
    let Some(order) = Ordered::wait(control) else { return sync() };
    if !files(&order).watch(control, fd, &stat, Known::Asked) {
        // A sync of what is not watched may take long, and nobody has to wait for it.
        drop(order);
        return sync();
    }
    let change = Change { control, order, fd, stat };
    if stat.is_file {
        change.look_for_gaps();
        change.has_size(stat.size);
    }
    // What is changed while the sync waits may be on the disk after it or not, so only what came
    // before counts as covered; and nobody else's changes wait for a sync that hangs.
    let covered = change.next();
    drop(change);
    control.count(COUNT_SYNCS);
    wait_by_faults(control);
    if control.takes(WORD_FAIL_SYNCS, COUNT_SYNCS_FAILED) {
        end_sync(control, fd, stat, KIND_LOST, covered);
        return kernel::fail(kernel::EIO);
    }
    let done = sync();
    if done == 0 {
        end_sync(control, fd, stat, KIND_SYNC, covered);
    }
    done
}

/// Does a sync of all files of a file system, or of every one.
pub(crate) fn sync_all(device: u64, sync: impl FnOnce() -> c_long) -> c_long {
    let Some(control) = Control::of_process() else { return sync() };
    let Some(order) = Ordered::wait(control) else { return sync() };
    let covered = control.word(WORD_NEXT).load(Ordering::Relaxed);
    drop(order);
    control.count(COUNT_SYNCS);
    wait_by_faults(control);
    let done = sync();
    if done == 0 {
        let stat = Stat { device, inode: 0, size: 0, is_file: false, is_folder: false };
        end_sync(control, -1, stat, KIND_SYNC_ALL, covered);
    }
    done
}

/// Notes a change of a file by a call that may take long, and that no record can tell of.
pub(crate) fn on_unknown(fd: c_int) {
    if let Some(change) = Change::begin(fd) {
        change.control.note(GAP_CALL);
    }
}

/// Tells whether a file that stands at a path is one of the watched folder.
pub(crate) fn watches(control: Control, folder: c_int, path: *const core::ffi::c_char) -> bool {
    // A descriptor of a path alone ends no lock as it is closed.
    let flags = kernel::O_PATH | kernel::O_CLOEXEC;
    let fd = call!(kernel::SYS_OPENAT, folder, path, flags, 0) as c_int;
    if fd < 0 {
        return false;
    }
    let mut place = [0_u8; FOLDER_BYTES_MAX];
    let length = kernel::path_of(fd, &mut place);
    call!(kernel::SYS_CLOSE, fd);
    control.watches(&place[..length])
}

fn end_sync(control: Control, fd: c_int, stat: Stat, kind: u64, covered: u64) {
    let Some(order) = Ordered::wait(control) else { return };
    let change = Change { control, order, fd, stat };
    change.record(kind, change.next(), covered, 0);
}

/// Lets a sync take longer, or hang, while a fault says so.
fn wait_by_faults(control: Control) {
    let slow = control.word(WORD_SLOW_SYNCS).load(Ordering::Relaxed);
    if slow > 0 {
        control.count(COUNT_SYNCS_SLOWED);
        // One that counts as slowed is slowed by something.
        kernel::rest(control.drawn(slow) + 1);
    }
    let hangs = || control.word(WORD_HANG_SYNCS).load(Ordering::Relaxed) != 0;
    if hangs() {
        control.count(COUNT_SYNCS_HELD);
    }
    while hangs() {
        kernel::rest(HUNG_STEP_NANOS);
    }
}

/// Notes a file that is mapped for writing.
pub(crate) fn on_map(fd: c_int) {
    if let Some(change) = Change::begin(fd) {
        change.control.note(GAP_MAPPED);
    }
}

/// Where it is known from whether a file is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is asked for each file once.
    Asked,
    /// The number may have been another file's before.
    Anew,
}

#[derive(Clone, Copy)]
struct File {
    device: u64,
    inode: u64,
    size: u64,
    watched: bool,
}

/// The files that this process has met, by their numbers.
struct Files {
    table: [File; FILES_MAX],
    buffer: [u8; KEPT_BYTES_MAX],
}

struct Shared(UnsafeCell<Files>);

// SAFETY: it is reached through `files` alone, which wants the order of changes.
unsafe impl Sync for Shared {}

static FILES: Shared = Shared(UnsafeCell::new(Files {
    table: [File { device: 0, inode: 0, size: 0, watched: false }; FILES_MAX],
    buffer: [0; KEPT_BYTES_MAX],
}));

#[allow(clippy::mut_from_ref, reason = "whoever has the order of changes has the table")]
fn files(_: &Ordered) -> &mut Files {
    // SAFETY: one thread has the order of changes at a time and a handler that interrupts it does
    // not get it; no two parts of the table are in use at once.
    unsafe { &mut *FILES.0.get() }
}

impl Files {
    fn find(&mut self, stat: &Stat) -> Option<&mut File> {
        let place = self.place(stat)?;
        Some(&mut self.table[place]).filter(|file| file.inode == stat.inode)
    }

    /// Returns where a file stands, or would.
    fn place(&self, stat: &Stat) -> Option<usize> {
        let first = (stat.inode ^ stat.device.rotate_left(7)) as usize % FILES_MAX;
        let places = (0..FILES_MAX).map(|step| (first + step) % FILES_MAX);
        places.into_iter().find(|place| {
            let file = &self.table[*place];
            let is_free = file.inode == 0 && file.device == 0;
            is_free || (file.inode == stat.inode && file.device == stat.device)
        })
    }

    /// Tells whether a file is one of the watched folder, and remembers it.
    fn watch(&mut self, control: Control, fd: c_int, stat: &Stat, known: Known) -> bool {
        let Some(place) = self.place(stat) else {
            control.note(GAP_FILES);
            return false;
        };
        let is_there = self.table[place].inode == stat.inode;
        if is_there && known == Known::Asked {
            return self.table[place].watched;
        }
        let mut path = [0_u8; FOLDER_BYTES_MAX];
        let length = kernel::path_of(fd, &mut path);
        let watched = control.watches(&path[..length]);
        let Stat { device, inode, size, .. } = *stat;
        self.table[place] = File { device, inode, size, watched };
        watched
    }
}

/// The most files that a process follows.
const FILES_MAX: usize = 4_096;

/// How often a sync that hangs looks whether it still has to.
const HUNG_STEP_NANOS: u64 = 2_000_000;
