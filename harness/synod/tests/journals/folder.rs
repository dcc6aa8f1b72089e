//! A folder as a run of the harness leaves it, written with the real journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use synod_host::identity_of;
use synod_journal::{HardState, Journal, Options, RealDisk, Records};
use synod_live::folder::{DATA, NODES};
use synod_paxos::{Configuration, NodeId};
use synod_simulated::trace::NodeJournal;
use synod_smr::wire::encode_record;

/// The folder of a run, which is removed in the end.
pub(crate) struct Run(PathBuf);

impl Run {
    /// Writes the journals, in commits of a few records, beside a folder of snapshots, and leaves
    /// all as a killed process does.
    pub(crate) fn write(name: &str, journals: &[NodeJournal]) -> Self {
        let name = format!("synod-run-{name}-{}", std::process::id());
        let run = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        drop(std::fs::remove_dir_all(&run.0));
        let voters = Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap();
        for NodeJournal { node, records } in journals {
            let data = run.0.join(NODES).join(node.to_string()).join(DATA);
            std::fs::create_dir_all(data.parent().unwrap()).unwrap();
            let identity = identity_of("a cluster", *node, &voters);
            let mut options = Options::new(identity.as_bytes());
            options.segment_bytes = 64 << 10;
            let (mut journal, _) = Journal::open(RealDisk, &data, &options, |_| {}).unwrap();
            for commit in records.chunks(COMMIT_RECORDS) {
                let mut records = Records::new();
                for record in commit {
                    records.push(&encode_record(record));
                }
                journal.append(&HardState::default(), &mut records).unwrap();
                journal.sync().unwrap();
            }
            let snapshots = data.join("snapshots");
            std::fs::create_dir(&snapshots).unwrap();
            std::fs::write(snapshots.join("a part"), "of a state").unwrap();
        }
        run
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Reads all files below a folder.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

const COMMIT_RECORDS: usize = 3;
