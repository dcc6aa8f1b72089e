//! The rules for public types: a name once in the workspace, and in a file that is named after it.
//!
//! Public is a struct, an enum or a trait with a bare `pub` in the code of a crate that ships; an
//! alias is none, as it is a name for something else. A file with one public type has a word in
//! common with it, as far as the first letters tell; a file with several is named after its
//! subject.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use super::{File, Finding, Tree};

/// Checks all crates.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    check_but(tree, SHARED, SUBJECTS)
}

fn check_but(tree: &Tree, shared: &[Shared], subjects: &[&str]) -> Vec<Finding> {
    let mut homes: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut left: BTreeSet<&str> = subjects.iter().copied().collect();
    for file in tree.files.iter().filter(|file| is_library(file)) {
        let types = public_types(file);
        if let [(name, line)] = types.as_slice()
            && !is_named_after(file, name)
            && !left.remove(file.path.as_str())
        {
            let what = format!("the file is not named after its public type `{name}`");
            findings.push(Finding::new(&file.path, *line, what));
        }
        for (name, line) in types {
            homes.entry(name).or_default().push((&file.path, line));
        }
    }
    let named =
        |path: &str| format!("`{path}` needs no exception for its name; strike it off the list");
    findings.extend(left.into_iter().map(|path| Finding::new(file!(), 0, named(path))));
    let known = |name: &str| shared.iter().any(|shared| shared.names.contains(&name));
    for (name, homes) in homes.iter().filter(|(name, homes)| homes.len() > 1 && !known(name)) {
        let places: Vec<String> =
            homes.iter().map(|(path, line)| format!("{path}:{line}")).collect();
        let what = format!("`{name}` is the name of several public types: {}", places.join(", "));
        findings.push(Finding::new(homes[0].0, homes[0].1, what));
    }
    for name in shared.iter().flat_map(|shared| shared.names) {
        if homes.get(*name).is_none_or(|homes| homes.len() < 2) {
            let what = format!("`{name}` is no name of several types; strike it off the list");
            findings.push(Finding::new(file!(), 0, what));
        }
    }
    findings
}

/// Names that several types have, and why.
struct Shared {
    names: &'static [&'static str],
    #[expect(dead_code, reason = "it is for whoever reads the list")]
    why: &'static str,
}

fn is_library(file: &File) -> bool {
    let parts: Vec<&str> = file.path.split('/').collect();
    file.is_rust()
        && parts.contains(&"src")
        && !parts.iter().any(|part| ["tests", "bin"].contains(part))
}

fn public_types(file: &File) -> Vec<(String, usize)> {
    let source = Source::parse(&file.text);
    let lines = source.shipped().iter().enumerate();
    let types = lines.filter_map(|(at, line)| Some((type_of(&line.code)?, at + 1)));
    types.collect()
}

fn type_of(code: &str) -> Option<String> {
    let mut words = code.trim_start().strip_prefix("pub ")?.splitn(2, ' ');
    let kind = words.next()?;
    let rest = words.next().filter(|_| ["struct", "enum", "trait"].contains(&kind))?;
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn is_named_after(file: &File, name: &str) -> bool {
    let stem = file.name().trim_end_matches(".rs");
    let stem = match stem {
        "lib" | "main" => return true,
        "mod" => file.folder().rsplit('/').next().unwrap_or(stem),
        stem => stem,
    };
    let same = |word: &str, other: &str| {
        let letters = word.len().min(other.len()).min(LETTERS);
        word[..letters] == other[..letters]
    };
    let words = words_of(name);
    stem.split('_').any(|word| words.iter().any(|other| same(word, other)))
}

/// Takes a name such as `ClientId` apart, in small letters.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        match words.last_mut() {
            Some(word) if !c.is_uppercase() => word.push(c),
            Some(_) | None => words.push(c.to_ascii_lowercase().to_string()),
        }
    }
    words
}

/// How many letters of two words are compared: "recovery" is close enough to "recovered".
const LETTERS: usize = 4;

const SHARED: &[Shared] = &[
    Shared {
        names: &["Action", "Broken", "MultiPaxos", "Promise", "State", "Synod"],
        why: "a specification in Rust has the names of its TLA+ module, and so has the code; the \
              harness has actions of its own, of clients and of plans",
    },
    Shared {
        names: &["Config", "ConfigError", "Disk", "Effects", "Input", "Message", "Record"],
        why: "each floor that is sans-IO has its own, and the floor above names the crate; the \
              journal's disk is what a replica is told the state of",
    },
    Shared {
        names: &["Client", "ClientConfig", "Command", "Event", "TlsFiles"],
        why: "what is around a core has its word: the client of the shell has that of the replica \
              inside, a command of the service is the payload of one of the log",
    },
    Shared {
        names: &["Malformed"],
        why: "a written command and a written scenario are refused by those who read them",
    },
    Shared {
        names: &["DropReason", "Lane", "Millis", "NodeId", "Refusal", "Role"],
        why: "the crates know nothing of each other on purpose, and `node` or the harness \
              translates; a trait of the clock asks what a node id can do",
    },
    Shared {
        names: &["Answer", "Operation", "Outcome", "Process", "Request", "Status", "Value"],
        why: "words of histories, which judge any system and so link none; the client, the service \
              and the replica have the same words for their own",
    },
    Shared {
        names: &["Cluster", "Leader", "Machine", "System", "World"],
        why: "whole clusters run on real processes, in virtual time and in the simulator, and each \
              way has its own",
    },
    Shared {
        names: &["Batch", "Cause", "Count", "Counts", "Limits", "ReadError", "Report", "Ticket"],
        why: "what a crate counts, bounds, reports or keeps for its caller is its own",
    },
    Shared {
        names: &["Choice", "Format", "Found", "Model", "Verdict"],
        why: "a model of the checker is not one of the proof, a verdict on a packet none on a run; \
              each is the field's word in its own crate",
    },
];

/// Files with one public type that are named after what they are about.
const SUBJECTS: &[&str] = &[
    "harness/checker/src/search/mod.rs",
    "harness/history/src/jsonl.rs",
    "harness/history/src/pairing.rs",
    "harness/shell/src/machine.rs",
    "harness/sim/src/event_queue.rs",
    "harness/sim/src/run.rs",
    "harness/fault/src/shrink.rs",
    "harness/synod/src/coverage/machines.rs",
    "harness/synod/src/machine/folders.rs",
    "harness/synod/src/trace/mod.rs",
    "harness/synod/src/trace/static_checks.rs",
    "harness/synod/src/trial.rs",
    "host/src/clients.rs",
    "host/src/commits.rs",
    "host/src/flush.rs",
    "journal/src/write/next_segment.rs",
    "paxos/proof/src/models.rs",
    "transport-quic/src/frames/preface.rs",
    "transport-quic/src/trust/verify.rs",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)], shared: &[Shared]) -> Vec<String> {
        check_but(&Tree::of(files), shared, &[]).iter().map(ToString::to_string).collect()
    }

    const ONE: (&str, &str) = ("c/src/vote.rs", "//! A.\npub struct Vote;\n");

    #[test]
    fn a_name_is_that_of_one_public_type() {
        let other = ("d/src/votes.rs", "//! A.\n\npub(crate) enum Vote {}\npub type Vote = u8;\n");
        assert_eq!(findings(&[ONE, other], &[]), [""; 0]);
        let same = ("d/src/votes.rs", "//! A.\n\n    pub enum Vote {\n    }\n");
        let found = "c/src/vote.rs:2: `Vote` is the name of several public types: \
                     c/src/vote.rs:2, d/src/votes.rs:3";
        assert_eq!(findings(&[ONE, same], &[]), [found]);
        let shared = [Shared { names: &["Vote"], why: "" }];
        assert_eq!(findings(&[ONE, same], &shared), [""; 0]);
        assert!(findings(&[ONE], &shared)[0].ends_with("strike it off the list"));
        let test = ("d/tests/src/vote.rs", "pub struct Vote;\n");
        assert_eq!(findings(&[ONE, test], &[]), [""; 0]);
    }

    #[test]
    fn a_file_with_one_public_type_is_named_after_it() {
        let text = "//! A.\npub struct KeptReply<M> {}\n";
        for path in ["c/src/reply.rs", "c/src/kept.rs", "c/src/replies/mod.rs", "c/src/lib.rs"] {
            assert_eq!(findings(&[(path, text)], &[]), [""; 0], "{path}");
        }
        let found = "c/src/store.rs:2: the file is not named after its public type `KeptReply`";
        assert_eq!(findings(&[("c/src/store.rs", text)], &[]), [found]);
        let two = "//! A.\npub struct KeptReply;\npub trait Machine {}\n";
        assert_eq!(findings(&[("c/src/store.rs", two)], &[]), [""; 0]);
    }

    #[test]
    fn a_subject_is_struck_off_once_its_file_is_gone_or_is_named_after_its_type() {
        let store = ("c/src/store.rs", "//! A.\npub struct KeptReply;\n");
        let found = |files: &[(&str, &str)]| check_but(&Tree::of(files), &[], &["c/src/store.rs"]);
        assert_eq!(found(&[store]), []);
        for files in [&[ONE][..], &[("c/src/store.rs", "//! A.\npub struct Store;\n")]] {
            let found = found(files);
            let told = found.iter().map(ToString::to_string).collect::<String>();
            assert!(found.len() == 1 && told.ends_with("strike it off the list"), "{told}");
        }
    }

    #[test]
    fn one_letter_in_common_is_no_name() {
        let text = "//! A.\npub struct KeptReply;\n";
        assert_eq!(findings(&[("c/src/record.rs", text)], &[]).len(), 1);
        for kind in ["struct", "enum", "trait"] {
            let text = format!("//! A.\npub {kind} KeptReply {{}}\n");
            assert_eq!(findings(&[("c/src/store.rs", &text)], &[]).len(), 1, "{kind}");
        }
    }
}
