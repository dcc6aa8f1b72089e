//! The top of the page: the verdict, how to run it again, why, and the run at a glance.
//!
//! The verdict is said by a word, an icon and a colour, so that any one of them is enough.

use super::context::Context;
use super::format::{counted, grouped, percent, span, utc};
use super::html::{Html, clip, esc, put};
use super::judged::{JudgedHistory, Subject};
use crate::{LeaderSpan, RunSummary, Verdict};

/// Writes the header of the page.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let summary = context.summary;
    let verdict = summary.verdict;
    put!(html, "<header class=\"banner v-{}\">", class(verdict));
    put!(
        html,
        "<svg class=\"icon\" viewBox=\"0 0 48 48\" aria-hidden=\"true\">{}</svg>",
        icon(verdict)
    );
    html.raw("<div class=\"said\">");
    let (kind, means) = match context.subject {
        Subject::Run => ("Synod chaos report", meaning(verdict)),
        Subject::History(_) => ("Synod history report", meaning_of_history(verdict)),
    };
    put!(
        html,
        "<p class=\"kind\">{kind}: {}</p><h1>{}</h1><p class=\"means\">{means}</p></div>",
        esc(&clip(&summary.system, context.room.letters)),
        verdict.word()
    );
    match context.subject {
        Subject::Run => identity(html, context),
        Subject::History(judged) => identity_of_history(html, judged, context.room.letters),
    }
    reproduction(html, context);
    html.raw("</header>");
}

/// Writes why the verdict is what it is, and the run at a glance.
pub(super) fn reasons(html: &mut Html, context: &Context<'_>) {
    let reasons = &context.summary.reasons;
    html.raw("<section id=\"reasons\" aria-labelledby=\"reasons-h\"><h2 id=\"reasons-h\">Why</h2>");
    if reasons.is_empty() {
        html.raw("<p>No reason was recorded.</p>");
    } else {
        html.raw("<ul class=\"reasons\">");
        for reason in reasons.iter().take(context.room.rows) {
            put!(html, "<li>{}</li>", esc(&clip(reason, context.room.letters)));
        }
        if reasons.len() > context.room.rows {
            let more = reasons.len() - context.room.rows;
            let place = context.subject.figures();
            put!(html, "<li>and {} more, in {place}</li>", grouped(more as u64));
        }
        html.raw("</ul>");
    }
    super::check::write(html, &context.summary.checks, context.room.letters);
    glance(html, context);
    html.raw("</section>");
}

fn identity(html: &mut Html, context: &Context<'_>) {
    let summary = context.summary;
    let plan = &summary.plan;
    let letters = context.room.letters;
    html.raw("<dl class=\"identity\">");
    let mut pair = |name: &str, value: &str| {
        put!(html, "<div><dt>{name}</dt><dd>{}</dd></div>", esc(&clip(value, letters)));
    };
    pair("Seed", &summary.seed.to_string());
    pair("Version", &summary.version);
    pair("Started", &utc(summary.started_unix_ms));
    pair("Took", &span(summary.duration_ms.saturating_mul(1_000_000)));
    let shape = format!(
        "{}, {}, {} s of faults",
        counted(plan.nodes.into(), "node"),
        counted(plan.clients.into(), "client"),
        plan.time_s
    );
    pair("Plan", &shape);
    pair("Workload", &plan.workload);
    pair("Nemesis", &plan.nemesis);
    html.raw("</dl>");
}

fn identity_of_history(html: &mut Html, judged: &JudgedHistory<'_>, letters: usize) {
    html.raw("<dl class=\"identity\">");
    for (name, value) in [
        ("File", judged.file),
        ("Format", judged.format),
        ("Model", judged.model.unwrap_or("not decided")),
        ("Version", judged.version),
    ] {
        put!(html, "<div><dt>{name}</dt><dd>{}</dd></div>", esc(&clip(value, letters)));
    }
    html.raw("</dl>");
}

fn reproduction(html: &mut Html, context: &Context<'_>) {
    let command = &context.summary.reproduce;
    let again = match context.subject {
        Subject::Run => "Run the same plan again",
        Subject::History(_) => "Judge the history again",
    };
    put!(html, "<div class=\"again\"><h2>{again}</h2><div class=\"command\">");
    put!(
        html,
        "<code id=\"command\" tabindex=\"0\">{}</code>",
        esc(&clip(command, context.room.letters))
    );
    html.raw(
        "<button type=\"button\" class=\"js\" id=\"copy\" hidden>Copy</button>\
         <span id=\"copied\" role=\"status\"></span></div></div>",
    );
}

/// Writes the tiles: the figures that are asked for first.
fn glance(html: &mut Html, context: &Context<'_>) {
    let counts = context.summary.counts;
    let ended = counts.ok.saturating_add(counts.fail).saturating_add(counts.info);
    if ended == 0 && !context.subject.has_operations() {
        return;
    }
    html.raw("<dl class=\"tiles\">");
    let share = format!("{} of {}", percent(counts.ok, ended), grouped(ended));
    tile(html, "Operations ok", &grouped(counts.ok), &share);
    tile(html, "Failed", &grouped(counts.fail), "certainly not done");
    tile(html, "Unknown", &grouped(counts.info), "outcome not known");
    match context.subject {
        Subject::Run => glance_at_run(html, context),
        Subject::History(_) => glance_at_history(html, context),
    }
    if context.axis.clock.has_times() {
        let gap = context.digest.gaps.longest().first();
        let length = gap.map_or_else(|| "-".to_owned(), |gap| span(gap.length_ns()));
        tile(html, "Longest time without ok", &length, "over all clients");
    }
    html.raw("</dl>");
}

fn glance_at_run(html: &mut Html, context: &Context<'_>) {
    let faults = &context.summary.faults;
    let effective = faults.iter().filter(|fault| fault.effective).count() as u64;
    let of_all = format!("of {}", counted(faults.len() as u64, "fault"));
    tile(html, "Effective faults", &effective.to_string(), &of_all);
    let changes = leader_changes(context.summary).to_string();
    tile(html, "Leader changes", &changes, "as far as observed");
}

fn glance_at_history(html: &mut Html, context: &Context<'_>) {
    let digest = context.digest;
    let keys = digest.keys.as_slice().len() as u64;
    let more = if digest.keys.rest().is_some() { "and more" } else { "with an operation" };
    tile(html, "Keys", &grouped(keys), more);
    tile(html, "Clients", &grouped(digest.clients.len() as u64), "whose operations ended");
}

fn tile(html: &mut Html, name: &str, value: &str, note: &str) {
    put!(
        html,
        "<div><dt>{name}</dt><dd><b>{}</b><span>{}</span></dd></div>",
        esc(value),
        esc(note)
    );
}

/// Counts how often a span of leadership follows one of another node or ballot: some systems tell
/// no ballots.
pub(super) fn leader_changes(summary: &RunSummary) -> usize {
    changes(&summary.leaders)
}

fn changes(leaders: &[LeaderSpan]) -> usize {
    let of = |span: &LeaderSpan| (span.node, span.ballot.clone());
    leaders.windows(2).filter(|pair| of(&pair[0]) != of(&pair[1])).count()
}

/// Returns the class that gives the banner its colour.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Violation | Verdict::NotServed => "violation",
        Verdict::Unknown => "unknown",
        Verdict::Void => "void",
        Verdict::Interrupted => "interrupted",
    }
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => {
            "The history is correct, and enough was exercised for that to mean something."
        }
        Verdict::Violation => {
            "The clients saw, or the nodes hold, something that breaks a promise."
        }
        Verdict::NotServed => {
            "All faults were healed, and the system did not serve again in the time that it has."
        }
        Verdict::Unknown => "The checker ran out of its budget before it could decide.",
        Verdict::Void => "Too little was exercised for this run to mean anything.",
        Verdict::Interrupted => "The run was ended early; nothing is claimed about it.",
    }
}

fn meaning_of_history(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "The history is linearizable: some order explains every answer.",
        Verdict::Violation => "No order of the operations explains what the clients saw.",
        Verdict::Unknown => "The history was not judged to its end.",
        Verdict::Void => "The history cannot carry a verdict.",
        Verdict::NotServed | Verdict::Interrupted => "The history was not judged.",
    }
}

/// Returns the drawing of a verdict: a tick, a cross in an octagon, a question, a dash, two bars.
fn icon(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "<circle cx=\"24\" cy=\"24\" r=\"22\"/><path d=\"M13 25l8 8 15-17\"/>",
        Verdict::Violation | Verdict::NotServed => {
            "<path class=\"f\" d=\"M15 2h18l13 13v18L33 46H15L2 33V15z\"/>\
             <path d=\"M16 16l16 16M32 16L16 32\"/>"
        }
        Verdict::Unknown => {
            "<path class=\"f\" d=\"M24 2l22 22-22 22L2 24z\"/>\
             <path d=\"M18 19a6 6 0 1 1 9 5c-2 1.5-3 2.5-3 5M24 34v1\"/>"
        }
        Verdict::Void => {
            "<rect x=\"3\" y=\"3\" width=\"42\" height=\"42\" rx=\"6\"/><path d=\"M14 24h20\"/>"
        }
        Verdict::Interrupted => {
            "<rect x=\"3\" y=\"3\" width=\"42\" height=\"42\" rx=\"21\"/>\
             <path d=\"M18 15v18M30 15v18\"/>"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_node_or_another_ballot_is_another_leader() {
        let span = |node: u16, ballot: &str| {
            let (ballot, start_ns, end_ns) = (ballot.to_owned(), 0, 1);
            LeaderSpan { node, ballot, start_ns, end_ns }
        };
        let told = [span(1, "1.1"), span(1, "1.1"), span(1, "2.1"), span(2, "3.2")];
        assert_eq!(changes(&told), 2);
        assert_eq!(changes(&[span(1, ""), span(2, ""), span(1, "")]), 2, "no ballots are told");
    }
}
