//! The table of sessions, as the chosen decrees alone make it, and what nodes tell of theirs.
//!
//! `Smr!Apply` says what a command of the log leads to: the first time it changes the machine, and
//! from then on its session has its reply. So whoever knows the decrees knows of each command how
//! it stands, and which reply is that of which; what the replies say is left to the history. This
//! is written from the specification and shares nothing with the table that nodes keep, but for the
//! bounds: which session goes where there are too many is not foreseen, so a node that calls one
//! expired is believed, for good. The claims kept true: `ExactlyOnce`, in that what was applied is
//! never taken for fresh or for another; `OneReply`; and `StateEquality` of all nodes in what
//! stands in their tables.

use std::collections::BTreeMap;

use synod_host::{CommandName, CommandStanding};
use synod_paxos::{Decree, NodeId, Slot};
use synod_smr::{Command, CommandBatch, Fingerprint, PIPELINE_MAX, Principal, Sequence, SessionId};

/// The tables of all nodes, and the reply of each command.
#[derive(Debug, Default)]
pub(super) struct SessionTables {
    nodes: BTreeMap<NodeId, Table>,
    replies: BTreeMap<(SessionId, Sequence), u32>,
}

/// What the decrees below a slot lead to.
#[derive(Debug)]
struct Table {
    applied: Slot,
    sessions: BTreeMap<SessionId, Session>,
}

#[derive(Debug)]
struct Session {
    principal: Principal,
    /// The first number that its client has no answer for.
    unanswered: Sequence,
    /// All that was ever applied.
    applied: BTreeMap<Sequence, Fingerprint>,
}

/// How a command stands by the decrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Fresh,
    Applied,
    Expired,
    Stale,
    Reused,
    TooFar,
}

impl SessionTables {
    /// Holds what a node tells of a command against the decrees below `chosen`, all of which it has
    /// applied.
    ///
    /// # Errors
    ///
    /// Fails where it stands otherwise, and where one of the decrees is not chosen.
    pub(super) fn stands<'d>(
        &mut self,
        (node, chosen): (NodeId, Slot),
        (slot, position): (Slot, u32),
        told: CommandStanding,
        decree: impl Fn(Slot) -> Option<&'d Decree<CommandBatch>>,
    ) -> Result<(), String> {
        let command = decree(slot).and_then(|decree| command_at(decree, position));
        let Some(command) = command.filter(|_| slot < chosen) else {
            return Err(format!("{slot}/{position}: no command was applied there"));
        };
        let table = self.nodes.entry(node).or_default();
        table.go_to(chosen, decree)?;
        let CommandName { session, sequence, .. } = command;
        let expected = table.standing(&command);
        match (expected, told) {
            // It was never there, or is another's.
            (Expected::Expired, CommandStanding::Expired) => Ok(()),
            (_, CommandStanding::Expired) => {
                table.sessions.remove(&session);
                Ok(())
            }
            (Expected::Applied, CommandStanding::Applied(reply)) => self.one_reply(&command, reply),
            (Expected::Applied, CommandStanding::Lost)
            | (Expected::Fresh, CommandStanding::Fresh)
            | (Expected::Stale, CommandStanding::Stale)
            | (Expected::Reused, CommandStanding::Reused)
            | (Expected::TooFar, CommandStanding::TooFar) => Ok(()),
            (
                Expected::Fresh
                | Expected::Applied
                | Expected::Expired
                | Expected::Stale
                | Expected::Reused
                | Expected::TooFar,
                CommandStanding::Fresh
                | CommandStanding::Applied(_)
                | CommandStanding::Lost
                | CommandStanding::Stale
                | CommandStanding::Reused
                | CommandStanding::TooFar,
            ) => Err(format!(
                "StateEquality: command {} of session {session} stands as {expected:?} by the \
                 decrees below slot {chosen}, and as {told:?} at node {node}",
                sequence.0
            )),
        }
    }

    /// Holds a reply to a client against the decrees below `chosen`: the command must be among
    /// them, and the reply its own.
    ///
    /// # Errors
    ///
    /// Fails where it was not applied, or had another reply.
    pub(super) fn replied<'d>(
        &mut self,
        (node, chosen): (NodeId, Slot),
        command: &CommandName,
        reply: u32,
        decree: impl Fn(Slot) -> Option<&'d Decree<CommandBatch>>,
    ) -> Result<(), String> {
        let table = self.nodes.entry(node).or_default();
        table.go_to(chosen, decree)?;
        let CommandName { session, sequence, payload, .. } = *command;
        let Some(held) = table.sessions.get(&session) else { return Ok(()) };
        if held.applied.get(&sequence) != Some(&payload) {
            return Err(format!(
                "<<c, reply[c]>> \\in answer: command {} of session {session} is answered, and \
                 no slot below {chosen} applied it",
                sequence.0
            ));
        }
        self.one_reply(command, reply)
    }

    /// Holds the refusal of a number that was answered before against the decrees.
    ///
    /// # Errors
    ///
    /// Fails where its client did not say so in any of them.
    pub(super) fn called_stale<'d>(
        &mut self,
        (node, chosen): (NodeId, Slot),
        command: &CommandName,
        decree: impl Fn(Slot) -> Option<&'d Decree<CommandBatch>>,
    ) -> Result<(), String> {
        let table = self.nodes.entry(node).or_default();
        table.go_to(chosen, decree)?;
        let CommandName { session, sequence, .. } = *command;
        match table.sessions.get(&session) {
            Some(held) if sequence >= held.unanswered => Err(format!(
                "StateEquality: command {} of session {session} is refused as answered, and its \
                 client waits for all from {} on",
                sequence.0, held.unanswered.0
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn one_reply(&mut self, command: &CommandName, reply: u32) -> Result<(), String> {
        let CommandName { session, sequence, .. } = *command;
        let first = *self.replies.entry((session, sequence)).or_insert(reply);
        if first == reply {
            return Ok(());
        }
        Err(format!(
            "OneReply: command {} of session {session} has a reply of print {reply:08x}, and had \
             one of {first:08x}",
            sequence.0
        ))
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { applied: Slot::FIRST, sessions: BTreeMap::new() }
    }
}

impl Table {
    /// Applies what is chosen below a slot; from the beginning, if it is past that: a node that
    /// starts again may know of less.
    fn go_to<'d>(
        &mut self,
        end: Slot,
        decree: impl Fn(Slot) -> Option<&'d Decree<CommandBatch>>,
    ) -> Result<(), String> {
        if self.applied > end {
            *self = Self::default();
        }
        while self.applied < end {
            let slot = self.applied;
            let chosen = decree(slot).ok_or_else(|| format!("slot {slot}: nothing is chosen"))?;
            if let Decree::Value(batch) = chosen {
                for (position, command) in (0..).zip(batch.commands()) {
                    self.apply(SessionId { slot, position }, &command);
                }
            }
            self.applied = slot.next();
        }
        Ok(())
    }

    /// `Smr!Apply`, for one command.
    fn apply(&mut self, place: SessionId, command: &Command) {
        match command {
            Command::Open { principal, .. } => {
                let (principal, applied) = (*principal, BTreeMap::new());
                let session = Session { principal, unanswered: Sequence::FIRST, applied };
                self.sessions.insert(place, session);
            }
            Command::Apply { unanswered, .. } => {
                let Some(name) = name_of(command) else { return };
                let Some(held) = self.sessions.get_mut(&name.session) else { return };
                if held.principal != name.principal {
                    return;
                }
                held.unanswered = held.unanswered.max(*unanswered);
                if self.standing(&name) == Expected::Fresh
                    && let Some(held) = self.sessions.get_mut(&name.session)
                {
                    held.applied.insert(name.sequence, name.payload);
                }
            }
        }
    }

    fn standing(&self, command: &CommandName) -> Expected {
        let CommandName { principal, session, sequence, payload } = *command;
        let held = self.sessions.get(&session).filter(|held| held.principal == principal);
        let Some(Session { unanswered, applied, .. }) = held else { return Expected::Expired };
        match applied.get(&sequence) {
            // What a client has the answer to is let go of.
            _ if sequence < *unanswered => Expected::Stale,
            Some(before) if *before == payload => Expected::Applied,
            Some(_) => Expected::Reused,
            None if sequence >= unanswered.plus(PIPELINE_MAX) => Expected::TooFar,
            None => Expected::Fresh,
        }
    }
}

/// Names a command of a client.
pub(super) fn name_of(command: &Command) -> Option<CommandName> {
    let Command::Apply { principal, session, sequence, payload, unanswered: _ } = command else {
        return None;
    };
    let payload = Fingerprint::of(payload);
    Some(CommandName { principal: *principal, session: *session, sequence: *sequence, payload })
}

fn command_at(decree: &Decree<CommandBatch>, position: u32) -> Option<CommandName> {
    let Decree::Value(batch) = decree else { return None };
    let position = usize::try_from(position).ok()?;
    name_of(&batch.commands().nth(position)?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use synod_smr::{ClientId, Opening};

    use super::*;

    const NODE: NodeId = NodeId::new(1);
    const SESSION: SessionId = SessionId { slot: Slot::FIRST, position: 0 };

    fn alice() -> Principal {
        Principal::of_name("alice")
    }

    fn command(sequence: u64, unanswered: u64, text: &'static str) -> Command {
        Command::Apply {
            principal: alice(),
            session: SESSION,
            sequence: Sequence(sequence),
            unanswered: Sequence(unanswered),
            payload: Bytes::from_static(text.as_bytes()),
        }
    }

    /// A log with one command a slot, behind the opening of their session.
    fn log(commands: &[Command]) -> Vec<Decree<CommandBatch>> {
        let opening = Opening::first(ClientId::new(7));
        let open = Command::Open { principal: alice(), opening };
        let all = [open].into_iter().chain(commands.iter().cloned());
        all.map(|command| Decree::Value(CommandBatch::encode(&[command]))).collect()
    }

    fn told(
        log: &[Decree<CommandBatch>],
        standings: &[(u64, CommandStanding)],
    ) -> Result<(), String> {
        let mut tables = SessionTables::default();
        let decree = |slot: Slot| log.get(usize::try_from(slot.number()).ok()?);
        standings.iter().try_for_each(|(number, standing)| {
            let (slot, chosen) = (Slot::new(*number), Slot::new(number + 1));
            tables.stands((NODE, chosen), (slot, 0), *standing, decree)
        })
    }

    #[test]
    fn a_repetition_has_the_reply_of_the_first() {
        let twice = log(&[command(1, 1, "add"), command(1, 1, "add")]);
        let applied = |reply| CommandStanding::Applied(reply);
        assert_eq!(told(&twice, &[(1, applied(5)), (2, applied(5))]), Ok(()));
        let again = told(&twice, &[(1, applied(5)), (2, applied(6))]);
        assert!(again.is_err_and(|why| why.contains("OneReply")));
    }

    #[test]
    fn a_number_below_the_first_unanswered_one_is_stale_for_ever() {
        let late = log(&[command(1, 1, "add"), command(2, 2, "add"), command(1, 1, "add")]);
        let before = [(1, CommandStanding::Applied(1)), (2, CommandStanding::Applied(2))];
        let with = |last| told(&late, &[before[0], before[1], (3, last)]);
        assert_eq!(with(CommandStanding::Stale), Ok(()));
        for last in
            [CommandStanding::Applied(1), CommandStanding::Applied(3), CommandStanding::Fresh]
        {
            assert!(with(last).is_err_and(|why| why.contains("StateEquality")), "{last:?}");
        }
    }

    #[test]
    fn a_number_stands_for_one_command_and_not_too_far_ahead() {
        let far = 1 + PIPELINE_MAX;
        let log = log(&[command(1, 1, "add"), command(1, 1, "cut"), command(far, 1, "add")]);
        let all = [
            (1, CommandStanding::Applied(1)),
            (2, CommandStanding::Reused),
            (3, CommandStanding::TooFar),
        ];
        assert_eq!(told(&log, &all), Ok(()));
        assert!(told(&log, &[(2, CommandStanding::Applied(1))]).is_err());
        assert!(told(&log, &[(3, CommandStanding::Applied(1))]).is_err());
    }

    #[test]
    fn a_session_that_is_called_expired_does_not_come_back() {
        let twice = log(&[command(1, 1, "add"), command(2, 1, "add")]);
        assert_eq!(
            told(&twice, &[(1, CommandStanding::Expired), (2, CommandStanding::Expired)]),
            Ok(())
        );
        assert!(
            told(&twice, &[(1, CommandStanding::Expired), (2, CommandStanding::Applied(1))])
                .is_err()
        );
    }

    /// Whoever guesses the name of another's session is told that there is none.
    #[test]
    fn a_session_is_not_over_for_its_client_because_a_stranger_named_it() {
        let stranger = Command::Apply {
            principal: Principal::of_name("mallory"),
            session: SESSION,
            sequence: Sequence(1),
            unanswered: Sequence(9),
            payload: Bytes::from_static(b"add"),
        };
        let log = log(&[stranger, command(1, 1, "add")]);
        assert_eq!(
            told(&log, &[(1, CommandStanding::Expired), (2, CommandStanding::Applied(1))]),
            Ok(())
        );
        assert!(told(&log, &[(1, CommandStanding::Applied(1))]).is_err());
    }

    #[test]
    fn what_is_answered_was_applied() {
        let log = log(&[command(1, 1, "add")]);
        let decree = |slot: Slot| log.get(usize::try_from(slot.number()).ok()?);
        let mut tables = SessionTables::default();
        let name = name_of(&command(1, 1, "add")).expect("a command of a client");
        let mut at = |end| tables.replied((NODE, Slot::new(end)), &name, 9, decree);
        assert!(at(1).is_err_and(|why| why.contains("\\in answer")), "it is chosen in slot 1");
        assert_eq!(at(2), Ok(()));
        let stale = tables.called_stale((NODE, Slot::new(2)), &name, decree);
        assert!(stale.is_err(), "its client did not say that it has the answer");
    }

    #[test]
    fn nodes_that_know_of_less_after_a_start_are_followed_from_there() {
        let log = log(&[command(1, 1, "add"), command(2, 2, "add")]);
        let decree = |slot: Slot| log.get(usize::try_from(slot.number()).ok()?);
        let mut tables = SessionTables::default();
        let mut at = |end, slot, standing| {
            tables.stands((NODE, Slot::new(end)), (Slot::new(slot), 0), standing, decree)
        };
        assert_eq!(at(3, 1, CommandStanding::Stale), Ok(()));
        assert_eq!(at(2, 1, CommandStanding::Applied(4)), Ok(()), "its answer was not known yet");
        assert!(
            at(9, 1, CommandStanding::Stale).is_err_and(|why| why.contains("nothing is chosen"))
        );
    }
}
