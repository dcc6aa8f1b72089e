//! The directories of a simulated disk: names on the disk, names in the cache, and the difference.
//!
//! File contents are left to `inode`. Claim kept: a creation, renaming or removal that was not
//! synced may be lost whatever became of the others, but a renaming happens wholly or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Effect;
use super::inode::InodeId;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(InodeId),
    Directory,
}

impl Entry {
    fn file(&self) -> Option<InodeId> {
        match self {
            Self::File(inode) => Some(*inode),
            Self::Directory => None,
        }
    }
}

/// One change of a directory.
#[derive(Clone)]
enum Change {
    Add { name: String, entry: Entry },
    Rename { from: String, to: String, entry: Entry },
    Remove { name: String },
}

#[derive(Clone, Default)]
struct Directory {
    cached: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    owed: Vec<Change>,
}

/// All directories by path.
#[derive(Clone)]
pub(super) struct Names {
    directories: BTreeMap<PathBuf, Directory>,
}

impl Names {
    /// Starts with the root of absolute and the root of relative paths, both durable.
    pub(super) fn new() -> Self {
        let roots = ["", "/"].map(|root| (PathBuf::from(root), Directory::default()));
        Self { directories: BTreeMap::from(roots) }
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        if self.directories.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.add(path, Entry::Directory)?;
        self.directories.insert(path.to_owned(), Directory::default());
        Ok(())
    }

    pub(super) fn create_file(&mut self, path: &Path, inode: InodeId) -> io::Result<()> {
        self.add(path, Entry::File(inode))
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<InodeId> {
        let (parent, name) = split(path)?;
        match self.directory(parent)?.cached.get(&name) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        if self.file(path).is_ok() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(self.directory(path)?.cached.keys().cloned().collect())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let entry = Entry::File(self.file(from)?);
        let (parent, from) = split(from)?;
        let (parent_to, to) = split(to)?;
        if parent != parent_to {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.change(parent, Change::Rename { from, to, entry })
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        let (parent, name) = split(path)?;
        self.change(parent, Change::Remove { name })
    }

    /// Writes back the changes owed, or forgets them when the sync fails.
    pub(super) fn sync(&mut self, path: &Path, passed: io::Result<()>) -> io::Result<()> {
        let directory = self.directory_mut(path)?;
        // As with a file: a sync that fails forgets what it owed all the same.
        let owed = std::mem::take(&mut directory.owed);
        passed?;
        for change in owed {
            apply(&mut directory.durable, change);
        }
        Ok(())
    }

    /// Returns the directories as a power loss leaves them.
    pub(super) fn crashed(&self, choose: &mut dyn FnMut(Effect, usize) -> usize) -> Self {
        let mut after = Self { directories: BTreeMap::new() };
        for (path, directory) in &self.directories {
            let mut durable = directory.durable.clone();
            for change in &directory.owed {
                if choose(Effect::DirectoryEntry, 2) == 1 {
                    apply(&mut durable, change.clone());
                }
            }
            // Parents sort before their children, so a lost parent is known by then.
            if after.holds(path) {
                let cached = durable.clone();
                let survivor = Directory { cached, durable, owed: Vec::new() };
                after.directories.insert(path.clone(), survivor);
            }
        }
        after
    }

    /// Returns every file that a name in the cache stands for.
    pub(super) fn files(&self) -> impl Iterator<Item = InodeId> + '_ {
        let entries = self.directories.values().flat_map(|directory| directory.cached.values());
        entries.filter_map(Entry::file)
    }

    /// Returns every file that a name stands for or may stand for again after a power loss.
    pub(super) fn reachable(&self) -> BTreeSet<InodeId> {
        // A name that is gone from the cache may come back with a power loss, until that is synced;
        // so its file is kept.
        let mut reachable: BTreeSet<InodeId> = self.files().collect();
        for directory in self.directories.values() {
            reachable.extend(directory.durable.values().filter_map(Entry::file));
            for change in &directory.owed {
                match change {
                    Change::Add { entry, .. } | Change::Rename { entry, .. } => {
                        reachable.extend(entry.file());
                    }
                    Change::Remove { .. } => {}
                }
            }
        }
        reachable
    }

    fn add(&mut self, path: &Path, entry: Entry) -> io::Result<()> {
        let (parent, name) = split(path)?;
        if self.directory(parent)?.cached.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(parent, Change::Add { name, entry })
    }

    fn change(&mut self, parent: &Path, change: Change) -> io::Result<()> {
        let directory = self.directory_mut(parent)?;
        apply(&mut directory.cached, change.clone());
        directory.owed.push(change);
        Ok(())
    }

    fn holds(&self, path: &Path) -> bool {
        let Ok((parent, name)) = split(path) else { return true };
        let entry = self.directories.get(parent).and_then(|directory| directory.durable.get(&name));
        entry == Some(&Entry::Directory)
    }

    fn directory(&self, path: &Path) -> io::Result<&Directory> {
        self.directories.get(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn directory_mut(&mut self, path: &Path) -> io::Result<&mut Directory> {
        self.directories.get_mut(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn apply(entries: &mut BTreeMap<String, Entry>, change: Change) {
    match change {
        Change::Add { name, entry } => {
            entries.insert(name, entry);
        }
        Change::Rename { from, to, entry } => {
            // Where an earlier change of this name was lost, another file may stand under it, which
            // this renaming never touched.
            if entries.get(&from) == Some(&entry) {
                entries.remove(&from);
            }
            entries.insert(to, entry);
        }
        Change::Remove { name } => {
            entries.remove(&name);
        }
    }
}

/// Splits a path in its directory and its last name; a root has none.
fn split(path: &Path) -> io::Result<(&Path, String)> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok((parent, name.to_string_lossy().into_owned())),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}
