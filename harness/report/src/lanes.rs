//! The lanes of the time line: which client is drawn in which row.
//!
//! Up to [`LANE_LIMIT`] clients have a row each; with more, equal groups of neighbours share one,
//! and the label says which. No client is left out.

use super::bins::{Bins, Tally};

/// The rows of the time line and what happened in them.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    clients: u32,
    group: u32,
    rows: Vec<Bins<Tally>>,
}

impl Lanes {
    /// Makes rows for `clients` planned clients.
    pub(super) fn new(clients: u32) -> Self {
        let clients = clients.max(1);
        let group = clients.div_ceil(LANE_LIMIT);
        let rows = clients.div_ceil(group) as usize;
        Self { clients, group, rows: vec![Bins::new(FINEST_NS, BIN_LIMIT); rows] }
    }

    /// Returns the row of a client; clients beyond the plan are in the last one.
    pub(super) fn row_of(&self, client: u32) -> usize {
        // A client beyond the plan is drawn all the same, in the last row.
        ((client / self.group) as usize).min(self.rows.len() - 1)
    }

    /// Returns the counts of a client's row.
    pub(super) fn of(&mut self, client: u32) -> &mut Bins<Tally> {
        let row = self.row_of(client);
        &mut self.rows[row]
    }

    /// Returns how many clients share a row.
    pub(super) fn group(&self) -> u32 {
        self.group
    }

    /// Returns the label of a row.
    pub(super) fn label(&self, row: usize) -> String {
        let first = (row as u32).saturating_mul(self.group);
        let last = first.saturating_add(self.group - 1).min(self.clients - 1);
        if first == last { format!("client {first}") } else { format!("clients {first} to {last}") }
    }

    /// Gives all rows bins of one width that reaches `end_ns` within [`CELL_LIMIT`] cells.
    pub(super) fn align(&mut self, end_ns: u64) {
        // The more rows, the coarser they are, so that the page has a bound.
        let columns = (CELL_LIMIT / self.rows.len()).clamp(FEWEST_COLUMNS, BIN_LIMIT);
        let mut widest = end_ns / columns as u64;
        for row in &mut self.rows {
            row.reach(end_ns);
            widest = widest.max(row.width());
        }
        for row in &mut self.rows {
            row.coarsen(widest);
        }
    }

    /// Returns the rows, all of one bin width after [`Lanes::align`].
    pub(super) fn rows(&self) -> &[Bins<Tally>] {
        &self.rows
    }
}

/// Rows at most.
const LANE_LIMIT: u32 = 40;
/// The width of a bin before any folding: one millisecond.
const FINEST_NS: u64 = 1_000_000;
/// Bins in a row at most.
const BIN_LIMIT: usize = 1024;
/// Cells in all rows together, about.
const CELL_LIMIT: usize = 10_240;
/// Bins in a row at least, before doubling.
const FEWEST_COLUMNS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_clients_have_a_row_each() {
        let lanes = Lanes::new(8);
        assert_eq!(lanes.rows().len(), 8);
        assert_eq!(lanes.label(7), "client 7");
        assert_eq!(lanes.row_of(100), 7);
    }

    #[test]
    fn many_clients_share_rows_and_none_is_left_out() {
        let lanes = Lanes::new(1001);
        assert!(lanes.rows().len() <= LANE_LIMIT as usize);
        assert_eq!(lanes.label(0), "clients 0 to 25");
        let last = lanes.rows().len() - 1;
        assert_eq!(lanes.row_of(1000), last);
        assert!(lanes.label(last).ends_with("1000"));
    }

    #[test]
    fn alignment_gives_one_width() {
        let mut lanes = Lanes::new(2);
        lanes.of(0).at(5_000_000).ok += 1;
        lanes.of(1).at(60_000_000_000).ok += 1;
        lanes.align(60_000_000_000);
        assert_eq!(lanes.rows()[0].width(), lanes.rows()[1].width());
        assert_eq!(lanes.rows()[0].as_slice()[0].ok, 1);
    }
}
