//! The files of `deploy`, held against the fields that their readers know, and against the harness.
//!
//! The schemas below are of the fields that the files use, with the words that Kubernetes and
//! GitHub have for them; a field that is not among them is refused, as a misspelt one would be
//! passed over in silence by many a reader. Then the commands are run as they stand, with a number
//! that is none of a shard: the harness must have understood all else.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "deploy/yaml.rs"]
mod yaml;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Says what is wrong with a value. A schema is an object with the schema of each field (`?` after
/// its name: it may be missing; `*`: any name), a list with that of each item, a text for a kind,
/// or any other value for itself; `{"oneOf": [...]}` is one of several.
fn problem(schema: &Value, value: &Value) -> Option<String> {
    match (schema, value) {
        (Value::Object(one), _) if one.contains_key("oneOf") => {
            let all: Vec<String> =
                one["oneOf"].as_array()?.iter().map_while(|one| problem(one, value)).collect();
            (all.len() == one["oneOf"].as_array()?.len()).then(|| all.join(", or "))
        }
        (Value::Object(fields), Value::Object(found)) => {
            let known = |name: &String| {
                let other = fields.get(name).or_else(|| fields.get(&format!("{name}?")));
                other.or_else(|| fields.get("*"))
            };
            let needed = fields.keys().filter(|name| !name.ends_with(['?', '*']));
            let missing = needed.into_iter().find(|name| !found.contains_key(*name));
            missing.map(|name| format!("`{name}` is missing")).or_else(|| {
                found.iter().find_map(|(name, value)| match known(name) {
                    None => Some(format!("there is no `{name}`")),
                    Some(schema) => problem(schema, value).map(|why| format!("{name}: {why}")),
                })
            })
        }
        (Value::Array(each), Value::Array(items)) => {
            items.iter().find_map(|item| problem(&each[0], item))
        }
        (Value::String(kind), value) => {
            let is = match kind.as_str() {
                "text" => value.is_string(),
                "number" => value.is_u64(),
                "flag" => value.is_boolean(),
                "nothing" => value.is_null(),
                word => word.strip_prefix('=').is_some_and(|only| value == only),
            };
            (!is).then(|| format!("{value} is no {kind}"))
        }
        (schema, value) => (schema != value).then(|| format!("{value} is not {schema}")),
    }
}

fn one_of(words: &[&str]) -> Value {
    json!({"oneOf": words.iter().map(|word| format!("={word}")).collect::<Vec<_>>()})
}

/// The fields of `batch/v1` that the Job uses.
fn job_schema() -> Value {
    let codes = json!({"containerName?": "text", "operator": one_of(&["In", "NotIn"]),
        "values": ["number"]});
    let conditions = json!([{"type": "text", "status": "text"}]);
    let action = one_of(&["FailJob", "FailIndex", "Ignore", "Count"]);
    let rule = json!({"action": action, "onExitCodes?": codes, "onPodConditions?": conditions});
    let container = json!({
        "name": "text", "image": "text", "command": ["text"],
        "securityContext": {"allowPrivilegeEscalation": "flag", "capabilities": {"drop": ["text"]}},
        "resources": {"requests": {"cpu": "text", "memory": "text"}, "limits": {"memory": "text"}},
        "volumeMounts": [{"name": "text", "mountPath": "text"}],
    });
    json!({
        "apiVersion": "=batch/v1", "kind": "=Job", "metadata": {"name": "text"},
        "spec": {
            "completionMode": one_of(&["Indexed", "NonIndexed"]), "completions": "number",
            "parallelism": "number", "backoffLimitPerIndex": "number",
            "activeDeadlineSeconds": "number", "podFailurePolicy": {"rules": [rule]},
            "template": {"spec": {
                "restartPolicy": one_of(&["Never", "OnFailure"]),
                "automountServiceAccountToken": "flag",
                "securityContext":
                    {"runAsNonRoot": "flag", "runAsUser": "number", "fsGroup": "number"},
                "containers": [container],
                "volumes": [{"name": "text", "persistentVolumeClaim": {"claimName": "text"}}],
            }},
        },
    })
}

/// The fields of a workflow that the matrix uses.
fn workflow_schema() -> Value {
    let step = json!({"oneOf": [
        {"name?": "text", "uses": "text", "if?": "text",
            "with?": {"*": {"oneOf": ["text", "flag"]}}},
        {"name?": "text", "run": "text", "if?": "text"},
    ]});
    let needs = json!({"oneOf": ["text", ["text"]]});
    let strategy = json!({"fail-fast": "flag", "matrix": {"*": ["number"]}});
    let job = json!({"needs?": needs, "if?": "text", "runs-on": "text", "timeout-minutes": "number",
        "strategy?": strategy, "env?": {"*": "text"}, "steps": [step]});
    json!({"name": "text", "permissions": {"contents": "=read"}, "env": {"*": "text"},
        "on": {"workflow_dispatch": "nothing", "schedule": [{"cron": "text"}]}, "jobs": {"*": job}})
}

#[test]
fn the_job_has_the_fields_of_its_kind_and_heeds_the_exit_codes() {
    let job = yaml::read(&text("kubernetes-job.yaml"));
    assert_eq!(problem(&job_schema(), &job), None);
    let spec = &job["spec"];
    // What Kubernetes asks of a Job with a policy for failures.
    assert_eq!(
        (&spec["completionMode"], &spec["template"]["spec"]["restartPolicy"]),
        (&json!("Indexed"), &json!("Never"))
    );
    let container = &spec["template"]["spec"]["containers"][0];
    let rules = spec["podFailurePolicy"]["rules"].as_array().unwrap();
    let action = |code: u64| {
        // The first rule that fits is the one that is heeded.
        let fits = |rule: &&Value| {
            let codes = &rule["onExitCodes"];
            codes["containerName"] == container["name"]
                && codes["values"].as_array().is_some_and(|all| all.contains(&json!(code)))
        };
        rules.iter().find(fits).map(|rule| rule["action"].as_str().unwrap())
    };
    assert_eq!([1, 2, 3, 70].map(action), ["FailJob", "Count", "Count", "Ignore"].map(Some));
    // What counts is not tried again until it passes, and what is tried again has a bound.
    assert_eq!(spec["backoffLimitPerIndex"], 0);
    assert!(spec["activeDeadlineSeconds"].as_u64().unwrap() > 0);
    let one_way =
        |rule: &Value| rule.get("onExitCodes").is_some() != rule.get("onPodConditions").is_some();
    assert!(rules.iter().all(one_way), "a rule is of codes or of conditions");

    let words: Vec<&str> =
        container["command"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let completions = spec["completions"].to_string();
    let told = understood(
        Command::new(HARNESS).args(&words[1..]).env("JOB_COMPLETION_INDEX", &completions),
    );
    let wanted = format!("there is no shard {completions} of {completions}: --shard-from JOB_");
    assert!(told.contains(&wanted), "{told}");
    let mount = &container["volumeMounts"][0];
    assert_eq!(words.last().unwrap(), &mount["mountPath"].as_str().unwrap());
    assert_eq!(mount["name"], spec["template"]["spec"]["volumes"][0]["name"]);
}

#[test]
fn the_matrix_has_the_fields_of_a_workflow_and_every_shard_once() {
    let workflow = yaml::read(&text("github-matrix.yml"));
    assert_eq!(problem(&workflow_schema(), &workflow), None);
    let jobs = &workflow["jobs"];
    let shards: u64 = workflow["env"]["SHARDS"].as_str().unwrap().parse().unwrap();
    let strategy = &jobs["shard"]["strategy"];
    assert_eq!(strategy["matrix"]["shard"], (0..shards).collect::<Value>());
    assert_eq!(strategy["fail-fast"], false);
    assert!(shards <= 256, "a matrix has 256 jobs at most");
    assert_eq!(
        (&jobs["merge"]["if"], &jobs["merge"]["needs"]),
        (&json!("always()"), &json!(["build", "shard"]))
    );
    let run = |job: &str, name: &str| {
        let steps = jobs[job]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        step["run"].as_str().unwrap().replace("bin/synod-harness", "\"$HARNESS\"")
    };
    let shell = |script: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", script]).env("HARNESS", HARNESS);
        shell
    };
    let mut chaos = shell(&run("shard", "chaos"));
    chaos.env("SEED", "7").env("TEST_COUNT", workflow["env"]["TEST_COUNT"].as_str().unwrap());
    let told = understood(chaos.env("SHARDS", shards.to_string()).env("SHARD", shards.to_string()));
    assert!(told.contains(&format!("there is no shard {shards} of {shards}")), "{told}");
    let told = understood(&mut shell(&run("merge", "merge")));
    assert!(told.contains("cannot read shards"), "{told}");
}

/// Runs a command that the harness refuses for one reason alone, and returns what it said.
fn understood(command: &mut Command) -> String {
    let scratch: PathBuf = env!("CARGO_TARGET_TMPDIR").into();
    let Output { status, stderr, .. } = command.current_dir(scratch).output().unwrap();
    let told = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(64), "{told}");
    told
}

/// Each way in which a file may be wrong is seen.
#[test]
fn what_is_wrong_with_a_file_is_found() {
    let (job, matrix) = (text("kubernetes-job.yaml"), text("github-matrix.yml"));
    for (file, schema, from, to, wanted) in [
        (&job, job_schema(), "backoffLimitPerIndex", "backoffLimitPerIndx", "is missing"),
        (&job, job_schema(), "  parallelism: 4\n", "", "`parallelism` is missing"),
        (&job, job_schema(), "completions: 16", "completions: many", "is no number"),
        (&job, job_schema(), "action: FailJob", "action: FailAll", "\"FailAll\" is no =Ignore"),
        (&job, job_schema(), "values: [1]", "values: [one]", "\"one\" is no number"),
        (&job, job_schema(), "fsGroup: 10001", "fsGroups: 10001", "`fsGroup` is missing"),
        (&job, job_schema(), "parallelism: 4\n", "parallelism: 4\n  x: 1\n", "there is no `x`"),
        (&matrix, workflow_schema(), "fail-fast: false", "fail-fast: no", "\"no\" is no flag"),
        (&matrix, workflow_schema(), "runs-on", "run-on", "`runs-on` is missing"),
        (&matrix, workflow_schema(), "contents: read", "contents: write", "is no =read"),
    ] {
        let changed = file.replacen(from, to, 1);
        assert_ne!(&changed, file, "{from}");
        let problem = problem(&schema, &yaml::read(&changed)).expect(to);
        assert!(problem.contains(wanted), "{problem}");
    }
}

#[test]
fn yaml_is_read_as_it_is_meant() {
    let text = "a:\n  - b: 1 # one\n    c: [x, \"2\"]\n  - d\nlist:\n- \"7\"\nrun: |\n  one\n    \
                two # kept\n\nlast: true\nnone:\n";
    let wanted = json!({"a": [{"b": 1, "c": ["x", "2"]}, "d"], "list": ["7"],
        "run": "one\n  two # kept\n", "last": true, "none": null});
    assert_eq!(yaml::read(text), wanted);
    for wrong in ["a: {b: 1}", "a: 1\na: 2", "a: &x 1", "a:\n  b: 1\n c: 2", "a: \"x", "\ta: 1"] {
        assert!(std::panic::catch_unwind(|| yaml::read(wrong)).is_err(), "{wrong}");
    }
}
