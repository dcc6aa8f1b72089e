//! What a node proposed for a request it does not refuse as if it had not.
//!
//! A client that reads "not the leader" or "overloaded" may take it that this attempt changes
//! nothing (`request.rs`). So once the command is proposed, whoever asked before is told its reply,
//! or that nobody knows. The claim kept true: a refusal that this calls wrong is one of a request
//! that waited while its command was proposed; one that is refused at once is not looked at, as
//! another attempt may have been proposed in the same turn.

use std::collections::{BTreeMap, BTreeSet};

use synod_host::{CommandName, Said};
use synod_paxos::{Ballot, Decree, NodeId, Slot};
use synod_smr::{CommandBatch, Connection, RequestId};

use super::sessions::name_of;

/// A request of a client of one node.
type Asked = (Connection, RequestId);

/// The requests that wait, by the node.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<NodeId, Waiting>);

/// What waits at one node.
#[derive(Debug, Default)]
struct Waiting {
    requests: BTreeMap<Asked, Request>,
    by_name: BTreeMap<CommandName, BTreeSet<Asked>>,
    /// The last slot that was proposed in, and in which ballot.
    last: Option<(Ballot, Slot)>,
}

#[derive(Debug)]
struct Request {
    command: CommandName,
    /// In which turn it came.
    turn: u64,
    /// Where its command was proposed since.
    proposed: Option<(Ballot, Slot)>,
}

impl Refusals {
    /// Takes note that a node begins another life, with nobody who asked.
    pub(super) fn on_life(&mut self, node: NodeId) {
        self.0.remove(&node);
    }

    /// Takes note of a command that came in a turn.
    pub(super) fn on_asked(&mut self, node: NodeId, turn: u64, asked: Asked, command: CommandName) {
        let waiting = self.0.entry(node).or_default();
        waiting.take(asked);
        waiting.by_name.entry(command).or_default().insert(asked);
        waiting.requests.insert(asked, Request { command, turn, proposed: None });
    }

    /// Takes note of decrees that a leader proposes to all.
    pub(super) fn on_proposed(
        &mut self,
        node: NodeId,
        (ballot, first): (Ballot, Slot),
        decrees: &[Decree<CommandBatch>],
    ) {
        let waiting = self.0.entry(node).or_default();
        let mut slot = first;
        for decree in decrees {
            if waiting.last.is_none_or(|last| last < (ballot, slot)) {
                waiting.last = Some((ballot, slot));
                waiting.propose((ballot, slot), decree);
            }
            slot = slot.next();
        }
    }

    /// Takes note of an answer, and returns the command that it is about, if it is about one.
    ///
    /// # Errors
    ///
    /// Fails if it refuses what was proposed.
    pub(super) fn on_answered(
        &mut self,
        node: NodeId,
        turn: u64,
        asked: Asked,
        said: Said,
    ) -> Result<Option<CommandName>, String> {
        let request = self.0.get_mut(&node).and_then(|waiting| waiting.take(asked));
        let Some(Request { command, turn: came, proposed }) = request else { return Ok(None) };
        if let (Said::NotProposed, Some((ballot, slot))) = (said, proposed)
            && came < turn
        {
            let CommandName { session, sequence, .. } = command;
            return Err(format!(
                "a refused attempt changes nothing: command {} of session {session} waited, was \
                 proposed in ballot {ballot} and slot {slot}, and is refused",
                sequence.0
            ));
        }
        Ok(Some(command))
    }
}

impl Waiting {
    fn propose(&mut self, place: (Ballot, Slot), decree: &Decree<CommandBatch>) {
        let Decree::Value(batch) = decree else { return };
        for name in batch.commands().filter_map(|command| name_of(&command)) {
            for asked in self.by_name.get(&name).into_iter().flatten() {
                if let Some(request) = self.requests.get_mut(asked) {
                    request.proposed.get_or_insert(place);
                }
            }
        }
    }

    fn take(&mut self, asked: Asked) -> Option<Request> {
        let request = self.requests.remove(&asked)?;
        if let Some(same) = self.by_name.get_mut(&request.command) {
            same.remove(&asked);
            if same.is_empty() {
                self.by_name.remove(&request.command);
            }
        }
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use synod_smr::{Command, Principal, Sequence, SessionId};

    use super::*;

    const NODE: NodeId = NodeId::new(1);
    const BALLOT: Ballot = Ballot::new(3, NODE);
    const ASKED: Asked = (Connection(4), RequestId(5));

    fn command() -> Command {
        Command::Apply {
            principal: Principal::of_name("alice"),
            session: SessionId { slot: Slot::FIRST, position: 0 },
            sequence: Sequence(1),
            unanswered: Sequence(1),
            payload: Bytes::from_static(b"add"),
        }
    }

    fn refused(asked: u64, proposed: bool, answered: u64, said: Said) -> bool {
        let mut refusals = Refusals::default();
        let name = name_of(&command()).expect("a command of a client");
        refusals.on_asked(NODE, asked, ASKED, name);
        if proposed {
            let decrees = [Decree::Value(CommandBatch::encode(&[command()]))];
            refusals.on_proposed(NODE, (BALLOT, Slot::new(7)), &decrees);
        }
        refusals.on_answered(NODE, answered, ASKED, said).is_err()
    }

    #[test]
    fn what_was_proposed_is_not_refused() {
        assert!(refused(1, true, 2, Said::NotProposed));
        assert!(!refused(1, true, 2, Said::Uncertain));
        assert!(!refused(1, true, 2, Said::Reply(1)));
        assert!(!refused(1, false, 2, Said::NotProposed), "it never left the queue");
        assert!(!refused(1, true, 1, Said::NotProposed), "another attempt may have been proposed");
    }

    #[test]
    fn what_is_said_again_is_no_proposal_for_those_who_came_since() {
        let mut refusals = Refusals::default();
        let name = name_of(&command()).expect("a command of a client");
        let decrees = [Decree::Value(CommandBatch::encode(&[command()]))];
        refusals.on_proposed(NODE, (BALLOT, Slot::new(7)), &decrees);
        refusals.on_asked(NODE, 2, ASKED, name);
        refusals.on_proposed(NODE, (BALLOT, Slot::new(7)), &decrees);
        assert_eq!(refusals.on_answered(NODE, 3, ASKED, Said::NotProposed), Ok(Some(name)));
        assert_eq!(refusals.on_answered(NODE, 3, ASKED, Said::NotProposed), Ok(None), "told once");
    }

    #[test]
    fn a_life_that_is_over_answers_nobody() {
        let mut refusals = Refusals::default();
        let name = name_of(&command()).expect("a command of a client");
        refusals.on_asked(NODE, 1, ASKED, name);
        refusals.on_life(NODE);
        assert_eq!(refusals.on_answered(NODE, 2, ASKED, Said::NotProposed), Ok(None));
    }
}
