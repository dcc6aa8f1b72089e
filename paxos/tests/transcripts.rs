//! Stories of the log, told line by line: a command, then everything that it brought about.
//!
//! A line that begins with `>` is a command, one with `#` a remark; the lines behind a command are
//! what the nodes did. `SYNOD_REWRITE=1` writes the stories anew from what the nodes do; read the
//! difference before it is committed. The simulator writes such stories, too, without what the
//! nodes do: `seed-N.txt` of its output folder is put beside the others and written anew.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test reads files and clocks; the core that it drives does not"
)]

mod story;

use story::Story;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");

fn check(name: &str) {
    let path = format!("{FOLDER}/{name}.txt");
    let text = std::fs::read_to_string(&path).unwrap();
    let told = retell(&text);
    if std::env::var_os("SYNOD_REWRITE").is_some() {
        std::fs::write(&path, told).unwrap();
    } else {
        assert_eq!(told, text, "{name}: the story went another way");
    }
}

/// Tells the story again: commands and remarks as they are, the rest as it happens.
fn retell(text: &str) -> String {
    let mut story = Story::new(3);
    let mut told = String::new();
    for line in text.lines() {
        let is_kept = line.starts_with(['>', '#']) || line.is_empty();
        if is_kept {
            told.push_str(line);
            told.push('\n');
        }
        if let Some(command) = line.strip_prefix('>') {
            told.push_str(&story.tell(command));
        }
    }
    told
}

#[test]
fn one_command() {
    check("one-command");
}

#[test]
fn the_disk_comes_first() {
    check("the-disk-comes-first");
}

#[test]
fn a_rival_takes_over() {
    check("a-rival-takes-over");
}

#[test]
fn a_gap_is_filled() {
    check("a-gap-is-filled");
}

#[test]
fn a_late_accept_of_a_lost_ballot() {
    check("a-late-accept");
}

#[test]
fn an_announced_slot() {
    check("an-announced-slot");
}

#[test]
fn a_restarted_leader() {
    check("a-restarted-leader");
}

#[test]
fn the_steps_of_a_replica() {
    check("the-steps-of-a-replica");
}

/// Runs of the simulator that are kept, whatever their seeds are.
#[test]
fn simulated_seeds() {
    let mut count = 0;
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".txt").filter(|name| name.starts_with("seed-")) {
            check(name);
            count += 1;
        }
    }
    assert!(count > 0, "no simulated run is kept");
}
