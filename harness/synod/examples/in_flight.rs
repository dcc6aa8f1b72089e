//! How many batches of records in flight are best: figures for `BATCHES_IN_FLIGHT_MAX`.
//!
//! Three nodes in virtual time, without faults, with disks whose syncs take so long, under so many
//! clients that never rest; printed is how many operations are answered in a second, and how long
//! one takes on average. `cargo run --release -p synod-simulated --example in_flight`.
#![allow(clippy::print_stdout, reason = "an example speaks")]

use synod_fault::{Conditions, Millis, Scenario};
use synod_rng::Seed;
use synod_simulated::cluster::Cluster;
use synod_simulated::tuning::Tuning;
use synod_simulator::{Micros, Simulation};

/// For how long each is measured.
const TIME_MS: u64 = 10_000;

fn main() {
    println!("sync at most, clients: operations a second and mean milliseconds of 1, 2, 4 batches");
    for sync_us in [200, 2_000, 10_000, 40_000] {
        for clients in [1, 16, 128] {
            let figures = [1, 2, 4].map(|batches| measure(sync_us, clients, batches));
            let shown =
                figures.map(|(each_second, mean_ms)| format!("{each_second:>6.0} {mean_ms:>7.2}"));
            println!("{sync_us:>6} us {clients:>4}: {}", shown.join("  |  "));
        }
    }
}

fn measure(sync_us: u64, clients: u32, batches: usize) -> (f64, f64) {
    let plan = Scenario {
        clients,
        rest_ms: Millis(0),
        timeout_ms: Millis(10_000),
        conditions: Conditions { sync_us, ..Conditions::default() },
        ..Scenario::calm(Seed(1), 3, Millis(TIME_MS))
    };
    let mut tuning = Tuning::usual(&plan);
    tuning.segment_bytes = 64 << 20;
    tuning.settings.commit_bytes = 8 << 20;
    tuning.settings.batches_in_flight = batches;
    let mut simulation = Simulation::new(&plan, Cluster::new(&plan, tuning));
    let (cluster, world) = simulation.parts();
    cluster.begin(world);
    let ended = simulation.run_until(Micros::from_ms(TIME_MS));
    assert_eq!(ended, Ok(()), "a run without faults");
    let answered = simulation.system.outcomes().ok as f64;
    let seconds = TIME_MS as f64 / 1_000.0;
    (answered / seconds, f64::from(clients) * TIME_MS as f64 / answered)
}
