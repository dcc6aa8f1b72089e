//! From what a crash left to a journal that can be written, or to a refusal that names the damage.
//!
//! Claim kept: what a sync covered is given back, and what is cut away was covered by none.

pub(crate) mod folders;
mod inspect;
pub(crate) mod recovery;
pub(crate) mod rewrite;
pub(crate) mod survey;
pub(crate) mod tail;
