//! Real processes and links as a world of faults.
//!
//! A fault begins and ends here without a wait: signals are sent, rules are set. What several
//! faults make of a node together is decided by the faults in force: it is started when nothing
//! keeps it down any more, and stopped again if something still pauses it. What a fault did is
//! measured between its begin and its end, and left to `effect` to be told; what its witnesses saw
//! instead, they say.

use std::collections::BTreeMap;
use std::time::{Duration, Instant as StdInstant};

use synod_fault::{
    Abilities, Action, DiskFault, FaultId, InForce, LinkId, LinkRules, NodeId, ResolvedTarget,
    Scenario, Transports, World,
};
use synod_report::LinkCounts;
use tokio::time::Instant;

use super::cluster::{Cluster, ClusterError};
use super::effect::{self, Effect, Hit, disturbance, done_to, interruption};
use super::machines::{Machines, MachinesSeen};
use super::network::Network;
use super::setup::TestCluster;
use super::witness::{Crossings, Detour, Victim, Window, Witness, refute_rules};

/// The nodes and links of a run, with the faults that are in force on them.
#[derive(Debug)]
pub(crate) struct RealWorld<'a> {
    cluster: &'a Cluster,
    network: &'a Network,
    witness: &'a Witness,
    machines: &'a Machines,
    plan: &'a Scenario,
    transports: Transports,
    in_force: InForce,
    measured: BTreeMap<FaultId, Measured>,
}

/// What was seen of a fault so far.
#[derive(Debug, Default)]
struct Measured {
    /// What its links had done before it.
    before: LinkCounts,
    /// What became of the processes that it hits.
    hit: Hit,
    /// The nodes whose processes it took or stopped, as they were seen then.
    victims: BTreeMap<NodeId, Victim>,
    /// What was seen of their machines.
    machines: MachinesSeen,
    /// How often it cut.
    cuts: u32,
    /// Its rules.
    rules: BTreeMap<LinkId, LinkRules>,
    /// When its rules came into force, and when they were lifted.
    windows: Vec<(StdInstant, Option<StdInstant>)>,
    /// What went past the proxies of its links while its rules were in force.
    detours: BTreeMap<LinkId, String>,
    /// Whether others had done to all its nodes what it does.
    overshadowed: bool,
    /// What it did, once it has ended.
    effect: Option<Effect>,
}

impl<'a> RealWorld<'a> {
    /// Makes the world of a plan, in which no fault is in force.
    pub(crate) fn new(stage: &'a TestCluster, plan: &'a Scenario, transports: Transports) -> Self {
        let TestCluster { cluster, network, machines, witness, .. } = stage;
        let (in_force, measured) = (InForce::of(plan.faults.len()), BTreeMap::new());
        Self { cluster, network, machines, witness, plan, transports, in_force, measured }
    }

    /// Waits until a fault that is about to end shows all that it did: who was killed has left its
    /// ports, who was stopped stands. For a moment at most, as it may never come to that.
    pub(crate) async fn settle(&self, action: &Action, on: &ResolvedTarget) {
        let is_settled = |node: &NodeId| {
            // Ports and not the end of the process are waited for: a wrapper may be gone, and its
            // server not yet.
            if action.keeps_down() {
                return self.witness.is_free(*node) && self.cluster.kin(*node).is_empty();
            }
            let is_paused = *action == Action::Pause && !self.is_down_by_others(*node);
            !is_paused || self.witness.stands_still(*node, &self.cluster.kin(*node))
        };
        let deadline = Instant::now() + SETTLE_MAX;
        while !on.nodes.iter().all(is_settled) && Instant::now() < deadline {
            tokio::time::sleep(SETTLE_STEP).await;
        }
    }

    /// Turns a cut around that comes and goes; says whether it is in force at all.
    pub(crate) fn toggle(&mut self, fault: FaultId, on: &ResolvedTarget) -> bool {
        match self.in_force.toggle(fault) {
            None => return false,
            Some(false) => self.end_rules(fault),
            Some(true) => {
                self.begin_rules(fault, on);
                self.measured.entry(fault).or_default().cuts += 1;
            }
        }
        true
    }

    /// Looks for connections that go past the proxies of links on which rules are in force.
    pub(crate) fn look_for_detours(&mut self) {
        let is_open = |measured: &Measured| matches!(measured.windows.last(), Some((_, None)));
        if !self.measured.values().any(is_open) {
            return;
        }
        // To find them, the tables of the kernel are read: that is dear, and left out while nobody
        // asks.
        let found = Detour::find(&self.cluster.owners());
        for measured in self.measured.values_mut().filter(|measured| is_open(measured)) {
            for detour in &found {
                let rules =
                    measured.rules.get(&detour.link).filter(|it| **it != LinkRules::default());
                let Some(rules) = rules else { continue };
                let what = if rules.cut { "cut" } else { "disturbed" };
                // One is enough to refute a link, and the first is kept: later ones are mostly the
                // same way.
                measured.detours.entry(detour.link).or_insert_with(|| detour.told(what));
            }
        }
    }

    /// Returns the faults in force, and those that were.
    pub(crate) const fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// Takes out what a fault did that has ended, and whether others hid it.
    pub(crate) fn take_effect(&mut self, fault: FaultId) -> (Effect, bool) {
        let measured = self.measured.remove(&fault).unwrap_or_default();
        let nothing = || Effect::of("it did not end".to_owned(), false);
        (measured.effect.unwrap_or_else(nothing), measured.overshadowed)
    }

    fn action(&self, fault: FaultId) -> &'a Action {
        &self.plan.faults[fault.0 as usize].action
    }

    fn begin_rules(&mut self, fault: FaultId, on: &ResolvedTarget) {
        let begun = self.network.begin(fault, on.rules.clone());
        let measured = self.measured.entry(fault).or_default();
        match begun {
            // Whatever is sent from this moment on obeys them.
            Ok(()) => {
                measured.rules.clone_from(&on.rules);
                measured.windows.push((StdInstant::now(), None));
            }
            // Plans are checked for this before a run.
            Err(error) => measured.effect = Some(Effect::of(error.to_string(), false)),
        }
    }

    fn end_rules(&mut self, fault: FaultId) {
        let windows =
            self.measured.get_mut(&fault).and_then(|measured| measured.windows.last_mut());
        // It closes before the rules are lifted, so that nobody blames them for what crosses right
        // behind. A cut that comes and goes may have closed it already.
        if let Some((_, end @ None)) = windows {
            *end = Some(StdInstant::now());
        }
        self.network.end(fault);
    }

    /// Says which tracers crossed a link that the rules of a fault should have kept, or that there
    /// were none to cross it. The rules have been lifted.
    fn refuted_rules(&self, on: &ResolvedTarget, measured: &Measured) -> Vec<String> {
        // A window that is open still has no end to hold an arrival against.
        let closed = |window: &(StdInstant, Option<StdInstant>)| Some((window.0, window.1?));
        let windows: Vec<Window> = measured.windows.iter().filter_map(closed).collect();
        let time: Duration = windows.iter().map(|(from, until)| *until - *from).sum();
        let mut refuted = Vec::new();
        for (link, rules) in &on.rules {
            let seen =
                windows.iter().filter_map(|one| self.network.tracers().crossings(*link, *one));
            let seen: Vec<Crossings> = seen.collect();
            refuted.extend(seen.iter().filter_map(|seen| refute_rules(*link, rules, *seen)));
            let sent: u64 = seen.iter().map(|seen| seen.sent).sum();
            // Without a tracer nobody can tell rules that work from a way past the proxies. In a
            // short time there may just have been none to send.
            let is_blind = seen.iter().any(|seen| seen.always_sent) && sent == 0;
            if is_blind && time > BLIND_MAX {
                let ms = time.as_millis();
                refuted.push(format!("no tracer was sent over {link} for {ms} ms"));
            }
        }
        refuted
    }

    /// Starts a node again, unless a fault holds it down; one that is paused stands still at once.
    fn start(&self, node: NodeId) -> Result<(), ClusterError> {
        if self.is_held(node) {
            return Ok(());
        }
        // It cannot be born paused: it runs for the moment until the signal comes.
        self.cluster.start(node)?;
        if self.in_force.pauses(node) {
            self.cluster.pause(node)?;
        }
        Ok(())
    }

    /// Does to a node's process what the action says, and has the witness look at it: before it is
    /// asked to end, and after it is told to stop. Returns what was seen, if there was a process.
    fn take(&self, action: &Action, node: NodeId) -> Result<Option<Victim>, ClusterError> {
        let mut victim = Victim::default();
        if action.keeps_down() {
            victim = Victim {
                held: self.witness.look(node),
                kin: self.cluster.kin(node),
                was_ending: self.in_force.keeps_down(node),
            };
        }
        if !self.begin_on(action, node)? {
            return Ok(None);
        }
        if *action == Action::Pause {
            victim.held = self.witness.look(node);
        }
        Ok(Some(victim))
    }

    /// Says what was seen that a fault cannot have done. It has not ended yet.
    fn refuted(&self, action: &Action, victims: &BTreeMap<NodeId, Victim>) -> Vec<String> {
        let (witness, cluster) = (self.witness, self.cluster);
        let refuted = |(node, victim): (&NodeId, &Victim)| match action {
            Action::Kill | Action::PowerLoss => {
                let end = cluster.last_end(*node);
                witness.refute_kill(*node, victim, end, &cluster.kin(*node))
            }
            Action::Retire | Action::Upgrade | Action::Downgrade => {
                witness.refute_end(*node, &victim.held, &cluster.kin(*node))
            }
            // What was killed beside the pause does not stand.
            Action::Pause if self.is_down_by_others(*node) => None,
            Action::Pause => witness.refute_pause(*node, &victim.held, &cluster.kin(*node)),
            Action::Isolate
            | Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_)
            | Action::Disturb(_)
            | Action::DisturbInbound(_)
            | Action::ClockRate { .. }
            | Action::ClockJump { .. }
            | Action::Disk(_) => None,
        };
        victims.iter().filter_map(refuted).collect()
    }

    /// Does to a node's process what the action says; tells whether there was one to do it to.
    fn begin_on(&self, action: &Action, node: NodeId) -> Result<bool, ClusterError> {
        match action {
            Action::Kill => Ok(self.cluster.begin_kill(&[node], KILLED)? > 0),
            Action::PowerLoss => Ok(self.cluster.begin_kill(&[node], WITHOUT_POWER)? > 0),
            Action::Retire => Ok(self.cluster.begin_retire(&[node], RETIRED)? > 0),
            Action::Upgrade | Action::Downgrade => {
                self.cluster.choose_build(node, *action == Action::Upgrade)?;
                Ok(self.cluster.begin_retire(&[node], EXCHANGED)? > 0)
            }
            Action::Pause => self.cluster.pause(node),
            Action::Isolate
            | Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_)
            | Action::Disturb(_)
            | Action::DisturbInbound(_)
            | Action::ClockRate { .. }
            | Action::ClockJump { .. }
            | Action::Disk(_) => Ok(false),
        }
    }

    /// Tells whether faults in force do already, to all that it hits, as much as this one would.
    fn is_overshadowed(&self, action: &Action, on: &ResolvedTarget) -> bool {
        // Of disturbances, only a cut leaves nothing to do; two of them on one link are joined, and
        // each is counted.
        if let Action::Disturb(_) | Action::DisturbInbound(_) = action {
            let is_cut = |link| self.in_force.on_link(link, LinkRules::default()).cut;
            return !on.rules.is_empty() && on.rules.keys().all(|link| is_cut(*link));
        }
        let held = |node: &NodeId| {
            let paused = *action == Action::Pause && self.in_force.pauses(*node);
            paused || self.is_down_by_others(*node)
        };
        !on.nodes.is_empty() && on.nodes.iter().all(held)
    }

    /// Counts the processes that stand still as a pause ends. Those that others took away meanwhile
    /// do not stand, and are no gap.
    fn look_at_paused(&self, on: &ResolvedTarget, measured: &mut Measured) {
        let stopped = on.nodes.iter().filter(|node| self.cluster.is_stopped(**node)).count();
        let held = on
            .nodes
            .iter()
            .filter(|node| self.is_down_by_others(**node) && !self.cluster.is_stopped(**node));
        let held = held.count();
        measured.overshadowed |= held > 0 && held == on.nodes.len();
        measured.hit = Hit { all: on.nodes.len(), done: stopped, held };
    }

    fn told(
        &self,
        fault: FaultId,
        action: &Action,
        on: &ResolvedTarget,
        measured: &Measured,
    ) -> Result<Effect, ClusterError> {
        let after = || effect::sum(on, &self.network.counts());
        Ok(match action {
            Action::Disturb(rules) | Action::DisturbInbound(rules) => {
                let asked = effect::beyond(rules, on, &self.plan.conditions);
                disturbance(&asked, &measured.before, &after())
            }
            Action::Isolate
            | Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_) => interruption(measured.cuts, &measured.before, &after()),
            Action::Kill => done_to(measured.hit, "killed, started again"),
            Action::Retire => done_to(measured.hit, "asked to end, started again"),
            Action::Upgrade => done_to(measured.hit, "asked to end, started as the newer build"),
            Action::Downgrade => done_to(measured.hit, "asked to end, started as the first build"),
            Action::Pause => done_to(measured.hit, "stopped, then went on"),
            Action::PowerLoss
            | Action::ClockRate { .. }
            | Action::ClockJump { .. }
            | Action::Disk(_) => {
                self.machines.told(fault, action, measured.hit, &measured.machines)?
            }
        })
    }

    /// Takes what was not synced from the machines that a power loss hit, once their processes have
    /// ended.
    pub(crate) fn take_power(
        &mut self,
        fault: FaultId,
        on: &ResolvedTarget,
    ) -> Result<(), ClusterError> {
        let (cluster, witness) = (self.cluster, self.witness);
        // Nobody has a file changed under its hands: who lives on kept its power.
        let is_gone = |node: &NodeId| {
            let is_down = !cluster.is_running(*node) && cluster.kin(*node).is_empty();
            is_down && witness.is_free(*node)
        };
        let seen = &mut self.measured.entry(fault).or_default().machines;
        self.machines.take_power(fault, on.nodes.iter().copied().filter(is_gone), seen)
    }

    /// Has the machines of nodes obey the faults in force, as one of them begins or ends.
    fn turn(
        &self,
        fault: FaultId,
        action: &Action,
        on: &ResolvedTarget,
        begins: bool,
    ) -> Result<(), ClusterError> {
        for node in on.nodes.iter().filter(|_| action.is_of_machines()) {
            if let Action::Disk(of_disk) = action
                && of_disk.may_end_a_process()
                && begins
            {
                self.cluster.expect_disk_error(*node)?;
            }
            self.machines.strike(fault, *node, action, begins)?;
            self.machines.obey(*node, &self.in_force)?;
        }
        Ok(())
    }

    /// Tells whether a node is down and has to stay so: a fault keeps it down, or it ended after an
    /// error of its disk, which is not mended yet.
    fn is_held(&self, node: NodeId) -> bool {
        let breaks = |fault| self.in_force.on_disk(node, fault).is_some();
        let breaks = || breaks(DiskFault::SyncFails) || breaks(DiskFault::WriteFails);
        self.in_force.keeps_down(node) || (breaks() && self.cluster.is_down_by_disk(node))
    }

    /// Tells whether other faults had the node down, so that no more could be done to it.
    fn is_down_by_others(&self, node: NodeId) -> bool {
        self.in_force.keeps_down(node) || self.cluster.is_down_by_disk(node)
    }

    /// Starts those nodes again that ended after an error of their disks which are mended.
    pub(crate) fn revive(&self) -> Result<(), ClusterError> {
        let down =
            self.cluster.ids().into_iter().filter(|node| self.cluster.is_down_by_disk(*node));
        down.into_iter().try_for_each(|node| self.start(node))
    }
}

impl World for RealWorld<'_> {
    type Error = ClusterError;

    fn abilities(&self) -> Abilities {
        // What the description is to say was asked before the run.
        let live = Abilities::live(self.transports).with_shim();
        live.with_pins(self.plan.pinned.0 > 0).with_builds(true)
    }

    fn apply(&mut self, fault: FaultId, on: ResolvedTarget) -> Result<(), ClusterError> {
        let action = self.action(fault);
        let nodes: Vec<NodeId> = on.nodes.iter().copied().collect();
        let overshadowed = self.is_overshadowed(action, &on);
        let before = effect::sum(&on, &self.network.counts());
        // Both counts are taken before anything is done: what the fault does at once is a part of
        // its effect.
        let machines = self.machines.look(nodes.iter().copied())?;
        let mut hit = Hit { all: nodes.len(), ..Hit::default() };
        let mut victims = BTreeMap::new();
        for node in &nodes {
            let victim = self.take(action, *node)?;
            hit.done += usize::from(victim.is_some());
            hit.held += usize::from(victim.is_none() && self.is_down_by_others(*node));
            victims.extend(victim.map(|victim| (*node, victim)));
        }
        let measured = Measured { before, hit, victims, machines, cuts: 1, ..Measured::default() };
        let measured = Measured { overshadowed, ..measured };
        self.measured.insert(fault, measured);
        // Where no rule changes anything no window is opened: there is nothing to refute.
        if on.rules.values().any(|rules| *rules != LinkRules::default()) {
            self.begin_rules(fault, &on);
        }
        // Only here: up to this line, whoever is held is held by others.
        self.in_force.begin(fault, action.clone(), on.clone());
        self.turn(fault, action, &on, true)
    }

    fn lift(&mut self, fault: FaultId) -> Result<(), ClusterError> {
        // While its rules are in force still.
        self.look_for_detours();
        // It is taken out first: from here on, whatever keeps a node down is another fault.
        let Some(active) = self.in_force.end(fault) else { return Ok(()) };
        self.end_rules(fault);
        let mut measured = self.measured.remove(&fault).unwrap_or_default();
        if active.action == Action::Pause {
            self.look_at_paused(&active.on, &mut measured);
        }
        let mut refuted = self.refuted(&active.action, &measured.victims);
        let effect = self.told(fault, &active.action, &active.on, &measured)?;
        // A machine without a process has no disk or clock that anybody could see.
        let down = |node: &NodeId| self.is_down_by_others(*node);
        if active.action.is_of_machines() && active.action != Action::PowerLoss {
            measured.overshadowed |= !effect.effective && active.on.nodes.iter().all(down);
        }
        refuted.extend(self.refuted_rules(&active.on, &measured));
        refuted.extend(measured.detours.values().cloned());
        let effect = effect.unless(refuted);
        self.turn(fault, &active.action, &active.on, false)?;
        for node in &active.on.nodes {
            // A disk that was broken may have ended its node, which is started again as the disk is
            // mended.
            if active.action.keeps_down() || matches!(active.action, Action::Disk(_)) {
                self.start(*node)?;
            } else if active.action == Action::Pause && !self.in_force.pauses(*node) {
                self.cluster.resume(*node)?;
            }
        }
        // Why the rules could not be put in force comes before what was counted.
        let effect = measured.effect.or(Some(effect));
        self.measured.insert(fault, Measured { effect, ..measured });
        Ok(())
    }
}

/// How long a fault that ends is given to show what it did.
const SETTLE_MAX: Duration = Duration::from_millis(500);

const SETTLE_STEP: Duration = Duration::from_millis(10);

/// How long rules may be in force without a tracer that they could have stopped.
const BLIND_MAX: Duration = Duration::from_secs(2);

/// How the end of a process is explained that a fault killed.
const KILLED: &str = "killed by the nemesis";

/// How the end of a process is explained whose machine lost its power.
const WITHOUT_POWER: &str = "without power by the nemesis";

/// How the end of a process is explained that a fault asked to end.
const RETIRED: &str = "asked to end by the nemesis";
const EXCHANGED: &str = "asked to end by the nemesis, for its other build";
