//! The journal on its own thread, with real threads and a simulated disk.
//!
//! The orders of wake-ups are left to the loom tests. Claim kept: completions come in order and for
//! durable commits alone, an idle journal is sealed, a full disk shows in the room and ends with
//! space, and shutdown drains.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use script::{open, open_with, options, path};
use synod_journal::{
    AppendError, CallFault, Commit, Committer, Completion, DiskCall, Failure, GroupCommit,
    HardState, IN_FLIGHT_MAX, Options, Records, SimDisk, SubmitError, SyncError, Times,
};

/// No test waits longer than this for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

type Outcome = Result<Completion<usize>, AppendError>;

fn roomy() -> Options {
    let mut options = options();
    options.segment_bytes = 64 << 10;
    options
}

fn started(disk: &SimDisk) -> (GroupCommit<usize>, Receiver<Outcome>) {
    let (journal, _, _) = open_with(disk, &roomy()).unwrap();
    let (told, inbox) = mpsc::channel();
    let group = GroupCommit::start(journal, move |outcome| told.send(outcome).unwrap()).unwrap();
    (group, inbox)
}

fn commit(ticket: usize, bytes: usize, mut records: Records) -> Commit<usize> {
    records.push(&vec![u8::try_from(ticket % 251).unwrap(); bytes]);
    Commit { hard_state: HardState([0xee; 32]), records, keep: None, ticket }
}

/// Waits for something that another thread brings about.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} within {PATIENCE:?}");
        thread::yield_now();
    }
}

#[test]
fn completions_come_in_order_and_are_durable() {
    const COMMITS: usize = 300;
    let disk = SimDisk::new(1);
    let (group, inbox) = started(&disk);
    let (mut submitted, mut buffers) = (0, vec![Records::new(), Records::new()]);
    for expected in 0..COMMITS {
        while submitted < COMMITS && submitted < expected + IN_FLIGHT_MAX {
            let buffer = buffers.pop().unwrap();
            group.submit(commit(submitted, 500, buffer)).unwrap();
            submitted += 1;
        }
        let done = inbox.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(done.ticket, expected);
        assert_eq!(done.lsns.start.get(), expected as u64 + 1);
        assert_eq!(done.lsns.end.get(), expected as u64 + 2);
        assert!(done.records.is_empty(), "the buffer comes home empty");
        buffers.push(done.records);
    }
    let (_, _, found) = open_with(&disk.crash(|_| 0), &roomy()).unwrap();
    assert_eq!(found.records.len(), COMMITS);
    group.shutdown().unwrap();
}

#[test]
fn shutdown_drains_and_seals() {
    let disk = SimDisk::new(1);
    let (group, inbox) = started(&disk);
    group.submit(commit(0, 10, Records::new())).unwrap();
    group.submit(commit(1, 10, Records::new())).unwrap();
    group.shutdown().unwrap();
    let tickets: Vec<usize> = inbox.iter().map(|outcome| outcome.unwrap().ticket).collect();
    assert_eq!(tickets, [0, 1]);
    // With the seal, rot of the last commit is told from a torn write.
    let disk = disk.crash(|_| 0);
    disk.tamper(&path().join("segment-00000001.log"), |bytes| {
        let last = bytes.windows(10).rposition(|window| window == [1; 10]).unwrap();
        bytes[last] = 0;
    });
    assert!(open(&disk).is_err());
}

#[test]
fn dropping_waits_for_what_was_submitted() {
    // Whoever does not wait may win the race once, but not each time.
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let (group, inbox) = started(&disk);
        group.submit(commit(0, 10, Records::new())).unwrap();
        group.submit(commit(1, 10, Records::new())).unwrap();
        drop(group);
        let tickets: Vec<usize> = inbox.try_iter().map(|outcome| outcome.unwrap().ticket).collect();
        assert_eq!(tickets, [0, 1]);
        // The thread is gone, and with it the lock on the directory.
        let (_, _, found) = open_with(&disk, &roomy()).unwrap();
        assert_eq!(found.records.len(), 2);
    }
}

#[test]
fn an_idle_journal_is_sealed_and_has_its_next_segment() {
    let disk = SimDisk::new(1);
    let (group, inbox) = started(&disk);
    group.submit(commit(0, 5000, Records::new())).unwrap();
    inbox.recv_timeout(PATIENCE).unwrap().unwrap();
    wait_until("the next segment", || {
        disk.contents(&path().join("segment-00000002.log")).is_some()
    });
    let sealed = || {
        let file = path().join("segment-00000001.log");
        let bytes = disk.crash(|_| 0).contents(&file).unwrap();
        bytes[12288..].starts_with(b"SYNF")
    };
    wait_until("a seal on the page after the commit", sealed);
    drop(group);
}

#[test]
fn an_error_is_told_once_and_hands_later_commits_back() {
    let disk = SimDisk::new(1);
    let (group, inbox) = started(&disk);
    wait_until("the next segment", || {
        disk.contents(&path().join("segment-00000002.log")).is_some()
    });
    let (operation, failure) = (DiskCall::Sync, Failure::Io);
    disk.inject(CallFault { operation, after: 0, times: Times::Once, failure });
    group.submit(commit(7, 10, Records::new())).unwrap();
    let error = inbox.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(error.to_string().contains("cannot sync /log/segment-00000001.log"), "{error}");
    let back = group.submit(commit(8, 10, Records::new())).unwrap_err();
    let SubmitError::Ended(back) = back else { panic!("{back}") };
    assert_eq!(back.ticket, 8);
    assert!(matches!(group.shutdown(), Err(SyncError::Poisoned)));
    assert!(inbox.recv().is_err(), "nothing more is told");
}

#[test]
fn a_full_disk_shows_in_the_room_and_space_brings_it_back() {
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(2 * (64 << 10) + 4096));
    let (group, inbox) = started(&disk);
    let mut ticket = 0;
    loop {
        let commit = commit(ticket, 3000, Records::new());
        if commit.records.frame_bytes() > group.room().for_work {
            break;
        }
        group.submit(commit).unwrap();
        inbox.recv_timeout(PATIENCE).unwrap().unwrap();
        ticket += 1;
    }
    assert!(ticket > 5);
    assert!(group.room().total > 1000, "the reserve is there for promises");
    wait_until("the disk is asked, and refuses", || group.room().refused);
    let (hard_state, records) = (HardState([2; 32]), Records::new());
    let promise = Commit { hard_state, records, keep: None, ticket };
    group.submit(promise).unwrap();
    inbox.recv_timeout(PATIENCE).unwrap().unwrap();
    disk.set_capacity(None);
    wait_until("room", || group.room().for_work > 30_000 && !group.room().refused);
    group.submit(commit(ticket + 1, 3000, Records::new())).unwrap();
    inbox.recv_timeout(PATIENCE).unwrap().unwrap();
    group.shutdown().unwrap();
}

#[test]
fn a_third_commit_comes_back_while_two_are_on_their_way() {
    let disk = SimDisk::new(1);
    let (journal, _, _) = open_with(&disk, &roomy()).unwrap();
    // The callback holds the thread up until the test lets it go.
    let (gate, held) = mpsc::channel::<()>();
    let (told, inbox) = mpsc::channel();
    let group = GroupCommit::start(journal, move |outcome: Outcome| {
        told.send(outcome.unwrap().ticket).unwrap();
        held.recv().unwrap();
    });
    // It is dropped before the group, so that a failure here does not leave the thread waiting.
    let (group, gate) = (group.unwrap(), gate);
    group.submit(commit(0, 10, Records::new())).unwrap();
    assert_eq!(inbox.recv_timeout(PATIENCE).unwrap(), 0);
    group.submit(commit(1, 10, Records::new())).unwrap();
    group.submit(commit(2, 10, Records::new())).unwrap();
    assert_eq!(group.in_flight(), IN_FLIGHT_MAX);
    let back = group.submit(commit(3, 10, Records::new())).unwrap_err();
    let SubmitError::Busy(back) = back else { panic!("{back}") };
    assert_eq!(back.ticket, 3);
    for _ in 0..3 {
        gate.send(()).unwrap();
    }
    group.shutdown().unwrap();
    assert_eq!(inbox.iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn an_idle_journal_on_a_full_disk_asks_for_space_again_and_is_sealed_then() {
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(2 * (64 << 10) + 4096));
    let (group, inbox) = started(&disk);
    group.submit(commit(0, 5000, Records::new())).unwrap();
    inbox.recv_timeout(PATIENCE).unwrap().unwrap();
    let next = || disk.contents(&path().join("segment-00000002.log")).is_some();
    wait_until("the refusal", || group.room().refused);
    let room = group.room().total;
    thread::sleep(2 * synod_journal::IDLE_SEAL);
    assert!(!next());
    assert_eq!(group.room().total, room, "no seal takes what was told");
    disk.set_capacity(None);
    wait_until("the next segment", next);
    wait_until("a seal on the page after the commit", || {
        let bytes = disk.crash(|_| 0).contents(&path().join("segment-00000001.log")).unwrap();
        bytes[12288..].starts_with(b"SYNF")
    });
    assert!(!group.room().refused);
    drop(group);
}

/// A journal that never rests, whatever the scheduler does: its batches end one after the other.
struct Busy {
    committer: Committer<SimDisk, usize>,
    ticket: usize,
}

impl Busy {
    fn new(disk: &SimDisk) -> Self {
        let (journal, _, _) = open_with(disk, &roomy()).unwrap();
        Self { committer: Committer::new(journal), ticket: 0 }
    }

    /// Commits so many bytes, in a batch of their own.
    fn commit(&mut self, bytes: usize) {
        self.committer.write(&mut vec![commit(self.ticket, bytes, Records::new())]);
        self.committer.sync().unwrap();
        let tickets: Vec<_> = self.committer.completions().map(|done| done.ticket).collect();
        assert_eq!(tickets, [self.ticket]);
        self.committer.end_batch().unwrap();
        self.ticket += 1;
    }

    fn room(&self) -> u64 {
        self.committer.room().total
    }
}

#[test]
fn a_journal_that_is_never_idle_asks_a_full_disk_again_after_so_many_batches() {
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(2 * (64 << 10) + 4096));
    let mut busy = Busy::new(&disk);
    // More than half of the segment is used: the next one is wanted, and there is no space.
    (0..12).for_each(|_| busy.commit(3000));
    let before = busy.room();
    disk.set_capacity(None);
    (0..40).for_each(|_| busy.commit(1));
    assert!(busy.room() < before, "it does not ask with each batch");
    (0..40).for_each(|_| busy.commit(1));
    assert!(busy.room() > before, "the next segment is there");
}

#[test]
fn a_journal_that_is_never_idle_makes_its_next_segment_when_half_of_this_one_is_used() {
    let disk = SimDisk::new(1);
    let mut busy = Busy::new(&disk);
    let next = || disk.contents(&path().join("segment-00000002.log")).is_some();
    (0..4).for_each(|_| busy.commit(3000));
    assert!(!next(), "commits come first");
    (0..8).for_each(|_| busy.commit(3000));
    assert!(next());
}
