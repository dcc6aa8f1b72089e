//! What stands for the gaps of a command: of each node, of its peers, and of what is announced.
//!
//! Which gaps a command may have is the description's to say. The claim kept true: a gap that
//! nothing stands for is refused, and never left in a word.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use synod_fault::NodeId;

use super::{Arg, CommandLine, SystemError, Variables};

/// What fills the gaps of a command.
#[derive(Clone, Debug, Default)]
pub struct Placeholders {
    /// The values of single gaps.
    values: BTreeMap<&'static str, OsString>,
    /// The addresses that stand for other nodes.
    addresses: BTreeMap<NodeId, String>,
    /// What is announced of each node, by gap.
    announced: BTreeMap<NodeId, Announced>,
}

/// The addresses at which everybody reaches a node, by gap.
pub type Announced = Vec<(&'static str, SocketAddr)>;

impl Placeholders {
    /// Fills a gap with text or a path.
    #[must_use]
    pub fn with(mut self, gap: &'static str, value: impl Into<OsString>) -> Self {
        self.values.insert(gap, value.into());
        self
    }

    /// Gives the address that stands for a node.
    #[must_use]
    pub fn node(mut self, node: NodeId, address: impl ToString) -> Self {
        self.addresses.insert(node, address.to_string());
        self
    }

    /// Gives the addresses at which everybody reaches a node.
    #[must_use]
    pub fn announced(mut self, node: NodeId, announced: Announced) -> Self {
        self.announced.insert(node, announced);
        self
    }

    /// Tells whether a gap has a value.
    pub(super) fn knows(&self, gap: &str) -> bool {
        self.values.contains_key(gap)
    }

    /// Makes a command.
    ///
    /// # Errors
    ///
    /// [`SystemError`] if a word has a gap that is not filled.
    pub fn fill(&self, words: &[Arg]) -> Result<CommandLine, SystemError> {
        let mut filled = self.fill_words(words)?.into_iter();
        let program = filled.next().map(PathBuf::from).ok_or(SystemError::Empty)?;
        Ok(CommandLine { program, arguments: filled.collect() })
    }

    /// Makes the variables of a command.
    ///
    /// # Errors
    ///
    /// [`SystemError`] if a value has a gap that is not filled.
    pub fn fill_variables(
        &self,
        variables: &Variables,
    ) -> Result<Vec<(OsString, OsString)>, SystemError> {
        let fill = |(name, value): (&String, &Arg)| {
            let words = self.fill_words(std::slice::from_ref(value))?;
            Ok((OsString::from(name), words.join(&OsString::from(","))))
        };
        variables.iter().map(fill).collect()
    }

    fn fill_words(&self, words: &[Arg]) -> Result<Vec<OsString>, SystemError> {
        let mut filled = Vec::new();
        for word in words {
            match word {
                Arg::One(word) => filled.push(self.fill_word(word)?),
                Arg::PerPeer { per_peer: words } => {
                    filled.extend(self.fill_repeated(words, self.addresses.keys())?);
                }
                Arg::PerNode { per_node: words } => {
                    let announced = ANNOUNCED.iter().any(|gap| word.names(gap));
                    let filling = if announced {
                        self.fill_repeated(words, self.announced.keys())
                    } else {
                        self.fill_repeated(words, self.addresses.keys())
                    };
                    filled.extend(filling?);
                }
            }
        }
        Ok(filled)
    }

    fn fill_repeated<'a>(
        &self,
        words: &[String],
        nodes: impl Iterator<Item = &'a NodeId>,
    ) -> Result<Vec<OsString>, SystemError> {
        let mut filled = Vec::new();
        for node in nodes {
            let mut gaps = self.clone().with("peer", node.to_string());
            if let Some(address) = self.addresses.get(node) {
                gaps = gaps.with("address", address);
            }
            for (gap, address) in self.announced.get(node).into_iter().flatten() {
                gaps = gaps.with(gap, address.to_string());
            }
            for word in words {
                filled.push(gaps.fill_word(word)?);
            }
        }
        Ok(filled)
    }

    pub(super) fn fill_word(&self, word: &str) -> Result<OsString, SystemError> {
        let mut filled = OsString::new();
        let mut rest = word;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            filled.push(before);
            if let Some(after) = after.strip_prefix("{{").or_else(|| after.strip_prefix("}}")) {
                filled.push(&rest[at..=at]);
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let open = || SystemError::UnfilledPlaceholder { word: word.to_owned() };
                let (gap, after) = after.split_once('}').ok_or_else(open)?;
                filled.push(self.values.get(gap).ok_or_else(|| self.unknown(word, gap))?);
                rest = after;
            } else {
                // A brace that closes nothing means itself.
                filled.push("}");
                rest = &after[1..];
            }
        }
        filled.push(rest);
        Ok(filled)
    }

    fn unknown(&self, word: &str, gap: &str) -> SystemError {
        let known: Vec<&str> = self.values.keys().copied().collect();
        SystemError::UnknownGap {
            word: word.to_owned(),
            gap: gap.to_owned(),
            known: known.join(", "),
        }
    }
}

/// The gaps of a node's command, beside those of all.
pub(crate) const OF_NODE: [&str; 7] = [
    "node",
    "data",
    "peer-listen",
    "client-listen",
    "second-listen",
    "announced",
    "second-announced",
];

/// The gaps for the address at which everybody reaches a node, of its port for peers and of
/// another.
pub(crate) const ANNOUNCED: [&str; 2] = ["announced", "second-announced"];
