//! What the kernel tells of sockets and processes: the files of `/proc`, read and taken apart.
//!
//! What it means for a fault is left to the modules beside it. Claim kept true: a process is told
//! by its number and by when it began, so that a later one of the same number is another one.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use synod_fault::Transport;

use super::socket_diag;

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
    /// The process that it is a child of.
    pub(crate) parent: u32,
    /// The number of its process group.
    pub(crate) group: u32,
    /// The number of its session.
    pub(crate) session: u32,
    /// How long it has run, in the kernel's ticks, of which a second has a hundred.
    pub(crate) ticks: u64,
    /// How often its threads were given a processor and left it.
    pub(crate) switches: u64,
    /// How many threads it has.
    pub(crate) threads: u64,
}

impl ProcessView {
    /// Looks at a process and its threads; none if it is gone, or was not reaped yet.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let mut view = Self::short(pid)?;
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        for task in tasks.filter_map(Result::ok) {
            // A thread that ends meanwhile is none of a process that stands still.
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            view.threads += 1;
            view.switches += switches(&status);
        }
        Some(view)
    }

    /// Looks at a process and not at its threads.
    pub(crate) fn short(pid: u32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Makes one that sleeps, for tests.
    #[cfg(test)]
    pub(crate) fn plain(life: ProcessLife, group: u32) -> Self {
        let (parent, session, ticks, switches, threads) = (1, 1, 0, 0, 1);
        Self { life, state: 'S', parent, group, session, ticks, switches, threads }
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
        // One that has ended and waits to be reaped holds nothing any more.
        if matches!(state, 'Z' | 'X') {
            return None;
        }
        Some(Self {
            life: ProcessLife { pid, started: number(STARTED)? },
            state,
            parent: u32::try_from(number(PARENT)?).ok()?,
            group: u32::try_from(number(GROUP)?).ok()?,
            session: u32::try_from(number(SESSION)?).ok()?,
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

/// Returns the sockets that are bound to one of these ports, by the kernel's numbers for them. Of
/// streams, those that listen.
pub(crate) fn sockets_at(ports: &[ListenPort]) -> BTreeSet<u64> {
    sockets(ports, |transport, state| transport == Transport::Udp || state == LISTENS)
}

/// Returns the sockets of connections that one of these ports has accepted, and that somebody has
/// open still.
pub(crate) fn accepted_at(ports: &[ListenPort]) -> BTreeSet<u64> {
    let is_one = |transport, state: &str| transport == Transport::Tcp && state != LISTENS;
    // One that is closed and not forgotten yet has no number.
    sockets(ports, is_one).into_iter().filter(|socket| *socket != 0).collect()
}

fn sockets(ports: &[ListenPort], is_one: impl Fn(Transport, &str) -> bool) -> BTreeSet<u64> {
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
            let is_one = |state: &str| is_one(transport, state);
            sockets.extend(at_ports(&table, is_one, &wanted));
        }
    }
    sockets
}

/// Reads a table of sockets: those at one of the ports, and in such a state.
fn at_ports(table: &str, is_one: impl Fn(&str) -> bool, ports: &BTreeSet<u16>) -> Vec<u64> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let socket = fields.get(9)?.parse::<u64>().ok()?;
        (is_one(fields.get(3)?) && ports.contains(&port)).then_some(socket)
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

/// A connection of TCP, as one of its ends has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The end that this is.
    pub(crate) near: SocketAddr,
    /// The other end.
    pub(crate) far: SocketAddr,
    pub(crate) socket: u64,
}

/// Returns both ends of each connection of TCP on this machine that somebody has open.
pub(crate) fn connections() -> Vec<Connection> {
    let table = |file: &&str| fs::read_to_string(file).unwrap_or_default();
    let tables: Vec<String> = TCP.iter().map(table).collect();
    tables.iter().flat_map(|table| table.lines().filter_map(connection)).collect()
}

/// Reads a line of a table of sockets, if it is an end of a connection.
fn connection(line: &str) -> Option<Connection> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let socket = fields.get(9)?.parse::<u64>().ok()?;
    let (near, far) = (address(fields.get(1)?)?, address(fields.get(2)?)?);
    (*fields.get(3)? == ESTABLISHED && socket != 0).then_some(Connection { near, far, socket })
}

/// Reads the kernel's form of an address: words of the machine's own order, and a port. An address
/// of IPv4 that stands at the end of one of IPv6 is the same one.
fn address(written: &str) -> Option<SocketAddr> {
    let (address, port) = written.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |place: usize| {
        let word = address.get(place * 8..place * 8 + 8)?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Returns the socket from which a connection of TCP was opened, by the kernel's number for it;
/// none if that end of it is closed already.
pub(crate) fn socket_of_dialer(from: SocketAddr, to: SocketAddr) -> Option<u64> {
    match socket_diag::socket_between(from, to) {
        Ok(found) => found,
        // A kernel that cannot be asked for one socket lists them all.
        Err(_) => listed_socket(from, to),
    }
}

fn listed_socket(from: SocketAddr, to: SocketAddr) -> Option<u64> {
    let is_it = |one: &Connection| one.near == from && one.far == to;
    connections().into_iter().find(is_it).map(|one| one.socket)
}

/// Returns the sockets that a process has open, as far as this user may see.
pub(crate) fn sockets_of(pid: u32) -> BTreeSet<u64> {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    files.filter_map(Result::ok).filter_map(|file| socket_number(&file.path())).collect()
}

/// Returns whether a process has this socket open, as far as this user may see.
pub(crate) fn has_socket(pid: u32, socket: u64) -> bool {
    has_open(Path::new(&format!("/proc/{pid}")), &BTreeSet::from([socket]))
}

/// Returns who has the socket open in one of these process groups.
pub(crate) fn holder_in(socket: u64, groups: &BTreeSet<u32>) -> Option<ProcessView> {
    let mut processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.find_map(|entry| {
        let view = ProcessView::short(entry.file_name().to_str()?.parse().ok()?)?;
        (groups.contains(&view.group) && has_socket(view.life.pid, socket)).then_some(view)
    })
}

fn has_open(process: &Path, sockets: &BTreeSet<u64>) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    let mut numbers = files.filter_map(Result::ok).filter_map(|file| socket_number(&file.path()));
    numbers.any(|number| sockets.contains(&number))
}

fn socket_number(file: &Path) -> Option<u64> {
    let target = fs::read_link(file).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Where the kernel lists the sockets of each transport.
const TABLES: [(Transport, [&str; 2]); 2] =
    [(Transport::Udp, ["/proc/net/udp", "/proc/net/udp6"]), (Transport::Tcp, TCP)];

const TCP: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The state of a stream's socket that has both ends.
const ESTABLISHED: &str = "01";

/// The state of a stream's socket that listens.
const LISTENS: &str = "0A";

/// The places of `/proc/PID/stat`, counted from the state behind the name.
const PARENT: usize = 1;
const GROUP: usize = 2;
const SESSION: usize = 3;
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
        assert_eq!(accepted_at(&ports).len(), 1, "and is held beside it");
        let holders = holders(&both);
        let pids: Vec<u32> = holders.iter().map(|view| view.life.pid).collect();
        assert!(pids.contains(&std::process::id()), "{pids:?}");
        drop(udp);
        assert_eq!(sockets_at(&ports[..1]), BTreeSet::new());
    }

    #[test]
    fn a_connection_is_read_in_the_form_of_either_family() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let one = u32::from_ne_bytes([127, 0, 0, 1]);
        let mapped = format!("{:08X}{:08X}{:08X}", 0, 0, u32::from_ne_bytes([0, 0, 255, 255]));
        for family in ["", &mapped] {
            let line = |state: &str, socket: u64| {
                format!(
                    "3: {family}{one:08X}:1F90 {family}{one:08X}:0050 {state} 0:0 00:0 0 0 0 \
                     {socket} 1"
                )
            };
            let wanted = Connection { near: at(8_080), far: at(80), socket: 77 };
            assert_eq!(connection(&line("01", 77)), Some(wanted));
            assert_eq!(connection(&line("01", 0)), None, "it is closed");
            assert_eq!(connection(&line("0A", 77)), None, "it listens");
        }
        let local = format!("{:08X}{:08X}{:08X}{:08X}:0050", 0, 0, 0, 1_u32.to_be());
        assert_eq!(address(&local), Some(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 80))));
    }

    #[test]
    fn the_dialer_of_a_connection_is_found_by_either_way_until_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("bound");
        let dialer = TcpStream::connect(to).expect("it listens");
        let from = dialer.local_addr().expect("connected");
        let (accepted, _) = listener.accept().expect("a connection");
        let found = listed_socket(from, to).expect("it is open");
        assert!(sockets_of(std::process::id()).contains(&found));
        assert_ne!(listed_socket(to, from), Some(found), "that is the other end");
        assert_eq!(socket_of_dialer(from, to), Some(found));
        drop(dialer);
        assert_eq!((socket_of_dialer(from, to), listed_socket(from, to)), (None, None));
        drop(accepted);
        assert_eq!(socket_of_dialer(from, to), None, "the port listens, and is no dialer");
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
