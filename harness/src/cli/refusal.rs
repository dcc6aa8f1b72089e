//! What a command is refused with, and the files that it names.
//!
//! The claim kept true: a file that cannot be read is named, with what is wrong in it.

use std::fmt::Display;
use std::path::Path;

use synod_history::json;
use synod_live::run::RunError;
use synod_live::setup::SetupError;
use synod_live::system::{SYNOD_KV, System};

use super::{INTERNAL, USAGE, input};

/// A failure with the exit code that stands for it.
pub(super) struct Refusal(pub(super) u8, pub(super) String);

impl Refusal {
    /// Names the file in which it stands.
    pub(super) fn of(self, path: &Path) -> Self {
        let Self(code, words) = self;
        Self(code, format!("{}: {words}", path.display()))
    }
}

pub(super) fn system_of(name: &str) -> Result<System, Refusal> {
    if name == SYNOD_KV {
        return Ok(System::synod_kv());
    }
    let path = Path::new(name);
    if !path.is_file() && !name.ends_with(".toml") && !name.ends_with(".json") {
        let words = format!(
            "there is no system `{name}`; use {SYNOD_KV}, or name a .toml file that describes one \
             (`synod-harness init DIR` writes one)"
        );
        return Err(Refusal(USAGE, words));
    }
    let refused = |error: &dyn Display| Refusal(USAGE, format!("{name}: {error}"));
    let bytes = input::read(path).map_err(|error| refused(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        refused(&format_args!("line {line}: these bytes are no UTF-8; save the file as UTF-8"))
    })?;
    System::parse(name, text).map_err(|error| refused(&error))
}

pub(super) fn recorded<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Refusal> {
    let refused = |error: &dyn Display| Refusal(USAGE, format!("{}: {error}", path.display()));
    let text = input::read(path).map_err(|error| refused(&error))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK.as_slice()).unwrap_or(&text);
    serde_json::from_slice(text).map_err(|error| refused(&json::problem(&error)))
}

/// A program that is not there is the caller's to build or to name; all else is the environment.
pub(super) fn refusal(error: &RunError) -> Refusal {
    let code = match error {
        RunError::Setup(
            SetupError::NoProgram { .. }
            | SetupError::Unreached { .. }
            | SetupError::System(_)
            | SetupError::NotInHand { .. }
            | SetupError::NotThere { .. }
            | SetupError::TooManyNodes { .. },
        )
        | RunError::Unsupported(_)
        | RunError::OtherWorkload { .. } => USAGE,
        RunError::Setup(
            SetupError::Cluster(_)
            | SetupError::Bridge(_)
            | SetupError::Io { .. }
            | SetupError::Failed { .. }
            | SetupError::NotReady { .. },
        )
        | RunError::Cluster(_)
        | RunError::Bridge(_)
        | RunError::Unfit(_)
        | RunError::NoLeader
        | RunError::History(_)
        | RunError::Report(_)
        | RunError::Write { .. } => INTERNAL,
    };
    Refusal(code, error.to_string())
}

/// How some editors begin a file.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
