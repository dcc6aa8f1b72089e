//! When all clients leave their keys for fresh ones: together, after so many calls of all of them.

/// A generation of keys: all clients leave their keys for fresh ones together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u32);

impl Generation {
    /// Returns the generation that is on when so many operations were called by all clients.
    #[must_use]
    pub fn after(calls: u64) -> Self {
        Self::after_each(calls, CALLS_PER_GENERATION)
    }

    /// Returns the same where each kind has so many keys at a time, or as many as usual if it is 0:
    /// fewer keys are left sooner.
    #[must_use]
    pub fn after_on(calls: u64, keys: u32) -> Self {
        match u64::from(keys) {
            0 => Self::after(calls),
            keys => Self::after_each(calls, (keys * CALLS_PER_KEY).min(CALLS_PER_GENERATION)),
        }
    }

    fn after_each(calls: u64, each: u64) -> Self {
        let number = calls / each;
        Self(u32::try_from(number).unwrap_or(u32::MAX).min(GENERATION_MAX))
    }
}

/// How many operations all clients call on the keys of one generation. With five register keys a
/// key has some two hundred operations, of which even dozens may have an unknown outcome.
const CALLS_PER_GENERATION: u64 = 1000;

/// How many operations all clients call on one key of each kind, where there are few of them.
const CALLS_PER_KEY: u64 = 300;

/// The last generation: with the number of a client and of a request it still makes a number.
pub(crate) const GENERATION_MAX: u32 = (1 << 24) - 1;
