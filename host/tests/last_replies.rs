//! A node that was asked to end has its clients take what it answered before it does: all of it has
//! gone to the transport, and what that has not written is within each client's share.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod rig;

use bytes::Bytes;
use rig::Rig;
use synod_host::journal::SimDisk;
use synod_host::smr::wire::encode_request;
use synod_host::smr::{Connection, Request, RequestBody, RequestId};
use synod_host::{DRAIN_MAX, Event, Settings};

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
        assert!(!rig.host.is_done(rig.now()), "the last of {said} replies is not written");
        let bytes = rig.replies.last().unwrap().len();
        rig.take(Event::ClientWrote { connection: CONNECTION, bytes });
        // What was written made room, and the next reply is not on its way yet.
        assert_eq!(rig.host.is_done(rig.now()), said == QUESTIONS, "after {said} replies");
        rig.flush();
    }
    assert!(rig.host.is_done(rig.now()));
}

/// A transport need not tell of the last bytes that it wrote.
#[test]
fn what_is_within_a_share_is_left_to_the_transport() {
    let settings = Settings { reply_share_bytes: 1 << 10, ..Settings::default() };
    for (long, is_done) in [(10, true), (2 << 10, false)] {
        let mut rig = Rig::start(&SimDisk::new(1), settings);
        rig.take(Event::ClientUp { connection: CONNECTION, name: "alice".to_owned() });
        // Each refusal is short, and all of them leave at once.
        for id in 1..=long / 10 {
            let body = RequestBody::Query(Bytes::from_static(b"who does not lead answers nobody"));
            let request = Request { id: RequestId(id), body };
            let bytes = encode_request(&request);
            rig.take(Event::ClientFrame { connection: CONNECTION, bytes });
        }
        rig.take(Event::Drain);
        rig.settle();
        assert_eq!(rig.replies.len() as u64, long / 10, "none of them waits");
        assert_eq!(rig.host.is_done(rig.now()), is_done, "{long} bytes");
    }
}

#[test]
fn who_reads_nothing_keeps_no_node_from_ending() {
    let rig = draining();
    let end = rig.now() + DRAIN_MAX;
    assert!(!rig.host.is_done(rig.now() + DRAIN_MAX / 2));
    assert!(rig.host.is_done(end));
    assert!(rig.host.next_wake().is_some_and(|wake| wake <= end), "nobody would look");
}

#[test]
fn who_is_gone_keeps_no_node_from_ending() {
    let mut rig = draining();
    rig.take(Event::ClientDown(CONNECTION));
    rig.flush();
    assert!(rig.host.is_done(rig.now()));
}
