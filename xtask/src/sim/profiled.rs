//! A simulator that is compiled for what it mostly does, as a profile of its own runs says.
//!
//! It is built twice: once so that it counts which way it goes, and, when it has run some seeds,
//! once more by those counts. That takes as long as two release builds and gives an eighth to a
//! sixth more seeds in the same time, so it is for campaigns of hours. What a seed does is the same
//! in every build. The toolchain has what reads the counts as a component, `llvm-tools`, which is
//! installed where it is missing.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::sim::PROGRAM;
use crate::workspace::target_dir;

/// Builds it, and gives the command that runs it.
pub(crate) fn simulator() -> Result<Step, Failure> {
    let folder = target_dir().join("profiled");
    let host = Host::of(&Step::new("rustc").args(["-vV"]).capture()?)?;
    let sysroot = Step::new("rustc").args(["--print", "sysroot"]).capture()?;
    if host.reader(&sysroot).is_err() {
        // Where there is no rustup, what is missing is told below with the other way to have it.
        let _ = Step::new("rustup").args(["component", "add", "llvm-tools"]).run();
    }
    let reader = host.reader(&sysroot)?;
    let counts = folder.join("counts");
    forget(&counts)?;
    say!("building synod-simulated, to count which way it goes");
    let counting = host.build(&folder.join("counting"), "generate", &counts)?;
    say!("running {TRAINING_SEEDS} seeds");
    let ran = counting.args(["--seeds", TRAINING_SEEDS, "--from", TRAINING_FROM]).output()?;
    if fs::read_dir(&counts).map_or(0, Iterator::count) == 0 {
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let reason = format!("the simulator ran ({}) and left no counts: {said}", ran.status);
        return Err(Failure::Internal(reason));
    }
    let profile = folder.join("counts.profdata");
    Step::new(reader).args(["merge", "-o"]).arg(&profile).arg(&counts).run()?;
    say!("building synod-simulated by what was counted");
    host.build(&folder.join("built"), "use", &profile)
}

/// Removes what an earlier run counted: of another program, perhaps.
fn forget(counts: &Path) -> Outcome {
    match fs::remove_dir_all(counts) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::Internal(format!("cannot remove {}: {error}", counts.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The machine that compiles.
#[derive(Debug, PartialEq, Eq)]
struct Host(String);

impl Host {
    /// Reads its name from what `rustc -vV` prints.
    fn of(said: &str) -> Result<Self, Failure> {
        let named = said.lines().find_map(|line| line.strip_prefix("host: "));
        let none = || Failure::Internal(format!("rustc -vV names no host: {said}"));
        Ok(Self(named.ok_or_else(none)?.trim().to_owned()))
    }

    /// Gives the program that reads counts, of the toolchain whose root that is: another version's
    /// may not know their format.
    fn reader(&self, sysroot: &str) -> Result<PathBuf, Failure> {
        let tools = Path::new(sysroot.trim()).join("lib/rustlib").join(&self.0).join("bin");
        let reader = tools.join(format!("llvm-profdata{}", std::env::consts::EXE_SUFFIX));
        if reader.is_file() {
            return Ok(reader);
        }
        let reason = format!(
            "there is no {}, which --profiled needs; `rustup component add llvm-tools` installs \
             it, and a system's own compiler may have it in a package of its own",
            reader.display()
        );
        Err(Failure::Usage(reason))
    }

    /// Builds the simulator with one flag more, and gives the command that runs it. A target is
    /// named, as flags then reach no build script and no macro.
    fn build(&self, folder: &Path, way: &str, counts: &Path) -> Result<Step, Failure> {
        let mut flag = OsString::from(format!("-Cprofile-{way}="));
        flag.push(counts);
        let known = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"].map(std::env::var_os);
        Step::cargo()
            .args(["build", "--locked", "--release", "-p", "synod-simulated", "--bin", PROGRAM])
            .args(["--target", &self.0, "--target-dir"])
            .arg(folder)
            .env("CARGO_ENCODED_RUSTFLAGS", with_flag(known, flag))
            .run()?;
        let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
        Ok(Step::new(folder.join(&self.0).join("release").join(name)))
    }
}

/// Adds a flag to those that the environment has, as cargo reads them: the first variable's, which
/// are apart already, or else the words of the second.
fn with_flag([apart, words]: [Option<OsString>; 2], flag: OsString) -> OsString {
    let mut flags = match (apart, words) {
        (Some(apart), _) => apart,
        (None, Some(words)) => {
            let words = words.to_string_lossy();
            words.split_whitespace().collect::<Vec<_>>().join(APART).into()
        }
        (None, None) => OsString::new(),
    };
    if !flags.is_empty() {
        flags.push(APART);
    }
    flags.push(flag);
    flags
}

/// What stands between two flags in the variable that cargo asks first.
const APART: &str = "\x1f";

/// Seeds that are run to be counted: as many as take seconds.
const TRAINING_SEEDS: &str = "100";

/// The first of them, of no campaign.
const TRAINING_FROM: &str = "900000000";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_host_is_read_and_a_missing_reader_is_told_with_its_remedy() {
        let host = Host::of("rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n");
        let host = host.unwrap();
        assert_eq!(host, Host("x86_64-unknown-linux-gnu".into()));
        let failure = host.reader("/nowhere\n").unwrap_err();
        assert_eq!(failure.exit_code(), crate::outcome::USAGE);
        assert!(failure.to_string().contains("rustup component add llvm-tools"), "{failure}");
        assert!(Host::of("rustc 1.95.0\n").is_err());
    }

    #[test]
    fn a_flag_joins_those_of_the_environment() {
        let flag = || OsString::from("-Cprofile-use=/a folder/f");
        assert_eq!(with_flag([None, None], flag()), flag());
        let words = Some(" -Cdebuginfo=1  -Ctarget-cpu=native".into());
        let all = "-Cdebuginfo=1\x1f-Ctarget-cpu=native\x1f-Cprofile-use=/a folder/f";
        assert_eq!(with_flag([None, words], flag()), OsString::from(all));
        let apart = Some("-Copt-level=2".into());
        let both = "-Copt-level=2\x1f-Cprofile-use=/a folder/f";
        assert_eq!(with_flag([apart, Some("-Cunused".into())], flag()), OsString::from(both));
    }
}
