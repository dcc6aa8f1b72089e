//! What is left of a run: the nodes and their logs, the checker's figures, the keys, the raw files.

use synod_checker::CheckerSummary;

use super::context::Context;
use super::format::{counted, grouped, size, span};
use super::frame::{counts, data_table, figures, head, left_out, scroll, tally_row};
use super::html::{Html, clip, esc, put, without_colours};
use super::judged::Subject;
use super::reader::Reading;
use crate::NodeSummary;

/// Writes the sections.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    // A history alone knows of no nodes, which is said elsewhere on the page.
    if context.subject.history().is_none() {
        html.raw("<section id=\"nodes\" aria-labelledby=\"nodes-h\">");
        html.raw("<h2 id=\"nodes-h\">Nodes</h2>");
        nodes(html, context);
        html.raw("</section>");
    }
    html.raw("<section id=\"checker\" aria-labelledby=\"checker-h\">");
    html.raw("<h2 id=\"checker-h\">Checker</h2>");
    match (&context.summary.checker, context.subject) {
        (Some(checker), _) => checked(html, context, checker),
        (None, Subject::Run) => html.raw("<p>No checker judged this run.</p>"),
        (None, Subject::History(_)) => html.raw("<p>Nothing was searched.</p>"),
    }
    if context.subject.has_operations() {
        keys(html, context);
    }
    html.raw("</section><section id=\"files\" aria-labelledby=\"files-h\">");
    html.raw("<h2 id=\"files-h\">Files</h2>");
    files(html, context);
    html.raw("</section>");
}

fn nodes(html: &mut Html, context: &Context<'_>) {
    let nodes = &context.summary.nodes;
    if nodes.is_empty() {
        html.raw("<p>No node was recorded.</p>");
        return;
    }
    scroll(html, "nodes", |html| {
        head(html, &["Node", "#Starts", "Ends", "#Memory at the end"]);
        html.raw("<tbody>");
        for node in nodes.iter().take(NODE_LIMIT) {
            put!(html, "<tr><th scope=\"row\">node {}</th>", node.id);
            counts(html, &[node.starts.into()]);
            put!(html, "<td>{}</td>", esc(&clip(&ends(node), context.room.letters)));
            figures(html, &[node.resident_bytes.map_or_else(|| "-".to_owned(), size)]);
            html.raw("</tr>");
        }
        left_out(html, nodes.len(), NODE_LIMIT, 4, "report.json");
        html.raw("</tbody>");
    });
    for node in nodes.iter().take(NODE_LIMIT) {
        log(html, context, node);
    }
}

/// Prints how a node's processes ended, equal neighbours counted.
fn ends(node: &NodeSummary) -> String {
    let mut shown: Vec<String> = Vec::new();
    for run in node.exits.chunk_by(|one, other| one == other) {
        shown.push(match run.len() {
            1 => run[0].clone(),
            many => format!("{} ({many} times)", run[0]),
        });
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join("; ") }
}

fn log(html: &mut Html, context: &Context<'_>, node: &NodeSummary) {
    let lines = &node.log_tail;
    let shown = lines.len().min(context.room.log_lines);
    if shown == 0 {
        put!(html, "<p class=\"note\">No log of node {} was kept here.</p>", node.id);
        return;
    }
    put!(
        html,
        "<details class=\"log\"><summary>Log of node {}: last {}</summary>",
        node.id,
        counted(shown as u64, "line")
    );
    put!(
        html,
        "<pre class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Log of node {}\">",
        node.id
    );
    // The last ones: of a node that ended by itself they say why.
    for line in &lines[lines.len() - shown..] {
        let plain = without_colours(line);
        put!(html, "{}\n", esc(&clip(&plain, context.room.log_letters)));
    }
    html.raw("</pre></details>");
}

fn checked(html: &mut Html, context: &Context<'_>, checker: &CheckerSummary) {
    put!(
        html,
        "<dl class=\"identity\"><div><dt>Algorithm</dt><dd>{}</dd></div>\
         <div><dt>Operations</dt><dd>{}</dd></div><div><dt>Keys</dt><dd>{}</dd></div>\
         <div><dt>Configurations</dt><dd>{}</dd></div><div><dt>Time</dt><dd>{}</dd></div>\
         <div><dt>Verified</dt><dd>{}</dd></div></dl>",
        esc(&clip(&checker.algorithm, context.room.letters)),
        grouped(checker.operations),
        grouped(checker.keys),
        grouped(checker.configurations),
        span(checker.millis.saturating_mul(1_000_000)),
        esc(checker.unverified.as_deref().unwrap_or("exactly"))
    );
}

/// Writes the busiest keys.
fn keys(html: &mut Html, context: &Context<'_>) {
    let keys = &context.digest.keys;
    let mut sorted: Vec<_> = keys.as_slice().iter().collect();
    sorted.sort_by_key(|(name, record)| (std::cmp::Reverse(record.tally.ended()), name));
    let shown = context.room.rows.min(KEY_ROWS);
    data_table(html, "operations by key", |html| {
        head(html, &["Key", "#Ok", "#Failed", "#Unknown"]);
        html.raw("<tbody>");
        let named = sorted.iter().take(shown).map(|(name, record)| (name.as_str(), record));
        let rest = keys.rest().map(|rest| ("keys beyond the first 4,096", rest));
        for (name, record) in named.chain(rest) {
            tally_row(html, "", name, &record.tally);
        }
        left_out(html, sorted.len(), shown, 4, context.subject.operations());
        html.raw("</tbody>");
    });
}

fn files(html: &mut Html, context: &Context<'_>) {
    match context.subject {
        Subject::Run => html.raw(FILES),
        Subject::History(judged) => put!(
            html,
            "<p>This page was made from {} alone.</p>",
            esc(&clip(judged.file, context.room.letters))
        ),
    }
    match (context.reading, context.subject) {
        (Ok(reading), _) => read(html, context, reading),
        (Err(reason), Subject::Run) => {
            put!(html, "<p><strong>The history could not be read: {}</strong>.</p>", esc(reason));
        }
        (Err(reason), Subject::History(_)) => {
            put!(html, "<p><strong>The history {}.</strong></p>", esc(reason));
        }
    }
    disagreement(html, context);
}

/// Says what was read of a history, and how its operations ended.
fn read(html: &mut Html, context: &Context<'_>, reading: &Reading) {
    let is_run = context.subject.history().is_none();
    let noun = if is_run { "line" } else { "event" };
    put!(html, "<p>The history has {}", counted(reading.lines, noun));
    match reading.first_unreadable {
        Some(number) => put!(
            html,
            "; <strong>{} could not be read, the first being line {}</strong>",
            grouped(reading.unreadable),
            grouped(number)
        ),
        None if is_run => html.raw(", all of them readable"),
        None => html.raw(" of clients"),
    }
    html.raw(".");
    match context.digest.open_at_end {
        0 => html.raw(" Every operation had ended before it did"),
        open => put!(html, " {} had not returned when it ended", counted(open, "operation")),
    }
    // What a reader let pass is in turn; a client that calls anew may have given up.
    if is_run && context.digest.out_of_turn > 0 {
        put!(html, "; {} out of turn", counted(context.digest.out_of_turn, "event"));
    }
    html.raw(".</p>");
}

/// Says so if the summary counted other operations than the history has.
fn disagreement(html: &mut Html, context: &Context<'_>) {
    let (said, seen) = (context.summary.counts, context.digest.total);
    // A summary may count what never returned as unknown, or leave it out.
    let unknown = [seen.info, seen.info + context.digest.open_at_end];
    if (said.ok, said.fail) != (seen.ok, seen.fail) || !unknown.contains(&said.info) {
        put!(
            html,
            "<p><strong>The summary counts {} ok, {} failed and {} unknown operations; the history \
             has {}, {} and {}.</strong> The charts show the history.</p>",
            grouped(said.ok),
            grouped(said.fail),
            grouped(said.info),
            grouped(seen.ok),
            grouped(seen.fail),
            grouped(unknown[1])
        );
    }
}

const FILES: &str = "<ul>\
     <li><a href=\"history.jsonl\">history.jsonl</a>: every call and return</li>\
     <li><a href=\"schedule.json\">schedule.json</a>: what was done to the cluster</li>\
     <li><a href=\"plan.json\">plan.json</a>: what was planned</li>\
     <li><a href=\"report.json\">report.json</a>: the content of this page for programs</li>\
     <li><a href=\"nodes/\">nodes/</a>: logs and data of the nodes</li></ul>";

/// Nodes shown at most.
const NODE_LIMIT: usize = 32;
/// Keys shown at most.
const KEY_ROWS: usize = 60;
