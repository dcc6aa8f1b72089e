//! The page put together: the template, its parts in their order, style, data and script.
//!
//! Claim kept true: the page is at most [`SIZE_LIMIT`] bytes; what has no natural bound is shown in
//! less and less room until it is.

use super::axis::Axis;
use super::context::{Context, Room};
use super::digest::Digest;
use super::html::{Html, esc, put};
use super::reader::Reading;
use super::{
    appendix, availability, banner, core, embedded, faults, latency_chart, rests_on, strip,
    timeline,
};
use crate::RunSummary;

/// Returns the page of a run.
pub(super) fn compose(
    summary: &RunSummary,
    digest: &mut Digest,
    reading: &Result<Reading, String>,
) -> String {
    let axis = Axis::of(summary, digest);
    digest.lanes.align(axis.end_ns);
    digest.rate.reach(axis.end_ns);
    digest.latency.reach(axis.end_ns);
    let mut page = String::new();
    for room in Room::TRIED {
        let context = Context { summary, digest, reading, axis, room };
        page = fill(&context);
        if page.len() <= SIZE_LIMIT {
            break;
        }
    }
    page
}

/// Puts the parts into the places that the template names.
fn fill(context: &Context<'_>) -> String {
    let mut html = Html::default();
    let mut pieces = TEMPLATE.split("{{");
    html.raw(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").expect("every place in the template is closed");
        part(&mut html, context, name);
        html.raw(rest);
    }
    html.into_string()
}

fn part(html: &mut Html, context: &Context<'_>, name: &str) {
    let summary = context.summary;
    match name {
        "title" => put!(
            html,
            "{} - seed {} - {}",
            summary.verdict.word(),
            summary.seed,
            esc(&super::html::clip(&summary.system, 60))
        ),
        "verdict" => html.raw(banner::class(summary.verdict)),
        "style" => {
            html.raw(STYLE);
            html.raw(STYLE_CHART);
        }
        "banner" => banner::write(html, context),
        "body" => body(html, context),
        "version" => put!(html, "{}", esc(&super::html::clip(&summary.version, 60))),
        "data" => html.raw(&embedded::json(context)),
        "script" => {
            html.raw(SCRIPT_BASE);
            html.raw(SCRIPT_VIEW);
            html.raw(SCRIPT_DETAIL);
        }
        _ => unreachable!("the template names no part called {name}"),
    }
}

fn body(html: &mut Html, context: &Context<'_>) {
    banner::reasons(html, context);
    rests_on::write(html, context);
    core::write(html, context);
    timeline::write(html, context);
    html.raw(
        "<section id=\"performance\" aria-labelledby=\"performance-h\">\
         <h2 id=\"performance-h\">Latency, throughput, availability</h2>",
    );
    latency_chart::write(html, context);
    availability::write(html, context);
    strip::write(html, context);
    html.raw("</section>");
    faults::write(html, context);
    appendix::write(html, context);
}

/// The most bytes a page may have: two megabytes.
pub(super) const SIZE_LIMIT: usize = 2_000_000;

const TEMPLATE: &str = include_str!("assets/page.html");
const STYLE: &str = include_str!("assets/page.css");
const STYLE_CHART: &str = include_str!("assets/chart.css");
const SCRIPT_BASE: &str = include_str!("assets/base.js");
const SCRIPT_VIEW: &str = include_str!("assets/view.js");
const SCRIPT_DETAIL: &str = include_str!("assets/detail.js");
