//! Tells a counterexample as a small story: who promised what, who voted for what, then the step,
//! and what of it breaks the claim.
//!
//! A solver's own model is large and arbitrary. Here it is asked for the fewest elements of each
//! sort, and then for as few facts as possible; each fact is told in the words of the model's file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::expression;
use crate::failure::Failure;
use crate::formula::{Formula, Name, Term, Variable};
use crate::ground::{Universe, assignments, grounded};
use crate::model::{Action, Model};
use crate::query::{Answer, Query};
use crate::rewrite::{Rewriter, simplify};
use crate::smt::{script, written};
use crate::solver::{Bounds, ask_z3};

/// Gives the story of a query that should have no counterexample and has one.
pub(crate) fn told(model: &Model, query: &Query, bounds: Bounds) -> Result<String, Failure> {
    let mut teller = Teller::new(model, query, bounds);
    if !teller.bound_all_sorts()? {
        let name = query.name();
        return Ok(format!("  {name} has a counterexample, but none with few elements\n"));
    }
    teller.gather();
    let Some(mut world) = teller.world("")? else {
        return Err(Failure::Internal(format!("{}: its counterexample is gone", query.name())));
    };
    teller.drop_facts(&mut world)?;
    Ok(teller.text(&world))
}

/// One thing that may be told, of certain elements.
struct Fact {
    words: String,
    elements: BTreeMap<Name, Name>,
    before: String,
    /// Whether it may hold after the step; empty without a step.
    after: String,
}

/// What holds in a counterexample: the answers to all questions, by their text.
type World = BTreeMap<String, bool>;

struct Teller<'m> {
    model: &'m Model,
    query: &'m Query,
    action: Option<&'m Action>,
    bounds: Bounds,
    /// What is asserted so far.
    script: String,
    universe: Universe,
    facts: Vec<Fact>,
    /// Everything that is asked of a counterexample.
    questions: Vec<String>,
}

impl<'m> Teller<'m> {
    fn new(model: &'m Model, query: &'m Query, bounds: Bounds) -> Self {
        let action = model.action(&query.action);
        let script = script(model, query, false);
        let (universe, facts, questions) = (Universe::default(), Vec::new(), Vec::new());
        Self { model, query, action, bounds, script, universe, facts, questions }
    }

    /// Finds for each sort the fewest elements that will do, and gives them names.
    fn bound_all_sorts(&mut self) -> Result<bool, Failure> {
        for sort in &self.model.sorts {
            let mut found = false;
            for size in 1..=ELEMENTS_MAX {
                let (elements, bound) = bounded(sort, size);
                // What was found for the sorts before stays asserted, so that the sizes fit
                // together.
                let tried = format!("{}{bound}", self.script);
                if ask_z3(&tried, self.bounds)?.answer == Some(Answer::Sat) {
                    self.script = tried;
                    self.universe.insert(sort.clone(), elements);
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes down every fact that may be told, and every question about names and order.
    fn gather(&mut self) {
        let mut rewriter = Rewriter::new(self.model);
        for tale in &self.model.tales {
            for elements in assignments(&tale.variables, &self.universe) {
                let given = elements.iter().map(|(v, e)| (v.clone(), Term::Constant(e.clone())));
                let terms = given.collect();
                let formula = rewriter.substitute(&tale.formula, &terms);
                let before = self.question(rewriter.expand(formula.clone()));
                let after = self.action.map_or_else(String::new, |action| {
                    self.question(rewriter.after(&formula, &action.updates))
                });
                self.facts.push(Fact { words: tale.words.clone(), elements, before, after });
            }
        }
        let facts = self.facts.iter().flat_map(|fact| [&fact.before, &fact.after]);
        self.questions = facts.filter(|text| !text.is_empty()).cloned().collect();
        let constants = self.model.constants.iter().chain(&self.query.constants);
        for Variable { name, sort } in constants {
            self.questions.extend(self.universe[sort].iter().map(|e| format!("(= {name} {e})")));
        }
        for (order, sort) in self.orders() {
            let elements = &self.universe[sort];
            let pairs = elements.iter().flat_map(|a| elements.iter().map(move |b| (a, b)));
            self.questions.extend(pairs.map(|(a, b)| format!("({order} {a} {b})")));
        }
        // Two facts may come to one formula.
        self.questions.sort();
        self.questions.dedup();
    }

    /// Gives a formula about elements as a question without quantifiers.
    fn question(&self, formula: Formula) -> String {
        let formula = grounded(simplify(formula, self.query.broken.as_deref()), &self.universe);
        written(&simplify(formula, None))
    }

    /// Gives the relations that order a sort.
    fn orders(&self) -> impl Iterator<Item = (&'m Name, &'m Name)> + use<'m> {
        let model = self.model;
        let relations = model.relations.iter();
        let ordering = relations.filter(|relation| model.orders.contains(&relation.name));
        ordering.map(|relation| (&relation.name, &relation.sorts[0]))
    }

    /// Asks for a counterexample in which `more` is asserted as well.
    fn world(&self, more: &str) -> Result<Option<World>, Failure> {
        let mut tried = format!("(set-option :produce-models true)\n{}{more}", self.script);
        tried.push_str("(check-sat)\n");
        for chunk in self.questions.chunks(QUESTIONS_MAX) {
            let _ = writeln!(tried, "(get-value ({}))", chunk.join(" "));
        }
        let reply = crate::solver::Solver::Z3.ask(&tried, self.bounds)?;
        if reply.answer != Some(Answer::Sat) {
            return Ok(None);
        }
        let unread = || Failure::Internal("z3's values cannot be read".into());
        let read = expression::read(&reply.rest).map_err(|_| unread())?;
        let values: Vec<bool> = read
            .iter()
            .filter_map(|part| part.list())
            .flatten()
            .filter_map(|pair| pair.list()?.last()?.word().map(|word| word == "true"))
            .collect();
        if values.len() != self.questions.len() {
            return Err(unread());
        }
        Ok(Some(self.questions.iter().cloned().zip(values).collect()))
    }

    /// Makes facts false one after another, as long as there is still a counterexample.
    fn drop_facts(&mut self, world: &mut World) -> Result<(), Failure> {
        let mut tried: Vec<String> = Vec::new();
        for _ in 0..TRIES_MAX {
            let holds = |fact: &&Fact| world[&fact.before] && !tried.contains(&fact.before);
            let Some(fact) = self.facts.iter().rev().find(holds) else { return Ok(()) };
            tried.push(fact.before.clone());
            let denial = format!("(assert (not {}))\n", fact.before);
            if let Some(smaller) = self.world(&denial)? {
                self.script.push_str(&denial);
                *world = smaller;
            }
        }
        Ok(())
    }

    fn text(&self, world: &World) -> String {
        let names = self.names(world);
        let (model, query) = (&self.model.name, self.query.name());
        let mut text = format!("  how `{query}` of {model} goes wrong\n");
        let claims =
            [&self.model.invariants, &self.model.safety, &self.model.steps, &self.model.lemmas];
        let claim = claims.into_iter().flatten().find(|claim| claim.name == *self.query.claim);
        if let Some(claim) = claim {
            let _ = writeln!(text, "  the claim: {}", claim.words);
        }
        text.push_str("  say that\n");
        let mut told = 0;
        for fact in self.facts.iter().filter(|fact| world[&fact.before]) {
            told += 1;
            if told <= FACTS_MAX {
                let _ = writeln!(text, "    {}", filled(&fact.words, &fact.elements, &names));
            }
        }
        match told {
            0 => text.push_str("    nothing has happened yet\n"),
            told if told > FACTS_MAX => {
                let _ = writeln!(text, "    and {} more", told - FACTS_MAX);
            }
            _ => {}
        }
        self.step(&mut text, world, &names);
        let of = self.elements(self.query.refuted(self.action), world);
        let of: Vec<String> = of
            .iter()
            .map(|(variable, element)| {
                let plain = variable.as_str().split('!').next().unwrap_or_default();
                format!("{plain} = {}", names[element])
            })
            .collect();
        let of = if of.is_empty() { String::new() } else { format!(" of {}", of.join(", ")) };
        let _ = writeln!(text, "  and the claim does not hold{of}");
        text
    }

    /// Tells the step and what it changed.
    fn step(&self, text: &mut String, world: &World, names: &BTreeMap<Name, String>) {
        let Some(action) = self.action else { return };
        let elements = self.elements(&action.parameters, world).into_iter().collect();
        let words = match action.words.is_empty() {
            true => "the state changes",
            false => &action.words,
        };
        let _ = writeln!(text, "  then {}: {}", action.name, filled(words, &elements, names));
        for fact in &self.facts {
            let (before, after) = (world[&fact.before], world[&fact.after]);
            let word = match (before, after) {
                (false, true) => "",
                (true, false) => "not any more: ",
                (true, true) | (false, false) => continue,
            };
            let _ = writeln!(text, "    {word}{}", filled(&fact.words, &fact.elements, names));
        }
    }

    /// Gives the elements that constants denote.
    fn elements(&self, constants: &[Variable], world: &World) -> Vec<(Name, Name)> {
        let denoted = |constant: &Variable| {
            let elements = self.universe[&constant.sort].iter();
            let denotes = |e: &&Name| world[&format!("(= {} {e})", constant.name)];
            elements.clone().find(denotes).map(|e| (constant.name.clone(), e.clone()))
        };
        constants.iter().filter_map(denoted).collect()
    }

    /// Gives each element a name that reads well: that of a constant, or the sort and a number in
    /// the order, or the sort and a letter.
    fn names(&self, world: &World) -> BTreeMap<Name, String> {
        let mut names = BTreeMap::new();
        for (constant, element) in self.elements(&self.model.constants, world) {
            names.insert(element, constant.to_string());
        }
        for sort in &self.model.sorts {
            let order = self.orders().find(|(_, ordered)| *ordered == sort).map(|(order, _)| order);
            let mut elements = self.universe[sort].clone();
            if let Some(order) = order {
                let below = |element: &Name| {
                    let all = self.universe[sort].iter();
                    all.filter(|other| world[&format!("({order} {other} {element})")]).count()
                };
                // In a total order the number of elements below one is its place.
                elements.sort_by_key(below);
            }
            elements.retain(|element| !names.contains_key(element));
            for (at, element) in elements.into_iter().enumerate() {
                let number = at + 1;
                let letter = char::from(b'A' + u8::try_from(at).unwrap_or_default());
                let name = match order {
                    Some(_) => format!("{sort} {number}"),
                    None => format!("{sort} {letter}"),
                };
                names.insert(element, name);
            }
        }
        names
    }
}

/// Gives names for so many elements, and what says that these are all that there are.
fn bounded(sort: &Name, size: usize) -> (Vec<Name>, String) {
    let elements: Vec<Name> =
        (1..=size).map(|number| Name::new(&format!("{sort}!is!{number}"))).collect();
    let mut text = String::new();
    let mut is_one = String::new();
    for element in &elements {
        let _ = writeln!(text, "(declare-fun {element} () {sort})");
        let _ = write!(is_one, " (= x {element})");
    }
    let _ = writeln!(text, "(assert (forall ((x {sort})) (or false{is_one})))");
    (elements, text)
}

/// Puts names in for what stands in braces.
fn filled(words: &str, elements: &BTreeMap<Name, Name>, names: &BTreeMap<Name, String>) -> String {
    let mut text = words.to_owned();
    for (variable, element) in elements {
        text = text.replace(&format!("{{{variable}}}"), &names[element]);
    }
    text
}

/// How many elements of one sort a story may have.
const ELEMENTS_MAX: usize = 6;
/// How many facts of a state are told.
const FACTS_MAX: usize = 40;
/// How often a solver is asked for a counterexample with a fact less.
const TRIES_MAX: usize = 120;
/// How many questions are put into one command.
const QUESTIONS_MAX: usize = 1_000;
