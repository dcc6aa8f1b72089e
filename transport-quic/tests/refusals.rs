//! Who is refused, at both ports and at both ends: the reason is known here and there, counted,
//! and not one byte of an application is handled.
//!
//! What it leaves to others: rules broken after admission (`hostile.rs`).
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use quinn::ConnectionError;
use rcgen::ExtendedKeyUsagePurpose;
use support::raw::Caller;
use support::{Authority, CLUSTER, Node, OTHER_CLUSTER, Profile, any, black_hole, soon, until};
use synod_transport_quic::limits::{ALPN_CLIENT, ALPN_PEER};
use synod_transport_quic::{
    ClientDialer, ClientEvent, ClientNames, ConnectError, Count, CountersSnapshot, Credentials,
    Incarnation, PeerId, Refusal, RefusedBy,
};

/// What a caller shows at the peer port, and why it is refused.
struct Case {
    name: &'static str,
    proof: Option<(String, String)>,
    alpn: &'static [u8],
    reason: Refusal,
    /// What the refused end finds in the close: a word of the reason, or the TLS alert.
    told: &'static str,
}

fn case(
    name: &'static str,
    authority: &Authority,
    profile: &Profile,
    reason: Refusal,
    told: &'static str,
) -> Case {
    Case { name, proof: Some(authority.issue(profile)), alpn: ALPN_PEER, reason, told }
}

fn cases(ours: &Authority) -> Vec<Case> {
    use ExtendedKeyUsagePurpose::ServerAuth;
    let good = Profile::node(CLUSTER, 1);
    let two_uris = vec![good.uris[0].clone(), format!("synod://{CLUSTER}/node/3")];
    let foreign = Authority::new("foreign");
    let namesake = Authority::new("ours");
    let with = |change: &dyn Fn(&mut Profile)| {
        let mut profile = good.clone();
        change(&mut profile);
        profile
    };
    let client = Profile::client(CLUSTER, "app");
    let mut all = vec![
        case("wrong authority", &foreign, &good, Refusal::UntrustedIssuer, "UnknownIssuer"),
        case("namesake authority", &namesake, &good, Refusal::UntrustedIssuer, "BadSignature"),
        case("expired", ours, &with(&|p| p.expired = true), Refusal::Expired, "expired"),
        case("early", ours, &with(&|p| p.early = true), Refusal::Expired, "not valid yet"),
        case("no usage", ours, &with(&|p| p.usages.clear()), Refusal::Profile, "clientAuth"),
        case(
            "server usage only",
            ours,
            &with(&|p| p.usages = vec![ServerAuth]),
            Refusal::Profile,
            "client auth",
        ),
        case("no URI", ours, &with(&|p| p.uris.clear()), Refusal::Profile, "0 URI names"),
        case("two URIs", ours, &with(&|p| p.uris.clone_from(&two_uris)), Refusal::Profile, "2 URI"),
        case(
            "other scheme",
            ours,
            &with(&|p| p.uris = vec![format!("spiffe://{CLUSTER}/node/1")]),
            Refusal::Profile,
            "not an identity",
        ),
        case(
            "wrong cluster",
            ours,
            &Profile::node(OTHER_CLUSTER, 1),
            Refusal::WrongCluster,
            "wrong-cluster",
        ),
        case("wrong role", ours, &client, Refusal::WrongRole, "wrong-role"),
        case(
            "unknown name",
            ours,
            &Profile::node(CLUSTER, 9),
            Refusal::UnknownName,
            "unknown-name",
        ),
        case("own name", ours, &Profile::node(CLUSTER, 2), Refusal::UnknownName, "unknown-name"),
    ];
    all.push(Case {
        name: "no certificate",
        proof: None,
        alpn: ALPN_PEER,
        reason: Refusal::NoCertificate,
        told: "no certificates",
    });
    all.push(Case {
        name: "client protocol",
        alpn: ALPN_CLIENT,
        ..case("", ours, &client, Refusal::WrongProtocol, "any known protocol")
    });
    all
}

fn said_by(error: &ConnectionError) -> String {
    let ConnectionError::ConnectionClosed(close) = error else {
        panic!("not refused by the other end: {error}");
    };
    format!("{} {}", close.error_code, String::from_utf8_lossy(&close.reason))
}

fn refused_once(counters: &CountersSnapshot, by: RefusedBy, reason: Refusal) -> bool {
    counters.refused(by, reason) == 1 && counters.refused_total(by) == 1
}

fn untouched(counters: &CountersSnapshot) -> bool {
    counters.count(Count::FramesIn) == 0 && counters.count(Count::LinksUp) == 0
}

#[tokio::test]
async fn the_peer_port_refuses_each_bad_caller_with_a_reason_both_ends_know() {
    let ours = Authority::new("ours");
    let (_hole, nowhere) = black_hole();
    for case in cases(&ours) {
        let mut node = Node::bind(ours.node(2), 2, any(), &[(1, nowhere)]);
        let caller = Caller::new(case.proof, case.alpn);
        let error = soon(caller.call_until_refused(node.handle.local_addr())).await;
        let said = said_by(&error);
        assert!(said.contains(case.told), "{}: `{said}`", case.name);
        until(case.name, || refused_once(&node.handle.counters(), RefusedBy::Here, case.reason))
            .await;
        assert!(untouched(&node.handle.counters()), "{}", case.name);
        assert_eq!(node.inbox.try_recv(), None, "{}", case.name);
    }
}

/// The same, where the refused end is a node of this crate: it counts what the other end said.
#[tokio::test]
async fn a_refused_node_knows_why() {
    let ours = Authority::new("ours");
    let foreign = Authority::new("foreign");
    let mut expired = Profile::node(CLUSTER, 1);
    expired.expired = true;
    let mut no_usage = Profile::node(CLUSTER, 1);
    no_usage.usages.clear();
    let cases = [
        (foreign.credentials_trusting(&Profile::node(CLUSTER, 1), &ours), Refusal::UntrustedIssuer),
        (ours.credentials(&expired), Refusal::Expired),
        (ours.credentials(&no_usage), Refusal::Profile),
        (ours.node(0), Refusal::UnknownName),
    ];
    let (_hole, nowhere) = black_hole();
    for (credentials, reason) in cases {
        let acceptor = Node::bind(ours.node(2), 2, any(), &[(1, nowhere)]);
        let caller = Node::bind(credentials, 1, any(), &[(2, acceptor.handle.local_addr())]);
        let refusals = |node: &Node, by| node.handle.counters().refused(by, reason);
        until("both ends count the refusal", || {
            refusals(&acceptor, RefusedBy::Here) > 0 && refusals(&caller, RefusedBy::There) > 0
        })
        .await;
        assert!(untouched(&acceptor.handle.counters()) && untouched(&caller.handle.counters()));
        assert!(!caller.handle.is_up(PeerId(2)));
    }
}

/// The caller judges who answers, and says why it hangs up.
#[tokio::test]
async fn a_caller_refuses_each_bad_answerer_with_a_reason_both_ends_know() {
    let ours = Authority::new("ours");
    let foreign = Authority::new("foreign");
    let good = Profile::node(CLUSTER, 2);
    let mut expired = good.clone();
    expired.expired = true;
    let mut no_usage = good.clone();
    no_usage.usages.clear();
    let trusting = |profile: &Profile| ours.credentials(profile);
    let cases: [(Credentials, Refusal); 5] = [
        (foreign.credentials_trusting(&good, &ours), Refusal::UntrustedIssuer),
        (trusting(&expired), Refusal::Expired),
        (trusting(&no_usage), Refusal::Profile),
        (trusting(&Profile::node(OTHER_CLUSTER, 2)), Refusal::WrongCluster),
        (trusting(&Profile::node(CLUSTER, 3)), Refusal::UnexpectedNode),
    ];
    let (_hole, nowhere) = black_hole();
    for (credentials, reason) in cases {
        let answerer = Node::bind(credentials, 2, any(), &[(1, nowhere)]);
        let caller = Node::bind(ours.node(1), 1, any(), &[(2, answerer.handle.local_addr())]);
        let refusals = |node: &Node, by| node.handle.counters().refused(by, reason);
        until("both ends count the refusal", || {
            refusals(&caller, RefusedBy::Here) > 0 && refusals(&answerer, RefusedBy::There) > 0
        })
        .await;
        assert!(untouched(&answerer.handle.counters()) && untouched(&caller.handle.counters()));
    }
}

async fn client_refusal(
    credentials: Credentials,
    port: SocketAddr,
    node: u16,
) -> (RefusedBy, Refusal) {
    let dialer = ClientDialer::bind(any(), credentials).unwrap();
    match soon(dialer.connect(port, PeerId(node))).await {
        Err(ConnectError::Refused(refused)) => {
            assert!(refused_once(&dialer.counters(), refused.by, refused.reason));
            (refused.by, refused.reason)
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn the_client_port_refuses_each_bad_client() {
    let ours = Authority::new("ours");
    let foreign = Authority::new("foreign");
    let app = Profile::client(CLUSTER, "app");
    let mut expired = app.clone();
    expired.expired = true;
    let mut no_usage = app.clone();
    no_usage.usages.clear();
    let cases = [
        (foreign.credentials_trusting(&app, &ours), Refusal::UntrustedIssuer),
        (ours.credentials(&expired), Refusal::Expired),
        (ours.credentials(&no_usage), Refusal::Profile),
        (ours.credentials(&Profile::client(CLUSTER, "other")), Refusal::UnknownName),
    ];
    let listed = ClientNames::Listed(BTreeSet::from(["app".parse().unwrap()]));
    for (credentials, reason) in cases {
        let (port, mut inbox) = support::client_port(&ours, 1, listed.clone());
        let told = client_refusal(credentials, port.local_addr(), 1).await;
        assert_eq!(told, (RefusedBy::There, reason));
        until("the node counts", || refused_once(&port.counters(), RefusedBy::Here, reason)).await;
        assert!(untouched(&port.counters()));
        assert_eq!(inbox.try_recv(), None);
    }
}

/// A node's certificate opens the peer port and no other; and what the authority has certified for
/// another cluster opens nothing here, though its name is on the list.
#[tokio::test]
async fn the_client_port_refuses_nodes_and_clients_of_other_clusters() {
    let ours = Authority::new("ours");
    let foreign_client = Profile::client(OTHER_CLUSTER, "app");
    for (profile, reason) in
        [(Profile::node(CLUSTER, 2), Refusal::WrongRole), (foreign_client, Refusal::WrongCluster)]
    {
        let listed = ClientNames::Listed(BTreeSet::from(["app".parse().unwrap()]));
        for names in [listed, ClientNames::AnyCertified] {
            let (port, mut inbox) = support::client_port(&ours, 1, names);
            let caller = Caller::new(Some(ours.issue(&profile)), ALPN_CLIENT);
            let said = said_by(&soon(caller.call_until_refused(port.local_addr())).await);
            assert!(said.contains(reason.slug()), "{said}");
            until("the node counts", || refused_once(&port.counters(), RefusedBy::Here, reason))
                .await;
            assert!(untouched(&port.counters()));
            assert_eq!(inbox.try_recv(), None);
        }
    }
}

#[tokio::test]
async fn a_client_refuses_a_node_it_did_not_mean_and_a_port_it_did_not_mean() {
    let ours = Authority::new("ours");
    let app = || ours.credentials(&Profile::client(CLUSTER, "app"));
    let (port, mut inbox) = support::client_port(&ours, 1, ClientNames::AnyCertified);
    let told = client_refusal(app(), port.local_addr(), 2).await;
    assert_eq!(told, (RefusedBy::Here, Refusal::UnexpectedNode));
    until("the node knows as well", || {
        refused_once(&port.counters(), RefusedBy::There, Refusal::UnexpectedNode)
    })
    .await;
    assert_eq!(inbox.try_recv(), None);
    let node = Node::bind(ours.node(2), 2, any(), &[]);
    let told = client_refusal(app(), node.handle.local_addr(), 2).await;
    assert_eq!(told, (RefusedBy::There, Refusal::WrongProtocol));
    until("the node counts", || {
        refused_once(&node.handle.counters(), RefusedBy::Here, Refusal::WrongProtocol)
    })
    .await;
}

/// With tickets, six connections of a client would be verified once; and early data could be
/// replayed.
#[tokio::test]
async fn each_connection_is_verified_and_none_is_resumed() {
    let ours = Authority::new("ours");
    let (port, mut inbox) = support::client_port(&ours, 1, ClientNames::AnyCertified);
    let proof = ours.issue(&Profile::client(CLUSTER, "app"));
    let caller = Caller::new(Some(proof), ALPN_CLIENT);
    for count in 1..=6 {
        let Err(connecting) = caller.connecting(port.local_addr()).into_0rtt() else {
            panic!("early data was possible");
        };
        let connection = soon(connecting).await.unwrap();
        let (mut send, mut receive) = soon(connection.open_bi()).await.unwrap();
        send.write_all(&support::raw::preface(4, 0)).await.unwrap();
        send.write_all(&support::raw::hello(1, 0)).await.unwrap();
        let mut answer = [0; 18];
        soon(receive.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer.to_vec(), support::raw::hello(1, 7));
        assert_eq!(port.counters().count(Count::Verifications), count);
        let Some(ClientEvent::Connected { .. }) = soon(inbox.recv()).await else { panic!() };
        connection.close(0u32.into(), b"");
        let Some(ClientEvent::Closed { .. }) = soon(inbox.recv()).await else { panic!() };
    }
    let dialer =
        ClientDialer::bind(any(), ours.credentials(&Profile::client(CLUSTER, "app"))).unwrap();
    for count in 1..=3 {
        let connection = soon(dialer.connect(port.local_addr(), PeerId(1))).await.unwrap();
        assert_eq!(connection.incarnation(), Incarnation(7));
        assert_eq!(dialer.counters().count(Count::Verifications), count);
        assert_eq!(port.counters().count(Count::Verifications), 6 + count);
    }
}
