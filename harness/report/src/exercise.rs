//! What a verdict rests on: how much was asked, of whom, and how much of it while faults went on.
//!
//! A runner counts it and judges whether it is enough; this is how it is written down, and shown in
//! words and on the page. Claim kept true: an operation belongs to every fault that it overlapped.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::html::{Html, esc, put};

/// What was exercised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercise {
    /// What happened in the whole run.
    pub all: Exercised,
    /// What happened while at least one fault went on.
    pub in_faults: Exercised,
    /// What happened during each fault, in the order of the faults.
    pub faults: Vec<Exercised>,
    /// Of the clients that ask one node alone: what they asked of each, by its number.
    pub nodes: Vec<(u16, Exercised)>,
    /// What those asked that follow whoever leads.
    pub followers: Exercised,
    /// Operations that were ok of the least, the middle and the busiest key.
    pub ok_per_key: (u64, u64, u64),
    /// How many keys there were.
    pub keys: u64,
}

/// How operations ended, and what they saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercised {
    /// They took effect.
    pub ok: u64,
    /// Nobody knows whether they did.
    pub unknown: u64,
    /// Reads that saw a value.
    pub reads: u64,
    /// Of these, reads that overlapped a change of their key.
    pub overlapped: u64,
}

impl Exercise {
    /// Returns how many faults had an operation that took effect, or may have.
    #[must_use]
    pub fn faults_felt(&self) -> usize {
        self.faults.iter().filter(|fault| fault.ok + fault.unknown > 0).count()
    }
}

impl fmt::Display for Exercise {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, in_faults, faults, ok_per_key: (least, middle, most), .. } = self;
        write!(out, "all: {all}; during faults: {in_faults}, in {} of {}", self.faults_felt(), faults.len())?;
        write!(out, "; {} keys of {least} to {most} ok, {middle} at the median", self.keys)?;
        for (node, asked) in &self.nodes {
            write!(out, "; node {node} alone: {} ok, {} unknown", asked.ok, asked.unknown)?;
        }
        Ok(())
    }
}

impl fmt::Display for Exercised {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, unknown, reads, overlapped } = self;
        write!(
            out,
            "{ok} ok, {unknown} unknown, {reads} reads that saw a value, {overlapped} of them \
             beside a change"
        )
    }
}

/// Writes the table of what the verdict rests on.
pub(super) fn write(html: &mut Html, context: &Context<'_>) {
    let Some(exercise) = &context.summary.exercise else { return };
    html.raw(
        "<section id=\"exercise\" aria-labelledby=\"exercise-h\">\
         <h2 id=\"exercise-h\">What the verdict rests on</h2><div class=\"scroll\"><table>\
         <thead><tr><th scope=\"col\">When, or who was asked</th><th scope=\"col\">Ok</th>\
         <th scope=\"col\">Unknown</th><th scope=\"col\">Reads that saw a value</th>\
         <th scope=\"col\">Beside a change</th></tr></thead><tbody>",
    );
    row(html, "the whole run", &exercise.all);
    row(html, "while a fault went on", &exercise.in_faults);
    row(html, "asked of whoever leads", &exercise.followers);
    for (node, asked) in &exercise.nodes {
        row(html, &format!("asked of node {node} alone"), asked);
    }
    let spans = context.summary.faults.iter().zip(&exercise.faults);
    for (fault, seen) in spans.take(ROWS_MAX) {
        row(html, &format!("{} {}", fault.kind, super::html::clip(&fault.detail, 60)), seen);
    }
    html.raw("</tbody></table></div>");
    let (least, middle, most) = exercise.ok_per_key;
    put!(
        html,
        "<p>{} keys, each with {} to {} operations that were ok, {} at the median.</p></section>",
        exercise.keys,
        least,
        most,
        middle
    );
}

fn row(html: &mut Html, what: &str, seen: &Exercised) {
    let Exercised { ok, unknown, reads, overlapped } = seen;
    put!(
        html,
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        esc(what),
        ok,
        unknown,
        reads,
        overlapped
    );
}

/// Faults that the table has a row for; the file of the report has all.
const ROWS_MAX: usize = 60;
