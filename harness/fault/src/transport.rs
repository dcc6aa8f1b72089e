//! What a port speaks, and so what can happen on the way to it.
//!
//! A datagram can be lost, doubled, damaged and overtaken; TCP repairs all of that before a program
//! sees it, and can stand still, end in the middle or be cut into other pieces instead. A rule that
//! a transport does not have is refused by its name, never left out in silence.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{LinkId, LinkRules, Millis, PartsPerMillion};

/// What a port speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Transport {
    /// Datagrams, whatever is in them.
    #[default]
    Udp,
    /// Streams of bytes.
    Tcp,
}

/// A word that names no transport.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no transport `{0}`; there are udp and tcp")]
pub struct UnknownTransport(pub String);

/// A rule for a link that cannot obey it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}` does not exist on {transport}: {why}")]
pub struct UnfitRule {
    /// The name of the rule, as plans write it.
    pub rule: &'static str,
    /// What the link speaks.
    pub transport: Transport,
    /// Why it cannot be, and what can.
    pub why: &'static str,
}

/// The transport of each port of a node: one for its peers, one for its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenTransports")]
pub struct Transports {
    /// What nodes speak with each other.
    pub peer: Transport,
    /// What clients and nodes speak.
    pub client: Transport,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object such as {\"peer\": \"tcp\", \"client\": \"tcp\"}"
)]
struct WrittenTransports {
    peer: Option<Transport>,
    client: Option<Transport>,
}

/// A description of transports that leaves one open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`transport` says nothing of `{port}`; give both, such as \
    {{\"peer\": \"tcp\", \"client\": \"tcp\"}}"
)]
struct MissingTransport {
    port: &'static str,
}

impl Transports {
    /// Every port speaks TCP.
    pub const TCP: Self = Self { peer: Transport::Tcp, client: Transport::Tcp };

    /// Returns whether this is what a description means that says nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl TryFrom<WrittenTransports> for Transports {
    type Error = MissingTransport;

    fn try_from(written: WrittenTransports) -> Result<Self, MissingTransport> {
        let peer = written.peer.ok_or(MissingTransport { port: "peer" })?;
        let client = written.client.ok_or(MissingTransport { port: "client" })?;
        Ok(Self { peer, client })
    }
}

impl Transport {
    /// Returns the word that descriptions use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl From<Transport> for &'static str {
    fn from(transport: Transport) -> Self {
        transport.name()
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(word: &str) -> Result<Self, UnknownTransport> {
        let all = [Self::Udp, Self::Tcp];
        let found = all.into_iter().find(|transport| transport.name() == word);
        found.ok_or_else(|| UnknownTransport(word.to_owned()))
    }
}

impl TryFrom<String> for Transport {
    type Error = UnknownTransport;

    fn try_from(word: String) -> Result<Self, UnknownTransport> {
        word.parse()
    }
}

impl LinkRules {
    /// Says whether a link of this transport can obey the rules.
    ///
    /// # Errors
    ///
    /// [`UnfitRule`] names the first that it cannot.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_fault::{LinkRules, PartsPerMillion, Transport};
    ///
    /// let lossy = LinkRules { loss: PartsPerMillion::percent(5), ..LinkRules::default() };
    /// assert!(lossy.fits(Transport::Udp).is_ok());
    /// let error = lossy.fits(Transport::Tcp).unwrap_err();
    /// assert!(error.to_string().starts_with("`loss` does not exist on tcp"));
    /// ```
    pub fn fits(&self, transport: Transport) -> Result<(), UnfitRule> {
        let never = PartsPerMillion(0);
        let asked: &[(bool, &'static str, &'static str)] = match transport {
            Transport::Udp => &[
                (self.stall > never, "stall", DATAGRAMS_ALONE),
                (self.reset > never, "reset", NO_CONNECTION),
                (self.refuse > never, "refuse", NO_CONNECTION),
                (self.half_close > never, "half_close", NO_CONNECTION),
                (self.slice_bytes > 0, "slice_bytes", DATAGRAMS_ALONE),
            ],
            Transport::Tcp => &[
                (self.loss > never, "loss", LOSS_WAITS),
                (self.duplicate > never, "duplicate", REPAIRED),
                (self.reorder > never, "reorder", REPAIRED),
                (self.corrupt > never, "corrupt", REPAIRED),
            ],
        };
        let unfit = asked.iter().find(|(is_asked, ..)| *is_asked);
        unfit.map_or(Ok(()), |(_, rule, why)| Err(UnfitRule { rule, transport, why }))
    }
}

/// Returns the rules of a link that loses so much, as its transport shows it to a program.
///
/// On TCP a lost segment is sent again after the retransmission time-out, and all that follows it
/// waits: the link stands still.
#[must_use]
pub fn lossy(transport: Transport, loss: PartsPerMillion) -> LinkRules {
    match transport {
        Transport::Udp => LinkRules { loss, ..LinkRules::default() },
        Transport::Tcp => {
            LinkRules { stall: loss, stall_ms: RETRANSMISSION_MS, ..LinkRules::default() }
        }
    }
}

/// Checks the rules of a fault against the transports of the links that it hits.
///
/// # Errors
///
/// [`UnfitRule`] names the first rule that its link cannot obey.
pub fn check_fit<'a>(
    rules: impl IntoIterator<Item = (&'a LinkId, &'a LinkRules)>,
    transport: impl Fn(LinkId) -> Option<Transport>,
) -> Result<(), UnfitRule> {
    for (link, rules) in rules {
        if let Some(transport) = transport(*link) {
            rules.fits(transport)?;
        }
    }
    Ok(())
}

/// What a TCP sender waits at least before it repeats a segment that was lost (Linux).
const RETRANSMISSION_MS: Millis = Millis(200);

const LOSS_WAITS: &str = "a lost segment is repeated; use `stall` with `stall_ms`";
const REPAIRED: &str = "TCP repairs it before a program sees it";
const NO_CONNECTION: &str = "datagrams have no connection";
const DATAGRAMS_ALONE: &str = "datagrams stand alone; use `delay_ms` or `loss`";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Transports, String> {
        serde_json::from_str(text).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn transports_are_words_and_both_are_needed() {
        assert_eq!(read(r#"{"peer": "tcp", "client": "tcp"}"#), Ok(Transports::TCP));
        let wrong = read(r#"{"peer": "quic", "client": "tcp"}"#).expect_err("no such word");
        assert!(wrong.contains("no transport `quic`; there are udp and tcp"), "{wrong}");
        let missing = read(r#"{"peer": "tcp"}"#).expect_err("one is missing");
        assert!(missing.contains("says nothing of `client`"), "{missing}");
        let other = read(r#"{"peers": "tcp", "client": "tcp"}"#).expect_err("no such port");
        assert!(other.contains("peers"), "{other}");
        let text = serde_json::to_string(&Transports::TCP).expect("plain data");
        assert_eq!(text, r#"{"peer":"tcp","client":"tcp"}"#);
        assert!(Transports::default().is_default() && !Transports::TCP.is_default());
    }

    #[test]
    fn each_rule_that_a_transport_does_not_have_is_refused_by_its_name() {
        let (often, none) = (PartsPerMillion::percent(5), LinkRules::default());
        let of_datagrams = [
            (LinkRules { loss: often, ..none }, "loss"),
            (LinkRules { duplicate: often, ..none }, "duplicate"),
            (LinkRules { reorder: often, ..none }, "reorder"),
            (LinkRules { corrupt: often, ..none }, "corrupt"),
        ];
        let of_streams = [
            (LinkRules { stall: often, ..none }, "stall"),
            (LinkRules { reset: often, ..none }, "reset"),
            (LinkRules { refuse: often, ..none }, "refuse"),
            (LinkRules { half_close: often, ..none }, "half_close"),
            (LinkRules { slice_bytes: 7, ..none }, "slice_bytes"),
        ];
        for (of, there, elsewhere) in [
            (&of_datagrams[..], Transport::Udp, Transport::Tcp),
            (&of_streams[..], Transport::Tcp, Transport::Udp),
        ] {
            for (rules, name) in of {
                assert_eq!(rules.fits(there), Ok(()), "{name}");
                assert_eq!(rules.fits(elsewhere).expect_err("it is not there").rule, *name);
            }
        }
        let both = LinkRules { cut: true, delay_ms: Millis(5), jitter_ms: Millis(5), ..none };
        assert!(both.fits(Transport::Udp).is_ok() && both.fits(Transport::Tcp).is_ok());
    }

    #[test]
    fn loss_is_what_the_transport_makes_of_it() {
        let often = PartsPerMillion::percent(10);
        assert_eq!(lossy(Transport::Udp, often).loss, often);
        let stalled = lossy(Transport::Tcp, often);
        assert_eq!((stalled.stall, stalled.stall_ms), (often, Millis(200)));
        assert_eq!(stalled.fits(Transport::Tcp), Ok(()));
    }
}
