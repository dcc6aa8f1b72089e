//! What a run was asked, one thing after the other, and the answer to each.
//!
//! Judging is the runner's. The claim kept true: what was not asked is never told as what is right.

use serde::{Deserialize, Serialize};

use super::html::{Html, clip, esc, put};
use crate::Verdict;

/// One thing that a run was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What has to hold, as a sentence.
    pub name: String,
    /// Which verdict it leads to where it does not hold.
    pub leads_to: Verdict,
    /// The answer.
    pub outcome: CheckOutcome,
}

/// The answer to a [`Check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It holds.
    Ok,
    /// It does not hold, for these reasons, one sentence each.
    Failed(Vec<String>),
    /// Nobody looked, and why.
    NotAsked(String),
}

impl CheckOutcome {
    /// Returns the word that tables show.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(_) => "failed",
            Self::NotAsked(_) => "not asked",
        }
    }

    /// Returns what is to be said besides: the first reason, and how many more there are.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Ok => String::new(),
            Self::NotAsked(why) => why.clone(),
            Self::Failed(reasons) => match reasons.as_slice() {
                [] => String::new(),
                [only] => only.clone(),
                [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
            },
        }
    }
}

/// Writes the table of the checks.
pub(super) fn write(html: &mut Html, checks: &[Check], letters: usize) {
    if checks.is_empty() {
        return;
    }
    html.raw(
        "<table class=\"asked\"><caption>What was asked, and the answers</caption><thead><tr>\
         <th scope=\"col\">What has to hold</th><th scope=\"col\">Answer</th>\
         <th scope=\"col\" class=\"wide\">Without it</th></tr></thead><tbody>",
    );
    for Check { name, leads_to, outcome } in checks {
        let class = match outcome {
            CheckOutcome::Ok => "yes",
            CheckOutcome::Failed(_) => "no",
            CheckOutcome::NotAsked(_) => "rest",
        };
        let reason = outcome.reason();
        let colon = if reason.is_empty() { "" } else { ": " };
        put!(
            html,
            "<tr class=\"{class}\"><th scope=\"row\">{}</th><td>{}{colon}{}</td>\
             <td class=\"wide\">{}</td></tr>",
            esc(name),
            outcome.word(),
            esc(&clip(&reason, letters)),
            leads_to.word()
        );
    }
    html.raw("</tbody></table>");
}
