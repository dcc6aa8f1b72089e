//! The report page in a browser: no error, no blocked resource, everything laid out, readable
//! contrast in both colour schemes, and controls that work by button and by key.
//!
//! Skipped with a printed reason where no Chromium is found, unless `SYNOD_REQUIRE_BROWSER` is set.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail loudly")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod report_scratch;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use synod_history::import::Format;
use synod_report::{ListedRun, RunOutcome, Verdict};

use report_scratch::Scratch;
use report_scratch::judged;
use report_scratch::run::{self, Shape};

/// What a browser made of a page.
struct Shown {
    dom: String,
    log: String,
}

impl Shown {
    /// Returns what went wrong, in the browser's words.
    fn complaints(&self) -> Vec<&str> {
        self.log.lines().filter(|line| line.contains(":CONSOLE")).collect()
    }

    /// Returns what the probe found.
    fn probe(&self) -> serde_json::Value {
        let start = self.dom.find("<pre id=\"probe\">").expect("the probe ran to its end");
        let text = &self.dom[start + "<pre id=\"probe\">".len()..];
        let text = &text[..text.find("</pre>").unwrap()];
        let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        serde_json::from_str(&plain).unwrap()
    }
}

/// Returns the first Chromium of the search path.
fn chromium() -> Option<PathBuf> {
    const NAMES: [&str; 5] =
        ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|dir| NAMES.map(|name| dir.join(name)))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        let required = std::env::var_os("SYNOD_REQUIRE_BROWSER").is_some();
        assert!(!required, "SYNOD_REQUIRE_BROWSER is set and no Chromium is in the search path");
        eprintln!("skipped: no Chromium is in the search path");
    }
    found
}

/// Loads a page and returns what the browser made of it.
fn show(browser: &Path, scratch: &Scratch, page: &Path, flags: &[&str]) -> Shown {
    let profile = scratch.path().join("profile");
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--v=0", "--dump-dom", "--window-size=1280,900"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(flags)
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (send, receive) = mpsc::channel();
    let log = thread::spawn(move || {
        let mut log = Vec::new();
        err.read_to_end(&mut log).map(|_| log)
    });
    thread::spawn(move || {
        let mut dom = String::new();
        // The receiver is gone only when the test has already failed.
        let _ = send.send(out.read_to_string(&mut dom).map(|_| dom));
    });
    let dom = receive.recv_timeout(PATIENCE);
    if dom.is_err() {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    let log = String::from_utf8_lossy(&log.join().unwrap().unwrap()).into_owned();
    Shown { dom: dom.expect("the browser ended in time").unwrap(), log }
}

/// Writes a made-up run, its page, and a copy of the page that ends with the probe.
fn probed(scratch: &Scratch, shape: &Shape) -> PathBuf {
    run::write(scratch.path(), shape).unwrap();
    let page = synod_report::write(scratch.path()).unwrap();
    with_probe(scratch, &page)
}

/// Writes a copy of a page that ends with the probe.
fn with_probe(scratch: &Scratch, page: &Path) -> PathBuf {
    let text = fs::read_to_string(page).unwrap();
    let copy = scratch.path().join("probed.html");
    let probe = format!("<script>{PROBE}</script></body>");
    // A page without script has a policy that lets none run.
    let text = if text.contains("script-src") {
        text
    } else {
        text.replace("style-src", "script-src 'unsafe-inline'; style-src")
    };
    fs::write(&copy, text.replace("</body>", &probe)).unwrap();
    copy
}

/// Puts a page into a frame as narrow as a telephone; a window cannot be made that narrow.
fn framed(scratch: &Scratch) -> PathBuf {
    let path = scratch.path().join("framed.html");
    fs::write(&path, FRAME).unwrap();
    path
}

/// Checks one run at one size in one colour scheme.
fn check(name: &str, shape: &Shape, size: Size, scheme: &str) {
    let scratch = Scratch::new(name);
    let page = probed(&scratch, shape);
    check_page(&scratch, &page, size, scheme);
}

/// Checks a page that ends with the probe.
fn check_page(scratch: &Scratch, page: &Path, size: Size, scheme: &str) {
    let Some(browser) = chromium() else {
        return;
    };
    let page = match size {
        Size::Wide => page.to_owned(),
        Size::Narrow => framed(scratch),
    };
    let shown = show(&browser, scratch, &page, &[scheme]);
    assert_eq!(shown.complaints(), [""; 0]);
    let probe = shown.probe();
    let none = serde_json::json!([]);
    assert_eq!(probe["said"], "", "the page's own errors");
    assert_eq!(probe["hidden"], none, "parts without layout");
    assert_eq!(probe["faint"], none, "text without enough contrast");
    assert_eq!(probe["wide"], none, "parts wider than the window");
    assert_eq!(probe["scrolls"], none, "parts that scroll inside of the page");
    assert_eq!(probe["clashes"], none, "labels over labels");
    assert_eq!(probe["steps"], none, "controls that did not work");
    assert_eq!(probe["dark"], scheme == DARK, "the scheme was the one asked for");
    assert_eq!(probe["narrow"], matches!(size, Size::Narrow));
    assert!(probe["ready_ms"].as_f64().unwrap() < 5000.0, "{}", probe["ready_ms"]);
}

/// How wide the page is.
#[derive(Clone, Copy)]
enum Size {
    Wide,
    Narrow,
}

const DARK: &str = "--blink-settings=preferredColorScheme=0";
const LIGHT: &str = "--blink-settings=preferredColorScheme=1";
/// How long a browser may take; a cold start on a busy machine takes several seconds.
const PATIENCE: Duration = Duration::from_secs(120);
const FRAME: &str = "<!DOCTYPE html><title>frame</title>\
    <iframe src=\"probed.html\" style=\"border:0;width:390px;height:844px\"></iframe>\
    <script>addEventListener('message', (event) => { const place = document.createElement('pre');\
    place.id = 'probe'; place.textContent = event.data; document.body.append(place); });</script>";

#[test]
fn a_violation_shows_in_light_and_wide() {
    check("light-wide", &Shape::default(), Size::Wide, LIGHT);
}

#[test]
fn a_violation_shows_in_dark_and_narrow() {
    check("dark-narrow", &Shape::default(), Size::Narrow, DARK);
}

#[test]
fn other_verdicts_show() {
    for (verdict, size, scheme) in [
        (Verdict::Violation, Size::Narrow, LIGHT),
        (Verdict::NotServed, Size::Narrow, LIGHT),
        (Verdict::Pass, Size::Narrow, LIGHT),
        (Verdict::Pass, Size::Wide, DARK),
        (Verdict::Unknown, Size::Wide, DARK),
        (Verdict::Void, Size::Narrow, DARK),
        (Verdict::Interrupted, Size::Wide, DARK),
    ] {
        let shape = Shape { verdict, operations: 1500, length_ms: 6000, ..Shape::default() };
        check(&format!("{}-{}", verdict.word(), scheme == DARK), &shape, size, scheme);
    }
}

#[test]
fn a_long_run_shows() {
    let shape = Shape {
        verdict: Verdict::Violation,
        operations: 60_000,
        clients: 60,
        keys: 400,
        length_ms: 60_000,
        ..Shape::default()
    };
    check("long-browser", &shape, Size::Wide, LIGHT);
}

#[test]
fn an_empty_run_shows() {
    let shape = Shape { operations: 0, faults: false, verdict: Verdict::Void, ..Shape::default() };
    check("empty-browser", &shape, Size::Narrow, DARK);
}

#[test]
fn a_history_alone_shows() {
    let (untimed, since) = (judged::stale_without_times(), judged::stale_since_1970());
    for (name, text, verdict, size, scheme) in [
        ("timed", Some(judged::STALE), Verdict::Violation, Size::Wide, LIGHT),
        ("untimed-dark", Some(&*untimed), Verdict::Violation, Size::Narrow, DARK),
        ("since-narrow", Some(&*since), Verdict::Pass, Size::Narrow, LIGHT),
        ("unread-narrow", None, Verdict::Void, Size::Narrow, DARK),
    ] {
        let scratch = Scratch::new(&format!("file-{name}"));
        let page = scratch.path().join("page.html");
        judged::write(&page, Format::Edn, verdict, text);
        let page = with_probe(&scratch, &page);
        check_page(&scratch, &page, size, scheme);
    }
}

#[test]
fn the_page_of_all_runs_shows() {
    let ended = |verdict| RunOutcome::Ended {
        verdict,
        reason: "client 3's read of k1 began at 4.009300 s and found 1".to_owned(),
        rests_on: "1,815 ok, 10 failed, 3 unknown; 8 of 9 faults with an effect".to_owned(),
        has_page: true,
    };
    let verdicts = report_scratch::page::VERDICTS.map(ended);
    let outcomes = verdicts.into_iter().chain([RunOutcome::GoesOn, RunOutcome::CutOff]);
    let run = |outcome| ListedRun {
        folder: "20261122T100312Z-42".to_owned(),
        began: "2026-11-22 10:03:12".to_owned(),
        seed: u64::MAX.to_string(),
        system: "a-system-whose-name-is-as-long-as-a-name-may-be-and-has-no-gap".to_owned(),
        nemesis: "half-closing".to_owned(),
        outcome,
    };
    let runs: Vec<ListedRun> = outcomes.map(run).collect();
    for (size, scheme) in
        [(Size::Wide, LIGHT), (Size::Wide, DARK), (Size::Narrow, LIGHT), (Size::Narrow, DARK)]
    {
        let narrow = matches!(size, Size::Narrow);
        let scratch = Scratch::new(&format!("index-{narrow}-{}", scheme == DARK));
        let page = scratch.path().join("index.html");
        synod_report::write_index(&page, "chaos", &runs, 2).unwrap();
        report_scratch::page::check_frame_without_script(&fs::read_to_string(&page).unwrap());
        let page = with_probe(&scratch, &page);
        check_page(&scratch, &page, size, scheme);
    }
}

/// The test of the test: errors and blocked resources are noticed.
#[test]
fn complaints_are_noticed() {
    let Some(browser) = chromium() else {
        return;
    };
    let scratch = Scratch::new("complaints");
    let page = probed(&scratch, &Shape { operations: 50, length_ms: 500, ..Shape::default() });
    let good = fs::read_to_string(&page).unwrap();
    for wrong in [
        "<script>undefinedFunction();</script></body>",
        "<img src=\"report.json\" alt=\"\"></body>",
        "<script src=\"report.json\"></script></body>",
    ] {
        fs::write(&page, good.replace("</body>", wrong)).unwrap();
        let shown = show(&browser, &scratch, &page, &[LIGHT]);
        assert!(!shown.complaints().is_empty(), "{wrong} went unnoticed");
    }
}

const PROBE: &str = include_str!("report_scratch/probe.js");
