//! Many small rectangles in one SVG path.
//!
//! Neighbours in a row are joined, which keeps a picture of a million operations small. The
//! rectangles lie on a grid of whole columns; the drawing is stretched to its frame by its viewBox.

use std::fmt::Write as _;

/// A path of rectangles, filled row by row from left to right.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    path: String,
    open: Option<Run>,
}

/// Neighbouring cells in a row.
#[derive(Clone, Copy, Debug)]
struct Run {
    from: usize,
    to: usize,
    top: f64,
    height: f64,
}

impl Cells {
    /// Adds the cell at `column` from `top`, `height` high.
    pub(super) fn add(&mut self, column: usize, top: f64, height: f64) {
        if let Some(run) = &mut self.open
            && run.to == column
            && run.top == top
            && run.height == height
        {
            run.to += 1;
            return;
        }
        self.close();
        self.open = Some(Run { from: column, to: column + 1, top, height });
    }

    /// Returns the path's data.
    pub(super) fn finish(mut self) -> String {
        self.close();
        self.path
    }

    fn close(&mut self) {
        if let Some(Run { from, to, top, height }) = self.open.take() {
            let width = to - from;
            write!(self.path, "M{from} {top}h{width}v{height}h-{width}z")
                .expect("writing to a String cannot fail");
        }
    }
}

/// Returns which of `levels` shades a count has, from 0, the faintest, on; on a logarithmic scale.
pub(super) fn shade(count: u64, most: u64, levels: usize) -> usize {
    if most <= 1 {
        // A single count has no scale, and is drawn in full.
        return levels - 1;
    }
    let share = (1.0 + count as f64).ln() / (1.0 + most as f64).ln();
    ((share * levels as f64).ceil() as usize).clamp(1, levels) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined() {
        let mut cells = Cells::default();
        for column in [0, 1, 2, 5] {
            cells.add(column, 3.0, 4.0);
        }
        cells.add(6, 0.5, 2.0);
        assert_eq!(cells.finish(), "M0 3h3v4h-3zM5 3h1v4h-1zM6 0.5h1v2h-1z");
    }

    #[test]
    fn shades_grow_with_the_count() {
        let shades: Vec<usize> = [1, 2, 5, 40, 100].iter().map(|n| shade(*n, 100, 4)).collect();
        assert_eq!(shades, [0, 0, 1, 3, 3]);
        assert_eq!(shade(1, 1, 4), 3);
    }
}
