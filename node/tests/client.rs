//! What a client says when nobody is there, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod certificates;

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use certificates::Folder;
use synod_node::{Client, ClientConfig, ClientError, NodeId, Outcome, TlsFiles};
use tokio::time::Instant;

/// Two nodes that do not answer: the sockets are held, and nobody reads them.
fn silent_nodes(folder: &Folder) -> (ClientConfig, [UdpSocket; 2]) {
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let at = |socket: &UdpSocket| socket.local_addr().unwrap();
    let nodes = [(NodeId::new(1), at(&sockets[0])), (NodeId::new(2), at(&sockets[1]))].into();
    (ClientConfig { nodes, tls: TlsFiles::in_folder(&folder.0, "client") }, sockets)
}

#[tokio::test(start_paused = true)]
async fn what_never_left_is_definitely_not_applied_when_time_is_up() {
    let folder = Folder::new("silent");
    let (config, _sockets) = silent_nodes(&folder);
    let client = Client::connect(&config).unwrap();
    let session = client.session();
    let timeout = Duration::from_secs(5);
    for round in 0..2 {
        let begin = Instant::now();
        let outcome = if round == 0 {
            session.command(&b"x"[..], timeout).await
        } else {
            session.query(&b"x"[..], timeout).await
        };
        assert!(matches!(outcome, Outcome::NotApplied(_)), "{outcome:?}");
        let took = begin.elapsed();
        assert!(took >= timeout && took < timeout * 2, "{took:?}");
    }
    let connection_errors = client.connection_errors();
    assert!(
        connection_errors.contains("node 1: ") && connection_errors.contains("node 2: "),
        "{connection_errors}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_has_no_status() {
    let folder = Folder::new("status");
    let (config, _sockets) = silent_nodes(&folder);
    let client = Client::connect(&config).unwrap();
    let begin = Instant::now();
    assert_eq!(client.status(NodeId::new(1), Duration::from_secs(3)).await, None);
    assert!(begin.elapsed() >= Duration::from_secs(3));
    assert_eq!(client.status(NodeId::new(7), Duration::from_secs(1)).await, None, "no such node");
}

#[tokio::test]
async fn a_client_without_nodes_or_with_the_wrong_certificate_is_refused() {
    let folder = Folder::new("refused");
    let tls = TlsFiles::in_folder(&folder.0, "client");
    let nobody = ClientConfig { nodes: BTreeMap::new(), tls };
    assert!(matches!(Client::connect(&nobody), Err(ClientError::NoNodes)));
    let (mut config, _sockets) = silent_nodes(&folder);
    config.tls = TlsFiles::in_folder(&folder.0, "node-1");
    let error = Client::connect(&config).unwrap_err();
    assert!(error.to_string().contains("a client is wanted here"), "{error}");
}
