//! The end of a run: the history is judged, everything is summed up, the report is written.
//!
//! The history is read back from the file, so what is judged is what anybody can judge again. An
//! interrupt does not prevent a report: it only shortens the time that the judge has.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use synod_checker::{Budget, Report};
use synod_fault::NodeId;
use synod_history::OperationCounts;
use synod_report::{
    AfterHeal, Exercise, LeaderSpan, LinkCounts, NodeSummary, PlanSummary, RunSummary,
    SeenMessages, SpaceTime, Verdict,
};
use synod_workload::Findings;

use super::{RunConfig, RunError, json, spawn_blocking, write};
use crate::InjectedFault;
use crate::audit::Audit;
use crate::cluster::UnexpectedExit;
use crate::crashes::CrashLine;
use crate::engine::EngineTold;
use crate::exercise::measure;
use crate::folder::{self, RunFolder};
use crate::interrupt::Interrupt;
use crate::judge::{AskedOfNodes, Evidence, Nodes, checks, judge};
use crate::log_watch::WatchedLogs;

/// What is left of a run when its processes have ended.
#[derive(Debug)]
pub(crate) struct RunData {
    /// Whether the user ended it.
    pub(crate) interrupted: bool,
    /// When it began.
    pub(crate) began: SystemTime,
    /// How the operations ended.
    pub(crate) counts: OperationCounts,
    /// The faults that came and went.
    pub(crate) faults: Vec<InjectedFault>,
    /// What is known of the faults of another engine, if there is one.
    pub(crate) engine: Option<EngineTold>,
    /// Who led when.
    pub(crate) leaders: Vec<LeaderSpan>,
    /// States that differed.
    pub(crate) divergences: Vec<String>,
    /// When all was healed, in nanoseconds since the start.
    pub(crate) healed_ns: Option<u64>,
    /// The client that was silent for longest when all was healed, and for how many milliseconds.
    pub(crate) quiet: Option<(u32, u64)>,
    /// What was found after healing.
    pub(crate) after: Option<AfterHeal>,
    /// What the links did.
    pub(crate) links: Vec<LinkCounts>,
    /// The messages, as far back as they are remembered.
    pub(crate) messages: SeenMessages,
    /// The nodes.
    pub(crate) nodes: Vec<NodeSummary>,
    /// When their logs were how long.
    pub(crate) logs: WatchedLogs,
    /// Processes that ended by themselves.
    pub(crate) lone_exits: Vec<UnexpectedExit>,
    /// What witnesses saw of the whole run that lets nothing pass, one sentence each.
    pub(crate) doubts: Vec<String>,
    /// What the commands of the description around the run did not do, and who could not be ended
    /// with it, one sentence each.
    pub(crate) around: Vec<String>,
    /// Log lines that tell of a crash, and that no fault explains.
    pub(crate) crashes: Vec<CrashLine>,
    /// Proxies that nobody used.
    pub(crate) unused: Vec<String>,
    /// Why the cluster never served, if it did not.
    pub(crate) never_served: Option<String>,
    /// Whether the whole history is in its file.
    pub(crate) flushed: std::io::Result<()>,
}

/// What was found in what a run has left.
#[derive(Debug)]
pub(crate) struct Found {
    /// What the history shows and exercised, unless the user ended that.
    history: Option<(Findings, Exercise)>,
    /// What the system says of what its nodes left.
    audit: Audit,
}

/// Judges the history of a run, and has the system look at what its nodes left.
pub(crate) async fn look(
    order: &RunConfig,
    folder: &RunFolder,
    remains: &mut RunData,
    interrupt: &Interrupt,
) -> Result<Found, RunError> {
    let path = folder.file(folder::HISTORY);
    std::mem::replace(&mut remains.flushed, Ok(()))
        .map_err(|source| RunError::Write { path: path.clone(), source })?;
    write(&folder.file(folder::SCHEDULE), &json(&remains.faults))?;
    let audited = async {
        // The files of nodes that the harness did not start are not in the folder of the run.
        if remains.interrupted || remains.never_served.is_some() || order.under_test.attached {
            return Audit::NotAsked;
        }
        tokio::select! {
            audit = Audit::of(&order.under_test, folder.path()) => audit,
            () = interrupt.raised() => Audit::NotAsked,
        }
    };
    let history = judge_history(path, order, remains, interrupt);
    let (history, audit) = tokio::join!(history, audited);
    Ok(Found { history: history?, audit })
}

/// Sums a run up and writes its report.
pub(crate) async fn finish(
    order: &RunConfig,
    folder: &RunFolder,
    mut remains: RunData,
    Found { history: judged, audit }: Found,
    interrupt: &Interrupt,
) -> Result<RunSummary, RunError> {
    // The user may have asked while the history was judged.
    remains.interrupted |= interrupt.is_raised();
    // The last reads may all have been answered and not have found what was acknowledged.
    if let (Some((Findings { missing, .. }, _)), Some(after)) = (&judged, &mut remains.after)
        && after.acknowledged_present
    {
        after.acknowledged_present = missing.is_empty();
        after.findings.extend(missing.iter().take(MISSING_MAX).cloned());
    }
    let (mut checked, mut unseen, mut exercise) = (None, None, None);
    if let Some((found, exercised)) = judged {
        if let Some(witness) = &found.witness {
            write(&folder.file(folder::WITNESS), witness)?;
        }
        (checked, unseen) = (Some(found.report), found.unseen);
        exercise = Some(Exercise { quiet: remains.quiet, ..exercised });
    }
    let evidence = Evidence {
        plan: &order.plan,
        asked: AskedOfNodes::of(&order.under_test.system),
        nodes: if order.under_test.attached {
            Nodes::Attached(remains.engine.as_ref())
        } else {
            Nodes::Started(remains.engine.as_ref())
        },
        interrupted: remains.interrupted,
        report: checked.as_ref(),
        unseen: unseen.as_deref(),
        counts: remains.counts,
        exercise: exercise.as_ref(),
        thresholds: order.under_test.system.evidence,
        audit: &audit,
        faults: &remains.faults,
        leader_changes: remains.leaders.len().saturating_sub(1),
        lone_exits: &remains.lone_exits,
        doubts: &remains.doubts,
        around: &remains.around,
        crashes: &remains.crashes,
        divergences: &remains.divergences,
        after_heal: remains.after.as_ref(),
        unused: &remains.unused,
        never_served: remains.never_served.as_deref(),
    };
    let (verdict, reasons) = judge(&evidence);
    let checks = checks(&evidence);
    log_around(order, &mut remains, checked.as_ref());
    let summary = summarize(order, remains, checked, verdict, reasons);
    let summary = RunSummary { exercise, audit: audit.told(), checks, ..summary };
    write(&folder.file(folder::REPORT), &json(&summary))?;
    let path = folder.path().to_owned();
    spawn_blocking(move || Ok(synod_report::write(&path)?)).await?;
    Ok(summary)
}

/// Judges the history and counts what it exercised, unless the user ends that.
async fn judge_history(
    path: PathBuf,
    order: &RunConfig,
    remains: &RunData,
    interrupt: &Interrupt,
) -> Result<Option<(Findings, Exercise)>, RunError> {
    let time = if remains.interrupted { INTERRUPTED_BUDGET } else { Budget::default().time };
    let budget = Budget { time, ..Budget::default() };
    let (workload, plan) = (Arc::clone(&order.workload), order.plan.clone());
    let (faults, healed_ns) = (remains.faults.clone(), remains.healed_ns);
    let work = spawn_blocking(move || {
        let found = workload.judge(&path, budget)?;
        let exercise = measure(&found.uses, &faults, &plan, healed_ns);
        Ok((found, exercise))
    });
    let no_more = async {
        if !remains.interrupted {
            interrupt.raised().await;
        }
        // It has a moment more, as it may be about to end by itself.
        tokio::time::sleep(INTERRUPTED_BUDGET).await;
    };
    tokio::select! {
        judged = work => judged.map(Some),
        () = no_more => Ok(None),
    }
}

/// Reads what the nodes logged around the moments that tell of something wrong.
fn log_around(order: &RunConfig, remains: &mut RunData, checked: Option<&Report>) {
    let core = checked.and_then(Report::violation).into_iter().flat_map(|core| &core.operations);
    let mut moments: Vec<u64> =
        core.flat_map(|one| [Some(one.call_ns), one.return_ns]).flatten().collect();
    moments.extend(remains.crashes.iter().filter_map(|crash| remains.logs.time_of(crash)));
    let lives = remains.nodes.iter().flat_map(|node| &node.lives);
    moments.extend(lives.filter(|life| life.by_itself).filter_map(|life| life.end_ns));
    moments.sort_unstable();
    moments.dedup();
    // The last ones show what was found; those before them, what led there.
    let moments = &moments[moments.len().saturating_sub(MOMENTS_MAX)..];
    let patterns = order.under_test.system.crash_patterns();
    let most = (AROUND_LINES_MAX / remains.nodes.len().max(1)).max(AROUND_LINES_MIN);
    for node in &mut remains.nodes {
        node.around = remains.logs.around(NodeId(node.id), moments, patterns, most);
    }
}

fn summarize(
    order: &RunConfig,
    remains: RunData,
    checked: Option<Report>,
    verdict: Verdict,
    reasons: Vec<String>,
) -> RunSummary {
    let plan = &order.plan;
    let millis = |time: Duration| time.as_millis() as u64;
    let violation = checked.as_ref().and_then(Report::violation);
    RunSummary {
        verdict,
        reasons,
        checks: Vec::new(),
        seed: plan.seed.0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        system: plan.system.clone(),
        started_unix_ms: millis(remains.began.duration_since(UNIX_EPOCH).unwrap_or_default()),
        duration_ms: millis(remains.began.elapsed().unwrap_or_default()),
        reproduce: order.reproduce.clone(),
        plan: PlanSummary {
            nodes: plan.nodes,
            clients: plan.clients,
            time_s: plan.time_ms.0 / 1_000,
            workload: plan.workload.clone(),
            nemesis: plan.nemesis.clone(),
        },
        counts: remains.counts,
        exercise: None,
        audit: None,
        space_time: violation.and_then(|core| SpaceTime::around(core, &remains.messages)),
        violation: violation.cloned(),
        faults: remains.faults.into_iter().map(|happened| happened.span).collect(),
        leaders: remains.leaders,
        links: remains.links,
        after_heal: remains.after,
        nodes: remains.nodes,
        checker: checked.map(|report| report.checker),
    }
}

/// How long the judge has once the user wants to go.
const INTERRUPTED_BUDGET: Duration = Duration::from_millis(700);

/// Moments around which logs are read.
const MOMENTS_MAX: usize = 64;

/// Lines that are kept of what all nodes logged around them, and of one node at least.
const AROUND_LINES_MAX: usize = 300;
const AROUND_LINES_MIN: usize = 10;

/// Missing writes that are told; one is enough to condemn.
const MISSING_MAX: usize = 20;
