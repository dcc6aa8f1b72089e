//! The shim in real processes: what they see of a fault, and what a power loss leaves of theirs.
//!
//! A process is this very program, run once more to obey a few words on its files. So the tests
//! need no compiler and no other language; a shell and a Python, where they are there, show that
//! others are reached alike.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a process tells what it saw")]
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use synod_rng::{Random, Seed, Stream};
use synod_shim::rollback::Dice;
use synod_shim::{DiskOrders, PowerLoss, Shim};

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self::within(&std::env::temp_dir(), name)
    }

    fn within(folder: &Path, name: &str) -> Self {
        let path = folder.join(format!("synod-shim-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("data")).unwrap();
        Self(path)
    }

    fn shim(&self) -> Shim {
        Shim::create(&self.0.join("shim"), &self.0.join("data"), 7).unwrap()
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.0.join("data").join(name)).unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A process that obeys words, one answer each.
struct Process {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(scratch: &Scratch, shim: &Shim) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "obeys", "--nocapture", "--test-threads=1"]);
        command.env("SYNOD_SHIM_TEST", scratch.0.join("data")).envs(shim.variables());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// Sends a word without waiting for what becomes of it.
    fn send(&mut self, words: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{words}").unwrap();
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the process ended");
            // The frame around the tests of the process talks, too.
            if let Some((_, answer)) = line.split_once("answer: ") {
                return answer.trim().to_owned();
            }
        }
    }

    fn ask(&mut self, words: &str) -> String {
        self.send(words);
        self.answer()
    }

    fn all(&mut self, lines: &[&str]) {
        for words in lines {
            assert_eq!(self.ask(words), "ok", "{words}");
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The process itself; as a test among others it does nothing.
#[test]
fn obeys() {
    let Some(data) = std::env::var_os("SYNOD_SHIM_TEST").map(PathBuf::from) else { return };
    let mut file = None;
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match obey(&data, &mut file, &words) {
            Ok(answer) => println!("answer: {answer}"),
            Err(error) => println!("answer: {}", error.raw_os_error().unwrap_or(0)),
        }
    }
    std::process::exit(0);
}

#[allow(clippy::unwrap_in_result, reason = "only what the disk says is an answer")]
fn obey(data: &Path, open: &mut Option<File>, words: &[&str]) -> io::Result<String> {
    let path = |name: &str| data.join(name);
    let file = open.as_ref();
    match *words {
        ["create", name] => {
            *open = Some(File::create(path(name))?);
        }
        ["open", name] => *open = Some(OpenOptions::new().read(true).write(true).open(path(name))?),
        ["append", name] => *open = Some(OpenOptions::new().append(true).open(path(name))?),
        ["write", text] => {
            return file.unwrap().write(text.as_bytes()).map(|n| match n {
                n if n == text.len() => "ok".to_owned(),
                n => format!("wrote {n}"),
            });
        }
        ["at", offset, text] => {
            file.unwrap().write_all_at(text.as_bytes(), offset.parse().unwrap())?;
        }
        ["cut", size] => file.unwrap().set_len(size.parse().unwrap())?,
        ["sync"] => file.unwrap().sync_data()?,
        ["sync-all"] => rustix::fs::syncfs(file.unwrap())?,
        ["copy", from, to] => drop(fs::copy(path(from), path(to))?),
        ["lock"] => fcntl_lock(file.unwrap(), FlockOperation::NonBlockingLockExclusive)?,
        // The file stays open: whoever closes it gives up all locks that the process has on it.
        ["beside", name, text] => {
            let beside = OpenOptions::new().write(true).open(path(name))?;
            beside.write_all_at(text.as_bytes(), 0)?;
            std::mem::forget(beside);
        }
        ["emptied-beside", name] => {
            std::mem::forget(OpenOptions::new().write(true).truncate(true).open(path(name))?);
        }
        ["blocks", count] => {
            for block in 0..count.parse().unwrap() {
                file.unwrap().write_all_at(&[b'x'; 65_536], block * 65_536)?;
            }
        }
        ["sync-folder"] => File::open(data)?.sync_all()?,
        ["rename", from, to] => fs::rename(path(from), path(to))?,
        ["clock"] => {
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            return Ok(format!("{}", wall.as_millis()));
        }
        ["waits", ms] => {
            let (begun, wait) = (Instant::now(), Duration::from_millis(ms.parse().unwrap()));
            std::thread::sleep(wait);
            return Ok(format!("{}", begun.elapsed().as_millis()));
        }
        // Waits until a time of the clock as it is shown, in each way that there is.
        ["until", how, ms] => return Ok(waits_until(how, ms.parse().unwrap())),
        ["never-back", reads] => return Ok(never_back(reads.parse().unwrap())),
        _ => panic!("nobody knows {words:?}"),
    }
    Ok("ok".to_owned())
}

/// Waits for so many milliseconds, and says how long that was by the clock as it is shown.
fn waits_until(how: &str, ms: u64) -> String {
    let (begun, span) = (Instant::now(), Duration::from_millis(ms));
    match how {
        "condition" => {
            let (mutex, condition) = (Mutex::new(()), Condvar::new());
            drop(condition.wait_timeout(mutex.lock().unwrap(), span).unwrap());
        }
        "park" => std::thread::park_timeout(span),
        "timer" => {
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::empty()).unwrap();
            let now = clock_gettime(ClockId::Monotonic);
            let nanos = now.tv_nsec + i64::try_from(span.as_nanos()).unwrap();
            let (more, tv_nsec) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            let first = Timespec { tv_sec: now.tv_sec + more, tv_nsec };
            let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
            let times = Itimerspec { it_interval, it_value: first };
            timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &times).unwrap();
            let mut read = [0; 8];
            rustix::io::read(&timer, &mut read).unwrap();
        }
        _ => panic!("nobody waits by {how}"),
    }
    begun.elapsed().as_millis().to_string()
}

/// Reads clocks, and says how often one of them showed an earlier time than before.
fn never_back(reads: u64) -> String {
    let nanos = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    let clocks = [ClockId::Monotonic, ClockId::Realtime, ClockId::Boottime];
    let (mut last, mut back) = (clocks.map(nanos), 0);
    for _ in 0..reads {
        let now = clocks.map(nanos);
        back += last.iter().zip(&now).filter(|(last, now)| now < last).count();
        last = now;
    }
    back.to_string()
}

#[test]
fn a_power_loss_takes_what_was_not_synced_and_nothing_else() {
    let scratch = Scratch::new("power");
    fs::write(scratch.0.join("data/old"), "0123456789").unwrap();
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["create log", "write first.", "sync", "write second.", "at 0 FI"]);
    process.all(&["open old", "at 2 xxxx", "sync", "at 4 yyyyyyyyyyyy", "cut 3"]);
    process.all(&["create torn", "write abc", "sync", "create torn", "write z"]);
    process.all(&["create moved", "write here.", "sync", "write there.", "rename moved away"]);
    process.kill();
    assert_eq!(scratch.read("log"), "FIrst.second.", "a kill alone takes nothing");
    let lost = shim.take_power(&mut Dice::AllLost).unwrap();
    assert_eq!(lost.files, 4, "{lost:?}");
    assert_eq!(scratch.read("log"), "first.");
    assert_eq!(scratch.read("old"), "01xxxx6789");
    assert_eq!(scratch.read("torn"), "abc", "a file that was emptied has its bytes again");
    assert_eq!(scratch.read("away"), "here.", "a file is known by another name as well");
    assert_eq!(shim.take_power(&mut Dice::AllLost).unwrap().taken, 0, "it is taken once");
    let counts = shim.counts().unwrap();
    assert!(counts.writes >= 9 && counts.syncs == 4, "{counts:?}");
    assert_eq!(shim.gaps().unwrap(), [""; 0]);
}

#[test]
fn what_one_life_did_not_sync_is_lost_in_the_next_one() {
    let scratch = Scratch::new("lives");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["create log", "write one.", "sync", "write two."]);
    process.kill();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["append log", "write three."]);
    process.kill();
    assert_eq!(scratch.read("log"), "one.two.three.");
    assert_eq!(shim.take_power(&mut Dice::AllLost).unwrap().taken, 2);
    assert_eq!(scratch.read("log"), "one.");
    let mut process = Process::start(&scratch, &shim);
    process.all(&["append log", "write four.", "sync", "write five."]);
    process.kill();
    shim.take_power(&mut Dice::AllLost).unwrap();
    assert_eq!(scratch.read("log"), "one.four.");
}

#[test]
fn whatever_the_dice_say_what_was_synced_stays() {
    for seed in 0..6 {
        let scratch = Scratch::new(&format!("dice-{seed}"));
        let shim = scratch.shim();
        let mut process = Process::start(&scratch, &shim);
        process.all(&["create log", "write synced.", "sync"]);
        let long = "x".repeat(3_000);
        process.all(&[&format!("write {long}"), "write tail"]);
        process.kill();
        let random = Random::new(Seed(seed), Stream::named("dice"));
        shim.take_power(&mut Dice::Drawn(random)).unwrap();
        let text = scratch.read("log");
        assert!(text.starts_with("synced."), "{text}");
    }
}

#[test]
fn a_sync_that_fails_says_so_and_takes_its_bytes_with_it() {
    let scratch = Scratch::new("fails");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["create log", "write one.", "sync", "write two."]);
    shim.fail_syncs_up_to(1).unwrap();
    assert_eq!(process.ask("sync"), "5");
    process.all(&["write three.", "sync"]);
    process.kill();
    shim.take_power(&mut Dice::AllLost).unwrap();
    assert_eq!(scratch.read("log"), "one.\0\0\0\0three.");
    assert_eq!(shim.counts().unwrap().syncs_failed, 1);
}

#[test]
fn a_sync_is_slow_or_hangs_for_as_long_as_it_is_told_to() {
    let scratch = Scratch::new("hangs");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["create log", "write one."]);
    shim.order_disk(DiskOrders { hangs: true, ..DiskOrders::default() }).unwrap();
    process.send("sync");
    while shim.counts().unwrap().syncs_held == 0 {
        std::thread::yield_now();
    }
    // The other end of the pipe is silent; nothing came out of the sync.
    shim.order_disk(DiskOrders { slow_ns: 1_000_000, ..DiskOrders::default() }).unwrap();
    assert_eq!(process.answer(), "ok");
    process.all(&["sync"]);
    let counts = shim.counts().unwrap();
    assert_eq!((counts.syncs, counts.syncs_held, counts.syncs_slowed), (2, 1, 1));
    process.kill();
}

#[test]
fn a_full_disk_refuses_what_grows_and_no_more() {
    let scratch = Scratch::new("full");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["create log", "write 0123456789"]);
    shim.order_disk(DiskOrders { full: true, ..DiskOrders::default() }).unwrap();
    assert_eq!(process.ask("write more"), "28");
    process.all(&["at 3 xyz"]);
    process.all(&["open log", "at 8 ab"]);
    assert_eq!(process.ask("at 8 abcd"), "28");
    shim.order_disk(DiskOrders::default()).unwrap();
    process.all(&["append log", "write more", "sync"]);
    process.kill();
    assert_eq!(scratch.read("log"), "012xyz67abmore");
    assert!(shim.counts().unwrap().writes_refused >= 2);
}

#[test]
fn writes_are_short_or_fail_as_they_are_told_to() {
    let scratch = Scratch::new("short");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["create log"]);
    shim.order_disk(DiskOrders { short: true, ..DiskOrders::default() }).unwrap();
    let told = process.ask("write 0123456789");
    let wrote: usize = told.strip_prefix("wrote ").unwrap().parse().unwrap();
    assert!((1..10).contains(&wrote), "{told}");
    shim.order_disk(DiskOrders::default()).unwrap();
    shim.fail_writes_up_to(1).unwrap();
    assert_eq!(process.ask("write abc"), "5");
    process.all(&["write abc", "sync"]);
    process.kill();
    assert_eq!(scratch.read("log"), format!("{}abc", &"0123456789"[..wrote]));
    let counts = shim.counts().unwrap();
    assert_eq!((counts.writes_short, counts.writes_failed), (1, 1));
    shim.take_power(&mut Dice::AllLost).unwrap();
    assert_eq!(scratch.read("log").len(), wrote + 3, "all of it was synced");
}

#[test]
fn clocks_jump_drift_and_stand_still_and_never_go_back() {
    let scratch = Scratch::new("clock");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    let number = |text: String| text.parse::<u128>().unwrap();
    let before = number(process.ask("clock"));
    shim.jump_clock(3_600_000_000_000).unwrap();
    let after = number(process.ask("clock"));
    assert!((3_600_000..3_660_000).contains(&(after - before)), "{before} {after}");
    // Ten times as fast: a wait of the kernel's is ten times as long by this clock.
    shim.order_clock(900_000).unwrap();
    assert!(number(process.ask("waits 100")) >= 185);
    shim.order_clock(-999_999).unwrap();
    assert!(number(process.ask("waits 100")) < 60, "it stands still");
    let still = number(process.ask("clock"));
    assert!(still >= after);
    shim.order_clock(0).unwrap();
    assert!(number(process.ask("clock")) >= still);
    let counts = shim.counts().unwrap();
    assert!(counts.clock_reads >= counts.clock_reads_changed && counts.clock_reads_changed > 0);
    process.kill();
}

#[test]
fn a_copy_is_taken_and_a_sync_of_all_files_keeps() {
    let shm = Path::new("/dev/shm");
    let scratch = Scratch::within(if shm.is_dir() { shm } else { Path::new("/tmp") }, "copy");
    fs::write(scratch.0.join("data/from"), "from here").unwrap();
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["copy from kept", "open kept", "at 0 FROM", "sync-all", "at 5 THERE"]);
    process.all(&["copy from taken"]);
    process.kill();
    assert_eq!(scratch.read("taken"), "from here");
    shim.take_power(&mut Dice::AllLost).unwrap();
    assert_eq!(shim.gaps().unwrap(), [""; 0]);
    assert_eq!(scratch.read("taken"), "", "a copy within the kernel is a write");
    assert_eq!(scratch.read("kept"), "FROM here");
}

#[test]
fn what_is_written_past_the_shim_is_noticed_and_nothing_taken() {
    for (name, code) in [
        ("fwrite", "printf 'x\\n' | awk '{ print > \"unseen\" }'"),
        ("other", "echo seen > unseen; env -u LD_PRELOAD sh -c 'echo unseen >> unseen'"),
        ("alone", "env -u LD_PRELOAD sh -c 'echo unseen >> unseen'"),
    ] {
        let scratch = Scratch::new(name);
        let shim = scratch.shim();
        let mut command = Command::new("sh");
        command.args(["-c", code]).current_dir(scratch.0.join("data")).envs(shim.variables());
        assert!(command.status().unwrap().success(), "{name}");
        let before = scratch.read("unseen");
        assert_eq!(shim.take_power(&mut Dice::AllLost).unwrap(), PowerLoss::default(), "{name}");
        let gaps = shim.gaps().unwrap();
        assert!(gaps.iter().any(|gap| gap.contains("no library sees")), "{name}: {gaps:?}");
        assert_eq!(scratch.read("unseen"), before, "{name}");
    }
}

#[test]
fn locks_of_a_process_outlive_what_the_shim_does_to_its_files() {
    let scratch = Scratch::new("locks");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    let mut other = Process::start(&scratch, &shim);
    process.all(&["create it", "write some-bytes", "open it", "lock"]);
    other.all(&["open it"]);
    let is_locked = |other: &mut Process| ["11", "13"].contains(&&*other.ask("lock"));
    assert!(is_locked(&mut other));
    process.all(&["beside it SOME"]);
    assert!(is_locked(&mut other), "what stood there was read beside the program");
    process.all(&["emptied-beside it"]);
    assert!(is_locked(&mut other), "it was emptied beside the program");
    process.kill();
    assert_eq!(other.ask("lock"), "ok", "the lock was one");
    other.kill();
    shim.take_power(&mut Dice::AllLost).unwrap();
    assert_eq!(shim.gaps().unwrap(), [""; 0]);
    assert_eq!(scratch.read("it"), "");
}

/// Runs within a file system that has no room for the log; as a test among others it does nothing.
#[test]
fn within_a_full_file_system() {
    let Some(full) = std::env::var_os("SYNOD_SHIM_FULL").map(PathBuf::from) else { return };
    let scratch = Scratch::new("room");
    let shim = Shim::create(&full.join("shim"), &scratch.0.join("data"), 7).unwrap();
    let mut process = Process::start(&scratch, &shim);
    process.all(&["create log", "blocks 64", "sync", "blocks 64", "write more"]);
    process.kill();
    assert_eq!(shim.gaps().unwrap(), ["there is no room for the log of what was not synced"]);
    assert_eq!(shim.take_power(&mut Dice::AllLost).unwrap(), PowerLoss::default());
    println!("the process lived");
}

#[test]
fn a_log_without_room_is_told_and_ends_no_process() {
    let scratch = Scratch::new("full-log");
    let full = scratch.0.join("full");
    fs::create_dir(&full).unwrap();
    let script = "mount -t tmpfs -o size=2m none \"$SYNOD_SHIM_FULL\" || exit 99; exec \"$0\" \
        --exact within_a_full_file_system --nocapture --test-threads=1";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let output =
        command.arg(std::env::current_exe().unwrap()).env("SYNOD_SHIM_FULL", &full).output();
    match output {
        Ok(output) if output.status.code() != Some(99) && !output.stdout.is_empty() => {
            let words = String::from_utf8_lossy(&output.stdout);
            assert!(words.contains("the process lived"), "{words}");
        }
        other => eprintln!("skipped: no file system can be mounted here: {other:?}"),
    }
}

/// A wait until a time that was worked out from a clock which is ahead must be one for the span,
/// not for the hour that the clock is ahead; the test would wait that long.
#[test]
fn waits_until_a_time_of_a_clock_that_is_off_last_for_the_span() {
    let scratch = Scratch::new("waits");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    shim.jump_clock(3_600_000_000_000).unwrap();
    for how in ["condition", "park", "timer"] {
        let waited: u64 = process.ask(&format!("until {how} 50")).parse().unwrap();
        // However busy the machine is, it is not an hour; a park may end early.
        assert!(waited < 3_000_000 && (waited >= 50 || how == "park"), "{how}: {waited} ms");
    }
    process.kill();
    let code = "import threading, time, queue\n\
        a = threading.Lock(); a.acquire(); b = time.monotonic()\n\
        assert not a.acquire(timeout=0.05)\n\
        c = threading.Condition()\n\
        with c: assert not c.wait(timeout=0.05)\n\
        time.sleep(0.05)\n\
        assert 0.15 <= time.monotonic() - b < 3000";
    let mut command = Command::new("python3");
    match command.args(["-c", code]).envs(shim.variables()).status() {
        Ok(status) => assert!(status.success(), "locks and sleeps of Python last for the span"),
        Err(_) => eprintln!("not all was tried: there is no python3"),
    }
}

#[test]
fn no_clock_goes_back_while_it_is_changed() {
    let scratch = Scratch::new("back");
    let shim = scratch.shim();
    let mut process = Process::start(&scratch, &shim);
    process.send("never-back 300000");
    for turn in 0..20_000 {
        shim.order_clock([900_000, 0, -999_999, 500][turn % 4]).unwrap();
    }
    assert_eq!(process.answer(), "0");
    assert!(shim.counts().unwrap().clock_reads_changed > 0);
    process.kill();
}

#[test]
fn other_programs_are_reached_alike() {
    let scratch = Scratch::new("others");
    let shim = scratch.shim();
    let data = scratch.0.join("data");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&data).envs(shim.variables());
        command.env("PYTHONDONTWRITEBYTECODE", "1").status()
    };
    // A file that is made and never written, as one to lock is, shows nothing that was not seen.
    let made = "import os; os.open('made', os.O_RDONLY | os.O_CREAT, 0o600)";
    drop(run("python3", &["-c", made]));
    assert!(run("sh", &["-c", "echo one > shell; echo two >> shell"]).unwrap().success());
    assert_eq!(shim.counts().unwrap().writes, 2);
    let code = "import os, time\n\
        f = os.open('python', os.O_RDWR | os.O_CREAT, 0o600)\n\
        os.write(f, b'synced'); os.fsync(f); os.pwrite(f, b'xx', 0); os.writev(f, [b'a', b'b'])\n\
        time.time()";
    let python = run("python3", &["-c", code]);
    let has_python = python.is_ok_and(|status| status.success());
    let counts = shim.counts().unwrap();
    shim.take_power(&mut Dice::AllLost).unwrap();
    assert_eq!(shim.gaps().unwrap(), [""; 0]);
    assert_eq!(scratch.read("shell"), "");
    if has_python {
        assert!(counts.writes >= 5 && counts.syncs >= 1 && counts.clock_reads >= 1, "{counts:?}");
        assert_eq!(scratch.read("python"), "synced");
    } else {
        eprintln!("not all was tried: there is no python3");
    }
}

#[test]
fn a_process_without_the_files_of_a_shim_does_as_it_would_without_one() {
    let scratch = Scratch::new("without");
    let shim = scratch.shim();
    let mut command = Command::new("sh");
    command.args(["-c", "echo one > file"]).current_dir(scratch.0.join("data"));
    command.envs(shim.variables()).env("SYNOD_SHIM", "/nowhere");
    assert!(command.status().unwrap().success());
    assert_eq!(scratch.read("file"), "one\n");
    assert_eq!(shim.counts().unwrap(), synod_shim::Counts::default());
    let log = scratch.0.join("shim/undo");
    assert!(log.exists());
    drop(shim);
    assert!(!log.exists(), "half a gigabyte of holes is left to nobody");
}
