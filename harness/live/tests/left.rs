//! What a node leaves behind when it ends: children in sessions of their own are found, and end
//! with the run.
//!
//! The node is a shell that starts a process and writes down its number.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use synod_fault::NodeId;
use synod_live::cluster::{Cluster, NodeSpec};
use synod_live::guard::{Guard, Limits};
use synod_live::system::CommandLine;

const NODE: NodeId = NodeId(1);

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-left-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A cluster of one node, whose script is told where to write the number of its child.
    fn cluster(&self, script: &str) -> Cluster {
        let guard = self.0.join("guard");
        let words = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
        fs::write(&guard, words).unwrap();
        fs::set_permissions(&guard, fs::Permissions::from_mode(0o700)).unwrap();
        let child = self.0.join("child");
        let script = script.replace("CHILD", child.to_str().unwrap());
        let arguments = vec!["-c".into(), script.into()];
        let launch = CommandLine { program: "/bin/sh".into(), arguments };
        let (variables, folder) = (Vec::new(), self.0.clone());
        let spec = NodeSpec { id: NODE, launch, upgraded: None, variables, folder, shim: None };
        Cluster::new(Guard::at(guard), Limits::default(), vec![spec])
    }

    /// Waits for the child, and returns its folder among the kernel's.
    async fn child(&self) -> PathBuf {
        loop {
            let written = fs::read_to_string(self.0.join("child")).unwrap_or_default();
            if let Some(number) = written.strip_suffix('\n') {
                return Path::new("/proc").join(number);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The kernel's letter for what a process does; none if it has ended.
fn state(process: &Path) -> Option<char> {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.filter(|state| !"ZX".contains(*state))
}

/// Waits for as long as it takes, and for less than the child would live.
async fn wait_until(what: impl Fn() -> bool) {
    let mut turns = 0..4_000;
    while !what() {
        assert!(turns.next().is_some(), "it did not come to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The child is in a session of its own, and stays for a minute.
const APART: &str = "setsid sh -c 'echo $$ > CHILD; exec sleep 60' &\nwait";

#[tokio::test]
async fn a_child_in_a_session_of_its_own_is_paused_and_killed_with_its_node() {
    let scratch = Scratch::new("apart");
    let cluster = scratch.cluster(APART);
    cluster.start(NODE).unwrap();
    let child = scratch.child().await;
    assert!(cluster.pause(NODE).unwrap());
    wait_until(|| state(&child) == Some('T')).await;
    cluster.resume(NODE).unwrap();
    wait_until(|| state(&child) == Some('S')).await;
    assert_eq!(cluster.kill(&[NODE], "killed by the test").await.unwrap(), 1);
    wait_until(|| state(&child).is_none()).await;
    assert_eq!(cluster.lone_exits(), []);
}

#[tokio::test]
async fn what_a_node_left_behind_ends_with_the_run() {
    for (name, forgets_requests) in [("asked", ""), ("deaf", "trap \"\" TERM; ")] {
        let scratch = Scratch::new(name);
        let script = APART.replace("echo", &format!("{forgets_requests}echo"));
        let cluster = scratch.cluster(&script.replace("wait", "while [ ! -e CHILD ]; do :; done"));
        cluster.start(NODE).unwrap();
        let child = scratch.child().await;
        wait_until(|| !cluster.is_running(NODE)).await;
        assert!(state(&child).is_some(), "it outlives its node");
        assert_eq!(cluster.lone_exits().len(), 1, "which had no ports to leave to it");
        assert_eq!(cluster.stop_all(Duration::from_millis(300)).await, Vec::<String>::new());
        assert_eq!(state(&child), None);
    }
}

#[tokio::test]
async fn what_a_node_left_behind_ends_with_a_cluster_that_is_dropped() {
    let scratch = Scratch::new("dropped");
    let cluster = scratch.cluster(APART);
    cluster.start(NODE).unwrap();
    let child = scratch.child().await;
    drop(cluster);
    wait_until(|| state(&child).is_none()).await;
}
