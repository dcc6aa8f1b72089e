//! What a host measures of its own work, with the times that it is given.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for some variants")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use synod_clock::Moment;
use synod_host::journal::{Commit, Committer, Options, SimDisk};
use synod_host::paxos::{Configuration, CoreId, NodeId, Slot};
use synod_host::smr::wire::{decode_response, encode_request};
use synod_host::smr::{
    ClientId, Config, Connection, DiskHealth, ElectionCause, Heartbeat, Message, Opening, Request,
    RequestBody, RequestId, Response, Sequence, SessionId,
};
use synod_host::{Durations, Event, Host, Output, Settings, Stage, Ticket, identity_of, open};

#[path = "../examples/three/echo.rs"]
mod echo;
mod rig;

const CONNECTION: Connection = Connection(1);

/// One node that is a cluster, with a disk that syncs when it is told to.
struct Shell {
    host: Host<echo::Echo>,
    journal: Committer<SimDisk, Ticket>,
    commits: Vec<Commit<Ticket>>,
    responses: Vec<Response>,
}

fn ms(ms: u64) -> Moment {
    Moment::from_nanos(ms * 1_000_000)
}

impl Shell {
    /// Begins, and leads with an open session, a second after the start.
    fn leading() -> (Self, SessionId) {
        let voters = Configuration::majority([NodeId::new(1)]).unwrap();
        let options = Options::new(identity_of("measured", NodeId::new(1), &voters).as_bytes());
        let (disk, folder) = (SimDisk::new(1), Path::new("journal"));
        let settings = Settings::default();
        let opened = open(disk, folder, &options, echo::Echo, &settings, |_, _| ()).unwrap();
        let config = Config::lan(CoreId { node: NodeId::new(1), incarnation: 0 }, voters);
        let (host, journal) = opened.start(config, 1);
        let journal = Committer::new(journal);
        let mut shell = Self { host, journal, commits: Vec::new(), responses: Vec::new() };
        let name = "alice".to_owned();
        shell.host.take(ms(0), Event::ClientUp { connection: CONNECTION, name });
        let opening = Opening::first(ClientId::new(7));
        for turn in 0..1_000 {
            let is_open = |shell: &Self| {
                shell.responses.iter().any(|response| matches!(response, Response::Opened(_)))
            };
            if turn % 50 == 0 && !is_open(&shell) {
                shell.ask(turn, turn, RequestBody::Open { opening });
            }
            shell.host.on_time(ms(turn));
            shell.flush(turn);
            shell.sync(turn);
            shell.flush(turn);
        }
        let session = shell.responses.iter().find_map(|response| match response {
            Response::Opened(session) => Some(*session),
            _ => None,
        });
        (shell, session.unwrap())
    }

    fn ask(&mut self, now: u64, id: u64, body: RequestBody) {
        self.host.take(ms(now), Event::Room(self.journal.room()));
        let bytes = encode_request(&Request { id: RequestId(id), body });
        self.host.take(ms(now), Event::ClientFrame { connection: CONNECTION, bytes });
    }

    fn command(&mut self, now: u64, session: SessionId, number: u64) {
        let (sequence, unanswered) = (Sequence::FIRST.plus(number), Sequence::FIRST);
        let payload = Bytes::from_static(b"seven");
        let body = RequestBody::Command { session, sequence, unanswered, payload };
        self.ask(now, 10_000 + number, body);
    }

    fn flush(&mut self, now: u64) {
        self.host.flush(ms(now));
        while let Some(output) = self.host.output() {
            match output {
                Output::Commit(commit) => self.commits.push(commit),
                Output::Reply { bytes, .. } => {
                    self.responses.push(decode_response(&bytes).unwrap().1);
                }
                _ => {}
            }
        }
    }

    /// The disk answers for all that it was given.
    fn sync(&mut self, now: u64) {
        self.journal.write(&mut self.commits);
        self.journal.sync().unwrap();
        let done: Vec<_> = self.journal.completions().collect();
        for committed in done {
            self.host.take(ms(now), Event::Committed(committed));
        }
        self.journal.end_batch().unwrap();
    }

    fn stage(&self, stage: Stage) -> Durations {
        self.host.measure(ms(0)).stages[stage as usize]
    }
}

/// By how many samples, and milliseconds, a stage grew.
fn grew(before: Durations, after: Durations) -> (u64, u128) {
    (after.count() - before.count(), (after.sum() - before.sum()).as_millis())
}

#[test]
fn the_stages_of_a_proposal_take_what_the_host_was_told() {
    let (mut shell, session) = Shell::leading();
    let before = Stage::ALL.map(|stage| shell.stage(stage));
    shell.command(2_010, session, 0);
    shell.flush(2_011);
    // It waits behind the first one, whose vote is on its way to the disk.
    shell.command(2_012, session, 1);
    shell.flush(2_012);
    shell.sync(2_015);
    shell.flush(2_018);
    shell.sync(2_022);
    shell.flush(2_022);
    let grown = Stage::ALL.map(|stage| grew(before[stage as usize], shell.stage(stage)));
    let of = |stage: Stage| grown[stage as usize];
    assert_eq!(of(Stage::Propose), (2, 3), "at once, and from 2012 to 2015");
    assert_eq!(of(Stage::Durable), (2, 5 + 7));
    assert_eq!(of(Stage::Choose), (2, 5 + 7));
    assert_eq!(of(Stage::Apply), (2, 3), "the rest of the first one's turn");
    assert_eq!(of(Stage::Answer), (2, 8 + 10));
    assert_eq!(of(Stage::Commit), (2, 4 + 4));
    assert_eq!(of(Stage::Turn), (4, 1 + 3));
    assert_eq!(of(Stage::Read), (0, 0));
    let query = RequestBody::Query(Bytes::from_static(b"what"));
    let before = shell.stage(Stage::Read);
    shell.ask(2_030, 5, query);
    shell.flush(2_032);
    assert_eq!(grew(before, shell.stage(Stage::Read)), (1, 2));
}

#[test]
fn a_disk_that_does_not_answer_is_slow_and_then_hung_and_fine_again() {
    let (mut shell, session) = Shell::leading();
    let disk = |shell: &Shell, now| shell.host.measure(ms(now)).status.host.disk;
    assert_eq!(disk(&shell, 2_000), DiskHealth::Fine);
    shell.command(2_000, session, 0);
    shell.flush(2_000);
    for (now, state) in
        [(3_000, DiskHealth::Fine), (3_001, DiskHealth::Slow), (6_500, DiskHealth::Hung)]
    {
        assert_eq!(disk(&shell, now), state, "after {} ms", now - 2_000);
    }
    shell.ask(6_500, 7, RequestBody::Status);
    shell.flush(6_500);
    let told = shell.responses.last();
    assert!(matches!(told, Some(Response::Status(status)) if status.host.disk == DiskHealth::Hung));
    shell.sync(6_600);
    shell.flush(6_600);
    assert_eq!(disk(&shell, 6_600), DiskHealth::Fine);
}

#[test]
fn an_election_is_counted_once_and_each_queue_stands_beside_its_bound() {
    let (mut shell, session) = Shell::leading();
    let measured = shell.host.measure(ms(2_000));
    let mut wanted = [0; ElectionCause::ALL.len()];
    wanted[ElectionCause::Start as usize] = 1;
    assert_eq!(measured.counts.elections, wanted);
    assert_eq!((measured.counts.elections_won, measured.counts.leader_changes), (1, 1));
    assert!(measured.counts.refused[0] > 0, "who asked before it led was sent away");
    let depth = |shell: &Shell, name: &str| {
        let queues = shell.host.measure(ms(2_000)).queues;
        let queue = queues.into_iter().find(|queue| queue.name == name).unwrap();
        assert!(queue.depth <= queue.bound, "{queue:?}");
        queue.depth
    };
    assert_eq!(depth(&shell, "sessions"), 1);
    for number in 0..3 {
        shell.command(2_000, session, number);
    }
    shell.flush(2_000);
    assert_eq!((depth(&shell, "requests"), depth(&shell, "open_slots")), (3, 1));
    assert_eq!(depth(&shell, "journal_batches"), 1);
    assert_eq!(measured.lag(), 0);
    let took = shell.stage(Stage::Turn).sum();
    assert!(took < Duration::from_secs(1), "a turn that is over is not counted on: {took:?}");
}

#[test]
fn a_node_lags_behind_what_a_peer_that_it_hears_says_to_be_chosen() {
    let mut rig = rig::Rig::start(&SimDisk::new(1), Settings::default());
    assert_eq!(rig.host.measure(rig.now()).lag(), 0);
    let told = Heartbeat {
        chosen: Slot::new(5_000),
        hears: vec![rig::ME],
        echoes: vec![0],
        tick: 1,
        ..rig::beat(rig::PEERS_JOURNAL, 1)
    };
    rig.hear(rig::OLD_LEADER, &Message::Heartbeat(told));
    rig.flush();
    let measured = rig.host.measure(rig.now());
    assert_eq!(measured.lag(), 5_000 - measured.status.applied.number());
    assert!(measured.lag() > 4_990, "{measured:?}");
}
