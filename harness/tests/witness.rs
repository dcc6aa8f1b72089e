//! The witness of a PASS as a user keeps it and plays it: what it proves, and what it does not.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn a_witness_is_kept_and_played_and_one_that_was_changed_explains_nothing() {
    let folder = Folder::new("kept");
    let history = folder.write("history.edn", GOOD);
    let witness = folder.0.join("witness.txt");
    let kept = ["--keep-witness", witness.to_str().unwrap()];
    let played = ["--witness", witness.to_str().unwrap()];
    assert_says(&check(&history, &kept), 0, "PASS");
    let text = std::fs::read_to_string(&witness).unwrap();
    let (write, read) = ("0 client 1 write x 2 = ok\n", "2 client 2 read x = 2\n");
    assert!(text.ends_with(&[write, read].concat()), "{text}");
    assert_says(&check(&history, &played), 0, "as the 2 operations of");

    let head = text.strip_suffix(&[write, read].concat()).unwrap();
    for (changed, wanted) in [
        ([read, write].concat(), "client 2 read x = 2, cannot be answered so: nothing is there"),
        (write.to_owned(), "client 2 read x = 2 took effect, and is not in the order"),
        ([write, read, read].concat(), "operation 3 of the order"),
        ([write, "9 client 2 read x = 2\n"].concat(), "line 4 begins with no event at which"),
        ("\u{0}\u{1b}[2J".to_owned(), "\\u{0}\\u{1b}[2J"),
        (String::new(), "took effect, and is not in the order"),
    ] {
        folder.write("witness.txt", &[head, &changed].concat());
        assert_says(&check(&history, &played), 2, wanted);
    }
}

#[test]
fn a_witness_makes_no_verdict_of_a_history_that_has_none() {
    let folder = Folder::new("none");
    let witness = folder.0.join("witness.txt");
    let kept = ["--keep-witness", witness.to_str().unwrap()];
    let bad = GOOD.replace(":read :key \"x\" :value 2", ":read :key \"x\" :value 3");
    assert_says(&check(&folder.write("bad.edn", &bad), &kept), 1, "VIOLATION");
    assert!(!witness.exists(), "nothing explains a violation");
    let empty = folder.write("empty.edn", "");
    folder.write("witness.txt", "");
    assert_says(&check(&empty, &["--witness", witness.to_str().unwrap()]), 2, "VOID");
}

#[test]
fn files_that_cannot_be_had_are_named() {
    let folder = Folder::new("unnamed");
    let history = folder.write("history.edn", GOOD);
    for flag in ["--witness", "--keep-witness"] {
        let output = check(&history, &[flag, "no/such/witness"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{told}");
        assert!(told.contains("no/such/witness: No such file"), "{told}");
    }
    let both = check(&history, &["--witness", "a", "--keep-witness", "b"]);
    assert_eq!(both.status.code(), Some(64));
}

/// The history is what was seen, and may be all that is left of a failure.
#[test]
fn no_order_is_kept_in_the_place_of_the_history() {
    let folder = Folder::new("replaced");
    let history = folder.write("history.edn", GOOD);
    let (link, twin) = (folder.0.join("link"), folder.0.join("twin"));
    std::os::unix::fs::symlink(&history, &link).unwrap();
    std::fs::hard_link(&history, &twin).unwrap();
    for place in [&history, &link, &twin] {
        let output = check(&history, &["--keep-witness", place.to_str().unwrap()]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{told}");
        let wanted = format!("--keep-witness would replace {}; name", history.display());
        assert!(told.contains(&wanted), "{told}");
        assert_eq!(std::fs::read_to_string(&history).unwrap(), GOOD, "it is as it was");
    }
    for flag in ["--keep-witness", "--report"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_synod-harness"));
        command.args(["check", "-", "--format", "edn", flag]).arg(&history);
        let output = command.stdin(std::fs::File::open(&history).unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{flag}");
        assert_eq!(std::fs::read_to_string(&history).unwrap(), GOOD, "it is as it was");
    }
}

fn check(history: &Path, flags: &[&str]) -> Output {
    let command = env!("CARGO_BIN_EXE_synod-harness");
    let arguments = ["check", history.to_str().unwrap(), "--format", "edn"];
    Command::new(command).args(arguments).args(flags).output().unwrap()
}

fn assert_says(output: &Output, exit_code: i32, wanted: &str) {
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit_code), "{told}{errors}");
    assert!(told.contains(wanted), "{wanted:?} in {told}{errors}");
}

/// A folder of one test, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("witness-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

const GOOD: &str = "{:process 1 :type :invoke :f :write :key \"x\" :value 2}\n\
    {:process 1 :type :ok :f :write :key \"x\" :value 2}\n\
    {:process 2 :type :invoke :f :read :key \"x\"}\n\
    {:process 2 :type :ok :f :read :key \"x\" :value 2}\n";
