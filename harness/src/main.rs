//! The `synod-harness` command.
//!
//! It reads the command line and hands over to the packages that do the work; what it adds is the
//! text and the exit code. The runtime is single-threaded on purpose: processes are started from
//! the main thread, because the kernel ends them with the thread that started them.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
