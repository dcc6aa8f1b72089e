//! Where the root of the workspace is.
//!
//! What is below it is left to `workspace`.

use std::env;
use std::path::{Path, PathBuf};

/// Gives the workspace's root: that of this source, or of the copy named by [`ROOT_VARIABLE`].
pub(crate) fn root() -> PathBuf {
    if let Some(copy) = env::var_os(ROOT_VARIABLE) {
        return PathBuf::from(copy);
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Points a run at a copy of the sources; the mutants use it.
pub(crate) const ROOT_VARIABLE: &str = "SYNOD_XTASK_ROOT";
