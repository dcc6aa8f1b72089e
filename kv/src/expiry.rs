//! When a certificate begins and ends, and what is said about it before either.
//!
//! The claim kept true: whoever looks is told of a certificate that is not good yet, and from
//! thirty days before its end on how many days are left, and what to do. Nothing is refused here:
//! the transport judges certificates as they are shown.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use synod_transport_quic::{Credentials, TlsError};

use crate::config::TlsFiles;

/// A certificate, its beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    certificate: PathBuf,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// A complaint about a certificate that is not good yet, ends soon, or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What is wrong, and the remedy, in one line.
    pub text: String,
    /// The certificate is of no use at this time: everybody refuses it whose clock says the same.
    pub is_refused: bool,
}

impl Expiry {
    /// Reads the certificate of these files, and checks that they fit each other.
    ///
    /// # Errors
    ///
    /// When they cannot be used.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let credentials = Credentials::load(&files.authority, &files.certificate, &files.key)?;
        Ok(Self::of(&files.certificate, &credentials))
    }

    /// Takes the dates from credentials that were read from `certificate`.
    #[must_use]
    pub fn of(certificate: &Path, credentials: &Credentials) -> Self {
        Self {
            certificate: certificate.to_owned(),
            not_before: credentials.not_before(),
            not_after: credentials.not_after(),
        }
    }

    /// Says what there is to say at this time.
    #[must_use]
    pub fn warning(&self, present: SystemTime) -> Option<Warning> {
        let name = self.certificate.display();
        // At the very start of its time a certificate is good.
        if let Ok(ahead) = self.not_before.duration_since(present)
            && !ahead.is_zero()
        {
            let ahead = days(ahead);
            let text = format!(
                "{name} is not good yet, for {ahead} more by the clock of this host: set the \
                 clock, if it is behind, or {REMEDY}"
            );
            return Some(Warning { text, is_refused: true });
        }
        match self.not_after.duration_since(present) {
            Ok(left) if left > WARN_BEFORE => None,
            Ok(left) => {
                let text = format!("{name} ends in {}: {REMEDY}", days(left));
                Some(Warning { text, is_refused: false })
            }
            Err(over) => {
                let over = days(over.duration());
                let text = format!("{name} ended {over} ago by the clock of this host: {REMEDY}");
                Some(Warning { text, is_refused: true })
            }
        }
    }

    /// Says it in the log, at once and then once a day, for as long as it is polled.
    pub(crate) async fn watch(&self) {
        self.watch_with(SystemTime::now, log).await;
    }

    async fn watch_with(&self, now: impl Fn() -> SystemTime, mut say: impl FnMut(Warning)) {
        loop {
            self.warning(now()).map(&mut say);
            tokio::time::sleep(DAY).await;
        }
    }
}

fn log(warning: Warning) {
    if warning.is_refused {
        tracing::error!("certificate {}", warning.text);
    } else {
        tracing::warn!("certificate {}", warning.text);
    }
}

/// Tells a time in whole days.
fn days(time: Duration) -> String {
    match time.as_secs() / DAY.as_secs() {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// From when on a warning is given.
const WARN_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long it is until the next look.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const REMEDY: &str =
    "renew it with `synod-kv init --dir <folder> --renew`, and restart what uses it";

#[cfg(test)]
mod tests {
    use super::*;

    fn node_1(not_before: SystemTime, not_after: SystemTime) -> Expiry {
        Expiry { certificate: "node-1.pem".into(), not_before, not_after }
    }

    #[test]
    fn a_certificate_that_is_not_good_yet_is_told_of() {
        let epoch = SystemTime::UNIX_EPOCH;
        let expiry = node_1(epoch + 3 * DAY, epoch + 100 * DAY);
        let at = |seconds| expiry.warning(epoch + Duration::from_secs(seconds));
        let day = DAY.as_secs();
        for (seconds, more) in [(0, "3 days"), (day, "2 days"), (3 * day - 1, "less than a day")] {
            let warning = at(seconds).expect("it is early");
            let begins =
                format!("node-1.pem is not good yet, for {more} more by the clock of this");
            assert!(warning.text.starts_with(&begins), "{}", warning.text);
            assert!(warning.is_refused);
        }
        assert_eq!(at(3 * day), None);
    }

    #[test]
    fn the_last_thirty_days_are_warned_of() {
        let epoch = SystemTime::UNIX_EPOCH;
        let expiry = node_1(epoch, epoch + 100 * DAY);
        let at = |days: u32| expiry.warning(SystemTime::UNIX_EPOCH + days * DAY);
        assert_eq!(at(69), None);
        for (days, begins, is_refused) in [
            (70, "node-1.pem ends in 30 days: renew it", false),
            (99, "node-1.pem ends in 1 day: renew it", false),
            (100, "node-1.pem ends in less than a day: renew it", false),
            (103, "node-1.pem ended 3 days ago by the clock of this host: renew it", true),
        ] {
            let warning = at(days).expect("it is late");
            assert!(warning.text.starts_with(begins), "{}", warning.text);
            assert_eq!(warning.is_refused, is_refused);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_node_says_it_once_a_day() {
        let (begin, epoch) = (tokio::time::Instant::now(), SystemTime::UNIX_EPOCH);
        let expiry = node_1(epoch, epoch + 32 * DAY);
        let mut said = Vec::new();
        let watch =
            expiry.watch_with(|| epoch + begin.elapsed(), |warning| said.push(warning.text));
        let days = 5 * DAY + DAY / 2;
        tokio::time::timeout(days, watch).await.expect_err("it goes on for ever");
        let left: Vec<&str> = said.iter().filter_map(|text| text.split(' ').nth(3)).collect();
        assert_eq!(left, ["30", "29", "28", "27"]);
    }
}
