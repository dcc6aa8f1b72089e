//! The same journal on the files of the operating system.
//!
//! Crashes and failures are left to the simulated disk. Claim kept: the real disk keeps the
//! contract that the simulated one models: names, permissions, locks, and bytes.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use synod_journal::{
    DamageReason, HardState, Journal, Lsn, OpenError, Options, Prepared, ReadOnlyDisk, RealDisk,
    Records, Recovered,
};

/// A directory of its own for each test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let name = format!("journal-{test}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    let mut options = Options::new(b"real 1");
    options.segment_bytes = 64 << 10;
    options
}

type Opened = (Journal<RealDisk>, Recovered, Vec<Vec<u8>>);

/// Opens a journal. What another test of this program begins has the locks of all for the moment
/// until it is another program, so one that is held is tried again.
fn open(path: &Path) -> Result<Opened, OpenError> {
    let mut tries = 0;
    loop {
        match open_once(path) {
            Err(OpenError::Locked { .. }) if tries < 200 => tries += 1,
            opened => return opened,
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn open_once(path: &Path) -> Result<Opened, OpenError> {
    let mut records = Vec::new();
    let (journal, recovered) = Journal::open(RealDisk, path, &options(), |record| {
        records.push(record.bytes.to_vec());
    })?;
    Ok((journal, recovered, records))
}

fn fill(journal: &mut Journal<RealDisk>, from: usize, to: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for number in from..to {
        let record = vec![u8::try_from(number % 251).unwrap(); number * 31 % 3000];
        let mut records: Records = [&record].into_iter().collect();
        journal.append(&HardState([3; 32]), &mut records).unwrap();
        journal.sync().unwrap();
        journal.prepare().unwrap();
        all.push(record);
    }
    all
}

#[test]
fn records_survive_a_clean_and_an_unclean_end() {
    let scratch = Scratch::new("survive");
    let (mut journal, recovered, _) = open(&scratch.log()).unwrap();
    assert!(recovered.created);
    let mut expected = fill(&mut journal, 0, 150);
    journal.close().unwrap();
    let (mut journal, recovered, records) = open(&scratch.log()).unwrap();
    assert!(records == expected);
    assert_eq!((recovered.created, recovered.cut_bytes), (false, 0));
    assert_eq!(recovered.hard_state, HardState([3; 32]));
    expected.extend(fill(&mut journal, 150, 180));
    drop(journal);
    let (journal, _, records) = open(&scratch.log()).unwrap();
    assert!(records == expected);
    let mut reader = journal.reader();
    assert!(reader.read_range(Lsn::FIRST..journal.next_lsn(), usize::MAX).unwrap() == expected);
}

#[test]
fn a_torn_tail_is_cut_and_rot_is_refused() {
    let scratch = Scratch::new("torn");
    let (mut journal, _, _) = open(&scratch.log()).unwrap();
    let expected = fill(&mut journal, 20, 24);
    drop(journal);
    let file = scratch.log().join("segment-00000001.log");
    let bytes = fs::read(&file).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut torn = bytes;
    torn[last] ^= 1;
    fs::write(&file, &torn).unwrap();
    let (journal, recovered, records) = open(&scratch.log()).unwrap();
    assert!(records == expected[..3]);
    assert!(recovered.cut_bytes > 700);
    journal.close().unwrap();
    let mut rotten = fs::read(&file).unwrap();
    let inside = rotten.windows(8).position(|window| window == [21; 8]).unwrap();
    rotten[inside] ^= 1;
    fs::write(&file, &rotten).unwrap();
    let error = open(&scratch.log()).unwrap_err();
    let OpenError::Damaged(damaged) = &error else { panic!("{error}") };
    assert_eq!(damaged.reason, DamageReason::SyncedFrame);
    assert_eq!(damaged.path, file);
    assert_eq!(fs::read(&file).unwrap(), rotten, "nothing was changed");
}

#[test]
fn a_look_at_a_journal_changes_nothing_and_leaves_it_to_whoever_has_it_open() {
    let scratch = Scratch::new("look");
    let look = |options: &Options| {
        let mut records = Vec::new();
        let seen = Journal::inspect(RealDisk, &scratch.log(), options, |record| {
            records.push(record.bytes.to_vec());
        });
        seen.map(|seen| (seen, records))
    };
    assert!(matches!(look(&options()), Err(OpenError::Missing { .. })));
    assert!(!scratch.log().exists());
    let (mut journal, made, _) = open(&scratch.log()).unwrap();
    let expected = fill(&mut journal, 0, 90);
    assert_eq!(look(&options()).unwrap(), (None, Vec::new()), "it is in use");
    let mut other = options();
    other.identity = b"real 2".to_vec();
    assert!(matches!(look(&other), Err(OpenError::OtherIdentity { .. })), "in use or not");
    drop(journal);
    let stamps = || {
        let mut stamps = Vec::new();
        for entry in fs::read_dir(scratch.log()).unwrap() {
            let path = entry.unwrap().path();
            let (data, bytes) = (fs::metadata(&path).unwrap(), fs::read(&path).unwrap());
            stamps.push((path, data.modified().unwrap(), bytes));
        }
        (fs::metadata(scratch.log()).unwrap().modified().unwrap(), stamps)
    };
    let before = stamps();
    let (seen, records) = look(&options()).unwrap();
    let seen = seen.expect("nobody has it");
    assert!(records == expected && seen.folder == made.folder && !seen.created);
    assert!(stamps() == before, "nothing is written, not even the same");
    // An exchange with the spare that was cut short leaves a segment under another name.
    let segment = scratch.log().join("segment-00000001.log");
    fs::rename(&segment, scratch.log().join("segment-00000001.log.old")).unwrap();
    let (seen, records) = look(&options()).unwrap();
    assert!(seen.is_some() && records == expected && !segment.exists());
    // A second look finds no lock, and an opening neither.
    let (_, _, records) = open(&scratch.log()).unwrap();
    assert!(records == expected && segment.exists());
}

#[test]
fn only_the_owner_may_enter() {
    let scratch = Scratch::new("modes");
    let log = scratch.0.join("a/b/log");
    let (mut journal, _, _) = open(&log).unwrap();
    fill(&mut journal, 0, 3);
    assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for made in [&log, &scratch.0.join("a/b"), &scratch.0.join("a")] {
        assert_eq!(mode(made), 0o700, "{}", made.display());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&log).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort_unstable();
    let segments = ["segment-00000001.log", "segment-00000002.log", "segment-spare"];
    assert_eq!(names, [&["IDENTITY"], &segments[..]].concat());
    // Room is set aside and filled: no write of a commit allocates.
    let segment = fs::metadata(log.join("segment-00000002.log")).unwrap();
    assert_eq!(segment.len(), 64 << 10);
    assert!(std::os::unix::fs::MetadataExt::blocks(&segment) * 512 >= 64 << 10);
}

#[test]
fn a_second_opener_is_refused_while_the_first_lives() {
    let scratch = Scratch::new("lock");
    let (journal, _, _) = open(&scratch.log()).unwrap();
    let error = open(&scratch.log()).unwrap_err();
    assert!(matches!(&error, OpenError::Locked { path } if *path == scratch.log()), "{error}");
    drop(journal);
    open(&scratch.log()).unwrap();
}

#[test]
fn foreign_places_are_refused_and_left_alone() {
    let scratch = Scratch::new("foreign");
    fs::write(scratch.0.join("file"), b"mine").unwrap();
    let error = open(&scratch.0).unwrap_err();
    assert!(matches!(&error, OpenError::Foreign { found, .. } if found == "file"), "{error}");
    let error = open(&scratch.0.join("file")).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
    let error = open(&scratch.0.join("file").join("log")).unwrap_err();
    assert!(error.to_string().contains("file/log"), "{error}");
    let names: Vec<_> = fs::read_dir(&scratch.0).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn a_directory_without_permission_is_refused() {
    let scratch = Scratch::new("denied");
    drop(open(&scratch.log()).unwrap());
    let set = |mode| fs::set_permissions(scratch.log(), fs::Permissions::from_mode(mode)).unwrap();
    set(0o000);
    let outcome = open(&scratch.log());
    set(0o700);
    match outcome {
        Err(OpenError::Permission { path, .. }) => assert_eq!(path, scratch.log()),
        Err(other) => panic!("{other}"),
        // The superuser is let in everywhere; there is nothing to refuse.
        Ok(_) => assert!(rustix::process::geteuid().is_root()),
    }
}

/// Names the directory of [`as_one_who_may_only_read`].
const READ_ONLY: &str = "SYNOD_JOURNAL_READ_ONLY_DIRECTORY";

#[test]
fn a_directory_that_may_only_be_read_is_no_sound_one() {
    use std::os::unix::process::CommandExt as _;
    let scratch = Scratch::new("read-only");
    drop(open(&scratch.log()).unwrap());
    // No right binds the superuser, who becomes somebody that nothing else belongs to.
    let nobody = rustix::process::geteuid().is_root().then_some(65_534);
    let mine = fs::read_dir(scratch.log()).unwrap().map(|entry| entry.unwrap().path());
    for path in mine.chain([scratch.log()]) {
        std::os::unix::fs::chown(path, nobody, nobody).unwrap();
    }
    let set = |mode| fs::set_permissions(scratch.log(), fs::Permissions::from_mode(mode)).unwrap();
    set(0o500);
    let mut inner = std::process::Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "as_one_who_may_only_read", "--include-ignored"]);
    inner.env(READ_ONLY, scratch.log());
    if let Some(nobody) = nobody {
        inner.uid(nobody).gid(nobody);
    }
    let output = inner.output().unwrap();
    set(0o700);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "run by a_directory_that_may_only_be_read_is_no_sound_one"]
fn as_one_who_may_only_read() {
    let Ok(log) = std::env::var(READ_ONLY).map(PathBuf::from) else {
        println!("skipped: no directory that may only be read");
        return;
    };
    let refused = |outcome: Result<(), OpenError>| match outcome {
        Err(OpenError::Permission { path, .. }) => path,
        other => panic!("{other:?}"),
    };
    // An opening is refused as it writes the live segment anew; who looks says so, and before.
    let opened = refused(open(&log).map(drop));
    assert_eq!(opened.parent(), Some(&*log));
    let looked = Journal::inspect(RealDisk, &log, &options(), |_| {});
    assert_eq!(refused(looked.map(drop)), log);
    // Whoever only wants to know what it holds is told, all the same.
    assert!(Journal::inspect(ReadOnlyDisk, &log, &options(), |_| {}).unwrap().is_some());
}

/// Names the directory of [`on_a_small_file_system`].
const SMALL: &str = "SYNOD_JOURNAL_SMALL_FILE_SYSTEM";

#[test]
fn a_small_file_system_is_full_before_the_commit() {
    let scratch = Scratch::new("small");
    // In a user namespace anybody may mount; where there is none, the simulated disk has to do.
    let inside = "mount -t tmpfs -o size=1408k none \"$1\" && echo mounted && exec \"$2\" \
                  --exact on_a_small_file_system --include-ignored";
    let output = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", inside, "sh"])
        .arg(&scratch.0)
        .arg(std::env::current_exe().unwrap())
        .env(SMALL, &scratch.0)
        .output();
    let Ok(output) = output else { return println!("skipped: there is no unshare") };
    let text = String::from_utf8_lossy(&output.stdout);
    if text.starts_with("mounted") {
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("1 passed"), "{text}");
    } else {
        println!("skipped: nothing may be mounted here");
    }
}

#[test]
#[ignore = "runs inside the namespace that another test makes"]
fn on_a_small_file_system() {
    let Some(directory) = std::env::var_os(SMALL) else { return };
    let log = Path::new(&directory).join("log");
    let mut options = Options::new(b"small");
    options.segment_bytes = 384 << 10;
    let (mut journal, _) = Journal::open(RealDisk, &log, &options, |_| {}).unwrap();
    let mut records: Records = [vec![5; 10_000]].into_iter().collect();
    let mut acknowledged = 0;
    let refused = loop {
        match journal.append(&HardState::default(), &mut records) {
            Ok(_) => {
                journal.sync().unwrap();
                acknowledged += 1;
                journal.prepare().unwrap();
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, synod_journal::AppendError::Full { .. }), "{refused}");
    assert_eq!(journal.prepare().unwrap(), Prepared::Full);
    assert!(acknowledged > 60, "two segments were filled: {acknowledged}");
    let names: Vec<_> = fs::read_dir(&log).unwrap().collect();
    assert_eq!(names.len(), 4, "no draft is left behind");
    // Space comes back, and with it the journal.
    journal.release(journal.next_lsn());
    let mut promise = Records::new();
    journal.append(&HardState([1; 32]), &mut promise).unwrap();
    journal.sync().unwrap();
    assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
    journal.append(&HardState([2; 32]), &mut records).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let mut found = 0;
    let opened = Journal::open(RealDisk, &log, &options, |_| found += 1);
    let (journal, recovered) = opened.unwrap();
    assert_eq!(recovered.hard_state, HardState([2; 32]));
    assert_eq!(recovered.next_lsn.get(), acknowledged + 2);
    assert!(found > 0);
    starts_on_a_full_disk(journal, Path::new(&directory), &options);
}

/// With the spare a start finds its room, again and again; without it the segment ahead gives way,
/// whose room comes back only when nobody has the file open any more.
fn starts_on_a_full_disk(mut journal: Journal<RealDisk>, directory: &Path, options: &Options) {
    journal.release(journal.next_lsn());
    journal.append(&HardState([2; 32]), &mut Records::new()).unwrap();
    journal.sync().unwrap();
    assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
    drop(journal);
    // What somebody else's file takes, until the disk takes no byte more.
    let filled = fs::write(directory.join("filler"), vec![7; 2 << 20]);
    assert!(filled.is_err(), "the disk is full");
    let log = directory.join("log");
    let is_there = |name: &str| log.join(name).exists();
    for spare in [true, true, false] {
        if !spare {
            fs::remove_file(log.join("segment-spare")).unwrap();
            fs::write(directory.join("more"), vec![7; 2 << 20]).unwrap_err();
        }
        let (journal, recovered) = Journal::open(RealDisk, &log, options, |_| {}).unwrap();
        assert_eq!(recovered.hard_state, HardState([2; 32]));
        assert_eq!((is_there("segment-spare"), is_there("segment-00000004.log")), (spare, spare));
        assert!(journal.room() > 0);
    }
}
