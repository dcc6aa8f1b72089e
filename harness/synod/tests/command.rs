//! `synod-sim` as a user calls it: what it refuses, and how it exits.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-sim-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Runs the simulator here, so that what it keeps goes with the folder.
    fn run(&self, arguments: &[&str], stdout: Stdio) -> (Option<i32>, String, String) {
        let mut simulator = Command::new(env!("CARGO_BIN_EXE_synod-sim"));
        simulator.args(arguments).current_dir(&self.0).stdout(stdout).stderr(Stdio::piped());
        let output = simulator.spawn().unwrap().wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn plan(&self, faults: &str) -> &'static str {
        self.plan_of("swarm", faults)
    }

    fn plan_of(&self, nemesis: &str, faults: &str) -> &'static str {
        let head = "seed = 7\nnodes = 3\ntime_ms = 3000\n";
        let text = format!("{head}nemesis = \"{nemesis}\"\n{faults}");
        std::fs::write(self.0.join("plan.toml"), text).unwrap();
        "plan.toml"
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn fault(action: &str) -> String {
    format!("[[faults]]\nat_ms = 900\nlasts_ms = 500\naction = {action}\n")
}

#[test]
fn what_would_be_left_out_in_silence_is_misused() {
    let scratch = Scratch::new("misused");
    let plan = scratch.plan("");
    for (arguments, words) in [
        (&["--seeds", "0"][..], "--seeds takes 1 or more"),
        (&["--from", "18446744073709551615", "--seeds", "2"], "the last seed is"),
        (&["--time", "0"], "--time takes 1 to 86400, not 0"),
        (&["--seed", "1", "--plan", plan], "--seed and --plan are two different things to do"),
        (&["--plan", plan, "--journals", "."], "--plan and --journals are two"),
        (&["--seed", "1", "--seeds", "3"], "--seeds means nothing to --seed"),
        (&["--seed", "1", "--all-points"], "--all-points means nothing to --seed"),
        (&["--plan", plan, "--nemesis", "mix"], "--nemesis means nothing to --plan"),
        (&["--plan", plan, "--time", "9"], "--time means nothing to --plan"),
        (&["--nemesis", "mix"], "--nemesis means nothing to a batch of seeds"),
        (&["--seeds", "1", "--shrink"], "--shrink means nothing to a batch of seeds"),
        (&["--journals", ".", "--log"], "--log means nothing to --journals"),
        (&["--shards", "0", "--shard", "0"], "--shards takes 1 to 10000, not 0"),
        (&["--shards", "4", "--shard", "4"], "there is no shard 4 of 4: --shard takes 0 to 3"),
        (&["--shards", "4"], "say which one this is, by --shard NUMBER"),
        (&["--shards", "4", "--shard-from", "NO_SUCH_INDEX"], "NO_SUCH_INDEX is not set"),
        (&["--summary-dir", "."], "--summary-dir is for --shards"),
        (&["--seed", "1", "--shard", "0"], "--shard means nothing to --seed"),
    ] {
        let (code, out, err) = scratch.run(arguments, Stdio::piped());
        assert_eq!((code, out.as_str()), (Some(64), ""), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    let drawn = ["--seed", "1", "--time", "2", "--nodes", "3", "--nemesis", "kill-one", "--log"];
    let (code, _, err) = scratch.run(&drawn, Stdio::piped());
    assert!(code == Some(0) || err.contains("too short"), "{err}");
}

#[test]
fn a_run_in_which_nothing_happened_is_no_pass() {
    let scratch = Scratch::new("nothing");
    let cut = scratch.plan(&fault("{ cut = [] }"));
    let (code, out, _) = scratch.run(&["--plan", cut], Stdio::piped());
    assert_eq!(code, Some(2), "{out}");
    assert!(out.ends_with("TOO LITTLE: no fault had an effect\n"), "{out}");
    let kill = scratch.plan(&fault("\"kill\""));
    assert_eq!(scratch.run(&["--plan", kill], Stdio::piped()).0, Some(0));
    let calm = scratch.plan("");
    assert_eq!(scratch.run(&["--plan", calm], Stdio::piped()).0, Some(0));
}

/// What a live run refuses, or calls VOID, is no pass here.
#[test]
fn a_written_fault_that_never_begins_and_a_plan_without_one_are_no_pass() {
    let scratch = Scratch::new("unbegun");
    let waits = fault("\"kill\"") + "trigger = { answered = 99999999 }\n";
    let plan = scratch.plan_of("by-hand", &(fault("\"kill\"") + &waits));
    let (code, out, _) = scratch.run(&["--plan", plan], Stdio::piped());
    let words = "TOO LITTLE: fault 2 never began: 900 ms for   500 ms: kill, all nodes, once \
        99999999 operations are answered\n";
    assert!(code == Some(2) && out.ends_with(words), "{code:?} {out}");
    for nemesis in ["by-hand", "mix"] {
        let plan = scratch.plan_of(nemesis, "");
        let (code, out, _) = scratch.run(&["--plan", plan], Stdio::piped());
        let words = format!("TOO LITTLE: the plan has no fault of {nemesis}; ");
        assert!(code == Some(2) && out.contains(&words), "{code:?} {out}");
    }
    let calm = scratch.plan_of("calm", "");
    assert_eq!(scratch.run(&["--plan", calm], Stdio::piped()).0, Some(0));
}

#[test]
fn what_cannot_be_printed_is_no_success_and_no_panic() {
    let scratch = Scratch::new("full");
    let plan = scratch.plan("");
    for arguments in [&["--help"][..], &["--plan", plan], &["--seeds", "1", "--time", "1"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (code, _, err) = scratch.run(arguments, full.into());
        assert_eq!(code, Some(70), "{arguments:?}: {err}");
        assert!(err.contains("synod-sim: cannot print what was found: "), "{err}");
    }
}

/// A shard leaves a summary, in the place of an older one; one without a seed says so, and passes
/// as such.
#[test]
fn a_shard_keeps_what_it_has_found() {
    let scratch = Scratch::new("shard");
    let shard = |index: &'static str| {
        let flags = ["--seeds", "2", "--time", "3", "--shards", "3", "--summary-dir", "kept"];
        let all = [&flags[..], &["--all-points", "--shard", index]].concat();
        scratch.run(&all, Stdio::piped())
    };
    std::fs::create_dir_all(scratch.0.join("kept")).unwrap();
    std::fs::write(scratch.0.join("kept/shard-0-of-3.json"), "an older one").unwrap();
    let (code, out, err) = shard("0");
    assert_eq!(code, Some(0), "what it has not seen is not its to judge: {out}{err}");
    assert!(out.contains("1 seeds in ") && out.contains("\nsummary: kept/shard-0-of-3.json\n"));
    assert!(!out.contains("never seen: "), "{out}");
    let summary = std::fs::read_to_string(scratch.0.join("kept/shard-0-of-3.json")).unwrap();
    assert!(summary.contains("\"index\": 0,") && summary.contains("\"seeds\": 1,"), "{summary}");
    let (code, out, _) = shard("2");
    assert_eq!(code, Some(0), "{out}");
    assert!(out.starts_with("shard 2 of 3 has none of the 2 seeds: nothing was run"), "{out}");
    // A place that takes no summary is no success.
    std::fs::write(scratch.0.join("taken"), "a file").unwrap();
    let flags = ["--seeds", "1", "--time", "3", "--shards", "1", "--shard", "0", "--summary-dir"];
    let (code, _, err) = scratch.run(&[&flags[..], &["taken"]].concat(), Stdio::piped());
    assert_eq!(code, Some(70), "{err}");
    assert!(err.contains("taken/shard-0-of-1.json"), "{err}");
}

/// The script of `deploy` for SLURM is run as a task of its array runs it: the number of shards is
/// that of the array, and all that it asks for is understood.
#[test]
#[cfg(target_os = "linux")]
fn the_array_of_slurm_is_as_large_as_the_campaign_has_shards() {
    let scratch = Scratch::new("slurm");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/slurm-array.sh");
    let text = std::fs::read_to_string(script).unwrap();
    let of = |start: &str| {
        // The remarks at the top name both, too.
        let rest = text.rsplit(start).next().unwrap();
        rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().to_owned()
    };
    let (last, shards) = (of("#SBATCH --array=0-"), of(" --shards "));
    assert_eq!(last.parse::<u64>().unwrap() + 1, shards.parse().unwrap());
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_synod-sim")).parent().unwrap();
    let task = |index: &str| {
        let mut task = Command::new("bash");
        task.arg(script).current_dir(&scratch.0).env("SYNOD", programs).env("OUT", "out");
        task.env("SEEDS", "1").env("SLURM_ARRAY_TASK_ID", index).output().unwrap()
    };
    let output = task(&last);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = scratch.0.join(format!("out/shard-{last}-of-{shards}.json"));
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(summary.contains("\"all_points\": true"), "{summary}");
    let output = task(&shards);
    assert_eq!(output.status.code(), Some(64), "there is no such task");
}
