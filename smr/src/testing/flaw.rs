//! What is wrong with a state machine, in words.
//!
//! Finding it is left to `replicas`. The claim kept true: the words say what was compared, what
//! differed, after which commands, and what to look for in the machine.

use super::run::CommandRun;
use bytes::Bytes;
use std::fmt;

/// What is wrong with a state machine, and after which commands it shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Flaw {
    run: usize,
    /// The commands up to the one after which it shows.
    commands: Vec<Bytes>,
    kind: Box<FlawKind>,
}

/// What is wrong with a state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlawKind {
    /// No command was let in, so nothing was tried.
    NothingApplied,
    /// It gives no snapshots.
    NoSnapshot,
    /// One of two replicas in the same state lets a command in, and the other does not.
    LetInByOne,
    /// Two replicas that applied the same commands differ.
    Replicas(Unequal),
    /// A question, or a snapshot, has changed the digest.
    ChangedByLooking {
        /// The digest before.
        before: u64,
        /// The digest after.
        after: u64,
    },
    /// A snapshot shows a command that was applied after it was taken.
    ViewMoves(Unequal),
    /// Its own snapshot is not taken over, for this reason.
    NotTaken(String),
    /// Bytes of its own snapshot are left over when it was restored.
    NotReadToItsEnd,
    /// A new machine that a snapshot was restored into differs from the one that gave it.
    Restored(Unequal),
    /// A machine that had another state before a snapshot was restored into it differs from the
    /// one that gave it.
    RestoredOverAnother(Unequal),
    /// A machine that a snapshot was restored into looked the same and came to differ.
    GoesOnDifferently {
        /// How many commands later.
        commands: usize,
        /// In what.
        unequal: Unequal,
    },
    /// Two states that are written alike have different digests.
    DigestDiffers {
        /// The one.
        one: u64,
        /// The other.
        other: u64,
    },
    /// Two states that differ have the same digest.
    DigestIgnores {
        /// The digest of both.
        digest: u64,
        /// What they differ in.
        unequal: Unequal,
    },
}

/// In what two machines differ. Complete by its nature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unequal {
    /// Their replies to the last command.
    Reply {
        /// The one.
        one: Bytes,
        /// The other.
        other: Bytes,
    },
    /// Their answers to a question.
    Answer {
        /// The question.
        query: Bytes,
        /// The one.
        one: Bytes,
        /// The other.
        other: Bytes,
    },
    /// Their digests.
    Digest {
        /// The one.
        one: u64,
        /// The other.
        other: u64,
    },
    /// Their snapshots.
    Snapshot {
        /// The one.
        one: Bytes,
        /// The other.
        other: Bytes,
    },
    /// One of them gives nothing to compare.
    Nothing,
}

impl Flaw {
    pub(super) fn new(run: usize, of: &CommandRun, after: usize, kind: Box<FlawKind>) -> Self {
        Self { run, commands: of.commands()[..after].to_vec(), kind }
    }

    pub(super) fn of_nothing() -> Self {
        Self { run: 0, commands: Vec::new(), kind: Box::new(FlawKind::NothingApplied) }
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn kind(&self) -> &FlawKind {
        &self.kind
    }

    /// Returns the commands after which it shows.
    #[must_use]
    pub fn commands(&self) -> &[Bytes] {
        &self.commands
    }
}

impl FlawKind {
    pub(super) fn snapshot(one: Bytes, other: Bytes) -> Self {
        Self::Restored(Unequal::Snapshot { one, other })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, commands, kind } = self;
        if let Some(last) = commands.last() {
            let count = commands.len();
            write!(formatter, "run {run}, after {count} commands, the last one ")?;
            write!(formatter, "\"{}\": ", shown(last))?;
        }
        kind.fmt(formatter)
    }
}

/// As `Display`, since that is what a failed test prints.
impl fmt::Debug for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for Flaw {}

impl fmt::Display for FlawKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingApplied => out.write_str(
                "no command was let in, so nothing was tried: give commands that `validate` takes",
            ),
            Self::NoSnapshot => crate::NoSnapshot.fmt(out),
            Self::LetInByOne => out.write_str(
                "`validate` lets it in at one of two replicas of the same state: look for a \
                 clock, for chance, for what replicas share",
            ),
            Self::Replicas(unequal) => {
                write!(out, "two replicas that applied the same commands differ: {unequal}. ")?;
                out.write_str("Look for a clock, for chance, for the order of a hash map, for ")?;
                out.write_str("what replicas share")
            }
            Self::ChangedByLooking { before, after } => {
                write!(out, "`query` or `snapshot` has changed the state: the digest was ")?;
                write!(out, "{before:#x} and is {after:#x}")
            }
            Self::ViewMoves(unequal) => {
                write!(out, "a snapshot taken before the last command shows it: {unequal}. ")?;
                out.write_str("The view must own what it reads from")
            }
            Self::NotTaken(why) => write!(out, "`restore` refuses its own snapshot: {why}"),
            Self::NotReadToItsEnd => out.write_str(
                "`restore` leaves bytes of its own snapshot unread: read to the end, and confirm \
                 it with `end`",
            ),
            Self::Restored(unequal) => {
                write!(out, "what `restore` made of `snapshot` differs: {unequal}. ")?;
                out.write_str("Look for a field that one of them forgets")
            }
            Self::RestoredOverAnother(unequal) => {
                write!(out, "a machine that had another state before `restore` differs: ")?;
                write!(out, "{unequal}. Look for a field that `restore` leaves as it was")
            }
            Self::GoesOnDifferently { commands, unequal } => {
                write!(out, "what `restore` made of `snapshot` here looks the same, and ")?;
                write!(out, "differs {commands} commands later: {unequal}. ")?;
                out.write_str("Look for a field that neither `snapshot` nor `query` shows")
            }
            Self::DigestDiffers { one, other } => {
                write!(out, "this state is written as an earlier one was, and its digest is ")?;
                write!(
                    out,
                    "{other:#x}, not {one:#x}: `digest` tells apart what `snapshot` does "
                )?;
                out.write_str("not; look for a field that `snapshot` forgets")
            }
            Self::DigestIgnores { digest, unequal } => {
                write!(out, "this state has the digest of an earlier one, {digest:#x}, and ")?;
                write!(out, "differs: {unequal}. Look for a field that `digest` ignores")
            }
        }
    }
}

impl fmt::Display for Unequal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply { one, other } => {
                write!(out, "the reply is \"{}\" and \"{}\"", shown(one), shown(other))
            }
            Self::Answer { query, one, other } => {
                write!(out, "the answer to \"{}\" is ", shown(query))?;
                write!(out, "\"{}\" and \"{}\"", shown(one), shown(other))
            }
            Self::Digest { one, other } => write!(out, "the digest is {one:#x} and {other:#x}"),
            Self::Snapshot { one, other } => {
                let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
                let (mine, theirs) = (one.len(), other.len());
                write!(out, "the snapshots of {mine} and {theirs} bytes differ from byte {same} ")?;
                let (one, other) = (shown(&one[same..]), shown(&other[same..]));
                write!(out, "on, \"{one}\" and \"{other}\"")
            }
            Self::Nothing => out.write_str("one of them gives no snapshot, or changes by looking"),
        }
    }
}

/// Shows the beginning of some bytes.
fn shown(bytes: &[u8]) -> String {
    let begin = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let rest = if begin.len() < bytes.len() { "..." } else { "" };
    format!("{}{rest}", begin.escape_ascii())
}

const SHOWN_BYTES: usize = 32;
