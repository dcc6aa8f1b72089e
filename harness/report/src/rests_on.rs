//! What the verdict rests on, as a table of the page.

use super::context::Context;
use super::format::grouped;
use super::html::{Html, esc, put};
use crate::Exercised;

/// Writes the table of what the verdict rests on.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let Some(exercise) = &context.summary.exercise else { return };
    html.raw(
        "<section id=\"exercise\" aria-labelledby=\"exercise-h\">\
         <h2 id=\"exercise-h\">What the verdict rests on</h2><div class=\"scroll\"><table>\
         <thead><tr><th scope=\"col\">When, or who was asked</th><th scope=\"col\">Ok</th>\
         <th scope=\"col\">Unknown</th><th scope=\"col\">Reads that saw a value</th>\
         <th scope=\"col\">Beside a change</th></tr></thead><tbody>",
    );
    row(html, "the whole run", &exercise.all);
    row(html, "while a fault went on", &exercise.in_faults);
    row(html, "asked of whoever leads", &exercise.followers);
    for (node, asked) in &exercise.nodes {
        row(html, &format!("asked of node {node} alone"), asked);
    }
    let spans = context.summary.faults.iter().zip(&exercise.faults);
    for (fault, seen) in spans.take(ROWS_MAX) {
        row(html, &format!("{} {}", fault.kind, super::html::clip(&fault.detail, 60)), seen);
    }
    html.raw("</tbody></table></div>");
    let (least, middle, most) = exercise.ok_per_key;
    put!(
        html,
        "<p>{} keys, each with {} to {} operations that were ok, {} at the median.</p></section>",
        exercise.keys,
        least,
        most,
        middle
    );
}

fn row(html: &mut Html, what: &str, seen: &Exercised) {
    let Exercised { ok, unknown, reads, overlapped } = seen;
    put!(
        html,
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        esc(what),
        grouped(*ok),
        grouped(*unknown),
        grouped(*reads),
        grouped(*overlapped)
    );
}

/// Faults that the table has a row for; the file of the report has all.
const ROWS_MAX: usize = 60;
