//! `synod-harness init`: the first files of somebody who tests a system of theirs.
//!
//! A description with a comment on each field, and a bridge that works as it stands; both are kept
//! as files here, so that what is written is what tests try. The claim kept true: no file that is
//! there is changed.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::refusal::Refusal;
use super::{INTERNAL, USAGE, fail, printed, say};

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The folder, which is made if it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub(super) fn init(arguments: &InitArguments) -> ExitCode {
    match write_all(&arguments.folder) {
        Ok(text) => printed(say(&text), 0),
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

fn write_all(folder: &Path) -> Result<String, Refusal> {
    let there = FILES.iter().map(|(name, _)| folder.join(name)).find(|path| path.exists());
    if let Some(path) = there {
        let path = path.display();
        let words = format!("{path} is there already; name another folder, or move it away");
        return Err(Refusal(USAGE, words));
    }
    std::fs::create_dir_all(folder).map_err(|error| unmade(folder, &error))?;
    let mut text = String::new();
    for (name, content) in FILES {
        let path = folder.join(name);
        // Whoever comes in between is not overwritten either.
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
        written.map_err(|error| unmade(&path, &error))?;
        text += &format!("wrote {}\n", path.display());
    }
    let system = folder.join(FILES[0].0);
    text += &format!("next: synod-harness try-bridge {}\n", system.display());
    Ok(text)
}

/// A folder that cannot be one is the caller's to name.
fn unmade(path: &Path, error: &std::io::Error) -> Refusal {
    let misnamed =
        [ErrorKind::AlreadyExists, ErrorKind::NotADirectory, ErrorKind::PermissionDenied];
    let code = if misnamed.contains(&error.kind()) { USAGE } else { INTERNAL };
    Refusal(code, format!("cannot make {}: {error}", path.display()))
}

/// What is written, by name.
const FILES: [(&str, &str); 2] = [
    ("system.toml", include_str!("skeleton/system.toml")),
    ("bridge.py", include_str!("skeleton/bridge.py")),
];
