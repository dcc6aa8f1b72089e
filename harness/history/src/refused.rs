//! Histories that can be read and for which there is no model: they are refused by name.
//!
//! A history of transactions that was judged as one of registers would get a verdict that means
//! nothing. So what is known of other tools' workloads is named here, and never judged.

use super::edn::Edn;

/// Returns what kind of history an event belongs to for which there is no model; none if there is
/// nothing against it.
pub(super) fn kind(f: &str, value: &Edn) -> Option<&'static str> {
    if let Some(kind) = kind_of_steps(f, value) {
        return Some(kind);
    }
    match f {
        "txn" => Some("transactions"),
        "enqueue" | "dequeue" | "drain" => Some("a queue"),
        "push" | "pop" => Some("a stack"),
        "transfer" => Some("a bank"),
        "acquire" | "release" | "lock" | "unlock" => Some("a lock"),
        "generate" => Some("unique ids"),
        "send" | "poll" | "subscribe" | "assign" => Some("a log of messages, as in Kafka"),
        "insert" => Some("inserts under a predicate"),
        "broadcast" | "topology" => Some("a broadcast"),
        "echo" => Some("an echo"),
        _ => match value {
            Edn::Map(_) => Some("a bank or a multi-register, which answer several keys at once,"),
            Edn::Set(_) => Some("a set"),
            Edn::Nil
            | Edn::Flag(_)
            | Edn::Whole(_)
            | Edn::Text(_)
            | Edn::Keyword(_)
            | Edn::Symbol(_)
            | Edn::Sequence(_) => None,
        },
    }
}

/// Knows transactions by their steps, such as `[[:append 3 1] [:r 4 nil]]`.
fn kind_of_steps(f: &str, value: &Edn) -> Option<&'static str> {
    let Edn::Sequence(steps) = value else { return None };
    let first = steps.first().and_then(|step| match step {
        Edn::Sequence(parts) if parts.len() == 3 => parts.first().and_then(Edn::word),
        Edn::Nil
        | Edn::Flag(_)
        | Edn::Whole(_)
        | Edn::Text(_)
        | Edn::Keyword(_)
        | Edn::Symbol(_)
        | Edn::Sequence(_)
        | Edn::Set(_)
        | Edn::Map(_) => None,
    })?;
    match (f, first) {
        ("read" | "write", "r" | "w") => Some("a long fork: reads of several keys"),
        (_, "read" | "write") => Some("a multi-register"),
        (_, "r" | "w" | "append") => Some("transactions"),
        _ => None,
    }
}

/// What is said of an operation that nobody knows.
pub(super) fn unknown(f: &str) -> String {
    format!("the operation `{f}`")
}
