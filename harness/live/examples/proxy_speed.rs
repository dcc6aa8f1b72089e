//! Measures what one proxy carries, for the processor time that it takes, and the round trip that
//! it adds: a relay of datagrams, and a pipe of TCP.
//!
//! `cargo run --release -p synod-live --example proxy_speed`. One thread sends as fast as the
//! proxy takes it, one counts what arrives. The time is that of the proxies' thread, as the kernel
//! keeps it, so that other load on the machine disturbs little. Nothing of it is a test, because
//! the figures depend on the machine.
#![allow(clippy::print_stdout, reason = "the figures are for whoever runs this")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use synod_fault::{NodeId, Transport};
use synod_live::network::{Network, Route};
use synod_rng::Seed;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    println!("udp: {}", datagrams()?);
    println!("udp: {}", added(&trips(echo_of_datagrams, false)?, &trips(echo_of_datagrams, true)?));
    println!("tcp: {}", stream()?);
    println!("tcp: {}", added(&trips(echo_of_a_stream, false)?, &trips(echo_of_a_stream, true)?));
    Ok(())
}

/// Keeps a window of datagrams in flight and counts those that arrive.
fn datagrams() -> Outcome<String> {
    let listener = UdpSocket::bind("127.0.0.1:0")?;
    let (network, address) = proxy(listener.local_addr()?, Transport::Udp)?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    listener.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (start, before) = (Instant::now(), busy()?);
    let (mut sent, mut arrived) = (0_u64, 0_u64);
    let mut buffer = [0; 2_048];
    while start.elapsed() < LENGTH {
        while sent < arrived + WINDOW {
            sender.send_to(&[7; 1_200], address)?;
            sent += 1;
        }
        match listener.recv(&mut buffer) {
            Ok(_) => arrived += 1,
            // What a full buffer lost never comes: the window starts over.
            Err(_) => sent = arrived,
        }
    }
    let (spent, time) = (busy()? - before, start.elapsed());
    drop(network);
    Ok(format!(
        "{:.0} datagrams of 1,200 bytes a second, {:.0} for a second of processor time",
        arrived as f64 / time.as_secs_f64(),
        arrived as f64 / spent.as_secs_f64()
    ))
}

/// Sends one stream as fast as it goes.
fn stream() -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (network, address) = proxy(listener.local_addr()?, Transport::Tcp)?;
    let mut sender = TcpStream::connect(address)?;
    let mut receiver = listener.accept()?.0;
    let (start, before) = (Instant::now(), busy()?);
    let sending = std::thread::spawn(move || {
        let block = vec![7; 128 << 10];
        while start.elapsed() < LENGTH && sender.write_all(&block).is_ok() {}
    });
    let (mut arrived, mut buffer) = (0_u64, vec![0; 128 << 10]);
    loop {
        match receiver.read(&mut buffer)? {
            0 => break,
            size => arrived += size as u64,
        }
    }
    let (spent, time) = (busy()? - before, start.elapsed());
    drop((sending.join(), network));
    Ok(format!(
        "{:.2} GB a second, {:.2} GB for a second of processor time",
        arrived as f64 / time.as_secs_f64() / 1e9,
        arrived as f64 / spent.as_secs_f64() / 1e9
    ))
}

/// Measures round trips of one message, directly or through a proxy, in order of their length.
fn trips(echo: impl Fn(bool) -> Outcome<Vec<Duration>>, proxied: bool) -> Outcome<Vec<Duration>> {
    let mut trips = echo(proxied)?;
    trips.sort();
    Ok(trips)
}

fn added(direct: &[Duration], proxied: &[Duration]) -> String {
    let (direct, proxied) = (direct[direct.len() / 2], proxied[proxied.len() / 2]);
    let more = proxied.saturating_sub(direct);
    format!("round trip p50 {direct:?} direct, {proxied:?} through the proxy: {more:?} more")
}

fn echo_of_datagrams(proxied: bool) -> Outcome<Vec<Duration>> {
    let listener = UdpSocket::bind("127.0.0.1:0")?;
    let (network, address) = proxy(listener.local_addr()?, Transport::Udp)?;
    let target = if proxied { address } else { listener.local_addr()? };
    let echo = std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((size, from)) = listener.recv_from(&mut buffer) {
            if size == 0 || listener.send_to(&buffer[..size], from).is_err() {
                break;
            }
        }
    });
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut buffer = [0; 2_048];
    let mut trips = Vec::new();
    for _ in 0..TRIPS {
        let start = Instant::now();
        socket.send_to(&MESSAGE, target)?;
        socket.recv(&mut buffer)?;
        trips.push(start.elapsed());
    }
    socket.send_to(&[], target)?;
    drop((echo.join(), network));
    Ok(trips)
}

fn echo_of_a_stream(proxied: bool) -> Outcome<Vec<Duration>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (network, address) = proxy(listener.local_addr()?, Transport::Tcp)?;
    let mut dialer = TcpStream::connect(if proxied { address } else { listener.local_addr()? })?;
    let mut accepted = listener.accept()?.0;
    dialer.set_nodelay(true)?;
    accepted.set_nodelay(true)?;
    let echo = std::thread::spawn(move || {
        let mut buffer = MESSAGE;
        while accepted.read_exact(&mut buffer).is_ok() && accepted.write_all(&buffer).is_ok() {}
    });
    let mut buffer = MESSAGE;
    let mut trips = Vec::new();
    for _ in 0..TRIPS {
        let start = Instant::now();
        dialer.write_all(&MESSAGE)?;
        dialer.read_exact(&mut buffer)?;
        trips.push(start.elapsed());
    }
    drop(dialer);
    drop((echo.join(), network));
    Ok(trips)
}

fn proxy(upstream: SocketAddr, transport: Transport) -> Outcome<(Network, SocketAddr)> {
    let route = Route { dialer: NodeId(1), listener: NodeId(2), upstream, transport };
    let network = Network::start(Seed(1), &[route])?;
    let address = network.address(NodeId(1), NodeId(2)).ok_or("no proxy")?;
    Ok((network, address))
}

/// Returns the processor time that the thread of the proxies has had, once it has its name.
fn busy() -> Outcome<Duration> {
    let start = Instant::now();
    loop {
        match busy_thread()? {
            Some(busy) => return Ok(busy),
            None if start.elapsed() > LENGTH => return Err("no thread of proxies runs".into()),
            None => std::thread::yield_now(),
        }
    }
}

fn busy_thread() -> Outcome<Option<Duration>> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        // A thread that ended since the folder was read has no name any more.
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if name.trim_end() == "network" {
            let times = std::fs::read_to_string(path.join("schedstat"))?;
            let nanos = times.split(' ').next().ok_or("no time")?;
            return Ok(Some(Duration::from_nanos(nanos.parse()?)));
        }
    }
    Ok(None)
}

/// Datagrams in flight: few enough for the socket buffers of any system.
const WINDOW: u64 = 64;

const TRIPS: usize = 5_000;

const MESSAGE: [u8; 1_200] = [7; 1_200];

const LENGTH: Duration = Duration::from_secs(3);
