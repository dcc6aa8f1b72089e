//! The report page as text: every section for every verdict, no reference to anything outside, a
//! bounded size, foreign text inert, and all that matters readable without script.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail loudly")]

mod report_scratch;

use std::fs;

use synod_history::OperationCounts;
use synod_report::{CheckOutcome, Fate, ReportError, markdown};
use synod_report::{
    FaultSpan, LinkCounts, LoggedLine, NodeLife, NodeSummary, RunSummary, StreamCounts, Verdict,
};

use report_scratch::Scratch;
use report_scratch::page::{VERDICTS, check_frame, check_nesting, embedded, without_script};
use report_scratch::run::{self, Shape};

/// Makes up a run, lets `change` change it, and returns its page after checking its structure.
fn page(name: &str, shape: &Shape, change: impl FnOnce(&Scratch, &mut RunSummary)) -> String {
    let scratch = Scratch::new(name);
    let mut summary = run::write(scratch.path(), shape).unwrap();
    change(&scratch, &mut summary);
    let json = serde_json::to_vec(&summary).unwrap();
    fs::write(scratch.path().join("report.json"), json).unwrap();
    let path = synod_report::write(scratch.path()).unwrap();
    assert_eq!(path, scratch.path().join("report.html"));
    let page = fs::read_to_string(path).unwrap();
    check_structure(&page);
    page
}

#[test]
fn links_of_packets_and_of_streams_have_a_table_each() {
    let shape = Shape { operations: 300, ..Shape::default() };
    let packets_alone = page("packets", &shape, |_, _| {});
    assert!(
        packets_alone.contains("Packets, counted") && !packets_alone.contains("Streams of TCP")
    );
    let both = page("streams", &shape, |_, summary| {
        let counts = StreamCounts { bytes: 7_654_321, resets: 3, ..StreamCounts::default() };
        let (from, to) = (0, 3);
        summary.links.push(LinkCounts { from, to, stream: Some(counts), ..LinkCounts::default() });
    });
    assert!(both.contains("Packets, counted") && both.contains("Streams of TCP"));
    assert!(both.contains("clients &#8594; 3") && both.contains("7,654,321"));
}

/// Checks what must hold for every page.
fn check_structure(page: &str) {
    for id in [
        "reasons",
        "core",
        "timeline",
        "performance",
        "latency",
        "throughput",
        "strip",
        "faults",
        "heal",
        "leaders",
        "links",
        "nodes",
        "checker",
        "files",
    ] {
        assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "section {id}");
    }
    check_frame(page);
}

#[test]
fn every_verdict_has_every_section() {
    for verdict in VERDICTS {
        let shape = Shape { verdict, operations: 600, length_ms: 3000, ..Shape::default() };
        let page = page(verdict.word(), &shape, |_, _| {});
        assert!(page.contains(&format!("<h1>{}</h1>", verdict.word())));
        assert!(page.contains("7238119045511"));
        assert!(page.contains("cargo xtask chaos --seed 7238119045511"));
        for other in VERDICTS.iter().filter(|other| **other != verdict) {
            assert!(!page.contains(&format!("<h1>{}</h1>", other.word())));
        }
    }
}

#[test]
fn everything_that_matters_is_readable_without_script() {
    let page = page("static", &Shape::default(), |_, _| {});
    let readable = without_script(&page);
    for text in [
        "<h1>VIOLATION</h1>",
        "Key k3 is not linearizable",
        "Client 6 read k3 = 4698 at 10.912 s",
        "<td>[4711, 4719]</td><td>unknown</td>",
        "<td class=\"n\">never</td>",
        "1,204 packets dropped",
        "<th scope=\"row\">node 2</th><td>5.2</td>",
        "killed by the nemesis; ended by the harness",
        "SIGKILL, gone after 1 ms",
        "the acknowledged write of 4711 is missing on all nodes",
        "48,211",
        "slot chosen node=3",
        "href=\"history.jsonl\"",
        "href=\"schedule.json\"",
        "href=\"report.json\"",
    ] {
        assert!(readable.contains(text), "{text}");
    }
    assert!(readable.matches("<svg class=\"area\"").count() >= 4);
    assert!(readable.contains("class=\"ok s3\" d=\"M"));
    for control in readable.split("class=\"js").skip(1) {
        let tag = control.split('>').next().unwrap();
        assert!(tag.ends_with("hidden"), "a control that needs the script shows: {tag}");
    }
}

#[test]
fn a_violation_shows_what_each_node_logged_then() {
    let page = page("around", &Shape::default(), |_, _| {});
    let readable = without_script(&page);
    let section = readable.split("<section id=\"around\"").nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    assert_eq!(section.matches("<h3>Node ").count(), 3);
    for text in [
        "within 2 s of",
        "<span class=\"at\">9.3 s <span class=\"of\">stderr.log:401</span></span>",
        "leader is silent node=1 leader=2",
        "<li class=\"then\">9.734 s: the counterexample begins with a call</li>",
        "<li class=\"then\">9.360 s: node 2 is gone: killed by the nemesis</li>",
        "<li class=\"then\">10.764 s: node 2 is started</li>",
        "<b>crash</b> 2026-11-22T10:02:13.880Z  ERROR thread &#39;loop&#39; panicked",
        "&lt;b&gt;&amp;amp; no round",
    ] {
        assert!(section.contains(text), "{text}");
    }
    assert_eq!(section.matches("class=\"crash\"").count(), 1);
    let (began, told) = (section.find("9.734 s").unwrap(), section.find("10.0 s").unwrap());
    assert!(section.find("9.3 s").unwrap() < began && began < told, "in the order of time");
}

#[test]
fn without_lines_a_violation_says_so_and_others_say_nothing() {
    let shape = Shape { operations: 300, ..Shape::default() };
    let silent = page("silent", &shape, |_, summary| {
        summary.nodes.iter_mut().for_each(|node| node.around.clear());
    });
    assert!(silent.contains("No node logged anything within 2 s of it."));
    let when = page("when", &shape, |_, summary| {
        summary.violation = None;
        for node in &mut summary.nodes {
            (node.around, node.lives) = (Vec::new(), Vec::new());
        }
    });
    assert!(when.contains("It is not known when it went wrong."));
    let passed = Shape { verdict: Verdict::Pass, ..shape };
    assert!(!page("quiet", &passed, |_, _| {}).contains("id=\"around\""));
}

#[test]
fn each_node_has_a_lane_with_its_faults_its_ballots_and_its_lives() {
    let page = page("lanes", &Shape::default(), |_, _| {});
    let readable = without_script(&page);
    for text in [
        "<span>node 1</span><span>node 2</span><span>node 3</span>",
        "class=\"bar hit f-kill\"",
        "title=\"kill-leader (node 2) hits node 2, 9.360 s to 10.764 s\"",
        "title=\"the process of node 2 from 10.764 s, gone at 31.200 s\"",
        "title=\"node 2 leads with ballot 5.2, 2.839 s to 9.360 s\"",
    ] {
        assert!(readable.contains(text), "{text}");
    }
    assert_eq!(readable.matches("class=\"bar life\"").count(), 5);
    let ended = "ended by itself at 29.952 s\">&#10007;</div>";
    assert_eq!(readable.matches(ended).count(), 1, "who ended by itself has a cross");
    let shape = Shape { operations: 300, ..Shape::default() };
    let many = self::page("many-nodes", &shape, |_, summary| summary.plan.nodes = 40);
    assert!(many.contains("Nodes beyond the first 31 are not drawn."));
}

#[test]
fn the_messages_around_a_violation_are_drawn_and_kept_for_shiviz() {
    let mut seen = (0, 0, 0);
    let page = page("messages", &Shape::default(), |_, summary| {
        let shown = summary.space_time.as_mut().unwrap();
        (shown.left_out, shown.forgot) = (12, true);
        let came = shown.messages.iter().filter(|one| matches!(one.fate, Fate::Came(_))).count();
        seen = (shown.messages.len(), came, summary.violation.as_ref().unwrap().operations.len());
    });
    let (all, came, operations) = seen;
    let readable = without_script(&page);
    assert_eq!(readable.matches("class=\"message\"").count(), came);
    assert_eq!(readable.matches("class=\"message dropped\"").count(), all - came);
    assert_eq!(readable.matches("class=\"operation\"").count(), operations);
    for text in [
        "There were 12 more messages before",
        "What was carried first of that time is not remembered.",
        "node 1 to node 2, 74 bytes, sent at",
        "dropped by a cut",
        "clients to node 1, 143 bytes",
    ] {
        assert!(readable.contains(text), "{text}");
    }
    let quiet = self::page("no-messages", &Shape::default(), |_, summary| {
        summary.space_time = None;
    });
    assert!(!quiet.contains("id=\"messages\""));
}

#[test]
fn the_figures_of_the_page_add_up() {
    let mut counts = OperationCounts::default();
    let page = page("sums", &Shape::default(), |_, summary| counts = summary.counts);
    let data = embedded(&page);
    let lanes = data["lanes"].as_array().unwrap();
    let sum = |column: usize| -> u64 {
        let cells = lanes.iter().flat_map(|lane| lane.as_array().unwrap());
        cells.map(|cell| cell[column].as_u64().unwrap()).sum()
    };
    assert_eq!((sum(1), sum(2), sum(3)), (counts.ok, counts.fail, counts.info));
    assert!(!page.contains("The summary counts"), "summary and history agree");
    assert_eq!(data["complete"], true);
    let ends = data["ops"]["e"].as_str().unwrap();
    assert_eq!(ends.matches('o').count() as u64, counts.ok);
    assert_eq!(ends.matches('f').count() as u64, counts.fail);
    assert_eq!(ends.matches('i').count() as u64, counts.info);
    assert!(counts.fail > 0 && counts.info > 0, "the sample has all kinds of ends");
}

#[test]
fn foreign_text_is_inert_wherever_it_stands() {
    const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&</pre>";
    let shape = Shape { operations: 300, length_ms: 2000, ..Shape::default() };
    let page = page("evil", &shape, |scratch, summary| {
        let json = serde_json::to_string(&summary).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
        poison(&mut value, EVIL);
        value["verdict"] = serde_json::json!("violation");
        for check in value["checks"].as_array_mut().unwrap() {
            check["leads_to"] = serde_json::json!("void");
            check["outcome"] = serde_json::json!({ "failed": [EVIL] });
        }
        for message in value["space_time"]["messages"].as_array_mut().unwrap() {
            if message["fate"].is_string() {
                message["fate"] = serde_json::json!("cut");
            }
        }
        *summary = serde_json::from_value(value).unwrap();
        let path = scratch.path().join("history.jsonl");
        let history = fs::read_to_string(&path).unwrap();
        let lines = history.lines().map(|line| {
            let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
            let (process, kind) = (event["process"].clone(), event["type"].clone());
            poison(&mut event, EVIL);
            (event["process"], event["type"]) = (process, kind);
            event.to_string()
        });
        fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    });
    assert!(!page.contains("<script>alert"));
    assert!(!page.contains("<img"));
    assert!(!page.contains("</pre>\""));
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    let data = embedded(&page);
    assert!(data["fs"][0].as_str().unwrap().starts_with("</script>"), "the data kept its value");
}

/// Replaces every string in a value.
fn poison(value: &mut serde_json::Value, text: &str) {
    match value {
        serde_json::Value::String(string) => text.clone_into(string),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| poison(item, text)),
        serde_json::Value::Object(entries) => {
            entries.values_mut().for_each(|entry| poison(entry, text));
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// Checks size and honesty of the page of a long run.
fn check_long(name: &str, operations: u64) {
    let shape =
        Shape { operations, clients: 50, keys: 100, length_ms: operations / 5, ..Shape::default() };
    let mut counts = OperationCounts::default();
    let page = page(name, &shape, |_, summary| counts = summary.counts);
    let ended = counts.ok + counts.fail + counts.info;
    assert!(ended > operations / 2, "{ended} of {operations}");
    let data = embedded(&page);
    assert_eq!(data["complete"], false);
    assert_eq!(data["total"], ended);
    let lanes = data["lanes"].as_array().unwrap().iter();
    let cells = lanes.flat_map(|lane| lane.as_array().unwrap());
    let ok: u64 = cells.map(|cell| cell[1].as_u64().unwrap()).sum();
    assert_eq!(ok, counts.ok, "nothing is left out of the lanes");
}

#[test]
fn two_hundred_thousand_operations_fit() {
    check_long("long", 200_000);
}

#[test]
#[ignore = "writes a history of 250 MB; run it when the digest of a history changes"]
fn a_million_operations_fit() {
    check_long("million", 1_000_000);
}

#[test]
fn a_run_with_too_much_of_everything_fits() {
    let long = "\u{2603}<&\"".repeat(1500);
    let page = page("much", &Shape { operations: 3000, ..Shape::default() }, |_, summary| {
        summary.reasons = vec![long.clone(); 700];
        summary.reproduce.clone_from(&long);
        summary.system.clone_from(&long);
        let fault = FaultSpan {
            kind: long.clone(),
            nodes: Vec::new(),
            detail: long.clone(),
            start_ns: 5,
            end_ns: 5_000_000_000,
            effect: long.clone(),
            effective: true,
        };
        summary.faults = vec![fault; 3000];
        summary.links = vec![LinkCounts { delivered: u64::MAX, ..LinkCounts::default() }; 9000];
        let line = LoggedLine {
            at_ns: 7,
            log: long.clone(),
            number: u64::MAX,
            text: long.clone(),
            crash: true,
        };
        let node = NodeSummary {
            id: 1,
            starts: 4,
            exits: vec![long.clone(); 40],
            log_tail: vec![long.clone(); 500],
            lives: vec![NodeLife { start_ns: 1, end_ns: None, by_itself: false }; 300],
            around: vec![line; 20],
            resident_bytes: Some(u64::MAX),
        };
        summary.nodes = vec![node; 60];
        let core = summary.violation.as_mut().unwrap();
        core.sentence.clone_from(&long);
        core.operations = vec![core.operations[0].clone(); 900];
    });
    assert!(page.contains("more, in report.json"), "what is left out is said to be");
    assert!(page.contains("more letters]"));
}

/// It stands near the edge, and a narrow window shows nothing beyond that.
#[test]
fn the_first_time_below_a_counterexample_begins_at_its_place() {
    let page = page("first", &Shape { operations: 40, ..Shape::default() }, |_, _| {});
    assert_eq!(page.matches("class=\"tick first\" x=\"3.00%\"").count(), 1);
    assert!(page.contains(".order .tick.first { text-anchor: start; }"), "or it is centred");
    assert_eq!(page.matches("class=\"tick last\"").count(), 1);
}

#[test]
fn odd_histories_still_give_a_page() {
    type Change = fn(&str) -> Option<String>;
    let cases: [(&str, Change, &str); 7] = [
        ("missing", |_| None, "The history could not be read"),
        ("empty", |_| Some(String::new()), "The history has 0 lines"),
        ("cut", |all| Some(all[..all.len() - 40].to_owned()), "1 could not be read"),
        ("binary", |_| Some("\u{0}\u{1}\n\u{2}".to_owned()), "2 could not be read"),
        ("calls", |all| Some(only(all, "invoke")), "operations had not returned"),
        ("answers", |all| Some(only(all, "ok")), "events out of turn"),
        ("half", |all| Some(all[..all.len() / 2].to_owned()), "The summary counts"),
    ];
    for (name, change, expected) in cases {
        let shape = Shape { operations: 200, length_ms: 1000, ..Shape::default() };
        let page = page(name, &shape, |scratch, _| {
            let path = scratch.path().join("history.jsonl");
            let history = fs::read_to_string(&path).unwrap();
            match change(&history) {
                Some(changed) => fs::write(&path, changed).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
        });
        assert!(without_script(&page).contains(expected), "{name}: {expected}");
    }
}

/// Returns the lines of one type.
fn only(history: &str, kind: &str) -> String {
    let wanted = format!("\"type\":\"{kind}\"");
    let lines = history.lines().filter(|line| line.contains(&wanted));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn odd_summaries_still_give_a_page() {
    let shape =
        Shape { verdict: Verdict::Interrupted, operations: 40, length_ms: 900, ..Shape::default() };
    let bare = page("bare", &shape, |_, summary| {
        summary.reasons.clear();
        summary.faults.clear();
        summary.leaders.clear();
        summary.links.clear();
        summary.nodes.clear();
        summary.plan.clients = 0;
        summary.plan.nodes = 0;
    });
    assert!(bare.contains("no fault was injected"));
    assert!(bare.contains("no leader was observed"));
    page("extreme", &Shape { operations: 40, ..Shape::default() }, |_, summary| {
        summary.seed = u64::MAX;
        summary.duration_ms = u64::MAX;
        summary.started_unix_ms = u64::MAX;
        summary.counts = OperationCounts { ok: u64::MAX, fail: u64::MAX, info: u64::MAX };
        summary.plan.clients = u32::MAX;
        summary.plan.nodes = u16::MAX;
        summary.faults[0].end_ns = u64::MAX;
        summary.faults[1].end_ns = 0;
        summary.leaders[0].start_ns = u64::MAX;
        summary.after_heal.as_mut().unwrap().served_within_ms = Some(u64::MAX);
        let core = summary.violation.as_mut().unwrap();
        core.operations[0].return_ns = Some(0);
        core.operations[1].call_ns = u64::MAX;
    });
}

#[test]
fn ten_thousand_keys_are_all_counted() {
    let shape = Shape { operations: 25_000, keys: 10_000, length_ms: 60_000, ..Shape::default() };
    let page = page("keys", &shape, |_, _| {});
    assert!(page.contains("keys beyond the first 4,096"));
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let scratch = Scratch::new("no-run");
    let missing = synod_report::write(scratch.path()).unwrap_err();
    assert!(matches!(missing, ReportError::ReadSummary { .. }), "{missing}");
    fs::write(scratch.path().join("report.json"), "{\"verdict\":\"maybe\"}").unwrap();
    let wrong = synod_report::write(scratch.path()).unwrap_err();
    assert!(matches!(wrong, ReportError::ParseSummary { .. }), "{wrong}");
    assert!(!scratch.path().join("report.html").exists());
}

#[test]
fn a_table_says_what_was_asked_and_other_programs_are_told_the_same() {
    let shape = Shape { operations: 300, verdict: Verdict::Void, ..Shape::default() };
    let scratch = Scratch::new("for-machines");
    let mut summary = run::write(scratch.path(), &shape).unwrap();
    let hostile = "</failure>]]> \"<b>\" & | ` \u{0} \u{202e}\nnext";
    summary.checks[2].outcome = CheckOutcome::Failed(vec![hostile.to_owned(), "two".to_owned()]);
    let json = serde_json::to_vec(&summary).unwrap();
    fs::write(scratch.path().join("report.json"), json).unwrap();
    let page = fs::read_to_string(synod_report::write(scratch.path()).unwrap()).unwrap();
    check_structure(&page);
    assert!(page.contains("What was asked, and the answers"), "the page has the table");

    let junit = fs::read_to_string(scratch.path().join("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"0\""), "{junit}");
    assert!(junit.contains("name=\"the verdict\"><failure message=\"VOID\">"), "{junit}");
    assert!(junit.contains("&lt;/failure&gt;]]&gt; &quot;&lt;b&gt;&quot; &amp;"), "{junit}");
    assert!(!junit.contains('\u{0}'), "XML has no such letter");
    check_nesting(&junit.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", ""));

    let told = markdown(&summary);
    assert!(told.starts_with("## VOID: a made-up system, seed 7238119045511\n"), "{told}");
    let row = told.lines().find(|line| line.starts_with("| enough was exercised")).unwrap();
    assert!(
        row.contains("&lt;b>") && row.contains("\\| \\`") && row.contains("(and 1 more)"),
        "{row}"
    );

    let shape = Shape { operations: 300, verdict: Verdict::Pass, ..Shape::default() };
    let summary = run::write(scratch.path(), &shape).unwrap();
    assert!(junit_of(&summary).contains("failures=\"0\""), "a pass has no failure");
}

fn junit_of(summary: &RunSummary) -> String {
    let text = synod_report::junit(summary);
    assert!(!text.contains("<failure"), "{text}");
    text
}
