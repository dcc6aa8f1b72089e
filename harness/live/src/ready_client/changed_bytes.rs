//! What servers answer, changed at random, for the tests of what reads it.
//!
//! The readers say which answers there are and which bytes stand out in them; here is how they are
//! changed, and what holds of each: it is read, refused or waited for, and nothing is read past its
//! end.

use synod_rng::{Random, Seed, Stream};

/// Changes `answers` 20,000 times by `bytes`, and has `read` read each, which returns how much it
/// read.
///
/// # Panics
///
/// If something is read past its end, or one of the three outcomes is hardly ever seen.
pub(super) fn check<E>(
    name: &str,
    answers: &[&str],
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<Option<usize>, E>,
) {
    let mut random = Random::new(Seed(1), Stream::named(name));
    let mut counts = [0; 3];
    for _ in 0..20_000 {
        let pick = random.between(0, answers.len() as u64 - 1) as usize;
        let mut answer = answers[pick].as_bytes().to_vec();
        for _ in 0..random.between(1, 3) {
            let at = random.between(0, answer.len() as u64 - 1) as usize;
            answer[at] = bytes[random.between(0, bytes.len() as u64 - 1) as usize];
        }
        match read(&answer) {
            Ok(Some(used)) => {
                assert!(used <= answer.len());
                counts[0] += 1;
            }
            Ok(None) => counts[1] += 1,
            Err(_) => counts[2] += 1,
        }
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}
