//! A socket of the network in memory, as quinn asks for one.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::{Datagram, Net};

/// One end of the network.
#[derive(Debug)]
pub(crate) struct Socket {
    net: Net,
    local: SocketAddr,
    mailbox: Arc<Mailbox>,
}

/// What has arrived for a socket and was not read.
#[derive(Debug, Default)]
pub(crate) struct Mailbox(Mutex<Arrived>);

#[derive(Debug, Default)]
struct Arrived {
    datagrams: VecDeque<Datagram>,
    bytes: usize,
    reader: Option<Waker>,
    is_cut: bool,
}

/// A socket that can always be written to: what it cannot take is lost.
#[derive(Debug)]
struct Writable;

impl Socket {
    pub(crate) fn new(net: Net, local: SocketAddr, mailbox: Arc<Mailbox>) -> Self {
        Self { net, local, mailbox }
    }
}

impl Mailbox {
    /// Puts a datagram in, unless there is no room.
    pub(crate) fn put(&self, datagram: Datagram) -> bool {
        let mut arrived = self.lock();
        if arrived.bytes + datagram.bytes.len() > BUFFER_BYTES {
            return false;
        }
        arrived.bytes += datagram.bytes.len();
        arrived.datagrams.push_back(datagram);
        let reader = arrived.reader.take();
        drop(arrived);
        reader.into_iter().for_each(Waker::wake);
        true
    }

    /// Cuts the socket off: it sends and hears nothing from here on.
    pub(crate) fn cut(&self) {
        self.lock().is_cut = true;
    }

    fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.mailbox.is_cut() {
            return Ok(());
        }
        // Nothing is cut into no pieces, but the size of a piece must not be zero.
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for bytes in transmit.contents.chunks(segment) {
            // What no path carries is lost without a word, and QUIC finds out.
            if bytes.len() <= PACKET_BYTES_MAX {
                let (from, to) = (self.local, transmit.destination);
                self.net.send(Datagram { from, to, bytes: bytes.to_vec() });
            }
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut arrived = self.mailbox.lock();
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(meta) {
            let Some(datagram) = arrived.datagrams.pop_front() else { break };
            let len = datagram.bytes.len();
            arrived.bytes -= len;
            buffer[..len].copy_from_slice(&datagram.bytes);
            let (addr, dst_ip) = (datagram.from, Some(self.local.ip()));
            *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip };
            count += 1;
        }
        if count == 0 {
            arrived.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.net.close(self.local, &self.mailbox);
    }
}

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Bytes that wait for a socket's reader at most, as with the buffers that the transport asks for.
const BUFFER_BYTES: usize = 4 << 20;

/// The longest datagram that every path carries.
const PACKET_BYTES_MAX: usize = 1452;
