//! Broken bytes for every decoder that a stranger can reach.
//!
//! Which decoders there are is told in `targets`, how inputs are changed in `mutator`, where they
//! come from in `corpus`. The claim kept true: what a decoder accepts has a written form that
//! decodes to the same, and no input makes it panic.
#![doc = include_str!("../README.md")]

pub mod corpus;
pub mod mutator;
pub mod targets;

pub use targets::{FuzzTarget, TARGETS, Verdict};
