//! What can be wrong with a configuration, in one line that names the key and the remedy.
//!
//! An operator reads this line at the moment the service does not start, so every variant says
//! what is wanted, and `Wrong` says where the value came from.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a value of the configuration comes from; a later layer overrides an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The value that holds when nobody sets one.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
        }
    }
}

/// A configuration that cannot be used, and why. The fault is the operator's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file itself cannot be read.
    #[error("cannot read the configuration {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said, and the remedy where there is one.
        reason: String,
    },
    /// The file is no TOML.
    #[error("{origin}: not TOML: {reason}")]
    NotToml {
        /// File and line.
        origin: Origin,
        /// What the parser said.
        reason: String,
    },
    /// A key that no setting has.
    #[error("{origin}: unknown key `{key}`; {remedy}")]
    UnknownKey {
        /// Where it was met.
        origin: Origin,
        /// The key as written.
        key: String,
        /// The keys that exist, or the one that was probably meant.
        remedy: String,
    },
    /// A key that must be set and is not.
    #[error("`{key}` is not set; write {example} {place} the file, or set {environment}")]
    Missing {
        /// The key.
        key: String,
        /// A line of TOML that would do.
        example: String,
        /// Where in the file: at its end a line may belong to the table before it.
        place: String,
        /// The environment variable that sets it.
        environment: String,
    },
    /// A value that the key does not take.
    #[error("{origin}: `{key} = {}`: {wanted}", printable(value))]
    Wrong {
        /// Where the value comes from.
        origin: Origin,
        /// The key.
        key: String,
        /// The value as written.
        value: String,
        /// What is wanted in its place.
        wanted: String,
    },
}

/// Keeps a complaint on one line, whatever was written.
fn printable(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
