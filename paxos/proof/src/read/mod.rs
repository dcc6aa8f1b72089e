//! Reads a model: one declaration after another, each resolved and checked as it comes.
//!
//! The claim kept here: a model that was read is well-sorted, each name in it has one meaning, and
//! whatever is wrong was told with file, line and remedy.

mod action;
mod formula;
mod scope;

use crate::error::{Complaint, ModelError, Position};
use crate::expression::{self, Expression};
use crate::formula::{Formula, Name, Predicate, Variable};
use crate::model::{
    Claim, Definition, Function, Model, MustFail, Outside, Pinned, Relation, Split, Tale, Using,
};
use crate::rewrite::Rewriter;
use scope::{Scope, Symbol, Symbols, headed, items, plain_name};

type Result<T> = std::result::Result<T, Complaint>;

impl Model {
    /// Reads a model from the text of a file; the path is for errors alone.
    ///
    /// # Errors
    ///
    /// Fails where the text is not well-formed, a name is unknown or has two meanings, or a place
    /// gets an element of another sort.
    pub fn read(file: &str, text: &str) -> std::result::Result<Self, ModelError> {
        let mut reader = Reader { file, ..Reader::default() };
        reader.all(text).map_err(|complaint| complaint.in_file(file))?;
        Ok(reader.model)
    }
}

#[derive(Default)]
struct Reader<'f> {
    file: &'f str,
    model: Model,
    symbols: Symbols,
}

impl Reader<'_> {
    fn all(&mut self, text: &str) -> Result<()> {
        self.file.clone_into(&mut self.model.file);
        for declaration in expression::read(text)? {
            let (head, rest, at) = headed(&declaration, DECLARATIONS)?;
            self.declaration(head, rest, at)?;
        }
        let start = Position { line: 1, column: 1 };
        if self.model.name.is_empty() {
            let remedy = "begin the file with `(model NAME)`";
            return Err(Complaint::new(start, "the model has no name", remedy));
        }
        self.check_queries()
    }

    fn declaration(&mut self, head: &str, rest: &[Expression], at: Position) -> Result<()> {
        match head {
            "model" | "sort" | "const" | "rel" | "fun" | "state" | "switch" | "define" => {
                self.vocabulary(head, rest, at)
            }
            "axiom" | "init" | "invariant" | "lemma" | "safety" | "step" | "witness" => {
                self.claim(head, rest, at)
            }
            "action" => {
                let action = action::read(&self.symbols, rest, at)?;
                let names = self.model.actions.iter().map(|action| &action.name);
                once(names, &action.name, at)?;
                self.model.actions.push(action);
                Ok(())
            }
            "using" | "split" | "must-fail" | "outside" | "tell" | "order" | "pinned" => {
                self.direction(head, rest, at)
            }
            other => Err(Complaint::new(at, format!("`{other}` declares nothing"), DECLARATIONS)),
        }
    }

    /// Reads what gives a name its meaning.
    fn vocabulary(&mut self, head: &str, rest: &[Expression], at: Position) -> Result<()> {
        match (head, rest) {
            ("model", [name]) => self.model.name = plain_name(name)?.to_string(),
            ("sort", names) => {
                for name in names {
                    let name = self.symbols.declare(name, Symbol::Sort)?;
                    self.model.sorts.push(name);
                }
            }
            ("switch", names) => {
                for name in names {
                    let name = self.symbols.declare(name, Symbol::Switch)?;
                    self.model.switches.push(name);
                }
            }
            ("const", [name, sort]) => {
                let sort = self.symbols.sort(sort)?;
                let name = self.symbols.declare(name, Symbol::Constant(sort.clone()))?;
                self.model.constants.push(Variable { name, sort });
            }
            ("rel", [name, sorts]) => {
                let sorts = self.symbols.sorts(sorts)?;
                let name = self.symbols.declare(name, Symbol::Relation(sorts.clone()))?;
                self.model.relations.push(Relation { name, sorts });
            }
            ("state", [name, sorts]) => {
                let sorts = self.symbols.sorts(sorts)?;
                let name = self.symbols.declare(name, Symbol::State(sorts.clone()))?;
                self.model.state.push(Relation { name, sorts });
            }
            ("fun", [name, sorts, result]) => {
                let (sorts, result) = (self.symbols.sorts(sorts)?, self.symbols.sort(result)?);
                let symbol = Symbol::Function(sorts.clone(), result.clone());
                let name = self.symbols.declare(name, symbol)?;
                self.model.functions.push(Function { name, sorts, result });
            }
            ("define", [name, parameters, body]) => self.define(name, parameters, body)?,
            _ => return Err(lacks(head, at)),
        }
        Ok(())
    }

    fn define(&mut self, name: &Expression, list: &Expression, body: &Expression) -> Result<()> {
        let mut scope = Scope::new(&self.symbols);
        let parameters = scope.bind_list(list)?;
        let body = scope.formula(body)?;
        let sorts = parameters.iter().map(|parameter| parameter.sort.clone()).collect();
        let name = self.symbols.declare(name, Symbol::Defined(sorts))?;
        self.model.definitions.push(Definition { name, parameters, body });
        Ok(())
    }

    /// Reads `(KIND NAME "words" FORMULA)`; the words may be left out.
    fn claim(&mut self, kind: &str, rest: &[Expression], at: Position) -> Result<()> {
        let (name, words, formula) = match rest {
            [name, Expression::Text(words, _), formula] => (name, words.clone(), formula),
            [name, formula] => (name, String::new(), formula),
            _ => return Err(lacks(kind, at)),
        };
        let mut scope = Scope::new(&self.symbols);
        scope.primed = kind == "step";
        let body = scope.formula(formula)?;
        // A definition may name the state, and would carry it into the axiom.
        let expanded = Rewriter::new(&self.model).expand(body.clone());
        if kind == "axiom" && expanded.names_state(&|_| true) {
            let remedy = "an axiom is about what never changes; make it an invariant";
            return Err(Complaint::new(formula.at(), "an axiom names the state", remedy));
        }
        let claim = Claim { name: plain_name(name)?, words, formula: body, at };
        let claims = match kind {
            "axiom" => &mut self.model.axioms,
            "init" => &mut self.model.inits,
            "invariant" => &mut self.model.invariants,
            "lemma" => &mut self.model.lemmas,
            "safety" => &mut self.model.safety,
            "step" => &mut self.model.steps,
            _ => &mut self.model.witnesses,
        };
        once(claims.iter().map(|claim| &claim.name), &claim.name, at)?;
        claims.push(claim);
        Ok(())
    }

    /// Reads what says how queries are asked, and what is expected of them.
    fn direction(&mut self, head: &str, rest: &[Expression], at: Position) -> Result<()> {
        match (head, rest) {
            ("using", [query, lemmas @ ..]) => {
                let lemmas = lemmas.iter().map(plain_name).collect::<Result<_>>()?;
                self.model.usings.push(Using { query: query_name(query)?, lemmas, at });
            }
            ("split", [query, cases @ ..]) => self.split(query, cases, at)?,
            ("must-fail", [switch, queries @ ..]) if !queries.is_empty() => {
                let queries = queries.iter().map(query_name).collect::<Result<_>>()?;
                self.model.must_fails.push(MustFail { switch: plain_name(switch)?, queries, at });
            }
            ("outside", [query, Expression::Text(reason, _)]) => {
                let (query, reason) = (query_name(query)?, reason.clone());
                self.model.outside.push(Outside { query, reason, at });
            }
            ("tell", [variables, formula, Expression::Text(words, _)]) => {
                let mut scope = Scope::new(&self.symbols);
                let variables = scope.bind_list(variables)?;
                let formula = scope.formula(formula)?;
                self.model.tales.push(Tale { variables, formula, words: words.clone() });
            }
            ("order", [relation]) => {
                let name = plain_name(relation)?;
                match self.symbols.find(name.as_str()) {
                    Some(Symbol::Relation(sorts)) if sorts.len() == 2 && sorts[0] == sorts[1] => {
                        self.model.orders.push(name);
                    }
                    Some(_) | None => return Err(lacks(head, at)),
                }
            }
            ("pinned", [invariants, queries]) => {
                let number = |expression: &Expression| {
                    expression.word().and_then(|word| word.parse::<usize>().ok())
                };
                let (Some(invariants), Some(queries)) = (number(invariants), number(queries))
                else {
                    return Err(lacks(head, at));
                };
                self.model.pinned = Some(Pinned { invariants, queries, at });
            }
            _ => return Err(lacks(head, at)),
        }
        Ok(())
    }

    /// Reads the cases of a query, over the parameters of its action.
    fn split(&mut self, query: &Expression, cases: &[Expression], at: Position) -> Result<()> {
        let name = query_name(query)?;
        let action = name.split('.').nth(2).and_then(|action| self.model.action(action));
        let Some(action) = action else {
            let remedy = "write `keep.INVARIANT.ACTION`, behind the action";
            return Err(Complaint::new(query.at(), "only a step can be split", remedy));
        };
        let mut scope = Scope::new(&self.symbols);
        scope.variables = action.parameters.clone();
        scope.flags = action.flags.clone();
        scope.free = action.free.clone();
        let mut read = Vec::new();
        for case in cases {
            match items(case, "a case is `(NAME FORMULA)`")? {
                [name, formula] => read.push((plain_name(name)?, scope.formula(formula)?)),
                _ => return Err(lacks("split", case.at())),
            }
        }
        self.model.splits.push(Split { query: name, cases: read, at });
        Ok(())
    }

    /// Checks what can only be known at the end: names of lemmas and of switches.
    fn check_queries(&self) -> Result<()> {
        let model = &self.model;
        for using in &model.usings {
            // A lemma is proved by those before it, so that none is proved by itself.
            let proved = using.query.strip_prefix("lemma.");
            let before = model.lemmas.iter().map(|lemma| &lemma.name);
            let before: Vec<&Name> =
                before.take_while(|name| proved != Some(name.as_str())).collect();
            if let Some(lemma) = using.lemmas.iter().find(|lemma| !before.contains(lemma)) {
                let what = format!("`{lemma}` is no lemma that this query may use");
                let remedy = "state it with `(lemma ...)`, before a lemma that uses it";
                return Err(Complaint::new(using.at, what, remedy));
            }
        }
        for must_fail in &model.must_fails {
            if !model.switches.contains(&must_fail.switch) {
                let what = format!("`{}` is no switch", must_fail.switch);
                return Err(Complaint::new(must_fail.at, what, "declare it with `(switch ...)`"));
            }
        }
        for switch in &model.switches {
            let fails = model.must_fails.iter().any(|must_fail| must_fail.switch == *switch);
            if !fails || !self.uses(switch) {
                let what = format!("the switch `{switch}` switches nothing, or nothing must fail");
                let remedy = "name it in a formula, and in a `(must-fail SWITCH QUERY ...)`";
                return Err(Complaint::new(Position { line: 1, column: 1 }, what, remedy));
            }
        }
        Ok(())
    }

    fn uses(&self, switch: &Name) -> bool {
        let model = &self.model;
        let mut found = false;
        let mut look = |formula: &Formula| {
            formula.walk(&mut |part| {
                if let Formula::Holds(Predicate::Switch(name), _) = part {
                    found |= name == switch;
                }
            });
        };
        model.axioms.iter().for_each(|claim| look(&claim.formula));
        model.definitions.iter().for_each(|definition| look(&definition.body));
        for action in &model.actions {
            action.guards.iter().for_each(&mut look);
            action.updates.iter().for_each(|update| look(&update.body));
        }
        found
    }
}

/// Reads the name of a query, such as `keep.SafeAt.Phase2a`.
fn query_name(expression: &Expression) -> Result<String> {
    match expression.word() {
        Some(word) if word.contains('.') => Ok(word.to_owned()),
        Some(_) | None => {
            let what = "this is no name of a query";
            Err(Complaint::new(expression.at(), what, "write such as `keep.SafeAt.Phase2a`"))
        }
    }
}

fn once<'n>(mut names: impl Iterator<Item = &'n Name>, name: &Name, at: Position) -> Result<()> {
    if names.any(|known| known == name) {
        let what = format!("there are two called `{name}`");
        return Err(Complaint::new(at, what, "take another name"));
    }
    Ok(())
}

fn lacks(head: &str, at: Position) -> Complaint {
    let form = FORMS.iter().find(|(word, _)| *word == head).map_or("", |(_, form)| form);
    Complaint::new(
        at,
        format!("this `{head}` lacks a part or has one too many"),
        format!("write `{form}`"),
    )
}

const DECLARATIONS: &str = "a declaration is a list that begins with model, sort, const, rel, fun, \
    state, switch, define, axiom, init, action, invariant, lemma, using, split, safety, step, \
    witness, must-fail, outside, tell, order or pinned";

const FORMS: &[(&str, &str)] = &[
    ("model", "(model NAME)"),
    ("const", "(const NAME SORT)"),
    ("rel", "(rel NAME (SORT ...))"),
    ("state", "(state NAME (SORT ...))"),
    ("fun", "(fun NAME (SORT ...) SORT)"),
    ("define", "(define NAME ((x SORT) ...) FORMULA)"),
    ("axiom", "(axiom NAME \"words\" FORMULA)"),
    ("init", "(init NAME \"words\" FORMULA)"),
    ("invariant", "(invariant NAME \"words\" FORMULA)"),
    ("lemma", "(lemma NAME \"words\" FORMULA)"),
    ("safety", "(safety NAME \"words\" FORMULA)"),
    ("step", "(step NAME \"words\" FORMULA)"),
    ("witness", "(witness NAME \"words\" FORMULA)"),
    ("using", "(using QUERY LEMMA ...)"),
    ("split", "(split QUERY (CASE FORMULA) ...)"),
    ("must-fail", "(must-fail SWITCH QUERY ...)"),
    ("outside", "(outside QUERY \"reason\")"),
    ("tell", "(tell ((x SORT) ...) FORMULA \"words\")"),
    ("order", "(order RELATION), a relation of one sort with itself that no action changes"),
    ("pinned", "(pinned INVARIANTS QUERIES)"),
];
