//! Why a connection is refused or closed, in one vocabulary for both ends.
//!
//! What it leaves to others: deciding. The claim it keeps true: whatever one end refuses, the other
//! end can name too, because the reason travels as a close code or as a tag in the close text.

use std::fmt;

use quinn::{ConnectionError, VarInt};

use crate::limits::REASON_CHARS_MAX;

/// Names why a connection was refused before it carried anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The other end showed no certificate.
    NoCertificate,
    /// The certificate does not lead to the cluster's certificate authority.
    UntrustedIssuer,
    /// The certificate has ended or has not begun.
    Expired,
    /// The certificate lacks an identity or a key usage.
    Profile,
    /// The certificate belongs to another cluster.
    WrongCluster,
    /// A client stands at the peer port, or a node at the client port.
    WrongRole,
    /// The name is not in the list of those admitted.
    UnknownName,
    /// The node that answered is not the one that was called.
    UnexpectedNode,
    /// The port speaks another protocol.
    WrongProtocol,
    /// The ends speak different versions of the wire format.
    WrongVersion,
    /// The node serves as many connections as it may.
    Overloaded,
    /// The handshake failed for another reason, given in the text.
    Other,
}

/// Says which end refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusedBy {
    /// This end.
    Here,
    /// The other end.
    There,
}

/// Names why a connection that was up was closed; its number travels as the close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// The endpoint shuts down.
    ShuttingDown = 0x10,
    /// Another connection of the same pair took its place.
    Superseded = 0x11,
    /// Nothing was heard for too long.
    Silent = 0x12,
    /// The pair has a connection that stays.
    Duplicate = 0x13,
    /// A frame announced more bytes than its lane allows.
    FrameTooLong = 0x20,
    /// The other end broke the rules of streams, headers or the hello.
    Violation = 0x21,
    /// The other end does not read its replies.
    SlowReader = 0x22,
    /// A frame was begun and not ended in time.
    Stalled = 0x23,
    /// The versions differ.
    WrongVersion = 0x30,
    /// No more connections are served.
    Overloaded = 0x31,
    /// The certificate's identity does not fit.
    Identity = 0x32,
    /// The owner of the endpoint closed it.
    ClosedByOwner = 0x40,
}

/// Tells a refusal as one end sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused {by} ({reason}): {text}")]
pub struct Refused {
    /// Which end refused.
    pub by: RefusedBy,
    /// Why.
    pub reason: Refusal,
    /// The reason in words, shortened.
    pub text: String,
}

impl Refusal {
    /// Every reason, in order.
    pub const ALL: [Self; 12] = [
        Self::NoCertificate,
        Self::UntrustedIssuer,
        Self::Expired,
        Self::Profile,
        Self::WrongCluster,
        Self::WrongRole,
        Self::UnknownName,
        Self::UnexpectedNode,
        Self::WrongProtocol,
        Self::WrongVersion,
        Self::Overloaded,
        Self::Other,
    ];

    /// The reason as one word, as it stands in logs and metrics.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::UntrustedIssuer => "untrusted-issuer",
            Self::Expired => "expired",
            Self::Profile => "profile",
            Self::WrongCluster => "wrong-cluster",
            Self::WrongRole => "wrong-role",
            Self::UnknownName => "unknown-name",
            Self::UnexpectedNode => "unexpected-node",
            Self::WrongProtocol => "wrong-protocol",
            Self::WrongVersion => "wrong-version",
            Self::Overloaded => "overloaded",
            Self::Other => "other",
        }
    }

    /// Tells whether the reason may pass by itself: while both ends have the certificates, the
    /// addresses and the programs that they have.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        match self {
            // A certificate may be one that has not begun, or a clock be set right.
            Self::Expired | Self::Overloaded | Self::Other => true,
            Self::NoCertificate
            | Self::UntrustedIssuer
            | Self::Profile
            | Self::WrongCluster
            | Self::WrongRole
            | Self::UnknownName
            | Self::UnexpectedNode
            | Self::WrongProtocol
            | Self::WrongVersion => false,
        }
    }

    /// The mark that carries the reason inside a close text.
    pub(crate) fn tag(self) -> String {
        format!("refused[{}]", self.slug())
    }

    fn from_tagged(text: &str) -> Option<Self> {
        // The TLS library puts words of its own around it.
        Self::ALL.into_iter().find(|reason| text.contains(&reason.tag()))
    }

    /// Reads the TLS alert; the numbers are those of RFC 8446, section 6.
    fn from_alert(alert: u64) -> Self {
        match alert {
            116 => Self::NoCertificate,
            // A bad signature comes of two authorities that bear the same name.
            48 | 51 => Self::UntrustedIssuer,
            45 => Self::Expired,
            42 | 43 | 46 => Self::Profile,
            120 => Self::WrongProtocol,
            _ => Self::Other,
        }
    }

    fn from_close_code(code: VarInt) -> Option<Self> {
        let code = code.into_inner();
        [
            (CloseCode::WrongVersion, Self::WrongVersion),
            (CloseCode::Overloaded, Self::Overloaded),
            (CloseCode::Identity, Self::Profile),
        ]
        .into_iter()
        .find_map(|(close, reason)| (close as u64 == code).then_some(reason))
    }
}

impl CloseCode {
    /// The code in words, for the other end's log.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting down",
            Self::Superseded => "another connection of this pair took its place",
            Self::Silent => "nothing heard",
            Self::Duplicate => "this pair has a connection that stays",
            Self::FrameTooLong => "frame too long",
            Self::Violation => "violation",
            Self::SlowReader => "replies are not read",
            Self::Stalled => "a frame was begun and not ended in time",
            Self::WrongVersion => "another wire version",
            Self::Overloaded => "no more connections are served",
            Self::Identity => "the identity does not fit",
            Self::ClosedByOwner => "closed by the owner",
        }
    }

    pub(crate) fn varint(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }
}

impl Refused {
    /// Makes a refusal decided at this end.
    pub(crate) fn here(reason: Refusal, text: impl Into<String>) -> Self {
        Self { by: RefusedBy::Here, reason, text: text.into() }
    }

    /// Reads a refusal out of the way a connection ended; `None` when it was not refused.
    pub(crate) fn from_error(error: &ConnectionError) -> Option<Self> {
        match error {
            ConnectionError::TransportError(error) => {
                transport(RefusedBy::Here, u64::from(error.code), &error.reason)
            }
            ConnectionError::ConnectionClosed(close) => {
                let text = String::from_utf8_lossy(&close.reason);
                transport(RefusedBy::There, u64::from(close.error_code), &text)
            }
            ConnectionError::ApplicationClosed(close) => {
                let reason = Refusal::from_close_code(close.error_code)?;
                let text = shorten(&String::from_utf8_lossy(&close.reason));
                Some(Self { by: RefusedBy::There, reason, text })
            }
            ConnectionError::VersionMismatch
            | ConnectionError::Reset
            | ConnectionError::TimedOut
            | ConnectionError::LocallyClosed
            | ConnectionError::CidsExhausted => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

impl fmt::Display for RefusedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here => "here",
            Self::There => "by the other end",
        })
    }
}

/// Cuts a text that came from the other end to what a log line may hold.
pub(crate) fn shorten(text: &str) -> String {
    // A line break of a stranger's must not begin a line of the log.
    text.chars().take(REASON_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn transport(by: RefusedBy, code: u64, text: &str) -> Option<Refused> {
    let (reason, tagged) = match code {
        CONNECTION_REFUSED => (Refusal::Overloaded, None),
        CRYPTO_FIRST..=CRYPTO_LAST => match Refusal::from_tagged(text) {
            Some(reason) => (reason, detail(reason, text)),
            None => (Refusal::from_alert(code - CRYPTO_FIRST), None),
        },
        _ => return None,
    };
    let text = tagged.or_else(|| explain(by, reason)).unwrap_or(text);
    Some(Refused { by, reason, text: shorten(text) })
}

/// Takes what stands behind the tag out of what the TLS library wrapped around it.
fn detail(reason: Refusal, text: &str) -> Option<&str> {
    let (_, behind) = text.split_once(&reason.tag())?;
    let detail = behind.strip_prefix(": ")?;
    Some(detail.strip_suffix("))").or_else(|| detail.strip_suffix(')')).unwrap_or(detail))
}

/// Says in words what the TLS library says in names of its own. Which end's certificate it is
/// follows from who refused.
const fn explain(by: RefusedBy, reason: Refusal) -> Option<&'static str> {
    Some(match (reason, by) {
        (Refusal::NoCertificate, RefusedBy::Here) => "the other end showed no certificate",
        (Refusal::NoCertificate, RefusedBy::There) => "this end showed no certificate",
        (Refusal::UntrustedIssuer, RefusedBy::Here) => {
            "the certificate of the other end was not signed by the authority that is named here"
        }
        (Refusal::UntrustedIssuer, RefusedBy::There) => {
            "the certificate of this end was not signed by the authority that is named there"
        }
        (Refusal::Expired, RefusedBy::Here) => {
            "the certificate of the other end has ended, or not begun, by the clock of this host"
        }
        (Refusal::Expired, RefusedBy::There) => {
            "the certificate of this end has ended, or not begun, by the clock of the other host"
        }
        (Refusal::WrongProtocol, RefusedBy::Here | RefusedBy::There) => {
            "the port speaks another protocol; peers and clients have a port each"
        }
        (Refusal::Overloaded, RefusedBy::Here | RefusedBy::There) => {
            "no more connections are served"
        }
        // The text says more than the reason.
        (
            Refusal::Profile
            | Refusal::WrongCluster
            | Refusal::WrongRole
            | Refusal::UnknownName
            | Refusal::UnexpectedNode
            | Refusal::WrongVersion
            | Refusal::Other,
            RefusedBy::Here | RefusedBy::There,
        ) => return None,
    })
}

/// The QUIC error of a server that takes no more connections (RFC 9000, section 20.1).
const CONNECTION_REFUSED: u64 = 0x2;
/// The QUIC errors that carry a TLS alert in their low byte (RFC 9000, section 20.1).
const CRYPTO_FIRST: u64 = 0x100;
const CRYPTO_LAST: u64 = 0x1ff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word_and_is_found_in_a_text() {
        for reason in Refusal::ALL {
            let text = format!("invalid peer certificate: Other({}: detail)", reason.tag());
            assert_eq!(Refusal::from_tagged(&text), Some(reason));
        }
    }

    /// Whoever calls again may be served, though both ends stay as they are; in all other cases
    /// operations end at once, so that a full node would have every new client fail.
    #[test]
    fn what_passes_by_itself_is_a_full_node_a_date_and_what_nobody_knows() {
        let passing: Vec<_> = Refusal::ALL.into_iter().filter(|one| one.may_pass()).collect();
        assert_eq!(passing, [Refusal::Expired, Refusal::Overloaded, Refusal::Other]);
    }

    #[test]
    fn what_was_refused_is_said_without_the_words_of_the_library() {
        let wrapped = "invalid peer certificate: Other(OtherError(refused[wrong-role]: a is no b))";
        let refused = transport(RefusedBy::There, CRYPTO_FIRST + 46, wrapped);
        let text = |refused: Option<Refused>| refused.map(|refused| refused.to_string());
        assert_eq!(
            text(refused).as_deref(),
            Some("refused by the other end (wrong-role): a is no b")
        );
        for (alert, begins) in [
            (48, "refused here (untrusted-issuer): the certificate of the other end was not"),
            (45, "refused here (expired): the certificate of the other end has ended, or not"),
            (116, "refused here (no-certificate): the other end showed no certificate"),
            (120, "refused here (wrong-protocol): the port speaks another protocol"),
        ] {
            let library = "invalid peer certificate: UnknownIssuer";
            let refused = text(transport(RefusedBy::Here, CRYPTO_FIRST + alert, library));
            assert!(refused.as_ref().is_some_and(|it| it.starts_with(begins)), "{refused:?}");
        }
    }

    #[test]
    fn a_text_from_outside_is_cut_and_cleaned() {
        let text = shorten(&format!("a\n\x1b[31m{}", "b".repeat(1000)));
        assert_eq!(text.chars().count(), REASON_CHARS_MAX);
        assert!(!text.contains(char::is_control));
    }
}
