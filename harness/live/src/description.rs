//! The description of a system as text: TOML for people, JSON for programs and for older files.
//!
//! What the fields mean is said where they are, in [`system`](crate::system); here a text becomes a
//! description or is refused with the line, the word and what to do. The claim kept true: a
//! description that is read makes every command that it names, and has no field that is not obeyed.

use synod_history::json;

use crate::ready_client::ReadyClientError;
use crate::system::{System, SystemError};

/// A text that describes no system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}; {remedy}", place(*line))]
pub struct DescriptionError {
    /// The line, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

impl System {
    /// Reads the text of a file of this name: TOML or JSON as the name ends, and else as the text
    /// begins.
    ///
    /// # Errors
    ///
    /// [`DescriptionError`] says where, what, and what to do.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_live::system::System;
    ///
    /// let text = r#"
    ///     name = "mine"
    ///     serve = ["{binary}", "run", "{node}", { per_peer = ["--peer", "{peer}={address}"] }]
    ///     bridge = ["{binary}", "clients", { per_node = ["{address}"] }]
    /// "#;
    /// assert_eq!(System::parse("mine.toml", text)?.name, "mine");
    ///
    /// let wrong = text.replace("bridge", "brigde");
    /// let error = System::parse("mine.toml", &wrong).unwrap_err();
    /// assert_eq!(error.line, Some(4));
    /// assert!(error.remedy.starts_with("did you mean `bridge`?"), "{error}");
    /// # Ok::<(), synod_live::description::DescriptionError>(())
    /// ```
    pub fn parse(name: &str, text: &str) -> Result<Self, DescriptionError> {
        // Some editors begin a text with a mark of its encoding, which is no part of it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let is_json = match name.rsplit_once('.') {
            Some((_, "json")) => true,
            Some((_, "toml")) => false,
            Some(_) | None => text.trim_start().starts_with('{'),
        };
        let system = if is_json { from_json(text)? } else { from_toml(text)? };
        system.check().map_err(|error| of_words(&error, text))?;
        Ok(system)
    }
}

fn from_json(text: &str) -> Result<System, DescriptionError> {
    serde_json::from_str(text).map_err(|error| {
        let problem = json::problem(&error);
        // The reader says line 0 where it knows of none.
        let line = Some(error.line()).filter(|line| *line > 0);
        let what = match line {
            Some(line) => problem.strip_prefix(&format!("line {line}: ")).unwrap_or(&problem),
            None => &problem,
        };
        told(line.filter(|_| what.len() < problem.len()), what)
    })
}

fn from_toml(text: &str) -> Result<System, DescriptionError> {
    toml::from_str(text).map_err(|error| {
        let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let message = error.message().trim_end();
        let what = json::plain(message).replace("an object in braces", "a table");
        // What is missing stands nowhere.
        let place = error.span().filter(|_| !message.starts_with("missing field"));
        told(place.map(|span| line(span.start)), &what)
    })
}

/// Tells what is wrong with a field or its value, and what to do.
fn told(line: Option<usize>, what: &str) -> DescriptionError {
    let (what, remedy) = match what.split_once(", expected ") {
        Some((what, known)) if what.starts_with("there is no ") => {
            let mut quoted = what.split('`');
            let word = quoted.nth(1).unwrap_or_default();
            let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
            let remedy = match nearest(word, &known) {
                Some(near) => format!("did you mean `{near}`? There are {}", known.join(", ")),
                None => "leave it out".to_owned(),
            };
            (what.to_owned(), remedy)
        }
        Some(_) | None if what.ends_with(" is missing") => (what.to_owned(), "add it".to_owned()),
        Some(_) | None => {
            let remedy = "`synod-harness init DIR` writes a description that is right, with a \
                          comment on each field";
            (what.to_owned(), remedy.to_owned())
        }
    };
    DescriptionError { line, what, remedy }
}

/// Tells of a command that cannot be made, and where its word stands.
fn of_words(error: &SystemError, text: &str) -> DescriptionError {
    let needle = match error {
        SystemError::UnknownGap { word, .. } | SystemError::UnfilledPlaceholder { word } => {
            format!("\"{word}\"")
        }
        SystemError::Empty => "[]".to_owned(),
        SystemError::NoPortToAsk => "ready".to_owned(),
        SystemError::AnnouncedPacket => "transport".to_owned(),
        SystemError::NoServe => "serve".to_owned(),
        SystemError::UpgradedAlone => "upgraded".to_owned(),
        SystemError::NoAddress { address } => format!("\"{address}\""),
        SystemError::NamelessFault => "[[engine]]".to_owned(),
        SystemError::LeaderTwice { .. } => "who_leads".to_owned(),
        SystemError::PreloadTaken => "LD_PRELOAD".to_owned(),
        SystemError::NoAddresses { command, .. } => (*command).to_owned(),
        SystemError::OneBridge { .. } => "bridge".to_owned(),
        SystemError::ClientByTcp => "transport".to_owned(),
        SystemError::ClientTells => "status".to_owned(),
        SystemError::Client(ReadyClientError { operation, .. }) => format!("{operation} = "),
    };
    // A word that stands on several lines may be right on one of them.
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| line.contains(&needle));
    let line = lines.next().filter(|_| lines.next().is_none()).map(|(number, _)| number);
    let said = error.to_string();
    let (what, remedy) = said.split_once("; ").unwrap_or((&said, "change it"));
    DescriptionError { line, what: what.to_owned(), remedy: remedy.to_owned() }
}

/// Returns the word that is the fewest changes of a letter away.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known.iter().copied().min_by_key(|known| distance(word, known))
}

/// Returns how many letters are to be put in, taken out or changed (Levenshtein, 1965).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use synod_fault::Transports;

    use super::*;
    use crate::readiness::Ready;
    use crate::system::Arg;

    const WHOLE: &str = r#"
# A system with all that a description may say.
name = "mine"
init = ["{binary}", "init", "{dir}", "{nodes}"]
create = ["{binary}", "create", "{data}", "{node}"]
serve = [
    "{binary}", "{client-listen}", "{here}", # a comment between words
    { per_peer = ["--peer", "{peer}={address}"] },
]
upgraded = ["{here}/newer", "{client-listen}"]
bridge = ["python3", "{here}/bridge.py", { per_node = ["{address}"] }]
audit = ["{binary}", "audit", "{run}"]
transport = { peer = "tcp", client = "tcp" }
pins = true
ready = { http = "/health" }
crash_patterns = ["CORRUPT"]
known_crash_patterns = false

[env.serve]
NODE = "n{node}"
PEERS = { per_peer = ["{peer}={address}"] }

[evidence]
ok = 50

[setup]
cluster = ["mkdir", "{run}/shared"]
node = ["mkdir", "{data}"]

[stop]
cluster = ["ctl", "stop", { per_node = ["{address}"] }]
node = ["kill", "-INT", "{pid}"]

[teardown]
node = ["rmdir", "{data}"]
"#;

    const BRIDGE: &str =
        "bridge = [\"python3\", \"{here}/bridge.py\", { per_node = [\"{address}\"] }]";

    fn refused(name: &str, text: &str) -> String {
        System::parse(name, text).expect_err(text).to_string()
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let system = System::parse("mine.toml", WHOLE).expect("a description");
        assert_eq!(system.transport, Transports::TCP);
        assert_eq!(system.ready, Ready::Http("/health".to_owned()));
        assert_eq!(system.env.serve["NODE"], Arg::One("n{node}".to_owned()));
        assert!(!system.known_crash_patterns && system.evidence.ok == 50);
        let text = serde_json::to_string(&system).expect("plain data");
        assert_eq!(System::parse("mine.json", &text), Ok(system.clone()));
        // The text tells what it is, where the name does not.
        assert_eq!(System::parse("mine", &format!("\n  {text}")), Ok(system.clone()));
        assert_eq!(System::parse("mine.txt", &format!("\u{feff}{WHOLE}")), Ok(system));
    }

    #[test]
    fn a_field_that_is_not_known_is_refused_with_the_nearest_that_is() {
        for (from, to, words) in [
            (
                "crash_patterns = [",
                "crashpatterns = [",
                "line 16: there is no `crashpatterns`; did you mean `crash_patterns`? There are ",
            ),
            ("[env.serve]", "[env.server]", "line 19: there is no `server`; did you mean `serve`?"),
            ("ok = 50", "okay = 50", "line 24: there is no `okay`; did you mean `ok`?"),
            (
                "http = \"/health\"",
                "htpp = \"/health\"",
                "line 15: there is no `htpp`; did you mean `http`?",
            ),
        ] {
            let told = refused("mine.toml", &WHOLE.replacen(from, to, 1));
            assert!(told.starts_with(words), "{told}");
        }
        let told = refused("mine.json", "{\"name\": \"x\",\n\"servee\": []}");
        assert!(told.starts_with("line 2: there is no `servee`; did you mean `serve`?"), "{told}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_to_do() {
        for (from, to, words) in [
            ("name = \"mine\"", "name = 7", "line 3: found integer `7`, wanted a text; `synod-"),
            ("name = \"mine\"", "", "`name` is missing; add it"),
            ("name = \"mine\"", "name = mine", "line 3: "),
            (
                "{client-listen}",
                "{client-port}",
                "line 7: `{client-port}` names `client-port`, which this command does not have; ",
            ),
            ("n{node}", "{runs}", "line 20: `{runs}` names `runs`"),
            ("n{node}", "{run}", "`{run}` names `run`, which this command does not have"),
            ("\"init\", \"{dir}\"", "\"init\", \"{dir\"", "line 4: `{dir` opens a gap"),
            ("peer = \"tcp\"", "peer = \"sctp\"", "line 13: there is no transport `sctp`"),
            (
                "client = \"tcp\"",
                "client = \"udp\"",
                "line 15: `ready` asks the port for clients by TCP",
            ),
            ("\"{node}\"]", "7]", "line 5: a word of a command is a text in quotes, or "),
            ("{run}/shared", "{data}", "`{data}` names `data`, which this command does not have"),
            ("-INT\", \"{pid}", "-INT\", \"{ip}", "line 32: `{ip}` names `ip`, which this command"),
            (
                "[\"mkdir\", \"{data}\"]",
                "[{ per_node = [\"{address}\"] }]",
                "line 26: `setup` repeats words for each node, and runs where no node has an addr",
            ),
            ("[teardown]\nnode", "[teardown]\nnodes", "line 35: there is no `nodes`; did you mean"),
            (
                "\"{dir}\", \"{nodes}\"",
                "{ per_node = [\"{address}\"] }",
                "line 4: `init` repeats words for each node, and runs where no node has an addr",
            ),
            (
                "\"audit\", \"{run}\"",
                "{ per_peer = [\"{address}\"] }",
                "line 12: `audit` repeats words for each node, and runs where no node has an add",
            ),
            (BRIDGE, "", "nothing speaks for the clients; give either `bridge`, or a ready client"),
            (BRIDGE, "bridge = \"x\"", "line 11: found string \"x\", wanted a list"),
        ] {
            assert_ne!(WHOLE.replacen(from, to, 1), WHOLE, "{from}");
            let told = refused("mine.toml", &WHOLE.replacen(from, to, 1));
            assert!(told.starts_with(words), "{told}");
            assert!(told.contains("; "), "it says what to do: {told}");
        }
    }

    #[test]
    fn a_wrong_description_in_json_is_told_in_plain_words() {
        for (text, wanted) in [
            ("", "there is no JSON in it; "),
            ("\nhello", "it is no JSON from line 2, column 1 on; "),
            ("{\"name\": \"x\"", "the JSON ends too early, in line 1; "),
            ("7", "line 1: found integer `7`, wanted a description of a system; "),
            ("{\"name\": 7}", "line 1: found integer `7`, wanted a text; "),
            ("{\"name\": \"x\"}", "`serve` is missing; add it, or say by `addresses` where"),
            ("{\"name\": \"x\", \"serve\": [\"s\"]}", "nothing speaks for the clients; give"),
            ("{\"name\": \"x\", \"serve\": \"s\"}", "line 1: found string \"s\", wanted a list"),
        ] {
            let told = refused("mine.json", text);
            assert!(told.starts_with(wanted), "{told}");
        }
    }

    #[test]
    fn words_are_near_by_the_letters_that_differ() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("serve", "serve"), 0);
        assert_eq!(distance("sevre", "serve"), 2);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("brigde", &["name", "bridge", "serve"]), Some("bridge"));
        assert_eq!(nearest("x", &[]), None);
    }

    /// What stands between the fences of `toml` on a page.
    fn blocks(page: &str) -> Vec<&str> {
        let parts = page.split("```toml\n").skip(1);
        parts.filter_map(|part| part.split("```").next()).collect()
    }

    #[test]
    fn the_descriptions_of_the_pages_and_examples_are_read() {
        let pages = [
            include_str!("../../../docs/book/pages/test-your-own.md"),
            include_str!("../../README.md"),
        ];
        let of_pages = pages.iter().flat_map(|page| blocks(page));
        let of_pages: Vec<&str> = of_pages.filter(|text| text.contains("serve =")).collect();
        assert_eq!(of_pages.len(), 4);
        let examples = [
            include_str!("../../examples/quorum_kv/sound.toml"),
            include_str!("../../examples/quorum_kv/ack-alone.toml"),
            include_str!("../../examples/quorum_kv/late-sync.toml"),
            include_str!("../../examples/quorum_kv/no-write-back.toml"),
            include_str!("../../examples/ready_clients/resp.toml"),
            include_str!("../../examples/redis/ready.toml"),
            include_str!("../../examples/etcd/gateway.toml"),
        ];
        for text in of_pages.into_iter().chain(examples) {
            let system = System::parse("page.toml", text).expect(text);
            assert_eq!((system.transport, system.ready), (Transports::TCP, Ready::Tcp));
        }
    }

    #[test]
    fn what_init_writes_is_read_with_each_of_its_examples() {
        let text = include_str!("../../src/cli/skeleton/system.toml");
        let plain = System::parse("system.toml", text).expect("it is right as it stands");
        assert_eq!(plain.name, "my-system");
        // A comment that is an assignment or a header is an example.
        let is_example = |line: &&str| {
            let begins = line.starts_with("# ") && !line.starts_with("#  ");
            begins && (line.contains(" = ") || line.contains("# [env.serve]"))
        };
        let examples: Vec<&str> = text.lines().filter(is_example).collect();
        assert_eq!(examples.len(), 16, "{examples:?}");
        for ready in examples.iter().filter(|line| line.starts_with("# ready")) {
            let others = examples.iter().filter(|line| !line.starts_with("# ready")).chain([ready]);
            let whole = others.fold(text.to_owned(), |text, line| text.replace(line, &line[2..]));
            let system = System::parse("system.toml", &whole).expect(&whole);
            assert!(!system.ready.is_default() && system.init.is_some() && system.create.is_some());
            assert!(system.upgraded.is_some());
            assert_eq!((system.crash_patterns.len(), system.env.serve.len()), (2, 2));
        }
    }
}
