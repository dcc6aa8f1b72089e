//! What of the watched folder was written past the shim, by what the files are and what was
//! recorded of them.
//!
//! A record says when its change had happened, and what follows from all of them is how large a
//! file is. The kernel says when a file was last written, by a clock that ticks; so what comes
//! within a tick of a change that was seen, and keeps the size, is not noticed. Nothing here
//! changes a file. The claim kept true: a file that only calls changed which the shim saw is
//! never called unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::time::{ClockId, clock_gettime};

use crate::log::{Event, FileKey, Record};

/// Why a folder cannot be looked at.
#[derive(Debug)]
pub(crate) struct LookError {
    /// What cannot be done.
    pub(crate) what: &'static str,
    /// To what.
    pub(crate) path: PathBuf,
    /// Why not.
    pub(crate) source: io::Error,
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LookError + use<> {
    let path = path.to_owned();
    move |source| LookError { what, path, source }
}

/// A file of the watched folder.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it stands.
    pub(crate) path: PathBuf,
    size: u64,
    /// When it was last written, in nanoseconds of the wall clock.
    written: u64,
}

/// What the watched folder was when the log was empty.
#[derive(Debug)]
pub(crate) struct Since {
    /// When that was, in nanoseconds of the wall clock.
    time: u64,
    sizes: BTreeMap<FileKey, u64>,
}

impl Since {
    /// Looks at the folder, while no process changes it.
    pub(crate) fn look(watched: &Path) -> Result<Self, LookError> {
        let sizes = find_files(watched)?.into_iter().map(|(file, found)| (file, found.size));
        Ok(Self { sizes: sizes.collect(), time: wall_nanos() })
    }

    /// Tells whether a file was written later than at what was recorded of it: by a call that no
    /// library sees, by `fwrite`, in memory, or by a process without the shim.
    pub(crate) fn is_changed_unseen(
        &self,
        records: &[Record],
        found: &BTreeMap<FileKey, Found>,
    ) -> bool {
        let mut seen: BTreeMap<FileKey, Seen> = BTreeMap::new();
        for record in records {
            seen.entry(record.file).or_default().note(record);
        }
        found.iter().any(|(file, found)| match seen.get(file) {
            // Whoever was killed in the middle of a call wrote it and did not say when.
            Some(seen) if !seen.open.is_empty() => false,
            Some(seen) => found.written > seen.last.max(self.time) || seen.size != Some(found.size),
            // One that is new and empty holds nothing that anybody wrote.
            None => {
                let size = self.sizes.get(file).copied().unwrap_or(0);
                found.size != size || (size > 0 && found.written > self.time)
            }
        })
    }
}

/// What was recorded of a file.
#[derive(Default)]
struct Seen {
    /// When it last changed.
    last: u64,
    /// How large it became.
    size: Option<u64>,
    /// The call that changed it last, and from which byte on.
    call: (u64, u64),
    /// Calls of which nobody said that they had happened.
    open: BTreeSet<u64>,
}

impl Seen {
    fn note(&mut self, record: &Record) {
        let Record { call, size, time, .. } = *record;
        match record.event {
            Event::New => *self = Self { size: Some(0), ..Self::default() },
            Event::Write { offset, length, .. } => {
                if self.call.0 != call {
                    self.call = (call, offset);
                }
                self.size = Some(size.max(offset + length));
            }
            Event::Size(size) => self.size = Some(size),
            // What a call took of what it was given is less than that; a size stayed as it was.
            Event::Short(0) => self.size = Some(size),
            Event::Short(bytes) => self.size = Some(size.max(self.call.1 + bytes)),
            Event::Sync(_) | Event::SyncAll(_) | Event::Lost(_) | Event::Touch => {
                self.size = self.size.or(Some(size));
            }
            Event::Cut { .. } => {}
        }
        if time > 0 {
            self.open.remove(&call);
            self.last = self.last.max(time);
            return;
        }
        let is_change = match record.event {
            Event::Write { .. } | Event::Cut { .. } | Event::Size(_) | Event::Touch => true,
            Event::Short(_) | Event::Sync(_) | Event::SyncAll(_) | Event::Lost(_) | Event::New => {
                false
            }
        };
        if is_change {
            self.open.insert(call);
        }
    }
}

fn wall_nanos() -> u64 {
    let time = clock_gettime(ClockId::Realtime);
    let nanos = time.tv_sec.saturating_mul(1_000_000_000) + time.tv_nsec;
    u64::try_from(nanos).unwrap_or(0)
}

/// Finds the files below a folder by their numbers; links are not followed. Who never made the
/// folder has nothing in it.
pub(crate) fn find_files(folder: &Path) -> Result<BTreeMap<FileKey, Found>, LookError> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> =
        folder.exists().then(|| folder.to_owned()).into_iter().collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(failed("list", &folder))? {
            let path = entry.map_err(failed("list", &folder))?.path();
            let data = fs::symlink_metadata(&path).map_err(failed("look at", &path))?;
            if data.is_dir() {
                folders.push(path);
            } else if data.is_file() {
                let (major, minor) = (rustix::fs::major(data.dev()), rustix::fs::minor(data.dev()));
                let device = u64::from(major) << 32 | u64::from(minor);
                let nanos = data.mtime().saturating_mul(1_000_000_000) + data.mtime_nsec();
                let written = u64::try_from(nanos).unwrap_or(0);
                let key = FileKey { device, inode: data.ino() };
                found.insert(key, Found { path, size: data.len(), written });
            }
        }
    }
    Ok(found)
}
