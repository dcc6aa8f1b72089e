//! What the nodes logged around the moments that tell of something wrong.
//!
//! Choosing the lines is the runner's, and so is knowing about when each was written. The claim
//! kept true: a line that tells of a crash is marked by a word, and where nothing is shown the page
//! says why.

use super::context::Context;
use super::format::{counted, grouped, moment, seconds};
use super::html::{Html, clip, esc, put, without_colours};
use super::spans::extent;
use crate::{LOG_AROUND, LoggedLine, NodeSummary, Verdict};

/// Writes the section, for a run that has one.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let nodes = &context.summary.nodes;
    let has_lines = nodes.iter().any(|node| !node.around.is_empty());
    if !has_lines && context.summary.verdict != Verdict::Violation {
        return;
    }
    html.raw(
        "<section id=\"around\" aria-labelledby=\"around-h\">\
         <h2 id=\"around-h\">What the nodes logged then</h2>",
    );
    if has_lines {
        put!(
            html,
            "<p>Lines that were written within {} s of a call or return of the counterexample, of \
             a line that tells of a crash, or of the end of a process that nobody asked for; of \
             many the nearest. Their times are about right: the harness looks at a log ten times \
             a second, and reads no times in it.</p>",
            LOG_AROUND.as_secs()
        );
        let room = Room { lines: context.room.log_lines, letters: context.room.log_letters };
        for node in nodes.iter().take(NODE_LIMIT) {
            log(html, context, node, room);
        }
    } else {
        let mut lives = nodes.iter().flat_map(|node| &node.lives);
        let is_known = context.summary.violation.is_some() || lives.any(|life| life.by_itself);
        html.raw("<p>");
        if is_known {
            put!(html, "No node logged anything within {} s of it.", LOG_AROUND.as_secs());
        } else {
            html.raw("It is not known when it went wrong.");
        }
        html.raw(" The last lines of each log are under <a href=\"#nodes\">nodes</a>.</p>");
    }
    html.raw("</section>");
}

#[derive(Clone, Copy)]
struct Room {
    lines: usize,
    letters: usize,
}

/// What stands between the lines of a log.
struct Mark {
    at_ns: u64,
    words: String,
}

fn log(html: &mut Html, context: &Context<'_>, node: &NodeSummary, room: Room) {
    let NodeSummary { id, around, .. } = node;
    put!(html, "<h3>Node {id}</h3>");
    if around.is_empty() {
        html.raw("<p class=\"note\">It logged nothing then.</p>");
        return;
    }
    let shown = &around[around.len().saturating_sub(room.lines)..];
    if shown.len() < around.len() {
        let left_out = counted((around.len() - shown.len()) as u64, "earlier line");
        put!(html, "<p class=\"note\">{left_out} in report.json.</p>");
    }
    put!(html, "<ol class=\"logged\" aria-label=\"What node {id} logged\">");
    let marks = marks(context, node, shown);
    let mut marks = marks.iter().peekable();
    for line in shown {
        while let Some(mark) = marks.next_if(|mark| mark.at_ns <= line.at_ns) {
            put!(html, "<li class=\"then\">{}</li>", esc(&mark.words));
        }
        logged(html, line, room.letters);
    }
    for mark in marks {
        put!(html, "<li class=\"then\">{}</li>", esc(&mark.words));
    }
    html.raw("</ol>");
}

fn logged(html: &mut Html, line: &LoggedLine, letters: usize) {
    let LoggedLine { at_ns, log, number, text, crash } = line;
    let class = if *crash { " class=\"crash\"" } else { "" };
    put!(
        html,
        "<li{class}><span class=\"at\">{} <span class=\"of\">{}:{}</span></span> <code>",
        seconds(*at_ns, 1),
        esc(&clip(log, LOG_LETTERS)),
        grouped(*number)
    );
    if *crash {
        html.raw("<b>crash</b> ");
    }
    put!(html, "{}</code></li>", esc(&clip(&without_colours(text), letters)));
}

/// Returns what else happened while a node logged these lines: the counterexample, and its own
/// starts and ends.
fn marks(context: &Context<'_>, node: &NodeSummary, lines: &[LoggedLine]) -> Vec<Mark> {
    let mut marks = Vec::new();
    if let Some((from, to)) = context.summary.violation.as_ref().and_then(extent) {
        let told = |at_ns: u64, what: &str| Mark {
            at_ns,
            words: format!("{}: the counterexample {what}", moment(at_ns)),
        };
        marks.push(told(from, "begins with a call"));
        marks.push(told(to, "ends with a return"));
    }
    let around = LOG_AROUND.as_nanos() as u64;
    let first = lines.first().map_or(0, |line| line.at_ns).saturating_sub(around);
    let last = lines.last().map_or(0, |line| line.at_ns).saturating_add(around);
    let mut own = |at_ns: u64, what: String| {
        if (first..=last).contains(&at_ns) {
            marks.push(Mark { at_ns, words: format!("{}: {what}", moment(at_ns)) });
        }
    };
    for (turn, life) in node.lives.iter().enumerate() {
        own(life.start_ns, format!("node {} is started", node.id));
        if let Some(end_ns) = life.end_ns {
            // Ends are noted in the order of the lives, so that both have the same turn.
            let how = node.exits.get(turn).map_or("", String::as_str);
            own(end_ns, format!("node {} is gone: {}", node.id, clip(how, HOW_LETTERS)));
        }
    }
    marks.sort_by_key(|mark| mark.at_ns);
    marks.truncate(MARKS_MAX);
    marks
}

/// Nodes shown at most.
const NODE_LIMIT: usize = 32;
/// Letters of the name of a log, and of how a process ended.
const LOG_LETTERS: usize = 40;
const HOW_LETTERS: usize = 200;
/// Starts and ends that are told of one node.
const MARKS_MAX: usize = 100;
