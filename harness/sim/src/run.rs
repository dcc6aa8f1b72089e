//! The loop: the next event happens, the system does its part, and is judged.
//!
//! Faults begin and end as the plan says (`faults`); healing ends them all at once. The claim kept
//! true: one event at a time, judged before the next.

use synod_fault::{Action, FaultId, InForce, LedBefore, NodeId, Scenario};
use synod_history::History;

use super::event_queue::Micros;
use super::run_tally::RunTally;
use super::world::{Event, World};
use super::{Address, System, Violation};

/// A system in a simulated world.
pub struct Simulation<S: System> {
    /// The system.
    pub system: S,
    pub(super) plan: Scenario,
    pub(super) world: World<S::Message, S::Wakeup>,
    /// Who led when the time of a fault came that waits for somebody else.
    pub(super) led: LedBefore,
    /// How many events happened at the present instant.
    at_once: u64,
    /// How many of those had waited for a node that was paused.
    pub(super) backlog: u64,
}

/// How many events an instant may hold beside those that waited for it: whoever waits for nothing
/// again and again never ends.
const EVENTS_AT_ONCE_MAX: u64 = 100_000;

impl<S: System> Simulation<S> {
    /// Puts a system into the world of a scenario, of which every draw is made, and starts its
    /// nodes.
    pub fn new(scenario: &Scenario, system: S) -> Self {
        let plan = scenario.drawn();
        let mut world = World::new(&plan);
        for (place, fault) in (0..).zip(&plan.faults) {
            world.event_queue.put(Micros::from_ms(fault.at_ms.0), Event::Begin(FaultId(place)));
        }
        let mut simulation =
            Self { system, plan, world, led: LedBefore::default(), at_once: 0, backlog: 0 };
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
    pub fn plan(&self) -> &Scenario {
        &self.plan
    }

    /// Returns what the run amounted to so far.
    pub fn tally(&self) -> RunTally {
        RunTally { effective: self.world.network_faults.effective(), ..self.world.tally }
    }

    /// Tells whether a fault of the plan began, whether or not it ended.
    pub fn has_begun(&self, fault: FaultId) -> bool {
        self.world.network_faults.in_force().has_begun(fault)
    }

    /// Returns the faults in force.
    pub fn in_force(&self) -> &InForce {
        self.world.network_faults.in_force()
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
            let goes_on = at > self.world.now;
            (self.at_once, self.backlog) =
                if goes_on { (0, 0) } else { (self.at_once + 1, self.backlog) };
            // What a paused node finds as it goes on comes at one instant, however much that is,
            // and is no standstill.
            if self.at_once > EVENTS_AT_ONCE_MAX + self.backlog {
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
        for fault in self.world.network_faults.in_force().faults() {
            self.end(fault);
        }
        self.world.network_faults.heal();
        // Some ended by themselves, and no fault is left whose end would start them.
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
            Event::Retire { node, life } => self.retire(node, life),
            Event::Restart { node, life } => {
                if self.world.host(node).life == life && !self.is_kept_down(node) {
                    self.start(node);
                }
            }
        }
    }

    pub(super) fn hold(&mut self, node: NodeId, event: Event<S::Message, S::Wakeup>) {
        self.world.host_mut(node).held.push(event);
        self.world
            .network_faults
            .note_where(|active| active.action == Action::Pause && active.hits(node));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Crash;
    use super::*;
    use synod_fault::DiskFault;
    use synod_fault::Millis;
    use synod_fault::swarm::{SwarmConfig, draw};
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
        fn leader(&self) -> Option<NodeId> {
            None
        }

        fn retire(&mut self, _: NodeId, _: &mut Nothing) {}
        fn disk(&mut self, _: NodeId, _: DiskFault, _: bool, _: &mut Nothing) {}
        fn deliver(&mut self, _: Address, _: Address, (): (), _: &mut Nothing) {}

        fn judge(&mut self, _: &Nothing) -> Result<(), Violation> {
            Ok(())
        }
    }

    #[test]
    fn a_run_in_which_time_stands_still_ends_and_fails() {
        let mut simulation = Simulation::new(&draw(Seed(1), &SwarmConfig::default()), Restless);
        let ended = simulation.run_until(Micros::from_ms(1)).map_err(|found| found.invariant);
        assert_eq!(ended, Err("standstill"));
    }

    /// The first node tells the second one more than an instant may hold, and counts nothing.
    struct Talker {
        heard: u64,
    }

    impl System for Talker {
        type Message = ();
        type Wakeup = ();

        fn start(&mut self, node: NodeId, world: &mut Nothing) {
            if node == NodeId(1) {
                world.set_timer(Address::Node(node), (), Micros::from_ms(20));
            }
        }

        fn wake(&mut self, at: Address, (): (), world: &mut Nothing) {
            for _ in 0..=EVENTS_AT_ONCE_MAX {
                world.send(at, Address::Node(NodeId(2)), (), 1);
            }
        }

        fn deliver(&mut self, _: Address, _: Address, (): (), _: &mut Nothing) {
            self.heard += 1;
        }

        fn crash(&mut self, _: NodeId, _: Crash, _: &mut Nothing) {}
        fn leader(&self) -> Option<NodeId> {
            None
        }

        fn retire(&mut self, _: NodeId, _: &mut Nothing) {}
        fn disk(&mut self, _: NodeId, _: DiskFault, _: bool, _: &mut Nothing) {}

        fn judge(&mut self, _: &Nothing) -> Result<(), Violation> {
            Ok(())
        }
    }

    #[test]
    fn a_node_that_finds_much_when_it_goes_on_does_not_stand_still() {
        let mut plan = Scenario::calm(Seed(1), 2, Millis(1_000));
        // What is sent comes over a second or so, and all of it is there when the node goes on.
        plan.conditions.links.jitter_ms = Millis(400);
        let (from, pause) = (Millis(10), Action::Pause);
        let target = synod_fault::Target::Node(NodeId(2));
        plan.faults = vec![synod_fault::PlannedFault::new(from, Millis(600), pause, target)];
        let mut simulation = Simulation::new(&plan, Talker { heard: 0 });
        assert_eq!(simulation.run_until(Micros::from_ms(1_000)), Ok(()));
        assert_eq!(simulation.system.heard, EVENTS_AT_ONCE_MAX + 1);
    }
}
