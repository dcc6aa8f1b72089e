//! Real processes: spawning, breaking, healing, and the proxies between them.
//!
//! [`network`] carries packets and streams by the verdicts of `synod-fault`; [`guard`] and
//! [`process`] start what must not outlive the harness; [`cluster`] knows the nodes, [`bridge`]
//! their clients. [`run`](run::run) puts a plan into practice with them. What the clients saw is
//! judged by `synod-checker`, and [`judge`] adds what no history shows; what is drawn is left to
//! `synod-workload` and to the nemesis, and the page to `synod-report`. The claim kept true: no
//! process outlives the run that started it.
//!
//! # Examples
//!
//! Ten seconds in which nodes are killed, of a system that `mine.toml` describes. The workload is
//! one that has a name; one of your own stands in its place, and in the plan by its name:
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use synod_fault::nemesis::Nemesis;
//! use synod_fault::{Millis, Scenario};
//! use synod_live::console::{Console, Format};
//! use synod_live::guard::{Guard, Limits};
//! use synod_live::interrupt::Interrupt;
//! use synod_live::run::{RunConfig, run};
//! use synod_live::setup::SystemUnderTest;
//! use synod_live::system::System;
//! use synod_rng::Seed;
//! use synod_workload::{Workload, WorkloadName};
//!
//! let system = System::parse("mine.toml", &std::fs::read_to_string("mine.toml")?)?;
//! let (workload, seed, time) = (WorkloadName::Registers, Seed(7), Millis(10_000));
//! let calm = Scenario::calm(seed, 3, time);
//! let kills: Nemesis = "kill-one".parse()?;
//! let plan = Scenario {
//!     system: system.name.clone(),
//!     workload: Workload::name(&workload).to_owned(),
//!     nemesis: kills.name().to_owned(),
//!     faults: kills.plan(seed, &calm.node_ids(), time, system.transport),
//!     ..calm
//! };
//! let order = RunConfig {
//!     plan,
//!     workload: Arc::new(workload),
//!     under_test: SystemUnderTest {
//!         system,
//!         binary: Path::new("bin/mine").into(),
//!         here: Path::new(".").into(),
//!         guard: Guard::at("bin/synod-harness"),
//!         limits: Limits::default(),
//!         bridges: 1,
//!         attached: false,
//!     },
//!     runs: "runs".into(),
//!     keep: 10,
//!     reproduce: "cargo run".to_owned(),
//! };
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! let finished = runtime.block_on(async {
//!     let interrupt = Interrupt::listen().expect("signals can be listened to");
//!     run(&order, &interrupt, &mut Console::new(Format::Text)).await
//! })?;
//! println!("{}", finished.summary.verdict.word());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
