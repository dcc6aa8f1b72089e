//! Faults that the commands of a description begin and end, in turns that follow from the seed: of
//! another engine, at a cluster that the harness has not started, or beside its own faults at one
//! that it has, such as a change of the members.
//!
//! The harness knows that a command ended well, when, and what a witness of the description says;
//! what the fault did to the nodes it cannot see, and `judge` says so. The claims kept true: each
//! fault that was begun is lifted, however the run ends, unless the harness itself is killed; and
//! a command that failed is never taken for a fault.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synod_fault::{FaultId, NodeId, Scenario};
use synod_report::FaultSpan;
use synod_rng::{Random, Seed, Stream};
use tokio::time::Instant;

use super::InjectedFault;
use super::errand::Errand;
use super::guard::Guard;
use super::injector::Happened;
use super::record::Recorder;
use super::system::{Arg, EngineFault, Placeholders, System, SystemError};

/// The faults of an engine in a run.
#[derive(Debug)]
pub(crate) struct Engine {
    faults: Vec<EngineFault>,
    gaps: Placeholders,
    guard: Guard,
    run: PathBuf,
    seed: Seed,
    nodes: Vec<NodeId>,
    /// How many faults the plan has: those of the engine are counted after them.
    planned: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    /// How many were begun.
    begun: usize,
    told: EngineTold,
}

/// What is known of the faults of an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineTold {
    /// What commands of the engine did not do, one sentence each.
    pub failed: Vec<String>,
    /// How many faults a witness of the description saw.
    pub witnessed: usize,
    /// How many faults rest on the word of their commands alone.
    pub unwitnessed: usize,
}

/// A fault whose commands have begun.
#[derive(Clone, Debug)]
struct Open {
    turn: Turn,
    number: usize,
    /// Since when it is in force, as far as its command said so.
    since: Option<Duration>,
    /// What is wrong with it so far.
    failed: Vec<String>,
}

/// Which fault comes next, on whom, after how long, for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    fault: usize,
    node: NodeId,
    rest: Duration,
    hold: Duration,
}

impl Engine {
    /// Takes the faults of a description, if it has any.
    pub(crate) fn of(
        system: &System,
        gaps: Placeholders,
        guard: &Guard,
        run: PathBuf,
        plan: &Scenario,
    ) -> Option<Self> {
        let gaps = system.attached_gaps(gaps.with("run", &run));
        (!system.engine.is_empty()).then(|| Self {
            faults: system.engine.clone(),
            gaps,
            guard: guard.clone(),
            run,
            seed: plan.seed,
            nodes: plan.node_ids(),
            planned: plan.faults.len(),
            state: Mutex::default(),
        })
    }

    /// Lets faults come and go, one at a time, until `end`.
    pub(crate) async fn run(&self, end: Instant, record: &Recorder, happened: &Happened) {
        for turn in turns(self.seed, self.faults.len(), &self.nodes) {
            let begin = Instant::now() + turn.rest;
            // A fault that would be cut short by the end of the run is not begun: nobody could say
            // that it had its time.
            if begin + turn.hold > end {
                return;
            }
            tokio::time::sleep_until(begin).await;
            self.begin(turn, record, happened).await;
            tokio::time::sleep_until(end.min(Instant::now() + turn.hold)).await;
            self.end(record, happened).await;
        }
    }

    /// Returns what is known of the faults.
    pub(crate) fn told(&self) -> EngineTold {
        self.lock().told.clone()
    }

    async fn begin(&self, turn: Turn, record: &Recorder, happened: &Happened) {
        let name = &self.faults[turn.fault].name;
        let number = {
            let mut state = self.lock();
            state.begun += 1;
            // From here on it is lifted: a command that is cut short may have done its work.
            let number = state.begun;
            state.open = Some(Open { turn, number, since: None, failed: Vec::new() });
            number
        };
        happened.begin(self.id(number), name.clone());
        record.nemesis(name, format!("begin {}", self.detail(turn)));
        let injected = self.command(turn, number, "inject", &self.faults[turn.fault].inject).await;
        let since = injected.is_ok().then(|| record.now());
        if let Some(open) = &mut self.lock().open {
            open.since = since;
            open.failed.extend(injected.err());
        }
    }

    /// Ends the fault that is open, if one is.
    pub(crate) async fn end(&self, record: &Recorder, happened: &Happened) {
        let Some(mut open) = self.lock().open.clone() else { return };
        let (turn, number) = (open.turn, open.number);
        let fault @ EngineFault { name, lift, witness, .. } = &self.faults[turn.fault];
        let detail = self.detail(turn);
        // While the fault is in force: afterwards there may be nothing left to see.
        if let (Some(words), Some(_)) = (witness, open.since) {
            let seen = self.command(turn, number, "witness", words).await;
            open.failed.extend(seen.err());
        }
        let until = record.now();
        open.failed.extend(self.command(turn, number, "lift", lift).await.err());
        happened.end(self.id(number));
        record.nemesis(name, format!("end {detail}"));
        // A fault that was not lifted as it should may be in force still, and what the run shows is
        // not known to be with or without it.
        let effective = open.since.is_some() && open.failed.is_empty();
        let effect = match (effective, witness) {
            (true, Some(_)) => "its engine began and ended it, and its witness saw it".to_owned(),
            (true, None) => "its engine says that it began and ended it".to_owned(),
            (false, _) => open.failed.join("; "),
        };
        let span = FaultSpan {
            kind: name.clone(),
            nodes: if fault.names_node() { vec![turn.node.0] } else { Vec::new() },
            detail,
            start_ns: open.since.unwrap_or(until).as_nanos() as u64,
            end_ns: until.as_nanos() as u64,
            effect,
            effective,
        };
        let (overshadowed, refuted) = (false, Vec::new());
        happened.add(InjectedFault {
            planned: self.planned + number - 1,
            span,
            overshadowed,
            refuted,
        });
        let mut state = self.lock();
        state.open = None;
        match (effective, witness) {
            (true, Some(_)) => state.told.witnessed += 1,
            (true, None) => state.told.unwitnessed += 1,
            (false, _) => state.told.failed.append(&mut open.failed),
        }
    }

    /// Names the fault of this number among all that happen.
    const fn id(&self, number: usize) -> FaultId {
        FaultId((self.planned + number) as u32)
    }

    /// Says whom a fault hits, as far as that is known.
    fn detail(&self, turn: Turn) -> String {
        if self.faults[turn.fault].names_node() {
            return format!("of node {}, by its engine", turn.node);
        }
        "by its engine".to_owned()
    }

    /// Runs a command of a fault to its end.
    async fn command(
        &self,
        turn: Turn,
        number: usize,
        what: &str,
        words: &[Arg],
    ) -> Result<(), String> {
        let name = &self.faults[turn.fault].name;
        let gaps = self.gaps.clone().with("node", turn.node.to_string());
        let launch = gaps.fill(words).map_err(|error: SystemError| error.to_string())?;
        let errand = Errand {
            what: format!("the {what} of {name}, fault {number} of its engine,"),
            launch,
            variables: Vec::new(),
            home: self.run.join(format!("engine/{number}/{what}")),
            run: self.run.clone(),
            limit: COMMAND_LIMIT,
        };
        errand.run(&self.guard).await.map_err(|failed| failed.told())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws faults without end: each kind in turn, on nodes that are drawn.
fn turns(seed: Seed, faults: usize, nodes: &[NodeId]) -> impl Iterator<Item = Turn> {
    let mut random = Random::new(seed, Stream::named("engine"));
    let first = random.below(faults.max(1) as u64) as usize;
    // Each kind has its turn in any run that is long enough; which one is first follows from the
    // seed, so that short runs together have all.
    (first..).map(move |number| Turn {
        fault: number % faults.max(1),
        node: nodes[random.below(nodes.len() as u64) as usize],
        rest: Duration::from_millis(random.between(1_000, 2_000)),
        hold: Duration::from_millis(random.between(2_000, 4_000)),
    })
}

/// The shortest run in which a fault of an engine certainly has its time.
pub(crate) const ENGINE_MS_MIN: u64 = 6_000;

/// How long a command of an engine may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_turn_and_the_same_seed_gives_the_same_turns() {
        let nodes: Vec<NodeId> = (1..=3).map(NodeId).collect();
        let drawn = |seed| turns(Seed(seed), 2, &nodes).take(40).collect::<Vec<_>>();
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert!(drawn(7).windows(2).all(|pair| pair[0].fault != pair[1].fault));
        assert!(nodes.iter().all(|node| drawn(7).iter().any(|turn| turn.node == *node)));
        let longest = drawn(7).iter().map(|turn| turn.rest + turn.hold).max();
        assert!(longest <= Some(Duration::from_millis(ENGINE_MS_MIN)));
    }
}
