//! The table of what was measured: harness/mutants/power.toml, and how it is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use toml::Value;

use super::Seen;
use super::clients::Clients;
use crate::mutants::Mutant;
use crate::outcome::{Failure, Outcome};

/// What was measured, mutant by mutant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(BTreeMap<String, Measured>);

/// What runs of a mutant said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    /// The seed of the first one.
    pub(crate) from: u32,
    /// How many there were.
    pub(crate) runs: u32,
    /// How many raised an alarm.
    pub(crate) hits: u32,
    /// How many said nothing.
    pub(crate) void: u32,
    /// How many seconds of running there were before the first alarm.
    pub(crate) first_alarm_s: Option<f64>,
    /// How many seconds there were in runs without one.
    quiet_s: f64,
    /// What the first alarm said.
    pub(crate) alarm: String,
}

impl Measured {
    /// Nothing is measured yet, from this seed on.
    const fn none(from: u32) -> Self {
        let alarm = String::new();
        Self { from, runs: 0, hits: 0, void: 0, first_alarm_s: None, quiet_s: 0.0, alarm }
    }

    /// Tells whether there is more to run: some were caught in a part of their runs alone.
    pub(crate) const fn wants_more(&self, runs: u32) -> bool {
        let some = self.hits > 0 && self.hits < runs;
        // One that is always caught, or never, needs no more runs to be called so.
        self.runs < if some { runs + RUNS_MORE } else { runs }
    }

    /// Returns the seed of the next run.
    pub(crate) const fn next_seed(&self) -> u32 {
        self.from.saturating_add(self.runs)
    }

    /// Tells whether most runs raised an alarm.
    pub(crate) const fn is_caught(&self) -> bool {
        self.runs > 0 && 2 * self.hits > self.runs
    }
}

impl Table {
    /// Reads the table; none was measured where there is no file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            // What was measured would be written over by a table that begins anew.
            Err(error) => return Err(Failure::io("read", path, &error)),
        };
        Self::parse(&text).map_err(|why| Failure::Found(format!("{}: {why}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error| format!("not TOML: {error}"))?;
        let mut rows = BTreeMap::new();
        let entries = table.get("measured").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let number = |key: &str| -> Result<u32, String> {
                let number = entry.get(key).and_then(Value::as_integer);
                number
                    .and_then(|n| u32::try_from(n).ok())
                    .ok_or_else(|| format!("a row lacks `{key}`"))
            };
            let seconds = |key: &str| entry.get(key).and_then(Value::as_float);
            let id = entry.get("id").and_then(Value::as_str).ok_or("a row lacks `id`")?;
            let alarm = entry.get("alarm").and_then(Value::as_str).unwrap_or_default();
            let row = Measured {
                from: number("from")?,
                runs: number("runs")?,
                hits: number("hits")?,
                void: number("void")?,
                first_alarm_s: seconds("first_alarm_s"),
                quiet_s: seconds("quiet_s").unwrap_or_default(),
                alarm: alarm.to_owned(),
            };
            if row.hits + row.void > row.runs {
                return Err(format!("{id} has more ends than runs"));
            }
            rows.insert(id.to_owned(), row);
        }
        Ok(Self(rows))
    }

    /// Writes the table.
    pub(crate) fn write(&self, path: &Path) -> Outcome {
        let mut text = HEAD.to_owned();
        for (id, row) in &self.0 {
            let Measured { from, runs, hits, void, first_alarm_s, quiet_s, alarm } = row;
            let _ = write!(
                text,
                "\n[[measured]]\nid = \"{id}\"\nfrom = {from}\nruns = {runs}\nhits = {hits}\n"
            );
            let _ = writeln!(text, "void = {void}");
            let _ = writeln!(text, "quiet_s = {quiet_s:.1}");
            if let Some(seconds) = first_alarm_s {
                let alarm = Value::String(alarm.clone());
                let _ = write!(text, "first_alarm_s = {seconds:.1}\nalarm = {alarm}\n");
            }
        }
        fs::write(path, text).map_err(|error| Failure::io("write", path, &error))
    }

    /// Returns what was measured of a mutant.
    pub(crate) fn of(&self, id: &str) -> Measured {
        self.0.get(id).cloned().unwrap_or(Measured::none(SEED_FIRST))
    }

    /// Forgets what was measured of a mutant, whose runs begin with this seed from here on.
    pub(crate) fn begin(&mut self, id: &str, from: u32) {
        self.0.insert(id.to_owned(), Measured::none(from));
    }

    /// Notes what a run said, and tells whether it did: a run that was interrupted did not suffer
    /// what it was to, so its silence says nothing, and it has to be asked again.
    #[must_use]
    pub(crate) fn note(&mut self, id: &str, seen: &Seen) -> bool {
        if seen.verdict == INTERRUPTED {
            return false;
        }
        let row = self.0.entry(id.to_owned()).or_insert(Measured::none(SEED_FIRST));
        row.runs += 1;
        match seen.verdict.as_str() {
            "violation" | "not-served" => {
                row.hits += 1;
                if row.first_alarm_s.is_none() {
                    // Over all runs so far, as somebody who runs one after the other would have
                    // waited.
                    row.first_alarm_s = Some(row.quiet_s + seen.alarm_s);
                    row.alarm = clipped(&seen.reason);
                }
            }
            "void" | "unknown" | "no run" => {
                row.void += 1;
                row.quiet_s += seen.alarm_s;
            }
            _ => row.quiet_s += seen.alarm_s,
        }
        true
    }

    /// Names the rows of mutants that a client cannot be shown by.
    pub(crate) fn strangers(&self, clients: &Clients) -> Vec<String> {
        let strange = self.0.keys().filter(|id| !clients.is_seen(id));
        strange.map(|id| format!("power.toml measures {id}, which no client can see")).collect()
    }

    /// Writes it for a terminal; the last line is the share that is caught.
    pub(crate) fn text(&self, catalogue: &[Mutant], clients: &Clients) -> String {
        let mut text = String::new();
        for mutant in catalogue.iter().filter(|mutant| clients.is_seen(&mutant.id)) {
            let (found, when, words) = self.cells(mutant, clients);
            let _ = writeln!(text, "{:<4} {found:<12} {when:>8}  {words}", mutant.id);
        }
        text + &self.share(catalogue, clients)
    }

    /// Writes it for the book.
    pub(crate) fn page(&self, catalogue: &[Mutant], clients: &Clients) -> String {
        let mut text = "| bug | caught in | first alarm | what was said, or why nothing was |\n\
            |---|---|---|---|\n"
            .to_owned();
        for mutant in catalogue.iter().filter(|mutant| clients.is_seen(&mutant.id)) {
            let (found, when, words) = self.cells(mutant, clients);
            // A bar would end the cell.
            let words = words.replace('|', "/");
            let _ =
                writeln!(text, "| {}: {} | {found} | {when} | {words} |", mutant.id, mutant.breaks);
        }
        let _ = writeln!(text, "\n{}", self.share(catalogue, clients).trim_end());
        text.push_str(
            "\n| not measured | why no client of such a run can be shown by it |\n|---|---|\n",
        );
        for (why, count) in clients.unseen_by_reason() {
            let _ = writeln!(text, "| {count} | {why} |");
        }
        text
    }

    /// Puts the table into the page, between its marks.
    pub(crate) fn write_page(
        &self,
        path: &Path,
        catalogue: &[Mutant],
        clients: &Clients,
    ) -> Outcome {
        let page = fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))?;
        let before = page.split(MARK).next().unwrap_or_default();
        let text = format!("{before}{MARK}\n\n{}", self.page(catalogue, clients));
        fs::write(path, text).map_err(|error| Failure::io("write", path, &error))
    }

    fn cells(&self, mutant: &Mutant, clients: &Clients) -> (String, String, String) {
        let row = self.of(&mutant.id);
        if row.runs == 0 {
            return ("not run yet".into(), String::new(), clients.shows(&mutant.id).to_owned());
        }
        let void = if row.void > 0 { format!(", {} void", row.void) } else { String::new() };
        let found = format!("{} of {}{void}", row.hits, row.runs);
        let when = row.first_alarm_s.map_or_else(String::new, |seconds| format!("{seconds:.1} s"));
        let missed = clients.why_missed(&mutant.id).unwrap_or("no reason is known yet");
        let words = match (row.is_caught(), row.alarm.as_str()) {
            (true, alarm) => alarm.to_owned(),
            (false, "") => format!("not caught: {missed}"),
            (false, alarm) => format!("mostly missed: {missed}; said {alarm}"),
        };
        (found, when, words)
    }

    fn share(&self, catalogue: &[Mutant], clients: &Clients) -> String {
        let all = catalogue.iter().filter(|mutant| clients.is_seen(&mutant.id));
        let (mut caught, mut count) = (0, 0);
        for mutant in all {
            count += 1;
            caught += usize::from(self.of(&mutant.id).is_caught());
        }
        let percent = 100 * caught / count.max(1);
        format!("caught: {caught} of {count}, {percent} %\n")
    }
}

/// A sentence short enough for a row.
fn clipped(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(ALARM_CHARS_MAX).collect();
    if short.len() < line.len() {
        short.push_str("...");
    }
    short
}

/// The verdict of a run that somebody ended before its time.
const INTERRUPTED: &str = "interrupted";

/// The seed of the first run where nobody says more.
const SEED_FIRST: u32 = 1;

/// How many runs more a mutant has that was caught in some.
const RUNS_MORE: u32 = 2;

const ALARM_CHARS_MAX: usize = 140;

/// Behind this line of the page stands the table.
const MARK: &str = "<!-- the table, by cargo xtask power -->";

const HEAD: &str = "\
    # Written by `cargo xtask power`: what live runs of 30 s, of the default kind, said of each\n\
    # seeded bug that a client can be shown by. Seeds count from `from`. A void run raised\n\
    # no alarm.\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(verdict: &str) -> Seen {
        Seen { verdict: verdict.to_owned(), reason: "a stale read".to_owned(), alarm_s: 10.0 }
    }

    #[test]
    fn a_table_that_cannot_be_read_is_not_taken_for_none() {
        let path = std::env::temp_dir().join(format!("power-{}.toml", std::process::id()));
        assert!(Table::read(&path).is_ok_and(|table| table.0.is_empty()), "there is no file yet");
        fs::write(&path, b"\xff").expect("a temporary file");
        let read = Table::read(&path);
        fs::remove_file(&path).expect("it was just made");
        assert!(read.is_err(), "what was measured would be written over");
    }

    #[test]
    fn two_runs_more_follow_where_some_were_caught() {
        let mut table = Table::default();
        for verdict in ["pass", "void", "violation"] {
            assert!(table.of("A1").wants_more(3));
            assert!(table.note("A1", &seen(verdict)));
        }
        let row = table.of("A1");
        assert_eq!((row.runs, row.hits, row.void, row.first_alarm_s), (3, 1, 1, Some(30.0)));
        assert!(row.wants_more(3) && !row.is_caught());
        assert!(table.note("A1", &seen("violation")));
        assert!(table.note("A1", &seen("violation")));
        assert!(!table.of("A1").wants_more(3) && table.of("A1").is_caught());
        let mut sure = Table::default();
        (0..3).for_each(|_| assert!(sure.note("B1", &seen("violation"))));
        assert!(!sure.of("B1").wants_more(3));
        let mut never = Table::default();
        (0..3).for_each(|_| assert!(never.note("B1", &seen("pass"))));
        assert!(!never.of("B1").wants_more(3) && !never.of("B1").is_caught());
    }

    /// Its faults did not come to their end: what it did not see says nothing of the bug.
    #[test]
    fn a_run_that_was_interrupted_is_asked_again() {
        let mut table = Table::default();
        table.begin("A1", 41);
        assert!(table.note("A1", &seen("pass")));
        let before = table.of("A1");
        assert!(!table.note("A1", &seen("interrupted")), "it is no measurement");
        assert_eq!((table.of("A1"), before.next_seed()), (before, 42));
    }

    #[test]
    fn what_was_written_is_read_back() -> Result<(), Failure> {
        let mut table = Table::default();
        assert!(table.note("A1", &seen("pass")));
        assert!(table.note("A1", &seen("violation")));
        let path = std::env::temp_dir().join(format!("synod-power-{}.toml", std::process::id()));
        table.write(&path)?;
        let back = Table::read(&path)?;
        drop(fs::remove_file(&path));
        assert_eq!(back.of("A1"), table.of("A1"));
        Ok(())
    }

    #[test]
    fn what_did_not_run_is_not_caught() -> Result<(), String> {
        let lists = "[[seen]]\nids = [\"A1\", \"A2\"]\nshows = \"a lost write\"\n";
        let clients = Clients::of(lists, &["A1", "A2"])?;
        let mutant = |id: &str| Mutant {
            id: id.to_owned(),
            patch: "a.patch".into(),
            level: crate::mutants::Level::Unit,
            breaks: "everything".to_owned(),
            catch: Vec::new(),
            quick: false,
            demo: None,
        };
        let catalogue = [mutant("A1"), mutant("A2")];
        let mut table = Table::default();
        assert!(table.note("A1", &seen("violation")));
        let text = table.text(&catalogue, &clients);
        assert!(text.contains("A2   not run yet"), "{text}");
        assert!(text.ends_with("caught: 1 of 2, 50 %\n"), "{text}");
        assert!(table.page(&catalogue, &clients).contains("caught: 1 of 2, 50 %"));
        Ok(())
    }
}
