//! What is done to recorded runs so that they must be refused.
//!
//! Each corruption changes what one node did in a way that no behaviour of the specification can
//! follow; where a run has nothing to corrupt in that way, there is none.

use super::{Event, World, tells_copy};
use synod_paxos::Decree;

/// Corrupts a run in ways that no behaviour of the specification can follow.
pub(crate) fn corruptions(world: &World) -> Vec<(&'static str, Vec<Event>)> {
    let events = &world.events;
    let mut bad = Vec::new();
    bad.extend(vote_for_another(events).map(|events| ("another-decree", events)));
    bad.extend(votes_too_few(events).map(|events| ("votes-too-few", events)));
    bad.extend(copy_of_another(events).map(|events| ("copy-of-another", events)));
    bad.extend(promise_without_votes(events).map(|events| ("promise-without-votes", events)));
    bad
}

fn is_vote(event: &Event) -> bool {
    matches!(event, Event::Decreed { act: "Phase2b", .. })
}

/// A vote for what its leader did not propose.
fn vote_for_another(events: &[Event]) -> Option<Vec<Event>> {
    let mut events = events.to_vec();
    let at = events.iter().rposition(is_vote)?;
    if let Event::Decreed { decree, .. } = &mut events[at] {
        *decree = if *decree == Decree::Noop { Decree::Value('a') } else { Decree::Noop };
    }
    Some(events)
}

/// A leader that counts a vote that nobody cast.
fn votes_too_few(events: &[Event]) -> Option<Vec<Event>> {
    let is_choice = |event: &Event| matches!(event, Event::Decreed { act: "Choose", .. });
    let Event::Decreed { node: leader, ballot, slot, .. } = events.iter().find(|e| is_choice(e))?
    else {
        return None;
    };
    let is_counted = |event: &Event| match event {
        Event::Decreed { node, ballot: in_ballot, slot: in_slot, .. } => {
            is_vote(event) && in_ballot == ballot && in_slot == slot && node != leader
        }
        Event::Phase1a { .. }
        | Event::Phase1b { .. }
        | Event::Announce { .. }
        | Event::Copied { .. } => false,
    };
    Some(events.iter().filter(|event| !is_counted(event)).cloned().collect())
}

/// An acceptor that keeps a vote to itself.
fn promise_without_votes(events: &[Event]) -> Option<Vec<Event>> {
    let mut events = events.to_vec();
    let tells = |event: &Event| match event {
        Event::Phase1b { votes, .. } => !votes.is_empty(),
        Event::Phase1a { .. }
        | Event::Decreed { .. }
        | Event::Announce { .. }
        | Event::Copied { .. } => false,
    };
    let at = events.iter().position(tells)?;
    if let Event::Phase1b { votes, .. } = &mut events[at] {
        votes.pop();
    }
    Some(events)
}

/// An acceptor that tells a copy of what is not chosen.
fn copy_of_another(events: &[Event]) -> Option<Vec<Event>> {
    let mut events = events.to_vec();
    let at = events.iter().position(tells_copy)?;
    if let Event::Phase1b { votes, .. } = &mut events[at] {
        let copied = votes.iter_mut().find(|told| told.1.is_none())?;
        copied.2 = if copied.2 == Decree::Noop { Decree::Value('a') } else { Decree::Noop };
    }
    Some(events)
}
