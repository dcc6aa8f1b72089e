//! The map as a snapshot, and back.
//!
//! Where the bytes are kept is the business of the floors below. Claims kept: equal maps are
//! written as equal bytes, whatever led to them; what is not a snapshot is refused, and the machine
//! stays as it was.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use synod_node::{RestoreError, SnapshotPieces, SnapshotView};

use super::{Entry, Machine};
use crate::command::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::digest::{Digest, EntryHash};

/// The first bytes of each snapshot, with the format.
const MAGIC: [u8; 8] = *b"SYNODKV1";
/// A piece is given out once it has so many bytes; one entry is never cut.
const PIECE_BYTES: usize = 256 << 10;

/// Writes the entries out: the count, then length of key, length of value, key and value of each,
/// in the order of the keys. All numbers are little-endian.
///
/// It is written at once, so that commands may go on; until it is read, the state is in memory
/// twice.
pub(super) fn write(machine: &Machine) -> SnapshotView {
    let mut pieces = Vec::new();
    let mut piece = BytesMut::new();
    piece.extend_from_slice(&MAGIC);
    piece.put_u64_le(machine.entries.len() as u64);
    for (key, entry) in &machine.entries {
        piece.put_u32_le(length(key));
        piece.put_u32_le(length(&entry.value));
        piece.extend_from_slice(key);
        piece.extend_from_slice(&entry.value);
        if piece.len() >= PIECE_BYTES {
            pieces.push(piece.split().freeze());
        }
    }
    pieces.push(piece.freeze());
    SnapshotView::pieces(pieces.into_iter())
}

/// Reads a machine back; the digest is made anew.
pub(super) fn read(pieces: &mut SnapshotPieces<'_>) -> Result<Machine, RestoreError> {
    if pieces.take_array()? != MAGIC {
        return Err(malformed("it does not begin as one of this version"));
    }
    let count = u64::from_le_bytes(pieces.take_array()?);
    let (mut entries, mut digest) = (BTreeMap::<Box<[u8]>, Entry>::new(), Digest::default());
    for _ in 0..count {
        let (key, value) = entry(pieces)?;
        if entries.last_key_value().is_some_and(|(last, _)| **last >= key[..]) {
            return Err(malformed("its keys do not ascend"));
        }
        let hash = EntryHash::of(&key, &value);
        digest.add(hash);
        entries.insert(key[..].into(), Entry { value: value.into(), hash });
    }
    pieces.end()?;
    Ok(Machine { entries, digest })
}

fn entry(pieces: &mut SnapshotPieces<'_>) -> Result<(Bytes, Bytes), RestoreError> {
    let key = u32::from_le_bytes(pieces.take_array()?) as usize;
    let value = u32::from_le_bytes(pieces.take_array()?) as usize;
    if key > KEY_BYTES_MAX || value > VALUE_BYTES_MAX {
        return Err(malformed("an entry is longer than any may be"));
    }
    Ok((pieces.take(key)?, pieces.take(value)?))
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("keys and values have bounds")
}

fn malformed(why: &str) -> RestoreError {
    RestoreError::Malformed(why.to_owned())
}

#[cfg(test)]
mod tests {
    use synod_node::StateMachine as _;
    use synod_node::testing::{CommandRun, Draw, check, check_restore};

    use super::*;
    use crate::command::{Blob, Command, Query};

    fn command(draw: &mut Draw) -> Vec<u8> {
        let (key, value) = ([draw.byte() % 5], draw.bytes(3));
        let number = draw.below(100).to_string().into_bytes();
        let (key, value, other) = (Blob(&key), Blob(&value), draw.bytes(3));
        let command = match draw.below(6) {
            0 => Command::Put { key, value },
            1 => Command::Put { key, value: Blob(&number) },
            2 => Command::Delete { key },
            3 => {
                let expected = (draw.below(2) == 0).then_some(Blob(&other));
                Command::CompareAndSet { key, expected, value }
            }
            4 => Command::Increment { key, delta: i64::from(draw.byte()) },
            _ => Command::Append { key, suffix: value },
        };
        command.encode()
    }

    #[test]
    fn the_machine_keeps_the_promises_of_a_state_machine() {
        let mut queries: Vec<_> =
            (0..5).map(|key| Query::Get { key: Blob(&[key]) }.encode()).collect();
        let (first, end) = (Blob(b""), None);
        queries.push(Query::Range { first, end, entries_max: 9, bytes_max: 900 }.encode());
        let mut runs: Vec<_> =
            (0..8).map(|seed| CommandRun::drawn(seed, 40, command).asking(&queries)).collect();
        runs.push(CommandRun::of_bytes(8, 100, 12));
        let checked = check(Machine::default, &runs).expect("it is one");
        assert!(checked.applied >= 320 && checked.states > 100, "{checked:?}");
    }

    fn filled(entries: &[(&[u8], &[u8])]) -> Machine {
        let mut machine = Machine::default();
        for (key, value) in entries {
            machine.execute(Command::Put { key: Blob(key), value: Blob(value) });
        }
        machine
    }

    /// The bytes of this format, which later versions must go on reading.
    const GOLDEN: &[u8] = b"SYNODKV1\x02\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0x42\x02\0\0\0\0\0\0\0yz";

    #[test]
    fn a_known_state_keeps_its_bytes() {
        let machine = filled(&[(b"yz", b""), (b"x", b"7"), (b"x", b"42")]);
        assert_eq!(write(&machine).concat(), GOLDEN);
        let restored = check_restore(Machine::default, GOLDEN).expect("it is one");
        assert_eq!(restored.digest(), machine.digest());
    }

    #[test]
    fn what_is_no_snapshot_is_refused_and_the_machine_stays_as_it_was() {
        let mut machine = filled(&[(b"a", b"1")]);
        let digest = machine.digest();
        let mut refused = |bytes: &[u8]| {
            let mut whole = std::iter::once(Bytes::copy_from_slice(bytes));
            let error = machine.restore(&mut SnapshotPieces::new(&mut whole));
            assert_eq!(machine.digest(), digest);
            error.expect_err("it is none").to_string()
        };
        for length in 0..GOLDEN.len() {
            assert!(refused(&GOLDEN[..length]).contains("the snapshot ends"), "{length} bytes");
        }
        assert!(refused(&[GOLDEN, b"x"].concat()).contains("goes on where it should end"));
        assert!(refused(b"SYNODKV2").contains("does not begin as one of this version"));
        let with = |at: usize, byte: u8| {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] = byte;
            bytes
        };
        assert!(refused(&with(24, b'z')).contains("its keys do not ascend"));
        assert!(refused(&with(19, 1)).contains("longer than any may be"));
        assert!(refused(&with(23, 1)).contains("longer than any may be"));
    }

    #[test]
    fn a_large_state_comes_in_pieces_of_bounded_size() {
        let mut machine = Machine::default();
        let value = vec![b'v'; VALUE_BYTES_MAX / 4];
        for key in 0..20_u8 {
            machine.execute(Command::Put { key: Blob(&[key]), value: Blob(&value) });
        }
        let pieces: Vec<Bytes> = write(&machine).collect();
        assert!(pieces.len() >= 20);
        assert!(pieces.iter().all(|piece| piece.len() < PIECE_BYTES + VALUE_BYTES_MAX));
        let mut restored = Machine::default();
        let mut pieces = pieces.into_iter();
        restored.restore(&mut SnapshotPieces::new(&mut pieces)).expect("it is its own");
        assert_eq!(restored.digest(), machine.digest());
    }
}
