//! Questions and answers of Porcupine's key-value model, or of one that says what it does by name.
//!
//! Every answer says what it means: a read has its value, a swap says whether it found what it
//! expected, and what only changes something says nothing, or that it was done. Whatever else an
//! answer says, such as an error, is refused.

use super::deed::{Deed, Unread};
use super::edn::Edn;
use super::fields::{Fields, atom};
use super::printed::{printed, short};
use super::{Action, Answer, Texts, refused};

/// Reads an operation. Where it never returned, there is no output to look at.
pub(super) fn read(texts: &mut Texts, input: &Edn, output: Option<&Edn>) -> Result<Deed, Unread> {
    let input = Fields::of("the `Input`", input, INPUT)?;
    let word = input.needed("Op")?;
    // Porcupine's own histories number the three operations of the model.
    let number = if let Edn::Whole(number) = word { usize::try_from(*number).ok() } else { None };
    let numbered = number.and_then(|number| ["get", "put", "append"].get(number));
    let f = numbered.map_or_else(|| printed(word).to_lowercase(), |f| (*f).to_owned());
    let f = f.as_str();
    let action = match f {
        "get" | "read" => {
            input.idle(&["From", "To"], f)?;
            Action::Read
        }
        "put" | "write" | "set" => {
            input.idle(&["From", "To"], f)?;
            Action::Write(texts.intern(&input.text("Value")?))
        }
        "append" => {
            input.idle(&["From", "To"], f)?;
            Action::Append(texts.intern(&input.text("Value")?))
        }
        "delete" => {
            input.idle(&["From", "To"], f)?;
            Action::Delete
        }
        "cas" => {
            input.idle(&["Value"], f)?;
            let from = input.text_or_null("From")?.map(|from| texts.intern(&from));
            Action::Cas { from, to: texts.intern(&input.text("To")?) }
        }
        f => {
            let kind = refused::kind(f, &Edn::Nil);
            let kind = kind.map_or_else(|| refused::unknown(f), str::to_owned);
            return Err(Unread::NoModel(kind));
        }
    };
    let key = input.text("Key")?;
    let answer = output.map_or(Ok(Answer::Unknown), |output| answer(texts, f, action, output))?;
    Ok(Deed { key, action, answer })
}

fn answer(texts: &mut Texts, f: &str, action: Action, output: &Edn) -> Result<Answer, String> {
    let Edn::Map(_) = output else { return bare(texts, f, action, output) };
    let output = Fields::of("the `Output`", output, OUTPUT)?;
    let (ok, exists) = (output.flag("Ok")?, output.flag("Exists")?);
    if output.flag("Unknown")? == Some(true) {
        return Ok(Answer::Unknown);
    }
    if let Action::Cas { .. } = action {
        let told = format!("the `Output` of `{f}` has no `Ok`, true or false");
        return ok.map(Answer::Swapped).ok_or(told);
    }
    if ok == Some(false) {
        return Err(format!(
            "the `Ok` of the `Output` of `{f}` is false: leave out what certainly did not happen, \
             and say `Unknown` true of what may have"
        ));
    }
    if action != Action::Read {
        return Ok(Answer::Done);
    }
    if exists == Some(false) {
        output.idle(&["Value"], "a key that does not exist")?;
        return Ok(Answer::Seen(None));
    }
    let seen = output.text_or_null("Value")?;
    if exists == Some(true) && seen.is_none() {
        return Err("the `Output` has a key that exists, and no value".to_owned());
    }
    Ok(Answer::Seen(seen.map(|seen| texts.intern(&seen))))
}

/// Reads an answer that has no fields.
fn bare(texts: &mut Texts, f: &str, action: Action, output: &Edn) -> Result<Answer, String> {
    let is_done = match output {
        Edn::Nil | Edn::Flag(true) => true,
        Edn::Text(text) => text.is_empty() || text.eq_ignore_ascii_case("ok"),
        Edn::Flag(false)
        | Edn::Whole(_)
        | Edn::Keyword(_)
        | Edn::Symbol(_)
        | Edn::Sequence(_)
        | Edn::Set(_)
        | Edn::Map(_) => false,
    };
    match (action, output) {
        (Action::Cas { .. }, Edn::Flag(swapped)) => Some(Answer::Swapped(*swapped)),
        (Action::Read, seen) => atom(seen).map(|seen| Answer::Seen(Some(texts.intern(&seen)))),
        (Action::Write(_) | Action::Append(_) | Action::Delete, _) => {
            is_done.then_some(Answer::Done)
        }
        (Action::Cas { .. } | Action::Add(_), _) => None,
    }
    .ok_or_else(|| {
        let wanted = match action {
            Action::Read => "{\"Value\": \"1\"}, with \"\" or null where there is nothing",
            Action::Cas { .. } => "{\"Ok\": true} or {\"Ok\": false}",
            Action::Write(_) | Action::Append(_) | Action::Delete | Action::Add(_) => "null",
        };
        format!("the `Output` of `{f}` is `{}`, where {wanted} was to be", short(output))
    })
}

const INPUT: &[&str] = &["Op|F|Type|Operation", "Key", "Value", "From|Arg1", "To|Arg2"];
const OUTPUT: &[&str] = &["Value", "Ok", "Exists", "Unknown"];
