//! A replicated queue with a client of its own: three nodes, and two clients that share the work.
//!
//!     synod-kv init --dir /tmp/queue && cargo run --example queue -- /tmp/queue

use std::{collections::BTreeMap, collections::VecDeque, error::Error, fmt, path::Path};
use std::{net::UdpSocket, time::Duration};

use bytes::Bytes;
use synod_node::{Client, ClientConfig, Config, Invalid, Node, NodeId, Outcome, Session};
use synod_node::{NoSnapshot, RestoreError, SnapshotPieces, SnapshotView};
use synod_node::{StateMachine, TlsFiles};

/// The state: jobs that wait, and what tells this state from any other one.
#[derive(Clone, Default)]
pub(crate) struct Queue {
    jobs: VecDeque<Vec<u8>>,
    pushed: u64,
    taken: u64,
    mark: u64,
}

/// A command is a letter, and behind `+` a job. It bounds what a command may bring.
impl StateMachine for Queue {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        match command {
            [b'+', job @ ..] if job.len() > JOB_BYTES_MAX => Err(Invalid::new("a long job")),
            [b'+', ..] if self.jobs.len() >= JOBS_MAX => Err(Invalid::new("the queue is full")),
            [b'+', ..] | [b'-'] => Ok(()),
            _ => Err(Invalid::new("a command is + with a job, or -")),
        }
    }

    /// A leader validates, and other commands may come before this one: it bounds by itself.
    fn apply(&mut self, command: &[u8]) -> Bytes {
        match command {
            [b'+', job @ ..] if self.jobs.len() < JOBS_MAX => {
                self.pushed += 1;
                let mix = |mark: u64, byte: &u8| (mark ^ u64::from(*byte)).wrapping_mul(PRIME);
                self.mark = job.iter().fold(self.mark.wrapping_add(self.pushed), mix);
                self.jobs.push_back(job.to_vec());
                Bytes::from_static(b"+")
            }
            [b'-'] => match self.jobs.pop_front() {
                Some(job) => {
                    self.taken += 1;
                    [b"-", &job[..]].concat().into()
                }
                None => Bytes::new(),
            },
            _ => Bytes::from_static(b"!"),
        }
    }

    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&(self.jobs.len() as u64).to_le_bytes())
    }

    /// All jobs that ever came, in their order, and how many have gone: that is the whole state.
    fn digest(&self) -> u64 {
        self.mark.wrapping_add(self.taken.wrapping_mul(PRIME))
    }

    /// Three numbers, then each job behind its length.
    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        let mut state = [self.pushed, self.taken, self.mark].map(u64::to_le_bytes).concat();
        for job in &self.jobs {
            state.extend_from_slice(&(job.len() as u64).to_le_bytes());
            state.extend_from_slice(job);
        }
        Ok(SnapshotView::whole(state))
    }

    fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        let mut number = || snapshot.take_array().map(u64::from_le_bytes);
        let (pushed, taken, mark) = (number()?, number()?, number()?);
        let mut jobs = VecDeque::new();
        for _ in taken..pushed {
            let bytes = u64::from_le_bytes(snapshot.take_array()?);
            jobs.push_back(snapshot.take(usize::try_from(bytes).unwrap_or(usize::MAX))?.to_vec());
        }
        *self = Self { jobs, pushed, taken, mark };
        snapshot.end()
    }
}

/// What a program that uses the queue holds: it speaks of jobs, and of what is known of them.
pub(crate) struct QueueClient(Session);

impl QueueClient {
    /// Puts a job at the end.
    pub(crate) async fn push(&self, job: &[u8]) -> Result<(), QueueError> {
        match &self.command([b"+", job].concat()).await?[..] {
            b"+" => Ok(()),
            _ => Err(QueueError::NotDone("the queue is full".into())),
        }
    }

    /// Takes the job at the front; no other client is given it.
    pub(crate) async fn take(&self) -> Result<Option<Vec<u8>>, QueueError> {
        let answer = self.command(b"-".to_vec()).await?;
        Ok(answer.strip_prefix(b"-").map(<[u8]>::to_vec))
    }

    async fn command(&self, bytes: Vec<u8>) -> Result<Bytes, QueueError> {
        match self.0.command(bytes, PATIENCE).await {
            Outcome::Ok(answer) => Ok(answer),
            Outcome::NotApplied(why) => Err(QueueError::NotDone(format!("{why:?}"))),
            Outcome::Unknown(why) => Err(QueueError::Unknown(format!("{why:?}"))),
        }
    }
}

/// Why there is no answer: the two cases in which a program does something else.
#[derive(Debug)]
pub(crate) enum QueueError {
    /// Certainly nothing happened: ask again.
    NotDone(String),
    /// It may have happened: a job may be in the queue, or gone from it with nobody to do it.
    Unknown(String),
}

impl fmt::Display for QueueError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDone(why) => write!(out, "not done: {why}"),
            Self::Unknown(why) => write!(out, "nobody knows: {why}"),
        }
    }
}

impl Error for QueueError {}

/// Pushes the jobs by one client, and lets two others take them in turn.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn work(folder: &Path, jobs: &[&str]) -> Result<Vec<String>, Box<dyn Error>> {
    let mut members = BTreeMap::new();
    for id in [1, 2, 3].map(NodeId::new) {
        members.insert(id, UdpSocket::bind("127.0.0.1:0")?.local_addr()?);
    }
    let (mut nodes, mut servers) = (BTreeMap::new(), Vec::new());
    for &id in members.keys() {
        let config = Config::in_folder(folder, id, members.clone());
        servers.push(Node::start(config, Queue::default())?);
        nodes.extend(servers.last().map(|node| (id, node.client_address())));
    }
    let tls = TlsFiles::in_folder(folder, "client");
    let client = Client::connect(&ClientConfig { nodes, tls })?;
    let boss = QueueClient(client.session());
    for job in jobs {
        boss.push(job.as_bytes()).await?;
    }
    let workers = [QueueClient(client.session()), QueueClient(client.session())];
    let mut done = Vec::new();
    while let Some(job) = workers[done.len() % 2].take().await? {
        done.push(String::from_utf8(job)?);
    }
    Ok(done)
}

#[allow(dead_code, clippy::print_stdout, reason = "the test of this example calls `work` itself")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder made by `synod-kv init`")?;
    let done = work(Path::new(&folder), &["wash", "dry", "fold"])?;
    println!("done: {}", done.join(", "));
    Ok(())
}

const JOBS_MAX: usize = 10_000;
const JOB_BYTES_MAX: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(20);
/// The factor of the hash of Fowler, Noll and Vo.
const PRIME: u64 = 0x0000_0100_0000_01b3;
