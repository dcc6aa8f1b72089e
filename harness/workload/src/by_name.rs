//! A workload that is known by its name, as a run takes it: requests of the generator, and the
//! verdict of the checker by the model of that name.

use std::path::Path;

use synod_checker::{Budget, Judgement, Linearization, Rules, check_history, shows_nothing};
use synod_history::{HistoryError, Request, jsonl};
use synod_rng::Seed;

use crate::{Findings, Generator, KeyUse, RequestSource, Workload, WorkloadName, missing_writes};

impl Workload for WorkloadName {
    fn name(&self) -> &str {
        (*self).name()
    }

    fn requests(&self, seed: Seed, client: u32, keys: u32) -> Box<dyn RequestSource> {
        Box::new(Generator::new(*self, seed, client).with_keys(keys))
    }

    fn final_requests(&self, history: &Path) -> Result<Vec<Request>, HistoryError> {
        Ok(self.final_reads(&jsonl::read_file(history)?))
    }

    fn judge(&self, history: &Path, budget: Budget) -> Result<Findings, HistoryError> {
        let history = jsonl::read_file(history)?;
        let report = check_history(&history, self.model(), budget);
        let witness = match &report.judgement {
            Judgement::Legal { witness } => {
                Some(Linearization::new(witness.clone()).written(&history))
            }
            Judgement::Illegal { .. } | Judgement::Unknown { .. } => None,
        };
        Ok(Findings {
            report,
            witness,
            missing: missing_writes(&history),
            unseen: shows_nothing(&history, &Rules::from(self.model())),
            uses: KeyUse::of_history(&history),
        })
    }
}
