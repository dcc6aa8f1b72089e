//! Trespasses: commands of one client in the session of another, and misuse of a client's own.
//!
//! When a client tries either is the cluster's to draw. The claim kept true: a trespasser is told
//! nothing of the session that it tries, not even that it is there.

use synod_paxos::NodeId;
use synod_smr::{Refusal, Request, RequestBody, RequestId, Response};

use super::SimClient;
use crate::machine::SimWorld;
use crate::misuse;

/// Tells whether a request is a trespass: a command in a session of somebody else.
#[must_use]
pub const fn is_trespass(id: RequestId) -> bool {
    id.0 >= TRESPASS
}

impl SimClient {
    /// Repeats another client's command word for word, as if it were its own.
    pub fn trespass(&mut self, to: NodeId, body: RequestBody, world: &mut SimWorld) {
        self.trespasses += 1;
        let id = RequestId(TRESPASS + self.trespasses);
        world.say(|| format!("client {} trespasses: {body:?}", self.number));
        self.send(to, &Request { id, body }, world);
    }

    /// Misuses its own session, if it has one.
    pub fn misuse(&mut self, world: &mut SimWorld) {
        let Some((to, last)) = &self.answered_command else { return };
        let number = 1 << 63 | u64::from(self.number) << 32 | self.misuses;
        let Some(body) = misuse::draw(number, last, world.chance()) else { return };
        self.misuses += 1;
        let (to, id) = (*to, misuse::misuse(self.misuses));
        world.say(|| format!("client {} misuses its session: {body:?}", self.number));
        self.send(to, &Request { id, body }, world);
    }
}

/// Tells whether a trespasser learns nothing of the session, not even that it is there.
pub(super) const fn sends_away(response: &Response) -> bool {
    match response {
        Response::Uncertain { .. } => true,
        Response::Refused(refusal) => match refusal {
            Refusal::NotLeader { .. }
            | Refusal::Overloaded { .. }
            | Refusal::DiskFull
            | Refusal::SessionExpired
            | Refusal::Invalid(_) => true,
            Refusal::SequenceStale
            | Refusal::SequenceReused
            | Refusal::PipelineFull
            | Refusal::ReplyLost
            | Refusal::ReplyTooLong
            | Refusal::NotAllowed
            | Refusal::NoPart { .. } => false,
        },
        Response::Opened(_)
        | Response::Reply(_)
        | Response::Status(_)
        | Response::Snapshot { .. } => false,
    }
}

/// The numbers of trespasses; a client's own requests never get so far.
const TRESPASS: u64 = 1 << 63;
