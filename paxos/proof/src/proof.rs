//! The proof of one model: every query asked, every answer judged.
//!
//! The claim kept here: a query that got no answer, a count that moved, a query outside the
//! decidable fragment that nobody gave a reason for, and a broken rule without a counterexample are
//! failures, never warnings.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::asked::{Asked, way};
use crate::failure::{Failure, say};
use crate::model::{Model, MustFail};
use crate::query::{Answer, Query, queries};
use crate::smt::script;
use crate::solver::{Bounds, ask_cvc5, ask_z3};
use crate::story;
use crate::table;

/// How queries are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) bounds: Bounds,
    pub(crate) jobs: usize,
    pub(crate) cross: bool,
}

/// The proof of one model.
pub(crate) struct Proof<'m> {
    model: &'m Model,
    plan: Plan,
    spent: Duration,
}

impl<'m> Proof<'m> {
    pub(crate) fn new(model: &'m Model, plan: Plan) -> Self {
        Self { model, plan, spent: Duration::ZERO }
    }

    /// Gives the time that solvers took.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }

    /// Asks every query, breaks every rule, prints the table, and gives what is wrong.
    pub(crate) fn of_all(&mut self) -> Result<Vec<String>, Failure> {
        let queries = queries(self.model, None);
        let mut failures = shape(self.model, &queries);
        let asked = self.ask_all(queries)?;
        say(table::of_queries(self.model, &asked));
        failures.extend(self.complaints(&asked)?);
        failures.extend(self.broken_rules()?);
        say("\n");
        Ok(failures)
    }

    /// Asks everything with one rule switched off, and tells the story of what goes wrong.
    pub(crate) fn of_broken(&mut self, switch: &str) -> Result<Vec<String>, Failure> {
        let named: Vec<&MustFail> = self.named(switch).collect();
        let mut queries = queries(self.model, Some(switch));
        // Only a claim can have a counterexample.
        queries.retain(|query| query.expected == Answer::Unsat);
        let asked = self.ask_all(queries)?;
        say(table::of_queries(self.model, &asked));
        let wanted = |asked: &&Asked| {
            let name = asked.query.name();
            let listed = named.iter().any(|must_fail| must_fail.queries.contains(&name));
            listed && asked.z3.answer == Some(Answer::Sat)
        };
        let Some(found) = asked.iter().find(wanted) else {
            let name = &self.model.name;
            return Ok(vec![format!("{name}: without the rule `{switch}` nothing goes wrong")]);
        };
        let story = story::told(self.model, &found.query, self.plan.bounds)?;
        say(format_args!("\n{story}"));
        let model = &self.model.name;
        say(format_args!("{model}: without the rule `{switch}` this goes wrong, as it must\n"));
        Ok(Vec::new())
    }

    fn named<'s>(&'s self, switch: &'s str) -> impl Iterator<Item = &'m MustFail> {
        self.model.must_fails.iter().filter(move |must_fail| must_fail.switch == *switch)
    }

    /// Breaks each rule, and gives those without a counterexample.
    fn broken_rules(&mut self) -> Result<Vec<String>, Failure> {
        let mut failures = Vec::new();
        let mut told = Vec::new();
        for MustFail { switch, queries: names, .. } in &self.model.must_fails {
            let mut queries = queries(self.model, Some(switch.as_str()));
            queries.retain(|query| names.contains(&query.name()));
            queries.iter_mut().for_each(|query| query.expected = Answer::Sat);
            let known: Vec<String> = queries.iter().map(Query::name).collect();
            let asked = self.ask_all(queries)?;
            let unknown = names.iter().filter(|name| !known.contains(name));
            failures.extend(unknown.map(|name| format!("{}: no query `{name}`", self.model.name)));
            failures.extend(asked.iter().filter_map(|asked| {
                let complaint = asked.complaint()?;
                Some(format!("{}: without the rule `{switch}`: {complaint}", self.model.name))
            }));
            let cells = asked
                .iter()
                .map(|asked| format!("{} {:.2}", asked.query.name(), asked.z3.took.as_secs_f64()));
            told.push(format!("{switch}: {}", cells.collect::<Vec<_>>().join(", ")));
        }
        let (count, told) = (told.len(), told.join("\n    "));
        say(format_args!("  {count} rules, each of which fails when it is broken:\n    {told}\n"));
        Ok(failures)
    }

    /// Gives what solvers answered otherwise than expected, with the story of each counterexample.
    fn complaints(&self, asked: &[Asked]) -> Result<Vec<String>, Failure> {
        let mut failures = Vec::new();
        for asked in asked {
            let Some(complaint) = asked.complaint() else { continue };
            failures.push(format!("{}: {complaint}", self.model.name));
            let counterexample = asked.query.expected == Answer::Unsat
                && asked.z3.answer == Some(Answer::Sat)
                && failures.len() <= STORIES_MAX;
            if counterexample {
                failures.push(story::told(self.model, &asked.query, self.plan.bounds)?);
            }
        }
        Ok(failures)
    }

    /// Asks all, several at once, and gives them in the order in which they came.
    fn ask_all(&mut self, queries: Vec<Query>) -> Result<Vec<Asked>, Failure> {
        let model = self.model;
        let plan = self.plan;
        let queue = Mutex::new(queries.into_iter().enumerate());
        // A lock that a panic poisoned ends the other workers too; the join below tells of the
        // panic.
        let next = || queue.lock().ok().and_then(|mut queries| queries.next());
        let worker = || -> Result<Vec<(usize, Asked)>, Failure> {
            let mut asked = Vec::new();
            while let Some((at, query)) = next() {
                asked.push((at, ask(model, query, plan)?));
            }
            Ok(asked)
        };
        let mut all = thread::scope(|scope| {
            let workers: Vec<_> = (0..plan.jobs).map(|_| scope.spawn(worker)).collect();
            let mut all = Vec::new();
            for handle in workers {
                let panicked = |_| Failure::Internal("a worker panicked".into());
                all.extend(handle.join().map_err(panicked)??);
            }
            Ok(all)
        })?;
        // Workers end in any order, and what is told has that of the model.
        all.sort_by_key(|(at, _)| *at);
        let all: Vec<Asked> = all.into_iter().map(|(_, asked)| asked).collect();
        for Asked { z3, cvc5, .. } in &all {
            self.spent += z3.took + cvc5.as_ref().map_or(Duration::ZERO, |reply| reply.took);
        }
        Ok(all)
    }
}

fn ask(model: &Model, query: Query, plan: Plan) -> Result<Asked, Failure> {
    let script = script(model, &query, false);
    let z3 = ask_z3(&script, plan.bounds)?;
    let cvc5 = match plan.cross {
        true => Some(ask_cvc5(&query, &script, plan.bounds)?),
        false => None,
    };
    Ok(Asked { query, z3, cvc5 })
}

/// Checks what needs no solver: counts, names of queries, and the fragment.
pub(crate) fn shape(model: &Model, queries: &[Query]) -> Vec<String> {
    let mut failures = counted(model, queries);
    let known = |name: &str| queries.iter().any(|query| query.whole_name() == name);
    let usings = model.usings.iter().map(|using| (using.at, &using.query));
    let splits = model.splits.iter().map(|split| (split.at, &split.query));
    let outside = model.outside.iter().map(|outside| (outside.at, &outside.query));
    for (at, name) in usings.chain(splits).chain(outside) {
        if !known(name) {
            let remedy = "name one that there is, or remove the line";
            failures.push(format!("{}:{}: no query `{name}`; {remedy}", model.file, at.line));
        }
    }
    failures.extend(queries.iter().filter_map(|query| outside_the_fragment(model, query)));
    failures
}

fn counted(model: &Model, queries: &[Query]) -> Vec<String> {
    let (invariants, all) = (model.invariants.len(), queries.len());
    let Some(pinned) = model.pinned else {
        return vec![format!("{}: pin the counts: `(pinned {invariants} {all})`", model.file)];
    };
    if (pinned.invariants, pinned.queries) == (invariants, all) {
        return Vec::new();
    }
    let was = format!("pinned are {} invariants and {} queries", pinned.invariants, pinned.queries);
    let remedy = format!("if that is meant, write `(pinned {invariants} {all})`");
    let line = pinned.at.line;
    vec![format!("{}:{line}: there are {invariants} and {all}, and {was}; {remedy}", model.file)]
}

/// Gives what is wrong where a query is outside the fragment without a reason, or the reverse.
fn outside_the_fragment(model: &Model, query: &Query) -> Option<String> {
    let listed = model.outside.iter().find(|outside| outside.query == query.whole_name());
    let cycle = query.alternations(model).cycle();
    let name = query.name();
    match (cycle, listed) {
        (Some(cycle), None) => {
            let way = way(&cycle);
            let remedy = "say it otherwise, or give a reason with `(outside QUERY \"reason\")`";
            Some(format!("{}: `{name}` is undecidable, it leads {way}; {remedy}", model.file))
        }
        (None, Some(listed)) => {
            let line = listed.at.line;
            Some(format!("{}:{line}: `{name}` is decidable; remove the line", model.file))
        }
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// How many counterexamples are told in full.
const STORIES_MAX: usize = 3;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::models::MODELS;

    #[test]
    fn every_model_is_in_the_fragment_and_as_large_as_it_says() {
        for source in MODELS {
            let model = Model::read(source.path, source.text).unwrap();
            let asked = queries(&model, None);
            assert_eq!(shape(&model, &asked), [""; 0], "{}", source.name);
            let broken: Vec<_> = model.must_fails.iter().map(|must| must.switch.clone()).collect();
            assert!(model.switches.iter().all(|switch| broken.contains(switch)));
            // An action that only a broken rule allows has queries only where it is broken.
            let known: Vec<String> = asked.iter().map(Query::whole_name).collect();
            for MustFail { switch, queries: names, .. } in &model.must_fails {
                let broken = || queries(&model, Some(switch.as_str()));
                let unknown = names.iter().find(|name| !known.contains(name));
                let found = |name: &String| broken().iter().any(|query| query.name() == *name);
                assert!(unknown.is_none_or(found), "{}: {switch}: {unknown:?}", source.name);
            }
        }
    }

    #[test]
    fn what_needs_no_solver_is_told_with_its_line() {
        let text = "(model A)\n(sort m n)\n(state r (m n))\n\
            (action A ((x m) (y n)) (add r (x y)))\n\
            (invariant down (forall ((x m)) (exists ((y n)) (r x y))))\n\
            (invariant up (forall ((y n)) (exists ((x m)) (r x y))))\n\
            (outside init.up \"a reason\")\n(using keep.gone.A)\n(pinned 1 7)\n";
        let model = Model::read("a.epr", text).unwrap();
        let told = shape(&model, &queries(&model, None)).join("\n");
        for said in [
            "a.epr:9: there are 2 and 5, and pinned are 1 invariants and 7 queries; if that is",
            "a.epr:8: no query `keep.gone.A`; name one that there is, or remove the line",
            "a.epr:7: `init.up` is decidable; remove the line",
            "a.epr: `keep.up.A` is undecidable, it leads m -> n -> m; say it otherwise, or give",
        ] {
            assert!(told.contains(said), "{told}");
        }
    }
}
