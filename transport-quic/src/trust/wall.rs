//! The wall clock against which the dates of certificates and tokens are read.
//!
//! What it leaves to others: reading the machine's clock (`synod-clock`). The claim it keeps true:
//! whatever of TLS and QUIC asks for the date asks one clock, that of the credentials.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use synod_clock::{PhysicalClock, WallTime};

/// A wall clock that endpoints share.
pub type Wall = Arc<dyn PhysicalClock + Send + Sync>;

/// A wall clock as rustls and quinn ask for it.
#[derive(Clone)]
pub(crate) struct WallClock(pub(crate) Wall);

impl WallClock {
    fn since_1970(&self) -> Duration {
        Duration::from_millis(self.0.unix_ms())
    }
}

impl Default for WallClock {
    /// The machine's.
    fn default() -> Self {
        Self(Arc::new(WallTime))
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WallClock").field(&self.since_1970()).finish()
    }
}

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.since_1970()))
    }
}

impl quinn::TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.since_1970()
    }
}
