//! Every operation as a small cell, in order of its end: where in a run things went wrong.
//!
//! Cells run from left to right and from top to bottom like text. In long runs a cell stands for
//! several neighbours and shows the worst of them; the caption says how many.

use super::axis::Axis;
use super::bins::Tally;
use super::cells::Cells;
use super::context::Context;
use super::digest::StripCell;
use super::format::{counted, grouped};
use super::frame::{data_table, head, legend, tally_row};
use super::html::{Html, put};

/// Writes the strip.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let strip = &context.digest.strip;
    let cells = strip.as_slice();
    html.raw("<figure class=\"chart\" id=\"strip\"><figcaption><h3>Every operation</h3>");
    let cell = match strip.width() {
        1 => "each cell is one operation".to_owned(),
        many => format!("each cell is {} and shows the worst of them", counted(many, "operation")),
    };
    put!(html, "<p>In order of their end, read like text; {cell}.</p></figcaption>");
    if cells.is_empty() {
        html.raw("<p>No operation ended in this history.</p></figure>");
        return;
    }
    draw(html, context, cells);
    legend(html, &[("ok s2", "ok"), ("fail", "failed"), ("info", "unknown")]);
    data_table(html, "every operation, in twenty parts", |html| {
        table(html, context.axis, cells);
    });
    html.raw("</figure>");
}

fn draw(html: &mut Html, context: &Context<'_>, cells: &[StripCell]) {
    let rows = cells.len().div_ceil(COLUMNS);
    let total = context.digest.total;
    html.raw("<div class=\"plot\"><div class=\"gutter\" aria-hidden=\"true\">");
    let height = (rows * CELL).max(LEAST);
    let labels = (height / LABEL).clamp(1, 6);
    for row in (0..rows).step_by(rows.div_ceil(labels)) {
        if let Some(first_ns) = cells[row * COLUMNS].first_ns {
            let top = row as f64 * 100.0 / rows as f64;
            put!(
                html,
                "<span style=\"top:{top:.2}%\" class=\"top\">{}</span>",
                context.axis.clock.mark(first_ns, 3)
            );
        }
    }
    put!(
        html,
        "</div><svg class=\"area\" role=\"img\" aria-label=\"Every operation in order: {} ok, {} \
         failed, {} unknown\" width=\"100%\" height=\"{}\" viewBox=\"0 0 {COLUMNS} {rows}\" \
         preserveAspectRatio=\"none\">",
        grouped(total.ok),
        grouped(total.fail),
        grouped(total.info),
        height
    );
    let (mut ok, mut fail, mut info) = (Cells::default(), Cells::default(), Cells::default());
    for (index, cell) in cells.iter().enumerate() {
        let worst = match (cell.tally.info, cell.tally.fail) {
            (0, 0) => &mut ok,
            (0, _) => &mut fail,
            (_, _) => &mut info,
        };
        worst.add(index % COLUMNS, (index / COLUMNS) as f64, 1.0);
    }
    put!(html, "<path class=\"ok s1\" d=\"{}\"/>", ok.finish());
    put!(html, "<path class=\"fail\" d=\"{}\"/>", fail.finish());
    put!(html, "<path class=\"info\" d=\"{}\"/></svg></div>", info.finish());
}

/// Writes the counts of twenty equal parts of the history.
fn table(html: &mut Html, axis: Axis, cells: &[StripCell]) {
    head(html, &["#From", "#Ok", "#Failed", "#Unknown"]);
    html.raw("<tbody>");
    for part in cells.chunks(cells.len().div_ceil(20).max(1)) {
        let sum = part.iter().fold(Tally::default(), |mut sum, cell| {
            super::bins::Join::join(&mut sum, cell.tally);
            sum
        });
        tally_row(html, "n", &axis.moment(part[0].first_ns.unwrap_or(0)), &sum);
    }
    html.raw("</tbody>");
}

/// The height of a cell, of the smallest strip and of a label beside it, in pixels.
const CELL: usize = 3;
const LEAST: usize = 24;
const LABEL: usize = 16;
/// Cells in a row.
const COLUMNS: usize = 192;
