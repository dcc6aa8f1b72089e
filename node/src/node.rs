//! A running node, as the program that started it sees it.
//!
//! The node runs on a thread of its own, or as a task where its world says so; this handle asks it
//! to end and waits for that. What the node does is the driver's business. Dropping the handle ends
//! the node at once, as a crash would, but not before its thread has given the data folder back.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use synod_host::Inspected;
use synod_host::backup::BackupState;
use synod_host::journal::AppendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::beacon::SharedBeacon;
use crate::config::Config;
use crate::create::{CreateError, check, create, create_from};
use crate::metrics::server::MetricsServer;
use crate::start::{inspect, start};
use crate::start_error::StartError;
use crate::survey::{NodeSurvey, SurveyError, survey_folder};
use crate::world::{System, World};
use synod_host::smr::StateMachine;
use synod_transport_quic::Credentials;

/// A replica of a state machine, with its journal and its network.
///
/// # Examples
///
/// `examples/counter.rs` is a replicated counter in one page.
#[derive(Debug)]
pub struct Node {
    pub(crate) peer_address: SocketAddr,
    pub(crate) client_address: SocketAddr,
    pub(crate) metrics: Option<MetricsServer>,
    pub(crate) incarnation: u64,
    pub(crate) orders: mpsc::Sender<Control>,
    pub(crate) beacon: Arc<SharedBeacon>,
    pub(crate) is_draining: AtomicBool,
    pub(crate) ended: Option<oneshot::Receiver<Result<(), NodeError>>>,
    pub(crate) life: Option<LoopHandle>,
}

/// Where a node runs.
#[derive(Debug)]
pub(crate) enum LoopHandle {
    /// On a thread of its own.
    Thread(JoinHandle<()>),
    /// As a task.
    Task(AbortHandle),
}

/// What the handle asks of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Hand over, and end in order.
    Drain,
    /// End at once.
    Stop,
}

/// Why a node ended that was not asked to, or could not end in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The journal failed: the environment's fault. Nothing that was promised is lost.
    #[error("the journal failed, and this node must not go on: {0}")]
    Journal(#[from] AppendError),
    /// The trace that was asked for cannot be written any more.
    #[error("the trace cannot be written, and a node without it must not go on: {0}")]
    Trace(#[source] io::Error),
    /// The journal could not be closed in time: the environment's fault. Nothing that was promised
    /// is lost. The thread that waits for the disk, and the data folder with it, are given back
    /// when the disk answers, or with the process.
    #[error("the node handed over and ended, but its disk hangs, and the journal is not closed")]
    DiskHangs,
    /// The core found that it must not go on.
    #[error("this replica must stop: {0}")]
    Halted(String),
    /// The others know this node by another folder, or by a later state of this one: the
    /// operator's to set right. Every further start of the folder ends alike.
    #[error("this node was refused by the others: {0}")]
    Refused(String),
    /// The handle was dropped.
    #[error("the node was stopped without handing over")]
    Stopped,
    /// The thread of the node panicked: a fault of this program.
    #[error("the node's thread panicked; its message says where")]
    Panicked,
}

impl Node {
    /// Checks all of a configuration that can be checked without touching ports and the journal,
    /// and returns its credentials.
    ///
    /// # Errors
    ///
    /// What a start would refuse: settings, certificates, a key that is not the certificate's.
    pub fn check(config: &Config) -> Result<Credentials, CreateError> {
        check(config)
    }

    /// Judges the configuration and the journal as a start would, without touching ports, and
    /// without a change to the journal: no start is counted. It reads the journal from its
    /// beginning to its end, and holds its lock meanwhile.
    ///
    /// # Errors
    ///
    /// What a start would refuse, but for what depends on others: ports that are taken, room on the
    /// disk.
    pub fn inspect(config: &Config) -> Result<Inspected, StartError> {
        inspect(&System, config)
    }

    /// Tells what the data folder of a node that does not run holds, whoever's it is, damaged or
    /// not, and changes nothing. It reads the folder from its beginning to its end, and holds its
    /// locks meanwhile.
    ///
    /// # Errors
    ///
    /// Why it cannot be read at all: it is no such folder, a node has it open, another version
    /// wrote it, its identity is damaged, or the disk fails. Other damage is a part of the answer.
    pub fn survey(data: &Path) -> Result<NodeSurvey, SurveyError> {
        survey_folder(data)
    }

    /// Makes the journal of a node that has never run, with the directories that lead to it.
    ///
    /// It is a step of its own, taken once in the life of a node. A node whose journal was lost
    /// must not have another one: it would have forgotten what it voted for, and the cluster could
    /// lose what it has acknowledged.
    ///
    /// # Errors
    ///
    /// Why it was not made: above all, where there is a journal already.
    pub fn create(config: &Config) -> Result<(), CreateError> {
        Self::create_in(&System, config)
    }

    /// Does as [`Node::create`] in another world.
    ///
    /// # Errors
    ///
    /// As [`Node::create`].
    pub fn create_in(world: &impl World, config: &Config) -> Result<(), CreateError> {
        create(world, config)
    }

    /// Makes the folders of a node that has never run, of a cluster that begins with the state of a
    /// backup: all its nodes with the same one. The cluster is another one than that of the backup.
    ///
    /// # Errors
    ///
    /// As [`Node::create`] does; and where the data folder is there, even if it is empty. There is
    /// no data folder then that was not there before.
    pub fn create_from<M: StateMachine>(
        config: &Config,
        backup: &BackupState<M>,
    ) -> Result<(), CreateError> {
        create_from(config, backup)
    }

    /// Recovers the replica from its journal and starts it; returns when both ports are open. The
    /// journal was made by [`Node::create`].
    ///
    /// `machine` is the state machine before any command.
    ///
    /// # Errors
    ///
    /// Why the node cannot run; nothing is left running then.
    pub fn start<M>(config: Config, machine: M) -> Result<Self, StartError>
    where
        M: StateMachine + Clone + Send + 'static,
    {
        Self::start_in(System, config, machine)
    }

    /// Does as [`Node::start`] in another world. Where that places nodes as tasks, the node runs on
    /// the runtime this is called in, and ends soon after its handle is dropped.
    ///
    /// # Errors
    ///
    /// As [`Node::start`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time, where the node is to be a task.
    pub fn start_in<W, M>(world: W, config: Config, machine: M) -> Result<Self, StartError>
    where
        W: World,
        M: StateMachine + Clone + Send + 'static,
    {
        start(world, config, machine, None)
    }

    /// Does as [`Node::start`], and writes down what the node does into a new file of this folder,
    /// before any of it leaves: for those who hold it against the specification afterwards.
    ///
    /// It costs a write to the disk in each turn, and room for all that is sent and recorded. A
    /// node that cannot write there ends.
    ///
    /// # Errors
    ///
    /// As [`Node::start`], and where the folder cannot be written to.
    pub fn start_traced<M>(config: Config, machine: M, folder: &Path) -> Result<Self, StartError>
    where
        M: StateMachine + Clone + Send + 'static,
    {
        start(System, config, machine, Some(folder))
    }

    /// Returns where the node listens to its peers.
    #[must_use]
    pub fn peer_address(&self) -> SocketAddr {
        self.peer_address
    }

    /// Returns where the node listens to clients.
    #[must_use]
    pub fn client_address(&self) -> SocketAddr {
        self.client_address
    }

    /// Returns where the node answers `/livez`, `/readyz` and `/metrics`, if it does.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsServer::address)
    }

    /// Returns which start of the node this is, counted from 1.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Asks the node to hand over and to end; [`Node::ended`] tells when it has.
    pub fn drain(&self) {
        // A loop that is held up hears of it late, and its peers shall not wait so long.
        self.beacon.end();
        // Said once, so that there is room for the order to stop; a closed channel means that the
        // node has ended.
        if !self.is_draining.swap(true, Ordering::Relaxed) {
            let _ = self.orders.try_send(Control::Drain);
        }
    }

    /// Waits until the node has ended; cancel-safe.
    ///
    /// # Errors
    ///
    /// Why it ended, unless it was asked to.
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        let Some(ended) = &mut self.ended else { return Err(NodeError::Stopped) };
        let outcome = ended.await.unwrap_or(Err(NodeError::Panicked));
        // A channel that has said its one word must not be asked again.
        self.ended = None;
        self.join();
        outcome
    }

    fn join(&mut self) {
        match self.life.take() {
            // A panic was reported by the closed channel.
            Some(LoopHandle::Thread(thread)) => drop(thread.join()),
            Some(LoopHandle::Task(task)) => task.abort(),
            None => {}
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.beacon.end();
        // A loop that has ended needs no order.
        let _ = self.orders.try_send(Control::Stop);
        self.join();
    }
}
