//! A node on threads whose disk hangs: it can be asked to end, and does, and is seen to panic.
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod certificates;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use certificates::Folder;
use synod_host::Ticket;
use synod_host::journal::{Disk, DiskFile, GroupCommit, Journal, SimDisk};
use synod_node::world::{OnOutcome, Placement, Surroundings, System, World};
use synod_node::{
    Client, ClientConfig, Config, Invalid, Node, NodeError, NodeId, StartError, StateMachine,
    TlsFiles,
};
use synod_transport_quic::{BindError, HeldPort, Turns, Wall};

/// A machine that panics at its first command, beside a disk that hangs from then on.
#[derive(Clone)]
struct Doomed(Gate);

impl StateMachine for Doomed {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }
    fn apply(&mut self, _: &[u8]) -> Bytes {
        self.0.set(true);
        // The journal seals itself soon after the last commit, and waits for the disk.
        while !self.0.is_waited_at() {
            std::thread::yield_now();
        }
        panic!("a machine that fails");
    }
    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn digest(&self) -> u64 {
        0
    }
}

/// Holds up whoever comes while it is shut.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    is_shut: bool,
    /// Whether whoever waits, or comes, panics.
    is_broken: bool,
    waiting: u32,
}

impl Gate {
    fn set(&self, is_shut: bool) {
        self.0.0.lock().unwrap().is_shut = is_shut;
        self.0.1.notify_all();
    }

    fn break_down(&self) {
        self.0.0.lock().unwrap().is_broken = true;
        self.set(false);
    }

    fn is_waited_at(&self) -> bool {
        self.0.0.lock().unwrap().waiting > 0
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.waiting += 1;
        let mut state = self.0.1.wait_while(state, |state| state.is_shut).unwrap();
        state.waiting -= 1;
        let is_broken = state.is_broken;
        drop(state);
        assert!(!is_broken, "a fault of the journal");
    }
}

/// A disk whose syncs wait at a gate.
#[derive(Clone)]
struct Gated(SimDisk, Gate);

struct GatedFile(<SimDisk as Disk>::File, Gate);

impl Disk for Gated {
    type File = GatedFile;
    type Lock = <SimDisk as Disk>::Lock;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn lock_dir(&self, path: &Path) -> io::Result<Option<Self::Lock>> {
        self.0.lock_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
    fn create(&self, path: &Path, bytes: u64) -> io::Result<GatedFile> {
        Ok(GatedFile(self.0.create(path, bytes)?, self.1.clone()))
    }
    fn open(&self, path: &Path) -> io::Result<GatedFile> {
        Ok(GatedFile(self.0.open(path)?, self.1.clone()))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn salt(&self) -> io::Result<u64> {
        self.0.salt()
    }
}

impl DiskFile for GatedFile {
    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.1.pass();
        self.0.sync()
    }
}

/// This machine, with another disk.
#[derive(Clone)]
struct Elsewhere(Gated);

impl Surroundings for Elsewhere {
    fn hold(&self, address: SocketAddr) -> Result<HeldPort, BindError> {
        System.hold(address)
    }
    fn wall(&self) -> Wall {
        System.wall()
    }
    fn turns(&self) -> Turns {
        System.turns()
    }
    fn draw(&self, bytes: &mut [u8]) -> io::Result<()> {
        System.draw(bytes)
    }
}

impl World for Elsewhere {
    type Disk = Gated;
    type Commits = GroupCommit<Ticket>;

    fn disk(&self) -> Gated {
        self.0.clone()
    }
    fn placement(&self) -> Placement {
        Placement::Threads
    }
    fn commits(
        &self,
        journal: Journal<Gated>,
        on_outcome: OnOutcome,
    ) -> io::Result<GroupCommit<Ticket>> {
        GroupCommit::start(journal, on_outcome)
    }
}

/// A node that is alone.
struct Alone {
    folder: Folder,
    gate: Gate,
    world: Elsewhere,
    config: Config,
}

impl Alone {
    /// Starts it.
    fn start(name: &str) -> (Self, Node) {
        let folder = Folder::new(name);
        let (gate, disk) = (Gate::default(), SimDisk::new(1));
        let world = Elsewhere(Gated(disk, gate.clone()));
        let mut config = folder.config(1);
        config.members = [(NodeId::new(1), SocketAddr::from(([127, 0, 0, 1], 0)))].into();
        config.data = "data".into();
        Node::create_in(&world, &config).unwrap();
        let alone = Self { folder, gate, world, config };
        let node = alone.try_start().unwrap();
        (alone, node)
    }

    /// Starts it, and waits until its journal waits for the disk, which hangs.
    async fn start_hung(name: &str) -> (Self, Node) {
        let (alone, node) = Self::start(name);
        alone.gate.set(true);
        // A node that is alone records a ballot of its own within moments.
        while !alone.gate.is_waited_at() {
            tokio::task::yield_now().await;
        }
        (alone, node)
    }

    fn try_start(&self) -> Result<Node, StartError> {
        Node::start_in(self.world.clone(), self.config.clone(), Doomed(self.gate.clone()))
    }

    /// Holds it that the folder is taken for as long as somebody waits for the disk, and is free
    /// once that answers.
    async fn expect_folder_back(&self) {
        let early = self.try_start();
        assert!(early.is_err(), "somebody still waits for the disk, with the folder in hand");
        self.gate.set(false);
        let node = loop {
            // The thread that waited gives the folder back.
            match self.try_start() {
                Ok(node) => break node,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert!(node.incarnation() >= 2);
    }
}

#[tokio::test]
async fn a_node_ends_though_its_disk_hangs_and_its_folder_is_free_once_it_answers() {
    let (alone, mut node) = Alone::start_hung("hung").await;
    node.drain();
    let error = node.ended().await.unwrap_err();
    assert!(matches!(error, NodeError::DiskHangs), "{error}");
    drop(node);
    alone.expect_folder_back().await;
}

#[tokio::test]
async fn a_node_that_is_stopped_does_not_wait_for_ever_for_a_disk_that_hangs() {
    let (alone, node) = Alone::start_hung("hung-stop").await;
    // The disk answers nobody until the handle is gone.
    drop(node);
    alone.expect_folder_back().await;
}

#[tokio::test]
async fn a_panic_beside_a_disk_that_hangs_is_told() {
    let (alone, mut node) = Alone::start("hung-panic");
    let nodes = [(NodeId::new(1), node.client_address())].into();
    let tls = TlsFiles::in_folder(&alone.folder.0, "client");
    let client = Client::connect(&ClientConfig { nodes, tls }).unwrap();
    let session = client.session();
    let ended = tokio::time::timeout(Duration::from_secs(30), node.ended());
    let (_, ended) = tokio::join!(session.command(&b"x"[..], Duration::from_secs(10)), ended);
    if ended.is_err() {
        // So that the test can end.
        alone.gate.set(false);
    }
    let error = ended.expect("the panic is told in time").unwrap_err();
    assert!(matches!(error, NodeError::Panicked), "{error}");
    drop(node);
    alone.expect_folder_back().await;
}

/// Where a panic does not end the process, as it may not in somebody else's program.
#[tokio::test]
async fn a_node_whose_journals_thread_panics_does_not_go_on_without_it() {
    let (alone, mut node) = Alone::start_hung("broken").await;
    alone.gate.break_down();
    let ended = tokio::time::timeout(Duration::from_secs(30), node.ended()).await;
    let error = ended.expect("what it is asked for would not become durable").unwrap_err();
    assert!(matches!(error, NodeError::Panicked), "{error}");
}
