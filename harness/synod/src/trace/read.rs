//! The journals and traces of a run of the harness, read without touching them.
//!
//! Opening a journal rewrites its tail, so copies are opened, which are gone afterwards. Whose
//! journal it is, is learnt from the journal itself: it must be that of the node in whose folder
//! it lies, and all must be of one cluster. The claims kept true: the originals stay as they are,
//! and a journal that does not go back to its node's birth is refused.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use synod_fault::{Action, Scenario};
use synod_host::parts_of_identity;
use synod_journal::{Create, Journal, Lsn, OpenError, Options, RealDisk};
use synod_live::folder::{DATA, NODES, PLAN, TRACES, is_running};
use synod_paxos::NodeId;
use synod_smr::wire::decode_record;

use super::{Clocks, NodeJournal, NodeTrace, TraceLife};

/// Why the journals of a run cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The folder is not one of a run, or the data of its nodes is gone.
    #[error(
        "{} holds no journals: give the folder of the latest run of `cargo xtask chaos`, of older \
         ones only the logs are kept",
        path.display()
    )]
    NoJournals {
        /// The folder.
        path: PathBuf,
    },
    /// The run goes on.
    #[error("{} is of a run that goes on: wait for its end", path.display())]
    Running {
        /// The folder.
        path: PathBuf,
    },
    /// A journal cannot be opened: the fault is the disk's, or that of who wrote it.
    #[error("node {node}: {error}")]
    Open {
        /// The node.
        node: NodeId,
        /// Why.
        error: Box<OpenError>,
    },
    /// A journal lies where that of another node should be, or holds what no node writes.
    #[error("node {node}: {reason}")]
    Foreign {
        /// The node.
        node: NodeId,
        /// What is wrong.
        reason: String,
    },
    /// The beginning of a journal is gone, as a snapshot stands for it: what the rest says does not
    /// follow from it alone.
    #[error("node {node}: the records before {first} were released, so this journal tells a part")]
    Cut {
        /// The node.
        node: NodeId,
        /// The first record that is left.
        first: Lsn,
    },
    /// The plan of the run is none.
    #[error("{}: {reason}", path.display())]
    Plan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system failed.
    #[error("{}: {error}", path.display())]
    Io {
        /// With which file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// Reads the journals of all nodes of a run that is over.
///
/// # Errors
///
/// Fails if the folder is not that of a run, if the run goes on, and where a journal cannot be
/// read.
pub fn read_run(run: &Path) -> Result<Vec<NodeJournal>, ReadError> {
    if is_running(run) {
        return Err(ReadError::Running { path: run.to_owned() });
    }
    read_ended(run)
}

/// Reads the journals of all nodes of a run whose processes have ended, as the harness knows that
/// asks and holds the folder.
///
/// # Errors
///
/// As [`read_run`].
pub fn read_ended(run: &Path) -> Result<Vec<NodeJournal>, ReadError> {
    let nodes = nodes_of(run)?;
    if nodes.iter().any(|(_, data)| !data.is_dir()) {
        return Err(ReadError::NoJournals { path: run.to_owned() });
    }
    read_journals(&nodes)
}

/// Lists the nodes of a run, and where the data of each is.
fn nodes_of(run: &Path) -> Result<Vec<(NodeId, PathBuf)>, ReadError> {
    let io = |error| ReadError::Io { path: run.to_owned(), error };
    fs::metadata(run).map_err(io)?;
    let none = || ReadError::NoJournals { path: run.to_owned() };
    let names = fs::read_dir(run.join(NODES)).map_err(|_| none())?;
    let mut nodes = Vec::new();
    for name in names {
        let path = name.map_err(io)?.path();
        // What lies beside the folders of the nodes has no number for a name.
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        nodes.extend(number.map(|number| (NodeId::new(number), path.join(DATA))));
    }
    nodes.sort_unstable();
    if nodes.is_empty() { Err(none()) } else { Ok(nodes) }
}

/// Finds the traces of all nodes of a run; nothing where no node was asked for one.
///
/// # Errors
///
/// Fails if the folder is not that of a run, and where some nodes have traces and others do not: a
/// node that writes none tells of nothing that it did.
pub fn find_traces(run: &Path) -> Result<Option<Vec<NodeTrace>>, ReadError> {
    let nodes = nodes_of(run)?;
    if !run.join(TRACES).is_dir() {
        return Ok(None);
    }
    let mut traces = Vec::new();
    for (node, _) in nodes {
        let folder = run.join(TRACES).join(node.to_string());
        let names = fs::read_dir(&folder);
        let names = names.map_err(|error| ReadError::Io { path: folder.clone(), error })?;
        let lives: Result<Vec<_>, _> = names.map(|name| name.map(|name| name.path())).collect();
        let mut lives = lives.map_err(|error| ReadError::Io { path: folder, error })?;
        // They are numbered, with as many digits each.
        lives.sort_unstable();
        let lives = lives.into_iter().map(TraceLife::File).collect();
        traces.push(NodeTrace { node, lives });
    }
    Ok(Some(traces))
}

/// Says what the times in the traces of a run are worth: nothing where its plan has clocks fail.
///
/// # Errors
///
/// Fails if the plan cannot be read.
pub fn find_clocks(run: &Path) -> Result<Clocks, ReadError> {
    let plan = read_plan(run)?;
    let mut faults = plan.iter().flat_map(|plan| &plan.faults);
    let fails = faults
        .any(|fault| matches!(fault.action, Action::ClockRate { .. } | Action::ClockJump { .. }));
    let drifts = plan.is_some_and(|plan| plan.conditions.clock_ppm.iter().any(|ppm| *ppm != 0));
    Ok(if fails || drifts { Clocks::Faulty } else { Clocks::Shared })
}

/// Reads the plan of a run, if it has one.
fn read_plan(run: &Path) -> Result<Option<Scenario>, ReadError> {
    let path = run.join(PLAN);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ReadError::Io { path, error }),
    };
    let plan = Scenario::from_json(&text);
    plan.map(Some).map_err(|error| ReadError::Plan { path, reason: error.to_string() })
}

/// Reads the journals of nodes that have stopped, each in a folder of its own.
///
/// # Errors
///
/// Fails where a journal cannot be read, or is not that of its node.
pub fn read_journals(nodes: &[(NodeId, PathBuf)]) -> Result<Vec<NodeJournal>, ReadError> {
    let mut journals = Vec::new();
    let mut cluster: Option<String> = None;
    for (node, data) in nodes {
        let copy = Copy::of(data)?;
        let (of, journal) = read_copy(*node, &copy.0)?;
        let known = cluster.get_or_insert_with(|| of.clone());
        if *known != of {
            let reason = format!("its journal is of {of}, others are of {known}");
            return Err(ReadError::Foreign { node: *node, reason });
        }
        journals.push(journal);
    }
    Ok(journals)
}

/// Reads one journal, and says of which cluster it is.
fn read_copy(node: NodeId, data: &Path) -> Result<(String, NodeJournal), ReadError> {
    let foreign = |reason: String| ReadError::Foreign { node, reason };
    let failed = |error| ReadError::Open { node, error: Box::new(error) };
    let mut options = Options::new(b"");
    // Opened under no identity, a journal refuses and says whose it is.
    options.create = Create::Never;
    options.identity = match Journal::open(RealDisk, data, &options, |_| {}) {
        Err(OpenError::OtherIdentity { found, .. }) => found,
        Err(error) => return Err(failed(error)),
        Ok(_) => return Err(foreign("its journal has no identity".to_owned())),
    };
    let identity = String::from_utf8_lossy(&options.identity).into_owned();
    let of = match parts_of_identity(&identity) {
        Some((cluster, me, voters)) if me == node.to_string() => {
            format!("{cluster}, of the nodes {voters}")
        }
        Some(_) | None => return Err(foreign(format!("its journal is that of \"{identity}\""))),
    };
    let mut records = Vec::new();
    let mut wrong = None;
    let opened = Journal::open(RealDisk, data, &options, |record| {
        match decode_record(&Bytes::copy_from_slice(record.bytes)) {
            Ok(decoded) => records.push(decoded),
            Err(error) => {
                wrong.get_or_insert_with(|| format!("record {}: {error}", record.lsn));
            }
        }
    });
    let (_, recovered) = opened.map_err(failed)?;
    match wrong {
        Some(reason) => Err(foreign(reason)),
        None if recovered.first_lsn != Lsn::FIRST => {
            Err(ReadError::Cut { node, first: recovered.first_lsn })
        }
        None => Ok((of, NodeJournal { node, records })),
    }
}

/// A copy of a journal's folder, which is removed in the end.
struct Copy(PathBuf);

impl Copy {
    fn of(data: &Path) -> Result<Self, ReadError> {
        static COPIES: AtomicU64 = AtomicU64::new(0);
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("synod-journal-{}-{number}", std::process::id());
        let copy = Self(std::env::temp_dir().join(name));
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| ReadError::Io { path, error }
        };
        fs::create_dir(&copy.0).map_err(io(&copy.0))?;
        for entry in fs::read_dir(data).map_err(io(data))? {
            let entry = entry.map_err(io(data))?;
            let from = entry.path();
            // The journal's are files. In a folder beside them the node keeps its snapshots.
            if entry.file_type().map_err(io(&from))?.is_dir() {
                continue;
            }
            copy_sparse(&from, &copy.0.join(entry.file_name())).map_err(io(&from))?;
        }
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Copies a file, and leaves out what is zero: segments are laid out long before they are full.
fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    let (mut source, mut target) = (File::open(from)?, File::create_new(to)?);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut length = 0;
    loop {
        let read = source.read(&mut chunk)?;
        if read == 0 {
            // What was left out at the end is there only once the length says so.
            return target.set_len(length);
        }
        length += read as u64;
        if chunk[..read].iter().all(|byte| *byte == 0) {
            target.seek(SeekFrom::Start(length))?;
        } else {
            target.write_all(&chunk[..read])?;
        }
    }
}

/// How much of a file is copied at a time.
const CHUNK_BYTES: usize = 64 << 10;
