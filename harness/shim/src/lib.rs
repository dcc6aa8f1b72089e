//! Power, disks and clocks of real processes, without root: a library that is loaded before the C
//! library of a process, and the harness' side of it.
//!
//! [`LIBRARY`] is that library; its source is in `preload`, and it is the only place of this
//! project where code may be unsafe. [`Shim`] speaks with the processes that have it, through two
//! files that all of them map. What a power loss takes is decided by [`rollback`], from records
//! alone; whether a program can be reached at all, by [`reach`]. Who is hit and when is left to
//! `synod-fault` and `synod-live`. The claim kept true: what was synced stays, and what is taken
//! was not.
#![forbid(unsafe_code)]

#[path = "../preload/layout.rs"]
#[allow(dead_code, reason = "each side of the files uses its part of the words")]
mod layout;
mod log;
mod shim;
mod unseen;

pub mod reach;
pub mod rollback;

pub use log::{Event, FileKey, Kept, LogError, Record};
pub use shim::{Counts, DiskOrders, PowerLoss, Shim, ShimError};

/// The library that processes are started with; empty where none can be made.
pub const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shim.so"));

/// Why there is no [`LIBRARY`], with the remedy; empty, if there is one.
pub const WHY_NONE: &str = include_str!(concat!(env!("OUT_DIR"), "/why-none.txt"));
