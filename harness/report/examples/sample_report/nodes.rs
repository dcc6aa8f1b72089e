//! The nodes of a made-up run: their lives, and what they logged.

use synod_report::{LoggedLine, NodeLife, NodeSummary, Verdict};

use super::Shape;

/// Makes up a node.
pub(super) fn node(id: u16, shape: &Shape) -> NodeSummary {
    let killed = "killed by the nemesis".to_owned();
    let exits = match id {
        1 | 2 => vec![killed, "ended by the harness".to_owned()],
        _ => vec!["ended by the harness".to_owned()],
    };
    let log_tail = (0..40).map(|line| {
        format!(
            "2026-11-22T10:02:{:02}.{:03}Z  INFO synod_smr::replica: slot chosen node={id} slot={}",
            line / 2 + 20,
            line * 23 % 1000,
            9_000 + line * 3
        )
    });
    NodeSummary {
        id,
        starts: exits.len() as u32,
        exits,
        lives: lives(id, shape),
        around: if shape.verdict == Verdict::Violation { around(id) } else { Vec::new() },
        log_tail: log_tail.collect(),
        resident_bytes: Some(48_000_000 + u64::from(id) * 1_400_000),
    }
}

fn lives(id: u16, shape: &Shape) -> Vec<NodeLife> {
    let at = |permille: u64| permille * shape.length_ms * 1000;
    let life = |from: u64, to: u64| NodeLife {
        start_ns: at(from),
        end_ns: Some(at(to)),
        by_itself: id == 3 && to > 900,
    };
    match id {
        1 => vec![life(2, 790), life(800, 1000)],
        2 => vec![life(2, 300), life(345, 1000)],
        _ => vec![life(3, 960)],
    }
}

/// Makes up what a node logged while the operations of the counterexample went on.
fn around(id: u16) -> Vec<LoggedLine> {
    let line = |(turn, (at_ms, text)): (u64, (u64, &str))| LoggedLine {
        at_ns: (at_ms + u64::from(id)) * 1_000_000,
        log: if text.starts_with("serving") { "stdout.log" } else { "stderr.log" }.to_owned(),
        number: 400 + turn,
        text: format!("2026-11-22T10:02:{:02}.{:03}Z  {text}", at_ms / 1000 + 3, at_ms % 1000),
        crash: text.contains("panicked"),
    };
    let told: &[(u64, &str)] = match id {
        1 => &[
            (8_112, "INFO synod_smr::election: follows node=1 leader=2 ballot=5.2"),
            (9_361, "WARN synod_smr::election: leader is silent node=1 leader=2"),
            (10_004, "INFO synod_smr::election: promised node=1 ballot=8.3 highest_vote=4711"),
            (10_911, "INFO synod_smr::read: answered at slot=9130 round=77 key=k3"),
            (12_650, "serving 8 clients"),
        ],
        2 => &[
            (9_058, "INFO synod_smr::replica: slot chosen node=2 slot=9127 key=k3 value=4711"),
            (10_765, "INFO synod_host::recovery: journal read node=2 segments=3 slots=9127"),
            (10_802, "INFO synod_smr::election: follows node=2 leader=3 ballot=8.3"),
        ],
        _ => &[
            (10_046, "INFO synod_smr::election: leads node=3 ballot=8.3 settled=9126"),
            (10_880, "ERROR thread 'loop' panicked at smr/src/read.rs:77:9: <b>&amp; no round"),
        ],
    };
    (0..).zip(told.iter().copied()).map(line).collect()
}
