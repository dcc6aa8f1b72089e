//! The rule of the shell: `node` names nothing that a decision about the log would need.
//!
//! Whatever chooses, orders, bounds or remembers for a replica is in the host or below, where the
//! simulator drives it. A shell that cannot name a slot, a ballot, a record or a message cannot
//! keep an index of slots or a rule about votes of its own.

use super::source::Source;
use super::{File, Finding};

/// Checks one file of the node's own sources.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    if !file.path.starts_with(SHELL) {
        return Vec::new();
    }
    let source = Source::parse(&file.text);
    let lines = source.lines.iter().enumerate();
    let named = lines.flat_map(|(at, line)| {
        let words = line.code.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| DECIDING.contains(word)).map(move |word| (at, word.to_owned()))
    });
    named
        .map(|(at, word)| {
            let what = format!("the node names `{word}`; what decides belongs into the host");
            Finding::new(&file.path, at + 1, what)
        })
        .collect()
}

/// Where the shell is.
const SHELL: &str = "node/src/";

/// What a rule about the log cannot do without.
const DECIDING: &[&str] = &["Ballot", "Message", "Record", "Slot"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_names_no_slot_and_others_may() {
        let text = "//! A Slot may be spoken of.\nfn keep(slot: Slot) {}\nfn slots() {}\n";
        let found = check(&File::of("node/src/index.rs", text));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().contains("`Slot`"), "{found:?}");
        assert!(check(&File::of("host/src/slot_index.rs", text)).is_empty());
        assert!(check(&File::of("node/tests/counter.rs", text)).is_empty());
    }

    #[test]
    fn each_word_of_a_rule_about_the_log_is_refused_in_tests_of_the_node_too() {
        for word in ["Ballot", "Message", "Record", "Slot"] {
            for text in [
                format!("//! A.\nuse synod_host::{word};\n"),
                format!("//! A.\n#[cfg(test)]\nmod tests {{\n    use x::{word} as Other;\n}}\n"),
            ] {
                assert_eq!(check(&File::of("node/src/a.rs", &text)).len(), 1, "{text}");
            }
        }
    }
}
