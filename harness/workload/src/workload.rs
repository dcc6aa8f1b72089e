//! What a run needs of a workload: requests, what is asked at the end, and a verdict.
//!
//! A run knows no operation by its name. It asks what it is told to, notes what is answered, and
//! hands the history to whoever knows what it means. The claim kept true: whether a run exercised
//! enough is counted in the same way for every workload, from [`KeyUse`]s.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use synod_checker::{Budget, Report};
use synod_history::{
    Action, Answer, Call, Calls, History, HistoryError, Operation, Request, Value,
};
use synod_rng::Seed;

use crate::Generation;

/// What the clients of a run do, and how that is judged.
///
/// [`WorkloadName`](crate::WorkloadName) has those that come with the harness. One of one's own
/// asks what it likes, as [`Request::Own`], and judges it by a model of its own.
///
/// # Examples
///
/// Clients draw numbers, which no two of them may be given:
///
/// ```
/// use std::collections::BTreeSet;
/// use std::path::Path;
/// use synod_checker::model::Model;
/// use synod_checker::{Budget, check_calls};
/// use synod_history::{Call, Calls, HistoryError, Request, Value};
/// use synod_rng::Seed;
/// use synod_workload::{KeyUse, Findings, Generation, RequestSource, Touch, Workload};
///
/// #[derive(Debug)]
/// struct Drawing;
///
/// impl Workload for Drawing {
///     fn name(&self) -> &str {
///         "drawing"
///     }
///
///     fn requests(&self, _: Seed, _client: u32, _keys: u32) -> Box<dyn RequestSource> {
///         Box::new(Draws)
///     }
///
///     fn final_requests(&self, _: &Path) -> Result<Vec<Request>, HistoryError> {
///         Ok(vec![draw()])
///     }
///
///     fn judge(&self, history: &Path, budget: Budget) -> Result<Findings, HistoryError> {
///         let calls = Calls::read_file(history)?;
///         let number = |call: &Call| match call.answer() {
///             Some(Value::Text(number)) => Some(Some(number.clone())),
///             _ => Some(None),
///         };
///         Ok(Findings {
///             report: check_calls(&calls, self, number, budget),
///             witness: None,
///             missing: Vec::new(),
///             unseen: calls.counts.eq(&Default::default()).then(|| "nobody drew".to_owned()),
///             uses: KeyUse::of_calls(&calls, |_| Touch { sees: true, changes: true }),
///         })
///     }
/// }
///
/// /// A number is drawn, in any order, and never again.
/// impl Model for Drawing {
///     type State = BTreeSet<String>;
///     type Operation = Option<String>;
///
///     fn initial(&self) -> Self::State {
///         BTreeSet::new()
///     }
///
///     fn step(&self, drawn: &Self::State, number: &Self::Operation) -> Option<Self::State> {
///         let mut after = drawn.clone();
///         number.iter().all(|number| after.insert(number.clone())).then_some(after)
///     }
///
///     fn only_observes(&self, number: &Self::Operation) -> bool {
///         number.is_none()
///     }
/// }
///
/// #[derive(Debug)]
/// struct Draws;
///
/// impl RequestSource for Draws {
///     fn next_request(&mut self, _: Generation) -> Request {
///         draw()
///     }
///
///     fn observe(&mut self, _: &Request, _: &Value) {}
/// }
///
/// fn draw() -> Request {
///     Request::Own { f: "draw".into(), key: "tickets".into(), argument: Value::Null }
/// }
///
/// let mut client = Drawing.requests(Seed(7), 0, 0);
/// assert_eq!(client.next_request(Generation(0)).f(), "draw");
/// ```
pub trait Workload: fmt::Debug + Send + Sync {
    /// Returns the name that the plan of a run gives it.
    fn name(&self) -> &str;

    /// Starts the requests of one client of a run: the same for ever for the same seed, client and
    /// keys. `keys` is how many keys of each kind are in use at a time; as many as the workload
    /// has, if it is 0.
    fn requests(&self, seed: Seed, client: u32, keys: u32) -> Box<dyn RequestSource>;

    /// Returns what is asked once the faults are healed, each until it is ok, so that what was
    /// acknowledged and lost shows. The history of the run so far is in a file.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if that cannot be read.
    fn final_requests(&self, history: &Path) -> Result<Vec<Request>, HistoryError>;

    /// Judges the history of a run, which is in a file, within a budget.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if it cannot be read.
    fn judge(&self, history: &Path, budget: Budget) -> Result<Findings, HistoryError>;
}

/// The requests of one client.
pub trait RequestSource: fmt::Debug + Send {
    /// Returns the next request, on the keys of the given generation or of a later one.
    fn next_request(&mut self, generation: Generation) -> Request;

    /// Notes what a request that ended well was answered.
    fn observe(&mut self, request: &Request, result: &Value);
}

/// What a history says.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The verdict.
    pub report: Report,
    /// The order that explains the history, as text for a file of the run, where there is one and
    /// it can be played again; see [`Linearization`](synod_checker::Linearization).
    pub witness: Option<String>,
    /// What was acknowledged and is gone, one sentence each.
    pub missing: Vec<String>,
    /// Why the history shows nothing that could have been wrong, if it does not.
    pub unseen: Option<String>,
    /// Which keys were used, and how.
    pub uses: Vec<KeyUse>,
}

/// One operation on a key, as far as it says how much a run exercised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The client.
    pub client: u32,
    /// The number of the key.
    pub key: u32,
    /// What it can show.
    pub touch: Touch,
    /// The position of its call among all events.
    pub called: u32,
    /// The position of its return; none if nobody knows whether it took effect.
    pub returned: Option<u32>,
    /// The time of the call, in nanoseconds since the start of the run.
    pub call_ns: u64,
    /// The time of the return; meaningless where there is none.
    pub return_ns: u64,
}

/// How an operation touches its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Whether it saw what another operation did: a value, an item.
    pub sees: bool,
    /// Whether it may have changed something.
    pub changes: bool,
}

impl KeyUse {
    /// Returns the operations of a history.
    #[must_use]
    pub fn of_history(history: &History) -> Vec<Self> {
        let key_use = |operation: &Operation| Self {
            client: operation.process,
            key: operation.key.0,
            touch: Touch {
                sees: matches!(operation.answer, Answer::Seen(Some(_))),
                changes: operation.action != Action::Read,
            },
            called: operation.called,
            returned: operation.returned,
            call_ns: operation.call_ns,
            return_ns: operation.return_ns,
        };
        history.operations.iter().map(key_use).collect()
    }

    /// Returns calls, of which `touch` says what each can show.
    #[must_use]
    pub fn of_calls(calls: &Calls, touch: impl Fn(&Call) -> Touch) -> Vec<Self> {
        let mut keys = BTreeMap::new();
        let mut uses = Vec::with_capacity(calls.calls.len());
        for call in &calls.calls {
            let next = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            uses.push(Self {
                client: call.client,
                key: *keys.entry(call.key.as_str()).or_insert(next),
                touch: touch(call),
                called: call.called,
                returned: call.returned(),
                call_ns: call.call_ns,
                return_ns: call.end.as_ref().map_or(call.call_ns, |end| end.return_ns),
            });
        }
        uses
    }
}
