//! Opening a store: what is unfinished goes, and what is told of is durable.
//!
//! The judgement of one file is left to `manifest`. Claims kept: a file in the making is never
//! taken for a snapshot; nothing is changed before everything was judged; a damaged snapshot is
//! told of, and does not keep the others from being used; and no snapshot is told of before its
//! name is durable, since after a kill the directory may show names that the disk never had, even
//! where the sync of an earlier life has failed and forgotten them.

use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Fatal, OpenError};
use crate::recover::folders;
use crate::recover::recovery::{list, lock};

use super::error::SnapshotDamaged;
use super::folder::{self, Folder};
use super::format::{SNAPSHOT_FORMAT, SnapshotBound};
use super::manifest::{self, Judged};
use super::store::{Held, SnapshotOptions, SnapshotStore};

/// What was found when a store of snapshots was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveredSnapshots {
    /// The snapshots whose head, manifest or length are damaged. Their files are there as they
    /// were. Damage of a chunk shows when it is read.
    pub damaged: Vec<SnapshotDamaged>,
    /// A snapshot was in the making; what there was of it is removed.
    pub unfinished: bool,
}

impl<D: Disk> SnapshotStore<D> {
    /// Opens the store in a directory, which is made when it is missing.
    ///
    /// Chunks are not looked at: whoever needs a snapshot reads it, and reading verifies. Opening
    /// twice gives the same snapshots, whatever interrupted the first.
    ///
    /// # Errors
    /// See [`OpenError`]: another process that has it, snapshots of another owner or format, a
    /// failing disk. After any of them no snapshot was lost.
    pub fn open(
        disk: D,
        path: &Path,
        options: &SnapshotOptions,
    ) -> Result<(Self, RecoveredSnapshots), OpenError> {
        options.check()?;
        let levels_made = folders::make(&disk, path)?;
        let lock = lock(&disk, path)?.ok_or_else(|| OpenError::Locked { path: path.to_owned() })?;
        // An earlier process may have made the directory and died before it synced the name.
        folders::sync_name(&disk, path, levels_made)?;
        folders::sync_above(&disk, path, levels_made)?;
        let names = list(&disk, path)?;
        let folder = Folder { disk, path: path.to_owned() };
        let unfinished = names.iter().any(|name| folder::is_draft(name));
        let named = named(&names);
        let held = judge_all(&folder, &named, &options.identity)?;
        if unfinished {
            folder.remove_draft()?;
        }
        rename_again(&folder, &named)?;
        let damaged = damaged_among(&held);
        let store = Self::assemble(folder, options.clone(), held, lock);
        Ok((store, RecoveredSnapshots { damaged, unfinished }))
    }
}

impl<D: Disk> SnapshotStore<D> {
    /// Returns the bound of the newest snapshot in a directory that is whole, and those that are
    /// damaged, as far as head and manifest tell; changes nothing. There is none where there is no
    /// directory. Another process may have it open, and take snapshots meanwhile.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn look(
        disk: D,
        path: &Path,
        options: &SnapshotOptions,
    ) -> Result<(Option<SnapshotBound>, Vec<SnapshotDamaged>), OpenError> {
        let names = match disk.list(path) {
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
                return Ok((None, Vec::new()));
            }
            listed => listed.map_err(|error| Fatal::new("cannot list", path, error))?,
        };
        let named = named(&names);
        if !named.is_empty() || names.iter().any(|name| folder::is_draft(name)) {
            // An opening writes each name anew, and removes what is unfinished.
            disk.may_change(path).map_err(|error| Fatal::new("cannot change", path, error))?;
        }
        let folder = Folder { disk, path: path.to_owned() };
        let held = judge_all(&folder, &named, &options.identity)?;
        let whole = held.iter().rev().find(|held| matches!(held, Held::Whole(_)));
        Ok((whole.map(Held::bound), damaged_among(&held)))
    }
}

/// Returns those that are damaged.
fn damaged_among(held: &[Held]) -> Vec<SnapshotDamaged> {
    let damaged = held.iter().filter_map(|held| match held {
        Held::Whole(_) => None,
        Held::Damaged(damaged) => Some(damaged.clone()),
    });
    damaged.collect()
}

/// A snapshot by its name.
pub(super) struct Named {
    pub(super) bound: SnapshotBound,
    /// An opening that was cut short left it under the other name.
    is_again: bool,
}

impl Named {
    /// Returns where it is.
    pub(super) fn path<D: Disk>(&self, folder: &Folder<D>) -> PathBuf {
        if self.is_again { folder.again_path(self.bound) } else { folder.snapshot_path(self.bound) }
    }
}

/// Returns the snapshots that the names tell of, by bound.
pub(super) fn named(names: &[String]) -> Vec<Named> {
    let mut named: Vec<Named> = Vec::new();
    for name in names {
        let again = folder::again_of(name);
        if let Some(bound) = again.or_else(|| folder::bound_of(name)) {
            named.push(Named { bound, is_again: again.is_some() });
        }
    }
    named.sort_by_key(|named| (named.bound, named.is_again));
    // Both are there only where one took the place of another of its bound, a failed sync forgot
    // that, and the opening after it was cut short. The older file has the own name. The younger
    // one was never told of, and goes with the renaming.
    named.dedup_by_key(|named| named.bound);
    named
}

/// Judges every snapshot, and changes nothing.
fn judge_all<D: Disk>(
    folder: &Folder<D>,
    named: &[Named],
    identity: &[u8],
) -> Result<Vec<Held>, OpenError> {
    let mut held = Vec::with_capacity(named.len());
    for one in named {
        let (own, path) = (folder.snapshot_path(one.bound), one.path(folder));
        held.push(match manifest::judge(&folder.disk, &path, one.bound)? {
            Judged::Whole(manifest, _) if manifest.identity() != identity => {
                return Err(OpenError::OtherIdentity {
                    path: folder.path.clone(),
                    found: manifest.identity().to_vec(),
                    expected: identity.to_vec(),
                });
            }
            Judged::Whole(manifest, _) => Held::Whole(manifest.head.snapshot),
            Judged::Damaged(damaged) => Held::Damaged(SnapshotDamaged { path: own, ..damaged }),
            Judged::OtherVersion(found) => {
                return Err(OpenError::OtherVersion { path, found, supported: SNAPSHOT_FORMAT });
            }
        });
    }
    Ok(held)
}

/// Gives each snapshot another name and its own one again, each of them synced.
///
/// A sync of the directory alone would not do: where that of an earlier life has failed, the system
/// may have forgotten the names that it owed, and the next sync succeeds without them. A name that
/// is written here is owed anew. An opening that is cut short leaves either name, and the next one
/// begins again.
fn rename_again<D: Disk>(folder: &Folder<D>, named: &[Named]) -> Result<(), Fatal> {
    for Named { bound, .. } in named.iter().filter(|named| !named.is_again) {
        folder.rename(&folder.snapshot_path(*bound), &folder.again_path(*bound))?;
    }
    // The first sync is needed only so that no name is ever owed twice.
    folder.sync()?;
    for Named { bound, .. } in named {
        folder.rename(&folder.again_path(*bound), &folder.snapshot_path(*bound))?;
    }
    folder.sync()
}
