//! The loop: the next event happens, the system does its part, and is judged.
//!
//! Faults begin and end as the plan says; healing ends them all at once. The claim kept true: one
//! event at a time, judged before the next.

use synod_fault::NodeId;
use synod_history::History;

use super::event_queue::Micros;
use super::plan::{Action, Crash, Plan};
use super::run_tally::RunTally;
use super::world::{Event, World, pace};
use super::{Address, System, Violation};

/// A system in a simulated world.
pub struct Simulation<S: System> {
    /// The system.
    pub system: S,
    plan: Plan,
    world: World<S::Message, S::Wakeup>,
    /// How many events happened at the present instant.
    at_once: u64,
}

/// How many events an instant may hold: whoever waits for nothing again and again never ends.
const EVENTS_AT_ONCE_MAX: u64 = 100_000;

impl<S: System> Simulation<S> {
    /// Puts a system into the world of a plan, and starts its nodes.
    pub fn new(plan: Plan, system: S) -> Self {
        let mut world = World::new(&plan);
        for (index, fault) in plan.faults.iter().enumerate() {
            world.event_queue.put(Micros::from_ms(fault.at_ms.0), Event::Begin(index));
        }
        let mut simulation = Self { system, plan, world, at_once: 0 };
        for node in simulation.plan.node_ids() {
            simulation.start(node);
        }
        simulation
    }

    /// Returns the world.
    pub fn world(&self) -> &World<S::Message, S::Wakeup> {
        &self.world
    }

    /// Returns the world and the system, to be worked on between two events.
    pub fn parts(&mut self) -> (&mut S, &mut World<S::Message, S::Wakeup>) {
        (&mut self.system, &mut self.world)
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns what the run amounted to so far.
    pub fn tally(&self) -> RunTally {
        RunTally { effective: self.world.network_faults.effective(), ..self.world.tally }
    }

    /// Takes the clients' history out.
    pub fn take_history(&mut self) -> History {
        self.world.take_history()
    }

    /// Runs until an instant.
    ///
    /// # Errors
    ///
    /// Fails with the first violation; the world stands as it was seen.
    pub fn run_until(&mut self, end: Micros) -> Result<(), Violation> {
        while let Some((at, event)) = self.world.event_queue.next_until(end) {
            self.at_once = if at == self.world.now { self.at_once + 1 } else { 0 };
            if self.at_once > EVENTS_AT_ONCE_MAX {
                return Err(Violation::new("standstill", format!("time stands still at {at}")));
            }
            self.world.now = at;
            self.world.tally.events += 1;
            self.take(event);
            self.system.judge(&self.world)?;
            if let Some(refused) = self.world.take_refused() {
                return Err(refused);
            }
        }
        self.world.now = end;
        Ok(())
    }

    /// Runs while a condition does not hold, up to an instant; says whether it came to hold.
    ///
    /// # Errors
    ///
    /// Fails with the first violation.
    pub fn run_to(
        &mut self,
        end: Micros,
        step: Micros,
        mut holds: impl FnMut(&S, &World<S::Message, S::Wakeup>) -> bool,
    ) -> Result<bool, Violation> {
        while !holds(&self.system, &self.world) {
            if self.world.now >= end {
                return Ok(false);
            }
            self.run_until(self.world.now.plus(step).min(end))?;
        }
        Ok(true)
    }

    /// Ends all faults: every machine is up, every link is good.
    pub fn heal(&mut self) {
        self.world.say(|| "all faults end".to_owned());
        for fault in self.world.network_faults.in_force() {
            self.end(fault);
        }
        self.world.network_faults.heal();
        for node in self.plan.node_ids() {
            self.start(node);
        }
    }

    fn take(&mut self, event: Event<S::Message, S::Wakeup>) {
        match event {
            Event::Deliver { to: Address::Node(node), .. } if !self.world.host(node).up => {}
            Event::Deliver { to: Address::Node(node), .. } if self.world.host(node).pauses > 0 => {
                self.hold(node, event);
            }
            Event::Deliver { from, to, message } => {
                self.system.deliver(from, to, message, &mut self.world);
            }
            Event::Wake { at: Address::Node(node), life, .. }
                if self.world.host(node).life != life => {}
            Event::Wake { at: Address::Node(node), .. } if self.world.host(node).pauses > 0 => {
                self.hold(node, event);
            }
            Event::Wake { at, wakeup, .. } => self.system.wake(at, wakeup, &mut self.world),
            Event::Begin(fault) => self.begin(fault),
            Event::Toggle(fault) => self.toggle(fault),
            Event::End(fault) => self.end(fault),
            Event::Restart { node, life } => {
                if self.world.host(node).life == life && !self.is_kept_down(node) {
                    self.start(node);
                }
            }
        }
    }

    fn hold(&mut self, node: NodeId, event: Event<S::Message, S::Wakeup>) {
        self.world.host_mut(node).held.push(event);
        self.world.network_faults.note_where(|action| *action == Action::Pause(node));
    }

    fn begin(&mut self, fault: usize) {
        let planned = &self.plan.faults[fault];
        let (action, lasts) = (planned.action.clone(), Micros::from_ms(planned.lasts_ms.0));
        if self.world.now >= Micros::from_ms(self.plan.time_ms.0) {
            return;
        }
        self.world.say(|| format!("begins: {action}"));
        self.world.note(fault as u64);
        self.world.network_faults.begin(fault, &action);
        self.world.event_queue.put(self.world.now.plus(lasts), Event::End(fault));
        match action {
            Action::Partition(_)
            | Action::Cut(_)
            | Action::Disturb(_)
            | Action::DisturbClients(_) => {}
            Action::Flap { period_ms, .. } => {
                let at = self.world.now.plus(Micros::from_ms(period_ms.0));
                self.world.event_queue.put(at, Event::Toggle(fault));
            }
            Action::Crash { nodes, crash } => {
                for node in nodes {
                    if self.crash(node, crash) {
                        self.world.network_faults.note(fault);
                    }
                }
            }
            Action::Pause(node) => self.world.host_mut(node).pauses += 1,
            Action::ClockRate { node, ppm } => {
                self.change_rate(node, i64::from(ppm));
                self.world.network_faults.note(fault);
            }
            Action::ClockJump { node, ms } => {
                self.jump(node, Micros::from_ms(ms.0));
                self.world.network_faults.note(fault);
            }
            Action::Disk { node, fault } => {
                self.system.disk(node, fault, true, &mut self.world);
            }
            Action::Retire(node) => {
                if self.world.is_up(node) {
                    self.system.retire(node, &mut self.world);
                }
            }
        }
    }

    fn toggle(&mut self, fault: usize) {
        if self.world.network_faults.toggle(fault)
            && let Action::Flap { period_ms, .. } = &self.plan.faults[fault].action
        {
            let at = self.world.now.plus(Micros::from_ms(period_ms.0.max(1)));
            self.world.event_queue.put(at, Event::Toggle(fault));
        }
    }

    fn end(&mut self, fault: usize) {
        if !self.world.network_faults.end_fault(fault) {
            return;
        }
        let action = self.plan.faults[fault].action.clone();
        self.world.say(|| format!("ends: {action}"));
        match action {
            Action::Partition(_)
            | Action::Flap { .. }
            | Action::Cut(_)
            | Action::Disturb(_)
            | Action::DisturbClients(_)
            | Action::ClockJump { .. } => {}
            Action::Crash { nodes, .. } => {
                for node in nodes {
                    if !self.is_kept_down(node) {
                        self.start(node);
                    }
                }
            }
            Action::Pause(node) => self.resume(node),
            Action::ClockRate { node, ppm } => self.change_rate(node, -i64::from(ppm)),
            Action::Disk { node, fault } => {
                self.system.disk(node, fault, false, &mut self.world);
            }
            Action::Retire(node) => {
                if !self.is_kept_down(node) {
                    self.start(node);
                }
            }
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
    fn start(&mut self, node: NodeId) {
        let host = self.world.host_mut(node);
        if host.up || host.ruined {
            return;
        }
        host.up = true;
        host.life += 1;
        self.system.start(node, &mut self.world);
    }

    /// Tells whether a fault in force keeps a node from being started.
    fn is_kept_down(&self, node: NodeId) -> bool {
        let in_force = self.world.network_faults.in_force().into_iter();
        in_force.map(|fault| &self.plan.faults[fault].action).any(|action| action.keeps_down(node))
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

#[cfg(test)]
mod tests {
    use super::super::{DiskFault, SwarmConfig, draw};
    use super::*;
    use synod_rng::Seed;

    /// Waits for nothing, again and again.
    struct Restless;

    type Nothing = World<(), ()>;

    impl System for Restless {
        type Message = ();
        type Wakeup = ();

        fn start(&mut self, node: NodeId, world: &mut Nothing) {
            world.set_timer(Address::Node(node), (), Micros(0));
        }

        fn wake(&mut self, at: Address, (): (), world: &mut Nothing) {
            world.set_timer(at, (), Micros(0));
        }

        fn crash(&mut self, _: NodeId, _: Crash, _: &mut Nothing) {}
        fn retire(&mut self, _: NodeId, _: &mut Nothing) {}
        fn disk(&mut self, _: NodeId, _: DiskFault, _: bool, _: &mut Nothing) {}
        fn deliver(&mut self, _: Address, _: Address, (): (), _: &mut Nothing) {}

        fn judge(&mut self, _: &Nothing) -> Result<(), Violation> {
            Ok(())
        }
    }

    #[test]
    fn a_run_in_which_time_stands_still_ends_and_fails() {
        let mut simulation = Simulation::new(draw(Seed(1), &SwarmConfig::default()), Restless);
        let ended = simulation.run_until(Micros::from_ms(1)).map_err(|found| found.invariant);
        assert_eq!(ended, Err("standstill"));
    }
}
