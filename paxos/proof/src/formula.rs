//! Formulas of first-order logic with sorts, as a model states them.
//!
//! A formula here is resolved: what a name stands for is in the type, and each place has the
//! sort that was declared for it. How a formula is expanded or evaluated is left to others.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name of a sort, constant, relation, variable or the like.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Makes a name of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Gives the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

/// A variable with its sort.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variable {
    /// Its name.
    pub name: Name,
    /// Its sort.
    pub sort: Name,
}

/// What denotes an element of a sort. Complete by its nature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// A bound variable, or a parameter of the action at hand.
    Variable(Name),
    /// A constant of the model.
    Constant(Name),
    /// A function of the model, applied.
    Apply(Name, Vec<Self>),
}

/// What may hold of elements. Complete by its nature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predicate {
    /// A relation that no action changes.
    Rigid(Name),
    /// A relation of the state.
    State(Name),
    /// A relation of the state after the step; only properties of steps name it.
    Next(Name),
    /// A relation that an action chooses freely, such as a set of promises.
    Free(Name),
    /// A parameter of an action that is true or false; it takes no terms.
    Flag(Name),
    /// A rule that can be switched off; it takes no terms.
    Switch(Name),
    /// A definition of the model.
    Defined(Name),
}

/// For all, or for some. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantifier {
    /// For all elements.
    Forall,
    /// For at least one element.
    Exists,
}

/// A formula. Complete by its nature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Formula {
    /// True or false.
    Constant(bool),
    /// A predicate holds of terms.
    Holds(Predicate, Vec<Term>),
    /// Two terms denote the same element.
    Equal(Term, Term),
    /// The formula does not hold.
    Not(Box<Self>),
    /// All of them hold; true of none.
    And(Vec<Self>),
    /// At least one of them holds; false of none.
    Or(Vec<Self>),
    /// If the first holds, so does the second.
    Implies(Box<Self>, Box<Self>),
    /// Both hold, or neither does.
    Same(Box<Self>, Box<Self>),
    /// If the first holds then the second, else the third.
    If(Box<Self>, Box<Self>, Box<Self>),
    /// A quantifier over at least one variable. No variable is bound twice on one path.
    Quantified(Quantifier, Vec<Variable>, Box<Self>),
}

impl Formula {
    /// Calls `visit` on this formula and on each one inside, from the outside in.
    pub fn walk<'f>(&'f self, visit: &mut impl FnMut(&'f Self)) {
        visit(self);
        self.parts().into_iter().for_each(|part| part.walk(visit));
    }

    /// Gives the formulas directly inside.
    #[must_use]
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Constant(_) | Self::Holds(..) | Self::Equal(..) => Vec::new(),
            Self::Not(one) | Self::Quantified(_, _, one) => vec![one],
            Self::And(many) | Self::Or(many) => many.iter().collect(),
            Self::Implies(left, right) | Self::Same(left, right) => vec![left, right],
            Self::If(condition, yes, no) => vec![condition, yes, no],
        }
    }

    /// Gives the same formula with `change` done to each one directly inside.
    #[must_use]
    pub fn map_parts(self, mut change: impl FnMut(Self) -> Self) -> Self {
        let mut boxed = |part: Box<Self>| Box::new(change(*part));
        match self {
            Self::Constant(_) | Self::Holds(..) | Self::Equal(..) => self,
            Self::Not(one) => Self::Not(boxed(one)),
            Self::Quantified(quantifier, variables, one) => {
                Self::Quantified(quantifier, variables, boxed(one))
            }
            Self::And(many) => Self::And(many.into_iter().map(change).collect()),
            Self::Or(many) => Self::Or(many.into_iter().map(change).collect()),
            Self::Implies(left, right) => Self::Implies(boxed(left), boxed(right)),
            Self::Same(left, right) => Self::Same(boxed(left), boxed(right)),
            Self::If(condition, yes, no) => Self::If(boxed(condition), boxed(yes), boxed(no)),
        }
    }

    /// Gives the terms directly inside.
    #[must_use]
    pub fn terms(&self) -> Vec<&Term> {
        match self {
            Self::Holds(_, terms) => terms.iter().collect(),
            Self::Equal(left, right) => vec![left, right],
            Self::Constant(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Implies(..)
            | Self::Same(..)
            | Self::If(..)
            | Self::Quantified(..) => Vec::new(),
        }
    }

    /// Gives the negation.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Says whether it names a state relation for which `wanted` is true, before or after a step.
    pub fn names_state(&self, wanted: &impl Fn(&Name) -> bool) -> bool {
        let mut found = false;
        self.walk(&mut |part| {
            if let Self::Holds(Predicate::State(name) | Predicate::Next(name), _) = part {
                found |= wanted(name);
            }
        });
        found
    }
}
