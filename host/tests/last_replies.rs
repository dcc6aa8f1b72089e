//! A node that was asked to end gives the transport all that it has answered before it does.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod rig;

use std::time::Duration;

use rig::Rig;
use synod_host::journal::SimDisk;
use synod_host::smr::wire::encode_request;
use synod_host::smr::{Connection, Request, RequestBody, RequestId};
use synod_host::{Event, Settings};

const CONNECTION: Connection = Connection(1);
const QUESTIONS: u64 = 8;

/// A node that has answered more than the transport takes of one client at once, and is asked to
/// end.
fn draining() -> Rig {
    // The first reply finds room in any case, and none that comes after it.
    let settings = Settings { reply_share_bytes: 1, reply_budget_bytes: 1, ..Settings::default() };
    let mut rig = Rig::start(&SimDisk::new(1), settings);
    rig.take(Event::ClientUp { connection: CONNECTION, name: "alice".to_owned() });
    for id in 1..=QUESTIONS {
        let request = Request { id: RequestId(id), body: RequestBody::Status };
        rig.take(Event::ClientFrame { connection: CONNECTION, bytes: encode_request(&request) });
    }
    rig.take(Event::Drain);
    rig.settle();
    assert_eq!(rig.replies.len(), 1);
    rig
}

#[test]
fn a_node_does_not_end_before_it_has_said_what_it_answered() {
    let mut rig = draining();
    for said in 1..=QUESTIONS {
        assert_eq!(rig.replies.len() as u64, said);
        assert_eq!(rig.host.is_done(rig.now()), said == QUESTIONS, "after {said} replies");
        let bytes = rig.replies.last().unwrap().len();
        rig.take(Event::ClientWrote { connection: CONNECTION, bytes });
        rig.flush();
    }
}

#[test]
fn who_reads_nothing_keeps_no_node_from_ending() {
    let rig = draining();
    let later = |seconds| rig.now() + Duration::from_secs(seconds);
    assert!(!rig.host.is_done(later(4)));
    assert!(rig.host.is_done(later(5)));
    assert!(rig.host.next_wake().is_some_and(|wake| wake <= later(5)), "nobody would look");
}

#[test]
fn who_is_gone_keeps_no_node_from_ending() {
    let mut rig = draining();
    rig.take(Event::ClientDown(CONNECTION));
    rig.flush();
    assert!(rig.host.is_done(rig.now()));
}
