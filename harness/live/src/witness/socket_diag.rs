//! One question to the kernel: which socket is between these two ends.
//!
//! The files of `/proc` list every socket, of which a busy machine has tens of thousands; the
//! kernel's own interface for them answers for one. What that socket means is left to the modules
//! beside it. The claim kept true: an answer of another socket, such as one that listens at that
//! port, is none.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// Returns the number of the socket between these ends; none if there is none, or if it is closed.
///
/// # Errors
///
/// If the kernel does not answer such questions.
pub(super) fn socket_between(near: SocketAddr, far: SocketAddr) -> io::Result<Option<u64>> {
    let protocol = Some(netlink::SOCK_DIAG);
    let family = AddressFamily::NETLINK;
    let kernel = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    send(&kernel, &question(near, far)?, SendFlags::empty())?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    let (size, _) = recv(&kernel, &mut answer, RecvFlags::empty())?;
    read(answer.get(..size).unwrap_or(&answer), near, far)
}

/// Writes the question: a header, what is asked for, and the two ends.
fn question(near: SocketAddr, far: SocketAddr) -> io::Result<Vec<u8>> {
    let (IpAddr::V4(near_ip), IpAddr::V4(far_ip)) = (near.ip(), far.ip()) else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let mut asked = Vec::with_capacity(QUESTION_BYTES);
    asked.extend((QUESTION_BYTES as u32).to_ne_bytes());
    asked.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    asked.extend(REQUEST.to_ne_bytes());
    asked.extend([0; 8]);
    asked.extend([IPV4, TCP, 0, 0]);
    asked.extend(ANY_STATE.to_ne_bytes());
    asked.extend(ends(near.port(), far.port()));
    for ip in [near_ip, far_ip] {
        asked.extend(ip.octets());
        asked.extend([0; 12]);
    }
    asked.extend([0; 4]);
    // Of whatever age.
    asked.extend([0xff; 8]);
    Ok(asked)
}

/// Reads the answer.
fn read(answer: &[u8], near: SocketAddr, far: SocketAddr) -> io::Result<Option<u64>> {
    let bytes = |at: usize, count: usize| {
        answer.get(at..at + count).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    };
    let word = |at: usize| Ok::<_, io::Error>(u32::from_ne_bytes(fixed(bytes(at, 4)?)?));
    match u16::from_ne_bytes(fixed(bytes(4, 2)?)?) {
        SOCK_DIAG_BY_FAMILY => {}
        ERROR if word(HEADER_BYTES)? == NO_ENTRY => return Ok(None),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    // Where there is no such connection, the kernel answers with who listens there.
    if bytes(HEADER_BYTES + 4, 4)? != ends(near.port(), far.port()) {
        return Ok(None);
    }
    Ok(Some(u64::from(word(HEADER_BYTES + INODE)?)).filter(|socket| *socket != 0))
}

fn fixed<const COUNT: usize>(bytes: &[u8]) -> io::Result<[u8; COUNT]> {
    bytes.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The ports of both ends, as they are on the wire.
fn ends(near: u16, far: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (near.to_be_bytes(), far.to_be_bytes());
    [a, b, c, d]
}

/// A header of netlink.
const HEADER_BYTES: usize = 16;

/// A header, eight bytes of what is asked for, and 48 of the two ends.
const QUESTION_BYTES: usize = HEADER_BYTES + 8 + 48;

/// Where an answer has the number of the socket, behind its header.
const INODE: usize = 68;

/// More than the kernel says of one socket.
const ANSWER_BYTES_MAX: usize = 8 << 10;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST: u16 = 1;
const ERROR: u16 = 2;

/// The kernel's negative number for what does not exist.
const NO_ENTRY: u32 = 2_u32.wrapping_neg();

const IPV4: u8 = 2;
const TCP: u8 = 6;
const ANY_STATE: u32 = u32::MAX;
