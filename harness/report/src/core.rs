//! The minimal counterexample: the few operations that no order explains.
//!
//! A sentence, a picture and a table of the same operations. The picture's axis is the order of
//! calls and returns, not their distance: linearizability is about which operation was over before
//! which other began, and a true scale would hide a microsecond beside ten seconds.

use synod_checker::{CoreOperation, EMPTY, ViolationCore};

use super::axis::Axis;
use super::clock::Clock;
use super::context::Context;
use super::frame::{head, left_out, legend, scroll};
use super::html::{Html, clip, esc, put};
use super::judged::{ONLY_KEY, Subject};
use crate::Verdict;

/// Writes the section; it says so where there is no counterexample.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    html.raw(
        "<section id=\"core\" aria-labelledby=\"core-h\"><h2 id=\"core-h\">Counterexample</h2>",
    );
    match &context.summary.violation {
        Some(core) => explain(html, context, core),
        None => match context.subject {
            Subject::Run => put!(html, "<p>{}</p>", none(context.summary.verdict)),
            Subject::History(_) => put!(html, "<p>{}</p>", none_in(context.summary.verdict)),
        },
    }
    html.raw("</section>");
}

fn none(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => {
            "None: for every key there is an order of the operations that explains all answers."
        }
        Verdict::Violation => {
            "No set of operations is in conflict; what is wrong is said above and under \
             <a href=\"#heal\">after the faults</a>."
        }
        Verdict::NotServed => {
            "None was found; what was not served is under <a href=\"#heal\">after the faults</a>."
        }
        Verdict::Unknown => "None was found before the checker's budget ended.",
        Verdict::Void => "None was found, but the run exercised too little to rely on that.",
        Verdict::Interrupted => "None was found in what was recorded before the run was ended.",
    }
}

/// Says why a history has none.
fn none_in(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => {
            "None: for every key there is an order of the operations that explains all answers."
        }
        Verdict::Violation | Verdict::NotServed | Verdict::Interrupted => "None was told.",
        Verdict::Unknown => "None was found, nor an order that explains all answers.",
        Verdict::Void => "None was found, but the history shows too little to rely on that.",
    }
}

fn explain(html: &mut Html, context: &Context<'_>, core: &ViolationCore) {
    let letters = context.room.letters;
    put!(html, "<p class=\"sentence\">{}</p>", esc(&clip(&core.sentence, letters)));
    let shown = &core.operations[..core.operations.len().min(context.room.rows)];
    if !shown.is_empty() {
        picture(html, context.axis, shown, letters);
    }
    let key = clip(&core.key, NAME_LETTERS);
    let title = match &*key {
        ONLY_KEY => format!("operations on {key}"),
        key => format!("operations on key {key}"),
    };
    scroll(html, &title, |html| {
        put!(html, "<caption>The {}</caption>", esc(&title));
        head(
            html,
            &[
                "",
                "Client",
                "Operation",
                "Key",
                "Argument",
                "Result",
                "#Called",
                "#Returned",
                "#Took",
            ],
        );
        html.raw("<tbody>");
        for (index, op) in shown.iter().enumerate() {
            row(html, context.axis, index, op, letters);
        }
        left_out(html, core.operations.len(), shown.len(), 9, context.subject.figures());
        html.raw("</tbody>");
    });
    put!(
        html,
        "<p><button type=\"button\" class=\"js\" data-go=\"core\" hidden>\
         Show in the time line</button></p>"
    );
}

fn row(html: &mut Html, axis: Axis, index: usize, op: &CoreOperation, letters: usize) {
    put!(
        html,
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
        letter(index),
        op.process,
        esc(&clip(&op.f, letters)),
        esc(&clip(&op.key, letters)),
        esc(&clip(&op.argument, letters)),
        esc(&clip(result(op), letters))
    );
    put!(html, "<td class=\"n\">{}</td>", axis.clock.exact_moment(op.call_ns));
    match op.return_ns {
        Some(end) => put!(
            html,
            "<td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            axis.clock.exact_moment(end),
            axis.clock.span(end.saturating_sub(op.call_ns))
        ),
        None => html.raw("<td class=\"n\">never</td><td class=\"n\">-</td></tr>"),
    }
}

/// Writes a row for each operation: its words above a bar from its call to its return.
fn picture(html: &mut Html, axis: Axis, all: &[CoreOperation], letters: usize) {
    let ops = &all[..all.len().min(DRAWN)];
    let moments = moments(ops);
    let place = |time_ns: u64| {
        let rank = moments.partition_point(|known| *known < time_ns);
        3.0 + rank as f64 * 90.0 / moments.len() as f64
    };
    let height = ops.len() * ROW + AXIS;
    put!(
        html,
        "<figure class=\"order\"><div class=\"scroll\" role=\"region\" tabindex=\"0\" \
         aria-label=\"Picture of the operations\"><svg role=\"img\" aria-label=\"{}\" \
         width=\"100%\" height=\"{height}\" style=\"--least:{}px\">",
        esc(&spoken(ops, letters)),
        (moments.len() * LABEL).max(NARROWEST)
    );
    for time in &moments {
        let x = place(*time);
        put!(
            html,
            "<line class=\"grid\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"{}\"/>",
            height - AXIS
        );
    }
    for (index, op) in ops.iter().enumerate() {
        // What never returned ends to the right of the last moment, which lies before 93.
        let end = op.return_ns.map_or(97.0, |end| place(end.max(op.call_ns)));
        bar(html, index, op, (place(op.call_ns), end), letters);
    }
    let decimals = decimals(axis.clock, &moments);
    for (index, time) in moments.iter().enumerate() {
        let lift = if index % 2 == 0 { 24 } else { 8 };
        let (x, y) = (place(*time), height - lift);
        // Half of the first would lie beyond the edge of a narrow window, which nobody can reach.
        let class = match index {
            0 => "tick first",
            last if last + 1 == moments.len() => "tick last",
            _ => "tick",
        };
        let mark = axis.clock.mark(*time, decimals);
        put!(html, "<text class=\"{class}\" x=\"{x:.2}%\" y=\"{y}\">{mark}</text>");
    }
    html.raw("</svg></div>");
    html.raw("<figcaption>From call to return, in order of time and not to scale.");
    html.raw("<span class=\"narrow\"> What they did is below.</span>");
    if all.len() > ops.len() {
        put!(html, " The first {} of {} operations.", ops.len(), all.len());
    }
    html.raw("</figcaption>");
    legend(
        html,
        &[
            ("core-write", "changes the key"),
            ("core-read", "reads it"),
            ("core-open", "never returned: may take effect at any later time"),
        ],
    );
    html.raw("</figure>");
}

fn bar(html: &mut Html, index: usize, op: &CoreOperation, (from, to): (f64, f64), letters: usize) {
    let class = match (op.return_ns, op.f.as_str()) {
        (None, _) => "core-open",
        (Some(_), "read" | "get" | "range") => "core-read",
        (Some(_), _) => "core-write",
    };
    let top = index * ROW;
    let words = words(op, letters.min(NAME_LETTERS));
    // In the right half words would run out of the picture.
    let (x, anchor) = if from < 50.0 { (from, "start") } else { (to, "end") };
    put!(
        html,
        "<text x=\"{x:.2}%\" y=\"{}\" text-anchor=\"{anchor}\"><tspan class=\"letter\">{}</tspan>\
         <tspan class=\"said\"> client {}: {}</tspan></text>",
        top + 18,
        letter(index),
        op.process,
        esc(&words)
    );
    put!(
        html,
        "<rect class=\"{class}\" x=\"{from:.2}%\" width=\"{:.2}%\" y=\"{}\" height=\"14\" \
         rx=\"3\"/>",
        // A bar without any width would not be seen.
        (to - from).max(0.4),
        top + 24
    );
}

/// Returns the distinct times at which an operation begins or ends, in order.
fn moments(ops: &[CoreOperation]) -> Vec<u64> {
    let ends = ops.iter().filter_map(|op| op.return_ns.map(|end| end.max(op.call_ns)));
    let mut moments: Vec<u64> = ops.iter().map(|op| op.call_ns).chain(ends).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// Returns how many decimals tell the moments apart that are told in seconds.
fn decimals(clock: Clock, moments: &[u64]) -> usize {
    let told = |decimals: usize| moments.iter().map(move |at| clock.mark(*at, decimals));
    let apart =
        |decimals: &usize| told(*decimals).zip(told(*decimals).skip(1)).all(|(a, b)| a != b);
    [3, 6].into_iter().find(apart).unwrap_or(9)
}

/// Returns what came of an operation; a value without letters is seen, too.
fn result(op: &CoreOperation) -> &str {
    if op.result.is_empty() { EMPTY } else { &op.result }
}

/// Returns what an operation did in a few words, such as `write k1 5: ok`.
fn words(op: &CoreOperation, letters: usize) -> String {
    let argument = if op.argument.is_empty() { "" } else { " " };
    let said = format!("{} {}{argument}{} \u{2192} {}", op.f, op.key, op.argument, result(op));
    clip(&said, letters).into_owned()
}

fn spoken(ops: &[CoreOperation], letters: usize) -> String {
    let mut said = String::from("The operations in order of their call: ");
    for (index, op) in ops.iter().enumerate() {
        let words = words(op, letters.min(NAME_LETTERS));
        said.push_str(&format!("{}, client {}, {words}; ", letter(index), op.process));
    }
    said
}

/// Returns a short name for an operation of the core: A to Z, then numbers.
fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(small @ 0..26) => char::from(b'A' + small).to_string(),
        Ok(_) | Err(_) => (index + 1).to_string(),
    }
}

/// The height of an operation's row, in pixels.
const ROW: usize = 48;
/// The height of the times below, in pixels.
const AXIS: usize = 44;
/// The least width for each time below, two of which lie above each other, in pixels.
const LABEL: usize = 40;
/// The least width of the picture, in pixels; narrower windows scroll.
const NARROWEST: usize = 520;
/// Operations drawn at most.
const DRAWN: usize = 16;
/// Letters of a name or of an operation's words.
const NAME_LETTERS: usize = 60;
