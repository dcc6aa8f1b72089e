//! Compiles the shim itself, a library that nothing of Rust is linked to.
//!
//! The compiler that cargo runs is run once more, on one file that depends on no crate, so that a
//! plain `cargo build` of a clean copy is all it takes. Where there is no such thing as a preloaded
//! library, an empty file is put in its place, and the harness says so.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=preload");
    println!("cargo::rerun-if-changed=build.rs");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        println!("cargo::error=cargo names no folder for what is built");
        return ExitCode::FAILURE;
    };
    let library = out.join("shim.so");
    let built = if is_reached() { compile(&library) } else { std::fs::write(&library, []).is_ok() };
    if built { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tells whether programs of the target load their C library where another can stand before it.
fn is_reached() -> bool {
    let is = |name: &str, values: &[&str]| {
        env::var(name).is_ok_and(|value| values.contains(&value.as_str()))
    };
    is("CARGO_CFG_TARGET_OS", &["linux"])
        && is("CARGO_CFG_TARGET_ENV", &["gnu"])
        && is("CARGO_CFG_TARGET_ARCH", &["x86_64", "aarch64"])
}

fn compile(library: &std::path::Path) -> bool {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "--crate-name", "synod_preload", "--crate-type", "cdylib"]);
    rustc.args(["--cfg", "synod_preload", "--check-cfg", "cfg(synod_preload)"]);
    rustc.args(["-C", "opt-level=2", "-C", "panic=abort", "-C", "lto=fat", "-C", "strip=symbols"]);
    // Nothing here unwinds, so nobody asks how; the core library was compiled to ask all the same.
    rustc.args(["-C", "link-arg=-Wl,--defsym=rust_eh_personality=0"]);
    // A thread that is cancelled while it waits is unwound through what stands here.
    rustc.args(["-C", "force-unwind-tables=yes"]);
    rustc.args(["--target", &variable("TARGET")]);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut flag = std::ffi::OsString::from("linker=");
        flag.push(linker);
        rustc.arg("-C").arg(flag);
    }
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    rustc.args(flags.split('\x1f').filter(|flag| flag.starts_with("-Cllvm-args")));
    rustc.arg("-o").arg(library).arg("preload/main.rs");
    match rustc.status() {
        Ok(status) if status.success() => true,
        Ok(status) => {
            println!("cargo::error=the shim does not compile: {status}");
            false
        }
        Err(error) => {
            println!("cargo::error=the compiler cannot be run: {error}");
            false
        }
    }
}
