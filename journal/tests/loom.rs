//! The wake-ups between an owner and the journal thread, in every order that loom finds.
//!
//! Run with `RUSTFLAGS="--cfg synod_loom" LOOM_MAX_PREEMPTIONS=3 cargo test -p synod-journal --test
//! loom --release`. Claim kept: no wake-up is lost, completions come in order and only for what is
//! on the disk, an error comes once, and shutdown leaves nothing behind.
#![cfg(synod_loom)]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;

use loom::sync::{Arc, Condvar, Mutex};
use synod_journal::{
    AppendError, CallFault, Commit, Completion, DiskCall, Failure, GroupCommit, HardState,
    IN_FLIGHT_MAX, Journal, Options, Records, SimDisk, SubmitError, SyncError, Times,
};

/// What the owner is told, with what the disk had at that moment.
#[derive(Debug)]
enum Told {
    Durable { ticket: u8, on_disk: bool, in_order: bool },
    Ended,
}

/// The owner's inbox.
#[derive(Default)]
struct Inbox {
    told: Mutex<Vec<Told>>,
    changed: Condvar,
}

impl Inbox {
    fn put(&self, told: Told) {
        self.told.lock().unwrap().push(told);
        self.changed.notify_one();
    }

    /// Waits until so many messages have come.
    fn wait_for(&self, count: usize) {
        let mut told = self.told.lock().unwrap();
        while told.len() < count {
            told = self.changed.wait(told).unwrap();
        }
    }

    fn tickets(&self) -> Vec<u8> {
        let told = self.told.lock().unwrap();
        let tickets = told.iter().map(|told| match told {
            Told::Durable { ticket, on_disk, in_order } => {
                assert!(on_disk, "completion {ticket} came before its sync");
                assert!(in_order, "completion {ticket} has another place in the log");
                *ticket
            }
            Told::Ended => 0,
        });
        tickets.collect()
    }
}

fn commit(ticket: u8) -> Commit<u8> {
    let records: Records = [[ticket; 40]].into_iter().collect();
    Commit { hard_state: HardState([ticket; 32]), records, keep: None, ticket }
}

fn started(disk: &SimDisk) -> (GroupCommit<u8>, Arc<Inbox>) {
    let mut options = Options::new(b"loom");
    options.segment_bytes = 16384;
    let (journal, _) = Journal::open(disk.clone(), Path::new("/log"), &options, |_| {}).unwrap();
    let inbox = Arc::new(Inbox::default());
    let (disk, outbox) = (disk.clone(), Arc::clone(&inbox));
    let mut completed = 0;
    let group = GroupCommit::start(journal, move |outcome: Result<Completion<u8>, AppendError>| {
        outbox.put(match outcome {
            Ok(Completion { ticket, lsns, records }) => {
                assert!(records.is_empty());
                // Each commit has one record, so the log numbers the completions.
                completed += 1;
                let in_order = lsns.start.get() == completed;
                Told::Durable { ticket, on_disk: survives(&disk, ticket), in_order }
            }
            Err(_) => Told::Ended,
        });
    });
    (group.unwrap(), inbox)
}

/// Tells whether the record of a ticket is there after a power loss at this very moment.
fn survives(disk: &SimDisk, ticket: u8) -> bool {
    let file = Path::new("/log/segment-00000001.log");
    let bytes = disk.crash(|_| 0).contents(file).unwrap();
    bytes.windows(40).any(|window| window == [ticket; 40])
}

#[test]
fn two_commits_and_a_shutdown() {
    loom::model(|| {
        let (group, inbox) = started(&SimDisk::new(1));
        group.submit(commit(1)).unwrap();
        group.submit(commit(2)).unwrap();
        group.shutdown().unwrap();
        assert_eq!(inbox.tickets(), [1, 2]);
    });
}

#[test]
fn an_owner_that_waits_is_always_woken() {
    loom::model(|| {
        let (group, inbox) = started(&SimDisk::new(1));
        group.submit(commit(1)).unwrap();
        inbox.wait_for(1);
        // The place is free before the completion is told, or an owner would be told to wait for a
        // completion that never comes.
        group.submit(commit(2)).unwrap();
        group.submit(commit(3)).unwrap();
        inbox.wait_for(3);
        assert_eq!(inbox.tickets(), [1, 2, 3]);
        group.shutdown().unwrap();
    });
}

#[test]
fn a_third_commit_is_handed_back_or_has_a_place() {
    loom::model(|| {
        let (group, inbox) = started(&SimDisk::new(1));
        group.submit(commit(1)).unwrap();
        group.submit(commit(2)).unwrap();
        let mut expected = vec![1, 2];
        match group.submit(commit(3)) {
            Ok(()) => expected.push(3),
            Err(SubmitError::Busy(back)) => assert_eq!(back.ticket, 3),
            Err(SubmitError::Ended(_)) => panic!("nothing has ended"),
        }
        assert!(group.in_flight() <= IN_FLIGHT_MAX);
        drop(group);
        assert_eq!(inbox.tickets(), expected);
    });
}

#[test]
fn two_owners_share_the_places() {
    loom::model(|| {
        let (group, inbox) = started(&SimDisk::new(1));
        let group = Arc::new(group);
        let other = {
            let group = Arc::clone(&group);
            loom::thread::spawn(move || group.submit(commit(1)).unwrap())
        };
        group.submit(commit(2)).unwrap();
        other.join().unwrap();
        inbox.wait_for(2);
        drop(group);
        let mut tickets = inbox.tickets();
        tickets.sort_unstable();
        assert_eq!(tickets, [1, 2], "each is completed once, in the order of the log");
    });
}

#[test]
fn an_error_is_told_once_and_ends_everything() {
    loom::model(|| {
        let disk = SimDisk::new(1);
        let (group, inbox) = started(&disk);
        let (operation, failure) = (DiskCall::Sync, Failure::Io);
        disk.inject(CallFault { operation, after: 0, times: Times::Once, failure });
        // They may find a place in the queue; their completions never come. The error may even be
        // that of a segment made ahead, before any of them.
        let _ = group.submit(commit(1));
        let _ = group.submit(commit(2));
        inbox.wait_for(1);
        assert!(matches!(group.submit(commit(3)), Err(SubmitError::Ended(_))));
        assert!(matches!(group.shutdown(), Err(SyncError::Poisoned)));
        assert_eq!(inbox.tickets(), [0]);
    });
}
