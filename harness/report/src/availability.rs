//! How many operations ended in each second and how, and the longest times without any success.
//!
//! The search for gaps is in `gaps`; here each is put beside the faults it overlaps.

use super::axis::Axis;
use super::bins::Tally;
use super::context::Context;
use super::digest::RATE_BIN_NS;
use super::format::{grouped, span};
use super::frame::{Chart, figures, head, left_out, scroll, tally_row};
use super::gaps::Gap;
use super::html::{Html, clip, esc, put};
use super::names::Names;
use crate::FaultSpan;

/// Writes the chart of throughput, the table of gaps and the table of errors.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    throughput(html, context);
    gaps(html, context);
    errors(html, context);
}

fn throughput(html: &mut Html, context: &Context<'_>) {
    let rate = &context.digest.rate;
    // Two at least, so that a chart of nothing divides by no zero.
    let top = ceiling(rate.as_slice().iter().map(Tally::ended).max().unwrap_or(0));
    let seconds = rate.width() / RATE_BIN_NS;
    let title = match seconds {
        1 => "Operations per second".to_owned(),
        many => format!("Operations per {many} seconds"),
    };
    let marks: Vec<(f64, String)> = [0, top / 2, top]
        .map(|count| (100.0 - count as f64 * 100.0 / top as f64, grouped(count)))
        .into();
    let busiest = rate.as_slice().iter().map(|bin| bin.ok).max().unwrap_or(0);
    let chart = Chart {
        id: "throughput",
        title: &title,
        caption: "Counted when they ended. The line at the foot marks the longest times without \
                  a single success.",
        spoken: &format!(
            "{title}: at most {} ok; {} ok, {} failed, {} unknown in all",
            grouped(busiest),
            grouped(context.digest.total.ok),
            grouped(context.digest.total.fail),
            grouped(context.digest.total.info)
        ),
        height: HEIGHT,
        marks: &marks,
        legend: &[("ok s2", "ok"), ("fail", "failed"), ("info", "unknown"), ("gap", "no success")],
    };
    chart.write(
        html,
        context.axis,
        &context.summary.faults,
        |html| {
            bars(html, context, top);
            gap_marks(html, context);
        },
        |html| rate_table(html, context),
    );
}

/// Writes the stacked bars: ok at the foot, failed above, unknown on top.
fn bars(html: &mut Html, context: &Context<'_>, top: u64) {
    let rate = &context.digest.rate;
    for (index, bin) in rate.as_slice().iter().enumerate() {
        let from = index as u64 * rate.width();
        let (x, width) = context.axis.stretch(from, from + rate.width());
        let mut foot = 0;
        for (class, count) in [("ok s2", bin.ok), ("fail", bin.fail), ("info", bin.info)] {
            if count > 0 {
                let height = count as f64 * 100.0 / top as f64;
                let y = 100.0 - (foot + count) as f64 * 100.0 / top as f64;
                put!(
                    html,
                    "<rect class=\"{class} step\" x=\"{x:.3}%\" width=\"{width:.3}%\" \
                     y=\"{y:.2}%\" height=\"{height:.2}%\"/>"
                );
            }
            foot += count;
        }
    }
}

fn gap_marks(html: &mut Html, context: &Context<'_>) {
    for gap in notable(context.digest.gaps.longest()) {
        let (x, width) = context.axis.stretch(gap.start_ns, gap.end_ns);
        put!(
            html,
            "<rect class=\"gap\" x=\"{x:.3}%\" width=\"{width:.3}%\" y=\"{}\" height=\"5\"/>",
            HEIGHT - 5
        );
    }
}

/// Returns the gaps that are worth a mark.
fn notable(gaps: &[Gap]) -> impl Iterator<Item = &Gap> {
    gaps.iter().filter(|gap| gap.length_ns() >= NOTABLE_NS)
}

fn rate_table(html: &mut Html, context: &Context<'_>) {
    let rate = &context.digest.rate;
    head(html, &["#From", "#Ok", "#Failed", "#Unknown"]);
    html.raw("<tbody>");
    for (index, bin) in rate.as_slice().iter().enumerate() {
        tally_row(html, "n", &context.axis.moment(index as u64 * rate.width()), bin);
    }
    html.raw("</tbody>");
}

fn gaps(html: &mut Html, context: &Context<'_>) {
    html.raw("<h3 id=\"gaps\">Longest times without a success</h3>");
    let gaps = context.digest.gaps.longest();
    if gaps.is_empty() {
        html.raw("<p>No client waited for an answer in this history.</p>");
        return;
    }
    let is_run = context.subject.history().is_none();
    scroll(html, "longest times without a success", |html| {
        let names = ["#Length", "#From", "#To", "During", ""];
        let names: Vec<&str> =
            names.into_iter().filter(|name| is_run || *name != "During").collect();
        head(html, &names);
        html.raw("<tbody>");
        for gap in gaps {
            let length = span(gap.length_ns());
            put!(html, "<tr><th scope=\"row\" class=\"n\">{length}</th>");
            let (from, to) = (context.axis.moment(gap.start_ns), context.axis.moment(gap.end_ns));
            figures(html, &[from, to]);
            if is_run {
                put!(html, "<td>{}</td>", esc(&during(gap, &context.summary.faults)));
            }
            html.raw("<td>");
            go(html, context.axis, gap.start_ns, gap.end_ns);
            html.raw("</td></tr>");
        }
        html.raw("</tbody>");
    });
}

/// Writes a button that shows a stretch of time in the time line.
pub(super) fn go(html: &mut Html, axis: Axis, from_ns: u64, to_ns: u64) {
    put!(
        html,
        "<button type=\"button\" class=\"js small\" data-from=\"{}\" data-to=\"{}\" hidden>show\
         <span class=\"unseen\"> {} in the time line</span></button>",
        // In microseconds, as the script counts.
        from_ns.min(axis.end_ns) / 1000,
        to_ns.min(axis.end_ns) / 1000,
        axis.moment(from_ns)
    );
}

/// Names the faults that a gap overlaps.
fn during(gap: &Gap, faults: &[FaultSpan]) -> String {
    let mut overlapping = faults
        .iter()
        .filter(|fault| fault.start_ns < gap.end_ns && fault.end_ns > gap.start_ns)
        .map(|fault| format!("{} ({})", clip(&fault.kind, 40), clip(&fault.detail, 40)));
    let named: Vec<String> = overlapping.by_ref().take(3).collect();
    match (named.is_empty(), overlapping.count()) {
        (true, _) => "no fault".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{}, {more} more", named.join(", ")),
    }
}

/// Writes the table of the errors that clients saw, if there were any.
pub(super) fn errors(html: &mut Html, context: &Context<'_>) {
    let (errors, rows): (&Names<Tally>, _) = (&context.digest.errors, context.room.rows);
    if errors.as_slice().is_empty() {
        return;
    }
    html.raw("<h3 id=\"errors\">Errors that clients saw</h3>");
    let mut sorted: Vec<&(String, Tally)> = errors.as_slice().iter().collect();
    sorted.sort_by_key(|(text, tally)| (std::cmp::Reverse(tally.ended()), text));
    scroll(html, "errors that clients saw", |html| {
        head(html, &["Error", "#Failed", "#Unknown"]);
        html.raw("<tbody>");
        for (text, tally) in sorted.iter().take(rows) {
            error_row(html, text, tally);
        }
        if let Some(rest) = errors.rest() {
            error_row(html, "all other texts", rest);
        }
        left_out(html, sorted.len(), rows, 3, context.subject.operations());
        html.raw("</tbody>");
    });
}

fn error_row(html: &mut Html, text: &str, tally: &Tally) {
    put!(
        html,
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
        esc(text),
        grouped(tally.fail),
        grouped(tally.info)
    );
}

/// Returns a round number that is not below `most` and whose half is round too.
fn ceiling(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for factor in [2, 4, 6, 8, 10, 12, 16, 20, 24, 30] {
            let step = factor * power;
            // Close to the largest number the next factor would overflow.
            if step >= most || power >= u64::MAX / 100 {
                return step;
            }
        }
        power *= 10;
    }
}

/// The height of the chart, in pixels.
const HEIGHT: u32 = 180;
/// Gaps from this length on are marked: a quarter of a second.
const NOTABLE_NS: u64 = 250_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_is_round_and_high_enough() {
        let shown: Vec<u64> = [0, 3, 11, 399, 401, 1000, 2200].map(ceiling).into();
        assert_eq!(shown, [2, 4, 12, 400, 600, 1000, 2400]);
    }

    #[test]
    fn a_gap_names_what_it_overlaps() {
        let fault = |start_ns, end_ns| FaultSpan {
            kind: "kill-one".to_owned(),
            nodes: Vec::new(),
            detail: "node 2".to_owned(),
            start_ns,
            end_ns,
            effect: String::new(),
            effective: true,
        };
        let gap = Gap { start_ns: 10, end_ns: 20 };
        assert_eq!(during(&gap, &[fault(0, 10), fault(20, 30)]), "no fault");
        assert_eq!(during(&gap, &[fault(0, 11)]), "kill-one (node 2)");
        let many = vec![fault(12, 13); 5];
        assert!(during(&gap, &many).ends_with(", 2 more"));
    }
}
