//! The graph of alternations of a query, which says whether the query is decidable.
//!
//! An existential below a universal, and a function, lead from sort to sort: each element of the
//! one may call for an element of the other. Where no way leads back to the sort that it began at,
//! a finite number of elements is all that can be called for, and a solver ends with an answer:
//! this is the fragment called effectively propositional, with stratified functions.

use std::collections::{BTreeMap, BTreeSet};

use crate::formula::{Formula, Name, Quantifier, Term};
use crate::model::Model;

/// From which sort to which, and by which assertions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alternations {
    edges: BTreeMap<(Name, Name), BTreeSet<String>>,
}

impl Alternations {
    /// Takes in what an asserted formula without definitions leads to.
    pub(crate) fn add(&mut self, model: &Model, formula: &Formula, origin: &str) {
        let mut walk = Walk { model, origin, edges: &mut self.edges };
        walk.formula(formula, true, &BTreeSet::new());
    }

    /// Takes in all of another graph.
    pub(crate) fn join(&mut self, other: &Self) {
        for (edge, origins) in &other.edges {
            self.edges.entry(edge.clone()).or_default().extend(origins.iter().cloned());
        }
    }

    /// Gives the edges with what causes them.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&Name, &Name, &BTreeSet<String>)> {
        self.edges.iter().map(|((from, to), origins)| (from, to, origins))
    }

    /// Finds a way that leads back to where it began, if there is one.
    pub(crate) fn cycle(&self) -> Option<Vec<Name>> {
        let sorts: BTreeSet<&Name> = self.edges.keys().map(|(from, _)| from).collect();
        let mut done = BTreeSet::new();
        sorts.into_iter().find_map(|sort| self.way_back(sort, &mut Vec::new(), &mut done))
    }

    fn way_back<'g>(
        &'g self,
        sort: &'g Name,
        path: &mut Vec<&'g Name>,
        done: &mut BTreeSet<&'g Name>,
    ) -> Option<Vec<Name>> {
        if let Some(at) = path.iter().position(|passed| *passed == sort) {
            return Some(path[at..].iter().copied().chain([sort]).cloned().collect());
        }
        // All that leads on from there was followed before, and nothing led back.
        if done.contains(sort) {
            return None;
        }
        path.push(sort);
        let next = self.edges.keys().filter(|(from, _)| from == sort).map(|(_, to)| to);
        let found = next.into_iter().find_map(|to| self.way_back(to, path, done));
        path.pop();
        done.insert(sort);
        found
    }

    /// Gives the sorts in an order in which every edge leads to a later one; only without a cycle.
    pub(crate) fn order(&self, sorts: &[Name]) -> Vec<Name> {
        let mut rest: Vec<Name> = sorts.to_vec();
        let mut order = Vec::new();
        while !rest.is_empty() {
            let entered = |sort: &Name| {
                self.edges.keys().any(|(from, to)| to == sort && from != to && rest.contains(from))
            };
            // Within a cycle each sort is entered from another; then any of them may come first.
            let at = rest.iter().position(|sort| !entered(sort)).unwrap_or_default();
            order.push(rest.remove(at));
        }
        order
    }
}

struct Walk<'a> {
    model: &'a Model,
    origin: &'a str,
    edges: &'a mut BTreeMap<(Name, Name), BTreeSet<String>>,
}

impl Walk<'_> {
    /// Adds an edge from each sort that is universal around to each that is existential inside.
    fn formula(&mut self, formula: &Formula, positive: bool, around: &BTreeSet<Name>) {
        formula.terms().into_iter().for_each(|term| self.term(term));
        match formula {
            Formula::Quantified(quantifier, variables, body) => {
                let universal = (*quantifier == Quantifier::Forall) == positive;
                let sorts = variables.iter().map(|variable| variable.sort.clone());
                if universal {
                    let around = around.iter().cloned().chain(sorts).collect();
                    return self.formula(body, positive, &around);
                }
                // With nothing universal around it one element is called for, however many there
                // are.
                for to in sorts {
                    around.iter().for_each(|from| self.edge(from, &to));
                }
                self.formula(body, positive, around);
            }
            Formula::Not(one) => self.formula(one, !positive, around),
            Formula::Implies(left, right) => {
                self.formula(left, !positive, around);
                self.formula(right, positive, around);
            }
            Formula::If(condition, yes, no) => {
                self.both_ways(condition, around);
                self.formula(yes, positive, around);
                self.formula(no, positive, around);
            }
            Formula::Same(left, right) => {
                self.both_ways(left, around);
                self.both_ways(right, around);
            }
            Formula::And(parts) | Formula::Or(parts) => {
                parts.iter().for_each(|part| self.formula(part, positive, around));
            }
            Formula::Constant(_) | Formula::Holds(..) | Formula::Equal(..) => {}
        }
    }

    /// A condition, and a side of an equivalence, is used as it is and negated.
    fn both_ways(&mut self, formula: &Formula, around: &BTreeSet<Name>) {
        self.formula(formula, true, around);
        self.formula(formula, false, around);
    }

    fn term(&mut self, term: &Term) {
        let Term::Apply(name, terms) = term else { return };
        if let Some(function) = self.model.function(name) {
            for from in function.sorts.clone() {
                self.edge(&from, &function.result.clone());
            }
        }
        terms.iter().for_each(|term| self.term(term));
    }

    fn edge(&mut self, from: &Name, to: &Name) {
        let origins = self.edges.entry((from.clone(), to.clone())).or_default();
        origins.insert(self.origin.to_owned());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn cycle(axioms: &str) -> Option<String> {
        let text = format!("(model A) (sort m n) (fun f (m) n) (rel r (m n)) {axioms}");
        let model = Model::read("a.epr", &text).unwrap();
        let mut graph = Alternations::default();
        for axiom in &model.axioms {
            graph.add(&model, &axiom.formula, axiom.name.as_str());
        }
        let cycle = graph.cycle()?;
        Some(cycle.iter().map(Name::as_str).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn one_way_is_no_cycle_and_two_ways_are() {
        let down = "(axiom a (forall ((x m)) (exists ((y n)) (r x y))))";
        assert_eq!(cycle(down), None);
        let up = "(axiom b (forall ((y n)) (exists ((x m)) (r x y))))";
        assert_eq!(cycle(&format!("{down} {up}")).as_deref(), Some("m n m"));
        let by_function = "(axiom c (forall ((y n)) (exists ((x m)) (= y (f x)))))";
        assert_eq!(cycle(by_function).as_deref(), Some("m n m"));
        let to_itself = "(axiom d (forall ((x m)) (exists ((y m)) (not (= x y)))))";
        assert_eq!(cycle(to_itself).as_deref(), Some("m m"));
    }

    #[test]
    fn a_negation_turns_quantifiers_and_a_condition_counts_both_ways() {
        let hidden = "(axiom a (not (exists ((x m)) (forall ((y n)) (r x y)))))";
        let back = "(axiom b (forall ((y n)) (exists ((x m)) (r x y))))";
        assert_eq!(cycle(&format!("{hidden} {back}")).as_deref(), Some("m n m"));
        let condition = "(axiom a (forall ((x m)) (ite (forall ((y n)) (r x y)) true false)))";
        assert_eq!(cycle(&format!("{condition} {back}")).as_deref(), Some("m n m"));
        let innocent = "(axiom a (forall ((x m)) (=> (exists ((y n)) (r x y)) true)))";
        assert_eq!(cycle(&format!("{innocent} {back}")), None);
    }
}
