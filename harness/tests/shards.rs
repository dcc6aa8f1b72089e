//! A campaign that several machines share: each makes its part, and the merge says what they are
//! together.
//!
//! The machines are folders, and the system is the stand-in.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-shards-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let text = r#"{"name": "fake",
            "serve": ["{binary}", "serve", "--id", "{node}", "--bug", "stale-read",
                "--peer-listen", "{peer-listen}", "--client-listen", "{client-listen}",
                {"per_peer": ["--other", "{peer}={address}"]}],
            "bridge": ["{binary}", "bridge", "--bug", "stale-read",
                {"per_node": ["--other", "{peer}={address}"]}]}"#;
        std::fs::write(path.join("fake.json"), text).unwrap();
        Self(path)
    }

    /// A campaign of `count` runs from seed 7 on, in which each run finds a stale read.
    fn chaos(&self, count: &str, machine: &str, more: &[&str]) -> Command {
        let mut command = Command::new(HARNESS);
        command.current_dir(&self.0).args(["chaos", "--system", "fake.json", "--binary", FAKE]);
        command.args(["--nemesis", "calm", "--time", "1", "--workload", "registers"]);
        command.args(["--test-count", count, "--runs-dir", machine]).args(more);
        command
    }

    fn merge(&self, folders: &[&str]) -> Command {
        let mut command = Command::new(HARNESS);
        command.current_dir(&self.0).args(["report", "--merge"]).args(folders);
        command
    }

    /// The plans of all runs of some machines, by their seeds.
    fn plans(&self, machines: &[&str]) -> BTreeMap<u64, String> {
        let mut plans = BTreeMap::new();
        for machine in machines {
            for entry in std::fs::read_dir(self.0.join(machine)).unwrap() {
                let entry = entry.unwrap();
                let plan = entry.path().join("plan.json");
                if entry.file_type().unwrap().is_dir() && plan.is_file() {
                    let text = std::fs::read_to_string(plan).unwrap();
                    let seed = serde_json::from_str::<Value>(&text).unwrap()["seed"].as_u64();
                    let other = plans.insert(seed.unwrap(), text);
                    assert_eq!(other, None, "no seed is run twice");
                }
            }
        }
        plans
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs a command and asserts its exit code; returns what it printed.
fn check(mut command: Command, code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
    (stdout, stderr)
}

#[test]
fn shards_make_the_runs_of_one_machine_and_the_merge_is_one_verdict() {
    let scratch = Scratch::new("whole");
    let seed = ["--seed", "7"];
    check(scratch.chaos("3", "alone", &seed), 1);
    let shard = |index: &'static str| [&seed[..], &["--shards", "4", "--shard", index]].concat();
    let (out, _) = check(scratch.chaos("3", "m0", &shard("0")), 1);
    assert!(out.contains("1 of 1 runs: 1 VIOLATION\nshard 0 of 4 of a campaign"), "{out}");
    assert!(out.ends_with("summary: m0/shard-0-of-4.json\n"), "{out}");
    // Where the index comes from a variable, as an orchestrator sets it.
    let mut by_variable = scratch.chaos("3", "m1", &seed);
    by_variable.args(["--shards", "4", "--shard-from", "TEST_INDEX"]).env("TEST_INDEX", "1");
    check(by_variable, 1);
    let (out, told) = check(scratch.merge(&["m0", "m1"]), 1);
    assert!(out.starts_with("VIOLATION: 2 of 4 shards, 2 of 3 runs: 2 VIOLATION\n"), "{out}{told}");
    assert!(out.contains("\n  shard 2, 3 of 4 are missing\n"), "{out}");
    check(scratch.chaos("3", "m2", &shard("2")), 1);
    let (out, _) = check(scratch.chaos("3", "m3", &shard("3")), 0);
    assert_eq!(
        out,
        "shard 3 of 4 has none of the 3 runs: nothing was run, and nothing is claimed\n\
         summary: m3/shard-3-of-4.json\n"
    );
    let machines = ["m0", "m1", "m2", "m3"];
    let plans = scratch.plans(&machines[..3]);
    assert_eq!(plans.keys().copied().collect::<Vec<_>>(), [7, 8, 9]);
    assert_eq!(plans, scratch.plans(&["alone"]), "byte for byte the runs of one machine");

    let summary = scratch.0.join("summary.md");
    let mut merge = scratch.merge(&machines);
    merge.args(["--page", "all.html"]).env("GITHUB_STEP_SUMMARY", &summary);
    let (out, _) = check(merge, 1);
    assert!(out.starts_with("VIOLATION: 4 of 4 shards, 3 of 3 runs: 3 VIOLATION\n"), "{out}");
    assert!(out.contains("\n  seed 8: VIOLATION: ") && out.ends_with("page: all.html\n"), "{out}");
    let page = std::fs::read_to_string(scratch.0.join("all.html")).unwrap();
    assert_eq!(page.matches("<tr class=\"v-violation\">").count(), 3, "{page}");
    let href = page.split("href=\"m1/").nth(1).unwrap().split('"').next().unwrap();
    assert!(scratch.0.join("m1").join(href).is_file(), "{href} leads to a report");
    let told = std::fs::read_to_string(summary).unwrap();
    assert!(told.starts_with("## VIOLATION: merged\n"), "{told}");

    // Named twice is there twice; runs of no shard are one verdict, too.
    let (out, _) = check(scratch.merge(&["m0", "m1", "m2", "m3", "m1"]), 1);
    assert!(out.contains("shard 1 of 4 came more than once: in m1/"), "{out}");
    let (out, _) = check(scratch.merge(&["alone"]), 1);
    assert!(out.starts_with("VIOLATION: 3 of 3 runs: 3 VIOLATION\n"), "{out}");
}

/// The verdicts are written by hand, as no run ends in each of them at will.
#[test]
fn the_code_of_the_merge_is_the_gravest_in_the_stated_order() {
    let scratch = Scratch::new("codes");
    let shard = |index: u64, verdict: &str, broken: Value| {
        let made = json!([{"seed": 7 + index, "verdict": verdict, "reason": "why", "rests_on": "",
            "folder": "r", "began_unix_ms": 0, "system": "fake", "nemesis": "calm"}]);
        let text = json!({"version": "1", "shard": {"index": index, "count": 2},
            "campaign": {"asked": {}, "first": 7, "runs": 2},
            "work": {"runs": {"made": made, "broken_off": broken}}});
        std::fs::write(scratch.0.join(format!("shard-{index}-of-2.json")), text.to_string())
            .unwrap();
    };
    let broken = json!({"code": 70, "why": "no port"});
    for (one, other, broken, code) in [
        ("violation", "interrupted", broken.clone(), 1),
        ("interrupted", "not-served", broken, 70),
        ("interrupted", "not-served", Value::Null, 130),
        ("void", "not-served", Value::Null, 3),
        ("unknown", "pass", Value::Null, 2),
        ("pass", "pass", Value::Null, 0),
    ] {
        shard(0, one, broken);
        shard(1, other, Value::Null);
        check(scratch.merge(&["."]), code);
    }
    // What passed, and cannot be shown, is no success.
    let mut unwritten = scratch.merge(&["."]);
    unwritten.args(["--page", "no/such/page.html"]);
    check(unwritten, 70);
    std::fs::remove_file(scratch.0.join("shard-1-of-2.json")).unwrap();
    let (out, _) = check(scratch.merge(&["."]), 2);
    assert!(out.starts_with("VOID: 1 of 2 shards, 1 of 2 runs: 1 PASS\n"), "{out}");
    assert!(out.contains("\n  shard 1 of 2 is missing\n"), "{out}");
}

#[test]
fn what_is_no_part_of_a_campaign_is_refused_with_its_place_and_what_to_do() {
    let scratch = Scratch::new("refused");
    let seed = ["--seed", "7"];
    let with = |more: &[&'static str]| [&seed[..], more].concat();
    for (flags, words) in [
        (with(&["--shards", "0", "--shard", "0"]), "--shards takes 1 to 10000, not 0"),
        (with(&["--shards", "3", "--shard", "3"]), "there is no shard 3 of 3: --shard takes 0 to"),
        (with(&["--shards", "3"]), "say which one this is, by --shard NUMBER"),
        (with(&["--shard", "1"]), "say how many there are, by --shards NUMBER"),
        (with(&["--shards", "3", "--shard-from", "NO_SUCH_INDEX"]), "NO_SUCH_INDEX is not set"),
        (vec!["--shards", "3", "--shard", "0"], "give all of them one, by --seed"),
    ] {
        let (out, told) = check(scratch.chaos("2", "runs", &flags), 64);
        assert!(out.is_empty() && told.contains(words), "{flags:?}: {told}");
    }
    assert!(!scratch.0.join("runs").exists(), "nothing was begun");

    let write = |path: &str, text: &str| {
        let path = scratch.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let part = |asked: &str| {
        json!({"version": "1", "shard": {"index": 0, "count": 2},
            "campaign": {"asked": {"--time": asked}, "first": 7, "runs": 2},
            "work": {"runs": {"made": [], "broken_off": null}}})
        .to_string()
    };
    write("a/shard-0-of-2.json", &part("30"));
    write("b/shard-0-of-2.json", &part("60"));
    write("torn/shard-0-of-2.json", "{\"version\": ");
    write("of-two/shard-0-of-2.json", &part("30").replace("\"index\":0", "\"index\":2"));
    write("empty/notes.txt", "nothing");
    write("run/plan.json", "{}");
    write("odd/report.json", "{}");
    for (folders, words) in [
        (&["a", "b"][..], "b/shard-0-of-2.json is no part of the campaign of a/shard-0-of-2.json"),
        (&["a", "b"], "--time is 60 here and 30 there; merge those of one campaign"),
        (&["torn"], "torn/shard-0-of-2.json is not the summary of a shard: the JSON ends"),
        (&["of-two"], "there is no shard 2 of 2"),
        (&["empty"], "empty holds no run and no summary of a shard; name the folder of a run"),
        (&["nowhere"], "cannot read nowhere"),
        (&["a", "run"], "run is a run of its own, and a/shard-0-of-2.json the summary of a shard"),
        (&["odd"], "odd/report.json is not the summary of a run"),
    ] {
        let (out, told) = check(scratch.merge(folders), 64);
        assert!(out.is_empty() && told.contains(words), "{folders:?}: {told}");
    }
    let mut several = Command::new(HARNESS);
    several.current_dir(&scratch.0).args(["report", "a", "b"]);
    let (_, told) = check(several, 64);
    assert!(told.contains("several folders are put together by --merge"), "{told}");
    assert!(!scratch.0.join("merged.html").exists());
    for (folder, page) in [("a", "a/shard-0-of-2.json"), ("run", "run/report.json")] {
        let before = std::fs::read(scratch.0.join(page)).ok();
        let mut replacing = scratch.merge(&[folder]);
        replacing.args(["--page", page]);
        let (_, told) = check(replacing, 64);
        assert!(told.contains(&format!("--page would replace {page}; name another")), "{told}");
        assert_eq!(std::fs::read(scratch.0.join(page)).ok(), before, "it is as it was");
    }
    let (out, _) = check(scratch.merge(&["run"]), 2);
    assert!(out.contains("run has no report: it goes on, or was cut off"), "{out}");
}
