//! What a run exercised, counted from its history; whether that is enough is left to `thresholds`.

use std::collections::BTreeMap;

use synod_fault::{Action as FaultAction, NodeId, PlannedFault, Scenario, Target};
use synod_report::{Exercise, Exercised, Parts};
use synod_workload::KeyUse;

use super::InjectedFault;

/// Counts what the operations of a run exercised until all was healed, at that time of its clock,
/// during which faults. The reads that follow are the harness' own, and insist: they are no
/// exercise.
#[must_use]
pub fn measure(
    uses: &[KeyUse],
    faults: &[InjectedFault],
    plan: &Scenario,
    healed_ns: Option<u64>,
) -> Exercise {
    let overlaps = Overlaps::of(uses);
    let spans: Vec<(u64, u64)> =
        faults.iter().map(|fault| (fault.span.start_ns, fault.span.end_ns)).collect();
    let mut exercise =
        Exercise { faults: vec![Exercised::default(); spans.len()], ..Exercise::default() };
    let mut nodes: BTreeMap<NodeId, Exercised> = (0..plan.clients)
        .filter_map(|client| Some((plan.pin_of(client)?, Exercised::default())))
        .collect();
    let mut keys: BTreeMap<_, u64> = BTreeMap::new();
    let until = healed_ns.unwrap_or(u64::MAX);
    for key_use in uses.iter().filter(|one| one.call_ns < until) {
        let one = seen(key_use, &overlaps);
        add(&mut exercise.all, one);
        *keys.entry(key_use.key).or_default() += one.ok;
        let is_client = key_use.client < plan.clients;
        let pin = plan.pin_of(key_use.client).filter(|_| is_client);
        add(pin.and_then(|node| nodes.get_mut(&node)).unwrap_or(&mut exercise.followers), one);
        let mut in_any = false;
        for (span, fault) in spans.iter().zip(&mut exercise.faults) {
            // An operation counts for each fault that it overlaps, and once for all of them
            // together.
            if key_use.call_ns < span.1 && end_ns(key_use) > span.0 {
                add(fault, one);
                in_any = true;
            }
        }
        if in_any {
            add(&mut exercise.in_faults, one);
        }
    }
    exercise.parts = parts(uses, faults, plan);
    let mut counts: Vec<u64> = keys.into_values().collect();
    counts.sort_unstable();
    exercise.keys = counts.len() as u64;
    let at = |place: usize| counts.get(place).copied().unwrap_or_default();
    exercise.ok_per_key = (at(0), at(counts.len() / 2), at(counts.len().saturating_sub(1)));
    exercise.nodes = nodes.into_iter().map(|(node, asked)| (node.0, asked)).collect();
    exercise
}

/// Cuts the time of the faults into parts that leave most nodes alone, and counts those in which an
/// operation was called that was ok. What such a fault leaves is to serve through it: who refuses
/// everything from soon after its begin shows nothing of it. One that is over before it could be
/// felt in each part has none.
fn parts(uses: &[KeyUse], faults: &[InjectedFault], plan: &Scenario) -> Parts {
    let mut parts = Parts::default();
    for fault in faults {
        let (start, end) = (fault.span.start_ns, fault.span.end_ns);
        let leaves_most = plan.faults.get(fault.planned).is_some_and(|one| spares_most(one, plan));
        if !leaves_most || end.saturating_sub(start) < PARTS as u64 * PART_NS_MIN {
            continue;
        }
        let mut served = [false; PARTS];
        for key_use in uses.iter().filter(|one| one.returned.is_some()) {
            if (start..end).contains(&key_use.call_ns) {
                let part = (key_use.call_ns - start) * PARTS as u64 / (end - start);
                served[part as usize] = true;
            }
        }
        parts.all += PARTS as u64;
        parts.served += served.iter().filter(|served| **served).count() as u64;
    }
    parts
}

/// Tells whether a fault takes or cuts off less than half of the nodes, and nobody else.
fn spares_most(fault: &PlannedFault, plan: &Scenario) -> bool {
    let is_few = match &fault.target {
        Target::Leader | Target::Node(_) | Target::Minority => plan.nodes > 2,
        Target::Nodes(nodes) => 2 * nodes.len() < usize::from(plan.nodes),
        Target::All | Target::Clients => false,
    };
    let takes = match &fault.action {
        FaultAction::Isolate
        | FaultAction::Kill
        | FaultAction::PowerLoss
        | FaultAction::Pause
        | FaultAction::Retire
        | FaultAction::Upgrade
        | FaultAction::Downgrade => true,
        FaultAction::Mute
        | FaultAction::Deafen
        | FaultAction::Partition(_)
        | FaultAction::Cut(_)
        | FaultAction::Disturb(_)
        | FaultAction::DisturbInbound(_)
        | FaultAction::ClockRate { .. }
        | FaultAction::ClockJump { .. }
        | FaultAction::Disk(_) => false,
    };
    is_few && takes
}

/// Into how many parts the time of a fault is cut.
const PARTS: usize = 20;

/// The shortest part: a store that syncs answers in some milliseconds, and in less than one of
/// them few parts have an operation, however well all are served.
const PART_NS_MIN: u64 = 5_000_000;

fn seen(key_use: &KeyUse, overlaps: &Overlaps) -> Exercised {
    let is_read = key_use.touch.sees && key_use.returned.is_some();
    Exercised {
        ok: u64::from(key_use.returned.is_some()),
        unknown: u64::from(key_use.returned.is_none() && key_use.touch.changes),
        reads: u64::from(is_read),
        overlapped: u64::from(is_read && overlaps.has(key_use)),
    }
}

fn add(sum: &mut Exercised, one: Exercised) {
    sum.ok += one.ok;
    sum.unknown += one.unknown;
    sum.reads += one.reads;
    sum.overlapped += one.overlapped;
}

/// An operation without an answer goes on for a moment at least: until it was called.
fn end_ns(key_use: &KeyUse) -> u64 {
    key_use.returned.map_or(key_use.call_ns + 1, |_| key_use.return_ns)
}

/// The changes of each key, in the order of their calls.
struct Overlaps(BTreeMap<u32, Vec<Change>>);

/// A change, and the latest two ends of those until then.
struct Change {
    called: u32,
    latest: u32,
    second: u32,
}

impl Overlaps {
    fn of(uses: &[KeyUse]) -> Self {
        let mut changes: BTreeMap<_, Vec<Change>> = BTreeMap::new();
        for key_use in uses.iter().filter(|key_use| key_use.touch.changes) {
            // What nobody knows of may overlap everything after it, and says nothing here.
            let Some(end) = key_use.returned else { continue };
            let of_key = changes.entry(key_use.key).or_default();
            // Two ends are kept, as an operation that changes something finds its own end among
            // them.
            let (latest, second) = of_key.last().map_or((0, 0), |last| (last.latest, last.second));
            let (latest, second) = (latest.max(end), second.max(latest.min(end)));
            of_key.push(Change { called: key_use.called, latest, second });
        }
        Self(changes)
    }

    /// Tells whether another change of the same key was open at some time while an operation was.
    fn has(&self, key_use: &KeyUse) -> bool {
        let Some(returned) = key_use.returned else { return false };
        let Some(changes) = self.0.get(&key_use.key) else { return false };
        let before = changes.partition_point(|change| change.called < returned);
        let last = before.checked_sub(1).map(|last| &changes[last]);
        // One that changes something itself is among these, and ends after its call.
        last.is_some_and(|last| {
            let end = if key_use.touch.changes { last.second } else { last.latest };
            end > key_use.called
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_fault::{Millis, PartsPerMillion};
    use synod_report::FaultSpan;
    use synod_rng::Seed;
    use synod_workload::Touch;

    const READ: Touch = Touch { sees: true, changes: false };
    const BLIND: Touch = Touch { sees: false, changes: false };
    const WRITE: Touch = Touch { sees: false, changes: true };
    const TAKE: Touch = Touch { sees: true, changes: true };

    fn used(at: u32, touch: Touch) -> KeyUse {
        let (call_ns, return_ns) = (u64::from(at), u64::from(at + 3));
        let returned = Some(at + 3);
        KeyUse { client: 0, key: 0, touch, called: at, returned, call_ns, return_ns }
    }

    fn unknown(at: u32, touch: Touch) -> KeyUse {
        KeyUse { returned: None, ..used(at, touch) }
    }

    fn fault(start_ns: u64, end_ns: u64) -> InjectedFault {
        let span = FaultSpan {
            kind: "kill".to_owned(),
            nodes: Vec::new(),
            detail: String::new(),
            start_ns,
            end_ns,
            effect: String::new(),
            effective: true,
        };
        InjectedFault { planned: 0, span, overshadowed: false, refuted: Vec::new() }
    }

    fn plan() -> Scenario {
        Scenario { clients: 2, ..Scenario::calm(Seed(1), 3, Millis(1_000)) }
    }

    #[test]
    fn an_operation_belongs_to_every_fault_that_it_overlapped() {
        let uses =
            [used(10, WRITE), used(12, READ), used(30, BLIND), unknown(50, WRITE), used(55, READ)];
        let faults = [fault(0, 11), fault(12, 40), fault(60, 70)];
        let seen = measure(&uses, &faults, &plan(), Some(55));
        assert_eq!(seen.all, Exercised { ok: 3, unknown: 1, reads: 1, overlapped: 1 });
        assert_eq!(seen.faults[0], Exercised { ok: 1, unknown: 0, reads: 0, overlapped: 0 });
        assert_eq!(seen.faults[1], Exercised { ok: 3, unknown: 0, reads: 1, overlapped: 1 });
        assert_eq!((seen.faults[2], seen.faults_felt()), (Exercised::default(), 2));
        assert_eq!((seen.in_faults.ok, seen.keys, seen.ok_per_key), (3, 1, (3, 3, 3)));
    }

    #[test]
    fn a_fault_that_leaves_most_nodes_alone_is_served_as_far_as_something_was_ok() {
        let planned = |action, target| PlannedFault {
            kind: None,
            at_ms: Millis(0),
            trigger: synod_fault::Trigger::Time,
            lasts_ms: Millis(1),
            flaps_ms: None,
            action,
            target,
        };
        let (one, all) = (Target::Node(NodeId(1)), Target::All);
        let faults = vec![planned(FaultAction::Kill, one), planned(FaultAction::Kill, all)];
        let plan = Scenario { faults, ..plan() };
        let ms = |ms: u64| ms * 1_000_000;
        let at = |at, key_use: KeyUse| KeyUse { call_ns: ms(at), return_ns: ms(at) + 3, ..key_use };
        let uses = [
            at(1_000, used(1, WRITE)),
            at(1_010, used(5, WRITE)),
            at(1_110, used(9, WRITE)),
            at(1_900, unknown(13, WRITE)),
            at(2_000, used(17, WRITE)),
        ];
        let long = fault(ms(1_000), ms(2_000));
        let faults = [long.clone(), InjectedFault { planned: 1, ..long }];
        let seen = measure(&uses, &faults, &plan, None);
        assert_eq!(seen.parts, Parts { all: 20, served: 2 });
        let short = measure(&uses, &[fault(ms(1_000), ms(1_099))], &plan, None);
        assert_eq!(short.parts, Parts::default(), "nobody could be served in each of its parts");
    }

    #[test]
    fn what_is_asked_of_one_node_is_counted_with_it() {
        let plan = Scenario { pinned: PartsPerMillion(1_000_000), ..plan() };
        let seen = measure(&[used(1, WRITE)], &[], &plan, None);
        let asked: u64 = seen.nodes.iter().map(|(_, asked)| asked.ok).sum();
        assert_eq!((asked, seen.followers.ok), (1, 0));
        assert_eq!(
            plan.pin_of(0).map(|node| node.0),
            seen.nodes.iter().find(|one| one.1.ok == 1).map(|one| one.0)
        );
    }

    #[test]
    fn what_sees_and_changes_overlaps_another_and_never_itself() {
        let overlapped = |uses: &[KeyUse]| measure(uses, &[], &plan(), None).all.overlapped;
        assert_eq!(overlapped(&[used(10, TAKE), used(20, TAKE)]), 0);
        assert_eq!(overlapped(&[used(10, TAKE), used(12, TAKE)]), 2);
        assert_eq!(overlapped(&[used(10, WRITE), used(12, TAKE), used(20, READ)]), 1);
        assert_eq!(overlapped(&[unknown(10, TAKE), used(12, TAKE)]), 0);
    }
}
