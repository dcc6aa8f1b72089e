//! What a bridge says when answers do not come, a node dies, its input ends or is nonsense.
//!
//! Requests reach the nodes and answers do not: so a write takes effect whose client cannot know
//! that. A bridge that calls it failed is found out by a read once all is well again. The claim
//! kept true: `fail` is called wrong only where a read showed that the write had happened.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_fault::{CLIENTS, FaultId, LinkId, LinkRules, NodeId};
use synod_history::Request;
use tokio::time::Instant;

use super::operations::text;
use super::talk::{Asked, Talk};
use super::{END_PATIENCE, Found, Misstep, Trial};
use crate::bridge::{GRACE, Outcome};
use crate::process::describe_end;

impl Trial<'_> {
    /// Writes while no answer of a node reaches the clients, for longer than the writes may take.
    pub(super) async fn unanswered(&mut self) -> Option<String> {
        self.hold_answers()?;
        let asked = Instant::now();
        let writes = self.writes("unanswered", HASTY).await;
        self.talk.gather(&writes).await;
        let is_late = asked.elapsed() > HASTY + GRACE;
        self.nodes.network.heal();
        let mut told = 0;
        for write in &writes {
            told += usize::from(matches!(self.talk.outcome(write), Some(Outcome::Ok(_))));
        }
        let counts = self.judge(&writes).await;
        match (told, counts) {
            (0, Some(counts)) if is_late => Some(format!("{counts}, {HEEDS_NO_TIME}")),
            (0, counts) => counts,
            (1.., _) => Some(format!("{told} ok, {NOBODY_SAID_SO}")),
        }
    }

    /// Writes while no answer reaches the clients, and kills a node that has the requests.
    pub(super) async fn killed(&mut self) -> Option<String> {
        let victim = *self.ids.first()?;
        self.hold_answers()?;
        let writes = self.writes("killed", PATIENT).await;
        // The requests are with the nodes by then; if not, nothing is shown, and nothing is wrong.
        tokio::time::sleep(ON_THE_WAY).await;
        drop(self.nodes.cluster.kill(&[victim], "killed to try the bridge").await);
        self.nodes.network.heal();
        self.talk.gather(&writes).await;
        // A node that does not start again is told by its status.
        drop(self.nodes.cluster.start(victim));
        self.judge(&writes).await
    }

    pub(super) async fn end(&mut self) -> Option<String> {
        self.talk.close();
        let ended = tokio::time::timeout(END_LIMIT, self.talk.process().ended()).await;
        // No question has this number, so that everything is heard until the time is over.
        self.talk.hear(&[u64::MAX], Instant::now() + END_PATIENCE).await;
        match ended {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("it ended with {}", describe_end(status))),
            Err(_) => {
                let what = format!("it runs on for {} s without input", END_LIMIT.as_secs());
                self.talk.note(0, what, "end when a read of standard input says that it is over");
                None
            }
        }
    }

    /// Holds back what nodes send to clients. Nothing is tried where links do not obey.
    fn hold_answers(&self) -> Option<()> {
        let cut = LinkRules { cut: true, ..LinkRules::default() };
        let link = |node: &NodeId| (LinkId { from: *node, to: CLIENTS }, cut);
        let rules: BTreeMap<LinkId, LinkRules> = self.ids.iter().map(link).collect();
        self.nodes.network.begin(HELD, rules).ok()
    }

    async fn writes(&mut self, name: &str, limit: Duration) -> Vec<Asked> {
        let mut writes = Vec::new();
        for client in 0..CLIENTS_CUT_OFF {
            let key = format!("try.{name}.{client}");
            let request = Request::Write { key, value: format!("{name}-{client}") };
            writes.push(self.talk.ask(client, request, limit).await);
        }
        writes
    }

    /// Reads what was written once the nodes are well, and notes each write that took effect and
    /// was called failed.
    async fn judge(&mut self, writes: &[Asked]) -> Option<String> {
        let mut counts = [0; 3];
        let mut failed = Vec::new();
        for write in writes {
            match self.talk.outcome(write) {
                Some(Outcome::Ok(_)) => counts[0] += 1,
                Some(Outcome::Info(_)) => counts[1] += 1,
                Some(Outcome::Fail(_)) => {
                    counts[2] += 1;
                    failed.push(write.clone());
                }
                None => {}
            }
        }
        self.wait_for_nodes().await;
        for write in failed {
            let Request::Write { key, value } = &write.request else { continue };
            let read = self.settled(Request::Read { key: key.clone() }).await;
            if read.is_some_and(|(_, seen)| seen == Outcome::Ok(text(value))) {
                self.talk.note(write.id, HAPPENED, INFO);
            }
        }
        let [ok, info, fail] = counts;
        Some(format!("{ok} ok, {info} info, {fail} fail"))
    }
}

/// Says something that is no question to a bridge of its own.
pub(super) async fn hears_nonsense(mut talk: Talk) -> Found {
    let read = Request::Read { key: "try.rw".to_owned() };
    // What does not even start has shown nothing of nonsense.
    let first = talk.ask(0, read.clone(), HASTY).await;
    talk.gather(std::slice::from_ref(&first)).await;
    talk.write(b"{\"id\": 1, \"f\": \n").await;
    let asked = talk.ask(0, read, HASTY).await;
    talk.hear(&[asked.id], Instant::now() + HASTY + END_LIMIT).await;
    let answered = talk.answer(asked.id).is_some();
    let ended = tokio::time::timeout(END_PATIENCE, talk.process().ended());
    let ended = if talk.is_over() { ended.await.ok() } else { None };
    if !answered && !talk.is_over() {
        talk.note(asked.id, "after a line that was no JSON it neither answers nor ends", SPEAKS);
    }
    let mut missteps = talk.take_missteps();
    for misstep in &mut missteps {
        // What answers nonsense carries no number of a question by which the line could be found.
        misstep.sent.get_or_insert_with(|| "{\"id\": 1, \"f\": ".to_owned());
    }
    match ended {
        _ if !missteps.is_empty() => Found::Wrong(missteps),
        Some(status) if status.success() => Found::Wrong(vec![Misstep {
            sent: Some("{\"id\": 1, \"f\": ".to_owned()),
            came: None,
            what: "it ended as if all were well".to_owned(),
            remedy: SPEAKS,
        }]),
        Some(status) => Found::Right(Some(format!("it ends, with {}", describe_end(status)))),
        None => Found::Right(Some("it goes on".to_owned())),
    }
}

const HELD: FaultId = FaultId(0);

/// How many clients write while answers are held back.
const CLIENTS_CUT_OFF: u32 = 6;

/// How long a write may take whose answer is held back for longer.
const HASTY: Duration = Duration::from_secs(1);

/// How long a write may take while a node dies.
const PATIENT: Duration = Duration::from_secs(3);

/// How long requests are given to reach the nodes.
const ON_THE_WAY: Duration = Duration::from_millis(500);

/// How long a bridge may take to end.
const END_LIMIT: Duration = Duration::from_secs(20);

const NOBODY_SAID_SO: &str =
    "though no answer of a node reached the bridge: does it ask the nodes?";

const HEEDS_NO_TIME: &str = "and the last of them more than two seconds after `timeout_ms`, when a \
    run waits no more";

const HAPPENED: &str =
    "it says that the write certainly did not happen, and a read finds its value";

const INFO: &str = "answer `info` where the request may have left: a connection that was lost, a \
    time that ran out; `fail` only where it was never sent, or the system refused it";

const SPEAKS: &str = "say on standard error what was wrong and go on, or end with a code that is \
    not 0";
