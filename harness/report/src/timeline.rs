//! The time line: faults, leaders and the lanes of the clients, on one true time axis.
//!
//! Without script it is a finished picture. With script it can be zoomed and filtered, and shows
//! single operations where they are embedded (`embedded`). Claim kept true: every operation is in a
//! cell, and what the lanes say adds up to the totals.

use super::bins::Tally;
use super::cells::{Cells, shade};
use super::context::Context;
use super::frame::{bands, counts, data_table, figures, head, left_out, legend};
use super::html::{Html, put};
use super::node_lanes;
use super::spans::{core_row, extent, fault_rows};

/// Writes the section.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    html.raw(
        "<section id=\"timeline\" aria-labelledby=\"timeline-h\">\
         <h2 id=\"timeline-h\">Time line</h2>",
    );
    let lanes = &context.digest.lanes;
    let lane = match lanes.group() {
        1 => "a client".to_owned(),
        many => format!("{many} clients"),
    };
    let is_run = context.subject.history().is_none();
    put!(
        html,
        "<p>Each lane of operations is {lane}; each column is {} wide. Operations that are \
         certain to have happened are in the middle of a lane, failed ones above, unknown ones \
         below.{}</p>",
        context.axis.clock.span(lanes.rows()[0].width()),
        if is_run { OF_RUN } else { "" }
    );
    toolbar(html, if is_run { "Whole run" } else { "Whole history" });
    html.raw(
        "<div class=\"plot lines\" id=\"view\" role=\"group\" \
         aria-label=\"Time line of faults, leaders and clients\">",
    );
    core_row(html, context.axis, context.summary.violation.as_ref());
    if is_run {
        fault_rows(html, context);
        node_lanes::write(html, context);
    }
    lane_rows(html, context);
    context.axis.labels(html);
    html.raw("</div><p id=\"readout\" class=\"js\" role=\"status\" hidden></p>");
    legend(html, if is_run { &LEGEND } else { &LEGEND[..OF_OPERATIONS] });
    table(html, context);
    html.raw("</section>");
}

/// Writes the controls, which the script shows: without it they would do nothing.
fn toolbar(html: &mut Html, whole: &str) {
    put!(
        html,
        "<div class=\"toolbar js\" id=\"tools\" role=\"toolbar\" aria-label=\"Time line controls\" \
         aria-controls=\"view\" hidden>\
         <span class=\"set\">\
         <button type=\"button\" data-do=\"in\" title=\"Zoom in (+)\">Zoom in</button>\
         <button type=\"button\" data-do=\"out\" title=\"Zoom out (-)\">Zoom out</button>\
         <button type=\"button\" data-do=\"left\" title=\"Earlier (left arrow)\">Earlier</button>\
         <button type=\"button\" data-do=\"right\" title=\"Later (right arrow)\">Later</button>\
         <button type=\"button\" data-do=\"all\" title=\"Whole run (Home)\">\
         {whole}</button></span>\
         <span class=\"set\">\
         <button type=\"button\" data-do=\"first\">First error</button>\
         <button type=\"button\" data-do=\"next\">Next error</button></span>\
         <label class=\"set\">Key <select id=\"key\">\
         <option value=\"-1\">all keys</option></select></label>\
         <output id=\"window\" class=\"window\"></output></div>",
    );
}

fn lane_rows(html: &mut Html, context: &Context<'_>) {
    let lanes = &context.digest.lanes;
    let count = lanes.rows().len();
    html.raw("<div class=\"gutter rows\" id=\"lane-names\">");
    for row in 0..count {
        put!(html, "<span>{}</span>", lanes.label(row));
    }
    put!(
        html,
        "</div><div id=\"lanes\" class=\"lanes\"><svg class=\"area\" role=\"img\" \
         aria-label=\"{} lanes of operations; the data table below has the figures\" \
         width=\"100%\" height=\"{}\">",
        count,
        count * LANE
    );
    for row in 1..count {
        let y = row * LANE;
        put!(html, "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>");
    }
    html.raw("<svg class=\"z\" x=\"0\" width=\"100%\" height=\"100%\" overflow=\"visible\">");
    bands(html, context.axis, &context.summary.faults);
    context.axis.grid(html);
    cells(html, context);
    if let Some((from, to)) = context.summary.violation.as_ref().and_then(extent) {
        let (x, width) = context.axis.stretch(from, to);
        put!(
            html,
            "<rect class=\"core-mark\" x=\"{x:.3}%\" width=\"{width:.3}%\" y=\"0\" \
             height=\"100%\"/>"
        );
    }
    html.raw("</svg></svg></div>");
}

/// Writes the cells of all lanes: one path for each shade and end.
fn cells(html: &mut Html, context: &Context<'_>) {
    let rows = context.digest.lanes.rows();
    let busiest = rows.iter().flat_map(|row| row.as_slice()).map(|bin| bin.ok);
    let most = busiest.max().unwrap_or(0);
    let mut ok: [Cells; SHADES] = Default::default();
    let (mut fail, mut info, mut waiting) = (Cells::default(), Cells::default(), Cells::default());
    for (lane, row) in rows.iter().enumerate() {
        let top = (lane * UNITS) as f64;
        for (column, bin) in row.as_slice().iter().enumerate() {
            if bin.ok > 0 {
                ok[shade(bin.ok, most, SHADES)].add(column, top + 3.0, 4.0);
            } else if bin.waiting > 0 {
                waiting.add(column, top + 4.7, 0.6);
            }
            if bin.fail > 0 {
                fail.add(column, top + 0.8, 1.6);
            }
            if bin.info > 0 {
                info.add(column, top + 7.6, 1.6);
            }
        }
    }
    put!(
        html,
        "<svg id=\"bins\" viewBox=\"0 0 {:.4} {}\" preserveAspectRatio=\"none\" width=\"100%\" \
         height=\"100%\" overflow=\"visible\">",
        context.axis.end_ns as f64 / rows[0].width() as f64,
        rows.len() * UNITS
    );
    put!(html, "<path class=\"waiting\" d=\"{}\"/>", waiting.finish());
    for (level, cells) in ok.into_iter().enumerate() {
        put!(html, "<path class=\"ok s{level}\" d=\"{}\"/>", cells.finish());
    }
    put!(html, "<path class=\"fail tick\" d=\"{}\"/>", fail.finish());
    put!(html, "<path class=\"info tick\" d=\"{}\"/></svg>", info.finish());
}

fn table(html: &mut Html, context: &Context<'_>) {
    let clients = &context.digest.clients;
    data_table(html, "the time line, by client", |html| {
        head(html, &["Client", "#Ok", "#Failed", "#Unknown", "#Longest operation"]);
        html.raw("<tbody>");
        for (client, record) in clients.iter().take(context.room.rows) {
            let name = match *client {
                u32::MAX => "all others".to_owned(),
                client => client.to_string(),
            };
            let Tally { ok, fail, info, .. } = record.tally;
            put!(html, "<tr><th scope=\"row\">{name}</th>");
            counts(html, &[ok, fail, info]);
            figures(html, &[context.axis.clock.span(record.longest_ns)]);
            html.raw("</tr>");
        }
        left_out(html, clients.len(), context.room.rows, 5, context.subject.operations());
        html.raw("</tbody>");
    });
}

/// The height of a lane, in pixels; the style sheet and the script know it too.
const LANE: usize = 22;
/// The height of a lane in its own units.
const UNITS: usize = 10;
/// Shades of ok.
const SHADES: usize = 4;

const OF_RUN: &str = " Grey bands behind the lanes are faults. The lane of a node has, from above, \
     the faults that hit it, when it led and with which ballot, and when its process was there, \
     with a cross where that ended by itself.";

const LEGEND: [(&str, &str); 10] = [
    ("t-ok", "ok; darker is more"),
    ("t-fail", "failed: certainly not done"),
    ("t-info", "unknown: timed out or lost"),
    ("waiting", "waiting for an answer"),
    ("f-cut", "fault: links cut"),
    ("f-degrade", "links degraded"),
    ("f-kill", "processes killed"),
    ("f-pause", "processes paused"),
    ("leader", "leads"),
    ("life", "its process is there"),
];
/// How many entries of the legend are about operations.
const OF_OPERATIONS: usize = 4;
