//! Requests and responses of etcd, as its robustness tests record them.
//!
//! Read are requests on one key; one that needs revisions, leases, conditions or several keys is
//! refused by name. A response must be one to the request: to its kind, and of its key. A response
//! that was lost, or of which only some is known, leaves the outcome unknown.

use super::deed::{Deed, Unread};
use super::edn::Edn;
use super::fields::{Fields, atom};
use super::{Action, Answer, Texts};

/// Reads a request and what came of it, where it ever returned.
pub(super) fn read(texts: &mut Texts, input: &Edn, output: Option<&Edn>) -> Result<Deed, Unread> {
    let input = Fields::of("the `Input`", input, REQUEST)?;
    let output = output.map(response).transpose()?.flatten();
    match input.text("Type")?.as_str() {
        "range" => {
            let told = input.needed("Range")?;
            let told = Fields::of("the `Range` of the `Input`", told, RANGE)?;
            if told.whole("Revision")?.unwrap_or(0) != 0 {
                return Err(Unread::NoModel("etcd's reads at a revision".to_owned()));
            }
            let key = match told.some("RangeOptions") {
                Some(inner) => key_of_range(&Fields::of("the `RangeOptions`", inner, RANGE)?)?,
                None => key_of_range(&told)?,
            };
            let answer = match output {
                Some(output) => seen(texts, &key, output.needed("Range")?)?,
                None => Answer::Unknown,
            };
            Ok(Deed { key, action: Action::Read, answer })
        }
        "txn" => transaction(texts, input.needed("Txn")?, output.as_ref()),
        other => Err(Unread::NoModel(format!("etcd's request `{other}`"))),
    }
}

/// Takes a response; none where it does not tell what became of the request.
fn response(output: &Edn) -> Result<Option<Fields<'_>>, Unread> {
    let output = Fields::of("the `Output`", output, RESPONSE)?;
    let text = |name: &str| match output.some(name) {
        None => Ok(String::new()),
        Some(Edn::Text(text)) => Ok(text.clone()),
        Some(other) => Err(output.wrong(name, other, "text")),
    };
    let (error, refusal) = (text("Error")?, text("ClientError")?);
    // What was persisted took effect, but not by when.
    let is_partial =
        output.flag("Persisted")? == Some(true) || output.flag("PartialResponse")? == Some(true);
    if !error.is_empty() || is_partial {
        return Ok(None);
    }
    if !refusal.is_empty() {
        return Err(Unread::NoModel(format!("etcd's requests that it refuses (`{refusal}`)")));
    }
    if output.whole("Revision")?.is_some_and(|revision| revision < 0) {
        return Err(Unread::NoModel("etcd's reads that may be stale".to_owned()));
    }
    Ok(Some(output))
}

fn key_of_range(options: &Fields<'_>) -> Result<String, Unread> {
    // Asked only to be a number: of one key there is one pair at most.
    options.whole("Limit")?;
    match options.some("End") {
        None => {}
        Some(Edn::Text(end)) if end.is_empty() => {}
        Some(Edn::Text(_)) => {
            return Err(Unread::NoModel("etcd's reads of several keys".to_owned()));
        }
        Some(other) => return Err(options.wrong("End", other, "text").into()),
    }
    Ok(options.text("Start")?)
}

/// Reads what a read of a key saw.
fn seen(texts: &mut Texts, key: &str, answer: &Edn) -> Result<Answer, String> {
    let answer = Fields::of("the response to a read", answer, RESULT)?;
    // Asked only to be a number: the pairs themselves are counted below.
    answer.whole("Count")?;
    let found = match answer.list("KVs")? {
        [] => return Ok(Answer::Seen(None)),
        [found] => Fields::of("the pair that was read", found, PAIR)?,
        _ => return Err(format!("the read of `{key}` is answered with several pairs")),
    };
    let other = found.text("Key")?;
    if other != key {
        return Err(format!("the read of `{key}` is answered with the key `{other}`"));
    }
    let value = value_of(&found)?;
    Ok(Answer::Seen(Some(texts.intern(&value))))
}

/// Reads a transaction of one unconditional step.
fn transaction(
    texts: &mut Texts,
    request: &Edn,
    output: Option<&Fields<'_>>,
) -> Result<Deed, Unread> {
    let request = Fields::of("the `Txn` of the `Input`", request, TRANSACTION)?;
    let steps = request.list("OperationsOnSuccess")?;
    let ([], [step]) = (request.list("Conditions")?, steps) else {
        let kind = "etcd's transactions with conditions or several steps";
        return Err(Unread::NoModel(kind.to_owned()));
    };
    let result = output.map(result).transpose()?;
    let step = Fields::of("the step of the `Txn`", step, STEP)?;
    let done = if result.is_some() { Answer::Done } else { Answer::Unknown };
    match step.text("Type")?.as_str() {
        "put-operation" => {
            let put = Fields::of("the `Put`", step.needed("Put")?, PUT)?;
            if put.whole("LeaseID")?.unwrap_or(0) != 0 {
                return Err(Unread::NoModel("etcd's leases".to_owned()));
            }
            let action = Action::Write(texts.intern(&value_of(&put)?));
            Ok(Deed { key: put.text("Key")?, action, answer: done })
        }
        "delete-operation" => {
            let delete = Fields::of("the `Delete`", step.needed("Delete")?, &["Key"])?;
            Ok(Deed { key: delete.text("Key")?, action: Action::Delete, answer: done })
        }
        "range-operation" => {
            let range = Fields::of("the `Range` of the step", step.needed("Range")?, RANGE)?;
            let key = key_of_range(&range)?;
            let answer = match result {
                Some(Some(result)) => seen(texts, &key, result)?,
                Some(None) => {
                    return Err("the `Txn` of the `Output` has no result".to_owned().into());
                }
                None => Answer::Unknown,
            };
            Ok(Deed { key, action: Action::Read, answer })
        }
        other => Err(Unread::NoModel(format!("etcd's step `{other}`"))),
    }
}

/// Returns the result of the one step of a transaction that went through, where it has one.
fn result<'a>(output: &Fields<'a>) -> Result<Option<&'a Edn>, String> {
    let answer = output.needed("Txn")?;
    let answer = Fields::of("the `Txn` of the `Output`", answer, &["Failure", "Results"])?;
    match answer.flag("Failure")? {
        Some(false) => {}
        Some(true) => return Err("a `Txn` without conditions has its `Failure` true".to_owned()),
        None => return Err("the `Txn` of the `Output` has no `Failure`, true or false".to_owned()),
    }
    if answer.some("Results").is_none() {
        return Ok(None);
    }
    match answer.list("Results")? {
        [] => Ok(None),
        [result] => Ok(Some(result)),
        _ => Err("a `Txn` of one step has several `Results`".to_owned()),
    }
}

/// Returns the value of a pair; of a long one only its hash was kept.
fn value_of(pair: &Fields<'_>) -> Result<String, String> {
    let value = pair.needed("Value")?;
    let Edn::Map(_) = value else {
        return atom(value).ok_or_else(|| pair.wrong("Value", value, "text"));
    };
    let mut held = Fields::of("the `Value`", value, VALUE)?;
    // A pair with its revision holds the value once more within.
    if let Some(inner @ Edn::Map(_)) = held.some("Value") {
        held = Fields::of("the `Value`", inner, VALUE)?;
    }
    match held.whole("Hash")? {
        Some(hash) if hash != 0 => Ok(format!("hash {hash}")),
        // A text without letters is left out.
        _ if held.some("Value").is_none() => Ok(String::new()),
        _ => held.text("Value"),
    }
}

const REQUEST: &[&str] =
    &["Type", "Range", "Txn", "LeaseGrant", "LeaseRevoke", "Defragment", "Compact"];
const RANGE: &[&str] = &["Start", "End", "Limit", "Revision", "RangeOptions"];
const TRANSACTION: &[&str] = &["Conditions", "OperationsOnSuccess", "OperationsOnFailure"];
const STEP: &[&str] = &["Type", "Range", "Put", "Delete"];
const PUT: &[&str] = &["Key", "Value", "LeaseID"];
const RESPONSE: &[&str] = &[
    "Txn",
    "Range",
    "LeaseGrant",
    "LeaseRevoke",
    "Defragment",
    "Compact",
    "ClientError",
    "Revision",
    "Persisted",
    "PersistedRevision",
    "PartialResponse",
    "Error",
];
const RESULT: &[&str] = &["KVs", "Count", "Deleted"];
const PAIR: &[&str] = &["Key", "Value", "ModRevision", "Version"];
const VALUE: &[&str] = &["Value", "Hash", "ModRevision", "Version"];
