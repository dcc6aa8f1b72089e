//! Parts put together: what is missing, came twice, or weighs most.

use super::*;
use crate::{BrokenOff, PointHits, Shard};

fn run(seed: u64, verdict: Verdict) -> MadeRun {
    MadeRun {
        seed,
        verdict,
        reason: format!("reason {seed}"),
        rests_on: String::new(),
        folder: format!("19700101T000001Z-{seed}"),
        began_unix_ms: 0,
        system: "fake".to_owned(),
        nemesis: "calm".to_owned(),
    }
}

fn part(index: u64, count: u64, work: Work) -> Part {
    let shard = Shard::new(index, count).expect("it is among them");
    let asked = BTreeMap::from([("time".to_owned(), "30".to_owned())]);
    let campaign = Campaign { asked, first: 100, runs: 5 };
    let summary = ShardSummary { version: "1".to_owned(), shard, campaign, work };
    Part { place: format!("m{index}/{}", shard.file_name()), summary }
}

fn runs(index: u64, verdicts: &[Verdict]) -> Part {
    let seeds = (100 + index..).step_by(2).zip(verdicts);
    let made = seeds.map(|(seed, verdict)| run(seed, *verdict)).collect();
    part(index, 2, Work::Runs { made, broken_off: None })
}

fn check(parts: &[Part], code: u8, reasons: &[&str]) -> Merged {
    let merged = merge(parts).expect("they are parts of one campaign");
    assert_eq!(merged.code, code, "{:?}", merged.reasons);
    assert_eq!(merged.reasons.len(), reasons.len(), "{:?}", merged.reasons);
    for (reason, wanted) in merged.reasons.iter().zip(reasons) {
        assert!(reason.contains(wanted), "{reason:?} has no {wanted:?}");
    }
    merged
}

const PASS: Verdict = Verdict::Pass;

#[test]
fn a_whole_campaign_passes_and_says_what_it_rests_on() {
    let merged = check(&[runs(1, &[PASS; 2]), runs(0, &[PASS; 3])], 0, &[]);
    assert_eq!(merged.rests_on, "2 of 2 shards, 5 of 5 runs: 5 PASS");
    assert!(merged.is_whole);
    let seeds: Vec<u64> = merged.runs.iter().map(|it| it.run.seed).collect();
    assert_eq!(seeds, [100, 101, 102, 103, 104]);
}

#[test]
fn what_is_missing_or_came_twice_passes_never_and_is_named() {
    let (zero, one) = (runs(0, &[PASS; 3]), runs(1, &[PASS; 2]));
    check(std::slice::from_ref(&zero), 2, &["shard 1 of 2 is missing"]);
    let twice = [zero.clone(), one.clone(), Part { place: "copy".to_owned(), ..one.clone() }];
    let merged = check(
        &twice,
        2,
        &["shard 1 of 2 came more than once: in m1/shard-1-of-2.json and in copy"],
    );
    assert_eq!((merged.runs.len(), merged.is_whole), (5, false), "nothing is counted twice");
    let cut = runs(0, &[PASS; 2]);
    check(
        &[cut, one.clone()],
        2,
        &["1 of the 3 runs of shard 0 of 2 (m0/shard-0-of-2.json) \
         are missing: seed 104"],
    );
    let none = part(0, 2, Work::Runs { made: Vec::new(), broken_off: None });
    check(&[none, one], 2, &["seed 100, 102, 104"]);
    let made = vec![run(101, PASS), run(101, PASS), run(102, PASS), run(103, PASS)];
    let odd = part(1, 2, Work::Runs { made, broken_off: None });
    check(&[zero, odd], 2, &["two runs of seed 101", "the run of seed 102 in m1/"]);
}

#[test]
fn the_gravest_that_any_part_tells_is_the_campaigns() {
    let of = |one: Verdict, other: Verdict, broken: Option<u8>| {
        let mut zero = runs(0, &[PASS, one, PASS]);
        if let (Work::Runs { broken_off, .. }, Some(code)) = (&mut zero.summary.work, broken) {
            *broken_off = Some(BrokenOff { code, why: "no port".to_owned() });
        }
        merge(&[zero, runs(1, &[PASS, other])]).expect("one campaign").code
    };
    let (bad, ended) = (Verdict::Violation, Verdict::Interrupted);
    let (unserved, void) = (Verdict::NotServed, Verdict::Void);
    // The stated order: 1 over 70 over 130 over 3 over 2 over 0.
    assert_eq!(of(bad, ended, Some(70)), 1);
    assert_eq!(of(ended, unserved, Some(70)), 70);
    assert_eq!(of(PASS, PASS, Some(64)), 70, "it made not all of its runs");
    assert_eq!(of(ended, unserved, None), 130);
    assert_eq!(of(unserved, void, None), 3);
    assert_eq!(of(Verdict::Unknown, PASS, None), 2);
    assert_eq!(of(PASS, PASS, None), 0);
    let missing = [runs(1, &[PASS, bad])];
    check(&missing, 1, &["seed 103: VIOLATION: reason 103", "shard 0 of 2 is missing"]);
    // A violation in the copy that is not counted is told all the same.
    let twice = [runs(0, &[PASS; 3]), runs(1, &[PASS; 2]), runs(1, &[PASS, bad])];
    check(&twice, 1, &["seed 103: VIOLATION", "came more than once"]);
}

#[test]
fn parts_of_different_campaigns_are_refused_with_the_difference() {
    let (zero, one) = (runs(0, &[PASS; 3]), runs(1, &[PASS; 2]));
    let refused = |change: &dyn Fn(&mut ShardSummary)| {
        let mut one = one.clone();
        change(&mut one.summary);
        let error = merge(&[zero.clone(), one]).expect_err("they differ").to_string();
        assert!(error.starts_with("m1/shard-1-of-2.json is no part of the campaign of m0/"));
        assert!(error.ends_with("; merge those of one campaign"), "{error}");
        error
    };
    let longer = |it: &mut ShardSummary| {
        it.campaign.asked.insert("time".to_owned(), "60".to_owned());
    };
    assert!(refused(&longer).contains("time is 60 here and 30 there"));
    let more = |it: &mut ShardSummary| {
        it.campaign.asked.insert("rest".to_owned(), "4".to_owned());
    };
    assert!(refused(&more).contains("rest is 4 here and not given there"));
    assert!(
        refused(&|it| it.campaign.first = 7).contains("the first seed is 7 here and 100 there")
    );
    assert!(
        refused(&|it| it.campaign.runs = 7).contains("the number of runs is 7 here and 5 there")
    );
    assert!(
        refused(&|it| it.version = "2".to_owned()).contains("its version is 2 here and 1 there")
    );
    let of_three = Shard::new(1, 3).expect("it is among them");
    assert!(refused(&|it| it.shard = of_three).contains("the number of shards is 3 here and"));
    let simulated = |it: &mut ShardSummary| it.work = Work::Seeds(SimulatedSeeds::default());
    assert!(refused(&simulated).contains("simulated seeds here and runs of real"));
}

#[test]
fn what_was_never_seen_is_asked_of_all_seeds_together() {
    let seeds = |index: u64, share: u64, reached: u64| {
        let hits = PointHits { times: reached, runs: reached };
        let points = BTreeMap::from([("copied".to_owned(), hits)]);
        let (ok, trace) = (10, 1 << (62 + index));
        let work = SimulatedSeeds {
            seeds: share,
            ok,
            points,
            trace,
            all_points: true,
            ..Default::default()
        };
        part(index, 2, Work::Seeds(work))
    };
    let merged = check(&[seeds(0, 3, 0), seeds(1, 2, 1)], 0, &[]);
    let sum = merged.seeds.expect("they are simulated");
    assert_eq!((sum.seeds, sum.trace), (5, 3 << 62));
    check(&[seeds(0, 3, 0), seeds(1, 2, 0)], 2, &["never seen: copied"]);
    // Nobody knows what the missing part has seen.
    check(&[seeds(0, 3, 0)], 2, &["shard 1 of 2 is missing"]);
    check(&[seeds(0, 2, 1), seeds(1, 2, 1)], 2, &["ran 2 of its 3 seeds"]);
}
