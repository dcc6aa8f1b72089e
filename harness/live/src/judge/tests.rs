//! What each kind of evidence makes of a run.

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

/// What was seen of a good run.
fn evidence<'a>(
    plan: &'a Scenario,
    faults: &'a [InjectedFault],
    report: &'a Report,
) -> Evidence<'a> {
    Evidence {
        plan,
        asked: AskedOfNodes::ALL,
        nodes: Nodes::Started(None),
        interrupted: false,
        report: Some(report),
        unseen: None,
        counts: OperationCounts { ok: 1_000, fail: 5, info: 5 },
        exercise: None,
        thresholds: Thresholds::default(),
        audit: &Audit::NotAsked,
        faults,
        leader_changes: 1,
        lone_exits: &[],
        doubts: &[],
        around: &[],
        crashes: &[],
        divergences: &[],
        after_heal: None,
        unused: &[],
        never_served: None,
    }
}

/// Judges a good run after `spoil` has changed what was seen of it.
fn check(spoil: impl FnOnce(&mut Evidence<'_>), verdict: Verdict, reason: &str) {
    let plan = plan();
    let faults = happened(&plan, true);
    let report = report(Judgement::Legal { witness: Vec::new() });
    let mut evidence = evidence(&plan, &faults, &report);
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
        digests_equal: Some(true),
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
        digests_equal: Some(true),
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

/// What became of the check of this name.
fn outcome(spoil: impl FnOnce(&mut Evidence<'_>), name: &str) -> CheckOutcome {
    let mut found = None;
    let look = |seen: &mut Evidence<'_>| {
        spoil(seen);
        let check = checks(seen).into_iter().find(|check| check.name == name);
        found = check.map(|check| check.outcome);
    };
    let plan = plan();
    let faults = happened(&plan, true);
    let report = report(Judgement::Legal { witness: Vec::new() });
    look(&mut evidence(&plan, &faults, &report));
    found.expect("a check of this name")
}

#[test]
fn what_is_not_told_is_not_asked_and_never_passed() {
    let nothing = AskedOfNodes { states: false, nodes: false, leaders: false };
    let served: &AfterHeal = Box::leak(Box::new(AfterHeal {
        served_within_ms: Some(1),
        digests_equal: None,
        acknowledged_present: true,
        findings: Vec::new(),
        unserved: Vec::new(),
    }));
    let names = [
        "states are equal at equal slots",
        "all nodes serve after healing",
        "a leader that is taken away is followed by another",
    ];
    for name in names {
        let with = |asked| {
            let set = |seen: &mut Evidence<'_>| {
                (seen.asked, seen.after_heal) = (asked, Some(served));
            };
            outcome(set, name)
        };
        assert!(matches!(with(nothing), CheckOutcome::NotAsked(_)), "{name}");
        assert_eq!(with(AskedOfNodes::ALL), CheckOutcome::Ok, "{name}");
    }
    // No leader was seen, and nobody could see one: that says nothing of the run.
    let blind = |seen: &mut Evidence<'_>| (seen.asked, seen.leader_changes) = (nothing, 0);
    check(blind, Verdict::Pass, "linearizable");
    check(|seen| seen.leader_changes = 0, Verdict::Void, "no other was seen to lead");
    // What clients ask in the end counts, whoever else is asked.
    let last: &AfterHeal = Box::leak(Box::new(AfterHeal {
        unserved: vec!["1 of 3 last requests were not answered".to_owned()],
        ..served.clone()
    }));
    let set = |seen: &mut Evidence<'_>| (seen.asked, seen.after_heal) = (nothing, Some(last));
    check(set, Verdict::NotServed, "1 of 3 last requests");
    let asked = outcome(set, "the last requests are answered after healing");
    assert!(matches!(asked, CheckOutcome::Failed(_)), "{asked:?}");
}

#[test]
fn what_another_engine_did_rests_on_its_witness_or_is_not_asked() {
    let told = |witnessed, unwitnessed, failed: &[&str]| -> Nodes<'static> {
        let failed = failed.iter().map(ToString::to_string).collect();
        let told = EngineTold { failed, witnessed, unwitnessed };
        Nodes::Attached(Some(Box::leak(Box::new(told))))
    };
    let real = "faults are what they are said to be";
    let asked = |nodes| outcome(|seen: &mut Evidence<'_>| seen.nodes = nodes, real);
    assert_eq!(asked(told(2, 0, &[])), CheckOutcome::Ok);
    for nodes in [Nodes::Attached(None), told(0, 2, &[]), told(2, 1, &[])] {
        let CheckOutcome::NotAsked(why) = asked(nodes) else { panic!("{nodes:?}") };
        assert!(why.starts_with("faults were left to another engine"), "{why}");
        check(|seen| seen.nodes = nodes, Verdict::Pass, "linearizable");
    }
    // What was not lifted may keep nodes from serving: nothing is to be said of them then.
    let unserved: &AfterHeal = Box::leak(Box::new(AfterHeal {
        served_within_ms: None,
        digests_equal: None,
        acknowledged_present: false,
        findings: Vec::new(),
        unserved: vec!["node 1 accepts no connection".to_owned()],
    }));
    let stuck = |seen: &mut Evidence<'_>| {
        (seen.nodes, seen.after_heal) = (told(1, 0, &["the lift of cut failed"]), Some(unserved));
    };
    check(stuck, Verdict::Void, "the lift of cut failed");
    check(|seen| seen.nodes = told(0, 0, &[]), Verdict::Void, "no fault of the engine was begun");
    // The same where the harness breaks the nodes, too, and commands of the description help it.
    let started = |nodes| {
        let Nodes::Attached(told) = nodes else { unreachable!("they are made above") };
        Nodes::Started(told)
    };
    let stuck =
        |seen: &mut Evidence<'_>| seen.nodes = started(told(1, 0, &["the lift of cut failed"]));
    check(stuck, Verdict::Void, "the lift of cut failed");
    let none = |seen: &mut Evidence<'_>| seen.nodes = started(told(0, 0, &[]));
    check(none, Verdict::Void, "no fault of the engine was begun");
    assert_eq!(asked(started(told(2, 0, &[]))), CheckOutcome::Ok);
    for name in ["no process ends by itself", "no log tells of a crash"] {
        let attached = |seen: &mut Evidence<'_>| seen.nodes = Nodes::Attached(None);
        assert!(matches!(outcome(attached, name), CheckOutcome::NotAsked(_)), "{name}");
    }
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
