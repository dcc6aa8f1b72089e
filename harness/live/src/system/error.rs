//! Why a description makes no command, in words for whoever wrote it.
//!
//! Where in the text it stands is found by [`description`](crate::description).

use crate::ready_client::ReadyClientError;

/// Why a description makes no command. The description is to blame.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SystemError {
    /// A word names a gap that nothing fills.
    #[error(
        "`{word}` names `{gap}`, which this command does not have; it has {known}; \
             a brace that means itself is written twice"
    )]
    UnknownGap {
        /// The word.
        word: String,
        /// The name in it.
        gap: String,
        /// What there is.
        known: String,
    },
    /// A word opens a gap and does not close it.
    #[error(
        "`{word}` opens a gap with `{{` and does not close it; \
             a brace that means itself is written twice"
    )]
    UnfilledPlaceholder {
        /// The word.
        word: String,
    },
    /// The command has no words.
    #[error("a command has no words; each command that is given needs a program's name")]
    Empty,
    /// An address is to be announced where not all ports speak TCP.
    #[error(
        "an address that is `announced` is one for all who dial it, and who does is told on TCP \
         alone; set transport = {{ peer = \"tcp\", client = \"tcp\" }}, or use {{address}}"
    )]
    AnnouncedPacket,
    /// Readiness is to be asked for at a port that does not speak TCP.
    #[error(
        "`ready` asks the port for clients by TCP, which it does not speak; wait for a line of \
         the log by {{ log = \"text\" }}, or set transport = {{ peer = \"tcp\", client = \"tcp\" }}"
    )]
    NoPortToAsk,
    /// Neither a bridge nor a ready client speaks for the clients, or both do.
    #[error(
        "{} speaks for the clients; give either `bridge`, or a ready client as [client.resp] or \
         [client.http]", who(*both)
    )]
    OneBridge {
        /// Whether there are both.
        both: bool,
    },
    /// A ready client cannot ask what it should.
    #[error(transparent)]
    Client(#[from] ReadyClientError),
    /// A ready client speaks TCP alone.
    #[error(
        "a ready client asks the port for clients by TCP, which it does not speak; set transport = \
         {{ peer = \"tcp\", client = \"tcp\" }}"
    )]
    ClientByTcp,
    /// A command is to repeat words for nodes that have no addresses when it runs.
    #[error(
        "`{command}` repeats words for each node, and runs where no node has an address; {remedy}"
    )]
    NoAddresses {
        /// The command.
        command: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Nothing runs a node, and none is said to be running.
    #[error(
        "`serve` is missing; add it, or say by `addresses` where the nodes are of a cluster that \
         is running already"
    )]
    NoServe,
    /// A text is no address of a node, or that of another one, too.
    #[error(
        "`{address}` is no address of a node; `addresses` has a host and a port of each, such as \
         \"10.0.0.1:7001\", and none twice"
    )]
    NoAddress {
        /// The text.
        address: String,
    },
    /// Nodes that nobody starts here are to be started as a newer build.
    #[error(
        "`upgraded` starts a node again that `serve` has started, and there is no `serve`; leave \
         it out, or have an `engine` do the upgrade"
    )]
    UpgradedAlone,
    /// A fault of an engine has no name.
    #[error("a fault of `engine` has no name; reports call it by `name`")]
    NamelessFault,
    /// Two ways to know who leads may not agree.
    #[error("`who_leads` says who leads, and so does {other}")]
    LeaderTwice {
        /// The other way, and what to do.
        other: &'static str,
    },
    /// What a bridge tells is said where a ready client speaks.
    #[error(
        "`status` says what a bridge tells, and what a ready client tells follows from `leads` and \
         `state` of `client`; leave `status` out"
    )]
    ClientTells,
    /// A plan needs a variable that the description sets.
    #[error(
        "`env.serve` sets LD_PRELOAD, by which faults of power, disks and clocks reach a process; \
         leave it out, or take a plan without such faults"
    )]
    PreloadTaken,
}

const fn who(both: bool) -> &'static str {
    if both { "more than one" } else { "nothing" }
}
