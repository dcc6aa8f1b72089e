//! What nodes write down of themselves is followed to its end, whatever befalls them, and what no
//! node can do is refused.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test says what it followed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use synod_fault::swarm::{SwarmConfig, draw};
use synod_fault::{Action, DiskFault, Millis, NodeId as Place, PlannedFault, Scenario, Target};
use synod_host::{CommandStanding, Said, TraceEvent, TraceReader};
use synod_journal::Lsn;
use synod_live::folder::{NODES, PLAN, TRACES};
use synod_paxos::{AfterSync, Configuration, Immediate, Message as Paxos, NodeId};
use synod_rng::Seed;
use synod_simulated::trace::{
    Clocks, JudgedRun, NodeTrace, ReadError, TraceLife, Unfollowed, follow, judge_run,
};
use synod_simulated::trial::run_traced;
use synod_simulated::tuning::Tuning;
use synod_smr::{Message, Record};

/// Draws a plan in which no folder is exchanged: what stands in such a one its node did not write.
fn plan(seed: u64) -> Option<Scenario> {
    let config = SwarmConfig { time_ms: Millis(20_000), ..SwarmConfig::default() };
    let plan = draw(Seed(seed), &config);
    let exchanges = plan.faults.iter().any(|fault| {
        let exchanged = [DiskFault::RolledBack, DiskFault::MadeAnew, DiskFault::Foreign];
        matches!(fault.action, Action::Disk(disk) if exchanged.contains(&disk))
    });
    (!exchanges && plan.nodes > 1).then_some(plan)
}

fn traced(plan: Scenario) -> (Configuration, Vec<NodeTrace>) {
    (Tuning::draw(&plan).voters, run_traced(&plan).1)
}

#[test]
fn the_shipped_host_is_followed_through_all_that_the_swarm_draws() {
    let (mut events, mut lives, mut states, mut actions) = (0, 0, 0, BTreeMap::new());
    for plan in (0..seeds()).filter_map(plan) {
        let (ended, traces) = run_traced(&plan);
        assert_eq!(ended.violation, None, "seed {}", plan.seed);
        for clocks in [Clocks::Shared, Clocks::Faulty] {
            let followed = follow(&Tuning::draw(&plan).voters, &traces, clocks)
                .unwrap_or_else(|reason| panic!("seed {}, {clocks:?}: {reason}", plan.seed));
            events += followed.nodes.values().sum::<u64>();
            for (name, count) in followed.actions {
                *actions.entry(name).or_insert(0) += count;
            }
        }
        lives += traces.iter().map(|trace| trace.lives.len()).sum::<usize>();
        let is_state = |event: &TraceEvent| matches!(event, TraceEvent::State(_));
        states +=
            traces.iter().flat_map(|trace| &trace.lives).flat_map(read).filter(is_state).count();
    }
    println!("{events} events, {lives} lives, {states} installed states; {actions:?}");
    assert!(events > 100_000 && lives > 200 && states > 0);
    assert!(actions.values().all(|count| *count > 0), "{actions:?}");
}

fn read(life: &TraceLife) -> Vec<TraceEvent> {
    let TraceLife::Bytes(bytes) = life else { panic!("a simulated node has no files") };
    TraceReader::new(&bytes[..]).collect::<Result<_, _>>().unwrap()
}

fn written(events: &[TraceEvent]) -> TraceLife {
    let mut bytes = Vec::new();
    events.iter().for_each(|event| event.encode_into(&mut bytes));
    TraceLife::Bytes(bytes)
}

/// Changes one life of one node so that it tells of what no node can do; nothing where it has
/// nothing of the kind.
type Corrupt = fn(&mut Vec<TraceEvent>) -> Option<()>;

fn first(events: &[TraceEvent], is: impl Fn(&TraceEvent) -> bool) -> Option<usize> {
    events.iter().position(is)
}

/// Moves the first event of a kind to the place of the first of another kind before it.
fn move_before(
    events: &mut Vec<TraceEvent>,
    moved: impl Fn(&TraceEvent) -> bool,
    before: impl Fn(&TraceEvent) -> bool,
) -> Option<()> {
    let to = first(events, before)?;
    let from = to + 1 + first(&events[to + 1..], moved)?;
    let event = events.remove(from);
    events.insert(to, event);
    Some(())
}

fn is_sent(event: &TraceEvent, is: impl Fn(&Paxos<synod_smr::CommandBatch>) -> bool) -> bool {
    matches!(event, TraceEvent::Sent(_, Message::Paxos(message)) if is(message))
}

fn is_claim(event: &TraceEvent, is: impl Fn(&AfterSync<synod_smr::CommandBatch>) -> bool) -> bool {
    is_sent(event, |message| matches!(message, Paxos::AfterSync(claim) if is(claim)))
}

fn is_vote(event: &TraceEvent) -> bool {
    matches!(event, TraceEvent::Durable(Record::Accepted { .. }))
}

const CORRUPTIONS: &[(&str, &str, Corrupt)] = &[
    ("a vote is told before it is durable", "w \\in cast[a]", |events| {
        let accepted = |event: &TraceEvent| {
            is_claim(event, |claim| matches!(claim, AfterSync::Accepted { .. }))
        };
        move_before(events, accepted, is_vote)
    }),
    ("a promise is told before it is durable", "PersistBeforeSend", |events| {
        let told = |event: &TraceEvent| {
            is_claim(event, |claim| matches!(claim, AfterSync::Promise { .. }))
        };
        let durable =
            |event: &TraceEvent| matches!(event, TraceEvent::Durable(Record::Promised(_)));
        move_before(events, told, durable)
    }),
    ("a vote is left out of a promise", "votes |-> ", |events| {
        events.iter_mut().find_map(|event| {
            let TraceEvent::Sent(_, Message::Paxos(Paxos::AfterSync(claim))) = event else {
                return None;
            };
            let AfterSync::Promise { reports, .. } = claim else { return None };
            reports.pop().map(drop)
        })
    }),
    ("a leader announces what is not chosen", "ChosenUpTo", |events| {
        events.iter_mut().find_map(|event| {
            let TraceEvent::Sent(_, Message::Paxos(Paxos::Immediate(free))) = event else {
                return None;
            };
            let Immediate::Chosen { chosen, .. } = free else { return None };
            *chosen = synod_paxos::Slot::new(chosen.number() + 1_000_000);
            Some(())
        })
    }),
    ("another decree is learned", "LearnedIsChosen", |events| {
        events.iter_mut().find_map(|event| {
            let TraceEvent::Learned { print, .. } = event else { return None };
            *print ^= 1;
            Some(())
        })
    }),
    ("a vote is lost in a crash", "is lost", |events| {
        let recovered =
            |event: &TraceEvent| matches!(event, TraceEvent::Recovered(Record::Accepted { .. }));
        let last = events.iter().rposition(recovered)?;
        events.remove(last);
        Some(())
    }),
    ("an echo hides a higher promise", "promised[a] <= b", |events| {
        let promised =
            first(events, |event| matches!(event, TraceEvent::Durable(Record::Promised(_))))?;
        events[promised..].iter_mut().find_map(|event| {
            let TraceEvent::Sent(_, Message::Confirmed { promised, .. }) = event else {
                return None;
            };
            *promised = synod_paxos::Ballot::ZERO;
            Some(())
        })
    }),
    ("votes count that nobody heard of", "no vote counted", |events| {
        let is_vote = |event: &TraceEvent| {
            let TraceEvent::Heard { message: Message::Paxos(message), .. } = event else {
                return false;
            };
            matches!(message, Paxos::AfterSync(AfterSync::Accepted { .. }))
        };
        first(events, is_vote)?;
        events.retain(|event| !is_vote(event));
        Some(())
    }),
    ("promises count that nobody heard of", "{m.acc : m", |events| {
        let is_promise = |event: &TraceEvent| {
            let TraceEvent::Heard { message: Message::Paxos(message), .. } = event else {
                return false;
            };
            matches!(message, Paxos::AfterSync(AfterSync::Promise { .. }))
        };
        first(events, is_promise)?;
        events.retain(|event| !is_promise(event));
        Some(())
    }),
    ("reads begin before all is chosen that was told", "asks for reads", |events| {
        first(events, |event| matches!(event, TraceEvent::Sent(_, Message::Confirm { .. })))?;
        // What it tells of commands would be refused before the reads are.
        events.retain(|event| !matches!(event, TraceEvent::Stands { .. }));
        for event in events {
            if let TraceEvent::Turn { chosen, .. } = event {
                *chosen = synod_paxos::Slot::FIRST;
            }
        }
        Some(())
    }),
    ("a start is counted twice", "does not come after start", |events| {
        events.iter_mut().find_map(|event| {
            let TraceEvent::Began { incarnation, .. } = event else { return None };
            *incarnation = incarnation.checked_sub(1).filter(|before| *before > 0)?;
            Some(())
        })
    }),
    ("a question is answered without a round", "without a round since", |events| {
        let confirms =
            |event: &TraceEvent| matches!(event, TraceEvent::Sent(_, Message::Confirm { .. }));
        first(events, confirms)?;
        events.retain(|event| !confirms(event));
        Some(())
    }),
    ("a round goes on in another ballot", "ended with it", |events| {
        let confirms =
            |event: &TraceEvent| matches!(event, TraceEvent::Sent(_, Message::Confirm { .. }));
        let at = first(events, confirms)?;
        let mut again = events[at].clone();
        let TraceEvent::Sent(_, Message::Confirm { ballot, .. }) = &mut again else { return None };
        *ballot = synod_paxos::Ballot::new(ballot.round() + 1, ballot.node());
        events.insert(at + 1, again);
        Some(())
    }),
    ("a promise is recorded twice", "promised[a] < b", |events| {
        let durable =
            |event: &TraceEvent| matches!(event, TraceEvent::Durable(Record::Promised(_)));
        let at = first(events, durable)?;
        events.insert(at, events[at].clone());
        Some(())
    }),
    ("a command is applied twice", "OneReply", |events| {
        let applied = |event: &TraceEvent| {
            matches!(event, TraceEvent::Stands { standing: CommandStanding::Applied(_), .. })
        };
        let at = first(events, applied)?;
        let mut again = events[at].clone();
        let TraceEvent::Stands { standing: CommandStanding::Applied(reply), .. } = &mut again
        else {
            return None;
        };
        *reply ^= 1;
        events.insert(at + 1, again);
        Some(())
    }),
    ("what was applied is fresh again", "StateEquality", |events| {
        events.iter_mut().find_map(|event| {
            let TraceEvent::Stands { standing, .. } = event else { return None };
            matches!(standing, CommandStanding::Applied(_) | CommandStanding::Stale).then(|| {
                *standing = CommandStanding::Fresh;
            })
        })
    }),
    ("a command is answered before it is chosen", "\\in answer", |events| {
        let commanded = |event: &TraceEvent| matches!(event, TraceEvent::Commanded { .. });
        let at = first(events, commanded)?;
        let TraceEvent::Commanded { connection, id, .. } = events[at] else { return None };
        events.insert(at + 1, TraceEvent::Answered { connection, id, said: Said::Reply(0) });
        Some(())
    }),
    ("what waits for an answer is refused as answered", "StateEquality", |events| {
        events.iter_mut().find_map(|event| {
            let TraceEvent::Answered { said, .. } = event else { return None };
            matches!(said, Said::Reply(_)).then(|| *said = Said::Stale)
        })
    }),
    ("what was proposed is refused", "changes nothing", |events| {
        for event in events.iter_mut() {
            let TraceEvent::Answered { said, .. } = event else { continue };
            if matches!(said, Said::Uncertain | Said::Reply(_)) {
                *said = Said::NotProposed;
            }
        }
        Some(())
    }),
];

#[test]
fn what_no_node_can_do_is_refused() {
    let runs: Vec<_> = (0..SEEDS).filter_map(plan).take(CORRUPTED).map(traced).collect();
    for (what, reason, corrupt) in CORRUPTIONS {
        let (mut refused, mut other) = (0, String::new());
        for (voters, traces) in &runs {
            for place in 0..traces.len() {
                for life in 0..traces[place].lives.len() {
                    let mut events = read(&traces[place].lives[life]);
                    if corrupt(&mut events).is_none() {
                        continue;
                    }
                    let mut corrupted = traces.clone();
                    corrupted[place].lives[life] = written(&events);
                    let Err(Unfollowed::Blocked(standing)) =
                        follow(voters, &corrupted, Clocks::Shared)
                    else {
                        continue;
                    };
                    let said = standing.iter().map(|one| one.to_string()).collect::<String>();
                    refused += u32::from(said.contains(reason));
                    other = said;
                }
            }
        }
        println!("{what}: {refused} lives refused for that reason");
        assert!(refused > 0, "{what}: {reason}, but {other}");
    }
}

/// A node votes for what is proposed only later: each trace alone is fine.
#[test]
fn an_effect_before_its_cause_is_refused_by_the_clock_that_all_share() {
    let (voters, traces) = traced((0..SEEDS).find_map(plan).unwrap());
    let node = traces
        .iter()
        .position(|trace| trace.lives.first().is_some_and(|life| read(life).iter().any(is_vote)));
    let mut hasty = traces;
    let life = &mut hasty[node.unwrap()].lives[0];
    let mut events = read(life);
    for event in &mut events {
        if let TraceEvent::Turn { at_ns, .. } | TraceEvent::Began { at_ns, .. } = event {
            *at_ns /= 1_000;
        }
    }
    *life = written(&events);
    assert!(matches!(follow(&voters, &hasty, Clocks::Shared), Err(Unfollowed::Blocked(_))));
    follow(&voters, &hasty, Clocks::Faulty).unwrap();
}

#[test]
fn a_torn_end_is_left_out_and_a_full_trace_says_nothing() {
    let (voters, traces) = traced((0..SEEDS).find_map(plan).unwrap());
    let with = |bytes: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = traces.clone();
        let TraceLife::Bytes(last) = changed[0].lives.last_mut().unwrap() else { panic!("bytes") };
        bytes(last);
        follow(&voters, &changed, Clocks::Shared)
    };
    with(&|bytes| bytes.truncate(bytes.len() - 3)).unwrap();
    let full = with(&|bytes| TraceEvent::Full.encode_into(bytes));
    assert!(matches!(full, Err(Unfollowed::Full(node)) if node == traces[0].node));
    let foreign = with(&|bytes| bytes.extend([99, 0, 0, 0, 0]));
    assert!(matches!(foreign, Err(Unfollowed::Io { .. })), "{foreign:?}");
    let nobody = NodeTrace { node: NodeId::new(1), lives: Vec::new() };
    assert!(
        follow(&voters, &[nobody], Clocks::Shared).unwrap().nodes.values().all(|count| *count == 0)
    );
}

/// A folder as a run leaves it.
struct Run(PathBuf);

impl Run {
    fn write(name: &str, traces: &[NodeTrace]) -> Self {
        let run = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("traces-{name}"));
        drop(fs::remove_dir_all(&run));
        for NodeTrace { node, lives } in traces {
            fs::create_dir_all(run.join(NODES).join(node.to_string())).unwrap();
            let folder = run.join(TRACES).join(node.to_string());
            fs::create_dir_all(&folder).unwrap();
            for (number, life) in lives.iter().enumerate() {
                let TraceLife::Bytes(bytes) = life else { panic!("a simulated node has no files") };
                fs::write(folder.join(format!("{number:06}")), bytes).unwrap();
            }
        }
        Self(run)
    }

    fn judge(&self) -> Result<JudgedRun, ReadError> {
        let (node, first) = (NodeId::new(1), Lsn::FIRST);
        judge_run(&self.0, |_| Err(ReadError::Cut { node, first }))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_run_is_judged_by_its_traces_and_what_is_not_asked_is_said() {
    let plans = (0..SEEDS).filter_map(plan);
    let plan = plans.filter(|plan| plan.nodes == 3).find(has_majorities).unwrap();
    let (_, traces) = traced(plan.clone());
    let run = Run::write("judged", &traces);
    let judged = run.judge().unwrap();
    assert!(judged.is_explained && judged.text.contains("journals are not asked"), "{judged:?}");
    assert!(judged.text.contains("events of 3 nodes followed"), "{}", judged.text);
    // A plan whose clocks fail is told of.
    let written = |fault: PlannedFault| {
        let plan = Scenario { faults: vec![fault], ..plan.clone() };
        fs::write(run.0.join(PLAN), plan.to_json()).unwrap();
        run.judge().unwrap().text
    };
    let on_one = |action| PlannedFault::new(Millis(1), Millis(9), action, Target::Node(Place(1)));
    let jumped = written(on_one(Action::ClockJump { ms: Millis(900) }));
    assert!(jumped.contains("followed") && jumped.contains("clocks were to fail"), "{jumped}");
    fs::remove_file(run.0.join(PLAN)).unwrap();
    // One node without a trace makes the others worth nothing, and that is an error.
    fs::remove_dir_all(run.0.join(TRACES).join("2")).unwrap();
    assert!(matches!(run.judge(), Err(ReadError::Io { .. })));
    // Neither traces nor whole journals: no word.
    fs::remove_dir_all(run.0.join(TRACES)).unwrap();
    assert!(matches!(run.judge(), Err(ReadError::Cut { .. })));
}

#[test]
fn a_run_that_is_not_explained_is_a_violation() {
    let plans = (0..SEEDS).filter_map(plan);
    let plan = plans.filter(|plan| plan.nodes == 3).find(has_majorities).unwrap();
    let (_, mut traces) = traced(plan);
    for life in traces.iter_mut().flat_map(|trace| &mut trace.lives) {
        let mut events = read(life);
        events.retain(|event| !is_vote(event));
        *life = written(&events);
    }
    let judged = Run::write("unexplained", &traces).judge().unwrap();
    assert!(!judged.is_explained && judged.text.starts_with("UNEXPLAINED: "), "{}", judged.text);
}

/// A run is judged as one of majorities.
fn has_majorities(plan: &Scenario) -> bool {
    let voters = (1..=plan.nodes).map(NodeId::new);
    Tuning::draw(plan).voters == Configuration::majority(voters).unwrap()
}

/// How many seeds are followed where nobody says more.
const SEEDS: u64 = 60;

/// Tells how many seeds are followed: a rule that is new is tried on more of them.
fn seeds() -> u64 {
    let asked = std::env::var("SYNOD_TRACE_SEEDS").ok();
    asked.map_or(SEEDS, |asked| asked.parse().unwrap())
}

/// How many runs are corrupted in each way.
const CORRUPTED: usize = 12;
