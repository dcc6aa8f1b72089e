//! `synod-harness check` as a user calls it: what it reads, what it refuses, how it exits.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

#[test]
fn a_counter_of_jepsen_repeats_the_delta_and_begins_at_zero() {
    let adds = "{:type :invoke, :f :add, :value 1, :process 0}{:type :ok, :f :add, :value 1, \
    :process 0}\
        {:type :invoke, :f :add, :value 1, :process 0}{:type :ok, :f :add, :value 1, :process 0}";
    let read = |seen: &str| {
        format!(
            "{{:type :invoke :f :read :process 1}}{{:type :ok :f :read :value {seen} :process 1}}"
        )
    };
    assert_says(&["--format", "edn"], &format!("{}{adds}{}", read("0"), read("2")), 0, "PASS");
    assert_says(
        &["--format", "edn"],
        &format!("{}{adds}{}", read("nil"), read("2")),
        0,
        "initial 0",
    );
    assert_says(
        &["--format", "edn"],
        &format!("{adds}{}", read("1")),
        1,
        "the additions before it",
    );
    assert_says(&["--format", "edn", "--initial", "5"], &format!("{adds}{}", read("7")), 0, "PASS");
    assert_says(&["--format", "edn", "--initial", "5"], &format!("{adds}{}", read("2")), 1, "");
}

#[test]
fn a_counter_says_what_it_holds_in_the_beginning() {
    let event = |kind: &str, f: &str, value: &str| {
        format!("{{:type :{kind} :f :{f} :value {value} :process 0}}")
    };
    let add = |delta: &str| event("invoke", "add", delta) + &event("ok", "add", delta);
    let read = |seen: &str| event("invoke", "read", "nil") + &event("ok", "read", seen);
    let back = [read("0"), read("nil"), read("0"), add("1"), read("1"), add("-1")].concat();
    let says = |flags: &[&str], text: String, code, wanted: &str| {
        assert_says(&[&["--format", "edn"], flags].concat(), &text, code, wanted);
    };
    says(&[], back.clone() + &read("0"), 0, "model mixed, initial 0");
    says(&[], back + &read("nil"), 1, "VIOLATION");
    // Whoever names a value, or a model that has one, means it.
    says(&["--initial", "0"], read("0") + &add("1") + &read("1"), 0, "initial 0");
    says(&["--initial", "0"], read("nil") + &add("1") + &read("1"), 1, "VIOLATION");
    says(&["--initial", "0"], add("1") + &add("-1") + &read("nil"), 1, "VIOLATION");
    for (seen, code) in [("\"\"", 0), ("0", 1)] {
        says(&["--model", "kv"], read(seen) + &add("1") + &read("1"), code, "model kv; clients");
    }
}

#[test]
fn a_counter_that_only_rises_never_falls_below_nothing() {
    for (before, seen) in [("null", "-1"), ("null", "-9"), ("null", "0")] {
        let event = |index: u32, kind: &str, f: &str, value: &str| {
            format!(
                "{{\"index\":{index},\"time_ns\":{index},\"process\":0,\"type\":\"{kind}\",\
                 \"f\":\"{f}\",\"key\":\"a\",\"value\":{value}}}\n"
            )
        };
        let text = event(0, "invoke", "read", "null")
            + &event(1, "ok", "read", before)
            + &event(2, "invoke", "add", "\"2\"")
            + &event(3, "ok", "add", "\"2\"")
            + &event(4, "invoke", "read", "null")
            + &event(5, "ok", "read", &format!("\"{seen}\""));
        assert_says(&[], &text, 1, "VIOLATION: client 0's read of a returned");
    }
}

#[test]
fn a_list_of_jepsen_is_read_as_a_vector_of_its_elements() {
    let list = |last: &str| {
        format!(
            "{{:type :invoke :f :append :value 1 :process 0}}{{:type :ok :f :append :value 1 \
            :process 0}}\
             {{:type :invoke :f :append :value 12 :process 0}}{{:type :ok :f :append :value 12 \
             :process 0}}\
             {{:type :invoke :f :read :value nil :process 1}}{{:type :ok :f :read :value {last} :\
             process 1}}"
        )
    };
    assert_says(&["--format", "edn"], &list("[1 12]"), 0, "PASS");
    assert_says(&["--format", "edn"], &list("(1 12)"), 0, "PASS");
    for wrong in ["[12 1]", "[1]", "[]", "nil", "[1 1 2]"] {
        assert_says(&["--format", "edn"], &list(wrong), 1, "VIOLATION");
    }
    let keyed = list("[7 [1 12]]").replace(":value nil", ":value [7 nil]");
    let keyed = keyed.replace(":value 12", ":value [7 12]").replace(":value 1 ", ":value [7 1] ");
    assert_says(&["--format", "edn"], &keyed, 0, "PASS");
}

/// Two spellings of one number would be a value that nobody wrote.
#[test]
fn a_number_that_is_spelled_otherwise_is_the_same() {
    let text = |wrote: &str, saw: &str| {
        let event = |process: u32, kind: &str, f: &str, value: &str| {
            let event = format!("\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\"");
            format!("{{{event},\"value\":{value}}}\n")
        };
        let write = event(0, "invoke", "write", wrote) + &event(0, "ok", "write", wrote);
        write + &event(1, "invoke", "read", "null") + &event(1, "ok", "read", saw)
    };
    let json = ["--format", "jepsen-json"];
    for (wrote, saw, code) in
        [("1000", "1e3", 0), ("1.0", "1", 0), ("0.5", "5e-1", 0), ("1.5", "1.51", 1)]
    {
        assert_says(&json, &text(wrote, saw), code, "operations 2");
    }
    let large = "99999999999999999999";
    let edn = |wrote: &str, saw: &str| text(wrote, saw).replace("\":", "\" ");
    assert_says(&["--format", "edn"], &edn(&format!("{large}N"), large), 0, "PASS");
    assert_says(&["--format", "edn"], &edn("1.0", "1.00"), 0, "PASS");
    assert_says(&["--format", "edn"], &edn("1.0", "1"), 1, "VIOLATION");
}

#[test]
fn what_wraps_a_history_makes_no_difference() {
    let text = REGISTER;
    let json = "{\"type\":\"invoke\",\"f\":\"write\",\"value\":3,\"process\":0,\"time\":5}\n\
        {\"type\":\"ok\",\"f\":\"write\",\"value\":3,\"process\":0,\"time\":6}\n\
        {\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"kill\",\"value\":{\"n1\":\
        \"\\u00e9\\ud83d\\ude00\"}}\n\
        {\"type\":\"invoke\",\"f\":\"read\",\"value\":null,\"process\":1,\"time\":7}\n\
        {\"type\":\"ok\",\"f\":\"read\",\"value\":3,\"process\":1,\"time\":8}\n";
    let array = format!("[{}]", json.trim().replace('\n', ",\n"));
    let edn = ["--format", "edn"];
    assert_says(&edn, &format!("\u{feff}{text}"), 0, "PASS");
    assert_says(&edn, &format!("[{text}]"), 0, "PASS");
    assert_says(&edn, &format!("{{:name \"x\", :history [{text}], :valid? true}}"), 0, "PASS");
    assert_says(&edn, &format!("#jepsen.history.Test{{:history #x ({text})}}"), 0, "PASS");
    for json in [json.to_owned(), array.clone(), format!("{{\"a\":[1],\"history\":{array}}}")] {
        assert_says(&["--format", "jepsen-json"], &json, 0, "operations 2, ok 2");
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert_output(&run(&edn, &packed), 0, "PASS");
    assert_output(&run(&edn, &packed[..packed.len() - 9]), 2, "VOID");
}

#[test]
fn logs_of_all_times_are_read_with_their_meaning() {
    let lines = ["0\t:invoke\t:write\t1", "0\t:ok\t:write\t1", "1\t:invoke\t:cas\t[1 2]"];
    let missed = "1\t:fail\t:cas\t[1 2]";
    let log = |prefix: &str, tab: &str| {
        let all = lines.iter().chain([&missed]).map(|line| format!("{prefix}{line}\n"));
        all.collect::<String>().replace('\t', tab)
            + &format!("{prefix}:nemesis{tab}:info{tab}:start{tab}nil\nprose : of the logger\n")
    };
    // The early logs are of a client whose failed swap had found something else.
    for tab in ["\t", " ", "   "] {
        let early = log("INFO  jepsen.util - ", tab);
        assert_says(&["--format", "jepsen-log"], &early, 1, "VIOLATION");
    }
    for prefix in ["", "2024-06-04 12:00:00,123{GMT}\tINFO\t[jepsen worker 0] jepsen.util: "] {
        let log = log(prefix, "\t")
            + &format!("{prefix}2\t:invoke\t:read\tnil\n")
            + &format!("{prefix}2\t:info\t:read\tnil\t:timeout \"a (broken\n")
            + &format!("{prefix}3\t:invoke\t:read\tnil\n{prefix}3\t:ok\t:read\t1\n");
        assert_says(&["--format", "jepsen-log"], &log, 0, "ok 2, fail 1, unknown 1");
    }
}

#[test]
fn histories_without_a_model_are_refused_by_name() {
    for (f, value, wanted) in [
        ("txn", "[[:append 1 2] [:r 1 nil]]", "transactions"),
        ("txn", "[[:w 1 2] [:r 3 nil]]", "transactions"),
        ("txn", "[[:read 1 nil] [:write 2 3]]", "a multi-register"),
        ("read", "[[:r 1 nil] [:r 2 nil]]", "a long fork"),
        ("read", "{0 10, 1 5}", "a bank"),
        ("transfer", "{:from 0 :to 1 :amount 3}", "a bank"),
        ("enqueue", "1", "a queue"),
        ("dequeue", "nil", "a queue"),
        ("acquire", "nil", "a lock"),
        ("release", "nil", "a lock"),
        ("generate", "nil", "unique ids"),
        ("poll", "nil", "a log of messages"),
        ("dance", "nil", "the operation `dance`"),
    ] {
        let event = format!("{{:type :invoke :f :{f} :value {value} :process 0}}");
        assert_refused(&["--format", "edn"], &event, wanted);
    }
    let set = "{:type :invoke :f :add :value 1 :process 0}{:type :ok :f :add :value 1 :process 0}\
        {:type :invoke :f :read :process 0}{:type :ok :f :read :value SEEN :process 0}";
    for seen in ["#{1}", "[1]"] {
        assert_refused(&["--format", "edn"], &set.replace("SEEN", seen), "a set");
    }
    let elle = "{\"type\":\"invoke\",\"f\":\"txn\",\"value\":[[\"append\",3,1]],\"process\":0}";
    assert_refused(&["--format", "jepsen-json"], elle, "transactions");
    let ours = "{\"index\":0,\"time_ns\":5,\"process\":3,\"type\":\"invoke\",\
        \"f\":\"enqueue\",\"key\":\"k\"}";
    assert_refused(&[], ours, "a queue");
}

#[test]
fn operations_of_porcupine_and_of_etcd_are_read() {
    let operations = |last: &str| PORCUPINE.replace("LAST", last);
    assert_says(&["--format", "porcupine-json"], &operations("ab"), 0, "model kv");
    assert_says(&["--format", "porcupine-json"], &operations("ba"), 1, "VIOLATION");
    let etcd = |error: &str, seen: &str| ETCD.replace("ERROR", error).replace("SEEN", seen);
    let five = "{\"Key\":\"k\",\"Value\":{\"Value\":\"5\",\"Hash\":0},\"ModRevision\":2}";
    assert_says(&["--format", "etcd-json"], &etcd("", five), 0, "PASS");
    assert_says(&["--format", "etcd-json"], &etcd("", ""), 1, "found nothing");
    assert_says(&["--format", "etcd-json"], &etcd("timeout", ""), 2, "unknown 1");
    assert_says(&["--format", "etcd-json"], &etcd("timeout", five), 0, "unknown 1");
    let conditions =
        etcd("", five).replace("\"Conditions\":null", "\"Conditions\":[{\"Key\":\"k\"}]");
    assert_refused(&["--format", "etcd-json"], &conditions, "etcd's transactions with cond");
}

#[test]
fn a_field_of_porcupine_that_is_not_known_is_no_guess() {
    let operation = |input: &str, output: &str, call: u32| {
        format!(
            "{{\"ClientId\":0,\"Input\":{input},\"Call\":{call},\"Output\":{output},\
             \"Return\":{}}}\n",
            call + 5
        )
    };
    let put = |value: &str| format!("{{\"Op\":1,\"Key\":\"x\",\"Value\":\"{value}\"}}");
    let get = "{\"Op\":0,\"Key\":\"x\",\"Value\":\"\"}";
    let swap = "{\"Op\":\"cas\",\"Key\":\"x\",\"From\":\"2\",\"To\":\"2\"}";
    let text = operation(&put("1"), "{\"Value\":\"\"}", 10)
        + &operation(&put("2"), "null", 20)
        + &operation(swap, "{\"Ok\":true}", 30)
        + &operation(get, "{\"Value\":\"2\"}", 40);
    let says = |from: &str, to: &str, code, wanted: &str| {
        assert!(text.contains(from), "{from}");
        assert_says(&["--format", "porcupine-json"], &text.replace(from, to), code, wanted);
    };
    says("2", "2", 0, "PASS");
    let seen = "{\"Value\":\"2\"}";
    says(seen, "{\"Value\":\"1\"}", 1, "VIOLATION");
    for (from, to, wanted) in [
        ("\"Value\":\"1\"", "\"Val\":\"1\"", "the `Input` has a field `Val`"),
        ("\"Value\":\"1\"", "\"Value\":null", "the `Value` of the `Input` is `nil`"),
        ("\"Key\":\"x\",\"Value\":\"1\"", "\"Value\":\"1\"", "the `Input` has no `Key`"),
        ("\"From\"", "\"Old\"", "the `Input` has a field `Old`"),
        ("\"From\":\"2\",", "", "the `Input` has no `From`"),
        ("\"To\":\"2\"", "\"Arg1\":\"2\"", "the `Input` has its `From` twice"),
        ("{\"Ok\":true}", "{}", "the `Output` of `cas` has no `Ok`"),
        ("{\"Ok\":true}", "{\"Ok\":\"true\"}", "is `\"true\"` and no true or false"),
        ("{\"Ok\":true}", "null", "the `Output` of `cas` is `nil`"),
        (seen, "{\"Err\":\"timeout\"}", "the `Output` has a field `Err`"),
        (seen, "{\"Value\":\"2\",\"Err\":\"\"}", "the `Output` has a field `Err`"),
        (seen, "{}", "the `Output` has no `Value`"),
        (seen, "{\"Value\":[2]}", "the `Value` of the `Output` is `[2]`"),
        (seen, "{\"Value\":\"2\",\"Exists\":false}", "has a `Value`, which"),
        (seen, "null", "the `Output` of `get` is `nil`"),
        ("null", "{\"Ok\":false}", "the `Ok` of the `Output` of `put` is false"),
        ("null", "\"timeout\"", "the `Output` of `put` is `\"timeout\"`"),
        ("\"Output\":null,", "", "has a `Return` and no `Output`"),
        ("\"Output\":null,\"Return\"", "\"Retrun\"", "the operation has a field `Retrun`"),
        ("\"Call\":20", "\"call\":20,\"Call\":2", "the operation has its `Call` twice"),
        ("\"ClientId\":0", "\"ClientId\":\"0\"", "the `ClientId` of the operation is"),
    ] {
        says(from, to, 2, wanted);
    }
}

#[test]
fn a_field_of_etcd_that_is_not_known_is_no_guess() {
    let pair = "{\"Key\":\"k\",\"Value\":{\"Value\":\"5\",\"Hash\":0},\"ModRevision\":2}";
    let text = ETCD.replace("ERROR", "").replace("SEEN", pair);
    let flags = ["--format", "etcd-json"];
    for (from, to, wanted) in [
        ("{\"Value\":\"5\"", "{\"Val\":\"5\"", "the `Value` has a field `Val`"),
        ("\"Error\":\"\"", "\"Error\":{}", "the `Error` of the `Output` is `{}` and no text"),
        ("{\"Failure\":false}", "{\"Failure\":true}", "has its `Failure` true"),
        ("{\"Failure\":false}", "{}", "the `Txn` of the `Output` has no `Failure`"),
        ("{\"Txn\":{\"Failure\":false},", "{", "the `Output` has no `Txn`"),
        ("{\"Range\":{\"KVs\":null}}", "{}", "the `Output` has no `Range`"),
        ("{\"Range\":{\"KVs\":null}}", "null", "the `Output` is `nil` and no map"),
        ("{\"KVs\":null}", "{\"Kvs\":7}", "the `KVs` of the response to a read is `7`"),
        ("[{\"Key\":\"k\"", "[{\"Key\":\"OTHER\"", "answered with the key `OTHER`"),
        ("[{\"Key\":\"k\"", "[{\"Kee\":\"k\"", "the pair that was read has a field `Kee`"),
        ("\"Start\":\"z\"", "\"Begin\":\"z\"", "has a field `Begin`"),
        ("\"Conditions\":null,", "", "the `Txn` of the `Input` has no `Conditions`"),
        ("\"Conditions\"", "\"Condition\"", "has a field `Condition`"),
        ("\"LeaseID\":0", "\"LeaseID\":\"7\"", "is `\"7\"` and no whole number"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        assert_says(&flags, &text.replacen(from, to, 1), 2, wanted);
    }
    let refused = |from: &str, to: &str, wanted: &str| {
        assert!(text.contains(from), "{from} in {text}");
        assert_refused(&flags, &text.replace(from, to), wanted);
    };
    refused("\"Error\":\"\"", "\"ClientError\":\"lost\"", "etcd's requests that it refuses");
    refused("\"Error\":\"\"", "\"Revision\":-1", "etcd's reads that may be stale");
    // A value without letters is left out of what is recorded.
    let empty = text.replace("{\"Value\":\"5\",\"Hash\":0}", "{}");
    assert_says(&flags, &empty, 0, "PASS");
}

#[test]
fn a_field_of_jepsen_that_is_missing_is_no_guess() {
    let edn = "{:index 0 :process 0 :type :invoke :f :write :key \"x\" :value 1}\n\
        {:index 1 :process 0 :type :ok :f :write :key \"x\" :value 1}\n\
        {:index 2 :process :nemesis :type :info :f :kill}\n\
        {:index 4 :process 1 :type :invoke :f :cas :key \"x\" :value [1 2]}\n\
        {:index 5 :process 1 :type :ok :f :cas :key \"x\" :value [1 2]}\n\
        {:index 6 :process 2 :type :invoke :f :read :key \"x\" :value nil}\n\
        {:index 7 :process 2 :type :ok :f :read :key \"x\" :value 2}\n";
    assert_says(&["--format", "edn"], edn, 0, "PASS");
    for (line, from, to, wanted) in [
        (1, ":value 1", ":val 1", "the invoke event of `write` has no :value"),
        (1, ":key", ":kee", "the call was of key ``, the return is of `x`"),
        (4, ":key", ":kee", "the call has no key, where a :key beside its value was to be"),
        (4, ":value", ":args", "the invoke event of `cas` has no :value"),
        (5, ":value", ":result", "the ok event of `cas` has no :value"),
        (5, "[1 2]", "\"no\"", "`cas` cannot answer `\"no\"`"),
        (5, ":key \"x\"", ":key \"y\"", "the call was of key `x`, the return is of `y`"),
        (6, ":process 2", ":process :two", "its :process is `two`"),
        (7, ":value", ":result", "the ok event of `read` has no :value"),
        (7, ":value 2", ":value 1 :value 2", "the event has its :value twice"),
        (7, ":index 7", ":index 3", "its :index 3 stands after 6"),
    ] {
        let mut lines: Vec<String> = edn.lines().map(str::to_owned).collect();
        let line = &mut lines[line - 1];
        *line = line.replace(from, to);
        assert_says(&["--format", "edn"], &lines.join("\n"), 2, wanted);
    }
    let json = "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1}\
        {\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":1}\
        {\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}\
        {\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":1}";
    assert_says(&["--format", "jepsen-json"], json, 0, "PASS");
    let args = json.replace("\"value\"", "\"args\"");
    assert_says(&["--format", "jepsen-json"], &args, 2, "`write` has no :value");
    let (calls, answer) = json.rsplit_once("\"value\"").unwrap();
    let result = format!("{calls}\"result\"{answer}");
    assert_says(&["--format", "jepsen-json"], &result, 2, "the ok event of `read` has no :value");
    let keyless = "{:process 0 :type :invoke :f :get :value nil}";
    assert_says(&["--format", "porcupine-kv"], keyless, 2, "the call has no key");
    let log = "INFO 0 :invoke :write 1\nINFO 0 :ok :write 1\n\
        INFO 1 :invoke :read nil\nINFO WHO :ok :read SEEN\n";
    let log = |who: &str, seen: &str| log.replace("WHO", who).replace("SEEN", seen);
    assert_says(&["--format", "jepsen-log"], &log("1", "1"), 0, "PASS");
    assert_says(&["--format", "jepsen-log"], &log("1", ""), 2, "of `read` has no :value");
    assert_says(&["--format", "jepsen-log"], &log("one", "1"), 2, "its :process is `one`");
    assert_says(&["--format", "jepsen-log"], &log(":one", "1"), 2, "its :process is `:one`");
}

#[test]
fn a_field_of_our_own_that_is_not_known_is_no_guess() {
    let event = |index: u32, kind: &str, f: &str, rest: &str| {
        format!(
            "{{\"index\":{index},\"time_ns\":{index},\"process\":0,\"type\":\"{kind}\",\
             \"f\":\"{f}\",\"key\":\"a\"{rest}}}\n"
        )
    };
    let of = |last: &str| {
        event(0, "invoke", "write", ",\"value\":\"1\"")
            + &event(1, "ok", "write", "")
            + &event(2, "invoke", "read", "")
            + &event(3, "ok", "read", last)
    };
    assert_says(&[], &of(",\"value\":\"1\""), 0, "PASS");
    assert_says(&[], &of(",\"value\":null"), 1, "VIOLATION");
    for (last, wanted) in [
        ("", "-:4: the ok event of a read has no `value`"),
        (",\"val\":\"1\"", "-:4: an event has no field `val`"),
        (",\"value\":\"1\",\"index\":3", "-:4: the event has its `index` twice"),
    ] {
        assert_says(&[], &of(last), 2, wanted);
    }
    let back = of(",\"value\":\"1\"").replace("\"time_ns\":2", "\"time_ns\":0");
    assert_says(&[], &back, 2, "-:3: its `time_ns` 0 is before 1: time ran back");
    assert_says(&[], &(of("") + "\n"), 2, "VOID");
    assert_says(&[], &(of(",\"value\":\"1\"") + "\n"), 2, "-:5: the line is empty");
}

#[test]
fn errors_are_told_in_plain_words() {
    let ours = |value: &str| {
        format!(
            "{{\"index\":0,\"time_ns\":5,\"process\":3,\"type\":\"invoke\",\"f\":\"write\",\
             \"key\":\"k\",\"value\":{value}}}\n"
        )
    };
    for (format, text, wanted) in [
        ("jsonl", ours("7"), "-:1: `value` must be null, true, false, a text, or a pair of texts"),
        ("jsonl", ours("[1]"), "-:1: `value` must be"),
        ("jsonl", ours("\"x\"").replace("3,", "-3,"), "-:1: `process` must be a number from 0 on"),
        ("jsonl", ours("\"x\"").replace("\"f\":\"write\",", ""), "-:1: the event has no `f`"),
        ("jsonl", "{\"index\":0,}\n".to_owned(), "-:1:12: this is no JSON"),
        (
            "edn",
            "{:process 0 :type :invoke :f :write :value {:a".to_owned(),
            "the file ends within",
        ),
        (
            "edn",
            "{:process 0 :type :invoke :f :cas :value [1]}".to_owned(),
            "`cas` cannot ask for `[1]`",
        ),
        ("edn", "\n  \"\\q\"".to_owned(), "-:2:6: `q` cannot follow a backslash"),
    ] {
        let output = run(&["--format", format], text.as_bytes());
        assert_output(&output, 2, wanted);
        let told = String::from_utf8(output.stdout).unwrap();
        for insides in ["Whole", "untagged", "variant", "Some(", "None", "Text("] {
            assert!(!told.contains(insides), "{told}");
        }
    }
}

#[test]
fn the_budget_holds_for_reading() {
    let event = |n: u64| {
        format!(
            "{{:process 0 :type :invoke :f :write :value {n}}}{{:process 0 :type :ok :f :write}}\n"
        )
    };
    let text: String = (0..60_000).map(event).collect();
    assert_says(&["--format", "edn", "--memory-mib", "1"], &text, 2, "while the history was read");
    assert_says(&["--format", "edn", "--budget", "0"], &text, 2, "the time budget of 0ns ran out");
}

fn assert_says(arguments: &[&str], text: &str, exit_code: i32, wanted: &str) {
    assert_output(&run(arguments, text.as_bytes()), exit_code, wanted);
}

fn assert_refused(arguments: &[&str], text: &str, wanted: &str) {
    let output = run(arguments, text.as_bytes());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(&format!("there is no model for {wanted}")), "{text}: {told}");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0), "{text}");
}

fn assert_output(output: &Output, exit_code: i32, wanted: &str) {
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit_code), "{told}{errors}");
    assert!(told.contains(wanted), "{wanted:?} in {told}{errors}");
}

/// A logical clock counts events: its times are places, and are printed as such.
#[test]
fn times_of_a_logical_clock_are_told_as_places() {
    let put = |value: u32, call: u32, returned: u32| {
        format!(
            "{{\"ClientId\":0,\"Input\":{{\"Op\":1,\"Key\":\"x\",\"Value\":\"{value}\"}},\
             \"Call\":{call},\"Output\":null,\"Return\":{returned}}}"
        )
    };
    let get = "{\"ClientId\":1,\"Input\":{\"Op\":0,\"Key\":\"x\"},\
        \"Call\":50,\"Output\":\"1\",\"Return\":60}";
    let stale = [put(1, 10, 20), put(2, 30, 40), get.to_owned()].concat();
    let output = run(&["--format", "porcupine-json"], stale.as_bytes());
    assert_output(&output, 1, "event 0 .. event 1");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("at event 4") && !told.contains("0.0000"), "{told}");
    let unwritten = [put(1, 10, 20), get.replace("\"1\"", "\"\"")].concat();
    let output = run(&["--format", "porcupine-json"], unwritten.as_bytes());
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && !told.contains("nobody ever wrote"), "{told}");
    let real = stale.replace("0,\"Output", "000000,\"Output").replace("0}", "000000}");
    let output = run(&["--format", "porcupine-json"], real.as_bytes());
    assert_output(&output, 1, "0.001000 s .. 0.002000 s");
}

#[test]
fn a_verdict_that_cannot_be_printed_is_no_success() {
    let path = std::env::temp_dir().join(format!("synod-unprinted-{}", std::process::id()));
    let write = "{:process 1 :type :invoke :f :write :value 2}\
        {:process 1 :type :ok :f :write :value 2}{:process 2 :type :invoke :f :read}";
    for (seen, code) in [("2", 70), ("3", 1)] {
        let text = format!("{write}{{:process 2 :type :ok :f :read :value {seen}}}");
        std::fs::write(&path, text).unwrap();
        let device = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_synod-harness"));
        check.arg("check").arg(&path).args(["--format", "edn"]).stdout(device);
        let output = check.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("cannot print what was found: No space left"), "{told}");
        assert_eq!(output.status.code(), Some(code), "a violation keeps its code");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_a_terminal_obeys_is_spelled() {
    let write = "{:process 1 :type :invoke :f :write :key \"k\u{1b}[2J\" :value \"a\u{7}\"}\
        {:process 1 :type :ok :f :write}{:process 2 :type :invoke :f :read :key \"k\u{1b}[2J\"}";
    let read = |seen: &str| format!("{write}{{:process 2 :type :ok :f :read :value {seen}}}");
    assert_says(&["--format", "edn"], &read("\"\u{1b}[31m\""), 1, "k\\u{1b}[2J = \\u{1b}[31m");
    for text in [read("nil"), read("\"\u{1b}\""), "\u{1b}".to_owned(), "{\u{1b}".to_owned()] {
        let output = run(&["--format", "edn"], text.as_bytes());
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let obeyed = told.contains(|letter: char| letter.is_control() && letter != '\n');
        assert!(!obeyed, "{told:?}");
    }
}

#[test]
fn a_history_that_breaks_off_is_no_fault_of_the_command_line() {
    for (file, code) in [("no/such/file", 64), ("/", 64), ("/proc/self/mem", 70)] {
        let output = harness().args(["check", file]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{file}: {told}");
    }
    for (value, wanted) in [("many", "it is no whole number"), ("-1", "")] {
        let output = harness().args(["check", "-", "--budget", value]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(wanted) && !told.contains("in string"), "{told}");
        assert_eq!(output.status.code(), Some(64), "{told}");
    }
}

#[test]
fn a_check_that_is_told_to_end_has_the_code_of_an_interrupt() {
    for signal in ["-TERM", "-INT"] {
        let mut child = harness()
            .args(["check", "-", "--format", "edn"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Once it has read more than a pipe and a buffer hold, it listens.
        let mut input = child.stdin.take().unwrap();
        input.write_all(&vec![b' '; 1 << 20]).unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_eq!(output.status.code(), Some(130), "{signal}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "synod-harness: interrupted\n");
    }
}

#[test]
fn an_operation_whose_end_cannot_be_read_is_no_open_one() {
    let stale = "{\"ClientId\":0,\"Input\":{\"Op\":1,\"Key\":\"x\",\"Value\":\"1\"},\
        \"Call\":10,\"Output\":null,\"Return\":20}\
        {\"ClientId\":0,\"Input\":{\"Op\":0,\"Key\":\"x\"},\
        \"Call\":21,\"Output\":\"1\",\"Return\":22}\
        {\"ClientId\":1,\"Input\":{\"Op\":0,\"Key\":\"x\"},\
        \"Call\":30,\"Output\":\"\",\"Return\":40}";
    let says = |text: &str, code, wanted| {
        assert_says(&["--format", "porcupine-json"], text, code, wanted);
    };
    says(stale, 1, "found \"\", although client 0's write of x = 1 had been acknowledged");
    says(&stale.replace("Return\":40", "Return\":4e1"), 1, "VIOLATION");
    for end in ["40.5", "4.05e1", "\"40\"", "99999999999999999999", "29"] {
        let text = stale.replace("\"Return\":40", &format!("\"Return\":{end}"));
        says(&text, 2, "VOID: the file is not what --format porcupine-json says");
    }
    says(&stale.replace("Return\":40", "End\":40"), 2, "has an `Output` and no `Return`");
    for end in ["null", "9223372036854775807"] {
        says(&stale.replace("\"Return\":40", &format!("\"Return\":{end}")), 0, "unknown 1");
    }
}

#[test]
fn nobody_is_left_out_because_of_its_number_or_letters() {
    let log = "0\t:invoke\t:write\t\"a\"\n 0\t:ok\t:write\t\"a\"\n 0\t:invoke\t:read\tnil\n \
        0\t:ok\t:read\t\"a\"\n ONE\t:invoke\t:read\tnil\n ONE\t:ok\t:read\tnil\n";
    let log_of = |one: &str| format!("INFO {}", log.replace("ONE", one));
    assert_says(&["--format", "jepsen-log"], &log_of("1"), 1, "VIOLATION");
    for one in ["4294967296", "-1", "1.5"] {
        assert_says(&["--format", "jepsen-log"], &log_of(one), 2, "is no number from 0 to 2^32");
    }
    let mut bytes = log_of("1").into_bytes();
    let letters: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'a').collect();
    bytes[letters[0]] = 0xff;
    let output = run(&["--format", "jepsen-log"], &bytes);
    assert!(String::from_utf8_lossy(&output.stdout).contains("its bytes are no UTF-8"));
    assert_eq!(output.status.code(), Some(2));
    for process in ["\"1\"", "4294967296", "99999999999999999999", "1.5"] {
        let text = REGISTER.replace(":process 1", &format!(":process {process}"));
        assert_says(&["--format", "edn"], &text, 2, "is no number from 0 to 2^32 - 1");
    }
}

#[test]
fn a_counter_beyond_the_model_is_refused() {
    let add = |delta: i64| {
        format!(
            "{{:type :invoke :f :add :value {delta} :process 0}}{{:type :ok :f :add :process 0}}"
        )
    };
    let text = add(i64::MAX) + &add(1);
    assert_refused(&["--format", "edn"], &text, "a counter that may pass 64 bits");
    let text = add(-i64::MAX)
        + "{:type :invoke :f :read :process 0}\
        {:type :ok :f :read :value -9223372036854775807 :process 0}";
    assert_says(&["--format", "edn"], &text, 0, "PASS");
}

#[test]
fn what_is_of_another_format_is_not_called_torn_or_empty() {
    let json = "[{\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}]";
    assert_says(&[], json, 2, "for a history of another tool name its --format");
    assert_says(&["--format", "edn"], json, 2, "a colon stands alone; the file is no EDN");
    assert_says(&["--format", "edn"], "#jepsen.history.Op", 2, "the file ends within an event");
}

#[test]
fn one_form_without_end_takes_no_more_than_its_bound() {
    let of = |begin: &str, part: &str, mebibytes: u32| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(begin.as_bytes()).unwrap();
        let mebibyte = part.repeat((1 << 20) / part.len());
        for _ in 0..mebibytes {
            packed.write_all(mebibyte.as_bytes()).unwrap();
        }
        packed.finish().unwrap()
    };
    let cases = [
        ("", "0", 66),
        ("\"", "a", 66),
        // Two bytes make one letter.
        ("\"", "\\n", 130),
        ("{", ":a 1 ", 66),
        ("", " ", 66),
        (";", "a", 66),
    ];
    for (begin, part, mebibytes) in cases {
        let output = run(&["--format", "edn"], &of(begin, part, mebibytes));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("than 64 MiB"), "{part}: {text}");
        assert_eq!(output.status.code(), Some(2));
    }
}

fn harness() -> Command {
    Command::new(env!("CARGO_BIN_EXE_synod-harness"))
}

/// Judges what stands on standard input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = harness()
        .args(["check", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that has seen enough closes the pipe.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap()
}

const REGISTER: &str = "{:type :invoke :f :write :value 3 :process 0 :time 5}\n\
    {:type :ok :f :write :value 3 :process 0 :time 6}\n{:process :nemesis :type :info :f :kill}\n\
    {:type :invoke :f :read :process 1 :time 7} ; a comment\n\
    {:type :ok, :f :read, :value 3, :process 1, :time 8}\n";

const PORCUPINE: &str = r#"
{"ClientId":0,"Input":{"Op":1,"Key":"x","Value":"a"},"Call":1,"Output":null,"Return":4}
{"ClientId":1,"Input":{"op":"append","key":"x","value":"b"},"Call":6,"Output":{},"Return":8}
{"ClientId":2,"Input":{"op":"get","key":"x"},"Call":9,"Output":{"Value":"LAST"},"Return":11}
"#;

const ETCD: &str = r#"
{"ClientID":1,"Input":{"Type":"txn","Range":null,"Txn":{
  "Conditions":null,
  "OperationsOnSuccess":[{"Type":"put-operation",
    "Put":{"Key":"k","Value":{"Value":"5","Hash":0},"LeaseID":0}}],
  "OperationsOnFailure":null}},
 "Call":10,"Output":{"Txn":{"Failure":false},"Error":"ERROR"},"Return":20}
{"ClientID":2,"Input":{"Type":"range","Range":{"Start":"k","End":"","Limit":0,"Revision":0}},
 "Call":30,"Output":{"Range":{"KVs":[SEEN],"Count":1}},"Return":40}
{"ClientID":2,"Input":{"Type":"range","Range":{"Start":"z"}},
 "Call":50,"Output":{"Range":{"KVs":null}},"Return":60}
"#;

/// A path that nobody can open is the caller's to name; a stream that is torn is no history.
#[test]
fn a_path_that_leads_in_a_circle_is_misused_and_a_torn_stream_is_void() {
    let folder = std::env::temp_dir().join(format!("synod-check-paths-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (circle, torn) = (folder.join("circle"), folder.join("torn.gz"));
    std::os::unix::fs::symlink("circle", &circle).unwrap();
    std::fs::write(&torn, [0x1f, 0x8b]).unwrap();
    let check = |path: &std::path::Path| {
        let harness = env!("CARGO_BIN_EXE_synod-harness");
        let output = Command::new(harness).arg("check").arg(path).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for path in [circle, torn.join("within-a-file"), folder.join("x".repeat(300))] {
        assert_eq!(check(&path), (Some(64), String::new()), "{}", path.display());
    }
    let (code, text) = check(&torn);
    assert!(code == Some(2) && text.starts_with("VOID: "), "{code:?} {text}");
    assert!(text.contains("its gzip stream is broken"), "{text}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_history_whose_returns_are_of_other_operations_carries_no_verdict() {
    let text = "{:process 0 :type :invoke :f :write :value 1}\
        {:process 0 :type :ok :f :read :value 5}\
        {:process 1 :type :invoke :f :read :value nil}\
        {:process 1 :type :ok :f :write :value 1}";
    let wanted = "process 0 called `write` and returns from `read`";
    assert_says(&["--format", "edn"], text, 2, wanted);
}

/// What could not be printed is no success, help among it.
#[test]
fn help_that_cannot_be_printed_is_no_success() {
    for flags in [&["--help"][..], &["--version"], &["check", "--help"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut harness = Command::new(env!("CARGO_BIN_EXE_synod-harness"));
        let status = harness.args(flags).stdout(full).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(70), "{flags:?}");
    }
}

/// That a page has no place is the environment's fault; that there is no run, the caller's.
#[test]
fn a_page_that_cannot_be_written_is_no_misuse() {
    let folder = std::env::temp_dir().join(format!("synod-report-place-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("report.html")).unwrap();
    let report = || {
        let mut harness = Command::new(env!("CARGO_BIN_EXE_synod-harness"));
        let output = harness.arg("report").arg(&folder).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, words) = report();
    assert!(code == Some(64) && words.contains("cannot read"), "{code:?} {words}");
    let summary = r#"{"verdict": "pass", "reasons": [], "seed": 1, "version": "1", "system": "x",
        "started_unix_ms": 1, "duration_ms": 1, "reproduce": "",
        "plan": {"nodes": 1, "clients": 1, "time_s": 1, "workload": "mix", "nemesis": "calm"},
        "counts": {"ok": 0, "fail": 0, "info": 0}, "violation": null, "faults": [],
        "leaders": [], "links": [], "after_heal": null, "nodes": [], "checker": null}"#;
    std::fs::write(folder.join("report.json"), summary).unwrap();
    let (code, words) = report();
    assert!(code == Some(70) && words.contains("cannot write"), "{code:?} {words}");
    std::fs::remove_dir_all(&folder).unwrap();
}
