//! Writes formulas and queries in SMT-LIB 2, the language of solvers.

use std::fmt::{self, Write as _};

use crate::formula::{Formula, Name, Predicate, Quantifier, Term, Variable};
use crate::model::Model;
use crate::query::Query;

/// Gives a formula as text.
pub(crate) fn written(formula: &Formula) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = formula.write(&mut text);
    text
}

impl Formula {
    fn write(&self, out: &mut String) -> fmt::Result {
        match self {
            Self::Constant(known) => write!(out, "{known}"),
            Self::Holds(predicate, terms) => write_applied(out, predicate.symbol(), terms),
            Self::Equal(left, right) => {
                write_list(out, "=", [left, right], |term, out| term.write(out))
            }
            Self::Not(one) => write_list(out, "not", [one], |part, out| part.write(out)),
            Self::And(parts) => write_list(out, "and", parts, Self::write),
            Self::Or(parts) => write_list(out, "or", parts, Self::write),
            Self::Implies(left, right) => {
                write_list(out, "=>", [left, right], |part, out| part.write(out))
            }
            Self::Same(left, right) => {
                write_list(out, "=", [left, right], |part, out| part.write(out))
            }
            Self::If(condition, yes, no) => {
                write_list(out, "ite", [condition, yes, no], |part, out| part.write(out))
            }
            Self::Quantified(quantifier, variables, body) => {
                let word = match quantifier {
                    Quantifier::Forall => "forall",
                    Quantifier::Exists => "exists",
                };
                let bound =
                    variables.iter().map(|Variable { name, sort }| format!("({name} {sort})"));
                write!(out, "({word} ({}) ", bound.collect::<Vec<_>>().join(" "))?;
                body.write(out)?;
                out.write_char(')')
            }
        }
    }
}

impl Term {
    pub(crate) fn write(&self, out: &mut String) -> fmt::Result {
        match self {
            Self::Variable(name) | Self::Constant(name) => out.write_str(name.as_str()),
            Self::Apply(function, terms) => write_applied(out, function, terms),
        }
    }
}

impl Predicate {
    /// Gives the name by which a solver knows it.
    fn symbol(&self) -> &Name {
        match self {
            Self::Rigid(name)
            | Self::State(name)
            | Self::Next(name)
            | Self::Free(name)
            | Self::Flag(name)
            | Self::Switch(name)
            | Self::Defined(name) => name,
        }
    }
}

fn write_applied(out: &mut String, name: &Name, terms: &[Term]) -> fmt::Result {
    if terms.is_empty() {
        return out.write_str(name.as_str());
    }
    write_list(out, name.as_str(), terms, Term::write)
}

fn write_list<'p, P: 'p>(
    out: &mut String,
    head: &str,
    parts: impl IntoIterator<Item = &'p P>,
    write: impl Fn(&'p P, &mut String) -> fmt::Result,
) -> fmt::Result {
    write!(out, "({head}")?;
    for part in parts {
        out.write_char(' ')?;
        write(part, out)?;
    }
    out.write_char(')')
}

/// Gives the declarations and assertions of a query, without the commands that ask.
pub(crate) fn script(model: &Model, query: &Query, named: bool) -> String {
    let mut text = String::from("(set-logic UF)\n");
    // Writing to a string cannot fail.
    let _ = declarations(&mut text, model, query);
    for (at, assertion) in query.assertions.iter().enumerate() {
        let formula = written(&assertion.formula);
        let _ = match named {
            true => writeln!(text, "(assert (! {formula} :named assertion.{at}))"),
            false => writeln!(text, "(assert {formula})"),
        };
    }
    text
}

fn declarations(out: &mut String, model: &Model, query: &Query) -> fmt::Result {
    for sort in &model.sorts {
        writeln!(out, "(declare-sort {sort} 0)")?;
    }
    for Variable { name, sort } in model.constants.iter().chain(&query.constants) {
        writeln!(out, "(declare-fun {name} () {sort})")?;
    }
    for function in &model.functions {
        let sorts = joined(&function.sorts);
        writeln!(out, "(declare-fun {} ({sorts}) {})", function.name, function.result)?;
    }
    for relation in model.relations.iter().chain(&model.state).chain(&query.relations) {
        writeln!(out, "(declare-fun {} ({}) Bool)", relation.name, joined(&relation.sorts))?;
    }
    Ok(())
}

fn joined(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(" ")
}
