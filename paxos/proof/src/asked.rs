//! A query with what solvers said to it.
//!
//! Who asks is left to `proof`, how it is shown to `table`.

use crate::formula::Name;
use crate::fragment::Alternations;
use crate::model::Model;
use crate::query::{Kind, Query};
use crate::solver::{Reply, Solver};

/// A query with what solvers said to it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) query: Query,
    pub(crate) z3: Reply,
    pub(crate) cvc5: Option<Reply>,
}

impl Asked {
    /// Says whether each solver gave the answer that is expected.
    pub(crate) fn is_good(&self) -> bool {
        let wanted = Some(self.query.expected);
        self.z3.answer == wanted && self.cvc5.as_ref().is_none_or(|reply| reply.answer == wanted)
    }

    pub(crate) fn complaint(&self) -> Option<String> {
        let replies = [(Solver::Z3, Some(&self.z3)), (Solver::Cvc5Models, self.cvc5.as_ref())];
        let wanted = self.query.expected;
        let wrong = replies.into_iter().find_map(|(solver, reply)| {
            let reply = reply.filter(|reply| reply.answer != Some(wanted))?;
            Some((solver, reply))
        });
        let (solver, reply) = wrong?;
        let said = match reply.answer {
            Some(answer) => format!("{answer}, not {wanted}"),
            None => format!("nothing within {:.0} s", reply.took.as_secs_f64()),
        };
        Some(format!("{}: {solver} says {said}", self.query.name()))
    }
}

/// Gives sorts as a way.
pub(crate) fn way(sorts: &[Name]) -> String {
    sorts.iter().map(Name::as_str).collect::<Vec<_>>().join(" -> ")
}

/// Joins the alternations of all queries that are inside the fragment.
pub(crate) fn alternations(model: &Model, asked: &[Asked]) -> Alternations {
    let mut all = Alternations::default();
    for asked in asked {
        // A query outside the fragment has a cycle, and would leave the sorts of all others
        // unordered.
        let one = asked.query.alternations(model);
        if one.cycle().is_none() {
            all.join(&one);
        }
    }
    all
}

/// Says whether a query shows that something is possible, beside the proof.
pub(crate) fn is_beside(kind: Kind) -> bool {
    match kind {
        Kind::Safe | Kind::Witness | Kind::Lemma => true,
        Kind::Init | Kind::Split | Kind::Keep | Kind::Step | Kind::Can => false,
    }
}
