//! What is around every chart and table: a figure with a caption, a gutter, a legend, the data.
//!
//! Claim kept true: no chart stands without a sentence that says what it shows and a table of the
//! figures it was drawn from, and no table is cut without saying how much was left out.

use super::axis::Axis;
use super::bins::Tally;
use super::format::grouped;
use super::html::{Html, esc, put};
use crate::FaultSpan;

/// A chart on the time axis.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    /// Its name in the document.
    pub(super) id: &'a str,
    /// Its heading.
    pub(super) title: &'a str,
    /// One or two sentences under the heading.
    pub(super) caption: &'a str,
    /// What it shows, for those who cannot see it.
    pub(super) spoken: &'a str,
    /// The height of the drawing, in pixels.
    pub(super) height: u32,
    /// Labels of the value axis with their distance from the top, from 0 to 100.
    pub(super) marks: &'a [(f64, String)],
    /// Samples and words of the legend.
    pub(super) legend: &'a [(&'a str, &'a str)],
}

impl Chart<'_> {
    /// Writes the figure: bands of the faults, what `draw` draws over them, and the axes.
    ///
    /// `draw` writes into an SVG whose x positions are percentages of the run.
    pub(super) fn write(
        &self,
        html: &mut Html,
        axis: Axis,
        faults: &[FaultSpan],
        draw: impl FnOnce(&mut Html),
        table: impl FnOnce(&mut Html),
    ) {
        self.open(html);
        html.raw("<div class=\"plot\"><div class=\"gutter\" aria-hidden=\"true\">");
        for (top, mark) in self.marks {
            put!(html, "<span style=\"top:{top:.2}%\">{}</span>", esc(mark));
        }
        put!(
            html,
            "</div><svg class=\"area\" role=\"img\" aria-label=\"{}\" width=\"100%\" \
             height=\"{}\">",
            esc(self.spoken),
            self.height
        );
        for (top, _) in self.marks {
            put!(
                html,
                "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{top:.2}%\" y2=\"{top:.2}%\"/>"
            );
        }
        html.raw("<svg class=\"z\" x=\"0\" width=\"100%\" height=\"100%\" overflow=\"visible\">");
        bands(html, axis, faults);
        draw(html);
        html.raw("</svg></svg>");
        axis.labels(html);
        html.raw("</div>");
        legend(html, self.legend);
        data_table(html, self.title, table);
        html.raw("</figure>");
    }

    fn open(&self, html: &mut Html) {
        put!(html, "<figure class=\"chart\" id=\"{}\"><figcaption>", self.id);
        put!(html, "<h3>{}</h3><p>{}</p>", esc(self.title), esc(self.caption));
        html.raw("</figcaption>");
    }
}

/// Writes the bands that show when faults were active, behind a drawing.
pub(super) fn bands(html: &mut Html, axis: Axis, faults: &[FaultSpan]) {
    for fault in faults.iter().take(BAND_LIMIT) {
        let (left, width) = axis.stretch(fault.start_ns, fault.end_ns);
        put!(
            html,
            "<rect class=\"band\" x=\"{left:.2}%\" width=\"{width:.2}%\" y=\"0\" height=\"100%\"/>"
        );
    }
}

/// Writes a legend: for each entry a sample of the given class and its words.
pub(super) fn legend(html: &mut Html, entries: &[(&str, &str)]) {
    if entries.is_empty() {
        return;
    }
    html.raw("<ul class=\"legend\">");
    for (class, words) in entries {
        if class.starts_with("f-") || ["leader", "life"].contains(class) {
            put!(html, "<li><i class=\"swatch {class}\"></i>{}</li>", esc(words));
            continue;
        }
        put!(
            html,
            "<li><svg width=\"22\" height=\"14\" aria-hidden=\"true\">{}</svg>{}</li>",
            Sample(class),
            esc(words)
        );
    }
    html.raw("</ul>");
}

/// A sample of a mark in a legend.
struct Sample<'a>(&'a str);

impl std::fmt::Display for Sample<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let class = self.0;
        match class {
            "p50" | "p95" | "p99" => {
                write!(out, "<path class=\"line {class}\" d=\"M0 7h22\"/>")
            }
            "g-info" | "g-fail" => write!(out, "<use href=\"#{class}\" x=\"11\" y=\"7\"/>"),
            "t-fail" => {
                write!(out, "<rect class=\"fail\" x=\"4\" y=\"1\" width=\"14\" height=\"4\"/>")
            }
            "t-ok" => write!(out, "<rect class=\"ok\" x=\"4\" y=\"4\" width=\"14\" height=\"6\"/>"),
            "t-info" => {
                write!(out, "<rect class=\"info\" x=\"4\" y=\"9\" width=\"14\" height=\"4\"/>")
            }
            "waiting" => {
                write!(out, "<rect class=\"waiting\" x=\"1\" y=\"6\" width=\"20\" height=\"2\"/>")
            }
            _ => {
                write!(out, "<rect class=\"{class}\" x=\"1\" y=\"1\" width=\"20\" height=\"12\"/>")
            }
        }
    }
}

/// Writes the figures of a chart as a closed table.
pub(super) fn data_table(html: &mut Html, title: &str, table: impl FnOnce(&mut Html)) {
    html.raw("<details class=\"data\"><summary>Data table");
    put!(html, "<span class=\"unseen\"> of {}</span></summary>", esc(title));
    scroll(html, title, table);
    html.raw("</details>");
}

/// Writes a table that may be longer than its window inside a region that the keyboard can scroll.
/// In a narrow window it is no table, and does not scroll: each row flows, and its cells name
/// their columns.
pub(super) fn scroll(html: &mut Html, title: &str, table: impl FnOnce(&mut Html)) {
    let number = html.begin_table();
    put!(
        html,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Table: {}\">\
         <table class=\"t{number}\">",
        esc(title)
    );
    table(html);
    html.raw("</table></div>");
}

/// Writes the head of a table; a name that starts with `#` is a column of numbers.
pub(super) fn head(html: &mut Html, names: &[&str]) {
    let plain: Vec<&str> = names.iter().map(|name| name.trim_start_matches('#')).collect();
    html.name_columns(&plain);
    html.raw("<thead><tr>");
    for name in names {
        match name.strip_prefix('#') {
            Some(name) => put!(html, "<th scope=\"col\" class=\"n\">{}</th>", esc(name)),
            None => put!(html, "<th scope=\"col\">{}</th>", esc(name)),
        }
    }
    html.raw("</tr></thead>");
}

/// Writes a cell for each count.
pub(super) fn counts(html: &mut Html, counts: &[u64]) {
    for count in counts {
        put!(html, "<td class=\"n\">{}</td>", grouped(*count));
    }
}

/// Writes a cell for each figure that is already in words.
pub(super) fn figures(html: &mut Html, figures: &[String]) {
    for figure in figures {
        put!(html, "<td class=\"n\">{}</td>", esc(figure));
    }
}

/// Writes a row of a name and how operations ended; `class` is that of the name's cell.
pub(super) fn tally_row(html: &mut Html, class: &str, name: &str, tally: &Tally) {
    put!(html, "<tr><th scope=\"row\" class=\"{class}\">{}</th>", esc(name));
    counts(html, &[tally.ok, tally.fail, tally.info]);
    html.raw("</tr>");
}

/// Writes a row that says how many rows were left out, if any were.
pub(super) fn left_out(html: &mut Html, total: usize, shown: usize, columns: usize, place: &str) {
    if total > shown {
        put!(
            html,
            "<tr class=\"rest\"><td colspan=\"{columns}\">and {} more, in {}</td></tr>",
            grouped((total - shown) as u64),
            esc(place)
        );
    }
}

/// Bands drawn at most in one chart; the fault rows of the time line and the table say the rest.
const BAND_LIMIT: usize = 400;
