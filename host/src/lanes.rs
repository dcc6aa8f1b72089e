//! What is said again to a peer, and what is left out: one message on its way is enough.
//!
//! Whether something waits on a lane is the transport's to say, in each turn anew. The claims kept
//! true: if the lane of the log to a peer holds something as a turn ends, nothing that was said
//! before is said to it again, and if the bulk lane does, no answer is added to it, as whoever asks
//! again asks for the same; and a lane is called moving only if the peer took some of what waited
//! there. What a lane holds comes or is lost with its link, and who repeats something, or asks
//! again, does so once more a pace later.

use std::collections::BTreeMap;

use synod_paxos::{NodeId, To};
use synod_smr::{Lane, Message};

/// The lanes on which something waits, as far as the turn under way was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes {
    log: Vec<NodeId>,
    bulk: Vec<NodeId>,
    /// How much had passed where something waited, as told last.
    passed: BTreeMap<NodeId, u64>,
}

impl Lanes {
    /// Hears that a peer has not taken all that it was given of the log, and tells whether it took
    /// some of it since it was told last.
    pub(crate) fn on_log_waiting(&mut self, peer: NodeId, passed: u64) -> bool {
        if !self.log.contains(&peer) {
            self.log.push(peer);
        }
        self.passed.insert(peer, passed).is_some_and(|before| before != passed)
    }

    /// Hears that the link to a peer is another one, or none: its count is none of the last one's.
    pub(crate) fn on_link(&mut self, peer: NodeId) {
        self.passed.remove(&peer);
    }

    /// Hears that a peer has not taken all that it was given of what is long.
    pub(crate) fn on_bulk_waiting(&mut self, peer: NodeId) {
        if !self.bulk.contains(&peer) {
            self.bulk.push(peer);
        }
    }

    /// Takes out of what a turn sends what is on its way as it is, and counts it. The turn is over:
    /// what was told is forgotten, so that a transport that falls silent silences nobody.
    pub(crate) fn end_turn(&mut self, sent: &mut Vec<(To, Message)>) -> u64 {
        let before = sent.len();
        sent.retain(|(to, message)| !self.is_on_its_way(to, message));
        // Where nothing waited, what comes to wait there is none of what passed meanwhile.
        self.passed.retain(|peer, _| self.log.contains(peer));
        self.log.clear();
        self.bulk.clear();
        (before - sent.len()) as u64
    }

    /// Tells whether a message says to one node what it was said, or answered, and has not taken
    /// yet. The log is said to all once; to one node alone it is said again.
    fn is_on_its_way(&self, to: &To, message: &Message) -> bool {
        match (to, message.lane()) {
            (To::Node(peer), Lane::Log { .. }) => self.log.contains(peer),
            (To::Node(peer), Lane::Bulk) => self.bulk.contains(peer),
            (To::Node(_), Lane::Control | Lane::Datagram) | (To::Peers, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use synod_paxos::{Ballot, Immediate, Message as Paxos, Slot};

    use super::*;

    const ONE: NodeId = NodeId::new(1);
    const OTHER: NodeId = NodeId::new(2);

    fn accept() -> Message {
        let (ballot, first) = (Ballot::new(1, NodeId::new(3)), Slot::FIRST);
        let (decrees, chosen) = (Vec::new(), first);
        Message::Paxos(Paxos::Immediate(Immediate::Accept { ballot, first, decrees, chosen }))
    }

    fn fetch() -> Message {
        Message::Fetch { first: Slot::FIRST }
    }

    #[test]
    fn what_is_on_its_way_is_not_said_again_and_all_else_is() {
        let mut lanes = Lanes::default();
        lanes.on_log_waiting(ONE, 0);
        lanes.on_log_waiting(ONE, 0);
        let (one, other) = (To::Node(ONE), To::Node(OTHER));
        let mut sent =
            vec![(one, accept()), (other, accept()), (To::Peers, accept()), (one, fetch())];
        assert_eq!(lanes.end_turn(&mut sent), 1);
        assert_eq!(sent, [(other, accept()), (To::Peers, accept()), (one, fetch())]);
    }

    #[test]
    fn who_asks_again_gets_no_second_answer_behind_the_first() {
        let answer = || {
            let (first, chosen) = (Slot::FIRST, Slot::FIRST);
            Message::Decrees { first, decrees: Vec::new(), chosen }
        };
        let (one, other) = (To::Node(ONE), To::Node(OTHER));
        let mut lanes = Lanes::default();
        lanes.on_log_waiting(OTHER, 0);
        lanes.on_bulk_waiting(ONE);
        let mut sent = vec![(one, answer()), (other, answer()), (one, accept())];
        assert_eq!(lanes.end_turn(&mut sent), 1);
        assert_eq!(sent, [(other, answer()), (one, accept())]);
        let mut sent = vec![(one, answer())];
        assert_eq!(lanes.end_turn(&mut sent), 0, "it counts for one turn");
    }

    #[test]
    fn what_was_told_counts_for_one_turn() {
        let mut lanes = Lanes::default();
        lanes.on_log_waiting(ONE, 0);
        assert_eq!(lanes.end_turn(&mut Vec::new()), 0);
        let mut sent = vec![(To::Node(ONE), accept())];
        assert_eq!(lanes.end_turn(&mut sent), 0);
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn a_lane_moves_if_more_has_passed_than_before() {
        let mut lanes = Lanes::default();
        assert!(!lanes.on_log_waiting(ONE, 7), "nothing is known of before");
        assert!(!lanes.on_log_waiting(ONE, 7));
        lanes.end_turn(&mut Vec::new());
        assert!(!lanes.on_log_waiting(OTHER, 8), "another lane");
        assert!(lanes.on_log_waiting(ONE, 8), "in a later turn");
        assert!(!lanes.on_log_waiting(ONE, 8));
    }

    #[test]
    fn a_lane_of_another_link_moves_only_once_it_has_moved_itself() {
        let mut lanes = Lanes::default();
        lanes.on_log_waiting(ONE, 900);
        lanes.on_log_waiting(OTHER, 900);
        lanes.end_turn(&mut Vec::new());
        lanes.on_link(ONE);
        assert!(!lanes.on_log_waiting(ONE, 0), "that is where its count begins");
        assert!(lanes.on_log_waiting(OTHER, 901), "the link to another peer stays");
        lanes.end_turn(&mut Vec::new());
        assert!(lanes.on_log_waiting(ONE, 1));
    }

    #[test]
    fn what_passed_before_a_lane_was_empty_moves_nothing_that_waits_there_since() {
        let mut lanes = Lanes::default();
        lanes.on_log_waiting(ONE, 7);
        lanes.end_turn(&mut Vec::new());
        // All of it passes, and in this turn nothing waits; then something comes, and stands.
        lanes.end_turn(&mut Vec::new());
        assert!(!lanes.on_log_waiting(ONE, 900), "that was passed by what waited before");
        lanes.end_turn(&mut Vec::new());
        assert!(!lanes.on_log_waiting(ONE, 900));
    }
}
