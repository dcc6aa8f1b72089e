//! The drive of a place: a simulated disk, and how long its syncs take.

use std::time::Duration;

use synod_host::journal::SimDisk;
use tokio::sync::watch;

/// How a drive is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskState {
    /// How long each sync takes.
    pub sync: Duration,
    /// Whether no sync comes back until it is said otherwise.
    pub is_hung: bool,
}

/// A disk whose contents outlive the processes that use it.
#[derive(Clone, Debug)]
pub struct Drive {
    disk: SimDisk,
    state: watch::Sender<DiskState>,
}

impl Drive {
    /// Makes an empty drive in good health.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let healthy = DiskState { sync: SYNC, is_hung: false };
        Self { disk: SimDisk::new(seed), state: watch::Sender::new(healthy) }
    }

    /// The disk as the present life of its place sees it.
    #[must_use]
    pub fn disk(&self) -> SimDisk {
        self.disk.clone()
    }

    /// Changes how the drive is doing.
    pub fn set(&self, state: DiskState) {
        self.state.send_replace(state);
    }

    /// Makes a drive in good health with what is on this one, as a backup of it has it.
    #[must_use]
    pub fn copy(&self) -> Self {
        let healthy = DiskState { sync: SYNC, is_hung: false };
        let disk = self.disk.crash(|choice| choice.options - 1);
        Self { disk, state: watch::Sender::new(healthy) }
    }

    /// Lets the power fail: what was not synced is lost, and whoever uses the disk still uses one
    /// that nobody will see again.
    pub fn fail(&mut self) {
        self.disk = self.disk.crash(|_| 0);
    }

    /// Waits as long as a sync takes.
    pub(crate) async fn wait_for_sync(&self) {
        let mut state = self.state.subscribe();
        let sync = state.borrow().sync;
        tokio::time::sleep(sync).await;
        // The sender lives as long as this.
        let _ = state.wait_for(|state| !state.is_hung).await;
    }
}

/// How long the sync of a healthy drive takes.
const SYNC: Duration = Duration::from_millis(2);
