//! What the kernel tells of sockets and processes: the files of `/proc`, read and taken apart.
//!
//! What it means for a fault is left to the modules beside it. Claim kept true: a process is told
//! by its number and by when it began, so that a later one of the same number is another one.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use synod_fault::Transport;

/// A port of this machine, with what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListenPort {
    pub(crate) transport: Transport,
    pub(crate) number: u16,
}

/// A process, told apart from a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessLife {
    pub(crate) pid: u32,
    /// When it began, in the kernel's ticks since the machine did.
    pub(crate) started: u64,
}

/// A process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessView {
    pub(crate) life: ProcessLife,
    /// The kernel's letter for what it does: `T` if it is stopped.
    pub(crate) state: char,
    /// The number of its process group.
    pub(crate) group: u32,
    /// How long it has run, in the kernel's ticks, of which a second has a hundred.
    pub(crate) ticks: u64,
    /// How often its threads were given a processor and left it.
    pub(crate) switches: u64,
    /// How many threads it has.
    pub(crate) threads: u64,
}

impl ProcessView {
    /// Looks at a process; none if it is gone, or was not reaped yet.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut view = Self::parse(pid, &stat)?;
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        for task in tasks.filter_map(Result::ok) {
            // A thread that ends meanwhile is none of a process that stands still.
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            view.threads += 1;
            view.switches += switches(&status);
        }
        Some(view)
    }

    /// Returns whether the kernel holds it stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Reads a line of `/proc/PID/stat`. The name in it, in parentheses, may hold anything.
    fn parse(pid: u32, stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        let state = fields.first()?.chars().next()?;
        if matches!(state, 'Z' | 'X') {
            return None;
        }
        Some(Self {
            life: ProcessLife { pid, started: number(STARTED)? },
            state,
            group: u32::try_from(number(GROUP)?).ok()?,
            ticks: number(USER_TICKS)? + number(KERNEL_TICKS)?,
            switches: 0,
            threads: 0,
        })
    }
}

/// Adds up how often a thread gave its processor up, or lost it.
fn switches(status: &str) -> u64 {
    let count = |line: &str| {
        let (name, count) = line.split_once(':')?;
        name.ends_with("ctxt_switches").then(|| count.trim().parse::<u64>().ok()).flatten()
    };
    status.lines().filter_map(count).sum()
}

/// Returns the sockets that are bound to one of these ports, by the kernel's numbers for them.
pub(crate) fn sockets_at(ports: &[ListenPort]) -> BTreeSet<u64> {
    let mut sockets = BTreeSet::new();
    for (transport, files) in TABLES {
        let wanted: BTreeSet<u16> = ports
            .iter()
            .filter(|port| port.transport == transport)
            .map(|port| port.number)
            .collect();
        if wanted.is_empty() {
            continue;
        }
        for file in files {
            // A kernel without the newer address family has no table of it.
            let table = fs::read_to_string(file).unwrap_or_default();
            sockets.extend(bound(&table, transport, &wanted));
        }
    }
    sockets
}

/// Reads a table of sockets. Of streams, those count that listen.
fn bound(table: &str, transport: Transport, ports: &BTreeSet<u16>) -> Vec<u64> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let listens = transport == Transport::Udp || *fields.get(3)? == LISTENS;
        let socket = fields.get(9)?.parse::<u64>().ok()?;
        (listens && ports.contains(&port)).then_some(socket)
    };
    table.lines().filter_map(socket).collect()
}

/// Returns the processes that have one of these sockets open, as far as this user may see.
pub(crate) fn holders(sockets: &BTreeSet<u64>) -> Vec<ProcessView> {
    if sockets.is_empty() {
        return Vec::new();
    }
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let holder = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        has_open(&entry.path(), sockets).then(|| ProcessView::of(pid)).flatten()
    };
    let mut holders: Vec<ProcessView> =
        processes.filter_map(Result::ok).filter_map(holder).collect();
    holders.sort_by_key(|view| view.life);
    holders
}

/// Returns the socket from which a connection of TCP was opened, by the kernel's number for it;
/// none if that end of it is closed already.
pub(crate) fn socket_of_dialer(from: SocketAddr, to: SocketAddr) -> Option<u64> {
    TCP.iter().find_map(|file| {
        let table = fs::read_to_string(file).unwrap_or_default();
        table.lines().find_map(|line| connected(line, from, to))
    })
}

/// Reads a line of a table of sockets: its number, if it is the socket between these ends.
fn connected(line: &str, from: SocketAddr, to: SocketAddr) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if !is_at(fields.get(1)?, from) || !is_at(fields.get(2)?, to) {
        return None;
    }
    // One that is closed and not forgotten yet has no number.
    fields.get(9)?.parse::<u64>().ok().filter(|socket| *socket != 0)
}

/// Returns whether the kernel's form of an address stands for this one. An address of IPv4 stands
/// at the end of one of IPv6.
fn is_at(written: &str, at: SocketAddr) -> bool {
    let (IpAddr::V4(ip), Some((address, port))) = (at.ip(), written.rsplit_once(':')) else {
        return false;
    };
    let ip = format!("{:08X}", u32::from_ne_bytes(ip.octets()));
    address.ends_with(&ip) && u16::from_str_radix(port, 16) == Ok(at.port())
}

/// Returns in which of these process groups somebody has the socket open.
pub(crate) fn group_with(socket: u64, groups: &BTreeSet<u32>) -> Option<u32> {
    let sockets = BTreeSet::from([socket]);
    let mut processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let group = ProcessView::parse(pid, &stat)?.group;
        (groups.contains(&group) && has_open(&entry.path(), &sockets)).then_some(group)
    })
}

fn has_open(process: &Path, sockets: &BTreeSet<u64>) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.filter_map(Result::ok).any(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        let number = target.to_str().and_then(|text| text.strip_prefix("socket:["));
        let number = number.and_then(|text| text.strip_suffix(']')?.parse().ok());
        number.is_some_and(|number: u64| sockets.contains(&number))
    })
}

/// Where the kernel lists the sockets of each transport.
const TABLES: [(Transport, [&str; 2]); 2] =
    [(Transport::Udp, ["/proc/net/udp", "/proc/net/udp6"]), (Transport::Tcp, TCP)];

const TCP: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The state of a stream's socket that listens.
const LISTENS: &str = "0A";

/// The places of `/proc/PID/stat`, counted from the state behind the name.
const GROUP: usize = 2;
const USER_TICKS: usize = 11;
const KERNEL_TICKS: usize = 12;
const STARTED: usize = 19;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read_whatever_the_name_in_it() {
        let line = "77 (a) Z (b) T 1 42 42 0 -1 4194560 1 2 3 4 50 6 0 0 20 0 9 0 123456 7 8 9";
        let view = ProcessView::parse(77, line).expect("a process");
        assert_eq!(view.life, ProcessLife { pid: 77, started: 123_456 });
        assert_eq!((view.group, view.ticks, view.is_stopped()), (42, 56, true));
        let zombie = line.replace(") T 1", ") Z 1");
        assert_eq!(ProcessView::parse(77, &zombie), None, "what has ended holds nothing");
        assert_eq!(ProcessView::parse(77, "77 (a) T 1"), None);
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t5\n";
        assert_eq!(switches(status), 12);
    }

    #[test]
    fn a_port_is_held_by_who_has_its_socket_open_and_by_nobody_afterwards() {
        let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0"));
        let (udp, tcp) = (udp.expect("a port"), tcp.expect("a port"));
        let address = tcp.local_addr().expect("bound");
        let port = |transport, number| ListenPort { transport, number };
        let ports = [
            port(Transport::Udp, udp.local_addr().expect("bound").port()),
            port(Transport::Tcp, address.port()),
        ];
        let both = sockets_at(&ports);
        assert_eq!(both.len(), 2);
        assert_eq!((sockets_at(&ports[..1]).len(), sockets_at(&ports[1..]).len()), (1, 1));
        // A connection has the port of its listener, and does not hold it.
        let _dialer = TcpStream::connect(address).expect("it listens");
        let (_accepted, _) = tcp.accept().expect("a connection");
        assert_eq!(sockets_at(&ports), both);
        let holders = holders(&both);
        let pids: Vec<u32> = holders.iter().map(|view| view.life.pid).collect();
        assert!(pids.contains(&std::process::id()), "{pids:?}");
        drop(udp);
        assert_eq!(sockets_at(&ports[..1]), BTreeSet::new());
    }

    #[test]
    fn the_dialer_of_a_connection_is_found_in_the_form_of_either_family() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let one = u32::from_ne_bytes([127, 0, 0, 1]);
        let line = |family: &str, socket| {
            format!("3: {family}{one:08X}:1F90 {family}{one:08X}:0050 01 0:0 00:0 0 0 0 {socket} 1")
        };
        for family in ["", "0000000000000000FFFF0000"] {
            let line = |socket| line(family, socket);
            assert_eq!(connected(&line(77), at(8_080), at(80)), Some(77));
            assert_eq!(connected(&line(77), at(80), at(8_080)), None, "that is the other end");
            assert_eq!(connected(&line(0), at(8_080), at(80)), None, "it is closed");
        }
    }

    #[test]
    fn a_process_that_goes_on_is_seen_to() {
        let me = std::process::id();
        let before = ProcessView::of(me).expect("this process");
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || receive.recv());
        drop(send);
        assert!(other.join().expect("it ended").is_err());
        let after = ProcessView::of(me).expect("this process");
        assert_eq!(before.life, after.life);
        assert!(!after.is_stopped() && after.threads > 0 && after.switches > 0);
    }
}
