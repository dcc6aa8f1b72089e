//! Points of processes and disks: how lives end, and what the next one finds.

use synod_paxos::NodeId;
use synod_simulator::Micros;
use synod_smr::{Disk, Record};

use super::tracker::{NodeView, View, place};
use super::{HitCounts, Point};
use crate::journal_thread::{Found, Unsynced};
use crate::step::Step;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A fault of the plan ended it.
    Crash,
    /// Its disk could not sync.
    SyncError,
    /// Its disk could not write.
    WriteError,
    /// Its disk failed it while it recovered.
    OpenError,
    /// It found its journal damaged.
    Ruined,
    /// It had been asked to.
    Retired,
    /// It was found to have another folder than it had.
    Refused,
}

/// Who looks at machines.
#[derive(Debug)]
pub(super) struct Machines {
    /// The last ends of each node, the latest first.
    ends: Vec<[Option<Micros>; 3]>,
}

impl Machines {
    pub(super) fn new(count: usize) -> Self {
        Self { ends: vec![[None; 3]; count] }
    }

    pub(super) fn on_recovery(
        &self,
        node: NodeId,
        found: &Found,
        view: &View,
        seen: &mut HitCounts,
    ) {
        let lucky = &found.records[found.vouched..];
        let written = found.unvouched > 0;
        seen.see_if(written && lucky.is_empty(), Point::NothingSurvived);
        seen.see_if(written && lucky.len() == found.unvouched, Point::AllSurvived);
        let is_vote = |record: &Record| matches!(record, Record::Accepted { .. });
        seen.see_if(lucky.iter().any(is_vote), Point::VoteSurvived);
        seen.see_if(found.cut_bytes > 0, Point::TailCut);
        // The first start of a cluster is always among few, and says nothing.
        let restarts = self.ends[place(node)][0].is_some();
        let few = (view.up() + 1) * 2 <= view.count();
        seen.see_if(restarts && few, Point::StartAmongFew);
    }

    pub(super) fn on_step(step: &Step<'_>, view: &View, seen: &mut HitCounts) {
        seen.see_if(step.records.len() > LONG_BATCH, Point::LongBatch);
        match (step.before.disk, step.after.disk) {
            (Disk::Fine, Disk::Full) => {
                seen.see_if(step.before.leads.is_some(), Point::LeaderLosesRoom);
                let mut others = view.others(step.node).peekable();
                let alone = others.peek().is_some() && others.all(|one| one.disk == Disk::Fine);
                seen.see_if(alone, Point::FullAlone);
            }
            (Disk::Full, Disk::Fine) => seen.see(Point::RoomAgain),
            (Disk::Fine, Disk::Fine) | (Disk::Full, Disk::Full) => {}
        }
    }

    /// A process ends; `before` tells how it was, and `view` has it down already.
    pub(super) fn on_end(
        &mut self,
        before: NodeView,
        end: End,
        unsynced: &Unsynced,
        now: Micros,
        view: &View,
        seen: &mut HitCounts,
    ) {
        match end {
            End::Crash => {}
            End::SyncError => seen.see(Point::SyncErrorEnds),
            End::WriteError => seen.see(Point::WriteErrorEnds),
            End::OpenError => seen.see(Point::RecoveryInterrupted),
            End::Ruined => return seen.see(Point::NodeRuined),
            End::Retired => return seen.see(Point::RetirementCompleted),
            End::Refused => return,
        }
        if let Some(stance) = before.stance {
            seen.see_if(stance.leads.is_some(), Point::CrashOfLeader);
            let is_candidate = stance.leads.is_none() && stance.ballot.is_some();
            seen.see_if(is_candidate, Point::CrashOfCandidate);
            seen.see_if(before.open > 0, Point::CrashWithOpenSlots);
        }
        seen.see_if(unsynced.promise, Point::CrashBeforeSyncOfPromise);
        seen.see_if(unsynced.vote, Point::CrashBeforeSyncOfVote);
        seen.see_if(unsynced.batches > 1, Point::CrashWithBatchWaiting);
        let ends = &mut self.ends[place(before.node)];
        *ends = [Some(now), ends[0], ends[1]];
        let three = ends[2].is_some_and(|third| now.since(third) <= ROW);
        seen.see_if(three, Point::ThreeCrashes);
        seen.see_if(view.up() == 0 && view.count() > 1, Point::AllDown);
    }
}

/// A batch of more records than this is a long one.
const LONG_BATCH: usize = 8;

/// Three ends within this time are three in a row.
const ROW: Micros = Micros(5_000_000);
