//! Bounds: the queues and windows of a replica stay within the limits that they are named for.

use synod_smr::replica::{CACHE_BYTES, CACHE_SLOTS};

use super::Invariant;
use crate::step::Step;

/// Looks at sizes.
pub(super) struct Bounds;

/// How far past its bound the cache grows before it is cut back to it.
const CACHE_SLACK: u64 = CACHE_SLOTS / 4 + 1;

impl Invariant for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let paxos = step.replica.paxos();
        let kept = step.after.chosen.past(paxos.log().base());
        if kept > CACHE_SLOTS + CACHE_SLACK {
            return Err(format!("node {} keeps {kept} chosen slots in memory", step.node));
        }
        if paxos.log().weight() > 2 * CACHE_BYTES {
            let bytes = paxos.log().weight();
            return Err(format!("node {} keeps {bytes} bytes of decrees in memory", step.node));
        }
        Ok(())
    }
}
