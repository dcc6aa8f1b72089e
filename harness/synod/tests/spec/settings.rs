//! The constants of the configurations in `paxos/spec/cfg`, for the relations in Rust.

use synod_simulated::spec::multi_paxos::{self, MultiPaxos};
use synod_simulated::spec::quorums;
use synod_simulated::spec::synod::{self, Synod};

/// The constants of `MCSynod`: three acceptors, two values.
pub(crate) fn single(ballots: u8) -> Synod {
    Synod {
        values: [1, 2].into(),
        acceptors: [1, 2, 3].into(),
        quorum1: quorums(3, 2),
        quorum2: quorums(3, 2),
        ballots: (0..ballots).collect(),
        broken: synod::Broken::No,
    }
}

/// The constants of `MCMultiPaxos`: three acceptors, two values, two ballots, one slot.
pub(crate) fn log() -> MultiPaxos {
    MultiPaxos {
        values: [1, 2].into(),
        acceptors: [1, 2, 3].into(),
        quorum1: quorums(3, 2),
        quorum2: quorums(3, 2),
        owner: [(0, 1), (1, 2)].into(),
        last: 1,
        learners: [].into(),
        noop: 0,
        late: false,
        torn: false,
        broken: multi_paxos::Broken::No,
    }
}

/// The same with three ballots, each of another node.
pub(crate) fn three_ballots(log: MultiPaxos) -> MultiPaxos {
    MultiPaxos { owner: [(0, 1), (1, 2), (2, 3)].into(), ..log }
}

/// The constants of `MCMultiPaxosSplit`: a candidate is overtaken, and a node copies from who did
/// it.
pub(crate) fn split() -> MultiPaxos {
    MultiPaxos {
        owner: [(0, 1), (1, 1), (2, 1), (3, 3)].into(),
        learners: [2, 3].into(),
        torn: true,
        ..log()
    }
}
