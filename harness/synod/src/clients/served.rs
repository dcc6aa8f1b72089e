//! When a client was served last, and since when it has waited to write.
//!
//! What follows from it is the trial's to say. The claim kept true: an operation counts from its
//! beginning, so that nobody is served by an answer to what was asked long ago.

use synod_history::Request;
use synod_simulator::Micros;

/// What a client was answered of late.
#[derive(Default)]
pub struct Served {
    answered: Option<Micros>,
    written: Option<Micros>,
    wants_to_write: Option<Micros>,
}

impl Served {
    /// Takes note that the client begins an operation.
    pub(super) fn on_begun(&mut self, request: &Request, now: Micros) {
        if is_write(request) {
            // The first write that waits counts: a client whose writes end unknown one after the
            // other has been without one since then.
            self.wants_to_write = self.wants_to_write.or(Some(now));
        }
    }

    /// Takes note of an answer to an operation that was begun then.
    pub(super) fn on_answered(&mut self, request: &Request, begun: Micros) {
        self.answered = Some(begun);
        if is_write(request) {
            (self.written, self.wants_to_write) = (Some(begun), None);
        }
    }

    /// Tells whether an operation was answered that was begun since.
    #[must_use]
    pub fn any_since(&self, instant: Micros) -> bool {
        self.answered.is_some_and(|begun| begun >= instant)
    }

    /// Tells whether a write was answered that was begun since.
    #[must_use]
    pub fn writes_since(&self, instant: Micros) -> bool {
        self.written.is_some_and(|begun| begun >= instant)
    }

    /// Tells whether it wanted to write by then, and has had no write answered from there on.
    #[must_use]
    pub fn waits_to_write(&self, instant: Micros) -> bool {
        self.wants_to_write.is_some_and(|begun| begun <= instant)
    }
}

/// Tells whether a request changes something.
pub(super) const fn is_write(request: &Request) -> bool {
    !matches!(request, Request::Read { .. })
}
