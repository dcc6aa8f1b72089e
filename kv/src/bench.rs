//! `synod-kv bench`: a closed loop of logical clients, with throughput and latency.
//!
//! Each client has one operation open and sends the next when it is answered. Clients share at
//! most as many connections as asked for. An operation that failed is counted and not timed; the
//! time before the first answer of each client is left out.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use synod_node::{Client, ClientError};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::cli::{BenchArgs, BenchOperation};
use crate::client::{KvError, KvSession, client_config};
use crate::command::{Blob, Command, Query, Reply};
use crate::config::ClientConfig;
use crate::histogram::Histogram;

/// What one measurement has shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// What was measured.
    pub operation: &'static str,
    /// How many logical clients there were.
    pub clients: u32,
    /// How many connections they shared.
    pub connections: u32,
    /// How long a value was, in bytes.
    pub value_bytes: u32,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Operations that were answered.
    pub operations: u64,
    /// Operations that failed, certainly or not.
    pub failures: u64,
    /// Operations answered in a second.
    pub operations_per_second: f64,
    /// Half of the operations took at most this long, in milliseconds.
    pub p50_ms: f64,
    /// All but one in a hundred took at most this long, in milliseconds.
    pub p99_ms: f64,
    /// The longest took this long, in milliseconds.
    pub max_ms: f64,
}

/// Measures with one number of clients.
///
/// # Errors
///
/// When there can be no client, or the cluster does not answer at the start.
pub async fn measure(
    config: &ClientConfig,
    args: &BenchArgs,
    clients: u32,
) -> Result<Measurement, BenchError> {
    // A connection that no client uses would be counted in the result and carry nothing.
    let connections = args.connections.min(clients);
    let settings = client_config(config);
    let hubs: Result<Vec<Client>, ClientError> =
        (0..connections).map(|_| Client::connect(&settings)).collect();
    let hubs = hubs?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let mut workers = Vec::new();
    for number in 0..clients {
        let hub = &hubs[(number % connections) as usize];
        let worker = Worker {
            session: KvSession::new(hub, config.timeout),
            operation: args.operation,
            keys: args.keys,
            value: vec![b'v'; args.value_bytes as usize],
            // The multiples of this constant lie far apart, so that the clients draw other keys.
            draws: u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            tally: Rc::clone(&tally),
        };
        workers.push(worker);
    }
    // The first answers open the sessions and find the leader; they are not measured.
    let mut ready = Vec::new();
    for mut worker in workers {
        if let Err(error) = worker.operate().await {
            let connection_errors = hubs[ready.len() % hubs.len()].connection_errors();
            return Err(BenchError::Kv { error, connection_errors });
        }
        ready.push(worker);
    }
    let local = LocalSet::new();
    let begin = Instant::now();
    let until = begin + Duration::from_secs(args.seconds);
    for worker in ready {
        local.spawn_local(worker.run(until));
    }
    local.await;
    let seconds = begin.elapsed().as_secs_f64();
    let tally = tally.borrow();
    Ok(tally.measurement(args, clients, connections, seconds))
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// There is no client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster does not answer.
    #[error("{error}")]
    Kv {
        /// How the first operation ended.
        error: KvError,
        /// Which nodes could not be talked to, and why.
        connection_errors: String,
    },
}

#[derive(Default)]
struct Tally {
    histogram: Histogram,
    failures: u64,
}

impl Tally {
    #[allow(clippy::cast_precision_loss, reason = "counts of seconds are far below 2^53")]
    fn measurement(
        &self,
        args: &BenchArgs,
        clients: u32,
        connections: u32,
        seconds: f64,
    ) -> Measurement {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let operations = self.histogram.count();
        Measurement {
            operation: match args.operation {
                BenchOperation::Put => "put",
                BenchOperation::Get => "get",
            },
            clients,
            connections,
            value_bytes: args.value_bytes,
            seconds,
            operations,
            failures: self.failures,
            operations_per_second: operations as f64 / seconds,
            p50_ms: ms(self.histogram.quantile(0.5)),
            p99_ms: ms(self.histogram.quantile(0.99)),
            max_ms: ms(self.histogram.max()),
        }
    }
}

struct Worker {
    session: KvSession,
    operation: BenchOperation,
    keys: u64,
    value: Vec<u8>,
    draws: u64,
    tally: Rc<RefCell<Tally>>,
}

impl Worker {
    async fn run(mut self, until: Instant) {
        while Instant::now() < until {
            let begin = Instant::now();
            let outcome = self.operate().await;
            let mut tally = self.tally.borrow_mut();
            match outcome {
                Ok(()) => tally.histogram.record(begin.elapsed()),
                Err(_) => tally.failures += 1,
            }
        }
    }

    async fn operate(&mut self) -> Result<(), KvError> {
        self.draws = self.draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // The low bits of such a generator repeat soon, so the high ones are taken.
        // 16 bytes, as the peers were measured with.
        let key = format!("key-{:012}", (self.draws >> 33) % self.keys);
        let key = Blob(key.as_bytes());
        let answer = match self.operation {
            BenchOperation::Put => {
                let value = Blob(&self.value);
                self.session.command(&Command::Put { key, value }).await?
            }
            BenchOperation::Get => self.session.query(&Query::Get { key }).await?,
        };
        match answer.reply()? {
            Reply::Rejected(rejection) => Err(KvError::NotApplied(rejection.to_string())),
            Reply::Written
            | Reply::Deleted { .. }
            | Reply::Compared { .. }
            | Reply::Number(_)
            | Reply::Length(_)
            | Reply::Value(_)
            | Reply::Entries { .. } => Ok(()),
        }
    }
}
