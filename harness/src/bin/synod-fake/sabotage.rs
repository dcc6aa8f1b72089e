//! The sabotages of the stand-in: servers that signals do not reach, or that come back unseen, and
//! nodes that reach each other past the proxies.
//!
//! What the stand-in does when nothing is amiss is left to the parent. The claim kept true: no
//! process of these outlives the harness for long.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use super::{BEAT, Options, serve};

/// Starts this program again with the same flags and some more.
fn again(options: &Options, command: &str, more: &[(&str, u32)]) -> Command {
    let mut again = Command::new("/proc/self/exe");
    again.arg(command).args(&options.words);
    for (flag, value) in more {
        again.arg(flag).arg(value.to_string());
    }
    again
}

/// Has the node served by another process: one in a session of its own; one that has no parent and
/// no environment of the harness either; one that is started again when it ends; one that somebody
/// of whom nobody knows starts again; or one that goes on when the first process ends.
pub(crate) fn supervise(options: &Options) -> Result<(), Box<dyn Error>> {
    let harness = match options.harness {
        0 => std::os::unix::process::parent_id(),
        told => told,
    };
    let me = std::process::id();
    match options.bug.as_str() {
        "detached" => {
            again(options, "detached", &[("--harness", harness)]).status()?;
        }
        "daemon" => {
            again(options, "detached", &[("--harness", harness)]).spawn()?;
            std::thread::sleep(DAEMON_AFTER);
        }
        "hidden" | "revived" => {
            let flags = [("--harness", harness), ("--group", me)];
            again(options, "orphans", &flags).env_clear().status()?;
            wait_for_the_end_of(harness);
        }
        _ => {
            for life in 1.. {
                again(options, "server", &[("--life", life)]).status()?;
            }
        }
    }
    Ok(())
}

/// Leaves a process without a parent.
pub(crate) fn orphan(options: &Options) -> Result<(), Box<dyn Error>> {
    let command = if options.bug == "hidden" { "detached" } else { "reviver" };
    let mut orphan = again(options, command, &[]);
    orphan.process_group(0).spawn()?;
    Ok(())
}

/// Serves in a session of its own, for as long as the harness is there.
pub(crate) fn detach(options: &Options) -> Result<(), Box<dyn Error>> {
    // Who leads a group is refused a session, and is out of reach as well.
    let _ = rustix::process::setsid();
    let harness = options.harness;
    std::thread::spawn(move || {
        wait_for_the_end_of(harness);
        std::process::exit(0);
    });
    serve(options)
}

/// Has a server in another group, and starts it again after it was killed.
pub(crate) fn revive(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut first = again(options, "server", &[]).process_group(options.group).spawn()?;
    first.wait()?;
    // Outside of the group that was killed, so that it lives as long as this.
    let mut second = again(options, "server", &[]).spawn()?;
    wait_for_the_end_of(options.harness);
    second.kill()?;
    second.wait()?;
    Ok(())
}

fn wait_for_the_end_of(process: u32) {
    while std::path::Path::new(&format!("/proc/{process}")).exists() {
        std::thread::sleep(BEAT);
    }
}

/// Listens where the description does not say; returns what heartbeats tell others of it.
pub(crate) fn detour() -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let told = format!(" {}", listener.local_addr()?.port());
    std::thread::spawn(move || {
        let open: Vec<TcpStream> = listener.incoming().filter_map(Result::ok).collect();
        drop(open);
    });
    Ok(told)
}

/// The connections of a node to where others told that they listen.
#[derive(Default)]
pub(crate) struct Detours(BTreeMap<u64, TcpStream>);

impl Detours {
    /// Takes what a heartbeat tells, and dials it once.
    pub(crate) fn take(&mut self, from: u64, port: Option<u64>) {
        let port = port.and_then(|port| u16::try_from(port).ok());
        let Some(port) = port.filter(|_| !self.0.contains_key(&from)) else { return };
        if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            self.0.insert(from, stream);
        }
    }
}

/// How long a process stays whose server goes on without it.
const DAEMON_AFTER: Duration = Duration::from_secs(1);
