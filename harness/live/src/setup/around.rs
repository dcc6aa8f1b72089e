//! What a description has run around a run: `setup` before all else, `stop`, `teardown` after all.
//!
//! How a command is run is left to `errand`, and how nodes are stopped to `cluster`. The claim kept
//! true: what was set up is torn down however the run ends, and what that did not do is told.

use std::path::PathBuf;
use std::time::Duration;

use synod_fault::{NodeId, Scenario};

use super::{SetupError, SystemUnderTest};
use crate::cluster::{STOP_LIMIT, StopCommand};
use crate::errand::{Errand, ErrandFailed};
use crate::folder::{CONFIG, DATA, NODES, RunFolder};
use crate::kin::{Mark, Owner, await_marked, end_marked};
use crate::system::{Arg, Placeholders, ScopedCommand, System, SystemError, Variables};

impl SystemUnderTest {
    /// Lets the system make what a run needs around it, of the cluster and then of each node.
    pub(super) async fn set_up(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
    ) -> Result<(), SetupError> {
        let commands = self.around("set-up", &self.system.setup, &self.system.env.setup);
        if let Some(errand) = commands.of_cluster(plan, folder)? {
            errand.run(&self.guard).await?;
        }
        for node in plan.node_ids() {
            let Some(errand) = commands.of_node(plan, folder, node)? else { continue };
            let io = |source| SetupError::Io { what: "make a node's folder", source };
            folder.inner(&format!("{NODES}/{node}")).map_err(io)?;
            errand.run(&self.guard).await?;
        }
        Ok(())
    }

    /// Takes away what was set up, of each node and then of the cluster, and kills what commands of
    /// the description have started and left. Returns what did not go as it should, one sentence
    /// each. Call it once all nodes and bridges have ended, however far the run came.
    pub async fn tear_down(&self, plan: &Scenario, folder: &RunFolder) -> Vec<String> {
        let System { setup, stop, teardown, .. } = &self.system;
        // What the harness did not set up is not its to take away.
        if self.attached {
            return Vec::new();
        }
        if [setup, stop, teardown].into_iter().all(ScopedCommand::is_none) {
            return Vec::new();
        }
        // Who is about to die of a signal may still hold what is to be taken away.
        let mark = Mark::of_run(folder.path());
        end_marked(&mark, |owner| owner != Owner::Errand).await;
        let mut told = Vec::new();
        let commands = self.around("tear-down", &self.system.teardown, &self.system.env.teardown);
        let of_nodes = plan.node_ids().into_iter().map(|node| commands.of_node(plan, folder, node));
        // Those of the nodes are run together, so that one that hangs does not hold up the others.
        let mut begun = Vec::new();
        for errand in of_nodes {
            match errand {
                Ok(errand) => begun.extend(errand.map(|errand| errand.begin(&self.guard))),
                Err(error) => told.push(error.to_string()),
            }
        }
        for errand in begun {
            told.extend(errand.end().await.err().map(|failed| failed.told()));
        }
        match commands.of_cluster(plan, folder) {
            Ok(None) => {}
            Ok(Some(errand)) => {
                told.extend(errand.run(&self.guard).await.err().map(|failed| failed.told()));
            }
            Err(error) => told.push(error.to_string()),
        }
        // What the tear-down has just sent a signal may be about to go.
        await_marked(&mark, |owner| owner == Owner::Errand).await;
        let left =
            end_marked(&mark, |owner| owner == Owner::Errand).await.into_iter().take(TOLD_MAX);
        told.extend(left.map(|(pid, name)| {
            format!(
                "process {pid} ({name}), which a command of the description had started, was left \
                 after the tear-down; it was killed"
            )
        }));
        told
    }

    /// Makes the command that stops the cluster as a whole, if there is one.
    pub(super) fn stop_of_cluster(
        &self,
        gaps: &Placeholders,
        folder: &RunFolder,
    ) -> Result<Option<Errand>, SystemError> {
        let Some(words) = &self.system.stop.cluster else { return Ok(None) };
        let gaps = gaps.clone().with("run", folder.path());
        Ok(Some(Errand {
            what: "the stop of the cluster".to_owned(),
            launch: gaps.fill(words)?,
            variables: gaps.fill_variables(&self.system.env.stop)?,
            home: folder.file("stop/cluster"),
            run: folder.path().to_owned(),
            limit: STOP_LIMIT,
        }))
    }

    /// Gives the command that stops a node, if there is one.
    pub(super) fn stop_of_node(
        &self,
        node: NodeId,
        gaps: Placeholders,
        folder: &RunFolder,
    ) -> Option<StopCommand> {
        let words = self.system.stop.node.clone()?;
        let run = folder.path().to_owned();
        Some(StopCommand {
            gaps: gaps.with("run", &run),
            words,
            variables: self.system.env.stop.clone(),
            home: folder.file(&format!("stop/{node}")),
            run,
        })
    }

    fn around<'a>(
        &'a self,
        what: &'static str,
        commands: &'a ScopedCommand,
        variables: &'a Variables,
    ) -> Around<'a> {
        Around { under_test: self, what, commands, variables }
    }
}

/// The commands of one kind, which know of no addresses.
struct Around<'a> {
    under_test: &'a SystemUnderTest,
    what: &'static str,
    commands: &'a ScopedCommand,
    variables: &'a Variables,
}

impl Around<'_> {
    fn of_cluster(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
    ) -> Result<Option<Errand>, SystemError> {
        let Some(words) = &self.commands.cluster else { return Ok(None) };
        let gaps = self.gaps(plan, folder);
        let what = format!("the {} of the cluster", self.what);
        self.errand(what, words, &gaps, folder, "cluster").map(Some)
    }

    fn of_node(
        &self,
        plan: &Scenario,
        folder: &RunFolder,
        node: NodeId,
    ) -> Result<Option<Errand>, SystemError> {
        let Some(words) = &self.commands.node else { return Ok(None) };
        let data = folder.file(&format!("{NODES}/{node}")).join(DATA);
        let gaps = self.gaps(plan, folder).with("node", node.to_string()).with("data", data);
        let what = format!("the {} of node {node}", self.what);
        self.errand(what, words, &gaps, folder, &node.to_string()).map(Some)
    }

    fn gaps(&self, plan: &Scenario, folder: &RunFolder) -> Placeholders {
        let gaps = self.under_test.gaps(&folder.file(CONFIG));
        gaps.with("nodes", plan.nodes.to_string()).with("run", folder.path())
    }

    fn errand(
        &self,
        what: String,
        words: &[Arg],
        gaps: &Placeholders,
        folder: &RunFolder,
        of: &str,
    ) -> Result<Errand, SystemError> {
        let home: PathBuf = folder.file(self.what).join(of);
        Ok(Errand {
            what,
            launch: gaps.fill(words)?,
            variables: gaps.fill_variables(self.variables)?,
            home,
            run: folder.path().to_owned(),
            limit: AROUND_LIMIT,
        })
    }
}

impl From<ErrandFailed> for SetupError {
    fn from(ErrandFailed { what, how, tail }: ErrandFailed) -> Self {
        Self::Failed { what, how, tail }
    }
}

/// Processes that are told of; more say it again.
const TOLD_MAX: usize = 10;

/// How long a command that sets up or tears down may take.
const AROUND_LIMIT: Duration = Duration::from_secs(30);
