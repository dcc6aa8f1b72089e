//! Measures what one relay carries: datagrams a second through it, and the round trip it adds.
//!
//! `cargo run --release -p synod-harness --example proxy_speed`. One thread sends as fast as the
//! relay takes it, one counts what arrives; nothing of it is a test, because the figure depends on
//! the machine.
#![allow(clippy::print_stdout, reason = "the figures are for whoever runs this")]

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use synod_harness::fault::NodeId;
use synod_harness::live::network::{Network, Route};
use synod_harness::random::Seed;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:.0} datagrams/s of 1200 bytes through one relay", rate()?);
    let direct = round_trip(false)?;
    let relayed = round_trip(true)?;
    println!("round trip p50: {direct:?} direct, {relayed:?} through the relay");
    Ok(())
}

/// Keeps a window of datagrams in flight for two seconds and counts those that arrive.
fn rate() -> Result<f64, Box<dyn Error>> {
    let (listener, network, address) = setup()?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    listener.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (start, mut sent, mut arrived) = (Instant::now(), 0_u64, 0_u64);
    let mut buffer = [0; 2_048];
    while start.elapsed() < Duration::from_secs(2) {
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
    drop(network);
    Ok(arrived as f64 / start.elapsed().as_secs_f64())
}

fn round_trip(relayed: bool) -> Result<Duration, Box<dyn Error>> {
    let (listener, network, address) = setup()?;
    let target = if relayed { address } else { listener.local_addr()? };
    let echo = std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((size, from)) = listener.recv_from(&mut buffer) {
            if size == 0 || listener.send_to(&buffer[..size], from).is_err() {
                break;
            }
        }
    });
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut trips = Vec::new();
    let mut buffer = [0; 2_048];
    for _ in 0..5_000 {
        let start = Instant::now();
        socket.send_to(&[7; 1_200], target)?;
        socket.recv(&mut buffer)?;
        trips.push(start.elapsed());
    }
    socket.send_to(&[], target)?;
    drop(echo.join());
    drop(network);
    trips.sort();
    Ok(trips[trips.len() / 2])
}

fn setup() -> Result<(UdpSocket, Network, SocketAddr), Box<dyn Error>> {
    let listener = UdpSocket::bind("127.0.0.1:0")?;
    let upstream = listener.local_addr()?;
    let route = Route { dialer: NodeId(1), listener: NodeId(2), upstream };
    let network = Network::start(Seed(1), &[route])?;
    let address = network.address(NodeId(1), NodeId(2)).ok_or("no relay")?;
    Ok((listener, network, address))
}

/// Datagrams in flight: few enough for the socket buffers of any system.
const WINDOW: u64 = 64;
