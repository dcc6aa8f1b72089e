//! The simulation as a world of faults: it obeys a scenario as real processes do, and can do more.
//!
//! When a fault begins, whom it hits is known; what it does to processes, clocks and disks is done
//! here, what to links in `network_faults`. The claims kept true: what several faults keep down,
//! pause, cut or do to a disk comes back when the last of them has ended; and a paused process does
//! nothing, whatever it is asked.

use std::convert::Infallible;
use std::time::Duration;

use synod_fault::{
    Abilities, Action, Active, DiskFault, FaultId, NodeId, ResolvedTarget, RunProgress,
    TRIGGER_STEP, World as FaultWorld,
};

use super::event_queue::Micros;
use super::run::Simulation;
use super::world::{Event, pace};
use super::{Address, Crash, System};

impl<S: System> FaultWorld for Simulation<S> {
    type Error = Infallible;

    fn abilities(&self) -> Abilities {
        Abilities::SIMULATED
    }

    fn apply(&mut self, fault: FaultId, on: ResolvedTarget) -> Result<(), Infallible> {
        let planned = &self.plan.faults[fault.0 as usize];
        let (action, flaps) = (planned.action.clone(), planned.flaps_ms);
        let (now, lasts) = (self.world.now, Micros::from_ms(planned.lasts_ms.0));
        let nodes = on.nodes.clone();
        self.world.network_faults.begin(fault, &action, on);
        self.world.event_queue.put(now.plus(lasts), Event::End(fault));
        if let Some(period) = flaps {
            self.world.event_queue.put(now.plus(Micros::from_ms(period.0)), Event::Toggle(fault));
        }
        for node in nodes {
            self.apply_to(fault, &action, node);
        }
        Ok(())
    }

    fn lift(&mut self, fault: FaultId) -> Result<(), Infallible> {
        let Some(active) = self.world.network_faults.end_fault(fault) else { return Ok(()) };
        self.world.say(|| format!("ends: {}", active.action));
        for node in active.on.nodes {
            self.lift_from(&active.action, node);
        }
        Ok(())
    }
}

impl<S: System> Simulation<S> {
    /// Begins a fault, or waits on for what triggers it.
    pub(super) fn begin(&mut self, fault: FaultId) {
        // A fault that waited for something until the faults of the run are over comes no more.
        if self.world.now >= Micros::from_ms(self.plan.time_ms.0) {
            return;
        }
        let planned = &self.plan.faults[fault.0 as usize];
        let leader = if planned.needs_leader() { self.system.leader() } else { None };
        let waited = self.world.now.since(Micros::from_ms(planned.at_ms.0));
        let led = self.led.look(fault, leader);
        let progress = RunProgress {
            waited: Duration::from_micros(waited.0),
            leader,
            led,
            answered: self.world.answered(),
            in_force: self.world.network_faults.in_force(),
        };
        if planned.trigger.waits(&progress) {
            let again = self.world.now.plus(Micros::from_ms(TRIGGER_STEP.as_millis() as u64));
            self.world.event_queue.put(again, Event::Begin(fault));
            return;
        }
        let (action, target) = (&planned.action, &planned.target);
        let on = ResolvedTarget::resolve(action, target, leader, &self.plan.node_ids());
        let words = format!("begins: {action}, {target}");
        self.world.say(|| words);
        self.world.note(u64::from(fault.0));
        let Ok(()) = self.apply(fault, on);
    }

    pub(super) fn toggle(&mut self, fault: FaultId) {
        if self.world.network_faults.toggle(fault)
            && let Some(period) = self.plan.faults[fault.0 as usize].flaps_ms
        {
            // Without a length it would turn around for ever at one instant.
            let at = self.world.now.plus(Micros::from_ms(period.0.max(1)));
            self.world.event_queue.put(at, Event::Toggle(fault));
        }
    }

    pub(super) fn end(&mut self, fault: FaultId) {
        let Ok(()) = self.lift(fault);
    }

    fn apply_to(&mut self, fault: FaultId, action: &Action, node: NodeId) {
        match action {
            Action::Isolate
            | Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_)
            | Action::Disturb(_)
            | Action::DisturbInbound(_) => {}
            Action::Kill | Action::PowerLoss => {
                let crash = if *action == Action::Kill { Crash::Kill } else { Crash::Power };
                if self.crash(node, crash) {
                    self.world.network_faults.note_effect(fault);
                }
            }
            // Counted, as a node that two faults pause goes on when the second ends.
            Action::Pause => self.world.host_mut(node).pauses += 1,
            // Its nodes have one build, so it is asked for no other.
            Action::Retire | Action::Upgrade | Action::Downgrade => {
                let life = self.world.host(node).life;
                self.retire(node, life);
            }
            Action::ClockRate { ppm } => {
                self.change_rate(node, i64::from(*ppm));
                // On a machine that is down it is felt, and counts, when the node is started.
                if *ppm != 0 && self.world.is_up(node) {
                    self.world.network_faults.note_effect(fault);
                }
            }
            Action::ClockJump { ms } => {
                self.jump(node, Micros::from_ms(ms.0));
                // Nobody waits for anything on a machine that is down.
                if ms.0 > 0 && self.world.is_up(node) {
                    self.world.network_faults.note_effect(fault);
                }
            }
            Action::Disk(disk) => self.begin_on_disk(node, *disk),
        }
    }

    fn lift_from(&mut self, action: &Action, node: NodeId) {
        match action {
            Action::Isolate
            | Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_)
            | Action::Disturb(_)
            | Action::DisturbInbound(_)
            | Action::ClockJump { .. } => {}
            Action::Kill
            | Action::PowerLoss
            | Action::Retire
            | Action::Upgrade
            | Action::Downgrade => {
                if !self.is_kept_down(node) {
                    self.start(node);
                }
            }
            Action::Pause => self.resume(node),
            Action::ClockRate { ppm } => self.change_rate(node, -i64::from(*ppm)),
            Action::Disk(disk) => self.end_on_disk(node, *disk),
        }
    }

    /// Asks a process to end: one that is paused hears it when it goes on.
    pub(super) fn retire(&mut self, node: NodeId, life: u64) {
        let host = self.world.host(node);
        if !host.up || host.life != life {
            return;
        }
        if host.pauses > 0 {
            return self.hold(node, Event::Retire { node, life });
        }
        self.system.retire(node, &mut self.world);
    }

    fn begin_on_disk(&mut self, node: NodeId, fault: DiskFault) {
        let worst = self.world.network_faults.in_force().on_disk(node, fault);
        self.system.disk(node, fault.worse(worst.unwrap_or(fault)), true, &mut self.world);
    }

    /// A disk misbehaves on in this way as long as another fault says so, if less.
    fn end_on_disk(&mut self, node: NodeId, fault: DiskFault) {
        match self.world.network_faults.in_force().on_disk(node, fault) {
            None => self.system.disk(node, fault, false, &mut self.world),
            Some(rest @ DiskFault::Slow { .. }) => {
                self.system.disk(node, rest, true, &mut self.world);
            }
            // They know no degrees: what the others began goes on as it is.
            Some(
                DiskFault::Hung
                | DiskFault::Full
                | DiskFault::SyncFails
                | DiskFault::WriteFails
                | DiskFault::ReadFails
                | DiskFault::ShortWrites
                | DiskFault::PowerFailsAt { .. }
                | DiskFault::Rot
                | DiskFault::RolledBack
                | DiskFault::MadeAnew
                | DiskFault::Foreign,
            ) => {}
        }
    }

    fn crash(&mut self, node: NodeId, crash: Crash) -> bool {
        if !self.world.is_up(node) {
            return false;
        }
        self.world.ended(node, None);
        self.world.tally.crashes += 1;
        self.system.crash(node, crash, &mut self.world);
        true
    }

    /// Starts a node that is down and can be started.
    pub(super) fn start(&mut self, node: NodeId) {
        let host = self.world.host_mut(node);
        if host.up || host.ruined {
            return;
        }
        host.up = true;
        host.life += 1;
        let is_off = |action: &Action| action.clock_ppm().is_some_and(|ppm| ppm != 0);
        let feels = |active: &Active| active.hits(node) && is_off(&active.action);
        self.world.network_faults.note_where(feels);
        self.system.start(node, &mut self.world);
    }

    /// Tells whether a fault in force keeps a node from being started.
    pub(super) fn is_kept_down(&self, node: NodeId) -> bool {
        self.world.network_faults.in_force().keeps_down(node)
    }

    /// Lets a paused node go on: first all messages and completions that came, then its timers.
    fn resume(&mut self, node: NodeId) {
        let host = self.world.host_mut(node);
        host.pauses -= 1;
        if host.pauses > 0 {
            return;
        }
        // Messages first, as a process that goes on finds its sockets full before it asks for the
        // time.
        let held = std::mem::take(&mut host.held);
        self.backlog += held.len() as u64;
        let is_timer = |event: &Event<S::Message, S::Wakeup>| {
            matches!(event, Event::Wake { by_clock: true, .. })
        };
        let (timers, others): (Vec<_>, Vec<_>) = held.into_iter().partition(is_timer);
        for event in others.into_iter().chain(timers) {
            self.world.event_queue.put(self.world.now, event);
        }
    }

    /// Lets a node's clock run at another rate: what is left of its waits is stretched or pressed.
    fn change_rate(&mut self, node: NodeId, by_ppm: i64) {
        let (now, host) = (self.world.now, self.world.host_mut(node));
        host.stop_clock(now);
        // The clock was read before its pace changes: what has passed went by the former one.
        let before = pace(host.ppm);
        host.ppm += by_ppm;
        let after = pace(host.ppm);
        self.move_timers(node, |at| {
            let left = u128::from(at.since(now).0) * u128::from(before) / u128::from(after);
            now.plus(Micros(u64::try_from(left).unwrap_or(u64::MAX)))
        });
    }

    /// What a node waits for by its clock comes so much sooner.
    fn jump(&mut self, node: NodeId, length: Micros) {
        let (now, host) = (self.world.now, self.world.host_mut(node));
        host.stop_clock(now);
        host.clock = host.clock.plus(length);
        self.move_timers(node, |at| Micros(at.0.saturating_sub(length.0)).max(now));
    }

    fn move_timers(&mut self, node: NodeId, when: impl Fn(Micros) -> Micros) {
        self.world.event_queue.reschedule(|event, at| {
            let whose = Address::Node(node);
            let moves = matches!(event, Event::Wake { at, by_clock: true, .. } if *at == whose);
            if moves { when(at) } else { at }
        });
    }
}

#[cfg(test)]
mod tests {
    use synod_fault::{Millis, PlannedFault, Scenario, Target};
    use synod_rng::Seed;

    use super::super::{Violation, World};
    use super::*;

    /// Does nothing, and keeps what it was told and when, in milliseconds.
    #[derive(Default)]
    struct Listener {
        disks: Vec<(u64, DiskFault, bool)>,
        retired: Vec<u64>,
    }

    type Nothing = World<(), ()>;

    impl System for Listener {
        type Message = ();
        type Wakeup = ();

        fn retire(&mut self, _: NodeId, world: &mut Nothing) {
            self.retired.push(world.now().0 / 1_000);
        }

        fn disk(&mut self, _: NodeId, fault: DiskFault, begins: bool, world: &mut Nothing) {
            self.disks.push((world.now().0 / 1_000, fault, begins));
        }

        fn start(&mut self, _: NodeId, _: &mut Nothing) {}
        fn wake(&mut self, _: Address, (): (), _: &mut Nothing) {}
        fn crash(&mut self, _: NodeId, _: Crash, _: &mut Nothing) {}
        fn leader(&self) -> Option<NodeId> {
            None
        }

        fn deliver(&mut self, _: Address, _: Address, (): (), _: &mut Nothing) {}
        fn judge(&mut self, _: &Nothing) -> Result<(), Violation> {
            Ok(())
        }
    }

    /// Runs a second of faults of node 1, each from an instant on, for a time.
    fn run(faults: &[(u64, u64, Action)]) -> Listener {
        simulate(faults).system
    }

    fn simulate(faults: &[(u64, u64, Action)]) -> Simulation<Listener> {
        let mut scenario = Scenario::calm(Seed(1), 3, Millis(1_000));
        let planned = faults.iter().map(|(at_ms, lasts_ms, action)| {
            let target = Target::Node(NodeId(1));
            PlannedFault::new(Millis(*at_ms), Millis(*lasts_ms), action.clone(), target)
        });
        scenario.faults = planned.collect();
        let mut simulation = Simulation::new(&scenario, Listener::default());
        assert_eq!(simulation.run_until(Micros::from_ms(1_000)), Ok(()));
        simulation
    }

    #[test]
    fn what_two_faults_do_to_a_disk_ends_with_the_second() {
        for fault in [DiskFault::Hung, DiskFault::Full, DiskFault::SyncFails] {
            let told = run(&[
                (100, 400, Action::Disk(fault)),
                (200, 600, Action::Disk(fault)),
                (300, 100, Action::Disk(DiskFault::Rot)),
            ]);
            let ends = told.disks.iter().filter(|(_, told, begins)| *told == fault && !begins);
            let ends: Vec<u64> = ends.map(|(at, ..)| *at).collect();
            assert_eq!(ends, [800], "{fault}");
        }
    }

    #[test]
    fn a_disk_is_as_slow_as_the_slowest_fault_in_force_says() {
        let slow = |ms| Action::Disk(DiskFault::Slow { ms: Millis(ms) });
        let told = run(&[(100, 500, slow(50)), (200, 100, slow(7)), (400, 500, slow(20))]);
        let mut now = (0, 0);
        let mut seen = Vec::new();
        for (at, fault, begins) in told.disks {
            let DiskFault::Slow { ms } = fault else { panic!("{fault}") };
            now = (at, if begins { ms.0 } else { 0 });
            if seen.last().is_none_or(|(_, ms)| *ms != now.1) {
                seen.push(now);
            }
        }
        assert_eq!(seen, [(100, 50), (600, 20), (900, 0)]);
        assert_eq!(now, (900, 0));
    }

    #[test]
    fn a_clock_that_nobody_reads_or_that_is_right_is_no_effect() {
        let kill = (100, 300, Action::Kill);
        let off = |at, lasts, ppm| (at, lasts, Action::ClockRate { ppm });
        let jump = |at, ms| (at, 10, Action::ClockJump { ms: Millis(ms) });
        for (faults, effective) in [
            (vec![off(100, 50, 9)], 1),
            (vec![off(100, 50, 0)], 0),
            (vec![jump(100, 9)], 1),
            (vec![jump(100, 0)], 0),
            (vec![kill.clone(), off(150, 50, 9), jump(200, 9)], 1),
            // It is felt once there is somebody who feels it.
            (vec![kill, off(150, 500, 9)], 2),
        ] {
            assert_eq!(simulate(&faults).tally().effective, effective, "{faults:?}");
        }
    }

    #[test]
    fn a_node_that_is_paused_hears_that_it_shall_end_when_it_goes_on() {
        let told = run(&[(100, 500, Action::Pause), (200, 700, Action::Retire)]);
        assert_eq!(told.retired, [600]);
        let told =
            run(&[(100, 500, Action::Pause), (200, 700, Action::Retire), (300, 1, Action::Kill)]);
        assert_eq!(told.retired, [] as [u64; 0], "it is another process that goes on");
    }
}
