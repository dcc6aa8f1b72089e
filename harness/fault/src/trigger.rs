//! What a fault waits for, once its time has come.
//!
//! A time alone hits whatever happens to go on; a trigger hits what a test is about: the leader
//! that was just elected, the state after so many answers, the moment at which another fault ended.
//! Both worlds can tell all of it, and ask again every [`TRIGGER_STEP`]: a trigger is late by that
//! much at most. The claim kept true: no fault begins before what it waits for was seen, but one
//! that waits for a leader, which begins after [`LEADER_PATIENCE`] without.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{FaultId, InForce, NodeId};

/// What a fault waits for, once its time has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Nothing.
    #[default]
    Time,
    /// A node that is seen to lead.
    LeaderSeen,
    /// Another node than the one that led when its time came: a leader that has only just begun.
    NewLeader,
    /// So many operations of clients that were answered since the start of the run.
    Answered(u64),
    /// The begin of the fault of this number; faults are numbered from 1, in the order of the plan.
    Begun(u32),
    /// The end of the fault of this number.
    Ended(u32),
}

/// How far a run has come, as far as triggers ask.
#[derive(Clone, Copy, Debug)]
pub struct RunProgress<'a> {
    /// How long ago the time of the fault came.
    pub waited: Duration,
    /// Who leads, if that is known.
    pub leader: Option<NodeId>,
    /// Who led when the time of the fault came; nobody, it may be.
    pub led: Option<NodeId>,
    /// How many operations were answered.
    pub answered: u64,
    /// Which faults began and ended.
    pub in_force: &'a InForce,
}

/// Who led when the time of each fault came, for faults that wait for another leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedBefore {
    of: BTreeMap<FaultId, Option<NodeId>>,
}

impl LedBefore {
    /// Takes note of who leads at a look at a fault, and returns who did at the first one: nobody,
    /// it may be, and then whoever is elected is another one.
    pub fn look(&mut self, fault: FaultId, leader: Option<NodeId>) -> Option<NodeId> {
        *self.of.entry(fault).or_insert(leader)
    }
}

impl Trigger {
    /// Tells whether a fault has to wait on.
    #[must_use]
    pub fn waits(self, progress: &RunProgress<'_>) -> bool {
        let other = |number: u32| FaultId(number.saturating_sub(1));
        match self {
            Self::Time => false,
            // A cluster that elects nobody is what such a fault may be there to show.
            Self::LeaderSeen => progress.leader.is_none() && progress.waited < LEADER_PATIENCE,
            Self::NewLeader => {
                let is_new = progress.leader.is_some() && progress.leader != progress.led;
                !is_new && progress.waited < LEADER_PATIENCE
            }
            Self::Answered(count) => progress.answered < count,
            Self::Begun(number) => !progress.in_force.has_begun(other(number)),
            Self::Ended(number) => !progress.in_force.has_ended(other(number)),
        }
    }

    /// Tells whether it must be known who leads.
    #[must_use]
    pub const fn asks_who_leads(self) -> bool {
        match self {
            Self::LeaderSeen | Self::NewLeader => true,
            Self::Time | Self::Answered(_) | Self::Begun(_) | Self::Ended(_) => false,
        }
    }

    /// Returns the number of the fault that it waits for, if it waits for one.
    #[must_use]
    pub const fn awaited(self) -> Option<u32> {
        match self {
            Self::Begun(number) | Self::Ended(number) => Some(number),
            Self::Time | Self::LeaderSeen | Self::NewLeader | Self::Answered(_) => None,
        }
    }

    /// Returns the same trigger of a plan in which the faults before the awaited one are fewer.
    pub(crate) const fn renumbered(self, number: Option<u32>) -> Self {
        match (self, number) {
            (Self::Begun(_), Some(number)) => Self::Begun(number),
            (Self::Ended(_), Some(number)) => Self::Ended(number),
            (Self::Begun(_) | Self::Ended(_), None) => Self::Time,
            (Self::Time | Self::LeaderSeen | Self::NewLeader | Self::Answered(_), _) => self,
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time => formatter.write_str("at its time"),
            Self::LeaderSeen => formatter.write_str("once a node leads"),
            Self::NewLeader => formatter.write_str("once another node leads"),
            Self::Answered(count) => write!(formatter, "once {count} operations are answered"),
            Self::Begun(number) => write!(formatter, "once fault {number} has begun"),
            Self::Ended(number) => write!(formatter, "once fault {number} has ended"),
        }
    }
}

/// How long a fault waits for a leader before it begins without.
pub const LEADER_PATIENCE: Duration = Duration::from_secs(5);

/// How often a world asks whether a fault that waits may begin.
pub const TRIGGER_STEP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, ResolvedTarget, Target};

    fn progress(in_force: &InForce) -> RunProgress<'_> {
        RunProgress { waited: Duration::ZERO, leader: None, led: None, answered: 9, in_force }
    }

    #[test]
    fn a_fault_waits_for_a_leader_but_not_for_ever() {
        let in_force = InForce::of(1);
        let seen = progress(&in_force);
        assert!(Trigger::LeaderSeen.waits(&seen) && !Trigger::Time.waits(&seen));
        assert!(!Trigger::LeaderSeen.waits(&RunProgress { leader: Some(NodeId(1)), ..seen }));
        assert!(!Trigger::LeaderSeen.waits(&RunProgress { waited: LEADER_PATIENCE, ..seen }));
    }

    /// A fault whose time comes while nobody leads waits for whoever is elected, and for no second.
    #[test]
    fn who_led_is_who_did_at_the_first_look_or_nobody() {
        let in_force = InForce::of(1);
        for (first, waits) in [(None, false), (Some(NodeId(2)), true), (Some(NodeId(1)), false)] {
            let mut led = LedBefore::default();
            assert_eq!(led.look(FaultId(0), first), first);
            let leader = Some(NodeId(2));
            let progress =
                RunProgress { leader, led: led.look(FaultId(0), leader), ..progress(&in_force) };
            assert_eq!(Trigger::NewLeader.waits(&progress), waits, "{first:?} led");
            assert_eq!(led.look(FaultId(1), leader), leader, "each fault has a time of its own");
        }
    }

    #[test]
    fn a_fault_waits_for_another_leader_but_not_for_ever() {
        let in_force = InForce::of(1);
        let of = |leader: u16, led: u16| RunProgress {
            leader: Some(NodeId(leader)).filter(|node| node.0 > 0),
            led: Some(NodeId(led)).filter(|node| node.0 > 0),
            ..progress(&in_force)
        };
        for (leader, led) in [(0, 0), (0, 1), (1, 1)] {
            assert!(Trigger::NewLeader.waits(&of(leader, led)), "{leader} after {led}");
        }
        assert!(!Trigger::NewLeader.waits(&of(2, 1)));
        assert!(!Trigger::NewLeader.waits(&RunProgress { waited: LEADER_PATIENCE, ..of(1, 1) }));
    }

    #[test]
    fn a_fault_waits_for_answers_however_long_that_takes() {
        let in_force = InForce::of(1);
        let seen = RunProgress { waited: LEADER_PATIENCE * 9, ..progress(&in_force) };
        assert!(Trigger::Answered(10).waits(&seen));
        assert!(!Trigger::Answered(9).waits(&seen));
    }

    #[test]
    fn a_fault_waits_for_the_begin_or_the_end_of_another() {
        let mut in_force = InForce::of(2);
        let waits = |in_force: &InForce| {
            [Trigger::Begun(2), Trigger::Ended(2)].map(|trigger| trigger.waits(&progress(in_force)))
        };
        assert_eq!(waits(&in_force), [true, true]);
        let nodes = [NodeId(1)];
        let on = ResolvedTarget::resolve(&Action::Kill, &Target::All, None, &nodes);
        in_force.begin(FaultId(1), Action::Kill, on);
        assert_eq!(waits(&in_force), [false, true]);
        assert!(in_force.end(FaultId(1)).is_some());
        assert_eq!(waits(&in_force), [false, false]);
    }
}
