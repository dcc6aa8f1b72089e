//! What a host did, written down as it does it, for whoever holds it against the specification.
//!
//! A [`TraceRecorder`] is shown what its host is given and what that brings about, and makes bytes
//! of it; where they go is left to its owner, who writes them before any of it leaves. A
//! [`TraceReader`] gives back what was written. Whether a trace is a behaviour of the specification
//! is judged elsewhere. The claim kept true: of all that a peer, a client or a later life can
//! notice of the order of this host's records and messages, nothing is missing from what was
//! written before.

mod event;
mod reader;
mod recorder;

pub use event::{TraceEvent, print_of};
pub use reader::TraceReader;
pub use recorder::TraceRecorder;
