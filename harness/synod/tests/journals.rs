//! Journals of real nodes are explained by the specification, and corrupted ones are not.
//!
//! What the search is asked to explain was written in some order that it is not told: seeded worlds
//! of real log nodes with crashes and copies, or a few records by hand. A corruption changes
//! records so that no order of them is a behaviour; it must be refused in every world that it can
//! be applied to, for the reason that is named.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test says what it explained")]

#[path = "journals/corruptions.rs"]
mod corruptions;
#[path = "journals/folder.rs"]
mod folder;
#[path = "spec/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Instant, UNIX_EPOCH};

use synod_live::folder::RunFolder;
use synod_paxos::{Ballot, Configuration, Decree, NodeId, Slot};
use synod_rng::Seed;
use synod_simulated::trace::{
    Contradiction, NodeJournal, ReadError, Unexplained, check_facts, explain, read_run,
};
use synod_smr::Record;
use synod_smr::wire::JournalRecord;

use corruptions::CORRUPTIONS;
use folder::{Run, contents};
use world::{Event, Rough, World, follow, value};

const CALM: Rough = Rough { nodes: 3, steps: 1500, values: 200, crashes: false };
const ROUGH: Rough = Rough { crashes: true, ..CALM };
const FIVE: Rough = Rough { nodes: 5, ..ROUGH };

/// Takes from a world what its nodes' disks hold.
fn journals_of(world: &World) -> Vec<NodeJournal> {
    let born = |node: &NodeId| (*node, vec![JournalRecord::Incarnation(1)]);
    let mut disks: BTreeMap<_, _> = world.voters.voters().iter().map(born).collect();
    for event in &world.events {
        match event {
            Event::Durable(node, records) => {
                let records = records.iter().cloned().map(JournalRecord::Replica);
                disks.get_mut(node).unwrap().extend(records);
            }
            Event::Recovered(node, records) => {
                let disk = disks.get_mut(node).unwrap();
                let is_life = |record: &&_| matches!(record, JournalRecord::Incarnation(_));
                let lives = disk.iter().filter(is_life).count();
                let lucky = records[disk.len() - lives..].iter().cloned();
                disk.extend(lucky.map(JournalRecord::Replica));
                disk.push(JournalRecord::Incarnation(lives as u64 + 1));
            }
            Event::Sent(..) | Event::Learned(..) => {}
        }
    }
    disks.into_iter().map(|(node, records)| NodeJournal { node, records }).collect()
}

#[test]
fn journals_of_simulated_clusters_are_explained() {
    let (mut records, mut chosen, mut crashes, mut actions) = (0, 0, 0, BTreeMap::new());
    let begun = Instant::now();
    for (seeds, rough) in [(0..100, CALM), (100..500, ROUGH), (500..700, FIVE)] {
        for seed in seeds {
            let world = World::run(seed, rough);
            let explained = explain(&journals_of(&world))
                .unwrap_or_else(|reason| panic!("seed {seed}: {reason}"));
            // Whatever order the search found, what is chosen is what was.
            let followed = follow(&world.voters, &world.events).unwrap();
            let slots = (0..).map(Slot::new).take_while(|slot| followed.chosen(*slot).is_some());
            assert!(explained.slots >= slots.count(), "seed {seed}");
            records += explained.records();
            chosen += world.chosen();
            crashes += world.crashes;
            for (name, count) in explained.actions {
                *actions.entry(name).or_insert(0) += count;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{records} records, {chosen} slots, {crashes} crashes, {seconds:.1} s; {actions:?}");
    assert!(records > 50_000 && chosen > 5_000 && crashes > 2_000);
    for name in ["Phase1a", "Phase1b", "Phase2a", "Phase2b", "Choose", "Copy"] {
        assert!(actions[name] > 1_000, "{actions:?}");
    }
}

/// The search looks at each record a few times, however long the journals are.
#[test]
fn a_long_run_is_explained() {
    let long = Rough { steps: 200_000, values: 100_000, ..ROUGH };
    let journals = journals_of(&World::run(1, long));
    let begun = Instant::now();
    let explained = explain(&journals).unwrap();
    println!("{} records in {:.2} s", explained.records(), begun.elapsed().as_secs_f64());
    assert!(explained.records() > 10_000, "{explained}");
}

#[test]
fn corrupted_journals_are_refused() {
    let worlds: Vec<_> = (0..200).map(|seed| journals_of(&World::run(seed, ROUGH))).collect();
    for (what, reason, corrupt) in CORRUPTIONS {
        let mut refused = 0;
        for journals in &worlds {
            let mut journals = journals.clone();
            if corrupt(&mut journals).is_none() {
                continue;
            }
            let Err(unexplained) = explain(&journals) else { panic!("{what}: explained") };
            let said = unexplained.to_string();
            assert!(said.contains(reason), "{what}: {said}");
            refused += 1;
        }
        println!("{what}: {refused} runs refused");
        assert!(refused > 0, "{what}: no run is suited");
    }
}

fn ballot(round: u64, node: u16) -> Ballot {
    Ballot::new(round, NodeId::new(node))
}

fn promised(round: u64, node: u16) -> Record {
    Record::Promised(ballot(round, node))
}

fn voted((round, node): (u64, u16), slot: u64, decree: &Decree<synod_smr::CommandBatch>) -> Record {
    let (slot, decree) = (Slot::new(slot), decree.clone());
    Record::Accepted { ballot: ballot(round, node), slot, decree }
}

/// Makes journals of nodes 1, 2, 3 ... with these records.
fn journals<const N: usize>(nodes: [Vec<Record>; N]) -> Vec<NodeJournal> {
    let journal = |(number, records): (u16, Vec<Record>)| NodeJournal {
        node: NodeId::new(number),
        records: records.into_iter().map(JournalRecord::Replica).collect(),
    };
    (1..).zip(nodes).map(journal).collect()
}

/// Node 5 leads ballot 2.5 and fills slot 0 with a Noop, though no promise of the nodes 3, 4, 5
/// reports a vote: ballot 3.1 chose it, node 4 had copied it, and was asked again after a restart.
#[test]
fn a_promise_is_given_again_where_a_copy_explains_a_proposal() {
    let (noop, copy) = (Decree::Noop, Record::Learned { slot: Slot::FIRST, decree: Decree::Noop });
    let chosen = voted((3, 1), 0, &noop);
    let late = voted((2, 5), 0, &noop);
    let with = |copies: &[Record]| {
        let four = [&[promised(2, 5)], copies, std::slice::from_ref(&late)].concat();
        journals([
            vec![promised(1, 2), promised(3, 1), chosen.clone()],
            vec![promised(1, 2), voted((1, 2), 1, &value(1)), promised(3, 1), chosen.clone()],
            vec![promised(1, 2), promised(2, 5), promised(3, 1), chosen.clone()],
            four,
            vec![promised(2, 5), late.clone()],
        ])
    };
    assert_eq!(explain(&with(&[copy])).unwrap().repeated, 1);
    let Err(Unexplained::Blocked(blocked)) = explain(&with(&[])) else { panic!("explained") };
    let guards: Vec<_> = blocked.iter().map(|blocked| blocked.breach.guard).collect();
    assert_eq!(guards, ["d \\in Proposals(P, s)"; 2], "{blocked:?}");
}

/// Node 2 copies what nodes 1 and 3 choose, before it asks for the ballot that node 3 promised
/// before it voted. Each journal alone is fine.
#[test]
fn a_circle_of_causes_is_refused() {
    let (one, copy) = (value(1), Record::Learned { slot: Slot::FIRST, decree: value(1) });
    let vote = voted((2, 1), 0, &one);
    let with = |second: Vec<Record>| {
        let third = vec![promised(1, 2), promised(2, 1), vote.clone()];
        journals([vec![promised(2, 1), vote.clone()], second, third])
    };
    let hint = Record::Chosen(Slot::new(1));
    explain(&with(vec![promised(1, 2), copy.clone(), hint.clone()])).unwrap();
    let Err(Unexplained::Blocked(blocked)) = explain(&with(vec![copy, hint, promised(1, 2)]))
    else {
        panic!("explained")
    };
    let guards: Vec<_> = blocked.iter().map(|blocked| blocked.breach.guard).collect();
    assert_eq!(guards, ["{m.acc : m \\in Q} = p", "LearnedIsChosen", "b \\in prepares"]);
    let said = Unexplained::Blocked(blocked).to_string();
    assert!(
        said.contains("\n  record 0 of 3 of node 2, a copy of slot 0: node 2 cannot"),
        "{said}"
    );
}

/// Node 3 voted for what lost in slot 0, and got all below slot 1 as a snapshot of a peer.
#[test]
fn a_vote_that_lost_is_no_choice_below_a_snapshot() {
    let (lost, won) = (value(1), value(2));
    let vote = |of, decree| voted(of, 0, decree);
    let with = |end: u64| {
        let others = vec![promised(1, 3), promised(2, 1), vote((2, 1), &won)];
        let third = vec![promised(1, 3), vote((1, 3), &lost)];
        let mut found = journals([others.clone(), others, third]);
        let snapshot = JournalRecord::Snapshot(Slot::new(end));
        let hint = JournalRecord::Replica(Record::Chosen(Slot::new(1)));
        found[2].records.extend([snapshot, hint]);
        found
    };
    let voters = Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap();
    assert_eq!(check_facts(&voters, &with(1)), Ok(()));
    let slot = Slot::FIRST;
    let said = Err(Contradiction::TwoChosen { slot, node: NodeId::new(3) });
    assert_eq!(check_facts(&voters, &with(0)), said, "a snapshot of nothing stands for nothing");
}

#[test]
fn journals_on_a_real_disk_are_read_and_left_as_they_are() {
    let written = journals_of(&World::run(7, ROUGH));
    let run = Run::write("read", &written);
    let before = contents(run.path());
    let read = read_run(run.path()).unwrap();
    assert_eq!(read, written);
    assert_eq!(contents(run.path()), before, "the originals were touched");
    assert_eq!(read_run(run.path()).unwrap(), written, "so they can be read again");
    explain(&read).unwrap();
}

#[test]
fn folders_without_journals_are_refused_with_the_reason() {
    let written = journals_of(&World::run(8, CALM));
    let run = Run::write("refuse", &written);
    let refused = |path: &Path| read_run(path).unwrap_err();
    assert!(matches!(refused(&run.path().join("nodes")), ReadError::NoJournals { .. }));
    assert!(matches!(refused(&run.path().join("missing")), ReadError::Io { .. }));
    let going_on = RunFolder::create(&run.path().join("runs"), Seed(1), UNIX_EPOCH).unwrap();
    assert!(matches!(refused(going_on.path()), ReadError::Running { .. }));
    let data = |node: u16| run.path().join(format!("nodes/{node}/data"));
    std::fs::rename(data(1), run.path().join("kept")).unwrap();
    assert!(matches!(refused(run.path()), ReadError::NoJournals { .. }), "one is missing");
    std::fs::rename(data(2), data(1)).unwrap();
    std::fs::rename(run.path().join("kept"), data(2)).unwrap();
    let said = refused(run.path()).to_string();
    assert!(said.contains("node 1: its journal is that of") && said.contains("/node/2"), "{said}");
}
