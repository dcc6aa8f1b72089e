//! The protocol as inductive invariants, proved for any number of everything.
//!
//! The specifications in TLA+ are checked in small bounds. Here the same rules stand as relations,
//! and a solver shows that each invariant survives each step, whatever the number of acceptors,
//! quorums, ballots, slots, messages and crashes (Padon, Losa, Sagiv and Shoham, "Paxos Made EPR",
//! 2017). This library reads a model, makes the questions, and keeps them in a fragment of logic
//! that is decidable; the binary asks a solver. What the rules are is left to the models.
//!
//! ```
//! use synod_prove::{MODELS, Model};
//!
//! let source = MODELS.iter().find(|source| source.name == "Synod").expect("it is listed");
//! let synod = Model::read(source.path, source.text)?;
//! assert!(synod.action("Phase2b").is_some_and(|action| !action.guards.is_empty()));
//! assert!(Model::read("a.epr", "(model A) (rel lt (ballot ballot))").is_err());
//! # Ok::<(), synod_prove::ModelError>(())
//! ```

mod asked;
mod command;
mod error;
mod expression;
mod failure;
pub mod finite;
mod formula;
mod fragment;
mod ground;
mod model;
mod models;
mod proof;
mod query;
mod read;
mod rewrite;
mod smt;
mod solver;
mod story;
mod table;
mod why;

pub use command::prove;
pub use error::{ModelError, Position};
pub use formula::{Formula, Name, Predicate, Quantifier, Term, Variable};
pub use model::{
    Action, Claim, Definition, Function, Model, MustFail, Outside, Pinned, Relation, Split, Tale,
    Update, Using,
};
pub use models::{MODELS, Source};
