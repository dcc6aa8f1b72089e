//! The questions that prove a model, one for each invariant and action, and those that show that
//! the proof is not vacuous.
//!
//! A query is a set of assertions and the answer that is expected of them: `unsat` where nothing
//! may contradict a claim, `sat` where something must be possible.

use std::fmt;

use crate::formula::{Formula, Name, Predicate, Quantifier, Variable};
use crate::fragment::Alternations;
use crate::model::{Action, Claim, Model, Relation};
use crate::rewrite::{Rewriter, changed, flag_relation, simplify};

/// What kind of question it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The invariants imply a lemma.
    Lemma,
    /// An invariant holds in every first state.
    Init,
    /// The cases of a query cover everything.
    Split,
    /// An action keeps an invariant.
    Keep,
    /// An action is a step as claimed.
    Step,
    /// An action can be taken in some state with all invariants.
    Can,
    /// The invariants imply a result.
    Safe,
    /// Some state with all invariants is as described.
    Witness,
}

/// What a solver can say of a set of assertions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// They can hold together.
    Sat,
    /// They contradict each other.
    Unsat,
}

/// An asserted formula, without definitions and switches, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Assertion {
    pub(crate) origin: String,
    pub(crate) formula: Formula,
}

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) kind: Kind,
    /// The claim that it is about; empty for `can`.
    pub(crate) claim: String,
    /// The action that it is about; empty where it is about none.
    pub(crate) action: String,
    /// The case of a split query; empty where it is whole.
    pub(crate) case: String,
    pub(crate) assertions: Vec<Assertion>,
    /// Elements beside the model's constants.
    pub(crate) constants: Vec<Variable>,
    /// Relations beside the model's own.
    pub(crate) relations: Vec<Relation>,
    pub(crate) expected: Answer,
    /// The rule that is switched off.
    pub(crate) broken: Option<String>,
}

impl Query {
    /// Gives its name, such as `keep.SafeAt.Phase2a`.
    pub(crate) fn name(&self) -> String {
        let parts = [self.kind.word(), &self.claim, &self.action, &self.case];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
    }

    /// Gives its name without the case.
    pub(crate) fn whole_name(&self) -> String {
        let name = self.name();
        match self.case.is_empty() {
            true => name,
            false => name[..name.len() - self.case.len() - 1].to_owned(),
        }
    }

    /// Gives the graph of its alternations.
    pub(crate) fn alternations(&self, model: &Model) -> Alternations {
        let mut graph = Alternations::default();
        for assertion in &self.assertions {
            graph.add(model, &assertion.formula, &assertion.origin);
        }
        graph
    }
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Lemma => "lemma",
            Self::Init => "init",
            Self::Split => "split",
            Self::Keep => "keep",
            Self::Step => "step",
            Self::Can => "can",
            Self::Safe => "safe",
            Self::Witness => "witness",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Sat => "sat",
            Self::Unsat => "unsat",
        })
    }
}

/// Makes all queries of a model, with one rule switched off or none.
pub(crate) fn queries(model: &Model, broken: Option<&str>) -> Vec<Query> {
    let mut maker = Maker::new(model, broken);
    model.lemmas.iter().for_each(|claim| maker.implied(Kind::Lemma, claim));
    model.invariants.iter().for_each(|claim| maker.begins(claim));
    for action in model.actions.iter().filter(|action| !is_off(action, broken)) {
        model.invariants.iter().for_each(|claim| maker.kept(claim, action));
        model.steps.iter().for_each(|claim| maker.stepped(claim, action));
        maker.possible(action);
    }
    model.safety.iter().for_each(|claim| maker.implied(Kind::Safe, claim));
    model.witnesses.iter().for_each(|claim| maker.witnessed(claim));
    let broken = broken.map(String::from);
    maker.made.iter_mut().for_each(|query| query.broken.clone_from(&broken));
    maker.made
}

/// Says whether an action is one of a broken rule alone, which is kept.
fn is_off(action: &Action, broken: Option<&str>) -> bool {
    let off = |guard: &Formula| simplify(guard.clone(), broken) == Formula::Constant(false);
    action.guards.iter().any(off)
}

struct Maker<'m> {
    model: &'m Model,
    broken: Option<&'m str>,
    rewriter: Rewriter<'m>,
    /// The axioms, and the invariants before a step.
    axioms: Vec<Assertion>,
    before: Vec<Assertion>,
    made: Vec<Query>,
}

impl<'m> Maker<'m> {
    fn new(model: &'m Model, broken: Option<&'m str>) -> Self {
        let rewriter = Rewriter::new(model);
        let mut maker =
            Self { model, broken, rewriter, axioms: vec![], before: vec![], made: vec![] };
        maker.axioms = maker.all("axiom", &model.axioms);
        maker.before = maker.axioms.clone();
        let invariants = maker.all("invariant", &model.invariants);
        maker.before.extend(invariants);
        maker
    }

    fn all(&mut self, kind: &str, claims: &[Claim]) -> Vec<Assertion> {
        claims.iter().map(|claim| self.assertion(kind, claim)).collect()
    }

    fn assertion(&mut self, kind: &str, claim: &Claim) -> Assertion {
        let formula = self.finished(claim.formula.clone());
        Assertion { origin: format!("{kind} {}", claim.name), formula }
    }

    /// Expands definitions and puts the switches in.
    fn finished(&mut self, formula: Formula) -> Formula {
        let expanded = self.rewriter.expand(formula);
        simplify(expanded, self.broken)
    }

    /// The claim follows from the invariants.
    fn implied(&mut self, kind: Kind, claim: &Claim) {
        let formula = self.finished(claim.formula.clone());
        let mut query = Query::new(kind, claim.name.as_str(), self.before.clone());
        self.add_lemmas(&mut query);
        query.refute(claim, formula);
        self.made.push(query);
    }

    /// Asserts the lemmas that the model gives to a query.
    fn add_lemmas(&mut self, query: &mut Query) {
        let name = query.name();
        let usings = self.model.usings.iter().filter(|using| using.query == name);
        let lemmas: Vec<&Name> = usings.flat_map(|using| &using.lemmas).collect();
        for lemma in self.model.lemmas.iter().filter(|lemma| lemmas.contains(&&lemma.name)) {
            let assertion = self.assertion("lemma", lemma);
            query.assertions.push(assertion);
        }
    }

    /// The invariant holds at first.
    fn begins(&mut self, claim: &Claim) {
        let formula = self.finished(claim.formula.clone());
        let mut query = Query::new(Kind::Init, claim.name.as_str(), self.axioms.clone());
        query.assertions.extend(self.all("init", &self.model.inits));
        query.refute(claim, formula);
        self.made.push(query);
    }

    /// The action keeps the invariant, if it changes anything in it.
    fn kept(&mut self, claim: &Claim, action: &Action) {
        let expanded = self.rewriter.expand(claim.formula.clone());
        let updated = changed(&action.updates);
        // A claim that names nothing which the action changes says the same after the step as
        // before it.
        if !expanded.names_state(&|name| updated.contains(name)) {
            return;
        }
        let after = self.rewriter.after(&claim.formula, &action.updates);
        let after = simplify(after, self.broken);
        let mut query = self.of_step(Kind::Keep, claim.name.as_str(), action);
        self.add_lemmas(&mut query);
        let split = self.model.splits.iter().find(|split| split.query == query.name());
        // A rule that is switched off makes cases of its own, so that query is asked whole.
        let Some(split) = split.filter(|_| self.broken.is_none()) else {
            query.refute(claim, after);
            return self.made.push(query);
        };
        let cases: Vec<(Name, Formula)> = split.cases.clone();
        self.covering(claim, action, &cases);
        for (name, case) in cases {
            let mut query = Query { case: name.to_string(), ..query.clone() };
            let formula = self.finished(case);
            query.assertions.push(Assertion { origin: format!("case {name}"), formula });
            query.refute(claim, after.clone());
            self.made.push(query);
        }
    }

    /// The cases of a split query leave nothing out.
    fn covering(&mut self, claim: &Claim, action: &Action, cases: &[(Name, Formula)]) {
        let mut query = self.of_step(Kind::Split, claim.name.as_str(), action);
        let cases = cases.iter().map(|(_, case)| case.clone()).collect();
        let formula = self.finished(Formula::Or(cases)).negated();
        query.assertions.push(Assertion { origin: "none of the cases".into(), formula });
        self.made.push(query);
    }

    /// The step is as claimed, if the action changes anything in the claim.
    fn stepped(&mut self, claim: &Claim, action: &Action) {
        let expanded = self.rewriter.expand(claim.formula.clone());
        // Each claim of a step says that what held still holds, and so it does where nothing
        // changes.
        let updated = changed(&action.updates);
        let mut concerned = false;
        expanded.walk(&mut |part| {
            if let Formula::Holds(Predicate::Next(name), _) = part {
                concerned |= updated.contains(name);
            }
        });
        if !concerned {
            return;
        }
        let formula = self.rewriter.after(&claim.formula, &action.updates);
        let formula = simplify(formula, self.broken);
        let mut query = self.of_step(Kind::Step, claim.name.as_str(), action);
        self.add_lemmas(&mut query);
        query.refute(claim, formula);
        self.made.push(query);
    }

    fn possible(&mut self, action: &Action) {
        let mut query = self.of_step(Kind::Can, "", action);
        query.expected = Answer::Sat;
        self.made.push(query);
    }

    fn witnessed(&mut self, claim: &Claim) {
        let mut query = Query::new(Kind::Witness, claim.name.as_str(), self.before.clone());
        query.expected = Answer::Sat;
        query.assertions.push(self.assertion("witness", claim));
        self.made.push(query);
    }

    /// Begins a query about a step: all invariants before, and the guards.
    fn of_step(&mut self, kind: Kind, claim: &str, action: &Action) -> Query {
        let mut query = Query::new(kind, claim, self.before.clone());
        query.action = action.name.to_string();
        query.constants.clone_from(&action.parameters);
        query.relations.clone_from(&action.free);
        query.relations.extend(action.flags.iter().map(flag_relation));
        for guard in &action.guards {
            let formula = self.finished(guard.clone());
            query
                .assertions
                .push(Assertion { origin: format!("guard of {}", action.name), formula });
        }
        query
    }
}

impl Query {
    fn new(kind: Kind, claim: &str, assertions: Vec<Assertion>) -> Self {
        let (action, case, constants, relations) = (String::new(), String::new(), vec![], vec![]);
        let expected = Answer::Unsat;
        let (claim, broken) = (claim.to_owned(), None);
        Self { kind, claim, action, case, assertions, constants, relations, expected, broken }
    }

    /// Asserts that the claim does not hold, of elements with names of their own where it begins
    /// with "for all".
    fn refute(&mut self, claim: &Claim, formula: Formula) {
        let mut formula = formula;
        // The elements that refute it become constants of the query, so that a story can name them.
        while let Formula::Quantified(Quantifier::Forall, variables, body) = formula {
            self.constants.extend(variables);
            formula = *body;
        }
        let origin = format!("not {}", claim.name);
        self.assertions.push(Assertion { origin, formula: formula.negated() });
    }

    /// Gives the elements of which the claim is refuted, behind the action's parameters.
    pub(crate) fn refuted<'q>(&'q self, action: Option<&Action>) -> &'q [Variable] {
        let parameters = action.map_or(0, |action| action.parameters.len());
        &self.constants[parameters..]
    }
}
