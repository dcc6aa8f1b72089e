//! The `synod-kv` command.

fn main() {}
