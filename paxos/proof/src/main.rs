//! The command `synod-prove`; `cargo xtask prove` runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(synod_prove::prove(std::env::args().skip(1)))
}
