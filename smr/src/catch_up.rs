//! Catch-up: a node that lacks chosen decrees fetches them.
//!
//! A restarted or lagging node sees in heartbeats that others know a longer prefix, and asks one of
//! them, its leader first. One question is out at a time. The claim kept true is one of liveness:
//! while some reachable peer knows more, a question to one of them is out or will be at a tick.

use synod_paxos::{NodeId, Slot};

/// The most slots that one answer carries.
pub const FETCH_SLOTS_MAX: u64 = 1024;

/// The most bytes of decrees that one answer gathers; one larger decree goes alone.
pub const FETCH_BYTES_MAX: usize = 1 << 20;

/// How many ticks a question may stay without an answer before another is asked, beside those of
/// the way there and back.
const ANSWER_TICKS: u32 = 6;

/// The one question that may be out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CatchUp {
    asked: Option<Asked>,
    /// The chosen prefix at the last tick.
    before: Slot,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    peer: NodeId,
    ticks: u32,
    /// After how many the answer is late.
    patience: u32,
}

impl CatchUp {
    /// Counts a tick, and says whom to ask: where nothing was learned since the last tick although
    /// somebody knows more. Each peer comes with its chosen prefix and the ticks there and back.
    pub fn on_tick(
        &mut self,
        chosen: Slot,
        leader: Option<NodeId>,
        peers: impl Iterator<Item = (NodeId, Slot, u32)>,
    ) -> Option<NodeId> {
        let stuck = std::mem::replace(&mut self.before, chosen) == chosen;
        let silent = self.asked.as_mut().and_then(|asked| {
            asked.ticks += 1;
            (asked.ticks > asked.patience).then_some(asked.peer)
        });
        if silent.is_some() {
            self.asked = None;
        }
        if !stuck || self.asked.is_some() {
            return None;
        }
        let ahead = peers.filter(|(_, slot, _)| *slot > chosen);
        // Somebody who did not answer is asked again only if nobody else can.
        let best = ahead.max_by_key(|(node, slot, _)| {
            (Some(*node) != silent, Some(*node) == leader, *slot, std::cmp::Reverse(*node))
        });
        best.map(|(node, _, rtt)| self.ask(node, ANSWER_TICKS + rtt))
    }

    /// Takes note of an answer, and says whether to ask the same peer on.
    pub fn on_decrees(&mut self, from: NodeId, grew: bool, more: bool) -> Option<NodeId> {
        let answered = self.asked.take_if(|asked| asked.peer == from);
        let patience = answered.map_or(ANSWER_TICKS, |asked| asked.patience);
        (grew && more && self.asked.is_none()).then(|| self.ask(from, patience))
    }

    const fn ask(&mut self, peer: NodeId, patience: u32) -> NodeId {
        assert!(self.asked.is_none(), "one peer is asked at a time");
        self.asked = Some(Asked { peer, ticks: 0, patience });
        peer
    }
}
