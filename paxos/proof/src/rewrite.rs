//! Rewrites formulas: puts terms in for variables, definitions and updates in for their names, and
//! switches in as true or false.
//!
//! Bound variables are renamed apart whenever a formula is copied, so that no term that is put in
//! is captured. The fresh names have an exclamation mark, which no name of a model has.

use std::collections::{BTreeMap, BTreeSet};

use crate::formula::{Formula, Name, Predicate, Term, Variable};
use crate::model::{Model, Relation, Update};

/// Which terms stand for which variables.
pub(crate) type Terms = BTreeMap<Name, Term>;

/// Rewrites formulas of one model.
pub(crate) struct Rewriter<'m> {
    model: &'m Model,
    fresh: usize,
}

impl<'m> Rewriter<'m> {
    pub(crate) fn new(model: &'m Model) -> Self {
        Self { model, fresh: 0 }
    }

    /// Puts the definitions in for their names, until none is left.
    pub(crate) fn expand(&mut self, formula: Formula) -> Formula {
        if let Formula::Holds(Predicate::Defined(name), given) = &formula
            && let Some(definition) = self.model.definition(name)
        {
            let body = self.instance(&definition.body, &definition.parameters, given);
            return self.expand(body);
        }
        formula.map_parts(|part| self.expand(part))
    }

    /// Gives what a formula says of the state after a step with these updates. Where the formula
    /// has primes, it speaks of both states, and only what is primed is of the later one.
    pub(crate) fn after(&mut self, formula: &Formula, updates: &[Update]) -> Formula {
        let mut primed = false;
        formula.walk(&mut |part| {
            primed |= matches!(part, Formula::Holds(Predicate::Next(_), _));
        });
        // The variables of the formula are renamed first: an update names the action's parameters.
        let expanded = self.expand(formula.clone());
        let apart = self.substitute(&expanded, &Terms::new());
        let after = self.updated(apart, updates, primed);
        self.expand(after)
    }

    fn updated(&mut self, formula: Formula, updates: &[Update], primed: bool) -> Formula {
        let later = match &formula {
            Formula::Holds(Predicate::Next(name), given) => Some((name, given)),
            Formula::Holds(Predicate::State(name), given) => {
                Some((name, given)).filter(|_| !primed)
            }
            Formula::Holds(..)
            | Formula::Constant(_)
            | Formula::Equal(..)
            | Formula::Not(_)
            | Formula::And(_)
            | Formula::Or(_)
            | Formula::Implies(..)
            | Formula::Same(..)
            | Formula::If(..)
            | Formula::Quantified(..) => None,
        };
        let Some((name, given)) = later else {
            return formula.map_parts(|part| self.updated(part, updates, primed));
        };
        match updates.iter().find(|update| update.relation == *name) {
            Some(update) => self.instance(&update.body, &update.variables, given),
            None => Formula::Holds(Predicate::State(name.clone()), given.clone()),
        }
    }

    /// Puts `given` in for the variables of a body, and its definitions for their names.
    fn instance(&mut self, body: &Formula, variables: &[Variable], given: &[Term]) -> Formula {
        let names = variables.iter().map(|variable| variable.name.clone());
        let terms = names.zip(given.iter().cloned()).collect();
        self.substitute(body, &terms)
    }

    /// Puts terms in for free variables, and renames bound ones apart.
    pub(crate) fn substitute(&mut self, formula: &Formula, terms: &Terms) -> Formula {
        match formula {
            Formula::Holds(predicate, given) => {
                let given = given.iter().map(|term| replaced(term, terms)).collect();
                Formula::Holds(predicate.clone(), given)
            }
            Formula::Equal(left, right) => {
                Formula::Equal(replaced(left, terms), replaced(right, terms))
            }
            Formula::Quantified(quantifier, variables, body) => {
                let mut inner = terms.clone();
                let renamed = variables.iter().map(|variable| {
                    let name = self.fresh_name(&variable.name);
                    inner.insert(variable.name.clone(), Term::Variable(name.clone()));
                    Variable { name, sort: variable.sort.clone() }
                });
                let renamed = renamed.collect();
                Formula::Quantified(*quantifier, renamed, self.substitute(body, &inner).into())
            }
            Formula::Constant(_)
            | Formula::Not(_)
            | Formula::And(_)
            | Formula::Or(_)
            | Formula::Implies(..)
            | Formula::Same(..)
            | Formula::If(..) => formula.clone().map_parts(|part| self.substitute(&part, terms)),
        }
    }

    fn fresh_name(&mut self, name: &Name) -> Name {
        // Without the number of an earlier renaming, or a name would grow with each.
        self.fresh += 1;
        let base = name.as_str().split('!').next().unwrap_or_default();
        Name::new(&format!("{base}!{}", self.fresh))
    }
}

/// Puts terms in the place of variables.
pub(crate) fn replaced(term: &Term, terms: &Terms) -> Term {
    match term {
        Term::Variable(name) => terms.get(name).unwrap_or(term).clone(),
        Term::Constant(_) => term.clone(),
        Term::Apply(function, given) => {
            let given = given.iter().map(|term| replaced(term, terms)).collect();
            Term::Apply(function.clone(), given)
        }
    }
}

/// Puts the switches in, of which `broken` alone is on, and removes what is true or false for sure.
pub(crate) fn simplify(formula: Formula, broken: Option<&str>) -> Formula {
    match formula.map_parts(|part| simplify(part, broken)) {
        Formula::Holds(Predicate::Switch(name), _) => {
            Formula::Constant(broken == Some(name.as_str()))
        }
        Formula::And(parts) => joined(parts, true),
        Formula::Or(parts) => joined(parts, false),
        Formula::Not(one) => negation(*one),
        Formula::Implies(left, right) => implication(*left, *right),
        Formula::If(_, yes, no) if yes == no => *yes,
        Formula::If(condition, yes, no) => conditional(*condition, yes, no),
        Formula::Equal(left, right) if left == right => Formula::Constant(true),
        Formula::Same(left, right) if left == right => Formula::Constant(true),
        // This rests on every sort having an element: in an empty one nothing would exist, whatever
        // is said of it.
        Formula::Quantified(_, _, body) if matches!(*body, Formula::Constant(_)) => *body,
        other @ (Formula::Constant(_)
        | Formula::Holds(..)
        | Formula::Equal(..)
        | Formula::Same(..)
        | Formula::Quantified(..)) => other,
    }
}

fn conditional(condition: Formula, yes: Box<Formula>, no: Box<Formula>) -> Formula {
    if let Formula::Constant(known) = condition {
        return if known { *yes } else { *no };
    }
    Formula::If(condition.into(), yes, no)
}

/// Joins parts by `and`, whose unit is true, or by `or`, whose unit is false.
fn joined(parts: Vec<Formula>, unit: bool) -> Formula {
    if parts.contains(&Formula::Constant(!unit)) {
        return Formula::Constant(!unit);
    }
    let mut parts: Vec<Formula> =
        parts.into_iter().filter(|part| *part != Formula::Constant(unit)).collect();
    match (parts.len(), unit) {
        (0, _) => Formula::Constant(unit),
        (1, _) => parts.remove(0),
        (_, true) => Formula::And(parts),
        (_, false) => Formula::Or(parts),
    }
}

fn negation(formula: Formula) -> Formula {
    if let Formula::Constant(known) = formula {
        return Formula::Constant(!known);
    }
    if let Formula::Not(inner) = formula { *inner } else { formula.negated() }
}

fn implication(left: Formula, right: Formula) -> Formula {
    match (left, right) {
        (Formula::Constant(true), right) => right,
        (Formula::Constant(false), _) | (_, Formula::Constant(true)) => Formula::Constant(true),
        (left, Formula::Constant(false)) => negation(left),
        (left, right) => Formula::Implies(left.into(), right.into()),
    }
}

/// Gives the names of the relations that updates change.
pub(crate) fn changed(updates: &[Update]) -> BTreeSet<Name> {
    updates.iter().map(|update| update.relation.clone()).collect()
}

/// Gives a flag as a relation without places.
pub(crate) fn flag_relation(flag: &Name) -> Relation {
    Relation { name: flag.clone(), sorts: Vec::new() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::formula::Quantifier;
    use crate::smt::written;

    const TEXT: &str = "(model A) (sort n) (switch s) (rel r (n n)) (state p (n)) (state q (n n))
        (define some ((a n)) (exists ((b n)) (r a b)))
        (axiom x (forall ((b n)) (some b)))
        (action Step ((a n)) (guard (or s (p a))) (put p (x) (exists ((c n)) (r x c)))
          (put q (a y) (some y)))
        (invariant i (forall ((c n)) (p c)))
        (invariant j (forall ((a n) (b n)) (=> (q a b) (p a))))
        (step k (forall ((a n)) (=> (p a) (p' a))))
        (must-fail s keep.i.Step)";

    #[test]
    fn a_definition_captures_nothing() {
        let model = Model::read("a.epr", TEXT).unwrap();
        let expanded = Rewriter::new(&model).expand(model.axioms[0].formula.clone());
        assert_eq!(written(&expanded), "(forall ((b n)) (exists ((b!1 n)) (r b b!1)))");
    }

    #[test]
    fn after_a_step_a_relation_is_what_its_update_says() {
        let model = Model::read("a.epr", TEXT).unwrap();
        let updates = &model.actions[0].updates;
        let after = |formula| simplify(Rewriter::new(&model).after(formula, updates), None);
        assert_eq!(
            written(&after(&model.invariants[0].formula)),
            "(forall ((c!1 n)) (exists ((c!2 n)) (r c!1 c!2)))"
        );
        // The invariant has a variable `a` of its own, which is not the action's parameter.
        assert_eq!(
            written(&after(&model.invariants[1].formula)),
            "(forall ((a!1 n) (b!2 n)) (=> (ite (= a!1 a) (exists ((b!4 n)) (r b!2 b!4)) \
             (q a!1 b!2)) (exists ((c!3 n)) (r a!1 c!3))))"
        );
        assert_eq!(
            written(&after(&model.steps[0].formula)),
            "(forall ((a!1 n)) (=> (p a!1) (exists ((c!2 n)) (r a!1 c!2))))"
        );
    }

    #[test]
    fn a_switch_that_is_on_makes_a_guard_vanish() {
        let model = Model::read("a.epr", TEXT).unwrap();
        let guard = &model.actions[0].guards[0];
        assert_eq!(simplify(guard.clone(), Some("s")), Formula::Constant(true));
        assert_eq!(written(&simplify(guard.clone(), None)), "(p a)");
        let all = Formula::Quantified(Quantifier::Forall, vec![], Formula::Constant(true).into());
        assert_eq!(simplify(all, None), Formula::Constant(true));
    }
}
