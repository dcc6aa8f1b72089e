//! Resends: when what a peer has not answered is sent to it again.
//!
//! The first repetition comes after the way there and back and the peer's syncs, as they were last
//! seen, so that what is merely on its way is not sent twice; each further one without an answer
//! waits twice as long, up to a bound. What was seen last may be over, such as a disk that hung,
//! and nothing but an answer would show that: so the first repetition comes within a bound, and
//! those after it, which tell that the way is long indeed, at the pace that was seen. What is sent
//! again is the core's to say. The claim kept true is one of liveness: a peer whose answer is
//! awaited is asked again within the bounds.

use std::collections::BTreeMap;
use synod_paxos::NodeId;

/// After how many ticks a peer is asked again whose way there and back takes no time.
pub const RESEND_TICKS: u32 = 2;

/// The longest that back-off puts a repetition off, in ticks: a second at 40 ms. A peer whose own
/// pace is slower is asked at that pace.
pub const RESEND_TICKS_MAX: u32 = 25;

/// The slowest pace of a peer that is believed for the first repetition, in ticks: two seconds at
/// 40 ms. What takes longer is said more than once.
pub const RESEND_PATH_TICKS_MAX: u32 = 50;

/// The peers, and when each is asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resends {
    peers: BTreeMap<NodeId, Resend>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Resend {
    /// Ticks since the last repetition.
    waited: u32,
    /// Repetitions since the last answer.
    unanswered: u32,
}

impl Resends {
    /// Counts a tick for a peer whose answers take so many ticks, and tells whether to send again.
    pub fn on_tick(&mut self, peer: NodeId, path_ticks: u32, is_awaited: bool) -> bool {
        let held = self.peers.entry(peer).or_default();
        if !is_awaited {
            held.unanswered = 0;
        }
        held.waited += 1;
        let pace = RESEND_TICKS + path_ticks.min(RESEND_PATH_TICKS_MAX);
        let slowest = RESEND_TICKS_MAX.max(RESEND_TICKS + path_ticks);
        assert!(pace <= slowest, "back-off begins past its bound");
        let backed_off = pace.saturating_mul(1 << held.unanswered.min(BACKOFF_MAX));
        if held.waited < backed_off.min(slowest) {
            return false;
        }
        held.waited = 0;
        held.unanswered = held.unanswered.saturating_add(u32::from(is_awaited));
        true
    }

    /// Takes note of an answer.
    pub fn on_answer(&mut self, peer: NodeId) {
        if let Some(held) = self.peers.get_mut(&peer) {
            held.unanswered = 0;
        }
    }

    /// Begins anew, as another ballot asks for other answers.
    pub fn begin(&mut self) {
        self.peers.clear();
    }
}

/// How often the time between repetitions doubles.
const BACKOFF_MAX: u32 = 4;
