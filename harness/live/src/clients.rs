//! The logical clients: each asks, waits for the outcome, rests, and asks again.
//!
//! What they ask follows from the seed; when, from the system under test. Each call is in the
//! history before it is sent, each outcome after it came.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use synod_fault::{NodeId, Scenario};
use synod_history::Request;
use synod_rng::{Random, Stream};
use synod_workload::{Generation, RequestSource, Workload};
use tokio::task::JoinSet;

use super::bridge::{Bridge, BridgeError, GRACE, Outcome};
use super::record::{LastHeard, Recorder};

/// All clients of a run.
#[derive(Debug)]
pub struct Clients {
    tasks: JoinSet<Result<(), BridgeError>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bridge: Arc<Bridge>,
    record: Arc<Recorder>,
    rest_ms: u64,
    keys: u32,
    calls: AtomicU64,
    stopped: AtomicBool,
}

impl Clients {
    /// Starts the clients of a plan.
    #[must_use]
    pub fn start(
        plan: &Scenario,
        workload: &dyn Workload,
        bridge: &Arc<Bridge>,
        record: &Arc<Recorder>,
    ) -> Self {
        let shared = Arc::new(Shared {
            bridge: Arc::clone(bridge),
            record: Arc::clone(record),
            rest_ms: plan.rest_ms.0,
            keys: plan.keys,
            calls: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for number in 0..plan.clients {
            let rests = Random::new(plan.seed, Stream::named("rests").part(u64::from(number)));
            let client = Client {
                number,
                limit: plan.patience_of(number).duration(),
                pin: plan.pin_of(number),
                requests: workload.requests(plan.seed, number, plan.keys),
                rests,
                shared: Arc::clone(&shared),
            };
            tasks.spawn(client.run());
        }
        Self { tasks, shared }
    }

    /// Waits until a client ends with an error; for ever, if none does.
    ///
    /// # Errors
    ///
    /// That error: the bridge is gone.
    pub async fn failed(&mut self) -> BridgeError {
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                return error;
            }
        }
        // Clients that ended in peace have not failed, and whoever waits here waits for a failure.
        std::future::pending().await
    }

    /// Lets every client finish its operation and waits for all of them.
    ///
    /// # Errors
    ///
    /// [`BridgeError`] if the bridge is gone.
    pub async fn stop(mut self) -> Result<(), BridgeError> {
        self.shared.stopped.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(ended) = ended {
                ended?;
            }
        }
        Ok(())
    }
}

/// Finds the client that has been silent for longest beyond what it may, at `now` on the recorder's
/// clock: one that waits may do so until its request is given up, and others rest. Its silence is
/// in milliseconds.
pub(crate) fn quietest(plan: &Scenario, record: &Recorder, now: Duration) -> Option<(u32, u64)> {
    let silence = |client: u32| {
        // One that never asked has been silent since the run began.
        let Some(LastHeard { at, waits }) = record.last_heard(client) else { return now };
        let rests = plan.rest_ms.duration() + REST_AFTER_REFUSAL;
        let may = if waits { plan.patience_of(client).duration() + GRACE } else { rests };
        now.saturating_sub(at + may)
    };
    let silences = (0..plan.clients).map(|client| (client, silence(client).as_millis() as u64));
    silences.max_by_key(|(_, silence)| *silence)
}

/// Makes requests, spread over the clients of a plan, each until it is ok. Returns those that were
/// not ok within the time.
///
/// # Errors
///
/// [`BridgeError`] if the bridge is gone.
pub async fn insist(
    requests: Vec<Request>,
    plan: &Scenario,
    bridge: &Arc<Bridge>,
    record: &Arc<Recorder>,
    within: Duration,
) -> Result<Vec<Request>, BridgeError> {
    let deadline = tokio::time::Instant::now() + within;
    let limit = plan.timeout_ms.duration();
    let clients = plan.clients.max(1);
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let mine: Vec<Request> =
            requests.iter().skip(client as usize).step_by(clients as usize).cloned().collect();
        let (bridge, record) = (Arc::clone(bridge), Arc::clone(record));
        let asker = Asker { client, pin: None };
        tasks.spawn(async move {
            let mut refused = Vec::new();
            for request in mine {
                let mut done = false;
                while !done && tokio::time::Instant::now() < deadline {
                    let outcome = ask(&bridge, &record, asker, &request, limit).await?;
                    done = matches!(outcome, Outcome::Ok(_));
                    if !done {
                        tokio::time::sleep(REST_AFTER_REFUSAL).await;
                    }
                }
                if !done {
                    refused.push(request);
                }
            }
            Ok(refused)
        });
    }
    let mut refused = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        if let Ok(ended) = ended {
            refused.extend(ended?);
        }
    }
    Ok(refused)
}

struct Client {
    number: u32,
    /// How long it waits for an outcome.
    limit: Duration,
    /// The node that it asks, whoever leads.
    pin: Option<NodeId>,
    requests: Box<dyn RequestSource>,
    rests: Random,
    shared: Arc<Shared>,
}

impl Client {
    async fn run(mut self) -> Result<(), BridgeError> {
        let shared = Arc::clone(&self.shared);
        while !shared.stopped.load(Ordering::Relaxed) {
            let calls = shared.calls.fetch_add(1, Ordering::Relaxed);
            let request = self.requests.next_request(Generation::after_on(calls, shared.keys));
            let Shared { bridge, record, .. } = &*shared;
            let asker = Asker { client: self.number, pin: self.pin };
            let outcome = ask(bridge, record, asker, &request, self.limit).await?;
            // Drawn whatever the outcome was, so that each run of a plan draws the same ones.
            let rest = Duration::from_millis(self.rests.between(0, shared.rest_ms));
            match outcome {
                Outcome::Ok(value) => {
                    self.requests.observe(&request, &value);
                    tokio::time::sleep(rest).await;
                }
                Outcome::Fail(_) | Outcome::Info(_) => {
                    tokio::time::sleep(rest + REST_AFTER_REFUSAL).await;
                }
            }
        }
        Ok(())
    }
}

/// Who asks, and whom.
#[derive(Clone, Copy, Debug)]
struct Asker {
    client: u32,
    /// The one node that is asked.
    pin: Option<NodeId>,
}

async fn ask(
    bridge: &Bridge,
    record: &Recorder,
    asker: Asker,
    request: &Request,
    limit: Duration,
) -> Result<Outcome, BridgeError> {
    let Asker { client, pin } = asker;
    record.call(client, pin, request);
    let outcome = bridge.call(client, pin, request, limit).await?;
    record.end(client, pin, request, &outcome);
    Ok(outcome)
}

/// How much longer a client rests after an operation that was not ok.
const REST_AFTER_REFUSAL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use synod_fault::Millis;
    use synod_rng::Seed;

    #[test]
    fn a_client_is_silent_from_when_it_should_have_gone_on() {
        let name = format!("synod-quiet-{}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        drop(std::fs::remove_file(&path));
        let record = Recorder::create(&path, Instant::now()).expect("a new file");
        let plan = Scenario { clients: 3, ..Scenario::calm(Seed(1), 3, Millis(1_000)) };
        let read = Request::Read { key: "k".to_owned() };
        (0..3).for_each(|client| record.call(client, None, &read));
        record.end(1, None, &read, &Outcome::Info("late".to_owned()));
        let heard = |client| record.last_heard(client).expect("it called");
        assert!(heard(0).waits && !heard(1).waits && record.last_heard(9).is_none());
        let may = plan.rest_ms.duration() + REST_AFTER_REFUSAL;
        // Who waits may do so for seconds; who had an answer asks again.
        let quiet = quietest(&plan, &record, heard(1).at + may + Duration::from_millis(700));
        assert_eq!(quiet, Some((1, 700)));
        let four = Scenario { clients: 4, ..plan };
        let never = quietest(&four, &record, Duration::from_secs(9));
        assert_eq!(never, Some((3, 9_000)), "a client that never asked");
        std::fs::remove_file(&path).expect("it was made above");
    }
}
