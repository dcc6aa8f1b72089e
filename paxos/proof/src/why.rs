//! Shows one query: what it asserts, where its quantifiers lead, and what its proof needs.

use std::fmt::Write as _;

use crate::asked::way;
use crate::failure::Failure;
use crate::model::Model;
use crate::query::{Answer, Query, queries};
use crate::smt::{script, written};
use crate::solver::{Bounds, Solver};
use crate::story;

/// Finds a query by its name, in the one model that has it.
pub(crate) fn find<'m>(
    models: &'m [Model],
    name: &str,
    broken: Option<&'m str>,
) -> Result<(&'m Model, Query), Failure> {
    let mut found = Vec::new();
    let mut near = Vec::new();
    for model in models {
        for query in queries(model, broken) {
            if query.name() == name {
                found.push((model, query));
            } else if query.name().starts_with(name) || query.claim == name {
                near.push(format!("{} {}", model.name, query.name()));
            }
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 if near.is_empty() => {
            let remedy = "the names are such as keep.SafeAt.Phase2a, init.SafeAt, safe.Agreement, \
                can.Phase2b, witness.two_slots";
            Err(Failure::Usage(format!("no query `{name}`; {remedy}")))
        }
        0 => {
            let near = near.join("\n  ");
            Err(Failure::Usage(format!("no query `{name}`; there are:\n  {near}")))
        }
        _ => {
            let models: Vec<&str> = found.iter().map(|(model, _)| model.name.as_str()).collect();
            let models = models.join(", ");
            Err(Failure::Usage(format!("`{name}` is a query of {models}; name one of them")))
        }
    }
}

/// Gives the text about a query.
pub(crate) fn explain(model: &Model, query: &Query, bounds: Bounds) -> Result<String, Failure> {
    let mut text = format!("{} {}\n", model.name, query.name());
    for assertion in &query.assertions {
        let _ = writeln!(text, "  {}\n    {}", assertion.origin, written(&assertion.formula));
    }
    let alternations = query.alternations(model);
    text.push_str("where its quantifiers and functions lead:\n");
    for (from, to, origins) in alternations.edges() {
        let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
        let _ = writeln!(text, "  {from} -> {to}: {}", origins.join(", "));
    }
    match alternations.cycle() {
        Some(cycle) => {
            let _ = writeln!(text, "undecidable: {}", way(&cycle));
        }
        None => {
            let _ = writeln!(text, "decidable: {}", way(&alternations.order(&model.sorts)));
        }
    }
    text.push_str(&answered(model, query, bounds)?);
    Ok(text)
}

/// Asks, and tells what the refutation needs or what contradicts it.
fn answered(model: &Model, query: &Query, bounds: Bounds) -> Result<String, Failure> {
    let options = "(set-option :produce-unsat-cores true)\n";
    let asked = script(model, query, true);
    // What a solver may say comes after its answer: an error if it has no core to tell.
    let reply =
        Solver::Z3.ask(&format!("{options}{asked}(check-sat)\n(get-unsat-core)\n"), bounds)?;
    let seconds = reply.took.as_secs_f64();
    match reply.answer {
        None => Ok(format!("z3 came to no answer in {seconds:.1} s\n")),
        Some(Answer::Sat) if query.expected == Answer::Sat => {
            Ok(format!("sat, as expected, in {seconds:.2} s\n"))
        }
        Some(Answer::Sat) => {
            Ok(format!("sat in {seconds:.2} s\n{}", story::told(model, query, bounds)?))
        }
        Some(Answer::Unsat) => {
            let mut text = format!("unsat in {seconds:.2} s, by these alone:\n");
            for name in reply.rest.split(['(', ')', ' ', '\n']).filter(|name| !name.is_empty()) {
                let at = name.strip_prefix("assertion.").and_then(|at| at.parse::<usize>().ok());
                if let Some(assertion) = at.and_then(|at| query.assertions.get(at)) {
                    let _ = writeln!(text, "  {}", assertion.origin);
                }
            }
            Ok(text)
        }
    }
}
