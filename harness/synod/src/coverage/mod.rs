//! Sometimes-points: named states of interest, counted, so that a batch shows what it has reached.
//!
//! An invariant that holds in every run proves nothing if the runs never come near it. Each point
//! names a situation in which a bug would hide; a batch in which one is never seen has failed,
//! whatever its invariants say. Nothing here changes a run: the tracker is shown what the judges
//! are shown, and counts.
//!
//! The points are in `points`; who sees them is in `elections`, `slots`, `requests`, `machines` and
//! `links`, over a common view of all nodes in `tracker`.

mod elections;
mod links;
mod machines;
mod points;
mod requests;
mod slots;
mod tracker;

pub use machines::End;
pub use points::Point;
pub use tracker::Tracker;

/// How often each point was seen, and in how many runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HitCounts {
    counts: [Count; Point::ALL.len()],
}

/// What was seen of one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often.
    pub times: u64,
    /// In how many runs.
    pub runs: u64,
}

impl Default for HitCounts {
    fn default() -> Self {
        Self { counts: [Count::default(); Point::ALL.len()] }
    }
}

impl HitCounts {
    /// Counts a point; all that one `HitCounts` sees belongs to one run.
    pub fn see(&mut self, point: Point) {
        self.hit_times(point, 1);
    }

    /// Counts a point, if it is one.
    fn see_if(&mut self, is: bool, point: Point) {
        if is {
            self.see(point);
        }
    }

    fn hit_times(&mut self, point: Point, times: u64) {
        let count = &mut self.counts[point as usize];
        count.times += times;
        count.runs = u64::from(count.times > 0);
    }

    /// Adds what other runs have seen.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            sum.times += count.times;
            sum.runs += count.runs;
        }
    }

    /// Returns what was seen of a point.
    #[must_use]
    pub fn of(&self, point: Point) -> Count {
        self.counts[point as usize]
    }

    /// Returns the names of the points that were never seen.
    #[must_use]
    pub fn unseen(&self) -> Vec<&'static str> {
        let unseen = |point: &&Point| self.of(**point).times == 0;
        Point::ALL.iter().filter(unseen).map(|point| point.name()).collect()
    }

    /// Lists all points with their counts, the rarest first.
    #[must_use]
    pub fn table(&self) -> String {
        let mut points = Point::ALL.to_vec();
        points.sort_by_key(|point| (self.of(*point).runs, self.of(*point).times));
        let line = |point: Point| {
            let Count { times, runs } = self.of(point);
            format!("{times:>9} in {runs:>6} runs  {:<28} {}\n", point.name(), point.meaning())
        };
        points.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_many_points_with_a_name_and_a_meaning_each() {
        let names: BTreeSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len(), "a name stands twice");
        assert!(names.len() >= 60, "{}", names.len());
        for point in Point::ALL {
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(point.name().chars().all(is_plain), "{}", point.name());
            assert!(point.meaning().ends_with('.'), "{}", point.meaning());
            let variant = format!("{point:?}").to_lowercase();
            assert_eq!(variant, point.name().replace('-', ""), "a name that is another's");
        }
    }

    #[test]
    fn what_runs_have_seen_adds_up() {
        let mut sum = HitCounts::default();
        assert_eq!(sum.unseen().len(), Point::ALL.len());
        let (mut one, mut two) = (HitCounts::default(), HitCounts::default());
        one.see(Point::Copied);
        one.see(Point::Copied);
        two.see(Point::Copied);
        two.see(Point::AllDown);
        sum.add(&one);
        sum.add(&two);
        assert_eq!(sum.of(Point::Copied), Count { times: 3, runs: 2 });
        assert_eq!(sum.of(Point::AllDown), Count { times: 1, runs: 1 });
        assert_eq!(sum.unseen().len(), Point::ALL.len() - 2);
        assert!(!sum.unseen().contains(&"all-down"));
        assert!(sum.table().lines().last().is_some_and(|line| line.contains(" copied ")));
    }
}
