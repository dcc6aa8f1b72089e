//! The simulation as a world of faults: it obeys a scenario as real processes do, and can do more.
//!
//! When a fault begins, whom it hits is known; what it does to processes, clocks and disks is done
//! here, what to links in `network_faults`. The claim kept true: what several faults keep down,
//! pause or cut comes back when the last of them has ended.

use std::convert::Infallible;

use synod_fault::{Abilities, Action, FaultId, NodeId, ResolvedTarget, World as FaultWorld};

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
        if self.world.now >= Micros::from_ms(self.plan.time_ms.0) {
            return;
        }
        let planned = &self.plan.faults[fault.0 as usize];
        let leader = if planned.needs_leader() { self.system.leader() } else { None };
        let patience = Micros::from_ms(planned.at_ms.0).plus(LEADER_PATIENCE);
        let led = self.led.get(&fault).copied().or(leader);
        self.led.extend(led.map(|node| (fault, node)));
        if planned.trigger.waits(leader, led) && self.world.now < patience {
            self.world.event_queue.put(self.world.now.plus(LEADER_STEP), Event::Begin(fault));
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
                    self.world.network_faults.note(fault);
                }
            }
            Action::Pause => self.world.host_mut(node).pauses += 1,
            Action::Retire => {
                if self.world.is_up(node) {
                    self.system.retire(node, &mut self.world);
                }
            }
            Action::ClockRate { ppm } => {
                self.change_rate(node, i64::from(*ppm));
                self.world.network_faults.note(fault);
            }
            Action::ClockJump { ms } => {
                self.jump(node, Micros::from_ms(ms.0));
                self.world.network_faults.note(fault);
            }
            Action::Disk(disk) => self.system.disk(node, *disk, true, &mut self.world),
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
            Action::Kill | Action::PowerLoss | Action::Retire => {
                if !self.is_kept_down(node) {
                    self.start(node);
                }
            }
            Action::Pause => self.resume(node),
            Action::ClockRate { ppm } => self.change_rate(node, -i64::from(*ppm)),
            Action::Disk(disk) => self.system.disk(node, *disk, false, &mut self.world),
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
        let held = std::mem::take(&mut host.held);
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

/// How long a fault waits for a leader to hit.
const LEADER_PATIENCE: Micros = Micros(5_000_000);

/// How often it looks for one.
const LEADER_STEP: Micros = Micros(20_000);
