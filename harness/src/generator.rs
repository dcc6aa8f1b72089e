//! The generator: which client does what next, from a seed.
