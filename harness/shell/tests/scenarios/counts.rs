//! What nodes have counted, as the lines of their logs say it.
//!
//! There is one listener for the process, as the library remembers for all threads whether anybody
//! listens; what it hears is kept for each thread, and a scenario runs on one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Metadata, Subscriber};

/// What the nodes of this thread say from its beginning on.
pub(crate) struct CountLines(());

#[derive(Default)]
struct Seen {
    /// The node that each span is of, by the number of the span.
    nodes: Vec<Option<u64>>,
    entered: Vec<usize>,
    counts: BTreeMap<(u64, &'static str), u64>,
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

impl CountLines {
    pub(crate) fn begin() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| set_global_default(Listener).unwrap());
        SEEN.take();
        Self(())
    }

    /// What a node has counted under a name, as it said last.
    pub(crate) fn last(&self, node: u16, name: &'static str) -> u64 {
        let Self(()) = self;
        let count = with(|seen| seen.counts.get(&(node.into(), name)).copied());
        count.unwrap_or_else(|| panic!("node {node} has not said its {name}"))
    }
}

fn with<T>(act: impl FnOnce(&mut Seen) -> T) -> T {
    SEEN.with_borrow_mut(act)
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("synod_node")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut numbers = Numbers::default();
        attributes.record(&mut numbers);
        with(|seen| {
            seen.nodes.push(numbers.0.get("id").copied());
            Id::from_u64(seen.nodes.len() as u64)
        })
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut numbers = Numbers::default();
        event.record(&mut numbers);
        with(|seen| {
            let node = seen.entered.iter().rev().find_map(|span| seen.nodes.get(*span).copied()?);
            if let (Some(node), true) = (node, numbers.0.contains_key("turns")) {
                seen.counts.extend(numbers.0.into_iter().map(|(name, n)| ((node, name), n)));
            }
        });
    }

    fn enter(&self, span: &Id) {
        with(|seen| seen.entered.push(place(span)));
    }

    fn exit(&self, span: &Id) {
        with(|seen| {
            let last = seen.entered.iter().rposition(|entered| *entered == place(span));
            last.map(|last| seen.entered.remove(last));
        });
    }
}

fn place(span: &Id) -> usize {
    usize::try_from(span.into_u64()).unwrap() - 1
}

/// The numbers among the fields of a line or span.
#[derive(Default)]
struct Numbers(BTreeMap<&'static str, u64>);

impl Visit for Numbers {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), value);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
