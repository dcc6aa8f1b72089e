//! The verdict of a run, from everything that was seen.
//!
//! The checker judges the history; this adds what a history cannot show: processes that ended by
//! themselves, crashes in logs, states that differ, nodes that did not come back. It also asks
//! whether the run exercised enough to mean anything (a pass that tried nothing is worse than a
//! failure). It is a pure function of its inputs. A violation of safety outranks what is not served
//! in time, and that everything but the user's interrupt, which is told by its own exit code and
//! then names the violation as a reason. Where a witness saw that a fault was none, what became of
//! processes is not the system's to answer for: one that was not killed keeps its port from the
//! next.

use synod_checker::{Judgement, Report};
use synod_fault::{Scenario, Trigger};
use synod_history::OperationCounts;
use synod_report::{AfterHeal, Check, CheckOutcome, Exercise, Verdict};

use super::InjectedFault;
use crate::audit::Audit;
use crate::cluster::UnexpectedExit;
use crate::crashes::CrashLine;
use crate::engine::EngineTold;
use crate::system::System;
use crate::thresholds::Thresholds;

/// What a run could ask of its nodes; the rest of the checks says that it was not asked.
#[derive(Clone, Copy, Debug)]
pub struct AskedOfNodes {
    /// Whether the nodes tell states that can be compared.
    pub states: bool,
    /// Whether each node is asked by itself whether it serves.
    pub nodes: bool,
    /// Whether anybody tells who leads.
    pub leaders: bool,
}

impl AskedOfNodes {
    /// Everything.
    pub const ALL: Self = Self { states: true, nodes: true, leaders: true };

    /// Returns what can be asked of the nodes of a system.
    #[must_use]
    pub fn of(system: &System) -> Self {
        Self {
            states: system.told().digest,
            nodes: system.told().are_any() || system.ready.needs_tcp(),
            leaders: system.tells_leader(),
        }
    }
}

/// Whose the nodes are, and who broke them.
#[derive(Clone, Copy, Debug)]
pub enum Nodes<'a> {
    /// The harness started them, and has the faults in its hands, but for those that commands of
    /// the description begin, if it has any.
    Started(Option<&'a EngineTold>),
    /// They were running already; their faults are another engine's, as far as its commands tell of
    /// any.
    Attached(Option<&'a EngineTold>),
}

impl Nodes<'_> {
    /// What commands of an engine did not do: then nobody knows what was broken, and when.
    fn failed(&self) -> &[String] {
        self.told().map_or(&[], |told| &told.failed)
    }

    /// What is known of the faults of an engine, if there is one.
    const fn told(&self) -> Option<&EngineTold> {
        let (Self::Started(told) | Self::Attached(told)) = self;
        *told
    }

    const fn are_started(&self) -> bool {
        matches!(self, Self::Started(_))
    }
}

/// What was seen of a run.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The plan.
    pub plan: &'a Scenario,
    /// What could be asked.
    pub asked: AskedOfNodes,
    /// Whose the nodes are.
    pub nodes: Nodes<'a>,
    /// Whether the user ended the run.
    pub interrupted: bool,
    /// What the checker says, where the history was judged.
    pub report: Option<&'a Report>,
    /// Why what was seen shows nothing, if it does not; see [`synod_checker::shows_nothing`].
    pub unseen: Option<&'a str>,
    /// How the operations ended.
    pub counts: OperationCounts,
    /// What was exercised, where the history was read.
    pub exercise: Option<&'a Exercise>,
    /// How much that must be.
    pub thresholds: Thresholds,
    /// What the system's own look at the run said.
    pub audit: &'a Audit,
    /// The faults that came and went.
    pub faults: &'a [InjectedFault],
    /// How often the leader changed.
    pub leader_changes: usize,
    /// Processes that ended by themselves.
    pub lone_exits: &'a [UnexpectedExit],
    /// What witnesses saw of the whole run that lets nothing pass, one sentence each.
    pub doubts: &'a [String],
    /// What the commands of the description around the run did not do, and who could not be ended
    /// with it, one sentence each.
    pub around: &'a [String],
    /// Log lines that tell of a crash, and that no fault explains.
    pub crashes: &'a [CrashLine],
    /// States that differed at one slot, one sentence each.
    pub divergences: &'a [String],
    /// What was found after healing.
    pub after_heal: Option<&'a AfterHeal>,
    /// Proxies that nobody used, one sentence each; see [`traffic`](super::traffic).
    pub unused: &'a [String],
    /// Why the cluster never served, if it did not.
    pub never_served: Option<&'a str>,
}

/// Returns the verdict and its reasons, one sentence each.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> (Verdict, Vec<String>) {
    let refuted = [refuted(evidence.faults), evidence.nodes.failed().to_vec()].concat();
    let mut violations = violations(evidence, refuted.is_empty());
    if evidence.interrupted {
        // What was found until then is told all the same: whoever interrupted may have seen it.
        violations.insert(0, "the run was interrupted".to_owned());
        violations.extend(evidence.around.iter().cloned());
        return (Verdict::Interrupted, violations);
    }
    if !violations.is_empty() {
        // Where the harness itself was in doubt, whoever looks for the cause is to know.
        return (Verdict::Violation, [&violations[..], evidence.doubts, evidence.around].concat());
    }
    if !refuted.is_empty() {
        let unserved = evidence.after_heal.map(|after| after.unserved.as_slice());
        // What was not served, and what processes did, may follow from a fault that was none; it is
        // told, and is no verdict.
        let gaps = [unserved.unwrap_or_default(), &gaps(evidence)].concat();
        let gaps = [gaps, evidence.around.to_vec()].concat();
        return (Verdict::Void, [refuted, exits(evidence).collect(), gaps].concat());
    }
    if let Some(after) = evidence.after_heal
        && !after.unserved.is_empty()
    {
        let others = [evidence.doubts, evidence.around];
        return (Verdict::NotServed, [&after.unserved[..], &others.concat()].concat());
    }
    if let Some(reason) = undecided(evidence) {
        return (Verdict::Unknown, vec![reason]);
    }
    // Where something is left of this run, or of its set-up, the next one may find it.
    let gaps = [gaps(evidence), evidence.around.to_vec()].concat();
    if !gaps.is_empty() {
        return (Verdict::Void, gaps);
    }
    (Verdict::Pass, vec!["what the clients saw is linearizable".to_owned()])
}

/// Returns what was asked of a run, and the answers: the same that [`judge`] makes a verdict of.
#[must_use]
pub fn checks(evidence: &Evidence<'_>) -> Vec<Check> {
    let refuted = refuted(evidence.faults);
    let is_started = evidence.nodes.are_started();
    // Only a good answer is withheld where the nodes were attached to: what was found is found,
    // whoever started them.
    let of_started = |outcome: CheckOutcome| match outcome {
        CheckOutcome::Ok if !is_started => CheckOutcome::NotAsked(NOT_STARTED.to_owned()),
        other @ (CheckOutcome::Ok | CheckOutcome::Failed(_) | CheckOutcome::NotAsked(_)) => other,
    };
    let ends = if refuted.is_empty() {
        answered(exits(evidence).collect())
    } else {
        let why = "a fault did not happen, so that ends of processes tell nothing of the system";
        CheckOutcome::NotAsked(why.to_owned())
    };
    let after = |of: fn(&AfterHeal) -> &[String]| match evidence.after_heal {
        Some(after) => answered(of(after).to_vec()),
        None => CheckOutcome::NotAsked("the run did not get as far as healing".to_owned()),
    };
    let (nodes_serve, clients_served) = served(evidence);
    let gaps = if evidence.interrupted {
        CheckOutcome::NotAsked("the run was interrupted".to_owned())
    } else {
        answered(gaps(evidence))
    };
    let rows = [
        ("what the clients saw is linearizable", linearizable(evidence)),
        ("no process ends by itself", (Verdict::Violation, of_started(ends))),
        (
            "no log tells of a crash",
            (Verdict::Violation, of_started(answered(crashes(evidence).collect()))),
        ),
        ("states are equal at equal slots", (Verdict::Violation, states(evidence))),
        (
            "what was acknowledged is there after healing",
            (Verdict::Violation, after(|it| &it.findings)),
        ),
        ("what the nodes left passes its audit", audited(evidence)),
        ("all nodes serve after healing", (Verdict::NotServed, nodes_serve)),
        ("the last requests are answered after healing", (Verdict::NotServed, clients_served)),
        ("a leader that is taken away is followed by another", (Verdict::Void, followed(evidence))),
        (
            "faults are what they are said to be",
            (Verdict::Void, faults_are_real(evidence, refuted)),
        ),
        (
            "what was started and set up is stopped and torn down",
            (Verdict::Void, of_started(answered(evidence.around.to_vec()))),
        ),
        ("enough was exercised", (Verdict::Void, gaps)),
    ];
    let check =
        |(name, (leads_to, outcome)): (&str, _)| Check { name: name.to_owned(), leads_to, outcome };
    rows.into_iter().map(check).collect()
}

fn answered(reasons: Vec<String>) -> CheckOutcome {
    if reasons.is_empty() { CheckOutcome::Ok } else { CheckOutcome::Failed(reasons) }
}

/// Whether states that nodes told were equal.
fn states(evidence: &Evidence<'_>) -> CheckOutcome {
    if evidence.asked.states {
        return answered(evidence.divergences.to_vec());
    }
    CheckOutcome::NotAsked("the description lets no `applied` and `digest` be told".to_owned())
}

/// Whether nodes, and then clients, were served once all was mended. Where nodes are not asked by
/// themselves, clients alone can tell.
fn served(evidence: &Evidence<'_>) -> (CheckOutcome, CheckOutcome) {
    let not_asked = |why: &str| CheckOutcome::NotAsked(why.to_owned());
    let Some(after) = evidence.after_heal else {
        let early = not_asked("the run did not get as far as healing");
        return (early.clone(), early);
    };
    let unserved = answered(after.unserved.clone());
    match (evidence.asked.nodes, after.served_within_ms) {
        (true, Some(_)) => (CheckOutcome::Ok, unserved),
        // Clients were asked last of all, once every node had served.
        (_, None) => (unserved, not_asked("some node did not serve, and so nothing was asked")),
        (false, Some(_)) => (not_asked(NODES_NOT_ASKED), unserved),
    }
}

/// Whether another leader was seen, where the plan takes one away.
fn followed(evidence: &Evidence<'_>) -> CheckOutcome {
    if !evidence.asked.leaders {
        return CheckOutcome::NotAsked("the description says of no way to know who leads".into());
    }
    if !evidence.plan.changes_leader() {
        return CheckOutcome::NotAsked("the plan takes no leader away for long".to_owned());
    }
    answered(lonely(evidence).into_iter().collect())
}

/// Says so if a leader was taken away and nobody followed.
fn lonely(evidence: &Evidence<'_>) -> Option<String> {
    let takes = evidence.asked.leaders && evidence.plan.changes_leader();
    let words = "a leader was taken away, but no other was seen to lead";
    (takes && evidence.leader_changes == 0).then(|| words.to_owned())
}

const NODES_NOT_ASKED: &str = "the description has no `status`, and no `ready` by TCP or HTTP, by \
    which a node could be asked";

fn linearizable(evidence: &Evidence<'_>) -> (Verdict, CheckOutcome) {
    let unjudged = "the history was not judged".to_owned();
    match evidence.report.map(|report| &report.judgement) {
        None => (Verdict::Unknown, CheckOutcome::NotAsked(unjudged)),
        Some(Judgement::Legal { .. }) => (Verdict::Violation, CheckOutcome::Ok),
        Some(Judgement::Illegal { core }) => {
            (Verdict::Violation, CheckOutcome::Failed(vec![core.sentence.clone()]))
        }
        Some(Judgement::Unknown { cause }) => {
            (Verdict::Unknown, CheckOutcome::Failed(vec![format!("it is not judged: {cause}")]))
        }
    }
}

/// Whether the faults were what they are called. What an engine says of its own is no witness.
fn faults_are_real(evidence: &Evidence<'_>, refuted: Vec<String>) -> CheckOutcome {
    let Some(told) = evidence.nodes.told() else {
        if evidence.nodes.are_started() {
            return answered(refuted);
        }
        let why = "faults were left to another engine, of which the description says nothing";
        return CheckOutcome::NotAsked(why.to_owned());
    };
    let reasons = [refuted, told.failed.clone()].concat();
    if reasons.is_empty() && told.unwitnessed > 0 {
        let all = told.witnessed + told.unwitnessed;
        return CheckOutcome::NotAsked(format!(
            "faults were left to another engine: of {all}, {} rest on the word of its commands, \
             and {} were seen by a `witness` of the description",
            told.unwitnessed, told.witnessed
        ));
    }
    answered(reasons)
}

const NOT_STARTED: &str = "the nodes were running already, and the harness sees no process and no \
    log of them";

fn audited(evidence: &Evidence<'_>) -> (Verdict, CheckOutcome) {
    match evidence.audit {
        Audit::NotAsked if !evidence.nodes.are_started() => {
            (Verdict::Violation, CheckOutcome::NotAsked(NOT_STARTED.to_owned()))
        }
        Audit::NotAsked => {
            let why = "the system has no audit, or the run did not get as far";
            (Verdict::Violation, CheckOutcome::NotAsked(why.to_owned()))
        }
        Audit::Sound(_) => (Verdict::Violation, CheckOutcome::Ok),
        Audit::Broken(words) => (Verdict::Violation, CheckOutcome::Failed(vec![words.clone()])),
        Audit::Failed(why) => (Verdict::Unknown, CheckOutcome::Failed(vec![why.clone()])),
    }
}

fn violations(evidence: &Evidence<'_>, knows_ends: bool) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(core) = evidence.report.and_then(Report::violation) {
        found.push(core.sentence.clone());
    }
    if let Audit::Broken(words) = evidence.audit {
        found.push(format!("the audit of what the nodes left says: {words}"));
    }
    if knows_ends {
        found.extend(exits(evidence));
    }
    found.extend(crashes(evidence));
    found.extend(evidence.divergences.iter().cloned());
    if let Some(after) = evidence.after_heal {
        found.extend(after.findings.iter().cloned());
    }
    found
}

/// The ends of processes that nobody asked for.
fn exits(evidence: &Evidence<'_>) -> impl Iterator<Item = String> {
    let exits = evidence.lone_exits.iter();
    exits.map(|exit| format!("node {} ended by itself: {}", exit.node, exit.how))
}

/// What logs tell of crashes.
fn crashes(evidence: &Evidence<'_>) -> impl Iterator<Item = String> {
    evidence.crashes.iter().map(|CrashLine { node, log, number, words }| {
        format!("line {number} of {log} of node {node} tells of a crash: {words}")
    })
}

fn undecided(evidence: &Evidence<'_>) -> Option<String> {
    match evidence.report.map(|report| &report.judgement) {
        Some(Judgement::Legal { .. } | Judgement::Illegal { .. }) => {}
        Some(Judgement::Unknown { cause }) => {
            return Some(format!("the history is not judged: {cause}"));
        }
        None => return Some("the history was not judged".to_owned()),
    }
    match evidence.audit {
        Audit::NotAsked | Audit::Sound(_) | Audit::Broken(_) => None,
        Audit::Failed(why) => Some(format!("what the nodes left is not audited: {why}")),
    }
}

/// What the run failed to exercise.
fn gaps(evidence: &Evidence<'_>) -> Vec<String> {
    // These come first, as they may explain all that follows.
    let mut gaps = [evidence.unused, evidence.doubts].concat();
    if let Some(why) = evidence.never_served {
        gaps.push(format!("the cluster never served: {why}"));
        return gaps;
    }
    if let Some(exercise) = evidence.exercise {
        gaps.extend(evidence.thresholds.gaps(exercise, evidence.plan));
    }
    if let Some(told) = evidence.nodes.told()
        && told.witnessed + told.unwitnessed == 0
    {
        gaps.push("no fault of the engine was begun and ended".to_owned());
    }
    if evidence.plan.plans_nothing() {
        gaps.push(format!("no fault of {} was planned", evidence.plan.nemesis));
    }
    if let Some(why) = evidence.unseen {
        gaps.push(why.to_owned());
    }
    // Whoever writes a fault down wants that one; among many that were drawn some find nobody.
    let percent = if evidence.plan.is_drawn() { evidence.thresholds.idle_percent } else { 0 };
    let idle_allowed = evidence.plan.faults.len() as u64 * percent / 100;
    let mut idle = Vec::new();
    for (planned, fault) in evidence.plan.faults.iter().enumerate() {
        match evidence.faults.iter().find(|happened| happened.planned == planned) {
            Some(happened) if happened.span.effective || happened.overshadowed => {}
            // Told already, as what it is.
            Some(happened) if !happened.refuted.is_empty() => {}
            Some(happened) => idle.push(format!(
                "{} ({}) had no effect: {}",
                fault.name(),
                happened.span.detail,
                happened.span.effect
            )),
            // Whose time comes with the end of the run has none.
            None if fault.at_ms >= evidence.plan.time_ms => {}
            // What it waits for may never have come.
            None if fault.trigger != Trigger::Time => {
                let (name, trigger) = (fault.name(), fault.trigger);
                idle.push(format!("{name} was planned, to begin {trigger}, and did not happen"));
            }
            None => gaps.push(format!("{} was planned and did not happen", fault.name())),
        }
    }
    if idle.len() as u64 > idle_allowed {
        // All of them are told, as none is the one too many.
        gaps.append(&mut idle);
    }
    // A share of many may be idle; where every single one was, the run tried nothing, whatever the
    // share.
    let hit = |happened: &InjectedFault| happened.span.effective;
    if !evidence.plan.faults.is_empty() && !evidence.faults.iter().any(hit) {
        gaps.push("no fault had an effect".to_owned());
    }
    gaps.extend(lonely(evidence));
    gaps
}

/// What witnesses saw that faults cannot have done. One is enough, of however many faults: what the
/// injector says of the others is worth no more.
fn refuted(faults: &[InjectedFault]) -> Vec<String> {
    let of = |fault: &InjectedFault| {
        let InjectedFault { span, refuted, .. } = fault;
        let told = |why: &String| format!("{} ({}) did not happen: {why}", span.kind, span.detail);
        refuted.iter().map(told).collect::<Vec<_>>()
    };
    faults.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
