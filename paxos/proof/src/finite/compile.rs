//! From formulas to nodes: names are resolved to places, definitions are expanded, loops ordered.
//!
//! What a node means is left to `node`. The claim kept true: each quantifier becomes loops over the
//! same variables, less those that nothing inside depends on.

use super::node::{Node, Source, Value};
use crate::formula::{Formula, Name, Predicate, Quantifier, Term, Variable};
use crate::model::Model;

/// Compiles the formulas of one model, with some rule switched off or with none.
pub(super) struct Compiler<'m> {
    model: &'m Model,
    broken: Option<&'m str>,
    /// The free relations of the action at hand.
    free: Vec<Name>,
    /// Its flags.
    flags: Vec<Name>,
    /// How many registers were given out.
    registers: usize,
}

/// What the variables in sight stand for, the innermost last.
type Sight = Vec<(Name, Value)>;

impl<'m> Compiler<'m> {
    pub(super) const fn new(model: &'m Model, broken: Option<&'m str>) -> Self {
        Self { model, broken, free: Vec::new(), flags: Vec::new(), registers: 0 }
    }

    /// Says which free relations and flags the formulas to come may name.
    pub(super) fn with_choices(mut self, free: Vec<Name>, flags: Vec<Name>) -> Self {
        (self.free, self.flags) = (free, flags);
        self
    }

    /// Returns how many registers the nodes compiled so far need.
    pub(super) const fn registers(&self) -> usize {
        self.registers
    }

    /// Gives each variable the next register, and puts it in sight.
    pub(super) fn bind(&mut self, variables: &[Variable], sight: &mut Sight) {
        for variable in variables {
            sight.push((variable.name.clone(), Value::Register(self.registers)));
            self.registers += 1;
        }
    }

    /// Compiles a formula, with these variables in sight.
    pub(super) fn compile(&mut self, formula: &Formula, sight: &Sight) -> Node {
        match formula {
            Formula::Constant(holds) => Node::Constant(*holds),
            Formula::Holds(predicate, terms) => {
                let values = terms.iter().map(|term| self.value(term, sight)).collect();
                self.predicate(predicate, values)
            }
            Formula::Equal(left, right) => {
                Node::Equal(true, self.value(left, sight), self.value(right, sight))
            }
            Formula::Not(one) => self.compile(one, sight).negated(),
            Formula::And(many) => conjunction(self.all(many, sight)),
            Formula::Or(many) => disjunction(self.all(many, sight)),
            Formula::Implies(left, right) => {
                let refuted = self.compile(left, sight).negated();
                disjunction(vec![refuted, self.compile(right, sight)])
            }
            Formula::Same(left, right) => {
                Node::Same(true, Box::new([self.compile(left, sight), self.compile(right, sight)]))
            }
            Formula::If(condition, yes, no) => {
                let condition = self.compile(condition, sight);
                if let Node::Constant(holds) = condition {
                    return self.compile(if holds { yes } else { no }, sight);
                }
                let parts = [condition, self.compile(yes, sight), self.compile(no, sight)];
                Node::If(Box::new(parts))
            }
            Formula::Quantified(quantifier, variables, body) => {
                let mut inner = sight.clone();
                let first = self.registers;
                self.bind(variables, &mut inner);
                let sorts = variables.iter().map(|variable| self.sort(&variable.sort));
                let loops = (first..).zip(sorts).collect();
                let body = self.compile(body, &inner);
                match quantifier {
                    Quantifier::Exists => some(loops, body),
                    Quantifier::Forall => some(loops, body.negated()).negated(),
                }
            }
        }
    }

    fn all(&mut self, many: &[Formula], sight: &Sight) -> Vec<Node> {
        many.iter().map(|one| self.compile(one, sight)).collect()
    }

    fn predicate(&mut self, predicate: &Predicate, values: Vec<Value>) -> Node {
        let state = |name: &Name| place(self.model.state.iter().map(|one| &one.name), name);
        match predicate {
            Predicate::Rigid(name) => {
                let at = place(self.model.relations.iter().map(|one| &one.name), name);
                Node::Holds(true, Source::Rigid(at), values)
            }
            Predicate::State(name) => Node::Holds(true, Source::Before(state(name)), values),
            Predicate::Next(name) => Node::Holds(true, Source::After(state(name)), values),
            Predicate::Free(name) => {
                Node::Holds(true, Source::Free(place(self.free.iter(), name)), values)
            }
            Predicate::Flag(name) => Node::Flag(true, place(self.flags.iter(), name)),
            Predicate::Switch(name) => Node::Constant(self.broken == Some(name.as_str())),
            Predicate::Defined(name) => {
                let definition = self.model.definition(name);
                let definition = definition.unwrap_or_else(|| undeclared(name));
                let names = definition.parameters.iter().map(|variable| variable.name.clone());
                // Its body names its own parameters alone, so nothing of the caller's is in sight.
                self.compile(&definition.body, &names.zip(values).collect())
            }
        }
    }

    fn value(&self, term: &Term, sight: &Sight) -> Value {
        match term {
            Term::Variable(name) => {
                let bound = sight.iter().rev().find(|(known, _)| known == name);
                bound.map_or_else(|| undeclared(name), |(_, value)| value.clone())
            }
            Term::Constant(name) => {
                Value::Constant(place(self.model.constants.iter().map(|one| &one.name), name))
            }
            Term::Apply(name, terms) => {
                let at = place(self.model.functions.iter().map(|one| &one.name), name);
                Value::Apply(at, terms.iter().map(|term| self.value(term, sight)).collect())
            }
        }
    }

    pub(super) fn sort(&self, name: &Name) -> usize {
        place(self.model.sorts.iter(), name)
    }
}

/// Finds the place of a name. A model that was read names nothing that it does not declare.
fn place<'n>(mut names: impl Iterator<Item = &'n Name>, name: &Name) -> usize {
    names.position(|known| known == name).unwrap_or_else(|| undeclared(name))
}

fn undeclared(name: &Name) -> ! {
    panic!("{name} is named, and declared nowhere: its reader resolves all names")
}

fn conjunction(nodes: Vec<Node>) -> Node {
    let flat = nodes.into_iter().flat_map(Node::conjuncts);
    let mut kept: Vec<Node> = flat.filter(|node| *node != Node::Constant(true)).collect();
    if kept.contains(&Node::Constant(false)) {
        return Node::Constant(false);
    }
    match kept.len() {
        0 => Node::Constant(true),
        1 => kept.remove(0),
        _ => Node::And(kept),
    }
}

fn disjunction(nodes: Vec<Node>) -> Node {
    conjunction(nodes.into_iter().map(Node::negated).collect()).negated()
}

/// Makes loops that look for an element of each sort, in its register, so that the body holds.
fn some(loops: Vec<(usize, usize)>, body: Node) -> Node {
    if let Node::Or(cases) = body {
        // What exists in one of several cases exists in one of them alone, and each case has its
        // own best order of loops.
        return disjunction(cases.into_iter().map(|case| some(loops.clone(), case)).collect());
    }
    search(loops, body.conjuncts())
}

/// The loops over tests that must all pass: first what needs no loop, then the variable that lets
/// most tests be made, and again for the others.
fn search(loops: Vec<(usize, usize)>, tests: Vec<Node>) -> Node {
    let waits = |test: &Node, open: &[(usize, usize)]| {
        let mut is_open = false;
        test.registers(&mut |register| is_open |= open.iter().any(|(one, _)| *one == register));
        is_open
    };
    let (later, mut ready): (Vec<Node>, Vec<Node>) =
        tests.into_iter().partition(|test| waits(test, &loops));
    if later.is_empty() {
        return conjunction(ready);
    }
    let ready_after = |at: usize| {
        let mut open = loops.clone();
        open.remove(at);
        // These hold of few elements, and their negations of most: they cut a loop short soonest.
        let good = |test: &&Node| matches!(test, Node::Holds(true, ..) | Node::Equal(true, ..));
        let made = later.iter().filter(|test| !waits(test, &open));
        let (sure, all) =
            made.fold((0, 0), |(sure, all), test| (sure + usize::from(good(&test)), all + 1));
        (sure, all)
    };
    // A variable on which no test depends needs no loop, since every sort has an element.
    let needed = |at: usize| later.iter().any(|test| waits(test, &loops[at..=at]));
    let best = (0..loops.len()).filter(|at| needed(*at));
    let best = best.max_by_key(|at| (ready_after(*at), std::cmp::Reverse(*at)));
    // There is one as long as a test is left, since each of these waits for a loop.
    let Some(best) = best else { return conjunction(ready) };
    let (register, sort) = loops[best];
    let mut rest = loops;
    rest.remove(best);
    let tests = search(rest, later).conjuncts();
    ready.push(Node::Some { register, sort, tests });
    conjunction(ready)
}
