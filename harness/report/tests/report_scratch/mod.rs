//! A folder for one test, removed when the test ends, and the made-up runs to put into it.

#[allow(dead_code, unreachable_pub, reason = "an example's module; not all tests use all of it")]
#[path = "../../examples/sample_report/run.rs"]
pub(crate) mod run;

#[allow(dead_code, reason = "not all tests use all of it")]
pub(crate) mod judged;
#[allow(dead_code, reason = "not all tests use all of it")]
pub(crate) mod page;

use std::fs;
use std::path::{Path, PathBuf};

/// A folder that no other test uses.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder; `name` must be the test's own.
    pub(crate) fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = root.join(format!("report-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
