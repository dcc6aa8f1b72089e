//! The key-value state machine: a pure function from the commands of the log to a map.
//!
//! `apply` is total and deterministic: whatever the bytes, it changes the map in one way and
//! returns one reply, and it reads no clock and draws no random number. Replication, sessions and
//! the order of commands are the business of the floor below. The digest is kept up to date with
//! every change.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use synod_node::{Invalid, NoSnapshot, RestoreError, SnapshotPieces, SnapshotView, StateMachine};

use crate::command::{Blob, Command, Query, Rejection, Reply, VALUE_BYTES_MAX};
use crate::digest::{Digest, EntryHash};

mod snapshot;

/// The replicated map.
///
/// # Examples
///
/// ```
/// use synod_kv::command::{Blob, Command, Query, Reply};
/// use synod_kv::machine::Machine;
///
/// let mut machine = Machine::default();
/// machine.execute(Command::Put { key: Blob(b"x"), value: Blob(b"7") });
/// let answer = machine.answer(Query::Get { key: Blob(b"x") });
/// assert_eq!(answer, Reply::Value(Some(Blob(b"7"))));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Machine {
    entries: BTreeMap<Box<[u8]>, Entry>,
    digest: Digest,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
    hash: EntryHash,
}

impl Machine {
    /// Executes one command.
    pub fn execute(&mut self, command: Command<'_>) -> Reply<'static> {
        match command {
            Command::Put { key, value } => {
                self.write(key, value.0.to_vec());
                Reply::Written
            }
            Command::Delete { key } => Reply::Deleted { existed: self.remove(key) },
            Command::CompareAndSet { key, expected, value } => {
                let swapped = self.value(key) == expected;
                if swapped {
                    self.write(key, value.0.to_vec());
                }
                Reply::Compared { swapped }
            }
            Command::Increment { key, delta } => match self.increment(key, delta) {
                Ok(sum) => Reply::Number(sum),
                Err(rejection) => Reply::Rejected(rejection),
            },
            Command::Append { key, suffix } => self.append(key, suffix),
        }
    }

    /// Answers one query.
    #[must_use]
    pub fn answer(&self, query: Query<'_>) -> Reply<'_> {
        match query {
            Query::Get { key } => Reply::Value(self.value(key)),
            Query::Range { first, end, entries_max, bytes_max } => {
                self.range(first, end, entries_max as usize, bytes_max as usize)
            }
        }
    }

    fn value(&self, key: Blob<'_>) -> Option<Blob<'_>> {
        self.entries.get(key.0).map(|entry| Blob(&entry.value))
    }

    fn increment(&mut self, key: Blob<'_>, delta: i64) -> Result<i64, Rejection> {
        let number = match self.value(key) {
            Some(Blob(value)) => parse_number(value).ok_or(Rejection::NotANumber)?,
            None => 0,
        };
        // An error for all: wrapping around would tell the client of a number that nobody counted
        // to.
        let sum = number.checked_add(delta).ok_or(Rejection::Overflow)?;
        self.write(key, sum.to_string().into_bytes());
        Ok(sum)
    }

    fn append(&mut self, key: Blob<'_>, suffix: Blob<'_>) -> Reply<'static> {
        let length = self.value(key).map_or(0, |value| value.0.len()) + suffix.0.len();
        if length > VALUE_BYTES_MAX {
            return Reply::Rejected(Rejection::ValueTooLarge);
        }
        match self.entries.get_mut(key.0) {
            Some(entry) => {
                entry.value.extend_from_slice(suffix.0);
                self.digest.remove(entry.hash);
                entry.hash = EntryHash::of(key.0, &entry.value);
                self.digest.add(entry.hash);
            }
            None => self.write(key, suffix.0.to_vec()),
        }
        Reply::Length(length as u64)
    }

    fn range(
        &self,
        first: Blob<'_>,
        end: Option<Blob<'_>>,
        entries_max: usize,
        bytes_max: usize,
    ) -> Reply<'_> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        // An end at or before the first key is an empty range; the map would panic on it.
        if end.is_some_and(|end| end <= first) {
            return Reply::Entries { entries, more: false };
        }
        let upper = end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.0));
        for (key, entry) in self.entries.range::<[u8], _>((Bound::Included(first.0), upper)) {
            bytes += key.len() + entry.value.len();
            let full = entries.len() == entries_max || bytes > bytes_max;
            // The first entry is always returned, or a large one could never be walked past.
            if full && !entries.is_empty() {
                return Reply::Entries { entries, more: true };
            }
            entries.push((Blob(key), Blob(&entry.value)));
        }
        Reply::Entries { entries, more: false }
    }

    fn write(&mut self, key: Blob<'_>, value: Vec<u8>) {
        let hash = EntryHash::of(key.0, &value);
        self.digest.add(hash);
        let entry = Entry { value, hash };
        if let Some(held) = self.entries.get_mut(key.0) {
            self.digest.remove(std::mem::replace(held, entry).hash);
        } else {
            self.entries.insert(key.0.into(), entry);
        }
    }

    fn remove(&mut self, key: Blob<'_>) -> bool {
        let removed = self.entries.remove(key.0);
        if let Some(entry) = &removed {
            self.digest.remove(entry.hash);
        }
        removed.is_some()
    }
}

impl StateMachine for Machine {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        Command::decode(command).map(drop).map_err(|malformed| Invalid::new(malformed.to_string()))
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        let reply = match Command::decode(command) {
            Ok(command) => self.execute(command),
            Err(_) => Reply::Rejected(Rejection::Malformed),
        };
        reply.encode().into()
    }

    fn query(&self, query: &[u8]) -> Bytes {
        let reply = match Query::decode(query) {
            Ok(query) => self.answer(query),
            Err(_) => Reply::Rejected(Rejection::Malformed),
        };
        reply.encode().into()
    }

    fn digest(&self) -> u64 {
        self.digest.value()
    }

    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        Ok(snapshot::write(self))
    }

    fn restore(&mut self, pieces: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        *self = snapshot::read(pieces)?;
        Ok(())
    }
}

fn parse_number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::{KEY_BYTES_MAX, RANGE_BYTES_MAX, RANGE_ENTRIES_MAX};

    #[derive(Clone, Debug)]
    enum Op {
        Put(u8, Vec<u8>),
        Delete(u8),
        Swap(u8, Option<Vec<u8>>, Vec<u8>),
        Increment(u8, i64),
        Append(u8, Vec<u8>),
        Range(u8, Option<u8>, u32, u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        let key = || 0..6_u8;
        let value = || {
            prop_oneof![
                "[0-9]{1,2}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..3),
                Just(i64::MAX.to_string().into_bytes()),
            ]
        };
        let delta = prop_oneof![-3..3_i64, any::<i64>()];
        prop_oneof![
            (key(), value()).prop_map(|(k, v)| Op::Put(k, v)),
            key().prop_map(Op::Delete),
            (key(), prop::option::of(value()), value()).prop_map(|(k, e, v)| Op::Swap(k, e, v)),
            (key(), delta).prop_map(|(k, d)| Op::Increment(k, d)),
            (key(), value()).prop_map(|(k, v)| Op::Append(k, v)),
            (key(), prop::option::of(key()), 1..5_u32, 0..40_u32)
                .prop_map(|(f, e, n, b)| Op::Range(f, e, n, b)),
        ]
    }

    /// The obvious thing: an unordered list of pairs, searched from the front.
    #[derive(Default)]
    struct Naive(Vec<(Vec<u8>, Vec<u8>)>);

    impl Naive {
        fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
            self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone())
        }

        fn set(&mut self, key: &[u8], value: &[u8]) {
            self.0.retain(|(k, _)| k != key);
            self.0.push((key.to_vec(), value.to_vec()));
        }

        fn run(&mut self, op: &Op) -> Vec<u8> {
            match op {
                Op::Put(key, value) => {
                    self.set(&[*key], value);
                    Reply::Written.encode()
                }
                Op::Delete(key) => {
                    let existed = self.get(&[*key]).is_some();
                    self.0.retain(|(k, _)| k != &[*key]);
                    Reply::Deleted { existed }.encode()
                }
                Op::Swap(key, expected, value) => {
                    let swapped = self.get(&[*key]) == *expected;
                    if swapped {
                        self.set(&[*key], value);
                    }
                    Reply::Compared { swapped }.encode()
                }
                Op::Increment(key, delta) => self.increment(*key, *delta).encode(),
                Op::Append(key, suffix) => {
                    let whole = [self.get(&[*key]).unwrap_or_default(), suffix.clone()].concat();
                    self.set(&[*key], &whole);
                    Reply::Length(whole.len() as u64).encode()
                }
                Op::Range(first, end, entries_max, bytes_max) => {
                    self.range(*first, *end, *entries_max, *bytes_max)
                }
            }
        }

        fn increment(&mut self, key: u8, delta: i64) -> Reply<'static> {
            let held = self.get(&[key]).unwrap_or_else(|| b"0".to_vec());
            let Ok(Ok(number)) = String::from_utf8(held).map(|text| text.parse::<i64>()) else {
                return Reply::Rejected(Rejection::NotANumber);
            };
            let sum = i128::from(number) + i128::from(delta);
            let Ok(sum) = i64::try_from(sum) else {
                return Reply::Rejected(Rejection::Overflow);
            };
            self.set(&[key], sum.to_string().as_bytes());
            Reply::Number(sum)
        }

        fn range(&mut self, first: u8, end: Option<u8>, count: u32, bytes: u32) -> Vec<u8> {
            self.0.sort();
            let inside = |key: &[u8]| key >= &[first][..] && end.is_none_or(|end| key < &[end][..]);
            let all: Vec<_> = self.0.iter().filter(|(key, _)| inside(key)).collect();
            let size = |n: usize| all[..n].iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
            let fits = |n: &usize| *n <= count as usize && size(*n) <= bytes as usize;
            let most = (0..=all.len()).filter(fits).max().unwrap_or(0);
            let taken = most.max(1).min(all.len());
            let entries = all[..taken].iter().map(|(k, v)| (Blob(k), Blob(v))).collect();
            Reply::Entries { entries, more: taken < all.len() }.encode()
        }
    }

    fn run(machine: &mut Machine, op: &Op) -> Bytes {
        let command = |machine: &mut Machine, command: Command<'_>| {
            assert_eq!(machine.validate(&command.encode()), Ok(()));
            machine.apply(&command.encode())
        };
        match op {
            Op::Put(key, value) => {
                command(machine, Command::Put { key: Blob(&[*key]), value: Blob(value) })
            }
            Op::Delete(key) => command(machine, Command::Delete { key: Blob(&[*key]) }),
            Op::Swap(key, expected, value) => {
                let expected = expected.as_deref().map(Blob);
                let (key, value) = (Blob(std::slice::from_ref(key)), Blob(value));
                command(machine, Command::CompareAndSet { key, expected, value })
            }
            Op::Increment(key, delta) => {
                command(machine, Command::Increment { key: Blob(&[*key]), delta: *delta })
            }
            Op::Append(key, suffix) => {
                command(machine, Command::Append { key: Blob(&[*key]), suffix: Blob(suffix) })
            }
            Op::Range(first, end, entries_max, bytes_max) => {
                let end = end.as_ref().map(|end| Blob(std::slice::from_ref(end)));
                let (first, entries_max, bytes_max) = (Blob(&[*first]), *entries_max, *bytes_max);
                machine.query(&Query::Range { first, end, entries_max, bytes_max }.encode())
            }
        }
    }

    proptest! {
        #[test]
        fn the_machine_does_what_the_naive_model_does(ops in prop::collection::vec(op(), 0..60)) {
            let (mut machine, mut naive) = (Machine::default(), Naive::default());
            for op in &ops {
                prop_assert_eq!(&run(&mut machine, op)[..], &naive.run(op)[..], "{:?}", op);
            }
            // The digest is that of a machine that was filled in another order, in one write each.
            let mut other = Machine::default();
            for (key, value) in naive.0.iter().rev() {
                other.execute(Command::Put { key: Blob(key), value: Blob(value) });
            }
            prop_assert_eq!(machine.digest(), other.digest());
        }

        #[test]
        fn apply_and_query_are_total(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut machine = Machine::default();
            let digest = machine.digest();
            prop_assert!(Reply::decode(&machine.apply(&bytes)).is_ok());
            prop_assert!(Reply::decode(&machine.query(&bytes)).is_ok());
            if machine.validate(&bytes).is_err() {
                prop_assert_eq!(machine.digest(), digest);
            }
        }
    }

    #[test]
    fn the_digest_of_a_known_state_keeps_its_value() {
        let mut machine = Machine::default();
        assert_eq!(machine.digest(), 0x8d54_c848_6f7b_ca17);
        machine.execute(Command::Put { key: Blob(b"x"), value: Blob(b"7") });
        assert_eq!(machine.digest(), 0x3c1d_4ed5_e3a1_bb61);
    }

    #[test]
    fn a_value_grows_up_to_its_limit_and_not_past_it() {
        let mut machine = Machine::default();
        let (key, half) = (Blob(b"k"), vec![b'v'; VALUE_BYTES_MAX / 2]);
        let append = Command::Append { key, suffix: Blob(&half) };
        machine.execute(append);
        assert_eq!(machine.execute(append), Reply::Length(VALUE_BYTES_MAX as u64));
        let digest = machine.digest();
        let one_more = Command::Append { key, suffix: Blob(b"v") };
        assert_eq!(machine.execute(one_more), Reply::Rejected(Rejection::ValueTooLarge));
        assert_eq!(machine.digest(), digest);
    }

    #[test]
    fn the_largest_entry_can_be_read_in_a_range() {
        let mut machine = Machine::default();
        let (key, value) = (vec![b'k'; KEY_BYTES_MAX], vec![b'v'; VALUE_BYTES_MAX]);
        machine.execute(Command::Put { key: Blob(&key), value: Blob(&value) });
        let (entries_max, bytes_max) = (RANGE_ENTRIES_MAX, RANGE_BYTES_MAX);
        let range = Query::Range { first: Blob(b""), end: None, entries_max, bytes_max };
        let entries = vec![(Blob(&key[..]), Blob(&value[..]))];
        assert_eq!(machine.answer(range), Reply::Entries { entries, more: false });
    }
}
