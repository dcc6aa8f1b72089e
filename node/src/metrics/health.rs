//! Whether a node is alive and whether it is ready, as whoever supervises it asks.
//!
//! What makes a replica ready is the host's to say; here it is asked whether its loop turns. The
//! claim kept true: a loop that is held up for longer than [`HELD_UP_MAX`] is not alive, and one
//! that is held up for longer than [`READY_BEAT_MAX`] is not ready.

use std::time::Duration;

use synod_host::{HELD_UP_MAX, Measured};

use super::board::Board;

/// Says why the node is not alive, if it is not. Whoever restarts it on this word does its peers no
/// harm: by then they take it for dead as well.
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
    measured.readiness()
}

fn held_up(beat_age: Duration) -> String {
    format!("the loop has been held up for {} s", beat_age.as_secs())
}

/// How long a loop may be held up, beside a heartbeat, before its node is not ready.
const READY_BEAT_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use synod_host::api::NodeId;

    use super::*;

    const BEAT: Duration = Duration::from_millis(40);

    #[test]
    fn a_loop_that_is_held_up_is_not_ready_and_then_not_alive() {
        let measured = Measured::before_any(NodeId::new(1));
        let ready = |age| judge_readiness(false, Some(&measured), age, BEAT);
        assert_eq!(ready(READY_BEAT_MAX + BEAT), measured.readiness());
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
        let measured = Measured::before_any(NodeId::new(1));
        assert_eq!(judge_readiness(true, Some(&measured), BEAT, BEAT), ended);
    }
}
