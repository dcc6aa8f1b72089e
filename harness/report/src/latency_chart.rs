//! How long operations took over time: a heat map, three quantiles, and marks for what went wrong.
//!
//! The value axis is logarithmic with two rows an octave. Counting is in `latency`.

use std::fmt::Write as _;

use super::cells::{Cells, shade};
use super::context::Context;
use super::digest::FunctionRecord;
use super::format::span;
use super::frame::{Chart, counts, head, scroll};
use super::html::{Html, esc, put};
use super::latency::{Histogram, Latencies};

/// Writes the chart and the table by kind of operation.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let bins = context.digest.latency.as_slice();
    let scale = Scale::of(bins);
    let marks = scale.marks();
    let chart = Chart {
        id: "latency",
        title: "Latency over time",
        caption: "Each cell is a stretch of time and of duration; darker means more operations \
                  that succeeded. The lines are quantiles of those; a quantile of few operations \
                  is close to the slowest of them.",
        spoken: &spoken(context),
        height: HEIGHT,
        marks: &marks,
        legend: &[
            ("ok s3", "ok; darker is more"),
            ("p50", "median (p50)"),
            ("p95", "p95"),
            ("p99", "p99"),
            ("g-fail", "failed"),
            ("g-info", "unknown"),
        ],
    };
    chart.write(
        html,
        context.axis,
        &context.summary.faults,
        |html| draw(html, context, scale),
        |html| table(html, context),
    );
    by_function(html, context);
}

/// The value axis: from and to, as exponents of two of microseconds.
#[derive(Clone, Copy, Debug)]
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of(bins: &[Latencies]) -> Self {
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for histogram in bins.iter().flat_map(|bin| [&bin.ok, &bin.fail, &bin.info]) {
            histogram.for_each(|nanos, _| {
                low = low.min(octaves(nanos));
                high = high.max(octaves(nanos));
            });
        }
        if low > high {
            // Where nothing was recorded, one scale is as good as another.
            (low, high) = (7.0, 20.0);
        }
        // Just above the highest value, also where that is a whole octave.
        Self { low: low.floor(), high: (high + 0.01).ceil().max(low.floor() + 3.0) }
    }

    fn rows(self) -> usize {
        ((self.high - self.low) * 2.0) as usize
    }

    /// Returns the row from the top in which a duration is drawn.
    fn row(self, nanos: u64) -> usize {
        let from_top = (self.high - octaves(nanos)) * 2.0;
        (from_top.max(0.0) as usize).min(self.rows() - 1)
    }

    /// Returns how far from the top a duration lies, from 0 to 1.
    fn depth(self, nanos: u64) -> f64 {
        ((self.high - octaves(nanos)) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn marks(self) -> Vec<(f64, String)> {
        let decades = (0..=12).map(|power| 10_u64.pow(power) * 1000);
        let inside = decades.filter(|nanos| {
            let exponent = octaves(*nanos);
            exponent >= self.low && exponent <= self.high
        });
        inside.map(|nanos| (self.depth(nanos) * 100.0, mark(nanos))).collect()
    }
}

fn mark(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{} \u{b5}s", nanos / 1000),
        1_000_000..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{} s", nanos / 1_000_000_000),
    }
}

fn octaves(nanos: u64) -> f64 {
    (nanos.max(1000) as f64 / 1000.0).log2()
}

fn draw(html: &mut Html, context: &Context<'_>, scale: Scale) {
    let latency = &context.digest.latency;
    let columns = context.axis.end_ns as f64 / latency.width() as f64;
    put!(
        html,
        "<svg viewBox=\"0 0 {columns:.4} {}\" preserveAspectRatio=\"none\" width=\"100%\" \
         height=\"100%\" overflow=\"visible\">",
        scale.rows()
    );
    heat(html, latency.as_slice(), scale);
    for (class, permille) in QUANTILES {
        let line = line(latency.as_slice(), scale, permille);
        put!(
            html,
            "<path class=\"halo\" d=\"{line}\"/><path class=\"line {class}\" d=\"{line}\"/>"
        );
    }
    html.raw("</svg>");
    let few: Vec<&Latencies> = latency.as_slice().iter().collect();
    glyphs(html, &few, columns, scale, "g-fail", |bin| &bin.fail);
    glyphs(html, &few, columns, scale, "g-info", |bin| &bin.info);
}

fn heat(html: &mut Html, bins: &[Latencies], scale: Scale) {
    let mut grid = vec![vec![0_u64; bins.len()]; scale.rows()];
    for (column, bin) in bins.iter().enumerate() {
        bin.ok.for_each(|nanos, count| grid[scale.row(nanos)][column] += count);
    }
    let most = grid.iter().flatten().copied().max().unwrap_or(0);
    let mut shades: [Cells; SHADES] = Default::default();
    for (row, counts) in grid.iter().enumerate() {
        for (column, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            shades[shade(*count, most, SHADES)].add(column, row as f64, 1.0);
        }
    }
    for (level, cells) in shades.into_iter().enumerate() {
        put!(html, "<path class=\"ok s{level}\" d=\"{}\"/>", cells.finish());
    }
}

/// Returns the path of a quantile, broken where no operation succeeded.
fn line(bins: &[Latencies], scale: Scale, permille: u64) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for (column, bin) in bins.iter().enumerate() {
        let Some(nanos) = bin.ok.quantile_ns(permille) else {
            pen_down = false;
            continue;
        };
        let verb = if pen_down { 'L' } else { 'M' };
        let y = scale.depth(nanos) * scale.rows() as f64;
        write!(path, "{verb}{column}.5 {y:.2}").expect("writing to a String cannot fail");
        if !pen_down {
            // A point with none beside it has no line to be seen by, and gets a short one.
            path.push_str("h.01");
        }
        pen_down = true;
    }
    path
}

/// Writes a mark wherever an operation ended as `of` says, at most one per octave and two columns.
fn glyphs(
    html: &mut Html,
    bins: &[&Latencies],
    columns: f64,
    scale: Scale,
    glyph: &str,
    of: impl Fn(&Latencies) -> &Histogram,
) {
    for (pair, both) in bins.chunks(2).enumerate() {
        let mut seen = vec![false; scale.rows() / 2 + 1];
        for bin in both {
            of(bin).for_each(|nanos, _| seen[scale.row(nanos) / 2] = true);
        }
        for (octave, _) in seen.iter().enumerate().filter(|(_, seen)| **seen) {
            let x = ((pair * 2) as f64 + both.len() as f64 / 2.0) * 100.0 / columns;
            let y = (octave as f64 + 0.5) * 200.0 / scale.rows() as f64;
            put!(
                html,
                "<use href=\"#{glyph}\" x=\"{:.2}%\" y=\"{:.1}%\"/>",
                // The last pair may be beyond the end of the axis.
                x.min(100.0),
                y.min(98.0)
            );
        }
    }
}

fn spoken(context: &Context<'_>) -> String {
    let mut all = Histogram::default();
    for bin in context.digest.latency.as_slice() {
        super::bins::Join::join(&mut all, bin.ok.clone());
    }
    match (all.quantile_ns(500), all.quantile_ns(990), all.largest_ns()) {
        (Some(p50), Some(p99), Some(max)) => format!(
            "Latency over time: median {}, 99 of 100 within {}, slowest {}",
            span(p50),
            span(p99),
            span(max)
        ),
        (_, _, _) => "Latency over time: no operation succeeded".to_owned(),
    }
}

fn table(html: &mut Html, context: &Context<'_>) {
    let latency = &context.digest.latency;
    head(html, &["#From", "#Ok", "#p50", "#p95", "#p99", "#Slowest", "#Failed", "#Unknown"]);
    html.raw("<tbody>");
    for (index, bin) in latency.as_slice().iter().enumerate() {
        put!(
            html,
            "<tr><th scope=\"row\" class=\"n\">{}</th>",
            context.axis.moment(index as u64 * latency.width())
        );
        quantiles(html, &bin.ok);
        counts(html, &[bin.fail.count(), bin.info.count()]);
        html.raw("</tr>");
    }
    html.raw("</tbody>");
}

fn quantiles(html: &mut Html, ok: &Histogram) {
    counts(html, &[ok.count()]);
    for permille in [500, 950, 990] {
        cell(html, ok.quantile_ns(permille));
    }
    cell(html, ok.largest_ns());
}

fn cell(html: &mut Html, nanos: Option<u64>) {
    let shown = nanos.map_or_else(|| "-".to_owned(), span);
    put!(html, "<td class=\"n\">{shown}</td>");
}

/// Writes counts and latencies by kind of operation.
fn by_function(html: &mut Html, context: &Context<'_>) {
    let functions = &context.digest.functions;
    if functions.as_slice().is_empty() {
        return;
    }
    html.raw("<h3>By operation</h3>");
    scroll(html, "latency by operation", |html| {
        head(
            html,
            &["Operation", "#Ok", "#p50", "#p95", "#p99", "#Slowest", "#Failed", "#Unknown"],
        );
        html.raw("<tbody>");
        for (name, record) in functions.as_slice() {
            function_row(html, name, record);
        }
        if let Some(rest) = functions.rest() {
            function_row(html, "all others", rest);
        }
        html.raw("</tbody>");
    });
}

fn function_row(html: &mut Html, name: &str, record: &FunctionRecord) {
    put!(html, "<tr><th scope=\"row\">{}</th>", esc(name));
    quantiles(html, &record.latency.ok);
    counts(html, &[record.tally.fail, record.tally.info]);
    html.raw("</tr>");
}

/// The height of the chart, in pixels.
const HEIGHT: u32 = 240;
const SHADES: usize = 4;
/// The quantiles that are drawn, by class.
const QUANTILES: [(&str, u64); 3] = [("p99", 990), ("p95", 950), ("p50", 500)];
