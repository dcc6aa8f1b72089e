//! Nodes that deny this client a connection, and what becomes of operations if all of them do.
//!
//! Whether a denial may pass by itself is its driver's to say, which has the reason: a certificate
//! of another cluster is denied as long as there is one, and a crowded node has room again. The
//! claims kept true: nobody waits for nodes that all deny access for good, and as soon as one may
//! grant it operations wait for their time again.

use super::Client;
use super::operation::{ClientEffects, Outcome, Reason, Ticket};
use synod_paxos::NodeId;

impl Client {
    /// Takes note of what became of the last try to connect to a node.
    pub(super) fn on_access(&mut self, node: NodeId, is_denied: bool) {
        if !self.nodes.contains(&node) {
            return;
        }
        if is_denied {
            self.denied_by.insert(node);
        } else {
            self.denied_by.remove(&node);
        }
    }

    /// Ends all operations if no node is left that may grant access. What may have been heard while
    /// there was a connection stays uncertain.
    pub(super) fn end_denied(&mut self, effects: &mut ClientEffects) {
        if self.denied_by.len() < self.nodes.len() {
            return;
        }
        let ended = self.operations.iter().map(|(ticket, pending)| {
            let may_apply = pending.is_in_flight();
            (*ticket, pending.without_reply(Reason::AccessDenied, may_apply))
        });
        let ended: Vec<(Ticket, Outcome)> = ended.collect();
        for (ticket, outcome) in ended {
            self.end(ticket, outcome, effects);
        }
    }
}
