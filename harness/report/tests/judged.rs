//! The page of a history that was judged by itself: what it shows, and what it says is not known.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail loudly")]

mod report_scratch;

use std::fs;

use synod_history::import::Format;
use synod_report::{JudgedHistory, ReportError, Verdict};

use report_scratch::Scratch;
use report_scratch::judged;
use report_scratch::page::{check_frame, embedded, without_script};
use report_scratch::run::{self, Shape};

/// Judges a text and returns its page after checking its structure.
fn page(name: &str, format: Format, text: &str, verdict: Verdict) -> String {
    checked(name, format, verdict, Some(text))
}

fn checked(name: &str, format: Format, verdict: Verdict, text: Option<&str>) -> String {
    let scratch = Scratch::new(name);
    let path = scratch.path().join("page.html");
    judged::write(&path, format, verdict, text);
    let page = fs::read_to_string(path).unwrap();
    check_frame(&page);
    for id in ["reasons", "absent", "checker", "files"] {
        assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "section {id}");
    }
    // What a run has is not there, and above all not there and empty.
    for id in ["faults", "heal", "leaders", "links", "nodes"] {
        assert!(!page.contains(&format!("id=\"{id}\"")), "section {id}");
    }
    let readable = without_script(&page);
    for empty in ["No fault was injected", "no leader was observed", "No link was", "No node was"] {
        assert!(!readable.contains(empty), "{empty}");
    }
    assert!(!readable.contains("report.json") && !readable.contains("history.jsonl"));
    assert!(readable.contains("Faults.") && readable.contains("Nodes and their logs."));
    assert!(readable.contains("/a/&lt;b&gt;&amp;&quot;"), "the file is named, as text");
    assert!(readable.contains("for &lt;a&gt; reason"));
    page
}

#[test]
fn a_violation_has_its_counterexample_and_every_operation() {
    let page = page("stale", Format::Edn, judged::STALE, Verdict::Violation);
    let readable = without_script(&page);
    for text in [
        "<h1>VIOLATION</h1>",
        "Synod history report",
        "<dd>edn</dd>",
        "<dd>mixed</dd>",
        "client 4&#39;s read of the register",
        "The operations on the register",
        "<td class=\"n\">0.009400 s</td>",
        "<th scope=\"row\">no reason was read</th>",
        "Operations per second",
        "Judge the history again",
        "synod-harness check &#39;a &lt;file&gt;&#39;",
        "The history has 10 events of clients.",
    ] {
        assert!(readable.contains(text), "{text}");
    }
    let data = embedded(&page);
    assert_eq!((&data["events"], &data["start"]), (&false.into(), &0.into()));
    assert_eq!(data["ops"]["e"], "ooifo");
    assert_eq!(data["core"][1], 9_400);
}

#[test]
fn a_history_without_times_is_drawn_by_its_events() {
    let page = page("untimed", Format::Edn, &judged::stale_without_times(), Verdict::Violation);
    let readable = without_script(&page);
    assert!(readable.contains("The history has no times"));
    for absent in ["Operations per second", "id=\"latency\"", "Longest time without ok", ">0.0"] {
        assert!(!readable.contains(absent), "{absent}");
    }
    assert!(readable.contains("<td class=\"n\">event 8</td><td class=\"n\">event 9</td>"));
    assert!(readable.contains("<td class=\"n\">1 event</td>"));
    let data = embedded(&page);
    assert_eq!((&data["events"], &data["end"]), (&true.into(), &9_000.into()));
    assert_eq!(data["ops"]["t"], serde_json::json!([0, 2_000, 2_000, 2_000, 2_000]));
}

/// Some tools count from 1970: what is drawn begins with the history, and is told as it stands.
#[test]
fn times_that_begin_long_before_the_history_are_drawn_from_its_begin() {
    let page = page("since", Format::Edn, &judged::stale_since_1970(), Verdict::Violation);
    let data = embedded(&page);
    assert_eq!((&data["start"], &data["end"]), (&1_795_341_723_004_000_u64.into(), &5_400.into()));
    assert_eq!(data["ops"]["t"][0], 0);
    let readable = without_script(&page);
    assert!(readable.contains("<span style=\"left:0.00%\">+0.000 s</span>"));
    let told = "at 1795341723.009300 s";
    assert!(readable.matches(told).count() == 1, "the sentence tells it as it stands");
    assert!(readable.contains("<td class=\"n\">1795341723.009300 s</td>"), "and so does the table");
    assert!(readable.contains("class=\"top\">+0.001 s</span>"), "a drawing has less room");
}

#[test]
fn a_file_that_was_not_read_shows_no_empty_charts() {
    for verdict in [Verdict::Void, Verdict::Unknown] {
        let page = checked("unread", Format::Jsonl, verdict, None);
        let readable = without_script(&page);
        assert!(readable.contains("The history was not read to its end."));
        for absent in ["id=\"timeline\"", "id=\"performance\"", "id=\"core\"", "Operations ok"] {
            assert!(!readable.contains(absent), "{absent}");
        }
    }
}

/// What a run's own history shows of itself does not depend on who draws it.
#[test]
fn the_history_of_a_run_adds_up_to_the_same() {
    let scratch = Scratch::new("of-run");
    let shape = Shape { operations: 3_000, ..Shape::default() };
    let summary = run::write(scratch.path(), &shape).unwrap();
    let of_run = fs::read_to_string(synod_report::write(scratch.path()).unwrap()).unwrap();
    let text = fs::read_to_string(scratch.path().join("history.jsonl")).unwrap();
    let text = text.replace("\"key\":\"\",", "");
    let page = page("by-itself", Format::Jsonl, &text, Verdict::Violation);
    let (of_run, alone) = (embedded(&of_run), embedded(&page));
    for same in ["total", "lanes", "order", "errors", "fs"] {
        assert_eq!(of_run[same], alone[same], "{same}");
    }
    for column in ["t", "d", "c", "e"] {
        assert_eq!(of_run["ops"][column], alone["ops"][column], "{column}");
    }
    assert!(summary.counts.fail > 0 && without_script(&page).contains("not the leader, and none"));
}

#[test]
fn a_page_that_cannot_be_written_is_an_error() {
    let scratch = Scratch::new("unwritten");
    let judged = JudgedHistory {
        file: "-",
        format: "edn",
        model: None,
        verdict: Verdict::Void,
        reasons: &[],
        history: None,
        violation: None,
        checker: None,
        reproduce: "",
        version: "",
    };
    for path in [scratch.path().join("no/such/page.html"), scratch.path().to_owned()] {
        let error = synod_report::write_judged(&path, &judged).unwrap_err();
        assert!(matches!(error, ReportError::WritePage { .. }), "{error}");
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}
