//! A node that ends after an error which a fault made on its disk, at once or later, is no crash of
//! the system's own; one that ends without is.
//!
//! The node is a shell that appends to a file until it is told that it cannot.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use synod_fault::NodeId;
use synod_live::cluster::{Cluster, NodeSpec};
use synod_live::crashes::CrashPatterns;
use synod_live::guard::{Guard, Limits};
use synod_live::system::CommandLine;
use synod_shim::Shim;

const NODE: NodeId = NodeId(1);
const KNOWN: CrashPatterns<'static> = CrashPatterns { known: true, own: &[] };

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-disk-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("data")).unwrap();
        Self(path)
    }

    /// A cluster of one node, whose script is told the names of its folder and of a file that it
    /// waits for.
    fn cluster(&self, script: &str) -> (Cluster, Arc<Shim>) {
        let guard = self.0.join("guard");
        let words = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
        fs::write(&guard, words).unwrap();
        fs::set_permissions(&guard, fs::Permissions::from_mode(0o700)).unwrap();
        let shim = Shim::create(&self.0.join("shim"), &self.0.join("data"), 7).unwrap();
        let shim = Arc::new(shim);
        let folder = self.0.to_str().unwrap();
        let script = script.replace("DATA", &format!("{folder}/data"));
        let script = script.replace("GO", &format!("{folder}/go"));
        let arguments = vec!["-c".into(), script.into()];
        let spec = NodeSpec {
            id: NODE,
            launch: CommandLine { program: "/bin/sh".into(), arguments },
            upgraded: None,
            variables: shim.variables().map(|(name, value)| (name.into(), value)).into(),
            folder: self.0.clone(),
            shim: Some(Arc::clone(&shim)),
        };
        (Cluster::new(Guard::at(guard), Limits::default(), vec![spec]), shim)
    }

    fn go(&self) {
        fs::write(self.0.join("go"), "").unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Waits for as long as it takes: a machine that is busy is no failure.
async fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Appends until it fails; then it waits until it may end, and panics.
const CAREFUL: &str = "while echo x >> DATA/log; do sleep 0.01; done\n\
    while [ ! -e GO ]; do sleep 0.01; done\n\
    echo \"thread 'main' panicked at src/log.rs:1:1:\" >&2\nexit 3";

#[tokio::test]
async fn an_error_of_its_disk_excuses_a_node_that_takes_its_time_to_end() {
    let scratch = Scratch::new("late");
    let (cluster, shim) = scratch.cluster(CAREFUL);
    cluster.start(NODE).unwrap();
    cluster.expect_disk_error(NODE).unwrap();
    shim.fail_writes_up_to(1).unwrap();
    wait_until(|| shim.counts().unwrap().writes_failed == 1).await;
    // The fault is over, and nothing has ended yet.
    assert!(cluster.is_running(NODE) && !cluster.is_down_by_disk(NODE));
    scratch.go();
    wait_until(|| !cluster.is_running(NODE)).await;
    assert_eq!(cluster.lone_exits(), []);
    assert_eq!(cluster.crashes(KNOWN), []);
    assert!(cluster.is_down_by_disk(NODE));
    let exits = cluster.summaries(std::time::Instant::now()).remove(0).exits;
    assert_eq!(exits, ["after the nemesis let its disk fail: exit code 3"]);
    cluster.start(NODE).unwrap();
    assert!(!cluster.is_down_by_disk(NODE) && cluster.is_running(NODE));
}

#[tokio::test]
async fn a_fault_that_made_nothing_fail_excuses_nobody() {
    let scratch = Scratch::new("lone");
    let script = "while [ ! -e GO ]; do sleep 0.01; done\n\
        echo \"thread 'main' panicked at src/log.rs:1:1:\" >&2\nexit 3";
    let (cluster, shim) = scratch.cluster(script);
    cluster.start(NODE).unwrap();
    cluster.expect_disk_error(NODE).unwrap();
    shim.fail_writes_up_to(1).unwrap();
    scratch.go();
    wait_until(|| !cluster.is_running(NODE)).await;
    assert_eq!(cluster.lone_exits().len(), 1);
    assert_eq!(cluster.crashes(KNOWN).len(), 1);
    assert!(!cluster.is_down_by_disk(NODE));
}
