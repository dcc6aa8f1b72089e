//! Measures how long an append and its sync take: into a growing file, into preallocated zeros, and
//! through the journal; and how long the journal then takes to open.
//!
//! Usage: `sync_latency [directory [seconds [record bytes]]]`. Figures are left to the reader: they
//! are those of the disk under the directory. Claim kept: the three cases take turns, so that a
//! busy moment of the machine strikes all of them.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use synod_journal::{HardState, Journal, Options, RealDisk, Records};

/// Rounds that the cases take in turn.
const ROUNDS: u32 = 6;
/// Bytes of the preallocated file.
const PREALLOCATED: u64 = 64 << 20;
/// Whose journal it is.
const IDENTITY: &[u8] = b"sync latency";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds: f64 = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(160), |text| text.parse())?;
    let directory = parent.join(format!("sync-latency-{}", std::process::id()));
    fs::create_dir(&directory)?;
    let outcome = measure(&directory, Duration::from_secs_f64(seconds), bytes);
    fs::remove_dir_all(&directory)?;
    outcome
}

fn measure(directory: &Path, time: Duration, bytes: usize) -> Result<(), Box<dyn Error>> {
    let mut growing = Growing::new(directory, bytes)?;
    let mut preallocated = Preallocated::new(directory, bytes)?;
    let mut journal = Through::new(directory, bytes)?;
    let mut latencies = [Vec::new(), Vec::new(), Vec::new()];
    let slice = time / ROUNDS;
    for _ in 0..ROUNDS {
        repeat(slice, &mut latencies[0], || growing.commit())?;
        repeat(slice, &mut latencies[1], || preallocated.commit())?;
        repeat(slice, &mut latencies[2], || journal.commit())?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{bytes} bytes and a sync, {:.1} s each, microseconds", time.as_secs_f64())?;
    writeln!(
        out,
        "{:14} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "", "per s", "p50", "p90", "p99", "p99.9", "max"
    )?;
    let names = ["growing file", "preallocated", "journal"];
    for (name, latencies) in names.iter().zip(&mut latencies) {
        latencies.sort_unstable();
        write_row(&mut out, name, latencies)?;
    }
    for (name, latencies) in names.iter().zip(&latencies) {
        writeln!(out, "\n{name}")?;
        write_histogram(&mut out, latencies)?;
    }
    drop(journal);
    let (begun, mut records) = (Instant::now(), 0_u64);
    let path = directory.join("journal");
    Journal::open(RealDisk, &path, &Options::new(IDENTITY), |_| records += 1)?;
    writeln!(out, "\nopening a journal of {records} records: {:?}", begun.elapsed())?;
    Ok(())
}

fn repeat(
    slice: Duration,
    latencies: &mut Vec<u64>,
    mut commit: impl FnMut() -> Result<Duration, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    while begun.elapsed() < slice {
        latencies.push(u64::try_from(commit()?.as_micros())?);
    }
    Ok(())
}

/// A file that every write makes longer.
struct Growing {
    file: File,
    bytes: Vec<u8>,
    end: u64,
}

impl Growing {
    fn new(directory: &Path, bytes: usize) -> Result<Self, Box<dyn Error>> {
        let file = create(&directory.join("growing"))?;
        Ok(Self { file, bytes: vec![7; bytes], end: 0 })
    }

    fn commit(&mut self) -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        self.file.write_all_at(&self.bytes, self.end)?;
        self.file.sync_data()?;
        self.end += self.bytes.len() as u64;
        Ok(begun.elapsed())
    }
}

/// A file filled with zeros beforehand, used over and over.
struct Preallocated(Growing);

impl Preallocated {
    fn new(directory: &Path, bytes: usize) -> Result<Self, Box<dyn Error>> {
        let file = create(&directory.join("preallocated"))?;
        for offset in (0..PREALLOCATED).step_by(1 << 20) {
            file.write_all_at(&vec![0; 1 << 20], offset)?;
        }
        file.sync_all()?;
        Ok(Self(Growing { file, bytes: vec![7; bytes], end: 0 }))
    }

    fn commit(&mut self) -> Result<Duration, Box<dyn Error>> {
        if self.0.end + self.0.bytes.len() as u64 > PREALLOCATED {
            self.0.end = 0;
        }
        self.0.commit()
    }
}

/// The journal, with its checksums, index and segments.
struct Through {
    journal: Journal<RealDisk>,
    records: Records,
}

impl Through {
    fn new(directory: &Path, bytes: usize) -> Result<Self, Box<dyn Error>> {
        let options = Options::new(IDENTITY);
        let path = directory.join("journal");
        let (journal, _) = Journal::open(RealDisk, &path, &options, |_| {})?;
        let records = [vec![7; bytes]].into_iter().collect();
        Ok(Self { journal, records })
    }

    /// Times what an owner waits for; the next segment is made between commits, as it is there.
    fn commit(&mut self) -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        self.journal.append(&HardState::default(), &mut self.records)?;
        self.journal.sync()?;
        let waited = begun.elapsed();
        self.journal.prepare()?;
        Ok(waited)
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

fn write_row(out: &mut impl std::io::Write, name: &str, sorted: &[u64]) -> std::io::Result<()> {
    let at = |per_mille: usize| sorted[(sorted.len() - 1) * per_mille / 1000];
    let total: u64 = sorted.iter().sum();
    let rate = sorted.len() as u64 * 1_000_000 / total.max(1);
    writeln!(
        out,
        "{name:14} {rate:>8} {:>7} {:>7} {:>7} {:>7} {:>7}",
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000)
    )
}

/// One line for each power of two, with a bar for the share of the commits.
fn write_histogram(out: &mut impl std::io::Write, sorted: &[u64]) -> std::io::Result<()> {
    let mut counts = [0_usize; 40];
    for latency in sorted {
        let power = latency.max(&1).ilog2() as usize;
        counts[power.min(counts.len() - 1)] += 1;
    }
    for (power, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let bar = "#".repeat((count * 60).div_ceil(sorted.len()));
        writeln!(out, "{:>9} us {count:>8} {bar}", 1_u64 << power)?;
    }
    Ok(())
}
