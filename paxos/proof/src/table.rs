//! The table that is printed: a row for each claim, a column for each action.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::asked::{Asked, alternations, is_beside, way};
use crate::model::Model;
use crate::query::{Kind, Query};

/// Gives the table of a model, and a summary below it.
pub(crate) fn of_queries(model: &Model, asked: &[Asked]) -> String {
    let mut text =
        format!("{}: seconds of z3; a dot: the step changes nothing in it\n", model.name);
    let columns: Vec<String> = model.actions.iter().map(|a| a.name.to_string()).collect();
    let width = rows(asked).iter().map(|(row, _)| row.len()).max().unwrap_or_default();
    let head = columns.iter().map(|name| format!(" {name:>8}")).collect::<String>();
    let _ = writeln!(text, "  {:width$} {:>5}{head}", "", "init");
    for (row, cells) in rows(asked) {
        let _ = write!(text, "  {row:width$} {:>5}", cell(cells.get("")));
        for name in &columns {
            let _ = write!(text, " {:>1$}", cell(cells.get(name.as_str())), name.len().max(8));
        }
        text.push('\n');
    }
    for asked in asked.iter().filter(|asked| is_beside(asked.query.kind)) {
        let words = words(model, &asked.query);
        let _ = writeln!(text, "  {} {}  {words}", cell(Some(&vec![asked])), asked.query.name());
    }
    text.push_str(&summary(model, asked));
    text
}

type Cells<'a> = BTreeMap<&'a str, Vec<&'a Asked>>;

/// Gives the rows in the order of the model, each with its answers by action.
fn rows(asked: &[Asked]) -> Vec<(String, Cells<'_>)> {
    let mut rows: Vec<(String, Cells<'_>)> = Vec::new();
    let mut last = Cells::new();
    for asked in asked.iter().filter(|asked| !is_beside(asked.query.kind)) {
        if asked.query.kind == Kind::Can {
            last.entry(&asked.query.action).or_default().push(asked);
            continue;
        }
        let row = match rows.iter_mut().find(|(row, _)| *row == asked.query.claim) {
            Some((_, cells)) => cells,
            None => {
                rows.push((asked.query.claim.clone(), Cells::new()));
                &mut rows.last_mut().expect("a row was pushed").1
            }
        };
        row.entry(&asked.query.action).or_default().push(asked);
    }
    if !last.is_empty() {
        rows.push(("(can happen)".into(), last));
    }
    rows
}

/// Gives one cell: the time of all its queries, or that one of them is not as expected.
fn cell(asked: Option<&Vec<&Asked>>) -> String {
    let Some(asked) = asked else { return ".".into() };
    if asked.iter().any(|asked| !asked.is_good()) {
        return "FAILS".into();
    }
    let took: Duration = asked.iter().map(|asked| asked.z3.took).sum();
    format!("{:.2}", took.as_secs_f64())
}

/// Gives the plain words of the claim that a query is about.
fn words<'m>(model: &'m Model, query: &Query) -> &'m str {
    let claims = match query.kind {
        Kind::Lemma => &model.lemmas,
        Kind::Safe => &model.safety,
        Kind::Witness => &model.witnesses,
        Kind::Step => &model.steps,
        Kind::Init | Kind::Split | Kind::Keep | Kind::Can => &model.invariants,
    };
    let claim = claims.iter().find(|claim| claim.name == *query.claim);
    claim.map_or("", |claim| claim.words.as_str())
}

fn summary(model: &Model, asked: &[Asked]) -> String {
    let good = asked.iter().filter(|asked| asked.is_good()).count();
    let (invariants, all) = (model.invariants.len(), asked.len());
    let mut text =
        format!("  {invariants} invariants, {all} queries, {good} answered as expected\n");
    let z3 = asked.iter().map(|asked| (asked.z3.took, asked));
    text.push_str(&times("z3", z3));
    let cvc5 = asked.iter().filter_map(|asked| Some((asked.cvc5.as_ref()?.took, asked)));
    text.push_str(&times("cvc5", cvc5));
    let order = alternations(model, asked).order(&model.sorts);
    let _ = writeln!(text, "  decidable: {}", way(&order));
    for outside in &model.outside {
        let _ = writeln!(text, "  outside the fragment: {}: {}", outside.query, outside.reason);
    }
    text
}

/// Gives what a solver took, in all and for its slowest query.
fn times<'a>(solver: &str, took: impl Iterator<Item = (Duration, &'a Asked)>) -> String {
    let mut all = Duration::ZERO;
    let mut slowest: Option<(Duration, String)> = None;
    for (time, asked) in took {
        all += time;
        if slowest.as_ref().is_none_or(|(most, _)| *most < time) {
            slowest = Some((time, asked.query.name()));
        }
    }
    let Some((most, name)) = slowest else { return String::new() };
    let (all, most) = (all.as_secs_f64(), most.as_secs_f64());
    format!("  {solver}: {all:.1} s, the slowest {most:.2} s for {name}\n")
}
