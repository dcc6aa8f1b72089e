//! From a seed to requests: what each client does, byte for byte the same each time.
//!
//! Each request is a function of seed, workload, client, key generation and its number in that
//! generation. Two things come from the run itself: which generation is on, so that all clients
//! work on the same keys at the same time however slow one of them was; and what the client last
//! saw, which is what its compare-and-sets expect, because a guess would never match.

use std::collections::BTreeMap;

use synod_history::{ELEMENT_END, Request, Value};
use synod_rng::{Random, Seed, Stream, scale};

use crate::generation::{GENERATION_MAX, Generation};
use crate::{RequestKind, RequestSource, Share, WorkloadName};

/// Generates the requests of one client.
///
/// # Examples
///
/// ```
/// use synod_workload::{Generation, Generator};
/// use synod_rng::Seed;
/// use synod_workload::WorkloadName;
///
/// let mut one = Generator::new(WorkloadName::Mix, Seed(7), 3);
/// let mut other = one.clone();
/// assert_eq!(one.next_request(Generation(0)), other.next_request(Generation(0)));
/// ```
#[derive(Clone, Debug)]
pub struct Generator {
    shares: Vec<Share>,
    weight: u32,
    seed: Seed,
    client: u32,
    generation: Generation,
    /// The number of the next request in this generation.
    number: u32,
    /// What this client last saw of the keys of this generation.
    seen: BTreeMap<String, Option<String>>,
}

impl Generator {
    /// Starts the requests of one client, which is numbered below 2^20.
    #[must_use]
    pub fn new(workload: WorkloadName, seed: Seed, client: u32) -> Self {
        let shares = workload.shares();
        let weight = shares.iter().map(|share| share.weight).sum();
        Self {
            shares,
            weight,
            seed,
            client,
            generation: Generation::default(),
            number: 0,
            seen: BTreeMap::new(),
        }
    }

    /// Lets each kind of operation use so many keys at a time; as many as the workload has, if it
    /// is 0.
    #[must_use]
    pub fn with_keys(mut self, keys: u32) -> Self {
        if keys > 0 {
            self.shares.iter_mut().for_each(|share| share.keys = keys);
        }
        self
    }

    /// Returns the next request, on the keys of the given generation or of a later one.
    pub fn next_request(&mut self, generation: Generation) -> Request {
        if generation > self.generation {
            self.enter(generation);
        } else if self.number == REQUESTS_PER_GENERATION_MAX {
            self.enter(Generation(self.generation.0 + 1));
        }
        let request = self.request(self.number);
        self.number += 1;
        request
    }

    /// Notes what a request that ended well says about its key.
    pub fn observe(&mut self, request: &Request, result: &Value) {
        let seen = match (request, result) {
            (Request::Read { .. }, Value::Text(value)) => Some(value.clone()),
            (Request::Read { .. } | Request::Delete { .. }, _) => None,
            (Request::Write { value, .. }, _) => Some(value.clone()),
            (Request::Cas { to, .. }, Value::Flag(true)) => Some(to.clone()),
            (
                Request::Cas { .. }
                | Request::Append { .. }
                | Request::Add { .. }
                | Request::Own { .. },
                _,
            ) => return,
        };
        self.seen.insert(request.key().to_owned(), seen);
    }

    fn enter(&mut self, generation: Generation) {
        self.generation = generation;
        self.number = 0;
        self.seen.clear();
    }

    fn request(&self, number: u32) -> Request {
        let generation = u64::from(self.generation.0);
        let stream = Stream::named("requests").part(u64::from(self.client)).part(generation);
        let draws = Random::new(self.seed, stream);
        // Each request has dice of its own, whatever those before it drew.
        let draw = |which: u64| draws.at(u64::from(number) * DRAWS_PER_REQUEST + which);
        let share = self.share(draw(0));
        let slot = scale(draw(1), u64::from(share.keys));
        let key = format!("{}{slot}.{generation}", share.family);
        match share.kind {
            RequestKind::Read => Request::Read { key },
            RequestKind::Write => Request::Write { key, value: self.unique(number).to_string() },
            RequestKind::Cas => Request::Cas {
                from: self.seen.get(&key).cloned().flatten(),
                key,
                to: self.unique(number).to_string(),
            },
            RequestKind::Delete => Request::Delete { key },
            RequestKind::Append => {
                Request::Append { key, value: format!("{}{ELEMENT_END}", self.unique(number)) }
            }
            RequestKind::Add => {
                let delta = 1 + scale(draw(2), DELTA_MAX);
                Request::Add { key, delta: i64::try_from(delta).expect("a small number") }
            }
        }
    }

    fn share(&self, draw: u64) -> Share {
        let mut rest = scale(draw, u64::from(self.weight));
        for share in &self.shares {
            match rest.checked_sub(u64::from(share.weight)) {
                Some(left) => rest = left,
                None => return *share,
            }
        }
        unreachable!("a draw below the sum of all weights falls into a share")
    }

    /// Returns the value of a write: no other write of any client has it.
    fn unique(&self, number: u32) -> u64 {
        let sequence = u64::from(self.generation.0) << GENERATION_SHIFT | u64::from(number);
        u64::from(self.client) << CLIENT_SHIFT | sequence
    }
}

impl RequestSource for Generator {
    fn next_request(&mut self, generation: Generation) -> Request {
        Self::next_request(self, generation)
    }

    fn observe(&mut self, request: &Request, result: &Value) {
        Self::observe(self, request, result);
    }
}

/// The most requests of one client in one generation; then it moves on by itself.
const REQUESTS_PER_GENERATION_MAX: u32 = 1 << GENERATION_SHIFT;

const GENERATION_SHIFT: u32 = 16;
const CLIENT_SHIFT: u32 = 40;
const _: () = assert!(GENERATION_MAX < 1 << (CLIENT_SHIFT - GENERATION_SHIFT));
const DRAWS_PER_REQUEST: u64 = 4;
const DELTA_MAX: u64 = 5;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        for workload in WorkloadName::ALL {
            assert_eq!(stream(workload, 7, 3), stream(workload, 7, 3));
            assert_ne!(stream(workload, 7, 3), stream(workload, 8, 3));
            assert_ne!(stream(workload, 7, 3), stream(workload, 7, 4));
        }
    }

    #[test]
    fn a_recorded_stream_holds_for_ever() {
        let mut generator = Generator::new(WorkloadName::Mix, Seed(1), 2);
        let requests: Vec<String> = (0..4)
            .map(|_| generator.next_request(Generation(1)))
            .map(|request| format!("{} {} {:?}", request.f(), request.key(), request.argument()))
            .collect();
        assert_eq!(requests, FROZEN);
    }

    #[test]
    fn a_slow_client_joins_the_generation_of_the_others() {
        let mut slow = Generator::new(WorkloadName::Registers, Seed(7), 3);
        slow.next_request(Generation(0));
        let mut fast = Generator::new(WorkloadName::Registers, Seed(7), 3);
        (0..50).for_each(|_| drop(fast.next_request(Generation(0))));
        assert_eq!(slow.next_request(Generation(4)), fast.next_request(Generation(4)));
        assert_eq!(Generation::after(999), Generation(0));
        assert_eq!(Generation::after(1000), Generation(1));
        assert_eq!(Generation::after(u64::MAX), Generation(GENERATION_MAX));
    }

    #[test]
    fn few_keys_are_shared_by_all_and_left_sooner() {
        let mut generator = Generator::new(WorkloadName::Mix, Seed(5), 0).with_keys(1);
        let keys = (0..200).map(|_| generator.next_request(Generation(0)).key().to_owned());
        let keys: BTreeSet<String> = keys.collect();
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["a0.0", "c0.0", "r0.0"]);
        assert_eq!(Generation::after_on(299, 1), Generation(0));
        assert_eq!(Generation::after_on(300, 1), Generation(1));
        assert_eq!(Generation::after_on(5_000, 0), Generation::after(5_000));
        assert_eq!(Generation::after_on(5_000, 50), Generation::after(5_000));
        let usual = Generator::new(WorkloadName::Mix, Seed(5), 0);
        assert_eq!(
            usual.with_keys(0).next_request(Generation(0)),
            Generator::new(WorkloadName::Mix, Seed(5), 0).next_request(Generation(0))
        );
    }

    #[test]
    fn written_values_are_unique_over_clients_and_generations() {
        let mut values = BTreeSet::new();
        let mut count = 0;
        for client in 0..8 {
            let mut generator = Generator::new(WorkloadName::Mix, Seed(5), client);
            for number in 0..2000 {
                let request = generator.next_request(Generation(number / 500));
                let value = match request {
                    Request::Write { value, .. } | Request::Append { value, .. } => value,
                    Request::Cas { to, .. } => to,
                    Request::Read { .. }
                    | Request::Delete { .. }
                    | Request::Add { .. }
                    | Request::Own { .. } => continue,
                };
                count += 1;
                values.insert(value.trim_end_matches(ELEMENT_END).to_owned());
            }
        }
        assert_eq!(values.len(), count);
        assert!(count > 6000);
    }

    #[test]
    fn a_client_alone_moves_on_when_a_generation_is_used_up() {
        let mut generator = Generator::new(WorkloadName::Counter, Seed(5), 0);
        generator.number = REQUESTS_PER_GENERATION_MAX;
        assert!(generator.next_request(Generation(0)).key().ends_with(".1"));
    }

    #[test]
    fn compare_and_set_expects_what_was_last_seen() {
        let mut generator = Generator::new(WorkloadName::Registers, Seed(5), 0);
        let mut expected: BTreeMap<String, Option<String>> = BTreeMap::new();
        let (mut from_seen, mut from_absent) = (0, 0);
        for number in 0..500 {
            let request = generator.next_request(Generation(0));
            if let Request::Cas { key, from, .. } = &request {
                assert_eq!(from, &expected.get(key).cloned().flatten());
                *(if from.is_some() { &mut from_seen } else { &mut from_absent }) += 1;
            }
            if matches!(request, Request::Read { .. }) {
                let value = format!("seen {number}");
                expected.insert(request.key().to_owned(), Some(value.clone()));
                generator.observe(&request, &Value::Text(value));
            }
        }
        assert!(from_seen > 50 && from_absent > 0, "{from_seen} {from_absent}");
    }

    fn stream(workload: WorkloadName, seed: u64, client: u32) -> Vec<Request> {
        let mut generator = Generator::new(workload, Seed(seed), client);
        (0..300).map(|number| generator.next_request(Generation(number / 100))).collect()
    }

    const FROZEN: [&str; 4] = [
        "cas r2.1 Pair(None, \"2199023321088\")",
        "append a2.1 Text(\"2199023321089,\")",
        "read a0.1 Null",
        "write r2.1 Text(\"2199023321091\")",
    ];
}
