//! How long a phase 1 is waited for, by who runs it and by who would rather run its own.
//!
//! Who may campaign at all is the election's to say. The claim kept true: a phase 1 that gets on is
//! ended by nobody who would help it, and one that cannot get on holds nobody up for longer than
//! ways, or disks where it is them that it waits for, take.

use super::{BACKOFF_MAX, Election, ElectionView, PATIENCE_TICKS_MAX};
use crate::pace::{RTT_TICKS_MAX, path_ticks};
use synod_paxos::{Ballot, Tally};

impl Election {
    /// Tells whether this node's own phase 1 gets on.
    pub(super) fn is_alive(&self, view: &ElectionView) -> bool {
        view.preparing.is_some_and(|(ballot, _)| {
            // Its own sync is on its way: another ballot would wait for the same disk.
            view.durable < ballot || self.own.quiet <= self.patience(view)
        })
    }

    /// Tells whether somebody's phase 1 gets on that this node would help, and end by its own.
    ///
    /// A link that fell silent for as long as its way takes may be about to speak again. Who says
    /// that no quorum hears it waits for links and not for disks, and has little time to be heard
    /// again: a disk that was slow once would have everybody wait for what cannot come.
    pub(super) fn yields(&self, view: &ElectionView) -> bool {
        let least = view.promised.max(view.preparing.map_or(Ballot::ZERO, |own| own.0));
        let (patience, for_links) = (self.patience(view), self.backed_off(self.way_ticks()));
        self.links.values().any(|link| {
            let heard = link.silent <= self.config.suspicion_ticks + link.rtt.min(RTT_TICKS_MAX);
            let candidate = link.phase1.told.is_some_and(|(ballot, _)| ballot >= least);
            let cut_off = link.beat.as_ref().is_some_and(|beat| !beat.is_connected);
            let patience = if cut_off { patience.min(for_links) } else { patience };
            heard && candidate && link.phase1.quiet <= patience
        })
    }

    /// Returns how many ticks a phase 1 may take without getting on.
    fn patience(&self, view: &ElectionView) -> u32 {
        let is_quorum = |tally: &Tally| self.config.voters.is_phase1_quorum(tally);
        let path = self.quorum_ticks(view.sync_ticks, path_ticks, is_quorum);
        self.backed_off(self.config.suspicion_ticks + path)
    }

    /// Returns a patience that failed ballots double, up to its bound.
    fn backed_off(&self, ticks: u32) -> u32 {
        (ticks << self.failures.min(BACKOFF_MAX)).min(PATIENCE_TICKS_MAX)
    }
}
