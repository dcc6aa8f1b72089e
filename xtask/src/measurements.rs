//! Measurements of `bench` in a file, and two of them side by side.
//!
//! A file has one object a measurement, as `synod-kv bench --json` prints it. Comparing tells the
//! change and judges none: two runs on one machine differ by more than most changes do, so what
//! counts is for people to say.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::outcome::{Failure, Outcome};

/// Reads measurements, one a line.
pub(crate) fn parse(text: &str) -> Result<Vec<Value>, Failure> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let parse = |line: &str| {
        let value: Value = serde_json::from_str(line)
            .map_err(|error| Failure::Found(format!("bench: `{line}`: {error}")))?;
        let known = FIGURES.iter().all(|(name, _)| value[name].is_number());
        let whole = known && value["operation"].is_string() && value["clients"].is_u64();
        whole
            .then_some(value)
            .ok_or_else(|| Failure::Found(format!("bench: `{line}` lacks figures")))
    };
    lines.map(parse).collect()
}

/// Reads a file of measurements.
pub(crate) fn read(path: &Path) -> Result<Vec<Value>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))?;
    parse(&text)
}

/// Writes a file of measurements.
pub(crate) fn write(path: &Path, measured: &[Value]) -> Outcome {
    let text: String = measured.iter().map(|value| format!("{value}\n")).collect();
    fs::write(path, text).map_err(|error| Failure::io("write", path, &error))
}

/// Tells one measurement in a line.
pub(crate) fn line(measured: &Value) -> String {
    let mut text = name(measured);
    for (figure, unit) in FIGURES {
        let _ =
            write!(text, "  {figure} {:.3}{unit}", measured[figure].as_f64().unwrap_or_default());
    }
    text
}

/// Tells how each measurement differs from the one of the same name before.
pub(crate) fn compare(before: &[Value], after: &[Value]) -> Result<String, Failure> {
    let mut text = String::new();
    for new in after {
        let Some(old) = before.iter().find(|old| name(old) == name(new)) else { continue };
        text += &name(new);
        for (figure, unit) in FIGURES {
            let [old, new] = [old, new].map(|it| it[figure].as_f64().unwrap_or_default());
            let change = 100.0 * (new - old) / old.abs().max(f64::MIN_POSITIVE);
            let _ = write!(text, "  {figure} {old:.3} -> {new:.3}{unit} ({change:+.1} %)");
        }
        text.push('\n');
    }
    let nothing = "bench: the file has none of these measurements";
    if text.is_empty() { Err(Failure::Found(nothing.into())) } else { Ok(text) }
}

/// What makes two measurements comparable.
fn name(measured: &Value) -> String {
    let operation = measured["operation"].as_str().unwrap_or_default();
    format!("{operation} {} clients, {} B:", measured["clients"], measured["value_bytes"])
}

/// The figures that are compared, with their units.
const FIGURES: [(&str, &str); 3] =
    [("operations_per_second", ""), ("p50_ms", " ms"), ("p99_ms", " ms")];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn measured(clients: u32, speed: f64) -> String {
        format!(
            "{{\"operation\":\"put\",\"clients\":{clients},\"value_bytes\":128,\
             \"operations_per_second\":{speed},\"p50_ms\":1.0,\"p99_ms\":2.5}}\n"
        )
    }

    #[test]
    fn a_change_is_told_for_what_was_measured_twice() {
        let before = parse(&(measured(1, 100.0) + &measured(16, 400.0))).unwrap();
        let after = parse(&(measured(16, 500.0) + &measured(64, 900.0))).unwrap();
        let text = compare(&before, &after).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.starts_with("put 16 clients, 128 B:  operations_per_second 400.000 -> 500.000 (")
        );
        assert!(text.contains("(+25.0 %)"), "{text}");
        assert!(compare(&before[..1], &after).is_err());
    }

    #[test]
    fn what_is_no_measurement_is_refused() {
        assert!(parse("{}").is_err());
        assert!(parse("nonsense").is_err());
    }
}
