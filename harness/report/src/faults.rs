//! What was done to the cluster and how it came out: faults, leaders, links, the state after
//! healing.

use super::availability::go;
use super::context::Context;
use super::format::{counted, grouped, moment, span};
use super::frame::{figures, head, left_out, scroll};
use super::html::{Html, clip, esc, put};
use super::spans::family;
use crate::{AfterHeal, FaultSpan, LinkCounts};

/// Writes the sections.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    html.raw("<section id=\"faults\" aria-labelledby=\"faults-h\"><h2 id=\"faults-h\">Faults</h2>");
    faults(html, context);
    html.raw("</section><section id=\"heal\" aria-labelledby=\"heal-h\">");
    html.raw("<h2 id=\"heal-h\">After the faults</h2>");
    match &context.summary.after_heal {
        Some(heal) => after_heal(html, context, heal),
        None => html.raw("<p>The run ended before the cluster was healed and looked at.</p>"),
    }
    html.raw("</section><section id=\"leaders\" aria-labelledby=\"leaders-h\">");
    html.raw("<h2 id=\"leaders-h\">Leaders</h2>");
    leaders(html, context);
    html.raw("</section><section id=\"links\" aria-labelledby=\"links-h\">");
    html.raw("<h2 id=\"links-h\">Links</h2>");
    links(html, context);
    html.raw("</section>");
}

fn faults(html: &mut Html, context: &Context<'_>) {
    let faults = &context.summary.faults;
    if faults.is_empty() {
        html.raw("<p>No fault was injected.</p>");
        return;
    }
    let effective = faults.iter().filter(|fault| fault.effective).count();
    put!(
        html,
        "<p>{}, {effective} of them with a measured effect.</p>",
        counted(faults.len() as u64, "fault")
    );
    scroll(html, "faults", |html| {
        head(html, &["Fault", "What", "#From", "#To", "#Length", "Effect", "Measured effect", ""]);
        html.raw("<tbody>");
        for fault in faults.iter().take(context.room.rows) {
            fault_row(html, context, fault);
        }
        left_out(html, faults.len(), context.room.rows, 8, "report.json");
        html.raw("</tbody>");
    });
}

fn fault_row(html: &mut Html, context: &Context<'_>, fault: &FaultSpan) {
    let letters = context.room.letters;
    put!(
        html,
        "<tr><th scope=\"row\"><i class=\"swatch {}\"></i>{}</th><td>{}</td>",
        family(&fault.kind).class(),
        esc(&clip(&fault.kind, letters)),
        esc(&clip(&fault.detail, letters))
    );
    let length = span(fault.end_ns.saturating_sub(fault.start_ns));
    figures(html, &[moment(fault.start_ns), moment(fault.end_ns), length]);
    let effective = if fault.effective { "&#10003; yes" } else { "&#8211; none" };
    put!(html, "<td>{effective}</td><td>{}</td><td>", esc(&clip(&fault.effect, letters)));
    go(html, context.axis, fault.start_ns, fault.end_ns);
    html.raw("</td></tr>");
}

fn after_heal(html: &mut Html, context: &Context<'_>, heal: &AfterHeal) {
    html.raw("<ul class=\"checks\">");
    let served = match heal.served_within_ms {
        Some(millis) => {
            format!("Every node served again within {}.", span(millis.saturating_mul(1_000_000)))
        }
        None => "Not every node served again in time.".to_owned(),
    };
    check(html, heal.served_within_ms.is_some(), &served);
    match heal.digests_equal {
        Some(true) => check(html, true, "All nodes held the same state at the same slot."),
        Some(false) => {
            check(html, false, "The nodes did not hold the same state at the same slot.");
        }
        None => {
            let words = "Nobody asked whether the nodes held the same state: they do not tell it.";
            put!(html, "<li class=\"unasked\"><b aria-hidden=\"true\">&#8211;</b> {words}</li>");
        }
    }
    let acknowledged = if heal.acknowledged_present {
        "Every acknowledged write was there."
    } else {
        "An acknowledged write was missing."
    };
    check(html, heal.acknowledged_present, acknowledged);
    let findings: Vec<&String> = heal.findings.iter().chain(&heal.unserved).collect();
    for finding in findings.iter().take(context.room.rows) {
        check(html, false, &clip(finding, context.room.letters));
    }
    html.raw("</ul>");
    if findings.len() > context.room.rows {
        let more = findings.len() - context.room.rows;
        put!(html, "<p>And {}, in report.json.</p>", counted(more as u64, "more finding"));
    }
}

fn check(html: &mut Html, good: bool, words: &str) {
    let (class, mark) = if good { ("yes", "&#10003;") } else { ("no", "&#10007;") };
    put!(html, "<li class=\"{class}\"><b aria-hidden=\"true\">{mark}</b> {}</li>", esc(words));
}

fn leaders(html: &mut Html, context: &Context<'_>) {
    let leaders = &context.summary.leaders;
    if leaders.is_empty() {
        html.raw("<p>No leader was observed.</p>");
        return;
    }
    scroll(html, "leaders", |html| {
        head(html, &["Node", "Ballot", "#First seen", "#Last seen", "#For", ""]);
        html.raw("<tbody>");
        for leader in leaders.iter().take(context.room.rows) {
            let ballot = clip(&leader.ballot, context.room.letters);
            put!(html, "<tr><th scope=\"row\">node {}</th><td>{}</td>", leader.node, esc(&ballot));
            let length = span(leader.end_ns.saturating_sub(leader.start_ns));
            figures(html, &[moment(leader.start_ns), moment(leader.end_ns), length]);
            html.raw("<td>");
            go(html, context.axis, leader.start_ns, leader.end_ns);
            html.raw("</td></tr>");
        }
        left_out(html, leaders.len(), context.room.rows, 6, "report.json");
        html.raw("</tbody>");
    });
}

fn links(html: &mut Html, context: &Context<'_>) {
    let links = &context.summary.links;
    if links.is_empty() {
        html.raw("<p>No link was observed.</p>");
        return;
    }
    let (streams, packets): (Vec<_>, Vec<_>) = links.iter().partition(|link| link.stream.is_some());
    if !packets.is_empty() {
        html.raw("<p>Packets, counted by the proxy on each directed link.</p>");
        link_table(html, context, "links", &PACKET_COUNTS, &packets, packet_counts);
    }
    if !streams.is_empty() {
        html.raw("<p>Streams of TCP, counted where they are received; bytes, but for connections ");
        html.raw("and ends.</p>");
        link_table(html, context, "streams", &STREAM_COUNTS, &streams, stream_counts);
    }
}

fn link_table<const COUNTS: usize>(
    html: &mut Html,
    context: &Context<'_>,
    title: &str,
    names: &[&str],
    links: &[&LinkCounts],
    counts: fn(&LinkCounts) -> [u64; COUNTS],
) {
    scroll(html, title, |html| {
        head(html, names);
        html.raw("<tbody>");
        for link in links.iter().take(context.room.rows) {
            let name = format!("{} &#8594; {}", end(link.from), end(link.to));
            link_row(html, &name, &counts(link));
        }
        left_out(html, links.len(), context.room.rows, names.len(), "report.json");
        html.raw("</tbody><tfoot>");
        let sums =
            links.iter().map(|link| counts(link)).fold([0_u64; COUNTS], |mut sums, counts| {
                for (sum, count) in sums.iter_mut().zip(counts) {
                    *sum = sum.saturating_add(count);
                }
                sums
            });
        link_row(html, "all", &sums);
        html.raw("</tfoot>");
    });
}

/// Returns who is at the end of a link; by its number 0 stands for all clients.
fn end(number: u16) -> String {
    match number {
        0 => "clients".to_owned(),
        node => node.to_string(),
    }
}

fn link_row(html: &mut Html, name: &str, counts: &[u64]) {
    put!(html, "<tr><th scope=\"row\">{name}</th>");
    for count in counts {
        let class = if *count == 0 { "n zero" } else { "n" };
        put!(html, "<td class=\"{class}\">{}</td>", grouped(*count));
    }
    html.raw("</tr>");
}

fn packet_counts(link: &LinkCounts) -> [u64; 8] {
    [
        link.delivered,
        link.lost,
        link.cut,
        link.delayed,
        link.duplicated,
        link.reordered,
        link.corrupted,
        link.overflowed,
    ]
}

fn stream_counts(link: &LinkCounts) -> [u64; 11] {
    let counts = link.stream.unwrap_or_default();
    [
        counts.connections,
        counts.unanswered,
        counts.bytes,
        counts.held_bytes,
        counts.held_connections,
        counts.delayed_bytes,
        counts.stalled_bytes,
        counts.sliced_bytes,
        counts.resets,
        counts.refused,
        counts.half_closed,
    ]
}

const PACKET_COUNTS: [&str; 9] = [
    "Link",
    "#Delivered",
    "#Lost",
    "#Cut",
    "#Delayed",
    "#Duplicated",
    "#Reordered",
    "#Corrupted",
    "#Overflowed",
];

const STREAM_COUNTS: [&str; 12] = [
    "Link",
    "#Connections",
    "#Unanswered",
    "#Delivered",
    "#Held back",
    "#Connections held",
    "#Delayed",
    "#Stalled",
    "#In pieces",
    "#Resets",
    "#Refused",
    "#Half-closed",
];
