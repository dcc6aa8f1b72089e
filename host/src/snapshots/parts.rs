//! Parts of snapshots for whoever asks: peers that lag, and clients that make a backup.
//!
//! Reading is left to `work`, the moment of a snapshot to the module above. The claims kept true:
//! one part is read at a time, whoever asks; a client is answered in any case, with a part of a
//! snapshot that stands for all that it asked for or with a refusal; and what clients ask for takes
//! no snapshot away that a peer pulls.

use synod_clock::Moment;
use synod_paxos::To;
use synod_smr::{Message, Refusal, Response, StateMachine, StatePart};

use super::order::{PartReader, SnapshotOrder, WantedPart};
use crate::event::Output;
use crate::host::Host;

impl<M: StateMachine> Host<M> {
    /// Has a part read, or refuses it.
    pub(crate) fn read_part(&mut self, now: Moment, wanted: WantedPart) {
        let WantedPart { to, covers, of, offset } = wanted;
        let has_it = self.snapshots.newest().is_some_and(|newest| newest >= covers);
        if !has_it && let PartReader::Client(..) = to {
            self.snapshots.want(covers);
        }
        if has_it && self.snapshots.begin_read(now) {
            let bytes_max = self.settings.part_bytes;
            let order = SnapshotOrder::Read { to, offset, of, bytes_max };
            self.outputs.push_back(Output::Snapshot(order));
        } else if let PartReader::Client(connection, id) = to {
            // What else is answered in this turn has left already, and it is not to wait for the
            // next one.
            self.answer(&(connection, id, not_yet()));
        }
    }

    /// Gives somebody the part that was read, or none.
    pub(crate) fn on_part(&mut self, to: PartReader, part: Option<StatePart>) {
        match to {
            // A peer that is not answered asks again.
            PartReader::Peer(peer) => {
                self.sent.extend(part.map(|part| (To::Node(peer), Message::Snapshot(part))));
            }
            PartReader::Client(connection, id) => {
                let response = part.map_or_else(not_yet, Response::Snapshot);
                self.replies.push((connection, id, response));
            }
        }
    }
}

const fn not_yet() -> Response {
    Response::Refused(Refusal::Overloaded { retry_after_ms: NOT_YET_MS })
}

/// After how long a client asks again that was given no part: a snapshot takes that long at least.
const NOT_YET_MS: u32 = 50;
