//! The history: what each client invoked, and how it ended.
