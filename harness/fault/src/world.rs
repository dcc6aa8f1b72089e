//! A world: whoever carries faults out, on real processes or on simulated ones.
//!
//! The scenario is the same for all; what differs is what can be done at all. A world says so as
//! data, and whatever a scenario asks beyond that is refused by name before anything starts. The
//! claim kept true: nothing that a scenario asks for is left out in silence.

use crate::{
    Action, DiskFault, FaultId, LinkRules, PlannedFault, ResolvedTarget, Scenario, Target,
    Transports, UnfitRule,
};

/// A world in which faults come and go.
pub trait World {
    /// What may go wrong with the world itself while it obeys.
    type Error;

    /// Returns what can be done here.
    fn abilities(&self) -> Abilities;

    /// Says whether a fault can be carried out here; asked for all faults before the run.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] names what cannot be done.
    fn supports(&self, fault: &PlannedFault) -> Result<(), Unsupported> {
        self.abilities().check(fault)
    }

    /// Lets a fault begin on what it hits.
    ///
    /// # Errors
    ///
    /// The world's own.
    fn apply(&mut self, fault: FaultId, on: ResolvedTarget) -> Result<(), Self::Error>;

    /// Lets a fault end; others in force stay.
    ///
    /// # Errors
    ///
    /// The world's own.
    fn lift(&mut self, fault: FaultId) -> Result<(), Self::Error>;
}

/// What a world can do beyond cuts, kills, pauses and asking a node to end, which all can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// How it is called.
    pub name: &'static str,
    /// How many nodes it has room for.
    pub nodes_max: u16,
    /// Whether it can take a machine's power, so that what was not synced is lost.
    pub power: bool,
    /// Whether it has the clocks in its hands.
    pub clocks: bool,
    /// How far it has the disks in its hands.
    pub disks: DiskReach,
    /// What its links carry.
    pub transports: Transports,
    /// Whether anybody there tells who leads.
    pub leaders: bool,
    /// Whether its clients can ask one node alone, whoever leads.
    pub pins: bool,
    /// Whether its nodes have a newer build.
    pub builds: bool,
}

/// How far a world has disks in its hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskReach {
    /// Not at all.
    None,
    /// It can say what the calls of a process return, and change nothing of what was written.
    Calls,
    /// It is the disk, which takes each write whole.
    Medium,
}

impl DiskReach {
    const fn does(self, fault: DiskFault) -> bool {
        match self {
            Self::None => false,
            Self::Calls => fault.is_of_calls(),
            Self::Medium => !matches!(fault, DiskFault::ShortWrites),
        }
    }
}

/// Something that a world cannot do, with the reason and a way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{world} cannot do `{what}`{}: {why}", place(*fault))]
pub struct Unsupported {
    /// The world.
    pub world: &'static str,
    /// The name of what it cannot do, as scenarios write it.
    pub what: String,
    /// Which fault of the scenario asks for it, counted from 1, if it is one of several.
    pub fault: Option<usize>,
    /// Why it cannot, and what can.
    pub why: String,
}

fn place(fault: Option<usize>) -> String {
    fault.map_or_else(String::new, |fault| format!(" of fault {fault}"))
}

impl Abilities {
    /// A simulated run has everything in its hands; its links carry packets.
    pub const SIMULATED: Self = Self {
        name: "a simulated run",
        nodes_max: SIMULATED_NODES_MAX,
        power: true,
        clocks: true,
        disks: DiskReach::Medium,
        transports: Transports { peer: crate::Transport::Udp, client: crate::Transport::Udp },
        leaders: true,
        pins: true,
        builds: false,
    };

    /// Returns what can be done to real processes whose ports speak this, and whose clients are not
    /// known to ask one node alone.
    #[must_use]
    pub const fn live(transports: Transports) -> Self {
        let (name, nodes_max) = ("a live run", LIVE_NODES_MAX);
        let (disks, leaders) = (DiskReach::None, true);
        let (power, clocks, pins, builds) = (false, false, false, false);
        Self { name, nodes_max, power, clocks, disks, transports, leaders, pins, builds }
    }

    /// Returns what can be done where nobody tells who leads.
    #[must_use]
    pub const fn without_leaders(self) -> Self {
        Self { leaders: false, ..self }
    }

    /// Returns what can be done where a shim stands between each process and its kernel.
    #[must_use]
    pub const fn with_shim(self) -> Self {
        Self { power: true, clocks: true, disks: DiskReach::Calls, ..self }
    }

    /// Returns what can be done where clients can ask one node alone, or cannot.
    #[must_use]
    pub const fn with_pins(self, pins: bool) -> Self {
        Self { pins, ..self }
    }

    /// Returns what can be done where nodes have a newer build, or have none.
    #[must_use]
    pub const fn with_builds(self, builds: bool) -> Self {
        Self { builds, ..self }
    }

    /// Says whether a scenario is one for this system, if it names any.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] names the system that is under test.
    pub fn check_system(&self, scenario: &Scenario, name: &str) -> Result<(), Unsupported> {
        if scenario.system.is_empty() || scenario.system == name {
            return Ok(());
        }
        let why = format!("the system under test is {name}; name that, or leave `system` out");
        Err(self.refused(&format!("system = {}", scenario.system), &why))
    }

    /// Says whether all of a scenario can be carried out.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] names the first thing that cannot, and which fault asks for it.
    pub fn check_all(&self, scenario: &Scenario) -> Result<(), Unsupported> {
        let conditions = &scenario.conditions;
        if scenario.nodes > self.nodes_max {
            let (what, most) = (format!("nodes = {}", scenario.nodes), self.nodes_max);
            return Err(self.refused(&what, &format!("it has room for {most}; take fewer")));
        }
        if !self.clocks && conditions.clock_ppm.iter().any(|ppm| *ppm != 0) {
            return Err(self.refused("clock_ppm", CLOCKS));
        }
        if self.disks != DiskReach::Medium && conditions.sync_us != 0 {
            return Err(self.refused("sync_us", SYNCS));
        }
        if !self.pins && scenario.pinned.0 != 0 {
            return Err(self.refused("pinned", PINS));
        }
        self.check_rules(&conditions.links, &Target::All)?;
        self.check_rules(&conditions.client_links, &Target::Clients)?;
        scenario.faults.iter().enumerate().try_for_each(|(place, fault)| {
            let numbered = |refused| Unsupported { fault: Some(place + 1), ..refused };
            self.check(fault).map_err(numbered)
        })
    }

    /// Says whether a fault can be carried out.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] names what cannot.
    pub fn check(&self, fault: &PlannedFault) -> Result<(), Unsupported> {
        if !self.leaders && fault.needs_leader() {
            return Err(self.refused(fault.name(), LEADERS));
        }
        let name = fault.action.name();
        match &fault.action {
            Action::PowerLoss if !self.power => Err(self.refused(name, POWER)),
            Action::Upgrade | Action::Downgrade if !self.builds => Err(self.refused(name, BUILDS)),
            Action::ClockRate { .. } | Action::ClockJump { .. } if !self.clocks => {
                Err(self.refused(name, CLOCKS))
            }
            Action::Disk(disk) if !self.disks.does(*disk) => {
                let why = match self.disks {
                    DiskReach::None => DISKS,
                    DiskReach::Calls => FILES,
                    DiskReach::Medium => WHOLE_WRITES,
                };
                Err(self.refused(name, why))
            }
            Action::Disturb(rules) | Action::DisturbInbound(rules) => {
                self.check_rules(rules, &fault.target)
            }
            Action::Isolate
            | Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_)
            | Action::Kill
            | Action::PowerLoss
            | Action::Pause
            | Action::Retire
            | Action::Upgrade
            | Action::Downgrade
            | Action::ClockRate { .. }
            | Action::ClockJump { .. }
            | Action::Disk(_) => Ok(()),
        }
    }

    fn check_rules(&self, rules: &LinkRules, target: &Target) -> Result<(), Unsupported> {
        let port = match target {
            Target::Clients => self.transports.client,
            Target::Leader
            | Target::Node(_)
            | Target::Nodes(_)
            | Target::Minority
            | Target::All => self.transports.peer,
        };
        let unfit = |error: UnfitRule| {
            let why = format!("it does not exist on {}: {}", error.transport, error.why);
            Unsupported { world: self.name, what: error.rule.to_owned(), fault: None, why }
        };
        rules.fits(port).map_err(unfit)
    }

    fn refused(&self, what: &str, why: &str) -> Unsupported {
        let (what, why) = (what.to_owned(), why.to_owned());
        Unsupported { world: self.name, what, fault: None, why }
    }
}

/// The most nodes of a simulated cluster.
pub const SIMULATED_NODES_MAX: u16 = 9;

/// The most nodes of a live run: each has two of the ports that a run claims.
pub const LIVE_NODES_MAX: u16 = 31;

const POWER: &str = "a process that is killed loses nothing that it wrote; use `kill`, or run the \
    scenario in the simulator";

const CLOCKS: &str = "real processes share the clock of their machine; leave it out, or run the \
    scenario in the simulator";

const DISKS: &str = "real processes write to a disk that obeys nobody here; leave it out, or run \
    the scenario in the simulator";

const LEADERS: &str = "it begins by who leads, or hits who leads, and the description says of no \
    way to know that; give it `who_leads`, or aim at a node";
const SYNCS: &str = "a real disk takes the time that it takes; leave it out, use `slow` of `disk`, \
    or run the scenario in the simulator";

const BUILDS: &str = "its nodes have one build; run real processes, and name the command of the \
    newer one as `upgraded` in the description of the system";

const PINS: &str = "the description of the system has no `pins`, so its bridge may ask whoever \
    leads; leave it out, or run the scenario in the simulator";

const FILES: &str = "what calls on files return is in its hands, and what stands in files is not; \
    take another fault, or run the scenario in the simulator";

const WHOLE_WRITES: &str = "its disk takes each write whole; run the scenario on real processes";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Millis, PartsPerMillion, Trigger};
    use synod_rng::Seed;

    fn check(abilities: Abilities, action: Action) -> Result<(), String> {
        let mut scenario = Scenario::calm(Seed(1), 3, Millis(1_000));
        let fault = |action| PlannedFault::new(Millis(0), Millis(10), action, Target::All);
        scenario.faults = vec![fault(Action::Kill), fault(action)];
        abilities.check_all(&scenario).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_world_cannot_do_is_refused_by_name_and_place() {
        let live = Abilities::live(Transports::default());
        for (action, name) in [
            (Action::PowerLoss, "power-loss"),
            (Action::ClockRate { ppm: 1 }, "clock-rate"),
            (Action::ClockJump { ms: Millis(1) }, "clock-jump"),
            (Action::Disk(DiskFault::Hung), "disk"),
        ] {
            assert_eq!(check(Abilities::SIMULATED, action.clone()), Ok(()));
            let words = check(live, action).expect_err("it is not in its hands");
            let begin = format!("a live run cannot do `{name}` of fault 2: ");
            assert!(words.starts_with(&begin) && words.ends_with("simulator"), "{words}");
        }
        for action in [Action::Pause, Action::Retire, Action::Isolate] {
            assert_eq!(check(live, action), Ok(()));
        }
    }

    #[test]
    fn a_shim_has_power_clocks_and_calls_in_its_hands_and_no_bytes() {
        let shim = Abilities::live(Transports::default()).with_shim();
        let slow = DiskFault::Slow { ms: Millis(1) };
        for action in [
            Action::PowerLoss,
            Action::ClockRate { ppm: 1 },
            Action::ClockJump { ms: Millis(1) },
            Action::Disk(slow),
            Action::Disk(DiskFault::ShortWrites),
        ] {
            assert!(action.is_of_machines() && check(shim, action.clone()) == Ok(()), "{action}");
        }
        let words = check(shim, Action::Disk(DiskFault::Rot)).expect_err("bytes on a disk");
        assert!(words.contains("what stands in files is not"), "{words}");
        let short = Action::Disk(DiskFault::ShortWrites);
        let words = check(Abilities::SIMULATED, short).expect_err("a simulated disk");
        assert!(words.contains("takes each write whole"), "{words}");
    }

    #[test]
    fn who_leads_is_asked_of_no_world_that_cannot_tell() {
        let live = Abilities::live(Transports::default());
        let aimed = |target, trigger| {
            let mut scenario = Scenario::calm(Seed(1), 3, Millis(1_000));
            let fault = PlannedFault::new(Millis(0), Millis(10), Action::Kill, target);
            scenario.faults = vec![PlannedFault { trigger, ..fault }];
            scenario
        };
        for (target, trigger) in [
            (Target::Leader, Trigger::Time),
            (Target::Leader, Trigger::LeaderSeen),
            (Target::All, Trigger::NewLeader),
        ] {
            let plan = aimed(target, trigger);
            assert_eq!(live.check_all(&plan), Ok(()));
            let words = live.without_leaders().check_all(&plan).expect_err("nobody tells it");
            let words = words.to_string();
            let begin = "a live run cannot do `kill` of fault 1: it begins by who leads";
            assert!(words.starts_with(begin) && words.contains("`who_leads`"), "{words}");
            // What was drawn to hit a leader hits a node where no leader is known.
            let spread = plan.without_leaders();
            assert_eq!(live.without_leaders().check_all(&spread), Ok(()));
            assert_eq!(spread.faults[0].action, Action::Kill);
        }
        let plain = aimed(Target::Minority, Trigger::Answered(7));
        assert_eq!(plain.without_leaders(), plain);
    }

    #[test]
    fn more_nodes_than_a_world_has_room_for_are_refused() {
        for world in [Abilities::SIMULATED, Abilities::live(Transports::default())] {
            let check = |nodes| world.check_all(&Scenario::calm(Seed(1), nodes, Millis(1_000)));
            assert_eq!(check(world.nodes_max), Ok(()));
            let words = check(world.nodes_max + 1).expect_err("too many").to_string();
            let begin = format!("{} cannot do `nodes = {}`: ", world.name, world.nodes_max + 1);
            assert!(words.starts_with(&begin) && words.ends_with("take fewer"), "{words}");
        }
    }

    #[test]
    fn a_rule_of_another_transport_is_refused_by_name() {
        let resets = LinkRules { reset: PartsPerMillion::percent(1), ..LinkRules::default() };
        let words = check(Abilities::SIMULATED, Action::Disturb(resets)).expect_err("packets");
        assert!(words.starts_with("a simulated run cannot do `reset` of fault 2"), "{words}");
        assert_eq!(check(Abilities::live(Transports::TCP), Action::Disturb(resets)), Ok(()));
    }

    #[test]
    fn what_a_scenario_says_of_clients_and_disks_is_refused_where_it_would_be_left_out() {
        let calm = Scenario::calm(Seed(1), 3, Millis(1_000));
        let live = Abilities::live(Transports::default());
        let pinned = Scenario { pinned: PartsPerMillion(1), ..calm.clone() };
        let mut slow = calm;
        slow.conditions.sync_us = 1;
        for (scenario, what) in [(&pinned, "pinned"), (&slow, "sync_us")] {
            assert_eq!(Abilities::SIMULATED.check_all(scenario), Ok(()));
            for world in [live, live.with_shim()] {
                let words = world.check_all(scenario).expect_err(what).to_string();
                let begin = format!("a live run cannot do `{what}`: ");
                assert!(words.starts_with(&begin) && words.ends_with("simulator"), "{words}");
            }
        }
        assert_eq!(live.with_pins(true).check_all(&pinned), Ok(()));
    }

    #[test]
    fn a_scenario_of_another_system_is_refused_by_its_name() {
        let mut scenario = Scenario::calm(Seed(1), 3, Millis(1_000));
        for world in [Abilities::SIMULATED, Abilities::live(Transports::default())] {
            scenario.system.clear();
            assert_eq!(world.check_system(&scenario, "mine"), Ok(()));
            "mine".clone_into(&mut scenario.system);
            assert_eq!(world.check_system(&scenario, "mine"), Ok(()));
            let words = world.check_system(&scenario, "yours").expect_err("another").to_string();
            let wanted = "cannot do `system = mine`: the system under test is yours; ";
            assert!(words.contains(wanted), "{words}");
        }
    }

    #[test]
    fn clocks_that_drift_without_a_fault_are_refused_where_nobody_holds_them() {
        let mut scenario = Scenario::calm(Seed(1), 3, Millis(1_000));
        scenario.conditions.clock_ppm = vec![0, 0, 5];
        assert_eq!(Abilities::SIMULATED.check_all(&scenario), Ok(()));
        let refused = Abilities::live(Transports::default()).check_all(&scenario);
        assert_eq!(refused.expect_err("a shared clock").what, "clock_ppm");
        scenario.conditions.clock_ppm = vec![0, 0, 0];
        assert_eq!(Abilities::live(Transports::default()).check_all(&scenario), Ok(()));
    }

    /// What links do without a fault is asked of the port that they end at.
    #[test]
    fn rules_of_another_transport_are_refused_on_links_without_a_fault_too() {
        let mut scenario = Scenario::calm(Seed(1), 3, Millis(1_000));
        let peers_tcp = Transports { peer: crate::Transport::Tcp, ..Transports::default() };
        let what = |on, scenario: &Scenario| {
            Abilities::live(on).check_all(scenario).map_err(|refused| refused.what)
        };
        let lossy = LinkRules { loss: PartsPerMillion::percent(1), ..LinkRules::default() };
        scenario.conditions.client_links = lossy;
        assert_eq!(what(Transports::TCP, &scenario), Err("loss".to_owned()));
        assert_eq!(what(peers_tcp, &scenario), Ok(()), "clients speak UDP there");
        (scenario.conditions.links, scenario.conditions.client_links) =
            (lossy, LinkRules::default());
        assert_eq!(what(peers_tcp, &scenario), Err("loss".to_owned()));
        assert_eq!(what(Transports::default(), &scenario), Ok(()));

        scenario.conditions.links = LinkRules::default();
        let disturb = Action::Disturb(lossy);
        let on = |target| PlannedFault::new(Millis(0), Millis(10), disturb.clone(), target);
        scenario.faults = vec![on(Target::Clients)];
        assert_eq!(what(peers_tcp, &scenario), Ok(()));
        scenario.faults = vec![on(Target::Leader)];
        assert_eq!(what(peers_tcp, &scenario), Err("loss".to_owned()));
    }
}
