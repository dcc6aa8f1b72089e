//! The trying of one machine: run by run, and all states of all runs against each other.
//!
//! What is compared within a run is left to `replicas`. The claim kept true: states that differ
//! have different digests, and states that are written alike the same one, in whatever runs they
//! were.

use super::flaw::{Flaw, FlawKind};
use super::replicas::{self, Seen, Tried};
use super::run::CommandRun;
use crate::state_machine::StateMachine;
use bytes::Bytes;
use std::collections::BTreeMap;

/// How much of a machine was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Checked {
    /// Commands that two replicas applied.
    pub applied: usize,
    /// Commands that the machine did not let into the log.
    pub refused: usize,
    /// States that were told apart.
    pub states: usize,
}

/// Tries a state machine: `new` makes one before any command, and each run is applied to such.
///
/// Two replicas apply each run and are compared: what they let in, their replies, their answers to
/// the questions of the run, digests and snapshots. At every prefix a snapshot is taken, read while
/// commands go on, and restored, into a new machine and into one that has another state, from
/// pieces that are cut anywhere; what was restored must be the same and go on the same, to the end
/// of the run. Over all runs, states that answer or are written differently must have different
/// digests, and states that are written alike the same one.
///
/// A command that the machine refuses, as it is at first and as it is at that point, is left out,
/// as it could not be in a log. The work grows with the square of the length of a run: some hundred
/// commands are many.
///
/// # Errors
///
/// Fails with the first flaw, which says what differs, and after which commands.
///
/// ```
/// use bytes::Bytes;
/// use synod_smr::testing::{CommandRun, check};
/// use synod_smr::{Invalid, StateMachine};
///
/// struct Dice(u8);
///
/// impl StateMachine for Dice {
///     fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
///         Ok(())
///     }
///     fn apply(&mut self, _: &[u8]) -> Bytes {
///         self.0 = self.0.wrapping_add(1);
///         Bytes::new()
///     }
///     fn query(&self, _: &[u8]) -> Bytes {
///         Bytes::copy_from_slice(&[self.0])
///     }
///     fn digest(&self) -> u64 {
///         self.0.into()
///     }
/// }
/// let flaw = check(|| Dice(0), &[CommandRun::new(["roll"])]).unwrap_err();
/// assert!(flaw.to_string().contains("gives no snapshots"), "{flaw}");
/// ```
pub fn check<M: StateMachine>(new: impl Fn() -> M, runs: &[CommandRun]) -> Result<Checked, Flaw> {
    let mut states = States::default();
    let (mut applied, mut refused) = (0, 0);
    for (number, run) in runs.iter().enumerate() {
        let flaw = |(after, kind)| Flaw::new(number, run, after, kind);
        let tried = replicas::compare(&new, run).map_err(flaw)?;
        states.take_in(&tried).map_err(flaw)?;
        replicas::restore_everywhere(&new, run, &tried).map_err(flaw)?;
        applied += tried.applied();
        refused += run.commands().len() - tried.applied();
    }
    if applied == 0 {
        return Err(Flaw::of_nothing());
    }
    Ok(Checked { applied, refused, states: states.by_snapshot.len() })
}

/// Tries one machine's snapshot that is from somewhere else, such as one of an earlier version that
/// was kept as golden bytes: it is restored into a new machine, which is returned.
///
/// # Errors
///
/// Fails where it is not taken over, or where the machine then writes another snapshot.
pub fn check_restore<M: StateMachine>(
    new: impl Fn() -> M,
    snapshot: impl Into<Bytes>,
) -> Result<M, Flaw> {
    let snapshot = snapshot.into();
    let nothing = CommandRun::new([""; 0]);
    let flaw = |kind| Flaw::new(0, &nothing, 0, Box::new(kind));
    let mut machine = new();
    replicas::restore(&mut machine, &snapshot).map_err(flaw)?;
    let again = replicas::snapshot_of(&machine).map_err(flaw)?;
    if again != snapshot {
        return Err(flaw(FlawKind::snapshot(snapshot, again)));
    }
    Ok(machine)
}

/// All states that were seen, by what they are written as and by their digests.
#[derive(Default)]
struct States {
    by_snapshot: BTreeMap<Bytes, u64>,
    by_digest: BTreeMap<u64, Seen>,
}

impl States {
    fn take_in(&mut self, tried: &Tried) -> Result<(), (usize, Box<FlawKind>)> {
        for (after, seen) in tried.seen().enumerate() {
            let digest = seen.digest;
            let earlier = *self.by_snapshot.entry(seen.snapshot.clone()).or_insert(digest);
            if earlier != digest {
                let kind = FlawKind::DigestDiffers { one: earlier, other: digest };
                return Err((after, Box::new(kind)));
            }
            let earlier = self.by_digest.entry(digest).or_insert_with(|| seen.clone());
            if let Some(unequal) = earlier.told_apart_by(seen) {
                return Err((after, Box::new(FlawKind::DigestIgnores { digest, unequal })));
            }
        }
        Ok(())
    }
}
