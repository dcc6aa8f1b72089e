//! The world as a system sees it: time, messages, timers, chance, the history of its clients.
//!
//! Whether a node is up, paused or gone for good is kept here too, because it decides what reaches
//! it. A paused node finds all messages that came meanwhile before any timer, as a process does
//! that drains its sockets first. The claim kept true: nothing reaches a process that was not meant
//! for it in this life, but messages, which live as long as the network likes.

use synod_fault::{Action, DiskFault, FaultId, NodeId, STILL_PPM, Scenario};
use synod_history::{Event as HistoryEvent, EventKind, History, HistoryBuilder};
use synod_rng::{Random, Stream, mix};

use super::event_queue::{EventQueue, Micros};
use super::network_faults::NetworkFaults;
use super::run_tally::RunTally;
use super::{Address, Violation};

/// What happens next, and to whom.
#[derive(Clone, Debug)]
pub(super) enum Event<M, T> {
    Deliver { from: Address, to: Address, message: M },
    Wake { at: Address, life: u64, wakeup: T, by_clock: bool },
    Begin(FaultId),
    Toggle(FaultId),
    End(FaultId),
    Retire { node: NodeId, life: u64 },
    Restart { node: NodeId, life: u64 },
}

/// The world around the nodes and clients of a system.
pub struct World<M, T> {
    pub(super) now: Micros,
    pub(super) event_queue: EventQueue<Event<M, T>>,
    pub(super) network_faults: NetworkFaults,
    pub(super) hosts: Vec<Host<M, T>>,
    pub(super) tally: RunTally,
    chance: Random,
    trace: u64,
    history: HistoryBuilder,
    events: u64,
    /// How many operations of clients were answered.
    answered: u64,
    refused: Option<Violation>,
    log: Option<Vec<String>>,
}

/// What the world knows of a node's process.
#[derive(Clone, Debug)]
pub(super) struct Host<M, T> {
    pub(super) up: bool,
    /// Whether it will never start again.
    pub(super) ruined: bool,
    /// How often it was started or ended; what was set in another life comes to nothing.
    pub(super) life: u64,
    pub(super) pauses: u32,
    pub(super) held: Vec<Event<M, T>>,
    /// By how many parts of a million its clock is fast.
    pub(super) ppm: i64,
    /// What its clock said when it last changed its pace or jumped.
    pub(super) clock: Micros,
    /// When that was.
    pub(super) clock_at: Micros,
}

impl<M, T> Host<M, T> {
    /// Returns what its clock says.
    fn read_clock(&self, now: Micros) -> Micros {
        let passed = now.since(self.clock_at).0;
        // Every turn reads the clock, and most clocks are true.
        let counted = if self.ppm == 0 { passed } else { counted(passed, self.ppm) };
        self.clock.plus(Micros(counted))
    }

    /// Takes note of what its clock says before it changes its pace.
    pub(super) fn stop_clock(&mut self, now: Micros) {
        self.clock = self.read_clock(now);
        self.clock_at = now;
    }
}

impl<M: Clone, T> World<M, T> {
    pub(super) fn new(plan: &Scenario) -> Self {
        let host = |ppm: &i32| Host {
            up: false,
            ruined: false,
            life: 0,
            pauses: 0,
            held: Vec::new(),
            ppm: i64::from(*ppm),
            clock: Micros(0),
            clock_at: Micros(0),
        };
        let still = vec![0; usize::from(plan.nodes)];
        let ppm =
            if plan.conditions.clock_ppm.is_empty() { &still } else { &plan.conditions.clock_ppm };
        Self {
            now: Micros(0),
            event_queue: EventQueue::new(),
            network_faults: NetworkFaults::new(plan),
            hosts: ppm.iter().map(host).collect(),
            tally: RunTally::default(),
            chance: Random::new(plan.seed, Stream::named("system")),
            trace: mix(plan.seed.0),
            history: HistoryBuilder::new("simulation"),
            events: 0,
            answered: 0,
            refused: None,
            log: None,
        }
    }

    /// Returns the virtual time.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Returns what a node's own clock says, which only ever grows.
    #[must_use]
    pub fn clock(&self, node: NodeId) -> Micros {
        self.host(node).read_clock(self.now)
    }

    /// Returns the dice of the system.
    pub fn chance(&mut self) -> &mut Random {
        &mut self.chance
    }

    /// Sends a message of so many bytes, which may be lost, late, or there twice.
    pub fn send(&mut self, from: Address, to: Address, message: M, bytes: usize) {
        let delivery = self.network_faults.packet(from, to, bytes, self.now);
        self.tally.sent += 1;
        if let Some(at) = delivery.second {
            self.tally.doubled += 1;
            let message = message.clone();
            self.event_queue.put(at, Event::Deliver { from, to, message });
        }
        match delivery.first {
            Some(at) => self.event_queue.put(at, Event::Deliver { from, to, message }),
            None => self.tally.lost += 1,
        }
    }

    /// Wakes a node or client after so much time on its own clock.
    pub fn set_timer(&mut self, at: Address, wakeup: T, length: Micros) {
        let true_length = match at {
            Address::Node(node) => on_clock(length, self.host(node).ppm),
            Address::Client(_) => length,
        };
        self.put_wake(at, wakeup, true_length, true);
    }

    /// Wakes a node or client after so much true time: the end of what a device does.
    pub fn after(&mut self, at: Address, wakeup: T, length: Micros) {
        self.put_wake(at, wakeup, length, false);
    }

    /// Tells whether a node's process runs, paused or not.
    #[must_use]
    pub fn is_up(&self, node: NodeId) -> bool {
        self.host(node).up
    }

    /// Tells whether a node is gone for good.
    #[must_use]
    pub fn is_ruined(&self, node: NodeId) -> bool {
        self.host(node).ruined
    }

    /// Tells whether packets from one node to another are not cut off at the moment.
    #[must_use]
    pub fn is_open(&self, from: NodeId, to: NodeId) -> bool {
        from == to || self.network_faults.is_open(from, to)
    }

    /// Says that a node's process ended by itself; its machine starts it again after `comeback`,
    /// or when the fault that ended it is over.
    pub fn ended(&mut self, node: NodeId, comeback: Option<Micros>) {
        let host = self.host_mut(node);
        host.up = false;
        host.life += 1;
        host.held.clear();
        let life = host.life;
        if let Some(length) = comeback {
            self.event_queue.put(self.now.plus(length), Event::Restart { node, life });
        }
    }

    /// Says that a node cannot ever be started again.
    pub fn ruined(&mut self, node: NodeId) {
        self.ended(node, None);
        self.host_mut(node).ruined = true;
        self.tally.ruined += 1;
    }

    /// Says that a fault of this kind of a node's disk did something.
    pub fn felt_disk(&mut self, node: NodeId, which: impl Fn(DiskFault) -> bool) {
        self.network_faults.note_where(|active| {
            active.hits(node) && matches!(&active.action, Action::Disk(fault) if which(*fault))
        });
    }

    /// Says that a node is about to end because it was asked to.
    pub fn felt_retirement(&mut self, node: NodeId) {
        self.network_faults.note_where(|active| active.action.retires() && active.hits(node));
    }

    /// Mixes a word into the trace hash: whatever two equal runs must agree in.
    pub fn note(&mut self, word: u64) {
        self.trace = mix(self.trace ^ word);
    }

    /// Returns the trace hash: equal for equal runs.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Counts a step of a node.
    pub fn count_step(&mut self) {
        self.tally.steps += 1;
    }

    /// Records what a client did or saw. Time and index are filled in here.
    pub fn record(&mut self, mut event: HistoryEvent) {
        event.index = self.events;
        event.time_ns = self.now.0 * 1_000;
        self.events += 1;
        self.answered += u64::from(event.kind == EventKind::Ok);
        if let Err(error) = self.history.push(&event) {
            self.refused.get_or_insert_with(|| Violation::new("history", error.to_string()));
        }
    }

    /// Returns how many operations of clients were answered.
    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// Writes a line into the log, if one is kept.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let line = line();
            log.push(format!("{} {line}", self.now));
        }
    }

    /// Keeps a log from here on.
    pub fn keep_log(&mut self) {
        self.log.get_or_insert_default();
    }

    /// Takes the log out.
    pub fn take_log(&mut self) -> Vec<String> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes the history out.
    pub(super) fn take_history(&mut self) -> History {
        let fresh = HistoryBuilder::new("simulation");
        std::mem::replace(&mut self.history, fresh).finish()
    }

    pub(super) fn take_refused(&mut self) -> Option<Violation> {
        self.refused.take()
    }

    pub(super) fn host(&self, node: NodeId) -> &Host<M, T> {
        &self.hosts[usize::from(node.0) - 1]
    }

    pub(super) fn host_mut(&mut self, node: NodeId) -> &mut Host<M, T> {
        &mut self.hosts[usize::from(node.0) - 1]
    }

    fn put_wake(&mut self, at: Address, wakeup: T, length: Micros, by_clock: bool) {
        let life = match at {
            Address::Node(node) => self.host(node).life,
            Address::Client(_) => 0,
        };
        self.event_queue.put(self.now.plus(length), Event::Wake { at, life, wakeup, by_clock });
    }
}

/// Returns how many microseconds a clock counts that is so many parts of a million fast.
fn counted(passed: u64, ppm: i64) -> u64 {
    let counted = u128::from(passed) * u128::from(pace(ppm)) / 1_000_000;
    u64::try_from(counted).unwrap_or(u64::MAX)
}

/// Returns how many microseconds a clock counts in a true second that is so many parts of a
/// million fast. Several rates add up, to a clock that stands still at most, as a real one does.
pub(super) fn pace(ppm: i64) -> u64 {
    const MILLION: i64 = 1_000_000;
    u64::try_from(MILLION + ppm.max(STILL_PPM.into())).unwrap_or(1)
}

/// Returns the true length of what a clock that is so many parts of a million fast counts. A wait
/// takes some time on any clock: one that took none would be set again for ever.
fn on_clock(length: Micros, ppm: i64) -> Micros {
    let true_length = length.0.saturating_mul(1_000_000) / pace(ppm);
    // A wait that is not none never becomes none on a fast clock: who waits again and again would
    // otherwise hold up the time of all.
    Micros(true_length.max(length.0.min(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_takes_some_time_on_any_clock() {
        for ppm in [-1_000_000, 0, 1_500_000, 50_000_000] {
            assert!(on_clock(Micros(2), ppm) >= Micros(1), "{ppm}");
        }
        assert_eq!(on_clock(Micros(0), 1_500_000), Micros(0));
    }

    #[test]
    fn a_true_clock_counts_what_passes() {
        for passed in [0, 1, 999_999, u64::MAX] {
            assert_eq!(counted(passed, 0), passed);
        }
        assert_eq!(counted(1_000_000, 500), 1_000_500);
    }

    #[test]
    fn a_fast_clock_waits_less_and_a_slow_one_more() {
        assert_eq!(on_clock(Micros(1_000), 0), Micros(1_000));
        assert_eq!(on_clock(Micros(1_000), 1_000_000), Micros(500));
        assert_eq!(on_clock(Micros(1_000), -500_000), Micros(2_000));
        assert_eq!(on_clock(Micros(1_000), -5_000_000), Micros(1_000_000_000));
    }
}
