//! Power, disks and clocks of real processes: a store that syncs too late is caught, one that does
//! not passes, and a program that cannot be reached is refused before anything starts.
//!
//! The store of `examples/quorum_kv` stands for a system in another language. Without Python those
//! tests say so and try nothing.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod store;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use store::{STORE, has_python, text_of};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");
const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

/// A run that came to its end.
struct Run {
    code: Option<i32>,
    out: String,
    report: Value,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-power-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn chaos(&self, system: &Path, binary: &str, scenario: &Path, seed: u64) -> Output {
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(system).args(["--binary", binary]);
        command.arg("--scenario").arg(scenario).arg("--runs-dir").arg(self.0.join("runs"));
        command.args(["--seed", &seed.to_string()]).env("PYTHONDONTWRITEBYTECODE", "1");
        command.output().unwrap()
    }

    /// Runs a variant of the store; a run that did too little on a busy machine is repeated.
    fn run(&self, variant: &str, scenario: &str, seeds: std::ops::Range<u64>) -> Run {
        let text = std::fs::read_to_string(Path::new(SCENARIOS).join(scenario)).unwrap();
        self.run_text(variant, &text, seeds)
    }

    fn run_text(&self, variant: &str, text: &str, seeds: std::ops::Range<u64>) -> Run {
        let path = self.0.join("scenario.toml");
        // The store knows registers alone.
        let text = text.replace("\nnodes =", "\nworkload = \"registers\"\nnodes =");
        std::fs::write(&path, text).unwrap();
        let system = Path::new(STORE).join(format!("{variant}.toml"));
        let mut last = None;
        for seed in seeds {
            let Output { status, stdout, stderr } = self.chaos(&system, STORE, &path, seed);
            let out = format!("{}{}", text_of(stdout), text_of(stderr));
            let report = std::fs::read(self.0.join("runs/latest/report.json")).expect(&out);
            let report = serde_json::from_slice(&report).unwrap();
            let run = Run { code: status.code(), out, report };
            if run.code != Some(2) {
                return run;
            }
            last = Some(run);
        }
        last.unwrap()
    }

    fn describe(&self, name: &str, serve: &str) -> PathBuf {
        let path = self.0.join(format!("{name}.json"));
        let text = format!(
            r#"{{"name": "{name}", "serve": [{serve}, "serve", "--id", "{{node}}", "--bug", "none",
            "--peer-listen", "{{peer-listen}}", "--client-listen", "{{client-listen}}",
            {{"per_peer": ["--other", "{{peer}}={{address}}"]}}],
            "bridge": ["{{binary}}", "bridge", "--bug", "none",
            {{"per_node": ["--other", "{{peer}}={{address}}"]}}]}}"#
        );
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Run {
    fn effects(&self, kind: &str) -> Vec<String> {
        let faults = self.report["faults"].as_array().expect(&self.out);
        let of_kind = faults.iter().filter(|fault| fault["kind"] == kind);
        of_kind.map(|fault| fault["effect"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_store_that_acknowledges_before_it_syncs_is_caught_by_a_power_loss() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("late");
    let found = (1..4)
        .map(|seed| scratch.run("late-sync", "power-losses.toml", seed..seed + 1))
        .find(|run| run.code == Some(1));
    let found = found.expect("what it acknowledged is gone");
    let reasons = found.report["reasons"].to_string();
    assert!(!reasons.contains("ended by itself"), "{reasons}");
    let effects = found.effects("power-loss");
    assert!(effects.iter().any(|effect| effect.contains("changes of")), "{effects:?}");
}

#[test]
fn a_store_that_syncs_first_survives_what_the_other_does_not() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("sound");
    let run = scratch.run("sound", "power-losses.toml", 1..4);
    assert_eq!(run.code, Some(0), "{}", run.out);
    let effects = run.effects("power-loss");
    assert_eq!(effects.len(), 4, "{effects:?}");
    assert!(effects.iter().all(|effect| effect.contains("without power")), "{effects:?}");
    let slowed = run.effects("disk");
    assert!(slowed[0].ends_with("syncs slowed") && !slowed[0].starts_with("0 "), "{slowed:?}");
}

#[test]
fn errors_of_a_disk_and_clocks_that_are_off_are_survived_and_counted() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("errors");
    let run = scratch.run("sound", "bad-disks.toml", 1..4);
    assert_eq!(run.code, Some(0), "{}", run.out);
    let effects = run.effects("disk").join("; ");
    for words in ["1 syncs failed", "syncs held", "writes cut short", "syncs slowed"] {
        assert!(effects.contains(words), "{effects}");
    }
    let exits = run.report["nodes"][0]["exits"].to_string();
    assert!(exits.contains("after the nemesis let its disk fail: exit code 74"), "{exits}");
    let run = scratch.run("sound", "bad-clocks.toml", 1..4);
    assert_eq!(run.code, Some(0), "{}", run.out);
    let effects = run.effects("clock-rate");
    assert!(effects.iter().all(|effect| !effect.starts_with("0 ")), "{effects:?}");
}

/// The second failure begins while the first one is in force. Whichever strikes ends the process,
/// which is held until both have ended: so one of the two may find nobody, and the run is sound.
#[test]
fn failures_of_one_disk_that_overlap_end_its_process_and_no_run() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("failures");
    let text = "seed = 1\nnodes = 3\ntime_ms = 8000\n\
        [[faults]]\nat_ms = 1500\nlasts_ms = 1500\n\
        action = { disk = \"sync-fails\" }\ntarget = { node = 1 }\n\
        [[faults]]\nat_ms = 2500\nlasts_ms = 3000\n\
        action = { disk = \"SECOND\" }\ntarget = { node = 1 }\n";
    for second in ["sync-fails", "write-fails"] {
        let run = scratch.run_text("sound", &text.replace("SECOND", second), 1..4);
        assert_eq!(run.code, Some(0), "{second}: {}", run.out);
        let effects = run.effects("disk");
        let is_felt = |told: &&String| told.ends_with(" failed") && !told.starts_with("0 ");
        let felt = effects.iter().filter(is_felt).count();
        assert!(effects.len() == 2 && felt >= 1, "{second}: {effects:?}");
    }
}

#[test]
fn a_program_that_no_library_reaches_is_refused_before_anything_starts() {
    let scratch = Scratch::new("static");
    // The head of an executable that names no loader.
    let mut program = vec![0_u8; 64];
    program[..6].copy_from_slice(b"\x7fELF\x02\x01");
    program[18] = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let path = scratch.0.join("static");
    std::fs::write(&path, program).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let system = scratch.describe("static", &format!("\"{}\"", path.display()));
    let scenario = Path::new(SCENARIOS).join("power-losses.toml");
    let output = scratch.chaos(&system, FAKE, &scenario, 1);
    let words = text_of(output.stderr);
    assert_eq!(output.status.code(), Some(64), "{words}");
    assert!(words.contains("it is linked statically, and loads no library"), "{words}");
}

#[test]
fn a_power_loss_of_a_system_that_shows_no_write_is_void_and_names_the_node() {
    let scratch = Scratch::new("unseen");
    let system = scratch.describe("fake", "\"{binary}\"");
    // One node alone: what it forgets, the others know.
    let scenario = scratch.0.join("one.toml");
    let text = "seed = 1\nnodes = 3\ntime_ms = 4000\n[[faults]]\nat_ms = 1000\nlasts_ms = 500\n\
        action = \"power-loss\"\ntarget = { node = 1 }\n";
    std::fs::write(&scenario, text).unwrap();
    let output = scratch.chaos(&system, FAKE, &scenario, 1);
    let out = text_of(output.stdout);
    assert_eq!(output.status.code(), Some(2), "{out}{}", text_of(output.stderr));
    assert!(out.contains("node 1: no write of it came through the shim"), "{out}");
}
