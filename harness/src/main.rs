//! The `synod-harness` command.

fn main() {}
