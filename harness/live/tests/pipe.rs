//! What the pipes do to real TCP connections, measured at the receiver.
//!
//! The verdicts have their own tests; these show that the sockets obey them: a cut leaks nothing
//! and loses nothing, order and bytes are kept whatever happens, each direction is judged apart,
//! and ends are told apart as without a pipe.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustix::process::{Pid, Signal, kill_process};
use synod_fault::{
    FaultId, LinkId, LinkRules, Millis, NodeId, PartsPerMillion, RateLimit, Transport,
};

use synod_live::network::{Network, Route};
use synod_report::StreamCounts;
use synod_rng::Seed;

const THERE: LinkId = LinkId { from: NodeId(1), to: NodeId(2) };
const BACK: LinkId = LinkId { from: NodeId(2), to: NodeId(1) };
const ALWAYS: PartsPerMillion = PartsPerMillion(1_000_000);

/// A listener, and the pipe before it.
struct Pair {
    listener: TcpListener,
    pipe: SocketAddr,
    network: Network,
}

/// The two ends of a connection through a pipe.
struct Ends {
    dialer: TcpStream,
    listener: TcpStream,
}

impl Pair {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = listener.local_addr().unwrap();
        let transport = Transport::Tcp;
        let route = Route { dialer: NodeId(1), listener: NodeId(2), upstream, transport };
        let network = Network::start(Seed(11), &[route]).unwrap();
        let pipe = network.address(NodeId(1), NodeId(2)).unwrap();
        Self { listener, pipe, network }
    }

    fn with(rules: LinkRules) -> Self {
        let pair = Self::new();
        pair.obey(THERE, rules);
        pair
    }

    fn obey(&self, link: LinkId, rules: LinkRules) {
        self.network.begin(FaultId(1), BTreeMap::from([(link, rules)])).unwrap();
    }

    fn dial(&self) -> TcpStream {
        patient(TcpStream::connect(self.pipe).unwrap())
    }

    fn connect(&self) -> Ends {
        let dialer = self.dial();
        let (listener, _) = self.listener.accept().unwrap();
        Ends { dialer, listener: patient(listener) }
    }

    fn counts(&self, link: LinkId) -> StreamCounts {
        let counts = self.network.counts();
        let found = counts.iter().find(|c| (c.from, c.to) == (link.from.0, link.to.0));
        found.unwrap().stream.unwrap()
    }

    /// Waits until the pipe has counted so much.
    fn wait_for(&self, what: &str, counted: impl Fn(&StreamCounts) -> bool) {
        let start = Instant::now();
        while !counted(&self.counts(THERE)) {
            assert!(start.elapsed() < PATIENCE, "{what} never came: {:?}", self.counts(THERE));
            std::thread::yield_now();
        }
    }
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn read(stream: &mut TcpStream, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Asserts that nothing is there to be read.
fn check_silent(stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let seen = (&*stream).read(&mut [0; 64]).map_err(|error| error.kind());
    assert_eq!(seen, Err(ErrorKind::WouldBlock));
    stream.set_nonblocking(false).unwrap();
}

fn check_reset(stream: &mut TcpStream) {
    let seen = stream.read(&mut [0; 64]).map_err(|error| error.kind());
    assert_eq!(seen, Err(ErrorKind::ConnectionReset));
}

/// Bytes that are unlike their neighbours.
fn pattern(size: usize) -> Vec<u8> {
    (0..size as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn both_directions_pass_every_byte_at_once_whatever_the_other_reads() {
    let pair = Pair::new();
    let ends = pair.connect();
    let (sent, size) = (pattern(4 << 20), 4 << 20);
    let writers = [&ends.dialer, &ends.listener].map(|end| {
        let (mut end, sent) = (end.try_clone().unwrap(), sent.clone());
        std::thread::spawn(move || end.write_all(&sent).unwrap())
    });
    let Ends { mut dialer, mut listener } = ends;
    assert!(read(&mut listener, size) == sent, "the same bytes there");
    assert!(read(&mut dialer, size) == sent, "the same bytes back");
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!((pair.counts(THERE).bytes, pair.counts(BACK).bytes), (4 << 20, 4 << 20));
    assert_eq!((pair.counts(THERE).connections, pair.counts(BACK).connections), (1, 0));
}

#[test]
fn a_cut_leaks_nothing_loses_nothing_and_leaves_the_other_direction_open() {
    let pair = Pair::new();
    let mut ends = pair.connect();
    ends.dialer.write_all(b"before").unwrap();
    assert_eq!(read(&mut ends.listener, 6), b"before");
    pair.obey(THERE, LinkRules::CUT);
    let sent = pattern(100_000);
    ends.dialer.write_all(&sent).unwrap();
    pair.wait_for("what is held", |counts| counts.held_bytes == 100_000);
    check_silent(&ends.listener);
    assert_eq!(pair.counts(THERE).bytes, 6, "the receiver was given what came before");
    ends.listener.write_all(b"back").unwrap();
    assert_eq!(read(&mut ends.dialer, 4), b"back");
    pair.network.heal();
    assert!(read(&mut ends.listener, 100_000) == sent, "all of it, in order");
    ends.dialer.write_all(b"after").unwrap();
    assert_eq!(read(&mut ends.listener, 5), b"after", "the connection lives");
}

#[test]
fn a_cut_in_the_middle_of_a_flood_stops_it_at_once() {
    let pair = Pair::new();
    let Ends { dialer, mut listener } = pair.connect();
    let sent = pattern(16 << 20);
    let flood = {
        let (mut dialer, sent) = (dialer.try_clone().unwrap(), sent.clone());
        std::thread::spawn(move || dialer.write_all(&sent).unwrap())
    };
    let mut seen = read(&mut listener, 1 << 20);
    pair.obey(THERE, LinkRules::CUT);
    let passed = usize::try_from(pair.counts(THERE).bytes).unwrap();
    seen.extend(read(&mut listener, passed - seen.len()));
    pair.wait_for("what is held", |counts| counts.held_bytes > 0);
    check_silent(&listener);
    assert_eq!(pair.counts(THERE).bytes, passed as u64, "nothing passed since");
    pair.network.heal();
    seen.extend(read(&mut listener, sent.len() - passed));
    flood.join().unwrap();
    assert!(seen == sent, "nothing was lost or doubled");
}

#[test]
fn a_sender_waits_when_nothing_passes_and_the_pipe_keeps_a_bounded_part() {
    let pair = Pair::with(LinkRules::default());
    let mut ends = pair.connect();
    pair.obey(THERE, LinkRules::CUT);
    ends.dialer.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let (chunk, mut written) = (pattern(1 << 16), 0);
    let full = loop {
        match ends.dialer.write(&chunk) {
            Ok(size) => written += size,
            Err(error) => break error.kind(),
        }
        assert!(written < 256 << 20, "the sender never has to wait");
    };
    assert_eq!(full, ErrorKind::WouldBlock);
    assert!(pair.counts(THERE).held_bytes <= 512 << 10, "{:?}", pair.counts(THERE));
    pair.network.heal();
    read(&mut ends.listener, written);
    check_silent(&ends.listener);
}

#[test]
fn the_end_of_a_killed_sender_does_not_cross_a_cut_and_comes_after_it() {
    let pair = Pair::new();
    let mut ends = pair.connect();
    pair.obey(THERE, LinkRules::CUT);
    ends.dialer.write_all(b"last words").unwrap();
    drop(ends.dialer);
    pair.wait_for("what is held", |counts| counts.held_bytes == 10);
    check_silent(&ends.listener);
    pair.network.heal();
    let mut seen: Vec<u8> = Vec::new();
    ends.listener.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, b"last words");
}

#[test]
fn a_connection_that_is_opened_under_a_cut_waits_and_one_given_up_never_arrives() {
    for cut in [THERE, BACK] {
        let pair = Pair::new();
        pair.obey(cut, LinkRules::CUT);
        let mut impatient = pair.dial();
        impatient.write_all(b"I was here").unwrap();
        drop(impatient);
        let mut dialer = pair.dial();
        dialer.write_all(b"hello").unwrap();
        pair.wait_for("a connection that waits", |counts| counts.held_connections == 2);
        pair.listener.set_nonblocking(true).unwrap();
        assert_eq!(pair.listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        pair.listener.set_nonblocking(false).unwrap();
        pair.network.heal();
        let mut listener = patient(pair.listener.accept().unwrap().0);
        assert_eq!(read(&mut listener, 5), b"hello");
        assert_eq!(pair.counts(THERE).connections, 1);
    }
}

#[test]
fn each_directed_link_is_obeyed_by_connections_from_either_side() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let route = |dialer: u16, listener: u16| Route {
        dialer: NodeId(dialer),
        listener: NodeId(listener),
        upstream: listeners[usize::from(listener) - 1].local_addr().unwrap(),
        transport: Transport::Tcp,
    };
    let network = Network::start(Seed(1), &[route(1, 2), route(2, 1)]).unwrap();
    let connect = |dialer: u16, listener: u16| {
        let address = network.address(NodeId(dialer), NodeId(listener)).unwrap();
        let stream = patient(TcpStream::connect(address).unwrap());
        (stream, patient(listeners[usize::from(listener) - 1].accept().unwrap().0))
    };
    let (mut one_dials, mut two_accepts) = connect(1, 2);
    let (mut two_dials, mut one_accepts) = connect(2, 1);
    network.begin(FaultId(1), BTreeMap::from([(THERE, LinkRules::CUT)])).unwrap();
    for one in [&mut one_dials, &mut one_accepts] {
        one.write_all(b"from one").unwrap();
    }
    let start = Instant::now();
    let held = || network.counts().iter().filter_map(|c| Some(c.stream?.held_bytes)).sum::<u64>();
    while held() < 16 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    for two in [&mut two_accepts, &mut two_dials] {
        check_silent(two);
        two.write_all(b"from two").unwrap();
    }
    assert_eq!(read(&mut one_dials, 8), b"from two");
    assert_eq!(read(&mut one_accepts, 8), b"from two");
    network.heal();
    assert_eq!(read(&mut two_accepts, 8), b"from one");
    assert_eq!(read(&mut two_dials, 8), b"from one");
}

#[test]
fn a_delay_is_kept_in_its_direction_and_not_exceeded_by_much() {
    let delayed = LinkRules { delay_ms: Millis(50), ..LinkRules::default() };
    let pair = Pair::with(delayed);
    let mut ends = pair.connect();
    let mut trip = |there: bool| {
        let Ends { dialer, listener } = &mut ends;
        let (from, to) = if there { (dialer, listener) } else { (listener, dialer) };
        let start = Instant::now();
        from.write_all(b"x").unwrap();
        read(to, 1);
        start.elapsed()
    };
    let mut trips: Vec<Duration> = (0..21).map(|_| trip(true)).collect();
    let mut backs: Vec<Duration> = (0..21).map(|_| trip(false)).collect();
    trips.sort();
    backs.sort();
    assert!(trips[0] >= Duration::from_millis(50), "too early: {:?}", trips[0]);
    // The machine may be busy, so the narrow bound is on the best.
    assert!(trips[0] <= Duration::from_millis(75), "always too late: {:?}", trips[0]);
    assert!(trips[10] <= Duration::from_millis(250), "mostly too late: {:?}", trips[10]);
    assert!(backs[0] < Duration::from_millis(50), "the other way is not delayed: {:?}", backs[0]);
    assert_eq!((pair.counts(THERE).delayed_bytes, pair.counts(BACK).delayed_bytes), (21, 0));
}

#[test]
fn jitter_and_stalls_keep_the_order() {
    let rules = LinkRules {
        jitter_ms: Millis(20),
        stall: PartsPerMillion::percent(20),
        stall_ms: Millis(30),
        ..LinkRules::default()
    };
    let pair = Pair::with(rules);
    let mut ends = pair.connect();
    let sent = pattern(400);
    for byte in &sent {
        ends.dialer.write_all(&[*byte]).unwrap();
        std::thread::yield_now();
    }
    assert!(read(&mut ends.listener, 400) == sent);
    // On a busy machine all of it may have been one chunk, for which no stall was drawn: what was
    // read is followed by another chunk.
    for _ in 0..100 {
        if pair.counts(THERE).stalled_bytes > 0 {
            break;
        }
        ends.dialer.write_all(&sent[..4]).unwrap();
        assert!(read(&mut ends.listener, 4) == sent[..4]);
    }
    let counts = pair.counts(THERE);
    assert!(counts.stalled_bytes > 0 && counts.delayed_bytes > counts.stalled_bytes, "{counts:?}");
}

#[test]
fn a_stall_holds_all_that_follows() {
    let rules = LinkRules { stall: ALWAYS, stall_ms: Millis(80), ..LinkRules::default() };
    let pair = Pair::with(rules);
    let mut ends = pair.connect();
    let start = Instant::now();
    ends.dialer.write_all(b"first").unwrap();
    read(&mut ends.listener, 5);
    assert!(start.elapsed() >= Duration::from_millis(80), "{:?}", start.elapsed());
    assert_eq!(pair.counts(THERE).stalled_bytes, 5);
}

#[test]
fn slicing_keeps_the_bytes_and_changes_the_pieces() {
    let pair = Pair::with(LinkRules { slice_bytes: 3, ..LinkRules::default() });
    let mut ends = pair.connect();
    let mut short = 0;
    for _ in 0..40 {
        let sent = pattern(24);
        ends.dialer.write_all(&sent).unwrap();
        let mut seen: Vec<u8> = Vec::new();
        while seen.len() < sent.len() {
            let mut buffer = [0; 64];
            let size = ends.listener.read(&mut buffer).unwrap();
            short += u32::from(size < sent.len());
            seen.extend(&buffer[..size]);
        }
        assert_eq!(seen, sent);
    }
    assert!(short > 40, "only {short} reads were short");
    let sent = pattern(1 << 20);
    let writer = {
        let (mut dialer, sent) = (ends.dialer.try_clone().unwrap(), sent.clone());
        std::thread::spawn(move || dialer.write_all(&sent).unwrap())
    };
    assert!(read(&mut ends.listener, 1 << 20) == sent, "a long one, too");
    writer.join().unwrap();
    let counts = pair.counts(THERE);
    assert_eq!(counts.sliced_bytes, counts.bytes);
}

#[test]
fn a_narrow_link_takes_its_time_and_loses_nothing() {
    let rate = RateLimit { bytes_per_s: 100_000, queue_bytes: 5_000 };
    let pair = Pair::with(LinkRules { rate: Some(rate), ..LinkRules::default() });
    let mut ends = pair.connect();
    let (start, sent) = (Instant::now(), pattern(50_000));
    ends.dialer.write_all(&sent).unwrap();
    assert!(read(&mut ends.listener, 50_000) == sent);
    assert!(start.elapsed() >= Duration::from_millis(480), "{:?}", start.elapsed());
}

#[test]
fn a_reset_is_seen_as_one_by_both_ends() {
    let pair = Pair::with(LinkRules { reset: ALWAYS, ..LinkRules::default() });
    let mut ends = pair.connect();
    ends.listener.write_all(b"the other way is well").unwrap();
    read(&mut ends.dialer, 21);
    ends.dialer.write_all(b"never").unwrap();
    check_reset(&mut ends.listener);
    check_reset(&mut ends.dialer);
    let counts = pair.counts(THERE);
    assert_eq!((counts.resets, counts.bytes), (1, 0));
}

#[test]
fn a_refused_connection_never_reaches_the_listener() {
    let pair = Pair::with(LinkRules { refuse: ALWAYS, ..LinkRules::default() });
    check_reset(&mut pair.dial());
    pair.network.heal();
    let mut ends = pair.connect();
    ends.dialer.write_all(b"x").unwrap();
    assert_eq!(read(&mut ends.listener, 1), b"x", "the first that arrives is the second");
    let counts = pair.counts(THERE);
    assert_eq!((counts.refused, counts.connections), (1, 1));
}

#[test]
fn a_listener_that_is_gone_resets_and_comes_back_at_its_address() {
    let pair = Pair::new();
    let address = pair.listener.local_addr().unwrap();
    drop(pair.listener);
    let mut dialer = patient(TcpStream::connect(pair.pipe).unwrap());
    check_reset(&mut dialer);
    let counts = pair.network.counts()[0].stream.unwrap();
    assert_eq!((counts.unanswered, counts.connections), (1, 0));
    let listener = TcpListener::bind(address).unwrap();
    let mut dialer = patient(TcpStream::connect(pair.pipe).unwrap());
    let mut accepted = patient(listener.accept().unwrap().0);
    dialer.write_all(b"again").unwrap();
    assert_eq!(read(&mut accepted, 5), b"again");
}

#[test]
fn a_stream_that_its_sender_ends_leaves_the_opposite_one_to_pass_the_rest() {
    let pair = Pair::new();
    let mut ends = pair.connect();
    ends.dialer.write_all(b"question").unwrap();
    ends.dialer.shutdown(Shutdown::Write).unwrap();
    let mut question = Vec::new();
    ends.listener.read_to_end(&mut question).unwrap();
    assert_eq!(question, b"question");
    let answer = pattern(3 << 20);
    let writer = {
        let (mut listener, answer) = (ends.listener, answer.clone());
        std::thread::spawn(move || listener.write_all(&answer).unwrap())
    };
    let mut seen: Vec<u8> = Vec::new();
    ends.dialer.read_to_end(&mut seen).unwrap();
    writer.join().unwrap();
    assert!(seen == answer, "the rest came whole");
}

#[test]
fn a_stream_that_a_fault_ends_leaves_the_opposite_one_until_the_fault_is_over() {
    let pair = Pair::with(LinkRules { half_close: ALWAYS, ..LinkRules::default() });
    let mut ends = pair.connect();
    ends.dialer.write_all(b"all there is").unwrap();
    let mut seen: Vec<u8> = Vec::new();
    ends.listener.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, b"all there is");
    ends.dialer.write_all(b"into the void").unwrap();
    ends.listener.write_all(b"the rest").unwrap();
    assert_eq!(read(&mut ends.dialer, 8), b"the rest");
    assert_eq!(pair.counts(THERE).half_closed, 1);
    assert_eq!(pair.counts(THERE).bytes, 12);
    pair.network.heal();
    check_reset(&mut ends.dialer);
}

#[test]
fn ends_are_told_apart_as_without_a_pipe() {
    for dialer_dies in [true, false] {
        let pair = Pair::new();
        let Ends { dialer, listener } = pair.connect();
        let (dying, mut left) = if dialer_dies { (dialer, listener) } else { (listener, dialer) };
        sockopt::set_socket_linger(&dying, Some(Duration::ZERO)).unwrap();
        drop(dying);
        check_reset(&mut left);

        let Ends { dialer, listener } = pair.connect();
        let (dying, mut left) = if dialer_dies { (dialer, listener) } else { (listener, dialer) };
        drop(dying);
        assert_eq!(left.read(&mut [0; 8]).unwrap(), 0, "an end in peace");
        // Nobody reads what is written then: the kernel of the dead says so, and the pipe tells.
        let start = Instant::now();
        while left.write_all(b"anybody?").is_ok() {
            assert!(start.elapsed() < PATIENCE, "the writer never learns");
        }
    }
}

/// Not a test of its own: the process that the next one stops and kills. It sends back each byte.
#[test]
#[ignore = "a process that another test starts"]
fn echo() {
    let address = std::env::var(ECHO_ADDRESS).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() > 0 {
        stream.write_all(&byte).unwrap();
    }
}

const ECHO_ADDRESS: &str = "SYNOD_TEST_ECHO_ADDRESS";

#[test]
fn a_process_that_is_stopped_keeps_its_connections_and_one_that_is_killed_ends_them() {
    let pair = Pair::new();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "echo", "--ignored"])
        .env(ECHO_ADDRESS, pair.pipe.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    let mut stream = patient(pair.listener.accept().unwrap().0);
    stream.write_all(b"a").unwrap();
    assert_eq!(read(&mut stream, 1), b"a");
    kill_process(pid, Signal::STOP).unwrap();
    let start = Instant::now();
    while !stands_still(process.id()) {
        assert!(start.elapsed() < PATIENCE, "a signal arrives");
        std::thread::yield_now();
    }
    stream.write_all(b"b").unwrap();
    while pair.counts(BACK).bytes < 2 {
        assert!(start.elapsed() < PATIENCE, "the kernel takes it for the process");
        std::thread::yield_now();
    }
    check_silent(&stream);
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(read(&mut stream, 1), b"b", "it goes on where it stood");
    kill_process(pid, Signal::KILL).unwrap();
    process.wait().unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the kernel ends the stream of the dead");
}

/// Tells whether each thread of a process stands: one of them takes the signal, and tells the
/// others only when it has its turn.
fn stands_still(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.map(|thread| thread.unwrap().path().join("stat")).all(|path| {
        let state = std::fs::read_to_string(path).unwrap_or_default();
        // The name before it is in brackets, and may hold anything.
        state.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    })
}

#[test]
fn rules_of_packets_and_mixed_transports_are_refused_by_name() {
    let pair = Pair::new();
    for (rules, name) in [
        (LinkRules { loss: ALWAYS, ..LinkRules::default() }, "`loss`"),
        (LinkRules { duplicate: ALWAYS, ..LinkRules::default() }, "`duplicate`"),
        (LinkRules { reorder: ALWAYS, ..LinkRules::default() }, "`reorder`"),
        (LinkRules { corrupt: ALWAYS, ..LinkRules::default() }, "`corrupt`"),
    ] {
        let refused = pair.network.begin(FaultId(1), BTreeMap::from([(THERE, rules)]));
        let words = refused.unwrap_err().to_string();
        assert!(words.starts_with(name) && words.contains("does not exist on tcp"), "{words}");
    }
    let upstream = pair.listener.local_addr().unwrap();
    let route = |dialer, listener, transport| Route { dialer, listener, upstream, transport };
    let one = route(NodeId(1), NodeId(2), Transport::Tcp);
    let other = route(NodeId(2), NodeId(1), Transport::Udp);
    let error = Network::start(Seed(1), &[one, other]).unwrap_err();
    assert!(error.to_string().contains("cannot speak udp and tcp at once"), "{error}");
}

#[test]
fn the_pipes_end_with_their_handle() {
    let pair = Pair::new();
    let mut ends = pair.connect();
    drop(pair.network);
    let kind = TcpStream::connect(pair.pipe).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::ConnectionRefused);
    assert_eq!(ends.listener.read(&mut [0; 8]).unwrap(), 0);
}
