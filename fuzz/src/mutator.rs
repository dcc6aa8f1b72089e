//! How an input is changed: a few small changes, drawn from a seed.
//!
//! The changes are those that break decoders: lengths that lie, numbers at their ends, parts that
//! are missing, doubled, or another input's. A run is repeated by its seed.

use synod_rng::Random;

/// Changes an input in one to four ways. `other` is another input, for parts of it.
pub fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..random.between(1, 4) {
        match random.below(9) {
            0 => at(random, input, |byte, random| *byte ^= 1 << random.below(8)),
            1 => at(random, input, |byte, random| *byte = random.next_u64() as u8),
            2 => at(random, input, |byte, random| {
                *byte = random.pick(&EDGES).copied().unwrap_or_default();
            }),
            3 => at(random, input, |byte, _| *byte = byte.wrapping_add(1)),
            4 => insert(random, input, &[0xff; 10]),
            5 => {
                let part = part_of(random, input).to_vec();
                insert(random, input, &part);
            }
            6 => {
                let part = part_of(random, other).to_vec();
                insert(random, input, &part);
            }
            7 => cut(random, input),
            _ => input.truncate(random.below(input.len() as u64 + 1) as usize),
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

fn at(random: &mut Random, input: &mut [u8], change: impl Fn(&mut u8, &mut Random)) {
    if !input.is_empty() {
        let at = random.below(input.len() as u64) as usize;
        change(&mut input[at], random);
    }
}

fn insert(random: &mut Random, input: &mut Vec<u8>, part: &[u8]) {
    let at = random.below(input.len() as u64 + 1) as usize;
    let part = &part[..part.len().min(PART_BYTES_MAX)];
    input.splice(at..at, part.iter().copied());
}

fn cut(random: &mut Random, input: &mut Vec<u8>) {
    let start = random.below(input.len() as u64 + 1) as usize;
    let length = random.below((input.len() - start) as u64 + 1) as usize;
    input.drain(start..start + length.min(PART_BYTES_MAX));
}

fn part_of<'a>(random: &mut Random, input: &'a [u8]) -> &'a [u8] {
    let start = random.below(input.len() as u64 + 1) as usize;
    let length = random.below((input.len() - start) as u64 + 1) as usize;
    &input[start..start + length]
}

/// The longest input: most faults of decoders show in far shorter ones.
pub const INPUT_BYTES_MAX: usize = 64 << 10;
const PART_BYTES_MAX: usize = 256;
/// Bytes at which lengths and signs turn, and letters that have a meaning in texts.
const EDGES: [u8; 16] =
    [0, 1, 0x7f, 0x80, 0xfe, 0xff, b'0', b'9', b'-', b'"', b'{', b'}', b'[', b']', b'\\', b'\n'];

#[cfg(test)]
mod tests {
    use synod_rng::{Seed, Stream};

    use super::*;

    #[test]
    fn a_seed_gives_the_same_changes_and_most_of_them_change_something() {
        let draw = |seed| {
            let mut random = Random::new(Seed(seed), Stream::named("test"));
            let mut input = b"an input of some length".to_vec();
            mutate(&mut random, &mut input, b"another one");
            input
        };
        let changed = (0..1_000).filter(|seed| draw(*seed) != b"an input of some length").count();
        assert!(changed > 950, "{changed}");
        assert!((0..100).all(|seed| draw(seed) == draw(seed)));
    }
}
