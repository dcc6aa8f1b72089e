//! What the nodes of a run left, as a whole: what of it is asked, and what it says.
//!
//! First what the nodes wrote down of themselves message for message, if they did; then their
//! journals. What a plan did to the bytes of a folder is no matter here: runs of real processes
//! refuse such faults. The claim kept true: whatever is not asked is said, with the reason; where
//! nothing is, that is an error; and what is asked and not explained is a violation.

use std::fmt::Display;
use std::path::Path;
use std::time::Instant;

use synod_paxos::Configuration;

use super::{
    Clocks, NodeJournal, ReadError, Unfollowed, explain, find_clocks, find_traces, follow,
};

/// What is said of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedRun {
    /// In lines, the last of which says most.
    pub text: String,
    /// Whether all that was asked is explained.
    pub is_explained: bool,
}

/// Judges what the nodes of a run left; `read` reads their journals.
///
/// All that have a folder are taken to be voters, and majorities to be quorums.
///
/// # Errors
///
/// Why what is there cannot be read.
pub fn judge_run(
    run: &Path,
    read: impl FnOnce(&Path) -> Result<Vec<NodeJournal>, ReadError>,
) -> Result<JudgedRun, ReadError> {
    let (traces, is_followed) = match judge_traces(run, find_clocks(run)?)? {
        OfTraces::Followed(text) => (text, true),
        OfTraces::Unexplained(text) => return Ok(JudgedRun { text, is_explained: false }),
        OfTraces::NotAsked(why) => (why, false),
    };
    match read(run) {
        Ok(journals) => Ok(judge_journals(&journals, &traces)),
        // Where neither could be asked there is no word, and no word is no pass.
        Err(cut @ ReadError::Cut { .. }) if is_followed => {
            let text = format!("the journals are not asked: {cut}\n{traces}");
            Ok(JudgedRun { text, is_explained: true })
        }
        Err(other) => Err(other),
    }
}

/// What is said of the traces.
enum OfTraces {
    /// They were followed to their ends.
    Followed(String),
    /// They are no behaviour.
    Unexplained(String),
    /// They are not there or not whole, and why.
    NotAsked(String),
}

fn judge_traces(run: &Path, clocks: Clocks) -> Result<OfTraces, ReadError> {
    let began = Instant::now();
    let not_asked = |why: &dyn Display| OfTraces::NotAsked(format!("no traces: {why}\n"));
    let Some(traces) = find_traces(run)? else {
        return Ok(not_asked(&"the nodes were not asked to write any"));
    };
    let voters = match Configuration::majority(traces.iter().map(|trace| trace.node)) {
        Ok(voters) => voters,
        Err(error) => return Ok(not_asked(&error)),
    };
    Ok(match follow(&voters, &traces, clocks) {
        Ok(followed) => {
            let took = began.elapsed().as_secs_f64();
            let order = match clocks {
                Clocks::Shared => "",
                Clocks::Faulty => ", in any order and without the reads, as clocks were to fail",
            };
            OfTraces::Followed(format!("{followed}; {took:.1} s{order}\n"))
        }
        Err(reason @ Unfollowed::Blocked(_)) => {
            OfTraces::Unexplained(format!("UNEXPLAINED: {reason}\n"))
        }
        Err(full @ Unfollowed::Full(_)) => {
            OfTraces::NotAsked(format!("the traces are not asked: {full}\n"))
        }
        Err(Unfollowed::Io { path, error }) => return Err(ReadError::Io { path, error }),
    })
}

fn judge_journals(journals: &[NodeJournal], before: &str) -> JudgedRun {
    let began = Instant::now();
    let (explained, is_explained) = match explain(journals) {
        Ok(explained) => (format!("{explained}; {:.1} s\n", began.elapsed().as_secs_f64()), true),
        Err(reason) => (format!("UNEXPLAINED: {reason}\n"), false),
    };
    // What is no explanation stands alone.
    let text = if is_explained { explained + before } else { explained };
    JudgedRun { text, is_explained }
}
