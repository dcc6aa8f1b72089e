//! Clients that ask for the state, what that costs the others, and nodes that begin with a backup.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

mod rig;

use bytes::Bytes;
use rig::{ME, NEW, NEW_LEADER, Nothing, OLD_LEADER, Rig, accept, beat, sized};
use std::path::Path;
use std::time::Duration;
use synod_host::backup::{
    BackupAct, BackupClient, BackupError, BackupOptions, BackupState, BackupStep, BackupWriter,
    ReadError, Summary,
};
use synod_host::journal::{Disk as _, Options, SimDisk};
use synod_host::smr::client::Millis;
use synod_host::smr::wire::{decode_response, encode_request};
use synod_host::smr::{
    Checkpoint, ClientId, Command, CommandBatch, Connection, Executor, Heartbeat, Invalid,
    KEPT_REPLY_BYTES_MAX, Message, NoPart, NoSnapshot, Opening, Principal, Refusal, Request,
    RequestBody, RequestId, Response, RestoreError, Sequence, SessionId, SessionLimits,
    SnapshotPieces, SnapshotView, StateMachine, StatePart,
};
use synod_host::{
    DataFolders, Event, PartReader, Settings, SnapshotOrder, identity_from, open_above,
};
use synod_paxos::{Configuration, Decree, NodeId, Slot};

const CONNECTION: Connection = Connection(1);

/// Small segments, as whole ones go.
const SEGMENT_BYTES: u64 = 64 << 10;

fn settings() -> Settings {
    let mut settings =
        Settings { commit_bytes: 8 << 10, full_below_bytes: 12 << 10, ..Settings::default() };
    (settings.log_bytes, settings.part_bytes) = (100 << 10, 3);
    // Memory holds few slots, so that peers are answered from the journal.
    settings.replica.cache_slots = 4;
    settings.client_snapshots.apart = Duration::from_millis(500);
    settings
}

fn rig_with(disk: &SimDisk, settings: Settings) -> Rig {
    let mut rig = Rig::with_config(disk, SEGMENT_BYTES, settings, |_| ());
    rig.host.let_read_all(["alice"]);
    rig.take(Event::ClientUp { connection: CONNECTION, name: "alice".to_owned() });
    rig
}

fn rig(disk: &SimDisk) -> Rig {
    rig_with(disk, settings())
}

/// Has so many more slots chosen, each of a kibibyte.
fn choose(rig: &mut Rig, count: u64) {
    let log = rig.host.replica().paxos().log();
    let first = log.len() as u64 + log.base().number();
    for slot in first..first + count {
        rig.hear(NEW_LEADER, &accept(NEW, slot, vec![sized(1 << 10)], slot));
        rig.settle();
        rig.rest();
    }
}

fn applied(rig: &Rig) -> u64 {
    rig.host.replica().executor().applied().number()
}

/// Asks, and returns what is said before any work on snapshots is done.
fn ask(rig: &mut Rig, body: RequestBody) -> Option<Response> {
    rig.replies.clear();
    let request = encode_request(&Request { id: RequestId(9), body });
    rig.take(Event::ClientFrame { connection: CONNECTION, bytes: request });
    rig.settle();
    said(rig)
}

fn said(rig: &Rig) -> Option<Response> {
    let (id, response) = decode_response(rig.replies.first()?).unwrap();
    assert_eq!(id, RequestId(9));
    Some(response)
}

/// Asks for a part, and has it read if it is.
fn part(rig: &mut Rig, covers: u64, of: Option<u64>, offset: u64) -> Result<StatePart, Refusal> {
    let (covers, of) = (Slot::new(covers), of.map(Slot::new));
    let asked = ask(rig, RequestBody::FetchSnapshot { covers, of, offset });
    if asked.is_none() {
        rig.work();
    }
    match asked.or_else(|| said(rig)) {
        Some(Response::Snapshot { part, crc }) => {
            assert_eq!(crc, crc32c::crc32c(&part.bytes));
            Ok(part)
        }
        Some(Response::Refused(refusal)) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn why(refused: Result<StatePart, Refusal>) -> NoPart {
    match refused {
        Err(Refusal::NoPart { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn wait(rig: &mut Rig, ms: u64) {
    rig.now_ms += ms;
    rig.settle();
}

#[test]
fn the_state_is_read_by_whom_the_node_names_and_by_nobody_else() {
    let mut rig = rig(&SimDisk::new(1));
    rig.host.let_read_all([]);
    choose(&mut rig, 20);
    let covers = applied(&rig);
    assert_eq!(part(&mut rig, covers, None, 0), Err(Refusal::NotAllowed), "nobody by default");
    rig.host.let_read_all(["bob"]);
    assert_eq!(part(&mut rig, covers, None, 0), Err(Refusal::NotAllowed));
    assert!(rig.orders.is_empty(), "and no snapshot is taken for it");
    rig.host.let_read_all(["bob", "alice"]);
    assert_eq!(why(part(&mut rig, covers, None, 0)), NoPart::Taking);
}

#[test]
fn a_client_is_given_a_snapshot_that_covers_what_it_asked_for_and_one_is_taken_for_it() {
    let mut rig = rig(&SimDisk::new(1));
    choose(&mut rig, 20);
    let covers = applied(&rig);
    assert_eq!(why(part(&mut rig, covers + 1, None, 0)), NoPart::Behind);
    assert!(rig.orders.is_empty(), "and no snapshot would do");
    assert_eq!(why(part(&mut rig, covers, None, 0)), NoPart::Taking);
    assert!(matches!(rig.orders[..], [SnapshotOrder::Take { .. }]), "{:?}", rig.orders);
    assert_eq!(why(part(&mut rig, covers, None, 0)), NoPart::Taking, "it is not written yet");
    rig.work();
    let first = part(&mut rig, covers, None, 0).unwrap();
    assert!(first.offset == 0 && first.description.slot == Slot::new(covers));
    choose(&mut rig, 5);
    wait(&mut rig, 100);
    let less = part(&mut rig, 1, None, 0).unwrap();
    assert_eq!(less.description, first.description, "the same one serves who asks for less");
    assert_eq!(why(part(&mut rig, covers + 5, None, 0)), NoPart::Paced);
    wait(&mut rig, 100);
    assert_eq!(why(part(&mut rig, covers + 5, None, 0)), NoPart::Held, "one for all clients");
}

/// The snapshot that a client has begun stays readable, and nothing waits for it.
#[test]
fn a_client_reads_on_while_the_log_goes_and_a_hold_ends_with_its_progress() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    choose(&mut rig, 20);
    let covers = applied(&rig);
    let _ = part(&mut rig, covers, None, 0);
    rig.work();
    let first = part(&mut rig, covers, None, 0).unwrap();
    let (mut end, slot) = (first.end(), covers);
    for _ in 0..30 {
        choose(&mut rig, 10);
        rig.work();
        rig.settle();
        wait(&mut rig, 300);
        let next = part(&mut rig, covers, Some(slot), end).unwrap();
        if next.end() < next.total {
            end = next.end();
        }
        assert_eq!(next.description, first.description);
    }
    let kept = |disk: &SimDisk| {
        let names = disk.list(Path::new("journal")).unwrap();
        names.iter().filter(|name| name.ends_with(".log")).count() as u64 * SEGMENT_BYTES
    };
    assert!(kept(&disk) <= settings().log_bytes * 3 / 2 + 4 * SEGMENT_BYTES, "the log goes");
    // It asks for the same bytes again and again, which is no progress.
    let mut offered = 0;
    for _ in 0..200 {
        wait(&mut rig, 100);
        let given = part(&mut rig, covers, Some(slot), 0).unwrap();
        offered = given.description.slot.number();
        if offered != slot {
            break;
        }
        rig.work();
    }
    assert!(offered > slot, "the old one was let go, and it is given the newest");
}

/// The peer asks in the same turn, behind all of them.
#[test]
fn a_peer_is_served_however_many_parts_clients_ask_for() {
    let mut rig = rig(&SimDisk::new(1));
    for _ in 0..30 {
        choose(&mut rig, 10);
        rig.work();
        rig.settle();
    }
    rig.replies.clear();
    let fetch = RequestBody::FetchSnapshot { covers: Slot::FIRST, of: None, offset: 0 };
    let request = encode_request(&Request { id: RequestId(9), body: fetch });
    for _ in 0..300 {
        let bytes = request.clone();
        rig.take(Event::ClientFrame { connection: CONNECTION, bytes });
    }
    rig.hear(OLD_LEADER, &Message::Fetch { first: Slot::new(3) });
    rig.flush();
    let reads: Vec<_> = rig
        .orders
        .iter()
        .map(|order| match order {
            SnapshotOrder::Read { to, .. } => *to,
            other => panic!("{other}"),
        })
        .collect();
    let client = PartReader::Client(CONNECTION, RequestId(9));
    assert_eq!(reads, [PartReader::Peer(OLD_LEADER), client], "one for each, the peer first");
    rig.work();
    assert!(
        rig.sent
            .iter()
            .any(|(to, _, sent)| *to == OLD_LEADER && matches!(sent, Message::Snapshot(_)))
    );
    assert_eq!(rig.replies.len(), 300, "each is answered");
}

/// Each life takes a snapshot for a client, and ends before the log has grown by half of its bound.
#[test]
fn a_node_that_is_started_again_after_each_backup_cuts_its_log_all_the_same() {
    let mut disk = SimDisk::new(1);
    let mut most = 0;
    for _ in 0..30 {
        let mut rig = rig(&disk);
        choose(&mut rig, 20);
        let covers = applied(&rig);
        let _ = part(&mut rig, covers, None, 0);
        rig.work();
        choose(&mut rig, 3);
        let names = disk.list(Path::new("journal")).unwrap();
        most = most.max(names.iter().filter(|name| name.ends_with(".log")).count() as u64);
        drop(rig);
        disk = disk.crash(|_| 0);
    }
    let bound = settings().log_bytes * 3 / 2 + 4 * SEGMENT_BYTES;
    assert!(most * SEGMENT_BYTES <= bound, "{most} segments");
}

fn client(disk: &SimDisk, patience_ms: u64, now: u64) -> BackupClient<Nothing, SimDisk> {
    let options = BackupOptions {
        nodes: [OLD_LEADER, ME, NEW_LEADER].to_vec(),
        opening: Opening::first(ClientId::new(77)),
        cluster: "5f3a".to_owned(),
        path: Path::new("backup").to_owned(),
        patience_ms,
    };
    BackupClient::new(options, disk.clone(), Nothing, Millis(now))
}

/// Runs a backup against the node, which alone answers; `change` spoils what it says.
fn back_up(
    rig: &mut Rig,
    disk: &SimDisk,
    mut change: impl FnMut(&RequestBody, Response) -> Response,
) -> Result<Summary, BackupError> {
    let mut client = client(disk, 60_000, rig.now_ms);
    let session = SessionId { slot: Slot::new(applied(rig) - 1), position: 0 };
    loop {
        match client.next(Millis(rig.now_ms)) {
            BackupAct::Ended(ended) => return ended,
            BackupAct::Rest(until) => {
                let ms = until.0 - rig.now_ms;
                wait(rig, ms.max(1));
                rig.work();
            }
            BackupAct::Ask { node: ME, body: RequestBody::Open { .. }, .. } => {
                client.on_answer(Millis(rig.now_ms), Ok(Response::Opened(session)));
            }
            BackupAct::Ask { node: ME, body, .. } => {
                let asked = ask(rig, body.clone());
                if asked.is_none() {
                    rig.work();
                }
                let said = asked.or_else(|| said(rig)).unwrap();
                client.on_answer(Millis(rig.now_ms), Ok(change(&body, said)));
            }
            BackupAct::Ask { .. } => {
                wait(rig, 100);
                client.on_answer(Millis(rig.now_ms), Err("no answer".to_owned()));
            }
        }
    }
}

#[test]
fn a_backup_is_made_of_the_one_node_that_answers_and_a_node_begins_with_it() {
    let mut rig = rig(&SimDisk::new(1));
    choose(&mut rig, 20);
    let disk = SimDisk::new(2);
    let summary = back_up(&mut rig, &disk, |_, said| said).unwrap();
    assert_eq!(summary.digest, rig.host.replica().executor().digest());
    assert_eq!((summary.cluster.as_str(), summary.slot), ("5f3a", Slot::new(applied(&rig))));
    let state = BackupState::read(disk.clone(), Path::new("backup"), Nothing).unwrap();
    assert_eq!(state.summary(), &summary);
    let voters = Configuration::majority([OLD_LEADER, ME, NEW_LEADER]).unwrap();
    let folders = DataFolders { journal: Path::new("new"), snapshots: Path::new("new/snapshots") };
    let plain = identity_from("6b", ME, &voters, None);
    assert!(state.begin_node(disk.clone(), folders, &plain).is_err(), "it says nothing of it");
    let identity = identity_from("6b", ME, &voters, Some(summary.beginning()));
    state.begin_node(disk.clone(), folders, &identity).unwrap();
    let open = |identity: &str| {
        let mut options = Options::new(identity.as_bytes());
        options.create = synod_host::journal::Create::Never;
        open_above(disk.clone(), folders, &options, Nothing, &Settings::default(), |_, _| ())
    };
    assert!(open(&plain).is_err(), "nor is it the journal of a node that begins with nothing");
    let (opened, _) = open(&identity).unwrap();
    assert_eq!(opened.state_at(), summary.slot);
}

#[test]
fn what_was_not_asked_for_or_is_not_as_it_was_read_is_not_kept() {
    let wrong: [fn(&mut StatePart, &mut u32); 4] = [
        |_, crc| *crc ^= 1,
        // The same place of another snapshot.
        |part, crc| {
            part.description.slot = Slot::new(part.description.slot.number() + 1);
            part.bytes = part.bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>().into();
            *crc = crc32c::crc32c(&part.bytes);
        },
        |part, _| part.offset += u64::from(part.offset > 0),
        |part, _| part.total += u64::from(part.offset > 0),
    ];
    for (index, spoil) in wrong.into_iter().enumerate() {
        let mut rig = rig(&SimDisk::new(1));
        choose(&mut rig, 20);
        let disk = SimDisk::new(2);
        let (mut spoiled, mut wanted) = (0, None);
        // Some parts are spoiled, and each is asked for until it comes as it is.
        let made = back_up(&mut rig, &disk, |body, said| match (body, said) {
            (
                RequestBody::FetchSnapshot { of: Some(_), offset, .. },
                Response::Snapshot { mut part, mut crc },
            ) => {
                assert!(wanted.take().is_none_or(|wanted| wanted == *offset), "{index}");
                if spoiled < 3 {
                    (spoiled, wanted) = (spoiled + 1, Some(*offset));
                    spoil(&mut part, &mut crc);
                }
                Response::Snapshot { part, crc }
            }
            (_, said) => said,
        });
        assert_eq!(spoiled, 3, "{index}");
        assert_eq!(made.unwrap().digest, rig.host.replica().executor().digest(), "{index}");
    }
    // One that is older than what was acknowledged is never taken.
    let mut rig = rig(&SimDisk::new(1));
    choose(&mut rig, 20);
    let made = back_up(&mut rig, &SimDisk::new(2), |_, said| match said {
        Response::Snapshot { mut part, crc } => {
            part.description.slot = Slot::new(3);
            Response::Snapshot { part, crc }
        }
        said => said,
    });
    let Err(BackupError::Silence { bytes: 0, answers, .. }) = made else { panic!("{made:?}") };
    assert!(
        answers.iter().any(|(node, said)| *node == ME && said.contains("lacks")),
        "{answers:?}"
    );
}

#[test]
fn a_state_that_does_not_come_to_its_digest_is_no_backup() {
    let mut rig = rig(&SimDisk::new(1));
    choose(&mut rig, 20);
    let disk = SimDisk::new(2);
    let made = back_up(&mut rig, &disk, |_, said| match said {
        Response::Snapshot { mut part, crc } => {
            part.description.digest ^= 1;
            Response::Snapshot { part, crc }
        }
        said => said,
    });
    assert!(matches!(made, Err(BackupError::NotKept { .. })), "{made:?}");
    let read = BackupState::read(disk, Path::new("backup"), Nothing);
    assert!(matches!(read, Err(ReadError::Missing(_) | ReadError::Unfinished(_))), "{read:?}");
}

#[test]
fn patience_is_that_of_the_cluster_and_each_node_is_told_of() {
    let mut client = client(&SimDisk::new(2), 5_000, 0);
    let (mut now, mut asked) = (0, Vec::new());
    let ended = loop {
        match client.next(Millis(now)) {
            BackupAct::Ask { node, within_ms, .. } => {
                asked.push(node);
                now += within_ms.min(300);
                client.on_answer(Millis(now), Err("no answer".to_owned()));
            }
            BackupAct::Rest(until) => now = until.0,
            BackupAct::Ended(ended) => break ended,
        }
    };
    assert!((5_000..5_600).contains(&now), "{now}");
    for node in [OLD_LEADER, ME, NEW_LEADER] {
        assert!(asked.iter().filter(|other| **other == node).count() >= 2, "{asked:?}");
    }
    let said = ended.unwrap_err().to_string();
    assert!(said.contains("node 1: no answer; node 2: no answer; node 3: no answer"), "{said}");
}

/// Whatever the patience, those that are up are asked beside the two that say nothing.
#[test]
fn a_node_that_is_down_leaves_the_others_their_share_of_a_short_patience() {
    for patience_ms in [500, 1_000, 2_000, 4_000] {
        let mut client = client(&SimDisk::new(2), patience_ms, 0);
        let mut now = 0;
        let reached = loop {
            match client.next(Millis(now)) {
                BackupAct::Ask { node: NEW_LEADER, .. } => break true,
                BackupAct::Ask { within_ms, .. } => {
                    now += within_ms;
                    client.on_answer(Millis(now), Err("no answer".to_owned()));
                }
                BackupAct::Rest(until) => now = until.0,
                BackupAct::Ended(_) => break false,
            }
        };
        assert!(reached, "with {patience_ms} ms the third node is not asked");
    }
}

#[test]
fn a_client_that_no_node_lets_read_is_told_so_at_once() {
    let mut client = client(&SimDisk::new(2), 60_000, 0);
    let (mut now, mut asked) = (0, 0);
    let session = SessionId { slot: Slot::new(4), position: 0 };
    let ended = loop {
        match client.next(Millis(now)) {
            BackupAct::Ask { body: RequestBody::Open { .. }, .. } => {
                client.on_answer(Millis(now), Ok(Response::Opened(session)));
            }
            BackupAct::Ask { .. } => {
                asked += 1;
                client.on_answer(Millis(now), Ok(Response::Refused(Refusal::NotAllowed)));
            }
            BackupAct::Rest(until) => now = until.0,
            BackupAct::Ended(ended) => break ended,
        }
    };
    assert!(matches!(ended, Err(BackupError::NotAllowed(_))), "{ended:?}");
    assert!(asked == 3 && now < 2_000, "{asked} questions in {now} ms");
}

/// Of two nodes one lags for ever: the other is asked in its turn.
#[test]
fn a_node_that_has_nothing_to_give_is_followed_by_the_next_one() {
    let options = BackupOptions {
        nodes: [ME, NEW_LEADER].to_vec(),
        opening: Opening::first(ClientId::new(77)),
        cluster: "5f3a".to_owned(),
        path: Path::new("backup").to_owned(),
        patience_ms: 5_000,
    };
    for refusal in [
        Refusal::NoPart { why: NoPart::Behind, retry_after_ms: 20 },
        Refusal::NoPart { why: NoPart::Held, retry_after_ms: 20 },
        Refusal::DiskFull,
        Refusal::NotAllowed,
    ] {
        let disk = SimDisk::new(2);
        let mut client = BackupClient::new(options.clone(), disk, Nothing, Millis(0));
        let session = SessionId { slot: Slot::new(4), position: 0 };
        let (mut now, mut asked) = (0, Vec::new());
        while asked.len() < 2 {
            match client.next(Millis(now)) {
                BackupAct::Ask { body: RequestBody::Open { .. }, .. } => {
                    client.on_answer(Millis(now), Ok(Response::Opened(session)));
                }
                BackupAct::Ask { node, .. } => {
                    asked.push(node);
                    client.on_answer(Millis(now), Ok(Response::Refused(refusal.clone())));
                }
                BackupAct::Rest(until) => now = until.0,
                BackupAct::Ended(ended) => panic!("{ended:?}"),
            }
        }
        assert_eq!(asked, [ME, NEW_LEADER], "{refusal}");
    }
}

fn beat_of(began: Option<Checkpoint>) -> Message {
    Message::Heartbeat(Heartbeat { began, ..beat(rig::PEERS_JOURNAL, 1) })
}

/// Two that were made empty beside one that was restored would choose its slots once more.
#[test]
fn a_node_that_began_with_nothing_is_refused_beside_those_that_began_with_a_backup() {
    let began = Some(Checkpoint { slot: Slot::new(300), digest: 7 });
    let disk = SimDisk::new(1);
    let mut rig = Rig::unmet(&disk, SEGMENT_BYTES);
    rig.hear(NEW_LEADER, &beat_of(began));
    rig.hear(NEW_LEADER, &Message::Known(rig.host.life()));
    rig.settle();
    let reason = rig.host.halted().unwrap().to_owned();
    assert!(rig.host.is_refused() && reason.contains("node 3 began with the backup of slot 300"));
    assert!(reason.contains("and this node with nothing"), "{reason}");
    assert!(reason.contains("synod-kv init --node N --from BACKUP"), "{reason}");
    // One that has found others which began as it did goes on, and hears nothing of the one.
    let mut rig = Rig::unmet(&SimDisk::new(2), SEGMENT_BYTES);
    rig.meet(OLD_LEADER, rig::PEERS_JOURNAL, 1);
    rig.hear(NEW_LEADER, &beat_of(began));
    rig.hear(NEW_LEADER, &Message::Known(rig.host.life()));
    rig.hear(NEW_LEADER, &accept(NEW, 0, vec![sized(9)], 0));
    rig.settle();
    assert!(rig.host.halted().is_none());
    assert_eq!(rig.host.replica().paxos().log().voted_in(Slot::FIRST), None);
    let node: NodeId = OLD_LEADER;
    rig.hear(node, &accept(rig::OLD, 0, vec![sized(9)], 0));
    rig.settle();
    assert_eq!(rig.host.replica().paxos().log().voted_in(Slot::FIRST), Some(rig::OLD));
}

/// All of a cluster may start at once, and the one node that was made otherwise be the first that
/// is heard.
#[test]
fn a_node_that_has_met_others_goes_on_whoever_is_heard_first_after_a_start() {
    let began = Some(Checkpoint { slot: Slot::new(300), digest: 7 });
    let disk = SimDisk::new(1);
    let mut rig = Rig::unmet(&disk, SEGMENT_BYTES);
    rig.meet(OLD_LEADER, rig::PEERS_JOURNAL, 1);
    rig.settle();
    drop(rig);
    let mut rig = Rig::unmet(&disk.crash(|_| 0), SEGMENT_BYTES);
    rig.hear(NEW_LEADER, &beat_of(began));
    rig.settle();
    assert_eq!(rig.host.halted(), None);
    assert!(!rig.host.is_refused());
    rig.meet(OLD_LEADER, rig::PEERS_JOURNAL, 1);
    rig.hear(NEW_LEADER, &accept(NEW, 0, vec![sized(9)], 0));
    rig.hear(OLD_LEADER, &accept(rig::OLD, 0, vec![sized(9)], 0));
    rig.settle();
    assert_eq!(rig.host.replica().paxos().log().voted_in(Slot::FIRST), Some(rig::OLD));
}

/// A machine that answers each command with more than a table keeps by default.
#[derive(Clone, Debug, Default)]
struct Talker;

impl StateMachine for Talker {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }
    fn apply(&mut self, _: &[u8]) -> Bytes {
        Bytes::from(vec![7; 3 * KEPT_REPLY_BYTES_MAX])
    }
    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn digest(&self) -> u64 {
        0
    }
    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        Ok(SnapshotView::whole(Bytes::new()))
    }
    fn restore(&mut self, _: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        Ok(())
    }
}

/// Who makes a backup, or begins with it, does not know the limits that its nodes had.
#[test]
fn a_backup_is_made_and_read_whatever_the_limits_of_its_nodes_are() {
    let limits = SessionLimits { kept_reply_bytes: 1 << 20, ..SessionLimits::default() };
    let mut state = Executor::with_limits(Talker, limits);
    let (principal, opening) = (Principal::of_name("alice"), Opening::first(ClientId::new(1)));
    let session = SessionId { slot: Slot::FIRST, position: 0 };
    let (sequence, payload) = (Sequence::FIRST, Bytes::new());
    let talk = Command::Apply { principal, session, sequence, unanswered: sequence, payload };
    for command in [Command::Open { principal, opening }, talk] {
        state.apply(&Decree::Value(CommandBatch::encode(&[command])), |_, _| ());
    }
    let (description, view) = state.snapshot().unwrap();
    let (bytes, disk, path) = (view.concat(), SimDisk::new(1), Path::new("backup"));
    let total = bytes.len() as u64;
    assert!(total > 3 * KEPT_REPLY_BYTES_MAX as u64, "the reply is kept");
    let part = StatePart { description, total, offset: 0, bytes };
    let mut writer = BackupWriter::begin(disk.clone(), path, "5f3a", Talker).unwrap();
    let BackupStep::Whole(summary) = writer.keep(part).unwrap() else { panic!("it is all") };
    drop(writer);
    let read = BackupState::read(disk, path, Talker).unwrap();
    assert_eq!((read.summary(), summary.digest), (&summary, state.digest()));
}
