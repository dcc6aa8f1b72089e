//! A model: a protocol as relations, the steps it may take, and what is claimed of it.
//!
//! The types hold what was read and resolved; what is asked of a solver is made in `query.rs`.

use crate::error::Position;
use crate::formula::{Formula, Name, Variable};

/// A protocol with its claims. Everything is in the order of its file.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Its name: that of the TLA+ module that it follows, where there is one.
    pub name: String,
    /// The path of its file, as it was given.
    pub file: String,
    /// The sorts; a model says nothing of how many elements each has.
    pub sorts: Vec<Name>,
    /// Elements that have a name.
    pub constants: Vec<Variable>,
    /// Relations that no action changes.
    pub relations: Vec<Relation>,
    /// Functions; no action changes them.
    pub functions: Vec<Function>,
    /// The relations that make up the state.
    pub state: Vec<Relation>,
    /// The rules that can be switched off, by the `Broken` names of the TLA+ module.
    pub switches: Vec<Name>,
    /// Abbreviations.
    pub definitions: Vec<Definition>,
    /// What holds of the relations and functions that never change.
    pub axioms: Vec<Claim>,
    /// What holds in a first state.
    pub inits: Vec<Claim>,
    /// The steps.
    pub actions: Vec<Action>,
    /// What holds in every reachable state, proved by induction all together.
    pub invariants: Vec<Claim>,
    /// What the invariants imply, to be used where a query names it.
    pub lemmas: Vec<Claim>,
    /// What the invariants imply, as the result.
    pub safety: Vec<Claim>,
    /// What holds of every step.
    pub steps: Vec<Claim>,
    /// What some state with all invariants has, so that they are not vacuous.
    pub witnesses: Vec<Claim>,
    /// Lemmas that a query may use, by the query's name.
    pub usings: Vec<Using>,
    /// Queries that are asked in cases.
    pub splits: Vec<Split>,
    /// Which query must fail when a rule is switched off.
    pub must_fails: Vec<MustFail>,
    /// Queries outside the decidable fragment, each with the reason why it is asked all the same.
    pub outside: Vec<Outside>,
    /// The relations that order a sort from low to high.
    pub orders: Vec<Name>,
    /// What a story tells of a state.
    pub tales: Vec<Tale>,
    /// How many invariants and queries there are, so that none gets lost.
    pub pinned: Option<Pinned>,
}

/// A relation and the sorts of its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its name.
    pub name: Name,
    /// The sorts of its places.
    pub sorts: Vec<Name>,
}

/// A function, the sorts of its places and of its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// The sorts of its places.
    pub sorts: Vec<Name>,
    /// The sort of its result.
    pub result: Name,
}

/// An abbreviation with parameters.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Variable>,
    /// What it stands for.
    pub body: Formula,
}

/// A formula with a name.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its name.
    pub name: Name,
    /// What it says in plain words; empty where the file gives none.
    pub words: String,
    /// The formula.
    pub formula: Formula,
    /// Where it stands.
    pub at: Position,
}

/// A step: for some parameters and free relations that satisfy the guards, the state changes as
/// the updates say, and is otherwise as before.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its name.
    pub name: Name,
    /// What it does in plain words, with parameters in braces; empty where the file gives none.
    pub words: String,
    /// Its parameters that are elements.
    pub parameters: Vec<Variable>,
    /// Its parameters that are true or false.
    pub flags: Vec<Name>,
    /// The relations that it chooses.
    pub free: Vec<Relation>,
    /// What must hold for it to be taken.
    pub guards: Vec<Formula>,
    /// What it changes.
    pub updates: Vec<Update>,
    /// Where it stands.
    pub at: Position,
}

/// After the step, `relation` holds of `variables` exactly where `body` held before it.
#[derive(Clone, Debug)]
pub struct Update {
    /// The relation of the state.
    pub relation: Name,
    /// A variable for each of its places.
    pub variables: Vec<Variable>,
    /// A formula over the state before the step, the variables and the action's parameters.
    pub body: Formula,
}

/// Lemmas that a query may use.
#[derive(Clone, Debug)]
pub struct Using {
    /// The query.
    pub query: String,
    /// The lemmas.
    pub lemmas: Vec<Name>,
    /// Where it stands.
    pub at: Position,
}

/// A query that is asked in cases, which together must cover everything.
#[derive(Clone, Debug)]
pub struct Split {
    /// The query.
    pub query: String,
    /// The cases: a name, and a formula over the action's parameters.
    pub cases: Vec<(Name, Formula)>,
    /// Where it stands.
    pub at: Position,
}

/// What must fail when a rule is switched off.
#[derive(Clone, Debug)]
pub struct MustFail {
    /// The rule.
    pub switch: Name,
    /// The queries; at least one of them must have a counterexample.
    pub queries: Vec<String>,
    /// Where it stands.
    pub at: Position,
}

/// A query outside the decidable fragment that is asked all the same.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The query.
    pub query: String,
    /// Why.
    pub reason: String,
    /// Where it stands.
    pub at: Position,
}

/// What a story tells of a state: the words, for all elements of which the formula holds.
#[derive(Clone, Debug)]
pub struct Tale {
    /// The elements.
    pub variables: Vec<Variable>,
    /// When it is told.
    pub formula: Formula,
    /// The words, with the variables in braces.
    pub words: String,
}

/// How many invariants and queries a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The number of invariants.
    pub invariants: usize,
    /// The number of queries.
    pub queries: usize,
    /// Where it stands.
    pub at: Position,
}

impl Model {
    /// Finds a definition by its name.
    #[must_use]
    pub fn definition(&self, name: &Name) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.name == *name)
    }

    /// Finds a function by its name.
    #[must_use]
    pub fn function(&self, name: &Name) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == *name)
    }

    /// Finds an action by its name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.name == *name)
    }
}
