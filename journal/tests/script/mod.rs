//! A scripted owner of a journal, and what it may demand after a crash.
//!
//! Which scripts, crashes and faults are tried is left to the tests. Claim kept: `check` demands
//! that what was acknowledged is there, that nothing was invented, that a second recovery comes to
//! the same, and that the recovered journal goes on.
#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;

use synod_journal::{
    AppendError, CrashChoice, Disk, Effect, HardState, Journal, Lsn, OpenError, Options, Records,
    Recovered, SegmentState, SimDisk, Survey, SyncError,
};

/// The smallest segments, so that a few commits cross from one to the next.
pub(crate) const SEGMENT: u64 = 16384;

/// One step of an owner.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Append a commit with records of these lengths.
    Append(Vec<usize>),
    /// Make the commits durable.
    Sync,
    /// Seal.
    Seal,
    /// Work on the next segment.
    Prepare,
    /// Close and open again.
    Reopen,
    /// Lose the process, keep the page cache, and open again.
    Kill,
    /// Release what was durable when the script had done half of its records.
    Release,
}

/// What an owner did and was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Every record that was appended, in order.
    pub(crate) records: Vec<Vec<u8>>,
    /// For each commit: how many records there were after it, and its hard state.
    pub(crate) commits: Vec<(usize, HardState)>,
    /// How many of the commits were acknowledged.
    pub(crate) acknowledged: usize,
    /// How many records were released, at most.
    pub(crate) released: usize,
}

/// What a recovery found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) first: Lsn,
    pub(crate) next: Lsn,
    pub(crate) hard_state: HardState,
    pub(crate) records: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lengths: Vec<usize> = self.records.iter().map(Vec::len).collect();
        let state = self.hard_state.0[0];
        write!(f, "{}..{} state {state} lengths {lengths:?}", self.first, self.next)
    }
}

pub(crate) fn path() -> &'static Path {
    Path::new("/log")
}

pub(crate) fn options() -> Options {
    let mut options = Options::new(b"cluster 1, node 2");
    options.segment_bytes = SEGMENT;
    options
}

/// Opens the journal and gathers its records.
pub(crate) fn open(disk: &SimDisk) -> Result<(Journal<SimDisk>, Recovered, Found), OpenError> {
    open_with(disk, &options())
}

pub(crate) fn open_with(
    disk: &SimDisk,
    options: &Options,
) -> Result<(Journal<SimDisk>, Recovered, Found), OpenError> {
    let mut records = Vec::new();
    let mut due = None;
    let (journal, recovered) = Journal::open(disk.clone(), path(), options, |record| {
        assert!(due.is_none_or(|due| due == record.lsn), "records come in order");
        due = Some(record.lsn.advanced(1));
        records.push(record.bytes.to_vec());
    })?;
    let Recovered { first_lsn: first, next_lsn: next, hard_state, .. } = recovered;
    assert_eq!(next.get() - first.get(), records.len() as u64);
    assert_eq!((journal.next_lsn(), journal.hard_state()), (next, hard_state));
    Ok((journal, recovered, Found { first, next, hard_state, records }))
}

/// Runs a script until its end or the first error; tells what came of it.
pub(crate) fn run(disk: &SimDisk, script: &[Step]) -> Ledger {
    let mut ledger = Ledger::default();
    let _ = run_into(disk, script, &mut ledger);
    ledger
}

pub(crate) fn run_into(disk: &SimDisk, script: &[Step], ledger: &mut Ledger) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let (mut journal, _, _) = open(disk).map_err(|error| told(&error))?;
    for step in script {
        match step {
            Step::Append(lengths) => {
                append(&mut journal, ledger, lengths).map_err(|error| told(&error))?;
            }
            Step::Sync => {
                sync(&mut journal, ledger).map_err(|error| told(&error))?;
            }
            Step::Seal => {
                journal.seal().map_err(|error| told(&error))?;
                ledger.acknowledged = ledger.commits.len();
            }
            Step::Prepare => {
                journal.prepare().map_err(|error| told(&error))?;
            }
            Step::Reopen => {
                journal.close().map_err(|error| told(&error))?;
                ledger.acknowledged = ledger.commits.len();
                journal = reopen(disk, ledger).map_err(|error| told(&error))?;
            }
            Step::Kill => {
                drop(journal);
                journal = reopen(disk, ledger).map_err(|error| told(&error))?;
            }
            Step::Release => {
                let keep = ledger.records.len() / 2;
                ledger.released = ledger.released.max(keep);
                journal.release(Lsn::new(keep as u64 + 1).unwrap());
            }
        }
    }
    Ok(())
}

/// Opens a journal whose process is gone, with everything it wrote in the page cache.
fn reopen(disk: &SimDisk, ledger: &mut Ledger) -> Result<Journal<SimDisk>, OpenError> {
    let (journal, recovered, found) = open(disk)?;
    assert_eq!(recovered.cut_bytes, 0, "the page cache has everything");
    assert_allowed(ledger, &found);
    assert_eq!(found.next.get() - 1, ledger.records.len() as u64);
    // What recovery has streamed is durable.
    ledger.acknowledged = ledger.commits.len();
    Ok(journal)
}

/// A byte that tells neighbours apart.
pub(crate) fn byte_of(number: usize) -> u8 {
    u8::try_from(number % 251).unwrap()
}

pub(crate) fn append(
    journal: &mut Journal<SimDisk>,
    ledger: &mut Ledger,
    lengths: &[usize],
) -> Result<(), AppendError> {
    let mut records = Records::new();
    let first = ledger.records.len();
    for (index, length) in lengths.iter().enumerate() {
        records.push(&vec![byte_of(first + index); *length]);
    }
    let hard_state = HardState([byte_of(ledger.commits.len()) + 1; 32]);
    // The commit counts as tried even when the append fails half way.
    ledger.records.extend(records.iter().map(<[u8]>::to_vec));
    ledger.commits.push((ledger.records.len(), hard_state));
    let lsns = journal.append(&hard_state, &mut records)?;
    assert_eq!(lsns.start.get() - 1, first as u64);
    assert_eq!(lsns.end.get() - 1, ledger.records.len() as u64);
    Ok(())
}

pub(crate) fn sync(journal: &mut Journal<SimDisk>, ledger: &mut Ledger) -> Result<(), SyncError> {
    let next = journal.sync()?;
    assert_eq!(next.get() - 1, ledger.records.len() as u64);
    ledger.acknowledged = ledger.commits.len();
    Ok(())
}

/// Looks at the journal, and gathers its records.
pub(crate) fn inspect(disk: &SimDisk) -> Result<(Recovered, Found), OpenError> {
    let mut records = Vec::new();
    let seen = Journal::inspect(disk.clone(), path(), &options(), |record| {
        records.push(record.bytes.to_vec());
    })?;
    let seen = seen.expect("nobody has it open");
    let Recovered { first_lsn: first, next_lsn: next, hard_state, .. } = seen;
    Ok((seen, Found { first, next, hard_state, records }))
}

/// Demands that a survey finds damage where a look is refused for it, the same and no other.
pub(crate) fn assert_surveyed(disk: &SimDisk, seen: &Result<(Recovered, Found), OpenError>) {
    let mut records = Vec::new();
    let surveyed = Journal::survey(disk.clone(), path(), |record| {
        records.push(record.bytes.to_vec());
    });
    match (seen, surveyed) {
        (Ok((recovered, found)), Ok(survey)) => {
            assert_eq!((&survey.damage[..], survey.damage_unlisted), (&[][..], 0));
            let Survey { first_lsn: first, next_lsn: next, hard_state, cut_bytes, .. } = survey;
            assert_eq!(&Found { first, next, hard_state, records }, found);
            assert_eq!((cut_bytes, survey.folder), (recovered.cut_bytes, recovered.folder));
            let told: u64 = survey.segments.iter().map(|segment| segment.records).sum();
            assert_eq!(told, next.get() - first.get(), "each record is in one segment");
            assert!(survey.segments.iter().all(|one| one.state != SegmentState::Damaged));
        }
        (Err(OpenError::Damaged(damaged)), Ok(survey)) => {
            let mut places = survey.damage.iter().map(|damage| &damage.place);
            assert!(places.any(|place| place == damaged), "{damaged:?} is not in {survey:?}");
            assert!(survey.segments.iter().any(|one| one.state == SegmentState::Damaged));
        }
        (Err(seen), Err(surveyed)) => {
            assert_eq!(std::mem::discriminant(seen), std::mem::discriminant(&surveyed));
        }
        (seen, surveyed) => panic!("a look finds {seen:?}, a survey {surveyed:?}"),
    }
}

/// Demands that a look at the journal changes nothing, and tells what a recovery finds.
fn assert_seen(before: &SimDisk, recovered: &Recovered, found: &Found) {
    if recovered.created {
        let seen = inspect(before);
        assert!(matches!(seen, Err(OpenError::Missing { .. })), "{seen:?}");
        return;
    }
    let named = |disk: &SimDisk| {
        let names = disk.list(path()).unwrap();
        let contents = names.iter().map(|name| disk.contents(&path().join(name)).unwrap());
        contents.zip(names.clone()).collect::<Vec<_>>()
    };
    let files = named(before);
    assert_surveyed(before, &inspect(before));
    let (seen, found_by_looking) = inspect(before).unwrap();
    assert_eq!((&seen, &found_by_looking), (recovered, found));
    assert!(named(before) == files, "a look has changed something");
}

/// Recovers the disk twice and goes on with it.
pub(crate) fn check(disk: &SimDisk, ledger: &Ledger) {
    let before = disk.kill();
    let (journal, recovered, found) = open(disk).unwrap_or_else(|error| {
        assert!(
            matches!(error, OpenError::Missing { .. }) && ledger.commits.is_empty(),
            "a crash alone must not refuse: {error}"
        );
        panic!("the journal is made when it is missing");
    });
    assert_allowed(ledger, &found);
    assert_seen(&before, &recovered, &found);
    drop(journal);
    // What a recovery has shown must survive a power loss that comes at once.
    let disk = disk.crash(|_| 0);
    let (mut journal, recovered, again) = open(&disk).unwrap();
    assert_eq!((recovered.cut_bytes, &again), (0, &found), "recovery twice comes to the same");
    let mut more: Records = [&b"more"[..]].into_iter().collect();
    let lsns = journal.append(&HardState([9; 32]), &mut more).unwrap();
    assert_eq!(lsns.start, found.next);
    journal.sync().unwrap();
    let (_, _, last) = open(&disk.crash(|_| 0)).unwrap();
    let mut expected = found;
    expected.records.push(b"more".to_vec());
    assert_eq!(last.records, expected.records, "the recovered journal goes on");
    assert_eq!(last.hard_state, HardState([9; 32]));
}

/// Demands that a recovery found the state after one commit, not before the last acknowledged one.
pub(crate) fn assert_allowed(ledger: &Ledger, found: &Found) {
    let count = usize::try_from(found.next.get() - 1).unwrap();
    let first = usize::try_from(found.first.get() - 1).unwrap();
    assert!(count <= ledger.records.len(), "a record was invented");
    assert!(first <= ledger.released, "a record is gone that was not released");
    assert!(found.records == ledger.records[first..count], "a record was changed: {found:?}");
    let state = |commits: usize| match commits.checked_sub(1) {
        Some(last) => ledger.commits[last],
        None => (0, HardState::default()),
    };
    let fits = (ledger.acknowledged..=ledger.commits.len())
        .any(|commits| state(commits) == (count, found.hard_state));
    let acknowledged = ledger.acknowledged;
    assert!(fits, "{found:?} after {acknowledged} acknowledged of {:?}", ledger.commits);
}

/// A small deterministic source of choices.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed >> 33) % sides as u64).unwrap()
    }
}

/// The disks that a power loss may leave: the extremes, each thing alone lost or kept, and rolls.
pub(crate) fn crashes(disk: &SimDisk, rolls: u64) -> Vec<SimDisk> {
    let mut choices = 0;
    let mut after = vec![
        disk.crash(|_| 0),
        disk.crash(|choice| {
            choices += 1;
            choice.options - 1
        }),
        disk.crash(|choice| kept_if(choice, choice.effect == Effect::DirectoryEntry)),
        disk.crash(|choice| kept_if(choice, choice.effect != Effect::DirectoryEntry)),
    ];
    // Beyond so many choices the disk is being filled with zeros, and rolls do.
    let each = if choices <= EACH_MAX { choices } else { 0 };
    for special in 0..each {
        for kept in [false, true] {
            let mut at = 0;
            after.push(disk.crash(|choice| {
                at += 1;
                kept_if(choice, (at - 1 == special) == kept)
            }));
        }
    }
    for seed in 0..rolls {
        let mut dice = Dice::new(seed);
        after.push(disk.crash(|choice| dice.roll(choice.options)));
    }
    after
}

const EACH_MAX: usize = 24;

fn kept_if(choice: CrashChoice, kept: bool) -> usize {
    if kept { choice.options - 1 } else { 0 }
}
