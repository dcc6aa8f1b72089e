//! Reads of old decrees, where they may wait for the disk.
//!
//! What is read for whom is the host's business, which has one order out at a time. The claim kept
//! true: every order comes back to the loop, if with nothing, as the host waits for it and gives no
//! other one before: also the order of a read that panicked.

use synod_host::journal::{Disk, Reader};
use synod_host::{OldDecrees, ReadOrder};
use tokio::sync::mpsc;

use crate::world::Placement;

/// Carries orders out on threads that may wait for the disk.
pub(crate) struct Reads<D: Disk> {
    placement: Placement,
    reader: Reader<D>,
    answers: mpsc::Sender<OldDecrees>,
    events: mpsc::Receiver<OldDecrees>,
}

/// What comes back of an order, in whichever way its read ends.
struct Answer {
    answers: mpsc::Sender<OldDecrees>,
    old: Option<OldDecrees>,
}

impl<D: Disk> Reads<D> {
    pub(crate) fn new(reader: Reader<D>, placement: Placement) -> Self {
        let (answers, events) = mpsc::channel(READS_UNDER_WAY_MAX);
        Self { placement, reader, answers, events }
    }

    /// Begins to carry an order out.
    pub(crate) fn begin(&self, order: ReadOrder) {
        let nothing = OldDecrees::nothing(order.to());
        self.spawn(nothing, move |reader| order.carry_out(reader));
    }

    /// Waits for the end of a read.
    pub(crate) async fn next(&mut self) -> Option<OldDecrees> {
        self.events.recv().await
    }

    /// Takes the end of a read, if one is there.
    pub(crate) fn ready(&mut self) -> Option<OldDecrees> {
        self.events.try_recv().ok()
    }

    /// Begins a read. If it comes to no end of its own, what comes back is `nothing`.
    fn spawn(
        &self,
        nothing: OldDecrees,
        read: impl FnOnce(&mut Reader<D>) -> OldDecrees + Send + 'static,
    ) {
        let mut reader = self.reader.clone();
        let answer = Answer { answers: self.answers.clone(), old: Some(nothing) };
        let read = move || {
            let mut answer = answer;
            answer.old = Some(read(&mut reader));
        };
        match self.placement {
            Placement::Threads => drop(tokio::task::spawn_blocking(read)),
            Placement::Tasks => drop(tokio::spawn(async move { read() })),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a read of old decrees has panicked, and what it was for is not sent");
        }
        // There is a place for the one order that is out; the loop is gone only when the node ends.
        if let Some(old) = self.old.take() {
            let _ = self.answers.try_send(old);
        }
    }
}

/// How many reads are under way at most: the host asks for one at a time.
const READS_UNDER_WAY_MAX: usize = 1;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use synod_host::api::NodeId;
    use synod_host::journal::{Journal, Options, SimDisk};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_read_that_panics_comes_back_and_the_next_one_too() {
        let options = Options::new(b"a test");
        let opened = Journal::open(SimDisk::new(1), Path::new("journal"), &options, |_| {});
        let (journal, _) = opened.expect("the disk is empty");
        for placement in [Placement::Threads, Placement::Tasks] {
            let mut reads = Reads::new(journal.reader(), placement);
            for number in 1..=3 {
                let nothing = OldDecrees::nothing(NodeId::new(number));
                reads.spawn(nothing, |_| panic!("a record that breaks an assertion"));
                let back = timeout(Duration::from_secs(10), reads.next()).await;
                assert!(matches!(back, Ok(Some(_))), "{placement:?}: order {number} is out still");
            }
        }
    }
}
