//! Scenarios as text: TOML for people, JSON for the plan that a run leaves behind.
//!
//! Whatever is read is whole and makes sense, or is refused with the line and what to do about it:
//! an unknown word here, what makes no sense in `sense`. The claim kept true: what was written is
//! read back as it was.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sense::SenselessPart;
use crate::{PartsPerMillion, PlannedFault, Scenario};

/// A text that is no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}; {remedy}", at(*line))]
pub struct Malformed {
    /// The line, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// A scenario with a number that TOML cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be written as TOML: {0}")]
pub struct Unwritable(String);

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

impl Scenario {
    /// Reads the bytes of a file of this name: JSON if the name says so, and else TOML.
    ///
    /// # Errors
    ///
    /// [`Malformed`] says where, what, and what to do.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let what = "these bytes are no UTF-8".to_owned();
            Malformed { line: Some(line), what, remedy: "save the file as UTF-8".to_owned() }
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if name.ends_with(".json") { Self::from_json(text) } else { Self::from_toml(text) }
    }

    /// Reads what people wrote.
    ///
    /// # Examples
    ///
    /// ```
    /// use synod_fault::{Action, Scenario, Target};
    ///
    /// let text = r#"
    ///     seed = 7
    ///     nodes = 3
    ///     time_ms = 10000
    ///
    ///     [[faults]]
    ///     at_ms = 2000
    ///     trigger = "leader-seen"
    ///     lasts_ms = 3000
    ///     action = "isolate"
    ///     target = "leader"
    /// "#;
    /// let scenario = Scenario::from_toml(text)?;
    /// assert_eq!(scenario.faults[0].action, Action::Isolate);
    /// assert_eq!(scenario.faults[0].target, Target::Leader);
    ///
    /// let wrong = text.replace("\"isolate\"", "\"isolates\"");
    /// let words = Scenario::from_toml(&wrong).unwrap_err().to_string();
    /// assert!(words.starts_with("line 10: unknown variant `isolates`"), "{words}");
    /// # Ok::<(), synod_fault::Malformed>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Malformed`] says where, what, and what to do.
    pub fn from_toml(text: &str) -> Result<Self, Malformed> {
        let line = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        // The form comes first: another one has other fields, and errors that tell of those would
        // mislead.
        if let Ok(Form { format: Some(format) }) = toml::from_str(text) {
            check_form(format)?;
        }
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let what = in_words(error.message().trim_end());
            let remedy = remedy(&what).to_owned();
            Malformed { line: error.span().map(|span| line(span.start)), what, remedy }
        })?;
        check_form(scenario.format)?;
        scenario.check().map_err(|problem| {
            let of_fault = problem.fault.and_then(|fault| headers(text).nth(fault));
            let line = of_fault.or_else(|| field_line(text, problem.field?));
            told(problem, line)
        })?;
        Ok(scenario)
    }

    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if a number is larger than TOML's are.
    pub fn to_toml(&self) -> Result<String, Unwritable> {
        let mut out = Writer::default();
        out.value("format", &self.format)?;
        for (key, word) in [("reason", &self.reason), ("system", &self.system)] {
            if !word.is_empty() {
                out.value(key, word)?;
            }
        }
        match i64::try_from(self.seed.0) {
            Ok(seed) => out.value("seed", &seed)?,
            // TOML has no number as large.
            Err(_) => out.value("seed", &self.seed.to_string())?,
        }
        out.value("nodes", &self.nodes)?;
        out.value("clients", &self.clients)?;
        out.value("workload", &self.workload)?;
        out.value("nemesis", &self.nemesis)?;
        out.value("time_ms", &self.time_ms)?;
        out.value("timeout_ms", &self.timeout_ms)?;
        out.value("rest_ms", &self.rest_ms)?;
        if self.hasty_ms.0 != 0 {
            out.value("hasty_ms", &self.hasty_ms)?;
        }
        if self.pinned != PartsPerMillion::default() {
            out.value("pinned", &self.pinned)?;
        }
        if self.keys != 0 {
            out.value("keys", &self.keys)?;
        }
        if !self.conditions.are_usual() {
            out.header("[conditions]");
            out.fields(&self.conditions)?;
        }
        for fault in &self.faults {
            out.header("[[faults]]");
            out.fault(fault)?;
        }
        Ok(out.0)
    }

    /// Reads the plan of a run.
    ///
    /// # Errors
    ///
    /// [`Malformed`] says where, what, and what to do.
    pub fn from_json(text: &str) -> Result<Self, Malformed> {
        if let Ok(Form { format: Some(format) }) = serde_json::from_str(text) {
            check_form(format)?;
        }
        let scenario: Self = serde_json::from_str(text).map_err(|error| {
            let (line, what) = (error.line(), error.to_string());
            let place = format!(" at line {line} column {}", error.column());
            let what = in_words(what.strip_suffix(&place).unwrap_or(&what));
            let remedy = remedy(&what).to_owned();
            Malformed { line: Some(line).filter(|line| *line > 0), what, remedy }
        })?;
        check_form(scenario.format)?;
        scenario.check().map_err(|problem| told(problem, None))?;
        Ok(scenario)
    }

    /// Returns the written form, which ends in a line feed and is the same for equal plans.
    ///
    /// # Panics
    ///
    /// Never: a plan has no part that cannot be written.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }
}

/// The only field that every version of the form has.
#[derive(Deserialize)]
struct Form {
    format: Option<u32>,
}

/// Returns the lines on which the faults begin, counted from 1, of which each has a header.
fn headers(text: &str) -> impl Iterator<Item = usize> {
    let is_header = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_whitespace().collect::<String>() == "[[faults]]"
    };
    (1..).zip(text.lines()).filter(move |(_, line)| is_header(line)).map(|(line, _)| line)
}

/// Returns the line on which a field stands that is no fault's. Those stand before all faults.
fn field_line(text: &str, field: &str) -> Option<usize> {
    let is_field = |line: &str| {
        let line = line.trim();
        let rest = line.strip_prefix(field);
        let is_table = line.starts_with('[') && line.ends_with(&format!(".{field}]"));
        is_table || rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    (1..).zip(text.lines()).find(|(_, line)| is_field(line)).map(|(line, _)| line)
}

/// Names what a field takes in the words of the form, where the reader names types of Rust.
fn in_words(what: &str) -> String {
    let Some((found, expected)) = what.rsplit_once(", expected ") else { return what.to_owned() };
    let expected = match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number, 0 or more",
        "i32" => "a whole number",
        "a sequence" => "a list",
        "struct RateLimit" => "a table with `bytes_per_s` and `queue_bytes`",
        other => other,
    };
    format!("{found}, expected {expected}")
}

fn told(problem: SenselessPart, line: Option<usize>) -> Malformed {
    let SenselessPart { fault, field: _, what, remedy } = problem;
    let place = fault.map_or_else(String::new, |fault| format!("fault {}: ", fault + 1));
    Malformed { line, what: format!("{place}{what}"), remedy }
}

fn check_form(format: u32) -> Result<(), Malformed> {
    if format == Scenario::FORMAT {
        return Ok(());
    }
    let what = format!("it was written by another version of the harness (form {format})");
    let remedy = format!("this one reads form {}: write it anew", Scenario::FORMAT);
    Err(Malformed { line: None, what, remedy })
}

/// Says what to do about an error of the form.
fn remedy(what: &str) -> &'static str {
    if what.starts_with("unknown") {
        "use one of the words that there are"
    } else if what.starts_with("missing field") {
        "add it"
    } else {
        "`synod-harness scenario list` names files that are right, and `show` writes one in full"
    }
}

/// Text under way, each value on a line of its own.
#[derive(Default)]
struct Writer(String);

impl Writer {
    fn header(&mut self, header: &str) {
        self.line(format_args!("\n{header}"));
    }

    fn value(&mut self, key: &str, value: &impl Serialize) -> Result<(), Unwritable> {
        let value = as_value(value)?;
        self.line(format_args!("{key} = {value}"));
        Ok(())
    }

    fn fields(&mut self, value: &impl Serialize) -> Result<(), Unwritable> {
        let toml::Value::Table(table) = as_value(value)? else { return Ok(()) };
        for (key, value) in table {
            self.line(format_args!("{key} = {value}"));
        }
        Ok(())
    }

    fn fault(&mut self, fault: &PlannedFault) -> Result<(), Unwritable> {
        if let Some(kind) = fault.kind {
            self.value("kind", &kind)?;
        }
        self.value("at_ms", &fault.at_ms)?;
        if fault.trigger != crate::Trigger::Time {
            self.value("trigger", &fault.trigger)?;
        }
        self.value("lasts_ms", &fault.lasts_ms)?;
        self.value("action", &fault.action)?;
        if !fault.target.is_default() {
            self.value("target", &fault.target)?;
        }
        if let Some(period) = fault.flaps_ms {
            self.value("flaps_ms", &period)?;
        }
        Ok(())
    }

    fn line(&mut self, words: fmt::Arguments<'_>) {
        self.0.push_str(&format!("{words}\n"));
    }
}

fn as_value(value: &impl Serialize) -> Result<toml::Value, Unwritable> {
    toml::Value::try_from(value).map_err(|error| Unwritable(error.to_string()))
}
