//! Parts of snapshots for whoever asks: peers that lag, and clients that make a backup.
//!
//! Reading is left to `work`, the moment of a snapshot to the module above, what clients may have
//! to `for_clients`. The claims kept true: a part is read for a peer whatever clients ask for; and
//! a client is answered in any case, with a part or with the reason why it has none.

use synod_clock::Moment;
use synod_paxos::{Slot, To};
use synod_smr::{
    Connection, Disk, Message, NoPart, Principal, Refusal, RequestBody, RequestId, Response,
    StateMachine, StatePart,
};

use super::for_clients::{ClientWish, NodeStance, WantedByClient};
use super::order::{PartReader, SnapshotOrder};
use crate::event::Output;
use crate::host::Host;

impl<M: StateMachine> Host<M> {
    /// Lets whoever shows one of these names read the whole state. Nobody else may: by default
    /// nobody at all.
    pub fn let_read_all<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.readers_of_all = names.into_iter().map(Principal::of_name).collect();
    }

    /// Takes note of a client's wish for a part, or refuses it; tells whether it was one.
    pub(crate) fn on_wish(
        &mut self,
        (connection, principal): (Connection, Principal),
        id: RequestId,
        body: &RequestBody,
    ) -> bool {
        let RequestBody::FetchSnapshot { covers, of, offset } = *body else { return false };
        let may = self.readers_of_all.contains(&principal);
        let refusal = if !may {
            Refusal::NotAllowed
        } else if self.wanted_by_clients.len() >= WISHES_MAX {
            no_part(NoPart::Paced)
        } else {
            let wish = ClientWish { connection, covers, of, offset };
            self.wanted_by_clients.push(WantedByClient { id, wish });
            return true;
        };
        self.replies.push((connection, id, Response::Refused(refusal)));
        true
    }

    /// Has parts read that were asked for since the last turn: peers come first.
    pub(crate) fn read_parts(&mut self, now: Moment) {
        // A peer that is not answered asks again.
        for (to, of, offset) in std::mem::take(&mut self.wanted_parts) {
            if self.snapshots.newest().is_some() && self.snapshots.begin_read(now) {
                let (to, bytes_max) = (PartReader::Peer(to), self.settings.part_bytes);
                let order = SnapshotOrder::Read { to, offset, of, bytes_max };
                self.outputs.push_back(Output::Snapshot(order));
            }
        }
        // Before anything is read of it once more.
        let is_full = self.room.disk() == Disk::Full;
        if let Some(slot) = self.snapshots.for_clients.let_go(now, is_full) {
            self.outputs.push_back(Output::Snapshot(SnapshotOrder::LetGo(slot)));
        }
        for wanted in std::mem::take(&mut self.wanted_by_clients) {
            if let Err(refusal) = self.read_for_client(now, wanted) {
                // What else is answered in this turn has left already, and it is not to wait for
                // the next one.
                let response = Response::Refused(refusal);
                self.answer(&(wanted.wish.connection, wanted.id, response));
            }
        }
    }

    fn read_for_client(&mut self, now: Moment, wanted: WantedByClient) -> Result<(), Refusal> {
        let WantedByClient { id, wish } = wanted;
        if self.snapshots.gives_none() {
            return Err(no_part(NoPart::NoSnapshots));
        }
        let node = NodeStance {
            newest: self.snapshots.newest().unwrap_or(Slot::FIRST),
            applied: self.replica.executor().applied(),
            taking: self.snapshots.is_taking(),
        };
        let bounds = (&self.settings.client_snapshots, self.settings.part_bytes);
        let part = match self.snapshots.for_clients.begin_read(now, wish, node, bounds) {
            Ok(part) => part,
            // None will be taken before there is room.
            Err(NoPart::Taking) if self.room.disk() == Disk::Full => {
                return Err(Refusal::DiskFull);
            }
            Err(why) => return Err(no_part(why)),
        };
        let to = PartReader::Client(wish.connection, id);
        let (offset, of, bytes_max) = (part.offset, Some(part.slot), self.settings.part_bytes);
        let order = SnapshotOrder::Read { to, offset, of, bytes_max };
        self.outputs.push_back(Output::Snapshot(order));
        Ok(())
    }

    /// Gives somebody the part that was read, or none.
    pub(crate) fn on_part(&mut self, to: PartReader, part: Option<StatePart>) {
        match to {
            PartReader::Peer(peer) => {
                let total = part.as_ref().map(|part| part.total);
                self.snapshots.on_read(self.stages.now(), total);
                if let Some(part) = &part {
                    self.counts.snapshot_bytes_sent += part.bytes.len() as u64;
                    self.transfers.on_sent(self.stages.now(), peer, part);
                }
                self.sent.extend(part.map(|part| (To::Node(peer), Message::Snapshot(part))));
            }
            PartReader::Client(connection, id) => {
                let end = part.as_ref().map(StatePart::end);
                let bytes = part.as_ref().map_or(0, |part| part.bytes.len() as u64);
                self.counts.snapshot_bytes_sent += bytes;
                self.snapshots.for_clients.on_read(end, &self.settings.client_snapshots);
                let response = part.map_or(Response::Refused(no_part(NoPart::Taking)), |part| {
                    let crc = crc32c::crc32c(&part.bytes);
                    Response::Snapshot { part, crc }
                });
                self.replies.push((connection, id, response));
            }
        }
    }
}

const fn no_part(why: NoPart) -> Refusal {
    Refusal::NoPart { why, retry_after_ms: NO_PART_MS }
}

/// How many wishes of clients for parts wait for the end of a turn; one is read, and the others are
/// told to ask again.
pub const WISHES_MAX: usize = 64;

/// After how long a client asks again that was given no part.
const NO_PART_MS: u32 = 20;
