//! What a fault does, whomever it hits, in either world.
//!
//! An action names no node: whom it hits is the target's business, and how it is done that of the
//! world that obeys. The only exceptions are the shapes of partitions and the cuts of single links,
//! which are drawn as a whole. The claim kept true: what a written scenario says is one of these,
//! in a run of real processes as in a simulated one.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{LinkId, LinkRules, Millis, Shape};

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Cuts its targets off from all other nodes, both ways.
    Isolate,
    /// Lets nobody hear its targets.
    Mute,
    /// Lets its targets hear nobody.
    Deafen,
    /// Tears the nodes apart in this shape.
    Partition(Shape),
    /// Cuts these directed links.
    Cut(BTreeSet<LinkId>),
    /// Lets the links of its targets misbehave.
    Disturb(LinkRules),
    /// Lets the links on which its targets hear others misbehave, and no link the other way.
    DisturbInbound(LinkRules),
    /// Kills processes, which are started again when the fault ends; what they wrote stays.
    Kill,
    /// Takes the power: what was not synced is lost, torn or kept, as the dice say.
    PowerLoss,
    /// Stops processes, which do not know, until the fault ends.
    Pause,
    /// Asks nodes to hand over and end, as an operator does; they are started again at the end.
    Retire,
    /// Asks nodes to hand over and end; they are started again as their newer build.
    Upgrade,
    /// Asks nodes to hand over and end; they are started again as their first build.
    Downgrade,
    /// Lets clocks run fast or slow.
    ClockRate {
        /// By how many parts of a million they are fast, or slow.
        ppm: i32,
    },
    /// Lets clocks jump ahead, as after a suspend: what is waited for comes so much sooner.
    ClockJump {
        /// How far.
        ms: Millis,
    },
    /// Lets disks misbehave.
    Disk(DiskFault),
}

/// How a disk misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DiskFault {
    /// Each sync takes up to so much longer.
    Slow {
        /// How much longer at most.
        ms: Millis,
    },
    /// No sync returns until the fault ends.
    Hung,
    /// There is no space for anything more.
    Full,
    /// The next sync fails; what it should have made durable is forgotten.
    SyncFails,
    /// The next write fails.
    WriteFails,
    /// The next read fails.
    ReadFails,
    /// Each write takes a part of what it was given, as the calls of a kernel may; the caller has
    /// to go on with the rest.
    ShortWrites,
    /// The power fails in the middle of the so-many-th operation from here on.
    PowerFailsAt {
        /// How many operations pass.
        operations: u64,
    },
    /// A bit of what was written long ago flips.
    Rot,
    /// What was written is copied when the fault begins, and the copy takes its place when it ends,
    /// as with a backup or a snapshot of the machine.
    RolledBack,
    /// All that was written is lost, and the node is made anew in its place.
    MadeAnew,
    /// What another node has written takes its place.
    Foreign,
}

impl Action {
    /// Returns the word by which it is refused and listed.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Isolate => "isolate",
            Self::Mute => "mute",
            Self::Deafen => "deafen",
            Self::Partition(_) => "partition",
            Self::Cut(_) => "cut",
            Self::Disturb(_) => "disturb",
            Self::DisturbInbound(_) => "disturb-inbound",
            Self::Kill => "kill",
            Self::PowerLoss => "power-loss",
            Self::Pause => "pause",
            Self::Retire => "retire",
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
            Self::ClockRate { .. } => "clock-rate",
            Self::ClockJump { .. } => "clock-jump",
            Self::Disk(_) => "disk",
        }
    }

    /// Says in a few words what it does.
    #[must_use]
    pub const fn does(&self) -> &'static str {
        match self {
            Self::Isolate => "a node is cut off from all others, both ways",
            Self::Mute => "nobody hears a node",
            Self::Deafen => "a node hears nobody",
            Self::Partition(_) => "nodes are torn apart, in a shape of your own",
            Self::Cut(_) => "single links are cut, each in one direction",
            Self::Disturb(_) => "links misbehave by a rule of your own",
            Self::DisturbInbound(_) => {
                "what a node hears misbehaves by a rule, what it says does not"
            }
            Self::Kill => "a process is killed, and started again with all that it wrote",
            Self::PowerLoss => "a machine loses its power: what was not synced is gone",
            Self::Pause => "a process stands still, and does not know",
            Self::Retire => "a process is asked to end, as an operator does",
            Self::Upgrade => "a process is asked to end, and started again as a newer build",
            Self::Downgrade => "a process is asked to end, and started again as its first build",
            Self::ClockRate { .. } => "a clock runs fast or slow",
            Self::ClockJump { .. } => "a clock jumps ahead, as after a suspend",
            Self::Disk(disk) => disk.does(),
        }
    }

    /// Tells whether it cuts links.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        match self {
            Self::Isolate | Self::Mute | Self::Deafen | Self::Partition(_) | Self::Cut(_) => true,
            Self::Disturb(_)
            | Self::DisturbInbound(_)
            | Self::Kill
            | Self::PowerLoss
            | Self::Pause
            | Self::Retire
            | Self::Upgrade
            | Self::Downgrade
            | Self::ClockRate { .. }
            | Self::ClockJump { .. }
            | Self::Disk(_) => false,
        }
    }

    /// Tells whether it says itself which links it hits, so that its target says nothing more.
    #[must_use]
    pub const fn names_links(&self) -> bool {
        matches!(self, Self::Partition(_) | Self::Cut(_))
    }

    /// Tells whether its targets are not started while it lasts.
    #[must_use]
    pub const fn keeps_down(&self) -> bool {
        matches!(self, Self::Kill | Self::PowerLoss) || self.retires()
    }

    /// Tells whether it asks its targets to hand over and end.
    #[must_use]
    pub const fn retires(&self) -> bool {
        matches!(self, Self::Retire | Self::Upgrade | Self::Downgrade)
    }

    /// Tells whether a node that it happens to is lost to its cluster.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        matches!(self, Self::Disk(fault) if fault.is_for_good())
    }

    /// Returns how it lets disks misbehave, if it does.
    #[must_use]
    pub const fn disk_fault(&self) -> Option<DiskFault> {
        if let Self::Disk(fault) = self { Some(*fault) } else { None }
    }

    /// Returns by how many parts of a million it lets clocks be fast, if it does.
    #[must_use]
    pub const fn clock_ppm(&self) -> Option<i32> {
        if let Self::ClockRate { ppm } = self { Some(*ppm) } else { None }
    }

    /// Tells whether it does nothing to anybody: a clock that is off by nothing is right.
    #[must_use]
    pub fn does_nothing(&self) -> bool {
        match self {
            Self::Disturb(rules) | Self::DisturbInbound(rules) => rules.do_nothing(),
            Self::ClockRate { ppm } => *ppm == 0,
            Self::ClockJump { ms } | Self::Disk(DiskFault::Slow { ms }) => ms.0 == 0,
            Self::Isolate
            | Self::Mute
            | Self::Deafen
            | Self::Partition(_)
            | Self::Cut(_)
            | Self::Kill
            | Self::PowerLoss
            | Self::Pause
            | Self::Retire
            | Self::Upgrade
            | Self::Downgrade
            | Self::Disk(_) => false,
        }
    }

    /// Tells whether nothing comes of it, or nobody can see what does, unless it lasts for a while.
    #[must_use]
    pub const fn takes_time(&self) -> bool {
        match self {
            Self::Kill | Self::PowerLoss | Self::Retire | Self::Upgrade | Self::Downgrade => false,
            Self::Disk(fault) => fault.takes_time(),
            Self::Isolate
            | Self::Mute
            | Self::Deafen
            | Self::Partition(_)
            | Self::Cut(_)
            | Self::Disturb(_)
            | Self::DisturbInbound(_)
            | Self::Pause
            | Self::ClockRate { .. }
            | Self::ClockJump { .. } => true,
        }
    }

    /// Tells whether it is done to the power, the disk or the clock of a machine. A real process
    /// has none of these for itself, unless something stands between it and its kernel.
    #[must_use]
    pub const fn is_of_machines(&self) -> bool {
        match self {
            Self::PowerLoss | Self::ClockRate { .. } | Self::ClockJump { .. } | Self::Disk(_) => {
                true
            }
            Self::Isolate
            | Self::Mute
            | Self::Deafen
            | Self::Partition(_)
            | Self::Cut(_)
            | Self::Disturb(_)
            | Self::DisturbInbound(_)
            | Self::Kill
            | Self::Pause
            | Self::Retire
            | Self::Upgrade
            | Self::Downgrade => false,
        }
    }
}

impl DiskFault {
    /// Returns the word by which scenarios ask for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow { .. } => "slow",
            Self::Hung => "hung",
            Self::Full => "full",
            Self::SyncFails => "sync-fails",
            Self::WriteFails => "write-fails",
            Self::ReadFails => "read-fails",
            Self::ShortWrites => "short-writes",
            Self::PowerFailsAt { .. } => "power-fails-at",
            Self::Rot => "rot",
            Self::RolledBack => "rolled-back",
            Self::MadeAnew => "made-anew",
            Self::Foreign => "foreign",
        }
    }

    /// Says in a few words what it does.
    #[must_use]
    pub const fn does(self) -> &'static str {
        match self {
            Self::Slow { .. } => "each sync takes longer",
            Self::Hung => "no sync returns",
            Self::Full => "there is no space for anything more",
            Self::SyncFails => "the next sync fails, and what it was for is forgotten",
            Self::WriteFails => "the next write fails",
            Self::ReadFails => "the next read fails",
            Self::ShortWrites => "each write takes a part of what it was given",
            Self::PowerFailsAt { .. } => "the power fails in the middle of an operation",
            Self::Rot => "a bit of what was written long ago flips",
            Self::RolledBack => "what was written goes back to what it was a while ago",
            Self::MadeAnew => "all that was written is lost, and the node is made anew",
            Self::Foreign => "what another node has written takes its place",
        }
    }

    /// Tells whether a disk that misbehaves in this way does so in that one, too.
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// Returns the worse one of two that are alike; of those that know no degrees, this one.
    #[must_use]
    pub const fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Slow { ms: mine }, Self::Slow { ms }) if ms.0 > mine.0 => Self::Slow { ms },
            (worse, _) => worse,
        }
    }

    /// Tells whether a node that it happens to is lost to its cluster.
    #[must_use]
    pub const fn is_for_good(self) -> bool {
        match self {
            Self::Rot | Self::RolledBack | Self::MadeAnew | Self::Foreign => true,
            Self::Slow { .. }
            | Self::Hung
            | Self::Full
            | Self::SyncFails
            | Self::WriteFails
            | Self::ReadFails
            | Self::ShortWrites
            | Self::PowerFailsAt { .. } => false,
        }
    }

    /// Tells whether it waits for what comes while it lasts, and is not done when it has begun.
    const fn takes_time(self) -> bool {
        !matches!(self, Self::Rot | Self::MadeAnew | Self::Foreign)
    }

    /// Tells whether it is something that calls on files return, so that whoever stands between a
    /// program and its kernel can do it.
    #[must_use]
    pub const fn is_of_calls(self) -> bool {
        match self {
            Self::Slow { .. }
            | Self::Hung
            | Self::Full
            | Self::SyncFails
            | Self::WriteFails
            | Self::ShortWrites => true,
            Self::ReadFails
            | Self::PowerFailsAt { .. }
            | Self::Rot
            | Self::RolledBack
            | Self::MadeAnew
            | Self::Foreign => false,
        }
    }

    /// Tells whether a process may end by itself because of it: one that goes on after an error of
    /// its disk vouches for bytes that may be gone.
    #[must_use]
    pub const fn may_end_a_process(self) -> bool {
        matches!(self, Self::SyncFails | Self::WriteFails)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition(shape) => write!(formatter, "partition {shape}"),
            Self::Cut(links) => {
                let links: Vec<String> = links.iter().map(ToString::to_string).collect();
                write!(formatter, "cut {}", links.join(" "))
            }
            Self::Disturb(rules) => write!(formatter, "links: {rules}"),
            Self::DisturbInbound(rules) => write!(formatter, "links towards: {rules}"),
            Self::PowerLoss => formatter.write_str("power loss"),
            Self::ClockRate { ppm } => write!(formatter, "clock off by {ppm} parts in a million"),
            Self::ClockJump { ms } => write!(formatter, "clock jumps {ms}"),
            Self::Disk(fault) => write!(formatter, "disk: {fault}"),
            Self::Isolate
            | Self::Mute
            | Self::Deafen
            | Self::Kill
            | Self::Pause
            | Self::Retire
            | Self::Upgrade
            | Self::Downgrade => formatter.write_str(self.name()),
        }
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow { ms } => write!(formatter, "syncs take up to {ms} longer"),
            Self::Hung => formatter.write_str("syncs hang"),
            Self::Full => formatter.write_str("full"),
            Self::SyncFails => formatter.write_str("a sync fails"),
            Self::WriteFails => formatter.write_str("a write fails"),
            Self::ReadFails => formatter.write_str("a read fails"),
            Self::ShortWrites => formatter.write_str("writes are short"),
            Self::PowerFailsAt { operations } => {
                write!(formatter, "power fails after {operations} operations")
            }
            Self::Rot => formatter.write_str("a bit rots"),
            Self::RolledBack => formatter.write_str("rolled back to a copy in the end"),
            Self::MadeAnew => formatter.write_str("lost, and made anew"),
            Self::Foreign => formatter.write_str("replaced by that of another node"),
        }
    }
}
