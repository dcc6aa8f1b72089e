//! Paxos as pure state machines: the single-decree Synod protocol, and Multi-Paxos on its roles.
//!
//! A node takes one [`Input`] at a time to completion with `step`, and says in [`Effects`] what
//! must be written and what may be sent. There is no IO here, no clock, no randomness, no async.
//! The same code is explored exhaustively (`tests/model.rs`), told as stories
//! (`tests/transcripts.rs`), held against the paper (`tests/paper.rs`), and run in production.
//!
//! # Words
//!
//! | here | Lamport's | in `spec/` | file |
//! |---|---|---|---|
//! | ballot | ballot, proposal number | `Ballot` | `ballot.rs` |
//! | slot | instance | `Slot` | `multi/slot.rs` |
//! | decree | decree, value | `Value`, `Noop` | `multi/decree.rs` |
//! | promised | nextBal, maxBal | `maxBal` | `acceptor.rs` |
//! | vote | vote, accepted proposal | `votes` | `message.rs` |
//! | candidate | proposer in phase 1 | | `multi/leader.rs` |
//! | leader | distinguished proposer | | `multi/leader.rs` |
//! | chosen, learned | chosen, learned | `chosen`, `known` | `learner.rs`, `multi/chosen.rs` |
//!
//! # Why phase 1 looks at the highest vote alone
//!
//! Let a decree v be chosen in ballot b: a phase-2 quorum voted for it. Whoever leads a later
//! ballot c has promises of a phase-1 quorum, and the two quorums share an acceptor. It cannot have
//! voted in b after it promised c, so it voted before, and its promise tells a vote in b or in a
//! ballot between b and c. The highest vote that is told is therefore in some ballot h with b <= h
//! < c.
//!
//! - If h is b, its decree is v, as a ballot proposes one decree in a slot.
//! - If h is above b, its leader was bound by this very rule: by induction it proposed v, too.
//!
//! Votes below h may be for anything. They prove nothing: had one of them been for a chosen decree,
//! all ballots above it, h among them, would have proposed that one. And where no vote is told,
//! nothing was chosen below c and nothing can be any more, as some acceptor of each phase-2 quorum
//! has promised not to vote there. This is `SafeAt` in `spec/MultiPaxos.tla`, and the step "P2c" of
//! "Paxos Made Simple" (Lamport, 2001, section 2.2).
//!
//! # A driver, whole
//!
//! ```
//! use std::collections::VecDeque;
//! use synod_paxos::{Ballot, CoreId, Configuration, Decree, Effects};
//! use synod_paxos::{Input, MultiPaxos, NodeId, Slot, To};
//!
//! let ids = [1, 2, 3].map(NodeId::new);
//! let configuration = Configuration::majority(ids)?;
//! let mut nodes: Vec<_> = ids
//!     .iter()
//!     .map(|node| {
//!         let core_id = CoreId { node: *node, incarnation: 1 };
//!         (MultiPaxos::new(core_id, configuration.clone(), 256), Effects::new(core_id))
//!     })
//!     .collect();
//! let mut inputs = VecDeque::from([(0, Input::Campaign { above: Ballot::ZERO })]);
//! let mut proposed = false;
//! loop {
//!     while let Some((at, input)) = inputs.pop_front() {
//!         let (node, effects) = &mut nodes[at];
//!         node.step(input, effects);
//!         // The journal: write and sync `batch.records()`, and only then vouch for it.
//!         if let Some(batch) = effects.take_batch() {
//!             inputs.push_back((at, Input::Synced(batch.confirm_synced())));
//!         }
//!         // The network: all that is in the outbox may leave.
//!         for (to, message) in effects.outbox() {
//!             for (place, id) in ids.iter().enumerate() {
//!                 if to == To::Node(*id) || to == To::Peers && place != at {
//!                     let (from, message) = (ids[at], message.clone());
//!                     inputs.push_back((place, Input::Message { from, message }));
//!                 }
//!             }
//!         }
//!     }
//!     if proposed {
//!         break;
//!     }
//!     proposed = true;
//!     assert!(nodes[0].0.can_propose());
//!     inputs.push_back((0, Input::Propose('x')));
//! }
//! for (node, _) in &nodes {
//!     assert_eq!(node.chosen(), Slot::new(1));
//!     assert_eq!(node.log().decree(Slot::FIRST), Some(&Decree::Value('x')));
//! }
//! # Ok::<(), synod_paxos::ConfigurationError>(())
//! ```

pub mod acceptor;
pub mod ballot;
pub mod effects;
pub mod learner;
pub mod message;
pub mod multi;
pub mod proposer;
pub mod quorum;
pub mod synod;

pub use ballot::{Ballot, NodeId};
pub use effects::{Batch, CoreId, Effects, RECORD_COST_BYTES, Record, RecordRoom, Synced};
pub use message::{AfterSync, Immediate, Message, Report, To, Vote};
pub use multi::decree::{Decree, Value};
pub use multi::recovery::Recovery;
pub use multi::slot::Slot;
pub use multi::{Input, MultiPaxos};
pub use quorum::{Configuration, ConfigurationError, Tally};
