//! The monitor: it shows every step to every invariant, and keeps the first violation.
//!
//! What is judged is in `invariants`, one file for each property; here is only who is heard and
//! when. The claim kept true: no step of any replica goes unseen.

use synod_paxos::{Configuration, NodeId};
use synod_simulator::Violation;
use synod_smr::{Message, Record, Replica};

use crate::chosen_states::ChosenStates;
use crate::coverage::Tracker;
use crate::invariants::{self, Invariant, NotApplied};
use crate::journal_thread::Found;
use crate::kv_model::KvModel;
use crate::machine::SimWorld;
use crate::step::{Cause, Step};
use crate::trace::RecordedTraces;
use crate::transcript::Transcript;
use crate::tuning::Tuning;

/// Who judges a cluster.
pub struct Monitor {
    invariants: Vec<Box<dyn Invariant>>,
    violation: Option<Violation>,
    not_applied: NotApplied,
    transcript: Option<Transcript>,
    /// What the nodes would write down of themselves, if it is asked for.
    pub traces: Option<RecordedTraces>,
    /// What is known of the chosen prefix, to hold backups against.
    pub chosen: ChosenStates,
    /// What the largest decree takes that any node recorded.
    largest: usize,
    /// Who looks for the points of interest.
    pub tracker: Tracker,
}

impl Monitor {
    /// Makes the monitor of a cluster of these voters, with the invariants of the proof or
    /// without them.
    #[must_use]
    pub fn new(voters: &Configuration, is_proof_asked: bool) -> Self {
        let invariants = invariants::all(voters, is_proof_asked);
        let tracker = Tracker::new(voters.voters());
        let not_applied = NotApplied::default();
        let (transcript, traces) = (None, None);
        let (violation, chosen, largest) = (None, ChosenStates::default(), 0);
        Self { invariants, violation, not_applied, transcript, traces, chosen, largest, tracker }
    }

    /// Has the transcript of the run written, from its beginning on.
    pub fn keep_transcript(&mut self, tuning: &Tuning) {
        let settings = &tuning.settings;
        let bounds = (settings.replica.log, settings.batches_in_flight);
        self.transcript = Some(Transcript::new(tuning.voters.clone(), bounds));
    }

    /// Writes the transcript, if it was kept.
    pub fn write_transcript<'a>(
        &self,
        replicas: impl Iterator<Item = &'a Replica<KvModel>>,
    ) -> Option<String> {
        self.transcript.as_ref().map(|transcript| transcript.write(replicas))
    }

    /// Ends the transcript: what follows it cannot tell.
    pub fn end_transcript(&mut self, reason: String) {
        if let Some(transcript) = &mut self.transcript {
            transcript.end(reason);
        }
    }

    /// Numbers a message that leaves a node; 0 for one that no transcript is told of.
    pub fn on_packet(&mut self, from: NodeId, to: NodeId, message: &Message) -> u64 {
        self.transcript.as_mut().map_or(0, |transcript| transcript.on_packet(from, to, message))
    }

    /// Hears the number of the message that the next step takes.
    pub fn on_arrival(&mut self, number: u64) {
        if let Some(transcript) = &mut self.transcript {
            transcript.on_arrival(number);
        }
    }

    /// Hears of a recovery, before the first step of that life.
    pub fn on_recovery(&mut self, node: NodeId, found: &Found, is_stranger: bool) {
        for invariant in &mut self.invariants {
            if is_stranger && !invariant.judges_strangers() {
                continue;
            }
            if let Err(detail) = invariant.on_recovery(node, found) {
                // The first violation is kept alone: what comes after it may be its consequence.
                let violation = Violation::new(invariant.name(), detail);
                self.violation.get_or_insert(violation);
            }
        }
        if is_stranger {
            return;
        }
        self.tracker.on_recovery(node, found);
        if let Some(transcript) = &mut self.transcript {
            transcript.on_recovery(node, found);
        }
    }

    /// Hears of a step.
    pub fn on_step(&mut self, step: &Step<'_>, world: &mut SimWorld) {
        world.note(print(step));
        for invariant in &mut self.invariants {
            if step.is_stranger && !invariant.judges_strangers() {
                continue;
            }
            if let Err(detail) = invariant.on_step(step) {
                let violation = Violation::new(invariant.name(), detail);
                self.violation.get_or_insert(violation);
            }
        }
        // Asked of strangers as well: what they apply was chosen.
        self.chosen.on_step(step);
        if let Err(detail) = self.not_applied.on_step(step) {
            self.report("not-applied", detail);
        }
        if !step.is_stranger {
            self.tracker.on_step(step);
            if let Some(transcript) = &mut self.transcript {
                transcript.on_step(step);
            }
        }
        self.weigh(step.records);
        world.say(|| told(step));
    }

    /// Hears that a client was told that an operation of it was not applied.
    pub fn on_told_not_applied(&mut self, operation: u64) {
        if let Err(detail) = self.not_applied.on_told(operation) {
            self.report("not-applied", detail);
        }
    }

    /// Returns what the largest decree takes that any node recorded.
    #[must_use]
    pub fn largest_decree(&self) -> usize {
        self.largest
    }

    fn weigh(&mut self, records: &[Record]) {
        let weights = records.iter().map(|record| match record {
            Record::Accepted { decree, .. } | Record::Learned { decree, .. } => decree.weight(),
            Record::Promised(_) | Record::Chosen(_) => 0,
        });
        self.largest = weights.fold(self.largest, usize::max);
    }

    /// Hears that a replica's step did not end: an assertion of its own objects.
    pub fn on_panic(&mut self, node: NodeId, cause: Cause, words: &str) {
        self.report("panic", format!("node {node} takes {cause:?}: {words}"));
        if let Some(transcript) = &mut self.transcript {
            transcript.on_panic(node, cause, words);
        }
    }

    /// Hears an violation of somebody else.
    pub fn report(&mut self, invariant: &'static str, detail: String) {
        self.violation.get_or_insert_with(|| Violation::new(invariant, detail));
    }

    /// Returns the first violation.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }
}

/// What two equal runs agree in at a step.
fn print(step: &Step<'_>) -> u64 {
    let place = u64::from(step.node.number()) << 48 ^ step.now.0;
    let state = step.after.chosen.number() << 20 ^ step.after.promised.round();
    synod_smr::mix(place) ^ synod_smr::mix(state ^ sizes(step))
}

fn sizes(step: &Step<'_>) -> u64 {
    let sizes = [step.sent.len(), step.replies.len(), step.records.len(), step.durable.len()];
    sizes.iter().fold(0, |sum, size| sum << 8 ^ *size as u64)
}

fn told(step: &Step<'_>) -> String {
    let mut line = format!("node {} takes {:?}", step.node, step.cause);
    if step.before != step.after {
        line.push_str(&format!(", stands at {:?}", step.after));
    }
    for record in step.records {
        line.push_str(&format!(", writes {record:?}"));
    }
    for (to, message) in step.sent {
        if !matches!(message, Message::Heartbeat(_)) {
            line.push_str(&format!(", to {to:?}: {message:?}"));
        }
    }
    for (connection, _, response) in step.replies {
        line.push_str(&format!(", tells client {}: {response:?}", connection.0));
    }
    line
}
