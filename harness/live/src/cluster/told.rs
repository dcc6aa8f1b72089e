//! What the nodes of a run leave to tell: their memory, crashes in their logs, and how each fared.
//!
//! Ends of processes are noted by the parent. The claim kept true: a crash is told by the first
//! line that says so, unless a fault of the disk excuses it.

use synod_report::NodeSummary;

use super::{Cluster, LOGS, Node};
use crate::crashes::{CrashLine, CrashPatterns};
use crate::logs;
use crate::process::{Process, STDERR_LOG};

impl Cluster {
    /// Notes the memory that each running node holds.
    pub fn measure_memory(&self) {
        for node in &self.nodes {
            let mut state = node.lock();
            let resident = state.process.as_ref().and_then(Process::resident_bytes);
            // Of a process that is gone the last figure stays: it is what the report can still
            // tell.
            state.resident_bytes = resident.or(state.resident_bytes);
        }
    }

    /// Returns the first line of each node's logs that tells of a crash which no fault excuses.
    #[must_use]
    pub fn crashes(&self, patterns: CrashPatterns<'_>) -> Vec<CrashLine> {
        let crash = |node: &Node| {
            self.note_end(node);
            let excused = node.lock().disk.excused(node.failed_calls());
            LOGS.iter().zip(&excused).find_map(|(log, excused)| {
                let path = node.spec.folder.join(log);
                let (number, words) = logs::find_crash(&path, patterns, excused)?;
                Some(CrashLine { node: node.spec.id, log, number, words })
            })
        };
        self.nodes.iter().filter_map(crash).collect()
    }

    /// Sums the nodes up for the report of a run that began at `start`.
    #[must_use]
    pub fn summaries(&self, start: std::time::Instant) -> Vec<NodeSummary> {
        self.nodes
            .iter()
            .map(|node| {
                self.note_end(node);
                let state = node.lock();
                NodeSummary {
                    id: node.spec.id.0,
                    starts: state.starts,
                    exits: state.exits.clone(),
                    lives: state.lives.since(start),
                    log_tail: logs::tail(&node.spec.folder.join(STDERR_LOG), TAIL_LINES),
                    around: Vec::new(),
                    resident_bytes: state.resident_bytes,
                }
            })
            .collect()
    }
}

/// Lines of each log that a report shows.
const TAIL_LINES: usize = 40;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use synod_fault::NodeId;

    use super::*;
    use crate::cluster::NodeSpec;
    use crate::guard::{Guard, Limits};
    use crate::process::STDOUT_LOG;
    use crate::system::CommandLine;

    /// A node that is never started, whose logs the test writes.
    fn cluster(name: &str) -> (Cluster, PathBuf) {
        let folder =
            std::env::temp_dir().join(format!("synod-crash-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let launch = CommandLine { program: PathBuf::from("true"), arguments: Vec::new() };
        let (id, variables) = (NodeId(1), Vec::new());
        let spec =
            NodeSpec { id, launch, upgraded: None, variables, folder: folder.clone(), shim: None };
        (Cluster::new(Guard::at("true"), Limits::default(), vec![spec]), folder)
    }

    fn write(folder: &Path, log: &str, line: &str) {
        use std::io::Write as _;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join(log));
        writeln!(file.expect("a log"), "{line}").expect("a line");
    }

    const KNOWN: CrashPatterns<'static> = CrashPatterns { known: true, own: &[] };

    #[test]
    fn either_log_tells_of_a_crash() {
        let (cluster, folder) = cluster("either");
        let seen = || cluster.crashes(KNOWN).first().map(|crash| (crash.log, crash.number));
        assert_eq!(seen(), None);
        write(&folder, STDOUT_LOG, "serving");
        write(&folder, STDOUT_LOG, "panic: for no reason");
        assert_eq!(seen(), Some((STDOUT_LOG, 2)));
        write(&folder, STDERR_LOG, "panic: for no reason");
        assert_eq!(seen(), Some((STDERR_LOG, 1)));
        std::fs::remove_dir_all(&folder).expect("it was made above");
    }

    #[test]
    fn a_crash_is_told_with_node_log_and_line() {
        let (cluster, folder) = cluster("told");
        write(&folder, STDERR_LOG, "starting");
        write(&folder, STDERR_LOG, "Exception in thread \"main\" java.lang.Error");
        let words = "Exception in thread \"main\" java.lang.Error".to_owned();
        let crash = CrashLine { node: NodeId(1), log: STDERR_LOG, number: 2, words };
        assert_eq!(cluster.crashes(KNOWN), [crash]);
        assert_eq!(cluster.crashes(CrashPatterns { known: false, own: &[] }), []);
        std::fs::remove_dir_all(&folder).expect("it was made above");
    }
}
