//! Rows of bars on the time axis: the counterexample, and faults packed into few rows.
//!
//! Bars are elements with words in them, so that they can be read and found; the class of a fault
//! chooses a hatch, and its words say the kind. Packing leaves no fault out.

use synod_checker::ViolationCore;

use super::axis::Axis;
use super::context::Context;
use super::format::{moment, span};
use super::html::{Html, clip, esc, put};
use crate::FaultSpan;

/// Writes the row that shows where the counterexample lies, if there is one.
pub(super) fn core_row(html: &mut Html, axis: Axis, core: Option<&ViolationCore>) {
    let Some((from, to)) = core.and_then(extent) else {
        return;
    };
    open(html, &["counterexample".to_owned()], ROW);
    let place = Place { from, to, until: to, top: 0 };
    bar(html, axis, &place, "core-bar", "", "the operations of the counterexample");
    html.raw("</div></div>");
}

/// Returns from when to when the operations of a core last.
pub(super) fn extent(core: &ViolationCore) -> Option<(u64, u64)> {
    let from = core.operations.iter().map(|op| op.call_ns).min()?;
    let ends = core.operations.iter().map(|op| op.return_ns.unwrap_or(op.call_ns));
    Some((from, ends.max()?.max(from)))
}

/// Writes the faults.
pub(super) fn fault_rows(html: &mut Html, context: &Context<'_>) {
    let faults = &context.summary.faults;
    if faults.is_empty() {
        open(html, &["faults".to_owned()], ROW);
        html.raw("<span class=\"nothing\">no fault was injected</span></div></div>");
        return;
    }
    let (rows, used) = pack(faults, context.axis.end_ns / WORDS_SHARE);
    let mut labels = vec![String::new(); used];
    labels[0] = "faults".to_owned();
    open(html, &labels, FAULT_ROW);
    for (index, fault) in faults.iter().enumerate().take(context.room.bars) {
        let said = said(fault, context.room.letters.min(TITLE_LETTERS));
        let row = rows[index];
        let following = faults.iter().zip(&rows).skip(index + 1);
        let next = following.filter(|(_, other)| **other == row).map(|(next, _)| next.start_ns);
        let until = next.min().unwrap_or(context.axis.end_ns);
        let top = row * FAULT_ROW;
        let place = Place { from: fault.start_ns, to: fault.end_ns, until, top };
        let kind = clip(&fault.kind, KIND_LETTERS);
        bar(html, context.axis, &place, family(&fault.kind).class(), &kind, &said);
    }
    html.raw("</div></div>");
    more(html, "faults", faults.len(), context.room.bars);
}

/// Says how many bars are not drawn, if any are not.
pub(super) fn more(html: &mut Html, what: &str, total: usize, drawn: usize) {
    if total > drawn {
        put!(html, "<p class=\"note\">The first {drawn} of {total} {what} are drawn.</p>");
    }
}

/// Gives each fault a row in which it and its words overlap no other, as long as rows last.
///
/// The words of a fault take about `words_ns` of the axis. Returns the rows and how many are in
/// use.
fn pack(faults: &[FaultSpan], words_ns: u64) -> (Vec<usize>, usize) {
    let mut free_at: Vec<u64> = Vec::new();
    let mut rows = Vec::with_capacity(faults.len());
    for fault in faults {
        let free = free_at.iter().position(|end| *end <= fault.start_ns);
        let row = free.unwrap_or_else(|| free_at.len().min(FAULT_ROWS - 1));
        if row == free_at.len() {
            free_at.push(0);
        }
        // A short fault takes as much as its words do.
        let taken = fault.end_ns.max(fault.start_ns.saturating_add(words_ns));
        free_at[row] = free_at[row].max(taken);
        rows.push(row);
    }
    (rows, free_at.len().max(1))
}

/// Where a bar lies.
pub(super) struct Place {
    /// When what it stands for began.
    pub(super) from: u64,
    /// When that ended.
    pub(super) to: u64,
    /// Up to where its words may reach.
    pub(super) until: u64,
    /// How far from the top, in pixels.
    pub(super) top: usize,
}

/// Opens the labels and the frame of some rows; the caller closes two elements.
pub(super) fn open(html: &mut Html, labels: &[String], row: usize) {
    put!(html, "<div class=\"gutter rows\" style=\"--lane:{row}px\">");
    for label in labels {
        put!(html, "<span>{}</span>", esc(label));
    }
    put!(
        html,
        "</div><div class=\"bars\" style=\"height:{}px\"><div class=\"z\">",
        labels.len() * row
    );
}

/// Writes a bar with its words, and what it says when it is pointed at.
pub(super) fn bar(
    html: &mut Html,
    axis: Axis,
    place: &Place,
    class: &str,
    words: &str,
    said: &str,
) {
    let (left, width) = axis.stretch(place.from, place.to);
    let (_, room) = axis.stretch(place.from, place.until);
    let top = place.top;
    let sunk = if class.starts_with("f-") { top + WORDS } else { top };
    put!(
        html,
        "<div class=\"bar {class}\" style=\"left:{left:.3}%;width:{width:.3}%;top:{sunk}px\" \
         title=\"{}\"></div>",
        esc(said)
    );
    put!(
        html,
        "<div class=\"words\" \
         style=\"left:{left:.3}%;width:{room:.3}%;top:{top}px\"><span>{}</span></div>",
        esc(words)
    );
}

fn said(fault: &FaultSpan, letters: usize) -> String {
    format!(
        "{} ({}), {} to {}, {}: {}{}",
        clip(&fault.kind, letters),
        clip(&fault.detail, letters),
        moment(fault.start_ns),
        moment(fault.end_ns),
        span(fault.end_ns.saturating_sub(fault.start_ns)),
        clip(&fault.effect, letters),
        if fault.effective { "" } else { " (no effect)" }
    )
}

/// The families of faults that the page tells apart by a hatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Links that carry nothing.
    Cut,
    /// Links that carry less, later or other than was sent.
    Degrade,
    /// Processes that end.
    Kill,
    /// Processes that stand still.
    Pause,
}

impl Family {
    /// Returns the class of its bars.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Cut => "f-cut",
            Self::Degrade => "f-degrade",
            Self::Kill => "f-kill",
            Self::Pause => "f-pause",
        }
    }
}

/// Returns the family that a fault's name tells; names that tell nothing are cuts.
pub(super) fn family(kind: &str) -> Family {
    let tells = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    if tells(&["kill", "restart", "crash"]) {
        Family::Kill
    } else if tells(&["pause", "stop", "freeze"]) {
        Family::Pause
    } else if tells(&[
        "loss", "lossy", "delay", "slow", "jitter", "dup", "reorder", "corrupt", "rate", "noise",
        "latency", "stall", "slicing",
    ]) {
        Family::Degrade
    } else {
        Family::Cut
    }
}

/// The height of a row of bars, in pixels; the style sheet knows it too.
const ROW: usize = 22;
/// The height of a row of faults, whose words stand above the bars, and of those words.
const FAULT_ROW: usize = 28;
const WORDS: usize = 14;
/// The words of a fault are given this part of the axis.
const WORDS_SHARE: u64 = 10;
/// Rows of faults at most; what overlaps beyond them shares the last.
const FAULT_ROWS: usize = 6;
const TITLE_LETTERS: usize = 160;
const KIND_LETTERS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(start_ns: u64, end_ns: u64) -> FaultSpan {
        FaultSpan {
            kind: "halves".to_owned(),
            nodes: Vec::new(),
            detail: String::new(),
            start_ns,
            end_ns,
            effect: String::new(),
            effective: true,
        }
    }

    #[test]
    fn overlapping_faults_get_rows_of_their_own() {
        let faults = [fault(0, 10), fault(5, 15), fault(10, 20), fault(16, 18)];
        assert_eq!(pack(&faults, 1), (vec![0, 1, 0, 1], 2));
        assert_eq!(pack(&faults, 11), (vec![0, 1, 2, 0], 3));
    }

    #[test]
    fn rows_are_bounded() {
        let faults: Vec<FaultSpan> = (0..50).map(|start| fault(start, 100)).collect();
        let (rows, used) = pack(&faults, 1);
        assert_eq!(used, FAULT_ROWS);
        assert_eq!(rows.len(), 50);
    }

    #[test]
    fn names_tell_the_family() {
        for (kind, expected) in [
            ("isolate-leader", Family::Cut),
            ("kill-one", Family::Kill),
            ("restart-storm", Family::Kill),
            ("pause-leader", Family::Pause),
            ("loss", Family::Degrade),
            ("slow-links", Family::Degrade),
        ] {
            assert_eq!(family(kind), expected, "{kind}");
        }
    }
}
