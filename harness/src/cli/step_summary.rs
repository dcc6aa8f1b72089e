//! What a run says to the page of a build: GitHub Actions shows the file that it names in the
//! environment, and whoever else wants the same text sets that variable.
//!
//! The text is `synod-report`'s. The claim kept true: a summary that cannot be written changes no
//! verdict, and is told.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Adds text to the file that the environment names, if it names one.
pub(super) fn add(text: &str) {
    let Some(file) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return };
    if let Err(error) = append(file.as_ref(), text) {
        let name = Path::new(&file).display();
        // Told, and no more: the verdict does not depend on who shows it.
        drop(writeln!(std::io::stderr(), "synod-harness: {VARIABLE} {name}: {error}"));
    }
}

fn append(file: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new().append(true).create(true).open(file)?.write_all(text.as_bytes())
}

/// The variable by which GitHub Actions names the file of a step.
const VARIABLE: &str = "GITHUB_STEP_SUMMARY";
