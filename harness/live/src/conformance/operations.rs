//! The operations of the protocol, one after the other and many at once, on nodes that work.
//!
//! Each check has keys of its own, so that none sees what another left. What a system does not
//! offer its bridge may refuse, and that is told. The
//! claim kept true: an answer that is wrong by the values alone is noted with its question.

use std::time::Duration;

use synod_history::{Request, Value, visible};

use super::talk::Asked;
use super::{LIMIT, Trial};
use crate::bridge::Outcome;

impl Trial<'_> {
    pub(super) async fn read_and_write(&mut self) -> Option<String> {
        let key = "try.rw";
        self.reads(key, &Value::Null, "where nothing was written").await?;
        for value in ["1", "2"] {
            let write = Request::Write { key: key.to_owned(), value: value.to_owned() };
            self.done(write).await?;
            self.reads(key, &text(value), "what was written before").await?;
        }
        None
    }

    pub(super) async fn delete(&mut self) -> Option<String> {
        let key = "try.delete";
        self.done(Request::Write { key: key.to_owned(), value: "1".to_owned() }).await?;
        match self.offered(Request::Delete { key: key.to_owned() }).await? {
            Ok(_) => self.reads(key, &Value::Null, "after `delete`").await.map(|()| None)?,
            Err(remark) => Some(remark),
        }
    }

    pub(super) async fn cas(&mut self) -> Option<String> {
        let key = || "try.cas".to_owned();
        let cas = |from: Option<&str>, to: &str| Request::Cas {
            key: key(),
            from: from.map(str::to_owned),
            to: to.to_owned(),
        };
        for (request, wanted, now) in [
            (cas(None, "1"), true, "1"),
            (cas(None, "9"), false, "1"),
            (cas(Some("1"), "2"), true, "2"),
            (cas(Some("1"), "9"), false, "2"),
        ] {
            let (asked, outcome) = self.settled(request).await?;
            match outcome {
                Outcome::Ok(Value::Flag(flag)) if flag == wanted => {}
                Outcome::Ok(_) => {
                    let what = format!("it has to be {wanted} here: the value was another before");
                    let what = if wanted { CAS_SETS.to_owned() } else { what };
                    self.talk.note(asked.id, what, CAS);
                    return None;
                }
                Outcome::Fail(why) => return Some(refused(&why)),
                Outcome::Info(_) => return None,
            }
            self.reads(&key(), &text(now), "after `cas`").await?;
        }
        None
    }

    pub(super) async fn append(&mut self) -> Option<String> {
        let key = || "try.append".to_owned();
        for (value, now) in [("a,", "a,"), ("b,", "a,b,")] {
            let request = Request::Append { key: key(), value: value.to_owned() };
            if let Err(remark) = self.offered(request).await? {
                return Some(remark);
            }
            self.reads(&key(), &text(now), "after `append`").await?;
        }
        None
    }

    pub(super) async fn add(&mut self) -> Option<String> {
        let key = || "try.add".to_owned();
        for (delta, sum) in [(5, "5"), (-2, "3")] {
            let (asked, outcome) = self.settled(Request::Add { key: key(), delta }).await?;
            match outcome {
                Outcome::Ok(value) if value == text(sum) => {}
                Outcome::Ok(_) => {
                    let what = format!("the sum is {sum} here");
                    self.talk.note(asked.id, what, "answer with the sum after the addition");
                    return None;
                }
                Outcome::Fail(why) => return Some(refused(&why)),
                Outcome::Info(_) => return None,
            }
            self.reads(&key(), &text(sum), "after `add`").await?;
        }
        None
    }

    /// Writes texts that JSON, a shell, a number or a line would make something else of.
    pub(super) async fn texts(&mut self) -> Option<String> {
        let long = "0123456789".repeat(1_000);
        let mut refused = Vec::new();
        for (number, (value, kind)) in [
            ("", "an empty text"),
            ("007", "a number with zeros before it"),
            ("null", "the word null"),
            ("a \"quoted\" \\ word, 'and' $more", "quotes and a backslash"),
            ("two\nlines\tand a tab", "a line feed"),
            ("h\u{e9}llo \u{4e16}\u{754c} \u{1f600}", "letters of other scripts"),
            (&long, "ten thousand letters"),
        ]
        .into_iter()
        .enumerate()
        {
            let key = format!("try.text.{number}");
            let write = Request::Write { key: key.clone(), value: value.to_owned() };
            match self.settled(write).await?.1 {
                Outcome::Ok(_) => self.reads(&key, &text(value), &format!("({kind})")).await?,
                Outcome::Fail(_) => refused.push(kind),
                Outcome::Info(_) => return None,
            }
        }
        (!refused.is_empty()).then(|| format!("refused by `fail`: {}", refused.join(", ")))
    }

    /// Asks many questions of several clients before it hears an answer.
    pub(super) async fn together(&mut self) -> Option<String> {
        let key = |client: u32| format!("try.many.{client}");
        let mut writes = Vec::new();
        for client in 0..CLIENTS_TOGETHER {
            let request = Request::Write { key: key(client), value: client.to_string() };
            writes.push(self.talk.ask(client, request, LONG).await);
        }
        self.talk.gather(&writes).await;
        let mut reads = Vec::new();
        for client in 0..CLIENTS_TOGETHER {
            let request = Request::Read { key: key(client) };
            reads.push(self.talk.ask(client, request, LONG).await);
        }
        self.talk.gather(&reads).await;
        for (write, read) in writes.iter().zip(&reads) {
            let wrote = self.talk.outcome(write);
            let seen = self.talk.outcome(read);
            if let (Some(Outcome::Ok(_)), Some(Outcome::Ok(value))) = (wrote, seen)
                && value != text(&read.client.to_string())
            {
                let what = format!("the key holds \"{}\"", read.client);
                self.talk.note(read.id, what, "hold the answer to each question apart, by its id");
            }
        }
        None
    }

    pub(super) async fn not_offered(&mut self) -> Option<String> {
        let request = Request::Own {
            f: "no-such-operation".to_owned(),
            key: "try.none".to_owned(),
            argument: Value::Null,
        };
        let asked = self.talk.ask(0, request, LIMIT).await;
        self.talk.gather(std::slice::from_ref(&asked)).await;
        let what = match self.talk.outcome(&asked)? {
            Outcome::Fail(_) => return None,
            Outcome::Ok(_) => "it cannot have done what nobody knows",
            Outcome::Info(_) => "it is known that nothing was done",
        };
        self.talk.note(asked.id, what, "answer `fail` to an `f` that the system does not offer");
        None
    }

    /// Asks until the outcome is known, and returns that; where it never is, that is noted.
    ///
    /// An operation whose outcome is unknown is not asked again, unless that changes nothing.
    pub(super) async fn settled(&mut self, request: Request) -> Option<(Asked, Outcome)> {
        let repeats = match &request {
            Request::Read { .. } | Request::Write { .. } | Request::Delete { .. } => TRIES_MAX,
            Request::Cas { .. }
            | Request::Append { .. }
            | Request::Add { .. }
            | Request::Own { .. } => 1,
        };
        for left in (0..repeats).rev() {
            let asked = self.talk.ask(0, request.clone(), LIMIT).await;
            self.talk.gather(std::slice::from_ref(&asked)).await;
            match self.talk.outcome(&asked)? {
                Outcome::Info(_) if left > 0 => tokio::time::sleep(PAUSE).await,
                Outcome::Info(_) => {
                    let what = "nobody knows the outcome, though nothing is broken";
                    self.talk.note(asked.id, what, UNKNOWN);
                    return None;
                }
                outcome @ (Outcome::Ok(_) | Outcome::Fail(_)) => return Some((asked, outcome)),
            }
        }
        None
    }

    /// Does what every system offers.
    async fn done(&mut self, request: Request) -> Option<()> {
        let (asked, outcome) = self.settled(request).await?;
        match outcome {
            Outcome::Ok(_) => Some(()),
            Outcome::Fail(_) | Outcome::Info(_) => {
                let what = "every workload but a counter's reads and writes";
                self.talk.note(asked.id, what, "let the bridge offer `read` and `write`");
                None
            }
        }
    }

    /// Does what a system may offer; otherwise the refusal is the remark.
    async fn offered(&mut self, request: Request) -> Option<Result<Value, String>> {
        match self.settled(request).await?.1 {
            Outcome::Ok(value) => Some(Ok(value)),
            Outcome::Fail(why) => Some(Err(refused(&why))),
            Outcome::Info(_) => None,
        }
    }

    /// Reads a key that has to have this value.
    async fn reads(&mut self, key: &str, wanted: &Value, when: &str) -> Option<()> {
        let (asked, outcome) = self.settled(Request::Read { key: key.to_owned() }).await?;
        if outcome == Outcome::Ok(wanted.clone()) {
            return Some(());
        }
        let shown = match wanted {
            Value::Text(text) if text.len() > 60 => format!("the text of {} letters", text.len()),
            Value::Text(text) => format!("{text:?}"),
            Value::Null | Value::Flag(_) | Value::Pair(..) => "null".to_owned(),
        };
        let what = format!("a read {when} has to see {shown}");
        self.talk.note(asked.id, what, "answer `ok` with the text that was written, as it was");
        None
    }
}

fn refused(why: &str) -> String {
    format!("not offered (\"{}\")", visible(why))
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// How often a question is asked whose outcome stays unknown.
const TRIES_MAX: u32 = 5;

const PAUSE: Duration = Duration::from_millis(300);

/// How many clients ask at once.
const CLIENTS_TOGETHER: u32 = 32;

/// How long each of many operations may take.
const LONG: Duration = Duration::from_secs(5);

const CAS_SETS: &str = "it has to be true here: the value was the one that was expected";

const CAS: &str = "answer true if it was set, and false if another value was there; `value` has \
    what must be there, null for nothing, and what shall be";

const UNKNOWN: &str = "answer `ok` or `fail` where the system said so; is it up, and does the \
    bridge wait for it?";
