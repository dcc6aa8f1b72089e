//! As much of JSON Schema as the schema of the bridge uses; a word that it does not know is
//! refused.

use serde_json::Value;

/// Reads the schema of the bridge protocol.
pub(crate) fn schema() -> Value {
    serde_json::from_str(include_str!("../../pages/bridge.schema.json")).unwrap()
}

/// Says what is wrong with a value, held against one definition of a schema.
pub(crate) fn problem(schema: &Value, definition: &str, value: &Value) -> Option<String> {
    check(schema, &schema["$defs"][definition], value)
}

fn check(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let Some(rules) = schema.as_object() else { return Some(format!("{schema} is no schema")) };
    rules.iter().find_map(|(word, rule)| rule_broken(root, (schema, word, rule), value))
}

fn rule_broken(root: &Value, rule: (&Value, &str, &Value), value: &Value) -> Option<String> {
    let (schema, word, rule) = rule;
    let wrong = |good: bool| (!good).then(|| format!("{value} is against {word}: {rule}"));
    match word {
        "$schema" | "title" | "description" | "$defs" => None,
        "$ref" => {
            let name = rule.as_str().and_then(|name| name.strip_prefix("#/$defs/"));
            check(root, &root["$defs"][name.unwrap_or_default()], value)
        }
        "oneOf" => {
            let fits = |schema: &&Value| check(root, schema, value).is_none();
            wrong(rule.as_array()?.iter().filter(fits).count() == 1)
        }
        "const" => wrong(rule == value),
        "type" => match rule.as_array() {
            Some(types) => wrong(types.iter().any(|name| is_of(name, value))),
            None => wrong(is_of(rule, value)),
        },
        "minimum" => wrong(value.as_i64().is_none_or(|number| Some(number) >= rule.as_i64())),
        "required" => {
            let has = |name: &Value| value.get(name.as_str().unwrap_or_default()).is_some();
            wrong(rule.as_array()?.iter().all(has))
        }
        "properties" => rule.as_object()?.iter().find_map(|(name, schema)| {
            value.get(name).and_then(|value| check(root, schema, value))
        }),
        "additionalProperties" => {
            let known = schema["properties"].as_object()?;
            let names = value.as_object().into_iter().flatten();
            wrong(names.into_iter().all(|(name, _)| known.contains_key(name)))
        }
        "items" => value.as_array()?.iter().find_map(|value| check(root, rule, value)),
        "minItems" => wrong(value.as_array()?.len() as u64 >= rule.as_u64()?),
        "maxItems" => wrong(value.as_array()?.len() as u64 <= rule.as_u64()?),
        other => Some(format!("the schema has `{other}`, which this test does not know")),
    }
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

#[test]
fn what_is_wrong_is_found() {
    let wrong = [
        ("question", r#"{"id": 1, "client": 0, "f": "read", "key": "a"}"#),
        ("question", r#"{"id": 1, "client": 0, "f": "rad", "key": "a", "timeout_ms": 1}"#),
        ("question", r#"{"id": -1, "client": 0, "f": "read", "key": "a", "timeout_ms": 1}"#),
        (
            "question",
            r#"{"id": 1, "client": 0, "f": "cas", "key": "a", "value": ["1"],
            "timeout_ms": 1}"#,
        ),
        ("question", r#"{"id": 1, "client": 0, "f": "read", "key": "a", "timeout_ms": 1, "x": 1}"#),
        ("answer", r#"{"id": 1, "type": "maybe"}"#),
        ("answer", r#"{"type": "ok"}"#),
        ("answer", r#"{"id": 1, "type": "ok", "value": {"node": "one"}}"#),
    ];
    for (definition, text) in wrong {
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(problem(&schema(), definition, &value).is_some(), "{text}");
    }
}
