//! What no history tells: said of the page of a history alone, in place of what a run has there.
//!
//! A section that is empty would read as "nothing happened". The claim kept true: of what is not
//! known the page says so, and where it would be.

use super::html::{Html, put};

/// Writes the section.
pub(super) fn write(html: &mut Html) {
    html.raw(
        "<section id=\"absent\" aria-labelledby=\"absent-h\">\
         <h2 id=\"absent-h\">What a history alone does not tell</h2>\
         <p>This page was made from a history, and not from a run. Of the following nothing is \
         known here, which does not mean that there was none:</p><ul class=\"absent\">",
    );
    for (what, instead) in ABSENT {
        put!(html, "<li><b>{what}</b> {instead}</li>");
    }
    html.raw("</ul></section>");
}

const ABSENT: [(&str, &str); 5] = [
    ("Faults.", "Whether anything was broken while the operations went on, and with what effect."),
    ("Leaders and links.", "Who led when, and what passed between the nodes or did not."),
    ("Nodes and their logs.", "Whether a process ended by itself, or wrote of a crash."),
    (
        "What is left after the faults.",
        "Whether all nodes served again, with equal states, and whether what was acknowledged is \
         still there.",
    ),
    (
        "What was asked of a run.",
        "Whether it met enough faults, reads and changes to mean anything: a PASS here says that \
         the answers agree, and not that the system was tried.",
    ),
];
