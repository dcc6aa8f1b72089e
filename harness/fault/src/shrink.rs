//! The search for a smaller failure: fewer faults, calmer links, fewer clients, a shorter run.
//!
//! Each candidate is run, by whichever world it failed in; it is taken if it still fails in the
//! same way, and what that is the world says. Faults go first, in halves, then quarters, then one
//! by one (delta debugging, Zeller and Hildebrandt, 2002). As dice are drawn by link and packet
//! number, what is left of a plan behaves much as it did.

use crate::nemesis::Nemesis;
use crate::{LinkRules, Millis, PartsPerMillion, PlannedFault, Scenario};

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest plan that still fails in the same way.
    pub plan: Scenario,
    /// How many runs it took.
    pub runs: u32,
}

/// Makes a plan smaller as long as it fails in the same way, which `fails` tells by running it. At
/// most `runs_max` candidates are run.
///
/// Every draw of the plan is made first: a fault that is shorter, or stands alone at its time,
/// would have other dice, and hit others than in the run that failed.
pub fn shrink(plan: &Scenario, runs_max: u32, mut fails: impl FnMut(&Scenario) -> bool) -> Shrunk {
    let mut search = Search { plan: plan.drawn(), runs: 0, runs_max, fails: &mut fails };
    // Time goes first, as every later try then takes less of it.
    search.cut_time();
    search.drop_faults();
    search.calm();
    search.drop_clients();
    // With calm links and fewer clients, faults may be superfluous that were not before.
    search.drop_faults();
    search.shorten_faults();
    search.cut_time();
    Shrunk { plan: search.plan, runs: search.runs }
}

struct Search<'a> {
    plan: Scenario,
    runs: u32,
    runs_max: u32,
    fails: &'a mut dyn FnMut(&Scenario) -> bool,
}

impl Search<'_> {
    /// Takes a change of the plan if it still fails with it.
    fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.plan.clone();
        change(&mut candidate);
        if candidate.faults.is_empty() {
            // A plan without faults says that it wants none, or no world would run it.
            candidate.nemesis = Nemesis::Calm.name().to_owned();
        }
        // A change that changes nothing counts as one that was not taken: it is what ends those who
        // try again as long as it is.
        if candidate == self.plan || self.runs >= self.runs_max {
            return false;
        }
        self.runs += 1;
        let taken = (self.fails)(&candidate);
        if taken {
            self.plan = candidate;
        }
        taken
    }

    fn drop_faults(&mut self) {
        let mut size = self.plan.faults.len().div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < self.plan.faults.len() {
                let end = (start + size).min(self.plan.faults.len());
                // What is left out makes room for the faults behind it, so that the place stays the
                // same.
                if !self.attempt(|plan| {
                    plan.retain_faults(|place, _| !(start..end).contains(&place));
                }) {
                    start = end;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    fn calm(&mut self) {
        self.attempt(|plan| plan.conditions.clock_ppm.fill(0));
        self.attempt(|plan| plan.pinned = PartsPerMillion(0));
        self.attempt(|plan| plan.conditions.client_links = LinkRules::default());
        self.attempt(|plan| {
            plan.conditions.links =
                LinkRules { jitter_ms: plan.conditions.links.jitter_ms, ..LinkRules::default() };
        });
        self.attempt(|plan| plan.conditions.links = LinkRules::default());
    }

    fn drop_clients(&mut self) {
        while self.plan.clients > 1 && self.attempt(|plan| plan.clients -= 1) {}
    }

    fn shorten_faults(&mut self) {
        for index in 0..self.plan.faults.len() {
            // What is left can be read again, and no scenario has a fault of which nothing comes.
            let halve = |fault: &mut PlannedFault| {
                let least = u64::from(fault.action.takes_time()).min(fault.lasts_ms.0);
                fault.lasts_ms = Millis((fault.lasts_ms.0 / 2).max(least));
            };
            while self.attempt(|plan| halve(&mut plan.faults[index])) {}
        }
    }

    /// Ends the run sooner, by halves and then by tenths.
    fn cut_time(&mut self) {
        for (part, whole) in [(1, 2), (9, 10)] {
            while self.attempt(|plan| {
                // A run without time is none.
                let time = (plan.time_ms.0 * part / whole).max(1);
                plan.time_ms = Millis(time);
                plan.retain_faults(|_, fault| fault.at_ms.0 < time);
            }) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::{SwarmConfig, draw};
    use crate::{Action, NodeId, PartsPerMillion, Target};
    use synod_rng::Seed;

    #[test]
    fn a_failure_that_needs_two_faults_is_cut_down_to_them() {
        let plan = (0..100).map(|seed| draw(Seed(seed), &SwarmConfig::default())).find(|plan| {
            let crashes = plan.faults.iter().filter(|fault| is_crash(fault));
            crashes.count() >= 2 && plan.faults.len() > 10
        });
        let plan = plan.expect("some seed of a hundred has two crashes");
        let needs_two = |plan: &Scenario| plan.faults.iter().filter(|f| is_crash(f)).count() >= 2;
        let shrunk = shrink(&plan, 200, needs_two);
        assert_eq!(shrunk.plan.faults.len(), 2, "{:#?}", shrunk.plan.faults);
        assert!(shrunk.plan.faults.iter().all(is_crash));
        assert_eq!(shrunk.plan.clients, 1);
        assert_eq!(shrunk.plan.seed, plan.seed, "the dice stay the same");
        assert!(shrunk.runs < 200);
        assert_eq!(shrink(&plan, 3, needs_two).runs, 3, "the bound holds");
    }

    #[test]
    fn clients_are_left_to_ask_whoever_leads_where_that_fails_as_well() {
        let calm = Scenario::calm(Seed(1), 3, Millis(9_000));
        let plan = Scenario { pinned: PartsPerMillion(500_000), ..calm };
        assert_eq!(shrink(&plan, 200, |_| true).plan.pinned, PartsPerMillion(0));
        let needs_pins = |plan: &Scenario| plan.pinned.0 > 0;
        assert_eq!(shrink(&plan, 200, needs_pins).plan.pinned, plan.pinned);
    }

    #[test]
    fn a_failure_that_needs_everything_stays_as_it_is() {
        let plan = draw(Seed(1), &SwarmConfig::default());
        let shrunk = shrink(&plan, 200, |_| false);
        assert_eq!(shrunk.plan, plan.drawn());
    }

    #[test]
    fn a_plan_that_was_made_smaller_can_be_read_again() {
        let mut plan = Scenario::calm(Seed(1), 3, Millis(9_000));
        plan.nemesis = crate::BY_HAND.to_owned();
        let one = Target::Node(NodeId(1));
        let fault = |action| PlannedFault::new(Millis(0), Millis(900), action, one.clone());
        plan.faults = vec![fault(Action::Isolate), fault(Action::Kill)];
        let shrunk = shrink(&plan, 200, |plan| plan.faults.len() == 2).plan;
        let lasts: Vec<u64> = shrunk.faults.iter().map(|fault| fault.lasts_ms.0).collect();
        assert_eq!(lasts, [1, 0]);
        assert_eq!(Scenario::from_json(&shrunk.to_json()), Ok(shrunk));
    }

    #[test]
    fn a_failure_that_needs_no_fault_leaves_a_plan_that_can_be_run() {
        let plan = draw(Seed(1), &SwarmConfig::default());
        assert!(!plan.faults.is_empty() && plan.nemesis != Nemesis::Calm.name());
        let mut tried = Vec::new();
        let shrunk = shrink(&plan, 200, |plan| {
            tried.push(plan.clone());
            true
        });
        assert!(shrunk.plan.faults.is_empty() && !shrunk.plan.plans_nothing());
        assert!(tried.contains(&shrunk.plan), "what is left was tried as it is");
        assert!(!tried.iter().any(Scenario::plans_nothing), "each plan can be run");
    }

    /// Whom a minority was drawn to be is what failed, and a shorter fault would draw another one.
    #[test]
    fn who_was_hit_is_hit_in_every_smaller_plan() {
        let both = Scenario::calm(Seed(1), 5, Millis(9_000));
        let fault = PlannedFault::new(Millis(10), Millis(900), Action::Kill, Target::Minority);
        let mut others = 0;
        for seed in (0..20).map(Seed) {
            let plan =
                Scenario { seed, faults: vec![fault.clone(), fault.clone()], ..both.clone() };
            let hit = plan.drawn().faults[1].target.clone();
            let shrunk = shrink(&plan, 200, |plan| {
                plan.drawn().faults.iter().any(|fault| fault.target == hit)
            });
            let [left] = &shrunk.plan.faults[..] else { panic!("{:#?}", shrunk.plan.faults) };
            assert_eq!((&left.target, left.lasts_ms), (&hit, Millis(0)), "{seed:?}");
            others += u32::from(plan.drawn().faults[0].target != hit);
        }
        assert!(others > 10, "two of a time have dice of their own: {others}");
    }

    /// What a failure does not need goes, each thing of its kind.
    #[test]
    fn what_the_world_is_like_and_how_long_a_run_lasts_is_made_smaller_too() {
        let mut plan = Scenario::calm(Seed(1), 3, Millis(60_000));
        let some = PartsPerMillion::percent(1);
        plan.conditions.links = LinkRules { loss: some, jitter_ms: Millis(4), ..LinkRules::CUT };
        plan.conditions.client_links = LinkRules { loss: some, ..LinkRules::default() };
        plan.conditions.clock_ppm = vec![5, -5, 0];
        let everything = shrink(&plan, 500, |_| true).plan;
        assert_eq!(everything.conditions.links, LinkRules::default());
        assert_eq!(everything.conditions.client_links, LinkRules::default());
        assert_eq!(everything.conditions.clock_ppm, [0, 0, 0]);
        assert_eq!((everything.clients, everything.time_ms), (1, Millis(1)), "no run is empty");

        let late = |plan: &Scenario| plan.conditions.links.jitter_ms == Millis(4);
        let jitter = LinkRules { jitter_ms: Millis(4), ..LinkRules::default() };
        assert_eq!(shrink(&plan, 500, late).plan.conditions.links, jitter);
    }

    /// A fault may be superfluous only once the links are calm, and its time only once it is short.
    #[test]
    fn what_became_superfluous_later_goes_as_well() {
        let mut plan = Scenario::calm(Seed(1), 3, Millis(8_000));
        plan.conditions.links.loss = PartsPerMillion::percent(1);
        let fault = |at| PlannedFault::new(Millis(at), Millis(800), Action::Kill, Target::All);
        plan.faults = vec![fault(10), fault(20)];
        let lossy = |plan: &Scenario| plan.conditions.links.loss.0 > 0;
        // With lossy links both faults are needed, and with calm ones the first.
        let shrunk = shrink(&plan, 500, |plan| match plan.faults.len() {
            2 => plan.time_ms == Millis(8_000),
            count => count == 1 && !lossy(plan) && plan.faults[0].at_ms == Millis(10),
        });
        assert_eq!(shrunk.plan.faults.len(), 1, "{:#?}", shrunk.plan.faults);

        // A run is as long as its fault has to be.
        plan.faults.truncate(1);
        let ends = |plan: &Scenario| {
            plan.faults.first().is_some_and(|it| it.at_ms.0 + it.lasts_ms.0 < plan.time_ms.0)
        };
        let shrunk = shrink(&plan, 500, ends).plan;
        assert_eq!(shrunk.faults[0].lasts_ms, Millis(0));
        assert!(shrunk.time_ms < Millis(20), "{}", shrunk.time_ms);
    }

    /// A plan that a search leaves begins nothing after its end: nobody could read it.
    #[test]
    fn a_shorter_run_leaves_out_what_comes_too_late_for_it() {
        let mut plan = Scenario::calm(Seed(1), 3, Millis(8_000));
        let fault = |at| PlannedFault::new(Millis(at), Millis(8), Action::Kill, Target::All);
        plan.faults = vec![fault(10), fault(7_900)];
        shrink(&plan, 500, |plan| {
            assert!(plan.faults.iter().all(|fault| fault.at_ms < plan.time_ms), "{plan:?}");
            plan.time_ms >= Millis(5_000)
        });
    }

    fn is_crash(fault: &PlannedFault) -> bool {
        matches!(fault.action, Action::Kill | Action::PowerLoss)
    }
}
