//! `synod-kv status`: the cluster at a glance, once or for as long as somebody watches.
//!
//! Every node is asked for what it knows of itself, all at once and within one bound, so silent
//! ones take as long as the timeout together. What is shown is put together
//! here and nowhere else; nothing is concluded from it but that two states differ which must not.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use synod_node::{NodeId, Status};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::bridge::status_value;
use crate::cli::StatusArgs;
use crate::exit::Exit;
use crate::expiry::Expiry;
use crate::log;
use crate::target::{Target, say, say_page};

/// What the nodes answered, each under its number; none where one is silent.
type Look = BTreeMap<u16, Option<Status>>;

/// Looks once, or again and again.
pub(crate) async fn run(args: &StatusArgs) -> Result<Exit, Exit> {
    let target = Target::open(&args.target)?;
    let expiry = Expiry::read(&target.config.tls).map_err(Exit::config)?;
    if let Some(warning) = expiry.warning(SystemTime::now()) {
        log::say_last(&format!("synod-kv: {}", warning.text));
    }
    match args.watch {
        None => once(&target, args.json).await,
        Some(seconds) => watch(&target, args.json, Duration::from_secs(seconds)).await,
    }
}

async fn once(target: &Target, as_json: bool) -> Result<Exit, Exit> {
    let look = look(target, target.config.timeout).await?;
    let page = if as_json {
        let lines = look.iter().map(|(node, status)| json_of(*node, status.as_ref()));
        lines.map(|line| line.to_string() + "\n").collect()
    } else {
        table(&look, SystemTime::now())
    };
    say(page.as_bytes())?;
    let connection_errors = target.client.connection_errors();
    let is_silent = look.values().any(Option::is_none);
    match difference(&look) {
        Some(difference) => Err(Exit::differs(difference)),
        // Who answered a moment ago and is gone is in the answer, not in the exit code.
        None if is_silent && !connection_errors.is_empty() => Err(Exit::differs(connection_errors)),
        None if is_silent => Ok(Exit::no()),
        None => Ok(Exit::done()),
    }
}

/// Shows a look every so often until Ctrl-C, which ends even a look that is under way, or until
/// nobody reads what is shown. On a
/// terminal each one replaces the last; elsewhere it is lines after lines.
async fn watch(target: &Target, as_json: bool, period: Duration) -> Result<Exit, Exit> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Exit::internal)?;
    let redraws = io::stdout().is_terminal() && !as_json;
    // A silent node holds up no look for longer than one is shown.
    let patience = target.config.timeout.min(period);
    loop {
        let due = Instant::now() + period;
        let look = tokio::select! {
            _ = interrupt.recv() => return Ok(Exit::interrupted()),
            look = look(target, patience) => look?,
        };
        let mut page = if as_json { json_line(&look) } else { table(&look, SystemTime::now()) };
        if let Some(difference) = difference(&look).filter(|_| !as_json) {
            page += &format!("{difference}\n");
        }
        let page = if redraws { format!("{CLEAR}{page}") } else { page };
        // Whoever watched has seen enough, such as `head`.
        if !say_page(page.as_bytes())? {
            return Ok(Exit::done());
        }
        tokio::select! {
            _ = interrupt.recv() => return Ok(Exit::interrupted()),
            () = sleep_until(due) => {}
        }
    }
}

/// Asks all nodes at once, and waits for as long as that for all of them.
async fn look(target: &Target, patience: Duration) -> Result<Look, Exit> {
    let asked: Vec<_> =
        target.config.nodes.keys().map(|node| (*node, ask(target, *node, patience))).collect();
    let mut look = Look::new();
    for (node, answer) in asked {
        look.insert(node, answer.await.map_err(Exit::internal)?);
    }
    Ok(look)
}

fn ask(target: &Target, node: u16, patience: Duration) -> JoinHandle<Option<Status>> {
    let client = target.client.clone();
    tokio::spawn(async move { client.status(NodeId::new(node), patience).await })
}

/// Says which two nodes applied the same slots and are in different states, if any do.
fn difference(look: &Look) -> Option<String> {
    let found: Vec<&Status> = look.values().flatten().collect();
    let (one, other) = found.iter().enumerate().find_map(|(place, one)| {
        let differs = |other: &&&Status| other.applied == one.applied && other.digest != one.digest;
        found[..place].iter().find(differs).map(|other| (other, one))
    })?;
    Some(format!(
        "nodes {} and {} differ: both applied {}, one state has digest {:016x}, the other {:016x}; \
         stop the node that stands alone and keep its data folder",
        one.node, other.node, one.applied, one.digest, other.digest
    ))
}

/// Writes a look as one line of JSON.
fn json_line(look: &Look) -> String {
    let nodes = look.iter().map(|(node, status)| json_of(*node, status.as_ref()));
    json!({ "nodes": nodes.collect::<Vec<_>>() }).to_string() + "\n"
}

/// Writes what a node says as an object: what a bridge tells, and what its host adds.
fn json_of(node: u16, status: Option<&Status>) -> Value {
    let Some(status) = status else { return json!({ "node": node, "error": "no answer" }) };
    let mut value = status_value(status);
    let host = &status.host;
    value["disk"] = host.disk.word().into();
    value["snapshot"] = host.snapshot.map(|slot| slot.number()).into();
    value["has_state"] = has_state(status).into();
    value["version"] = host.version.to_string().into();
    value["certificate_end_s"] = host.certificate_end_s.into();
    value
}

/// Writes a look as a table, under a line that says the most of it.
fn table(look: &Look, present: SystemTime) -> String {
    let highest = look.values().flatten().map(|status| status.chosen.number()).max();
    let rows = look.iter().map(|(node, status)| match status {
        Some(status) => row(status, highest.unwrap_or_default(), present),
        None => vec![node.to_string(), "no answer".to_owned()],
    });
    let head = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(String::len).max())
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    summary(look) + &rows.iter().map(line).collect::<String>()
}

/// Says who leads, and how many answer.
fn summary(look: &Look) -> String {
    let found: Vec<&Status> = look.values().flatten().collect();
    let leading = found.iter().filter(|status| status.leads.is_some());
    let leader = match leading.max_by_key(|status| status.leads) {
        Some(status) => format!("node {} {}", status.node, role(status)),
        None => "no node leads".to_owned(),
    };
    format!("{leader}, {} of {} nodes answer\n", found.len(), look.len())
}

/// Says what a node does. One whose snapshot was damaged has no state yet. One that leads and is
/// not content with itself hears no majority, or has a disk that takes nothing: nobody took the
/// lead from it, and nothing is decided.
fn role(status: &Status) -> &'static str {
    match (status.leads, status.follows) {
        (None, _) if !has_state(status) => "no state",
        (Some(_), _) if !status.leader_ok => "leads, stuck",
        (Some(_), _) => "leads",
        (None, Some(_)) => "follows",
        (None, None) => "no leader",
    }
}

fn row(status: &Status, highest: u64, present: SystemTime) -> Vec<String> {
    let ballot = status.leads.or(status.follows);
    let host = &status.host;
    vec![
        status.node.to_string(),
        role(status).to_owned(),
        ballot.map_or_else(|| NOTHING.to_owned(), |ballot| ballot.to_string()),
        status.chosen.to_string(),
        status.applied.to_string(),
        highest.saturating_sub(status.applied.number()).to_string(),
        host.disk.word().to_owned(),
        host.snapshot.map_or_else(|| NOTHING.to_owned(), |slot| slot.to_string()),
        host.version.to_string(),
        host.certificate_end_s.map_or_else(|| NOTHING.to_owned(), |end| days_left(end, present)),
        status.incarnation.to_string(),
    ]
}

/// Tells whether a node has the state of what it knows to be chosen: it applies that in the step in
/// which it learns of it, unless its snapshot was damaged when it started.
fn has_state(status: &Status) -> bool {
    status.applied >= status.chosen
}

/// Says for how many whole days more something is good.
fn days_left(end_s: u64, present: SystemTime) -> String {
    let end = UNIX_EPOCH + Duration::from_secs(end_s);
    match end.duration_since(present) {
        Ok(left) => format!("{} days", left.as_secs() / SECONDS_PER_DAY),
        Err(_) => "ended".to_owned(),
    }
}

/// What a table tells of each node.
const COLUMNS: [&str; 11] = [
    "NODE",
    "ROLE",
    "BALLOT",
    "CHOSEN",
    "APPLIED",
    "LAG",
    "DISK",
    "SNAPSHOT",
    "VERSION",
    "CERTIFICATE",
    "START",
];

/// What stands in a table where there is nothing.
const NOTHING: &str = "-";

const SECONDS_PER_DAY: u64 = 86_400;

/// Moves a terminal's cursor to its first place, and clears what is there.
const CLEAR: &str = "\x1b[H\x1b[2J";

#[cfg(test)]
mod tests {
    use synod_node::{Ballot, DiskHealth, HostStatus, Slot, Version};

    use super::*;

    fn status(node: u16, applied: u64, digest: u64) -> Status {
        let host = HostStatus {
            disk: DiskHealth::Fine,
            snapshot: None,
            version: Version([0, 1, 0]),
            certificate_end_s: Some(10 * SECONDS_PER_DAY),
        };
        Status {
            node: NodeId::new(node),
            incarnation: 1,
            promised: Ballot::ZERO,
            leads: None,
            follows: Some(Ballot::new(3, NodeId::new(1))),
            leader_ok: true,
            chosen: Slot::new(applied),
            applied: Slot::new(applied),
            digest,
            sessions: 0,
            host,
        }
    }

    fn look(statuses: &[Status]) -> Look {
        statuses.iter().map(|status| (status.node.number(), Some(*status))).collect()
    }

    #[test]
    fn two_states_after_the_same_slots_are_a_difference() {
        let equal = look(&[status(1, 7, 5), status(2, 8, 6), status(3, 7, 5)]);
        assert_eq!(difference(&equal), None, "who lags is no suspect");
        let found = look(&[status(1, 7, 5), status(2, 8, 6), status(3, 7, 4)]);
        let said = difference(&found).unwrap_or_default();
        assert!(said.starts_with("nodes 1 and 3 differ: both applied 7, one"), "{said}");
    }

    #[test]
    fn the_cluster_is_a_table_and_the_silent_have_a_row() {
        let mut leader = status(1, 120, 5);
        leader.leads = leader.follows;
        leader.host.snapshot = Some(Slot::new(100));
        let mut behind = status(2, 110, 6);
        behind.host.disk = DiskHealth::Slow;
        behind.host.certificate_end_s = Some(1);
        let mut seen = look(&[leader, behind]);
        seen.insert(3, None);
        let present = UNIX_EPOCH + Duration::from_secs(3 * SECONDS_PER_DAY + 5);
        let ballot = Ballot::new(3, NodeId::new(1)).to_string();
        let words: Vec<Vec<String>> = table(&seen, present)
            .lines()
            .map(|line| line.split("  ").map(|word| word.trim().to_owned()).collect())
            .map(|words: Vec<String>| words.into_iter().filter(|word| !word.is_empty()).collect())
            .collect();
        assert_eq!(words[0], ["node 1 leads, 2 of 3 nodes answer"]);
        assert_eq!(words[1], COLUMNS);
        let first = ["1", "leads", &ballot, "120", "120", "0", "ok", "100", "0.1.0", "6 days", "1"];
        assert_eq!(words[2], first);
        let second =
            ["2", "follows", &ballot, "110", "110", "10", "slow", "-", "0.1.0", "ended", "1"];
        assert_eq!(words[3], second);
        assert_eq!(words[4], ["3", "no answer"]);
    }

    #[test]
    fn a_leader_that_nothing_comes_of_is_said_to_be_stuck() {
        let mut stuck = status(1, 120, 5);
        (stuck.leads, stuck.leader_ok) = (stuck.follows, false);
        let seen = look(&[stuck, status(2, 120, 5)]);
        let said = table(&seen, UNIX_EPOCH);
        let mut lines = said.lines();
        assert_eq!(lines.next(), Some("node 1 leads, stuck, 2 of 2 nodes answer"));
        assert!(
            lines.nth(1).is_some_and(|line| line.starts_with("1     leads, stuck  ")),
            "{said}"
        );
        // Who follows it is told as before, content or not.
        assert!(lines.next().is_some_and(|line| line.starts_with("2     follows  ")), "{said}");
    }

    #[test]
    fn a_node_without_its_state_is_told() {
        let mut without = status(2, 110, 6);
        without.applied = Slot::FIRST;
        let words = row(&without, 120, UNIX_EPOCH);
        assert_eq!((words[1].as_str(), words[5].as_str()), ("no state", "120"));
        let json = |status: &Status| json_of(2, Some(status))["has_state"].clone();
        assert_eq!((json(&without), json(&status(2, 110, 6))), (false.into(), true.into()));
    }

    #[test]
    fn a_look_is_one_line_of_json_and_a_node_tells_no_less_than_by_a_bridge() {
        let mut seen = look(&[status(1, 7, 5)]);
        seen.insert(2, None);
        let line = json_line(&seen);
        assert_eq!(line.matches('\n').count(), 1);
        let look: Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(look["nodes"][0]["digest"], "0000000000000005");
        assert_eq!(look["nodes"][0]["disk"], "ok");
        assert_eq!(look["nodes"][1], json!({ "node": 2, "error": "no answer" }));
    }
}
