//! What each name stands for while a model is read.
//!
//! A name has one meaning in a file: declaring or binding it twice is refused, so that no formula
//! has to be read with the question which of two is meant.

use std::collections::BTreeMap;

use super::Result;
use crate::error::{Complaint, Position};
use crate::expression::Expression;
use crate::formula::{Name, Variable};
use crate::model::Relation;

/// What was declared under a name.
#[derive(Clone, Debug)]
pub(super) enum Symbol {
    Sort,
    Constant(Name),
    Relation(Vec<Name>),
    Function(Vec<Name>, Name),
    State(Vec<Name>),
    Switch,
    Defined(Vec<Name>),
}

/// All names that were declared so far.
#[derive(Debug, Default)]
pub(super) struct Symbols(BTreeMap<Name, Symbol>);

impl Symbols {
    /// Declares a name that has no meaning yet.
    pub(super) fn declare(&mut self, word: &Expression, symbol: Symbol) -> Result<Name> {
        let name = plain_name(word)?;
        if self.0.contains_key(&name) || RESERVED.contains(&name.as_str()) {
            let what = format!("`{name}` has a meaning already");
            return Err(Complaint::new(word.at(), what, "take another name"));
        }
        self.0.insert(name.clone(), symbol);
        Ok(name)
    }

    pub(super) fn find(&self, word: &str) -> Option<&Symbol> {
        self.0.get(word)
    }

    /// Reads the name of a sort.
    pub(super) fn sort(&self, word: &Expression) -> Result<Name> {
        match word.word().map(|text| (text, self.0.get(text))) {
            Some((text, Some(Symbol::Sort))) => Ok(Name::new(text)),
            Some((text, _)) => Err(Complaint::new(
                word.at(),
                format!("`{text}` is no sort"),
                "declare it above with `(sort ...)`",
            )),
            None => Err(Complaint::new(word.at(), "a sort is one word", "name the sort here")),
        }
    }

    /// Reads a list of sorts.
    pub(super) fn sorts(&self, list: &Expression) -> Result<Vec<Name>> {
        items(list, "the sorts of the places stand in a list")?
            .iter()
            .map(|word| self.sort(word))
            .collect()
    }
}

/// The names that a formula may use where it stands.
#[derive(Debug)]
pub(super) struct Scope<'s> {
    pub(super) symbols: &'s Symbols,
    pub(super) variables: Vec<Variable>,
    pub(super) flags: Vec<Name>,
    pub(super) free: Vec<Relation>,
    /// Whether the state after the step may be named, by a prime.
    pub(super) primed: bool,
}

impl<'s> Scope<'s> {
    pub(super) fn new(symbols: &'s Symbols) -> Self {
        let (variables, flags, free) = (Vec::new(), Vec::new(), Vec::new());
        Self { symbols, variables, flags, free, primed: false }
    }

    /// Gives the sort of a variable that is bound here.
    pub(super) fn variable(&self, name: &str) -> Option<&Name> {
        self.variables.iter().find(|bound| bound.name == *name).map(|bound| &bound.sort)
    }

    /// Reads `((name sort) ...)` and binds the names.
    pub(super) fn bind_list(&mut self, list: &Expression) -> Result<Vec<Variable>> {
        let mut bound = Vec::new();
        for pair in items(list, "variables stand in a list, as `((a acceptor) (b ballot))`")? {
            let parts = items(pair, "a variable stands with its sort, as `(a acceptor)`")?;
            let [name, sort] = parts else {
                let remedy = "write `(name sort)`";
                return Err(Complaint::new(pair.at(), "this is no variable with a sort", remedy));
            };
            bound.push(self.bind(name, self.symbols.sort(sort)?)?);
        }
        Ok(bound)
    }

    /// Binds one name.
    pub(super) fn bind(&mut self, word: &Expression, sort: Name) -> Result<Variable> {
        let name = self.unbound(word)?;
        let variable = Variable { name, sort };
        self.variables.push(variable.clone());
        Ok(variable)
    }

    /// Reads a name that means nothing here yet.
    pub(super) fn unbound(&self, word: &Expression) -> Result<Name> {
        let name = plain_name(word)?;
        let bound = self.variable(name.as_str()).is_some()
            || self.flags.contains(&name)
            || self.free.iter().any(|relation| relation.name == name)
            || self.symbols.find(name.as_str()).is_some()
            || RESERVED.contains(&name.as_str());
        if bound {
            let what = format!("`{name}` has a meaning here already");
            return Err(Complaint::new(word.at(), what, "take another name"));
        }
        Ok(name)
    }
}

/// Reads a word that can be a name.
pub(super) fn plain_name(word: &Expression) -> Result<Name> {
    let remedy = "use letters, digits and `_ . < > =`, beginning with a letter";
    let Some(text) = word.word() else {
        return Err(Complaint::new(word.at(), "a name is one word", remedy));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.<>=".contains(c);
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(plain) {
        return Err(Complaint::new(word.at(), format!("`{text}` cannot be a name"), remedy));
    }
    Ok(Name::new(text))
}

/// Gives the parts of a list, or says what should stand there.
pub(super) fn items<'e>(list: &'e Expression, wanted: &str) -> Result<&'e [Expression]> {
    list.list().ok_or_else(|| Complaint::new(list.at(), "this is not a list", wanted.to_owned()))
}

/// Gives the word that a list begins with, and what follows.
pub(super) fn headed<'e>(
    list: &'e Expression,
    wanted: &str,
) -> Result<(&'e str, &'e [Expression], Position)> {
    let parts = items(list, wanted)?;
    match parts.split_first() {
        Some((head, rest)) if head.word().is_some() => {
            Ok((head.word().unwrap_or_default(), rest, list.at()))
        }
        Some(_) | None => {
            Err(Complaint::new(list.at(), "this list does not begin with a word", wanted))
        }
    }
}

/// Words with a meaning of their own in formulas.
const RESERVED: &[&str] = &[
    "true", "false", "not", "and", "or", "ite", "forall", "exists", "Bool", "let", "assert", "par",
    "as",
];
