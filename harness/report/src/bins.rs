//! Counting along an axis whose length is not known beforehand, in bounded memory.
//!
//! [`Bins`] starts with narrow bins and, whenever something lies beyond the last one it may have,
//! joins neighbours and doubles the width. Claim kept true: nothing that was counted is ever lost,
//! only its place becomes coarser.

/// Something that can take in another of its kind without losing a count.
pub(super) trait Join: Default {
    /// Takes in `later`, which lies right after `self` on the axis.
    fn join(&mut self, later: Self);
}

/// Equal bins from zero on, at most `limit` of them.
#[derive(Clone, Debug)]
pub(super) struct Bins<T> {
    width: u64,
    limit: usize,
    bins: Vec<T>,
}

impl<T: Join> Bins<T> {
    /// Makes empty bins of `width`; at least one bin of at least one unit.
    pub(super) fn new(width: u64, limit: usize) -> Self {
        Self { width: width.max(1), limit: limit.max(1), bins: Vec::new() }
    }

    /// Returns the bin that holds `place`, after making bins coarser where that is needed.
    pub(super) fn at(&mut self, place: u64) -> &mut T {
        while place / self.width >= self.limit as u64 {
            self.fold();
        }
        let index = (place / self.width) as usize;
        if index >= self.bins.len() {
            self.bins.resize_with(index + 1, T::default);
        }
        &mut self.bins[index]
    }

    /// Makes bins coarser until they are at least `width` wide.
    pub(super) fn coarsen(&mut self, width: u64) {
        while self.width < width {
            self.fold();
        }
    }

    /// Makes bins coarser until `place` has one.
    pub(super) fn reach(&mut self, place: u64) {
        while place / self.width >= self.limit as u64 {
            self.fold();
        }
    }

    /// Returns the width of a bin.
    pub(super) fn width(&self) -> u64 {
        self.width
    }

    /// Returns the bins up to the last one that was touched.
    pub(super) fn as_slice(&self) -> &[T] {
        &self.bins
    }

    fn fold(&mut self) {
        self.width = self.width.saturating_mul(2);
        let mut old = std::mem::take(&mut self.bins).into_iter();
        while let Some(mut first) = old.next() {
            // The last of an odd number stays alone, in a bin that reaches further.
            if let Some(second) = old.next() {
                first.join(second);
            }
            self.bins.push(first);
        }
    }
}

/// Operations by how they ended, and those still open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Certainly happened.
    pub(super) ok: u64,
    /// Certainly did not happen.
    pub(super) fail: u64,
    /// Nobody knows.
    pub(super) info: u64,
    /// Open during the whole bin; counts of neighbours are not summed but the larger one is kept.
    pub(super) waiting: u64,
}

impl Tally {
    /// Returns how many operations ended.
    pub(super) fn ended(&self) -> u64 {
        self.ok + self.fail + self.info
    }
}

impl Join for Tally {
    fn join(&mut self, later: Self) {
        self.ok += later.ok;
        self.fail += later.fail;
        self.info += later.info;
        self.waiting = self.waiting.max(later.waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_keeps_every_count() {
        let mut bins: Bins<Tally> = Bins::new(1, 8);
        for place in 0..1000 {
            bins.at(place).ok += 1;
        }
        assert_eq!(bins.width(), 128);
        assert_eq!(bins.as_slice().iter().map(|bin| bin.ok).sum::<u64>(), 1000);
        assert_eq!(bins.as_slice()[0].ok, 128);
        assert!(bins.as_slice().len() <= 8);
    }

    #[test]
    fn an_odd_last_bin_survives_folding() {
        let mut bins: Bins<Tally> = Bins::new(1, 3);
        for place in [0, 1, 2] {
            bins.at(place).info += 1;
        }
        bins.coarsen(2);
        let shown: Vec<u64> = bins.as_slice().iter().map(|bin| bin.info).collect();
        assert_eq!(shown, [2, 1]);
    }

    #[test]
    fn the_farthest_place_has_a_bin() {
        let mut bins: Bins<Tally> = Bins::new(1, 4);
        bins.at(u64::MAX).fail += 1;
        bins.at(0).fail += 1;
        let sum: u64 = bins.as_slice().iter().map(|bin| bin.fail).sum();
        assert_eq!(sum, 2);
    }
}
