//! One history for each way to go wrong, and the sentence that it gets.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use synod_history::import::Format;

use crate::{Budget, ModelName, check_history};

#[test]
fn a_stale_read_names_what_replaced_the_value() {
    let told = told("1 write 5 ok; 2 write 6 ok; 3 read 5");
    assert_eq!(
        told,
        "client 3's read of x began at 0.000004 s and found 5, although client 2's write of x = 6 \
         had been acknowledged at 0.000003 s"
    );
}

#[test]
fn a_foreign_value_is_one_that_nobody_wrote() {
    let told = told("1 write 5 ok; 2 read 7");
    assert_eq!(told, "client 2's read of x = 7 is impossible: nobody ever wrote 7");
}

#[test]
fn a_value_whose_write_failed_names_that_write() {
    let told = told("1 write 5 ok; 2 write 7 fail; 3 read 7");
    assert_eq!(
        told,
        "client 3's read of x = 7 is impossible: client 2's write of x = 7, which began \
         at 0.000002 s, \
         was reported as failed, and nobody else wrote 7"
    );
}

#[test]
fn a_value_from_the_future_names_its_later_write() {
    let told = told("1 read 5; 2 write 5 ok");
    assert_eq!(
        told,
        "client 1's read of x = 5 returned at 0.000001 s, but client 2's write of x = 5 began only \
         at 0.000002 s"
    );
}

#[test]
fn a_lost_update_names_both_swaps() {
    let told = told("1 write 1 ok; 2 cas 1 2; 3 cas 1 3");
    assert!(told.contains("found 1, although client 2's swap of x from 1 to 2"), "{told}");
}

#[test]
fn a_missed_swap_that_should_have_matched_is_told() {
    let told = told("1 write 1 ok; 2 miss 1 2");
    assert!(told.contains("no order of the 2 operations lets it find anything else"), "{told}");
}

#[test]
fn a_lost_element_and_a_foreign_list_are_told() {
    assert_eq!(
        told("1 append 4, ok; 2 append 5, ok; 3 read 4,"),
        "client 3's read of x began at 0.000004 s and lacks 5, which client 2 had appended with \
         acknowledgement at 0.000003 s"
    );
    assert!(told("1 append 4, ok; 2 read 9,").contains("no appends make up what it saw"));
    assert!(told("1 read 4,; 2 append 4, ok").contains("began to append only at"));
    assert!(told("1 append 4, ok; 2 read 4,4,").contains("holds 4 2 times"));
}

#[test]
fn a_counter_that_runs_back_names_both_ends() {
    assert_eq!(
        told("1 add 2 2; 2 add 3 5; 3 read 2"),
        "client 3's read of x returned 2 although client 2's addition of 3 to x had returned 5 \
         before it began, at 0.000003 s: the counter ran back"
    );
}

#[test]
fn a_counter_names_its_bound() {
    assert_eq!(
        told("1 add 2 2; 3 read 7"),
        "client 3's read of x returned 7 at 0.000003 s, but the additions before it can make at \
         most 2"
    );
    let counts_down = told("1 add -2 -2; 2 add -3 -5; 3 read -2");
    assert!(counts_down.contains("the additions before it can make at most -5"), "{counts_down}");
}

/// Makes a history of operations one after the other, and returns the sentence on it. The words
/// are: client, operation, arguments, and what a read saw or an addition made.
fn told(operations: &str) -> String {
    let mut text = String::new();
    for (index, operation) in operations.split("; ").enumerate() {
        let words: Vec<&str> = operation.split(' ').collect();
        let (f, kind, asked, seen) = match words[1..] {
            ["read", seen] => ("read", "ok", "nil".to_owned(), format!("{seen:?}")),
            ["cas", from, to] => ("cas", "ok", format!("[{from} {to}]"), "true".to_owned()),
            ["miss", from, to] => ("cas", "ok", format!("[{from} {to}]"), "false".to_owned()),
            ["add", delta, sum] => ("add", "ok", format!("{delta:?}"), format!("{sum:?}")),
            [f, value, kind] => (f, kind, format!("{value:?}"), "nil".to_owned()),
            _ => panic!("{operation}"),
        };
        let (client, call) = (words[0], index * 2000);
        for (kind, value, time) in [("invoke", asked, call), (kind, seen, call + 1000)] {
            let head = format!("{{:process {client} :type :{kind} :f :{f} :key \"x\"");
            text += &format!("{head} :value {value} :time {time}}}\n");
        }
    }
    let history = Format::Edn.read(&text, "h").unwrap();
    let report = check_history(&history, ModelName::Register, Budget::default());
    report.violation().unwrap_or_else(|| panic!("legal: {text}")).sentence.clone()
}
