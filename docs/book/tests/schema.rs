//! The schema of the bridge protocol, held against what the harness and real bridges say.
//!
//! A run of the harness is overheard: what it asks a bridge, and what the bridge answers, must be
//! of the schema, line by line, and every kind of question must have come. So must the answers of
//! the bridge of Synod, and those of the small bridge in the book.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod page;
mod validator;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde_json::{Value, json};
use validator::{problem, schema};

/// The harness asks each kind of question of the bridge of Synod.
#[test]
fn what_a_run_says_is_of_the_schema() {
    let scratch = scratch("overheard");
    let harness = built();
    let kv = harness.with_file_name("synod-kv");
    let words = |text: &str| text.split_whitespace().map(|word| json!(word)).collect::<Vec<_>>();
    let mut serve = words(
        "{binary} serve --config {dir}/node-{node}.toml --data {data} --peer-listen {peer-listen} \
         --client-listen {client-listen}",
    );
    serve.push(json!({"per_peer": ["--peer", "{peer}={address}"]}));
    let overhear = "tee -a \"$0/asked\" | \"$@\" | tee -a \"$0/answered\"";
    let mut bridge = vec![json!("sh"), json!("-c"), json!(overhear), json!(scratch)];
    bridge.extend(words("{binary} bridge --config {dir}/client.toml"));
    bridge.push(json!({"per_node": ["--node", "{peer}={address}"]}));
    let system = json!({
        "name": "synod overheard",
        "init": words("{binary} init --dir {dir} --nodes {nodes} --without-journals"),
        "create": words("{binary} init --dir {dir} --node {node} --data {data}"),
        "serve": serve,
        "bridge": bridge,
    });
    let description = scratch.join("system.json");
    fs::write(&description, system.to_string()).unwrap();
    let mut run = Command::new(&harness);
    run.args(["chaos", "--nemesis", "calm", "--time", "3", "--workload", "mix", "--seed", "5"]);
    run.arg("--system").arg(&description).arg("--binary").arg(&kv);
    let output = run.arg("--runs-dir").arg(scratch.join("runs")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    // The verdict is not what is asked here; that there was a run is.
    assert!(matches!(output.status.code(), Some(0 | 2)), "{said}\n{error}");

    let asked = lines(&fs::read_to_string(scratch.join("asked")).unwrap());
    let answered = lines(&fs::read_to_string(scratch.join("answered")).unwrap());
    for (kind, lines) in [("question", &asked), ("answer", &answered)] {
        for line in lines {
            assert_eq!(problem(&schema(), kind, line), None, "{kind}: {line}");
        }
    }
    let kinds: BTreeSet<&str> = asked.iter().filter_map(|line| line["f"].as_str()).collect();
    let all = ["add", "append", "cas", "delete", "read", "status", "write"];
    assert_eq!(kinds, BTreeSet::from(all), "each kind of question was asked");
    assert!(answered.iter().any(|line| line["value"]["digest"].is_string()), "a status came");
    fs::remove_dir_all(&scratch).unwrap();
}

/// The bridge in the book is a program, and answers as the schema says.
#[test]
fn the_bridge_in_the_book_works() {
    let (_, blocks) = page::pages().into_iter().find(|(name, _)| name == "test-your-own").unwrap();
    let program = blocks.iter().find(|block| block.language == "python").unwrap();
    let mut bridge = Command::new("python3")
        .args(["-c", &program.text])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let questions = [
        json!({"id": 1, "client": 0, "f": "write", "key": "a", "value": "7", "timeout_ms": 9}),
        json!({"id": 2, "client": 0, "f": "read", "key": "a", "timeout_ms": 9}),
        json!({"id": 3, "client": 0, "f": "read", "key": "b", "timeout_ms": 9}),
        json!({"id": 4, "client": 0, "f": "add", "key": "b", "value": "1", "timeout_ms": 9}),
    ];
    let mut stdin = bridge.stdin.take().unwrap();
    for question in &questions {
        assert_eq!(problem(&schema(), "question", question), None);
        writeln!(stdin, "{question}").unwrap();
    }
    drop(stdin);
    let output = bridge.wait_with_output().unwrap();
    let answers = lines(&String::from_utf8(output.stdout).unwrap());
    for answer in &answers {
        assert_eq!(problem(&schema(), "answer", answer), None, "{answer}");
    }
    let told: Vec<(&Value, &Value)> =
        answers.iter().map(|it| (&it["type"], &it["value"])).collect();
    let (ok, fail) = (json!("ok"), json!("fail"));
    let (seven, null) = (json!("7"), Value::Null);
    assert_eq!(told, [(&ok, &null), (&ok, &seven), (&ok, &null), (&fail, &null)]);
}

/// The descriptions of the examples and those in the book are what the harness reads.
#[test]
fn the_examples_of_lines_in_the_reference_are_of_the_schema() {
    let (_, blocks) = page::pages().into_iter().find(|(name, _)| name == "reference").unwrap();
    let mut checked = 0;
    for line in blocks.iter().filter(|it| it.language == "json").flat_map(|it| it.text.lines()) {
        let line = line.trim_end_matches(',');
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        if line.get("id").is_some() {
            let kind = if line.get("f").is_some() { "question" } else { "answer" };
            assert_eq!(problem(&schema(), kind, &line), None, "{line}");
            checked += 1;
        }
    }
    assert!(checked >= 8, "{checked} lines");
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Builds the programs, and gives the path of the harness.
fn built() -> PathBuf {
    page::built().join("synod-harness")
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("book-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}
