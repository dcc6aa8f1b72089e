//! Whether a node is ready, as whoever sends clients to it asks.
//!
//! Whether its loop turns is the node's to say. The claim kept true: no node is ready that has not
//! caught up, within [`READY_LAG_SLOTS_MAX`], with the longest chosen prefix that it knows of, or
//! that knows of no leader which can lead.

use crate::measured::Measured;

impl Measured {
    /// Says why the node is not ready, if it is not.
    ///
    /// # Errors
    ///
    /// The reason, in one line.
    pub fn readiness(&self) -> Result<(), String> {
        if self.is_refused {
            return Err("the other nodes refuse this one; its log says why".to_owned());
        }
        if self.is_draining {
            return Err("the node hands over before its end".to_owned());
        }
        if !self.is_voter {
            return Err("the node is no member of its cluster".to_owned());
        }
        if !self.has_state {
            let why = "the newest snapshot is damaged, and the state comes from a peer";
            return Err(why.to_owned());
        }
        if self.status.follows.is_none() {
            return Err("no leader is known".to_owned());
        }
        if !self.status.leader_ok {
            let why = "the leader cannot lead: it lacks a quorum, ends, or has a full or slow disk";
            return Err(why.to_owned());
        }
        let lag = self.lag();
        if lag > READY_LAG_SLOTS_MAX {
            return Err(format!(
                "{lag} slots behind; ready within {READY_LAG_SLOTS_MAX} of what others have chosen"
            ));
        }
        Ok(())
    }
}

/// How many slots a node that is ready may lag: what a busy cluster chooses between two heartbeats.
pub const READY_LAG_SLOTS_MAX: u64 = 1_024;

#[cfg(test)]
mod tests {
    use synod_paxos::{Ballot, NodeId, Slot};

    use super::*;

    fn said(change: impl FnOnce(&mut Measured)) -> String {
        let mut measured = Measured::before_any(NodeId::new(2));
        measured.status.follows = Some(Ballot::new(3, NodeId::new(1)));
        measured.status.leader_ok = true;
        change(&mut measured);
        measured.readiness().err().unwrap_or_default()
    }

    #[test]
    fn who_is_behind_is_not_ready_until_it_has_caught_up() {
        let at = |lag: u64| {
            move |measured: &mut Measured| {
                measured.status.applied = Slot::new(5_000);
                measured.highest_chosen = Slot::new(5_000 + lag);
            }
        };
        assert_eq!(said(at(0)), "");
        assert_eq!(said(at(READY_LAG_SLOTS_MAX)), "");
        assert!(said(at(READY_LAG_SLOTS_MAX + 1)).starts_with("1025 slots behind"));
    }

    #[test]
    fn who_knows_no_leader_that_can_lead_is_not_ready() {
        assert_eq!(said(|measured| measured.status.follows = None), "no leader is known");
        assert!(said(|measured| measured.status.leader_ok = false).contains("cannot lead"));
        let leads = Some(Ballot::new(3, NodeId::new(1)));
        assert_eq!(said(|measured| measured.status.leads = leads), "");
        assert!(said(|measured| measured.is_draining = true).contains("hands over"));
        assert!(said(|measured| measured.is_refused = true).contains("refuse"));
        assert!(said(|measured| measured.is_voter = false).contains("no member"));
        assert!(said(|measured| measured.has_state = false).contains("damaged"));
    }
}
