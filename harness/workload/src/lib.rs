//! Workloads: what the clients do, how it is judged, and what must still be there afterwards.
//!
//! A [`Workload`] makes the requests of each client, and judges the history that comes of them.
//! Those that come with the harness have a [`WorkloadName`], and their requests come from a
//! [`Generator`]; a program that brings its own hands it to a run. Asking a system is left to
//! others. The claim kept true: the same seed and answers give the same requests for ever.
//!
//! # Examples
//!
//! ```
//! use synod_history::Value;
//! use synod_rng::Seed;
//! use synod_workload::{Generation, Generator, WorkloadName};
//!
//! let mut client = Generator::new(WorkloadName::Registers, Seed(7), 3);
//! let calls = 12; // How many operations all clients have called so far.
//! let request = client.next_request(Generation::after(calls));
//! assert!(request.key().starts_with('r'));
//! // Ask the system, and tell the generator what it answered.
//! client.observe(&request, &Value::Null);
//! ```

mod by_name;
mod durability;
mod generation;
mod generator;
mod workload;
mod workload_name;

pub use durability::missing_writes;
pub use generation::Generation;
pub use generator::Generator;
pub use workload::{Findings, KeyUse, RequestSource, Touch, Workload};
pub use workload_name::{RequestKind, Share, UnknownWorkload, WorkloadName};
