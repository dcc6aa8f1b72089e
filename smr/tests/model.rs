//! The real replicas, explored exhaustively: every order of messages, every crash point.
//!
//! The network is a set that never shrinks, as in `paxos/tests/model.rs`, so loss, repetition,
//! delay and reordering are all in. Clients ask at any moment; nodes crash between any two steps
//! and keep any prefix of the records that were not synced. Held against all of it: agreement, also
//! of the states; linearizable answers; each command once; refusals that are definite. Each run is
//! complete, its count of states is pinned, and what makes it worth running is shown to be
//! reachable. `cargo xtask model` runs the larger bounds, too (`SYNOD_MODEL=large`).
//!
//! A scenario takes its configuration as data, and nothing here counts a quorum. So a change of the
//! voters would be one more ask, and its handover one more scenario.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test reads clocks and says what it explored; the core that it drives does not"
)]

#[path = "../../paxos/tests/model/explore.rs"]
mod explore;
#[path = "model/history.rs"]
mod history;
#[path = "model/machine.rs"]
mod machine;
#[path = "model/node.rs"]
mod node;
#[path = "model/scenario.rs"]
mod scenario;
#[path = "model/shared.rs"]
mod shared;
#[path = "model/world.rs"]
mod world;

use explore::{explore, is_large};
use history::{Ask, Stage, What};
use scenario::{Scenario, Witness};

const fn read(place: usize) -> Ask {
    Ask { place, what: What::Read }
}

const fn write(place: usize, value: u8) -> Ask {
    Ask { place, what: What::Write(value) }
}

/// Node 2 campaigns once, and is the rival of node 1.
fn rival(asks: &[Ask], witnesses: &[Witness]) -> Scenario {
    let (asks, witnesses) = (asks.to_vec(), witnesses.to_vec());
    Scenario { campaigns: vec![0, 1, 0], asks, witnesses, ..Scenario::three() }
}

#[test]
fn a_read_at_a_deposed_leader() {
    let witnesses: [Witness; 2] = [
        ("the old leader answers, and the rival's write is chosen", |state| {
            state.stages() == [Stage::Answered, Stage::Answered]
        }),
        ("the old leader sends the reader away, once the rival's write is chosen", |state| {
            state.stages() == [Stage::Refused, Stage::Answered]
        }),
    ];
    let scenario = Scenario { copies: true, ..rival(&[read(0), write(1, 1)], &witnesses) };
    explore("1 read, a rival's write, copies", scenario, 1_426);
}

#[test]
fn two_reads_at_a_deposed_leader() {
    let witnesses: [Witness; 2] = [
        ("a round is over, a write is chosen, and a question is open", |state| {
            state.stages() == [Stage::Answered, Stage::Open, Stage::Answered]
        }),
        ("both reads are answered", |state| {
            state.stages()[..2] == [Stage::Answered, Stage::Answered]
        }),
    ];
    explore("2 reads, a rival's write", rival(&[read(0), read(0), write(1, 1)], &witnesses), 2_469);
}

#[test]
fn reads_at_two_leaders() {
    let witnesses: [Witness; 3] = [
        ("the new leader answers with the old one's last write", |state| {
            state.stages()[2] == Stage::Answered && state.history.longest() == [0, 1]
        }),
        ("the new leader answers without a write that is given up", |state| {
            state.stages() == [Stage::Uncertain, Stage::Refused, Stage::Answered]
                && state.history.longest() == [0]
        }),
        ("both leaders answer", |state| state.stages()[1..] == [Stage::Answered; 2]),
    ];
    explore(
        "a write, reads at 2 leaders",
        rival(&[write(0, 1), read(0), read(1)], &witnesses),
        12_249,
    );
}

#[test]
fn a_read_over_a_raised_ballot() {
    let witnesses: [Witness; 1] =
        [("the leader answers in its second ballot, with the rival's write", |state| {
            state.stages() == [Stage::Answered; 2] && state.leads(0, 3)
        })];
    let scenario = Scenario { raises: 1, ..rival(&[read(0), write(1, 1)], &witnesses) };
    explore("1 read, a rival's write, a raise", scenario, 59_815);
}

#[test]
fn a_command_tried_at_two_leaders() {
    let witnesses: [Witness; 2] = [
        ("both attempts are answered", |state| state.stages() == [Stage::Answered; 2]),
        ("the first attempt is uncertain, and the second is answered", |state| {
            state.stages() == [Stage::Uncertain, Stage::Answered]
        }),
    ];
    explore("1 command at 2 leaders", rival(&[write(0, 1), write(1, 1)], &witnesses), 2_148);
}

/// A write at node 1, a crash, and a read at a candidate.
fn crash(candidate: usize, witnesses: &[Witness]) -> Scenario {
    let mut campaigns = vec![0; 3];
    campaigns[candidate] = 1;
    let (asks, witnesses) = (vec![write(0, 1), read(candidate)], witnesses.to_vec());
    Scenario { campaigns, asks, witnesses, crashes: 1, ..Scenario::three() }
}

#[test]
fn a_write_and_a_crash() {
    let witnesses: [Witness; 2] = [
        ("what was answered before a crash is read after it", |state| {
            state.stages() == [Stage::Answered; 2] && state.has_crashed(0)
        }),
        ("what was not answered may be gone", |state| {
            state.stages() == [Stage::Lost, Stage::Answered] && state.history.longest() == [0]
        }),
    ];
    explore("a write, 1 crash, a read elsewhere", crash(2, &witnesses), 59_294);
}

#[test]
fn a_leader_that_comes_back() {
    let witnesses: [Witness; 1] = [("it reads what it wrote before the crash", |state| {
        state.stages() == [Stage::Lost, Stage::Answered] && state.history.longest() == [0, 1]
    })];
    explore("a write, 1 crash, a read of the restarted", crash(0, &witnesses), 5_089);
}

#[test]
fn a_command_tried_again_after_a_crash() {
    let witnesses: [Witness; 2] = [
        ("the second attempt finds the first applied", |state| {
            state.stages() == [Stage::Answered; 2] && state.has_crashed(0)
        }),
        ("the first attempt is lost, and the second is answered", |state| {
            state.stages() == [Stage::Lost, Stage::Answered]
        }),
    ];
    let asks = vec![write(0, 1), write(0, 1)];
    explore("1 command twice, 1 crash", Scenario { asks, ..crash(0, &witnesses) }, 4_265);
}

#[test]
fn a_read_a_rival_and_a_crash() {
    let witnesses: [Witness; 2] = [
        ("a voter that restarted elects the rival", |state| {
            state.stages() == [Stage::Refused, Stage::Answered] && state.has_crashed(2)
        }),
        ("the read is lost with its leader", |state| {
            state.stages() == [Stage::Lost, Stage::Answered]
        }),
    ];
    let scenario = Scenario { crashes: 1, ..rival(&[read(0), write(1, 1)], &witnesses) };
    explore("1 read, a rival's write, 1 crash", scenario, 3_351);
}

#[test]
fn a_leader_that_is_elected_again() {
    let witnesses: [Witness; 2] = [
        ("it reads the rival's write", |state| {
            state.stages() == [Stage::Answered; 2] && state.leads(0, 3)
        }),
        ("it refused the reader before that", |state| {
            state.stages()[0] == Stage::Refused && state.leads(0, 3)
        }),
    ];
    let campaigns = vec![1, 1, 0];
    let scenario = Scenario { campaigns, ..rival(&[read(0), write(1, 1)], &witnesses) };
    explore("1 read, a rival's write, 3 elections", scenario, 3_838);
}

#[test]
fn larger_bounds_where_asked_for() {
    if !is_large() {
        println!("skipped: SYNOD_MODEL=large explores the larger bounds");
        return;
    }
    let copies = |asks: &[Ask]| Scenario { copies: true, ..rival(asks, &[]) };
    explore("2 reads, a rival's write, copies", copies(&[read(0), read(0), write(1, 1)]), 14_453);
    explore(
        "a write, reads at 2 leaders, copies",
        copies(&[write(0, 1), read(0), read(1)]),
        92_156,
    );
    explore("1 command at 2 leaders, copies", copies(&[write(0, 1), write(1, 1)]), 62_543);
    let asks = [write(0, 1), read(0), read(1), write(1, 2)];
    explore("reads and writes at 2 leaders", rival(&asks, &[]), 189_265);
    let asks = [write(0, 1), write(1, 1), write(1, 2)];
    explore("1 command at 2 leaders, 1 more", rival(&asks, &[]), 33_323);
    let asks = vec![write(0, 1), write(2, 1)];
    let scenario = Scenario { asks, ..crash(2, &[]) };
    explore("1 command at 2 leaders, 1 crash", scenario, 202_970);
    let asks = vec![write(0, 1), write(2, 2)];
    explore("2 writes, 1 crash", Scenario { asks, ..crash(2, &[]) }, 295_096);
}
