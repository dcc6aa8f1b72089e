//! What the verdict rests on, as a table of the page.

use super::context::Context;
use super::format::grouped;
use super::frame::{counts, head, left_out, scroll};
use super::html::{Html, clip, esc, put};
use crate::Exercised;

/// Writes the table of what the verdict rests on.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let Some(exercise) = &context.summary.exercise else { return };
    html.raw(
        "<section id=\"exercise\" aria-labelledby=\"exercise-h\">\
         <h2 id=\"exercise-h\">What the verdict rests on</h2>",
    );
    scroll(html, "what the verdict rests on", |html| {
        let names = [
            "When, or who was asked",
            "#Ok",
            "#Unknown",
            "#Reads that saw a value",
            "#Beside a change",
        ];
        head(html, &names);
        html.raw("<tbody>");
        row(html, "the whole run", &exercise.all);
        row(html, "while a fault went on", &exercise.in_faults);
        row(html, "asked of whoever leads", &exercise.followers);
        for (node, asked) in exercise.nodes.iter().take(ROWS_MAX) {
            row(html, &format!("asked of node {node} alone"), asked);
        }
        let spans = context.summary.faults.iter().zip(&exercise.faults);
        for (fault, seen) in spans.take(ROWS_MAX) {
            let kind = clip(&fault.kind, LETTERS_MAX);
            row(html, &format!("{kind} {}", clip(&fault.detail, LETTERS_MAX)), seen);
        }
        left_out(html, exercise.faults.len(), ROWS_MAX, 5, "report.json");
        html.raw("</tbody>");
    });
    let (least, middle, most) = exercise.ok_per_key;
    put!(
        html,
        "<p>{} keys, each with {} to {} operations that were ok, {} at the median.</p></section>",
        grouped(exercise.keys),
        grouped(least),
        grouped(most),
        grouped(middle)
    );
}

fn row(html: &mut Html, what: &str, seen: &Exercised) {
    let Exercised { ok, unknown, reads, overlapped } = seen;
    put!(html, "<tr><th scope=\"row\">{}</th>", esc(what));
    counts(html, &[*ok, *unknown, *reads, *overlapped]);
    html.raw("</tr>");
}

/// Faults, and nodes, that the table has a row for; the file of the report has all.
const ROWS_MAX: usize = 60;
/// Letters of what a fault is, and of whom it hits.
const LETTERS_MAX: usize = 60;
