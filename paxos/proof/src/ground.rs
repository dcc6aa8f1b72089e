//! Formulas over finitely many named elements: quantifiers become conjunctions and disjunctions.

use std::collections::BTreeMap;

use crate::formula::{Formula, Name, Quantifier, Term, Variable};
use crate::rewrite::Terms;

/// The names of all elements of each sort.
pub(crate) type Universe = BTreeMap<Name, Vec<Name>>;

/// Gives every way to choose an element for each variable.
pub(crate) fn assignments(
    variables: &[Variable],
    universe: &Universe,
) -> Vec<BTreeMap<Name, Name>> {
    let mut all = vec![BTreeMap::new()];
    for Variable { name, sort } in variables {
        let elements = universe.get(sort).map_or(&[][..], Vec::as_slice);
        all = all
            .into_iter()
            .flat_map(|chosen| {
                elements.iter().map(move |element| {
                    let mut chosen = chosen.clone();
                    chosen.insert(name.clone(), element.clone());
                    chosen
                })
            })
            .collect();
    }
    all
}

/// Gives a formula without quantifiers that says the same of these elements.
pub(crate) fn grounded(formula: Formula, universe: &Universe) -> Formula {
    let Formula::Quantified(quantifier, variables, body) = formula else {
        return formula.map_parts(|part| grounded(part, universe));
    };
    let parts = assignments(&variables, universe).into_iter().map(|chosen| {
        let terms = chosen.into_iter().map(|(name, element)| (name, Term::Constant(element)));
        grounded(put_in(&body, &terms.collect()), universe)
    });
    match quantifier {
        Quantifier::Forall => Formula::And(parts.collect()),
        Quantifier::Exists => Formula::Or(parts.collect()),
    }
}

/// Puts elements in for free variables; as elements are constants, nothing can be captured.
fn put_in(formula: &Formula, terms: &Terms) -> Formula {
    let replaced = |term: &Term| replaced(term, terms);
    match formula {
        Formula::Holds(predicate, given) => {
            Formula::Holds(predicate.clone(), given.iter().map(replaced).collect())
        }
        Formula::Equal(left, right) => Formula::Equal(replaced(left), replaced(right)),
        Formula::Quantified(quantifier, variables, body) => {
            let mut inner = terms.clone();
            variables.iter().for_each(|variable| {
                inner.remove(&variable.name);
            });
            Formula::Quantified(*quantifier, variables.clone(), put_in(body, &inner).into())
        }
        Formula::Constant(_)
        | Formula::Not(_)
        | Formula::And(_)
        | Formula::Or(_)
        | Formula::Implies(..)
        | Formula::Same(..)
        | Formula::If(..) => formula.clone().map_parts(|part| put_in(&part, terms)),
    }
}

fn replaced(term: &Term, terms: &Terms) -> Term {
    match term {
        Term::Variable(name) => terms.get(name).unwrap_or(term).clone(),
        Term::Constant(_) => term.clone(),
        Term::Apply(function, given) => {
            let given = given.iter().map(|term| replaced(term, terms)).collect();
            Term::Apply(function.clone(), given)
        }
    }
}
