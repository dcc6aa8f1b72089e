//! Backups by simulated clients: the shipped client of a backup, during whatever goes wrong.
//!
//! When one begins is drawn here; what it asks for and keeps is the client's own. The claims kept
//! true are invariants: a backup that is whole is the state that all nodes come to at its slot, and
//! has all that any client was answered before it began; and who may not read all is given nothing.

use std::path::Path;

use synod_host::backup::{
    BackupAct, BackupClient, BackupError, BackupOptions, BackupState, Summary,
};
use synod_host::journal::SimDisk;
use synod_paxos::{NodeId, Slot};
use synod_simulator::Micros;
use synod_smr::client::Millis;
use synod_smr::{ClientId, NoPart, Opening, Refusal, Request, RequestId, Response};

use super::{SimClient, name_of};
use crate::chosen_states::READER;
use crate::coverage::Point;
use crate::kv_model::KvModel;
use crate::machine::{SimWorld, Wakeup};
use crate::monitor::Monitor;

/// Tells whether a request is one of a backup.
pub(super) const fn is_of_backup(id: RequestId) -> bool {
    id.0 >= BACKUP && id.0 < 2 * BACKUP
}

/// The backups of one client, one after the other.
#[derive(Debug, Default)]
pub(super) struct Backups {
    under_way: Option<UnderWay>,
    count: u64,
    /// Which timer counts: the last.
    timer: u64,
    asked: u64,
}

#[derive(Debug)]
struct UnderWay {
    client: BackupClient<KvModel, SimDisk>,
    disk: SimDisk,
    /// The question that is out.
    out: Option<(NodeId, RequestId)>,
    /// How many commands any client was answered before.
    answered_before: usize,
    /// How far it had come, at most.
    slot: Option<Slot>,
}

impl SimClient {
    /// Draws when the client makes its next backup, if it makes any.
    pub fn await_backup(&mut self, world: &mut SimWorld) {
        if self.backups.is_none() || self.stopped {
            return;
        }
        let length = world.chance().between(1, BETWEEN_MS_MAX);
        self.set_backup_timer(length, world);
    }

    fn set_backup_timer(&mut self, ms: u64, world: &mut SimWorld) {
        let address = self.address();
        let Some(backups) = &mut self.backups else { return };
        backups.timer += 1;
        // At least one, so that time goes on.
        let length = Micros::from_ms(ms.max(1));
        world.set_timer(address, Wakeup::Backup(backups.timer), length);
    }

    /// The timer of the backup rings: it is to begin, to go on, or has no answer.
    pub(super) fn on_backup_timer(
        &mut self,
        number: u64,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        let now = Millis(world.now().ms());
        let (name, nodes, is_over) = (self.number, self.nodes.clone(), self.stopped);
        let Some(backups) = self.backups.as_mut().filter(|backups| backups.timer == number) else {
            return;
        };
        if is_over {
            backups.under_way = None;
            return;
        }
        match &mut backups.under_way {
            Some(under_way) => {
                if under_way.out.take().is_some() {
                    under_way.client.on_answer(now, Err("no answer".to_owned()));
                }
            }
            None => {
                backups.count += 1;
                let disk = SimDisk::new(backups.count);
                let client = u128::from(name) << 64 | u128::from(backups.count);
                let options = BackupOptions {
                    nodes,
                    opening: Opening::first(ClientId::new(1 << 120 | client)),
                    cluster: "simulation".to_owned(),
                    path: Path::new("backup").to_owned(),
                    patience_ms: PATIENCE_MS,
                };
                let client = BackupClient::new(options, disk.clone(), KvModel::default(), now);
                let answered_before = monitor.chosen.answered();
                let (out, slot) = (None, None);
                let under_way = UnderWay { client, disk, out, answered_before, slot };
                backups.under_way = Some(under_way);
            }
        }
        self.go_on_with_backup(world, monitor);
    }

    /// A node answers a question of the backup.
    pub(super) fn on_backup_answer(
        &mut self,
        from: NodeId,
        id: RequestId,
        response: Response,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        let reads = name_of(self.number) == READER;
        match &response {
            Response::Snapshot { .. } if !reads => {
                let detail = format!("node {from} gives client {} a part", self.number);
                monitor.report("reads-all", detail);
            }
            Response::Refused(Refusal::NotAllowed) if reads => {
                let detail = format!("node {from} gives client {} nothing", self.number);
                monitor.report("reads-all", detail);
            }
            Response::Refused(Refusal::NotAllowed) => {
                monitor.tracker.see(Point::BackupNotAllowed);
            }
            Response::Refused(Refusal::NoPart { why: NoPart::Held, .. }) => {
                monitor.tracker.see(Point::BackupHeldOff);
            }
            Response::Refused(Refusal::NoPart { why: NoPart::Taking, .. }) => {
                monitor.tracker.see(Point::BackupAwaitsSnapshot);
            }
            Response::Snapshot { .. }
            | Response::Refused(_)
            | Response::Opened(_)
            | Response::Reply(_)
            | Response::Uncertain { .. }
            | Response::Status(_) => {}
        }
        let now = Millis(world.now().ms());
        let Some(under_way) = self.backups.as_mut().and_then(|all| all.under_way.as_mut()) else {
            return;
        };
        // What comes for an earlier question was given up.
        if under_way.out != Some((from, id)) {
            return;
        }
        under_way.out = None;
        under_way.client.on_answer(now, Ok(response));
        let slot = under_way.client.progress_made().map(|made| made.slot);
        if under_way.slot.is_some() && slot != under_way.slot {
            monitor.tracker.see(Point::BackupBegunAnew);
        }
        under_way.slot = slot;
        self.go_on_with_backup(world, monitor);
    }

    /// Does what the backup wants to be done.
    fn go_on_with_backup(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        loop {
            let now = Millis(world.now().ms());
            let Some(backups) = &mut self.backups else { return };
            let Some(under_way) = &mut backups.under_way else { return };
            match under_way.client.next(now) {
                BackupAct::Rest(until) => return self.set_backup_timer(until.0 - now.0, world),
                BackupAct::Ask { node, body, within_ms } => {
                    backups.asked += 1;
                    let id = RequestId(BACKUP + backups.asked);
                    under_way.out = Some((node, id));
                    if self.hindrance(node, world).is_none() {
                        self.send(node, &Request { id, body }, world);
                        return self.set_backup_timer(within_ms, world);
                    }
                    let Some(backups) = &mut self.backups else { return };
                    let Some(under_way) = &mut backups.under_way else { return };
                    under_way.out = None;
                    under_way.client.on_answer(now, Err("not connected".to_owned()));
                }
                BackupAct::Ended(ended) => {
                    if let Some(under_way) = backups.under_way.take() {
                        self.judge_backup(ended, under_way, monitor);
                    }
                    return self.await_backup(world);
                }
            }
        }
    }

    fn judge_backup(
        &self,
        ended: Result<Summary, BackupError>,
        under_way: UnderWay,
        monitor: &mut Monitor,
    ) {
        let UnderWay { client, disk, answered_before, .. } = under_way;
        // It has the folder locked.
        drop(client);
        match ended {
            Ok(summary) => {
                monitor.tracker.see(Point::BackupMade);
                let read = BackupState::read(disk, Path::new("backup"), KvModel::default());
                let judged = match read {
                    Ok(backup) if *backup.summary() == summary => {
                        monitor.chosen.judge(&backup, answered_before)
                    }
                    Ok(backup) => Err(format!("{summary:?} was read as {:?}", backup.summary())),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(detail) = judged {
                    monitor.report("backed-up-is-chosen", detail);
                }
            }
            Err(BackupError::Silence { .. } | BackupError::Restarted(_)) => {
                monitor.tracker.see(Point::BackupGivenUp);
            }
            Err(BackupError::NotAllowed(_)) if name_of(self.number) != READER => {}
            Err(error) => monitor.report("backed-up-is-chosen", error.to_string()),
        }
    }
}

/// The numbers of a backup's requests; a client's own requests never get so far.
const BACKUP: u64 = 1 << 61;

/// For how long nodes may give a backup nothing new.
const PATIENCE_MS: u64 = 4_000;

/// How long a client rests between two backups at most.
const BETWEEN_MS_MAX: u64 = 4_000;
