//! The verb `doctor`: what this machine has and lacks, each lack with its remedy.
//!
//! It changes nothing. What is needed and missing is a failure; what is optional is told.

use std::fs;
use std::net::{TcpListener, UdpSocket};

use crate::canary;
use crate::outcome::{Failure, Outcome};
use crate::prove;
use crate::said::say;
use crate::shell::Step;
use crate::workspace::{is_installed, root};

/// Looks at everything, prints a line for each, and fails when something needed is missing.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let findings = [toolchain(), c_compiler(), git(), ports(), open_files(), platform()];
    let optional = [z3(), cvc5(), python(), chromium()];
    let mut missing = 0;
    for finding in &findings {
        missing += usize::from(finding.remedy.is_some());
        finding.print("missing");
    }
    optional.iter().for_each(|finding| finding.print("optional"));
    match missing {
        0 => Ok(()),
        1 => Err(Failure::Found("doctor: one thing is missing".into())),
        more => Err(Failure::Found(format!("doctor: {more} things are missing"))),
    }
}

/// What was found, and what to do when it is not good.
struct Finding {
    subject: &'static str,
    found: String,
    remedy: Option<&'static str>,
}

impl Finding {
    fn new(subject: &'static str, found: Option<String>, remedy: &'static str) -> Self {
        match found {
            Some(found) => Self { subject, found, remedy: None },
            None => Self { subject, found: "none".into(), remedy: Some(remedy) },
        }
    }

    fn print(&self, word: &str) {
        let Self { subject, found, remedy } = self;
        match remedy {
            None => say!("{:<9} {subject:<11} {found}", "ok"),
            Some(remedy) => say!("{word:<9} {subject:<11} {found}: {remedy}"),
        }
    }
}

fn toolchain() -> Finding {
    let version = Step::new("rustc").arg("--version").capture().ok();
    let wanted = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap_or_default();
    let wanted = wanted.lines().find_map(|line| line.strip_prefix("channel = "));
    let wanted = wanted.unwrap_or_default().trim_matches('"').to_owned();
    let good = version.filter(|version| version.contains(&wanted)).map(|v| v.trim().to_owned());
    Finding::new("toolchain", good, "install rustup; it reads rust-toolchain.toml")
}

fn c_compiler() -> Finding {
    let found = ["cc", "gcc", "clang"].into_iter().find(|name| is_installed(name));
    let remedy = "install a C compiler, such as the package gcc; the TLS library needs it";
    Finding::new("C compiler", found.map(String::from), remedy)
}

fn git() -> Finding {
    let found = Step::new("git").arg("--version").capture().ok();
    let remedy = "install git; tidy and mutants ask it for the list of files";
    Finding::new("git", found.map(|text| text.trim().to_owned()), remedy)
}

fn z3() -> Finding {
    let found = Step::new(prove::SOLVER).arg("--version").capture().ok();
    let found = found.map(|text| text.trim().to_owned());
    Finding::new("z3", found, "install the package z3 for `cargo xtask prove`")
}

fn cvc5() -> Finding {
    let found = is_installed(prove::SECOND_SOLVER).then(|| prove::SECOND_SOLVER.into());
    Finding::new("cvc5", found, "install the package cvc5 for `cargo xtask prove --cross`")
}

fn python() -> Finding {
    let found = canary::has_python().then(|| "python3".into());
    Finding::new("python3", found, "install python3, 3.10 or later, for `cargo xtask canary`")
}

fn ports() -> Finding {
    let taken = || -> std::io::Result<String> {
        let tcp = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let udp = UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?;
        Ok(format!("loopback gives free ones, such as {} and {}", tcp.port(), udp.port()))
    };
    Finding::new("ports", taken().ok(), "allow binding 127.0.0.1 on TCP and UDP")
}

/// A cluster of three with its proxies and clients opens a few hundred files.
fn open_files() -> Finding {
    let limit = fs::read_to_string("/proc/self/limits").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("Max open files"))?;
        line.split_whitespace().nth(3).map(String::from)
    });
    let enough = match limit.as_deref().map(str::parse::<u64>) {
        Some(Ok(number)) => number >= OPEN_FILES_MIN,
        // A system that does not tell its limit may have a high one.
        Some(Err(_)) | None => true,
    };
    let told = limit.unwrap_or_else(|| "limit unknown".into());
    Finding::new("open files", enough.then_some(told), "raise the limit with `ulimit -n 4096`")
}

fn platform() -> Finding {
    let system = std::env::consts::OS;
    let remedy = "chaos, demo and bench need Linux; the pure crates and the checkers do not";
    Finding::new("platform", (system == "linux").then(|| system.into()), remedy)
}

fn chromium() -> Finding {
    let found = CHROMIUM_NAMES.iter().find(|name| is_installed(name));
    let remedy = "install chromium to run the test that shows a report in a browser";
    Finding::new("chromium", found.map(|name| (*name).into()), remedy)
}

const OPEN_FILES_MIN: u64 = 1_024;

const CHROMIUM_NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
