//! Ctrl-C and SIGTERM: the first one asks, the second one ends the harness at once.
//!
//! Ending at once leaves no process behind, because every process that the harness started is tied
//! to its life by the guard.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the user has asked the run to end.
#[derive(Clone, Debug)]
pub struct Interrupt {
    raised: watch::Receiver<bool>,
}

impl Interrupt {
    /// Listens to the signals. Call it within a runtime.
    ///
    /// # Errors
    ///
    /// If the system does not let the harness listen.
    pub fn listen() -> io::Result<Self> {
        let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
            .into_iter()
            .map(signal)
            .collect::<io::Result<Vec<_>>>()?;
        let (raise, raised) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                std::future::poll_fn(|context| {
                    let came = signals.iter_mut().any(|it| it.poll_recv(context).is_ready());
                    if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                })
                .await;
                if raise.send_replace(true) {
                    std::process::exit(EXIT_INTERRUPTED);
                }
            }
        });
        Ok(Self { raised })
    }

    /// Returns an interrupt that is never raised.
    #[must_use]
    pub fn never() -> Self {
        let (_, raised) = watch::channel(false);
        Self { raised }
    }

    /// Returns whether the user has asked.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Waits until the user asks; for ever, if that cannot happen any more.
    pub async fn raised(&self) {
        let mut raised = self.raised.clone();
        if raised.wait_for(|raised| *raised).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The exit code of a run that the user ended.
const EXIT_INTERRUPTED: i32 = 130;
