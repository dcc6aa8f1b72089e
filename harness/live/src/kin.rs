//! Whose a process is: a node's, the clients', or that of a command around them.
//!
//! Those of a node are the one that was started, and whatever descends from it. A server may put
//! children into groups and sessions of their own, where no signal to its group reaches them. They
//! are told by four signs: the group that the harness started, a variable that fork and exec hand
//! on, a parent that is one, and that they were told once. A process that has cleared its
//! environment and lost its parent before anybody looked is told by none; then who holds the ports
//! of the node says that something is amiss, see `witness`. The claim kept true: a signal goes to a
//! process that one of the signs tells, and never to a later one of its number.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, PidfdFlags, Signal};
use synod_fault::{CLIENTS, NodeId};

use crate::witness::kernel::{ProcessLife, ProcessView};

/// What the processes of one run have in their environment, with whose each of them is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(OsString);

/// Whose a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A node, or the clients.
    Node(NodeId),
    /// A command of the description that prepares or ends something.
    Errand,
}

impl Mark {
    /// Returns that of a run, whose folder no other run has.
    pub(crate) fn of_run(folder: &Path) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self(folder.into_os_string())
    }

    /// Makes one that no run has.
    pub(crate) fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let count = MADE.fetch_add(1, Ordering::Relaxed);
        Self(format!("{}-{since}-{count}", std::process::id()).into())
    }

    /// Returns the variable for the processes of an owner.
    pub(crate) fn variable(&self, owner: Owner) -> (OsString, OsString) {
        let mut value = self.0.clone();
        match owner {
            Owner::Node(node) => value.push(format!("/{node}")),
            Owner::Errand => value.push(OsStr::from_bytes(ERRAND)),
        }
        (VARIABLE.into(), value)
    }

    /// Reads whose an environment is.
    fn owner(&self, environment: &[u8]) -> Option<Owner> {
        let value = |entry: &[u8]| {
            let entry = entry.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"=")?;
            let owner = entry.strip_prefix(self.0.as_bytes())?;
            if owner == ERRAND {
                return Some(Owner::Errand);
            }
            let node = std::str::from_utf8(owner.strip_prefix(b"/")?).ok()?;
            node.parse().ok().map(NodeId).map(Owner::Node)
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
    /// Whose it is by its own mark.
    owner: Option<Owner>,
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
        let mine = Owner::Node(node);
        // A mark says more than any other sign.
        let of_others = |entry: &Entry| entry.owner.is_some_and(|owner| owner != mine);
        let is_told = |entry: &&Entry| {
            entry.owner == Some(mine)
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

    /// Returns those whose own mark says that they are of such an owner.
    pub(crate) fn marked(&self, is_wanted: &impl Fn(Owner) -> bool) -> Vec<ProcessLife> {
        let marked = self.0.iter().filter(|entry| entry.owner.is_some_and(is_wanted));
        marked.map(|entry| entry.view.life).collect()
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

/// Waits for the processes of such an owner to go that are about to, a second at most.
pub(crate) async fn await_marked(mark: &Mark, is_wanted: impl Fn(Owner) -> bool) {
    for _ in 0..LOOKS_MAX {
        if Processes::look(mark).marked(&is_wanted).is_empty() {
            return;
        }
        tokio::time::sleep(LOOK_STEP).await;
    }
}

/// Kills the processes whose own mark says that they are of such an owner, and returns them with
/// their names. It looks again until it finds none, as one that is killed may just have started
/// another.
pub(crate) async fn end_marked(
    mark: &Mark,
    is_wanted: impl Fn(Owner) -> bool,
) -> BTreeMap<u32, String> {
    let mut ended = BTreeMap::new();
    for _ in 0..LOOKS_MAX {
        let left = Processes::look(mark).marked(&is_wanted);
        if left.is_empty() {
            break;
        }
        for life in left {
            let name = fs::read_to_string(format!("/proc/{}/comm", life.pid)).unwrap_or_default();
            if signal(life, Signal::KILL) {
                ended.insert(life.pid, name.trim().to_owned());
            }
        }
        tokio::time::sleep(LOOK_STEP).await;
    }
    ended
}

/// The variable that the processes of a run have in their environment: whose they are.
const VARIABLE: &str = "SYNOD_HARNESS_OF";

/// What its value ends with for a command of the description.
const ERRAND: &[u8] = b"/errand";

/// How often it is looked for what is left.
const LOOKS_MAX: usize = 100;

const LOOK_STEP: Duration = Duration::from_millis(10);

/// How often it is looked for processes that came while others were sent a signal.
pub(crate) const ROUNDS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: u32, (parent, session, group): (u32, u32, u32), owner: Option<u16>) -> Entry {
        let life = ProcessLife { pid, started: u64::from(pid) };
        let view = ProcessView { parent, session, ..ProcessView::plain(life, group) };
        Entry { view, owner: owner.map(|node| Owner::Node(NodeId(node))) }
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
        for owner in [Owner::Node(NodeId(7)), Owner::Node(CLIENTS), Owner::Errand] {
            let (name, value) = one.variable(owner);
            let words = format!("A=1\0{}={}\0B=2", name.display(), value.display());
            assert_eq!(one.owner(words.as_bytes()), Some(owner));
            assert_eq!(other.owner(words.as_bytes()), None);
        }
        assert_eq!(one.owner(b"\xff=\xff\0\0="), None);
    }

    #[test]
    fn the_mark_of_a_run_is_its_folder_and_of_no_folder_beside_it() {
        let (run, beside) = (Mark::of_run(Path::new("runs/1")), Mark::of_run(Path::new("runs/11")));
        let (_, value) = beside.variable(Owner::Node(NodeId(3)));
        let words = [VARIABLE.as_bytes(), b"=", value.as_bytes()].concat();
        assert_eq!((run.owner(&words), beside.owner(&words)), (None, Some(Owner::Node(NodeId(3)))));
        let folder = std::env::current_dir().expect("a folder").join("runs/1");
        assert_eq!(run, Mark::of_run(&folder), "wherever it is named from");
    }

    #[tokio::test]
    async fn what_is_killed_by_its_mark_is_of_that_run_and_that_owner_alone() {
        let (mine, other) = (Mark::new(), Mark::new());
        let sleeper = |mark: &Mark, owner| {
            let mut command = std::process::Command::new("sleep");
            command.arg("60").envs([mark.variable(owner)]).spawn().expect("a process")
        };
        let node = Owner::Node(NodeId(2));
        let mut errand = sleeper(&mine, Owner::Errand);
        let (mut served, mut others) = (sleeper(&mine, node), sleeper(&other, Owner::Errand));
        let ended = end_marked(&mine, |owner| owner == Owner::Errand).await;
        assert_eq!(ended, BTreeMap::from([(errand.id(), "sleep".to_owned())]));
        assert!(!errand.wait().expect("it is ours").success());
        let lives = [&mut served, &mut others].map(|it| it.try_wait().expect("it is ours"));
        assert_eq!(lives, [None, None], "a node's, and another run's");
        assert_eq!(end_marked(&mine, |owner| owner != Owner::Errand).await.len(), 1);
        assert_eq!(end_marked(&other, |_| true).await.len(), 1);
        served.wait().and_then(|_| others.wait()).expect("they are ours");
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
