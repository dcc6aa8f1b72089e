//! Whether a node is alive and whether it is ready, as whoever supervises it asks.
//!
//! The claims kept true: a loop that is held up for longer than [`HELD_UP_MAX`] is not alive; and
//! no node is ready that has not caught up, within [`READY_LAG_SLOTS_MAX`], with the longest chosen
//! prefix that it knows of, or that knows of no leader which can lead.

use std::time::Duration;

use synod_host::{HELD_UP_MAX, Measured};

use super::board::Board;

/// Says why the node is not alive, if it is not. Whoever restarts it on this word does its peers no
/// harm: they believe it to be alive no longer either.
pub(crate) fn liveness(board: &Board) -> Result<(), String> {
    judge_life(board.is_over(), board.shown().is_some(), board.beat_age(), board.about.heartbeat)
}

fn judge_life(
    is_over: bool,
    has_begun: bool,
    beat_age: Duration,
    heartbeat: Duration,
) -> Result<(), String> {
    if is_over {
        return Err("the node has ended".to_owned());
    }
    // The journal is read before the first turn, which may take as long as it is.
    if has_begun && beat_age > HELD_UP_MAX + heartbeat {
        return Err(held_up(beat_age));
    }
    Ok(())
}

/// Says why the node is not ready, if it is not.
pub(crate) fn readiness(board: &Board) -> Result<(), String> {
    let shown = board.shown();
    let measured = shown.as_ref().map(|shown| &shown.measured);
    judge_readiness(board.is_over(), measured, board.beat_age(), board.about.heartbeat)
}

fn judge_readiness(
    is_over: bool,
    measured: Option<&Measured>,
    beat_age: Duration,
    heartbeat: Duration,
) -> Result<(), String> {
    if is_over {
        return Err("the node has ended".to_owned());
    }
    let Some(measured) = measured else { return Err("the journal is being read".to_owned()) };
    if beat_age > READY_BEAT_MAX + heartbeat {
        return Err(held_up(beat_age));
    }
    if measured.is_refused {
        return Err("the other nodes refuse this one; its log says why".to_owned());
    }
    if measured.is_draining {
        return Err("the node hands over before its end".to_owned());
    }
    if !measured.is_voter {
        return Err("the node is no member of its cluster".to_owned());
    }
    if measured.status.follows.is_none() {
        return Err("no leader is known".to_owned());
    }
    if !measured.status.leader_ok {
        return Err("the leader cannot lead: it lacks a quorum, ends, or has a full or slow disk"
            .to_owned());
    }
    let lag = measured.lag();
    if lag > READY_LAG_SLOTS_MAX {
        return Err(format!(
            "{lag} slots behind; ready within {READY_LAG_SLOTS_MAX} of what others have chosen"
        ));
    }
    Ok(())
}

fn held_up(beat_age: Duration) -> String {
    format!("the loop has been held up for {} s", beat_age.as_secs())
}

/// How many slots a node that is ready may lag: what a busy cluster chooses between two heartbeats.
const READY_LAG_SLOTS_MAX: u64 = 1_024;

/// How long a loop may be held up, beside a heartbeat, before its node is not ready.
const READY_BEAT_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use synod_host::api::{Ballot, NodeId, Slot};

    use super::*;
    use crate::metrics::testing::measured;

    const BEAT: Duration = Duration::from_millis(40);

    fn said(change: impl FnOnce(&mut Measured)) -> String {
        let mut measured = measured();
        change(&mut measured);
        judge_readiness(false, Some(&measured), BEAT, BEAT).err().unwrap_or_default()
    }

    #[test]
    fn who_is_behind_is_not_ready_until_it_has_caught_up() {
        let at = |lag: u64| {
            move |measured: &mut Measured| {
                measured.status.applied = Slot::new(5_000);
                measured.highest_chosen = Slot::new(5_000 + lag);
            }
        };
        assert_eq!(said(at(0)), "");
        assert_eq!(said(at(READY_LAG_SLOTS_MAX)), "");
        assert!(said(at(READY_LAG_SLOTS_MAX + 1)).starts_with("1025 slots behind"));
    }

    #[test]
    fn who_knows_no_leader_that_can_lead_is_not_ready() {
        assert_eq!(said(|measured| measured.status.follows = None), "no leader is known");
        assert!(
            said(|measured| measured.status.leader_ok = false)
                .starts_with("the leader cannot lead")
        );
        let leads = Some(Ballot::new(3, NodeId::new(1)));
        assert_eq!(said(|measured| measured.status.leads = leads), "");
        assert!(said(|measured| measured.is_draining = true).contains("hands over"));
        assert!(said(|measured| measured.is_refused = true).contains("refuse"));
        assert!(said(|measured| measured.is_voter = false).contains("no member"));
    }

    #[test]
    fn a_loop_that_is_held_up_is_not_ready_and_then_not_alive() {
        let measured = measured();
        let ready = |age| judge_readiness(false, Some(&measured), age, BEAT);
        assert_eq!(ready(READY_BEAT_MAX + BEAT), Ok(()));
        let late = READY_BEAT_MAX + 2 * BEAT;
        assert_eq!(ready(late), Err("the loop has been held up for 2 s".to_owned()));
        assert_eq!(judge_life(false, true, HELD_UP_MAX + BEAT, BEAT), Ok(()));
        let late = HELD_UP_MAX + 2 * BEAT;
        let told = Err("the loop has been held up for 30 s".to_owned());
        assert_eq!(judge_life(false, true, late, BEAT), told);
    }

    #[test]
    fn who_reads_its_journal_is_alive_and_not_ready_and_who_has_ended_is_neither() {
        let long = 4 * HELD_UP_MAX;
        assert_eq!(judge_life(false, false, long, BEAT), Ok(()));
        let ready = judge_readiness(false, None, long, BEAT);
        assert_eq!(ready, Err("the journal is being read".to_owned()));
        let ended = Err("the node has ended".to_owned());
        assert_eq!(judge_life(true, true, BEAT, BEAT), ended);
        assert_eq!(judge_readiness(true, Some(&measured()), BEAT, BEAT), ended);
    }
}
