//! What a verdict that nothing is wrong rests on: that somebody saw what somebody did.
//!
//! A history in which nobody looked agrees with every order, and so does one in which all that was
//! seen is what the keys held before anything was done. Such a history shows nothing of the system
//! under test. The claim kept true: what these operations leave open is never called a PASS.

use synod_history::{Action, Answer, History, Operation};

use crate::{ModelName, Rules};

/// Returns why a history shows nothing that could have been wrong; none if it does.
#[must_use]
pub fn shows_nothing(history: &History, rules: &Rules) -> Option<String> {
    if history.operations.iter().any(|operation| shows(history, rules, operation)) {
        return None;
    }
    let told = |operation: &&Operation| {
        let is_read = matches!(operation.answer, Answer::Seen(_));
        is_read || operation.answer == Answer::Swapped(false)
    };
    let looks = history.operations.iter().filter(told).count();
    Some(match looks {
        0 => "nothing was observed: no read and no other operation tells what it found".to_owned(),
        looks => format!(
            "nothing was observed: the {looks} operations that tell what they found saw only what \
             the keys held in the beginning"
        ),
    })
}

/// Returns whether an operation tells of what another one did, or of what it made of the key.
fn shows(history: &History, rules: &Rules, operation: &Operation) -> bool {
    match (operation.action, operation.answer) {
        (_, Answer::Sum(_) | Answer::Swapped(true)) => true,
        (_, Answer::Seen(Some(seen))) => {
            let seen = history.texts.text(seen);
            let is_zero = rules.absent_is_zero && seen == "0";
            let is_absent = rules.model == ModelName::Kv && seen.is_empty();
            rules.initial.as_deref() != Some(seen) && !is_zero && !is_absent
        }
        // It found something, where it expected nothing.
        (Action::Cas { from: None, .. }, Answer::Swapped(false)) => rules.initial.is_none(),
        (_, Answer::Seen(None)) => rules.initial.is_some(),
        (_, Answer::Swapped(false) | Answer::Done | Answer::Unknown) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

    use synod_history::import::Format;

    use super::*;

    #[test]
    fn only_what_somebody_did_and_somebody_saw_is_something() {
        let event = |process: usize, kind: &str, f: &str, value: &str| {
            format!("{{:process {process} :type :{kind} :f :{f} :value {value}}}")
        };
        let deed = |process, f, asked, answer| {
            event(process, "invoke", f, asked) + &event(process, "ok", f, answer)
        };
        let write = deed(0, "write", "1", "1");
        let empty = Rules::from(ModelName::Mixed);
        let one = Rules { initial: Some("1".to_owned()), ..empty };
        let kv = Rules::from(ModelName::Kv);
        for (text, rules, shows) in [
            (write.clone(), &empty, false),
            (deed(1, "read", "nil", "nil") + &write, &empty, false),
            (deed(1, "read", "nil", "1"), &empty, true),
            (deed(1, "read", "nil", "1"), &one, false),
            (write.clone() + &deed(1, "read", "nil", "nil"), &one, true),
            (deed(1, "read", "nil", "\"\"") + &write, &kv, false),
            (deed(1, "read", "nil", "\"\""), &empty, true),
            (deed(1, "cas", "[1 2]", "false") + &write, &empty, false),
            (deed(1, "cas", "[nil 2]", "false") + &write, &empty, true),
            (deed(1, "cas", "[nil 2]", "true"), &empty, true),
            (deed(1, "add", "1", "\"3\""), &empty, true),
            (deed(1, "add", "1", "1"), &empty, false),
        ] {
            let history = Format::Edn.read(&text, "text").unwrap();
            assert_eq!(shows_nothing(&history, rules).is_none(), shows, "{text} by {rules:?}");
        }
    }
}
