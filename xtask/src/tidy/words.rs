//! The rules for what is written in words: plain ASCII, no loose ends, no talk of change.
//!
//! Comments describe the code as it stands, so words that only make sense beside an older
//! version are refused. Names in backticks and fenced code are not words.

use super::source::Source;
use super::{File, Finding};

/// Checks one file of whatever kind.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = ascii(file);
    let prose = if file.is_rust() { comments(&file.text) } else { plain_lines(file) };
    let mut fenced = false;
    for (at, line) in prose.iter().enumerate() {
        if line.contains("```") {
            fenced = !fenced;
            continue;
        }
        if !fenced {
            // The names in a spec mark are those of the specification.
            let words = words_of(line.split("spec: ").next().unwrap_or(line));
            let found = BANNED.iter().filter(|banned| banned.is_in(&words, file));
            findings.extend(found.map(|banned| Finding::new(&file.path, at + 1, banned.what())));
        }
    }
    findings
}

fn ascii(file: &File) -> Vec<Finding> {
    if !ASCII_ENDINGS.iter().any(|ending| file.path.ends_with(ending)) {
        return Vec::new();
    }
    let lines = file.text.lines().enumerate();
    let odd = lines.filter_map(|(at, line)| Some((at, line.chars().find(|c| !c.is_ascii())?)));
    odd.map(|(at, c)| {
        let what = format!("`{}` is not ASCII; write an escape", c.escape_unicode());
        Finding::new(&file.path, at + 1, what)
    })
    .collect()
}

fn comments(text: &str) -> Vec<String> {
    Source::parse(text).lines.into_iter().map(|line| line.comment).collect()
}

/// Whole lines of prose; of configuration, the part behind the comment sign.
fn plain_lines(file: &File) -> Vec<String> {
    let sign = match file.path.rsplit('.').next() {
        Some("md") => "",
        Some("toml" | "yml" | "yaml" | "sh" | "conf") => "#",
        Some("tla" | "cfg") => "\\*",
        Some(_) | None => return Vec::new(),
    };
    let comment = |line: &str| line.find(sign).map_or("", |at| &line[at..]).to_owned();
    file.text.lines().map(comment).collect()
}

/// Splits into words, without what stands in backticks or double quotes.
fn words_of(line: &str) -> Vec<&str> {
    let outside = |sign: char| move |(at, part): (usize, _)| (at % 2 == 0).then_some((sign, part));
    let plain = line.split('`').enumerate().filter_map(outside('`'));
    let plain = plain.flat_map(|(_, part)| part.split('"').enumerate().filter_map(outside('"')));
    plain
        .flat_map(|(_, part): (char, &str)| part.split(|c: char| !c.is_alphanumeric() && c != '\''))
        .filter(|word| !word.is_empty())
        .collect()
}

/// A word or phrase that is refused.
struct Banned {
    phrase: &'static [&'static str],
    exact_case: bool,
    code_only: bool,
    remedy: &'static str,
}

impl Banned {
    fn is_in(&self, words: &[&str], file: &File) -> bool {
        if self.code_only && file.path.ends_with(".md") {
            return false;
        }
        let same = |word: &&str, wanted: &&str| match self.exact_case {
            true => word == wanted,
            false => word.eq_ignore_ascii_case(wanted),
        };
        let here = |window: &[&str]| window.iter().zip(self.phrase).all(|(w, p)| same(w, p));
        words.windows(self.phrase.len()).any(here)
    }

    fn what(&self) -> String {
        format!("\"{}\": {}", self.phrase.join(" "), self.remedy)
    }
}

const fn loose_end(phrase: &'static [&'static str]) -> Banned {
    Banned { phrase, exact_case: true, code_only: false, remedy: "finish it, or leave it out" }
}

const fn change(phrase: &'static [&'static str]) -> Banned {
    let remedy = "a comment describes the code as it stands; the commit tells what changed";
    Banned { phrase, exact_case: false, code_only: true, remedy }
}

const fn instead(phrase: &'static [&'static str], remedy: &'static str) -> Banned {
    Banned { phrase, exact_case: false, code_only: true, remedy }
}

const BANNED: &[Banned] = &[
    loose_end(&["TODO"]),
    loose_end(&["FIXME"]),
    loose_end(&["XXX"]),
    loose_end(&["HACK"]),
    change(&["now"]),
    change(&["no", "longer"]),
    change(&["anymore"]),
    change(&["previously"]),
    change(&["used", "to", "be"]),
    change(&["the", "new", "code"]),
    change(&["the", "old", "code"]),
    instead(&["elect"], "the field's word for a node in phase 1 is candidate"),
    instead(&["court"], "the word for who holds a run against its invariants is monitor"),
    instead(&["lookout"], "the word for who counts what a batch has met is tracker"),
    instead(&["parcel"], "the word for a message under way in the simulator is packet"),
    instead(&["breaker"], "the word for what carries faults out is injector"),
];

const ASCII_ENDINGS: &[&str] = &[
    ".rs",
    ".toml",
    ".md",
    ".tla",
    ".cfg",
    ".yml",
    ".yaml",
    ".sh",
    ".txt",
    ".patch",
    ".html",
    ".css",
    ".js",
    "run",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&File::of(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn loose_ends_are_found_in_comments_and_not_in_code() {
        assert!(findings("a.rs", "//! A.\nx(); // TODO: more")[0].starts_with("a.rs:2: \"TODO\""));
        assert_eq!(findings("a.rs", "const TODO: &str = \"FIXME\";"), [""; 0]);
        assert_eq!(findings("a.toml", "x = 1 # XXX").len(), 1);
        assert_eq!(findings("a.tla", "\\* FIXME").len(), 1);
        assert_eq!(findings("README.md", "FIXME").len(), 1);
    }

    #[test]
    fn talk_of_change_is_found_as_whole_words() {
        assert_eq!(findings("a.rs", "// It is known.").len(), 0);
        assert_eq!(findings("a.rs", "// It is Now done.").len(), 1);
        assert_eq!(findings("a.rs", "/// spec: HybridClock!Now").len(), 0);
        assert_eq!(findings("a.rs", "// This is no longer so.").len(), 1);
        assert_eq!(findings("a.rs", "// Call `now` or \"now\".").len(), 0);
        assert_eq!(findings("README.md", "now").len(), 0);
    }

    #[test]
    fn words_that_the_glossary_replaced_are_refused_in_code() {
        let what = "the field's word for a node in phase 1 is candidate";
        assert_eq!(findings("a.rs", "// An elect asks."), [format!("a.rs:1: \"elect\": {what}")]);
        assert_eq!(findings("a.rs", "// It elects a leader."), [""; 0]);
    }

    #[test]
    fn fenced_code_is_not_prose() {
        assert_eq!(
            findings("a.rs", "/// ```\n/// let now = 1;\n/// ```\n/// Right now."),
            ["a.rs:4: \"now\": a comment describes the code as it stands; the commit tells what \
              changed"]
        );
    }

    #[test]
    fn only_ascii_is_written() {
        assert_eq!(
            findings("a.rs", "// fine\n// \u{2014}"),
            ["a.rs:2: `\\u{2014}` is not ASCII; write an escape"]
        );
        assert_eq!(findings("picture.svg", "\u{2014}"), [""; 0]);
    }

    /// Each word that is refused, in the comment of whoever reads it first.
    #[test]
    fn each_refused_word_is_found_and_its_neighbours_are_not() {
        for (refused, fine) in [
            ("TODO more", "todo more"),
            ("FIXME more", "fix me"),
            ("XXX more", "xxx"),
            ("HACK more", "a hack"),
            ("It is now so", "it is known"),
            ("No longer so", "no one longer"),
            ("Not so anymore", "any more"),
            ("Previously so", "previous"),
            ("It used to be so", "used to build"),
            ("As the new code does", "the newest code"),
            ("As the old code did", "the older code"),
            ("An elect asks", "elected"),
            ("The court says", "courteous"),
            ("The lookout sees", "look out"),
            ("A parcel comes", "parcels out"),
            ("The breaker acts", "breaks"),
        ] {
            for (path, sign) in [("a.rs", "//"), ("a.toml", "#"), ("a.yml", "#"), ("a.sh", "#")] {
                let text = format!("{sign} {refused}.");
                assert_eq!(findings(path, &text).len(), 1, "{path}: {text}");
                let text = format!("{sign} {fine}.");
                assert_eq!(findings(path, &text).len(), 0, "{path}: {text}");
            }
        }
    }

    #[test]
    fn every_kind_of_text_is_plain() {
        for path in [
            "a.rs",
            "a.toml",
            "a.md",
            "a.tla",
            "a.cfg",
            "a.yml",
            "a.yaml",
            "a.sh",
            "a.txt",
            "a.patch",
            "a.html",
            "a.css",
            "a.js",
            ".ci/run",
            "LICENSE-MIT",
            "LICENSE-APACHE",
        ] {
            assert_eq!(findings(path, "\u{e9}\n").len(), 1, "{path}");
        }
    }
}
