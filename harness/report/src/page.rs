//! The page put together: the template, its parts in their order, style, data and script.
//!
//! Claim kept true: the page is at most [`SIZE_LIMIT`] bytes; what has no natural bound is shown in
//! less and less room until it is.

use super::axis::Axis;
use super::clock::Clock;
use super::context::{Context, Room};
use super::digest::Digest;
use super::html::{Html, esc, put};
use super::judged::Subject;
use super::reader::Reading;
use super::{
    absent, appendix, around, availability, banner, core, embedded, faults, latency_chart,
    rests_on, space_time_chart, strip, timeline,
};
use crate::{RunSummary, Verdict};

/// Returns the page of a run, or of a history.
pub(super) fn compose(
    (subject, clock): (Subject<'_>, Clock),
    summary: &RunSummary,
    digest: &mut Digest,
    reading: &Result<Reading, String>,
) -> String {
    let axis = Axis::of(clock, summary, digest);
    digest.lanes.align(axis.end_ns);
    // Each chart reaches to the end of the axis, also where nothing happened any more.
    digest.rate.reach(axis.end_ns);
    digest.latency.reach(axis.end_ns);
    let mut page = String::new();
    for room in Room::TRIED {
        let context = Context { subject, summary, digest, reading, axis, room };
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
        "title" => title(html, context),
        "verdict" => html.raw(banner::class(summary.verdict)),
        "style" => {
            html.raw(STYLE);
            html.raw(STYLE_CHART);
            html.raw("@media (max-width: 700px) {\n");
            html.place_labels();
            html.raw("}\n");
        }
        "banner" => banner::write(html, context),
        "nav" => nav(html, context),
        "body" => body(html, context),
        "version" => put!(html, "{}", esc(&super::html::clip(&summary.version, 60))),
        "times" => html.raw(match (context.subject, context.axis.clock) {
            (Subject::Run, _) => "Times are seconds since the start of the run.",
            (Subject::History(_), Clock::Events) => "Events are counted from 0.",
            (Subject::History(_), Clock::Run | Clock::Since(_)) => {
                "Times are those of the history, in seconds."
            }
        }),
        "data" => html.raw(&embedded::json(context)),
        // Without operations there is nothing to be zoomed or filtered.
        "script" => {
            html.raw(SCRIPT_BASE);
            if context.subject.has_operations() {
                html.raw(SCRIPT_VIEW);
                html.raw(SCRIPT_DETAIL);
            }
        }
        _ => unreachable!("the template names no part called {name}"),
    }
}

fn title(html: &mut Html, context: &Context<'_>) {
    let summary = context.summary;
    put!(html, "{} - ", summary.verdict.word());
    if context.subject.history().is_none() {
        put!(html, "seed {} - ", summary.seed);
    }
    put!(html, "{}", esc(&super::html::clip(&summary.system, 60)));
}

/// Writes the links to the sections that there are.
fn nav(html: &mut Html, context: &Context<'_>) {
    let (summary, is_run) = (context.summary, context.subject.history().is_none());
    let has_operations = context.subject.has_operations();
    for (section, words, there) in [
        ("reasons", "Why", true),
        ("core", "Counterexample", has_operations),
        ("timeline", "Time line", has_operations),
        ("messages", "Messages then", summary.space_time.is_some()),
        ("around", "Logs then", is_run && summary.verdict == Verdict::Violation),
        ("performance", "Latency and throughput", has_operations),
        ("faults", "Faults", is_run),
        ("heal", "After the faults", is_run),
        ("leaders", "Leaders", is_run),
        ("links", "Links", is_run),
        ("nodes", "Nodes", is_run),
        ("absent", "Not in a history", !is_run),
        ("checker", "Checker", true),
        ("files", "Files", true),
    ] {
        if there {
            put!(html, "<li><a href=\"#{section}\">{words}</a></li>\n");
        }
    }
}

fn body(html: &mut Html, context: &Context<'_>) {
    banner::reasons(html, context);
    rests_on::write(html, context);
    if context.subject.has_operations() {
        core::write(html, context);
        timeline::write(html, context);
        if context.subject.history().is_none() {
            space_time_chart::write(html, context);
            around::write(html, context);
        }
        performance(html, context);
    }
    match context.subject {
        Subject::Run => faults::write(html, context),
        Subject::History(_) => absent::write(html),
    }
    appendix::write(html, context);
}

fn performance(html: &mut Html, context: &Context<'_>) {
    html.raw(
        "<section id=\"performance\" aria-labelledby=\"performance-h\">\
         <h2 id=\"performance-h\">Latency, throughput, availability</h2>",
    );
    if context.axis.clock.has_times() {
        latency_chart::write(html, context);
        availability::write(html, context);
    } else {
        html.raw(
            "<p>The history has no times that tell anything: how long operations took, and how \
             many there were in a second, is not known. What is drawn is the order of its \
             events.</p>",
        );
        availability::errors(html, context);
    }
    strip::write(html, context);
    html.raw("</section>");
}

/// The most bytes a page may have: two megabytes.
pub(super) const SIZE_LIMIT: usize = 2_000_000;

const TEMPLATE: &str = include_str!("assets/page.html");
/// The style that all pages have.
pub(super) const STYLE: &str = include_str!("assets/page.css");
const STYLE_CHART: &str = include_str!("assets/chart.css");
const SCRIPT_BASE: &str = include_str!("assets/base.js");
const SCRIPT_VIEW: &str = include_str!("assets/view.js");
const SCRIPT_DETAIL: &str = include_str!("assets/detail.js");
