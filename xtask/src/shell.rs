//! Runs other programs, and reports one that fails with the line that repeats it.
//!
//! Children share this process's group and terminal, so Ctrl-C reaches them directly.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::outcome::{FOUND, Failure, Outcome};
use crate::root::root;

/// One command: a program, its arguments, and what differs in its environment.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
}

impl Step {
    /// Names the program. It runs at the workspace's root unless told otherwise.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            folder: None,
        }
    }

    /// Names the cargo that started this program, so that the toolchain is the same.
    pub(crate) fn cargo() -> Self {
        let ours = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(ours)
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the command's environment.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the folder that the command runs in.
    pub(crate) fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Gives the program and its arguments.
    pub(crate) fn words(&self) -> impl Iterator<Item = &OsString> {
        [&self.program].into_iter().chain(&self.arguments)
    }

    /// Runs with the terminal's streams; any status but success is a failure.
    pub(crate) fn run(&self) -> Outcome {
        let status = self.status()?;
        if status.success() { Ok(()) } else { Err(self.failure(status, String::new())) }
    }

    /// Runs with the terminal's streams, and leaves the status to the caller.
    pub(crate) fn status(&self) -> Result<ExitStatus, Failure> {
        self.command().status().map_err(|error| self.not_started(&error))
    }

    /// Runs and collects both streams, and leaves the status to the caller.
    pub(crate) fn output(&self) -> Result<Output, Failure> {
        self.command().stdin(Stdio::null()).output().map_err(|error| self.not_started(&error))
    }

    /// Runs and gives the standard output; any status but success is a failure.
    pub(crate) fn capture(&self) -> Result<String, Failure> {
        let output = self.output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(self.failure(output.status, said))
    }

    /// Starts with the given standard output and error, for a caller that watches the child.
    pub(crate) fn start(&self, stdout: Stdio, stderr: Stdio) -> Result<Child, Failure> {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        command.spawn().map_err(|error| self.not_started(&error))
    }

    /// Replaces this process, so that signals and the exit code are the program's own.
    #[cfg(unix)]
    pub(crate) fn become_it(&self) -> Outcome {
        use std::os::unix::process::CommandExt;

        Err(self.not_started(&self.command().exec()))
    }

    /// Runs the program and exits with its code, where a process cannot be replaced.
    #[cfg(not(unix))]
    pub(crate) fn become_it(&self) -> Outcome {
        let status = self.status()?;
        match status.code().and_then(|code| u8::try_from(code).ok()) {
            Some(0) => Ok(()),
            Some(code) => Err(Failure::Command { code, ..self.ended(status) }),
            None => Err(self.failure(status, String::new())),
        }
    }

    /// Describes a command that ended badly.
    pub(crate) fn failure(&self, status: ExitStatus, detail: String) -> Failure {
        let ended = status.to_string();
        Failure::Command { line: self.to_string(), ended, code: FOUND, detail }
    }

    fn not_started(&self, error: &std::io::Error) -> Failure {
        Failure::Internal(format!("cannot start: {self}: {error}"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().map(|(k, v)| (k, v)));
        command.current_dir(self.folder.clone().unwrap_or_else(root));
        // What cargo tells this program of its own package would tell the next cargo that the world
        // has changed: some build scripts ask for it, and all that is built on them is built again.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
            command.env_remove(name);
        }
        command
    }
}

/// Says whether cargo sets a variable for the programs of one package alone.
fn is_of_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Prints the line that repeats the command in a shell at the workspace's root.
impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(folder) = &self.folder {
            write!(out, "cd {} && ", quoted(folder.as_os_str()))?;
        }
        for (name, value) in &self.variables {
            write!(out, "{}={} ", name.to_string_lossy(), quoted(value))?;
        }
        // The cargo of a toolchain has a long path, and `cargo` names the same one.
        let program = &self.program;
        let is_cargo = std::env::var_os("CARGO").is_some_and(|cargo| cargo == *program);
        out.write_str(&if is_cargo { "cargo".into() } else { quoted(program) })?;
        self.arguments.iter().try_for_each(|argument| write!(out, " {}", quoted(argument)))
    }
}

fn quoted(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_prints_as_the_line_that_repeats_it() {
        let step = Step::new("cargo")
            .args(["test", "-p", "synod-clock", "--", "it's here"])
            .env("RUSTFLAGS", "--cfg synod_loom")
            .current_dir("a b");
        assert_eq!(
            step.to_string(),
            r"cd 'a b' && RUSTFLAGS='--cfg synod_loom' cargo test -p synod-clock -- 'it'\''s here'"
        );
    }

    /// Cargo tells the tests of a package what it tells its programs.
    #[cfg(unix)]
    #[test]
    fn a_command_is_not_told_of_this_package() {
        assert!(std::env::vars_os().any(|(name, _)| is_of_a_package(&name)), "run by cargo");
        let told = Step::new("env").capture().expect("it prints what it is told");
        let of_package = told.lines().find(|line| is_of_a_package(OsStr::new(line)));
        assert_eq!(of_package, None, "{told}");
    }

    #[test]
    fn a_failing_command_is_named_with_its_end_and_its_words() {
        let step = Step::cargo().args(["no-such-verb-of-cargo"]);
        let Err(failure) = step.capture() else { panic!("it cannot succeed") };
        let text = failure.to_string();
        assert!(text.ends_with("no-such-verb-of-cargo"), "{text}");
        assert!(text.contains("failed (exit status: 101)"), "{text}");
        assert!(text.contains("no such command"), "{text}");
        assert_eq!(failure.exit_code(), FOUND);
    }

    #[test]
    fn a_program_that_is_not_there_is_the_environments_fault() {
        let Err(failure) = Step::new("/nowhere/at-all").run() else { panic!("it cannot run") };
        assert_eq!(failure.exit_code(), crate::outcome::INTERNAL);
    }
}
