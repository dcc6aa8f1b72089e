//! What all engines have in common: the case, what a replica applies, and how time is measured.

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use std::fmt;

/// How many bytes a command has.
pub const COMMAND_BYTES: usize = 16;

/// What is asked of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// How many commands are on their way at most.
    pub window: u64,
    /// How many commands go into one slot, or entry.
    pub a_slot: u64,
    /// How many commands there are.
    pub commands: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} outstanding, {} a slot", self.window, self.a_slot)
    }
}

/// Three replicas.
pub trait Engine {
    /// Takes all commands to their end.
    fn run(&mut self, commands: u64);

    /// Returns what each replica applied.
    fn applied(&self) -> [Applied; 3];
}

/// What a replica applied: how many commands, and a digest that depends on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many commands.
    pub commands: u64,
    digest: u64,
}

impl Applied {
    /// Applies the commands of one slot.
    pub fn apply(&mut self, slot: &[u8]) {
        for command in slot.chunks_exact(COMMAND_BYTES) {
            let word = command.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
            self.digest = self.digest.rotate_left(5).wrapping_add(word);
            self.commands += 1;
        }
    }
}

/// Makes the commands of one slot, from the `number`th command on.
pub fn slot_of(number: u64, a_slot: u64) -> Bytes {
    let mut bytes = Vec::with_capacity(COMMAND_BYTES * a_slot as usize);
    for command in number..number + a_slot {
        bytes.extend_from_slice(&command.to_le_bytes());
        bytes.extend_from_slice(&[0; COMMAND_BYTES - 8]);
    }
    bytes.into()
}

/// Returns the nanoseconds of the processor that a command takes.
///
/// # Panics
///
/// Panics if the replicas did not all apply all commands in one order: the engine is wrong then.
pub fn measure(name: &str, mut engine: Box<dyn Engine>, case: &Case) -> f64 {
    // The first commands pay for memory that the later ones use again.
    engine.run(case.commands / 10);
    let begun = cpu_ns();
    engine.run(case.commands);
    let taken = cpu_ns() - begun;
    let applied = engine.applied();
    assert_eq!(applied[0].commands, case.commands / 10 + case.commands, "{name}");
    assert!(applied.iter().all(|one| *one == applied[0]), "{name}: replicas differ: {applied:?}");
    taken / case.commands as f64
}

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
