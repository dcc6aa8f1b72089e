//! Snapshots for clients that make backups: which one is given, for how long, and how fast.
//!
//! A client is given a snapshot that the node holds open, whatever newer ones are taken meanwhile:
//! so a backup never keeps the log from being cut, and what it costs is the room of one file. The
//! claims kept true: one snapshot is held for all clients together; a hold ends with the progress
//! of the client that it is for, and in any case; asking alone renews nothing; snapshots that are
//! taken for clients are apart from each other; and what clients read has a rate of its own, so
//! that peers never wait behind more than one part.

use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::Slot;
use synod_smr::{Connection, NoPart, RequestId};

/// The bounds of what clients are given of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSnapshotLimits {
    /// How long after one snapshot that clients asked for the next one is taken, at least.
    pub apart: Duration,
    /// How long a snapshot is held for a client that reads nothing new of it.
    pub patience: Duration,
    /// How long a snapshot is held in any case.
    pub held: Duration,
    /// How many bytes of parts are read for all clients in a second.
    pub bytes_per_second: u64,
}

impl Default for ClientSnapshotLimits {
    fn default() -> Self {
        Self {
            apart: CLIENT_SNAPSHOTS_APART,
            patience: CLIENT_HOLD_PATIENCE_MAX,
            held: CLIENT_HOLD_MAX,
            bytes_per_second: CLIENT_BYTES_PER_SECOND_MAX,
        }
    }
}

/// How long after one snapshot that clients asked for the next one is taken, at least.
pub const CLIENT_SNAPSHOTS_APART: Duration = Duration::from_secs(5);

/// How long a snapshot is held for a client that reads nothing new of it.
pub const CLIENT_HOLD_PATIENCE_MAX: Duration = Duration::from_secs(10);

/// How long a snapshot is held for clients in any case.
pub const CLIENT_HOLD_MAX: Duration = Duration::from_secs(1_800);

/// How many bytes of snapshots are read for all clients in a second.
pub const CLIENT_BYTES_PER_SECOND_MAX: u64 = 64 << 20;

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientWish {
    pub(crate) connection: Connection,
    /// The snapshot stands for the slots below this one, at least.
    pub(crate) covers: Slot,
    /// The slot of the snapshot of which the client has the beginning.
    pub(crate) of: Option<Slot>,
    /// How much of it the client has.
    pub(crate) offset: u64,
}

/// A part that a client wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedByClient {
    pub(crate) id: RequestId,
    pub(crate) wish: ClientWish,
}

/// How the node stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeStance {
    /// The newest snapshot that is durable; the first slot where there is none.
    pub(crate) newest: Slot,
    pub(crate) applied: Slot,
    /// Whether one is being taken, for whatever reason.
    pub(crate) taking: bool,
}

/// A part that is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartAt {
    pub(crate) slot: Slot,
    pub(crate) offset: u64,
}

/// What is given to clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForClients {
    hold: Option<Hold>,
    /// The part that is being read, and for whom.
    reading: Option<(ClientWish, Slot, Moment)>,
    /// Before this moment clients are read nothing more.
    next_part: Option<Moment>,
    /// Before this moment no snapshot is taken for clients.
    next_snapshot: Option<Moment>,
    /// What clients ask for stands for the slots below this one.
    wanted: Option<Slot>,
}

/// A snapshot that is held open.
#[derive(Clone, Copy, Debug)]
struct Hold {
    slot: Slot,
    /// For whom: others may read it as well, and renew nothing.
    by: Connection,
    /// How far that client has read.
    furthest: u64,
    /// When it ends, unless the client reads on.
    until: Moment,
    /// When it ends in any case.
    ends: Moment,
}

impl ForClients {
    /// Says what is to be read for a client, or why nothing is.
    pub(crate) fn begin_read(
        &mut self,
        now: Moment,
        wish: ClientWish,
        node: NodeStance,
        (limits, bytes_max): (&ClientSnapshotLimits, usize),
    ) -> Result<PartAt, NoPart> {
        if self.reading.is_some() || self.next_part.is_some_and(|next| now < next) {
            return Err(NoPart::Paced);
        }
        let slot = match self.hold {
            Some(hold) if hold.slot >= wish.covers => hold.slot,
            Some(_) => return Err(NoPart::Held),
            None if node.newest >= wish.covers && node.newest > Slot::FIRST => node.newest,
            None => return Err(self.want(now, wish.covers, node)),
        };
        // A part counts in full before it is read: what it comes to is known too late.
        let nanos = 1_000_000_000 * bytes_max as u64 / limits.bytes_per_second.max(1);
        self.next_part = Some(now + Duration::from_nanos(nanos));
        self.reading = Some((wish, slot, now));
        let offset = if wish.of == Some(slot) { wish.offset } else { 0 };
        Ok(PartAt { slot, offset })
    }

    /// Takes note of what a snapshot has to stand for, and says why there is none yet.
    fn want(&mut self, now: Moment, covers: Slot, node: NodeStance) -> NoPart {
        if node.applied < covers {
            return NoPart::Behind;
        }
        // Where several ask for different ones, the next of them asks again.
        let earlier = self.wanted.filter(|wanted| *wanted > node.newest);
        self.wanted = Some(earlier.map_or(covers, |wanted| wanted.min(covers)));
        let waits = self.next_snapshot.is_some_and(|next| now < next);
        if waits && !node.taking { NoPart::Paced } else { NoPart::Taking }
    }

    /// Takes note of how the reading of a part ended: where, if it was read.
    pub(crate) fn on_read(&mut self, end: Option<u64>, limits: &ClientSnapshotLimits) {
        let Some((wish, slot, asked)) = self.reading.take() else { return };
        let Some(end) = end else {
            // What cannot be read is held for nobody; what another client cannot read says nothing.
            if let Some(hold) = self.hold.as_mut().filter(|hold| hold.by == wish.connection) {
                hold.until = asked;
            }
            return;
        };
        let (by, until) = (wish.connection, asked + limits.patience);
        match &mut self.hold {
            Some(hold) if hold.by == by && end > hold.furthest => {
                (hold.furthest, hold.until) = (end, until);
            }
            Some(_) => {}
            None => {
                let ends = asked + limits.held;
                self.hold = Some(Hold { slot, by, furthest: end, until, ends });
            }
        }
    }

    /// Returns the snapshot that is to be let go, if one is: its time is over, or the disk is full
    /// and needs its room.
    pub(crate) fn let_go(&mut self, now: Moment, is_full: bool) -> Option<Slot> {
        let is_over = |hold: &Hold| now >= hold.until || now >= hold.ends || is_full;
        let hold = self.hold.filter(|hold| self.reading.is_none() && is_over(hold))?;
        self.hold = None;
        Some(hold.slot)
    }

    /// Tells whether a snapshot is to be taken for clients. None is while one is held for them.
    pub(crate) fn wants_one(&self, now: Moment, newest: Slot, applied: Slot) -> bool {
        let is_free = self.hold.is_none() && self.next_snapshot.is_none_or(|next| now >= next);
        is_free && self.wanted.is_some_and(|wanted| newest < wanted && wanted <= applied)
    }

    /// Takes note that one is begun.
    pub(crate) fn on_begun(&mut self, now: Moment, limits: &ClientSnapshotLimits) {
        self.wanted = None;
        self.next_snapshot = Some(now + limits.apart);
    }

    /// Takes note that one was not made: a client that still asks says so again.
    pub(crate) const fn on_not_taken(&mut self) {
        self.wanted = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ClientSnapshotLimits = ClientSnapshotLimits {
        apart: Duration::from_secs(5),
        patience: Duration::from_secs(10),
        held: Duration::from_secs(100),
        bytes_per_second: 1_000,
    };

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn wish(client: u64, covers: u64, of: Option<u64>, offset: u64) -> ClientWish {
        let (connection, of) = (Connection(client), of.map(Slot::new));
        ClientWish { connection, covers: Slot::new(covers), of, offset }
    }

    fn node(newest: u64, applied: u64) -> NodeStance {
        NodeStance { newest: Slot::new(newest), applied: Slot::new(applied), taking: false }
    }

    /// Asks for a part of ten bytes and reads it.
    fn read(held: &mut ForClients, ms: u64, wish: ClientWish, newest: u64) -> Result<u64, NoPart> {
        let part = held.begin_read(at(ms), wish, node(newest, 99), (&LIMITS, 10))?;
        held.on_read(Some(part.offset + 10), &LIMITS);
        Ok(part.slot.number())
    }

    #[test]
    fn a_hold_goes_on_with_the_progress_of_its_client_alone_and_ends_in_any_case() {
        let mut held = ForClients::default();
        assert_eq!(read(&mut held, 0, wish(1, 5, None, 0), 7), Ok(7));
        // A newer snapshot is there, and the client goes on with the one that it has begun.
        assert_eq!(read(&mut held, 9_000, wish(1, 5, Some(7), 10), 20), Ok(7));
        assert_eq!(held.let_go(at(18_999), false), None);
        // Neither the same part again nor anything that another client reads renews it.
        assert_eq!(read(&mut held, 18_000, wish(1, 5, Some(7), 10), 20), Ok(7));
        assert_eq!(read(&mut held, 18_500, wish(2, 5, Some(7), 900), 20), Ok(7));
        assert_eq!(held.let_go(at(18_999), false), None);
        assert_eq!(held.let_go(at(19_000), false), Some(Slot::new(7)));
        assert_eq!(read(&mut held, 19_000, wish(1, 5, Some(7), 20), 20), Ok(20), "from the start");
        let mut offset = 10;
        for ms in (20_000..119_000).step_by(1_000) {
            assert_eq!(read(&mut held, ms, wish(1, 5, Some(20), offset), 30), Ok(20));
            assert_eq!(held.let_go(at(ms), false), None);
            offset += 10;
        }
        assert_eq!(held.let_go(at(119_000), false), Some(Slot::new(20)), "however fast it reads");
    }

    #[test]
    fn a_full_disk_ends_a_hold_and_what_cannot_be_read_is_not_held() {
        let mut held = ForClients::default();
        assert_eq!(read(&mut held, 0, wish(1, 5, None, 0), 7), Ok(7));
        assert_eq!(held.let_go(at(1), true), Some(Slot::new(7)));
        let part = held.begin_read(at(1_000), wish(1, 5, None, 0), node(7, 9), (&LIMITS, 10));
        assert!(part.is_ok());
        assert_eq!(held.let_go(at(1_000), true), None, "a part of it is being read");
        held.on_read(None, &LIMITS);
        assert_eq!(held.let_go(at(1_000), true), None, "nothing is held");
    }

    #[test]
    fn parts_have_a_rate_and_one_snapshot_is_for_all_clients() {
        let mut held = ForClients::default();
        assert_eq!(read(&mut held, 0, wish(1, 5, None, 0), 7), Ok(7));
        assert_eq!(read(&mut held, 9, wish(1, 5, Some(7), 10), 7), Err(NoPart::Paced));
        assert_eq!(read(&mut held, 9, wish(2, 5, Some(7), 10), 7), Err(NoPart::Paced));
        assert_eq!(read(&mut held, 10, wish(2, 8, None, 0), 9), Err(NoPart::Held));
        assert!(!held.wants_one(at(10), Slot::new(7), Slot::new(9)), "nobody may take one either");
        assert_eq!(read(&mut held, 10, wish(2, 6, None, 0), 9), Ok(7), "it has all that is wanted");
    }

    #[test]
    fn snapshots_for_clients_are_apart() {
        let mut held = ForClients::default();
        let ask = |held: &mut ForClients, ms, covers, applied| {
            let wish = wish(1, covers, None, 0);
            held.begin_read(at(ms), wish, node(7, applied), (&LIMITS, 10)).map(|part| part.slot)
        };
        assert_eq!(ask(&mut held, 0, 9, 8), Err(NoPart::Behind));
        assert!(!held.wants_one(at(0), Slot::new(7), Slot::new(8)));
        assert_eq!(ask(&mut held, 0, 9, 9), Err(NoPart::Taking));
        assert!(held.wants_one(at(0), Slot::new(7), Slot::new(9)));
        held.on_begun(at(0), &LIMITS);
        assert!(!held.wants_one(at(0), Slot::new(7), Slot::new(9)), "it is begun once");
        held.on_not_taken();
        assert_eq!(ask(&mut held, 4_999, 9, 9), Err(NoPart::Paced));
        assert!(!held.wants_one(at(4_999), Slot::new(7), Slot::new(9)));
        assert!(held.wants_one(at(5_000), Slot::new(7), Slot::new(9)));
        // The log has grown, and a snapshot for that came first: what was wanted then is there.
        let wish = wish(1, 30, None, 0);
        let asked = held.begin_read(at(6_000), wish, node(20, 40), (&LIMITS, 10));
        assert_eq!(asked, Err(NoPart::Taking));
        assert!(held.wants_one(at(6_000), Slot::new(20), Slot::new(40)));
    }
}
