//! Puts quinn and rustls together: one set-up each for the peer port, the client port, and clients.
//!
//! What it leaves to others: the numbers (`limits`) and the judgement (`verify`). The claim it
//! keeps true: TLS 1.3 with certificates on both sides, no resumption, no early data, nothing
//! without a bound.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{AckFrequencyConfig, Endpoint, EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;

use crate::bind_error::BindError;
use crate::counters::Counters;
use crate::held::{HeldPort, Socket};
use crate::limits;
use crate::tls::{Credentials, TlsError, provider};
use crate::verify::{Admission, ClientVerifier, ServerVerifier};

/// What differs between the two ports.
pub(crate) struct Port {
    pub(crate) alpn: &'static [u8],
    pub(crate) incoming_max: usize,
    pub(crate) migration: bool,
    pub(crate) transport: TransportConfig,
}

/// The peer port: three lanes each way, datagrams, addresses that stay.
pub(crate) fn peer_port(suspicion: Duration) -> Port {
    Port {
        alpn: limits::ALPN_PEER,
        incoming_max: limits::PEER_INCOMING_MAX,
        migration: false,
        transport: peer_transport(suspicion),
    }
}

/// The client port: one stream for each client, no datagrams.
pub(crate) fn client_port() -> Port {
    let mut transport = base_transport(limits::CLIENT_IDLE_TIMEOUT);
    transport
        .initial_rtt(limits::CLIENT_INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(limits::CLIENT_STREAM_WINDOW))
        .receive_window(VarInt::from_u32(limits::CLIENT_RECEIVE_WINDOW))
        .send_window(limits::CLIENT_SEND_WINDOW)
        .datagram_receive_buffer_size(None);
    Port {
        alpn: limits::ALPN_CLIENT,
        incoming_max: limits::CLIENT_INCOMING_MAX,
        migration: true,
        transport,
    }
}

/// The transport of a peer connection, the same at both ends.
pub(crate) fn peer_transport(suspicion: Duration) -> TransportConfig {
    let mut transport = base_transport(limits::PEER_IDLE_TIMEOUT);
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(limits::PEER_UNI_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(limits::PEER_STREAM_WINDOW))
        .receive_window(VarInt::from_u32(limits::PEER_RECEIVE_WINDOW))
        .send_window(limits::PEER_SEND_WINDOW)
        .datagram_receive_buffer_size(Some(limits::PEER_DATAGRAM_BUFFER))
        .datagram_send_buffer_size(limits::PEER_DATAGRAM_BUFFER)
        // Four chances to be heard within the silence that drops a link.
        .keep_alive_interval(Some(suspicion / 2));
    transport
}

/// The transport at a client's own end.
pub(crate) fn client_transport() -> TransportConfig {
    let mut transport = base_transport(limits::CLIENT_IDLE_TIMEOUT);
    transport
        .initial_rtt(limits::CLIENT_INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(limits::CLIENT_REPLY_WINDOW))
        .receive_window(VarInt::from_u32(limits::CLIENT_REPLY_WINDOW))
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(limits::CLIENT_KEEP_ALIVE));
    transport
}

/// The set-up with which a port answers calls.
pub(crate) fn server_config(
    credentials: &Credentials,
    port: Port,
    admission: Admission,
    counters: Arc<Counters>,
) -> Result<quinn::ServerConfig, TlsError> {
    let verifier = ClientVerifier::new(credentials, admission, counters)?;
    let mut tls = rustls::ServerConfig::builder_with_details(provider(), credentials.time())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(config_error)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(credentials.chain.clone(), credentials.key.clone_key())
        .map_err(config_error)?;
    tls.alpn_protocols = vec![port.alpn.to_vec()];
    // A ticket lets a certificate back in that would be refused afresh: none is given, none kept.
    tls.send_tls13_tickets = 0;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.max_early_data_size = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(config_error)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(port.transport))
        .migration(port.migration)
        .time_source(credentials.time())
        .max_incoming(port.incoming_max)
        .incoming_buffer_size(limits::INCOMING_BUFFER_BYTES)
        .incoming_buffer_size_total(limits::INCOMING_BUFFER_BYTES_TOTAL);
    Ok(config)
}

/// The set-up with which one node is called.
pub(crate) fn dial_config(
    credentials: &Credentials,
    alpn: &[u8],
    transport: TransportConfig,
    admission: Admission,
    counters: Arc<Counters>,
) -> Result<quinn::ClientConfig, TlsError> {
    let verifier = ServerVerifier::new(credentials, admission, counters);
    let mut tls = rustls::ClientConfig::builder_with_details(provider(), credentials.time())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(config_error)?
        // The identity is a URI in the certificate, and no name of a host that rustls could
        // compare.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(credentials.chain.clone(), credentials.key.clone_key())
        .map_err(config_error)?;
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.resumption = Resumption::disabled();
    tls.enable_early_data = false;
    tls.enable_sni = false;
    let crypto = QuicClientConfig::try_from(tls).map_err(config_error)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Opens the endpoint on a held port; must be called inside a tokio runtime.
pub(crate) fn open(
    held: HeldPort,
    server: Option<quinn::ServerConfig>,
) -> Result<Endpoint, BindError> {
    open_as(EndpointConfig::default(), held, server)
}

/// Opens as `open` does, an endpoint that is set up in its own way.
pub(crate) fn open_as(
    config: EndpointConfig,
    held: HeldPort,
    server: Option<quinn::ServerConfig>,
) -> Result<Endpoint, BindError> {
    let address = held.local_addr();
    let runtime = Arc::new(quinn::TokioRuntime);
    let opened = match held.socket {
        Socket::System(socket) => {
            size_buffers(&socket);
            Endpoint::new(config, server, socket, runtime)
        }
        Socket::Given(socket) => {
            Endpoint::new_with_abstract_socket(config, server, socket, runtime)
        }
    };
    opened.map_err(|source| BindError::Socket { address, source })
}

/// The name put where TLS wants one; the verifier does not look at it and it is not sent.
pub(crate) const SERVER_NAME: &str = "synod.invalid";

fn base_transport(idle: Duration) -> TransportConfig {
    let mut frequency = AckFrequencyConfig::default();
    frequency.max_ack_delay(Some(limits::ACK_DELAY_MAX));
    let mut congestion = quinn::congestion::CubicConfig::default();
    congestion.initial_window(limits::INITIAL_CONGESTION_WINDOW);
    let idle = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX);
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .initial_rtt(limits::INITIAL_RTT)
        .ack_frequency_config(Some(frequency))
        .congestion_controller_factory(Arc::new(congestion));
    transport
}

/// Asks for large socket buffers and says what was got; correctness never relies on it.
fn size_buffers(socket: &UdpSocket) {
    use rustix::net::sockopt;
    let asked = limits::SOCKET_BUFFER_BYTES;
    // An answer of the kernel that is an error leaves the size it was, which is read back below.
    // The second way goes beyond the system's limit and is open to privileged processes only.
    let _ = sockopt::set_socket_recv_buffer_size(socket, asked);
    if sockopt::socket_recv_buffer_size(socket).is_ok_and(|got| got < asked) {
        let _ = sockopt::set_socket_recv_buffer_size_force(socket, asked);
    }
    let _ = sockopt::set_socket_send_buffer_size(socket, asked);
    if sockopt::socket_send_buffer_size(socket).is_ok_and(|got| got < asked) {
        let _ = sockopt::set_socket_send_buffer_size_force(socket, asked);
    }
    let receive = sockopt::socket_recv_buffer_size(socket).unwrap_or(0);
    let send = sockopt::socket_send_buffer_size(socket).unwrap_or(0);
    if receive.min(send) < asked {
        tracing::warn!(asked, receive, send, "UDP socket buffers are smaller than asked for");
    } else {
        tracing::info!(asked, receive, send, "UDP socket buffers");
    }
}

fn config_error(error: impl std::fmt::Display) -> TlsError {
    TlsError::Config(error.to_string())
}
