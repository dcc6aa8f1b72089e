//! `synod-harness check --report` as a user calls it: a page for every verdict and every format,
//! and an exit code that stays the verdict's.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-page-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn check(page: &Path, history: &Path, flags: &[&str]) -> Output {
    let mut check = Command::new(env!("CARGO_BIN_EXE_synod-harness"));
    check.arg("check").arg("--report").arg(page).args(flags).arg(history).output().unwrap()
}

/// Judges a text and returns its page; the code and what is printed are those without a page.
fn page(scratch: &Scratch, text: &str, flags: &[&str], code: i32) -> String {
    let history = scratch.file("history", text);
    let page = scratch.0.join("page.html");
    let output = check(&page, &history, flags);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{told}");
    let mut plain = Command::new(env!("CARGO_BIN_EXE_synod-harness"));
    let plain = plain.arg("check").args(flags).arg(&history).output().unwrap();
    assert_eq!(plain.status.code(), Some(code));
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(&told), first(&String::from_utf8(plain.stdout).unwrap()));
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::remove_file(page).unwrap();
    assert!(text.contains("What a history alone does not tell"));
    text
}

#[test]
fn every_verdict_has_its_page() {
    let scratch = Scratch::new("verdicts");
    let edn = ["--format", "edn"];
    let good = page(&scratch, &register("3"), &edn, 0);
    assert!(good.contains("<h1>PASS</h1>") && good.contains("<dd>mixed</dd>"));
    let bad = page(&scratch, &register("4"), &edn, 1);
    assert!(bad.contains("<h1>VIOLATION</h1>") && bad.contains("nobody ever wrote 4"));
    assert!(bad.contains("The operations on the register"));
    let torn = page(&scratch, &register("3")[..90], &edn, 2);
    assert!(torn.contains("<h1>VOID</h1>") && torn.contains("the file ends within an event"));
    assert!(!torn.contains("id=\"timeline\""));
    let one = register("3").lines().take(2).collect::<Vec<_>>().join("\n");
    let little = page(&scratch, &one, &edn, 2);
    assert!(little.contains("<h1>VOID</h1>") && little.contains("id=\"timeline\""));
    let long: String = (0..200_000).map(|_| register("3")).collect();
    let unread = page(&scratch, &long, &["--format", "edn", "--budget", "0"], 2);
    assert!(unread.contains("<h1>UNKNOWN</h1>") && unread.contains("time budget"));
    let command = "synod-harness check --format edn --budget=0 ";
    assert!(unread.contains(command), "it tells how to judge it again");
}

#[test]
fn a_search_that_ran_out_says_where_it_was() {
    let scratch = Scratch::new("stuck");
    // Which of these additions make the sum is hard to say.
    let sizes: Vec<u64> = (1..=60_u64).map(|n| n * n * n * 7_919 % 1_000_003).collect();
    let mut text = String::from("{:process 0 :type :invoke :f :add :value 1}\n");
    text += "{:process 0 :type :ok :f :add :value 1}\n";
    for (client, size) in (1..).zip(&sizes) {
        text += &format!("{{:process {client} :type :invoke :f :add :value {size}}}\n");
        text += &format!("{{:process {client} :type :info :f :add :value {size}}}\n");
    }
    let sum: u64 = sizes.iter().step_by(2).sum();
    text += "{:process 99 :type :invoke :f :read}\n";
    text += &format!("{{:process 99 :type :ok :f :read :value {}}}\n", sum + 2);
    let flags = ["--format", "edn", "--memory-mib", "1", "--budget", "5"];
    let page = page(&scratch, &text, &flags, 2);
    assert!(page.contains("budget"), "why");
    assert!(page.contains("no order of the register was found past"), "and where");
}

#[test]
fn every_format_has_its_page() {
    let scratch = Scratch::new("formats");
    let jsonl = |index: u32, kind: &str, f: &str, value: &str| {
        format!(
            "{{\"index\":{index},\"time_ns\":1{index}000,\"process\":{},\"type\":\"{kind}\",\
             \"f\":\"{f}\",\"key\":\"k\",\"value\":{value}}}\n",
            index / 2
        )
    };
    let jsonl = jsonl(0, "invoke", "write", "\"3\"")
        + &jsonl(1, "ok", "write", "null")
        + &jsonl(2, "invoke", "read", "null")
        + &jsonl(3, "ok", "read", "\"3\"");
    let json = "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":3}\n\
        {\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":3}\n\
        {\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}\n\
        {\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":3}\n";
    let log = "INFO 0\t:invoke\t:write\t3\nINFO 0\t:ok\t:write\t3\n\
        INFO 1\t:invoke\t:read\tnil\nINFO 1\t:ok\t:read\t3\n";
    let keyed = "{:process 0, :type :invoke, :f :put, :key \"k\", :value \"3\"}\n\
        {:process 0, :type :ok, :f :put, :key \"k\", :value \"3\"}\n\
        {:process 1, :type :invoke, :f :get, :key \"k\", :value nil}\n\
        {:process 1, :type :ok, :f :get, :key \"k\", :value \"3\"}\n";
    let porcupine = "\
        {\"ClientId\":0,\"Input\":{\"Op\":1,\"Key\":\"k\",\"Value\":\"3\"},\
        \"Call\":1,\"Output\":null,\"Return\":4}\n\
        {\"ClientId\":0,\"Input\":{\"Op\":0,\"Key\":\"k\"},\
        \"Call\":2,\"Output\":\"3\",\"Return\":5}\n";
    let etcd = "{\"ClientID\":1,\"Input\":{\"Type\":\"txn\",\"Txn\":{\"Conditions\":null,\
        \"OperationsOnSuccess\":[{\"Type\":\"put-operation\",\
        \"Put\":{\"Key\":\"k\",\"Value\":{\"Value\":\"3\"}}}]}},\"Call\":10,\
        \"Output\":{\"Txn\":{\"Failure\":false}},\"Return\":20}\n\
        {\"ClientID\":2,\"Input\":{\"Type\":\"range\",\"Range\":{\"Start\":\"k\"}},\"Call\":30,\
        \"Output\":{\"Range\":{\"KVs\":[{\"Key\":\"k\",\"Value\":{\"Value\":\"3\"}}],\"Count\":1}},\
        \"Return\":40}\n";
    for (format, text) in [
        ("jsonl", jsonl.as_str()),
        ("edn", &register("3")),
        ("jepsen-json", json),
        ("jepsen-log", log),
        ("porcupine-kv", keyed),
        ("porcupine-json", porcupine),
        ("etcd-json", etcd),
    ] {
        let page = page(&scratch, text, &["--format", format], 0);
        assert!(page.contains("<h1>PASS</h1>"), "{format}");
        assert!(page.contains(&format!("<dd>{format}</dd>")), "{format}");
        assert!(page.contains("\"total\":2,"), "{format}: both operations are there");
        assert!(page.contains("<b>2</b><span>100.0 % of 2</span>"), "{format}");
    }
}

#[test]
fn a_page_that_cannot_be_written_leaves_the_verdict_told() {
    let scratch = Scratch::new("unwritten");
    for (seen, code, word) in [("3", 70, "PASS"), ("4", 1, "VIOLATION"), ("nil", 1, "VIOLATION")] {
        let history = scratch.file("history.edn", &register(seen));
        for page in ["no/such/folder/page.html", "."] {
            let output = check(&scratch.0.join(page), &history, &["--format", "edn"]);
            let told = String::from_utf8(output.stdout).unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(told.starts_with(word), "{told}");
            assert!(error.contains("cannot write "), "{error}");
            assert_eq!(output.status.code(), Some(code), "a violation keeps its code");
        }
    }
}

#[test]
fn a_page_never_takes_the_place_of_what_is_read() {
    let scratch = Scratch::new("same");
    let history = scratch.file("history.edn", &register("3"));
    let link = scratch.0.join("link.html");
    std::os::unix::fs::symlink(&history, &link).unwrap();
    for page in [&history, &link] {
        let output = check(page, &history, &["--format", "edn"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{error}");
        assert!(error.contains("--report would replace"), "{error}");
    }
    let witness = scratch.0.join("order");
    let witness = witness.to_str().unwrap();
    let flags = ["--format", "edn", "--keep-witness", witness];
    assert_eq!(check(Path::new(witness), &history, &flags).status.code(), Some(64));
    assert_eq!(std::fs::read_to_string(&history).unwrap(), register("3"), "it is as it was");
    let null = Path::new("/dev/null");
    assert_eq!(check(null, &history, &["--format", "edn"]).status.code(), Some(0));
    assert!(std::fs::metadata(null).unwrap().file_type().is_char_device());
}

#[test]
fn an_order_that_was_played_has_its_page() {
    let scratch = Scratch::new("witness");
    let history = scratch.file("history.edn", &register("3"));
    let order = scratch.0.join("order");
    let kept = ["--format", "edn", "--keep-witness", order.to_str().unwrap()];
    let page = scratch.0.join("page.html");
    assert_eq!(check(&page, &history, &kept).status.code(), Some(0));
    let played = ["--format", "edn", "--witness", order.to_str().unwrap()];
    assert_eq!(check(&page, &history, &played).status.code(), Some(0));
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("show in their order") && text.contains("Nothing was searched."));
    std::fs::write(&order, "nonsense").unwrap();
    let output = check(&page, &history, &played);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("<h1>UNKNOWN</h1>"), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Two operations of a register, the last of which sees `seen`.
fn register(seen: &str) -> String {
    format!(
        "{{:process 0 :type :invoke :f :write :value 3}}\n{{:process 0 :type :ok :f :write}}\n\
         {{:process 1 :type :invoke :f :read}}\n{{:process 1 :type :ok :f :read :value {seen}}}\n"
    )
}
