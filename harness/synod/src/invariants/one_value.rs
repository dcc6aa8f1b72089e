//! OneValuePerBallot: in one ballot and slot, only one decree is ever proposed or voted for.

use std::collections::BTreeMap;

use synod_paxos::{Ballot, Decree, Immediate, Message as Paxos, Slot};
use synod_smr::{CommandBatch, Message, Record, fingerprint};

use super::Invariant;
use crate::step::Step;

/// How many proposals are remembered; the oldest ballots and slots go first.
const KEPT: usize = 16_384;

/// The decree of each ballot and slot.
#[derive(Default)]
pub(super) struct OneValuePerBallot {
    decrees: BTreeMap<(Ballot, Slot), u64>,
}

impl Invariant for OneValuePerBallot {
    fn name(&self) -> &'static str {
        "one-value-per-ballot"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for record in step.records {
            match record {
                Record::Accepted { ballot, slot, decree } => self.see(*ballot, *slot, decree)?,
                Record::Promised(_) | Record::Learned { .. } | Record::Chosen(_) => {}
            }
        }
        for (_, message) in step.sent {
            if let Message::Paxos(Paxos::Immediate(Immediate::Accept {
                ballot,
                first,
                decrees,
                ..
            })) = message
            {
                for (decree, past) in decrees.iter().zip(0..) {
                    self.see(*ballot, first.plus(past), decree)?;
                }
            }
        }
        Ok(())
    }
}

impl OneValuePerBallot {
    fn see(
        &mut self,
        ballot: Ballot,
        slot: Slot,
        decree: &Decree<CommandBatch>,
    ) -> Result<(), String> {
        let mark = match decree {
            Decree::Noop => 0,
            Decree::Value(batch) => fingerprint(batch.bytes()) | 1,
        };
        let known = *self.decrees.entry((ballot, slot)).or_insert(mark);
        if self.decrees.len() > KEPT {
            self.decrees.pop_first();
        }
        if known == mark {
            return Ok(());
        }
        Err(format!("ballot {ballot} has two decrees in slot {slot}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_paxos::NodeId;

    #[test]
    fn a_second_decree_of_one_ballot_is_refused() {
        let ballot = Ballot::new(1, NodeId::new(1));
        let batch = CommandBatch::encode(&[]);
        let mut values = OneValuePerBallot::default();
        assert!(values.see(ballot, Slot::new(0), &Decree::Noop).is_ok());
        assert!(values.see(ballot, Slot::new(1), &Decree::Value(batch.clone())).is_ok());
        assert!(values.see(ballot, Slot::new(0), &Decree::Value(batch)).is_err());
    }
}
