//! NoGapApplied: what is chosen is applied in order and at once, and nothing is ever unapplied. A
//! node that lost its state to a damaged snapshot is behind, and until it is not, it has no ballot
//! of its own and answers no question.

use synod_paxos::Slot;
use synod_smr::Response;

use super::Invariant;
use super::by_node::ByNode;
use crate::step::Step;

/// How far each node got in its present life.
#[derive(Default)]
pub(super) struct NoGapApplied {
    applied: ByNode<(u64, Slot)>,
}

impl Invariant for NoGapApplied {
    fn name(&self) -> &'static str {
        "no-gap-applied"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let (chosen, applied) = (step.after.chosen, step.after.applied);
        let has_state = applied >= step.replica.paxos().log().base();
        if has_state && chosen != applied {
            return Err(format!("node {} chose up to {chosen}, applied {applied}", step.node));
        }
        let is_served = |reply: &Response| {
            matches!(reply, Response::Reply(_) | Response::Opened(_) | Response::Uncertain { .. })
        };
        let serves = step.replies.iter().any(|(.., reply)| is_served(reply));
        if !has_state && (step.after.ballot.is_some() || serves) {
            let detail = "campaigns, leads or answers without its state";
            return Err(format!("node {} {detail}, applied up to {applied}", step.node));
        }
        let last = self.applied.of(step.node);
        let (life, before) = std::mem::replace(last, (step.life, applied));
        // A life that begins is behind the one before it: it applies what its journal gives back
        // anew.
        if life == step.life && before > applied {
            return Err(format!("node {} fell back from {before} to {applied}", step.node));
        }
        Ok(())
    }
}
