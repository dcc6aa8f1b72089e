//! A campaign that several machines share: which part is whose, what each tells, and what all of
//! them came to.
//!
//! Making runs is the caller's. [`Shard`] says which seeds are whose, [`ShardSummary`] what one
//! machine tells of its part, and [`merge()`] what the parts are together. The claims kept true:
//! the parts of a campaign are the seeds that one machine would have run, none twice and none lost;
//! and what nobody ran is never told as passed.

mod loose;
mod merge;
mod merged_page;
mod part;
mod shard;
mod simulated;

pub use loose::{LooseOutcome, LooseRun, merge_loose};
pub use merge::{Merged, MergedRun, Mismatch, merge};
pub use merged_page::{merged_markdown, write_merged};
pub use part::{BrokenOff, Campaign, MadeRun, Part, ShardSummary, Work};
pub use shard::{SHARDS_MAX, Shard, ShardAsked, ShardError};
pub use simulated::{PointHits, SimulatedSeeds};
