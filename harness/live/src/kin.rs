//! Which processes are a node's: the one that was started, and whatever descends from it.
//!
//! A server may put children into groups and sessions of their own, where no signal to its group
//! reaches them. They are told by four signs: the group that the harness started, a variable that
//! fork and exec hand on, a parent that is one, and that they were told once. A process that has
//! cleared its environment and lost its parent before anybody looked is told by none; then who
//! holds the ports of the node says that something is amiss, see `witness`. The claim kept true: a
//! signal goes to a process that one of the signs tells, and never to a later one of its number.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, PidfdFlags, Signal};
use synod_fault::{CLIENTS, NodeId};

use crate::witness::kernel::{ProcessLife, ProcessView};

/// What the processes of one run have in their environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// Makes one that no other run has.
    pub(crate) fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let count = MADE.fetch_add(1, Ordering::Relaxed);
        Self(format!("{}-{since}-{count}", std::process::id()))
    }

    /// Returns the variable for the processes of a node, or of the clients.
    pub(crate) fn variable(&self, who: NodeId) -> (OsString, OsString) {
        (VARIABLE.into(), format!("{}/{}", self.0, who.0).into())
    }

    /// Reads whose an environment is.
    fn owner(&self, environment: &[u8]) -> Option<NodeId> {
        let value = |entry: &[u8]| {
            let (name, value) = std::str::from_utf8(entry).ok()?.split_once('=')?;
            let (run, who) = value.split_once('/')?;
            (name == VARIABLE && run == self.0).then(|| who.parse().ok().map(NodeId))?
        };
        environment.split(|byte| *byte == 0).find_map(value)
    }
}

/// By what the processes of a node are told, beside its mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signs {
    /// The groups that the harness started for it.
    pub(crate) groups: BTreeSet<u32>,
    /// Those that were told once.
    pub(crate) known: BTreeSet<ProcessLife>,
}

/// The processes of this machine at one moment.
#[derive(Debug)]
pub(crate) struct Processes(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    view: ProcessView,
    owner: Option<NodeId>,
}

impl Processes {
    /// Looks at all processes that have not ended.
    pub(crate) fn look(mark: &Mark) -> Self {
        let Ok(folders) = fs::read_dir("/proc") else { return Self(Vec::new()) };
        let entry = |folder: fs::DirEntry| {
            let pid: u32 = folder.file_name().to_str()?.parse().ok()?;
            let view = ProcessView::short(pid)?;
            // The kernel's own threads have no group, and the harness is nobody's.
            if view.group == 0 || pid == std::process::id() {
                return None;
            }
            // An environment that may not be read shows no mark, and its process is told by the
            // other signs.
            let environment = fs::read(folder.path().join("environ")).unwrap_or_default();
            Some(Entry { view, owner: mark.owner(&environment) })
        };
        Self(folders.filter_map(Result::ok).filter_map(entry).collect())
    }

    /// Returns which of them are of a node, or of the clients.
    pub(crate) fn of(&self, node: NodeId, signs: &Signs) -> BTreeSet<ProcessLife> {
        // A mark says more than any other sign.
        let of_others = |entry: &Entry| entry.owner.is_some_and(|owner| owner != node);
        let is_told = |entry: &&Entry| {
            entry.owner == Some(node)
                || signs.known.contains(&entry.view.life)
                || signs.groups.contains(&entry.view.group)
        };
        let told = self.0.iter().filter(is_told).filter(|entry| !of_others(entry));
        let mut kin: BTreeMap<u32, ProcessLife> =
            told.map(|entry| (entry.view.life.pid, entry.view.life)).collect();
        loop {
            let is_new = |entry: &&Entry| {
                let Entry { view, .. } = entry;
                let above = [view.parent, view.session, view.group];
                !kin.contains_key(&view.life.pid)
                    && !of_others(entry)
                    && above.iter().any(|pid| kin.contains_key(pid))
            };
            let more: Vec<ProcessLife> =
                self.0.iter().filter(is_new).map(|entry| entry.view.life).collect();
            if more.is_empty() {
                return kin.into_values().collect();
            }
            kin.extend(more.into_iter().map(|life| (life.pid, life)));
        }
    }

    /// Returns those of the clients.
    pub(crate) fn of_clients(&self) -> BTreeSet<ProcessLife> {
        self.of(CLIENTS, &Signs::default())
    }
}

/// Sends a signal to a process, unless it is gone. Returns whether it was there to get it.
pub(crate) fn signal(life: ProcessLife, signal: Signal) -> bool {
    let pid = i32::try_from(life.pid).ok().and_then(Pid::from_raw);
    let Some(held) = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok())
    else {
        return false;
    };
    // What is held open is whoever has the number; it is looked at after it was opened.
    let is_it = ProcessView::short(life.pid).is_some_and(|view| view.life == life);
    is_it && rustix::process::pidfd_send_signal(&held, signal).is_ok()
}

/// The variable that the processes of a node, and of the clients, have in their environment.
const VARIABLE: &str = "SYNOD_HARNESS_OF";

/// How often it is looked for processes that came while others were sent a signal.
pub(crate) const ROUNDS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: u32, (parent, session, group): (u32, u32, u32), owner: Option<u16>) -> Entry {
        let life = ProcessLife { pid, started: u64::from(pid) };
        let view = ProcessView { parent, session, ..ProcessView::plain(life, group) };
        Entry { view, owner: owner.map(NodeId) }
    }

    #[test]
    fn the_processes_of_a_node_are_told_by_group_mark_parent_and_memory() {
        let processes = Processes(vec![
            entry(10, (1, 5, 10), Some(1)),
            entry(11, (10, 11, 11), None),
            entry(12, (1, 11, 12), None),
            entry(13, (1, 13, 13), Some(1)),
            entry(14, (1, 14, 14), None),
            entry(15, (1, 5, 10), None),
            entry(20, (10, 5, 20), Some(2)),
            entry(30, (1, 5, 30), None),
        ]);
        let life = |pid| ProcessLife { pid, started: u64::from(pid) };
        let signs = Signs { groups: BTreeSet::from([10]), known: BTreeSet::from([life(14)]) };
        let pids = |lives: BTreeSet<ProcessLife>| lives.iter().map(|it| it.pid).collect::<Vec<_>>();
        assert_eq!(pids(processes.of(NodeId(1), &signs)), [10, 11, 12, 13, 14, 15]);
        assert_eq!(pids(processes.of(NodeId(2), &Signs::default())), [20]);
        let later = ProcessLife { pid: 14, started: 99 };
        let signs = Signs { known: BTreeSet::from([later]), ..Signs::default() };
        assert_eq!(pids(processes.of(NodeId(3), &signs)), [0; 0], "another one of that number");
    }

    #[test]
    fn a_mark_is_read_from_an_environment_and_only_of_its_own_run() {
        let (one, other) = (Mark::new(), Mark::new());
        let (name, value) = one.variable(NodeId(7));
        let words = format!("A=1\0{}={}\0B=2", name.display(), value.display());
        assert_eq!(one.owner(words.as_bytes()), Some(NodeId(7)));
        assert_eq!(other.owner(words.as_bytes()), None);
        assert_eq!(one.owner(b"\xff=\xff\0\0="), None);
    }

    #[test]
    fn no_signal_reaches_a_later_process_of_the_same_number() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("a process");
        let life = ProcessView::short(child.id()).expect("it runs").life;
        assert!(!signal(ProcessLife { started: life.started + 1, ..life }, Signal::KILL));
        assert_eq!(child.try_wait().expect("it is ours"), None);
        assert!(signal(life, Signal::KILL));
        assert!(!child.wait().expect("it is ours").success());
        assert!(!signal(life, Signal::KILL), "it is gone");
    }
}
