//! Made-up messages around the made-up counterexample: a read of a node that is cut off.

use synod_checker::ViolationCore;
use synod_report::{Fate, Message, SeenMessages, SpaceTime};

/// Returns what three nodes and the clients said to one another during the last operation.
pub(super) fn around(core: &ViolationCore) -> Option<SpaceTime> {
    let last = core.operations.last()?;
    let begun = last.call_ns;
    let message = |from, to, at_us: u64, fate: fn(u64) -> Fate, took_us: u64, bytes| {
        let sent_ns = begun + at_us * 1_000;
        Message { from, to, sent_ns, fate: fate(sent_ns + took_us * 1_000), bytes }
    };
    let came: fn(u64) -> Fate = Fate::Came;
    let cut: fn(u64) -> Fate = |_| Fate::Cut;
    let mut seen = vec![message(0, 1, 20, came, 30, 143)];
    for beat in 0..12 {
        let at = 200 + beat * 600;
        seen.push(message(1, 2, at, cut, 0, 74));
        seen.push(message(1, 3, at + 12, cut, 0, 74));
        seen.push(message(3, 2, at + 90, came, 420, 74));
        seen.push(message(2, 3, at + 560, came, 35, 61));
    }
    seen.push(message(1, 0, 7_800, came, 45, 88));
    SpaceTime::around(core, &SeenMessages { messages: seen, forgot: false })
}
