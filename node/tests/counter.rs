//! The example counts, and goes on counting after all of its nodes have crashed.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod certificates;
#[path = "../examples/counter.rs"]
mod counter;

use std::path::Path;

use certificates::Folder;

#[test]
fn a_counter_survives_the_crash_of_all_its_nodes() {
    let folder = Folder::new("counter");
    folder.make_journals();
    assert_eq!(counter::count(&folder.0, &[1, 2, 3]).unwrap(), 6);
    // The nodes of the first run were dropped without handing over; their journals remember.
    assert_eq!(counter::count(&folder.0, &[10]).unwrap(), 16);
}

#[test]
fn a_certificate_that_is_missing_is_named() {
    let error = counter::count(Path::new("/nowhere"), &[1]).unwrap_err().to_string();
    assert!(error.contains("/nowhere/ca/ca.pem"), "{error}");
}

#[test]
fn the_example_fits_on_a_page() {
    let text = include_str!("../examples/counter.rs");
    assert!(text.lines().count() <= 60, "the example is for reading at a glance");
}
