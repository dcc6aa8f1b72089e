//! A lane for each node on the time axis: the faults that hit it, when it led, and from when to
//! when its process was there.
//!
//! What is not known is not drawn: a run of which nobody noted the lives of its processes has none.
//! No node is left out, up to [`NODE_ROWS`], which is said.

use super::context::Context;
use super::format::moment;
use super::html::{Html, clip, esc, put};
use super::spans::{Place, bar, family, more, open};
use crate::{NodeLife, RunSummary};

/// Writes the lanes.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let summary = context.summary;
    let (nodes, left_out) = nodes(summary);
    let labels: Vec<String> = nodes.iter().map(|node| format!("node {node}")).collect();
    open(html, &labels, NODE_ROW);
    if summary.leaders.is_empty() && summary.nodes.iter().all(|node| node.lives.is_empty()) {
        html.raw("<span class=\"nothing\">no leader was observed</span>");
    }
    let row_of = |node: u16| nodes.iter().position(|known| *known == node);
    hits(html, context, row_of);
    lives(html, context, row_of);
    leaders(html, context, row_of);
    html.raw("</div></div>");
    more(html, "leaders", summary.leaders.len(), context.room.bars);
    if left_out > 0 {
        put!(html, "<p class=\"note\">Nodes beyond the first {NODE_ROWS} are not drawn.</p>");
    }
}

/// Returns the planned nodes and whoever else is known, at most [`NODE_ROWS`], and how many more
/// there are.
fn nodes(summary: &RunSummary) -> (Vec<u16>, usize) {
    let mut nodes: Vec<u16> = (1..=summary.plan.nodes).collect();
    nodes.extend(summary.leaders.iter().map(|leader| leader.node));
    nodes.extend(summary.nodes.iter().map(|node| node.id));
    nodes.sort_unstable();
    nodes.dedup();
    let left_out = nodes.len().saturating_sub(NODE_ROWS);
    nodes.truncate(NODE_ROWS);
    if nodes.is_empty() {
        // A lane at least, or its frame would have no height.
        nodes.push(1);
    }
    (nodes, left_out)
}

/// Writes the faults that hit each node, at the top of its lane.
fn hits(html: &mut Html, context: &Context<'_>, row_of: impl Fn(u16) -> Option<usize>) {
    let faults = context.summary.faults.iter();
    let hits = faults.flat_map(|fault| fault.nodes.iter().map(move |node| (fault, *node)));
    for (fault, node) in hits.take(context.room.bars) {
        let Some(row) = row_of(node) else { continue };
        let said = format!(
            "{} ({}) hits node {node}, {} to {}",
            clip(&fault.kind, KIND_LETTERS),
            clip(&fault.detail, KIND_LETTERS),
            moment(fault.start_ns),
            moment(fault.end_ns)
        );
        let class = format!("hit {}", family(&fault.kind).class());
        let (from, to) = (fault.start_ns, fault.end_ns);
        thin(html, context, &class, (from, to), row * NODE_ROW + HIT_TOP, &said);
    }
}

/// Writes the lives of each node's process, at the foot of its lane.
fn lives(html: &mut Html, context: &Context<'_>, row_of: impl Fn(u16) -> Option<usize>) {
    let nodes = context.summary.nodes.iter();
    let lives = nodes.flat_map(|node| node.lives.iter().map(move |life| (node.id, life)));
    for (node, life) in lives.take(context.room.bars) {
        let Some(row) = row_of(node) else { continue };
        let NodeLife { start_ns, end_ns, by_itself } = *life;
        let to = end_ns.unwrap_or(context.axis.end_ns);
        let ended = match (end_ns, by_itself) {
            (Some(end), true) => format!(", ended by itself at {}", moment(end)),
            (Some(end), false) => format!(", gone at {}", moment(end)),
            (None, _) => String::new(),
        };
        let said = format!("the process of node {node} from {}{ended}", moment(start_ns));
        let top = row * NODE_ROW + LIFE_TOP;
        thin(html, context, "life", (start_ns, to), top, &said);
        if by_itself {
            let (left, _) = context.axis.stretch(to, to);
            put!(
                html,
                "<div class=\"ended\" style=\"left:{left:.3}%;top:{}px\" title=\"{}\">\
                 &#10007;</div>",
                row * NODE_ROW + LED_TOP,
                esc(&said)
            );
        }
    }
}

fn thin(
    html: &mut Html,
    context: &Context<'_>,
    class: &str,
    (from, to): (u64, u64),
    top: usize,
    said: &str,
) {
    let (left, width) = context.axis.stretch(from, to);
    put!(
        html,
        "<div class=\"bar {class}\" style=\"left:{left:.3}%;width:{width:.3}%;top:{top}px\" \
         title=\"{}\"></div>",
        esc(said)
    );
}

/// Writes when each node led, in the middle of its lane.
fn leaders(html: &mut Html, context: &Context<'_>, row_of: impl Fn(u16) -> Option<usize>) {
    for leader in context.summary.leaders.iter().take(context.room.bars) {
        let Some(row) = row_of(leader.node) else { continue };
        let ballot = clip(&leader.ballot, KIND_LETTERS);
        let said = format!(
            "node {} leads{}, {} to {}",
            leader.node,
            if ballot.is_empty() { String::new() } else { format!(" with ballot {ballot}") },
            moment(leader.start_ns),
            moment(leader.end_ns)
        );
        let (from, to) = (leader.start_ns, leader.end_ns);
        let place = Place { from, to, until: to, top: row * NODE_ROW + LED_TOP };
        bar(html, context.axis, &place, "leader", &ballot, &said);
    }
}

/// The height of a node's lane, in pixels, and where in it the three things begin; the style sheet
/// knows how high they are.
const NODE_ROW: usize = 32;
const HIT_TOP: usize = 2;
const LED_TOP: usize = 9;
const LIFE_TOP: usize = 26;
/// Nodes drawn at most.
const NODE_ROWS: usize = 31;
const KIND_LETTERS: usize = 40;
