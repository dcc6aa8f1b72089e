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
use crate::thresholds::Thresholds;

/// What was seen of a run.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The plan.
    pub plan: &'a Scenario,
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
    /// What the commands of the description around the run did not do, one sentence each.
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
    let refuted = refuted(evidence.faults);
    let mut violations = violations(evidence, refuted.is_empty());
    if evidence.interrupted {
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
    let gaps = if evidence.interrupted {
        CheckOutcome::NotAsked("the run was interrupted".to_owned())
    } else {
        answered(gaps(evidence))
    };
    let rows = [
        ("what the clients saw is linearizable", linearizable(evidence)),
        ("no process ends by itself", (Verdict::Violation, ends)),
        ("no log tells of a crash", (Verdict::Violation, answered(crashes(evidence).collect()))),
        (
            "states are equal at equal slots",
            (Verdict::Violation, answered(evidence.divergences.to_vec())),
        ),
        (
            "what was acknowledged is there after healing",
            (Verdict::Violation, after(|it| &it.findings)),
        ),
        ("what the nodes left passes its audit", audited(evidence.audit)),
        ("all nodes serve after healing", (Verdict::NotServed, after(|it| &it.unserved))),
        ("faults are what they are said to be", (Verdict::Void, answered(refuted))),
        (
            "what was started and set up is stopped and torn down",
            (Verdict::Void, answered(evidence.around.to_vec())),
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

fn audited(audit: &Audit) -> (Verdict, CheckOutcome) {
    match audit {
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
    let mut gaps = [evidence.unused, evidence.doubts].concat();
    if let Some(why) = evidence.never_served {
        gaps.push(format!("the cluster never served: {why}"));
        return gaps;
    }
    if let Some(exercise) = evidence.exercise {
        gaps.extend(evidence.thresholds.gaps(exercise, evidence.plan));
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
    if evidence.plan.changes_leader() && evidence.leader_changes == 0 {
        gaps.push("a leader was taken away, but no other was seen to lead".to_owned());
    }
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
mod tests {
    use super::*;
    use synod_checker::Cause;
    use synod_checker::{CheckerSummary, ViolationCore};
    use synod_fault::nemesis::Nemesis;
    use synod_fault::{Millis, NodeId, PlannedFault, Transports};
    use synod_report::{Exercised, FaultSpan};
    use synod_rng::Seed;

    fn plan() -> Scenario {
        let nodes: Vec<NodeId> = (1..=3).map(NodeId).collect();
        let time_ms = Millis(8_000);
        let nemesis: Nemesis = "kill-leader".parse().expect("a nemesis");
        Scenario {
            system: "fake".to_owned(),
            clients: 2,
            workload: "registers".to_owned(),
            nemesis: nemesis.name().to_owned(),
            faults: nemesis.plan(Seed(1), &nodes, time_ms, Transports::default()),
            ..Scenario::calm(Seed(1), 3, time_ms)
        }
    }

    fn happened(plan: &Scenario, effective: bool) -> Vec<InjectedFault> {
        let span = |kind: &str| FaultSpan {
            kind: kind.to_owned(),
            nodes: Vec::new(),
            detail: "node 1".to_owned(),
            start_ns: 0,
            end_ns: 1,
            effect: "something".to_owned(),
            effective,
        };
        let faults = plan.faults.iter().enumerate();
        let happened = |(planned, fault): (usize, &PlannedFault)| InjectedFault {
            planned,
            span: span(fault.name()),
            overshadowed: false,
            refuted: Vec::new(),
        };
        faults.map(happened).collect()
    }

    fn report(judgement: Judgement) -> Report {
        let checker = CheckerSummary {
            algorithm: "none".to_owned(),
            operations: 0,
            keys: 0,
            configurations: 0,
            millis: 0,
            unverified: None,
        };
        Report { judgement, checker, stuck: None }
    }

    /// Judges a good run after `spoil` has changed what was seen of it.
    fn check(spoil: impl FnOnce(&mut Evidence<'_>), verdict: Verdict, reason: &str) {
        let plan = plan();
        let faults = happened(&plan, true);
        let report = report(Judgement::Legal { witness: Vec::new() });
        let mut evidence = Evidence {
            plan: &plan,
            interrupted: false,
            report: Some(&report),
            unseen: None,
            counts: OperationCounts { ok: 1_000, fail: 5, info: 5 },
            exercise: None,
            thresholds: Thresholds::default(),
            audit: &Audit::NotAsked,
            faults: &faults,
            leader_changes: 1,
            lone_exits: &[],
            doubts: &[],
            around: &[],
            crashes: &[],
            divergences: &[],
            after_heal: None,
            unused: &[],
            never_served: None,
        };
        spoil(&mut evidence);
        let (seen, reasons) = judge(&evidence);
        assert_eq!(seen, verdict, "{reasons:?}");
        assert_told(&evidence, seen);
        assert!(reasons.join("; ").contains(reason), "{reasons:?}");
    }

    /// Asserts that the checks say the same as the verdict: none fails of a pass, and each other
    /// verdict has one that fails and leads to it.
    fn assert_told(evidence: &Evidence<'_>, verdict: Verdict) {
        let checks = checks(evidence);
        let failed = |check: &&Check| matches!(check.outcome, CheckOutcome::Failed(_));
        let failed: Vec<Verdict> = checks.iter().filter(failed).map(|it| it.leads_to).collect();
        match verdict {
            Verdict::Pass => assert!(failed.is_empty(), "{checks:?}"),
            Verdict::Interrupted => {}
            Verdict::Unknown if evidence.report.is_none() => {
                let asked = &checks[0].outcome;
                assert!(matches!(asked, CheckOutcome::NotAsked(_)), "{checks:?}");
            }
            Verdict::Violation | Verdict::NotServed | Verdict::Unknown | Verdict::Void => {
                assert!(failed.contains(&verdict), "{verdict:?}: {checks:?}");
            }
        }
    }

    #[test]
    fn a_run_that_was_exercised_and_is_legal_passes() {
        check(|_| {}, Verdict::Pass, "linearizable");
    }

    #[test]
    fn too_little_exercise_is_void() {
        let few =
            Exercise { all: Exercised { ok: 299, ..Exercised::default() }, ..Exercise::default() };
        let few: &Exercise = Box::leak(Box::new(few));
        check(|seen| seen.exercise = Some(few), Verdict::Void, "only 299 operations");
        check(|seen| seen.leader_changes = 0, Verdict::Void, "no other was seen to lead");
        check(|seen| seen.faults = &[], Verdict::Void, "did not happen");
        check(|seen| seen.unseen = Some("nobody read"), Verdict::Void, "nobody read");
        let idle: &Scenario = Box::leak(Box::new(Scenario { faults: Vec::new(), ..plan() }));
        check(|seen| seen.plan = idle, Verdict::Void, "no fault of kill-leader was planned");
        let idle = happened(&plan(), false);
        check(|seen| seen.faults = Box::leak(idle.into()), Verdict::Void, "had no effect");
        let mut hidden = happened(&plan(), false);
        hidden.iter_mut().for_each(|fault| fault.overshadowed = true);
        check(|seen| seen.faults = Box::leak(hidden.into()), Verdict::Void, "no fault had");
        let mut hidden = happened(&plan(), true);
        (hidden[1].overshadowed, hidden[1].span.effective) = (true, false);
        check(|seen| seen.faults = Box::leak(hidden.into()), Verdict::Pass, "linearizable");
    }

    #[test]
    fn some_faults_of_many_may_hit_nothing() {
        let many = |idle: usize| -> (&'static Scenario, &'static [InjectedFault]) {
            let one = plan().faults[0].clone();
            let plan = Scenario { faults: vec![one; 20], ..plan() };
            let mut faults = happened(&plan, true);
            faults[..idle].iter_mut().for_each(|fault| fault.span.effective = false);
            (Box::leak(Box::new(plan)), Box::leak(faults.into()))
        };
        let (plan, faults) = many(5);
        check(|seen| (seen.plan, seen.faults) = (plan, faults), Verdict::Pass, "linearizable");
        let (plan, faults) = many(6);
        check(|seen| (seen.plan, seen.faults) = (plan, faults), Verdict::Void, "had no effect");
        let (plan, faults) = many(1);
        let written = Scenario { nemesis: synod_fault::BY_HAND.to_owned(), ..plan.clone() };
        let written: &Scenario = Box::leak(Box::new(written));
        check(|seen| (seen.plan, seen.faults) = (written, faults), Verdict::Void, "had no effect");
    }

    #[test]
    fn one_refuted_fault_of_many_or_a_process_that_was_replaced_is_void() {
        let one = plan().faults[0].clone();
        let plan: &Scenario = Box::leak(Box::new(Scenario { faults: vec![one; 20], ..plan() }));
        let mut faults = happened(plan, true);
        faults[7].span.effective = false;
        let spoil = |faults: &[InjectedFault], verdict, reason| {
            let faults: &[InjectedFault] = Box::leak(faults.into());
            check(|seen| (seen.plan, seen.faults) = (plan, faults), verdict, reason);
        };
        spoil(&faults, Verdict::Pass, "linearizable");
        faults[7].refuted.push("process 70 lives on".to_owned());
        spoil(&faults, Verdict::Void, "(node 1) did not happen: process 70 lives on");
        // The next one did not get its port, and that is nobody's fault but the harness'.
        let exit = [UnexpectedExit { node: NodeId(1), how: "exit code 1".to_owned() }];
        let exit: &[UnexpectedExit] = Box::leak(Box::new(exit));
        let leaked: &[InjectedFault] = Box::leak(faults.into());
        let spoiled = |seen: &mut Evidence<'_>| {
            (seen.plan, seen.faults, seen.lone_exits) = (plan, leaked, exit);
        };
        check(spoiled, Verdict::Void, "lives on; node 1 ended by itself: exit code 1");
        let replaced: &[String] = Box::leak(Box::new(["node 2 went to 71".to_owned()]));
        check(|seen| seen.doubts = replaced, Verdict::Void, "node 2 went to 71");
    }

    #[test]
    fn a_written_fault_that_waits_in_vain_is_named_with_what_it_waits_for() {
        let mut plan = Scenario { nemesis: synod_fault::BY_HAND.to_owned(), ..plan() };
        plan.faults.push(PlannedFault { trigger: Trigger::Answered(9), ..plan.faults[0].clone() });
        let faults: &[InjectedFault] = Box::leak(happened(&plan, true).into());
        let faults = &faults[..faults.len() - 1];
        let plan: &Scenario = Box::leak(Box::new(plan));
        let words = "to begin once 9 operations are answered, and did not happen";
        check(|seen| (seen.plan, seen.faults) = (plan, faults), Verdict::Void, words);
    }

    #[test]
    fn an_audit_condemns_and_one_without_a_word_lets_nothing_pass() {
        let sound = Audit::Sound("2 records".to_owned());
        check(|seen| seen.audit = Box::leak(Box::new(sound)), Verdict::Pass, "linearizable");
        let broken: &Audit = Box::leak(Box::new(Audit::Broken("two decrees".to_owned())));
        check(|seen| seen.audit = broken, Verdict::Violation, "two decrees");
        let failed: &Audit = Box::leak(Box::new(Audit::Failed("exit code 64".to_owned())));
        check(|seen| seen.audit = failed, Verdict::Unknown, "is not audited: exit code 64");
    }

    #[test]
    fn proxies_that_nobody_used_make_the_best_run_void() {
        let unused: &[String] = Box::leak(Box::new(["is the transport udp?".to_owned()]));
        check(|seen| seen.unused = unused, Verdict::Void, "is the transport udp?");
        check(
            |seen| {
                (seen.unused, seen.never_served) = (unused, Some("no node leads"));
                seen.faults = &[];
            },
            Verdict::Void,
            "is the transport udp?; the cluster never served: no node leads",
        );
    }

    #[test]
    fn a_run_without_verdict_of_the_checker_is_unknown() {
        check(|seen| seen.report = None, Verdict::Unknown, "not judged");
        let cause = Cause::Memory(1 << 20);
        let unknown = report(Judgement::Unknown { cause });
        let unknown = Box::leak(Box::new(unknown));
        check(|seen| seen.report = Some(unknown), Verdict::Unknown, "memory");
    }

    #[test]
    fn what_breaks_a_promise_is_a_violation_even_in_a_run_that_is_void() {
        let core = ViolationCore {
            key: "k".to_owned(),
            sentence: "client 1 read a value that was overwritten".to_owned(),
            operations: Vec::new(),
        };
        let illegal = Box::leak(Box::new(report(Judgement::Illegal { core })));
        check(|seen| seen.report = Some(illegal), Verdict::Violation, "overwritten");
        let exit = [UnexpectedExit { node: NodeId(2), how: "exit code 101".to_owned() }];
        let exit = Box::leak(Box::new(exit));
        check(
            |seen| {
                seen.lone_exits = exit;
                seen.exercise = Some(Box::leak(Box::default()));
            },
            Verdict::Violation,
            "node 2 ended by itself: exit code 101",
        );
        let words = "panic: x".to_owned();
        let crash = CrashLine { node: NodeId(1), log: "stdout.log", number: 7, words };
        let crashes = Box::leak(Box::new([crash]));
        let told = "line 7 of stdout.log of node 1 tells of a crash: panic: x";
        check(|seen| seen.crashes = crashes, Verdict::Violation, told);
        let divergences = Box::leak(Box::new(["at slot 7".to_owned()]));
        check(|seen| seen.divergences = divergences, Verdict::Violation, "slot 7");
        let after = Box::leak(Box::new(AfterHeal {
            served_within_ms: None,
            digests_equal: true,
            acknowledged_present: true,
            findings: vec!["a write is gone".to_owned()],
            unserved: vec!["node 3 did not serve again".to_owned()],
        }));
        check(|seen| seen.after_heal = Some(after), Verdict::Violation, "a write is gone");
    }

    #[test]
    fn what_is_not_served_in_time_is_a_class_of_its_own() {
        let after: &AfterHeal = Box::leak(Box::new(AfterHeal {
            served_within_ms: None,
            digests_equal: true,
            acknowledged_present: false,
            findings: Vec::new(),
            unserved: vec!["node 3 did not serve again".to_owned()],
        }));
        let spoil = |seen: &mut Evidence<'_>| {
            seen.after_heal = Some(after);
            // It outranks what is void, and what the checker did not decide.
            (seen.report, seen.leader_changes) = (None, 0);
        };
        check(spoil, Verdict::NotServed, "node 3 did not serve");
        // Where the harness was in doubt, that is told beside it.
        let replaced: &[String] = Box::leak(Box::new(["node 2 went to 71".to_owned()]));
        let both = |seen: &mut Evidence<'_>| {
            (seen.after_heal, seen.doubts) = (Some(after), replaced);
        };
        check(both, Verdict::NotServed, "node 3 did not serve again; node 2 went to 71");
    }

    #[test]
    fn what_is_left_standing_lets_nothing_pass_and_is_told_beside_all_else() {
        let left: &[String] = Box::leak(Box::new(["the tear-down of node 2 failed".to_owned()]));
        let told = "the tear-down of node 2 failed";
        check(|seen| seen.around = left, Verdict::Void, told);
        let divergences = Box::leak(Box::new(["at slot 7".to_owned()]));
        let both = |seen: &mut Evidence<'_>| (seen.divergences, seen.around) = (divergences, left);
        check(both, Verdict::Violation, "at slot 7; the tear-down of node 2 failed");
        let ended = |seen: &mut Evidence<'_>| (seen.interrupted, seen.around) = (true, left);
        check(ended, Verdict::Interrupted, told);
    }

    #[test]
    fn an_interrupt_is_told_as_such_and_keeps_the_reasons() {
        let divergences = Box::leak(Box::new(["at slot 7".to_owned()]));
        check(
            |seen| {
                seen.interrupted = true;
                seen.divergences = divergences;
            },
            Verdict::Interrupted,
            "slot 7",
        );
    }
}
