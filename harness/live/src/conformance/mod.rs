//! Whether a bridge speaks as a run needs it: asked for everything once, with a cluster that works
//! and one that does not.
//!
//! A run finds a wrong bridge as well, as its first wrong line ends it; and a bridge that calls
//! failed what happened makes a sound system look broken. Here each rule of the protocol is tried
//! by its own questions, and what is wrong is told with the line that was sent, the line that came
//! and what to do. What a line means is decided where runs decide it. The claim kept true: a bridge
//! that passes here ends no run by its form.

mod breaks;
mod operations;
mod talk;

use std::time::Duration;

use synod_fault::{NodeId, Scenario};
use synod_history::Request;
use tokio::time::Instant;

use crate::bridge::answer::AnswerKind;
use crate::folder::RunFolder;
use crate::logs;
use crate::process::{STDERR_LOG, describe_end};
use crate::setup::{RunningNodes, SetupError, SystemUnderTest};
use crate::status::StatusFields;
use talk::Talk;

/// One rule that a bridge was tried by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeCheck {
    /// The rule, in plain words.
    pub rule: &'static str,
    /// What came of it.
    pub found: Found,
}

/// What came of trying a rule; there is nothing else that can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is kept; with what is to be known beside that, if anything.
    Right(Option<String>),
    /// It is broken, as each of these shows.
    Wrong(Vec<Misstep>),
    /// It was not tried, and why.
    NotTried(String),
    /// The description says that there is nothing to try, in these words.
    NotAsked(String),
}

/// Something that a bridge did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misstep {
    /// The line that it was sent, if it answers one.
    pub sent: Option<String>,
    /// The line that it said, if it said one.
    pub came: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Starts the nodes and a bridge, and tries the bridge by every rule. `tell` gets each as it is
/// known.
///
/// # Errors
///
/// [`SetupError`] if the system does not start; the bridge is not to blame for that.
pub async fn try_bridge(
    under_test: &SystemUnderTest,
    plan: &Scenario,
    folder: &RunFolder,
    mut tell: impl FnMut(&BridgeCheck),
) -> Result<Vec<BridgeCheck>, SetupError> {
    under_test.check(plan)?;
    let nodes = under_test.start_nodes(plan, folder).await?;
    let talk = Talk::open(under_test.start_bridge(&nodes, folder, 1)?);
    let ids = plan.node_ids();
    let log = folder.file(&format!("bridge/1/{STDERR_LOG}"));
    let told = under_test.system.told();
    let mut trial = Trial { nodes: &nodes, ids: &ids, told, talk };
    let mut checks = Vec::new();
    let has_probe = nodes.who_leads.is_some();
    let steps = STEPS.iter().filter(|(_, step)| *step != Step::WhoLeads || has_probe);
    for (rule, step) in steps {
        let found = match trial.unfit() {
            Some(why) => Found::NotTried(why),
            None => trial.take(*step).await,
        };
        // Whoever ended says why.
        let found = match found {
            // In the last step it is meant to end.
            Found::Wrong(mut missteps) if trial.talk.is_over() && *step != Step::End => {
                missteps.push(trial.ended(&logs::tail(&log, TAIL_LINES)).await);
                Found::Wrong(missteps)
            }
            found @ (Found::Right(_)
            | Found::Wrong(_)
            | Found::NotTried(_)
            | Found::NotAsked(_)) => found,
        };
        let check = BridgeCheck { rule, found };
        tell(&check);
        checks.push(check);
    }
    let nonsense = match trial.silent() {
        Some(why) => Found::NotTried(why),
        None => {
            breaks::hears_nonsense(Talk::open(under_test.start_bridge(&nodes, folder, 2)?)).await
        }
    };
    for (rule, found) in [(NONSENSE, nonsense), (NODES_RUN, nodes_run(&nodes))] {
        let check = BridgeCheck { rule, found };
        tell(&check);
        checks.push(check);
    }
    let left = nodes.cluster.stop_all(STOP_PATIENCE).await;
    if !under_test.system.stop.is_none() {
        let check = BridgeCheck { rule: STOPPED, found: around(left) };
        tell(&check);
        checks.push(check);
    }
    Ok(checks)
}

/// Tells what a tear-down did not do, as one more rule.
#[must_use]
pub fn torn_down(left: Vec<String>) -> BridgeCheck {
    BridgeCheck { rule: TORN_DOWN, found: around(left) }
}

fn around(left: Vec<String>) -> Found {
    let misstep =
        |what| Misstep { sent: None, came: None, what, remedy: "see its log in the folder" };
    let missteps: Vec<Misstep> = left.into_iter().map(misstep).collect();
    if missteps.is_empty() { Found::Right(None) } else { Found::Wrong(missteps) }
}

const STOPPED: &str = "`stop` ends the nodes";

const TORN_DOWN: &str = "`teardown` takes away what `setup` made, and leaves no process";

/// A bridge with its nodes, in the middle of being tried.
struct Trial<'a> {
    nodes: &'a RunningNodes,
    ids: &'a [NodeId],
    /// What a status has.
    told: StatusFields,
    talk: Talk,
}

/// What is tried, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Status,
    WhoLeads,
    ReadAndWrite,
    Delete,
    Cas,
    Append,
    Add,
    Texts,
    Together,
    NotOffered,
    Unanswered,
    Killed,
    End,
}

const STEPS: &[(&str, Step)] = &[
    ("each node tells its status, and one leads", Step::Status),
    ("`who_leads` names the node that leads", Step::WhoLeads),
    ("a read sees what was written, and null where nothing was", Step::ReadAndWrite),
    ("`delete` takes a value away, or is refused by `fail`", Step::Delete),
    ("`cas` sets what it should and says whether it did, or is refused by `fail`", Step::Cas),
    ("`append` adds at the end, or is refused by `fail`", Step::Append),
    ("`add` answers with the sum, or is refused by `fail`", Step::Add),
    ("a text of any kind comes back as it was written", Step::Texts),
    ("of many questions at once each has its answer, once", Step::Together),
    ("an operation that nobody knows is refused by `fail`", Step::NotOffered),
    ("a write whose answer does not come is `info`, and never `fail`", Step::Unanswered),
    ("a write whose node is killed is `info` or `ok`, and never `fail`", Step::Killed),
    ("it ends when its input ends", Step::End),
];

const NONSENSE: &str = "a line that is no question does no harm";

const NODES_RUN: &str = "no node ended by itself";

impl Trial<'_> {
    async fn take(&mut self, step: Step) -> Found {
        if step == Step::Status && !self.told.are_any() {
            self.wait_for_read().await;
            self.talk.drain();
            return Found::NotAsked("the description says status = []".to_owned());
        }
        let remark = match step {
            Step::Status => self.status().await,
            Step::WhoLeads => self.who_leads().await,
            Step::ReadAndWrite => self.read_and_write().await,
            Step::Delete => self.delete().await,
            Step::Cas => self.cas().await,
            Step::Append => self.append().await,
            Step::Add => self.add().await,
            Step::Texts => self.texts().await,
            Step::Together => self.together().await,
            Step::NotOffered => self.not_offered().await,
            Step::Unanswered => self.unanswered().await,
            Step::Killed => self.killed().await,
            Step::End => self.end().await,
        };
        // A second answer, or what nobody asked for, may have come behind those that were waited
        // for.
        self.talk.drain();
        let missteps = self.talk.take_missteps();
        match (missteps.is_empty(), self.talk.is_over() && step != Step::End) {
            (true, false) => Found::Right(remark),
            (true, true) | (false, _) => Found::Wrong(missteps),
        }
    }

    /// Returns why nothing more can be tried, if that is so.
    fn unfit(&self) -> Option<String> {
        if self.talk.is_over() {
            return Some("the bridge has ended".to_owned());
        }
        self.silent()
    }

    /// Says so if the bridge was asked and has answered nothing: nothing can be seen of it then.
    fn silent(&self) -> Option<String> {
        let silent = self.talk.is_asked() && !self.talk.has_answered();
        silent.then(|| "the bridge has answered nothing so far".to_owned())
    }

    /// Tells of a bridge that ended while it was asked.
    async fn ended(&self, said: &[String]) -> Misstep {
        let ended = tokio::time::timeout(END_PATIENCE, self.talk.process().ended()).await;
        let how = ended.map_or_else(|_| "it closed its output".to_owned(), describe_end);
        let said = match said {
            [] => ", and said nothing on standard error".to_owned(),
            lines => format!("; it said on standard error:\n{}", lines.join("\n")),
        };
        Misstep {
            sent: None,
            came: None,
            what: format!("the bridge ended ({how}){said}"),
            remedy: "go on until the input ends, whatever the system does",
        }
    }

    /// Asks for the status of each node until all tell one and a node leads.
    async fn status(&mut self) -> Option<String> {
        let deadline = Instant::now() + STATUS_PATIENCE;
        loop {
            let look = self.look().await?;
            match (look.leader, look.silent.as_slice()) {
                (Some(node), []) => return Some(format!("node {node} leads")),
                (None, []) if !self.told.leads => return Some("none tells who leads".to_owned()),
                (Some(_) | None, _) => {}
            }
            // A bridge all of whose lines are no answers says none, however long it is waited for.
            let says_nonsense = self.talk.has_missteps() && !self.talk.has_answered();
            if self.talk.is_over() || says_nonsense {
                return None;
            }
            if Instant::now() >= deadline {
                self.note_status(&look);
                return None;
            }
            tokio::time::sleep(STATUS_STEP).await;
        }
    }

    /// Waits until all nodes tell a status again, or for as long as they may take; that they do was
    /// tried before.
    async fn wait_for_nodes(&mut self) {
        if !self.told.are_any() {
            return self.wait_for_read().await;
        }
        let deadline = Instant::now() + STATUS_PATIENCE;
        while !self.talk.is_over() && Instant::now() < deadline {
            if self.look().await.is_none_or(|look| look.silent.is_empty()) {
                return;
            }
            tokio::time::sleep(STATUS_STEP).await;
        }
    }

    /// Reads until that is answered with `ok` or `fail`, or for as long as the nodes may take. What
    /// is wrong with the answers is told by the rule about reads.
    async fn wait_for_read(&mut self) {
        let deadline = Instant::now() + STATUS_PATIENCE;
        while !self.talk.is_over() && Instant::now() < deadline {
            let read = Request::Read { key: "try.ready".to_owned() };
            let asked = self.talk.ask(0, read, STATUS_LIMIT).await;
            self.talk.gather(std::slice::from_ref(&asked)).await;
            let answer = self.talk.answer(asked.id).map(|answer| answer.kind);
            if matches!(answer, Some(AnswerKind::Ok)) {
                return;
            }
            tokio::time::sleep(STATUS_STEP).await;
        }
    }

    /// Asks the command that says who leads until it names a node.
    async fn who_leads(&mut self) -> Option<String> {
        let probe = self.nodes.who_leads.as_ref()?;
        let deadline = Instant::now() + STATUS_PATIENCE;
        loop {
            let why = match probe.ask().await {
                Ok(Some(node)) => return Some(format!("node {node}")),
                Ok(None) => "it names no node".to_owned(),
                Err(why) => why,
            };
            if Instant::now() >= deadline {
                let within = STATUS_PATIENCE.as_secs();
                self.talk.note(0, format!("{why}, for {within} s"), NAMES_NODE);
                return None;
            }
            tokio::time::sleep(STATUS_STEP).await;
        }
    }

    /// Asks each node for its status once; none if what is wrong with one was noted.
    async fn look(&mut self) -> Option<Look> {
        let mut look = Look::default();
        for node in self.ids {
            look.last = self.talk.ask_status(*node, STATUS_LIMIT).await;
            let status = match self.talk.answer(look.last) {
                Some(answer) if answer.kind == AnswerKind::Ok => answer.status(*node, self.told),
                Some(_) | None => {
                    look.silent.push((*node, look.last));
                    continue;
                }
            };
            match status {
                Ok(status) => look.leader = look.leader.or_else(|| status.leads.map(|_| *node)),
                Err(said) => {
                    self.talk.note(look.last, said.problem, STATUS_FORM);
                    return None;
                }
            }
        }
        Some(look)
    }

    fn note_status(&mut self, look: &Look) {
        let within = STATUS_PATIENCE.as_secs();
        match look.silent.first() {
            Some((node, id)) => {
                let what = format!("node {node} has no status within {within} s");
                self.talk.note(*id, what, STATUS_NEEDED);
            }
            None => {
                let what = format!("no status has `leads` within {within} s");
                self.talk.note(look.last, what, LEADS_NEEDED);
            }
        }
    }
}

/// What the nodes told of themselves, asked one after the other.
#[derive(Default)]
struct Look {
    /// The first that leads.
    leader: Option<NodeId>,
    /// The last question.
    last: u64,
    /// Those that told nothing, with the question.
    silent: Vec<(NodeId, u64)>,
}

/// Tells whether the nodes run that nobody ended.
fn nodes_run(nodes: &RunningNodes) -> Found {
    let exits = nodes.cluster.lone_exits();
    let told = exits.iter().map(|exit| Misstep {
        sent: None,
        came: None,
        what: format!("node {} ended by itself: {}", exit.node, exit.how),
        remedy: "see its stderr.log under `nodes` in the folder",
    });
    let told: Vec<Misstep> = told.collect();
    if told.is_empty() { Found::Right(None) } else { Found::Wrong(told) }
}

/// How long the nodes may take until all tell a status: as long as in a run.
const STATUS_PATIENCE: Duration = Duration::from_secs(20);

const STATUS_LIMIT: Duration = Duration::from_millis(500);

const STATUS_STEP: Duration = Duration::from_millis(100);

/// How long an operation may take, where nothing is broken.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a process whose output ended may take to end.
const END_PATIENCE: Duration = Duration::from_millis(500);

/// How long nodes are given to end.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

const TAIL_LINES: usize = 10;

const NAMES_NODE: &str = "let the command write the number of the node that leads as its first \
    line, and end with 0; its log is in `who-leads` in the folder";

const STATUS_FORM: &str = "answer with an object such as {\"node\": 2, \"leads\": \"7.2\", \
    \"applied\": 12, \"digest\": \"c0ffee\"}, of the node that was asked";

const STATUS_NEEDED: &str = "answer `status` with `ok` once the node answers: a run begins when \
    all nodes do; if the node is not up, its log is under `nodes` in the folder";

const LEADS_NEEDED: &str = "let the status of the node that leads have `leads`, a text that \
    changes with each leader; in a system that does not tell it, leave \"leads\" out of `status` \
    in the description, such as status = []";
