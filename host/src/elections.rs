//! Elections by cause, and changes of the leader, as a node sees them.
//!
//! It looks at the replica at the end of each turn and changes nothing. The cause is that of the
//! moment at which the node stopped being content: what is seen when its ballot begins, after
//! timers and retries, may say nothing of it any more. The claim kept true: a ballot that this node
//! begins is counted once, by the one who begins it.

use synod_paxos::Ballot;
use synod_smr::{ElectionCause, FollowedLeader, Replica, StateMachine};

use crate::counts::Counts;

/// What was seen at the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elections {
    /// The leader that was followed last.
    last: Option<FollowedLeader>,
    /// Why this node is discontent; none while it is content, or has never been.
    cause: Option<ElectionCause>,
    /// The highest ballot of this node's own that was counted.
    begun: Option<Ballot>,
    /// The ballot that it led.
    leads: Option<Ballot>,
}

impl Elections {
    /// Counts what has happened since the last look.
    pub(crate) fn look<M: StateMachine>(&mut self, replica: &Replica<M>, counts: &mut Counts) {
        let leader = replica.paxos().leader();
        if replica.is_leader_ok() {
            self.on_content(replica.followed(), counts);
        } else if self.cause.is_none() {
            self.cause = Some(replica.election_cause(self.last));
        }
        if let Some(ballot) = leader.ballot().filter(|ballot| Some(*ballot) > self.begun) {
            let raises = self.leads.is_some() && replica.is_leader_ok();
            let found = || self.cause.unwrap_or_else(|| replica.election_cause(self.last));
            let cause = if raises { ElectionCause::Raise } else { found() };
            self.begun = Some(ballot);
            counts.elections[cause as usize] += 1;
        }
        let leads = leader.leads();
        if leads.is_some() && leads != self.leads {
            counts.elections_won += 1;
        }
        // A leader that raises its ballot leads on, and prepares meanwhile.
        self.leads = leads.or_else(|| leader.ballot().and(self.leads));
    }

    fn on_content(&mut self, followed: Option<FollowedLeader>, counts: &mut Counts) {
        self.cause = None;
        let node =
            |followed: Option<FollowedLeader>| followed.map(|followed| followed.ballot.node());
        if followed.is_some() && node(followed) != node(self.last) {
            counts.leader_changes += 1;
        }
        self.last = followed.or(self.last);
    }
}
