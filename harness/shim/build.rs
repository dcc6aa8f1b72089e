//! Compiles the shim itself, a library that nothing of Rust is linked to.
//!
//! The compiler that cargo runs is run once more, on one file that depends on no crate, so that a
//! plain `cargo build` of a clean copy is all it takes. Where there is no such thing as a preloaded
//! library, or none can be built, an empty file is put in its place beside one that says why: the
//! harness does all else without it, and says so when a fault needs it.

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[path = "build/target.rs"]
mod target;

use target::{Target, shared_flags, unreached};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=preload");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        println!("cargo::error=cargo names no folder for what is built");
        return ExitCode::FAILURE;
    };
    let library = out.join("shim.so");
    let mut why = unreached_here().unwrap_or_default();
    if why.is_empty()
        && let Err(error) = compile(&library)
    {
        // What is missing is no file of this crate: a file that never is has the next build try
        // again.
        println!("cargo::rerun-if-changed=never");
        println!("cargo::warning=the harness is built without faults of disks and clocks: {error}");
        why = error;
    }
    let emptied = if why.is_empty() { Ok(()) } else { std::fs::write(&library, []) };
    match emptied.and_then(|()| std::fs::write(out.join("why-none.txt"), why)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error=cannot write to {}: {error}", out.display());
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn unreached_here() -> Option<String> {
    unreached(&Target {
        os: &variable("CARGO_CFG_TARGET_OS"),
        libc: &variable("CARGO_CFG_TARGET_ENV"),
        arch: &variable("CARGO_CFG_TARGET_ARCH"),
        endian: &variable("CARGO_CFG_TARGET_ENDIAN"),
        pointer_bits: &variable("CARGO_CFG_TARGET_POINTER_WIDTH"),
    })
}

fn compile(library: &Path) -> Result<(), String> {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = Command::new(&compiler);
    rustc.args(["--edition", "2024", "--crate-name", "synod_preload", "--crate-type", "cdylib"]);
    rustc.args(["--cfg", "synod_preload", "--check-cfg", "cfg(synod_preload)"]);
    rustc.args(["--target", &variable("TARGET")]);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut flag = OsString::from("linker=");
        flag.push(linker);
        rustc.arg("-C").arg(flag);
    }
    rustc.args(shared_flags(&variable("CARGO_ENCODED_RUSTFLAGS")));
    rustc.args(["-C", "opt-level=2", "-C", "panic=abort", "-C", "lto=fat", "-C", "strip=symbols"]);
    // Nothing here unwinds, so nobody asks how; the core library was compiled to ask all the same.
    rustc.args(["-C", "link-arg=-Wl,--defsym=rust_eh_personality=0"]);
    // A thread that is cancelled while it waits is unwound through what stands here.
    rustc.args(["-C", "force-unwind-tables=yes"]);
    rustc.arg("-o").arg(library).arg("preload/main.rs");
    let Ok(output) = rustc.output() else {
        return Err(format!("the compiler {} cannot be run", compiler.display()));
    };
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let error = told.lines().find(|line| line.starts_with("error")).unwrap_or("it said no error");
    let remedy = if error.contains("linker") {
        "install a C compiler, or name one by CARGO_TARGET_<TARGET>_LINKER, and build again"
    } else {
        "build again with `cargo build -vv -p synod-shim`, which shows all that was said"
    };
    // Who asks for all that was said finds it there; that it cannot be said is no reason to fail.
    drop(std::io::stderr().write_all(&output.stderr));
    Err(format!("its library does not compile: {error}; {remedy}"))
}
