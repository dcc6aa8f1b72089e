//! What the parts of a campaign are together: one verdict, with its reasons.
//!
//! The gravest thing that any part tells is the campaign's, in the order of [`GRAVEST_FIRST`]. What
//! one machine cannot know is asked here, of all parts: whether each seed was run, and once, and
//! whether a point of interest was never seen. The claims kept true: a violation outranks all else,
//! whatever is missing beside it; and a campaign of which a part is missing, came twice or was not
//! run to its end passes never.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::{Campaign, MadeRun, Part, ShardSummary, SimulatedSeeds, Work};
use crate::Verdict;

/// What the parts of a campaign came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The exit code that stands for it.
    pub code: u8,
    /// Why it is no PASS, one sentence each, the gravest first; none of a PASS.
    pub reasons: Vec<String>,
    /// What it rests on, in one sentence.
    pub rests_on: String,
    /// What each part tells: its name, its place, and what came of it.
    pub parts: Vec<[String; 3]>,
    /// All runs of real processes, in the order of their seeds.
    pub runs: Vec<MergedRun>,
    /// The sum of all simulated seeds, where there are any.
    pub seeds: Option<SimulatedSeeds>,
    /// Whether every run of the campaign is in it, and once.
    pub is_whole: bool,
}

/// A run of real processes, with the place of who told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedRun {
    /// The summary that tells of the run, or the run's own folder.
    pub place: String,
    /// The run.
    pub run: MadeRun,
}

/// Why parts are no parts of one campaign. The caller is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is no part of the campaign of {first}: {difference}; merge those of one campaign")]
pub struct Mismatch {
    /// The first part.
    pub first: String,
    /// The part that differs.
    pub place: String,
    /// In what.
    pub difference: String,
}

impl Merged {
    /// Returns the word for what it came to.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.code {
            0 => Verdict::Pass.word(),
            1 => Verdict::Violation.word(),
            2 => Verdict::Void.word(),
            3 => Verdict::NotServed.word(),
            130 => Verdict::Interrupted.word(),
            _ => "HARNESS FAILED",
        }
    }
}

/// Puts the parts of a campaign together.
///
/// # Errors
///
/// [`Mismatch`], if they are parts of different ones.
///
/// # Panics
///
/// If there are no parts.
pub fn merge(parts: &[Part]) -> Result<Merged, Mismatch> {
    let first = parts.first().expect("whoever merges has something to merge");
    for part in parts {
        if let Some(difference) = difference(first, part) {
            let (first, place) = (first.place.clone(), part.place.clone());
            return Err(Mismatch { first, place, difference });
        }
    }
    let mut ledger = Ledger::default();
    // Of all parts, before those that came twice are left out.
    ledger.count_shards(parts);
    for part in ledger.once(parts) {
        ledger.take(part);
    }
    let Campaign { runs: asked, .. } = first.summary.campaign;
    // Taken out while the ledger tells of them, and put back for the sum.
    if let Some(seeds) = ledger.seeds.take() {
        ledger.judge_seeds(&seeds);
        ledger.seeds = Some(seeds);
    }
    Ok(ledger.close(first.summary.shard.count(), asked))
}

/// Returns the difference between what two were asked for, by name, if there is one.
pub(super) fn asked_otherwise(
    asked: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
) -> Option<String> {
    let names: BTreeSet<&String> = asked.keys().chain(other.keys()).collect();
    let value = |map: &BTreeMap<String, String>, name: &String| {
        map.get(name).map_or_else(|| "not given".to_owned(), Clone::clone)
    };
    names.into_iter().find_map(|name| apart(name, &value(asked, name), &value(other, name)))
}

fn apart(what: &str, here: &str, there: &str) -> Option<String> {
    (here != there).then(|| format!("{what} is {there} here and {here} there"))
}

/// Says in what two parts differ that parts of one campaign have in common.
fn difference(one: &Part, other: &Part) -> Option<String> {
    let (one, other) = (&one.summary, &other.summary);
    let kind = |work: &Work| match work {
        Work::Runs { .. } => "runs of real processes",
        Work::Seeds(_) => "simulated seeds",
    };
    let numbers = |summary: &ShardSummary| {
        let Campaign { first, runs, .. } = summary.campaign;
        [
            ("the first seed", first),
            ("the number of runs", runs),
            ("the number of shards", summary.shard.count().into()),
        ]
    };
    let apart_in_numbers = || {
        let pairs = numbers(one).into_iter().zip(numbers(other));
        let mut found = pairs.filter_map(|((what, here), (_, there))| {
            apart(what, &here.to_string(), &there.to_string())
        });
        found.next()
    };
    apart("what it tells of", kind(&one.work), kind(&other.work))
        .or_else(|| apart("its version", &one.version, &other.version))
        .or_else(|| asked_otherwise(&one.campaign.asked, &other.campaign.asked))
        .or_else(apart_in_numbers)
}

/// What is found while parts are put together.
#[derive(Default)]
struct Ledger {
    found: Vec<(u8, String)>,
    parts: Vec<[String; 3]>,
    runs: Vec<MergedRun>,
    seeds: Option<SimulatedSeeds>,
    present: usize,
    /// Whether something of the campaign is missing, or is there twice.
    is_broken: bool,
}

impl Ledger {
    fn tell(&mut self, code: u8, words: String) {
        self.found.push((code, words));
    }

    /// Tells of what is missing, or there twice.
    fn refuse(&mut self, words: String) {
        self.is_broken = true;
        self.tell(Verdict::Void.exit_code(), words);
    }

    /// Tells which shards are missing, and which came twice.
    fn count_shards(&mut self, parts: &[Part]) {
        let mut places: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for part in parts {
            places.entry(part.summary.shard.index()).or_default().push(&part.place);
        }
        self.present = places.len();
        let count = parts.first().map_or(0, |part| part.summary.shard.count());
        let missing: Vec<u64> =
            (0..count).filter(|index| !places.contains_key(index)).map(u64::from).collect();
        if !missing.is_empty() {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            self.refuse(format!("shard {} of {count} {verb} missing", listed(&missing)));
        }
        for (index, places) in places.iter().filter(|(_, places)| places.len() > 1) {
            let places = places.join(" and in ");
            self.refuse(format!("shard {index} of {count} came more than once: in {places}"));
        }
    }

    /// Returns the parts in the order of their numbers, each once: sums count nothing twice. Of
    /// those that came twice a violation is told, whichever has it.
    fn once<'a>(&mut self, parts: &'a [Part]) -> Vec<&'a Part> {
        let mut once: BTreeMap<u32, &Part> = BTreeMap::new();
        for part in parts {
            match once.entry(part.summary.shard.index()) {
                Entry::Vacant(place) => {
                    place.insert(part);
                }
                Entry::Occupied(_) => {
                    violations(part).into_iter().for_each(|(code, words)| self.tell(code, words));
                }
            }
        }
        once.into_values().collect()
    }

    fn take(&mut self, part: &Part) {
        let Part { place, summary } = part;
        let shard = summary.shard.to_string();
        let told = match &summary.work {
            Work::Runs { made, broken_off } => {
                self.take_runs(part, made);
                if let Some(broken) = broken_off {
                    let words =
                        format!("{shard} ({place}) could make no more runs: {}", broken.why);
                    // Whatever keeps a machine from its runs weighs as much as a harness that
                    // fails.
                    self.tell(INTERNAL, words);
                }
                tally(made)
            }
            Work::Seeds(seeds) => {
                if seeds.seeds != summary.share() {
                    let (made, share) = (seeds.seeds, summary.share());
                    self.refuse(format!("{shard} ({place}) ran {made} of its {share} seeds"));
                }
                self.seeds.get_or_insert_default().add(seeds);
                format!("{} seeds, {} failed", seeds.seeds, seeds.failed)
            }
        };
        let told = if summary.share() == 0 { "no run is its own".to_owned() } else { told };
        self.parts.push([shard, place.clone(), told]);
    }

    /// Takes the runs of a part, and tells which of its seeds are missing, came twice or are not
    /// its own.
    fn take_runs(&mut self, part: &Part, made: &[MadeRun]) {
        let Part { place, summary } = part;
        let shard = summary.shard;
        let mut open: BTreeSet<u64> = summary.seeds().collect();
        let own = open.clone();
        for run in made {
            if !own.contains(&run.seed) {
                self.refuse(format!("the run of seed {} in {place} is not of {shard}", run.seed));
            } else if !open.remove(&run.seed) {
                self.refuse(format!("{place} tells of two runs of seed {}", run.seed));
            }
            // What a run found counts, whether or not it belongs to this part.
            if run.verdict != Verdict::Pass {
                self.tell(run.verdict.exit_code(), told(run));
            }
            self.runs.push(MergedRun { place: place.clone(), run: run.clone() });
        }
        if !open.is_empty() {
            let (missing, share) = (open.len(), own.len());
            let seeds: Vec<u64> = open.into_iter().collect();
            let seeds = listed(&seeds);
            self.refuse(format!(
                "{missing} of the {share} runs of {shard} ({place}) are missing: seed {seeds}"
            ));
        }
    }

    /// Judges all simulated seeds together, as one machine judges its own.
    fn judge_seeds(&mut self, seeds: &SimulatedSeeds) {
        for (seed, why) in &seeds.failures {
            self.tell(Verdict::Violation.exit_code(), format!("seed {seed}: {why}"));
        }
        // Only the lowest of them are listed by their seeds.
        let unlisted = seeds.failed.saturating_sub(seeds.failures.len() as u64);
        if unlisted > 0 {
            let words = format!("{unlisted} more seeds failed");
            self.tell(Verdict::Violation.exit_code(), words);
        }
        if seeds.ok == 0 {
            self.tell(Verdict::Void.exit_code(), "no operation was answered".to_owned());
        }
        // Of a campaign that lacks a part nobody knows what was never seen.
        let unseen = seeds.unseen();
        if seeds.all_points && !self.is_broken && !unseen.is_empty() {
            let words = format!("never seen: {}", unseen.join(", "));
            self.tell(Verdict::Void.exit_code(), words);
        }
    }

    fn close(mut self, shards: u32, asked: u64) -> Merged {
        self.found.sort_by_key(|(code, _)| rank(*code));
        let code = self.found.first().map_or(0, |(code, _)| *code);
        self.runs.sort_by_key(|merged| merged.run.seed);
        let present = self.present;
        let rests_on = match &self.seeds {
            Some(seeds) => format!(
                "{present} of {shards} shards, {} of {asked} seeds: {} failed, {} thin, {} \
                 operations ok",
                seeds.seeds, seeds.failed, seeds.thin, seeds.ok
            ),
            None => {
                let runs: Vec<MadeRun> = self.runs.iter().map(|it| it.run.clone()).collect();
                let made = runs.len();
                format!("{present} of {shards} shards, {made} of {asked} runs: {}", tally(&runs))
            }
        };
        let Self { found, parts, runs, seeds, is_broken, .. } = self;
        let reasons = found.into_iter().map(|(_, words)| words).collect();
        Merged { code, reasons, rests_on, parts, runs, seeds, is_whole: !is_broken }
    }
}

/// What a part tells of violations.
fn violations(part: &Part) -> Vec<(u8, String)> {
    let code = Verdict::Violation.exit_code();
    match &part.summary.work {
        Work::Runs { made, .. } => {
            let broken = made.iter().filter(|run| run.verdict == Verdict::Violation);
            broken.map(|run| (code, told(run))).collect()
        }
        Work::Seeds(seeds) => {
            let words = |(seed, why)| (code, format!("seed {seed}: {why}"));
            seeds.failures.iter().map(words).collect()
        }
    }
}

pub(super) fn told(run: &MadeRun) -> String {
    let MadeRun { seed, verdict, reason, .. } = run;
    format!("seed {seed}: {}: {reason}", verdict.word())
}

/// Says how many runs came to which verdict, the gravest first.
pub(super) fn tally(runs: &[MadeRun]) -> String {
    let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for run in runs {
        let verdict = run.verdict;
        *counts.entry((rank(verdict.exit_code()), verdict.word())).or_default() += 1;
    }
    let told = counts.iter().map(|((_, word), count)| format!("{count} {word}"));
    let told = told.collect::<Vec<_>>().join(", ");
    if told.is_empty() { "none".to_owned() } else { told }
}

/// Lists numbers, the first of them if there are many.
fn listed(numbers: &[u64]) -> String {
    let shown = numbers.iter().take(NUMBERS_SHOWN_MAX).map(u64::to_string);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match numbers.len().saturating_sub(NUMBERS_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns where an exit code stands among those that say why something is no PASS.
pub(super) fn rank(code: u8) -> usize {
    let last = GRAVEST_FIRST.len();
    GRAVEST_FIRST.iter().position(|known| *known == code).unwrap_or(last)
}

/// Exit codes by what they weigh in a campaign. A violation was seen, and stays one whatever else
/// went wrong. A harness that failed and a user who ended it leave runs of which nobody knows what
/// they would have found, so that nothing less may be said. What was not served was seen, too, and
/// tells more of the system than runs that show too little.
const GRAVEST_FIRST: [u8; 6] = [1, INTERNAL, 130, 3, 2, 0];

/// The exit code for a harness that fails.
const INTERNAL: u8 = 70;

/// How many numbers of a list are told.
const NUMBERS_SHOWN_MAX: usize = 20;

#[cfg(test)]
mod tests;
