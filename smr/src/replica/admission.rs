//! Admission: what the replica does with a request, and with a peer that lags.
//!
//! The second half of the replica's dispatch. The claim kept true: a refusal given here is definite
//! for its attempt, as nothing has been proposed for it.

use crate::command::{Command, Fingerprint, PAYLOAD_BYTES_MAX, Principal, Sequence, SessionId};
use crate::effects::{Disk, Effects};
use crate::executor::{WaitKey, answer};
use crate::proposals::Waiter;
use crate::read::Read;
use crate::replica::Replica;
use crate::request::{Connection, Refusal, Request, RequestBody, Response};
use crate::session::SessionVerdict;
use crate::state_machine::StateMachine;
use bytes::Bytes;
use synod_paxos::NodeId;

/// After how many milliseconds a client that met too much load tries again.
const RETRY_AFTER_MS: u32 = 50;

/// A leader is crowded with this part of the bytes under way that it takes at most: 8 MiB of 64.
/// That keeps a link of 800 megabits a second busy over the ways and the sync of [`CROWDED_TICKS`];
/// more would only be older when it is done. A leader whose quorum takes longer has as much more
/// under way, up to [`CROWDED_MOST`] such parts, so that what it is handed beside them is still
/// taken in.
const CROWDED_FRACTION: usize = 8;

/// How many ticks one such part is enough for: 80 ms at 40 ms.
const CROWDED_TICKS: u32 = 2;

/// The most such parts under way at a leader that is not crowded.
const CROWDED_MOST: u32 = 6;

impl<M: StateMachine> Replica<M> {
    pub(crate) fn on_request(
        &mut self,
        connection: Connection,
        principal: Principal,
        request: Request,
        effects: &mut Effects,
    ) {
        let waiter = Waiter { connection, id: request.id };
        let answer = match request.body {
            // How a node is doing every node may tell, whoever leads.
            RequestBody::Status => Some(Response::Status(self.status())),
            // Whom a node lets read all, its host knows.
            RequestBody::FetchSnapshot { .. } => Some(Response::Refused(Refusal::NotAllowed)),
            body if self.admits() => self.on_body(body, principal, waiter),
            RequestBody::Open { .. } | RequestBody::Command { .. } | RequestBody::Query(_) => {
                Some(Response::Refused(Refusal::NotLeader { leader: self.leader_to_name() }))
            }
        };
        if let Some(response) = answer {
            effects.reply(connection, request.id, response);
        }
    }

    /// Takes in what a leader is asked, or returns the answer at once.
    fn on_body(
        &mut self,
        body: RequestBody,
        principal: Principal,
        waiter: Waiter,
    ) -> Option<Response> {
        match body {
            RequestBody::Status => Some(Response::Status(self.status())),
            RequestBody::FetchSnapshot { .. } => Some(Response::Refused(Refusal::NotAllowed)),
            RequestBody::Open { opening } => {
                let awaited = WaitKey::Open { principal, opening };
                self.admit(awaited, Command::Open { principal, opening }, waiter)
            }
            RequestBody::Command { session, sequence, unanswered, payload } => {
                self.on_command(principal, (session, sequence, unanswered), payload, waiter)
            }
            RequestBody::Query(query) => {
                let read = Read { connection: waiter.connection, id: waiter.id, query };
                (!self.reads.ask(read)).then(overloaded)
            }
        }
    }

    /// Tells whether requests are taken in: this node leads, or is raising its ballot as a leader,
    /// and has the links that it takes to get anything done.
    ///
    /// A leader that is cut off would let its clients wait while another one leads elsewhere.
    fn admits(&self) -> bool {
        self.draining.is_none() && self.claims().is_some() && self.election.is_connected()
    }

    /// Tells whether this node leads and has so much under way that more of it had better wait with
    /// the clients: what is refused here was sent for nothing, and is sent again.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        // This is asked several times a turn, and mostly little is under way: that is looked at
        // first, as links are not for nothing.
        (self.paxos.is_backlogged() || self.is_enough(self.proposals.bytes())) && self.admits()
    }

    /// Tells whether so many bytes under way keep links and disks busy for as long as they take.
    fn is_enough(&self, bytes: usize) -> bool {
        let part = self.config.limits.waiting_bytes / CROWDED_FRACTION;
        // This is asked before each request, and what a round takes is seldom needed for it.
        bytes > part && {
            let ticks = (1 + self.round_ticks()).clamp(CROWDED_TICKS, CROWDED_MOST * CROWDED_TICKS);
            bytes > part * ticks as usize / CROWDED_TICKS as usize
        }
    }

    /// Returns how many milliseconds it takes to have something chosen that nothing waits before,
    /// as far as this replica has seen: the way to the fastest quorum and back, and a sync. It is
    /// counted in whole heartbeats.
    #[must_use]
    pub fn round_ms(&self) -> u32 {
        self.round_ticks().saturating_mul(self.config.heartbeat_ms)
    }

    fn round_ticks(&self) -> u32 {
        // A sync here that does not end makes no room: what it may take is known when it has ended.
        // What a peer tells counts the one that runs, up to a bound.
        self.election.round_ticks(self.pace.ended_sync_ticks())
    }

    /// Returns the leader that clients are sent to: none if it says itself that it cannot lead, for
    /// a client that is sent to and fro between two cut-off nodes never tries the others.
    fn leader_to_name(&self) -> Option<NodeId> {
        self.leader_elsewhere().filter(|_| self.election.is_leader_ok())
    }

    /// Takes a command in, or returns what it is refused with.
    fn on_command(
        &mut self,
        principal: Principal,
        (session, sequence, unanswered): (SessionId, Sequence, Sequence),
        payload: Bytes,
        waiter: Waiter,
    ) -> Option<Response> {
        let sessions = self.executor.sessions();
        let print = Fingerprint::of(&payload);
        match sessions.standing(session, principal, sequence, print) {
            // The session's window is moved by `unanswered` when the command is applied; and a
            // session that is not known yet may be opened by a decree that is on its way.
            SessionVerdict::Fresh | SessionVerdict::TooFar => {}
            SessionVerdict::Expired if !self.paxos.is_settled() => {}
            standing @ (SessionVerdict::Applied(_)
            | SessionVerdict::Expired
            | SessionVerdict::Stale
            | SessionVerdict::Reused) => return answer(standing),
        }
        // Only what is new is judged: a repetition has its answer, whatever the state has become.
        if payload.len() > PAYLOAD_BYTES_MAX {
            let reason = format!("{} bytes are more than {PAYLOAD_BYTES_MAX}", payload.len());
            return Some(Response::Refused(Refusal::Invalid(reason)));
        }
        if let Err(invalid) = self.executor.machine().validate(&payload) {
            return Some(Response::Refused(Refusal::Invalid(invalid.reason().to_owned())));
        }
        let awaited = WaitKey::Apply { principal, session, sequence, payload: print };
        let command = Command::Apply { principal, session, sequence, unanswered, payload };
        self.admit(awaited, command, waiter)
    }

    fn admit(&mut self, awaited: WaitKey, command: Command, waiter: Waiter) -> Option<Response> {
        if self.disk == Disk::Full {
            return Some(Response::Refused(Refusal::DiskFull));
        }
        // A disk that hangs must not let memory fill with what waits for it.
        let bytes_max = self.config.limits.waiting_bytes;
        let taken = !self.paxos.is_backlogged()
            && self.proposals.admit(awaited, command, waiter, bytes_max);
        (!taken).then(overloaded)
    }
}

const fn overloaded() -> Response {
    Response::Refused(Refusal::Overloaded { retry_after_ms: RETRY_AFTER_MS })
}
