//! Every fault that there is, by name, with what it does and how it is asked for.
//!
//! Which world can do it is the world's to say: each fault is listed with a plan that has nothing
//! else. The claim kept true: no kind, action, way in which a disk misbehaves or rule of links is
//! missing.

use synod_rng::Seed;

use crate::nemesis::{FaultKind, Nemesis};
use crate::{
    Action, BY_HAND, DiskFault, LinkRules, Millis, NodeId, PartsPerMillion, PlannedFault,
    RateLimit, Scenario, Shape, Target, Transports,
};

/// A fault, as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFault {
    /// Its name.
    pub name: String,
    /// What it does, in a few words.
    pub does: &'static str,
    /// How it is asked for.
    pub asked: AskedBy,
}

/// How a fault is asked for; there is no third way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// By its name on the command line.
    Nemesis(FaultKind),
    /// In a scenario, as this fault.
    Scenario(PlannedFault),
}

impl ListedFault {
    /// Returns every fault: those with a name on the command line, and those of scenarios.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_fault::ListedFault;
    ///
    /// let all = ListedFault::all();
    /// assert!(all.iter().any(|fault| fault.name == "kill-leader"));
    /// assert!(all.iter().any(|fault| fault.name == "disk hung"));
    /// ```
    #[must_use]
    pub fn all() -> Vec<Self> {
        let named = |kind: FaultKind| Self {
            name: kind.name().to_owned(),
            does: kind.does(),
            asked: AskedBy::Nemesis(kind),
        };
        let mut all: Vec<Self> = FaultKind::ALL.into_iter().map(named).collect();
        all.extend(actions().into_iter().map(of_scenarios));
        for (rule, does, rules) in rules() {
            let planned = planned(Action::Disturb(rules), Target::All);
            let (name, asked) = (format!("disturb {rule}"), AskedBy::Scenario(planned));
            all.push(Self { name, does, asked });
        }
        all
    }

    /// Returns a plan that has this fault and no other, on so many nodes that speak this.
    #[must_use]
    pub fn plan(&self, nodes: u16, on: Transports) -> Scenario {
        let calm = Scenario::calm(Seed(1), nodes, TIME_MS);
        let ids: Vec<NodeId> = calm.node_ids();
        match &self.asked {
            AskedBy::Nemesis(kind) => {
                let nemesis = Nemesis::Only(*kind);
                let faults = nemesis.plan(Seed(1), &ids, TIME_MS, on);
                Scenario { nemesis: nemesis.name().to_owned(), faults, ..calm }
            }
            AskedBy::Scenario(fault) => {
                Scenario { nemesis: BY_HAND.to_owned(), faults: vec![fault.clone()], ..calm }
            }
        }
    }

    /// Returns how the fault is written, on the command line or in a scenario.
    #[must_use]
    pub fn written(&self) -> String {
        let fault = match &self.asked {
            AskedBy::Nemesis(kind) => return format!("--nemesis {kind}"),
            AskedBy::Scenario(fault) => fault,
        };
        let line = |key: &str, value: Result<toml::Value, toml::ser::Error>| {
            value.map(|value| format!("{key} = {value}")).unwrap_or_default()
        };
        let action = line("action", toml::Value::try_from(&fault.action));
        if fault.target == Target::default() {
            return action;
        }
        format!("{action}\n{}", line("target", toml::Value::try_from(&fault.target)))
    }
}

fn of_scenarios((action, target): (Action, Target)) -> ListedFault {
    let name = if let Action::Disk(disk) = &action {
        format!("disk {}", disk.name())
    } else {
        action.name().to_owned()
    };
    let does = action.does();
    ListedFault { name, does, asked: AskedBy::Scenario(planned(action, target)) }
}

fn planned(action: Action, target: Target) -> PlannedFault {
    PlannedFault::new(Millis(2_000), Millis(2_000), action, target)
}

/// Each action once; those of links without a rule are listed by their rules.
fn actions() -> Vec<(Action, Target)> {
    let one = Target::Node(NodeId(1));
    let disk = |fault| (Action::Disk(fault), one.clone());
    let split = Shape::Split { one: [NodeId(1)].into(), other: [NodeId(2), NodeId(3)].into() };
    let slow = LinkRules { delay_ms: Millis(100), ..LinkRules::default() };
    let link = crate::LinkId { from: NodeId(1), to: NodeId(2) };
    vec![
        (Action::Isolate, Target::Leader),
        (Action::Mute, Target::Leader),
        (Action::Deafen, Target::Leader),
        (Action::Partition(split), Target::All),
        (Action::Cut([link].into()), Target::All),
        (Action::DisturbInbound(slow), Target::Leader),
        (Action::Kill, Target::Leader),
        (Action::Pause, Target::Leader),
        (Action::Retire, Target::Leader),
        (Action::Upgrade, one.clone()),
        (Action::Downgrade, one.clone()),
        (Action::PowerLoss, Target::All),
        (Action::ClockRate { ppm: 100_000 }, one.clone()),
        (Action::ClockJump { ms: Millis(5_000) }, one.clone()),
        disk(DiskFault::Slow { ms: Millis(50) }),
        disk(DiskFault::Hung),
        disk(DiskFault::Full),
        disk(DiskFault::SyncFails),
        disk(DiskFault::WriteFails),
        disk(DiskFault::ReadFails),
        disk(DiskFault::ShortWrites),
        disk(DiskFault::PowerFailsAt { operations: 100 }),
        disk(DiskFault::Rot),
        disk(DiskFault::RolledBack),
        disk(DiskFault::MadeAnew),
        disk(DiskFault::Foreign),
    ]
}

/// Each rule of links once, alone.
fn rules() -> Vec<(&'static str, &'static str, LinkRules)> {
    let none = LinkRules::default();
    let often = PartsPerMillion::percent(10);
    let late = Millis(100);
    let rate = RateLimit { bytes_per_s: 20_000, queue_bytes: 65_536 };
    vec![
        ("cut", "nothing passes between nodes", LinkRules { cut: true, ..none }),
        ("delay_ms", "what nodes send is late", LinkRules { delay_ms: late, ..none }),
        (
            "jitter_ms",
            "what nodes send is late, now more, now less",
            LinkRules { jitter_ms: late, ..none },
        ),
        ("rate", "few bytes a second pass", LinkRules { rate: Some(rate), ..none }),
        ("loss", "packets are lost", LinkRules { loss: often, ..none }),
        ("duplicate", "packets come twice", LinkRules { duplicate: often, ..none }),
        (
            "reorder",
            "packets overtake each other",
            LinkRules { reorder: often, reorder_late_ms: late, ..none },
        ),
        ("corrupt", "a bit of a packet is flipped", LinkRules { corrupt: often, ..none }),
        (
            "stall",
            "streams stand still again and again",
            LinkRules { stall: often, stall_ms: late, ..none },
        ),
        ("reset", "connections are reset", LinkRules { reset: often, ..none }),
        ("refuse", "new connections are refused", LinkRules { refuse: often, ..none }),
        ("half_close", "streams end in one direction", LinkRules { half_close: often, ..none }),
        ("slice_bytes", "streams come in small pieces", LinkRules { slice_bytes: 7, ..none }),
    ]
}

/// How long a plan with one fault is.
const TIME_MS: Millis = Millis(30_000);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_fault_is_missing_and_none_is_there_twice() {
        let all = ListedFault::all();
        let names: BTreeSet<&str> = all.iter().map(|fault| fault.name.as_str()).collect();
        assert_eq!(names.len(), all.len(), "each name once");
        for kind in FaultKind::ALL {
            assert!(names.contains(kind.name()), "{kind}");
        }
        // The words of `Action::does` and `DiskFault::name` are asked for by the compiler; that
        // each of them is listed is counted here.
        let of_scenarios: BTreeSet<&str> =
            actions().iter().map(|(action, _)| action.name()).collect();
        assert_eq!(of_scenarios.len() + 1, ACTIONS, "all but `disturb`: {of_scenarios:?}");
        let disks = actions().iter().filter(|(action, _)| action.name() == "disk").count();
        assert_eq!(disks, DISKS);
        // A field that is new is missing here, and then a rule above.
        let LinkRules {
            cut: _,
            loss: _,
            delay_ms: _,
            jitter_ms: _,
            duplicate: _,
            duplicate_late_ms: _,
            reorder: _,
            reorder_late_ms: _,
            corrupt: _,
            rate: _,
            stall: _,
            stall_ms: _,
            reset: _,
            refuse: _,
            half_close: _,
            slice_bytes: _,
        } = LinkRules::default();
        let measures = ["duplicate_late_ms", "reorder_late_ms", "stall_ms"];
        assert_eq!(rules().len() + measures.len(), 16, "each field is a rule, or how long it acts");
    }

    #[test]
    fn each_rule_of_links_is_named_after_its_field() {
        for (name, _, rules) in rules() {
            let written = serde_json::to_value(rules).expect("plain data");
            assert!(written.get(name).is_some(), "{name}: {written}");
        }
    }

    #[test]
    fn each_fault_makes_a_plan_that_makes_sense_and_can_be_written() {
        for fault in ListedFault::all() {
            let plan = fault.plan(3, Transports::default());
            assert!(!plan.faults.is_empty(), "{}", fault.name);
            let text = plan.to_toml().expect("small numbers");
            let back = Scenario::from_toml(&text).map_err(|error| format!("{text}: {error}"));
            assert_eq!(back.as_ref(), Ok(&plan), "{}", fault.name);
            if let AskedBy::Scenario(_) = fault.asked {
                assert!(text.contains(&fault.written()), "{}: {text}", fault.written());
            }
        }
    }

    /// How many actions there are.
    const ACTIONS: usize = 16;

    /// How many ways a disk has to misbehave.
    const DISKS: usize = 12;
}
