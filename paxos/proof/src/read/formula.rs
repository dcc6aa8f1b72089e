//! Reads formulas and terms, and checks that each place gets an element of its sort.

use super::Result;
use super::scope::{Scope, Symbol, headed};
use crate::error::{Complaint, Position};
use crate::expression::Expression;
use crate::formula::{Formula, Name, Predicate, Quantifier, Term};

impl Scope<'_> {
    /// Reads a formula.
    pub(super) fn formula(&mut self, expression: &Expression) -> Result<Formula> {
        if let Some(word) = expression.word() {
            return self.bare(word, expression.at());
        }
        let wanted = "a formula is a word or a list that begins with one";
        let (head, rest, at) = headed(expression, wanted)?;
        match head {
            "forall" => self.quantified(Quantifier::Forall, rest, at),
            "exists" => self.quantified(Quantifier::Exists, rest, at),
            "and" => Ok(Formula::And(self.formulas(rest)?)),
            "or" => Ok(Formula::Or(self.formulas(rest)?)),
            "not" => {
                let [one] = self.exactly(head, rest, at)?;
                Ok(Formula::Not(one.into()))
            }
            "=>" => {
                let [left, right] = self.exactly(head, rest, at)?;
                Ok(Formula::Implies(left.into(), right.into()))
            }
            "ite" => {
                let [condition, yes, no] = self.exactly(head, rest, at)?;
                Ok(Formula::If(condition.into(), yes.into(), no.into()))
            }
            "=" => self.equality(rest, at),
            name => self.holds(name, rest, at),
        }
    }

    fn formulas(&mut self, expressions: &[Expression]) -> Result<Vec<Formula>> {
        expressions.iter().map(|expression| self.formula(expression)).collect()
    }

    fn exactly<const N: usize>(
        &mut self,
        head: &str,
        rest: &[Expression],
        at: Position,
    ) -> Result<[Formula; N]> {
        self.formulas(rest)?.try_into().map_err(|got: Vec<Formula>| {
            let what = format!("`{head}` takes {N} formulas, not {}", got.len());
            Complaint::new(at, what, "look for a misplaced parenthesis")
        })
    }

    /// Reads a word that stands for a formula by itself.
    fn bare(&self, word: &str, at: Position) -> Result<Formula> {
        match word {
            "true" => Ok(Formula::Constant(true)),
            "false" => Ok(Formula::Constant(false)),
            name if self.flags.iter().any(|flag| flag == name) => {
                Ok(Formula::Holds(Predicate::Flag(Name::new(name)), Vec::new()))
            }
            name => {
                let (predicate, sorts) = self.predicate(name, at)?;
                self.takes(name, &sorts, 0, at)?;
                Ok(Formula::Holds(predicate, Vec::new()))
            }
        }
    }

    fn quantified(
        &mut self,
        quantifier: Quantifier,
        rest: &[Expression],
        at: Position,
    ) -> Result<Formula> {
        let [variables, body] = rest else {
            let remedy = "write `(forall ((a sort) ...) FORMULA)`";
            return Err(Complaint::new(at, "a quantifier takes variables and a formula", remedy));
        };
        let outside = self.variables.len();
        let variables = self.bind_list(variables)?;
        if variables.is_empty() {
            let remedy = "name at least one, or drop the quantifier";
            return Err(Complaint::new(at, "a quantifier without variables", remedy));
        }
        let body = self.formula(body)?;
        self.variables.truncate(outside);
        Ok(Formula::Quantified(quantifier, variables, Box::new(body)))
    }

    /// Reads `(= x y)`, of terms or of formulas.
    fn equality(&mut self, rest: &[Expression], at: Position) -> Result<Formula> {
        let [left, right] = rest else {
            return Err(Complaint::new(at, "`=` takes two sides", "write `(= x y)`"));
        };
        if !self.is_term(left) {
            let [left, right] = self.exactly("=", rest, at)?;
            return Ok(Formula::Same(left.into(), right.into()));
        }
        let (left, sort) = self.term(left)?;
        let right = self.term_of(right, &sort)?;
        Ok(Formula::Equal(left, right))
    }

    fn holds(&self, name: &str, rest: &[Expression], at: Position) -> Result<Formula> {
        let (predicate, sorts) = self.predicate(name, at)?;
        self.takes(name, &sorts, rest.len(), at)?;
        let terms = rest.iter().zip(&sorts).map(|(term, sort)| self.term_of(term, sort));
        Ok(Formula::Holds(predicate, terms.collect::<Result<_>>()?))
    }

    /// Finds what a name says of elements, and of which sorts.
    fn predicate(&self, word: &str, at: Position) -> Result<(Predicate, Vec<Name>)> {
        if let Some(relation) = self.free.iter().find(|relation| relation.name == *word) {
            return Ok((Predicate::Free(relation.name.clone()), relation.sorts.clone()));
        }
        let name = Name::new(word);
        match self.symbols.find(word) {
            Some(Symbol::Relation(sorts)) => Ok((Predicate::Rigid(name), sorts.clone())),
            Some(Symbol::State(sorts)) => Ok((Predicate::State(name), sorts.clone())),
            Some(Symbol::Defined(sorts)) => Ok((Predicate::Defined(name), sorts.clone())),
            Some(Symbol::Switch) => Ok((Predicate::Switch(name), Vec::new())),
            Some(Symbol::Sort | Symbol::Constant(_) | Symbol::Function(..)) => {
                let what = format!("`{word}` is an element or a sort, and no formula");
                Err(Complaint::new(at, what, "compare it with `=`, or name a relation"))
            }
            None => self.primed(word, at),
        }
    }

    fn primed(&self, word: &str, at: Position) -> Result<(Predicate, Vec<Name>)> {
        let before = word.strip_suffix('\'');
        match before.map(|name| (name, self.symbols.find(name))) {
            Some((name, Some(Symbol::State(sorts)))) if self.primed => {
                Ok((Predicate::Next(Name::new(name)), sorts.clone()))
            }
            Some((_, Some(Symbol::State(_)))) => {
                let what = format!("`{word}` names the state after a step");
                Err(Complaint::new(at, what, "only a `(step ...)` claim may do that"))
            }
            Some(_) | None => {
                let remedy = "declare it above with `rel`, `state`, `define` or `switch`";
                Err(Complaint::new(at, format!("`{word}` is not declared"), remedy))
            }
        }
    }

    fn takes(&self, name: &str, sorts: &[Name], given: usize, at: Position) -> Result<()> {
        if sorts.len() == given {
            return Ok(());
        }
        let listed: Vec<&str> = sorts.iter().map(Name::as_str).collect();
        let what = format!("`{name}` takes {} terms, not {given}", sorts.len());
        Err(Complaint::new(at, what, format!("its places are ({})", listed.join(" "))))
    }

    fn is_term(&self, expression: &Expression) -> bool {
        let head = expression.list().and_then(|parts| parts.first()).unwrap_or(expression);
        let Some(word) = head.word() else { return false };
        let declared = self.symbols.find(word);
        self.variable(word).is_some()
            || matches!(declared, Some(Symbol::Constant(_) | Symbol::Function(..)))
    }

    fn term_of(&self, expression: &Expression, wanted: &Name) -> Result<Term> {
        let (term, sort) = self.term(expression)?;
        if sort == *wanted {
            return Ok(term);
        }
        let what = format!("a term of sort `{sort}` where one of sort `{wanted}` belongs");
        let remedy = "look for swapped terms, or for another relation";
        Err(Complaint::new(expression.at(), what, remedy))
    }

    fn term(&self, expression: &Expression) -> Result<(Term, Name)> {
        if let Some(word) = expression.word() {
            if let Some(sort) = self.variable(word) {
                return Ok((Term::Variable(Name::new(word)), sort.clone()));
            }
            if let Some(Symbol::Constant(sort)) = self.symbols.find(word) {
                return Ok((Term::Constant(Name::new(word)), sort.clone()));
            }
            let what = format!("`{word}` is no element");
            let remedy = "bind it by a quantifier or a parameter, or declare it with `const`";
            return Err(Complaint::new(expression.at(), what, remedy));
        }
        let (head, rest, at) = headed(expression, "a term is a name or a function of terms")?;
        let Some(Symbol::Function(sorts, result)) = self.symbols.find(head) else {
            let what = format!("`{head}` is no function");
            return Err(Complaint::new(at, what, "declare it above with `fun`"));
        };
        self.takes(head, sorts, rest.len(), at)?;
        let terms = rest.iter().zip(sorts).map(|(term, sort)| self.term_of(term, sort));
        let terms = terms.collect::<Result<_>>()?;
        Ok((Term::Apply(Name::new(head), terms), result.clone()))
    }
}
