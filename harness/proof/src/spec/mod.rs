//! The specification in Rust: the transition relations that the real code is held against.
