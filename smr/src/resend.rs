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
    /// Whether an answer was awaited at the last tick.
    was_awaited: bool,
}

/// What is awaited of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Nothing.
    Nothing,
    /// A promise: all of it was asked for when the ballot began.
    Promise,
    /// Votes: a repetition is of what was open at the one before; later ones may be on their way.
    Votes,
}

impl Resends {
    /// Counts a tick for a peer whose answers take so many ticks, and tells whether to send again.
    pub fn on_tick(&mut self, peer: NodeId, path_ticks: u32, awaited: Awaited) -> bool {
        let is_awaited = awaited != Awaited::Nothing;
        let held = self.peers.entry(peer).or_default();
        let was_awaited = std::mem::replace(&mut held.was_awaited, is_awaited);
        if !is_awaited {
            held.unanswered = 0;
        }
        if awaited == Awaited::Votes && !was_awaited {
            // What is open is marked by this, and said again by the next one, a pace from here:
            // one that only marks must not make that later.
            held.waited = 0;
            return true;
        }
        held.waited += 1;
        let pace = RESEND_TICKS + path_ticks.min(RESEND_PATH_TICKS_MAX);
        let slowest = RESEND_TICKS_MAX.max(RESEND_TICKS + path_ticks);
        assert!(pace <= slowest, "back-off begins past its bound");
        // A peer that answers nothing may be down or drowned: each repetition without an answer
        // doubles the wait.
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
