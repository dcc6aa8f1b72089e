//! The client that makes a backup, sans-IO: whom it asks for what, and when it gives up.
//!
//! Connections and the clock are left to its driver. It opens a session first: the slot of that is
//! above everything that any client was answered before, as the log is in the order of real time.
//! Then it asks for a snapshot that stands for that slot, part by part. The claims kept true: a
//! part is kept only if it is the one that was asked for, of the one snapshot that is being
//! written; no node's silence ends a backup, but that of all nodes together; and every wait has a
//! bound.

use std::collections::BTreeMap;
use std::path::PathBuf;

use synod_journal::Disk;
use synod_paxos::{NodeId, Slot};
use synod_smr::client::Millis;
use synod_smr::wire::StateDescription;
use synod_smr::{NoPart, Opening, Refusal, RequestBody, Response, StateMachine, StatePart};

use super::writer::{BackupStep, BackupWriter};
use super::{BackupError, Summary};

/// What a backup is made of, and where it goes.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The nodes, of which there is one at least.
    pub nodes: Vec<NodeId>,
    /// Names the session that is opened, as no other client's is named.
    pub opening: Opening,
    /// The cluster.
    pub cluster: String,
    /// The folder.
    pub path: PathBuf,
    /// For how long all nodes together may give nothing new.
    pub patience_ms: u64,
}

/// What a driver is to do next.
#[derive(Debug)]
pub enum BackupAct {
    /// To ask a node, and to tell what it answered, or why it did not within this time.
    Ask {
        /// The node.
        node: NodeId,
        /// What it is asked.
        body: RequestBody,
        /// How long it may take, in milliseconds.
        within_ms: u64,
    },
    /// To do nothing until then.
    Rest(Millis),
    /// Nothing more.
    Ended(Result<Summary, BackupError>),
}

/// How far a backup has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// The node that gave the last part.
    pub node: NodeId,
    /// The slot of the snapshot.
    pub slot: Slot,
    /// How many bytes of it are there.
    pub bytes: u64,
    /// How many it has.
    pub total: u64,
}

/// One backup under way.
#[derive(Debug)]
pub struct BackupClient<M, D: Disk> {
    options: BackupOptions,
    begin: (D, M),
    writer: Option<BackupWriter<M, D>>,
    /// Which of the nodes is asked.
    at: usize,
    /// The snapshot stands for the slots below; none before the session is open.
    covers: Option<Slot>,
    have: Option<Have>,
    /// When something new came last.
    progressed: Millis,
    /// When the node that is asked was asked first.
    turned: Millis,
    due: Millis,
    /// How many answers in a row brought nothing, and how many of them this node gave.
    failures: u32,
    tries: u32,
    restarts: u32,
    answers: BTreeMap<NodeId, String>,
    /// The nodes that let this client read nothing.
    denied: Vec<NodeId>,
    ended: Option<Result<Summary, BackupError>>,
}

/// The beginning of a snapshot.
#[derive(Clone, Copy, Debug)]
struct Have {
    description: StateDescription,
    total: u64,
    end: u64,
    by: NodeId,
}

impl<M: StateMachine + Clone, D: Disk> BackupClient<M, D> {
    /// Begins a backup. The folder is made once the first part is there.
    ///
    /// # Panics
    ///
    /// Panics without nodes.
    #[must_use]
    pub fn new(options: BackupOptions, disk: D, machine: M, now: Millis) -> Self {
        assert!(!options.nodes.is_empty(), "a backup needs a node to ask");
        Self {
            options,
            begin: (disk, machine),
            writer: None,
            at: 0,
            covers: None,
            have: None,
            progressed: now,
            turned: now,
            due: now,
            failures: 0,
            tries: 0,
            restarts: 0,
            answers: BTreeMap::new(),
            denied: Vec::new(),
            ended: None,
        }
    }

    /// Returns what is to be done. One question is out at a time.
    pub fn next(&mut self, now: Millis) -> BackupAct {
        if let Some(ended) = self.ended.take() {
            return BackupAct::Ended(ended);
        }
        let silent_ms = now.0.saturating_sub(self.progressed.0);
        if silent_ms >= self.options.patience_ms {
            let bytes = self.have.map_or(0, |have| have.end);
            let (patience_ms, answers) = (self.options.patience_ms, self.answers());
            return BackupAct::Ended(Err(BackupError::Silence { patience_ms, bytes, answers }));
        }
        if now < self.due {
            return BackupAct::Rest(self.due);
        }
        let body = match self.covers {
            None => RequestBody::Open { opening: self.options.opening },
            Some(covers) => {
                let of = self.have.map(|have| have.description.slot);
                let offset = self.have.map_or(0, |have| have.end);
                RequestBody::FetchSnapshot { covers, of, offset }
            }
        };
        let within_ms = self.answer_ms_max().min(self.options.patience_ms - silent_ms);
        BackupAct::Ask { node: self.node(), body, within_ms }
    }

    /// Returns how long one answer is waited for: each node has its turn within the patience of
    /// all, so that one that is down does not use up a short one.
    fn answer_ms_max(&self) -> u64 {
        // The waits between two questions take a share, too.
        let shares = self.options.nodes.len() as u64 + 1;
        ANSWER_MS_MAX.min((self.options.patience_ms / shares).max(ANSWER_MS_MIN))
    }

    /// Takes what the node that was asked has answered, or why it has not.
    pub fn on_answer(&mut self, now: Millis, answer: Result<Response, String>) {
        match answer {
            Ok(Response::Opened(session)) if self.covers.is_none() => {
                self.covers = Some(session.slot.next());
                self.progress(now);
            }
            Ok(Response::Snapshot { part, crc }) if self.covers.is_some() => {
                self.on_part(now, part, crc);
            }
            Ok(Response::Refused(refusal)) => self.on_refused(now, &refusal),
            Ok(
                Response::Opened(_)
                | Response::Snapshot { .. }
                | Response::Reply(_)
                | Response::Uncertain { .. }
                | Response::Status(_),
            ) => self.fail(now, "it answered something else than it was asked".to_owned()),
            Err(reason) => self.fail(now, reason),
        }
    }

    /// Returns how far it has come; none before the first part.
    #[must_use]
    pub fn progress_made(&self) -> Option<BackupProgress> {
        self.have.map(|Have { description, total, end, by }| BackupProgress {
            node: by,
            slot: description.slot,
            bytes: end,
            total,
        })
    }

    /// Returns what each node said last that gave nothing.
    #[must_use]
    pub fn answers(&self) -> Vec<(NodeId, String)> {
        let unasked = || "was not asked in this time".to_owned();
        let said = |node: &NodeId| self.answers.get(node).cloned().unwrap_or_else(unasked);
        self.options.nodes.iter().map(|node| (*node, said(node))).collect()
    }

    fn node(&self) -> NodeId {
        self.options.nodes[self.at]
    }

    /// Keeps a part, if it is the one that was asked for.
    ///
    /// spec: Backup!Fetch
    fn on_part(&mut self, now: Millis, part: StatePart, crc: u32) {
        if let Err(wrong) = self.judge(&part, crc) {
            return self.fail(now, format!("it gave {wrong}"));
        }
        let begins = part.offset == 0;
        if begins && self.have.is_some() {
            self.restarts += 1;
            if self.restarts > RESTARTS_MAX {
                self.ended = Some(Err(BackupError::Restarted(self.answers())));
                return;
            }
        }
        let (description, total, end) = (part.description, part.total, part.end());
        match self.keep(part) {
            Ok(BackupStep::Part(..)) => {
                self.have = Some(Have { description, total, end, by: self.node() });
                self.progress(now);
            }
            Ok(BackupStep::Whole(summary)) => self.ended = Some(Ok(summary)),
            Err(error) => self.ended = Some(Err(error)),
        }
    }

    /// Says what is wrong with a part, if anything is.
    fn judge(&self, part: &StatePart, crc: u32) -> Result<(), &'static str> {
        if crc32c::crc32c(&part.bytes) != crc {
            return Err("a part whose bytes are not as they were read");
        }
        if self.covers.is_none_or(|covers| part.description.slot < covers) {
            return Err("a snapshot that lacks some of what was acknowledged");
        }
        let goes_on = self.have.is_some_and(|have| {
            part.description == have.description
                && part.total == have.total
                && part.offset == have.end
        });
        if goes_on || part.offset == 0 { Ok(()) } else { Err("a part that was not asked for") }
    }

    fn keep(&mut self, part: StatePart) -> Result<BackupStep, BackupError> {
        let writer = match self.writer.take() {
            Some(writer) => self.writer.insert(writer),
            None => {
                let (disk, machine) = self.begin.clone();
                let BackupOptions { path, cluster, .. } = &self.options;
                self.writer.insert(BackupWriter::begin(disk, path, cluster, machine)?)
            }
        };
        writer.keep(part)
    }

    fn on_refused(&mut self, now: Millis, refusal: &Refusal) {
        let node = self.node();
        match refusal {
            Refusal::NotLeader { leader } => {
                let leader = leader.filter(|leader| *leader != node);
                let place = self.options.nodes.iter().position(|node| Some(*node) == leader);
                match place {
                    Some(place) => {
                        self.note_failure(now, refusal.to_string());
                        self.turn_to(now, place);
                    }
                    None => self.fail(now, refusal.to_string()),
                }
            }
            Refusal::NotAllowed => {
                if !self.denied.contains(&node) {
                    self.denied.push(node);
                }
                let said = "it lets this certificate read nothing of the state";
                self.note_failure(now, said.to_owned());
                if self.denied.len() == self.options.nodes.len() {
                    self.ended = Some(Err(BackupError::NotAllowed(self.answers())));
                    return;
                }
                self.turn(now);
            }
            Refusal::NoPart { why: NoPart::NoSnapshots, .. } => {
                self.ended = Some(Err(BackupError::NoSnapshots(node)));
            }
            // To ask the next one would have each of them take a snapshot: it is waited for.
            Refusal::NoPart { why: why @ (NoPart::Taking | NoPart::Paced), retry_after_ms } => {
                self.answers.insert(node, why.to_string());
                self.failures += 1;
                let delay = u64::from(*retry_after_ms).max(backoff_ms(self.failures));
                // What keeps a rate is no sign of a node that will give nothing.
                let delay = if self.have.is_some() { u64::from(*retry_after_ms) } else { delay };
                self.due = Millis(now.0 + delay);
                if now.0.saturating_sub(self.turned.0) >= NODE_PATIENCE_MS_MAX {
                    self.turn(now);
                }
            }
            Refusal::NoPart { why: why @ (NoPart::Behind | NoPart::Held), .. } => {
                self.note_failure(now, why.to_string());
                self.turn(now);
            }
            Refusal::DiskFull => self.fail(now, "its disk is full".to_owned()),
            Refusal::Overloaded { .. }
            | Refusal::SessionExpired
            | Refusal::SequenceStale
            | Refusal::SequenceReused
            | Refusal::PipelineFull
            | Refusal::ReplyLost
            | Refusal::ReplyTooLong
            | Refusal::Invalid(_) => self.fail(now, refusal.to_string()),
        }
    }

    /// Takes note that something new came.
    fn progress(&mut self, now: Millis) {
        (self.progressed, self.turned, self.due) = (now, now, now);
        (self.failures, self.tries) = (0, 0);
    }

    /// Takes note that a node gave nothing. With the beginning of a snapshot it is asked again
    /// before another one is, which would have to begin with the first part.
    fn fail(&mut self, now: Millis, said: String) {
        self.note_failure(now, said);
        let is_patient = self.have.is_some() && self.tries < TRIES_MAX;
        if !is_patient {
            self.turn(now);
        }
    }

    fn note_failure(&mut self, now: Millis, said: String) {
        self.answers.insert(self.node(), said);
        self.failures += 1;
        self.tries += 1;
        self.due = Millis(now.0 + backoff_ms(self.failures));
    }

    fn turn(&mut self, now: Millis) {
        self.turn_to(now, (self.at + 1) % self.options.nodes.len());
    }

    fn turn_to(&mut self, now: Millis, place: usize) {
        (self.at, self.turned, self.tries) = (place, now, 0);
    }
}

/// Returns how long to wait after so many answers in a row that brought nothing.
const fn backoff_ms(failures: u32) -> u64 {
    let doubled = BACKOFF_MS << if failures > 6 { 6 } else { failures };
    if doubled > BACKOFF_MS_MAX { BACKOFF_MS_MAX } else { doubled }
}

/// How often the snapshot may be exchanged for another one while it is fetched.
pub const RESTARTS_MAX: u32 = 16;

/// How often a node is asked again that gave the beginning of a snapshot and then nothing.
pub const TRIES_MAX: u32 = 4;

/// How long a node may take a snapshot before another one is asked.
pub const NODE_PATIENCE_MS_MAX: u64 = 20_000;

/// How long one answer is waited for.
const ANSWER_MS_MAX: u64 = 2_000;

/// How long it is waited for at least, however short the patience of all nodes is.
const ANSWER_MS_MIN: u64 = 50;

/// How long to wait at first after an answer that brought nothing.
const BACKOFF_MS: u64 = 10;

/// How long to wait at most before the next question.
const BACKOFF_MS_MAX: u64 = 500;
