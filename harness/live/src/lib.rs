//! Real processes: spawning, breaking, healing, and the proxies between them.
//!
//! [`network`] carries packets and streams by the verdicts of `synod-fault`; [`guard`] and
//! [`process`] start what must not outlive the harness; [`cluster`] knows the nodes, [`bridge`]
//! their clients. [`run`](run::run) puts a plan into practice with them. What the clients saw is
//! judged by `synod-checker`, and [`judge`] adds what no history shows; what is drawn is left to
//! `synod-workload` and to the nemesis, and the page to `synod-report`. The claim kept true: no
//! process outlives the run that started it.

mod armed;
mod delay_queue;
mod disk_errors;
mod effect;
mod engine;
mod errand;
mod fabric;
mod injected_fault;
mod kin;
mod latest;
mod lives;
mod log_watch;
mod machines;
mod messages;
mod pipe;
mod real_world;
mod relay;
mod signs;
mod status;
mod who_leads;
mod witness;

pub mod audit;
pub mod bridge;
pub mod clients;
pub mod cluster;
pub mod conformance;
pub mod console;
pub mod crashes;
pub mod description;
pub mod exercise;
pub mod failover;
pub mod folder;
pub mod guard;
pub mod heal;
pub mod injector;
pub mod interrupt;
pub mod judge;
pub mod leaders;
pub mod logs;
pub mod network;
pub mod poll;
pub mod ports;
pub mod process;
pub mod program;
pub mod readiness;
pub mod ready_client;
pub mod record;
pub mod run;
pub mod runs;
pub mod setup;
pub mod system;
pub mod thresholds;
pub mod traffic;

pub use engine::EngineTold;
pub use injected_fault::InjectedFault;
pub use machines::Machines;
pub use signs::Signs;
pub use status::StatusFields;
pub use witness::{Dialers, Witness};
