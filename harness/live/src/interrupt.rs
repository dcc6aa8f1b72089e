//! Ctrl-C and SIGTERM: the first one asks, the second one ends the harness at once.
//!
//! Ending at once leaves no process behind, because every process that the harness started is tied
//! to its life by the guard. The claim kept true: who asks once, even if its signal comes twice,
//! gets a report.

use std::io;
use std::time::{Duration, Instant};

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
            let mut first = None;
            loop {
                std::future::poll_fn(|context| {
                    let came = signals.iter_mut().any(|it| it.poll_recv(context).is_ready());
                    if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                })
                .await;
                if ends_at_once(&mut first, Instant::now()) {
                    std::process::exit(EXIT_INTERRUPTED);
                }
                raise.send_replace(true);
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
            // Nobody is there any more who could raise it.
            std::future::pending::<()>().await;
        }
    }
}

/// Takes note of a signal, and tells whether it is a second one. Some programs, such as `timeout`,
/// send theirs twice at once, to a process and to its group, and mean one.
fn ends_at_once(first: &mut Option<Instant>, present: Instant) -> bool {
    let first = *first.get_or_insert(present);
    present.saturating_duration_since(first) >= SAME_SIGNAL
}

/// The exit code of a run that the user ended.
const EXIT_INTERRUPTED: i32 = 130;

/// A signal that follows the first one within this time is the same one.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_sent_twice_is_one() {
        let (begin, mut first) = (Instant::now(), None);
        let mut at = |ms| ends_at_once(&mut first, begin + Duration::from_millis(ms));
        assert_eq!([at(0), at(0), at(999), at(1_000)], [false, false, false, true]);
    }
}
