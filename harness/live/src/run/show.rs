//! The status of a run, as its console shows it while the run goes on.
//!
//! What a status looks like is `console`'s. The claim kept true: what a status says is in the file
//! of the history by then.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use crate::console::{Console, Status};
use crate::injector::Happened;
use crate::leaders::Leaders;
use crate::record::Recorder;

/// Shows the status while the run goes on.
pub(super) struct Show<'a> {
    pub(super) record: &'a Recorder,
    pub(super) leaders: &'a Mutex<Leaders>,
    pub(super) happened: &'a Happened,
    pub(super) console: &'a mut Console,
}

impl Show<'_> {
    pub(super) async fn keep_showing(&mut self) -> Infallible {
        let period = self.console.status_period();
        loop {
            tokio::time::sleep(period).await;
            self.show(None);
            // The file then holds what the status says, whatever happens to the harness. An error
            // is kept by the recorder and ends the run when it is judged.
            drop(self.record.flush());
        }
    }

    pub(super) fn show(&mut self, phase: Option<&'static str>) {
        let at = self.record.now();
        let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        self.console.status(&Status {
            at,
            counts: self.record.counts(),
            fault: self.happened.current(),
            leader: leaders.leader(at),
            phase,
        });
    }
}
