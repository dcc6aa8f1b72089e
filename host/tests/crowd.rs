//! A crowded leader has its clients wait outside: what crosses the network is not refused there.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for some variants")]

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use synod_clock::Moment;
use synod_host::journal::{Committer, Options, SimDisk};
use synod_host::paxos::{Configuration, CoreId, NodeId};
use synod_host::smr::wire::{decode_response, encode_request};
use synod_host::smr::{ClientId, Opening, Sequence};
use synod_host::smr::{Config, Connection, Refusal, Request, RequestBody, RequestId, Response};
use synod_host::{Event, Host, Output, Settings, Ticket, identity_of, open};

#[path = "../examples/three/echo.rs"]
mod echo;

const CONNECTION: Connection = Connection(1);

/// All of them are eight times the room.
const COMMAND_BYTES: usize = 512;
const COMMANDS: u64 = 32;
const ROOM: usize = 2 << 10;

/// One node that is a cluster, its shell, and what waits in that for the host.
struct Shell {
    host: Host<echo::Echo>,
    journal: Committer<SimDisk, Ticket>,
    waiting: VecDeque<Bytes>,
    now_ms: u64,
    is_hung: bool,
    /// A sync takes so many turns.
    sync_turns: u64,
    opened: Option<synod_host::smr::SessionId>,
    done: usize,
    refused: usize,
    sent_away: usize,
}

impl Shell {
    fn new() -> Self {
        let voters = Configuration::majority([NodeId::new(1)]).unwrap();
        let mut settings = Settings::default();
        settings.replica.waiting_bytes = ROOM;
        let options = Options::new(identity_of("crowd", NodeId::new(1), &voters).as_bytes());
        let (disk, folder) = (SimDisk::new(1), Path::new("journal"));
        let opened = open(disk, folder, &options, echo::Echo, &settings, |_, _| ()).unwrap();
        let config = Config::lan(CoreId { node: NodeId::new(1), incarnation: 0 }, voters);
        let (mut host, journal) = opened.start(config, 1);
        let name = "alice".to_owned();
        host.take(Moment::ORIGIN, Event::ClientUp { connection: CONNECTION, name });
        let mut shell = Self {
            host,
            journal: Committer::new(journal),
            waiting: VecDeque::new(),
            now_ms: 0,
            is_hung: false,
            sync_turns: 1,
            opened: None,
            done: 0,
            refused: 0,
            sent_away: 0,
        };
        while shell.opened.is_none() {
            let opening = Opening::first(ClientId::new(7));
            shell.ask(0, RequestBody::Open { opening });
            shell.turn(true);
        }
        (shell.done, shell.refused, shell.sent_away) = (0, 0, 0);
        shell
    }

    fn ask(&mut self, id: u64, body: RequestBody) {
        self.waiting.push_back(encode_request(&Request { id: RequestId(id), body }));
    }

    /// Has all commands wait.
    fn ask_all(&mut self) {
        let session = self.opened.unwrap();
        for number in 1..=COMMANDS {
            let payload = Bytes::from(vec![0; COMMAND_BYTES]);
            let (sequence, unanswered) = (Sequence::FIRST.plus(number - 1), Sequence::FIRST);
            let body = RequestBody::Command { session, sequence, unanswered, payload };
            self.ask(number, body);
        }
    }

    /// A turn: all that the host hears, or all that there is if nobody asks it.
    fn turn(&mut self, asks: bool) {
        self.now_ms += 1;
        let now = Moment::from_nanos(self.now_ms * 1_000_000);
        self.host.take(now, Event::Room(self.journal.room()));
        while !asks || self.host.hears_clients() {
            let Some(bytes) = self.waiting.pop_front() else { break };
            self.host.take(now, Event::ClientFrame { connection: CONNECTION, bytes });
        }
        self.host.on_time(now);
        self.host.flush(now);
        while let Some(output) = self.host.output() {
            match output {
                Output::Commit(commit) => self.journal.write(&mut vec![commit]),
                Output::Reply { bytes, .. } => match decode_response(&bytes).unwrap().1 {
                    Response::Opened(session) => self.opened = Some(session),
                    Response::Reply(_) => self.done += 1,
                    Response::Refused(Refusal::Overloaded { .. }) => self.refused += 1,
                    Response::Refused(Refusal::NotLeader { .. }) => self.sent_away += 1,
                    other => assert!(self.opened.is_none(), "{other:?}"),
                },
                Output::Send { .. } | Output::Beacon(_) | Output::Read(_) | Output::Snapshot(_) => {
                }
                Output::Close { reason, .. } => panic!("{reason}"),
            }
        }
        if !self.is_hung && self.now_ms.is_multiple_of(self.sync_turns) {
            self.journal.sync().unwrap();
            self.journal.completions().for_each(|committed| {
                self.host.take(now, Event::Committed(committed));
            });
            self.journal.end_batch().unwrap();
        }
    }
}

#[test]
fn whoever_waits_for_the_host_to_hear_is_not_refused() {
    let mut shell = Shell::new();
    shell.ask_all();
    for _ in 0..1_000 {
        shell.turn(true);
    }
    assert_eq!((shell.done, shell.refused), (32, 0));
}

/// A shell that does not ask has its clients refused: the room is as small as it was meant to be.
#[test]
fn whoever_does_not_wait_is_refused() {
    let mut shell = Shell::new();
    shell.ask_all();
    for _ in 0..1_000 {
        shell.turn(false);
    }
    assert_eq!(shell.done + shell.refused, 32);
    assert!(shell.refused > 16, "{}", shell.refused);
}

/// The clients of a leader whose disk hangs are told so in time, and can ask elsewhere.
#[test]
fn a_leader_that_does_not_get_on_hears_its_clients_again() {
    let mut shell = Shell::new();
    shell.is_hung = true;
    shell.ask_all();
    for _ in 0..1_200 {
        shell.turn(true);
    }
    assert_eq!((shell.waiting.len(), shell.done), (0, 0));
    assert!(shell.refused > 16, "{}", shell.refused);
}

/// A leader whose quorum takes long has more under way: its disk syncs all of it at once.
#[test]
fn a_leader_whose_disk_is_slow_is_crowded_with_more() {
    let mut shell = Shell::new();
    shell.sync_turns = 400;
    shell.ask_all();
    // With one command under way all would take 12,800 turns at least.
    for _ in 0..9_000 {
        shell.turn(true);
    }
    assert_eq!((shell.done, shell.refused), (32, 0));
}

/// A leader that hands over takes nothing in any more, so nobody is to wait for it.
#[test]
fn a_leader_that_was_asked_to_end_sends_its_clients_away_at_once() {
    let mut shell = Shell::new();
    shell.is_hung = true;
    shell.ask_all();
    shell.turn(true);
    assert!(!shell.host.hears_clients() && shell.waiting.len() > 16);
    shell.host.take(Moment::from_nanos(shell.now_ms * 1_000_000), Event::Drain);
    let waiting = shell.waiting.len();
    shell.turn(true);
    assert_eq!((shell.waiting.len(), shell.sent_away), (0, waiting));
}
