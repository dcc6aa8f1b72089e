//! What a node writes down of itself: a file for each life, and no life without it.
//!
//! What stands in such files, and whether it is a behaviour of the specification, is held in
//! `harness/synod/tests/traces.rs` and in every audited run of the harness.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, prlimit};
use synod_kv::command::{Blob, Command};

use crate::processes::{Cluster, PATIENCE};

/// Returns how long each file is.
fn lengths(cluster: &Cluster) -> BTreeMap<String, u64> {
    let files = fs::read_dir(cluster.path("traces")).unwrap().map(Result::unwrap);
    let length = |file: &fs::DirEntry| file.metadata().unwrap().len();
    files.map(|file| (file.file_name().into_string().unwrap(), length(&file))).collect()
}

#[tokio::test]
async fn each_life_has_a_trace_that_is_whole_before_an_answer_leaves() {
    let cluster = Cluster::new(1);
    let folder = cluster.file("traces");
    let traced = || {
        let mut server = cluster.spawn(1, &["--trace", &folder]);
        server.wait_until_ready();
        server
    };
    let server = traced();
    let client = cluster.client();
    let session = cluster.session(&client);
    let value = vec![b'v'; 100_000];
    session.command(&Command::Put { key: Blob(b"x"), value: Blob(&value) }).await.unwrap();
    // The vote was durable before it was answered, and a record that is durable is told whole.
    let first = lengths(&cluster)["000001"];
    assert!(first > 100_000, "{first}");
    server.kill();
    let _server = traced();
    // The second begins with what the journal gives back.
    let lengths = lengths(&cluster);
    assert!(lengths["000001"] >= first && lengths["000002"] > 100_000, "{lengths:?}");
    assert_eq!(lengths.len(), 2);
}

#[tokio::test]
async fn a_node_that_cannot_write_its_trace_does_not_go_on() {
    let cluster = Cluster::new(1);
    let mut refused = cluster.spawn(1, &["--trace", "/dev/null/traces"]);
    assert_eq!(refused.wait(PATIENCE).code(), Some(74), "{}", refused.stderr());
    assert!(refused.stderr().contains("no trace can be written here"), "{}", refused.stderr());
    let folder = cluster.file("traces");
    let mut server = cluster.spawn(1, &["--trace", &folder]);
    server.wait_until_ready();
    // The limit is one on its log as well, so that the trace has to be the longer one.
    let client = cluster.client();
    let value = vec![b'v'; 1_000_000];
    let put = Command::Put { key: Blob(b"x"), value: Blob(&value) };
    cluster.session(&client).command(&put).await.unwrap();
    let few = Rlimit { current: Some(lengths(&cluster)["000001"] + 1), maximum: None };
    prlimit(Some(server.pid()), Resource::Fsize, few).unwrap();
    let mut session = cluster.session(&client);
    session.set_timeout(Duration::from_millis(100));
    // It ends before it answers.
    session.command(&put).await.unwrap_err();
    let ended = server.wait(PATIENCE);
    assert_eq!(ended.code(), Some(74), "{ended}: {}", server.stderr());
    assert!(server.stderr().contains("the trace cannot be written"), "{}", server.stderr());
}
