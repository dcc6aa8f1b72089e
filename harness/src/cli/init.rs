//! `synod-harness init`: the first files of somebody who tests a system of theirs.
//!
//! A description with a comment on each field, and a bridge that works as it stands, or what a
//! ready client of the harness asks; all are kept as files here, so that what is written is what
//! tests try. The claim kept true: no file that is there is changed.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::refusal::Refusal;
use super::{INTERNAL, USAGE, fail, printed, say};

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The folder, which is made if it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Writes a description by which the harness speaks for the clients itself, and no bridge.
    #[arg(long, value_name = "PROTOCOL")]
    client: Option<Protocol>,
}

/// What a ready client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// The protocol of Redis.
    Resp,
    /// HTTP 1.1.
    Http,
}

pub(super) fn init(arguments: &InitArguments) -> ExitCode {
    match write_all(&arguments.folder, &files(arguments.client)) {
        Ok(text) => printed(say(&text), 0),
        Err(Refusal(code, error)) => fail(code, &error),
    }
}

/// Returns what is written, by name.
fn files(client: Option<Protocol>) -> Vec<(&'static str, String)> {
    let client = match client {
        None => {
            let files = [(SYSTEM, DESCRIPTION), ("bridge.py", include_str!("skeleton/bridge.py"))];
            return files.map(|(name, text)| (name, text.to_owned())).to_vec();
        }
        Some(Protocol::Resp) => include_str!("skeleton/resp.toml"),
        Some(Protocol::Http) => include_str!("skeleton/http.toml"),
    };
    // A table stands behind all that belongs to none.
    let description = DESCRIPTION.replacen(BRIDGE, "", 1).replacen(STATUS, LEADER, 1);
    vec![(SYSTEM, description + client)]
}

fn write_all(folder: &Path, files: &[(&'static str, String)]) -> Result<String, Refusal> {
    let there = files.iter().map(|(name, _)| folder.join(name)).find(|path| path.exists());
    if let Some(path) = there {
        let path = path.display();
        let words = format!("{path} is there already; name another folder, or move it away");
        return Err(Refusal(USAGE, words));
    }
    std::fs::create_dir_all(folder).map_err(|error| unmade(folder, &error))?;
    let mut text = String::new();
    for (name, content) in files {
        let path = folder.join(name);
        // Whoever comes in between is not overwritten either.
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
        written.map_err(|error| unmade(&path, &error))?;
        text += &format!("wrote {}\n", path.display());
    }
    let system = folder.join(SYSTEM);
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

/// The name of the description.
const SYSTEM: &str = "system.toml";

const DESCRIPTION: &str = include_str!("skeleton/system.toml");

/// The lines of the description that name the bridge.
const BRIDGE: &str = "\
# Runs the program that speaks for the clients; it is told where each node is.
bridge = [\"python3\", \"{here}/bridge.py\", { per_node = [\"{peer}={address}\"] }]

";

/// The lines of the description that say what a bridge tells.
const STATUS: &str = "\
# What a node tells of itself when the bridge is asked for its `status`: all of this. Leave out what
# yours does not tell, [] for nothing. Then that is not asked, and faults that hit \"the leader\"
# need the command below, which writes the number of the node that leads, or an empty line.
# status = [\"applied\", \"digest\"]
";

/// What stands in their place for a ready client.
const LEADER: &str = "\
# Writes the number of the node that leads, or an empty line: faults that hit \"the leader\" need
# this, or `leads` at the end.
";

#[cfg(test)]
mod tests {
    use super::*;
    use synod_live::ready_client::ReadyClient;
    use synod_live::system::System;

    /// Reads what is written, with the examples that stand in it as comments, or without.
    fn read(protocol: Protocol, with_examples: bool) -> System {
        let files = files(Some(protocol));
        let [(name, text)] = files.as_slice() else { panic!("{files:?}") };
        let text = if with_examples {
            let client = text.find("[client.").expect("it has a client");
            let (system, client) = text.split_at(client);
            // The example of a status would be a second one.
            let client = client.replace("# status = ", "## ");
            let begins = [
                "# leads =",
                "# state",
                "# refused",
                "# cas",
                "# create",
                "# append",
                "# add",
                "# if redis",
                "# redis",
                "# return",
                "# \"\"\"",
            ];
            let line = |line: &str| {
                let is_example = begins.iter().any(|begins| line.starts_with(begins));
                if is_example { line[2..].to_owned() } else { line.to_owned() }
            };
            system.to_owned() + &client.lines().map(line).collect::<Vec<_>>().join("\n")
        } else {
            text.clone()
        };
        let system = System::parse(name, &text).expect(&text);
        assert!(system.bridge.is_empty(), "the bridge is left out");
        assert!(!text.contains("bridge is asked") && text.contains(LEADER), "{text}");
        system
    }

    #[test]
    fn what_is_written_for_a_ready_client_is_read_with_each_of_its_examples() {
        for with_examples in [false, true] {
            let Some(ReadyClient::Resp(resp)) = read(Protocol::Resp, with_examples).client else {
                panic!("it speaks RESP");
            };
            assert_eq!((resp.cas.is_some(), resp.leads.is_some()), (with_examples, with_examples));
            let Some(ReadyClient::Http(http)) = read(Protocol::Http, with_examples).client else {
                panic!("it speaks HTTP");
            };
            assert_eq!((http.add.is_some(), http.state.is_some()), (with_examples, with_examples));
            assert_eq!(http.refused.is_empty(), !with_examples);
        }
    }
}
