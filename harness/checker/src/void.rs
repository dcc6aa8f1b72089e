//! What a history must hold for a PASS to rest on something.
//!
//! An empty history is linearizable, and one that was cut hides what was yet to come. Whether there
//! is a violation is left to the checker. The claim kept true: no history passes of which too
//! little was acknowledged, or of which calls that may matter have no end.

use synod_history::History;
use synod_history::import::Format;

/// Returns why a history cannot carry a PASS, if it cannot.
///
/// A violation needs no such leave: what no order explains is wrong however little else there is.
///
/// # Examples
///
/// ```
/// use synod_checker::void_because;
/// use synod_history::History;
/// use synod_history::import::Format;
///
/// let reason = void_because(&History::default(), Format::Jsonl);
/// assert_eq!(reason.as_deref(), Some("the history is empty: it holds no operation"));
/// ```
#[must_use]
pub fn void_because(history: &History, format: Format) -> Option<String> {
    let counts = history.counts;
    if counts.ok + counts.fail + counts.info == 0 {
        return Some("the history is empty: it holds no operation".to_owned());
    }
    if counts.ok < OK_MIN {
        let told = "acknowledged, and a verdict needs 2";
        return Some(format!(
            "{} of {} operations {} {told}",
            counts.ok,
            counts.ok + counts.fail + counts.info,
            if counts.ok == 1 { "was" } else { "were" }
        ));
    }
    let open = &history.open;
    // A read that nobody ended says nothing and changes nothing, and some tools leave it at that;
    // our own recorder ends every call.
    let telling = open.changes + if format == Format::Jsonl { open.reads } else { 0 };
    (telling > 0).then(|| {
        let all = open.clients.iter().map(u32::to_string);
        let clients = all.take(CLIENTS_MAX).collect::<Vec<_>>().join(", ");
        let more = if open.clients.len() > CLIENTS_MAX { " and others" } else { "" };
        format!(
            "the history was cut: it does not tell how {} of its calls ended, those of clients \
             {clients}{more}; add their ends, `info` where the outcome is unknown",
            open.reads + open.changes
        )
    })
}

/// How many operations must have been acknowledged: one alone agrees with everything.
const OK_MIN: u64 = 2;

/// How many clients are named.
const CLIENTS_MAX: usize = 5;
