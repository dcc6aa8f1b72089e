//! The machines of the nodes: the power, the disk and the clock of each, where a plan does
//! something to them.
//!
//! A node's processes are started with a shim then, which obeys what is ordered here and counts
//! what it saw. Which faults are in force is decided by `synod-fault`, what a power loss takes by
//! `synod-shim`. The claim kept true: a fault has no effect on a node whose writes, syncs or clock
//! were never seen to pass through the shim, whatever else happened meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synod_fault::{Action, DiskFault, FaultId, InForce, Millis, NodeId, STILL_PPM, Scenario};
use synod_rng::{Random, Seed, Stream};
use synod_shim::rollback::Dice;
use synod_shim::{Counts, DiskOrders, PowerLoss, Shim, ShimError};

use super::armed::Armed;
use super::cluster::{ClusterError, NodeSpec};
use super::effect::{Effect, Hit, done_to};
use super::folder::DATA;

/// The machines of a run; none, if its plan does nothing to them.
#[derive(Debug)]
pub struct Machines {
    seed: Seed,
    machines: BTreeMap<NodeId, Machine>,
}

#[derive(Debug)]
struct Machine {
    shim: Arc<Shim>,
    /// The faults that wait for a call to fail, or had one.
    calls: Mutex<FailingCalls>,
    /// By how much its clock is off without a fault.
    ppm: i32,
}

#[derive(Debug, Default)]
struct FailingCalls {
    syncs: Armed,
    writes: Armed,
}

/// What a fault of machines was measured by.
#[derive(Clone, Debug, Default)]
pub(crate) struct MachinesSeen {
    before: BTreeMap<NodeId, Counts>,
    lost: PowerLoss,
}

impl Machines {
    /// Makes a machine for each node, if the plan does something to them, and has the nodes started
    /// on these.
    pub(crate) fn make(plan: &Scenario, specs: &mut [NodeSpec]) -> Result<Self, ClusterError> {
        let mut machines = BTreeMap::new();
        for spec in specs.iter_mut().filter(|_| plan.hits_machines()) {
            let node = spec.id;
            let machine = Machine::make(plan, spec);
            let machine = machine.map_err(|source| ClusterError::Shim { node, source })?;
            machines.insert(node, machine);
        }
        Ok(Self { seed: plan.seed, machines })
    }

    /// Has the disk and the clock of a node do what the faults in force say.
    pub(crate) fn obey(&self, node: NodeId, in_force: &InForce) -> Result<(), ClusterError> {
        self.on(node, |machine| {
            let has = |fault| in_force.on_disk(node, fault).is_some();
            let slow = in_force.on_disk(node, DiskFault::Slow { ms: Millis(0) });
            let ms = if let Some(DiskFault::Slow { ms }) = slow { ms.0 } else { 0 };
            machine.shim.order_disk(DiskOrders {
                slow_ns: ms.saturating_mul(1_000_000),
                hangs: has(DiskFault::Hung),
                full: has(DiskFault::Full),
                short: has(DiskFault::ShortWrites),
            })?;
            // Several rates add up, to a clock that stands still at most.
            let ppm = machine.ppm.saturating_add(in_force.clock_ppm(node)).max(STILL_PPM);
            machine.shim.order_clock(ppm)
        })
    }

    /// Does once what a fault does at its begin, or takes it back at its end.
    pub(crate) fn strike(
        &self,
        fault: FaultId,
        node: NodeId,
        action: &Action,
        begins: bool,
    ) -> Result<(), ClusterError> {
        self.on(node, |machine| {
            if let Action::Disk(of_disk) = action
                && of_disk.may_end_a_process()
            {
                machine.let_fail(fault, *of_disk, begins)?;
            }
            if let Action::ClockJump { ms } = action
                && begins
            {
                machine.shim.jump_clock(ms.0.saturating_mul(1_000_000))?;
            }
            Ok(())
        })
    }

    /// Takes what was not synced from the disks of nodes whose processes have ended.
    pub(crate) fn take_power(
        &self,
        fault: FaultId,
        nodes: impl IntoIterator<Item = NodeId>,
        seen: &mut MachinesSeen,
    ) -> Result<(), ClusterError> {
        for node in nodes {
            let stream = Stream::named("power").part(u64::from(fault.0)).part(u64::from(node.0));
            let mut random = Random::new(self.seed, stream);
            let all = random.chance(ALL_LOST_PPM);
            let mut dice = if all { Dice::AllLost } else { Dice::Drawn(random) };
            let mut lost = PowerLoss::default();
            self.on(node, |machine| {
                lost = machine.shim.take_power(&mut dice)?;
                Ok(())
            })?;
            seen.lost.taken += lost.taken;
            seen.lost.kept += lost.kept;
            seen.lost.files += lost.files;
        }
        Ok(())
    }

    /// Notes what was seen of nodes before a fault.
    pub(crate) fn look(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> Result<MachinesSeen, ClusterError> {
        let mut seen = MachinesSeen::default();
        for node in nodes {
            self.on(node, |machine| {
                seen.before.insert(node, machine.shim.counts()?);
                Ok(())
            })?;
        }
        Ok(seen)
    }

    /// Says what a fault did to machines.
    pub(crate) fn told(
        &self,
        fault: FaultId,
        action: &Action,
        hit: Hit,
        seen: &MachinesSeen,
    ) -> Result<Effect, ClusterError> {
        let (mut sum, mut unseen) = (0, String::new());
        for (node, before) in &seen.before {
            self.on(*node, |machine| {
                let after = machine.shim.counts()?;
                sum += match machine.has_struck(fault, action, &after) {
                    Some(has_struck) => u64::from(has_struck),
                    None => moved(action, &after).0 - moved(action, before).0,
                };
                if let Some(what) = machine.unseen(action, &after)? {
                    // Writing to a text cannot fail.
                    let _ = write!(unseen, "; node {node}: {what}");
                }
                Ok(())
            })?;
        }
        let mut effect = if *action == Action::PowerLoss {
            let PowerLoss { taken, kept, files } = seen.lost;
            let done = done_to(hit, "without power, started again");
            let lost = format!("{taken} changes of {files} files lost, {kept} kept by chance");
            Effect { words: format!("{}; {lost}", done.words), ..done }
        } else {
            Effect::of(format!("{sum} {}", moved(action, &Counts::default()).1), sum > 0)
        };
        effect.effective &= unseen.is_empty();
        effect.words += &unseen;
        Ok(effect)
    }

    fn on(
        &self,
        node: NodeId,
        order: impl FnOnce(&Machine) -> Result<(), ShimError>,
    ) -> Result<(), ClusterError> {
        // There are no machines where the plan does nothing to any.
        let Some(machine) = self.machines.get(&node) else { return Ok(()) };
        order(machine).map_err(|source| ClusterError::Shim { node, source })
    }
}

impl Machine {
    fn make(plan: &Scenario, spec: &mut NodeSpec) -> Result<Self, ShimError> {
        let place = usize::from(spec.id.0) - 1;
        let ppm = plan.conditions.clock_ppm.get(place).copied().unwrap_or(0);
        let seed = Random::new(plan.seed, Stream::named("shim").part(u64::from(spec.id.0))).at(0);
        let (folder, data) = (spec.folder.join("shim"), spec.folder.join(DATA));
        let shim = Arc::new(Shim::create(&folder, &data, seed)?);
        shim.order_clock(ppm)?;
        let own = shim.variables().map(|(name, value)| (name.into(), value));
        spec.variables.extend(own);
        spec.shim = Some(Arc::clone(&shim));
        Ok(Self { shim, ppm, calls: Mutex::default() })
    }

    /// Lets one more call fail by a fault, or none by it from here on.
    fn let_fail(&self, fault: FaultId, kind: DiskFault, begins: bool) -> Result<(), ShimError> {
        let mut calls = self.calls();
        let is_sync = kind == DiskFault::SyncFails;
        let failed =
            |counts: Counts| if is_sync { counts.syncs_failed } else { counts.writes_failed };
        let armed = if is_sync { &mut calls.syncs } else { &mut calls.writes };
        // What failed before the fault waits is not its own.
        armed.settle(failed(self.shim.counts()?));
        let limit = if begins {
            armed.begin(fault);
            armed.limit(None)
        } else {
            armed.limit(Some(fault))
        };
        if is_sync {
            self.shim.fail_syncs_up_to(limit)?
        } else {
            self.shim.fail_writes_up_to(limit)?
        }
        // What failed until the order came is settled while the fault still waits.
        armed.settle(failed(self.shim.counts()?));
        if !begins {
            armed.end(fault);
        }
        Ok(())
    }

    /// Returns whether a fault that lets one call fail has done so; nothing, if it is no such one.
    fn has_struck(&self, fault: FaultId, action: &Action, counts: &Counts) -> Option<bool> {
        let Action::Disk(kind) = action else { return None };
        let (mut calls, is_sync) = (self.calls(), *kind == DiskFault::SyncFails);
        let failed = if is_sync { counts.syncs_failed } else { counts.writes_failed };
        let armed = if is_sync { &mut calls.syncs } else { &mut calls.writes };
        armed.settle(failed);
        kind.may_end_a_process().then(|| armed.has_struck(fault))
    }

    fn calls(&self) -> MutexGuard<'_, FailingCalls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what of the node was not seen that the fault rests on.
    fn unseen(&self, action: &Action, counts: &Counts) -> Result<Option<String>, ShimError> {
        let none = |what: &str| Some(format!("no {what} of it came through the shim"));
        if let Action::ClockRate { .. } | Action::ClockJump { .. } = action {
            return Ok(none("reading of a clock").filter(|_| counts.clock_reads == 0));
        }
        if counts.writes == 0 {
            return Ok(none("write"));
        }
        if counts.syncs == 0 {
            return Ok(none("sync"));
        }
        // What a fault of the disk did is counted where it did it; a power loss must know all.
        let gaps = if *action == Action::PowerLoss { self.shim.gaps()? } else { Vec::new() };
        Ok(gaps.first().map(|gap| (*gap).to_owned()))
    }
}

/// Returns the count that a fault moves, and what it counts.
fn moved(action: &Action, counts: &Counts) -> (u64, &'static str) {
    let Action::Disk(fault) = action else {
        return (counts.clock_reads_changed, "readings of a clock that was off");
    };
    match fault {
        DiskFault::Slow { .. } => (counts.syncs_slowed, "syncs slowed"),
        DiskFault::Hung => (counts.syncs_held, "syncs held"),
        DiskFault::Full => (counts.writes_refused, "writes refused"),
        DiskFault::SyncFails => (counts.syncs_failed, "syncs failed"),
        DiskFault::WriteFails => (counts.writes_failed, "writes failed"),
        DiskFault::ShortWrites => (counts.writes_short, "writes cut short"),
        DiskFault::ReadFails
        | DiskFault::PowerFailsAt { .. }
        | DiskFault::Rot
        | DiskFault::RolledBack
        | DiskFault::MadeAnew
        | DiskFault::Foreign => (0, "of what a live run cannot do"),
    }
}

/// How often a power loss takes all that was not synced, and leaves nothing to chance.
const ALL_LOST_PPM: u32 = 500_000;
