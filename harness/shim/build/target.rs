//! For which targets the shim can be built, and which flags of a build are for it as well.
//!
//! It is a part of the build script, and of its test.

/// Says why no program of a target can be reached; nothing, if they can.
pub(crate) fn unreached(target: &Target<'_>) -> Option<String> {
    let Target { os, libc, arch, endian, pointer_bits } = *target;
    let why = match (os, libc, arch, endian, pointer_bits) {
        ("linux", "gnu", "x86_64" | "aarch64", "little", "64") => return None,
        ("linux", "gnu", ..) => format!(
            "it knows the calls of the kernel on x86_64 and aarch64 with 64-bit addresses alone, \
             and this was built for {arch} with {pointer_bits}-bit ones"
        ),
        ("linux", ..) => format!(
            "it stands before glibc alone, and this was built for {libc}; build it for the target \
             {arch}-unknown-linux-gnu"
        ),
        _ => format!("it is for Linux alone, and this was built for {os}"),
    };
    Some(why)
}

/// A target as cargo tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) os: &'a str,
    pub(crate) libc: &'a str,
    pub(crate) arch: &'a str,
    pub(crate) endian: &'a str,
    pub(crate) pointer_bits: &'a str,
}

/// Picks those of the flags that say where things are and how they are linked. The others would
/// instrument it, link it to what it stands before, or hold it to the rules of another crate.
pub(crate) fn shared_flags(encoded: &str) -> Vec<String> {
    let mut flags = encoded.split('\x1f').filter(|flag| !flag.is_empty());
    let mut shared = Vec::new();
    while let Some(flag) = flags.next() {
        let (name, value) = match flag {
            "-C" | "--codegen" => ("-C", flags.next()),
            "-L" | "--sysroot" | "--remap-path-prefix" => (flag, flags.next()),
            _ => match flag.strip_prefix("--codegen=").or_else(|| flag.strip_prefix("-C")) {
                Some(value) => ("-C", Some(value)),
                None => (flag, None),
            },
        };
        let is_shared = match (name, value) {
            ("-C", Some(value)) => {
                let option = value.split('=').next().unwrap_or_default().replace('_', "-");
                SHARED_OPTIONS.contains(&option.as_str())
            }
            ("-L" | "--sysroot" | "--remap-path-prefix", Some(_)) => true,
            (flag, None) => SHARED_PREFIXES.iter().any(|prefix| flag.starts_with(prefix)),
            (_, Some(_)) => false,
        };
        if is_shared {
            shared.push(name.to_owned());
            shared.extend(value.map(str::to_owned));
        }
    }
    shared
}

const SHARED_OPTIONS: [&str; 7] = [
    "linker",
    "linker-flavor",
    "link-arg",
    "link-args",
    "link-self-contained",
    "llvm-args",
    "target-cpu",
];

const SHARED_PREFIXES: [&str; 3] = ["-L", "--sysroot=", "--remap-path-prefix="];
