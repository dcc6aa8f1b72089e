//! The example of the queue hands out each job once, in order, and remembers what is left.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod certificates;
#[path = "../examples/queue.rs"]
mod queue;

use std::path::Path;

use certificates::Folder;
use synod_node::testing::{CommandRun, check};

#[test]
fn the_queue_keeps_the_promises_of_a_state_machine() {
    let run = CommandRun::drawn(1, 60, |draw| match draw.below(3) {
        0 => b"-".to_vec(),
        _ => [b"+", &draw.bytes(4)[..]].concat(),
    });
    let checked = check(queue::Queue::default, &[run, CommandRun::of_bytes(2, 60, 3)]).unwrap();
    assert!(checked.applied >= 60 && checked.states > 40, "{checked:?}");
}

#[test]
fn each_job_is_taken_once_and_in_order() {
    let folder = Folder::new("queue");
    folder.make_journals();
    assert_eq!(queue::work(&folder.0, &["a", "b", "c"]).unwrap(), ["a", "b", "c"]);
    // The nodes start again from their journals: what was taken stays taken.
    assert_eq!(queue::work(&folder.0, &["d"]).unwrap(), ["d"]);
}

#[test]
fn a_job_that_is_too_long_is_certainly_not_pushed() {
    let folder = Folder::new("queue-long");
    folder.make_journals();
    let long = "x".repeat(70_000);
    let error = queue::work(&folder.0, &["a", &long]).unwrap_err().to_string();
    assert!(error.starts_with("not done: "), "{error}");
    assert_eq!(queue::work(&folder.0, &[]).unwrap(), ["a"]);
}

#[test]
fn a_certificate_that_is_missing_is_named() {
    let error = queue::work(Path::new("/nowhere"), &[]).unwrap_err().to_string();
    assert!(error.contains("/nowhere/ca/ca.pem"), "{error}");
}
