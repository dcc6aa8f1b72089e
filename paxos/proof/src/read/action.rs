//! Reads actions: parameters, guards, and what changes.
//!
//! Changes are written in three ways that mean the same kind of thing. `set` gives a relation
//! after the step as a formula. `put` gives it at some places, where parameters of the action name
//! the places, and leaves the others. `add` makes it hold at one place.

use super::Result;
use super::scope::{Scope, Symbol, Symbols, headed, items};
use crate::error::{Complaint, Position};
use crate::expression::Expression;
use crate::formula::{Formula, Name, Predicate, Term, Variable};
use crate::model::{Action, Relation, Update};

/// Reads what follows the word `action`.
pub(super) fn read(symbols: &Symbols, parts: &[Expression], at: Position) -> Result<Action> {
    let remedy = "write `(action NAME ((p sort) ...) \"words\" (guard ...) (set ...) ...)`";
    let [name, parameters, rest @ ..] = parts else {
        return Err(Complaint::new(at, "an action lacks its name or parameters", remedy));
    };
    let mut scope = Scope::new(symbols);
    let name = scope.unbound(name)?;
    let parameters = bind_parameters(&mut scope, parameters)?;
    let (words, rest) = match rest {
        [Expression::Text(words, _), rest @ ..] => (words.clone(), rest),
        rest => (String::new(), rest),
    };
    let mut guards = Vec::new();
    let mut updates = Updates { scope: &mut scope, parameters: parameters.clone(), done: vec![] };
    for part in rest {
        let (head, items, at) = headed(part, "an action has `free`, `guard` and changes")?;
        match head {
            "free" => updates.bind_free(items, at)?,
            "guard" => {
                for item in items {
                    guards.push(updates.scope.formula(item)?);
                }
            }
            _ => updates.read(part, &[])?,
        }
    }
    let updates = updates.done;
    let Scope { flags, free, .. } = scope;
    Ok(Action { name, words, parameters, flags, free, guards, updates, at })
}

/// Binds parameters: elements, and flags of the sort `Bool`.
fn bind_parameters(scope: &mut Scope<'_>, list: &Expression) -> Result<Vec<Variable>> {
    let mut parameters = Vec::new();
    for pair in items(list, "parameters stand in a list, as `((a acceptor) (b ballot))`")? {
        match pair.list() {
            Some([name, sort]) if sort.word() == Some("Bool") => {
                let flag = scope.unbound(name)?;
                scope.flags.push(flag);
            }
            Some([name, sort]) => {
                let sort = scope.symbols.sort(sort)?;
                parameters.push(scope.bind(name, sort)?);
            }
            Some(_) | None => {
                let what = "this is no parameter with a sort";
                return Err(Complaint::new(pair.at(), what, "write `(name sort)`"));
            }
        }
    }
    Ok(parameters)
}

/// The changes of one action while they are read.
struct Updates<'a, 's> {
    scope: &'a mut Scope<'s>,
    parameters: Vec<Variable>,
    done: Vec<Update>,
}

impl Updates<'_, '_> {
    fn bind_free(&mut self, parts: &[Expression], at: Position) -> Result<()> {
        let [name, sorts] = parts else {
            let remedy = "write `(free NAME (sort ...))`";
            return Err(Complaint::new(at, "a free relation lacks its name or sorts", remedy));
        };
        let (name, sorts) = (self.scope.unbound(name)?, self.scope.symbols.sorts(sorts)?);
        self.scope.free.push(Relation { name, sorts });
        Ok(())
    }

    /// Reads one change. The conditions are those of the `when` around it.
    fn read(&mut self, change: &Expression, conditions: &[Formula]) -> Result<()> {
        let wanted = "an action has `free`, `guard`, `set`, `put`, `add` and `when`";
        let (head, parts, at) = headed(change, wanted)?;
        match (head, parts) {
            ("when", [condition, changes @ ..]) => {
                let mut conditions = conditions.to_vec();
                conditions.push(self.scope.formula(condition)?);
                changes.iter().try_for_each(|change| self.read(change, &conditions))
            }
            ("set", [relation, places, body]) => {
                self.change(relation, places, Some(body), conditions, Places::Every)
            }
            ("put", [relation, places, body]) => {
                self.change(relation, places, Some(body), conditions, Places::Some)
            }
            ("add", [relation, places]) => {
                self.change(relation, places, None, conditions, Places::None)
            }
            ("when" | "set" | "put" | "add", _) => {
                let remedy = "write `(set R (x ...) F)`, `(put R (a x ...) F)`, `(add R (a b \
                     ...))` or `(when F change ...)`";
                Err(Complaint::new(at, format!("this `{head}` lacks a part"), remedy))
            }
            _ => Err(Complaint::new(at, format!("`{head}` is no part of an action"), wanted)),
        }
    }

    fn change(
        &mut self,
        relation: &Expression,
        places: &Expression,
        body: Option<&Expression>,
        conditions: &[Formula],
        kind: Places,
    ) -> Result<()> {
        let (name, sorts) = self.state(relation)?;
        let words = items(places, "the places stand in a list")?;
        if words.len() != sorts.len() {
            let what = format!("`{name}` has {} places, not {}", sorts.len(), words.len());
            return Err(Complaint::new(places.at(), what, "name each place"));
        }
        let outside = self.scope.variables.len();
        let mut conditions = conditions.to_vec();
        let mut variables = Vec::new();
        for (at, (word, sort)) in words.iter().zip(&sorts).enumerate() {
            variables.push(self.place(word, sort, at, kind, &mut conditions)?);
        }
        let fresh = self.scope.variables[outside..].to_vec();
        let body = body.map_or(Ok(Formula::Constant(true)), |body| self.scope.formula(body))?;
        self.scope.variables.truncate(outside);
        all_used(&fresh, &body, places.at())?;
        self.push(Change { name, variables, conditions, body, adds: kind == Places::None }, places)
    }

    /// Reads the name of a state relation.
    fn state(&self, word: &Expression) -> Result<(Name, Vec<Name>)> {
        match word.word().map(|text| (text, self.scope.symbols.find(text))) {
            Some((text, Some(Symbol::State(sorts)))) => Ok((Name::new(text), sorts.clone())),
            Some(_) | None => {
                let what = "only a relation of the state can change";
                Err(Complaint::new(word.at(), what, "declare it above with `state`"))
            }
        }
    }

    /// Reads one place: a parameter, which becomes a condition, or a variable.
    fn place(
        &mut self,
        word: &Expression,
        sort: &Name,
        at: usize,
        kind: Places,
        conditions: &mut Vec<Formula>,
    ) -> Result<Variable> {
        let text = word.word().unwrap_or_default();
        let parameter = self.parameters.iter().find(|parameter| parameter.name == *text);
        match (parameter, kind) {
            (Some(parameter), Places::Some | Places::None) => {
                if parameter.sort != *sort {
                    let what = format!("`{text}` is of sort `{}`, not `{sort}`", parameter.sort);
                    return Err(Complaint::new(word.at(), what, "look for swapped places"));
                }
                // A question mark cannot be written in a model, so the name is nobody else's.
                let variable = Variable { name: Name::new(&format!("?{at}")), sort: sort.clone() };
                let name = Term::Variable(variable.name.clone());
                let given = Term::Variable(parameter.name.clone());
                conditions.push(Formula::Equal(name, given));
                Ok(variable)
            }
            (None, Places::None) => {
                let what = format!("`{text}` is no parameter of the action");
                Err(Complaint::new(word.at(), what, "`add` takes parameters; else use `put`"))
            }
            (_, Places::Every) | (None, Places::Some) if text == "_" => {
                Ok(Variable { name: Name::new(&format!("?{at}")), sort: sort.clone() })
            }
            // The name of a parameter is bound already, and so is refused: `set` gives every place.
            (_, Places::Every) | (None, Places::Some) => self.scope.bind(word, sort.clone()),
        }
    }

    fn push(&mut self, change: Change, places: &Expression) -> Result<()> {
        // A second change would be read over the state before as well, and undo the first.
        if self.done.iter().any(|update| update.relation == change.name) {
            let what = format!("`{}` changes twice in one action", change.name);
            return Err(Complaint::new(places.at(), what, "join the two changes"));
        }
        self.done.push(change.update());
        Ok(())
    }
}

/// One change as it was read.
struct Change {
    name: Name,
    variables: Vec<Variable>,
    conditions: Vec<Formula>,
    body: Formula,
    adds: bool,
}

impl Change {
    /// Gives the relation after the step: the body where all conditions hold, else as before.
    fn update(self) -> Update {
        let Self { name, variables, conditions, body, adds } = self;
        let terms = variables.iter().map(|place| Term::Variable(place.name.clone())).collect();
        let before = Formula::Holds(Predicate::State(name.clone()), terms);
        let everywhere = conditions.is_empty();
        let condition = Formula::And(conditions);
        let body = match (adds, everywhere) {
            (true, _) => Formula::Or(vec![before, condition]),
            (false, true) => body,
            (false, false) => Formula::If(condition.into(), body.into(), before.into()),
        };
        Update { relation: name, variables, body }
    }
}

/// Which places of a change are variables of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    Every,
    Some,
    None,
}

/// A variable that is bound and not used is most often a mistyped parameter.
fn all_used(fresh: &[Variable], body: &Formula, at: Position) -> Result<()> {
    for variable in fresh {
        let mut used = false;
        body.walk(&mut |part| {
            used |= part.terms().iter().any(|term| names(term, &variable.name));
        });
        if !used {
            let what =
                format!("`{}` is bound here, and the formula does not name it", variable.name);
            return Err(Complaint::new(at, what, "write `_`, or correct the name"));
        }
    }
    Ok(())
}

fn names(term: &Term, name: &Name) -> bool {
    match term {
        Term::Variable(variable) => variable == name,
        Term::Constant(_) => false,
        Term::Apply(_, terms) => terms.iter().any(|term| names(term, name)),
    }
}
