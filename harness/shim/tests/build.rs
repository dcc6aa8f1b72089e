//! What the build script decides before it runs a compiler.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../build/target.rs"]
mod target;

use target::{Target, shared_flags, unreached};

const LINUX: Target<'_> =
    Target { os: "linux", libc: "gnu", arch: "x86_64", endian: "little", pointer_bits: "64" };

#[test]
fn targets_without_a_shim_are_told_why() {
    assert_eq!(unreached(&LINUX), None);
    assert_eq!(unreached(&Target { arch: "aarch64", ..LINUX }), None);
    let check = |target: Target<'_>, words: &str| {
        let why = unreached(&target).unwrap();
        assert!(why.contains(words), "{target:?}: {why}");
    };
    check(Target { libc: "musl", ..LINUX }, "build it for the target x86_64-unknown-linux-gnu");
    check(Target { arch: "riscv64", ..LINUX }, "this was built for riscv64");
    check(Target { pointer_bits: "32", ..LINUX }, "with 32-bit ones");
    check(Target { arch: "aarch64", endian: "big", ..LINUX }, "aarch64");
    check(Target { os: "macos", libc: "", ..LINUX }, "this was built for macos");
}

#[test]
fn flags_of_the_linker_are_shared_and_others_are_not() {
    let shared = |flags: &[&str]| shared_flags(&flags.join("\x1f")).join(" ");
    assert_eq!(shared(&[]), "");
    let linker = "-C linker=clang -C link-arg=-fuse-ld=lld";
    assert_eq!(shared(&["-Clinker=clang", "-C", "link-arg=-fuse-ld=lld"]), linker);
    let codegen = shared(&["--codegen=linker=clang", "--codegen", "link_arg=-v"]);
    assert_eq!(codegen, "-C linker=clang -C link_arg=-v");
    assert_eq!(shared(&["-L", "native=/lib", "-Lframework=/x"]), "-L native=/lib -Lframework=/x");
    let others = ["-Dwarnings", "-C", "instrument-coverage", "-Zsanitizer=thread", "--cfg", "loom"];
    assert_eq!(shared(&others), "");
    assert_eq!(shared(&["-Ctarget-feature=+crt-static", "-Cprefer-dynamic"]), "");
}
