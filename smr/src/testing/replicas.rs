//! Two replicas of a machine that is tried, and its snapshots, restored at every prefix.
//!
//! What the digests of different states have to do with each other is left to `check`. The claim
//! kept true: whatever is compared here is compared at the same point of the same commands.

use super::flaw::{FlawKind, Unequal};
use super::run::CommandRun;
use crate::snapshot::SnapshotPieces;
use crate::state_machine::StateMachine;
use bytes::Bytes;

/// After how many commands something was found.
type Found<T> = Result<T, (usize, Box<FlawKind>)>;

/// What a machine shows of its state.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) digest: u64,
    /// Its answers to the questions of the run, with those.
    pub(super) answers: Vec<(Bytes, Bytes)>,
    pub(super) snapshot: Bytes,
}

impl Seen {
    fn of<M: StateMachine>(machine: &M, run: &CommandRun) -> Result<Self, FlawKind> {
        let digest = machine.digest();
        let ask = |query: &Bytes| (query.clone(), machine.query(query));
        let answers = run.queries().iter().map(ask).collect();
        let snapshot = snapshot_of(machine)?;
        let after = machine.digest();
        if after != digest {
            return Err(FlawKind::ChangedByLooking { before: digest, after });
        }
        Ok(Self { digest, answers, snapshot })
    }

    /// Returns what tells two states apart, but for their digests.
    pub(super) fn told_apart_by(&self, other: &Self) -> Option<Unequal> {
        for (query, answer) in &self.answers {
            // Runs may ask different questions: what both were asked is compared.
            let theirs = other.answers.iter().find(|(asked, _)| asked == query);
            if let Some((_, theirs)) = theirs.filter(|(_, theirs)| theirs != answer) {
                let (one, other) = (answer.clone(), theirs.clone());
                return Some(Unequal::Answer { query: query.clone(), one, other });
            }
        }
        (self.snapshot != other.snapshot).then(|| Unequal::Snapshot {
            one: self.snapshot.clone(),
            other: other.snapshot.clone(),
        })
    }

    /// Returns what tells two states apart that must be the same.
    fn difference_from(&self, other: &Self) -> Option<Unequal> {
        let digests = Unequal::Digest { one: self.digest, other: other.digest };
        self.told_apart_by(other).or_else(|| (self.digest != other.digest).then_some(digests))
    }
}

/// What came of a run: a state before each command and after the last.
pub(super) struct Tried {
    states: Vec<Seen>,
    /// The reply to each command; none to one that was not let in.
    replies: Vec<Option<Bytes>>,
}

impl Tried {
    pub(super) fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.states.iter()
    }

    pub(super) fn applied(&self) -> usize {
        self.replies.iter().flatten().count()
    }
}

/// Applies a run to two replicas.
pub(super) fn compare<M: StateMachine>(new: &impl Fn() -> M, run: &CommandRun) -> Found<Tried> {
    let (mut one, mut other, first) = (new(), new(), new());
    let mut tried = Tried { states: Vec::new(), replies: Vec::new() };
    tried.states.push(seen_alike(&one, &other, run).map_err(|kind| (0, Box::new(kind)))?);
    for (before, command) in run.commands().iter().enumerate() {
        let at = |kind| (before + 1, Box::new(kind));
        let (verdict, theirs) = (one.validate(command), other.validate(command));
        if verdict.is_ok() != theirs.is_ok() {
            return Err(at(FlawKind::LetInByOne));
        }
        // A leader validates against an earlier state than the one that a command meets.
        let is_let_in = verdict.is_ok() || first.validate(command).is_ok();
        // The view is read only when the next command has been applied, as it would be.
        let view = one.snapshot().map_err(|_| (before, Box::new(FlawKind::NoSnapshot)))?;
        let reply = is_let_in.then(|| one.apply(command));
        let (late, early) = (view.concat(), &tried.states[before].snapshot);
        if late != *early {
            let (early, late) = (early.clone(), late);
            return Err(at(FlawKind::ViewMoves(Unequal::Snapshot { one: early, other: late })));
        }
        let theirs = is_let_in.then(|| other.apply(command));
        if let (Some(one), Some(other)) = (&reply, &theirs)
            && one != other
        {
            let (one, other) = (one.clone(), other.clone());
            return Err(at(FlawKind::Replicas(Unequal::Reply { one, other })));
        }
        tried.replies.push(reply);
        tried.states.push(seen_alike(&one, &other, run).map_err(at)?);
    }
    Ok(tried)
}

fn seen_alike<M: StateMachine>(one: &M, other: &M, run: &CommandRun) -> Result<Seen, FlawKind> {
    let (seen, theirs) = (Seen::of(one, run)?, Seen::of(other, run)?);
    match seen.difference_from(&theirs) {
        Some(unequal) => Err(FlawKind::Replicas(unequal)),
        None => Ok(seen),
    }
}

/// Restores the snapshot of every prefix, and goes on from there to the end.
pub(super) fn restore_everywhere<M: StateMachine>(
    new: &impl Fn() -> M,
    run: &CommandRun,
    tried: &Tried,
) -> Found<()> {
    // A machine that has been at work holds what must be gone after a restoring.
    let mut used = new();
    let applied = run.commands().iter().zip(&tried.replies).filter(|(_, reply)| reply.is_some());
    for (command, _) in applied {
        used.apply(command);
    }
    for (after, expected) in tried.states.iter().enumerate() {
        let at = |kind| (after, Box::new(kind));
        let mut machine = new();
        restore(&mut machine, &expected.snapshot).map_err(at)?;
        is_as_before(&machine, run, expected).map_err(|it| at(FlawKind::Restored(it)))?;
        go_on(&mut machine, run, tried, after).map_err(at)?;
        restore(&mut used, &expected.snapshot).map_err(at)?;
        is_as_before(&used, run, expected).map_err(|it| at(FlawKind::RestoredOverAnother(it)))?;
        go_on(&mut used, run, tried, after).map_err(at)?;
    }
    Ok(())
}

fn is_as_before<M: StateMachine>(
    machine: &M,
    run: &CommandRun,
    expected: &Seen,
) -> Result<(), Unequal> {
    let seen = Seen::of(machine, run).map_err(|_| Unequal::Nothing)?;
    expected.difference_from(&seen).map_or(Ok(()), Err)
}

/// Applies what is left of a run to a machine that was restored.
fn go_on<M: StateMachine>(
    machine: &mut M,
    run: &CommandRun,
    tried: &Tried,
    from: usize,
) -> Result<(), FlawKind> {
    for (place, command) in run.commands().iter().enumerate().skip(from) {
        let Some(expected) = &tried.replies[place] else { continue };
        let reply = machine.apply(command);
        let (commands, digest) = (place + 1 - from, machine.digest());
        if reply != *expected {
            let unequal = Unequal::Reply { one: expected.clone(), other: reply };
            return Err(FlawKind::GoesOnDifferently { commands, unequal });
        }
        let expected = tried.states[place + 1].digest;
        if digest != expected {
            let unequal = Unequal::Digest { one: expected, other: digest };
            return Err(FlawKind::GoesOnDifferently { commands, unequal });
        }
    }
    Ok(())
}

/// Reads a machine's snapshot at once.
pub(super) fn snapshot_of<M: StateMachine>(machine: &M) -> Result<Bytes, FlawKind> {
    machine.snapshot().map(crate::SnapshotView::concat).map_err(|_| FlawKind::NoSnapshot)
}

/// Restores a snapshot, in pieces of one byte, two, and so on.
pub(super) fn restore<M: StateMachine>(machine: &mut M, snapshot: &Bytes) -> Result<(), FlawKind> {
    let (mut rest, mut length) = (snapshot.clone(), 0);
    let mut cut = std::iter::from_fn(|| {
        length += 1;
        (!rest.is_empty()).then(|| rest.split_to(rest.len().min(length)))
    });
    let mut pieces = SnapshotPieces::new(&mut cut);
    machine.restore(&mut pieces).map_err(|error| FlawKind::NotTaken(error.to_string()))?;
    match pieces.end() {
        Ok(()) => Ok(()),
        Err(_) => Err(FlawKind::NotReadToItsEnd),
    }
}
