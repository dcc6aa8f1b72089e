//! The settings of a replica, checked once.
//!
//! Time is counted in heartbeats: a tick is one heartbeat period, and a core that was held up for
//! seconds has seen one tick, not a hundred, so a local pause never looks like a dead peer.

use crate::message::Folder;
use crate::proposals::WAITING_BYTES_MAX;
use crate::read::{READ_BYTES_MAX, READS_MAX, ReadLimits};
use crate::replica::catch_up::FETCH_BYTES_MAX;
use std::fmt;
use synod_paxos::{ALPHA_DEFAULT, Configuration, CoreId, LogLimits};

/// The fewest heartbeats that a suspicion time must hold.
pub const SUSPICION_TICKS_MIN: u32 = 5;

/// The chosen slots that stay in memory for peers that lag; older ones are read from the journal.
pub const CACHE_SLOTS: u64 = 4096;

/// The bytes of chosen decrees that stay in memory for peers that lag.
pub const CACHE_BYTES: usize = 32 << 20;

/// How far what a replica holds may grow. No two nodes need the same limits.
///
/// They are settings so that a test or a simulation can make them so small that they bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The chosen slots in memory; a quarter more may gather before it is cut back to them.
    pub cache_slots: u64,
    /// The bytes of chosen decrees in memory.
    pub cache_bytes: usize,
    /// The bytes of decrees that one answer to a peer that lags gathers; one larger decree goes
    /// alone. A peer takes an answer only where its disk has room for all of it.
    pub fetch_bytes: usize,
    /// The bytes of commands that wait for a slot at a leader, and that are open in slots. Past
    /// an eighth of it a shell had better not hand over more ([`Replica::is_crowded`]).
    ///
    /// [`Replica::is_crowded`]: crate::Replica::is_crowded
    pub waiting_bytes: usize,
    /// Those of the log.
    pub log: LogLimits,
}

impl Limits {
    /// The limits of a node that serves.
    pub const DEFAULT: Self = Self {
        cache_slots: CACHE_SLOTS,
        cache_bytes: CACHE_BYTES,
        fetch_bytes: FETCH_BYTES_MAX,
        waiting_bytes: WAITING_BYTES_MAX,
        log: LogLimits::DEFAULT,
    };
}

/// The settings of one replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Who it is, and which start of it this is.
    pub core_id: CoreId,
    /// Which journal it has.
    pub folder: Folder,
    /// The voters.
    pub voters: Configuration,
    /// The heartbeat period, in milliseconds.
    pub heartbeat_ms: u32,
    /// A peer that was silent for this many heartbeats is suspected.
    pub suspicion_ticks: u32,
    /// The delay before a campaign, in milliseconds, times the node's rank.
    pub stagger_ms: u32,
    /// The slots that may be open past the chosen prefix; equal on all nodes.
    pub alpha: u64,
    /// Nodes of higher priority campaign first.
    pub priority: u8,
    /// How far what it holds may grow.
    pub limits: Limits,
    /// The questions that may wait here.
    pub reads: ReadLimits,
}

/// Says which setting makes no sense; the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The heartbeat period is zero.
    NoHeartbeat,
    /// The suspicion time holds fewer than [`SUSPICION_TICKS_MIN`] heartbeats.
    HastySuspicion(u32),
    /// The window is empty.
    NoWindow,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeartbeat => formatter.write_str("the heartbeat period must not be zero"),
            Self::HastySuspicion(ticks) => write!(
                formatter,
                "a suspicion time of {ticks} heartbeats is too short: \
                 it needs {SUSPICION_TICKS_MIN}"
            ),
            Self::NoWindow => formatter.write_str("the window alpha must not be zero"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Returns the settings for a local network: 40 ms heartbeats, suspicion after 200 ms.
    #[must_use]
    pub const fn lan(core_id: CoreId, voters: Configuration) -> Self {
        Self {
            core_id,
            folder: Folder(0),
            voters,
            heartbeat_ms: 40,
            suspicion_ticks: 5,
            stagger_ms: 20,
            alpha: ALPHA_DEFAULT,
            priority: 0,
            limits: Limits::DEFAULT,
            reads: ReadLimits { count: READS_MAX, bytes: READ_BYTES_MAX },
        }
    }

    /// Checks the settings against each other.
    ///
    /// # Errors
    ///
    /// Fails with the first setting that makes no sense.
    pub const fn check(&self) -> Result<(), ConfigError> {
        if self.heartbeat_ms == 0 {
            return Err(ConfigError::NoHeartbeat);
        }
        if self.suspicion_ticks < SUSPICION_TICKS_MIN {
            return Err(ConfigError::HastySuspicion(self.suspicion_ticks));
        }
        if self.alpha == 0 {
            return Err(ConfigError::NoWindow);
        }
        Ok(())
    }
}
