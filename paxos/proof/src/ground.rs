//! Formulas over finitely many named elements: quantifiers become conjunctions and disjunctions.

use std::collections::BTreeMap;

use crate::formula::{Formula, Name, Quantifier, Term, Variable};
use crate::rewrite::{Terms, replaced};

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
            // A variable that is bound again in here is another one of the same name, and is not
            // replaced.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::model::Model;
    use crate::smt::written;

    #[test]
    fn for_all_becomes_and_and_for_some_becomes_or() {
        let text = "(model A) (sort m n) (rel r (m n)) \
            (axiom x (forall ((a m)) (exists ((b n)) (r a b))))";
        let model = Model::read("a.epr", text).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| Name::new(name)).collect::<Vec<_>>();
        let universe = Universe::from([
            (Name::new("m"), names(&["a1"])),
            (Name::new("n"), names(&["b1", "b2"])),
        ]);
        let ground = grounded(model.axioms[0].formula.clone(), &universe);
        assert_eq!(written(&ground), "(and (or (r a1 b1) (r a1 b2)))");
    }
}
