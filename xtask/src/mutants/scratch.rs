//! A copy of the workspace's sources that may be broken, with a target folder of its own.
//!
//! One copy serves all mutants: only files that differ are written, so cargo rebuilds what a
//! patch touched and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::{Failure, Outcome};
use crate::shell::Step;
use crate::workspace::{ROOT_VARIABLE, files, root, target_dir};

/// The copy.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes the copy, or brings the one of an earlier call up to date.
    pub(crate) fn open() -> Result<Self, Failure> {
        let scratch = Self { folder: target_dir().join("mutants") };
        let logs = scratch.logs();
        fs::create_dir_all(&logs).map_err(|error| Failure::io("make", &logs, &error))?;
        for log in entries(&logs)? {
            fs::remove_file(&log).map_err(|error| Failure::io("remove", &log, &error))?;
        }
        scratch.restore()?;
        Ok(scratch)
    }

    /// Makes the copy equal to the workspace again.
    pub(crate) fn restore(&self) -> Outcome {
        let tree = self.tree();
        let wanted: BTreeSet<String> = files()?.into_iter().collect();
        for path in &wanted {
            copy_if_different(&root().join(path), &tree.join(path))?;
        }
        remove_others(&tree, &tree, &wanted)
    }

    /// Seeds a bug.
    pub(crate) fn apply(&self, patch: &Path) -> Outcome {
        // The copy lies inside the repository's ignored folder. Without a ceiling git would find
        // the repository, and silently skip paths that are outside the current folder.
        let step = Step::new("git")
            .args(["apply", "--whitespace=nowarn"])
            .arg(patch)
            .env("GIT_CEILING_DIRECTORIES", &self.folder)
            .current_dir(self.tree());
        step.capture().map(|_| ())
    }

    /// Makes a command work on the copy, and build into the copies' own folder.
    pub(crate) fn inside(&self, step: Step) -> Step {
        step.env(ROOT_VARIABLE, self.tree())
            .env("CARGO_TARGET_DIR", self.target())
            .current_dir(self.tree())
    }

    /// Gives the folder that the copy builds into.
    pub(crate) fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// Gives the folder of the logs, one for each mutant.
    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }
}

/// Leaves a file alone that has the right contents: its time tells cargo that it is unchanged.
fn copy_if_different(from: &Path, to: &Path) -> Outcome {
    let wanted = fs::read(from).map_err(|error| Failure::io("read", from, &error))?;
    if fs::read(to).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| Failure::io("make", folder, &error))?;
    }
    fs::write(to, wanted).map_err(|error| Failure::io("write", to, &error))
}

/// Removes what the workspace does not have, such as files that a patch added.
fn remove_others(tree: &Path, folder: &Path, wanted: &BTreeSet<String>) -> Outcome {
    for entry in entries(folder)? {
        if entry.is_dir() {
            remove_others(tree, &entry, wanted)?;
            continue;
        }
        let path = entry.strip_prefix(tree).unwrap_or(&entry).to_string_lossy().replace('\\', "/");
        if !wanted.contains(&path) {
            fs::remove_file(&entry).map_err(|error| Failure::io("remove", &entry, &error))?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::io("list", folder, &error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}
