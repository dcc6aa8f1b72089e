//! `synod-harness faults` against `chaos`: each fault that the list says can be done is begun by a
//! run, and each other one is refused there with the words of the list.
//!
//! The systems here end as soon as they start: a run that comes so far was not refused.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

/// What the list says of a fault.
#[derive(Debug, Default)]
struct Entry {
    name: String,
    can: bool,
    /// The lines of a fault in a scenario.
    written: Option<String>,
    why: Option<String>,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-list-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Describes a system whose nodes end at once, with code 9 if they run at all.
    fn describe(&self, serve: &str, more: &str) -> PathBuf {
        let path = self.0.join("ends.toml");
        let text = format!(
            "name = \"ends\"\nserve = {serve}\nbridge = [\"cat\"]\n\
             ready = {{ log = \"up\" }}\n{more}\n"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a program that loads no library.
    fn static_program(&self) -> PathBuf {
        let path = self.0.join("static");
        let mut head = vec![0; 64];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
        head[18..20].copy_from_slice(&machine.to_le_bytes());
        std::fs::write(&path, head).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn list(&self, system: &Path, nodes: &str) -> (Vec<Entry>, String) {
        let (code, said) =
            run(Command::new(HARNESS).arg("faults").arg(system).args(["--nodes", nodes]));
        assert_eq!(code, Some(0), "{said}");
        let mut entries: Vec<Entry> = Vec::new();
        for line in said.lines() {
            let words = [("  can     ", true), ("  cannot  ", false)];
            let begun =
                words.iter().find_map(|(begin, can)| Some((line.strip_prefix(begin)?, *can)));
            if let Some((rest, can)) = begun {
                let name = rest[..24].trim_end().to_owned();
                entries.push(Entry { name, can, ..Entry::default() });
            } else if let (Some(entry), Some(written)) =
                (entries.last_mut(), line.strip_prefix("            "))
            {
                *entry.written.get_or_insert_default() += &format!("{written}\n");
            } else if let (Some(entry), Some(why)) =
                (entries.last_mut(), line.strip_prefix("          why not: "))
            {
                entry.why = Some(why.to_owned());
            }
        }
        (entries, said)
    }

    /// Asks for a run with this fault.
    fn chaos(&self, system: &Path, nodes: &str, entry: &Entry) -> (Option<i32>, String) {
        let mut chaos = Command::new(HARNESS);
        chaos.arg("chaos").arg("--system").arg(system).arg("--runs-dir").arg(self.0.join("runs"));
        match &entry.written {
            None => {
                chaos.args(["--nemesis", &entry.name, "--nodes", nodes]);
                chaos.args(["--seed", "1"]);
            }
            Some(written) => {
                let text = format!(
                    "nodes = {nodes}\nseed = 1\ntime_ms = 30000\n[[faults]]\nat_ms = 2000\n\
                     lasts_ms = 2000\n{written}"
                );
                let path = self.0.join("scenario.toml");
                std::fs::write(&path, text).unwrap();
                chaos.arg("--scenario").arg(&path);
            }
        }
        run(&mut chaos)
    }

    /// Holds every entry of a list against a run, and returns how many can be done.
    fn check(&self, system: &Path, nodes: &str) -> usize {
        let (entries, said) = self.list(system, nodes);
        assert!(entries.len() > 60, "{said}");
        for entry in &entries {
            let (code, words) = self.chaos(system, nodes, entry);
            assert_eq!(entry.can, entry.why.is_none(), "{entry:?}");
            match &entry.why {
                None => {
                    assert_eq!(code, Some(70), "{entry:?}: {words}");
                    assert!(words.contains(" failed (exit code"), "{entry:?}: {words}");
                }
                Some(why) => {
                    assert_eq!(code, Some(64), "{entry:?}: {words}");
                    assert!(words.contains(why), "{entry:?}: {words}");
                }
            }
        }
        let can = entries.iter().filter(|entry| entry.can).count();
        let sum = format!("{can} of {} faults can be done to ends", entries.len());
        assert!(said.contains(&sum), "{said}");
        can
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat())
}

const ENDS: &str = "[\"sh\", \"-c\", \"exit 9\"]";

const TCP: &str = "transport = { peer = \"tcp\", client = \"tcp\" }";

#[test]
fn what_the_list_says_of_a_system_on_udp_a_run_says_too() {
    let scratch = Scratch::new("udp");
    let system = scratch.describe(ENDS, "");
    let can = scratch.check(&system, "3");
    assert!(can > 40, "{can}");
}

#[test]
fn what_the_list_says_of_a_system_on_tcp_a_run_says_too() {
    let scratch = Scratch::new("tcp");
    let system = scratch.describe(ENDS, TCP);
    let can = scratch.check(&system, "3");
    assert!(can > 40, "{can}");
}

#[test]
fn what_the_list_says_of_a_static_program_a_run_says_too() {
    let scratch = Scratch::new("static");
    let program = scratch.static_program();
    let system = scratch.describe(&format!("[\"{}\"]", program.display()), TCP);
    let (entries, said) = scratch.list(&system, "3");
    let of_disks: Vec<&Entry> = entries.iter().filter(|it| it.name.starts_with("disk ")).collect();
    assert!(of_disks.len() == 12 && of_disks.iter().all(|entry| !entry.can), "{said}");
    assert!(said.contains("why not: nothing can be done to the power, the disk or the clock of "));
    assert!(said.contains("it is linked statically, and loads no library"), "{said}");
    scratch.check(&system, "3");
}

#[test]
fn what_one_node_would_not_notice_is_listed_as_such() {
    let scratch = Scratch::new("alone");
    let system = scratch.describe(ENDS, TCP);
    let (entries, said) = scratch.list(&system, "1");
    let why = entries.iter().find(|entry| entry.name == "ring").and_then(|it| it.why.clone());
    assert_eq!(why.as_deref(), Some("ring needs at least 3 nodes to have an effect"), "{said}");
    assert!(entries.iter().any(|entry| entry.name == "kill-leader" && entry.can), "{said}");
}

#[test]
fn a_description_that_no_run_would_take_makes_no_list() {
    let scratch = Scratch::new("wrong");
    let system = scratch.describe("[\"/no/such/program\"]", "");
    let (code, said) = run(Command::new(HARNESS).arg("faults").arg(&system));
    assert_eq!(code, Some(64), "{said}");
    let why = "/no/such/program, which the description of ends names as a program, is not there";
    assert!(said.contains(why), "{said}");
}
