//! A journal is made once, by a step of its own, and a node without one does not start.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod certificates;

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use certificates::Folder;
use synod_node::{CreateError, Inspected, Invalid, Node, NodeId, StartError, StateMachine};

/// A state machine without a state.
#[derive(Clone)]
struct Nothing;

impl StateMachine for Nothing {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }
    fn apply(&mut self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn digest(&self) -> u64 {
        0
    }
}

#[test]
fn a_node_without_a_journal_does_not_start() {
    let folder = Folder::new("no-journal");
    let config = folder.config(1);
    let no_journal = |config| {
        let error = Node::start(config, Nothing).unwrap_err();
        assert!(matches!(error, StartError::NoJournal { .. }), "{error}");
        error.to_string()
    };
    let text = no_journal(config.clone());
    assert!(text.contains("a node that has voted must not go on without it"), "{text}");
    assert!(text.contains("Node::create"), "{text}");
    let remedy = format!("init --dir DIR --node N --data {}`", config.data.display());
    assert!(text.contains(&remedy), "what is made is where it was looked for: {text}");
    assert!(!config.data.exists(), "a start makes no folder");
    fs::create_dir_all(&config.data).unwrap();
    no_journal(config.clone());
    Node::create(&config).unwrap();
    drop(Node::start(config.clone(), Nothing).unwrap());
    // The folder of a node that has run is lost.
    fs::remove_dir_all(&config.data).unwrap();
    no_journal(config.clone());
    fs::create_dir(&config.data).unwrap();
    no_journal(config);
}

/// With fewer members than the others it would be a majority by itself.
#[test]
fn a_node_does_not_start_among_other_members_than_its_journal_was_made_for() {
    let folder = Folder::new("members");
    let config = folder.config(1);
    Node::create(&config).unwrap();
    for left in [vec![1], vec![1, 2], vec![1, 2, 3, 4]] {
        let mut other = config.clone();
        let at = config.members[&NodeId::new(2)];
        other.members = left.into_iter().map(|id| (NodeId::new(id), at)).collect();
        let error = Node::start(other, Nothing).unwrap_err();
        assert!(matches!(error, StartError::Members(_)), "{error}");
        assert!(error.to_string().contains("made for the members 1, 2, 3"), "{error}");
    }
    drop(Node::start(config, Nothing).unwrap());
}

/// A look says what a start would, takes no port and counts as no start.
#[test]
fn a_journal_is_judged_without_a_start() {
    let folder = Folder::new("inspect");
    let config = folder.config(1);
    assert!(matches!(Node::inspect(&config), Err(StartError::NoJournal { .. })));
    assert!(!config.data.exists(), "a look makes no folder");
    folder.make_journals();
    assert_eq!(Node::inspect(&config).unwrap(), Inspected::Sound);
    let mut wrong = config.clone();
    wrong.data = folder.config(2).data;
    assert!(matches!(Node::inspect(&wrong), Err(StartError::Recovery(_))));
    let mut wrong = config.clone();
    wrong.members.remove(&NodeId::new(3));
    assert!(matches!(Node::inspect(&wrong), Err(StartError::Members(_))));
    let mut wrong = config.clone();
    wrong.timing.suspicion = Duration::from_millis(19);
    wrong.timing.heartbeat = Duration::from_millis(1);
    assert!(matches!(Node::inspect(&wrong), Err(StartError::Config(_))));
    let node = Node::start(config.clone(), Nothing).unwrap();
    assert_eq!(node.incarnation(), 1, "none of the looks was a start");
    assert_eq!(Node::inspect(&config).unwrap(), Inspected::InUse);
    drop(node);
    // The port is not taken, and not asked for.
    let mut config = config;
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    config.peer_listen = taken.local_addr().unwrap();
    assert_eq!(Node::inspect(&config).unwrap(), Inspected::Sound);
    let segment = config.data.join("segment-00000001.log");
    let cut = fs::OpenOptions::new().write(true).open(segment).unwrap();
    cut.set_len(4096).unwrap();
    let error = Node::inspect(&config).unwrap_err().to_string();
    assert!(error.contains("is damaged at byte 4096"), "{error}");
}

/// "Start the node" is no advice where the journal is not its own.
#[test]
fn a_journal_that_another_made_is_told_as_that_where_one_is_to_be_made() {
    let folder = Folder::new("make-wrong");
    folder.make_journals();
    let mut other = folder.config(1);
    other.data = folder.config(2).data;
    let error = Node::create(&other).unwrap_err().to_string();
    assert!(error.contains("node/2") && error.contains("check the path"), "{error}");
    let mut fewer = folder.config(1);
    fewer.members.remove(&NodeId::new(3));
    let error = Node::create(&fewer).unwrap_err();
    assert!(matches!(error, CreateError::Members(_)), "{error}");
    assert!(error.to_string().contains("Name 1, 2, 3, as every other node does"), "{error}");
}

#[test]
fn a_journal_is_not_made_in_place_of_another() {
    let folder = Folder::new("made-once");
    let config = folder.config(1);
    Node::create(&config).unwrap();
    let identity = fs::read(config.data.join("IDENTITY")).unwrap();
    let error = Node::create(&config).unwrap_err();
    assert!(matches!(&error, CreateError::Exists(path) if *path == config.data), "{error}");
    assert_eq!(fs::read(config.data.join("IDENTITY")).unwrap(), identity);
    let mut foreign = folder.config(2);
    foreign.data = folder.0.clone();
    let error = Node::create(&foreign).unwrap_err();
    assert!(matches!(error, CreateError::Journal(_)), "{error}");
}

#[test]
fn a_journal_is_made_for_the_owner_of_the_certificate_alone() {
    let folder = Folder::new("owner");
    let mut config = folder.config(1);
    config.tls = folder.config(2).tls;
    let error = Node::create(&config).unwrap_err();
    assert!(matches!(error, CreateError::Identity(_)), "{error}");
    assert!(!config.data.exists());
}

#[test]
fn a_port_in_use_is_noticed_before_the_folder_is_touched() {
    let folder = Folder::new("busy-port");
    let config = folder.config(1);
    Node::create(&config).unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    for peers in [true, false] {
        let mut busy = config.clone();
        let port = if peers { &mut busy.peer_listen } else { &mut busy.client_listen };
        *port = taken.local_addr().unwrap();
        let error = Node::start(busy, Nothing).unwrap_err();
        let port =
            matches!(error, StartError::PeerPort(_)) || matches!(error, StartError::ClientPort(_));
        assert!(port, "{error}");
    }
    let node = Node::start(config, Nothing).unwrap();
    assert_eq!(node.incarnation(), 1, "a start that failed on its port counts for nothing");
}
