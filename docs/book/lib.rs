//! The programs in the book, as tests: `cargo test` compiles and runs each.
//!
//! The commands are run by `tests/commands.rs`, the schema is held against real bridges by
//! `tests/schema.rs`. The claim kept true: nothing in the book can be typed and fail.
#![cfg_attr(doctest, doc = include_str!("pages/service.md"))]
#![cfg_attr(doctest, doc = include_str!("pages/ideas.md"))]
