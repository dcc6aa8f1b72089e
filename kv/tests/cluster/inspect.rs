//! `synod-kv inspect` on the folders of real nodes: what it tells, what it refuses, and that it
//! changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::SystemTime;

use serde_json::Value;
use synod_kv::client::KvSession;
use synod_kv::command::{Blob, Command};

use crate::processes::{Cluster, PATIENCE, run, text};

/// A node with the smallest segments, which takes a snapshot every few mebibytes.
fn cluster() -> Cluster {
    let [segment, log] = ["segment_bytes=16777216", "log_bytes=4194304"];
    Cluster::new(1).with_flags(&["--set", segment, "--set", log])
}

fn data(cluster: &Cluster) -> PathBuf {
    cluster.path("data/node-1")
}

async fn write(session: &KvSession, count: u8, bytes: usize) {
    for number in 0..count {
        let value = vec![number; bytes];
        let put = Command::Put { key: Blob(&[b'k', number % 4]), value: Blob(&value) };
        session.command(&put).await.unwrap();
    }
}

/// A node that was written to and killed.
async fn killed(count: u8, bytes: usize) -> Cluster {
    let cluster = cluster();
    let server = cluster.start(1);
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    write(&session, count, bytes).await;
    server.kill();
    cluster
}

fn inspect(folder: &Path, more: &[&str]) -> Output {
    run(&[&["inspect", &text(folder)], more].concat())
}

/// Returns the page for programs, which must be of the schema in the book.
fn page(folder: &Path) -> Value {
    let page = serde_json::from_slice(&inspect(folder, &["--json"]).stdout).unwrap();
    let schema = include_str!("../../../docs/book/pages/inspect.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    assert_of_schema(&schema, &schema["$defs"]["survey"], &page);
    page
}

/// Demands the types that the schema names, and of each object its keys and no other.
fn assert_of_schema(root: &Value, schema: &Value, value: &Value) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap();
        return assert_of_schema(root, &root["$defs"][name], value);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::String(one) => assert_eq!(one, kind, "{value}"),
        Value::Array(several) => assert!(several.contains(&Value::from(kind)), "{value}"),
        untyped @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            assert_eq!((untyped, &schema["const"]), (&Value::Null, value));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        assert_of_schema(root, &schema["items"], item);
    }
    let Some(object) = value.as_object() else { return };
    let (found, named): (Vec<_>, Vec<_>) =
        (object.keys().collect(), schema["properties"].as_object().unwrap().keys().collect());
    assert_eq!(found, named);
    for (key, value) in object {
        assert_of_schema(root, &schema["properties"][key], value);
    }
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// All files of a folder and of those in it: their bytes, and when they were changed.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            found.insert(path.clone(), (fs::read(&path).unwrap(), changed));
        }
    }
    found
}

fn set_modes(folder: &Path, file: u32, dir: u32) {
    for path in [folder.to_owned(), folder.join("snapshots")] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::set_permissions(&path, fs::Permissions::from_mode(file)).unwrap();
            }
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(dir)).unwrap();
    }
}

#[tokio::test]
async fn a_stopped_node_is_told_of_and_nothing_of_it_changes() {
    let cluster = cluster();
    let folder = data(&cluster);
    let mut server = cluster.start(1);
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    write(&session, 60, 256 << 10).await;
    let (_, refused) = said(&inspect(&folder, &[]));
    assert!(refused.contains("is locked by another process: stop that one"), "{refused}");
    assert_eq!(inspect(&folder, &[]).status.code(), Some(74));
    server.terminate();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    let before = files(&folder);
    set_modes(&folder, 0o400, 0o500);
    let output = inspect(&folder, &[]);
    let (page, (told, error)) = (page(&folder), said(&output));
    set_modes(&folder, 0o600, 0o700);
    assert!(files(&folder) == before, "a look has changed something");
    assert_eq!((output.status.code(), error.as_str()), (Some(0), ""), "{told}");
    assert!(told.starts_with("node 1 of cluster ") && told.contains("members 1: sound"), "{told}");
    assert!(told.contains(": active, ") && told.contains("; each part has its checksum"), "{told}");
    assert_eq!(
        (&page["sound"], &page["refusal"], &page["starts"]),
        (&Value::Bool(true), &Value::Null, &Value::from(1))
    );
    // Sixty values and the opening of the session, one slot each at least.
    let slot = |name: &str| page["slots"][name].as_u64().unwrap();
    assert!(slot("end") >= 61 && slot("applied_below") > 0, "{page}");
    assert!(slot("cut_below") > 0 && slot("cut_below") <= slot("applied_below"), "{page}");
    assert_eq!(
        page["snapshots"].as_array().unwrap().last().unwrap()["slot"],
        slot("applied_below")
    );
    let _server = cluster.start(1);
}

#[tokio::test]
async fn a_killed_node_is_sound_and_damage_is_told_as_its_start_tells_it() {
    let cluster = killed(40, 1000).await;
    let folder = data(&cluster);
    let sound = page(&folder);
    assert_eq!(sound["sound"], true, "{sound}");
    let segment = folder.join("segment-00000001.log");
    let segment = if segment.exists() { segment } else { folder.join("segment-00000002.log") };
    let whole = fs::read(&segment).unwrap();
    // The body of a frame in the middle of what is in use.
    let starts = (4096..whole.len() - 96).step_by(8);
    let frames: Vec<_> = starts.filter(|at| whole[*at..].starts_with(b"SYNF")).collect();
    let at = frames[frames.len() / 2];
    let mut bytes = whole.clone();
    bytes[at + 100] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let output = inspect(&folder, &[]);
    let (told, error) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}{error}");
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(told.contains(&format!("DAMAGED {name} at byte {at}: ")), "{told}");
    assert!(told.contains(" lost") && error.contains("bring no older copy back"), "{told}{error}");
    let damaged = page(&folder);
    assert_eq!(damaged["journal"]["damage"][0]["byte"], at);
    // What follows the damage is read as well.
    let read = |page: &Value| page["records"]["accepted"].as_u64().unwrap();
    assert!(read(&damaged) < read(&sound) && read(&sound) - read(&damaged) <= 3, "{damaged}");
    let mut refused = cluster.spawn(1, &[]);
    assert_eq!(refused.wait(PATIENCE).code(), Some(74));
    assert!(refused.stderr().contains(&format!("is damaged at byte {at}")));
    fs::write(&segment, whole).unwrap();
    assert_eq!(page(&folder)["sound"], true);
}

#[tokio::test]
async fn whatever_becomes_of_the_files_an_answer_comes() {
    let cluster = killed(60, 128 << 10).await;
    let folder = data(&cluster);
    let whole = files(&folder);
    let mut seed = 7_u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut codes = BTreeMap::new();
    for round in 0..60 {
        let (path, (bytes, _)) = whole.iter().nth(draw(whole.len())).unwrap();
        let mut changed = bytes.clone();
        // Most of a segment is zeros that nobody reads.
        let used = changed.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        match draw(4) {
            0 => changed.truncate(draw(used)),
            1 => {
                let (at, count) = (draw(used), draw(5000));
                let to = changed.len().min(at + count);
                changed[at..to].fill(0xa5);
            }
            _ => changed[draw(used)] ^= 1 << draw(8),
        }
        fs::write(path, &changed).unwrap();
        let output = inspect(&folder, &["--json"]);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "round {round}, {}: {output:?}", path.display());
        *codes.entry(code).or_insert(0) += 1;
        fs::write(path, bytes).unwrap();
    }
    assert!(codes[&Some(1)] > 20, "{codes:?}");
    assert_eq!(inspect(&folder, &[]).status.code(), Some(0));
}

#[tokio::test]
async fn a_folder_of_something_else_is_refused() {
    let cluster = Cluster::new(1);
    let missing = inspect(&cluster.path("nowhere"), &[]);
    let (_, error) = said(&missing);
    assert_eq!(missing.status.code(), Some(74), "{error}");
    assert!(error.contains("holds no journal: check the path"), "{error}");
    let other = inspect(&cluster.path("ca"), &[]);
    let (_, error) = said(&other);
    assert_eq!(other.status.code(), Some(74), "{error}");
    assert!(error.contains("but no journal: name the directory of the journal"), "{error}");
    assert_eq!(run(&["inspect"]).status.code(), Some(64));
}
